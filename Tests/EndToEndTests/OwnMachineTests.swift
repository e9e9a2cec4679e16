import Foundation
import JSON
import Model
import Testing

/// `sheaf run`, and what can be asked when it has ended and its process is gone.
@Suite struct `A run on one's own machine` {
    private static let workflow = """
        sheaf: 1
        name: own
        on: workflow_dispatch
        jobs:
          train:
            runs-on: self-hosted
            strategy: {fail-fast: false, matrix: {seed: [1, 2]}}
            outputs: {loss: "${{ steps.fit.outputs.loss }}"}
            steps:
              - id: fit
                run: |
                  echo loss=0.25 >> "$GITHUB_OUTPUT"
                  echo "::warning file=fit.py,line=7::it converges slowly"
                  echo "**Fitted** with seed ${{ matrix.seed }} <b>" >> "$GITHUB_STEP_SUMMARY"
                  echo model > model.bin
              - uses: actions/upload-artifact@v4
                with: {name: model, path: model.bin}
              - run: exit ${{ matrix.seed == 2 && 9 || 0 }}
          look:
            needs: train
            if: always()
            runs-on: self-hosted
            steps:
              - uses: actions/download-artifact@v4
                with: {name: model, path: models}
              - run: |
                  test "${{ needs.train.outputs.loss }}" = 0.25
                  find models -name model.bin | wc -l
                  test "$(find models -name model.bin | wc -l)" = 2
        """

    @Test func `can be looked at afterwards, and what a job that failed left reaches the next one`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-own-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let state = folder + "/state"
        let nobody = folder + "/nobody"
        try FileManager.default.createDirectory(atPath: folder + "/code", withIntermediateDirectories: true)
        let file = folder + "/code/own.yml"
        try Data(Self.workflow.utf8).write(to: URL(filePath: file))
        func sheaf(_ arguments: String...) async throws -> Finished {
            try await Finished.run(
                RealFarm.sheaf, arguments + ["--state", state], environment: ["SHEAF_HOME": nobody])
        }

        let run = try await sheaf("run", file)
        #expect(run.status == 1, "\(run.output)\(run.error)")
        #expect(run.error.contains("sheaf explain r1 --state \(state)"), "\(run.error)")
        #expect(run.output.contains("warning at fit.py:7: it converges slowly"), "\(run.output)")

        let explained = try await sheaf("explain", "r1")
        #expect(
            explained.status == 0 && explained.output.contains("user_exit (9)"), "\(explained.output)\(explained.error)"
        )
        #expect(explained.output.contains("  look: 1 of 1 shard settled"), "\(explained.output)")
        #expect(explained.output.contains("job look: 1 cell, ended: success"), "\(explained.output)")
        let logs = try await sheaf("logs", "r1/look")
        #expect(logs.status == 0 && logs.output.contains("  2"), "\(logs.output)\(logs.error)")
        let markdown = try await sheaf("report", "r1", "--format", "markdown")
        #expect(markdown.output.contains("> **Fitted** with seed 1 &lt;b>"), "\(markdown.output)\(markdown.error)")
        let artifacts = try await sheaf("artifacts", "ls", "r1")
        #expect(artifacts.output.split(separator: "\n").count == 3, "\(artifacts.output)\(artifacts.error)")
        let status = try await sheaf("status")
        #expect(status.output.contains("r1") && status.output.contains("fail"), "\(status.output)\(status.error)")

        for part in ["r1/train/train_1/5", "r1/train/none", "r1/none", "r2"] {
            for command in ["explain", "logs"] {
                let refused = try await sheaf(command, part)
                #expect(refused.status == 2 && refused.output.isEmpty, "\(command) \(part): \(refused.output)")
            }
        }
        let elsewhere = try await Finished.run(
            RealFarm.sheaf, ["status", "--state", nobody], environment: ["SHEAF_HOME": nobody])
        #expect(elsewhere.status == 2 && elsewhere.error.contains("has left nothing there"), "\(elsewhere.error)")
    }
}

