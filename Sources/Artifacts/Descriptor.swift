import CLinux
import Glibc

/// An open file descriptor, closed exactly once, when its owner lets go.
struct Descriptor: ~Copyable, Sendable {
    let raw: CInt

    init(adopting raw: CInt) { self.raw = raw }
    deinit { _ = Glibc.close(raw) }
}

/// What the kernel says by numbers.
enum SystemCode {
    static func text(_ code: Int32) -> String {
        unsafe String(cString: strerror(code))
    }

    /// The error for a call that has just failed; a full disk or quota is told apart, whatever the call was.
    static func fault(_ doing: @autoclosure () -> String, code: Int32 = errno) -> ArtifactError {
        code == ENOSPC || code == EDQUOT ? .diskFull(doing: doing()) : .system(code: code, doing: doing())
    }

    /// Calls until a signal does not interrupt.
    static func uninterrupted(_ call: () -> Int) -> Int {
        while true {
            let answer = call()
            if answer >= 0 || errno != EINTR { return answer }
        }
    }
}

/// What a file is, as far as packing cares, from one look at its inode.
struct FileFacts: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case regular, directory, link
        case special(String)
    }

    var kind: Kind
    var device: UInt64
    var inode: UInt64
    var sizeBytes: Int
    var modifiedNanoseconds: Int64
    var changedNanoseconds: Int64
    var executable: Bool

    init(_ raw: stat) {
        kind =
            switch raw.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .link
            case S_IFIFO: .special("FIFO")
            case S_IFSOCK: .special("socket")
            case S_IFCHR: .special("character device")
            case S_IFBLK: .special("block device")
            default: .special("file of an unknown kind")
            }
        device = UInt64(raw.st_dev)
        inode = UInt64(raw.st_ino)
        sizeBytes = Int(raw.st_size)
        modifiedNanoseconds = Int64(raw.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_mtim.tv_nsec)
        changedNanoseconds = Int64(raw.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_ctim.tv_nsec)
        executable = raw.st_mode & S_IXUSR != 0
    }

    /// True when nobody wrote or replaced the file between the two looks.
    func describesSameContent(as other: Self) -> Bool {
        kind == other.kind && device == other.device && inode == other.inode && sizeBytes == other.sizeBytes
            && modifiedNanoseconds == other.modifiedNanoseconds
    }
}

extension Descriptor {
    /// - Parameter directory: a directory's descriptor, or `AT_FDCWD`.
    /// - Returns: `nil` when the call failed; `errno` says why.
    static func open(_ name: String, at directory: CInt, flags: CInt, mode: mode_t = 0) -> Descriptor? {
        let raw = SystemCode.uninterrupted { Int(unsafe Glibc.openat(directory, name, flags | O_CLOEXEC, mode)) }
        return raw < 0 ? nil : Descriptor(adopting: CInt(raw))
    }

    borrowing func facts(_ path: @autoclosure () -> String) throws(ArtifactError) -> FileFacts {
        var raw = stat()
        guard unsafe fstat(self.raw, &raw) == 0 else { throw SystemCode.fault("looking at \(path())") }
        return FileFacts(raw)
    }

    /// Reads into a part of the buffer, until that is full or the file ends.
    borrowing func read(
        into buffer: inout [UInt8], from start: Int, count: Int, _ path: @autoclosure () -> String
    ) throws(ArtifactError) -> Int {
        precondition(start >= 0 && count >= 0 && start + count <= buffer.count, "the buffer is too short")
        var filled = 0
        while filled < count {
            let got = unsafe buffer.withUnsafeMutableBytes { target in
                SystemCode.uninterrupted {
                    unsafe Glibc.read(raw, target.baseAddress?.advanced(by: start + filled), count - filled)
                }
            }
            guard got >= 0 else { throw SystemCode.fault("reading \(path())") }
            if got == 0 { break }
            filled += got
        }
        return filled
    }

    /// Writes all the bytes.
    borrowing func write(_ bytes: Span<UInt8>, _ path: @autoclosure () -> String) throws(ArtifactError) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { source in
                SystemCode.uninterrupted {
                    unsafe Glibc.write(raw, source.baseAddress?.advanced(by: written), source.count - written)
                }
            }
            guard count >= 0 else { throw SystemCode.fault("writing \(path())") }
            written += count
        }
    }

    /// Comes back when the file's bytes survive a loss of power.
    borrowing func sync(_ path: @autoclosure () -> String) throws(ArtifactError) {
        guard SystemCode.uninterrupted({ Int(fsync(raw)) }) == 0 else { throw SystemCode.fault("syncing \(path())") }
    }

    /// Asks the kernel to begin writing dirty pages. Only a hint: its failure shows in `sync`.
    borrowing func startWriteback() { _ = clinux_start_writeback(raw) }
}

extension Span<UInt8> {
    func copied() -> [UInt8] { unsafe withUnsafeBufferPointer { unsafe Array($0) } }
}
