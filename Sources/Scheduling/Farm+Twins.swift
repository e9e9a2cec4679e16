import Model

/// Second attempts: a shard that may be worked on twice (`idempotent`) and runs far beyond its peers gets another attempt, on
/// another agent. The first of the two that ends well counts; the other is cancelled.
///
/// An attempt that lags waits for room that nothing else could use: a second attempt never keeps a first one waiting. It counts
/// for its owner's share, for `shards.max-parallel` and for its agent like every lease; not for `retry`, nor for the run's
/// budget of retries. Of the two leases `leases` has the one that began first, `twins` the other.
extension Farm {
    /// What a shard has had of second attempts.
    struct Twinning: Sendable {
        /// Of those that were begun, those aside that were declined; a few at most.
        var numbers: [Int] = []
        /// Agents that the next one does not go to, for a while.
        var avoiding: [Avoidance] = []
    }

    /// How many attempts that lag are looked at for a place at one time, by turns.
    static let laggardsTriedMax = 100

    // MARK: who lags

    /// Whose shards are held against each other.
    enum Peerage: Sendable {
        case cell(Place)
        case job(run: Int, job: Int)
    }

    subscript(peers peerage: Peerage) -> Peers {
        _read {
            switch peerage {
            case .cell(let place): yield runs[place.run].jobs[place.job].cells[place.cell].peers
            case .job(let run, let job): yield runs[run].jobs[job].peers
            }
        }
        _modify {
            switch peerage {
            case .cell(let place): yield &runs[place.run].jobs[place.job].cells[place.cell].peers
            case .job(let run, let job): yield &runs[run].jobs[job].peers
            }
        }
    }

    /// A cell's own shards are each other's peers where there are enough of them; else those of the whole job are.
    private func peerage(of place: Place) -> Peerage {
        (self[cell: place].shards ?? 0) >= settings.lag.cellMin
            ? .cell(place) : .job(run: place.run, job: place.job)
    }

    private func lagLimit(_ peerage: Peerage) -> Duration? {
        let all =
            switch peerage {
            case .cell(let place): self[cell: place].shards ?? 0
            case .job(let run, let job): runs[run].jobs[job].shards
            }
        return settings.lag.limit(self[peers: peerage].pace, among: all)
    }

    /// How long an attempt at a shard of the cell may run until it lags; `nil` while too little is known of its peers.
    func lagLimit(_ place: Place) -> Duration? { lagLimit(peerage(of: place)) }

    /// How many second attempts the shard may still get, after those that go on or have ended.
    func twinsLeft(of shard: Int, _ place: Place) -> Int {
        max(0, settings.lag.twinsMax - (self[cell: place].twinned[shard]?.numbers.count ?? 0))
    }

    /// The attempt and since when it runs, if a second one beside it may be begun in time.
    private func mayLag(_ shard: ShardID, _ place: Place) -> (lease: LeaseRecord, since: Instant)? {
        guard self[job: place].planned.isIdempotent, !shard.isListing, twins[shard] == nil, stop(of: place) == nil,
            let lease = leases[shard], lease.cancelledAt == nil, let startedAt = lease.startedAt,
            twinsLeft(of: shard.shard, place) > 0
        else { return nil }
        return (lease, lease.countedFrom ?? startedAt)
    }

    /// Sees that an attempt which goes on is looked at when it lags.
    mutating func watch(_ attempt: AttemptID) {
        guard let place = place(of: attempt.shard.cell), let (lease, since) = mayLag(attempt.shard, place),
            lease.number == attempt.number
        else { return }
        guard let limit = lagLimit(place) else { return waitForPeers(attempt, place) }
        let due = since.advanced(by: limit)
        // Meanwhile others pass, and what is usual changes.
        guard due <= now else {
            return timers.add(.lag(attempt), at: min(due, now.advanced(by: settings.lag.againAfter)))
        }
        laggards.insert(attempt.shard)
        areLaggardsDue = true
    }

