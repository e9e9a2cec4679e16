import Expressions
import Model

/// What starts a workflow: `on`.
extension WorkflowReader {
    mutating func triggers(_ node: YAMLNode, into workflow: inout Workflow) {
        switch node.kind {
        case .scalar:
            if let name = notEmpty(node, "'on'") { trigger(name, at: node, nil, into: &workflow) }
        case .sequence(let items):
            if items.isEmpty { error(node, "'on' names no event", help: "on: push") }
            for item in items {
                if let name = notEmpty(item, "an event of 'on'") { trigger(name, at: item, nil, into: &workflow) }
            }
        case .mapping(let entries):
            if entries.isEmpty { error(node, "'on' names no event", help: "on: push") }
            for entry in entries {
                if TemplateText.hasExpression(entry.key) {
                    error(entry.keyNode, "an expression is not allowed as an event", help: "name the event")
                    continue
                }
                trigger(entry.key, at: entry.keyNode, entry.value, into: &workflow)
            }
        }
        types.inputs = Self.type(of: workflow)
        if let call = workflow.call { types.secrets = secrets(of: call, among: workflow.triggers) }
    }

    /// Inputs of all events that have them, under one name.
    private static func type(of workflow: Workflow) -> ValueType {
        let own = workflow.inputs.map { input in
            // Of another event it is nothing.
            ValueType.Field(
                input.name,
                input.kind == .choice && !input.options.isEmpty ? .words(input.options + [""]) : input.kind.type)
        }
        let called = (workflow.call?.inputs ?? []).map { ValueType.Field($0.name, $0.kind.type) }
        return ValueType.object(own, others: nil).joined(with: .object(called, others: nil))
    }

    /// A workflow that only others call has the secrets that it declares; one without any may inherit all.
    private func secrets(of call: Workflow.Call, among triggers: [EventTrigger]) -> ValueType {
        guard triggers.count == 1, !call.secrets.isEmpty else { return .texts }
        let named = call.secrets.map(\.name) + ["GITHUB_TOKEN", "ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"]
        return .object(named.map { .init($0, .string) }, others: nil)
    }

    private mutating func trigger(
        _ name: String, at place: YAMLNode, _ value: YAMLNode?, into workflow: inout Workflow
    ) {
        guard let known = EventKind.all[name] else {
            error(
                place, "unknown event '\(name)'",
                help: Spelling.nearest(to: name, among: EventKind.all.keys.sorted()).map { "did you mean '\($0)'?" }
                    ?? "give an event of GitHub's: push, pull_request, workflow_dispatch")
            return
        }
        var trigger = EventTrigger(name: name, position: place.position)
        defer { workflow.triggers.append(trigger) }
        let value = value.flatMap { $0.isNull ? nil : $0 }
        switch name {
        case "workflow_dispatch":
            if let value { workflow.inputs = dispatchInputs(value) }
        case "workflow_call":
            workflow.call = value.map { call($0) } ?? Workflow.Call()
        case "schedule":
            guard let value else {
                error(place, "'schedule' says no time", help: "schedule: [{cron: \"0 2 * * *\"}]")
                return
            }
            warning(
                .idle, place.position, "'schedule' has no effect here: a farm starts no runs by itself",
                help: "let cron say: sheaf submit FILE --event schedule")
            trigger.crons = schedule(value)
        default:
            guard let value else { return }
            guard let parts = mapping(value, "'\(name)'", known.keys.map { Key($0) }) else { return }
            filters(parts, of: value, known, into: &trigger)
        }
    }

    private mutating func filters(
        _ parts: [String: YAMLNode], of node: YAMLNode, _ kind: EventKind, into trigger: inout EventTrigger
    ) {
        if let types = parts["types"] {
            let named = texts(types, "'types'")
            for (type, place) in named where !kind.types.isEmpty && !kind.types.contains(type) {
                warning(
                    .event, place.position, "'\(trigger.name)' has no type '\(type)'",
                    help: Spelling.nearest(to: type, among: kind.types).map { "did you mean '\($0)'?" }
                        ?? "its types are \(kind.types.joined(separator: ", "))")
            }
            trigger.types = named.map(\.text)
        }
        trigger.branches = filter("branches", parts, of: node)
        trigger.tags = filter("tags", parts, of: node)
        trigger.paths = filter("paths", parts, of: node)
        if let workflows = parts["workflows"] { trigger.workflows = texts(workflows, "'workflows'").map(\.text) }
        if trigger.name == "workflow_run", parts["workflows"] == nil {
            warning(.event, trigger.position, "'workflow_run' names no workflows", help: "workflows: [build]")
        }
        for key in ["names", "versions"] {
            guard let list = parts[key] else { continue }
            if list.items == nil {
                error(list, "'\(key)' must be a list, not \(list.kindName)", help: "\(key): [first, second]")
            } else {
                _ = texts(list, "'\(key)'")
            }
        }
    }

