import Foundation
import Locks
import Model
import Scheduling
import Storage
import Testing

@testable import CoordinatorService

/// The other side of an outbox: remembers by key what it was told to do.
private final class Forge: OutsideWorld {
    enum Mood: Sendable { case good, forgetsToAnswer, hangs, refuses }

    private struct State {
        var happened: [String: Int] = [:]
        var searches = 0
        var mood: Mood
    }

    private let state: Mutex<State>
    /// Something was delivered, answered or not.
    let deliveries: AsyncStream<String>
    private let told: AsyncStream<String>.Continuation

    init(_ mood: Mood = .good) {
        state = Mutex(State(mood: mood))
        (deliveries, told) = AsyncStream.makeStream(of: String.self)
    }

    var happened: [String: Int] { state.withLock { $0.happened } }
    var searches: Int { state.withLock { $0.searches } }
    func become(_ mood: Mood) { state.withLock { $0.mood = mood } }

    func search(_ delivery: DeliveryRecord) async throws(OutsideFault) -> String? {
        state.withLock { state in
            state.searches += 1
            return state.happened[delivery.key].map { _ in "comment of \(delivery.key)" }
        }
    }

    func deliver(_ delivery: DeliveryRecord) async throws(OutsideFault) -> String {
        let mood = state.withLock { state in
            if state.mood != .refuses { state.happened[delivery.key, default: 0] += 1 }
            return state.mood
        }
        told.yield(delivery.key)
        switch mood {
        case .good: return "comment of \(delivery.key)"
        case .refuses: throw .refused("there is no such repository")
        case .forgetsToAnswer: throw .unknown("the connection was lost")
        case .hangs:
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
            throw .unknown("cancelled")
        }
    }
}

@Suite struct `What is to happen outside of the farm` {
    private static let now = Instant.seconds(1_700_000_000)

    private static func intent(_ key: String, kind: String = "comment") -> DeliveryRecord {
        DeliveryRecord(key: key, kind: kind, run: RunID(1), body: [1], intendedAt: now)
    }

    private static var brisk: Outbox.Settings {
        var settings = Outbox.Settings()
        settings.callMax = .milliseconds(20)
        settings.backoffFirst = .milliseconds(1)
        settings.giveUpAfter = .seconds(1_000_000_000)
        return settings
    }

    private static func pump(_ storage: any Storage, _ forge: Forge, _ settings: Outbox.Settings = brisk) -> OutboxPump
    {
        OutboxPump(
            keeper: StoreKeeper(storage, failed: { preconditionFailure("\($0)") }), clock: FarmClock(),
            consumers: ["comment": forge], settings: settings)
    }

    private static func ending(of key: String, in storage: any Storage) async throws -> DeliveryRecord.Ending {
        while true {
            if let ending = try storage.delivery(key: key)?.ending { return ending }
            await Task.yield()
        }
    }

    @Test(.timeLimit(.minutes(10))) func `is delivered once the decision that wants it is committed`() async throws {
        let (storage, forge) = (MemoryStore() as any Storage, Forge())
        let keeper = StoreKeeper(storage, failed: { preconditionFailure("\($0)") })
        let outbox = OutboxPump(keeper: keeper, clock: FarmClock(), consumers: ["comment": forge])
        let coordinator = Coordinator(
            settings: Coordinator.Settings(), keeper: keeper, logs: LogStore(folder: "/nowhere"), pulses: Pulses(),
            clock: FarmClock(), seed: 1, outbox: outbox, judge: { _ in preconditionFailure("nothing is judged here") },
            hold: { _, _ in preconditionFailure("nothing is judged here") })
        await coordinator.store([
            .audited(AuditRecord(at: Self.now, who: "alice", action: "submit", subject: "r1")),
            .deliveryIntended(Self.intent("a")),
        ])
        #expect(try await Self.ending(of: "a", in: storage).receipt == "comment of a")
        #expect(forge.happened == ["a": 1] && forge.searches == 0)
        #expect(try storage.delivery(key: "a")?.tries == 1)
        await outbox.stop()
    }

    /// Each commit is held back: the intent's, and the one that says that it is tried.
    @Test(.timeLimit(.minutes(10))) func `happens after both of its commits, and after neither alone`() async throws {
        let (storage, forge) = (GatedStore(), Forge())
        var arrivals = storage.arrivals.makeAsyncIterator()
        let keeper = StoreKeeper(storage, failed: { preconditionFailure("\($0)") })
        let outbox = OutboxPump(keeper: keeper, clock: FarmClock(), consumers: ["comment": forge])
        let coordinator = Coordinator(
            settings: Coordinator.Settings(), keeper: keeper, logs: LogStore(folder: "/nowhere"), pulses: Pulses(),
            clock: FarmClock(), seed: 1, outbox: outbox, judge: { _ in preconditionFailure("nothing is judged here") },
            hold: { _, _ in preconditionFailure("nothing is judged here") })
        await coordinator.store([.deliveryIntended(Self.intent("a"))])
        // The intent's commit; the note that it is tried, which only the pump makes.
        for _ in 0..<2 {
            #expect(await arrivals.next() == 1)
            for _ in 0..<200 { await Task.yield() }
            #expect(forge.happened.isEmpty && forge.searches == 0)
            storage.letOne()
        }
        var deliveries = forge.deliveries.makeAsyncIterator()
        #expect(await deliveries.next() == "a")
        #expect(try storage.delivery(key: "a")?.tries == 1)
        storage.open()
        #expect(try await Self.ending(of: "a", in: storage).receipt == "comment of a")
        await outbox.stop()
    }