    private mutating func waitForPeers(_ attempt: AttemptID, _ place: Place) {
        let peerage = peerage(of: place)
        if self[peers: peerage].isLong {
            let left = self[peers: peerage].waiting.filter { record(of: $0) != nil }
            self[peers: peerage].keep(left)
        }
        self[peers: peerage].waiting.append(attempt)
    }

    /// What a shard's ending says something about.
    private func everyPeerage(of place: Place) -> [Peerage] {
        let job = Peerage.job(run: place.run, job: place.job)
        if case .cell = peerage(of: place) { return [.cell(place), job] }
        return [job]
    }

    /// Notes how long an attempt took that passed: it says what is usual for others.
    mutating func notePace(_ place: Place, _ taken: Duration) {
        guard self[job: place].planned.isIdempotent else { return }
        for peerage in everyPeerage(of: place) { self[peers: peerage].pace.add(max(.zero, taken)) }
    }

    /// Looks at those that had begun before enough was known, once it is.
    mutating func pendWatching(_ place: Place) {
        guard self[job: place].planned.isIdempotent else { return }
        for peerage in everyPeerage(of: place) {
            guard !self[peers: peerage].waiting.isEmpty, !self[peers: peerage].isPending, lagLimit(peerage) != nil
            else { continue }
            self[peers: peerage].isPending = true
            switch peerage {
            case .cell(let place): pending.append(.watching(id(of: place)))
            case .job(let run, let job): pending.append(.watchingJob(runs[run].id, job))
            }
        }
    }

    /// - Returns: whether all of it is done.
    mutating func watchWaiting(_ peerage: Peerage) -> Bool {
        while lagLimit(peerage) != nil, let attempt = self[peers: peerage].waiting.last {
            guard workLeft > 0 else { return false }
            workLeft -= 1
            self[peers: peerage].waiting.removeLast()
            watch(attempt)
        }
        self[peers: peerage].isPending = false
        return true
    }

    // MARK: where the second one goes

    /// An attempt that lags, as it waits for room.
    private struct Laggard {
        var share: Share
        var lane: LaneKey
        var shard: ShardID
        var place: Place
        var lease: LeaseRecord

        /// As first attempts do: least share first, then the run's rank, then the plan's order.
        func precedes(_ other: Self) -> Bool {
            if share != other.share { return share < other.share }
            if lane.run != other.lane.run { return lane < other.lane }
            return shard < other.shard
        }
    }

    /// Begins second attempts on what is free when everything that waits has had its turn. Where none of those that it looks
    /// at finds a place, the next call looks at the next: a call does as much for thousands as for a hundred.
    mutating func placeTwins() {
        guard areLaggardsDue || laggardsUnseen > 0, woken.isEmpty, freed.isEmpty else { return }
        if areLaggardsDue { laggardsUnseen = laggards.count }
        areLaggardsDue = false
        while workLeft > 0 {
            guard laggardsUnseen > 0, !laggards.isEmpty, !openAgents.isEmpty else {
                laggardsUnseen = 0
                return
            }
            let look = nextLaggards()
            guard let (laggard, agent, requirement) = firstPlace(for: look.some) else {
                laggardsUnseen -= min(laggardsUnseen, look.count)
                laggardsFrom = laggards.elements(from: look.last).first { $0 != look.last }
                return
            }
            begin(laggard, on: agent, requirement)
            // Shares and room are others now.
            laggardsUnseen = laggards.count
        }
    }

    private mutating func firstPlace(
        for some: [Laggard]
    ) -> (laggard: Laggard, agent: Int, requirement: Requirement)? {
        for laggard in some {
            if let (agent, requirement) = agent(forTwinOf: laggard) { return (laggard, agent, requirement) }
        }
        return nil
    }

