import Gates
import Model
import Testing

/// What must hold of any judging; each returns what it found wrong. The real one must give nothing, and each planted
/// fault must be caught by at least one.
enum Checker {
    static let all: [(name: String, check: @Sendable (Judging, Range<UInt64>) -> [String])] = [
        ("fails closed", failsClosed), ("is monotone", isMonotone), ("ignores the split", ignoresSplit),
        ("merges exactly", mergesExactly), ("survives export", survivesExport),
    ]

    /// A run whose gates pass, spoiled in one place, does not pass.
    static func failsClosed(_ judging: Judging, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds {
            let whole = RandomRun(seed: seed, passing: true)
            if whole.judged(judging).verdict != .pass {
                wrong.append(
                    "seed \(seed): a healthy run does not pass: \(String(decoding: whole.judged(judging).json, as: UTF8.self))"
                )
                continue
            }
            var random = SplitMix64(seed: seed ^ 0xFA17)
            for fault in Fault.allCases {
                var spoiled = whole
                guard fault.spoil(&spoiled.results, whole.kind, &random) else { continue }
                let judgement = spoiled.judged(judging)
                if judgement.verdict <= .waived { wrong.append("seed \(seed): \(fault) passes") }
                if judgement.exitCode == 0 { wrong.append("seed \(seed): \(fault) exits with 0") }
                // The metric's own gates see it too, not only `jobs`.
                if judgement.gates.dropFirst().allSatisfy({ $0.verdict <= .waived }) {
                    wrong.append("seed \(seed): no gate minds \(fault)")
                }
                if fault.isContradiction && judgement.verdict != .fail {
                    wrong.append("seed \(seed): \(fault) is no fail")
                }
            }
        }
        return wrong
    }

    /// Making one value worse never makes a verdict better.
    static func isMonotone(_ judging: Judging, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds {
            var whole = RandomRun(seed: seed, passing: false)
            var random = SplitMix64(seed: seed ^ 0x3070)
            let isHigherBetter = Bool.random(using: &random)
            whole.rules = whole.rules.map { rule in
                var rule = rule
                rule.limits = rule.limits.filter { limit in
                    switch limit {
                    case .atLeast, .dropAtMost: isHigherBetter
                    case .atMost, .riseAtMost, .ratioAtMost: !isHigherBetter
                    case .between: false
                    }
                }
                rule.better = isHigherBetter ? .higher : .lower
                return rule
            }.filter { !$0.limits.isEmpty }
            let before = whole.judged(judging)
            var worse = whole
            worsen(&worse.results, isHigherBetter, &random)
            let after = worse.judged(judging)
            for (a, b) in zip(before.gates, after.gates) {
                for (x, y) in zip(a.groups, b.groups) where y.verdict < x.verdict {
                    wrong.append("seed \(seed): \(a.name) went from \(x.verdict) to \(y.verdict): \(y.reason)")
                }
            }
            if after.verdict < before.verdict { wrong.append("seed \(seed): the run got better") }
        }
        return wrong
    }

    private static func worsen(_ results: inout Results, _ isHigherBetter: Bool, _ random: inout SplitMix64) {
        let shard = Int.random(in: results.shards.indices, using: &random)
        let step = (isHigherBetter ? -1 : 1) * Double.random(in: 0.001...0.4, using: &random)
        if !results.shards[shard].items.isEmpty {
            let item = Int.random(in: results.shards[shard].items.indices, using: &random)
            guard case .number(let number) = results.shards[shard].items[item].entries[0].number else { return }
            results.shards[shard].items[item].entries[0].number = .number(number + step)
            return
        }
        switch results.shards[shard].metrics[0].value {
        case .mean(let n, let mean, let m2):
            results.shards[shard].metrics[0].value = .mean(n: n, mean: mean + step, m2: m2)
        case .ratio(let numerator, let denominator):
            results.shards[shard].metrics[0].value = .ratio(numerator: numerator + step, denominator: denominator)
        case .sum(let value): results.shards[shard].metrics[0].value = .sum(value + step)
        case .count(let count): results.shards[shard].metrics[0].value = .count(max(0, count + (step < 0 ? -9 : 9)))
        case .min(let value): results.shards[shard].metrics[0].value = .min(value + step)
        case .max(let value): results.shards[shard].metrics[0].value = .max(value + step)
        case .samples(var values):
            values[Int.random(in: values.indices, using: &random)] += step
            results.shards[shard].metrics[0].value = .samples(values)
        case .plain, .quantiles, .refused: return
        }
    }

