import JSON
import Model
import Testing

@Suite struct `JSON` {
    private func error(_ text: String) -> JSONError? {
        do {
            _ = try JSONParser.parse(Array(text.utf8))
            return nil
        } catch { return error }
    }

    static let readable: [(String, Value)] = [
        ("null", Value.null), (" true ", true), ("-0.5e1", -5), ("\"a\\u00e9\\n\\uD83D\\uDE00\"", "aé\n😀"),
        ("[1, [], {\"a\": {}}]", [1, [], ["a": .object([])]]), ("1e308", 1e308),
        ("123456789012345678", 123456789012345680),
        ("{\"b\":1,\"a\":2}", ["b": 1, "a": 2]), ("\"\\/\"", "/"), ("\"\u{7F}é\"", "\u{7F}é"), ("-0", .number(-0.0)),
    ]

    @Test(arguments: readable)
    func `reads`(text: String, value: Value) throws {
        #expect(try JSONParser.value(text) == value)
    }

    @Test(arguments: [
        ("", "1:1", ""), ("{\n\"a\": NaN}", "2:6", "NaN"), ("Infinity", "1:1", "Infinity"),
        ("-Infinity", "1:1", "-Infinity"),
        ("None", "1:1", "None"), ("nan", "1:1", "nan"), ("nul", "1:1", "nul"), ("nullx", "1:1", "nullx"),
        ("0,80", "1:2", ","), ("80%", "1:1", "80%"), ("01", "1:1", "01"), ("1.", "1:1", "1."), (".5", "1:1", ".5"),
        ("+1", "1:1", "+1"), ("1e999", "1:1", "1e999"), ("0.80\n0.90", "2:1", "0.90"), ("0x10", "1:1", "0x10"),
        ("accuracy: 0.80", "1:1", "accuracy"), ("[1,]", "1:4", "]"), ("{\"a\":1,}", "1:8", ""), ("'a'", "1:1", "'a'"),
        ("{\"a\":1,\"a\":2}", "1:8", "a"), ("\"\\uD800\"", "1:8", ""), ("\"\\x\"", "1:4", ""), ("\"a\nb\"", "1:3", ""),
        ("// c\n1", "1:1", "//"), ("[1", "1:3", ""), ("{\"a\"", "1:5", ""), ("\u{FEFF}1", "1:1", "\u{FEFF}1"),
    ])
    func `refuses`(text: String, place: String, found: String) throws {
        let refusal = try #require(error(text))
        #expect("\(refusal.line):\(refusal.column)" == place, "\(text): \(refusal)")
        #expect(refusal.found == found, "\(text): \(refusal)")
    }

    @Test func `refuses what is no UTF-8`() {
        for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
            #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
        }
    }

    @Test func `keeps lines, and numbers as they were written`() throws {
        let node = try JSONParser.parse(Array("{\n \"a\": [\n 8.4e-1, 1]}".utf8))
        guard case .array(let items)? = node["a"]?.kind else { Issue.record("no array"); return }
        #expect(items[0].kind == .number(0.84, text: "8.4e-1"))
        #expect(items[0].line == 3 && items[0].column == 2)
    }

    @Test func `lets the reader choose what becomes of repeated keys`() throws {
        let text = Array("{\"a\":1,\"a\":2}".utf8)
        #expect(try JSONParser.parse(text, repeatedKeys: .keepFirst).value == ["a": 1])
        #expect(try JSONParser.parse(text, repeatedKeys: .keepAll).value.members?.count == 2)
        let many = "{" + (0..<100).map { "\"k\($0)\":0" }.joined(separator: ",") + ",\"k3\":1}"
        #expect(error(many)?.found == "k3")
    }

    @Test func `bounds nesting`() {
        #expect(error(String(repeating: "[", count: 10_000))?.problem.contains("nested") == true)
        let edge = String(repeating: "[", count: 50) + String(repeating: "]", count: 50)
        #expect(error(edge) == nil)
    }

    @Test func `writes what it reads, shortest, and the same again`() throws {
        var random = SplitMix64(seed: 3)
        for seed in 0..<500 {
            let value = Self.random(depth: 4, using: &random)
            for indent in [nil, 2] {
                let text = JSONWriter.text(value, indent: indent)
                #expect(try JSONParser.value(text) == value, "seed \(seed): \(text)")
            }
        }
        #expect(JSONWriter.text(0.1 + 0.2) == "0.30000000000000004")
        #expect(JSONWriter.text(9007199254740991.0) == "9007199254740991")
        #expect(
            JSONWriter.text(["a": [1, nil], "b": .object([])], indent: 2)
                == "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"b\": {}\n}")
        #expect(JSONWriter.text("\u{0}\u{1F}\"\\\u{7F}") == "\"\\u0000\\u001f\\\"\\\\\\u007f\"")
    }

    @Test func `accepts no text that was cut short`() throws {
        let text = Array("{\"a\": [1, -2.5e3, \"x\\u00e9\", null, true], \"b\": {\"c\": false}}".utf8)
        for cut in 0..<text.count { #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.prefix(cut))) } }
        var random = SplitMix64(seed: 5)
        for _ in 0..<5000 {
            var changed = text
            changed[Int.random(in: 0..<text.count, using: &random)] = .random(in: 0...255, using: &random)
            _ = try? JSONParser.parse(changed)
        }
    }

    @Test func `counts the lines of JSON Lines`() {
        let lines = Array(JSONLines(Array("{}\n\n  \r\n[1]\r\n3".utf8)))
        #expect(lines.map(\.line) == [1, 4, 5])
        #expect(lines.last?.bytes == [0x33])
    }

    static func random(depth: Int, using random: inout SplitMix64) -> Value {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
        case 0: .null
        case 1: .boolean(.random(using: &random))
        case 2: .number(Double(bitPattern: random.next() & ~(1 << 62)))
        case 3: .number(Double(Int.random(in: -1000...1000, using: &random)))
        case 4:
            .string(
                String(
                    String.UnicodeScalarView(
                        (0..<4).map { _ in Unicode.Scalar(UInt32.random(in: 0..<0xD800, using: &random)) ?? "a" })))
        case 5: .array((0..<3).map { _ in self.random(depth: depth - 1, using: &random) })
        default: .object((0..<3).map { Value.Member("k\($0)", self.random(depth: depth - 1, using: &random)) })
        }
    }
}
