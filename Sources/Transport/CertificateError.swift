import Glibc
package import Model

/// What is wrong with a certificate, a key, or the file that keeps them.
package enum CertificateError: Error, Hashable, Sendable {
    case expired(at: Instant)
    case notYetValid(from: Instant)
    /// It was issued by another authority than this farm's; the fingerprint is that authority's, where it was shown.
    case otherAuthority(fingerprint: Digest?)
    /// It is the farm's, but does not allow what its bearer tries: an agent that plays coordinator.
    case wrongRole(String)
    /// The other side showed no certificate.
    case missing
    case revoked(String)
    /// It is broken, or some rule of X.509 speaks against it.
    case untrusted(String)
    case malformed(String)
    /// The key does not belong to the certificate.
    case otherKey
    case file(path: String, String)
}

extension CertificateError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .expired(let instant): "the certificate expired on \(instant.utc)"
        case .notYetValid(let instant):
            "the certificate is valid from \(instant.utc) on; is this machine's clock right?"
        case .otherAuthority(let fingerprint?):
            "the certificate is of another authority (fingerprint \(fingerprint.hex))"
        case .otherAuthority(nil): "the certificate is of another authority"
        case .wrongRole(let text): text
        case .missing: "the other side showed no certificate"
        case .revoked(let text): text
        case .untrusted(let text): "the certificate cannot be trusted: \(text)"
        case .malformed(let text): text
        case .otherKey: "the private key does not belong to the certificate"
        case .file(let path, let text): "\(path): \(text)"
        }
    }
}

extension Instant {
    /// The wall clock.
    package static func wallClock() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
