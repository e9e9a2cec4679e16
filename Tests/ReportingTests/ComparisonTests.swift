import Gates
import JSON
import Model
import Reporting
import Testing

@Suite struct `Two runs side by side` {
    private let job = ExpectedJob(
        id: "eval",
        cells: ["torch", "jax"].map {
            ExpectedCell(id: "eval_\($0)", name: "eval (\($0))", values: [.init("backend", .string($0))])
        })

    private func results(
        _ number: UInt64, _ hits: [[Double]], latency: Double, unit: String? = nil, jobs: [ExpectedJob]? = nil
    ) -> Results {
        let shards = job.cells.enumerated().map { index, cell in
            SettledShard(
                job: "eval", cell: cell.id, values: cell.values, shard: 0, shardCount: 1, attempt: 1,
                cause: Cause(.passed), metrics: [NamedMetric("latency", .plain(latency), unit: unit)],
                items: hits[index].enumerated().map { Item(id: "q\($0)", entries: [.init("hit", .number($1))]) })
        }
        return Results(
            header: ResultsHeader(run: RunID(number), jobs: jobs ?? [job], commit: "c\(number)"), shards: shards)
    }

    private func report(_ results: Results) -> RunReport {
        RunReport(
            facts: RunFacts(run: results.header.run, workflow: "w", endedAt: .seconds(1)), results: results,
            judgement: judge([], results: results))
    }

    private var comparison: Comparison {
        let old = results(1, [[1, 1, 1, 1], [1, 1, 0, 1]], latency: 10)
        let new = results(2, [[1, 1, 1, 1], [0, 0, 1, 1]], latency: 10)
        return Comparison(
            candidate: report(new), new, baseline: report(old), old,
            environments: [
                EnvironmentChange(
                    cells: ["eval (jax)"],
                    lines: EnvironmentChange.lines(candidate: "a==2\nb==1\n", baseline: "a==1\nb==1\n"))
            ])
    }

    @Test func `tell what changed, and nothing else`() {
        #expect(
            comparison.text() == """
                candidate  r2, w, commit c2, pass
                baseline   r1, w, commit c1, pass

                2 cells: 1 changed, 0 new, 0 vanished
                eval (jax)
                  hit 0.75 -> 0.5 (-0.25, -33.3 %), n 4; 2 items got worse, 1 better, p 1 (exact McNemar)

                Environments
                eval (jax)
                  -a==1
                  +a==2

                """)
    }

    @Test func `name cells that are new or vanished`() {
        var fewer = job
        fewer.cells.removeLast()
        let old = results(1, [[1], [1]], latency: 1)
        var new = results(2, [[1], [1]], latency: 2, jobs: [fewer])
        new.shards.removeLast()
        let forth = Comparison(candidate: report(new), new, baseline: report(old), old).text()
        #expect(forth.contains("1 cell: 1 changed, 0 new, 1 vanished") && forth.contains("no longer there"))
        #expect(forth.contains("latency 1 -> 2 (+1, +100 %)"))
        let back = Comparison(candidate: report(old), old, baseline: report(new), new).text()
        #expect(back.contains("1 new, 0 vanished") && back.contains("a new cell, passed"))
    }

    @Test func `name the unit, and compare none with another`() throws {
        let old = results(1, [[1], [1]], latency: 10, unit: "ms")
        let same = results(2, [[1], [1]], latency: 12, unit: "ms")
        let other = results(2, [[1], [1]], latency: 0.012, unit: "s")
        let slower = Comparison(candidate: report(same), same, baseline: report(old), old)
        #expect(slower.text().contains("latency 10 -> 12 ms (+2, +20 %)"))
        let unlike = Comparison(candidate: report(other), other, baseline: report(old), old)
        #expect(unlike.text().contains("latency 10 ms -> 0.012 s: other units, not compared"), "\(unlike.text())")
        let cell = try JSONParser.value(unlike.json)["cells"]?.array?.first
        let metric = cell?["metrics"]?.array?.first { $0["metric"]?.string == "latency" }
        #expect(metric?["candidate"]?["unit"]?.string == "s" && metric?["change"] == .null)
    }

    @Test func `say the same in JSON and Markdown`() throws {
        let value = try JSONParser.value(comparison.json)
        #expect(value["cells"]?.array?.count == 2 && value["candidate"]?["run"] == "r2")
        let metric = value["cells"]?.array?[1]["metrics"]?.array?[0]
        #expect(metric?["change"] == .number(-0.25) && metric?["items"]?["flips"]?["lost_ids"] == ["q0", "q1"])
        #expect(
            comparison.markdown.contains("| eval (jax) | hit 0.75 -&gt; 0.5")
                || comparison.markdown.contains("| eval (jax) | hit 0.75 ->"))
    }

    @Test func `give each metric that has no value any more its reason`() {
        let old = results(1, [[1], [1]], latency: 1)
        var new = old
        new.header.run = RunID(2)
        new.shards[0].metrics = [
            NamedMetric(
                "latency", .refused(RefusedMetric(text: "NaN", reason: "not a number", file: "m.json", line: 3)))
        ]
        let text = Comparison(candidate: report(new), new, baseline: report(old), old).text()
        #expect(text.contains("latency: no value any more: not a number (NaN) at m.json:3"), "\(text)")
    }
}
