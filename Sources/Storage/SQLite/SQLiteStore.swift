private import Glibc
private import Locks
package import Model

/// The farm's store in one SQLite file: write-ahead log, every commit synced.
///
/// One connection writes, another reads what is committed, each behind its own lock; a lock file keeps a second
/// process out of the folder, a lock on the database itself one that reaches it from another folder.
package final class SQLiteStore: Storage {
    private let writer: Mutex<Writer>
    private let reader: Mutex<Reader>
    private let lock: OwnerLock
    private let fileLock: OwnerLock?
    private let path: String
    /// Whether all of it was looked at when it was opened.
    package let isChecked: Bool

    /// Opens or creates `store.sqlite` in `folder`, checks it, and brings it to this binary's schema.
    ///
    /// - Parameter lockWaitMax: how long another program may keep the database locked before that is an error.
    /// - Parameter checkedAtOnceMax: a larger file is opened without a look at all of it, which takes as long as reading it:
    ///   `check` does that while the store is at work.
    /// - Parameter disk: an SQLite VFS by its name, for tests with disks that fail; `nil`: the machine's own.
    /// - Parameter prepared: sees every statement that is prepared once the store is open, for tests of their plans.
    /// - Parameter waiting: is told which process it waits for: one that was killed, has the store open, and is not gone yet.
    /// - Throws: `inUse` when somebody has it open who is not about to end, `newer` when a later Sheaf wrote it, `damaged`, `inaccessible`,
    ///   `diskFull`.
    package init(
        folder: String, lockWaitMax: Duration = .seconds(5), checkedAtOnceMax: ByteCount = .mebibytes(512),
        disk: String? = nil, prepared: (@Sendable (String) -> Void)? = nil, waiting: (@Sendable (Int) -> Void)? = nil
    ) throws(StorageError) {
        lock = try OwnerLock(path: folder + "/store.lock", waiting: waiting)
        let path = folder + "/" + Self.fileName
        self.path = path
        // A link may lead here from two folders.
        let owner = lock.before
        let isOnDisk = disk == nil
        var fileLock = try isOnDisk ? OwnerLock(onDatabase: path, owner: owner, waiting: waiting) : nil
        // Asked before anything may change, closing included: a store that is newer or not ours stays as it is.
        // Only one that lost its power while it was made has a rollback journal, and that must be written back first.
        if unsafe access(path, F_OK) == 0, unsafe access(path + "-journal", F_OK) != 0 {
            try Schema.check(Database(path: path, readOnly: true, disk: disk))
        }
        let database = try Database(path: path, lockWaitMax: lockWaitMax, disk: disk, prepared: prepared)
        isChecked = Self.size(of: path) <= checkedAtOnceMax.bytes
        if isChecked { try Self.quickCheck(database) }
        try database.execute("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL")
        if fileLock == nil, isOnDisk { fileLock = try OwnerLock(onDatabase: path, owner: owner, waiting: waiting) }
        self.fileLock = fileLock
        try Schema.migrate(database)
        writer = Mutex(try Writer(database))
        reader = Mutex(Reader(database: try Database(path: path, readOnly: true, disk: disk, prepared: prepared)))
    }

    /// Reads all of the file and compares its parts with each other, while others go on with it. Takes as long as the disk
    /// needs for that.
    ///
    /// - Throws: `damaged`.
    package func check() throws(StorageError) {
        guard !isChecked else { return }
        try Self.quickCheck(Database(path: path, readOnly: true))
    }

    private static func quickCheck(_ database: borrowing Database) throws(StorageError) {
        let verdict = try database.text("PRAGMA quick_check(1)") ?? "no answer"
        guard verdict == "ok" else { throw .damaged(path: database.path, reason: verdict) }
    }

    private static func size(of path: String) -> Int64 {
        var facts = stat()
        return unsafe stat(path, &facts) == 0 ? Int64(facts.st_size) : 0
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

    /// How SQLite goes about a statement, line by line: what it searches, scans and sorts.
    package func plan(of sql: String) throws(StorageError) -> [String] {
        try read { (database) throws(StorageError) in
            let statement = try database.prepare("EXPLAIN QUERY PLAN " + sql)
            var lines: [String] = []
            while try statement.step() { lines.append(statement.text(3)) }
            return lines
        }
    }

    private struct Reader: ~Copyable {
        let database: Database
    }
}
