import Foundation
import JSON
import Model
import Testing

@testable import Workflows

/// The same texts, read here and by a Python reader of YAML 1.2's core schema.
@Suite struct `YAML read here and by Python` {
    /// Composes nodes with PyYAML, whose own schema is 1.1, and gives plain scalars the kinds of 1.2's core schema.
    private static let reader = #"""
        import json, re, struct, sys, yaml
        PLAIN = [
            ("z", re.compile(r"^(~|null|Null|NULL|)$")), ("b", re.compile(r"^(true|True|TRUE|false|False|FALSE)$")),
            ("o", re.compile(r"^0o[0-7]+$")), ("x", re.compile(r"^0x[0-9a-fA-F]+$")),
            ("i", re.compile(r"^[-+]?(\.inf|\.Inf|\.INF)$")), ("n", re.compile(r"^(\.nan|\.NaN|\.NAN)$")),
            ("f", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")),
        ]
        class Plain(yaml.SafeLoader):
            pass
        Plain.yaml_implicit_resolvers = {}
        def number(value):
            return ["f", "nan" if value != value else struct.pack(">d", value).hex()]
        def scalar(node):
            text = node.value
            if node.style is not None or node.tag == "!":
                return ["s", text]
            for kind, pattern in PLAIN:
                if pattern.match(text):
                    if kind == "z": return ["z"]
                    if kind == "b": return ["b", text.lower() == "true"]
                    if kind == "o": return number(float(int(text[2:], 8)))
                    if kind == "x": return number(float(int(text[2:], 16)))
                    if kind == "i": return number(float("-inf") if text[0] == "-" else float("inf"))
                    if kind == "n": return number(float("nan"))
                    return number(float(text))
            return ["s", text]
        def value(node):
            if isinstance(node, yaml.ScalarNode): return scalar(node)
            if isinstance(node, yaml.SequenceNode): return ["a", [value(one) for one in node.value]]
            return ["o", [[key.value, value(one)] for key, one in node.value]]
        for line in sys.stdin:
            try:
                node = yaml.compose(json.loads(line), Loader=Plain)
                print(json.dumps(["z"] if node is None else value(node)))
            except (yaml.YAMLError, RecursionError):
                print("null")
        """#

    private static func run(_ arguments: [String], input: Data) throws -> (status: Int32, output: Data) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-yaml-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (given, taken) = (folder.appending(path: "in"), folder.appending(path: "out"))
        try input.write(to: given)
        try Data().write(to: taken)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        process.standardInput = try FileHandle(forReadingFrom: given)
        process.standardOutput = try FileHandle(forWritingTo: taken)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try Data(contentsOf: taken))
    }

    /// Python with PyYAML is at hand.
    static let isThere = (try? run(["-c", "import yaml"], input: Data()))?.status == 0

    /// A value as the Python reader writes it.
    private func told(_ value: Value) -> Value {
        switch value {
        case .null: ["z"]
        case .boolean(let flag): ["b", .boolean(flag)]
        case .number(let number):
            ["f", .string(number.isNaN ? "nan" : Self.hexadecimal(number.bitPattern))]
        case .string(let text): ["s", .string(text)]
        case .array(let items): ["a", .array(items.map(told))]
        case .object(let members): ["o", .array(members.map { .array([.string($0.key), told($0.value)]) })]
        }
    }

    private static func hexadecimal(_ bits: UInt64) -> String {
        let digits = String(bits, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private func compare(_ texts: [String]) throws {
        let input = texts.map { JSONWriter.text(.string($0)) + "\n" }.joined()
        let (status, output) = try Self.run(["-c", Self.reader], input: Data(input.utf8))
        #expect(status == 0)
        let lines = Array(JSONLines(Array(output)))
        #expect(lines.count == texts.count)
        for (text, line) in zip(texts, lines) {
            let theirs = try JSONParser.parse(line.bytes, depthMax: 400).value
            let (node, diagnostics) = YAMLReader.read(Array(text.utf8), file: "w.yml")
            if diagnostics.isEmpty {
                #expect(told(node?.value ?? .null) == theirs, "\(text)")
            } else {
                // What is refused here for what it is, and not as broken, may be read there.
                let isBroken = diagnostics.contains { $0.problem.hasPrefix("broken YAML") }
                #expect(theirs == .null || !isBroken, "\(text): \(diagnostics)")
            }
        }
    }

    @Test(.enabled(if: isThere)) func `scalars have the same kinds and values`() throws {
        let scalars = [
            "on", "yes", "No", "off", "y", "true", "True", "TRUE", "tRue", "false", "~", "null", "Null", "NULL", "nUll",
            "",
            "0", "-0", "+1", "012", "0o17", "0o18", "0x1F", "0xG", "-0x1", "+0o7", "1_000", "0b1", "1e3", "1E+3", "1e",
            ".5",
            "5.", "-.5", ".", "..", "-", "+", "1.5.2", "3.10", "1:30", "12:30:45", "2026-11-21", "2026-11-21T10:00:00Z",
            ".inf",
            "-.INF", "+.Inf", ".infinity", ".nan", ".NaN", "-.nan", "1e400", "4.9e-324", "9007199254740993",
            "123456789012345678901234567890", "0x7FFFFFFFFFFFFFFFFF", "<<", "=", "'12'", "\"12\"", "'it''s'",
            "\"a\\tb\\u00e9\\n\"", "a b", "a#b", "a #b", "é", "日本", "😀", "[]", "{}", "[1, two, '3']",
            "{a: 1, b: {c: ~}}",
        ]
        try compare(scalars.map { "a: \($0)" } + scalars.map { "- \($0)" })
    }

    @Test(.enabled(if: isThere)) func `documents have the same values`() throws {
        let count = ProcessInfo.processInfo.environment["SHEAF_DEEP"] != nil ? 10_000 : 300
        var random = SplitMix64(seed: 4711)
        try compare((0..<count).map { _ in document(&random) })
    }

    @Test(.enabled(if: isThere && `A matrix`.folder != nil)) func `published workflows have the same values`() throws {
        let folder = try #require(`A matrix`.folder)
        let bytes = Array(try Data(contentsOf: folder.appending(path: "workflows.jsonl")))
        let texts = try JSONLines(bytes).compactMap {
            try JSONParser.parse($0.bytes, depthMax: 200).value["yaml"]?.string
        }
        // Tags are read here; the Python reader above knows plain scalars only.
        try compare(texts.filter { !$0.contains("!!") && !$0.contains("!<") })
    }

    // MARK: documents

    private func document(_ random: inout SplitMix64) -> String {
        var text = Bool.random(using: &random) ? "# a comment\n" : ""
        if Int.random(in: 0..<8, using: &random) == 0 { text += "---\n" }
        mapping(indent: 0, depth: 0, &text, &random)
        return text
    }

    private func mapping(indent: Int, depth: Int, _ text: inout String, _ random: inout SplitMix64) {
        for index in 0..<Int.random(in: 1...4, using: &random) {
            text += String(repeating: " ", count: indent) + key(index, &random) + ":"
            value(indent: indent, depth: depth, &text, &random)
        }
    }

    private func key(_ index: Int, _ random: inout SplitMix64) -> String {
        ["key\(index)", "'quoted \(index)'", "\"k\\u00e9y\(index)\"", "a b\(index)", "\(index)", "on\(index)"]
            .randomElement(using: &random) ?? "k"
    }

    /// What follows a `:` or a `-`, with its line's end.
    private func value(indent: Int, depth: Int, _ text: inout String, _ random: inout SplitMix64) {
        let pad = String(repeating: " ", count: indent + 2)
        switch Int.random(in: 0..<(depth < 4 ? 9 : 6), using: &random) {
        case 0: text += " |\(["", "-", "+"].randomElement(using: &random) ?? "")\n\(pad)one # two\n\n\(pad)  three\n\n"
        case 1:
            text +=
                " >\(["", "-", "+"].randomElement(using: &random) ?? "")\n\(pad)one\n\(pad)two\n\n\(pad)  more\n\(pad)end\n"
        case 2: text += " \(scalar(&random)) # a comment\n"
        case 3: text += " [\(scalar(&random)), \(flow(&random)), {x: \(scalar(&random)), y: }]\n"
        case 4: text += " plain over\n\(pad)two lines\n"
        case 5: text += " \(scalar(&random))\n"
        case 6:
            text += "\n"
            mapping(indent: indent + 2, depth: depth + 1, &text, &random)
        case 7:
            text += "\n"
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                text += pad + "-"
                value(indent: indent + 2, depth: depth + 1, &text, &random)
            }
        default: text += "\n"
        }
    }

    private func flow(_ random: inout SplitMix64) -> String {
        Bool.random(using: &random) ? "[\(scalar(&random)), [\(scalar(&random))]]" : "{a: \(scalar(&random))}"
    }

    private func scalar(_ random: inout SplitMix64) -> String {
        let fixed = [
            "true", "no", "~", "null", "3.10", "0x1f", "0o7", "1e3", ".5", "-.inf", ".nan", "012", "1_0", "text",
            "a b c",
            "'single ''quoted'''", "\"double \\\"quoted\\\" \\n\"", "${{ x }}", "2026-01-01", "1:30", "''", "\"\"",
            "-1", "+7", "v1.2.3",
        ]
        return Int.random(in: 0..<4, using: &random) > 0
            ? fixed.randomElement(using: &random) ?? "x" : "\(Double.random(in: -1e6...1e6, using: &random))"
    }
}
