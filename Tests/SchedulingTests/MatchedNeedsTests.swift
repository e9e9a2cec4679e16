import Model
import Scheduling
import Testing

/// Cells that wait for single cells of another job: `needs: {job: build, match: [python]}`.
@Suite struct `A cell that waits for cells` {
    private static func cell(_ job: String, _ number: Int, needs: [CellNeed] = []) -> PlannedCell {
        PlannedCell(id: "\(job)_\(number)", name: "\(job) (\(number))", needs: needs)
    }

    /// `test (n)` waits for `build (n)`.
    private static func plan(count: Int, mustPass: Bool = true, shards: Int = 1, failFast: Bool = false) -> Plan {
        Plan(
            name: "n", file: "w.yml",
            jobs: [
                PlannedJob(id: "build", cells: (0..<count).map { cell("build", $0) }, failFast: failFast),
                PlannedJob(
                    id: "test", needs: [0], matched: [0],
                    cells: (0..<count).map { number in
                        cell("test", number, needs: [CellNeed(job: 0, cells: [number], mustPass: mustPass)])
                    }, failFast: false, shards: ShardPlan(count: shards)),
            ])
    }

    private func shard(_ job: Int, _ cell: Int, _ shard: Int = 0) -> ShardID {
        ShardID(run: RunID(1), job: job, cell: cell, shard: shard)
    }

    @Test func `starts when its own have passed, whatever the others do`() {
        var stage = Stage()
        stage.submit(1, Self.plan(count: 3))
        stage.join("a", cpus: 8)
        #expect(Set(stage.leases.keys) == [shard(0, 0), shard(0, 1), shard(0, 2)])
        #expect(
            stage.farm.explain(CellID(run: RunID(1), job: 1, cell: 1), shard: nil, at: stage.now)
                == ["waits for cell 'build (1)'"])
        stage.finish(shard(0, 1))
        #expect(Set(stage.leases.keys) == [shard(0, 0), shard(0, 2), shard(1, 1)])
        stage.finish(shard(1, 1))
        stage.finish(shard(0, 0))
        stage.finish(shard(0, 2))
        stage.finish(shard(1, 0))
        let end = stage.finish(shard(1, 2))
        #expect(end.contains(.jobEnded(RunID(1), job: 1, .success, reason: "")))
        #expect(end.contains(.runEnded(RunID(1))))
    }

    @Test func `is cancelled when one of its own fails, and the others go on`() {
        var stage = Stage()
        stage.submit(1, Self.plan(count: 2, shards: 3))
        stage.join("a", cpus: 8)
        let effects = stage.finish(shard(0, 0), Cause(.userExit, code: 1))
        let cancelled = Cause(.cancelled, evidence: "it needs 'build (0)', which failed")
        #expect(
            effects.contains(.settled(CellID(run: RunID(1), job: 1, cell: 0), shards: 0...2, attempt: 0, cancelled)))
        #expect(effects.contains(.cellEnded(CellID(run: RunID(1), job: 1, cell: 0), .cancelled)))
        stage.finish(shard(0, 1))
        for number in 0..<3 { stage.finish(shard(1, 1, number)) }
        #expect(stage.history.contains { if case .jobEnded(_, 1, .cancelled, _) = $0 { true } else { false } })
        #expect(stage.history.contains(.runEnded(RunID(1))))
    }

    @Test func `starts all the same where its job asks for that`() {
        var stage = Stage()
        stage.submit(1, Self.plan(count: 1, mustPass: false))
        stage.join("a", cpus: 8)
        stage.finish(shard(0, 0), Cause(.userExit, code: 1))
        #expect(Set(stage.leases.keys) == [shard(1, 0)])
    }

    @Test func `ends when its run is cancelled, or what it needs is stopped`() {
        for isRun in [true, false] {
            var stage = Stage()
            stage.submit(1, Self.plan(count: 3, failFast: true))
            stage.join("a", cpus: 2)
            if isRun {
                stage(.runCancelled(RunID(1), by: "ada", reason: ""))
            } else {
                stage.finish(shard(0, 0), Cause(.userExit, code: 1))
            }
            for lease in stage.leases.keys.sorted() { stage.finish(lease, Cause(.cancelled)) }
            #expect(stage.history.contains(.runEnded(RunID(1))), "run \(isRun): \(stage.history.suffix(5))")
            #expect(
                !stage.history.contains {
                    if case .leased(let lease) = $0 { lease.attempt.shard.cell.job == 1 } else { false }
                })
        }
    }

    @Test func `waits on after a restart, and starts then`() {
        var stage = Stage()
        let plan = Self.plan(count: 2)
        stage.submit(1, plan)
        stage.join("a", cpus: 8)
        stage.finish(shard(0, 0))
        var again = Stage(seed: 2)
        again.now = stage.now
        again.plans = [RunID(1): plan]
        let owner = Principal(role: .user, name: "ada")
        again.farm.restore(.runSubmitted(RunID(1), owner: owner, plan: plan, at: stage.now))
        for job in 0...1 {
            again.farm.restore(
                .jobResolved(
                    RunID(1), job: job, .cells(plan.jobs[job].cells ?? [], failFast: false, maxParallel: nil),
                    at: stage.now))
        }
        for cell in 0...1 {
            again.farm.restore(.cellSharded(CellID(run: RunID(1), job: 0, cell: cell), shards: 1, items: nil))
        }
        again.farm.restore(
            .settled(CellID(run: RunID(1), job: 0, cell: 0), shards: 0...0, attempt: 1, Cause(.passed)))
        again.farm.restore(.cellEnded(CellID(run: RunID(1), job: 0, cell: 0), .passed))
        again(.resume)
        again.join("b", cpus: 8)
        #expect(Set(again.leases.keys) == [shard(0, 1), shard(1, 0)])
        again.finish(shard(0, 1), Cause(.userExit, code: 1))
        again.finish(shard(1, 0))
        #expect(again.history.contains(.runEnded(RunID(1))))
    }

    /// Many cells that wait for one: each of them starts, a bounded number of steps at a time.
    @Test func `may be one of ten thousand`() {
        var stage = Stage()
        let plan = Plan(
            name: "n", file: "w.yml",
            jobs: [
                PlannedJob(id: "build", cells: [Self.cell("build", 0)]),
                PlannedJob(
                    id: "test", needs: [0], matched: [0],
                    cells: (0..<10_000).map { Self.cell("test", $0, needs: [CellNeed(job: 0, cells: [0])]) }),
            ])
        stage.submit(1, plan)
        stage.join("a", cpus: 4)
        stage.finish(shard(0, 0))
        let sharded = stage.history.count { if case .cellSharded(let cell, _, _) = $0 { cell.job == 1 } else { false } }
        #expect(sharded == 10_000)
    }
}
