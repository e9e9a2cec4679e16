import Model

/// Limits against a baseline.
extension Judge {
    typealias Relative = (checks: [Check], open: OpenTest?, flips: Flips?)

    mutating func relative(
        _ group: CellGroup, _ rule: GateRule, job: Int, _ comparison: Comparison
    ) -> Relative {
        let limits = rule.limits.filter(\.needsBaseline)
        let all = { (verdict: Verdict, reason: String) -> Relative in
            (limits.map { Check(verdict: verdict, reason: "\(rule.metric): \(reason)", limit: $0) }, nil, nil)
        }
        // What the plan itself says: there is nothing yet that it could be compared with.
        let unmatched = { (verdict: Verdict, reason: String) -> Relative in
            var relative = all(verdict, GroupJudgement.noBaseline + reason)
            for place in relative.checks.indices { relative.checks[place].isUncompared = verdict != .pass }
            return relative
        }
        // What a waiver must not cover.
        let broken = { (verdict: Verdict, reason: String) -> Relative in
            var relative = all(verdict, reason)
            for place in relative.checks.indices { relative.checks[place].isBroken = true }
            return relative
        }
        switch comparison.side {
        case .blocked(let obstacle):
            var blocked =
                obstacle.isBroken
                ? broken(.inconclusive, obstacle.reason) : all(.inconclusive, obstacle.reason)
            for place in blocked.checks.indices { blocked.checks[place].isUncompared = obstacle.isOfPlan }
            return blocked
        case .floors(let reason):
            let cells = Set(group.cells.joined())
            return unmatched(
                comparison.floors.pass(cells) ? .pass : .inconclusive,
                "\(reason); \(comparison.floors.sentence(rule.metric, cells))")
        case .table(let place, let other):
            let cells = Array(group.cells.joined())
            let expected = candidate.cells.jobs[job].cells
            let name = { (cell: Int) in expected[cell].expected.name }
            var twins: [Int: Int] = [:]
            var new: Set<Int> = []
            var why: [Int: String] = [:]
            for (cell, match) in zip(cells, matches(cells, rule, job: job, in: place, job: other)) {
                switch match {
                case .twin(let twin): twins[cell] = twin
                case .none: new.insert(cell)
                case .lost:
                    new.insert(cell)
                    why[cell] = "gave no value there and did not have to"
                case .skipped(let reason, isNew: false):
                    return all(.inconclusive, "\(GroupJudgement.noBaseline)\(name(cell)) did not run there: \(reason)")
                case .skipped(let reason, isNew: true):
                    new.insert(cell)
                    why[cell] = "did not run there (\(reason))"
                case .several:
                    return all(.inconclusive, "several cells of the baseline have the values of \(name(cell))")
                }
            }
            // Beside others, what came down could hide behind a new one.
            let without = new.count == cells.count ? unmatched : { all($0, GroupJudgement.noBaseline + $1) }
            let told = { (cell: Int) in
                "\(name(cell)) \(why[cell] ?? "is a new cell")"
            }
            var unvouched: [Check] = []
            if let first = cells.first(where: new.contains) {
                guard rule.newCellsFloorOnly else { return without(.inconclusive, told(first)) }
                if !comparison.floors.vouch(for: new) {
                    // The cells beside it are compared all the same: what fails there fails, whatever the floors came to.
                    unvouched =
                        without(
                            .inconclusive,
                            "\(told(first)); \(comparison.floors.sentence(rule.metric, new, areNew: true))"
                        ).checks
                }
            }
            let kept = group.cells.map { $0.filter { twins[$0] != nil } }.filter { !$0.isEmpty }
            guard !kept.isEmpty else {
                if !unvouched.isEmpty { return (unvouched, nil, nil) }
                return without(
                    .pass,
                    "\(cells.first.map(told) ?? ""); \(comparison.floors.sentence(rule.metric, new, areNew: true))")
            }
            var ours = group
            ours.cells = kept
            var theirs = group
            theirs.cells = kept.map { $0.compactMap { twins[$0] } }
            guard case .measured(let mine, _) = candidate.sets(of: ours, rule, job: job) else {
                return broken(.inconclusive, "the cells that the baseline has give no value")
            }
            switch baselineSets(theirs, rule, in: place, job: other) {
            case .refused(let reason): return broken(.inconclusive, "the baseline's value is refused: \(reason)")
            case .missing(let reason, _): return broken(.inconclusive, "the baseline has no value: \(reason)")
            case .measured(let known, _):
                if let obstacle = mine[0].obstacle(to: known[0]) { return broken(.inconclusive, obstacle) }
                let pairs = kept.map { cells in
                    cells.compactMap { cell in twins[cell].map { (ours: cell, theirs: $0) } }
                }
                guard rule.testing.test != .none else {
                    let items = itemSets(rule, job: job, in: place, job: other, cells: pairs)
                    if items.kind == .some { return broken(.inconclusive, Self.oneSided) }
                    let isPerItem = items.kind == .all
                    let sets = kept.indices.map { place in
                        PairedSet(
                            name: name(kept[place][0]) + (kept[place].count > 1 ? " …" : ""), cells: kept[place].count,
                            ours: mine[place], theirs: known[place], items: isPerItem ? items.pairs[place] : nil)
                    }
                    switch Self.untested(limits, rule, sets) {
                    case .taken(let checks):
                        return (checks + unvouched, nil, isPerItem ? flips(rule, items.pairs) : nil)
                    case .refused(let reason), .missing(let reason): return broken(.inconclusive, reason)
                    }
                }
                switch test(rule, job: job, in: place, job: other, cells: pairs) {
                case .open(let test): return (unvouched, test, nil)
                case .stopped(let verdict, let reason): return (all(verdict, reason).checks + unvouched, nil, nil)
                case .uncomparable(let reason):
                    return (all(.inconclusive, reason).checks + unvouched, nil, nil)
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

    static func check(
        _ limit: GateRule.Limit, _ value: Double, against baseline: Double, _ rule: GateRule, isAveraged: Bool = false
    ) -> Check {
        switch limit {
        case .dropAtMost(let amount):
            return difference(limit, amount, baseline - value, sign: -1, value, baseline, rule, isAveraged)
        case .riseAtMost(let amount):
            return difference(limit, amount, value - baseline, sign: 1, value, baseline, rule, isAveraged)
        case .ratioAtMost(let most):
            var check = Check(verdict: .inconclusive, reason: "", limit: limit, value: value, baseline: baseline)
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
        var check = Check(verdict: .inconclusive, reason: "", limit: limit, value: value, baseline: baseline)
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
    static func slack(_ most: Double, _ baseline: Double) -> Double {
        4 * max(most.magnitude, baseline.magnitude).ulp
    }
}

extension Judge.Floors {
    /// - Parameter areNew: they are cells that the baseline has not, beside others.
    fileprivate func sentence(_ metric: String, _ cells: Set<Int>, areNew: Bool = false) -> String {
        guard !groups.isEmpty else { return "no gate has a plain limit on \(metric)" }
        guard pass(cells) else { return "its plain limits do not pass" }
        return areNew && !vouch(for: cells)
            ? "no plain limit on \(metric) is asked of it alone" : "its plain limits pass"
    }
}
