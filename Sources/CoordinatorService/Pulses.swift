import Locks
import Model

/// Tells whoever watches a run that something of it has changed: a state, or a log.
///
/// A pulse carries nothing; many between two looks are one.
final class Pulses: Sendable {
    /// Between two looks of one watcher, so that a run that changes all the time is not looked at all the time.
    static let pause = Duration.milliseconds(100)

    private struct Watcher {
        var continuation: AsyncStream<Void>.Continuation
        var pause: Task<Void, Never>?
        var isLast = false
    }

    private struct State {
        var next = 0
        var watchers: [RunID: [Int: Watcher]] = [:]
    }

    private let state = Mutex(State())

    /// Looks at once, and again after changes, until `look` says that it has seen all. There is a pause between two looks,
    /// which the run's end cuts short: the last look is not late.
    ///
    /// - Parameter look: returns true when there is nothing more to see.
    func watch(_ run: RunID, _ look: () async throws -> Bool) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.next += 1
            state.watchers[run, default: [:]][state.next] = Watcher(continuation: continuation)
            return state.next
        }
        defer {
            state.withLock { state in
                state.watchers[run]?[number] = nil
                if state.watchers[run]?.isEmpty == true { state.watchers[run] = nil }
            }
        }
        continuation.yield()
        for await _ in stream {
            if try await look() { return }
            let pause = Task<Void, Never> {
                // Ended early by the run's end.
                try? await Task.sleep(for: Self.pause)
            }
            state.withLock { state in
                state.watchers[run]?[number]?.pause = pause
                if state.watchers[run]?[number]?.isLast == true { pause.cancel() }
            }
            await withTaskCancellationHandler {
                await pause.value
            } onCancel: {
                pause.cancel()
            }
        }
    }

    func changed(_ run: RunID) {
        let watchers = state.withLock { Array(($0.watchers[run] ?? [:]).values) }
        for watcher in watchers { watcher.continuation.yield() }
    }

    /// Changed for the last time.
    func ended(_ run: RunID) {
        let watchers = state.withLock { state in
            for number in (state.watchers[run] ?? [:]).keys { state.watchers[run]?[number]?.isLast = true }
            return Array((state.watchers[run] ?? [:]).values)
        }
        for watcher in watchers {
            watcher.continuation.yield()
            watcher.pause?.cancel()
        }
    }
}
