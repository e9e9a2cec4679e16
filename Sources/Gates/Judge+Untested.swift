import Model

/// A set of a group's cells beside the baseline's cells of the same place.
struct PairedSet {
    /// What names it for people.
    var name: String
    /// How many cells were averaged.
    var cells: Int
    var ours: Measured
    var theirs: Measured
    /// What both sides report per item, if they do.
    var items: [PairedItems.CellPair]?
}

/// Limits against a baseline, without a test.
extension Judge {
    /// What limits say of sets of cells. Means are compared as they are; the worst and the quantiles are those of the sets' own
    /// changes: a figure of one side's worst cell beside another cell's of the other side says nothing of either.
    static func untested(_ limits: [GateRule.Limit], _ rule: GateRule, _ sets: [PairedSet]) -> Taken<[Check]> {
        switch rule.aggregate {
        case .mean: return means(limits, rule, sets)
        case .worst:
            var worst: [Check] = []
            for limit in limits {
                var checks: [Check] = []
                for set in sets {
                    guard case .taken(let told) = means([limit], rule, [set]) else {
                        return .missing("the baseline's cells give no value")
                    }
                    checks += told.map { check in
                        guard sets.count > 1 else { return check }
                        var check = check
                        check.reason = "\(set.name): \(check.reason), the worst of \(sets.count)"
                        return check
                    }
                }
                // Of equals, the first in the plan's order.
                guard let most = checks.map(\.rank).max(by: <), let found = checks.first(where: { $0.rank == most })
                else { continue }
                worst.append(found)
            }
            return .taken(worst)
        case .quantile(let q): return .taken(limits.flatMap { quantile(q, of: sets, $0, rule) })
        }
    }

    /// The limits on the mean of the sets, and on that of the baseline's items alone where the candidate's are others.
    private static func means(
        _ limits: [GateRule.Limit], _ rule: GateRule, _ sets: [PairedSet]
    ) -> Taken<[Check]> {
        var ours = sets.map(\.ours)
        if rule.weightedByCount {
            // Both sides weigh alike, or a cell that measured more than before would move the mean without a change in any.
            for place in sets.indices { ours[place].count = sets[place].theirs.count }
        }
        guard case .taken(let value) = Combination.combine(ours, rule),
            case .taken(let baseline) = Combination.combine(sets.map(\.theirs), rule)
        else { return .missing("the cells that both have give no value") }
        let cells = sets.reduce(0) { $0 + $1.cells }
        var checks = limits.map { check($0, value.value, against: baseline.value, rule, isAveraged: cells > 1) }
        let items = sets.compactMap(\.items)
        guard items.count == sets.count else { return .taken(checks) }
        // Neither what was left out nor what is new must make the estimate better.
        for limit in limits {
            switch onItems(items, limit, rule) {
            case .same: break
            case .refused(let verdict, let reason):
                checks.append(Check(verdict: verdict, reason: "\(rule.metric): \(reason)", limit: limit))
            case .others(let ours, let theirs, let note):
                var check = check(limit, ours, against: theirs ?? baseline.value, rule, isAveraged: cells > 1)
                check.reason += note
                checks.append(check)
            }
        }
        return .taken(checks)
    }

    /// The limit on the quantile of the sets' harms: of drops, rises or ratios, as the limit has it, so that 0.9 is about the tenth
    /// that got worst.
    private static func quantile(
        _ q: Double, of sets: [PairedSet], _ limit: GateRule.Limit, _ rule: GateRule
    ) -> [Check] {
        guard sets.count > 1 else {
            guard case .taken(let checks) = means([limit], rule, sets) else { return [] }
            return checks
        }
        var checks: [Check] = []
        let stop = { (verdict: Verdict, set: PairedSet, reason: String) in
            checks.append(Check(verdict: verdict, reason: "\(rule.metric): \(set.name): \(reason)", limit: limit))
        }
        // On the baseline's items where the candidate has others, else the same; `nil` where there is no such change.
        var (whole, onItems): ([Double?], [Double?]) = ([], [])
        var note = ""
        for set in sets {
            let change = limit.harm(set.ours.value, set.theirs.value)
            if change == nil {
                stop(.inconclusive, set, "no relative limit of \(Figure.text(set.theirs.value))")
            }
            whole.append(change)
            onItems.append(change)
            guard let items = set.items else { continue }
            switch Self.onItems([items], limit, rule) {
            case .same: break
            case .refused(let verdict, let reason): stop(verdict, set, reason)
            case .others(let ours, let theirs, _):
                note = ", on the baseline's items"
                onItems[onItems.count - 1] = limit.harm(ours, theirs ?? set.theirs.value)
            }
        }
        let scale = sets.reduce(0) { max($0, $1.theirs.value.magnitude) }
        let isAveraged = sets.contains { $0.cells > 1 }
        for (changes, note) in [(whole, ""), (onItems, note)].prefix(note.isEmpty ? 1 : 2) {
            let known = changes.compactMap { $0 }
            guard known.count == sets.count else { continue }
            let change = Gates.quantile(q, of: known.sorted())
            guard change.isFinite else {
                checks.append(
                    Check(
                        verdict: .fail, reason: "\(rule.metric): changes beyond the range of numbers", limit: limit))
                continue
            }
            checks.append(
                Check(
                    verdict: limit.allows(change, scale: scale, isExact: !isAveraged) ? .pass : .fail,
                    reason: "\(rule.metric): quantile \(Figure.text(q)) of \(sets.count) cells' \(limit.harmWord) is "
                        + "\(limit.told(change))\(note)", limit: limit))
        }
        return checks
    }

