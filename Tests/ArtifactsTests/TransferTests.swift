import Artifacts
import Foundation
import Locks
import Model
import Testing

/// A channel that counts, and lies when told to.
final class CountingChannel: ObjectChannel {
    struct Counts {
        var asked = 0
        var put: [Digest] = []
        var got = 0
        var inFlight = 0
        var inFlightMost = 0
    }

    let inner: LocalChannel
    let counts = Mutex(Counts())
    let spoil: @Sendable (Digest) -> Bool
    let refusePut: @Sendable (Int) -> Bool

    init(
        _ store: ObjectStore, spoil: @escaping @Sendable (Digest) -> Bool = { _ in false },
        refusePut: @escaping @Sendable (Int) -> Bool = { _ in false }
    ) {
        inner = LocalChannel(store)
        self.spoil = spoil
        self.refusePut = refusePut
    }

    func missing(of digests: [Digest]) async throws -> [Digest] {
        counts.withLock { $0.asked += 1 }
        return try await inner.missing(of: digests)
    }

    func put(
        _ object: ObjectRef, encoding: ObjectEncoding, next: @Sendable () async throws -> [UInt8]?
    ) async throws {
        let number = counts.withLock { counts in
            counts.put.append(object.digest)
            counts.inFlight += 1
            counts.inFlightMost = max(counts.inFlightMost, counts.inFlight)
            return counts.put.count
        }
        defer { counts.withLock { $0.inFlight -= 1 } }
        if refusePut(number) { throw ArtifactError.diskFull(doing: "storing it over there") }
        try await inner.put(object, encoding: encoding, next: next)
    }

    func get(
        _ digest: Digest, of root: Digest, bytesMax: Int
    ) async throws -> (encoding: ObjectEncoding, bytes: [UInt8]) {
        counts.withLock { $0.got += 1 }
        var answer = try await inner.get(digest, of: root, bytesMax: bytesMax)
        if spoil(digest) { answer.bytes[answer.bytes.count / 2] ^= 1 }
        return answer
    }
}

@Suite struct `A transfer` {
    private func sample(_ scratch: Scratch) throws {
        try scratch.write("in/model.bin", noise(6 << 20, seed: 1))
        try scratch.write("in/log.txt", String(repeating: "a line of a log\n", count: 100_000))
        for number in 0..<200 { try scratch.write("in/src/\(number).py", "print(\(number))\n") }
        try scratch.link("in/latest", to: "model.bin")
    }

    @Test func `carries a tree there and back`() async throws {
        let scratch = Scratch()
        try sample(scratch)
        let store = try ObjectStore(at: scratch.url("s"))
        let transfer = Transfer(CountingChannel(store))
        let uploaded = try await transfer.upload(try plan(scratch, "in"))
        #expect(uploaded.files == 203)
        #expect(uploaded.sentChunks == uploaded.chunks + 1)
        #expect(uploaded.sentBytes < uploaded.contentBytes)

        try scratch.makeFolder("out")
        try await transfer.download(uploaded.manifest, into: scratch.folder("out"))
        #expect(try scratch.contents("out") == scratch.contents("in"))
        // What the pipeline names is what packing in one go names.
        #expect(try pack(plan(scratch, "in")).manifest.object().object == uploaded.manifest)
    }

    @Test func `sends what is missing, once`() async throws {
        let scratch = Scratch()
        try sample(scratch)
        let store = try ObjectStore(at: scratch.url("s"))
        let channel = CountingChannel(store)
        let transfer = Transfer(channel)
        let first = try await transfer.upload(try plan(scratch, "in"))
        let second = try await transfer.upload(try plan(scratch, "in"))
        #expect(second.manifest == first.manifest)
        #expect(second.sentChunks == 0 && second.sentBytes == 0)

        try scratch.write("in/src/7.py", "print('changed')\n")
        let third = try await transfer.upload(try plan(scratch, "in"))
        #expect((2...3).contains(third.sentChunks))
        #expect(channel.counts.withLock { Set($0.put).count == $0.put.count })
        // The manifest is last: who sees it sees a whole tree.
        #expect(channel.counts.withLock { $0.put.last } == third.manifest.digest)
        #expect(channel.counts.withLock { $0.inFlightMost } <= Transfer<CountingChannel>.groupsMax)
    }