    /// Some of those that lag, from where the last look ended, so that each has its turn; in the order in which they are served.
    /// What does not lag any more, for it may not or for its peers take longer by now, lags no more.
    ///
    /// - Returns: and how many were looked at, and the last of them. There must be one that lags.
    private mutating func nextLaggards() -> (some: [Laggard], count: Int, last: ShardID) {
        var shards = Array(
            (laggardsFrom.map { laggards.elements(from: $0) } ?? laggards.elements).prefix(Self.laggardsTriedMax))
        if shards.count < Self.laggardsTriedMax {
            shards += laggards.elements.prefix(min(Self.laggardsTriedMax, laggards.count) - shards.count)
        }
        var found: [Laggard] = []
        for shard in shards {
            guard let place = place(of: shard.cell), let (lease, since) = mayLag(shard, place) else {
                laggards.remove(shard)
                continue
            }
            guard let limit = lagLimit(place), since.advanced(by: limit) <= now else {
                laggards.remove(shard)
                watch(AttemptID(shard: shard, number: lease.number))
                continue
            }
            let lane = LaneKey(
                rank: runs[place.run].rank, run: shard.run.number, slot: place.run, job: shard.cell.job)
            found.append(
                Laggard(share: share(of: lease.owner), lane: lane, shard: shard, place: place, lease: lease))
        }
        return (found.sorted { $0.precedes($1) }, shards.count, shards[shards.count - 1])
    }

    /// An agent that has room which nothing that waits could use: of those with the fewest free GPUs the one that keeps most of
    /// what the shard needs.
    private mutating func agent(forTwinOf laggard: Laggard) -> (agent: Int, requirement: Requirement)? {
        let cell = self[cell: laggard.place]
        guard let base = cell.queues.first else { return nil }
        if let most = self[job: laggard.place].planned.shards.maxParallel {
            guard cell.leased.count + cell.twins.count < max(1, most), cell.fresh.isEmpty, cell.returned.isEmpty else {
                return nil
            }
        }
        var requirement = classes[base.classIndex].requirement
        // As raised after `oom`.
        requirement.memory = laggard.lease.memory ?? requirement.memory
        let avoided = cell.twinned[laggard.shard.shard]?.avoiding.filter { $0.until > now }.map(\.agent) ?? []
        requirement.avoiding = Set(avoided + [agents[laggard.lease.agent].id]).sorted()
        let wants = wants(laggard.place)
        let from = Self.indexKey(
            gpus: requirement.gpus?.count ?? 0, cpus: requirement.gpus == nil ? requirement.cpus : 0, slot: 0)
        var best: (agent: Int, gpus: UInt64, worth: Int)?
        for key in openAgents.elements(from: from).prefix(Self.laggardsTriedMax) {
            if let best, key >> 48 != best.gpus || best.worth == wants.most { break }
            let agent = Int(key & 0xFFFF_FFFF)
            // The cheap question first: most agents of a busy farm have no room.
            guard agents[agent].reservation == nil, agents[agent].hasRoom(for: requirement),
                requirement.isMet(by: agents[agent]), !isWanted(agent)
            else { continue }
            let worth = wants.worth(of: agent)
            if worth > best?.worth ?? -1 { best = (agent, key >> 48, worth) }
        }
        return best.map { ($0.agent, requirement) }
    }

    /// Whether something waits that the agent could take, now or when it has more room.
    private mutating func isWanted(_ agent: Int) -> Bool {
        for classIndex in active.elements where meets(agent, classIndex) { return true }
        return false
    }

