import Model

/// Which queued shard goes to which agent.
extension Farm {
    /// The first shard that an owner has waiting in a class.
    private struct Candidate {
        /// The owner's part of what the farm has.
        var share: Share
        var lane: LaneKey
        var cell: Int
        var shard: Int
        var classIndex: Int

        var place: Place { Place(run: lane.slot, job: lane.job, cell: cell) }

        /// Least share first, then the run's rank, then the order of the plan.
        func precedes(_ other: Self) -> Bool {
            if share != other.share { return share < other.share }
            if lane != other.lane { return lane < other.lane }
            return (cell, shard) < (other.cell, other.shard)
        }
    }

    /// Leases what can be leased, as far as this call may go.
    mutating func place() {
        if woken.isEmpty && freed.count == 1 { return fill(freed[0]) }
        guard !woken.isEmpty || !freed.isEmpty else { return }
        if !freed.isEmpty {
            // Several have something free: everything that waits may look at all of them.
            for classIndex in active.elements { woken.insert(classIndex) }
            forgetFreed()
        }
        /// Classes for which no agent had room, in this call or before: none has got any since.
        var waiting = active.count > woken.count ? active.elements.filter { !woken.contains($0) } : []
        /// What would delay something that room is kept for: a shorter one behind it may not.
        var tooLong: [Candidate] = []
        while !woken.isEmpty {
            guard workLeft > 0 else { return }
            guard let candidate = firstCandidate(in: woken.elements, leavingOut: tooLong) else {
                return woken.removeAll()
            }
            let (found, wouldDelay) = bestAgent(for: candidate)
            guard let agent = found else {
                if wouldDelay && tooLong.count < Self.lanesTriedMax {
                    tooLong.append(candidate)
                } else {
                    waiting.append(candidate.classIndex)
                    woken.remove(candidate.classIndex)
                }
                continue
            }
            if let overtaken = overtaken(by: candidate, on: agent, of: waiting) {
                waiting.removeAll { $0 == overtaken }
                reserve(overtaken, near: agent)
                continue
            }
            grant(candidate, to: agent)
        }
    }

    /// The class that would lose its turn, and for which room can be kept.
    private mutating func overtaken(by candidate: Candidate, on agent: Int, of waiting: [Int]) -> Int? {
        guard agents[agent].reservation == nil else { return nil }
        var first: Candidate?
        for classIndex in waiting where mayReserve(classIndex) && meets(agent, classIndex) {
            improve(&first, by: classIndex)
        }
        guard let first, first.precedes(candidate) else { return nil }
        return first.classIndex
    }

    /// Leases to one agent that got something free; nothing else has changed.
    private mutating func fill(_ agent: Int) {
        while let candidate = agents[agent].indexKey == nil ? nil : firstCandidate(for: agent) {
            guard workLeft > 0 else { return }
            grant(candidate, to: agent)
            // A lease makes nothing leasable that was not: what it woke is known to fit nowhere else.
        }
        woken.removeAll()
        agents[agent].isFreed = false
        freed.removeAll { $0 == agent }
    }

    private mutating func forgetFreed() {
        for agent in freed { agents[agent].isFreed = false }
        freed.removeAll(keepingCapacity: true)
    }

    /// How many lanes are looked at for a shard that is short enough.
    private static let lanesTriedMax = 32

    private func firstCandidate(in classIndices: ArraySlice<Int>, leavingOut left: [Candidate]) -> Candidate? {
        var best: Candidate?
        for classIndex in classIndices { improve(&best, by: classIndex, leavingOut: left) }
        return best
    }

