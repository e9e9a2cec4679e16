package import Model

/// What others may ask the farm; nothing here changes it.
extension Farm {
    package enum CellState: String, Sendable {
        case waiting, running, passed, failed, cancelled, skipped
        case notReached = "not_reached"
        case notNeeded = "not_needed"
    }

    package struct CellProgress: Equatable, Sendable {
        package var job: Int
        package var cell: Int
        package var state: CellState
        package var shardsSettled: Int
        /// `nil` until the cell's items are listed.
        package var shardsTotal: Int?

        package init(job: Int, cell: Int, state: CellState, shardsSettled: Int, shardsTotal: Int?) {
            self.job = job
            self.cell = cell
            self.state = state
            self.shardsSettled = shardsSettled
            self.shardsTotal = shardsTotal
        }
    }

    package struct RunProgress: Equatable, Sendable {
        /// In the order of job and cell; jobs whose matrix is not yet known have none.
        package var cells: [CellProgress]
        package var isCancelled: Bool

        package init(cells: [CellProgress], isCancelled: Bool) {
            self.cells = cells
            self.isCancelled = isCancelled
        }
    }

    /// `nil` for a run that the farm does not hold.
    package func progress(of id: RunID) -> RunProgress? {
        guard let slot = runSlots[id] else { return nil }
        var cells: [CellProgress] = []
        for (index, job) in runs[slot].jobs.enumerated() {
            for (cell, planned) in (job.planned.cells ?? []).enumerated() where job.cells.isEmpty {
                let state = planned.skipped != nil && job.unrun == .waiting ? .skipped : job.unrun
                let total = job.planned.shards.items == nil ? max(1, job.planned.shards.count) : nil
                cells.append(CellProgress(job: index, cell: cell, state: state, shardsSettled: 0, shardsTotal: total))
            }
            for (cell, state) in job.cells.enumerated() {
                cells.append(
                    CellProgress(
                        job: index, cell: cell, state: shown(state), shardsSettled: state.settled.count,
                        shardsTotal: state.shards))
            }
        }
        return RunProgress(cells: cells, isCancelled: runs[slot].cancellation != nil)
    }

    private func shown(_ cell: CellRecord) -> CellState {
        switch cell.phase {
        case .unopened: cell.planned.skipped == nil ? .waiting : .skipped
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
            leases[shard].map { AttemptID(shard: shard, number: $0.number) }
        }
    }

    /// The lease of an attempt, while it is the current one of its shard.
    package func lease(of attempt: AttemptID) -> Lease? {
        guard let lease = leases[attempt.shard], lease.number == attempt.number else { return nil }
        return self.lease(of: attempt.shard, lease)
    }

    /// How many shards a cell has; `nil` until its items are listed, and for runs that the farm does not hold.
    package func shardCount(of cell: CellID) -> Int? {
        place(of: cell).flatMap { self[cell: $0].shards }
    }
}
