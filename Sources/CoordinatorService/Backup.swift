import Artifacts
import Glibc
import JSON
package import Model
import Storage
import Transport

/// A copy of a coordinator's state folder, made while it works, from which another one goes on.
///
/// It has the state's own layout, so that its parts can be read with the same tools; `backup.json` is written last and says
/// that it is whole. Made again into the same folder it copies only what is new.
package enum Backup {
    static let manifestName = "backup.json"
    /// Runs that came after the copy are not known to it. So many numbers are left out, so that none of them is given again.
    static let runNumbersLeftOut: UInt64 = 100_000

    package struct Summary: Equatable, Sendable {
        package var files = 0
        package var copied = 0
        package var copiedBytes = 0
    }

    /// Blocks on the disk.
    ///
    /// - Throws: `StorageError`, `CoordinatorError` or `CertificateError`, in words for the operator.
    package static func make(of state: String, into folder: String, at now: Instant) throws -> Summary {
        try PrivateFile.makeFolder(folder)
        let manifest = "\(folder)/\(manifestName)"
        guard unlink(manifest) == 0 || errno == ENOENT else {
            throw CoordinatorError.system("write \(manifest)", errno)
        }
        // The store first: everything that it names is there already, and stays.
        let store = "\(folder)/\(SQLiteStore.fileName)"
        guard unlink("\(store).new") == 0 || errno == ENOENT else {
            throw CoordinatorError.system("write \(store)", errno)
        }
        try SQLiteStore.copy(of: state, to: "\(store).new")
        guard rename("\(store).new", store) == 0 else { throw CoordinatorError.system("write \(store)", errno) }
        var summary = Summary()
        for name in ["authority.pem", "coordinator.pem"] {
            try copyFile("\(state)/\(name)", to: "\(folder)/\(name)", isChanging: true, &summary)
        }
        for name in ["objects", "logs"] { try copyFolder("\(state)/\(name)", to: "\(folder)/\(name)", &summary) }
        var writer = JSONWriter(indent: 2)
        writer.value([
            "sheaf": .number(1), "taken_at": .string(now.utc), "files": .number(Double(summary.files)),
        ])
        writer.newline()
        try PrivateFile.write(String(decoding: writer.bytes, as: UTF8.self), to: manifest)
        return summary
    }

    /// Makes a state folder from a copy. Every object is compared with its digest.
    ///
    /// - Returns: what was copied, and the objects that the copy has damaged: they count as absent.
    /// - Throws: as `make`; a state folder that exists and holds something is refused.
    package static func restore(
        _ folder: String, to state: String, at now: Instant
    ) throws -> (summary: Summary, damaged: [Digest]) {
        guard access("\(folder)/\(manifestName)", F_OK) == 0 else {
            throw CoordinatorError.invalid(
                "\(folder) is no whole backup: it has no \(manifestName); make it again with sheaf backup")
        }
        guard try names(in: state)?.isEmpty ?? true else {
            throw CoordinatorError.invalid("\(state) is not empty; name a folder that does not exist yet")
        }
        try PrivateFile.makeFolder(state)
        var summary = Summary()
        for name in [SQLiteStore.fileName, "authority.pem", "coordinator.pem"] {
            try copyFile("\(folder)/\(name)", to: "\(state)/\(name)", isChanging: true, &summary)
        }
        for name in ["objects", "logs"] { try copyFolder("\(folder)/\(name)", to: "\(state)/\(name)", &summary) }
        let audit = try ObjectStore(at: "\(state)/objects").verifyAll()
        let store = try SQLiteStore(folder: state)
        let next = try store.nextRun().number + runNumbersLeftOut
        try store.commit([
            .runNumbersLeftOut(below: RunID(next)),
            .audited(AuditRecord(at: now, who: "operator", action: "restore", subject: "the state from \(folder)")),
        ])
        return (summary, audit.damaged)
    }

    // MARK: Files

    /// The names in a folder; `nil` where there is none.
    private static func names(in path: String) throws(ArtifactError) -> [String]? {
        guard access(path, F_OK) == 0 else { return nil }
        return try Folder(at: path).names().map { String(decoding: $0, as: UTF8.self) }
    }

    /// Copies files and folders; links and the like are none of ours and are left out.
    private static func copyFolder(_ from: String, to: String, _ summary: inout Summary) throws {
        guard let names = try names(in: from) else { return }
        try PrivateFile.makeFolder(to)
        for name in names {
            var facts = stat()
            // What is gone by now was a temporary file, or was dropped.
            guard lstat("\(from)/\(name)", &facts) == 0 else { continue }
            switch facts.st_mode & S_IFMT {
            case S_IFDIR:
                if name != "temp" { try copyFolder("\(from)/\(name)", to: "\(to)/\(name)", &summary) }
            case S_IFREG:
                if name != "in-use" {
                    try copyFile("\(from)/\(name)", to: "\(to)/\(name)", isChanging: false, &summary)
                }
            default: continue
            }
        }
    }

    /// - Parameter isChanging: false for files that only ever appear or grow: one of the same size is the same.
    private static func copyFile(
        _ from: String, to: String, isChanging: Bool, _ summary: inout Summary
    ) throws(CoordinatorError) {
        let source = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard source >= 0 else {
            if errno == ENOENT && !isChanging { return }
            throw .system("read \(from)", errno)
        }
        defer { close(source) }
        var facts = stat()
        guard fstat(source, &facts) == 0 else { throw .system("read \(from)", errno) }
        summary.files += 1
        var there = stat()
        if !isChanging, lstat(to, &there) == 0, there.st_size == facts.st_size { return }
        let beside = to + ".part"
        let target = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw .system("write \(to)", errno) }
        defer { close(target) }
        var copied = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .system("read \(from)", errno) }
            if count == 0 { break }
            var sent = 0
            while sent < count {
                let more = buffer[sent..<count].withUnsafeBytes { write(target, $0.baseAddress, $0.count) }
                guard more > 0 || errno == EINTR else { throw .system("write \(to)", errno) }
                sent += max(0, more)
            }
            copied += count
        }
        guard fsync(target) == 0, rename(beside, to) == 0 else { throw .system("write \(to)", errno) }
        summary.copied += 1
        summary.copiedBytes += copied
    }
}
