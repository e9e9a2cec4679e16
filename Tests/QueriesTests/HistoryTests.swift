import Artifacts
import Gates
import Model
import Queries
import Reporting
import Storage
import Testing
import Wire

@Suite struct `The history of a stored run` {
    /// One shard lost its agent and passed at the second attempt; one failed; one waits; the rest is quiet.
    private func eventful() throws -> StoredSample {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 3, shards: ShardPlan(count: 2)))
        try sample.resolve()
        try sample.run(
            sample.attempt(0, 0), cause: Cause(.lostAgent, evidence: "no heartbeat since 10:00:02Z"), retryAfter: 2,
            why: "tried again in 2 s as attempt 2 of 3")
        sample.clock = sample.clock.advanced(by: .seconds(2))
        try sample.run(sample.attempt(0, 0, 2), on: "gpu-2", seconds: 14) { _ in }
        try sample.settle(0, 0...0, attempt: 2)
        try sample.pass(0, 1, metrics: "{}")
        try sample.store.commit([.cellEnded(CellID(run: sample.run, job: 0, cell: 0), ending: "passed")])
        try sample.run(
            sample.attempt(1, 0), cause: Cause(.userExit, code: 3, evidence: "step 'run' ended with exit code 3"),
            why: "not tried again: user_exit (3) is not retried (retried: infrastructure)"
        ) { _ in }
        try sample.settle(1, 0...0, cause: Cause(.userExit, code: 3, evidence: "step 'run' ended with exit code 3"))
        try sample.settle(1, 1...1, attempt: 0, cause: Cause(.notNeeded, evidence: "fail-fast"))
        try sample.lease(sample.attempt(2, 0), on: "gpu-1")
        return sample
    }

    @Test func `is told in sentences`() throws {
        let lines = try #require(try eventful().snapshot()).explain()
        #expect(
            lines == [
                "r1 nightly (eval.yml): submitted 2026-11-23T10:00:00Z by alice (team vision), event push",
                "job eval: 3 cells, goes on",
                "  eval (0): 2 of 2 shards settled, 1 passed at the first attempt; ended: passed",
                "    shard 0:",
                "      attempt 1 on gpu-1: lost_agent after 12 s (from 10:00:01Z): no heartbeat since 10:00:02Z; "
                    + "tried again in 2 s as attempt 2 of 3, from 10:00:15Z",
                "      attempt 2 on gpu-2: passed after 14 s (from 10:00:16Z)",
                "      settled passed at 10:00:30Z by attempt 2",
                "  eval (1): 2 of 2 shards settled",
                "    shard 0:",
                "      attempt 1 on gpu-1: user_exit (3) after 12 s (from 10:00:44Z): step 'run' ended with exit code 3; "
                    + "not tried again: user_exit (3) is not retried (retried: infrastructure)",
                "      settled user_exit (3) at 10:00:56Z by attempt 1",
                "    shard 1:",
                "      ended not_needed at 10:00:56Z without an attempt: fail-fast",
                "  eval (2): 0 of 2 shards settled",
                "    shard 0:",
                "      attempt 1 on gpu-1: offered at 10:00:56Z, not started yet",
            ])
    }

    /// Attempt 1 lags, attempt 2 passes; or attempt 1 passes all the same.
    private func straggling(winner: Int) throws -> StoredSample {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1))
        try sample.resolve()
        try sample.lease(sample.attempt(0, 0), on: "gpu-1")
        try sample.store.commit([.attemptStarted(sample.attempt(0, 0), at: sample.clock)])
        sample.clock = sample.clock.advanced(by: .seconds(300))
        try sample.lease(
            sample.attempt(0, 0, 2), on: "gpu-2", beside: 1,
            why: "attempt 1 had run for 5 min; 12 shards like it took about 40 s in the middle")
        try sample.store.commit([.attemptStarted(sample.attempt(0, 0, 2), at: sample.clock)])
        try sample.run(sample.attempt(0, 0, winner), seconds: 37, why: "it passed", isLeased: true) {
            $0.annotations = [.with { ($0.level, $0.text) = ("warning", "of the one that counts") }]
        }
        try sample.run(
            sample.attempt(0, 0, 3 - winner), seconds: -1,
            cause: Cause(.cancelled, evidence: "attempt \(winner) passed first"), isLeased: true
        ) {
            $0.annotations = [.with { ($0.level, $0.text) = ("warning", "of the other one") }]
        }
        try sample.settle(0, 0...0, attempt: winner)
        return sample
    }

    @Test func `says why a second attempt was begun, which counted and why the other was cancelled`() throws {
        let second = try #require(try straggling(winner: 2).snapshot()).explain(RunPart(cell: "eval_0", shard: 0))
        #expect(
            second.dropFirst(2) == [
                "      attempt 1 on gpu-1: cancelled after 5 min 38 s (from 10:00:00Z): attempt 2 passed first",
                "      attempt 2 on gpu-2, a second attempt beside attempt 1 (attempt 1 had run for 5 min; 12 shards like it "
                    + "took about 40 s in the middle): passed after 38 s (from 10:05:00Z)",
                "      settled passed at 10:05:38Z by attempt 2: the first that passed counts",
            ], "\(second)")
        let first = try #require(try straggling(winner: 1).snapshot()).explain(RunPart(cell: "eval_0", shard: 0))
        #expect(first.contains { $0.hasSuffix("cancelled after 38 s (from 10:05:00Z): attempt 1 passed first") })
        #expect(first.last == "      settled passed at 10:05:38Z by attempt 1: the first that passed counts")
    }

    @Test func `lets the attempt that settled a shard speak for it, whatever its number`() throws {
        for winner in [1, 2] {
            let sample = try straggling(winner: winner)
            let snapshot = try #require(try sample.snapshot())
            let facts = try snapshot.facts()
            #expect(facts.notes.contains { $0.hasSuffix("warning: of the one that counts") })
            #expect(!facts.notes.contains { $0.contains("of the other one") })
            #expect(facts.attempts.map(\.beside) == [nil, 1])
            let report = try snapshot.report(results: try #require(try sample.results()))
            #expect(report.flaky.isEmpty && report.cost.cancelledWall > .zero && report.cost.retriedWall == .zero)
        }
    }

    @Test func `says that a shard was tried again where it had failed`() throws {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1))
        try sample.resolve()
        try sample.run(sample.attempt(0, 0), cause: Cause(.lostAgent), retryAfter: 2, why: "tried again in 2 s")
        sample.clock = sample.clock.advanced(by: .seconds(2))
        try sample.run(sample.attempt(0, 0, 2), on: "gpu-1", seconds: 14) { _ in }
        let lines = try #require(try sample.snapshot()).explain().joined(separator: "\n")
        #expect(
            lines.contains("attempt 2 on gpu-1 (the same agent again: no other took it in time): passed"), "\(lines)")
    }

    @Test func `is told of a part`() throws {
        let snapshot = try #require(try eventful().snapshot())
        #expect(
            try snapshot.explain(RunPart(cell: "eval_0", shard: 1)) == [
                "  eval (0): 2 of 2 shards settled; ended: passed",
                "    shard 1:", "      attempt 1 on gpu-1: passed after 12 s (from 10:00:31Z)",
            ])
        #expect(try snapshot.explain(RunPart(cell: "eval (2)", shard: 1)).last == "      no attempt yet")
        for (part, what) in [
            (RunPart(cell: "eval_0", shard: 7), "eval (0) has no shard 7: its shards are 0 to 1"),
            (RunPart(job: "test"), "r1 has no job 'test'; it has eval"),
            (RunPart(cell: "x"), "r1 has no cell 'x' there; it has eval_0, eval_1, eval_2"),
            (RunPart(job: "7"), "r1 has no job '7'; it has eval"),
            (RunPart(job: "0", cell: "3"), "r1 has no cell '3' there; it has eval_0, eval_1, eval_2"),
        ] {
            #expect(throws: QueryError.absent(what)) { try snapshot.explain(part) }
        }
    }

    /// As agents and the coordinator name it in their lines.
    @Test func `is told of a part that is named by its positions`() throws {
        let snapshot = try #require(try eventful().snapshot())
        let byName = try snapshot.explain(RunPart(job: "eval", cell: "eval_0", shard: 1))
        #expect(try snapshot.explain(RunPart(job: "0", cell: "0", shard: 1)) == byName)
        let first = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 1, shard: 2), number: 1)
        let asked: [(RunPart, Bool)] = [
            (RunPart(), true), (RunPart(job: "0", cell: "1", shard: 2, attempt: 1), true),
            (RunPart(job: "eval", cell: "eval_1", shard: 2, attempt: 1), true), (RunPart(job: "1"), false),
            (RunPart(job: "0", cell: "2"), false), (RunPart(job: "eval", cell: "1"), false),
            (RunPart(job: "0", cell: "eval_1"), false), (RunPart(attempt: 2), false), (RunPart(shard: 1), false),
        ]
        for (part, isPart) in asked { #expect(part.has(first, in: snapshot.plan) == isPart, "\(part)") }
    }

    @Test func `names who cancelled, and how it ended`() throws {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1))
        try sample.store.commit([
            .runCancelled(
                sample.run, by: "bob", reason: "wrong branch", at: sample.clock.advanced(by: .seconds(90_000)))
        ])
        sample.clock = sample.clock.advanced(by: .seconds(90_005))
        try sample.end()
        let lines = try #require(try sample.snapshot()).explain()
        #expect(lines[1] == "cancelled at 2026-11-24T11:00:00Z by bob: wrong branch")
        #expect(lines[2] == "ended at 2026-11-24T11:00:05Z after 1 d 1 h: incomplete, exit code 1")
        #expect(lines[3] == "job eval: never started")
    }

    @Test func `has a limit`() throws {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1, shards: ShardPlan(count: 3000)))
        try sample.resolve()
        try sample.settle(0, 0...2999, attempt: 0, cause: Cause(.queueTimeout, evidence: "no agent has label gpu"))
        let lines = try #require(try sample.snapshot()).explain()
        #expect(lines.count == RunSnapshot.explanationLinesMax + 1)
        #expect(lines.last?.hasPrefix("… and more") == true)
    }
}

