import Model
import Scheduling

/// A farm with a clock in hand, for tests: each call returns what the farm ordered.
struct Stage {
    var farm: Farm
    var now = Instant.seconds(1_000)
    /// Everything ordered so far.
    var history: [Farm.Effect] = []
    /// When each of it was ordered.
    private(set) var times: [Instant] = []

    init(settings: Farm.Settings = Farm.Settings(), seed: UInt64 = 1) {
        farm = Farm(settings: settings, seed: seed)
    }

    /// Handles the event, and what the farm asks to be continued.
    @discardableResult mutating func callAsFunction(_ event: Farm.Event) -> [Farm.Effect] {
        var effects: [Farm.Effect] = []
        farm.handle(event, at: now, into: &effects)
        var calls = 0
        while effects.last(where: { $0 == .continueLater || $0.isWake }) != nil, effects.contains(.continueLater) {
            effects.removeAll { $0 == .continueLater }
            farm.handle(.resume, at: now, into: &effects)
            calls += 1
            precondition(calls < 10_000, "the farm asks to be continued for ever")
        }
        history += effects
        times += Array(repeating: now, count: effects.count)
        return effects.filter { !$0.isWake }
    }

    /// Lets time pass, waking the farm whenever it asked for it.
    @discardableResult mutating func pass(_ duration: Duration) -> [Farm.Effect] {
        let end = now.advanced(by: duration)
        var effects: [Farm.Effect] = []
        while let wake = wakes.filter({ $0 <= end }).min() {
            now = max(now, wake)
            wakesHandled = history.count
            effects += self(.timeReached)
        }
        now = end
        return effects
    }

    /// Times that the farm wants to be woken at since it last was.
    private var wakes: [Instant] {
        history[wakesHandled...].compactMap { if case .wake(let at) = $0 { at } else { nil } }
    }
    private var wakesHandled = 0

    /// Submits a plan and resolves each of its jobs to the cells that the plan gives.
    @discardableResult mutating func submit(
        _ run: UInt64, _ plan: Plan, owner: String = "ada", team: String? = nil
    ) -> [Farm.Effect] {
        plans[RunID(run)] = plan
        let principal = Principal(role: .user, name: owner, team: team)
        return resolving(self(.runSubmitted(RunID(run), owner: principal, plan: plan)))
    }

    var plans: [RunID: Plan] = [:]

    /// Answers `jobReady` for as long as there are any.
    mutating func resolving(_ effects: [Farm.Effect]) -> [Farm.Effect] {
        var all = effects
        var next = 0
        while next < all.count {
            if case .jobReady(let run, let job) = all[next], let planned = plans[run]?.jobs[job] {
                let cells = planned.cells ?? []
                all += self(
                    .jobResolved(
                        run, job: job,
                        .cells(cells, failFast: planned.failFast, maxParallel: planned.maxParallel)))
            }
            next += 1
        }
        return all
    }

    @discardableResult mutating func join(
        _ agent: String, cpus: Int = 4, memory: ByteCount = .gibibytes(16), disk: ByteCount = .zero, gpus: [GPU] = [],
        labels: [String] = [], python: [String] = [], inputs: [HeldInput] = [], team: String? = nil,
        holds: [AttemptID] = [], takesAhead: Bool = false
    ) -> [Farm.Effect] {
        let interpreters = python.map { Interpreter(version: $0, path: "/usr/bin/python\($0)", source: "system") }
        var capacity = Capacity(
            cpus: cpus, memory: memory, disk: disk, gpus: gpus, labels: labels, interpreters: interpreters,
            inputs: inputs)
        capacity.takesAhead = takesAhead
        return self(.agentJoined(AgentID(agent), team: team, capacity: capacity, holds: holds))
    }

    /// Reports how the current attempt of a shard ended, from the agent that has it.
    @discardableResult mutating func finish(
        _ shard: ShardID, _ cause: Cause = Cause(.passed), listed: Int? = nil, shards: Int? = nil
    ) -> [Farm.Effect] {
        guard let lease = leases[shard] else { return [] }
        return resolving(
            self(.attemptFinished(lease.attempt, by: lease.agent, cause, listed: listed, shards: shards)))
    }

