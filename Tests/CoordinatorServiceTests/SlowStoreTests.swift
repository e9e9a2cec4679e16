import Foundation
import Locks
import Model
import Scheduling
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

private final class Count: Sendable {
    private let value = Mutex(0)
    var now: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
}

/// What a coordinator's disk may do to it.
@Suite struct `A coordinator whose store` {
    private static func coordinator(_ keeper: StoreKeeper) -> Coordinator {
        Coordinator(
            settings: Coordinator.Settings(), keeper: keeper, logs: LogStore(folder: "/nowhere"), pulses: Pulses(),
            clock: FarmClock(), seed: 1, judge: { _ in preconditionFailure("nothing is judged here") },
            hold: { _, _ in preconditionFailure("nothing is judged here") })
    }

    private static func line(_ number: Int) -> Change {
        .audited(AuditRecord(at: .seconds(1), who: "alice", action: "submit", subject: "\(number)"))
    }

    /// A slow disk makes larger commits, not more of them, and nobody hears of anything before its commit.
    @Test(.timeLimit(.minutes(10))) func `is slow acknowledges late, decides on, and commits together`() async throws {
        let store = GatedStore()
        let coordinator = Self.coordinator(StoreKeeper(store, failed: { preconditionFailure("\($0)") }))
        var arrivals = store.arrivals.makeAsyncIterator()
        let acknowledged = Count()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await coordinator.store([Self.line(0)])
                await coordinator.committed()
                acknowledged.add()
            }
            #expect(await arrivals.next() == 1)
            for number in 1...200 {
                group.addTask {
                    await coordinator.store([Self.line(number)])
                    await coordinator.committed()
                    acknowledged.add()
                }
            }
            // It answers, and takes in what comes.
            #expect(await coordinator.agentSummaries().isEmpty)
            while await coordinator.pendingChanges < 200 { await Task.yield() }
            #expect(acknowledged.now == 0)
            store.letOne()
            #expect(await arrivals.next() == 200)
            store.letOne()
            await group.waitForAll()
        }
        #expect(store.commits == [1, 200])
        #expect(acknowledged.now == 201)
    }

    @Test(.timeLimit(.minutes(10))) func `is locked by another program for a while waits, says so once, and goes on`()
        async throws
    {
        let store = GatedStore(refusing: [.locked(path: "store.sqlite"), .diskFull(path: "store.sqlite")])
        let said = Mutex([String]())
        let keeper = StoreKeeper(
            store, remark: { text in said.withLock { $0.append(text) } }, failed: { preconditionFailure("\($0)") })
        for _ in 0..<3 { store.letOne() }
        await keeper.commit([Self.line(1)])
        #expect(store.commits == [1])
        let remarks = said.withLock { $0 }
        #expect(remarks.count == 2, "\(remarks)")
        #expect(remarks.first?.contains("another program keeps the database locked") == true, "\(remarks)")
        #expect(remarks.last?.contains("goes on") == true, "\(remarks)")
    }

    /// Memory and disk may differ then, and the disk is right.
    @Test func `fails ends the process`() async {
        await #expect(processExitsWith: .exitCode(9)) {
            let store = GatedStore(refusing: [.failed(operation: "COMMIT", reason: "disk I/O error")])
            store.letOne()
            await StoreKeeper(store, failed: { _ in exit(9) }).commit([Self.line(1)])
        }
    }
}

@Suite struct `An agent that does not read` {
    @Test(.timeLimit(.minutes(10))) func `loses its connection, and the farm no memory`() async throws {
        let authority = try Authority.make()
        let server = try await LinkServer.start(
            on: [Address(host: "127.0.0.1", port: 0)],
            as: authority.makeIdentity(for: Principal(role: .coordinator, name: "main")),
            admitting: .certified { _ in nil }, loops: [try EventLoop(name: "test-server")],
            handler: { stream, _, _ in
                let session = AgentSession(AgentID("mute"), on: stream.link)
                // Nobody writes them out: as if the other side never took one.
                for _ in 0...AgentSession.waitingMax { session.send(.drain(.init())) }
                // The stream stays open until the session has ended its connection.
                _ = try? await stream.receive()
            })
        let link = try await Link.connect(
            to: server.addresses[0], as: authority.makeIdentity(for: Principal(role: .agent, name: "mute")),
            on: try EventLoop(name: "test-agent"))
        let stream = try await link.open(Proto.Agents.Work.self)
        do {
            while try await stream.receive(Proto.ToAgent.self) != nil {}
            Issue.record("the stream ended without a word")
        } catch {
            #expect("\(error)".contains("the agent reads too slowly"), "\(error)")
        }
        await server.stop()
    }
}
