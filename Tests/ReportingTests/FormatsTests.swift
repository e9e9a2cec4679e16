import Foundation
import Gates
import JSON
import Model
import Reporting
import Testing

@Suite struct `A report in Markdown` {
    @Test func `says the verdict first, then why, then the grid`() {
        let expected = """
            ## ❌ fail: r17 nightly

            **2 of 2 required gates fail: jobs, floor; advisory: no-regression fails.** Exit code 1.

            ### Why

            - ❌ **jobs**: fails
              - **job eval**: 1 of 6 cells failed: eval (3.13, onnxruntime, cpu): shard 1 ended user\\_exit (3): step 'evaluate' ended with exit code 3
            - ❌ **floor**: fails in 1 of 6 groups (accuracy at-least 0.85 per cell)
              - **eval (3.12, torch, cpu)**: accuracy: not a number (NaN) at metrics.json:1, shard 0
              - **eval (3.13, onnxruntime, cpu)**: accuracy: shard 1 ended user\\_exit (3): step 'evaluate' ended with exit code 3 (incomplete)

            ### eval

            6 cells: 4 pass, 2 fail. device = cpu · shown: the value that gate floor compares

            | python | backend: torch | backend: onnxruntime |
            |---|---|---|
            | **3.11** | ✅ 0.9 | ✅ 0.91 |
            | **3.12** | ❌ | ✅ 0.93 |
            | **3.13** | ✅ 0.94 | ❌ |

            <sub>❌ fail</sub>

            ### Cells to look at

            <details><summary>❌ eval (3.12, torch, cpu): floor: accuracy: not a number (NaN) at metrics.json:1, shard 0</summary>

            - floor: accuracy: not a number (NaN) at metrics.json:1, shard 0

            ```text
            sheaf explain r17/eval/eval_2
            sheaf logs r17/eval/eval_2
            ```

            </details>

            """
        #expect(Sample.troubled.report.markdown.hasPrefix(expected))
    }

    @Test func `is produced when everything passes, and the same each time`() {
        let report = Sample.green.report
        #expect(report.markdown == report.markdown)
        #expect(report.markdown.hasPrefix("## ✅ pass: r17 nightly\n\n**all 2 required gates pass.** Exit code 0.\n"))
        #expect(report.markdown.contains("| **iris** | ✅ 0.9 |"))
    }

    @Test func `folds long lists, and keeps what fails outside of the fold`() {
        let markdown = Sample.long.report.markdown
        let fold = markdown.range(of: "<details><summary>Every cell of eval</summary>")
        let failed = markdown.range(of: "| **77** | ❌ 0.5 |")
        #expect(fold != nil && failed != nil)
        if let fold, let failed { #expect(failed.lowerBound < fold.lowerBound) }
        #expect(markdown.contains("| **199** | ✅ 0.9 |"))
    }

    @Test func `stays within what GitHub takes, and says what it left out`() {
        var sample = Sample()
        sample.axes = [("seed", (0..<5000).map { .number(Double($0)) })]
        sample.shards = 1
        sample.accuracy = { _ in .plain(0.1) }
        let markdown = sample.report.markdown
        #expect(markdown.unicodeScalars.count <= RunReport.markdownCharactersMax)
        #expect(markdown.contains("_Too long for here:") && markdown.contains("every cell of eval"))
        #expect(markdown.contains("Where this comes from"))
    }
}

@Suite struct `A report in JUnit's XML` {
    @Test func `has a case for every cell and every gate`() {
        let reading = XMLReading()
        #expect(reading.read(Sample.troubled.report.junit))
        #expect(reading.cases == 6 + 3)
        // Two cells, and the gates jobs and floor; the advisory gate only says what it found.
        #expect(reading.failures == 4 && reading.errors == 0 && reading.skipped == 1)
        #expect(
            reading.messages.contains(
                "fails in 1 of 6 groups (accuracy at-least 0.85 per cell): eval (3.12, torch, cpu): "
                    + "accuracy: not a number (NaN) at metrics.json:1, shard 0"))
        #expect(reading.suites.first?["tests"] == "9" && reading.suites.first?["failures"] == "4")
        #expect(reading.suites.last?["name"] == "eval" && reading.suites.last?["time"] == "144.000")
        #expect(reading.suites.last?["timestamp"] == "2026-11-23T10:00:00")
    }

