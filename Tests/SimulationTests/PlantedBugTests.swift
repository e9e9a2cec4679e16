import Model
import Scheduling
import Simulation
import Testing

/// A farm with a bug planted in it: what goes in or what comes out is falsified.
protocol Planted: Deciding {
    var farm: Farm { get set }
    /// Counts what the bug looks at, so that it can strike now and then.
    var seen: Int { get set }
    mutating func falsify(_ event: inout Farm.Event) -> Bool
    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant)
    mutating func falsify(_ decision: inout Farm.Decision) -> Bool
}

extension Planted {
    mutating func handle(_ event: Farm.Event, at now: Instant, into effects: inout [Farm.Effect]) {
        var changed = event
        guard falsify(&changed) else { return }
        farm.handle(changed, at: now, into: &effects)
        falsify(&effects, after: event, at: now)
    }

    mutating func restore(_ decision: Farm.Decision) {
        var changed = decision
        guard falsify(&changed) else { return }
        farm.restore(changed)
    }

    func progress(of run: RunID) -> [[Farm.CellProgress]]? { farm.progress(of: run) }
    func explain(_ cell: CellID, shard: Int?, at now: Instant) -> [String] {
        farm.explain(cell, shard: shard, at: now)
    }

    /// Whether it strikes this time: every `period`-th time.
    mutating func strikes(every period: Int) -> Bool {
        seen += 1
        return seen % period == 0
    }

    mutating func falsify(_ event: inout Farm.Event) -> Bool { true }
    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant) {}
    mutating func falsify(_ decision: inout Farm.Decision) -> Bool { true }
}

/// Leases a shard again, to the same agent, under the next number.
private struct LeasesTwice: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant) {
        for case .leased(var lease) in effects where strikes(every: 10) {
            lease.attempt.number += 1
            effects.append(.leased(lease))
        }
    }
}

/// Takes agents for larger than they are.
private struct OverbooksCores: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .agentJoined(let agent, let team, var capacity, let holds) = event {
            capacity.cpus += 1
            event = .agentJoined(agent, team: team, capacity: capacity, holds: holds)
        }
        return true
    }
}

/// Always leases an agent's first GPUs.
private struct LeasesDevicesTwice: Planted {
    var farm: Farm
    var seen = 0
    var devices: [AgentID: [String]] = [:]
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .agentJoined(let agent, _, let capacity, _) = event { devices[agent] = capacity.gpus.map(\.uuid) }
        return true
    }

    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant) {
        for index in effects.indices {
            guard case .leased(var lease) = effects[index] else { continue }
            lease.devices = Array((devices[lease.agent] ?? []).prefix(lease.devices.count))
            effects[index] = .leased(lease)
        }
    }
}

/// Does not know of `max-parallel`.
private struct IgnoresMaxParallel: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .jobResolved(let run, let job, .cells(let cells, let failFast, _, let goesOn)) = event {
            event = .jobResolved(
                run, job: job, .cells(cells, failFast: failFast, maxParallel: nil, goesOn: goesOn))
        }
        return true
    }
}

/// Cancels the jobs that clean up after a cancelled run, too.
private struct CancelsEverything: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .jobResolved(let run, let job, .cells(let cells, let failFast, let most, _)) = event {
            event = .jobResolved(run, job: job, .cells(cells, failFast: failFast, maxParallel: most, goesOn: false))
        }
        return true
    }

    mutating func falsify(_ decision: inout Farm.Decision) -> Bool {
        if case .jobResolved(let run, let job, .cells(let cells, let failFast, let most, _), let at) = decision {
            decision = .jobResolved(
                run, job: job, .cells(cells, failFast: failFast, maxParallel: most, goesOn: false), at: at)
        }
        return true
    }
}

/// Loses every fourth settlement when it is restored.
private struct ForgetsSettlements: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ decision: inout Farm.Decision) -> Bool {
        if case .settled = decision, strikes(every: 4) { return false }
        return true
    }
}

