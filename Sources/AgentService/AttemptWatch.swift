import Model

/// Decides when an attempt must stop, and how: asked first, then killed, then left some time for the steps that still want
/// to run, then ended.
struct AttemptWatch: Equatable, Sendable {
    struct Limits: Equatable, Sendable {
        var job: Duration
        var idle: Duration?
        /// From TERM to KILL.
        var grace: Duration
        /// How long steps with `if: always()` may take once the job has been stopped; GitHub gives them five minutes.
        var wrapUp = Duration.minutes(5)
    }

    enum Reason: Equatable, Sendable {
        case timeout
        case idle(lastLine: String)
        case cancelled(String)
        /// Its files take more of the disk than it asked for: so much.
        case excess(ByteCount)
        /// The machine goes: not even the steps that always run.
        case preempted(String)
        /// Nobody may work on the attempt any more: not even the steps that always run.
        case leaseEnded
    }

    enum Event: Equatable, Sendable {
        case cancel(String)
        case preempt(String)
        /// Its files were found to take so much: more than they may, or so much more than when it was stopped for that.
        case excess(ByteCount)
        case leaseEnded
        /// The time has moved on; when the attempt was last heard, and its last words.
        case tick(lastHeard: Instant, lastLine: String)
        /// What ran when the attempt was stopped is gone.
        case halted
        /// The farm cannot take or give now what the attempt needs, and the job is not to blame: its time stands still.
        case farmRefused
        case farmAnswered
        case finished
    }

    enum Effect: Equatable, Sendable {
        /// Ask every process to end.
        case terminate(Reason)
        case kill
        /// Kill, and start no further step.
        case abandon(Reason)
        case wake(at: Instant)
    }

    private enum State: Equatable {
        case working(until: Instant)
        /// Nothing of the job's runs; so much of its time is left.
        case waiting(left: Duration)
        case stopping(killAt: Instant)
        case killing
        case wrappingUp(until: Instant)
        case ended
    }

    let limits: Limits
    private var state: State
    /// The first reason counts.
    private(set) var reason: Reason?

    init(_ limits: Limits, at now: Instant) {
        self.limits = limits
        state = .working(until: now.advanced(by: limits.job))
    }

    mutating func handle(_ event: Event, at now: Instant) -> [Effect] {
        switch (state, event) {
        case (.working, .cancel(let why)), (.waiting, .cancel(let why)): return stop(.cancelled(why), at: now)
        case (.working, .preempt(let why)), (.waiting, .preempt(let why)): return stop(.preempted(why), at: now)
        case (.working, .excess(let held)), (.waiting, .excess(let held)): return stop(.excess(held), at: now)
        case (.stopping, .excess), (.killing, .excess), (.wrappingUp, .excess):
            // Its neighbours need the disk.
            guard let reason else { return [] }
            state = .ended
            return [.abandon(reason)]
        case (.working(let until), .farmRefused):
            state = .waiting(left: now.duration(to: until))
            return []
        case (.waiting(let left), .farmAnswered):
            let until = now.advanced(by: left)
            state = .working(until: until)
            return [.wake(at: until)]
        case (.working, .leaseEnded), (.waiting, .leaseEnded), (.stopping, .leaseEnded), (.killing, .leaseEnded),
            (.wrappingUp, .leaseEnded):
            state = .ended
            reason = .leaseEnded
            return [.abandon(.leaseEnded)]
        case (.working(let until), .tick(let heard, let line)):
            if now >= until { return stop(.timeout, at: now) }
            guard let idle = limits.idle else { return [.wake(at: until)] }
            let silentUntil = heard.advanced(by: idle)
            if now >= silentUntil { return stop(.idle(lastLine: line), at: now) }
            return [.wake(at: min(until, silentUntil))]
        case (.stopping(let killAt), .tick):
            guard now >= killAt else { return [.wake(at: killAt)] }
            state = .killing
            return [.kill]
        case (.wrappingUp(let until), .tick):
            guard now >= until, let reason else { return [.wake(at: until)] }
            state = .ended
            return [.abandon(reason)]
        case (.stopping, .halted), (.killing, .halted):
            if case .preempted? = reason {
                state = .ended
                return reason.map { [.abandon($0)] } ?? []
            }
            let until = now.advanced(by: limits.wrapUp)
            state = .wrappingUp(until: until)
            return [.wake(at: until)]
        case (.working, .finished), (.waiting, .finished), (.stopping, .finished), (.killing, .finished),
            (.wrappingUp, .finished):
            state = .ended
            return []
        case (.working, .halted), (.waiting, .halted), (.waiting, .tick), (.waiting, .farmRefused),
            (.working, .farmAnswered), (.stopping, .farmRefused), (.stopping, .farmAnswered),
            (.killing, .farmRefused), (.killing, .farmAnswered), (.wrappingUp, .farmRefused),
            (.wrappingUp, .farmAnswered), (.killing, .tick), (.ended, _), (.stopping, .cancel), (.killing, .cancel),
            (.wrappingUp, .cancel), (.stopping, .preempt), (.killing, .preempt), (.wrappingUp, .preempt),
            (.wrappingUp, .halted):
            return []
        }
    }

    private mutating func stop(_ reason: Reason, at now: Instant) -> [Effect] {
        self.reason = reason
        let killAt = now.advanced(by: limits.grace)
        state = .stopping(killAt: killAt)
        return [.terminate(reason), .wake(at: killAt)]
    }
}
