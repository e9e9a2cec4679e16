import Model
import Testing
import Transport
import Wire

@testable import AgentService

/// A farm of its own: others must not be refused with it.
@Suite struct `An attempt whose farm has a full disk` {
    private static let full = LinkStatus(.unavailable, "the farm's disk is full: writing an object")

    private func workshop(waitsMax: Int) async throws -> (Workshop, FakeFarm) {
        let farm = try await FakeFarm()
        farm.line.set(try await Link.connect(to: farm.server.addresses[0], as: farm.agent, on: farm.loop))
        let workshop = try await Workshop {
            $0.objects = FarmObjects(line: farm.line, waitsMax: waitsMax, pause: .milliseconds(1))
        }
        return (workshop, farm)
    }

    @Test func `waits, says so, and loses nothing`() async throws {
        let (workshop, farm) = try await workshop(waitsMax: 3_600)
        farm.objects.refuse(500, Self.full)
        let ended = try await workshop.attempt([
            run("echo 1 > predictions.csv"),
            uses("actions/upload-artifact", ["name": "predictions", "path": "predictions.csv"]),
        ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.report.artifacts.map(\.name) == ["predictions"])
        #expect(ended.said.count { $0 == "waits for the farm: the farm's disk is full: writing an object" } == 1)
        #expect(ended.said.contains("the farm goes on"), "\(ended.said)")
        await farm.server.stop()
    }

    @Test func `ends with a fault of the farm's when that lasts too long`() async throws {
        let (workshop, farm) = try await workshop(waitsMax: 20)
        farm.objects.refuse(.max, Self.full)
        let ended = try await workshop.attempt([
            run("echo 1 > predictions.csv"),
            uses("actions/upload-artifact", ["name": "predictions", "path": "predictions.csv"]),
        ])
        let cause = try #require(Cause.Kind(rawValue: ended.report.cause))
        #expect(cause == .agentFault && cause.isInfrastructure)
        #expect(ended.report.evidence.contains("20 times") && ended.report.evidence.contains("disk is full"))
        await farm.server.stop()
    }
}
