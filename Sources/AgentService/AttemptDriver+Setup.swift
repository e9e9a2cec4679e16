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
        var scripts: [String] = []
        for (index, step) in assignment.work.setup.enumerated() {
            let place = "setup step \(index + 1)"
            switch step.action {
            case .run(let script): scripts.append(try contexts.text(of: script, place))
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
    func enter(_ interpreter: Interpreter, steps: [String]) async throws {
        guard let place else { throw AgentError.cancelled }
        let recipe = ([interpreter.path, interpreter.version, assignment.tree?.hex ?? ""] + steps).joined(
            separator: "\0")
        let key: Digest
        if let known = host.environments.knownKey(recipe) {
            key = known
        } else {
            let tree = try await setupTree(place, needed: !steps.isEmpty)
            key = try EnvironmentKey(steps: steps, interpreter: interpreter, tree: tree, treeDigest: assignment.tree)
                .digest
            host.environments.remember(recipe, key)
        }
        let environments = host.environments
        let (built, isHit) = try await stoppable { [output] in
            try await environments.get(
                key, interpreter: interpreter,
                waiting: { output.say("another attempt builds the environment: waiting") }
            ) { folder in
                try await self.build(folder, interpreter, steps, place)
            }
        }
        view = try EnvironmentView(of: built, interpreter: interpreter, at: place.folder.environment, in: place.folder)
        output.say("environment \(key.short) " + (isHit ? "was there already" : "is built"))
        var usage = report.usage ?? Proto.Usage()
        usage.environmentHit = isHit
        report.usage = usage
        let lock = VerifiedObject(naming: Array(built.lock.utf8))
        let transfer = transfer
        _ = try await farm { try await transfer.give(lock) }
        report.environmentLock = lock.object.message
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
        _ folder: String, _ interpreter: Interpreter, _ steps: [String], _ place: Place
    ) async throws -> String {
        let base = folder + "/base"
        try place.folder.makeOwn(base)
        let tree = try await setupTree(place, needed: !steps.isEmpty)
        output.say("building the environment: python \(interpreter.version)")
        try await must([interpreter.path, "-m", "venv", base], base: nil, in: place.folder.home, "python -m venv")
        for (index, script) in steps.enumerated() {
            let file = place.folder.files + "/setup-\(index).sh"
            try place.folder.write(Array(script.utf8), to: file, mode: 0o700)
            output.say("setup: \(script.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")")
            try await must(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", file], base: base, in: tree ?? place.folder.home,
                "setup step \(index + 1)")
        }
        let taken = TakenBytes(max: 16 << 20)
        try await must(
            [base + "/bin/python", "-m", "pip", "--disable-pip-version-check", "freeze", "--all"], base: base,
            in: place.folder.home, "pip freeze", output: taken)
        // Files of the base belong to the user who built it; nothing of it may still run.
        killAll()
        return "python \(interpreter.version) (\(interpreter.source))\n" + String(decoding: taken.bytes, as: UTF8.self)
    }

    private func must(
        _ arguments: [String], base: String?, in directory: String, _ name: String, output taken: TakenBytes? = nil
    ) async throws {
        guard let place else { throw AgentError.cancelled }
        let files = try CommandFiles(in: place.folder, number: 0)
        var environment = environment(own: [], commandFiles: files.variables)
        if let base {
            environment.removeAll { $0.hasPrefix("PATH=") }
            environment += ["PATH=\(base)/bin:\(searchPath)", "VIRTUAL_ENV=\(base)"]
        }
        output.beginStep()
        let (exit, _) = try await execute(
            arguments, environment: environment, directory: directory,
            output: { [output] stream, bytes in
                if let taken, stream == .out { taken.add(bytes) } else { output.take(stream, bytes) }
            })
        _ = output.endStep()
        if stopReason != nil { throw AgentError.cancelled }
        switch exit.how {
        case .code(0): return
        case .code(let code):
            throw AgentError.setup("\(name) ended with exit code \(code): \(output.last.line)", code: code)
        case .signal(let number): throw AgentError.setup("\(name) was ended by signal \(number)", code: 128 + number)
        }
    }
}
