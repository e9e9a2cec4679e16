import Glibc
import Locks

/// Threads for what blocks or computes long: reading and syncing files, hashing, compressing. Swift's own pool never
/// waits for them, and the event loops' threads come before them.
package final class DiskThreads: Sendable {
    /// For what somebody waits for. Used by the whole process; its threads live as long as that.
    package static let shared = DiskThreads(count: widthStandard, niceness: 0)
    /// For the contents of artifacts, of which there can be any amount: nothing else waits behind them.
    package static let bulk = DiskThreads(count: widthStandard, niceness: 5)

    private static var widthStandard: Int { max(2, min(16, sysconf(CInt(_SC_NPROCESSORS_ONLN)))) }

    /// How nice the threads are to the event loops, and to those for which somebody waits.
    private let niceness: CInt

    private typealias Work = @Sendable () -> Void

    private struct State {
        var waiting: [Work] = []
        var next = 0
    }

    private let state = Mutex(State())
    private let signal: Semaphore

    private init(count: Int, niceness: CInt) {
        self.niceness = niceness
        signal = Semaphore()
        for _ in 0..<count {
            let argument = unsafe Unmanaged.passRetained(self).toOpaque()
            var thread = pthread_t()
            let failure = unsafe pthread_create(
                &thread, nil,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    unsafe Unmanaged<DiskThreads>.fromOpaque(argument).takeRetainedValue().serve()
                    return nil
                }, argument)
            precondition(failure == 0, "the system gives no threads: \(SystemCode.text(failure))")
            pthread_detach(thread)
        }
    }

    /// Does the work on one of the threads. Waiting for it does not end early when the task is cancelled: work is a
    /// chunk or a file long.
    package func run<Value: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        // Handed over behind a lock of ours: of a continuation that is resumed before somebody waits for it, the runtime
        // does not tell Thread Sanitizer (docs/decisions/0005-sanitizers.md).
        let outcome = Outcome<Value, Failure>()
        await withCheckedContinuation { continuation in
            state.withLock { state in
                state.waiting.append {
                    outcome.set(Result { () throws(Failure) in try work() })
                    continuation.resume()
                }
            }
            signal.post()
        }
        return try outcome.take().get()
    }

    private final class Outcome<Value: Sendable, Failure: Error>: Sendable {
        private let result = Mutex<Result<Value, Failure>?>(nil)

        func set(_ value: Result<Value, Failure>) { result.withLock { $0 = value } }

        func take() -> Result<Value, Failure> {
            guard let value = result.withLock({ $0.take() }) else { preconditionFailure("the work is done") }
            return value
        }
    }

    private func serve() {
        // A thread's own niceness; only a wish, so a refusal does not matter.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
        while true {
            signal.wait()
            let work = state.withLock { state -> Work? in
                guard state.next < state.waiting.count else { return nil }
                let work = state.waiting[state.next]
                state.next += 1
                // Done work is let go in strides, so that taking the first costs the same however many wait.
                if state.next == state.waiting.count || state.next >= 1024 {
                    state.waiting.removeFirst(state.next)
                    state.next = 0
                }
                return work
            }
            work?()
        }
    }
}

/// A counting semaphore of the C library.
@safe private final class Semaphore: @unchecked Sendable {
    // sem_post and sem_wait may be called from any thread; the memory lives as long as the object.
    private let raw: UnsafeMutablePointer<sem_t>

    init() {
        unsafe raw = .allocate(capacity: 1)
        let failure = unsafe sem_init(raw, 0, 0)
        precondition(failure == 0, "the system gives no semaphore")
    }

    deinit {
        unsafe sem_destroy(raw)
        unsafe raw.deallocate()
    }

    func post() { _ = unsafe sem_post(raw) }
    func wait() { while unsafe sem_wait(raw) != 0 && errno == EINTR {} }
}
