import Artifacts
import Model
import Scheduling
import Transport
import Wire

extension Agent {
    private static let lastWords = "the agent was ended while it worked on this attempt"

    /// Takes over what an earlier life of this agent has left behind: reports, which still count, and logs.
    func adopt(_ leftovers: ReportSpool.Leftovers) {
        for (attempt, report) in leftovers.reports {
            var entry = Held(share: Share(), report: report)
            do throws(AgentError) { entry.log = try LogSpool(at: spool.logPath(attempt)) } catch {
                tell(.remark("the log of \(attempt) is lost to its report: \(error)"))
            }
            entry.log?.complete()
            held[attempt] = entry
            // Delivered once the agent runs.
            _ = holdings.handle(.adopted(attempt), at: Clock.monotonic())
        }
        for rest in leftovers.logs {
            let log: LogSpool
            do throws(AgentError) { log = try spool.openRest(rest) } catch {
                tell(.remark("the log of \(rest.attempt) is lost: \(error)"))
                continue
            }
            // Said once, however often the agent starts before the farm hears it.
            if rest.isCutOff, !log.isLast(Self.lastWords) { log.say(Self.lastWords) }
            log.complete()
            // Its report is still to come, and goes with a log of its own.
            if held[rest.attempt] == nil { sendAlone(log, of: rest.attempt) }
        }
    }

    /// Sends the log of an attempt that reports nothing.
    private func sendAlone(_ log: LogSpool, of attempt: AttemptID) {
        // Cancelled when the agent stops, or gets the attempt again: then the log is kept.
        orphanedLogs[attempt] = Task {
            guard await self.send(log, of: attempt) else { return }
            self.orphanedLogs[attempt] = nil
            self.spool.forget(attempt)
            if self.isIdle { self.onIdle?() }
        }
    }

    /// Nothing is left that the farm waits for, or could still read.
    var isIdle: Bool { held.isEmpty && orphanedLogs.isEmpty }

    // MARK: Reports

    func finished(_ id: AttemptID, _ report: Proto.AttemptReport) {
        guard held[id] != nil else { return }
        held[id]?.share = Share()
        held[id]?.driver = nil
        let kind = Cause.Kind(rawValue: report.cause) ?? .agentFault
        var effects = holdings.handle(.ended(id, isFault: kind.isInfrastructure), at: Clock.monotonic())
        // What waited for its place begins before anything is written.
        let next = effects.filter { if case .begin = $0 { true } else { false } }
        effects.removeAll(where: next.contains)
        perform(next)
        if effects.contains(.report(id)) {
            held[id]?.report = report
            keep(report, of: id)
            tell(.attemptEnded(id, kind))
        } else {
            // Abandoned: nobody waits for a report. What it said is still worth reading.
            tell(.attemptEnded(id, .lostAgent))
        }
        perform(effects)
    }

    private func keep(_ report: Proto.AttemptReport, of id: AttemptID) {
        do throws(AgentError) { try spool.keep(report, of: id) } catch {
            // It is still in memory: only a restart of the agent would lose it.
            tell(.remark("the report of \(id) cannot be kept on disk: \(error)"))
        }
        unsynced.append(id)
        guard unsynced.count == 1 else { return }
        // Waited for by nobody: a report that is delivered by then needs no sync, and an agent that stops syncs the rest.
        Task { [weak self] in
            // Cut short by nothing: it is a second.
            try? await Task.sleep(for: Self.syncAfter)
            await self?.syncReports()
        }
    }

    /// The farm has most reports, durably, before a second is over; the others are made as durable here.
    private static let syncAfter = Duration.seconds(1)

    func syncReports() async {
        let left = unsynced.filter { held[$0]?.report != nil }
        unsynced = []
        guard !left.isEmpty else { return }
        await DiskThreads.shared.run { [spool] in spool.sync(left) }
    }

    func startDelivery(of id: AttemptID) {
        // Nobody would wait for it any more; the report is on disk for the agent's next life.
        guard !isStopping else { return }
        if held[id]?.logging == nil { held[id]?.logging = Task { await self.sendLog(of: id) } }
        held[id]?.delivering = Task { await self.deliver(id) }
    }

    /// Sends the log's last lines, then the report until the farm has answered. What of the log is still missing follows it.
    private func deliver(_ id: AttemptID) async {
        await settleLog(of: id)
        guard let report = held[id]?.report, !Task.isCancelled else { return }
        do {
            try await deliver(report, of: id)
        } catch is CancellationError {
            return
        } catch {
            // Nobody wants it any more, and nothing of it is kept.
            guard held[id] != nil else { return }
            tell(.remark("the farm does not take the report of \(id): \(error)"))
            // Without an answer the shard would wait for ever: the agent would go on to renew its lease.
            let instead = Self.replacement(for: report, refused: "\(error)")
            held[id]?.report = instead
            keep(instead, of: id)
            do {
                try await deliver(instead, of: id)
            } catch is CancellationError {
                return
            } catch {
                tell(.remark("the farm does not take a report of \(id) without results either: \(error)"))
            }
        }
        // At once: the farm has no use any more for an attempt that heartbeats would go on to name.
        if !Task.isCancelled { perform(holdings.handle(.stored(id), at: Clock.monotonic())) }
    }

