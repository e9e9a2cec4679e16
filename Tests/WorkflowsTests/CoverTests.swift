import Foundation
import Model
import Testing

@testable import Workflows

@Suite struct `A cover` {
    /// Checks a certificate with nothing but the expanded matrix in hand: what is wrong with it, in words.
    private func faults(of certificate: CoverCertificate, cells: [Matrix.Combination], matrix: Value) -> [String] {
        var faults: [String] = []
        let valid = Self.product(of: matrix)
        let names = (matrix.members ?? []).map(\.key).filter { $0 != "include" && $0 != "exclude" }
        if certificate.axes.map(\.name) != names { faults.append("axes \(certificate.axes.map(\.name))") }
        /// Items as positions: two equal items of one axis are told apart by neither side.
        func places(_ cell: [Value.Member]) -> [Int] {
            zip(names, certificate.axes).map { name, axis in
                axis.items.firstIndex(of: cell.first { $0.key == name }?.value ?? .null) ?? -1
            }
        }
        let points = valid.map(places)
        let chosen = certificate.cells
        if certificate.validCount != valid.count { faults.append("\(certificate.validCount) of \(valid.count) valid") }
        let isValid = Set(points)
        for cell in chosen where !isValid.contains(cell) { faults.append("\(cell) is no valid cell") }
        if cells.prefix(chosen.count).map({ places($0.shown) }) != chosen { faults.append("other cells run") }
        // Every tuple there is, by plain nested counting.
        var expected: Set<CoverCertificate.Tuple> = []
        func tuples(_ axes: [Int], _ items: [Int], from next: Int) {
            if axes.count == certificate.strength {
                expected.insert(.init(axes: axes, items: items))
                return
            }
            for axis in next..<max(next, names.count) {
                for item in certificate.axes[axis].items.indices {
                    tuples(axes + [axis], items + [item], from: axis + 1)
                }
            }
        }
        tuples([], [], from: 0)
        for covered in certificate.covered {
            let tuple = covered.tuple
            if expected.remove(tuple) == nil { faults.append("\(tuple) is told twice") }
            let cell = chosen[covered.cell]
            if zip(tuple.axes, tuple.items).contains(where: { cell[$0] != $1 }) {
                faults.append("\(tuple) is not in \(cell)")
            }
        }
        for tuple in certificate.infeasible {
            if expected.remove(tuple) == nil { faults.append("\(tuple) is told twice") }
            if points.contains(where: { point in zip(tuple.axes, tuple.items).allSatisfy { point[$0] == $1 } }) {
                faults.append("\(tuple) is possible")
            }
        }
        if !expected.isEmpty { faults.append("\(expected.count) tuples are not told") }
        return faults
    }

    /// Every combination that no entry of exclude matches, the first axis slowest, by nested loops alone. For matrices of
    /// texts that differ in more than their case.
    private static func product(of matrix: Value) -> [[Value.Member]] {
        var cells: [[Value.Member]] = [[]]
        // Cells that only include makes are no part of it.
        for axis in matrix.members ?? [] where axis.key != "include" && axis.key != "exclude" {
            cells = cells.flatMap { cell in (axis.value.array ?? []).map { cell + [.init(axis.key, $0)] } }
        }
        let excluded = (matrix["exclude"]?.array ?? []).compactMap(\.members)
        return cells.filter { cell in
            !excluded.contains { entry in entry.allSatisfy { wanted in cell.contains(wanted) } }
        }
    }

    private func value(_ yaml: String) throws -> Value {
        try #require(YAMLReader.read(Array(yaml.utf8), file: "m.yml").node).value
    }

    private static let published = `A matrix`.folder?.deletingLastPathComponent().appending(path: "cover/eval-1254.yml")
    private static let isThere = published.map { FileManager.default.fileExists(atPath: $0.path) } ?? false