/// A `sheaf run` that was killed, and looked at before anybody goes on with it.
@Suite struct `A run of a process that was killed` {
    @Test(.timeLimit(.minutes(10))) func `has seen no new coordinator because somebody looked`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-own-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/code", withIntermediateDirectories: true)
        let gate = try Gate(folder + "/gate")
        let file = folder + "/code/own.yml"
        try Data(
            """
            sheaf: 1
            on: workflow_dispatch
            jobs:
              eval:
                runs-on: self-hosted
                steps: [{run: 'echo up > "$FARM_GATE/started"; read line < "$FARM_GATE/go"'}]
            """.utf8
        ).write(to: URL(filePath: file))
        let environment = ["SHEAF_HOME": folder + "/nobody", "FARM_GATE": gate.folder]
        let options = ["--state", folder + "/state"]
        func sheaf(_ arguments: String...) async throws -> Finished {
            try await Finished.run(RealFarm.sheaf, arguments + options, environment: environment)
        }
        let run = try Running(
            RealFarm.sheaf, ["run", file, "--pass-env", "FARM_GATE", "--same-user"] + options, environment: environment,
            log: folder + "/run.log")
        #expect(await gate.started(1) == ["up"])
        await run.kill()
        for _ in 0..<3 {
            let status = try await sheaf("status")
            #expect(status.status == 0 && status.output.contains("r1"), "\(status.output)\(status.error)")
        }
        let explained = try await sheaf("explain", "r1")
        #expect(explained.status == 0 && explained.output.contains("eval"), "\(explained.error)")
        #expect(!explained.output.contains("started anew"), "\(explained.output)")
        // Who goes on with it is one.
        let next = try Running(
            RealFarm.sheaf, ["run", file, "--pass-env", "FARM_GATE", "--same-user"] + options, environment: environment,
            log: folder + "/next.log")
        _ = await gate.started(1)
        gate.open()
        let ended = await next.end()
        let said = try String(contentsOfFile: next.log, encoding: .utf8)
        #expect(ended == 0, "\(said)")
        let later = try await sheaf("explain", "r1")
        #expect(later.output.contains("the coordinator started anew at "), "\(later.output)")
        gate.close()
    }
}

/// What the shards of a cell hand on, and what is said of gates.
@Suite struct `A run that does not pass` {
    private static let workflow = """
        sheaf: 1
        name: clash
        on: workflow_dispatch
        jobs:
          split:
            runs-on: self-hosted
            shards: 3
            outputs: {same: "${{ steps.a.outputs.same }}", part: "${{ steps.a.outputs.part }}"}
            steps:
              - id: a
                run: |
                  echo same=1 >> "$GITHUB_OUTPUT"
                  echo "part=$SHEAF_SHARD" >> "$GITHUB_OUTPUT"
          weak:
            runs-on: self-hosted
            strategy: {matrix: {seed: [1, 2]}}
            metrics: m.json
            steps:
              - run: |
                  python3 -c 'import json; json.dump({"accuracy": ${{ matrix.seed }} / 10}, open("m.json", "w"))'
        gates:
          floor: {job: weak, metric: accuracy, at-least: 0.15}
        """

    @Test func `says which shards disagree, and which gate a cell fails`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-own-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/code", withIntermediateDirectories: true)
        let file = folder + "/code/clash.yml"
        try Data(Self.workflow.utf8).write(to: URL(filePath: file))
        func sheaf(_ arguments: String...) async throws -> Finished {
            try await Finished.run(
                RealFarm.sheaf, arguments + ["--state", folder + "/state"],
                environment: ["SHEAF_HOME": folder + "/nobody"])
        }

