import Model

/// Agents come, go, drain, and come back with what they hold.
extension Farm {
    /// What it holds is as of its newest connection: the late first words of one that it gave up never come here.
    mutating func join(_ id: AgentID, team: String?, capacity: Capacity, holds: [AttemptID]) {
        let agent = slot(of: id)
        if agents[agent].isOnline { countOnline(agent, -1) }
        endReservation(onAgent: agent)
        agents[agent].team = team
        // Which one it is in is told right after; until then it takes nothing that another pool would.
        agents[agent].pool = .standard
        agents[agent].equip(capacity)
        keep(only: capacity.keeps, on: agent)
        agents[agent].isOnline = true
        agents[agent].pausedUntil = nil
        agents[agent].strikes = 0
        countOnline(agent, 1)
        forgetMatches(of: agent)
        let leased = agents[agent].leases.sorted()
        for shard in leased {
            guard let lease = record(of: shard, on: agent), lease.holdsRoom else { continue }
            agents[agent].take(lease)
        }
        renew(holds, by: id)
        let held = Set(holds)
        withdrawWaiting(on: agent, besides: held)
        for shard in leased {
            guard let lease = record(of: shard, on: agent) else { continue }
            let attempt = AttemptID(shard: shard, number: lease.number)
            if !held.contains(attempt) { miss(attempt, lease, on: id) }
            change(attempt) { $0.isRestored = false }
        }
        agents[agent].isLossCounted = false
        free(agent)
        adjustRaised()
    }

    /// An agent came back without an attempt that is leased to it.
    private mutating func miss(_ attempt: AttemptID, _ lease: LeaseRecord, on agent: AgentID) {
        guard let place = place(of: attempt.shard.cell) else { return }
        if lease.isAcknowledged || lease.startedAt != nil {
            let cause = Cause(.lostAgent, evidence: "agent \(agent) came back without the attempt")
            tally(lease, cause)
            conclude(attempt, cause)
        } else if lease.isRestored {
            // The coordinator ended between the lease and its offer, or the offer was lost with it: nobody worked on it.
            effects.append(.offerWithdrawn(attempt))
            giveBack(attempt, lease, at: place, avoiding: nil)
        } else if lease.at.duration(to: now) > settings.lease / 3 {
            conclude(attempt, Cause(.lostAgent, evidence: "agent \(agent) came back without ever having had the offer"))
        }
        // Else the offer may still be on its way; if it is lost, the lease expires.
    }

    mutating func disconnect(_ id: AgentID) {
        guard let agent = agentSlots[id], agents[agent].isOnline else { return }
        agents[agent].isOnline = false
        endReservation(onAgent: agent)
        countOnline(agent, -1)
        reindex(agent)
        departed.append(agent)
    }

    mutating func drain(_ id: AgentID, _ isDraining: Bool, _ why: String) {
        let agent = slot(of: id)
        agents[agent].isDraining = isDraining
        agents[agent].drainWhy = isDraining ? why : ""
        if isDraining {
            endReservation(onAgent: agent)
            recallAll(from: agent)
        }
        reindex(agent)
        if isDraining { adjustRaised() } else { free(agent) }
        departed.append(agent)
    }

    /// One that nobody knows, or knows no more, is told of when it joins.
    mutating func put(_ id: AgentID, into pool: Pool) {
        guard let agent = agentSlots[id], agents[agent].pool != pool else { return }
        agents[agent].pool = pool
        endReservation(onAgent: agent)
        recallAll(from: agent)
        forgetMatches(of: agent)
        free(agent)
        adjustRaised()
    }

    /// What it can take is to be looked at anew.
    mutating func forgetMatches(of agent: Int) {
        for index in classes.indices where agent < classes[index].matches.count {
            classes[index].matches[agent] = .unknown
        }
    }

    mutating func remove(_ id: AgentID) {
        guard let agent = agentSlots[id] else { return }
        disconnect(id)
        agents[agent].isDraining = false
        withdrawWaiting(on: agent, besides: [])
        for shard in agents[agent].leases.sorted() {
            guard let lease = record(of: shard, on: agent) else { continue }
            conclude(
                AttemptID(shard: shard, number: lease.number),
                Cause(.lostAgent, evidence: "agent \(id) was removed from the farm"))
        }
        departed.append(agent)
        adjustRaised()
    }

    mutating func slot(of id: AgentID) -> Int {
        if let slot = agentSlots[id] { return slot }
        let slot = agentSlotsFree.popLast() ?? agents.count
        if slot == agents.count { agents.append(AgentRecord(id)) } else { agents[slot] = AgentRecord(id) }
        agentSlots[id] = slot
        return slot
    }

    /// So many that are away are remembered for what they did.
    private static let rememberedMax = 1000

    /// Lets go of agents that are not connected, have no lease, and of which nothing needs to be remembered.
    mutating func dropDeparted() {
        for agent in departed {
            let state = agents[agent]
            guard agentSlots[state.id] == agent, !state.isOnline, !state.isDraining, state.leases.isEmpty else {
                continue
            }
            // Agents that come under a new name each time must not be remembered for ever.
            if state.isRemembered, agentSlots.count - agentsOnline <= Self.rememberedMax { continue }
            agentSlots[state.id] = nil
            agentSlotsFree.append(agent)
            keep(only: [], on: agent)
            forgetMatches(of: agent)
        }
        departed.removeAll(keepingCapacity: true)
    }

    private mutating func countOnline(_ agent: Int, _ sign: Int) {
        agentsOnline += sign
        cpusOnline += sign * agents[agent].capacity.cpus
        gpusOnline += sign * agents[agent].devices.count
    }

    /// The most memory that an agent has which could take such a shard otherwise; `nil` when none names any.
    func memoryMax(for requirement: Requirement) -> ByteCount? {
        var other = requirement
        (other.memory, other.avoiding) = (nil, [])
        return agents.lazy.filter { $0.isOnline && !$0.isDraining && $0.namesMemory && other.isMet(by: $0) }
            .map(\.capacity.memory).max()
    }

    /// Whether some connected agent could ever take shards of the class.
    mutating func isEverMet(_ classIndex: Int) -> Bool {
        for agent in agents.indices where agents[agent].isOnline && !agents[agent].isDraining {
            if meets(agent, classIndex) { return true }
        }
        return false
    }

    /// Fits shards whose memory was raised to the agents that there are now.
    mutating func adjustRaised() {
        for key in raised.elements {
            guard let place = place(of: key.cell), let returned = unqueue(place, key.shard) else { continue }
            self[cell: place].returned[key.shard] = returned
            queueReturned(place, key.shard)
        }
    }
}
