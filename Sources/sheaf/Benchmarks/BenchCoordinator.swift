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
    ]

    /// What shards took: by the clock, and of the coordinator's processor time in steps of 10 ms.
    private struct Work {
        var count: Int
        var taken: Duration
        var processor: Duration
    }

    private static func shards(
        _ count: Int, in scratch: BenchFolder, _ figure: (Work) -> Sample
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
        let before = try process.processorTime()
        let began = ContinuousClock.now
        try await run(workflow("\"true\"", shards: count), client)
        let taken = ContinuousClock.now - began
        let processor = try process.processorTime() - before
        for agent in agents { await agent.link.close() }
        await client.link.close()
        return figure(Work(count: count, taken: taken, processor: processor))
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