    private mutating func filter(_ name: String, _ parts: [String: YAMLNode], of node: YAMLNode) -> PatternFilter? {
        let (wanted, ignored) = (parts[name], parts["\(name)-ignore"])
        if wanted != nil, ignored != nil {
            let second = node.entries?.last { $0.key == name || $0.key == "\(name)-ignore" }
            error(
                second?.keyNode ?? node, "'\(name)' and '\(name)-ignore' exclude each other",
                help: "use '\(name)' alone, with '!' before what is left out")
        }
        guard let list = wanted ?? ignored else { return nil }
        var filter = PatternFilter(isIgnoring: wanted == nil, patterns: [])
        for (text, place) in texts(list, wanted == nil ? "'\(name)-ignore'" : "'\(name)'") {
            do throws(PathPattern.Mistake) {
                filter.patterns.append(try PathPattern(text))
            } catch {
                self.error(
                    place, "'\(text)' is no pattern: \(error.problem)",
                    help: "patterns are as 'releases/**', 'v[0-9]+' or '!docs/**'")
            }
        }
        if !filter.isIgnoring, !filter.patterns.isEmpty, filter.patterns.allSatisfy(\.isNegative) {
            warning(
                .event, list.position, "only patterns with '!': nothing is ever let in",
                help: "begin with what is wanted: '**'")
        }
        return filter
    }

    private mutating func schedule(_ node: YAMLNode) -> [String] {
        guard let items = node.items else {
            error(node, "'schedule' must be a list of cron lines", help: "schedule: [{cron: \"0 2 * * *\"}]")
            return []
        }
        if items.isEmpty { error(node, "'schedule' must not be empty", help: "schedule: [{cron: \"0 2 * * *\"}]") }
        return items.compactMap { item in
            guard let parts = mapping(item, "an entry of 'schedule'", [Key("cron"), Key("timezone")]) else {
                return nil
            }
            if let zone = parts["timezone"] { _ = notEmpty(zone, "'timezone'") }
            guard let cron = parts["cron"], let line = notEmpty(cron, "'cron'") else {
                if parts["cron"] == nil {
                    error(item, "an entry of 'schedule' needs 'cron'", help: "cron: \"0 2 * * *\"")
                }
                return nil
            }
            do throws(CronLine.Mistake) {
                let parsed = try CronLine(line)
                if let gap = parsed.shortestGapMinutes, gap < 5 {
                    error(
                        cron, "'\(line)' comes every \(gap == 1 ? "minute" : "\(gap) minutes")",
                        help: "5 minutes are the shortest interval: */5 * * * *")
                }
            } catch {
                self.error(cron, "'\(line)' is no cron line: \(error.problem)", help: "minute hour day month weekday")
            }
            return line
        }
    }

    // MARK: inputs

    private static let inputsMax = 25
    private static let inputsHelp = "name each: inputs: {trees: {type: number, default: 25}}"

    private mutating func dispatchInputs(_ node: YAMLNode) -> [Workflow.Input] {
        guard let entries = mapping(node, "'workflow_dispatch'", [Key("inputs")]) else { return [] }
        guard let inputs = entries["inputs"], !inputs.isNull else { return [] }
        guard let list = inputs.entries else {
            error(inputs, "'inputs' must be a mapping, not \(inputs.kindName)", help: Self.inputsHelp)
            return []
        }
        if list.count > Self.inputsMax {
            error(
                inputs, "\(list.count) inputs; 'workflow_dispatch' takes at most \(Self.inputsMax)",
                help: "hand several values over in one input, as JSON: fromJSON(inputs.NAME)")
        }
        return list.compactMap { dispatchInput($0) }
    }

