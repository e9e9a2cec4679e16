import Model
import Scheduling
import Testing

@Suite struct `A job` {
    private func plan(_ jobs: PlannedJob...) -> Plan { Plan(name: "t", file: "t.yml", jobs: jobs) }

    private func job(_ id: String, needs: [Int] = [], cells: [PlannedCell] = PlannedCell.named("x")) -> PlannedJob {
        PlannedJob(id: id, needs: needs, cells: cells)
    }

    private func ready(_ effects: [Farm.Effect]) -> [Int] {
        effects.compactMap { if case .jobReady(_, let job) = $0 { job } else { nil } }
    }

    @Test func `is ready when all its needs have ended, whatever they came to`() {
        var stage = Stage()
        let plan = plan(job("a"), job("b"), job("c", needs: [0, 1, 0]), job("d", needs: [2]))
        #expect(
            ready(stage(.runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan))) == [0, 1])
        #expect(ready(stage(.jobResolved(RunID(1), job: 0, .notApplicable(reason: "false")))) == [])
        #expect(ready(stage(.jobResolved(RunID(1), job: 1, .failed(reason: "no matrix")))) == [2])
        let end = stage(.jobResolved(RunID(1), job: 2, .notReached(reason: "b failed")))
        #expect(end.first == .jobEnded(RunID(1), job: 2, .skipped, reason: "b failed"))
        #expect(ready(end) == [3])
        stage.plans[RunID(1)] = plan
        stage(.jobResolved(RunID(1), job: 3, .cells(PlannedCell.named("x"), failFast: true, maxParallel: nil)))
        #expect(stage.join("a").placed == ["0@a"])
        #expect(stage.finish(shard(0, job: 3)).last == .runEnded(RunID(1)))
        let states = stage.farm.progress(of: RunID(1))?.flatMap { $0.map(\.state) }
        #expect(states == [.skipped, .failed, .notReached, .passed])
    }

    @Test func `is resolved once, and only when it was asked for`() {
        var stage = Stage()
        let plan = plan(job("a"), job("b", needs: [0]))
        let owner = Principal(role: .user, name: "ada")
        stage(.runSubmitted(RunID(1), owner: owner, plan: plan))
        #expect(stage(.runSubmitted(RunID(1), owner: owner, plan: plan)) == [])
        for job in [1, 2, -1] { #expect(stage(.jobResolved(RunID(1), job: job, .notReached(reason: ""))) == []) }
        #expect(stage(.jobResolved(RunID(7), job: 0, .notReached(reason: ""))) == [])
        stage(.jobResolved(RunID(1), job: 0, .cells(PlannedCell.named("x"), failFast: true, maxParallel: nil)))
        #expect(stage(.jobResolved(RunID(1), job: 0, .notReached(reason: ""))) == [])
    }

    @Test func `without cells has not succeeded`() {
        var stage = Stage()
        #expect(stage.submit(1, .one(cells: [])).compactMap(\.jobEnding) == [.failure])
    }

    @Test func `whose cells were all skipped is skipped`() {
        var stage = Stage()
        let effects = stage.submit(
            1, .one(cells: [PlannedCell(id: "x", name: "x", skipped: "device == 'cuda': false")]))
        #expect(effects.compactMap(\.cellEnding) == [.skipped])
        #expect(
            effects.contains(
                .jobEnded(RunID(1), job: 0, .skipped, reason: "every cell was skipped: device == 'cuda': false")))
    }

    @Test func `that is fail-fast cancels its other cells, and says which cell failed`() {
        var stage = Stage()
        stage.join("a", cpus: 2)
        stage.submit(1, .one(cells: PlannedCell.named("x", "y", "z"), shards: ShardPlan(count: 2)))
        // Both cores work on x; y and z are queued.
        stage.finish(shard(0), Cause(.userExit, code: 1))
        let effects = stage.finish(shard(1))
        #expect(effects.contains(.cellEnded(shard(0).cell, .failed)))
        let evidence = "cell 'x' failed, and the job is fail-fast"
        // y/0 took the core that x/0 had left.
        #expect(effects.cancelled == [AttemptID(shard: shard(0, cell: 1), number: 1)])
        #expect(
            effects.compactMap(\.settlement).dropFirst().map { "\($0.cell) \($0.shards) \($0.cause.evidence)" }
                == ["r1/0/1 1...1 \(evidence)", "r1/0/2 0...1 \(evidence)"])
        // Nobody needs their answer: that is no person's wish. Their cells are cancelled all the same, as at GitHub.
        #expect(effects.compactMap(\.settlement).dropFirst().allSatisfy { $0.cause.kind == .notNeeded })
        #expect(effects.compactMap(\.cellEnding) == [.failed, .cancelled])
        let end = stage.finish(shard(0, cell: 1), Cause(.cancelled))
        #expect(end.compactMap(\.jobEnding) == [.failure])
        #expect(end.first?.end?.cause.kind == .notNeeded && end.first?.end?.retryAt == nil)
    }

    @Test(arguments: [true, false])
    func `goes on after a cell that may fail, or when it is not fail-fast`(isNeutral: Bool) {
        for failFast in [true, false] {
            var stage = Stage()
            stage.join("a", cpus: 1)
            var cells = PlannedCell.named("x", "y")
            if isNeutral { cells[0].required = !failFast } else { cells[0].continueOnError = failFast }
            stage.submit(1, .one(cells: cells, failFast: failFast))
            #expect(stage.finish(shard(0), Cause(.userExit, code: 1)).placed == ["0@a"])
            let ending = stage.finish(shard(0, cell: 1)).compactMap(\.jobEnding)
            #expect(ending == [failFast ? .success : .failure])
        }
    }

    @Test func `runs no more cells at a time than max-parallel`() {
        var stage = Stage()
        stage.join("a", cpus: 16)
        let plan = Plan.one(cells: PlannedCell.named("x", "y", "z"), shards: ShardPlan(count: 2), maxParallel: 2)
        #expect(stage.submit(1, plan).leases.map(\.attempt.shard.cell.cell) == [0, 0, 1, 1])
        #expect(stage.finish(shard(0)).leases == [])
        #expect(
            stage.farm.explain(shard(0, cell: 2).cell, shard: 0, at: stage.now) == [
                "shard 0 waits: max-parallel 2 is reached"
            ])
        #expect(stage.finish(shard(1)).leases.map(\.attempt.shard) == [shard(0, cell: 2), shard(1, cell: 2)])
    }

    @Test func `takes another cell while a shard of the one before backs off`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one(cells: PlannedCell.named("x", "y"), maxParallel: 1))
        let effects = stage.finish(shard(0), Cause(.gpuFault))
        #expect(effects.leases.isEmpty, "the agent is paused after a fault")
        #expect(stage.pass(.milliseconds(1_500)).leases.map(\.attempt.shard.cell.cell).count == 1)
    }

    @Test func `is cancelled with its run: what is queued at once, what runs when it has stopped`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        var first = job("a", cells: PlannedCell.named("x", "y"))
        first.shards = ShardPlan(count: 3)
        let plan = plan(first, job("b", needs: [0]), job("c", needs: [1]))
        stage.submit(1, plan)
        let effects = stage(.runCancelled(RunID(1), by: "ada", reason: "wrong branch"))
        #expect(effects.cancelled == [AttemptID(shard: shard(0), number: 1)])
        #expect(
            effects.compactMap(\.settlement).map { "\($0.cell) \($0.shards) \($0.attempt) \($0.cause.evidence)" } == [
                "r1/0/0 1...2 0 the run was cancelled by ada: wrong branch",
                "r1/0/1 0...2 0 the run was cancelled by ada: wrong branch",
            ])
        #expect(effects.compactMap(\.jobEnding) == [.cancelled, .cancelled])
        #expect(stage(.runCancelled(RunID(1), by: "ada", reason: "again")) == [])
        let end = stage.finish(shard(0))
        #expect(end.compactMap(\.cellEnding) == [.cancelled] && end.last == .runEnded(RunID(1)))
        stage.farm.forget(RunID(1))
        #expect(stage.farm.progress(of: RunID(1)) == nil)
    }

    /// A job that runs, one that needs it, and one that cleans up after both; each has one agent's whole time.
    private func cancelledRun(_ goesOn: [Bool?], isForced: Bool = false) -> Stage {
        var stage = Stage()
        stage.join("a", cpus: 1)
        let plan = plan(
            PlannedJob(id: "work", onCancel: goesOn[0] == nil ? .ends : .asks, cells: nil),
            PlannedJob(id: "next", needs: [0], onCancel: goesOn[1] == nil ? .ends : .asks, cells: nil),
            PlannedJob(id: "clean", needs: [0, 1], onCancel: goesOn[2] == nil ? .ends : .asks, cells: nil))
        stage(.runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan))
        for job in goesOn.indices {
            let cells = PlannedCell.named("x")
            stage(
                .jobResolved(
                    RunID(1), job: job, .cells(cells, failFast: true, maxParallel: nil, goesOn: goesOn[job] ?? false)))
            if job == 0 { stage(.runCancelled(RunID(1), by: "ada", reason: "", isForced: isForced)) }
            stage.finish(shard(0, job: job), Cause(goesOn[job] == true && !isForced ? .passed : .cancelled))
        }
        return stage
    }

    @Test func `goes on in a cancelled run where its condition holds there`() {
        let stage = cancelledRun([nil, true, true])
        #expect(stage.history.compactMap(\.jobEnding) == [.cancelled, .success, .success])
        #expect(stage.history.last?.isRunEnd == true)
        #expect(cancelledRun([true, nil, true]).history.compactMap(\.jobEnding) == [.cancelled, .success, .success])
        #expect(
            cancelledRun([true, false, nil]).history.compactMap(\.jobEnding) == [.cancelled, .success, .cancelled])
    }

    @Test func `ends in a run that was cancelled with force`() {
        let stage = cancelledRun([true, true, true], isForced: true)
        #expect(stage.history.compactMap(\.jobEnding) == [.cancelled, .cancelled, .cancelled])
    }

    @Test func `that went on is ended by force later`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage(
            .runSubmitted(
                RunID(1), owner: Principal(role: .user, name: "ada"),
                plan: plan(PlannedJob(id: "work", onCancel: .asks, cells: nil))))
        stage(
            .jobResolved(
                RunID(1), job: 0, .cells(PlannedCell.named("x"), failFast: true, maxParallel: nil, goesOn: true)))
        #expect(stage(.runCancelled(RunID(1), by: "ada", reason: "")).cancelled == [])
        #expect(stage(.runCancelled(RunID(1), by: "ada", reason: "")).cancelled == [])
        let attempt = AttemptID(shard: shard(0), number: 1)
        #expect(stage(.runCancelled(RunID(1), by: "ada", reason: "", isForced: true)).cancelled == [attempt])
        #expect(stage.finish(shard(0), Cause(.cancelled)).compactMap(\.jobEnding) == [.cancelled])
    }

    @Test func `that was never resolved is cancelled with its run`() {
        var stage = Stage()
        stage(
            .runSubmitted(
                RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan(job("a"), job("b", needs: [0]))))
        let effects = stage(.runCancelled(RunID(1), by: "ada", reason: ""))
        #expect(effects.compactMap(\.jobEnding) == [.cancelled, .cancelled] && effects.last == .runEnded(RunID(1)))
        #expect(effects.count(where: \.isRunEnd) == 1)
        #expect(stage.farm.progress(of: RunID(1))?.flatMap { $0.map(\.state) } == [.cancelled, .cancelled])
    }

    @Test func `is worked off in bounded calls`() {
        var stage = Stage(settings: Farm.Settings(workPerCallMax: 10))
        var effects: [Farm.Effect] = []
        let cells = (0..<35).map { PlannedCell(id: "\($0)", name: "\($0)") }
        stage.farm.handle(
            .runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: .one(cells: cells)),
            at: stage.now, into: &effects)
        var calls: [[Farm.Effect]] = []
        effects = []
        stage.farm.handle(
            .jobResolved(RunID(1), job: 0, .cells(cells, failFast: true, maxParallel: nil)), at: stage.now,
            into: &effects)
        calls.append(effects)
        while calls.last?.contains(.continueLater) == true {
            effects = []
            stage.farm.handle(.resume, at: stage.now, into: &effects)
            calls.append(effects)
        }
        let sharded = calls.map { $0.count { if case .cellSharded = $0 { true } else { false } } }
        #expect(sharded == [10, 10, 10, 5])
    }
}

