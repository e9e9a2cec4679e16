import Client
import Glibc
import Model
import Reporting
import Transport
import Wire

extension Commands {
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
              sheaf logs r17/0/3/2#1              an attempt, as the farm and its agents name it
            """,
        operands: [.init(name: "RUN[/JOB[/CELL[/SHARD]]]", help: "what to read")],
        options: [
            .flag("follow", short: "f", "go on until the run ends"), .flag("times", "begin lines with their time"),
            .value("format", "text|json", "how to show it: JSON is an object for each line"),
        ] + Farming.options,
        run: { arguments in
            let part = try PartName(arguments.operands[0])
            let times = arguments.has("times")
            let isJSON = try arguments.choice("format", of: ["text", "json"]) == "json"
            var place = ""
            let show = { (line: Proto.LogLine) in
                if isJSON { return Terminal.print(StatusText.json(line)) }
                let here =
                    "\(line.job)/\(line.cell)/\(line.shard < 0 ? "list" : "\(line.shard)"), attempt \(line.attempt)"
                if here != place { Terminal.print("── \(here)") }
                place = here
                let at = times ? Instant(nanoseconds: line.at).utc + " " : ""
                let mark = line.stream == "err" ? "! " : line.stream == "sheaf" ? "# " : "  "
                Terminal.print(at + mark + PlainText.line(line.text))
            }
            let request = Proto.ReadLogRequest.with {
                $0.run = part.run.number
                $0.job = part.job
                $0.cell = part.cell
                $0.shard = part.shard
                $0.attempt = part.attempt
                $0.follow = arguments.has("follow")
            }
            do {
                if request.follow {
                    // A farm that is away from the start is told at once.
                    await (try await Farming.connect(arguments)).link.close()
                    try await LogFollower(request, connect: try Farming.door(arguments)).follow { error in
                        Terminal.complain("\(error.problem); looking for it again")
                    } _: {
                        show($0)
                    }
                } else {
                    try await Farming.connect(arguments).stream(Proto.Farm.ReadLog.self, request, each: show)
                }
            } catch let error as ClientError {
                throw Farming.failure(error)
            }
            if place.isEmpty && !isJSON {
                Terminal.complain(
                    "nothing was written; 'sheaf explain \(arguments.operands[0])' tells what became of it")
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
}
