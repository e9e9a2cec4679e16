import Model

/// Short shards are offered ahead: while an attempt works that will soon be over, its agent gets the shard that comes next,
/// and begins it by itself once the first has ended. Between two of them lies no way to the farm and back.
///
/// What is offered ahead waits *behind* one attempt and asks for the same. It holds nothing until that one has ended; then
/// it takes over what that one had, named devices included. It counts for max-parallel like any other lease. The farm may take
/// it back as long as it waits, and where it is lost before anybody heard that it began, that costs no attempt.
extension Farm {
    /// Offers what comes next behind attempts that have begun since the last look.
    mutating func offerAhead() {
        guard !begun.isEmpty else { return }
        let attempts = begun
        begun.removeAll(keepingCapacity: true)
        // What waits for its turn has it first, and may wait for just this.
        guard settings.aheadMax > .zero, woken.isEmpty, freed.isEmpty else { return }
        for attempt in attempts where workLeft > 0 { lookAhead(behind: attempt) }
    }

    /// Offers the shard that the attempt's agent would be given next, if that is a short one which asks for just what the
    /// attempt has, and the attempt is short itself.
    private mutating func lookAhead(behind former: AttemptID) {
        guard let lease = record(of: former), lease.startedAt != nil, lease.holdsRoom, lease.heir == nil,
            lease.cancelledAt == nil, mayOfferAhead(to: lease.agent), let own = place(of: former.shard.cell),
            expected(own) <= settings.aheadMax
        else { return }
        guard let next = candidate(hadItRoom: lease.agent), classes[next.classIndex].reservation == nil,
            expected(next.place) <= settings.aheadMax,
            isAsked(classes[next.classIndex].requirement, ofWhatIsHeldBy: lease)
        else { return }
        grant(next, to: lease.agent, behind: former)
        guard let heir = record(of: former)?.heir else { return }
        timers.add(.recall(heir), at: now.advanced(by: settings.aheadMax * 4))
    }

    private func mayOfferAhead(to agent: Int) -> Bool {
        let state = agents[agent]
        return state.capacity.takesAhead && state.isOnline && !state.isDraining && state.pausedUntil == nil
            && state.quarantine == nil && state.reservation == nil
            // What was just in quarantine shows by one attempt whether it is well.
            && !state.devices.contains { $0.isProbing }
    }

    private func isAsked(_ requirement: Requirement, ofWhatIsHeldBy lease: LeaseRecord) -> Bool {
        guard requirement.cpus == lease.cpus, requirement.memory == lease.memory, requirement.disk == lease.disk else {
            return false
        }
        guard let gpus = requirement.gpus else { return lease.devices.isEmpty }
        let able = Set(agents[lease.agent].devices(for: gpus).map(\.gpu.uuid))
        return lease.devices.count == gpus.count && able.isSuperset(of: lease.devices)
    }

    /// An attempt that waited has begun: the one before it has ended, whatever it came to.
    mutating func succeed(_ attempt: AttemptID) {
        guard let lease = record(of: attempt), lease.isWaiting, let former = lease.behind else { return }
        if let other = record(of: former) {
            agents[other.agent].giveBack(other)
            meter(other.owner, cpus: -other.cpus, gpus: -other.devices.count)
            change(former) { ($0.heir, $0.hasYielded) = (nil, true) }
        }
        takeOver(attempt)
    }

    /// What was held before it is its own now.
    private mutating func takeOver(_ attempt: AttemptID) {
        guard let lease = record(of: attempt), lease.isWaiting else { return }
        change(attempt) { $0.isWaiting = false }
        agents[lease.agent].take(lease)
        meter(lease.owner, cpus: lease.cpus, gpus: lease.devices.count)
        reindex(lease.agent)
    }

    /// What becomes of who stood behind, and before, a lease that is in the books no more.
    mutating func settleOrder(of lease: LeaseRecord, _ attempt: AttemptID) {
        if let heir = lease.heir { takeOver(heir) }
        if lease.isWaiting, let former = lease.behind { change(former) { $0.heir = nil } }
    }

    /// Takes back a lease of which nobody has heard that anything began.
    mutating func withdraw(_ attempt: AttemptID, at place: Place?) {
        guard let lease = record(of: attempt), let place else { return }
        effects.append(.offerWithdrawn(attempt))
        giveBack(attempt, lease, at: place, avoiding: nil)
    }

    /// The agent does not have them, or is to have nothing. Before what they wait for ends: then they would be taken to have begun.
    mutating func withdrawWaiting(on agent: Int, besides held: Set<AttemptID>) {
        for shard in agents[agent].leases.sorted() {
            guard let lease = record(of: shard, on: agent), lease.isWaiting else { continue }
            let attempt = AttemptID(shard: shard, number: lease.number)
            if !held.contains(attempt) { withdraw(attempt, at: place(of: shard.cell)) }
        }
    }

    /// Asks for what waits to be given back: what it waits for takes longer than was thought, or its agent is to get nothing
    /// more. Asked again until it is back, or has begun.
    mutating func recall(_ attempt: AttemptID) {
        guard let lease = record(of: attempt), lease.isWaiting else { return }
        change(attempt) { $0.isRecalled = true }
        effects.append(.offerRecalled(attempt, on: agents[lease.agent].id))
        timers.add(.recall(attempt), at: now.advanced(by: max(.seconds(1), settings.aheadMax * 4)))
    }

    mutating func recallAll(from agent: Int) {
        for shard in agents[agent].leases.sorted() {
            guard let lease = record(of: shard, on: agent), lease.isWaiting, !lease.isRecalled else { continue }
            recall(AttemptID(shard: shard, number: lease.number))
        }
    }

    /// After a restart: who waits behind whom, and who has only its report left.
    mutating func restoreOrder(of shard: ShardID) {
        for lease in [leases[shard], twins[shard]] {
            guard let lease else { continue }
            let attempt = AttemptID(shard: shard, number: lease.number)
            if restoredYielded.contains(attempt), lease.holdsRoom {
                change(attempt) { $0.hasYielded = true }
                meter(lease.owner, cpus: -lease.cpus, gpus: -lease.devices.count)
            }
            guard lease.isWaiting, let former = lease.behind else { continue }
            if record(of: former) == nil || restoredYielded.contains(former) {
                change(attempt) { $0.isWaiting = false }
                meter(lease.owner, cpus: lease.cpus, gpus: lease.devices.count)
            } else {
                change(former) { $0.heir = attempt }
                timers.add(.recall(attempt), at: now.advanced(by: settings.aheadMax * 4))
            }
        }
    }
}
