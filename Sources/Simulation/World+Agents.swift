import Model
import Scheduling

/// An agent: what real agents decide by, and steps that only take their time.
struct VirtualAgent: Sendable {
    /// An attempt beside what `holdings` has of it.
    struct Held: Sendable {
        var lease: Farm.Lease
        /// What it comes to, once that is known: it is reported when its steps have ended.
        var outcome: (Cause, listed: Int?)?
    }

    let id: AgentID
    let kind: Scenario.AgentKind
    /// As the coordinator's store has it.
    var pool: Pool
    /// Counts its starts; 0 when it is gone for good.
    var process = 1
    var connection: Int?
    var holdings = Holdings()
    var held: [AttemptID: Held] = [:]
    var isDraining = false
    /// Its process is stopped until then: it hears, says and notices nothing.
    var stalledUntil = Instant.epoch
    var mail = Mail()
    /// When it last heard from the coordinator.
    var heardAt = Instant.epoch
}

extension World {
    mutating func addAgent(_ kind: Scenario.AgentKind) {
        let index = agents.count
        agents.append(VirtualAgent(id: AgentID("agent-\(index)"), kind: kind, pool: kind.pool))
        happenings.add(.connect(agent: index, process: 1), at: now.advanced(by: milliseconds(0...500)))
        happenings.add(.beat(agent: index, process: 1), at: now.advanced(by: .seconds(5)))
    }

    mutating func connect(_ agent: Int, _ process: Int) {
        guard agents[agent].process == process, agents[agent].connection == nil else { return }
        guard isUp, now >= agents[agent].mail.cutToAgent, now >= agents[agent].mail.cutToCoordinator else {
            happenings.add(.connect(agent: agent, process: process), at: now.advanced(by: milliseconds(500...3000)))
            return
        }
        agents[agent].connection = steps
        agents[agent].mail.connect(at: now)
        agents[agent].heardAt = now
        send(.joined(holds: agents[agent].holdings.holds, at: now), from: agent)
        for attempt in agents[agent].holdings.working { send(.started(attempt), from: agent) }
    }

    /// The agent's side of the connection is gone; the coordinator may notice later, or not before the next joins.
    mutating func lose(connectionOf agent: Int) {
        guard let connection = agents[agent].connection else { return }
        agents[agent].connection = nil
        happenings.add(
            .noticed(life: life, agent: agent, connection: connection), at: now.advanced(by: milliseconds(0...20_000)))
        let process = agents[agent].process
        // One that is quick is there before the last words of its old connection.
        let isQuick = chance(0.4, &random)
        happenings.add(
            .connect(agent: agent, process: process),
            at: now.advanced(by: isQuick ? milliseconds(5...100) : milliseconds(100...30_000)))
    }

    mutating func crash(_ agent: Int) {
        guard agents[agent].process > 0 else { return }
        lose(connectionOf: agent)
        dropHeld(agent)
        agents[agent].process += 1
        let process = agents[agent].process
        happenings.add(.connect(agent: agent, process: process), at: now.advanced(by: milliseconds(1000...40_000)))
        happenings.add(.beat(agent: agent, process: process), at: now.advanced(by: .seconds(10)))
    }

    /// The process has ended, and everything that it worked on with it. Reports that it had made are on its disk.
    mutating func dropHeld(_ agent: Int) {
        let holdings = agents[agent].holdings
        agents[agent].holdings = Holdings()
        for attempt in agents[agent].held.keys.sorted() {
            note(.killed, attempt, agent)
            if holdings.isReporting(attempt) {
                _ = agents[agent].holdings.handle(.adopted(attempt), at: now)
            } else {
                agents[agent].held[attempt] = nil
            }
        }
    }

    private mutating func note(_ step: Lives.HeldStep, _ attempt: AttemptID, _ agent: Int) {
        checker.lines.follow(step, attempt, on: agents[agent].id)
    }

    // MARK: messages

