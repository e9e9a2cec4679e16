import Model

/// What waits: shards in cells, cells in lanes, lanes in classes. Each step lists only what can be leased now.
extension Farm {
    /// Makes the fresh shards of a cell wait for an agent.
    ///
    /// - Parameter waited: for how long they have waited already, in nanoseconds.
    mutating func queueFresh(_ place: Place, waited: Int64) {
        if self[cell: place].queues.isEmpty {
            self[cell: place].queues = [CellRecord.Queue(classIndex: retain(requirement(of: place)))]
        }
        relist(place)
        guard !self[cell: place].fresh.isEmpty else { return }
        self[cell: place].freshSince = reading(place) - waited
        let left = self[cell: place].planned.queueTimeout.wholeNanoseconds - waited
        self[cell: place].nextCheck = now.advanced(by: .nanoseconds(max(0, left)))
        timers.add(.fresh(id(of: place)), at: self[cell: place].nextCheck)
        watchWidth(place)
    }

    func requirement(of place: Place) -> Requirement {
        Requirement(
            self[cell: place].planned, team: runs[place.run].team, isUntrusted: runs[place.run].isUntrusted,
            defaults: settings.defaults, widened: self[cell: place].widened)
    }

    /// Makes a returned shard wait for an agent.
    mutating func queueReturned(_ place: Place, _ shard: Int) {
        guard var returned = self[cell: place].returned[shard], let base = self[cell: place].queues.first else {
            return
        }
        let key = ShardID(cell: id(of: place), shard: shard)
        let attempt = AttemptID(shard: key, number: returned.number)
        var requirement = classes[base.classIndex].requirement
        if let memory = returned.memory, memory > requirement.memory ?? memory {
            // No agent that will do has more than the largest, but the shard never asks for less than its workflow does.
            let most = memoryMax(for: requirement) ?? memory
            requirement.memory = max(requirement.memory ?? .zero, min(memory, most))
            raised.insert(key)
        }
        returned.avoiding.removeAll { $0.until <= now }
        requirement.avoiding = Set(returned.avoiding.map(\.agent)).sorted()
        var classIndex = retain(requirement)
        if returned.avoiding.contains(where: \.isPreference) && !isEverMet(classIndex) {
            release(class: classIndex)
            returned.avoiding.removeAll(where: \.isPreference)
            requirement.avoiding = Set(returned.avoiding.map(\.agent)).sorted()
            classIndex = retain(requirement)
        }
        for avoidance in returned.avoiding { timers.add(.avoidance(attempt), at: avoidance.until) }
        let queues = self[cell: place].queues
        if let queue = queues.firstIndex(where: { $0.classIndex == classIndex }) {
            release(class: classIndex)
            self[cell: place].queues[queue].returned.insert(shard)
        } else {
            var queue = CellRecord.Queue(classIndex: classIndex)
            queue.returned.insert(shard)
            self[cell: place].queues.append(queue)
        }
        returned.phase = .queued(classIndex: classIndex, since: reading(place))
        if returned.nextCheck <= now {
            let left = self[cell: place].planned.queueTimeout.wholeNanoseconds - returned.waited
            returned.nextCheck = now.advanced(by: .nanoseconds(max(0, left)))
            timers.add(.queued(attempt), at: returned.nextCheck)
        }
        self[cell: place].returned[shard] = returned
        relist(place)
        watchWidth(place)
    }

    /// Takes a returned shard out, queued or in backoff; the caller settles it, leases it or queues it anew.
    @discardableResult mutating func unqueue(_ place: Place, _ shard: Int) -> ReturnedShard? {
        guard var returned = self[cell: place].returned.removeValue(forKey: shard) else { return nil }
        guard case .queued(let classIndex, let since) = returned.phase else { return returned }
        returned.waited += reading(place) - since
        if returned.memory != nil { raised.remove(ShardID(cell: id(of: place), shard: shard)) }
        if let queue = self[cell: place].queues.firstIndex(where: { $0.classIndex == classIndex }) {
            self[cell: place].queues[queue].returned.remove(shard)
        }
        relist(place)
        return returned
    }

    /// For how long the cell has been runnable, in nanoseconds.
    func reading(_ place: Place) -> Int64 {
        let time = now.nanoseconds
        return self[cell: place].clock.reading(time, job: self[job: place].open.reading(time))
    }

    /// Shows the cell's queues in their lanes, or hides them, as the cell's own state demands.
    mutating func relist(_ place: Place) {
        let isUnstarted = self[cell: place].leased.isEmpty
        let isHeld = isHeldBack(place)
        let time = now.nanoseconds
        let job = self[job: place].open.reading(time)
        self[cell: place].clock.set(isHeld ? .stopped : isUnstarted ? .withJob : .always, now: time, job: job)
        var queue = self[cell: place].queues.count - 1
        while queue >= 0 {
            let isEmpty =
                self[cell: place].queues[queue].returned.isEmpty && (queue > 0 || self[cell: place].fresh.isEmpty)
            move(place, queue: queue, to: isHeld || isEmpty ? .none : isUnstarted ? .unstarted : .started)
            if isEmpty && queue > 0 {
                let classIndex = self[cell: place].queues.remove(at: queue).classIndex
                release(class: classIndex)
            }
            queue -= 1
        }
    }

