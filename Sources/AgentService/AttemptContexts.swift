import Artifacts
import Expressions
import Glibc
import Model

/// What an attempt's expressions see, as it changes from step to step.
struct AttemptContexts: Sendable {
    /// What has come of a step: what it was, and what it counts as after continue-on-error.
    struct Finished: Sendable {
        var outcome: StepOutcome
        var conclusion: StepOutcome
        var outputs: [CommandFile.Entry]
    }

    /// github, inputs, vars, needs, strategy, matrix, secrets.
    var given: [Value.Member]
    var runner: [Value.Member]
    /// What only the agent knows of `github`: where things lie, and which attempt it is.
    var github: [Value.Member] = []
    var workspace: String
    /// The job's `env`, and what steps added through GITHUB_ENV; later entries win.
    var environment: [CommandFile.Entry] = []
    /// Members of `job`: the container and the services.
    var job: [Value.Member] = []
    var steps: [(id: String, finished: Finished)] = []
    var status = JobStatus.success

    /// How often a step without an id has had each name.
    var actionNames: [String: Int] = [:]

    /// What `github.action` says: the step's id, else what it runs, with a number from the second time on. GitHub's own runner
    /// writes `__run`, `__run_2`, `__actions_checkout`.
    var actionName = ""

    enum JobStatus: String, Sendable { case success, failure, cancelled }

    private static let names = [
        "github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env",
    ]
    static let scope = ExpressionScope(names: names + ["secrets"], functions: [.init("hashFiles", 1, 255)])
    static let conditionScope = ExpressionScope(
        names: names,
        functions: [
            .init("hashFiles", 1, 255), .init("success", 0, 0), .init("failure", 0, 0), .init("cancelled", 0, 0),
            .init("always", 0, 0),
        ])

    mutating func set(_ name: String, _ value: String) {
        environment.removeAll { $0.name == name }
        environment.append(CommandFile.Entry(name: name, value: value))
    }

    /// The contexts of an action's steps: its own inputs, none of the steps around it, and a status of its own.
    func inside(inputs: [Value.Member], folder: String) -> AttemptContexts {
        var inner = self
        inner.given = given.filter { $0.key != "inputs" } + [.init("inputs", .object(inputs))]
        inner.github = github.filter { $0.key != "action_path" } + [.init("action_path", .string(folder))]
        inner.steps = []
        if status != .cancelled { inner.status = .success }
        return inner
    }

    /// Goes on after an action: what its steps set for later ones stays.
    mutating func leave(_ inner: AttemptContexts) {
        environment = inner.environment
        if inner.status == .cancelled { status = .cancelled }
    }

