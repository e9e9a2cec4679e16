import Foundation
import Model
import Scheduling
import Testing
import Transport
import Wire

@testable import CoordinatorService

@Suite struct `The first words of a connection that its agent gave up` {
    /// An agent connects, gives that up, connects again; what it said first on its first connection comes last.
    @Test(.timeLimit(.minutes(10))) func `are refused, and what it leases by its new one stays with it`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let anywhere = Address(host: "127.0.0.1", port: 0)
        var settings = CoordinatorServer.Settings(state: folder, listen: [anywhere], enrolmentListen: [anywhere])
        settings.coordinator.farm.lease = .minutes(60)
        let server = try await CoordinatorServer.start(settings, failed: { preconditionFailure("\($0)") })
        let loop = try EventLoop(name: "test-clients")
        let identity = try await server.makeIdentity(for: Principal(role: .agent, name: "one"))
        let old = try await Link.connect(to: server.addresses[0], as: identity, on: loop)
        let new = try await Link.connect(to: server.addresses[0], as: identity, on: loop)
        let person = try await Link.connect(
            to: server.addresses[0], as: server.makeIdentity(for: Principal(role: .admin, name: "root")), on: loop)
        let joined = Proto.FromAgent.with {
            $0.kind = .joined(
                .with {
                    $0.capacity = .with {
                        $0.cpus = 1
                        $0.labels = ["self-hosted"]
                    }
                })
        }
        let work = try await new.open(Proto.Agents.Work.self)
        try await work.send(joined)
        _ = try await person.call(
            Proto.Farm.SubmitRun.self,
            .with {
                $0.file = "eval.yml"
                $0.workflow = """
                    sheaf: 1
                    on: workflow_dispatch
                    jobs: {eval: {runs-on: self-hosted, steps: [{run: ls}]}}
                    """
                $0.key = "a-key-of-this-test"
            })
        let attempt = try await Self.offered(work)
        try await work.send(Proto.FromAgent.with { $0.kind = .started(.with { $0.attempt = attempt }) })

        let late = try await old.open(Proto.Agents.Work.self)
        try await late.send(joined)
        let refusal = await #expect(throws: LinkError.self) {
            while try await late.receive(Proto.ToAgent.self) != nil {}
        }
        #expect("\(refusal as (any Error)?)".contains("the agent has connected again since"))
        // The attempt is the agent's as before: what it reports by its new connection counts.
        let stored = try await new.call(
            Proto.Agents.Report.self,
            .with {
                $0.attempt = attempt
                $0.cause = "passed"
            })
        #expect(stored.counted)
        await old.close()
        await new.close()
        await person.close()
        await server.stop()
    }

    private static func offered(_ work: LinkStream) async throws -> Proto.AttemptRef? {
        while let message = try await work.receive(Proto.ToAgent.self) {
            if case .offer(let offer) = message.kind { return offer.assignment?.attempt }
        }
        return nil
    }
}
