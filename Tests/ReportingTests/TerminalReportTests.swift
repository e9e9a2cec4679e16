import Gates
import Model
import Reporting
import Testing

@Suite struct `A report for a terminal` {
    private func lines(_ sample: Sample, columns: Int = 100) -> [String] {
        sample.report.text(columns: columns).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func `does not say that something was compared with nothing`() {
        var sample = Sample()
        sample.axes = [("python", ["3.11", "3.12"])]
        var first = GateRule(name: "no-regression", metric: "accuracy", limits: [.dropAtMost(.absolute(0.01))])
        first.baseline = .run(RunID(1))
        first.passesFirstOnFloor = true
        sample.gates.append(first)
        sample.baselines = [ResolvedBaseline(.run(RunID(1)), .absent("nothing is called 'champion' yet"))]
        let text = lines(sample, columns: 400).joined(separator: "\n")
        #expect(text.contains("all 2 groups pass by plain limits alone: no baseline yet"), "\(text)")
    }

    /// The text was read by people before it was written down here.
    @Test func `says verdict, reasons, grid, and what to look at`() {
        let expected = """
            ✗ FAIL  r17 nightly (eval.yml)
              2 of 2 required gates fail: jobs, floor; advisory: no-regression fails; exit code 1

            Why
              ✗ jobs: fails
                  job eval: 1 of 6 cells failed: eval (3.13, onnxruntime, cpu): shard 1 ended user_exit (3):
                    step 'evaluate' ended with exit code 3
              ✗ floor: fails in 1 of 6 groups — accuracy at-least 0.85 per cell
                  eval (3.12, torch, cpu): accuracy: not a number (NaN) at metrics.json:1, shard 0
                  eval (3.13, onnxruntime, cpu): accuracy: shard 1 ended user_exit (3): step 'evaluate' ended
                    with exit code 3 (incomplete)

            eval  6 cells: 4 pass, 2 fail
              device = cpu  ·  shown: the value that gate floor compares
                      backend
              python  torch   onnxruntime
              3.11    ✓ 0.9   ✓ 0.91
              3.12    ✗       ✓ 0.93
              3.13    ✓ 0.94  ✗

              ✓ pass   ✗ fail

            Gates
              ✗ jobs           fails
              ✗ floor          accuracy at-least 0.85 per cell: fails in 1 of 6 groups
              ✗ no-regression  accuracy drop-at-most 3% per backend against champion: fails in 1 of 2 groups
                               (advisory)
                               accuracy: eval (3.12, torch, cpu): not a number (NaN) at metrics.json:1, shard 0

            Cells to look at
              ✗ eval (3.12, torch, cpu)
                  floor: accuracy: not a number (NaN) at metrics.json:1, shard 0
                  $ sheaf explain r17/eval/eval_2
                  $ sheaf logs r17/eval/eval_2
              ✗ eval (3.13, onnxruntime, cpu)
                  shard 1: user_exit (3) after 12 s on gpu-2: step 'evaluate' ended with exit code 3
                    | Traceback (most recent call last):
                    | ValueError: no such file: val.csv
                  $ sheaf explain r17/eval/eval_5/1
                  $ sheaf logs r17/eval/eval_5/1
            """
        #expect(Sample.troubled.report.text(columns: 100).hasPrefix(expected + "\n"))
    }

    @Test func `says where the numbers come from, and what they took`() {
        let text = Sample.troubled.report.text(columns: 100)
        let expected = """
            Where this comes from
              workflow   nightly, eval.yml
              commit     1a2b3c4d5e6f and uncommitted changes (dirty)
              tree       abababababababababababababababababababababababababababababababab
              submitted  2026-11-23T10:00:00Z by alice (team vision), event push
              ended      2026-11-23T10:01:35Z, after 1 min 35 s
              branch     topic

            What it took
              attempts      12, 2 min 24 s together
              CPU time      2 min 12 s
              environments  36 s of building
              not passed    12 s (8.3 %)
              most memory   512 MiB in one attempt
              agent gpu-1   6 attempts, 1 min 12 s
              agent gpu-2   6 attempts, 1 min 12 s

            """
        #expect(text.hasSuffix(expected))
    }

    @Test func `shows a pass with what it rests on`() {
        let text = Sample.green.report.text(columns: 100)
        #expect(
            text.hasPrefix(
                """
                ✓ PASS  r17 nightly (eval.yml)
                  all 2 required gates pass; exit code 0

                eval  2 cells: 2 pass
                  shown: the value that gate floor compares
                    data
                  ✓ iris 0.9     ✓ wine 0.901

                Gates
                  ✓ jobs   passes
                  ✓ floor  accuracy at-least 0.85 per cell: all 2 groups pass
                           nearest to its bound: eval (iris):  value 0.9  bound 0.85  n 200

                """))
    }

    @Test func `shows a job without a matrix`() {
        #expect(lines(Sample()).contains("  ✓ eval 0.9"))
    }

    @Test func `tells a run that goes on from one that failed`() {
        var sample = Sample.green
        sample.isOver = false
        sample.settled = 1
        let text = sample.report.text()
        #expect(text.hasPrefix("› RUNNING  r17 nightly (eval.yml)\n  the run goes on: 1 of 2 cells to come\n"))
        #expect(!text.contains("Why") && !text.contains("exit code") && text.contains("· wine"))
    }

