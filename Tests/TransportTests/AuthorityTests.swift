import Foundation
import Model
import Testing
import Transport

private let now = Instant.wallClock()
private let day = Duration.seconds(86_400)

@Suite struct `A farm's authority` {
    @Test(arguments: [
        Principal(role: .agent, name: "node7", team: "vision"), Principal(role: .user, name: "ada.lovelace"),
        Principal(role: .admin, name: "root_1", team: "ops"), Principal(role: .coordinator, name: "main"),
    ])
    func `issues certificates that name their bearer`(principal: Principal) throws {
        let authority = try Authority.make()
        let identity = try authority.makeIdentity(for: principal)
        let read = try Certificate(pem: identity.certificate.pem)
        #expect(read == identity.certificate)
        #expect(read.principal == principal)
        #expect(!read.isAuthority)
        #expect((31...32).contains(read.serial.count))
        #expect(read.notBefore < now && now.advanced(by: day * 364) < read.notAfter)
        #expect(identity.key.belongs(to: read))
    }

    @Test func `ignores the subject of a request and takes its key alone`() throws {
        let authority = try Authority.make()
        let key = PrivateKey.make()
        let request = try CertificateRequest(der: CertificateRequest(key: key).der)
        let issued = try authority.issue(to: Principal(role: .agent, name: "a"), for: request)
        #expect(key.belongs(to: issued))
        #expect(!PrivateKey.make().belongs(to: issued))
    }

    @Test func `refuses a request that its own key did not sign`() throws {
        var der = CertificateRequest(key: .make()).der
        // Any changed bit in the signed part or in the signature; the middle holds the key itself.
        der[der.count - 3] ^= 1
        #expect(throws: CertificateError.self) { try CertificateRequest(der: der) }
    }

    @Test func `refuses requests that are no requests, at any cut`() {
        let der = CertificateRequest(key: .make()).der
        for count in 0..<der.count {
            #expect(throws: CertificateError.self) { try CertificateRequest(der: Array(der[..<count])) }
        }
        #expect(throws: CertificateError.self) { try CertificateRequest(der: der + [0]) }
        #expect(throws: CertificateError.self) {
            try CertificateRequest(der: Array(repeating: 0x30, count: 20_000))
        }
    }

    @Test(arguments: ["", "a/b", "a?team=x", "é", "a,DNS:sheaf-coordinator", String(repeating: "a", count: 65), "a b"])
    func `issues nothing to a name that could be read as something else`(name: String) throws {
        let authority = try Authority.make()
        let request = CertificateRequest(key: .make())
        #expect(throws: CertificateError.self) {
            try authority.issue(to: Principal(role: .agent, name: name), for: request)
        }
        #expect(throws: CertificateError.self) {
            try authority.issue(to: Principal(role: .agent, name: "a", team: name), for: request)
        }
    }

    @Test func `issues names of 64 characters`() throws {
        let name = String(repeating: "a", count: 64)
        let identity = try Authority.make().makeIdentity(for: Principal(role: .agent, name: name, team: name))
        #expect(identity.certificate.principal == Principal(role: .agent, name: name, team: name))
    }

    @Test func `never issues beyond its own end`() throws {
        let authority = try Authority.make(at: now, validFor: day * 10)
        let identity = try authority.makeIdentity(for: Principal(role: .agent, name: "a"), at: now, validFor: day * 100)
        #expect(identity.certificate.notAfter <= authority.certificate.notAfter)
        #expect(throws: CertificateError.expired(at: authority.certificate.notAfter)) {
            try authority.makeIdentity(for: Principal(role: .agent, name: "a"), at: now.advanced(by: day * 11))
        }
    }

    @Test func `is read back from its file, and not from one that others can read`() throws {
        try withFolder { folder in
            let authority = try Authority.make()
            let path = folder + "/deep/authority.pem"
            try authority.save(to: path)
            #expect(try Authority(file: path).certificate == authority.certificate)
            #expect(try mode(of: path) == 0o600)
            #expect(try mode(of: folder + "/deep") == 0o700)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            #expect(throws: CertificateError.self) { try Authority(file: path) }
        }
    }
}

