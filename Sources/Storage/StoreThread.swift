private import Glibc

/// A thread of its own that runs jobs one after another: the executor of actors that call blocking C.
///
/// The thread lives as long as the process; make few.
package final class StoreThread: SerialExecutor {
    // Guarded by `mutex`, signalled by `condition`: what makes this class safe to share.
    private let state: State

    @safe private final class State: @unchecked Sendable {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        var jobs: [UnownedJob] = []

        init() {
            unsafe pthread_mutex_init(mutex, nil)
            unsafe pthread_cond_init(condition, nil)
        }

        func add(_ job: UnownedJob) {
            unsafe pthread_mutex_lock(mutex)
            jobs.append(job)
            unsafe pthread_cond_signal(condition)
            unsafe pthread_mutex_unlock(mutex)
        }

        /// Everything that waits; blocks while that is nothing.
        func take() -> [UnownedJob] {
            unsafe pthread_mutex_lock(mutex)
            while jobs.isEmpty { unsafe pthread_cond_wait(condition, mutex) }
            let taken = jobs
            jobs.removeAll(keepingCapacity: true)
            unsafe pthread_mutex_unlock(mutex)
            return taken
        }
    }

    package init() {
        let state = State()
        self.state = state
        let start = Start(state: state)
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        let result = unsafe pthread_create(
            &thread, &attributes,
            { context in
                guard let context = unsafe context else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                start.run()
            }, Unmanaged.passRetained(start).toOpaque())
        unsafe pthread_attr_destroy(&attributes)
        precondition(result == 0, "a thread can be made")
        start.executor = self
        start.ready()
    }

    package func enqueue(_ job: consuming ExecutorJob) { state.add(UnownedJob(job)) }

    /// What the new thread is given: it begins once its executor is known.
    @safe private final class Start: @unchecked Sendable {
        private let state: State
        // Written before `ready`, read after it.
        var executor: StoreThread?
        private let gate = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init(state: State) {
            self.state = state
            unsafe sem_init(gate, 0, 0)
        }

        func ready() { unsafe sem_post(gate) }

        func run() -> Never {
            while unsafe sem_wait(gate) != 0 {}
            guard let executor else { preconditionFailure("the executor is set before the thread is let go") }
            let reference = unsafe executor.asUnownedSerialExecutor()
            while true {
                for job in state.take() { unsafe job.runSynchronously(on: reference) }
            }
        }
    }
}
