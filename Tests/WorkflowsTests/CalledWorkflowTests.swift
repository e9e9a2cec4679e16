import Model
import Testing

@testable import Workflows

/// Jobs that call workflows of the repository.
@Suite struct `A called workflow` {
    static let caller = """
        on: workflow_dispatch
        jobs:
          setup:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            outputs: {tag: "${{ steps.a.outputs.tag }}"}
            steps: [{id: a, run: echo tag=v1 >> $GITHUB_OUTPUT}]
          ci:
            needs: setup
            strategy: {matrix: {python: ["3.11", "3.13"]}}
            uses: ./.github/workflows/ci.yml
            with: {python: "${{ matrix.python }}", tag: "${{ needs.setup.outputs.tag }}", deep: true}
          publish:
            needs: [ci]
            if: needs.ci.outputs.wheel == 'wheel-3.13-v1'
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps: [{run: "echo ${{ needs.ci.outputs.wheel }}"}]
        """
    static let called = """
        on:
          workflow_call:
            inputs:
              python: {type: string, required: true}
              tag: {type: string}
              deep: {type: boolean, default: false}
              count: {type: number, default: 2}
            outputs:
              wheel: {value: "${{ jobs.test.outputs.wheel }}"}
        jobs:
          lint:
            if: inputs.deep
            runs-on: ubuntu-latest
            timeout-minutes: 7
            steps: [{run: "lint ${{ inputs.tag }}"}]
          test:
            needs: lint
            runs-on: ["self-hosted", "py${{ inputs.python }}"]
            timeout-minutes: 7
            strategy: {matrix: {backend: [a, b]}}
            outputs: {wheel: "wheel-${{ inputs.python }}-${{ inputs.tag }}"}
            steps: [{run: "test ${{ inputs.count }}"}]
        """

    static func files(_ all: [String: String]) -> WorkflowFiles {
        WorkflowFiles(isWhole: true) { all[$0].map { Array($0.utf8) } }
    }

