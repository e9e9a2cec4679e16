import Locks
import Model

/// Tells whoever watches a run that something of it has changed: a state, or a log.
///
/// A pulse carries nothing; many between two looks are one.
final class Pulses: Sendable {
    private struct State {
        var next = 0
        var watchers: [RunID: [Int: AsyncStream<Void>.Continuation]] = [:]
    }

    private let state = Mutex(State())

    /// A stream that yields at once, and after each change.
    func changes(of run: RunID) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.next += 1
            state.watchers[run, default: [:]][state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in
                state.watchers[run]?[number] = nil
                if state.watchers[run]?.isEmpty == true { state.watchers[run] = nil }
            }
        }
        continuation.yield()
        return stream
    }

    func changed(_ run: RunID) {
        let watchers = state.withLock { Array(($0.watchers[run] ?? [:]).values) }
        for watcher in watchers { watcher.yield() }
    }
}