    /// 1, 7 or 64 shards in any order: the same bytes.
    static func ignoresSplit(_ judging: Judging, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds.prefix(2000) {
            var random = SplitMix64(seed: seed)
            let cells = (0..<3).map { _ in
                (0..<Int.random(in: 64...200, using: &random)).map { index -> Item in
                    let value = Double.random(in: -1...1, using: &random) * [1, 1e-9, 1e12][index % 3]
                    return Item(
                        id: "q\(index)",
                        entries: [
                            .init("m", .number(value)),
                            .init("hit", .number(Double(Int.random(in: 0...1, using: &random)))),
                        ])
                }
            }
            var rules = [GateRule(.atLeast(0), metric: "m"), GateRule(.atLeast(0.5), metric: "hit")]
            rules[1].name = "hits"
            var median = GateRule(.atMost(0.1), metric: "m")
            (median.name, median.per, median.statistic) = ("median", .run, .quantile(0.5))
            var weighed = GateRule(.atMost(0.5), metric: "hit")
            (weighed.name, weighed.per, weighed.weightedByCount) = ("weighed", .run, true)
            rules += [median, weighed]
            let bytes = [1, 7, 64].map { count -> [UInt8] in
                let job = job(cells: 3, shards: count)
                var shards: [SettledShard] = []
                for (cell, items) in cells.enumerated() {
                    var parts = Array(repeating: [Item](), count: count)
                    for (index, item) in items.shuffled(using: &random).enumerated() {
                        parts[index % count].append(item)
                    }
                    for shard in 0..<count {
                        let extra: [NamedMetric] = [NamedMetric("size", .count(parts[shard].count))]
                        shards.append(
                            passed(
                                job, cell: cell, shard: shard, extra, items: parts[shard],
                                assigned: parts[shard].map(\.id)))
                    }
                }
                return judging(rules, run(job, shards.shuffled(using: &random)), [], [:]).json
            }
            if Set(bytes).count != 1 {
                wrong.append("seed \(seed): \(bytes.map { String(decoding: $0, as: UTF8.self) })")
            }
        }
        return wrong
    }

    /// Shards of unequal size: the cell's value is that of all its items together.
    static func mergesExactly(_ judging: Judging, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds.prefix(20_000) {
            var random = SplitMix64(seed: seed)
            let parts = (0..<Int.random(in: 2...6, using: &random)).map { _ in
                (0..<Int.random(in: 1...30, using: &random)).map { _ in Int.random(in: 0...64, using: &random) }
            }
            let all = parts.joined().map(Double.init).sorted()
            // Sums of small whole numbers are exact in doubles, so these are the true values.
            let mean = all.reduce(0, +) / Double(all.count)
            let sum = all.reduce(0, +)
            let metrics: [(String, MetricForm, Double)] = [
                ("mean", { .mean(n: $0.count, mean: $0.reduce(0, +) / Double($0.count), m2: 0) }, mean),
                ("ratio", { .ratio(numerator: $0.reduce(0, +), denominator: Double($0.count)) }, mean),
                ("sum", { .sum($0.reduce(0, +)) }, sum), ("count", { .count(Int($0.reduce(0, +))) }, sum),
                ("min", { .min($0.min() ?? 0) }, all[0]), ("max", { .max($0.max() ?? 0) }, all[all.count - 1]),
                ("samples", { .samples($0) }, mean),
            ]
            let job = job(shards: parts.count)
            var next = 0
            let shards = parts.enumerated().map { shard, values -> SettledShard in
                let numbers = values.map(Double.init)
                defer { next += values.count }
                return passed(
                    job, shard: shard, metrics.map { NamedMetric($0.0, $0.1(numbers)) },
                    items: items(numbers, from: next, metric: "item"))
            }
            let rules = (metrics.map(\.0) + ["item"]).map { name in
                var rule = GateRule(.atLeast(-1), metric: name)
                rule.name = name
                return rule
            }
            let judgement = judging(rules, run(job, shards), [], [:])
            let expected = metrics.map(\.2) + [mean]
            for (gate, value) in zip(judgement.gates.dropFirst(), expected) {
                let got = gate.groups[0].value ?? .nan
                if !((got - value).magnitude <= 1e-12 * value.magnitude) {
                    wrong.append("seed \(seed): \(gate.name) is \(got), not \(value)")
                }
            }
        }
        return wrong
    }

    /// What is read back from an export is judged alike, to the byte.
    static func survivesExport(_ judging: Judging, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds {
            var whole = RandomRun(seed: seed, passing: seed % 2 == 0)
            var random = SplitMix64(seed: seed ^ 0xE4)
            if let fault = Fault.allCases.randomElement(using: &random), seed % 3 == 0 {
                _ = fault.spoil(&whole.results, whole.kind, &random)
            }
            guard let read = reread(whole.results), case .found(let older, let name) = whole.baselines[0].source,
                let olderRead = reread(older)
            else {
                wrong.append("seed \(seed): an export cannot be read")
                continue
            }
            var again = whole
            again.results = read
            again.baselines[0].source = .found(olderRead, name: name)
            if again.judged(judging) != whole.judged(judging)
                || again.judged(judging).json != whole.judged(judging).json
            {
                wrong.append("seed \(seed): an export is judged otherwise")
            }
        }
        return wrong
    }

