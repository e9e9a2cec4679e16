package import Model
package import Scheduling

/// What a world's coordinator has committed, and what it is restored from.
package protocol Journaling: Sendable {
    mutating func commit(_ event: Farm.Event, at time: Instant, isNew: Bool)
    /// - Parameter now: when it was decided.
    mutating func commit(_ effect: Farm.Effect, at now: Instant)
    /// What was decided about one run.
    func decisions(of run: RunID) -> [Farm.Decision]
    /// All of it, in one of the orders that a farm takes.
    func decisions(order: Int) -> [Farm.Decision]
}

/// Rows as a store would keep them, read back in more than one order.
package struct Journal: Journaling {
    private var rows: [Farm.Decision?] = []
    private var leaseRows: [AttemptID: Int] = [:]

    package init() {}

    package mutating func commit(_ event: Farm.Event, at time: Instant, isNew: Bool) {
        guard isNew else { return }
        switch event {
        case .runSubmitted(let run, let owner, let plan, let priority):
            rows.append(.runSubmitted(run, owner: owner, plan: plan, priority: priority, at: time))
        case .runRerun(let run, let owner, let plan, let priority, let kept):
            rows.append(.runSubmitted(run, owner: owner, plan: plan, priority: priority, at: time))
            rows += kept
        case .runCancelled(let run, let by, let reason, let isForced):
            rows.append(.runCancelled(run, by: by, reason: reason, isForced: isForced))
        case .jobResolved(let run, let job, let resolution):
            rows.append(.jobResolved(run, job: job, resolution, at: time))
        case .agentJoined, .agentDisconnected, .agentDraining, .agentPooled, .devicesLooked, .agentReleased,
            .agentRemoved, .leasesRenewed,
            .attemptStarted, .environmentEntered,
            .offerDeclined, .attemptFinished, .cellsReleased, .timeReached, .resume:
            break
        case .cellsStopped(let run, let job, let cells, let reason):
            rows += cells.map { .cellStopped(CellID(run: run, job: job, cell: $0), reason: reason) }
        }
    }

    package mutating func commit(_ effect: Farm.Effect, at now: Instant) {
        switch effect {
        case .leased(let lease):
            leaseRows[lease.attempt] = rows.count
            rows.append(.leased(lease, startedAt: nil))
        case .attemptStarted(let attempt, let at):
            guard let row = leaseRows[attempt], case .leased(let lease, _) = rows[row] else { return }
            rows[row] = .leased(lease, startedAt: at)
        case .offerWithdrawn(let attempt):
            guard let row = leaseRows.removeValue(forKey: attempt) else { return }
            rows[row] = nil
        case .attemptEnded(let attempt, let cause, let retryAt, _):
            rows.append(.attemptEnded(attempt, cause, retryAt: retryAt))
            guard cause.kind == .passed, !attempt.shard.isListing, let row = leaseRows[attempt],
                case .leased(let lease, let startedAt) = rows[row]
            else { return }
            rows.append(.attemptTook(attempt, (startedAt ?? lease.at).duration(to: now)))
        case .cellSharded(let cell, let shards, let items):
            rows.append(.cellSharded(cell, shards: shards, items: items))
        case .settled(let cell, let shards, let attempt, let cause):
            rows.append(.settled(cell, shards: shards, attempt: attempt, cause))
        case .cellEnded(let cell, let ending): rows.append(.cellEnded(cell, ending))
        case .jobEnded(let run, let job, let ending, _): rows.append(.jobEnded(run, job: job, ending))
        case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .groupWanted, .jobReady, .deadlineReached,
            .runEnded, .wake,
            .continueLater:
            break
        }
    }

    /// What was decided about one run.
    package func decisions(of run: RunID) -> [Farm.Decision] {
        rows.compactMap(\.self).filter { Self.run(of: $0) == run }
    }

    private static func run(of decision: Farm.Decision) -> RunID? {
        switch decision {
        case .runSubmitted(let run, _, _, _, _), .runCancelled(let run, _, _, _), .jobResolved(let run, _, _, _),
            .jobEnded(let run, _, _):
            run
        case .cellSharded(let cell, _, _), .settled(let cell, _, _, _), .cellEnded(let cell, _),
            .cellStopped(let cell, _):
            cell.run
        case .leased(let lease, _): lease.attempt.run
        case .attemptEnded(let attempt, _, _), .attemptTook(let attempt, _): attempt.run
        case .used, .agentDraining, .lived: nil
        }
    }

    /// The decisions as they were made, or table by table.
    package func decisions(order: Int) -> [Farm.Decision] {
        let all = rows.compactMap(\.self)
        guard order > 0 else { return all }
        let tables: [Int] = order == 1 ? [0, 1, 2, 3, 4, 5, 6] : [0, 1, 2, 4, 5, 3, 6]
        return tables.flatMap { table in all.filter { Self.table(of: $0) == table } }
    }

    private static func table(of decision: Farm.Decision) -> Int {
        switch decision {
        case .runSubmitted, .runCancelled, .used, .agentDraining, .lived: 0
        case .jobResolved: 1
        case .cellSharded: 2
        case .leased, .attemptEnded, .attemptTook: 3
        case .settled: 4
        case .cellEnded, .cellStopped: 5
        case .jobEnded: 6
        }
    }
}
