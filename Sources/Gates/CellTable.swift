import JSON
package import Model

/// The results of one run, sorted into the cells that had to report: what is there, and what is not.
struct CellTable {
    struct Cell {
        var expected: ExpectedCell
        /// What names the cell in another run: its values as text, whatever their order.
        var key: String
        /// Places in `results.shards`, by shard number.
        var settled: [Int] = []
        /// How many shards the cell has; 0 when nobody knows.
        var shardCount = 0
        var outcome = CellJudgement.Outcome.incomplete
        var reason = ""
        var isInfrastructureOnly = false
        /// It was ended only because something else of its job had ended badly, which has its own cause.
        var isLetGo = false
        /// Evidence that is there twice, or that nobody asked for.
        var contradiction: String?

        var isComplete: Bool { outcome == .passed && contradiction == nil }
    }

    struct Job {
        var expected: ExpectedJob
        var cells: [Cell]
        /// Positions of cells by key; −1 where several cells have the same values.
        var byKey: [String: Int]
    }

    let results: Results
    private(set) var jobs: [Job]
    /// Settled shards of cells that the plan does not have.
    private(set) var strays: [Int] = []

    init(_ results: Results) {
        self.results = results
        jobs = results.header.jobs.map(Self.job)
        var jobPlaces: [String: Int] = [:]
        for (place, job) in jobs.enumerated() { jobPlaces[job.expected.id] = place }
        var cellPlaces = jobs.map { job in
            Dictionary(job.cells.enumerated().map { ($1.expected.id, $0) }, uniquingKeysWith: { first, _ in first })
        }
        for (index, shard) in results.shards.enumerated() {
            guard let job = jobPlaces[shard.job] else {
                strays.append(index)
                continue
            }
            if let cell = cellPlaces[job][shard.cell] {
                jobs[job].cells[cell].settled.append(index)
                // Values may be left out; others than the cell's make it two cells in one.
                let known = jobs[job].cells[cell]
                if !shard.values.isEmpty, shard.values != known.expected.values, Self.key(shard.values) != known.key {
                    jobs[job].cells[cell].contradiction =
                        "several values: a line of cell '\(shard.cell)' has \(Self.key(shard.values).prefix(200))"
                }
            } else if let cell = jobs[job].byKey[Self.key(shard.values)], cell >= 0 {
                // Kept, so that the shards of one cell need their key only once.
                if !shard.cell.isEmpty { cellPlaces[job][shard.cell] = cell }
                jobs[job].cells[cell].settled.append(index)
            } else {
                strays.append(index)
            }
        }
        // Out of `self` for as long as they change: otherwise each change would copy them all.
        var sorted = jobs
        jobs = []
        for job in sorted.indices {
            let expected = sorted[job].expected
            for cell in sorted[job].cells.indices { settle(&sorted[job].cells[cell], of: expected) }
            if sorted[job].cells.contains(where: \.isInfrastructureOnly) {
                for cell in sorted[job].cells.indices where sorted[job].cells[cell].isLetGo {
                    sorted[job].cells[cell].isInfrastructureOnly = true
                }
            }
        }
        jobs = sorted
    }

    /// Whether a job was not reached for the infrastructure alone: something that ran is missing, and nothing else is to blame, nor
    /// did a gate hold it.
    func isHeldByInfrastructureOnly(_ job: ExpectedJob) -> Bool {
        guard job.ending == .notReached, job.reason.hasPrefix(ExpectedJob.needsWords),
            !jobs.contains(where: { $0.expected.ending == .failed })
        else { return false }
        let ran = jobs.lazy.filter { $0.expected.ending == .ran }.flatMap(\.cells)
        // Also what did not have to pass may be what others needed.
        guard !ran.contains(where: { $0.outcome == .failed || $0.contradiction != nil }) else { return false }
        let short = ran.filter { $0.outcome == .incomplete && $0.expected.required && !$0.expected.continueOnError }
        return !short.isEmpty && short.allSatisfy(\.isInfrastructureOnly)
    }

    static func key(_ values: [Value.Member]) -> String { JSONWriter.text(sorted(.object(values))) }

    private static func sorted(_ value: Value) -> Value {
        switch value {
        case .object(let members):
            .object(members.map { Value.Member($0.key, sorted($0.value)) }.sorted { $0.key < $1.key })
        case .array(let items): .array(items.map(sorted))
        case .null, .boolean, .number, .string: value
        }
    }

