import Model

/// What is due at a time. Whether it still means something is asked when the time has come, so that nothing needs to be
/// found and taken out when a lease is renewed or a shard taken.
struct Timers: Sendable {
    enum Matter: Sendable {
        /// The lease of this attempt may have expired.
        case lease(AttemptID)
        /// This attempt may have run far beyond its peers.
        case lag(AttemptID)
        /// What was offered ahead may have waited for too long.
        case recall(AttemptID)
        /// The backoff before this attempt is over.
        case backoff(AttemptID)
        /// Some agent need not be avoided any longer by this queued attempt.
        case avoidance(AttemptID)
        /// This queued attempt may have waited too long.
        case queued(AttemptID)
        /// Shards of the cell that were never leased may have waited too long.
        case fresh(CellID)
        /// Shards of the cell may have waited long enough for another kind of GPU to do.
        case widening(CellID)
        /// The run may have taken as long as it may.
        case deadline(RunID)
        /// The agent may be offered something again.
        case pause(agent: Int)
        /// The agent, or some device of it, may be let out of quarantine.
        case quarantine(agent: Int)
    }

    private var queue = TimeQueue<Instant, Matter>()

    var earliest: Instant? { queue.earliest?.at }

    mutating func add(_ matter: Matter, at time: Instant) { queue.add(matter, at: time) }

    /// The earliest matter, if its time has come.
    mutating func popDue(_ now: Instant) -> Matter? { queue.popDue(now) }
}
