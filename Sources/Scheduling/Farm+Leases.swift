import Model

/// The life of a lease: started, renewed, declined, finished, lost.
extension Farm {
    /// The lease of the attempt, when it is the current one and the agent's own.
    private func current(_ attempt: AttemptID, by agent: AgentID) -> LeaseRecord? {
        guard let lease = record(of: attempt), agents[lease.agent].id == agent else { return nil }
        return lease
    }

    /// The lease of the attempt, while it goes on.
    func record(of attempt: AttemptID) -> LeaseRecord? {
        if let lease = leases[attempt.shard], lease.number == attempt.number { return lease }
        guard let twin = twins[attempt.shard], twin.number == attempt.number else { return nil }
        return twin
    }

    /// The lease that the agent has of the shard: of two attempts at it no agent has both.
    func record(of shard: ShardID, on agent: Int) -> LeaseRecord? {
        if let lease = leases[shard], lease.agent == agent { return lease }
        guard let twin = twins[shard], twin.agent == agent else { return nil }
        return twin
    }

    /// The other attempt at the same shard, while it goes on.
    private func other(than attempt: AttemptID) -> LeaseRecord? {
        guard let twin = twins[attempt.shard] else { return nil }
        return twin.number == attempt.number ? leases[attempt.shard] : twin
    }

    mutating func change(_ attempt: AttemptID, _ body: (inout LeaseRecord) -> Void) {
        if var lease = leases[attempt.shard], lease.number == attempt.number {
            body(&lease)
            leases[attempt.shard] = lease
        } else if var twin = twins[attempt.shard], twin.number == attempt.number {
            body(&twin)
            twins[attempt.shard] = twin
        }
    }

    /// Tells an agent that what it works on, or reports, counts no longer.
    private mutating func forget(_ attempt: AttemptID, on agent: AgentID) {
        let reason =
            if let lease = record(of: attempt) {
                "agent \(agents[lease.agent].id) has the lease"
            } else if let lease = leases[attempt.shard] {
                "attempt \(lease.number) "
                    + (lease.number > attempt.number ? "took its place" : "goes on without it")
            } else if let place = place(of: attempt.shard.cell) {
                self[cell: place].isEnded || self[cell: place].settled.contains(attempt.shard.shard)
                    ? "its shard has settled" : "its lease has ended"
            } else {
                "its run is not known, or has been judged"
            }
        effects.append(.forgetAttempt(attempt, on: agent, reason: reason))
    }

    mutating func hear(_ agent: AgentID) {
        guard let slot = agentSlots[agent] else { return }
        agents[slot].lastHeard = now
    }

    mutating func renew(_ attempts: [AttemptID], by agent: AgentID) {
        hear(agent)
        var held: [AttemptID] = []
        var cancelled: [AttemptID] = []
        for attempt in attempts {
            guard let lease = current(attempt, by: agent) else {
                forget(attempt, on: agent)
                continue
            }
            let until = max(lease.until, now.advanced(by: settings.lease))
            change(attempt) { $0.until = until }
            acknowledge(lease, of: attempt)
            held.append(attempt)
            if lease.cancelledAt != nil { cancelled.append(attempt) }
        }
        if !held.isEmpty { effects.append(.renewed(agent, held)) }
        for attempt in cancelled {
            // It should have stopped: the order was lost on the way, or the steps take their grace.
            guard let place = place(of: attempt.shard.cell), let stop = stop(of: place) else { continue }
            effects.append(.cancelAttempt(attempt, on: agent, reason: stop.evidence))
        }
    }

    /// Notes that the agent has taken the lease: it named it.
    private mutating func acknowledge(_ lease: LeaseRecord, of attempt: AttemptID) {
        guard !lease.isAcknowledged, !lease.isWaiting, let place = place(of: attempt.shard.cell) else { return }
        change(attempt) { $0.isAcknowledged = true }
        self[job: place].worked += 1
    }

    mutating func start(_ attempt: AttemptID, by agent: AgentID) {
        hear(agent)
        guard let lease = current(attempt, by: agent) else { return forget(attempt, on: agent) }
        succeed(attempt)
        acknowledge(record(of: attempt) ?? lease, of: attempt)
        guard lease.startedAt == nil else { return }
        if let tree = runSlots[attempt.run].flatMap({ runs[$0].tree }) { keep(tree, on: lease.agent) }
        let startedAt = now
        change(attempt) { ($0.startedAt, $0.countedFrom) = (startedAt, nil) }
        effects.append(.attemptStarted(attempt, at: now))
        watch(attempt)
        if agents[lease.agent].capacity.takesAhead { begun.append(attempt) }
    }

