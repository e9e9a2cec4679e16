import Artifacts
import Client
import CoordinatorService
import Glibc
import Locks
import Model
import Scheduling
import Storage
import Transport
import Wire

extension Benchmark {
    /// What a farm is like that has worked for long. Only measured when asked for by name: filling takes minutes.
    static let large = [
        Benchmark(
            name: "large.open", unit: "ms", what: "a store with 10 000 000 settled shards, opened and migrated"
        ) { scratch in
            let folder = try LargeStore.shared.folder(beside: scratch)
            let (taken, store) = try timed { try SQLiteStore(folder: folder) }
            return Sample(withExtendedLifetime(store) { taken.inSeconds * 1000 })
        },
        Benchmark(
            name: "large.shards", unit: "shards/s",
            what: "store.shards on top of 10 000 000 settled ones: leased, started, ended, settled"
        ) { scratch in
            let store = try SQLiteStore(folder: try LargeStore.shared.folder(beside: scratch))
            let run = try LargeStore.shared.nextRun()
            let groups = (0..<80).map { group in (0..<256).flatMap { life(group * 256 + $0, of: run) } }
            let (taken, _) = try timed { for group in groups { try store.commit(group) } }
            return Sample(work: Double(groups.count * 256), taken: taken)
        },
        Benchmark(
            name: "large.attempt", unit: "us", what: "one attempt out of 10 000 000, by its name; mean of 20 000"
        ) { scratch in
            let store = try SQLiteStore(folder: try LargeStore.shared.folder(beside: scratch))
            var random = SplitMix64(seed: 1)
            let (taken, found) = try timed {
                var found = 0
                for _ in 0..<20_000 {
                    found += try store.attempt(LargeStore.anyAttempt(&random)) == nil ? 0 : 1
                }
                return found
            }
            guard found == 20_000 else { throw CommandFailure("\(found) of 20000 attempts were found") }
            return Sample(taken.inSeconds * 1e6 / 20_000)
        },
        Benchmark(
            name: "large.page", unit: "us",
            what: "100 attempts and 100 settlements after a cursor in a run of 1 000 000 shards; mean of 1000"
        ) { scratch in
            let store = try SQLiteStore(folder: try LargeStore.shared.folder(beside: scratch))
            var random = SplitMix64(seed: 2)
            let (taken, rows) = try timed {
                var rows = 0
                for _ in 0..<1_000 {
                    let cursor = LargeStore.anyAttempt(&random)
                    rows += try store.attempts(of: cursor.run, after: cursor, most: 100).count
                    let settlement = SettlementRecord(
                        cell: cursor.shard.cell, first: cursor.shard.shard, last: cursor.shard.shard, attempt: 1,
                        cause: Cause(.passed), at: .epoch)
                    rows += try store.settlements(of: cursor.run, after: settlement, most: 100).count
                }
                return rows
            }
            guard rows > 150_000 else { throw CommandFailure("only \(rows) rows were found") }
            return Sample(taken.inSeconds * 1e6 / 1_000)
        },
        Benchmark(
            name: "large.recover", unit: "ms",
            what: "a coordinator starts anew on 1 000 000 shards queued and 10 000 running, and answers"
        ) { scratch in
            let path = scratch.path + "/filled"
            if access(path, F_OK) != 0 { try await fillFarm(at: path) }
            let folder = try scratch.fresh("farm")
            try SQLiteStore.copy(of: path, to: folder + "/store.sqlite")
            for name in ["authority.pem", "coordinator.pem"] {
                try PrivateFile.write(
                    String(decoding: try Files.read(path + "/" + name, bytesMax: 1 << 20), as: UTF8.self),
                    to: folder + "/" + name)
            }
            let clock = ContinuousClock()
            let began = clock.now
            let server = try await CoordinatorServer.start(settings(folder), failed: Commands.endProcess)
            guard server.remarks.isEmpty else { throw CommandFailure("\(server.remarks)") }
            let person = try await server.makeIdentity(for: Principal(role: .admin, name: "bench"))
            let link = try await Link.connect(
                to: server.addresses[0], as: person, on: try EventLoop(name: "bench-person"))
            let runs = try await link.call(Proto.Farm.ListRuns.self, .with { $0.most = 100 })
            let taken = clock.now - began
            guard runs.runs.count == 10, runs.runs.allSatisfy({ $0.state == "running" }) else {
                throw CommandFailure("\(runs.runs.count) runs go on instead of 10")
            }
            await link.close()
            await server.stop()
            return Sample(taken.inSeconds * 1000)
        },
    ]

