import Artifacts
import Foundation
import Model
import Testing

@Suite struct `A packed tree` {
    private func unpack(_ packed: (manifest: Manifest, chunks: [Digest: VerifiedObject]), into folder: Folder) throws {
        try packed.manifest.unpack(into: folder) { object throws(ArtifactError) in
            guard let chunk = packed.chunks[object.digest] else { throw .absent(object.digest) }
            return chunk
        }
    }

    @Test func `comes out as it went in`() throws {
        let scratch = Scratch()
        try scratch.write("in/a.txt", "hello")
        try scratch.write("in/empty", [])
        try scratch.write("in/bin/tool", Array("#!/bin/sh\n".utf8), executable: true)
        try scratch.write("in/deep/er/and/deeper/file", "x")
        try scratch.write("in/ein Straßenfähnchen/日本語 \"quoted\"\nline.txt", "unicode")
        // Two spellings of é are two files.
        try scratch.write("in/caf\u{E9}", "composed")
        try scratch.write("in/cafe\u{301}", "decomposed")
        // In byte order these three do not stand as a folder walk meets them.
        try scratch.write("in/b-c", "1")
        try scratch.write("in/b/c", "2")
        try scratch.write("in/b0", "3")
        try scratch.write("in/big", noise(3 << 20, seed: 1))
        try scratch.link("in/latest", to: "deep/er")
        try scratch.link("in/deep/up", to: "../a.txt")
        try scratch.makeFolder("in/no files here")
        try scratch.makeFolder("out")

        let packed = try pack(plan(scratch, "in"))
        try unpack(packed, into: scratch.folder("out"))
        #expect(try scratch.contents("out") == scratch.contents("in"))
        // Empty folders are not kept: neither git nor upload-artifact knows them.
        #expect(!FileManager.default.fileExists(atPath: scratch.url("out/no files here")))
    }

    @Test func `of nothing is a tree too`() throws {
        let scratch = Scratch()
        try scratch.makeFolder("out")
        try scratch.makeFolder("in")
        let packed = try pack(plan(scratch, "in"))
        #expect(packed.manifest.files.isEmpty && packed.manifest.chunks.isEmpty)
        try unpack(packed, into: scratch.folder("out"))
        #expect(try Manifest(decoding: packed.manifest.encoded()) == packed.manifest)
    }

    /// Random trees, made in a random order with random times: the same digest, and the same files again.
    @Test func `has the same digest whoever made it and when`() throws {
        for seed in UInt64(0)..<8 {
            var random = SplitMix64(seed: seed)
            var files: [(path: String, bytes: [UInt8], executable: Bool)] = []
            for number in 0..<Int.random(in: 1...25, using: &random) {
                let depth = Int.random(in: 0...3, using: &random)
                let folders = (0..<depth).map { _ in "d\(Int.random(in: 0...2, using: &random))/" }.joined()
                let size = [0, 1, 100, 5_000, 40_000, 300_000, 700_000].randomElement(using: &random) ?? 0
                files.append(
                    (folders + "f\(number)", noise(size, seed: random.next()), Bool.random(using: &random)))
            }
            var digests: Set<Digest> = []
            var contents: Set<[String: String]> = []
            for turn in 0..<2 {
                let scratch = Scratch()
                for file in files.shuffled(using: &random) {
                    try scratch.write("in/" + file.path, file.bytes, executable: file.executable)
                    let age = Double(Int.random(in: 0...1_000_000_000, using: &random))
                    try FileManager.default.setAttributes(
                        [.modificationDate: Date(timeIntervalSince1970: age)],
                        ofItemAtPath: scratch.url("in/" + file.path))
                }
                try scratch.makeFolder("out")
                let packed = try pack(plan(scratch, "in"))
                try unpack(packed, into: scratch.folder("out"))
                #expect(try scratch.contents("in") == scratch.contents("out"), "seed \(seed), turn \(turn)")
                digests.insert(try packed.manifest.object().object.digest)
                contents.insert(try scratch.contents("out"))
            }
            #expect(digests.count == 1 && contents.count == 1, "seed \(seed)")
        }
    }