    @Test func `tells a failed ancestor, a skipped job and a broken matrix apart`() {
        var sample = Sample()
        sample.jobsBeside = [
            ExpectedJob(id: "docs", ending: .notApplicable, reason: "github.ref == 'x' is false", cells: []),
            ExpectedJob(id: "deploy", ending: .notReached, reason: "it needs 'eval', which failed", cells: []),
            ExpectedJob(id: "sweep", ending: .failed, reason: "its matrix is empty", cells: []),
        ]
        let text = sample.report.text()
        #expect(text.contains("docs  skipped: github.ref == 'x' is false\n"))
        #expect(text.contains("deploy  not reached: it needs 'eval', which failed\n"))
        #expect(text.contains("sweep  failed before it had cells: its matrix is empty\n"))
        #expect(text.contains("job sweep: failed: its matrix is empty"))
        #expect(sample.judgement.verdict == .fail)
    }

    @Test func `fits every width`() {
        for columns in [40, 60, 80, 100, 200] {
            for sample in [Sample.troubled, .green, .wide, .long] {
                for line in lines(sample, columns: columns) {
                    // Commands are never cut: people copy them.
                    #expect(width(line) <= columns || line.contains("$ sheaf"), "\(columns): \(line)")
                }
            }
        }
    }

    @Test func `shows every cell of two hundred, in a grid and in a list`() {
        let grid = lines(.wide, columns: 100)
        #expect(grid.contains { $0.hasPrefix("  python  backend  set-0") })
        #expect(grid.count { $0.contains("✓ 0.9  ") } == 20)
        #expect(lines(.wide, columns: 60).contains { $0.contains("3.9, torch, set-5 0.5") })
        let list = lines(.long)
        let shown = list.joined(separator: "\n")
        for seed in 0..<200 { #expect(shown.contains("\(seed) 0.9") || seed == 77 && shown.contains("✗ 77 0.5")) }
    }

    @Test func `leaves out rows of a large grid that all pass, never one that does not`() {
        var sample = Sample()
        sample.axes = [
            ("seed", (0..<300).map { .number(Double($0)) }), ("data", ["iris", "wine"]),
        ]
        sample.shards = 1
        sample.accuracy = { .mean(n: 10, mean: $0 == 599 ? 0.5 : 0.9, m2: 1) }
        let text = lines(sample)
        #expect(text.contains { $0.hasPrefix("  299   ✓ 0.9  ✗ 0.5") })
        #expect(text.contains("  … and 240 more rows: 480 pass"))
    }

    @Test func `paints without changing a word`() {
        let plain = Sample.troubled.report.text(columns: 90)
        let painted = Sample.troubled.report.text(columns: 90, color: true)
        #expect(painted.contains("\u{1B}[1;31m✗ FAIL"))
        #expect(painted.replacing(#/\u{1B}\[[0-9;]+m/#, with: "") == plain)
        #expect(!plain.contains("\u{1B}"))
    }

    @Test func `shows numbers that differ from their bound as different`() {
        var sample = Sample()
        sample.shards = 1
        sample.accuracy = { _ in .plain(0.849999999) }
        #expect(sample.report.text().contains("value 0.849999999  bound 0.85"))
    }

    @Test func `says what the baseline is`() {
        var sample = Sample()
        sample.accuracy = { _ in .mean(n: 100, mean: 0.842, m2: 1) }
        sample.gates = [
            GateRule(
                name: "regression", metric: "accuracy", limits: [.dropAtMost(.percent(3))], baseline: .alias("champion")
            )
        ]
        var before = Sample()
        before.accuracy = { _ in .mean(n: 100, mean: 0.871, m2: 1) }
        var baseline = before.results
        baseline.header.run = RunID(12)
        baseline.header.tree = Digest([UInt8](repeating: 1, count: 32))
        sample.baselines = [
            ResolvedBaseline(.alias("champion"), .found(baseline, name: "champion = r12, commit c0ffee"))
        ]
        let text = sample.report.text(columns: 200)
        #expect(text.contains("accuracy 0.871 -> 0.842 (-3.33 %, limit -3 %)"))
        #expect(text.contains("baseline 0.871 (champion = r12, commit c0ffee)"))
    }
}

extension Sample {
    /// 5 × 4 × 10 cells.
    static var wide: Sample {
        var sample = Sample()
        sample.axes = [
            ("python", ["3.9", "3.10", "3.11", "3.12", "3.13"]), ("backend", ["torch", "onnx", "jax", "tf"]),
            ("data", (0..<10).map { .string("set-\($0)") }),
        ]
        sample.accuracy = { .mean(n: 10, mean: $0 == 5 ? 0.5 : 0.9, m2: 1) }
        return sample
    }

    /// 200 cells on one axis.
    static var long: Sample {
        var sample = Sample()
        sample.axes = [("seed", (0..<200).map { .number(Double($0)) })]
        sample.accuracy = { .mean(n: 10, mean: $0 == 77 ? 0.5 : 0.9, m2: 1) }
        return sample
    }
}

/// Columns of a line without wide letters.
func width(_ line: String) -> Int { line.unicodeScalars.count }