@Suite struct `A cell` {
    private let listed = ShardPlan(count: 4, items: .command("list"))

    @Test(arguments: [(1, 1), (3, 3), (4, 4), (9, 4)])
    func `with items is listed first, then cut`(items: Int, shards: Int) {
        var stage = Stage()
        stage.join("a", cpus: 16)
        #expect(stage.submit(1, .one(shards: listed)).leases.map(\.attempt.shard) == [shard(ShardID.listing)])
        #expect(stage.farm.shardCount(of: shard(0).cell) == nil)
        let effects = stage.finish(shard(ShardID.listing), listed: items)
        #expect(effects.contains(.cellSharded(shard(0).cell, shards: shards, items: items)))
        #expect(effects.leases.map(\.attempt.shard.shard) == Array(0..<shards))
        #expect(!effects.contains { $0.settlement != nil })
        #expect(stage.farm.shardCount(of: shard(0).cell) == shards)
    }

    @Test(arguments: [(9, 2, 2), (9, 4, 4), (9, 7, 4), (3, 4, 3), (9, 0, 1), (9, -1, 1)])
    func `is cut as its listing was, never in more shards than it may have`(items: Int, cut: Int, shards: Int) {
        var stage = Stage()
        stage.join("a", cpus: 16)
        stage.submit(1, .one(shards: listed))
        let effects = stage.finish(shard(ShardID.listing), listed: items, shards: cut)
        #expect(effects.contains(.cellSharded(shard(0).cell, shards: shards, items: items)))
    }

