import Model
import Scheduling
import Testing

@Suite struct `Placement` {
    private func gpu(_ uuid: String, _ model: String = "NVIDIA H200", _ memory: Int64 = 141) -> GPU {
        GPU(uuid: uuid, model: model, memory: .gibibytes(memory))
    }

    struct Row: Sendable {
        var name: String
        var cell: PlannedCell
        /// The agents that may take it, of the four below.
        var agents: Set<String>
    }

    private static let manifest = Digest(hex: String(repeating: "ab", count: 32))
    private static func cell(_ change: (inout PlannedCell) -> Void) -> PlannedCell {
        var cell = PlannedCell(id: "c", name: "c")
        change(&cell)
        return cell
    }

    @Test(arguments: [
        Row(name: "anything", cell: cell { _ in }, agents: ["small", "large", "gpu", "vision"]),
        Row(name: "cores", cell: cell { $0.resources.cpus = 8 }, agents: ["large", "gpu"]),
        Row(name: "memory", cell: cell { $0.resources.memory = .gibibytes(32) }, agents: ["large", "gpu"]),
        Row(name: "labels of any case", cell: cell { $0.labels = ["linux", "fast"] }, agents: ["large"]),
        Row(name: "python by prefix", cell: cell { $0.python = "3.11" }, agents: ["small", "gpu"]),
        Row(name: "python by major", cell: cell { $0.python = "3.x" }, agents: ["small", "large", "gpu"]),
        Row(
            name: "gpus by model", cell: cell { $0.resources.gpus = GPURequest(count: 2, model: "h200") },
            agents: ["gpu"]),
        Row(
            name: "gpus by memory", cell: cell { $0.resources.gpus = GPURequest(count: 3, memory: .gibibytes(80)) },
            agents: []),
        Row(name: "more gpus than one has", cell: cell { $0.resources.gpus = GPURequest(count: 4) }, agents: []),
        Row(
            name: "inputs by path and manifest",
            cell: cell { $0.inputs = manifest.map { [HeldInput(path: "/data/val", manifest: $0)] } ?? [] },
            agents: ["large"]),
        Row(
            name: "inputs under another path",
            cell: cell { $0.inputs = manifest.map { [HeldInput(path: "/data", manifest: $0)] } ?? [] }, agents: []),
    ])
    func `asks for what the cell names`(row: Row) throws {
        let input = try HeldInput(path: "/data/val", manifest: #require(Self.manifest))
        let joins: [(String, (inout Stage) -> Void)] = [
            ("small", { $0.join("small", cpus: 2, memory: .gibibytes(4), python: ["3.9.2", "3.11.7"]) }),
            (
                "large",
                {
                    $0.join(
                        "large", cpus: 32, memory: .gibibytes(128), labels: ["Linux", "FAST"], python: ["3.12.1"],
                        inputs: [input])
                }
            ),
            (
                "gpu",
                { [gpu] in
                    $0.join(
                        "gpu", cpus: 16, memory: .gibibytes(64),
                        gpus: [gpu("A", "NVIDIA H200", 141), gpu("B", "NVIDIA H200", 141), gpu("C", "NVIDIA L4", 24)],
                        labels: ["linux"], python: ["3.11.2"])
                }
            ),
            ("vision", { $0.join("vision", cpus: 4, labels: [], team: "vision") }),
        ]
        for (agent, join) in joins {
            var stage = Stage()
            join(&stage)
            let placed = stage.submit(1, .one(cells: [row.cell]), team: "vision").leases.map(\.agent.name)
            #expect(placed == (row.agents.contains(agent) ? [agent] : []), "\(row.name) on \(agent)")
            #expect((stage.farm.unmet(row.cell) == nil) == row.agents.contains(agent))
        }
    }

    @Test func `gives an agent of a team only that team's runs`() {
        var stage = Stage()
        stage.join("theirs", team: "vision")
        #expect(stage.submit(1, .one(), owner: "ada").leases == [])
        #expect(stage.submit(2, .one(), owner: "ben", team: "speech").leases == [])
        #expect(stage.submit(3, .one(), owner: "eve", team: "vision").placed == ["0@theirs"])
        #expect(
            stage.farm.explain(shard(0).cell, shard: 0, at: stage.now) == [
                "shard 0 waits: no agent takes runs of owners without a team"
            ])
        #expect(stage.join("ours").leases.map(\.attempt.run) == [RunID(1), RunID(2)])
    }

