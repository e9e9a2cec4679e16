package import Model

extension Transfer {
    /// Asks for an object of which only the digest is known, and says how large it is. It stays in the cache, so that
    /// whoever reads it next finds it there.
    ///
    /// - Throws: `ArtifactError.damaged` when the other side gives something else, or what the channel throws.
    package func reference(
        to digest: Digest, of root: Digest, bytesMax: Int = TreeLimits.manifestBytesMax
    ) async throws -> ObjectRef {
        // A cache that cannot be read is a cache that does not hold it.
        let held = await threads.run { [cache] in try? cache?.read(digest, bytesMax: bytesMax) }
        if let held { return held.object }
        let (encoding, bytes) = try await channel.get(digest, of: root, bytesMax: bytesMax)
        let sizeBytes = encoding == .identity ? bytes.count : Zstd.statedSize(of: bytes)
        guard let sizeBytes, sizeBytes <= bytesMax else {
            throw ArtifactError.damaged(digest, problem: "its zstd frame states no size, or too large a one")
        }
        let encoded = EncodedObject(
            object: ObjectRef(digest: digest, sizeBytes: sizeBytes), encoding: encoding, bytes: bytes)
        return try await threads.run { [cache] () throws(ArtifactError) in
            let verified = try VerifiedObject(checking: encoded)
            // A full cache must not stop the attempt.
            _ = try? cache?.put(encoded)
            return verified.object
        }
    }
}
