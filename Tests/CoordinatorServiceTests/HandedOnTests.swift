import Artifacts
import Model
import Scheduling
import Storage
import Testing
import Wire

@testable import CoordinatorService

/// What attempts give to others: outputs, artifacts, listings.
@Suite struct `What attempts hand on` {
    private static let run = RunID(1)
    private static let plan = Plan(
        name: "test", file: "test.yml",
        jobs: [
            PlannedJob(
                id: "eval", cells: ["a", "b", "c"].map { PlannedCell(id: $0, name: $0) }, shards: ShardPlan(count: 3)),
            PlannedJob(id: "report", needs: [0], cells: [PlannedCell(id: "only", name: "only")]),
        ])

    private struct Ended {
        var cell: Int
        var shard: Int
        var hasPassed = true
        var outputs: [String: String] = [:]

        var attempt: AttemptID {
            AttemptID(shard: ShardID(run: run, job: 0, cell: cell, shard: shard), number: 1)
        }
        var report: Proto.AttemptReport {
            .with {
                $0.outputs = outputs
                $0.artifacts = [.with { $0.name = "\(cell)/\(shard)" }]
            }
        }
    }

    private static func taken(_ ended: [Ended]) -> HandedOn {
        var handedOn = HandedOn(of: run)
        for end in ended { handedOn.take(end.report, of: end.attempt, hasPassed: end.hasPassed, in: plan) }
        return handedOn
    }

    private static func outputs(_ handedOn: HandedOn, cell: Int? = nil) -> [String] {
        let members =
            cell.map { handedOn.outputs(of: CellID(run: run, job: 0, cell: $0)) } ?? handedOn.outputs(of: 0)
        return members.map { "\($0.key)=\($0.value.string ?? "")" }
    }

    @Test func `is the later cell's word, and of a cell that of the first shard that passed`() {
        let ended = [
            Ended(cell: 1, shard: 2, outputs: ["x": "b", "y": "of b"]),
            Ended(cell: 0, shard: 0, outputs: ["x": "a"]),
            Ended(cell: 1, shard: 0, hasPassed: false, outputs: ["x": "failed", "z": "only"]),
            // An empty one is none.
            Ended(cell: 2, shard: 0, outputs: ["x": ""]),
        ]
        let handedOn = Self.taken(ended)
        #expect(Self.outputs(handedOn) == ["x=b", "y=of b", "z=only"])
        #expect(Self.outputs(handedOn, cell: 0) == ["x=a"])
        #expect(handedOn.artifacts.map { $0.name } == ["0/0", "1/0", "1/2", "2/0"])
    }

    /// A run has up to a million shards, and all of this is held until it ends.
    @Test func `takes a hundred bytes a shard, and none where no job needs them`() {
        #expect(MemoryLayout<HandedOn.Artifact>.stride <= 96)
        var handedOn = HandedOn(of: Self.run)
        for job in [0, 1] {
            let attempt = AttemptID(shard: ShardID(run: Self.run, job: job, cell: 0, shard: 0), number: 1)
            handedOn.take(
                .with { $0.artifacts = [.with { $0.name = "job \(job)" }] }, of: attempt, hasPassed: true, in: Self.plan
            )
        }
        #expect(handedOn.artifacts.map(\.name) == ["job 0"])
    }

    @Test func `is a mistake where a shard that passes says something else than another one of its cell`() {
        let handedOn = Self.taken([
            Ended(cell: 0, shard: 1, outputs: ["x": "1"]), Ended(cell: 1, shard: 0, outputs: ["x": "2"]),
        ])
        let other = Ended(cell: 0, shard: 0, outputs: ["x": "2"])
        #expect(handedOn.disagreement(of: other.report, other.attempt)?.evidence.contains("in shard 1") == true)
        let same = Ended(cell: 0, shard: 2, outputs: ["x": "1", "y": "3"])
        #expect(handedOn.disagreement(of: same.report, same.attempt) == nil)
    }

