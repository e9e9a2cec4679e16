import Foundation
import JSON
import Model
import Testing

/// Strangers' code on a farm: where it runs, and what it leaves behind for others.
@Suite struct `An untrusted run` {
    private static let workflow = """
        sheaf: 1
        on: [workflow_dispatch, pull_request]
        jobs:
          eval:
            runs-on: self-hosted
            setup: [{run: "true"}]
            steps: [{run: "echo done"}]
        """

    private static let fork = #"""
        {"pull_request": {"number": 7, "head": {"ref": "main", "repo": {"full_name": "evil/ml"}},
                          "base": {"ref": "main", "repo": {"full_name": "acme/ml"}}}}
        """#

    /// How the environment of a run came about: `is built`, or `was there already`.
    private func environment(_ farm: RealFarm, _ run: String) async throws -> String {
        let log = try await farm.sheaf("logs", run).output
        let line = log.split(separator: "\n").first { $0.contains("environment ") && !$0.contains("another attempt") }
        return String(try #require(line, "\(log)").split(separator: " ").suffix(2).joined(separator: " "))
    }

    @Test(.timeLimit(.minutes(10)), .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")))
    func `goes to agents of pools that take such, and shares nothing with trusted ones there`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one")
            let workflow = try farm.write("code/eval.yml", Self.workflow)
            let event = try farm.write("event.json", Self.fork)
            let pull = ["submit", workflow, "--wait", "--event", "pull_request", "--event-file", event]
            let refused = try await farm.sheaf(pull)
            #expect(
                refused.status == 2
                    && refused.error.contains("a fork, 'evil/ml', and no agent of this farm is in a pool"),
                "\(refused.error)")
            #expect(try await farm.sheaf("submit", workflow, "--untrusted").status == 2)

            #expect(try await farm.sheaf("agents", "move", "one", "forks").status == 2)
            #expect(try await farm.sheaf("pools", "set", "forks", "--allow-untrusted", "yes").status == 0)
            #expect(try await farm.sheaf("agents", "move", "one", "forks").status == 0)
            let pools = try await farm.sheaf("pools").output.split(separator: "\n").map {
                $0.split(separator: " ").joined(separator: " ")
            }
            #expect(pools == ["POOL TAKES AGENTS", "default trusted runs alone -", "forks all runs one"])
            for command in [
                pull, ["submit", workflow, "--wait"], pull, ["submit", workflow, "--wait", "--untrusted"],
            ] {
                let waited = try await farm.sheaf(command)
                #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            }
            let runs = try JSONParser.value(try await farm.sheaf("status", "--format", "json").output).array ?? []
            let names = runs.compactMap { $0["run"]?.string }.sorted()
            try #require(names.count == 4, "\(runs)")
            let found = try await [environment(farm, names[0]), environment(farm, names[1])]
            #expect(found == ["is built", "is built"], "what a stranger has built is not a trusted run's")
            let again = try await [environment(farm, names[2]), environment(farm, names[3])]
            #expect(again == ["there already", "there already"])

            // Another coordinator knows it, too.
            await farm.killCoordinator()
            try await farm.startCoordinator()
            _ = try await farm.agents["one"]?.line(with: "joined")
            #expect(try await farm.sheaf(pull).status == 0)
            #expect(try await farm.sheaf("pools", "set", "forks", "--allow-untrusted", "no").status == 0)
            #expect(try await farm.sheaf(pull).status == 2)
        }
    }
}
