import Model

/// How long attempts took that passed, so far as their middle can be told: counts in steps of a thirty-second. A job of a
/// million shards costs no more than one of ten, and it does not matter in which order they passed.
struct Pace: Equatable, Sendable {
    private struct Step: Equatable, Sendable {
        var number: Int
        var count: Int
    }

    /// By number.
    private var steps: [Step] = []
    private(set) var count = 0

    mutating func add(_ taken: Duration) {
        let number = Self.step(of: taken)
        let place = steps.firstIndex { $0.number >= number } ?? steps.count
        if place < steps.count, steps[place].number == number {
            steps[place].count += 1
        } else {
            steps.insert(Step(number: number, count: 1), at: place)
        }
        count += 1
    }

    /// What the one in the middle took, of an even number the later of the two; at most 4 % and a millisecond more than it did,
    /// never less. `nil` without any.
    var median: Duration? {
        var left = count / 2
        for step in steps {
            guard left >= step.count else { return Self.end(of: step.number) }
            left -= step.count
        }
        return nil
    }

    /// Milliseconds up to 63 have a step each; from there on each doubling has 32.
    private static func step(of taken: Duration) -> Int {
        let milliseconds = UInt64(max(0, taken.wholeNanoseconds) / 1_000_000)
        let shift = max(0, 58 - milliseconds.leadingZeroBitCount)
        return shift * 32 + Int(milliseconds >> UInt64(shift))
    }

    private static func end(of step: Int) -> Duration {
        let shift = max(0, step / 32 - 1)
        return .milliseconds(Int64(step - shift * 32 + 1) << Int64(shift))
    }
}

/// Shards that are held against each other: those of a cell, or those of a job.
struct Peers: Sendable {
    /// Of those that passed.
    var pace = Pace()
    /// Attempts that began before enough of the others had passed to say what is usual.
    var waiting: [AttemptID] = []
    /// When it grows longer than this, those that have ended are taken out.
    var waitingMax = 64
    /// They are about to be looked at.
    var isPending = false

    var isLong: Bool { waiting.count >= waitingMax }

    mutating func keep(_ left: [AttemptID]) {
        waiting = left
        waitingMax = max(64, 2 * left.count)
    }
}

/// When an attempt runs far beyond its peers.
///
/// Both parts are common: `factor` is Spark's `spark.speculation.multiplier`, over the median of those that passed, and that
/// enough have passed its `spark.speculation.quantile`; that a second attempt is worth nothing before the end of the work is
/// in sight is Dean and Ghemawat's "backup tasks" (MapReduce, OSDI 2004, 3.6). `beyondMin` keeps short shards out: a second
/// attempt begins with code and environment.
package struct LagRule: Equatable, Sendable {
    /// It has run so many times as long as the middle of its peers took.
    package var factor = 2.0
    /// It has run so much longer, at least.
    package var beyondMin = Duration.seconds(60)
    /// So many of its peers have passed, and half of all.
    package var peersMin = 3
    /// How many second attempts a shard gets in all; one at a time.
    package var twinsMax = 2

    package init() {}

    /// An attempt that may lag later is looked at so often.
    var againAfter: Duration { max(.seconds(1), beyondMin) }

    /// A cell with fewer shards can never have enough of its own: then the whole job's are peers.
    var cellMin: Int { peersMin + 1 }

    /// How long an attempt may run until it lags; `nil` while too little is known of its peers.
    ///
    /// - Parameter all: how many shards there are, the attempt's own included.
    func limit(_ pace: Pace, among all: Int) -> Duration? {
        guard pace.count >= max(1, peersMin), pace.count >= (all + 1) / 2, let median = pace.median else { return nil }
        let many = Double(median.wholeNanoseconds) * max(1, factor)
        return max(.nanoseconds(many < 0x1p62 ? Int64(many) : 1 << 62), median + beyondMin)
    }
}
