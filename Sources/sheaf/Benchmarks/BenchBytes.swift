import Artifacts
import Glibc
import Model
import Storage
import Transport

extension Benchmark {
    static let mebibytes = 256

    /// What goes through the disk, the hash, and TLS.
    static let bytes = [
        Benchmark(name: "artifact.hash", unit: "MB/s", what: "SHA-256 of 256 MiB on one core") { _ in
            let bytes = noise(mebibytes << 20, seed: 1)
            let (taken, _) = timed { Digest(hashing: bytes) }
            return Sample(work: Double(bytes.count) / 1e6, taken: taken)
        },
        Benchmark(
            name: "artifact.noise", unit: "MB/s", what: "256 MiB that do not compress: cut, hashed, stored, synced"
        ) { scratch in try await upload(noise(mebibytes << 20, seed: 1), in: scratch) },
        Benchmark(
            name: "artifact.text", unit: "MB/s",
            what: "256 MiB that compress 4:1: cut, hashed, compressed, stored, synced"
        ) { scratch in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(mebibytes << 20)
            let fresh = noise((mebibytes << 20) / 4, seed: 1)
            for start in stride(from: 0, to: fresh.count, by: 1024) {
                for _ in 0..<4 { bytes += fresh[start..<start + 1024] }
            }
            return try await upload(bytes, in: scratch)
        },
        Benchmark(name: "artifact.files", unit: "files/s", what: "10 000 files of 4 KiB, packed, stored, synced") {
            scratch in
            let source = try scratch.fresh("in")
            for number in 0..<10_000 {
                if number % 100 == 0 { mkdir("\(source)/d\(number / 100)", 0o700) }
                try Files.write(noise(4096, seed: UInt64(number)), to: "\(source)/d\(number / 100)/f\(number)")
            }
            let (taken, _) = try await uploaded(source, in: scratch)
            return Sample(work: 10_000, taken: taken)
        },
        Benchmark(
            name: "store.commits", unit: "commits/s", what: "a shard's whole life in four commits, each synced"
        ) { scratch in
            let store = try SQLiteStore(folder: try scratch.fresh("store"))
            let lives = (0..<500).map { life($0) }
            let (taken, _) = try timed { for life in lives { for change in life { try store.commit([change]) } } }
            return Sample(work: Double(lives.count * 4), taken: taken)
        },
        Benchmark(
            name: "store.shards", unit: "shards/s",
            what: "leased, started, ended, settled; 256 shards to a commit, each synced"
        ) { scratch in
            let store = try SQLiteStore(folder: try scratch.fresh("store"))
            let groups = (0..<80).map { group in (0..<256).flatMap { life(group * 256 + $0) } }
            let (taken, _) = try timed { for group in groups { try store.commit(group) } }
            return Sample(work: Double(groups.count * 256), taken: taken)
        },
        Benchmark(
            name: "store.settled", unit: "shards/s",
            what: "ended and settled, 256 reports in flight: to a commit, each synced"
        ) { scratch in
            let store = try SQLiteStore(folder: try scratch.fresh("store"))
            let lives = (0..<200).map { group in (0..<256).map { life(group * 256 + $0) } }
            for group in lives { try store.commit(group.map { $0[0] }) }
            let (taken, _) = try timed { for group in lives { try store.commit(group.flatMap { $0[2...] }) } }
            return Sample(work: Double(lives.count * 256), taken: taken)
        },
        Benchmark(
            name: "link.calls", unit: "calls/s", what: "one at a time, over mutual TLS on loopback"
        ) { _ in try await calls(2_000, together: 1) },
        Benchmark(
            name: "link.calls64", unit: "calls/s", what: "64 at a time on one connection"
        ) { _ in try await calls(20_000, together: 64) },
        Benchmark(name: "link.bytes", unit: "MB/s", what: "256 MiB in messages of 1 MiB, one stream") { _ in
            try await BenchLink.with { link in
                let message = noise(1 << 20, seed: 1)
                return try await timedAsync {
                    let stream = try await link.open("Bench.Count")
                    for _ in 0..<mebibytes { try await stream.send(message) }
                    await stream.finish()
                    _ = try await stream.receive()
                    return Double(mebibytes << 20) / 1e6
                }
            }
        },
    ]

