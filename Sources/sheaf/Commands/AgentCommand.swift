import AgentService
import Client
import Glibc
import Model
import Transport

extension Commands {
    static let agent = Command(
        name: "agent", summary: "run an agent in this process: it works on what the farm gives it",
        discussion: """
            Finds cores, memory, GPUs and Pythons by itself. The first start enrols with a token file; later ones need
            none. As root, each attempt runs under a user of its own and cannot reach the agent's key.

              sheaf agent --token-file gpu-3.token --home /var/lib/sheaf-agent/identity --work /var/lib/sheaf-agent/work
            """,
        options: [
            .value(
                "token-file", "FILE", "for the first start, and for one after the certificate has ended or was revoked"),
            .value("home", "FOLDER", "the agent's identity; .sheaf/agent by default"),
            .value("work", "FOLDER", "attempts and environments; HOME-work by default"),
            .value("cpus", "N", "offer at most so many cores"),
            .value("memory", "SIZE", "offer at most so much: 64GiB"),
            .value("disk", "SIZE", "offer at most so much to attempts' files; else what is free when it starts"),
            .value("disk-free", "SIZE", "decline attempts when less is free on the disk of --work; 1GiB by default"),
            .value("keep", "SIZE", "keep at most so much of built environments and fetched objects; 100GiB by default"),
            .value("label", "LABEL", repeats: true, "what runs-on can name, beside self-hosted, linux, gpu"),
            .value(
                "input", "FOLDER=MANIFEST", repeats: true, "data to offer, with its manifest as sha256sum writes it"),
            .value(
                "show", "FOLDER", repeats: true,
                "a folder below /tmp or a closed one that attempts see all the same: wheels, models"),
            .value("pass-env", "NAME", repeats: true, "a variable of this process that every step gets: PIP_INDEX_URL"),
            secretsOption,
            .value("step-user", "USER", "run all attempts as this user (as root; a user per attempt by default)"),
            .flag("same-user", "run attempts as the agent's own user: they could read its key"),
        ] + containerOptions + [
            .flag("shared-gpus", "give out GPUs also where programs of others compute on them"),
            .flag("keep-workspaces", "leave attempts' folders behind, for whoever looks for a mistake"),
        ],
        run: { arguments in
            let profile = Profile(folder: arguments.value("home") ?? ".sheaf/agent")
            let tokenFile = arguments.value("token-file")
            var (identity, address) = try await identity(profile, tokenFile)
            let signals = Signals.stream([SIGINT, SIGTERM])
            let work = Work()
            // Ends with the process.
            Task {
                for await signal in signals {
                    let name = signal == SIGTERM ? "SIGTERM" : "Ctrl-C"
                    Terminal.print("stopping: \(name)")
                    await work.stop(because: "the agent was stopped by \(name)")
                }
            }
            var mayEnrolAgain = tokenFile != nil
            while true {
                do {
                    try await work.run(
                        try await makeAgent(arguments, profile, identity, address, endsWhereUnknown: mayEnrolAgain))
                    return .passed
                } catch AgentError.unknown(let ignorance) {
                    mayEnrolAgain = false
                    do {
                        (identity, address) = try await enrol(profile, tokenFile ?? "", replacing: true)
                        Terminal.print("enrolled anew, for \(ignorance)")
                    } catch {
                        // The token is an old one, or the farm is to be restored once more.
                        let problem = (error as? CommandFailure)?.fact ?? "\(error)"
                        Terminal.complain(
                            "warning: \(ignorance); enrolling anew failed: \(problem); the agent goes on trying")
                    }
                } catch AgentError.farm(let refusal) where mayEnrolAgain {
                    // A token that comes with an identity which the farm takes no more is meant for a new one.
                    mayEnrolAgain = false
                    do {
                        (identity, address) = try await enrol(profile, tokenFile ?? "", replacing: true)
                    } catch let failure as CommandFailure {
                        throw CommandFailure(
                            "the agent ends: \(refusal); enrolling anew failed: \(failure.fact)", help: failure.help)
                    }
                    Terminal.print("enrolled anew, for \(refusal)")
                } catch let error as AgentError {
                    throw CommandFailure("the agent ends: \(error)")
                }
            }
        })

