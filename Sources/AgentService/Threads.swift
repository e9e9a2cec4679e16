import CLinux
import Glibc
import Model

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

    /// Calls `body` on the thread at an instant of `Clock.monotonic`, once; in place of what was to be called before.
    ///
    /// - Precondition: it is called on the thread, which is not woken for it.
    func ring(at instant: Instant, _ body: @escaping @Sendable () -> Void) { queue.ring(at: instant, body) }
}

@safe private final class JobQueue: @unchecked Sendable {
    // Everything below is touched under `mutex` alone.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [(UnownedJob, ThreadExecutor)] = []
    private var isClosed = false
    private var alarm: (at: Instant, body: @Sendable () -> Void)?

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        _ = unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        _ = unsafe pthread_condattr_init(&attributes)
        _ = unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        _ = unsafe pthread_cond_init(condition, &attributes)
        _ = unsafe pthread_condattr_destroy(&attributes)
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

    func ring(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
        _ = unsafe pthread_mutex_lock(mutex)
        alarm = instant == .distantFuture ? nil : (instant, body)
        _ = unsafe pthread_mutex_unlock(mutex)
    }

    /// Waits for a job, for the end, or for the alarm.
    ///
    /// - Returns: what the alarm calls, when its time has come.
    private func wait() -> (@Sendable () -> Void)? {
        while jobs.isEmpty && !isClosed {
            guard let alarm else {
                _ = unsafe pthread_cond_wait(condition, mutex)
                continue
            }
            let left = Clock.monotonic().duration(to: alarm.at)
            guard left > .zero else {
                self.alarm = nil
                return alarm.body
            }
            var until = timespec()
            _ = unsafe clock_gettime(CLOCK_MONOTONIC, &until)
            // That clock stands still while the machine sleeps, and the alarm's does not: it is looked at again and again.
            let nanoseconds = Int64(until.tv_nsec) + min(left, Self.lookAfter).wholeNanoseconds
            until.tv_sec += Int(nanoseconds / 1_000_000_000)
            until.tv_nsec = Int(nanoseconds % 1_000_000_000)
            _ = unsafe pthread_cond_timedwait(condition, mutex, &until)
        }
        return nil
    }

    private static let lookAfter = Duration.seconds(30)

    func serve() {
        while true {
            _ = unsafe pthread_mutex_lock(mutex)
            let ringing = wait()
            let batch = jobs
            jobs = []
            let isOver = isClosed
            _ = unsafe pthread_mutex_unlock(mutex)
            if let ringing {
                ringing()
            } else if batch.isEmpty && isOver {
                return
            }
            for (job, executor) in batch { unsafe job.runSynchronously(on: executor.asUnownedSerialExecutor()) }
        }
    }
}
