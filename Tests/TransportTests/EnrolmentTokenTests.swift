import Model
import Testing
import Transport

private let authority = Digest.sha256(of: [1, 2, 3])

private func token(team: String? = "vision") throws -> EnrolmentToken {
    EnrolmentToken(
        address: try Address("farm.example:7444"), authority: authority,
        principal: Principal(role: .agent, name: "node7", team: team), expires: .seconds(0))
}

@Suite struct `A token` {
    @Test func `is read back from its file`() throws {
        for team in ["vision", nil] {
            let made = try token(team: team)
            #expect(try EnrolmentToken(fileText: made.fileText) == made)
            #expect(made.fileText.contains("address: farm.example:7444\n"))
        }
    }

    @Test func `takes other ends of lines and keys of later versions`() throws {
        let made = try token()
        let text = made.fileText.replacing("\n", with: "\r\n") + "colour: green\r\n\r\n"
        #expect(try EnrolmentToken(fileText: text) == made)
    }

    @Test func `has a secret of 256 bits that no other has`() throws {
        let secrets = try (0..<100).map { _ in try token().secret }
        #expect(Set(secrets).count == 100)
        #expect(secrets.allSatisfy { $0.utf8.count == 43 })
    }

    @Test func `is known by the digest of its secret`() throws {
        let made = try token()
        #expect(EnrolmentToken.matches(made.secret, stored: made.secretDigest))
        #expect(!EnrolmentToken.matches(made.secret + "A", stored: made.secretDigest))
        #expect(!EnrolmentToken.matches("", stored: made.secretDigest))
        #expect(!EnrolmentToken.matches(try token().secret, stored: made.secretDigest))
    }

    @Test func `says what is wrong with it`() throws {
        let good = try token().fileText
        let lines = good.split(separator: "\n")
        let cases: [(String, TokenError)] = [
            ("", .noToken), ("hello", .noToken), ("sheaf-token", .noToken),
            (good.replacing("sheaf-token 1", with: "sheaf-token 2"), .otherVersion("2")),
            (lines.filter { !$0.hasPrefix("secret") }.joined(separator: "\n"), .lacks("secret")),
            (lines.filter { !$0.hasPrefix("authority") }.joined(separator: "\n"), .lacks("authority")),
            (lines.filter { !$0.hasPrefix("address") }.joined(separator: "\n"), .lacks("address")),
            (good + lines[1] + "\n", .repeated("address")), (good + "nonsense\n", .malformedLine(9)),
            (good + String(repeating: " ", count: 4096), .tooLong),
        ]
        for (text, expected) in cases {
            #expect(throws: expected) { try EnrolmentToken(fileText: text) }
        }
        for (key, value) in [("address", "x"), ("authority", "12"), ("secret", "short"), ("secret", "!")] {
            let changed = lines.map { $0.hasPrefix(key) ? "\(key): \(value)" : String($0) }.joined(separator: "\n")
            #expect { try EnrolmentToken(fileText: changed) } throws: {
                "\($0)".contains("the token's \(key) is wrong")
            }
        }
    }
}

@Suite struct `An address` {
    @Test(arguments: [
        ("farm.example:7443", "farm.example", 7443), ("10.0.0.7:1", "10.0.0.7", 1), ("[::1]:65535", "::1", 65535),
        ("host", "host", 99), ("[fe80::1%eth0]", "fe80::1%eth0", 99),
    ])
    func `is read and written`(text: String, host: String, port: Int) throws {
        let address = try Address(text, defaultPort: 99)
        #expect(address.host == host && Int(address.port) == port)
        #expect(try Address("\(address)") == address)
    }

    @Test(arguments: [
        "", ":1", "a:", "a:b", "a:65536", "a:-1", "a:+1", "::1", "[::1", "[::1]x", "[a]:1", "a b:1", "a:1:2", "é:1",
    ])
    func `is refused when it is none`(text: String) {
        #expect(throws: LinkError.invalidAddress(text)) { try Address(text) }
    }

    @Test func `needs a port where none is usual`() {
        #expect(throws: LinkError.invalidAddress("host")) { try Address("host") }
    }
}
