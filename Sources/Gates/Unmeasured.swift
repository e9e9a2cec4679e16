package import Model

// What a run that is in order never measured: there is nothing of it to compare with, and nobody has hidden it.

extension MetricTable {
    /// Why a job that is in order never measured the metric: it was skipped, or none of its cells reports it. `nil` where one does,
    /// or where that could be for something that went wrong.
    func whyUnmeasured(_ metric: String, job: Int) -> String? {
        let job = cells.jobs[job]
        switch job.expected.ending {
        case .notApplicable:
            return "job '\(job.expected.id)' was skipped there: "
                + (job.expected.reason.isEmpty ? "its 'if' was false" : job.expected.reason)
        case .notReached, .failed: return nil
        case .ran: break
        }
        let asked = job.cells.filter { $0.expected.skipped == nil }
        guard asked.contains(where: \.expected.required) else { return nil }
        for cell in asked {
            guard cell.isComplete || !cell.expected.required else { return nil }
            for index in cell.settled where cells.results.shards[index].mayReport(metric) { return nil }
        }
        return "none of its cells reports \(metric)"
    }
}

extension SettledShard {
    /// Whether it reports the metric, or might have: a file that was refused or not written tells nothing of what it held.
    fileprivate func mayReport(_ metric: String) -> Bool {
        !absent.isEmpty || metrics.contains { $0.name == metric || $0.name == MetricsFile.wholeName }
            || items.column(metric) != nil
    }
}

extension Results {
    /// The names of those of `rules` to whose metric no cell of these results gives a value.
    package func unmeasured(_ rules: [GateRule]) -> Set<String> {
        var table = MetricTable(CellTable(self))
        var names: Set<String> = []
        for rule in rules {
            guard case .taken(let job) = table.job(of: rule) else {
                names.insert(rule.name)
                continue
            }
            let isMeasured = table.cells.jobs[job].cells.indices.contains { cell in
                if case .measured = table.reading(rule, job: job, cell: cell) { true } else { false }
            }
            if !isMeasured { names.insert(rule.name) }
        }
        return names
    }
}