    @Test func `does not read again what has not changed`() async throws {
        let scratch = Scratch()
        let before = Instant(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9))
        try sample(scratch)
        let after = Instant(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9))
        let young = TreePlan(try TreeScan(of: scratch.folder("in"), .everything(except: []), at: before))
        let settled = TreePlan(
            try TreeScan(of: scratch.folder("in"), .everything(except: []), at: after.advanced(by: .seconds(3))))
        let store = try ObjectStore(at: scratch.url("s"))
        let known = PackCache()
        let transfer = Transfer(CountingChannel(store), known: known)
        let fresh = try await transfer.upload(young)
        let again = try await transfer.upload(young)
        // Written a moment ago: nothing may be remembered.
        #expect(again.skippedBytes == 0)

        let learnt = try await transfer.upload(settled)
        let skipped = try await transfer.upload(settled)
        #expect(learnt.skippedBytes == 0)
        #expect(skipped.skippedBytes == fresh.contentBytes)
        #expect(skipped.manifest == fresh.manifest)

        // What the other side has lost is read and sent after all.
        let lost = try await transfer.manifest(fresh.manifest).chunks[2]
        try store.remove(lost.digest)
        let repaired = try await transfer.upload(settled)
        #expect(repaired.sentChunks == 1)
        #expect(store.contains(lost.digest))
    }

    @Test func `goes to the other side only for what is not cached`() async throws {
        let scratch = Scratch()
        try sample(scratch)
        let store = try ObjectStore(at: scratch.url("s"))
        let channel = CountingChannel(store)
        let uploaded = try await Transfer(channel).upload(try plan(scratch, "in"))
        let cache = try ObjectStore(at: scratch.url("cache"), durable: false)
        let transfer = Transfer(channel, cache: cache)
        for name in ["one", "two"] {
            try scratch.makeFolder(name)
            try await transfer.download(uploaded.manifest, into: scratch.folder(name))
        }
        #expect(try scratch.contents("two") == scratch.contents("in"))
        #expect(
            channel.counts.withLock { $0.got } == Set(try await transfer.manifest(uploaded.manifest).chunks).count + 1)
    }

    @Test func `refuses what the other side makes up, and leaves nothing behind`() async throws {
        let scratch = Scratch()
        try sample(scratch)
        try scratch.write("out/mine", "stays")
        let store = try ObjectStore(at: scratch.url("s"))
        let uploaded = try await Transfer(LocalChannel(store)).upload(try plan(scratch, "in"))
        let chunks = try await Transfer(LocalChannel(store)).manifest(uploaded.manifest).chunks
        for spoilt in [uploaded.manifest.digest, chunks[0].digest, chunks[chunks.count - 1].digest] {
            let transfer = Transfer(CountingChannel(store, spoil: { $0 == spoilt }))
            let error = await artifactError {
                try await transfer.download(uploaded.manifest, into: scratch.folder("out"))
            }
            guard case .damaged(spoilt, _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(try scratch.contents("out").keys.sorted() == ["mine"])
        }
    }

    @Test func `ends when the other side's disk is full, and goes on later`() async throws {
        let scratch = Scratch()
        try sample(scratch)
        let store = try ObjectStore(at: scratch.url("s"))
        let broken = Transfer(CountingChannel(store, refusePut: { $0 > 3 }))
        let error = await artifactError { _ = try await broken.upload(try plan(scratch, "in")) }
        #expect(error?.isDiskFull == true)
        let again = try await Transfer(LocalChannel(store)).upload(try plan(scratch, "in"))
        #expect(again.sentChunks < again.chunks + 1)
    }

    @Test func `carries a tree of nothing`() async throws {
        let scratch = Scratch()
        try scratch.makeFolder("in")
        try scratch.makeFolder("out")
        let transfer = Transfer(LocalChannel(try ObjectStore(at: scratch.url("s"))))
        let uploaded = try await transfer.upload(try plan(scratch, "in"))
        #expect(uploaded.files == 0 && uploaded.chunks == 0)
        try await transfer.download(uploaded.manifest, into: scratch.folder("out"))
        #expect(try scratch.contents("out").isEmpty)
    }

    @Test func `carries a single file of any size as one object`() async throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        let transfer = Transfer(LocalChannel(store))
        let items = Array(String(repeating: "{\"id\": \"q17\", \"accuracy\": 1}\n", count: 150_000).utf8)
        for (name, bytes) in [("items", items), ("noise", noise(3_000_000, seed: 5)), ("empty", []), ("one", [7])] {
            try scratch.write("in/\(name)", bytes)
            let object = try await transfer.give(file: TreePath("in/\(name)"), below: scratch.folder())
            #expect(object == ObjectRef(naming: bytes))
            #expect(try store.readEncoded(object.digest).encoding == (name == "items" ? .zstd : .identity))
            // Frames made by streaming say their size, so they can be fetched whole.
            #expect(try await transfer.fetch(object, of: object.digest).bytes == bytes)
            #expect(try await transfer.give(file: TreePath("in/\(name)"), below: scratch.folder()) == object)
        }
    }

    @Test func `refuses a single file that is none`() async throws {
        let scratch = Scratch()
        try scratch.write("in/large", noise(1_000, seed: 1))
        try scratch.link("in/link", to: "large")
        try scratch.link("alias", to: "in")
        #expect(mkfifo(scratch.url("in/pipe"), 0o600) == 0)
        let transfer = Transfer(LocalChannel(try ObjectStore(at: scratch.url("s"))))
        let rows: [(String, ArtifactError)] = [
            ("in/gone", .missing(path: "in/gone")),
            ("in/link", .throughLink(path: "in/link", link: "in/link")),
            ("in/pipe", .special(path: "in/pipe", kind: "FIFO")),
            ("in", .special(path: "in", kind: "folder")),
            ("in/large", .tooMuch(limit: "bytes in in/large", most: 999)),
        ]
        for (path, wanted) in rows {
            let error = await artifactError {
                _ = try await transfer.give(file: TreePath(path), below: scratch.folder(), bytesMax: 999)
            }
            #expect(error == wanted)
        }
        let through = await artifactError {
            _ = try await transfer.give(file: TreePath("alias/large"), below: scratch.folder())
        }
        #expect(through == .throughLink(path: "alias/large", link: "alias"))
        #expect("\(ArtifactError.throughLink(path: "a", link: "a"))".hasPrefix("a: is a symbolic link\n"))
    }

    @Test func `ends when it is cancelled`() async throws {
        let scratch = Scratch()
        try sample(scratch)
        let store = try ObjectStore(at: scratch.url("s"))
        let plan = try plan(scratch, "in")
        let upload = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await Transfer(LocalChannel(store)).upload(plan)
        }
        await #expect(throws: CancellationError.self) { _ = try await upload.value }
    }

    @Test func `merges artifacts in one folder`() async throws {
        let scratch = Scratch()
        try scratch.write("a/shared/one", "1")
        try scratch.write("a/same", "from a")
        try scratch.write("b/shared/two", "2")
        try scratch.write("b/same", "from b")
        try scratch.makeFolder("out")
        let store = try ObjectStore(at: scratch.url("s"))
        let transfer = Transfer(LocalChannel(store))
        for name in ["a", "b"] {
            let uploaded = try await transfer.upload(try plan(scratch, name))
            try await transfer.download(uploaded.manifest, into: scratch.folder("out"), existing: .replace)
        }
        #expect(try scratch.contents("out").keys.sorted() == ["same", "shared/one", "shared/two"])
        #expect(try scratch.bytes("out/same") == Array("from b".utf8))
    }
}