        let run = try await sheaf("run", file)
        #expect(run.status == 1, "\(run.output)\(run.error)")
        let split = try await sheaf("explain", "r1/split")
        #expect(split.output.components(separatedBy: "the shards of a cell must agree on it").count == 3)
        #expect(split.output.contains("the output 'part' is '") && !split.output.contains("'same'"), "\(split.output)")
        let weak = try await sheaf("explain", "r1/weak")
        #expect(weak.output.components(separatedBy: "gate floor: fail: accuracy 0.1 is below 0.15").count == 2)
        let whole = try await sheaf("explain", "r1")
        #expect(whole.output.contains("gate floor: fail, 1 of 2 groups"), "\(whole.output)")
    }
}

/// What people may do with each other's things, and what they are told while they wait.
@Suite struct `People of one farm` {
    private static let workflow = """
        sheaf: 1
        name: small
        on: {workflow_dispatch: {inputs: {label: {type: string, default: self-hosted}}}}
        jobs:
          eval:
            runs-on: "${{ inputs.label }}"
            steps: [{run: "true"}]
        """

    @Test func `hear what a run waits for, and keep the baselines of their team`() async throws {
        try await withFarm { farm in
            let workflow = try farm.write("code/small.yml", Self.workflow)
            let watched = try Running(
                RealFarm.sheaf, ["submit", workflow, "--wait", "--input", "label=gpu"],
                environment: ["SHEAF_HOME": farm.adminHome], log: nil)
            _ = try await watched.line(with: "eval waits: no agent is connected")
            try await farm.startAgent("one")
            _ = try await watched.line(with: "eval waits: no agent has label gpu")
            #expect(try await farm.sheaf("cancel", "r1").status == 0)
            #expect(await watched.end() == 1)

            for (name, team) in [("alice", "red"), ("bob", "blue")] {
                let token = try await farm.token("user", name, "--team", team)
                let home = farm.folder + "/" + name
                #expect(try await farm.sheaf(["enrol", "--token-file", token], home: home).status == 0)
                let passed = try await farm.sheaf(["submit", workflow, "--wait"], home: home)
                #expect(passed.status == 0, "\(passed.output)\(passed.error)")
            }
            let (alice, bob) = (farm.folder + "/alice", farm.folder + "/bob")
            #expect(try await farm.sheaf(["baseline", "set", "good", "r2"], home: alice).status == 0)
            let taken = try await farm.sheaf(["baseline", "set", "good", "r3"], home: bob)
            #expect(taken.status == 2 && taken.error.contains("belongs to team red"), "\(taken.output)\(taken.error)")
            let foreign = try await farm.sheaf(["baseline", "set", "mine", "r2"], home: bob)
            #expect(foreign.status == 2 && foreign.error.contains("there is no run r2"), "\(foreign.error)")
            #expect(try await farm.sheaf(["baseline", "set", "good", "r3"], home: farm.adminHome).status == 0)
        }
    }
}

/// The same file, the same verdict: on one's own machine and on a farm.
@Suite struct `A workflow on a farm and alone` {
    /// As docs/examples/iris has it: shards with items, an axis, a floor, a baseline, and a cell that can write NaN.
    private static let workflow = """
        sheaf: 1
        name: both
        on: {workflow_dispatch: {inputs: {broken: {type: string, default: none}}}}
        jobs:
          eval:
            runs-on: self-hosted
            strategy: {fail-fast: false, matrix: {model: [small, large], data: [a, b]}}
            shards: {count: 3, items: {command: seq 1 20}}
            steps:
              - uses: actions/checkout@v4
              - run: python3 measure.py ${{ matrix.model }} ${{ matrix.data }} ${{ inputs.broken }}
            metrics: metrics.json
        gates:
          floor: {metric: accuracy, per: cell, at-least: 0.5}
          no-regression: {metric: accuracy, per: [model], baseline: {alias: champion}, first: pass-floor, drop-at-most: 0.02}
          f1: {metric: f1, per: [data], at-least: 0.6}
        """

