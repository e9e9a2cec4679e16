import FaultyDisk
import Foundation
import Locks
import Model
import Scheduling
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

/// A disk below a store whose next operation can be held back, and let go again.
private final class HeldDisk: @unchecked Sendable {
    // The C side locks; what is here is set once.
    let raw: OpaquePointer
    private let isHolding = Mutex(false)
    private let gate = DispatchSemaphore(value: 0)
    /// An operation waits.
    let arrivals: AsyncStream<Void>
    private let arrived: AsyncStream<Void>.Continuation

    init() throws {
        raw = try #require(faulty_disk_make())
        (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        // The disk outlives its store, and this the disk.
        faulty_disk_watch(
            raw,
            { context in
                guard let context else { return }
                Unmanaged<HeldDisk>.fromOpaque(context).takeUnretainedValue().before()
            }, Unmanaged.passRetained(self).toOpaque())
    }

    var name: String { String(cString: faulty_disk_name(raw)) }
    func hold() { isHolding.withLock { $0 = true } }
    func letGo() {
        isHolding.withLock { $0 = false }
        gate.signal()
    }
    func breakDown() { faulty_disk_fail_from(raw, faulty_disk_operations(raw)) }

    /// On the writer's thread: the coordinator itself goes on.
    private func before() {
        guard isHolding.withLock({ $0 }) else { return }
        arrived.yield()
        gate.wait()
    }
}

/// A whole coordinator on a disk that can be held back; an agent and an admin on connections of their own.
private final class Farmyard {
    let disk: HeldDisk
    let folder: String
    let server: CoordinatorServer
    let agent: Link
    let person: Link
    let work: LinkStream
    private var arrivals: AsyncStream<Void>.AsyncIterator
    private var beats: UInt64 = 0

    init(failed: @escaping @Sendable (StorageError) -> Never = { preconditionFailure("\($0)") }) async throws {
        disk = try HeldDisk()
        arrivals = disk.arrivals.makeAsyncIterator()
        folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        let anywhere = Address(host: "127.0.0.1", port: 0)
        var settings = CoordinatorServer.Settings(state: folder, listen: [anywhere], enrolmentListen: [anywhere])
        settings.disk = disk.name
        // Nothing ends by itself while a commit is held back.
        settings.coordinator.farm.lease = .minutes(60)
        server = try await CoordinatorServer.start(settings, failed: failed)
        let loop = try EventLoop(name: "test-clients")
        agent = try await Link.connect(
            to: server.addresses[0], as: server.makeIdentity(for: Principal(role: .agent, name: "one")), on: loop)
        person = try await Link.connect(
            to: server.addresses[0], as: server.makeIdentity(for: Principal(role: .admin, name: "root")), on: loop)
        work = try await agent.open(Proto.Agents.Work.self)
        try await work.send(
            Proto.FromAgent.with {
                $0.kind = .joined(
                    .with {
                        $0.capacity = .with {
                            $0.cpus = 1
                            $0.labels = ["self-hosted"]
                        }
                    })
            })
        // That it has joined is stored, too.
        _ = try await person.call(
            Proto.Farm.CreateToken.self, .with { ($0.role, $0.name) = ("user", "alice") })
        #expect(try await told() == ["welcome"])
    }

