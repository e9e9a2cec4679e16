package import Artifacts
package import Model
import Queries
import Storage

/// Drops the bulk of old runs: artifacts, logs and code. What a verdict rests on stays: plan, reports, metrics, items, the
/// judgement; so a run can be judged again for as long as the store lives. Baselines keep everything.
package struct Retention: Sendable {
    package struct Settings: Sendable {
        /// For how long bulk is kept after its run has ended.
        package var bulk = Duration.seconds(90 * 86_400)
        /// For how long an object is kept that no run names: its submission or its report is still on the way.
        package var grace = Duration.seconds(86_400)
        package var every = Duration.seconds(3600)
        /// Between two looks at all objects, unless bulk was dropped in between.
        package var sweepEvery = Duration.seconds(86_400)
        package init() {}
    }

    /// What one pass did.
    package struct Pass: Equatable, Sendable {
        package var dropped: [RunID] = []
        package var sweep: ObjectStore.Sweep?
    }

    static let runsPerStep = 100

    let settings: Settings
    let keeper: StoreKeeper
    let store: ObjectStore
    let logs: LogStore
    let coordinator: Coordinator

    /// Looks again and again until the task is cancelled.
    ///
    /// - Parameter tell: hears what was dropped, and what went wrong; a pass that failed is tried again later.
    func keepLooking(clock: FarmClock, tell: @Sendable (String) -> Void) async {
        var swept: Instant?
        while !Task.isCancelled {
            let now = clock.now
            let isSweepDue = swept.map { $0.duration(to: now) >= settings.sweepEvery } ?? false
            do {
                let pass = try await pass(at: now, sweeping: isSweepDue)
                // The first look at all objects comes a day after the start, so that starting is never slow.
                if pass.sweep != nil || swept == nil { swept = now }
                if !pass.dropped.isEmpty {
                    tell("dropped artifacts, logs and code of \(pass.dropped.count) runs that ended long ago")
                }
                if let sweep = pass.sweep, !sweep.removed.isEmpty {
                    tell("removed \(sweep.removed.count) objects, \(ByteCount(Int64(sweep.removedBytes)))")
                }
            } catch {
                tell("old runs could not be looked through: \(error)")
            }
            // Ended by the server's stop.
            guard (try? await Task.sleep(for: settings.every)) != nil else { return }
        }
    }

    /// - Parameter sweeping: looks at all objects even when no run's bulk was dropped.
    func pass(at now: Instant, sweeping: Bool) async throws -> Pass {
        var pass = Pass()
        let before = now.advanced(by: .zero - settings.bulk)
        let kept = try await baselines()
        var skipped = 0
        while true {
            let most = skipped + Self.runsPerStep
            let found = try await keeper.read { storage throws(StorageError) in
                try storage.runsWithBulk(endedBefore: before, most: most)
            }
            let fresh = found.filter { !kept.contains($0) }
            skipped = found.count - fresh.count
            guard !fresh.isEmpty else { break }
            for run in fresh { await logs.remove(run) }
            await coordinator.store(
                fresh.map { .bulkDropped($0, at: now) }
                    + fresh.map { run in
                        .audited(AuditRecord(at: now, who: "retention", action: "drop bulk", subject: "run \(run)"))
                    })
            await coordinator.committed()
            pass.dropped += fresh
        }
        let caches = try await keeper.read { storage throws(StorageError) in try storage.caches(of: nil) }
        let stale = CacheShelf.dropping(caches, at: now)
        if !stale.isEmpty {
            await coordinator.store(stale)
            await coordinator.committed()
        }
        guard sweeping || !pass.dropped.isEmpty else { return pass }
        let sweep = try await sweep(now)
        if !sweep.removed.isEmpty {
            await coordinator.store([.objectsForgotten(sweep.removed)])
            await coordinator.committed()
        }
        pass.sweep = sweep
        return pass
    }

    private func baselines() async throws -> Set<RunID> {
        Set(try await keeper.read { storage throws(StorageError) in try storage.baselines().map(\.run) })
    }

    /// Marks everything that some run needs, then removes the rest.
    private func sweep(_ now: Instant) async throws -> ObjectStore.Sweep {
        // An attempt may have uploaded long before it reports.
        let since = min(now.advanced(by: .zero - settings.grace), await coordinator.earliestLease ?? now)
        return try await DiskThreads.shared.run { [keeper, store] in
            let storage = keeper.storage
            let reader = RunReader(storage: storage)
            var needed: Set<Digest> = []
            for cache in try storage.caches(of: nil) where needed.insert(cache.manifest).inserted {
                guard let manifest = try? Manifest(decoding: store.read(cache.manifest).bytes) else { continue }
                needed.formUnion(manifest.chunks.map(\.digest))
            }
            var before: RunID?
            while case let runs = try storage.runs(before: before, most: Self.runsPerStep), let last = runs.last {
                for run in runs {
                    guard let snapshot = try reader.snapshot(of: run.run.id) else { continue }
                    let roots = try snapshot.roots()
                    needed.formUnion(roots.evidence)
                    guard run.bulkDroppedAt == nil else { continue }
                    for root in roots.bulk where needed.insert(root).inserted {
                        // A manifest that is gone or damaged names nothing any more.
                        guard let manifest = try? Manifest(decoding: store.read(root).bytes) else { continue }
                        needed.formUnion(manifest.chunks.map(\.digest))
                    }
                }
                before = last.run.id
            }
            return try store.sweep(keep: needed, unusedSince: since)
        }
    }
}
