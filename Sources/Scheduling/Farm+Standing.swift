package import Model

/// What the farm is going to do with a run, for holding a farm that was started anew against the one that ended.
extension Farm {
    /// What follows from what is stored, in lines: retries spent, what has ended and what is stopped, who has which lease, which
    /// attempt is next of each shard, and when. `nil` for a run that the farm does not hold.
    ///
    /// Not what the store deliberately does not have: how long shards have waited (see `queueTimeLeft`), which agents were
    /// avoided, paused or in quarantine, for what room was kept, and what was used.
    package func standing(of id: RunID, at now: Instant) -> [String]? {
        guard let slot = runSlots[id] else { return nil }
        let run = runs[slot]
        var lines = [
            "\(id): \(run.retries) retries of \(retryBudget(slot)), \(run.jobsEnded) of \(run.jobs.count) jobs ended"
                + (run.cancellation.map { ", " + $0.evidence } ?? "") + (run.isForced ? ", forced" : "")
        ]
        for (index, job) in run.jobs.enumerated() {
            // What has ended needs nothing any more.
            if case .ended(let ending) = job.phase {
                lines.append("\(id)/\(index): \(ending.rawValue)")
                continue
            }
            lines.append(
                "\(id)/\(index): \(job.phase) \(job.unrun.rawValue), \(job.cellsEnded) cells ended, \(job.cellsFailed) failed, "
                    + "\(job.cellsCancelled) cancelled, \(job.cellsSkipped) skipped, \(job.cellsActive) active"
                    + (job.stop == nil ? "" : ", stopped")
                    + (job.planned.isIdempotent ? ", pace of \(job.peers.pace)" : ""))
            for cell in job.cells.indices {
                lines += standing(of: Place(run: slot, job: index, cell: cell), at: now)
            }
        }
        return lines
    }

    private func standing(of place: Place, at now: Instant) -> [String] {
        let (cell, id) = (self[cell: place], id(of: place))
        guard !cell.isEnded else { return ["\(id): \(cell.phase)"] }
        let settled = cell.settled.ranges.map { "\($0)" }.joined(separator: " ")
        var lines = [
            "\(id): \(cell.phase), of \(cell.shards.map { "\($0)" } ?? "?") shards settled: \(settled), "
                + "\(cell.shardsFailed) failed, \(cell.shardsCancelled) cancelled"
                + (stop(of: place) == nil ? "" : ", stopped")
        ]
        for shard in cell.leased.elements {
            let key = ShardID(cell: id, shard: shard)
            for lease in [leases[key], twins[key]] {
                guard let lease else { continue }
                lines.append(
                    "\(id)/\(shard): attempt \(lease.number) on \(agents[lease.agent].id), \(lease.cpus) cores, "
                        + "\(lease.memory.map { "\($0)" } ?? "any memory"), \(lease.devices), leased \(lease.at.utcClock), "
                        + "started \(lease.startedAt?.utcClock ?? "never")"
                        + (lease.beside.map { ", beside \($0.number): \($0.why)" } ?? "")
                        + (lease.behind.map { ", behind \($0)" } ?? "")
                        + (lease.isWaiting ? ", waits" : lease.hasYielded ? ", has yielded" : "")
                        + (lease.cancelledAt == nil ? "" : ", cancelled"))
            }
        }
        for shard in cell.twinned.keys.sorted() where !cell.settled.contains(shard) {
            guard let had = cell.twinned[shard]?.numbers.sorted(), !had.isEmpty else { continue }
            lines.append("\(id)/\(shard): second attempts \(had)")
        }
        // A first attempt that was offered and declined is one that never was.
        for shard in cell.returned.keys.sorted() {
            guard let next = cell.returned[shard], next.number > 1 else { continue }
            var line = "\(id)/\(shard): attempt \(next.number) next"
            if let after = next.after { line += ", after attempt \(after.number) ended \(after.cause)" }
            if case .backoff(let until) = next.phase, until > now { line += ", not before \(until.utcClock)" }
            lines.append(line)
        }
        return lines
    }

    /// How much of its queue timeout a cell's shards have left that were never leased; `nil` where there are none.
    package func queueTimeLeft(of id: CellID) -> Duration? {
        guard let place = place(of: id), !self[cell: place].queues.isEmpty, !self[cell: place].fresh.isEmpty else {
            return nil
        }
        let waited = reading(place) - self[cell: place].freshSince
        return self[cell: place].planned.queueTimeout - .nanoseconds(waited)
    }

    /// So much is always left after a restart: for how long shards could have been leased is not stored.
    package func queueTimeLeftMin(of timeout: Duration) -> Duration {
        min(timeout, max(settings.lease * 2, timeout / 4))
    }
}
