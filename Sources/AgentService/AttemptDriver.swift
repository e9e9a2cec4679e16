import Artifacts
import Glibc
import Model
import Transport
import Wire

/// Works on one attempt from its assignment to its report: folders, data, environment, steps, results.
///
/// It lives on a thread of its own, for much of what it does blocks.
actor AttemptDriver {
    let assignment: Assignment
    let host: AttemptHost
    nonisolated let output: StepOutput
    let transfer: Transfer<FarmObjects.Channel>
    /// What the report names, until the farm has it.
    let results: KeptResults
    nonisolated let thread: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    var report: Proto.AttemptReport
    var contexts: AttemptContexts
    /// Made when the attempt begins.
    var place: Place?
    /// Folders that go before everything else on PATH, the last added first.
    var addedPaths: [String] = []
    var view: EnvironmentView?
    var uses: [EnvironmentUse] = []
    /// The first thing that made the attempt fail.
    var failure: Cause?
    var processes: [StepProcess] = []
    /// The path of the metrics file as this cell's texts make it.
    var metricsName = ""
    /// The metrics file as it came with the code tree, before a step wrote it.
    var checkedOutMetrics: Files.Facts?
    /// The patterns of the job's metric sources as this cell's texts make them.
    var metricPatterns: [String] = []
    /// What of them came with the code tree: it says nothing about this attempt.
    var checkedOutSources: [String: Files.Facts] = [:]
    /// What steps wrote to GITHUB_STEP_SUMMARY.
    var stepSummary: [UInt8] = []
    /// Looks at the attempt's GPUs; `nil` where there are none, or nobody can tell.
    var devices: DeviceWatch?
    /// How they were when the attempt began.
    var devicesBefore: [String: GPUHealth] = [:]
    /// The action whose steps run now.
    var action: ActionFrame?
    /// Folders of other repositories' actions that are there.
    var unpackedActions: Set<String> = []
    /// Names the containers of the attempt.
    var containersStarted = 0
    /// How many steps have run, those of actions included: names their files.
    var stepsRun = 0
    /// What is left to do after the steps, the last first.
    var posts: [Post] = []

    private(set) var watch: AttemptWatch
    private var isAbandoned = false
    private var isRefused = false
    /// What the attempt waits for and that a stop takes back: a download, an environment.
    private var cancels: [@Sendable () -> Void] = []
    /// Of the programs that have ended, by their own count: for where no cgroup counts.
    var cpuNanoseconds: UInt64 = 0
    /// Of containers that have ended, where an engine's daemon keeps them in groups of its own.
    var containersUsage = (peakMemory: ByteCount.zero, cpuNanoseconds: UInt64(0))
    /// Programs that run now: silence counts only while there is one.
    var running = 0
    private let pokes: AsyncStream<Void>.Continuation
    private let poked: AsyncStream<Void>

    static let evidenceCharactersMax = 4_096

    /// Where an attempt lives.
    struct Place {
        var berth: Berth
        var enclosure: Enclosure
        var folder: AttemptFolder { berth.folder }
        var account: Account?
        /// What the steps run in, where the job says so.
        var image: String?
        /// While it runs.
        var container: AttemptContainer?
        /// While they run.
        var services: AttemptServices?
    }

    init(_ assignment: Assignment, on host: AttemptHost, log: LogSpool) {
        self.assignment = assignment
        self.host = host
        output = StepOutput(
            log, secrets: host.secrets.masks, freeBytes: { [folder = host.workFolder] in Files.freeBytes(at: folder) })
        transfer = Transfer(host.objects.channel(for: assignment.id), cache: host.cache)
        results = KeptResults(of: assignment.id, in: host.spoolFolder, sync: host.sync)
        thread = ThreadExecutor(name: "attempt")
        let given = assignment.contexts.filter { $0.key != "secrets" }
        contexts = AttemptContexts(
            given: given + [.init("secrets", .object(host.secrets.members))], runner: [], workspace: "")
        report = .with {
            $0.attempt = Proto.AttemptRef(assignment.id)
        }
        watch = AttemptWatch(
            AttemptWatch.Limits(
                job: assignment.timeout, idle: assignment.idleTimeout, grace: assignment.grace, wrapUp: host.wrapUp),
            at: Clock.monotonic())
        (poked, pokes) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes the attempt back: its processes are ended, and only steps that always run still do.
    func cancel(_ why: String) { tell(.cancel(why)) }
    /// The same for a machine that goes: nothing further starts, and the farm tries it again elsewhere.
    func preempt(_ why: String) { tell(.preempt(why)) }
    /// Ends everything at once: nobody may work on this attempt any more.
    func endLease() { tell(.leaseEnded) }

    /// What happened outside of the watch's own looks at the clock: it must look again.
    private func tell(_ event: AttemptWatch.Event) {
        perform(watch.handle(event, at: Clock.monotonic()))
        pokes.yield()
    }

    /// The farm cannot now, for a reason of its own: a full disk. Said once; until it can, the job's time stands still.
    func wait(for reason: String) { hold("waits for the farm: \(reason)") }
    func goOn() { goOn("the farm goes on") }

    /// What keeps the job from going on is none of its own doing: its time stands still.
    func hold(_ why: String) {
        guard !isRefused else { return }
        isRefused = true
        output.say(why)
        tell(.farmRefused)
    }

    func goOn(_ why: String) {
        guard isRefused else { return }
        isRefused = false
        output.say(why)
        tell(.farmAnswered)
    }

    /// Why the attempt was stopped from outside its steps; `nil` when it was not.
    var stopReason: AttemptWatch.Reason? { watch.reason }
    /// Nothing further may start.
    var isOver: Bool { isAbandoned }

    /// Its files take so much of the disk, which is more than they may.
    func exceed(_ held: ByteCount) { tell(.excess(held)) }

    /// Does all of it. Nothing that the attempt started is left when this returns.
    func run() async -> Proto.AttemptReport {
        report.startedAt = Instant.wallClock().nanoseconds
        // Waited for below: it ends when `pokes` does.
        let watching = Task { await keepWatch() }
        var counting: Task<Void, Never>?
        do {
            try settleIn()
            // Cancelled below; nobody waits for a count that nobody needs.
            counting = Task { await watchDisk() }
            try await checkDevices()
            try await work()
        } catch {
            fail(Self.cause(of: error))
        }
        // Clearing up takes no time of the job's: an attempt that has done its work is not late for it.
        _ = watch.handle(.finished, at: Clock.monotonic())
        counting?.cancel()
        await windUp()
        pokes.finish()
        await watching.value
        conclude()
        settleResults()
        output.log.complete()
        report.logBytes = output.log.bytes
        return report
    }

    /// Before the report is kept, which the agent does next.
    private func settleResults() {
        do throws(AgentError) { try results.settle() } catch {
            // They are there as long as the machine is: only a loss of power would cost them, and the shard another attempt.
            output.note("warning", "what this attempt came to would not outlive a loss of power: \(error)")
        }
    }

    // MARK: Watching

    private func keepWatch() async {
        var pokes = poked.makeAsyncIterator()
        while true {
            let (lastHeard, line) = output.last
            // What the agent itself does (fetching, uploading, waiting for an environment) is not the job's silence.
            let heard = running > 0 ? lastHeard : Clock.monotonic()
            let effects = watch.handle(.tick(lastHeard: heard, lastLine: line), at: Clock.monotonic())
            perform(effects)
            var wakeAt = Instant.distantFuture
            for case .wake(let at) in effects { wakeAt = min(wakeAt, at) }
            // Set anew each time: something else may wake the watch first.
            thread.ring(at: wakeAt) { [pokes = self.pokes] in pokes.yield() }
            guard await pokes.next(isolation: self) != nil else { return thread.ring(at: .distantFuture) {} }
        }
    }

    private func perform(_ effects: [AttemptWatch.Effect]) {
        for effect in effects {
            switch effect {
            case .terminate(let reason):
                contexts.status = .cancelled
                output.say(Self.sentence(for: reason))
                for cancel in cancels { cancel() }
                // The engine's own programs end with the container.
                if let container = place?.container {
                    container.signalAll(SIGTERM)
                } else {
                    place?.enclosure.signalAll(SIGTERM)
                }
            case .kill:
                output.say("what still ran after \(Self.words(assignment.grace)) is killed")
                killAll()
            case .abandon(let reason):
                isAbandoned = true
                contexts.status = .cancelled
                output.say(Self.sentence(for: reason) + ": everything ends now")
                for cancel in cancels { cancel() }
                killAll()
            case .wake: break
            }
        }
    }

    /// What a stop left running is gone: steps that always run may start.
    func haltIfStopped() {
        guard watch.reason != nil, !isAbandoned else { return }
        killAll()
        tell(.halted)
    }

    func killAll() {
        endContainer()
        endServices()
        guard let left = place?.enclosure.killAll(), !left.isEmpty else { return }
        output.note(
            "error", "\(left.count) processes cannot be killed: \(left.map { String($0.pid) }.joined(separator: ", "))")
    }

    /// Does what can be taken back when the attempt is stopped.
    func stoppable<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        if isAbandoned { throw AgentError.cancelled }
        let task = Task { try await body() }
        // One may begin inside another: the last begun ends first.
        cancels.append { task.cancel() }
        defer { cancels.removeLast() }
        return try await task.value
    }

    // MARK: Beginning

    private func settleIn() throws {
        results.remove()
        // From here on: what the driver said before was of others' work.
        if !assignment.gpus.isEmpty {
            devices = DeviceWatch(
                of: assignment.gpus, at: host.gpuAddresses, log: KernelLog(at: host.kernelLog))
        }
        let image = try containerImage()
        // In a container users are the image's own.
        let (account, isExclusive) = image == nil ? try host.accounts.take() : (nil, false)
        do {
            let memory = image == nil ? assignment.memory : assignment.memory.map { host.engine?.bound($0) ?? $0 }
            let berth = try host.berths.lend(
                Berth.Wish(
                    run: assignment.id.shard.run, account: account,
                    limits: Cgroups.Limits(memory: memory, cpus: assignment.cpus, processesMax: host.processesMax),
                    isContained: image != nil),
                on: host)
            let folder = berth.folder
            place = Place(
                berth: berth,
                enclosure: berth.enclosure(
                    mark: assignment.id.fileName + "-" + host.incarnation, ownUser: isExclusive ? account?.user : nil),
                account: account, image: image)
            contexts.workspace = folder.workspace
            contexts.runner = runnerContext(folder)
            contexts.github = [
                .init("workspace", .string(folder.workspace)),
                .init("event_path", .string(folder.files + "/event.json")),
                .init("job", .string(assignment.ownJobID)),
                .init("run_attempt", .string("\(assignment.id.number)")),
            ]
            if let token = host.secrets.token { contexts.github.append(.init("token", token)) }
            try prepareFiles(folder)
        } catch {
            if place == nil { host.accounts.giveBack(account) }
            throw error
        }
    }

    /// Ends what still runs, and removes what the attempt had.
    private func windUp() async {
        guard let place else { return }
        // Nobody is left: there is nothing to end, and nothing to wait for. What containers that were begun still hold of the
        // folder, nobody here knows.
        let isLeftAsFound = containersStarted == 0 && place.enclosure.isLeftAsFound
        if !isLeftAsFound { killAll() }
        for process in processes { await process.closeOutput() }
        processes = []
        countUsage(place.enclosure)
        if host.keepsWorkspaces { keepWorkspace(place.folder) }
        let left = host.berths.takeBack(
            place.berth, from: place.enclosure, isLeftAsFound: isLeftAsFound && !host.keepsWorkspaces)
        if !left.isEmpty { output.note("warning", "could not be removed: \(left.joined(separator: ", "))") }
        uses = []
        host.accounts.giveBack(place.account)
        self.place = nil
    }

    /// Under the attempt's own name: the berth's is another's later.
    private func keepWorkspace(_ folder: AttemptFolder) {
        let kept = host.attemptsFolder + "/" + assignment.id.fileName
        Files.removeTree(kept)
        if unsafe rename(folder.path, kept) == 0 {
            output.say("the attempt's folder stays at \(kept)")
        } else {
            output.note("warning", "the attempt's folder cannot be kept at \(kept)")
        }
    }

    private func countUsage(_ enclosure: Enclosure) {
        var usage = report.usage ?? Proto.Usage()
        let peak = max(enclosure.groups.peakMemory ?? .zero, containersUsage.peakMemory)
        usage.peakMemoryBytes = UInt64(clamping: peak.bytes)
        usage.cpuNs = (enclosure.groups.cpuNanoseconds ?? cpuNanoseconds) + containersUsage.cpuNanoseconds
        report.usage = usage
    }

    // MARK: Ending

    /// The first failure is the cause; what follows from it is not.
    func fail(_ cause: Cause) {
        if action != nil {
            // Whether the attempt fails by it, the step that uses the action decides.
            if action?.failure == nil { action?.failure = cause }
            if contexts.status == .success { contexts.status = .failure }
            return
        }
        if failure == nil { failure = cause }
        if contexts.status == .success { contexts.status = .failure }
    }

    private func conclude() {
        let cause = endingCause()
        report.cause = cause.kind.rawValue
        report.code = cause.code.map { Int32($0) }
        // Where the workspace lies on this agent is nobody's business, and no help: paths count from it.
        let evidence =
            contexts.workspace.isEmpty
            ? cause.evidence : cause.evidence.replacing(contexts.workspace + "/", with: "")
        report.evidence = String(output.masked(evidence).prefix(Self.evidenceCharactersMax))
        report.endedAt = Instant.wallClock().nanoseconds
        report.annotations = output.annotations.map { annotation in
            .with {
                $0.level = annotation.level
                $0.file = annotation.file
                $0.line = UInt32(clamping: annotation.line)
                $0.title = annotation.title
                $0.text = annotation.text
            }
        }
        if output.droppedAnnotations > 0 {
            output.say(
                "\(output.droppedAnnotations) annotations beyond the limit of \(StepOutput.annotationsMax) were dropped"
            )
        }
    }

    // MARK: Words

    private static func sentence(for reason: AttemptWatch.Reason) -> String {
        switch reason {
        case .timeout: "the job's time is over"
        case .idle: "the job has written nothing for too long"
        case .cancelled(let why): "cancelled: \(why)"
        case .excess(let held): words(ofExcess: held, nil)
        case .preempted(let why): why
        case .leaseEnded: "the lease has ended"
        }
    }

    /// `30 min`, `90 s`, `1.5 s`.
    static func words(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        if seconds >= 120, seconds.truncatingRemainder(dividingBy: 60) == 0 { return "\(Int(seconds / 60)) min" }
        return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\((seconds * 1000).rounded() / 1000) s"
    }
}
