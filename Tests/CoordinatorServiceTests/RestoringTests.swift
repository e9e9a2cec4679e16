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
    /// Which run another one reruns.
    private let reruns: [RunID: RunID]
    /// What attempts gave to others, taken as their ends came.
    private var handedOn: [RunID: HandedOn] = [:]
    /// Attempts that ended otherwise than passed, with a report.
    private var failed: Set<AttemptID> = []

    init(_ scenario: Scenario) {
        reruns = Dictionary(
            uniqueKeysWithValues: scenario.submissions.compactMap { submission in
                submission.reruns.map { (submission.run, $0) }
            })
    }

    mutating func commit(_ event: Farm.Event, at time: Instant, isNew: Bool) {
        guard isNew else { return }
        switch event {
        case .runSubmitted(let run, let owner, let plan, _): submit(run, owner, plan, at: time)
        case .runRerun(let run, let owner, let plan, _, let kept):
            submit(run, owner, plan, at: time)
            keep(kept, of: run, plan, at: time)
        case .runCancelled(let run, let by, let reason, let isForced):
            batches.append([.runCancelled(run, by: by, reason: reason, isForced: isForced, at: time)])
        case .jobResolved(let run, let job, let resolution):
            guard let place = runs.firstIndex(where: { $0.id == run }) else { return }
            batches.append([
                .jobResolved(
                    JobRecord(
                        keeping: resolution, of: job, in: run, planned: runs[place].plan.jobs[job], at: time))
            ])
            if case .cells(let cells, _, _, _) = resolution { runs[place].plan.jobs[job].cells = cells }
        case .cellsStopped(let run, let job, let cells, let reason):
            let stopped = cells.map { CellID(run: run, job: job, cell: $0) }
            batches.append([.cellsStopped(stopped, group: "g", reason: reason)])
        case .agentJoined, .agentDisconnected, .agentDraining, .agentPooled, .devicesLooked, .agentReleased,
            .agentRemoved, .leasesRenewed, .attemptStarted, .environmentEntered, .offerDeclined, .attemptFinished,
            .cellsReleased, .timeReached, .resume:
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

    /// By the rows that a coordinator stores of a rerun. Read back, they are what the farm was told.
    private mutating func keep(_ kept: [Farm.Decision], of run: RunID, _ plan: Plan, at time: Instant) {
        do {
            guard let earlier = reruns[run] else { throw RecoveryError("\(run) reruns none") }
            var stored = try StoredDecisions(earlier, in: store())
            var known = plan
            let all = try stored.decisions(
                by: stored.run.run.owner, &known, priority: 0, at: stored.run.run.submittedAt)
            stored.keep(Rerun(of: all, needs: plan.jobs.map(\.needs)), as: run, at: time)
            batches.append(stored.changes)
            handedOn[run] = try stored.handedOn(in: known)
            if let place = runs.firstIndex(where: { $0.id == run }) { runs[place].plan = known }
            #expect(
                decisions(of: run).dropFirst() == kept[...], "the farm that was restored of \(run) knows something else"
            )
        } catch {
            Issue.record("what \(run) keeps cannot be stored: \(error)")
        }
    }

    mutating func commit(_ effect: Farm.Effect, at now: Instant) {
        var report: [UInt8] = []
        if case .attemptEnded(let attempt, let cause, _, _) = effect, cause.kind != .lostAgent {
            report = Self.report(attempt).encoded()
            if cause.kind == .passed { take(attempt, hasPassed: true) } else { failed.insert(attempt) }
        }
        // What failed has a say when it is its shard's last word.
        if case .settled(let cell, let shards, let number, let cause) = effect, cause.kind != .passed {
            for shard in shards {
                let attempt = AttemptID(shard: ShardID(cell: cell, shard: shard), number: number)
                if failed.contains(attempt) { take(attempt, hasPassed: false) }
            }
        }
        guard let change = Change(keeping: effect, at: now, report: report) else { return }
        batches.append([change])
    }

    private mutating func take(_ attempt: AttemptID, hasPassed: Bool) {
        guard let plan = runs.first(where: { $0.id == attempt.run })?.plan else { return }
        handedOn[attempt.run, default: HandedOn(of: attempt.run)].take(
            Self.report(attempt), of: attempt, hasPassed: hasPassed, in: plan)
    }

    /// Attempts that do not agree: what of them counts must not be a matter of when they ended.
    private static func report(_ attempt: AttemptID) -> Proto.AttemptReport {
        .with {
            $0.attempt = Proto.AttemptRef(attempt)
            $0.outputs = ["all": "\(attempt)", "odd": attempt.shard.shard % 2 == 1 ? "\(attempt)" : ""]
            $0.artifacts = [.with { $0.name = "of \(attempt)" }]
        }
    }

    func decisions(of run: RunID) -> [Farm.Decision] { read { [run] _ in [run] } }
    func decisions(order: Int) -> [Farm.Decision] { read { $0 } }

    private func store() throws -> MemoryStore {
        let store = MemoryStore()
        for batch in batches { try store.commit(batch) }
        return store
    }

    /// From a store that was told all of it; what it says is read as the coordinator reads it when it starts.
    private func read(_ which: ([RunID]) -> [RunID]) -> [Farm.Decision] {
        do {
            let store = try store()
            return try which(runs.map(\.id)).flatMap { id -> [Farm.Decision] in
                let stored = try StoredDecisions(id, in: store)
                let record = stored.run.run
                var plan = try Proto.Plan(decoding: record.plan, limits: .large).meaning()
                let decisions = try stored.decisions(by: record.owner, &plan, priority: 0, at: record.submittedAt)
                #expect(
                    try stored.handedOn(in: plan) == handedOn[id] ?? HandedOn(of: id),
                    "attempts of \(id) hand on something else than they did before the restart")
                return decisions
            }
        } catch {
            Issue.record("the store cannot be read back: \(error)")
            return []
        }
    }
}

/// The simulation with the coordinator's own rows under it. It gives way between two seeds: beside it run tests that wait for a
/// real coordinator, and a thousand seeds in one go would keep every thread from them.
@Suite struct `A farm restored from its store` {
    private static let isDeep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1"

    @Test func `keeps its promises in troubled worlds`() async throws {
        var deaths = 0
        for seed in UInt64(0)..<(Self.isDeep ? 1_000 : 30) {
            let scenario = Scenario(seed: seed, trouble: seed % 2 == 0 ? .much : .some, isComparable: false)
            var world = World<Farm>(scenario, journal: StoreJournal(scenario))
            do throws(Violation) { try world.run() } catch { Issue.record("seed \(seed): \(error)") }
            deaths += world.deaths
            await Task.yield()
        }
        #expect(deaths > 30, "the coordinator was killed \(deaths) times")
    }

    /// As calm worlds do that never die.
    @Test func `comes to what one comes to that never died`() async throws {
        for seed in UInt64(0)..<(Self.isDeep ? 500 : 15) {
            var calm = World<Farm>(Scenario(seed: seed, trouble: .none, isComparable: true))
            try calm.run()
            let scenario = Scenario(seed: seed, trouble: .much, isComparable: true)
            var troubled = World<Farm>(scenario, journal: StoreJournal(scenario))
            do throws(Violation) { try troubled.run() } catch { Issue.record("seed \(seed): \(error)") }
            #expect(calm.checker.tally == troubled.checker.tally, "seed \(seed)")
            await Task.yield()
        }
    }
}
