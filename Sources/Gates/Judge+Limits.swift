import Model

extension Judge {
    /// What one limit says about one group.
    private struct Check {
        var verdict: Verdict
        var reason: String
        var limit: GateRule.Limit
        /// Whether evidence for it is missing or broken, on either side.
        var isBroken = false
        var bound: [Double] = []
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
            let relative = relative(group, rule, job: job, comparison, measured)
            checks += relative.checks
            open = relative.open
            judgement.flips = relative.flips
        }
        judgement.value = measured.value
        judgement.unit = measured.unit
        judgement.count = measured.count
        judgement.isMeasured = !checks.contains(where: \.isBroken)
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
        judgement.baseline = checks.compactMap(\.baseline).first
        judgement.effect = checks.compactMap(\.effect).first
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

    // MARK: against a baseline

    private typealias Relative = (checks: [Check], open: OpenTest?, flips: Flips?)

    private mutating func relative(
        _ group: CellGroup, _ rule: GateRule, job: Int, _ comparison: Comparison, _ measured: Measured
    ) -> Relative {
        let limits = rule.limits.filter(\.needsBaseline)
        let all = { (verdict: Verdict, reason: String) -> Relative in
            (limits.map { Check(verdict: verdict, reason: "\(rule.metric): \(reason)", limit: $0) }, nil, nil)
        }
        // What a waiver must not cover.
        let broken = { (verdict: Verdict, reason: String) -> Relative in
            var relative = all(verdict, reason)
            for place in relative.checks.indices { relative.checks[place].isBroken = true }
            return relative
        }
        switch comparison.side {
        case .blocked(let obstacle):
            return obstacle.isBroken
                ? broken(.inconclusive, obstacle.reason) : all(.inconclusive, obstacle.reason)
        case .floors(let reason):
            return all(
                comparison.floors.answer == .pass ? .pass : .inconclusive,
                "\(GroupJudgement.noBaseline)\(reason); \(comparison.floors.sentence(rule.metric))")
        case .table(let place, let other):
            let cells = Array(group.cells.joined())
            let expected = candidate.cells.jobs[job].cells
            let name = { (cell: Int) in expected[cell].expected.name }
            var twins: [Int: Int] = [:]
            var new: Set<Int> = []
            for (cell, match) in zip(cells, matches(cells, job: job, in: place, job: other)) {
                switch match {
                case .twin(let twin): twins[cell] = twin
                case .none: new.insert(cell)
                case .several:
                    return all(.inconclusive, "several cells of the baseline have the values of \(name(cell))")
                }
            }
            var unvouched: [Check] = []
            if let first = cells.first(where: new.contains) {
                guard rule.newCellsFloorOnly else {
                    return all(.inconclusive, "no baseline: \(name(first)) is a new cell")
                }
                if !comparison.floors.vouch(for: new) {
                    // The cells beside it are compared all the same: what fails there fails, whatever the floors came to.
                    unvouched =
                        all(
                            .inconclusive,
                            "\(name(first)) is a new cell; \(comparison.floors.sentence(rule.metric, new))"
                        ).checks
                }
            }
            let kept = group.cells.map { $0.filter { twins[$0] != nil } }.filter { !$0.isEmpty }
            guard !kept.isEmpty else {
                if !unvouched.isEmpty { return (unvouched, nil, nil) }
                return all(.pass, "a new cell; \(comparison.floors.sentence(rule.metric, new))")
            }
            var ours = group
            ours.cells = kept
            var theirs = group
            theirs.cells = kept.map { $0.compactMap { twins[$0] } }
            guard case .measured(let value, _) = candidate.reading(ours, rule, job: job) else {
                return broken(.inconclusive, "the cells that the baseline has give no value")
            }
            switch baselineReading(theirs, rule, in: place, job: other) {
            case .refused(let reason): return broken(.inconclusive, "the baseline's value is refused: \(reason)")
            case .missing(let reason, _): return broken(.inconclusive, "the baseline has no value: \(reason)")
            case .measured(let baseline, _):
                if let obstacle = value.obstacle(to: baseline) { return broken(.inconclusive, obstacle) }
                let pairs = kept.map { cells in
                    cells.compactMap { cell in twins[cell].map { (ours: cell, theirs: $0) } }
                }
                guard rule.testing.test != .none else {
                    let isAveraged = kept.joined().count > 1
                    let checks = limits.map {
                        Self.check($0, value.value, against: baseline.value, rule, isAveraged: isAveraged)
                    }
                    let sets = itemSets(rule, job: job, in: place, job: other, cells: pairs)
                    switch sets.kind {
                    case .none, .ours: return (checks + unvouched, nil, nil)
                    case .some: return broken(.inconclusive, Self.oneSided)
                    case .all: break
                    }
                    let flips = flips(rule, sets.pairs)
                    // Neither what was left out nor what is new must make the estimate better.
                    let paired = limits.compactMap { Self.check($0, sets.pairs, rule, against: baseline.value) }
                    return (checks + paired + unvouched, nil, flips)
                }
                switch test(rule, job: job, in: place, job: other, cells: pairs) {
                case .open(let test): return (unvouched, test, nil)
                case .stopped(let verdict, let reason):
                    let stopped = all(verdict, reason)
                    return (stopped.checks + unvouched, nil, nil)
                case .broken(let verdict, let reason): return broken(verdict, reason)
                }
            }
        }
    }

