import CLinux
import Glibc

/// What the files below a folder take of its disk.
struct TreeSize: Equatable, Sendable {
    var bytes: Int64 = 0
    /// There are more entries than were to be looked at, or deeper ones than can be.
    var isPartial = false
    /// Folders are nested deeper than they can be looked at.
    var isTooDeep = false

    /// Beyond this a descriptor for each level would be too many.
    static let depthMax = 100

    /// A file with several names, which counts once.
    private struct File: Hashable { var device, inode: UInt64 }

    private var entriesLeft: Int
    private var seen: Set<File> = []
    private var device: UInt64 = 0

    static func == (a: Self, b: Self) -> Bool { a.bytes == b.bytes && a.isPartial == b.isPartial }

    /// Counts. Whoever owns the files may change them meanwhile, and leads nobody elsewhere: links are not followed, nor is
    /// what is mounted there counted.
    ///
    /// - Parameter entriesMax: so many are looked at.
    init(of path: String, entriesMax: Int = .max) {
        entriesLeft = entriesMax
        let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard folder >= 0 else { return }
        defer { close(folder) }
        var facts = stat()
        guard unsafe fstat(folder, &facts) == 0 else { return }
        device = UInt64(facts.st_dev)
        count(folder, depth: 0)
    }

    /// Adds files on the same disk that have no name any more, and that these processes have open: until they close them, or end, they
    /// take what they took.
    mutating func addUnlinked(openIn pids: [pid_t]) {
        for pid in pids {
            for descriptor in Files.names(in: "/proc/\(pid)/fd") {
                var file = clinux_unlinked()
                guard unsafe clinux_find_unlinked("/proc/\(pid)/fd/\(descriptor)", &file) == 1, file.device == device,
                    seen.insert(File(device: device, inode: file.inode)).inserted
                else { continue }
                bytes = bytes.addingReportingOverflow(file.bytes).partialValue
            }
        }
    }

    private mutating func count(_ folder: CInt, depth: Int) {
        guard depth < Self.depthMax else {
            (isPartial, isTooDeep) = (true, true)
            return
        }
        for name in Files.rawNames(in: folder) {
            guard entriesLeft > 0 else {
                isPartial = true
                return
            }
            entriesLeft -= 1
            var facts = stat()
            guard unsafe fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0, UInt64(facts.st_dev) == device else {
                continue
            }
            let isFolder = facts.st_mode & S_IFMT == S_IFDIR
            if !isFolder, facts.st_nlink > 1 {
                guard seen.insert(File(device: device, inode: UInt64(facts.st_ino))).inserted else { continue }
            }
            bytes = bytes.addingReportingOverflow(Int64(clamping: facts.st_blocks) &* 512).partialValue
            guard isFolder else { continue }
            let inner = unsafe openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            guard inner >= 0 else { continue }
            count(inner, depth: depth + 1)
            close(inner)
        }
    }
}
