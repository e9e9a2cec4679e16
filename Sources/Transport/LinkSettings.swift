package import Model

/// The limits and times of a connection. Each has a default that fits a farm of thousands of agents.
package struct LinkSettings: Sendable {
    /// For logs on the other side: `sheaf 0.1.0`.
    package var software = "sheaf"
    /// What the other side may have on the way on one stream, in payload bytes; 64 KiB to 16 MiB.
    package var creditBytes = 1 << 20
    /// Streams that the other side may have open at one time.
    package var streamsMax = 256
    /// Silence after which a connection counts as lost. A ping leaves after a third of it.
    package var silenceMax = Duration.seconds(30)
    /// From the first byte to the peer's hello: TLS handshake included, name look-up and TCP not.
    package var handshakeMax = Duration.seconds(10)
    /// For one IP address to answer; a name may have several.
    package var connectMax = Duration.seconds(5)
    /// A stream whose unsent bytes are beyond this makes `send` wait.
    package var unsentBytesMax = 256 << 10
    /// The longest message that is assembled. One stream can make this side hold as much.
    package var messageBytesMax = Limits.messageBytesMax

    package init() {}
    package static let standard = LinkSettings()
}

/// The limits of a listener.
package struct LinkServerSettings: Sendable {
    package var link = LinkSettings.standard
    /// Peers that have not shown a certificate yet: more than a farm has agents who all come back when it was started again.
    /// Beyond it the oldest is dropped for the newest.
    package var strangersMax = 2048
    /// How long a peer without a certificate may stay, on a listener that takes strangers.
    package var strangerStayMax = Duration.seconds(30)
    package var linksMax = 20_000
    /// Connections with one and the same certificate.
    package var linksPerCertificateMax = 256

    package init() {}
    package static let standard = LinkServerSettings()
}

/// Whom a certificate that was verified names.
package struct PeerIdentity: Hashable, Sendable, CustomStringConvertible {
    package let principal: Principal
    /// SHA-256 of the certificate.
    package let fingerprint: Digest
    /// Lower-case hexadecimal digits; what revocation lists hold.
    package let serial: String
    package let expires: Instant

    package init(principal: Principal, fingerprint: Digest, serial: String, expires: Instant) {
        self.principal = principal
        self.fingerprint = fingerprint
        self.serial = serial
        self.expires = expires
    }

    init?(_ certificate: Certificate) {
        guard let principal = certificate.principal else { return nil }
        self.init(
            principal: principal, fingerprint: certificate.fingerprint, serial: certificate.serial,
            expires: certificate.notAfter)
    }

    package var description: String {
        "\(principal.role.rawValue) \(principal.name)" + (principal.team.map { " of \($0)" } ?? "")
    }
}

/// How soon a stream's frames leave when several wait.
package enum Urgency: Int, Hashable, Sendable { case normal, control, bulk }
