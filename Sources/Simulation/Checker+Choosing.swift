import Model
import Scheduling

/// Which shard is leased first, and to whom. Held to only while all is calm: whom the farm gives nothing for a while after a
/// fault, nobody else knows.
extension Checker {
    func checkChoice(_ lease: Farm.Lease, _ cell: Cell, _ run: Run) throws(Violation) {
        guard lease.beside == nil else { return try checkYielding(lease) }
        guard isCalm else { return }
        if lease.behind != nil { return try checkLongestFirst(lease, cell, run) }
        try checkKeeper(lease, cell, run)
        try checkLongestFirst(lease, cell, run)
    }

    /// No agent without any work is passed over that keeps the environment, for one that does not.
    private func checkKeeper(_ lease: Farm.Lease, _ cell: Cell, _ run: Run) throws(Violation) {
        guard let lock = cell.planned.environmentLock, let chosen = agents[lease.agent], !chosen.keeps.contains(lock)
        else { return }
        let better = agents.filter { _, agent in
            agent.keeps.contains(lock) && agent.leases.isEmpty && isOpen(agent, to: run) && fits(cell, agent)
                && Self.freeGPUs(agent) == Self.freeGPUs(chosen)
        }
        try require(better.isEmpty, .keeper, "\(lease.attempt) on \(lease.agent), not \(better.keys.sorted())")
    }

    /// Agents without GPUs come before all others.
    private static func freeGPUs(_ agent: Agent) -> Int {
        let all = agent.capacity.gpus.count
        return all == 0 ? -1 : all - agent.using.reduce(0) { $0 + $1.devices.count }
    }

    /// Of the shards of a run that ask for the same, those of the longest cells come first. Where something that waits asks for
    /// more, room may be kept, and a shorter one fills the gap.
    private func checkLongestFirst(_ lease: Farm.Lease, _ cell: Cell, _ run: Run) throws(Violation) {
        let asked = cell.planned.resources
        let open = runs.values.flatMap(\.jobs).flatMap(\.cells).filter { $0.ending == nil }
        guard !run.isCancelled, open.allSatisfy({ Self.fits($0.planned.resources, in: asked) }) else { return }
        for (job, state) in run.jobs.enumerated() where state.planned.maxParallel == nil && state.ending == nil {
            let plan = state.planned.shards
            guard plan.maxParallel == nil, !plan.failFast, !state.planned.failFast else { continue }
            for (index, other) in state.cells.enumerated() where Self.isLonger(other.planned, cell.planned) {
                guard other.ending == nil, let count = other.shards, Self.asksTheSame(other.planned, cell.planned)
                else { continue }
                let id = CellID(run: lease.attempt.run, job: job, cell: index)
                let waits = (0..<count).first { shards[ShardID(cell: id, shard: $0)] == nil }
                try require(waits == nil, .longestFirst, "\(lease.attempt) before a shard of \(id)")
            }
        }
    }

    private static func fits(_ asked: ResourceRequest, in room: ResourceRequest) -> Bool {
        asked.cpus <= room.cpus && asked.memory ?? .zero <= room.memory ?? .zero
            && asked.disk ?? .zero <= room.disk ?? .zero
            && asked.gpus?.count ?? 0 <= room.gpus?.count ?? 0
    }

    /// A second attempt takes no room on which something could begin that waits, nothing but agents keeping it. GPUs aside:
    /// which of them are in quarantine, only the farm knows.
    private func checkYielding(_ lease: Farm.Lease) throws(Violation) {
        guard let agent = agents[lease.agent] else { return }
        for (id, run) in runs where !run.isEnded && !run.isCancelled && isOpen(agent, to: run) {
            for (job, state) in run.jobs.enumerated() where state.ending == nil && state.planned.maxParallel == nil {
                let plan = state.planned.shards
                guard plan.maxParallel == nil, !plan.failFast, !state.planned.failFast else { continue }
                for (index, cell) in state.cells.enumerated() where cell.ending == nil && fits(cell, agent) {
                    guard cell.planned.resources.gpus == nil else { continue }
                    let cellID = CellID(run: id, job: job, cell: index)
                    let waits = (0..<(cell.shards ?? 0)).first { shards[ShardID(cell: cellID, shard: $0)] == nil }
                    try require(waits == nil, .twinYields, "\(lease.attempt) on \(lease.agent), before \(cellID)")
                }
            }
        }
    }

    private static func isLonger(_ a: PlannedCell, _ b: PlannedCell) -> Bool {
        guard let length = b.expected else { return false }
        return a.expected.map { min($0, a.timeout) > min(length, b.timeout) } ?? true
    }

    private static func asksTheSame(_ a: PlannedCell, _ b: PlannedCell) -> Bool {
        Set(a.labels) == Set(b.labels) && a.python == b.python && a.resources == b.resources && a.inputs == b.inputs
    }
}
