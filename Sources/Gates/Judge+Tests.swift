import Model

/// A comparison that was tested, and waits for its family: only all p together say which of them count.
struct OpenTest {
    var gate: String
    var group: Int
    var harm: Harm
    var result: TestResult
    var evidence: TestEvidence
    var noise: Noise
    /// How many items, or of the smaller side where nothing is paired.
    var count: Int
    /// How it wavers while nothing changes, for what `non-inferiority` needs.
    var stillness: Stillness
    var candidate: Double
    var baseline: Double
    var effect: Double?
    /// What the estimates are, in words.
    var told: String
    var flips: Flips?
    /// What everything but the test says about the group.
    var floor: (verdict: Verdict, reason: String) = (.incomplete, "")
}

extension Judge {
    enum Tested {
        case open(OpenTest)
        case stopped(Verdict, String)
        /// Stopped by evidence that is missing or broken: no waiver covers it.
        case broken(Verdict, String)
        /// The two sides have too few items in common.
        case uncomparable(String)
    }

    /// Why the rule cannot be tested as it is written; lint says the same.
    static func obstacle(to rule: GateRule) -> String? {
        let testing = rule.testing
        let isMedian = rule.statistic == .quantile(0.5) && testing.method == .mannWhitney
        if rule.limits.count(where: \.needsBaseline) != 1 { return "a test needs one limit against a baseline" }
        if rule.statistic != .value && !isMedian { return "a test is about means, or with mann-whitney about p50" }
        if rule.aggregate != .mean || rule.weightedByCount { return "a test averages the cells of a group alike" }
        if testing.test == .regression && testing.detect == nil && testing.itemsAtLeast == nil {
            return "'regression' needs 'detect' or 'n-at-least'"
        }
        return nil
    }

    /// Tests one group. Both sides were read before and have a value.
    ///
    /// - Parameter cells: positions of cells, ours and theirs, of the same place; inner lists are repetitions.
    func test(
        _ rule: GateRule, job: Int, in place: Int, job other: Int, cells: [[(ours: Int, theirs: Int)]]
    ) -> Tested {
        guard let limit = rule.limits.first(where: \.needsBaseline), let table = baselineTable(place) else {
            return .broken(.inconclusive, "no baseline")
        }
        let sets = itemSets(rule, job: job, in: place, job: other, cells: cells)
        switch sets.kind {
        case .all: return paired(rule, limit, sets.pairs)
        case .none:
            guard cells.joined().count == 1, let pair = cells.joined().first else {
                return .stopped(
                    .inconclusive, "several cells are tested together by their items, and none are reported")
            }
            return unpaired(
                rule, limit, candidate.cells.merged(rule.metric, of: candidate.cells.jobs[job].cells[pair.ours]),
                table.cells.merged(rule.metric, of: table.cells.jobs[other].cells[pair.theirs]))
        case .ours, .some: return .broken(.inconclusive, Self.oneSided)
        }
    }

    static let oneSided = "one side reports items and the other does not"

    /// Whether the cells of both sides report the metric per item.
    enum PerItem {
        case all, none
        /// No cell of the baseline does, and some of ours do now.
        case ours
        /// Some cells of the baseline do, or of ours no longer.
        case some
    }

    /// The metric of the items of each cell and its twin.
    func itemSets(
        _ rule: GateRule, job: Int, in place: Int, job other: Int, cells: [[(ours: Int, theirs: Int)]]
    ) -> (pairs: [[PairedItems.CellPair]], kind: PerItem) {
        guard let table = baselineTable(place) else { return ([], .none) }
        var (mine, known) = (0, 0)
        let pairs = cells.map { repetitions in
            repetitions.map { cell -> PairedItems.CellPair in
                let ours = candidate.cells.items(rule.metric, of: candidate.cells.jobs[job].cells[cell.ours])
                let theirs = table.cells.items(rule.metric, of: table.cells.jobs[other].cells[cell.theirs])
                mine += ours == nil ? 0 : 1
                known += theirs == nil ? 0 : 1
                return (ours ?? CellItems(), theirs ?? CellItems())
            }
        }
        let count = cells.joined().count
        if known == 0 { return (pairs, mine == 0 ? .none : .ours) }
        return (pairs, (mine, known) == (count, count) ? .all : .some)
    }

