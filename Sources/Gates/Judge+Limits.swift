import Model

extension Judge {
    /// What one limit says about one group.
    struct Check {
        var verdict: Verdict
        var reason: String
        var limit: GateRule.Limit
        /// Whether evidence for it is missing or broken, on either side.
        var isBroken = false
        /// Whether the plan alone says that there is nothing on the other side that it could be compared with.
        var isUncompared = false
        var bound: [Double] = []
        /// What was compared with the baseline.
        var value: Double?
        var baseline: Double?
        var effect: Double?
    }

    mutating func judge(
        _ group: CellGroup, _ rule: GateRule, job: Int, _ comparison: Comparison?
    ) -> (GroupJudgement, OpenTest?) {
        var judgement = GroupJudgement(place: group.place, verdict: .incomplete, reason: "")
        judgement.limit = rule.limits.map(\.text).joined(separator: ", ")
        judgement.restsOn = group.cells.joined().map { candidate.attempts(job: job, cell: $0) }
        judgement.baselineSource = comparison?.source ?? ""
        judgement.baselineRun = comparison?.run
        let measured: Measured
        switch candidate.reading(group, rule, job: job) {
        case .measured(let value, let spread):
            measured = value
            judgement.spread = spread
        case .refused(let reason):
            judgement.verdict = .fail
            judgement.reason = "\(rule.metric): \(reason)"
            return (judgement, nil)
        case .missing(let reason, let isInfrastructureOnly):
            judgement.reason = "\(rule.metric): \(reason)"
            judgement.isInfrastructureOnly = isInfrastructureOnly
            return (judgement, nil)
        }
        var checks = rule.limits.filter { !$0.needsBaseline }.map { Self.check($0, measured.value, rule) }
        var open: OpenTest?
        if let comparison {
            let relative = relative(group, rule, job: job, comparison)
            checks += relative.checks
            judgement.isWorse = relative.checks.contains { $0.verdict != .pass && !$0.isUncompared }
            open = relative.open
            judgement.flips = relative.flips
        }
        judgement.value = measured.value
        judgement.unit = measured.unit
        judgement.count = measured.count
        judgement.isMeasured = !checks.contains(where: \.isBroken)
        let undecided = checks.filter { $0.verdict != .pass }
        judgement.isUncompared = !undecided.isEmpty && undecided.allSatisfy(\.isUncompared)
        // The worst limit speaks for the group; of equals, the first as written.
        guard let decisive = checks.max(by: { $0.verdict < $1.verdict }),
            let worst = checks.first(where: { $0.verdict == decisive.verdict })
        else {
            if let open {
                judgement.verdict = .pass
                judgement.bound = Self.estimate(open.harm.limit, open.candidate, against: open.baseline, rule).bound
            }
            return (judgement, open)
        }
        judgement.verdict = worst.verdict
        judgement.reason =
            worst.verdict == .pass ? checks.map(\.reason).joined(separator: "; ") : worst.reason
        if let spread = judgement.spread, spread.repetitions > 1 {
            judgement.reason +=
                "; \(spread.repetitions) repetitions lie in \(Figure.text(spread.lowest))…\(Figure.text(spread.highest))"
        }
        judgement.limit = worst.verdict == .pass ? judgement.limit : worst.limit.text
        judgement.bound = worst.bound
        var compared = checks.first { $0.baseline != nil }
        if rule.aggregate != .mean {
            // One set's figures speak for the group: those of the limit that decides.
            compared = worst.baseline != nil ? worst : worst.verdict == .pass ? compared : nil
            judgement.value = compared?.value ?? measured.value
        }
        judgement.baseline = compared?.baseline
        judgement.effect = compared?.effect
        return (judgement, open)
    }

