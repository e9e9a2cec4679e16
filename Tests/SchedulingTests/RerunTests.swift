import Model
import Scheduling
import Testing

@Suite struct `A rerun` {
    private let owner = Principal(role: .user, name: "ada")
    private let again = RunID(9)

    /// `build` of two cells, `eval` of two cells of two shards that needs it, `sum` that needs `eval`, and `lint` alone.
    private var plan: Plan {
        let job = { (id: String, needs: [Int], cells: [String], shards: Int) in
            PlannedJob(
                id: id, needs: needs, cells: cells.map { PlannedCell(id: $0, name: $0) }, failFast: false,
                shards: ShardPlan(count: shards))
        }
        return Plan(
            name: "test", file: "test.yml",
            jobs: [
                job("build", [], ["x", "y"], 1), job("eval", [0], ["x", "y"], 2), job("sum", [1], ["all"], 1),
                job("lint", [], ["all"], 1),
            ])
    }

    /// Runs the plan as run 1 to its end, where some shards exit with 3.
    private func decisions(failing: Set<ShardID>) -> [Farm.Decision] {
        var stage = Stage()
        stage.join("a", cpus: 16)
        stage.submit(1, plan)
        while let next = stage.leases.keys.min() {
            stage.finish(next, failing.contains(next) ? Cause(.userExit, code: 3) : Cause(.passed))
        }
        var decisions: [Farm.Decision] = [.runSubmitted(RunID(1), owner: owner, plan: plan, at: stage.now)]
        for effect in stage.history {
            switch effect {
            case .jobReady(let run, let job):
                decisions.append(
                    .jobResolved(
                        run, job: job, .cells(plan.jobs[job].cells ?? [], failFast: false, maxParallel: nil),
                        at: stage.now))
            case .leased(let lease): decisions.append(.leased(lease, startedAt: nil))
            case .attemptEnded(let attempt, let cause, let retryAt, _):
                decisions.append(.attemptEnded(attempt, cause, retryAt: retryAt))
            case .cellSharded(let cell, let shards, let items):
                decisions.append(.cellSharded(cell, shards: shards, items: items))
            case .settled(let cell, let shards, let attempt, let cause):
                decisions.append(.settled(cell, shards: shards, attempt: attempt, cause))
            case .cellEnded(let cell, let ending): decisions.append(.cellEnded(cell, ending))
            case .jobEnded(let run, let job, let ending, _): decisions.append(.jobEnded(run, job: job, ending))
            default: break
            }
        }
        return decisions
    }

    private func rerun(failing: Set<ShardID>) -> (Rerun, Stage, [Farm.Effect]) {
        let decisions = decisions(failing: failing)
        let rerun = Rerun(of: decisions, needs: plan.jobs.map(\.needs))
        var stage = Stage()
        stage.plans[again] = plan
        stage.join("a", cpus: 16)
        let kept = rerun.decisions(from: decisions, as: again, at: stage.now)
        let effects = stage.resolving(stage(.runRerun(again, owner: owner, plan: plan, keeping: kept)))
        return (rerun, stage, effects)
    }

    @Test func `leases only what had failed`() {
        let failed = shard(1, cell: 0, job: 1)
        var (rerun, stage, effects) = rerun(failing: [failed])
        #expect(rerun.shardCount == 6 && !rerun.isWhole)
        #expect(rerun.keepsEnd(ofJob: 0) && !rerun.keepsEnd(ofJob: 1) && rerun.keepsCells(ofJob: 1))
        #expect(!rerun.keeps(failed) && rerun.keeps(shard(0, cell: 0, job: 1)))
        #expect(effects.leases.map(\.attempt.shard) == [shard(1, cell: 0, job: 1, run: 9)])
        let eval = stage.farm.progress(of: again)?[1].map(\.state)
        #expect(eval == [.running, .passed])
        // What needs it is asked anew what it comes to, once it has ended.
        let end = stage.finish(shard(1, cell: 0, job: 1, run: 9))
        #expect(end.contains(.jobEnded(again, job: 1, .success, reason: "")))
        #expect(end.contains(.jobReady(again, job: 2)))
        #expect(end.leases.map(\.attempt.shard) == [shard(0, job: 2, run: 9)])
        #expect(stage.finish(shard(0, job: 2, run: 9)).last == .runEnded(again))
    }

    @Test func `keeps nothing of a job whose needs are run again`() {
        // A cell of `build` fails; without a condition the farm's owner would not reach `eval`, here it ran all the same.
        let (rerun, _, effects) = rerun(failing: [shard(0, cell: 1, job: 0)])
        #expect(rerun.keepsCells(ofJob: 0) && !rerun.keepsCells(ofJob: 1) && !rerun.keepsCells(ofJob: 2))
        #expect(rerun.keepsEnd(ofJob: 3))
        #expect(effects.leases.map(\.attempt.shard) == [shard(0, cell: 1, job: 0, run: 9)])
    }

    @Test func `ends at once where everything had passed`() {
        let (rerun, _, effects) = rerun(failing: [])
        #expect(rerun.isWhole)
        #expect(effects == [.runEnded(again)])
    }

    @Test func `runs a job anew of which nothing passed`() {
        let all = Set((0..<2).flatMap { cell in (0..<2).map { shard($0, cell: cell, job: 1) } })
        let (rerun, _, effects) = rerun(failing: all)
        #expect(!rerun.keepsCells(ofJob: 1))
        #expect(effects.contains(.jobReady(again, job: 1)))
        #expect(effects.leases.count == 4)
    }

    @Test func `is not disturbed by other runs, nor disturbs them`() {
        let decisions = decisions(failing: [shard(0, cell: 0, job: 1)])
        let kept = Rerun(of: decisions, needs: plan.jobs.map(\.needs))
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(2, .one(shards: ShardPlan(count: 3)))
        let until = stage.farm.lease(of: AttemptID(shard: shard(0, run: 2), number: 1))?.until
        stage.pass(.seconds(5))
        let effects = stage(
            .runRerun(
                again, owner: owner, plan: plan, keeping: kept.decisions(from: decisions, as: again, at: stage.now)))
        #expect(effects.isEmpty)
        #expect(stage.farm.lease(of: AttemptID(shard: shard(0, run: 2), number: 1))?.until == until)
        // Said again, it changes nothing.
        #expect(stage(.runRerun(again, owner: owner, plan: plan, keeping: [])) == [])
    }
}
