import Gates
import Model

/// A random run with its gates and a baseline: several axes, shards and kinds of metrics.
struct RandomRun {
    var rules: [GateRule]
    var results: Results
    var baselines: [ResolvedBaseline]

    /// How the metric `m` is reported.
    enum Kind: CaseIterable { case items, mean, ratio, sum, count, min, max, samples }

    let kind: Kind

    /// - Parameter passing: whether the limits are chosen so that every gate passes.
    init(seed: UInt64, passing: Bool) {
        var random = SplitMix64(seed: seed)
        kind = Kind.allCases[Int.random(in: Kind.allCases.indices, using: &random)]
        let axes = Int.random(in: 1...3, using: &random)
        var cells: [[Value.Member]] = [[]]
        for axis in ["a", "b", "c"].prefix(axes) {
            let count = Int.random(in: 1...3, using: &random)
            cells = cells.flatMap { cell in (0..<count).map { cell + [Value.Member(axis, .number(Double($0)))] } }
        }
        let shards = Int.random(in: 1...4, using: &random)
        let declares = kind == .items && Bool.random(using: &random)
        let job = ExpectedJob(
            id: "eval",
            cells: cells.enumerated().map { index, values in
                ExpectedCell(
                    id: "c\(index)", name: "eval (\(index))", values: values, shards: shards,
                    items: declares ? shards * 3 : nil)
            })
        results = Self.results(job, kind, number: 2, declares: declares, &random)
        let older = Self.results(job, kind, number: 1, declares: declares, &random)
        baselines = [ResolvedBaseline(.run(RunID(1)), .found(older, name: "r1"))]
        rules = []
        for index in 0..<Int.random(in: 1...3, using: &random) {
            rules.append(Self.rule(index, axes: axes, kind, passing: passing, &random))
        }
    }

    private static func results(
        _ job: ExpectedJob, _ kind: Kind, number: UInt64, declares: Bool, _ random: inout SplitMix64
    ) -> Results {
        var shards: [SettledShard] = []
        for cell in job.cells.indices {
            for shard in 0..<(job.cells[cell].shards ?? 1) {
                let values = (0..<3).map { _ in Double.random(in: 0.25...1, using: &random) }
                let items = kind == .items ? items(values, from: shard * 3, metric: "m") : []
                shards.append(
                    passed(
                        job, cell: cell, shard: shard, metric(kind, values).map { [NamedMetric("m", $0)] } ?? [],
                        items: items, assigned: declares ? items.map(\.id) : nil))
            }
        }
        return run(job, shards, number: number, tree: UInt8(number))
    }

    static func metric(_ kind: Kind, _ values: [Double]) -> MetricValue? {
        let sum = values.reduce(0, +)
        switch kind {
        case .items: return nil
        case .mean: return .mean(n: values.count, mean: sum / Double(values.count), m2: 0.1)
        case .ratio: return .ratio(numerator: sum, denominator: Double(values.count))
        case .sum: return .sum(sum)
        case .count: return .count(Int(sum * 100))
        case .min: return .min(values.min() ?? 0)
        case .max: return .max(values.max() ?? 0)
        case .samples: return .samples(values)
        }
    }

    private static func rule(
        _ index: Int, axes: Int, _ kind: Kind, passing: Bool, _ random: inout SplitMix64
    ) -> GateRule {
        let spread = passing ? 1e6 : 0.3
        let middle = passing ? 0 : (kind == .count ? 150 : 0.6)
        let limits: [GateRule.Limit] = [
            .atLeast(middle - spread), .atMost(middle + spread), .dropAtMost(.absolute(spread)),
            .dropAtMost(.percent(spread * 100)), .riseAtMost(.absolute(spread)), .riseAtMost(.percent(spread * 100)),
            .ratioAtMost(1 + spread),
        ]
        var rule = GateRule(
            name: "g\(index)", metric: "m", limits: [limits[Int.random(in: limits.indices, using: &random)]],
            baseline: .run(RunID(1)))
        if Bool.random(using: &random) { rule.limits.append(passing ? .between(-1e9, 1e9) : .atLeast(0.1)) }
        let names = Array(["a", "b", "c"].prefix(axes))
        switch Int.random(in: 0...3, using: &random) {
        case 0: rule.per = .cell
        case 1: rule.per = .axes([names[Int.random(in: names.indices, using: &random)]])
        case 2: rule.per = .run
        default: rule.over = [names[Int.random(in: names.indices, using: &random)]]
        }
        switch Int.random(in: 0...3, using: &random) {
        case 0: rule.aggregate = .worst
        case 1: rule.aggregate = .quantile(0.7)
        default:
            rule.weightedByCount = (kind == .items || kind == .mean || kind == .samples) && Bool.random(using: &random)
        }
        if kind == .samples || kind == .items, Bool.random(using: &random) { rule.statistic = .quantile(0.5) }
        return rule
    }

    func judged(_ judging: Judging = judge) -> Judgement { judging(rules, results, baselines, [:]) }
}

/// The function under test, so that planted faults can stand in its place.
typealias Judging = @Sendable ([GateRule], Results, [ResolvedBaseline], [String: Bool]) -> Judgement
