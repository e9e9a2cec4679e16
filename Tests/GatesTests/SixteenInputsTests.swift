import Gates
import Model
import Testing

/// The inputs that the usual gate in shell arithmetic was tried with; most of them pass it. None may pass here.
@Suite struct `The sixteen inputs` {
    static let inputs = [
        "0.80", "", "NaN", "nan", "inf", "null", "None", "0,80", "80%", "8.4e-1", "8.4E-1", "accuracy: 0.80",
        "0.80\n0.90", "\"0.99\"", "true", "[0.9]",
    ]

    /// Each limit form, so that 0.80 to 0.84 do not pass it and a good value does.
    static let limits: [(limit: GateRule.Limit, good: Double)] = [
        (.atLeast(0.85), 0.9), (.atMost(0.5), 0.4), (.between(0.85, 0.95), 0.9),
        (.dropAtMost(.absolute(0.02)), 0.9), (.dropAtMost(.percent(2)), 0.9), (.riseAtMost(.absolute(-0.2)), 0.5),
        (.riseAtMost(.percent(-20)), 0.5), (.ratioAtMost(0.5), 0.4),
    ]

    private func verdict(_ limit: GateRule.Limit, _ shards: (ExpectedJob) -> [SettledShard], count: Int) -> Judgement {
        let job = job(shards: count)
        let older = GatesTests.job()
        let against = run(older, [passed(older, [NamedMetric("accuracy", .plain(0.9))])], number: 1, tree: 1)
        return judge(
            [GateRule(limit, against: RunID(1))], results: run(job, shards(job)), baselines: baseline(against))
    }

    @Test func `give no pass as a value of the metrics file`() {
        for (limit, good) in Self.limits {
            let judged = { (text: String) in
                verdict(limit, { [passed($0, read("{\"accuracy\": \(text)}"))] }, count: 1)
            }
            #expect(judged("\(good)").verdict == .pass, "\(limit)")
            for input in Self.inputs {
                let judgement = judged(input)
                #expect(judgement.verdict == .fail, "\(limit) on \(input)")
                #expect(judgement.gates[1].groups[0].reason.hasPrefix("accuracy"), "\(input)")
            }
        }
    }

    @Test func `give no pass as the whole metrics file`() {
        for (limit, _) in Self.limits {
            for input in Self.inputs {
                for content in [input, input + "\n"] {
                    let judgement = verdict(limit, { [passed($0, read(content))] }, count: 1)
                    #expect(judgement.verdict == .fail, "\(limit) on \(input)")
                }
            }
            // A file that is not there at all is missing evidence.
            #expect(verdict(limit, { [passed($0)] }, count: 1).verdict == .incomplete)
        }
    }

    @Test func `give no pass per item, as one of many`() {
        for (limit, good) in Self.limits {
            let judged = { (text: String, others: Int) in
                var lines = (0..<others).map { "{\"id\":\"q\($0)\",\"accuracy\":\(good)}\n" }.joined()
                lines += "{\"id\":\"last\",\"accuracy\":\(text)}\n"
                let (items, problem) = ItemsFile.read(Array(lines.utf8), file: "items.jsonl")
                let metrics = problem.map { [NamedMetric(MetricsFile.wholeName, .refused($0))] } ?? []
                return verdict(limit, { [passed($0, metrics, items: items)] }, count: 1).verdict
            }
            #expect(judged("\(good)", 3) == .pass, "\(limit)")
            for input in Self.inputs {
                #expect(judged(input, 0) == .fail, "\(limit) on \(input)")
                // Finite numbers are numbers: a mean with good ones may hold. Nothing else may.
                if !["0.80", "8.4e-1", "8.4E-1"].contains(input) {
                    #expect(judged(input, 50) == .fail, "\(limit) on \(input) among good items")
                }
            }
        }
    }

    @Test func `give no pass from one of several shards, of whatever kind`() {
        let kinds = [
            #"{"kind":"mean","n":4,"mean":0.9,"m2":0}"#, #"{"kind":"ratio","numerator":9,"denominator":10}"#,
            #"{"kind":"sum","value":0.3}"#, #"{"kind":"count","value":1}"#, #"{"kind":"min","value":0.9}"#,
            #"{"kind":"max","value":0.9}"#, #"{"kind":"samples","values":[0.9]}"#, sketch,
        ]
        for kind in kinds {
            for input in Self.inputs {
                let judgement = verdict(
                    .atLeast(0),
                    { job in
                        (0..<3).map {
                            passed(job, shard: $0, read("{\"accuracy\": \($0 == 1 ? input : kind)}"))
                        }
                    }, count: 3)
                #expect(judgement.verdict == .fail, "\(input) among \(kind)")
            }
        }
    }

