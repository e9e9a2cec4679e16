import Glibc
package import Model

/// How objects are read: whole or in parts, always compared with their names; and what becomes of those that differ.
extension ObjectStore {
    /// An object's bytes, compared with its name.
    ///
    /// - Throws: `ArtifactError.absent`, `.damaged` (and then it is `.setAside` from now on), `.tooMuch`.
    package func read(
        _ digest: Digest, bytesMax: Int = TreeLimits.wholeObjectBytesMax
    ) throws(ArtifactError) -> VerifiedObject {
        try readBoth(digest, bytesMax: bytesMax).verified
    }

    /// An object as it lies in the store, for sending; it was compared with its name all the same.
    package func readEncoded(
        _ digest: Digest, bytesMax: Int = TreeLimits.wholeObjectBytesMax
    ) throws(ArtifactError) -> EncodedObject {
        try readBoth(digest, bytesMax: bytesMax).encoded
    }

    private func readBoth(
        _ digest: Digest, bytesMax: Int
    ) throws(ArtifactError) -> (encoded: EncodedObject, verified: VerifiedObject) {
        guard let open = try open(digest) else { throw absence(of: digest) }
        let encoding = open.encoding
        let stored = try open.file.facts(open.path).sizeBytes
        guard stored <= bytesMax else { throw .tooMuch(limit: "bytes in object \(digest.short)", most: bytesMax) }
        var bytes = [UInt8](repeating: 0, count: stored)
        let got = try open.file.read(into: &bytes, from: 0, count: stored, open.path)
        bytes.removeLast(stored - got)
        let size = encoding == .identity ? got : Zstd.statedSize(of: bytes) ?? -1
        guard size <= bytesMax else { throw .tooMuch(limit: "bytes in object \(digest.short)", most: bytesMax) }
        do throws(ArtifactError) {
            guard size >= 0 else { throw .damaged(digest, problem: "it is no zstd frame") }
            let encoded = EncodedObject(
                object: ObjectRef(digest: digest, sizeBytes: size), encoding: encoding, bytes: bytes)
            return (encoded, try VerifiedObject(checking: encoded))
        } catch {
            setAside(digest, encoding, error)
            throw error
        }
    }

    /// Gives an object of any size in parts of at most 256 KiB, and compares it with its name on the way: the last part
    /// comes only when all of them together were right.
    ///
    /// - Throws: `ArtifactError`, or what `emit` throws.
    package func read(_ digest: Digest, emit: (Span<UInt8>) throws -> Void) throws {
        guard let open = try open(digest) else { throw absence(of: digest) }
        var intake = ObjectIntake(digest, open.encoding)
        var held: [UInt8] = []
        var scratch = [UInt8](repeating: 0, count: Self.scratchBytes)
        var raised: (any Error)?
        do throws(ArtifactError) {
            while raised == nil {
                let got = try open.file.read(into: &scratch, from: 0, count: scratch.count, open.path)
                if got == 0 { break }
                try intake.advance(scratch.span.extracting(first: got), sizeMax: TreeLimits.objectBytesMax) { part in
                    if raised == nil, !held.isEmpty {
                        do { try emit(held.span) } catch { raised = error }
                    }
                    held = part.copied()
                }
            }
            if raised == nil { _ = try intake.finish() }
        } catch {
            if case .damaged = error { setAside(digest, open.encoding, error) }
            throw error
        }
        if let raised { throw raised }
        if !held.isEmpty { try emit(held.span) }
    }

    private struct OpenObject: ~Copyable {
        let file: Descriptor
        let encoding: ObjectEncoding
        let path: String
    }

    private func open(_ digest: Digest) throws(ArtifactError) -> OpenObject? {
        for encoding in [ObjectEncoding.zstd, .identity] {
            let place = ObjectPlace(digest, encoding).path
            if let file = Descriptor.open(place, at: objects.descriptor.raw, flags: O_RDONLY | O_NOFOLLOW) {
                return OpenObject(file: file, encoding: encoding, path: place)
            }
            guard errno == ENOENT else { throw SystemCode.fault("opening object \(digest.short)") }
        }
        return nil
    }

    /// Moves a file that is not what its name says out of the way, and notes when. When even that fails the next read says
    /// so again.
    private func setAside(_ digest: Digest, _ encoding: ObjectEncoding, _ error: ArtifactError) {
        let place = ObjectPlace(digest, encoding)
        guard unsafe renameat(objects.descriptor.raw, place.path, damaged.descriptor.raw, place.flatName) == 0 else {
            // Another reader has moved it, and told.
            if errno != ENOENT { damageFound(digest, "\(error); it cannot be moved aside") }
            return
        }
        _ = unsafe utimensat(damaged.descriptor.raw, place.flatName, nil, AT_SYMLINK_NOFOLLOW)
        damageFound(digest, "\(error)")
    }

    /// Why an object is not there.
    private func absence(of digest: Digest) -> ArtifactError {
        for encoding in [ObjectEncoding.zstd, .identity] {
            if let facts = damaged.facts(of: ObjectPlace(digest, encoding).flatName) {
                return .setAside(digest, at: Instant(nanoseconds: facts.modifiedNanoseconds))
            }
        }
        return .absent(digest)
    }

    /// How many files lie in the folder `damaged`, and where that is.
    package func setAsideSoFar() throws(ArtifactError) -> (count: Int, folder: String) {
        (try damaged.names().count, damaged.path)
    }
}
