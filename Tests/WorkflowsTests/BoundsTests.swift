import Expressions
import Foundation
import Model
import Testing

@testable import Workflows

/// Texts that want to cost more than they are worth: each ends, with an error that says what is too much.
@Suite struct `Hostile texts` {
    private func diagnostics(_ text: String) -> [Diagnostic] {
        var request = PlanRequest()
        request.isKnown = false
        return Workflow.check(Array(text.utf8), file: "w.yml", request: request).diagnostics
    }

    private func job(_ step: String, strategy: String = "") -> String {
        "on: push\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n\(strategy)    steps:\n      - \(step)\n"
    }

    @Test func `may have expressions of 21 000 characters, and no longer ones`() {
        let most = Limits.expressionCharactersMax
        let edge = "github.ref" + String(repeating: " ", count: most - 40) + "== 'x'"
        let padded = "github.ref" + String(repeating: " ", count: most - 14) + "== 'x'"
        #expect(diagnostics(job("if: ${{ \(edge) }}\n        run: y")).allSatisfy { $0.severity != .error })
        let refused = diagnostics(job("if: ${{ \(padded) }}\n        run: y"))
        #expect(refused.contains { $0.problem == "Exceeded max expression length 21000" }, "\(refused)")
    }

    @Test func `may nest expressions so deep, and no deeper`() {
        let chain = Array(repeating: "github.ref", count: 1400).joined(separator: " && ")
        #expect(diagnostics(job("if: ${{ \(chain) }}\n        run: y")).allSatisfy { $0.severity != .error })
        for (open, close) in [("(", ")"), ("!", ""), ("fromJSON(", ")"), ("github[", "]")] {
            let deep = String(repeating: open, count: 2000) + "github" + String(repeating: close, count: 2000)
            #expect(diagnostics(job("run: echo ${{ \(deep) }}")).contains { $0.severity == .error }, "\(open)")
        }
    }

    /// As large as a file may be only in deep tests: unoptimised rooms take a minute for it.
    @Test func `may be megabytes of keys, lists or jobs`() {
        let isDeep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] != nil
        let size = isDeep ? Limits.workflowBytesMax - 200 : 300_000
        func filled(_ head: String, _ line: (Int) -> String) -> String {
            var text = head
            var number = 0
            while text.utf8.count < size {
                text += line(number)
                number += 1
            }
            return text
        }
        let texts = [
            filled("on: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\nenv:\n") {
                "  VARIABLE_WITH_A_NAME_\($0): some value\n"
            },
            filled("on: push\njobs:\n") { "  job\($0): {runs-on: x, steps: [{run: y}]}\n" },
            filled("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n") {
                "      - {run: echo \($0), name: some name}\n"
            },
            filled("on: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n") { "unknown_key_number_\($0): value\n" },
            filled("on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: y}]\n    strategy:\n      matrix:\n") {
                "        axis\($0): [one, two, three]\n"
            },
            filled(
                "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: y}]\n    strategy:\n      matrix:\n        include:\n"
            ) { "          - {member\($0): some value}\n" },
            filled("on:\n  push:\n    branches:\n") { "      - branch-\($0)-*\n" }
                + "jobs: {a: {runs-on: x, steps: [{run: y}]}}\n",
            filled(job("run: |")) { "          echo \($0) | bc # ' \" ${{ github.ref }}\n" },
        ]
        for text in texts {
            let found = diagnostics(text)
            #expect(found.count <= Workflow.diagnosticsMax + 1)
        }
        #expect(
            diagnostics(texts[1]).contains {
                $0.problem.contains("the limit is 1000") || $0.problem.contains("2000000 values")
            })
        #expect(diagnostics(texts[2]).contains { $0.problem.contains("the limit is 1000") })
        #expect(diagnostics(texts[3]).last?.problem.contains("more are not shown") == true)
        #expect(diagnostics(texts[4]).contains { $0.problem.contains("vectors; the limit is 1000") })
        #expect(diagnostics(texts[5]).contains { $0.problem.contains("more than 256 cells") })
    }

    /// A plan says how many shards there are; nothing of it is as long as they are many.
    @Test func `may ask for a million shards, and for no more`() throws {
        let axis = "[" + (0..<100).map(String.init).joined(separator: ", ") + "]"
        func text(_ shards: Int, _ more: String = "") -> [UInt8] {
            Array(
                """
                sheaf: 1
                on: push
                jobs:
                  eval:
                    runs-on: x
                    strategy: {matrix: {a: \(axis), b: \(axis)}}
                    shards: \(shards)
                    steps: [{run: "echo ${{ matrix.a }}"}]
                \(more)
                """.utf8)
        }
        let one = try #require(Workflow.read(text(1), file: "w.yml").workflow).plan(PlanRequest())
        var many = try #require(Workflow.read(text(100), file: "w.yml").workflow).plan(PlanRequest())
        let cells = try #require(many.jobs[0].cells)
        #expect(cells.count == Limits.cellsPerJobMax && Set(cells.map(\.id)).count == cells.count)
        #expect(cells.count * many.jobs[0].shards.count == Limits.shardsPerRunMax)
        many.jobs[0].shards.count = 1
        #expect(many == one)
        let more = try #require(
            Workflow.read(text(100, "  one: {runs-on: x, steps: [{run: y}]}"), file: "w.yml").workflow)
        #expect { try more.plan(PlanRequest()) } throws: {
            "\($0)".contains("1000001 shards; the limit is 1000000")
        }
    }

    @Test func `may not multiply`() {
        var bomb = "on: push\nenv:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            bomb +=
                "  a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        #expect(diagnostics(bomb).first?.problem.contains("aliases counted") == true)
        let axis = "[" + (0..<1000).map(String.init).joined(separator: ",") + "]"
        let matrix = "    strategy: {matrix: {a: \(axis), b: \(axis), c: \(axis)}}\n"
        #expect(diagnostics(job("run: y", strategy: matrix)).contains { $0.problem.contains("1000 × 1000 × 1000") })
        let format = (0..<12).reduce("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'") { text, _ in
            "format('{0}{0}{0}{0}', \(text))"
        }
        let evaluated =
            "    strategy: {matrix: {a: [\"${{ \(format.replacing("'", with: "''").replacing("''", with: "'")) }}\"]}}\n"
        #expect(diagnostics(job("run: y", strategy: evaluated)).contains { $0.problem.contains("memory") })
        let wide =
            "sheaf: 1\n" + job("run: y", strategy: "    strategy: {matrix: {a: \(axis), b: \(axis)}, cover: pairs}\n")
        #expect(diagnostics(wide).contains { $0.problem.contains("at most 200000 valid") })
    }

    @Test func `of ten thousand brackets, quotes and dashes are refused`() {
        for piece in ["[", "{a: ", "- ", "? ", "\"", "'", "&a ", "*a ", "!!str ", "a:\n ", "|\n", "--- "] {
            _ = diagnostics(String(repeating: piece, count: 10_000))
            _ = diagnostics("on: " + String(repeating: piece, count: 10_000))
        }
        #expect(diagnostics(String(repeating: "[", count: 10_000)).first?.problem.contains("nested more than") == true)
    }
}
