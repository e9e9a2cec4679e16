import Model
import Storage
package import Wire

extension RunSnapshot {
    /// The run in one line, for `sheaf status`, as far as the store knows: what waits and what runs is told by leases.
    package func summary() -> Proto.RunSummary {
        var summary = Proto.RunSummary()
        summary.run = id.number
        summary.name = plan.name.isEmpty ? record.name : plan.name
        summary.file = record.file
        summary.owner = record.owner.name
        summary.team = record.owner.team ?? ""
        summary.submittedAt = record.submittedAt.nanoseconds
        summary.commit = record.commit
        summary.state = ending != nil ? "ended" : jobs.allSatisfy({ $0?.ending != nil }) ? "judging" : "running"
        if let ending {
            summary.endedAt = ending.at.nanoseconds
            summary.verdict = ending.verdict.rawValue
            summary.exitCode = UInt32(clamping: ending.exitCode)
        }
        var isKnown = plan.jobs.allSatisfy { $0.cells != nil }
        for cell in cellSummaries() {
            switch cell.state {
            case "waiting": summary.cellsWaiting += 1
            case "running": summary.cellsRunning += 1
            case "passed": summary.cellsPassed += 1
            case "failed": summary.cellsFailed += 1
            default: summary.cellsOther += 1
            }
            summary.shardsSettled += UInt64(cell.shardsSettled)
            summary.shardsTotal += UInt64(cell.shardsTotal)
            if cell.shardsTotal == 0 && (cell.state == "waiting" || cell.state == "running") { isKnown = false }
        }
        if !isKnown { summary.shardsTotal = 0 }
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
        switch jobs[place.job].flatMap({ JobKind(rawValue: $0.kind) }) {
        case .notApplicable: return "skipped"
        case .notReached, .failed: return "not_reached"
        case .cells, nil: break
        }
        if cell.skipped != nil { return "skipped" }
        return isWorking ? "running" : "waiting"
    }
}
