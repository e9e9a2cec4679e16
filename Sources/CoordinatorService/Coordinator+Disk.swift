import Model
import Wire

/// What becomes of attempts that have something to give while the disk of the objects is full: they wait, and so does their
/// time. The agent says so in their logs; the farm says it to whoever asks, and to its operator.
extension Coordinator {
    /// How long after its last word an attempt counts as waiting: agents ask every second.
    private static let diskWaitMax = Duration.seconds(30)
    private static let diskRemarkEvery = Duration.seconds(60)

    /// The disk had no room for an object that somebody put.
    func diskRefused(_ scope: Proto.Scope?) {
        let now = clock.now
        let last = refusedByDisk.values.max()
        if last.map({ $0.duration(to: now) > Self.diskWaitMax }) ?? true { diskRemarkedAt = nil }
        if diskRemarkedAt.map({ $0.duration(to: now) >= Self.diskRemarkEvery }) ?? true {
            diskRemarkedAt = now
            remark(
                "the disk of the objects is full; attempts wait with what they have, and new code is refused: free space"
            )
        }
        // Whoever cannot be read here was refused before.
        guard case .attempt(let named)? = scope?.kind, let attempt = try? named.meaning() else { return }
        if refusedByDisk.updateValue(now, forKey: attempt) == nil, let run = runs[attempt.run] {
            note(
                "\(run.title(of: attempt.shard)): attempt \(attempt.number) waits for the farm's disk, which is full",
                in: attempt.run)
            pulses.changed(attempt.run)
        }
    }

    /// For `explain`: who of a cell waits for room.
    func diskWaits(in cell: CellID, shard: Int?) -> [String] {
        let now = clock.now
        let waiting = refusedByDisk.filter { attempt, at in
            attempt.shard.cell == cell && shard.map { $0 == attempt.shard.shard } ?? true
                && at.duration(to: now) <= Self.diskWaitMax
        }
        return waiting.keys.sorted().prefix(20).map { attempt in
            let name = attempt.shard.isListing ? "its listing" : "shard \(attempt.shard.shard)"
            return "\(name): attempt \(attempt.number) waits for the farm's disk, which is full"
        }
    }
}
