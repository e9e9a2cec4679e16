import Foundation
import Model
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

@Suite struct `Who belongs to the farm` {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-roster-\(UUID().uuidString)")
    private let bearer = Principal(role: .agent, name: "node7", team: "vision")

    private struct Shown {
        var identity: Identity
        var peer: PeerIdentity
    }

    /// A roster that has issued certificates so long ago.
    private func roster(
        _ issued: [(ago: Duration, validity: Duration)]
    ) async throws -> (roster: Roster, shown: [Shown]) {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let authority = try Authority.make(at: Instant.wallClock().advanced(by: .seconds(-300 * 86_400)))
        let keeper = StoreKeeper(try SQLiteStore(folder: folder.path), failed: { fatalError("\($0)") })
        let now = Instant.wallClock()
        var shown: [Shown] = []
        for (ago, validity) in issued {
            let at = now.advanced(by: .zero - ago)
            let identity = try authority.makeIdentity(for: bearer, at: at, validFor: validity)
            let certificate = identity.certificate
            await keeper.commit([
                .certificateIssued(
                    CertificateRecord(
                        serial: certificate.serial, principal: bearer, fingerprint: certificate.fingerprint,
                        issuedAt: at, expiresAt: certificate.notAfter))
            ])
            shown.append(
                Shown(
                    identity: identity,
                    peer: PeerIdentity(
                        principal: bearer, fingerprint: certificate.fingerprint, serial: certificate.serial,
                        expires: certificate.notAfter)))
        }
        let roster = Roster(authority: authority, keeper: keeper, clock: FarmClock())
        try await roster.load()
        return (roster, shown)
    }

    private func request(_ key: PrivateKey = .make()) -> Proto.RenewRequest {
        .with { $0.certificateRequest = CertificateRequest(key: key).der }
    }

    private let day = Duration.seconds(86_400)

    @Test func `renews in the second half of a certificate's life, for the same bearer and a new key`() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (roster, shown) = try await roster([(day * 200, day * 365), (day * 100, day * 365)])
        let key = PrivateKey.make()
        let answer = try await roster.renew(request(key), for: shown[0].peer)
        let renewed = try Identity(
            certificate: Certificate(pem: answer.certificate), key: key, authority: shown[0].identity.authority)
        #expect(renewed.principal == bearer)
        #expect(renewed.certificate.notAfter > shown[0].identity.certificate.notAfter)
        let next = PeerIdentity(
            principal: bearer, fingerprint: renewed.certificate.fingerprint, serial: renewed.certificate.serial,
            expires: renewed.certificate.notAfter)
        #expect(roster.admission.refusal(of: next) == nil && roster.admission.refusal(of: shown[0].peer) == nil)
        for peer in [shown[1].peer, next] {
            await #expect(throws: LinkStatus(.conflict, "a certificate is renewed in the second half of its life")) {
                try await roster.renew(request(), for: peer)
            }
        }
        // Revoking takes the renewed one, too.
        #expect(await roster.revoke(.agent, "node7", reason: "lost", by: bearer) == 3)
        #expect(roster.admission.refusal(of: next)?.code == .denied)
        await #expect { try await roster.renew(request(), for: shown[0].peer) } throws: { error in
            (error as? LinkStatus)?.code == .denied
        }
    }

    @Test func `gives one bearer no more than so many`() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (roster, shown) = try await roster([(day * 200, day * 365)])
        for _ in 1..<Roster.certificatesPerBearerMax { _ = try await roster.renew(request(), for: shown[0].peer) }
        await #expect { try await roster.renew(request(), for: shown[0].peer) } throws: { error in
            (error as? LinkStatus)?.code == .exhausted
        }
    }
}