    /// Inside a typed metric, wherever a number belongs.
    @Test func `give no pass as a part of a typed metric`() {
        let forms = [
            #"{"kind":"mean","n":4,"mean":X,"m2":0}"#, #"{"kind":"mean","n":X,"mean":0.9,"m2":0}"#,
            #"{"kind":"ratio","numerator":X,"denominator":0.1}"#, #"{"kind":"sum","value":X}"#,
            #"{"kind":"count","value":X}"#, #"{"kind":"min","value":X}"#, #"{"kind":"max","value":X}"#,
            #"{"kind":"samples","values":[X]}"#,
        ]
        for form in forms {
            for input in Self.inputs {
                let text = form.split(separator: "X").joined(separator: input)
                let metrics = read("{\"accuracy\": \(text)}")
                let judgement = verdict(.between(0.85, 0.95), { [passed($0, metrics)] }, count: 1)
                #expect(judgement.verdict >= .incomplete, "\(text)")
            }
        }
    }

    private let sketch = #"{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":[[-5,4]]}"#

    /// A sketch's own numbers: its error, its zeros, and each bucket's index and count.
    @Test func `give no pass as a part of a sketch, under any limit`() {
        let forms = [
            #"{"kind":"quantiles","relative_error":X,"zeros":0,"positive":[[-5,4]]}"#,
            #"{"kind":"quantiles","relative_error":0.01,"zeros":X,"positive":[[-5,4]]}"#,
            #"{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":X}"#,
            #"{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":[X]}"#,
            #"{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":[[X,4]]}"#,
            #"{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":[[-5,X]]}"#,
            #"{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":[[-5,4]],"negative":[[X,1]]}"#,
        ]
        // γ^−5 is 0.905 by an error of 0.01.
        let wide: [GateRule.Limit] = [
            .atLeast(0), .atMost(9), .between(0, 9), .dropAtMost(.absolute(9)), .dropAtMost(.percent(900)),
            .riseAtMost(.absolute(9)), .riseAtMost(.percent(900)), .ratioAtMost(9),
        ]
        for limit in wide {
            let judged = { (text: String) -> Verdict in
                let job = GatesTests.job()
                var rule = GateRule(limit, against: RunID(1))
                rule.statistic = .quantile(0.5)
                let older = run(job, [passed(job, read("{\"accuracy\": \(sketch)}"))], number: 1, tree: 1)
                return judge(
                    [rule], results: run(job, [passed(job, read("{\"accuracy\": \(text)}"))]),
                    baselines: baseline(older)
                ).verdict
            }
            #expect(judged(sketch) == .pass, "\(limit)")
            for form in forms {
                for input in Self.inputs {
                    let text = form.split(separator: "X").joined(separator: input)
                    // An error may be any number in its range, `0.80` too wide: and `0,80` within a list is two numbers.
                    if form.contains("[X]") && input == "0,80" { continue }
                    #expect(judged(text) >= .incomplete, "\(limit) on \(text)")
                }
            }
        }
        // One of several shards, and a sketch of nothing.
        for input in Self.inputs {
            let judgement = verdict(
                .atLeast(0),
                { job in
                    (0..<3).map { passed(job, shard: $0, read("{\"accuracy\": \($0 == 1 ? input : sketch)}")) }
                }, count: 3)
            #expect(judgement.verdict == .fail, "\(input) among sketches")
        }
        var rule = GateRule(.atLeast(0))
        rule.statistic = .quantile(0.5)
        let job = GatesTests.job()
        let empty = read(#"{"accuracy": {"kind":"quantiles","relative_error":0.01,"zeros":0}}"#)
        #expect(group(rule, run(job, [passed(job, empty)])).verdict == .incomplete)
    }

    @Test func `give their reasons`() {
        let reason = { (content: String) in
            verdict(.atLeast(0.85), { [passed($0, read(content))] }, count: 1).gates[1].groups[0].reason
        }
        #expect(reason(#"{"accuracy": 0.80}"#) == "accuracy 0.8 is below 0.85")
        #expect(reason(#"{"accuracy": 8.4e-1}"#) == "accuracy 0.84 is below 0.85")
        #expect(reason(#"{"accuracy": NaN}"#) == "accuracy: not a number (NaN) at metrics.json:1")
        #expect(reason(#"{"accuracy": 0,80}"#) == "accuracy: not a number (0,80) at metrics.json:1")
        #expect(reason(#"{"accuracy": "0.99"}"#) == "accuracy: a string, not a number (\"0.99\") at metrics.json:1")
        #expect(reason("{\"f1\": 1,\n\"accuracy\": null}") == "accuracy: not a number (null) at metrics.json:2")
        #expect(reason(#"{"accuracy": }"#) == "accuracy: empty, not a number at metrics.json:1")
        #expect(reason("0.80\n0.90") == "accuracy: several values (0.80) at metrics.json:1")
        #expect(reason("") == "accuracy: the file is empty at metrics.json:1")
        #expect(reason(#"{"accuracy": 0.9, "accuracy": 0.95}"#) == "accuracy: several values at metrics.json:1")
    }

    private func read(_ text: String) -> [NamedMetric] { MetricsFile.read(Array(text.utf8), file: "metrics.json") }
}