    mutating func decline(_ attempt: AttemptID, by agent: AgentID, reason: String) {
        hear(agent)
        guard let lease = current(attempt, by: agent) else { return forget(attempt, on: agent) }
        guard lease.startedAt == nil else {
            let cause = Cause(.agentFault, evidence: "agent \(agent) declined an attempt that had started: \(reason)")
            return conclude(attempt, cause)
        }
        guard let place = place(of: attempt.shard.cell) else { return }
        // What was offered ahead, an agent gives back for good reasons: it was asked to, or what came before it went wrong.
        if lease.behind == nil { strike(lease.agent, after: "a declined offer: \(reason)") }
        if lease.isRecalled || lease.cancelledAt != nil, lease.behind != nil { return withdraw(attempt, at: place) }
        effects.append(.offerWithdrawn(attempt))
        let until = now.advanced(by: settings.declinePause)
        let avoidance = Avoidance(
            agent: agent, until: until, isPreference: false, why: "it declined the offer: \(reason)")
        giveBack(attempt, lease, at: place, avoiding: avoidance)
    }

    /// Takes back a lease as if it never was; the shard waits on under the same number.
    mutating func giveBack(_ attempt: AttemptID, _ lease: LeaseRecord, at place: Place, avoiding: Avoidance?) {
        if twins[attempt.shard]?.number == attempt.number {
            return giveBackTwin(attempt, at: place, avoiding: avoiding)
        }
        release(attempt, at: place)
        let shard = attempt.shard.shard
        let returned = ReturnedShard(
            number: lease.number, phase: .backoff(until: now), memory: lease.memory,
            avoiding: lease.avoiding + (avoiding.map { [$0] } ?? []), waited: lease.waited, after: lease.after)
        if let stop = stop(of: place) {
            settle(place, shard...shard, attempt: 0, stop.cause.noting(returned))
        } else {
            self[cell: place].returned[shard] = returned
            queueReturned(place, shard)
        }
    }

    mutating func finish(_ attempt: AttemptID, by agent: AgentID, _ cause: Cause, listed: Int?, shards: Int?) {
        hear(agent)
        guard let lease = current(attempt, by: agent) else { return forget(attempt, on: agent) }
        // It has begun, though nobody heard of that.
        succeed(attempt)
        let stop = lease.cancelledAt == nil ? nil : place(of: attempt.shard.cell).flatMap { self.stop(of: $0) }
        let cause = believable(cause, from: agent, stoppedBy: stop)
        switch cause.kind {
        case .passed:
            agents[lease.agent].strikes = 0
            if lease.countedFrom == nil, let place = place(of: attempt.shard.cell) {
                let taken = (lease.startedAt ?? lease.at).duration(to: now)
                self[job: place].longest = max(self[job: place].longest ?? .zero, taken)
            }
            if !attempt.shard.isListing, let place = place(of: attempt.shard.cell) {
                notePace(place, (lease.startedAt ?? lease.at).duration(to: now))
                pendWatching(place)
            }
        case .agentFault, .gpuFault, .diskFull: strike(lease.agent, after: "a fault: \(cause)")
        case .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM, .cancelled, .notNeeded, .lostAgent,
            .dataUnavailable, .preempted, .queueTimeout:
            break
        }
        tally(lease, cause)
        guard attempt.shard.isListing && cause.kind == .passed else { return conclude(attempt, cause) }
        switch listed {
        case .none:
            conclude(attempt, Cause(.agentFault, evidence: "agent \(agent) reported a listing without its items"))
        case .some(let count) where count < 0:
            conclude(attempt, Cause(.agentFault, evidence: "agent \(agent) reported a listing of \(count) items"))
        case .some(0):
            conclude(attempt, Cause(.userError, evidence: "the listing lists no item"))
        case .some(let count) where count > Limits.itemsPerCellMax:
            let evidence = "the listing lists \(count) items; a cell has at most \(Limits.itemsPerCellMax)"
            conclude(attempt, Cause(.userError, evidence: evidence))
        case .some(let count): concludeListing(attempt, cause, items: count, shards: shards)
        }
    }

    /// What only the farm can decide is no cause when an agent says it.
    ///
    /// - Parameter stop: what its agent was told to end it for.
    private func believable(_ cause: Cause, from agent: AgentID, stoppedBy stop: Stop?) -> Cause {
        if cause.kind == .cancelled, let stop { return Cause(stop.cause.kind, evidence: cause.evidence) }
        return switch cause.kind {
        case .cancelled, .notNeeded, .queueTimeout, .lostAgent:
            Cause(.agentFault, evidence: "agent \(agent) reported \(cause.label) unasked: \(cause.evidence)")
        case .passed, .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM, .agentFault, .gpuFault,
            .diskFull, .dataUnavailable, .preempted:
            cause
        }
    }

    private mutating func concludeListing(_ attempt: AttemptID, _ cause: Cause, items: Int, shards: Int?) {
        guard let place = place(of: attempt.shard.cell) else { return }
        release(attempt, at: place)
        effects.append(.attemptEnded(attempt, cause, retryAt: nil, why: "it listed \(items) items"))
        // However they were cut, never in more than the plan allows.
        let most = min(max(1, self[job: place].planned.shards.count), items)
        shard(place, into: min(max(1, shards ?? most), most), items: items)
        queueFresh(place, waited: 0)
        if stop(of: place) != nil { pending.append(.cell(attempt.shard.cell)) }
    }

