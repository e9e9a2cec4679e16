import Gates
import JSON
import Model
import Reporting
import Testing

@Suite struct `A report's findings` {
    /// 4 devices × 4 backends; everything on cuda fails.
    static var blamed: Sample {
        var sample = Sample()
        sample.axes = [("device", ["cpu", "cuda", "rocm", "tpu"]), ("backend", ["torch", "jax", "onnx", "tf"])]
        sample.cause = { cell, shard in
            (4..<8).contains(cell) && shard == 0 ? Cause(.userExit, code: 1, evidence: "no CUDA") : Cause(.passed)
        }
        return sample
    }

    @Test func `name what the failures have in common, in every form`() throws {
        let report = Self.blamed.report
        let words = "device=cuda: 4 of 4 cells fail, else 0 of 12"
        #expect(report.blames.count == 1)
        #expect(report.text().replacing("\n  ", with: "").contains(words) || report.text(columns: 300).contains(words))
        #expect(report.markdown.contains("device=cuda: 4 of 4 cells fail, else 0 of 12"))
        let value = try JSONParser.value(report.json)
        #expect(value["blame"]?.array?.first?["sentence"]?.string?.contains(words) == true)
        #expect(value["blame"]?.array?.first?["where"] == ["device": "cuda"])
        #expect(Sample.green.report.blames.isEmpty)
    }

    @Test func `tell of shards that failed before they passed, even when all is green`() {
        let sample = Sample.green
        var facts = sample.facts
        var first = facts.attempts[0]
        first.cause = Cause(.userExit, code: 1)
        facts.attempts[0].number = 2
        facts.attempts.append(first)
        let report = RunReport(facts: facts, results: sample.results, judgement: sample.judgement)
        #expect(report.flaky.map(\.causes) == [["user_exit (1)"]] && report.judgement.verdict == .pass)
        for text in [report.text(columns: 300), report.markdown, String(decoding: report.json, as: UTF8.self)] {
            #expect(text.contains("flaky: 1 shard failed before passing"))
        }
        // Tests that failed and passed within one attempt are named beside.
        var results = sample.results
        results.shards[0].flaky = ["testNet", "testIO"]
        let named = RunReport(facts: facts, results: results, judgement: sample.judgement)
        for text in [named.text(columns: 300), named.markdown, String(decoding: named.json, as: UTF8.self), named.html]
        {
            #expect(text.contains("flaky: 1 shard failed before passing, 2 tests failed and passed"))
            #expect(text.contains("testNet") && text.contains("testIO"))
        }
        // What the farm lost and ran again is no flaky program.
        facts.attempts[facts.attempts.count - 1].cause = Cause(.lostAgent)
        #expect(RunReport(facts: facts, results: sample.results, judgement: sample.judgement).flaky.isEmpty)
    }

    /// The end of the log and the agent are those of the attempt that settled the shard, not of the other one.
    @Test func `are told of the attempt that counts`() {
        var sample = Sample.troubled
        sample.logTail = ["the one that counts"]
        var facts = sample.facts
        let place = facts.attempts.firstIndex { $0.cause?.kind == .userExit } ?? 0
        var other = facts.attempts[place]
        (other.number, other.agent, other.cause) = (
            2, "elsewhere", Cause(.cancelled, evidence: "attempt 1 ended first")
        )
        (other.logTail, other.beside) = (["the other one"], 1)
        facts.attempts.append(other)
        let report = RunReport(facts: facts, results: sample.results, judgement: sample.judgement)
        for text in [report.text(columns: 300), report.markdown, report.junit] {
            #expect(text.contains("the one that counts") && !text.contains("the other one"))
        }
        #expect(report.text(columns: 300).contains("on gpu-2, attempt 1: step 'evaluate'"))
    }

    @Test func `say that a shard was tried again where it had failed`() {
        let sample = Sample.green
        func retries(_ cause: Cause, then agent: String?) -> String {
            var facts = sample.facts
            var first = facts.attempts[0]
            first.cause = cause
            facts.attempts[0].number = 2
            if let agent { facts.attempts[0].agent = agent }
            facts.attempts.append(first)
            let report = RunReport(facts: facts, results: sample.results, judgement: sample.judgement)
            return report.text(columns: 400) + report.markdown
        }
        let lost = retries(Cause(.lostAgent), then: nil)
        #expect(lost.contains(", the same agent again: no other took it in time"), "\(lost)")
        let failed = retries(Cause(.userExit, code: 1), then: nil)
        #expect(failed.contains(", the same agent again") && !failed.contains("no other took it"), "\(failed)")
        #expect(!retries(Cause(.lostAgent), then: "another").contains("the same agent"))
    }

