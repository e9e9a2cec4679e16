import Locks
import Model

/// Ports of the machine that services of attempts have: those that name the same one follow each other.
final class HostPorts: Sendable {
    struct Port: Hashable, Sendable {
        var number: UInt16
        var kind: ServicePort.Kind
    }

    private struct Waiter {
        var id: AttemptID
        var ports: Set<Port>
        var goOn: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var held: [AttemptID: Set<Port>] = [:]
        /// The first came first.
        var waiters: [Waiter] = []
        /// Whoever was cancelled before it came to wait.
        var cancelled: Set<AttemptID> = []

        func areFree(_ ports: Set<Port>) -> Bool { held.values.allSatisfy { $0.isDisjoint(with: ports) } }
    }

    private let state = Mutex(State())

    /// - Returns: whether they were free, and are the attempt's now: all of them, or none.
    func takeAtOnce(_ ports: Set<Port>, for id: AttemptID) -> Bool {
        state.withLock { state in
            // Whoever waits for one of them comes first.
            guard state.areFree(ports), state.waiters.allSatisfy({ $0.ports.isDisjoint(with: ports) }) else {
                return false
            }
            state.held[id, default: []].formUnion(ports)
            return true
        }
    }

    /// Waits until all of them are free.
    ///
    /// - Throws: `CancellationError`; nothing is held then.
    func take(_ ports: Set<Port>, for id: AttemptID) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (goOn: CheckedContinuation<Void, any Error>) in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.waiters.append(Waiter(id: id, ports: ports, goOn: goOn))
                    return false
                }
                if isCancelled { goOn.resume(throwing: CancellationError()) } else { handOn() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                    if state.held[id] == nil { state.cancelled.insert(id) }
                    return nil
                }
                return state.waiters.remove(at: index)
            }
            waiter?.goOn.resume(throwing: CancellationError())
            handOn()
        }
    }

    /// The attempt needs its ports no more.
    func giveBack(of id: AttemptID) {
        state.withLock { state in
            state.held[id] = nil
            state.cancelled.remove(id)
        }
        handOn()
    }

    /// Gives what is free to those that wait for it, the first first; nobody is passed over for good.
    private func handOn() {
        let served = state.withLock { state in
            var served: [Waiter] = []
            var left: [Waiter] = []
            var promised: Set<Port> = []
            for waiter in state.waiters {
                if promised.isDisjoint(with: waiter.ports), state.areFree(waiter.ports) {
                    state.held[waiter.id, default: []].formUnion(waiter.ports)
                    served.append(waiter)
                } else {
                    promised.formUnion(waiter.ports)
                    left.append(waiter)
                }
            }
            state.waiters = left
            return served
        }
        for waiter in served { waiter.goOn.resume() }
    }
}
