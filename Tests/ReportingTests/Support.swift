import Gates
import Model
import Reporting

/// A run to report about, put together piece by piece.
struct Sample {
    static let start = Instant.seconds(1_795_428_000)

    var job = "eval"
    var axes: [(name: String, values: [Value])] = []
    var shards = 2
    var gates: [GateRule] = [GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.85)])]
    /// Accuracy by position of the cell.
    var accuracy: (Int) -> MetricValue = { .mean(n: 100, mean: 0.9 + 0.001 * Double($0 % 50), m2: 1) }
    var cause: (_ cell: Int, _ shard: Int) -> Cause = { _, _ in Cause(.passed) }
    var baselines: [ResolvedBaseline] = []
    var isOver = true
    var logTail: [String] = []
    var jobsBeside: [ExpectedJob] = []
    var provenance: [Value.Member] = [.init("branch", "topic"), .init("dirty", true)]
    var workflow = "nightly"
    /// Replaces the name of a cell.
    var name: (Int) -> String? = { _ in nil }
    /// Cells from here on have not settled.
    var settled = Int.max

    var cells: [ExpectedCell] {
        var values: [[Value.Member]] = [[]]
        for axis in axes { values = values.flatMap { cell in axis.values.map { cell + [.init(axis.name, $0)] } } }
        return values.enumerated().map { index, values in
            let shown = values.map(\.value.shown).joined(separator: ", ")
            return ExpectedCell(
                id: "\(job)_\(index)", name: name(index) ?? (values.isEmpty ? job : "\(job) (\(shown))"),
                values: values, shards: shards)
        }
    }

    var results: Results {
        let cells = cells
        var results = Results(
            header: ResultsHeader(
                run: RunID(17), jobs: [ExpectedJob(id: job, cells: cells)] + jobsBeside,
                commit: "1a2b3c4d5e6f", tree: Digest([UInt8](repeating: 0xAB, count: 32)), provenance: provenance),
            shards: [])
        for (index, cell) in cells.enumerated() where index < settled {
            for shard in 0..<shards {
                results.shards.append(
                    SettledShard(
                        job: job, cell: cell.id, values: cell.values, shard: shard, shardCount: shards, attempt: 1,
                        cause: cause(index, shard), metrics: [NamedMetric("accuracy", accuracy(index))]))
            }
        }
        return results
    }

    var facts: RunFacts {
        var facts = RunFacts(
            run: RunID(17), workflow: workflow, file: "eval.yml", event: "push", actor: "alice (team vision)",
            submittedAt: Self.start, endedAt: isOver ? Self.start.advanced(by: .seconds(95)) : nil)
        for shard in results.shards {
            let from = Self.start.advanced(by: .seconds(2))
            facts.attempts.append(
                AttemptFact(
                    job: shard.job, cell: shard.cell, shard: shard.shard, number: 1,
                    agent: "gpu-\(shard.shard % 2 + 1)",
                    cause: shard.cause, startedAt: from, endedAt: from.advanced(by: .seconds(12)), cpu: .seconds(11),
                    setup: .seconds(3), peakMemory: .mebibytes(512),
                    logTail: shard.cause.kind == .passed ? [] : logTail))
        }
        return facts
    }

    var judgement: Judgement { judge(gates, results: results, baselines: baselines) }
    var report: RunReport { RunReport(facts: facts, results: results, judgement: judgement) }

    // MARK: runs that tests share

    /// 3 Pythons × 2 backends; one cell reports NaN, one fails, everything else passes.
    static var troubled: Sample {
        var sample = Sample()
        sample.axes = [
            ("python", ["3.11", "3.12", "3.13"]), ("backend", ["torch", "onnxruntime"]), ("device", ["cpu"]),
        ]
        sample.accuracy = { cell in
            cell == 2
                ? .refused(RefusedMetric(text: "NaN", reason: "not a number", file: "metrics.json", line: 1))
                : .mean(n: 250, mean: 0.9 + 0.01 * Double(cell), m2: 2)
        }
        sample.cause = { cell, shard in
            cell == 5 && shard == 1
                ? Cause(.userExit, code: 3, evidence: "step 'evaluate' ended with exit code 3") : Cause(.passed)
        }
        sample.logTail = ["Traceback (most recent call last):", "ValueError: no such file: val.csv"]
        sample.gates.append(
            GateRule(
                name: "no-regression", metric: "accuracy", per: .axes(["backend"]), limits: [.dropAtMost(.percent(3))],
                baseline: .alias("champion"), required: false))
        sample.baselines = [ResolvedBaseline(.alias("champion"), .absent("nothing is called 'champion' yet"))]
        return sample
    }

    static var green: Sample {
        var sample = Sample()
        sample.axes = [("data", ["iris", "wine"])]
        return sample
    }
}
