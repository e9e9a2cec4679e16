import Model
import Testing

@testable import Workflows

/// Actions of the repository, as the plan holds them.
@Suite struct `An action of the repository` {
    static func read(
        _ steps: String, _ files: [String: String]
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let text = "on: push\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n    steps:\n" + steps
        return Workflow.read(
            Array(text.utf8), file: "w.yml",
            files: WorkflowFiles(isWhole: true) { files[$0].map { Array($0.utf8) } })
    }

    static let greet = """
        name: greet
        description: says hello
        inputs:
          who: {description: whom, required: true}
          greeting: {default: "hello ${{ github.actor }}"}
        outputs:
          said: {description: what, value: "${{ steps.say.outputs.text }}"}
        runs:
          using: composite
          steps:
            - id: say
              if: inputs.who != ''
              run: echo "text=$GREETING" >> "$GITHUB_OUTPUT"
              shell: bash
              env: {GREETING: "${{ inputs.greeting }} ${{ inputs.who }}"}
        """

    @Test func `is read when the run is planned, with its inputs, steps and outputs`() throws {
        let (workflow, diagnostics) = Self.read(
            "      - {id: g, uses: ./.github/actions/greet, with: {who: you}}\n      - run: echo ${{ steps.g.outputs.said }}",
            ["./.github/actions/greet/action.yml": Self.greet])
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest())
        guard case .local(let action, let with)? = plan.jobs[0].work.steps.first?.action,
            case .steps(let steps, let outputs) = action.body
        else {
            Issue.record("\(plan.jobs[0].work.steps)")
            return
        }
        #expect(action.path == ".github/actions/greet" && with == [Template("who", "you")])
        #expect(action.inputs.map(\.name) == ["who", "greeting"] && action.inputs[0].isRequired)
        #expect(action.inputs[1].fallback == "hello ${{ github.actor }}")
        #expect(steps.count == 1 && steps[0].condition == "inputs.who != ''" && steps[0].line == 11)
        #expect(outputs == [Template("said", "${{ steps.say.outputs.text }}")])
    }

    @Test(arguments: [
        ("using: composite", "using: docker", Diagnostic.Severity.unsupported, "a container", ".yaml:9:10"),
        ("shell: bash", "name: x", .error, "the action is broken", "w.yml:7:15"),
        ("inputs.who != ''", "secrets.X != ''", .error, "Unrecognized named-value: 'secrets'", "w.yml:7:15"),
        ("inputs.who != ''", "inputs.whom != ''", .warning, "", ""),
        ("using: composite", "using: ruby", .error, "not 'ruby'", "w.yml:7:15"),
        (
            "{description: what, value: \"${{ steps.say.outputs.text }}\"}", "{description: what}", .error,
            "no 'value'", ""
        ),
    ])
    func `that is wrong is told where it is used, and where it is wrong`(
        what: String, by: String, severity: Diagnostic.Severity, problem: String, place: String
    ) {
        let (_, diagnostics) = Self.read(
            "      - uses: ./greet\n        with: {who: x}",
            ["./greet/action.yaml": Self.greet.replacing(what, with: by)])
        guard severity != .warning else {
            // Advice inside of an action is for whoever checks that file.
            #expect(diagnostics.isEmpty, "\(diagnostics)")
            return
        }
        #expect(
            diagnostics.contains {
                $0.severity == severity && $0.problem.contains(problem) && "\($0.position)".hasSuffix(place)
            }, "\(diagnostics)")
    }

    @Test func `that is given what it does not take, or not what it needs, earns a warning`() {
        let (_, diagnostics) = Self.read(
            "      - uses: ./greet\n        with: {wo: x}", ["./greet/action.yml": Self.greet])
        #expect(
            diagnostics.map { "\($0.position) \($0.problem)" } == [
                "w.yml:7:15 the action requires the input 'who'", "w.yml:8:16 the action takes no input 'wo'",
            ], "\(diagnostics)")
    }

    @Test func `for Node needs an agent that has it`() throws {
        let node = "runs: {using: node20, main: dist/main.js, post: dist/post.js, post-if: success()}"
        let (workflow, diagnostics) = Self.read("      - uses: ./n", ["./n/action.yml": node])
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest())
        #expect(plan.jobs[0].cells?.map(\.labels) == [["x", "node"]])
        guard case .local(let action, _)? = plan.jobs[0].work.steps.first?.action else { return }
        #expect(
            action.body == .node(.init(main: "dist/main.js", post: "dist/post.js", postCondition: "success()")))
    }

    @Test func `may use others ten deep, and not itself`() {
        func action(_ next: String) -> String { "runs: {using: composite, steps: [{uses: \(next)}]}" }
        var files = ["./10/action.yml": "runs: {using: composite, steps: [{run: x, shell: sh}]}"]
        for level in 1..<10 { files["./\(level)/action.yml"] = action("./\(level + 1)") }
        #expect(Self.read("      - uses: ./1", files).diagnostics.isEmpty)
        files["./10/action.yml"] = action("./1")
        #expect(Self.read("      - uses: ./1", files).diagnostics.contains { $0.problem.contains("10 deep") })
    }

    @Test func `that uses others many times is read once for each depth, and its steps are counted`() {
        let many = String(repeating: "{uses: ./next}, ", count: 30)
        var files: [String: String] = [:]
        for level in 1..<10 {
            files["./\(level)/action.yml"] =
                "runs: {using: composite, steps: [\(many.replacing("next", with: "\(level + 1)"))]}"
        }
        files["./10/action.yml"] = "runs: {using: composite, steps: [{run: x, shell: sh}]}"
        let (workflow, diagnostics) = Self.read("      - uses: ./1", files)
        #expect(workflow == nil && diagnostics.contains { $0.problem.contains("more than 1000 steps") })
    }

    @Test func `that is not in the code tree is not supported`() {
        let (_, diagnostics) = Self.read("      - uses: ./gone", [:])
        #expect(diagnostics.map(\.severity) == [.warning, .unsupported], "\(diagnostics)")
    }
}

