import Foundation
import JSON
import Model
import Testing

/// `sheaf rerun` with real processes: what passed is kept, with its metrics, artifacts and logs; the rest runs.
@Suite struct `A run that is run again` {
    private static let workflow = """
        sheaf: 1
        name: flaky
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: [self-hosted]
            strategy: {fail-fast: false, matrix: {seed: [1, 2]}}
            shards: 2
            steps:
              - run: |
                  echo "seed ${{ matrix.seed }} shard $SHEAF_SHARD" | tee note.txt
                  echo ran >> "$COUNTS/${{ matrix.seed }}-$SHEAF_SHARD"
                  echo "{\\"score\\": {\\"kind\\": \\"count\\", \\"n\\": 1}}" > metrics.json
                  if [ "${{ matrix.seed }}-$SHEAF_SHARD" = 2-1 ] && [ ! -e "$COUNTS/mended" ]; then exit 3; fi
              - uses: actions/upload-artifact@v4
                if: always()
                with: {name: note, path: note.txt}
            metrics: metrics.json
        """

    private func counts(_ farm: RealFarm) -> [Int] {
        ["1-0", "1-1", "2-0", "2-1"].map { name in
            let text = (try? String(contentsOfFile: farm.folder + "/counts/" + name, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").count
        }
    }

    @Test func `keeps what passed, after a restart too, and runs the rest`() async throws {
        try await withFarm { farm in
            try farm.write("counts/x", "")
            let text = Self.workflow.replacingOccurrences(of: "$COUNTS", with: farm.folder + "/counts")
            let workflow = try farm.write("code/eval.yml", text)
            try await farm.startAgent("a", cpus: 2)
            let first = try await farm.sheaf("submit", workflow, "--wait")
            #expect(first.status == 1, "\(first.output) \(first.error)")
            #expect(counts(farm) == [1, 1, 1, 1])

            try farm.write("counts/mended", "")
            let key = ["--key", "0123456789abcdef"]
            let again = try await farm.sheaf(["rerun", "r1", "--failed", "--wait"] + key)
            #expect(again.status == 0, "\(again.output) \(again.error)")
            #expect(counts(farm) == [1, 1, 1, 2])
            #expect(try await farm.sheaf(["rerun", "r1", "--failed"] + key).output == "r2\n")

            // Everything is there as if the run had made it: artifacts, logs, results, and what is said of each.
            let into = farm.folder + "/got"
            let got = try await farm.sheaf("artifacts", "get", "r2", "--into", into)
            #expect(got.status == 0, "\(got.error)")
            let notes = FileManager.default.enumerator(atPath: into)?.allObjects.compactMap { $0 as? String } ?? []
            #expect(notes.count { $0.hasSuffix("note.txt") } == 4, "\(notes)")
            let log = try await farm.sheaf("logs", "r2")
            for line in ["seed 1 shard 0", "seed 1 shard 1", "seed 2 shard 0", "seed 2 shard 1"] {
                #expect(log.output.contains(line), "\(log.output)")
            }
            let explained = try await farm.sheaf("explain", "r2/eval/eval (1)/0")
            #expect(explained.output.contains("kept from r1"), "\(explained.output)")
            let results = farm.folder + "/r2.jsonl"
            #expect(try await farm.sheaf("export", "r2", "--output", results).status == 0)
            let judged = try await farm.sheaf("judge", workflow, "--results", results)
            #expect(judged.status == 0, "\(judged.output) \(judged.error)")

            // Nothing is left to do, and all of it is another matter.
            let nothing = try await farm.sheaf("rerun", "r2", "--failed")
            #expect(nothing.status == 2 && nothing.error.contains("without --failed"), "\(nothing.error)")
            let all = try await farm.sheaf("rerun", "r2", "--wait")
            #expect(all.status == 0, "\(all.output) \(all.error)")
            #expect(counts(farm) == [2, 2, 2, 3])
        }
    }

    @Test func `goes on after the coordinator is killed, and is its owner's alone`() async throws {
        try await withFarm { farm in
            try farm.write("counts/x", "")
            let text = Self.workflow.replacingOccurrences(of: "$COUNTS", with: farm.folder + "/counts")
            let workflow = try farm.write("code/eval.yml", text)
            let token = try await farm.token("user", "alice")
            let home = farm.folder + "/alice"
            #expect(try await farm.sheaf(["enrol", "--token-file", token], home: home).status == 0)
            try await farm.startAgent("a", cpus: 2)
            let first = try await farm.sheaf(["submit", workflow, "--wait"], home: home)
            #expect(first.status == 1, "\(first.output) \(first.error)")
            let bob = try await farm.token("user", "bob")
            #expect(try await farm.sheaf(["enrol", "--token-file", bob], home: farm.folder + "/bob").status == 0)
            let denied = try await farm.sheaf(["rerun", "r1", "--failed"], home: farm.folder + "/bob")
            #expect(denied.status == 2 && denied.error.contains("only its owner"), "\(denied.error)")

            await farm.killAgent("a")
            try farm.write("counts/mended", "")
            // An admin may; the run stays alice's.
            #expect(try await farm.sheaf("rerun", "r1", "--failed").output == "r2\n")
            let running = try await farm.sheaf("rerun", "r2")
            #expect(running.status == 2 && running.error.contains("has not ended"), "\(running.error)")
            await farm.killCoordinator()
            try await farm.startCoordinator()
            try await farm.startAgent("a", cpus: 2)
            let second = try await farm.sheaf(["watch", "r2"], home: home)
            #expect(second.status == 0, "\(second.output) \(second.error)")
            #expect(counts(farm) == [1, 1, 1, 2])
            let status = try await farm.sheaf("status", "r2", "--format", "json")
            #expect(status.output.contains("\"alice\""), "\(status.output)")
        }
    }
}
