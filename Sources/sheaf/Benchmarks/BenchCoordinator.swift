import Artifacts
import Client
import Glibc
import Model
import Programs
import Transport
import Wire

extension Benchmark {
    /// A coordinator as a process of its own, with its store on the disk; here are its agents, over mutual TLS, who run nothing:
    /// each attempt that they are offered has passed.
    static let coordinator = [
        Benchmark(
            name: "coordinator.shards", unit: "shards/s", what: "4 agents with 64 attempts each that pass at once"
        ) { scratch in try await shards(8_000, in: scratch) { Sample(work: Double($0.count), taken: $0.taken) } },
        Benchmark(
            name: "coordinator.cpu", unit: "µs/shard", what: "the coordinator's processor time, of the same work"
        ) { scratch in
            try await shards(8_000, in: scratch) { Sample($0.processor.inSeconds * 1e6 / Double($0.count)) }
        },
        Benchmark(
            name: "coordinator.cpu1m", unit: "µs/shard", what: "the same beside 1 000 000 shards that wait for an agent"
        ) { scratch in
            try await shards(8_000, beside: 1_000_000, in: scratch) {
                Sample($0.processor.inSeconds * 1e6 / Double($0.count))
            }
        },
        Benchmark(
            name: "coordinator.queued", unit: "bytes/shard",
            what: "resident memory of the coordinator's process for each of 1 000 000 queued shards of 100 cells"
        ) { scratch in
            try await shards(100, beside: 1_000_000, in: scratch) { Sample(Double($0.resident) / 1e6) }
        },
    ]

    /// What shards took: by the clock, and of the coordinator's processor time in steps of 10 ms.
    private struct Work {
        var count: Int
        var taken: Duration
        var processor: Duration
        /// What the coordinator's process holds in memory for the shards that wait, in bytes.
        var resident: Int
    }

    /// Shards that no agent can take, in cells of 10 000.
    private static func queue(_ count: Int, _ client: FarmClient) async throws {
        let cells = (0..<max(1, count / 10_000)).map(String.init).joined(separator: ", ")
        _ = try await client.call(
            Proto.Farm.SubmitRun.self,
            .with {
                $0.file = "waiting.yml"
                $0.workflow = """
                    sheaf: 1
                    on: {workflow_dispatch: {}}
                    jobs:
                      wait:
                        runs-on: [self-hosted, no-agent-has-this]
                        strategy: {matrix: {cell: [\(cells)]}}
                        shards: 10000
                        steps: [{run: "true"}]
                    """
                $0.key = Submitting.newKey()
            })
    }

    private static func shards(
        _ count: Int, beside queued: Int = 0, in scratch: BenchFolder, _ figure: (Work) -> Sample
    ) async throws -> Sample {
        let folder = try scratch.fresh("coordinator")
        let process = try await CoordinatorProcess.start(in: folder)
        defer { process.end() }
        let loop = try EventLoop(name: "bench")
        let (client, address, _) = try await process.admin(on: loop)
        var agents: [PassingAgent] = []
        for number in 0..<4 {
            let identity = try await makeAgent("bench-\(number)", by: client)
            agents.append(try await PassingAgent.join(address, identity, loop))
        }
        let work = Task { [agents] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for agent in agents { group.addTask { try await agent.pass() } }
                try await group.waitForAll()
            }
        }
        defer { work.cancel() }
        // Once all that a first run brings into memory is there.
        try await run(workflow("\"true\"", shards: 100), client)
        let residentBefore = try process.residentBytes()
        if queued > 0 { try await queue(queued, client) }
        let resident = try process.residentBytes() - residentBefore
        let before = try process.processorTime()
        let began = ContinuousClock.now
        try await run(workflow("\"true\"", shards: count), client)
        let taken = ContinuousClock.now - began
        let processor = try process.processorTime() - before
        for agent in agents { await agent.link.close() }
        await client.link.close()
        return figure(Work(count: count, taken: taken, processor: processor, resident: resident))
    }

    /// An identity of an agent of the farm, as its owner gives one.
    static func makeAgent(_ name: String, by client: FarmClient) async throws -> Identity {
        let made = try await client.call(
            Proto.Farm.CreateToken.self,
            .with {
                $0.role = "agent"
                $0.name = name
            })
        return try await Enrolling.enrol(tokenFile: made.tokenFile).identity
    }
}

/// An agent that works on nothing and reports that all went well.
struct PassingAgent {
    let link: Link
    let stream: LinkStream

    static func join(
        _ address: Address, _ identity: Identity, _ loop: EventLoop, labels: [String] = ["self-hosted"]
    ) async throws -> Self {
        let link = try await Link.connect(to: address, as: identity, on: loop)
        let stream = try await link.open(Proto.Agents.Work.self)
        try await stream.send(
            Proto.FromAgent.with {
                $0.kind = .joined(
                    .with {
                        $0.capacity = .with {
                            $0.cpus = 64
                            $0.memoryBytes = 1 << 40
                            $0.labels = labels
                        }
                        $0.software = Help.version
                        $0.incarnation = "bench"
                    })
            })
        return Self(link: link, stream: stream)
    }

    /// Until the connection ends.
    func pass() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            while let message = try await stream.receive(Proto.ToAgent.self, limits: .large) {
                guard case .offer(let offer)? = message.kind, let attempt = offer.assignment?.attempt else { continue }
                group.addTask { try await pass(attempt) }
            }
            try await group.waitForAll()
        }
    }

    /// Has worked on one, and says how it went.
    func pass(_ attempt: Proto.AttemptRef) async throws {
        let now = Instant.wallClock().nanoseconds
        try await stream.send(
            Proto.FromAgent.with {
                $0.kind = .started(
                    .with {
                        $0.attempt = attempt
                        $0.at = now
                    })
            })
        _ = try await link.call(
            Proto.Agents.Report.self,
            .with {
                $0.attempt = attempt
                $0.cause = Cause.Kind.passed.rawValue
                $0.startedAt = now
                $0.endedAt = now
            })
    }
}