    @Test func `changes in few chunks when one byte changes`() throws {
        let scratch = Scratch()
        var large = noise(12 << 20, seed: 2)
        try scratch.write("in/model.bin", large)
        for number in 0..<300 { try scratch.write("in/src/\(number).py", noise(4_000, seed: UInt64(number))) }
        let before = try pack(plan(scratch, "in")).chunks
        #expect(before.count > 10)

        large[7_000_000] ^= 1
        try scratch.write("in/model.bin", large)
        try scratch.write("in/src/150.py", noise(4_100, seed: 999))
        let after = try pack(plan(scratch, "in")).chunks
        let resent = after.keys.filter { before[$0] == nil }
        #expect((1...5).contains(resent.count), "\(resent.count) of \(after.count)")

        // A byte more at the start moves everything, and still only the first chunks are new.
        large.insert(7, at: 0)
        try scratch.write("in/model.bin", large)
        let shifted = try pack(plan(scratch, "in")).chunks
        let moved = shifted.keys.filter { after[$0] == nil }
        #expect((1...3).contains(moved.count), "\(moved.count) of \(shifted.count)")
    }

    @Test func `gives a large file the same chunks whatever stands beside it`() throws {
        let scratch = Scratch()
        try scratch.write("a/model.bin", noise(5 << 20, seed: 3))
        try scratch.write("b/aaa", noise(100_000, seed: 4))
        try scratch.write("b/model.bin", noise(5 << 20, seed: 3))
        try scratch.write("b/zzz", noise(100_000, seed: 5))
        let alone = Set(try pack(plan(scratch, "a")).manifest.chunks)
        let beside = Set(try pack(plan(scratch, "b")).manifest.chunks)
        #expect(alone.isSubset(of: beside))
        #expect(beside.count == alone.count + 2)
    }

    @Test func `stores equal files once`() throws {
        let scratch = Scratch()
        for number in 0..<5 { try scratch.write("in/copy\(number)", noise(1 << 20, seed: 6)) }
        let packed = try pack(plan(scratch, "in"))
        #expect(packed.manifest.chunks.count == 5 * packed.chunks.count)
    }

    @Test func `cuts between its limits`() throws {
        let bytes = noise(64 << 20, seed: 7)
        var cutter = Cutter()
        var sizes: [Int] = []
        var size = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            // In parts, as files are read.
            let part = Array(rest.prefix(100_003))
            let cut = cutter.advance(part.span)
            size += cut ?? part.count
            rest = rest.dropFirst(cut ?? part.count)
            if cut != nil {
                sizes.append(size)
                size = 0
            }
        }
        #expect(sizes.allSatisfy { $0 > Cutter.bytesMin && $0 <= Cutter.bytesMax })
        let average = sizes.reduce(0, +) / sizes.count
        #expect((700_000...1_700_000).contains(average), "\(average)")

        // The constants are a format: this digest changes only by a decision.
        let shape = Digest(hashing: Array(sizes.map(String.init).joined(separator: " ").utf8))
        #expect(shape.short == "e3d42d962d56")
    }

    @Test func `has no cut in constant bytes but the last possible`() {
        var cutter = Cutter()
        let zeros = [UInt8](repeating: 0, count: 9 << 20)
        var sizes: [Int] = []
        var rest = zeros[...]
        while let cut = cutter.advance(Array(rest).span) {
            sizes.append(cut)
            rest = rest.dropFirst(cut)
        }
        #expect(sizes.allSatisfy { $0 == sizes[0] })
    }
}

