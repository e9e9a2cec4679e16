import Model
import Scheduling
import Testing

@Suite struct `A lease` {
    @Test func `goes to a free agent, and the shard settles with its report`() {
        var stage = Stage()
        stage.join("a")
        let leased = stage.submit(1, .one())
        #expect(leased.placed == ["0@a"])
        let ended = stage.finish(shard(0))
        let attempt = AttemptID(shard: shard(0), number: 1)
        #expect(
            ended == [
                .attemptEnded(attempt, Cause(.passed), retryAt: nil, why: "it passed"),
                .settled(attempt.shard.cell, shards: 0...0, attempt: 1, Cause(.passed)),
                .cellEnded(attempt.shard.cell, .passed),
                .jobEnded(RunID(1), job: 0, .success, reason: ""),
                .runEnded(RunID(1)),
            ])
    }

    @Test func `is started once, and says so once`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        let attempt = AttemptID(shard: shard(0), number: 1)
        #expect(stage(.attemptStarted(attempt, by: "a")) == [.attemptStarted(attempt, at: stage.now)])
        #expect(stage(.attemptStarted(attempt, by: "a")) == [])
    }

    @Test func `expires when nobody renews it, and the shard goes to another agent`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one())
        stage.join("b", cpus: 1)
        #expect(stage.pass(.seconds(29)) == [])
        let effects = stage.pass(.seconds(10))
        #expect(effects.first?.end?.cause.kind == .lostAgent)
        #expect(effects.first?.end?.cause.evidence == "the lease expired: agent a was last heard 30 s ago")
        #expect(effects.leases.map(\.attempt.number) == [2])
        #expect(effects.placed == ["0@b"])
    }

    @Test func `holds for as long as it is renewed`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        let attempt = AttemptID(shard: shard(0), number: 1)
        for _ in 0..<20 {
            stage.pass(.seconds(20))
            #expect(stage(.leasesRenewed("a", [attempt])) == [.renewed("a", [attempt])])
        }
        #expect(stage.finish(shard(0)).contains { $0.isRunEnd })
    }

    @Test func `counts only for the current attempt of its own agent`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one())
        stage.join("b", cpus: 1)
        stage.pass(.seconds(40))
        let (old, current) = (AttemptID(shard: shard(0), number: 1), AttemptID(shard: shard(0), number: 2))
        let strangers: [Farm.Event] = [
            .attemptFinished(old, by: "a", Cause(.passed), listed: nil),
            .attemptFinished(current, by: "a", Cause(.passed), listed: nil),
            .attemptStarted(old, by: "b"), .leasesRenewed("a", [old]), .offerDeclined(old, by: "a", reason: "full"),
        ]
        for event in strangers {
            let effects = stage(event)
            #expect(effects.count == 1 && effects.forgotten.count == 1, "\(event)")
        }
        let unknown = AttemptID(shard: ShardID(run: RunID(9), job: 99, cell: -4, shard: 7), number: 1)
        #expect(stage(.attemptFinished(unknown, by: "z", Cause(.passed), listed: 3)).forgotten == [unknown])
        #expect(stage.finish(shard(0)).contains { $0.isRunEnd })
    }

    @Test func `is not ended by its agent's disconnection alone`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        let attempt = AttemptID(shard: shard(0), number: 1)
        #expect(stage(.agentDisconnected("a")) == [])
        stage.pass(.seconds(20))
        #expect(stage.join("a", holds: [attempt]) == [.renewed("a", [attempt])])
        stage.pass(.seconds(20))
        #expect(stage.farm.lease(of: attempt) != nil)
    }

    @Test func `ends at once when its agent is removed`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        let effects = stage(.agentRemoved("a"))
        #expect(effects.first?.end?.cause == Cause(.lostAgent, evidence: "agent a was removed from the farm"))
        #expect(stage.farm.runningAttempts(on: "a") == [])
    }

    @Test func `ends when its agent comes back without the attempt`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        stage(.attemptStarted(AttemptID(shard: shard(0), number: 1), by: "a"))
        stage(.agentDisconnected("a"))
        let effects = stage.join("a")
        #expect(effects.first?.end?.cause.evidence == "agent a came back without the attempt")
        #expect(stage.pass(.seconds(3)).placed == ["0@a"])
    }

    @Test func `ends when its agent comes anew without the attempt, before the end of its old connection was noticed`()
    {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        stage(.attemptStarted(AttemptID(shard: shard(0), number: 1), by: "a"))
        #expect(stage.join("a").first?.end?.cause.evidence == "agent a came back without the attempt")
    }

    @Test func `is kept while its offer may still be on its way`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        #expect(stage.join("a") == [])
        stage.pass(.seconds(11))
        stage(.agentDisconnected("a"))
        #expect(stage.join("a").first?.end?.cause.kind == .lostAgent)
    }

    @Test func `tells an agent that comes back what it may forget`() {
        var stage = Stage()
        let old = AttemptID(shard: shard(0), number: 1)
        #expect(stage.join("a", holds: [old]).forgotten == [old])
    }

    @Test func `that is declined costs no attempt, and goes to somebody else`() {
        var stage = Stage()
        stage.join("a", cpus: 1)
        stage.submit(1, .one())
        let attempt = AttemptID(shard: shard(0), number: 1)
        stage.join("b", cpus: 1)
        let effects = stage(.offerDeclined(attempt, by: "a", reason: "disk full"))
        #expect(effects.first == .offerWithdrawn(attempt))
        #expect(effects.leases.map(\.attempt) == [attempt])
        #expect(effects.placed == ["0@b"])
    }

    @Test func `that is declined comes back to the only agent after a pause`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, .one())
        let attempt = AttemptID(shard: shard(0), number: 1)
        #expect(stage(.offerDeclined(attempt, by: "a", reason: "busy")) == [.offerWithdrawn(attempt)])
        #expect(stage.pass(.seconds(9)) == [])
        #expect(stage.pass(.seconds(2)).leases.map(\.attempt) == [attempt])
    }

    @Test func `is ended by the farm when its agent renews it for ever`() {
        var stage = Stage()
        stage.join("a")
        var cell = PlannedCell(id: "c", name: "c")
        cell.timeout = .minutes(10)
        stage.submit(1, .one(cells: [cell]))
        stage(.attemptStarted(AttemptID(shard: shard(0), number: 1), by: "a"))
        #expect(!stage.work(.minutes(15)).contains { $0.end != nil })
        let effects = stage.work(.minutes(2))
        #expect(effects.compactMap(\.end).first?.cause.kind == .agentFault)
        #expect(effects.forgotten == [AttemptID(shard: shard(0), number: 1)])
    }

    @Test func `is never refused an end: only the farm decides these causes`() {
        for kind in [Cause.Kind.cancelled, .notNeeded, .queueTimeout, .lostAgent] {
            var stage = Stage()
            stage.join("a")
            stage.submit(1, .one())
            let end = stage.finish(shard(0), Cause(kind, evidence: "shutting down")).first?.end
            #expect(end?.cause.kind == .agentFault && end?.retryAt != nil, "\(kind)")
        }
    }

    @Test func `keeps one shard on one agent, device and core at a time`() {
        var stage = Stage()
        let gpus = (0..<4).map { GPU(uuid: "GPU-\($0)", model: "NVIDIA H200", memory: .gibibytes(141)) }
        stage.join("a", cpus: 8, gpus: gpus)
        let asking = ResourceRequest(cpus: 2, gpus: GPURequest(count: 2, memory: .gibibytes(100), model: "h200"))
        let effects = stage.submit(1, .one(cells: PlannedCell.named("x", asking: asking), shards: ShardPlan(count: 9)))
        #expect(effects.leases.map(\.devices) == [["GPU-0", "GPU-1"], ["GPU-2", "GPU-3"]])
        #expect(stage.finish(shard(0)).leases.map(\.devices) == [["GPU-0", "GPU-1"]])
    }
}

extension AgentID: ExpressibleByStringLiteral {
    public init(stringLiteral name: String) { self.init(name) }
}
