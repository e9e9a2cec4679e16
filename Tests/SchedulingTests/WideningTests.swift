import Model
import Scheduling
import Testing

/// "An H200; after ten minutes also an A100."
@Suite struct `Other GPUs that will do` {
    private static let asking = ResourceRequest(
        gpus: GPURequest(
            count: 1, model: "H200",
            or: [
                .init(model: "A100", after: .minutes(10)),
                .init(model: nil, memory: .gibibytes(20), after: .minutes(30)),
            ]))

    private static func gpus(_ model: String, _ count: Int, gibibytes: Int64 = 80) -> [GPU] {
        (0..<count).map { GPU(uuid: "\(model)-\($0)", model: "NVIDIA \(model)", memory: .gibibytes(gibibytes)) }
    }

    private static func plan(shards: Int = 1, queueTimeout: Duration = .minutes(120)) -> Plan {
        var cells = PlannedCell.named("x", asking: asking)
        for index in cells.indices { cells[index].queueTimeout = queueTimeout }
        return .one(cells: cells, shards: ShardPlan(count: shards))
    }

    @Test func `are given when a shard has waited for so long, and not before`() {
        var stage = Stage()
        stage.join("a", gpus: Self.gpus("A100", 1))
        stage.join("small", gpus: Self.gpus("L4", 1, gibibytes: 24))
        #expect(stage.submit(1, Self.plan(shards: 3)).leases.isEmpty)
        let waiting = stage.farm.explain(shard(0).cell, shard: 0, at: stage.now)
        #expect(
            waiting == [
                "shard 0 waits: no agent has 1 GPU of model h200; the most that one has is 0",
                "shard 0 takes GPUs of model A100 as well once it has waited 10 min",
            ], "\(waiting)")
        #expect(stage.work(.minutes(9)).leases.isEmpty)
        #expect(stage.work(.minutes(2)).leases.map(\.devices) == [["A100-0"]])
        // What is given to one is not kept from the next.
        #expect(stage.finish(shard(0)).leases.map(\.devices) == [["A100-0"]])
        let later = stage.farm.explain(shard(2).cell, shard: 2, at: stage.now)
        #expect(later.contains { $0.contains("1 GPU of model h200, or GPUs of model a100") }, "\(later)")
        #expect(stage.work(.minutes(25)).leases.map(\.devices) == [["L4-0"]])
    }

    /// What a farm began anew knows of a shard that became ready at 1000 s: that, and not how long it could have been leased.
    private static func anew(
        _ plan: Plan, at now: Instant, _ more: [Farm.Decision] = []
    ) -> Stage {
        var stage = Stage()
        stage.now = now
        stage.plans[RunID(1)] = plan
        let (job, cell) = (plan.jobs[0], CellID(run: RunID(1), job: 0, cell: 0))
        stage.farm.restore(
            .runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan, at: .seconds(1_000)))
        stage.farm.restore(
            .jobResolved(
                RunID(1), job: 0,
                .cells(job.cells ?? [], failFast: job.failFast, maxParallel: job.maxParallel), at: .seconds(1_000)))
        stage.farm.restore(.cellSharded(cell, shards: job.shards.count, items: nil))
        for decision in more { stage.farm.restore(decision) }
        // The last that was noted of the farm before, as its audit has it.
        stage.farm.restore(.lived(until: .seconds(1_000)))
        stage(.resume)
        stage.join("a", gpus: gpus("A100", 1))
        return stage
    }

    @Test func `count from when a shard became ready, whenever the coordinator started`() {
        var stage = Self.anew(Self.plan(), at: .seconds(1_000 + 8 * 60))
        #expect(stage.work(.seconds(110)).leases.isEmpty)
        #expect(stage.work(.seconds(20)).leases.map(\.devices) == [["A100-0"]])
        // As long as it had waited and longer: at once.
        var late = Self.anew(Self.plan(), at: .seconds(1_000 + 60 * 60))
        #expect(late.work(.seconds(10)).leases.map(\.devices) == [["A100-0"]])
        // The queue timeout is as generous as ever.
        var hasty = Self.anew(Self.plan(queueTimeout: .minutes(20)), at: .seconds(1_000 + 60 * 60))
        #expect(hasty.work(.seconds(10)).leases.count == 1)
        // A clock that was set back makes nobody wait longer than anew.
        var before = Self.anew(Self.plan(), at: .seconds(500))
        #expect(before.work(.minutes(9)).leases.isEmpty)
        #expect(before.work(.minutes(2)).leases.count == 1)
    }

    @Test func `count from when a shard was to be tried again`() {
        let attempt = AttemptID(shard: shard(0), number: 1)
        let lease = Farm.Lease(
            attempt: attempt, agent: "b", devices: ["H200-0"], cpus: 1, memory: nil, at: .seconds(1_010),
            until: .seconds(1_040))
        let ended: [Farm.Decision] = [
            .leased(lease, startedAt: .seconds(1_011)),
            .attemptEnded(attempt, Cause(.gpuFault), retryAt: .seconds(2_000)),
        ]
        var stage = Self.anew(Self.plan(), at: .seconds(2_000 + 8 * 60), ended)
        #expect(stage.work(.seconds(110)).leases.isEmpty)
        #expect(stage.work(.seconds(20)).leases.map { "\($0.attempt) \($0.devices)" } == ["r1/0/0/0#2 [\"A100-0\"]"])
    }

    @Test func `begin anew where a limit held the shard back for nobody knows how long`() {
        var plan = Self.plan()
        plan.jobs[0].maxParallel = 1
        var stage = Self.anew(plan, at: .seconds(1_000 + 60 * 60))
        #expect(stage.work(.minutes(9)).leases.isEmpty)
        #expect(stage.work(.minutes(2)).leases.count == 1)
    }

    @Test func `come after the first kind where that is free, and are never mixed with it`() {
        var stage = Stage()
        stage.submit(1, Self.plan())
        stage.work(.minutes(11))
        // The A100 has less memory, and would be taken first of one kind.
        #expect(
            stage.join("both", gpus: Self.gpus("A100", 1) + Self.gpus("H200", 1, gibibytes: 141)).leases.map(\.devices)
                == [["H200-0"]])
        var pair = Self.asking
        pair.gpus?.count = 2
        stage.submit(2, .one(cells: PlannedCell.named("x", asking: pair), shards: ShardPlan(count: 1)))
        stage.finish(shard(0))
        #expect(stage.work(.minutes(11)).leases.isEmpty)
        #expect(stage.join("two", gpus: Self.gpus("A100", 2)).leases.map(\.devices) == [["A100-0", "A100-1"]])
    }

    @Test func `serve what is tried again, too`() {
        var stage = Stage()
        stage.join("h", gpus: Self.gpus("H200", 1))
        stage.submit(1, Self.plan())
        stage.finish(shard(0), Cause(.gpuFault))
        stage(.agentRemoved("h"))
        stage.join("a", gpus: Self.gpus("A100", 1))
        #expect(stage.work(.minutes(9)).leases.isEmpty)
        let leases = stage.work(.minutes(3)).leases
        #expect(leases.map(\.devices) == [["A100-0"]] && leases.first?.attempt.number == 2, "\(leases)")
    }

    @Test func `change nothing of how long a shard may wait`() {
        var stage = Stage()
        stage.join("l", gpus: Self.gpus("L4", 1, gibibytes: 16))
        stage.submit(1, Self.plan(queueTimeout: .minutes(40)))
        let settled = stage.work(.minutes(45)).compactMap(\.settlement)
        #expect(settled.map(\.cause.kind) == [.queueTimeout])
        #expect(settled.first?.cause.evidence.contains("or any GPUs with 20 GiB") == true, "\(settled)")
    }
}
