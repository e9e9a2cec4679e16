import Gates
import Model
import Testing

/// Metrics as tools write them. The files have the shapes that pytest 8, pytest-benchmark 5, lm-evaluation-harness 0.4,
/// MLflow 2 and DVC 3 write.
@Suite struct `Files of other tools` {
    private func read(
        _ text: String, _ format: MetricSource.Format, file: String = "out/file", id: String? = nil,
        take: MetricSource.Taking = .last
    ) -> ReadMetrics {
        MetricFiles.read(
            Array(text.utf8), file: file, as: MetricSource(path: "out/*", format: format, id: id, taking: take))
    }

    private func value(_ name: String, of read: ReadMetrics) -> MetricValue? {
        read.metrics.first { $0.name == name }?.value
    }

    private func refusal(_ name: String, of read: ReadMetrics) -> RefusedMetric? {
        guard case .refused(let refused)? = value(name, of: read) else { return nil }
        return refused
    }

    // MARK: JSON

    @Test func `names nested members by dots`() {
        let found = read(
            """
            {"train": {"loss": 0.25, "acc": {"top1": 0.9}},
             "seed": 3, "model": "resnet",
             "val": {"f1": NaN}}
            """.replacing("NaN", with: "null"), .json)
        #expect(value("train.loss", of: found) == .plain(0.25))
        #expect(value("train.acc.top1", of: found) == .plain(0.9))
        #expect(value("seed", of: found) == .plain(3))
        #expect(refusal("model", of: found)?.reason == "a string, not a number")
        #expect(refusal("val.f1", of: found)?.line == 3)
    }

