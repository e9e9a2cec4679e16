import Glibc
import Locks
package import Model

/// A folder of objects by digest: `objects/ab/cdef…` as they are, or with `.zst` at the end as one zstd frame. So
/// `sha256sum` and `zstd -dc` can audit a store without us.
///
/// An object is written to `temp`, synced, renamed, and its folder synced, before anybody hears that it is there; a crash
/// leaves whole objects and leftovers in `temp`, which the next start removes. Every read compares the bytes with the
/// name; what differs is moved to `damaged`, told, and counts as absent, so that whoever has it sends it again.
///
/// All methods block on the disk: call them on `DiskThreads`.
package final class ObjectStore: Sendable {
    package static let scratchBytes = 256 << 10

    struct State {
        var nextTemporary = 0
        /// Objects that stand under their names but whose folders are not synced yet. To everybody else they are absent.
        var unsynced: [Digest: Int] = [:]
    }

    package let path: String
    /// False for caches: nothing is synced, and a loss of power may cost objects (they are found damaged, then absent).
    package let durable: Bool
    let objects: Folder
    let temporary: Folder
    let damaged: Folder
    let damageFound: @Sendable (_ digest: Digest, _ problem: String) -> Void
    /// Keeps other processes out for as long as the store lives.
    private let guardian: Descriptor
    let state = Mutex(State())

    /// Opens a store, or makes it; what an earlier process left half-written is removed.
    ///
    /// - Parameter damageFound: is told of each object that is moved aside, on the thread that read it.
    /// - Throws: `ArtifactError.storeInUse` when another process has it open.
    package init(
        at path: String, durable: Bool = true,
        damageFound: @escaping @Sendable (_ digest: Digest, _ problem: String) -> Void = { _, _ in }
    ) throws(ArtifactError) {
        self.path = path
        self.damageFound = damageFound
        self.durable = durable
        if unsafe mkdir(path, 0o700) != 0, errno != EEXIST { throw SystemCode.fault("making the folder \(path)") }
        let root = try Folder(at: path)
        guard
            let guardian = Descriptor.open("in-use", at: root.descriptor.raw, flags: O_RDONLY | O_CREAT, mode: 0o600)
        else { throw SystemCode.fault("opening \(path)/in-use") }
        guard flock(guardian.raw, LOCK_EX | LOCK_NB) == 0 else { throw .storeInUse(folder: path) }
        self.guardian = guardian
        objects = try root.subfolder("objects", creating: true)
        temporary = try root.subfolder("temp", creating: true)
        damaged = try root.subfolder("damaged", creating: true)
        for name in try temporary.names() {
            _ = unsafe unlinkat(temporary.descriptor.raw, String(decoding: name, as: UTF8.self), 0)
        }
        if durable { try root.descriptor.sync(path) }
    }

    /// A child of this process may have a copy of the descriptor for as long as it has not begun its program.
    deinit { _ = flock(guardian.raw, LOCK_UN) }

    // MARK: Asking

    /// Whether the object is there, and would be after a loss of power.
    package func contains(_ digest: Digest) -> Bool {
        guard state.withLock({ $0.unsynced[digest] == nil }) else { return false }
        return encoding(of: digest) != nil
    }

    /// Those that the store does not hold, in their order, each once. The others count as used now: `sweep` keeps them for
    /// its time of grace.
    package func missing(of digests: [Digest]) -> [Digest] {
        var seen: Set<Digest> = []
        return digests.filter { digest in
            guard seen.insert(digest).inserted else { return false }
            return state.withLock { $0.unsynced[digest] != nil || !touch(digest) }
        }
    }

    /// Notes that an object is used: under the lock that removals take, too.
    ///
    /// - Returns: false when it is not there.
    private func touch(_ digest: Digest) -> Bool {
        [ObjectEncoding.zstd, .identity].contains { encoding in
            unsafe utimensat(
                objects.descriptor.raw, ObjectPlace(digest, encoding).path, nil, AT_SYMLINK_NOFOLLOW) == 0
        }
    }

    func encoding(of digest: Digest) -> ObjectEncoding? {
        for encoding in [ObjectEncoding.zstd, .identity] {
            let place = ObjectPlace(digest, encoding)
            if unsafe faccessat(objects.descriptor.raw, place.path, F_OK, 0) == 0 { return encoding }
        }
        return nil
    }

    // MARK: Writing

    /// Stores one object of at most 64 MiB; back when it is durable.
    ///
    /// - Returns: false when it was there already.
    @discardableResult
    package func put(_ encoded: EncodedObject) throws(ArtifactError) -> Bool {
        try put([encoded])[0]
    }

    /// Stores several objects and syncs each folder once.
    ///
    /// - Returns: for each, false when it was there already.
    /// - Throws: for the first that is damaged or does not fit; none of them is stored then, save what was there.
    package func put(_ encoded: [EncodedObject]) throws(ArtifactError) -> [Bool] {
        var pending: [PendingObject] = []
        var isNew: [Bool] = []
        for object in encoded {
            guard !contains(object.object.digest) else {
                isNew.append(false)
                continue
            }
            isNew.append(true)
            pending.append(try write(object))
        }
        try commit(pending)
        return isNew
    }

    /// Writes an object beside the store; `commit` makes it a part of it.
    package func write(_ encoded: EncodedObject) throws(ArtifactError) -> PendingObject {
        let writer = try ObjectWriter(self, encoded.object, encoded.encoding)
        try writer.append(encoded.bytes)
        return try writer.finish()
    }

    /// Starts an object that comes in parts.
    package func writer(
        for object: ObjectRef, encoding: ObjectEncoding
    ) throws(ArtifactError) -> ObjectWriter {
        try ObjectWriter(self, object, encoding)
    }

    /// Makes written objects a part of the store, durably: each file is synced, renamed, and each folder synced once.
    ///
    /// - Throws: `ArtifactError`; those that were not renamed yet are gone then, the store is whole.
    package func commit(_ pending: [PendingObject]) throws(ArtifactError) {
        if durable {
            for object in pending { try object.sync() }
        }
        // What somebody else has made durable in the meantime stays as it is, and is never absent again.
        let mine = state.withLock { state in
            let mine = pending.filter { object in
                let digest = object.object.digest
                return state.unsynced[digest] != nil || !touch(digest)
            }
            for object in mine { state.unsynced[object.object.digest, default: 0] += 1 }
            return mine
        }
        do throws(ArtifactError) {
            try rename(mine)
        } catch {
            state.withLock { state in
                for object in mine {
                    guard let others = state.unsynced[object.object.digest] else { continue }
                    state.unsynced[object.object.digest] = others > 1 ? others - 1 : nil
                }
            }
            throw error
        }
        state.withLock { state in
            for object in mine { state.unsynced[object.object.digest] = nil }
        }
    }

    private func rename(_ pending: [PendingObject]) throws(ArtifactError) {
        var folders: [String: Folder] = [:]
        for object in pending {
            let place = ObjectPlace(object.object.digest, object.encoding)
            try object.rename(into: try folder(place.folder, &folders), as: place.name)
        }
        guard durable else { return }
        for name in folders.keys.sorted() {
            guard let folder = folders[name] else { continue }
            try folder.descriptor.sync(folder.path)
        }
    }

    /// The folder of a name, made where it is missing.
    @inline(never)  // Swift 6.3.1's optimizer ends with an error when this is a part of its caller.
    private func folder(_ name: String, _ folders: inout [String: Folder]) throws(ArtifactError) -> Folder {
        if let open = folders[name] { return open }
        let (opened, made) = try objects.child(Array(name.utf8)[...], creating: true, owner: nil)
        if made, durable { try objects.descriptor.sync(objects.path) }
        folders[name] = opened
        return opened
    }

    func temporaryName() -> String {
        state.withLock { state in
            state.nextTemporary += 1
            return String(state.nextTemporary)
        }
    }
}

/// Where an object lies below `objects`.
struct ObjectPlace {
    let folder: String
    let name: String

    init(_ digest: Digest, _ encoding: ObjectEncoding) {
        let hex = digest.hex
        folder = String(hex.prefix(2))
        name = hex.dropFirst(2) + (encoding == .zstd ? ".zst" : "")
    }

    var path: String { "\(folder)/\(name)" }
    var flatName: String { folder + name }
}
