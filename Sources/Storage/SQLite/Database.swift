internal import CSQLite
import Glibc
import Model

/// An open SQLite connection, closed when its owner lets go. Not to be used from two threads at one time.
@safe struct Database: ~Copyable {
    fileprivate let handle: OpaquePointer
    let path: String
    private let prepared: (@Sendable (String) -> Void)?

    /// Opens or creates the file.
    ///
    /// - Parameter disk: the VFS by its name; `nil`: the machine's own.
    /// - Parameter prepared: sees every statement that is prepared.
    init(
        path: String, readOnly: Bool = false, lockWaitMax: Duration = .seconds(5), disk: String? = nil,
        prepared: (@Sendable (String) -> Void)? = nil
    ) throws(StorageError) {
        var opened: OpaquePointer?
        let flags =
            (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
            | SQLITE_OPEN_EXRESCODE
        let code = unsafe sqlite3_open_v2(path, &opened, flags, disk)
        guard code == SQLITE_OK, let handle = unsafe opened else {
            let reason = unsafe opened.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            unsafe sqlite3_close_v2(opened)
            throw .inaccessible(path: path, reason: reason)
        }
        unsafe self.handle = handle
        self.path = path
        self.prepared = prepared
        unsafe sqlite3_busy_timeout(handle, CInt(clamping: lockWaitMax.components.seconds * 1000))
    }

    deinit { unsafe sqlite3_close_v2(handle) }

    /// Runs statements that return nothing.
    borrowing func execute(_ sql: String) throws(StorageError) {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(code, during: sql) }
    }

    /// The first column of the first row, as a number; `nil` without a row.
    borrowing func number(_ sql: String) throws(StorageError) -> Int64? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.int64(0) : nil
    }

    borrowing func text(_ sql: String) throws(StorageError) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : nil
    }

    borrowing func prepare(_ sql: String) throws(StorageError) -> Statement {
        prepared?(sql)
        var prepared: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let statement = unsafe prepared else { throw error(code, during: sql) }
        return unsafe Statement(adopting: statement, of: handle, path: path)
    }

    borrowing func error(_ code: CInt, during operation: String) -> StorageError {
        unsafe StorageError(code, of: handle, path: path, during: operation)
    }
}

extension StorageError {
    /// SQLite's result as one of ours.
    fileprivate init(_ code: CInt, of handle: OpaquePointer, path: String, during operation: String) {
        let reason = unsafe String(cString: sqlite3_errmsg(handle))
        let isNoSpace = unsafe [ENOSPC, EDQUOT].contains(sqlite3_system_errno(handle))
        let firstLine = operation.split(separator: "\n").first.map(String.init) ?? operation
        switch code & 0xFF {
        case SQLITE_FULL: self = .diskFull(path: path)
        // Of a write that had no room it is known that it was not made; of a sync nothing is known.
        case SQLITE_IOERR where isNoSpace && sheaf_sqlite_is_write(code) != 0: self = .diskFull(path: path)
        case SQLITE_BUSY, SQLITE_LOCKED: self = .locked(path: path)
        case SQLITE_CORRUPT, SQLITE_NOTADB: self = .damaged(path: path, reason: reason)
        case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM: self = .inaccessible(path: path, reason: reason)
        case SQLITE_CONSTRAINT: self = .conflict("\(firstLine): \(reason)")
        default: self = .failed(operation: firstLine, reason: reason)
        }
    }
}

/// A prepared statement. Parameters are numbered from 1, columns from 0, as SQLite has it.
@safe struct Statement: ~Copyable {
    private let handle: OpaquePointer
    private let database: OpaquePointer
    private let path: String

    fileprivate init(adopting handle: OpaquePointer, of database: OpaquePointer, path: String) {
        unsafe self.handle = handle
        unsafe self.database = database
        self.path = path
    }

    deinit { unsafe sqlite3_finalize(handle) }

    /// Steps once: `true` with a row, `false` at the end.
    borrowing func step() throws(StorageError) -> Bool {
        let code = unsafe sqlite3_step(handle)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let operation = unsafe sqlite3_sql(handle).map { unsafe String(cString: $0) } ?? "run a statement"
            throw unsafe StorageError(code, of: database, path: path, during: operation)
        }
    }

    /// Binds the parameters in order, runs the statement to its end, and makes it ready for the next time.
    borrowing func run(_ parameters: Parameter...) throws(StorageError) {
        bind(parameters)
        defer { reset() }
        while try step() {}
    }

    borrowing func bind(_ parameters: [Parameter]) {
        for (index, parameter) in parameters.enumerated() {
            let position = CInt(index + 1)
            switch parameter {
            case .null: unsafe sqlite3_bind_null(handle, position)
            case .integer(let number): unsafe sqlite3_bind_int64(handle, position, number)
            case .text(let text):
                unsafe sqlite3_bind_text(handle, position, text, CInt(text.utf8.count), sheaf_sqlite_transient())
            case .blob(let bytes):
                _ = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe sqlite3_bind_blob64(
                        handle, position, buffer.baseAddress ?? UnsafeRawPointer(bitPattern: 1),
                        UInt64(buffer.count), sheaf_sqlite_transient())
                }
            }
        }
    }

    borrowing func reset() {
        unsafe sqlite3_reset(handle)
        unsafe sqlite3_clear_bindings(handle)
    }

    borrowing func isNull(_ column: CInt) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_NULL }
    borrowing func double(_ column: CInt) -> Double { unsafe sqlite3_column_double(handle, column) }
    borrowing func int64(_ column: CInt) -> Int64 { unsafe sqlite3_column_int64(handle, column) }
    borrowing func int(_ column: CInt) -> Int { Int(int64(column)) }
    borrowing func optionalInt(_ column: CInt) -> Int? { isNull(column) ? nil : int(column) }

    borrowing func text(_ column: CInt) -> String {
        guard let start = unsafe sqlite3_column_text(handle, column) else { return "" }
        let count = unsafe Int(sqlite3_column_bytes(handle, column))
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }
    borrowing func optionalText(_ column: CInt) -> String? { isNull(column) ? nil : text(column) }

    borrowing func blob(_ column: CInt) -> [UInt8] {
        guard let start = unsafe sqlite3_column_blob(handle, column) else { return [] }
        let count = unsafe Int(sqlite3_column_bytes(handle, column))
        return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }
    borrowing func instant(_ column: CInt) -> Instant { Instant(nanoseconds: int64(column)) }
    borrowing func optionalInstant(_ column: CInt) -> Instant? { isNull(column) ? nil : instant(column) }
    borrowing func optionalDigest(_ column: CInt) -> Digest? { isNull(column) ? nil : Digest(blob(column)) }
}

/// A value for a `?` of a statement.
enum Parameter {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    static func int(_ number: Int) -> Self { .integer(Int64(number)) }
    static func int(_ number: Int?) -> Self { number.map { .integer(Int64($0)) } ?? .null }
    static func text(_ text: String?) -> Self { text.map { .text($0) } ?? .null }
    static func instant(_ instant: Instant) -> Self { .integer(instant.nanoseconds) }
    static func instant(_ instant: Instant?) -> Self { instant.map { .integer($0.nanoseconds) } ?? .null }
    static func digest(_ digest: Digest) -> Self { .blob(digest.bytes) }
    static func digest(_ digest: Digest?) -> Self { digest.map { .blob($0.bytes) } ?? .null }
    static func run(_ run: RunID) -> Self { .integer(Int64(bitPattern: run.number)) }
}