@Suite struct `Unpacking` {
    private func unpack(
        _ manifest: Manifest, _ bytes: [UInt8] = [], into folder: Folder, existing: TreeWriter.Existing = .replace
    ) throws {
        try manifest.unpack(into: folder, existing: existing) { _ throws(ArtifactError) in VerifiedObject(naming: bytes)
        }
    }

    private func file(_ path: String, _ count: Int) throws -> Manifest.File {
        Manifest.File(path: try TreePath(path), content: .bytes(count: count, executable: false))
    }

    private func link(_ path: String, to target: String) throws -> Manifest.File {
        Manifest.File(path: try TreePath(path), content: .link(to: target))
    }

    @Test func `never writes through a link that stands there`() throws {
        let scratch = Scratch()
        try scratch.write("outside/victim", "untouched")
        try scratch.makeFolder("out")
        try scratch.link("out/folder", to: "../outside")
        try scratch.link("out/victim", to: "../outside/victim")
        let bytes = Array("new".utf8)
        let through = try Manifest(files: [file("folder/victim", 3)], chunks: [ObjectRef(naming: bytes)])
        guard case .throughLink = artifactError({ try unpack(through, bytes, into: scratch.folder("out")) }) else {
            Issue.record("a file was written through a link")
            return
        }
        // A link in the file's own place is replaced, not followed.
        let onto = try Manifest(files: [file("victim", 3)], chunks: [ObjectRef(naming: bytes)])
        try unpack(onto, bytes, into: scratch.folder("out"))
        #expect(try scratch.bytes("out/victim") == bytes)
        #expect(try scratch.contents("outside") == ["victim": "- \(Digest(hashing: Array("untouched".utf8)))"])
    }

