import Client
import Foundation
import Model
import Testing
import Transport
import Wire

@Suite struct `Enrolling at a farm` {
    /// A coordinator's enrolment listener that knows one secret.
    private static func farm(_ authority: Authority, secret: String?, _ secrets: Seen<String>) async throws -> FakeFarm
    {
        try await FakeFarm(authority: authority, strangers: true) { stream, _, _ in
            await stream.answer(Proto.Enrolment.Enrol.self) { request throws(LinkStatus) in
                secrets.note(request.token)
                guard request.token == secret else { throw LinkStatus(.denied, "the token was used already") }
                return try Self.answer(request, authority)
            }
        }
    }

    private static func answer(
        _ request: Proto.EnrolRequest, _ authority: Authority
    ) throws(LinkStatus) -> Proto.EnrolResponse {
        do {
            let issued = try authority.issue(
                to: Principal(role: .user, name: "alice"), for: CertificateRequest(der: request.certificateRequest))
            return .with {
                $0.certificate = issued.pem
                $0.authority = authority.certificate.pem
                $0.address = "farm.example:7443"
            }
        } catch { throw LinkStatus(.invalid, "\(error)") }
    }

    private static func token(_ farm: Address, _ authority: Digest) -> EnrolmentToken {
        EnrolmentToken(
            address: farm, authority: authority, principal: Principal(role: .user, name: "alice"), expires: nil)
    }

    @Test func `makes a key here and keeps what the farm issued`() async throws {
        try await withFolder { folder in
            let authority = try Authority.make()
            // The address is known only once the farm listens, and the secret with it: any secret will do here.
            let secrets = Seen<String>()
            let place = Profile(folder: folder + "/home")
            let unasked = try await Self.farm(authority, secret: nil, secrets)
            let token = Self.token(unasked.address, authority.certificate.fingerprint)
            await unasked.server.stop()
            let farm = try await Self.farm(authority, secret: token.secret, secrets)
            let text = token.fileText.replacingOccurrences(of: "\(unasked.address)", with: "\(farm.address)")
            let (identity, address) = try await Enrolling.enrol(tokenFile: text, as: [.user, .admin], into: place)
            #expect(identity.principal.name == "alice" && "\(address)" == "farm.example:7443")
            #expect(try place.load().identity.certificate == identity.certificate)
            #expect(secrets.all == [token.secret])
            await farm.server.stop()
        }
    }

    @Test func `never shows the token to another farm`() async throws {
        try await withFolder { folder in
            let secrets = Seen<String>()
            let farm = try await Self.farm(Authority.make(), secret: nil, secrets)
            let token = Self.token(farm.address, try Authority.make().certificate.fingerprint)
            let place = Profile(folder: folder)
            let error = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: token.fileText, as: [.user, .admin], into: place)
            }
            #expect(
                error?.isRefusal == true && error?.help?.contains("not sent") == true, "\(String(describing: error))")
            #expect(secrets.all.isEmpty && !place.exists)
            await farm.server.stop()
        }
    }

    @Test func `tells why a token was refused, and leaves nothing behind`() async throws {
        try await withFolder { folder in
            let authority = try Authority.make()
            let farm = try await Self.farm(authority, secret: nil, Seen())
            let token = Self.token(farm.address, authority.certificate.fingerprint)
            let place = Profile(folder: folder)
            let error = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: token.fileText, as: [.user, .admin], into: place)
            }
            #expect(error?.problem.contains("used already") == true && error?.isRefusal == true)
            #expect(error?.help?.contains("sheaf token create") == true)
            #expect(!place.exists)
            #expect(try FileManager.default.contentsOfDirectory(atPath: place.folder).allSatisfy { $0.hasPrefix(".") })
            await farm.server.stop()
        }
    }

    @Test func `asks with the same key when the answer was lost, whoever else answered meanwhile`()
        async throws
    {
        try await withFolder { folder in
            let authority = try Authority.make()
            let requests = Seen<[UInt8]>()
            let farm = try await FakeFarm(authority: authority, strangers: true) { stream, _, _ in
                await stream.answer(Proto.Enrolment.Enrol.self) { request throws(LinkStatus) in
                    requests.note(request.certificateRequest)
                    guard requests.all.count > 1 else { throw LinkStatus(.unavailable, "the line is cut") }
                    return try Self.answer(request, authority)
                }
            }
            let token = Self.token(farm.address, authority.certificate.fingerprint)
            let place = Profile(folder: folder + "/home")
            let error = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: token.fileText, as: [.user], into: place)
            }
            #expect(error?.isRefusal == false && !place.exists, "\(String(describing: error))")
            let other = try await Self.farm(Authority.make(), secret: nil, Seen())
            let elsewhere = token.fileText.replacingOccurrences(of: "\(farm.address)", with: "\(other.address)")
            let foreign = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: elsewhere, as: [.user], into: place)
            }
            #expect(foreign?.isRefusal == true, "\(String(describing: foreign))")
            await other.server.stop()
            let (identity, _) = try await Enrolling.enrol(tokenFile: token.fileText, as: [.user], into: place)
            #expect(try place.load().identity.certificate == identity.certificate)
            let keys = try requests.all.map { try CertificateRequest(der: $0).keyDigest }
            #expect(keys.count == 2 && keys[0] == keys[1])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: place.folder).filter { !$0.hasPrefix(".") }.sorted()
                    == ["farm", "identity.pem"])
            await farm.server.stop()
        }
    }

    @Test func `leaves a token alone that is for somebody else's role`() async throws {
        try await withFolder { folder in
            let authority = try Authority.make()
            let secrets = Seen<String>()
            let farm = try await Self.farm(authority, secret: nil, secrets)
            let token = Self.token(farm.address, authority.certificate.fingerprint)
            let place = Profile(folder: folder)
            let error = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: token.fileText, as: [.agent], into: place)
            }
            #expect(error?.problem == "the token is for a farm's user 'alice'", "\(String(describing: error))")
            #expect(error?.isRefusal == true && secrets.all.isEmpty && !place.exists)
            await farm.server.stop()
        }
    }

    @Test func `leaves an identity alone, and then the token too`() async throws {
        try await withFolder { folder in
            let authority = try Authority.make()
            let secrets = Seen<String>()
            let farm = try await Self.farm(authority, secret: nil, secrets)
            let place = Profile(folder: folder)
            try place.save(farm.person, address: farm.address)
            let token = Self.token(farm.address, authority.certificate.fingerprint)
            let error = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: token.fileText, as: [.user, .admin], into: place)
            }
            #expect(error?.help?.contains("--replace") == true)
            #expect(secrets.all.isEmpty)
            await farm.server.stop()
        }
    }

    @Test(arguments: ["", "sheaf-token 2\n", "sheaf-token 1\naddress: farm:1\n"])
    func `takes only whole tokens`(text: String) async throws {
        try await withFolder { folder in
            let error = await failure { () async throws(ClientError) in
                try await Enrolling.enrol(tokenFile: text, as: [.user, .admin], into: Profile(folder: folder))
            }
            #expect(error?.isRefusal == true)
        }
    }
}
