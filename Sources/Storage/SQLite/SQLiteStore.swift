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
    /// - Throws: `inUse` when another process has it, `newer` when a later Sheaf wrote it, `damaged`, `inaccessible`,
    ///   `diskFull`.
    package init(folder: String) throws(StorageError) {
        lock = try LockFile(path: folder + "/store.lock")
        let path = folder + "/store.sqlite"
        let database = try Database(path: path)
        // The version is asked before anything is changed: a newer store stays as it is.
        let found = Int(try database.number("PRAGMA user_version") ?? 0)
        guard found <= Schema.version else { throw .newer(path: path, version: found, known: Schema.version) }
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

/// A file whose lock says which process owns a folder; the kernel drops it when the process ends, however it ends.
private struct LockFile: ~Copyable, Sendable {
    private let descriptor: CInt

    init(path: String) throws(StorageError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .inaccessible(path: path, reason: unsafe String(cString: strerror(errno))) }
        guard lockf(descriptor, F_TLOCK, 0) == 0 else {
            close(descriptor)
            throw .inUse(path: path)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}
