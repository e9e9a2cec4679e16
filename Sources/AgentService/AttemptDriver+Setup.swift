import Artifacts
import Glibc
import Model
import Wire

extension AttemptDriver {
    /// Builds the job's environment, or takes the one that was built before, and enters it.
    func prepareEnvironment() async throws {
        guard !assignment.work.setup.isEmpty else { return }
        let began = Clock.monotonic()
        var wanted: String?
        var scripts: [SetupScript] = []
        for (index, step) in assignment.work.setup.enumerated() {
            let place = "setup step \(index + 1)"
            var own: [CommandFile.Entry] = []
            for template in step.environment {
                let text = try contexts.text(of: template.text, "env.\(template.name) of \(place)", own: own)
                own.append(CommandFile.Entry(name: template.name, value: text))
            }
            guard try contexts.holds(step.condition, "if of \(place)", own: own) else { continue }
            switch step.action {
            case .run(let script):
                scripts.append(
                    SetupScript(
                        text: try contexts.text(of: script, place, own: own), own: own,
                        shell: try (step.shell ?? assignment.work.shell).map {
                            try contexts.text(of: $0, "shell of \(place)", own: own)
                        },
                        directory: try (step.workingDirectory ?? assignment.work.workingDirectory).map {
                            try contexts.text(of: $0, "working-directory of \(place)", own: own)
                        }, timeout: try contexts.timeout(of: step, place, own: own),
                        continues: try contexts.continues(after: step, place, own: own)))
            case .local(let action, _):
                throw AgentError.user(
                    "\(place): only setup-python and run may stand in setup, not './\(action.path)'")
            case .uses(let action, _, let with):
                guard action.lowercased() == "actions/setup-python" else {
                    throw AgentError.user("\(place): only setup-python and run may stand in setup, not '\(action)'")
                }
                let version = with.first { $0.name == "python-version" }?.text ?? ""
                wanted = try contexts.text(of: version, "python-version of \(place)")
            }
        }
        try await enter(try interpreter(for: wanted ?? ""), steps: scripts)
        var usage = report.usage ?? Proto.Usage()
        usage.setupNs = UInt64(clamping: began.duration(to: Clock.monotonic()).wholeNanoseconds)
        report.usage = usage
    }

    /// The newest interpreter that a version names; with none asked for, the system's.
    func interpreter(for wanted: String) throws(AgentError) -> Interpreter {
        let all = host.interpreters
        if wanted.isEmpty {
            guard let found = all.last(where: { $0.source == "system" }) ?? all.last else {
                throw .user("there is no Python on this agent")
            }
            return found
        }
        guard let found = all.last(where: { $0.satisfies(wanted) }) else {
            let known = all.map(\.version).joined(separator: ", ")
            throw .user("this agent has no Python \(wanted); it has \(known.isEmpty ? "none" : known)")
        }
        return found
    }

    /// Makes the environment of an interpreter and commands this attempt's own view.
    func enter(_ interpreter: Interpreter, steps: [SetupScript]) async throws {
        guard let place else { throw AgentError.cancelled }
        // The job's own environment is the commands' too: cells that differ in nothing else must not share what they build.
        let texts = steps.map { $0.recipe(with: contexts.environment) }
        let trust = assignment.isUntrusted ? "untrusted" : ""
        let recipe = ([interpreter.path, interpreter.version, assignment.tree?.hex ?? "", trust] + texts).joined(
            separator: "\0")
        let key: Digest
        if let known = host.environments.knownKey(recipe) {
            key = known
        } else {
            let tree = try await setupTree(place, needed: !steps.isEmpty)
            key = try EnvironmentKey(
                steps: steps, environment: contexts.environment, interpreter: interpreter, tree: tree,
                treeDigest: assignment.tree, isUntrusted: assignment.isUntrusted
            ).digest
            host.environments.remember(recipe, key)
        }
        let environments = host.environments
        let (built, isHit, use) = try await stoppable { [output] in
            try await environments.get(
                key, interpreter: interpreter,
                waiting: { output.say($0.rawValue) }
            ) { folder in
                try await self.build(folder, interpreter, steps, place)
            }
        }
        // Until the attempt ends: its view leads into the environment.
        uses.append(use)
        view = try EnvironmentView(of: built, interpreter: interpreter, at: place.folder.environment, in: place.folder)
        output.say("environment \(key.short) " + (isHit ? "was there already" : "is built"))
        var usage = report.usage ?? Proto.Usage()
        usage.environmentHit = isHit
        report.usage = usage
        let lock = try results.keep(Array(built.lock.utf8))
        report.environmentLock = lock.message
        host.entered(assignment.id, lock.digest)
    }

