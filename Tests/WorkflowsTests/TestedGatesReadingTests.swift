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
        ("at-least: 0.5, at-most: 1, aggregate: worst, drop-at-most: 0", "limits in both directions"),
        ("between: [0, 1], drop-at-most: 0.1, aggregate: worst", "limits in both directions"),
        ("drop-at-most: 0, per: [backend], over: [backend]", "'per' and 'over' both name 'backend'"),
        ("drop-at-most: 0, aggregate: worst, weight: n", "'weight' without a mean"),
        ("drop-at-most: 0, aggregate: {quantile: 0.9}, weight: n", "'weight' without a mean"),
        ("drop-at-most: 0, at-least: 0.9, at-most: 0.8", "no value is at least 0.9 and at most 0.8"),
        ("drop-at-most: 0, at-least: 3, between: [1, 2]", "no value is at least 3 and between 1 and 2"),
        ("drop-at-most: 2%, test: regression, detect: 99%", "no value drops by 101 % of itself"),
        ("drop-at-most: 0, between: [0, 1], test: regression, detect: 2", "does not fit between the plain limits"),
        ("rise-at-most: 1, at-least: 0, at-most: 10, test: regression, detect: 10", "a change of 11"),
        ("rise-at-most: 0.1, better: higher", "on a metric of which more is better"),
    ])
    func `are refused where they mean nothing`(gate: String, words: String) {
        let (workflow, diagnostics) = read(gate)
        #expect(workflow == nil && diagnostics.contains { $0.problem.contains(words) }, "\(diagnostics)")
    }

    @Test func `are taken where their numbers make sense`() {
        #expect(rule("at-least: 0.8, at-most: 0.8, drop-at-most: 0") != nil)
        #expect(rule("rise-at-most: 0, test: regression, detect: 25") != nil)
        #expect(rule("drop-at-most: 0, at-least: 0.5, test: regression, detect: 2") != nil)
    }

    @Test func `are warned of limits that ask for the other direction than is better`() {
        let warned = { (gate: String) in read(gate).diagnostics.map(\.problem).filter { $0.contains("asks for") } }
        #expect(warned("at-least: 0.9, better: lower").first?.contains("better lower") == true)
        #expect(warned("at-most: 20, better: higher").first?.contains("asks for no more") == true)
        for fine in ["at-most: 20, better: lower", "at-least: 1, at-most: 20, better: lower", "at-least: 0.9"] {
            #expect(warned(fine).isEmpty, "\(fine)")
        }
    }

    @Test func `are warned of a baseline that is whatever was newest`() {
        let text = """
            sheaf: 1
            on: workflow_dispatch
            jobs: {eval: {runs-on: x, metrics: m.json, steps: [{run: y}]}}
            gates:
              g: {metric: accuracy, drop-at-most: 0, baseline: {alias: latest}}
            """
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        let found = diagnostics.filter { $0.rule == .latest }
        #expect(workflow != nil && found.count == 1 && found[0].severity == .warning, "\(diagnostics)")
        #expect(found.first?.position.line == 5)
        #expect(!read("drop-at-most: 0").diagnostics.contains { $0.rule == .latest })
    }

    @Test func `are warned of a branch on which nothing can ever have passed`() {
        let warned = { (rest: String) in
            let text = """
                sheaf: 1
                on: workflow_dispatch
                jobs: {eval: {runs-on: x, metrics: m.json, steps: [{run: y}]}}
                gates:
                  g: {metric: accuracy, drop-at-most: 0, \(rest)}
                """
            let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
            #expect(workflow != nil, "\(diagnostics)")
            return diagnostics.filter { $0.rule == .baseline }.map { "\($0.position.line) \($0.suggestion ?? "")" }
        }
        #expect(warned("baseline: {branch: main}").first?.hasPrefix("5 first: pass-floor") == true)
        for fine in [
            "baseline: {branch: main}, first: pass-floor, at-least: 0.5", "baseline: {alias: champion}",
            "baseline: {branch: main}, required: false",
            "baseline: {branch: main}, when: \"github.event_name == 'pull_request'\"",
        ] { #expect(warned(fine) == [], "\(fine)") }
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

@Suite struct `The numbers of a gate` {
    /// Each mistake is told once, at its own place.
    @Test(arguments: [
        ("{metric: \"\", at-least: 1}", "6:15", "'metric' must not be empty"),
        ("{metric: m, at-least: .nan}", "6:28", "'at-least' must be a finite number"),
        ("{metric: m, baseline: {alias: c}, drop-at-most: -1}", "6:54", "'drop-at-most' must be 0 or more, not -1"),
        ("{metric: m, baseline: {alias: c}, rise-at-most: -3%}", "6:54", "'rise-at-most' must be 0 or more, not -3%"),
        ("{metric: m, between: [2, 1]}", "6:27", "'between' needs two numbers"),
        ("{metric: m}", "6:3", "the gate 'g' has no limit"),
    ])
    func `are told their mistakes once, at their places`(gate: String, place: String, problem: String) {
        let text =
            "sheaf: 1\non: push\njobs:\n  a: {runs-on: x, metrics: m.json, steps: [{run: y}]}\ngates:\n  g: \(gate)\n"
        let errors = Workflow.read(Array(text.utf8), file: "w.yml").diagnostics.filter { $0.severity == .error }
        #expect(errors.map { "\($0.position)" } == ["w.yml:\(place)"], "\(errors)")
        #expect(errors.first?.problem.contains(problem) == true, "\(errors)")
    }
}
