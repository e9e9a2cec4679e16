import Model
import Scheduling

/// What is going to happen in a world, the earliest first; of one time, in the order in which it was scheduled.
struct Happenings: Sendable {
    enum Happening: Sendable {
        case submit(Int)
        case cancel(Int)
        case resolve(life: Int, RunID, job: Int)
        case wake(life: Int)
        case resume(life: Int)
        case commit(life: Int)
        case restart
        case disturb
        case calm
        case toCoordinator(agent: Int, connection: Int, FromAgent)
        case toAgent(agent: Int, connection: Int, ToAgent)
        /// The coordinator notices that the agent's connection is gone.
        case noticed(life: Int, agent: Int, connection: Int)
        case connect(agent: Int, process: Int)
        case beat(agent: Int, process: Int)
        case attemptDone(agent: Int, process: Int, AttemptID)
    }

    enum FromAgent: Sendable {
        case joined(holds: [AttemptID])
        case heartbeat([AttemptID])
        case started(AttemptID)
        case declined(AttemptID)
        case report(AttemptID, Cause, listed: Int?)
    }

    enum ToAgent: Sendable {
        case offer(Farm.Lease)
        case renewed([AttemptID])
        case cancel(AttemptID)
        case forget(AttemptID)
        case stored(AttemptID)
    }

    private struct Entry: Sendable {
        var at: Instant
        var order: Int
        var happening: Happening

        static func < (a: Self, b: Self) -> Bool { (a.at, a.order) < (b.at, b.order) }
    }

    private var heap: [Entry] = []
    private var added = 0

    mutating func add(_ happening: Happening, at time: Instant) {
        heap.append(Entry(at: time, order: added, happening: happening))
        added += 1
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2, heap[child] < heap[parent] {
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> (at: Instant, Happening)? {
        guard let first = heap.first else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while case let left = 2 * parent + 1, left < heap.count {
            let child = left + 1 < heap.count && heap[left + 1] < heap[left] ? left + 1 : left
            guard heap[child] < heap[parent] else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return (first.at, first.happening)
    }
}
