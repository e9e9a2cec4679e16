import Model
import Testing

@testable import Workflows

@Suite struct `YAML` {
    private func read(_ text: String) -> (node: YAMLNode?, diagnostics: [Diagnostic]) {
        YAMLReader.read(Array(text.utf8), file: "w.yml")
    }

    @Test(arguments: [
        ("on", Value.string("on")), ("yes", "yes"), ("No", "No"), ("true", true), ("False", false), ("~", nil),
        ("", nil), ("null", nil), ("12", 12), ("0x1F", 31), ("0o17", 15), ("-3.5e2", -350), (".5", 0.5), ("5.", 5),
        ("3.10", 3.1), ("1_000", "1_000"), ("0b1", "0b1"), ("1e", "1e"), ("0x", "0x"), ("-0x1", "-0x1"),
        ("2026-11-21", "2026-11-21"), ("'12'", "12"), ("\"true\"", "true"), ("!!str 12", "12"), ("017", 17),
        ("+.inf", .number(.infinity)), ("1:30", "1:30"),
    ])
    func `reads scalars by the core schema`(text: String, value: Value) {
        #expect(read("a: \(text)").node?["a"]?.value == value, "\(text)")
    }

    @Test func `passes over a mark of byte order`() throws {
        let mark = "\u{FEFF}"
        #expect(try #require(read(mark + "on: push\njobs: {}\n").node)["on"]?.scalar?.text == "push")
        #expect(try #require(read(mark + "# first\r\non: push\r\n").node)["on"]?.scalar?.text == "push")
    }

    @Test func `keeps places in lines and characters`() throws {
        let node = try #require(read("é: 1\njobs:\n  bäume:   { x: [1, zwei] }\n").node)
        #expect(node.entries?[1].keyPosition == SourcePosition(file: "w.yml", line: 2, column: 1))
        let inner = node["jobs"]?["bäume"]?["x"]?.items?.last
        #expect(inner?.position == SourcePosition(file: "w.yml", line: 3, column: 21))
    }

    @Test func `say what an expression does to braces around it`() {
        let broken = read("a: [{run: echo ${{ x }}}]\n").diagnostics
        #expect(broken.first?.suggestion?.contains("quote the whole value") == true, "\(broken)")
        let other = read("a: ${{ x }}\nb: [1\nc: 2\n").diagnostics
        #expect(other.first?.suggestion?.contains("indentation") == true, "\(other)")
    }

    @Test(arguments: [
        ("a: [1\nb: 2", "w.yml:2:2", "broken YAML"), ("a: 1\na: 2", "w.yml:2:1", "already defined"),
        ("a: 1\n---\nb: 2", "w.yml:2:1", "second document"), ("a: *x", "w.yml:1:4", "no anchor"),
        ("a:\n\tb: 1", "w.yml:2:1", "broken YAML"), ("? [a]\n: 1", "w.yml:1:3", "a key must be text"),
        ("x: &x {a: 1}\ny:\n  <<: *x", "w.yml:3:3", "merge keys"),
    ])
    func `says where and what`(text: String, place: String, words: String) throws {
        let diagnostic = try #require(read(text).diagnostics.first)
        #expect("\(diagnostic.position)" == place)
        #expect(diagnostic.problem.contains(words), "\(diagnostic)")
    }

    @Test func `bounds nesting, size and what aliases multiply`() {
        let deep = String(repeating: "[", count: 10_000)
        #expect(read(deep).diagnostics.first?.problem.contains("nested more than") == true)
        let edge = String(repeating: "[", count: Limits.nestingMax) + String(repeating: "]", count: Limits.nestingMax)
        #expect(read(edge).diagnostics.isEmpty)
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            bomb +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        #expect(read(bomb).diagnostics.first?.problem.contains("aliases counted") == true)
        let large = [UInt8](repeating: 0x23, count: Limits.workflowBytesMax + 1)
        #expect(YAMLReader.read(large, file: "w.yml").diagnostics.first?.problem.contains("the limit is") == true)
    }

    @Test func `points at bytes that are no UTF-8`() {
        var bytes = Array("a: 1\nb: ok\nc: ".utf8)
        bytes += [0xFF, 0x0A]
        let diagnostic = YAMLReader.read(bytes, file: "w.yml").diagnostics.first
        #expect(diagnostic?.problem == "not UTF-8")
        #expect(diagnostic?.position.line == 3)
    }

    @Test func `survives any cut and any change of a text`() {
        let text = Array("on: {push: {branches: [a, 'b', \"c\"]}}\njobs: &x\n  a: |\n    run\n  b: *x\n".utf8)
        for cut in 0...text.count { _ = YAMLReader.read(Array(text.prefix(cut)), file: "w.yml") }
        var random = SplitMix64(seed: 11)
        for _ in 0..<2000 {
            var changed = text
            for _ in 0..<3 {
                changed[Int.random(in: 0..<text.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = YAMLReader.read(changed, file: "w.yml")
        }
    }
}
