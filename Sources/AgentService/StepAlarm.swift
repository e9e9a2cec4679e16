import Glibc
import Locks
import Model

/// Ends a step's processes when its own time is over: TERM, then KILL. The rest of the attempt is left alone.
final class StepAlarm: Sendable {
    private let isLate = Mutex(false)
    private let task: Mutex<Task<Void, Never>?>

    /// - Parameter signal: reaches what the step has started, and says whether anybody was there; `nil`: its process, its
    ///   session, and what descends from it.
    init(
        _ process: StepProcess, after limit: Duration, grace: Duration,
        signal: (@Sendable (CInt) -> Bool)? = nil
    ) {
        let mayBeLate = signal != nil
        let signal =
            signal ?? {
                Self.signal($0, process)
                return true
            }
        task = Mutex(nil)
        // Cancelled by `stop`, which whoever waits for the step always calls.
        let sleeping = Task { [weak self] in
            guard (try? await Task.sleep(for: limit)) != nil, let self else { return }
            self.isLate.withLock { $0 = true }
            // An engine may not have come to start the step's program yet: it hears of it as soon as it has begun.
            while !signal(SIGTERM) {
                guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
            }
            guard (try? await Task.sleep(for: grace)) != nil else { return }
            _ = signal(SIGKILL)
            while mayBeLate {
                guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
                _ = signal(SIGKILL)
            }
        }
        task.withLock { $0 = sleeping }
    }

    private static let pause = Duration.milliseconds(50)

    /// - Returns: whether the step's time was over before it ended.
    func stop() -> Bool {
        task.withLock { $0?.cancel() }
        return isLate.withLock { $0 }
    }

    /// The process, its session, and what descends from it.
    private static func signal(_ number: CInt, _ process: StepProcess) {
        let table = ProcessTable()
        var pids = table.descendants(of: [process.pid])
        for entry in table.entries.values where entry.session == process.pid { pids.insert(entry.pid) }
        for pid in pids.sorted() { if let entry = table.entries[pid] { ProcessTable.signal(number, to: entry) } }
        process.signal(number)
    }
}
