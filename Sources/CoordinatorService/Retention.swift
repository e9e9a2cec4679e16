package import Artifacts
package import Model
import Storage

/// Drops the bulk of old runs: artifacts, logs and code. What a verdict rests on stays: plan, reports, metrics, items, the
/// judgement; so a run can be judged again for as long as the store lives. Baselines keep everything.
package struct Retention: Sendable {
    package struct Settings: Sendable {
        /// For how long bulk is kept after its run has ended.
        package var bulk = Duration.seconds(90 * 86_400)
        /// For how long an object is kept that no run names: its submission or its report is still on the way.
        package var grace = Duration.seconds(86_400)
        /// For how long a cache is kept that no attempt asks for, as GitHub does.
        package var caches = Duration.seconds(7 * 86_400)
        package var every = Duration.seconds(3600)
        /// Between two looks at all objects, unless bulk was dropped in between.
        package var sweepEvery = Duration.seconds(86_400)
        package init() {}
    }

    /// What one pass did.
    package struct Pass: Equatable, Sendable {
        package var dropped: [RunID] = []
        package var sweep: ObjectStore.Sweep?
        /// Somebody copies the state: nothing that the copy may name is removed meanwhile.
        package var isPutOff = false
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
        var isPutOff = false
        while !Task.isCancelled {
            let now = clock.now
            let isSweepDue = isPutOff || swept.map { $0.duration(to: now) >= settings.sweepEvery } ?? false
            do {
                let pass = try await pass(at: now, byDisk: FarmClock.wall(), sweeping: isSweepDue)
                isPutOff = pass.isPutOff
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

    /// - Parameters:
    ///   - disk: the same moment by the clock that files are stamped by: that one may be set while the farm's goes on;
    ///     `nil`: they agree.
    ///   - sweeping: looks at all objects even when no run's bulk was dropped.
    func pass(at now: Instant, byDisk disk: Instant? = nil, sweeping: Bool) async throws -> Pass {
        var pass = Pass()
        let before = now.advanced(by: .zero - settings.bulk)
        var skipped = 0
        while true {
            let most = skipped + Self.runsPerStep
            let found = try await keeper.read { storage throws(StorageError) in
                try storage.runsWithBulk(endedBefore: before, most: most)
            }
            guard found.count > skipped else { break }
            let dropped = try await coordinator.dropBulk(of: found, at: now)
            skipped = found.count - dropped.count
            guard !dropped.isEmpty else { break }
            pass.dropped += dropped
        }
        let caches = try await keeper.read { storage throws(StorageError) in try storage.caches(of: nil) }
        let stale = CacheShelf.dropping(caches, unusedFor: settings.caches, at: now)
        if !stale.isEmpty {
            await coordinator.store(stale)
            await coordinator.committed()
        }
        guard sweeping || !pass.dropped.isEmpty else { return pass }
        guard let sweep = try await sweep(now, byDisk: disk ?? now) else {
            pass.isPutOff = true
            return pass
        }
        if !sweep.removed.isEmpty {
            await coordinator.store([.objectsForgotten(sweep.removed)])
            await coordinator.committed()
        }
        pass.sweep = sweep
        return pass
    }

    /// Marks everything that some run needs, then removes the rest, and the logs of runs whose bulk was dropped: also those
    /// that a process before this one did not come to.
    ///
    /// - Returns: `nil` when somebody copies the state now.
    private func sweep(_ now: Instant, byDisk disk: Instant) async throws -> ObjectStore.Sweep? {
        // An attempt may have uploaded long before it reports.
        let used = min(now.advanced(by: .zero - settings.grace), await coordinator.earliestLease ?? now)
        // As long ago by the disk's clock, should that have been set back: what is new bears an old time then.
        let since = min(used, disk.advanced(by: .zero - used.duration(to: now)))
        let (needed, lock) = try await DiskThreads.bulk.run { [keeper, store] in
            (
                try NeededObjects(in: keeper.storage, store, at: now),
                try FolderLock(store.path)
            )
        }
        guard let lock else { return nil }
        defer { withExtendedLifetime(lock) {} }
        for run in await logs.runs where needed.dropped.contains(run) { await logs.remove(run) }
        return try await DiskThreads.bulk.run { [store] in
            try store.sweep(keep: needed.digests, unusedSince: since)
        }
    }
}
