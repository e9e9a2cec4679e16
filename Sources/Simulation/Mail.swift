import Model

/// What is on its way between an agent and the coordinator.
///
/// Each connection keeps its order, in each direction: that is what the transport promises of control frames. Nothing is
/// promised between directions, agents, or an agent's earlier connection and its next one.
struct Mail: Sendable {
    var toCoordinator: [Int: [Happenings.FromAgent]] = [:]
    var toAgent: [Int: [Happenings.ToAgent]] = [:]
    /// When the last message of the present connection arrives.
    var lastToCoordinator = Instant.epoch
    var lastToAgent = Instant.epoch
    /// Until then nothing comes through.
    var cutToCoordinator = Instant.epoch
    var cutToAgent = Instant.epoch

    mutating func connect(at now: Instant) {
        lastToCoordinator = now
        lastToAgent = now
    }

    mutating func takeToCoordinator(of connection: Int) -> Happenings.FromAgent? {
        Self.take(connection, &toCoordinator)
    }

    mutating func takeToAgent(of connection: Int) -> Happenings.ToAgent? { Self.take(connection, &toAgent) }

    private static func take<Message>(_ connection: Int, _ mail: inout [Int: [Message]]) -> Message? {
        guard var waiting = mail.removeValue(forKey: connection), !waiting.isEmpty else { return nil }
        let message = waiting.removeFirst()
        if !waiting.isEmpty { mail[connection] = waiting }
        return message
    }
}

/// What went wrong in a world, counted for a test to see that it did.
package struct Troubles: Equatable, Sendable {
    package internal(set) var partitionsOfSeveral = 0
    package internal(set) var partitionsOneWay = 0
    /// For longer than a lease, and for less.
    package internal(set) var partitionsLong = 0
    package internal(set) var partitionsShort = 0
    /// Messages that came after one of a later connection of their agent.
    package internal(set) var overtaken = 0
    /// The coordinator's deaths while the store was at it, which then had all of it, and which had nothing.
    package internal(set) var deathsStored = 0
    package internal(set) var deathsUnstored = 0

    package init() {}

    package static func += (a: inout Self, b: Self) {
        a.partitionsOfSeveral += b.partitionsOfSeveral
        a.partitionsOneWay += b.partitionsOneWay
        a.partitionsLong += b.partitionsLong
        a.partitionsShort += b.partitionsShort
        a.overtaken += b.overtaken
        a.deathsStored += b.deathsStored
        a.deathsUnstored += b.deathsUnstored
    }
}
