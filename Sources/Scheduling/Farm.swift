package import Model

/// The coordinator's side of every decision: which shard runs where, what is tried again, when a job or a run has ended.
///
/// A value: no clock, no socket, no store. Events come in with the time at which they count, effects go out in the order
/// in which they are to be performed. The same seed and the same events give the same effects, byte for byte.
///
/// Shards queue as ranges of their cells; cells queue in *lanes* of their job, lanes in *classes* of equal requirements.
/// An event touches only what it is about: nothing here walks over all shards, cells or runs.
package struct Farm: Sendable {
    package struct Settings: Equatable, Sendable {
        /// How long a lease holds unless it is renewed.
        package var lease: Duration
        /// How many shards one call handles before it asks to be continued.
        package var workPerCallMax: Int
        /// What shards are given whose workflow names none of it; `nil` places those by what else they ask for.
        package struct Defaults: Equatable, Sendable {
            package var memory: ByteCount?
            package var disk: ByteCount?
            package init(memory: ByteCount? = nil, disk: ByteCount? = nil) {
                self.memory = memory
                self.disk = disk
            }
        }

        package var defaults: Defaults
        /// From TERM to KILL on an agent: what an attempt may take longer than its timeout.
        package var grace: Duration
        /// How long an attempt may take until it says that it has started.
        package var startMax: Duration
        /// For how long an agent that declined an offer is not offered that attempt again.
        package var declinePause: Duration
        /// A run comes before its owner's runs that were submitted later, by so much for each point of its priority.
        package var priorityStep: Duration
        /// What was used so long ago counts half for fair shares.
        package var halfLife: Duration
        /// How many attempts of one run may be tried again: so many, or a fifth of its shards where that is more.
        package var retriesMin: Int
        /// For how long another agent is waited for, after the farm's own failure on one.
        package var otherAgentWait: Duration
        /// When a second attempt is begun beside one that runs far beyond its peers.
        package var lag = LagRule()
        /// Shards that take no longer are offered ahead: see `lookAhead`. What is gained is the way to the farm and back, some
        /// milliseconds; what may be lost is that one waits for so long while another agent is free.
        package var aheadMax = Duration.milliseconds(500)

        package init(
            lease: Duration = .seconds(30), workPerCallMax: Int = 1000, defaults: Defaults = Defaults(),
            grace: Duration = .seconds(10), startMax: Duration = .minutes(60), declinePause: Duration = .seconds(10),
            otherAgentWait: Duration = .seconds(60), priorityStep: Duration = .minutes(60),
            halfLife: Duration = .minutes(24 * 60), retriesMin: Int = 100
        ) {
            precondition(retriesMin >= 0, "a number of retries")
            self.retriesMin = retriesMin
            precondition(lease > .zero && workPerCallMax > 0, "a lease holds for some time, a call does some work")
            precondition(halfLife > .zero, "what was used counts for some time")
            self.priorityStep = priorityStep
            self.halfLife = halfLife
            self.lease = lease
            self.workPerCallMax = workPerCallMax
            self.defaults = defaults
            self.grace = grace
            self.startMax = startMax
            self.declinePause = declinePause
            self.otherAgentWait = otherAgentWait
        }

        /// What an attempt may take beyond its own limits before the farm ends it, whatever its agent says.
        var margin: Duration { grace * 2 + .minutes(5) }
    }

    /// Where a cell is kept.
    struct Place: Sendable {
        var run: Int
        var job: Int
        var cell: Int
    }

    /// Work that one call may have to leave to the next.
    enum Work: Sendable {
        /// Cells to open or to stop.
        case job(RunID, Int)
        /// Shards to stop.
        case cell(CellID)
        /// A cell that waited for others: they may have ended.
        case opening(CellID)
        /// Attempts that began before it was known how long their peers take.
        case watching(CellID)
        case watchingJob(RunID, Int)
    }

    /// The highest priority of a run, and the lowest below zero.
    package static let priorityMax = 24

    let settings: Settings
    var random: SplitMix64

    var runs: [RunRecord] = []
    var runSlots: [RunID: Int] = [:]
    var runSlotsFree: [Int] = []
    var owners: [OwnerRecord] = []
    var accounts: [AccountRecord] = []
    var ageing: Ageing
    var agents: [AgentRecord] = []
    var agentSlots: [AgentID: Int] = [:]
    var agentSlotsFree: [Int] = []
    var leases: [ShardID: LeaseRecord] = [:]
    /// Second attempts, beside those in `leases`: on other agents.
    var twins: [ShardID: LeaseRecord] = [:]
    /// Shards whose attempt lags, and that wait for room for a second one.
    var laggards = OrderedKeys<ShardID>()
    /// Where the next look at them begins; `nil`: at the first.
    var laggardsFrom: ShardID?
    /// Shares or room have changed since they were looked at.
    var areLaggardsDue = false
    /// So many of them have not been looked at since the last change.
    var laggardsUnseen = 0
    /// Who keeps a thing that shards may need.
    var keepers: [Digest: OrderedKeys<Int>] = [:]

    var classes: [RequirementClass] = []
    var classSlots: [Requirement: Int] = [:]
    var classSlotsFree: [Int] = []
    /// Classes with something that can be leased now.
    var active = OrderedKeys<Int>()
    /// Those of them that got more of it since they were last placed.
    var woken = OrderedKeys<Int>()
    /// Agents that got something free since they were last offered what is queued.
    var freed: [Int] = []
    /// Agents that can be offered something: see `AgentRecord.indexKey`.
    var openAgents = OrderedKeys<UInt64>()
    /// What all connected agents have.
    var agentsOnline = 0
    var cpusOnline = 0
    var gpusOnline = 0
    /// Queued shards whose memory was raised after `oom`: what is the most that an agent has may change.
    var raised = OrderedKeys<ShardID>()
    /// Attempts that have begun, and behind which something may wait.
    var begun: [AttemptID] = []
    /// Agents that may be let go at the end of this call.
    var departed: [Int] = []

    var timers = Timers()
    /// The last `wake(at:)` that has not come yet.
    var announced: Instant?
    var pending: [Work] = []
    var isRestoring = false
    /// While it is restored: which attempts were offered behind which, and behind which of these some have begun.
    var restoredBehind: [AttemptID: AttemptID] = [:]
    var restoredYielded: Set<AttemptID> = []
    /// See `Decision.lived`; `nil`: nobody said.
    var livedUntil: Instant?
    var hasAskedToContinue = false

    // Of the call in progress.
    var now = Instant(nanoseconds: .min)
    var effects: [Effect] = []
    var workLeft = 0

    /// - Parameter seed: for the jitter of backoffs.
    package init(settings: Settings = Settings(), seed: UInt64) {
        self.settings = settings
        random = SplitMix64(seed: seed)
        ageing = Ageing(halfLife: settings.halfLife)
    }

    /// Advances the farm. Late, repeated and unknown events are normal on a network: they change nothing.
    ///
    /// - Parameter now: not before that of the call before; a clock that went back is taken to stand still.
    package mutating func handle(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        self.now = max(self.now, now)
        grow(older: self.now)
        workLeft = settings.workPerCallMax
        swap(&self.effects, &effects)
        if isRestoring { finishRestoring() }
        perform(event)
        work()
        dropDeparted()
        announce()
        swap(&self.effects, &effects)
    }

    private mutating func perform(_ event: Event) {
        switch event {
        case .runSubmitted(let run, let owner, let plan, let priority):
            submit(run, owner: owner, plan: plan, priority: priority)
        case .runRerun(let run, let owner, let plan, let priority, let decisions):
            submit(run, owner: owner, plan: plan, priority: priority, keeping: decisions)
        case .jobResolved(let run, let job, let resolution): resolve(run, job: job, resolution)
        case .agentJoined(let agent, let team, let capacity, let holds):
            join(agent, team: team, capacity: capacity, holds: holds)
        case .agentDisconnected(let agent): disconnect(agent)
        case .agentDraining(let agent, let isDraining, let why): drain(agent, isDraining, why)
        case .agentPooled(let agent, let pool): put(agent, into: pool)
        case .devicesLooked(let agent, let unfit): look(agent, unfit: unfit)
        case .agentReleased(let agent): releaseByHand(agent)
        case .agentRemoved(let agent): remove(agent)
        case .leasesRenewed(let agent, let attempts): renew(attempts, by: agent)
        case .attemptStarted(let attempt, let agent): start(attempt, by: agent)
        case .environmentEntered(let attempt, let agent, let lock): enter(attempt, by: agent, lock: lock)
        case .offerDeclined(let attempt, let agent, let reason): decline(attempt, by: agent, reason: reason)
        case .attemptFinished(let attempt, let agent, let cause, let listed, let shards):
            finish(attempt, by: agent, cause, listed: listed, shards: shards)
        case .runCancelled(let run, let by, let reason, let isForced):
            cancel(run, by: by, reason: reason, isForced: isForced)
        case .cellsReleased(let run, let job, let cells): release(cells, of: run, job: job)
        case .cellsStopped(let run, let job, let cells, let reason): stop(cells, of: run, job: job, reason: reason)
        case .timeReached: handleDue()
        case .resume:
            hasAskedToContinue = false
            handleDue()
        }
    }

    /// Does what is left, as far as one call may go.
    private mutating func work() {
        var next = 0
        while workLeft > 0 && next < pending.count {
            guard advance(pending[next]) else { break }
            next += 1
        }
        pending.removeFirst(next)
        place()
        placeTwins()
        offerAhead()
    }

    private mutating func announce() {
        let earliest = timers.earliest ?? .distantFuture
        let isCutShort = workLeft <= 0 && (earliest <= now || areLaggardsDue)
        if !pending.isEmpty || !woken.isEmpty || !freed.isEmpty || isCutShort || laggardsUnseen > 0 {
            if !hasAskedToContinue { effects.append(.continueLater) }
            hasAskedToContinue = true
        }
        if earliest < announced ?? .distantFuture && (earliest > now || !hasAskedToContinue) {
            effects.append(.wake(at: earliest))
            announced = earliest
        }
    }

    subscript(cell place: Place) -> CellRecord {
        _read { yield runs[place.run].jobs[place.job].cells[place.cell] }
        _modify { yield &runs[place.run].jobs[place.job].cells[place.cell] }
    }

    subscript(job place: Place) -> JobRecord {
        _read { yield runs[place.run].jobs[place.job] }
        _modify { yield &runs[place.run].jobs[place.job] }
    }

    /// Where a cell is kept; `nil` when an outsider names one that is not.
    func place(of cell: CellID) -> Place? {
        guard let run = runSlots[cell.run], runs[run].jobs.indices.contains(cell.job),
            runs[run].jobs[cell.job].cells.indices.contains(cell.cell)
        else { return nil }
        return Place(run: run, job: cell.job, cell: cell.cell)
    }

    func id(of place: Place) -> CellID { CellID(run: runs[place.run].id, job: place.job, cell: place.cell) }
}
