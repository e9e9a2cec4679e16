import Artifacts
import Glibc
import Model

/// Whole files, read within a limit.
enum Files {
    /// - Throws: `CommandFailure` with exit code 2: a file that the user named and that cannot be read.
    static func read(_ path: String, bytesMax: Int = 256 << 20) throws -> [UInt8] {
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= bytesMax else {
                throw CommandFailure("larger than \(ByteCount(Int64(bytesMax)))", in: path, exitCode: .usage)
            }
        }
    }

    /// Writes a file anew, beside the old one until all of it is there. A link is followed; what is no regular file (a device, a
    /// pipe) is written into, as `>` would.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let whole = realpath(path, nil)
        defer { free(whole) }
        let target = whole.map { String(cString: $0) } ?? path
        var facts = stat()
        // `/dev/stdout` leads to a file that somebody else has opened, to write at its end maybe.
        let isOpened = ["/dev/std", "/dev/fd/", "/proc/"].contains { path.hasPrefix($0) }
        if stat(target, &facts) == 0, facts.st_mode & S_IFMT != S_IFREG || isOpened {
            let descriptor = open(isOpened ? path : target, O_WRONLY | O_CLOEXEC | (isOpened ? O_APPEND : 0))
            guard descriptor >= 0 else { throw failure(path) }
            defer { close(descriptor) }
            return try write(bytes, to: descriptor, path)
        }
        let beside = target + ".part"
        // One that an earlier command left behind, and nothing that stands in its place for another reason.
        unlink(beside)
        let descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure(path) }
        do {
            do {
                try write(bytes, to: descriptor, path)
            } catch {
                close(descriptor)
                throw error
            }
            // Some file systems say only now that there is no room.
            guard close(descriptor) == 0 else { throw failure(path) }
            guard rename(beside, target) == 0 else { throw failure(path) }
        } catch {
            unlink(beside)
            throw error
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: CInt, _ path: String) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 || errno == EINTR else { throw failure(path) }
            sent += max(0, count)
        }
    }

    static func folder(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    /// The digest of a file below a folder; `nil` where there is none that can be read.
    static func digest(of path: String, in folder: String) -> Digest? {
        bytes(of: path, in: folder, most: 256 << 20).map { Digest(hashing: $0) }
    }

    /// A file below a folder; `nil` where there is none that can be read, or it has more bytes than `most`.
    static func bytes(of path: String, in folder: String, most: Int = 1 << 20) -> [UInt8]? {
        guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else { return nil }
        return try? read(folder + "/" + path, bytesMax: most)
    }

    /// The folder whose files travel with a run: the top of the repository around the folder, or the folder itself.
    static func top(around folder: String) -> String {
        var candidate = folder
        // As deep as a path can be.
        for _ in 0..<2048 {
            if access(candidate + "/.git", F_OK) == 0 { return candidate }
            guard let whole = realpath(candidate, nil) else { break }
            defer { free(whole) }
            let path = String(cString: whole)
            if path == "/" { break }
            candidate = Self.folder(of: path)
        }
        return folder
    }

    private static func failure(_ path: String) -> CommandFailure {
        let help = errno == ENOENT ? "look at the path; it is taken from the current folder" : nil
        return CommandFailure(String(cString: strerror(errno)), in: path, help: help, exitCode: .usage)
    }
}