@Suite struct `The report of a stored run` {
    private func sample() throws -> StoredSample {
        let sample = try StoredSample()
        let gates = [GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.85)])]
        try sample.submit(StoredSample.plan(shards: ShardPlan(), gates: gates))
        try sample.resolve()
        let file = sample.put(#"{"accuracy": 0.9}"#)
        let manifest = sample.put("manifest")
        try sample.run(sample.attempt(0, 0)) {
            $0.metrics = file
            var artifact = Proto.Artifact()
            artifact.name = "predictions"
            artifact.manifest = manifest
            artifact.contentBytes = 4096
            $0.artifacts = [artifact]
            var usage = Proto.Usage()
            usage.cpuNs = 5_000_000_000
            usage.peakMemoryBytes = 1 << 30
            $0.usage = usage
        }
        try sample.settle(0, 0...0)
        try sample.run(
            sample.attempt(1, 0), cause: Cause(.oom, evidence: "killed at 7.0 GiB of 7.0 GiB"), why: "not in 'retry'"
        ) {
            _ in
        }
        try sample.settle(1, 0...0, cause: Cause(.oom, evidence: "killed at 7.0 GiB of 7.0 GiB"))
        return sample
    }

    @Test func `shows the judgement that was stored, and what happened`() throws {
        let sample = try sample()
        let judgement = try sample.end()
        let snapshot = try #require(try sample.snapshot())
        #expect(try snapshot.judgement() == judgement)
        let results = try snapshot.results(object: sample.object)
        let report = try snapshot.report(results: results, logTail: { ["last line of \($0)"] })
        #expect(report.judgement == judgement && report.isOver)
        #expect(report.jobs[0].cells.map(\.mark) == [.pass, .fail])
        #expect(report.jobs[0].cells[0].figure == 0.9)
        #expect(report.cost.cpu == .seconds(5) && report.cost.peakMemory == .gibibytes(1))
        #expect(report.facts.artifacts.map(\.name) == ["predictions"])
        #expect(report.jobs[0].cells[1].shards[0].attempts[0].logTail == ["last line of r1/0/1/0#1"])
        let text = report.text(columns: 120)
        #expect(text.contains("shard 0: oom after 12 s on gpu-1: killed at 7.0 GiB of 7.0 GiB"))
        #expect(text.contains("  2026-11-23T10:00:00Z by alice (team vision), event push"))
        #expect(text.contains("  c0ffee1 and uncommitted changes (dirty)"))
    }

    /// What was decided is told, not decided again.
    @Test func `never judges again a run that has ended`() throws {
        let sample = try sample()
        let stored = Judgement(
            gates: [
                GateJudgement(
                    name: "jobs", isRequired: true, question: "q",
                    groups: [GroupJudgement(place: [], verdict: .inconclusive, reason: "as it was then")])
            ], cells: [])
        try sample.store.commit([
            .runEnded(
                RunEnding(
                    run: sample.run, at: sample.clock, verdict: .inconclusive, exitCode: 1, judgement: stored.record))
        ])
        let snapshot = try #require(try sample.snapshot())
        let report = try snapshot.report(results: try snapshot.results(object: sample.object))
        #expect(report.judgement.verdict == .inconclusive)
        #expect(report.text().contains("as it was then"))
        #expect(report.judgement.cells.count == 2)
    }

    @Test func `lists artifacts and sums up`() throws {
        let sample = try sample()
        let snapshot = try #require(try sample.snapshot())
        let artifacts = try snapshot.artifacts()
        #expect(artifacts.map(\.cell) == ["eval_0"] && artifacts[0].artifact?.name == "predictions")
        #expect(artifacts[0].shardCount == 1 && artifacts[0].attempt == 1)
        let summary = snapshot.summary()
        #expect(summary.state == "running" && summary.shardsSettled == 2 && summary.shardsTotal == 2)
        try sample.store.commit([
            .cellEnded(CellID(run: sample.run, job: 0, cell: 0), ending: "passed"),
            .cellEnded(CellID(run: sample.run, job: 0, cell: 1), ending: "failed"),
            .jobEnded(run: sample.run, job: 0, ending: "failure", reason: ""),
        ])
        #expect(try sample.snapshot()?.summary().state == "judging")
        try sample.end()
        let ended = try #require(try sample.snapshot()).summary()
        #expect(ended.state == "ended" && ended.verdict == "fail" && ended.exitCode == 1)
        #expect(ended.cellsPassed == 1 && ended.cellsFailed == 1)
        // As lists show it, from the plan's bytes alone.
        #expect(ended.title == "Fit longer")
    }
}

