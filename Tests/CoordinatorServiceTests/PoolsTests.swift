import Artifacts
import Foundation
import Model
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

/// Admins say whose code agents take, and the store remembers.
@Suite struct `The pools of a farm` {
    private static let admin = Principal(role: .admin, name: "root")
    private let store = MemoryStore()
    private let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-pools-\(UUID().uuidString)").path

    /// A coordinator on the store, as it is after a start.
    private func coordinator() async throws -> Coordinator {
        let keeper = StoreKeeper(store, failed: { preconditionFailure("\($0)") })
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let objects = try ObjectStore(at: folder + "/\(UUID().uuidString)")
        let library = RunLibrary(keeper: keeper, store: objects, clock: FarmClock())
        let coordinator = Coordinator(
            settings: Coordinator.Settings(), keeper: keeper, logs: LogStore(folder: folder + "/logs"),
            pulses: Pulses(),
            clock: FarmClock(), seed: 1, judge: { await library.judge($0) }, hold: { _, _ in nil })
        #expect(try await coordinator.recover(trees: objects) == [])
        return coordinator
    }

    private func seen(_ name: String) throws {
        try store.commit([
            .agentSeen(
                AgentRecord(name: name, team: nil, capacity: [], software: "sheaf", lastSeenAt: .seconds(1_000)))
        ])
    }

    private static let untrusted = Plan(
        name: "a", file: "a.yml", jobs: [], untrusted: "the pull request comes from a fork")

    @Test func `are set, filled and found again by the next coordinator`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try seen("a")
        try seen("b")
        let first = try await coordinator()
        #expect(await first.allPools == [.standard])
        // Nobody takes strangers' code until somebody says so: they hear of it at once.
        let refusal = try #require(await first.refusal(of: Self.untrusted))
        #expect(refusal.text.contains("a fork, and no agent of this farm is in a pool that takes untrusted runs"))
        #expect(await first.refusal(of: Plan(name: "a", file: "a.yml", jobs: [])) == nil)
        let forks = Pool(name: "forks", allowsUntrusted: true)
        try await first.set(forks, by: Self.admin)
        #expect(await first.refusal(of: Self.untrusted) != nil, "a pool without agents takes nothing")
        #expect(try await first.move("a", to: "forks", by: Self.admin).pool?.allowUntrusted == true)
        #expect(await first.refusal(of: Self.untrusted) == nil)
        #expect(store.pools() == [forks] && store.agents().map(\.pool) == ["forks", "default"])

        let second = try await coordinator()
        #expect(await second.pool(of: AgentID("a")) == forks)
        #expect(await second.pool(of: AgentID("b")) == .standard)
        #expect(await second.allPools == [.standard, forks])
        #expect(await second.refusal(of: Self.untrusted) == nil)
        try await second.set(Pool(name: "forks", allowsUntrusted: false), by: Self.admin)
        #expect(await second.refusal(of: Self.untrusted) != nil)
        let audited = store.audit(most: 10).map { "\($0.who): \($0.action) \($0.subject)" }
        #expect(
            audited.filter { $0.contains("pool") } == [
                "admin root: refuse untrusted pool forks", "admin root: move agent a to pool forks",
                "admin root: allow untrusted pool forks",
            ])
    }

    /// Under the name of an agent that was revoked another machine may come.
    @Test func `are left by an agent that is revoked`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try seen("a")
        let coordinator = try await coordinator()
        try await coordinator.set(Pool(name: "forks", allowsUntrusted: true), by: Self.admin)
        _ = try await coordinator.move("a", to: "forks", by: Self.admin)
        await coordinator.remove(AgentID("a"), reason: "sold")
        await coordinator.committed()
        #expect(store.agents().map(\.pool) == ["default"])
        #expect(await coordinator.refusal(of: Self.untrusted) != nil)
        await #expect(throws: LinkStatus.self) { try await coordinator.move("a", to: "forks", by: Self.admin) }
    }

    @Test func `have names, and agents are put into those that there are`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try seen("a")
        let coordinator = try await coordinator()
        await #expect(throws: LinkStatus.self) {
            try await coordinator.set(Pool(name: "a pool", allowsUntrusted: true), by: Self.admin)
        }
        await #expect(throws: LinkStatus.self) { try await coordinator.move("a", to: "forsk", by: Self.admin) }
        await #expect(throws: LinkStatus.self) { try await coordinator.move("z", to: "default", by: Self.admin) }
        #expect(store.pools() == [] && store.agents().map(\.pool) == ["default"])
        for number in 0..<Coordinator.poolsMax {
            try await coordinator.set(Pool(name: "p\(number)", allowsUntrusted: false), by: Self.admin)
        }
        await #expect(throws: LinkStatus.self) {
            try await coordinator.set(Pool(name: "more", allowsUntrusted: false), by: Self.admin)
        }
        // Those that there are can still be changed.
        try await coordinator.set(Pool(name: "p1", allowsUntrusted: true), by: Self.admin)
    }
}
