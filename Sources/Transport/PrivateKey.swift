import COpenSSL
package import Model

/// A private key. It never appears in a description.
package struct PrivateKey: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// PKCS #8 in PEM, not encrypted: keep it in files of mode 0600.
    let pem: String

    private init(handle: borrowing KeyHandle) {
        let memory = MemoryBIO()
        let answer = unsafe PEM_write_bio_PrivateKey(memory.raw, handle.raw, nil, nil, 0, nil, nil)
        precondition(answer == 1, "a key that OpenSSL made can be written")
        pem = memory.text
    }

    /// A new key on the curve P-256.
    package static func make() -> PrivateKey {
        guard let handle = unsafe KeyHandle(adopting: COpenSSL_make_p256_key()) else {
            preconditionFailure("OpenSSL makes keys on P-256: \(OpenSSLErrors.take())")
        }
        return PrivateKey(handle: handle)
    }

    /// The first private key in the text; other blocks are passed over.
    package init(pem: String) throws(CertificateError) {
        let memory = MemoryBIO(pem)
        guard let handle = unsafe KeyHandle(adopting: COpenSSL_read_private_key(memory.raw))
        else {
            throw .malformed("there is no usable private key in PEM here (\(OpenSSLErrors.take()))")
        }
        self.init(handle: handle)
    }

    func handle() -> KeyHandle {
        let memory = MemoryBIO(pem)
        guard let handle = unsafe KeyHandle(adopting: COpenSSL_read_private_key(memory.raw))
        else { preconditionFailure("OpenSSL wrote this key itself") }
        return handle
    }

    package func belongs(to certificate: Certificate) -> Bool {
        guard let x509 = X509Handle(der: certificate.der) else { return false }
        defer { OpenSSLErrors.clear() }
        // Bound to a name: a temporary would be freed before OpenSSL looks at it.
        let own = handle()
        return unsafe X509_check_private_key(x509.raw, own.raw) == 1
    }

    /// Keeps the key in a file of mode 0600.
    package func save(to path: String) throws(CertificateError) { try PrivateFile.write(pem, to: path) }

    package var description: String { "private key" }
    package var debugDescription: String { "private key" }
}

/// A PKCS #10 request: a public key, and the proof that whoever asks holds the private one.
package struct CertificateRequest: Hashable, Sendable {
    static let bytesMax = 16 << 10

    package let der: [UInt8]

    /// Asks in the name of a key. The subject is left empty: an authority would ignore it.
    package init(key: PrivateKey) {
        guard let request = unsafe RequestHandle(adopting: X509_REQ_new()) else { preconditionFailure("out of memory") }
        let pair = key.handle()
        let done =
            unsafe X509_REQ_set_version(request.raw, 0) == 1
            && X509_REQ_set_pubkey(request.raw, pair.raw) == 1
            && X509_REQ_sign(request.raw, pair.raw, EVP_sha256()) > 0
        precondition(done, "a P-256 key signs its own request")
        der = unsafe X509Handle.encode { unsafe i2d_X509_REQ(request.raw, $0) }
    }

    /// Takes a stranger's request: its signature is checked, and its key must be ECDSA on P-256 or P-384, or Ed25519.
    package init(der: [UInt8]) throws(CertificateError) {
        guard der.count <= Self.bytesMax, let request = RequestHandle(der: der) else {
            OpenSSLErrors.clear()
            throw .malformed("these bytes are no certificate request (PKCS #10 in DER)")
        }
        self.der = der
        guard let key = unsafe X509_REQ_get0_pubkey(request.raw) else {
            OpenSSLErrors.clear()
            throw .malformed("the certificate request holds no usable key")
        }
        guard unsafe Self.isAccepted(key) else {
            throw .malformed("the request's key is of a kind the farm does not take: make one on P-256")
        }
        guard unsafe X509_REQ_verify(request.raw, key) == 1 else {
            OpenSSLErrors.clear()
            throw .malformed("the certificate request is not signed by its own key")
        }
    }

    /// The SHA-256 of the public key (SubjectPublicKeyInfo in DER): the same in each request of one key.
    package var keyDigest: Digest {
        guard let request = RequestHandle(der: der), let key = unsafe X509_REQ_get0_pubkey(request.raw) else {
            preconditionFailure("a request's key was read when the request was made")
        }
        return .sha256(of: unsafe X509Handle.encode { unsafe i2d_PUBKEY(key, $0) })
    }

    private static func isAccepted(_ key: OpaquePointer) -> Bool {
        if unsafe EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 { return true }
        var name = [CChar](repeating: 0, count: 64)
        guard unsafe EVP_PKEY_get_id(key) == EVP_PKEY_EC,
            unsafe EVP_PKEY_get_group_name(key, &name, name.count, nil) == 1
        else { return false }
        let curve = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return ["prime256v1", "secp384r1", "P-256", "P-384"].contains(curve)
    }
}
