import Artifacts
import Model
import Testing
import Wire

private func file(_ path: String, _ size: Int = 0, executable: Bool = false) throws -> Manifest.File {
    Manifest.File(path: try TreePath(path), content: .bytes(count: size, executable: executable))
}

private func link(_ path: String, _ target: String) throws -> Manifest.File {
    Manifest.File(path: try TreePath(path), content: .link(to: target))
}

/// Protobuf by hand, so that what no manifest can say can be said.
private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
private func field(_ number: UInt8, _ value: UInt8) -> [UInt8] { [number << 3, value] }
private func entry(_ path: String, size: UInt8 = 0) -> [UInt8] {
    field(1, field(1, Array(path.utf8)) + (size > 0 ? field(2, size) : []))
}

@Suite struct `A manifest` {
    static let chunk = ObjectRef(naming: [1, 2, 3])

    @Test func `reads what it writes`() throws {
        let manifest = try Manifest(
            files: [file("a", 2), file("b/c", 1, executable: true), link("b/d", "../a"), file("e")],
            chunks: [Self.chunk])
        let bytes = manifest.encoded()
        #expect(try Manifest(decoding: bytes) == manifest)
        #expect(try Manifest(decoding: bytes).encoded() == bytes)
        // The encoding is a name: this digest changes only by a decision.
        #expect(Digest(hashing: bytes).short == "06a905a5e05d")
    }

    /// The canonical reader and the generated messages are two programs for one format.
    @Test func `is what the protocol says`() throws {
        var random = SplitMix64(seed: 3)
        var files: [Manifest.File] = []
        var message = Proto.Manifest()
        var total = 0
        for number in 100..<400 {
            var entry = Proto.FileEntry()
            entry.path = "d\(number / 10)/f\(number)é"
            if number % 7 == 0 {
                entry.link = "../d10/x"
                files.append(try link(entry.path, entry.link))
            } else {
                entry.size = [0, 1, 127, 128, 70_000].randomElement(using: &random) ?? 0
                entry.executable = Bool.random(using: &random)
                total += Int(entry.size)
                files.append(try file(entry.path, Int(entry.size), executable: entry.executable))
            }
            message.files.append(entry)
        }
        var chunks: [Artifacts.ObjectRef] = []
        while total > 0 {
            let size = min(total, 3 << 20)
            total -= size
            chunks.append(ObjectRef(digest: Digest(hashing: [UInt8(chunks.count)]), sizeBytes: size))
        }
        message.chunks = chunks.map(\.message)
        #expect(chunks == message.chunks.compactMap { ObjectRef($0) })
        let bytes = try Manifest(files: files, chunks: chunks).encoded()
        #expect(bytes == message.encoded())
        #expect(try Proto.Manifest(decoding: bytes) == message)
    }

    @Test func `breaks no rule`() throws {
        let long = String(repeating: "x", count: 255)
        let files: [(String, () throws -> [Manifest.File])] = [
            ("a path twice", { [try file("a"), try file("a")] }),
            ("out of order", { [try file("b"), try file("a")] }),
            ("a file as a folder", { [try file("a"), try file("a/b")] }),
            ("a file as a folder, with neighbours", { [try file("a"), try file("a-b"), try file("a/b/c")] }),
            ("a link as a folder", { [try link("a", "x"), try file("a/b")] }),
            ("an absolute link", { [try link("a", "/x")] }),
            ("a link to above", { [try link("a", "../x")] }),
            ("a link to above, deeper", { [try link("d/e/a", "../../../x")] }),
            ("a link through a name and back", { [try link("d/a", "x/../../y")] }),
            ("an empty link", { [try link("a", "")] }),
            ("a link with a zero byte", { [try link("a", "x\0y")] }),
            ("more bytes than chunks", { [try file("a", 4)] }),
            ("fewer bytes than chunks", { [try file("a", 2)] }),
            ("a negative size", { [try file("a", -3)] }),
            ("sizes that overflow", { [try file("a", .max), try file("b", .max)] }),
        ]
        for (name, make) in files {
            let error = artifactError { _ = try Manifest(files: make(), chunks: [Self.chunk]) }
            guard case .badManifest = error else {
                Issue.record("\(name): \(String(describing: error))")
                continue
            }
        }
        for path in [
            "", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\0b", long + "x",
            String(repeating: "abcdefg/", count: 600) + "x", String(repeating: "d/", count: 200) + "x",
        ] {
            #expect(artifactError { _ = try TreePath(path) } != nil, "\(path.prefix(20))")
        }
        for path in ["a", long, "a b", "...", "..a", "a..", #"back\slash"#, "-rf", "a\nb", "CON", "日本"] {
            #expect(artifactError { _ = try TreePath(path) } == nil, "\(path.prefix(20))")
        }
    }

