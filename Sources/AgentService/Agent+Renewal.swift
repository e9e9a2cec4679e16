import Client
import Model
import Transport
import Wire

extension Agent {
    /// The part of a certificate's life after which it is renewed: two thirds leave months to repair what stands in the way.
    private static let renewalAge = 2.0 / 3
    /// The wall clock may be set: it is looked at so often at least.
    private static let lookMax = Duration.seconds(3_600)
    private static let retryPause = Duration.seconds(60)

    /// Renews the agent's certificate in time, for as long as the agent runs. Ends when it is cancelled.
    func keepIdentity() async {
        var hasComplained = false
        while !Task.isCancelled {
            let certificate = identity.certificate
            let life = certificate.notBefore.duration(to: certificate.notAfter)
            let due = certificate.notBefore.advanced(by: life * Self.renewalAge)
            var pause = min(Instant.wallClock().duration(to: due), Self.lookMax)
            if pause <= .zero {
                pause = Self.retryPause
                do {
                    try await renew()
                    hasComplained = false
                    continue
                } catch is CancellationError {
                    return
                } catch {
                    let words = "the certificate ends at \(certificate.notAfter.utc) and cannot be renewed: \(error)"
                    // Said once; after that `sheaf doctor` goes on to warn.
                    if !hasComplained { tell(.remark(words)) }
                    hasComplained = true
                }
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    private func renew() async throws {
        let link = try await line.link()
        let key = PrivateKey.make()
        let answer: Proto.RenewResponse
        do throws(LinkError) {
            answer = try await link.call(
                Proto.Agents.Renew.self, .with { $0.certificateRequest = CertificateRequest(key: key).der })
        } catch {
            if FarmLine.isLoss(error) { line.lost(link) }
            throw error
        }
        let renewed = try Identity(
            certificate: Certificate(pem: answer.certificate), key: key, authority: identity.authority)
        guard renewed.principal == identity.principal,
            renewed.certificate.notAfter > identity.certificate.notAfter
        else { throw AgentError.farm("the farm answered with another bearer's or an older certificate") }
        try settings.keepIdentity(renewed)
        identity = renewed
        tell(.remark("the certificate was renewed until \(renewed.certificate.notAfter.utc)"))
        // A connection ends with the certificate that opened it: better now than then.
        line.lost(link)
    }

    /// Whether a refusal may be for the certificate's age alone. Attempts that run are not ended for that: they end with
    /// their leases, and what they come to is kept.
    func mayBeExpiry(_ error: LinkError) -> Bool {
        switch error {
        case .ownCertificate, .refusedCertificate: true
        default: identity.certificate.notAfter <= .wallClock()
        }
    }

    var isWorking: Bool { held.values.contains { $0.driver != nil } }
}