    /// The first that this agent can take now, without delaying what it keeps room for.
    private mutating func firstCandidate(for agent: Int) -> Candidate? {
        if let kept = agents[agent].reservation, agents[agent].hasRoom(for: classes[kept].requirement) {
            var candidate: Candidate?
            improve(&candidate, by: kept)
            if candidate != nil { return candidate }
        }
        var best: Candidate?
        var isAnyBlocked = false
        for classIndex in active.elements where meets(agent, classIndex) {
            guard classes[classIndex].requirement.cpus <= agents[agent].freeCPUs,
                agents[agent].hasRoom(for: classes[classIndex].requirement)
            else {
                isAnyBlocked = true
                continue
            }
            improve(&best, by: classIndex, on: agent)
        }
        guard isAnyBlocked, let fitting = best, agents[agent].reservation == nil else { return best }
        // Somebody who comes before may need more than is free here: room is kept, and the smaller one fills the gap if
        // it can.
        var first = best
        for classIndex in active.elements
        where mayReserve(classIndex) && meets(agent, classIndex)
            && !agents[agent].hasRoom(for: classes[classIndex].requirement)
        {
            improve(&first, by: classIndex)
        }
        guard let first, first.classIndex != fitting.classIndex else { return fitting }
        reserve(first.classIndex, near: agent)
        return agents[agent].reservation == nil ? fitting : firstCandidate(for: agent)
    }

    /// - Parameters:
    ///   - agent: only what delays nothing that is kept there.
    ///   - left: their lanes in the class are not looked at.
    private func improve(
        _ best: inout Candidate?, by classIndex: Int, on agent: Int? = nil, leavingOut left: [Candidate] = []
    ) {
        for queue in classes[classIndex].owners.indices {
            let share = self.share(of: classes[classIndex].owners[queue].owner)
            if let best, share > best.share { continue }
            for lane in classes[classIndex].owners[queue].lanes.elements.prefix(Self.lanesTriedMax)
            where !left.contains(where: { $0.classIndex == classIndex && $0.lane == lane }) {
                if let best, share == best.share && best.lane < lane { break }
                guard let (cell, shard) = firstShard(lane, classIndex) else { continue }
                let candidate = Candidate(share: share, lane: lane, cell: cell, shard: shard, classIndex: classIndex)
                if let agent, delays(classIndex, candidate.place, on: agent) { continue }
                if best.map(candidate.precedes) ?? true { best = candidate }
                break
            }
        }
    }

    private func firstShard(_ key: LaneKey, _ classIndex: Int) -> (cell: Int, shard: Int)? {
        guard let lane = runs[key.slot].jobs[key.job].lanes.firstIndex(where: { $0.classIndex == classIndex }) else {
            return nil
        }
        let started = runs[key.slot].jobs[key.job].lanes[lane].started.first ?? .max
        let unstarted =
            runs[key.slot].jobs[key.job].isAtLimit
            ? .max : runs[key.slot].jobs[key.job].lanes[lane].unstarted.first ?? .max
        let cell = min(started, unstarted)
        guard cell < .max else { return nil }
        let place = Place(run: key.slot, job: key.job, cell: cell)
        guard let queue = self[cell: place].queues.firstIndex(where: { $0.classIndex == classIndex }) else {
            return nil
        }
        let returned = self[cell: place].queues[queue].returned.first ?? .max
        let fresh = queue == 0 ? self[cell: place].fresh.first ?? .max : .max
        return (cell, min(returned, fresh))
    }

    /// Whether the agent could ever take shards of the class.
    mutating func meets(_ agent: Int, _ classIndex: Int) -> Bool {
        while classes[classIndex].matches.count < agents.count { classes[classIndex].matches.append(.unknown) }
        switch classes[classIndex].matches[agent] {
        case .yes: return true
        case .no: return false
        case .unknown:
            let isMet = classes[classIndex].requirement.isMet(by: agents[agent])
            classes[classIndex].matches[agent] = isMet ? .yes : .no
            return isMet
        }
    }

    /// The agent that is left with the least when it takes a shard of the class; GPU agents last if it needs no GPU.
    ///
    /// - Returns: `wouldDelay` when some have room, which they keep for others.
    private mutating func bestAgent(for candidate: Candidate) -> (agent: Int?, wouldDelay: Bool) {
        var wouldDelay = false
        let classIndex = candidate.classIndex
        let requirement = classes[classIndex].requirement
        let from = Self.indexKey(
            gpus: requirement.gpus?.count ?? 0, cpus: requirement.gpus == nil ? requirement.cpus : 0, slot: 0)
        for key in openAgents.elements(from: from) {
            let agent = Int(key & 0xFFFF_FFFF)
            guard agents[agent].freeCPUs >= requirement.cpus, meets(agent, classIndex),
                agents[agent].hasRoom(for: requirement)
            else { continue }
            guard !delays(classIndex, candidate.place, on: agent) else {
                wouldDelay = true
                continue
            }
            return (agent, false)
        }
        return (nil, wouldDelay)
    }