    /// What was compared, in words and numbers, whatever is concluded from it.
    static func estimate(
        _ limit: GateRule.Limit, _ value: Double, against baseline: Double, _ rule: GateRule
    ) -> (told: String, effect: Double?, bound: [Double]) {
        let check = check(limit, value, against: baseline, rule)
        return (check.reason, check.effect, check.bound)
    }

    /// Items of 0/1 that changed, for limits without a test.
    private func flips(_ rule: GateRule, _ sets: [[PairedItems.CellPair]]) -> Flips? {
        guard sets.count == 1, sets[0].count == 1 else { return nil }
        let isDrop = rule.direction == .higher
        guard case .paired(let items) = PairedItems.pair(sets, worst: isDrop ? 0 : 1) else { return nil }
        return Self.flips(items, isDrop: isDrop)
    }

    /// What the baseline's items say to a limit without a test, where the candidate lacks some of them, which count as wrong,
    /// or has others, which are left out.
    ///
    /// - Returns: `nil` where both have the same items, and the values say all there is to say.
    private static func check(
        _ limit: GateRule.Limit, _ sets: [[PairedItems.CellPair]], _ rule: GateRule, against baseline: Double
    ) -> Check? {
        var isDrop = false
        if case .dropAtMost = limit { isDrop = true }
        let refused = { (verdict: Verdict, reason: String) in
            Check(verdict: verdict, reason: "\(rule.metric): \(reason)", limit: limit)
        }
        // A mean gets worse by what counts as wrong; of other figures nobody knows.
        let isMean = rule.statistic == .value && rule.aggregate == .mean && !rule.weightedByCount
        switch PairedItems.pair(sets, worst: isDrop ? 0 : 1, lackingCounts: isMean) {
        case .incomplete(let reason): return refused(.incomplete, reason)
        case .inconclusive(let reason): return refused(.inconclusive, reason)
        case .paired(let items):
            guard items.lacking > 0 || items.new > 0 else { return nil }
            guard items.lacking > 0 else {
                guard case .taken(let ours) = Combination.onBaseline(sets, rule) else {
                    return refused(.fail, "not a number: the mean of the baseline's items is beyond the range")
                }
                var check = Self.check(
                    limit, ours.value, against: baseline, rule, isAveraged: sets.joined().count > 1)
                check.reason += ", on the baseline's items alone; \(Spelling.counted(items.new, "item")) more are new"
                return check
            }
            let missing = "missing: \(Spelling.counted(items.lacking, "item")) of the baseline's"
            var check = Self.check(
                limit, SampleMean(items.candidate).mean, against: SampleMean(items.baseline).mean, rule,
                isAveraged: sets.joined().count > 1)
            check.reason += ", with what is \(missing) counted as wrong"
            return check
        }
    }

