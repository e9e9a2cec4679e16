package import Glibc

/// A value that one thread at a time may touch: `Synchronization.Mutex` in its shape, over a lock of the C library.
///
/// Why not that one: Thread Sanitizer knows the C library's locks and not the futex within Swift's, and then calls every
/// value behind it a race (docs/decisions/0005-sanitizers.md). What is shipped is what the sanitizer has seen.
@safe
package struct Mutex<Value: ~Copyable>: ~Copyable {
    @usableFromInline let handle: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline let value: UnsafeMutablePointer<Value>

    @inlinable
    package init(_ initial: consuming sending Value) {
        unsafe handle = .allocate(capacity: 1)
        unsafe value = .allocate(capacity: 1)
        unsafe handle.initialize(to: pthread_mutex_t())
        unsafe value.initialize(to: initial)
        let failure = unsafe pthread_mutex_init(handle, nil)
        precondition(failure == 0, "a lock with default attributes is always made")
    }

    @inlinable
    deinit {
        unsafe pthread_mutex_destroy(handle)
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
        unsafe handle.deallocate()
    }

    /// Calls `body` with the value while no other thread has it. Not to be entered again from within `body`.
    @inlinable
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        let failure = unsafe pthread_mutex_lock(handle)
        precondition(failure == 0, "a lock that lives can be taken")
        defer { _ = unsafe pthread_mutex_unlock(handle) }
        return try unsafe body(&value.pointee)
    }
}

/// Its value is reached by the holder of the lock alone.
extension Mutex: @unchecked Sendable where Value: ~Copyable {}
