import Expressions
import Model

/// What is remembered from step to step of one job.
struct StepWalk {
    var defaultShell: String?
    var ids: Set<String> = []
    /// The first Python that a setup-python asks for.
    var python: (text: String, position: SourcePosition)?
    /// A step so far may have fetched or made files that are not in the code tree.
    var mayHaveFetched = false
    /// An action for Node.js is among them.
    var needsNode = false
    /// The steps run in a container.
    var isContained = false
    /// With those of actions.
    var stepCount = 0
}

extension WorkflowReader {
    private static let sharedKeys = ["id", "name", "if", "env", "timeout-minutes", "continue-on-error"]
    private static let runKeys = ["run", "shell", "working-directory"]
    private static let usesKeys = ["uses", "with"]
    private static let stepKeys = (sharedKeys + runKeys + usesKeys).map { Key($0) }

    mutating func steps(_ node: YAMLNode, _ what: String, _ walk: inout StepWalk) -> [Step] {
        guard let items = node.items, !items.isEmpty else {
            let isEmpty = node.items != nil
            error(
                node,
                "\(what) must be a list with one step at least, \(isEmpty ? "and is empty" : "not \(node.kindName)")",
                help: isEmpty
                    ? "a job that only stands for others: steps: [{run: \"true\"}]"
                    : "begin each step with '- run:' or '- uses:'")
            return []
        }
        guard items.count <= Limits.stepsPerJobMax else {
            error(
                node, "\(what) has \(items.count) steps; the limit is \(Limits.stepsPerJobMax)",
                help: "join steps, or move some to another job")
            return []
        }
        walk.stepCount += items.count
        return items.compactMap { step($0, &walk) }
    }

    private mutating func step(_ node: YAMLNode, _ walk: inout StepWalk) -> Step? {
        guard let parts = mapping(node, "a step", Self.stepKeys) else { return nil }
        let id = parts["id"].flatMap { identifier($0, &walk) }
        let outer = types
        let environment = parts["env"].map { self.environment($0, in: stepText) } ?? []
        defer {
            // What a step sets for itself ends with it; what it writes to $GITHUB_ENV stays.
            types.forget(since: outer)
            settle(node, parts, id, &walk)
        }
        var step = Step(action: .run(""), line: node.position.line)
        step.id = id
        step.environment = environment
        if let name = parts["name"] { step.name = template(name, "'name'", in: stepText) }
        if let node = parts["if"] { step.condition = condition(node, in: stepCondition) }
        if let node = parts["timeout-minutes"] {
            step.timeout = minutes(node, "'timeout-minutes'", in: stepText)?.scalar?.text
        }
        if let node = parts["continue-on-error"] {
            let kept = literal(node, "'continue-on-error'", "true or false", in: stepText) { $0.boolean != nil }
            step.continueOnError = kept?.scalar?.text
        }
        if let node = parts["shell"] {
            step.shell = template(node, "'shell'", in: stepText)
            checkShell(node)
        }
        if let node = parts["working-directory"] {
            step.workingDirectory = template(node, "'working-directory'", in: stepText)
        }
        guard let action = action(node, parts, &walk) else { return nil }
        step.action = action
        return step
    }

    private mutating func identifier(_ node: YAMLNode, _ walk: inout StepWalk) -> String? {
        guard let text = notEmpty(node, "'id'") else { return nil }
        if !Self.isIdentifier(text) {
            error(
                node, "'\(text)' is no step id",
                help: "begin with a letter or _ (not two), go on with letters, digits, _ and -")
        } else if !walk.ids.insert(text.lowercased()).inserted {
            error(
                node, "the id '\(text)' is taken by another step of this job",
                help: "choose another; case does not tell ids apart")
        }
        return text
    }

    private mutating func action(
        _ node: YAMLNode, _ parts: [String: YAMLNode], _ walk: inout StepWalk
    ) -> Step.Action? {
        let entries = node.entries ?? []
        let isRun = parts["uses"] == nil
        let foreign = isRun ? Self.usesKeys : Self.runKeys
        switch (parts["run"], parts["uses"]) {
        case (nil, nil):
            error(node, "a step needs 'run' or 'uses'", help: "run: a command, or uses: an action")
            for key in ["with"] { if let part = parts[key] { templates(part, "'with'", in: stepText) } }
            return nil
        case (let run, let uses):
            for entry in entries where foreign.contains(entry.key) {
                error(
                    entry.keyNode,
                    entry.key == "run" || entry.key == "uses"
                        ? "a step has either 'run' or 'uses', not both"
                        : "'\(entry.key)' belongs to '\(isRun ? "uses" : "run")', not to '\(isRun ? "run" : "uses")'",
                    help: "make two steps of it, or remove '\(entry.key)'")
            }
            if isRun, let run {
                guard let text = template(run, "'run'", in: stepText) else { return nil }
                adviseOnScript(run, parts, &walk)
                return .run(text)
            }
            return uses.flatMap { self.uses($0, parts["with"], &walk) }
        }
    }

