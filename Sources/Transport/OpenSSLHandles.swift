import COpenSSL

/// Objects of OpenSSL, each freed once by its owner.
@safe struct X509Handle: ~Copyable {
    let raw: OpaquePointer

    init?(adopting raw: OpaquePointer?) {
        guard let raw = unsafe raw else { return nil }
        unsafe self.raw = unsafe raw
    }

    init?(der: [UInt8]) {
        let parsed = unsafe der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var cursor = bytes.baseAddress
            guard let parsed = unsafe d2i_X509(nil, &cursor, bytes.count) else { return nil }
            // Bytes behind it would make two encodings of one thing.
            if unsafe cursor == bytes.baseAddress.map({ unsafe $0 + bytes.count }) { return unsafe parsed }
            unsafe X509_free(parsed)
            return nil
        }
        unsafe self.init(adopting: parsed)
    }

    deinit { unsafe X509_free(raw) }

    var der: [UInt8] {
        unsafe Self.encode { unsafe i2d_X509(raw, $0) }
    }

    /// Runs one of OpenSSL's `i2d` functions, which allocate their answer.
    static func encode(_ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> CInt) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = unsafe write(&bytes)
        guard count > 0, let bytes = unsafe bytes else { return [] }
        defer { unsafe COpenSSL_free(bytes) }
        return unsafe Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }
}

@safe struct KeyHandle: ~Copyable {
    let raw: OpaquePointer

    init?(adopting raw: OpaquePointer?) {
        guard let raw = unsafe raw else { return nil }
        unsafe self.raw = unsafe raw
    }

    deinit { unsafe EVP_PKEY_free(raw) }
}

@safe struct RequestHandle: ~Copyable {
    let raw: OpaquePointer

    init?(adopting raw: OpaquePointer?) {
        guard let raw = unsafe raw else { return nil }
        unsafe self.raw = unsafe raw
    }

    init?(der: [UInt8]) {
        let parsed = unsafe der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var cursor = bytes.baseAddress
            guard let parsed = unsafe d2i_X509_REQ(nil, &cursor, bytes.count) else { return nil }
            // Bytes behind it would make two encodings of one thing.
            if unsafe cursor == bytes.baseAddress.map({ unsafe $0 + bytes.count }) { return unsafe parsed }
            unsafe X509_REQ_free(parsed)
            return nil
        }
        unsafe self.init(adopting: parsed)
    }

    deinit { unsafe X509_REQ_free(raw) }
}

/// A BIO in memory: what OpenSSL reads PEM from, and writes it to.
@safe struct MemoryBIO: ~Copyable {
    let raw: OpaquePointer

    init(_ text: String = "") {
        guard let memory = unsafe BIO_new(BIO_s_mem()) else { preconditionFailure("out of memory") }
        unsafe raw = unsafe memory
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { return }
        let count = unsafe BIO_write(memory, bytes, CInt(bytes.count))
        precondition(count == CInt(bytes.count), "a BIO in memory takes everything")
    }

    deinit { unsafe BIO_free(raw) }

    var text: String {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe COpenSSL_memory_bytes(raw, &bytes)
        guard count > 0, let bytes = unsafe bytes else { return "" }
        let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
        return unsafe String(decoding: raw, as: UTF8.self)
    }
}

/// What OpenSSL has put down about the last failures of this thread.
enum OpenSSLErrors {
    static func clear() { ERR_clear_error() }

    /// Takes all of them; the first one's words.
    static func take() -> String {
        var first: String?
        while true {
            let code = ERR_get_error()
            guard code != 0 else { return first ?? "no explanation" }
            if first == nil, let reason = unsafe ERR_reason_error_string(code) {
                first = unsafe String(cString: reason)
            }
        }
    }
}

/// Bytes that nobody can guess.
package func secureRandomBytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let answer = unsafe RAND_bytes(&bytes, CInt(count))
    precondition(answer == 1, "the system gives random bytes")
    return bytes
}

extension String {
    /// Lower-case hexadecimal digits of the bytes.
    init(hex bytes: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        self.init(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
