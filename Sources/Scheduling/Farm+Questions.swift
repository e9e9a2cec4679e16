package import Model

/// What others may ask the farm; nothing here changes it.
extension Farm {
    package enum CellState: String, Sendable {
        case waiting, running, passed, failed, cancelled, skipped
        case notReached = "not_reached"
        case notNeeded = "not_needed"
    }

    package struct CellProgress: Equatable, Sendable {
        package var state: CellState
        package var shardsSettled: Int
        /// `nil` until the cell's items are listed.
        package var shardsTotal: Int?
    }

    /// How far the cells of a run are, by job and cell; a job whose matrix is not yet known has none. `nil` for a run that
    /// the farm does not hold.
    package func progress(of id: RunID) -> [[CellProgress]]? {
        guard let slot = runSlots[id] else { return nil }
        return runs[slot].jobs.map { job in
            guard job.cells.isEmpty else { return job.cells.map(progress) }
            return (job.planned.cells ?? []).map { progress($0, in: job) }
        }
    }

    /// How far one cell is; `nil` for one that the farm does not hold.
    package func progress(of id: CellID) -> CellProgress? {
        guard let slot = runSlots[id.run], runs[slot].jobs.indices.contains(id.job) else { return nil }
        let job = runs[slot].jobs[id.job]
        if job.cells.indices.contains(id.cell) { return progress(job.cells[id.cell]) }
        guard let cells = job.planned.cells, cells.indices.contains(id.cell) else { return nil }
        return progress(cells[id.cell], in: job)
    }

    private func progress(_ cell: CellRecord) -> CellProgress {
        CellProgress(state: shown(cell), shardsSettled: cell.settled.count, shardsTotal: cell.shards)
    }

    /// A cell of a job that has not begun, or never will.
    private func progress(_ cell: PlannedCell, in job: JobRecord) -> CellProgress {
        CellProgress(
            state: cell.skipped != nil && job.unrun == .waiting ? .skipped : job.unrun, shardsSettled: 0,
            shardsTotal: job.planned.shards.items == nil ? max(1, job.planned.shards.count) : nil)
    }

    private func shown(_ cell: CellRecord) -> CellState {
        switch cell.phase {
        case .unopened, .held: cell.planned.skipped == nil ? .waiting : .skipped
        case .listing, .open:
            cell.settled.isEmpty && cell.leased.isEmpty && cell.returned.isEmpty ? .waiting : .running
        case .ended(.passed): .passed
        case .ended(.failed): .failed
        case .ended(.cancelled): .cancelled
        case .ended(.skipped): .skipped
        case .ended(.notNeeded): .notNeeded
        }
    }

    /// The attempts that are leased to an agent now, in their order.
    package func runningAttempts(on agent: AgentID) -> [AttemptID] {
        guard let slot = agentSlots[agent] else { return [] }
        return agents[slot].leases.sorted().compactMap { shard in
            record(of: shard, on: slot).map { AttemptID(shard: shard, number: $0.number) }
        }
    }

    /// When the oldest lease was given; `nil` while there is none. A second attempt's is younger than that of the one beside it.
    package var earliestLease: Instant? { leases.values.map(\.at).min() }

    /// The lease of an attempt, while it is a current one of its shard.
    package func lease(of attempt: AttemptID) -> Lease? {
        guard let lease = record(of: attempt) else { return nil }
        return self.lease(of: attempt.shard, lease)
    }

    /// Whether some attempt at the shard goes on.
    package func isLeased(_ shard: ShardID) -> Bool { leases[shard] != nil }

    /// How many shards a cell has; `nil` until its items are listed, and for runs that the farm does not hold.
    package func shardCount(of cell: CellID) -> Int? {
        place(of: cell).flatMap { self[cell: $0].shards }
    }
}
