import Model

extension Judge {
    /// The gate that every run has: each applicable job succeeded, or may fail.
    func jobsGate() -> GateJudgement {
        var groups: [GroupJudgement] = []
        for job in candidate.cells.jobs.indices { groups.append(jobGroup(job)) }
        for index in candidate.cells.strays {
            let shard = candidate.cells.results.shards[index]
            let known = candidate.cells.jobs.firstIndex { $0.expected.id == shard.job }
            let reason =
                known == nil
                ? "results of a job that the plan does not have"
                : "results of a cell that the plan does not have: \(CellTable.key(shard.values).prefix(200))"
            if let known {
                guard groups[known].verdict < .incomplete else { continue }
                groups[known].verdict = .incomplete
                groups[known].reason = reason
            } else if !groups.contains(where: { $0.place == [Value.Member("job", .string(shard.job))] }) {
                groups.append(
                    GroupJudgement(
                        place: [Value.Member("job", .string(shard.job))], verdict: .incomplete, reason: reason))
            }
        }
        if groups.isEmpty { groups = [GroupJudgement(place: [], verdict: .incomplete, reason: "missing: no results")] }
        return GateJudgement(
            name: "jobs", isRequired: true, question: "each job succeeded or may fail", groups: groups)
    }

    func cellJudgements() -> [CellJudgement] {
        candidate.cells.jobs.flatMap { job in
            job.cells.map { cell in
                CellJudgement(
                    job: job.expected.id, cell: cell.expected.id, name: cell.expected.name,
                    outcome: cell.contradiction == nil ? cell.outcome : .failed,
                    reason: cell.isComplete ? leftOut(cell, of: job.expected.id) : cell.contradiction ?? cell.reason,
                    isNeutral: !cell.expected.required || cell.expected.continueOnError,
                    isInfrastructureOnly: cell.isInfrastructureOnly,
                    baselineOutcome: baselineOutcome(of: cell, job: job.expected.id))
            }
        }
    }

    /// Why no gate looks at what a cell measures; empty where gates do.
    private func leftOut(_ cell: CellTable.Cell, of job: String) -> String {
        guard !cell.expected.required else { return "" }
        return "passed; gates leave it out: \(quarantined[job + "\u{0}" + cell.expected.id] ?? "not required")"
    }

    /// How the cell came out in the first baseline that was found and has it.
    private func baselineOutcome(of cell: CellTable.Cell, job: String) -> CellJudgement.Outcome? {
        for table in tables.lazy.compactMap({ $0 }) {
            guard let other = table.cells.jobs.first(where: { $0.expected.id == job }),
                let place = other.byKey[cell.key], place >= 0
            else { continue }
            let twin = other.cells[place]
            return twin.contradiction == nil ? twin.outcome : .failed
        }
        return nil
    }

    private func jobGroup(_ place: Int) -> GroupJudgement {
        let job = candidate.cells.jobs[place]
        var group = GroupJudgement(place: [Value.Member("job", .string(job.expected.id))], verdict: .pass, reason: "")
        switch job.expected.ending {
        case .notApplicable:
            group.reason = "skipped: \(job.expected.reason.isEmpty ? "its 'if' was false" : job.expected.reason)"
        case .notReached:
            // It did nothing wrong: whatever did has a verdict of its own.
            group.verdict = .incomplete
            group.isInfrastructureOnly = candidate.cells.isHeldByInfrastructureOnly(job.expected)
            group.reason =
                "not reached: \(job.expected.reason.isEmpty ? "something it needs did not succeed" : job.expected.reason)"
            return group
        case .failed:
            group.verdict = .fail
            group.reason = "failed: \(job.expected.reason.isEmpty ? "it came to no cells" : job.expected.reason)"
            return group
        case .ran:
            if job.cells.isEmpty {
                group.verdict = .incomplete
                group.reason = "missing: its cells are not known"
                return group
            }
        }
        count(job.cells, into: &group, job: place)
        return group
    }

    private func count(_ cells: [CellTable.Cell], into group: inout GroupJudgement, job: Int) {
        var (passed, skipped) = (0, 0)
        var neutral: [(name: String, reason: String)] = []
        var failed: [(name: String, reason: String)] = []
        var incomplete: [(name: String, reason: String)] = []
        var isInfrastructureOnly = true
        for (index, cell) in cells.enumerated() {
            let isNeutral = !cell.expected.required || cell.expected.continueOnError
            let told = (name: cell.expected.name, reason: cell.contradiction ?? cell.reason)
            group.restsOn.append(candidate.attempts(job: job, cell: index))
            let outcome = cell.contradiction == nil ? cell.outcome : .failed
            let quarantine = quarantined[candidate.cells.jobs[job].expected.id + "\u{0}" + cell.expected.id]
            // A quarantine is told of as long as it lasts: gates leave out what its cell measures, however well it ends.
            if isNeutral, outcome != .notApplicable, outcome != .passed || quarantine != nil {
                let why = quarantine ?? (cell.expected.required ? "continue-on-error" : "not required")
                neutral.append((told.name, outcome == .passed ? why : "\(told.reason) (\(why))"))
                continue
            }
            switch outcome {
            case .passed: passed += 1
            case .notApplicable: skipped += 1
            case .failed, .notReached: failed.append(told)
            case .incomplete:
                incomplete.append(told)
                isInfrastructureOnly = isInfrastructureOnly && cell.isInfrastructureOnly
            }
        }
        var sentences: [String] = []
        if !failed.isEmpty {
            group.verdict = .fail
            sentences.append("\(failed.count) of \(cells.count) cells failed: \(Self.listed(failed))")
        } else if !incomplete.isEmpty {
            group.verdict = .incomplete
            group.isInfrastructureOnly = isInfrastructureOnly
        }
        if !incomplete.isEmpty {
            sentences.append("\(incomplete.count) of \(cells.count) cells incomplete: \(Self.listed(incomplete))")
        }
        if sentences.isEmpty && group.reason.isEmpty { sentences.append("\(passed) of \(cells.count) cells passed") }
        if skipped > 0 && group.reason.isEmpty { sentences.append("\(skipped) skipped") }
        if !neutral.isEmpty { sentences.append("not counted: \(Self.listed(neutral))") }
        group.reason = ([group.reason] + sentences).filter { !$0.isEmpty }.joined(separator: "; ")
    }

    /// Which cells no gate rests on while their quarantine lasts, with its reason, author and last day.
    var quarantineNotes: [String] {
        candidate.cells.jobs.compactMap { job in
            let cells = job.cells.compactMap { cell in
                quarantined[job.expected.id + "\u{0}" + cell.expected.id].map { (name: cell.expected.name, reason: $0) }
            }
            return cells.isEmpty ? nil : "gates leave out \(Self.listed(cells))"
        }
    }

    /// Cells with one reason together: `eval (a), eval (b): shard 0 ended oom; eval (c): …`.
    private static func listed(_ cells: [(name: String, reason: String)]) -> String {
        let shared = Spelling.byReason(cells)
        let told = shared.prefix(3).map { "\(Spelling.shortened($0.names, most: 3)): \($0.reason)" }
        let left = shared.dropFirst(3).reduce(0) { $0 + $1.names.count }
        return told.joined(separator: "; ") + (left > 0 ? "; and \(left) more" : "")
    }
}