/// Loses leases when it is restored.
private struct ForgetsLeases: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ decision: inout Farm.Decision) -> Bool {
        if case .leased = decision { return false }
        return true
    }
}

/// Lets a report of an attempt count that is no longer current.
private struct CountsLateReports: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant) {
        guard case .attemptFinished(let attempt, _, let cause, _, _) = event else { return }
        for case .forgetAttempt(attempt, _, _) in effects where !attempt.shard.isListing {
            let shard = attempt.shard.shard
            effects.append(.settled(attempt.shard.cell, shards: shard...shard, attempt: attempt.number, cause))
        }
    }
}

/// Takes agents that heartbeat for gone.
private struct EndsLeasesEarly: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .leasesRenewed(let agent, let attempts) = event, !attempts.isEmpty, strikes(every: 5) {
            event = .agentRemoved(agent)
        }
        return true
    }
}

/// Never looks at the clock: expired leases and backoffs wait for ever.
private struct SleepsThroughTime: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool { event != .timeReached }
}

/// Believes a failed attempt to have passed.
private struct SettlesGreen: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant) {
        for index in effects.indices {
            if case .settled(let cell, let shards, let attempt, let cause) = effects[index], cause.kind == .userExit {
                effects[index] = .settled(cell, shards: shards, attempt: attempt, Cause(.passed))
            }
        }
    }
}

/// Goes on with a draining agent.
private struct ForgetsDraining: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .agentDraining(let agent, _) = event { event = .agentDraining(agent, false) }
        return true
    }
}

/// Counts infrastructure's faults as results.
private struct NeverRetries: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ event: inout Farm.Event) -> Bool {
        if case .runSubmitted(let run, let owner, var plan, _) = event {
            for job in plan.jobs.indices { plan.jobs[job].retry.attemptsMax = 1 }
            event = .runSubmitted(run, owner: owner, plan: plan)
        }
        return true
    }
}

@Suite struct `The simulation catches a farm that` {
    /// Whether one of the rules breaks within some seeds.
    private func caught<Bug: Deciding>(_ bug: Bug.Type, by rules: String...) -> Bool {
        for seed in UInt64(0)..<60 {
            var world = World<Bug>(Scenario(seed: seed, trouble: seed % 2 == 0 ? .some : .much, isComparable: false))
            do throws(Violation) {
                try world.run()
            } catch {
                if rules.contains(error.rule) { return true }
            }
        }
        return false
    }

    @Test func `leases twice`() {
        #expect(caught(LeasesTwice.self, by: "a shard has one lease at a time"))
    }

    @Test func `overbooks an agent`() {
        #expect(caught(OverbooksCores.self, by: "no more cores are leased than there are"))
    }

    @Test func `leases a device twice`() {
        #expect(caught(LeasesDevicesTwice.self, by: "a device is leased once"))
    }

    @Test func `ignores max-parallel`() {
        #expect(caught(IgnoresMaxParallel.self, by: "max-parallel holds"))
    }

    @Test func `cancels what goes on in a cancelled run`() {
        #expect(caught(CancelsEverything.self, by: "what holds in a cancelled run goes on"))
    }