    mutating func send(_ message: Happenings.FromAgent, from agent: Int) {
        guard let connection = agents[agent].connection else { return }
        if case .joined = message {} else if isLost() { return }
        let arrival = max(now.advanced(by: delay()), agents[agent].mail.lastToCoordinator)
        agents[agent].mail.lastToCoordinator = arrival
        for _ in 0..<copies() {
            agents[agent].mail.toCoordinator[connection, default: []].append(message)
            happenings.add(.toCoordinator(agent: agent, connection: connection), at: arrival)
        }
    }

    mutating func send(_ message: Happenings.ToAgent, to id: AgentID) {
        guard let agent = agents.firstIndex(where: { $0.id == id }) else { return }
        send(message, to: agent)
    }

    mutating func send(_ message: Happenings.ToAgent, to agent: Int) {
        guard let connection = connections[agent] else { return }
        // What begins a connection is not lost without it.
        if case .welcome = message {} else if isLost() { return }
        let arrival = max(now.advanced(by: delay()), agents[agent].mail.lastToAgent)
        agents[agent].mail.lastToAgent = arrival
        for _ in 0..<copies() {
            agents[agent].mail.toAgent[connection, default: []].append(message)
            happenings.add(.toAgent(agent: agent, connection: connection), at: arrival)
        }
    }

    /// How long a message takes; what is sent behind it on its connection waits for it.
    private mutating func delay() -> Duration {
        let isSlow = now < troubleEnd && chance(scenario.trouble.delay, &random)
        return milliseconds(0...(isSlow ? 40_000 : 60))
    }

    /// How often a message arrives that was not lost.
    private mutating func copies() -> Int { now < troubleEnd && chance(scenario.trouble.loss, &random) ? 2 : 1 }

    private mutating func isLost() -> Bool { now < troubleEnd && chance(scenario.trouble.loss, &random) }

    // MARK: the coordinator's ear

    /// The next message of a connection arrives, unless nothing comes through.
    mutating func arrive(atCoordinatorFrom agent: Int, _ connection: Int) {
        let cut = agents[agent].mail.cutToCoordinator
        guard now >= cut else { return happenings.add(.toCoordinator(agent: agent, connection: connection), at: cut) }
        guard let message = agents[agent].mail.takeToCoordinator(of: connection) else { return }
        // A connection with an earlier life of the coordinator ended with that.
        guard isUp, connection >= firstConnection else { return }
        fingerprint?.take("\(message)")
        if connection < newest[agent, default: connection] { troubles.overtaken += 1 }
        newest[agent] = max(connection, newest[agent] ?? connection)
        receive(message, from: agent, connection)
    }

    mutating func arrive(atAgent agent: Int, _ connection: Int) throws(Violation) {
        let wait = max(agents[agent].mail.cutToAgent, agents[agent].stalledUntil)
        guard now >= wait else { return happenings.add(.toAgent(agent: agent, connection: connection), at: wait) }
        guard let message = agents[agent].mail.takeToAgent(of: connection), agents[agent].connection == connection
        else { return }
        agents[agent].heardAt = now
        fingerprint?.take("\(message)")
        try receive(message, at: agent)
    }

    private mutating func receive(_ message: Happenings.FromAgent, from agent: Int, _ connection: Int) {
        let id = agents[agent].id
        if case .joined(let holds, let joinedAt) = message {
            guard agents[agent].process > 0, connection == newest[agent] else { return }
            if let other = connections.updateValue(connection, forKey: agent), other != connection {
                happenings.add(.lost(agent: agent, connection: other), at: now.advanced(by: milliseconds(0...60)))
            }
            if agents[agent].connection != connection {
                // It was on its way for so long that its sender has given up meanwhile; the end of it follows.
                happenings.add(
                    .noticed(life: life, agent: agent, connection: connection),
                    at: now.advanced(by: milliseconds(0...1_000)))
            }
            send(.welcome(joinedAt: joinedAt), to: agent)
            let kind = agents[agent].kind
            decide(.agentJoined(id, team: kind.team, capacity: kind.capacity, holds: holds))
            return decide(.agentPooled(id, agents[agent].pool))
        }
        guard connections[agent] == connection else { return }
        switch message {
        case .joined: break
        case .looked(let unfit): decide(.devicesLooked(id, unfit: unfit))
        case .heartbeat(let beat): decide(.leasesRenewed(id, beat.holds), beat: (agent, beat.number))
        case .started(let attempt):
            decide(.attemptStarted(attempt, by: id))
            if let lock = checker.cell(attempt.shard.cell)?.planned.environmentLock {
                decide(.environmentEntered(attempt, by: id, lock: lock))
            }
        case .declined(let attempt): decide(.offerDeclined(attempt, by: id, reason: "no room"))
        case .report(let attempt, let cause, let listed):
            decide(.attemptFinished(attempt, by: id, cause, listed: listed), reported: (agent, attempt))
        }
    }

