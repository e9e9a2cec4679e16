import Model
import Testing
import Workflows

@Suite struct `Numbers of gates in files` {
    private static let parameters = """
        train: {lr: 0.1}
        gates:
          accuracy: 0.92
          drop: 3%
          bounds: [0.8, 0.95]
          word: high
        """

    private func plan(
        _ gate: String, files: [String: String] = ["params.yaml": parameters], isKnown: Bool = true
    ) -> (rule: GateRule?, problems: [String]) {
        let text = """
            sheaf: 1
            on: workflow_dispatch
            jobs:
              eval: {runs-on: x, metrics: m.json, steps: [{run: y}]}
            gates:
              g: {metric: accuracy, \(gate)}
            """
        var request = PlanRequest(

            file: { path in files[path].map { Array($0.utf8) } })
        request.isKnown = isKnown
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        guard let workflow else { return (nil, diagnostics.map(\.sentence)) }
        do throws(Mistakes) {
            return (try workflow.plan(request).gates.first, [])
        } catch {
            return (nil, error.diagnostics.map(\.sentence))
        }
    }

    @Test func `are read when the run is planned, and named in what the gate asks`() {
        let rule = plan("at-least: params.yaml:gates.accuracy").rule
        #expect(rule?.limits == [.atLeast(0.92)])
        #expect(
            rule?.thresholds == [
                .init(key: "at-least", file: "params.yaml", path: "gates.accuracy", isRead: true)
            ])
        let drop = plan("drop-at-most: params.yaml:gates.drop, baseline: {alias: a}").rule
        #expect(drop?.limits == [.dropAtMost(.percent(3))])
        let between = plan("between: [params.yaml:gates.bounds.0, params.yaml:gates.bounds.1]").rule
        #expect(between?.limits == [.between(0.8, 0.95)])
        let json = plan("at-most: conf/p.json:a.b", files: ["conf/p.json": #"{"a": {"b": 7}}"#]).rule
        #expect(json?.limits == [.atMost(7)])
        let detect = plan(
            "drop-at-most: 0, baseline: {alias: a}, test: regression, detect: params.yaml:gates.drop")
        #expect(detect.rule?.testing.detect == .percent(3), "\(detect.problems)")
    }

    @Test(arguments: [
        ("params.yaml:gates.acuracy", "'gates' has no 'acuracy' (did you mean 'accuracy'?)"),
        ("params.yaml:gates.word", "is \"high\", not a number"), ("params.yaml:gates", "not a number"),
        ("params.yaml:gates.drop", "is \"3%\", not a number"), ("other.yaml:a", "there is no file 'other.yaml'"),
    ])
    func `that are not there, or are none, refuse the run`(place: String, words: String) {
        let (rule, problems) = plan("at-least: \(place)")
        #expect(rule == nil && problems.contains { $0.contains(words) }, "\(problems)")
        #expect(problems.allSatisfy { !$0.contains("\n") })
    }

    /// `{accuracy: 0,92}` holds an accuracy of 0 and a 92.
    @Test func `with a decimal comma refuse the run`() {
        let (rule, problems) = plan(
            "at-least: params.yaml:accuracy", files: ["params.yaml": "{accuracy: 0,92, drop: 1}"])
        #expect(rule == nil && problems.contains { $0.contains("decimal point") }, "\(problems)")
        #expect(plan("at-least: params.yaml:drop", files: ["params.yaml": "{accuracy: 0,92, drop: 1}"]).rule != nil)
    }

    @Test func `that leave no value refuse the run`() {
        for (gate, words) in [
            ("at-least: params.yaml:gates.accuracy, at-most: 0.5", "no value is at least 0.92 and at most 0.5"),
            ("between: [params.yaml:gates.bounds.1, params.yaml:gates.bounds.0]", "params.yaml:gates.bounds.1"),
        ] {
            let (rule, problems) = plan(gate)
            #expect(rule == nil && problems.contains { $0.contains(words) }, "\(problems)")
        }
    }

    @Test func `in a broken file refuse the run with its line`() {
        let (_, problems) = plan("at-least: params.yaml:a", files: ["params.yaml": "a: 1\nb: [2\n"])
        #expect(problems.count == 1 && problems[0].hasPrefix("params.yaml:"), "\(problems)")
    }

    /// Other programs read these files too: their keys are what they are.
    @Test func `stand in a file that keeps YAML's rules, not a workflow's`() {
        let file = """
            defaults: &floors {acc: 0.5, f1: 0.6}
            Gates: 1
            gates: {<<: [*floors, {acc: 9, recall: 0.4}], f1: 0.7, F1: 2, loss: !!float 1, path: !join [a, b], env: !ENV x}
            """
        let bound = { (path: String) in
            self.plan("at-least: params.yaml:gates.\(path)", files: ["params.yaml": file]).rule?.limits
        }
        #expect(bound("acc") == [.atLeast(0.5)] && bound("f1") == [.atLeast(0.7)] && bound("F1") == [.atLeast(2)])
        #expect(bound("recall") == [.atLeast(0.4)] && bound("loss") == [.atLeast(1)] && bound("env") == nil)
        let twice = plan("at-least: params.yaml:a", files: ["params.yaml": "a: 1\na: 2\n"]).problems
        #expect(twice.count == 1 && twice[0].contains("'a' is already defined"), "\(twice)")
    }

    @Test func `stay open where only the file is looked at`() {
        let (rule, problems) = plan("at-least: params.yaml:gates.accuracy", files: [:], isKnown: false)
        #expect(rule?.thresholds.first?.isRead == false && problems.isEmpty)
    }

    @Test func `know the evaluator's files by their bytes`() throws {
        let text = """
            sheaf: 1
            on: workflow_dispatch
            jobs:
              eval: {runs-on: x, metrics: m.json, steps: [{run: y}]}
            gates:
              g: {metric: accuracy, drop-at-most: 0, baseline: {branch: main}, evaluator: [eval.py, prompts/a.txt]}
            """
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let plan = try workflow.plan(
            PlanRequest(manifest: { Digest([UInt8](repeating: UInt8($0.utf8.count), count: 32)) }))
        #expect(plan.evaluators.map(\.path) == ["eval.py", "prompts/a.txt"])
        #expect(plan.gates[0].baseline == .branch("main"))
        #expect(throws: Mistakes.self) { try workflow.plan(PlanRequest()) }
    }
}

@Suite struct `Jobs that need gates` {
    private func plan(_ jobs: String, gate: String = "metric: a, at-least: 1") -> (Plan?, [String]) {
        let text = """
            sheaf: 1
            on: workflow_dispatch
            jobs:
            \(jobs)
            gates:
              floor: {\(gate)}
            """
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        guard let workflow else { return (nil, diagnostics.map(\.sentence)) }
        do throws(Mistakes) { return (try workflow.plan(PlanRequest()), []) } catch {
            return (nil, error.diagnostics.map(\.sentence))
        }
    }

