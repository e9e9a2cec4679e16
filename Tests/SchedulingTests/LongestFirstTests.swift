import Model
import Scheduling
import Testing

@Suite struct `Of what waits in a run` {
    private func cell(
        _ id: String, _ expected: Duration?, cpus: Int = 1, timeout: Duration = .minutes(60)
    ) -> PlannedCell {
        PlannedCell(id: id, name: id, resources: ResourceRequest(cpus: cpus), timeout: timeout, expected: expected)
    }

    private func cells(_ effects: [Farm.Effect]) -> [Int] { effects.leases.map(\.attempt.shard.cell.cell) }

    @Test func `the longest by what is recorded comes first, and what nobody knows before it`() {
        var stage = Stage()
        let plan = Plan.one(cells: [
            cell("short", .seconds(10)), cell("long", .minutes(20)), cell("unknown", nil), cell("middle", .minutes(5)),
        ])
        stage.submit(1, plan)
        #expect(cells(stage.join("a", cpus: 4)) == [2, 1, 3, 0])
    }

    @Test func `equals come in the plan's order`() {
        var stage = Stage()
        stage.submit(1, .one(cells: (0..<4).map { cell("c\($0)", .minutes(1)) }))
        #expect(cells(stage.join("a", cpus: 4)) == [0, 1, 2, 3])
    }

    @Test func `the longest comes first among its jobs, too; other runs keep their turn`() {
        var stage = Stage()
        let jobs = [Duration.seconds(5), .minutes(9), .minutes(2)].enumerated().map { index, expected in
            PlannedJob(id: "job\(index)", cells: [cell("only", expected)])
        }
        stage.submit(1, Plan(name: "test", file: "test.yml", jobs: jobs))
        stage.submit(2, .one(cells: [cell("later", .minutes(50))]))
        let leases = stage.join("a", cpus: 4).leases.map(\.attempt.shard)
        #expect(leases == [shard(0, job: 1), shard(0, job: 2), shard(0, job: 0), shard(0, run: 2)])
    }

    @Test func `a record counts no more than the time limit`() {
        var stage = Stage()
        stage.submit(
            1, .one(cells: [cell("limited", .minutes(50), timeout: .minutes(1)), cell("long", .minutes(2))]))
        #expect(cells(stage.join("a", cpus: 2)) == [1, 0])
    }

    @Test func `all shards of the longest cell come before the next`() {
        var stage = Stage()
        stage.submit(
            1, .one(cells: [cell("short", .seconds(1)), cell("long", .seconds(9))], shards: ShardPlan(count: 2)))
        #expect(cells(stage.join("a", cpus: 4)) == [1, 1, 0, 0])
    }

    @Test func `a farm that is restored goes on in the same order`() {
        let plan = Plan.one(cells: [cell("short", .seconds(10)), cell("long", .minutes(20)), cell("unknown", nil)])
        let owner = Principal(role: .user, name: "ada")
        var stage = Stage()
        stage.farm.restore(.runSubmitted(RunID(1), owner: owner, plan: plan, at: stage.now))
        stage.farm.restore(
            .jobResolved(
                RunID(1), job: 0, .cells(plan.jobs[0].cells ?? [], failFast: true, maxParallel: nil), at: stage.now))
        stage(.resume)
        #expect(cells(stage.join("a", cpus: 3)) == [2, 1, 0])
    }

    /// List schedules by falling length (Graham 1969) end no later than 4/3 of the least time; in the plan's order up to twice.
    @Test func `a run of unequal cells ends sooner than in the plan's order`() {
        func end(knowing: Bool) -> Duration {
            var stage = Stage()
            var random = SplitMix64(seed: 7)
            let lengths = (0..<40).map { $0 == 39 ? 600 : Int64.random(in: 10...200, using: &random) }
            stage.submit(
                1,
                .one(cells: lengths.enumerated().map { cell("c\($0)", knowing ? .seconds($1) : nil) }, failFast: false))
            let start = stage.now
            stage.join("a", cpus: 8)
            var ends: [(at: Instant, shard: ShardID)] = []
            var seen: Set<ShardID> = []
            while true {
                for shard in stage.leases.keys.sorted() where seen.insert(shard).inserted {
                    ends.append((stage.now.advanced(by: .seconds(lengths[shard.cell.cell])), shard))
                }
                guard let next = ends.min(by: { ($0.at, $0.shard) < ($1.at, $1.shard) }) else { break }
                ends.removeAll { $0.shard == next.shard }
                stage.work(stage.now.duration(to: next.at))
                stage.finish(next.shard)
            }
            return start.duration(to: stage.now)
        }
        #expect(end(knowing: true) < end(knowing: false))
    }
}