    private mutating func dispatchInput(_ entry: YAMLNode.Entry) -> Workflow.Input? {
        var input = Workflow.Input(name: entry.key)
        inputName(entry)
        if entry.value.isNull { return input }
        let keys = ["type", "description", "required", "default", "options", "deprecationMessage"].map { Key($0) }
        guard let parts = mapping(entry.value, "an input", keys) else { return nil }
        if let type = parts["type"] {
            input.kind = kind(type, among: [.string, .boolean, .number, .choice, .environment])
        }
        if let required = parts["required"] { input.isRequired = flag(required, "'required'") ?? false }
        options(parts["options"], of: &input, entry)
        input.fallback = input.kind.empty
        if input.kind == .choice, let first = input.options.first { input.fallback = .string(first) }
        if let fallback = parts["default"] { setDefault(fallback, of: &input) }
        return input
    }

    private mutating func inputName(_ entry: YAMLNode.Entry) {
        if !Self.isIdentifier(entry.key) {
            error(
                entry.keyNode, "'\(entry.key)' is no input's name",
                help: "begin with a letter or _, go on with letters, digits, _ and -")
        }
    }

    private mutating func kind(_ node: YAMLNode, among kinds: [Workflow.Input.Kind]) -> Workflow.Input.Kind {
        guard let word = text(node, "'type'") else { return .string }
        if let kind = Workflow.Input.Kind(rawValue: word), kinds.contains(kind) { return kind }
        let known = kinds.map(\.rawValue)
        error(
            node, "unknown type '\(word)'",
            help: Spelling.nearest(to: word, among: known).map { "did you mean '\($0)'?" }
                ?? "give one of \(known.joined(separator: ", "))")
        return .string
    }

    private mutating func options(_ node: YAMLNode?, of input: inout Workflow.Input, _ entry: YAMLNode.Entry) {
        guard let node else {
            if input.kind == .choice {
                error(entry.keyNode, "the choice '\(input.name)' has no 'options'", help: "options: [small, large]")
            }
            return
        }
        guard let items = node.items else {
            error(node, "'options' must be a list, not \(node.kindName)", help: "options: [small, large]")
            return
        }
        if items.isEmpty { error(node, "'options' must not be empty", help: "options: [small, large]") }
        var seen: Set<String> = []
        for item in items {
            guard let option = notEmpty(item, "an option") else { continue }
            if !seen.insert(option).inserted {
                error(item, "the option '\(option)' stands here twice", help: "remove one of them")
            }
            input.options.append(option)
        }
        if input.kind != .choice {
            error(node, "'options' belong to an input of type choice", help: "type: choice")
        }
    }

    private mutating func setDefault(_ node: YAMLNode, of input: inout Workflow.Input) {
        if node.isNull { return }
        guard let scalar = node.scalar else {
            error(
                node, "'default' must be a single value, not \(node.kindName)",
                help: "write a list as JSON in quotes, and read it by fromJSON(inputs.\(input.name))")
            return
        }
        switch input.kind {
        case .boolean:
            guard let flag = CoreSchema.value(of: scalar.text).boolean else {
                error(
                    node, "the default of a boolean must be true or false, not '\(scalar.text)'", help: "default: false"
                )
                return
            }
            input.fallback = .boolean(flag)
        case .number:
            guard let number = CoreSchema.number(scalar.text) else {
                error(
                    node, "the default of a number must be one, not '\(scalar.text)'",
                    help: "write a number, as default: 25, or type: string")
                return
            }
            input.fallback = .number(number)
        case .choice:
            if !input.options.isEmpty, !input.options.contains(scalar.text) {
                error(
                    node, "the default '\(scalar.text)' is none of the options",
                    help: Spelling.nearest(to: scalar.text, among: input.options).map { "did you mean '\($0)'?" }
                        ?? "they are \(input.options.joined(separator: ", "))")
            }
            input.fallback = .string(scalar.text)
        case .string, .environment:
            adviseOnVersion(node)
            input.fallback = .string(written(node, scalar))
        }
    }

    // MARK: workflow_call

