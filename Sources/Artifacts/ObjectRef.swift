package import Model

/// Some bytes by name: their SHA-256 and their number, both before any compression.
package struct ObjectRef: Hashable, Sendable {
    package var digest: Digest
    package var sizeBytes: Int

    package init(digest: Digest, sizeBytes: Int) {
        self.digest = digest
        self.sizeBytes = sizeBytes
    }

    package init(naming bytes: [UInt8]) {
        self.init(digest: Digest(hashing: bytes), sizeBytes: bytes.count)
    }
}

/// How an object's bytes lie in a file or travel.
package enum ObjectEncoding: String, Sendable {
    case identity
    /// One zstd frame.
    case zstd
}

/// An object as it travels: perhaps compressed, and not yet known to be what its name says.
package struct EncodedObject: Sendable {
    package var object: ObjectRef
    package var encoding: ObjectEncoding
    package var bytes: [UInt8]

    package init(object: ObjectRef, encoding: ObjectEncoding, bytes: [UInt8]) {
        self.object = object
        self.encoding = encoding
        self.bytes = bytes
    }

    /// Compresses the object where that pays.
    package init(packing verified: VerifiedObject) {
        object = verified.object
        if let smaller = Zstd.compressed(verified.bytes) {
            encoding = .zstd
            bytes = smaller
        } else {
            encoding = .identity
            bytes = verified.bytes
        }
    }
}

/// An object's bytes that were seen to hash to its name: there is no other way to make one.
package struct VerifiedObject: Sendable {
    package let object: ObjectRef
    package let bytes: [UInt8]

    /// Names bytes that are at hand.
    package init(naming bytes: [UInt8]) {
        object = ObjectRef(naming: bytes)
        self.bytes = bytes
    }

    /// Decompresses and hashes what somebody sent or a disk kept. Needs at most `object.sizeBytes` of memory, which
    /// the caller has compared with its limit.
    ///
    /// - Throws: `ArtifactError.damaged`.
    package init(checking encoded: EncodedObject) throws(ArtifactError) {
        let object = encoded.object
        let raw: [UInt8]
        switch encoded.encoding {
        case .identity: raw = encoded.bytes
        case .zstd:
            guard let plain = Zstd.decompressed(encoded.bytes, sizeBytes: object.sizeBytes) else {
                throw .damaged(object.digest, problem: "it is no zstd frame of \(object.sizeBytes) bytes")
            }
            raw = plain
        }
        guard raw.count == object.sizeBytes else {
            throw .damaged(object.digest, problem: "it has \(raw.count) bytes instead of \(object.sizeBytes)")
        }
        let digest = Digest(hashing: raw)
        guard digest == object.digest else {
            throw .damaged(object.digest, problem: "its bytes hash to \(digest.short)")
        }
        self.object = object
        bytes = raw
    }
}
