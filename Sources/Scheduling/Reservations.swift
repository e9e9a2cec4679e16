import Model

/// Room that is kept for shards which need more at once than is free, so that smaller ones do not overtake them for ever.
///
/// Who is first in order and finds no room, while something smaller behind it does, gets a reservation on one agent. From
/// then on nothing starts there that would delay it: shards of whatever kind fill the gap as long as they end in time, by
/// what is recorded of their cells, by what attempts of their jobs have taken so far, or by their timeouts (Lifka's EASY
/// backfilling, JSSPP 1995). An agent keeps room for one class at a time, and a class has its room kept on one agent.
extension Farm {
    /// How many agents are looked at for the earliest room.
    static let reservationAgentsMax = 32

    /// How long an attempt of the cell may take, as far as one can tell: what one took in an earlier run, else the longest of
    /// its job in this run, else its time limit.
    func expected(_ place: Place) -> Duration {
        let length = self[cell: place].length
        guard length == .max else { return .nanoseconds(length) }
        let timeout = self[cell: place].planned.timeout
        return self[job: place].longest.map { min($0, timeout) } ?? timeout
    }

    /// When an attempt that goes on ends, as far as one can tell.
    func expectedEnd(of shard: ShardID, _ lease: LeaseRecord) -> Instant {
        guard let place = place(of: shard.cell) else { return now }
        return max(now, (lease.startedAt ?? lease.at).advanced(by: expected(place)))
    }

    /// When nobody has any more what an attempt holds: what waits behind it takes that over.
    private func roomEnd(of shard: ShardID, _ lease: LeaseRecord) -> Instant {
        let end = expectedEnd(of: shard, lease)
        guard let heir = lease.heir, let place = place(of: heir.shard.cell) else { return end }
        return end.advanced(by: expected(place))
    }

    /// Something that may be placed on an agent ahead of what it keeps room for.
    struct Filler {
        var requirement: Requirement
        var end: Instant
    }

    /// When the agent has room for the requirement, as far as one can tell.
    ///
    /// - Parameter filler: placed there now, and gone at its end.
    func roomExpected(for requirement: Requirement, on agent: Int, beside filler: Filler? = nil) -> Instant? {
        var state = agents[agent]
        var ends = state.leases.compactMap { shard in
            record(of: shard, on: agent).flatMap { lease in
                lease.holdsRoom ? (end: roomEnd(of: shard, lease), shard: shard, lease: lease) : nil
            }
        }
        if let filler {
            // Some lease of nobody's that takes what the filler takes.
            let devices = filler.requirement.gpus.map { state.freeDevices(for: $0) ?? [] } ?? []
            let lease = LeaseRecord(
                number: 0, agent: agent, devices: devices, cpus: filler.requirement.cpus,
                memory: filler.requirement.memory, disk: filler.requirement.disk, at: now, until: now, nextCheck: now,
                owner: 0)
            state.take(lease)
            let nobody = ShardID(run: RunID(.max), job: 0, cell: 0, shard: 0)
            ends.append((filler.end, nobody, lease))
        }
        if state.hasRoom(for: requirement) { return now }
        ends.sort { ($0.end, $0.shard) < ($1.end, $1.shard) }
        for (end, _, lease) in ends {
            state.giveBack(lease)
            if state.hasRoom(for: requirement) { return end }
        }
        return nil
    }

    /// How long something of the requirement may take that is placed on the agent now, so that it delays nothing that the
    /// agent keeps room for; `nil`: any time.
    ///
    /// - Parameter classIndex: its class; what it keeps room for itself, it does not delay.
    func gap(for requirement: Requirement, of classIndex: Int?, on agent: Int) -> Duration? {
        guard let kept = agents[agent].reservation, kept != classIndex else { return nil }
        let waiting = classes[kept].requirement
        guard let planned = roomExpected(for: waiting, on: agent) else { return nil }
        // Whatever ends after that time takes the same until then.
        let filler = Filler(requirement: requirement, end: .distantFuture)
        let isInTheWay = roomExpected(for: waiting, on: agent, beside: filler).map { $0 > planned } ?? true
        return isInTheWay ? now.duration(to: planned) : nil
    }

    /// Whether room may be kept for the class somewhere: something of it can be leased, and none is kept yet.
    func mayReserve(_ classIndex: Int) -> Bool { classes[classIndex].reservation == nil && active.contains(classIndex) }

    /// Keeps room for the class where there will be some first, among a few agents.
    ///
    /// - Parameter agent: the one that something smaller is about to take from.
    mutating func reserve(_ classIndex: Int, near agent: Int) {
        var best: (at: Instant, agent: Int)?
        // Those with the most that is free come last in the index.
        let others = openAgents.elements.suffix(Self.reservationAgentsMax).reversed()
        for candidate in [agent] + others.map({ Int($0 & 0xFFFF_FFFF) }) {
            guard agents[candidate].reservation == nil, agents[candidate].indexKey != nil,
                meets(candidate, classIndex)
            else { continue }
            guard let at = roomExpected(for: classes[classIndex].requirement, on: candidate) else { continue }
            if best.map({ at < $0.at }) ?? true { best = (at, candidate) }
        }
        guard let best else { return }
        agents[best.agent].reservation = classIndex
        classes[classIndex].reservation = best.agent
    }

    /// Gives back what is kept for a class: it was placed, or nothing of it waits any more.
    mutating func endReservation(ofClass classIndex: Int) {
        guard let agent = classes[classIndex].reservation else { return }
        endReservation(onAgent: agent)
    }

    /// Gives back what an agent keeps: it is away, draining or paused, or was placed.
    mutating func endReservation(onAgent agent: Int) {
        guard let kept = agents[agent].reservation else { return }
        agents[agent].reservation = nil
        classes[kept].reservation = nil
        if agents[agent].isOnline { free(agent) }
    }
}
