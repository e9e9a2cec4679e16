private import CLinux
private import Glibc
private import Locks
import Model

/// The farm's store in one SQLite file: write-ahead log, every commit synced.
///
/// One connection writes, another reads what is committed, each behind its own lock; a lock file keeps a second
/// process out.
package final class SQLiteStore: Storage {
    private let writer: Mutex<Writer>
    private let reader: Mutex<Reader>
    private let lock: LockFile

    /// Opens or creates `store.sqlite` in `folder`, checks it, and brings it to this binary's schema.
    ///
    /// - Parameter lockWaitMax: how long another program may keep the database locked before that is an error.
    /// - Throws: `inUse` when somebody has it open, `newer` when a later Sheaf wrote it, `damaged`, `inaccessible`,
    ///   `diskFull`.
    package init(folder: String, lockWaitMax: Duration = .seconds(5)) throws(StorageError) {
        lock = try LockFile(path: folder + "/store.lock")
        let path = folder + "/" + Self.fileName
        // Asked before anything may change, closing included: a store that is newer or not ours stays as it is.
        if unsafe access(path, F_OK) == 0 { try Schema.check(Database(path: path, readOnly: true)) }
        let database = try Database(path: path, lockWaitMax: lockWaitMax)
        let verdict = try database.text("PRAGMA quick_check(1)") ?? "no answer"
        guard verdict == "ok" else { throw .damaged(path: path, reason: verdict) }
        try database.execute("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL")
        try Schema.migrate(database)
        writer = Mutex(try Writer(database))
        reader = Mutex(Reader(database: try Database(path: path, readOnly: true)))
    }

    package func commit(_ changes: [Change]) throws(StorageError) {
        try writer.withLock { (writer) throws(StorageError) in try writer.commit(changes) }
    }

    /// Runs a query on what is committed.
    func read<Answer: Sendable>(
        _ query: (borrowing Database) throws(StorageError) -> Answer
    ) throws(StorageError) -> Answer {
        try reader.withLock { (reader) throws(StorageError) in try query(reader.database) }
    }

    private struct Reader: ~Copyable {
        let database: Database
    }
}

/// A file whose lock says who owns a folder; the kernel drops it when its process ends, however it ends. What it holds is
/// the owner's pid, for messages.
private struct LockFile: ~Copyable, Sendable {
    private let descriptor: CInt

    init(path: String) throws(StorageError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.fault(path, errno) }
        let answer = clinux_lock_file(descriptor)
        guard answer == 0 else {
            defer { close(descriptor) }
            guard answer == -EAGAIN || answer == -EACCES else { throw Self.fault(path, -answer) }
            throw .inUse(path: path, holder: Self.holder(descriptor))
        }
        let name = Array("\(getpid())\n".utf8)
        // On a full disk the name is missing, and the lock holds all the same.
        if ftruncate(descriptor, 0) == 0 { _ = unsafe pwrite(descriptor, name, name.count, 0) }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private static func holder(_ descriptor: CInt) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
        return Int(String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 0x0A }, as: UTF8.self))
    }

    private static func fault(_ path: String, _ code: CInt) -> StorageError {
        if code == ENOSPC || code == EDQUOT { return .diskFull(path: path) }
        return .inaccessible(path: path, reason: unsafe String(cString: strerror(code)))
    }
}
