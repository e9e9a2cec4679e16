import Model
import Storage

/// What of old runs is let go of.
extension Coordinator {
    /// Drops the bulk of those of these runs that no baseline names, in one commit with its record. Back when that is durable,
    /// and only then may anything of theirs be removed.
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
            let dropped = runs.filter { !baselines.contains($0) }
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
