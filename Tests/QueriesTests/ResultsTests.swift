import Artifacts
import Gates
import JSON
import Model
import Queries
import Storage
import Testing
import Wire

@Suite struct `Results of a stored run` {
    @Test func `come from the attempts that decided`() throws {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1))
        try sample.resolve()
        let wrong = sample.put(#"{"accuracy": 0.1}"#)
        try sample.run(
            sample.attempt(0, 0), cause: Cause(.lostAgent, evidence: "no heartbeat"), retryAfter: 1,
            why: "the farm's fault"
        ) { $0.metrics = wrong }
        let right = sample.put(#"{"accuracy": {"kind": "ratio", "numerator": 9, "denominator": 10}}"#)
        try sample.run(sample.attempt(0, 0, 2), on: "gpu-2") { $0.metrics = right }
        try sample.settle(0, 0...0, attempt: 2)
        try sample.settle(0, 1...1, attempt: 0, cause: Cause(.cancelled, evidence: "by alice"))
        let results = try #require(try sample.results())
        #expect(results.header.run == RunID(1) && results.header.commit == "c0ffee1")
        #expect(results.header.jobs.map(\.ending) == [.ran])
        #expect(results.header.jobs[0].cells.map(\.shards) == [2])
        #expect(results.shards.map(\.attempt) == [2, 0])
        #expect(results.shards.map(\.cause.kind) == [.passed, .cancelled])
        #expect(results.shards[0].metrics == [NamedMetric("accuracy", .ratio(numerator: 9, denominator: 10))])
        #expect(results.shards[1].metrics.isEmpty)
    }

    @Test func `refuse what is no number, with file and line`() throws {
        let sample = try StoredSample()
        try sample.submit(
            StoredSample.plan(
                cells: 1, shards: ShardPlan(),
                gates: [GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.5)])]))
        try sample.resolve()
        try sample.pass(0, 0, metrics: "{\n  \"accuracy\": NaN\n}")
        let results = try #require(try sample.results())
        #expect(
            results.shards[0].metrics == [
                NamedMetric(
                    "accuracy",
                    .refused(RefusedMetric(text: "NaN", reason: "not a number", file: "metrics.json", line: 2)))
            ])
        #expect(try sample.end().verdict == .fail)
    }

    @Test func `give each shard its slice of the listing`() throws {
        let sample = try StoredSample()
        let items = ["q0", "q1", "q2", "q3", "q4"]
        try sample.submit(
            StoredSample.plan(
                cells: 1, shards: ShardPlan(count: 2, items: .command("list")),
                gates: [GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.5)])]))
        try sample.resolve()
        #expect(try sample.results()?.header.jobs[0].cells[0].shards == nil)
        let listing = sample.put(items.map { $0 + "\n" }.joined())
        try sample.run(sample.attempt(0, ShardID.listing)) {
            $0.listing = listing
            $0.listingCount = 5
        }
        try sample.store.commit([
            .cellSharded(CellID(run: sample.run, job: 0, cell: 0), shards: 2, items: 5, listing: Digest(listing.digest))
        ])
        for (shard, range) in [0..<3, 3..<5].enumerated() {
            let lines = range.map { #"{"id": "q\#($0)", "accuracy": 1}"# + "\n" }.joined()
            let file = sample.put(lines)
            try sample.run(sample.attempt(0, shard)) { $0.items = file }
            try sample.settle(0, shard...shard)
        }
        let results = try #require(try sample.results())
        #expect(results.shards.map(\.assigned) == [["q0", "q1", "q2"], ["q3", "q4"]])
        #expect(results.shards.map { $0.items.map(\.id) } == [["q0", "q1", "q2"], ["q3", "q4"]])
        #expect(results.header.jobs[0].cells[0].items == 5)
        #expect(judge(try #require(try sample.snapshot()).plan.gates, results: results).verdict == .pass)

        // Without the listing nobody knows whether the right items were measured.
        sample.lose(items.map { $0 + "\n" }.joined())
        let lost = try #require(try sample.results())
        #expect(lost.shards.map(\.cause.kind) == [.agentFault, .agentFault])
        let judgement = judge(try #require(try sample.snapshot()).plan.gates, results: lost)
        #expect(judgement.verdict == .incomplete && judgement.exitCode == 3)
    }

    @Test func `give shards of unequal numbers what the cut of the listing says`() throws {
        let sample = try StoredSample()
        try sample.submitListed(["q0", "q3", "q1", "q2", "q4"], ends: [1, 5])
        for shard in 0..<2 {
            try sample.run(sample.attempt(0, shard)) { _ in }
            try sample.settle(0, shard...shard)
        }
        let results = try #require(try sample.results())
        #expect(results.shards.map(\.assigned) == [["q0"], ["q3", "q1", "q2", "q4"]])
    }

    @Test func `are incomplete, by the farm's fault, where a file is gone`() throws {
        let sample = try StoredSample()
        try sample.submit(
            StoredSample.plan(
                cells: 1, shards: ShardPlan(), gates: [GateRule(name: "g", metric: "a", limits: [.atLeast(0)])]))
        try sample.resolve()
        try sample.pass(0, 0, metrics: #"{"a": 1}"#)
        #expect(judge([], results: try #require(try sample.results())).verdict == .pass)
        sample.lose(#"{"a": 1}"#)
        let judgement = try sample.end()
        #expect(judgement.verdict == .incomplete && judgement.exitCode == 3)
        #expect(judgement.gates[0].groups[0].reason.contains("the farm does not hold metrics.json of attempt 1"))
    }

    @Test func `throw what reading throws`() throws {
        struct Broken: Error {}
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1, shards: ShardPlan()))
        try sample.resolve()
        try sample.pass(0, 0, metrics: "{}")
        let snapshot = try #require(try sample.snapshot())
        #expect(throws: Broken.self) { try snapshot.results { _ in throw Broken() } }
    }

    @Test func `tell what jobs came to`() throws {
        let sample = try StoredSample()
        let beside = ["docs", "deploy", "sweep", "later"].map { Model.PlannedJob(id: $0, cells: nil) }
        try sample.submit(StoredSample.plan(cells: nil, beside: beside))
        var resolved = StoredSample.plan().jobs[0]
        resolved.failFast = false
        try sample.resolve(as: resolved)
        try sample.resolve(1, kind: .notApplicable, reason: "its 'if' was false")
        try sample.resolve(2, kind: .notReached, reason: "it needs 'eval', which failed")
        try sample.resolve(3, kind: .failed, reason: "the matrix is empty")
        let results = try #require(try sample.results())
        #expect(results.header.jobs.map(\.ending) == [.ran, .notApplicable, .notReached, .failed, .ran])
        #expect(results.header.jobs.map(\.cells.count) == [2, 0, 0, 0, 0])
        #expect(results.header.jobs[3].reason == "the matrix is empty")
        let judgement = judge([], results: results)
        #expect(judgement.gates[0].groups.map(\.verdict) == [.incomplete, .pass, .incomplete, .fail, .incomplete])
    }

    /// Of a job that waited when its run was cancelled nothing is missing, and nothing waits.
    @Test func `tell of a job that never started why`() throws {
        let sample = try StoredSample()
        let cells = StoredSample.plan().jobs[0].cells
        try sample.submit(StoredSample.plan(beside: [Model.PlannedJob(id: "later", cells: cells)]))
        try sample.resolve()
        #expect(try sample.snapshot()?.cellSummaries().map(\.state) == Array(repeating: "waiting", count: 4))
        try sample.settle(0, 0...1, attempt: 0, cause: Cause(.cancelled, evidence: "Ctrl-C"))
        try sample.settle(1, 0...1, attempt: 0, cause: Cause(.cancelled, evidence: "Ctrl-C"))
        try sample.store.commit([
            .cellEnded(CellID(run: sample.run, job: 0, cell: 0), ending: "cancelled"),
            .cellEnded(CellID(run: sample.run, job: 0, cell: 1), ending: "cancelled"),
            .jobEnded(run: sample.run, job: 1, ending: "cancelled", reason: "the run was cancelled by alice"),
        ])
        #expect(try sample.snapshot()?.cellSummaries().map(\.state) == Array(repeating: "cancelled", count: 4))
        let judgement = judge([], results: try #require(try sample.results()))
        #expect(judgement.gates[0].groups.map(\.verdict) == [.incomplete, .incomplete])
        #expect(
            judgement.gates[0].groups[1].reason.contains("never started: the run was cancelled by alice"),
            "\(judgement.gates[0].groups[1].reason)")
    }

    @Test func `say where they come from`() throws {
        let sample = try StoredSample()
        var capacity = Proto.Capacity()
        var gpu = Proto.GPU()
        gpu.uuid = "GPU-1"
        gpu.model = "H200"
        capacity.gpus = [gpu]
        try sample.store.commit([
            .agentSeen(
                AgentRecord(
                    name: "gpu-1", team: nil, capacity: capacity.encoded(), software: "sheaf",
                    lastSeenAt: sample.clock))
        ])
        try sample.submit(StoredSample.plan(cells: 1, shards: ShardPlan()))
        try sample.resolve()
        let lock = sample.put("numpy==2.0")
        try sample.run(sample.attempt(0, 0), devices: ["GPU-1"]) { $0.environmentLock = lock }
        try sample.settle(0, 0...0)
        let provenance = try #require(try sample.results()).header.provenance
        let value = { (key: String) in provenance.first { $0.key == key }?.value }
        #expect(value("dirty") == true && value("branch") == "topic" && value("actor") == "alice")
        #expect(value("device_model") == ["H200"])
        #expect(value("environment_locks")?.array?.count == 1)
        #expect(value("submitted_at") == "2026-11-23T10:00:00Z")
    }

    @Test func `survive an export to the byte`() throws {
        let sample = try StoredSample()
        let gates = [GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.85)])]
        try sample.submit(StoredSample.plan(gates: gates))
        try sample.resolve()
        for cell in 0..<2 {
            for shard in 0..<2 {
                try sample.pass(
                    cell, shard,
                    metrics: #"{"accuracy": {"kind": "mean", "n": \#(10 + shard), "mean": 0.9\#(cell), "m2": 1}}"#)
            }
        }
        let results = try #require(try sample.results())
        let read = try ResultsFile.read(ResultsFile.write(results), file: "run.jsonl")
        #expect(judge(gates, results: read.results).json == judge(gates, results: results).json)
        #expect(judge(gates, results: read.results).verdict == .pass)
        #expect(ResultsFile.write(read.results) == ResultsFile.write(results))
    }
}

