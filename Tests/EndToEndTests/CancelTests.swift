import Testing

/// What `sheaf cancel` ends, and what it leaves to clean up.
@Suite struct `A run that is cancelled` {
    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            steps:
              - run: echo here > "$FARM_GATE/started"; exec sleep 1000
          report:
            needs: eval
            runs-on: self-hosted
            steps: [{run: echo never}]
          clean:
            needs: eval
            if: always()
            runs-on: self-hosted
            steps: [{run: 'echo "swept after ${{ needs.eval.result }}"'}]
          linger:
            if: always()
            runs-on: self-hosted
            steps:
              - run: echo here > "$FARM_GATE/started"; exec sleep 1000
        """

    @Test(.timeLimit(.minutes(10)))
    func `lets jobs clean up whose condition holds all the same, and ends them by force`() async throws {
        try await withFarm { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", Self.workflow)
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            #expect(try await farm.sheaf("cancel", "r1", "--reason", "enough").status == 0)

            let agent = try #require(farm.agents["one"])
            _ = try await agent.line(with: "r1/2/0/0#1 ended: passed")
            let swept = try await farm.sheaf("logs", "r1/clean")
            #expect(swept.output.contains("swept after cancelled"), "\(swept.output)\(swept.error)")
            let explained = try await farm.sheaf("explain", "r1").output
            #expect(explained.contains("linger: shard 0: attempt 1 is on agent one"), "\(explained)")
            // What goes on is known after a restart too.
            await farm.killCoordinator()
            try await farm.startCoordinator()
            #expect(try await farm.sheaf("cancel", "r1", "--force").status == 0)
            let watched = try await farm.sheaf("watch", "r1")
            #expect(watched.status == 1, "\(watched.output)\(watched.error)")
            let ended = try await farm.sheaf("explain", "r1").output
            #expect(ended.contains("report: 0 of 1 shard settled"), "\(ended)")
            #expect(ended.contains("job linger: 1 cell, ended: cancelled"), "\(ended)")
            gate.close()
        }
    }

    /// A run's own: no person looks, and a coordinator that was killed meanwhile still knows it.
    @Test(.timeLimit(.minutes(10))) func `by its deadline ends what it has, and says so`() async throws {
        try await withFarm { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                deadline-minutes: 0.1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    steps:
                      - run: echo here > "$FARM_GATE/started"; exec sleep 1000
                  clean:
                    needs: eval
                    if: always()
                    runs-on: self-hosted
                    steps: [{run: 'echo "swept after ${{ needs.eval.result }}"'}]
                """)
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(1).count == 1)
            await farm.killCoordinator()
            try await farm.startCoordinator()
            let watched = try await farm.sheaf("watch", "r1")
            #expect(watched.status == 1, "\(watched.output)\(watched.error)")
            let explained = try await farm.sheaf("explain", "r1").output
            #expect(
                explained.contains("the run was cancelled by its deadline: 6 s have passed since the farm took it"),
                "\(explained)")
            #expect(try await farm.sheaf("logs", "r1/clean").output.contains("swept after cancelled"))
            gate.close()
        }
    }
}
