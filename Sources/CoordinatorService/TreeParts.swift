import Locks
import Model

/// The chunks that trees name, kept for as long as they are asked for: agents ask for one chunk at a time.
final class TreeParts: Sendable {
    /// Digests kept, over all trees.
    static let digestsMax = 1_000_000

    private struct State {
        var trees: [Digest: Set<Digest>] = [:]
        var count = 0
    }

    private let state = Mutex(State())

    func known(_ root: Digest) -> Set<Digest>? { state.withLock { $0.trees[root] } }

    func keep(_ root: Digest, _ chunks: Set<Digest>) {
        state.withLock { state in
            if state.count + chunks.count > Self.digestsMax {
                state.trees.removeAll(keepingCapacity: true)
                state.count = 0
            }
            if state.trees.updateValue(chunks, forKey: root) == nil { state.count += chunks.count }
        }
    }
}
