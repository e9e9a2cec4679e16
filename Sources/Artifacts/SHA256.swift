import COpenSSL
package import Model

/// A SHA-256 digest in the making.
@safe package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let fresh = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(fresh, EVP_sha256(), nil) == 1 else {
            preconditionFailure("OpenSSL has no memory or no SHA-256")
        }
        unsafe context = fresh
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: Span<UInt8>) {
        let done = unsafe bytes.withUnsafeBytes { unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        precondition(done == 1, "SHA-256 refuses bytes")
    }

    package consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Digest.byteCount)
        let done = unsafe bytes.withUnsafeMutableBufferPointer { target in
            unsafe EVP_DigestFinal_ex(context, target.baseAddress, nil)
        }
        guard done == 1, let digest = Digest(bytes) else { preconditionFailure("SHA-256 gives 32 bytes") }
        return digest
    }
}

extension Digest {
    /// The name of these bytes.
    package init(hashing bytes: [UInt8]) {
        var hash = SHA256()
        hash.update(bytes.span)
        self = hash.finish()
    }
}
