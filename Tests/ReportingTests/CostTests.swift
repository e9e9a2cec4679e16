import Gates
import JSON
import Model
import Reporting
import Testing

@Suite struct `What a run took` {
    private func attempt(
        _ number: Int, _ kind: Cause.Kind, shard: Int = 0, seconds: Int64, models: [String] = []
    ) -> AttemptFact {
        let from = Sample.start.advanced(by: .seconds(10))
        var fact = AttemptFact(
            job: "eval", cell: "eval_0", shard: shard, number: number, agent: "gpu-1", cause: Cause(kind),
            startedAt: from, endedAt: from.advanced(by: .seconds(seconds)), cpu: .seconds(seconds / 2),
            gpus: models.count)
        fact.gpuModels = models
        fact.setup = .seconds(1)
        fact.running = .seconds(seconds - 2)
        fact.uploading = .seconds(1)
        return fact
    }

    private func report(_ attempts: [AttemptFact], rates: Rates? = nil) -> RunReport {
        var sample = Sample.green
        sample.shards = 3
        var facts = sample.facts
        facts.attempts = attempts
        facts.rates = rates
        var results = sample.results
        for shard in results.shards.indices {
            let last = attempts.last { $0.shard == results.shards[shard].shard && $0.cause?.kind != .cancelled }
            results.shards[shard].attempt = last?.number ?? 1
        }
        return RunReport(facts: facts, results: results, judgement: sample.judgement)
    }

    /// The one that is cancelled may have the higher number, or the lower one.
    @Test func `counts one of two attempts as cancelled when the other settled the shard`() throws {
        for (winner, loser) in [(1, 2), (2, 1)] {
            var twin = [attempt(winner, .passed, seconds: 20), attempt(loser, .cancelled, seconds: 30)]
            twin.sort { $0.number < $1.number }
            twin[1].beside = 1
            let report = report(twin)
            let cost = report.cost
            #expect(cost.wall == .seconds(50) && cost.wastedWall == .seconds(30))
            #expect(cost.cancelledWall == .seconds(30) && cost.retriedWall == .zero)
            #expect(report.flaky.isEmpty)
            let page = try #require(try JSONParser.value(report.json)["jobs"]?.array?.first?["cells"]?.array?.first)
            let shard = try #require(page["shards"]?.array?.first)
            #expect(shard["settled_by"]?.number == Double(winner))
            #expect(shard["attempts"]?.array?.map { $0["beside"] } == [.null, 1])
        }
        // The first one's own failure settled the shard: nothing was tried again.
        var failed = [attempt(1, .userExit, seconds: 20), attempt(2, .cancelled, seconds: 5)]
        failed[1].beside = 1
        let cost = report(failed).cost
        #expect(cost.retriedWall == .zero && cost.wastedWall == .seconds(25) && cost.cancelledWall == .seconds(5))
    }

    @Test func `takes the time of two attempts at one time once`() {
        // From 0 to 30 s, from 20 to 50 s beside it, from 60 to 70 s once more.
        var attempts = [
            attempt(1, .lostAgent, seconds: 30), attempt(2, .agentFault, seconds: 30), attempt(3, .passed, seconds: 10),
        ]
        for (index, later) in [(1, 20), (2, 60)] {
            attempts[index].startedAt = attempts[index].startedAt?.advanced(by: .seconds(Int64(later)))
            attempts[index].endedAt = attempts[index].endedAt?.advanced(by: .seconds(Int64(later)))
        }
        attempts[1].beside = 1
        #expect(report(attempts).slowest.map(\.duration) == [.seconds(60)])
        #expect(report(attempts).cost.wall == .seconds(70))
    }

    @Test func `tells what was tried again from what was cancelled and what failed`() {
        let cost = report([
            attempt(1, .lostAgent, seconds: 10), attempt(2, .passed, seconds: 20),
            attempt(1, .cancelled, shard: 1, seconds: 30), attempt(1, .userExit, shard: 2, seconds: 40),
        ]).cost
        #expect(cost.wall == .seconds(100) && cost.cpu == .seconds(50))
        #expect(cost.wastedWall == .seconds(80) && cost.wastedCPU == .seconds(40))
        #expect(cost.retriedWall == .seconds(10) && cost.retriedCPU == .seconds(5))
        #expect(cost.cancelledWall == .seconds(30) && cost.cancelledCPU == .seconds(15))
        #expect(cost.money == nil && cost.wastedMoney == nil)
    }

