import Artifacts
import Client
import Gates
import Glibc
import JSON
import Model
import Programs
import Transport
import Wire
import Workflows

extension Commands {
    static let compare = Command(
        name: "compare", summary: "show what changed between two runs",
        discussion: """
            Cell by cell and metric by metric, whatever the gates think of it: values, items that flipped, cells that are
            new or vanished, packages that changed, time. The exit code is 0 whatever the difference.

              sheaf compare r18 r17
              sheaf compare r18 r17 --format json
            """,
        operands: [.init(name: "RUN", help: "the newer one"), .init(name: "RUN", help: "what it is compared with")],
        options: [
            .value("format", "FORMAT", "text, markdown or json"),
            .value("output", short: "o", "FILE", "instead of standard output"),
        ] + Farming.options,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "markdown", "json"])
            var bytes: [UInt8] = []
            try await rendered(
                arguments, format == "text" ? "compare" : "compare-\(format)",
                against: try RunID(whole: arguments.operands[1])
            ) { bytes += $0 }
            if let path = arguments.value("output") { try Files.write(bytes, to: path) } else { Terminal.write(bytes) }
            return .passed
        })

    /// A run's picture as PNG, drawn here: the farm needs no library for it.
    static func renderPNG(_ arguments: Arguments) async throws {
        guard let path = arguments.value("output") else {
            throw UsageError("--format png writes a file", help: "--output report.png")
        }
        var svg: [UInt8] = []
        try await rendered(arguments, "svg") { svg += $0 }
        let beside = path + ".svg.part"
        try Files.write(svg, to: beside)
        defer { unlink(beside) }
        switch Program.output("rsvg-convert", ["--format", "png", "--zoom", "2", beside]) {
        case .success(let png): try Files.write(png, to: path)
        case .failure(let failure):
            throw CommandFailure(
                "the picture cannot be made: \(failure)",
                help: "apt-get install librsvg2-bin; or take --format svg, which needs nothing", exitCode: .usage)
        }
    }

    // MARK: baselines

    static let baselineRun = Command(
        name: "baseline run", summary: "run the commit that a change is compared with",
        discussion: """
            Checks out, beside the repository, the commit where a branch and yours part, runs this workflow on it, and waits.
            Gates with baseline: {branch: …} compare with that run from then on. Where it was run before nothing runs again.

              sheaf baseline run eval.yml --branch main
              sheaf submit eval.yml --wait
            """,
        operands: [.init(name: "FILE", help: "the workflow")],
        options: [
            .value("branch", "NAME", "main by default"), .flag("again", "also where it was run before"),
        ] + submissionOptions + Farming.homeOptions,
        run: { arguments in
            guard let submission = try submission(arguments) else { return .usage }
            let connect = try Farming.door(arguments)
            let client = try await Farming.failing { () async throws(ClientError) in try await connect() }
            let signals = Signals.stream([SIGINT, SIGTERM])
            guard
                let run = try await runBaseline(
                    submission, branch: arguments.value("branch") ?? "main", arguments, client)
            else { return .usage }
            return try await following(run, connect, arguments).follow(signals)
        })

    /// Runs what the gates compare with, one after the other.
    ///
    /// - Returns: how the command ends; `nil` where it goes on.
    static func runBaselines(
        _ submission: CheckedSubmission, _ arguments: Arguments, _ client: FarmClient,
        follow: (RunID) async throws -> ExitCode
    ) async throws -> ExitCode? {
        for branch in submission.request.branches.map(\.name) {
            guard let base = try await runBaseline(submission, branch: branch, arguments, client) else { return .usage }
            let code = try await follow(base)
            // Who leaves the baseline does not want what was to be compared with it.
            if code == .interrupted { return code }
            if code != .passed {
                Terminal.complain(
                    "note: \(base) did not pass; it is a baseline only if nothing in it failed or was found to be worse"
                )
            }
        }
        return nil
    }

    /// Submits the commit where a branch and the checked out one part, from a work tree of its own.
    static func runBaseline(
        _ submission: CheckedSubmission, branch: String, _ arguments: Arguments, _ client: FarmClient
    ) async throws -> RunID? {
        let folder = arguments.value("tree") ?? Files.folder(of: arguments.operands[0])
        let code = try await Farming.failing { () async throws(ClientError) in try await CodePacking(folder) }
        let history = try await Farming.failing { () async throws(ClientError) in
            try await code.history(against: branch)
        }
        guard let base = history.commits.first else { throw CommandFailure(history.problem, exitCode: .usage) }
        guard base != code.origin.commit || code.origin.isDirty else {
            throw CommandFailure(
                "the commit \(base.prefix(12)) is on '\(branch)' itself: there is nothing that it could be compared with",
                help: "commit the change on a branch of its own", exitCode: .usage)
        }
        var request = submission.request
        let given = [request.inputs, request.vars].map { names in
            names.sorted { $0.key < $1.key }.map { "\($0)=\($1)\n" }.joined()
        }
        let text = Array(
            ([request.workflow, request.gates, request.eventName] + given).joined(separator: "\u{0}").utf8)
        request.key =
            arguments.has("again")
            ? Submitting.newKey() : "base-\(base.prefix(20))-\(Digest(hashing: text).hex.prefix(20))"
        let place = "/tmp/sheaf-base-\(getpid())-\(base.prefix(12))"
        if case .failure(let failure) = Program.output(
            "git", ["-C", code.folder, "worktree", "add", "--quiet", "--detach", place, base])
        {
            throw CommandFailure("the commit \(base.prefix(12)) cannot be checked out in \(place): \(failure)")
        }
        defer { _ = Program.output("git", ["-C", code.folder, "worktree", "remove", "--force", place]) }
        let answer = try await Farming.failing { [request] () async throws(ClientError) in
            let prepared = try await Submitting.prepare(
                request, code: place, alone: false, history: submission.history, to: client)
            return try await Submitting.send(prepared, to: client)
        }
        for diagnostic in answer.diagnostics {
            Terminal.complain("\(diagnostic.file):\(diagnostic.line): \(diagnostic.severity): \(diagnostic.problem)")
        }
        if let run = answer.run {
            Terminal.complain("\(run) is commit \(base.prefix(12)), where this parts from '\(branch)'")
        }
        return answer.run
    }

    // MARK: waivers

    static let waive = Command(
        name: "waive", summary: "write down that a gate does not hold a run up, until a day",
        discussion: """
            Adds a waiver to the workflow, or to the file of --with. Commit it: the file's history says who waived what, and why.
            It covers what was measured and does not hold, never what is missing or broken.

              sheaf waive eval.yml floor --where backend=jax --reason "known, see #12" --until 2026-12-31
            """,
        operands: [.init(name: "FILE", help: "the workflow"), .init(name: "GATE", help: "the gate's name")],
        options: [
            .value("where", "AXIS=VALUE", repeats: true, "only groups with this value"),
            .value("reason", "TEXT", "why"), .value("until", "DAY", "the last day, as 2026-12-31"),
            .value("author", "NAME", "who answers for it; git's user.name by default"),
        ] + eventOptions,
        run: { arguments in
            let loaded = try LoadedWorkflow(arguments)
            guard let workflow = loaded.workflow else {
                Terminal.complain(String(loaded.text(loaded.diagnostics).dropLast()))
                return .usage
            }
            let gate = arguments.operands[1]
            let names = workflow.gates.map(\.name)
            guard names.contains(gate) else {
                throw UsageError(
                    "the workflow has no gate '\(gate)'",
                    help: Spelling.nearest(to: gate, among: names).map { "did you mean '\($0)'?" }
                        ?? (names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))"))
            }
            let (reason, until) = (try arguments.required("reason"), try arguments.required("until"))
            guard Waiver.isDay(until[...]) else {
                throw UsageError("--until \(until) is no day", help: "--until 2026-12-31")
            }
            let today = Instant.wallClock().utc.prefix(10)
            guard until >= today else {
                throw UsageError("--until \(until) is over already: today is \(today)", help: "name a day to come")
            }
            let place = try waivedPlace(arguments.all("where"), plan: loaded.checked().plan)
            let line = waiverLine(gate, place, reason, try waiverAuthor(arguments), until)
            let file = arguments.value("with") ?? loaded.file
            let text = String(decoding: try Files.read(file, bytesMax: Limits.workflowBytesMax), as: UTF8.self)
            guard let changed = WaiverText.adding(line, to: text) else {
                throw CommandFailure(
                    "\(file): 'waivers' is not a list with one line for each", help: "add there:\n  - \(line)",
                    exitCode: .usage)
            }
            try Files.write(Array(changed.utf8), to: file)
            // What was written has to mean what was meant; else it is taken back.
            let after = try LoadedWorkflow(arguments)
            guard after.workflow?.waivers.contains(where: { $0.subject == .gate(gate) && $0.reason == reason }) == true
            else {
                try Files.write(Array(text.utf8), to: file)
                throw CommandFailure(
                    "\(file) could not be changed", help: "add to 'waivers':\n  - \(line)", exitCode: .usage)
            }
            Terminal.print("\(file): waived \(gate) until \(until)")
            return .passed
        })

    private static func waiverAuthor(_ arguments: Arguments) throws -> String {
        if let author = arguments.value("author") { return author }
        if case .success(let bytes) = Program.output("git", ["config", "user.name"]) {
            let name = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            if !name.isEmpty { return name }
        }
        throw UsageError("nobody answers for the waiver", help: "--author NAME")
    }

    /// Axis values with the types that the matrix gives them: a waiver of 3.11 does not cover "3.11".
    private static func waivedPlace(_ words: [String], plan: Plan?) throws -> [Value.Member] {
        let known = (plan?.jobs ?? []).flatMap { $0.cells ?? [] }.flatMap(\.values)
        return try words.map { word in
            guard let mark = word.firstIndex(of: "=") else {
                throw UsageError("--where \(word): no value", help: "--where AXIS=VALUE")
            }
            let (axis, text) = (String(word[..<mark]), String(word[word.index(after: mark)...]))
            let values = known.filter { $0.key == axis }
            guard let value = values.first(where: { $0.value.shown == text }) else {
                var shown: [String] = []
                for value in values.map(\.value.shown) where !shown.contains(value) { shown.append(value) }
                throw UsageError(
                    "no cell has \(axis) = \(text)",
                    help: shown.isEmpty ? "no matrix has this axis" : "it is one of \(shown.joined(separator: ", "))")
            }
            return value
        }
    }

    private static func waiverLine(
        _ gate: String, _ place: [Value.Member], _ reason: String, _ author: String, _ until: String
    ) -> String {
        var parts = ["gate: \(JSONWriter.text(.string(gate)))"]
        if !place.isEmpty {
            let members = place.map { "\(JSONWriter.text(.string($0.key))): \(JSONWriter.text($0.value))" }
            parts.append("where: {\(members.joined(separator: ", "))}")
        }
        for (name, text) in [("reason", reason), ("author", author), ("until", until)] {
            parts.append("\(name): \(JSONWriter.text(.string(text)))")
        }
        return "{\(parts.joined(separator: ", "))}"
    }
}