    @Test func `list the items that changed against the baseline`() throws {
        let job = ExpectedJob(id: "eval", cells: [ExpectedCell(id: "c", name: "eval")])
        let results = { (run: UInt64, wrong: Set<Int>) in
            Results(
                header: ResultsHeader(
                    run: RunID(run), jobs: [job], commit: "c\(run)",
                    tree: Digest([UInt8](repeating: UInt8(run), count: 32))),
                shards: [
                    SettledShard(
                        job: "eval", cell: "c", shard: 0, shardCount: 1, attempt: 1, cause: Cause(.passed),
                        items: (0..<20).map {
                            Item(id: "q\($0)", entries: [.init("accuracy", .number(wrong.contains($0) ? 0 : 1))])
                        })
                ])
        }
        let rule = GateRule(
            name: "same", metric: "accuracy", limits: [.dropAtMost(.absolute(0.5))], baseline: .run(RunID(1)))
        let newer = results(2, [3, 4])
        let judgement = judge(
            [rule], results: newer,
            baselines: [ResolvedBaseline(.run(RunID(1)), .found(results(1, [4, 9]), name: "r1"))])
        let report = RunReport(facts: RunFacts(run: RunID(2), workflow: "w"), results: newer, judgement: judgement)
        #expect(report.flipped.map(\.flips) == [Flips(lost: 1, lostIDs: ["q3"], gained: 1, gainedIDs: ["q9"])])
        #expect(report.text(columns: 300).contains("1 item got worse (q3), 1 item got better (q9)"))
        for text in [report.junit, String(decoding: report.json, as: UTF8.self)] {
            #expect(text.contains("q3") && text.contains("q9"), "\(text)")
        }
        // A judgement that was stored tells the same.
        let stored = try #require(Judgement(record: judgement.record))
        #expect(RunReport(facts: report.facts, results: newer, judgement: stored) == report)
    }
}

/// The same code with the same inputs, and another answer.
@Suite struct `Another answer to the same question` {
    private func past(_ number: UInt64, _ sample: Sample, isSameCode: Bool = true) -> PastRun {
        PastRun(
            run: RunID(number), submittedAt: Sample.start, verdict: sample.judgement.verdict, sample.judgement,
            isSameCode: isSameCode)
    }

    private func report(_ sample: Sample, after history: [PastRun]) -> RunReport {
        var facts = sample.facts
        facts.history = history
        return RunReport(facts: facts, results: sample.results, judgement: sample.judgement)
    }

    @Test func `is counted and shown, also where all is green`() throws {
        var failing = Sample.green
        failing.cause = { cell, shard in
            cell == 1 && shard == 0 ? Cause(.userExit, code: 1, evidence: "x") : Cause(.passed)
        }
        let report = report(.green, after: [past(3, failing), past(5, failing), past(6, .green)])
        #expect(report.judgement.verdict == .pass && report.otherwise.map(\.run) == [RunID(5)])
        for text in [report.text(columns: 300), report.markdown, report.html] {
            #expect(text.contains("flaky: 1 came out otherwise in another run on the same code"))
            #expect(text.contains("failed in r5 on the same code, passes here"))
        }
        let json = try JSONParser.value(report.json)
        #expect(json["otherwise"]?.array?.first?["passes_here"]?.boolean == true)
        // The other way round: what fails here passed before.
        let turned = self.report(failing, after: [past(4, .green)])
        #expect(turned.text(columns: 300).contains("passed in r4 on the same code, fails here"))
    }

    @Test func `is told of gates, too`() {
        var worse = Sample.green
        worse.accuracy = { $0 == 0 ? .mean(n: 100, mean: 0.5, m2: 1) : .mean(n: 100, mean: 0.9, m2: 1) }
        let report = report(.green, after: [past(3, worse)])
        #expect(report.otherwise.map(\.name) == ["gate floor, eval (iris)"])
    }

    /// What was compared with another run, or with none yet, was another question.
    @Test func `is none to another question`() {
        func judged(_ verdict: Verdict, _ reason: String, against run: UInt64?) -> Judgement {
            var group = GroupJudgement(place: [], verdict: verdict, reason: reason)
            group.baselineRun = run.map { RunID($0) }
            return Judgement(
                gates: [GateJudgement(name: "reg", isRequired: true, question: "", groups: [group])], cells: [])
        }
        let fails = judged(.fail, "acc 0.96 -> 0.86", against: 1)
        for (here, count) in [
            (judged(.pass, "acc 0.86 -> 0.86", against: 1), 1), (judged(.pass, "acc 0.85 -> 0.86", against: 2), 0),
            (judged(.pass, "acc: no baseline: there is none; its plain limits pass", against: nil), 0),
        ] {
            let past = PastRun(
                run: RunID(3), submittedAt: Sample.start, verdict: .fail, fails, isSameCode: true)
            var facts = Sample.green.facts
            facts.history = [past]
            let report = RunReport(facts: facts, results: Sample.green.results, judgement: here)
            #expect(report.otherwise.count == count, "\(here.gates[0].groups[0].reason)")
        }
    }

    @Test func `is none where the code or the inputs were others`() {
        var failing = Sample.green
        failing.cause = { _, _ in Cause(.userExit, code: 1, evidence: "x") }
        #expect(report(.green, after: [past(3, failing, isSameCode: false)]).otherwise.isEmpty)
        #expect(report(.green, after: [past(3, .green)]).otherwise.isEmpty)
    }
}
