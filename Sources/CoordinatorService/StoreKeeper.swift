import Artifacts
package import Storage

/// The one writer of the store, on a thread of its own; and reads, on threads that may wait.
package actor StoreKeeper {
    nonisolated private let thread = StoreThread()
    nonisolated package let storage: any Storage
    private let failed: @Sendable (StorageError) -> Never

    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    /// - Parameter failed: ends the process. A commit that failed, or whose outcome nobody knows, leaves the memory and the
    ///   store apart; the next start takes the store's side.
    package init(_ storage: any Storage, failed: @escaping @Sendable (StorageError) -> Never) {
        self.storage = storage
        self.failed = failed
    }

    /// Back when the changes are durable.
    func commit(_ changes: [Change]) {
        do throws(StorageError) { try storage.commit(changes) } catch { failed(error) }
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
