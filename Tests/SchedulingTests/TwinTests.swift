import Model
import Testing

@testable import Scheduling

@Suite struct `A shard that runs far beyond its peers` {
    /// Eight shards on agents of two cores each, of which the first seven have passed after 10 s: with the usual rule shard 7
    /// lags when it has run for 70.24 s, for its peers took 10.24 s in steps of a thirty-second.
    private static func stage(
        shards: Int = 8, agents: Int = 4, retry: RetryPolicy = RetryPolicy(), isIdempotent: Bool = true,
        plan change: (inout Plan) -> Void = { _ in }
    ) -> Stage {
        var stage = Stage()
        for agent in 0..<agents { stage.join("a\(agent)", cpus: 2) }
        var plan = Plan.one(shards: ShardPlan(count: shards), retry: retry)
        plan.jobs[0].isIdempotent = isIdempotent
        change(&plan)
        stage.submit(1, plan)
        stage.begin()
        stage.work(.seconds(10))
        for number in 0..<shards - 1 { stage.finish(shard(number)) }
        return stage
    }

    private static let limit = Duration.milliseconds(70_240)
    private let last = shard(7)
    private let first = AttemptID(shard: shard(7), number: 1)
    private let second = AttemptID(shard: shard(7), number: 2)

    private func agent(_ stage: Stage, _ attempt: AttemptID) -> AgentID {
        stage.allLeases.first { $0.attempt == attempt }?.agent ?? AgentID("nobody")
    }

    /// With its second attempt under way.
    private func doubled(_ make: () -> Stage = { Self.stage() }) -> Stage {
        var stage = make()
        stage.work(.seconds(70))
        stage.begin()
        return stage
    }

    // MARK: when

