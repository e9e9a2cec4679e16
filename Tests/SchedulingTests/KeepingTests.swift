import Model
import Scheduling
import Testing

@Suite struct `What agents keep` {
    private let lock = Digest([UInt8](repeating: 1, count: 32))
    private let tree = Digest([UInt8](repeating: 2, count: 32))

    private func join(_ stage: inout Stage, _ agent: String, cpus: Int = 2, gpus: [GPU] = [], keeps: [Digest?] = []) {
        let capacity = Capacity(cpus: cpus, memory: .gibibytes(16), gpus: gpus, keeps: keeps.compactMap(\.self))
        stage(.agentJoined(AgentID(agent), team: nil, capacity: capacity, holds: []))
    }

    private func plan(_ count: Int = 1, cpus: Int = 1) -> Plan {
        let cell = PlannedCell(
            id: "only", name: "only", resources: ResourceRequest(cpus: cpus), environmentLock: lock)
        var plan = Plan.one(cells: [cell], shards: ShardPlan(count: count))
        plan.tree = tree
        return plan
    }

    @Test func `a shard goes to whoever keeps its environment, else its code tree, else to the smallest`() {
        var stage = Stage()
        join(&stage, "small", cpus: 2)
        join(&stage, "tree", cpus: 4, keeps: [tree])
        join(&stage, "lock", cpus: 8, keeps: [lock])
        #expect(stage.submit(1, plan(14)).leases.map(\.agent.name).prefix(12).last == "tree")
        #expect(stage.leases.values.count { $0.agent == "lock" } == 8)
        #expect(stage.leases.values.count { $0.agent == "tree" } == 4)
        #expect(stage.leases.values.count { $0.agent == "small" } == 2)
    }

    @Test func `nothing waits for it: one without takes what it can`() {
        var stage = Stage()
        join(&stage, "keeps", cpus: 1, keeps: [lock, tree])
        join(&stage, "free", cpus: 2)
        #expect(stage.submit(1, plan(3)).leases.count == 3)
    }

    @Test func `GPUs are not spent for it on what needs none`() {
        var stage = Stage()
        let gpu = GPU(uuid: "GPU-0", model: "NVIDIA H200", memory: .gibibytes(141))
        join(&stage, "gpu", gpus: [gpu], keeps: [lock, tree])
        join(&stage, "plain")
        #expect(stage.submit(1, plan()).placed == ["0@plain"])
    }

    @Test func `where an attempt has its environment, later shards of the cell go, whatever lock was known before`()
        throws
    {
        var stage = Stage()
        let other = try #require(Digest([UInt8](repeating: 3, count: 32)))
        join(&stage, "a", cpus: 1)
        let first = stage.submit(1, plan(2)).leases[0]
        stage(.environmentEntered(first.attempt, by: first.agent, lock: other))
        join(&stage, "b", cpus: 1)
        stage.finish(shard(0))
        stage.finish(shard(1))
        // Both are free; `b` holds the lock that the record names, `a` the one that the cell had in this run.
        stage.submit(2, plan())
        #expect(stage.leases[shard(0, run: 2)]?.agent == "a")
    }

    @Test func `few that keep it are found among very many that are free`() {
        var stage = Stage()
        for index in 0..<500 { join(&stage, "agent-\(index)", keeps: index == 400 ? [lock] : []) }
        #expect(stage.submit(1, plan()).placed == ["0@agent-400"])
    }

    @Test func `an agent that comes again keeps what it says then`() {
        var stage = Stage()
        join(&stage, "a", keeps: [lock])
        join(&stage, "b")
        join(&stage, "a")
        join(&stage, "b", keeps: [lock])
        #expect(stage.submit(1, plan()).placed == ["0@b"])
    }

    @Test func `what an agent says beyond the limit is forgotten`() {
        var stage = Stage()
        let many = (0..<200).compactMap { Digest([UInt8](repeating: 9, count: 31) + [UInt8($0)]) }
        join(&stage, "a")
        join(&stage, "b", keeps: many + [lock])
        #expect(stage.submit(1, plan()).placed == ["0@a"])
    }

    @Test func `explain says so of an attempt`() {
        var stage = Stage()
        join(&stage, "a", keeps: [lock])
        stage.submit(1, plan())
        let lines = stage.farm.explain(CellID(run: RunID(1), job: 0, cell: 0), shard: 0, at: stage.now)
        #expect(lines == ["shard 0: attempt 1 is on agent a and has not started yet; it keeps the environment"])
    }
}
