import COpenSSL
package import Model

/// What a person or an agent needs to enrol once: where, whose certificate to expect, and a secret.
///
/// Its file is text: the line `sheaf-token 1`, then one `key: value` per line, in any order. `address`, `authority` and
/// `secret` must be there; `role`, `name`, `team` and `expires` are for people who read the file, and the coordinator
/// goes by its own record; other keys are for later versions and are passed over.
package struct EnrolmentToken: Hashable, Sendable {
    /// A token file has about 300 bytes.
    package static let fileBytesMax = 4096
    static let secretByteCount = 32

    /// The enrolment listener.
    package let address: Address
    /// SHA-256 of the authority's certificate. The coordinator must show it before the secret is sent.
    package let authority: Digest
    /// 256 random bits in base64url: 43 characters.
    package let secret: String
    package let role: String
    package let name: String
    package let team: String?
    package let expires: String?

    package init(address: Address, authority: Digest, principal: Principal, expires: Instant?) {
        self.address = address
        self.authority = authority
        secret = Base64.url.text(of: secureRandomBytes(Self.secretByteCount))
        role = principal.role.rawValue
        name = principal.name
        team = principal.team
        self.expires = expires?.utc
    }

    package var fileText: String {
        var lines = [
            "sheaf-token 1", "address: \(address)", "authority: \(authority.hex)", "secret: \(secret)",
            "role: \(role)", "name: \(name)",
        ]
        if let team { lines.append("team: \(team)") }
        if let expires { lines.append("expires: \(expires)") }
        return lines.joined(separator: "\n") + "\n"
    }

    package init(fileText: String) throws(TokenError) {
        guard fileText.utf8.count <= Self.fileBytesMax else { throw .tooLong }
        let lines = fileText.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let head = lines[0].split(separator: " ")
        guard head.first == "sheaf-token", head.count == 2 else { throw .noToken }
        guard head[1] == "1" else { throw .otherVersion(String(head[1].prefix(20))) }
        var fields: [String: String] = [:]
        for (index, line) in lines.enumerated().dropFirst() where line.contains(where: { !$0.isWhitespace }) {
            guard let colon = line.firstIndex(of: ":") else { throw .malformedLine(index + 1) }
            let key = String(line[..<colon])
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            guard fields.updateValue(String(value), forKey: key) == nil else { throw .repeated(key) }
        }
        func field(_ key: String) throws(TokenError) -> String {
            guard let value = fields[key] else { throw .lacks(key) }
            return value
        }
        let place = try field("address")
        do throws(LinkError) { address = try Address(place) } catch { throw .wrong("address", "\(error)") }
        guard let authority = Digest(hex: try field("authority")) else {
            throw .wrong("authority", "expected 64 hexadecimal digits")
        }
        self.authority = authority
        secret = try field("secret")
        guard Self.isSecret(secret) else { throw .wrong("secret", "expected 43 characters of base64url") }
        role = fields["role"] ?? ""
        name = fields["name"] ?? ""
        team = fields["team"]
        expires = fields["expires"]
    }

    /// What the coordinator stores instead of the secret.
    package var secretDigest: Digest { Self.digest(ofSecret: secret) }
    package static func digest(ofSecret secret: String) -> Digest { .sha256(of: secret.utf8) }

    /// Whether a stranger's secret is the stored one. The time it takes says nothing about either.
    package static func matches(_ presented: String, stored: Digest) -> Bool {
        guard presented.utf8.count <= fileBytesMax else { return false }
        let a = digest(ofSecret: presented).bytes
        let b = stored.bytes
        return unsafe CRYPTO_memcmp(a, b, a.count) == 0
    }

    private static func isSecret(_ text: String) -> Bool {
        text.utf8.count == 43 && text.utf8.allSatisfy { Base64.url.letters.contains($0) }
    }
}

/// Why a text is no token.
package enum TokenError: Error, Hashable, Sendable, CustomStringConvertible {
    case noToken
    case otherVersion(String)
    case tooLong
    case malformedLine(Int)
    case lacks(String)
    case repeated(String)
    case wrong(String, String)

    package var description: String {
        switch self {
        case .noToken:
            "this is no token: its first line must be 'sheaf-token 1'; ask an admin for one (sheaf token create)"
        case .otherVersion(let version):
            "this token is of version \(version), and this sheaf reads version 1: update it"
        case .tooLong: "this is no token: it is longer than \(EnrolmentToken.fileBytesMax) bytes"
        case .malformedLine(let line): "line \(line) of the token is not of the form 'key: value'; was it cut?"
        case .lacks(let key): "the token lacks the line '\(key): …'; was it cut?"
        case .repeated(let key): "the token has the line '\(key): …' twice"
        case .wrong(let key, let why): "the token's \(key) is wrong: \(why); was it cut?"
        }
    }
}
