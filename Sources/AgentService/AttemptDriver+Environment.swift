import Glibc
import JSON
import Model

extension AttemptDriver {
    // MARK: What every program gets

    func runnerContext(_ folder: AttemptFolder) -> [Value.Member] {
        [
            Value.Member("os", "Linux"), Value.Member("arch", .string(Self.runnerArchitecture)),
            Value.Member("name", .string(host.agent)), Value.Member("temp", .string(folder.temporary)),
            Value.Member("tool_cache", .string(folder.home + "/.tools")),
            Value.Member("environment", "self-hosted"), Value.Member("debug", ""),
        ]
    }

    private static var runnerArchitecture: String {
        switch Discovery.architecture {
        case "x64": "X64"
        case "arm64": "ARM64"
        default: "OTHER"
        }
    }

    /// Files that live as long as the attempt.
    func prepareFiles(_ folder: AttemptFolder) throws {
        let event = assignment.context("github")["event"] ?? .object([])
        try folder.write(Array(JSONWriter.text(event).utf8), to: folder.files + "/event.json")
    }

    var itemsPath: String? { assignment.items == nil ? nil : place.map { $0.folder.files + "/items.txt" } }
    var itemsOutPath: String { (place?.folder.files ?? "") + "/items.jsonl" }
    /// Where metrics are read from: what the job names, below the workspace, else a file of our own.
    var metricsPath: String {
        guard let place else { return "" }
        if assignment.work.metrics != nil {
            return metricsName.resolved(from: place.folder.workspace).standardizedPath
        }
        return place.folder.files + "/metrics.json"
    }

    /// The environment of a program: nothing of the agent's own, except what its owner chose to give.
    func environment(
        own: [CommandFile.Entry], commandFiles: [CommandFile.Entry], isShared: Bool = false
    ) -> [String] {
        guard let place else { return [] }
        let folder = place.folder
        var entries: [CommandFile.Entry] = []
        func set(_ name: String, _ value: String) {
            entries.removeAll { $0.name == name }
            entries.append(CommandFile.Entry(name: name, value: value))
        }
        for entry in host.environment { set(entry.name, entry.value) }
        for (name, value) in [("HOME", folder.home), ("TMPDIR", folder.temporary), ("CI", "true")] { set(name, value) }
        // In a container the image says who one is, and in which language.
        if place.image == nil {
            let user = place.account?.name ?? Self.ownName
            for (name, value) in [("USER", user), ("LOGNAME", user), ("SHELL", "/bin/sh")] { set(name, value) }
            if !entries.contains(where: { $0.name == "LANG" }) { set("LANG", "C.UTF-8") }
        }
        // What is built for all attempts with its key sees nothing of this one's.
        if isShared {
            set("PATH", host.searchPath)
            return entries.map { "\($0.name)=\($0.value)" }
        }
        if let view { for (name, value) in Self.variables(of: view) { set(name, value) } }
        set("PATH", searchPath)
        for entry in contexts.environment + own { set(entry.name, entry.value) }
        // A job may set PATH, but what steps added to it still comes first.
        if let path = entries.last(where: { $0.name == "PATH" })?.value, path != searchPath, !addedPaths.isEmpty {
            set("PATH", (addedPaths.reversed() + [path]).joined(separator: ":"))
        }
        // GitHub's own variables cannot be given other values.
        for (name, value) in githubVariables(folder) { set(name, value) }
        for entry in commandFiles { set(entry.name, entry.value) }
        for (name, value) in sheafVariables() { set(name, value) }
        return entries.map { "\($0.name)=\($0.value)" }
    }

    var searchPath: String {
        let standard = place?.container?.path ?? host.searchPath
        return (addedPaths.reversed() + [view?.bin].compactMap { $0 } + [standard]).joined(separator: ":")
    }

    private static var ownName: String {
        guard let entry = unsafe getpwuid(geteuid()) else { return "sheaf" }
        return unsafe String(cString: entry.pointee.pw_name)
    }

    static func variables(of view: EnvironmentView) -> [(String, String)] {
        var variables = [("VIRTUAL_ENV", view.path)]
        for name in ["pythonLocation", "Python_ROOT_DIR", "Python2_ROOT_DIR", "Python3_ROOT_DIR"] {
            variables.append((name, view.path))
        }
        return variables
    }

    private func githubVariables(_ folder: AttemptFolder) -> [(String, String)] {
        var variables = [
            ("GITHUB_ACTIONS", "true"), ("GITHUB_WORKSPACE", folder.workspace),
            ("GITHUB_EVENT_PATH", folder.files + "/event.json"), ("GITHUB_JOB", assignment.ownJobID),
            ("GITHUB_ACTION", contexts.actionName),
            ("GITHUB_RUN_ID", String(assignment.id.run.number)),
            ("GITHUB_RUN_NUMBER", String(assignment.id.run.number)),
            ("GITHUB_RUN_ATTEMPT", String(assignment.id.number)),
            ("RUNNER_OS", "Linux"), ("RUNNER_ARCH", Self.runnerArchitecture), ("RUNNER_NAME", host.agent),
            ("RUNNER_TEMP", folder.temporary), ("RUNNER_TOOL_CACHE", folder.home + "/.tools"),
            ("RUNNER_ENVIRONMENT", "self-hosted"),
        ]
        if let action { variables.append(("GITHUB_ACTION_PATH", action.folder)) }
        for member in assignment.context("github").members ?? [] where Self.githubNames.contains(member.key) {
            switch member.value {
            case .string(let text): variables.append(("GITHUB_" + member.key.uppercased(), text))
            case .boolean(let flag): variables.append(("GITHUB_" + member.key.uppercased(), "\(flag)"))
            case .null, .number, .array, .object: continue
            }
        }
        return variables
    }

