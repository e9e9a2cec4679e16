import Model
import Scheduling
import Testing

/// Short shards that are offered behind an attempt, before it has ended.
@Suite struct `A shard that is offered ahead` {
    private static let cell = CellID(run: RunID(1), job: 0, cell: 0)
    private static func shard(_ number: Int) -> ShardID { ShardID(cell: cell, shard: number) }
    private static func first(_ number: Int) -> AttemptID { AttemptID(shard: shard(number), number: 1) }

    /// One agent with one core, on which the first of many shards runs. Each of them takes 100 ms, as an earlier run says.
    private static func stage(
        shards: Int = 10, length: Duration = .milliseconds(100), gpus: Int = 0,
        _ change: (inout Plan) -> Void = { _ in }
    ) -> Stage {
        var stage = Stage()
        let devices = (0..<gpus).map { GPU(uuid: "GPU-\($0)", model: "h200", memory: .gibibytes(141)) }
        stage.join("a", cpus: max(1, gpus), gpus: devices, takesAhead: true)
        stage.submit(1, plan(shards, length, gpus: gpus, change))
        return stage
    }

    private static func plan(
        _ shards: Int, _ length: Duration, gpus: Int, _ change: (inout Plan) -> Void = { _ in }
    ) -> Plan {
        var asking = ResourceRequest(cpus: 1)
        if gpus > 0 { asking.gpus = GPURequest(count: 1) }
        var cell = PlannedCell(id: "c", name: "c", resources: asking)
        cell.expected = length
        var plan = Plan(
            name: "p", file: "p.yml",
            jobs: [PlannedJob(id: "j", cells: [cell], shards: ShardPlan(count: shards))])
        change(&plan)
        return plan
    }

    private static func started(_ attempt: AttemptID) -> Farm.Event { .attemptStarted(attempt, by: AgentID("a")) }
    private static func finished(_ attempt: AttemptID, _ cause: Cause = Cause(.passed)) -> Farm.Event {
        .attemptFinished(attempt, by: AgentID("a"), cause, listed: nil)
    }
    private func ahead(_ effects: [Farm.Effect]) -> [AttemptID: AttemptID] {
        Dictionary(
            uniqueKeysWithValues: effects.compactMap(\.lease).compactMap { lease in
                lease.behind.map { (lease.attempt, $0) }
            })
    }

    @Test func `waits behind the one that has begun, and the next behind it once it has begun`() {
        var stage = Self.stage()
        #expect(stage.leases.keys.sorted() == [Self.shard(0)])
        #expect(ahead(stage(Self.started(Self.first(0)))) == [Self.first(1): Self.first(0)])
        // Its agent says first that it has begun: the one before it has ended.
        #expect(ahead(stage(Self.started(Self.first(1)))) == [Self.first(2): Self.first(1)])
        #expect(stage.finish(Self.shard(0)).compactMap(\.lease).isEmpty)
        // Or first that the one before it has ended: nothing else takes its place.
        #expect(stage.finish(Self.shard(1)).compactMap(\.lease).isEmpty)
        #expect(ahead(stage(Self.started(Self.first(2)))) == [Self.first(3): Self.first(2)])
    }

    @Test func `is the last of those that wait, and the farm is empty after it`() {
        var stage = Self.stage(shards: 3)
        for number in 0..<3 {
            stage(Self.started(Self.first(number)))
            stage.finish(Self.shard(number))
        }
        #expect(stage.history.contains { $0.isRunEnd })
        // All of the agent is free again.
        stage.submit(2, Self.plan(2, .seconds(100), gpus: 0))
        #expect(stage.leases.count == 1 && stage.leases.values.allSatisfy { $0.behind == nil })
    }

    @Test func `takes over the very device`() {
        var stage = Self.stage(gpus: 2)
        #expect(stage.leases.count == 2)
        let lease = stage(Self.started(Self.first(1))).compactMap(\.lease).first
        #expect(lease?.behind == Self.first(1) && lease?.devices == stage.leases[Self.shard(1)]?.devices)
        stage(Self.started(Self.first(2)))
        // The other one's device stays its own.
        stage.finish(Self.shard(1))
        let other = stage.finish(Self.shard(0)).compactMap(\.lease)
        #expect(other.count == 1 && other[0].devices == ["GPU-0"])
    }

