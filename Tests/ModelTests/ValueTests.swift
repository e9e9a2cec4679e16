import Model
import Testing

@Suite struct `Identifiers` {
    @Test func `of runs read back what they print, and nothing else`() {
        for number in [1, 17, UInt64.max] { #expect(RunID("\(RunID(number))") == RunID(number)) }
        for text in ["", "r", "0", "r0", "-1", "r-1", "17x", "18446744073709551616", "r 1"] {
            #expect(RunID(text) == nil, "\(text)")
        }
    }

    @Test func `sort as their parts do`() {
        let early = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 2, shard: 9), number: 1)
        let late = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 10, shard: 0), number: 1)
        #expect(early < late)
        #expect("\(early)" == "r1/0/2/9#1")
        #expect("\(ShardID(run: RunID(3), job: 1, cell: 0, shard: ShardID.listing))" == "r3/1/0/listing")
    }
}

@Suite struct `A digest` {
    @Test func `is its 32 bytes and its 64 digits`() throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<200 {
            let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            let digest = try #require(Digest(bytes))
            #expect(digest.bytes == bytes)
            #expect(Digest(hex: digest.hex) == digest)
            #expect(Digest(hex: digest.hex.uppercased()) == digest)
        }
        #expect(Digest([UInt8](repeating: 0, count: 31)) == nil)
        #expect(Digest(hex: String(repeating: "g", count: 64)) == nil)
        #expect(Digest(hex: String(repeating: "0", count: 65)) == nil)
    }

    @Test func `sorts as its text`() throws {
        let low = try #require(Digest(hex: "00" + String(repeating: "f", count: 62)))
        let high = try #require(Digest(hex: "01" + String(repeating: "0", count: 62)))
        #expect(low < high)
    }
}

@Suite struct `An amount of bytes` {
    @Test(arguments: [
        ("16GiB", 16 << 30), ("512 MiB", 512 << 20), ("4096", 4096), ("1.5GB", 1_500_000_000), ("0", 0),
    ])
    func `reads`(text: String, bytes: Int64) { #expect(ByteCount(text)?.bytes == bytes) }

    @Test(arguments: ["", "GiB", "-1", "1e3", "16 gib", "1.2.3MB", "99999999999TiB", "٣", "nan", "inf"])
    func `refuses`(text: String) { #expect(ByteCount(text) == nil) }

    @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (7 << 30, "7 GiB"), (96 << 20, "96 MiB")])
    func `prints`(bytes: Int64, text: String) { #expect("\(ByteCount(bytes))" == text) }
}

@Suite struct `Time` {
    @Test func `sticks to its ends`() {
        #expect(Instant.distantFuture.advanced(by: .seconds(1)) == .distantFuture)
        #expect(Instant.seconds(1).advanced(by: .milliseconds(500)).nanoseconds == 1_500_000_000)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.nanoseconds(-5).wholeNanoseconds == -5)
    }
}

@Suite struct `Shards of a cell` {
    /// Each item belongs to exactly one shard, and sizes differ by at most one.
    @Test func `partition its items`() {
        for count in [1, 2, 3, 7, 64, 1000] {
            for items in [0, 1, 2, 63, 64, 65, 1000, 12345] {
                let slices = (0..<count).map { ShardPlan.slice(shard: $0, of: count, items: items) }
                #expect(slices.first?.lowerBound == 0)
                #expect(slices.last?.upperBound == items)
                #expect(zip(slices, slices.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
                let sizes = slices.map(\.count)
                #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
            }
        }
    }
}

@Suite struct `A retry policy` {
    @Test func `covers infrastructure by default, and never a usage error`() {
        let policy = RetryPolicy()
        for kind in Cause.Kind.allCases { #expect(policy.covers(Cause(kind)) == kind.isInfrastructure) }
        let wide = RetryPolicy(on: ["exit:75", "oom", "user_error", "signal:9", "passed"])
        #expect(wide.covers(Cause(.userExit, code: 75)))
        #expect(!wide.covers(Cause(.userExit, code: 1)))
        #expect(wide.covers(Cause(.oom)))
        #expect(wide.covers(Cause(.signal, code: 9)))
        #expect(!wide.covers(Cause(.userError)))
        #expect(!wide.covers(Cause(.passed)))
        #expect(!wide.covers(Cause(.lostAgent)))
    }
}

@Suite struct `An interpreter` {
    @Test func `satisfies its version and what leaves parts open`() {
        let python = Interpreter(version: "3.11.7", path: "/usr/bin/python3", source: "system")
        for wanted in ["3", "3.11", "3.11.7", "3.x", "3.11.x"] { #expect(python.satisfies(wanted), "\(wanted)") }
        for wanted in ["3.1", "3.12", "3.11.70", "2", "", "3.11.7.1"] {
            #expect(!python.satisfies(wanted), "\(wanted)")
        }
    }

    /// Ranges as node-semver's README explains them.
    @Test(arguments: [
        (">=3.9 <3.12", ["3.9.0", "3.11.7"], ["3.8.19", "3.12.0"]), (">= 3.9, ", [], ["3.9.0"]),
        ("3.9 - 3.11", ["3.9.0", "3.11.9"], ["3.12.0", "3.8.1"]), ("^3.9", ["3.9.1", "3.14.0"], ["3.8.0", "4.0.0"]),
        ("~3.9", ["3.9.20"], ["3.10.0"]), ("~> 3.9.5", ["3.9.5", "3.9.6"], ["3.9.4", "3.10.0"]),
        ("3.8 || 3.12.x", ["3.8.1", "3.12.4"], ["3.9.0"]), (">3.10", ["3.11.0"], ["3.10.9"]),
        ("<=3.10", ["3.10.9"], ["3.11.0"]), ("3.14-dev", ["3.14.0a1"], ["3.13.0"]), ("*", ["2.7.18", "3.11.0"], []),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0"]), ("=3.11.7", ["3.11.7"], ["3.11.8"]),
        ("3.1x", [], ["3.1.0", "3.11.0"]), ("3..1", [], ["3.0.1"]), ("x.3", [], ["1.3.0"]), (">x", [], ["3.0.0"]),
        ("3.11 -", [], ["3.11.0"]), ("99999999999999999999", [], ["3.11.0"]), ("", [], ["3.11.0"]),
    ])
    func `satisfies ranges`(range: String, inside: [String], outside: [String]) {
        let isNamed = { (version: String) in Interpreter(version: version, path: "", source: "").satisfies(range) }
        #expect(inside.allSatisfy(isNamed), "\(range)")
        #expect(!outside.contains(where: isNamed), "\(range)")
    }

    @Test func `sorts by version, not by text`() {
        let old = Interpreter(version: "3.9.18", path: "/b", source: "pyenv")
        let new = Interpreter(version: "3.11.7", path: "/a", source: "pyenv")
        #expect(old < new)
    }
}