    /// A limit on the value alone.
    private static func check(_ limit: GateRule.Limit, _ value: Double, _ rule: GateRule) -> Check {
        let name = rule.metric
        switch limit {
        case .atLeast(let bound):
            let (shown, edge) = Figure.pair(value, bound)
            return value >= bound
                ? Check(verdict: .pass, reason: "\(name) \(shown), at least \(edge)", limit: limit, bound: [bound])
                : Check(verdict: .fail, reason: "\(name) \(shown) is below \(edge)", limit: limit, bound: [bound])
        case .atMost(let bound):
            let (shown, edge) = Figure.pair(value, bound)
            return value <= bound
                ? Check(verdict: .pass, reason: "\(name) \(shown), at most \(edge)", limit: limit, bound: [bound])
                : Check(verdict: .fail, reason: "\(name) \(shown) is above \(edge)", limit: limit, bound: [bound])
        case .between(let low, let high):
            let isWithin = value >= low && value <= high
            let (shown, _) = Figure.pair(value, value < low ? low : high)
            let edges = "\(Figure.text(low))…\(Figure.text(high))"
            return Check(
                verdict: isWithin ? .pass : .fail,
                reason: "\(name) \(shown), \(isWithin ? "within" : "outside") \(edges)", limit: limit,
                bound: [low, high])
        case .dropAtMost, .riseAtMost, .ratioAtMost:
            preconditionFailure("a limit against a baseline is checked against one")
        }
    }
}

extension MetricTable {
    func attempts(job: Int, cell: Int) -> CellAttempts {
        let job = cells.jobs[job]
        let cell = job.cells[cell]
        var attempts = Array(repeating: 0, count: cell.shardCount)
        for index in cell.settled {
            let shard = cells.results.shards[index]
            if attempts.indices.contains(shard.shard) { attempts[shard.shard] = shard.attempt }
        }
        return CellAttempts(job: job.expected.id, cell: cell.expected.id, attempts: attempts)
    }
}

extension GateRule.Limit {
    /// As a workflow writes it: `at-least 0.92`, `drop-at-most 3%`.
    package var text: String {
        switch self {
        case .atLeast(let bound): "at-least \(Figure.text(bound))"
        case .atMost(let bound): "at-most \(Figure.text(bound))"
        case .between(let low, let high): "between \(Figure.text(low)) and \(Figure.text(high))"
        case .dropAtMost(let amount): "drop-at-most \(amount.text)"
        case .riseAtMost(let amount): "rise-at-most \(amount.text)"
        case .ratioAtMost(let most): "ratio-at-most \(Figure.text(most))"
        }
    }
}

extension GateRule.Amount {
    fileprivate var text: String {
        switch self {
        case .absolute(let amount): Figure.text(amount)
        case .percent(let share): Figure.text(share) + "%"
        }
    }
}

extension GateRule {
    /// Its numbers: `at-least 0.92, drop-at-most 1%, detect 0.02`.
    package var bounds: String {
        (limits.map(\.text) + (testing.detect.map { ["detect \($0.text)"] } ?? [])).joined(separator: ", ")
    }

    /// What the gate asks, in one line.
    package var question: String {
        var words = [metric]
        if case .quantile(let q) = statistic {
            words.append(q == 1 ? "max" : q == 0 ? "min" : "p\(Figure.text(q * 100))")
        }
        words.append(limits.map(\.text).joined(separator: ", "))
        if !thresholds.isEmpty { words.append("(\(thresholds.map(\.source).joined(separator: ", ")))") }
        switch per {
        case .cell: words.append("per cell")
        case .axes(let axes): words.append("per \(axes.joined(separator: ", "))")
        case .run: words.append("per run")
        }
        switch testing.test {
        case .none: break
        case .regression, .nonInferiority: words.append("by \(testing.method?.rawValue ?? testing.test.rawValue)")
        }
        if !over.isEmpty { words.append("over \(over.joined(separator: ", "))") }
        switch aggregate {
        case .mean: break
        case .worst: words.append("(worst)")
        case .quantile(let q): words.append("(quantile \(Figure.text(q)))")
        }
        switch baseline {
        case .run(let run): words.append("against \(run)")
        case .branch(let branch): words.append("against branch \(branch)")
        case .alias(let alias): words.append("against \(alias)")
        case nil: break
        }
        return words.joined(separator: " ")
    }
}
