import JSON
import Model
import Testing

@testable import Workflows

@Suite struct `Advice` {
    private func diagnostics(_ text: String, files: WorkflowFiles = .none) -> [Diagnostic] {
        var request = PlanRequest()
        request.isKnown = false
        return Workflow.check(Array(text.utf8), file: "w.yml", files: files, request: request).diagnostics
    }

    private func advice(_ step: String, job: String = "", top: String = "") -> [Diagnostic] {
        let text =
            "on: push\n\(top)jobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n\(job)    steps:\n      - uses: actions/checkout@v4\n      - \(step)\n"
        return diagnostics(text)
    }

    @Test func `names what makes no difference here`() {
        let text = """
            on: {push: , schedule: [{cron: "0 2 * * *"}]}
            permissions: {id-token: write, contents: read}
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                environment: {name: production, url: https://example.org}
                steps:
                  - uses: actions/setup-python@v5
                    with: {python-version: "3.11", check-latest: true}
                  - uses: actions/upload-artifact@v4
                    with: {name: x, path: y, retention-days: 3, compression-level: 9}
            """
        let told = diagnostics(text).filter { $0.rule == .idle }
        #expect(
            told.map { "\($0.position)" } == [
                "w.yml:1:14", "w.yml:2:25", "w.yml:7:37", "w.yml:10:40", "w.yml:12:53",
            ], "\(told)")
        #expect(told.allSatisfy { $0.severity == .warning && $0.problem.contains("has no effect here") })
    }

    /// A gate stands behind all jobs, not behind those that the last one needs.
    @Test func `knows what the condition of a gate may read`() {
        let text = """
            sheaf: 1
            on: {push: , workflow_dispatch: {inputs: {deep: {type: boolean}}}}
            jobs:
              changes:
                runs-on: x
                outputs: {eval: "yes"}
                steps: [{run: "true"}]
              eval:
                needs: changes
                runs-on: x
                metrics: metrics.json
                steps: [{run: "./eval > metrics.json"}]
              last: {runs-on: x, steps: [{run: "true"}]}
            """
        let gates = { (condition: String) in
            "gates:\n  floor: {job: eval, metric: acc, at-least: 0.1, when: \(condition)}\n"
        }
        for (condition, words) in [
            ("needs.changes.outputs.eval == 'yes'", nil), ("needs.last.result == 'success' && inputs.deep", nil),
            ("needs.changes.outputs.evall == 'yes'", "did you mean 'eval'?"),
            ("needs.change.outputs.eval == 'yes'", "did you mean 'changes'?"),
        ] {
            let told = diagnostics(text + "\n" + gates(condition)).filter { $0.problem.contains("has no member") }
            #expect(told.map(\.suggestion) == (words.map { [$0] } ?? []), "\(told)")
        }
        var reading = WorkflowReading(Array(text.utf8), file: "w.yml")
        reading.add(
            gates: Array(gates("needs.changes.outputs.eval == 'yes' && inputs.deep").utf8), file: "gates.yml")
        #expect(reading.planned(PlanRequest()).diagnostics.isEmpty, "\(reading.planned(PlanRequest()).diagnostics)")
    }

    private static let grouped = """
        on: push
        TOP
        jobs:
          a:
            runs-on: x
            timeout-minutes: 5
            JOB
            steps: [{run: "true"}]
        """

    @Test(arguments: [
        ("concurrency: deploy", "concurrency: Deploy", "the job is never let in"),
        ("concurrency: deploy", "concurrency: {group: other}", nil),
        ("", "strategy: {matrix: {m: [1, 2, 3]}}\n    concurrency: g", "one goes on, one waits"),
        ("", "strategy: {matrix: {m: [1, 2], n: [1, 2]}}\n    concurrency: {group: g}", "one goes on, one waits"),
        (
            "", "strategy: {matrix: {m: [1, 2]}}\n    concurrency: {group: g, cancel-in-progress: true}",
            "each ends the one"
        ),
        ("", "strategy: {matrix: {include: [{m: 1}, {m: 2}, {m: 3}]}}\n    concurrency: g", "one goes on, one waits"),
        ("", "strategy: {matrix: {m: [1, 2]}}\n    concurrency: g", nil),
        ("", "strategy: {matrix: {m: [1, 2, 3]}}\n    concurrency: {group: g, queue: max}", nil),
        ("", "strategy: {max-parallel: 1, matrix: {m: [1, 2, 3]}}\n    concurrency: g", nil),
        ("", "strategy: {matrix: {m: [1, 2, 3]}}\n    concurrency: 'g-${{ matrix.m }}'", nil),
        ("", "strategy: {matrix: {m: [1, 2, 3]}}\n    concurrency: 'g-${{ strategy.job-index }}'", nil),
        ("", "strategy: {matrix: {m: [1, 2, 3], exclude: [{m: 1}]}}\n    concurrency: g", nil),
    ])
    func `names groups that hold or end what is in them`(top: String, job: String, words: String?) {
        let text = Self.grouped.replacing("TOP", with: top).replacing("JOB", with: job)
        let told = diagnostics(text)
        #expect(told.allSatisfy { $0.severity == .warning }, "\(told)")
        let groups = told.filter { $0.rule == .concurrency }
        #expect(groups.count == (words == nil ? 0 : 1), "\(told)")
        #expect(words == nil || groups.first?.problem.contains(words ?? "") == true, "\(groups)")
    }

    /// `github.workflow` is the caller's name in a called workflow, as at GitHub: many write both files with one line.
    @Test(arguments: [
        ("${{ github.workflow }}-${{ github.ref }}", true), ("inner-${{ github.ref }}", false),
        ("${{ github.workflow }}-${{ inputs.name }}", false),
    ])
    func `names a called workflow that waits for its caller`(inner: String, isTold: Bool) {
        let called = """
            on: {workflow_call: {inputs: {name: {type: string}}}}
            concurrency: {group: "\(inner)"}
            jobs: {b: {runs-on: x, timeout-minutes: 5, steps: [{run: "true"}]}}
            """
        for (top, job) in [
            ("concurrency: \"${{ github.workflow }}-${{ github.ref }}\"", ""),
            ("", ", concurrency: \"${{ github.workflow }}-${{ github.ref }}\""),
            ("concurrency: \"${{ github.workflow }}-${{ inputs.name }}\"", ""),
        ] {
            let text = """
                on: {push: , workflow_dispatch: {inputs: {name: {type: string}}}}
                \(top)
                jobs: {a: {uses: ./called.yml, with: {name: x}\(job)}}
                """
            let told = diagnostics(
                text, files: WorkflowFiles(isWhole: true) { $0 == "./called.yml" ? Array(called.utf8) : nil })
            let groups = told.filter { $0.rule == .concurrency }
            #expect(groups.count == (isTold && !top.contains("inputs") ? 1 : 0), "\(told)")
        }
    }

    @Test func `stands where it does whatever ends the lines`() {
        let text = """
            on: push
            jobs:
              a:
                runs-on: x
                steps:
                  - run: |
                      echo
                      echo ${{ github.evnt }}
            """
        let ended = text.replacing("\n", with: "\r\n")
        let (plain, other) = (diagnostics(text), diagnostics(ended))
        #expect(plain.map { "\($0)" } == other.map { "\($0)" } && plain.contains { $0.position.line == 8 })
        let shown = DiagnosticText.text(other, source: Array(ended.utf8))
        #expect(shown == DiagnosticText.text(plain, source: Array(text.utf8)), "\(shown)")
    }

    @Test(arguments: [
        ("echo yes=1 >> $GITHUB_OUTPUT", true), ("echo \"yes=$(git rev-parse HEAD)\" >> \"$GITHUB_OUTPUT\"", true),
        // Whatever may write others, makes nobody sure.
        ("python tell.py\n          echo yes=1 >> $GITHUB_OUTPUT", false),
        ("echo \"$NAME=1\" >> $GITHUB_OUTPUT", false),
        ("echo \"yes=$(python tell.py)\" >> $GITHUB_OUTPUT", false), ("echo yes=1 | tee -a $GITHUB_OUTPUT", false),
        ("echo '::set-output name=nope::1'\n          echo yes=1 >> $GITHUB_OUTPUT", false),
    ])
    func `knows what a script gives its step`(script: String, isKnown: Bool) {
        let found = diagnostics(
            """
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                steps:
                  - id: s
                    run: |
                      \(script)
                  - run: echo ${{ steps.s.outputs.nope }} ${{ steps.s.outputs.yes }}
            """
        ).filter { $0.problem.contains("'nope'") }
        #expect(found.count == (isKnown ? 1 : 0), "\(found)")
    }

    @Test func `knows what may be chosen`() {
        let found = { (word: String) in
            diagnostics(
                """
                on: {push: , workflow_dispatch: {inputs: {mode: {type: choice, options: [a, b]}}}}
                jobs:
                  a:
                    if: inputs.mode == '\(word)'
                    runs-on: x
                    timeout-minutes: 5
                    steps: [{run: echo}]
                """
            ).filter { $0.rule == .expression }.map { "\($0.position)" }
        }
        #expect(found("c") == ["w.yml:4:21"])
        #expect(found("b").isEmpty && found("").isEmpty)
    }

    @Test func `misses the checkout where tests are collected`() {
        let found = { (steps: String) in
            let text =
                "sheaf: 1\non: push\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n    "
                + "shards: {count: 2, items: {collect: pytest}}\n    steps: [\(steps)]\n"
            return diagnostics(text).filter { $0.rule == .unfetched }.map { "\($0.position)" }
        }
        #expect(found("{run: pytest}") == ["w.yml:7:41"])
        for fine in ["{uses: actions/checkout@v4}, {run: pytest}", "{run: git clone x}, {run: pytest}"] {
            #expect(found(fine) == [], "\(fine)")
        }
    }

    /// One step each, with the rule, the column of the caret in its line, and words of the message or the help.
    @Test(arguments: [
        ("run: echo ${{ github.events }}", Diagnostic.Rule.member, 30, "did you mean 'event'"),
        ("if: github.ref == 'main'\n        run: echo", .expression, 24, "github.ref_name, or the whole"),
        ("if: github.base_ref == 'main' && github.ref != 'tags'\n        run: echo", .expression, 53, "always true"),
        ("run: echo ${{ github.repository.owner }}", .expression, 41, "is a text and has no members"),
        ("run: echo ${{ steps.build.outputs.x }}", .member, 29, "no step before this one"),
        ("run: echo ${{ matrix.os }}", .member, 30, "matrix does not define"),
        ("run: echo ${{ inputs.x }}", .member, 30, "declare it under on"),
        ("run: echo ${{ runner.oss }}", .member, 30, "did you mean 'os'"),
        ("run: echo ${{ github }}", .text, 23, "the word 'Object'"),
        ("run: echo ${{ toJSON(github) == 'x' && github.event == 'push' }}", .expression, 61, "never a text"),
        ("run: echo ${{ strategy.fail-fast == 'true' }}", .expression, 42, "write true without quotes"),
        ("run: echo ${{ strategy.job-index == 'one' }}", .expression, 42, "never the text 'one'"),
        ("run: echo ${{ strategy.fail-fast > 60 }}", .expression, 42, "always false"),
        ("run: echo ${{ startsWith(github.event, 'x') }}", .expression, 23, "always false"),
        ("run: echo ${{ format('{0} {1}', 1) }}", .expression, 23, "more arguments than were supplied"),
        ("run: echo ${{ fromJSON('{') }}", .expression, 23, "no JSON"),
        ("run: echo ${{ env.RUN_ID }}", .unset, 27, "nothing in this file sets 'RUN_ID'"),
        ("if: ${{ github.ref_name == 'x' }} && true\n        run: echo", .condition, 13, "always holds"),
        ("if: false\n        run: echo", .condition, 13, "never holds"),
        ("run: echo ${{ github.event.issue.title }}", .injection, 23, "becomes part of this script"),
        ("run: echo ${{ github.head_ref }}", .injection, 23, "hand it over by env"),
        ("run: echo \"::set-output name=a::b\"", .deprecated, 14, "GITHUB_OUTPUT"),
        ("run: if (( $(echo \"$A < 0.85\" | bc -l) )); then exit 1; fi", .threshold, 14, "at-least"),
        ("run: if [ $(echo \"$A<0.85\"|bc) -eq 1 ]; then exit 1; fi", .threshold, 14, "at-least"),
        ("run: test \"$BEST_F1\" -gt 80", .threshold, 14, "at-least"),
        ("run: if [ ${ACC%.*} -lt 80 ]; then exit 1; fi", .threshold, 14, "at-least"),
        ("run: python -c \"import sys; sys.exit(float('$LOSS') > 0.3)\"", .threshold, 14, "at-least"),
        ("if: job.status == 'failed'\n        run: echo", .expression, 24, "none of 'success', 'failure'"),
        ("if: runner.os != 'ubuntu'\n        run: echo", .expression, 23, "'Linux', 'Windows', 'macOS'"),
        ("if: github.ref_type == 'branches'\n        run: echo", .expression, 29, "did you mean 'branch'"),
        ("if: job.status == 1\n        run: echo", .expression, 24, "is never a number"),
        ("if: github.ref == true\n        run: echo", .expression, 24, "compare it with the text: == 'true'"),
        ("if: github.event_name == 'pul_request'\n        run: echo", .expression, 31, "did you mean 'pull_request'"),
        ("run: if (( accuracy < 90 )); then exit 1; fi", .threshold, 14, "at-least"),
        ("run: '[ \"$(jq -r .accuracy m.json)\" \\< 0.85 ]'", .threshold, 15, "at-least"),
        ("run: if [[ $(cat acc.txt) > 0.85 ]]; then echo; fi", .threshold, 14, "at-least"),
        ("run: expr $accuracy \\> 0.85", .threshold, 14, "at-least"),
        (
            "run: python -c \"import json; assert json.load(open('m.json'))['accuracy'] > 0.8\"", .threshold, 14,
            "at-least"
        ),
        ("if: github.event.inputs.flag == true\n        run: echo", .expression, 38, "of all texts"),
        ("run: awk \"BEGIN{exit !($A<0.85)}\"", .threshold, 14, "shell arithmetic"),
        ("run: promote --version latest", .latest, 14, "not what was tested"),
        ("run: kubectl set image deployment/a api=x:latest", .latest, 14, "'api=x:latest'"),
        ("run: tar -czf m.tgz model/ src/", .unfetched, 14, "'model/'"),
        ("env: {KEY: x=1}\n        run: echo ${{ env.KEYS }}", .unset, 27, "did you mean 'KEY'"),
        ("env: {A B: 1}\n        run: echo", .environment, 15, "no name"),
        ("uses: actions/setup-python@v5\n        with: {python-version: 3.10}", .version, 32, "quote it"),
        ("env: {PYTHON_VERSION: 3.10}\n        run: echo", .version, 31, "is the number 3.1"),
        ("env: {MODE: 0755}\n        run: echo", .version, 21, "0755 is the number 755"),
        ("uses: actions/checkout@v2", .deprecated, 15, "is old"),
        ("uses: actions/checkout@v4\n        with: {patth: x}", .step, 16, "did you mean 'path'"),
        (
            "uses: actions/cache@v4\n        with: {path: x, key: \"a-${{ github.run_id }}\"}", .cache, 37,
            "hardly ever found"
        ),
    ])
    func `points at the place and says what to do`(step: String, rule: Diagnostic.Rule, column: Int, words: String) {
        let found = advice(step)
        let one = found.first { $0.rule == rule }
        #expect(one?.severity == .warning, "\(found)")
        #expect(one.map { "\($0)".contains(words) } == true, "\(found)")
        #expect(one?.position.column == column, "\(found)")
    }

    @Test(arguments: [
        "run: echo ${{ github.event.whatever.deep }} ${{ vars.x }} ${{ runner.os }}",
        "run: echo ${{ github.event.commits[0].id }}",
        "run: '[ \"$COUNT\" -gt 3 ] && echo accuracy is well'", "run: '[ \"$(wc -l <scores.csv)\" -gt 0 ]'",
        "if: github.event.inputs.flag == 'true' || github.event.inputs.other\n        run: echo",
        "run: echo '${{ toJSON(github) }}'",
        "run: if [ \"${{ contains(github.event.issue.title, 'x') }}\" ]; then echo; fi",
        "env: {T: \"${{ github.event.issue.title }}\"}\n        run: echo \"$T\"",
        "if: github.ref_name == 'x'\n        run: echo",
        "if: ${{ !cancelled() && steps.one.outcome == 'success' || true }}\n        id: two\n        run: echo",
        "uses: actions/cache@v4\n        with: {path: x, key: \"a-${{ github.run_id }}\", restore-keys: a-}",
        "run: echo \"$T\" | docker login --password-stdin\n        env: {T: x}",
        "run: |\n          curl -O x\n          tar -czf m.tgz model/",
        "uses: actions/checkout@v4\n        with: {ref: \"${{ github.sha }}\", fetch-depth: 1, submodules: recursive, lfs: true}",
        "if: runner.os == 'linux' && job.status == 'Success' && github.ref_type != ''\n        run: echo",
        "run: if [ \"$#\" -lt 2 ] || [ $COUNT -gt 3 ]; then exit 1; fi",
        "if: github.event_name == 'push' || github.event_name != 'pull_request'\n        run: echo",
        "if: github.ref_name == 'true' || github.ref_name != '1'\n        run: echo",
        "run: if (( count < 9 )); then exit 1; fi",
        "run: docker pull x:latest", "run: echo $(( 1 + 2 )) > bc", "run: echo 1+1 | bc > sum",
        "run: |\n          echo A=1 >> $GITHUB_ENV\n      - run: echo ${{ env.A }}",
        "uses: some/action@v1\n      - run: echo ${{ env.FROM_ACTION }}",
        "run: echo ${{ fromJSON('[1]')[0] }} ${{ join(github.event.*.id, ',') }}",
        "run: echo ${{ job.services.db.ports['5432'] }} ${{ github.ref_protected == true }} ${{ strategy.job-index == '1' }}",
    ])
    func `is silent where nothing is wrong`(step: String) {
        let known: Set<Diagnostic.Rule> = [.unsupported]
        let found = advice(step).filter {
            !known.contains($0.rule) && !$0.problem.contains("'steps'") || $0.severity == .error
        }
        #expect(found.allSatisfy { $0.problem.contains("'one'") }, "\(found)")
    }

    /// A token that nobody reads is no reason to wait for an agent that holds it.
    /// What fits no cell says nothing, and whoever wrote it thinks that it does.
    @Test(arguments: [
        ("per: [nope]", "", "", "no matrix has the axis 'nope'"), ("per: [d]", "", "", ""),
        ("per: cell", "waivers", "{gate: g, where: {d: z}}", "no cell has d z"),
        ("per: cell", "waivers", "{gate: g, where: {d: x, seed: '1'}}", "no cell has seed 1"),
        ("per: cell", "waivers", "{gate: g, where: {d: x, seed: 1}}", ""),
        ("per: cell", "waivers", "{gate: g, where: {extra: yes}}", ""),
        ("per: [d]", "waivers", "{gate: g, where: {seed: 1}}", "does not tell its groups apart"),
        ("per: cell", "quarantine", "{job: a, where: {e: x}}", "no cell has the axis 'e'"),
        ("per: cell", "quarantine", "{job: a, where: {D: y}}", ""),
        ("per: cell", "quarantine", "{job: c, where: {d: y}}", ""),
    ])
    func `names gates and waivers that fit no cell`(per: String, list: String, entry: String, words: String) {
        let more = list.isEmpty ? "" : "\(list): [\(entry.dropLast()), reason: r, author: a, until: '2030-01-01'}]\n"
        let text = """
            sheaf: 1
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                strategy: {matrix: {d: [x, y], seed: [1, 2], include: [{d: x, extra: yes}]}}
                steps: [{run: 'echo "{}" > $SHEAF_METRICS'}]
              b: {runs-on: x, timeout-minutes: 5, steps: [{run: y}]}
              c:
                runs-on: x
                timeout-minutes: 5
                strategy: {matrix: "${{ fromJSON(vars.m) }}"}
                steps: [{run: y}]
            gates:
              g: {metric: acc, job: a, \(per), at-least: 0.5}
            \(more)
            """
        let found = Workflow.read(Array(text.utf8), file: "w.yml").diagnostics.map(\.problem)
        #expect(words.isEmpty ? found.isEmpty : found.contains { $0.contains(words) }, "\(found)")
    }

    @Test func `asks for no secret in what has no effect`() throws {
        let text = """
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                steps:
                  - uses: actions/checkout@v4
                    with: {token: "${{ secrets.PAT }}", path: "${{ secrets.PLACE }}"}
            """
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        #expect(diagnostics.map(\.rule) == [.idle], "\(diagnostics)")
        let cell = try #require(workflow).plan(PlanRequest()).jobs[0].cells?.first
        #expect(cell?.labels == ["x", "secret:place"])
    }

    @Test func `knows gates that ask for less than they seem to`() {
        func told(_ gates: String, today: String? = "2026-11-23") -> [String] {
            let text = """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  a:
                    runs-on: x
                    timeout-minutes: 5
                    metrics: metrics.json
                    steps: [{run: evaluate}]
                gates:
                \(gates)
                """
            var request = PlanRequest()
            request.today = today
            return Workflow.check(Array(text.utf8), file: "w.yml", request: request).diagnostics
                .filter { [.metric, .baseline, .idle].contains($0.rule) }.map { "\($0)" }
        }
        let drop = "baseline: {alias: champion}, drop-at-most: 0.01"
        for part in ["first: pass-floor", "new-cells: floor-only"] {
            let alone = told("  g: {metric: accuracy, \(drop), \(part)}")
            #expect(alone.count == 1 && alone[0].contains("says what 'accuracy' must be"), "\(alone)")
            #expect(told("  g: {metric: accuracy, at-least: 0.8, \(drop), \(part)}") == [])
            #expect(told("  f: {metric: accuracy, at-least: 0.8}\n  g: {metric: accuracy, \(drop), \(part)}") == [])
            #expect(
                told(
                    "  f: {metric: accuracy, at-least: 0.8, required: false}\n  g: {metric: accuracy, \(drop), \(part)}"
                )
                .count == 1)
        }
        let best = told("  g: {metric: accuracy, at-least: 0.9, per: run, aggregate: {quantile: 0.9}}")
        #expect(
            best.count == 1 && best[0].contains("the best 10 % of the cells") && best[0].contains("quantile: 0.1"),
            "\(best)")
        #expect(told("  g: {metric: latency, at-most: 9, per: run, aggregate: {quantile: 0.9}}") == [])
        #expect(told("  g: {metric: latency, at-most: 9, per: run, aggregate: {quantile: 0.05}}").count == 1)
        #expect(told("  g: {metric: accuracy, at-least: 0.9, per: run, aggregate: {quantile: 0.5}}") == [])
        let waived = """
              g: {metric: accuracy, at-least: 0.9}
            waivers:
              - {gate: g, reason: known, author: alice, until: "2026-11-22"}
              - {gate: g, reason: known, author: alice, until: "2026-11-23"}
            quarantine:
              - {job: a, reason: flaky, author: bob, until: "2025-01-01"}
            """
        let ended = told(waived)
        #expect(
            ended.count == 2 && ended[0].contains("the waiver of the gate 'g' ended with 2026-11-22")
                && ended[1].contains("the quarantine of the job 'a' ended with 2025-01-01"), "\(ended)")
        #expect(told(waived, today: nil) == [])
    }

    @Test func `says which checkouts there cannot be`() {
        for (key, words) in [("ref: main", "another commit ('main')"), ("repository: a/b", "another repository")] {
            let found = advice("uses: actions/checkout@v4\n        with: {\(key)}")
            #expect(found.contains { $0.severity == .unsupported && $0.problem.contains(words) }, "\(found)")
        }
    }

    @Test func `knows secrets that are written to the log`() {
        let found = advice(
            "env: {TOKEN: \"${{ secrets.T }}\"}\n        run: |\n          echo \"token is $TOKEN\"\n          echo $TOKEN | docker login"
        )
        #expect(found.filter { $0.rule == .secret }.map(\.position.line) == [10])
        #expect(advice("run: echo ${{ secrets.T }}").contains { $0.rule == .secret })
        let ofJob = """
            on: push
            env: {TOP: "${{ secrets.TOP }}"}
            jobs:
              a:
                runs-on: x
                env: {OWN: "${{ secrets.OWN }}"}
                steps: [{run: 'echo $TOP'}, {run: 'printf "$OWN"'}, {run: 'echo $OTHERS'}]
              b: {runs-on: x, steps: [{run: 'echo $OWN'}]}
            """
        let told = Workflow.read(Array(ofJob.utf8), file: "w.yml").diagnostics.filter { $0.rule == .secret }
        #expect(told.map { "\($0.position)" } == ["w.yml:7:20", "w.yml:7:40"], "\(told)")
    }

    @Test func `is given beside a mistake in the same text`() {
        let found = advice("run: echo ${{ github.evnt }} ${{ foo.bar }} ${{ runner.oss }} ${{ contians('a', 'b') }}")
        #expect(found.filter { $0.severity == .error }.count == 2, "\(found)")
        #expect(found.compactMap(\.suggestion).filter { $0.hasPrefix("did you mean") }.count == 3, "\(found)")
        #expect(found.contains { $0.position.column == 30 && $0.suggestion == "did you mean 'event'?" }, "\(found)")
    }

    @Test func `finds places in blocks, folded lines and quotes`() {
        let text = """
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                steps:
                  - run: >-
                      echo one
                      two ${{ github.eventt }}
                  - run: 'it''s ${{ github.reff }}'
                  - run: "a \\" b ${{ github.shaa }}"
                  - name: plain text
                      goes on ${{ github.actorr }}
                    run: |

                      echo
                        ${{ github.jobb }}
                  - run: "one \\
                      two \\\\
                      three \\
                      \\  ${{ github.refff }}"
            """
        let places = diagnostics(text).filter { $0.rule == .member }.map { "\($0.position)" }
        #expect(places == ["w.yml:9:26", "w.yml:10:32", "w.yml:11:33", "w.yml:13:30", "w.yml:17:24", "w.yml:21:25"])
    }

    @Test func `knows outputs of steps, jobs and called workflows`() {
        let text = """
            on:
              workflow_call:
                outputs:
                  ok: {value: "${{ jobs.a.outputs.best }}"}
                  no: {value: "${{ jobs.a.outputs.worst }}"}
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                outputs: {best: "${{ steps.pick.outputs.best }}", hit: "${{ steps.cache.outputs.cache-hitt }}"}
                steps:
                  - {id: pick, run: echo best=1 >> $GITHUB_OUTPUT}
                  - {id: cache, uses: actions/cache@v4, with: {path: x, key: y}}
              b:
                needs: a
                runs-on: x
                timeout-minutes: 5
                steps:
                  - run: echo ${{ needs.a.outputs.best }} ${{ needs.a.outputs.bestt }} ${{ needs.c.result }}
              c: {runs-on: x, timeout-minutes: 5, steps: [{run: "true"}]}
            """
        let found = diagnostics(text).filter { $0.severity == .warning }
        #expect(found.map(\.position.line) == [5, 10, 19, 19], "\(found)")
        #expect(found.last?.suggestion == "add 'c' to this job's needs")
        #expect(found[2].suggestion == "did you mean 'best'?")
    }

    @Test func `looks into matrices`() {
        let text = """
            on: push
            jobs:
              a:
                runs-on: [ubuntu-latest, windows-latest]
                timeout-minutes: 5
                strategy:
                  matrix:
                    python: [3.9, 3.10, '3.10', '3.10']
                    pair: [{v: 3.20}]
                    exclude:
                      - python: 3.9
                      - {python: '3.12'}
                      - {python: 3.9, pair: {v: 4}}
                steps: [{run: "echo ${{ matrix.pythn }} ${{ matrix.pair.w }}"}]
            """
        let found = diagnostics(text).filter { $0.severity == .warning }
        #expect(
            found.map { "\($0.rule) \($0.position.line)" } == [
                "labels 4", "version 8", "matrix 8", "version 9", "matrix 12", "matrix 13", "member 14",
                "expression 14",
            ], "\(found)")
    }

    @Test func `looks into the labels and the words that a matrix gives`() {
        let text = """
            on: push
            jobs:
              a:
                runs-on: ${{ matrix.os }}
                timeout-minutes: 5
                strategy:
                  matrix:
                    os: [ubuntu-22.04, windows-latest]
                    include: [{os: macos-14, extra: one}]
                steps:
                  - if: matrix.os == 'ubuntu'
                    run: echo ${{ matrix.extra == 'two' || matrix.os != 'Windows-Latest' && matrix.extra == '' }}
            """
        let found = diagnostics(text).filter { $0.severity == .warning }
        #expect(
            found.map { "\($0.rule) \($0.position.line) \($0.position.column)" } == [
                "labels 8 28", "labels 9 24", "expression 11 23", "expression 12 36",
            ], "\(found)")
        #expect(
            found.count > 2
                && found[2].problem.hasSuffix("'ubuntu' is none of 'ubuntu-22.04', 'windows-latest', 'macos-14'"))
    }

    @Test func `knows what others call the keys of a gate`() {
        let text = """
            sheaf: 1
            on: push
            jobs:
              a: {runs-on: x, timeout-minutes: 5, steps: [{run: "echo 1 > $SHEAF_METRICS"}]}
            gates:
              g: {metric: a, Max_Drop: 1, minimum: 2, against: {branch: main}, threshhold: 1}
            """
        let found = diagnostics(text).filter { $0.problem.hasPrefix("unknown key") }
        #expect(found.map(\.suggestion).prefix(3) == ["write 'drop-at-most'", "write 'at-least'", "write 'baseline'"])
        #expect(found.last?.suggestion?.hasPrefix("known keys are") == true)
    }

    @Test func `names a gate whose metric nobody writes`() {
        let text = """
            sheaf: 1
            on: push
            jobs:
              quiet: {runs-on: x, steps: [{run: "true"}]}
              loud: {runs-on: x, steps: [{run: "true"}], metrics: m.json}
            gates:
              a: {metric: accuracy, job: quiet, at-least: 0.9}
              b: {metric: accuracy, job: loud, at-least: 0.9}
            """
        let found = diagnostics(text).filter { $0.rule == .metric }
        #expect(found.map(\.position.line) == [7], "\(found)")
        let silent = text.replacing("job: quiet, ", with: "").replacing(", metrics: m.json", with: "").replacing(
            "job: loud, ", with: "")
        #expect(diagnostics(silent).filter { $0.rule == .metric }.count == 2)
        let open = text.replacing("job: quiet, ", with: "").replacing(
            "quiet: {runs-on: x,", with: "quiet: {metrics: m.json, runs-on: x,")
        let told = "\(diagnostics(open).filter { $0.rule == .metric })"
        #expect(told.contains("names no job, and 'quiet', 'loud' write"), "\(told)")
    }

    @Test func `knows how jobs and steps can end`() {
        let text = """
            on: push
            jobs:
              a: {runs-on: x, timeout-minutes: 5, steps: [{run: "true"}]}
              b:
                needs: a
                if: always() && (needs.a.result == 'sucess' || needs.*.result == 'x' || contains(needs.*.result, 'failure'))
                runs-on: x
                timeout-minutes: 5
                steps:
                  - {id: fit, run: "true"}
                  - {if: steps.fit.outcome == 'failed' || steps.fit.conclusion == 'skipped', run: "true"}
                  - {if: steps.fit.outcome > 'f', run: "true"}
            """
        let found = diagnostics(text).filter { $0.rule == .expression }
        #expect(found.map(\.position.line) == [6, 6, 11], "\(found)")
        #expect(found.first?.suggestion == "did you mean 'success'?", "\(found)")
        #expect(
            found.last?.problem.contains("'failed' is none of 'success', 'failure', 'cancelled', 'skipped'") == true)
    }

    @Test func `is an excerpt with a caret, JSON, and SARIF`() throws {
        let text =
            "on: push\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n    steps:\n      - run: echo ${{ github.eventt }}\n      - rnu: x\n"
        let found = diagnostics(text)
        let shown = DiagnosticText.text(found, source: Array(text.utf8))
        #expect(
            shown.contains(
                "          - run: echo ${{ github.eventt }}\n                                 ^\n  help: did you mean 'event'?"
            ))
        let list = try JSONParser.value(DiagnosticText.json(found)).array ?? []
        #expect(list.map { $0["severity"]?.string } == ["warning", "error", "error"])
        #expect(list.first?["rule"] == "member" && list.first?["column"] == 30)
        let log = try JSONParser.value(DiagnosticText.sarif(found))
        #expect(log["version"] == "2.1.0")
        let run = try #require(log["runs"]?.array?.first)
        let results = try #require(run["results"]?.array)
        let rules = try #require(run["tool"]?["driver"]?["rules"]?.array)
        #expect(run["tool"]?["driver"]?["name"] == "sheaf")
        for result in results {
            let index = try #require(result["ruleIndex"]?.number.map { Int($0) })
            #expect(rules[index]["id"] == result["ruleId"])
            #expect(["error", "warning"].contains(result["level"]?.string))
            #expect(result["message"]?["text"]?.string?.isEmpty == false)
            let location = result["locations"]?.array?.first?["physicalLocation"]
            #expect(location?["artifactLocation"]?["uri"] == "w.yml")
            #expect(location?["region"]?["startLine"]?.number ?? 0 >= 1)
        }
        #expect(results.count == 3)
    }

    @Test func `shows long lines in part, around the place`() {
        let line = String(repeating: "x", count: 500) + "HERE" + String(repeating: "y", count: 500)
        let diagnostic = Diagnostic(at: SourcePosition(file: "w.yml", line: 1, column: 501), "p", help: "h")
        let shown = DiagnosticText.text([diagnostic], source: Array(line.utf8)).split(separator: "\n")
        #expect(shown[1].count < 200 && shown[1].contains("HERE"))
        let caret = shown[2].firstIndex(of: "^").map { shown[2].distance(from: shown[2].startIndex, to: $0) } ?? 0
        #expect(shown[1].dropFirst(caret).hasPrefix("HERE"))
    }
}
