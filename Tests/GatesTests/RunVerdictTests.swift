import Gates
import Model
import Testing

@Suite struct `A run's verdict` {
    private let floor = GateRule(.atLeast(0.85))

    @Test func `is its worst required gate`() {
        var advisory = floor
        advisory.required = false
        #expect(judge([floor], results: plain(0.9)).verdict == .pass)
        #expect(judge([floor], results: plain(0.8)).verdict == .fail)
        #expect(judge([advisory], results: plain(0.8)).verdict == .pass)
        #expect(judge([], results: plain(0.8)).verdict == .pass)
        let relative = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        #expect(judge([relative, floor], results: plain(0.8)).verdict == .fail)
        #expect(judge([relative, floor], results: plain(0.9)).verdict == .inconclusive)
    }

    @Test func `gives the exit code`() {
        #expect(judge([floor], results: plain(0.9)).exitCode == 0)
        #expect(judge([floor], results: plain(0.8)).exitCode == 1)
        let job = job(cells: 2)
        let with = { (first: Cause.Kind, second: Cause.Kind) in
            judge(
                [GateRule(.atLeast(0.85))],
                results: run(
                    job,
                    [first, second].enumerated().map { index, kind in
                        passed(
                            job, cell: index, cause: Cause(kind),
                            kind == .passed ? [NamedMetric("accuracy", .plain(0.9))] : [])
                    }))
        }
        #expect(with(.passed, .passed).exitCode == 0)
        for kind in Cause.Kind.allCases where kind.isInfrastructure {
            #expect(with(.passed, kind).exitCode == 3 && with(.passed, kind).verdict == .incomplete, "\(kind)")
            #expect(with(.cancelled, kind).exitCode == 1, "\(kind)")
            // What fails fast behind it is no reason of its own.
            #expect(with(.notNeeded, kind).exitCode == 3, "\(kind)")
            #expect(with(.userExit, kind).exitCode == 1 && with(.userExit, kind).verdict == .fail, "\(kind)")
        }
        for kind in [Cause.Kind.cancelled, .notNeeded, .queueTimeout] {
            #expect(with(.passed, kind).exitCode == 1 && with(.passed, kind).verdict == .incomplete, "\(kind)")
        }
        for kind in [Cause.Kind.userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM] {
            #expect(with(.passed, kind).exitCode == 1 && with(.passed, kind).verdict == .fail, "\(kind)")
        }
        // A shard that never settled is nobody's known fault.
        #expect(judge([floor], results: run(job, [])).exitCode == 1)
    }

    @Test func `honours 'when'`() {
        var conditional = floor
        conditional.when = "github.event_name == 'schedule'"
        let judgement = judge([conditional], results: plain(0.1), conditions: ["gate": false])
        #expect(judgement.verdict == .pass && !judgement.gates[1].isApplicable)
        #expect(text(judgement).contains(#""gate":"gate","verdict":"not_applicable""#))
        #expect(judge([conditional], results: plain(0.1), conditions: ["gate": true]).verdict == .fail)
        #expect(judge([conditional], results: plain(0.9)).verdict == .incomplete)
    }

    @Test func `knows what a job came to`() {
        var results = plain(0.9)
        let verdict = { judge([], results: results) }
        results.header.jobs.append(ExpectedJob(id: "deploy", ending: .notApplicable, reason: "push only", cells: []))
        #expect(verdict().verdict == .pass)
        #expect(verdict().gates[0].groups[1].reason == "skipped: push only")
        // It did nothing wrong: what failed says so itself.
        results.header.jobs[1].ending = .notReached
        #expect(verdict().verdict == .incomplete && !verdict().isInfrastructureOnly)
        results.shards[0].cause = Cause(.userExit, code: 3)
        #expect(verdict().verdict == .fail)
        // An agent that was lost is the only reason for all of it.
        results.shards[0].cause = Cause(.lostAgent)
        results.header.jobs[1].reason = "gate 'floor' fails"
        #expect(verdict().verdict == .incomplete && verdict().exitCode == 1)
        results.header.jobs[1].reason = "it needs 'eval', which did not succeed"
        #expect(verdict().verdict == .incomplete && verdict().isInfrastructureOnly && verdict().exitCode == 3)
        // So it is for a gate that reads what was not reached.
        var later = floor
        later.job = "deploy"
        #expect(judge([later], results: results).exitCode == 3)
        results.shards[0].cause = Cause(.cancelled)
        #expect(judge([later], results: results).exitCode == 1)
        results.shards[0].cause = Cause(.passed)
        results.header.jobs[1].ending = .ran
        #expect(verdict().verdict == .incomplete)
        results.header.jobs[1].cells = [ExpectedCell(id: "d", name: "deploy", skipped: "'if' was false")]
        #expect(verdict().verdict == .pass)
    }

