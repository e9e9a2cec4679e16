import Glibc
import Model
import Programs

/// The program of this machine that starts containers, and the command lines that it is given.
///
/// Command lines are values: what a container may do is decided here, and can be read and tested without one.
struct ContainerEngine: Equatable, Sendable {
    enum Kind: String, CaseIterable, Sendable { case podman, docker, apptainer }

    var kind: Kind
    var path: String
    /// The owner's, for each container: `--network=host`.
    var options: [String] = []
    /// What the engine's own program gets: nothing of a job's.
    var environment: [String] = []
    /// Marks the containers of this agent.
    var owner = ""
    /// Apptainer's: a folder of the owner's with images by their names.
    var images: String?
    /// Apptainer's: whether it is started by root, and what it is started by then.
    var isRoot = false
    var guardWords: [String] = []

    /// A folder that the container sees.
    struct Mount: Equatable, Sendable {
        var source: String
        var target: String
        var isReadOnly = false
    }

    /// What to start.
    struct Order: Equatable, Sendable {
        var name: String
        var image: String
        var mounts: [Mount] = []
        /// Places of empty volumes.
        var volumes: [String] = []
        var environment: [CommandFile.Entry] = []
        var options: [String] = []
        /// UUIDs of the leased devices.
        var gpus: [String] = []
        var memory: ByteCount?
        var cpus: Int?
        var processesMax: Int
        /// `nil`: the engine's own way.
        var network: Network?
        /// The folder of a `RegistryLogin`; `nil`: what the engine's owner has logged in to.
        var login: Login?
        /// Folders of the attempt's for an engine without storage of its own: what the container writes, and scripts for it.
        var layer = ""
        var scripts = ""
    }

    /// Whom a registry gives an image to, and the folder in which an engine reads that.
    struct Login: Equatable, Sendable {
        var folder: String
        var person: RegistryLogin
    }

    /// A network of an attempt's own, as one of its containers is in it.
    struct Network: Equatable, Sendable {
        var name: String
        /// The container's own; `nil`: whichever is free.
        var address: String?
        /// The name by which others find it, where the engine itself tells them.
        var alias: String?
        /// Where it tells nobody: names, and the addresses that they have.
        var hosts: [CommandFile.Entry] = []
    }

    static let ownerLabel = "sheaf.agent"
    /// What a container's first process says once it runs.
    static let ready = "sheaf-container-runs"

    /// Podman's own programs live in the attempt's group, too: without room for them the kernel would sooner kill them than
    /// the step that takes too much.
    static let ownMemory = ByteCount.mebibytes(128)

    /// What the attempt's group may have, so that its container may have what was leased.
    func bound(_ memory: ByteCount) -> ByteCount {
        switch kind {
        case .podman, .apptainer: ByteCount(memory.bytes + Self.ownMemory.bytes)
        case .docker: memory
        }
    }

    // MARK: Command lines

    /// The program that starts a container, with its arguments, its own name among them: see `start`.
    func starting(_ order: Order) -> (path: String, arguments: [String]) {
        guard kind == .apptainer else { return (path, [path] + start(order)) }
        return ("/bin/sh", ["sh", "-c", lifeline(order.name), path] + guardWords + [path] + startInstance(order))
    }

    /// Starts a container that lives until its input ends: until the agent closes it, or is no more.
    func start(_ order: Order) -> [String] {
        ["run", "--interactive", "--rm"] + identity(order) + ["--entrypoint=/bin/sh"] + surroundings(order) + [
            Self.fullName(order.image), "-c", "echo \(Self.ready); exec cat >/dev/null",
        ]
    }

    /// Whose it is.
    func identity(_ order: Order) -> [String] {
        ["--name=\(order.name)", "--label=\(Self.ownerLabel)=\(owner)"]
    }

    /// What it sees, and what bounds it.
    func surroundings(_ order: Order) -> [String] {
        // What is mounted is the agent's disk: a device that a job made there would be a real one.
        var words = ["--cap-drop=MKNOD"]
        switch kind {
        case .podman:
            // Then it stays in the attempt's own group, which bounds and counts it.
            words += ["--cgroups=disabled", "--pull=missing"]
        case .docker:
            // A daemon starts it elsewhere: the daemon has to bound it.
            words += ["--pull=missing", "--pids-limit=\(order.processesMax)"]
            if let memory = order.memory { words += ["--memory=\(memory.bytes)", "--memory-swap=\(memory.bytes)"] }
            if let cpus = order.cpus { words.append("--cpus=\(cpus)") }
        case .apptainer: return startInstance(order)
        }
        words += gpuWords(order.gpus)
        for mount in order.mounts {
            words.append("--volume=\(mount.source):\(mount.target)\(mount.isReadOnly ? ":ro" : "")")
        }
        for volume in order.volumes { words.append("--volume=\(volume)") }
        for entry in order.environment { words.append("--env=\(entry.name)=\(entry.value)") }
        if let network = order.network { words += self.words(for: network) }
        // The owner's come last: they win over the job's.
        return words + order.options + options
    }

    private func gpuWords(_ gpus: [String]) -> [String] {
        guard !gpus.isEmpty else { return [] }
        switch kind {
        // The container device interface, as nvidia-ctk writes it.
        case .podman: return gpus.map { "--device=nvidia.com/gpu=\($0)" }
        // A comma divides fields there: the quotes belong to the value.
        case .docker: return ["--gpus=\"device=\(gpus.joined(separator: ","))\""]
        // All of them are there; which are its own, the environment says.
        case .apptainer: return ["--nv"]
        }
    }