@Suite struct `Packing refuses` {
    @Test func `links that lead out`() throws {
        for target in ["/etc/passwd", "../x", "a/../../x", "sub/../ok", "../in/ok"] {
            let scratch = Scratch()
            try scratch.write("in/ok", "x")
            try scratch.link("in/bad", to: target)
            #expect(
                artifactError { _ = try plan(scratch, "in") } == .linkLeaves(path: "bad", target: target), "\(target)")
        }
    }

    @Test func `special files`() throws {
        let scratch = Scratch()
        try scratch.write("in/ok", "x")
        #expect(mkfifo(scratch.url("in/pipe"), 0o600) == 0)
        #expect(artifactError { _ = try plan(scratch, "in") } == .special(path: "pipe", kind: "FIFO"))
    }

    @Test func `names that are not UTF-8`() throws {
        let scratch = Scratch()
        try scratch.makeFolder("in")
        let path = (Array(scratch.url("in/f").utf8) + [0xFF, 0]).map { CChar(bitPattern: $0) }
        let made = open(path, O_CREAT | O_WRONLY, 0o600)
        #expect(made >= 0)
        close(made)
        guard case .unusablePath(_, let problem) = artifactError({ _ = try plan(scratch, "in") }) else {
            Issue.record("a name that is not UTF-8 was packed")
            return
        }
        #expect(problem == "the name is not UTF-8")
    }

    @Test func `files that change between the look and the end of reading`() throws {
        let changes: [(String, (Scratch) throws -> Void)] = [
            ("grows", { try $0.write("in/f", noise(300_001, seed: 1)) }),
            ("shrinks", { try $0.write("in/f", "short") }),
            ("goes", { try FileManager.default.removeItem(atPath: $0.url("in/f")) }),
            (
                "becomes a link",
                { scratch in
                    try FileManager.default.removeItem(atPath: scratch.url("in/f"))
                    try scratch.link("in/f", to: "g")
                }
            ),
            (
                "becomes a FIFO",
                { scratch in
                    try FileManager.default.removeItem(atPath: scratch.url("in/f"))
                    #expect(mkfifo(scratch.url("in/f"), 0o600) == 0)
                }
            ),
            (
                "has other bytes",
                { scratch in
                    try scratch.write("in/f", noise(300_000, seed: 2))
                    try FileManager.default.setAttributes(
                        [.modificationDate: Date(timeIntervalSince1970: 5)], ofItemAtPath: scratch.url("in/f"))
                }
            ),
        ]
        for (name, change) in changes {
            let scratch = Scratch()
            try scratch.write("in/f", noise(300_000, seed: 1))
            try scratch.write("in/g", "other")
            let plan = try plan(scratch, "in")
            try change(scratch)
            #expect(artifactError { _ = try pack(plan) } == .changed(path: "f"), "\(name)")
        }
    }

    @Test func `folders inside each other without end`() throws {
        let scratch = Scratch()
        try scratch.write("in/" + String(repeating: "d/", count: 210) + "f", "x")
        guard case .tooMuch = artifactError({ _ = try plan(scratch, "in") }) else {
            Issue.record("a tree of 210 levels was packed")
            return
        }
    }

    @Test func `a repository inside the code tree`() throws {
        let scratch = Scratch()
        try scratch.write("in/sub/file", "x")
        let selection = try CodeTree.selection(listing: Array("sub\0".utf8))
        #expect(artifactError { _ = try plan(scratch, "in", selection) } == .submodule(path: "sub"))
        #expect(
            artifactError { _ = try CodeTree.selection(listing: Array("a\0sub/\0".utf8)) } == .submodule(path: "sub"))
    }
}

@Suite struct `A code tree` {
    @Test func `holds what git lists and is still there`() throws {
        let scratch = Scratch()
        try scratch.write("in/kept.py", "1")
        try scratch.write("in/pkg/mod.py", "2")
        try scratch.write("in/ignored.o", "3")
        try scratch.write("in/.sheaf/state", "4")
        try scratch.write("in/pkg/.sheaf/state/farm/authority.pem", "5")
        let listing = Array(
            """
            kept.py\0gone.py\0gone/too.py\0pkg/mod.py\0kept.py\0kept.py/odd\0.sheaf/state\0\
            pkg/.sheaf/state/farm/authority.pem\0
            """.utf8)
        let scan = try TreeScan(of: scratch.folder("in"), CodeTree.selection(listing: listing))
        #expect(scan.paths == ["kept.py", "pkg/mod.py"])
    }

    @Test func `keeps a link that dangles, as git does`() throws {
        let scratch = Scratch()
        try scratch.makeFolder("in")
        try scratch.link("in/dangling", to: "nowhere")
        let scan = try TreeScan(of: scratch.folder("in"), CodeTree.selection(listing: Array("dangling\0".utf8)))
        #expect(scan.paths == ["dangling"])
    }

    @Test func `outside a repository is everything but our state`() throws {
        let scratch = Scratch()
        for path in ["a", ".git/config", "sub/.git/config", ".sheaf/x", ".hidden"] {
            try scratch.write("in/" + path, "x")
        }
        #expect(try TreeScan(of: scratch.folder("in"), CodeTree.everything).paths == [".hidden", "a"])
    }

    @Test func `refuses paths that leave it`() {
        for path in ["../x", "/etc/passwd", "a//b", "a/./b", ""] {
            let listing = Array("ok\0\(path)\0".utf8)
            let error = artifactError { _ = try CodeTree.selection(listing: listing) }
            if path.isEmpty { #expect(error == nil) } else { #expect(error?.blame == .user, "\(path)") }
        }
    }
}
