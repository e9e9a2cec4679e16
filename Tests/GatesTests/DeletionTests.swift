import Foundation
import Gates
import Model
import Testing

/// Leaving evidence out, of whatever cell, never helps: neither the run, nor the group, nor any other group.
@Suite struct `Evidence that is left out` {
    // MARK: runs to take from

    /// Few cells that waver differently, with waivers, floors and families: where one group's noise meets another's verdict.
    private static func wavering(_ seed: UInt64) -> RandomTrial {
        var trial = RandomTrial(seed: 0)
        var random = SplitMix64(seed: seed ^ 0xDE1E)
        let chance = { (share: Double, random: inout SplitMix64) in Double.random(in: 0..<1, using: &random) < share }
        let pick = { (numbers: [Double], random: inout SplitMix64) in
            numbers[Int.random(in: 0..<numbers.count, using: &random)]
        }
        let count = Int.random(in: 2...4, using: &random)
        let items = Int(pick([8, 20, 40, 60, 100], &random))
        let shards = Int.random(in: 1...2, using: &random)
        let isNumeric = chance(0.2, &random)
        // Without a baseline's items only the plan tells which ones had to be there.
        let hasFloor = chance(0.5, &random)
        let cells = (0..<count).map { index in
            ExpectedCell(
                id: "c\(index)", name: "eval (\(index))",
                values: [.init("a", .number(Double(index / 2))), .init("b", .number(Double(index % 2)))],
                shards: shards)
        }
        let job = ExpectedJob(id: "eval", cells: cells)
        var older = ExpectedJob(id: "eval", cells: cells)
        if chance(0.25, &random) { older.cells.removeLast() }
        var (ours, theirs): ([SettledShard], [SettledShard]) = ([], [])
        for cell in 0..<count {
            let (flips, drop) = (pick([0, 0.02, 0.1, 0.3], &random), pick([0, 0, 0.1], &random))
            let withFile = chance(0.2, &random)
            let truth = (0..<items).map { _ in
                isNumeric ? Double(Int.random(in: 0...9, using: &random)) : chance(0.8, &random) ? 1.0 : 0
            }
            let now = truth.map { value in
                if chance(drop, &random) { return isNumeric ? value - 1 : 0 }
                guard chance(flips, &random) else { return value }
                return isNumeric ? value + Double.random(in: -3...3, using: &random) : 1 - value
            }
            let shard = { (job: ExpectedJob, shard: Int, values: [Double]) -> SettledShard in
                let own = values.indices.filter { $0 % shards == shard }
                let sum = own.reduce(0) { $0 + values[$1] }
                return passed(
                    job, cell: cell, shard: shard,
                    withFile ? [NamedMetric("m", .ratio(numerator: sum, denominator: Double(own.count)))] : [],
                    items: own.map { Item(id: "q\($0)", entries: [.init("m", .number(values[$0]))]) },
                    assigned: hasFloor ? own.map { "q\($0)" } : nil)
            }
            ours += (0..<shards).map { shard(job, $0, now) }
            if cell < older.cells.count { theirs += (0..<shards).map { shard(older, $0, truth) } }
        }
        trial.results = run(job, ours)
        trial.results.header.provenance = [.init("submitted_at", "2026-11-21T23:59:59Z")]
        trial.baseline = run(older, theirs, number: 1, tree: 1)
        trial.rate = pick([0.05, 0.2], &random)
        trial.rules = (0..<Int.random(in: 1...2, using: &random)).map { number in
            let limit: GateRule.Limit =
                chance(0.6, &random)
                ? .dropAtMost(.absolute(0))
                : chance(0.5, &random) ? .dropAtMost(.absolute(0.05)) : .dropAtMost(.percent(5))
            var rule = GateRule(name: "g\(number)", metric: "m", limits: [limit], baseline: .run(RunID(1)))
            switch Int.random(in: 0..<5, using: &random) {
            case 0: rule.testing = .init(.nonInferiority)
            case 1: break
            case 2: rule.testing = .init(.regression, itemsAtLeast: items)
            default: rule.testing = .init(.regression, detect: .absolute(pick([0.05, 0.1, 0.2, 0.4], &random)))
            }
            if chance(0.3, &random) { rule.per = chance(0.5, &random) ? .run : .axes(["a"]) }
            if chance(0.1, &random) { rule.over = ["b"] }
            rule.required = chance(0.8, &random)
            rule.newCellsFloorOnly = chance(0.5, &random)
            return rule
        }
        if hasFloor {
            var floor = GateRule(name: "floor", metric: "m", limits: [.atLeast(pick([0, 0.5, 0.8], &random))])
            if chance(0.4, &random) { floor.per = .run }
            trial.rules.append(floor)
        }
        trial.waivers = (0..<Int.random(in: 0...2, using: &random)).map { _ in
            let place: [Value.Member] =
                chance(0.3, &random) ? [] : [.init("a", .number(Double(Int.random(in: 0...1, using: &random))))]
            return Waiver(
                .gate("g\(Int.random(in: 0...1, using: &random))"), place: place, reason: "known", author: "bob",
                lastDay: "2027-01-01")
        }
        return trial
    }