    /// Ends the current attempt of a shard: the shard settles, or is tried again.
    mutating func conclude(_ attempt: AttemptID, _ cause: Cause) {
        guard let place = place(of: attempt.shard.cell), let lease = record(of: attempt) else { return }
        if let other = other(than: attempt), conclude(attempt, cause, beside: other, at: place) { return }
        let agent = agents[lease.agent].id
        release(attempt, at: place)
        let policy = self[job: place].planned.retry
        let shard = attempt.shard.shard
        // Second attempts are beside the number that the policy allows.
        let number = nextNumber(of: shard, after: attempt.number, place)
        let most = policy.attemptsMax + (self[cell: place].twinned[shard]?.numbers.count ?? 0)
        var refusal: String?
        if cause.kind == .passed {
            refusal = "it passed"
        } else if let stop = stop(of: place) {
            refusal = "not tried again: \(stop.evidence)"
        } else if !policy.covers(cause) {
            let on = policy.on.isEmpty ? "nothing" : policy.on.joined(separator: ", ")
            refusal = "not tried again: \(cause.label) is not retried (retried: \(on))"
        } else if number > most {
            refusal =
                attempt.number + 1 == number
                ? "not tried again: it was attempt \(attempt.number) of \(most)"
                : "not tried again: all \(most) attempts were made, second ones among them"
        } else if runs[place.run].retries >= retryBudget(place.run) {
            refusal = "not tried again: the run has spent its budget of \(retryBudget(place.run)) retries"
        }
        if let refusal {
            effects.append(.attemptEnded(attempt, cause, retryAt: nil, why: refusal))
            settle(place, shard...shard, attempt: attempt.number, cause)
            return
        }
        runs[place.run].retries += 1
        let wait = backoff(after: attempt.number, policy)
        let retryAt = now.advanced(by: wait)
        let next = AttemptID(shard: attempt.shard, number: number)
        let why = "tried again in \(wait.spelled) as attempt \(number) of \(most)"
        effects.append(.attemptEnded(attempt, cause, retryAt: retryAt, why: why))
        self[cell: place].returned[shard] = returned(
            next.number, after: attempt.number, cause, on: agent, memory: lease.memory, policy, retryAt: retryAt)
        timers.add(.backoff(next), at: retryAt)
    }

    /// How many attempts of a run may be tried again, with as many shards as are known.
    func retryBudget(_ run: Int) -> Int { max(settings.retriesMin, runs[run].shards / 5) }

    func returned(
        _ number: Int, after former: Int, _ cause: Cause, on agent: AgentID?, memory: ByteCount?, _ policy: RetryPolicy,
        retryAt: Instant
    ) -> ReturnedShard {
        var memory = memory
        if cause.kind == .oom, let had = memory {
            let raised = Double(had.bytes) * max(1, policy.memoryFactor)
            memory = ByteCount(raised < 0x1p62 ? Int64(raised) : 1 << 62)
        }
        var avoiding: [Avoidance] = []
        if let agent, cause.kind.isInfrastructure {
            let until = retryAt.advanced(by: settings.otherAgentWait)
            let why = "the attempt before ended \(cause.label) there"
            avoiding.append(Avoidance(agent: agent, until: until, isPreference: true, why: why))
        }
        return ReturnedShard(
            number: number, phase: .backoff(until: retryAt), memory: memory, avoiding: avoiding,
            after: Former(number: former, cause: cause.label))
    }

    /// Doubles with each attempt; anywhere in the upper half of that, never out of the policy's bounds.
    private mutating func backoff(after attempt: Int, _ policy: RetryPolicy) -> Duration {
        let least = max(0, policy.backoffMin.wholeNanoseconds)
        let most = max(least, policy.backoffMax.wholeNanoseconds)
        let (doubled, overflow) = least.multipliedReportingOverflow(by: 1 << Int64(min(attempt, 40)))
        let ceiling = overflow ? most : min(most, doubled)
        return .nanoseconds(Int64.random(in: max(least, ceiling / 2)...ceiling, using: &random))
    }

    /// Takes a lease out of the books and gives the agent back what it used. Of two attempts the other goes on.
    mutating func release(_ attempt: AttemptID, at place: Place) {
        guard let lease = letGo(attempt, at: place) else { return }
        if lease.holdsRoom { agents[lease.agent].giveBack(lease) }
        settleOrder(of: lease, attempt)
        // With the other one of two the cell stays active.
        if leases[attempt.shard] == nil, self[cell: place].leased.isEmpty { countActive(place, -1) }
        relist(place)
        if agents[lease.agent].isOnline { free(lease.agent) } else { departed.append(lease.agent) }
    }

    /// Pauses an agent that fails or declines, longer each time: it must not eat the queue.
    private mutating func strike(_ agent: Int, after what: String) {
        guard agents[agent].pausedUntil == nil else { return }
        let pause = Duration.seconds(Int64(1) << Int64(min(agents[agent].strikes, 5)))
        agents[agent].strikes += 1
        agents[agent].pausedUntil = now.advanced(by: pause)
        agents[agent].pausedAfter = String(what.prefix(300))
        endReservation(onAgent: agent)
        recallAll(from: agent)
        reindex(agent)
        timers.add(.pause(agent: agent), at: now.advanced(by: pause))
    }
}
