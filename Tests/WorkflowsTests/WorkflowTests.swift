import JSON
import Model
import Testing

@testable import Workflows

@Suite struct `A workflow` {
    static func read(_ text: String) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        Workflow.read(Array(text.utf8), file: "w.yml")
    }

    static let whole = """
        sheaf: 1
        name: nightly
        on:
          workflow_dispatch:
            inputs:
              trees: {type: number, default: 10}
        false-block-rate: 0.1
        jobs:
          build:
            runs-on: ubuntu-latest
            outputs: {best: "${{ steps.pick.outputs.best }}"}
            steps:
              - {id: pick, run: echo best=1 >> $GITHUB_OUTPUT}
          eval:
            needs: build
            if: matrix.device != 'cuda' || inputs.trees > 5
            runs-on: [self-hosted, "${{ matrix.device == 'cuda' && 'gpu' || 'linux' }}"]
            strategy:
              fail-fast: false
              max-parallel: 2
              matrix:
                python: ["3.11", "3.13"]
                device: [cpu, cuda]
                exclude: [{python: "3.13", device: cuda}]
            shards: {count: 8, items: {command: python list.py}, max-parallel: 4}
            resources: {cpus: 4, memory: 16GiB, disk: 20GiB, gpus: {count: 1, memory: 40GiB, model: H200}}
            timeout-minutes: 30
            idle-timeout-minutes: 5
            retry: {attempts: 4, on: [infrastructure, oom, "exit:75"], backoff: 10s..5m, memory-factor: 2}
            idempotent: true
            setup:
              - uses: actions/setup-python@v5
                with: {python-version: "${{ matrix.python }}"}
              - run: pip install -r requirements.txt
            steps:
              - uses: actions/checkout@v4
              - run: python eval.py --trees ${{ inputs.trees }}
            metrics: metrics.json
        gates:
          floor: {metric: accuracy, per: cell, at-least: 0.92}
          drop: {metric: accuracy, job: eval, per: [device], baseline: {run: r17}, drop-at-most: 3%}
          latency: {metric: latency_ms, statistic: p50, better: lower, at-most: 20, required: false}
        """

    /// As at GitHub, where each of these texts was a number, a Boolean or nothing first.
    @Test func `writes a scalar as what it is`() throws {
        let text = """
            on: {workflow_dispatch: {inputs: {python: {default: 3.10}}}}
            env: {A: 3.10, B: 0777, C: True, D: ~, E: "3.10", F: 1e3, G: yes}
            jobs: {a: {runs-on: x, steps: [{uses: actions/setup-python@v5, with: {python-version: 3.10}}]}}
            """
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let plan = try workflow.plan(PlanRequest())
        #expect(
            plan.jobs[0].work.environment.map { "\($0.name)=\($0.text)" } == [
                "A=3.1", "B=777", "C=true", "D=", "E=3.10", "F=1000", "G=yes",
            ])
        #expect(plan.jobs[0].cells?[0].python == "3.1")
        #expect(try workflow.contexts(for: PlanRequest())[1].value["python"] == "3.1")
    }

    @Test func `becomes a plan`() throws {
        let (workflow, diagnostics) = Self.read(Self.whole)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest(inputs: [("trees", "7")]))
        #expect(plan.jobs.map(\.id) == ["build", "eval"])
        #expect(plan.falseBlockRate == 0.1)
        let eval = plan.jobs[1]
        #expect(eval.needs == [0])
        #expect(eval.failFast == false && eval.maxParallel == 2)
        #expect(eval.shards == ShardPlan(count: 8, items: .command("python list.py"), maxParallel: 4))
        #expect(eval.isIdempotent)
        #expect(eval.retry.attemptsMax == 4 && eval.retry.backoffMax == .minutes(5) && eval.retry.memoryFactor == 2)
        let cells = try #require(eval.cells)
        #expect(cells.map(\.id) == ["_3_11_cpu", "_3_11_cuda", "_3_13_cpu"])
        #expect(cells.map(\.labels) == [["self-hosted", "linux"], ["self-hosted", "gpu"], ["self-hosted", "linux"]])
        #expect(cells.map(\.python) == ["3.11", "3.11", "3.13"])
        #expect(cells[0].timeout == .minutes(30) && cells[0].idleTimeout == .minutes(5))
        #expect(cells[0].resources.gpus == GPURequest(count: 1, memory: .gibibytes(40), model: "H200"))
        #expect(plan.jobs[0].cells?.first?.labels == ["linux"])
        #expect(plan.gates.map(\.limits) == [[.atLeast(0.92)], [.dropAtMost(.percent(3))], [.atMost(20)]])
        #expect(plan.gates[1].per == .axes(["device"]) && plan.gates[1].baseline == .run(RunID(17)))
        #expect(plan.gates[2].statistic == .quantile(0.5) && !plan.gates[2].required)
        let json = try JSONParser.parse(PlanText.json(plan)).value
        #expect(json["jobs"]?.array?[1]["cells"]?.array?[0]["shards"] == .null)
        #expect(json["jobs"]?.array?[0]["cells"]?.array?[0]["shards"] == 1)
    }

    @Test(arguments: [
        ("", true, false), ("always()", true, true), ("!cancelled()", true, false), ("cancelled()", false, true),
        ("failure()", false, false), ("success() || github.ref == ''", true, true), ("true", true, false),
        ("always() && matrix.on == 1", true, true), ("success() && matrix.on == 1", true, false),
    ])
    func `knows what runs, and what goes on in a cancelled run`(condition: String, before: Bool, after: Bool) throws {
        let text = """
            sheaf: 1
            on: push
            jobs:
              build: {runs-on: linux, steps: [{run: make}]}
              clean: {needs: build, if: "\(condition)", runs-on: linux, strategy: {matrix: {on: [1, 2]}}, steps: [{run: ls}]}
            """
        let workflow = try #require(Self.read(text).workflow)
        let asks = condition.contains("(")
        #expect(try workflow.plan(PlanRequest()).jobs.map(\.onCancel) == [.ends, asks ? .asks : .ends])
        let passed = NeededJob(id: "build", outcome: .success)
        func resolve(_ isCancelled: Bool) throws -> (runs: Bool, goesOn: Bool) {
            let found = try workflow.resolve(job: 1, ancestors: [passed], isCancelled: isCancelled, PlanRequest())
            guard case .cells(let cells, _, _, let goesOn) = found else { return (false, false) }
            return (cells.contains { $0.skipped == nil }, goesOn)
        }
        #expect(try resolve(false) == (before, before && after))
        #expect(try resolve(true) == (after, after))
    }

    @Test func `settles a job once what it needs has ended`() throws {
        let workflow = try #require(Self.read(Self.whole).workflow)
        let passed = NeededJob(id: "build", outcome: .success, outputs: [.init("best", "1")])
        guard case .cells(let cells, _, _, _) = try workflow.resolve(job: 1, ancestors: [passed], PlanRequest()) else {
            Issue.record("no cells")
            return
        }
        #expect(cells.count == 3)
        #expect(cells.allSatisfy { $0.skipped == nil })
        guard
            case .cells(let few, _, _, _) = try workflow.resolve(
                job: 1, ancestors: [passed], PlanRequest(inputs: [("trees", "5")]))
        else { Issue.record("no cells"); return }
        #expect(few.map { $0.skipped != nil } == [false, true, false])
        let failed = NeededJob(id: "build", outcome: .failure)
        let after = try workflow.resolve(job: 1, ancestors: [failed], PlanRequest())
        if case .cells(let cells, _, _, _) = after { #expect(cells.allSatisfy { $0.skipped != nil }) }
    }

    @Test(arguments: [
        ("", NeededJob.Outcome.failure, "not_reached"), ("if: always()", .failure, "cells"),
        ("if: failure()", .failure, "cells"),
        ("if: failure()", .success, "not_applicable"), ("", .skipped, "not_applicable"), ("", .success, "cells"),
        ("if: github.ref == 'x'", .success, "not_applicable"), ("", .cancelled, "not_reached"),
        ("if: ${{ !cancelled() }}", .skipped, "cells"),
    ])
    func `asks the ancestors as GitHub does`(condition: String, outcome: NeededJob.Outcome, answer: String) throws {
        let text =
            "sheaf: 1\non: push\njobs:\n  a: {runs-on: x, steps: [{run: y}]}\n  b:\n    needs: a\n    runs-on: x\n    "
            + "steps: [{run: y}]\n" + (condition.isEmpty ? "" : "    \(condition)\n")
        let workflow = try #require(Self.read(text).workflow, "\(Self.read(text).diagnostics)")
        let resolution = try workflow.resolve(
            job: 1, ancestors: [NeededJob(id: "a", outcome: outcome)], PlanRequest())
        let got =
            switch resolution {
            case .cells: "cells"
            case .notApplicable: "not_applicable"
            case .notReached: "not_reached"
            }
        #expect(got == answer)
    }

    @Test func `leaves cells open that depend on outputs, and makes them later`() throws {
        let text = """
            sheaf: 1
            on: push
            jobs:
              a: {runs-on: x, steps: [{run: y}], outputs: {list: "[1]"}}
              b:
                needs: [a]
                runs-on: x
                strategy: {matrix: {n: "${{ fromJSON(needs.a.outputs.list) }}"}}
                steps: [{run: y}]
            """
        let workflow = try #require(Self.read(text).workflow)
        #expect(try workflow.plan(PlanRequest()).jobs[1].cells == nil)
        let needed = NeededJob(id: "a", outcome: .success, outputs: [.init("list", "[10, 20]")])
        guard case .cells(let cells, _, _, _) = try workflow.resolve(job: 1, ancestors: [needed], PlanRequest()) else {
            Issue.record("no cells")
            return
        }
        #expect(cells.map(\.name) == ["b (10)", "b (20)"])
        let empty = NeededJob(id: "a", outcome: .success, outputs: [.init("list", "[]")])
        #expect(throws: Mistakes.self) { try workflow.resolve(job: 1, ancestors: [empty], PlanRequest()) }
    }

    /// One mistake each, with its place and words of its message.
    @Test(arguments: [
        ("jobs: {}", "1:1", "no 'on'"), ("on: push\njobs: {}", "2:7", "one job at least"),
        ("on: pusch\njobs: {a: {runs-on: x, steps: [{run: y}]}}", "1:5", "did you mean 'push'"),
        ("on: push\njobs: {a: {runs_on: x, steps: [{run: y}]}}", "2:12", "did you mean 'runs-on'"),
        ("on: push\njobs: {a: {runs-on: x, steps: [{run: y}], needs: b}}", "2:50", "does not exist"),
        ("on: push\njobs: {a: {runs-on: x, steps: [{run: y}], needs: [a, bb]}}", "2:54", "needs 'bb'"),
        ("on: push\njobs: {a: {runs-on: x, steps: []}}", "2:31", "and is empty"),
        ("on: push\njobs: {a: {runs-on: x, steps: [{run: y, shell: fish}]}}", "2:48", "write 'fish {0}'"),
        (
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo ${{ 1 + }} ${{ foo }}", "6:34",
            "Unrecognized named-value: 'foo'"
        ),
        (
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/setup-python@v5\n        with: {python-version: 3.1x}",
            "7:32", "names no version of Python"
        ),
        (
            "on: push\njobs:\n  a: {needs: b, runs-on: x, steps: [{run: y}]}\n  b: {needs: a, runs-on: x, steps: [{run: y}]}",
            "3:3", "a → b → a"
        ),
        ("on: push\njobs: {a: {runs-on: x, steps: [{run: y, uses: z/z@v1}]}}", "2:33", "not both"),
        ("on: push\njobs: {a: {runs-on: x, steps: [{id: 1x, run: y}]}}", "2:37", "no step id"),
        (
            "on: push\njobs:\n  a:\n    runs-on: x\n    if: github.ref == matrix.x\n    steps: [{run: y}]", "5:23",
            "Unrecognized named-value: 'matrix'"
        ),
        (
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: |\n          echo\n          echo ${{ foo }}",
            "8:20", "Unrecognized named-value: 'foo'"
        ),
        ("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo ${{ 1", "6:19", "not closed"),
        ("on: push\ngates: {}\njobs: {a: {runs-on: x, steps: [{run: y}]}}", "2:1", "write sheaf: 1"),
        ("sheaf: 1\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\ngates: {g: {metric: m}}", "4:9", "no limit"),
        (
            "sheaf: 1\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\ngates: {g: {metric: m, at-least: .nan}}",
            "4:34", "finite number"
        ),
        (
            "sheaf: 1\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\ngates: {g: {metric: m, at-least: '0.9'}}",
            "4:34", "finite number"
        ),
        (
            "sheaf: 1\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\ngates: {g: {metric: m, drop-at-most: 1}}",
            "4:9", "names none"
        ),
        (
            "sheaf: 1\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\ngates: {g: {metric: m, better: lower, baseline: {run: 1}, drop-at-most: 1}}",
            "4:73", "less is better"
        ),
        (
            "sheaf: 1\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}\ngates: {g: {metric: m, job: b, at-least: 1}}",
            "4:29", "no job 'b'"
        ),
        ("sheaf: 1\non: push\njobs: {a: {runs-on: x, shards: 0, steps: [{run: y}]}}", "3:32", "whole number from 1"),
        (
            "sheaf: 1\non: push\njobs: {a: {runs-on: x, retry: {on: [oomm]}, steps: [{run: y}]}}", "3:37",
            "did you mean 'oom'"
        ),
        (shards("{balance: history}"), "3:42", "no items to balance"),
        (shards("{count: 2, target-minutes: 5}"), "3:59", "no items to balance"),
        (shards("{items: {file: i.txt}, balance: time}"), "3:64", "is history or none"),
        (shards("{items: {file: i.txt}, target-minutes: 5}"), "3:71", "needs a count"),
        (shards("{count: 2, items: {file: i.txt}, target-minutes: 0}"), "3:81", "above 0"),
        (shards("{count: 2, items: {file: i.txt}, target-minutes: .inf}"), "3:81", "above 0"),
        (shards("{count: 2, items: {file: i.txt}, balance: none, target-minutes: 5}"), "3:74", "how long items take"),
        ("sheaf: 2\non: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}", "1:8", "must be 1"),
    ])
    func `says what is wrong, and where`(text: String, place: String, words: String) {
        let diagnostics = Self.read(text).diagnostics.filter { $0.severity == .error }
        let found = diagnostics.contains { "\($0)".contains(words) && "\($0.position)" == "w.yml:\(place)" }
        #expect(found, "\(diagnostics)")
    }

    private static func shards(_ text: String) -> String {
        "sheaf: 1\non: push\njobs: {a: {runs-on: x, shards: \(text), steps: [{run: y}]}}"
    }

    @Test func `says how items are balanced`() throws {
        func plan(_ text: String) throws -> ShardPlan {
            let (workflow, diagnostics) = Self.read(Self.shards(text))
            #expect(!diagnostics.contains { $0.severity != .warning }, "\(diagnostics)")
            return try #require(workflow?.plan(PlanRequest()).jobs.first?.shards)
        }
        let items = ShardPlan.ItemSource.file("i.txt")
        #expect(
            try plan("{count: 8, items: {file: i.txt}, balance: history}")
                == ShardPlan(count: 8, items: items, balance: .history(target: nil)))
        #expect(try plan("{count: 8, items: {file: i.txt}, balance: none}") == ShardPlan(count: 8, items: items))
        for more in ["", "balance: history, "] {
            #expect(
                try plan("{count: 8, items: {file: i.txt}, \(more)target-minutes: 2.5}")
                    == ShardPlan(count: 8, items: items, balance: .history(target: .seconds(150))))
        }
    }

    @Test(arguments: [("sheaf: 1\n", Diagnostic.Severity.error), ("", .warning)])
    func `says when nothing is left of a matrix`(top: String, severity: Diagnostic.Severity) {
        let text =
            top
            + "on: push\njobs: {a: {runs-on: x, timeout-minutes: 5, strategy: {matrix: {v: [1], exclude: [{v: 1}]}}, steps: [{run: y}]}}"
        let found = Workflow.check(Array(text.utf8), file: "w.yml", files: .none, request: PlanRequest()).diagnostics
        #expect(found.map(\.severity) == [severity] && "\(found)".contains("'exclude' leaves nothing"), "\(found)")
    }

    @Test func `gives a dispatched run its inputs in the event, too`() throws {
        let text = """
            on: {workflow_dispatch: {inputs: {trees: {type: number, default: 5}}}}
            jobs:
              a:
                runs-on: "${{ github.event.inputs.trees == '7' && inputs.trees == 7 && 'x' || 'y' }}"
                timeout-minutes: 5
                steps: [{run: y}]
            """
        var request = PlanRequest()
        request.eventName = "workflow_dispatch"
        request.inputs = [("trees", "7")]
        let checked = Workflow.check(Array(text.utf8), file: "w.yml", files: .none, request: request)
        let plan = try #require(checked.workflow, "\(checked.diagnostics)").plan(request)
        #expect(plan.jobs.first?.cells?.first?.labels == ["x"])
    }

    @Test func `names what is not supported, and never ignores it`() {
        let text = """
            on: push
            concurrency: x
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                services: ${{ fromJSON(vars.services) }}
                environment: prod
                steps:
                  - uses: codecov/codecov-action@v4
                  - run: echo ${{ secrets.KEY }}
                  - run: echo ${{ github.TOKEN }}
              b:
                uses: ./.github/workflows/x.yml
            """
        let (workflow, diagnostics) = Self.read(text)
        #expect(workflow != nil)
        let unsupported = diagnostics.filter { $0.severity == .unsupported }
        for words in ["services", "codecov", "secrets of an environment ('GITHUB_TOKEN')", "x.yml'"] {
            #expect(unsupported.contains { $0.problem.contains(words) }, "\(words): \(unsupported)")
        }
    }

    @Test func `tells what setup cannot set before it is built`() {
        let text = """
            sheaf: 1
            on: push
            jobs:
              a:
                runs-on: x
                setup:
                  - run: |
                      pip install a  # not $GITHUB_ENV
                      echo A=1 >> "$GITHUB_ENV"
                  - run: echo /opt/bin | tee -a ${GITHUB_PATH}
                  - run: cat $GITHUB_ENV
                steps: [{run: echo A=1 >> $GITHUB_ENV}]
            """
        let found = Self.read(text).diagnostics.filter { $0.severity == .unsupported }
        #expect(found.map { "\($0.position)" } == ["w.yml:9:11", "w.yml:10:14"], "\(found)")
        #expect(found.allSatisfy { $0.problem.contains("later attempts would not get it") })
    }

    @Test func `reports all mistakes at once, in order`() {
        let text = "on: pusch\nnam: x\njobs:\n  a:\n    runs-on: x\n    steps: [{run: '${{ a }}'}, {rn: y}]\n"
        let diagnostics = Self.read(text).diagnostics.filter { $0.severity == .error }
        #expect(diagnostics.count >= 4, "\(diagnostics)")
        #expect(diagnostics.map(\.position) == diagnostics.map(\.position).sorted())
    }

    private static let numbers = (0..<200).map { "\($0)" }.joined(separator: ",")
    private static let nineVectors = (0..<9).map { "v\($0): [0,1,2,3,4,5,6,7,8,9]" }.joined(separator: ", ")
    /// Each mistake with what is said of it, and what to do.
    static let helped: [(line: String, problem: String, help: String)] = [
        ("strategy: {matrix: {x: []}}", "does not contain any values", "name one value at least, or remove 'x'"),
        ("strategy: {matrix: {}}", "Matrix must define at least one vector", "matrix: {python: [\"3.11\", \"3.13\"]}"),
        ("strategy: {matrix: 7}", "a matrix must be a mapping", "matrix: {python:"),
        ("strategy: {matrix: {v: [1], exclude: [{v: 1}]}}", "the matrix has no cells", "let 'exclude' leave one"),
        ("strategy: {matrix: {ab: [1], exclude: [{a: 1}]}}", "does not match any key", "did you mean 'ab'?"),
        (
            "strategy: {matrix: {\(nineVectors)}}",
            "10 × 10 × 10 × 10 × 10 × 10 × 10 × 10 × 10 combinations", "shorten vectors"
        ),
        (
            "strategy: {matrix: {a: [\(numbers)], b: [\(numbers)]}}",
            "more than 10000 cells", "cover: pairs"
        ),
        ("needs: b", "the jobs need one another: a → b → a", "remove one of these 'needs'"),
        ("needs-gates: [flor]", "which does not exist", "did you mean 'floor'?"),
        ("timeout-minutes: soon", "must be a number of minutes above 0", "write a number: 30"),
        ("outputs: x", "'outputs' must be a mapping", "name each: outputs:"),
        ("idempotent: often", "'idempotent' must be true or false, not 'often'", "without quotes"),
        ("retry: 3", "'retry' must be a mapping", "keys are attempts, on, backoff"),
        ("shards: 0", "a whole number from 1 to", "write one of these, without quotes: 2"),
        ("continue-on-error: \"${{ github.sha }}\"", "must be true or false", "compare, so that"),
    ]

    @Test(arguments: helped)
    func `says of a mistake what to do`(line: String, problem: String, help: String) throws {
        let text = """
            sheaf: 1
            on: push
            jobs:
              a:
                runs-on: x
                \(line)
                steps: [{run: y}]
                metrics: m.json
              b: {runs-on: x, needs: a, steps: [{run: y}]}
            gates:
              floor: {metric: m, job: b, at-least: 1}
            """
        let found = Workflow.check(Array(text.utf8), file: "w.yml", request: PlanRequest()).diagnostics
        let told = try #require(found.first { $0.problem.contains(problem) }, "\(found)")
        #expect(told.suggestion?.contains(help) == true, "\(told)")
        #expect(found.allSatisfy { $0.suggestion?.isEmpty == false }, "\(found)")
    }

    /// What only planning finds stands beside what reading finds, and nothing that only follows from a mistake.
    @Test func `says at once what is wrong with its text and what comes of its expressions`() {
        let text = """
            sheaf: 1
            on: {workflow_dispatch: {inputs: {list: {type: string, default: "[1"}}}}
            nam: typo
            jobs:
              computed:
                runs-on: x
                strategy: {matrix: {v: "${{ fromJSON('[1, 2]') }}", exclude: [{w: 1}]}}
                steps: [{rn: y}]
              text:
                runs-on: x
                strategy: {matrix: {v: "${{ fromJSON(inputs.list) }}"}}
                steps: [{run: y}]
              unread:
                runs-on: x
                name: ${{ matrix. }}
                strategy: {matrix: {v: []}}
                steps: [{run: y}]
              empty:
                runs-on: x
                strategy: {matrix: {v: [1], exclude: [{v: 1}]}}
                steps: [{run: y}]
              held:
                runs-on: x
                needs-gates: [missing, broken]
                steps: [{run: y}]
            gates:
              broken: {at-least: 1}
            """
        let request = PlanRequest(inputs: [("lst", "[]")])
        let found = Workflow.check(Array(text.utf8), file: "w.yml", request: request).diagnostics
        let errors = found.filter { $0.severity == .error }
        let expected = [
            (2, "takes no input 'lst'"), (3, "unknown key 'nam'"), (7, "exclude key 'w' does not match"),
            (8, "a step needs 'run' or 'uses'"), (8, "unknown key 'rn'"), (15, ""), (16, "does not contain any values"),
            (20, "the matrix has no cells"), (27, "the gate 'broken' has no 'metric'"),
        ]
        #expect(errors.map(\.position.line) == expected.map(\.0), "\(errors)")
        for (error, (_, words)) in zip(errors, expected) { #expect(words.isEmpty || error.problem.contains(words)) }
        // Known inputs are judged: the default is no JSON.
        let judged = Workflow.check(Array(text.utf8), file: "w.yml", request: PlanRequest()).diagnostics
        #expect(judged.contains { $0.severity == .error && $0.position.line == 11 }, "\(judged)")
        #expect(judged.map(\.position) == judged.map(\.position).sorted())
    }

    /// A file whose mistakes are mended one after another never shows a mistake that was hidden before.
    @Test func `hides no mistake behind another`() {
        let mistakes = [
            ("on: push", "on: pusch"), ("runs-on: x", "runs-on: []"), ("v: [1]", "v: 1"), ("run: y", "rn: y"),
            ("w: [2, 3]", "w: \"${{ fromJSON('x') }}\""), ("at-least: 1", "at-least: one"),
            ("needs-gates: [floor]", "needs-gates: [flor]"),
        ]
        let whole = """
            sheaf: 1
            on: push
            jobs:
              a: {runs-on: x, strategy: {matrix: {v: [1]}}, steps: [{run: y}], metrics: m.json}
              b: {runs-on: z, strategy: {matrix: {w: [2, 3]}}, steps: [{run: z}]}
              c: {runs-on: z, needs-gates: [floor], steps: [{run: z}]}
            gates:
              floor: {metric: m, job: a, at-least: 1}
            """
        func errors(_ chosen: [Int]) -> Set<String> {
            let text = chosen.reduce(whole) { text, index in
                text.replacing(mistakes[index].0, with: mistakes[index].1, maxReplacements: 1)
            }
            let found = Workflow.check(Array(text.utf8), file: "w.yml", request: PlanRequest()).diagnostics
            return Set(found.filter { $0.severity == .error }.map { "\($0.position.line) \($0.problem)" })
        }
        #expect(errors([]).isEmpty, "\(errors([]))")
        var random = SplitMix64(seed: 5)
        for _ in 0..<100 {
            let chosen = mistakes.indices.filter { _ in Bool.random(using: &random) }
            let apart = chosen.reduce(into: Set<String>()) { $0.formUnion(errors([$1])) }
            // Whether 'flor' is a gate cannot be said while a gate is broken.
            let isUnclear = chosen.contains(5) && chosen.contains(6)
            let hidden = apart.subtracting(errors(chosen)).filter { !isUnclear || !$0.contains("flor") }
            #expect(hidden.isEmpty, "\(chosen)")
            #expect(errors(chosen).isSubset(of: apart), "\(chosen): \(errors(chosen).subtracting(apart))")
        }
    }

    @Test func `warns of versions that are numbers, and of timeouts that are missing`() {
        let text = "on: push\njobs: {a: {runs-on: x, strategy: {matrix: {python: [3.10, '3.11']}}, steps: [{run: y}]}}"
        let warnings = Self.read(text).diagnostics.filter { $0.severity == .warning }
        #expect(warnings.contains { $0.problem == "3.10 is the number 3.1" })
        #expect(warnings.contains { $0.problem.contains("360 minutes") })
    }

    @Test func `takes only inputs that it names, of their kinds`() throws {
        let workflow = try #require(Self.read(Self.whole).workflow)
        for inputs in [[("tree", "1")], [("trees", "many")]] {
            #expect(throws: Mistakes.self) { try workflow.plan(PlanRequest(inputs: inputs)) }
        }
        #expect(throws: Mistakes.self) { try workflow.plan(PlanRequest(eventName: "push")) }
    }
}