    static func timedAsync(_ body: () async throws -> Double) async rethrows -> Sample {
        let clock = ContinuousClock()
        let began = clock.now
        let work = try await body()
        return Sample(work: work, taken: clock.now - began)
    }

    /// Bytes that nothing compresses.
    static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            var index = 0
            while index < count {
                var word = random.next()
                for _ in 0..<min(8, count - index) {
                    buffer[index] = UInt8(truncatingIfNeeded: word)
                    word >>= 8
                    index += 1
                }
            }
            filled = count
        }
    }

    private static func upload(_ bytes: [UInt8], in scratch: BenchFolder) async throws -> Sample {
        let source = try scratch.fresh("in")
        try Files.write(bytes, to: source + "/file")
        let (taken, size) = try await uploaded(source, in: scratch)
        return Sample(work: Double(size) / 1e6, taken: taken)
    }

    private static func uploaded(
        _ source: String, in scratch: BenchFolder
    ) async throws -> (taken: Duration, bytes: Int) {
        let store = try ObjectStore(at: try scratch.fresh("objects"))
        let folder = try Folder(at: source)
        let clock = ContinuousClock()
        let began = clock.now
        let scan = try TreeScan(of: folder, .everything(except: []))
        let done = try await Transfer(LocalChannel(store)).upload(TreePlan(scan))
        return (clock.now - began, done.contentBytes)
    }

    /// What the store is told of a shard that passes at the first attempt.
    static func life(_ number: Int, of run: RunID = RunID(1), cellShards: Int = 100) -> [Change] {
        let now = Instant.seconds(1_700_000_000)
        let shard = number % cellShards
        let cell = CellID(run: run, job: 0, cell: number / cellShards)
        let attempt = AttemptID(shard: ShardID(cell: cell, shard: shard), number: 1)
        let lease = LeaseRecord(
            attempt: attempt, agent: AgentID("agent-\(number % 100)"), devices: [], cpus: 1, memory: .gibibytes(1),
            at: now, until: now.advanced(by: .seconds(30)))
        let ending = AttemptEnding(
            attempt: attempt, at: now, cause: Cause(.passed), retryAt: nil, why: "",
            report: [UInt8](repeating: 7, count: 200))
        let settlement = SettlementRecord(
            cell: cell, first: shard, last: shard, attempt: 1, cause: Cause(.passed), at: now)
        return [
            .attemptLeased(lease), .attemptStarted(attempt, at: now), .attemptEnded(ending), .shardsSettled(settlement),
        ]
    }

    private static func calls(_ count: Int, together: Int) async throws -> Sample {
        try await BenchLink.with { link in
            let message = [UInt8](repeating: 1, count: 64)
            return try await timedAsync {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<together {
                        group.addTask {
                            for _ in 0..<count / together { _ = try await link.call("Bench.Echo", message) }
                        }
                    }
                    try await group.waitForAll()
                }
                return Double(count / together * together)
            }
        }
    }
}

/// A server and a connection to it, over mutual TLS on loopback, each on a loop of its own.
private enum BenchLink {
    static func with(_ body: (Link) async throws -> Benchmark.Sample) async throws -> Benchmark.Sample {
        let authority = try Authority.make()
        let server = try await LinkServer.start(
            on: [Address(host: "127.0.0.1", port: 0)],
            as: try authority.makeIdentity(for: Principal(role: .coordinator, name: "main")),
            admitting: .certified { _ in nil }, loops: [try EventLoop(name: "bench-server")], handler: serve)
        let link = try await Link.connect(
            to: server.addresses[0], as: try authority.makeIdentity(for: Principal(role: .agent, name: "bench")),
            on: try EventLoop(name: "bench-client"))
        do {
            let sample = try await body(link)
            await server.stop()
            return sample
        } catch {
            await server.stop()
            throw error
        }
    }

    @Sendable private static func serve(_ stream: LinkStream, _ method: String, _: Link) async {
        do {
            if method == "Bench.Echo" {
                while let message = try await stream.receive() { try await stream.send(message) }
            } else {
                while try await stream.receive() != nil {}
                try await stream.send([1])
            }
            await stream.finish()
        } catch {
            await stream.finish(LinkStatus(.internal, "\(error)"))
        }
    }
}
