import Expressions
import JSON
package import Model

/// What a run knows about itself before anything has run: the event, the inputs, the repository.
package struct PlanRequest: Sendable {
    package var eventName: String?
    /// The event's payload, an object.
    package var event: Value
    /// What `--input` gave, by name.
    package var inputs: [(name: String, value: String)]
    package var variables: [Value.Member]
    package var sha: String
    package var ref: String
    package var repository: String
    package var actor: String
    package var run: RunID?
    /// The digest of a manifest file of the code tree; `nil` where there is none.
    package var manifest: @Sendable (_ path: String) -> Digest?
    /// A file of the code tree that holds numbers of gates; `nil` where there is none.
    package var file: @Sendable (_ path: String) -> [UInt8]?
    /// Contexts that replace the computed ones of the same name (`--context`).
    package var contexts: [Value.Member]
    /// The paths that the event has changed; `nil`: as the payload says.
    package var changedPaths: [String]?
    /// Somebody has said what starts the run. Else, as in a check of the file alone, values that depend on it are not
    /// judged.
    package var isKnown = true
    /// The submitter says that its code is a stranger's.
    package var isUntrusted = false
    /// The day on which somebody asks, in UTC: `2026-12-31`. `nil`: nothing is said of what ends with a day.
    package var today: String?

    package init(
        eventName: String? = nil, event: Value = .object([]), inputs: [(name: String, value: String)] = [],
        variables: [Value.Member] = [], sha: String = "", ref: String = "", repository: String = "", actor: String = "",
        run: RunID? = nil, contexts: [Value.Member] = [],
        manifest: @escaping @Sendable (String) -> Digest? = { _ in nil },
        file: @escaping @Sendable (String) -> [UInt8]? = { _ in nil }
    ) {
        self.eventName = eventName
        self.event = event
        self.inputs = inputs
        self.variables = variables
        self.sha = sha
        self.ref = ref
        self.repository = repository
        self.actor = actor
        self.run = run
        self.contexts = contexts
        self.manifest = manifest
        self.file = file
    }
}

extension Workflow {
    /// The contexts `github`, `inputs` and `vars` of a run.
    ///
    /// - Throws: diagnostics for an event that the file does not list and for inputs that it does not take.
    package func contexts(for request: PlanRequest) throws(Mistakes) -> [Value.Member] {
        var mistakes: [Diagnostic] = []
        let contexts = contexts(for: request, &mistakes)
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return contexts
    }

    func contexts(for request: PlanRequest, _ mistakes: inout [Diagnostic]) -> [Value.Member] {
        let event = eventName(of: request)
        let top =
            (triggers.first { $0.name == event } ?? triggers.first)?.position
            ?? SourcePosition(file: file, line: 1, column: 1)
        // Of a file that names none it is told already.
        if !events.isEmpty, !events.contains(event) {
            mistakes.append(
                Diagnostic(
                    at: top, "the workflow is not started by '\(event)'",
                    help: "it names \(events.joined(separator: ", ")): give one of these with --event", rule: .event))
        }
        let inputs = inputValues(request, at: top, &mistakes)
        let payload = payload(of: request, event, inputs)
        let origin = EventOrigin(event, payload, checkedOut: request.ref)
        let (ref, actor) = (origin.ref, origin.actor ?? request.actor)
        if event == "push", let after = payload["after"]?.string, !request.sha.isEmpty, after != request.sha {
            mistakes.append(
                Diagnostic(
                    at: top,
                    "the event is a push of \(after.prefix(12)), and the code is that of \(request.sha.prefix(12))",
                    help: "check out what was pushed, or take the payload of this commit's push", rule: .event))
        }
        let repository = payload["repository"]?["full_name"]?.string ?? request.repository
        let owner = repository.split(separator: "/").first.map(String.init) ?? ""
        let server = Self.server(of: payload, repository)
        let isTag = ref.hasPrefix("refs/tags/")
        let github: Value = .object([
            .init("event_name", .string(event)), .init("event", payload),
            .init("sha", request.sha.isEmpty ? payload["after"] ?? "" : .string(request.sha)),
            .init("ref", .string(ref)), .init("ref_name", .string(EventOrigin.short(ref))),
            .init("ref_type", ref.isEmpty ? "" : isTag ? "tag" : "branch"),
            .init("repository", .string(repository)), .init("repository_owner", .string(owner)),
            .init("actor", .string(actor)), .init("triggering_actor", .string(actor)),
            .init("workflow", .string(name)), .init("run_id", .string(request.run.map { "\($0.number)" } ?? "")),
            .init("run_number", .string(request.run.map { "\($0.number)" } ?? "")), .init("run_attempt", "1"),
            .init("server_url", .string(server)),
            .init("api_url", .string(server == Self.github ? "https://api.github.com" : server + "/api/v3")),
            .init(
                "graphql_url",
                .string(server == Self.github ? "https://api.github.com/graphql" : server + "/api/graphql")),
            // As GitHub keeps artifacts where nobody says otherwise; who may push to which branch no farm knows.
            .init("retention_days", "90"), .init("ref_protected", false), .init("secret_source", "None"),
            .init("workflow_ref", .string(repository.isEmpty ? "" : "\(repository)/\(file)@\(ref)")),
            .init("workflow_sha", .string(request.sha)),
            .init(
                "repositoryUrl",
                .string(
                    repository.isEmpty
                        ? "" : "git" + server.dropFirst(server.hasPrefix("https") ? 5 : 4) + "/\(repository).git")
            ),
            .init("head_ref", payload["pull_request"]?["head"]?["ref"] ?? ""),
            .init("base_ref", payload["pull_request"]?["base"]?["ref"] ?? ""),
        ])
        let computed: [Value.Member] = [
            .init("github", github), .init("inputs", inputs), .init("vars", .object(request.variables)),
        ]
        let given = request.contexts
        return given + computed.filter { member in !given.contains { $0.key == member.key } }
    }

