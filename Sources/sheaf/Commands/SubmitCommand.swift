import Client
import Glibc
import JSON
import Model
import Wire
import Workflows

extension Commands {
    static let submissionOptions: [Command.Option] =
        eventOptions.filter { $0.name != "context" && $0.name != "format" } + [
            .value("var", "NAME=VALUE", repeats: true, "a value of the context vars"),
            .value("tree", "FOLDER", "the code to send; by default the repository that the workflow lies in"),
            .flag("untrusted", "the code may be a stranger's, as a fork's is without being told"),
        ]

    static let withBaseline = Command.Option.flag(
        "with-baseline", "first run the commits that gates with baseline: {branch: …} compare with")

    static let submit = Command(
        name: "submit", summary: "send a run to the farm",
        discussion: """
            Checks the workflow here first, packs the code around it (what git tracks, and what it does not ignore), sends
            what the farm lacks of it, and prints the run's name. With --wait it follows the run, prints the report, and
            ends with the verdict: 0 passed, 1 did not pass, 2 a mistake, 3 the farm's fault.

              sheaf submit eval.yml --wait
            """,
        operands: [.init(name: "FILE", help: "the workflow")],
        options: [
            .flag("wait", "follow the run to its end"),
            withBaseline,
            .value("key", "KEY", "16 to 64 characters; the same key is the same run, so repeating is harmless"),
            .flag("deliver", "have the farm tell the repository's code host what the run comes to"),
            .value("request", "N", "the pull or merge request that gets a comment; that of the event by default"),
            .value("priority", "N", "-24 to 24: as if you had submitted it so many hours before your other runs"),
        ] + submissionOptions + Farming.homeOptions,
        run: { arguments in
            guard var submission = try submission(arguments) else { return .usage }
            submission.request.priority = Int32(try arguments.number("priority", in: -24...24) ?? 0)
            let number = try arguments.number("request", in: 1...Int(Int32.max))
            if number != nil && !arguments.has("deliver") {
                throw UsageError("--request without --deliver", help: "say --deliver, too")
            }
            let connect = try Farming.door(arguments)
            let client = try await Farming.failing { () async throws(ClientError) in try await connect() }
            // From here on a key does not end the process between a submission and its name.
            if arguments.has("wait") || arguments.has("with-baseline") { _ = Signals.stream(leaving) }
            if arguments.has("with-baseline") {
                let ended = try await runBaselines(submission, arguments, client) { base in
                    try await following(base, connect, arguments).follow(Signals.stream(leaving))
                }
                if let ended { return ended }
            }
            // Nothing is followed from here on: keys end the process again.
            if !arguments.has("wait") { for number in leaving { signal(number, SIG_DFL) } }
            // Not of the baselines.
            submission.request.deliver = arguments.has("deliver")
            submission.request.deliverRequest = UInt32(number ?? 0)
            let home = Farming.profile(arguments).folder
            guard let run = try await submit(submission, arguments, state: home, to: client) else { return .usage }
            guard arguments.has("wait") else {
                Terminal.print("\(run)")
                return .passed
            }
            Terminal.complain("\(run) is on its way")
            return try await following(run, connect, arguments).follow(Signals.stream(leaving))
        })

    /// The signals by which a person leaves what is followed.
    static let leaving: [CInt] = [SIGINT, SIGTERM]

    static func following(
        _ run: RunID, _ connect: @escaping @Sendable () async throws(ClientError) -> FarmClient, _ arguments: Arguments
    ) -> Following {
        let home =
            arguments.value("home").map { " --home \($0)" } ?? arguments.value("state").map { " --state \($0)" } ?? ""
        return Following(run: run, connect: connect, comeBack: "sheaf watch \(run)\(home)")
    }

    /// Packs and submits; `nil` when the farm found mistakes, which were printed.
    ///
    /// - Parameter state: a folder with keys, which must not travel with the code.
    static func submit(
        _ submission: CheckedSubmission, _ arguments: Arguments, state: String?, to client: FarmClient
    ) async throws -> RunID? {
        let folder = arguments.value("tree") ?? Files.folder(of: arguments.operands[0])
        // Until its code is there the farm has not heard of the run.
        let prepared = try await Farming.failing { () async throws(ClientError) in
            try await Submitting.prepare(
                submission.request, code: folder, alone: arguments.value("tree") != nil, history: submission.history,
                state: state, to: client)
        }
        let answer: Submitting.Answer
        do throws(ClientError) { answer = try await Submitting.send(prepared, to: client) } catch {
            guard !error.isRefusal else { throw Farming.failure(error) }
            throw CommandFailure(
                error.problem,
                help: (error.help.map { "\($0); then " } ?? "")
                    + "say the same again with --key \(submission.request.key): if the farm has the run already, it is that one",
                exitCode: .farm)
        }
        // Warnings were shown when the file was checked here.
        if answer.run == nil { show(answer.diagnostics) }
        return answer.run
    }

    /// What the farm found in a workflow.
    static func show(_ diagnostics: [Proto.Diagnostic]) {
        for diagnostic in diagnostics {
            let place = "\(diagnostic.file):\(diagnostic.line):\(diagnostic.column)"
            Terminal.complain("\(place): \(diagnostic.severity): \(diagnostic.problem)")
            if !diagnostic.suggestion.isEmpty { Terminal.complain("  help: \(diagnostic.suggestion)") }
        }
    }

    /// What is asked of a farm, checked here; `nil` when the workflow has mistakes, which were printed.
    static func submission(_ arguments: Arguments) throws -> CheckedSubmission? {
        let loaded = try LoadedWorkflow(arguments)
        let (plan, shown) = loaded.checked()
        if !shown.isEmpty { Terminal.complain(String(loaded.text(shown).dropLast())) }
        guard let plan, !shown.contains(where: { $0.severity != .warning }) else { return nil }
        var request = Proto.SubmitRunRequest()
        request.file = loaded.file
        request.workflow = String(decoding: loaded.source, as: UTF8.self)
        if let gates = arguments.value("with") {
            request.gatesFile = gates
            request.gates = String(decoding: try Files.read(gates, bytesMax: Limits.workflowBytesMax), as: UTF8.self)
        }
        request.eventName = loaded.request.eventName ?? ""
        if loaded.request.event.members?.isEmpty == false { request.eventJson = JSONWriter.text(loaded.request.event) }
        request.untrusted = arguments.has("untrusted")
        for input in loaded.request.inputs { request.inputs[input.name] = input.value }
        for pair in arguments.all("var") {
            guard let mark = pair.firstIndex(of: "=") else {
                throw UsageError("--var \(pair): no value", help: "--var NAME=VALUE")
            }
            request.vars[String(pair[..<mark])] = String(pair[pair.index(after: mark)...])
        }
        for case .branch(let branch)? in plan.gates.map(\.baseline)
        where !request.branches.contains(where: { $0.name == branch }) {
            request.branches.append(.with { $0.name = branch })
        }
        request.key = arguments.value("key") ?? Submitting.newKey()
        guard (16...64).contains(request.key.utf8.count) else {
            throw UsageError("--key has 16 to 64 characters")
        }
        return CheckedSubmission(request: request, plan: plan, history: loaded.reading.part?.historyWanted)
    }
}

/// A run that somebody asks for, whose workflow has no mistakes.
struct CheckedSubmission {
    /// Without what is known about the code.
    var request: Proto.SubmitRunRequest
    var plan: Plan
    /// What its checkouts ask of git's history.
    var history: HistoryWanted?
}
