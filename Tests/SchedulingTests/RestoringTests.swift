import Model
import Scheduling
import Testing

@Suite struct `A restored farm` {
    private let owner = Principal(role: .user, name: "ada")
    private let cell = CellID(run: RunID(1), job: 0, cell: 0)

    private func lease(_ number: Int, _ shard: Int, on agent: String = "a") -> Farm.Lease {
        Farm.Lease(
            attempt: AttemptID(shard: ShardID(cell: cell, shard: shard), number: number), agent: AgentID(agent),
            devices: [], cpus: 1, memory: nil, at: .seconds(900), until: .seconds(930))
    }

    /// A run of one job with four shards, and what happened since.
    private func restored(_ plan: Plan, _ decisions: [Farm.Decision]) -> Stage {
        var stage = Stage()
        let cells = plan.jobs[0].cells ?? []
        let resolution = Farm.Resolution.cells(
            cells, failFast: plan.jobs[0].failFast, maxParallel: plan.jobs[0].maxParallel)
        stage.plans[RunID(1)] = plan
        stage.farm.restore(.runSubmitted(RunID(1), owner: owner, plan: plan, at: .seconds(800)))
        stage.farm.restore(.jobResolved(RunID(1), job: 0, resolution, at: .seconds(800)))
        for decision in decisions { stage.farm.restore(decision) }
        return stage
    }

    @Test func `goes on where it was`() {
        var stage = restored(
            .one(shards: ShardPlan(count: 4)),
            [
                .cellSharded(cell, shards: 4, items: nil),
                .leased(lease(1, 0), startedAt: .seconds(901)),
                .attemptEnded(lease(1, 0).attempt, Cause(.passed), retryAt: nil),
                .settled(cell, shards: 0...0, attempt: 1, Cause(.passed)),
                .leased(lease(1, 1), startedAt: .seconds(901)),
                .leased(lease(1, 2), startedAt: .seconds(901)),
                .attemptEnded(lease(1, 2).attempt, Cause(.gpuFault), retryAt: .seconds(1_020)),
            ])
        #expect(stage(.resume) == [])
        #expect(stage.farm.progress(of: RunID(1))?[0].first?.shardsSettled == 1)
        #expect(stage.farm.lease(of: lease(1, 1).attempt)?.until == stage.now.advanced(by: .seconds(30)))
        stage.join("b", cpus: 8)
        #expect(stage.history.placed == ["3@b"])
        stage.pass(.seconds(10))
        #expect(stage.join("a", cpus: 8, holds: [lease(1, 1).attempt]) == [.renewed("a", [lease(1, 1).attempt])])
        #expect(stage.pass(.seconds(11)).leases.map { "\($0.attempt)@\($0.agent)" } == ["r1/0/0/2#2@b"])
        let finished = stage(.attemptFinished(lease(1, 1).attempt, by: "a", Cause(.passed), listed: nil))
        #expect(finished.compactMap(\.settlement).map(\.shards) == [1...1])
        #expect(stage.finish(shard(2)).isEmpty == false)
        #expect(stage.finish(shard(3)).last == .runEnded(RunID(1)))
    }

    /// Its clock was set forward, or nobody was there for hours: nothing has waited meanwhile.
    @Test func `counts as waited only what the farm before it lived through`() {
        let timeout = Duration.minutes(60)
        let rows: [(lived: Int64, left: Duration)] = [
            (860, timeout - .seconds(60)), (0, timeout), (90_000, .minutes(15)),
        ]
        for (lived, left) in rows {
            var stage = restored(
                .one(shards: ShardPlan(count: 1)),
                [.cellSharded(cell, shards: 1, items: nil), .lived(until: .seconds(lived))])
            stage.now = .seconds(80_000)
            stage(.resume)
            #expect(stage.farm.queueTimeLeft(of: cell) == left, "lived until \(lived)")
        }
        // Set back: the job was resolved in the future.
        var stage = restored(
            .one(shards: ShardPlan(count: 1)),
            [.cellSharded(cell, shards: 1, items: nil), .lived(until: .seconds(860))])
        stage.now = .seconds(10)
        stage(.resume)
        #expect(stage.farm.queueTimeLeft(of: cell) == timeout)
    }

    /// Nobody knows how a clock was set while no coordinator ran.
    @Test func `counts no time limit and no backoff by what the clock was before`() {
        var stage = restored(
            .one(shards: ShardPlan(count: 2)),
            [
                .cellSharded(cell, shards: 2, items: nil),
                .leased(lease(1, 0), startedAt: .seconds(-1_000_000)),
                .leased(lease(1, 1), startedAt: .seconds(901)),
                .attemptEnded(lease(1, 1).attempt, Cause(.gpuFault), retryAt: .seconds(1_000_000)),
            ])
        stage(.resume)
        let attempt = lease(1, 0).attempt
        #expect(stage.join("a", holds: [attempt]) == [.renewed("a", [attempt])])
        stage.join("b")
        for _ in 0..<3 {
            #expect(stage.pass(.seconds(20)).compactMap(\.end).isEmpty)
            stage(.leasesRenewed("a", [attempt]))
        }
        #expect(stage.history.placed == ["1@b"])
        stage.finish(shard(1))
        // From the restart on it has the time that it may take, and no more.
        for _ in 0..<400 {
            stage.pass(.seconds(20))
            stage(.leasesRenewed("a", [attempt]))
        }
        let causes = stage.history.compactMap(\.end).map(\.cause.kind)
        #expect(causes.filter { $0 != .passed }.first == .agentFault, "\(causes)")
    }

