import Model
package import Scheduling
import Storage
import Wire

/// Turns events into decisions, stores them, and lets their effects out once they are stored.
///
/// `handle` never suspends: events are decided in the order they come. What was decided queues for the one writer, which
/// commits whenever it is idle, everything that waits at once. Effects leave in order, after their commit; a caller
/// that waits for `committed` hears only of what would survive a loss of power.
package actor Coordinator {
    package struct Settings: Sendable {
        package var farm = Farm.Settings()
        /// How often an agent renews its leases: several times within one.
        package var heartbeat = Duration.seconds(5)
        package var runsMax = 10_000
        package init() {}
    }

    let settings: Settings
    let remark: @Sendable (String) -> Void
    let keeper: StoreKeeper
    let logs: LogStore
    let pulses: Pulses
    let clock: FarmClock
    /// Who brings about what is to happen outside of the farm; `nil`: nobody, it waits for a coordinator that has somebody.
    let outbox: OutboxPump?
    /// Judges a run whose jobs have all ended: reads what was stored, and answers with the ending to store.
    let judge: @Sendable (LiveRun) async -> RunEnding
    let journal: FarmJournal?
    /// Judges the gates of these names, of a run that goes on. What it returns says why a job may not start; `nil`: it may.
    let hold: @Sendable (LiveRun, _ gates: [String]) async -> String?
    /// What is to happen outside of the farm once a run has its verdict.
    let intents: @Sendable (LiveRun, RunEnding) -> [DeliveryRecord]

    var farm: Farm
    var runs: [RunID: LiveRun] = [:]
    /// The keys of the newest submissions: the store may not show them yet to one that comes at the same time.
    var keys: [String: RunID] = [:]
    var recentKeys: [String] = []
    var nextRun = RunID(1)
    var sessions: [AgentID: AgentSession] = [:]
    /// The number of the newest connection that each agent has joined by.
    var newestLinks: [AgentID: UInt64] = [:]
    var capacities: [AgentID: AgentRecord] = [:]
    /// Those that somebody has set, by name.
    var pools: [String: Pool] = [:]
    /// Agents without a valid certificate, and why.
    var revoked: [AgentID: String] = [:]
    /// What watchers see: the state as of the last commit.
    var published: [RunID: [[Farm.CellProgress]]] = [:]
    /// The report that is being handled, whose bytes are stored with the attempt's end.
    var reportInHand: (attempt: AttemptID, report: Proto.AttemptReport)?

    var groups = ConcurrencyGroups()
    /// Runs that wait for their concurrency group: what the farm is told of them when it is free.
    var held: [RunID: Farm.Event] = [:]
    /// Cells that have come to a concurrency group and have not ended; those of one call, and those of one job that come to
    /// one group, are in it together.
    var grouped: [ConcurrencyGroups.Member: Set<CellID>] = [:]
    /// Calls whose place others have taken, or that others have ended, and why: what of them comes later is stopped, too.
    var stoppedCalls: [ConcurrencyGroups.Member: String] = [:]
    /// What decisions of groups lead to, within the event that is being handled.
    var following: [Farm.Event] = []
    /// Trees that attempts have found under keys of `actions/cache`: they may read them.
    var cachesFound: [AttemptID: Set<Digest>] = [:]

    /// Attempts whose objects the farm's disk had no room for, or did not take.
    var refusedByDisk: [AttemptID: DiskRefusal] = [:]
    /// The heartbeat that is being handled, until it is answered.
    var beatInHand: UInt64?
    /// The last refusal of any object, until one is stored some time after it.
    var diskRefusedAt: Instant?
    var diskRemarkedAt: Instant?
    /// Runs of which somebody takes something over at this moment, and how many do.
    var bulkInUse: [RunID: Int] = [:]
    /// How often a baseline was set: what was read of them before may not be so any more.
    var baselinesSet = 0
    /// What waits for the commit under way to end.
    var pending = Batch()
    var isWriting = false
    private var alarm: (at: Instant, task: Task<Void, Never>)?

    init(
        settings: Settings, keeper: StoreKeeper, logs: LogStore, pulses: Pulses, clock: FarmClock, seed: UInt64,
        outbox: OutboxPump? = nil, remark: @escaping @Sendable (String) -> Void = { _ in },
        judge: @escaping @Sendable (LiveRun) async -> RunEnding,
        hold: @escaping @Sendable (LiveRun, [String]) async -> String?,
        intents: @escaping @Sendable (LiveRun, RunEnding) -> [DeliveryRecord] = { _, _ in [] },
        journal: FarmJournal? = nil
    ) {
        self.intents = intents
        self.journal = journal
        self.settings = settings
        self.keeper = keeper
        self.logs = logs
        self.pulses = pulses
        self.clock = clock
        self.outbox = outbox
        self.remark = remark
        self.judge = judge
        self.hold = hold
        farm = Farm(settings: settings.farm, seed: seed)
    }

    // MARK: Deciding

    /// Decides one event, and what follows from it at once.
    func handle(_ event: Farm.Event) {
        let now = clock.now
        var events = [event]
        var next = 0
        var effects: [Farm.Effect] = []
        while next < events.count {
            effects.removeAll(keepingCapacity: true)
            farm.handle(events[next], at: now, into: &effects)
            next += 1
            for effect in effects {
                if let next = take(effect, at: now) { events.append(next) }
                events += following
                following = []
            }
        }
        startWriting()
    }

    /// Translates an effect into what is stored and what leaves. A job that became ready is resolved here and now: the
    /// answer is the event that follows.
    private func take(_ effect: Farm.Effect, at now: Instant) -> Farm.Event? {
        keep(effect, at: now)
        switch effect {
        case .leased(let lease):
            pending.touch(lease.attempt.shard.cell)
            pending.deeds.append(.offer(lease))
        case .offerWithdrawn(let attempt):
            pending.withdrawn.append(attempt)
            pending.touch(attempt.shard.cell)
        case .renewed(let agent, let attempts):
            // Renewals are no decisions: nothing of them is stored, and they wait for no commit.
            sessions[agent]?.send(
                .renewed(
                    .with {
                        $0.attempts = attempts.map { Proto.AttemptRef($0) }
                        $0.leaseMs = leaseMilliseconds
                        $0.number = beatInHand ?? 0
                    }))
            beatInHand = nil
        case .cancelAttempt(let attempt, let agent, let reason):
            pending.deeds.append(.cancel(attempt, agent, reason: reason))
        case .forgetAttempt(let attempt, let agent, let reason):
            pending.deeds.append(.forget(attempt, agent, reason: reason))
        case .offerRecalled(let attempt, let agent): pending.deeds.append(.recall(attempt, agent))
        case .attemptStarted(let attempt, _):
            pending.touch(attempt.shard.cell)
        case .attemptEnded(let attempt, let cause, let retryAt, _): take(ended: attempt, cause, retryAt: retryAt)
        case .cellSharded(let cell, _, let items):
            runs[cell.run]?.itemCount[cell] = items
            pending.touch(cell)
        case .settled(let cell, let shards, let attempt, let cause):
            pending.touch(cell)
            if attempt == 0, let run = runs[cell.run] {
                let title = run.title(of: ShardID(cell: cell, shard: shards.lowerBound))
                noteDecision("\(title): \(cause)", in: cell.run)
            }
        case .cellEnded(let cell, let ending):
            runs[cell.run]?.cellEndings[cell] = ending.rawValue
            pending.touch(cell)
            leaveGroups(cell)
        case .groupWanted(let cell): enterGroups(cell)
        case .jobReady(let run, let job):
            guard runs[run]?.plan.jobs[job].needsGates.isEmpty == false else { return resolve(job, of: run, at: now) }
            // Answered once what the gates read is stored and they are judged.
            pending.deeds.append(.judgeGates(run, job: job))
        case .jobEnded(let run, let job, let ending, _):
            runs[run]?.endings[job] = ending
            pending.touch(run)
            leaveCalls(of: job, in: run)
        case .deadlineReached(let run, let reason): following += end(run, atItsDeadline: reason, at: now)
        case .runEnded(let run):
            runs[run]?.phase = .judging
            pending.deeds.append(.judge(run))
            pending.touch(run)
            for effect in groups.leave(.init(run)) { following += follow(effect) }
        case .wake(let at): wake(at: at)
        case .continueLater:
            // The actor itself takes it up again, after the events that have come in between.
            Task { self.handle(.resume) }
        }
        return nil
    }

    /// What of it is stored.
    private func keep(_ effect: Farm.Effect, at now: Instant) {
        var (listing, report): (Digest?, [UInt8]) = (nil, [])
        if case .cellSharded(let cell, _, _) = effect {
            listing = runs[cell.run]?.handedOn.listings[cell].flatMap { Digest($0.digest) }
        }
        if case .attemptEnded(let attempt, _, _, _) = effect, let hand = reportInHand, hand.attempt == attempt {
            report = hand.report.encoded()
        }
        var submittedAt = Instant.epoch
        if case .leased(let lease) = effect, let run = runs[lease.attempt.run] { submittedAt = run.submittedAt }
        guard
            let change = Change(
                keeping: effect, at: now, submittedAt: submittedAt, listing: listing, report: report)
        else { return }
        pending.changes.append(change)
    }

    private func take(ended attempt: AttemptID, _ cause: Cause, retryAt: Instant?) {
        let isLastWord = cause.kind == .passed || (retryAt == nil && !farm.isLeased(attempt.shard))
        if let hand = reportInHand, hand.attempt == attempt, isLastWord {
            // The shard's last word counts for others, also that of one that failed: `if: always()` reads it. Of two
            // attempts that is the word of the one that counts.
            runs[attempt.run]?.take(hand.report, of: attempt, hasPassed: cause.kind == .passed)
        }
        refusedByDisk[attempt] = nil
        cachesFound[attempt] = nil
        pending.deeds.append(.endLog(attempt))
        pending.touch(attempt.shard.cell)
        if cause.kind != .passed, let run = runs[attempt.run] {
            let again = retryAt == nil ? "" : "; trying again"
            noteDecision(
                "\(run.title(of: attempt.shard)): attempt \(attempt.number): \(cause)\(again)", in: attempt.run)
        }
    }

    /// A line for whoever reads along.
    func note(_ text: String, in run: RunID) {
        guard runs[run] != nil else { return }
        runs[run]?.notes.append(text)
        if let count = runs[run]?.notes.count, count > 1000 { runs[run]?.notes.removeFirst(count - 1000) }
    }

    /// The same, unless it was said lately.
    func noteOnce(_ text: String, in run: RunID) {
        guard runs[run]?.notes.suffix(20).contains(text) == false else { return }
        note(text, in: run)
        pulses.changed(run)
    }

    /// The same about a decision: nobody reads of it before it is stored.
    private func noteDecision(_ text: String, in run: RunID) { pending.notes.append((run, text)) }

    var leaseMilliseconds: UInt32 { UInt32(clamping: Int(settings.farm.lease.inSeconds * 1000)) }

    // MARK: Time

    private func wake(at instant: Instant) {
        if let alarm, alarm.at <= instant { return }
        alarm?.task.cancel()
        let delay = max(.milliseconds(1), clock.now.duration(to: instant))
        // Replaced by an earlier one, or ends by ringing.
        let task = Task {
            do { try await Task.sleep(for: delay) } catch { return }
            self.ring(instant)
        }
        alarm = (instant, task)
    }

    private func ring(_ instant: Instant) {
        guard alarm?.at == instant else { return }
        alarm = nil
        handle(.timeReached)
    }
}
