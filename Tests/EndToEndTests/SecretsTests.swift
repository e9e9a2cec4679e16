import Foundation
import Glibc
import Testing

/// `sheaf run --secrets`: from the file to the step, and nowhere else.
@Suite struct `Secrets of a run on one's own machine` {
    private static let workflow = """
        on: push
        jobs:
          use:
            runs-on: ubuntu-latest
            timeout-minutes: 2
            env: {KEY: "${{ secrets.API_KEY }}"}
            steps:
              - run: test ${#KEY} = 19 && echo "it is $KEY" && echo "$KEY" > kept.txt
              - uses: actions/upload-artifact@v4
                continue-on-error: true
                with: {name: kept, path: kept.txt}
          never:
            if: github.event_name == 'release'
            runs-on: [self-hosted, nowhere]
            timeout-minutes: 2
            steps: [{run: "echo ${{ secrets.OTHER }} | wc -c"}]
        """

    @Test(.timeLimit(.minutes(10))) func `reach steps, and stay out of the state of the farm`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-own-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/code", withIntermediateDirectories: true)
        let (file, held, state) = (folder + "/code/own.yml", folder + "/held", folder + "/state")
        try Data(Self.workflow.utf8).write(to: URL(filePath: file))
        try Data("API_KEY=squeamish-ossifrage\n".utf8).write(to: URL(filePath: held))
        func sheaf(_ arguments: String...) async throws -> Finished {
            try await Finished.run(
                RealFarm.sheaf, arguments + ["--state", state], environment: ["SHEAF_HOME": folder + "/nobody"])
        }

        let without = try await sheaf("run", file)
        #expect(
            without.status == 2 && without.error.contains("use: no agent has label secret:api_key"), "\(without.error)")
        // A job that does not run asks for nothing.
        #expect(!without.error.contains("nowhere") && !without.error.contains("secret:other"), "\(without.error)")
        #expect(chmod(held, 0o644) == 0)
        let open = try await sheaf("run", file, "--secrets", held)
        #expect(open.status == 2 && open.error.contains("chmod 600"), "\(open.error)")
        #expect(chmod(held, 0o600) == 0)

        let run = try await sheaf("run", file, "--secrets", held)
        #expect(run.status == 0, "\(run.output)\(run.error)")
        let logs = try await sheaf("logs", "r1")
        #expect(logs.output.contains("it is ***") && logs.output.contains("would give away a secret"), "\(logs.output)")
        #expect(try await sheaf("artifacts", "ls", "r1").output.contains("kept") == false)
        var looked = 0
        for case let place as URL in FileManager.default.enumerator(
            at: URL(filePath: state), includingPropertiesForKeys: nil) ?? .init()
        {
            guard let bytes = try? Data(contentsOf: place) else { continue }
            looked += 1
            #expect(bytes.range(of: Data("squeamish".utf8)) == nil, "\(place.path)")
        }
        #expect(looked > 5)
    }
}

/// Agents hold different secrets, or none: who holds what a shard reads gets it.
@Suite struct `Secrets of a farm of several agents` {
    private static let workflow = """
        on: workflow_dispatch
        jobs:
          one:
            runs-on: self-hosted
            timeout-minutes: 5
            strategy: {matrix: {x: [1, 2, 3, 4]}}
            steps:
              - run: test ${#KEY} = 19 && echo "on $RUNNER_NAME"
                env: {KEY: "${{ secrets.API_KEY }}"}
          two:
            runs-on: self-hosted
            timeout-minutes: 5
            steps: [{run: "test ${{ secrets.OTHER }} = tabernacle && echo on $RUNNER_NAME"}]
        """

    @Test(.timeLimit(.minutes(5))) func `reach the shards that read them, on agents that hold them alone`() async throws
    {
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow)
            let held = try farm.write("held", "API_KEY=squeamish-ossifrage\n")
            let other = try farm.write("other", "other=tabernacle\n")
            #expect(chmod(held, 0o600) == 0 && chmod(other, 0o600) == 0)
            // The one with the most room holds nothing.
            try await farm.startAgent("bare", cpus: 8)
            let submitted = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code")
            #expect(submitted.status == 0, "\(submitted.output)\(submitted.error)")
            for (part, name) in [("one/_1", "api_key"), ("two", "other")] {
                let why = try await farm.sheaf("explain", "r1/\(part)")
                #expect(why.output.contains("no agent has label secret:\(name)"), "\(why.output)\(why.error)")
            }
            try await farm.startAgent("holder", cpus: 1, "--secrets", held)
            try await farm.startAgent("third", cpus: 1, "--secrets", other)
            let ended = try await farm.sheaf("watch", "r1")
            #expect(ended.status == 0, "\(ended.output)\(ended.error)")
            for x in 1...4 {
                let log = try await farm.sheaf("logs", "r1/one/_\(x)")
                #expect(log.output.contains("on holder"), "\(log.output)\(log.error)")
            }
            #expect(try await farm.sheaf("logs", "r1/two").output.contains("on third"))
        }
    }
}