    @Test func `gets a second attempt on another agent, once it has run so long`() {
        var stage = Self.stage()
        #expect(stage.work(Self.limit - .milliseconds(10_001)).leases == [])
        let effects = stage.work(.milliseconds(1))
        #expect(effects.leases.map(\.attempt) == [second])
        #expect(agent(stage, second) != agent(stage, first))
        #expect(
            effects.leases.first?.beside
                == .init(
                    number: 1, why: "attempt 1 had run for 1 min 10 s; 7 shards like it took about 10 s in the middle"))
        // No third beside the two.
        stage.begin()
        #expect(stage.work(.minutes(20)).leases == [])
    }

    @Test func `gets none that was not declared idempotent`() {
        var stage = Self.stage(isIdempotent: false)
        #expect(stage.work(.minutes(20)).leases == [])
    }

    @Test func `gets none while too few of its peers have passed`() {
        for (passing, isBegun) in [(2, false), (3, false), (4, true)] {
            var stage = Stage()
            for agent in 0..<4 { stage.join("a\(agent)", cpus: 2) }
            var plan = Plan.one(shards: ShardPlan(count: 8))
            plan.jobs[0].isIdempotent = true
            stage.submit(1, plan)
            stage.begin()
            stage.work(.seconds(10))
            for number in 0..<passing { stage.finish(shard(number)) }
            #expect(stage.work(.seconds(120)).leases.isEmpty == !isBegun, "\(passing) of 8 have passed")
        }
    }

    @Test func `is looked at again when enough of its peers have passed while it ran`() {
        var stage = Stage()
        for agent in 0..<4 { stage.join("a\(agent)", cpus: 2) }
        var plan = Plan.one(shards: ShardPlan(count: 8))
        plan.jobs[0].isIdempotent = true
        stage.submit(1, plan)
        stage.begin()
        stage.work(.seconds(200))
        for number in 0..<3 { stage.finish(shard(number)) }
        #expect(stage.work(.seconds(100)).leases == [])
        // Half of them took 200 s, in the middle: so 400 s are the limit, for all four that go on.
        stage.finish(shard(3))
        #expect(stage.work(.seconds(99)).leases == [])
        #expect(stage.work(.seconds(40)).leases.map(\.attempt.shard.shard) == [4, 5, 6, 7])
    }

    @Test func `of a cell with few shards is held against its whole job`() {
        var stage = Stage()
        for agent in 0..<3 { stage.join("a\(agent)", cpus: 2) }
        var plan = Plan.one(cells: PlannedCell.named("a", "b", "c", "d", "e"))
        plan.jobs[0].isIdempotent = true
        stage.submit(1, plan)
        stage.begin()
        stage.work(.seconds(10))
        for cell in 0..<4 { stage.finish(shard(0, cell: cell)) }
        #expect(stage.work(.seconds(90)).leases.map(\.attempt.shard) == [shard(0, cell: 4)])
    }

    @Test func `counts from the restart, after one, and comes to the same`() {
        var stage = Self.stage()
        stage.work(.seconds(30))
        var restored = Stage()
        restored.now = stage.now
        restored.farm = Stage.restored(from: stage)
        let cell = shard(7).cell
        restored(.resume)
        #expect(
            restored.farm.standing(of: RunID(1), at: stage.now) == stage.farm.standing(of: RunID(1), at: stage.now))
        for agent in 0..<4 {
            let id = AgentID("a\(agent)")
            restored.join(
                id.name, cpus: 2, holds: agent == Int(self.agent(stage, first).name.dropFirst()) ? [first] : [])
        }
        restored.history.append(contentsOf: stage.history.leases.filter { $0.attempt == first }.map { .leased($0) })
        #expect(restored.work(.seconds(70)).leases == [])
        #expect(restored.work(.seconds(1)).leases.map(\.attempt) == [second])
        #expect(restored.farm.shardCount(of: cell) == 8)
    }

    // MARK: where

    @Test func `waits while anything else could use the room`() {
        // One core is free on each of two agents; the laggard's is the third.
        var stage = Self.stage()
        stage.work(.seconds(30))
        // More than there are cores: all agents are full, and something waits.
        stage.submit(2, .one(shards: ShardPlan(count: 9)))
        stage.begin()
        #expect(stage.work(.minutes(3)).leases == [])
        #expect(
            stage.farm.explain(last.cell, shard: 7, at: stage.now).last
                == "shard 7: a second attempt waits for another agent that nothing else needs; "
                + "7 shards like it took about 10 s in the middle")
        // The first that ends makes room for what waits; then nothing does.
        let running = stage.allLeases.filter { $0.attempt.run == RunID(2) && $0.agent != agent(stage, first) }
        #expect(stage.finish(running[0].attempt.shard).leases.map(\.attempt.run) == [RunID(2)])
        #expect(stage.finish(running[1].attempt.shard).leases.map(\.attempt.run) == [RunID(2)])
        #expect(stage.finish(running[2].attempt.shard).leases.map(\.attempt) == [second])
    }

    @Test func `leaves an agent to something larger that waits for it`() {
        var stage = Self.stage()
        // The only agent that takes anything new could take the large one, were it empty.
        for agent in 0..<4 { stage(.agentDraining(AgentID("a\(agent)"), true)) }
        stage.join("large", cpus: 4)
        stage.submit(2, .one(cells: PlannedCell.named("small")))
        stage.submit(3, .one(cells: PlannedCell.named("large", asking: ResourceRequest(cpus: 4))))
        #expect(stage.work(.minutes(3)).leases == [])
        let effects = stage(.runCancelled(RunID(3), by: "ada", reason: ""))
        #expect(effects.leases.map(\.attempt) == [second] && effects.placed == ["7@large"])
    }

    @Test func `obeys shards.max-parallel, which counts both`() {
        for (most, isBegun) in [(1, false), (2, true)] {
            var stage = Stage()
            for agent in 0..<2 { stage.join("a\(agent)", cpus: 8) }
            var plan = Plan.one(shards: ShardPlan(count: 8, maxParallel: most))
            plan.jobs[0].isIdempotent = true
            stage.submit(1, plan)
            for number in 0..<7 {
                stage.begin()
                stage.work(.seconds(10))
                stage.finish(shard(number))
            }
            stage.begin()
            #expect(stage.work(.seconds(90)).leases.isEmpty == !isBegun, "max-parallel \(most)")
        }
    }

    @Test func `goes elsewhere when the second attempt is declined, which costs nothing`() {
        var stage = Self.stage()
        stage.work(.milliseconds(60_300))
        let declining = agent(stage, second)
        let effects = stage(.offerDeclined(second, by: declining, reason: "full"))
        #expect(effects.first == .offerWithdrawn(second))
        #expect(effects.leases.map(\.attempt) == [second])
        #expect(agent(stage, second) != declining && agent(stage, second) != agent(stage, first))
        // What is avoided is avoided for a while: the list does not grow.
        for _ in 0..<50 {
            guard let lease = stage.allLeases.first(where: { $0.attempt == second }) else { break }
            stage(.offerDeclined(second, by: lease.agent, reason: "full"))
            stage.work(.seconds(12))
        }
        let place = stage.farm.place(of: last.cell)
        let twinning = place.flatMap { stage.farm[cell: $0].twinned[7] }
        #expect(twinning?.avoiding.count ?? 9 <= 4 && twinning?.numbers.count ?? 9 <= 1)
    }

    // MARK: how it ends

    @Test func `settles with the first that passes; the other is cancelled and its agent free`() {
        for winner in [first, second] {
            var stage = doubled()
            let loser = winner == first ? second : first
            let (winning, losing) = (agent(stage, winner), agent(stage, loser))
            stage.work(.seconds(5))
            let effects = stage(.attemptFinished(winner, by: winning, Cause(.passed), listed: nil))
            #expect(
                effects.prefix(4) == [
                    .attemptEnded(
                        winner, Cause(.passed), retryAt: nil, why: "it passed, before attempt \(loser.number)"),
                    .attemptEnded(
                        loser, Cause(.notNeeded, evidence: "attempt \(winner.number) passed first"), retryAt: nil,
                        why: ""),
                    .forgetAttempt(loser, on: losing, reason: "attempt \(winner.number) passed first"),
                    .settled(last.cell, shards: 7...7, attempt: winner.number, Cause(.passed)),
                ])
            #expect(effects.last == .runEnded(RunID(1)))
            #expect(stage.farm.runningAttempts(on: losing) == [])
            // Its late word is refused, and changes nothing.
            let late = stage(.attemptFinished(loser, by: losing, Cause(.userExit, code: 1), listed: nil))
            #expect(late == [.forgetAttempt(loser, on: losing, reason: "its shard has settled")])
        }
    }

    struct Row: Sendable {
        var cause: Cause
        var on: [String] = ["infrastructure"]
        /// The other of the two goes on.
        var goesOn: Bool
    }

    /// The table of how one of two may end: the specification.
    @Test(arguments: [
        Row(cause: Cause(.timeout), goesOn: true), Row(cause: Cause(.idle), goesOn: true),
        Row(cause: Cause(.agentFault), goesOn: true), Row(cause: Cause(.gpuFault), goesOn: true),
        Row(cause: Cause(.diskFull), goesOn: true), Row(cause: Cause(.preempted), goesOn: true),
        Row(cause: Cause(.dataUnavailable), goesOn: true),
        Row(cause: Cause(.agentFault), on: [], goesOn: true),
        Row(cause: Cause(.userExit, code: 1), goesOn: false), Row(cause: Cause(.userError), goesOn: false),
        Row(cause: Cause(.signal, code: 11), goesOn: false), Row(cause: Cause(.oom), goesOn: false),
        Row(cause: Cause(.gpuOOM), goesOn: false),
        Row(cause: Cause(.userExit, code: 75), on: ["exit:75"], goesOn: true),
        Row(cause: Cause(.oom), on: ["oom"], goesOn: true),
    ])
    func `settles with what its program came to, and not with where or how slowly it ran`(row: Row) {
        for ended in [first, second] {
            var stage = doubled { Self.stage(retry: RetryPolicy(on: row.on)) }
            let other = ended == first ? second : first
            let (here, there) = (agent(stage, ended), agent(stage, other))
            let effects = stage(.attemptFinished(ended, by: here, row.cause, listed: nil))
            #expect(effects.first?.end?.attempt == ended && effects.first?.end?.retryAt == nil)
            if row.goesOn {
                #expect(effects.first?.end?.why == "attempt \(other.number) goes on")
                #expect(effects.compactMap(\.settlement).isEmpty && effects.forgotten.isEmpty)
                let rest = stage(.attemptFinished(other, by: there, Cause(.passed), listed: nil))
                #expect(rest.compactMap(\.settlement).map(\.attempt) == [other.number])
            } else {
                #expect(effects.forgotten == [other])
                #expect(effects.compactMap(\.settlement).map(\.attempt) == [ended.number])
                #expect(effects.compactMap(\.settlement).map(\.cause) == [row.cause])
            }
        }
    }

    @Test func `is tried again when both are lost, under the next number and within the policy`() {
        var stage = doubled { Self.stage(retry: RetryPolicy(attemptsMax: 2)) }
        stage(.attemptFinished(second, by: agent(stage, second), Cause(.gpuFault), listed: nil))
        // One of the two that it may have; lost before another was begun.
        let third = AttemptID(shard: last, number: 3)
        let effects = stage(.attemptFinished(first, by: agent(stage, first), Cause(.gpuFault), listed: nil))
        #expect(effects.compactMap(\.end).map(\.attempt) == [third, first])
        #expect(effects.compactMap(\.end).last?.why.hasSuffix("as attempt 4 of 4") == true)
        let again = stage.work(.minutes(2)).leases
        #expect(again.map(\.attempt.number) == [4] && again.first?.beside == nil)
        // The run has spent one retry, not three.
        #expect(stage.farm.standing(of: RunID(1), at: stage.now)?.first?.hasPrefix("r1: 1 retries") == true)
        let end = stage.finish(last, Cause(.gpuFault))
        #expect(end.compactMap(\.end).first?.why == "not tried again: it was attempt 4 of 4")
    }

    /// The number before the next one is not that of the attempt before.
    @Test func `is told with the attempt that ended, not with one that came to nothing`() {
        // The second one is cancelled when the first ends, for it had not begun: the next is the third.
        var stage = Self.stage(retry: RetryPolicy(attemptsMax: 2))
        stage.work(.milliseconds(60_300))
        stage(.attemptFinished(first, by: agent(stage, first), Cause(.gpuFault), listed: nil))
        let waits = stage.farm.explain(last.cell, shard: 7, at: stage.now)
        #expect(waits.first?.hasSuffix(" before attempt 3, after attempt 1 ended gpu_fault") == true, "\(waits)")
        let ended = stage(.runCancelled(RunID(1), by: "ada", reason: "enough")).compactMap(\.settlement)
        #expect(ended.map(\.cause.evidence).map { $0.hasSuffix("; attempt 1 had ended gpu_fault") } == [true])
        // And so is the last that the policy allows.
        var other = Self.stage(retry: RetryPolicy(attemptsMax: 1))
        other.work(.milliseconds(60_300))
        let why = other(.attemptFinished(first, by: agent(other, first), Cause(.gpuFault), listed: nil))
            .compactMap(\.end).last?.why
        #expect(why == "not tried again: all 2 attempts were made, second ones among them")
    }

    @Test func `is told since when it is watched, after a restart`() {
        var stage = Self.stage()
        stage.work(.seconds(30))
        var restored = Stage()
        restored.now = stage.now
        restored.farm = Stage.restored(from: stage)
        restored(.resume)
        for agent in 0..<4 {
            let id = AgentID("a\(agent)")
            restored.join(id.name, cpus: 2, holds: self.agent(stage, first) == id ? [first] : [])
        }
        restored.history.append(contentsOf: stage.history.leases.filter { $0.attempt == first }.map { .leased($0) })
        let why = restored.work(.seconds(71)).leases.first?.beside?.why
        #expect(
            why?.hasPrefix("attempt 1 had run for 1 min 10 s since the coordinator began anew; ") == true,
            "\(why ?? "")")
    }

    /// More lag than are looked at for a place at one time, and only the last of them can have one.
    @Test func `has its turn, however many before it find no place`() {
        var stage = Stage()
        stage.join("a", cpus: 480, labels: ["large"])
        var plan = Plan.one(cells: PlannedCell.named("bound", "free"), shards: ShardPlan(count: 240))
        plan.jobs[0].isIdempotent = true
        plan.jobs[0].cells?[0].labels = ["large"]
        stage.submit(1, plan)
        stage.begin()
        stage.work(.seconds(10))
        for number in 0..<125 { stage.finish(shard(number)) }
        for number in 0..<239 { stage.finish(shard(number, cell: 1)) }
        #expect(stage.work(.seconds(80)).leases == [])
        #expect(stage.farm.laggards.count > Farm.laggardsTriedMax)
        #expect(stage.join("b", cpus: 1).leases.map(\.attempt.shard) == [shard(239, cell: 1)])
    }

    @Test func `gets none when it lags no more, for its peers have come to take as long`() {
        var stage = Stage()
        stage.join("a", cpus: 8)
        var plan = Plan.one(shards: ShardPlan(count: 8))
        plan.jobs[0].isIdempotent = true
        stage.submit(1, plan)
        stage.begin()
        stage.work(.seconds(10))
        for number in 0..<3 { stage.finish(shard(number)) }
        stage.work(.seconds(90))
        stage.finish(shard(3))
        stage.work(.seconds(10))
        #expect(stage.farm.laggards.count == 4, "there is no other agent")
        for number in 4..<7 { stage.finish(shard(number)) }
        #expect(stage.join("b", cpus: 8).leases == [])
        #expect(stage.work(.seconds(80)).leases == [])
        #expect(stage.work(.seconds(30)).leases.map(\.attempt) == [second])
    }

    @Test func `is as if it had one attempt when the second had not begun`() {
        for (cause, retryAt) in [(Cause(.timeout), false), (Cause(.gpuFault), true)] {
            var stage = Self.stage()
            stage.work(.milliseconds(60_300))
            let effects = stage(.attemptFinished(first, by: agent(stage, first), cause, listed: nil))
            #expect(effects.compactMap(\.end).map(\.attempt) == [second, first])
            #expect(effects.forgotten == [second])
            #expect((effects.compactMap(\.end).last?.retryAt != nil) == retryAt)
            #expect(effects.compactMap(\.settlement).isEmpty == retryAt)
        }
    }

    @Test func `gets no more than two second attempts, also when they take the first one's place`() {
        var stage = doubled()
        // The first is lost, and the second one lags in turn.
        stage(.attemptFinished(first, by: agent(stage, first), Cause(.agentFault), listed: nil))
        let promise = stage.farm.explain(last.cell, shard: 7, at: stage.now)
        #expect(promise.last?.hasPrefix("shard 7: another second attempt is due in 1 min") == true, "\(promise)")
        #expect(stage.work(.seconds(80)).leases.map(\.attempt.number) == [3])
        stage.begin()
        let third = AttemptID(shard: last, number: 3)
        stage(.attemptFinished(second, by: agent(stage, second), Cause(.agentFault), listed: nil))
        #expect(stage.farm.explain(last.cell, shard: 7, at: stage.now).count == 1, "nothing is promised any more")
        #expect(stage.work(.minutes(30)).leases == [])
        let effects = stage(.attemptFinished(third, by: agent(stage, third), Cause(.passed), listed: nil))
        #expect(effects.compactMap(\.settlement).map(\.attempt) == [3])
    }

    @Test func `is cancelled with its run, both attempts of it`() {
        var stage = doubled()
        let effects = stage(.runCancelled(RunID(1), by: "ada", reason: "enough"))
        #expect(Set(effects.cancelled) == [first, second])
        stage(.attemptFinished(first, by: agent(stage, first), Cause(.cancelled), listed: nil))
        let end = stage(.attemptFinished(second, by: agent(stage, second), Cause(.cancelled), listed: nil))
        #expect(end.compactMap(\.settlement).map(\.cause.kind) == [.cancelled] && end.last == .runEnded(RunID(1)))
    }

    @Test func `is on two agents for whoever asks, with the reason`() {
        let stage = doubled()
        let lines = stage.farm.explain(last.cell, shard: 7, at: stage.now)
        #expect(lines.count == 3)
        #expect(lines.first?.hasPrefix("shard 7: attempt 1 is on agent \(agent(stage, first)) since ") == true)
        #expect(
            lines.dropFirst().first?.hasSuffix(
                "; a second attempt, for attempt 1 had run for 1 min 10 s; 7 shards like it took about 10 s in the middle"
            ) == true, "\(lines)")
        #expect(lines.last == "shard 7: of attempts 1 and 2 the first that passes counts")
    }

    @Test func `comes back from the store as it was, whatever of the two has ended`() {
        let ends: [[(AttemptID, Cause)]] = [
            [], [(first, Cause(.timeout))], [(second, Cause(.gpuFault))],
            [(first, Cause(.timeout)), (second, Cause(.gpuFault))],
            [
                (second, Cause(.gpuFault)), (AttemptID(shard: last, number: 3), Cause(.gpuFault)),
                (first, Cause(.gpuFault)),
            ],
            [(second, Cause(.passed))], [(first, Cause(.userExit))],
        ]
        for ended in ends {
            var stage = doubled()
            for (attempt, cause) in ended {
                stage.begin()
                stage(.attemptFinished(attempt, by: agent(stage, attempt), cause, listed: nil))
            }
            for byNumber in [false, true] {
                var restored = Stage.restored(from: stage, byNumber: byNumber)
                var effects: [Farm.Effect] = []
                restored.handle(.resume, at: stage.now, into: &effects)
                #expect(
                    restored.standing(of: RunID(1), at: stage.now) == stage.farm.standing(of: RunID(1), at: stage.now),
                    "\(ended), by number: \(byNumber)")
            }
        }
    }
}