    func end() async {
        await agent.close()
        await person.close()
        await server.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// All that the agent has been told by now. A heartbeat's answer waits for no commit, and comes behind what was sent before
    /// it; several of them, for whatever leaves by a task of its own.
    func told() async throws -> [String] {
        var told: [String] = []
        for _ in 0..<5 {
            beats += 1
            try await work.send(
                Proto.FromAgent.with { [beats] in $0.kind = .heartbeat(.with { $0.number = beats }) })
            while let message = try await work.receive(Proto.ToAgent.self) {
                if case .renewed(let renewed)? = message.kind, renewed.number == beats { break }
                told.append(Self.name(message))
            }
            // Answers to others leave by other connections.
            _ = try await person.call(Proto.Farm.ListAgents.self, .init())
        }
        return told
    }

    private static func name(_ message: Proto.ToAgent) -> String {
        switch message.kind {
        case .welcome: "welcome"
        case .offer(let offer): "offer \(offer.assignment?.attempt?.shard ?? -9)"
        case .recall(let recall): "recall \(recall.attempt?.shard ?? -9)"
        case .cancel(let cancel): "cancel \(cancel.attempt?.shard ?? -9)"
        case .forget(let forget): "forget \(forget.attempt?.shard ?? -9)"
        case .renewed: "renewed"
        case .drain(let drain): drain.undo ? "undrain" : "drain"
        case nil: "nothing"
        }
    }

    /// Asks something whose commit is held back: until that has ended nobody hears of it, neither who asked nor the agent.
    ///
    /// - Returns: the answer, and what the agent was told with it.
    func asking<Answer: Sendable>(
        _ what: String, then count: Int, _ ask: @escaping @Sendable (Farmyard.Links) async throws -> Answer
    ) async throws -> (answer: Answer, told: [String]) {
        disk.hold()
        let answered = Mutex(false)
        let links = Links(agent: agent, person: person)
        // Ends with the answer, which is waited for below.
        let asking = Task {
            let answer = try await ask(links)
            answered.withLock { $0 = true }
            return answer
        }
        _ = await arrivals.next()
        var told = try await told()
        #expect(told == [], "\(what): the agent was told of it before its commit")
        #expect(answered.withLock { !$0 }, "\(what): it was answered before its commit")
        disk.letGo()
        let answer = try await asking.value
        while told.count < count { told += try await self.told() }
        return (answer, told)
    }

    /// Who asks.
    struct Links: Sendable {
        let agent: Link
        let person: Link
    }

    static let submission = Proto.SubmitRunRequest.with {
        $0.file = "eval.yml"
        $0.workflow = """
            sheaf: 1
            on: workflow_dispatch
            jobs:
              eval:
                runs-on: self-hosted
                shards: 3
                retry: {attempts: 1}
                steps: [{run: "true"}]
            """
        $0.key = "a-key-of-this-test"
    }

    static func report(_ shard: Int32) -> Proto.AttemptReport {
        .with {
            $0.attempt = .with { ($0.run, $0.shard, $0.attempt) = (1, shard, 1) }
            $0.cause = "passed"
        }
    }
}

/// Stored before seen, of the real coordinator, from its connections down to its disk.
@Suite(.timeLimit(.minutes(10))) struct `What follows from a decision` {
    @Test func `leaves after its commit and never before`() async throws {
        let farm = try await Farmyard()
        let submitted = try await farm.asking("a submission", then: 1) {
            try await $0.person.call(Proto.Farm.SubmitRun.self, Farmyard.submission)
        }
        #expect(submitted.answer.run == 1 && submitted.told == ["offer 0"])
        // The next offer follows from the report, and is part of its commit.
        let reported = try await farm.asking("a report", then: 1) {
            try await $0.agent.call(Proto.Agents.Report.self, Farmyard.report(0))
        }
        #expect(reported.answer.counted && reported.told == ["offer 1"])
        // A report that comes again while it is being stored is answered no earlier than the first.
        let twice = try await farm.asking("a report, twice", then: 1) { links in
            async let first = links.agent.call(Proto.Agents.Report.self, Farmyard.report(1))
            async let second = links.agent.call(Proto.Agents.Report.self, Farmyard.report(1))
            return try await [first, second].map(\.counted)
        }
        #expect(twice.answer == [true, true] && twice.told == ["offer 2"])
        let drained = try await farm.asking("a drain", then: 1) {
            try await $0.person.call(Proto.Farm.DrainAgent.self, .with { $0.name = "one" })
        }
        #expect(drained.answer.agent?.state == "draining" && drained.told == ["drain"])
        let cancelled = try await farm.asking("a cancellation", then: 1) {
            try await $0.person.call(Proto.Farm.Cancel.self, .with { $0.run = 1 })
        }
        #expect(cancelled.told == ["cancel 2"])
        let made = try await farm.asking("a token", then: 0) {
            try await $0.person.call(Proto.Farm.CreateToken.self, .with { ($0.role, $0.name) = ("user", "bob") })
        }
        #expect(!made.answer.tokenFile.isEmpty)
        // The connection ends with it.
        let revoked = try await farm.asking("a revocation", then: 0) {
            try await $0.person.call(Proto.Farm.Revoke.self, .with { ($0.role, $0.name) = ("agent", "one") })
        }
        #expect(revoked.answer.certificates == 1)
        await #expect(throws: LinkError.self) { while try await farm.work.receive(Proto.ToAgent.self) != nil {} }
        await farm.end()
    }

    /// Whether anything of it is on the disk nobody knows: the process ends, and has told nobody.
    @Test(arguments: [false, true]) func `never leaves when its commit fails`(isReport: Bool) async {
        // What a closure in another process may read.
        if isReport {
            await #expect(processExitsWith: .exitCode(9)) { try await Self.failing(isReport: true) }
        } else {
            await #expect(processExitsWith: .exitCode(9)) { try await Self.failing(isReport: false) }
        }
    }

    private static func failing(isReport: Bool) async throws {
        let (failures, failed) = AsyncStream.makeStream(of: StorageError.self)
        // The writer's thread goes no further, as at the end of a process; everything else of it goes on a while.
        let farm = try await Farmyard(failed: { error in
            failed.yield(error)
            while true { sleep(1_000) }
        })
        if isReport {
            _ = try await farm.person.call(Proto.Farm.SubmitRun.self, Farmyard.submission)
            guard try await farm.told() == ["offer 0"] else { exit(1) }
        }
        farm.disk.breakDown()
        let answered = Mutex(false)
        let links = Farmyard.Links(agent: farm.agent, person: farm.person)
        // Never answered: this process ends first.
        Task {
            if isReport {
                _ = try? await links.agent.call(Proto.Agents.Report.self, Farmyard.report(0))
            } else {
                _ = try? await links.person.call(Proto.Farm.SubmitRun.self, Farmyard.submission)
            }
            answered.withLock { $0 = true }
        }
        for await error in failures {
            guard !error.isPassing else { exit(2) }
            break
        }
        guard try await farm.told() == [] else { exit(3) }
        exit(answered.withLock { $0 } ? 4 : 9)
    }
}
