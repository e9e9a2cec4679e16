import Glibc
import Model
package import Transport

/// Where a person's or an agent's identity lies: `identity.pem` (certificate, authority, key) and `farm` (the address).
package struct Profile: Sendable {
    package let folder: String

    package init(folder: String) { self.folder = folder }

    /// `$SHEAF_HOME`, else `$XDG_CONFIG_HOME/sheaf`, else `~/.config/sheaf`.
    package static func standard(_ environment: (String) -> String?) -> Profile {
        if let home = environment("SHEAF_HOME"), !home.isEmpty { return Profile(folder: home) }
        if let config = environment("XDG_CONFIG_HOME"), !config.isEmpty { return Profile(folder: config + "/sheaf") }
        return Profile(folder: (environment("HOME") ?? ".") + "/.config/sheaf")
    }

    private var identityPath: String { folder + "/identity.pem" }
    private var addressPath: String { folder + "/farm" }

    package var exists: Bool { access(identityPath, F_OK) == 0 }

    package func load() throws(ClientError) -> (identity: Identity, address: Address) {
        guard exists else {
            throw ClientError(
                "you have no identity of a farm in \(folder)",
                help: "ask an admin for a token file, then: sheaf enrol --token-file FILE", isRefusal: true)
        }
        do {
            let text = try PrivateFile.read(addressPath, keptPrivate: false)
            let address = try Address(text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
            return (try Identity(file: identityPath), address)
        } catch let error as CertificateError {
            // A file that is open to others, or cannot be read, is still the right one.
            let isWhole = if case .file = error { true } else { false }
            throw ClientError(
                "the identity in \(folder) cannot be used: \(error)",
                help: isWhole ? nil : "enrol again with a new token", isRefusal: true)
        } catch {
            throw ClientError(
                "the identity in \(folder) cannot be used: \(error)", help: "enrol again with a new token",
                isRefusal: true)
        }
    }

    /// Makes the folder, and finds out whether an identity can be written there.
    func prepare() throws(ClientError) {
        do throws(CertificateError) { try PrivateFile.makeStateFolder(folder) } catch {
            throw ClientError("no identity can be kept in \(folder): \(error)", isRefusal: true)
        }
        guard access(folder, W_OK | X_OK) == 0 else {
            throw ClientError(
                "no identity can be kept in \(folder): \(String(cString: strerror(errno)))",
                help: "--home names another folder", isRefusal: true)
        }
    }

    private func pendingPath(_ token: EnrolmentToken) -> String {
        "\(folder)/enrolling-\(token.secretDigest.hex.prefix(16)).pem"
    }

    /// The key that enrols with a token. It is kept until the farm's answer is here: a farm that has used the token
    /// for it, and whose answer was lost, answers this key once more.
    func pendingKey(for token: EnrolmentToken) throws(ClientError) -> PrivateKey {
        let path = pendingPath(token)
        do throws(CertificateError) {
            if access(path, F_OK) == 0 { return try PrivateKey(pem: try PrivateFile.read(path, keptPrivate: true)) }
            let key = PrivateKey.make()
            try key.save(to: path)
            return key
        } catch {
            throw ClientError(
                "the key of an enrolment that was begun cannot be used: \(error)",
                help: "remove \(path) and enrol with a new token", isRefusal: true)
        }
    }

    func forgetPendingKey(for token: EnrolmentToken) { unlink(pendingPath(token)) }

    package func save(_ identity: Identity, address: Address) throws(ClientError) {
        do {
            try PrivateFile.makeStateFolder(folder)
            try PrivateFile.write("\(address)\n", to: addressPath)
            try identity.save(to: identityPath)
        } catch {
            throw ClientError("the identity cannot be stored in \(folder): \(error)")
        }
    }
}

/// What went wrong between a person and the farm, and what to do.
package struct ClientError: Error, CustomStringConvertible {
    package var problem: String
    package var help: String?
    /// The request itself was refused: trying again changes nothing.
    package var isRefusal: Bool

    package init(_ problem: String, help: String? = nil, isRefusal: Bool = false) {
        self.problem = problem
        self.help = help
        self.isRefusal = isRefusal
    }

    package var description: String { problem + (help.map { "\n  help: \($0)" } ?? "") }
}