    @Test func `takes back an offer that never left, at no cost`() {
        var stage = restored(.one(), [.cellSharded(cell, shards: 1, items: nil), .leased(lease(1, 0), startedAt: nil)])
        stage(.resume)
        let effects = stage.join("a")
        #expect(effects.first == .offerWithdrawn(lease(1, 0).attempt))
        #expect(effects.leases.map(\.attempt) == [lease(1, 0).attempt])
    }

    @Test func `loses what no agent comes back with`() {
        var stage = restored(
            .one(), [.cellSharded(cell, shards: 1, items: nil), .leased(lease(1, 0), startedAt: .seconds(901))])
        stage(.resume)
        let end = stage.pass(.seconds(31)).compactMap(\.end).first
        #expect(end?.cause.evidence == "the lease expired: agent a was not heard since the coordinator started")
    }

    @Test func `asks again what was not answered, and says again what has ended`() {
        var stage = Stage()
        let plan = Plan.one()
        stage.farm.restore(.runSubmitted(RunID(1), owner: owner, plan: plan, at: .seconds(800)))
        stage.farm.restore(.runSubmitted(RunID(2), owner: owner, plan: plan, at: .seconds(800)))
        stage.farm.restore(.jobResolved(RunID(2), job: 0, .notReached(reason: "x"), at: .seconds(801)))
        stage.farm.restore(.jobEnded(RunID(2), job: 0, .skipped))
        #expect(stage(.resume) == [.jobReady(RunID(1), job: 0), .runEnded(RunID(2))])
        #expect(stage.farm.progress(of: RunID(2))?.flatMap { $0.map(\.state) } == [.notReached])
    }

    @Test func `goes on with cancelling`() {
        var cancelled = restored(
            .one(shards: ShardPlan(count: 4)),
            [
                .cellSharded(cell, shards: 4, items: nil), .leased(lease(1, 0), startedAt: nil),
                .runCancelled(RunID(1), by: "ada", reason: ""),
                .settled(cell, shards: 1...2, attempt: 0, Cause(.cancelled)),
            ])
        let effects = cancelled(.resume)
        #expect(effects.compactMap(\.settlement).map(\.shards) == [3...3])
        #expect(effects.cancelled == [lease(1, 0).attempt])

        var failed = restored(
            .one(cells: PlannedCell.named("x", "y")),
            [
                .cellSharded(cell, shards: 1, items: nil), .leased(lease(1, 0), startedAt: nil),
                .attemptEnded(lease(1, 0).attempt, Cause(.timeout), retryAt: nil),
                .settled(cell, shards: 0...0, attempt: 1, Cause(.timeout)), .cellEnded(cell, .failed),
            ])
        let rest = failed(.resume)
        #expect(rest.compactMap(\.settlement).map(\.cause.evidence) == ["cell 'x' failed, and the job is fail-fast"])
        #expect(rest.compactMap(\.jobEnding) == [.failure] && rest.last == .runEnded(RunID(1)))
    }

    @Test func `lists a cell again only when its listing was lost`() {
        let listing = lease(1, ShardID.listing)
        let plan = Plan.one(shards: ShardPlan(count: 3, items: .file("items.txt")))
        var listed = restored(
            plan,
            [
                .leased(listing, startedAt: nil), .attemptEnded(listing.attempt, Cause(.passed), retryAt: nil),
                .cellSharded(cell, shards: 2, items: 2),
            ])
        listed(.resume)
        #expect(listed.join("a").placed == ["0@a", "1@a"])
        var lost = restored(
            plan,
            [
                .leased(listing, startedAt: nil),
                .attemptEnded(listing.attempt, Cause(.gpuFault), retryAt: .seconds(1_005)),
            ])
        lost(.resume)
        #expect(lost.join("a").leases == [])
        #expect(lost.pass(.seconds(6)).leases.map(\.attempt) == [AttemptID(shard: listing.attempt.shard, number: 2)])
        var unleased = restored(plan, [])
        unleased(.resume)
        #expect(unleased.join("a").placed == ["-1@a"])
    }

    @Test func `keeps waiting times, but leaves agents time to come back`() {
        var slow = PlannedCell(id: "x", name: "x", queueTimeout: .minutes(5))
        var stage = restored(.one(cells: [slow]), [.cellSharded(cell, shards: 1, items: nil)])
        // Resolved 200 s ago.
        stage(.resume)
        #expect(stage.pass(.seconds(99)) == [])
        #expect(stage.pass(.seconds(2)).compactMap(\.settlement).map(\.cause.kind) == [.queueTimeout])

        slow.queueTimeout = .minutes(2)
        var late = restored(.one(cells: [slow]), [.cellSharded(cell, shards: 1, items: nil)])
        late(.resume)
        #expect(late.pass(.seconds(59)) == [])
        #expect(late.join("a").placed == ["0@a"])
    }

    @Test func `keeps agents draining`() {
        var stage = Stage()
        stage.farm.restore(.agentDraining("a"))
        stage(.resume)
        stage.join("a")
        #expect(stage.submit(1, .one()).leases == [])
    }
}
