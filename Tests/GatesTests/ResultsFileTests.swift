import Gates
import Model
import Testing

@Suite struct `A results file` {
    private func read(_ text: String) throws -> ResultsFile { try ResultsFile.read(Array(text.utf8), file: "r.jsonl") }

    private let header =
        #"{"sheaf":1,"plan":{"jobs":[{"id":"eval","cells":[{"id":"c0","name":"eval (a)","values":{"x":"a"},"shards":2},{"id":"c1","name":"eval (b)","values":{"x":"b"},"shards":1}]}]},"commit":"abc","tree":null,"provenance":{}}"#

    @Test func `keeps everything`() throws {
        let refused = RefusedMetric(text: "NaN", reason: "not a number", file: "metrics.json", line: 3)
        var job = job(cells: 2, shards: 2, items: 2)
        job.cells[1].required = false
        job.cells[1].continueOnError = true
        job.cells[1].skipped = "'if' was false"
        job.cells[0].shards = nil
        let sketch = QuantileSketch(relativeError: 0.01, zeros: 1, positive: [.init(index: -5, count: 3)])
        let values: [MetricValue] = [
            .plain(-0.0), .sum(1e300), .count(3), .mean(n: 2, mean: 0.1, m2: .leastNonzeroMagnitude),
            .ratio(numerator: 1, denominator: 3), .min(-1), .max(0.1 + 0.2), .samples([1, 2.5]), .quantiles(sketch),
            .refused(refused),
        ]
        var shards = [
            passed(
                job, cause: Cause(.userExit, code: 75, evidence: "step \"é\"\n ended"),
                values.enumerated().map { NamedMetric("m\($0)", $1) },
                items: [Item(id: "a", entries: [.init("x", .number(0.1)), .init("y", .refused(refused))])],
                assigned: ["a"]),
            passed(job, cell: 1, shard: 1, assigned: ["b", "c"]), passed(job, cell: 1, shard: 0),
            passed(job, shard: ShardID.listing, attempt: 0),
        ]
        shards[3].shardCount = 0
        var results = run(job, shards, provenance: [Value.Member("evaluator", "abc"), Value.Member("n", [1, nil])])
        results.header.jobs.append(ExpectedJob(id: "later", ending: .notReached, reason: "eval failed", cells: []))
        results.header.conditions = [.init("needs.a.outputs.x == '1'", holds: true), .init("false", holds: false)]
        let file = try ResultsFile.read(ResultsFile.write(results), file: "r.jsonl")
        #expect(file.hasHeader && file.hasPlan)
        #expect(file.results == results)
        #expect(ResultsFile.write(file.results) == ResultsFile.write(results))
    }

