import Model
import Workflows

/// Which actions of other repositories runs may use, and where they are fetched from. The farm's owner says so: nothing
/// is fetched that is not named here.
package struct ActionRules: Equatable, Sendable {
    package static let serverStandard = "https://github.com"
    package static let patternsMax = 1000

    enum Pattern: Equatable, Sendable {
        /// `owner/*`
        case owner(String)
        /// `owner/name`
        case repository(String)
    }

    /// What stands before `/owner/name` in an address that git understands.
    package let server: String
    let allowed: [Pattern]

    /// Nothing is allowed.
    package init() {
        server = Self.serverStandard
        allowed = []
    }

    /// - Throws: `CoordinatorError.invalid` in words for the owner.
    package init(server: String?, allowed patterns: [String]) throws(CoordinatorError) {
        var server = server ?? Self.serverStandard
        while server.hasSuffix("/") { server.removeLast() }
        guard Self.scheme(of: server) != nil, !server.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else {
            throw .invalid(
                "'\(server.prefix(200))' is no server of repositories: https://…, http://…, ssh://…, git://… or file:///… is wanted"
            )
        }
        guard patterns.count <= Self.patternsMax else {
            throw .invalid("\(patterns.count) patterns of actions were given; the most is \(Self.patternsMax)")
        }
        var allowed: [Pattern] = []
        for text in patterns {
            // Repositories are told apart without regard to case, as their servers do.
            let pattern = text.lowercased()
            if pattern.hasSuffix("/*"), ActionReference.isNamePart(pattern.dropLast(2).utf8) {
                allowed.append(.owner(String(pattern.dropLast(2))))
            } else if ActionReference.isRepository(pattern) {
                allowed.append(.repository(pattern))
            } else {
                throw .invalid("'\(text.prefix(100))' names no actions: owner/* or owner/name is wanted")
            }
        }
        self.server = server
        self.allowed = allowed
    }

    /// The protocol that git may speak to the server, and no other.
    static func scheme(of server: String) -> String? {
        guard let mark = server.firstRange(of: "://") else { return nil }
        let scheme = String(server[..<mark.lowerBound])
        guard ["https", "http", "ssh", "git", "file"].contains(scheme), mark.upperBound < server.endIndex else {
            return nil
        }
        return scheme
    }

    var scheme: String { Self.scheme(of: server) ?? "https" }

    /// - Parameter repository: `owner/name`.
    func allows(_ repository: String) -> Bool {
        guard ActionReference.isRepository(repository) else { return false }
        let name = repository.lowercased()
        let owner = name.split(separator: "/").first.map(String.init) ?? ""
        return allowed.contains { $0 == .repository(name) || $0 == .owner(owner) }
    }

    /// Why the actions of a repository may not be used; `nil` where they may.
    func refusal(of repository: String) -> FoundRepository? {
        guard !allows(repository) else { return nil }
        let owner = repository.split(separator: "/").first ?? ""
        return .refused(
            problem: "the farm's owner does not allow actions of '\(repository)'",
            help:
                "the coordinator's --allow-action \(repository), or \(owner)/*, allows it; an action of the code tree "
                + "needs nobody's leave: uses: ./folder")
    }

    func address(of repository: String) -> String { server + "/" + repository }
}