    /// What later steps know of this one.
    private mutating func settle(
        _ node: YAMLNode, _ parts: [String: YAMLNode], _ id: String?, _ walk: inout StepWalk
    ) {
        var outputs = ValueType.texts
        if let reference = parts["uses"]?.scalar?.text {
            let name = Self.actionName(reference)
            if let own = localActionOutputs[name] {
                outputs = own
                types.envIsOpen = true
                walk.mayHaveFetched = true
            } else if let known = KnownAction.all[name] {
                outputs = .object(known.outputs.map { .init($0, .string) }, others: nil)
                if name != "actions/checkout" && name != "actions/setup-python" { walk.mayHaveFetched = true }
            } else {
                types.envIsOpen = true
                if !Self.fetchesNothing(name) { walk.mayHaveFetched = true }
            }
        }
        if let script = parts["run"]?.scalar?.text, script.contains("GITHUB_OUTPUT"), id != nil,
            let names = ShellScript(script).outputsWritten
        {
            outputs = .object(names.map { .init($0, .string) }, others: nil)
        }
        if let script = parts["run"]?.scalar?.text, script.contains("GITHUB_ENV") {
            let written = ShellScript(script).variablesWritten
            written.names.forEach { types.define($0) }
            if written.isOpen { types.envIsOpen = true }
        }
        if let id { types.steps.append(.init(id, PlaceTypes.step(outputs: outputs))) }
    }

    private static func fetchesNothing(_ action: String) -> Bool {
        action.contains("credentials") || action.contains("login") || action.contains("/setup-")
    }

    /// `actions/checkout@v4` is `actions/checkout`.
    static func actionName(_ reference: String) -> String {
        (reference.split(separator: "@", maxSplits: 1).first.map(String.init) ?? reference).lowercased()
    }

    // MARK: uses

    private mutating func uses(_ node: YAMLNode, _ with: YAMLNode?, _ walk: inout StepWalk) -> Step.Action? {
        guard let whole = notEmpty(node, "'uses'") else { return nil }
        let words = whole.split(separator: "@", maxSplits: 1).map(String.init)
        let isElsewhere = whole.hasPrefix("./") || whole.hasPrefix("docker://")
        if !isElsewhere && !Self.isActionReference(words) {
            error(node, "'\(whole)' names no action", help: "write owner/repository@version: actions/checkout@v4")
            return nil
        }
        let name = Self.actionName(whole)
        let idle = (KnownAction.all[name]?.inputs ?? []).filter { $0.support == .idle }.map(\.name)
        let given = inputs(with, without: idle)
        if name == "actions/cache" || name.hasPrefix("actions/cache/") { adviseOnCache(with, at: node) }
        if name == "actions/github-script", let script = with?["script"] { adviseOnInjection(script) }
        if whole.hasPrefix("./"), given != nil || with == nil {
            return localAction(whole, with, given ?? [], at: node, &walk)
        }
        if KnownAction.all[name] == nil, given != nil || with == nil, let reference = ActionReference(whole),
            reference.commit != nil || KnownAction.meant(by: name) == nil
        {
            return remoteAction(reference, with, given ?? [], at: node, &walk)
        }
        guard let known = KnownAction.all[name], given != nil || with == nil else {
            unsupported(node, "the action '\(whole)'", help: Self.help(for: name, whole))
            return .uses(action: words[0], reference: words.count > 1 ? words[1] : "", with: [])
        }
        for entry in with?.entries ?? [] {
            checkInput(entry, of: name, known.inputs)
            if name == "actions/setup-python", entry.key == "cache", let kind = entry.value.scalar?.text, kind != "pip",
                !kind.isEmpty, !kind.contains("${{")
            {
                unsupported(entry.value, "a cache of \(kind)", help: "setup-python keeps what pip fetches: cache: pip")
            }
            if entry.key == "python-version" {
                if walk.python == nil, name == "actions/setup-python", let scalar = entry.value.scalar {
                    walk.python = (written(entry.value, scalar), entry.value.position)
                }
                checkPython(entry.value)
            }
        }
        if name == "actions/checkout" { checkCheckout(with) }
        if name == "actions/setup-python", walk.isContained {
            unsupported(
                node, "setup-python in a container", help: "steps use the image's own Python: image: python:3.12")
        }
        adviseOnAge(of: name, words[1], at: node)
        if name == "actions/upload-artifact", with?["path"] == nil {
            error(node, "upload-artifact needs a 'path'", help: "with: {name: predictions, path: predictions.csv}")
        }
        if name.hasPrefix("actions/cache") {
            for key in ["key", "path"] where with?[key] == nil {
                error(
                    node, "\(name.dropFirst(8)) needs a '\(key)'",
                    help: key == "key" ? "key: ${{ hashFiles('requirements.txt') }}" : "path: ~/.cache/models")
            }
        }
        return .uses(action: name, reference: words[1], with: given ?? [])
    }

