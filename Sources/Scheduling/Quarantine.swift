package import Model

/// What became of attempts on one agent, or on one GPU: how many the infrastructure's own faults ended there.
struct FaultTally: Sendable, Equatable {
    /// Beyond so many, both numbers are halved: what is long past counts for less.
    static let attemptsMax = 400

    private(set) var attempts = 0
    private(set) var faults = 0

    mutating func count(isFault: Bool) {
        if attempts >= Self.attemptsMax { (attempts, faults) = (attempts / 2, faults / 2) }
        attempts += 1
        faults += isFault ? 1 : 0
    }

    mutating func leaveOut(_ other: Self) {
        attempts = max(0, attempts - other.attempts)
        faults = max(0, min(attempts, faults - other.faults))
    }

    static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.attempts += b.attempts
        sum.faults += b.faults
        return sum
    }
}

/// How often an agent was lost with what it worked on, and how long it had work.
struct LossTally: Sendable, Equatable {
    /// Beyond so much work, both are halved.
    static let busyMax = Duration.minutes(7 * 24 * 60)

    private(set) var losses = 0
    private(set) var busy = Duration.zero

    mutating func countLoss() { losses += 1 }

    mutating func worked(_ time: Duration) {
        busy += max(.zero, time)
        while busy > Self.busyMax { (losses, busy) = (losses / 2, busy / 2) }
    }

    static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.losses += b.losses
        sum.busy += b.busy
        return sum
    }
}

/// Kept from work, for faults that chance does not explain.
struct Quarantine: Sendable, Equatable {
    var reason: String
    var since: Instant
    /// Then one attempt is let through, to see whether all is well.
    var until: Instant
    /// How often in a row.
    var times: Int
    /// The time is over: one attempt at a time, until one ends without a fault.
    var isProbing = false
}

/// How likely an agent without a fault of its own has as many faults or more, if faults come to all alike.
///
/// Fisher's exact test, one-sided: the upper tail of the hypergeometric distribution, each term from the one before.
package func faultsByChance(faults: Int, of attempts: Int, peersFaults: Int, of peersAttempts: Int) -> Double {
    precondition(0...attempts ~= faults && 0...peersAttempts ~= peersFaults, "faults are attempts")
    let all = faults + peersFaults
    let least = max(0, all - peersAttempts)
    let most = min(all, attempts)
    var term = 1.0
    var sum = 0.0
    var tail = 0.0
    for count in least...most {
        sum += term
        if count >= faults { tail += term }
        let ways = Double(all - count) * Double(attempts - count)
        term *= ways / (Double(count + 1) * Double(peersAttempts - all + count + 1))
        guard sum > 1e200 || term > 1e200 else { continue }
        (term, sum, tail) = (term * 1e-200, sum * 1e-200, tail * 1e-200)
    }
    return min(1, tail / sum)
}

/// How likely it is that so many of all losses or more are one agent's, if they come to all alike in the time in which they have
/// work. What takes many agents at one time (a network, a rack) comes to each of them.
///
/// The conditional test of two Poisson rates: the upper tail of the binomial distribution (Przyborowski and Wilenski 1940).
package func lossesByChance(losses: Int, in busy: Duration, peersLosses: Int, in peersBusy: Duration) -> Double {
    let time = busy.inSeconds + peersBusy.inSeconds
    guard time > 0, losses > 0 else { return 1 }
    let (share, all) = (busy.inSeconds / time, losses + peersLosses)
    guard share > 0, share < 1 else { return share > 0 ? 1 : 0 }
    let odds = share / (1 - share)
    var term = 1.0
    var (sum, tail) = (0.0, 0.0)
    for count in 0...all {
        sum += term
        if count >= losses { tail += term }
        term *= Double(all - count) / Double(count + 1) * odds
        guard sum > 1e200 || term > 1e200 else { continue }
        (term, sum, tail) = (term * 1e-200, sum * 1e-200, tail * 1e-200)
    }
    return min(1, tail / sum)
}

extension Farm {
    /// Fewer faults are nobody's pattern.
    static let faultsMin = 3
    /// Fewer attempts of others say nothing of what is usual.
    static let peersMin = 10

    private static let faults = Set([Cause(.agentFault), Cause(.gpuFault), Cause(.diskFull)].map(\.label))

