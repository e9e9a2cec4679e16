import Foundation
import JSON
import Model
import Testing

/// Farms of earlier versions that were killed in the middle of a run (`StorageTests/Stores/open`): their stores and objects, below the
/// programs of today.
@Suite struct `A farm of an earlier version` {
    /// Puts the store and its objects below a farm's state.
    private static func unpack(_ schema: Int, to state: String) async throws {
        let dump = RealFarm.root.appending(path: "Tests/StorageTests/Stores/open-\(schema).sql").path
        for line in try String(contentsOfFile: dump, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 4, line.hasPrefix("-- object ") else { continue }
            let file = URL(filePath: state + "/objects/objects/" + words[2])
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try #require(Data(base64Encoded: String(words[3]))).write(to: file)
        }
        let made = try await Finished.run(
            "/usr/bin/python3",
            [
                "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())",
                state + "/store.sqlite", dump,
            ])
        try #require(made.status == 0, "\(made.error)")
    }

    /// What was decided then stays; what ran when it was killed is lost with its agent, and done by another.
    @Test(.timeLimit(.minutes(10)), arguments: [6, 7]) func `goes on with the run that was open, and ends it well`(
        schema: Int
    ) async throws {
        let farm = try RealFarm(lease: 3)
        do {
            try await Self.unpack(schema, to: farm.folder + "/farm")
            farm.coordinatorOptions = ["--admin-token"]
            try await farm.startCoordinator()
            let before = try await Self.attempts(farm)
            #expect(before.count == 5 && before.allSatisfy { $0.hasSuffix("#1 passed") }, "\(before)")
            try await farm.startAgent("other", cpus: 2)
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let after = try await Self.attempts(farm)
            #expect(after.count == 8 && after.filter(before.contains) == before, "\(after)")
            let rest = after.filter { !before.contains($0) }.map { $0.split(separator: "#").last ?? "" }
            #expect(rest.sorted() == ["1 passed", "2 passed", "2 passed"], "\(after)")
            let status = try await farm.sheaf("status", "r1", "--format", "json")
            #expect(status.output.contains(#""verdict": "pass""#), "\(status.output)")
            // And it takes new ones.
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    steps: [{run: "true"}]
                """)
            let next = try await farm.sheaf("submit", workflow, "--wait")
            #expect(next.status == 0 && next.output.contains("r2"), "\(next.output)\(next.error)")
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }

    /// Each settled shard, which attempt decided it, and how.
    private static func attempts(_ farm: RealFarm) async throws -> [String] {
        let export = try await farm.sheaf("export", "r1")
        #expect(export.status == 0, "\(export.error)")
        return try export.output.split(separator: "\n").dropFirst().map { line in
            let value = try JSONParser.value(String(line))
            return "\(value["cell_id"]?.string ?? "?")/\(Int(value["shard"]?.number ?? -9))"
                + "#\(Int(value["attempt"]?.number ?? -9)) \(value["cause"]?.string ?? "?")"
        }
    }
}
