import Foundation
import Testing

/// Items that take unequal time, over several runs of one workflow.
@Suite struct `Balanced shards` {
    private static let workflow = """
        sheaf: 1
        name: balanced
        on: workflow_dispatch
        jobs:
          even:
            runs-on: self-hosted
            shards: {count: 2, items: {file: items.txt}, balance: history}
            steps:
              - run: &measure |
                  while read -r item; do
                    case "$item" in slow*) seconds=60;; *) seconds=12;; esac
                    echo "{\\"id\\": \\"$item\\", \\"seconds\\": $seconds}" >> "$SHEAF_ITEMS_OUT"
                  done < "$SHEAF_ITEMS"
          timed:
            runs-on: self-hosted
            shards: {count: 6, items: {file: items.txt}, target-minutes: 1}
            steps:
              - run: *measure
        """

    /// What `sheaf export` says of a run: the items of each shard of each job, in order.
    private func items(_ text: String) throws -> [String: [[String]]] {
        var found: [String: [[String]]] = [:]
        for line in text.split(separator: "\n") {
            let record = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            guard let job = record["job"] as? String, let items = record["items"] as? [[String: Any]] else { continue }
            found[job, default: []].append(items.compactMap { $0["id"] as? String })
        }
        return found
    }

    @Test func `are cut by what earlier runs recorded`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-balance-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/code", withIntermediateDirectories: true)
        let file = folder + "/code/balanced.yml"
        try Data(Self.workflow.utf8).write(to: URL(filePath: file))
        let listing = folder + "/code/items.txt"
        try Data("slow\na\nb\nc\nd\ne\n".utf8).write(to: URL(filePath: listing))
        func sheaf(_ arguments: String...) async throws -> Finished {
            try await Finished.run(
                RealFarm.sheaf, arguments + ["--state", folder + "/state"],
                environment: ["SHEAF_HOME": folder + "/nobody"])
        }

        let first = try await sheaf("run", file)
        #expect(first.status == 0, "\(first.output)\(first.error)")
        let equal = try items(try await sheaf("export", "r1").output)
        #expect(equal["even"] == [["slow", "a", "b"], ["c", "d", "e"]])
        #expect(equal["timed"] == ["slow", "a", "b", "c", "d", "e"].map { [$0] })

        // A new item counts as the mean of those that are known.
        try Data("slow\na\nb\nc\nd\ne\nnew\n".utf8).write(to: URL(filePath: listing))
        let second = try await sheaf("run", file)
        #expect(second.status == 0, "\(second.output)\(second.error)")
        let cut = try items(try await sheaf("export", "r2").output)
        #expect(cut["even"] == [["slow", "e"], ["a", "b", "c", "d", "new"]])
        #expect(cut["timed"] == [["slow"], ["c", "e", "new"], ["a", "b", "d"]])
    }

    private static let held = """
        sheaf: 1
        name: held
        on: workflow_dispatch
        jobs:
          even:
            runs-on: self-hosted
            shards: {count: 2, items: {file: items.txt}, balance: history}
            steps:
              - run: |
                  if [ -e MARKS/held ]; then
                    echo "$SHEAF_SHARD" > "$FARM_GATE/started"
                    read line < "$FARM_GATE/go"
                  fi
                  if [ -e MARKS/held ] && [ "$SHEAF_SHARD" = 1 ]; then exit 3; fi
                  while read -r item; do
                    case "$item" in slow*) seconds=60;; *) seconds=12;; esac
                    # By now the slow one is quick: a listing that was cut anew would be cut otherwise.
                    if [ -e MARKS/held ]; then seconds=1; fi
                    echo "{\\"id\\": \\"$item\\", \\"seconds\\": $seconds}" >> "$SHEAF_ITEMS_OUT"
                  done < "$SHEAF_ITEMS"
        """

    @Test func `stay as they were cut when the coordinator is killed, and when the run is run again`() async throws {
        try await withFarm(lease: 4) { farm in
            let gate = try Gate(farm.folder + "/gate")
            try farm.write("marks/x", "")
            let text = Self.held.replacingOccurrences(of: "MARKS", with: farm.folder + "/marks")
            let workflow = try farm.write("code/held.yml", text)
            try farm.write("code/items.txt", "a\nb\nslow\nc\nd\ne\n")
            try await farm.startAgent(
                "a", cpus: 1, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let first = try await farm.sheaf("submit", workflow, "--wait")
            #expect(first.status == 0, "\(first.output)\(first.error)")
            #expect(
                try items(try await farm.sheaf("export", "r1").output)["even"] == [
                    ["a", "b", "slow"], ["c", "d", "e"],
                ])

            try farm.write("marks/held", "")
            let second = try await farm.sheaf("submit", workflow)
            #expect(second.status == 0, "\(second.output)\(second.error)")
            #expect(await gate.started(1) == ["0"])
            await farm.killCoordinator()
            try await farm.startCoordinator()
            gate.open()
            let watched = try await farm.sheaf("watch", "r2")
            #expect(watched.status == 1, "\(watched.output)\(watched.error)")
            gate.close()

            try FileManager.default.removeItem(atPath: farm.folder + "/marks/held")
            let again = try await farm.sheaf("rerun", "r2", "--failed", "--wait")
            #expect(again.status == 0, "\(again.output)\(again.error)")
            let cut = try items(try await farm.sheaf("export", "r3").output)
            #expect(cut["even"] == [["slow"], ["a", "b", "c", "d", "e"]])
        }
    }
}