@Suite struct `A damaged record` {
    private func damage(_ change: (inout RunRecord) -> Void) throws -> StoredSample {
        let sample = try StoredSample()
        var record = RunRecord(
            id: sample.run, key: "0123456789abcdef", owner: StoredSample.alice, name: "n", file: "f",
            submittedAt: sample.clock, tree: nil, commit: "", request: [],
            plan: Proto.Plan(StoredSample.plan()).encoded())
        change(&record)
        try sample.store.commit([.runSubmitted(record)])
        return sample
    }

    @Test func `is told as such, and never guessed at`() throws {
        let plan = try damage { $0.plan = [0xFF] }
        #expect(throws: QueryError.self) { try plan.snapshot() }
        let request = try damage { $0.request = [0x0A, 0x7F] }
        #expect(throws: QueryError.self) { try request.snapshot() }
        let stray = try damage { _ in }
        try stray.lease(stray.attempt(7, 0), on: "gpu-1")
        #expect(throws: QueryError.damaged(RunID(1), "cell r1/0/7 is none of the plan's")) { try stray.snapshot() }
        let judged = try damage { _ in }
        try judged.store.commit([
            .runEnded(RunEnding(run: RunID(1), at: judged.clock, verdict: .pass, exitCode: 0, judgement: [123, 125]))
        ])
        #expect(throws: QueryError.damaged(RunID(1), "the judgement")) { try judged.snapshot()?.judgement() }
        let unknown = try plan.reader.snapshot(of: RunID(5))
        #expect(unknown == nil)
    }
}