    @Test func `has a price where rates are given`() throws {
        let rates = try Rates.read(
            #"{"currency": "EUR", "cpu_hour": 0.36, "gpu_hour": {"H100": 3.6, "A100": 1.8}}"#)
        let report = report(
            [
                attempt(1, .userExit, seconds: 100, models: ["H100", "H100"]),
                attempt(2, .passed, seconds: 1000, models: ["A100", "T4"]),
            ], rates: rates)
        // 550 s of processor time at 0.0001, 200 s at 0.001, 1000 s at 0.0005; nobody knows the T4's rate.
        #expect(abs((report.cost.money ?? 0) - 0.755) < 1e-9 && abs((report.cost.wastedMoney ?? 0) - 0.205) < 1e-9)
        #expect(report.cost.unpriced == ["T4"])
        for text in [report.text(), report.markdown, report.html] {
            #expect(text.contains("0.76 EUR") || text.contains("0.755 EUR"), "\(text)")
            #expect(text.contains("no rate for T4"))
        }
        let json = try JSONParser.value(report.json)
        #expect(json["cost"]?["currency"]?.string == "EUR" && json["cost"]?["unpriced"]?.array == ["T4"])
        #expect(json["jobs"]?.array?.first?["cells"]?.array?.first?["money"]?.number == report.cost.money)
    }

    @Test func `is told per cell on the page`() {
        let html = report([attempt(1, .passed, seconds: 12)]).html
        #expect(html.contains("12 s: setup 1 s, steps 10 s, sending results 1 s; CPU 6 s"))
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"currency": "EUR", "cpu_hour": -1}"#, #"{"currency": "EUR", "cpu_hour": "0.1"}"#,
        #"{"currency": "EUR", "gpu_hour": {"H100": null}}"#, #"{"currency": "EUR", "cpu": 1}"#, #"{"currency": ""}"#,
        #"{"currency": "EUR", "cpu_hour": 1e400}"#,
    ])
    func `has no price by rates that are none`(text: String) {
        #expect(throws: RatesError.self) { try Rates.read(text) }
    }
}

@Suite struct `Environments in a report` {
    @Test func `are set against those of the baseline`() throws {
        let sample = Sample.green
        var facts = sample.facts
        facts.environmentChanges = [
            EnvironmentChange(
                cells: ["eval (iris)", "eval (wine)"],
                lines: EnvironmentChange.lines(
                    candidate: "numpy==2.0.1\nscipy==1.15.3\n", baseline: "numpy==1.26.4\nscipy==1.15.3\n"),
                against: RunID(4)),
            EnvironmentChange(cells: ["eval (<b>)"], lines: [], against: nil),
        ]
        let report = RunReport(facts: facts, results: sample.results, judgement: sample.judgement)
        for text in [report.text(columns: 200), report.html] {
            #expect(text.contains("eval (iris), eval (wine) against r4: -numpy==1.26.4, +numpy==2.0.1"), "\(text)")
            #expect(text.contains("other locks, which the farm no longer holds"))
        }
        #expect(report.markdown.contains("Environments unlike the baseline") && report.markdown.contains("against r4"))
        #expect(!report.html.contains("(<b>)"))
        let changes = try JSONParser.value(report.json)["environment_changes"]?.array ?? []
        #expect(changes.count == 2 && changes[0]["against"]?.string == "r4")
        #expect(changes[0]["changes"]?.array == ["-numpy==1.26.4", "+numpy==2.0.1"])
    }

    @Test func `are asked of the runs that gates compared with`() {
        var sample = Sample.green
        sample.gates = [
            GateRule(
                name: "same", metric: "accuracy", limits: [.dropAtMost(.absolute(0.5))], baseline: .alias("champion"))
        ]
        var other = sample.results
        other.header.run = RunID(4)
        other.header.tree = Digest([UInt8](repeating: 1, count: 32))
        sample.baselines = [ResolvedBaseline(.alias("champion"), .found(other, name: "champion = r4"))]
        #expect(sample.report.baselineRuns == [RunID(4)])
        let stored = Judgement(record: sample.judgement.record)
        #expect(stored?.gates == sample.judgement.gates)
    }
}
