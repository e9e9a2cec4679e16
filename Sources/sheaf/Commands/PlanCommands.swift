import Client
import JSON
import Model
import Programs
import Transport
import Workflows

extension Commands {
    static let eventOptions: [Command.Option] = [
        .value("event", "NAME", "the event that starts it: push, pull_request, workflow_dispatch"),
        .value("event-file", "FILE", "the event's payload, as JSON"),
        .value("input", "NAME=VALUE", repeats: true, "an input of workflow_dispatch"),
        .value("context", "FILE", "a JSON object whose members replace contexts: {\"github\": {…}}"),
        .value("with", "FILE", "a second file that holds the gates"),
        .value("format", "text|json", "how to show it"),
    ]

    static let plan = Command(
        name: "plan", summary: "expand a workflow to jobs, cells and shards, without running it",
        discussion:
            """
            JSON: {"jobs":[{"id","name","needs","cells":[{"id","name","values","shards"}]}]}. With --event-file the filters
            of 'on' are held against the event; one that does not start the workflow gives {"jobs":[],"not-started":REASON}.

              sheaf plan ml.yml --event push --event-file push.json
            """,
        operands: [.init(name: "FILE", help: "the workflow")], options: eventOptions,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let loaded = try LoadedWorkflow(arguments)
            if let reason = loaded.notStarted {
                if format == "json" {
                    Terminal.print(JSONWriter.text(["jobs": [], "not-started": .string(reason)]))
                } else {
                    Terminal.print("not started: \(reason)")
                }
                return .passed
            }
            let (planned, diagnostics) = loaded.planned()
            if !diagnostics.isEmpty { Terminal.complain(String(loaded.text(diagnostics).dropLast())) }
            // What is not supported yet is planned all the same.
            guard let planned else { return .usage }
            if format == "json" {
                Terminal.write(PlanText.json(planned.shown, covers: planned.covers))
            } else {
                Terminal.print(PlanText.text(planned.shown, covers: planned.covers))
            }
            return .passed
        })

    static let lint = Command(
        name: "lint", summary: "check workflows: every mistake at once, with its place and what to do",
        discussion: """
            Exit code 2 when there is an error (with --strict: a warning). What is not supported yet is named, and is no
            error here: run and submit refuse it. Without --event nobody has said what starts a run: what depends on that
            is not judged.

              sheaf lint .github/workflows/*.yml --format sarif > lint.sarif
            """,
        operands: [.init(name: "FILE", help: "workflows", repeats: true)],
        options: eventOptions.filter { $0.name != "format" } + [
            .flag("strict", "warnings make the exit code 2, too"),
            .value("format", "text|json|sarif", "how to show it"),
        ],
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json", "sarif"])
            var all: [Diagnostic] = []
            for file in arguments.operands {
                let (text, diagnostics) = try lint(file, arguments)
                all += diagnostics
                if format == "text" { Terminal.write(Array(text.utf8)) }
            }
            switch format {
            case "json": Terminal.write(DiagnosticText.json(all))
            case "sarif": Terminal.write(DiagnosticText.sarif(all))
            default:
                let count = { (severity: Diagnostic.Severity) in all.count { $0.severity == severity } }
                Terminal.print(
                    "\(arguments.operands.count) checked: \(Spelling.counted(count(.error), "error")), "
                        + "\(count(.unsupported)) unsupported, \(Spelling.counted(count(.warning), "warning"))")
            }
            let refused = all.contains {
                $0.severity == .error || arguments.has("strict") && $0.severity == .warning
            }
            return refused ? .usage : .passed
        })

    /// What is wrong with one file, and that in words. A file that cannot be read is a mistake among the others.
    private static func lint(
        _ file: String, _ arguments: Arguments
    ) throws -> (text: String, diagnostics: [Diagnostic]) {
        let source: [UInt8]
        do {
            source = try Files.read(file, bytesMax: Limits.workflowBytesMax)
        } catch let failure as CommandFailure {
            let start = SourcePosition(file: file, line: 1, column: 1)
            let problem = "it cannot be read: \(failure.problem)"
            // Without a help of its own it is too large, or none of this person's.
            let help =
                failure.problem.contains("larger than")
                ? "a workflow is a text that people write: generate less of it, or split it"
                : "give a file that you may read"
            let diagnostics = [Diagnostic(at: start, problem, help: failure.help ?? help)]
            return (DiagnosticText.text(diagnostics, source: [], file: file), diagnostics)
        }
        let loaded = try LoadedWorkflow(arguments, file: file, source: source, isKnown: isSaid(arguments))
        let (_, diagnostics) = loaded.checked()
        return (loaded.text(diagnostics), diagnostics)
    }

    /// Whether the command line says what starts the run.
    private static func isSaid(_ arguments: Arguments) -> Bool {
        ["event", "event-file", "context"].contains { arguments.value($0) != nil } || !arguments.all("input").isEmpty
    }
}

