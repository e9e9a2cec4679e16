import Model
import Wire

/// What becomes of attempts that have something to give while the disk of the objects is full or cannot be written: they wait,
/// and so does their time. The agent says so in their logs; the farm says it to whoever asks, and to its operator.
extension Coordinator {
    /// An attempt's last refusal.
    struct DiskRefusal {
        var at: Instant
        /// Else it cannot be written: it is mounted read-only, or broken.
        var isFull: Bool
        var disk: String { "the farm's disk, which " + (isFull ? "is full" : "cannot be written") }
    }

    /// How long after its last word an attempt counts as waiting: agents ask every second.
    private static let diskWaitMax = Duration.seconds(30)
    private static let diskRemarkEvery = Duration.seconds(60)
    private static let diskQuiet = Duration.seconds(5)

    /// The disk had no room for an object that somebody put, or did not take it at all.
    func diskRefused(_ scope: Proto.Scope?, isFull: Bool, _ problem: String) {
        let now = clock.now
        if diskRefusedAt.map({ $0.duration(to: now) > Self.diskWaitMax }) ?? true { diskRemarkedAt = nil }
        diskRefusedAt = now
        if diskRemarkedAt.map({ $0.duration(to: now) >= Self.diskRemarkEvery }) ?? true {
            diskRemarkedAt = now
            let state = isFull ? "is full" : "cannot be written (\(problem))"
            remark(
                "the disk of the objects \(state); attempts wait with what they have, and new code is refused: "
                    + (isFull ? "free space" : "mount it for writing, or look at the disk"))
        }
        // Whoever cannot be read here was refused before.
        guard case .attempt(let named)? = scope?.kind, let attempt = try? named.meaning() else { return }
        let refusal = DiskRefusal(at: now, isFull: isFull)
        if refusedByDisk.updateValue(refusal, forKey: attempt) == nil, let run = runs[attempt.run] {
            note(
                "\(run.title(of: attempt.shard)): attempt \(attempt.number) waits for \(refusal.disk)",
                in: attempt.run)
            pulses.changed(attempt.run)
        }
    }

    /// An object was stored.
    func diskTook() {
        // Small ones may find room while large ones do not.
        guard let refused = diskRefusedAt, refused.duration(to: clock.now) > Self.diskQuiet else { return }
        (diskRefusedAt, diskRemarkedAt) = (nil, nil)
        remark("the disk of the objects takes them again")
    }

    /// For `explain`: who of a cell waits for room.
    func diskWaits(in cell: CellID, shard: Int?) -> [String] {
        let now = clock.now
        let waiting = refusedByDisk.filter { attempt, refusal in
            attempt.shard.cell == cell && shard.map { $0 == attempt.shard.shard } ?? true
                && refusal.at.duration(to: now) <= Self.diskWaitMax
        }
        return waiting.sorted { $0.key < $1.key }.prefix(20).map { attempt, refusal in
            let name = attempt.shard.isListing ? "its listing" : "shard \(attempt.shard.shard)"
            return "\(name): attempt \(attempt.number) waits for \(refusal.disk)"
        }
    }
}
