/// Names a timer until it has fired or was cancelled.
struct TimerID: Hashable, Sendable { fileprivate let number: UInt64 }

/// Timers by deadline: a binary heap, in which cancelled ones stay until they surface or are the greater half.
struct TimerQueue {
    private struct Entry {
        var deadline: Int64
        var number: UInt64
    }

    private var heap: [Entry] = []
    private var bodies: [UInt64: @Sendable () -> Void] = [:]
    private var last: UInt64 = 0

    var nextDeadline: Int64? {
        mutating get {
            while let first = heap.first, bodies[first.number] == nil { popFirst() }
            return heap.first?.deadline
        }
    }

    mutating func add(at deadline: Int64, _ body: @escaping @Sendable () -> Void) -> TimerID {
        last += 1
        bodies[last] = body
        heap.append(Entry(deadline: deadline, number: last))
        siftUp(from: heap.count - 1)
        return TimerID(number: last)
    }

    mutating func cancel(_ timer: TimerID) {
        bodies[timer.number] = nil
        guard heap.count > 2 * bodies.count + 64 else { return }
        heap.removeAll { bodies[$0.number] == nil }
        heap.sort { ($0.deadline, $0.number) < ($1.deadline, $1.number) }
    }

    /// Takes out the next timer that is due; timers of one deadline go in the order of their making.
    mutating func takeDue(upTo now: Int64) -> (@Sendable () -> Void)? {
        guard let deadline = nextDeadline, deadline <= now, let first = heap.first else { return nil }
        popFirst()
        return bodies.removeValue(forKey: first.number)
    }

    private mutating func popFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            guard least != index else { return }
            heap.swapAt(index, least)
            index = least
        }
    }

    private mutating func siftUp(from start: Int) {
        var index = start
        while index > 0, precedes(index, (index - 1) / 2) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private func precedes(_ a: Int, _ b: Int) -> Bool {
        (heap[a].deadline, heap[a].number) < (heap[b].deadline, heap[b].number)
    }
}