    // MARK: items by id

    private func paired(_ rule: GateRule, _ limit: GateRule.Limit, _ sets: [[PairedItems.CellPair]]) -> Tested {
        var isDrop = false
        if case .dropAtMost = limit { isDrop = true }
        let items: PairedItems
        // McNemar's and Tango's tests find no less when an item gets worse. One outlier more widens Student's interval, and
        // with it a drop that was shown is shown no longer.
        let isCounted = sets.count == 1 && sets[0].count == 1 && limit.isAbsolute && rule.testing.method == nil
        switch PairedItems.pair(sets, worst: isDrop ? 0 : 1, lackingCounts: isCounted) {
        case .paired(let found): items = found
        case .incomplete(let reason): return .stopped(.incomplete, reason)
        case .inconclusive(let reason): return .uncomparable(reason)
        }
        let (mine, known) = (SampleMean(items.candidate), SampleMean(items.baseline))
        var isRatio = false
        if case .ratioAtMost = limit { isRatio = true }
        let onLogarithms = isRatio && !items.isRightOrWrong
        if onLogarithms, !(items.candidate + items.baseline).allSatisfy({ $0 > 0 }) {
            return .stopped(.inconclusive, "a ratio is tested on logarithms, and not all values are above 0")
        }
        let harm: Harm
        switch Harm.read(limit, detect: rule.testing.detect, baseline: known.mean, onLogarithms: onLogarithms) {
        case .harm(let read): harm = read
        case .inconclusive(let reason): return .stopped(.inconclusive, reason)
        }
        let values = zip(items.candidate, items.baseline).map { mine, known in
            onLogarithms
                ? (Distribution.log(mine) ?? .nan) - (Distribution.log(known) ?? .nan) : harm.linear.harm(mine, known)
        }
        if items.isRightOrWrong, harm.isAbsolute, let detect = harm.detect, harm.linear.most + detect > 1 {
            return .stopped(
                .inconclusive,
                "right or wrong items change by 1 at most, and 'detect' is to find \(harm.found(rule.testing.detect) ?? "more")"
            )
        }
        guard values.allSatisfy(\.isFinite) else {
            return .broken(.fail, "not a number: differences beyond the range")
        }
        let harms = SampleMean(values)
        var open = self.open(rule, harm, mine, known, count: items.count)
        // Signs that all say the same: the best that few items can say.
        open.stillness = .harms(variance: harms.variance, least: Self.signsAtLeast(rate: open.evidence.rate))
        open.noise = .variance(harms.variance, weight: Double(items.count - 1))
        open.evidence.lacking = items.lacking
        open.evidence.new = items.new
        let rate = open.evidence.rate
        let result: TestResult?
        if rule.testing.method == .mannWhitney {
            let side = { (values: [Double], weight: Double) in
                values.map { onLogarithms ? (Distribution.log($0) ?? .nan) : $0 }.map { weight * $0 }
            }
            let ranks = RankTest(
                side(items.candidate, harm.linear.candidate), above: side(items.baseline, -harm.linear.baseline))
            result = ranks.test(limit: harm.linear.most, rate: rate)
            open.evidence.method = "Mann–Whitney\(onLogarithms ? " on logarithms" : "")"
            open.effect = harm.effect(of: ranks.shift)
            let variance = (mine.variance + known.variance) * Self.rankVariance
            open.noise = .variance(variance, weight: Double(items.count - 1))
            open.stillness = .harms(variance: variance, least: Self.ranksAtLeast(rate: rate))
        } else if items.hasFlipsOnly && harm.isAbsolute {
            let shares = PairedShares(
                count: items.count, losses: values.count { $0 > 0 }, gains: values.count { $0 < 0 })
            open.noise = .flips(losses: shares.losses, count: shares.count)
            open.stillness = .flips(share: Double(shares.losses + shares.gains) / Double(shares.count))
            if harm.isZero {
                result = shares.exactTest(rate: rate)
                open.evidence.method = "exact McNemar"
            } else {
                result = shares.scoreTest(limit: harm.linear.most, rate: rate)
                open.evidence.method = "Tango's score"
            }
        } else if values.count <= SignFlips.countMax {
            result = SignFlips(values).test(limit: harm.linear.most, rate: rate)
            open.evidence.method = "permutation\(onLogarithms ? " of logarithms" : "")"
        } else {
            let scale = onLogarithms ? harms.scale : max(mine.scale, known.scale)
            result = StudentTest.paired(harms, limit: harm.linear.most, scale: scale, rate: rate)
            open.evidence.method = "paired t\(onLogarithms ? " on logarithms" : "")"
        }
        guard let result else { return .stopped(.inconclusive, "the test has no answer") }
        open.result = result
        if onLogarithms && rule.testing.method == nil { open.effect = harm.effect(of: harms.mean) }
        open.flips = Self.flips(items, isDrop: isDrop)
        return .open(open)
    }