    /// What the baseline's items say where the candidate lacks some of them, or has others.
    private enum OnItems {
        /// Both have the same items: the values say all there is to say.
        case same
        /// Without what is new, or with what is lacking counted as wrong.
        case others(ours: Double, theirs: Double?, note: String)
        case refused(Verdict, String)
    }

    private static func onItems(
        _ sets: [[PairedItems.CellPair]], _ limit: GateRule.Limit, _ rule: GateRule
    ) -> OnItems {
        var isDrop = false
        if case .dropAtMost = limit { isDrop = true }
        // A mean gets worse by what counts as wrong; of other figures nobody knows.
        let isMean = rule.statistic == .value && !rule.weightedByCount
        switch PairedItems.pair(sets, worst: isDrop ? 0 : 1, lackingCounts: isMean) {
        case .incomplete(let reason): return .refused(.incomplete, reason)
        case .inconclusive(let reason): return .refused(.inconclusive, reason)
        case .paired(let items):
            guard items.lacking > 0 || items.new > 0 else { return .same }
            guard items.lacking > 0 else {
                guard case .taken(let ours) = Combination.onBaseline(sets, rule) else {
                    return .refused(.fail, "not a number: the mean of the baseline's items is beyond the range")
                }
                return .others(
                    ours: ours.value, theirs: nil,
                    note: ", on the baseline's items alone; \(Spelling.counted(items.new, "item")) more are new")
            }
            let missing = "missing: \(Spelling.counted(items.lacking, "item")) of the baseline's"
            return .others(
                ours: SampleMean(items.candidate).mean, theirs: SampleMean(items.baseline).mean,
                note: ", with what is \(missing) counted as wrong")
        }
    }
}

extension Judge.Check {
    /// How bad it is: by the verdict, then by the harm in the limit's own measure.
    fileprivate var rank: (verdict: Verdict, harm: Double) {
        guard let effect, let baseline else { return (verdict, .infinity) }
        switch limit {
        case .dropAtMost(.absolute): return (verdict, -effect)
        case .dropAtMost(.percent): return (verdict, -effect / baseline.magnitude)
        case .riseAtMost(.percent): return (verdict, effect / baseline.magnitude)
        case .riseAtMost(.absolute), .ratioAtMost, .atLeast, .atMost, .between: return (verdict, effect)
        }
    }
}

extension GateRule.Limit {
    fileprivate var harmWord: String {
        switch self {
        case .dropAtMost: "drops"
        case .riseAtMost: "rises"
        case .ratioAtMost: "ratios"
        case .atLeast, .atMost, .between: preconditionFailure("a plain limit needs no baseline")
        }
    }

    /// The drop or the rise, in the metric's unit or in percent of the baseline's magnitude, or the ratio; `nil` where the
    /// baseline allows none.
    fileprivate func harm(_ value: Double, _ baseline: Double) -> Double? {
        switch self {
        case .dropAtMost(.absolute): return baseline - value
        case .riseAtMost(.absolute): return value - baseline
        case .dropAtMost(.percent): return baseline == 0 ? nil : (baseline - value) / baseline.magnitude * 100
        case .riseAtMost(.percent): return baseline == 0 ? nil : (value - baseline) / baseline.magnitude * 100
        case .ratioAtMost: return baseline > 0 ? value / baseline : nil
        case .atLeast, .atMost, .between: preconditionFailure("a plain limit needs no baseline")
        }
    }

    /// - Parameters:
    ///   - scale: the largest of the baseline's values, for what rounding can add.
    ///   - isExact: whether no value is a mean of others, so that the sign of a change is exact.
    fileprivate func allows(_ harm: Double, scale: Double, isExact: Bool) -> Bool {
        switch self {
        case .dropAtMost(.absolute(let most)), .riseAtMost(.absolute(let most)):
            return harm <= most + (most == 0 && isExact ? 0 : Judge.slack(most, scale))
        case .dropAtMost(.percent(let most)), .riseAtMost(.percent(let most)):
            return harm <= most + (most == 0 && isExact ? 0 : Judge.slack(most, 100))
        case .ratioAtMost(let most): return harm <= most + Judge.slack(most, 0)
        case .atLeast, .atMost, .between: preconditionFailure("a plain limit needs no baseline")
        }
    }

    /// `0.03, limit 0.02`.
    fileprivate func told(_ harm: Double) -> String {
        let (most, before, behind): (Double, String, String) =
            switch self {
            case .dropAtMost(.absolute(let most)), .riseAtMost(.absolute(let most)): (most, "", "")
            case .dropAtMost(.percent(let most)), .riseAtMost(.percent(let most)): (most, "", " %")
            case .ratioAtMost(let most): (most, "×", "")
            case .atLeast, .atMost, .between: preconditionFailure("a plain limit needs no baseline")
            }
        let (shown, edge) = Figure.pair(harm, most)
        return "\(before)\(shown)\(behind), limit \(before)\(edge)\(behind)"
    }
}
