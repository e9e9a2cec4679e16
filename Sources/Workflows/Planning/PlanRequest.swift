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
    /// Contexts that replace the computed ones of the same name (`--context`).
    package var contexts: [Value.Member]

    package init(
        eventName: String? = nil, event: Value = .object([]), inputs: [(name: String, value: String)] = [],
        variables: [Value.Member] = [], sha: String = "", ref: String = "", repository: String = "", actor: String = "",
        run: RunID? = nil, contexts: [Value.Member] = [],
        manifest: @escaping @Sendable (String) -> Digest? = { _ in nil }
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
    }
}

extension Workflow {
    /// The contexts `github`, `inputs` and `vars` of a run.
    ///
    /// - Throws: diagnostics for an event that the file does not list and for inputs that it does not take.
    package func contexts(for request: PlanRequest) throws(Mistakes) -> [Value.Member] {
        let top = SourcePosition(file: file, line: 1, column: 1)
        var mistakes: [Diagnostic] = []
        let event =
            request.eventName ?? (events.contains("workflow_dispatch") ? "workflow_dispatch" : events.first ?? "push")
        if !events.contains(event) {
            mistakes.append(
                Diagnostic(
                    at: top, "the workflow is not started by '\(event)'",
                    help: "it names \(events.joined(separator: ", ")): give one of these with --event"))
        }
        let inputs = inputValues(request.inputs, at: top, &mistakes)
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        let owner = request.repository.split(separator: "/").first.map(String.init) ?? ""
        let branch = request.ref.hasPrefix("refs/heads/") ? String(request.ref.dropFirst(11)) : request.ref
        let github: Value = .object([
            .init("event_name", .string(event)), .init("event", request.event), .init("sha", .string(request.sha)),
            .init("ref", .string(request.ref)), .init("ref_name", .string(branch)),
            .init("repository", .string(request.repository)), .init("repository_owner", .string(owner)),
            .init("actor", .string(request.actor)), .init("triggering_actor", .string(request.actor)),
            .init("workflow", .string(name)), .init("run_id", .string(request.run.map { "\($0.number)" } ?? "")),
            .init("run_number", .string(request.run.map { "\($0.number)" } ?? "")), .init("run_attempt", "1"),
            .init("head_ref", request.event["pull_request"]?["head"]?["ref"] ?? ""),
            .init("base_ref", request.event["pull_request"]?["base"]?["ref"] ?? ""),
        ])
        let computed: [Value.Member] = [
            .init("github", github), .init("inputs", inputs), .init("vars", .object(request.variables)),
        ]
        let given = request.contexts
        return given + computed.filter { member in !given.contains { $0.key == member.key } }
    }

    private func inputValues(
        _ given: [(name: String, value: String)], at top: SourcePosition, _ mistakes: inout [Diagnostic]
    ) -> Value {
        for input in given where !inputs.contains(where: { $0.name == input.name }) {
            let known = inputs.map(\.name)
            mistakes.append(
                Diagnostic(
                    at: top, "the workflow takes no input '\(input.name)'",
                    help: Spelling.nearest(to: input.name, among: known).map { "did you mean '\($0)'?" }
                        ?? (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))")))
        }
        return .object(
            inputs.map { input in
                guard let text = given.last(where: { $0.name == input.name })?.value else {
                    if input.isRequired && input.fallback == "" {
                        mistakes.append(
                            Diagnostic(
                                at: top, "the input '\(input.name)' is required", help: "--input \(input.name)=…"))
                    }
                    return .init(input.name, input.fallback)
                }
                return .init(input.name, value(of: input, text, at: top, &mistakes))
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
            let options = input.kind == .choice ? ": give one of \(input.options.joined(separator: ", "))" : ""
            mistakes.append(
                Diagnostic(at: top, "the input '\(input.name)' is a \(input.kind.rawValue), not '\(text)'\(options)"))
            return .null
        }
    }
}

/// Everything that is wrong with a request or a file, at once.
package struct Mistakes: Error, Equatable, Sendable {
    package var diagnostics: [Diagnostic]
    package init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}
