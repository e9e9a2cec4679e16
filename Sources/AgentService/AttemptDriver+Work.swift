import Artifacts
import Glibc
import JSON
import Model
import Transport
import Wire

extension AttemptDriver {
    /// Everything between the attempt's folders and its end.
    func work() async throws {
        if !assignment.inputs.isEmpty {
            let (inputs, asked) = (host.inputs, assignment.inputs)
            try await DiskThreads.shared.run { () throws(AgentError) in
                for input in asked { try inputs.recheck(input) }
            }
        }
        for template in assignment.work.environment {
            contexts.set(template.name, try contexts.text(of: template.text, "env.\(template.name)"))
        }
        if let metrics = assignment.work.metrics {
            metricsName = try contexts.text(of: metrics, "metrics")
            report.metricsPath = metricsName
        }
        metricPatterns = try assignment.work.metricSources.map { try contexts.text(of: $0.path, "metrics.path") }
        try await fetchItems()
        try await prepareEnvironment()
        try await startServices()
        try await startContainer()
        if assignment.id.shard.isListing {
            try await list()
            return
        }
        let began = Clock.monotonic()
        for (index, step) in assignment.work.steps.enumerated() { await take(step, index) }
        await runPosts()
        var usage = report.usage ?? Proto.Usage()
        usage.runNs = UInt64(clamping: began.duration(to: Clock.monotonic()).wholeNanoseconds)
        report.usage = usage
        guard !isOver else { return }
        let uploading = Clock.monotonic()
        try collect()
        report.usage?.uploadNs = UInt64(clamping: uploading.duration(to: Clock.monotonic()).wholeNanoseconds)
    }

