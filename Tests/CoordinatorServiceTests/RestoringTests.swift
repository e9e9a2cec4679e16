import Foundation
import Model
import Scheduling
import Simulation
import Storage
import Testing
import Wire

@testable import CoordinatorService

/// A world's journal in the coordinator's own rows: what it stores, and how it reads that back.
private struct StoreJournal: Journaling {
    private var batches: [[Change]] = []
    private var runs: [(id: RunID, owner: Principal, plan: Plan, at: Instant)] = []

    mutating func commit(_ event: Farm.Event, at time: Instant, isNew: Bool) {
        guard isNew else { return }
        switch event {
        case .runSubmitted(let run, let owner, let plan, _): submit(run, owner, plan, at: time)
        case .runRerun(let run, let owner, let plan, _, let kept):
            submit(run, owner, plan, at: time)
            for decision in kept { keep(decision, of: plan, at: time) }
        case .runCancelled(let run, let by, let reason, let isForced):
            batches.append([.runCancelled(run, by: by, reason: reason, isForced: isForced, at: time)])
        case .jobResolved(let run, let job, let resolution):
            guard let plan = runs.first(where: { $0.id == run })?.plan else { return }
            batches.append([
                .jobResolved(
                    JobRecord(keeping: resolution, of: job, in: run, planned: plan.jobs[job], at: time))
            ])
        case .agentJoined, .agentDisconnected, .agentDraining, .agentReleased, .agentRemoved, .leasesRenewed,
            .attemptStarted, .offerDeclined, .attemptFinished, .timeReached, .resume:
            break
        }
    }

    private mutating func submit(_ run: RunID, _ owner: Principal, _ plan: Plan, at time: Instant) {
        runs.append((run, owner, plan, time))
        batches.append([
            .runSubmitted(
                RunRecord(
                    id: run, key: "\(run)", owner: owner, name: plan.name, file: plan.file, submittedAt: time,
                    tree: nil,
                    commit: "", request: [], plan: Proto.Plan(plan).encoded()))
        ])
    }

    private mutating func keep(_ decision: Farm.Decision, of plan: Plan, at time: Instant) {
        switch decision {
        case .jobResolved(let run, let job, let resolution, _):
            batches.append([
                .jobResolved(JobRecord(keeping: resolution, of: job, in: run, planned: plan.jobs[job], at: time))
            ])
        case .cellSharded(let cell, let shards, let items):
            commit(.cellSharded(cell, shards: shards, items: items), at: time)
        case .settled(let cell, let shards, let attempt, let cause):
            commit(.settled(cell, shards: shards, attempt: attempt, cause), at: time)
        case .cellEnded(let cell, let ending): commit(.cellEnded(cell, ending), at: time)
        case .jobEnded(let run, let job, let ending): commit(.jobEnded(run, job: job, ending, reason: ""), at: time)
        case .runSubmitted, .runCancelled, .leased, .attemptEnded, .used, .agentDraining:
            Issue.record("a rerun keeps \(decision)")
        }
    }

    mutating func commit(_ effect: Farm.Effect, at now: Instant) {
        guard let change = Change(keeping: effect, at: now) else { return }
        batches.append([change])
    }

    func decisions(of run: RunID) -> [Farm.Decision] { read { [run] _ in [run] } }
    func decisions(order: Int) -> [Farm.Decision] { read { $0 } }

    /// From a store that was told all of it; what it says is read as the coordinator reads it when it starts.
    private func read(_ which: ([RunID]) -> [RunID]) -> [Farm.Decision] {
        do {
            let store = MemoryStore()
            for batch in batches { try store.commit(batch) }
            return try which(runs.map(\.id)).flatMap { id -> [Farm.Decision] in
                let stored = try StoredDecisions(id, in: store)
                let record = stored.run.run
                var plan = try Proto.Plan(decoding: record.plan, limits: .large).meaning()
                return try stored.decisions(by: record.owner, &plan, priority: 0, at: record.submittedAt)
            }
        } catch {
            Issue.record("the store cannot be read back: \(error)")
            return []
        }
    }
}

/// The simulation with the coordinator's own rows under it.
@Suite struct `A farm restored from its store` {
    private static let isDeep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1"

    @Test func `keeps its promises in troubled worlds`() throws {
        var deaths = 0
        for seed in UInt64(0)..<(Self.isDeep ? 1_000 : 30) {
            let scenario = Scenario(seed: seed, trouble: seed % 2 == 0 ? .much : .some, isComparable: false)
            var world = World<Farm>(scenario, journal: StoreJournal())
            do throws(Violation) { try world.run() } catch { Issue.record("seed \(seed): \(error)") }
            deaths += world.deaths
        }
        #expect(deaths > 30, "the coordinator was killed \(deaths) times")
    }

    /// As calm worlds do that never die.
    @Test func `comes to what one comes to that never died`() throws {
        for seed in UInt64(0)..<(Self.isDeep ? 500 : 15) {
            var calm = World<Farm>(Scenario(seed: seed, trouble: .none, isComparable: true))
            try calm.run()
            var troubled = World<Farm>(
                Scenario(seed: seed, trouble: .much, isComparable: true), journal: StoreJournal())
            do throws(Violation) { try troubled.run() } catch { Issue.record("seed \(seed): \(error)") }
            #expect(calm.checker.tally == troubled.checker.tally, "seed \(seed)")
        }
    }
}
