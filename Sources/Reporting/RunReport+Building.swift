package import Gates
package import Model

extension RunReport {
    /// Works out the report. Pure: the same arguments give the same report.
    ///
    /// - Parameter results: what `judgement` was made of.
    package init(facts: RunFacts, results: Results, judgement: Judgement) {
        self.facts = facts
        self.facts.notes += judgement.notes.filter { !facts.notes.contains($0) }
        self.judgement = judgement
        commit = results.header.commit
        tree = results.header.tree
        provenance = results.header.provenance
        let book = AttemptBook(facts.attempts, results: results)
        let marks = CellMarks(judgement, isOver: facts.endedAt != nil)
        jobs = results.header.jobs.map { job in
            let headline = marks.headlines[job.id]
            let cells = job.cells.map { Self.cell($0, of: job, book, marks, facts.rates) }
            return JobReport(
                id: job.id, ending: job.ending, reason: job.reason, cells: cells,
                grid: Grid(job.cells.map(\.values)), headline: headline)
        }
        cellNames = Dictionary(
            jobs.flatMap { job in job.cells.map { (CellPlace(job: job.id, cell: $0.id), $0.name) } },
            uniquingKeysWith: { first, _ in first })
        slowest = Self.slowest(jobs)
        cost = Cost(facts.attempts, settledBy: book.settledBy, rates: facts.rates)
        agents = Self.agents(facts.attempts)
        retries = Self.retries(jobs)
        blames = Self.blames(jobs, judgement)
        flaky = Self.flaky(jobs, results)
        otherwise = []
        otherwise = otherAnswers()
    }

    private static func cell(
        _ expected: ExpectedCell, of job: ExpectedJob, _ book: AttemptBook, _ marks: CellMarks, _ rates: Rates?
    ) -> CellReport {
        let place = CellPlace(job: job.id, cell: expected.id)
        let shards = book.shards[place] ?? []
        let attempts = shards.flatMap(\.attempts)
        let durations = attempts.compactMap(\.duration)
        var (mark, reasons) = marks.mark(place)
        if mark == .incomplete && !marks.isOver {
            mark = attempts.contains { $0.cause == nil } ? .running : .queued
            reasons = []
        }
        var locks: [Digest] = []
        for lock in attempts.compactMap(\.environmentLock) where !locks.contains(lock) { locks.append(lock) }
        return CellReport(
            id: expected.id, name: expected.name, values: expected.values, mark: mark, reasons: reasons,
            figure: marks.figures[place], shards: shards,
            duration: durations.isEmpty ? nil : durations.reduce(.zero, +), environmentLocks: locks.sorted(),
            cost: Cost(attempts, settledBy: book.settledBy, rates: rates))
    }

    private static func slowest(_ jobs: [JobReport]) -> [SlowShard] {
        var shards: [SlowShard] = []
        for job in jobs {
            for cell in job.cells {
                for shard in cell.shards {
                    guard let duration = covered(shard.attempts) else { continue }
                    shards.append(
                        SlowShard(
                            job: job.id, cell: cell.id, name: cell.name, shard: shard.shard, duration: duration))
                }
            }
        }
        // Stable: of equals, the first in the plan.
        let order = shards.indices.sorted { (shards[$1].duration, $0) < (shards[$0].duration, $1) }
        return order.prefix(10).map { shards[$0] }
    }

    /// For how long any of the attempts was worked on: two at one time take their time once. `nil` when that is not known.
    private static func covered(_ attempts: [AttemptFact]) -> Duration? {
        let known = attempts.filter { $0.duration != nil }
        guard !known.isEmpty else { return nil }
        let spans = known.compactMap { fact in fact.startedAt.flatMap { start in fact.endedAt.map { (start, $0) } } }
        var covered = Duration.zero
        var reached = Instant(nanoseconds: .min)
        for (start, end) in spans.sorted(by: { $0.0 < $1.0 }) where end > reached {
            covered += max(start, reached).duration(to: end)
            reached = end
        }
        return covered
    }

    private static func agents(_ attempts: [AttemptFact]) -> [AgentUse] {
        var places: [String: Int] = [:]
        var uses: [AgentUse] = []
        for attempt in attempts where !attempt.agent.isEmpty {
            let place = places[attempt.agent] ?? uses.count
            if place == uses.count {
                places[attempt.agent] = place
                uses.append(AgentUse(agent: attempt.agent, attempts: 0, lost: 0, wall: .zero))
            }
            uses[place].attempts += 1
            uses[place].wall += attempt.duration ?? .zero
            if attempt.cause?.kind == .lostAgent { uses[place].lost += 1 }
        }
        return uses.sorted { $0.agent < $1.agent }
    }