    typealias MetricForm = ([Double]) -> MetricValue

    private static func reread(_ results: Results) -> Results? {
        // `try?`: a failure to read is what the checker reports.
        try? ResultsFile.read(ResultsFile.write(results), file: "r.jsonl").results
    }
}

/// One thing that goes wrong with one shard's evidence.
enum Fault: CaseIterable {
    case shardMissing, shardTwice, shardStale, cellMissing, causeInfrastructure, causeUser, causeCancelled,
        causeNotNeeded
    case metricMissing, metricRefused, metricTwice, fileRefused, kindDiffers, measuredOnNothing
    case itemMissing, itemTwice, itemRefused, itemWithoutMetric, itemForeign, itemsNone

    /// Evidence that speaks against itself fails; what is only missing is incomplete.
    var isContradiction: Bool {
        switch self {
        case .shardTwice, .metricRefused, .metricTwice, .fileRefused, .kindDiffers, .itemTwice, .itemRefused: true
        case .shardMissing, .shardStale, .cellMissing, .causeInfrastructure, .causeUser, .causeCancelled,
            .causeNotNeeded, .metricMissing, .measuredOnNothing, .itemMissing, .itemWithoutMetric, .itemForeign,
            .itemsNone:
            false
        }
    }

    /// - Returns: whether the fault can happen to these results at all.
    func spoil(_ results: inout Results, _ kind: RandomRun.Kind, _ random: inout SplitMix64) -> Bool {
        let place = Int.random(in: results.shards.indices, using: &random)
        let shard = results.shards[place]
        let refused = RefusedMetric(text: "NaN", reason: "not a number", file: "metrics.json", line: 1)
        let item = shard.items.isEmpty ? 0 : Int.random(in: shard.items.indices, using: &random)
        let perItem = kind == .items
        switch self {
        case .shardMissing: results.shards.remove(at: place)
        case .shardTwice: results.shards.append(shard)
        case .shardStale: results.shards[place].shardCount += 1
        case .cellMissing: results.shards.removeAll { $0.cell == shard.cell }
        case .causeInfrastructure: results.shards[place].cause = Cause(.lostAgent)
        case .causeUser: results.shards[place].cause = Cause(.userExit, code: 1)
        case .causeCancelled: results.shards[place].cause = Cause(.cancelled)
        case .causeNotNeeded: results.shards[place].cause = Cause(.notNeeded)
        case .metricMissing:
            guard !perItem else { return false }
            results.shards[place].metrics = []
        case .metricRefused:
            if perItem { results.shards[place].metrics = [] } else { results.shards[place].metrics.removeAll() }
            results.shards[place].metrics.append(NamedMetric("m", .refused(refused)))
        case .metricTwice:
            guard !perItem else { return false }
            results.shards[place].metrics.append(shard.metrics[0])
        case .fileRefused: results.shards[place].metrics.insert(NamedMetric("", .refused(refused)), at: 0)
        case .kindDiffers:
            guard !perItem, results.shards.count(where: { $0.cell == shard.cell }) > 1 else { return false }
            if case .sum = shard.metrics[0].value {
                results.shards[place].metrics[0].value = .max(1)
            } else {
                results.shards[place].metrics[0].value = .sum(1)
            }
        case .measuredOnNothing:
            // Whatever the cell's other shards measured.
            switch kind {
            case .mean: results.shards[place].metrics[0].value = .mean(n: 0, mean: 0, m2: 0)
            case .ratio: results.shards[place].metrics[0].value = .ratio(numerator: 0, denominator: 0)
            case .samples: results.shards[place].metrics[0].value = .samples([])
            case .items, .sum, .count, .min, .max: return false
            }
        case .itemMissing:
            guard perItem, shard.assigned != nil else { return false }
            results.shards[place].items.remove(at: item)
        case .itemTwice:
            guard perItem else { return false }
            results.shards[place].items.append(shard.items[item])
        case .itemRefused:
            guard perItem else { return false }
            results.shards[place].items[item].entries[0].number = .refused(refused)
        case .itemWithoutMetric:
            guard perItem else { return false }
            results.shards[place].items[item].entries = []
        case .itemForeign:
            guard perItem, shard.assigned != nil else { return false }
            results.shards[place].items[item].id = "nobody's"
        case .itemsNone:
            guard perItem else { return false }
            results.shards[place].items = []
        }
        return true
    }
}

