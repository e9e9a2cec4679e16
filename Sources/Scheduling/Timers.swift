import Model

/// What is due at a time. Whether it still means something is asked when the time has come, so that nothing needs to be
/// found and taken out when a lease is renewed or a shard taken.
struct Timers: Sendable {
    enum Matter: Sendable {
        /// The lease of this attempt may have expired.
        case lease(AttemptID)
        /// The backoff before this attempt is over.
        case backoff(AttemptID)
        /// Some agent need not be avoided any longer by this queued attempt.
        case avoidance(AttemptID)
        /// This queued attempt may have waited too long.
        case queued(AttemptID)
        /// Shards of the cell that were never leased may have waited too long.
        case fresh(CellID)
        /// The agent may be offered something again.
        case pause(agent: Int)
    }

    private struct Entry: Sendable {
        var at: Instant
        /// Entries of one time come out in the order in which they went in.
        var order: UInt64
        var matter: Matter

        static func < (a: Self, b: Self) -> Bool { (a.at, a.order) < (b.at, b.order) }
    }

    /// A binary heap, the earliest first.
    private var heap: [Entry] = []
    private var added: UInt64 = 0

    var earliest: Instant? { heap.first?.at }

    mutating func add(_ matter: Matter, at time: Instant) {
        heap.append(Entry(at: time, order: added, matter: matter))
        added += 1
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2, heap[child] < heap[parent] {
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// The earliest matter, if its time has come.
    mutating func popDue(_ now: Instant) -> Matter? {
        guard let first = heap.first, first.at <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count && heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < heap[parent] else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return first.matter
    }
}
