/// What a workflow or a job asks to be allowed, as GitHub's token would be.
package enum Permissions: Equatable, Sendable {
    package enum Level: Int, Comparable, Sendable {
        case none, read, write

        init?(_ word: String) {
            switch word {
            case "none": self = .none
            case "read": self = .read
            case "write": self = .write
            default: return nil
            }
        }

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

        var word: String {
            switch self {
            case .none: "none"
            case .read: "read"
            case .write: "write"
            }
        }
    }

    case all(Level)
    /// What is not named is none.
    case named([String: Level])

    static let names = [
        "actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "id-token",
        "issues", "models", "packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses",
    ]

    /// GitHub's default for new repositories.
    package static let limitedRead = Permissions.named(["contents": .read, "packages": .read])

    subscript(_ name: String) -> Level {
        switch self {
        case .all(let level): level
        case .named(let levels): levels[name] ?? .none
        }
    }

    /// What is asked for beyond what is allowed, by name.
    func excess(over allowed: Permissions) -> [(name: String, asked: Level, allowed: Level)] {
        Self.names.compactMap { name in
            self[name] > allowed[name] ? (name, self[name], allowed[name]) : nil
        }
    }
}
