package import Model
package import Storage
package import Wire

extension RunSnapshot {
    /// The run in one line, for `sheaf status`, as far as the store knows: what waits and what runs is told by leases.
    package func summary() -> Proto.RunSummary {
        var summary = Proto.RunSummary(StoredRun(run: record, cancellation: cancellation, ending: ending))
        if !plan.name.isEmpty { summary.name = plan.name }
        if ending == nil && jobs.allSatisfy({ $0?.ending != nil }) { summary.state = "judging" }
        summary.count(cellSummaries(), of: plan)
        return summary
    }

    /// Every cell with its state, in the order of job and cell.
    package func cellSummaries() -> [Proto.CellSummary] {
        var settled: [CellID: Int] = [:]
        for settlement in settlements where settlement.first >= 0 {
            settled[settlement.cell, default: 0] += settlement.last - settlement.first + 1
        }
        let working = Set(attempts.filter { $0.ending == nil }.map(\.lease.attempt.shard.cell))
        return plan.jobs.indices.flatMap { job in
            eachCell(of: job).map { place, cell in
                var summary = Proto.CellSummary()
                summary.job = plan.jobs[job].id
                summary.cell = cell.id
                summary.name = cell.name
                summary.shardsSettled = UInt32(clamping: settled[place] ?? 0)
                summary.shardsTotal = UInt32(clamping: shardCount(of: place) ?? 0)
                summary.state = state(of: place, cell, isWorking: working.contains(place))
                return summary
            }
        }
    }

    private func state(of place: CellID, _ cell: Model.PlannedCell, isWorking: Bool) -> String {
        if let ending = cellRecord(place)?.ending { return ending }
        switch jobs[place.job]?.kind {
        case .notApplicable: return "skipped"
        case .notReached, .failed: return "not_reached"
        case .cells, .unresolved, nil: break
        }
        if cell.skipped != nil { return "skipped" }
        if ending != nil || jobs[place.job]?.ending != nil { return "cancelled" }
        return isWorking ? "running" : "waiting"
    }
}

extension Proto.RunSummary {
    /// A run as the store has it, without its cells.
    package init(_ stored: StoredRun) {
        self.init()
        run = stored.run.id.number
        name = stored.run.name
        // `try?`: a plan that cannot be read is told where the run is asked for.
        title = (try? Proto.PlanHead(decoding: stored.run.plan, limits: .large).title) ?? ""
        file = stored.run.file
        state = stored.ending == nil ? "running" : "ended"
        verdict = stored.ending?.verdict.rawValue ?? ""
        exitCode = UInt32(clamping: stored.ending?.exitCode ?? 0)
        owner = stored.run.owner.name
        team = stored.run.owner.team ?? ""
        submittedAt = stored.run.submittedAt.nanoseconds
        endedAt = stored.ending?.at.nanoseconds ?? 0
        commit = stored.run.commit
    }

    /// Counts cells by their state, and shards; the total of shards stays 0 until all of them are known.
    package mutating func count(_ cells: [Proto.CellSummary], of plan: Plan) {
        var isKnown = plan.jobs.allSatisfy { $0.cells != nil }
        var total: UInt64 = 0
        for cell in cells {
            switch cell.state {
            case "waiting": cellsWaiting += 1
            case "running": cellsRunning += 1
            case "passed": cellsPassed += 1
            case "failed": cellsFailed += 1
            default: cellsOther += 1
            }
            shardsSettled += UInt64(cell.shardsSettled)
            total += UInt64(cell.shardsTotal)
            if cell.shardsTotal == 0 && (cell.state == "waiting" || cell.state == "running") { isKnown = false }
        }
        shardsTotal = isKnown ? total : 0
    }
}