    static func read(_ text: String, _ called: String = called) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        Workflow.read(Array(text.utf8), file: "w.yml", files: files(["./.github/workflows/ci.yml": called]))
    }

    @Test func `becomes jobs of the plan, once for each cell of the job that calls`() throws {
        let (workflow, diagnostics) = Self.read(Self.caller)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest())
        #expect(
            plan.jobs.map(\.id) == [
                "setup", "ci._3_11.lint", "ci._3_11.test", "ci._3_13.lint", "ci._3_13.test", "publish",
            ])
        #expect(plan.jobs.map(\.needs) == [[], [0], [1, 0], [0], [3, 0], [1, 2, 3, 4]])
        #expect(plan.jobs[1].name == "ci (3.11) / lint")
        // `tag` is an output of another job: what reads inputs is settled once that has ended.
        #expect(plan.jobs[1].cells?.count == 1 && plan.jobs[2].cells == nil)
        #expect(try #require(workflow).plan(PlanRequest()) == plan)
    }

    /// The calling job's group first, then the called file's, which sees its own inputs.
    @Test func `comes to the concurrency groups of its calls as a whole`() throws {
        let caller = Self.caller.replacing(
            "    uses: ./",
            with:
                "    concurrency: {group: \"env-${{ matrix.python }}-${{ needs.setup.outputs.tag }}\", queue: max}\n    uses: ./"
        )
        let called = "concurrency: {group: \"ci-${{ inputs.python }}\", cancel-in-progress: true}\n" + Self.called
        let (read, diagnostics) = Self.read(caller, called)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let request = PlanRequest()
        let workflow = try #require(read).expanded(request)
        let plan = try workflow.plan(request)
        #expect(plan.jobs.map(\.calls) == [[], [0], [0], [1], [1], []])
        // What reads an output is not known yet, nor what an input comes to that does.
        #expect(plan.jobs[1].cells?.map(\.callGroups) == [[]])
        let setup = NeededJob(id: "setup", outcome: .success, outputs: [.init("tag", "v1")])
        let groups = [
            CallGroup(call: 1, title: "ci (3.13)", group: ConcurrencyGroup(name: "env-3.13-v1", queues: true)),
            CallGroup(call: 1, title: "ci (3.13)", group: ConcurrencyGroup(name: "ci-3.13", cancels: true)),
        ]
        for (job, count) in [(3, 1), (4, 2)] {
            let ended = [setup, NeededJob(id: "ci._3_13.lint", outcome: .success)]
            guard case .cells(let cells, _, _, _) = try workflow.resolve(job: job, ancestors: ended, request) else {
                Issue.record("the job does not run")
                return
            }
            #expect(cells.map(\.callGroups) == Array(repeating: groups, count: count))
        }
    }

    @Test func `is resolved with its own inputs, needs and status`() throws {
        let request = PlanRequest()
        let workflow = try #require(Self.read(Self.caller).workflow).expanded(request)
        let setup = NeededJob(id: "setup", outcome: .success, outputs: [.init("tag", "v1")])
        let lint = NeededJob(id: "ci._3_13.lint", outcome: .success)
        guard case .cells(let cells, _, _, _) = try workflow.resolve(job: 4, ancestors: [setup, lint], request) else {
            Issue.record("the job does not run")
            return
        }
        #expect(cells.map(\.name) == ["ci (3.13) / test (a)", "ci (3.13) / test (b)"])
        #expect(cells.map(\.labels) == [["self-hosted", "py3.13"], ["self-hosted", "py3.13"]])
        let contexts = try workflow.contexts(ofJob: 4, workflow.contexts(for: request), request) { position in
            [0: setup, 3: lint][position]
        }
        let seen = Value.object(contexts)
        #expect(seen["inputs"] == ["python": "3.13", "tag": "v1", "deep": true, "count": 2])
        #expect(seen["needs"]?.members?.map(\.key) == ["lint"])

        // Outputs come from every cell of the job that calls; the last one's word counts.
        let all =
            [setup, lint] + [NeededJob(id: "ci._3_11.lint", outcome: .success)]
            + ["3.11", "3.13"].map {
                NeededJob(
                    id: "ci._\($0.replacing(".", with: "_")).test", outcome: .success,
                    outputs: [.init("wheel", .string("wheel-\($0)-v1"))])
            }
        guard case .cells = try workflow.resolve(job: 5, ancestors: all, request) else {
            Issue.record("publish does not see the outputs")
            return
        }
        var failed = all
        failed[1].outcome = .failure
        #expect(
            try workflow.resolve(job: 5, ancestors: failed, request)
                == .notReached("it needs 'ci', which did not succeed"))
        // Another cell's call goes on.
        guard case .cells = try workflow.resolve(job: 2, ancestors: [setup, failed[2]], request) else {
            Issue.record("a failure in one call stops another")
            return
        }
    }

    @Test func `does not run when the job that calls it does not`() throws {
        let skipped = Self.caller.replacing("    needs: setup\n", with: "    needs: setup\n    if: github.ref == 'x'\n")
        let workflow = try #require(Self.read(skipped).workflow)
        let setup = NeededJob(id: "setup", outcome: .success)
        #expect(
            try workflow.resolve(job: 1, ancestors: [setup], PlanRequest())
                == .notApplicable("its 'if' is false: github.ref == 'x'"))
        let always = Self.caller.replacing("    needs: setup\n", with: "    needs: setup\n    if: always()\n")
        let stubborn = try #require(Self.read(always).workflow)
        let broken = NeededJob(id: "setup", outcome: .failure)
        guard case .cells = try stubborn.resolve(job: 1, ancestors: [broken], PlanRequest()) else {
            Issue.record("inside of a call that always runs, jobs ask for the jobs around them")
            return
        }
        #expect(
            try #require(Self.read(Self.caller).workflow).resolve(job: 1, ancestors: [broken], PlanRequest())
                == .notReached("it needs 'setup', which did not succeed"))
    }

    /// Read as often as it is called, the last of these files would be read a hundred thousand million times.
    @Test(.timeLimit(.minutes(1))) func `is read once for all that call it from as deep`() {
        var all: [String: String] = [:]
        for level in 1..<10 {
            let jobs = (0..<20).map { "a\($0): {uses: ./\(level + 1).yml}" }.joined(separator: ", ")
            all["./\(level).yml"] = "on: workflow_call\njobs: {\(jobs)}"
        }
        all["./10.yml"] = "on: workflow_call\njobs: {a: {runs-on: x, timeout-minutes: 1, steps: [{run: a}]}}"
        let start = "on: push\njobs: {c: {uses: ./1.yml}}"
        let (workflow, diagnostics) = Workflow.check(
            Array(start.utf8), file: "0.yml", files: Self.files(all), request: PlanRequest())
        #expect(workflow == nil && !diagnostics.isEmpty, "\(diagnostics)")
    }

    @Test func `may call others, ten deep`() throws {
        func file(_ level: Int, of depth: Int) -> String {
            level == depth
                ? "on: workflow_call\njobs: {a: {runs-on: x, timeout-minutes: 1, steps: [{run: a}]}}"
                : "on: workflow_call\njobs: {c: {uses: ./\(level + 1).yml}}"
        }
        for depth in [10, 11] {
            var all: [String: String] = [:]
            for level in 1...depth { all["./\(level).yml"] = file(level, of: depth) }
            let (workflow, diagnostics) = Workflow.read(
                Array(file(0, of: depth).utf8), file: "0.yml", files: Self.files(all))
            if depth == 10 {
                let plan = try #require(workflow, "\(diagnostics)").plan(PlanRequest(eventName: "workflow_call"))
                #expect(plan.jobs.map(\.id) == ["c.c.c.c.c.c.c.c.c.c.a"])
                #expect(plan.jobs[0].name.hasSuffix("c / c / a"))
            } else {
                #expect(diagnostics.contains { $0.problem.contains("more than 10 deep") }, "\(diagnostics)")
            }
        }
    }

    @Test(arguments: [
        ("deep: true", "deep: \"${{ matrix.python }}\"", "12:89", "the input 'deep' is a boolean"),
        ("deep: true", "depp: true", "12:83", "takes no input 'depp'"),
        ("deep: true", "count: ten", "12:90", "the input 'count' is a number"),
        ("ci.yml", "no.yml", "11:11", "there is no file './.github/workflows/no.yml'"),
        ("./.github/workflows/ci.yml", "a/b/.github/workflows/c.yml@v1", "11:11", "is not pinned: 'v1' may be another"),
        ("[\"3.11\", \"3.13\"]", "\"${{ fromJSON(needs.setup.outputs.tag) }}\"", "10:24", "made of outputs"),
    ])
    func `that is called wrongly is refused at its place`(
        what: String, by: String, place: String, problem: String
    ) throws {
        let (workflow, diagnostics) = Self.read(Self.caller.replacing(what, with: by))
        var all = diagnostics
        if let workflow { all += workflow.mistakes(in: PlanRequest()) }
        let found = all.first { $0.problem.contains(problem) }
        #expect(found != nil, "\(all)")
        if let found, place.last != ":" { #expect("\(found.position)" == "w.yml:\(place)", "\(found)") }
    }

    @Test func `brings what cannot run there, with its own place`() throws {
        let (_, diagnostics) = Self.read(
            Self.caller, Self.called.replacing("test ${{ inputs.count }}", with: "test ${{ toJSON(secrets) }}"))
        #expect(diagnostics.map { "\($0.position)" } == [".github/workflows/ci.yml:22:19"], "\(diagnostics)")
    }

    @Test func `counts its jobs against the limit, cells of the caller included`() throws {
        let jobs = (0..<600).map { "  j\($0): {runs-on: x, timeout-minutes: 1, steps: [{run: a}]}" }
        let called = "on: workflow_call\njobs:\n" + jobs.joined(separator: "\n")
        let caller = """
            on: push
            jobs:
              ci: {strategy: {matrix: {x: [1, 2]}}, uses: ./.github/workflows/ci.yml}
            """
        let workflow = try #require(Self.read(caller, called).workflow)
        #expect(throws: Mistakes.self) { try workflow.plan(PlanRequest()) }
    }
}