    /// Ranks need a little more than means do: the test's efficiency against t on normal data is 3/π.
    private static let rankVariance = Double.pi / 3

    /// From how many items on one sign for all of them has a p below `rate`: 2⁻ⁿ is the best there is.
    static func signsAtLeast(rate: Double) -> Int {
        var (least, best) = (1, 0.5)
        while best >= rate && least < 64 { (least, best) = (least + 1, best / 2) }
        return least
    }

    /// The same for ranks, with so many on either side: one arrangement of all.
    static func ranksAtLeast(rate: Double) -> Int {
        var (least, best) = (1, 0.5)
        while best >= rate && least < 64 {
            best *= Double(least + 1) / Double(2 * (2 * least + 1))
            least += 1
        }
        return least
    }

    /// What changed among items of 0/1; `nil` for others.
    static func flips(_ items: PairedItems, isDrop: Bool) -> Flips? {
        guard items.hasFlipsOnly else { return nil }
        var (lost, gained): ([String], [String]) = ([], [])
        for (place, id) in items.ids.enumerated() where items.candidate[place] != items.baseline[place] {
            if (items.candidate[place] < items.baseline[place]) == isDrop { lost.append(id) } else { gained.append(id) }
        }
        let first = { (ids: [String]) in Array(ids.sorted().prefix(Flips.shownMax)) }
        return Flips(lost: lost.count, lostIDs: first(lost), gained: gained.count, gainedIDs: first(gained))
    }

    // MARK: nothing to pair

    private func unpaired(
        _ rule: GateRule, _ limit: GateRule.Limit, _ ours: MetricValue?, _ theirs: MetricValue?
    ) -> Tested {
        switch (ours, theirs) {
        case (.samples(let mine)?, .samples(let known)?):
            return samples(rule, limit, SampleMean(mine), SampleMean(known), (mine, known))
        case (.mean(let n, let mean, let m2)?, .mean(let otherN, let otherMean, let otherM2)?):
            guard rule.testing.method == nil else {
                return .stopped(.inconclusive, "mann-whitney needs the values themselves, as items or samples")
            }
            let side = { (n: Int, mean: Double, m2: Double) in
                SampleMean(count: n, mean: mean, variance: n > 1 ? m2 / Double(n - 1) : 0)
            }
            return samples(rule, limit, side(n, mean, m2), side(otherN, otherMean, otherM2), nil)
        case (.ratio(let a, let b)?, .ratio(let c, let d)?):
            guard let mine = Share(a, of: b), let known = Share(c, of: d), rule.testing.method == nil else {
                return .stopped(.inconclusive, "a ratio is tested as a share of counted things")
            }
            return shares(rule, limit, mine, known)
        default: return .stopped(.inconclusive, "its kind has no test: report it per item, as samples, mean or ratio")
        }
    }

