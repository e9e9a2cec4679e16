import Expressions
import Model

extension WorkflowReader {
    private static let stepKeys: [Key] = [
        Key("id"), Key("name"), Key("if"), Key("run"), Key("uses"), Key("with"), Key("env"), Key("shell"),
        Key("working-directory"), Key("timeout-minutes"), Key("continue-on-error"),
    ]

    /// The actions that agents have, with what they take.
    private static let actions: [String: [Key]] = [
        "actions/checkout": [
            Key("path"), Key("clean"), Key("fetch-depth"), Key("persist-credentials"), Key("ref", .unsupported),
            Key("repository", .unsupported), Key("submodules", .unsupported), Key("lfs", .unsupported),
            Key("token", .unsupported), Key("ssh-key", .unsupported), Key("ssh-known-hosts", .unsupported),
            Key("ssh-strict", .unsupported), Key("ssh-user", .unsupported), Key("filter", .unsupported),
            Key("sparse-checkout", .unsupported), Key("sparse-checkout-cone-mode", .unsupported),
            Key("fetch-tags", .unsupported), Key("show-progress"), Key("set-safe-directory"),
            Key("github-server-url", .unsupported),
        ],
        "actions/setup-python": [
            Key("python-version"), Key("architecture"), Key("update-environment"), Key("check-latest"),
            Key("cache", .unsupported), Key("cache-dependency-path", .unsupported),
            Key("python-version-file", .unsupported), Key("token", .unsupported),
            Key("allow-prereleases", .unsupported),
            Key("freethreaded", .unsupported), Key("pip-version", .unsupported), Key("pip-install", .unsupported),
        ],
        "actions/upload-artifact": [
            Key("name"), Key("path"), Key("if-no-files-found"), Key("retention-days"), Key("compression-level"),
            Key("overwrite", .unsupported), Key("include-hidden-files"), Key("archive", .unsupported),
        ],
        "actions/download-artifact": [
            Key("name"), Key("path"), Key("pattern"), Key("merge-multiple"), Key("artifact-ids", .unsupported),
            Key("github-token", .unsupported), Key("repository", .unsupported), Key("run-id", .unsupported),
            Key("skip-decompress", .unsupported), Key("digest-mismatch", .unsupported),
        ],
    ]

    mutating func steps(_ node: YAMLNode, _ what: String, ids: inout Set<String>) -> [Step] {
        guard let items = node.items, !items.isEmpty else {
            error(node, "\(what) must be a list with one step at least")
            return []
        }
        guard items.count <= Limits.stepsPerJobMax else {
            error(node, "\(what) has \(items.count) steps; the limit is \(Limits.stepsPerJobMax)")
            return []
        }
        return items.compactMap { step($0, ids: &ids) }
    }

    private mutating func step(_ node: YAMLNode, ids: inout Set<String>) -> Step? {
        guard let parts = mapping(node, "a step", Self.stepKeys) else { return nil }
        guard let action = action(node, parts) else { return nil }
        var step = Step(action: action, line: node.position.line)
        if let id = parts["id"], let text = text(id, "'id'") {
            if !Self.isIdentifier(text) {
                error(
                    id, "'\(text)' is no step id", help: "begin with a letter or _, go on with letters, digits, _ and -"
                )
            } else if !ids.insert(text.lowercased()).inserted {
                error(id, "the id '\(text)' is taken by another step of this job")
            }
            step.id = text
        }
        if let name = parts["name"] { step.name = template(name, "'name'", in: Scopes.stepText) }
        if let node = parts["if"] { step.condition = condition(node, in: Scopes.stepCondition) }
        if let node = parts["env"] { step.environment = environment(node, in: Scopes.stepText) }
        if let node = parts["shell"] { step.shell = template(node, "'shell'", in: Scopes.stepText) }
        if let node = parts["working-directory"] {
            step.workingDirectory = template(node, "'working-directory'", in: Scopes.stepText)
        }
        if let node = parts["timeout-minutes"] {
            step.timeout = template(node, "'timeout-minutes'", in: Scopes.stepText)
        }
        if let node = parts["continue-on-error"] {
            step.continueOnError = template(node, "'continue-on-error'", in: Scopes.stepText)
        }
        return step
    }

    private mutating func action(_ node: YAMLNode, _ parts: [String: YAMLNode]) -> Step.Action? {
        switch (parts["run"], parts["uses"]) {
        case (let run?, nil):
            if let with = parts["with"] { error(with, "'with' belongs to 'uses', not to 'run'") }
            return template(run, "'run'", in: Scopes.stepText).map { .run($0) }
        case (nil, let uses?):
            for key in ["shell", "working-directory"] {
                if let extra = parts[key] { error(extra, "'\(key)' belongs to 'run', not to 'uses'") }
            }
            return self.uses(uses, parts["with"])
        case (.some, .some):
            error(node, "a step has either 'run' or 'uses', not both")
            return nil
        case (nil, nil):
            error(node, "a step needs 'run' or 'uses'")
            return nil
        }
    }

    private mutating func uses(_ node: YAMLNode, _ with: YAMLNode?) -> Step.Action? {
        guard let whole = text(node, "'uses'") else { return nil }
        let words = whole.split(separator: "@", maxSplits: 1).map(String.init)
        let isLocal = whole.hasPrefix("./") || whole.hasPrefix("docker://")
        if !isLocal && (words.count != 2 || !words[0].contains("/")) {
            error(node, "'\(whole)' names no action", help: "write owner/repository@version: actions/checkout@v4")
            return nil
        }
        let name = words[0].lowercased()
        guard let keys = Self.actions[name] else {
            let near = Spelling.nearest(to: name, among: Self.actions.keys.sorted())
            unsupported(
                node, "the action '\(whole)'",
                help: near.map { "did you mean '\($0)'?" }
                    ?? "agents have checkout, setup-python, upload-artifact and download-artifact")
            if let with { templates(with, "'with'", in: Scopes.stepText) }
            return .uses(action: words[0], reference: words.count > 1 ? words[1] : "", with: [])
        }
        var given: [Template] = []
        if let with, !with.isNull {
            guard let entries = with.entries else {
                error(with, "'with' must be a mapping, not \(with.kindName)")
                return nil
            }
            for entry in entries {
                checkInput(entry, of: name, keys)
                if entry.key == "python-version" { warnOfVersion(entry.value) }
                if let text = template(entry.value, "'\(entry.key)'", in: Scopes.stepText) {
                    given.append(Template(entry.key, text))
                }
            }
        }
        if name == "actions/upload-artifact", !given.contains(where: { $0.name == "path" }) {
            error(node, "upload-artifact needs a 'path'")
        }
        return .uses(action: name, reference: words[1], with: given)
    }

    /// An input that the action does not take is passed over there, with a warning; so it is here.
    private mutating func checkInput(_ entry: YAMLNode.Entry, of action: String, _ keys: [Key]) {
        let place = YAMLNode(kind: entry.value.kind, position: entry.keyPosition)
        switch keys.first(where: { $0.name == entry.key })?.support {
        case .honoured, .sheaf: break
        case .unsupported: unsupported(place, "'\(entry.key)' of \(action)", help: "remove it to run here")
        case nil:
            let near = Spelling.nearest(to: entry.key, among: keys.map(\.name))
            warning(
                place, "\(action) takes no input '\(entry.key)'",
                help: near.map { "did you mean '\($0)'?" } ?? "remove it")
        }
    }
}