@Suite struct `What is usual` {
    @Test func `is the middle of all that passed, at most 4 % and a millisecond more`() {
        var random = SplitMix64(seed: 7)
        for count in 1..<80 {
            var pace = Pace()
            let taken = (0..<count).map { _ in
                Duration.microseconds(
                    Int64.random(in: 0...(1 << Int64.random(in: 1...40, using: &random)), using: &random))
            }
            for one in taken { pace.add(one) }
            let median = taken.sorted()[count / 2]
            let found = pace.median ?? .zero
            #expect(found > median && found.inSeconds <= median.inSeconds * 1.04 + 0.001001, "\(found) for \(median)")
        }
        #expect(Pace().median == nil)
    }

    @Test func `does not depend on the order`() {
        let taken = (0..<100).map { Duration.milliseconds(Int64($0 * $0)) }
        var (forth, back) = (Pace(), Pace())
        for one in taken { forth.add(one) }
        for one in taken.reversed() { back.add(one) }
        #expect(forth == back && forth.count == 100)
        var longer = forth
        longer.add(.seconds(1))
        #expect(longer != forth)
    }
}

extension Stage {
    /// Every attempt that is leased begins.
    mutating func begin() {
        for lease in allLeases { self(.attemptStarted(lease.attempt, by: lease.agent)) }
    }

