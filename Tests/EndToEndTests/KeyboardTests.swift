import Foundation
import Testing

/// What a person does at the keyboard while a run is followed.
@Suite struct `Ctrl-C` {
    private func followed(
        _ farm: RealFarm, _ gate: Gate, _ body: (Running) async throws -> Void
    ) async throws {
        try await farm.startAgent("one", cpus: 1, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
        let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
        let process = try Running(
            RealFarm.sheaf, ["submit", workflow, "--wait"], environment: ["SHEAF_HOME": farm.adminHome], log: nil)
        #expect(await gate.started(1).count == 1)
        process.signal(SIGINT)
        _ = try await process.line(with: "Ctrl-C again cancels r1; otherwise it goes on without you")
        #expect(process.seen.last?.contains("To come back: sheaf watch r1") == true, "\(process.seen)")
        try await body(process)
    }

    @Test func `twice cancels the run, and says where its report is`() async throws {
        try await withFarm { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await followed(farm, gate) { process in
                process.signal(SIGINT)
                _ = try await process.line(with: "r1 is cancelled; its report: sheaf watch r1")
                #expect(await process.end() == 130)
            }
            let watched = try await farm.sheaf("watch", "r1")
            #expect(watched.status == 1, "\(watched.output)\(watched.error)")
            #expect(watched.output.contains("cancelled"), "\(watched.output)")
            gate.close()
        }
    }

    @Test func `once leaves, and the run goes on`() async throws {
        try await withFarm { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await followed(farm, gate) { process in
                // The time to think again goes by; SIGTERM would leave at once.
                #expect(await process.end() == 130)
            }
            gate.open()
            let watched = try await farm.sheaf("watch", "r1")
            #expect(watched.status == 0, "\(watched.output)\(watched.error)")
            gate.close()
        }
    }
}
