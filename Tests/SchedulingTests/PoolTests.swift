import Model
import Scheduling
import Testing

/// Agents take strangers' code where their pool does.
@Suite struct `Pools of agents` {
    private static let open = Pool(name: "open", allowsUntrusted: true)
    private static let lab = Pool(name: "lab", allowsUntrusted: false)

    private static func plan(untrusted: Bool = true, shards: Int = 1, labels: [String] = []) -> Plan {
        var cells = PlannedCell.named("x")
        cells[0].labels = labels
        var plan = Plan.one(cells: cells, shards: ShardPlan(count: shards))
        if untrusted { plan.untrusted = "the pull request comes from a fork" }
        return plan
    }

    private func explain(_ stage: Stage, run: UInt64 = 1) -> [String] {
        stage.farm.explain(shard(0, run: run).cell, shard: 0, at: stage.now)
    }

    @Test func `take trusted runs, and untrusted ones only where an admin allows it`() {
        var stage = Stage()
        stage.join("a")
        stage.join("b", cpus: 1)
        stage(.agentPooled("b", Self.open))
        stage(.agentPooled("a", Self.lab))
        #expect(stage.submit(1, Self.plan(shards: 2)).placed == ["0@b"])
        #expect(stage.submit(2, Self.plan(untrusted: false, shards: 5)).placed == ["0@a", "1@a", "2@a", "3@a"])
        stage.finish(shard(0, run: 2))
        // The untrusted one has waited longer and its owner has less: it never goes to `a`.
        #expect(stage.leases.filter { $0.key.run == RunID(1) }.map(\.value.agent) == ["b"])
        #expect(stage.finish(shard(0)).placed == ["1@b"])
    }

    /// Whoever joins is in no pool that takes more, until the farm hears which one it is.
    @Test func `begin with the one that takes no strangers' code, each time that an agent joins`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, Self.plan(shards: 2))
        #expect(stage(.agentPooled("a", Self.open)).placed == ["0@a", "1@a"])
        stage.finish(shard(0))
        stage(.agentDisconnected("a"))
        stage.submit(2, Self.plan())
        #expect(stage.join("a", holds: [AttemptID(shard: shard(1), number: 1)]).placed == [])
        #expect(stage(.agentPooled("a", Self.open)).placed == ["0@a"])
        // Of one that nobody knows nothing is kept.
        #expect(stage(.agentPooled("z", Self.open)) == [])
    }

    @Test func `let go on what runs when they take no more of it`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage(.agentPooled("a", Self.open))
        stage.submit(1, Self.plan(shards: 2))
        #expect(stage(.agentPooled("a", Pool(name: "open", allowsUntrusted: false))) == [])
        #expect(stage.leases.count == 1)
        #expect(stage.finish(shard(0)).placed == [])
        #expect(
            stage.farm.explain(shard(1).cell, shard: 1, at: stage.now) == [
                "shard 1 waits: 1 agent is in a pool that takes no untrusted runs: open"
            ])
    }

    @Test func `are named to whoever asks why a shard waits`() {
        var stage = Stage()
        stage.join("a", labels: ["gpu"])
        stage.join("b", labels: ["GPU"])
        stage.join("c", cpus: 1)
        stage(.agentPooled("b", Self.lab))
        stage(.agentPooled("c", Self.open))
        stage.submit(1, Self.plan(labels: ["gpu"]))
        let reason = "2 agents with label gpu are in pools that take no untrusted runs: default, lab"
        #expect(explain(stage) == ["shard 0 waits: \(reason)"])
        #expect(stage.farm.unmetNeeds().map(\.reason) == [reason])
        // What is missing anyway is said first.
        stage.submit(2, Self.plan(labels: ["tpu"]))
        #expect(explain(stage, run: 2) == ["shard 0 waits: no agent has label tpu"])
        // One takes it and is busy; others would take it, were it somebody's own.
        stage.submit(3, Self.plan(untrusted: false, shards: 9))
        stage.submit(4, Self.plan())
        #expect(
            explain(stage, run: 4).last
                == "2 agents that could take it otherwise are in pools that take no untrusted runs: default, lab")
        stage(.agentDraining("a", true))
        #expect(
            explain(stage, run: 4).last
                == "1 agent that could take it otherwise is in a pool that takes no untrusted runs: lab")
        // Where somebody can still choose another machine.
        let cell = PlannedCell.named("x")[0]
        var alone = Stage()
        alone.join("a")
        #expect(
            alone.farm.allUnmet(cell, isUntrusted: true) == [
                "1 agent is in a pool that takes no untrusted runs: default"
            ])
        #expect(alone.farm.allUnmet(cell) == [])
    }

    @Test func `hold for second attempts and for what comes back after a fault`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage(.agentPooled("a", Self.open))
        stage.submit(1, Self.plan())
        stage.join("b")
        stage.finish(shard(0), Cause(.gpuFault))
        // Another agent would be preferred, and there is none that may.
        #expect(stage.pass(.minutes(2)).placed.first == "0@a")
    }

    @Test func `are held to after the coordinator has started anew`() {
        var stage = Stage()
        let plan = Self.plan(shards: 2)
        stage.farm.restore(
            .runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan, at: stage.now))
        stage.farm.restore(
            .jobResolved(
                RunID(1), job: 0, .cells(plan.jobs[0].cells ?? [], failFast: true, maxParallel: nil), at: stage.now))
        stage.farm.restore(.cellSharded(shard(0).cell, shards: 2, items: nil))
        stage(.resume)
        #expect(stage.join("a").placed == [])
        #expect(stage(.agentPooled("a", Self.open)).placed == ["0@a", "1@a"])
    }
}