@Suite struct `A concurrency group` {
    private static func read(_ top: String, _ job: String = "") -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let text =
            "on: push\n\(top)\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n\(job)    steps: [{run: y}]\n"
        return Workflow.read(Array(text.utf8), file: "w.yml")
    }

    @Test(arguments: [
        ("concurrency: deploy", "deploy", false),
        ("concurrency: {group: 'ci-${{ github.ref }}'}", "ci-refs/heads/x", false),
        ("concurrency: {group: a, cancel-in-progress: true}", "a", true),
        ("concurrency: {group: a, cancel-in-progress: \"${{ github.ref == 'refs/heads/x' }}\"}", "a", true),
        ("concurrency: \"${{ github.head_ref }}\"", "", false), ("", "", false),
    ])
    func `of a run is evaluated when it is planned`(top: String, group: String, cancels: Bool) throws {
        let (workflow, diagnostics) = Self.read(top)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let found = try #require(workflow).concurrency(PlanRequest(ref: "refs/heads/x"))
        #expect(found == (group.isEmpty ? nil : .init(name: group, cancels: cancels)))
    }

    @Test func `of a job is evaluated for each of its cells`() throws {
        let (workflow, diagnostics) = Self.read(
            "",
            """
                strategy: {matrix: {x: [1, 2]}}
                concurrency: {group: "gpu-${{ github.ref }}-${{ matrix.x }}", cancel-in-progress: "${{ matrix.x == 2 }}"}
                environment: {name: prod, url: http://x}

            """)
        // The address is shown nowhere.
        #expect(diagnostics.map(\.rule) == [.idle], "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest(ref: "r"))
        #expect(
            plan.jobs[0].cells?.map(\.concurrency) == [
                ConcurrencyGroup(name: "gpu-r-1"), ConcurrencyGroup(name: "gpu-r-2", cancels: true),
            ])
        #expect(plan.jobs[0].cells?.first?.environment == "prod")
        #expect(PlanText.text(plan).contains("to prod"))
        #expect(String(decoding: PlanText.json(plan), as: UTF8.self).contains(#""concurrency":"gpu-r-2""#))
    }

    @Test func `that comes to nothing is none`() throws {
        let (workflow, _) = Self.read("", "    concurrency: ${{ github.head_ref }}\n")
        #expect(try #require(workflow).plan(PlanRequest(ref: "r")).jobs[0].cells?.map(\.concurrency) == [nil])
    }

    @Test(arguments: [
        ("{group: a, queue: max, cancel-in-progress: true}", "7:36", "exclude each other"),
        ("{group: a, queue: max, cancel-in-progress: '${{ github.ref == 1 }}'}", "7:36", "exclude each other"),
        ("{group: a, queue: more}", "7:36", "must be single or max"),
        ("{group: a, queue: max, cancel-in-progress: false}", "", ""), ("{group: a, queue: single}", "", ""),
    ])
    func `queues, or ends who goes on, and not both`(group: String, place: String, problem: String) throws {
        let (workflow, diagnostics) = Self.read("", "    concurrency: \(group)\n")
        let errors = diagnostics.filter { $0.severity == .error }
        #expect(errors.map { "\($0.position)" } == (place.isEmpty ? [] : ["w.yml:\(place)"]), "\(diagnostics)")
        #expect(errors.first?.problem.contains(problem) ?? true, "\(diagnostics)")
        guard place.isEmpty else { return }
        let cells = try #require(workflow).plan(PlanRequest()).jobs[0].cells
        #expect(cells?.map(\.concurrency) == [ConcurrencyGroup(name: "a", queues: group.contains("max"))])
    }
}
