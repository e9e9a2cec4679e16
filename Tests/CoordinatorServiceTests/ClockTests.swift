import Artifacts
import Foundation
import Model
import Scheduling
import Storage
import Testing

@testable import CoordinatorService

/// Coordinators one after the other on one store, each by a clock of its own.
@Suite(.timeLimit(.minutes(10))) struct `A coordinator whose clock was set while none ran` {
    private static let noon = Instant.seconds(1_700_000_000)
    private static let hour = Duration.seconds(3_600)
    private static let run = RunID(1)
    private static let cell = CellID(run: run, job: 0, cell: 0)
    private static let agent = AgentID("a")

    private final class Home {
        let storage = MemoryStore()
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        let objects: ObjectStore

        init() throws {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            objects = try ObjectStore(at: folder + "/objects")
        }
        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func start(at wall: Instant) async throws -> Coordinator {
            let keeper = StoreKeeper(storage, failed: { preconditionFailure("\($0)") })
            let coordinator = Coordinator(
                settings: Coordinator.Settings(), keeper: keeper, logs: LogStore(folder: folder + "/logs"),
                pulses: Pulses(), clock: FarmClock(start: wall), seed: 1,
                judge: { _ in preconditionFailure("nothing is judged here") },
                hold: { _, _ in preconditionFailure("nothing waits for gates here") })
            #expect(try await coordinator.recover(trees: objects) == [])
            return coordinator
        }

        func submit(to coordinator: Coordinator) async throws {
            #expect(try await coordinator.reserveRun() == run)
            _ = await coordinator.submit(try Doorway.prepared(), as: run, key: "a key", by: Doorway.owner)
        }
    }

    /// What a run keeps of an earlier one was leased before it was submitted; its own attempts never look so.
    @Test(arguments: [-1, 1]) func `takes no attempt for one that was kept from an earlier run`(
        hours: Int
    )
        async throws
    {
        let home = try Home()
        try await home.submit(to: try await home.start(at: Self.noon))
        let second = try await home.start(at: Self.noon.advanced(by: Self.hour * hours))
        let attempt = AttemptID(shard: ShardID(cell: Self.cell, shard: 0), number: 1)
        await second.handle([
            .agentJoined(
                Self.agent, team: nil,
                capacity: Capacity(cpus: 4, memory: .gibibytes(4), labels: ["self-hosted"]), holds: []),
            .attemptFinished(attempt, by: Self.agent, Cause(.gpuFault), listed: nil),
        ])
        await second.committed()
        let stored = try StoredDecisions(Self.run, in: home.storage)
        #expect(stored.attempts.count == 1)
        #expect(stored.attempts.allSatisfy { $0.lease.at >= stored.run.run.submittedAt }, "\(stored.attempts)")
        let standing = await second.farm.standing(of: Self.run, at: Self.noon)
        let third = try await home.start(at: Self.noon)
        #expect(standing?.first?.contains(" 1 retries of ") == true, "\(standing ?? [])")
        #expect(await third.farm.standing(of: Self.run, at: Self.noon)?.first == standing?.first)
    }

    /// A clock that was set forward has not let anybody wait; nor has the time in which no coordinator was there.
    @Test(arguments: [-1, 1, 24]) func `ends nothing in the queue for that`(hours: Int) async throws {
        let home = try Home()
        try await home.submit(to: try await home.start(at: Self.noon))
        let second = try await home.start(at: Self.noon.advanced(by: Self.hour * hours))
        let left = try #require(await second.farm.queueTimeLeft(of: Self.cell))
        #expect(left > .minutes(58) && left <= .minutes(60), "\(left)")
    }
}

extension Coordinator {
    /// All of them before anything of the first leaves: no connection is here that an offer could go to.
    fileprivate func handle(_ events: [Farm.Event]) { for event in events { handle(event) } }
}
