import Foundation
import Gates
import Model
import Reporting
import Testing

@Suite struct `A report in HTML` {
    /// Tags in the order they open and close; what does not nest is told.
    private func nesting(_ page: String) -> String? {
        var open: [Substring] = []
        var rest = page[...]
        while let start = rest.firstIndex(of: "<") {
            guard let end = rest[start...].firstIndex(of: ">") else { return "a tag that does not end" }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            let name = tag.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber }
            if tag.hasPrefix("!") || tag.hasSuffix("/") || ["meta", "br"].contains(name) { continue }
            if tag.hasPrefix("/") {
                guard open.popLast() == name else { return "</\(name)> closes nothing" }
            } else {
                open.append(name)
            }
        }
        return open.isEmpty ? nil : "open at the end: \(open)"
    }

    @Test func `has everything on one page that needs nothing else`() {
        let page = Sample.troubled.report.html
        #expect(nesting(page) == nil)
        for word in [
            "FAIL", "user_exit (3): step &#39;evaluate&#39; ended with exit code 3",
            "ValueError: no such file: val.csv",
            "accuracy: not a number (NaN)", "sheaf explain r17/eval/eval_5", "gpu-1", "no-regression", "1a2b3c4d5e6f",
        ] {
            #expect(page.contains(word), "\(word)")
        }
        #expect(
            !page.contains("<script") && !page.contains("http://") && !page.contains("https://")
                && !page.contains("src="))
        #expect(
            page.contains("prefers-color-scheme:dark") && page.contains("@media print") && page.contains("lang=\"en\""))
        // Beside a drawing words keep a width: on a telephone they had one letter a line.
        #expect(page.contains("td:has(svg.drawn)+td{min-width") && page.contains("@media (max-width:40rem)"))
        // Every mark has its word for those who do not see it, and every link leads to a place on the page.
        for link in page.split(separator: "href=\"#").dropFirst() {
            let name = link.prefix { $0 != "\"" }
            #expect(page.contains("id=\"\(name)\""), "\(name)")
        }
        #expect(page == Sample.troubled.report.html)
    }

    /// Nothing may be told by a picture, a colour or a tooltip alone.
    @Test func `has every attempt in words, and says what it leaves out`() {
        var report = Sample.troubled.report
        let page = report.html
        let rows = page.components(separatedBy: "<tr>").filter { $0.contains("<td>shard ") }
        let attempts = report.jobs.flatMap(\.cells).flatMap(\.shards).flatMap(\.attempts)
        #expect(!attempts.isEmpty && rows.count == attempts.count, "\(rows.count) of \(attempts.count)")
        #expect(rows.contains { $0.contains(">✓</span> passed") } && rows.contains { $0.contains("user_exit (3)") })
        let timed = report.facts.attempts.filter { $0.startedAt != nil && $0.duration != nil && !$0.agent.isEmpty }
        #expect(page.components(separatedBy: "<td>+").count - 1 == timed.count && !timed.isEmpty)
        // Every table has a name, and one that scrolls can be reached by the keyboard.
        let tables = page.components(separatedBy: "<table").dropFirst()
        #expect(tables.allSatisfy { $0.drop { $0 != ">" }.hasPrefix("><caption>") })
        #expect(
            !page.replacing("class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=", with: "").contains(
                "class=\"wide\""))
        report.facts.warnings = []
        report.facts.notes = (0..<130).map { "note \($0)" }
        let long = report.html
        #expect(long.contains("… and 30 more lines; --format json has all.") && !long.contains("note 100"))
    }

    @Test func `takes strangers' texts for text`() {
        var sample = Sample.troubled
        let hostile = "<script>alert(1)</script><img src=x onerror=y>\"'&\u{202E}\u{1B}[31m"
        sample.workflow = hostile
        sample.name = { _ in hostile }
        sample.logTail = [hostile]
        sample.axes.append(("<b>", [.string(hostile)]))
        let page = sample.report.html
        #expect(nesting(page) == nil)
        #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>\u{202E}"))
        #expect(!page.unicodeScalars.contains { $0 == "\u{202E}" || $0 == "\u{1B}" })
    }

    @Test func `draws intervals against their bounds`() {
        var sample = Sample.green
        sample.gates = [GateRule(name: "tested", metric: "accuracy", limits: [.dropAtMost(.absolute(0.01))])]
        sample.gates[0].baseline = .alias("champion")
        sample.gates[0].testing = .init(.regression, itemsAtLeast: 10)
        var older = sample
        older.accuracy = { _ in .mean(n: 100, mean: 0.93, m2: 1) }
        var before = older.results
        before.header.run = RunID(1)
        before.header.tree = Digest([UInt8](repeating: 1, count: 32))
        sample.baselines = [ResolvedBaseline(.alias("champion"), .found(before, name: "champion = r1"))]
        let page = sample.report.html
        #expect(
            page.contains("class=\"interval\"") && page.contains("class=\"bound\"")
                && page.contains("class=\"baseline\""))
        #expect(nesting(page) == nil)
    }

    private static var large: Sample {
        var sample = Sample()
        sample.axes = [
            ("a", (0..<100).map { .number(Double($0)) }), ("b", (0..<10).map { .string("value-\($0)") }),
            ("c", (0..<10).map { .string("x\($0)") }),
        ]
        sample.shards = 1
        sample.cause = { cell, _ in
            cell % 9 == 0 ? Cause(.userExit, code: 1, evidence: "step 'run' ended with exit code 1") : Cause(.passed)
        }
        sample.logTail = (0..<20).map { "line \($0) of what the program said before it ended" }
        return sample
    }

    @Test func `stays small with ten thousand cells`() {
        let report = Self.large.report
        let page = report.html
        #expect(page.utf8.count < 5_000_000, "\(page.utf8.count)")
        #expect(page.utf8.count > 500_000)
        // GitHub takes 65 536 characters, and each other form has its say.
        #expect(report.markdown.count < 65_000 && report.markdown.contains("1112 fail"), "\(report.markdown.count)")
    }

    /// Everything that a page can have: failures in common, flipped items, tests, earlier runs, environments, costs.
    private static var whole: RunReport {
        var sample = Sample()
        sample.axes = [
            ("device", ["cpu", "cuda", "rocm"]), ("backend", ["torch", "jax", "onnx"]), ("data", ["iris", "wine"]),
        ]
        let cells = sample.cells
        let eval = ExpectedJob(
            id: "eval", cells: cells.map { ExpectedCell(id: $0.id, name: $0.name, values: $0.values) })
        let results = { (number: UInt64) in
            Results(
                header: ResultsHeader(
                    run: RunID(number), jobs: [eval], commit: "1a2b3c4d5e6f",
                    tree: Digest([UInt8](repeating: UInt8(number), count: 32)), provenance: [.init("branch", "topic")]),
                shards: cells.enumerated().map { index, cell in
                    var random = SplitMix64(seed: UInt64(index))
                    let isBad = number == 17 && cell.values[0].value == "cuda" && cell.values[1].value == "jax"
                    let isLost = number == 17 && index == 15
                    return SettledShard(
                        job: "eval", cell: cell.id, values: cell.values, shard: 0, shardCount: 1, attempt: 1,
                        cause: isLost ? Cause(.oom, evidence: "more than 1 GiB of memory") : Cause(.passed),
                        items: isLost
                            ? []
                            : (0..<500).map { item in
                                let draw = random.next() % 1000
                                var right = draw < 930
                                // As many items change one way as the other.
                                let turn = random.next() % 1000
                                if number == 17 && turn < (right ? 10 : 130) { right.toggle() }
                                if isBad && draw > 850 { right = false }
                                return Item(id: "q\(item)", entries: [.init("accuracy", .number(right ? 1 : 0))])
                            })
                })
        }
        var rule = GateRule(
            name: "no-regression", metric: "accuracy", limits: [.dropAtMost(.absolute(0))], baseline: .branch("main"))
        rule.testing = .init(.regression, detect: .absolute(0.05))
        let floor = GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.88)])
        let judged = { (number: UInt64) in
            judge(
                [floor, rule], results: results(number),
                baselines: [
                    ResolvedBaseline(
                        .branch("main"), .found(results(4), name: "main = r4, commit 9f8e7d6c5b4a, the merge base"))
                ])
        }
        var facts = RunFacts(
            run: RunID(17), workflow: "nightly", file: "eval.yml", event: "pull_request", actor: "alice (team vision)",
            submittedAt: Sample.start, endedAt: Sample.start.advanced(by: .seconds(200)))
        for (index, cell) in cells.enumerated() {
            let tries = index == 15 || index == 4 ? 2 : 1
            for number in 1...tries {
                let from = Sample.start.advanced(by: .seconds(Int64(index / 3 * 30 + (number - 1) * 12)))
                let isLast = number == tries
                var fact = AttemptFact(
                    job: "eval", cell: cell.id, shard: 0, number: number, agent: "gpu-\(index % 3 + 1)",
                    cause: index == 15 || !isLast ? Cause(.oom, evidence: "more than 1 GiB of memory") : Cause(.passed),
                    startedAt: from, endedAt: from.advanced(by: .seconds(isLast ? 22 : 11)), cpu: .seconds(18),
                    setup: .seconds(3), peakMemory: .mebibytes(812), gpus: 1,
                    environmentLock: Digest([UInt8](repeating: UInt8(index % 3 + 3), count: 32)),
                    logTail: index == 15 ? ["step 'evaluate': 12 of 500", "Killed"] : [])
                fact.running = .seconds(18)
                fact.uploading = .seconds(1)
                fact.gpuModels = ["NVIDIA L4"]
                facts.attempts.append(fact)
            }
        }
        facts.history = (5...16).map { number in
            PastRun(
                run: RunID(number), submittedAt: Sample.start, verdict: .pass, judged(number))
        }
        facts.environmentChanges = [
            EnvironmentChange(
                cells: cells.filter { $0.values[0].value == "cuda" }.map(\.name),
                lines: ["-jax==0.4.30", "+jax==0.5.0", "-numpy==1.26.4", "+numpy==2.0.1"], against: RunID(4))
        ]
        facts.rates = Rates(currency: "EUR", cpuHour: 0.04, gpuHours: [.init("NVIDIA L4", 0.8)])
        return RunReport(facts: facts, results: results(17), judgement: judged(17))
    }

    @Test func `has everything in one place`() {
        let page = Self.whole.html
        for part in [
            "Flaky",
            "Items that changed against the baseline", "Environments unlike the baseline&#39;s", "Trend",
            "Shards on agents", "What it took", "EUR", "class=\"interval\"",
        ] {
            #expect(page.contains(part), "\(part)")
        }
        #expect(nesting(page) == nil)
    }

    /// Writes pages to look at: SHEAF_PAGES names a folder.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["SHEAF_PAGES"] != nil))
    func `can be looked at`() throws {
        let folder = URL(filePath: ProcessInfo.processInfo.environment["SHEAF_PAGES"] ?? "/nowhere")
        try Sample.troubled.report.html.write(
            to: folder.appending(path: "troubled.html"), atomically: true, encoding: .utf8)
        try Self.large.report.html.write(to: folder.appending(path: "large.html"), atomically: true, encoding: .utf8)
        try Self.whole.html.write(to: folder.appending(path: "whole.html"), atomically: true, encoding: .utf8)
        try `A report's findings`.blamed.report.html.write(
            to: folder.appending(path: "blamed.html"), atomically: true, encoding: .utf8)
    }

    @Test func `draws each gate's values over earlier runs`() {
        var report = Sample.green.report
        #expect(!report.html.contains("<h2>Trend</h2>"))
        var earlier = Sample.green
        earlier.accuracy = { .mean(n: 100, mean: 0.8 + 0.05 * Double($0), m2: 1) }
        report.facts.history = [
            PastRun(run: RunID(3), submittedAt: Sample.start, verdict: .fail, earlier.judgement),
            PastRun(run: RunID(9), submittedAt: Sample.start, verdict: .pass, Sample.green.judgement),
        ]
        let page = report.html
        #expect(page.contains("<h2>Trend</h2>") && page.contains("2 runs of this workflow before this one, from r3 on"))
        #expect(page.contains("r3 0.8, r9 0.9, r17 0.9") && page.contains("<title>r3: 0.85</title>"))
        #expect(!page.contains("<script"))
    }
}