    private static func job(_ expected: ExpectedJob) -> Job {
        let cells = expected.cells.map { Cell(expected: $0, key: key($0.values)) }
        var byKey: [String: Int] = [:]
        for (place, cell) in cells.enumerated() { byKey[cell.key] = byKey[cell.key] == nil ? place : -1 }
        return Job(expected: expected, cells: cells, byKey: byKey)
    }

    // MARK: what a cell came to

    private func settle(_ cell: inout Cell, of job: ExpectedJob) {
        cell.settled.sort { (results.shards[$0].shard, $0) < (results.shards[$1].shard, $1) }
        if let ending = Self.ending(of: cell, in: job) {
            (cell.outcome, cell.reason) = ending
            if !cell.settled.isEmpty { cell.contradiction = "results of a cell that did not run" }
            return
        }
        let shards = cell.settled.map { results.shards[$0] }
        var failures: [String] = []
        var gaps: [(reason: String, isInfrastructure: Bool)] = []
        for shard in shards where shard.cause.kind != .passed {
            let named = Self.sentence(shard)
            switch shard.cause.kind {
            case .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM: failures.append(named)
            case .passed, .cancelled, .notNeeded, .lostAgent, .agentFault, .gpuFault, .diskFull, .dataUnavailable,
                .preempted, .queueTimeout:
                gaps.append((named, shard.cause.kind.isInfrastructure || shard.cause.kind == .notNeeded))
            }
        }
        let working = shards.filter { $0.shard != ShardID.listing }
        cell.shardCount = cell.expected.shards ?? working.first?.shardCount ?? 0
        cell.contradiction = cell.contradiction ?? Self.repetition(working)
        if working.isEmpty || cell.shardCount == 0 {
            if gaps.isEmpty && failures.isEmpty {
                gaps.append((job.reason.isEmpty ? "no shard settled" : "never started: \(job.reason)", false))
            }
        } else {
            let present = Set(working.map(\.shard))
            for shard in 0..<cell.shardCount where !present.contains(shard) {
                gaps.append(("missing: shard \(shard) of \(cell.shardCount) never settled", false))
            }
            for shard in working where shard.shardCount != cell.shardCount || shard.shard >= cell.shardCount {
                gaps.append(
                    ("shard \(shard.shard) of \(shard.shardCount) is not one of \(cell.shardCount)", false))
            }
            if let gap = itemGap(working, declared: cell.expected.items) { gaps.append((gap, false)) }
        }
        if let first = failures.first {
            cell.outcome = .failed
            cell.reason = Self.counted(first, of: failures.count)
        } else if let first = gaps.first {
            cell.outcome = .incomplete
            cell.reason = Self.counted(first.reason, of: gaps.count)
            let isInfrastructure = cell.contradiction == nil && gaps.allSatisfy(\.isInfrastructure)
            cell.isLetGo = isInfrastructure && shards.allSatisfy { !$0.cause.kind.isInfrastructure }
            cell.isInfrastructureOnly = isInfrastructure && !cell.isLetGo
        } else {
            cell.outcome = .passed
        }
    }

    private static func ending(of cell: Cell, in job: ExpectedJob) -> (CellJudgement.Outcome, String)? {
        switch job.ending {
        case .notApplicable: (.notApplicable, job.reason.isEmpty ? "its 'if' was false" : job.reason)
        case .notReached: (.notReached, job.reason.isEmpty ? "something it needs did not succeed" : job.reason)
        case .failed: (.failed, job.reason.isEmpty ? "its job came to no cells" : job.reason)
        case .ran: cell.expected.skipped.map { (.notApplicable, $0) }
        }
    }

    private static func sentence(_ shard: SettledShard) -> String {
        let name = shard.shard == ShardID.listing ? "the listing of its items" : "shard \(shard.shard)"
        let tries = shard.attempt > 1 ? " (attempt \(shard.attempt))" : ""
        let evidence = shard.cause.evidence.isEmpty ? "" : ": \(shard.cause.evidence.prefix(300))"
        return "\(name) ended \(shard.cause.label)\(tries)\(evidence)"
    }

    private static func counted(_ first: String, of count: Int) -> String {
        count > 1 ? "\(first); and \(count - 1) more" : first
    }