    /// Whoever reads only the counts must not take for a pass what is none.
    @Test func `has no failure and no error exactly where the run passed`() {
        var cases: [(Sample, Verdict)] = [(.green, .pass), (.troubled, .fail)]
        var lost = Sample.green
        lost.cause = { cell, _ in cell == 0 ? Cause(.lostAgent, evidence: "no heartbeat") : Cause(.passed) }
        cases.append((lost, .incomplete))
        var cancelled = Sample.green
        cancelled.settled = 1
        cases.append((cancelled, .incomplete))
        var compared = Sample.green
        compared.gates = [
            GateRule(name: "drop", metric: "accuracy", limits: [.dropAtMost(.absolute(0))], baseline: .alias("x"))
        ]
        cases.append((compared, .inconclusive))
        for (ending, verdict) in [(ExpectedJob.Ending.notReached, Verdict.incomplete), (.failed, .fail)] {
            var sample = Sample.green
            sample.jobsBeside = [ExpectedJob(id: "later", ending: ending, reason: "why", cells: [])]
            cases.append((sample, verdict))
        }
        var skipped = Sample.green
        skipped.jobsBeside = [ExpectedJob(id: "docs", ending: .notApplicable, reason: "if", cells: [])]
        cases.append((skipped, .pass))
        for (sample, verdict) in cases {
            let reading = XMLReading()
            #expect(reading.read(sample.report.junit))
            #expect(sample.judgement.verdict == verdict)
            #expect((reading.failures + reading.errors == 0) == (verdict <= .waived), "\(verdict)")
            #expect((reading.failures > 0) == (verdict == .fail), "\(verdict)")
        }
    }

    @Test func `of a run that goes on accuses nobody`() {
        var sample = Sample.green
        sample.isOver = false
        sample.settled = 0
        let reading = XMLReading()
        #expect(reading.read(sample.report.junit))
        #expect(reading.failures == 0 && reading.errors == 0 && reading.skipped == reading.cases)
    }
}

@Suite struct `A report in JSON` {
    @Test func `has everything, and null for what is not known`() throws {
        let value = try JSONParser.parse(Sample.troubled.report.json).value
        #expect(value["sheaf_report"] == 1 && value["run"] == "r17" && value["verdict"] == "fail")
        #expect(value["exit_code"] == 1 && value["duration_s"] == 95)
        let gates = value["gates"]?.array ?? []
        #expect(gates.map { $0["gate"]?.string } == ["jobs", "floor", "no-regression"])
        let groups = gates[1]["groups"]?.array ?? []
        #expect(groups.count == 6)
        #expect(groups[2]["verdict"] == "fail" && groups[2]["value"] == .null)
        #expect(groups[2]["where"]?["python"] == "3.12" && groups[2]["name"] == "eval (3.12, torch, cpu)")
        let cells = value["jobs"]?.array?.first?["cells"]?.array ?? []
        #expect(cells.map { $0["mark"]?.string } == ["pass", "pass", "fail", "pass", "pass", "fail"])
        let shard = cells[5]["shards"]?.array?[1]
        #expect(shard?["cause"] == "user_exit" && shard?["code"] == 3)
        #expect(shard?["attempts"]?.array?.first?["duration_s"] == 12)
        #expect(value["cost"]?["attempts"] == 12 && value["cost"]?["gpu_s"] == 0)
    }

    @Test func `of a run that goes on has no verdict`() throws {
        var sample = Sample.green
        sample.isOver = false
        let value = try JSONParser.parse(sample.report.json).value
        #expect(value["verdict"] == .null && value["exit_code"] == .null && value["ended_at"] == .null)
    }
}