/// A workflow as the command line names it: the file, its gates from outside, the event.
struct LoadedWorkflow {
    let file: String
    let source: [UInt8]
    let reading: WorkflowReading
    let request: PlanRequest

    init(_ arguments: Arguments) throws {
        let file = arguments.operands[0]
        let source = try Files.read(file, bytesMax: Limits.workflowBytesMax)
        try self.init(arguments, file: file, source: source, isKnown: true)
    }

    /// - Parameter isKnown: the command line says what starts the run; else what depends on it is not judged.
    init(_ arguments: Arguments, file: String, source: [UInt8], isKnown: Bool) throws {
        self.file = file
        self.source = source
        let tree = arguments.value("tree") ?? Files.top(around: Files.folder(of: file))
        // A file that lies where workflows lie has its whole repository around it.
        let isAtHome = file.hasPrefix(".github/workflows/") || file.contains("/.github/workflows/")
        let files = WorkflowFiles(isWhole: isAtHome) { reference in
            guard reference.hasPrefix("./"), !reference.split(separator: "/").contains("..") else { return nil }
            // What cannot be read is not there, for whoever names it.
            return try? Files.read("\(tree)/\(reference.dropFirst(2))", bytesMax: Limits.workflowBytesMax)
        }
        var reading = WorkflowReading(source, file: file, files: files)
        if let gates = arguments.value("with") {
            reading.add(gates: try Files.read(gates, bytesMax: Limits.workflowBytesMax), file: gates)
        }
        self.reading = reading
        var request = try Self.request(arguments, tree: tree)
        request.isKnown = isKnown
        request.today = String(Instant.wallClock().utc.prefix(10))
        if isKnown, arguments.value("event-file") == nil, arguments.value("tree") == nil {
            Self.lookAround(tree, into: &request)
        }
        self.request = request
    }

    /// The workflow when nothing in it is an error.
    var workflow: Workflow? { reading.workflow }
    /// What reading it found.
    var diagnostics: [Diagnostic] { reading.diagnostics }

    /// Why the event that the command line gives does not start the workflow; `nil` when it does.
    var notStarted: String? {
        guard case .doesNot(let reason)? = workflow?.start(by: request) else { return nil }
        return reason
    }

    /// The plan, `nil` where there are errors; and every diagnostic, those that only planning finds included.
    func checked() -> (plan: Plan?, diagnostics: [Diagnostic]) {
        let (planned, diagnostics) = planned()
        return (planned?.shown, diagnostics)
    }

    func planned() -> (planned: Planned?, diagnostics: [Diagnostic]) { reading.planned(request) }

    func text(_ diagnostics: [Diagnostic]) -> String { DiagnosticText.text(diagnostics, source: source, file: file) }

    /// Fills in what a submission would say of the code: which commit, branch and repository it is.
    private static func lookAround(_ tree: String, into request: inout PlanRequest) {
        let ask = { (words: [String]) -> String in
            guard case .success(let bytes) = Program.output("git", ["-C", tree] + words) else { return "" }
            return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        }
        request.sha = ask(["rev-parse", "--verify", "--quiet", "HEAD"])
        guard !request.sha.isEmpty else { return }
        request.ref = ask(["symbolic-ref", "--quiet", "HEAD"])
        request.repository = CodePacking.repository(ask(["config", "remote.origin.url"]))
    }

    /// - Parameter tree: the folder of the code, in which the manifests of `inputs` lie.
    private static func request(_ arguments: Arguments, tree: String) throws -> PlanRequest {
        let inputs = try arguments.all("input").map { pair in
            guard let mark = pair.firstIndex(of: "=") else {
                throw UsageError("--input \(pair): no value", help: "--input NAME=VALUE")
            }
            return (name: String(pair[..<mark]), value: String(pair[pair.index(after: mark)...]))
        }
        if let name = arguments.value("event"), !Workflow.events.contains(name) {
            throw UsageError(
                "--event \(name): GitHub has no such event",
                help: Spelling.nearest(to: name, among: Workflow.events).map { "did you mean '\($0)'?" }
                    ?? "give one of push, pull_request, workflow_dispatch and the others")
        }
        let event = try arguments.value("event-file").map(Commands.readContexts) ?? .object([])
        let contexts = try arguments.value("context").map(Commands.readContexts)?.members ?? []
        var request = PlanRequest(
            eventName: arguments.value("event"), event: event, inputs: inputs, contexts: contexts,
            manifest: { Files.digest(of: $0, in: tree) },
            file: { Files.bytes(of: $0, in: tree) })
        request.isUntrusted = arguments.has("untrusted")
        return request
    }
}
