import Glibc
import Model
import Wire

@testable import Artifacts

enum ArchiveFuzz {
    private static let contentBytesMax = 64 << 10

    /// A manifest as a stranger sent it is canonical or refused; one with any files at all stays in its folder.
    static func unpack(_ bytes: [UInt8]) throws(FuzzFinding) {
        if let manifest = try? Manifest(decoding: bytes) {
            try promise(manifest.encoded() == bytes, "two encodings of one tree")
            try unpack(manifest.files)
        }
        // The same entries with chunks that fit: what no fuzzer finds by itself.
        guard let message = try? Proto.Manifest(decoding: bytes) else { return }
        var files: [Manifest.File] = []
        for entry in message.files {
            guard let path = try? TreePath(entry.path) else { continue }
            let content: Manifest.Content =
                entry.link.isEmpty
                ? .bytes(count: Int(entry.size % 1024), executable: entry.executable) : .link(to: entry.link)
            files.append(Manifest.File(path: path, content: content))
        }
        files.sort { $0.path < $1.path }
        try unpack(files)
    }

    private static func unpack(_ files: [Manifest.File]) throws(FuzzFinding) {
        let total = files.reduce(0) { $0 + min($1.sizeBytes, contentBytesMax + 1) }
        guard files.count <= 64, total <= contentBytesMax else { return }
        let content = VerifiedObject(naming: [UInt8](repeating: 0x61, count: total))
        guard let manifest = try? Manifest(files: files, chunks: total == 0 ? [] : [content.object]) else { return }
        guard let decoded = try? Manifest(decoding: manifest.encoded()) else {
            throw FuzzFinding("a manifest that was written cannot be read")
        }
        try promise(decoded == manifest, "a manifest that was written is another one")

        let scratch = try ScratchFolder()
        defer { scratch.remove() }
        guard let folder = try? Folder(at: scratch.path + "/tree") else { throw FuzzFinding("no folder can be opened") }
        let isWhole = (try? manifest.unpack(into: folder) { _ in content }) != nil
        try promise(scratch.isIntact, "something was written outside of the folder")
        guard isWhole else {
            try promise(scratch.treeIsEmpty, "what was unpacked in part was left behind")
            return
        }
        guard let scan = try? TreeScan(of: folder, .everything(except: [])) else { return }
        try promise(scan.count == files.count, "\(files.count) files became \(scan.count)")
    }

    /// The first bytes say how long the object claims to be; the rest is what travels.
    static func object(_ bytes: [UInt8]) throws(FuzzFinding) {
        guard bytes.count >= 3 else { return }
        let size = Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2] & 0x03) << 16
        let content = Array(bytes.dropFirst(3))
        let plain = Zstd.decompressed(content, sizeBytes: size)
        if let plain { try promise(plain.count == size, "\(plain.count) bytes instead of \(size)") }
        _ = Zstd.statedSize(of: content)

        // In pieces it is the same bytes, and never more than were asked for.
        var stream = ZstdStream()
        var whole: [UInt8] = []
        var isGood = true
        var start = 0
        while start < content.count && isGood {
            let piece = Array(content[start..<min(content.count, start + 1 + Int(bytes[0] % 61))])
            start += piece.count
            isGood = stream.advance(piece.span) { made in
                for index in made.indices { whole.append(made[index]) }
                return whole.count <= size
            }
        }
        if let plain {
            try promise(isGood && stream.isComplete && whole == plain, "in pieces it is something else")
        }
        let encoded = EncodedObject(packing: VerifiedObject(naming: content))
        guard let checked = try? VerifiedObject(checking: encoded) else {
            throw FuzzFinding("what was packed is refused")
        }
        try promise(checked.bytes == content, "what was packed is something else")
    }
}

/// A folder in memory with a `tree` inside; what stands beside it must stay as it is.
private struct ScratchFolder {
    let path: String

    init() throws(FuzzFinding) {
        var template = Array("/dev/shm/sheaf-fuzz-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FuzzFinding("no folder can be made in /dev/shm") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        mkdir(path + "/tree", 0o700)
    }

    private func names(_ folder: String) -> [String] {
        guard let open = opendir(folder) else { return [] }
        defer { closedir(open) }
        var names: [String] = []
        while let entry = readdir(open) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    var isIntact: Bool { names(path) == ["tree"] }
    var treeIsEmpty: Bool { names(path + "/tree").isEmpty }

    func remove() { Self.remove(path) }

    private static func remove(_ path: String) {
        guard unlink(path) != 0 else { return }
        for name in ScratchFolder(existing: path).names(path) { remove(path + "/" + name) }
        rmdir(path)
    }

    private init(existing path: String) { self.path = path }
}