    @Test func `takes links that stay inside`() throws {
        for (path, target) in [
            ("a", "b"), ("a", "./b/c"), ("d/a", "../b"), ("d/e/a", "../../x/y"), ("d/a", ".."), ("a", "."),
        ] {
            #expect(
                artifactError { _ = try Manifest(files: [link(path, target)], chunks: []) } == nil,
                "\(path) → \(target)")
        }
    }

    @Test func `has chunks of one byte to four mebibytes`() throws {
        for size in [0, -1, (4 << 20) + 1] {
            let chunk = ObjectRef(digest: Self.chunk.digest, sizeBytes: size)
            let error = artifactError { _ = try Manifest(files: [file("a", max(0, size))], chunks: [chunk]) }
            #expect(error == .badManifest(problem: "a chunk has \(size) bytes"))
        }
    }

    @Test func `has one encoding only`() throws {
        let reference = field(2, field(1, Self.chunk.digest.bytes) + field(2, 3))
        #expect(try Manifest(decoding: entry("a", size: 3) + reference).contentBytes == 3)
        let rows: [(String, [UInt8])] = [
            ("a chunk before the files", reference + entry("a", size: 3)),
            ("an unknown field", entry("a", size: 3) + reference + field(3, 1)),
            ("an unknown field in a file", field(1, field(1, [97]) + field(2, 3) + field(7, 1)) + reference),
            ("fields out of order", field(1, field(2, 3) + field(1, [97])) + reference),
            ("a zero that is written", field(1, field(1, [97]) + field(2, 0))),
            ("executable twice over", field(1, field(1, [97]) + field(3, 2))),
            ("an empty entry", [1 << 3 | 2, 0]),
            ("an entry without a path", field(1, field(2, 3)) + reference),
            ("a long varint", [1 << 3 | 2, 0x83, 0x00, 1 << 3 | 2, 1, 97]),
            ("a varint without end", [1 << 3 | 2] + [UInt8](repeating: 0xFF, count: 11)),
            ("a length beyond the end", [1 << 3 | 2, 100, 97]),
            ("a length of 2^63", [1 << 3 | 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
            ("a short digest", entry("a", size: 3) + field(2, field(1, [1, 2]) + field(2, 3))),
            ("a link with a size", field(1, field(1, [97]) + field(2, 3) + field(4, [98])) + reference),
            ("an executable link", field(1, field(1, [97]) + field(3, 1) + field(4, [98]))),
            ("a path that is not UTF-8", field(1, field(1, [0xFF]))),
            ("a link that is not UTF-8", field(1, field(1, [97]) + field(4, [0xFF]))),
            ("a path that leads out", entry("../a")),
            ("a group", [1 << 3 | 3, 1 << 3 | 4]),
        ]
        for (name, bytes) in rows {
            guard case .badManifest = artifactError({ _ = try Manifest(decoding: bytes) }) else {
                Issue.record("\(name) was taken")
                continue
            }
        }
    }

    @Test func `survives broken bytes`() throws {
        let good = try Manifest(
            files: [file("a", 2), file("b/c", 1, executable: true), link("b/d", "../a")], chunks: [Self.chunk]
        ).encoded()
        var random = SplitMix64(seed: 11)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                }
            }
            // Either refused, or a manifest whose only encoding this is.
            if let manifest = try? Manifest(decoding: bytes) { #expect(manifest.encoded() == bytes) }
        }
    }
}