@Suite struct `An identity` {
    @Test func `is read back from its file`() throws {
        try withFolder { folder in
            let identity = try Authority.make().makeIdentity(for: Principal(role: .user, name: "ada", team: "t"))
            let path = folder + "/identity.pem"
            try identity.save(to: path)
            try identity.save(to: path)
            let read = try Identity(file: path)
            #expect(read.certificate == identity.certificate && read.key == identity.key)
            #expect(read.authority == identity.authority && read.principal == identity.principal)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["identity.pem"])
        }
    }

    @Test func `is refused with a key or an authority that is not its own`() throws {
        let authority = try Authority.make()
        let identity = try authority.makeIdentity(for: Principal(role: .user, name: "ada"))
        #expect(throws: CertificateError.otherKey) {
            try Identity(certificate: identity.certificate, key: .make(), authority: identity.authority)
        }
        #expect(throws: CertificateError.otherAuthority(fingerprint: nil)) {
            try Identity(certificate: identity.certificate, key: identity.key, authority: Authority.make().certificate)
        }
    }

    @Test func `says what is wrong with its file`() throws {
        try withFolder { folder in
            let path = folder + "/identity.pem"
            #expect { try Identity(file: path) } throws: { "\($0)".contains("No such file or directory") }
            let identity = try Authority.make().makeIdentity(for: Principal(role: .user, name: "ada"))
            for text in ["", "nonsense", identity.certificate.pem, String(identity.certificate.pem.dropLast(60))] {
                try PrivateFile.write(text, to: path)
                #expect { try Identity(file: path) } throws: { "\($0)".hasPrefix(path) }
            }
            try PrivateFile.write(String(repeating: "a", count: 70_000), to: path)
            #expect { try Identity(file: path) } throws: { "\($0)".contains("longer than 65536 bytes") }
        }
    }

    @Test func `keeps its key out of descriptions`() throws {
        let identity = try Authority.make().makeIdentity(for: Principal(role: .user, name: "ada"))
        #expect(!"\(identity.key) \(String(reflecting: identity.key))".contains("BEGIN"))
    }

    @Test func `knows when it ends`() throws {
        let authority = try Authority.make()
        let certificate = try authority.makeIdentity(
            for: Principal(role: .user, name: "ada"), at: now, validFor: day * 90
        ).certificate
        try certificate.checkTime(now)
        #expect(throws: CertificateError.expired(at: certificate.notAfter)) {
            try certificate.checkTime(now.advanced(by: day * 91))
        }
        #expect(throws: CertificateError.notYetValid(from: certificate.notBefore)) {
            try certificate.checkTime(now.advanced(by: .zero - day))
        }
        #expect(certificate.age(at: now) < 0.01 && certificate.age(at: now.advanced(by: day * 60)) > 0.66)
    }

    @Test func `never comes from an arbitrary change of a certificate's bytes`() throws {
        let der = try Authority.make().makeIdentity(for: Principal(role: .agent, name: "a")).certificate.der
        var random = SplitMix64(seed: 7)
        for _ in 0..<2000 {
            var changed = der
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                changed[Int.random(in: changed.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            // Whether it still parses or not: it must not crash, and its fingerprint must tell it from the original.
            if let read = try? Certificate(der: changed), changed != der {
                #expect(read.fingerprint != Digest.sha256(of: der))
            }
        }
    }
}

@Suite struct `An instant in words` {
    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"),
        (1_795_228_414, "2026-11-21T02:33:34Z"), (-1, "1969-12-31T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
    ])
    func `is a civil date`(seconds: Int64, text: String) {
        #expect(Instant.seconds(seconds).utc == text)
    }
}

func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // What is left behind in the temporary folder harms nobody.
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

private func mode(of path: String) throws -> Int? {
    (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
}