    @Test func `refuses to overwrite unless told to`() throws {
        let scratch = Scratch()
        try scratch.write("out/a", "mine")
        try scratch.write("out/d/x", "mine")
        try scratch.link("out/l", to: "a")
        let bytes = Array("new".utf8)
        let manifest = try Manifest(files: [file("0/1/2", 0), file("a", 3)], chunks: [ObjectRef(naming: bytes)])
        guard
            case .taken = artifactError({ try unpack(manifest, bytes, into: scratch.folder("out"), existing: .refuse) })
        else {
            Issue.record("a file was overwritten")
            return
        }
        #expect(try scratch.bytes("out/a") == Array("mine".utf8))
        #expect(!FileManager.default.fileExists(atPath: scratch.url("out/0")))

        // Links that stand there when unpacking fails are not taken for our own.
        let links = try Manifest(files: [file("d", 0), link("l", to: "x")], chunks: [])
        guard case .taken = artifactError({ try unpack(links, into: scratch.folder("out")) }) else {
            Issue.record("a folder was replaced by a file")
            return
        }
        #expect(try scratch.contents("out").keys.sorted() == ["a", "d/x", "l"])

        let onto = try Manifest(files: [link("a", to: "d"), link("l", to: "d/x")], chunks: [])
        try unpack(onto, into: scratch.folder("out"))
        #expect(try scratch.contents("out")["a"] == "→ d")
    }

    @Test func `asks for the chunks in order and stops at the first that does not come`() throws {
        let scratch = Scratch()
        try scratch.makeFolder("out")
        let chunks = (0..<3).map { ObjectRef(naming: noise(10, seed: UInt64($0))) }
        let manifest = try Manifest(files: [file("a", 15), file("b/c", 15)], chunks: chunks)
        var asked: [ObjectRef] = []
        let error = artifactError {
            try manifest.unpack(into: scratch.folder("out")) { object throws(ArtifactError) in
                asked.append(object)
                guard asked.count < 3 else { throw .absent(object.digest) }
                return VerifiedObject(naming: noise(10, seed: UInt64(asked.count - 1)))
            }
        }
        #expect(error == .absent(chunks[2].digest))
        #expect(asked == chunks)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("out")).isEmpty)
    }
}
