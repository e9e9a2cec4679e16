import Glibc
import Locks
import Model

/// Compares bytes that come in parts with the name they go by.
struct ObjectIntake: ~Copyable {
    private let digest: Digest
    private var hash = SHA256()
    private var inflate: ZstdStream?
    private var sizeBytes = 0

    init(_ digest: Digest, _ encoding: ObjectEncoding) {
        self.digest = digest
        inflate = encoding == .zstd ? ZstdStream() : nil
    }

    /// - Parameter raw: gets what the bytes mean, decompressed.
    mutating func advance(
        _ bytes: Span<UInt8>, sizeMax: Int, raw: (Span<UInt8>) -> Void = { _ in }
    ) throws(ArtifactError) {
        guard var stream = inflate.take() else {
            guard take(bytes, sizeMax) else { throw tooLong(sizeMax) }
            raw(bytes)
            return
        }
        var fits = true
        let isFrame = stream.advance(bytes) { part in
            fits = take(part, sizeMax)
            if fits { raw(part) }
            return fits
        }
        inflate = consume stream
        guard fits else { throw tooLong(sizeMax) }
        guard isFrame else { throw .damaged(digest, problem: "it is no zstd frame") }
    }

    private mutating func take(_ bytes: Span<UInt8>, _ sizeMax: Int) -> Bool {
        guard bytes.count <= sizeMax - sizeBytes else { return false }
        sizeBytes += bytes.count
        hash.update(bytes)
        return true
    }

    private func tooLong(_ sizeMax: Int) -> ArtifactError {
        .damaged(digest, problem: "it has more than \(sizeMax) bytes")
    }

    /// - Returns: the object's size.
    consuming func finish() throws(ArtifactError) -> Int {
        if let inflate, !inflate.isComplete { throw .damaged(digest, problem: "its zstd frame ends early") }
        let found = hash.finish()
        guard found == digest else { throw .damaged(digest, problem: "its bytes hash to \(found.short)") }
        return sizeBytes
    }
}

/// An object on its way into a store. Dropping it leaves nothing behind.
package final class ObjectWriter: Sendable {
    private struct State: ~Copyable {
        var intake: ObjectIntake
        var file: TemporaryFile?
        var storedBytes = 0
    }

    private let object: ObjectRef
    private let encoding: ObjectEncoding
    private let state: Mutex<State>

    init(_ store: ObjectStore, _ object: ObjectRef, _ encoding: ObjectEncoding) throws(ArtifactError) {
        guard object.sizeBytes >= 0, object.sizeBytes <= TreeLimits.objectBytesMax else {
            throw .tooMuch(limit: "bytes in one object", most: TreeLimits.objectBytesMax)
        }
        self.object = object
        self.encoding = encoding
        state = Mutex(State(intake: ObjectIntake(object.digest, encoding), file: try TemporaryFile(in: store)))
    }

    /// Takes the next bytes, as they are encoded.
    ///
    /// - Throws: `ArtifactError.damaged` as soon as they are too many or no frame; `.diskFull`.
    package func append(_ bytes: [UInt8]) throws(ArtifactError) {
        try state.withLock { state throws(ArtifactError) in
            try state.intake.advance(bytes.span, sizeMax: object.sizeBytes)
            state.storedBytes += bytes.count
            try state.file?.write(bytes.span)
        }
    }

    /// Compares the whole with its name. The object is in the store only after `ObjectStore.commit`.
    package func finish() throws(ArtifactError) -> PendingObject {
        try state.withLock { state throws(ArtifactError) in
            guard let file = state.file else { preconditionFailure("an object is finished once") }
            state.file = nil
            var intake = ObjectIntake(object.digest, encoding)
            swap(&intake, &state.intake)
            let size = try intake.finish()
            guard size == object.sizeBytes else {
                throw .damaged(object.digest, problem: "it has \(size) bytes instead of \(object.sizeBytes)")
            }
            file.startWriteback()
            return PendingObject(object, encoding, storedBytes: state.storedBytes, file)
        }
    }
}

/// An object that was written and compared with its name, but is not in its store yet.
package final class PendingObject: Sendable {
    package let object: ObjectRef
    package let storedBytes: Int
    let encoding: ObjectEncoding
    private let file: TemporaryFile

    init(_ object: ObjectRef, _ encoding: ObjectEncoding, storedBytes: Int, _ file: TemporaryFile) {
        self.object = object
        self.encoding = encoding
        self.storedBytes = storedBytes
        self.file = file
    }

    func sync() throws(ArtifactError) { try file.sync() }
    func rename(into folder: Folder, as name: String) throws(ArtifactError) {
        try file.rename(into: folder, as: name)
    }
}

/// A file in a store's `temp`, removed unless it was renamed.
final class TemporaryFile: Sendable {
    private let descriptor: Descriptor
    private let folder: Folder
    private let name: String

    init(in store: ObjectStore) throws(ArtifactError) {
        folder = store.temporary
        name = store.temporaryName()
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        guard let opened = Descriptor.open(name, at: folder.descriptor.raw, flags: flags, mode: 0o600) else {
            throw SystemCode.fault("making \(folder.below(name))")
        }
        descriptor = opened
    }

    // After a rename this finds nothing: temporary names are never used twice.
    deinit { _ = unsafe unlinkat(folder.descriptor.raw, name, 0) }

    func write(_ bytes: Span<UInt8>) throws(ArtifactError) { try descriptor.write(bytes, folder.below(name)) }
    func sync() throws(ArtifactError) { try descriptor.sync(folder.below(name)) }

    /// Asks the kernel to begin writing, so that a later sync waits less.
    func startWriteback() { descriptor.startWriteback() }

    func rename(into target: Folder, as newName: String) throws(ArtifactError) {
        let done = unsafe renameat(folder.descriptor.raw, name, target.descriptor.raw, newName)
        guard done == 0 else { throw SystemCode.fault("storing \(target.below(newName))") }
    }
}