    @Test(.timeLimit(.minutes(10))) func `does not happen when one of its commits fails`() async {
        await #expect(processExitsWith: .exitCode(9)) { try await Self.failing(at: 0) }
        await #expect(processExitsWith: .exitCode(9)) { try await Self.failing(at: 1) }
    }

    /// - Parameter good: commits that succeed before the one that fails.
    private static func failing(at good: Int) async throws {
        let (storage, forge) = (GatedStore(isOpen: true, failingAt: good), Forge())
        let (failures, failed) = AsyncStream.makeStream(of: StorageError.self)
        let keeper = StoreKeeper(
            storage,
            failed: { error in
                failed.yield(error)
                while true { sleep(1_000) }
            })
        let outbox = OutboxPump(keeper: keeper, clock: FarmClock(), consumers: ["comment": forge])
        let coordinator = Coordinator(
            settings: Coordinator.Settings(), keeper: keeper, logs: LogStore(folder: "/nowhere"), pulses: Pulses(),
            clock: FarmClock(), seed: 1, outbox: outbox, judge: { _ in preconditionFailure("nothing is judged here") },
            hold: { _, _ in preconditionFailure("nothing is judged here") })
        await coordinator.store([.deliveryIntended(intent("a"))])
        for await _ in failures { break }
        for _ in 0..<200 { await Task.yield() }
        exit(storage.commits.count == good && forge.happened.isEmpty && forge.searches == 0 ? 9 : 1)
    }

    @Test(.timeLimit(.minutes(10))) func `is found and not repeated when its answer was lost`() async throws {
        let (storage, forge) = (MemoryStore() as any Storage, Forge(.forgetsToAnswer))
        let outbox = Self.pump(storage, forge)
        try storage.commit([.deliveryIntended(Self.intent("a"))])
        await outbox.take([Self.intent("a")])
        #expect(try await Self.ending(of: "a", in: storage).receipt == "comment of a")
        #expect(forge.happened == ["a": 1] && forge.searches == 1)
        await outbox.stop()
    }

    @Test(.timeLimit(.minutes(10))) func `is taken up by the next coordinator when one dies in the middle`()
        async throws
    {
        let (storage, forge) = (MemoryStore() as any Storage, Forge(.hangs))
        let keys = (0..<5).map { "key-\($0)" }
        try storage.commit(keys.map { .deliveryIntended(Self.intent($0)) })
        var patient = Self.brisk
        patient.callMax = .seconds(3_600)
        patient.inFlightMax = 2
        let first = Self.pump(storage, forge, patient)
        try await first.recover()
        var deliveries = forge.deliveries.makeAsyncIterator()
        let begun = [await deliveries.next(), await deliveries.next()].compactMap(\.self)
        await first.stop()
        #expect(try storage.openDeliveries(after: nil, most: 10).count == 5)
        #expect(try begun.allSatisfy { try storage.delivery(key: $0)?.tries == 1 })

        forge.become(.good)
        let second = Self.pump(storage, forge)
        try await second.recover()
        for key in keys { #expect(try await Self.ending(of: key, in: storage).receipt == "comment of \(key)") }
        #expect(forge.happened == Dictionary(uniqueKeysWithValues: keys.map { ($0, 1) }))
        #expect(forge.searches == 2)
        await second.stop()
    }

    @Test(.timeLimit(.minutes(10))) func `is given up when it is refused, and waits when nobody delivers it`()
        async throws
    {
        let (storage, forge) = (MemoryStore() as any Storage, Forge(.refuses))
        let outbox = Self.pump(storage, forge)
        let intents = [Self.intent("a"), Self.intent("b", kind: "pigeon")]
        try storage.commit(intents.map { .deliveryIntended($0) })
        await outbox.take(intents)
        let ending = try await Self.ending(of: "a", in: storage)
        #expect(ending.receipt == nil && ending.reason == "there is no such repository")
        while try storage.delivery(key: "b")?.reason != "nobody delivers 'pigeon' on this farm" { await Task.yield() }
        #expect(try storage.delivery(key: "b")?.ending == nil)
        await outbox.stop()
    }
}
