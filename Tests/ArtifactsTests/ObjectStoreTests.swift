import Artifacts
import Foundation
import Locks
import Model
import Testing

@Suite struct `A store of objects` {
    private func text(_ count: Int, _ seed: UInt64 = 0) -> [UInt8] {
        Array(String(repeating: "all work and no play \(seed) ", count: count / 20).utf8)
    }

    private func encoded(_ bytes: [UInt8]) -> EncodedObject { EncodedObject(packing: VerifiedObject(naming: bytes)) }

    @Test func `gives back what it got, durable or not`() throws {
        for durable in [true, false] {
            let scratch = Scratch()
            let store = try ObjectStore(at: scratch.url("s"), durable: durable)
            for bytes in [[], [7], text(100_000), noise(1_000_000, seed: 1)] {
                let object = ObjectRef(naming: bytes)
                #expect(!store.contains(object.digest))
                #expect(artifactError { _ = try store.read(object.digest) } == .absent(object.digest))
                #expect(try store.put(encoded(bytes)))
                #expect(try !store.put(encoded(bytes)))
                #expect(store.contains(object.digest))
                #expect(try store.read(object.digest).bytes == bytes)
                #expect(try VerifiedObject(checking: store.readEncoded(object.digest)).bytes == bytes)
                var streamed: [UInt8] = []
                try store.read(object.digest) { part in for index in part.indices { streamed.append(part[index]) } }
                #expect(streamed == bytes)
            }
            #expect(
                store.missing(of: [Digest(hashing: [7]), Digest(hashing: [8]), Digest(hashing: [8])])
                    == [Digest(hashing: [8])])
        }
    }

    @Test func `keeps compressed what gets smaller, readable by other tools`() throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        let (soft, hard) = (encoded(text(1_000_000)), encoded(noise(1_000_000, seed: 2)))
        #expect(soft.encoding == .zstd && soft.bytes.count < 100_000)
        #expect(hard.encoding == .identity)
        _ = try store.put([soft, hard])
        let hex = hard.object.digest.hex
        #expect(
            Digest(hashing: try scratch.bytes("s/objects/\(hex.prefix(2))/\(hex.dropFirst(2))")) == hard.object.digest)
        let zst = soft.object.digest.hex
        #expect(
            FileManager.default.fileExists(atPath: scratch.url("s/objects/\(zst.prefix(2))/\(zst.dropFirst(2)).zst")))
    }

    @Test func `takes an object in parts`() throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        for encoded in [encoded(text(3_000_000)), encoded(noise(3_000_000, seed: 3))] {
            let writer = try store.writer(for: encoded.object, encoding: encoded.encoding)
            var rest = encoded.bytes[...]
            while !rest.isEmpty {
                try writer.append(Array(rest.prefix(70_001)))
                rest = rest.dropFirst(70_001)
            }
            let pending = try writer.finish()
            #expect(!store.contains(encoded.object.digest))
            try store.commit([pending])
            #expect(store.contains(encoded.object.digest))
        }
    }

    @Test func `refuses what is not what its name says, and keeps nothing of it`() throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        let soft = encoded(text(100_000))
        let good = soft.object
        func made(_ encoding: ObjectEncoding, _ bytes: [UInt8], size: Int? = nil) -> EncodedObject {
            EncodedObject(
                object: ObjectRef(digest: good.digest, sizeBytes: size ?? good.sizeBytes), encoding: encoding,
                bytes: bytes)
        }
        let rows: [(String, EncodedObject)] = [
            ("other bytes", made(.identity, text(100_000, 1))),
            ("too few", made(.identity, Array(text(100_000).dropLast()))),
            ("too many", made(.identity, text(100_000) + [1])),
            ("a wrong size", made(.identity, text(100_000), size: 5)),
            ("a wrong size of a frame", made(.zstd, soft.bytes, size: 5)),
            ("no frame", made(.zstd, text(100_000))),
            ("a frame cut short", made(.zstd, Array(soft.bytes.dropLast(3)))),
            ("bytes behind the frame", made(.zstd, soft.bytes + [0])),
            ("a second frame", made(.zstd, soft.bytes + soft.bytes)),
            ("a frame of something else", made(.zstd, encoded(text(100_000, 5)).bytes)),
            ("a bomb", made(.zstd, encoded([UInt8](repeating: 0, count: 50 << 20)).bytes)),
            ("nothing", made(.zstd, [])),
        ]
        for (name, object) in rows {
            for _ in 0..<2 {
                guard case .damaged = artifactError({ _ = try store.put(object) }) else {
                    Issue.record("\(name) was stored")
                    continue
                }
            }
            #expect(artifactError { _ = try VerifiedObject(checking: object) } != nil, "\(name)")
            #expect(!store.contains(good.digest), "\(name)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("s/temp")).isEmpty, "\(name)")
        }
        // A frame that asks for a window of 2 GiB: magic, no single segment, window descriptor 0xA8.
        let greedy: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0x00, 0x00]
        #expect(artifactError { _ = try store.put(made(.zstd, greedy)) }?.blame == .sender)
        #expect(
            artifactError {
                _ = try store.writer(for: ObjectRef(digest: good.digest, sizeBytes: 2 << 30), encoding: .zstd)
            }
                == .tooMuch(limit: "bytes in one object", most: 1 << 30))
    }

    @Test func `sets damaged objects aside and takes them again`() throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        let objects = (0..<4).map { encoded($0 % 2 == 0 ? noise(10_000, seed: UInt64($0)) : text(10_000, UInt64($0))) }
        _ = try store.put(objects)
        for object in objects.prefix(2) {
            let hex = object.object.digest.hex
            let suffix = object.encoding == .zstd ? ".zst" : ""
            let path = scratch.url("s/objects/\(hex.prefix(2))/\(hex.dropFirst(2))\(suffix)")
            var bytes = try fileBytes(path)
            bytes[bytes.count / 2] ^= 4
            try Data(bytes).write(to: URL(filePath: path))
        }
        guard case .damaged = artifactError({ _ = try store.read(objects[0].object.digest) }) else {
            Issue.record("a damaged object was read")
            return
        }
        #expect(!store.contains(objects[0].object.digest))
        let audit = try store.verifyAll()
        #expect(audit.objects == 2)
        #expect(audit.damaged == [objects[1].object.digest])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("s/damaged")).count == 2)
        #expect(try store.put(objects) == [true, true, false, false])
        #expect(try store.verifyAll().objects == 4)
    }

    @Test func `removes leftovers of a crash when it starts, and nothing else`() throws {
        let scratch = Scratch()
        let bytes = noise(5_000, seed: 4)
        do {
            let store = try ObjectStore(at: scratch.url("s"))
            _ = try store.put(encoded(bytes))
            // Dropped before its end: nothing stays.
            let writer = try store.writer(for: ObjectRef(naming: text(100)), encoding: .identity)
            try writer.append([1])
        }
        try scratch.write("s/temp/17", "half an object")
        try scratch.write("s/objects/not an object", "x")
        try scratch.write("s/objects/ab/not one either", "x")
        let store = try ObjectStore(at: scratch.url("s"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("s/temp")).isEmpty)
        #expect(try store.read(Digest(hashing: bytes)).bytes == bytes)
        var listed: [Digest] = []
        try store.list { digest, _ in listed.append(digest) }
        #expect(listed == [Digest(hashing: bytes)])
    }

    @Test func `holds what it acknowledged after its process was killed`() async throws {
        let scratch = Scratch()
        try await confirmKilled(at: scratch.url("s"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("s/temp")).count == 2)
        // The dead process keeps nobody out, and its half-made objects are gone.
        let store = try ObjectStore(at: scratch.url("s"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("s/temp")).isEmpty)
        #expect(try store.verifyAll().objects == 20)
        #expect(store.missing(of: (0..<22).map { Digest(hashing: noise(9_000, seed: $0)) }).count == 2)
    }

    private func confirmKilled(at path: String) async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let store = try ObjectStore(at: path)
            for seed in UInt64(0)..<20 {
                _ = try store.put(EncodedObject(packing: VerifiedObject(naming: noise(9_000, seed: seed))))
            }
            let pending = try store.write(EncodedObject(packing: VerifiedObject(naming: noise(9_000, seed: 20))))
            let writer = try store.writer(for: ObjectRef(naming: noise(9_000, seed: 21)), encoding: .identity)
            try writer.append(Array(noise(9_000, seed: 21).prefix(100)))
            withExtendedLifetime((pending, writer)) { _ = kill(getpid(), SIGKILL) }
        }
    }

    @Test func `is open in one process at a time`() throws {
        let scratch = Scratch()
        var first: ObjectStore? = try ObjectStore(at: scratch.url("s"))
        #expect(first?.durable == true)
        #expect(artifactError { _ = try ObjectStore(at: scratch.url("s")) } == .storeInUse(folder: scratch.url("s")))
        first = nil
        #expect(artifactError { _ = try ObjectStore(at: scratch.url("s")) } == nil)
    }

    @Test func `lists and removes`() throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        let objects = (0..<50).map { encoded(noise(100 + $0, seed: UInt64($0))) }
        _ = try store.put(objects)
        #expect(try store.remove(objects[3].object.digest))
        #expect(try !store.remove(objects[3].object.digest))
        var listed: [Digest] = []
        try store.list { digest, size in
            listed.append(digest)
            #expect(size >= 100)
        }
        #expect(listed == (objects[..<3] + objects[4...]).map(\.object.digest).sorted())
    }

    @Test func `takes the same object from many at once`() async throws {
        let scratch = Scratch()
        let store = try ObjectStore(at: scratch.url("s"))
        let objects = (0..<8).map { encoded(noise(50_000, seed: UInt64($0))) }
        try await withThrowingTaskGroup { group in
            for turn in 0..<64 {
                group.addTask {
                    try await DiskThreads.shared.run { () throws(ArtifactError) in
                        let object = objects[turn % objects.count]
                        _ = try store.put(object)
                        // Whoever was told that it is stored finds it from then on.
                        guard store.contains(object.object.digest) else { throw .absent(object.object.digest) }
                        _ = try store.read(object.object.digest)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.verifyAll().objects == 8)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url("s/temp")).isEmpty)
    }

    @Test func `tells of an object that it moves aside, and says afterwards on which day`() throws {
        let scratch = Scratch()
        let told = Mutex([Digest]())
        let store = try ObjectStore(at: scratch.url("s")) { digest, problem in
            #expect(problem.contains("is damaged"))
            told.withLock { $0.append(digest) }
        }
        let object = encoded(noise(5_000, seed: 1))
        _ = try store.put(object)
        let digest = object.object.digest
        let plain = scratch.url("s/objects/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))")
        let place = FileManager.default.fileExists(atPath: plain) ? plain : plain + ".zst"
        var bytes = try Data(contentsOf: URL(filePath: place))
        bytes[bytes.count - 1] ^= 1
        // An old file: the day of the finding counts, not that of the writing.
        try bytes.write(to: URL(filePath: place))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: place)
        guard case .damaged(digest, _) = artifactError({ _ = try store.read(digest) }) else {
            Issue.record("damage was not seen")
            return
        }
        #expect(told.withLock { $0 } == [digest])
        for _ in 0..<2 {
            guard case .setAside(digest, let instant) = artifactError({ _ = try store.read(digest) }) else {
                Issue.record("\(String(describing: artifactError { _ = try store.read(digest) }))")
                return
            }
            // Not the file's own day, which is in 1970.
            #expect(instant > .seconds(1_000_000_000), "\(instant.utc)")
        }
        #expect(told.withLock { $0 } == [digest])
        #expect(try store.setAsideSoFar().count == 1)
        // Who has the bytes mends it.
        #expect(try store.put(object))
        #expect(try store.read(digest).bytes == noise(5_000, seed: 1))
        let other = encoded(noise(10, seed: 2)).object.digest
        #expect(artifactError { _ = try store.read(other) } == .absent(other))
    }

    /// A disk of 4 MiB, at a scratch folder's `small`.
    private static func mountSmallDisk(_ scratch: Scratch) throws -> Bool {
        try scratch.makeFolder("small")
        return mount("tmpfs", scratch.url("small"), "tmpfs", 0, "size=4m") == 0
    }

    private static let mayMount: Bool = {
        let scratch = Scratch()
        guard (try? mountSmallDisk(scratch)) == true else { return false }
        return umount2(scratch.url("small"), 0) == 0
    }()

    @Test(.enabled(if: mayMount)) func `survives a full disk`() throws {
        let scratch = Scratch()
        #expect(try Self.mountSmallDisk(scratch))
        let small = scratch.url("small")
        defer { umount2(small, 2) }

        let store = try ObjectStore(at: small + "/s")
        let kept = encoded(noise(1 << 20, seed: 1))
        _ = try store.put(kept)
        let error = artifactError { _ = try store.put((2..<6).map { encoded(noise(1 << 20, seed: $0)) }) }
        #expect(error?.isDiskFull == true, "\(String(describing: error))")
        #expect(try store.read(kept.object.digest).bytes == noise(1 << 20, seed: 1))
        #expect(try store.verifyAll().objects == 1)
        // What was half-written is gone, so there is room again.
        #expect(artifactError { _ = try store.put(encoded(noise(1 << 20, seed: 9))) } == nil)

        // Unpacking asks before it begins.
        try scratch.write("in/large", noise(3 << 20, seed: 8))
        let packed = try pack(plan(scratch, "in"))
        let unpacking = artifactError {
            try packed.manifest.unpack(into: Folder(at: small)) { object throws(ArtifactError) in
                throw .absent(object.digest)
            }
        }
        #expect(unpacking?.isDiskFull == true)
    }
}