    @Test func `is incomplete for a required gate over what was skipped`() {
        var results = plain(0.9)
        results.shards = []
        results.header.jobs[0].ending = .notApplicable
        #expect(judge([], results: results).verdict == .pass)
        #expect(judge([floor], results: results).verdict == .incomplete)
        var conditional = floor
        conditional.when = "false"
        #expect(judge([conditional], results: results, conditions: ["gate": false]).verdict == .pass)
    }

    @Test func `forgives a job that may fail, and never its metrics`() {
        var results = plain(0.9)
        results.header.jobs[0].cells[0].continueOnError = true
        results.shards[0].cause = Cause(.userExit, code: 3, evidence: "step 'train' ended with exit code 3")
        let judgement = judge([], results: results)
        #expect(judgement.verdict == .pass)
        #expect(judgement.gates[0].groups[0].reason.contains("user_exit (3): step 'train' ended with exit code 3"))
        #expect(judge([floor], results: results).verdict == .incomplete)
    }

    @Test func `names shards, causes and attempts`() {
        let job = job(cells: 3, shards: 2)
        let results = run(
            job,
            [
                passed(job, cell: 0, shard: 0), passed(job, cell: 0, shard: 1, attempt: 3),
                passed(job, cell: 1, shard: 0),
                passed(job, cell: 1, shard: 1, attempt: 2, cause: Cause(.oom, evidence: "killed at 7.0 GiB")),
                passed(job, cell: 2, shard: 0),
            ])
        let judgement = judge([], results: results)
        let group = judgement.gates[0].groups[0]
        #expect(group.reason.contains("eval (1): shard 1 ended oom (attempt 2): killed at 7.0 GiB"))
        #expect(group.reason.contains("eval (2): missing: shard 1 of 2 never settled"))
        #expect(group.restsOn.map(\.attempts) == [[1, 3], [1, 2], [1, 0]])
        #expect(judgement.cells.map(\.outcome) == [.passed, .failed, .incomplete])
    }

    @Test func `counts no evidence of foreign cells, and says so`() {
        var results = plain(0.9)
        results.shards.append(
            SettledShard(job: "other", cell: "x", shard: 0, shardCount: 1, attempt: 1, cause: Cause(.passed)))
        #expect(judge([floor], results: results).verdict == .incomplete)
        results.shards[1].job = "eval"
        results.shards[1].values = [Value.Member("x", 7)]
        #expect(judge([floor], results: results).gates[0].groups[0].reason.contains("does not have"))
        #expect(judge([], results: Results(header: ResultsHeader(jobs: []), shards: [])).verdict == .incomplete)
    }

    @Test func `has the JSON of the command line`() {
        let judgement = judge([floor], results: plain(0.8))
        let expected =
            #"{"verdict":"fail","gates":[{"gate":"jobs","verdict":"pass","required":true,"groups":[{"where":{"#
            + #""job":"eval"},"verdict":"pass","reason":"1 of 1 cells passed","value":null,"bound":null,"#
            + #""baseline":null,"n":null,"interval":null,"p":null}]},{"gate":"gate","verdict":"fail","#
            + #""required":true,"groups":[{"where":{"x":0},"verdict":"fail","reason":"accuracy 0.8 is below 0.85","#
            + #""value":0.8,"bound":0.85,"baseline":null,"n":null,"interval":null,"p":null}]}]}"# + "\n"
        #expect(text(judgement) == expected)
    }

    @Test func `can be asked for single gates`() {
        var second = floor
        second.name = "second"
        let gates = judgeGates([floor, second], named: ["second"], results: plain(0.9))
        #expect(gates.map(\.name) == ["second"] && gates[0].verdict == .pass)
    }

    /// A table that copied its cells whenever one of them changed took a minute here.
    @Test func `comes for as many cells as a job may have`() {
        let job = job(cells: Limits.cellsPerJobMax, shards: 4)
        let shards = job.cells.indices.flatMap { cell in
            (0..<4).map { shard in
                passed(job, cell: cell, shard: shard, [NamedMetric("accuracy", .mean(n: 10, mean: 0.9, m2: 1))])
            }
        }
        let judgement = judge([GateRule(.atLeast(0.9))], results: run(job, shards))
        #expect(judgement.verdict == .pass)
        #expect(judgement.gates[1].groups.count == Limits.cellsPerJobMax)
    }
}