@Suite struct `The verdict of a stored run` {
    /// The same items, cut into 1, 7 or 64 shards that settle in any order.
    private func judged(shards count: Int, seed: UInt64) throws -> [UInt8] {
        var random = SplitMix64(seed: seed)
        let sample = try StoredSample()
        let gates = [
            GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.5)]),
            GateRule(name: "spread", metric: "loss", statistic: .quantile(0.9), per: .run, limits: [.atMost(2)]),
        ]
        try sample.submit(
            StoredSample.plan(cells: 1, shards: ShardPlan(count: count, items: .file("items.txt")), gates: gates))
        try sample.resolve()
        let items = (0..<200).map { "q\($0)" }
        let listing = sample.put(items.map { $0 + "\n" }.joined())
        try sample.run(sample.attempt(0, ShardID.listing)) { $0.listing = listing }
        try sample.store.commit([
            .cellSharded(
                CellID(run: sample.run, job: 0, cell: 0), shards: count, items: 200, listing: Digest(listing.digest))
        ])
        var values = SplitMix64(seed: 7)
        let lines = items.map { item in
            let loss = Double.random(in: -1...1, using: &values) * 1e-9 + Double.random(in: 0...1e3, using: &values)
            return #"{"id": "\#(item)", "accuracy": \#(Int.random(in: 0...1, using: &values)), "loss": \#(loss)}"#
                + "\n"
        }
        for shard in (0..<count).shuffled(using: &random) {
            let slice = ShardPlan.slice(shard: shard, of: count, items: items.count)
            let file = sample.put(lines[slice].shuffled(using: &random).joined())
            try sample.run(sample.attempt(0, shard)) { $0.items = file }
            try sample.settle(0, shard...shard)
        }
        return try sample.end().json
    }

    @Test func `is the same bytes for 1, 7 and 64 shards, in any order`() throws {
        let bytes = try [1, 7, 64, 64].enumerated().map { try judged(shards: $1, seed: UInt64($0)) }
        #expect(Set(bytes).count == 1)
        #expect(String(decoding: bytes[0], as: UTF8.self).contains(#""n":200"#))
    }
}

