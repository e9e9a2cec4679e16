import Foundation
import Testing

/// What the farm says of its agents, with real processes.
@Suite struct `A list of agents` {
    private func states(_ farm: RealFarm) async throws -> [String: String] {
        let text = try await farm.sheaf("agents").output
        let rows = text.split(separator: "\n").dropFirst().map { $0.split(separator: " ").map(String.init) }
        return Dictionary(rows.map { ($0[0], $0[1]) }, uniquingKeysWith: { first, _ in first })
    }

    @Test func `calls one that was drained so when it has left`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("a")
            try await farm.startAgent("b")
            #expect(try await states(farm) == ["a": "online", "b": "online"])
            #expect(try await farm.sheaf("agents", "drain", "a").status == 0)
            // It has nothing left to do, and ends.
            _ = await farm.agents["a"]?.end()
            await farm.killAgent("b")
            while try await states(farm) != ["a": "drained", "b": "lost"] {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    @Test func `keeps one whose certificate was revoked, until it comes with a new token`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("a")
            #expect(try await farm.sheaf("revoke", "--role", "agent", "--name", "a").status == 0)
            #expect(await farm.agents["a"]?.end() != 0)
            #expect(try await states(farm) == ["a": "revoked"])
            await farm.killCoordinator()
            try await farm.startCoordinator()
            #expect(try await states(farm) == ["a": "revoked"])

            // A new token beside the old identity makes a new one.
            let token = try await farm.token("agent", "a")
            try await farm.startAgent("a", "--token-file", token)
            #expect(try await states(farm) == ["a": "online"])
            // Later starts take no notice of the token: the identity is good again.
            await farm.killAgent("a")
            try await farm.startAgent("a", "--token-file", token)
            #expect(try await states(farm) == ["a": "online"])
        }
    }
}
