import CLinux
import Glibc
import Model

/// Small files and folders by path, for what belongs to the agent itself. What strangers may have made is reached
/// through `Artifacts.Folder` or `removeTree`, which follow no links.
enum Files {
    enum Kind: Equatable { case file, folder, link, other }

    struct Facts: Equatable {
        var kind: Kind
        var sizeBytes: Int
        var modified: Instant
        var mode: mode_t
        var user: uid_t
        var group: gid_t
        var device: UInt64
        var inode: UInt64
    }

    /// What stands at a path; `nil` when nothing does, or it cannot be seen.
    static func facts(_ path: String, followingLinks: Bool = true) -> Facts? {
        var raw = stat()
        let answer = unsafe followingLinks ? stat(path, &raw) : lstat(path, &raw)
        guard answer == 0 else { return nil }
        let kind: Kind =
            switch raw.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .link
            default: .other
            }
        let modified = Int64(raw.st_mtim.tv_sec) * 1_000_000_000 + Int64(raw.st_mtim.tv_nsec)
        return Facts(
            kind: kind, sizeBytes: Int(raw.st_size), modified: Instant(nanoseconds: modified),
            mode: raw.st_mode & 0o7777,
            user: raw.st_uid, group: raw.st_gid, device: UInt64(raw.st_dev), inode: UInt64(raw.st_ino))
    }

    static func exists(_ path: String) -> Bool { facts(path, followingLinks: false) != nil }
    static func isFolder(_ path: String) -> Bool { facts(path)?.kind == .folder }

    /// A regular file's bytes; anything else (a FIFO would wait for ever) is refused.
    static func read(_ path: String, bytesMax: Int, followingLinks: Bool = true) throws(AgentError) -> [UInt8] {
        let raw = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followingLinks ? 0 : O_NOFOLLOW))
        guard raw >= 0 else { throw .failed("read \(path)") }
        defer { close(raw) }
        var facts = stat()
        guard unsafe fstat(raw, &facts) == 0 else { throw .failed("read \(path)") }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw .user("\(path) is no regular file") }
        return try readAll(raw, bytesMax: bytesMax, naming: path)
    }

    /// Reads a descriptor to its end.
    static func readAll(_ raw: CInt, bytesMax: Int, naming path: String) throws(AgentError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe Glibc.read(raw, &buffer, buffer.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw .failed("read \(path)")
            }
            guard bytes.count + count <= bytesMax else { throw .user("\(path) is larger than \(bytesMax) bytes") }
            bytes += buffer[..<count]
        }
    }

    static func text(_ path: String, bytesMax: Int = 1 << 20) throws(AgentError) -> String {
        String(decoding: try read(path, bytesMax: bytesMax), as: UTF8.self)
    }

    /// A kernel's file with one value or a few, without the white space around it; `nil` where there is none.
    static func value(_ path: String) -> String? {
        let raw = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        defer { close(raw) }
        var bytes: [UInt8] = []
        // Short reads are no end here: the kernel gives whole lines.
        while bytes.count < valueBytesMax {
            let part = unsafe [UInt8](unsafeUninitializedCapacity: 4 << 10) { buffer, count in
                count = unsafe max(0, Glibc.read(raw, buffer.baseAddress, buffer.count))
            }
            if part.isEmpty { break }
            bytes = bytes.isEmpty ? part : bytes + part
        }
        return String(decoding: bytes, as: UTF8.self).trimmed
    }

    private static let valueBytesMax = 1 << 20

    static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(AgentError) {
        let raw = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard raw >= 0 else { throw .failed("write \(path)") }
        defer { close(raw) }
        try writeAll(bytes, to: raw, naming: path)
    }

    static func write(_ text: String, to path: String, mode: mode_t = 0o600) throws(AgentError) {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    /// Writes a file that must not be there yet, and gives it away before anybody can put another in its place.
    static func writeNew(
        _ bytes: [UInt8], to path: String, mode: mode_t, owner: (user: uid_t, group: gid_t)?
    ) throws(AgentError) {
        let raw = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard raw >= 0 else { throw .failed("write \(path)") }
        defer { close(raw) }
        try writeAll(bytes, to: raw, naming: path)
        if let owner, fchown(raw, owner.user, owner.group) != 0 { throw .failed("give \(path) to user \(owner.user)") }
    }

    static func writeAll(_ bytes: [UInt8], to raw: CInt, naming path: String) throws(AgentError) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes { unsafe Glibc.write(raw, $0.baseAddress, $0.count) }
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                throw .failed("write \(path)")
            }
            sent += count
        }
    }

    /// Replaces a file: whoever looks finds the old one or the new one.
    ///
    /// - Parameter durably: so it is after a loss of power too.
    static func replace(
        _ path: String, with bytes: [UInt8], mode: mode_t = 0o600, durably: Bool = true
    ) throws(AgentError) {
        let staging = path + ".new"
        let raw = unsafe Glibc.open(staging, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard raw >= 0 else { throw .failed("write \(staging)") }
        try fillAndClose(raw, bytes, naming: staging, durably: durably)
        guard unsafe rename(staging, path) == 0 else { throw .failed("replace \(path)") }
        // A file system that cannot sync folders keeps renames in order by itself.
        if durably { sync(path.parentPath) }
    }

    private static func fillAndClose(
        _ raw: CInt, _ bytes: [UInt8], naming path: String, durably: Bool
    ) throws(AgentError) {
        defer { close(raw) }
        try writeAll(bytes, to: raw, naming: path)
        guard !durably || fsync(raw) == 0 else { throw .failed("sync \(path)") }
    }

    /// Waits until a file, or the names in a folder, would outlive a loss of power.
    ///
    /// - Returns: whether it is there and does.
    @discardableResult
    static func sync(_ path: String, by sync: (CInt) -> CInt = { fsync($0) }) -> Bool {
        let raw = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard raw >= 0 else { return false }
        defer { close(raw) }
        return sync(raw) == 0
    }

    /// Makes a folder with this mode whatever the umask is; its parents too, traversable. An existing one keeps its own.
    static func makeFolder(_ path: String, mode: mode_t = 0o755) throws(AgentError) {
        if isFolder(path) { return }
        let parent = path.parentPath
        if parent != path, !isFolder(parent) { try makeFolder(parent) }
        guard unsafe mkdir(path, mode) == 0 else {
            if errno == EEXIST, isFolder(path) { return }
            throw .failed("make the folder \(path)")
        }
        guard unsafe chmod(path, mode) == 0 else { throw .failed("set the rights of \(path)") }
    }

    static func setOwner(_ path: String, _ user: uid_t, _ group: gid_t) throws(AgentError) {
        guard unsafe lchown(path, user, group) == 0 else { throw .failed("give \(path) to user \(user)") }
    }

    /// Names in a folder, sorted; none when it cannot be read.
    static func names(in path: String) -> [String] {
        guard let stream = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let bytes = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            let name = String(decoding: bytes, as: UTF8.self)
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The path with every link followed; `nil` when it leads nowhere.
    static func resolved(_ path: String) -> String? {
        guard let raw = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(raw) }
        return unsafe String(cString: raw)
    }

    static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// Bytes that may still be written on the disk that holds a path.
    static func freeBytes(at path: String) -> Int64 {
        var facts = statvfs()
        guard unsafe statvfs(path, &facts) == 0 else { return 0 }
        return Int64(
            clamping: UInt64(facts.f_bavail).multipliedReportingOverflow(by: UInt64(facts.f_frsize)).partialValue)
    }

    static func isExecutable(_ path: String) -> Bool {
        unsafe facts(path)?.kind == .file && access(path, X_OK) == 0
    }
}

extension String {
    /// Without the ASCII white space around it.
    var trimmed: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }), let last = utf8.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(self[first...last])
    }

    /// `/a/b` of `/a/b/c`; `/` of `/`, `.` of `a`.
    var parentPath: String {
        var path = self[...]
        while path.count > 1, path.last == "/" { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// What follows the last `/`.
    var lastPathPart: String { String(split(separator: "/").last ?? "") }

    /// This path, seen from a folder; absolute ones stay as they are.
    func resolved(from folder: String) -> String { hasPrefix("/") ? self : folder + "/" + self }

    /// The path without `.`, `..` and repeated `/`; links are not looked at.
    var standardizedPath: String {
        var parts: [Substring] = []
        for part in split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return (hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }

    /// Whether the path is the folder or lies below it; both absolute and standardized.
    func isInside(_ folder: String) -> Bool { self == folder || hasPrefix(folder == "/" ? "/" : folder + "/") }
}