    /// The agent's work, which a signal may stop at any time.
    private actor Work {
        /// What attempts may take to end, ten seconds of them until they are killed, and their reports to reach the farm.
        private static let leaveMax = Duration.seconds(25)
        private var agent: Agent?
        private var running: Task<Void, any Error>?
        private var isStopped = false

        func run(_ agent: Agent) async throws {
            guard !isStopped else { return }
            let task = Task { try await agent.run() }
            (self.agent, running) = (agent, task)
            // Its store is another's once it has ended.
            defer { (self.agent, running) = (nil, nil) }
            try await task.value
        }

        /// The first time with what attempts need to end well; the second time at once.
        func stop(because why: String) async {
            guard !isStopped, let agent, let running else {
                isStopped = true
                running?.cancel()
                return
            }
            isStopped = true
            // Ends with the process, or ends it.
            Task {
                // Nobody cancels it.
                try? await Task.sleep(for: Self.leaveMax)
                running.cancel()
            }
            // Without work there is nothing to wait for.
            if await agent.leave(because: why) { running.cancel() }
        }
    }

    private static func makeAgent(
        _ arguments: Arguments, _ profile: Profile, _ identity: Identity, _ address: Address, endsWhereUnknown: Bool
    ) async throws -> Agent {
        guard identity.principal.role == .agent else {
            throw UsageError(
                "the identity in \(profile.folder) is of the \(identity.principal.title), not of an agent",
                help: "--home names another folder, for the agent's own")
        }
        let work = absolute(arguments.value("work") ?? profile.folder + "-work")
        var settings = try agentSettings(arguments, identity, address, home: profile.folder, work: work)
        settings.endsWhereUnknown = endsWhereUnknown
        settings.keepIdentity = { try profile.save($0, address: address) }
        if let closed = settings.accounts.closedFolder(above: work) {
            throw UsageError(
                "attempts run as users of their own, who cannot pass \(closed) on the way to \(work)",
                help: "chmod o+x \(closed), or name another place: --work FOLDER")
        }
        let agent: Agent
        do {
            agent = try await Agent.make(settings, tell: { Terminal.print("\($0)") })
        } catch {
            throw CommandFailure("the agent cannot start: \(error)")
        }
        let capacity = agent.capacity
        Terminal.print(
            "agent \(settings.name): \(Spelling.counted(capacity.cpus, "core")), \(capacity.memory), \(Spelling.counted(capacity.gpus.count, "GPU")), Python "
                + "\(capacity.interpreters.map(\.version).joined(separator: " "))")
        return agent
    }

    private static func identity(
        _ profile: Profile, _ tokenFile: String?
    ) async throws -> (identity: Identity, address: Address) {
        if profile.exists {
            let known = try await Farming.failing { () async throws(ClientError) in try profile.load() }
            // A token file that comes with an identity that has ended is meant for a new one.
            guard known.identity.certificate.notAfter <= .wallClock(), let tokenFile else { return known }
            return try await enrol(profile, tokenFile, replacing: true)
        }
        guard let tokenFile else {
            throw UsageError(
                "there is no identity in \(profile.folder)",
                help: "give the token file that an admin made: sheaf token create --role agent --name NAME")
        }
        return try await enrol(profile, tokenFile, replacing: false)
    }

    private static func enrol(
        _ profile: Profile, _ tokenFile: String, replacing: Bool
    ) async throws -> (identity: Identity, address: Address) {
        let text = try Files.read(tokenFile, bytesMax: EnrolmentToken.fileBytesMax)
        return try await Farming.failing { () async throws(ClientError) in
            try await Enrolling.enrol(
                tokenFile: String(decoding: text, as: UTF8.self), as: [.agent], into: profile, replacing: replacing)
        }
    }

    static let secretsOption = Command.Option.value(
        "secrets", "FILE", "what steps may read by ${{ secrets.NAME }}: NAME=value lines or a JSON object, mode 0600")

