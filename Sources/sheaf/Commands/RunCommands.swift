import Artifacts
import Client
import Glibc
import JSON
import Model
import Reporting
import Transport
import Wire
import Workflows

extension Commands {
    static let submissionOptions: [Command.Option] =
        eventOptions.filter { $0.name != "context" && $0.name != "format" } + [
            .value("var", "NAME=VALUE", repeats: true, "a value of the context vars"),
            .value("tree", "FOLDER", "the code to send; by default the repository that the workflow lies in"),
        ]

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
            .flag("with-baseline", "first run the commits that gates with baseline: {branch: …} compare with"),
            .value("key", "KEY", "16 to 64 characters; the same key is the same run, so repeating is harmless"),
            .flag("deliver", "have the farm tell the repository's code host what the run comes to"),
            .value("request", "N", "the pull or merge request that gets a comment; that of the event by default"),
            .value("priority", "N", "-24 to 24: as if you had submitted it so many hours before your other runs"),
        ] + submissionOptions + Farming.homeOptions,
        run: { arguments in
            guard var (request, _) = try submission(arguments) else { return .usage }
            request.priority = Int32(try arguments.number("priority", in: -24...24) ?? 0)
            let number = try arguments.number("request", in: 1...Int(Int32.max))
            if number != nil && !arguments.has("deliver") {
                throw UsageError("--request without --deliver", help: "say --deliver, too")
            }
            let connect = try Farming.door(arguments)
            let client = try await Farming.failing { () async throws(ClientError) in try await connect() }
            let signals = arguments.has("wait") ? Signals.stream([SIGINT, SIGTERM]) : nil
            if arguments.has("with-baseline") {
                for branch in request.branches.map(\.name) {
                    guard let base = try await runBaseline(request, branch: branch, arguments, client) else {
                        return .usage
                    }
                    let code = try await following(base, connect, arguments).follow(AsyncStream { $0.finish() })
                    if code != .passed { Terminal.complain("warning: \(base) did not pass: it is no baseline") }
                }
            }
            // Not of the baselines.
            request.deliver = arguments.has("deliver")
            request.deliverRequest = UInt32(number ?? 0)
            guard let run = try await submit(request, arguments, to: client) else { return .usage }
            guard let signals else {
                Terminal.print("\(run)")
                return .passed
            }
            Terminal.complain("\(run) is on its way")
            return try await following(run, connect, arguments).follow(signals)
        })

    static func following(
        _ run: RunID, _ connect: @escaping @Sendable () async throws(ClientError) -> FarmClient, _ arguments: Arguments
    ) -> Following {
        let home =
            arguments.value("home").map { " --home \($0)" } ?? arguments.value("state").map { " --state \($0)" } ?? ""
        return Following(run: run, connect: connect, comeBack: "sheaf watch \(run)\(home)")
    }

    /// Packs and submits; `nil` when the farm found mistakes, which were printed.
    static func submit(
        _ request: Proto.SubmitRunRequest, _ arguments: Arguments, to client: FarmClient
    ) async throws -> RunID? {
        let folder = arguments.value("tree") ?? Files.folder(of: arguments.operands[0])
        let answer: Submitting.Answer
        do throws(ClientError) {
            answer = try await Submitting.submit(
                request, code: folder, alone: arguments.value("tree") != nil, to: client)
        } catch {
            guard !error.isRefusal else { throw Farming.failure(error) }
            throw CommandFailure(
                error.problem,
                help: (error.help.map { "\($0); then " } ?? "")
                    + "say the same again with --key \(request.key): if the farm has the run already, it is that one",
                exitCode: .farm)
        }
        // Warnings were shown when the file was checked here.
        if answer.run == nil { show(answer.diagnostics) }
        return answer.run
    }

    /// What the farm found in a workflow.
    private static func show(_ diagnostics: [Proto.Diagnostic]) {
        for diagnostic in diagnostics {
            let place = "\(diagnostic.file):\(diagnostic.line):\(diagnostic.column)"
            Terminal.complain("\(place): \(diagnostic.severity): \(diagnostic.problem)")
            if !diagnostic.suggestion.isEmpty { Terminal.complain("  help: \(diagnostic.suggestion)") }
        }
    }

    /// The request without what is known about the code, and what it comes to here; `nil` when the workflow has mistakes,
    /// which were printed.
    static func submission(_ arguments: Arguments) throws -> (request: Proto.SubmitRunRequest, plan: Plan)? {
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
        return (request, plan)
    }

    static let watch = Command(
        name: "watch", summary: "follow a run to its end",
        discussion: """
            On a terminal a few lines are drawn again and again; elsewhere each change is a line. Where the coordinator
            is away, it waits for it. Ctrl-C leaves and the run goes on; Ctrl-C twice cancels the run. At the end the
            report is printed, and the exit code is the verdict's.

              sheaf watch r17
            """,
        operands: [.init(name: "RUN", help: "r17")], options: Farming.options,
        run: { arguments in
            let run = try RunID(whole: arguments.operands[0])
            return try await following(run, try Farming.door(arguments), arguments)
                .follow(Signals.stream([SIGINT, SIGTERM]))
        })

    static let status = Command(
        name: "status", summary: "list runs, or show one",
        discussion: """
              sheaf status
              sheaf status r17 --format json
            """,
        operands: [.init(name: "RUN", help: "r17; without it the newest runs", isOptional: true)],
        options: [
            .value("format", "FORMAT", "text or json"), .value("most", "N", "how many runs; 20 by default"),
        ] + Farming.options,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            if let name = arguments.operand(0) {
                let run = try RunID(whole: name)
                let client = try await Farming.connect(arguments)
                var event: Proto.WatchEvent?
                do {
                    try await client.stream(Proto.Farm.Watch.self, .with { $0.run = run.number }) { first in
                        event = first
                        throw CancellationError()
                    }
                } catch is CancellationError {
                } catch let error as ClientError {
                    throw Farming.failure(error)
                }
                guard let event, let summary = event.summary else {
                    throw CommandFailure("the farm said nothing about \(run)")
                }
                if format == "json" {
                    Terminal.write(StatusText.json(summary, event.cells))
                } else {
                    Terminal.print(Progress.line(summary))
                    Terminal.print(StatusText.cells(event.cells))
                }
                return .passed
            }
            let most = try arguments.number("most", in: 1...1000) ?? 20
            let answer = try await Farming.call(arguments, Proto.Farm.ListRuns.self, .with { $0.most = UInt32(most) })
            if format == "json" {
                Terminal.write(StatusText.json(answer.runs))
            } else {
                Terminal.print(StatusText.runs(answer.runs))
            }
            return .passed
        })

    static let logs = Command(
        name: "logs", summary: "print what attempts wrote",
        discussion: """
              sheaf logs r17                      every attempt, in the order of the matrix
              sheaf logs -f r17/eval/eval_3_11/2  one shard, and what it goes on to write
            """,
        operands: [.init(name: "RUN[/JOB[/CELL[/SHARD]]]", help: "what to read")],
        options: [
            .flag("follow", short: "f", "go on until the run ends"), .flag("times", "begin lines with their time"),
        ] + Farming.options,
        run: { arguments in
            let part = try PartName(arguments.operands[0])
            let client = try await Farming.connect(arguments)
            let times = arguments.has("times")
            var place = ""
            do {
                try await client.stream(
                    Proto.Farm.ReadLog.self,
                    .with {
                        $0.run = part.run.number
                        $0.job = part.job
                        $0.cell = part.cell
                        $0.shard = part.shard
                        $0.follow = arguments.has("follow")
                    }
                ) { line in
                    let here =
                        "\(line.job)/\(line.cell)/\(line.shard < 0 ? "list" : "\(line.shard)"), attempt \(line.attempt)"
                    if here != place { Terminal.print("── \(here)") }
                    place = here
                    let at = times ? Instant(nanoseconds: line.at).utc + " " : ""
                    let mark = line.stream == "err" ? "! " : line.stream == "sheaf" ? "# " : "  "
                    Terminal.print(at + mark + PlainText.line(line.text))
                }
            } catch let error as ClientError {
                throw Farming.failure(error)
            }
            return .passed
        })

    static let cancel = Command(
        name: "cancel", summary: "stop a run: its attempts end, its report says so",
        discussion: """
              sheaf cancel r17 --reason "wrong branch"

            Jobs whose 'if' holds in a cancelled run, as with always(), still start or go on; with --force they end too.
            """,
        operands: [.init(name: "RUN", help: "r17; only its owner and admins may")],
        options: [
            .value("reason", "TEXT", "kept in the record"),
            .flag("force", "also end jobs that go on in a cancelled run"),
        ] + Farming.options,
        run: { arguments in
            let run = try RunID(whole: arguments.operands[0])
            let answer = try await Farming.call(
                arguments, Proto.Farm.Cancel.self,
                .with {
                    $0.run = run.number
                    $0.reason = arguments.value("reason") ?? ""
                    $0.force = arguments.has("force")
                })
            Terminal.print(answer.summary.map(Progress.line) ?? "\(run) is cancelled")
            return .passed
        })

    static let rerun = Command(
        name: "rerun", summary: "run an ended run again: all of it, or what had failed",
        discussion: """
            With --failed, the shards that passed are kept, with their metrics, artifacts and logs, unless they rest on a
            job that is run again; everything else is run. The new run has the same owner, workflow and code.

              sheaf rerun r17 --failed --wait
            """,
        operands: [.init(name: "RUN", help: "r17; only its owner and admins may")],
        options: [
            .flag("failed", "only what had not settled well"), .flag("wait", "follow the run to its end"),
            .value("key", "KEY", "16 to 64 characters; the same key is the same run, so repeating is harmless"),
        ] + Farming.options,
        run: { arguments in
            let earlier = try RunID(whole: arguments.operands[0])
            let key = arguments.value("key") ?? Submitting.newKey()
            guard (16...64).contains(key.utf8.count) else { throw UsageError("--key has 16 to 64 characters") }
            let connect = try Farming.door(arguments)
            let client = try await Farming.failing { () async throws(ClientError) in try await connect() }
            let signals = arguments.has("wait") ? Signals.stream([SIGINT, SIGTERM]) : nil
            let answer = try await Farming.failing { () async throws(ClientError) in
                try await client.call(
                    Proto.Farm.Rerun.self,
                    .with {
                        $0.run = earlier.number
                        $0.failed = arguments.has("failed")
                        $0.key = key
                    })
            }
            show(answer.diagnostics)
            guard answer.run != 0 else { return .usage }
            let run = RunID(answer.run)
            guard let signals else {
                Terminal.print("\(run)")
                return .passed
            }
            Terminal.complain("\(run) is on its way")
            return try await following(run, connect, arguments).follow(signals)
        })

    static let explain = Command(
        name: "explain", summary: "say why something waits, failed, or was tried again",
        discussion: """
              sheaf explain r17
              sheaf explain r17/eval/eval_3_11/2
            """,
        operands: [.init(name: "RUN[/JOB[/CELL[/SHARD]]]", help: "what to explain")], options: Farming.options,
        run: { arguments in
            let part = try PartName(arguments.operands[0])
            let answer = try await Farming.call(
                arguments, Proto.Farm.Explain.self,
                .with {
                    $0.run = part.run.number
                    $0.job = part.job
                    $0.cell = part.cell
                    $0.shard = part.shard
                })
            for line in answer.lines { Terminal.print(PlainText.line(line)) }
            return .passed
        })

    static let report = Command(
        name: "report", summary: "print a run's report",
        discussion: """
              sheaf report r17
              sheaf report r17 --format junit --output report.xml
            """,
        operands: [.init(name: "RUN", help: "r17")],
        options: [
            .value("format", "FORMAT", "text, markdown, junit, html, json, sarif, svg or png"),
            .value("output", short: "o", "FILE", "instead of standard output"),
            .value(
                "rates", "FILE",
                "what an hour costs: {\"currency\": \"EUR\", \"cpu_hour\": 0.04, \"gpu_hour\": {\"*\": 2}}"),
        ] + Farming.options,
        run: { arguments in
            let format = try arguments.choice(
                "format", of: ["text", "markdown", "junit", "html", "json", "sarif", "svg", "png"])
            if format == "png" { try await renderPNG(arguments) } else { try await render(arguments, format) }
            return .passed
        })

    static let export = Command(
        name: "export", summary: "write a run's raw results as JSON lines, for sheaf judge",
        discussion: """
              sheaf export r17 --output r17.jsonl
              sheaf judge eval.yml --results r17.jsonl
            """,
        operands: [.init(name: "RUN", help: "r17")],
        options: [.value("output", short: "o", "FILE", "instead of standard output")] + Farming.options,
        run: { arguments in
            try await render(arguments, "export")
            return .passed
        })

    private static func render(_ arguments: Arguments, _ format: String) async throws {
        let path = arguments.value("output")
        var bytes: [UInt8] = []
        try await rendered(arguments, format) { part in
            if path == nil { Terminal.write(part) } else { bytes += part }
        }
        if let path { try Files.write(bytes, to: path) }
    }

    /// What the farm renders of a run, in parts.
    static func rendered(
        _ arguments: Arguments, _ format: String, against: RunID? = nil, _ take: ([UInt8]) -> Void
    ) async throws {
        let run = try RunID(whole: arguments.operands[0])
        let rates = try arguments.value("rates").map {
            String(decoding: try Files.read($0, bytesMax: Rates.bytesMax), as: UTF8.self)
        }
        let client = try await Farming.connect(arguments)
        do {
            try await client.stream(
                Proto.Farm.Render.self,
                .with {
                    $0.run = run.number
                    $0.format = format
                    $0.color = arguments.value("output") == nil && Terminal.usesColor
                    $0.columns = UInt32(Terminal.columns)
                    $0.against = against?.number ?? 0
                    $0.rates = rates ?? ""
                }
            ) { part in take(part.bytes) }
        } catch let error as ClientError {
            throw Farming.failure(error)
        }
    }
}

