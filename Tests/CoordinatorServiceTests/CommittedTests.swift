import Artifacts
import Foundation
import Locks
import Model
import Scheduling
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

/// A coordinator with a run of one shard that agent `a` has, before the commit that says so.
struct Doorway {
    let store = GatedStore()
    let coordinator: Coordinator
    let keeper: StoreKeeper
    let logs: LogStore
    let library: RunLibrary
    let folder: String
    private(set) var arrivals: AsyncStream<Int>.AsyncIterator
    static let run = RunID(1)
    static let attempt = AttemptID(shard: ShardID(run: run, job: 0, cell: 0, shard: 0), number: 1)
    static let owner = Principal(role: .user, name: "ada")
    static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            steps: [{run: "true"}]
        """

    static func prepared() throws -> PreparedRun {
        try PreparedRun(
            .with {
                $0.file = "eval.yml"
                $0.workflow = workflow
            }, run: run, by: owner, tree: nil)
    }

    init(_ before: [Change] = []) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        logs = LogStore(folder: folder)
        keeper = StoreKeeper(store, failed: { preconditionFailure("\($0)") })
        library = RunLibrary(keeper: keeper, store: try ObjectStore(at: folder + "-objects"), clock: FarmClock())
        coordinator = Coordinator(
            settings: Coordinator.Settings(), keeper: keeper, logs: logs, pulses: Pulses(), clock: FarmClock(),
            seed: 1,
            judge: { [library] in await library.judge($0) },
            hold: { _, _ in nil })
        arrivals = store.arrivals.makeAsyncIterator()
        if !before.isEmpty {
            store.letOne()
            await keeper.commit(before)
            _ = await arrivals.next()
        }
        let prepared = try Self.prepared()
        await coordinator.handle(
            .agentJoined(
                AgentID("a"), team: nil,
                capacity: Capacity(cpus: 4, memory: .gibibytes(4), labels: ["self-hosted"]), holds: []))
        // Ends once its commit was let through.
        Task { [coordinator] in await coordinator.submit(prepared, as: Self.run, key: "a key", by: Self.owner) }
        _ = await arrivals.next()
        #expect(await coordinator.holds(Self.attempt, AgentID("a")))
    }

    /// Lets the commit at the gate through, and waits for the next one.
    mutating func letOne() async {
        store.letOne()
        _ = await arrivals.next()
    }

    func finish(_ cause: Cause) async {
        await coordinator.handle(.attemptFinished(Self.attempt, by: AgentID("a"), cause, listed: nil))
    }

    /// Lets everything through until the run has ended.
    mutating func empty() async {
        while await coordinator.plan(of: Self.run) != nil {
            store.letOne()
            await Task.yield()
        }
        for path in [folder, folder + "-objects"] { try? FileManager.default.removeItem(atPath: path) }
    }
}

@Suite struct `Before a decision is stored` {
    /// Long enough for whatever would answer at once.
    private static func letOthersGo() async { for _ in 0..<200 { await Task.yield() } }

    @Test(.timeLimit(.minutes(10))) func `nobody hears that a run has ended, whether who watches or who cancels`()
        async throws
    {
        var doorway = try await Doorway()
        let coordinator = doorway.coordinator
        await doorway.finish(Cause(.userExit, code: 3))
        let answer = Mutex<Bool?>(nil)
        let cancel = Task {
            let isTaken = await coordinator.cancel(Doorway.run, reason: "", isForced: false, by: Doorway.owner)
            answer.withLock { $0 = isTaken }
        }
        await Self.letOthersGo()
        #expect(answer.withLock { $0 } == nil)
        var view = await coordinator.view(of: Doorway.run)
        #expect(view?.summary.state == "running")
        #expect(view?.notes == [])
        // The lease is stored; the end is not.
        await doorway.letOne()
        await Self.letOthersGo()
        #expect(answer.withLock { $0 } == nil)
        view = await coordinator.view(of: Doorway.run)
        #expect(view?.summary.state == "running" && view?.notes == [])
        doorway.store.letOne()
        await cancel.value
        #expect(answer.withLock { $0 } == false)
        view = await coordinator.view(of: Doorway.run)
        // Or its verdict is stored already.
        #expect(
            view.map { $0.notes.count == 1 && $0.notes[0].contains("user_exit (3)") } ?? true, "\(view?.notes ?? [])")
        await doorway.empty()
    }

    @Test(.timeLimit(.minutes(10))) func `whoever cannot wait for it is told so`() async throws {
        var doorway = try await Doorway()
        #expect(await doorway.coordinator.committed(within: .milliseconds(1)) == false)
        await doorway.finish(Cause(.passed))
        for _ in 0..<3 { doorway.store.letOne() }
        #expect(await doorway.coordinator.committed(within: .seconds(240)))
        await doorway.empty()
    }

    /// The farm has let go of a shard of which the store says that it is worked on.
    @Test(.timeLimit(.minutes(10))) func `an explanation says that it knows less than the farm`() async throws {
        var doorway = try await Doorway()
        let clock = FarmClock()
        var people = People(
            coordinator: doorway.coordinator, keeper: doorway.keeper, store: doorway.library.store, logs: doorway.logs,
            pulses: Pulses(), roster: Roster(authority: try Authority.make(), keeper: doorway.keeper, clock: clock),
            clock: clock, library: doorway.library,
            hosts: CodeHosts(), disconnect: { _, _, _ in })
        people.explainPatience = .milliseconds(1)
        let request = Proto.ExplainRequest.with { $0.run = Doorway.run.number }
        await doorway.finish(Cause(.userExit, code: 3))
        // The lease is stored; the end is not.
        await doorway.letOne()
        var lines = try await people.explain(request, Doorway.owner).lines
        #expect(lines.last?.contains("not stored yet") == true, "\(lines)")
        #expect(!lines.contains { $0.contains("user_exit (3)") }, "\(lines)")
        people.explainPatience = .minutes(4)
        for _ in 0..<3 { doorway.store.letOne() }
        lines = try await people.explain(request, Doorway.owner).lines
        #expect(lines.contains { $0.contains("user_exit (3)") }, "\(lines)")
        #expect(!lines.contains { $0.contains("not stored yet") }, "\(lines)")
        await doorway.empty()
    }

    /// The next one's lines must not go on in the file of one that was given up.
    @Test(.timeLimit(.minutes(10))) func `the log of an attempt whose number is given again is gone`() async throws {
        var doorway = try await Doorway()
        let old = Array("1 o of the one before\n".utf8)
        _ = try await doorway.logs.append(old, at: 0, of: Doorway.attempt)
        await doorway.coordinator.handle(
            .offerDeclined(Doorway.attempt, by: AgentID("a"), reason: "it has no room"))
        await doorway.letOne()
        #expect(try await doorway.logs.read(Doorway.attempt, from: 0, most: 100).isEmpty)
        let new = Array("2 o new\n".utf8)
        #expect(try await doorway.logs.append(new, at: 0, of: Doorway.attempt) == UInt64(new.count))
        #expect(try await doorway.logs.read(Doorway.attempt, from: 0, most: 100) == new)
        for event in await doorway.coordinator.endings(of: Doorway.run, by: "a test", "", isForced: true) {
            await doorway.coordinator.handle(event)
        }
        await doorway.empty()
    }
}

@Suite struct `A cache that an attempt has found` {
    private static func cache(_ repository: String, _ branch: String, _ byte: UInt8) throws -> CacheRecord {
        let digest = try #require(Digest([UInt8](repeating: byte, count: 32)))
        return CacheRecord(
            name: .init(repository: repository, branch: branch, key: "k\(byte)", paths: digest), manifest: digest,
            manifestBytes: 1, contentBytes: 1, savedAt: .seconds(1), usedAt: .seconds(1))
    }

    /// Nothing of what it found is in this coordinator's memory.
    @Test(.timeLimit(.minutes(10))) func `can be read after a restart, and no other one`() async throws {
        let own = "user ada\n"
        let records = [
            try Self.cache(own, "refs/heads/main", 1), try Self.cache(own, "refs/heads/other", 2),
            try Self.cache("user bob\n", "refs/heads/main", 3),
        ]
        var doorway = try await Doorway(records.map { .cacheSaved($0) })
        let agent = AgentID("a")
        var found: [Bool] = []
        for record in records {
            found.append(try await doorway.coordinator.mayFind(record.manifest, Doorway.attempt, agent))
        }
        #expect(found == [true, false, false])
        let readable = await doorway.coordinator.readable(by: Doorway.attempt, agent)
        #expect(readable == [records[0].manifest])
        #expect(try await doorway.coordinator.mayFind(records[0].manifest, Doorway.attempt, AgentID("b")) == false)
        await doorway.finish(Cause(.passed))
        await doorway.empty()
    }
}
