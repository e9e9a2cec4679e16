import Gates
import Model
import Testing

/// The sixteen inputs again, under gates with tests: each kind of metric, each test, each limit against a baseline.
@Suite struct `The sixteen inputs under a test` {
    private static let limits: [GateRule.Limit] = [
        .dropAtMost(.absolute(0)), .dropAtMost(.absolute(0.9)), .dropAtMost(.percent(90)), .riseAtMost(.absolute(0.9)),
        .riseAtMost(.percent(90)), .ratioAtMost(9),
    ]
    private static let testings: [GateRule.Testing] = [
        GateRule.Testing(.regression, itemsAtLeast: 1), GateRule.Testing(.nonInferiority),
        GateRule.Testing(.regression, method: .mannWhitney, itemsAtLeast: 1),
    ]

    private func verdict(
        _ limit: GateRule.Limit, _ testing: GateRule.Testing, _ newer: SettledShard, _ older: SettledShard
    )
        -> Verdict
    {
        var rule = GateRule(limit, against: RunID(1))
        rule.testing = testing
        let job = job()
        return judge([rule], results: run(job, [newer]), baselines: baseline(run(job, [older], number: 1, tree: 1)))
            .verdict
    }

    @Test func `give no pass, on either side`() {
        let job = job()
        let good = (0..<40).map { "{\"id\":\"q\($0)\",\"accuracy\":1}\n" }
        let kinds = [
            #"{"kind":"samples","values":[1,1,1,1,X]}"#, #"{"kind":"mean","n":40,"mean":X,"m2":1}"#,
            #"{"kind":"ratio","numerator":X,"denominator":40}"#, #"{"kind":"ratio","numerator":30,"denominator":X}"#,
        ]
        let perItem = { (text: String) -> SettledShard in
            let (items, problem) = ItemsFile.read(
                Array((good.joined() + "{\"id\":\"last\",\"accuracy\":\(text)}\n").utf8), file: "items.jsonl")
            let metrics = problem.map { [NamedMetric(MetricsFile.wholeName, .refused($0))] } ?? []
            return passed(job, metrics, items: items)
        }
        let inFile = { (kind: String, text: String) -> SettledShard in
            let value = kind.split(separator: "X").joined(separator: text)
            return passed(job, MetricsFile.read(Array("{\"accuracy\": \(value)}".utf8), file: "metrics.json"))
        }
        var healthy = 0
        for input in `The sixteen inputs`.inputs where !["0.80", "8.4e-1", "8.4E-1"].contains(input) {
            for limit in Self.limits {
                for testing in Self.testings {
                    if verdict(limit, testing, perItem("1"), perItem("1")) == .pass { healthy += 1 }
                    #expect(verdict(limit, testing, perItem(input), perItem("1")) == .fail, "\(input)")
                    #expect(verdict(limit, testing, perItem("1"), perItem(input)) == .inconclusive, "\(input)")
                    // Within a list, `0,80` is two numbers, and nobody can know better.
                    for kind in kinds where !(input == "0,80" && kind.contains("samples")) {
                        #expect(
                            verdict(limit, testing, inFile(kind, input), inFile(kind, "1")) == .fail, "\(kind) \(input)"
                        )
                        let behind = verdict(limit, testing, inFile(kind, "1"), inFile(kind, input))
                        #expect(behind > .waived, "\(kind) \(input) in the baseline")
                    }
                }
            }
        }
        #expect(healthy > 100)
    }
}
