import Expressions
import Model

/// Walks a workflow's nodes, checks them, and collects what is wrong.
struct WorkflowReader {
    let file: String
    private let lines: [Substring]
    var isSheaf = false
    private(set) var diagnostics: [Diagnostic] = []

    init(file: String, source: [UInt8]) {
        self.file = file
        lines = String(decoding: source, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    mutating func workflow(_ node: YAMLNode) -> Workflow {
        var workflow = Workflow(
            file: file, name: file, isSheaf: false, events: [], inputs: [], gates: [], falseBlockRate: 0.05,
            environment: [], defaults: Workflow.Defaults(), jobs: [])
        if let mark = node["sheaf"] {
            isSheaf = mark.value == .number(1)
            if !isSheaf { error(mark, "'sheaf' must be 1", help: "write sheaf: 1") }
        }
        workflow.isSheaf = isSheaf
        guard let entries = mapping(node, "a workflow", Self.workflowKeys) else { return workflow }
        if entries["on"] == nil { error(node, "the workflow has no 'on'", help: "say what starts it: on: push") }
        if entries["jobs"] == nil { error(node, "the workflow has no 'jobs'", help: "add jobs: with one job at least") }
        if let name = entries["name"], let text = text(name, "'name'") { workflow.name = text }
        if let name = entries["run-name"] { template(name, "'run-name'", in: Scopes.runName) }
        if let on = entries["on"] { events(on, into: &workflow) }
        if let node = entries["env"] { workflow.environment = environment(node, in: Scopes.workflowEnvironment) }
        if let node = entries["defaults"] { workflow.defaults = defaults(node) }
        if let node = entries["permissions"] { permissions(node) }
        if let node = entries["jobs"] { workflow.jobs = jobs(node, of: workflow) }
        if let node = entries["false-block-rate"] { falseBlockRate(node, into: &workflow) }
        if let node = entries["gates"] { workflow.gates = gates(node, jobs: workflow.jobs) }
        return workflow
    }

    private static let workflowKeys: [Key] = [
        Key("name"), Key("description"), Key("run-name"), Key("on"), Key("env"), Key("defaults"), Key("permissions"),
        Key("jobs"),
        Key("concurrency", .unsupported), Key("sheaf"), Key("false-block-rate", .sheaf), Key("gates", .sheaf),
    ]

    // MARK: what starts it

    private static let knownEvents = [
        "branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment", "deployment_status",
        "discussion", "discussion_comment", "fork", "gollum", "issue_comment", "issues", "label", "merge_group",
        "milestone", "page_build", "project", "project_card", "project_column", "public", "pull_request",
        "pull_request_review", "pull_request_review_comment", "pull_request_target", "push", "registry_package",
        "release", "repository_dispatch", "schedule", "status", "watch", "workflow_call", "workflow_dispatch",
        "workflow_run",
    ]

    private mutating func events(_ node: YAMLNode, into workflow: inout Workflow) {
        switch node.kind {
        case .scalar:
            if let name = text(node, "'on'") { event(name, at: node, into: &workflow) }
        case .sequence(let items):
            if items.isEmpty { error(node, "'on' names no event", help: "on: push") }
            for item in items {
                if let name = text(item, "an event of 'on'") { event(name, at: item, into: &workflow) }
            }
        case .mapping(let entries):
            if entries.isEmpty { error(node, "'on' names no event", help: "on: push") }
            for entry in entries {
                let place = YAMLNode(kind: entry.value.kind, position: entry.keyPosition)
                event(entry.key, at: place, into: &workflow)
                switch entry.key {
                case "workflow_dispatch": workflow.inputs = dispatchInputs(entry.value)
                case "schedule": schedule(entry.value)
                default:
                    if !entry.value.isNull, entry.value.entries == nil {
                        error(entry.value, "what '\(entry.key)' takes must be a mapping, not \(entry.value.kindName)")
                    }
                }
            }
        }
    }

    private mutating func event(_ name: String, at node: YAMLNode, into workflow: inout Workflow) {
        guard Self.knownEvents.contains(name) else {
            error(
                node, "unknown event '\(name)'",
                help: Spelling.nearest(to: name, among: Self.knownEvents).map { "did you mean '\($0)'?" })
            return
        }
        if name == "workflow_call" {
            unsupported(node, "workflows that others call ('workflow_call')", help: "start it by another event")
        }
        workflow.events.append(name)
    }

    private mutating func schedule(_ node: YAMLNode) {
        guard let items = node.items else {
            error(node, "'schedule' must be a list of cron lines", help: "schedule: [{cron: \"0 2 * * *\"}]")
            return
        }
        for item in items {
            guard let cron = item["cron"], let line = cron.scalar?.text else {
                error(item, "an entry of 'schedule' needs 'cron'", help: "cron: \"0 2 * * *\"")
                continue
            }
            if line.split(separator: " ").count != 5 {
                error(cron, "'\(line)' is no cron line of five fields", help: "minute hour day month weekday")
            }
        }
    }

    private mutating func dispatchInputs(_ node: YAMLNode) -> [Workflow.Input] {
        if node.isNull { return [] }
        guard let entries = mapping(node, "'workflow_dispatch'", [Key("inputs")]) else { return [] }
        guard let inputs = entries["inputs"], !inputs.isNull else { return [] }
        guard let list = inputs.entries else {
            error(inputs, "'inputs' must be a mapping, not \(inputs.kindName)")
            return []
        }
        return list.compactMap { dispatchInput($0) }
    }

    private mutating func dispatchInput(_ entry: YAMLNode.Entry) -> Workflow.Input? {
        var input = Workflow.Input(name: entry.key, kind: .string, isRequired: false, fallback: "", options: [])
        if entry.value.isNull { return input }
        let keys = ["type", "description", "required", "default", "options", "deprecationMessage"].map { Key($0) }
        guard let parts = mapping(entry.value, "an input", keys) else { return nil }
        if let type = parts["type"], let word = text(type, "'type'") {
            if let kind = Workflow.Input.Kind(rawValue: word) {
                input.kind = kind
            } else {
                let known = Workflow.Input.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                error(type, "unknown type '\(word)'", help: "give one of \(known)")
            }
        }
        input.isRequired = parts["required"]?.value == .boolean(true)
        input.options = parts["options"]?.items?.compactMap { $0.scalar?.text } ?? []
        if input.kind == .choice && input.options.isEmpty {
            error(entry.value, "a choice needs 'options'", help: "options: [small, large]")
        }
        switch input.kind {
        case .boolean: input.fallback = false
        case .number: input.fallback = 0
        case .string, .choice, .environment: input.fallback = .string(input.options.first ?? "")
        }
        if let fallback = parts["default"] { input.fallback = fallback.value }
        return input
    }

    // MARK: small parts

    private static let permissionNames = [
        "actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "id-token",
        "issues", "models", "packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses",
    ]

    mutating func permissions(_ node: YAMLNode) {
        if let word = node.scalar?.text {
            if !["read-all", "write-all", ""].contains(word) {
                error(node, "unknown permission '\(word)'", help: "give read-all, write-all or a mapping")
            }
            return
        }
        guard let entries = mapping(node, "'permissions'", Self.permissionNames.map { Key($0) }) else { return }
        for name in entries.keys.sorted() {
            guard let value = entries[name] else { continue }
            if !["read", "write", "none"].contains(value.scalar?.text) {
                error(value, "'\(name)' must be read, write or none")
            }
        }
    }

    mutating func defaults(_ node: YAMLNode) -> Workflow.Defaults {
        var defaults = Workflow.Defaults()
        guard let entries = mapping(node, "'defaults'", [Key("run")]), let run = entries["run"],
            let parts = mapping(run, "'defaults.run'", [Key("shell"), Key("working-directory")])
        else { return defaults }
        if let shell = parts["shell"] { defaults.shell = template(shell, "'shell'", in: Scopes.jobCell) }
        if let folder = parts["working-directory"] {
            defaults.workingDirectory = template(folder, "'working-directory'", in: Scopes.jobCell)
        }
        return defaults
    }

    mutating func environment(_ node: YAMLNode, in scope: ExpressionScope) -> [Template] {
        if node.isNull { return [] }
        guard let entries = node.entries else {
            if node.scalar?.text.contains("${{") == true {
                unsupported(node, "an 'env' that is one expression", help: "write its names out")
            } else {
                error(node, "'env' must be a mapping, not \(node.kindName)")
            }
            return []
        }
        return entries.compactMap { entry in
            template(entry.value, "'\(entry.key)'", in: scope).map { Template(entry.key, $0) }
        }
    }

    private mutating func falseBlockRate(_ node: YAMLNode, into workflow: inout Workflow) {
        guard let rate = node.value.number, rate > 0, rate < 1 else {
            error(node, "'false-block-rate' must be a number above 0 and below 1", help: "false-block-rate: 0.05")
            return
        }
        workflow.falseBlockRate = rate
    }

    mutating func gates(alone node: YAMLNode, into workflow: inout Workflow) {
        guard let entries = mapping(node, "a file of gates", [Key("gates"), Key("false-block-rate"), Key("sheaf")])
        else { return }
        if let rate = entries["false-block-rate"] { falseBlockRate(rate, into: &workflow) }
        guard let rules = entries["gates"] else {
            error(node, "the file has no 'gates'")
            return
        }
        workflow.gates += gates(rules, jobs: workflow.jobs)
    }

    // MARK: keys

    /// A key that a mapping may have.
    struct Key {
        enum Support { case honoured, sheaf, unsupported }
        var name: String
        var support: Support

        init(_ name: String, _ support: Support = .honoured) {
            self.name = name
            self.support = support
        }
    }

    /// The mapping's entries by key; unknown ones are reported, and left out with the unsupported ones.
    mutating func mapping(_ node: YAMLNode, _ what: String, _ keys: [Key]) -> [String: YAMLNode]? {
        guard let entries = node.entries else {
            error(node, "\(what) must be a mapping, not \(node.kindName)")
            return nil
        }
        var found: [String: YAMLNode] = [:]
        for entry in entries {
            let place = YAMLNode(kind: entry.value.kind, position: entry.keyPosition)
            switch keys.first(where: { $0.name == entry.key })?.support {
            case .honoured: found[entry.key] = entry.value
            case .sheaf where isSheaf: found[entry.key] = entry.value
            case .sheaf:
                error(
                    place, "unknown key '\(entry.key)' in \(what)",
                    help: "it is one of Sheaf's own keys: write sheaf: 1 at the top of the file")
            case .unsupported: unsupported(place, "'\(entry.key)' in \(what)", help: "remove it to run here")
            case nil:
                let known = keys.map(\.name)
                let near = Spelling.nearest(to: entry.key, among: known)
                error(
                    place, "unknown key '\(entry.key)' in \(what)",
                    help: near.map { "did you mean '\($0)'?" } ?? "known keys are \(known.joined(separator: ", "))")
            }
        }
        return found
    }

    // MARK: texts

    /// A scalar's text, without expressions.
    mutating func text(_ node: YAMLNode, _ what: String) -> String? {
        guard let scalar = node.scalar, !node.isNull else {
            error(node, "\(what) must be text, not \(node.kindName)")
            return nil
        }
        return scalar.text
    }

    /// A scalar whose expressions are checked; the text as it stands.
    @discardableResult
    mutating func template(_ node: YAMLNode, _ what: String, in scope: ExpressionScope) -> String? {
        guard let scalar = node.scalar else {
            error(node, "\(what) must be text, not \(node.kindName)")
            return nil
        }
        do throws(ExpressionError) {
            let template = try TemplateText(scalar.text, in: scope)
            for expression in template.expressions { checkSecrets(expression, at: node) }
        } catch {
            report(error, in: node)
        }
        return scalar.text
    }

    /// Checks the expressions of a node and of all below it.
    mutating func templates(_ node: YAMLNode, _ what: String, in scope: ExpressionScope) {
        switch node.kind {
        case .scalar: template(node, what, in: scope)
        case .sequence(let items): for item in items { templates(item, what, in: scope) }
        case .mapping(let entries): for entry in entries { templates(entry.value, what, in: scope) }
        }
    }

    /// The text of an `if`, checked.
    mutating func condition(_ node: YAMLNode, in scope: ExpressionScope) -> String? {
        guard let scalar = node.scalar else {
            error(node, "'if' must be an expression, not \(node.kindName)")
            return nil
        }
        do throws(ExpressionError) {
            let condition = try Condition(scalar.text, in: scope)
            for expression in condition.expressions { checkSecrets(expression, at: node) }
        } catch {
            report(error, in: node)
        }
        return scalar.text
    }

    private mutating func checkSecrets(_ expression: Expression, at node: YAMLNode) {
        for path in expression.references where path.first == "secrets" {
            unsupported(
                node, "secrets ('\(path.joined(separator: "."))')",
                help: "a run with secrets is refused, so that none is ever read as empty")
        }
    }

    private mutating func report(_ problem: ExpressionError, in node: YAMLNode) {
        diagnostics.append(Diagnostic(at: place(of: problem.offset, in: node), problem.message))
    }

    /// The place of a UTF-16 unit of a scalar's text, found again in the source's line.
    private func place(of offset: Int, in node: YAMLNode) -> SourcePosition {
        guard let scalar = node.scalar else { return node.position }
        let before = String(decoding: Array(scalar.text.utf16).prefix(offset), as: UTF16.self)
        let breaks = before.count { $0.isNewline }
        let lead = before.split(omittingEmptySubsequences: false) { $0.isNewline }.last ?? ""
        let line = node.position.line + breaks + (scalar.isBlock ? 1 : 0)
        guard line <= lines.count else { return node.position }
        let source = lines[line - 1]
        let whole = scalar.text.split(omittingEmptySubsequences: false) { $0.isNewline }
        guard breaks < whole.count, !whole[breaks].isEmpty else { return node.position }
        let from = breaks == 0 && !scalar.isBlock ? node.position.column - 1 : 0
        let tail = source.dropFirst(from)
        guard let start = tail.firstRange(of: whole[breaks])?.lowerBound else { return node.position }
        let column = source.distance(from: source.startIndex, to: start) + lead.count + 1
        return SourcePosition(file: file, line: line, column: column)
    }

    // MARK: diagnostics

    mutating func error(_ node: YAMLNode, _ problem: String, help: String? = nil) {
        diagnostics.append(Diagnostic(at: node.position, problem, help: help))
    }

    mutating func warning(_ node: YAMLNode, _ problem: String, help: String? = nil) {
        diagnostics.append(Diagnostic(.warning, at: node.position, problem, help: help))
    }

    mutating func unsupported(_ node: YAMLNode, _ what: String, help: String? = nil) {
        diagnostics.append(Diagnostic(.unsupported, at: node.position, "not supported yet: \(what)", help: help))
    }
}
