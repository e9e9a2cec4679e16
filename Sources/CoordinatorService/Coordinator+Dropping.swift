import Model
import Storage

/// What of old runs is let go of.
extension Coordinator {
    /// Keeps a run's bulk until it is let go of, as often as it was asked for. What is read from now on whether it was dropped is
    /// so until then.
    func keepBulk(of run: RunID) async {
        bulkInUse[run, default: 0] += 1
        // That it is dropped may be on its way to the disk.
        await committed()
    }

    func letBulkGo(of run: RunID) {
        guard let users = bulkInUse[run] else { return }
        bulkInUse[run] = users > 1 ? users - 1 : nil
    }

    /// Drops the bulk of those of these runs that no baseline names and nobody takes over something of, in one commit with its
    /// record. Back when that is durable, and only then may anything of theirs be removed.
    ///
    /// - Returns: whose bulk was dropped.
    func dropBulk(of runs: [RunID], at now: Instant) async throws(CoordinatorError) -> [RunID] {
        while true {
            let before = baselinesSet
            // What was decided before now is read below; what is decided from now on is seen by the count.
            await committed()
            let baselines = Set(
                try await keeper.read { storage throws(StorageError) in try storage.baselines().map(\.run) })
            guard baselinesSet == before else { continue }
            let dropped = runs.filter { !baselines.contains($0) && bulkInUse[$0] == nil }
            guard !dropped.isEmpty else { return [] }
            store(
                dropped.map { .bulkDropped($0, at: now) }
                    + dropped.map { run in
                        .audited(AuditRecord(at: now, who: "retention", action: "drop bulk", subject: "run \(run)"))
                    })
            await committed()
            return dropped
        }
    }
}
