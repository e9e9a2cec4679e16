import Model

/// Why a connection or a call could not be, or ended.
package enum LinkError: Error, Hashable, Sendable {
    case invalidAddress(String)
    /// No name, no route, nobody listens.
    case unreachable(_ address: String, _ why: String)
    /// A server cannot have this address.
    case cannotListen(_ address: String, _ why: String)
    case timedOut(String)
    /// What was found in the certificate that the other side showed.
    case certificate(CertificateError)
    /// What was found in our own, before it was shown or while it was in use.
    case ownCertificate(CertificateError)
    /// The other side does not take our certificate, in its own words.
    case refusedCertificate(String)
    /// The other side does not keep to the protocol.
    case broken(String)
    /// The connection went away without a word.
    case lost(String)
    /// The other side closed the connection, and said why.
    case dismissed(LinkStatus)
    /// This side closed it.
    case closed(String)
    /// The call ended with a status that is not OK; the connection goes on.
    case status(LinkStatus)
    /// Whoever waited was cancelled.
    case cancelled
    /// A limit of this side.
    case exhausted(String)

    /// Whether the same attempt may succeed later, with nothing changed by a person.
    package var mayPass: Bool {
        switch self {
        case .unreachable, .timedOut, .lost, .closed, .exhausted, .broken: true
        case .invalidAddress, .cannotListen, .certificate, .ownCertificate, .refusedCertificate, .cancelled: false
        case .dismissed(let status), .status(let status): status.mayPass
        }
    }
}

extension LinkError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidAddress(let text): "'\(text)' is no address: write host:port, or [IPv6]:port"
        case .unreachable(let address, let why): "\(address) cannot be reached: \(why)"
        case .cannotListen(let address, let why):
            "cannot listen at \(address): \(why); choose another address or port, or end what listens there"
        case .timedOut(let text): text
        case .certificate(.expired(let end)): "the other side's certificate expired on \(end.utc)"
        case .certificate(.notYetValid(let start)):
            "the other side's certificate is valid from \(start.utc) on; is this machine's clock right?"
        case .certificate(let fault): "\(fault)"
        case .ownCertificate(let fault): "\(fault)"
        case .refusedCertificate(let text): "the other side refuses this certificate: \(text)"
        case .broken(let text): "the other side breaks the protocol: \(text)"
        case .lost(let text): "the connection was lost: \(text)"
        case .dismissed(let status): "the other side closed the connection: \(status)"
        case .closed(let text): text.isEmpty ? "the connection is closed" : "the connection is closed: \(text)"
        case .status(let status): "\(status)"
        case .cancelled: "cancelled"
        case .exhausted(let text): text
        }
    }
}
