import Artifacts
import CLinux
import Glibc
package import Model
import Scheduling
import Transport
import Wire

/// An agent: joins the farm, works on what it is offered, and goes on while the farm is away.
///
/// An attempt is held from its offer until the farm has acknowledged its report. It is stopped only when its lease has
/// ended by this machine's monotonic clock: from then on another agent may work on it.
package actor Agent {
    /// An attempt that the agent works on, or whose report it still keeps.
    struct Held {
        /// What it has of the machine; nothing before it has begun and once it has ended.
        var share = Share()
        /// As it was offered, until it begins.
        var assignment: Assignment?
        var driver: AttemptDriver?
        var log: LogSpool?
        var report: Proto.AttemptReport?
        /// Up to where the farm has the log.
        var logSent: UInt64 = 0
        /// The farm has all of it, or takes no more.
        var isLogSent = false
        /// Nobody is sending it any more, sent or not.
        var isLogOver = false
        /// Who waits for that ends with it.
        var logWait: AsyncStream<Void>.Continuation?
        // Each of them is waited for by `stopAll`, or ends by itself.
        var working: Task<Void, Never>?
        var logging: Task<Void, Never>?
        var delivering: Task<Void, Never>?

        var tasks: [Task<Void, Never>] { [working, logging, delivering].compactMap { $0 } }
    }

    /// It lives where its connections do: what it says and hears passes through no other thread. So it writes and reads small
    /// files of its own there, and leaves what is more to the threads for disks.
    let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    let settings: AgentSettings
    /// Who the agent is now.
    var identity: Identity
    let host: AttemptHost
    let spool: ReportSpool
    let line: FarmLine
    package nonisolated let capacity: Capacity
    let incarnation: String
    /// What of them is to be done, and until when.
    var holdings = Holdings()
    var held: [AttemptID: Held] = [:]
    /// Rings when the next lease ends; cancelled when an earlier one is to ring.
    var leaseAlarm: (at: Instant, task: Task<Void, Never>)?
    /// Why attempts are cancelled, while that is handled.
    var cancelReasons: [AttemptID: String] = [:]
    /// Logs that no report waits for: of attempts that were abandoned, that ended with an earlier life of this agent, or whose
    /// report was faster.
    var orphanedLogs: [AttemptID: Task<Void, Never>] = [:]
    /// What the farm is told that it keeps, of each kind the last used first: locks of environments, manifests of code trees.
    var keptLocks: [Digest] = []
    var keptTrees: [Digest] = []
    static let keptMax = 64
    /// Attempts whose reports wait for their logs, the first first, and until when.
    var logWaits: [(until: Instant, attempt: AttemptID)] = []
    /// Reports that were kept within the last second.
    var unsynced: [AttemptID] = []
    var isDraining = false
    /// The machine goes, or somebody stops the agent: what it works on is taken back, and nothing is taken.
    var isLeaving = false
    var isStopping = false
    var isMakingRoom = false
    /// Which GPUs are unfit.
    var rounds = GPURounds()
    var heartbeatEvery = Duration.seconds(5)
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
        let cgroups = Cgroups(name: "\(settings.name)-\(place)")
        remarks += cgroups.remarks
        // What the owner keeps back stays back, whatever attempts name that no limit of their own holds.
        if let memory = settings.memory { cgroups.limitAll(memory: memory) }
        if let label = settings.labels.first(where: { SecretName.name(in: $0.lowercased()) != nil }) {
            throw AgentError.configuration(
                "'\(label)' is a label that agents give themselves", help: "--secrets names a file of secrets")
        }
        remarks += settings.secrets.remarks
        for folder in settings.shownFolders where !Files.isFolder(folder) {
            throw AgentError.configuration(
                "there is no folder \(folder) to show to attempts", help: "--show names folders of this machine")
        }
        let killed = Groups.clear(cgroups)
        cgroups.sweep()
        if killed > 0 { remarks.append("\(killed) processes of an earlier life of this agent were ended") }
        let engine = try engine(settings, String(place), remarks: &remarks)
        let attempts = try AttemptsFolder(below: settings.workFolder)
        if !settings.keepsWorkspaces {
            let (found, stuck) = await DiskThreads.shared.run { attempts.clear() }
            if found > 0 {
                remarks.append("what \(Spelling.counted(found, "attempt")) of an earlier life had left was removed")
            }
            if !stuck.isEmpty {
                remarks.append("left by an earlier life, and cannot be removed: \(stuck.joined(separator: ", "))")
            }
        }
        let pool = AccountPool(settings.accounts)
        let inputCheck = InputCheck()
        let inputs = inputCheck.check(settings.inputs, remarks: &remarks)
        if let refusal = Chamber.refusal {
            remarks.append("attempts cannot have process numbers and a view of files of their own: \(refusal)")
        }
        let discovery = Discovery(pool.probe, views: views(settings, pool.probe, inputs))
        let found = await discovery.capacity(
            cpus: settings.cpus, memory: settings.memory, disk: settings.diskOffered,
            labels: settings.labels + (engine?.labels ?? []) + settings.secrets.labels,
            inputs: inputs, remarks: &remarks)
        var capacity = found.capacity
        capacity.takesAhead = true
        if !found.addresses.isEmpty, KernelLog() == nil {
            remarks.append(
                "\(KernelLog.path) cannot be read: attempts that fail with their GPU look as if they failed by themselves"
            )
        }
        for remark in remarks { tell(.remark(remark)) }
        let line = FarmLine()
        let incarnation = String(UInt64(truncatingIfNeeded: Instant.wallClock().nanoseconds), radix: 36)
        var warden: Warden?
        if Chamber.refusal != nil {
            // What attempts shake off falls to this process instead of to init, and is seen.
            _ = clinux_become_subreaper()
            warden = try Warden(incarnation: incarnation, groups: cgroups.folders)
        }
        let host = AttemptHost(
            agent: settings.name, workFolder: settings.workFolder, spoolFolder: settings.spoolFolder,
            interpreters: capacity.interpreters,
            cgroups: cgroups, accounts: pool,
            environments: try Environments(in: settings.workFolder + "/environments"), inputs: inputCheck,
            objects: FarmObjects(line: line), cache: cache,
            environment: settings.stepEnvironment.map { CommandFile.Entry(name: $0.name, value: $0.value) },
            secrets: settings.secrets, hasCUDA: !capacity.gpus.isEmpty, gpuAddresses: found.addresses,
            gpuHealth: { [places = discovery.places] in Discovery.gpuHealth(places.nvml) },
            sharesGPUs: settings.sharesGPUs,
            keepsWorkspaces: settings.keepsWorkspaces, incarnation: incarnation, views: found.views, warden: warden,
            engine: engine, attempts: attempts, berths: Berths(areMadeAhead: true))
        var leftover: [String] = []
        let leftovers = spool.leftovers(remarks: &leftover)
        for remark in leftover { tell(.remark(remark)) }
        let loop = try EventLoop(name: "sheaf-agent")
        let agent = Agent(settings, host, spool, line, capacity, incarnation, loop, tell)
        await agent.adopt(leftovers)
        await agent.lookAtDevices()
        await agent.adopt(locks: await DiskThreads.shared.run { host.environments.locks(most: keptMax) })
        host.berths.prepare(Cgroups.Limits(cpus: 1, processesMax: host.processesMax), on: host)
        return agent
    }

    /// What starts containers here: the first engine that answers; `nil`: nobody. Ends those that an earlier life of this agent has left.
    private static func engine(
        _ settings: AgentSettings, _ place: String, remarks: inout [String]
    ) throws(AgentError) -> ContainerEngine? {
        guard settings.containers != .none else { return nil }
        if let images = settings.containerImages, !Files.isFolder(images) {
            throw .configuration("there is no folder \(images)", help: "--container-images names a folder with images")
        }
        let wanted = ContainerEngine.Kind(rawValue: settings.containers.rawValue)
        var problem = "it is not on PATH"
        for var engine in ContainerEngine.all(
            wanted, options: settings.containerOptions, owner: "\(settings.name)-\(place)",
            images: settings.containerImages?.standardizedPath)
        {
            switch engine.clear() {
            case .success(let left):
                if left > 0 { remarks.append("\(left) containers of an earlier life of this agent were ended") }
                return engine
            case .failure(let failure):
                problem = failure.words
                remarks.append("\(engine.path) cannot be used for containers: \(problem)")
            }
        }
        guard let wanted else { return nil }
        throw .configuration(
            "\(wanted.rawValue) cannot be used: \(problem)",
            help: "install it, or start the agent with --containers none")
    }

    /// What attempts see of the file system; `nil`: what the agent sees, for they are its own user or may not mount.
    private static func views(
        _ settings: AgentSettings, _ account: Account?, _ inputs: [HeldInput]
    ) -> PrivateViews? {
        guard let account, Chamber.refusal == nil else { return nil }
        return PrivateViews(
            attempts: AttemptsFolder.path(below: settings.workFolder),
            hidden: [settings.spoolFolder] + settings.hiddenFolders,
            shown: [settings.workFolder + "/environments"] + inputs.map(\.path) + settings.shownFolders,
            account: account)
    }

    private func adopt(locks: [Digest]) { keptLocks = locks }

    private init(
        _ settings: AgentSettings, _ host: AttemptHost, _ spool: ReportSpool, _ line: FarmLine, _ capacity: Capacity,
        _ incarnation: String, _ loop: EventLoop, _ tell: @escaping @Sendable (AgentEvent) -> Void
    ) {
        self.loop = loop
        self.settings = settings
        identity = settings.identity
        self.host = host
        self.spool = spool
        self.line = line
        self.capacity = capacity
        self.incarnation = incarnation
        self.tell = tell
    }

    /// Works until the task is cancelled, the farm refuses this agent, or it was drained and has nothing left to do.
    /// Nothing that it started is left when this returns.
    ///
    /// - Throws: `AgentError.farm` when the farm does not take this agent any more; `.unknown` as the settings have it.
    package func run() async throws {
        for (attempt, held) in held where held.report != nil { startDelivery(of: attempt) }
        let keeping = [Task { await keepHouse() }, Task { await keepIdentity() }, Task { await keepDevices() }]
        defer { for task in keeping { task.cancel() } }
        do {
            try await keepConnected()
        } catch {
            await stopAll()
            throw error
        }
        await stopAll()
    }

    /// Takes back all that it works on, for its machine goes, and takes nothing more. Attempts end `preempted`, and the farm tries
    /// them again elsewhere as soon as it has heard. `run` returns when it has; whoever has no time for that cancels it.
    ///
    /// - Returns: whether it has nothing to tell.
    package func leave(because why: String) async -> Bool {
        isLeaving = true
        for attempt in holdings.waiting { perform(holdings.handle(.recalled(attempt), at: Clock.monotonic())) }
        for attempt in holdings.working { await held[attempt]?.driver?.preempt(why) }
        return isIdle
    }

    private func stopAll() async {
        isStopping = true
        line.set(nil)
        let tasks = held.values.flatMap(\.tasks) + orphanedLogs.values
        leaseAlarm?.task.cancel()
        // Somebody else may work on it from now on: the farm hears of it when the agent comes back without it.
        for attempt in holdings.waiting {
            _ = holdings.handle(.forgotten(attempt), at: Clock.monotonic())
            held[attempt] = nil
        }
        for attempt in holdings.working {
            _ = holdings.handle(.forgotten(attempt), at: Clock.monotonic())
            await held[attempt]?.driver?.endLease()
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        await syncReports()
        host.berths.close()
        host.cgroups.remove()
    }
}
