import Artifacts
import Glibc
package import Model
import Transport
import Wire

/// An agent: joins the farm, works on what it is offered, and goes on while the farm is away.
///
/// An attempt is held from its offer until the farm has acknowledged its report. It is stopped only when its lease has
/// ended by this machine's monotonic clock: from then on another agent may work on it.
package actor Agent {
    /// An attempt that the agent works on, or whose report it still keeps.
    struct Held {
        var cpus: Int
        var driver: AttemptDriver?
        var log: LogSpool?
        var leaseUntil: Instant
        var report: Proto.AttemptReport?
        /// Up to where the farm has the log.
        var logSent: UInt64 = 0
        var tasks: [Task<Void, Never>] = []
    }

    let settings: AgentSettings
    let host: AttemptHost
    let spool: ReportSpool
    let line: FarmLine
    package nonisolated let capacity: Capacity
    let incarnation: String
    var held: [AttemptID: Held] = [:]
    var isDraining = false
    private var isStopping = false
    var leaseLength = Duration.seconds(30)
    var heartbeatEvery = Duration.seconds(5)
    /// Heartbeats that were not answered yet, the oldest first: what an answer renews counts from the moment when its own
    /// heartbeat left, for the farm may have heard it that early.
    var heartbeats: [(sentAt: Instant, running: Set<AttemptID>)] = []
    static let heartbeatsMax = 100
    var tell: @Sendable (AgentEvent) -> Void = { _ in }
    var session: LinkStream?
    /// Says that the last attempt of a draining agent has ended.
    var onIdle: (@Sendable () -> Void)?

    /// Looks at the machine and ends what an earlier life of this agent has left running.
    package static func make(
        _ settings: AgentSettings, tell: @escaping @Sendable (AgentEvent) -> Void
    ) async throws -> Agent {
        var remarks: [String] = []
        if let warning = settings.accounts.warning { remarks.append(warning) }
        try Files.makeFolder(settings.workFolder, mode: 0o711)
        let spool = try ReportSpool(in: settings.spoolFolder)
        // Its lock keeps a second agent out that would use the same folders: before anything of theirs is ended.
        let cache = try await DiskThreads.shared.run { [settings] () throws(ArtifactError) in
            try ObjectStore(at: settings.spoolFolder + "/cache", durable: false)
        }
        // Two farms may have agents of one name on one machine.
        let place = Digest(hashing: Array(settings.spoolFolder.utf8)).hex.prefix(8)
        let cgroups = Cgroups(name: "sheaf-\(settings.name)-\(place)")
        remarks += cgroups.remarks
        let killed = Enclosure.clear(cgroups)
        if killed > 0 { remarks.append("\(killed) processes of an earlier life of this agent were ended") }
        let pool = AccountPool(settings.accounts)
        let discovery = Discovery(account: pool.probe)
        let checks = InputCheck()
        let inputs = checks.check(settings.inputs, remarks: &remarks)
        let capacity = await discovery.capacity(
            cpus: settings.cpus, memory: settings.memory, labels: settings.labels, inputs: inputs, remarks: &remarks)
        for remark in remarks { tell(.remark(remark)) }
        let line = FarmLine()
        let incarnation = String(UInt64(truncatingIfNeeded: Clock.wall().nanoseconds), radix: 36)
        let host = AttemptHost(
            agent: settings.name, workFolder: settings.workFolder, spoolFolder: settings.spoolFolder,
            interpreters: capacity.interpreters,
            cgroups: cgroups, accounts: pool,
            environments: try Environments(in: settings.workFolder + "/environments"), heldInputs: inputs,
            objects: FarmObjects(line: line), cache: cache,
            environment: settings.stepEnvironment.map { CommandFile.Entry(name: $0.name, value: $0.value) },
            hasCUDA: !capacity.gpus.isEmpty, keepsWorkspaces: settings.keepsWorkspaces, incarnation: incarnation,
            views: nil)
        var leftover: [String] = []
        let reports = spool.leftovers(remarks: &leftover)
        for remark in leftover { tell(.remark(remark)) }
        return Agent(settings, host, spool, line, capacity, incarnation, reports, tell)
    }

    private init(
        _ settings: AgentSettings, _ host: AttemptHost, _ spool: ReportSpool, _ line: FarmLine, _ capacity: Capacity,
        _ incarnation: String, _ reports: [(attempt: AttemptID, report: Proto.AttemptReport)],
        _ tell: @escaping @Sendable (AgentEvent) -> Void
    ) {
        self.settings = settings
        self.host = host
        self.spool = spool
        self.line = line
        self.capacity = capacity
        self.incarnation = incarnation
        self.tell = tell
        for (attempt, report) in reports {
            // A log that cannot be opened again leaves the report without it.
            let log = try? LogSpool(at: spool.logPath(attempt))
            log?.complete()
            held[attempt] = Held(cpus: 0, log: log, leaseUntil: .distantFuture, report: report)
        }
    }

    /// Works until the task is cancelled, the farm refuses this agent, or it was drained and has nothing left to do.
    /// Nothing that it started is left when this returns.
    ///
    /// - Throws: `AgentError.farm` when the farm does not take this agent any more.
    package func run() async throws {
        for (attempt, held) in held where held.report != nil { startDelivery(of: attempt) }
        do {
            try await keepConnected()
        } catch {
            await stopAll()
            throw error
        }
        await stopAll()
    }

    private func stopAll() async {
        isStopping = true
        line.set(nil)
        let tasks = held.values.flatMap(\.tasks)
        for entry in held.values { await entry.driver?.endLease() }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    // MARK: Offers

    func take(_ offer: Proto.Offer) {
        let assignment: Assignment
        do throws(AgentError) {
            guard let given = offer.assignment else { throw .farm("an offer without an assignment") }
            assignment = try Assignment(given)
        } catch {
            if let attempt = offer.assignment?.attempt { decline(attempt, "\(error)") }
            return
        }
        let id = assignment.id
        // The same offer may come twice.
        guard held[id] == nil else { return }
        let used = held.values.reduce(0) { $0 + $1.cpus }
        guard used + assignment.cpus <= capacity.cpus else {
            return decline(Proto.AttemptRef(id), "\(used) of \(capacity.cpus) cores are in use")
        }
        let log: LogSpool
        do throws(AgentError) { log = try LogSpool(at: spool.logPath(id)) } catch {
            return decline(Proto.AttemptRef(id), "\(error)")
        }
        let driver = AttemptDriver(assignment, on: host, log: log)
        held[id] = Held(
            cpus: assignment.cpus, driver: driver, log: log,
            leaseUntil: Clock.monotonic().advanced(by: .milliseconds(Int64(offer.leaseMs))))
        tell(.attemptStarted(id, assignment.cellName))
        say(
            .started(
                .with {
                    $0.attempt = Proto.AttemptRef(id)
                    $0.at = Clock.wall().nanoseconds
                }))
        // All of them are waited for by `stopAll`, or end by themselves.
        held[id]?.tasks = [
            Task {
                let report = await driver.run()
                self.finished(id, report)
            },
            Task { await self.guardLease(of: id) },
            Task { await self.sendLog(of: id) },
        ]
    }

    func decline(_ attempt: Proto.AttemptRef, _ reason: String) {
        say(
            .declined(
                .with {
                    $0.attempt = attempt
                    $0.reason = reason
                }))
    }

    func cancel(_ attempt: AttemptID, _ reason: String) async { await held[attempt]?.driver?.cancel(reason) }

    /// The farm has no use for the attempt any more.
    func forget(_ attempt: AttemptID, _ reason: String) async {
        guard let entry = held[attempt] else { return }
        if entry.report == nil {
            await entry.driver?.endLease()
        } else {
            drop(attempt)
        }
    }

    private func guardLease(of id: AttemptID) async {
        while let entry = held[id], entry.report == nil, let driver = entry.driver {
            let now = Clock.monotonic()
            if now >= entry.leaseUntil {
                await driver.endLease()
                return
            }
            do { try await Task.sleep(for: now.duration(to: entry.leaseUntil)) } catch { return }
        }
    }

    func renew(_ attempts: [AttemptID], _ length: Duration) {
        // A heartbeat that named nothing of the farm's was not answered.
        guard let index = heartbeats.firstIndex(where: { $0.running.isSuperset(of: attempts) }) else { return }
        let until = heartbeats[index].sentAt.advanced(by: length)
        heartbeats.removeFirst(index + 1)
        for attempt in attempts { held[attempt]?.leaseUntil = until }
    }

    // MARK: Reports

    private func finished(_ id: AttemptID, _ report: Proto.AttemptReport) {
        guard held[id] != nil else { return }
        held[id]?.cpus = 0
        held[id]?.driver = nil
        held[id]?.report = report
        do throws(AgentError) { try spool.keep(report, of: id) } catch {
            // It is still in memory: only a restart of the agent would lose it.
            tell(.remark("the report of \(id) cannot be kept on disk: \(error)"))
        }
        tell(.attemptEnded(id, Cause.Kind(rawValue: report.cause) ?? .agentFault))
        startDelivery(of: id)
    }

    private func startDelivery(of id: AttemptID) {
        // Nobody would wait for it any more; the report is on disk for the agent's next life.
        guard !isStopping else { return }
        // Waited for by `stopAll`.
        held[id]?.tasks.append(Task { await self.deliver(id) })
        if held[id]?.log != nil && held[id]?.tasks.count == 1 {
            held[id]?.tasks.append(Task { await self.sendLog(of: id) })
        }
    }

    /// Repeats the report until the farm has answered.
    private func deliver(_ id: AttemptID) async {
        guard let report = held[id]?.report else { return }
        do {
            // Without end: a farm whose disk is full for an hour must not lose what an attempt came to.
            let stored = try await host.objects.repeating(refusalsMax: .max) { [line] in
                let link = try await line.link()
                do {
                    return try await link.call(Proto.Agents.Report.self, report, urgency: .control, limits: .large)
                } catch let error as LinkError {
                    if FarmLine.isLoss(error) { line.lost(link) }
                    throw error
                }
            }
            if !stored.counted {
                tell(.remark("the farm did not count the report of \(id): another attempt took its place"))
            }
            held[id]?.report?.logBytes = report.logBytes
            await settleLog(of: id)
            drop(id)
        } catch is CancellationError {
            return
        } catch {
            tell(.remark("the farm does not take the report of \(id): \(error)"))
            drop(id)
        }
    }

    private func drop(_ id: AttemptID) {
        held[id] = nil
        spool.forget(id)
        if held.isEmpty { onIdle?() }
    }

    // MARK: Logs

    private static let logPartBytes = 256 << 10

    /// Sends the log as it grows, from where the farm has it, over as many connections as that takes.
    private func sendLog(of id: AttemptID) async {
        guard let log = held[id]?.log else { return }
        while held[id] != nil, !Task.isCancelled {
            do {
                let link = try await line.link()
                do {
                    try await sendLog(log, of: id, over: link)
                    return
                } catch let error as LinkError {
                    if case .status(let status) = error, !status.mayPass { return }
                    if FarmLine.isLoss(error) { line.lost(link) } else { try await Task.sleep(for: .seconds(1)) }
                }
            } catch {
                return
            }
        }
    }

    private func sendLog(_ log: LogSpool, of id: AttemptID, over link: Link) async throws {
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

    /// Waits until the farm has all of the log, as far as it takes it.
    private func settleLog(of id: AttemptID) async {
        guard let tasks = held[id]?.tasks, tasks.count >= 3 else { return }
        await tasks[2].value
    }
}
