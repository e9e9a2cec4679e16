import Model

/// How long something has been going on, with pauses; in nanoseconds.
struct Stopwatch: Sendable {
    private var total: Int64 = 0
    private var since: Int64?

    func reading(_ now: Int64) -> Int64 { total + (since.map { now - $0 } ?? 0) }

    mutating func start(at now: Int64) {
        guard since == nil else { return }
        since = now
    }

    mutating func stop(at now: Int64) {
        total = reading(now)
        since = nil
    }
}

/// How long the shards of a cell could have been leased, had an agent been free.
///
/// It stands while limits hold the cell back. A cell without a leased shard is also held back by its job's `max-parallel`:
/// it follows the job's clock, so that a limit reached stops all cells of a job at once.
struct RunnableClock: Sendable {
    enum Pace: Sendable { case stopped, withJob, always }

    private var total: Int64 = 0
    private var pace = Pace.stopped
    private var mark: Int64 = 0

    func reading(_ now: Int64, job: Int64) -> Int64 { total + source(now, job: job) - mark }

    mutating func set(_ pace: Pace, now: Int64, job: Int64) {
        guard pace != self.pace else { return }
        total = reading(now, job: job)
        self.pace = pace
        mark = source(now, job: job)
    }

    private func source(_ now: Int64, job: Int64) -> Int64 {
        switch pace {
        case .stopped: mark
        case .withJob: job
        case .always: now
        }
    }
}