    private static func secrets(_ path: String) throws -> HeldSecrets {
        do {
            return try HeldSecrets(file: try PrivateFile.read(path, keptPrivate: true))
        } catch let error as CertificateError {
            throw UsageError("--secrets: \(error)")
        } catch let mistake as HeldSecrets.Mistake {
            throw UsageError("--secrets \(path): \(mistake)")
        }
    }

    static let containerOptions: [Command.Option] = [
        .value(
            "containers", "podman|docker|apptainer|none",
            "what starts the containers of jobs; the first that works by default"),
        .value("container-option", "WORD", repeats: true, "for every container: --network=host"),
        .value("container-images", "FOLDER", "where apptainer looks for images first, by their names"),
    ]

    static func agentSettings(
        _ arguments: Arguments, _ identity: Identity, _ address: Address, home: String, work: String
    ) throws -> AgentSettings {
        if arguments.has("same-user"), arguments.value("step-user") != nil {
            throw UsageError("--same-user and --step-user exclude each other")
        }
        let accounts: StepAccounts
        do {
            accounts =
                arguments.has("same-user") ? .own : try StepAccounts.choose(stepUser: arguments.value("step-user"))
        } catch {
            throw CommandFailure("\(error)", exitCode: .usage)
        }
        var settings = AgentSettings(
            address: address, identity: identity, workFolder: absolute(work),
            spoolFolder: absolute(home + "/spool"), accounts: accounts)
        settings.hiddenFolders = [absolute(home)]
        settings.shownFolders = arguments.all("show").map(absolute)
        settings.cpus = try arguments.number("cpus", in: 1...4096)
        settings.memory = try size("memory", arguments)
        settings.disk = try size("disk", arguments)
        if let free = try size("disk-free", arguments) { settings.diskFreeMin = free }
        if let kept = try size("keep", arguments) { settings.keptMax = kept }
        settings.labels = arguments.all("label")
        settings.inputs = try arguments.all("input").map { pair in
            guard let mark = pair.lastIndex(of: "=") else {
                throw UsageError("--input \(pair): no manifest", help: "--input /data/val=/data/val.sha256")
            }
            return InputCheck.Offer(path: String(pair[..<mark]), manifest: String(pair[pair.index(after: mark)...]))
        }
        settings.stepEnvironment = arguments.all("pass-env").compactMap { name in
            Terminal.environment(name).map { (name: name, value: $0) }
        }
        if let path = arguments.value("secrets") { settings.secrets = try secrets(path) }
        settings.keepsWorkspaces = arguments.has("keep-workspaces")
        settings.sharesGPUs = arguments.has("shared-gpus")
        if let text = arguments.value("containers") {
            guard let engine = AgentSettings.Containers(rawValue: text) else {
                throw UsageError(
                    "--containers \(text): there is no such engine", help: "podman, docker, apptainer, none or any")
            }
            settings.containers = engine
        }
        settings.containerOptions = arguments.all("container-option")
        settings.containerImages = arguments.value("container-images").map(absolute)
        return settings
    }

    static func size(_ option: String, _ arguments: Arguments) throws -> ByteCount? {
        guard let text = arguments.value(option) else { return nil }
        guard let size = ByteCount(text), size > .zero else {
            throw UsageError("--\(option) \(text): no size", help: "write 64GiB or 512MiB")
        }
        return size
    }

    /// From the root, for attempts run in other folders; without `.` and `..`, for what lies in a folder is told by its path.
    static func absolute(_ path: String) -> String {
        var path = path
        if !path.hasPrefix("/"), let here = getcwd(nil, 0) {
            defer { free(here) }
            path = String(cString: here) + "/" + path
        }
        guard path.hasPrefix("/") else { return path }
        var plain = ""
        for part in path.split(separator: "/") where part != "." {
            guard part == ".." else {
                plain += "/" + part
                continue
            }
            // What is above a link is above what it leads to.
            if let real = realpath(plain.isEmpty ? "/" : plain, nil) {
                defer { free(real) }
                plain = String(cString: real)
            }
            plain = plain.lastIndex(of: "/").map { String(plain[..<$0]) } ?? ""
        }
        return plain.isEmpty ? "/" : plain
    }
}