    /// Orders agents by free GPUs, then by free cores, then by slot.
    static func indexKey(gpus: Int, cpus: Int, slot: Int) -> UInt64 {
        UInt64(min(gpus, 0xFFFF)) << 48 | UInt64(min(cpus, 0xFFFF)) << 32 | UInt64(slot)
    }

    /// Keeps the agent where placement looks for it, or out of its sight.
    mutating func reindex(_ agent: Int) {
        let state = agents[agent]
        // An agent with GPUs comes after all without, even when all of them are leased.
        let gpus = state.devices.isEmpty ? 0 : max(0, state.freeGPUs) + 1
        let key = state.isOpen ? Self.indexKey(gpus: gpus, cpus: state.freeCPUs, slot: agent) : nil
        guard key != state.indexKey else { return }
        if let old = state.indexKey { openAgents.remove(old) }
        if let key { openAgents.insert(key) }
        agents[agent].indexKey = key
    }

    /// Offers the agent what waits, at the end of this call.
    mutating func free(_ agent: Int) {
        reindex(agent)
        guard agents[agent].indexKey != nil, !agents[agent].isFreed else { return }
        agents[agent].isFreed = true
        freed.append(agent)
    }

    private mutating func grant(_ candidate: Candidate, to agent: Int) {
        workLeft -= 1
        let place = candidate.place
        endReservation(ofClass: candidate.classIndex)
        let shard = ShardID(cell: id(of: place), shard: candidate.shard)
        let requirement = classes[candidate.classIndex].requirement
        let devices = requirement.gpus.map { agents[agent].freeDevices(for: $0) ?? [] } ?? []
        let waited = reading(place) - self[cell: place].freshSince
        let returned = unqueue(place, candidate.shard)
        if returned == nil { self[cell: place].fresh.remove(candidate.shard..<candidate.shard + 1) }
        let lease = LeaseRecord(
            number: returned?.number ?? 1, agent: agent, devices: devices, cpus: requirement.cpus,
            memory: requirement.memory, at: now, until: now.advanced(by: settings.lease),
            nextCheck: now.advanced(by: settings.lease), owner: runs[place.run].owner,
            waited: returned?.waited ?? waited, avoiding: returned?.avoiding ?? [],
            after: returned?.after ?? "")
        hold(lease, of: shard, at: place)
        agents[agent].take(lease)
        reindex(agent)
        if self[cell: place].leased.count == 1 { countActive(place, 1) }
        relist(place)
        effects.append(.leased(self.lease(of: shard, lease)))
        timers.add(.lease(AttemptID(shard: shard, number: lease.number)), at: lease.until)
    }

    /// Enters a lease in the books that are kept live and restored alike.
    mutating func hold(_ lease: LeaseRecord, of shard: ShardID, at place: Place) {
        precondition(leases[shard] == nil, "a shard has one lease at a time")
        leases[shard] = lease
        agents[lease.agent].leases.insert(shard)
        meter(lease.owner, cpus: lease.cpus, gpus: lease.devices.count)
        self[cell: place].leased.insert(shard.shard)
        if let startedAt = lease.startedAt {
            self[job: place].lastWorked = max(self[job: place].lastWorked, startedAt)
        }
    }

    /// Takes a lease out of those books.
    mutating func letGo(_ shard: ShardID, at place: Place) -> LeaseRecord? {
        guard let lease = leases.removeValue(forKey: shard) else { return nil }
        agents[lease.agent].leases.remove(shard)
        meter(lease.owner, cpus: -lease.cpus, gpus: -lease.devices.count)
        self[cell: place].leased.remove(shard.shard)
        if lease.isAcknowledged {
            self[job: place].worked -= 1
            self[job: place].lastWorked = now
        }
        return lease
    }

    func lease(of shard: ShardID, _ lease: LeaseRecord) -> Lease {
        Lease(
            attempt: AttemptID(shard: shard, number: lease.number), agent: agents[lease.agent].id,
            devices: lease.devices, cpus: lease.cpus, memory: lease.memory, at: lease.at, until: lease.until)
    }
}
