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

    @Test func `that the code tree has no manifest of are a mistake, found before anything is sent`() async throws {
        let farm = try RealFarm()
        let workflow = try farm.write("code/eval.yml", Self.workflow.replacingOccurrences(of: "DATA", with: "/data"))
        let linted = try await farm.sheaf("submit", workflow)
        #expect(linted.status == 2)
        #expect(linted.error.contains("the manifest 'data.sha256' is not in the code tree"), "\(linted.error)")
        await farm.end()
    }
}