    /// Counts how an attempt ended on its agent and its devices, and keeps from work what fails out of line with others. Of the
    /// attempts at a shard that fail one after the other the first counts.
    mutating func tally(_ lease: LeaseRecord, _ cause: Cause) {
        let isFault: Bool
        switch cause.kind {
        case .agentFault, .gpuFault, .diskFull: isFault = true
        case .lostAgent:
            // It took all that it worked on with it, and that is one witness. A shard that takes every agent with it is one, too.
            guard !agents[lease.agent].isLossCounted, lease.after?.cause != Cause(.lostAgent).label else { return }
            agents[lease.agent].isLossCounted = true
            return countLoss(of: lease.agent)
        case .passed, .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM: isFault = false
        // Nobody knows whose fault these are.
        case .cancelled, .notNeeded, .dataUnavailable, .preempted, .queueTimeout: return
        }
        // A shard that brings its faults along is one witness, wherever it goes.
        if isFault, let before = lease.after?.cause, Self.faults.contains(before) { return }
        let agent = lease.agent
        agents[agent].tally.count(isFault: isFault)
        for index in agents[agent].devices.indices where lease.devices.contains(agents[agent].devices[index].gpu.uuid) {
            agents[agent].devices[index].tally.count(isFault: cause.kind == .gpuFault)
            guard agents[agent].devices[index].isProbing else { continue }
            if cause.kind == .gpuFault {
                quarantine(device: index, of: agent, "its probe ended \(cause.label) too")
            } else if !isFault {
                (agents[agent].devices[index].isProbing, agents[agent].devices[index].timesOut) = (false, 0)
            }
        }
        if agents[agent].quarantine?.isProbing == true {
            return isFault ? quarantine(agent, "its probe ended \(cause.label) too") : release(fromQuarantine: agent)
        }
        guard isFault, agents[agent].quarantine == nil else { return }
        if cause.kind == .gpuFault { checkDevices(of: agent, lease) }
        checkFaults(of: agent)
    }

    private mutating func countLoss(of agent: Int) {
        agents[agent].losses.countLoss()
        if let quarantine = agents[agent].quarantine {
            if quarantine.isProbing { self.quarantine(agent, "its probe ended \(Cause(.lostAgent).label) too") }
            return
        }
        let own = losses(of: agent)
        guard own.losses >= Self.faultsMin else { return }
        var peers = LossTally()
        for other in agents.indices where other != agent { peers = peers + losses(of: other) }
        let chance = lossesByChance(losses: own.losses, in: own.busy, peersLosses: peers.losses, in: peers.busy)
        guard let odds = odds(chance, among: agentSlots.count) else { return }
        quarantine(
            agent,
            "lost \(own.losses) times in \(own.busy.spelled) of work, the others "
                + "\(Spelling.counted(peers.losses, "time")) in \(peers.busy.spelled); by chance that is \(odds)")
    }

    /// With the time of what it works on now.
    private func losses(of agent: Int) -> LossTally {
        var tally = agents[agent].losses
        if let since = agents[agent].busySince { tally.worked(since.duration(to: now)) }
        return tally
    }

    private mutating func checkDevices(of agent: Int, _ lease: LeaseRecord) {
        for index in agents[agent].devices.indices {
            let device = agents[agent].devices[index]
            guard lease.devices.contains(device.gpu.uuid), device.quarantine == nil,
                device.tally.faults >= Self.faultsMin
            else { continue }
            var peers = FaultTally()
            var count = 0
            for other in agents {
                for device in other.devices {
                    peers = peers + device.tally
                    count += 1
                }
            }
            peers.leaveOut(device.tally)
            guard let reason = outOfLine(device.tally, peers, among: count, what: "GPU faults") else { continue }
            // What its device did is not the agent's doing.
            agents[agent].tally.leaveOut(device.tally)
            quarantine(device: index, of: agent, reason)
        }
    }

    private mutating func quarantine(device index: Int, of agent: Int, _ reason: String) {
        let times = agents[agent].devices[index].timesOut + 1
        let until = now.advanced(by: period(times))
        let quarantine = Quarantine(reason: reason, since: now, until: until, times: times)
        setDevice(agent, index) { device in
            (device.timesOut, device.tally, device.isProbing) = (times, FaultTally(), false)
            device.quarantine = quarantine
        }
        recallAll(from: agent)
        timers.add(.quarantine(agent: agent), at: until)
    }

    private mutating func checkFaults(of agent: Int) {
        let own = agents[agent].tally
        guard own.faults >= Self.faultsMin else { return }
        var peers = FaultTally()
        for other in agents.indices where other != agent { peers = peers + agents[other].tally }
        guard let reason = outOfLine(own, peers, among: agentSlots.count, what: "faults of the infrastructure") else {
            return
        }
        quarantine(agent, reason)
    }

    /// - Returns: why chance does not explain it, at 1 % for all that are watched together; `nil`: it may.
    private func outOfLine(_ own: FaultTally, _ peers: FaultTally, among count: Int, what: String) -> String? {
        guard peers.attempts >= Self.peersMin else { return nil }
        let chance = faultsByChance(
            faults: own.faults, of: own.attempts, peersFaults: peers.faults, of: peers.attempts)
        guard let odds = odds(chance, among: count) else { return nil }
        return "\(own.faults) of \(own.attempts) attempts ended with \(what), of the others' \(peers.faults) of "
            + "\(peers.attempts); by chance that is \(odds)"
    }

