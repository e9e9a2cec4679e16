import Model
import Scheduling
import Testing

@Suite struct `A failed attempt` {
    struct Row: Sendable {
        var cause: Cause
        var on: [String]
        var isRetried: Bool
    }

    @Test(arguments: [
        Row(cause: Cause(.gpuFault), on: ["infrastructure"], isRetried: true),
        Row(cause: Cause(.preempted), on: ["infrastructure"], isRetried: true),
        Row(cause: Cause(.oom), on: ["infrastructure"], isRetried: false),
        Row(cause: Cause(.oom), on: ["oom"], isRetried: true),
        Row(cause: Cause(.userExit, code: 75), on: ["exit:75"], isRetried: true),
        Row(cause: Cause(.userExit, code: 1), on: ["exit:75"], isRetried: false),
        Row(cause: Cause(.timeout), on: ["infrastructure", "timeout"], isRetried: true),
        Row(cause: Cause(.userError), on: ["user_error", "infrastructure"], isRetried: false),
        Row(cause: Cause(.lostAgent), on: [], isRetried: false),
    ])
    func `is retried as its policy says`(row: Row) {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one(retry: RetryPolicy(on: row.on)))
        let effects = stage.finish(shard(0), row.cause)
        #expect((effects.first?.end?.retryAt != nil) == row.isRetried)
        #expect(effects.contains { $0.settlement != nil } == !row.isRetried)
    }

    @Test func `is retried up to its number of attempts, after growing pauses`() {
        for seed in UInt64(0)..<50 {
            var stage = Stage(seed: seed)
            stage.join("a")
            let retry = RetryPolicy(attemptsMax: 5, on: ["timeout"], backoffMin: .seconds(10), backoffMax: .seconds(60))
            stage.submit(1, .one(retry: retry))
            for (attempt, bounds) in [(1, 10...20.0), (2, 20...40), (3, 30...60), (4, 30...60)] {
                let end = stage.finish(shard(0), Cause(.timeout)).first?.end
                let wait = end?.retryAt.map { stage.now.duration(to: $0).inSeconds } ?? -1
                #expect(bounds.contains(wait), "seed \(seed), after attempt \(attempt)")
                #expect(stage.work(.seconds(60)).leases.map(\.attempt.number) == [attempt + 1])
            }
            let last = stage.finish(shard(0), Cause(.timeout))
            #expect(last.first?.end?.why == "not tried again: it was attempt 5 of 5")
            #expect(last.compactMap(\.settlement).first?.attempt == 5)
        }
    }

    @Test func `asks for more memory after oom, at most for what the largest agent has`() {
        var stage = Stage()
        stage.join("a", memory: .gibibytes(8))
        stage.join("b", memory: .gibibytes(20))
        let asking = ResourceRequest(memory: .gibibytes(6))
        let retry = RetryPolicy(attemptsMax: 4, on: ["oom"], memoryFactor: 2)
        let first = stage.submit(1, .one(cells: PlannedCell.named("x", asking: asking), retry: retry))
        #expect(first.leases.map(\.memory) == [.gibibytes(6)])
        for memory in [12, 20, 20] {
            stage.finish(shard(0), Cause(.oom))
            #expect(stage.work(.minutes(1)).leases.map(\.memory) == [.gibibytes(Int64(memory))])
        }
    }

    @Test func `follows the largest agent when agents come and go`() {
        var stage = Stage()
        stage.join("a", memory: .gibibytes(8))
        let retry = RetryPolicy(attemptsMax: 4, on: ["oom"], memoryFactor: 4)
        stage.submit(
            1, .one(cells: PlannedCell.named("x", asking: ResourceRequest(memory: .gibibytes(4))), retry: retry))
        stage.join("b", memory: .gibibytes(64))
        stage(.agentDraining("b", true))
        stage.finish(shard(0), Cause(.oom))
        #expect(stage.work(.minutes(1)).leases.map(\.memory) == [.gibibytes(8)], "b has more, but drains")
        stage(.agentDisconnected("b"))
        stage.join("c", memory: .gibibytes(12))
        stage.finish(shard(0), Cause(.oom))
        #expect(stage.work(.minutes(1)).leases.map(\.memory) == [.gibibytes(12)])
    }

    /// What others have that could not take it anyway is nothing to wait for.
    @Test func `counts agents alone that could take the shard`() {
        var stage = Stage()
        stage.join("a", memory: .gibibytes(8), labels: ["two"])
        stage.join("b", memory: .gibibytes(64), labels: ["one"])
        var cells = PlannedCell.named("x", asking: ResourceRequest(memory: .gibibytes(6)))
        cells[0].labels = ["two"]
        stage.submit(1, .one(cells: cells, retry: RetryPolicy(attemptsMax: 4, on: ["oom"], memoryFactor: 2)))
        stage.finish(shard(0), Cause(.oom))
        #expect(stage.work(.minutes(1)).leases.map(\.memory) == [.gibibytes(8)])
    }

    @Test func `goes to another agent after the farm's own failure, and waits for one that is busy`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one(retry: RetryPolicy(backoffMin: .seconds(2), backoffMax: .seconds(2))))
        stage.join("b", cpus: 1)
        stage.submit(2, .one())
        stage.finish(shard(0), Cause(.gpuFault))
        #expect(stage.work(.seconds(20)).leases == [], "a is free, but failed; b is busy")
        #expect(stage.finish(shard(0, run: 2)).placed == ["0@b"])
    }

    @Test func `goes to the same agent when no other comes free in time, or could ever take it`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one(retry: RetryPolicy(backoffMin: .seconds(2), backoffMax: .seconds(2))))
        stage.join("b", cpus: 1)
        stage.submit(2, .one())
        stage.finish(shard(0), Cause(.gpuFault))
        #expect(stage.work(.seconds(65)).leases.map { "\($0.attempt)@\($0.agent)" } == ["r1/0/0/0#2@a"])

        var alone = Stage()
        alone.join("a", cpus: 1)
        alone.submit(1, .one(retry: RetryPolicy(backoffMin: .seconds(2), backoffMax: .seconds(2))))
        alone.finish(shard(0), Cause(.gpuFault))
        #expect(alone.pass(.seconds(3)).placed == ["0@a"])
    }

    @Test func `pauses its agent, longer each time, so that it does not eat the queue`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        let plan = Plan.one(shards: ShardPlan(count: 100), retry: RetryPolicy(attemptsMax: 1))
        stage.submit(1, plan)
        var pauses: [Int] = []
        for _ in 0..<8 {
            guard let lease = stage.leases.values.first else { break }
            stage.finish(lease.attempt.shard, Cause(.agentFault))
            var seconds = 0
            while stage.leases.isEmpty && seconds < 100 {
                stage.pass(.seconds(1))
                seconds += 1
            }
            pauses.append(seconds)
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 32, 32])
    }
}