    @Test func `fills the agent that is left with the least, and keeps GPU agents free`() {
        var stage = Stage()
        stage.join("gpu", cpus: 2, gpus: [gpu("A")])
        stage.join("wide", cpus: 8)
        stage.join("narrow", cpus: 3)
        let plan = Plan.one(
            cells: PlannedCell.named("x", asking: ResourceRequest(cpus: 2)), shards: ShardPlan(count: 6))
        #expect(stage.submit(1, plan).placed == ["0@narrow", "1@wide", "2@wide", "3@wide", "4@wide", "5@gpu"])
    }

    @Test func `gives the smallest devices that do, each to one attempt`() {
        var stage = Stage()
        stage.join(
            "a", cpus: 8, gpus: [gpu("big", "NVIDIA H200", 141), gpu("small", "NVIDIA L4", 24), gpu("small", "x", 1)])
        let asking = ResourceRequest(gpus: GPURequest(count: 1, memory: .gibibytes(16)))
        let leases = stage.submit(1, .one(cells: PlannedCell.named("x", asking: asking), shards: ShardPlan(count: 3)))
            .leases
        #expect(leases.map(\.devices) == [["small"], ["big"]])
    }

    @Test func `counts memory only where both sides name it`() {
        var stage = Stage()
        stage.join("unnamed", cpus: 1, memory: .zero)
        let asking = ResourceRequest(memory: .gibibytes(500))
        #expect(stage.submit(1, .one(cells: PlannedCell.named("x", asking: asking))).placed == ["0@unnamed"])
        var defaulted = Stage(settings: Farm.Settings(defaults: .init(memory: .gibibytes(6))))
        defaulted.join("a", cpus: 16, memory: .gibibytes(16))
        #expect(
            defaulted.submit(1, .one(shards: ShardPlan(count: 9))).leases.map(\.memory) == [
                .gibibytes(6), .gibibytes(6),
            ])
    }

    @Test func `promises no more of a disk than there is, where both sides name it`() {
        var stage = Stage()
        stage.join("a", disk: .gibibytes(100))
        let asking = ResourceRequest(disk: .gibibytes(40))
        let placed = stage.submit(1, .one(cells: PlannedCell.named("x", asking: asking), shards: ShardPlan(count: 3)))
        #expect(placed.leases.map(\.disk) == [.gibibytes(40), .gibibytes(40)])
        let waits = stage.farm.explain(shard(2).cell, shard: 2, at: stage.now).joined()
        #expect(waits.contains("20 GiB of 100 GiB of disk"), "\(waits)")
        #expect(stage.finish(shard(0)).leases.map(\.attempt.shard.shard) == [2])
        let large = ResourceRequest(disk: .gibibytes(101))
        #expect(stage.submit(2, .one(cells: PlannedCell.named("x", asking: large))).leases.isEmpty)
        let words = stage.farm.explain(shard(0, run: 2).cell, shard: 0, at: stage.now).joined()
        #expect(
            words.contains("no agent has 101 GiB of disk for attempts; the most that one has is 100 GiB"), "\(words)")
        stage.join("silent")
        #expect(stage.leases[shard(0, run: 2)]?.agent == AgentID("silent"))
        var defaulted = Stage(settings: Farm.Settings(defaults: .init(disk: .gibibytes(60))))
        defaulted.join("a", disk: .gibibytes(100))
        #expect(defaulted.submit(1, .one(shards: ShardPlan(count: 3))).leases.map(\.disk) == [.gibibytes(60)])
    }

    @Test func `shares the farm between owners, then serves the oldest run`() {
        var stage = Stage()
        stage.submit(1, .one(shards: ShardPlan(count: 20)), owner: "ada")
        stage.submit(2, .one(shards: ShardPlan(count: 20)), owner: "ada")
        stage.submit(3, .one(shards: ShardPlan(count: 20)), owner: "ben")
        let runs = stage.join("a", cpus: 8).leases.map(\.attempt.run.number)
        #expect(runs == [1, 3, 1, 3, 1, 3, 1, 3])
        // Whose attempt ends has the smaller share.
        #expect(stage.finish(shard(0, run: 3)).leases.map(\.attempt.run.number) == [3])
        #expect(stage.finish(shard(0, run: 1)).leases.map(\.attempt.run.number) == [1])
    }

    @Test func `weighs GPUs as a part of all GPUs`() {
        var stage = Stage()
        let asking = ResourceRequest(gpus: GPURequest(count: 1))
        stage.submit(1, .one(cells: PlannedCell.named("x", asking: asking), shards: ShardPlan(count: 9)), owner: "ada")
        stage.submit(2, .one(shards: ShardPlan(count: 9)), owner: "ben")
        // A GPU is half of the GPUs, a core a sixteenth of the cores: ben gets eight cores for each.
        let runs = stage.join("a", cpus: 16, gpus: [gpu("A"), gpu("B")]).leases.map(\.attempt.run.number)
        #expect(runs.count(where: { $0 == 1 }) == 2 && runs.count(where: { $0 == 2 }) == 9)
        #expect(runs.first == 1 && runs[1...8].allSatisfy { $0 == 2 })
    }

    @Test func `keeps to the order of job, cell and shard within a run`() {
        var stage = Stage()
        stage.submit(1, .one(cells: PlannedCell.named("x", "y"), shards: ShardPlan(count: 2)))
        #expect(
            stage.join("a", cpus: 4).leases.map(\.attempt.shard) == [
                shard(0), shard(1), shard(0, cell: 1), shard(1, cell: 1),
            ])
    }

    @Test func `says who drains of those that could take it`() {
        var stage = Stage()
        stage.join("a", labels: ["linux"])
        stage.join("b", labels: ["linux", "gpu"])
        stage(.agentDraining("b", true, why: "drained by bob"))
        var cells = PlannedCell.named("x")
        cells[0].labels = ["gpu"]
        stage.submit(1, .one(cells: cells))
        #expect(
            stage.farm.explain(shard(0).cell, shard: 0, at: stage.now) == [
                "shard 0 waits: every agent that could take it is draining: b (drained by bob)"
            ])
        stage(.agentDisconnected("b"))
        #expect(
            stage.farm.explain(shard(0).cell, shard: 0, at: stage.now) == ["shard 0 waits: no agent has label gpu"])
    }

    @Test func `offers nothing to an agent that drains, until it no longer does`() {
        var stage = Stage()
        stage(.agentDraining("a", true))
        #expect(stage.join("a").leases == [])
        #expect(stage.submit(1, .one()).leases == [])
        #expect(
            stage.farm.explain(shard(0).cell, shard: 0, at: stage.now) == ["shard 0 waits: every agent is draining"])
        #expect(stage(.agentDraining("a", false)).placed == ["0@a"])
    }

    @Test func `holds outsiders' figures within limits`() {
        var stage = Stage()
        stage.join("mad", cpus: .max, memory: ByteCount(-5))
        stage.join("none", cpus: -3)
        #expect(stage.submit(1, .one(shards: ShardPlan(count: 10_000))).leases.count == 10_000)
        #expect(stage.farm.runningAttempts(on: "none") == [])
    }

    @Test func `holds ten thousand shards over a hundred agents, each once`() {
        var stage = Stage()
        for index in 0..<100 { stage.join("agent-\(index)", cpus: 100) }
        let leases = stage.submit(1, .one(shards: ShardPlan(count: 10_000))).leases
        #expect(leases.map(\.attempt.shard.shard) == Array(0..<10_000))
        #expect(stage.farm.progress(of: RunID(1))?[0].first?.state == .running)
        #expect(stage(.resume) == [])
    }
}