    @Test(arguments: [
        (#"{"a": NaN}"#, 1, "not JSON"), ("[1]", 1, "not a JSON object"), ("", 1, "the file is empty"),
        ("{\"a\": 1}\n{\"a\": 2}", 2, "not JSON"),
    ])
    func `says where a JSON file is none`(text: String, line: Int, reason: String) {
        let refused = refusal("", of: read(text, .json))
        #expect(refused?.line == line && refused?.reason.contains(reason) == true && refused?.file == "out/file")
    }

    @Test func `refuses a name that comes twice by two ways`() {
        let found = read(#"{"a": {"b": 1}, "a.b": 2}"#, .json)
        #expect(refusal("a.b", of: found)?.reason == "several values")
    }

    @Test func `takes the last value of lines, or all of them`() {
        let text = "{\"step\": 1, \"loss\": 0.5}\n\n{\"step\": 2, \"loss\": 0.25}\n{\"step\": 3}\n"
        let last = read(text, .jsonl)
        #expect(value("loss", of: last) == .plain(0.25) && value("step", of: last) == .plain(3))
        let all = read(text, .jsonl, take: .samples)
        #expect(value("loss", of: all) == .samples([0.5, 0.25]) && value("step", of: all) == .samples([1, 2, 3]))
        let broken = read("{\"loss\": 0.5}\n{\"loss\": \"x\"}\n{\"loss\": 0.1}\n", .jsonl, take: .samples)
        #expect(refusal("loss", of: broken)?.line == 2)
        #expect(refusal("", of: read("{\"loss\": 0.5}\n{\"loss\":", .jsonl))?.line == 2)
    }

    @Test func `takes lines as items by the member that names them`() {
        let found = read(#"{"qid": "a", "hit": 1, "text": "x"}"# + "\n" + #"{"qid": 7, "hit": 0}"#, .jsonl, id: "qid")
        #expect(found.items.map(\.id) == ["a", "7"])
        #expect(found.items[0].entries.first == .init("hit", .number(1)))
        #expect(refusal("", of: read(#"{"hit": 1}"#, .jsonl, id: "qid"))?.reason == "an item without an id ('qid')")
    }

    // MARK: CSV

    @Test func `reads a table under its header`() {
        let text = "\u{FEFF}epoch,\"val, loss\", acc\r\n1,0.5,0.8\r\n2,1e-05,0.9\r\n"
        let last = read(text, .csv)
        #expect(value("epoch", of: last) == .plain(2) && value("val, loss", of: last) == .plain(1e-5))
        #expect(value("acc", of: last) == .plain(0.9))
        #expect(value("acc", of: read(text, .csv, take: .samples)) == .samples([0.8, 0.9]))
        let items = read("id,hit,digest\nq1,1,aa\n\"q\"\"2\",0,\n", .csv, id: "id").items
        #expect(items.map(\.id) == ["q1", "q\"2"] && items[0].digest == "aa" && items[1].digest == nil)
    }

    @Test(arguments: [
        ("a,b\n1\n", 2, "a row of 1 values"), ("1,2\n3,4\n", 1, "no header"), ("a,a\n1,2\n", 1, "a column twice"),
        ("a,b\n", 1, "without a row"), ("", 1, "the file is empty"), ("a\n\"1", 2, "a quote that does not end"),
        ("a\n\"1\"2\n", 2, "text follows a closing quote"),
    ])
    func `says where a table is none`(text: String, line: Int, reason: String) {
        let refused = refusal("", of: read(text, .csv))
        #expect(refused?.line == line && refused?.reason.contains(reason) == true, "\(String(describing: refused))")
    }

    @Test func `takes no word for a number`() {
        for word in ["", "NaN", "nan", "inf", "0,80", "80%", "True", ".5", "1.", "+1", "0x1", "1_000", "None"] {
            let cell = word == "0,80" ? "\"0,80\"" : word
            let found = read("a,b\n1,\(cell)\n", .csv)
            #expect(refusal("b", of: found)?.line == 2 && value("a", of: found) == .plain(1), "\(word)")
        }
    }

    // MARK: JUnit

    private static let junit = """
        <?xml version="1.0" encoding="utf-8"?>
        <testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="5" time="0.123">
        <testcase classname="tests.test_a" name="test_one[x &lt; 1]" time="0.001" />
        <testcase classname="tests.test_a" name="test_two" time="0.25"><failure message="assert 1 == 2">E  &amp; more
        <![CDATA[ </testcase> ]]></failure></testcase>
        <testcase classname="tests.test_a" name="test_three" time="0.002"><skipped type="pytest.skip">why</skipped></testcase>
        <!-- <testcase name="no"/> -->
        <testcase classname="tests.test_a" name="test_four" time="0.5"></testcase>
        <testcase classname="tests.test_a" name="test_four" time="0.0"><error message="teardown"/></testcase>
        </testsuite></testsuites>
        """

    @Test func `reads tests as items`() {
        let found = read(Self.junit, .junit)
        #expect(
            found.items.map(\.id) == [
                "tests.test_a::test_one[x < 1]", "tests.test_a::test_two", "tests.test_a::test_four",
            ])
        #expect(found.items.map { $0.entries[0].number } == [.number(1), .number(0), .number(0)])
        #expect(found.items[1].entries[1] == .init("seconds", .number(0.25)))
        #expect(value("tests", of: found) == .count(5) && value("failures", of: found) == .count(1))
        #expect(value("errors", of: found) == .count(1) && value("skipped", of: found) == .count(1))
        #expect(value("flaky", of: found) == .count(1) && value("total_seconds", of: found) == .sum(0.753))
    }

    /// A report that is cut off, or is none, is never a report of no failures.
    @Test(arguments: [
        ("", "the file is empty"), ("<html></html>", "the root is <html>"),
        ("<testsuite tests=\"2\"><testcase name=\"a\"/></testsuite>", "it says 2 tests and has 1"),
        ("<testsuites><testsuite tests='3'><testcase name='a'/></testsuite></testsuites>", "says 3 tests and has 1"),
        ("<testsuite failures='1' errors='1'><testcase name='a'/></testsuite>", "2 failures and errors and has 0"),
        ("<testsuites errors='1'><testsuite><testcase name='a'/></testsuite></testsuites>", "says 1 failures and"),
        ("<testsuite><error message=\"no\"/><testcase name=\"a\"/></testsuite>", "<error> outside of a test"),
        ("<testsuite><testcase name=\"a\"/>", "the file ends within <testsuite>"),
        ("<testsuite tests=\"0\"></testsuite>", "no test ran"),
        ("<testsuite><testcase name=\"a\"><skipped/></testcase></testsuite>", "no test ran"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><testsuite/>", "a document type is not read"),
        ("<testsuite><testcase/></testsuite>", "a test without a name"),
        ("<testsuite><testcase name=\"&c;\"/></testsuite>", "no such entity"),
        ("<testsuite></testcase></testsuite>", "ends what was not opened"), ("plain", "not XML"),
        ("<testsuite/><testsuite/>", "a second root"), ("<testsuite a='1' a='2'/>", "stands twice"),
        ("<testsuite failures='two'><testcase name='a'/></testsuite>", "a suite's 'failures' is no count"),
        ("<testsuite tests='1.0'><testcase name='a'/></testsuite>", "a suite's 'tests' is no count"),
        ("<testsuites errors='-1'><testcase name='a'/></testsuites>", "a suite's 'errors' is no count"),
        ("<testsuite><testcase name='a'><Failure/></testcase></testsuite>", "an element <Failure>"),
        ("<testsuite><testcase name='a'><test-error/></testcase></testsuite>", "an element <test-error>"),
    ])
    func `refuses what is no whole report`(text: String, reason: String) {
        let refused = refusal("", of: read(text, .junit))
        #expect(refused?.reason.contains(reason) == true, "\(String(describing: refused))")
    }

    @Test func `knows tests by what their status says`() {
        let passed = { (attributes: String, children: String) in
            let found = self.read(
                "<x:testsuite xmlns:x='u' failures='0'><x:testcase name='a' \(attributes)>\(children)</x:testcase>"
                    + "<testcase name='b'/></x:testsuite>", .junit)
            return found.items.first { $0.id == "a" }?.entries[0].number
        }
        #expect(passed("", "") == .number(1) && passed("status='run' result='completed'", "") == .number(1))
        #expect(passed("status='FAILED'", "") == .number(0) && passed("", "<x:failure/>") == .number(0))
        #expect(passed("status='fail'", "<failure/>") == .number(0) && passed("status='disabled'", "") == nil)
        // A word that nobody knows is an error of its test alone, and of none that an element tells about.
        #expect(passed("status='odd'", "") == .number(0) && passed("result='odd'", "<skipped/>") == nil)
        #expect(passed("result='bpass'", "") == .number(1) && passed("status='Inconclusive'", "") == nil)
        #expect(passed("", "<warning>no tests in it</warning>") == .number(0))
        // gtest's of a test that is disabled, and ctest's of one whose program was never built.
        #expect(passed("status='notrun' result='suppressed'", "") == nil)
        #expect(passed("status='notrun'", "<skipped message='Unable to find executable'/>") == .number(0))
        #expect(passed("status='notrun'", "<skipped message='SKIP_RETURN_CODE=77'/>") == nil)
    }

    @Test func `reads what tools write beside the rule`() {
        // Catch2 counts assertions in its suites, Surefire has tests without a name for a class.
        let catch2 = """
            <testsuite name="t" errors="0" failures="0" tests="7" hostname="tbd"><testcase classname="t" name="a"/></testsuite>
            """
        #expect(value("failures", of: read(catch2, .junit)) == .count(0))
        let silent = catch2.replacing("failures=\"0\"", with: "failures=\"2\"")
        #expect(refusal("", of: read(silent, .junit))?.reason.contains("1 failures and errors and has 0") == true)
        let surefire = "<testsuite><testcase name='' classname='com.Bar'><error/></testcase></testsuite>"
        #expect(read(surefire, .junit).items.map(\.id) == ["com.Bar"])
    }

    /// Surefire writes other tries of a test that failed at last as `rerunFailure`, of one that passed as `flakyFailure`.
    @Test func `names tests that failed and passed`() {
        let text = """
            <testsuite><testcase name="net"><flakyFailure message="reset"/></testcase>
            <testcase name="bad"><failure/><rerunFailure/></testcase>
            <testcase name="io"><failure/></testcase><testcase name="io"/></testsuite>
            """
        let found = read(text, .junit)
        #expect(found.flaky == ["io", "net"] && value("flaky", of: found) == .count(2))
        #expect(value("failures", of: found) == .count(2))
    }

    /// A time that is no number, or is not told, must not shorten the sum of all; nor a short second try hide a long first.
    @Test func `leaves no test's time out`() {
        let timed = { (times: [String]) in
            let tests = times.enumerated().map { "<testcase name='t\($0)'\($1.isEmpty ? "" : " time='\($1)'")/>" }
            return self.read("<testsuite>\(tests.joined(separator: "\n"))</testsuite>", .junit)
        }
        #expect(value("total_seconds", of: timed(["1", "2"])) == .sum(3))
        for strange in ["NaN", "1,234.5", "inf", "soon"] {
            let refused = refusal("total_seconds", of: timed(["1", strange]))
            #expect(refused?.text == strange && refused?.line == 2, "\(String(describing: refused))")
        }
        #expect(value("total_seconds", of: timed(["1", ""])) == nil)
        let skipped = "<testsuite><testcase name='a' time='1'/><testcase name='b'><skipped/></testcase></testsuite>"
        #expect(value("total_seconds", of: read(skipped, .junit)) == .sum(1))

        let twice = { (first: String, second: String) in
            let test = { (time: String) in "<testcase name='a'\(time.isEmpty ? "" : " time='\(time)'")/>" }
            return self.read("<testsuite>\(test(first))\(test(second))</testsuite>", .junit).items[0].entries
                .dropFirst().first?
                .number
        }
        #expect(twice("1", "100") == .number(100) && twice("100", "1") == .number(100))
        #expect(twice("1", "") == nil && twice("", "1") == nil)
        for (first, second) in [("1", "NaN"), ("NaN", "1")] {
            guard case .refused? = twice(first, second) else {
                Issue.record("\(first), \(second) is taken")
                continue
            }
        }
    }

    @Test func `is not blown up by nesting`() {
        let deep = String(repeating: "<a>", count: 100_000)
        #expect(refusal("", of: read(deep, .junit))?.reason.contains("the root is <a>") == true)
        let inner = "<testsuite>" + String(repeating: "<a>", count: 100_000)
        #expect(refusal("", of: read(inner, .junit))?.reason.contains("nested deeper") == true)
    }

    // MARK: benchmarks and language models

    /// A name that stands twice is taken for neither of its values.
    @Test(
        arguments: [
            (.pytestBenchmark, #"{"benchmarks": [{"name": "a"}],\n"benchmarks": [{"name": "b"}]}"#, 2),
            (
                .pytestBenchmark,
                #"{"benchmarks": [{"name": "a",\n"stats": {"mean": 1, "mean": 9, "stddev": 0, "rounds": 2}}]}"#, 2
            ),
            (.lmEval, #"{"results": {"t": {"acc,none": 0.9}},\n\n"results": {"t": {"acc,none": 0.1}}}"#, 3),
            (.lmEval, #"{"results": {"t": {"acc,none": 0.9, "acc,none": 0.1}}}"#, 1),
            (
                .lmEval,
                #"{"results": {"t": {"acc,none": 0.9}}, "n-samples": {"t": {"effective": 9, "effective": 0}}}"#, 1
            ),
        ] as [(MetricSource.Format, String, Int)])
    func `refuses what stands twice`(format: MetricSource.Format, text: String, line: Int) {
        let refused = refusal("", of: read(text.replacing("\\n", with: "\n"), format, file: "results_1.json"))
        #expect(
            refused?.reason.contains("stands twice") == true && refused?.line == line, "\(String(describing: refused))")
    }

    /// A file in which nothing is has a first line, too.
    @Test(arguments: MetricSource.Format.allCases)
    func `says where nothing is`(format: MetricSource.Format) {
        let file = format == .mlflow ? "m/metrics/acc" : "out/file"
        let found = read("", format, file: file).metrics
        guard case .refused(let refused)? = found.first?.value else {
            Issue.record("\(format): nothing is refused")
            return
        }
        #expect(refused.file == file && refused.line == 1 && refused.reason.contains("the file is empty"), "\(refused)")
    }

    @Test func `tells an empty file from lines without a metric`() {
        #expect(refusal("", of: read("{}\n{}\n", .jsonl))?.reason == "missing: no line has a metric")
        #expect(refusal("", of: read("", .lmEval, file: "samples_t.jsonl"))?.line == 1)
    }

    @Test func `refuses a sample that says two things`() {
        let lines = #"{"doc_id": 0, "acc": 1, "doc": {"a": 1, "a": 2}}"# + "\n" + #"{"doc_id": 1, "acc": 1, "acc": 0}"#
        let refused = refusal("", of: read(lines, .lmEval, file: "samples_t.jsonl"))
        #expect(refused?.reason == "several values: 'acc' stands twice" && refused?.line == 2)
    }

    @Test func `reads the rounds of benchmarks, or their mean`() {
        let found = read(
            """
            {"machine_info": {"node": "n"}, "commit_info": {"id": "abc"}, "version": "5.1.0", "benchmarks": [
             {"group": null, "name": "test_a", "fullname": "b.py::test_a", "params": null, "extra_info": {},
              "stats": {"min": 0.1, "max": 0.3, "mean": 0.2, "stddev": 0.1, "rounds": 3, "median": 0.2, "iqr": 0.1}},
             {"name": "test_b", "fullname": "b.py::test_b",
              "stats": {"min": 1, "max": 3, "mean": 2, "stddev": 1, "rounds": 3, "median": 2, "data": [1, 2, 3]}}]}
            """, .pytestBenchmark)
        #expect(value("b.py::test_b", of: found) == .samples([1, 2, 3]))
        guard case .mean(3, 0.2, let m2)? = value("b.py::test_a", of: found) else {
            Issue.record("no mean")
            return
        }
        #expect((m2 - 0.02).magnitude < 1e-12)
        #expect(found.items.map(\.id) == ["b.py::test_a", "b.py::test_b"])
        #expect(found.items[0].entries.map(\.name) == ["seconds", "seconds_median", "seconds_min"])
        #expect(
            refusal("", of: read(#"{"benchmarks": []}"#, .pytestBenchmark))?.reason.contains("no benchmark") == true)
        #expect(refusal("", of: read(#"{"a": 1}"#, .pytestBenchmark))?.reason.contains("no list 'benchmarks'") == true)
    }

    /// What is said of the rounds is what the rounds say.
    @Test(arguments: [
        (#""mean": 1"#, "'mean' is 1, and that of 'data' is 2"), (#""median": 2.5"#, "'median' is 2.5"),
        (#""min": 0.5"#, "'min' is 0.5"), (#""max": 9"#, "'max' is 9"),
        (#""rounds": 4"#, "'rounds' is 4, and 'data' has 3"),
    ])
    func `refuses a benchmark that contradicts its own rounds`(stat: String, words: String) {
        let found = read(
            #"{"benchmarks": [{"name": "a", "stats": {"# + stat + #", "data": [1, 2, 3]}}]}"#, .pytestBenchmark)
        #expect(refusal("a", of: found)?.reason.contains(words) == true, "\(found.metrics)")
    }

    @Test(arguments: [
        (#""rounds": 0, "mean": 1, "stddev": 0"#, "a mean, a stddev and rounds"),
        (#""rounds": 1.5, "mean": 1, "stddev": 0"#, "a mean, a stddev and rounds"),
        (#""rounds": 3, "mean": 1, "stddev": -1"#, "a mean, a stddev and rounds"),
        (#""rounds": 3, "mean": 0.1, "stddev": 0, "min": 0.5"#, "'min' is 0.5, and 'mean' is 0.1"),
        (
            #""rounds": 3, "mean": 1, "stddev": 0, "median": 0.1, "min": 0.5, "max": 2"#,
            "'min' is 0.5, and 'median' is 0.1"
        ),
    ])
    func `takes no item of a benchmark that measured nothing, or what cannot be`(stats: String, words: String) {
        let found = read(#"{"benchmarks": [{"name": "a", "stats": {"# + stats + "}}]}", .pytestBenchmark)
        #expect(refusal("a", of: found)?.reason.contains(words) == true, "\(found.metrics)")
        guard case .refused? = found.items[0].entries.first?.number else {
            Issue.record("\(found.items[0])")
            return
        }
    }

    @Test func `takes a part of a task's documents where somebody asked for a part`() {
        let read = { (config: String) in
            self.read(
                #"{"results": {"t": {"acc,none": 0.9}}, "n-samples": {"t": {"original": 1000, "effective": 10}}"#
                    + config + "}", .lmEval, file: "results_1.json")
        }
        #expect(value("t.acc", of: read(#", "config": {"limit": 10.0}"#)) == .plain(0.9))
        for silent in ["", #", "config": {"limit": null}"#] {
            #expect(
                refusal("", of: read(silent))?.reason
                    == "'t' was measured on 10 of 1000 documents, and no limit asks for that")
        }
    }

    @Test func `takes nothing for a result of language models that rests on no samples`() {
        let read = { (effective: String) in
            self.read(
                #"{"results": {"t": {"acc,none": 0.9, "acc_stderr,none": 0.1}}, "n-samples": {"t": {"effective": "#
                    + effective
                    + "}}}", .lmEval, file: "results_1.json")
        }
        #expect(value("t.acc", of: read("0")) == .mean(n: 0, mean: 0.9, m2: 0))
        let job = job()
        let judged = group(GateRule(.atLeast(0.5), metric: "t.acc"), run(job, [passed(job, read("0").metrics)]))
        #expect(judged.verdict == .incomplete && judged.reason.contains("measured on no items"), "\(judged.reason)")
        #expect(value("t.acc", of: read("1")) == .mean(n: 1, mean: 0.9, m2: 0))
        for wrong in ["-1", "1.5", "\"many\"", "null"] {
            #expect(refusal("", of: read(wrong))?.reason.contains("'effective'") == true, "\(wrong)")
        }
    }

    @Test func `reads results of language models with their n`() {
        let found = read(
            """
            {"results": {"hellaswag": {"alias": "hellaswag", "acc,none": 0.5, "acc_stderr,none": 0.05},
              "gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.84, "exact_match_stderr,strict-match": "N/A"}},
             "n-samples": {"hellaswag": {"original": 10042, "effective": 100}}, "config": {"model": "hf", "limit": 100}}
            """, .lmEval, file: "out/results_2024-06-01T10-00-00.1.json")
        guard case .mean(100, 0.5, let m2)? = value("hellaswag.acc", of: found) else {
            Issue.record("no mean")
            return
        }
        // The standard error of a share of a half is √(¼/99), and 0.05² · 100 · 99 its sum of squares.
        #expect((m2 - 24.75).magnitude < 1e-9)
        #expect(value("gsm8k.exact_match.strict-match", of: found) == .plain(0.84))
        #expect(found.metrics.count == 2)
    }

    @Test func `reads samples of language models as items, once for all filters`() {
        let line = { (doc: Int, filter: String, hit: String) in
            """
            {"doc_id": \(doc), "doc": {"question": "…"}, "target": "5", "arguments": [["a", "b"]], "resps": [["x"]], \
            "filtered_resps": ["x"], "filter": "\(filter)", "metrics": ["exact_match"], "doc_hash": "d\(doc)", \
            "prompt_hash": "p", "target_hash": "t", "exact_match": \(hit)}
            """
        }
        let text = [line(0, "strict-match", "1.0"), line(1, "strict-match", "0.0"), line(0, "flexible-extract", "0.0")]
            .joined(separator: "\n")
        let found = read(text, .lmEval, file: "m/samples_gsm8k_cot_2024-06-01T10-00-00.5.jsonl").items
        #expect(found.map(\.id) == ["gsm8k_cot/0", "gsm8k_cot/1"] && found[0].digest == "d0+p+t")
        #expect(
            found[0].entries == [
                .init("exact_match.strict-match", .number(1)), .init("exact_match.flexible-extract", .number(0)),
            ])
        #expect(refusal("", of: read("{\"a\":1}", .lmEval, file: "s.jsonl"))?.reason.contains("'doc_id'") == true)
    }

    @Test func `takes the last step of MLflow's files`() {
        let found = read(
            "1700000001 0.5 0\n1700000002 0.9 2\n1700000003 0.7 1\n", .mlflow, file: "mlruns/0/abc/metrics/val/acc")
        #expect(value("val/acc", of: found) == .plain(0.9))
        #expect(refusal("acc", of: read("1 nan 0\n", .mlflow, file: "m/metrics/acc"))?.reason == "not a number")
        #expect(refusal("", of: read("what\n", .mlflow, file: "m/metrics/acc"))?.line == 1)
    }

    @Test func `names tests as they were assigned`() {
        var found = read(Self.junit, .junit)
        MetricFiles.assign(
            &found, as: ["tests/test_a.py::test_one[x < 1]", "tests/test_a.py::test_two", "other.py::A::b"])
        #expect(
            found.items.map(\.id) == [
                "tests/test_a.py::test_one[x < 1]", "tests/test_a.py::test_two", "tests.test_a::test_four",
            ])
        var nested = ReadMetrics(items: [Item(id: "t.test_b.A.B::test_c[a::b]", entries: [])])
        MetricFiles.assign(&nested, as: ["t/test_b.py::A::B::test_c[a::b]"])
        #expect(nested.items[0].id == "t/test_b.py::A::B::test_c[a::b]")
    }

    @Test func `report a skipped test that was assigned, with no measurement`() {
        let source = MetricSource(path: "a", format: .junit)
        var found = read(Self.junit, .junit)
        MetricFiles.assign(&found, as: ["tests/test_a.py::test_three", "tests/test_a.py::test_two"])
        #expect(found.items.first { $0.id == "tests/test_a.py::test_three" }?.entries.isEmpty == true)
        // What another file measured is not skipped.
        let both = "<testsuite><testcase name='a'><skipped/></testcase><testcase name='b'/></testsuite>"
        var again = read(both, .junit)
        again.add(read("<testsuite><testcase name='a'/></testsuite>", .junit), file: "b")
        MetricFiles.assign(&again, as: ["a", "b"])
        #expect(again.items.map(\.id) == ["b", "a"])
        // gtest names all that it was told to leave out.
        let filtered = "<testsuite><testcase name='a'/><testcase name='b' status='notrun'/></testsuite>"
        var one = read(filtered, .junit)
        MetricFiles.assign(&one, as: ["a", "b"])
        #expect(one.items.map(\.id) == ["a"])
        let alone = Array("<testsuite><testcase name='a'><skipped/></testcase></testsuite>".utf8)
        #expect(value("skipped", of: MetricFiles.read(alone, file: "a", as: source, areAssigned: true)) == .count(1))
        let none = Array("<testsuite><testcase name='a' status='notrun'/></testsuite>".utf8)
        let refused = refusal("", of: MetricFiles.read(none, file: "a", as: source, areAssigned: true))
        #expect(refused?.reason.contains("no test ran") == true)
    }

    @Test func `leave items out where they are told to`() {
        let source = MetricSource(path: "a", format: .junit, withItems: false)
        let found = MetricFiles.read(Array(Self.junit.utf8), file: "a", as: source)
        #expect(found.items.isEmpty && value("failures", of: found) == .count(1))
    }

    // MARK: several files

    @Test func `gives no value to a name that two files have`() {
        var all = read(#"{"a": 1, "b": 2}"#, .json, file: "one.json")
        all.add(read(#"{"b": 2, "c": 3}"#, .json, file: "two.json"), file: "two.json")
        #expect(value("a", of: all) == .plain(1) && value("c", of: all) == .plain(3))
        #expect(refusal("b", of: all)?.reason == "several values" && refusal("b", of: all)?.file == "two.json")
    }

    /// Whatever stands in a file, reading comes to an end, and what cannot be read never gives a number.
    @Test func `comes to an end on broken files`() {
        let seeds: [(MetricSource.Format, String)] = [
            (.junit, Self.junit), (.csv, "a,\"b\"\n1,\"2\"\n"), (.json, #"{"a": {"b": [1, {"c": 2}]}}"#),
            (.jsonl, "{\"a\": 1}\n{\"a\": 2}\n"), (.mlflow, "1 2 3\n"), (.lmEval, #"{"results": {"t": {"a,n": 1}}}"#),
            (.pytestBenchmark, #"{"benchmarks": [{"name": "a", "stats": {"mean": 1, "stddev": 0, "rounds": 2}}]}"#),
        ]
        for seed in UInt64(0)..<600 {
            var random = SplitMix64(seed: seed)
            let (format, text) = seeds[Int(seed) % seeds.count]
            var bytes = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.removeLast(bytes.count - place)
                default: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
                }
            }
            let found = MetricFiles.read(bytes, file: "m/metrics/a", as: MetricSource(path: "", format: format))
            #expect(found.metrics.count + found.items.count < 100, "seed \(seed)")
        }
    }
}