    private let eval = "  eval: {runs-on: x, metrics: m.json, steps: [{run: y}]}\n"

    @Test func `wait for the jobs that these read`() {
        let (plan, problems) = plan(
            eval + "  promote: {runs-on: x, needs-gates: [floor], steps: [{run: y}]}\n"
                + "  tell: {runs-on: x, needs: [eval], needs-gates: floor, steps: [{run: y}]}")
        #expect(problems == [])
        #expect(plan?.jobs.map(\.needs) == [[], [0], [0]])
        #expect(plan?.jobs.map(\.needsGates) == [[], ["floor"], ["floor"]])
    }

    @Test func `say what is wrong with them`() {
        let unknown = plan(eval + "  promote: {runs-on: x, needs-gates: [flor], steps: [{run: y}]}").1
        #expect(unknown.contains { $0.contains("'flor', which does not exist (did you mean 'floor'?)") })
        let circle = plan(
            "  eval: {runs-on: x, needs: [promote], metrics: m.json, steps: [{run: y}]}\n"
                + "  promote: {runs-on: x, needs-gates: [floor], steps: [{run: y}]}"
        ).1
        #expect(circle.contains { $0.contains("which reads 'eval', which needs 'promote'") }, "\(circle)")
        let open = plan(
            eval + "  again: {runs-on: x, metrics: m.json, steps: [{run: y}]}\n"
                + "  promote: {runs-on: x, needs-gates: [floor], steps: [{run: y}]}"
        ).1
        #expect(open.contains { $0.contains("does not say which job it reads") }, "\(open)")
    }
}

@Suite struct `Files of metrics in a workflow` {
    private func read(_ metrics: String) -> (JobWork?, [String]) {
        let text = """
            sheaf: 1
            on: workflow_dispatch
            jobs:
              eval: {runs-on: x, metrics: \(metrics), steps: [{run: y}]}
            """
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        // `try?`: what is wrong with it stands among the diagnostics.
        return ((try? workflow?.plan(PlanRequest()))?.jobs[0].work, diagnostics.map(\.sentence))
    }

    @Test func `are one of Sheaf's own, or as tools write them`() {
        #expect(read("m.json").0?.metrics == "m.json")
        #expect(
            read("{path: \"out/*.xml\", format: junit}").0?.metricSources
                == [MetricSource(path: "out/*.xml", format: .junit)])
        let several = read(
            "[own.json, {path: a.csv, format: csv, id: qid}, {path: b.jsonl, format: jsonl, take: samples}]")
        #expect(
            several.0?.metricSources == [
                MetricSource(path: "own.json", format: .sheaf), MetricSource(path: "a.csv", format: .csv, id: "qid"),
                MetricSource(path: "b.jsonl", format: .jsonl, taking: .samples),
            ], "\(several.1)")
    }

    @Test(arguments: [
        ("{path: a, format: junitt}", "did you mean 'junit'?"), ("{format: junit}", "needs the path"),
        ("{path: a, format: junit, id: x}", "'id' names items in jsonl and csv alone"),
        ("{path: a, format: csv, take: first}", "'take' must be last or samples"), ("[]", "lists 1 to 32 files"),
        ("[{path: a, format: junit}, {path: b, format: csv, id: q}]", "a cell's items are one set"),
    ])
    func `are refused where they mean nothing`(metrics: String, words: String) {
        let problems = read(metrics).1
        #expect(problems.contains { $0.contains(words) }, "\(problems)")
    }
}