@Suite struct `The judging` {
    @Test func `fails closed`() { #expect(Checker.failsClosed(judge, seeds(60, deep: 4000)).prefix(3) == []) }
    @Test func `is monotone`() { #expect(Checker.isMonotone(judge, seeds(600, deep: 20_000)).prefix(3) == []) }
    @Test func `ignores how cells were split`() {
        #expect(Checker.ignoresSplit(judge, seeds(6, deep: 200)).prefix(3) == [])
    }
    @Test func `merges exactly`() { #expect(Checker.mergesExactly(judge, seeds(60, deep: 4000)).prefix(3) == []) }
    @Test func `survives an export`() { #expect(Checker.survivesExport(judge, seeds(150, deep: 8000)).prefix(3) == []) }

    /// Faults as they are really made, planted before the real judging; each must be caught.
    static let planted: [(name: String, judging: Judging)] = [
        (
            "skips NaN",
            planted { shard in
                shard.metrics.removeAll { if case .refused = $0.value { true } else { false } }
                for item in shard.items.indices {
                    shard.items[item].entries.removeAll { if case .refused = $0.number { true } else { false } }
                }
                shard.items.removeAll { $0.entries.isEmpty }
            }
        ),
        (
            "reads NaN as 0",
            planted { shard in
                for place in shard.metrics.indices {
                    if case .refused = shard.metrics[place].value {
                        shard.metrics[place].value = .mean(n: 1, mean: 0, m2: 0)
                    }
                }
            }
        ),
        ("takes failed attempts", planted { $0.cause = Cause(.passed) }),
        (
            "averages averages",
            { rules, results, baselines, conditions in
                var results = results
                for index in results.shards.indices {
                    results.shards[index].metrics = results.shards[index].metrics.map { metric in
                        guard case .ratio(let numerator, let denominator) = metric.value, denominator != 0 else {
                            return metric
                        }
                        return NamedMetric(metric.name, .mean(n: 1, mean: numerator / denominator, m2: 0))
                    }
                }
                return judge(rules, results: results, baselines: baselines, conditions: conditions)
            }
        ),
        (
            "counts each shard once",
            planted { shard in
                guard !shard.items.isEmpty else { return }
                let names = shard.items[0].entries.map(\.name)
                for name in names {
                    let numbers = shard.items.compactMap { item -> Double? in
                        guard case .number(let number)? = item.entries.first(where: { $0.name == name })?.number else {
                            return nil
                        }
                        return number
                    }
                    let mean = numbers.reduce(0, +) / Double(max(1, numbers.count))
                    shard.metrics.append(NamedMetric(name, .mean(n: 1, mean: mean, m2: 0)))
                }
                shard.items = []
                shard.assigned = nil
            }
        ),
        (
            "expects only what came",
            { rules, results, baselines, conditions in
                var results = results
                results.header.jobs = ExpectedJob.seen(in: results.shards)
                return judge(rules, results: results, baselines: baselines, conditions: conditions)
            }
        ),
        (
            "lets the last one win",
            { rules, results, baselines, conditions in
                var results = results
                var last: [String: SettledShard] = [:]
                for shard in results.shards { last["\(shard.cell)/\(shard.shard)"] = shard }
                results.shards = last.sorted { $0.key < $1.key }.map(\.value)
                return judge(rules, results: results, baselines: baselines, conditions: conditions)
            }
        ),
        (
            "drops the last item of a shard",
            planted { shard in
                guard shard.items.count > 1 else { return }
                let last = shard.items.removeLast()
                shard.assigned = shard.assigned.map { TextColumn($0.filter { $0 != last.id }) }
            }
        ),
    ]

    private static func planted(_ change: @escaping @Sendable (inout SettledShard) -> Void) -> Judging {
        { rules, results, baselines, conditions in
            var results = results
            for index in results.shards.indices { change(&results.shards[index]) }
            return judge(rules, results: results, baselines: baselines, conditions: conditions)
        }
    }

    @Test func `catches each planted fault`() {
        for (name, judging) in Self.planted {
            let isCaught = Checker.all.contains { !$0.check(judging, 0..<4).isEmpty }
            #expect(isCaught, "\(name) is not caught")
        }
        // A gate that improves when a value gets worse, and one whose answer depends on order.
        let upsideDown: Judging = { rules, results, baselines, conditions in
            let rules = rules.map { rule in
                var rule = rule
                rule.limits = rule.limits.map { limit in
                    switch limit {
                    case .atLeast(let bound): .atMost(bound)
                    case .dropAtMost(let amount): .riseAtMost(amount)
                    case .atMost, .between, .riseAtMost, .ratioAtMost: limit
                    }
                }
                return rule
            }
            return judge(rules, results: results, baselines: baselines, conditions: conditions)
        }
        #expect(!Checker.isMonotone(upsideDown, 0..<60).isEmpty)
    }
}