    /// Whether nothing in it speaks against itself: what does may stop to, where some of it goes.
    private static func isWhole(_ results: Results) -> Bool {
        var seen: Set<String> = []
        return results.shards.allSatisfy { shard in
            shard.cause.kind == .passed && seen.insert("\(shard.cell) \(shard.shard)").inserted
                && Set(shard.metrics.map(\.name)).count == shard.metrics.count
                && shard.metrics.allSatisfy { if case .refused = $0.value { false } else { true } }
                && shard.items.allSatisfy { item in
                    let isNumber = { (entry: Item.Entry) in if case .number = entry.number { true } else { false } }
                    return seen.insert("\(shard.cell)/\(item.id)").inserted && item.entries.allSatisfy(isNumber)
                }
        }
    }

    /// Takes something away from one cell: anything of the candidate's, and of the baseline's what its plan says was there.
    ///
    /// - Returns: the cell's id.
    private static func take(
        from results: inout Results, isBaseline: Bool = false, _ random: inout SplitMix64
    ) -> String? {
        guard let place = results.shards.indices.randomElement(using: &random) else { return nil }
        let cell = results.shards[place].cell
        let all = results.shards[place].items.count
        switch Int.random(in: 0..<(isBaseline ? 3 : 8), using: &random) {
        case 0: results.shards.remove(at: place)
        case 1: results.shards.removeAll { $0.cell == cell }
        case 2: results.shards[place].metrics = []
        case 3: results.shards[place].items = []
        case 4:
            for other in results.shards.indices where results.shards[other].cell == cell {
                results.shards[other].items = []
            }
        case 5 where all > 0:
            let item = Int.random(in: 0..<all, using: &random)
            results.shards[place].items[item].entries = []
        default:
            let most = [1, 2, max(1, all / 8)][Int.random(in: 0..<3, using: &random)]
            for _ in 0..<min(most, all) {
                results.shards[place].items.remove(
                    at: Int.random(in: results.shards[place].items.indices, using: &random))
            }
        }
        return cell
    }

    private static func improvements(_ before: Judgement, _ after: Judgement, taken: Set<String>) -> [String] {
        var wrong: [String] = []
        if before.exitCode != 0 && after.exitCode == 0 { wrong.append("the run is blocked no longer") }
        for (a, b) in zip(before.gates.dropFirst(), after.gates.dropFirst()) {
            for x in a.groups {
                guard let y = b.groups.first(where: { $0.place == x.place }), y.verdict < x.verdict else { continue }
                let isTouched = x.restsOn.contains { taken.contains($0.cell) }
                // What failed may become undecided or incomplete by its own evidence, never more than that.
                guard y.verdict <= .waived || !isTouched else { continue }
                wrong.append("\(a.name): \(x.verdict) to \(y.verdict): \(x.reason) -> \(y.reason)")
            }
        }
        return wrong
    }

