import Model
import Scheduling
import Testing

/// Cells that belong to a concurrency group: the farm asks for each, and waits to be told.
@Suite struct `A cell of a concurrency group` {
    private static func plan(_ groups: [String?], needs: Bool = false) -> Plan {
        let cells = groups.enumerated().map { number, group in
            PlannedCell(
                id: "c\(number)", name: "c (\(number))",
                needs: needs ? [CellNeed(job: 0, cells: [0])] : [],
                concurrency: group.map { ConcurrencyGroup(name: $0) })
        }
        let build = PlannedJob(id: "build", cells: [PlannedCell(id: "b", name: "b")])
        let job = PlannedJob(
            id: "c", needs: needs ? [0] : [], matched: needs ? [0] : [], cells: cells, failFast: false,
            shards: ShardPlan(count: 2))
        return Plan(name: "n", file: "w.yml", jobs: needs ? [build, job] : [job])
    }

    private func cell(_ number: Int, job: Int = 0) -> CellID { CellID(run: RunID(1), job: job, cell: number) }
    private func shards(_ cells: Int..., job: Int = 0) -> Set<ShardID> {
        Set(cells.flatMap { cell in (0..<2).map { ShardID(cell: self.cell(cell, job: job), shard: $0) } })
    }

    @Test func `is cut when it is let in, and others of its job at once`() {
        var stage = Stage()
        let asked = stage.submit(1, Self.plan(["a", nil, "b"]))
        #expect(
            asked.filter { if case .groupWanted = $0 { true } else { false } } == [
                .groupWanted(cell(0)), .groupWanted(cell(2)),
            ])
        stage.join("a", cpus: 8)
        #expect(Set(stage.leases.keys) == shards(1))
        #expect(stage.farm.explain(cell(0), shard: nil, at: stage.now) == ["waits for its concurrency group"])
        stage(.cellsReleased(RunID(1), job: 0, [2, 2, 1, 7]))
        #expect(Set(stage.leases.keys) == shards(1, 2))
        stage(.cellsReleased(RunID(1), job: 0, [0]))
        for shard in shards(0, 1, 2).sorted() { stage.finish(shard) }
        #expect(stage.history.contains(.jobEnded(RunID(1), job: 0, .success, reason: "")))
    }

    @Test func `asks once what it needs has passed`() {
        var stage = Stage()
        #expect(!stage.submit(1, Self.plan(["a"], needs: true)).contains(.groupWanted(cell(0, job: 1))))
        stage.join("a", cpus: 8)
        #expect(stage.finish(ShardID(cell: cell(0), shard: 0)).contains(.groupWanted(cell(0, job: 1))))
        stage(.cellsReleased(RunID(1), job: 1, [0]))
        #expect(Set(stage.leases.keys) == shards(0, job: 1))
    }

    @Test func `waits for its turn as long as that takes`() {
        var stage = Stage()
        stage.submit(1, Self.plan(["a"]))
        stage.pass(.minutes(600))
        stage(.cellsReleased(RunID(1), job: 0, [0]))
        stage.join("a", cpus: 8)
        #expect(Set(stage.leases.keys) == shards(0))
    }

    @Test(arguments: [true, false])
    func `ends cancelled when others take its place, held or let in`(isLetIn: Bool) {
        var stage = Stage()
        stage.submit(1, Self.plan(["a", "b"]))
        stage.join("a", cpus: 8)
        stage(.cellsReleased(RunID(1), job: 0, isLetIn ? [0, 1] : [1]))
        let effects = stage(.cellsStopped(RunID(1), job: 0, [0], reason: "run r2 came"))
        let cancelled = effects.count { if case .cancelAttempt = $0 { true } else { false } }
        #expect(cancelled == (isLetIn ? 2 : 0))
        if isLetIn {
            for shard in shards(0).sorted() { stage.finish(shard, Cause(.cancelled, evidence: "run r2 came")) }
        }
        #expect(stage.history.contains(.cellEnded(cell(0), .cancelled)))
        // The other one goes on.
        for shard in shards(1).sorted() { stage.finish(shard) }
        #expect(stage.history.contains(.cellEnded(cell(1), .passed)))
        #expect(
            stage.history.contains(.jobEnded(RunID(1), job: 0, .cancelled, reason: "1 of 2 cells were cancelled")))
    }

    @Test func `ends with its run while it waits`() {
        var stage = Stage()
        stage.submit(1, Self.plan(["a"]))
        stage(.runCancelled(RunID(1), by: "ada", reason: ""))
        #expect(stage.history.contains(.runEnded(RunID(1))))
        // Too late.
        #expect(stage(.cellsReleased(RunID(1), job: 0, [0])) == [])
        #expect(stage(.cellsStopped(RunID(1), job: 0, [0], reason: "r2 came")) == [])
    }

    @Test func `asks again after a restart, unless it was cut or stopped`() {
        let plan = Self.plan(["a", "b", "c"])
        var stage = Stage(seed: 2)
        let owner = Principal(role: .user, name: "ada")
        stage.farm.restore(.runSubmitted(RunID(1), owner: owner, plan: plan, at: stage.now))
        stage.farm.restore(
            .jobResolved(
                RunID(1), job: 0, .cells(plan.jobs[0].cells ?? [], failFast: false, maxParallel: nil), at: stage.now))
        stage.farm.restore(.cellSharded(cell(0), shards: 2, items: nil))
        stage.farm.restore(.cellStopped(cell(2), reason: "run r2 came"))
        let effects = stage(.resume)
        #expect(effects.filter { if case .groupWanted = $0 { true } else { false } } == [.groupWanted(cell(1))])
        #expect(effects.contains(.cellEnded(cell(2), .cancelled)))
        stage.join("a", cpus: 8)
        #expect(Set(stage.leases.keys) == shards(0))
    }
}
