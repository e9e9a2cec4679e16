import Gates
import Model
import Testing

@Suite struct `A metrics file` {
    private func read(_ text: String) -> [NamedMetric] { MetricsFile.read(Array(text.utf8), file: "metrics.json") }

    private func value(_ name: String, _ text: String) -> MetricValue? { read(text).first { $0.name == name }?.value }

    private func refused(_ name: String, _ text: String) -> RefusedMetric? {
        guard case .refused(let refused)? = value(name, text) else { return nil }
        return refused
    }

    @Test func `gives each kind`() {
        let rows: [(String, MetricValue)] = [
            ("0.91", .plain(0.91)), ("8.4e-1", .plain(0.84)),
            (#"{"kind":"sum","value":3.5}"#, .sum(3.5)), (#"{"kind":"count","value":7,"unit":"errors"}"#, .count(7)),
            (#"{"kind":"mean","n":500,"mean":0.91,"m2":40.9}"#, .mean(n: 500, mean: 0.91, m2: 40.9)),
            (#"{"kind":"ratio","numerator":8,"denominator":9}"#, .ratio(numerator: 8, denominator: 9)),
            (#"{"kind":"ratio","numerator":0,"denominator":0}"#, .ratio(numerator: 0, denominator: 0)),
            (#"{"kind":"min","value":-1}"#, .min(-1)), (#"{"kind":"max","value":1}"#, .max(1)),
            (#"{"kind":"samples","values":[3,1,2]}"#, .samples([3, 1, 2])),
            (
                #"{"kind":"quantiles","relative_error":0.01,"zeros":2,"positive":[[-3,1],[5,2]],"negative":[]}"#,
                .quantiles(
                    QuantileSketch(
                        relativeError: 0.01, zeros: 2,
                        positive: [.init(index: -3, count: 1), .init(index: 5, count: 2)]))
            ),
        ]
        for (text, metric) in rows { #expect(value("m", "{\"m\": \(text)}") == metric, "\(text)") }
    }

    @Test func `refuses what is no metric, with its text, reason and line`() {
        let negative = "a denominator counts what was measured, never below 0"
        let rows: [(text: String, reason: String, kept: String)] = [
            ("NaN", "not a number", "NaN"), ("nan", "not a number", "nan"), ("inf", "not a number", "inf"),
            ("-Infinity", "not a number", "-Infinity"), ("None", "not a number", "None"),
            ("null", "not a number", "null"), ("true", "not a number", "true"), ("0,80", "not a number", "0,80"),
            ("80%", "not a number", "80%"), ("", "empty, not a number", ""), ("1e999", "not a number", "1e999"),
            ("\"0.99\"", "a string, not a number", "\"0.99\""), ("[0.9]", "a list, not a number", "[0.9]"),
            ("accuracy: 0.80", "not a number", "accuracy: 0.80"), ("0.9,", "not a number", "0.9,"),
            ("0.80\n0.90", "not a number", "0.80\n0.90"),
            ("{}", "an object without a kind, not a metric", "{}"),
            (#"{"kind":"average","value":1}"#, "no such kind of metric: average", ""),
            (#"{"kind":"sum"}"#, "missing: 'value'", ""), (#"{"kind":"count","value":1.5}"#, "", ""),
            (#"{"kind":"count","value":-1}"#, "", ""), (#"{"kind":"mean","n":3,"mean":0.5,"m2":-1}"#, "", ""),
            (#"{"kind":"mean","n":1,"mean":0.5,"m2":7}"#, "m2 of one value is 0", ""),
            (#"{"kind":"ratio","numerator":0,"denominator":-25}"#, negative, ""),
            (#"{"kind":"ratio","numerator":-9,"denominator":-10}"#, negative, ""),
            (
                #"{"kind":"ratio","numerator":5,"denominator":0}"#, "a numerator of what was measured on nothing is 0",
                ""
            ),
            (
                #"{"kind":"ratio","numerator":-5,"denominator":0}"#, "a numerator of what was measured on nothing is 0",
                ""
            ),
            (#"{"kind":"mean","n":3,"mean":null,"m2":1}"#, "not a number, in 'mean'", "null"),
            (#"{"kind":"sum","value":1,"value":2}"#, "several values: 'value' stands twice", ""),
            (#"{"kind":"sum","value":1,"worth":2}"#, "a sum has no 'worth'", ""),
            (#"{"kind":"samples","values":[1,"2"]}"#, "a string, not a number", "\"2\""),
            (#"{"kind":"quantiles","relative_error":2}"#, "", ""),
            (#"{"kind":"quantiles","relative_error":0.01,"positive":[[2,1],[1,1]]}"#, "", ""),
            (#"{"kind":"quantiles","relative_error":0.5,"positive":[[999999999,1]]}"#, "", ""),
        ]
        for row in rows {
            let refused = refused("m", "{\n  \"m\": \(row.text),\n  \"other\": 1\n}")
            #expect(refused != nil, "\(row.text)")
            if !row.reason.isEmpty { #expect(refused?.reason == row.reason, "\(row.text)") }
            if !row.kept.isEmpty { #expect(refused?.text == row.kept) }
            #expect(refused?.line == 2 && refused?.file == "metrics.json", "\(row.text)")
            #expect(value("other", "{\n  \"m\": \(row.text),\n  \"other\": 1\n}") == .plain(1), "\(row.text)")
        }
    }

    @Test func `refuses a repeated name, at its second line`() {
        let refused = refused("accuracy", "{\"accuracy\": 0.9,\n \"accuracy\": 0.95}")
        #expect(refused?.reason == "several values" && refused?.line == 2)
    }

    /// A file that is no object says nothing that could be trusted, not even what of it looks whole.
    @Test func `refuses a file that is no object, as a whole`() {
        let rows: [(String, String)] = [
            ("", "the file is empty"), ("  \n", "the file is empty"), ("NaN", "not a JSON object"),
            ("0.80", "a bare number"),
            ("0.80\n0.90\n", "several values"), ("accuracy: 0.80", "not a JSON object"), ("[0.9]", "not a JSON object"),
            ("\"0.99\"", "not a JSON object"), ("[0.9,}", "not a JSON object"), ("true", "not a JSON object"),
            ("null", "not a JSON object"),
            ("{\"accuracy\": 0.9}\n{\"accuracy\": 0.8}", "several values"), ("{\"accuracy\": 0.9", "not JSON"),
            ("{accuracy: 0.9}", "not JSON"),
            ("{\"a\": \"x, \"b\": 1}", "not JSON"),
            ("{\"a\": [1, \"b\": 2}", "not JSON"), ("{\"a\": 1} trailing", "not JSON"), ("{\"\": 1}", "without a name"),
        ]
        for (text, reason) in rows {
            let whole = refused(MetricsFile.wholeName, text)
            #expect(whole?.reason.contains(reason) == true, "\(text): \(String(describing: whole))")
        }
    }

    @Test func `has limits`() {
        let large = [UInt8](repeating: 0x20, count: Limits.metricsFileBytesMax + 1)
        #expect(MetricsFile.read(large, file: "m").first?.name == MetricsFile.wholeName)
        let many = "{" + (0...MetricsFile.metricsMax).map { "\"m\($0)\":1" }.joined(separator: ",") + "}"
        #expect(read(many).first?.name == MetricsFile.wholeName && read(many).count == 1)
        #expect(refused("m", "{\"m\": \"\(String(repeating: "x", count: 5000))\"}")?.text.count == 200)
    }

    @Test func `never traps on garbage`() {
        let alphabet = Array("{}[]\",:\\ \n0.e-19NaNtruefalsenull\u{1}é".utf8)
        for seed in UInt64(0)..<3000 {
            var random = SplitMix64(seed: seed)
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                alphabet[Int.random(in: alphabet.indices, using: &random)]
            }
            for metric in MetricsFile.read([UInt8(ascii: "{")] + bytes, file: "m") { #expect(metric.name.count < 100) }
            _ = ItemsFile.read(bytes, file: "i")
        }
    }
}

@Suite struct `An items file` {
    private func read(_ text: String) -> (items: ItemTable, problem: RefusedMetric?) {
        ItemsFile.read(Array(text.utf8), file: "items.jsonl")
    }

    @Test func `gives items in their order`() {
        let (items, problem) = read(
            #"{"id": "q17", "accuracy": 1, "latency_ms": 12.5}"# + "\n\n" + #"{"accuracy":0,"id":18}"# + "\r\n"
                + #"{"id":"a\u0062c","x":-1.5e3}"#)
        #expect(problem == nil)
        #expect(
            items == [
                Item(id: "q17", entries: [.init("accuracy", .number(1)), .init("latency_ms", .number(12.5))]),
                Item(id: "18", entries: [.init("accuracy", .number(0))]),
                Item(id: "abc", entries: [.init("x", .number(-1500))]),
            ])
    }

    @Test func `refuses entries that are no numbers, and keeps the rest of the line`() {
        let rows: [(String, String, String)] = [
            ("NaN", "NaN", "not a number"), ("\"0.9\"", "\"0.9\"", "a string, not a number"),
            ("null", "null", "not a number"), ("0,80", "0,80", "not a number"), ("01", "01", "not a number"),
            ("1.", "1.", "not a number"), ("-", "-", "not a number"), ("+1", "+1", "not a number"),
            ("[1]", "[1]", "a list, not a number"), ("{\"kind\":\"sum\",\"value\":1}", "", ""),
        ]
        for (text, kept, reason) in rows {
            let (items, problem) = read("{\"id\":\"first\",\"x\":1}\n{\"id\": \"a\", \"m\": \(text), \"x\": 2}\n")
            #expect(problem == nil && items.count == 2, "\(text)")
            guard case .refused(let refused)? = items.last?.entries.first?.number else {
                Issue.record("\(text) was taken")
                continue
            }
            #expect(refused.line == 2 && refused.file == "items.jsonl")
            if !kept.isEmpty { #expect(refused.text == kept && refused.reason == reason) }
            #expect(items.last?.entries.last == .init("x", .number(2)), "\(text)")
        }
        guard case .refused(let twice)? = read(#"{"id":"a","m":1,"m":1}"#).items.first?.entries.first?.number else {
            Issue.record("a repeated name was taken")
            return
        }
        #expect(twice.reason == "several values")
    }

    @Test func `names the line that spoils it`() {
        let rows = [
            #"{"accuracy": 1}"#, "nonsense", "[1]", #"{"id": null}"#, #"{"id": 1.5}"#, #"{"id": ""}"#,
            #"{"id": "a", "id": "b"}"#, #"{"id": "a""#, "{\"id\": \"\(String(repeating: "x", count: 1025))\"}",
        ]
        for row in rows {
            let (_, problem) = read("{\"id\":\"ok\"}\n\(row)\n")
            #expect(problem?.line == 2, "\(row)")
        }
        #expect(read("{\"id\": \"\(String(repeating: "x", count: 1024))\"}").problem == nil)
    }

    @Test func `has limits`() {
        var reader = ItemsFile(file: "i", itemsMax: 2)
        reader.take(Array("{\"id\":1}\n{\"id\":2}\n".utf8)[...])
        reader.finish()
        #expect(reader.problem == nil && reader.items.count == 2)
        var full = ItemsFile(file: "i", itemsMax: 2)
        full.take(Array("{\"id\":1}\n{\"id\":2}\n{\"id\":3}".utf8)[...])
        full.finish()
        #expect(full.problem?.reason == "more than 2 items" && full.items.count == 2)
        var long = ItemsFile(file: "i")
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 18)
        for _ in 0..<5 { long.take(piece[...]) }
        long.finish()
        #expect(long.problem?.reason.contains("longer than") == true)
    }

    @Test func `does not care how its bytes are cut`() {
        var text = ""
        for index in 0..<200 {
            text += #"{"id": "q\#(index)", "a": \#(index % 2), "s": "x\n", "l": 0.\#(index)}"# + "\n"
        }
        let bytes = Array(text.utf8)
        let whole = ItemsFile.read(bytes, file: "i").items
        #expect(whole.count == 200)
        for seed in UInt64(0)..<50 {
            var random = SplitMix64(seed: seed)
            var reader = ItemsFile(file: "i")
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + Int.random(in: 1...200, using: &random))
                reader.take(bytes[start..<end])
                start = end
            }
            reader.finish()
            #expect(reader.items == whole, "seed \(seed)")
        }
    }
}