    /// Repeats a report until the farm has it.
    ///
    /// - Throws: `AgentError.farm` when the farm refuses it for good.
    private func deliver(_ report: Proto.AttemptReport, of id: AttemptID) async throws {
        // Without end: a farm whose disk is full for an hour must not lose what an attempt came to.
        let results = KeptResults(of: id, in: settings.spoolFolder)
        let transfer = Transfer(host.objects.channel(for: id))
        // Of an attempt that is not this agent's any more the farm takes no objects; what it says of the report counts.
        var refusal: AgentError?
        do {
            let objects = report.results.compactMap { ObjectRef($0) }
            try await host.objects.repeating(isEndless: true) { try await results.send(objects, by: transfer) }
        } catch let error as AgentError {
            refusal = error
        }
        let stored: Proto.ReportStored
        do {
            stored = try await host.objects.repeating(isEndless: true) { [line] in
                let link = try await line.link()
                do {
                    return try await link.call(Proto.Agents.Report.self, report, urgency: .control, limits: .large)
                } catch let error as LinkError {
                    if FarmLine.isLoss(error) { line.lost(link) }
                    throw error
                }
            }
        } catch let error as AgentError {
            throw refusal ?? error
        }
        if stored.counted {
            tell(.reportCounted(id))
        } else {
            tell(.remark("the farm did not count the report of \(id): another attempt took its place"))
        }
    }

    /// A report without anything that a farm could refuse: it says that the attempt's results could not be handed over.
    static func replacement(for report: Proto.AttemptReport, refused reason: String) -> Proto.AttemptReport {
        .with {
            $0.attempt = report.attempt
            $0.cause = Cause.Kind.agentFault.rawValue
            let own = Cause.Kind(rawValue: report.cause).map { Cause($0, code: report.code.map(Int.init)).label }
            $0.evidence = String(
                "the attempt ended as \(own ?? "something unknown"), and the farm refused its report: \(reason)"
                    .prefix(AttemptDriver.evidenceCharactersMax))
            $0.startedAt = report.startedAt
            $0.endedAt = report.endedAt
            $0.steps = report.steps
            $0.usage = report.usage
            $0.logBytes = report.logBytes
        }
    }

    func drop(_ id: AttemptID) {
        guard let entry = held.removeValue(forKey: id) else { return }
        entry.logging?.cancel()
        entry.delivering?.cancel()
        if let log = entry.log, !entry.isLogSent {
            if entry.report != nil { spool.forgetReport(of: id) }
            if !isStopping { sendAlone(log, of: id) }
        } else {
            spool.forget(id)
        }
        if isIdle { onIdle?() }
    }

    // MARK: Logs

    private static let logPartBytes = 256 << 10

    /// Sends the log of a held attempt as it grows.
    func sendLog(of id: AttemptID) async {
        guard let log = held[id]?.log else { return }
        if await send(log, of: id) { held[id]?.isLogSent = true }
        held[id]?.isLogOver = true
        held[id]?.logWait?.finish()
    }

    /// Sends a log as it grows, from where the farm has it, over as many connections as that takes.
    ///
    /// - Returns: whether the farm has all of it, or takes no more.
    private func send(_ log: LogSpool, of id: AttemptID) async -> Bool {
        while !Task.isCancelled {
            do {
                let link = try await line.link()
                do {
                    try await send(log, of: id, over: link)
                    return true
                } catch let error as LinkError {
                    if case .status(let status) = error, !status.mayPass {
                        tell(.remark("the farm does not take the log of \(id): \(status)"))
                        return true
                    }
                    if FarmLine.isLoss(error) { line.lost(link) } else { try await Task.sleep(for: .seconds(1)) }
                }
            } catch {
                return false
            }
        }
        return false
    }

    private func send(_ log: LogSpool, of id: AttemptID, over link: Link) async throws {
        let stream = try await link.open(Proto.Agents.AppendLog.self, urgency: .bulk)
        var offset = held[id]?.logSent ?? 0
        while true {
            let isLast = log.isComplete
            // Nothing more can be read from a spool that fails: what was sent is what there is.
            while let part = try? log.read(from: offset, most: Self.logPartBytes), !part.isEmpty {
                try await stream.send(
                    Proto.LogChunk.with {
                        $0.attempt = Proto.AttemptRef(id)
                        $0.offset = offset
                        $0.lines = part
                    })
                guard let stored = try await stream.receive(Proto.LogStored.self) else { return }
                guard stored.offset != offset else {
                    throw LinkError.status(LinkStatus(.invalid, "it stores no more of the log than \(offset) bytes"))
                }
                // Further on when an earlier connection, or life, had sent it; back when the farm has lost some.
                offset = stored.offset
                held[id]?.logSent = offset
            }
            if isLast { break }
            // Ends when the log is complete.
            var growth = log.growth.makeAsyncIterator()
            _ = await growth.next(isolation: self)
            try Task.checkCancellation()
        }
        await stream.finish()
    }

    /// Waits until the farm has all of the log, as far as it takes it, or the time is over.
    private func settleLog(of id: AttemptID) async {
        guard let entry = held[id], entry.logging != nil, !entry.isLogOver else { return }
        // Ends with the log, with the time, or with whoever waits.
        let (over, end) = AsyncStream.makeStream(of: Void.self)
        held[id]?.logWait = end
        logWaits.append((Clock.monotonic().advanced(by: settings.logFirstMax), id))
        if logWaits.count == 1 { endLogWaits() }
        var ends = over.makeAsyncIterator()
        _ = await ends.next(isolation: self)
        held[id]?.logWait = nil
    }

    /// One task looks after all that wait: each of them waits as long.
    private func endLogWaits() {
        // Ends when nobody waits any more.
        Task { [weak self] in
            while let until = await self?.logWaits.first?.until {
                // Cut short by nothing: it is some seconds.
                try? await Task.sleep(for: max(.zero, Clock.monotonic().duration(to: until)))
                await self?.endLogWaits(at: Clock.monotonic())
            }
        }
    }

    private func endLogWaits(at now: Instant) {
        while let first = logWaits.first, first.until <= now || held[first.attempt]?.logWait == nil {
            held[first.attempt]?.logWait?.finish()
            logWaits.removeFirst()
        }
    }
}