    /// A line names its cell twice, by id and by values; two cells in one are none.
    @Test func `names one cell a line`() throws {
        let line = { (cell: String, id: String) in
            #"{"job":"eval","cell":"# + cell + #","cell_id":"# + "\"\(id)\""
                + #","shard":0,"shards":1,"attempt":1,"cause":"passed","metrics":{"accuracy":0.9}}"#
        }
        let one = header.replacing(#""shards":2"#, with: #""shards":1"#) + "\n"
        let good = try read(one + line(#"{"x":"a"}"#, "c0") + "\n" + line(#"{"x":"b"}"#, "c1")).results
        #expect(judge([GateRule(.atLeast(0.5))], results: good).verdict == .pass)
        let swapped = try read(one + line(#"{"x":"b"}"#, "c0") + "\n" + line(#"{"x":"b"}"#, "c1")).results
        let judgement = judge([GateRule(.atLeast(0.5))], results: swapped)
        #expect(judgement.verdict == .fail)
        #expect(judgement.gates[1].groups[0].reason.contains("a line of cell 'c0' has"), "\(text(judgement))")
        // Without a plan, too.
        let bare = try read(line(#"{"x":"a"}"#, "c9") + "\n" + line(#"{"x":"b"}"#, "c9")).results
        #expect(judge([GateRule(.atLeast(0.5))], results: bare).verdict == .fail)
    }

    @Test func `is read as the documentation has it`() throws {
        let file = try read(
            header + "\n"
                + #"{"job":"eval","cell":{"x":"a"},"shard":0,"shards":2,"attempt":1,"cause":"passed","metrics":{"accuracy":{"kind":"mean","n":4,"mean":0.75,"m2":0.75}}}"#
                + "\n"
                + #"{"job":"eval","cell":{"x":"a"},"cell_id":"c0","shard":1,"shards":2,"attempt":2,"cause":"passed","metrics":{"accuracy":{"kind":"mean","n":4,"mean":1,"m2":0}},"items":[]}"#
                + "\n"
                + #"{"job":"eval","cell":{"x":"b"},"shard":0,"shards":1,"attempt":1,"cause":"exit:3","metrics":{"accuracy":{"refused":"NaN","file":"metrics.json","line":1}},"items":[{"id":"q17","loss":1.5,"guess":"cat"}]}"#
        )
        let shards = file.results.shards
        #expect(shards[0].cell == "" && shards[1].cell == "c0" && shards[1].attempt == 2)
        #expect(shards[2].cause == Cause(.userExit, code: 3))
        let judgement = judge([GateRule(.atLeast(0.85))], results: file.results)
        #expect(judgement.gates[1].groups.map(\.value) == [0.875, nil])
        #expect(judgement.gates[1].groups[1].reason == "accuracy: not a number (NaN) at metrics.json:1")
        #expect(judgement.verdict == .fail)
    }

    /// Values that are no metrics are evidence of a broken evaluation, not of a broken file.
    @Test func `refuses values without throwing`() throws {
        for value in ["null", "true", "\"0.99\"", "[0.9]", "{}", #"{"kind":"mean"}"#, #"{"refused":1}"#] {
            let line = #"{"job":"eval","cell":{"x":"b"},"cause":"passed","metrics":{"accuracy":\#(value)}}"#
            let file = try read(header + "\n" + line)
            #expect(judge([GateRule(.atLeast(0))], results: file.results).verdict == .fail, "\(value)")
        }
        let twice = #"{"job":"eval","cell":{"x":"b"},"cause":"passed","metrics":{"accuracy":1,"accuracy":1}}"#
        #expect(judge([GateRule(.atLeast(0))], results: try read(header + "\n" + twice).results).verdict == .fail)
    }

    @Test func `without a header judges what it sees, and compares nothing`() throws {
        let line =
            #"{"job":"eval","cell":{"x":"b"},"shard":0,"shards":1,"attempt":1,"cause":"passed","metrics":{"accuracy":0.9}}"#
        let file = try read(line + "\n")
        #expect(!file.hasHeader && !file.hasPlan)
        #expect(judge([GateRule(.atLeast(0.85))], results: file.results).verdict == .pass)
        let relative = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        let older = plain(0.5, number: 1, tree: 1)
        #expect(judge([relative], results: file.results, baselines: baseline(older)).verdict == .inconclusive)
        #expect(judge([relative], results: older, baselines: baseline(file.results)).verdict == .inconclusive)
        let half = try read(
            #"{"job":"eval","cell":{"x":"b"},"shard":0,"shards":2,"cause":"passed","metrics":{"accuracy":{"kind":"sum","value":1}}}"#
        )
        #expect(judge([GateRule(.atLeast(0.85))], results: half.results).verdict == .incomplete)
    }

    @Test func `takes the workflow's plan where the header has none`() throws {
        let line = #"{"job":"eval","cell":{"x":"b"},"shard":0,"shards":1,"cause":"passed","metrics":{"accuracy":0.9}}"#
        var file = try read(#"{"sheaf":1,"commit":"abc"}"# + "\n" + line)
        #expect(file.hasHeader && !file.hasPlan)
        file.results.header.jobs = [
            ExpectedJob(
                id: "eval",
                cells: ["a", "b"].map { ExpectedCell(id: $0, name: $0, values: [Value.Member("x", .string($0))]) })
        ]
        let judgement = judge([GateRule(.atLeast(0.85))], results: file.results)
        #expect(judgement.gates[1].groups.map(\.verdict) == [.incomplete, .pass])
    }

    @Test func `says which line is wrong, and why`() {
        let good = #"{"job":"eval","cause":"passed"}"#
        let rows: [(String, Int, String)] = [
            ("nonsense", 1, "not JSON"), ("[]", 1, "a line is an object"), (good + "\n{", 2, "not JSON"),
            (#"{"sheaf":2}"#, 1, "version 1"), (good + "\n" + #"{"sheaf":1}"#, 2, "first line"),
            (#"{"sheaf":1}"# + "\n" + #"{"sheaf":1}"#, 2, "first line"), (#"{"cause":"passed"}"#, 1, "'job'"),
            (#"{"job":"a"}"#, 1, "'cause'"), (#"{"job":"a","cause":"sorrow"}"#, 1, "no such cause: 'sorrow'"),
            (#"{"job":"a","cause":"passed","job":"b"}"#, 1, "stands twice"),
            (#"{"job":"a","cause":"passed","code":3}"#, 1, "passed has no code 3"),
            (#"{"job":"a","cause":"passed","asigned":["x"]}"#, 1, "did you mean 'assigned'?"),
            (#"{"sheaf":1,"jobs":[]}"#, 1, "a header has no 'jobs'"),
            (#"{"job":"a","cause":"passed","shard":-2}"#, 1, "'shard'"),
            (#"{"job":"a","cause":"passed","shards":1.5}"#, 1, "'shards'"),
            (#"{"job":"a","cause":"passed","shards":1000000}"#, 1, "'shards'"),
            (#"{"job":"a","cause":"passed","cell":[]}"#, 1, "'cell'"),
            (#"{"job":"a","cause":"passed","metrics":[]}"#, 1, "'metrics'"),
            (#"{"job":"a","cause":"passed","items":[{"x":1}]}"#, 1, "without an id"),
            (#"{"job":"a","cause":"passed","items":[{"id":"a","id":"b"}]}"#, 1, "one id"),
            (#"{"job":"a","cause":"passed","assigned":"none"}"#, 1, "'assigned'"),
            (#"{"sheaf":1,"plan":[]}"#, 1, "'jobs'"), (#"{"sheaf":1,"tree":"xyz"}"#, 1, "'tree'"),
            (#"{"sheaf":1,"run":"x"}"#, 1, "'run'"),
            (#"{"sheaf":1,"plan":{"jobs":[{"id":"a"},{"id":"a"}]}}"#, 1, "twice"),
            (#"{"sheaf":1,"plan":{"jobs":[{"id":"a","cells":[{"id":"c"},{"id":"c"}]}]}}"#, 1, "twice"),
            (#"{"sheaf":1,"plan":{"jobs":[{"id":"a","ending":"never"}]}}"#, 1, "no such ending"),
            (String(repeating: "[", count: 100_000), 1, "not JSON"),
        ]
        for (text, line, problem) in rows {
            do {
                _ = try read(text)
                Issue.record("\(text.prefix(80)) was read")
            } catch let error as ResultsFileError {
                #expect(error.line == line && error.problem.contains(problem), "\(text.prefix(80)): \(error)")
                #expect(error.description.hasPrefix("r.jsonl:\(line): error: "))
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    @Test func `never traps on garbage`() {
        let whole = ResultsFile.write(RandomRun(seed: 3, passing: true).results)
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            var bytes = whole
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            // `try?`: whether it throws does not matter here, only that it comes back, and what it gives can be judged.
            if let file = try? ResultsFile.read(bytes, file: "r") {
                _ = judge([GateRule(.atLeast(0), metric: "m")], results: file.results)
            }
        }
    }
}