/// Runs and cells in tables.
enum StatusText {
    static func runs(_ runs: [Proto.RunSummary]) -> String {
        guard !runs.isEmpty else { return "there are no runs yet" }
        let rows = runs.map { run in
            [
                "r\(run.run)", run.state == "ended" ? run.verdict : run.state, run.name,
                run.owner + (run.team.isEmpty ? "" : " (\(run.team))"), Instant(nanoseconds: run.submittedAt).utc,
                String(run.commit.prefix(12)),
            ]
        }
        return Table.text(["RUN", "STATE", "WORKFLOW", "OWNER", "SUBMITTED", "COMMIT"], rows)
    }

    static func cells(_ cells: [Proto.CellSummary]) -> String {
        let rows = cells.map { cell in
            [
                cell.state, "\(cell.shardsSettled)/\(cell.shardsTotal > 0 ? "\(cell.shardsTotal)" : "?")", cell.job,
                cell.name,
            ]
        }
        return Table.text(["STATE", "SHARDS", "JOB", "CELL"], rows)
    }

    /// A list of runs.
    static func json(_ runs: [Proto.RunSummary]) -> [UInt8] { bytes(.array(runs.map { .object(members($0)) })) }

    /// One run with its cells.
    static func json(_ run: Proto.RunSummary, _ cells: [Proto.CellSummary]) -> [UInt8] {
        let cells = cells.map { cell -> Value in
            [
                "job": .string(cell.job), "cell": .string(cell.cell), "name": .string(cell.name),
                "state": .string(cell.state), "shards_settled": .number(Double(cell.shardsSettled)),
                "shards_total": cell.shardsTotal > 0 ? .number(Double(cell.shardsTotal)) : .null,
            ]
        }
        return bytes(.object(members(run) + [.init("matrix", .array(cells))]))
    }