    // MARK: the agent's ear

    private mutating func receive(_ message: Happenings.ToAgent, at agent: Int) throws(Violation) {
        switch message {
        case .welcome(let joinedAt): _ = agents[agent].holdings.handle(.connected(countsBeats: true), at: joinedAt)
        case .offer(let lease, let left): take(lease, left, agent)
        case .renewed(let attempts, let beat):
            for attempt in attempts where agents[agent].held[attempt] != nil {
                noteUnlessEnding(.renewed, attempt, agent)
            }
            handle(.renewed(attempts, lease: scenario.settings.lease, beat: beat), agent)
        case .cancel(let attempt):
            guard agents[agent].held[attempt] != nil else { return }
            noteUnlessEnding(.cancel, attempt, agent)
            handle(.cancelled(attempt), agent)
        case .recall(let attempt):
            noteUnlessEnding(.recall, attempt, agent)
            handle(.recalled(attempt), agent)
        case .forget(let attempt):
            guard agents[agent].held[attempt] != nil else { return }
            noteUnlessEnding(.forget, attempt, agent)
            handle(.forgotten(attempt), agent)
        case .stored(let attempt):
            guard agents[agent].holdings.isReporting(attempt) else { return }
            if let (cause, _) = agents[agent].held[attempt]?.outcome {
                try checker.seeAcknowledged(attempt, cause, by: agents[agent].id, at: now)
            }
            note(.stored, attempt, agent)
            handle(.stored(attempt), agent)
        }
    }

    private mutating func take(_ lease: Farm.Lease, _ left: Duration, _ agent: Int) {
        let attempt = lease.attempt
        if agents[agent].holdings.knows(attempt) {
            // A repeated offer changes nothing; one that comes when the attempt has ended is not even looked at.
            if agents[agent].holdings.isWorking(on: attempt) { note(.offer, attempt, agent) }
            if agents[agent].holdings.isWaiting(attempt) { note(.offerAhead, attempt, agent) }
            return
        }
        let isUnwanted = now < troubleEnd && chance(scenario.trouble.decline, &random)
        guard !isUnwanted else {
            note(.offerDeclined, attempt, agent)
            return send(.declined(attempt), from: agent)
        }
        agents[agent].held[attempt] = VirtualAgent.Held(lease: lease)
        let effects = agents[agent].holdings.handle(.offered(attempt, lease: left, behind: lease.behind), at: now)
        let isWaiting = agents[agent].holdings.isWaiting(attempt)
        let isWorking = agents[agent].holdings.isWorking(on: attempt)
        note(isWaiting ? .offerAhead : isWorking ? .offer : .offerDeclined, attempt, agent)
        perform(effects, agent)
    }

    /// Its steps begin, and take their time.
    private mutating func begin(_ attempt: AttemptID, _ agent: Int) {
        send(.started(attempt), from: agent)
        let end = now.advanced(by: scenario.duration(of: attempt))
        happenings.add(.attemptDone(agent: agent, process: agents[agent].process, attempt), at: end)
    }

    private mutating func handle(_ event: Holdings.Event, _ agent: Int) {
        perform(agents[agent].holdings.handle(event, at: now), agent)
    }