    private static func settings(_ folder: String) -> CoordinatorServer.Settings {
        let anywhere = Address(host: "127.0.0.1", port: 0)
        var settings = CoordinatorServer.Settings(state: folder, listen: [anywhere], enrolmentListen: [anywhere])
        // Nobody renews here.
        settings.coordinator.farm.lease = .seconds(3_600)
        return settings
    }

    /// A farm with ten runs of 101 000 shards each, and ten agents that work on 1000 of them each.
    private static func fillFarm(at path: String) async throws {
        let server = try await CoordinatorServer.start(settings(path), failed: Commands.endProcess)
        let loop = try EventLoop(name: "bench-filling")
        let person = try await server.makeIdentity(for: Principal(role: .admin, name: "bench"))
        let client = try await Link.connect(to: server.addresses[0], as: person, on: loop)
        let values = (0..<101).map(String.init).joined(separator: ", ")
        for _ in 0..<10 {
            _ = try await client.call(
                Proto.Farm.SubmitRun.self,
                .with {
                    $0.file = "bench.yml"
                    $0.key = Submitting.newKey()
                    $0.workflow = """
                        sheaf: 1
                        name: bench
                        on: {workflow_dispatch: {}}
                        jobs:
                          eval:
                            runs-on: self-hosted
                            strategy: {matrix: {seed: [\(values)]}}
                            shards: 1000
                            steps: [{run: "true"}]
                        """
                })
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<10 {
                let agent = try await server.makeIdentity(for: Principal(role: .agent, name: "bench-\(number)"))
                group.addTask {
                    let link = try await Link.connect(to: server.addresses[0], as: agent, on: loop)
                    let stream = try await link.open(Proto.Agents.Work.self)
                    try await stream.send(
                        Proto.FromAgent.with {
                            $0.kind = .joined(
                                .with {
                                    $0.capacity = .with {
                                        $0.cpus = 1_000
                                        $0.labels = ["self-hosted", "linux", "x64"]
                                    }
                                })
                        })
                    var started = 0
                    while started < 1_000, let message = try await stream.receive(Proto.ToAgent.self) {
                        guard case .offer(let offer) = message.kind else { continue }
                        try await stream.send(
                            Proto.FromAgent.with {
                                $0.kind = .started(.with { $0.attempt = offer.assignment?.attempt })
                            })
                        started += 1
                    }
                }
            }
            try await group.waitForAll()
        }
        await client.close()
        await server.stop()
    }
}

/// Ten runs with a million settled shards each, made once for all benchmarks that want them, and removed by `remove`.
final class LargeStore: Sendable {
    static let shared = LargeStore()
    private static let runs = 10
    private static let shardsPerRun = 1_000_000
    private static let shardsPerCell = 10_000

    private struct State {
        var folder: BenchFolder?
        var next = UInt64(runs)
    }

    private let state = Mutex(State())

    static func anyAttempt(_ random: inout SplitMix64) -> AttemptID {
        let number = Int.random(in: 0..<shardsPerRun, using: &random)
        let run = RunID(UInt64(Int.random(in: 1...runs, using: &random)))
        let shard = ShardID(run: run, job: 0, cell: number / shardsPerCell, shard: number % shardsPerCell)
        return AttemptID(shard: shard, number: 1)
    }

    /// A run that nothing was stored of yet.
    func nextRun() throws -> RunID {
        state.withLock { state in
            state.next += 1
            return RunID(state.next)
        }
    }

    /// Blocks for the minutes that filling takes, the first time.
    func folder(beside scratch: BenchFolder) throws -> String {
        if let made = state.withLock({ $0.folder }) { return made.path }
        let folder = try BenchFolder(in: scratch.path.parent)
        let store = try SQLiteStore(folder: folder.path)
        for run in 1...Self.runs {
            for start in stride(from: 0, to: Self.shardsPerRun, by: 20_000) {
                let changes = (start..<start + 20_000).flatMap {
                    Benchmark.life($0, of: RunID(UInt64(run)), cellShards: Self.shardsPerCell)
                }
                try store.commit(changes)
            }
        }
        state.withLock { $0.folder = folder }
        return folder.path
    }

    func remove() { state.withLock { $0.folder = nil } }
}

extension String {
    /// `/tmp` of `/tmp/a`.
    fileprivate var parent: String { lastIndex(of: "/").map { String(self[..<$0]) } ?? "." }
}
