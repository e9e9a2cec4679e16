import COpenSSL
package import Model

/// A farm's own certificate authority: what it signed is of the farm, nothing else is.
package struct Authority: Sendable {
    /// How far certificates reach back before their issue, for clocks that differ.
    package static let backdating = Duration.seconds(3600)
    package static let defaultValidity = Duration.seconds(365 * 86_400)
    package static let ownValidity = Duration.seconds(20 * 365 * 86_400)

    package let certificate: Certificate
    private let key: PrivateKey

    /// A new authority with a new key. Its name ends in random digits, so that two farms are told apart by it.
    package static func make(
        at now: Instant = .wallClock(), validFor validity: Duration = ownValidity
    ) throws(CertificateError) -> Authority {
        let key = PrivateKey.make()
        let draft = try Draft(
            commonName: "Sheaf authority \(String(hex: secureRandomBytes(4)))", unit: nil, from: now, for: validity)
        let pair = key.handle()
        unsafe try draft.setKey(pair.raw)
        unsafe try draft.finish(
            issuer: nil, signedBy: pair,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        return try Authority(certificate: draft.certificate(), key: key)
    }

    package init(certificate: Certificate, key: PrivateKey) throws(CertificateError) {
        guard certificate.isAuthority else { throw .malformed("the certificate is not an authority's") }
        guard key.belongs(to: certificate) else { throw .otherKey }
        self.certificate = certificate
        self.key = key
    }

    /// Issues a certificate for the key of the request. The request's subject is ignored: the principal says who it is.
    ///
    /// The certificate ends with the authority's own at the latest.
    package func issue(
        to principal: Principal, for request: CertificateRequest, at now: Instant = .wallClock(),
        validFor validity: Duration = defaultValidity
    ) throws(CertificateError) -> Certificate {
        guard Principal.isName(principal.name), principal.team.map(Principal.isName) ?? true else {
            throw .malformed("a name and a team have 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
        }
        try certificate.checkTime(now)
        guard let issuer = X509Handle(der: certificate.der), let parsed = RequestHandle(der: request.der),
            let publicKey = unsafe X509_REQ_get0_pubkey(parsed.raw)
        else { preconditionFailure("both were parsed before") }
        let left = now.duration(to: certificate.notAfter)
        let draft = try Draft(
            commonName: principal.name, unit: principal.role.rawValue, from: now, for: min(validity, left))
        unsafe try draft.setKey(publicKey)
        let isCoordinator = principal.role == .coordinator
        let host = isCoordinator ? ",DNS:\(Certificate.coordinatorName)" : ""
        unsafe try draft.finish(
            issuer: issuer.raw, signedBy: key.handle(),
            extensions: [
                (NID_basic_constraints, "critical,CA:FALSE"),
                (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "critical,\(isCoordinator ? "serverAuth" : "clientAuth")"),
                (NID_subject_alt_name, "URI:\(principal.uri)\(host)"),
                (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid"),
            ])
        return try draft.certificate()
    }

    /// Makes a key here and issues a certificate for it: for the coordinator itself, and for tests.
    package func makeIdentity(
        for principal: Principal, at now: Instant = .wallClock(), validFor validity: Duration = defaultValidity
    ) throws(CertificateError) -> Identity {
        let key = PrivateKey.make()
        let issued = try issue(to: principal, for: CertificateRequest(key: key), at: now, validFor: validity)
        return try Identity(certificate: issued, key: key, authority: certificate)
    }

    /// Reads what `save` wrote.
    package init(file path: String) throws(CertificateError) {
        let text = try PrivateFile.read(path, keptPrivate: true)
        do throws(CertificateError) {
            try self.init(certificate: Certificate(pem: text), key: PrivateKey(pem: text))
        } catch {
            throw .file(path: path, "\(error)")
        }
    }

    /// Writes certificate and key into one file of mode 0600, whole or not at all.
    package func save(to path: String) throws(CertificateError) {
        try PrivateFile.write(certificate.pem + key.pem, to: path)
    }
}

/// A certificate with its key and the authority it answers to: what one side of a connection shows.
package struct Identity: Sendable {
    package let certificate: Certificate
    package let key: PrivateKey
    /// The only authority whose certificates the bearer believes.
    package let authority: Certificate

    package init(certificate: Certificate, key: PrivateKey, authority: Certificate) throws(CertificateError) {
        guard key.belongs(to: certificate) else { throw .otherKey }
        guard let principal = certificate.principal else {
            throw .malformed("the certificate names no role and no name of Sheaf's")
        }
        guard authority.isAuthority else { throw .malformed("the second certificate is not an authority's") }
        guard let issued = X509Handle(der: certificate.der), let issuer = X509Handle(der: authority.der),
            unsafe X509_verify(issued.raw, X509_get0_pubkey(issuer.raw)) == 1
        else {
            OpenSSLErrors.clear()
            throw .otherAuthority(fingerprint: nil)
        }
        self.certificate = certificate
        self.key = key
        self.authority = authority
        self.principal = principal
    }

    package let principal: Principal

    /// Reads what `save` wrote: certificate, authority and key in one PEM file, which others may not read.
    package init(file path: String) throws(CertificateError) {
        let text = try PrivateFile.read(path, keptPrivate: true)
        do throws(CertificateError) {
            let certificates = try Certificate.all(inPEM: text)
            guard certificates.count == 2 else {
                throw .malformed("expected the bearer's and the authority's certificate, found \(certificates.count)")
            }
            try self.init(certificate: certificates[0], key: PrivateKey(pem: text), authority: certificates[1])
        } catch {
            throw .file(path: path, "\(error)")
        }
    }

    /// Writes all three into one file of mode 0600, whole or not at all: a renewal is never half there.
    package func save(to path: String) throws(CertificateError) {
        try PrivateFile.write(certificate.pem + authority.pem + key.pem, to: path)
    }
}

/// A certificate in the making.
private struct Draft: ~Copyable {
    private let handle: X509Handle

    init(commonName: String, unit: String?, from now: Instant, for validity: Duration) throws(CertificateError) {
        guard let handle = unsafe X509Handle(adopting: X509_new()) else { preconditionFailure("out of memory") }
        // 128 random bits: RFC 5280 allows 20 octets and wants a positive number.
        var serial = secureRandomBytes(16)
        serial[0] = serial[0] & 0x7f | 0x40
        let start = now.advanced(by: .zero - Authority.backdating)
        guard let number = unsafe BN_bin2bn(serial, CInt(serial.count), nil) else {
            preconditionFailure("out of memory")
        }
        defer { unsafe BN_free(number) }
        let subject = unsafe X509_get_subject_name(handle.raw)
        var done =
            unsafe X509_set_version(handle.raw, 2) == 1
            && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(handle.raw)) != nil
            && ASN1_TIME_set(X509_getm_notBefore(handle.raw), start.wholeSeconds) != nil
            && ASN1_TIME_set(X509_getm_notAfter(handle.raw), now.advanced(by: validity).wholeSeconds) != nil
        for (field, text) in [("CN", commonName), ("OU", unit)] {
            guard let text else { continue }
            let bytes = Array(text.utf8)
            let added = unsafe X509_NAME_add_entry_by_txt(
                subject, field, MBSTRING_UTF8, bytes, CInt(bytes.count), -1, 0)
            done = done && added == 1
        }
        guard done else { throw .malformed("the certificate cannot be made: \(OpenSSLErrors.take())") }
        self.handle = handle
    }

    func setKey(_ key: OpaquePointer) throws(CertificateError) {
        guard unsafe X509_set_pubkey(handle.raw, key) == 1 else {
            throw .malformed("the key cannot be certified: \(OpenSSLErrors.take())")
        }
    }

    /// - Parameter issuer: `nil` for a certificate that signs itself.
    func finish(
        issuer: OpaquePointer?, signedBy key: borrowing KeyHandle, extensions: [(nid: CInt, value: String)]
    ) throws(CertificateError) {
        let issuer = unsafe issuer ?? handle.raw
        var done = unsafe X509_set_issuer_name(handle.raw, X509_get_subject_name(issuer)) == 1
        for (nid, value) in extensions {
            let added = unsafe COpenSSL_add_extension(handle.raw, issuer, nid, value)
            done = done && added == 1
        }
        guard done, unsafe X509_sign(handle.raw, key.raw, EVP_sha256()) > 0 else {
            throw .malformed("the certificate cannot be signed: \(OpenSSLErrors.take())")
        }
    }

    func certificate() throws(CertificateError) -> Certificate { try Certificate(der: handle.der) }
}

extension Instant {
    fileprivate var wholeSeconds: Int { Int(nanoseconds / 1_000_000_000) }
}
