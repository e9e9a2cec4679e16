import Model
package import Scheduling
import Storage
import Transport
import Wire
import Workflows

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

    /// What leaves after a commit.
    enum Deed: Sendable {
        case offer(Farm.Lease)
        case cancel(AttemptID, AgentID, reason: String)
        case forget(AttemptID, AgentID, reason: String)
        case endLog(AttemptID)
        case judge(RunID)
        /// A job waits for gates, and what they read has ended.
        case judgeGates(RunID, job: Int)
        case deliver([DeliveryRecord])
        case resume(CheckedContinuation<Void, Never>)
    }

    struct Batch {
        /// What of a run watchers see anew.
        struct Touch {
            var cells: Set<CellID> = []
            var isWhole = false
        }

        var changes: [Change] = []
        var deeds: [Deed] = []
        var touched: [RunID: Touch] = [:]
        /// Lines about what was decided, for whoever reads along.
        var notes: [(run: RunID, text: String)] = []
        /// Attempts whose numbers are given again.
        var withdrawn: [AttemptID] = []
        var isEmpty: Bool { changes.isEmpty && deeds.isEmpty && touched.isEmpty && notes.isEmpty }

        mutating func touch(_ cell: CellID) { touched[cell.run, default: Touch()].cells.insert(cell) }
        /// The run changed as a whole: the cells of a job became known, or their job ended.
        mutating func touch(_ run: RunID) { touched[run, default: Touch()].isWhole = true }
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
    var capacities: [AgentID: AgentRecord] = [:]
    /// Agents without a valid certificate, and why.
    var revoked: [AgentID: String] = [:]
    /// What watchers see: the state as of the last commit.
    var published: [RunID: [[Farm.CellProgress]]] = [:]
    /// The report that is being handled, whose bytes are stored with the attempt's end.
    var reportInHand: (attempt: AttemptID, report: Proto.AttemptReport)?

    var groups = ConcurrencyGroups()
    /// Runs that wait for their concurrency group: what the farm is told of them when it is free.
    var held: [RunID: Farm.Event] = [:]
    /// What decisions of groups lead to, within the event that is being handled.
    private var following: [Farm.Event] = []
    /// Trees that attempts have found under keys of `actions/cache`: they may read them.
    var cachesFound: [AttemptID: Set<Digest>] = [:]

    /// Attempts whose objects the farm's disk had no room for, and when that was last said.
    var refusedByDisk: [AttemptID: Instant] = [:]
    /// The heartbeat that is being handled, until it is answered.
    var beatInHand: UInt64?
    var diskRemarkedAt: Instant?
    /// How often a baseline was set: what was read of them before may not be so any more.
    var baselinesSet = 0
    private var pending = Batch()
    private var isWriting = false
    private var alarm: (at: Instant, task: Task<Void, Never>)?
    private var nextSession = 0

    init(
        settings: Settings, keeper: StoreKeeper, logs: LogStore, pulses: Pulses, clock: FarmClock, seed: UInt64,
        outbox: OutboxPump? = nil, remark: @escaping @Sendable (String) -> Void = { _ in },
        judge: @escaping @Sendable (LiveRun) async -> RunEnding,
        hold: @escaping @Sendable (LiveRun, [String]) async -> String?,
        intents: @escaping @Sendable (LiveRun, RunEnding) -> [DeliveryRecord] = { _, _ in [] }
    ) {
        self.intents = intents
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
        case .jobReady(let run, let job):
            guard runs[run]?.plan.jobs[job].needsGates.isEmpty == false else { return resolve(job, of: run, at: now) }
            // Answered once what the gates read is stored and they are judged.
            pending.deeds.append(.judgeGates(run, job: job))
        case .jobEnded(let run, let job, let ending, _):
            runs[run]?.endings[job] = ending
            pending.touch(run)
            for effect in groups.leave(.init(run, job: job)) { following += follow(effect) }
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
        guard let change = Change(keeping: effect, at: now, listing: listing, report: report) else { return }
        pending.changes.append(change)
    }

    private func take(ended attempt: AttemptID, _ cause: Cause, retryAt: Instant?) {
        if let hand = reportInHand, hand.attempt == attempt, cause.kind == .passed || retryAt == nil {
            // The shard's last word counts for others, also that of one that failed: `if: always()` reads it.
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

    /// The same about a decision: nobody reads of it before it is stored.
    private func noteDecision(_ text: String, in run: RunID) { pending.notes.append((run, text)) }

    /// Asks the gates that a job waits for, then lets it go on.
    private func judgeGates(of id: RunID, job: Int) async {
        guard let run = runs[id] else { return }
        let reason = await hold(run, run.plan.jobs[job].needsGates)
        // In between, the run may have been cancelled.
        guard runs[id]?.phase == .running, runs[id]?.endings[job] == nil,
            let event = resolve(job, of: id, at: clock.now, heldBack: reason)
        else { return }
        handle(event)
    }

    /// The same, unless it was said lately.
    func noteOnce(_ text: String, in run: RunID) {
        guard runs[run]?.notes.suffix(20).contains(text) == false else { return }
        note(text, in: run)
        pulses.changed(run)
    }

    /// What a job comes to, now that what it needs has ended.
    ///
    /// - Parameter heldBack: why gates that it waits for do not let it start.
    func resolve(_ job: Int, of id: RunID, at now: Instant, heldBack: String? = nil) -> Farm.Event? {
        guard var run = runs[id] else { return nil }
        let resolution: Farm.Resolution
        do throws(Mistakes) {
            switch try run.workflow.resolve(
                job: job, ancestors: run.ancestors(of: job), isCancelled: run.isCancelled, run.planRequest,
                plannedCells: { [plan = run.plan] in plan.jobs[$0].cells })
            {
            case .cells where heldBack != nil: resolution = .notReached(reason: heldBack ?? "")
            // Nothing would be measured: that must not look like success.
            case .cells(let cells, _, _, _) where cells.isEmpty:
                resolution = .failed(reason: "the matrix has no cells")
            case .cells(let cells, let failFast, let maxParallel, let goesOn):
                let (isFree, others) = mayStart(job, of: id)
                for other in others { following += follow(other) }
                // Resolved again once the group is free: what it reads may be another then.
                guard isFree else { return nil }
                run = runs[id] ?? run
                run.plan.jobs[job].cells = cells
                run.plan.jobs[job].failFast = failFast
                run.plan.jobs[job].maxParallel = maxParallel
                run.plan.jobs[job].onCancel = goesOn ? .goesOn : .ends
                resolution = .cells(cells, failFast: failFast, maxParallel: maxParallel, goesOn: goesOn)
            case .notApplicable(let reason): resolution = .notApplicable(reason: reason)
            case .notReached(let reason): resolution = .notReached(reason: reason)
            }
        } catch {
            resolution = .failed(reason: error.diagnostics.map(\.sentence).joined(separator: "; "))
        }
        let record = JobRecord(keeping: resolution, of: job, in: id, planned: run.plan.jobs[job], at: now)
        runs[id] = run
        // What a cancelled run does not let start ends with it: it is not left out by its own condition.
        if !run.isCancelled || record.kind == .cells { pending.changes.append(.jobResolved(record)) }
        pending.touch(id)
        return .jobResolved(id, job: job, resolution)
    }

    // MARK: Storing, then letting out

    /// How many changes wait for the commit under way to end.
    var pendingChanges: Int { pending.changes.count }

    /// Queues changes that are no decisions of the farm's.
    func store(_ changes: [Change], touching run: RunID? = nil) {
        pending.changes += changes
        let intents = changes.compactMap { if case .deliveryIntended(let delivery) = $0 { delivery } else { nil } }
        if !intents.isEmpty { pending.deeds.append(.deliver(intents)) }
        if let run { pending.touch(run) }
        startWriting()
    }

    /// Back when everything that was decided so far is durable, and its effects have left.
    func committed() async {
        await withCheckedContinuation { continuation in
            pending.deeds.append(.resume(continuation))
            startWriting()
        }
    }

    /// The same for somebody who would rather hear that the store is slow.
    ///
    /// - Returns: false when it took longer than `limit`.
    func committed(within limit: Duration) async -> Bool {
        let (answers, continuation) = AsyncStream.makeStream(of: Bool.self)
        // Ends with the commit, whoever still waits for it.
        Task {
            await self.committed()
            continuation.yield(true)
        }
        let alarm = Task {
            // Ended early when the commit comes first.
            try? await Task.sleep(for: limit)
            continuation.yield(false)
        }
        defer { alarm.cancel() }
        for await isCommitted in answers { return isCommitted }
        return false
    }

    private func startWriting() {
        guard !isWriting, !pending.isEmpty else { return }
        isWriting = true
        // Ends when nothing is pending.
        Task { await self.write() }
    }

    private func write() async {
        while !pending.isEmpty {
            let batch = pending
            pending = Batch()
            // Taken now: this is the state that the batch leads to.
            let wholes = batch.touched.filter(\.value.isWhole).map { ($0.key, farm.progress(of: $0.key)) }
            let cells = batch.touched.values.filter { !$0.isWhole }.flatMap(\.cells).map { ($0, farm.progress(of: $0)) }
            // A number that is given again begins a log anew. Not after the commit: the power may fail between the two, and
            // the next holder's lines would go on in the file of one that was given up. Before it the worst is lines of an
            // attempt that will be given up anyway.
            for attempt in batch.withdrawn { await logs.discard(attempt) }
            if !batch.changes.isEmpty { await keeper.commit(batch.changes) }
            for (run, state) in wholes where state != nil { published[run] = state }
            for case (let cell, let state?) in cells { publish(state, of: cell) }
            for (run, text) in batch.notes { note(text, in: run) }
            for deed in batch.deeds { perform(deed) }
            for run in batch.touched.keys { pulses.changed(run) }
        }
        isWriting = false
    }

    private func publish(_ state: Farm.CellProgress, of cell: CellID) {
        guard let jobs = published[cell.run], jobs.indices.contains(cell.job),
            jobs[cell.job].indices.contains(cell.cell)
        else { return }
        published[cell.run]?[cell.job][cell.cell] = state
    }

    private func perform(_ deed: Deed) {
        switch deed {
        case .offer(let lease): offer(lease)
        case .cancel(let attempt, let agent, let reason):
            sessions[agent]?.send(
                .cancel(
                    .with {
                        $0.attempt = Proto.AttemptRef(attempt)
                        $0.reason = reason
                    }))
        case .forget(let attempt, let agent, let reason):
            sessions[agent]?.send(
                .forget(
                    .with {
                        $0.attempt = Proto.AttemptRef(attempt)
                        $0.reason = reason
                    }))
        case .endLog(let attempt):
            // Nobody waits for the sync of a log.
            Task { [logs] in await logs.end(attempt) }
        case .judge(let run):
            // Ends with the run's ending stored; a restart judges again.
            Task { await self.judgeRun(run) }
        case .judgeGates(let run, let job):
            // Ends with the job's resolution stored; a restart asks again.
            Task { await self.judgeGates(of: run, job: job) }
        case .deliver(let intents):
            // The pump keeps what it was given; nobody waits for it.
            Task { [outbox] in await outbox?.take(intents) }
        case .resume(let waiter): waiter.resume()
        }
    }

    private func offer(_ lease: Farm.Lease) {
        // It may have ended since.
        guard farm.lease(of: lease.attempt)?.agent == lease.agent, let run = runs[lease.attempt.run] else { return }
        guard let session = sessions[lease.agent] else {
            handle(
                .offerDeclined(lease.attempt, by: lease.agent, reason: "its connection was lost before the offer left"))
            return
        }
        let shards = farm.shardCount(of: lease.attempt.shard.cell)
        guard let assignment = run.assignment(for: lease, shards: shards, grace: settings.farm.grace) else { return }
        // Its commit took some of it.
        let left = clock.now.duration(to: lease.until)
        session.send(
            .offer(
                .with {
                    $0.assignment = assignment
                    $0.leaseMs = UInt32(clamping: max(0, Int(left.inSeconds * 1000)))
                }))
    }

    var leaseMilliseconds: UInt32 { UInt32(clamping: Int(settings.farm.lease.inSeconds * 1000)) }

    func judgeRun(_ id: RunID) async {
        guard let run = runs[id] else { return }
        runs[id]?.isEndStored = true
        pulses.changed(id)
        let ending = await judge(run)
        store([.runEnded(ending)] + intents(run, ending).map { .deliveryIntended($0) }, touching: id)
        await committed()
        farm.forget(id)
        runs[id] = nil
        published[id] = nil
        pulses.ended(id)
    }

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

    // MARK: Agents

    func newSession(_ agent: AgentID, on link: Link) -> AgentSession {
        nextSession += 1
        return AgentSession(agent, on: link, number: nextSession)
    }
}
