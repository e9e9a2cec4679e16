import Artifacts
import Glibc
import Masking
import Model
import Wire

/// What one attempt came to, beside its report and its log: there until the farm has it, so that an attempt which ends while
/// the farm is away has all that its report names.
///
/// One file per object, named by its digest. They are synced once, before the report that names them is kept: a report that
/// outlives a loss of power finds what it names. What was lost all the same the digest tells, and the shard is tried again.
struct KeptResults: Sendable {
    let folder: String
    /// How a descriptor is synced, as `fsync` does.
    private let sync: @Sendable (CInt) -> CInt

    init(of attempt: AttemptID, in spool: String, sync: @escaping @Sendable (CInt) -> CInt = { fsync($0) }) {
        folder = spool + "/" + attempt.fileName + Self.suffix
        self.sync = sync
    }

    static let suffix = ".results"

    func keep(_ bytes: [UInt8]) throws(AgentError) -> ObjectRef {
        let object = VerifiedObject(naming: bytes).object
        try Files.makeFolder(folder, mode: 0o700)
        try Files.write(bytes, to: path(object.digest), mode: 0o600)
        return object
    }

    /// Keeps a file as it is now, without holding it in memory.
    ///
    /// - Parameter masker: takes secrets out on the way.
    /// - Returns: the object, and how many stretches were masked.
    /// - Throws: `ArtifactError.missing`, `.throughLink`, `.special`, `.tooMuch`; `AgentError` for what this disk has against it.
    func keep(
        file: TreePath, below root: Folder, bytesMax: Int, masker: consuming Masker? = nil
    ) throws -> (object: ObjectRef, maskedCount: Int) {
        let source = try root.open(file, bytesMax: bytesMax)
        try Files.makeFolder(folder, mode: 0o700)
        let staging = folder + "/new"
        let raw = unsafe open(staging, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard raw >= 0 else { throw AgentError.failed("write \(staging)") }
        defer { close(raw) }
        var hash = SHA256()
        var (taken, written) = (0, 0)
        while true {
            let bytes = try source.read(256 << 10)
            taken += bytes.count
            // It grows while it is read: then it is no file that a step has finished.
            guard taken <= bytesMax else { throw ArtifactError.tooMuch(limit: "bytes in \(file.text)", most: bytesMax) }
            let isLast = bytes.isEmpty
            let plain = isLast ? masker?.finish() ?? [] : masker?.write(bytes) ?? bytes
            hash.update(plain.span)
            written += plain.count
            try Files.writeAll(plain, to: raw, naming: staging)
            if isLast { break }
        }
        let object = ObjectRef(digest: hash.finish(), sizeBytes: written)
        guard unsafe rename(staging, path(object.digest)) == 0 else { throw AgentError.failed("keep \(file.text)") }
        return (object, masker?.maskedCount ?? 0)
    }

    /// Makes all of it outlive a loss of power: each file, then their names. Blocks on the disk; nothing is done where nothing
    /// is kept. The folder's own name is synced with the report.
    func settle() throws(AgentError) {
        let names = Files.names(in: folder)
        guard !names.isEmpty else { return }
        for path in names.map({ folder + "/" + $0 }) + [folder] {
            guard Files.sync(path, by: sync) else { throw .failed("sync \(path)") }
        }
    }

    /// Gives the farm what it lacks of these.
    ///
    /// - Throws: `AgentError.farm` where one is not what it was: this machine has lost it.
    nonisolated(nonsending) func send(_ objects: [ObjectRef], by transfer: Transfer<FarmObjects.Channel>) async throws {
        // What is not here the farm has already, or asks for by name when it is given the report.
        for object in objects where Files.exists(path(object.digest)) {
            let given: ObjectRef
            do {
                given = try await transfer.give(
                    file: TreePath(Array(object.digest.hex.utf8)), below: Folder(at: folder),
                    bytesMax: max(1, object.sizeBytes))
            } catch let error as ArtifactError {
                throw AgentError.farm("\(object.digest.short) of its results is lost on this agent's disk: \(error)")
            }
            guard given == object else {
                throw AgentError.farm("\(object.digest.short) of its results was damaged on this agent's disk")
            }
        }
    }

    func remove() { Files.removeTree(folder) }

    private func path(_ digest: Digest) -> String { folder + "/" + digest.hex }
}
