import FaultyDisk
import Foundation
import Model
import Scheduling
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

@Suite struct `A report` {
    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            shards: 40
            steps: [{run: "true"}]
        """

    /// By the count of the disk below the store, from the moment at which the agent sends it until it has the answer.
    @Test(.timeLimit(.minutes(10))) func `that comes alone is acknowledged after exactly one sync`() async throws {
        let disk = try #require(faulty_disk_make())
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let anywhere = Address(host: "127.0.0.1", port: 0)
        var settings = CoordinatorServer.Settings(state: folder, listen: [anywhere], enrolmentListen: [anywhere])
        settings.disk = String(cString: faulty_disk_name(disk))
        // This agent sends no heartbeats.
        settings.coordinator.farm.lease = .minutes(60)
        let server = try await CoordinatorServer.start(settings, failed: { preconditionFailure("\($0)") })
        let loop = try EventLoop(name: "test-clients")
        let person = try await Link.connect(
            to: server.addresses[0], as: server.makeIdentity(for: Principal(role: .admin, name: "root")), on: loop)
        let agent = try await Link.connect(
            to: server.addresses[0], as: server.makeIdentity(for: Principal(role: .agent, name: "one")), on: loop)
        _ = try await person.call(
            Proto.Farm.SubmitRun.self,
            .with {
                $0.file = "eval.yml"
                $0.workflow = Self.workflow
                $0.key = "a-key-of-this-test"
            })
        let work = try await agent.open(Proto.Agents.Work.self)
        try await work.send(
            Proto.FromAgent.with {
                $0.kind = .joined(
                    .with {
                        $0.capacity = .with {
                            $0.cpus = 40
                            $0.labels = ["self-hosted"]
                        }
                    })
            })
        var offers: [Proto.AttemptRef] = []
        while offers.count < 40, let message = try await work.receive(Proto.ToAgent.self) {
            guard case .offer(let offer) = message.kind, let attempt = offer.assignment?.attempt else { continue }
            offers.append(attempt)
        }
        var counts: [Int64] = []
        // Not the last one: the run would end with it, and be judged.
        for attempt in offers.dropLast() {
            let before = faulty_disk_syncs(disk)
            let stored = try await agent.call(
                Proto.Agents.Report.self,
                .with {
                    $0.attempt = attempt
                    $0.cause = "passed"
                })
            counts.append(faulty_disk_syncs(disk) - before)
            #expect(stored.counted)
        }
        // Now and then the log is folded into the file after a commit: two syncs more, in none or one of these.
        #expect(counts.count == 39 && counts.count { $0 == 1 } >= 38, "\(counts)")
        await agent.close()
        await person.close()
        await server.stop()
    }
}