    private func samples(
        _ rule: GateRule, _ limit: GateRule.Limit, _ mine: SampleMean, _ known: SampleMean,
        _ values: (ours: [Double], theirs: [Double])?
    ) -> Tested {
        var isRatio = false
        if case .ratioAtMost = limit { isRatio = true }
        let ranks = rule.testing.method == .mannWhitney
        let onLogarithms = isRatio && ranks
        if onLogarithms, let values, !(values.ours + values.theirs).allSatisfy({ $0 > 0 }) {
            return .stopped(.inconclusive, "a ratio is tested on logarithms, and not all values are above 0")
        }
        let harm: Harm
        switch Harm.read(limit, detect: rule.testing.detect, baseline: known.mean, onLogarithms: onLogarithms) {
        case .harm(let read): harm = read
        case .inconclusive(let reason): return .stopped(.inconclusive, reason)
        }
        var open = self.open(rule, harm, mine, known, count: min(mine.count, known.count))
        let (a, b) = (harm.linear.candidate, harm.linear.baseline)
        var variance = a * a * mine.variance + b * b * known.variance
        open.stillness = .harms(variance: variance, least: 2)
        let result: TestResult?
        if ranks, let values {
            let side = { (values: [Double], weight: Double) in
                values.map { onLogarithms ? (Distribution.log($0) ?? .nan) : $0 }.map { weight * $0 }
            }
            let (upper, lower) = (side(values.ours, a), side(values.theirs, -b))
            let test = RankTest(upper, above: lower)
            result = test.test(limit: harm.linear.most, rate: open.evidence.rate)
            open.evidence.method = "Mann–Whitney\(onLogarithms ? " on logarithms" : "")"
            open.effect = harm.effect(of: test.shift)
            variance = (SampleMean(upper).variance + SampleMean(lower).variance) * Self.rankVariance
            open.stillness = .harms(variance: variance, least: Self.ranksAtLeast(rate: open.evidence.rate))
        } else {
            result = StudentTest.welch(mine, known, harm.linear, rate: open.evidence.rate)
            open.evidence.method = "Welch's t"
        }
        open.noise = .variance(variance, weight: Double(max(1, open.count - 1)))
        guard let result else { return .stopped(.inconclusive, "the test has no answer: too few values") }
        open.result = result
        return .open(open)
    }

    private func shares(_ rule: GateRule, _ limit: GateRule.Limit, _ mine: Share, _ known: Share) -> Tested {
        let harm: Harm
        switch Harm.read(limit, detect: rule.testing.detect, baseline: known.value, onLogarithms: false) {
        case .harm(let read): harm = read
        case .inconclusive(let reason): return .stopped(.inconclusive, reason)
        }
        let side = { (share: Share) in
            SampleMean(count: share.count, mean: share.value, variance: share.value * (1 - share.value), scale: 1)
        }
        var open = self.open(rule, harm, side(mine), side(known), count: min(mine.count, known.count))
        let (a, b) = (harm.linear.candidate, harm.linear.baseline)
        let variance = a * a * mine.value * (1 - mine.value) + b * b * known.value * (1 - known.value)
        open.noise = .variance(variance, weight: Double(open.count))
        open.stillness = .shares(known.value, harm.linear)
        guard let result = UnpairedShares(candidate: mine, baseline: known).test(harm.linear, rate: open.evidence.rate)
        else { return .stopped(.inconclusive, "the test has no answer") }
        open.result = result
        open.evidence.method = "Newcombe's score"
        return .open(open)
    }

    private func open(
        _ rule: GateRule, _ harm: Harm, _ mine: SampleMean, _ known: SampleMean, count: Int
    ) -> OpenTest {
        let rate = rule.testing.test == .regression ? terms.falseBlockRate : rule.testing.falsePassRate
        let estimate = Self.estimate(harm.limit, mine.mean, against: known.mean, rule)
        return OpenTest(
            gate: rule.name, group: 0, harm: harm,
            result: TestResult(beyond: 1, within: 1, low: -.infinity, high: .infinity),
            evidence: TestEvidence(rule.testing.test, method: "", rate: rate), noise: .variance(0, weight: 1),
            count: count, stillness: .harms(variance: 0, least: 1), candidate: mine.mean, baseline: known.mean,
            effect: estimate.effect,
            told: estimate.told)
    }
}

extension Share {
    /// `nil` for numbers that count nothing.
    fileprivate init?(_ part: Double, of count: Double) {
        guard let part = MetricReading.whole(part), let count = MetricReading.whole(count), count > 0, part <= count
        else { return nil }
        self.init(part: part, count: count)
    }
}