    /// A step begins.
    mutating func begin(_ step: Step) {
        actionName = step.id ?? ""
        if step.id == nil {
            let what =
                switch step.action {
                case .run: "run"
                case .uses(let action, _, _): action
                case .local: "self"
                }
            let name = "__" + String(what.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
            let count = (actionNames[name] ?? 0) + 1
            actionNames[name] = count
            actionName = count == 1 ? name : "\(name)_\(count)"
        }
        github.removeAll { $0.key == "action" }
        github.append(.init("action", .string(actionName)))
    }

    /// Sets a member of `job`.
    mutating func setJob(_ name: String, _ value: Value) {
        job.removeAll { $0.key == name }
        job.append(Value.Member(name, value))
    }

    mutating func finish(_ id: String?, _ finished: Finished) {
        guard let id else { return }
        steps.removeAll { $0.id == id }
        steps.append((id, finished))
    }

    /// - Parameter own: the step's own environment, which its other texts see.
    func evaluation(own: [CommandFile.Entry] = []) -> EvaluationContext {
        var env: [Value.Member] = []
        for entry in environment + own {
            env.removeAll { $0.key == entry.name }
            env.append(Value.Member(entry.name, .string(entry.value)))
        }
        let steps = steps.map { step in
            Value.Member(
                step.id,
                .object([
                    Value.Member("outputs", .object(Self.members(step.finished.outputs))),
                    Value.Member("outcome", .string(step.finished.outcome.rawValue)),
                    Value.Member("conclusion", .string(step.finished.conclusion.rawValue)),
                ]))
        }
        let above = given.first { $0.key == "github" }?.value.members ?? []
        let own = [
            Value.Member(
                "github", .object(above.filter { member in !github.contains { $0.key == member.key } } + github)),
            Value.Member("steps", .object(steps)), Value.Member("env", .object(env)),
            Value.Member("runner", .object(runner)),
            Value.Member("job", .object([Value.Member("status", .string(status.rawValue))] + job)),
        ]
        let names = Set(own.map(\.key))
        return EvaluationContext(
            values: given.filter { !names.contains($0.key) } + own,
            status: { [status] function, _ in
                switch function.lowercased() {
                case "always": true
                case "success": status == .success
                case "failure": status == .failure
                case "cancelled": status == .cancelled
                default: false
                }
            },
            hashFiles: { [workspace] in FileHash.hash($0, in: workspace) })
    }

    /// Later entries of a name win.
    private static func members(_ entries: [CommandFile.Entry]) -> [Value.Member] {
        var members: [Value.Member] = []
        for entry in entries {
            members.removeAll { $0.key == entry.name }
            members.append(Value.Member(entry.name, .string(entry.value)))
        }
        return members
    }

    /// The value of a text with `${{ }}`.
    ///
    /// - Parameter place: what the text is, for the error.
    func value(of text: String, _ place: String, own: [CommandFile.Entry] = []) throws(AgentError) -> Value {
        guard text.contains("${{") else { return .string(text) }
        do {
            return try TemplateText(text, in: Self.scope).evaluate(in: evaluation(own: own))
        } catch {
            throw .user("\(place): \(error)")
        }
    }

    func text(of text: String, _ place: String, own: [CommandFile.Entry] = []) throws(AgentError) -> String {
        Conversion.text(of: try value(of: text, place, own: own))
    }

    func holds(_ condition: String?, _ place: String, own: [CommandFile.Entry] = []) throws(AgentError) -> Bool {
        do {
            return try Condition(condition ?? "", in: Self.conditionScope).holds(in: evaluation(own: own))
        } catch {
            throw .user("\(place): \(error)")
        }
    }
}

extension AttemptContexts {
    /// A step's own limit; `nil` when it names none.
    func timeout(of step: Step, _ place: String, own: [CommandFile.Entry]) throws(AgentError) -> Duration? {
        guard let minutes = step.timeout else { return nil }
        let value = try value(of: minutes, "timeout-minutes of \(place)", own: own)
        guard let number = value.number ?? value.string.flatMap({ Double($0) }), number > 0, number <= 525_600 else {
            throw .user("timeout-minutes of \(place) is no number of minutes above 0")
        }
        return .milliseconds(Int64(number * 60_000))
    }

    /// Whether the attempt goes on when the step has failed.
    func continues(after step: Step, _ place: String, own: [CommandFile.Entry]) throws(AgentError) -> Bool {
        guard let text = step.continueOnError else { return false }
        let value = try value(of: text, "continue-on-error of \(place)", own: own)
        return value == .boolean(true) || value.string == "true"
    }
}

enum StepOutcome: String, Sendable { case success, failure, skipped, cancelled }

/// `hashFiles`: one digest for all files that patterns match below a folder.
enum FileHash {
    static let filesMax = 100_000
    static let depthMax = 100

    /// - Returns: `nil` when nothing matches, or the patterns cannot be read.
    static func hash(_ patterns: [String], in folder: String) -> String? {
        guard let patterns = try? PathPatterns(patterns.joined(separator: "\n"), workspace: folder) else { return nil }
        var found: [String] = []
        search(folder, [], patterns, &found)
        guard !found.isEmpty else { return nil }
        var digests: [UInt8] = []
        for path in found {
            guard let digest = try? digest(ofFile: folder + "/" + path) else { continue }
            digests += digest.bytes
        }
        return Digest(hashing: digests).hex
    }

    /// The files that patterns match below a folder, through no link, in no order.
    static func paths(_ patterns: PathPatterns, in folder: String) -> [String] {
        var found: [String] = []
        search(folder, [], patterns, &found)
        return found
    }

    private static func search(
        _ folder: String, _ names: [String], _ patterns: PathPatterns, _ found: inout [String]
    ) {
        guard names.count < depthMax else { return }
        for name in Files.names(in: folder) {
            guard found.count < filesMax else { return }
            guard let facts = Files.facts(folder + "/" + name, followingLinks: false) else { continue }
            let path = names + [name]
            let match = patterns.match(path.map { Array($0.utf8)[...] }, isFolder: facts.kind == .folder)
            switch facts.kind {
            case .folder: if match != .no { search(folder + "/" + name, path, patterns, &found) }
            case .file: if match == .matches { found.append(path.joined(separator: "/")) }
            case .link, .other: continue
            }
        }
    }

    static func digest(ofFile path: String) throws(AgentError) -> Digest {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard raw >= 0 else { throw .failed("read \(path)") }
        defer { close(raw) }
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = unsafe read(raw, &buffer, buffer.count)
            if count == 0 { return hash.finish() }
            guard count > 0 else { throw .failed("read \(path)") }
            hash.update(buffer.span.extracting(first: count))
        }
    }
}
