import Foundation
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
        #expect(explained.status == 0 && explained.output.contains("exit:9"), "\(explained.output)\(explained.error)")
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