    @Test(arguments: ["long", "an agent of before", "draining", "another need", "nothing waits", "at its limit"])
    func `is none where`(reason: String) {
        var stage = Self.stage(
            shards: reason == "nothing waits" ? 1 : 10, length: reason == "long" ? .seconds(2) : .milliseconds(100)
        ) { plan in
            if reason == "at its limit" { plan.jobs[0].shards.maxParallel = 1 }
        }
        switch reason {
        case "an agent of before": stage.join("a", cpus: 1, holds: [Self.first(0)])
        case "draining": stage(.agentDraining(AgentID("a"), true))
        case "another need":
            stage = Stage()
            stage.join("a", cpus: 2, takesAhead: true)
            stage.submit(
                1,
                Self.plan(1, .milliseconds(100), gpus: 0) { plan in
                    var other = plan.jobs[0]
                    other.id = "k"
                    other.cells?[0].resources.cpus = 2
                    plan.jobs.append(other)
                })
        default: break
        }
        #expect(ahead(stage(Self.started(Self.first(0)))).isEmpty)
    }

    @Test func `is recalled when what it waits for takes long, and goes elsewhere`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        let recalled = stage.pass(.seconds(2))
        #expect(recalled.contains(.offerRecalled(Self.first(1), on: AgentID("a"))))
        stage.join("b", cpus: 1)
        let given = stage(.offerDeclined(Self.first(1), by: AgentID("a"), reason: "taken back")).filter { !$0.isWake }
        #expect(given.first == .offerWithdrawn(Self.first(1)))
        #expect(stage.leases[Self.shard(1)]?.agent == AgentID("b") && stage.leases[Self.shard(1)]?.attempt.number == 1)
        // The agent has done nothing wrong: it gets the next at once.
        stage.submit(2, Self.plan(1, .seconds(5), gpus: 0))
        stage.finish(Self.shard(0))
        #expect(stage.allLeases.contains { $0.attempt.run == RunID(2) && $0.agent == AgentID("a") })
    }

    @Test func `is asked for again until it is back`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        #expect(stage.pass(.seconds(7)).count { $0 == .offerRecalled(Self.first(1), on: AgentID("a")) } == 3)
        // It had begun: nothing is asked any more.
        stage(Self.started(Self.first(1)))
        #expect(stage.pass(.seconds(7)).isEmpty)
    }

    @Test(arguments: [false, true]) func `is recalled from an agent that is to get nothing more`(isDrained: Bool) {
        var stage = Self.stage(shards: 3)
        stage(Self.started(Self.first(0)))
        let effects =
            isDrained
            ? stage(.agentDraining(AgentID("a"), true)) : stage(Self.finished(Self.first(0), Cause(.gpuFault)))
        if isDrained { #expect(effects.contains(.offerRecalled(Self.first(1), on: AgentID("a")))) }
        // Its agent gives it back by itself after a fault.
        let given = stage(.offerDeclined(Self.first(1), by: AgentID("a"), reason: "a fault"))
        #expect(given.contains(.offerWithdrawn(Self.first(1))) && given.compactMap(\.end).isEmpty)
        #expect(stage.leases[Self.shard(1)] == nil)
    }

    @Test func `costs no attempt when its agent is lost`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        stage(.leasesRenewed(AgentID("a"), [Self.first(0), Self.first(1)]))
        let effects = stage.pass(.seconds(40))
        #expect(effects.compactMap(\.end).map(\.attempt) == [Self.first(0)])
        #expect(effects.contains(.offerWithdrawn(Self.first(1))))
        stage.join("b", cpus: 4)
        #expect(stage.leases[Self.shard(1)]?.attempt.number == 1)
    }

    @Test func `costs no attempt when its agent comes back without it`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        stage(.leasesRenewed(AgentID("a"), [Self.first(0), Self.first(1)]))
        stage.now = stage.now.advanced(by: .seconds(20))
        let effects = stage.join("a", cpus: 1, holds: [])
        #expect(effects.compactMap(\.end).map(\.attempt) == [Self.first(0)])
        #expect(effects.contains(.offerWithdrawn(Self.first(1))))
    }

    @Test func `is settled without an attempt when its run is cancelled`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        let told = stage(.runCancelled(RunID(1), by: "ada", reason: ""))
        #expect(told.contains { if case .cancelAttempt(Self.first(1), _, _) = $0 { true } else { false } })
        let effects = stage(.offerDeclined(Self.first(1), by: AgentID("a"), reason: "cancelled"))
        #expect(effects.compactMap(\.settlement).map(\.attempt) == [0])
        stage(Self.finished(Self.first(0), Cause(.cancelled)))
        #expect(stage.history.contains { $0.isRunEnd })
    }

    @Test func `may be reported before anybody heard that it began`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        stage(Self.finished(Self.first(1)))
        stage(Self.finished(Self.first(0)))
        #expect(stage.history.contains { $0.isRunEnd })
        stage.submit(2, Self.plan(2, .seconds(100), gpus: 0))
        #expect(stage.leases.count == 1)
    }

    /// Room is kept for what needs more than is free: nothing may take it over meanwhile.
    @Test func `does not take the place of something larger`() {
        var stage = Stage()
        stage.join("a", cpus: 2, takesAhead: true)
        stage.submit(1, Self.plan(10, .milliseconds(100), gpus: 0))
        stage.submit(
            2, Self.plan(1, .milliseconds(100), gpus: 0) { $0.jobs[0].cells?[0].resources.cpus = 2 }, owner: "eve")
        #expect(ahead(stage(Self.started(Self.first(0)))).isEmpty)
        stage.finish(Self.shard(0))
        // It fills the gap until the other one ends; nothing follows it.
        #expect(ahead(stage(Self.started(Self.first(2)))).isEmpty)
        stage.pass(.milliseconds(100))
        stage.finish(Self.shard(1))
        stage.finish(Self.shard(2))
        #expect(stage.allLeases.map(\.attempt.run) == [RunID(2)])
    }

    @Test(arguments: [0, 1, 2]) func `is what it was for a farm that starts anew`(step: Int) {
        var stage = Self.stage()
        stage(Self.started(Self.first(0)))
        if step >= 1 { stage(Self.started(Self.first(1))) }
        if step == 2 { stage(Self.finished(Self.first(0))) }
        var farm = Farm(seed: 1)
        let plan = Self.plan(10, .milliseconds(100), gpus: 0)
        let began = Instant.seconds(1_000)
        farm.restore(.runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan, at: began))
        farm.restore(
            .jobResolved(
                RunID(1), job: 0, .cells(plan.jobs[0].cells ?? [], failFast: true, maxParallel: nil), at: began))
        farm.restore(.cellSharded(Self.cell, shards: 10, items: nil))
        for effect in stage.history {
            guard let lease = effect.lease else { continue }
            let hasStarted = lease.attempt.shard.shard <= min(1, step)
            farm.restore(.leased(lease, startedAt: hasStarted ? began : nil))
        }
        if step == 2 {
            farm.restore(.attemptEnded(Self.first(0), Cause(.passed), retryAt: nil))
            farm.restore(.attemptTook(Self.first(0), .zero))
            farm.restore(.settled(Self.cell, shards: 0...0, attempt: 1, Cause(.passed)))
        }
        var effects: [Farm.Effect] = []
        farm.handle(.resume, at: began, into: &effects)
        #expect(farm.standing(of: RunID(1), at: began) == stage.farm.standing(of: RunID(1), at: began))
    }

    @Test func `says what it waits for`() {
        var stage = Self.stage(shards: 2)
        stage(Self.started(Self.first(0)))
        let words = stage.farm.explain(Self.cell, shard: 1, at: stage.now)
        #expect(words == ["shard 1: attempt 1 is on agent a and begins once the short one before it there has ended"])
    }
}
