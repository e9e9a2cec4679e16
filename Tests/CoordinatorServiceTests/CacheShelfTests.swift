import Model
import Storage
import Testing

@testable import CoordinatorService

/// Which of what is kept an attempt gets, and what goes when it is too much.
@Suite struct `A shelf of caches` {
    private static let now = Instant.seconds(10_000_000)

    private static func record(
        _ key: String, _ branch: String = "main", age: Int64 = 0, unused: Int64? = nil, bytes: Int = 1
    ) -> CacheRecord {
        guard let digest = Digest([UInt8](repeating: 1, count: 32)) else { preconditionFailure("32 bytes") }
        return CacheRecord(
            name: .init(repository: "r", branch: branch, key: key, paths: digest), manifest: digest, manifestBytes: 1,
            contentBytes: bytes, savedAt: now.advanced(by: .seconds(-age)),
            usedAt: now.advanced(by: .seconds(-(unused ?? age))))
    }

    @Test(arguments: [
        ("a-1", ["a-"], ["main"], "a-1 main"),
        // The newest that begins with the key, before any other beginning.
        ("a", ["b"], ["main"], "a-2 main"),
        ("c", ["b-", "a-"], ["main"], "b-1 main"),
        // One's own branch comes first, with whatever it has.
        ("a-2", ["a-"], ["x", "main"], "a-0 x"),
        ("z", ["y"], ["x", "main"], ""),
        ("a-1", [], ["other"], ""),
    ])
    func `gives the key itself, else the newest that begins so, branch by branch`(
        key: String, others: [String], branches: [String], found: String
    ) {
        // Newest first, as stores give them.
        let all = [
            Self.record("a-2", age: 1), Self.record("b-1", age: 2), Self.record("a-1", age: 3),
            Self.record("a-0", "x", age: 4),
        ]
        let name = CacheShelf.find(key, others, in: branches, among: all)?.name
        #expect(name.map { "\($0.key) \($0.branch)" } ?? "" == found)
    }

    @Test func `shows no run what strangers' code has saved, save strangers'`() {
        let github: Value = ["ref": "refs/heads/main", "base_ref": "release"]
        let trusted = CacheShelf.branches(github, isUntrusted: false)
        #expect(trusted == ["refs/heads/main", "refs/heads/release"])
        let untrusted = CacheShelf.branches(github, isUntrusted: true)
        #expect(untrusted == ["untrusted refs/heads/main", "refs/heads/release", "refs/heads/main"])
        let saved = [Self.record("deps", untrusted[0])]
        #expect(CacheShelf.find("deps", [], in: untrusted, among: saved) != nil)
        #expect(CacheShelf.find("deps", [], in: trusted, among: saved) == nil)
    }

    @Test func `drops what nobody used for a week, then what was not used for longest`() {
        let week = Int64(7 * 86_400)
        let all = [
            Self.record("old", age: week * 3, unused: week + 1), Self.record("kept", age: week * 3, unused: week - 1),
        ]
        #expect(CacheShelf.dropping(all, unusedFor: .seconds(week), at: Self.now) == [.cachesDropped([all[0].name])])
        let large = (0..<4).map { Self.record("k\($0)", age: Int64($0) + 1, bytes: 3 << 30) }
        #expect(
            CacheShelf.dropping(large, unusedFor: .seconds(week), at: Self.now) == [.cachesDropped([large[3].name])])
        #expect(CacheShelf.dropping(Array(large.prefix(3)), unusedFor: .seconds(week), at: Self.now).isEmpty)
        // What strangers' code saves has its own room.
        let branch = CacheShelf.branches(["ref": "refs/pull/7/merge"], isUntrusted: true)[0]
        let strange = (0..<4).map { Self.record("s\($0)", branch, age: Int64($0), bytes: 3 << 30) }
        let both = strange + Array(large.prefix(3))
        #expect(
            CacheShelf.dropping(both, unusedFor: .seconds(week), at: Self.now) == [.cachesDropped([strange[3].name])])
    }
}
