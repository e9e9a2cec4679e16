import Artifacts
import Glibc
import Transport

/// Copies the files of a coordinator's state. A loss of power leaves each of them whole or absent, and what `synced` was
/// called for is there.
struct StateCopy {
    /// What is about to be done to the disk.
    enum Step: Equatable, Sendable {
        case write(String)
        case rename(String)
        /// The names in a folder become durable.
        case sync(String)
        case remove(String)
    }

    /// Hears of each step before it is made. What it throws counts as the disk's fault: for tests.
    let watch: (Step) throws -> Void
    private(set) var summary = Backup.Summary()

    init(_ watch: @escaping (Step) throws -> Void) { self.watch = watch }

    // MARK: Folders

    /// The names in a folder; `nil` where there is none.
    static func names(in path: String) throws(ArtifactError) -> [String]? {
        guard access(path, F_OK) == 0 else { return nil }
        return try Folder(at: path).names().map { String(decoding: $0, as: UTF8.self) }
    }

    /// Makes a folder, and what is missing above it, durably.
    func makeFolder(_ path: String) throws {
        var made: [String] = []
        var above = path
        while access(above, F_OK) != 0, made.last != above {
            made.append(above)
            above = Self.parent(of: above)
        }
        try PrivateFile.makeFolder(path)
        for folder in made.reversed() { try sync(Self.parent(of: folder)) }
    }

    /// By its name alone.
    static func parent(of path: String) -> String {
        let parts = path.split(separator: "/").dropLast().joined(separator: "/")
        if path.hasPrefix("/") { return "/" + parts }
        return parts.isEmpty ? "." : parts
    }

    func sync(_ folder: String) throws {
        try watch(.sync(folder))
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CoordinatorError.system("open the folder \(folder)", errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CoordinatorError.system("sync the folder \(folder)", errno) }
    }

    /// Copies files and folders; links and the like are none of ours and are left out.
    ///
    /// Folders are synced although nothing in them is new: a copy that was interrupted may have left names that are not
    /// durable.
    mutating func copyFolder(_ from: String, to: String) throws {
        guard let names = try Self.names(in: from) else { return }
        try makeFolder(to)
        for name in names {
            var facts = stat()
            // What is gone by now was a temporary file.
            guard lstat("\(from)/\(name)", &facts) == 0 else { continue }
            switch facts.st_mode & S_IFMT {
            case S_IFDIR where name != "temp": try copyFolder("\(from)/\(name)", to: "\(to)/\(name)")
            case S_IFREG where name != "in-use" && !name.hasSuffix(Self.draftSuffix):
                try copyFile("\(from)/\(name)", to: "\(to)/\(name)", isChanging: false)
            default: continue
            }
        }
        try sync(to)
    }

    // MARK: Files

    private static let draftSuffix = ".part"

    /// Whether two files hold the same; false when one of them is not there.
    static func isSame(_ path: String, as other: String) -> Bool {
        // Keys: a few thousand bytes. What cannot be read is not the same.
        guard let one = try? PrivateFile.read(path, keptPrivate: false),
            let two = try? PrivateFile.read(other, keptPrivate: false)
        else { return false }
        return one == two
    }

    func remove(_ path: String) throws {
        try watch(.remove(path))
        guard unlink(path) == 0 || errno == ENOENT else { throw CoordinatorError.system("remove \(path)", errno) }
    }

    /// Gives a file that was synced its name. The folder is the caller's to sync.
    func rename(_ from: String, to: String) throws {
        try watch(.rename(to))
        guard Glibc.rename(from, to) == 0 else { throw CoordinatorError.system("write \(to)", errno) }
    }

    /// - Parameter isChanging: false for files that only ever appear or grow: one of the same size is the same.
    mutating func copyFile(_ from: String, to: String, isChanging: Bool) throws {
        let source = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard source >= 0 else {
            if errno == ENOENT && !isChanging { return }
            throw CoordinatorError.system("read \(from)", errno)
        }
        defer { close(source) }
        var facts = stat()
        guard fstat(source, &facts) == 0 else { throw CoordinatorError.system("read \(from)", errno) }
        summary.files += 1
        var there = stat()
        if !isChanging, lstat(to, &there) == 0, there.st_size == facts.st_size { return }
        let draft = to + Self.draftSuffix
        try watch(.write(draft))
        let target = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw CoordinatorError.system("write \(to)", errno) }
        defer { close(target) }
        let copied = try Self.copyBytes(from: source, named: from, to: target, named: to)
        guard fsync(target) == 0 else { throw CoordinatorError.system("sync \(to)", errno) }
        try rename(draft, to: to)
        summary.copied += 1
        summary.copiedBytes += copied
    }

    /// Writes a file anew that was there already.
    mutating func mend(_ path: String, from: String) throws {
        let files = summary.files
        try copyFile(from, to: path, isChanging: true)
        summary.files = files
        summary.mended += 1
    }

    private static func copyBytes(
        from source: CInt, named from: String, to target: CInt, named to: String
    ) throws(CoordinatorError) -> Int {
        var copied = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .system("read \(from)", errno) }
            if count == 0 { return copied }
            var sent = 0
            while sent < count {
                let more = buffer[sent..<count].withUnsafeBytes { write(target, $0.baseAddress, $0.count) }
                guard more > 0 || errno == EINTR else { throw .system("write \(to)", errno) }
                sent += max(0, more)
            }
            copied += count
        }
    }
}
