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
        case .expired(let instant): "the certificate expired on \(instant.utcText)"
        case .notYetValid(let instant):
            "the certificate is valid from \(instant.utcText) on; is this machine's clock right?"
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
    /// `2026-11-21T02:33:34Z`.
    package var utcText: String {
        let seconds = nanoseconds.floored(by: 1_000_000_000)
        let days = seconds.floored(by: 86_400)
        let ofDay = seconds - days * 86_400
        // The civil date of a day number, counted in years from March so that the leap day is the last (H. Hinnant).
        let shifted = days + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = yearOfEra + era * 400 + (month < 10 ? 0 : 1)
        func digits(_ number: Int64, _ count: Int = 2) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date = "\(digits(year, 4))-\(digits(month < 10 ? month + 3 : month - 9))-\(digits(day))"
        return "\(date)T\(digits(ofDay / 3600)):\(digits(ofDay / 60 % 60)):\(digits(ofDay % 60))Z"
    }

    /// The wall clock.
    package static func wallClock() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

extension Int64 {
    /// The quotient, rounded towards the past.
    fileprivate func floored(by divisor: Int64) -> Int64 { (self >= 0 ? self : self - divisor + 1) / divisor }
}
