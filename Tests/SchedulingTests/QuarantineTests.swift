import Model
import Scheduling
import Testing

@Suite struct `A quarantine` {
    /// Values of SciPy 1.17: `fisher_exact([[faults, attempts - faults], [peersFaults, peers - peersFaults]],
    /// alternative="greater")`.
    @Test(arguments: [
        (3, 3, 0, 10, 0.003_496_503_496_503_496_5), (3, 6, 3, 400, 3.552_568_597_426_151e-05),
        (5, 6, 3, 412, 3.216_840_500_993_691e-09), (0, 5, 0, 10, 1), (1, 5, 1, 5, 0.777_777_777_777_777_8),
        (10, 400, 10, 400, 0.589_220_130_556_049_6),
    ])
    func `asks chance as Fisher does`(faults: Int, attempts: Int, peersFaults: Int, peers: Int, expected: Double) {
        let chance = faultsByChance(faults: faults, of: attempts, peersFaults: peersFaults, of: peers)
        #expect(abs(chance - expected) <= 1e-10 * expected, "\(chance), not \(expected)")
    }

    private func stage(_ agents: [String], gpus: Int = 0) -> Stage {
        var stage = Stage()
        for name in agents {
            let devices = (0..<gpus).map { GPU(uuid: "\(name)-\($0)", model: "H200", memory: .gibibytes(80)) }
            stage.join(name, cpus: 2, gpus: devices)
        }
        let retry = RetryPolicy(attemptsMax: 50, backoffMin: .seconds(1), backoffMax: .seconds(1))
        var asking = ResourceRequest()
        if gpus > 0 { asking.gpus = GPURequest(count: 1) }
        stage.submit(
            1,
            .one(
                cells: PlannedCell.named("x", asking: asking), shards: ShardPlan(count: 1000), failFast: false,
                retry: retry))
        return stage
    }

    /// Lets every attempt end, again and again; those of whom it is said, with a fault.
    private func work(
        _ stage: inout Stage, _ times: Int, step: Duration = .seconds(5), cause: Cause = Cause(.agentFault),
        failing: (Farm.Lease) -> Bool
    ) -> [Farm.Lease] {
        var seen: [Farm.Lease] = []
        for _ in 0..<times {
            for lease in stage.leases.values.sorted(by: { $0.attempt < $1.attempt }) {
                seen.append(lease)
                stage(
                    .attemptFinished(
                        lease.attempt, by: lease.agent, failing(lease) ? cause : Cause(.passed), listed: nil))
            }
            stage.pass(step)
        }
        return seen
    }

