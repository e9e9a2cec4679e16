import Glibc

/// A lock that many threads may hold together, or one of them alone. Who wants it alone waits for those that have it, and for nobody
/// who comes later. Over a lock of the C library, as `Mutex` is.
@safe
package final class SharedLock: Sendable {
    // Made once, never changed: only the C library looks behind it.
    private nonisolated(unsafe) let handle: UnsafeMutablePointer<pthread_rwlock_t>

    package init() {
        unsafe handle = .allocate(capacity: 1)
        unsafe handle.initialize(to: pthread_rwlock_t())
        var attributes = pthread_rwlockattr_t()
        _ = unsafe pthread_rwlockattr_init(&attributes)
        _ = unsafe pthread_rwlockattr_setkind_np(
            &attributes, CInt(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP))
        let failure = unsafe pthread_rwlock_init(handle, &attributes)
        _ = unsafe pthread_rwlockattr_destroy(&attributes)
        precondition(failure == 0, "a lock is always made")
    }

    deinit {
        _ = unsafe pthread_rwlock_destroy(handle)
        unsafe handle.deallocate()
    }

    /// Calls `body` while nobody has the lock alone. Not to be entered again from within `body`.
    package func together<Result>(_ body: () -> Result) -> Result {
        let failure = unsafe pthread_rwlock_rdlock(handle)
        precondition(failure == 0, "a lock that lives can be taken")
        defer { _ = unsafe pthread_rwlock_unlock(handle) }
        return body()
    }

    /// Calls `body` while nobody else has the lock.
    package func alone<Result>(_ body: () -> Result) -> Result {
        let failure = unsafe pthread_rwlock_wrlock(handle)
        precondition(failure == 0, "a lock that lives can be taken")
        defer { _ = unsafe pthread_rwlock_unlock(handle) }
        return body()
    }
}