    /// A farm that is loaded with what another one decided, in the order of the decisions or by the number of attempts.
    static func restored(from stage: Stage, byNumber: Bool = false) -> Farm {
        var farm = Farm(settings: stage.farm.settings, seed: 1)
        for (run, plan) in stage.plans.sorted(by: { $0.key < $1.key }) {
            farm.restore(
                .runSubmitted(run, owner: Principal(role: .user, name: "ada"), plan: plan, at: .seconds(1_000)))
            for job in plan.jobs.indices {
                let resolution = Farm.Resolution.cells(
                    plan.jobs[job].cells ?? [], failFast: plan.jobs[job].failFast,
                    maxParallel: plan.jobs[job].maxParallel)
                farm.restore(.jobResolved(run, job: job, resolution, at: .seconds(1_000)))
            }
        }
        var cut: [Farm.Decision] = []
        var rows: [(id: AttemptID, decision: Farm.Decision)?] = []
        var leaseRows: [AttemptID: Int] = [:]
        var rest: [Farm.Decision] = []
        for (effect, at) in zip(stage.history, stage.times) {
            switch effect {
            case .cellSharded(let cell, let shards, let items):
                cut.append(.cellSharded(cell, shards: shards, items: items))
            case .leased(let lease):
                leaseRows[lease.attempt] = rows.count
                rows.append((lease.attempt, .leased(lease, startedAt: nil)))
            case .attemptStarted(let attempt, let at):
                guard let row = leaseRows[attempt], case .leased(let lease, _)? = rows[row]?.decision else { continue }
                rows[row]?.decision = .leased(lease, startedAt: at)
            case .offerWithdrawn(let attempt):
                if let row = leaseRows.removeValue(forKey: attempt) { rows[row] = nil }
            case .attemptEnded(let attempt, let cause, let retryAt, _):
                rows.append((attempt, .attemptEnded(attempt, cause, retryAt: retryAt)))
                guard cause.kind == .passed, let row = leaseRows[attempt],
                    case .leased(let lease, let startedAt)? = rows[row]?.decision
                else { continue }
                rows.append((attempt, .attemptTook(attempt, (startedAt ?? lease.at).duration(to: at))))
            case .settled(let cell, let shards, let attempt, let cause):
                rest.append(.settled(cell, shards: shards, attempt: attempt, cause))
            case .cellEnded(let cell, let ending): rest.append(.cellEnded(cell, ending))
            case .jobEnded(let run, let job, let ending, _): rest.append(.jobEnded(run, job: job, ending))
            case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .groupWanted, .jobReady, .deadlineReached,
                .runEnded, .wake,
                .continueLater:
                break
            }
        }
        var attempts = rows.compactMap(\.self)
        if byNumber {
            let order = attempts.indices.sorted { (attempts[$0].id, $0) < (attempts[$1].id, $1) }
            attempts = order.map { attempts[$0] }
        }
        for decision in cut + attempts.map(\.decision) + rest { farm.restore(decision) }
        return farm
    }
}
