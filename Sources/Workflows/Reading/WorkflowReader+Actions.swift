import Expressions
import Model

/// Actions of the repository (`uses: ./.github/actions/greet`) and of others, and the `action.yml` there.
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
        let found = read(folder, at: uses) { reader in
            reader.action(bytes, file: String(name.dropFirst(2)), folder: String(folder.dropFirst(2)))
        }
        guard let found else { return unread }
        return take(found, reference, source: nil, with, given, at: uses, &walk) ?? unread
    }

    /// An action of another repository, at a commit: `uses: owner/name/folder@4f2a…`.
    mutating func remoteAction(
        _ reference: ActionReference, _ with: YAMLNode?, _ given: [Template], at uses: YAMLNode, _ walk: inout StepWalk
    ) -> Step.Action {
        let name = reference.repository + (reference.path.isEmpty ? "" : "/" + reference.path)
        let unread = Step.Action.uses(action: name, reference: reference.version, with: given)
        guard let commit = reference.commit else {
            refuse(
                uses, "the action '\(reference)' is not pinned: '\(reference.version)' may be another one tomorrow",
                help:
                    "name the commit by its 40 digits, which git ls-remote tells of '\(reference.version)': \(name)@… # \(reference.version)"
            )
            return unread
        }
        let source: ActionSource
        let file: (String) -> [UInt8]?
        switch files.repository(reference.repository, commit) {
        case .unknown: return unread
        case .refused(let problem, let help):
            refuse(uses, problem, help: help)
            return unread
        case .tree(let tree, let read):
            source = ActionSource(repository: reference.repository, commit: commit, tree: tree)
            file = read
        }
        let folder = reference.path.isEmpty ? "" : reference.path + "/"
        guard let named = ["action.yml", "action.yaml"].first(where: { file(folder + $0) != nil }),
            let bytes = file(folder + named)
        else {
            error(
                uses, "there is no action in '\(name)' at \(commit.prefix(12))",
                help: "its folder needs an action.yml; owner/name/folder@… names a folder")
            return unread
        }
        let found = read("\(name.lowercased())@\(commit)", at: uses) { reader in
            reader.action(
                bytes, file: "\(name)@\(commit.prefix(12))/\(named)", folder: reference.path, isRemote: true)
        }
        guard let found else { return unread }
        return take(found, "\(reference)", source: source, with, given, at: uses, &walk) ?? unread
    }

    /// Correct elsewhere, and refused here.
    mutating func refuse(_ node: YAMLNode, _ problem: String, help: String) {
        diagnostics.append(
            Diagnostic(.unsupported, at: node.position, problem, help: help, rule: .unsupported))
    }

    /// What is behind a reference, read once for each depth; `nil` where it would be too deep.
    private mutating func read(
        _ reference: String, at uses: YAMLNode, _ read: (inout WorkflowReader) -> CalledFiles.Action
    ) -> CalledFiles.Action? {
        guard actionDepth < Self.actionsDeepMax else {
            error(
                uses, "actions use one another more than \(Self.actionsDeepMax) deep",
                help: "write the inner steps out, or end the circle")
            return nil
        }
        let place = CalledFiles.Place(reference: reference, depth: actionDepth)
        if let known = called.actions[place] { return known }
        let found = read(&self)
        called.actions[place] = found
        return found
    }

    /// An action as a step uses it; `nil` where it is broken.
    private mutating func take(
        _ read: CalledFiles.Action, _ reference: String, source: ActionSource?, _ with: YAMLNode?, _ given: [Template],
        at uses: YAMLNode, _ walk: inout StepWalk
    ) -> Step.Action? {
        if let broken = read.diagnostics.first(where: { $0.severity == .error }) {
            error(
                uses, "the action is broken: \(broken.position): \(broken.problem)",
                help: broken.suggestion ?? "mend \(reference)")
            return nil
        }
        diagnostics += read.diagnostics.filter { $0.severity == .unsupported }
        guard var action = read.action else { return nil }
        action.source = source
        checkGiven(to: action, with, at: uses)
        localActionOutputs[Self.actionName(reference)] = .object(read.outputs.map { .init($0, .string) }, others: nil)
        if case .node = action.body {
            // What it gives is known to its program alone.
            localActionOutputs[Self.actionName(reference)] = .texts
        }
        secretsRead.formUnion(read.secretsRead)
        walk.needsNode = walk.needsNode || read.needsNode
        walk.stepCount += read.stepCount
        if walk.stepCount > Limits.stepsPerJobMax {
            error(
                uses, "there are more than \(Limits.stepsPerJobMax) steps, with those of actions",
                help: "join steps, or move some to another job")
            return nil
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
    private mutating func action(
        _ bytes: [UInt8], file: String, folder: String, isRemote: Bool = false
    ) -> CalledFiles.Action {
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
        reader.isRemoteAction = isRemote
        reader.stepText = Scopes.actionText
        reader.stepCondition = Scopes.actionCondition
        reader.types.envIsOpen = true
        reader.types.matrix = .open
        found.action = reader.action(node, folder: folder, &found)
        found.diagnostics += reader.diagnostics
        found.secretsRead = reader.secretsRead
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
                    error(
                        entry.keyNode, "the output '\(entry.key)' has no 'value'",
                        help: "value: ${{ steps.ID.outputs.NAME }}")
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
        unsupported(
            runs["using"] ?? runs, "an action that is a container",
            help: "run its command in a step of a job with 'container'")
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
            if isRemoteAction {
                unsupported(pre, "an action whose program has a 'pre'", help: "use a version of it without one")
            } else {
                // GitHub passes over it as well: before the first step there is no tree to run it from.
                warning(
                    .step, pre.position, "'pre' of an action of the repository is never run",
                    help: "do its work in 'main'")
            }
        }
        return program
    }
}
