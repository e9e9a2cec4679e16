import Artifacts
import Glibc
import Model
import Testing
import Transport
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `What an agent keeps for later` {
    private static func build(_ folder: String) throws -> String {
        try Files.makeFolder(folder + "/base/bin")
        try Files.write([UInt8](repeating: 7, count: 100_000), to: folder + "/base/bin/tool", mode: 0o755)
        return "numpy==2.0\n"
    }

    private func key(_ number: UInt8) -> Digest { Digest(hashing: [number]) }

    /// As if it had last been used so long ago.
    private func age(_ environments: Environments, _ number: UInt8, by days: Int) {
        let path = environments.folder + "/" + key(number).hex + "/complete"
        let then = timespec(tv_sec: time(nil) - days * 86_400, tv_nsec: 0)
        _ = [then, then].withUnsafeBufferPointer { utimensat(AT_FDCWD, path, $0.baseAddress, 0) }
    }

    private func kept(_ environments: Environments) -> [UInt8] {
        (1...4).filter { Files.exists(environments.folder + "/" + key($0).hex) }
    }

    @Test func `is what was used last, within its size`() async throws {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        for number in UInt8(1)...4 {
            _ = try await environments.get(key(number), interpreter: nil) { try Self.build($0) }
            age(environments, number, by: Int(number))
        }
        // The oldest was used just now.
        #expect(try await environments.get(key(4), interpreter: nil) { try Self.build($0) }.isHit)
        let one = Environments.bytes(of: environments.folder + "/" + key(1).hex)
        let bounds = Environments.Bounds(bytesMax: ByteCount(one * 2 + one / 2), unusedMax: .seconds(1_000_000))
        let freed = environments.trim(bounds, at: .wallClock())
        #expect(kept(environments) == [1, 4])
        #expect(freed.bytes >= one)
        #expect(environments.trim(bounds, at: .wallClock()) == .zero)
        #expect(Files.names(in: environments.folder).filter { $0.hasSuffix(".lock") }.count == 2)
        // What was removed is built again.
        #expect(try await !environments.get(key(3), interpreter: nil) { try Self.build($0) }.isHit)
        withExtendedLifetime(workshop) {}
    }

    @Test func `is nothing that nobody has used for long, but always what is in use`() async throws {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        let used = try await environments.get(key(1), interpreter: nil) { try Self.build($0) }.use
        _ = try await environments.get(key(2), interpreter: nil) { try Self.build($0) }
        _ = try await environments.get(key(3), interpreter: nil) { try Self.build($0) }
        age(environments, 1, by: 90)
        age(environments, 2, by: 40)
        // The rest of an interrupted build.
        try Files.makeFolder(environments.folder + "/" + key(4).hex + "/base")
        let bounds = Environments.Bounds(bytesMax: .gibibytes(1), unusedMax: .seconds(30 * 86_400))
        _ = environments.trim(bounds, at: .wallClock())
        #expect(kept(environments) == [1, 3])
        // Another process's agent on the same folder respects it, too.
        _ = try Environments(in: environments.folder).trim(
            .init(bytesMax: .zero, unusedMax: .zero), at: .wallClock())
        #expect(kept(environments) == [1])
        withExtendedLifetime((used, workshop)) {}
    }

    @Test func `is told to the farm without what was removed`() async throws {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        for number in UInt8(1)...2 {
            _ = try await environments.get(key(number), interpreter: nil) { folder in
                _ = try Self.build(folder)
                return "lock \(number)"
            }
        }
        let cache = try ObjectStore(at: workshop.path + "/cache", durable: false)
        let tree = VerifiedObject(naming: Array("a manifest".utf8))
        _ = try cache.put(EncodedObject(packing: tree))
        let locks = (1...2).map { Digest(hashing: Array("lock \($0)".utf8)) }
        let trees = [tree.object.digest, key(9)]
        #expect(Agent.stillKept(locks, trees, environments, cache) == Set(locks + [trees[0]]))
        age(environments, 1, by: 90)
        _ = environments.trim(.init(bytesMax: .gibibytes(1), unusedMax: .seconds(86_400)), at: .wallClock())
        _ = try cache.remove(trees[0])
        #expect(Agent.stillKept(locks, trees, environments, cache) == [locks[1]])
    }

    @Test func `is no object beyond the cache's size`() throws {
        var template = Array("/tmp/sheaf-cache-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { Files.removeTree(path) }
        let cache = try ObjectStore(at: path + "/cache", durable: false)
        var random = SplitMix64(seed: 7)
        let objects = (0..<4).map { _ in
            VerifiedObject(naming: (0..<10_000).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        for object in objects { try cache.put(EncodedObject(packing: object)) }
        let now = Instant.wallClock()
        #expect(try cache.trim(bytesMax: 100_000, unusedMax: .seconds(3_600), at: now).objects == 0)
        let trimmed = try cache.trim(bytesMax: 25_000, unusedMax: .seconds(3_600), at: now)
        #expect(trimmed.objects == 2)
        #expect(objects.count { cache.contains($0.object.digest) } == 2)
        let later = now.advanced(by: .seconds(7_200))
        #expect(try cache.trim(bytesMax: 100_000, unusedMax: .seconds(3_600), at: later).objects == 2)
    }
}
