import Model
import Scheduling
import Testing

@Suite struct `An explanation` {
    private func explain(_ stage: Stage, _ cell: Int = 0, job: Int = 0, shard number: Int? = nil) -> [String] {
        stage.farm.explain(shard(0, cell: cell, job: job).cell, shard: number, at: stage.now)
    }

    struct Row: Sendable {
        var cell: PlannedCell
        var unmet: String?
    }

    private static func cell(_ change: (inout PlannedCell) -> Void) -> PlannedCell {
        var cell = PlannedCell(id: "c", name: "c")
        change(&cell)
        return cell
    }

    @Test(arguments: [
        Row(cell: cell { _ in }, unmet: nil),
        Row(cell: cell { $0.labels = ["linux", "tpu"] }, unmet: "no agent has label tpu"),
        Row(cell: cell { $0.labels = ["arm", "gpu"] }, unmet: "no agent has all of the labels arm, gpu"),
        Row(cell: cell { $0.python = "3.12" }, unmet: "no agent has python 3.12; agents offer 3.9.2, 3.11.7"),
        Row(
            cell: cell { $0.resources.gpus = GPURequest(count: 2, memory: .gibibytes(40), model: "H200") },
            unmet: "no agent has 2 GPUs of model h200 with 40 GiB; the most that one has is 1"),
        Row(cell: cell { $0.resources.cpus = 16 }, unmet: "no agent has 16 cores; the most that one has is 8"),
        Row(
            cell: cell { $0.resources.memory = .gibibytes(64) },
            unmet: "no agent has 64 GiB of memory; the most that one has is 16 GiB"),
    ])
    func `names the first thing that no agent has`(row: Row) {
        var stage = Stage()
        #expect(stage.farm.unmet(row.cell) == "no agent is connected")
        let gpu = GPU(uuid: "G", model: "NVIDIA H200", memory: .gibibytes(141))
        stage.join("a", cpus: 8, gpus: [gpu], labels: ["linux", "gpu"], python: ["3.9.2"])
        stage.join("b", cpus: 2, labels: ["linux", "arm"], python: ["3.11.7", "3.9.2"])
        #expect(stage.farm.unmet(row.cell) == row.unmet)
    }

    @Test func `names everything that no agent has, where somebody can still choose another machine`() {
        var stage = Stage()
        stage.join("a", cpus: 8, labels: ["linux", "gpu"], python: ["3.9.2"])
        stage.join("b", cpus: 2, labels: ["linux", "arm"], python: ["3.11.7"])
        let much = Self.cell {
            $0.labels = ["linux", "tpu"]
            $0.python = "3.12"
            $0.resources.cpus = 16
        }
        #expect(
            stage.farm.allUnmet(much) == [
                "no agent has label tpu", "no agent has python 3.12; agents offer 3.9.2, 3.11.7",
                "no agent has 16 cores; the most that one has is 8",
            ])
        // Each alone is there.
        let together = Self.cell {
            $0.labels = ["arm"]
            $0.resources.cpus = 8
        }
        #expect(stage.farm.allUnmet(together) == ["no agent has 8 cores; the most that one has is 2"])
        #expect(stage.farm.allUnmet(Self.cell { $0.labels = ["gpu"] }) == [])
    }

    @Test func `says what a busy farm is busy with`() {
        var stage = Stage()
        stage.join("a", cpus: 4)
        let cells = PlannedCell.named("x", asking: ResourceRequest(cpus: 3))
        stage.submit(1, .one(cells: cells, shards: ShardPlan(count: 3)))
        stage(.attemptStarted(AttemptID(shard: shard(0), number: 1), by: "a"))
        stage.pass(.seconds(12))
        #expect(
            explain(stage) == [
                "shard 0: attempt 1 is on agent a since 12 s", "2 shards were not leased yet; the first of them:",
                "shard 1 waits for a free agent; it asks for 3 cores",
                // By the shard's timeout of an hour: nobody knows better yet.
                "the only agent that could take it is full until about 01:16 UTC", "agent a has 1 of 4 cores free",
            ])
        stage(.agentDisconnected("a"))
        #expect(
            explain(stage, shard: 0) == [
                "shard 0: attempt 1 is on agent a since 12 s; the agent is not connected, the lease ends in 18 s"
            ])
        #expect(explain(stage, shard: 2) == ["shard 2 waits: no agent is connected"])
        #expect(explain(stage, shard: 3) == ["there is no such shard"])
    }

    @Test func `counts who is full, and names who is kept from work`() {
        var stage = Stage()
        for name in ["a", "b", "c"] { stage.join(name, cpus: 2) }
        stage(.agentDraining("c", true, why: "drained by alice: new driver"))
        stage.submit(1, .one(shards: ShardPlan(count: 9)))
        #expect(
            Array(explain(stage, shard: 8).prefix(2)) == [
                "shard 8 waits for a free agent; it asks for 1 core",
                "2 of 3 agents that could take it are full until about 01:16 UTC",
            ])
        #expect(
            explain(stage, shard: 8).last == "agent c is draining (drained by alice: new driver) and takes nothing new")
        // What has taken 10 minutes so far will do so again.
        stage.work(.minutes(10))
        stage.finish(shard(0))
        #expect(explain(stage, shard: 8)[1] == "2 of 3 agents that could take it are full until about 00:26 UTC")
        let lease = stage.leases.values.sorted { $0.attempt < $1.attempt }.last
        if let lease { stage(.offerDeclined(lease.attempt, by: lease.agent, reason: "its disk is full")) }
        let declined = lease.map { explain(stage, shard: $0.attempt.shard.shard) } ?? []
        #expect(
            declined.first.map { $0.hasSuffix("for now: it declined the offer: its disk is full") } ?? false,
            "\(declined)")
    }

    @Test func `tells of needs, backoffs and endings`() {
        var stage = Stage()
        stage.join("a")
        var first = PlannedJob(id: "train", cells: PlannedCell.named("x"), shards: ShardPlan(count: 2))
        first.retry.backoffMin = .seconds(4)
        first.retry.backoffMax = .seconds(4)
        let second = PlannedJob(id: "eval", needs: [0], cells: PlannedCell.named("x"))
        stage.submit(1, Plan(name: "t", file: "t.yml", jobs: [first, second]))
        #expect(explain(stage, job: 1) == ["waits for job 'train'"])
        stage.finish(shard(0), Cause(.gpuFault))
        #expect(explain(stage, shard: 0) == ["shard 0 waits 4 s before attempt 2, after attempt 1 ended gpu_fault"])
        stage.pass(.seconds(5))
        stage.finish(shard(0))
        #expect(explain(stage, shard: 0) == ["shard 0 has settled"])
        stage.finish(shard(1))
        #expect(explain(stage) == ["it has ended: passed"])
        #expect(
            stage.farm.explain(shard(0, run: 9).cell, shard: nil, at: stage.now) == [
                "run r9 is not known, or has been judged"
            ])
    }
}