    private mutating func begin(_ laggard: Laggard, on agent: Int, _ requirement: Requirement) {
        workLeft -= 1
        let (shard, place) = (laggard.shard, laggard.place)
        laggards.remove(shard)
        let number = nextNumber(of: shard.shard, after: laggard.lease.number, place)
        let beside = Lease.Beside(number: laggard.lease.number, why: whyTwin(of: laggard.lease, place))
        let lease = LeaseRecord(
            number: number, agent: agent,
            devices: requirement.gpus.map { agents[agent].freeDevices(for: $0) ?? [] } ?? [], cpus: requirement.cpus,
            memory: requirement.memory, disk: requirement.disk, at: now, until: now.advanced(by: settings.lease),
            nextCheck: now.advanced(by: settings.lease), owner: runs[place.run].owner, beside: beside)
        noteTwin(number, of: shard.shard, place)
        hold(lease, of: shard, at: place)
        agents[agent].take(lease)
        reindex(agent)
        relist(place)
        effects.append(.leased(self.lease(of: shard, lease)))
        timers.add(.lease(AttemptID(shard: shard, number: number)), at: lease.until)
    }

    /// `attempt 1 had run for 5 min; 12 shards like it took 40 s in the middle`
    private func whyTwin(of lease: LeaseRecord, _ place: Place) -> String {
        let ran = (lease.countedFrom ?? lease.startedAt ?? lease.at).duration(to: now)
        // Of what was before, no clock tells for certain.
        let anew = lease.countedFrom == nil ? "" : " since the coordinator began anew"
        return "attempt \(lease.number) had run for \(ran.spelled)\(anew); \(usual(place))"
    }

    /// `12 shards like it took 40 s in the middle`
    func usual(_ place: Place) -> String {
        let pace = self[peers: peerage(of: place)].pace
        return "\(pace.count) shards like it took about \((pace.median ?? .zero).spelled) in the middle"
    }

    // MARK: in words

    /// What becomes, or may become, of an attempt that goes on while its peers have ended.
    func explainLag(_ name: String, _ place: Place, _ shard: ShardID, at now: Instant) -> [String] {
        guard self[job: place].planned.isIdempotent, let lease = leases[shard] else { return [] }
        if let twin = twins[shard] {
            return ["\(name): of attempts \(lease.number) and \(twin.number) the first that passes counts"]
        }
        guard let (_, since) = mayLag(shard, place), let limit = lagLimit(place) else { return [] }
        let again = self[cell: place].twinned[shard.shard].map { !$0.numbers.isEmpty } ?? false ? "another" : "a"
        let left = limit - since.duration(to: now)
        guard laggards.contains(shard) else {
            return ["\(name): \(again) second attempt is due in \(max(.zero, left).spelled); \(usual(place))"]
        }
        let most = self[job: place].planned.shards.maxParallel.map { " and shards.max-parallel \($0) allows" } ?? ""
        return [
            "\(name): \(again) second attempt waits for another agent that nothing else needs\(most); \(usual(place))"
        ]
    }

    // MARK: numbers

    /// The number of the next attempt at a shard.
    func nextNumber(of shard: Int, after number: Int, _ place: Place) -> Int {
        max(number, self[cell: place].twinned[shard]?.numbers.max() ?? 0) + 1
    }

    mutating func noteTwin(_ number: Int, of shard: Int, _ place: Place) {
        self[cell: place].twinned[shard, default: Twinning()].numbers.append(number)
    }

    // MARK: how it ends

    /// Takes back the offer of a second attempt as if it never was; the one beside it goes on.
    mutating func giveBackTwin(_ attempt: AttemptID, at place: Place, avoiding: Avoidance?) {
        release(attempt, at: place)
        let shard = attempt.shard.shard
        self[cell: place].twinned[shard]?.numbers.removeAll { $0 == attempt.number }
        guard let first = leases[attempt.shard] else { return }
        let other = AttemptID(shard: attempt.shard, number: first.number)
        if let avoiding { avoid(avoiding, forTwinsOf: other, place) }
        watch(other)
    }

    /// No second attempt beside this one goes to the agent for a while; then the agent is as good as others.
    private mutating func avoid(_ avoidance: Avoidance, forTwinsOf attempt: AttemptID, _ place: Place) {
        let shard = attempt.shard.shard
        let others = (self[cell: place].twinned[shard]?.avoiding ?? []).filter {
            $0.until > now && $0.agent != avoidance.agent
        }
        self[cell: place].twinned[shard, default: Twinning()].avoiding = others + [avoidance]
        timers.add(.lag(attempt), at: avoidance.until)
    }