    /// What a chance is in words; `nil` where it may be that, at 1 % for all that are watched together.
    private func odds(_ chance: Double, among count: Int) -> String? {
        guard chance < 0.01 / Double(max(1, count)) else { return nil }
        return chance > 0 ? "1 in \(Self.rounded(1 / chance))" : "next to never"
    }

    /// Two digits are enough: `2400000`.
    private static func rounded(_ number: Double) -> String {
        guard number < 1e15 else { return "more than 10^15" }
        var step = 1.0
        while number / step >= 100 { step *= 10 }
        return "\(Int64((number / step).rounded() * step))"
    }

    /// Ten minutes, doubled each time in a row, up to four hours.
    private func period(_ times: Int) -> Duration { .minutes(min(240, 10 << Int64(min(times - 1, 5)))) }

    private mutating func quarantine(_ agent: Int, _ reason: String) {
        let times = (agents[agent].quarantine?.times ?? 0) + 1
        let until = now.advanced(by: period(times))
        agents[agent].quarantine = Quarantine(reason: reason, since: now, until: until, times: times)
        (agents[agent].tally, agents[agent].losses) = (FaultTally(), LossTally())
        endReservation(onAgent: agent)
        recallAll(from: agent)
        reindex(agent)
        timers.add(.quarantine(agent: agent), at: until)
    }

    /// By a probe that went well, or by hand.
    mutating func release(fromQuarantine agent: Int) {
        agents[agent].quarantine = nil
        (agents[agent].tally, agents[agent].losses) = (FaultTally(), LossTally())
        free(agent)
    }

    mutating func releaseByHand(_ id: AgentID) {
        guard let agent = agentSlots[id] else { return }
        if agents[agent].quarantine != nil { release(fromQuarantine: agent) }
        for index in agents[agent].devices.indices where agents[agent].devices[index].quarantine != nil {
            setDevice(agent, index) { ($0.quarantine, $0.isProbing, $0.timesOut) = (nil, false, 0) }
        }
        if agents[agent].isOnline { free(agent) }
        departed.append(agent)
    }

    /// The time of some quarantine may be over.
    mutating func endQuarantine(_ agent: Int) {
        for index in agents[agent].devices.indices {
            guard let quarantine = agents[agent].devices[index].quarantine, quarantine.until <= now else { continue }
            setDevice(agent, index) { ($0.quarantine, $0.isProbing) = (nil, true) }
        }
        if let quarantine = agents[agent].quarantine, quarantine.until <= now, !quarantine.isProbing {
            agents[agent].quarantine?.isProbing = true
        }
        // One that is away is probed when it comes back.
        if agents[agent].isOnline { free(agent) }
        departed.append(agent)
    }

    /// Changes what keeps a device from being given out.
    private mutating func setDevice(_ agent: Int, _ index: Int, _ change: (inout AgentRecord.Device) -> Void) {
        let wasFree = agents[agent].devices[index].isFree
        change(&agents[agent].devices[index])
        agents[agent].freeGPUs += (agents[agent].devices[index].isFree ? 1 : 0) - (wasFree ? 1 : 0)
        forgetMatches(of: agent)
        reindex(agent)
    }

    /// The agent has looked at its devices: those that are not fit are not given out until it says otherwise.
    mutating func look(_ id: AgentID, unfit: [UnfitDevice]) {
        guard let agent = agentSlots[id] else { return }
        let reasons = Dictionary(unfit.map { ($0.uuid, $0.reason) }, uniquingKeysWith: { first, _ in first })
        var hasChanged = false
        for index in agents[agent].devices.indices {
            let ailment = reasons[agents[agent].devices[index].gpu.uuid]
            guard agents[agent].devices[index].ailment != ailment else { continue }
            setDevice(agent, index) { $0.ailment = ailment }
            hasChanged = true
        }
        guard hasChanged else { return }
        // What room was kept there may never come now.
        endReservation(onAgent: agent)
        recallAll(from: agent)
        if agents[agent].isOnline { free(agent) }
    }

    /// Whether the agent as a whole is kept from work.
    package func isQuarantined(_ id: AgentID) -> Bool {
        agentSlots[id].map { agents[$0].quarantine != nil } ?? false
    }

    /// Why an agent, or some of its GPUs, are kept from work; in sentences.
    package func quarantines(of id: AgentID) -> [String] {
        guard let slot = agentSlots[id] else { return [] }
        var lines: [String] = []
        if let quarantine = agents[slot].quarantine {
            lines.append(
                quarantine.isProbing
                    ? "quarantined: one attempt at a time, until one ends without a fault; \(quarantine.reason)"
                    : "quarantined until \(quarantine.until.utc): \(quarantine.reason)")
        }
        for device in agents[slot].devices {
            if let ailment = device.ailment { lines.append("\(device.gpu.uuid) is not given out: \(ailment)") }
            guard let quarantine = device.quarantine else { continue }
            lines.append("\(device.gpu.uuid) quarantined until \(quarantine.until.utc): \(quarantine.reason)")
        }
        return lines
    }
}
