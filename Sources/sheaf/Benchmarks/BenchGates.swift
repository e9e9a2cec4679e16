import Gates
import Glibc
import Model
import Reporting

extension Benchmark {
    /// Judging and reporting of large runs.
    static let judging = [
        Benchmark(
            name: "gates.judge", unit: "ms", what: "10 000 cells of 10 metrics, a gate for each metric and cell"
        ) { _ in
            let results = matrix(cells: 10_000, metrics: 10)
            let rules = (0..<10).map {
                GateRule(name: "g\($0)", metric: "m\($0)", limits: [.atLeast(0.5)])
            }
            let (taken, judgement) = timed { judge(rules, results: results) }
            guard judgement.verdict == .pass else { throw CommandFailure("the benchmark's gates did not pass") }
            return Sample(taken.inSeconds * 1000)
        },
        Benchmark(
            name: "gates.records", unit: "s",
            what: "10 000 000 item records, 5 000 000 a side, read from lines, paired by id and tested"
        ) { _ in
            let (taken, judgement) = try timed { () throws -> Judgement in
                let (candidate, baseline) = (try records(2), try records(1))
                var rule = GateRule(
                    name: "g", metric: "hit", limits: [.dropAtMost(.absolute(0))], baseline: .run(RunID(1)))
                rule.testing = GateRule.Testing(.regression, detect: .absolute(0.01))
                return judge(
                    [rule], results: candidate,
                    baselines: [ResolvedBaseline(.run(RunID(1)), .found(baseline, name: "r1"))])
            }
            guard judgement.gates[1].groups[0].count == 5_000_000 else {
                throw CommandFailure("the benchmark's items were not paired: \(judgement.gates[1].groups[0].reason)")
            }
            return Sample(taken.inSeconds)
        },
        Benchmark(name: "reports.html", unit: "ms", what: "the page of 10 000 cells, one of ten failing") { _ in
            let results = matrix(cells: 10_000, metrics: 1, failing: 10)
            let judgement = judge([GateRule(name: "g", metric: "m0", limits: [.atLeast(0.5)])], results: results)
            let facts = RunFacts(run: RunID(1), workflow: "bench", submittedAt: .seconds(1), endedAt: .seconds(2))
            let (taken, page) = timed { RunReport(facts: facts, results: results, judgement: judgement).html }
            guard page.utf8.count < 5_000_000 else { throw CommandFailure("the page has \(page.utf8.count) bytes") }
            return Sample(taken.inSeconds * 1000)
        },
    ]

    /// A square matrix that reports plain numbers.
    private static func matrix(cells: Int, metrics: Int, failing: Int? = nil) -> Results {
        var random = SplitMix64(seed: 1)
        let expected = (0..<cells).map { index in
            ExpectedCell(
                id: "eval_\(index)", name: "eval (\(index / 100), \(index % 100))",
                values: [.init("a", .number(Double(index / 100))), .init("b", .number(Double(index % 100)))])
        }
        return Results(
            header: ResultsHeader(run: RunID(2), jobs: [ExpectedJob(id: "eval", cells: expected)], commit: "c2"),
            shards: expected.enumerated().map { index, cell in
                let isFailing = failing.map { index % $0 == 0 } ?? false
                return SettledShard(
                    job: "eval", cell: cell.id, values: cell.values, shard: 0, shardCount: 1, attempt: 1,
                    cause: Cause(.passed),
                    metrics: (0..<metrics).map {
                        NamedMetric(
                            "m\($0)",
                            .plain(
                                isFailing
                                    ? Double.random(in: 0..<0.5, using: &random)
                                    : Double.random(in: 0.6...1, using: &random)))
                    })
            })
    }

    /// One cell of eight shards with 5 000 000 items, read as steps write them, in pieces of 64 KiB.
    private static func records(_ number: UInt64) throws -> Results {
        let shards = 8
        let each = 5_000_000 / shards
        let job = ExpectedJob(id: "eval", cells: [ExpectedCell(id: "eval", name: "eval", shards: shards)])
        var random = SplitMix64(seed: 7)
        var settled: [SettledShard] = []
        for shard in 0..<shards {
            var reader = ItemsFile(file: "items.jsonl")
            var piece: [UInt8] = []
            piece.reserveCapacity(70 << 10)
            for item in shard * each..<(shard + 1) * each {
                let value = random.next() % 100
                piece += #"{"id": "q"#.utf8
                piece += String(item).utf8
                piece += value < 80 || number == 1 && value == 80 ? #"", "hit": 1}"#.utf8 : #"", "hit": 0}"#.utf8
                piece.append(0x0A)
                if piece.count >= 64 << 10 {
                    reader.take(piece[...])
                    piece.removeAll(keepingCapacity: true)
                }
            }
            reader.take(piece[...])
            reader.finish()
            if let problem = reader.problem { throw CommandFailure("\(problem)") }
            settled.append(
                SettledShard(
                    job: "eval", cell: "eval", shard: shard, shardCount: shards, attempt: 1, cause: Cause(.passed),
                    items: reader.items))
        }
        return Results(
            header: ResultsHeader(
                run: RunID(number), jobs: [job], commit: "c\(number)",
                tree: Digest([UInt8](repeating: UInt8(number), count: 32))), shards: settled)
    }
}
