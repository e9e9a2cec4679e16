import Model
import Scheduling
import Storage
import Transport
import Wire

extension Coordinator {
    static let holdsMax = 10_000

    /// Runs that have not ended.
    var openRunCount: Int { runs.count }

    /// An agent says what it has and what it still works on. An older connection of the same agent is ended.
    ///
    /// - Returns: what it has.
    @discardableResult func join(
        _ session: AgentSession, _ message: Proto.AgentJoined, as principal: Principal
    ) throws(LinkStatus) -> Capacity {
        var capacity: Capacity
        var holds: [AttemptID] = []
        guard message.holds.count <= Self.holdsMax else {
            throw LinkStatus(.invalid, "an agent holds at most \(Self.holdsMax) attempts")
        }
        do throws(MeaningError) {
            guard let given = message.capacity else { throw MeaningError("capacity", "is missing") }
            capacity = try given.meaning()
            capacity.keeps = try message.kept()
            for attempt in message.holds { holds.append(try attempt.meaning()) }
        } catch {
            throw LinkStatus(.invalid, "the agent's first message cannot be read: \(error)")
        }
        // The first words of a connection that the agent has given up since tell what it held then.
        guard session.link.number > newestLinks[session.agent, default: 0] else {
            throw LinkStatus(.conflict, "the agent has connected again since")
        }
        newestLinks[session.agent] = session.link.number
        sessions.updateValue(session, forKey: session.agent)?
            .end(LinkStatus(.conflict, "the agent has connected again; is another agent running under its name?"))
        let record = AgentRecord(
            name: principal.name, team: principal.team, capacity: Proto.Capacity(capacity).encoded(),
            software: String(message.software.prefix(100)), lastSeenAt: clock.now,
            draining: capacities[session.agent]?.draining ?? false,
            drainReason: capacities[session.agent]?.drainReason ?? "",
            pool: capacities[session.agent]?.pool ?? Pool.standard.name)
        capacities[session.agent] = record
        // It has come with a new certificate.
        revoked[session.agent] = nil
        session.send(
            .welcome(
                .with {
                    $0.heartbeatEveryMs = UInt32(clamping: Int(settings.heartbeat.inSeconds * 1000))
                    $0.leaseMs = leaseMilliseconds
                    $0.answersHeartbeats = true
                }))
        if record.draining { session.send(.drain(.with { $0.reason = record.drainReason })) }
        store([.agentSeen(record)])
        handle(.agentJoined(session.agent, team: principal.team, capacity: capacity, holds: holds))
        handle(.agentPooled(session.agent, pool(of: session.agent)))
        return capacity
    }

    /// The connection has ended; leases run on until nobody renews them.
    ///
    /// - Returns: whether the agent is away; it may have come back on another connection already.
    @discardableResult func leave(_ session: AgentSession) -> Bool {
        session.finish()
        guard sessions[session.agent] === session else { return false }
        sessions[session.agent] = nil
        seen(session.agent)
        if let record = capacities[session.agent] { store([.agentSeen(record)]) }
        handle(.agentDisconnected(session.agent))
        return true
    }

    func receive(_ message: Proto.FromAgent, from session: AgentSession) throws(LinkStatus) {
        guard sessions[session.agent] === session else { throw LinkStatus(.conflict, "the agent has connected again") }
        seen(session.agent)
        do throws(MeaningError) {
            switch message.kind {
            case .heartbeat(let heartbeat):
                guard heartbeat.running.count <= Self.holdsMax else { throw MeaningError("running", "is too long") }
                var running: [AttemptID] = []
                for attempt in heartbeat.running { running.append(try attempt.meaning()) }
                beatInHand = heartbeat.number
                handle(.leasesRenewed(session.agent, running))
                // Nothing was renewed: that it was heard is an answer, too.
                if let number = beatInHand, number != 0 { session.send(.renewed(.with { $0.number = number })) }
                beatInHand = nil
            case .started(let started):
                guard let attempt = try started.attempt?.meaning() else { return }
                handle(.attemptStarted(attempt, by: session.agent))
            case .declined(let declined):
                guard let attempt = try declined.attempt?.meaning() else { return }
                let reason = String(declined.reason.prefix(1000))
                noteOnce("agent \(session.agent) took nothing of it: \(reason)", in: attempt.run)
                handle(.offerDeclined(attempt, by: session.agent, reason: reason))
            case .entered(let entered):
                guard let attempt = try entered.attempt?.meaning(), let lock = Digest(entered.lock) else { return }
                handle(.environmentEntered(attempt, by: session.agent, lock: lock))
            case .devices(let devices):
                let unfit = devices.unfit.prefix(Farm.devicesMax).map { device in
                    Farm.UnfitDevice(uuid: device.uuid, reason: String(device.reason.prefix(300)))
                }
                handle(.devicesLooked(session.agent, unfit: unfit))
            case .joined: throw MeaningError("joined", "was said before")
            // What a later agent says and this coordinator does not know changes nothing.
            case nil: return
            }
        } catch {
            throw LinkStatus(.invalid, "the agent's message cannot be read: \(error)")
        }
    }

    private func seen(_ agent: AgentID) { capacities[agent]?.lastSeenAt = clock.now }

