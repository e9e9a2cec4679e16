import Foundation
import Gates
import JSON
import Model
import Reporting
import Testing

/// What a reader needs of the other side to believe a comparison.
@Suite struct `A comparison in a report` {
    private func report(lost: Int = 1) -> RunReport {
        let job = ExpectedJob(id: "eval", cells: [ExpectedCell(id: "c", name: "eval")])
        let side = { (number: UInt64, provenance: [Value.Member]) in
            Results(
                header: ResultsHeader(
                    run: RunID(number), jobs: [job], commit: "c\(number)",
                    tree: Digest([UInt8](repeating: UInt8(number), count: 32)), provenance: provenance),
                shards: [
                    SettledShard(
                        job: "eval", cell: "c", shard: 0, shardCount: 1, attempt: 1, cause: Cause(.passed),
                        items: (0..<100).map {
                            Item(id: "q\($0)", entries: [.init("m", .number(number == 2 && $0 < lost ? 0 : 1))])
                        })
                ])
        }
        var rule = GateRule(
            name: "safe", metric: "m", limits: [.dropAtMost(.absolute(0.01))], baseline: .alias("champion"))
        rule.testing = .init(.nonInferiority)
        rule.mayDiffer = ["device_model", "evaluator"]
        let ours = side(
            2, [.init("inputs", ["/data v1"]), .init("device_model", ["H200"]), .init("environment_locks", ["l2"])])
        let theirs = side(
            1,
            [
                .init("inputs", ["/data v1"]), .init("evaluators", ["e.py 9f"]), .init("device_model", ["H100"]),
                .init("environment_locks", ["l1"]),
            ])
        let judgement = judge(
            [rule], results: ours,
            baselines: [ResolvedBaseline(.alias("champion"), .found(theirs, name: "champion = r1, commit c1"))])
        return RunReport(facts: RunFacts(run: RunID(2), workflow: "w"), results: ours, judgement: judgement)
    }

    @Test func `holds the other side's tree, locks, evaluator, inputs and device`() throws {
        let report = report()
        let tree = Digest([UInt8](repeating: 1, count: 32))?.hex ?? "none"
        for text in [report.text(columns: 300), report.markdown, report.html, report.junit] {
            for fact in [
                "champion = r1, commit c1", "\(tree) (not as here)", "/data v1 (as here)", "e.py 9f (not as here)",
                "H100 (not as here)", "l1 (not as here)",
            ] {
                #expect(text.contains(fact), "\(fact) in \(text.prefix(3000))")
            }
        }
        let told = try JSONParser.value(report.json)["baselines"]?.array?.first
        #expect(told?["tree"]?.string == tree && told?["run"] == "r1" && told?["commit"] == "c1")
        #expect(told?["provenance"]?["device_model"] == ["H100"] && told?["baseline"] == "champion")
        // And a stored judgement still knows.
        let stored = try #require(Judgement(record: report.judgement.record))
        #expect(stored == report.judgement)
    }

    @Test func `tells the power of non-inferiority, and how many items it does not name`() throws {
        let report = report(lost: 30)
        let group = try JSONParser.value(report.json)["gates"]?.array?.last?["groups"]?.array?.first
        #expect(group?["test"]?["power"]?.number.map { $0 > 0 && $0 < 1 } == true)
        #expect(report.text(columns: 300).contains("while nothing changes"))
        #expect(group?["flips"]?["lost"] == 30 && group?["flips"]?["ids_left_out"] == 10)
        #expect(report.html.contains("and 10 more)") && report.text(columns: 300).contains("and 25 more)"))
        // JUnit and SARIF say it, too.
        #expect(report.junit.contains("30 items got worse"))
        let sarif = try JSONParser.value(report.sarif)
        let result = sarif["runs"]?.array?[0]["results"]?.array?.first
        #expect(result?["properties"]?["flips"]?.array?.first?.string?.contains("30 items got worse") == true)
    }

