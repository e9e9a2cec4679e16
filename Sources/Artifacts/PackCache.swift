import Locks
import Model

/// What earlier packings saw: which chunks the files of a unit gave. Files are recognised by device, inode, size and the
/// times of their last write and last change, so nothing is read to find out that nothing changed.
package final class PackCache: Sendable {
    /// Remembered units at most; beyond, the cache starts anew.
    package static let unitsMax = 100_000

    private let state = Mutex<[Digest: [ObjectRef]]>([:])

    package init() {}

    /// - Parameter sizeBytes: what the chunks must add up to.
    func recall(_ fingerprint: Digest?, sizeBytes: Int) -> [ObjectRef]? {
        guard let fingerprint, let chunks = state.withLock({ $0[fingerprint] }) else { return nil }
        return chunks.reduce(0) { $0 + $1.sizeBytes } == sizeBytes ? chunks : nil
    }

    func remember(_ fingerprint: Digest?, _ chunks: [ObjectRef]) {
        guard let fingerprint else { return }
        state.withLock { units in
            if units.count >= Self.unitsMax { units.removeAll() }
            units[fingerprint] = chunks
        }
    }
}

extension TreePlan {
    /// Files written less than this before the scan are not recognised later: a file system's clock may stand still
    /// between a write, our look, and the next write.
    static let settledNanoseconds: Int64 = 2_000_000_000

    /// Names the files of a unit as they are on this machine; `nil` when one was written just now.
    func fingerprint(of unit: Int) -> Digest? {
        var words: [UInt64] = []
        for entry in scan.found[units[unit].files] where entry.target == nil && entry.facts.sizeBytes > 0 {
            let facts = entry.facts
            let newest = max(facts.modifiedNanoseconds, facts.changedNanoseconds)
            guard newest < scan.startedNanoseconds - Self.settledNanoseconds else { return nil }
            words += [
                facts.device, facts.inode, UInt64(facts.sizeBytes),
                UInt64(bitPattern: facts.modifiedNanoseconds), UInt64(bitPattern: facts.changedNanoseconds),
            ]
        }
        return Digest(hashing: words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } })
    }
}
