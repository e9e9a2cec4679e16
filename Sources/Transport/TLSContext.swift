import COpenSSL
import Model

/// How one side of TLS behaves: TLS 1.3 alone, no tickets, no early data, and one farm's authority as the only root.
///
/// OpenSSL counts and locks what connections share of it, and nothing changes it after `init`: `@unchecked Sendable`.
@safe final class TLSContext: @unchecked Sendable {
    /// How a client knows the farm.
    enum Trust: Sendable {
        case authority(Certificate)
        /// The fingerprint from a token file: the certificate itself comes with the connection.
        case fingerprint(Digest)
    }

    let raw: OpaquePointer
    let isServer: Bool
    /// A client that only knows a fingerprint looks itself, after the handshake and before it says anything.
    let pinned: Digest?

    deinit { unsafe SSL_CTX_free(raw) }

    private init(isServer: Bool, pinned: Digest? = nil) {
        guard let context = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            preconditionFailure("OpenSSL makes contexts: \(OpenSSLErrors.take())")
        }
        precondition(unsafe COpenSSL_harden(context) == 1, "OpenSSL 3 knows TLS 1.3: \(OpenSSLErrors.take())")
        unsafe raw = unsafe context
        self.isServer = isServer
        self.pinned = pinned
    }

    /// - Parameter certified: whether clients must show a certificate of the farm's authority.
    static func server(_ identity: Identity, certified: Bool) throws(LinkError) -> TLSContext {
        let context = TLSContext(isServer: true)
        try context.show(identity)
        if certified {
            try context.trust(identity.authority)
            unsafe SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        return context
    }

    /// - Parameter identity: `nil` for a stranger that wants to enrol.
    static func client(_ identity: Identity?, trust: Trust) throws(LinkError) -> TLSContext {
        switch trust {
        case .fingerprint(let digest):
            let context = TLSContext(isServer: false, pinned: digest)
            unsafe SSL_CTX_set_verify(context.raw, SSL_VERIFY_NONE, nil)
            if let identity { try context.show(identity) }
            return context
        case .authority(let authority):
            let context = TLSContext(isServer: false)
            try context.trust(authority)
            unsafe SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER, nil)
            unsafe Self.expectCoordinator(SSL_CTX_get0_param(context.raw))
            if let identity { try context.show(identity) }
            return context
        }
    }

    private func show(_ identity: Identity) throws(LinkError) {
        guard let own = X509Handle(der: identity.certificate.der), let issuer = X509Handle(der: identity.authority.der)
        else { preconditionFailure("both were parsed before") }
        let key = identity.key.handle()
        let done =
            unsafe SSL_CTX_use_certificate(raw, own.raw) == 1 && SSL_CTX_use_PrivateKey(raw, key.raw) == 1
            && COpenSSL_add_chain_certificate(raw, issuer.raw) == 1
        guard done else { throw .ownCertificate(.untrusted(OpenSSLErrors.take())) }
    }

    private func trust(_ authority: Certificate) throws(LinkError) {
        guard let root = X509Handle(der: authority.der) else { preconditionFailure("it was parsed before") }
        let store = unsafe SSL_CTX_get_cert_store(raw)
        guard unsafe X509_STORE_add_cert(store, root.raw) == 1 else {
            throw .certificate(.untrusted(OpenSSLErrors.take()))
        }
        if isServer { _ = unsafe SSL_CTX_add_client_CA(raw, root.raw) }
        unsafe SSL_CTX_set_verify_depth(raw, 1)
        _ = unsafe X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(raw), UInt(X509_V_FLAG_X509_STRICT))
    }

    static func expectCoordinator(_ parameters: OpaquePointer?) {
        let answer = unsafe X509_VERIFY_PARAM_set1_host(parameters, Certificate.coordinatorName, 0)
        precondition(answer == 1, "out of memory")
    }

    /// Checks a chain that a pinned coordinator showed: it must end in the pinned authority and be a coordinator's.
    static func check(_ chain: [Certificate], pinned: Digest) throws(CertificateError) {
        guard let leaf = chain.first, let handle = X509Handle(der: leaf.der) else { throw .missing }
        guard let authority = chain.first(where: { $0.fingerprint == pinned && $0.isAuthority }),
            let root = X509Handle(der: authority.der)
        else { throw .otherAuthority(fingerprint: chain.last(where: \.isAuthority)?.fingerprint) }
        guard let store = unsafe X509_STORE_new(), let check = unsafe X509_STORE_CTX_new() else {
            preconditionFailure("out of memory")
        }
        defer {
            unsafe X509_STORE_CTX_free(check)
            unsafe X509_STORE_free(store)
        }
        let ready =
            unsafe X509_STORE_add_cert(store, root.raw) == 1
            && X509_STORE_CTX_init(check, store, handle.raw, nil) == 1
            && X509_STORE_CTX_set_default(check, "ssl_server") == 1
        precondition(ready, "OpenSSL checks chains: \(OpenSSLErrors.take())")
        unsafe expectCoordinator(X509_STORE_CTX_get0_param(check))
        let valid = unsafe X509_verify_cert(check) == 1
        let number = CInt(unsafe X509_STORE_CTX_get_error(check))
        OpenSSLErrors.clear()
        guard !valid else { return }
        throw CertificateError(verification: number, chain: chain)
    }
}

extension CertificateError {
    /// - Parameters:
    ///   - number: one of OpenSSL's `X509_V_ERR_…`.
    ///   - chain: what the other side showed, its own certificate first.
    init(verification number: CInt, chain: [Certificate]) {
        switch number {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            let now = Instant.wallClock()
            let end = chain.first(where: { $0.notAfter < now })?.notAfter ?? chain.first?.notAfter
            self = .expired(at: end ?? now)
        case X509_V_ERR_CERT_NOT_YET_VALID:
            let now = Instant.wallClock()
            let start = chain.first(where: { $0.notBefore > now })?.notBefore ?? chain.first?.notBefore
            self = .notYetValid(from: start ?? now)
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            self = .otherAuthority(fingerprint: chain.dropFirst().last?.fingerprint)
        case X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_HOSTNAME_MISMATCH:
            let bearer = chain.first?.principal.map { "\($0.role.rawValue) \($0.name)" } ?? "a bearer without a role"
            self = .wrongRole("the certificate is of \(bearer), which cannot play this part")
        default:
            let reason = unsafe String(cString: X509_verify_cert_error_string(Int(number)))
            self = .untrusted(reason)
        }
    }
}
