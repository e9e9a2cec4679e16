import Artifacts
import Glibc
import Locks
package import Storage

/// The one writer of the store, on a thread of its own; and reads, on threads that may wait.
package actor StoreKeeper {
    nonisolated private let thread = StoreThread()
    nonisolated package let storage: any Storage
    private let remark: @Sendable (String) -> Void
    private let failed: @Sendable (StorageError) -> Never
    private let refusal = Mutex<StorageError?>(nil)

    /// Why the changes of the commit under way are not stored yet; `nil` while the store takes them.
    nonisolated var problem: StorageError? { refusal.withLock { $0 } }

    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    /// - Parameter remark: is told when the store begins to wait for a disk with room, and when it goes on.
    /// - Parameter failed: ends the process. A commit that failed for good, or whose outcome nobody knows, leaves the memory
    ///   and the store apart; the next start takes the store's side.
    package init(
        _ storage: any Storage, remark: @escaping @Sendable (String) -> Void = { _ in },
        failed: @escaping @Sendable (StorageError) -> Never
    ) {
        self.storage = storage
        self.remark = remark
        self.failed = failed
    }

    /// Back when the changes are durable.
    ///
    /// A full disk and a locked database leave nothing behind, and pass: the same changes are tried again until they are
    /// stored. To everyone else the store is slow that long: nothing is acknowledged, and no effect leaves.
    func commit(_ changes: [Change]) {
        var refusals = 0
        while true {
            do throws(StorageError) {
                try storage.commit(changes)
                break
            } catch {
                guard error.isPassing else { failed(error) }
                refusal.withLock { $0 = error }
                // Said again every minute.
                if refusals % 60 == 0 { remark("\(error); the coordinator waits, and acknowledges nothing until then") }
                refusals += 1
                // The thread is the writer's own.
                usleep(1_000_000)
            }
        }
        guard refusals > 0 else { return }
        refusal.withLock { $0 = nil }
        remark("the store has room again and goes on")
    }

    /// Reads what is committed.
    nonisolated func read<Answer: Sendable>(
        _ query: @escaping @Sendable (any Storage) throws(StorageError) -> Answer
    ) async throws(CoordinatorError) -> Answer {
        do throws(StorageError) {
            return try await DiskThreads.shared.run { [storage] () throws(StorageError) in try query(storage) }
        } catch {
            throw .store(error)
        }
    }
}
