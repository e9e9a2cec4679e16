import Model

/// Names a timer until it has fired or was cancelled.
struct TimerID: Hashable, Sendable { fileprivate let number: UInt64 }

/// Timers by deadline. Cancelled ones stay in the queue until they surface or are the greater half.
struct TimerQueue {
    private var queue = TimeQueue<Int64, UInt64>()
    private var bodies: [UInt64: @Sendable () -> Void] = [:]
    private var last: UInt64 = 0

    var nextDeadline: Int64? {
        mutating get {
            while let first = queue.earliest, bodies[first.matter] == nil { _ = queue.pop() }
            return queue.earliest?.at
        }
    }

    mutating func add(at deadline: Int64, _ body: @escaping @Sendable () -> Void) -> TimerID {
        last += 1
        bodies[last] = body
        queue.add(last, at: deadline)
        return TimerID(number: last)
    }

    mutating func cancel(_ timer: TimerID) {
        bodies[timer.number] = nil
        guard queue.count > 2 * bodies.count + 64 else { return }
        queue.removeAll { bodies[$0] == nil }
    }

    /// Takes out the next timer that is due; timers of one deadline go in the order of their making.
    mutating func takeDue(upTo now: Int64) -> (@Sendable () -> Void)? {
        while let number = queue.popDue(now) {
            if let body = bodies.removeValue(forKey: number) { return body }
        }
        return nil
    }
}
