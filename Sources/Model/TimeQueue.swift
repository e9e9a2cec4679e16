/// What is to come, the earliest first; what comes at one time, in the order in which it was added. A binary heap.
///
/// Inlinable: simulations spend their time here, and other rooms would run it unspecialised. They do all the same unless the
/// type itself is usable from there.
@usableFromInline package struct TimeQueue<Time: Comparable & Sendable, Matter: Sendable>: Sendable {
    @usableFromInline struct Entry: Sendable {
        @usableFromInline var at: Time
        @usableFromInline var order: UInt64
        @usableFromInline var matter: Matter

        @inlinable init(at: Time, order: UInt64, matter: Matter) {
            self.at = at
            self.order = order
            self.matter = matter
        }

        @inlinable func precedes(_ other: Entry) -> Bool { at < other.at || !(other.at < at) && order < other.order }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var added: UInt64 = 0

    @inlinable package init() {}

    @inlinable package var count: Int { heap.count }
    /// When the earliest is to come.
    @inlinable package var earliestTime: Time? { heap.first?.at }
    @inlinable package var earliest: (at: Time, matter: Matter)? { heap.first.map { ($0.at, $0.matter) } }

    @inlinable package mutating func add(_ matter: Matter, at time: Time) {
        heap.append(Entry(at: time, order: added, matter: matter))
        added += 1
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2, heap[child].precedes(heap[parent]) {
            heap.swapAt(child, parent)
            child = parent
        }
    }

    @inlinable package mutating func pop() -> (at: Time, matter: Matter)? {
        guard let first = heap.first else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while case let left = 2 * parent + 1, left < heap.count {
            let child = left + 1 < heap.count && heap[left + 1].precedes(heap[left]) ? left + 1 : left
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return (first.at, first.matter)
    }

    /// The earliest matter, if its time has come.
    @inlinable package mutating func popDue(_ now: Time) -> Matter? {
        guard let first = heap.first, first.at <= now else { return nil }
        return pop()?.matter
    }

    /// Takes out what is of no use any longer, in time linear in what is there.
    @inlinable package mutating func removeAll(where isUseless: (Matter) -> Bool) {
        heap.removeAll { isUseless($0.matter) }
        // A sorted array is a heap.
        heap.sort { $0.precedes($1) }
    }
}
