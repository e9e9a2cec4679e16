package import Model

/// What a run keeps of an ended one that it reruns: what had settled well, and rests on nothing that is done again.
///
/// A job may keep something only where each job that it needs is kept whole: what those give it stays the same. Of such a
/// job the shards that passed are kept. It is whole when each of its cells passed or was left out, or its own condition
/// was false.
package struct Rerun: Sendable {
    private enum Keeping: Sendable { case nothing, shards, whole }

    private var jobs: [Keeping]
    private var cells: Set<CellID> = []
    private var kept: [CellID: RangeList] = [:]
    /// How many shards are kept, listings left aside.
    package private(set) var shardCount = 0
    /// Whether nothing is left to do.
    package var isWhole: Bool { jobs.allSatisfy { $0 == .whole } }

    /// - Parameters:
    ///   - decisions: all of the ended run.
    ///   - needs: of each of the plan's jobs, the jobs that it waits for; without a circle.
    package init(of decisions: [Farm.Decision], needs: [[Int]]) {
        let jobs = Self.keeping(decisions, needs)
        self.jobs = jobs
        // A part of such a cell would go on without being let in by its concurrency group.
        let grouped = Self.groupedUnpassed(decisions)
        for case .settled(let cell, let shards, _, let cause) in decisions {
            guard cause.kind == .passed, !shards.contains(ShardID.listing), jobs[cell.job] != .nothing,
                !grouped.contains(cell)
            else { continue }
            kept[cell, default: RangeList()].insert(shards.lowerBound..<shards.upperBound + 1)
            shardCount += shards.count
        }
        cells = Set(kept.keys)
        for case .cellEnded(let cell, .skipped) in decisions where jobs[cell.job] != .nothing { cells.insert(cell) }
        // A job that keeps no cell is asked anew what it comes to.
        let keeping = Set(cells.map(\.job))
        for job in jobs.indices where jobs[job] == .shards && !keeping.contains(job) { self.jobs[job] = .nothing }
    }

    /// Cells of concurrency groups that have not passed as a whole.
    private static func groupedUnpassed(_ decisions: [Farm.Decision]) -> Set<CellID> {
        var found: Set<CellID> = []
        for case .jobResolved(let run, let job, .cells(let cells, _, _, _), _) in decisions {
            for (index, cell) in cells.enumerated() where cell.isGrouped {
                found.insert(CellID(run: run, job: job, cell: index))
            }
        }
        for case .cellEnded(let cell, .passed) in decisions { found.remove(cell) }
        return found
    }

    private static func keeping(_ decisions: [Farm.Decision], _ needs: [[Int]]) -> [Keeping] {
        var isResolved = Array(repeating: false, count: needs.count)
        var isGood = isResolved
        for case .jobResolved(_, let job, let resolution, _) in decisions {
            switch resolution {
            case .cells: (isResolved[job], isGood[job]) = (true, true)
            case .notApplicable: isGood[job] = true
            case .notReached, .failed: break
            }
        }
        var hasEnded = Array(repeating: false, count: needs.count)
        for decision in decisions {
            switch decision {
            case .cellEnded(_, .passed), .cellEnded(_, .skipped): break
            case .cellEnded(let cell, _): isGood[cell.job] = false
            case .jobEnded(_, let job, let ending):
                hasEnded[job] = true
                isGood[job] = isGood[job] && (ending == .success || ending == .skipped)
            default: break
            }
        }
        var found: [Keeping?] = Array(repeating: nil, count: needs.count)
        /// Jobs that wait for others first: each is looked at again when those are known.
        var open = Array(needs.indices.reversed())
        while let job = open.last {
            if found[job] != nil {
                open.removeLast()
                continue
            }
            let unknown = needs[job].filter { found[$0] == nil }
            guard unknown.isEmpty else {
                open += unknown
                continue
            }
            let mayKeep = needs[job].allSatisfy { found[$0] == .whole }
            found[job] =
                !mayKeep ? .nothing : isGood[job] && hasEnded[job] ? .whole : isResolved[job] ? .shards : .nothing
            open.removeLast()
        }
        return found.map { $0 ?? .nothing }
    }

    package func keepsCells(ofJob job: Int) -> Bool { jobs[job] != .nothing }
    package func keepsEnd(ofJob job: Int) -> Bool { jobs[job] == .whole }
    /// Whether the cell is cut as it was.
    package func keeps(_ cell: CellID) -> Bool { cells.contains(cell) }
    package func keeps(_ shard: ShardID) -> Bool {
        guard let kept = kept[shard.cell] else { return false }
        return shard.isListing || kept.contains(shard.shard)
    }

    /// What the farm has to know of what is kept, under the number of the run that keeps it.
    package func decisions(from decisions: [Farm.Decision], as run: RunID, at now: Instant) -> [Farm.Decision] {
        let moved = { (cell: CellID) in CellID(run: run, job: cell.job, cell: cell.cell) }
        return decisions.compactMap { decision in
            switch decision {
            case .jobResolved(_, let job, let resolution, _) where keepsCells(ofJob: job):
                .jobResolved(run, job: job, resolution, at: now)
            case .cellSharded(let cell, let shards, let items) where keeps(cell):
                .cellSharded(moved(cell), shards: shards, items: items)
            case .settled(let cell, let shards, let attempt, let cause)
            where keeps(ShardID(cell: cell, shard: shards.lowerBound)) && cause.kind == .passed:
                .settled(moved(cell), shards: shards, attempt: attempt, cause)
            case .cellEnded(let cell, let ending) where keeps(cell) && (ending == .passed || ending == .skipped):
                .cellEnded(moved(cell), ending)
            case .jobEnded(_, let job, let ending) where keepsEnd(ofJob: job): .jobEnded(run, job: job, ending)
            case .runSubmitted, .runCancelled, .jobResolved, .cellSharded, .leased, .attemptEnded, .attemptTook,
                .settled, .cellEnded, .cellStopped, .jobEnded, .used, .agentDraining, .lived:
                nil
            }
        }
    }
}

extension Farm {
    /// Takes in a run that keeps decisions of one before it: as if it had been restored with them, and it alone.
    mutating func submit(
        _ id: RunID, owner: Principal, plan: Plan, priority: Int, keeping decisions: [Decision]
    ) {
        guard runSlots[id] == nil else { return }
        let run = addRun(id, owner: owner, plan: plan, priority: priority, at: now)
        for decision in decisions { load(decision) }
        finishRestoring(run: run)
    }
}