    @Test func `whose listing lists nothing has failed`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one(shards: listed))
        let effects = stage.finish(shard(ShardID.listing), listed: 0)
        let cause = Cause(.userError, evidence: "the listing lists no item")
        #expect(effects.contains(.settled(shard(0).cell, shards: -1 ... -1, attempt: 1, cause)))
        #expect(effects.compactMap(\.cellEnding) == [.failed])
    }

    @Test func `whose listing says nonsense is listed again, up to the limit of items`() {
        for items in [nil, -1, Limits.itemsPerCellMax + 1] as [Int?] {
            var stage = Stage()
            stage.join("a")
            stage.submit(1, .one(shards: listed))
            let end = stage.finish(shard(ShardID.listing), listed: items).first?.end
            #expect(end?.cause.kind == (items ?? 0 > 0 ? .userError : .agentFault))
            #expect((end?.retryAt == nil) == (items ?? 0 > 0))
        }
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one(shards: listed))
        #expect(
            stage.finish(shard(ShardID.listing), listed: Limits.itemsPerCellMax).contains(
                .cellSharded(shard(0).cell, shards: 4, items: Limits.itemsPerCellMax)))
    }

    @Test func `cancelled while it is listed, cancels the shards that the listing finds`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one(shards: listed))
        #expect(stage(.runCancelled(RunID(1), by: "ada", reason: "")).cancelled.count == 1)
        let effects = stage.finish(shard(ShardID.listing), listed: 9)
        #expect(effects.compactMap(\.settlement).map(\.shards) == [0...3])
        #expect(effects.compactMap(\.cellEnding) == [.cancelled] && effects.leases == [])
    }

    @Test func `runs no more shards at a time than shards.max-parallel`() {
        var stage = Stage()
        stage.join("a", cpus: 16)
        #expect(stage.submit(1, .one(shards: ShardPlan(count: 5, maxParallel: 2))).placed == ["0@a", "1@a"])
        #expect(stage.finish(shard(0)).placed == ["2@a"])
    }

    @Test func `lets its other shards run when one fails, unless they are fail-fast`() {
        for failFast in [false, true] {
            var stage = Stage()
            stage.join("a", cpus: 2)
            stage.submit(1, .one(shards: ShardPlan(count: 4, failFast: failFast)))
            let effects = stage.finish(shard(0), Cause(.userExit, code: 1))
            #expect(effects.placed == (failFast ? [] : ["2@a"]))
            #expect(effects.cancelled.count == (failFast ? 1 : 0))
            #expect(effects.compactMap(\.settlement).map(\.shards) == (failFast ? [0...0, 2...3] : [0...0]))
        }
    }
}