    @Test func `forgets a settlement at restore`() {
        #expect(
            caught(
                ForgetsSettlements.self, by: "a farm that starts anew is the farm that ended",
                "a settled shard is not leased again", "a shard settles once"))
    }

    @Test func `forgets leases at restore`() {
        #expect(caught(ForgetsLeases.self, by: "a shard has one lease at a time"))
    }

    @Test func `counts a late report`() {
        #expect(
            caught(
                CountsLateReports.self, by: "a shard settles once", "a shard settles with its last attempt",
                "a shard settles when no attempt is current"))
    }

    @Test func `ends leases early`() {
        // Whichever looks first: the agent still works on it, and its time is not over.
        #expect(
            caught(
                EndsLeasesEarly.self, by: "a lease is lost when it has expired",
                "an agent stops before its lease is given to another"))
    }

    @Test func `sleeps through time`() {
        #expect(caught(SleepsThroughTime.self, by: "every run ends"))
    }

    @Test func `settles what failed as passed`() {
        #expect(caught(SettlesGreen.self, by: "a shard settles with its last attempt"))
    }

    @Test func `leases to a draining agent`() {
        #expect(caught(ForgetsDraining.self, by: "an agent that is leased to is there"))
    }

    /// Each step is lawful; only what it all comes to is not what it should be.
    @Test func `never retries`() throws {
        var differs = false
        for seed in UInt64(0)..<20 {
            var calm = World<Farm>(Scenario(seed: seed, trouble: .none, isComparable: true))
            try calm.run()
            var troubled = World<NeverRetries>(Scenario(seed: seed, trouble: .much, isComparable: true))
            try troubled.run()
            differs = differs || calm.checker.tally != troubled.checker.tally
        }
        #expect(differs)
    }

    @Test func `leases twice, in a world that is cut down to it`() throws {
        for seed in UInt64(0)..<60 {
            let replay = Replay(seed: seed, .much, isComparable: false)
            guard let violation = replay.violation(of: LeasesTwice.self) else { continue }
            let small = replay.shrunk(LeasesTwice.self, breaking: violation.rule)
            let jobs = { (scenario: Scenario) in scenario.submissions.reduce(0) { $0 + $1.plan.jobs.count } }
            #expect(small.scenario.submissions.count == 1 && jobs(small.scenario) <= 3)
            #expect(jobs(small.scenario) < jobs(replay.scenario))
            #expect(small.cuts.contains(.trouble(.loss)) && small.cuts.contains(.trouble(.disturbances)))
            // Its line makes the same world again.
            let again = try #require(Replay("\(small)"))
            #expect(again == small && again.violation(of: LeasesTwice.self) == small.violation(of: LeasesTwice.self))
            #expect(again.violation(of: LeasesTwice.self)?.rule == violation.rule)
            return
        }
        Issue.record("the bug was never seen")
    }

    @Test func `counts on leases for less long than it told agents`() {
        #expect(caught(CutsLeasesShort.self, by: "an agent stops before its lease is given to another"))
    }

    @Test func `tells tales of what a shard waits for`() {
        #expect(caught(TellsTales.self, by: "every waiting shard has a true explanation"))
    }

    @Test func `starts anew with less than it knew`() {
        #expect(caught(ForgetsListings.self, by: "a farm that starts anew is the farm that ended"))
    }
}

/// Gives up leases earlier than it says: agents may still work then.
private struct CutsLeasesShort: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) {
        var settings = settings
        settings.lease = settings.lease / 4
        farm = Farm(settings: settings, seed: seed)
    }

    mutating func falsify(_ effects: inout [Farm.Effect], after event: Farm.Event, at now: Instant) {
        for index in effects.indices {
            guard case .leased(var lease) = effects[index] else { continue }
            lease.until = now.advanced(by: .seconds(30))
            effects[index] = .leased(lease)
        }
    }
}

/// Says that no agent is connected, whatever is missing.
private struct TellsTales: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    func explain(_ cell: CellID, shard: Int?, at now: Instant) -> [String] {
        farm.explain(cell, shard: shard, at: now).map {
            $0.contains(" waits for a free agent") ? "shard waits: no agent is connected" : $0
        }
    }
}

/// Lists the items of a cell again that was cut before.
private struct ForgetsListings: Planted {
    var farm: Farm
    var seen = 0
    init(settings: Farm.Settings, seed: UInt64) { farm = Farm(settings: settings, seed: seed) }

    mutating func falsify(_ decision: inout Farm.Decision) -> Bool {
        if case .cellSharded = decision { return false }
        return true
    }
}
