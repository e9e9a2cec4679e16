import Model
import Testing
import Workflows

@Suite struct `Tests of gates in a workflow` {
    private func read(_ gate: String, more: String = "") -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let text = """
            sheaf: 1
            on: workflow_dispatch
            jobs:
              eval: {runs-on: x, strategy: {matrix: {backend: [torch, jax]}}, steps: [{run: y}]}
            gates:
              g: {metric: accuracy, baseline: {alias: champion}, \(gate)}
            \(more)
            """
        return Workflow.read(Array(text.utf8), file: "w.yml")
    }

    private func rule(_ gate: String) -> GateRule? { read(gate).workflow?.gates.first }

    @Test func `are read`() {
        let regression = rule("drop-at-most: 0, test: regression, detect: 0.02")
        #expect(regression?.testing == GateRule.Testing(.regression, detect: .absolute(0.02)))
        let counted = rule(
            "ratio-at-most: 1.3, test: regression, n-at-least: 500, method: mann-whitney, statistic: p50")
        #expect(counted?.testing == GateRule.Testing(.regression, method: .mannWhitney, itemsAtLeast: 500))
        let safe = rule(
            "drop-at-most: 1%, test: non-inferiority, false-pass-rate: 0.01, may-differ: [device_model], strict: true")
        #expect(safe?.testing == GateRule.Testing(.nonInferiority, falsePassRate: 0.01))
        #expect(safe?.mayDiffer == ["device_model"] && safe?.isStrict == true)
        #expect(rule("drop-at-most: 0, test: none")?.testing == GateRule.Testing())
    }

    @Test(arguments: [
        ("drop-at-most: 0, test: regression", "does not say what its test has to find"),
        ("drop-at-most: 0, test: regresion, detect: 0.1", "unknown test 'regresion'"),
        ("drop-at-most: 0, test: regression, detect: 0", "'detect' must be above 0"),
        ("drop-at-most: 0, test: regression, n-at-least: 1.5", "'n-at-least' must be a whole number"),
        ("drop-at-most: 0, test: regression, n-at-least: 0", "'n-at-least' must be a whole number"),
        ("drop-at-most: 0, detect: 0.1", "'detect' without a test"),
        ("drop-at-most: 0, rise-at-most: 1, test: regression, detect: 0.1", "not exactly one limit"),
        ("drop-at-most: 0, test: regression, detect: 0.1, aggregate: worst", "alike"),
        ("drop-at-most: 0, test: regression, detect: 0.1, statistic: p50", "a test is about means"),
        ("drop-at-most: 0, test: regression, detect: 0.1, false-pass-rate: 0.1", "keeps to the run's"),
        ("drop-at-most: 0, test: non-inferiority, false-pass-rate: 0.7", "'false-pass-rate' must be above 0"),
        ("drop-at-most: 0, test: non-inferiority, detect: 0.7", "shows its limit itself"),
        ("drop-at-most: 0, may-differ: [weather]", "'may-differ' is a list of"),
    ])
    func `are refused where they mean nothing`(gate: String, words: String) {
        let (workflow, diagnostics) = read(gate)
        #expect(workflow == nil && diagnostics.contains { $0.problem.contains(words) }, "\(diagnostics)")
    }

    @Test func `are waived by name, reason, author and day`() throws {
        let more = """
            waivers:
              - {gate: g, where: {backend: jax}, reason: known, author: alice, until: "2026-12-31"}
            quarantine:
              - {job: eval, where: {backend: jax}, reason: flaky, author: bob, until: "2026-11-30"}
            """
        let (workflow, diagnostics) = read("drop-at-most: 0", more: more)
        let waivers = try #require(workflow, "\(diagnostics)").waivers
        #expect(waivers.map(\.subject) == [.gate("g"), .cells(job: "eval")])
        #expect(waivers[0].place == [Value.Member("backend", "jax")] && waivers[0].lastDay == "2026-12-31")
        let plan = try workflow?.plan(PlanRequest())
        #expect(plan?.waivers == waivers)
        for (wrong, words) in [
            ("{gate: h, reason: r, author: a, until: \"2026-12-31\"}", "no gate 'h'"),
            ("{gate: g, author: a, until: \"2026-12-31\"}", "needs 'reason'"),
            ("{gate: g, reason: r, author: a, until: \"2026-02-30\"}", "'until' is a day"),
            ("{gate: g, reason: r, author: a, until: \"2026-12-31\", where: {}}", "'where' is a mapping"),
        ] {
            let found = read("drop-at-most: 0", more: "waivers: [\(wrong)]").diagnostics
            #expect(found.contains { $0.problem.contains(words) }, "\(found)")
        }
    }
}