    @Test func `is the same in whatever order they ended`() {
        var random = SplitMix64(seed: 7)
        let all = (0..<9).map { number in
            Ended(
                cell: number / 3, shard: number % 3, hasPassed: number % 4 != 1,
                outputs: ["x": number % 5 == 2 ? "" : "\(number)", "y\(number % 2)": "\(number)"])
        }
        let inPlace = Self.taken(all)
        for _ in 0..<200 { #expect(Self.taken(all.shuffled(using: &random)) == inPlace) }
    }

    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          list:
            runs-on: self-hosted
            outputs: {models: "${{ steps.s.outputs.models }}"}
            steps: [{id: s, run: "true"}]
          train:
            needs: list
            runs-on: self-hosted
            strategy: {matrix: {model: "${{ fromJSON(needs.list.outputs.models) }}"}}
            outputs: {best: "${{ steps.s.outputs.best }}"}
            steps: [{id: s, run: "true"}]
          eval:
            needs: train
            runs-on: self-hosted
            steps: [{run: "true"}]
        """

    /// As little as it may need: a digest is no secret, so knowing one must not be enough.
    @Test func `is read by attempts of jobs that need it, and by nobody of another run`() throws {
        let owner = Principal(role: .user, name: "ada")
        func live(_ run: RunID) throws -> LiveRun {
            let prepared = try PreparedRun(
                .with {
                    $0.file = "train.yml"
                    $0.workflow = Self.workflow + "\n  apart:\n    runs-on: self-hosted\n    steps: [{run: \"true\"}]\n"
                }, run: run, by: owner, tree: nil)
            var live = LiveRun(id: run, owner: owner, submittedAt: .seconds(1), prepared: prepared)
            live.plan.jobs[1].cells = [PlannedCell(id: "a", name: "a")]
            for job in live.plan.jobs.indices {
                let attempt = AttemptID(shard: ShardID(run: run, job: job, cell: 0, shard: 0), number: 1)
                let report = Proto.AttemptReport.with {
                    $0.artifacts = [.with { $0.manifest = .with { $0.digest = Self.digest(run, job).bytes } }]
                }
                live.handedOn.take(report, of: attempt, hasPassed: true, in: live.plan)
            }
            return live
        }
        for number in [UInt64(1), 2] {
            let run = try live(RunID(number))
            #expect(run.plan.jobs.map(\.id) == ["list", "train", "eval", "apart"])
            let expected = [[], [0], [0, 1], []]
            for job in run.plan.jobs.indices {
                let read = run.readable(by: CellID(run: run.id, job: job, cell: 0))
                #expect(read == Set(expected[job].map { Self.digest(run.id, $0) }), "\(run.plan.jobs[job].id)")
            }
        }
    }

    private static func digest(_ run: RunID, _ job: Int) -> Digest { Digest(hashing: Array("\(run) \(job)".utf8)) }

    /// Through the rows that are stored: a job whose cells became known late, and ended in an order of their own.
    @Test func `survives a restart`() throws {
        let owner = Principal(role: .user, name: "ada")
        let prepared = try PreparedRun(
            .with {
                $0.file = "train.yml"
                $0.workflow = Self.workflow
            }, run: Self.run, by: owner, tree: nil)
        var live = LiveRun(id: Self.run, owner: owner, submittedAt: .seconds(1), prepared: prepared)
        var changes: [Change] = [
            .runSubmitted(
                RunRecord(
                    id: Self.run, key: "key", owner: owner, name: "train", file: "train.yml", submittedAt: .seconds(1),
                    tree: nil, commit: "", request: prepared.request.encoded(),
                    plan: Proto.Plan(prepared.plan).encoded()))
        ]
        func resolve(_ job: Int, _ cells: [PlannedCell], at now: Instant) {
            let resolution = Farm.Resolution.cells(cells, failFast: true, maxParallel: nil)
            changes.append(
                .jobResolved(
                    JobRecord(
                        keeping: resolution, of: job, in: Self.run, planned: live.plan.jobs[job], at: now)))
            live.plan.jobs[job].cells = cells
            changes += cells.indices.map { cell in
                .cellSharded(CellID(run: Self.run, job: job, cell: cell), shards: 1, items: nil, listing: nil)
            }
        }
        func end(_ job: Int, _ cell: Int, at now: Instant, _ outputs: [String: String]) {
            let attempt = AttemptID(shard: ShardID(run: Self.run, job: job, cell: cell, shard: 0), number: 1)
            let report = Proto.AttemptReport.with {
                $0.attempt = Proto.AttemptRef(attempt)
                $0.outputs = outputs
                $0.artifacts = [.with { $0.name = "\(job)/\(cell)" }]
            }
            changes += [
                .attemptLeased(
                    LeaseRecord(
                        attempt: attempt, agent: AgentID("a"), devices: [], cpus: 1, memory: ByteCount(0),
                        at: .seconds(2), until: .seconds(60))),
                .attemptEnded(
                    AttemptEnding(
                        attempt: attempt, at: now, cause: Cause(.passed), retryAt: nil, why: "it passed",
                        report: report.encoded())),
            ]
            live.take(report, of: attempt, hasPassed: true)
        }
        resolve(0, [PlannedCell(id: "only", name: "list")], at: .seconds(2))
        end(0, 0, at: .seconds(3), ["models": #"["x", "y", "z"]"#])
        resolve(1, ["x", "y", "z"].map { PlannedCell(id: $0, name: $0) }, at: .seconds(4))
        // The last one ends first.
        for (second, cell) in [2, 0, 1].enumerated() {
            end(1, cell, at: .seconds(Int64(5 + second)), ["best": "of \(cell)"])
        }
        let store = MemoryStore()
        try store.commit(changes)

        var restored = LiveRun(id: Self.run, owner: owner, submittedAt: .seconds(1), prepared: prepared)
        _ = try StoredDecisions(Self.run, in: store).decisions(into: &restored)
        #expect(restored.handedOn == live.handedOn)
        #expect(restored.handedOn.artifacts.map { $0.name } == ["0/0", "1/0", "1/1", "1/2"])
        #expect(restored.handedOn.outputs(of: 1).map { $0.value.string } == ["of 2"])
    }

    /// The laggard ran into its limit, and the second attempt passed: only that one's words are the shard's.
    @Test func `is of two attempts the one's that counts, after a restart as before`() throws {
        var planned = Plan(
            name: "test", file: "test.yml",
            jobs: [
                PlannedJob(id: "eval", cells: [PlannedCell(id: "only", name: "only")], isIdempotent: true),
                PlannedJob(id: "report", needs: [0], cells: nil),
            ])
        let owner = Principal(role: .user, name: "ada")
        let cell = CellID(run: Self.run, job: 0, cell: 0)
        func attempt(_ number: Int) -> AttemptID {
            AttemptID(shard: ShardID(cell: cell, shard: 0), number: number)
        }
        let resolution = Farm.Resolution.cells(
            planned.jobs[0].cells ?? [], failFast: true, maxParallel: nil)
        var changes: [Change] = [
            .runSubmitted(
                RunRecord(
                    id: Self.run, key: "key", owner: owner, name: "test", file: "test.yml", submittedAt: .seconds(1),
                    tree: nil, commit: "", request: [], plan: Proto.Plan(planned).encoded())),
            .jobResolved(
                JobRecord(keeping: resolution, of: 0, in: Self.run, planned: planned.jobs[0], at: .seconds(2))),
            .cellSharded(cell, shards: 1, items: nil, listing: nil),
        ]
        for (number, cause) in [(1, Cause(.timeout)), (2, Cause(.passed))] {
            let beside = number == 2 ? Farm.Lease.Beside(number: 1, why: "it lags") : nil
            let lease = Farm.Lease(
                attempt: attempt(number), agent: AgentID("a\(number)"), devices: [], cpus: 1, memory: nil,
                at: .seconds(2), until: .seconds(60), beside: beside)
            let report = Proto.AttemptReport.with {
                $0.outputs = ["of": "\(number)", "only of \(number)": "x"]
                $0.artifacts = [.with { $0.name = "\(number)" }]
            }
            changes += [
                try #require(Change(keeping: .leased(lease), at: .seconds(2))),
                .attemptEnded(
                    AttemptEnding(
                        attempt: attempt(number), at: .seconds(Int64(100 + number)), cause: cause, retryAt: nil,
                        why: "", report: report.encoded())),
            ]
        }
        changes.append(
            .shardsSettled(
                SettlementRecord(cell: cell, first: 0, last: 0, attempt: 2, cause: Cause(.passed), at: .seconds(102))))
        let store = MemoryStore()
        try store.commit(changes)
        let stored = try StoredDecisions(Self.run, in: store)
        let handedOn = try stored.handedOn(in: planned)
        #expect(Self.outputs(handedOn) == ["of=2", "only of 2=x"])
        #expect(handedOn.artifacts.map(\.attempt) == [2])
        // What the farm is told names the second attempt as such, and how long it took.
        let decisions = try stored.decisions(by: owner, &planned, priority: 0, at: .seconds(1))
        let besides = decisions.compactMap {
            if case .leased(let lease, _) = $0 { lease.beside?.number ?? 0 } else { nil }
        }
        #expect(besides == [0, 1])
        #expect(decisions.contains(.attemptTook(attempt(2), .seconds(100))))
        #expect(planned.jobs[0].isIdempotent)
    }
}

/// What a run that keeps results of another is charged for.
@Suite struct `A rerun of what failed` {
    private static let owner = Principal(role: .user, name: "ada")
    private static let plan = Plan(
        name: "test", file: "test.yml",
        jobs: [
            PlannedJob(
                id: "eval", cells: [PlannedCell(id: "only", name: "only")], shards: ShardPlan(count: 3),
                retry: RetryPolicy(attemptsMax: 3))
        ])

    private static func record(_ run: RunID, at now: Instant) -> RunRecord {
        RunRecord(
            id: run, key: "key of \(run)", owner: owner, name: "test", file: "test.yml", submittedAt: now, tree: nil,
            commit: "", request: [], plan: Proto.Plan(plan).encoded())
    }

    /// Run 1: two shards that passed with their second attempts, and one that failed.
    private static func earlier() -> [Change] {
        let cell = CellID(run: RunID(1), job: 0, cell: 0)
        let resolution = Farm.Resolution.cells(
            [PlannedCell(id: "only", name: "only")], failFast: true, maxParallel: nil)
        var changes: [Change] = [
            .runSubmitted(record(RunID(1), at: .seconds(10))),
            .jobResolved(
                JobRecord(keeping: resolution, of: 0, in: RunID(1), planned: plan.jobs[0], at: .seconds(10))),
            .cellSharded(cell, shards: 3, items: nil, listing: nil),
        ]
        func attempt(_ shard: Int, _ number: Int, _ cause: Cause, retryAt: Instant?) {
            let id = AttemptID(shard: ShardID(cell: cell, shard: shard), number: number)
            let at = Instant.seconds(Int64(20 * number))
            changes += [
                .attemptLeased(
                    LeaseRecord(
                        attempt: id, agent: AgentID("a"), devices: [], cpus: 1, memory: ByteCount(0), at: at,
                        until: at.advanced(by: .seconds(30)))),
                .attemptEnded(
                    AttemptEnding(
                        attempt: id, at: at.advanced(by: .seconds(1)), cause: cause, retryAt: retryAt, why: "",
                        report: [])),
            ]
            guard retryAt == nil else { return }
            changes.append(
                .shardsSettled(
                    SettlementRecord(
                        cell: cell, first: shard, last: shard, attempt: number, cause: cause,
                        at: at.advanced(by: .seconds(1)))))
        }
        for shard in 0..<2 {
            attempt(shard, 1, Cause(.gpuFault), retryAt: .seconds(30))
            attempt(shard, 2, Cause(.passed), retryAt: nil)
        }
        attempt(2, 1, Cause(.userExit, code: 1), retryAt: nil)
        changes += [
            .cellEnded(cell, ending: "failed"),
            .jobEnded(run: RunID(1), job: 0, ending: "failure", reason: ""),
        ]
        return changes
    }

    /// What the shard that is done again comes to when its agent's device fails: tried again, or not.
    private static func faulted(_ farm: inout Farm) -> Bool? {
        var effects: [Farm.Effect] = []
        farm.handle(
            .agentJoined(
                AgentID("a"), team: nil, capacity: Capacity(cpus: 4, memory: .gibibytes(4), gpus: []), holds: []),
            at: .seconds(101), into: &effects)
        for case .leased(let lease) in effects {
            farm.handle(
                .attemptFinished(lease.attempt, by: lease.agent, Cause(.gpuFault), listed: nil), at: .seconds(102),
                into: &effects)
        }
        for case .attemptEnded(_, _, let retryAt, _) in effects { return retryAt != nil }
        return nil
    }

    @Test func `is not charged for what the other one had tried again, with a restart or without`() throws {
        let store = MemoryStore()
        try store.commit(Self.earlier())
        var kept = try StoredDecisions(RunID(1), in: store)
        var plan = Self.plan
        let all = try kept.decisions(by: Self.owner, &plan, priority: 0, at: .seconds(10))
        let rerun = Rerun(of: all, needs: [[]])
        let told = rerun.decisions(from: all, as: RunID(2), at: .seconds(100))
        kept.keep(rerun, as: RunID(2), at: .seconds(100))
        try store.commit([.runSubmitted(Self.record(RunID(2), at: .seconds(100)))] + kept.changes)

        var settings = Farm.Settings()
        settings.retriesMin = 1
        var live = Farm(settings: settings, seed: 1)
        var effects: [Farm.Effect] = []
        live.handle(
            .runRerun(RunID(2), owner: Self.owner, plan: Self.plan, keeping: told), at: .seconds(100), into: &effects)
        #expect(Self.faulted(&live) == true)

        var restored = Farm(settings: settings, seed: 1)
        let stored = try StoredDecisions(RunID(2), in: store)
        for decision in try stored.decisions(by: Self.owner, &plan, priority: 0, at: .seconds(100)) {
            restored.restore(decision)
        }
        restored.handle(.resume, at: .seconds(100), into: &effects)
        #expect(Self.faulted(&restored) == true)
        // They are there for those who ask what became of the shards.
        #expect(stored.attempts.count == 4)
    }
}
