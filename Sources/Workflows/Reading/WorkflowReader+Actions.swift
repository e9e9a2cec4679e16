import Expressions
import Model

/// Actions of the repository: `uses: ./.github/actions/greet`, and the `action.yml` there.
extension WorkflowReader {
    /// Actions may use one another so deep.
    static let actionsDeepMax = 10

    mutating func localAction(
        _ reference: String, _ with: YAMLNode?, _ given: [Template], at uses: YAMLNode, _ walk: inout StepWalk
    ) -> Step.Action {
        let unread = Step.Action.uses(action: reference, reference: "", with: [])
        let folder = reference.hasSuffix("/") ? String(reference.dropLast()) : reference
        guard let name = ["\(folder)/action.yml", "\(folder)/action.yaml"].first(where: { files.read($0) != nil }),
            let bytes = files.read(name)
        else {
            if files.isWhole, files.read(folder + "/Dockerfile") == nil {
                // A step before may make it.
                warning(.step, uses.position, "there is no action in '\(reference)'", help: "it needs an action.yml")
            }
            unsupported(
                uses, "the action '\(reference)', which is not in the code tree",
                help: "actions are read when a run is planned: the folder must be part of the repository")
            return unread
        }
        guard actionDepth < Self.actionsDeepMax else {
            error(uses, "actions use one another more than \(Self.actionsDeepMax) deep")
            return unread
        }
        let place = CalledFiles.Place(reference: folder, depth: actionDepth)
        let read: CalledFiles.Action
        if let known = called.actions[place] {
            read = known
        } else {
            read = action(bytes, file: String(name.dropFirst(2)), folder: String(folder.dropFirst(2)))
            called.actions[place] = read
        }
        if let broken = read.diagnostics.first(where: { $0.severity == .error }) {
            error(uses, "the action is broken: \(broken.position): \(broken.problem)", help: broken.suggestion)
            return unread
        }
        diagnostics += read.diagnostics.filter { $0.severity == .unsupported }
        guard let action = read.action else { return unread }
        checkGiven(to: action, with, at: uses)
        localActionOutputs[Self.actionName(reference)] = .object(read.outputs.map { .init($0, .string) }, others: nil)
        if case .node = action.body {
            // What it gives is known to its program alone.
            localActionOutputs[Self.actionName(reference)] = .texts
        }
        walk.needsNode = walk.needsNode || read.needsNode
        walk.stepCount += read.stepCount
        if walk.stepCount > Limits.stepsPerJobMax {
            error(uses, "there are more than \(Limits.stepsPerJobMax) steps, with those of actions")
            return unread
        }
        return .local(action, with: given)
    }

    private mutating func checkGiven(to action: LocalAction, _ with: YAMLNode?, at uses: YAMLNode) {
        let given = with?.entries ?? []
        let known = action.inputs.map(\.name)
        for entry in given where !known.contains(where: { CaseFolding.equal($0, entry.key) }) {
            warning(
                .step, entry.keyPosition, "the action takes no input '\(entry.key)'",
                help: Spelling.nearest(to: entry.key, among: known).map { "did you mean '\($0)'?" }
                    ?? (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))"))
        }
        for input in action.inputs where input.isRequired && input.fallback == nil {
            if !given.contains(where: { CaseFolding.equal($0.key, input.name) }) {
                warning(
                    .step, uses.position, "the action requires the input '\(input.name)'",
                    help: "with: {\(input.name): …}")
            }
        }
    }

    // MARK: action.yml

    /// Reads an action with a reader of its own: its file, its contexts.
    private mutating func action(_ bytes: [UInt8], file: String, folder: String) -> CalledFiles.Action {
        let (node, syntax) = YAMLReader.read(bytes, file: file)
        var found = CalledFiles.Action(diagnostics: syntax)
        guard let node else {
            if syntax.isEmpty {
                let top = SourcePosition(file: file, line: 1, column: 1)
                found.diagnostics = [Diagnostic(at: top, "the file is empty", help: "runs: {using: composite, …}")]
            }
            return found
        }
        var reader = WorkflowReader(file: file, source: bytes, files: files, callers: callers, called: called)
        reader.actionDepth = actionDepth + 1
        reader.stepText = Scopes.actionText
        reader.stepCondition = Scopes.actionCondition
        reader.types.envIsOpen = true
        reader.types.matrix = .open
        found.action = reader.action(node, folder: folder, &found)
        found.diagnostics += reader.diagnostics
        called = reader.called
        return found
    }

