import COpenSSL
import Glibc
import Model

/// One side of a TLS connection on a non-blocking socket.
///
/// It is used by one thread at a time: first the door's, then the loop's, and handing it over is a message between
/// them. That makes `@unchecked Sendable` true.
@safe final class TLSConnection: @unchecked Sendable {
    enum Progress: Hashable {
        case moved(Int), wantsRead, wantsWrite
        /// The other side said that it sends nothing more.
        case ended
    }

    let descriptor: CInt
    private let socket: Descriptor
    private let ssl: OpaquePointer
    private let context: TLSContext
    /// After a fatal error OpenSSL must not be asked to say goodbye.
    private var failed = false

    init(_ context: TLSContext, on socket: consuming Descriptor) throws(LinkError) {
        descriptor = socket.raw
        guard let ssl = unsafe SSL_new(context.raw) else { throw .exhausted("no memory for a connection") }
        guard unsafe SSL_set_fd(ssl, descriptor) == 1 else {
            unsafe SSL_free(ssl)
            throw .exhausted("no memory for a connection")
        }
        unsafe self.ssl = unsafe ssl
        self.context = context
        self.socket = socket
        if context.isServer { unsafe SSL_set_accept_state(ssl) } else { unsafe SSL_set_connect_state(ssl) }
    }

    deinit { unsafe SSL_free(ssl) }

    /// Goes on with the handshake; `.moved` when it is over and everything about the peer was checked.
    func handshake() throws(LinkError) -> Progress {
        OpenSSLErrors.clear()
        let answer = unsafe SSL_do_handshake(ssl)
        if answer == 1 {
            if let pinned = context.pinned {
                do throws(CertificateError) { try TLSContext.check(shownChain, pinned: pinned) } catch {
                    throw .certificate(error)
                }
            }
            return .moved(0)
        }
        return try progress(of: answer, during: "the TLS handshake")
    }

    /// Whether anything was written to the other side, which begins with the answer to its hello.
    var hasAnswered: Bool { unsafe BIO_number_written(SSL_get_wbio(ssl)) > 0 }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(LinkError) -> Progress {
        OpenSSLErrors.clear()
        let answer = unsafe SSL_read(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
        return answer > 0 ? .moved(Int(answer)) : try progress(of: answer, during: "reading")
    }

    func write(_ buffer: UnsafeRawBufferPointer) throws(LinkError) -> Progress {
        OpenSSLErrors.clear()
        let answer = unsafe SSL_write(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
        return answer > 0 ? .moved(Int(answer)) : try progress(of: answer, during: "writing")
    }

    /// Tells the other side that nothing more comes, as far as the socket takes it.
    func sayGoodbye() {
        guard !failed, unsafe SSL_is_init_finished(ssl) == 1 else { return }
        _ = unsafe SSL_shutdown(ssl)
        OpenSSLErrors.clear()
    }

    /// Who the other side is; `nil` when it showed no certificate.
    func peerCertificate() throws(LinkError) -> Certificate? {
        guard let handle = unsafe X509Handle(adopting: SSL_get1_peer_certificate(ssl)) else { return nil }
        do throws(CertificateError) { return try Certificate(der: handle.der) } catch { throw .certificate(error) }
    }

    /// Certificates as the other side showed them (or as they were verified), its own first.
    private var shownChain: [Certificate] {
        let verified = unsafe SSL_get0_verified_chain(ssl)
        let stack = unsafe COpenSSL_stack_count(verified) > 0 ? verified : SSL_get_peer_cert_chain(ssl)
        var chain: [Certificate] = []
        for index in unsafe 0..<COpenSSL_stack_count(stack) {
            guard let raw = unsafe COpenSSL_stack_certificate(stack, index) else { continue }
            _ = unsafe X509_up_ref(raw)
            // One that cannot be read is as good as not shown: a chain without it is not believed.
            guard let handle = unsafe X509Handle(adopting: raw), let read = try? Certificate(der: handle.der) else {
                continue
            }
            chain.append(read)
        }
        return chain
    }

    private func progress(of answer: CInt, during operation: String) throws(LinkError) -> Progress {
        let number = errno
        switch unsafe SSL_get_error(ssl, answer) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case SSL_ERROR_ZERO_RETURN: return .ended
        case SSL_ERROR_SYSCALL:
            failed = true
            OpenSSLErrors.clear()
            throw .lost(
                number == 0 ? "it ended during \(operation)" : SystemError(number, during: operation).description)
        default:
            failed = true
            throw failure(during: operation)
        }
    }

    private func failure(during operation: String) -> LinkError {
        let code = ERR_peek_error()
        let number = CInt(unsafe SSL_get_verify_result(ssl))
        let text = OpenSSLErrors.take()
        switch ERR_GET_REASON(code) {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return .certificate(CertificateError(verification: number, chain: shownChain))
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .certificate(.missing)
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: return .lost("it ended during \(operation), without a goodbye")
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: return .refusedCertificate("it has expired; enrol again")
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
            return .refusedCertificate("it was revoked; ask an admin for a token")
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
            return .refusedCertificate("it is of another authority than the coordinator's; enrol with this farm")
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return .refusedCertificate("it wants one, and none was shown; enrol first")
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
            return .refusedCertificate("it does not give the right to connect as this side does (\(text))")
        default: return .broken("\(operation) over TLS failed: \(text)")
        }
    }
}