    /// Ends one of two attempts at a shard.
    ///
    /// One that passed settles the shard. So does one whose program failed: the other might come to something else, but then
    /// the better of two answers would count. What may be due to where or how slowly it ran proves nothing: the other goes on,
    /// and so it does where the policy would try again anyway.
    ///
    /// - Returns: false where it is as if there were one attempt only: the second had not begun.
    mutating func conclude(_ attempt: AttemptID, _ cause: Cause, beside other: LeaseRecord, at place: Place) -> Bool {
        let otherID = AttemptID(shard: attempt.shard, number: other.number)
        let shard = attempt.shard.shard
        if cause.kind == .passed {
            release(attempt, at: place)
            effects.append(
                .attemptEnded(attempt, cause, retryAt: nil, why: "it passed, before attempt \(other.number)"))
            end(otherID, because: "attempt \(attempt.number) passed first", at: place)
            settle(place, shard...shard, attempt: attempt.number, cause)
            return true
        }
        guard other.startedAt != nil else {
            end(otherID, because: "attempt \(attempt.number) ended \(cause.label) before it had begun", at: place)
            return false
        }
        // What is being stopped is not tried again, whatever the policy covers; a program's own failure counts all the same.
        let stop = stop(of: place)
        let leavesOther =
            cause.kind.leavesOther
            || (stop == nil ? self[job: place].planned.retry.covers(cause) : cause.kind.isStop)
        guard leavesOther else {
            release(attempt, at: place)
            effects.append(
                .attemptEnded(
                    attempt, cause, retryAt: nil,
                    why: "not tried again: \(cause.label) is not retried, and counts before attempt \(other.number)"))
            end(otherID, because: "attempt \(attempt.number) ended \(cause.label) first", at: place)
            settle(place, shard...shard, attempt: attempt.number, cause)
            return true
        }
        if let stop {
            release(attempt, at: place)
            effects.append(.attemptEnded(attempt, cause, retryAt: nil, why: "not tried again: \(stop.evidence)"))
            return true
        }
        let agent = record(of: attempt).map { agents[$0.agent].id }
        release(attempt, at: place)
        effects.append(.attemptEnded(attempt, cause, retryAt: nil, why: "attempt \(other.number) goes on"))
        if let agent, cause.kind.isInfrastructure {
            let until = now.advanced(by: settings.otherAgentWait)
            let why = "attempt \(attempt.number) ended \(cause.label) there"
            avoid(Avoidance(agent: agent, until: until, isPreference: true, why: why), forTwinsOf: otherID, place)
        }
        watch(otherID)
        return true
    }

    /// Ends one of two attempts, whose answer nobody needs: the other counts, or it had not begun. Its lease ends at once; its agent hears of it.
    private mutating func end(_ attempt: AttemptID, because why: String, at place: Place) {
        guard let lease = record(of: attempt) else { return }
        let agent = agents[lease.agent].id
        release(attempt, at: place)
        effects.append(.attemptEnded(attempt, Cause(.notNeeded, evidence: why), retryAt: nil, why: ""))
        effects.append(.forgetAttempt(attempt, on: agent, reason: why))
    }
}

extension Cause.Kind {
    /// Somebody, or the farm itself, did not want it to go on.
    package var isStop: Bool { self == .cancelled || self == .notNeeded }

    /// Of two attempts at a shard the other goes on when one ends so: it shows nothing of what the program comes to.
    package var leavesOther: Bool {
        switch self {
        case .timeout, .idle, .lostAgent, .agentFault, .gpuFault, .diskFull, .dataUnavailable, .preempted: true
        case .passed, .userExit, .userError, .signal, .oom, .gpuOOM, .cancelled, .notNeeded, .queueTimeout: false
        }
    }
}
