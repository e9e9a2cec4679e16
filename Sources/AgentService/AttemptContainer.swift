import CLinux
import Glibc
import Locks
import Model
import Programs

/// A container that an attempt's steps run in, from its start to its end.
///
/// Its first process only waits for the agent's end of a pipe to close. When it ends, the kernel ends all others in the
/// container before anybody is told. So nothing in it outlives the container, and nothing outlives the agent.
final class AttemptContainer: Sendable {
    let engine: ContainerEngine
    let name: String
    /// The image's own, for what is not set otherwise.
    let path: String
    let image: String
    /// What the kernel counts of it, where it lives in groups of its engine's daemon; `nil`: it is in the attempt's own.
    let counts: CgroupCounts?
    /// Of the first process, by the machine's own count.
    private let first: pid_t
    private let pidfd: CInt
    /// The container's numbers of processes, as the kernel names them.
    private let namespace: String
    /// The engine's program that started it, and that ends with it.
    private let client: StepProcess
    private let lifeline: Mutex<CInt>
    private let stepsRun = Mutex(0)
    /// What an engine does not keep of its own: the container's environment, and where scripts for it lie.
    private let environment: [String]
    private let scripts: String

    /// In the environment of each program that is run in a container: finds what descends from it.
    static let stepMarkName = "SHEAF_CONTAINER_STEP"

    private init(
        _ engine: ContainerEngine, _ order: ContainerEngine.Order, _ client: StepProcess, lifeline: CInt,
        first: pid_t, path: String, image: String
    ) throws(AgentError) {
        self.engine = engine
        name = order.name
        environment = order.environment.map { "\($0.name)=\($0.value)" }
        scripts = order.scripts
        self.client = client
        self.first = first
        self.path = path
        self.image = image
        counts = engine.kind == .docker ? CgroupCounts.of(first) : nil
        self.lifeline = Mutex(lifeline)
        pidfd = clinux_pidfd_open(first)
        namespace = Self.namespace(of: first) ?? ""
        guard pidfd >= 0, !namespace.isEmpty, namespace != Self.namespace(of: getpid()) else {
            throw .system("find the first process of the container \(name)", ESRCH)
        }
        // The kernel would rather kill anything else for memory: with this one goes the whole container.
        Cgroups.set("-1000", in: "/proc/\(first)/oom_score_adj")
    }

    deinit {
        letGo()
        if pidfd >= 0 { close(pidfd) }
    }

    /// Starts a container in an attempt's enclosure. Its image is fetched first where it is not here, which may take long:
    /// what the engine says meanwhile goes to the log.
    ///
    /// - Throws: what ends the attempt.
    static func start(
        _ order: ContainerEngine.Order, by engine: ContainerEngine, in enclosure: Enclosure, _ output: StepOutput
    ) async throws -> AttemptContainer {
        var ends: [CInt] = [-1, -1]
        let answer = unsafe clinux_pipe(&ends, 4096)
        guard answer == 0 else { throw AgentError.system("make a pipe", -answer) }
        let (states, state) = AsyncStream.makeStream(of: Bool.self)
        let heard = Mutex((out: "", err: ""))
        let client: StepProcess
        do {
            defer { close(ends[0]) }
            let starting = engine.starting(order)
            client = try StepProcess.start(
                Program(
                    path: starting.path, arguments: starting.arguments,
                    environment: engine.signedIn(for: order).environment, directory: "/"),
                in: enclosure, input: ends[0]
            ) { stream, bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                switch stream {
                case .out:
                    let isReady = heard.withLock { heard in
                        heard.out = String((heard.out + text).suffix(200))
                        return heard.out.contains(ContainerEngine.ready)
                    }
                    if isReady { state.yield(true) }
                case .err:
                    heard.withLock { $0.err = String(($0.err + text).suffix(2_000)) }
                    output.take(.err, bytes)
                }
            }
        } catch {
            close(ends[1])
            throw error
        }
        // Ends with the client; whoever waits below has gone by then, or hears of it.
        Task {
            _ = await client.exit
            state.yield(false)
        }
        var isRunning = false
        await withTaskCancellationHandler {
            for await isReady in states {
                isRunning = isReady
                break
            }
        } onCancel: {
            state.yield(false)
        }
        do {
            try Task.checkCancellation()
            guard isRunning else { throw Self.failure(of: order.image, heard.withLock { $0.err }, whose: "container") }
            let facts = try Self.facts(of: order.name, engine)
            return try AttemptContainer(
                engine, order, client, lifeline: ends[1], first: facts.first, path: facts.path, image: facts.image)
        } catch {
            close(ends[1])
            client.signal(SIGTERM)
            _ = engine.ask(engine.remove([order.name]))
            throw error
        }
    }

    /// What an engine says of an image that is nowhere, or that not everybody may have.
    private static let lasting = [
        "manifest unknown", "not found", "denied", "unauthorized", "invalid reference", "name unknown", "no such image",
        "short-name", "no such file or directory", "image doesn't exist",
    ]