    private static let measure = """
        import json, os, sys
        model, data, broken = sys.argv[1:]
        with open(os.environ["SHEAF_ITEMS"]) as lines:
            items = [int(line) for line in lines]
        with open(os.environ["SHEAF_ITEMS_OUT"], "w") as out:
            for item in items:
                record = {"id": str(item), "loss": item / 7}
                if broken != data:
                    record["accuracy"] = int(item % 5 != 0 or model == "large")
                out.write(json.dumps(record) + "\\n")
        hits = sum(item % 3 != 0 for item in items)
        metrics = {"f1": {"kind": "ratio", "numerator": 2 * hits, "denominator": 2 * hits + len(items) - hits}}
        if broken == data:
            metrics["accuracy"] = float("nan")
        with open("metrics.json", "w") as out:
            json.dump(metrics, out)
        """

    /// What gates rest on: a line per shard, without who did it and when.
    private func settled(_ export: String) -> [String] { export.split(separator: "\n").dropFirst().map(String.init) }

    @Test(.timeLimit(.minutes(10))) func `comes to the same verdict, for the same reasons`() async throws {
        try await withFarm { farm in
            let workflow = try farm.write("code/both.yml", Self.workflow)
            try farm.write("code/measure.py", Self.measure)
            try await farm.startAgent("one", cpus: 1)
            try await farm.startAgent("two", cpus: 1)
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 0)
            #expect(try await farm.sheaf("baseline", "set", "champion", "r1").status == 0)
            let submitted = try await farm.sheaf("submit", workflow, "--wait", "--input", "broken=b")
            #expect(submitted.status == 1, "\(submitted.output)\(submitted.error)")

            let nobody = farm.folder + "/nobody"
            let alone = ["--state", farm.folder + "/alone"]
            func run(_ arguments: String...) async throws -> Finished {
                try await farm.sheaf(arguments + alone, home: nobody)
            }
            let first = try await run("run", workflow, "--baseline", "champion", "--same-user")
            #expect(first.status == 0, "\(first.output)\(first.error)")
            let second = try await run("run", workflow, "--input", "broken=b", "--same-user")
            #expect(second.status == submitted.status, "\(second.output)\(second.error)")

            for name in ["r1", "r2"] {
                let theirs = try await farm.sheaf("export", name)
                let own = try await run("export", name)
                #expect(theirs.status == 0 && own.status == 0, "\(theirs.error)\(own.error)")
                #expect(settled(theirs.output).count == 12 && settled(theirs.output) == settled(own.output))
                let (left, right) = (farm.folder + "/theirs.jsonl", farm.folder + "/own.jsonl")
                try Data(theirs.output.utf8).write(to: URL(filePath: left))
                try Data(own.output.utf8).write(to: URL(filePath: right))
                // Judged without a baseline, which the exports name each as their own farm's.
                let judged = try await farm.sheaf("judge", workflow, "--results", left, "--format", "json")
                let same = try await farm.sheaf("judge", workflow, "--results", right, "--format", "json")
                #expect(judged.status == same.status && !judged.output.isEmpty, "\(judged.error)\(same.error)")
                #expect(judged.output == same.output)
                let reports = (
                    try await farm.sheaf("report", name, "--format", "json"),
                    try await run("report", name, "--format", "json")
                )
                let (ours, others) = (try gates(reports.0.output), try gates(reports.1.output))
                #expect(ours.count == 4 && ours == others, "\(ours) \(others)")
            }
            #expect(submitted.output.contains("NaN") && second.output.contains("NaN"), "\(second.output)")
        }
    }

    /// What each gate says of each group, and the run's own verdict.
    private func gates(_ report: String) throws -> [String] {
        let value = try JSONParser.value(report)
        return (value["gates"]?.array ?? []).map { gate in
            let groups = (gate["groups"]?.array ?? []).map { group -> Value in
                .array(["where", "verdict", "value", "reason"].map { group[$0] ?? .null })
            }
            return JSONWriter.text(
                .array([value["verdict"] ?? .null, gate["gate"] ?? .null, gate["verdict"] ?? .null, .array(groups)]))
        }
    }
}