    private mutating func call(_ node: YAMLNode) -> Workflow.Call {
        var call = Workflow.Call()
        let keys = [Key("inputs"), Key("secrets"), Key("outputs")]
        guard let parts = mapping(node, "'workflow_call'", keys) else { return call }
        if let inputs = parts["inputs"], !inputs.isNull {
            if inputs.entries == nil {
                error(inputs, "'inputs' must be a mapping, not \(inputs.kindName)", help: Self.inputsHelp)
            }
            for entry in inputs.entries ?? [] {
                guard let input = callInput(entry, after: call.inputs) else { continue }
                call.inputs.append(input)
            }
        }
        if let secrets = parts["secrets"], !secrets.isNull {
            if secrets.entries == nil {
                error(
                    secrets, "'secrets' must be a mapping, not \(secrets.kindName)",
                    help: "name each: secrets: {TOKEN: {required: true}}")
            }
            for entry in secrets.entries ?? [] {
                var secret = Workflow.Call.Secret(name: entry.key)
                if !entry.value.isNull,
                    let parts = mapping(entry.value, "a secret", [Key("description"), Key("required")])
                {
                    if let required = parts["required"] { secret.isRequired = flag(required, "'required'") ?? false }
                }
                call.secrets.append(secret)
            }
        }
        if let outputs = parts["outputs"], !outputs.isNull {
            if outputs.entries == nil {
                error(
                    outputs, "'outputs' must be a mapping, not \(outputs.kindName)",
                    help: "name each: outputs: {best: {value: \"${{ jobs.eval.outputs.best }}\"}}")
            }
            for entry in outputs.entries ?? [] {
                guard let parts = mapping(entry.value, "an output", [Key("description"), Key("value")]) else {
                    continue
                }
                guard let value = parts["value"] else {
                    error(
                        entry.keyNode, "the output '\(entry.key)' has no 'value'",
                        help: "value: ${{ jobs.JOB.outputs.NAME }}")
                    continue
                }
                if let text = template(value, "'value'", in: Scopes.callOutput) {
                    call.outputs.append(Template(entry.key, text))
                }
            }
        }
        return call
    }

    private mutating func callInput(_ entry: YAMLNode.Entry, after known: [Workflow.Input]) -> Workflow.Input? {
        var input = Workflow.Input(name: entry.key)
        inputName(entry)
        let keys = ["type", "description", "required", "default"].map { Key($0) }
        guard !entry.value.isNull else {
            error(entry.keyNode, "the input '\(entry.key)' has no 'type'", help: "type: string")
            return nil
        }
        guard let parts = mapping(entry.value, "an input", keys) else { return nil }
        if let type = parts["type"] {
            input.kind = kind(type, among: [.string, .boolean, .number])
        } else {
            error(entry.keyNode, "the input '\(entry.key)' has no 'type'", help: "type: string")
        }
        if let required = parts["required"] { input.isRequired = flag(required, "'required'") ?? false }
        input.fallback = input.kind.empty
        guard let fallback = parts["default"] else { return input }
        if input.isRequired {
            warning(
                .event, fallback.position, "'\(entry.key)' is required: its default is never used",
                help: "remove 'default', or 'required'")
        }
        if let scalar = fallback.scalar, TemplateText.hasExpression(scalar.text) {
            let outer = types
            types.inputs = .object(known.map { .init($0.name, $0.kind.type) }, others: nil)
            template(fallback, "'default'", in: Scopes.callInput)
            let given = type(of: scalar.text, in: Scopes.callInput)
            types = outer
            if given != .any, given != input.kind.type, input.kind != .string {
                error(
                    fallback, "the default of '\(entry.key)' must be a \(input.kind.rawValue), not \(given.named)",
                    help: "make it a \(input.kind.rawValue) by fromJSON(…), or declare another type")
            }
            input.fallbackText = scalar.text
        } else {
            setDefault(fallback, of: &input)
        }
        return input
    }

    /// What a text gives that is one expression; anything for other texts.
    func type(of text: String, in scope: ExpressionScope) -> ValueType {
        // What does not parse is reported where it is read.
        guard let template = try? TemplateText(text, in: scope), template.parts.count == 1,
            let only = template.expressions.first
        else { return TemplateText.hasExpression(text) ? .any : .string }
        return only.check(types.fields(of: scope)).type
    }
}
