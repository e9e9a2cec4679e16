import Model
import Storage
import Testing
import Transport

@testable import CoordinatorService

@Suite struct `A change while the store takes none` {
    private static let full = StorageError.diskFull(path: "store.sqlite")

    @Test(.timeLimit(.minutes(10))) func `is told what the store says, and done when it can`() async throws {
        let store = GatedStore(refusing: [Self.full])
        let keeper = StoreKeeper(store, failed: { preconditionFailure("\($0)") })
        var arrivals = store.arrivals.makeAsyncIterator()
        let (stored, hasStored) = AsyncStream.makeStream(of: Void.self)
        // Refused at once; what is tried then waits at the gate.
        store.letOne()
        let patience = Patience(keeper: keeper, limit: .milliseconds(1))
        await #expect {
            try await patience.answer { () throws(LinkStatus) in
                await keeper.commit([.runNumbersLeftOut(below: RunID(2))])
                hasStored.yield()
            }
        } throws: { error in
            guard let status = error as? LinkStatus else { return false }
            return status.code == .unavailable && status.text.contains("store.sqlite: the disk is full")
        }
        #expect(store.commits.isEmpty && keeper.problem == Self.full)
        store.open()
        var ends = stored.makeAsyncIterator()
        await ends.next()
        #expect(store.commits == [1] && keeper.problem == nil)
        _ = await arrivals.next()
    }

    @Test(.timeLimit(.minutes(10))) func `is waited for while the store is only slow`() async throws {
        let store = GatedStore()
        let keeper = StoreKeeper(store, failed: { preconditionFailure("\($0)") })
        var arrivals = store.arrivals.makeAsyncIterator()
        async let answer = Patience(keeper: keeper, limit: .milliseconds(1)).answer { () throws(LinkStatus) in
            await keeper.commit([.runNumbersLeftOut(below: RunID(2))])
            return 7
        }
        _ = await arrivals.next()
        store.letOne()
        #expect(try await answer == 7)
    }

    @Test func `gives what the change refuses`() async throws {
        let keeper = StoreKeeper(MemoryStore(), failed: { preconditionFailure("\($0)") })
        await #expect(throws: LinkStatus(.conflict, "it has ended")) {
            try await Patience(keeper: keeper).answer { () throws(LinkStatus) -> Int in
                throw LinkStatus(.conflict, "it has ended")
            }
        }
    }
}
