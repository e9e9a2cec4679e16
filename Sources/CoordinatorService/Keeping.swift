import Model
import Scheduling
import Storage
import Wire

/// What the store keeps of what the farm decides. One place says it: the coordinator stores by it, and the simulation holds a
/// farm that is restored from such rows against one that never died.
extension Change {
    /// - Parameter submittedAt: when the run was submitted. What was leased before that an earlier run had done and this one
    ///   keeps; so no lease of its own is noted as older, not even by a clock that was set back since.
    /// - Parameter listing: of a cell that was cut by its items.
    /// - Parameter report: what the agent said of the attempt that ended.
    /// - Returns: `nil` for what is no decision.
    init?(
        keeping effect: Farm.Effect, at now: Instant, submittedAt: Instant = .epoch, listing: Digest? = nil,
        report: [UInt8] = []
    ) {
        switch effect {
        case .leased(let lease):
            self = .attemptLeased(
                LeaseRecord(
                    attempt: lease.attempt, agent: lease.agent, devices: lease.devices, cpus: lease.cpus,
                    memory: lease.memory ?? ByteCount(0), at: max(lease.at, submittedAt), until: lease.until,
                    beside: lease.beside?.number ?? 0, besideWhy: lease.beside?.why ?? "",
                    behind: lease.behind))
        case .offerWithdrawn(let attempt): self = .leaseWithdrawn(attempt)
        case .attemptStarted(let attempt, let at): self = .attemptStarted(attempt, at: at)
        case .attemptEnded(let attempt, let cause, let retryAt, let why):
            self = .attemptEnded(
                AttemptEnding(attempt: attempt, at: now, cause: cause, retryAt: retryAt, why: why, report: report))
        case .cellSharded(let cell, let shards, let items):
            self = .cellSharded(cell, shards: shards, items: items, listing: listing)
        case .settled(let cell, let shards, let attempt, let cause):
            self = .shardsSettled(
                SettlementRecord(
                    cell: cell, first: shards.lowerBound, last: shards.upperBound, attempt: attempt, cause: cause,
                    at: now))
        case .cellEnded(let cell, let ending): self = .cellEnded(cell, ending: ending.rawValue)
        case .jobEnded(let run, let job, let ending, let reason):
            self = .jobEnded(run: run, job: job, ending: ending.rawValue, reason: reason)
        case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .groupWanted, .jobReady, .deadlineReached,
            .runEnded, .wake,
            .continueLater:
            return nil
        }
    }
}

extension JobRecord {
    /// - Parameter planned: the job as it was planned; what it has now is the resolution's.
    init(keeping resolution: Farm.Resolution, of job: Int, in run: RunID, planned: PlannedJob, at now: Instant) {
        self.init(run: run, job: job, kind: .cells, at: now)
        switch resolution {
        case .cells(let cells, let failFast, let maxParallel, let goesOn):
            var planned = planned
            planned.onCancel = goesOn ? .goesOn : .ends
            planned.cells = cells
            planned.failFast = failFast
            planned.maxParallel = maxParallel
            self.resolution = Proto.PlannedJob(planned).encoded()
        case .notApplicable(let reason): (kind, self.reason) = (.notApplicable, reason)
        case .notReached(let reason): (kind, self.reason) = (.notReached, reason)
        case .failed(let reason): (kind, self.reason) = (.failed, reason)
        }
    }
}
