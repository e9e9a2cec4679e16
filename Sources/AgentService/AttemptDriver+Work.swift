import Artifacts
import Glibc
import JSON
import Model
import Transport
import Wire

extension AttemptDriver {
    /// Everything between the attempt's folders and its end.
    func work() async throws {
        for input in assignment.inputs {
            guard host.heldInputs.contains(input) else {
                throw AgentError.dataUnavailable("\(input.path) with manifest \(input.manifest.short) is not held here")
            }
        }
        for template in assignment.work.environment {
            contexts.set(template.name, try contexts.text(of: template.text, "env.\(template.name)"))
        }
        try await fetchItems()
        try await prepareEnvironment()
        if assignment.id.shard.isListing {
            try await list()
            return
        }
        let began = Clock.monotonic()
        for (index, step) in assignment.work.steps.enumerated() { await take(step, index) }
        var usage = report.usage ?? Proto.Usage()
        usage.runNs = UInt64(clamping: began.duration(to: Clock.monotonic()).wholeNanoseconds)
        report.usage = usage
        guard !isOver else { return }
        let uploading = Clock.monotonic()
        try await collect()
        report.usage?.uploadNs = UInt64(clamping: uploading.duration(to: Clock.monotonic()).wholeNanoseconds)
    }

    /// Repeats what the farm was asked while its connection is away. Ends when the attempt is stopped.
    func farm<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let objects = host.objects
        return try await stoppable { try await objects.repeating(body) }
    }

    // MARK: Steps

    /// One step, from its condition to its outcome. What goes wrong is the step's failure, never thrown.
    private func take(_ step: Step, _ index: Int) async {
        haltIfStopped()
        let began = Instant.wallClock()
        var name = step.name ?? Self.title(of: step)
        var result = AttemptContexts.Finished(outcome: .skipped, conclusion: .skipped, outputs: [])
        var exitCode: Int?
        defer {
            contexts.finish(step.id, result)
            let outcome = result.outcome.rawValue
            let conclusion = result.conclusion.rawValue
            report.steps.append(
                .with {
                    $0.name = output.masked(name)
                    $0.outcome = outcome
                    $0.conclusion = conclusion
                    $0.startedAt = began.nanoseconds
                    $0.endedAt = Instant.wallClock().nanoseconds
                    $0.exitCode = exitCode.map { Int32(clamping: $0) }
                })
        }
        guard !isOver else { return }
        var continues = false
        do {
            var own: [CommandFile.Entry] = []
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
            name = String(
                output.masked(name).prefix(step.name == nil ? Self.titleCharactersMax : Self.nameCharactersMax))
            guard try contexts.holds(step.condition, "if of \(Self.place(step, index))", own: own) else { return }
            if let text = step.continueOnError {
                continues = try contexts.value(of: text, "continue-on-error of \(Self.place(step, index))", own: own)
                    .isTrueWord
            }
            output.say("step: \(name)")
            output.beginStep()
            let made = try await perform(step, index, name: name, own: own)
            exitCode = made.exitCode
            result.outputs = made.outputs
            if let cause = made.failure {
                result.outcome = stopReason == nil ? .failure : .cancelled
                result.conclusion = continues ? .success : result.outcome
                output.say("step '\(name)' failed: \(cause.evidence)")
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

    private static let nameCharactersMax = 200
    /// Of a name that is the script's first line.
    private static let titleCharactersMax = 64

    private struct Made {
        var outputs: [CommandFile.Entry] = []
        var exitCode: Int?
        var failure: Cause?
    }

    private static func title(of step: Step) -> String {
        switch step.action {
        case .run(let script):
            "Run " + (script.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
        case .uses(let action, let reference, _): "Run \(action)" + (reference.isEmpty ? "" : "@\(reference)")
        }
    }

    private static func place(_ step: Step, _ index: Int) -> String {
        "step \(index + 1)" + (step.line > 0 ? " (line \(step.line))" : "")
    }

    private func perform(_ step: Step, _ index: Int, name: String, own: [CommandFile.Entry]) async throws -> Made {
        switch step.action {
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
        var timeout: Duration?
        if let minutes = step.timeout {
            let value = try contexts.value(of: minutes, "timeout-minutes of \(where_)", own: own)
            guard let number = value.asNumber, number > 0, number <= 525_600 else {
                throw AgentError.user("timeout-minutes of \(where_) is no number of minutes above 0")
            }
            timeout = .milliseconds(Int64(number * 60_000))
        }
        let files = try CommandFiles(in: place.folder, number: index)
        let environment = environment(own: own, commandFiles: files.variables)
        let path = environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) } ?? ""
        let named = try (step.shell ?? assignment.work.shell).map {
            try contexts.text(of: $0, "shell of \(where_)", own: own)
        }
        let shell = try named.map { try Shell($0) } ?? Shell.standard(hasBash: find("bash", path: path) != nil)
        let scriptPath = place.folder.files + "/step-\(index)\(shell.suffix)"
        try place.folder.write(Array(text.utf8), to: scriptPath, mode: 0o700)
        var directory = place.folder.workspace
        if let below = step.workingDirectory ?? assignment.work.workingDirectory {
            let folder = try contexts.text(of: below, "working-directory of \(where_)", own: own)
            directory = folder.resolved(from: place.folder.workspace).standardizedPath
        }
        let oomBefore = place.enclosure.oomKills ?? 0
        let (exit, isLate) = try await execute(
            shell.arguments(script: scriptPath), environment: environment, directory: directory, timeout: timeout)
        let spoken = output.endStep()
        var made = Made(outputs: spoken.outputs)
        let oomKills = (place.enclosure.oomKills ?? 0) - oomBefore
        made.failure = cause(of: exit, name, isLate: isLate ? timeout : nil, oomKills: oomKills)
        if case .code(let code) = exit.how { made.exitCode = code }
        // What the step said counts, also when it failed: later steps that always run may need it.
        let mistake = try take(files, &made)
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

    private func cause(of exit: ProcessExit, _ name: String, isLate: Duration?, oomKills: Int) -> Cause? {
        if let limit = isLate {
            return Cause(.timeout, evidence: "step '\(name)' reached its limit of \(Self.words(limit))")
        }
        guard exit.how != .code(0) else { return nil }
        let memory = place?.enclosure.memoryLimit.map { " of \($0)" } ?? ""
        if oomKills > 0 {
            return Cause(
                .oom,
                evidence: "step '\(name)': the kernel killed \(oomKills) of its processes at the memory limit\(memory)")
        }
        if let message = output.gpuMessage {
            return Cause(.gpuOOM, evidence: "step '\(name)': \(message)")
        }
        if let place, Files.freeBytes(at: place.folder.path) < 1 << 20 {
            return Cause(.diskFull, evidence: "step '\(name)' failed while the agent's disk had no room left")
        }
        switch exit.how {
        case .signal(let number):
            return Cause(
                .signal, code: number,
                evidence: "step '\(name)' was ended by signal \(number)\(Self.signalName(number))")
        case .code(let code):
            // A shell reports a child's signal as 128 + its number.
            let signal =
                code > 128 && code < 160
                ? " (128 + \(code - 128): a process in it was ended by signal \(code - 128)\(Self.signalName(code - 128)); the kernel killed none of them for memory)"
                : ""
            return Cause(.userExit, code: code, evidence: "step '\(name)' ended with exit code \(code)\(signal)")
        }
    }

    private static func signalName(_ number: Int) -> String {
        let names = [
            1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE",
            15: "TERM", 24: "XCPU", 25: "XFSZ", 31: "SYS",
        ]
        return names[number].map { ", SIG\($0)" } ?? ""
    }

    // MARK: Results

    /// Sends what the steps left behind: outputs, metrics, items, summary.
    private func collect() async throws {
        guard let place else { return }
        if failure == nil {
            for template in assignment.work.outputs {
                let text = try contexts.text(of: template.text, "outputs.\(template.name)")
                let masked = output.masked(text)
                if masked != text {
                    output.note("warning", "the output '\(template.name)' holds a secret and was left out")
                } else {
                    report.outputs[template.name] = text
                }
            }
        }
        let workspace = place.folder.workspace
        if let named = assignment.work.metrics {
            guard metricsPath.isInside(workspace), metricsPath != workspace else {
                throw AgentError.user("metrics '\(named)' leads out of the workspace")
            }
            let below = String(metricsPath.dropFirst(workspace.count + 1))
            // A file that came with the code tree says nothing about this attempt.
            let isOld = checkedOutMetrics.map { $0 == Files.facts(metricsPath, followingLinks: false) } ?? false
            if isOld {
                output.note("warning", "the metrics file '\(named)' is the one of the code tree: it does not count")
            } else {
                report.metrics = try await give(
                    below, in: workspace, bytesMax: Limits.metricsFileBytesMax, called: "metrics '\(named)'")
            }
            if report.metrics == nil, !isOld { output.note("warning", "the metrics file '\(named)' was not written") }
        } else {
            report.metrics = try await give(
                "metrics.json", in: place.folder.files, bytesMax: Limits.metricsFileBytesMax, called: "$SHEAF_METRICS")
        }
        report.items = try await give(
            "items.jsonl", in: place.folder.files, bytesMax: Limits.itemsFileBytesMax, called: "$SHEAF_ITEMS_OUT")
        if !stepSummary.isEmpty {
            let object = VerifiedObject(naming: output.masked(stepSummary))
            let transfer = transfer
            _ = try await farm { try await transfer.give(object) }
            report.summary = object.object.message
        }
    }

    /// Sends one file; `nil` when it was not written.
    private func give(
        _ path: String, in folder: String, bytesMax: Int, called name: String
    ) async throws -> Proto.ObjectRef? {
        let transfer = transfer
        do {
            let root = try Folder(at: folder)
            let file = try TreePath(Array(path.utf8))
            return try await farm { try await transfer.give(file: file, below: root, bytesMax: bytesMax) }.message
        } catch ArtifactError.missing {
            return nil
        } catch let error as ArtifactError where error.blame == .user {
            throw AgentError.user("\(name): \(error)")
        }
    }
}

/// The files through which one step speaks to later ones.
struct CommandFiles {
    enum Kind: String, CaseIterable {
        case env = "GITHUB_ENV", output = "GITHUB_OUTPUT", path = "GITHUB_PATH", state = "GITHUB_STATE", summary =
            "GITHUB_STEP_SUMMARY"
    }

    static let summaryBytesMax = 1 << 20

    struct Broken: Error {
        var problem: String
    }

    private let prefix: String

    init(in folder: AttemptFolder, number: Int) throws(AgentError) {
        prefix = folder.files + "/step-\(number)-"
        for kind in Kind.allCases { try folder.write([], to: path(kind)) }
    }

    private func path(_ kind: Kind) -> String { prefix + kind.rawValue.lowercased() }

    var variables: [CommandFile.Entry] { Kind.allCases.map { CommandFile.Entry(name: $0.rawValue, value: path($0)) } }

    func entries(_ kind: Kind) throws -> [CommandFile.Entry] {
        let bytes = try read(kind, bytesMax: Limits.commandFileBytesMax)
        do throws(CommandFile.Mistake) { return try CommandFile.entries(bytes) } catch {
            throw Broken(problem: "\(kind.rawValue), line \(error.line): \(error.problem)")
        }
    }

    func paths() throws -> [String] { CommandFile.paths(try read(.path, bytesMax: Limits.commandFileBytesMax)) }

    func summary() throws -> [UInt8] { try read(.summary, bytesMax: 16 << 20) }

    private func read(_ kind: Kind, bytesMax: Int) throws -> [UInt8] {
        // The step may have removed it, or put something else there: links are not followed.
        guard Files.exists(path(kind)) else { return [] }
        do throws(AgentError) { return try Files.read(path(kind), bytesMax: bytesMax, followingLinks: false) } catch {
            throw Broken(problem: "\(kind.rawValue) cannot be read: \(error)")
        }
    }
}

extension Value {
    /// What `continue-on-error` may be: a Boolean, or its word.
    fileprivate var isTrueWord: Bool { self == .boolean(true) || string == "true" }

    /// A number, or a text that is one.
    fileprivate var asNumber: Double? { number ?? string.flatMap { Double($0) } }
}
