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

    /// Agents end where they are refused for good. Whoever came since the copy that a farm was restored from is only not known.
    @Test func `does not let in whom it does not know, and does not call that denied`() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (roster, shown) = try await roster([(day, day * 365)])
        let peer = shown[0].peer
        #expect(roster.admission.refusal(of: peer) == nil)
        let stranger = PeerIdentity(
            principal: peer.principal, fingerprint: peer.fingerprint, serial: peer.serial + "00", expires: peer.expires)
        let refusal = roster.admission.refusal(of: stranger)
        #expect(refusal?.code == .notFound && refusal?.text.contains("enrol with a new token") == true)
        #expect(await roster.revoke(.agent, "node7", reason: "lost", by: bearer) == 1)
        #expect(roster.admission.refusal(of: peer)?.code == .denied)
    }

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

    /// The answer to the first enrolment may never have arrived: who shows its key gets another certificate.
    @Test func `answers the key that a token was used for once more, and no other`() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (roster, _) = try await roster([])
        await roster.announce(enrolment: try Address("farm.example:7444"), farm: try Address("farm.example:7443"))
        let admin = Principal(role: .admin, name: "root")
        let secret = try EnrolmentToken(
            fileText: await roster.createToken(for: bearer, validFor: nil, by: admin).file
        ).secret
        let key = PrivateKey.make()
        let enrol = { (key: PrivateKey) in
            try await roster.enrol(
                .with {
                    $0.token = secret
                    $0.certificateRequest = CertificateRequest(key: key).der
                }
            ).answer.certificate
        }
        let first = try Certificate(pem: try await enrol(key))
        let second = try Certificate(pem: try await enrol(key))
        #expect(first.serial != second.serial && key.belongs(to: second))
        await #expect { try await enrol(.make()) } throws: { error in
            (error as? LinkStatus)?.text.contains("the token was used on ") == true
        }
        for _ in 2..<Roster.certificatesPerBearerMax { _ = try await enrol(key) }
        await #expect { try await enrol(key) } throws: { ($0 as? LinkStatus)?.code == .exhausted }
        _ = await roster.revoke(.agent, bearer.name, reason: "lost", by: admin)
        await #expect { try await enrol(key) } throws: { error in
            (error as? LinkStatus)?.text.contains("the token was used on ") == true
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

    /// The disk may be full for hours between the two.
    @Test(.timeLimit(.minutes(10)))
    func `hands out no certificate whose bearer was revoked while it was being stored`() async throws {
        let authority = try Authority.make(at: Instant.wallClock().advanced(by: .seconds(-300 * 86_400)))
        let at = Instant.wallClock().advanced(by: .zero - day * 200)
        let identity = try authority.makeIdentity(for: bearer, at: at, validFor: day * 365)
        let shown = identity.certificate
        let memory = MemoryStore()
        try memory.commit([
            .certificateIssued(
                CertificateRecord(
                    serial: shown.serial, principal: bearer, fingerprint: shown.fingerprint, issuedAt: at,
                    expiresAt: shown.notAfter))
        ])
        let store = GatedStore(memory)
        let roster = Roster(
            authority: authority, keeper: StoreKeeper(store, failed: { fatalError("\($0)") }), clock: FarmClock())
        try await roster.load()
        let peer = PeerIdentity(
            principal: bearer, fingerprint: shown.fingerprint, serial: shown.serial, expires: shown.notAfter)
        var arrivals = store.arrivals.makeAsyncIterator()
        let renewing = Task { try await roster.renew(request(), for: peer) }
        _ = await arrivals.next()
        let revoking = Task { await roster.revoke(.agent, "node7", reason: "lost", by: bearer) }
        while roster.admission.refusal(of: peer) == nil { await Task.yield() }
        store.open()
        await #expect(throws: LinkStatus(.denied, "the certificate of agent node7 (team vision) was revoked: lost")) {
            try await renewing.value
        }
        _ = await revoking.value
        let stored = memory.certificates()
        #expect(stored.count == 2 && stored.allSatisfy { $0.revokedAt != nil })
        for record in stored {
            let bearer = PeerIdentity(
                principal: record.principal, fingerprint: record.fingerprint, serial: record.serial,
                expires: record.expiresAt)
            #expect(roster.admission.refusal(of: bearer)?.code == .denied)
        }
    }
}