    private func isHeldBack(_ place: Place) -> Bool {
        if self[job: place].stop != nil || self[cell: place].stop != nil { return true }
        switch self[cell: place].phase {
        case .unopened, .held, .ended: return true
        case .listing, .open:
            guard let most = self[job: place].planned.shards.maxParallel else { return false }
            return self[cell: place].leased.count + self[cell: place].twins.count >= max(1, most)
        }
    }

    mutating func move(_ place: Place, queue: Int, to wanted: CellRecord.Queue.Membership) {
        let old = self[cell: place].queues[queue].membership
        guard old != wanted else { return }
        self[cell: place].queues[queue].membership = wanted
        let classIndex = self[cell: place].queues[queue].classIndex
        var lane = self[job: place].lanes.firstIndex { $0.classIndex == classIndex } ?? -1
        if lane < 0 {
            lane = self[job: place].lanes.count
            self[job: place].lanes.append(Lane(classIndex: classIndex))
        }
        let key = CellKey(length: self[cell: place].length, cell: place.cell)
        switch old {
        case .none: break
        case .unstarted: self[job: place].lanes[lane].unstarted.remove(key)
        case .started: self[job: place].lanes[lane].started.remove(key)
        }
        switch wanted {
        case .none: break
        case .unstarted: self[job: place].lanes[lane].unstarted.insert(key)
        case .started: self[job: place].lanes[lane].started.insert(key)
        }
        show(place.run, place.job, lane: lane)
        if self[job: place].lanes[lane].isEmpty { self[job: place].lanes.remove(at: lane) }
    }

    /// Shows a lane to its class, or hides it. A lane that is shown already waits because no agent has room for its
    /// class: more of the same changes nothing.
    mutating func show(_ run: Int, _ job: Int, lane index: Int) {
        let state = runs[run].jobs[job].lanes[index]
        let isShown =
            runs[run].jobs[job].stop == nil
            && (!state.started.isEmpty || (!state.unstarted.isEmpty && !runs[run].jobs[job].isAtLimit))
        guard isShown != state.isListed else { return }
        runs[run].jobs[job].lanes[index].isListed = isShown
        list(
            LaneKey(rank: runs[run].rank, run: runs[run].id.number, slot: run, job: job), in: state.classIndex, isShown)
    }

    private mutating func list(_ lane: LaneKey, in classIndex: Int, _ isShown: Bool) {
        let owner = runs[lane.slot].owner
        let found = classes[classIndex].owners.firstIndex { $0.owner == owner }
        if isShown {
            let at = found ?? classes[classIndex].owners.count
            if found == nil { classes[classIndex].owners.append(RequirementClass.OwnerLanes(owner: owner)) }
            classes[classIndex].owners[at].lanes.insert(lane)
            active.insert(classIndex)
            woken.insert(classIndex)
        } else if let at = found {
            classes[classIndex].owners[at].lanes.remove(lane)
            if classes[classIndex].owners[at].lanes.isEmpty { classes[classIndex].owners.remove(at: at) }
            if classes[classIndex].owners.isEmpty {
                active.remove(classIndex)
                woken.remove(classIndex)
                areLaggardsDue = areLaggardsDue || !laggards.isEmpty
                endReservation(ofClass: classIndex)
            }
        }
    }

    /// Counts a cell that got its first lease, or lost its last one, for the job's `max-parallel`.
    mutating func countActive(_ place: Place, _ change: Int) {
        let wasAtLimit = self[job: place].isAtLimit
        self[job: place].cellsActive += change
        let isAtLimit = self[job: place].isAtLimit
        guard wasAtLimit != isAtLimit else { return }
        if isAtLimit {
            self[job: place].open.stop(at: now.nanoseconds)
        } else {
            self[job: place].open.start(at: now.nanoseconds)
        }
        for lane in self[job: place].lanes.indices { show(place.run, place.job, lane: lane) }
    }

    mutating func retain(_ requirement: Requirement) -> Int {
        if let slot = classSlots[requirement] {
            classes[slot].uses += 1
            return slot
        }
        var fresh = RequirementClass(requirement: requirement, uses: 1)
        fresh.matches = Array(repeating: .unknown, count: agents.count)
        let slot = classSlotsFree.popLast() ?? classes.count
        if slot == classes.count { classes.append(fresh) } else { classes[slot] = fresh }
        classSlots[requirement] = slot
        return slot
    }

    mutating func release(class slot: Int) {
        classes[slot].uses -= 1
        guard classes[slot].uses == 0 else { return }
        precondition(
            classes[slot].owners.isEmpty && classes[slot].reservation == nil,
            "nothing waits in a class that nobody uses, and no room is kept for it")
        classSlots[classes[slot].requirement] = nil
        classSlotsFree.append(slot)
    }
}
