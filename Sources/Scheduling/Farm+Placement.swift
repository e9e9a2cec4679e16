import Model

/// Which queued shard goes to which agent.
extension Farm {
    /// The first shard that an owner has waiting in a class.
    struct Candidate {
        /// The owner's part of what the farm has.
        var share: Share
        var lane: LaneKey
        var cell: CellKey
        var shard: Int
        var classIndex: Int

        var place: Place { Place(run: lane.slot, job: lane.job, cell: cell.cell) }

        /// Least share first, then the run's rank; within a run the longest, then the order of the plan.
        func precedes(_ other: Self) -> Bool {
            if share != other.share { return share < other.share }
            if lane.run != other.lane.run { return lane < other.lane }
            if cell.length != other.cell.length { return cell.length > other.cell.length }
            return (lane.job, cell.cell, shard) < (other.lane.job, other.cell.cell, other.shard)
        }
    }

    /// A lane whose first shard would delay something that room is kept for.
    private struct Detained {
        var lane: LaneKey
        var classIndex: Int
        /// Shards of it that take no longer may go; `nil`: none.
        var most: Duration?
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
        var detained: [Detained] = []
        while !woken.isEmpty {
            guard workLeft > 0 else { return }
            guard let candidate = firstCandidate(in: woken.elements, beside: detained) else {
                return woken.removeAll()
            }
            let (found, gap) = bestAgent(for: candidate)
            guard let agent = found else {
                if let gap, detained.count < Self.lanesTriedMax {
                    let isAgain = detained.contains {
                        $0.lane == candidate.lane && $0.classIndex == candidate.classIndex
                    }
                    detained.append(
                        Detained(
                            lane: candidate.lane, classIndex: candidate.classIndex, most: isAgain ? nil : gap))
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

    private func firstCandidate(in classIndices: ArraySlice<Int>, beside detained: [Detained]) -> Candidate? {
        var best: Candidate?
        for classIndex in classIndices { improve(&best, by: classIndex, beside: detained) }
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

    /// The first of all that this agent could take, had it room for it.
    mutating func candidate(hadItRoom agent: Int) -> Candidate? {
        var best: Candidate?
        for classIndex in active.elements where meets(agent, classIndex) { improve(&best, by: classIndex) }
        return best
    }

    /// - Parameters:
    ///   - agent: only what delays nothing that is kept there.
    ///   - detained: what of their lanes may go.
    private func improve(
        _ best: inout Candidate?, by classIndex: Int, on agent: Int? = nil, beside detained: [Detained] = []
    ) {
        let gap = agent.flatMap { self.gap(for: classes[classIndex].requirement, of: classIndex, on: $0) }
        for queue in classes[classIndex].owners.indices {
            let share = self.share(of: classes[classIndex].owners[queue].owner)
            if let best, share > best.share { continue }
            /// The run of the owner's that comes first and has something.
            var run: UInt64?
            for lane in classes[classIndex].owners[queue].lanes.elements.prefix(Self.lanesTriedMax) {
                if let run, lane.run != run { break }
                if let best, share == best.share, lane.run != best.lane.run, best.lane < lane { break }
                var most = gap
                if let known = detained.last(where: { $0.classIndex == classIndex && $0.lane == lane }) {
                    guard let limit = known.most else { continue }
                    most = limit
                }
                guard let (cell, shard) = firstShard(lane, classIndex, most) else { continue }
                run = lane.run
                let candidate = Candidate(share: share, lane: lane, cell: cell, shard: shard, classIndex: classIndex)
                if best.map(candidate.precedes) ?? true { best = candidate }
            }
        }
    }

    /// - Parameter most: how long it may take, as far as one can tell; `nil`: any time.
    private func firstShard(_ key: LaneKey, _ classIndex: Int, _ most: Duration?) -> (cell: CellKey, shard: Int)? {
        guard let lane = runs[key.slot].jobs[key.job].lanes.firstIndex(where: { $0.classIndex == classIndex }) else {
            return nil
        }
        let isAtLimit = runs[key.slot].jobs[key.job].isAtLimit
        func first(_ bound: CellKey?) -> CellKey? {
            let state = runs[key.slot].jobs[key.job].lanes[lane]
            let started = bound.map { state.started.elements(from: $0).first } ?? state.started.first
            let unstarted = bound.map { state.unstarted.elements(from: $0).first } ?? state.unstarted.first
            guard let unstarted, !isAtLimit else { return started }
            return started.map { min($0, unstarted) } ?? unstarted
        }
        guard var cell = first(nil) else { return nil }
        if let most, expected(Place(run: key.slot, job: key.job, cell: cell.cell)) > most {
            // Behind it the recorded ones stand by their length.
            guard let shorter = first(CellKey(firstOf: most)) else { return nil }
            cell = shorter
        }
        let place = Place(run: key.slot, job: key.job, cell: cell.cell)
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

    /// How many agents are looked at for one that keeps what a shard needs.
    private static let keepersTriedMax = 64

    /// Of the agents that can take a shard of the class now those with the fewest free GPUs, so that none are spent on what
    /// needs none; of these the one that keeps most of what the shard needs; of these the one that is left with the least.
    ///
    /// - Returns: where none can take it, but some have room that they keep for others: how long something may take there.
    private mutating func bestAgent(for candidate: Candidate) -> (agent: Int?, gap: Duration?) {
        var longestGap: Duration?
        var best: (agent: Int, gpus: UInt64, worth: Int)?
        var tried = 0
        let classIndex = candidate.classIndex
        let requirement = classes[classIndex].requirement
        let length = expected(candidate.place)
        let wants = wants(candidate.place)
        let from = Self.indexKey(
            gpus: requirement.gpus?.count ?? 0, cpus: requirement.gpus == nil ? requirement.cpus : 0, slot: 0)
        for key in openAgents.elements(from: from) {
            if let best {
                tried += 1
                guard tried < Self.keepersTriedMax, key >> 48 == best.gpus else { break }
            }
            let agent = Int(key & 0xFFFF_FFFF)
            guard canTake(classIndex, agent) else { continue }
            if let gap = self.gap(for: requirement, of: classIndex, on: agent), length > gap {
                longestGap = max(longestGap ?? .zero, gap)
                continue
            }
            let worth = wants.worth(of: agent)
            if worth > best?.worth ?? -1 { best = (agent, key >> 48, worth) }
            if worth == wants.most { break }
        }
        guard let best else { return (nil, longestGap) }
        guard best.worth < wants.most, let few = wants.few(Self.keepersTriedMax) else { return (best.agent, nil) }
        // They may stand anywhere among many that are free.
        var chosen = best
        for agent in few {
            guard let key = agents[agent].indexKey, key >> 48 == best.gpus, wants.worth(of: agent) > chosen.worth,
                canTake(classIndex, agent)
            else { continue }
            if let gap = self.gap(for: requirement, of: classIndex, on: agent), length > gap { continue }
            chosen = (agent, best.gpus, wants.worth(of: agent))
        }
        return (chosen.agent, nil)
    }

    private mutating func canTake(_ classIndex: Int, _ agent: Int) -> Bool {
        agents[agent].freeCPUs >= classes[classIndex].requirement.cpus && meets(agent, classIndex)
            && agents[agent].hasRoom(for: classes[classIndex].requirement)
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
        areLaggardsDue = areLaggardsDue || !laggards.isEmpty
        guard agents[agent].indexKey != nil, !agents[agent].isFreed else { return }
        agents[agent].isFreed = true
        freed.append(agent)
    }

    /// - Parameter former: the attempt that it waits behind, and whose devices are its own then; `nil`: it has room at once.
    mutating func grant(_ candidate: Candidate, to agent: Int, behind former: AttemptID? = nil) {
        workLeft -= 1
        let place = candidate.place
        endReservation(ofClass: candidate.classIndex)
        let shard = ShardID(cell: id(of: place), shard: candidate.shard)
        let requirement = classes[candidate.classIndex].requirement
        let devices =
            if let former { record(of: former)?.devices ?? [] } else {
                requirement.gpus.map { agents[agent].freeDevices(for: $0) ?? [] } ?? []
            }
        let waited = reading(place) - self[cell: place].freshSince
        let returned = unqueue(place, candidate.shard)
        if returned == nil { self[cell: place].fresh.remove(candidate.shard..<candidate.shard + 1) }
        let lease = LeaseRecord(
            number: returned?.number ?? 1, agent: agent, devices: devices, cpus: requirement.cpus,
            memory: requirement.memory, disk: requirement.disk, at: now, until: now.advanced(by: settings.lease),
            nextCheck: now.advanced(by: settings.lease), owner: runs[place.run].owner,
            waited: returned?.waited ?? waited, avoiding: returned?.avoiding ?? [],
            after: returned?.after, behind: former, isWaiting: former != nil)
        hold(lease, of: shard, at: place)
        if let former {
            change(former) { $0.heir = AttemptID(shard: shard, number: lease.number) }
        } else {
            agents[agent].take(lease)
            reindex(agent)
        }
        if self[cell: place].leased.count == 1 { countActive(place, 1) }
        relist(place)
        effects.append(.leased(self.lease(of: shard, lease)))
        timers.add(.lease(AttemptID(shard: shard, number: lease.number)), at: lease.until)
    }

    /// Enters a lease in the books that are kept live and restored alike: the shard's only one, or a second.
    mutating func hold(_ lease: LeaseRecord, of shard: ShardID, at place: Place) {
        if let first = leases[shard] {
            precondition(
                twins[shard] == nil && lease.beside != nil && lease.agent != first.agent,
                "a shard has one lease at a time, and a second one on another agent")
            twins[shard] = lease
            self[cell: place].twins.insert(shard.shard)
        } else {
            leases[shard] = lease
        }
        if agents[lease.agent].leases.isEmpty { agents[lease.agent].busySince = lease.at }
        agents[lease.agent].leases.insert(shard)
        if lease.holdsRoom { meter(lease.owner, cpus: lease.cpus, gpus: lease.devices.count) }
        self[cell: place].leased.insert(shard.shard)
        if let startedAt = lease.startedAt {
            self[job: place].lastWorked = max(self[job: place].lastWorked, startedAt)
        }
    }

    /// Takes a lease out of those books.
    mutating func letGo(_ attempt: AttemptID, at place: Place) -> LeaseRecord? {
        let shard = attempt.shard
        guard let lease = record(of: attempt) else { return nil }
        // Of two the other is now the only one.
        let twin = twins.removeValue(forKey: shard)
        if let twin {
            self[cell: place].twins.remove(shard.shard)
            if twin.number != attempt.number { leases[shard] = twin }
        } else {
            leases[shard] = nil
            self[cell: place].leased.remove(shard.shard)
        }
        laggards.remove(shard)
        agents[lease.agent].leases.remove(shard)
        if agents[lease.agent].leases.isEmpty, let since = agents[lease.agent].busySince {
            agents[lease.agent].losses.worked(since.duration(to: now))
            agents[lease.agent].busySince = nil
        }
        if lease.holdsRoom { meter(lease.owner, cpus: -lease.cpus, gpus: -lease.devices.count) }
        if lease.isAcknowledged {
            self[job: place].worked -= 1
            self[job: place].lastWorked = now
        }
        return lease
    }

    func lease(of shard: ShardID, _ lease: LeaseRecord) -> Lease {
        Lease(
            attempt: AttemptID(shard: shard, number: lease.number), agent: agents[lease.agent].id,
            devices: lease.devices, cpus: lease.cpus, memory: lease.memory, disk: lease.disk, at: lease.at,
            until: lease.until, beside: lease.beside, behind: lease.behind)
    }
}