/// Adds a line to the list `waivers` of a workflow, and changes nothing else of its text.
enum WaiverText {
    /// - Returns: `nil` where the list is written otherwise than with one line for each.
    static func adding(_ line: String, to text: String) -> String? {
        var lines = text.linesOfFile.map(String.init)
        let end = lines[0].hasSuffix("\r") ? "\r" : ""
        guard let head = lines.firstIndex(where: { $0.hasPrefix("waivers:") }) else {
            let gap = lines.last == "" ? "" : end + "\n"
            return text + gap + [end, "waivers:" + end, "  - \(line)" + end, ""].joined(separator: "\n")
        }
        let rest = lines[head].dropFirst("waivers:".count).drop { $0 == " " || $0 == "\r" }
        guard rest.isEmpty || rest.hasPrefix("#") else { return nil }
        var last = head
        var indent = "  "
        for place in lines.indices.dropFirst(head + 1) {
            let body = lines[place].drop { $0 == " " || $0 == "\r" }
            if body.isEmpty || body.hasPrefix("#") { continue }
            let space = String(lines[place].prefix(lines[place].count - body.count))
            if body.hasPrefix("- ") {
                indent = space
            } else if space.isEmpty {
                break
            }
            last = place
        }
        lines.insert("\(indent)- \(line)\(end)", at: last + 1)
        return lines.joined(separator: "\n")
    }
}
