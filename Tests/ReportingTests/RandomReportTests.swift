import Gates
import JSON
import Model
import Reporting
import Testing

/// What must hold of the report of any run.
@Suite struct `Any report` {
    private static func sample(_ seed: UInt64) -> Sample {
        var random = SplitMix64(seed: seed)
        var sample = Sample()
        let axes = Int.random(in: 0...3, using: &random)
        sample.axes = ["python", "backend", "seed"].prefix(axes).map { name in
            (name, (0..<Int.random(in: 1...4, using: &random)).map { .string("\(name)-\($0)") })
        }
        sample.shards = Int.random(in: 1...3, using: &random)
        let isHealthy = Bool.random(using: &random)
        var causes = SplitMix64(seed: seed ^ 1)
        let kinds = Cause.Kind.allCases
        let fates = (0..<64).map { _ in
            (0..<3).map { _ in
                isHealthy || Int.random(in: 0..<8, using: &causes) > 0
                    ? Cause(.passed)
                    : Cause(kinds[Int.random(in: kinds.indices, using: &causes)], evidence: "evidence \(seed)")
            }
        }
        sample.cause = { fates[$0 % 64][$1] }
        let values = (0..<64).map { _ -> MetricValue in
            switch Int.random(in: 0..<(isHealthy ? 1 : 12), using: &random) {
            case 11: .refused(RefusedMetric(text: "nan", reason: "not a number", file: "m.json", line: 3))
            case 10: .plain(0.9)
            default: .mean(n: 10, mean: Double.random(in: isHealthy ? 0.9...1 : 0.5...1, using: &random), m2: 1)
            }
        }
        sample.accuracy = { values[$0 % 64] }
        let groupings: [GateRule.Grouping] = [.cell, .run, .axes(sample.axes.prefix(1).map(\.name))]
        sample.gates = (0..<Int.random(in: 0...3, using: &random)).map { index in
            GateRule(
                name: "gate-\(index)", metric: "accuracy", per: groupings[Int.random(in: 0..<3, using: &random)],
                limits: [.atLeast(0.85)], required: Int.random(in: 0..<3, using: &random) > 0)
        }
        if Int.random(in: 0..<6, using: &random) == 0 { sample.settled = Int.random(in: 0..<3, using: &random) }
        if Int.random(in: 0..<6, using: &random) == 0 {
            let endings: [ExpectedJob.Ending] = [.ran, .notApplicable, .notReached, .failed]
            sample.jobsBeside = [
                ExpectedJob(id: "beside", ending: endings[Int.random(in: 0..<4, using: &random)], cells: [])
            ]
        }
        return sample
    }

    @Test func `says the verdict, its reasons, and nothing better`() throws {
        var seen: Set<Verdict> = []
        for seed in UInt64(0)..<80 {
            let report = Self.sample(seed).report
            let judgement = report.judgement
            seen.insert(judgement.verdict)
            let text = report.text(columns: 90)
            let markdown = report.markdown
            #expect(text.contains("\(judgement.verdict.rawValue.uppercased())  r17"), "seed \(seed)")
            for gate in judgement.gates where gate.isRequired && gate.verdict > .waived {
                #expect(text.contains("\(gate.name): ") && markdown.contains("**\(gate.name)**"), "seed \(seed)")
            }
            for cell in report.jobs.flatMap(\.cells) where cell.mark == .fail || cell.mark == .incomplete {
                #expect(!cell.reasons.isEmpty, "seed \(seed)")
                #expect(judgement.verdict > .waived, "seed \(seed): \(cell.name)")
            }
            let reading = XMLReading()
            #expect(reading.read(report.junit), "seed \(seed)")
            #expect((reading.failures + reading.errors == 0) == (judgement.verdict <= .waived), "seed \(seed)")
            let value = try JSONParser.parse(report.json).value
            #expect(value["verdict"]?.string == judgement.verdict.rawValue, "seed \(seed)")
        }
        #expect(seen.isSuperset(of: [.pass, .incomplete, .fail]))
    }

    @Test func `of a run that goes on accuses nobody`() {
        for seed in UInt64(0)..<40 {
            var sample = Self.sample(seed)
            sample.isOver = false
            let report = sample.report
            #expect(report.text().hasPrefix("› RUNNING"), "seed \(seed)")
            let reading = XMLReading()
            #expect(reading.read(report.junit), "seed \(seed)")
        }
    }
}
