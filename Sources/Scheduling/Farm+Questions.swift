package import Model

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
    package func progress(of run: RunID) -> RunProgress? { nil }

    /// The attempts that are leased to an agent now, in their order.
    package func runningAttempts(on agent: AgentID) -> [AttemptID] { [] }

    /// The lease of an attempt, while it is the current one of its shard.
    package func lease(of attempt: AttemptID) -> Lease? { nil }

    /// How many shards a cell has; `nil` until its items are listed, and for runs that the farm does not hold.
    package func shardCount(of cell: CellID) -> Int? { nil }

    /// Why a cell, or one of its shards, waits; in sentences.
    package func explain(_ cell: CellID, shard: Int?, at now: Instant) -> [String] { [] }

    /// What no joined agent has of what this cell needs; `nil` when some joined agent could take it once it is free.
    package func unmet(_ cell: PlannedCell) -> String? { nil }
}
