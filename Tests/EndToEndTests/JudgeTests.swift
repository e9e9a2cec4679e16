import Foundation
import Testing

/// What `sheaf judge` says in words about results that lie beside a workflow.
@Suite struct `Judging by hand` {
    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            timeout-minutes: 5
            strategy: {matrix: {x: [a, b]}}
            metrics: m.json
            steps: [{run: echo}]
        gates:
          floor: {metric: m, at-least: 0.5}
          same: {metric: m, drop-at-most: 0, baseline: {run: r1}, required: false}
        waivers:
          - {gate: floor, where: {x: c}, reason: known, author: alice, until: "2026-12-31"}
        quarantine:
          - {job: eval, where: {x: b}, reason: "flaky driver", author: bob, until: "2026-12-31"}
        """

    private static func results(_ run: Int, _ cause: String) -> String {
        let cells = ["a", "b"].map { #"{"id":"c\#($0)","name":"eval (\#($0))","values":{"x":"\#($0)"},"shards":1}"# }
        let header =
            #"{"sheaf":1,"run":"r\#(run)","plan":{"jobs":[{"id":"eval","writes_metrics":true,"cells":[\#(cells.joined(separator: ","))]}]},"commit":"c\#(run)","tree":null,"provenance":{"submitted_at":"2026-11-21T10:00:00Z"}}"#
        let lines = [("a", "passed"), ("b", cause)].map {
            #"{"job":"eval","cell":{"x":"\#($0.0)"},"cell_id":"c\#($0.0)","shard":0,"shards":1,"attempt":1,"cause":"\#($0.1)","metrics":{"m":0.9}}"#
        }
        return ([header] + lines).joined(separator: "\n") + "\n"
    }

    /// The event and what jobs put out are known to the run alone; its export tells what conditions came to by them.
    @Test(.timeLimit(.minutes(10))) func `says what the farm said where conditions read outputs and the event`()
        async throws
    {
        let machine = try OwnMachine([
            "w.yml": """
            sheaf: 1
            on: [push, workflow_dispatch]
            jobs:
              changes:
                runs-on: self-hosted
                timeout-minutes: 5
                outputs: {eval: "${{ steps.c.outputs.eval }}"}
                steps: [{id: c, run: echo eval=yes >> $GITHUB_OUTPUT}]
              eval:
                needs: changes
                runs-on: self-hosted
                timeout-minutes: 5
                metrics: m.json
                steps: [{run: 'echo "{\\"m\\": 0.3}" > m.json'}]
            gates:
              floor: {job: eval, metric: m, at-least: 0.5, when: needs.changes.outputs.eval == 'yes'}
              other: {job: eval, metric: m, at-least: 0.5, when: needs.changes.outputs.eval == 'no'}
              pushed: {job: eval, metric: m, at-least: 0.1, when: github.event_name == 'push'}
            """
        ])
        defer { machine.end() }
        let run = try await machine.run("w.yml", "--event", "push")
        #expect(run.status == 1 && run.output.contains("FAIL"), "\(run.output)\(run.error)")
        let export = machine.folder + "/r1.jsonl"
        let exported = try await machine.sheaf("export", "r1", "--output", export)
        #expect(exported.status == 0, "\(exported.error)")
        let judged = try await Finished.run(
            RealFarm.sheaf, ["judge", machine.folder + "/code/w.yml", "--results", export],
            environment: ["SHEAF_HOME": machine.folder + "/nobody"])
        #expect(judged.status == 1, "\(judged.output)\(judged.error)")
        for line in ["fail           floor", "not_applicable  other", "pass           pushed", "verdict: fail"] {
            #expect(judged.output.contains(line), "\(line): \(judged.output)")
        }
    }

    @Test func `tells what is quarantined, what a waiver does not fit, and whose baseline it was given`() async throws {
        let machine = try OwnMachine([
            "w.yml": Self.workflow, "r9.jsonl": Self.results(9, "exit:3"), "r1.jsonl": Self.results(1, "passed"),
            "r5.jsonl": Self.results(5, "passed"),
        ])
        defer { machine.end() }
        func judge(_ baseline: String) async throws -> Finished {
            let code = machine.folder + "/code/"
            return try await Finished.run(
                RealFarm.sheaf,
                ["judge", code + "w.yml", "--results", code + "r9.jsonl", "--baseline", code + baseline],
                environment: ["SHEAF_HOME": machine.folder + "/nobody"])
        }
        let judged = try await judge("r1.jsonl")
        #expect(judged.status == 0, "\(judged.output)\(judged.error)")
        #expect(
            judged.output.contains("eval (b): shard 0 ended user_exit (3)")
                && judged.output.contains("quarantined by bob until 2026-12-31: flaky driver"), "\(judged.output)")
        #expect(
            judged.error.contains("note: the waiver by alice fits no group of gate 'floor': x=c"), "\(judged.error)")
        #expect(judged.output.contains("pass           same"), "\(judged.output)")
        let other = try await judge("r5.jsonl")
        #expect(other.output.contains("r1 is wanted: ") && other.output.contains("is of r5"), "\(other.output)")
    }
    /// A header that somebody wrote by hand, with a plan that is not the workflow's.
    @Test func `names what a plan in the results lacks`() async throws {
        let narrow =
            #"{"sheaf":1,"plan":{"jobs":[{"id":"eval","cells":[{"id":"a","values":{"x":"a"},"shards":1}]}]}}"#
        let passed = #"{"job":"eval","cell":{"x":"a"},"shard":0,"shards":1,"cause":"passed","metrics":{"m":0.9}}"#
        let lax = narrow.replacingOccurrences(of: #""shards":1"#, with: #""shards":1,"required":false"#)
        let machine = try OwnMachine([
            "w.yml": Self.workflow, "narrow.jsonl": narrow + "\n" + passed + "\n",
            "lax.jsonl": lax + "\n" + passed + "\n",
        ])
        defer { machine.end() }
        let code = machine.folder + "/code/"
        for (file, lacks) in [("narrow", "eval (b)"), ("lax", "eval (a) as it is there (1 shard, required)")] {
            let judged = try await Finished.run(
                RealFarm.sheaf, ["judge", code + "w.yml", "--results", code + file + ".jsonl"],
                environment: ["SHEAF_HOME": machine.folder + "/nobody"])
            #expect(
                judged.error.contains("the plan in the results' header lacks \(lacks)"),
                "\(judged.output)\(judged.error)")
        }
    }
}