    private static func bytes(_ value: Value) -> [UInt8] {
        var writer = JSONWriter(indent: 2)
        writer.value(value)
        writer.newline()
        return writer.bytes
    }

    private static func members(_ run: Proto.RunSummary) -> [Value.Member] {
        let cells: Value = [
            "waiting": .number(Double(run.cellsWaiting)), "running": .number(Double(run.cellsRunning)),
            "passed": .number(Double(run.cellsPassed)), "failed": .number(Double(run.cellsFailed)),
            "other": .number(Double(run.cellsOther)),
        ]
        let hasEnded = run.state == "ended"
        // The list holds no counts of runs that have ended: unknown is not zero.
        let isCounted =
            run.cellsWaiting + run.cellsRunning + run.cellsPassed + run.cellsFailed + run.cellsOther > 0 || !hasEnded
        return [
            .init("run", .string("r\(run.run)")), .init("name", .string(run.name)), .init("file", .string(run.file)),
            .init("state", .string(run.state)), .init("verdict", run.verdict.isEmpty ? .null : .string(run.verdict)),
            .init("exit_code", hasEnded ? .number(Double(run.exitCode)) : .null), .init("owner", .string(run.owner)),
            .init("team", .string(run.team)), .init("commit", .string(run.commit)),
            .init("submitted_at", .string(Instant(nanoseconds: run.submittedAt).utc)),
            .init("ended_at", hasEnded ? .string(Instant(nanoseconds: run.endedAt).utc) : .null),
            .init("cells", isCounted ? cells : .null),
            .init("shards_settled", isCounted ? .number(Double(run.shardsSettled)) : .null),
            .init("shards_total", run.shardsTotal > 0 ? .number(Double(run.shardsTotal)) : .null),
        ]
    }
}