    @Test(.enabled(if: isThere)) func `of the published matrix misses nothing with thirty cells at most`() throws {
        let matrix = try value(String(decoding: try Data(contentsOf: try #require(Self.published)), as: UTF8.self))
        let (cells, certificate) = try Matrix(matrix).covering(CoverRule(strength: 2), cellsMax: 10_000)
        let shown = try #require(certificate)
        #expect(shown.validCount == 1254)
        #expect(shown.covered.count == 203)
        #expect(cells.count <= 30)
        #expect(cells.count >= shown.lowerBound)
        #expect(faults(of: shown, cells: cells, matrix: matrix) == [])
        let again = try Matrix(matrix).covering(CoverRule(strength: 2), cellsMax: 10_000)
        #expect(again.cells == cells && again.certificate == shown)
    }

    /// A model with up to six axes, and excludes that may leave nothing.
    private func model(_ random: inout SplitMix64) -> Value {
        let axes = Int.random(in: 1...5, using: &random)
        var members: [Value.Member] = []
        for axis in 0..<axes {
            let items = Int.random(in: 1...4, using: &random)
            members.append(.init("a\(axis)", .array((0..<items).map { .string("v\($0)") })))
        }
        func filter(_ most: Int) -> Value {
            let named = members.shuffled(using: &random).prefix(Int.random(in: 1...most, using: &random))
            return .object(named.map { .init($0.key, $0.value.array?.randomElement(using: &random) ?? .null) })
        }
        let excludes = (0..<Int.random(in: 0...6, using: &random)).map { _ in filter(3) }
        let includes = (0..<Int.random(in: 0...2, using: &random)).map { _ -> Value in
            guard case .object(let named) = filter(2) else { return .null }
            return .object(named + [.init("extra", .number(Double.random(in: 0...9, using: &random).rounded()))])
        }
        return .object(members + [.init("exclude", .array(excludes)), .init("include", .array(includes))])
    }

    @Test func `of any matrix covers what can occur, and its certificate shows it`() throws {
        let isDeep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] != nil
        for seed in UInt64(0)..<(isDeep ? 10_000 : 200) {
            var random = SplitMix64(seed: seed)
            let matrix = model(&random)
            let strength = Int.random(in: 1...3, using: &random)
            let read = try Matrix(matrix)
            let (cells, certificate) = try read.covering(CoverRule(strength: strength), cellsMax: 10_000)
            guard let certificate else {
                // Nothing is left to choose from: only what include makes runs.
                #expect(try cells == read.combinations(cellsMax: 10_000), "seed \(seed)")
                continue
            }
            #expect(faults(of: certificate, cells: cells, matrix: matrix) == [], "seed \(seed)")
            #expect(certificate.cells.count >= certificate.lowerBound, "seed \(seed)")
            let whole = try read.combinations(cellsMax: 10_000)
            #expect(cells.allSatisfy { whole.contains($0) }, "seed \(seed)")
            #expect(
                Set(whole.map { "\($0.values)" }.filter { $0.contains("extra") }).isSuperset(
                    of: cells.map { "\($0.values)" }.filter { $0.contains("extra") }), "seed \(seed)")
        }
    }

    @Test func `takes what must always run`() throws {
        let matrix = try value("{a: [1, 2, 3], b: [x, y], c: [p, q], exclude: [{a: 1, b: x}]}")
        let always: Value = ["a": 3, "b": "x"]
        let (cells, _) = try Matrix(matrix).covering(CoverRule(strength: 2, always: [always]), cellsMax: 100)
        #expect(cells.filter { $0.values[0].value == 3 && $0.values[1].value == "x" }.count == 2)
        for (entry, words) in [
            (["a": 1, "b": "x"], "no valid cell"), (["z": 1], "does not match any key"), ([:], "must not be empty"),
        ] as [(Value, String)] {
            #expect { try Matrix(matrix).covering(CoverRule(strength: 2, always: [entry]), cellsMax: 100) } throws: {
                ($0 as? Matrix.Mistake)?.problem.contains(words) == true
            }
        }
    }

    @Test func `is planned from the file`() throws {
        let text = """
            sheaf: 1
            on: push
            jobs:
              eval:
                runs-on: x
                strategy:
                  cover: {strength: pairs, always: [{python: "3.13", device: cpu}]}
                  matrix:
                    python: ["3.11", "3.12", "3.13"]
                    device: [cpu, cuda]
                    task: [a, b, c]
                    include: [{python: "3.11", lock: old}, {python: "3.9"}]
                steps: [{run: "true"}]
            """
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        let planned = try #require(workflow, "\(diagnostics)").planned(PlanRequest())
        let (plan, covers) = (planned.plan, planned.covers)
        let cover = try #require(covers["eval"])
        let cells = try #require(plan.jobs[0].cells)
        #expect(cover.validCount == 18 && cells.count == cover.cells.count + 1 && cells.count < 18)
        #expect(cells.last?.name == "eval (3.9)")
        #expect(cells.filter { $0.name.contains("3.13, cpu") }.count == 3)
        #expect(cells.filter { $0.name.contains("3.11") }.allSatisfy { $0.values.last == .init("lock", "old") })
        #expect(PlanText.text(plan, covers: covers).contains("covers all 21 pairs that 18 valid cells have"))
    }

    @Test(arguments: [
        ("cover: paris", "6:12", "must be pairs"), ("cover: 7", "6:12", "from 1 to 6"),
        ("cover: {strength: pairs, alway: []}", "6:30", "did you mean 'always'"),
        ("cover: {always: {a: 1}}", "6:21", "must be a list"),
        ("cover: {always: [{b: 1}]}", "6:22", "does not match any key"),
    ])
    func `that is written wrongly is refused`(line: String, place: String, words: String) throws {
        let text = "sheaf: 1\non: push\njobs:\n  a:\n    runs-on: x\n    \(line)\n    steps: [{run: y}]\n".replacing(
            "    \(line)\n", with: "    strategy:\n      matrix: {a: [1]}\n      \(line)\n")
        let diagnostics = Workflow.check(Array(text.utf8), file: "w.yml", request: PlanRequest()).diagnostics
        let place = place.replacing("6:", with: "8:")
        let found = diagnostics.contains { "\($0)".contains(words) && $0.position.line == 8 && $0.severity == .error }
        #expect(found, "\(place) \(diagnostics)")
    }
}