    /// Members of `github` that are variables too.
    private static let githubNames: Set<String> = [
        "actor", "actor_id", "api_url", "base_ref", "event_name", "graphql_url", "head_ref", "ref",
        "ref_name",
        "ref_protected", "ref_type", "repository", "repository_id", "repository_owner", "repository_owner_id",
        "retention_days", "server_url", "sha", "triggering_actor", "workflow", "workflow_ref", "workflow_sha",
    ]

    private func sheafVariables() -> [(String, String)] {
        let id = assignment.id
        var variables = [
            (Enclosure.markName, place?.enclosure.mark ?? ""), ("SHEAF_RUN", String(id.run.number)),
            ("SHEAF_JOB", assignment.jobID), ("SHEAF_CELL", assignment.cellID),
            ("SHEAF_ATTEMPT_NUMBER", String(id.number)), ("SHEAF_CPUS", String(assignment.cpus)),
            ("SHEAF_METRICS", metricsPath), ("SHEAF_ITEMS_OUT", itemsOutPath),
        ]
        if !id.shard.isListing {
            variables.append(("SHEAF_SHARD", String(id.shard.shard)))
            variables.append(("SHEAF_SHARD_COUNT", String(assignment.shardCount)))
        }
        if let itemsPath { variables.append(("SHEAF_ITEMS", itemsPath)) }
        // The leased devices and no others; an attempt without GPUs sees none.
        if host.hasCUDA {
            variables.append(("CUDA_VISIBLE_DEVICES", assignment.gpus.joined(separator: ",")))
            variables.append(
                ("NVIDIA_VISIBLE_DEVICES", assignment.gpus.isEmpty ? "void" : assignment.gpus.joined(separator: ",")))
        }
        return variables
    }

    // MARK: Programs

    /// Finds a program on the steps' own PATH.
    func find(_ name: String, path: String) -> String? {
        if name.contains("/") { return name }
        let root = place?.enclosure.root ?? ""
        for folder in path.split(separator: ":") where folder.hasPrefix("/") {
            let candidate = folder + "/" + name
            // Run by the attempt's user: whether that may execute it shows when it does. What lies in a folder of the
            // attempt's own view is seen through that.
            for path in [candidate, root + candidate] {
                if let facts = Files.facts(path), facts.kind == .file, facts.mode & 0o111 != 0 { return candidate }
            }
        }
        return nil
    }

    /// Why a program does not start, when the job named what is not there or not to be executed.
    private static let jobsMistakes: Set<CInt> = [
        ENOENT, ENOTDIR, EACCES, ENOEXEC, E2BIG, ELOOP, ENAMETOOLONG, EISDIR, EINVAL,
    ]

    /// What is started for a program of the attempt: it itself, or the engine's that runs it in the container.
    private func program(
        _ arguments: [String], _ environment: [String], _ directory: String
    ) throws(AgentError) -> (start: Program, signal: (@Sendable (CInt) -> Bool)?, script: String?) {
        guard let place else { throw .cancelled }
        if let container = place.container {
            let words = try container.execute(arguments, environment: environment, directory: directory)
            let program = Program(
                path: words.path, arguments: words.arguments, environment: container.engine.environment,
                directory: "/")
            return (program, { container.signal($0, marked: words.mark) }, words.script)
        }
        // Steps of a job that has a container never run outside of it.
        guard place.image == nil else { throw .cancelled }
        let path = environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) } ?? ""
        guard let found = find(arguments[0], path: path) else {
            throw .user("the program '\(arguments[0])' is not on PATH (\(path))")
        }
        let program = Program(
            path: found, arguments: arguments, environment: environment, directory: directory, account: place.account)
        return (program, nil, nil)
    }

    /// Starts a program of the attempt and waits for it.
    func execute(
        _ arguments: [String], environment: [String], directory: String,
        output taker: (@Sendable (StepProcess.Stream, ArraySlice<UInt8>) -> Void)? = nil, timeout: Duration? = nil
    ) async throws -> (exit: ProcessExit, isLate: Bool) {
        guard let place else { throw AgentError.cancelled }
        if isOver { throw AgentError.cancelled }
        let program = try program(arguments, environment, directory)
        // It has the step's variables, secrets among them: the next step has others.
        defer { if let script = program.script { Files.remove(script) } }
        for text in program.start.arguments + program.start.environment
        where text.utf8.count >= Program.argumentBytesMax {
            throw AgentError.user(
                "'\(text.prefix(40))…' is longer than the kernel's limit of \(Program.argumentBytesMax >> 10) KiB for one argument or variable"
            )
        }
        output.touch()
        let process: StepProcess
        do throws(AgentError) {
            process = try StepProcess.start(
                program.start, in: place.enclosure,
                output: taker ?? { [output] stream, bytes in output.take(stream, bytes) })
        } catch {
            // A folder that is not there, a script without its interpreter: that is the job's, and stays so.
            if case .system(_, let code) = error, Self.jobsMistakes.contains(code) { throw AgentError.user("\(error)") }
            throw error
        }
        processes.append(process)
        running += 1
        defer { running -= 1 }
        let alarm = timeout.map { limit in
            StepAlarm(process, after: limit, grace: assignment.grace, signal: program.signal)
        }
        let exit = await process.exit
        cpuNanoseconds += exit.cpuNanoseconds
        let isLate = alarm?.stop() ?? false
        if let container = place.container, !container.isRunning, stopReason == nil, !isOver {
            throw AgentError.ended(
                Cause(.agentFault, evidence: "the container \(container.name) has ended under the job's steps"))
        }
        return (exit, isLate)
    }
}