    /// What an attempt came to. Back once it is committed.
    ///
    /// - Returns: whether the report counts: it names the attempt that its agent holds. A repeated report of an attempt
    ///   that it ended counts too.
    func report(_ report: Proto.AttemptReport, from agent: AgentID) async throws(LinkStatus) -> Bool {
        let attempt: AttemptID
        do throws(MeaningError) {
            guard let named = try report.attempt?.meaning() else { throw MeaningError("attempt", "is missing") }
            attempt = named
        } catch {
            throw LinkStatus(.invalid, "the report cannot be read: \(error)")
        }
        guard farm.lease(of: attempt)?.agent == agent else { return try await stored(attempt, agent) }
        var cause = try Self.cause(of: report)
        if cause.kind == .passed, let mistake = runs[attempt.run]?.handedOn.disagreement(of: report, attempt) {
            cause = mistake
        }
        reportInHand = (attempt, report)
        handle(
            .attemptFinished(
                attempt, by: agent, cause,
                listed: attempt.shard.shard == ShardID.listing && cause.kind == .passed
                    ? Int(report.listingCount) : nil,
                shards: report.shardEnds.isEmpty ? nil : report.shardEnds.count))
        reportInHand = nil
        await committed()
        return true
    }

    /// Whether a report that names no current attempt was already counted.
    private func stored(_ attempt: AttemptID, _ agent: AgentID) async throws(LinkStatus) -> Bool {
        // The decision about it may be on its way to the disk.
        await committed()
        do throws(CoordinatorError) {
            let found = try await keeper.read { storage throws(StorageError) in try storage.attempt(attempt) }
            return found?.lease.agent == agent && found?.ending.map { !$0.report.isEmpty } ?? false
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    private static func cause(of report: Proto.AttemptReport) throws(LinkStatus) -> Cause {
        guard let kind = Cause.Kind(rawValue: report.cause) else {
            throw LinkStatus(.invalid, "the report's cause '\(report.cause.prefix(40))' is not one of the protocol's")
        }
        switch kind {
        case .notNeeded, .queueTimeout, .lostAgent:
            throw LinkStatus(.invalid, "an agent cannot report the cause '\(kind.rawValue)'")
        case .passed, .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM, .cancelled, .agentFault,
            .gpuFault, .diskFull, .dataUnavailable, .preempted:
            return Cause(kind, code: report.code.map { Int($0) }, evidence: String(report.evidence.prefix(10_000)))
        }
    }

    // MARK: What others ask

    /// Whether an agent holds an attempt now.
    func holds(_ attempt: AttemptID, _ agent: AgentID) -> Bool { farm.lease(of: attempt)?.agent == agent }

    /// What an attempt's agent may read: of its run what its cell may, and the caches that it was shown. `nil` where it does
    /// not hold the attempt.
    func readable(by attempt: AttemptID, _ agent: AgentID) -> Set<Digest>? {
        guard holds(attempt, agent), let run = runs[attempt.run] else { return nil }
        return run.readable(by: attempt.shard.cell).union(cachesFound[attempt] ?? [])
    }

    /// When the oldest attempt that goes on was leased.
    var earliestLease: Instant? { farm.earliestLease }

    func agentSummaries() -> [Proto.AgentSummary] {
        capacities.values.sorted { $0.name < $1.name }.map { record in
            let id = AgentID(record.name)
            return .with {
                $0.name = record.name
                $0.team = record.team ?? ""
                $0.state = state(of: id, record)
                let kept = farm.quarantines(of: id)
                $0.remark =
                    revoked[id] ?? ((record.draining ? [record.drainReason] : []) + kept).joined(separator: "; ")
                // What was stored was encoded here: bytes that cannot be read show as an agent without anything.
                $0.capacity = try? Proto.Capacity(decoding: record.capacity)
                $0.running = UInt32(clamping: farm.runningAttempts(on: id).count)
                $0.lastHeardAt = record.lastSeenAt.nanoseconds
                $0.software = record.software
                $0.pool = Proto.Pool(pool(of: id))
            }
        }
    }

    private func state(of id: AgentID, _ record: AgentRecord) -> String {
        if revoked[id] != nil { return "revoked" }
        guard sessions[id] != nil else { return record.draining ? "drained" : "lost" }
        if record.draining { return "draining" }
        return farm.isQuarantined(id) ? "quarantined" : "online"
    }

    /// - Returns: `nil` when no agent of that name has ever joined.
    func drain(_ name: String, _ draining: Bool, reason: String, by who: Principal) async -> Proto.AgentSummary? {
        let id = AgentID(name)
        guard capacities[id] != nil else { return nil }
        capacities[id]?.draining = draining
        capacities[id]?.drainReason = reason
        store([
            .agentDraining(name: name, draining: draining, reason: reason),
            .audited(
                AuditRecord(
                    at: clock.now, who: who.title, action: draining ? "drain" : "undrain", subject: "agent \(name)")),
        ])
        handle(.agentDraining(id, draining, why: reason))
        if !draining { handle(.agentReleased(id)) }
        await committed()
        // As it is by now: somebody else may have said otherwise meanwhile.
        let record = capacities[id]
        sessions[id]?.send(
            .drain(
                .with {
                    $0.reason = record?.drainReason ?? ""
                    $0.undo = record?.draining == false
                }))
        return agentSummaries().first { $0.name == name }
    }

    /// Its certificates were revoked: what it works on is lost.
    func remove(_ agent: AgentID, reason: String) {
        sessions.removeValue(forKey: agent)?.end(LinkStatus(.denied, "the agent's certificate was revoked"))
        revoked[agent] = reason
        if capacities[agent]?.draining == true {
            capacities[agent]?.draining = false
            capacities[agent]?.drainReason = ""
            store([.agentDraining(name: agent.name, draining: false, reason: "")])
        }
        handle(.agentRemoved(agent))
        // Whoever enrols under its name next is another machine.
        put(agent, into: Pool.standard.name)
    }
}