@Suite struct `A queued shard` {
    private func cell(_ timeout: Duration, labels: [String] = [], python: String? = nil) -> PlannedCell {
        PlannedCell(id: "c", name: "c", labels: labels, python: python, queueTimeout: timeout)
    }

    @Test func `times out when no agent takes it, and says what was missing`() {
        var stage = Stage()
        stage.join("a", python: ["3.9.2", "3.11.7"])
        stage.submit(1, .one(cells: [cell(.minutes(5), python: "3.12")], shards: ShardPlan(count: 10_000)))
        #expect(stage.pass(.seconds(299)) == [])
        let effects = stage.pass(.seconds(2))
        #expect(effects.compactMap(\.settlement).map(\.shards) == [0...9_999])
        #expect(
            effects.compactMap(\.settlement).map(\.cause.evidence) == [
                "no agent took it in 5 min: no agent has python 3.12; agents offer 3.9.2, 3.11.7"
            ])
        #expect(effects.compactMap(\.jobEnding) == [.failure])
    }

    @Test func `does not wait for an agent while max-parallel holds it back, or a backoff`() {
        var stage = Stage()
        stage.join("a", cpus: 16)
        let cells = [cell(.seconds(30)), cell(.seconds(30))]
        stage.submit(
            1,
            .one(cells: cells, maxParallel: 1, retry: RetryPolicy(backoffMin: .seconds(60), backoffMax: .seconds(60))))
        #expect(stage.work(.minutes(10)).compactMap(\.settlement).isEmpty)
        #expect(stage.finish(shard(0)).placed == ["0@a"])
        stage.finish(shard(0, cell: 1), Cause(.gpuFault))
        #expect(stage.pass(.seconds(59)).compactMap(\.settlement).isEmpty)
        #expect(stage.pass(.seconds(2)).placed == ["0@a"])
    }

    @Test func `waits for its turn while its own job keeps the agents busy`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one(cells: [cell(.minutes(5))], shards: ShardPlan(count: 3)))
        for number in 0..<3 {
            #expect(stage.work(.minutes(40)).compactMap(\.settlement).isEmpty)
            stage.finish(shard(number))
        }
        #expect(stage.leases.isEmpty)
    }

    @Test func `times out in a job that keeps others busy when no agent could take it`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one(cells: [cell(.minutes(5)), cell(.minutes(5), labels: ["gpu"])]))
        let settled = stage.work(.minutes(6)).compactMap(\.settlement)
        #expect(settled.map(\.cell.cell) == [1])
        #expect(settled.map(\.cause.evidence) == ["no agent took it in 5 min: no agent has label gpu"])
    }

    @Test func `times out when another run keeps the agents busy for too long`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one(cells: [cell(.minutes(5))]))
        stage.submit(2, .one(cells: [cell(.minutes(5))]))
        let settled = stage.work(.minutes(6)).compactMap(\.settlement)
        #expect(settled.map(\.cell.run) == [RunID(2)])
        #expect(
            settled.first?.cause.evidence.hasSuffix("every agent that could was busy, or paused after a fault") == true)
    }

    @Test func `keeps its waiting time over declined offers`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one(cells: [cell(.seconds(60))]))
        var effects: [Farm.Effect] = []
        for _ in 0..<30 {
            if let lease = stage.leases[shard(0)] {
                effects += stage(.offerDeclined(lease.attempt, by: "a", reason: "full"))
            }
            effects += stage.pass(.seconds(4))
        }
        #expect(effects.compactMap(\.settlement).map(\.cause.kind) == [.queueTimeout])
    }
}
