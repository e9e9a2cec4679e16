import Model
import Scheduling

/// The farm in a seeded world: a virtual clock, agents that crash, links that lose, a coordinator that is killed and
/// restored from what it had committed. Everything that is committed passes the checker first.
package struct World<Decider: Deciding>: Sendable {
    /// A decided step that waits for its commit.
    struct Batch: Sendable {
        var at: Instant
        var event: Farm.Event
        var effects: [Farm.Effect]
        /// The report that is acknowledged by the commit, and to whom.
        var reported: (agent: Int, AttemptID)?
    }

    let scenario: Scenario
    var random: SplitMix64
    var now = Instant.seconds(1_000_000)
    let start = Instant.seconds(1_000_000)
    var happenings = Happenings()
    var agents: [VirtualAgent] = []
    package internal(set) var checker: Checker

    var decider: Decider
    /// Counts the coordinator's starts; what was scheduled in an earlier life is void.
    var life = 0
    var isUp = true
    var batches: [Batch] = []
    var journal = Journal()
    /// The connection that the coordinator has with each agent.
    var connections: [Int: Int] = [:]
    /// Steps of this world, for a test to see that something happened.
    package internal(set) var steps = 0
    package internal(set) var deaths = 0

    package init(_ scenario: Scenario) {
        self.scenario = scenario
        random = SplitMix64(seed: scenario.seed ^ 0x5EED)
        decider = Decider(settings: scenario.settings, seed: scenario.seed)
        checker = Checker(lease: scenario.settings.lease)
        for kind in scenario.agents { addAgent(kind) }
        for index in scenario.submissions.indices {
            happenings.add(.submit(index), at: start.advanced(by: scenario.submissions[index].at))
            if let after = scenario.submissions[index].cancelAfter {
                happenings.add(.cancel(index), at: start.advanced(by: scenario.submissions[index].at + after))
            }
        }
        scheduleTrouble()
        happenings.add(.calm, at: start.advanced(by: scenario.trouble.until))
    }

    /// Runs until every run has ended.
    package mutating func run() throws(Violation) {
        let limit = start.advanced(by: .minutes(180))
        while !(checker.runs.count == scenario.submissions.count && checker.areAllEnded) {
            guard let (at, happening) = happenings.pop(), at < limit, steps < 2_000_000 else {
                throw Violation(rule: "every run ends", detail: "\(steps) steps", at: now)
            }
            now = at
            steps += 1
            try perform(happening)
        }
    }

    private mutating func perform(_ happening: Happenings.Happening) throws(Violation) {
        switch happening {
        case .submit(let index): submit(index)
        case .cancel(let index): cancel(index)
        case .resolve(let life, let run, let job):
            guard life == self.life && isUp else { return }
            resolve(run, job)
        case .wake(let life):
            guard life == self.life && isUp else { return }
            decide(.timeReached)
        case .resume(let life):
            guard life == self.life && isUp else { return }
            decide(.resume)
        case .commit(let life):
            guard life == self.life && isUp else { return }
            try commit()
        case .restart: restart()
        case .disturb: disturb()
        case .calm: calm()
        case .toCoordinator(let agent, let connection, let message):
            guard isUp else { return }
            receive(message, from: agent, connection)
        case .toAgent(let agent, let connection, let message):
            guard agents[agent].connection == connection else { return }
            receive(message, at: agent)
        case .noticed(let life, let agent, let connection):
            guard life == self.life, isUp, connections[agent] == connection else { return }
            connections[agent] = nil
            decide(.agentDisconnected(agents[agent].id))
        case .connect(let agent, let process): connect(agent, process)
        case .beat(let agent, let process): beat(agent, process)
        case .attemptDone(let agent, let process, let attempt): endAttempt(agent, process, attempt)
        }
    }

    private mutating func submit(_ index: Int) {
        let submission = scenario.submissions[index]
        guard checker.runs[submission.run] == nil else { return }
        if isUp { decide(.runSubmitted(submission.run, owner: submission.owner, plan: submission.plan)) }
        // Asks again until it is known to be stored.
        happenings.add(.submit(index), at: now.advanced(by: .seconds(3)))
    }

    private mutating func cancel(_ index: Int) {
        let run = scenario.submissions[index].run
        guard checker.runs[run].map({ !$0.isCancelled && !$0.isEnded }) ?? true else { return }
        if isUp, checker.runs[run] != nil { decide(.runCancelled(run, by: "its owner", reason: "a test")) }
        happenings.add(.cancel(index), at: now.advanced(by: .seconds(3)))
    }

    private mutating func resolve(_ run: RunID, _ job: Int) {
        guard let submission = scenario.submissions.first(where: { $0.run == run }) else { return }
        let needed = submission.plan.jobs[job].needs.compactMap { checker.runs[run]?.jobs[$0].ending }
        decide(.jobResolved(run, job: job, scenario.resolution(of: job, in: submission, needed: needed)))
    }

    /// Hands an event to the farm; what it decides waits for the next commit.
    mutating func decide(_ event: Farm.Event, reported: (agent: Int, AttemptID)? = nil) {
        var effects: [Farm.Effect] = []
        decider.handle(event, at: now, into: &effects)
        if batches.isEmpty { happenings.add(.commit(life: life), at: now.advanced(by: milliseconds(0...3))) }
        batches.append(Batch(at: now, event: event, effects: effects, reported: reported))
        for effect in effects {
            if case .wake(let at) = effect { happenings.add(.wake(life: life), at: max(now, at)) }
            if case .continueLater = effect {
                happenings.add(.resume(life: life), at: now.advanced(by: milliseconds(0...1)))
            }
        }
    }

    private mutating func commit() throws(Violation) {
        for batch in batches {
            let isNew = checker.see(batch.event, at: batch.at)
            journal.commit(batch.event, at: batch.at, isNew: isNew)
            for effect in batch.effects {
                try checker.check(effect)
                journal.commit(effect)
            }
        }
        let dies = now < troubleEnd && chance(scenario.trouble.deathAtCommit, &random)
        let leaving = dies ? Int.random(in: 0...batches.count, using: &random) : batches.count
        for batch in batches.prefix(leaving) {
            for effect in batch.effects { leave(effect) }
            if let (agent, attempt) = batch.reported { send(.stored(attempt), to: agent) }
        }
        batches = []
        if dies { kill() }
    }

    private mutating func leave(_ effect: Farm.Effect) {
        switch effect {
        case .leased(let lease): send(.offer(lease), to: lease.agent)
        case .renewed(let agent, let attempts): send(.renewed(attempts), to: agent)
        case .cancelAttempt(let attempt, let agent, _): send(.cancel(attempt), to: agent)
        case .forgetAttempt(let attempt, let agent, _): send(.forget(attempt), to: agent)
        case .jobReady(let run, let job):
            happenings.add(.resolve(life: life, run, job: job), at: now.advanced(by: milliseconds(0...20)))
        case .attemptStarted, .attemptEnded, .offerWithdrawn, .cellSharded, .settled, .cellEnded, .jobEnded, .runEnded,
            .wake, .continueLater:
            break
        }
    }

    /// The coordinator ends at once: what was not committed has never been.
    mutating func kill() {
        guard isUp else { return }
        isUp = false
        deaths += 1
        batches = []
        for agent in agents.indices where agents[agent].connection != nil { lose(connectionOf: agent) }
        connections = [:]
        happenings.add(.restart, at: now.advanced(by: milliseconds(100...20_000)))
    }

    private mutating func restart() {
        life += 1
        isUp = true
        decider = Decider(settings: scenario.settings, seed: scenario.seed &+ UInt64(life))
        for decision in journal.decisions(order: Int.random(in: 0...2, using: &random)) { decider.restore(decision) }
        checker.seeRestart(at: now)
        decide(.resume)
        for agent in agents where agent.isDraining { decide(.agentDraining(agent.id, true)) }
    }

    var troubleEnd: Instant { start.advanced(by: scenario.trouble.until) }

    mutating func milliseconds(_ range: ClosedRange<Int64>) -> Duration {
        .milliseconds(Int64.random(in: range, using: &random))
    }
}