    private mutating func perform(_ effects: [Holdings.Effect], _ agent: Int) {
        for effect in effects {
            switch effect {
            case .begin(let attempt): begin(attempt, agent)
            case .decline(let attempt, _):
                agents[agent].held[attempt] = nil
                send(.declined(attempt), from: agent)
            case .stop(let attempt):
                guard agents[agent].held[attempt]?.outcome == nil else { continue }
                agents[agent].held[attempt]?.outcome = (Cause(.cancelled, evidence: "as ordered"), nil)
                endSoon(attempt, agent)
            case .abandon(let attempt): endSoon(attempt, agent)
            case .report(let attempt): report(attempt, agent)
            case .drop(let attempt): agents[agent].held[attempt] = nil
            case .wake(let at): happenings.add(.leaseAlarm(agent: agent, process: agents[agent].process), at: at)
            }
        }
    }

    /// Its processes are killed, which takes a moment.
    private mutating func endSoon(_ attempt: AttemptID, _ agent: Int) {
        let end = now.advanced(by: milliseconds(0...2_000))
        happenings.add(.attemptDone(agent: agent, process: agents[agent].process, attempt), at: end)
    }

    mutating func endLeases(_ agent: Int, _ process: Int) {
        guard agents[agent].process == process, flaw != .worksOn else { return }
        let effects = agents[agent].holdings.handle(.timeReached, at: now)
        for effect in effects {
            switch effect {
            case .abandon(let attempt), .drop(let attempt): note(.leaseEnded, attempt, agent)
            case .begin, .decline, .stop, .report, .wake: break
            }
        }
        perform(effects, agent)
    }

    private mutating func noteUnlessEnding(_ step: Lives.HeldStep, _ attempt: AttemptID, _ agent: Int) {
        let holdings = agents[agent].holdings
        if holdings.isWaiting(attempt) || holdings.isWorking(on: attempt) || holdings.isReporting(attempt) {
            note(step, attempt, agent)
        }
    }

    /// Its processes are gone: by themselves, as ordered, or because nobody wants them.
    mutating func endAttempt(_ agent: Int, _ process: Int, _ attempt: AttemptID) {
        guard agents[agent].process == process, let held = agents[agent].held[attempt],
            !agents[agent].holdings.isReporting(attempt)
        else { return }
        if agents[agent].holdings.isWorking(on: attempt), held.outcome == nil {
            var cause = scenario.cause(of: held.lease)
            if now < troubleEnd && chance(scenario.trouble.fault, &random) {
                cause = Cause([.gpuFault, .agentFault, .diskFull].randomElement(using: &random) ?? .gpuFault)
            }
            let isListed = attempt.shard.isListing && cause.kind == .passed
            let listed = isListed ? scenario.items(of: attempt.shard) : nil
            agents[agent].held[attempt]?.outcome = (cause, listed)
        }
        note(.ended, attempt, agent)
        let isFault = agents[agent].held[attempt]?.outcome?.0.kind.isInfrastructure ?? false
        let effects = agents[agent].holdings.handle(.ended(attempt, isFault: isFault), at: now)
        for effect in effects {
            switch effect {
            case .begin(let next): note(.begun, next, agent)
            case .decline(let next, _): note(.faulted, next, agent)
            case .stop, .abandon, .report, .drop, .wake: break
            }
        }
        perform(effects, agent)
    }

    private mutating func report(_ attempt: AttemptID, _ agent: Int) {
        guard let (cause, listed) = agents[agent].held[attempt]?.outcome else { return }
        send(.report(attempt, cause, listed: listed), from: agent)
    }

    mutating func beat(_ agent: Int, _ process: Int) {
        guard agents[agent].process == process else { return }
        happenings.add(.beat(agent: agent, process: process), at: now.advanced(by: .seconds(8)))
        guard agents[agent].connection != nil else { return }
        guard agents[agent].heardAt.duration(to: now) < Self.silenceMax else { return lose(connectionOf: agent) }
        send(.heartbeat(agents[agent].holdings.beat(at: now)), from: agent)
        if let unfit = scenario.unfit(of: agents[agent].kind, after: began.duration(to: now)) {
            send(.looked(unfit: unfit), from: agent)
        }
        for attempt in agents[agent].held.keys.sorted() where agents[agent].holdings.isReporting(attempt) {
            report(attempt, agent)
        }
    }
}