@Suite struct `Baselines of a stored run` {
    private func sample(_ reference: GateRule.BaselineReference, tree: UInt8 = 2) throws -> (StoredSample, Judgement) {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 1, shards: ShardPlan()))
        try sample.resolve()
        try sample.pass(0, 0, metrics: #"{"accuracy": 0.871}"#)
        try sample.end()
        try sample.store.commit([
            .baselineSet(
                BaselineRecord(alias: "champion", run: RunID(1), setBy: "alice", setAt: StoredSample.start))
        ])
        sample.run = RunID(2)
        let gate = GateRule(
            name: "drop", metric: "accuracy", limits: [.dropAtMost(.percent(3))], baseline: reference)
        try sample.submit(StoredSample.plan(cells: 1, shards: ShardPlan(), gates: [gate]), tree: tree)
        try sample.resolve()
        try sample.pass(0, 0, metrics: #"{"accuracy": 0.842}"#)
        return (sample, try sample.end())
    }

    @Test func `are found by run and by alias`() throws {
        for reference in [GateRule.BaselineReference.run(RunID(1)), .alias("champion")] {
            let (_, judgement) = try sample(reference)
            let group = judgement.gates[1].groups[0]
            #expect(group.verdict == .fail)
            #expect(group.reason == "accuracy 0.871 -> 0.842 (-3.33 %, limit -3 %)")
            #expect(group.baselineSource.contains("r1, commit c0ffee1"))
        }
    }

    @Test func `are never the candidate itself`() throws {
        let (_, judgement) = try sample(.run(RunID(1)), tree: 1)
        #expect(judgement.gates[1].groups[0].reason.contains("baseline_is_candidate"))
        #expect(judgement.verdict == .inconclusive)
    }

    @Test(arguments: [
        (GateRule.BaselineReference.run(RunID(9)), "there is no run r9"),
        (.run(RunID(2)), "r2 has not ended"), (.alias("other"), "nothing is called 'other' yet"),
        (.branch("main"), "does not say where it parts from branch 'main'"),
    ])
    func `that cannot be had make the gate inconclusive`(
        reference: GateRule.BaselineReference, reason: String
    ) throws {
        let (_, judgement) = try sample(reference)
        #expect(judgement.verdict == .inconclusive)
        #expect(judgement.gates[1].groups[0].reason.contains(reason))
    }
}
