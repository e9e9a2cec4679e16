import Model

/// What is due when its time has come.
extension Farm {
    mutating func handleDue() {
        announced = nil
        while workLeft > 0, let matter = timers.popDue(now) {
            workLeft -= 1
            switch matter {
            case .lease(let attempt): checkLease(attempt)
            case .lag(let attempt): watch(attempt)
            case .recall(let attempt): recall(attempt)
            case .backoff(let attempt): endBackoff(attempt)
            case .avoidance(let attempt): requeue(attempt)
            case .queued(let attempt): checkQueued(attempt)
            case .fresh(let cell): checkFresh(cell)
            case .widening(let cell): checkWidening(cell)
            case .deadline(let run): checkDeadline(run)
            case .pause(let agent): endPause(agent)
            case .quarantine(let agent): endQuarantine(agent)
            }
        }
    }

    private mutating func checkLease(_ attempt: AttemptID) {
        guard let lease = record(of: attempt), lease.nextCheck <= now,
            let place = place(of: attempt.shard.cell)
        else { return }
        let agent = agents[lease.agent].id
        if lease.until <= now {
            let heard =
                agents[lease.agent].lastHeard.map { "was last heard \($0.duration(to: now).spelled) ago" }
                ?? "was not heard since the coordinator started"
            let cause = Cause(.lostAgent, evidence: "the lease expired: agent \(agent) \(heard)")
            // Nobody has heard that it ever began, or that its agent has it.
            if lease.behind != nil, lease.startedAt == nil, !lease.isAcknowledged {
                return withdraw(attempt, at: place)
            }
            tally(lease, cause)
            return conclude(attempt, cause)
        }
        guard let overdue = overdue(lease, self[cell: place].planned) else {
            change(attempt) { $0.nextCheck = lease.until }
            return timers.add(.lease(attempt), at: lease.until)
        }
        if lease.isWaiting {
            withdraw(attempt, at: place)
            return effects.append(.forgetAttempt(attempt, on: agent, reason: overdue))
        }
        effects.append(.forgetAttempt(attempt, on: agent, reason: overdue))
        conclude(attempt, Cause(.agentFault, evidence: "agent \(agent) kept renewing the lease: \(overdue)"))
    }

    /// Why the attempt must have ended by now, whatever its agent says.
    private func overdue(_ lease: LeaseRecord, _ cell: PlannedCell) -> String? {
        if let cancelledAt = lease.cancelledAt, case let took = cancelledAt.duration(to: now), took > settings.margin {
            return "the attempt did not end within \(took.spelled) of being cancelled"
        }
        let (from, limit) = (lease.countedFrom ?? lease.startedAt ?? lease.at, cell.timeout + settings.margin)
        let most = lease.startedAt == nil ? limit + settings.startMax : limit
        guard from.duration(to: now) > most else { return nil }
        return "the attempt did not end within \(most.spelled), with a time limit of \(cell.timeout.spelled)"
    }

    private mutating func endBackoff(_ attempt: AttemptID) {
        let shard = attempt.shard.shard
        guard let place = place(of: attempt.shard.cell), let returned = self[cell: place].returned[shard],
            returned.number == attempt.number, case .backoff(let until) = returned.phase, until <= now
        else { return }
        queueReturned(place, shard)
    }

    private mutating func requeue(_ attempt: AttemptID) {
        guard let place = queuedPlace(of: attempt), let returned = unqueue(place, attempt.shard.shard) else { return }
        self[cell: place].returned[attempt.shard.shard] = returned
        queueReturned(place, attempt.shard.shard)
    }

    private func queuedPlace(of attempt: AttemptID) -> Place? {
        guard let place = place(of: attempt.shard.cell),
            let returned = self[cell: place].returned[attempt.shard.shard], returned.number == attempt.number,
            case .queued = returned.phase
        else { return nil }
        return place
    }

    private mutating func checkQueued(_ attempt: AttemptID) {
        let shard = attempt.shard.shard
        guard let place = queuedPlace(of: attempt), let returned = self[cell: place].returned[shard],
            case .queued(let classIndex, let since) = returned.phase, returned.nextCheck <= now
        else { return }
        let waited = returned.waited + reading(place) - since
        if let again = recheck(waited, place, classes[classIndex].requirement) {
            self[cell: place].returned[shard]?.nextCheck = again
            return timers.add(.queued(attempt), at: again)
        }
        let cause = queueTimeout(place, classes[classIndex].requirement).noting(returned)
        unqueue(place, shard)
        settle(place, shard...shard, attempt: 0, cause)
    }

    private mutating func checkFresh(_ cell: CellID) {
        guard let place = place(of: cell), let base = self[cell: place].queues.first,
            !self[cell: place].fresh.isEmpty, self[cell: place].nextCheck <= now
        else { return }
        let waited = reading(place) - self[cell: place].freshSince
        if let again = recheck(waited, place, classes[base.classIndex].requirement) {
            self[cell: place].nextCheck = again
            return timers.add(.fresh(cell), at: again)
        }
        let cause = queueTimeout(place, classes[base.classIndex].requirement)
        while let range = self[cell: place].fresh.ranges.first {
            workLeft -= 1
            self[cell: place].fresh.remove(range)
            relist(place)
            settle(place, range.lowerBound...range.upperBound - 1, attempt: 0, cause)
        }
    }

    /// When to look again; `nil` when the cell's queue timeout has passed. One that is held back waits for no agent, and one
    /// whose job keeps the agents busy waits for its turn: unless no agent could take it in any case.
    private func recheck(_ waited: Int64, _ place: Place, _ requirement: Requirement) -> Instant? {
        var waited = waited
        if unmet(requirement) == nil {
            let sinceTurn = self[job: place].worked > 0 ? .zero : self[job: place].lastWorked.duration(to: now)
            waited = min(waited, sinceTurn.wholeNanoseconds)
        }
        let left = self[cell: place].planned.queueTimeout.wholeNanoseconds - waited
        return left <= 0 ? nil : now.advanced(by: max(.nanoseconds(left), .seconds(1)))
    }

    private func queueTimeout(_ place: Place, _ requirement: Requirement) -> Cause {
        let why = unmet(requirement) ?? "every agent that could was busy, or paused after a fault"
        let limit = self[cell: place].planned.queueTimeout.spelled
        return Cause(.queueTimeout, evidence: "no agent took it in \(limit): \(why)")
    }

    private mutating func checkDeadline(_ id: RunID) {
        guard let run = runSlots[id], !runs[run].isEnded, runs[run].cancellation == nil,
            let deadline = runs[run].deadline
        else { return }
        effects.append(
            .deadlineReached(id, reason: "\(deadline.spelled) have passed since the farm took it"))
    }

    private mutating func endPause(_ agent: Int) {
        guard let until = agents[agent].pausedUntil, until <= now else { return }
        agents[agent].pausedUntil = nil
        free(agent)
    }
}
