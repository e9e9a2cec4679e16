import Expressions
import Foundation
import JSON
import Model
import Testing

@testable import Workflows

@Suite struct `A matrix` {
    private func expand(
        _ yaml: String, contexts: [Value.Member] = [], cellsMax: Int = 256
    ) throws -> [Matrix.Combination] {
        // A matrix that is one expression is given as the scalar's text, which alone is no YAML document.
        let whole = YAMLNode(
            kind: .scalar(.init(text: yaml, isPlain: true)),
            position: SourcePosition(file: "m.yml", line: 1, column: 1))
        let node = yaml.hasPrefix("${{") ? whole : try #require(YAMLReader.read(Array(yaml.utf8), file: "m.yml").node)
        var mistakes: [Diagnostic] = []
        let context = EvaluationContext(values: contexts)
        let value = NodeExpressions.value(node, in: context, Scopes.strategy, &mistakes)
        return try Matrix.expand(try #require(value, "\(mistakes)"), cellsMax: cellsMax)
    }

    static let folder: URL? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let shared =
            ProcessInfo.processInfo.environment["SHEAF_SHARED"].map { URL(filePath: $0) }
            ?? root.deletingLastPathComponent().appending(path: "shared")
        let folder = shared.appending(path: "data/conformance")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    @Test(.enabled(if: folder != nil)) func `expands as the published cases say`() throws {
        let folder = try #require(Self.folder)
        let bytes = Array(try Data(contentsOf: folder.appending(path: "matrices.jsonl")))
        var agreed = 0
        for line in JSONLines(bytes) {
            let row = try JSONParser.parse(line.bytes).value
            let id = row["id"]?.string ?? "?"
            let yaml = try #require(row["matrix"]?.string)
            let contexts = row["contexts"]?.members ?? []
            if let error = row["error"]?.string {
                #expect("\(id)") {
                    try expand(yaml, contexts: contexts, cellsMax: 10_000)
                } throws: {
                    ($0 as? Matrix.Mistake)?.problem == error
                }
                agreed += 1
                continue
            }
            let expanded = try expand(yaml, contexts: contexts, cellsMax: 10_000)
            if let count = row["count"]?.number { #expect(Double(expanded.count) == count, "\(id)") }
            agreed += 1
            guard let expected = row["cells"]?.array else { continue }
            let cells = expanded.map { sorted(.object($0.values)) }
            let wanted = expected.map(sorted)
            if row["ordered"]?.boolean == true {
                #expect(cells == wanted, "\(id)")
            } else {
                let texts = { (values: [Value]) in values.map { JSONWriter.text($0) }.sorted() }
                #expect(texts(cells) == texts(wanted), "\(id)")
            }
        }
        #expect(agreed == 29)
    }

    /// Members by name: their order inside a cell is not part of the cases.
    private func sorted(_ value: Value) -> Value {
        switch value {
        case .object(let members):
            .object(members.map { .init($0.key, sorted($0.value)) }.sorted { $0.key < $1.key })
        case .array(let items): .array(items.map(sorted))
        // JSON has no infinities: the cases write them as text.
        case .number(let number) where !number.isFinite: .string(Conversion.text(from: number))
        default: value
        }
    }

    @Test(arguments: [
        ("{}", "at least one vector"), ("include: []", "at least one vector"),
        ("{a: []}", "does not contain any values"),
        ("{a: 1}", "must be a list"), ("exclude: [{a: 1}]", "at least one vector"),
        ("{a: [1], exclude: [{}]}", "must not be empty"),
        ("{a: [1], exclude: [{b: 1}]}", "does not match any key"),
        ("{a: [1], include: [{}]}", "does not contain any values"),
        ("[1]", "must be a mapping"),
    ])
    func `is refused`(yaml: String, words: String) {
        #expect { try expand(yaml) } throws: { ($0 as? Matrix.Mistake)?.problem.contains(words) == true }
    }

    @Test func `of a thousand million combinations is refused before it is built`() {
        let axis = "[" + (0..<1000).map(String.init).joined(separator: ",") + "]"
        let yaml = "a: \(axis)\nb: \(axis)\nc: \(axis)"
        #expect { try expand(yaml) } throws: { ($0 as? Matrix.Mistake)?.problem.contains("1000 × 1000 × 1000") == true }
    }

    @Test func `may have as many cells as the limit says, and no more`() throws {
        let yaml = "a: [" + (0..<256).map(String.init).joined(separator: ",") + "]"
        #expect(try expand(yaml).count == 256)
        #expect(throws: Matrix.Mistake.self) { try expand(yaml, cellsMax: 255) }
        #expect(throws: Matrix.Mistake.self) { try expand(yaml + "\ninclude: [{a: x}]") }
    }

    @Test(arguments: [
        ("{a: [12], exclude: [{a: '12'}]}", 0), ("{a: ['3.10'], exclude: [{a: 3.1}]}", 0),
        ("{a: [Linux], exclude: [{A: LINUX}]}", 0),
        ("{a: [0, false, ''], exclude: [{a: null}]}", 0), ("{a: [{x: 1, y: 2}], exclude: [{a: {x: 1}}]}", 0),
        ("{a: [{x: 1}], exclude: [{a: {z: null}}]}", 0), ("{a: [[1, 2]], exclude: [{a: [1]}]}", 0),
        ("{a: [1, 2], exclude: [{a: {}}]}", 0),
        ("{a: [{x: 1}], exclude: [{a: 1}]}", 1), ("{a: [.nan], exclude: [{a: .nan}]}", 1),
    ])
    func `excludes by loose equality of leaves`(yaml: String, count: Int) throws {
        #expect(try expand(yaml).count == count, "\(yaml)")
    }

    @Test func `keeps its own values when include filters loosely`() throws {
        let cells = try expand("{a: ['12'], include: [{a: 12, b: x}, {b: y}, {a: 13}]}")
        #expect(cells.map(\.values) == [[.init("a", "12"), .init("b", "y")], [.init("a", 13)]])
        #expect(cells[0].shown == [.init("a", "12")])
    }

    @Test func `names its cells`() throws {
        let cells = try expand(
            "{python: ['3.11', '3.13'], gpu: [{name: h200, mem: 80}, null], include: [{python: '3.11', x: 1}]}")
        #expect(CellNames.name(job: "eval", shown: cells[0].shown) == "eval (3.11, h200, 80)")
        #expect(CellNames.name(job: "eval", shown: cells[1].shown) == "eval (3.11)")
        #expect(CellNames.name(job: "eval", shown: []) == "eval")
        var ids = CellNames.Identifiers()
        #expect(ids.next(shown: cells[0].shown, job: "eval") == "_3_11_h200_80")
        #expect(ids.next(shown: cells[1].shown, job: "eval") == "_3_11")
        #expect(ids.next(shown: cells[1].shown, job: "eval") == "_3_11_2")
        #expect(ids.next(shown: [], job: "eval") == "eval")
        let long = CellNames.name(job: String(repeating: "x", count: 200), shown: [])
        #expect(long.count == 100 && long.hasSuffix("..."))
    }
}
