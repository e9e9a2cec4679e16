import Foundation
import Testing

/// Gates on real processes: metrics as tools write them, numbers in files, baselines by branch, jobs that wait for gates.
@Suite struct `Gates of a farm` {
    private static let workflow = """
        sheaf: 1
        name: gates
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            strategy: {matrix: {kind: [a, b]}}
            steps:
              - uses: actions/checkout@v4
              - run: bash measure.sh ${{ matrix.kind }}
            metrics:
              - {path: "out/*.xml", format: junit, items: false}
              - {path: out/scores.csv, format: csv, id: id}
          promote:
            runs-on: self-hosted
            needs-gates: [tests]
            steps: [{run: echo promoted}]
        gates:
          tests: {job: eval, metric: failures, at-most: params.yaml:gates.failures}
          hits: {job: eval, metric: hit, baseline: {branch: main}, drop-at-most: 0, first: pass-floor, at-least: 0.5}
        """

    private static func measure(hits: Int, failures: Int) -> String {
        """
        mkdir -p out
        {
          echo '<testsuite tests="2"><testcase classname="t" name="one" time="0.1"/>'
          if [ \(failures) = 1 ] && [ "$1" = b ]; then
            echo '<testcase classname="t" name="two"><failure message="no"/></testcase></testsuite>'
          else
            echo '<testcase classname="t" name="two"/></testsuite>'
          fi
        } > out/report.xml
        echo id,hit > out/scores.csv
        for number in 1 2 3 4 5 6 7 8; do
          if [ "$1" = a ] || [ $number -le \(hits) ]; then echo q$number,1; else echo q$number,0; fi
        done >> out/scores.csv
        """
    }

    private func json(_ farm: RealFarm, _ run: String) async throws -> [String: Any] {
        let report = try await farm.sheaf("report", run, "--format", "json")
        let value = try JSONSerialization.jsonObject(with: Data(report.output.utf8))
        return value as? [String: Any] ?? [:]
    }

    private func gate(_ report: [String: Any], _ name: String) -> (verdict: String, groups: [[String: Any]]) {
        let found = (report["gates"] as? [[String: Any]])?.first { $0["gate"] as? String == name }
        return (found?["verdict"] as? String ?? "", found?["groups"] as? [[String: Any]] ?? [])
    }

    @Test func `compare with the branch, read what tools wrote, and hold back what needs them`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 2)
            let code = farm.folder + "/code"
            let workflow = try farm.write("code/eval.yml", Self.workflow)
            try farm.write("code/params.yaml", "gates: {failures: 0}\n")
            try farm.write("code/measure.sh", Self.measure(hits: 8, failures: 0))
            let git = { (arguments: String...) async throws in
                let done = try await Finished.run(
                    "/usr/bin/git", ["-C", code, "-c", "user.name=a", "-c", "user.email=a@b"] + arguments)
                #expect(done.status == 0, "git \(arguments): \(done.error)")
            }
            try await git("init", "-q", "-b", "main")
            try await git("add", "-A")
            try await git("commit", "-qm", "first")
            try await git("checkout", "-qb", "topic")
            // Two hits fewer in one cell; the tests pass, and so does what waits for them.
            try farm.write("code/measure.sh", Self.measure(hits: 6, failures: 0))
            try await git("commit", "-qam", "worse")
            let worse = try await farm.sheaf("submit", workflow, "--with-baseline", "--wait")
            #expect(worse.status == 1, "\(worse.output)\(worse.error)")
            let base = try await json(farm, "r1")
            #expect(base["verdict"] as? String == "pass", "\(worse.error)")
            let report = try await json(farm, "r2")
            let hits = gate(report, "hits")
            #expect(hits.verdict == "fail" && gate(report, "tests").verdict == "pass")
            let lost = hits.groups.first { ($0["where"] as? [String: Any])?["kind"] as? String == "b" }
            #expect((lost?["baseline_source"] as? String)?.hasPrefix("main = r1, commit ") == true)
            #expect((lost?["baseline_source"] as? String)?.hasSuffix("the merge base") == true)
            #expect((lost?["flips"] as? [String: Any])?["lost_ids"] as? [String] == ["q7", "q8"])
            #expect(worse.output.contains("params.yaml:gates.failures"), "\(worse.output)")
            let promoted = (report["jobs"] as? [[String: Any]])?.last
            #expect(promoted?["ending"] as? String == "ran")

            let compared = try await farm.sheaf("compare", "r2", "r1")
            #expect(
                compared.output.contains("hit 1 -> 0.75 (-0.25, -25 %), n 8; 2 items got worse, 0 better"),
                "\(compared.output)")
            #expect(
                compared.output.contains("2 cells: 1 changed") || compared.output.contains("3 cells: 1 changed"),
                "\(compared.output)")

            // A test that fails: what needs its gate does not start.
            try farm.write("code/measure.sh", Self.measure(hits: 8, failures: 1))
            try await git("commit", "-qam", "broken")
            let broken = try await farm.sheaf("submit", workflow, "--wait")
            #expect(broken.status == 1)
            let last = try await json(farm, "r3")
            #expect(gate(last, "tests").verdict == "fail" && gate(last, "hits").verdict == "pass")
            let held = (last["jobs"] as? [[String: Any]])?.last
            #expect(held?["ending"] as? String == "not_reached")
            #expect(
                (held?["reason"] as? String)?.hasPrefix("the gate 'tests' fails: failures 1 is above 0") == true,
                "\(held ?? [:])")

            // Waived in the workflow, it is let through, and the report says by whom.
            let waived = try await farm.sheaf(
                "waive", workflow, "tests", "--where", "kind=b", "--reason", "known", "--author", "alice", "--until",
                "2999-12-31")
            #expect(waived.status == 0, "\(waived.error)")
            let again = try await farm.sheaf("submit", workflow, "--wait")
            #expect(again.status == 0, "\(again.output)\(again.error)")
            let fourth = try await json(farm, "r4")
            #expect(fourth["verdict"] as? String == "waived")
            #expect((fourth["jobs"] as? [[String: Any]])?.last?["ending"] as? String == "ran")
        }
    }

    @Test func `say which file was not written`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one")
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                name: gates
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    steps: [{run: "true"}]
                    metrics: [{path: report.xml, format: junit}]
                gates:
                  tests: {metric: failures, at-most: 0}
                """)
            let run = try await farm.sheaf("submit", workflow, "--wait")
            #expect(run.status == 1 && run.output.contains("missing: no step wrote 'report.xml'"), "\(run.output)")
        }
    }
}
