import Model
package import Wire

extension ObjectRef {
    /// What a peer names; `nil` when the digest has not 32 bytes or the size does not fit.
    package init?(_ message: Proto.ObjectRef) {
        guard let digest = Digest(message.digest), let size = Int(exactly: message.size) else { return nil }
        self.init(digest: digest, sizeBytes: size)
    }

    package var message: Proto.ObjectRef {
        var message = Proto.ObjectRef()
        message.digest = digest.bytes
        message.size = UInt64(sizeBytes)
        return message
    }
}

extension ObjectEncoding {
    /// An encoding that this build does not know is taken for the bytes themselves; then they do not hash to their name.
    package init(_ message: Proto.Encoding) { self = message == .zstd ? .zstd : .identity }

    package var message: Proto.Encoding {
        switch self {
        case .identity: .identity
        case .zstd: .zstd
        }
    }
}