    /// Runs a program in a container that runs.
    ///
    /// - Parameter directory: `nil`: the container's own.
    func execute(
        _ arguments: [String], in name: String, environment: [String], directory: String?
    ) -> [String] {
        ["exec"] + (directory.map { ["--workdir=\($0)"] } ?? []) + environment.map { "--env=\($0)" } + [name]
            + arguments
    }

    /// The first process, by the machine's own count; then the container's environment, in JSON.
    func inspect(_ name: String) -> [String] {
        if kind == .apptainer { return ["instance", "list", "--json", name] }
        return ["container", "inspect", "--format={{.State.Pid}} {{.Image}} {{json .Config.Env}}", name]
    }

    /// Ends a container and removes what it wrote, whatever state it is in.
    func remove(_ names: [String]) -> [String] {
        switch kind {
        case .podman: ["rm", "--force", "--ignore", "--time=0", "--volumes"] + names
        case .docker: ["rm", "--force", "--volumes"] + names
        case .apptainer: ["instance", "stop", "--signal", "KILL"] + names
        }
    }

    /// Whether there is such a container, in whatever state. Blocks.
    func has(_ name: String) -> Bool {
        guard case .success(let answer) = ask(inspect(name)) else { return false }
        return kind != .apptainer || Instance.all(answer.output)?.isEmpty == false
    }

    /// The containers of this agent, those that have ended included.
    var list: [String] { ["ps", "--all", "--quiet", "--filter=label=\(Self.ownerLabel)=\(owner)"] }

    /// An image's name with its registry: an engine without a list of registries would not know where to look.
    static func fullName(_ image: String) -> String {
        let parts = image.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let isHost = { (part: Substring) in part.contains(".") || part.contains(":") || part == "localhost" }
        if parts.count > 1 { return isHost(parts[0]) ? image : "docker.io/" + image }
        return "docker.io/library/" + image
    }

    /// The same engine, as one that may fetch an order's image. Nobody sees a password on its command line.
    func signedIn(for order: Order) -> ContainerEngine {
        guard let login = order.login else { return self }
        var engine = self
        engine.environment.removeAll { $0.hasPrefix("REGISTRY_AUTH_FILE=") || $0.hasPrefix("DOCKER_CONFIG=") }
        switch kind {
        case .podman: engine.environment.append("REGISTRY_AUTH_FILE=\(login.folder)/\(RegistryLogin.fileName)")
        case .docker: engine.environment.append("DOCKER_CONFIG=\(login.folder)")
        case .apptainer:
            engine.environment.append("APPTAINER_DOCKER_USERNAME=\(login.person.username)")
            engine.environment.append("APPTAINER_DOCKER_PASSWORD=\(login.person.password)")
        }
        return engine
    }

    // MARK: Finding one

    /// How long the engine may take for what is not a pull.
    static let answerMax = Duration.seconds(60)
    /// Variables of the agent's that its engine needs.
    private static let passed = [
        "PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "TMPDIR",
        "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "REGISTRY_AUTH_FILE",
        "STORAGE_DRIVER", "STORAGE_OPTS", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
        "APPTAINER_CACHEDIR", "APPTAINER_TMPDIR", "APPTAINER_CONFIGDIR",
        "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
    ]

    /// The engines on PATH, whether they work or not.
    ///
    /// - Parameter wanted: the one that the owner names; `nil`: any.
    static func all(_ wanted: Kind?, options: [String], owner: String, images: String? = nil) -> [ContainerEngine] {
        let path = variable("PATH") ?? AttemptHost.searchPathStandard
        let environment = passed.compactMap { name in variable(name).map { "\(name)=\($0)" } }
        return (wanted.map { [$0] } ?? Kind.allCases).compactMap { kind in
            let found = path.split(separator: ":").map { "\($0)/\(kind.rawValue)" }.first {
                $0.hasPrefix("/") && Files.isExecutable($0)
            }
            return found.map {
                ContainerEngine(
                    kind: kind, path: $0, options: options, environment: environment, owner: owner, images: images,
                    isRoot: geteuid() == 0)
            }
        }
    }

    private static func variable(_ name: String) -> String? {
        guard let raw = unsafe getenv(name) else { return nil }
        return unsafe String(cString: raw)
    }

    /// Asks the engine for something that is quickly done. Blocks.
    func ask(
        _ words: [String], timeout: Duration = answerMax
    ) -> Result<Programs.Program.Answer, Programs.Program.Failure> {
        ask(path, words, timeout: timeout)
    }

    func ask(
        _ path: String, _ words: [String], timeout: Duration
    ) -> Result<Programs.Program.Answer, Programs.Program.Failure> {
        var order = Programs.Program.Order(path, words)
        order.environment = environment
        order.directory = "/"
        order.outputBytesMax = 16 << 20
        order.timeout = timeout
        return Programs.Program.run(order)
    }

    /// Ends what an earlier life of this agent has left. It is the first thing asked of an engine: `info` would be slower,
    /// as podman's asks the machine's package manager about each program that it knows.
    ///
    /// - Returns: how many containers there were; of an engine that cannot be used: why.
    mutating func clear() -> Result<Int, Programs.Program.Failure> {
        if kind == .apptainer { return clearInstances() }
        return names(list).map { names in
            if !names.isEmpty { _ = ask(remove(names)) }
            if case .success(let networks) = self.names(listNetworks), !networks.isEmpty {
                _ = ask(removeNetworks(networks))
            }
            return names.count
        }
    }

    private func names(_ words: [String]) -> Result<[String], Programs.Program.Failure> {
        ask(words).map {
            String(decoding: $0.output, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        }
    }
}

extension Programs.Program.Failure {
    /// On one line, with the last that the program said.
    var words: String {
        let line = complaint.split(whereSeparator: \.isNewline).last.map { String($0.prefix(300)) } ?? ""
        return line.isEmpty ? problem : "\(problem): \(line)"
    }
}
