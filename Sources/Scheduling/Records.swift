import Model

/// A run that has not been judged yet.
struct RunRecord: Sendable {
    let id: RunID
    /// Slot in `Farm.owners`.
    let owner: Int
    let team: String?
    /// See `Plan.untrusted`.
    let isUntrusted: Bool
    /// Its place among the runs of its owner: when it was submitted, brought forward by its priority. So a run of low
    /// priority comes before later ones in the end: priorities age without anybody counting.
    let rank: Int64
    /// The code tree that its shards get.
    let tree: Digest?
    var jobs: [JobRecord]
    var jobsEnded = 0
    var cancellation: Stop?
    /// No job outlives the cancellation.
    var isForced = false
    /// How long it may take.
    var deadline: Duration?
    /// Attempts that were tried again, and shards as far as cells are cut.
    var retries = 0
    var shards = 0

    var isEnded: Bool { jobsEnded == jobs.count }
}

/// Why a job or a cell takes no further attempts.
enum Stop: Sendable {
    case runCancelled(by: String, reason: String)
    case cellFailed(name: String)
    case shardFailed(Int)
    /// A cell of another job that this one waited for did not pass.
    case needFailed(name: String, ending: Farm.CellEnding)
    /// Others of its concurrency group have taken its place.
    case groupTaken(reason: String)

    /// What attempts and shards end with that it stops.
    var cause: Cause {
        switch self {
        case .runCancelled, .needFailed, .groupTaken: Cause(.cancelled, evidence: evidence)
        // What it comes to is decided: nobody needs their answer any more.
        case .cellFailed, .shardFailed: Cause(.notNeeded, evidence: evidence)
        }
    }

    /// In a sentence, for whatever is stopped by it.
    var evidence: String {
        switch self {
        case .runCancelled(let by, let reason):
            "the run was cancelled by \(by)" + (reason.isEmpty ? "" : ": \(reason)")
        case .cellFailed(let name): "cell '\(name)' failed, and the job is fail-fast"
        case .needFailed(let name, let ending):
            "it needs '\(name)', which " + (ending == .failed ? "failed" : "was cancelled")
        case .groupTaken(let reason): reason
        case .shardFailed(let shard): "shard \(shard) of the cell failed, and its shards are fail-fast"
        }
    }
}

struct JobRecord: Sendable {
    enum Phase: Equatable, Sendable {
        /// For so many of its needs.
        case waiting(needs: Int)
        /// The coordinator was asked for its condition and matrix.
        case ready
        case running
        case ended(Farm.JobEnding)
    }

    /// Without what only agents need.
    var planned: PlannedJob
    var dependents: [Int] = []
    var phase: Phase
    var resolvedAt = Instant.epoch
    /// What the cells of a job that ended without running are shown as.
    var unrun = Farm.CellState.waiting
    var cells: [CellRecord] = []
    /// Cells before it are open.
    var opened = 0
    var stop: Stop?
    /// Cells before it have been stopped, when the job is.
    var stopped = 0
    var isPending = false

    var cellsEnded = 0
    /// Those without `continue-on-error`.
    var cellsFailed = 0
    var cellsCancelled = 0
    var cellsSkipped = 0

    var lanes: [Lane] = []
    /// Cells with a leased shard.
    var cellsActive = 0
    /// Its shards that agents work on: an offer is not enough, for it may be declined.
    var worked = 0
    /// When it last had one.
    var lastWorked = Instant.epoch
    /// What its longest attempt that passed has taken.
    var longest: Duration?
    /// Runs while `max-parallel` lets a further cell start.
    var open = Stopwatch()
    /// As far as its cells are cut.
    var shards = 0
    /// All its shards, for cells that have too few of their own to be compared with.
    var peers = Peers()

    /// Its cells are known: those that wait for single cells of it can be told apart.
    var hasCells: Bool { !cells.isEmpty }

    var isAtLimit: Bool { planned.maxParallel.map { cellsActive >= max(1, $0) } ?? false }

    /// Endings are counted once here, live or restored.
    mutating func count(_ ending: Farm.CellEnding, of cell: PlannedCell) {
        cellsEnded += 1
        switch ending {
        case .passed, .notNeeded: break
        case .failed: cellsFailed += cell.mayFail ? 0 : 1
        case .cancelled: cellsCancelled += 1
        case .skipped: cellsSkipped += 1
        }
    }
}

extension PlannedCell {
    /// Its failure is not its job's: it is told, and nothing rests on it.
    var mayFail: Bool { continueOnError || !required }
}

