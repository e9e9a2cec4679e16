import Artifacts
import Client
import Glibc
import Locks
import Model
import Programs
import Transport
import Wire

extension Benchmark {
    /// A coordinator as a process of its own, and how it serves many agents at once.
    static let connections = [
        Benchmark(
            name: "agents.reconnect", unit: "ms",
            what: "1000 agents join at once a coordinator that was killed and started again, the last one's welcome"
        ) { scratch in try await reconnection(1000, in: scratch) },
        Benchmark(
            name: "agents.resident", unit: "bytes/agent",
            what: "resident memory of the coordinator's process for each of 1000 idle agents"
        ) { scratch in try await residence(1000, in: scratch) },
        Benchmark(
            name: "upload.heartbeat99", unit: "ms",
            what: "99th percentile of heartbeats answered, while 4 connections upload 256 MiB each"
        ) { scratch in try await underUploads(in: scratch) { Sample($0.heartbeats.quantile(0.99)) } },
        Benchmark(
            name: "upload.offer99", unit: "ms",
            what: "99th percentile of submissions, each until the agent has its offer, during the same"
        ) { scratch in try await underUploads(in: scratch) { Sample($0.offers.quantile(0.99)) } },
    ]

    /// Identities of agents that the farm knows, eight made at a time.
    private static func makeAgents(_ count: Int, by client: FarmClient) async throws -> [Identity] {
        try await withThrowingTaskGroup(of: [Identity].self) { group in
            for part in 0..<8 {
                group.addTask {
                    var made: [Identity] = []
                    for number in stride(from: part, to: count, by: 8) {
                        made.append(try await makeAgent("bench-\(number)", by: client))
                    }
                    return made
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// Connects all of them at once. Back when the last one was welcomed.
    private static func joinAll(
        _ identities: [Identity], at address: Address, on loop: EventLoop
    ) async throws -> [PassingAgent] {
        try await withThrowingTaskGroup(of: PassingAgent.self) { group in
            for identity in identities {
                group.addTask {
                    let agent = try await PassingAgent.join(address, identity, loop, labels: ["idle"])
                    guard try await agent.stream.receive(Proto.ToAgent.self) != nil else {
                        throw CommandFailure("the coordinator of the benchmark did not welcome an agent")
                    }
                    return agent
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private static func reconnection(_ count: Int, in scratch: BenchFolder) async throws -> Sample {
        let folder = try scratch.fresh("coordinator")
        let first = try await CoordinatorProcess.start(in: folder)
        defer { first.end() }
        let loop = try EventLoop(name: "bench")
        let (client, address, _) = try await first.admin(on: loop)
        let identities = try await makeAgents(count, by: client)
        let joined = try await joinAll(identities, at: address, on: loop)
        await first.die()
        for agent in joined { await agent.link.close() }
        await client.link.close()
        let second = try await CoordinatorProcess.start(in: folder, port: address.port)
        defer { second.end() }
        let began = ContinuousClock.now
        let again = try await joinAll(identities, at: address, on: loop)
        let taken = ContinuousClock.now - began
        for agent in again { await agent.link.close() }
        return Sample(taken.inSeconds * 1000)
    }

    private static func residence(_ count: Int, in scratch: BenchFolder) async throws -> Sample {
        let process = try await CoordinatorProcess.start(in: try scratch.fresh("coordinator"))
        defer { process.end() }
        let loop = try EventLoop(name: "bench")
        let (client, address, _) = try await process.admin(on: loop)
        let identities = try await makeAgents(count, by: client)
        let before = try process.residentBytes()
        let agents = try await joinAll(identities, at: address, on: loop)
        let after = try process.residentBytes()
        for agent in agents { await agent.link.close() }
        await client.link.close()
        return Sample(Double(after - before) / Double(count))
    }

    /// In milliseconds.
    private struct Served {
        var heartbeats: [Double] = []
        var offers: [Double] = []
    }

    private static func underUploads(
        in scratch: BenchFolder, _ figure: (Served) -> Sample
    ) async throws -> Sample {
        let process = try await CoordinatorProcess.start(in: try scratch.fresh("coordinator"))
        defer { process.end() }
        let loop = try EventLoop(name: "bench")
        let (client, address, identity) = try await process.admin(on: loop)
        let agent = try await PassingAgent.join(address, try await makeAgent("bench", by: client), loop)
        let uploaders = try await uploaders(to: address, as: identity, in: scratch)
        let isOver = Mutex(false)
        async let uploads: Void = withThrowingTaskGroup(of: Void.self) { group in
            defer { isOver.withLock { $0 = true } }
            for uploader in uploaders {
                group.addTask {
                    let scan = try TreeScan(of: Folder(at: uploader.source), .everything(except: []))
                    _ = try await Transfer(LinkObjects.submission(uploader.link)).upload(TreePlan(scan))
                }
            }
            try await group.waitForAll()
        }
        var served = Served()
        while !isOver.withLock({ $0 }) {
            for _ in 0..<4 { served.heartbeats.append(try await agent.beat(UInt64(served.heartbeats.count + 1))) }
            served.offers.append(try await agent.offered(by: client))
        }
        try await uploads
        for link in uploaders.map(\.link) + [agent.link, client.link] { await link.close() }
        return figure(served)
    }

    private struct Uploader: Sendable {
        var source: String
        var link: Link
    }

    private static func uploaders(
        to address: Address, as identity: Identity, in scratch: BenchFolder
    ) async throws -> [Uploader] {
        var uploaders: [Uploader] = []
        for number in 0..<4 {
            let source = try scratch.fresh("in-\(number)")
            try Files.write(noise(mebibytes << 20, seed: UInt64(number)), to: source + "/file")
            let loop = try EventLoop(name: "bench-\(number)")
            uploaders.append(
                Uploader(source: source, link: try await Link.connect(to: address, as: identity, on: loop)))
        }
        return uploaders
    }
}

extension PassingAgent {
    private static let clock = ContinuousClock()

    /// Tells that it lives, with nothing in hand.
    ///
    /// - Parameter number: one more than the last one's.
    /// - Returns: milliseconds until the farm has answered that.
    fileprivate func beat(_ number: UInt64) async throws -> Double {
        let began = Self.clock.now
        try await stream.send(Proto.FromAgent.with { $0.kind = .heartbeat(.with { $0.number = number }) })
        try await receive { if case .renewed(let renewed)? = $0.kind { renewed.number == number } else { false } }
        return (Self.clock.now - began).inSeconds * 1000
    }

    /// Submits a shard, and passes it.
    ///
    /// - Returns: milliseconds from its submission until it was offered.
    fileprivate func offered(by client: FarmClient) async throws -> Double {
        let began = Self.clock.now
        async let submitted = client.call(
            Proto.Farm.SubmitRun.self,
            .with {
                $0.file = "bench.yml"
                $0.workflow = Benchmark.workflow("\"true\"")
                $0.key = Submitting.newKey()
            })
        var attempt: Proto.AttemptRef?
        try await receive {
            if case .offer(let offer)? = $0.kind { attempt = offer.assignment?.attempt }
            return attempt != nil
        }
        let taken = (Self.clock.now - began).inSeconds * 1000
        _ = try await submitted
        guard let attempt else { throw CommandFailure("the coordinator of the benchmark offered nothing") }
        try await pass(attempt)
        return taken
    }

    /// Reads until the farm says it.
    private func receive(_ isIt: (Proto.ToAgent) -> Bool) async throws {
        while let message = try await stream.receive(Proto.ToAgent.self, limits: .large) {
            if isIt(message) { return }
        }
        throw CommandFailure("the coordinator of the benchmark closed the connection")
    }
}