    private static func check(
        _ limit: GateRule.Limit, _ value: Double, against baseline: Double, _ rule: GateRule, isAveraged: Bool = false
    ) -> Check {
        switch limit {
        case .dropAtMost(let amount):
            return difference(limit, amount, baseline - value, sign: -1, value, baseline, rule, isAveraged)
        case .riseAtMost(let amount):
            return difference(limit, amount, value - baseline, sign: 1, value, baseline, rule, isAveraged)
        case .ratioAtMost(let most):
            var check = Check(verdict: .inconclusive, reason: "", limit: limit, baseline: baseline)
            guard baseline > 0 else {
                check.reason = "\(rule.metric): no ratio to a baseline of \(Figure.text(baseline))"
                return check
            }
            let ratio = value / baseline
            check.effect = ratio.isFinite ? ratio : nil
            check.bound = (most * baseline).isFinite ? [most * baseline] : []
            check.verdict = ratio <= most + slack(most, 0) ? .pass : .fail
            let (from, to) = Figure.pair(baseline, value)
            let (shown, edge) = Figure.pair(ratio, most)
            check.reason = "\(rule.metric) \(from) -> \(to) (×\(shown), limit ×\(edge))"
            return check
        case .atLeast, .atMost, .between: preconditionFailure("a plain limit needs no baseline")
        }
    }

    /// A drop (sign −1) or a rise (sign 1) of `change`, which may be at most `amount`.
    private static func difference(
        _ limit: GateRule.Limit, _ amount: GateRule.Amount, _ change: Double, sign: Double, _ value: Double,
        _ baseline: Double, _ rule: GateRule, _ isAveraged: Bool
    ) -> Check {
        var check = Check(verdict: .inconclusive, reason: "", limit: limit, baseline: baseline)
        let most: Double
        switch amount {
        case .absolute(let bound): most = bound
        case .percent(let share):
            guard baseline != 0 else {
                check.reason = "\(rule.metric): no relative limit of zero"
                return check
            }
            most = baseline.magnitude * share / 100
        }
        check.effect = (value - baseline).isFinite ? value - baseline : nil
        check.bound = (baseline + sign * most).isFinite ? [baseline + sign * most] : []
        check.verdict = change <= most + (most == 0 && !isAveraged ? 0 : slack(most, baseline)) ? .pass : .fail
        let (from, to) = Figure.pair(baseline, value)
        let told: String
        switch amount {
        case .absolute:
            let (shown, edge) = Figure.pair(sign * change, sign * most)
            told = "\(sign * change > 0 ? "+" : "")\(shown), limit \(sign * most > 0 ? "+" : "")\(edge)"
        case .percent(let share):
            told =
                "\(Figure.percent((value - baseline) / baseline.magnitude)), limit \(Figure.percent(sign * share / 100))"
        }
        check.reason = "\(rule.metric) \(from) -> \(to) (\(told))"
        return check
    }

    /// What rounding alone can add to a difference: 0.90 − 0.88 is a little more than 0.02 in binary, and is meant to
    /// be 0.02. Four units in the last place of the larger number. None for a limit of 0, where the sign is exact, unless both
    /// are means over several cells: each is rounded, and their order shows in the last place.
    private static func slack(_ most: Double, _ baseline: Double) -> Double {
        4 * max(most.magnitude, baseline.magnitude).ulp
    }
}

extension Judge.Floors {
    fileprivate func sentence(_ metric: String, _ new: Set<Int> = []) -> String {
        switch answer {
        case .none: "no gate has a plain limit on \(metric)"
        case .pass where vouch(for: new): "its plain limits pass"
        case .pass: "no plain limit on \(metric) is asked of it alone"
        case .doNotPass: "its plain limits do not pass"
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
