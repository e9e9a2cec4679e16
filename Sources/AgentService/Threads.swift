import CLinux
import Glibc

/// Starts a detached thread that runs `body` to its end. Signals go to other threads.
func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let box = unsafe Unmanaged.passRetained(ThreadBody(name: name, body: body)).toOpaque()
    var thread = pthread_t()
    let failure = unsafe pthread_create(
        &thread, nil,
        { argument in
            guard let argument = unsafe argument else { return nil }
            let box = unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
            unsafe clinux_become_device_thread(box.name)
            box.body()
            return nil
        }, box)
    precondition(failure == 0, "the system gives no thread (error \(failure))")
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// The executor of an actor that calls what blocks: one thread of its own, so that Swift's pool never waits for it. The
/// thread lives as long as somebody holds the executor.
final class ThreadExecutor: SerialExecutor {
    private let queue = JobQueue()

    init(name: String) { startThread(name) { [queue] in queue.serve() } }
    deinit { queue.close() }

    func enqueue(_ job: consuming ExecutorJob) {
        // The executor stays until the job has run.
        queue.add(UnownedJob(job), self)
    }
}

@safe private final class JobQueue: @unchecked Sendable {
    // Everything below is touched under `mutex` alone.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [(UnownedJob, ThreadExecutor)] = []
    private var isClosed = false

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        _ = unsafe pthread_mutex_init(mutex, nil)
        _ = unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        _ = unsafe pthread_mutex_destroy(mutex)
        _ = unsafe pthread_cond_destroy(condition)
        unsafe mutex.deallocate()
        unsafe condition.deallocate()
    }

    func add(_ job: UnownedJob, _ executor: ThreadExecutor) {
        _ = unsafe pthread_mutex_lock(mutex)
        jobs.append((job, executor))
        _ = unsafe pthread_cond_signal(condition)
        _ = unsafe pthread_mutex_unlock(mutex)
    }

    func close() {
        _ = unsafe pthread_mutex_lock(mutex)
        isClosed = true
        _ = unsafe pthread_cond_signal(condition)
        _ = unsafe pthread_mutex_unlock(mutex)
    }

    func serve() {
        while true {
            _ = unsafe pthread_mutex_lock(mutex)
            while jobs.isEmpty && !isClosed { _ = unsafe pthread_cond_wait(condition, mutex) }
            let batch = jobs
            jobs = []
            _ = unsafe pthread_mutex_unlock(mutex)
            if batch.isEmpty { return }
            for (job, executor) in batch { unsafe job.runSynchronously(on: executor.asUnownedSerialExecutor()) }
        }
    }
}
