import Glibc
import Model
import Transport

/// The coordinator's own certificate, kept in its state. It is renewed with two thirds of its life gone: months before
/// anybody would be turned away.
actor OwnIdentity {
    private static let renewalAge = 2.0 / 3
    private static let principal = Principal(role: .coordinator, name: "main")
    /// The wall clock may be set: it is looked at so often at least.
    private static let lookMax = Duration.seconds(3_600)
    private static let retryPause = Duration.seconds(60)

    private let path: String
    private let authority: Authority
    private let now: @Sendable () -> Instant
    private(set) var identity: Identity
    private var isKept = true

    /// Reads it, or makes it, or renews it.
    ///
    /// - Parameter now: what the wall clock says.
    init(
        in folder: String, _ authority: Authority, now: @escaping @Sendable () -> Instant
    ) throws(CertificateError) {
        self.now = now
        path = folder + "/coordinator.pem"
        self.authority = authority
        if access(path, F_OK) == 0 {
            let found = try Identity(file: path)
            if found.certificate.age(at: now()) < Self.renewalAge {
                identity = found
                return
            }
        }
        identity = try authority.makeIdentity(for: Self.principal)
        try identity.save(to: path)
    }

    /// Renews it in time, for as long as the coordinator runs. Ends when it is cancelled.
    ///
    /// - Parameter use: shows it to whoever connects from now on. Connections that are open stay so until the certificate ends
    ///   that opened them.
    func keep(
        tell: @Sendable (String) -> Void, use: @Sendable (Identity) async throws(LinkError) -> Void
    ) async {
        var hasComplained = false
        while !Task.isCancelled {
            var pause = Self.retryPause
            do {
                if identity.certificate.age(at: now()) >= Self.renewalAge {
                    let renewed = try authority.makeIdentity(for: Self.principal)
                    try await use(renewed)
                    identity = renewed
                    isKept = false
                    tell("the coordinator's own certificate was renewed until \(renewed.certificate.notAfter.utc)")
                }
                // A disk that is full now must not keep it from being used.
                if !isKept { try identity.save(to: path) }
                isKept = true
                hasComplained = false
                pause = min(Self.lookMax, untilDue(at: now()))
            } catch {
                let end = identity.certificate.notAfter.utc
                // Said once; it is tried again every minute.
                if !hasComplained {
                    tell("the coordinator's own certificate, good until \(end), cannot be renewed: \(error)")
                }
                hasComplained = true
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    private func untilDue(at now: Instant) -> Duration {
        let certificate = identity.certificate
        let life = certificate.notBefore.duration(to: certificate.notAfter)
        return max(.seconds(1), now.duration(to: certificate.notBefore.advanced(by: life * Self.renewalAge)))
    }
}