    private mutating func action(
        _ node: YAMLNode, folder: String, _ found: inout CalledFiles.Action
    ) -> LocalAction? {
        let keys = ["name", "author", "description", "inputs", "outputs", "runs", "branding"].map { Key($0) }
        guard let parts = mapping(node, "an action", keys) else { return nil }
        let inputs = actionInputs(parts["inputs"])
        types.inputs = .object(inputs.map { .init($0.name, .string) }, others: nil)
        let named = parts["outputs"]?.entries ?? []
        found.outputs = named.map(\.key)
        guard let runs = parts["runs"], let using = runs["using"]?.scalar?.text else {
            error(parts["runs"] ?? node, "the action has no 'runs.using'", help: "runs: {using: composite, …}")
            return nil
        }
        if using == "composite" {
            guard let steps = actionSteps(runs, &found) else { return nil }
            let outputs = named.compactMap { entry -> Template? in
                guard let value = entry.value["value"] else {
                    error(entry.keyNode, "the output '\(entry.key)' has no 'value'")
                    return nil
                }
                return template(value, "'value'", in: Scopes.actionText).map { Template(entry.key, $0) }
            }
            return LocalAction(path: folder, inputs: inputs, body: .steps(steps, outputs: outputs))
        }
        if using.hasPrefix("node"), Int(using.dropFirst(4)) != nil {
            found.needsNode = true
            return nodeProgram(runs, using).map { LocalAction(path: folder, inputs: inputs, body: .node($0)) }
        }
        guard using == "docker" else {
            error(
                runs["using"] ?? runs, "an action runs by composite, node20 or docker, not '\(using)'",
                help: "using: composite")
            return nil
        }
        unsupported(runs["using"] ?? runs, "an action that is a container", help: "agents start no containers")
        return nil
    }

    private mutating func actionInputs(_ node: YAMLNode?) -> [LocalAction.Input] {
        (node?.entries ?? []).map { entry in
            var input = LocalAction.Input(name: entry.key)
            // A text 'true' counts too, as it does at GitHub.
            input.isRequired = entry.value["required"]?.scalar?.text == "true"
            if let fallback = entry.value["default"] {
                input.fallback = fallback.isNull ? "" : template(fallback, "'default'", in: Scopes.actionText)
            }
            return input
        }
    }

    private mutating func actionSteps(_ runs: YAMLNode, _ found: inout CalledFiles.Action) -> [Step]? {
        guard mapping(runs, "'runs'", [Key("using"), Key("steps")]) != nil, let node = runs["steps"] else {
            error(runs, "the action has no 'steps'", help: "steps: [{run: …, shell: bash}]")
            return nil
        }
        for step in node.items ?? [] where step["run"] != nil && step["shell"] == nil {
            error(step, "a step of an action needs 'shell'", help: "shell: bash")
        }
        var walk = StepWalk(defaultShell: nil)
        let made = steps(node, "'steps'", &walk)
        found.stepCount = walk.stepCount
        found.needsNode = walk.needsNode
        return made
    }

    private mutating func nodeProgram(_ runs: YAMLNode, _ using: String) -> LocalAction.NodeProgram? {
        let keys = ["using", "main", "pre", "pre-if", "post", "post-if"].map { Key($0) }
        guard let parts = mapping(runs, "'runs'", keys) else { return nil }
        guard let main = parts["main"].flatMap({ text($0, "'main'") }), !main.isEmpty else {
            error(runs, "the action has no 'main'", help: "main: dist/index.js")
            return nil
        }
        var program = LocalAction.NodeProgram(main: main)
        program.post = parts["post"].flatMap { text($0, "'post'") }
        if let node = parts["post-if"] { program.postCondition = condition(node, in: Scopes.actionCondition) }
        if let pre = parts["pre"] {
            // GitHub passes over it as well: before the first step there is no tree to run it from.
            warning(.step, pre.position, "'pre' of an action of the repository is never run")
        }
        return program
    }
}
