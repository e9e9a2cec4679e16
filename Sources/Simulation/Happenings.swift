import Model
import Scheduling

/// What is going to happen in a world, the earliest first; of one time, in the order in which it was scheduled.
struct Happenings: Sendable {
    enum Happening: Sendable {
        case submit(Int)
        case cancel(Int)
        case resolve(life: Int, RunID, job: Int)
        case deadline(life: Int, RunID, reason: String)
        case wake(life: Int)
        case resume(life: Int)
        /// The store is given what was decided, and has it.
        case commit(life: Int)
        case committed(life: Int)
        /// The coordinator dies while the store is at it.
        case die(life: Int, isStored: Bool)
        case restart
        case disturb
        case ask
        case calm
        /// The next message of a connection arrives.
        case toCoordinator(agent: Int, connection: Int)
        case toAgent(agent: Int, connection: Int)
        /// The agent notices that its connection is gone.
        case lost(agent: Int, connection: Int)
        /// The coordinator notices that the agent's connection is gone.
        case noticed(life: Int, agent: Int, connection: Int)
        case connect(agent: Int, process: Int)
        case beat(agent: Int, process: Int)
        case attemptDone(agent: Int, process: Int, AttemptID)
        case leaseAlarm(agent: Int, process: Int)
    }

    enum FromAgent: Sendable {
        case joined(holds: [AttemptID], at: Instant)
        case heartbeat(Holdings.Beat)
        case looked(unfit: [Farm.UnfitDevice])
        case started(AttemptID)
        case declined(AttemptID)
        case report(AttemptID, Cause, listed: Int?)
    }

    enum ToAgent: Sendable {
        /// The farm took the agent in.
        case welcome(joinedAt: Instant)
        case offer(Farm.Lease, left: Duration)
        case renewed([AttemptID], beat: UInt64)
        case cancel(AttemptID)
        case recall(AttemptID)
        case forget(AttemptID)
        case stored(AttemptID)
    }

    /// Whether the next thing to happen is a commit of this life of the coordinator.
    func isCommitNext(inLife life: Int) -> Bool {
        if case .commit(life)? = queue.earliest?.matter { true } else { false }
    }

    private var queue = TimeQueue<Instant, Happening>()

    mutating func add(_ happening: Happening, at time: Instant) { queue.add(happening, at: time) }

    mutating func pop() -> (at: Instant, matter: Happening)? { queue.pop() }
}
