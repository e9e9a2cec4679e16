import Glibc

/// Files that hold secrets: of mode 0600, written whole or not at all, in folders of mode 0700.
package enum PrivateFile {
    /// Ours have a few thousand bytes.
    static let bytesMax = 64 << 10

    /// - Parameter keptPrivate: a file that others may read or write is refused.
    package static func read(_ path: String, keptPrivate: Bool) throws(CertificateError) -> String {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { throw .file(path: path, SystemError(errno, during: "open").explanation) }
        let file = Descriptor(adopting: raw)
        var facts = stat()
        guard unsafe fstat(file.raw, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw .file(path: path, "it is not a regular file")
        }
        guard !keptPrivate || facts.st_mode & 0o077 == 0 else {
            throw .file(path: path, "others may read or write this private file; run: chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(file.raw, buffer.baseAddress.map { unsafe $0 + filled }, buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .file(path: path, SystemError(errno, during: "read").explanation) }
            if count == 0 { break }
            filled += count
        }
        guard filled <= bytesMax else { throw .file(path: path, "it is longer than \(bytesMax) bytes") }
        guard let text = String(validating: bytes[..<filled], as: UTF8.self) else {
            throw .file(path: path, "it is not UTF-8 text")
        }
        return text
    }

    /// Writes beside the file, syncs, and renames: after a crash the old or the new one is there.
    package static func write(_ text: String, to path: String) throws(CertificateError) {
        func failure(_ operation: String) -> CertificateError {
            .file(path: path, SystemError(errno, during: operation).description)
        }
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        if !folder.isEmpty { try makeFolder(folder) }
        let draft = "\(path).\(String(hex: secureRandomBytes(6))).new"
        let raw = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw failure("make") }
        var renamed = false
        defer { if !renamed { unsafe unlink(draft) } }
        let file = Descriptor(adopting: raw)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file.raw, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write") }
            rest = rest.dropFirst(count)
        }
        guard fchmod(file.raw, 0o600) == 0 else { throw failure("protect") }
        guard fsync(file.raw) == 0 else { throw failure("sync") }
        guard unsafe rename(draft, path) == 0 else { throw failure("rename") }
        renamed = true
        let parent = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw failure("open the folder") }
        let directory = Descriptor(adopting: parent)
        guard fsync(directory.raw) == 0 else { throw failure("sync the folder") }
    }

    /// Makes a folder for keys and state, as `makeFolder` does. Git never takes its files for a part of the code around it,
    /// which would send the keys to everybody who runs that code.
    package static func makeStateFolder(_ path: String) throws(CertificateError) {
        try makeFolder(path)
        let mark = path + "/.gitignore"
        let raw = unsafe open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard raw >= 0 else {
            guard errno == EEXIST else { throw .file(path: mark, SystemError(errno, during: "make").description) }
            return
        }
        let file = Descriptor(adopting: raw)
        let text = Array("*\n".utf8)
        let count = unsafe text.withUnsafeBytes { unsafe Glibc.write(file.raw, $0.baseAddress, $0.count) }
        guard count == text.count else {
            let error = SystemError(errno, during: "write")
            unsafe unlink(mark)
            throw .file(path: mark, error.description)
        }
    }

    /// Makes the folder, closed to others, and what is missing above it, which others may pass: an agent's folder for
    /// attempts may stand beside its identity. Folders that exist stay as they are.
    package static func makeFolder(_ path: String) throws(CertificateError) {
        var made = path.hasPrefix("/") ? "/" : ""
        let parts = path.split(separator: "/")
        for (index, part) in parts.enumerated() {
            made += made.isEmpty || made.hasSuffix("/") ? part : "/" + part
            guard unsafe mkdir(made, index == parts.count - 1 ? 0o700 : 0o755) != 0, errno != EEXIST else { continue }
            throw .file(path: path, SystemError(errno, during: "make the folder \(made)").description)
        }
    }
}
