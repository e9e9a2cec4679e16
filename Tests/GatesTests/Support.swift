import Foundation
import Gates
import Model

/// How many seeds a property runs over: few usually, many with SHEAF_DEEP=1.
func seeds(_ usual: UInt64, deep: UInt64 = 20_000) -> Range<UInt64> {
    0..<(ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1" ? deep : usual)
}

/// A job with `cells` cells on the axis `x`, each of `shards` shards.
func job(_ id: String = "eval", cells: Int = 1, shards: Int = 1, items: Int? = nil) -> ExpectedJob {
    ExpectedJob(
        id: id,
        cells: (0..<cells).map { index in
            ExpectedCell(
                id: "\(id)_\(index)", name: "\(id) (\(index))", values: [Value.Member("x", .number(Double(index)))],
                shards: shards, items: items)
        })
}

func passed(
    _ job: ExpectedJob, cell: Int = 0, shard: Int = 0, attempt: Int = 1, cause: Cause = Cause(.passed),
    _ metrics: [NamedMetric] = [], items: some Sequence<Item> = [Item](), assigned: [String]? = nil
) -> SettledShard {
    let cell = job.cells[cell]
    return SettledShard(
        job: job.id, cell: cell.id, values: cell.values, shard: shard, shardCount: cell.shards ?? 1, attempt: attempt,
        cause: cause, metrics: metrics, items: ItemTable(items), assigned: assigned.map { TextColumn($0) })
}

func run(
    _ job: ExpectedJob, _ shards: [SettledShard], number: UInt64 = 2, tree: UInt8 = 2,
    provenance: [Value.Member] = []
) -> Results {
    Results(
        header: ResultsHeader(
            run: RunID(number), jobs: [job], commit: "c\(number)", tree: Digest([UInt8](repeating: tree, count: 32)),
            provenance: provenance), shards: shards)
}

func items(_ values: [Double], from first: Int = 0, metric: String = "accuracy") -> [Item] {
    values.enumerated().map { Item(id: "q\(first + $0)", entries: [.init(metric, .number($1))]) }
}

extension GateRule {
    init(_ limits: Limit..., metric: String = "accuracy", against baseline: RunID? = nil) {
        self.init(name: "gate", metric: metric, limits: limits, baseline: baseline.map { .run($0) })
    }
}

/// A run of one cell whose `accuracy` is a plain number.
func plain(_ value: Double, number: UInt64 = 2, tree: UInt8 = 2) -> Results {
    let job = job()
    return run(job, [passed(job, [NamedMetric("accuracy", .plain(value))])], number: number, tree: tree)
}

func group(
    _ rule: GateRule, _ results: Results, _ baselines: [ResolvedBaseline] = [], conditions: [String: Bool] = [:]
) -> GroupJudgement {
    judge([rule], results: results, baselines: baselines, conditions: conditions).gates[1].groups[0]
}

func baseline(_ results: Results, run: UInt64 = 1) -> [ResolvedBaseline] {
    [ResolvedBaseline(.run(RunID(run)), .found(results, name: "r\(run)"))]
}

func text(_ judgement: Judgement) -> String { String(decoding: judgement.json, as: UTF8.self) }

/// Random numbers from a seed.
typealias SeededNumbers = SplitMix64

extension SplitMix64 {
    init(_ seed: UInt64) { self.init(seed: seed) }
}
