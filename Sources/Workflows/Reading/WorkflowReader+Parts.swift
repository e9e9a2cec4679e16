import Expressions
import Model

/// Parts that several places of a workflow have: permissions, defaults, env.
extension WorkflowReader {
    mutating func permissions(_ node: YAMLNode) -> Permissions? {
        if let word = node.scalar?.text {
            switch word {
            case "read-all": return .all(.read)
            case "write-all": return .all(.write)
            default:
                error(node, "unknown permission \(node.told)", help: "give read-all, write-all or a mapping")
                return nil
            }
        }
        guard let entries = mapping(node, "'permissions'", Permissions.names.map { Key($0) }) else { return nil }
        var granted: [String: Permissions.Level] = [:]
        for name in entries.keys.sorted() {
            guard let value = entries[name] else { continue }
            if let level = value.scalar.flatMap({ Permissions.Level($0.text) }) {
                granted[name] = level
                if name == "id-token", level == .write {
                    warning(
                        .idle, value.position, "'id-token: write' has no effect here: nobody gives out identity tokens",
                        help: "give the agents what they need to sign in")
                }
            } else {
                error(value, "'\(name)' must be read, write or none, not \(value.told)", help: "\(name): read")
            }
        }
        return .named(granted)
    }

    mutating func defaults(_ node: YAMLNode, in scope: ExpressionScope = Scopes.runName) -> Workflow.Defaults {
        var defaults = Workflow.Defaults()
        guard let entries = mapping(node, "'defaults'", [Key("run")]), let run = entries["run"],
            let parts = mapping(run, "'defaults.run'", [Key("shell"), Key("working-directory")])
        else { return defaults }
        if let shell = parts["shell"] {
            defaults.shell = template(shell, "'shell'", in: scope)
            checkShell(shell)
        }
        if let folder = parts["working-directory"] {
            defaults.workingDirectory = template(folder, "'working-directory'", in: scope)
        }
        return defaults
    }

    mutating func environment(_ node: YAMLNode, in scope: ExpressionScope) -> [Template] {
        guard let entries = node.entries else {
            if let scalar = node.scalar, isOneExpression(scalar.text) {
                template(node, "'env'", in: scope, taking: .anything)
                unsupported(node, "an 'env' that is one expression", help: "write its names out")
                types.envIsOpen = true
            } else {
                error(node, "'env' must be a mapping, not \(node.kindName)", help: "name each: env: {SEED: 1}")
            }
            return []
        }
        var set: [Template] = []
        for entry in entries {
            if TemplateText.isInsert(entry.key) {
                template(entry.value, "an inserted mapping", in: scope, taking: .anything)
                unsupported(entry.keyNode, "${{ insert }}", help: "write its names out")
                types.envIsOpen = true
                continue
            }
            if entry.key.contains(where: { $0 == "=" || $0 == " " || $0 == "&" }) || entry.key.isEmpty {
                warning(
                    .environment, entry.keyPosition, "'\(entry.key)' is no name of an environment variable",
                    help: "use letters, digits and _")
            }
            if let text = template(entry.value, "'\(entry.key)'", in: scope) { set.append(Template(entry.key, text)) }
        }
        for entry in entries {
            types.define(entry.key)
            if Self.holdsSecret(entry.value) { types.secretVariables.append(entry.key) }
        }
        return set
    }

    func isOneExpression(_ text: String) -> Bool {
        let text = text.trimmingSpace
        return text.hasPrefix("${{") && text.hasSuffix("}}")
    }

    /// The environment that a job deploys to.
    mutating func deployment(_ node: YAMLNode) {
        guard node.entries != nil else {
            if node.isNull {
                error(node, "'environment' must be a name", help: "environment: production")
            } else {
                template(node, "'environment'", in: Scopes.jobCell)
            }
            return
        }
        guard let parts = mapping(node, "'environment'", [Key("name"), Key("url", .idle), Key("deployment", .idle)])
        else {
            return
        }
        if let name = parts["name"] {
            template(name, "'name'", in: Scopes.jobCell)
        } else {
            error(node, "'environment' has no 'name'", help: "environment: {name: production}")
        }
        // The address may read steps: it is checked once they are known.
        if let deploys = parts["deployment"] {
            _ = literal(deploys, "'deployment'", "true or false", in: Scopes.jobCell) { $0.boolean != nil }
        }
    }

    mutating func snapshot(_ node: YAMLNode) {
        guard node.entries != nil else {
            template(node, "'snapshot'", in: Scopes.jobCell)
            return
        }
        guard let parts = mapping(node, "'snapshot'", [Key("image-name"), Key("version"), Key("if")]) else { return }
        if let name = parts["image-name"] {
            template(name, "'image-name'", in: Scopes.jobCell)
        } else {
            error(node, "'snapshot' has no 'image-name'", help: "snapshot: {image-name: NAME}")
        }
        if let version = parts["version"] { template(version, "'version'", in: Scopes.jobCell) }
        if let node = parts["if"] { _ = condition(node, in: Scopes.jobCell) }
    }
}