    /// Why a container did not start.
    ///
    /// - Parameter said: by the engine.
    static func failure(of image: String, _ said: String, whose: String) -> AgentError {
        // Docker's last line names its help, whatever went wrong.
        let lines = said.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("See 'docker ") }
        let line = lines.last.map { String($0.prefix(500)) } ?? "it said nothing"
        let text = "the \(whose) of '\(image.prefix(200))' does not start: \(line)"
        // What the kernel refuses to the engine is the machine's affair, not the image's.
        let told = said.lowercased().replacing("permission denied", with: "")
        return lasting.contains(where: told.contains) ? .user(text) : .dataUnavailable(text)
    }

    private static func facts(
        of name: String, _ engine: ContainerEngine
    ) throws(AgentError) -> (first: pid_t, path: String, image: String) {
        let answer: Programs.Program.Answer
        switch engine.ask(engine.inspect(name)) {
        case .success(let found): answer = found
        case .failure(let failure): throw .farm("the container \(name) cannot be looked at: \(failure.words)")
        }
        let text = String(decoding: answer.output, as: UTF8.self)
        if engine.kind == .apptainer {
            guard let instance = ContainerEngine.Instance.all(answer.output)?.first, instance.pid > 1 else {
                throw .farm("the container \(name) has no first process: \(text.prefix(200))")
            }
            switch engine.searchPath(in: name) {
            case .success(let path): return (instance.pid, path, instance.image)
            case .failure(let failure): throw .user("no step can run in '\(instance.image)': \(failure.words)")
            }
        }
        let words = text.split(separator: " ", maxSplits: 2).map(String.init)
        guard words.count == 3, let first = pid_t(words[0]), first > 1 else {
            throw .farm("the container \(name) has no first process: \(text.prefix(200))")
        }
        let variables = ContainerFacts.variables(words[2])
        let path = variables.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) }
        return (first, path ?? AttemptHost.searchPathStandard, words[1])
    }

    // MARK: Programs

    /// The engine's command line that runs a program here, the mark by which it is found, and what is to be removed when it has ended.
    func execute(
        _ arguments: [String], environment: [String], directory: String
    ) throws(AgentError) -> (path: String, arguments: [String], mark: String, script: String?) {
        let number = stepsRun.withLock { count in
            count += 1
            return count
        }
        let mark = "\(Self.stepMarkName)=\(name)-\(number)"
        guard engine.kind == .apptainer else {
            let words = engine.execute(arguments, in: name, environment: environment + [mark], directory: directory)
            return (engine.path, [engine.path] + words, mark, nil)
        }
        let script = "\(scripts)/\(name)-\(number)"
        try Files.write(
            ContainerEngine.environmentScript(self.environment + environment + [mark]), to: script, mode: 0o600)
        let words = engine.executeInInstance(arguments, in: name, script: script, directory: directory)
        let all = engine.guardWords + [engine.path] + words
        return (all[0], all, mark, script)
    }

    // MARK: Ending

    /// Whether its first process lives: without it nothing in there does.
    var isRunning: Bool {
        var polled = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&polled, 1, 0) == 0
    }

    private static func namespace(of pid: pid_t) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = unsafe readlink("/proc/\(pid)/ns/pid", &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Everything in the container but its first process.
    private func members(_ table: ProcessTable) -> [ProcessTable.Entry] {
        table.entries.values.filter { $0.pid != first && !$0.isZombie && Self.namespace(of: $0.pid) == namespace }
            .sorted { $0.pid < $1.pid }
    }

    func signalAll(_ number: CInt) {
        for entry in members(ProcessTable()) { ProcessTable.signal(number, to: entry) }
    }

    /// Signals what one program started here: those that bear its mark, what descends from them, and their sessions.
    ///
    /// - Returns: whether there was anybody.
    func signal(_ number: CInt, marked mark: String) -> Bool {
        let table = ProcessTable()
        let members = members(table)
        let roots = Set(members.filter { ProcessTable.environment(of: $0.pid, has: mark) }.map(\.pid))
        let sessions = Set(roots.compactMap { table.entries[$0]?.session })
        let below = table.descendants(of: roots)
        for entry in members
        where roots.contains(entry.pid) || below.contains(entry.pid) || sessions.contains(entry.session) {
            ProcessTable.signal(number, to: entry)
        }
        return !roots.isEmpty
    }

    /// Ends the container as the agent's death would.
    func letGo() {
        lifeline.withLock { lifeline in
            if lifeline >= 0 { close(lifeline) }
            lifeline = -1
        }
    }

    /// Kills all that is in it, and removes it. Blocks until it is gone.
    ///
    /// - Returns: why it is not, in words.
    func end(within most: Duration = .seconds(10)) -> String? {
        _ = clinux_pidfd_signal(pidfd, SIGKILL)
        var polled = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        let isGone = unsafe poll(&polled, 1, CInt(clamping: most.wholeNanoseconds / 1_000_000)) > 0
        letGo()
        guard isGone else { return "the container \(name) cannot be killed" }
        var problem = ""
        for _ in 0..<Self.removalsMax {
            // Its own `--rm` may be faster, or just at it.
            if case .failure(let failure) = engine.ask(engine.remove([name])) { problem = failure.words }
            if !engine.has(name) { return nil }
            usleep(100_000)
        }
        return "the container \(name) cannot be removed: \(problem)"
    }

    private static let removalsMax = 10
}
