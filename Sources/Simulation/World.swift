import Model
package import Scheduling

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
    let began = Instant.seconds(1_000_000)
    var happenings = Happenings()
    var agents: [VirtualAgent] = []
    package internal(set) var checker: Checker

    var decider: Decider
    private let startDecider: @Sendable (Farm.Settings, UInt64) -> Decider
    let flaw: Flaw?
    /// Counts the coordinator's starts; what was scheduled in an earlier life is void.
    var life = 0
    var isUp = true
    /// What was decided and is not with the store yet, and what the store is at.
    var batches: [Batch] = []
    var writing: [Batch] = []
    var journal: any Journaling
    /// The connection that the coordinator has with each agent.
    var connections: [Int: Int] = [:]
    /// Connections are numbered in their order; those before are of earlier lives of the coordinator.
    var firstConnection = 0
    /// The newest connection of each agent that anything came on.
    var newest: [Int: Int] = [:]
    /// When either side takes a connection for dead.
    static var silenceMax: Duration { .seconds(30) }
    package internal(set) var troubles = Troubles()
    /// Steps of this world, for a test to see that something happened.
    package internal(set) var steps = 0
    package internal(set) var deaths = 0
    /// Of all that happened and was decided, byte for byte; only when asked for, for it takes its time.
    package internal(set) var fingerprint: Fingerprint?
    /// How the coordinator ends at its next commit.
    private var crash: Crash?
    /// That it ends at a later one.
    private var ordered: Death?
    /// The farm as it was when the store was given the last commit, and when it had the last: what a coordinator that starts
    /// anew must find again.
    private var deciderWriting: Decider?
    private var writingSince = Instant.epoch
    var deciderStored: (Decider, at: Instant)?

    package init(_ scenario: Scenario) { self.init(scenario, journal: Journal()) }

    package init(_ scenario: Scenario, journal: any Journaling) {
        self.init(scenario, journal: journal) { Decider(settings: $0, seed: $1) }
    }

    /// - Parameter start: makes the farm of each of the coordinator's lives.
    package init(
        _ scenario: Scenario, journal: any Journaling, flaw: Flaw? = nil,
        _ start: @escaping @Sendable (Farm.Settings, UInt64) -> Decider
    ) {
        self.journal = journal
        self.scenario = scenario
        self.flaw = flaw
        startDecider = start
        random = SplitMix64(seed: scenario.seed ^ 0x5EED)
        decider = start(scenario.settings, scenario.seed)
        checker = Checker(
            lease: scenario.settings.lease, retriesMin: scenario.settings.retriesMin,
            twinsMax: scenario.settings.lag.twinsMax)
        for kind in scenario.agents { addAgent(kind) }
        for index in scenario.submissions.indices {
            happenings.add(.submit(index), at: began.advanced(by: scenario.submissions[index].at))
            if let after = scenario.submissions[index].cancelAfter {
                happenings.add(.cancel(index), at: began.advanced(by: scenario.submissions[index].at + after))
            }
        }
        scheduleTrouble()
        happenings.add(.ask, at: began.advanced(by: .seconds(7)))
        happenings.add(.calm, at: began.advanced(by: scenario.trouble.until))
    }

    /// Takes a fingerprint of what happens from now on.
    package mutating func keepFingerprint() { fingerprint = Fingerprint() }

    /// The coordinator ends at this one of its commits, those that are made from now on counted.
    package mutating func crash(at death: Death?) { ordered = death }

    /// The coordinator ends at its next commit.
    package mutating func crashNext(_ crash: Crash) { self.crash = crash }

    /// Runs until every run has ended.
    ///
    /// - Parameter beforeCommit: sees the world before each commit: to try another future on a copy of it.
    @_specialize(where Decider == Farm)  // Tests in debug builds would run the unspecialised code of this room.
    package mutating func run(beforeCommit: (Self) throws(Violation) -> Void = { _ in }) throws(Violation) {
        let limit = began.advanced(by: .minutes(180))
        while !(checker.runs.count == scenario.submissions.count && checker.areAllEnded) {
            if isUp, happenings.isCommitNext(inLife: life) {
                countDownToDeath()
                try beforeCommit(self)
            }
            guard let (at, happening) = happenings.pop(), at < limit, steps < 2_000_000 else {
                throw Violation(rule: .everyRunEnds, detail: "\(steps) steps", at: now)
            }
            now = at
            steps += 1
            fingerprint?.take("\(at.nanoseconds) \(happening)")
            try perform(happening)
        }
        try checker.checkAcknowledged(in: journal.decisions(order: 0))
    }

    private mutating func countDownToDeath() {
        guard let death = ordered else { return }
        if death.commit == 1 { crash = death.crash }
        ordered = death.commit > 1 ? Death(commit: death.commit - 1, death.crash) : nil
    }

    private mutating func perform(_ happening: Happenings.Happening) throws(Violation) {
        switch happening {
        case .submit(let index): submit(index)
        case .cancel(let index): cancel(index)
        case .resolve(let life, let run, let job):
            guard life == self.life && isUp else { return }
            resolve(run, job)
        case .deadline(let life, let run, let reason):
            guard life == self.life && isUp else { return }
            decide(.runCancelled(run, by: "its deadline", reason: reason))
        case .wake(let life):
            guard life == self.life && isUp else { return }
            decide(.timeReached)
        case .resume(let life):
            guard life == self.life && isUp else { return }
            decide(.resume)
        case .commit(let life):
            guard life == self.life && isUp else { return }
            try beginCommit()
        case .committed(let life):
            guard life == self.life && isUp else { return }
            try endCommit()
        case .die(let life, let isStored):
            guard life == self.life && isUp else { return }
            try die(isStored: isStored)
        case .restart: try restart()
        case .ask: try ask()
        case .disturb: try disturb()
        case .calm: calm()
        case .toCoordinator(let agent, let connection): arrive(atCoordinatorFrom: agent, connection)
        case .toAgent(let agent, let connection): try arrive(atAgent: agent, connection)
        case .lost(let agent, let connection):
            guard agents[agent].connection == connection else { return }
            if !postpone(happening, whileStalled: agent) { lose(connectionOf: agent) }
        case .noticed(let life, let agent, let connection):
            guard life == self.life, isUp, connections[agent] == connection else { return }
            connections[agent] = nil
            decide(.agentDisconnected(agents[agent].id))
        case .connect(let agent, let process):
            if !postpone(happening, whileStalled: agent) { connect(agent, process) }
        case .beat(let agent, let process):
            if !postpone(happening, whileStalled: agent) { beat(agent, process) }
        case .attemptDone(let agent, let process, let attempt):
            if !postpone(happening, whileStalled: agent) { endAttempt(agent, process, attempt) }
        case .leaseAlarm(let agent, let process):
            if !postpone(happening, whileStalled: agent) { endLeases(agent, process) }
        }
    }

    private mutating func submit(_ index: Int) {
        let submission = scenario.submissions[index]
        guard checker.runs[submission.run] == nil else { return }
        if isUp, let event = event(submission) { decide(event) }
        // Asks again until it is known to be stored.
        happenings.add(.submit(index), at: now.advanced(by: .seconds(3)))
    }

    /// - Returns: `nil` while the run that it reruns goes on.
    private func event(_ submission: Scenario.Submission) -> Farm.Event? {
        guard let earlier = submission.reruns else {
            return .runSubmitted(submission.run, owner: submission.owner, plan: submission.plan)
        }
        guard checker.runs[earlier]?.isEnded == true else { return nil }
        let decisions = journal.decisions(of: earlier)
        let rerun = Rerun(of: decisions, needs: submission.plan.jobs.map(\.needs))
        var kept = rerun.decisions(from: decisions, as: submission.run, at: now)
        if flaw == .keepsFailures {
            for index in kept.indices {
                guard case .settled(let cell, let shards, let attempt, _) = kept[index] else { continue }
                kept[index] = .settled(cell, shards: shards, attempt: attempt, Cause(.userExit))
            }
        }
        return .runRerun(submission.run, owner: submission.owner, plan: submission.plan, keeping: kept)
    }

    private mutating func cancel(_ index: Int) {
        let run = scenario.submissions[index].run
        let isForced = checker.runs[run]?.isCancelled == true
        if let known = checker.runs[run] {
            guard !known.isEnded, !isForced || (scenario.submissions[index].isForced && !known.isForced) else { return }
            if isUp { decide(.runCancelled(run, by: "its owner", reason: "a test", isForced: isForced)) }
        }
        happenings.add(.cancel(index), at: now.advanced(by: .seconds(3)))
    }

    private mutating func resolve(_ run: RunID, _ job: Int) {
        guard let submission = scenario.submissions.first(where: { $0.run == run }) else { return }
        let needed = submission.plan.jobs[job].needs.compactMap { checker.runs[run]?.jobs[$0].ending }
        decide(.jobResolved(run, job: job, scenario.resolution(of: job, in: submission, needed: needed)))
    }

    /// Hands an event to the farm; what it decides waits for the next commit.
    ///
    /// - Parameter beat: the heartbeat that it is: answered at once, for renewals are not stored.
    mutating func decide(
        _ event: Farm.Event, reported: (agent: Int, AttemptID)? = nil, beat: (agent: Int, number: UInt64)? = nil
    ) {
        var effects: [Farm.Effect] = []
        decider.handle(event, at: now, into: &effects)
        fingerprint?.take("\(event) \(effects)")
        if flaw == .acknowledgesEarly, let (agent, attempt) = reported { send(.stored(attempt), to: agent) }
        if batches.isEmpty && writing.isEmpty {
            happenings.add(.commit(life: life), at: now.advanced(by: milliseconds(0...3)))
        }
        batches.append(Batch(at: now, event: event, effects: effects, reported: reported))
        if let beat {
            var renewed: [AttemptID] = []
            for case .renewed(_, let attempts) in effects { renewed = attempts }
            send(.renewed(renewed, beat: beat.number), to: beat.agent)
        }
        for effect in effects {
            if case .wake(let at) = effect { happenings.add(.wake(life: life), at: max(now, at)) }
            if case .continueLater = effect {
                happenings.add(.resume(life: life), at: now.advanced(by: milliseconds(0...1)))
            }
        }
    }

    /// Whenever the store is idle it is given all that was decided meanwhile.
    private mutating func beginCommit() throws(Violation) {
        var crash = self.crash
        if crash == nil, now < troubleEnd && chance(scenario.trouble.deathAtCommit, &random) {
            crash = Crash.allCases.randomElement(using: &random)
        }
        self.crash = crash
        guard crash != .before else { return try die(isStored: false) }
        (writing, batches) = (batches, [])
        deciderWriting = decider
        writingSince = now
        let end = now.advanced(by: milliseconds(0...8))
        if crash == .during || crash == .duringStored {
            happenings.add(.die(life: life, isStored: crash == .duringStored), at: end)
        }
        happenings.add(.committed(life: life), at: end)
    }

    /// The store has it: it is what the coordinator has come to, whatever becomes of its process.
    private mutating func store() throws(Violation) {
        for batch in writing {
            let isNew = try checker.see(batch.event, at: batch.at)
            journal.commit(batch.event, at: batch.at, isNew: isNew)
            for effect in batch.effects {
                try checkFence(effect)
                try checker.check(effect)
                journal.commit(effect, at: batch.at)
            }
        }
        deciderStored = deciderWriting.map { ($0, at: writingSince) }
    }

    private mutating func endCommit() throws(Violation) {
        try store()
        let left = writing
        writing = []
        guard crash != .after else { return try die(isStored: true) }
        // One that dies of trouble, not by order, may have come anywhere on its way through the effects.
        let isByOrder = now >= troubleEnd || scenario.trouble.deathAtCommit == 0
        let leaving =
            crash == nil || isByOrder ? left.count : Int.random(in: 1...max(1, left.count), using: &random)
        for batch in left.prefix(leaving) {
            for effect in batch.effects { leave(effect) }
            if let (agent, attempt) = batch.reported { send(.stored(attempt), to: agent) }
        }
        guard crash == nil else { return try die(isStored: true) }
        if !batches.isEmpty { happenings.add(.commit(life: life), at: now) }
    }

    /// Who lost its lease has stopped before the farm counts on that: no shard is worked on in two places.
    private func checkFence(_ effect: Farm.Effect) throws(Violation) {
        guard case .attemptEnded(let attempt, let cause, _, _) = effect, cause.kind == .lostAgent else { return }
        for agent in agents where agent.process > 0 && agent.stalledUntil < now && agent.holdings.isWorking(on: attempt)
        {
            throw Violation(
                rule: .fence,
                detail: "\(attempt) on \(agent.id): \(cause)",
                at: now)
        }
    }

    private mutating func leave(_ effect: Farm.Effect) {
        switch effect {
        case .leased(let lease): send(.offer(lease, left: max(.zero, now.duration(to: lease.until))), to: lease.agent)
        case .cancelAttempt(let attempt, let agent, _): send(.cancel(attempt), to: agent)
        case .offerRecalled(let attempt, let agent): send(.recall(attempt), to: agent)
        case .forgetAttempt(let attempt, let agent, _): send(.forget(attempt), to: agent)
        case .deadlineReached(let run, let reason):
            happenings.add(.deadline(life: life, run, reason: reason), at: now)
        case .jobReady(let run, let job):
            let wait = chance(0.1, &random) ? milliseconds(0...10_000) : milliseconds(0...20)
            happenings.add(.resolve(life: life, run, job: job), at: now.advanced(by: wait))
        case .renewed, .attemptStarted, .attemptEnded, .offerWithdrawn, .cellSharded, .settled, .cellEnded, .jobEnded,
            .groupWanted, .runEnded, .wake, .continueLater:
            break
        }
    }

    /// The coordinator ends at once: what was not committed has never been.
    ///
    /// - Parameter isStored: what becomes of what the store is at: the process that asked for it never hears.
    mutating func die(isStored: Bool) throws(Violation) {
        guard isUp else { return }
        if !writing.isEmpty {
            if isStored { try store() }
            if isStored { troubles.deathsStored += 1 } else { troubles.deathsUnstored += 1 }
        }
        isUp = false
        deaths += 1
        crash = nil
        batches = []
        writing = []
        // What it had sent arrives all the same, until the agents notice.
        for agent in agents.indices {
            guard let connection = agents[agent].connection else { continue }
            happenings.add(
                .lost(agent: agent, connection: connection), at: now.advanced(by: milliseconds(0...2_000)))
        }
        connections = [:]
        let isQuick = chance(0.3, &random)
        happenings.add(.restart, at: now.advanced(by: milliseconds(100...(isQuick ? 1_000 : 20_000))))
    }

    private mutating func restart() throws(Violation) {
        life += 1
        firstConnection = steps
        isUp = true
        decider = startDecider(scenario.settings, scenario.seed &+ UInt64(life))
        let decisions = journal.decisions(order: Int.random(in: 0...2, using: &random))
        fingerprint?.take("\(decisions)")
        for decision in decisions { decider.restore(decision) }
        try checker.seeRestart(at: now)
        try checker.checkAcknowledged(in: decisions)
        try compareWithStored()
        decide(.resume)
        // Whose word may have been lost says it again.
        for agent in agents where agent.isDraining || checker.agents[agent.id]?.isDraining == true {
            decide(.agentDraining(agent.id, agent.isDraining))
        }
    }

    /// Somebody asks why some shard waits, and believes nothing.
    private mutating func ask() throws(Violation) {
        happenings.add(.ask, at: now.advanced(by: milliseconds(500...8_000)))
        // Between two commits the farm knows more than anybody was told.
        guard isUp, batches.isEmpty, writing.isEmpty, let shard = checker.anyOpenShard(&random) else { return }
        let lines = decider.explain(shard.cell, shard: shard.shard, at: now)
        try checker.checkExplanation(of: shard, lines, at: now)
    }

    var troubleEnd: Instant { began.advanced(by: scenario.trouble.until) }

    mutating func milliseconds(_ range: ClosedRange<Int64>) -> Duration {
        .milliseconds(Int64.random(in: range, using: &random))
    }
}