    @Test func `says in every form who is to blame, and what is flaky`() throws {
        let report = `A report's findings`.blamed.report
        let words = "device=cuda: 4 of 4 cells fail, else 0 of 12"
        #expect(report.junit.contains("<property name=\"blame\" value=\"eval: \(words)"))
        let run = try JSONParser.value(report.sarif)["runs"]?.array?[0]
        #expect(run?["properties"]?["blame"]?.array?.first?.string?.contains(words) == true)
        let sample = Sample.green
        var facts = sample.facts
        var first = facts.attempts[0]
        first.cause = Cause(.userExit, code: 1)
        facts.attempts[0].number = 2
        facts.attempts.append(first)
        let flaky = RunReport(facts: facts, results: sample.results, judgement: sample.judgement)
        #expect(flaky.junit.contains("<system-out>flaky: eval (iris) shard 0: user_exit (1), then passed"))
        #expect(try JSONParser.value(flaky.sarif)["runs"]?.array?[0]["properties"]?["flaky"]?.array?.count == 1)
    }
}

/// However a cell was split and in whatever order its shards came, reports are the same to the byte.
@Suite struct `Reports of a split cell` {
    @Test func `are the same bytes for 1, 7 and 64 shards`() throws {
        for seed in UInt64(0)..<3 {
            var random = SplitMix64(seed: seed)
            let values = (0..<3).map { _ in (0..<150).map { _ in Double(Int.random(in: 0...1, using: &random)) } }
            let older = values.map { $0.map { Int.random(in: 0..<20, using: &random) == 0 ? 1 - $0 : $0 } }
            var forms: [Set<String>] = Array(repeating: [], count: 7)
            for count in [1, 7, 64] {
                let results = { (values: [[Double]], number: UInt64, random: inout SplitMix64) -> Results in
                    let cells = (0..<3).map { cell in
                        ExpectedCell(
                            id: "c\(cell)", name: "eval (\(cell))", values: [.init("x", .number(Double(cell)))],
                            shards: count)
                    }
                    var shards: [SettledShard] = []
                    for cell in 0..<3 {
                        var parts = Array(repeating: [Item](), count: count)
                        for (place, item) in values[cell].indices.shuffled(using: &random).enumerated() {
                            parts[place % count].append(
                                Item(id: "q\(item)", entries: [.init("m", .number(values[cell][item]))]))
                        }
                        for shard in 0..<count {
                            shards.append(
                                SettledShard(
                                    job: "eval", cell: "c\(cell)", values: cells[cell].values, shard: shard,
                                    shardCount: count, attempt: 1, cause: Cause(.passed), items: ItemTable(parts[shard])
                                ))
                        }
                    }
                    return Results(
                        header: ResultsHeader(
                            run: RunID(number), jobs: [ExpectedJob(id: "eval", cells: cells)], commit: "c\(number)",
                            tree: Digest([UInt8](repeating: UInt8(number), count: 32))),
                        shards: shards.shuffled(using: &random))
                }
                var rule = GateRule(
                    name: "same", metric: "m", limits: [.dropAtMost(.absolute(0))], baseline: .run(RunID(1)))
                rule.testing = .init(.regression, detect: .absolute(0.2))
                var floor = GateRule(name: "floor", metric: "m", limits: [.atLeast(0.5)])
                floor.per = .run
                let ours = results(values, 2, &random)
                let judgement = judge(
                    [rule, floor], results: ours,
                    baselines: [ResolvedBaseline(.run(RunID(1)), .found(results(older, 1, &random), name: "r1"))])
                let report = RunReport(
                    facts: RunFacts(run: RunID(2), workflow: "w"), results: ours, judgement: judgement)
                // What a report says of the split itself, which shards and attempts there were, is not the same, of course.
                let gates = String(decoding: report.json, as: UTF8.self)
                    .replacing(#/"attempts":\[[0-9,]*\]/#, with: "").replacing(#/"shards":\[.*?\]\}/#, with: "")
                // Everything before the matrix, whose cells list their shards.
                let html = report.html
                let matrix = try #require(html.range(of: "<h2>eval"))
                let page = String(html[..<matrix.lowerBound])
                for (place, text) in [
                    report.text(columns: 200), report.markdown, report.junit,
                    String(decoding: report.sarif, as: UTF8.self),
                    report.svg, gates, page,
                ].enumerated() {
                    forms[place].insert(text)
                }
            }
            #expect(forms.map(\.count) == [1, 1, 1, 1, 1, 1, 1], "seed \(seed)")
        }
    }
}