    @Test func `keeps an agent from work whose faults chance does not explain, until a probe ends well`() {
        var stage = stage(["a", "b", "c", "bad"])
        _ = work(&stage, 12) { $0.agent == "bad" }
        let said = stage.farm.quarantines(of: "bad")
        #expect(said.count == 1 && said[0].contains("ended with faults of the infrastructure, of the others' 0 of"))
        for name in ["a", "b", "c"] { #expect(stage.farm.quarantines(of: AgentID(name)).isEmpty) }
        // What it still had has ended; from then on it gets nothing.
        _ = work(&stage, 1) { $0.agent == "bad" }
        #expect(!work(&stage, 20, step: .seconds(20)) { _ in false }.contains { $0.agent == "bad" })
        // Ten minutes later it gets one at a time; that one fails, and it waits for twice as long.
        _ = work(&stage, 10, step: .seconds(20)) { $0.agent == "bad" }
        #expect(stage.farm.quarantines(of: "bad").first?.contains("its probe ended agent_fault too") == true)
        var probes = 0
        for _ in 0..<75 {
            let leases = work(&stage, 1, step: .seconds(20)) { _ in false }.filter { $0.agent == "bad" }
            probes = max(probes, leases.count)
        }
        #expect(probes == 2 && stage.farm.quarantines(of: "bad").isEmpty)
    }

    /// Each time it takes two shards with it, and that is once; a network that takes all agents makes none of them stand out.
    @Test func `keeps an agent from work that dies again and again`() {
        for dying in [["bad"], ["a", "b", "c", "bad"]] {
            var stage = stage(["a", "b", "c", "bad"])
            var losses = 0
            while stage.farm.quarantines(of: "bad").isEmpty, losses < 12 {
                for lease in stage.allLeases { stage(.attemptStarted(lease.attempt, by: lease.agent)) }
                for lease in stage.allLeases where !dying.contains(lease.agent.name) {
                    stage(.attemptFinished(lease.attempt, by: lease.agent, Cause(.passed), listed: nil))
                }
                for name in dying {
                    stage(.agentDisconnected(AgentID(name)))
                    stage.join(name, cpus: 2)
                }
                losses += 1
                stage.pass(.seconds(5))
            }
            if dying.count > 1 {
                #expect(losses == 12)
            } else {
                // Not before the third, however many attempts it had.
                #expect((3...6).contains(losses), "\(losses)")
                let said = stage.farm.quarantines(of: "bad").first
                #expect(
                    said?.contains("lost \(losses) times in \((losses - 1) * 5) s of work, the others 0 times in ")
                        == true,
                    "\(said ?? "")")
            }
            for name in ["a", "b", "c"] { #expect(stage.farm.quarantines(of: AgentID(name)).isEmpty) }
        }
    }

    /// While it is away it has nothing any more that would keep it known.
    @Test func `remembers what an agent did that was away until its leases ended`() {
        var stage = stage(["a", "b", "c", "bad"])
        var losses = 0
        while stage.farm.quarantines(of: "bad").isEmpty, losses < 12 {
            for lease in stage.allLeases { stage(.attemptStarted(lease.attempt, by: lease.agent)) }
            stage(.agentDisconnected("bad"))
            for _ in 0..<8 {
                stage.pass(.seconds(5))
                for lease in stage.allLeases where lease.agent != "bad" {
                    stage(.attemptFinished(lease.attempt, by: lease.agent, Cause(.passed), listed: nil))
                }
            }
            #expect(!stage.allLeases.contains { $0.agent == "bad" })
            stage.join("bad", cpus: 2)
            stage.pass(.seconds(1))
            losses += 1
        }
        #expect((3...6).contains(losses), "\(losses)")
    }

    /// Else who waits long enough is taken for well.
    @Test func `is not over for one that was away all the while`() {
        var stage = stage(["a", "b", "c", "bad"])
        _ = work(&stage, 12) { $0.agent == "bad" }
        #expect(!stage.farm.quarantines(of: "bad").isEmpty)
        _ = work(&stage, 1) { $0.agent == "bad" }
        stage(.agentDisconnected("bad"))
        _ = work(&stage, 50, step: .seconds(20)) { _ in false }
        stage.join("bad", cpus: 2)
        let probe = stage.leases.values.filter { $0.agent == "bad" }
        #expect(probe.count == 1, "\(probe.count)")
        #expect(stage.farm.quarantines(of: "bad").first?.contains("one attempt at a time") == true)
        // And it is longer when that fails.
        let since = stage.now
        for lease in probe {
            stage(.attemptFinished(lease.attempt, by: lease.agent, Cause(.agentFault), listed: nil))
        }
        #expect(
            stage.farm.quarantines(of: "bad").first?.contains(since.advanced(by: .minutes(20)).utc) == true,
            "\(stage.farm.quarantines(of: "bad"))")
    }

    /// One that has long attempts is lost with few of them; the others, as often, with many.
    @Test func `does not come of long attempts where all agents are lost alike`() {
        var stage = Stage()
        for name in ["long", "short"] { stage.join(name, cpus: 1, labels: [name]) }
        for (run, name) in [(1 as UInt64, "long"), (2, "short")] {
            stage.submit(
                run,
                .one(
                    cells: [PlannedCell(id: "x", name: "x", labels: [name])], shards: ShardPlan(count: 2000),
                    failFast: false,
                    retry: RetryPolicy(attemptsMax: 50, backoffMin: .seconds(1), backoffMax: .seconds(1))))
        }
        for _ in 0..<8 {
            for _ in 0..<20 {
                for lease in stage.allLeases { stage(.attemptStarted(lease.attempt, by: lease.agent)) }
                for lease in stage.allLeases where lease.agent == "short" {
                    stage(.attemptFinished(lease.attempt, by: lease.agent, Cause(.passed), listed: nil))
                }
                stage.work(.seconds(5))
            }
            for lease in stage.allLeases { stage(.attemptStarted(lease.attempt, by: lease.agent)) }
            for name in ["long", "short"] {
                stage(.agentDisconnected(AgentID(name)))
                stage.join(name, cpus: 1, labels: [name])
            }
            stage.pass(.seconds(2))
        }
        #expect(stage.farm.quarantines(of: "long").isEmpty && stage.farm.quarantines(of: "short").isEmpty)
    }

    /// Sums of exact terms by Python: `comb(n, k) * p**k * (1 - p)**(n - k)` from `losses` on, `p = busy / (busy + peersBusy)`.
    @Test(arguments: [
        (5, 60, 0, 180, 0.000_976_562_5), (3, 3600, 2, 7200, 0.209_876_543_209_876_53),
        (0, 60, 5, 60, 1), (4, 100, 1, 100_000, 4.976_069_840_314_442e-12),
    ])
    func `asks chance as a binomial does`(losses: Int, busy: Int64, peers: Int, peersBusy: Int64, expected: Double) {
        let chance = lossesByChance(
            losses: losses, in: .seconds(busy), peersLosses: peers, in: .seconds(peersBusy))
        #expect(abs(chance - expected) <= 1e-10 * expected, "\(chance), not \(expected)")
    }

