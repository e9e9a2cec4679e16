import Model
import Testing

@testable import Workflows

@Suite struct `A plan that is shown` {
    private static func plan(_ more: String) throws -> Plan {
        let text = """
            sheaf: 1
            on: push
            tier: pr
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                strategy: {matrix: {n: [1, 2, 3]}}
                tier: ${{ matrix.n == 3 && 'nightly' || 'pr' }}
                required: ${{ matrix.n != 2 }}
                \(more)
                steps: [{run: x}]
            """
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        return try #require(workflow).plan(PlanRequest(eventName: "push"))
    }

    @Test func `says which cells do not run, and which ones no gate rests on`() throws {
        let plan = try Self.plan("shards: 2")
        let text = PlanText.text(plan)
        #expect(text.contains("a: 3 cells, 2 shards each\n  1 of them does not run: see 'skipped'\n"), "\(text)")
        #expect(text.contains("  1 of them is not required: no gate rests on it\n"), "\(text)")
        #expect(text.contains("  not required\n"), "\(text)")
        #expect(text.contains("  skipped: its tier is nightly, this run's is pr\n"), "\(text)")
        let json = String(decoding: PlanText.json(plan), as: UTF8.self)
        #expect(json.components(of: "\"skipped\"") == 1 && json.components(of: "\"required\"") == 2, "\(json)")
    }

    @Test(arguments: [
        ("", "8 at most, of equal numbers of items"),
        (", balance: history", "8 at most, balanced by recorded durations"),
        (", target-minutes: 10", "8 at most, of about 10 min each by recorded durations"),
        (", target-minutes: 0.5", "8 at most, of about 30 s each by recorded durations"),
    ])
    func `says how a listing will be cut`(more: String, words: String) throws {
        let text = PlanText.text(try Self.plan("shards: {count: 8, items: {file: items.txt}\(more)}"))
        #expect(text.contains("shards: unknown until items are listed (\(words))"), "\(text)")
    }
}

extension String {
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
