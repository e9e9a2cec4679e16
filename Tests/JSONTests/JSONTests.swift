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

    /// Values with places and without, and lines one by one, go through the same scanner and must agree.
    @Test func `reads the same with places and without`() throws {
        var random = SplitMix64(seed: 12)
        for seed in 0..<300 {
            let text = JSONWriter.text(Self.random(depth: 4, using: &random), indent: seed % 2 == 0 ? 2 : nil)
            let value = try JSONParser.value(text)
            #expect(try JSONParser.parse(Array(text.utf8)).value == value, "seed \(seed): \(text)")
        }
    }

    @Test func `rounds decimal numbers once`() throws {
        var random = SplitMix64(seed: 53)
        for seed in 0..<20_000 {
            let digits = String(random.next() >> UInt64.random(in: 0..<60, using: &random))
            let cut = Int.random(in: 0...digits.count, using: &random)
            let exponent = ["", "", "e-7", "E+3", "e12", "e-18", "e280", "e-300"].randomElement(using: &random) ?? ""
            let text =
                (cut == 0 ? "0" : digits.prefix(cut)) + "." + (cut == digits.count ? "0" : digits.dropFirst(cut))
                + exponent
            #expect(try JSONParser.value(String(text)) == .number(try #require(Double(text))), "seed \(seed): \(text)")
        }
        // Halfway between two neighbours, and beside it: the last bits decide.
        for text in [
            "9007199254740993", "9007199254740993.0", "9007199254740993.1", "900719925474099.3", "9007199254740995",
            "0.1234567890123456785", "1.000000000000000111", "1.0000000000000001110", "9999999999999999999",
            "18446744073709551615",
            "18446744073709551616", "0.0000000000000000001", "4.35", "0.000001", "5e-324", "2.4703282292062327e-324",
            "1.7976931348623157e308", "0e999", "0.0e-999", "-0.0e5", "1e22", "1e23", "123e20", "9007199254740993e1",
        ] {
            #expect(try JSONParser.value(text) == .number(try #require(Double(text))), "\(text)")
        }
        for text in ["1e309", "1.7976931348623159e308", "-1e400", "1e9999999999999999999999"] {
            #expect(throws: JSONError.self, "\(text)") { try JSONParser.value(text) }
        }
    }

    @Test func `counts columns in characters`() throws {
        #expect(try #require(error("{\"é😀\": \"ü\", \"a\\u00e9\": nope}")).column == 24)
        #expect(try #require(error("[\"é\\n😀\", nope]")).column == 10)
        #expect(try #require(error("{\"é\":1,\n\"ö\" : nope}")).column == 7)
        let node = try JSONParser.parse(Array("[{\"é\": 1, \"b\": 2}, {\"é\": 1, \"b\": 2}]".utf8))
        guard case .array(let items) = node.kind else { Issue.record("no array"); return }
        #expect(items[1].column == 20 && items[1]["é"]?.column == 26 && items[1]["b"]?.column == 34)
    }

    @Test func `tells keys apart by their bytes`() throws {
        // The two texts are canonically the same, and not the same bytes.
        #expect(try JSONParser.parse(Array("{\"\u{E9}\":1,\"e\u{301}\":2}".utf8)).value.members?.count == 2)
        let many = (0..<20).map { "\"k\($0)\":0" }.joined(separator: ",")
        #expect(error("{\(many),\"\u{E9}\":1,\"e\u{301}\":2}") == nil)
        #expect(error("{\(many),\"\u{E9}\":1,\"\\u00e9\":2}")?.problem.contains("twice") == true)
    }

    @Test func `reads lines one by one, whatever the others are like`() {
        var lines = JSONLines(
            Array(
                "{\"a\":1,\"b\":2}\n{\"a\":1,\"a\":2}\n{\"a\":1,\"a\":2}\n\n{\"a\":1,\"b\":nope}\n{\"b\":1,\"a\":2}\n{\"a\":1,\"b\":2,\"a\":3}\n7\n{\"a"
                    .utf8))
        var seen: [String] = []
        while let record = lines.nextValue() {
            switch record.result {
            case .success(let value): seen.append("\(record.line) \(JSONWriter.text(value))")
            case .failure(let error): seen.append("\(record.line) \(error)")
            }
        }
        #expect(
            seen == [
                "1 {\"a\":1,\"b\":2}", "2 line 2, column 8: the key 'a' stands twice",
                "3 line 3, column 8: the key 'a' stands twice",
                "5 line 5, column 12: nope is no JSON value", "6 {\"b\":1,\"a\":2}",
                "7 line 7, column 14: the key 'a' stands twice",
                "8 7", "9 line 9, column 4: the text ends inside a string",
            ])
    }

    /// Lines share what is known of keys; every line must still read as it does alone.
    @Test func `reads a line among others as it reads it alone`() throws {
        let pieces = [
            "{", "}", "\"a\"", "\"b\"", "\"é\"", "\"\\u0061\"", ":", ",", "1", "[", "]", "\"x\"", " ", "null",
        ]
        var random = SplitMix64(seed: 77)
        for seed in 0..<400 {
            let texts = (0..<8).map { _ -> String in
                if Bool.random(using: &random) {
                    return (0..<Int.random(in: 1...12, using: &random)).map { _ in
                        pieces.randomElement(using: &random) ?? ""
                    }.joined()
                }
                let keys = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    ["a", "b", "é", "\\u0061", "long key number one", "long key number two"].randomElement(
                        using: &random) ?? ""
                }
                return "{" + keys.map { "\"\($0)\": {\"a\":1}" }.joined(separator: ",") + "}"
            }
            for policy in [JSONParser.RepeatedKeys.refuse, .keepFirst, .keepAll] {
                var lines = JSONLines(Array(texts.joined(separator: "\n").utf8), repeatedKeys: policy)
                for text in texts where text.contains(where: { $0 != " " }) {
                    let alone = Result { () throws(JSONError) in
                        try JSONParser.parse(Array(text.utf8), repeatedKeys: policy)
                    }
                    let next = lines.nextNode()
                    let among = try #require(next)
                    switch (alone, among.result) {
                    case (.success(let a), .success(let b)): #expect(a.value == b.value, "seed \(seed): \(texts)")
                    case (.failure(let a), .failure(let b)):
                        #expect(
                            a.problem == b.problem && a.column == b.column && b.line == among.line,
                            "seed \(seed): \(texts)")
                    default: Issue.record("seed \(seed): \(text) among \(texts)")
                    }
                }
            }
        }
    }

    @Test func `bounds lines`() throws {
        var lines = JSONLines(Array("[1,2]\n[1,23]\n[3]".utf8), lineBytesMax: 5)
        let (first, second, third) = (lines.nextValue(), lines.nextValue(), lines.nextValue())
        #expect(try first?.result.get() == [1, 2])
        #expect(throws: JSONError.self) { try second?.result.get() }
        #expect(try third?.result.get() == [3])
        #expect(lines.next() == nil)
    }

    @Test func `finds line ends at every distance`() {
        for length in 0..<40 {
            for before in [0x0A, 0x0B, 0x09, 0x8A, 0xFF] as [UInt8] {
                let line = [UInt8](repeating: before == 0x0A ? 0x31 : before, count: length) + [0x31]
                let found = Array(JSONLines(line + [0x0A] + [0x32]))
                #expect(found.map(\.line) == [1, 2] && found[0].bytes == line, "\(length) of \(before)")
            }
        }
    }

    @Test func `survives large and hostile texts`() throws {
        let big = 1 << 20
        #expect(try JSONParser.value([0x22] + [UInt8](repeating: 0x61, count: big) + [0x22]).string?.utf8.count == big)
        for text in [
            String(repeating: "[", count: 10_000), String(repeating: "{\"a\":", count: 10_000),
            "\"" + String(repeating: "a", count: big),
            String(repeating: "1", count: 400), "-", "\"\\", "\"\\u12", "\"\\uD800\\", "\"\\uD800\\u", "\"\\uDC00\"",
            "[1 2]", "{\"a\" 1}", "{a:1}", "\u{0}",
        ] { #expect(error(text) != nil, "\(text.prefix(40))") }
        // As many digits as one likes are a number all the same.
        #expect(try JSONParser.value("0." + String(repeating: "3", count: 5000)) == .number(1 / 3))
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