    private static func wrong(
        _ seeds: Range<UInt64>, _ judging: (RandomTrial) -> Judgement
    ) -> (sentences: [String], tried: Int, waived: Int) {
        var (sentences, tried, waived) = ([String](), 0, 0)
        for seed in seeds {
            var trial = seed % 3 == 0 ? RandomTrial(seed: seed) : wavering(seed)
            if seed % 3 == 0 {
                // Its plans assign no items, so only what is held against a baseline's can tell that some are gone.
                guard trial.baseline != nil else { continue }
                for place in trial.rules.indices { trial.rules[place].limits.removeAll { !$0.needsBaseline } }
                // Nor can anything tell that an item is gone which the baseline does not have.
                for place in trial.results.shards.indices {
                    for item in trial.results.shards[place].items.indices.reversed()
                    where ["new", "extra"].contains(where: trial.results.shards[place].items[item].id.hasPrefix) {
                        trial.results.shards[place].items.remove(at: item)
                    }
                }
            }
            guard isWhole(trial.results), trial.baseline.map(isWhole) ?? true else { continue }
            tried += 1
            var random = SplitMix64(seed: seed ^ 0x7A4E)
            var fewer = trial
            var taken: Set<String> = []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                if var older = fewer.baseline, Int.random(in: 0..<6, using: &random) == 0 {
                    if let cell = take(from: &older, isBaseline: true, &random) { taken.insert(cell) }
                    fewer.baseline = older
                } else if let cell = take(from: &fewer.results, &random) {
                    taken.insert(cell)
                }
            }
            let before = judging(trial)
            if before.gates.contains(where: { $0.groups.contains { $0.verdict == .waived } }) { waived += 1 }
            sentences += improvements(before, judging(fewer), taken: taken).map { "seed \(seed): \($0)" }
        }
        return (sentences, tried, waived)
    }

    @Test func `never helps anybody`() {
        let seeds = seeds(2500, deep: 130_000)
        let (wrong, tried, waived) = Self.wrong(seeds) { $0.judged }
        #expect(wrong.prefix(3) == [])
        #expect(tried * 10 > seeds.count * 7 && waived * 10 > seeds.count, "\(tried) tried, \(waived) with waivers")
    }

    /// Means over cells, summed in another order, rose by 1.1e-16 above a limit of 0: what was deleted made that a pass.
    @Test func `never helps by the order in which cells are summed`() {
        #expect(Self.wrong(68_613..<68_614) { $0.judged }.sentences == [])
        #expect(Self.wrong(68_613..<68_614) { $0.judged }.tried == 1)
    }

    // MARK: the holes that were

    /// Two cells of 60 items on the axis x: so many lost and gained in each.
    private func pair(_ changes: [(lost: Int, gained: Int)], items count: Int = 60) -> (ours: Results, theirs: Results)
    {
        let job = job(cells: changes.count)
        let side = { (isNew: Bool, number: UInt64) in
            run(
                job,
                changes.enumerated().map { cell, change in
                    let values = (0..<count).map { item -> Double in
                        if item < change.lost { return isNew ? 0 : 1 }
                        if item < change.lost + change.gained { return isNew ? 1 : 0 }
                        return 1
                    }
                    return passed(job, cell: cell, items: items(values))
                }, number: number, tree: UInt8(number),
                provenance: [.init("submitted_at", "2026-11-21T10:00:00Z")])
        }
        return (side(true, 2), side(false, 1))
    }

    private func verdicts(_ changes: [(lost: Int, gained: Int)], lose lost: Int?, detect: Double) -> [Verdict] {
        var (ours, theirs) = pair(changes)
        if let lost { ours.shards[lost].items = [] }
        var rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        rule.testing = .init(.regression, detect: .absolute(detect))
        return judge([rule], results: ours, baselines: baseline(theirs)).gates[1].groups.map(\.verdict)
    }

    /// All groups together may say that fewer items are enough; only while all of them are there.
    @Test func `gives no group the noise of those that are left`() {
        // The second cell wavers little and is enough by itself, whatever the first one says or does not.
        #expect(verdicts([(20, 20), (6, 6)], lose: nil, detect: 0.1) == [.inconclusive, .pass])
        #expect(verdicts([(20, 20), (6, 6)], lose: 0, detect: 0.1) == [.incomplete, .pass])
        // The second one wavers too much by itself, and passes by what the others say while they are there.
        #expect(verdicts([(0, 0), (9, 9), (0, 0)], lose: nil, detect: 0.1) == [.pass, .pass, .pass])
        #expect(verdicts([(0, 0), (9, 9), (0, 0)], lose: 0, detect: 0.1) == [.incomplete, .inconclusive, .pass])
    }

    /// An outlier more widens Student's interval: what was shown would be shown no longer.
    @Test func `does not count as wrong where that could help`() {
        // Forty items in ten cells, three of them lost in one cell each: a drop that is shown. Then one item more in none.
        let job = job(cells: 10)
        let side = { (isNew: Bool, gap: Bool, number: UInt64) in
            run(
                job,
                (0..<10).map { cell in
                    let values = (0..<40).map { isNew && $0 < 3 && cell == 0 ? 0.0 : 1 }
                    var own = items(values)
                    if gap { own.removeLast() }
                    return passed(job, cell: cell, items: own)
                }, number: number, tree: UInt8(number))
        }
        var rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        (rule.per, rule.testing) = (.run, .init(.regression, itemsAtLeast: 30))
        let before = group(rule, side(true, false, 2), baseline(side(false, false, 1)))
        #expect(before.verdict == .fail && before.test?.method == "paired t", "\(before.reason)")
        let after = group(rule, side(true, true, 2), baseline(side(false, false, 1)))
        #expect(after.verdict == .incomplete, "\(after.reason)")
    }

    /// Items of a cell whose neighbour's baseline has none are held against theirs all the same.
    @Test func `is noticed beside a cell that cannot be paired`() {
        let job = job(cells: 2)
        let theirs = run(
            job,
            [passed(job, items: items([1, 1, 0, 0])), passed(job, cell: 1, [NamedMetric("accuracy", .plain(1))])],
            number: 1, tree: 1)
        let ours = { (values: [Double]) in
            run(job, [passed(job, items: items(values)), passed(job, cell: 1, items: items([1, 1, 1, 1]))])
        }
        var rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        rule.per = .run
        for values in [[1, 1, 0, 0], [1.0, 1]] {
            #expect(group(rule, ours(values), baseline(theirs)).verdict == .inconclusive, "\(values)")
        }
    }
}
