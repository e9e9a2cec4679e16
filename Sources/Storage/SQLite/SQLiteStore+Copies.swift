private import Glibc
import Model

/// Copies of a store: made while another process works on it, and taken into use again.
extension SQLiteStore {
    package static let fileName = "store.sqlite"

    /// Writes what is committed now, as one moment of it, to a new file, and checks the copy.
    ///
    /// - Throws: `conflict` when the file is there, `inaccessible`, `damaged`, `diskFull`.
    package static func copy(of folder: String, to path: String) throws(StorageError) {
        guard unsafe access(path, F_OK) != 0 else { throw .conflict("\(path) exists already") }
        let source = folder + "/" + fileName
        guard unsafe access(source, F_OK) == 0 else { throw .inaccessible(path: source, reason: "there is no store") }
        do {
            let database = try Database(path: source, readOnly: true)
            let statement = try database.prepare("VACUUM INTO ?")
            try statement.run(.text(path))
        }
        try check(path)
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw .inaccessible(path: path, reason: unsafe String(cString: strerror(errno)))
        }
    }

    /// Reads all of a store's file and compares its parts with each other.
    private static func check(_ path: String) throws(StorageError) {
        let database = try Database(path: path, readOnly: true)
        try Schema.check(database)
        let verdict = try database.text("PRAGMA integrity_check(1)") ?? "no answer"
        guard verdict == "ok" else { throw .damaged(path: path, reason: verdict) }
    }
}