    /// The submitted tree is the only one that there is to check out.
    private mutating func checkCheckout(_ with: YAMLNode?) {
        for (key, what) in [("ref", "another commit"), ("repository", "another repository")] {
            guard let node = with?[key], let text = node.scalar?.text, !text.isEmpty, !text.contains("${{") else {
                continue
            }
            unsupported(
                node, "a checkout of \(what) ('\(text.prefix(100))')",
                help: "remove '\(key)': what was submitted is checked out; to run the other one, submit that")
        }
    }

    /// A shell that is written out: GitHub's own names, or a command with the script's place in it.
    mutating func checkShell(_ node: YAMLNode) {
        guard let text = node.scalar?.text, !text.contains("${{"), !["bash", "sh", "python"].contains(text) else {
            return
        }
        if ["pwsh", "powershell", "cmd"].contains(text) {
            unsupported(node, "the shell '\(text)'", help: "agents have bash, sh, python, or a command with {0}")
        } else if !text.contains("{0}") {
            error(
                node, "the shell '\(text)' does not say where the script stands",
                help: "write '\(text) {0}', or one of bash, sh, python")
        }
    }

    static let pythonHelp = "write 3.11, 3.x, 3.11.7, or a range: \">=3.9 <3.12\""

    /// What a version of Python says, where it is written out.
    private mutating func checkPython(_ node: YAMLNode) {
        guard let text = node.scalar.map({ written(node, $0).trimmingSpace }), !text.isEmpty, !text.contains("${{")
        else {
            return
        }
        if text.contains(where: \.isNewline) {
            unsupported(node, "several versions of Python in one step", help: "name one; a matrix has a cell for each")
        } else if VersionRange(text) == nil {
            let isOther = text.hasPrefix("pypy") || text.hasPrefix("graalpy") || text.last == "t"
            let what = isOther ? "agents look for CPython only" : Self.pythonHelp
            if isOther {
                unsupported(node, "Python '\(text)'", help: what)
            } else {
                error(node, "'\(text)' names no version of Python", help: what)
            }
        }
    }

    private static func help(for name: String, _ whole: String) -> String {
        if whole.hasPrefix("docker://") {
            return "run the command itself, in a job with container: \(whole.dropFirst(9))"
        }
        if let near = KnownAction.meant(by: name) { return "did you mean '\(near)'?" }
        return "agents have \(KnownAction.honoured.map { $0.dropFirst(8) }.joined(separator: ", "))"
    }

    /// `owner/repository`, a folder maybe, `@` and what to take.
    private static func isActionReference(_ words: [String]) -> Bool {
        guard words.count == 2, !words[1].isEmpty else { return false }
        let path = words[0].split(separator: "/", omittingEmptySubsequences: false)
        let legal = { (part: Substring) in
            !part.isEmpty && part.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
        }
        return path.count >= 2 && path.prefix(2).allSatisfy(legal) && path.allSatisfy { !$0.isEmpty }
    }

    /// What `with` gives, its expressions checked; `nil` where it is one expression or broken.
    ///
    /// - Parameter idle: inputs that have no effect here.
    private mutating func inputs(_ with: YAMLNode?, without idle: [String]) -> [Template]? {
        guard let with else { return [] }
        guard let entries = with.entries else {
            if let scalar = with.scalar, isOneExpression(scalar.text) {
                template(with, "'with'", in: stepText, taking: .anything)
                unsupported(with, "a 'with' that is one expression", help: "write its inputs out")
            } else {
                error(
                    with, "'with' must be a mapping, not \(with.kindName)",
                    help: "write inputs by name: with: {name: value}")
            }
            return nil
        }
        return entries.compactMap { entry in
            let before = secretsRead
            let text = template(entry.value, "'\(entry.key)'", in: stepText)
            guard idle.contains(entry.key) else { return text.map { Template(entry.key, $0) } }
            // What nobody reads asks for no agent that holds it.
            secretsRead = before
            return nil
        }
    }

    /// An input that the action does not take is passed over there, with a warning; so it is here.
    private mutating func checkInput(_ entry: YAMLNode.Entry, of action: String, _ keys: [Key]) {
        let key = keys.first { $0.name == entry.key }
        switch key?.support {
        case .honoured, .sheaf: break
        case .idle: idle(entry, of: action, key?.help)
        case .unsupported:
            unsupported(entry.keyNode, "'\(entry.key)' of \(action)", help: key?.help ?? "remove it to run here")
        case nil:
            let near = Spelling.nearest(to: entry.key, among: keys.map(\.name))
            warning(
                .step, entry.keyPosition, "\(action) takes no input '\(entry.key)'",
                help: near.map { "did you mean '\($0)'?" } ?? "remove it")
        }
    }
}
