import COpenSSL
package import Model

/// An X.509 certificate: its bytes, and what Sheaf reads in them.
///
/// Who the bearer is stands in one URI among the alternative names, `sheaf://ROLE/NAME` or `sheaf://ROLE/NAME?team=TEAM`,
/// and in the extended key usage, which must agree: a coordinator's is `serverAuth` (with the DNS name
/// `sheaf-coordinator`), everybody else's is `clientAuth`. TLS itself checks the usage, so an agent's certificate cannot
/// play coordinator even towards a client that never looks at the URI.
package struct Certificate: Hashable, Sendable {
    package static let coordinatorName = "sheaf-coordinator"
    /// A certificate of ours has about 700 bytes.
    static let bytesMax = 16 << 10

    package let der: [UInt8]
    /// SHA-256 of `der`.
    package let fingerprint: Digest
    /// Lower-case hexadecimal digits, without leading zeros.
    package let serial: String
    package let notBefore: Instant
    package let notAfter: Instant
    /// Whether it may issue others.
    package let isAuthority: Bool
    /// Who bears it; `nil` where it names nobody, or names somebody against its own usage.
    package let principal: Principal?

    package init(der: [UInt8]) throws(CertificateError) {
        guard der.count <= Self.bytesMax, let handle = X509Handle(der: der) else {
            OpenSSLErrors.clear()
            throw .malformed("these bytes are no X.509 certificate")
        }
        self.der = der
        fingerprint = Digest.sha256(of: der)
        serial = Self.serial(of: handle)
        guard let notBefore = unsafe Instant(asn1: X509_get0_notBefore(handle.raw)),
            let notAfter = unsafe Instant(asn1: X509_get0_notAfter(handle.raw))
        else { throw .malformed("the certificate's validity cannot be read") }
        self.notBefore = notBefore
        self.notAfter = notAfter
        isAuthority = unsafe X509_check_ca(handle.raw) == 1
        principal = isAuthority ? nil : Self.principal(of: handle)
    }

    /// The first certificate in the text.
    package init(pem: String) throws(CertificateError) {
        guard let first = try Self.all(inPEM: pem).first else {
            throw .malformed("there is no certificate in PEM here (-----BEGIN CERTIFICATE-----)")
        }
        self = first
    }

    /// Every certificate in the text, in order; other blocks are passed over.
    static func all(inPEM pem: String) throws(CertificateError) -> [Certificate] {
        let memory = MemoryBIO(pem)
        var found: [Certificate] = []
        while let handle = unsafe X509Handle(adopting: COpenSSL_read_certificate(memory.raw)) {
            found.append(try Certificate(der: handle.der))
        }
        let isEnd = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
        let problem = OpenSSLErrors.take()
        guard isEnd else { throw .malformed("a certificate in PEM is damaged (\(problem))") }
        return found
    }

    package var pem: String {
        guard let handle = X509Handle(der: der) else { preconditionFailure("it was parsed before") }
        let memory = MemoryBIO()
        let answer = unsafe PEM_write_bio_X509(memory.raw, handle.raw)
        precondition(answer == 1, "a BIO in memory takes everything")
        return memory.text
    }

    /// What speaks against the certificate at this moment, its time alone considered.
    package func checkTime(_ now: Instant) throws(CertificateError) {
        guard now <= notAfter else { throw .expired(at: notAfter) }
        guard notBefore <= now else { throw .notYetValid(from: notBefore) }
    }

    /// How much of its life is over at `now`: 0 at the beginning, 1 at the end. Renew beyond ⅔.
    package func age(at now: Instant) -> Double {
        notBefore.duration(to: now).inSeconds / max(1, notBefore.duration(to: notAfter).inSeconds)
    }

    private static func serial(of handle: borrowing X509Handle) -> String {
        guard let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(handle.raw), nil) else { return "" }
        defer { unsafe BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int(unsafe BN_num_bits(number) + 7) / 8)
        _ = unsafe BN_bn2bin(number, &bytes)
        let digits = String(hex: bytes).drop { $0 == "0" }
        return digits.isEmpty ? "0" : String(digits)
    }

    private static func principal(of handle: borrowing X509Handle) -> Principal? {
        guard let names = unsafe COpenSSL_alternative_names(handle.raw) else { return nil }
        defer { unsafe GENERAL_NAMES_free(names) }
        var uris: [String] = []
        var hosts: [String] = []
        for index in unsafe 0..<COpenSSL_name_count(names) {
            for isURI in [true, false] {
                var length: CInt = 0
                guard let text = unsafe COpenSSL_name_text(names, index, isURI ? 1 : 0, &length) else { continue }
                let bytes = unsafe UnsafeBufferPointer(start: text, count: Int(length))
                let name = unsafe String(decoding: bytes, as: UTF8.self)
                if isURI { uris.append(name) } else { hosts.append(name) }
            }
        }
        // Two names would let two readers see two bearers.
        guard uris.count == 1, let principal = Principal(uri: uris[0]) else { return nil }
        let usage = unsafe X509_get_extended_key_usage(handle.raw)
        let expected = UInt32(principal.role == .coordinator ? XKU_SSL_SERVER : XKU_SSL_CLIENT)
        guard usage == expected, hosts == (principal.role == .coordinator ? [coordinatorName] : []) else { return nil }
        return principal
    }
}

extension Principal {
    /// Reads `sheaf://agent/node7?team=vision`; `nil` for anything else.
    init?(uri: String) {
        guard uri.hasPrefix("sheaf://") else { return nil }
        let path = uri.dropFirst("sheaf://".count).split(separator: "/", omittingEmptySubsequences: false)
        guard path.count == 2, let role = Role(rawValue: String(path[0])) else { return nil }
        let parts = path[1].split(separator: "?team=", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy(Self.isName) else { return nil }
        self.init(role: role, name: String(parts[0]), team: parts.count == 2 ? String(parts[1]) : nil)
    }

    var uri: String { "sheaf://\(role.rawValue)/\(name)" + (team.map { "?team=\($0)" } ?? "") }

    /// Whether the text may be a name or a team: 1 to 64 characters of `[A-Za-z0-9._-]`.
    package static func isName(_ text: some StringProtocol) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

extension Digest {
    package static func sha256(of bytes: some Sequence<UInt8>) -> Digest {
        let input = Array(bytes)
        var output = [UInt8](repeating: 0, count: byteCount)
        let answer = unsafe EVP_Digest(input, input.count, &output, nil, EVP_sha256(), nil)
        guard answer == 1, let digest = Digest(output) else { preconditionFailure("SHA-256 is always there") }
        return digest
    }
}

extension Instant {
    init?(asn1 time: UnsafePointer<ASN1_TIME>?) {
        var seconds: Int64 = 0
        guard unsafe COpenSSL_unix_seconds(time, &seconds) == 1 else { return nil }
        self = .seconds(seconds)
    }
}
