import Foundation
import JSON
import Model
import Testing

@Suite struct `A backup` {
    static let workflow = """
        sheaf: 1
        name: backup
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            strategy:
              matrix:
                kind: [a, b]
            steps:
              - run: |
                  echo '{"accuracy": {"kind": "ratio", "numerator": 9, "denominator": 10}}' > metrics.json
                  echo kept > kept.txt
              - uses: actions/upload-artifact@v4
                with: {name: kept, path: kept.txt}
            metrics: metrics.json
        gates:
          floor: {metric: accuracy, per: cell, at-least: 0.85}
        """

    @Test func `made while the farm works restores every verdict, and gives no number twice`() async throws {
        try await withFarm { farm in
            let workflow = try farm.write("code/eval.yml", Self.workflow)
            try await farm.startAgent("one", cpus: 1)
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 0)
            let backup = farm.folder + "/backup"
            let first = try await farm.sheaf("backup", "--state", farm.folder + "/farm", "--into", backup)
            #expect(first.status == 0, "\(first.error)")
            // This run is lost with the machine.
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 0)
            let report = try await farm.sheaf("report", "r1", "--format", "json")
            let export = try await farm.sheaf("export", "r1")

            await farm.killCoordinator()
            try FileManager.default.removeItem(atPath: farm.folder + "/farm")
            let restored = try await farm.sheaf("restore", "--from", backup, "--state", farm.folder + "/farm")
            #expect(restored.status == 0, "\(restored.error)")
            #expect(
                restored.output.contains("for enrolment, unused in the backup, made void")
                    && restored.output.contains("revoke again whom you have revoked since"), "\(restored.output)")
            let again = try await farm.sheaf("restore", "--from", backup, "--state", farm.folder + "/farm")
            #expect(again.status == 2 && again.error.contains("is not empty"), "\(again.error)")

            // The same addresses and the same authority: the agent finds its way back by itself.
            try await farm.startCoordinator()
            #expect(try await farm.sheaf("report", "r1", "--format", "json").output == report.output)
            #expect(try await farm.sheaf("export", "r1").output == export.output)
            let got = try await farm.sheaf("artifacts", "get", "r1", "--into", farm.folder + "/got")
            #expect(got.status == 0, "\(got.error)")
            let text = try String(contentsOfFile: farm.folder + "/got/kept/a/kept.txt", encoding: .utf8)
            #expect(text == "kept\n")
            #expect(try await farm.sheaf("status", "r2").status != 0)
            let next = try await farm.sheaf("submit", workflow, "--wait")
            #expect(next.status == 0 && next.error.contains("r100002 is on its way"), "\(next.error)")
        }
    }

    /// Shards had passed, ran and waited when it was made. Its run goes on from there, with agents that have done more
    /// since, and comes to what it came to without.
    @Test(.timeLimit(.minutes(10))) func `made in the middle of a run restores one that ends as that one did`()
        async throws
    {
        try await withFarm(lease: 4) { farm in
            let (state, backup) = (farm.folder + "/farm", farm.folder + "/backup")
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 3))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            gate.letGo(2)
            #expect(await gate.started(2).count == 2)
            let copied = try await farm.sheaf("backup", "--state", state, "--into", backup)
            #expect(copied.status == 0, "\(copied.error)")
            gate.letGo(4)
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let results = try await Self.results(farm)
            #expect(results.count == 6)

            await farm.killCoordinator()
            try FileManager.default.removeItem(atPath: state)
            let restored = try await farm.sheaf("restore", "--from", backup, "--state", state)
            #expect(restored.status == 0, "\(restored.error)")
            try await farm.startCoordinator()
            let before = try await farm.sheaf("status", "r1", "--format", "json").output
            #expect(before.contains(#""state": "running""#), "\(before)")
            gate.open()
            let again = try await farm.sheaf("watch", "r1")
            #expect(again.status == 0, "\(again.output)\(again.error)")
            #expect(try await Self.results(farm) == results)
            gate.close()
        }
    }

    /// What each shard came to, whichever attempt it took.
    private static func results(_ farm: RealFarm) async throws -> [String] {
        let export = try await farm.sheaf("export", "r1")
        #expect(export.status == 0, "\(export.error)")
        return try export.output.split(separator: "\n").dropFirst().map { line in
            let value = try JSONParser.value(String(line))
            let metrics = value["metrics"].map { "\($0)" } ?? "none"
            return "\(value["cell_id"]?.string ?? "?")/\(Int(value["shard"]?.number ?? -9)) "
                + "\(value["cause"]?.string ?? "?") \(metrics)"
        }.sorted()
    }

    /// Of those who came since the copy the agent goes on trying, and is taken in as soon as it has a token that is good.
    @Test func `restored lets go of no agent that it does not know, and takes it in anew`() async throws {
        try await withFarm { farm in
            let (state, backup) = (farm.folder + "/farm", farm.folder + "/backup")
            let copied = try await farm.sheaf("backup", "--state", state, "--into", backup)
            #expect(copied.status == 0, "\(copied.error)")
            let itself = try await farm.sheaf("backup", "--state", state, "--into", state)
            #expect(itself.status == 2 && itself.error.contains("give --into another folder"), "\(itself.error)")
            // Without the token from here on, as a start after the first one may be.
            try await farm.startAgent("late", cpus: 1)
            await farm.killAgent("late")
            await farm.killCoordinator()
            try FileManager.default.removeItem(atPath: state)
            #expect(try await farm.sheaf("restore", "--from", backup, "--state", state).status == 0)
            try await farm.startCoordinator()
            let home = farm.folder + "/agents/late"
            let words = ["agent", "--home", home + "/home", "--work", home + "/work", "--cpus", "1", "--same-user"]
            let trying = try Running(RealFarm.sheaf, words, log: farm.folder + "/trying.log")
            for _ in 0..<2 { _ = try await trying.line(with: "has no record of the certificate") }
            await trying.kill()
            let token = try await farm.token("agent", "late")
            let anew = try Running(RealFarm.sheaf, words + ["--token-file", token], log: farm.folder + "/anew.log")
            _ = try await anew.line(with: "enrolled anew")
            _ = try await anew.line(with: "joined")
            await anew.kill()
        }
    }

    @Test func `that is not whole is refused`() async throws {
        let farm = try RealFarm()
        try farm.write("half/store.sqlite", "")
        let refused = try await farm.sheaf("restore", "--from", farm.folder + "/half", "--state", farm.folder + "/new")
        #expect(refused.status == 2 && refused.error.contains("is no whole backup"), "\(refused.error)")
        #expect(!FileManager.default.fileExists(atPath: farm.folder + "/new"))
        let nothing = try await farm.sheaf(
            "backup", "--state", farm.folder + "/absent", "--into", farm.folder + "/backup")
        #expect(nothing.status == 2 && nothing.error.contains("there is no store"), "\(nothing.error)")
        await farm.end()
    }
}
