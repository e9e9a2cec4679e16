import Locks
import Model
import Storage
import Transport
import Wire

/// Who belongs to the farm: tokens, certificates, revocations.
actor Roster {
    static let tokenValidityDefault = Duration.seconds(3600)
    static let tokenValidityMax = Duration.seconds(30 * 86_400)

    /// What the listener asks about everybody who connects: it must not wait.
    final class Admission: Sendable {
        private struct State {
            var known: Set<String> = []
            var revoked: [String: String] = [:]
        }
        private let state = Mutex(State())

        /// - Returns: why the bearer does not get in; `nil` when it does.
        func refusal(of peer: PeerIdentity) -> LinkStatus? {
            state.withLock { state in
                if let reason = state.revoked[peer.serial] {
                    return LinkStatus(.denied, "the certificate of \(peer.principal.title) was revoked: \(reason)")
                }
                // No refusal for good: a farm that was restored from an older copy may be given a newer one.
                guard state.known.contains(peer.serial) else {
                    return LinkStatus(
                        .notFound,
                        "this farm has no record of the certificate, as after a restore from an older copy; enrol with a "
                            + "new token")
                }
                return nil
            }
        }

        func add(_ serial: String) { state.withLock { _ = $0.known.insert(serial) } }
        func revoke(_ serial: String, _ reason: String) { state.withLock { $0.revoked[serial] = reason } }
    }

    nonisolated let admission = Admission()
    private let authority: Authority
    private let keeper: StoreKeeper
    private let clock: FarmClock
    private var certificates: [CertificateRecord] = []
    /// Tokens whose enrolment is under way: each is used once.
    private var inUse: Set<Digest> = []
    /// Where strangers enrol, and where everybody connects afterwards.
    private var enrolmentAddress = Address(host: "localhost", port: 1)
    private var address = Address(host: "localhost", port: 1)

    init(authority: Authority, keeper: StoreKeeper, clock: FarmClock) {
        self.authority = authority
        self.keeper = keeper
        self.clock = clock
    }

    func load() async throws(CoordinatorError) {
        certificates = try await keeper.read { storage throws(StorageError) in try storage.certificates() }
        for certificate in certificates {
            admission.add(certificate.serial)
            if certificate.revokedAt != nil { admission.revoke(certificate.serial, certificate.revocationReason) }
        }
    }

    var hasAdmin: Bool {
        let now = clock.now
        return certificates.contains { $0.principal.role == .admin && $0.revokedAt == nil && $0.expiresAt > now }
    }

    func announce(enrolment: Address, farm: Address) {
        enrolmentAddress = enrolment
        address = farm
    }

    /// Makes a token that is good for one enrolment.
    ///
    /// - Returns: the token's file, and until when it can be used.
    func createToken(
        for principal: Principal, validFor asked: Duration?, by who: Principal
    ) async throws(LinkStatus) -> (file: String, expires: Instant) {
        guard principal.role != .coordinator else {
            throw LinkStatus(.invalid, "a coordinator does not enrol; a token is for a user, an agent or an admin")
        }
        guard Principal.isName(principal.name), principal.team.map({ Principal.isName($0) }) ?? true else {
            throw LinkStatus(
                .invalid, "a name and a team have 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
        }
        let validity = asked ?? Self.tokenValidityDefault
        guard validity > .zero, validity <= Self.tokenValidityMax else {
            throw LinkStatus(.invalid, "a token is valid for 1 second to 30 days")
        }
        let now = clock.now
        if principal.role == .agent, let held = valid(principal.role, principal.name, at: now) {
            throw LinkStatus(
                .conflict,
                "agent \(principal.name) has a certificate until \(held.expiresAt.utc); choose another name, or "
                    + "revoke it first: sheaf revoke --role agent --name \(principal.name)")
        }
        let expires = now.advanced(by: validity)
        let token = EnrolmentToken(
            address: enrolmentAddress, authority: authority.certificate.fingerprint, principal: principal,
            expires: expires)
        await keeper.commit([
            .tokenCreated(
                TokenRecord(
                    hash: token.secretDigest, principal: principal, createdBy: who.title, expiresAt: expires)),
            .audited(
                AuditRecord(at: now, who: who.title, action: "create token", subject: principal.title)),
        ])
        return (token.fileText, expires)
    }

    /// Turns a token and a key into a certificate. The subject of the request is ignored: the token's record says who
    /// its bearer is. A bearer whom the answer did not reach asks again with the same key, and gets another one.
    ///
    /// - Returns: the answer, and who that is.
    func enrol(
        _ request: Proto.EnrolRequest
    ) async throws(LinkStatus) -> (answer: Proto.EnrolResponse, principal: Principal) {
        func refusal(_ reason: String) -> LinkStatus { LinkStatus(.denied, "\(reason); ask an admin for a new one") }
        guard request.token.utf8.count <= EnrolmentToken.fileBytesMax else { throw refusal("this is no token") }
        let hash = EnrolmentToken.digest(ofSecret: request.token)
        guard inUse.insert(hash).inserted else {
            throw LinkStatus(.unavailable, "the token is being used at this moment, and is good for one enrolment")
        }
        defer { inUse.remove(hash) }
        let found: TokenRecord?
        do throws(CoordinatorError) {
            found = try await keeper.read { storage throws(StorageError) in try storage.token(hash: hash) }
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
        let now = clock.now
        // Who holds a secret may know what became of it: one who finds it used by another has to raise the alarm.
        guard let found else { throw refusal("this coordinator knows no such token: it is wrong, or another farm's") }
        let asked: CertificateRequest
        do throws(CertificateError) { asked = try CertificateRequest(der: request.certificateRequest) } catch {
            throw LinkStatus(.invalid, "\(error)")
        }
        let isRepeated = isRepeated(found, asked)
        if let used = found.usedAt, !isRepeated {
            throw refusal(
                "the token was used on \(used.utc), and was good for one enrolment; if that was not you, tell an admin: "
                    + "sheaf revoke --role \(found.principal.role.rawValue) --name \(found.principal.name)")
        }
        guard now < found.expiresAt else { throw refusal("the token expired on \(found.expiresAt.utc)") }
        let principal = found.principal
        if principal.role == .agent, !isRepeated, valid(principal.role, principal.name, at: now) != nil {
            throw LinkStatus(.conflict, "agent \(principal.name) has enrolled already; revoke it first")
        }
        if isRepeated { try limit(principal, at: now) }
        let certificate: Certificate
        do throws(CertificateError) {
            certificate = try authority.issue(to: principal, for: asked)
        } catch {
            throw LinkStatus(.invalid, "\(error)")
        }
        let record = CertificateRecord(
            serial: certificate.serial, principal: principal, fingerprint: certificate.fingerprint, issuedAt: now,
            expiresAt: certificate.notAfter)
        try await issue(
            record,
            beside: [
                .tokenUsed(hash: hash, at: now, key: asked.keyDigest),
                .audited(
                    AuditRecord(
                        at: now, who: principal.title, action: isRepeated ? "enrol again" : "enrol",
                        subject: certificate.serial)),
            ])
        let answer = Proto.EnrolResponse.with {
            $0.certificate = certificate.pem
            $0.authority = authority.certificate.pem
            $0.name = principal.name
            $0.team = principal.team ?? ""
            $0.address = address.description
        }
        return (answer, principal)
    }

    /// Whether a token was used for this very key, and what it gave is still good.
    private func isRepeated(_ token: TokenRecord, _ asked: CertificateRequest) -> Bool {
        guard let used = token.usedAt, token.usedKey == asked.keyDigest else { return false }
        return certificates.contains {
            $0.principal == token.principal && $0.issuedAt == used && $0.revokedAt == nil
        }
    }

    static let certificatesPerBearerMax = 10

    private func limit(_ principal: Principal, at now: Instant) throws(LinkStatus) {
        let count = valid(principal, at: now).count
        guard count < Self.certificatesPerBearerMax else {
            throw LinkStatus(
                .exhausted, "\(principal.title) has \(count) valid certificates, which is the most that one may")
        }
    }

    /// Issues a bearer's next certificate, for a new key. The one that it shows stays good until its end.
    func renew(_ request: Proto.RenewRequest, for peer: PeerIdentity) async throws(LinkStatus) -> Proto.RenewResponse {
        let now = clock.now
        guard let shown = valid(peer.principal, at: now).first(where: { $0.serial == peer.serial }) else {
            throw LinkStatus(.denied, "this farm has no record of the certificate; enrol with a new token")
        }
        guard shown.issuedAt.duration(to: now) >= now.duration(to: shown.expiresAt) else {
            throw LinkStatus(.conflict, "a certificate is renewed in the second half of its life")
        }
        try limit(peer.principal, at: now)
        let certificate: Certificate
        do throws(CertificateError) {
            certificate = try authority.issue(
                to: peer.principal, for: CertificateRequest(der: request.certificateRequest))
        } catch {
            throw LinkStatus(.invalid, "\(error)")
        }
        let record = CertificateRecord(
            serial: certificate.serial, principal: peer.principal, fingerprint: certificate.fingerprint,
            issuedAt: now, expiresAt: certificate.notAfter)
        try await issue(
            record,
            beside: [
                .audited(AuditRecord(at: now, who: peer.principal.title, action: "renew", subject: certificate.serial))
            ])
        return .with { $0.certificate = certificate.pem }
    }

    /// Stores a certificate that nobody has yet. Its bearer's revocation meanwhile takes it, too: it is known before it is
    /// stored, which may take as long as a disk is full.
    ///
    /// - Throws: when it was revoked before it could be handed out.
    private func issue(_ record: CertificateRecord, beside changes: [Change]) async throws(LinkStatus) {
        certificates.append(record)
        admission.add(record.serial)
        await keeper.commit([.certificateIssued(record)] + changes)
        guard let now = certificates.last(where: { $0.serial == record.serial }), let revokedAt = now.revokedAt else {
            return
        }
        // Whichever of the two commits came first, the store has it revoked.
        let principal = record.principal
        await keeper.commit([
            .certificatesRevoked(
                role: principal.role, name: principal.name, reason: now.revocationReason, at: revokedAt)
        ])
        throw LinkStatus(.denied, "the certificate of \(principal.title) was revoked: \(now.revocationReason)")
    }

    /// Issues an identity for a part of this process: `sheaf run`'s own agent and person.
    func makeIdentity(for principal: Principal) async throws(CertificateError) -> Identity {
        let identity = try authority.makeIdentity(for: principal)
        let certificate = identity.certificate
        let record = CertificateRecord(
            serial: certificate.serial, principal: principal, fingerprint: certificate.fingerprint,
            issuedAt: clock.now, expiresAt: certificate.notAfter)
        certificates.append(record)
        admission.add(record.serial)
        await keeper.commit([.certificateIssued(record)])
        return identity
    }

    /// Revokes all certificates of a bearer. Connections are the caller's to close.
    ///
    /// - Returns: how many were valid until now.
    func revoke(_ role: Principal.Role, _ name: String, reason: String, by who: Principal) async -> Int {
        let now = clock.now
        var count = 0
        for index in certificates.indices
        where certificates[index].principal.role == role && certificates[index].principal.name == name
            && certificates[index].revokedAt == nil
        {
            certificates[index].revokedAt = now
            certificates[index].revocationReason = reason
            admission.revoke(certificates[index].serial, reason)
            count += 1
        }
        guard count > 0 else { return 0 }
        await keeper.commit([
            .certificatesRevoked(role: role, name: name, reason: reason, at: now),
            .audited(AuditRecord(at: now, who: who.title, action: "revoke", subject: "\(role.rawValue) \(name)")),
        ])
        return count
    }

    private func valid(_ principal: Principal, at now: Instant) -> [CertificateRecord] {
        certificates.filter { $0.principal == principal && $0.revokedAt == nil && $0.expiresAt > now }
    }

    private func valid(_ role: Principal.Role, _ name: String, at now: Instant) -> CertificateRecord? {
        certificates.last {
            $0.principal.role == role && $0.principal.name == name && $0.revokedAt == nil && $0.expiresAt > now
        }
    }
}