    private static func repetition(_ shards: [SettledShard]) -> String? {
        for (earlier, later) in zip(shards, shards.dropFirst()) where earlier.shard == later.shard {
            return "several values: shard \(later.shard) settled twice"
        }
        var seen = TextPlaces()
        for shard in shards where !shard.items.isEmpty {
            guard let repeated = seen.add(shard.items.ids) else { continue }
            let id = shard.items.ids[repeated]
            return "several values: item '\(id.prefix(60))' is reported twice\(reporters(of: id, shards))"
        }
        return nil
    }

    /// Which shards report an item, and which of them was not given it; empty where the cell has one.
    private static func reporters(of id: String, _ shards: [SettledShard]) -> String {
        guard shards.count > 1 else { return "" }
        let reporting = shards.filter { $0.items.ids.contains(id) }
        guard reporting.count > 1 else { return ", both times by shard \(reporting.first?.shard ?? 0)" }
        let numbers = reporting.prefix(5).map { "\($0.shard)" }.joined(separator: ", ")
        let strangers = reporting.filter { $0.assigned?.contains(id) == false }
        let told =
            strangers.isEmpty
            ? ""
            : strangers.count == reporting.count
                ? "; none of them was given it"
                : "; shard \(strangers.map { "\($0.shard)" }.joined(separator: ", ")) was not given it"
        return ", by shards \(numbers)\(told)"
    }

    /// Which assigned items were not reported, or what was reported beyond them.
    private func itemGap(_ shards: [SettledShard], declared: Int?) -> String? {
        for shard in shards {
            guard let assigned = shard.assigned, assigned != shard.items.ids else { continue }
            let ids = shard.items.ids
            let (reported, wanted) = (TextPlaces(ids), TextPlaces(assigned))
            let absent = assigned.indices.filter { reported.place(of: assigned, $0) == nil }
            let extra = ids.indices.filter { wanted.place(of: ids, $0) == nil }
            if let first = absent.first {
                let others = extra.first.map {
                    "; it reports \(extra.count) that it was not given, first '\(ids[$0].prefix(60))'"
                }
                let none =
                    ids.isEmpty
                    ? "; it reports none: steps write them to $SHEAF_ITEMS_OUT, or 'metrics' names a file that has them"
                    : ""
                return "missing: \(absent.count) of \(assigned.count) items of shard \(shard.shard), first "
                    + "'\(assigned[first].prefix(60))'" + (others ?? none)
            }
            if let first = extra.first {
                return "shard \(shard.shard) reports item '\(ids[first].prefix(60))', which it was not given"
            }
        }
        guard let declared else { return nil }
        let reported = shards.reduce(0) { $0 + $1.items.count }
        if declared == 0 { return "measured on no items: the listing is empty" }
        return reported == declared ? nil : "missing: \(reported) of \(declared) items reported"
    }
}

/// What names a cell across runs.
package enum CellValues {
    /// The same for the same axis values, whatever their order.
    package static func key(_ values: [Value.Member]) -> String { CellTable.key(values) }
}

extension ExpectedJob {
    /// What had to report, as far as results themselves tell: each job and cell that occurs, with the number of shards
    /// that its first line states.
    package static func seen(in shards: [SettledShard]) -> [ExpectedJob] {
        var jobs: [ExpectedJob] = []
        var jobPlaces: [String: Int] = [:]
        var cellPlaces: [String: Set<String>] = [:]
        for shard in shards {
            let place = jobPlaces[shard.job] ?? jobs.count
            if place == jobs.count {
                jobs.append(ExpectedJob(id: shard.job, cells: []))
                jobPlaces[shard.job] = place
            }
            let text = CellTable.key(shard.values)
            let id = shard.cell.isEmpty ? text : shard.cell
            guard cellPlaces[shard.job, default: []].insert(id).inserted else { continue }
            jobs[place].cells.append(
                ExpectedCell(
                    id: id, name: ExpectedCell.name(job: shard.job, values: shard.values), values: shard.values,
                    shards: shard.shard == ShardID.listing ? nil : shard.shardCount))
        }
        return jobs
    }
}

extension ExpectedCell {
    static func name(job: String, values: [Value.Member]) -> String {
        guard !values.isEmpty else { return job }
        return "\(job) (\(values.map { $0.value.shown }.joined(separator: ", ")))"
    }
}

extension Value {
    /// The value as a person would write it: texts without quotes.
    package var shown: String {
        if case .string(let text) = self { text } else { JSONWriter.text(self) }
    }
}