    /// Repeats what the farm was asked while its connection is away, and while it cannot. Ends when the attempt is stopped.
    func farm<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let objects = host.objects
        defer { goOn() }
        return try await stoppable {
            try await objects.repeating(waiting: { await self.wait(for: $0) }, body)
        }
    }

    // MARK: Steps

    /// One step, from its condition to its outcome. What goes wrong is the step's failure, never thrown.
    func take(_ step: Step, _ index: Int) async {
        haltIfStopped()
        let began = Instant.wallClock()
        var name = step.name ?? Self.title(of: step)
        var result = AttemptContexts.Finished(outcome: .skipped, conclusion: .skipped, outputs: [])
        var exitCode: Int?
        let cpuBefore = cpuSoFar
        defer {
            contexts.finish(step.id, result)
            // What an action does is told as the step that uses it.
            if action == nil { tell(name, result, began, exitCode: exitCode, cpuBefore: cpuBefore) }
        }
        guard !isOver else { return }
        contexts.begin(step)
        var continues = false
        do {
            var own = action?.environment ?? []
            for template in step.environment {
                let text = try contexts.text(
                    of: template.text, "env.\(template.name) of \(Self.place(step, index))", own: own)
                own.append(CommandFile.Entry(name: template.name, value: text))
            }
            if step.name != nil {
                name = try contexts.text(of: name, "the name of \(Self.place(step, index))", own: own)
            } else if let title = try? contexts.text(of: name, "its name", own: own) {
                // What cannot be evaluated here is a mistake in the script, and told as that.
                name = title
            }
            // Masked before it is cut: half a secret would not be known as one.
            name = output.masked(name)
            let most = step.name == nil ? Self.titleCharactersMax : Self.nameCharactersMax
            if name.count > most { name = name.prefix(most - 1) + "…" }
            guard try contexts.holds(step.condition, "if of \(Self.place(step, index))", own: own) else { return }
            continues = try contexts.continues(after: step, Self.place(step, index), own: own)
            output.say("step: \(name)")
            output.beginStep()
            let made = try await perform(step, index, name: name, own: own)
            exitCode = made.exitCode
            result.outputs = made.outputs
            if let cause = made.failure {
                result.outcome = stopReason == nil ? .failure : .cancelled
                result.conclusion = continues ? .success : result.outcome
                output.say("failed: \(cause.evidence)")
                if !continues { fail(cause) }
            } else {
                result.outcome = .success
                result.conclusion = .success
            }
        } catch {
            let cause = Self.cause(of: error)
            result.outcome = cause.kind == .cancelled ? .cancelled : .failure
            result.conclusion = continues ? .success : result.outcome
            output.say("step '\(name)' failed: \(cause.evidence)")
            if !continues { fail(Cause(cause.kind, code: cause.code, evidence: "step '\(name)': \(cause.evidence)")) }
        }
    }

    /// Notes in the report what came of a step.
    func tell(
        _ name: String, _ result: AttemptContexts.Finished, _ began: Instant, exitCode: Int?, cpuBefore: UInt64
    ) {
        report.steps.append(
            .with {
                $0.name = output.masked(name)
                $0.outcome = result.outcome.rawValue
                $0.conclusion = result.conclusion.rawValue
                $0.startedAt = began.nanoseconds
                $0.endedAt = Instant.wallClock().nanoseconds
                $0.exitCode = exitCode.map { Int32(clamping: $0) }
                $0.cpuNs = cpuSoFar - min(cpuSoFar, cpuBefore)
            })
    }

    private static let nameCharactersMax = 200
    /// Of a name that is the script's first line.
    private static let titleCharactersMax = 64

    struct Made {
        var outputs: [CommandFile.Entry] = []
        var exitCode: Int?
        var failure: Cause?
        /// What a program keeps for its own end.
        var state: [CommandFile.Entry] = []
    }

    private static func title(of step: Step) -> String {
        switch step.action {
        case .run(let script):
            "Run " + (script.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
        case .uses(let action, let reference, _): "Run \(action)" + (reference.isEmpty ? "" : "@\(reference)")
        case .local(let action, _): "Run \(action.reference)"
        }
    }

    static func place(_ step: Step, _ index: Int) -> String {
        "step \(index + 1)" + (step.line > 0 ? " (line \(step.line))" : "")
    }

    private func perform(_ step: Step, _ index: Int, name: String, own: [CommandFile.Entry]) async throws -> Made {
        // Anew, where everything was killed and this step runs all the same.
        try await startServices()
        try await startContainer()
        switch step.action {
        case .local(let action, let with): return try await run(action, with, step, index, name: name, own: own)
        case .run(let script): return try await run(script, step, index, name: name, own: own)
        case .uses(let action, _, let with):
            var arguments: [CommandFile.Entry] = []
            for template in with {
                let text = try contexts.text(
                    of: template.text, "with.\(template.name) of \(Self.place(step, index))", own: own)
                arguments.append(CommandFile.Entry(name: template.name, value: text))
            }
            return Made(outputs: try await use(action, arguments))
        }
    }

    private func run(
        _ script: String, _ step: Step, _ index: Int, name: String, own: [CommandFile.Entry]
    ) async throws -> Made {
        guard let place else { throw AgentError.cancelled }
        let where_ = Self.place(step, index)
        let text = try contexts.text(of: script, "run of \(where_)", own: own)
        let timeout = try timeout(of: step, where_, own: own)
        stepsRun += 1
        let number = stepsRun
        let files = try CommandFiles(in: place.folder, number: number)
        let environment = environment(own: own, commandFiles: files.variables)
        let path = environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) } ?? ""
        // The job's defaults are not an action's.
        let named = try (step.shell ?? (action == nil ? assignment.work.shell : nil)).map {
            try contexts.text(of: $0, "shell of \(where_)", own: own)
        }
        // In a container it is sh, as at GitHub.
        var shell =
            try named.map { try Shell($0) }
            ?? Shell.standard(hasBash: place.image == nil && find("bash", path: path) != nil)
        if named == "python", place.image == nil { shell = try shell.withPython { find($0, path: path) != nil } }
        let scriptPath = place.folder.files + "/step-\(number)\(shell.suffix)"
        try place.folder.write(Array(text.utf8), to: scriptPath, mode: 0o700)
        var directory = place.folder.workspace
        if let below = step.workingDirectory ?? (action == nil ? assignment.work.workingDirectory : nil) {
            let folder = try contexts.text(of: below, "working-directory of \(where_)", own: own)
            directory = folder.resolved(from: place.folder.workspace).standardizedPath
        }
        return try await execute(
            shell.arguments(script: scriptPath), files, environment, in: directory, timeout: timeout, name: name)
    }

    /// Runs a step's program, and takes over what it says to later ones.
    func execute(
        _ arguments: [String], _ files: CommandFiles, _ environment: [String], in directory: String,
        timeout: Duration?, name: String
    ) async throws -> Made {
        let oomBefore = oomKills
        let (exit, isLate) = try await execute(
            arguments, environment: environment, directory: directory, timeout: timeout)
        let spoken = output.endStep()
        var made = Made(outputs: spoken.outputs)
        made.failure = cause(of: exit, "step '\(name)'", isLate: isLate ? timeout : nil, oomKilledBefore: oomBefore)
        if case .code(let code) = exit.how { made.exitCode = code }
        // What the step said counts, also when it failed: later steps that always run may need it.
        let mistake = try take(files, &made)
        made.state = spoken.saved + ((try? files.entries(.state)) ?? [])
        if made.failure == nil, let problem = spoken.failure ?? mistake {
            made.failure = Cause(.userError, evidence: "step '\(name)': \(problem)")
        }
        return made
    }

    /// Takes over what a step wrote to its command files.
    ///
    /// - Returns: what is wrong with them.
    private func take(_ files: CommandFiles, _ made: inout Made) throws -> String? {
        do {
            for entry in try files.entries(.output) {
                made.outputs.removeAll { $0.name == entry.name }
                made.outputs.append(entry)
            }
            for entry in try files.entries(.env) {
                if let refusal = CommandFile.refusal(ofVariable: entry.name) { return refusal }
                if CommandFile.isRunners(entry.name) {
                    output.note(
                        "warning", "\(entry.name) belongs to the runner: what was written to GITHUB_ENV is ignored")
                    continue
                }
                contexts.set(entry.name, entry.value)
            }
            for path in try files.paths() {
                addedPaths.removeAll { $0 == path }
                addedPaths.append(path)
            }
            let summary = try files.summary()
            let room = CommandFiles.summaryBytesMax - stepSummary.count
            // Cut between lines: half a secret would not be known as one.
            let kept = summary.prefix(max(0, room))
            let end = summary.count > room ? kept.lastIndex(of: UInt8(ascii: "\n")) ?? kept.startIndex : kept.endIndex
            stepSummary += kept[..<end]
            if summary.count > room { output.note("warning", "the step summary is longer than 1 MiB and was cut") }
            return nil
        } catch let error as CommandFiles.Broken {
            return error.problem
        }
    }
}