struct CellRecord: Sendable {
    enum Phase: Equatable, Sendable {
        case unopened
        /// Its concurrency group has not let it in.
        case held
        /// Its items are not known yet.
        case listing
        case open
        case ended(Farm.CellEnding)
    }

    /// What the cell has queued with one requirement.
    struct Queue: Sendable {
        enum Membership: Sendable { case none, unstarted, started }

        var classIndex: Int
        /// Shards that were leased before or declined; the queue at 0 has the fresh ones besides.
        var returned = OrderedKeys<Int>()
        var membership = Membership.none
    }

    let planned: PlannedCell
    /// For `CellKey`.
    let length: Int64
    var phase = Phase.unopened
    /// Its concurrency group has let it in, or there is none.
    var isLetIn: Bool
    /// Cells of other jobs that wait for this one, by job and cell.
    var waiters: [(job: Int, cell: Int)] = []
    var stop: Stop?
    var shards: Int?
    /// Never leased, or only in offers that were declined.
    var fresh = RangeList()
    /// What the clock showed when the fresh shards became runnable.
    var freshSince: Int64 = 0
    /// For how long the fresh shards had been ready when a coordinator started anew, beyond what counts for their queue timeout.
    /// Other kinds of GPU go by it; in nanoseconds.
    var waitedBefore: Int64 = 0
    /// When the fresh shards are looked at next; timers that come before are stale.
    var nextCheck = Instant.epoch
    var clock = RunnableClock()
    /// How many of the other kinds of GPU will do by now, and when to ask that again; timers that come before are stale.
    var widened = 0
    var nextWidening = Instant.epoch
    /// Shards that are not fresh, by number: in backoff or queued.
    var returned: [Int: ReturnedShard] = [:]
    /// At 0 the queue of the cell's own requirement; empty before it is opened and after it has ended.
    var queues: [Queue] = []
    /// Shards with one attempt that goes on, or two.
    var leased = OrderedKeys<Int>()
    /// Those of them with two.
    var twins = OrderedKeys<Int>()
    /// Shards that have had second attempts.
    var twinned: [Int: Farm.Twinning] = [:]
    var peers = Peers()
    /// Of the environment that an attempt of it had.
    var lock: Digest?

    var settled = RangeList()
    var shardsFailed = 0
    /// The first that was settled as failed.
    var firstFailed: Int?
    /// Those that nobody needed any more among them: fail-fast cancels, as GitHub has it.
    var shardsCancelled = 0

    init(_ planned: PlannedCell) {
        self.planned = planned
        isLetIn = !planned.isGrouped
        length = planned.expected.map { min($0, planned.timeout).wholeNanoseconds } ?? .max
    }

    var isEnded: Bool { if case .ended = phase { true } else { false } }
    var isSettled: Bool { shards == settled.count }

    mutating func enter(_ range: Range<Int>, _ cause: Cause) {
        settled.insert(range)
        switch cause.kind {
        case .passed: break
        case .cancelled, .notNeeded: shardsCancelled += range.count
        case .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM, .lostAgent, .agentFault, .gpuFault,
            .diskFull, .dataUnavailable, .preempted, .queueTimeout:
            shardsFailed += range.count
            firstFailed = firstFailed ?? range.lowerBound
        }
    }

    /// What the cell comes to when all its shards have settled.
    var ending: Farm.CellEnding {
        if shardsFailed > 0 { return .failed }
        return shardsCancelled > 0 ? .cancelled : .passed
    }
}

/// The attempt after which a shard was queued again. Its number need not be the one before the next: second attempts use some.
struct Former: Equatable, Sendable {
    var number: Int
    /// The cause that it ended with, in short.
    var cause: String
}

/// A shard that comes back for another attempt, or for the same one after a declined offer.
struct ReturnedShard: Sendable {
    enum Phase: Sendable {
        case backoff(until: Instant)
        /// - since: what the cell's clock showed when the shard became runnable.
        case queued(classIndex: Int, since: Int64)
    }

    /// The number of its next attempt.
    var number: Int
    var phase: Phase
    /// Raised after `oom`; `nil`: what the cell asks for.
    var memory: ByteCount?
    var avoiding: [Avoidance] = []
    /// For how long it was runnable in declined offers, in nanoseconds.
    var waited: Int64 = 0
    /// As `CellRecord.waitedBefore` has it for fresh ones.
    var waitedBefore: Int64 = 0
    /// The attempt that ended before; `nil` while there was none.
    var after: Former?
    /// When it is looked at next while it is queued; timers that come before are stale.
    var nextCheck = Instant.epoch
}