    private static let github = "https://github.com"

    /// Where the repository is, as the payload says; else where GitHub is.
    private static func server(of payload: Value, _ repository: String) -> String {
        guard let page = payload["repository"]?["html_url"]?.string, page.hasPrefix("http"), !repository.isEmpty,
            page.hasSuffix("/" + repository)
        else { return github }
        return String(page.dropLast(repository.count + 1))
    }

    /// The event's payload; one of `workflow_dispatch` has the inputs, as texts, as GitHub sends them.
    private func payload(of request: PlanRequest, _ event: String, _ inputs: Value) -> Value {
        guard event == "workflow_dispatch", let members = request.event.members, request.event["inputs"] == nil else {
            return request.event
        }
        let texts = (inputs.members ?? []).map { Value.Member($0.key, .string(Conversion.text(of: $0.value))) }
        return .object(members + [.init("inputs", .object(texts))])
    }

    /// The event of a run: the one that was named, else workflow_dispatch where the file takes it, else the file's first.
    package func eventName(of request: PlanRequest) -> String {
        request.eventName ?? (events.contains("workflow_dispatch") ? "workflow_dispatch" : events.first ?? "push")
    }

    /// The inputs that somebody chose another value for than the default, `name=value`, sorted: what they ask for is another thing.
    func givenInputs(_ contexts: [Value.Member]) -> [String] {
        let values = contexts.last { $0.key == "inputs" }?.value
        return inputs.compactMap { input in
            guard let value = values?[input.name], value != .null, value != input.fallback else { return nil }
            return "\(input.name)=\(Conversion.text(of: value))"
        }.sorted()
    }

    private func inputValues(
        _ request: PlanRequest, at top: SourcePosition, _ mistakes: inout [Diagnostic]
    ) -> Value {
        for input in request.inputs where !inputs.contains(where: { $0.name == input.name }) {
            let known = inputs.map(\.name)
            mistakes.append(
                Diagnostic(
                    at: top, "the workflow takes no input '\(input.name)'",
                    help: Spelling.nearest(to: input.name, among: known).map { "did you mean '\($0)'?" }
                        ?? (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))"), rule: .event
                ))
        }
        // Inputs belong to two events: a push has none, whatever their defaults are.
        guard eventName(of: request) == "workflow_dispatch" || !request.inputs.isEmpty else {
            return .object(inputs.map { .init($0.name, .null) })
        }
        let payload = request.event["inputs"]
        return .object(
            inputs.map { input in
                if let text = request.inputs.last(where: { $0.name == input.name })?.value {
                    return .init(input.name, value(of: input, text, at: top, &mistakes))
                }
                if let given = payload?[input.name], given != .null {
                    return .init(input.name, value(of: input, Conversion.text(of: given), at: top, &mistakes))
                }
                if input.isRequired, input.fallback == input.kind.empty, request.isKnown {
                    mistakes.append(
                        Diagnostic(
                            at: top, "the input '\(input.name)' is required", help: "--input \(input.name)=…",
                            rule: .event))
                }
                return .init(input.name, input.fallback)
            })
    }

    private func value(
        of input: Input, _ text: String, at top: SourcePosition, _ mistakes: inout [Diagnostic]
    ) -> Value {
        switch input.kind {
        case .boolean where text == "true" || text == "false": return .boolean(text == "true")
        case .number where CoreSchema.number(text) != nil: return CoreSchema.value(of: text)
        case .choice where input.options.contains(text): return .string(text)
        case .string, .environment: return .string(text)
        case .boolean, .number, .choice:
            let kinds: [Input.Kind: String] = [.boolean: "true or false", .number: "a number, as 25"]
            mistakes.append(
                Diagnostic(
                    at: top, "the input '\(input.name)' is a \(input.kind.rawValue), not '\(text)'",
                    help: "give \(kinds[input.kind] ?? "one of \(input.options.joined(separator: ", "))"): "
                        + "--input \(input.name)=…", rule: .event))
            return .null
        }
    }
}

/// Everything that is wrong with a request or a file, at once.
package struct Mistakes: Error, Equatable, Sendable {
    package var diagnostics: [Diagnostic]
    package init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}