    @Test func `is ended by hand`() {
        var stage = stage(["a", "b", "c", "bad"])
        _ = work(&stage, 13) { $0.agent == "bad" }
        #expect(!stage.farm.quarantines(of: "bad").isEmpty)
        #expect(
            stage.farm.explain(shard(0).cell, shard: 999, at: stage.now).contains {
                $0.hasPrefix("agent bad is quarantined: ")
            })
        stage(.agentReleased("bad"))
        #expect(stage.farm.quarantines(of: "bad").isEmpty)
        stage.pass(.seconds(60))
        #expect(work(&stage, 2) { _ in false }.contains { $0.agent == "bad" })
    }

    @Test func `does not come of what all agents have alike, nor of what steps do`() {
        var stage = stage(["a", "b", "c", "d"])
        var count = 0
        _ = work(&stage, 30) { _ in
            count += 1
            return count % 3 == 0
        }
        _ = work(&stage, 10, cause: Cause(.userExit, code: 1)) { $0.agent == "a" }
        for name in ["a", "b", "c", "d"] { #expect(stage.farm.quarantines(of: AgentID(name)) == []) }
    }

    /// It may be the shard: one that fills its disk does so wherever it goes.
    @Test func `does not come of one shard that fails again and again`() {
        var stage = Stage()
        for name in ["a", "b", "c"] { stage.join(name, cpus: 2) }
        let retry = RetryPolicy(attemptsMax: 50, backoffMin: .seconds(1), backoffMax: .seconds(1))
        stage.submit(1, .one(shards: ShardPlan(count: 300), failFast: false, retry: retry))
        let leases = work(&stage, 40, cause: Cause(.diskFull)) { $0.attempt.shard.shard < 2 }
        #expect(leases.count { $0.attempt.shard.shard < 2 } > 10)
        for name in ["a", "b", "c"] { #expect(stage.farm.quarantines(of: AgentID(name)) == []) }
    }

    @Test func `is of one GPU where that is what fails`() {
        var stage = stage(["a", "b", "c"], gpus: 2)
        var failing = true
        _ = work(&stage, 40, cause: Cause(.gpuFault)) { failing && $0.devices == ["b-1"] }
        let said = stage.farm.quarantines(of: "b")
        #expect(said.count == 1 && said[0].hasPrefix("b-1 quarantined until "), "\(said)")
        failing = false
        let devices = Set(work(&stage, 5) { _ in false }.flatMap(\.devices))
        #expect(devices == ["a-0", "a-1", "b-0", "c-0", "c-1"])
        let told = stage.farm.explain(shard(0).cell, shard: 999, at: stage.now)
        #expect(told.contains { $0.hasPrefix("b-1 of agent b is quarantined until ") }, "\(told)")
        // Coming back makes nothing good; somebody who looked after it does.
        stage(.agentReleased("b"))
        #expect(Set(work(&stage, 5) { _ in false }.flatMap(\.devices)).contains("b-1"))
    }

    @Test func `of a GPU ends with a probe: one fault more is enough`() {
        var stage = stage(["a", "b", "c"], gpus: 2)
        var isBad = true
        func rounds(_ times: Int, _ step: Duration = .seconds(5)) -> Int {
            work(&stage, times, step: step, cause: Cause(.gpuFault)) { isBad && $0.devices == ["b-1"] }
                .count { $0.devices == ["b-1"] }
        }
        _ = rounds(40)
        #expect(stage.farm.quarantines(of: "b").count == 1)
        // After ten minutes it is given one attempt; then it is kept for twenty.
        #expect(rounds(25, .seconds(30)) == 1)
        #expect(stage.farm.quarantines(of: "b").first?.contains("its probe ended gpu_fault too") == true)
        #expect(rounds(20, .seconds(30)) == 0)
        isBad = false
        #expect(rounds(40, .seconds(30)) > 1)
        // It is well: a single fault is one among many again.
        isBad = true
        #expect(rounds(1) == 1 && stage.farm.quarantines(of: "b").isEmpty)
    }

    @Test func `of attempts is their run's budget of retries`() {
        var stage = Stage(settings: Farm.Settings(retriesMin: 4))
        stage.join("a", cpus: 2)
        let retry = RetryPolicy(attemptsMax: 50, on: ["timeout"], backoffMin: .seconds(1), backoffMax: .seconds(1))
        stage.submit(1, .one(shards: ShardPlan(count: 2), failFast: false, retry: retry))
        let leases = work(&stage, 10, cause: Cause(.timeout)) { _ in true }
        #expect(leases.count == 6)
        let last = stage.history.compactMap(\.end).last
        #expect(last?.why == "not tried again: the run has spent its budget of 4 retries")
    }
}
