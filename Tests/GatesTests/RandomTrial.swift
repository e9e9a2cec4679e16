import Gates
import JSON
import Model

/// A random run with a baseline and gates that test, for a second opinion: items of 0/1 and of numbers, samples, means
/// and ratios; cells that are new or vanished, items that are lacking, new or of another content; anything that goes wrong.
struct RandomTrial {
    enum Kind: CaseIterable { case rightOrWrong, numbers, latency, samples, mean, ratio }

    var rules: [GateRule] = []
    var results: Results
    var baseline: Results?
    var rate: Double
    let kind: Kind
    /// Quarantine among them.
    var waivers: [Waiver] = []
    /// Which gates are asked alone, as `needs-gates` does.
    var named: Set<String> = []

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed &* 0x9E37_79B9)
        let chance = { (share: Double, random: inout SplitMix64) in Double.random(in: 0..<1, using: &random) < share }
        kind = Kind.allCases[Int.random(in: Kind.allCases.indices, using: &random)]
        rate = [0.05, 0.05, 0.2][Int.random(in: 0..<3, using: &random)]
        let axes = Int.random(in: 1...2, using: &random)
        var places: [[Value.Member]] = [[]]
        for axis in ["a", "b"].prefix(axes) {
            let count = Int.random(in: 1...3, using: &random)
            places = places.flatMap { place in (0..<count).map { place + [Value.Member(axis, .number(Double($0)))] } }
        }
        // Few for permutations one by one, many for Student's t.
        let items = [6, 9, 11, 36, 60, 140][Int.random(in: 0..<6, using: &random)]
        let shards = Int.random(in: 1...3, using: &random)
        let drop = [0, 0, 0.1, 0.3, -0.2][Int.random(in: 0..<5, using: &random)]
        let cells = places.enumerated().map { index, values in
            ExpectedCell(
                id: "c\(index)", name: "eval (\(index))", values: values, shards: shards,
                required: !chance(0.03, &random), continueOnError: chance(0.03, &random))
        }
        var truth = SplitMix64(seed: seed)
        var older = ExpectedJob(id: "eval", cells: cells)
        var newer = older
        if chance(0.1, &random), cells.count > 1 { newer.cells.removeLast() }
        if chance(0.1, &random), cells.count > 1 { older.cells.removeFirst() }
        let withDigests = chance(0.3, &random)
        let kind = kind
        let measured = { (job: ExpectedJob, number: UInt64, drop: Double, random: inout SplitMix64) -> Results in
            var all: [SettledShard] = []
            for cell in job.cells.indices {
                let values = Self.values(
                    kind: [.ratio, .mean].contains(kind) ? .rightOrWrong : kind, items, drop, &random)
                for shard in 0..<shards {
                    let mine = values.enumerated().filter { $0.offset % shards == shard }
                    all.append(
                        Self.shard(job, cell, shard, mine.map { ($0.offset, $0.element) }, kind, withDigests))
                }
            }
            return run(job, all, number: number, tree: UInt8(number))
        }
        results = run(newer, [])
        let first = measured(older, 1, 0, &truth)
        results = measured(newer, 2, drop, &truth)
        if kind == .rightOrWrong || kind == .numbers || kind == .latency { Self.pair(&results, first, &random) }
        baseline = chance(0.05, &random) ? nil : first
        if chance(0.25, &random) { Self.disturbItems(&results, &random) }
        if chance(0.2, &random), let fault = Fault.allCases.randomElement(using: &random) {
            _ = fault.spoil(&results, kind.asRun, &random)
        }
        if chance(0.05, &random), var older = baseline, let fault = Fault.allCases.randomElement(using: &random) {
            _ = fault.spoil(&older, kind.asRun, &random)
            baseline = older
        }
        for index in 0..<Int.random(in: 1...3, using: &random) { rules.append(Self.rule(index, kind, axes, &random)) }
        if chance(0.5, &random) { named = Set(rules.filter { _ in Bool.random(using: &random) }.map(\.name)) }
        if chance(0.95, &random) {
            results.header.provenance = [.init("submitted_at", "2026-11-21T23:59:59Z")]
        }
        while chance(0.35, &random) {
            var place: [Value.Member] = []
            if chance(0.5, &random) { place = [.init("a", .number(Double(Int.random(in: 0...2, using: &random))))] }
            let subject: Waiver.Subject =
                chance(0.25, &random)
                ? .cells(job: chance(0.9, &random) ? "eval" : "other")
                : .gate("g\(Int.random(in: 0...2, using: &random))")
            let day = ["2026-11-20", "2026-11-21", "2026-11-22", "2027-01-01"][Int.random(in: 0..<4, using: &random)]
            waivers.append(Waiver(subject, place: place, reason: "known", author: "bob", lastDay: day))
        }
    }

    private static func values(kind: Kind, _ count: Int, _ drop: Double, _ random: inout SplitMix64) -> [Double] {
        (0..<count).map { _ in
            switch kind {
            case .rightOrWrong, .ratio, .mean: Double.random(in: 0..<1, using: &random) < 0.8 - drop ? 1 : 0
            case .numbers: (Double.random(in: -1...1, using: &random) - drop) * 4
            case .latency, .samples:
                ((Double.random(in: 1...3, using: &random) + drop) * 100).rounded() / 100
            }
        }
    }

    private static func shard(
        _ job: ExpectedJob, _ cell: Int, _ shard: Int, _ values: [(Int, Double)], _ kind: Kind, _ withDigests: Bool
    ) -> SettledShard {
        let numbers = values.map(\.1)
        let sum = numbers.reduce(0, +)
        let count = Double(max(1, numbers.count))
        var metrics: [NamedMetric] = []
        var items: [Item] = []
        switch kind {
        case .rightOrWrong, .numbers, .latency:
            items = values.map {
                Item(id: "q\($0.0)", digest: withDigests ? "d\($0.0)" : nil, entries: [.init("m", .number($0.1))])
            }
        case .samples: metrics = [NamedMetric("m", .samples(numbers))]
        case .mean:
            let m2 = numbers.reduce(0) { $0 + ($1 - sum / count) * ($1 - sum / count) }
            metrics = [NamedMetric("m", .mean(n: numbers.count, mean: sum / count, m2: m2))]
        case .ratio: metrics = [NamedMetric("m", .ratio(numerator: sum, denominator: Double(numbers.count)))]
        }
        return passed(job, cell: cell, shard: shard, metrics, items: items)
    }

    /// Most items come out as in the baseline, as they do where little was changed.
    private static func pair(_ results: inout Results, _ older: Results, _ random: inout SplitMix64) {
        let kept = Double.random(in: 0.3...0.95, using: &random)
        for place in results.shards.indices {
            let twin = older.shards.first {
                $0.values == results.shards[place].values && $0.shard == results.shards[place].shard
            }
            guard let twin else { continue }
            for item in results.shards[place].items.indices where Double.random(in: 0..<1, using: &random) < kept {
                results.shards[place].items[item].entries = twin.items[item].entries
            }
        }
    }

    private static func disturbItems(_ results: inout Results, _ random: inout SplitMix64) {
        for place in results.shards.indices where !results.shards[place].items.isEmpty {
            let item = Int.random(in: results.shards[place].items.indices, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: results.shards[place].items.remove(at: item)
            case 1: results.shards[place].items[item].id = "new\(place)"
            case 2: results.shards[place].items[item].digest = "other"
            case 3:
                var extra = results.shards[place].items[item]
                extra.id = "extra\(place)"
                results.shards[place].items.append(extra)
            default: break
            }
        }
    }

    private static func rule(_ index: Int, _ kind: Kind, _ axes: Int, _ random: inout SplitMix64) -> GateRule {
        let pick = { (share: Double, random: inout SplitMix64) in Double.random(in: 0..<1, using: &random) < share }
        let unit = kind == .latency || kind == .samples ? 0.5 : 0.05
        let amount: GateRule.Amount =
            [.absolute(0), .absolute(0), .absolute(unit), .percent(0), .percent(5)][
                Int.random(in: 0..<5, using: &random)]
        let limit: GateRule.Limit =
            [.dropAtMost(amount), .dropAtMost(amount), .riseAtMost(amount), .ratioAtMost(1.2)][
                Int.random(in: 0..<4, using: &random)]
        var rule = GateRule(name: "g\(index)", metric: "m", limits: [limit], baseline: .run(RunID(1)))
        if pick(0.25, &random) { rule.limits.insert(.atLeast(0.4), at: 0) }
        rule.testing.test = [.regression, .regression, .nonInferiority, .none][Int.random(in: 0..<4, using: &random)]
        switch Int.random(in: 0..<4, using: &random) {
        case 0: rule.testing.detect = .percent(20)
        case 1: rule.testing.itemsAtLeast = Int.random(in: 1...40, using: &random)
        case 2 where pick(0.2, &random): break
        default: rule.testing.detect = .absolute(unit * 4)
        }
        if pick(0.15, &random) { rule.testing.method = .mannWhitney }
        if rule.testing.method == .mannWhitney, pick(0.3, &random) { rule.statistic = .quantile(0.5) }
        rule.testing.falsePassRate = pick(0.3, &random) ? 0.2 : 0.05
        switch Int.random(in: 0..<4, using: &random) {
        case 0: rule.per = .run
        case 1: rule.per = .axes(["a"])
        case 2: rule.over = [axes > 1 ? "b" : "a"]
        default: rule.per = .cell
        }
        rule.required = pick(0.7, &random)
        rule.passesFirstOnFloor = pick(0.3, &random)
        rule.newCellsFloorOnly = pick(0.3, &random)
        if pick(0.05, &random) { rule.weightedByCount = true }
        // Tests are about means: for others both say so.
        if pick(rule.testing.test == .none ? 0.5 : 0.03, &random) {
            rule.weightedByCount = false
            rule.aggregate = Bool.random(using: &random) ? .worst : .quantile(0.7)
        }
        return rule
    }

    /// Whether an id stands for something else than in the baseline, and in fewer than one of twenty items.
    var hasOtherContents: Bool {
        kind == .rightOrWrong && results.shards.contains { shard in shard.items.contains { $0.digest == "other" } }
            && baseline?.shards.first?.items.first?.digest != nil && (baseline?.shards[0].items.count ?? 0) > 30
            && rules.contains { $0.testing.test == .regression }
    }

    // MARK: both opinions

    var judged: Judgement {
        let source: ResolvedBaseline.Source = baseline.map { .found($0, name: "r1") } ?? .absent("none")
        return judge(
            rules, results: results, baselines: [ResolvedBaseline(.run(RunID(1)), source)],
            terms: JudgingTerms(falseBlockRate: rate, waivers: waivers))
    }

    /// The gates of `named`, asked alone.
    var judgedAlone: [GateJudgement] {
        let source: ResolvedBaseline.Source = baseline.map { .found($0, name: "r1") } ?? .absent("none")
        return judgeGates(
            rules, named: named, results: results, baselines: [ResolvedBaseline(.run(RunID(1)), source)],
            terms: JudgingTerms(falseBlockRate: rate, waivers: waivers))
    }

    /// What the oracle reads.
    var line: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("rate")
        writer.number(rate)
        writer.key("rules")
        writer.value(.array(rules.map(Self.written)))
        writer.key("waivers")
        writer.value(
            .array(
                waivers.map { waiver in
                    var (gate, job): (Value, Value) = (.null, .null)
                    switch waiver.subject {
                    case .gate(let name): gate = .string(name)
                    case .cells(let id): job = .string(id)
                    }
                    return [
                        "gate": gate, "job": job, "where": .object(waiver.place), "until": .string(waiver.lastDay),
                    ]
                }))
        writer.key("named")
        writer.value(.array(named.sorted().map(Value.string)))
        writer.key("results")
        Self.write(results, into: &writer)
        writer.key("baseline")
        if let baseline { Self.write(baseline, into: &writer) } else { writer.null() }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func write(_ results: Results, into writer: inout JSONWriter) {
        writer.beginArray()
        for line in ResultsFile.write(results).split(separator: 0x0A) { writer.verbatim(Array(line)) }
        writer.endArray()
    }

    static func written(_ rule: GateRule) -> Value {
        let amount = { (amount: GateRule.Amount) -> [Value] in
            switch amount {
            case .absolute(let number): [.number(number), ""]
            case .percent(let number): [.number(number), "%"]
            }
        }
        let limits = rule.limits.map { limit -> Value in
            switch limit {
            case .atLeast(let bound): ["at-least", .number(bound)]
            case .atMost(let bound): ["at-most", .number(bound)]
            case .between(let low, let high): ["between", .number(low), .number(high)]
            case .dropAtMost(let most): .array(["drop-at-most"] + amount(most))
            case .riseAtMost(let most): .array(["rise-at-most"] + amount(most))
            case .ratioAtMost(let most): ["ratio-at-most", .number(most), ""]
            }
        }
        var per: Value = "cell"
        if rule.per == .run { per = "run" }
        if case .axes(let axes) = rule.per { per = .array(axes.map(Value.string)) }
        var aggregate: Value = "mean"
        if rule.aggregate == .worst { aggregate = "worst" }
        if case .quantile(let q) = rule.aggregate { aggregate = ["quantile": .number(q)] }
        var statistic: Value = .null
        if case .quantile(let q) = rule.statistic { statistic = .number(q) }
        return [
            "name": .string(rule.name), "metric": .string(rule.metric), "statistic": statistic, "per": per,
            "over": .array(rule.over.map(Value.string)), "aggregate": aggregate,
            "weight": .boolean(rule.weightedByCount),
            "better": rule.better.map { .string($0.rawValue) } ?? .null, "limits": .array(limits),
            "test": .string(rule.testing.test.rawValue),
            "method": rule.testing.method.map { .string($0.rawValue) } ?? .null,
            "detect": rule.testing.detect.map { .array(amount($0)) } ?? .null,
            "n_at_least": rule.testing.itemsAtLeast.map { .number(Double($0)) } ?? .null,
            "false_pass_rate": .number(rule.testing.falsePassRate), "first": .boolean(rule.passesFirstOnFloor),
            "new_cells": .boolean(rule.newCellsFloorOnly), "required": .boolean(rule.required), "when": .null,
        ]
    }
}

extension RandomTrial.Kind {
    /// How faults are to see it.
    var asRun: RandomRun.Kind {
        switch self {
        case .rightOrWrong, .numbers, .latency: .items
        case .samples: .samples
        case .mean: .mean
        case .ratio: .ratio
        }
    }
}
