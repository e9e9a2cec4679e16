import Foundation
import Testing

/// The protocol is what proto/sheaf.proto says: an agent in another language, made from it alone, does the work.
@Suite struct `A farm in other languages` {
    static let python = "/usr/bin/python3"

    /// Of the minor version before this one, made from its protocol file; of this one; and of the one after it, which has
    /// fields and messages that this farm does not know.
    @Test(arguments: [0, 1, 2])
    func `takes an agent that was made from the protocol file alone`(minor: Int) async throws {
        let imports = try await Finished.run(Self.python, ["-c", "import google.protobuf, cryptography"])
        try #require(imports.status == 0, "Debian's python3-protobuf and python3-cryptography are needed (make test)")
        try await withFarm { farm in
            let own = RealFarm.root.path + "/Tests/EndToEndTests/python_agent"
            let file = minor == 0 ? own + "/minor-0.proto" : RealFarm.root.path + "/proto/sheaf.proto"
            try FileManager.default.copyItem(atPath: file, toPath: farm.folder + "/sheaf.proto")
            let made = try await Finished.run(
                "/usr/bin/env",
                ["protoc", "--proto_path=\(farm.folder)", "--python_out=\(farm.folder)", "sheaf.proto"])
            try #require(made.status == 0, "\(made.error)")
            let agent = try Running(
                Self.python,
                [
                    "\(RealFarm.root.path)/Tests/EndToEndTests/python_agent/agent.py", farm.folder,
                    try await farm.token("agent", "snake"), "\(minor)",
                ], log: farm.folder + "/snake.log")
            _ = try await agent.line(with: "told welcome")
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: [self-hosted, python-agent]
                    shards: {count: 2}
                    steps:
                      - run: |
                          echo "shard $SHEAF_SHARD of $SHEAF_SHARD_COUNT"
                          echo '{"accuracy": {"kind": "ratio", "numerator": 9, "denominator": 10}}' > metrics.json
                    metrics: metrics.json
                gates:
                  floor: {metric: accuracy, per: cell, at-least: 0.9}
                """)
            let run = try await farm.sheaf("submit", workflow, "--wait")
            #expect(run.status == 0, "\(run.output)\(run.error)\(agent.seen)")
            let logs = try await farm.sheaf("logs", "r1")
            #expect(logs.output.contains("shard 0 of 2") && logs.output.contains("shard 1 of 2"), "\(logs.output)")
            let export = try await farm.sheaf("export", "r1")
            #expect(export.output.split(separator: "\n").count == 3, "\(export.output)")
            await agent.kill()
        }
    }
}