    /// The current leases, from the history; of two at a shard the first.
    var leases: [ShardID: Farm.Lease] {
        Dictionary(allLeases.map { ($0.attempt.shard, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// In the order of shards and attempts.
    var allLeases: [Farm.Lease] {
        let leases: [AttemptID: Farm.Lease] = history.reduce(into: [:]) { leases, effect in
            switch effect {
            case .leased(let lease): leases[lease.attempt] = lease
            case .attemptEnded(let attempt, _, _, _), .offerWithdrawn(let attempt): leases[attempt] = nil
            default: break
            }
        }
        return leases.values.sorted { $0.attempt < $1.attempt }
    }

    /// Keeps all leases for some time: each agent names what it has, several times within a lease.
    @discardableResult mutating func work(_ duration: Duration) -> [Farm.Effect] {
        let end = now.advanced(by: duration)
        var effects: [Farm.Effect] = []
        while now < end {
            effects += pass(min(.seconds(10), now.duration(to: end)))
            let leases = allLeases
            for agent in Set(leases.map(\.agent)).sorted() {
                effects += self(.leasesRenewed(agent, leases.filter { $0.agent == agent }.map(\.attempt)))
            }
        }
        return effects
    }
}

extension Farm.Effect {
    var isWake: Bool { if case .wake = self { true } else { false } }
    var lease: Farm.Lease? { if case .leased(let lease) = self { lease } else { nil } }
    var settlement: (cell: CellID, shards: ClosedRange<Int>, attempt: Int, cause: Cause)? {
        if case .settled(let cell, let shards, let attempt, let cause) = self {
            (cell, shards, attempt, cause)
        } else {
            nil
        }
    }
    var end: (attempt: AttemptID, cause: Cause, retryAt: Instant?, why: String)? {
        if case .attemptEnded(let attempt, let cause, let at, let why) = self { (attempt, cause, at, why) } else { nil }
    }
    var cellEnding: Farm.CellEnding? { if case .cellEnded(_, let ending) = self { ending } else { nil } }
    var jobEnding: Farm.JobEnding? { if case .jobEnded(_, _, let ending, _) = self { ending } else { nil } }
    var isRunEnd: Bool { if case .runEnded = self { true } else { false } }
}

extension [Farm.Effect] {
    var leases: [Farm.Lease] { compactMap(\.lease) }
    /// `shard@agent` for each lease of a plan's only cell.
    var placed: [String] { leases.map { "\($0.attempt.shard.shard)@\($0.agent)" } }
    var cancelled: [AttemptID] { compactMap { if case .cancelAttempt(let id, _, _) = $0 { id } else { nil } } }
    var forgotten: [AttemptID] { compactMap { if case .forgetAttempt(let id, _, _) = $0 { id } else { nil } } }
}

extension Plan {
    /// A plan of one job.
    static func one(
        cells: [PlannedCell] = [PlannedCell(id: "only", name: "only")], shards: ShardPlan = ShardPlan(),
        failFast: Bool = true, maxParallel: Int? = nil, retry: RetryPolicy = RetryPolicy()
    ) -> Plan {
        Plan(
            name: "test", file: "test.yml",
            jobs: [
                PlannedJob(
                    id: "eval", cells: cells, failFast: failFast, maxParallel: maxParallel, shards: shards, retry: retry
                )
            ])
    }
}

extension PlannedCell {
    static func named(_ names: String..., asking: ResourceRequest = ResourceRequest()) -> [PlannedCell] {
        names.map { PlannedCell(id: $0, name: $0, resources: asking) }
    }
}

/// Shard `shard` of cell `cell` of job 0 of run 1.
func shard(_ shard: Int, cell: Int = 0, job: Int = 0, run: UInt64 = 1) -> ShardID {
    ShardID(run: RunID(run), job: job, cell: cell, shard: shard)
}