    /// Where the code tree is unpacked for `setup`; `nil` when the run has none, or nothing needs it.
    private func setupTree(_ place: Place, needed: Bool) async throws -> String? {
        guard needed, assignment.tree != nil else { return nil }
        let folder = place.folder.setupTree
        if !Files.isFolder(folder) {
            try place.folder.makeOwn(folder)
            try await unpackTree(into: folder)
        }
        return folder
    }

    /// Fills `<folder>/base`.
    ///
    /// - Returns: the lock: interpreter and packages.
    private func build(
        _ folder: String, _ interpreter: Interpreter, _ steps: [SetupScript], _ place: Place
    ) async throws -> String {
        let base = folder + "/base"
        try place.folder.makeOwn(base)
        let tree = try await setupTree(place, needed: !steps.isEmpty)
        output.say("building the environment: python \(interpreter.version)")
        for command in VirtualEnvironment.commands(python: interpreter.path, base: base) {
            try await must(command, base: nil, in: place.folder.home, "python -m venv", isShared: true)
        }
        for (index, step) in steps.enumerated() {
            let shell = try Shell(step.shell ?? "bash")
            let file = place.folder.files + "/setup-\(index)" + shell.suffix
            try place.folder.write(Array(step.text.utf8), to: file, mode: 0o700)
            output.say("setup: \(step.text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")")
            let root = tree ?? place.folder.home
            do {
                try await must(
                    shell.arguments(script: file), base: base,
                    in: (step.directory ?? "").resolved(from: root).standardizedPath, "setup step \(index + 1)",
                    own: step.own, timeout: step.timeout)
            } catch AgentError.ended(let cause) where step.continues {
                output.say("\(cause.evidence); setup goes on, as continue-on-error says")
            }
        }
        let taken = TakenBytes(max: 16 << 20)
        try await must(
            [base + "/bin/python", "-m", "pip", "--disable-pip-version-check", "freeze", "--all"], base: base,
            in: place.folder.home, "pip freeze", output: taken, isShared: true)
        // Files of the base belong to the user who built it; nothing of it may still run.
        killAll()
        return "python \(interpreter.version) (\(interpreter.source))\n" + String(decoding: taken.bytes, as: UTF8.self)
    }

    private func must(
        _ arguments: [String], base: String?, in directory: String, _ name: String,
        own: [CommandFile.Entry] = [], timeout: Duration? = nil, output taken: TakenBytes? = nil, isShared: Bool = false
    ) async throws {
        guard let place else { throw AgentError.cancelled }
        let files = try CommandFiles(in: place.folder, number: 0)
        var environment = environment(own: own, commandFiles: files.variables, isShared: isShared)
        if let base {
            environment.removeAll { $0.hasPrefix("PATH=") }
            environment += ["PATH=\(base)/bin:\(isShared ? host.searchPath : searchPath)", "VIRTUAL_ENV=\(base)"]
        }
        output.beginStep()
        let oomBefore = oomKills
        let (exit, isLate) = try await execute(
            arguments, environment: environment, directory: directory,
            output: { [output] stream, bytes in
                if let taken, stream == .out { taken.add(bytes) } else { output.take(stream, bytes) }
            }, timeout: timeout)
        _ = output.endStep()
        if stopReason != nil { throw AgentError.cancelled }
        if var cause = cause(of: exit, name, isLate: isLate ? timeout : nil, oomKilledBefore: oomBefore) {
            let said = output.lastLineOfStep
            if cause.kind == .userExit, !said.isEmpty { cause.evidence += ": \(said)" }
            throw AgentError.ended(cause)
        }
        // Who finds the environment built would not get them.
        guard try files.entries(.env).isEmpty, try files.paths().isEmpty else {
            throw AgentError.user("\(name) sets variables for later steps; set them by the job's env instead")
        }
    }
}

/// One command of `setup`, ready to run.
struct SetupScript: Sendable {
    var text: String
    /// The step's own environment.
    var own: [CommandFile.Entry]
    var shell: String?
    /// Below the code tree.
    var directory: String?
    var timeout: Duration?
    /// Goes on when it fails.
    var continues = false

    /// Everything that may decide what the command builds, as one text.
    func recipe(with environment: [CommandFile.Entry]) -> String {
        let variables = (environment + own).map { "\($0.name)=\($0.value.utf8.count):\($0.value)\n" }.joined()
        return "shell \(shell ?? "bash")\nin \(directory ?? ".")\n\(variables)\n\(text)"
    }
}