    private static func retries(_ jobs: [JobReport]) -> [Retry] {
        var retries: [Retry] = []
        for cell in jobs.flatMap(\.cells) {
            for shard in cell.shards where shard.attempts.count > 1 {
                retries.append(
                    Retry(
                        name: cell.name, shard: shard.shard,
                        attempts: shard.attempts.indices.map { place in
                            let attempt = shard.attempts[place]
                            let before = place > 0 ? shard.attempts[place - 1] : nil
                            return "#\(attempt.number) \(attempt.cause?.label ?? "running")"
                                + (attempt.agent.isEmpty ? "" : " on \(attempt.agent)")
                                + (attempt.beside.map { " beside #\($0)" } ?? "")
                                + (before.flatMap { attempt.sameAgent(as: $0) }.map { ", \($0)" } ?? "")
                        }, notes: shard.attempts.compactMap(\.note)))
            }
        }
        return retries
    }
}

struct CellPlace: Hashable {
    var job: String
    var cell: String
}

struct ShardPlace: Hashable {
    var cell: CellPlace
    var shard: Int
}

extension AttemptFact {
    var place: ShardPlace { ShardPlace(cell: CellPlace(job: job, cell: cell), shard: shard) }
}

/// Attempts and settled shards, sorted into cells.
private struct AttemptBook {
    private(set) var shards: [CellPlace: [ShardReport]] = [:]
    /// The numbers of the attempts that settled their shards.
    private(set) var settledBy: [ShardPlace: Int] = [:]

    init(_ attempts: [AttemptFact], results: Results) {
        var found: [ShardPlace: ShardReport] = [:]
        for attempt in attempts {
            found[attempt.place, default: ShardReport(shard: attempt.shard, cause: nil, attempts: [])].attempts.append(
                attempt)
        }
        for shard in results.shards {
            let place = ShardPlace(cell: CellPlace(job: shard.job, cell: shard.cell), shard: shard.shard)
            found[place, default: ShardReport(shard: shard.shard, cause: nil, attempts: [])].cause = shard.cause
            guard shard.attempt > 0 else { continue }
            found[place]?.settledBy = shard.attempt
            settledBy[place] = shard.attempt
        }
        for (place, report) in found {
            var report = report
            report.attempts.sort { $0.number < $1.number }
            shards[place.cell, default: []].append(report)
        }
        for place in shards.keys { shards[place]?.sort { $0.shard < $1.shard } }
    }
}

/// What the verdicts say about each cell.
private struct CellMarks {
    let isOver: Bool
    /// The gate whose values a job's grid shows, by job.
    private(set) var headlines: [String: String] = [:]
    private(set) var figures: [CellPlace: Double] = [:]
    private var verdicts: [CellPlace: [(verdict: Verdict, reason: String)]] = [:]
    private var cells: [CellPlace: CellJudgement] = [:]

    init(_ judgement: Judgement, isOver: Bool) {
        self.isOver = isOver
        for cell in judgement.cells { cells[CellPlace(job: cell.job, cell: cell.cell)] = cell }
        for gate in judgement.gates.dropFirst() where gate.isApplicable {
            for group in gate.groups {
                guard group.restsOn.count == 1, let only = group.restsOn.first else { continue }
                let place = CellPlace(job: only.job, cell: only.cell)
                // A gate over a job of one cell reads "one cell" too, and is as good a headline as any.
                if headlines[only.job] == nil { headlines[only.job] = gate.name }
                if headlines[only.job] == gate.name { figures[place] = group.value }
                if gate.isRequired && group.verdict != .pass {
                    verdicts[place, default: []].append((group.verdict, "\(gate.name): \(group.reason)"))
                }
            }
        }
    }

    func mark(_ place: CellPlace) -> (CellReport.Mark, [String]) {
        guard let cell = cells[place] else { return (.incomplete, ["missing"]) }
        var all = verdicts[place] ?? []
        switch cell.outcome {
        case .passed:
            // Nothing looks at what it measured: no reader should take it for more.
            if cell.isNeutral && !cell.reason.isEmpty { return (.neutral, [cell.reason]) }
        case .notApplicable:
            // A gate that asks for what it should have measured says so.
            if all.isEmpty { return (.skipped, [cell.reason]) }
        case .failed, .incomplete, .notReached:
            if cell.isNeutral { return (.neutral, [cell.reason]) }
            all.insert((cell.outcome == .failed ? .fail : .incomplete, cell.reason), at: 0)
        }
        let worst = all.map(\.verdict).max() ?? .pass
        let reasons =
            all.filter { $0.verdict == worst }.map(\.reason) + all.filter { $0.verdict != worst }.map(\.reason)
        let mark: CellReport.Mark =
            switch worst {
            case .pass: .pass
            case .waived: .waived
            case .inconclusive: .inconclusive
            case .incomplete: .incomplete
            case .fail: .fail
            }
        return (mark, reasons)
    }
}
