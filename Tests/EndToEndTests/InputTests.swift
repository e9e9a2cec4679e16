import Artifacts
import Foundation
import Model
import Testing

/// Data that lies on agents already, named by the digest of its manifest.
@Suite struct `Inputs` {
    /// A job whose matrix becomes known only when another has ended, and which reads an input.
    static let workflow = """
        sheaf: 1
        name: inputs
        on: workflow_dispatch
        jobs:
          list:
            runs-on: self-hosted
            outputs: {kinds: "${{ steps.list.outputs.kinds }}"}
            steps:
              - id: list
                run: |
                  echo list > "$FARM_GATE/started"
                  read line < "$FARM_GATE/go"
                  echo 'kinds=["a","b"]' >> "$GITHUB_OUTPUT"
          eval:
            needs: list
            runs-on: self-hosted
            strategy:
              matrix: {kind: "${{ fromJSON(needs.list.outputs.kinds) }}"}
            inputs: [{path: DATA, manifest: data.sha256}]
            steps:
              - run: test "$(cat DATA/${{ matrix.kind }}.txt)" = ${{ matrix.kind }}
        """

    @Test func `are found also by a job that is resolved after the coordinator came back`() async throws {
        try await withFarm(lease: 4) { farm in
            let gate = try Gate(farm.folder + "/gate")
            let data = farm.folder + "/data"
            var manifest = ""
            for kind in ["a", "b"] {
                try farm.write("data/\(kind).txt", "\(kind)\n")
                manifest += "\(Digest(hashing: Array("\(kind)\n".utf8)).hex)  ./\(kind).txt\n"
            }
            let kept = try farm.write("data.sha256", manifest)
            try farm.write("code/data.sha256", manifest)
            let workflow = try farm.write(
                "code/eval.yml", Self.workflow.replacingOccurrences(of: "DATA", with: data))
            try await farm.startAgent(
                "with", cpus: 1, "--pass-env", "FARM_GATE", "--input", "\(data)=\(kept)",
                environment: ["FARM_GATE": gate.folder])
            let submitted = try await farm.sheaf("submit", workflow)
            #expect(submitted.status == 0, "\(submitted.output)\(submitted.error)")
            #expect(await gate.started(1) == ["list"])
            await farm.killCoordinator()
            try await farm.startCoordinator()
            gate.open()
            let watched = try await farm.sheaf("watch", "r1")
            #expect(watched.status == 0, "\(watched.output)\(watched.error)")
            #expect(watched.output.contains("eval  2 cells: 2 pass"), "\(watched.output)")
            gate.close()
        }
    }

    /// The agent has looked at its start; what counts is what an attempt would read.
    @Test func `that changed since the agent started are not evaluated`() async throws {
        try await withFarm { farm in
            let data = farm.folder + "/data"
            try farm.write("data/a.txt", "good\n")
            let manifest = "\(Digest(hashing: Array("good\n".utf8)).hex)  ./a.txt\n"
            let kept = try farm.write("data.sha256", manifest)
            try farm.write("code/data.sha256", manifest)
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    inputs: [{path: \(data), manifest: data.sha256}]
                    retry: {attempts: 1}
                    steps: [{run: cat \(data)/a.txt}]
                """)
            try await farm.startAgent("one", cpus: 1, "--input", "\(data)=\(kept)")
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 0)
            try farm.write("data/a.txt", "evil\n")
            let changed = try await farm.sheaf("submit", workflow, "--wait")
            // The infrastructure's fault: incomplete, and nobody's evaluation.
            #expect(changed.status == 3, "\(changed.output)\(changed.error)")
            let explained = try await farm.sheaf("explain", "r2")
            for words in ["data_unavailable", "\(data) has changed since this agent started", "a.txt differs"] {
                #expect(explained.output.contains(words), "\(words): \(explained.output)")
            }
            #expect(try await farm.sheaf("logs", "r2").output.contains("evil") == false)
            // Back as it was: it is looked at, not remembered.
            try farm.write("data/a.txt", "good\n")
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 0)
            // Data and manifest together are other data than the run asks for.
            try farm.write("data/a.txt", "evil\n")
            try farm.write("data.sha256", "\(Digest(hashing: Array("evil\n".utf8)).hex)  ./a.txt\n")
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 3)
            let other = try await farm.sheaf("explain", "r4")
            #expect(
                other.output.contains("its manifest is") && other.output.contains("restart the agent"),
                "\(other.output)")
        }
    }

    @Test func `that the code tree has no manifest of are a mistake, found before anything is sent`() async throws {
        let farm = try RealFarm()
        let workflow = try farm.write("code/eval.yml", Self.workflow.replacingOccurrences(of: "DATA", with: "/data"))
        let linted = try await farm.sheaf("submit", workflow)
        #expect(linted.status == 2)
        #expect(linted.error.contains("the manifest 'data.sha256' is not in the code tree"), "\(linted.error)")
        await farm.end()
    }
}
