import Expressions
import Model

/// The container that a job's steps run in, and those that serve them.
extension WorkflowReader {
    private static let containerKeys = [
        Key("image"),
        Key("credentials"),
        Key("env"), Key("ports"), Key("volumes"), Key("options"),
    ]

    /// The container that a job's steps run in.
    mutating func container(_ node: YAMLNode) -> JobContainer? {
        if let ports = node["ports"] {
            warning(
                .idle, ports.position, "'ports' of a job's container have no effect here",
                help: "its steps reach what they start at localhost")
        }
        return container(node, "'container'", Self.containerKeys)
    }

    /// The containers that serve a job's steps, and what says which image each has.
    mutating func services(_ node: YAMLNode) -> [(service: JobService, image: YAMLNode)] {
        if let scalar = node.scalar, isOneExpression(scalar.text) {
            let text = TemplateText.hasExpression(scalar.text)
            if text, let template = try? TemplateText(scalar.text, in: Scopes.jobCell),
                let only = template.expressions.first, template.parts.count == 1
            {
                switch only.check(types.fields(of: Scopes.jobCell)).type {
                case .any, .object: break
                case let type:
                    error(
                        node, "'services' must be a mapping; this expression gives \(type.named)",
                        help: "let it give one: ${{ fromJSON(…) }}")
                }
            }
            template(node, "'services'", in: Scopes.jobCell, taking: .anything)
            if text { unsupported(node, "'services' that are one expression", help: "write each out by its name") }
            return []
        }
        guard let entries = node.entries else {
            error(
                node, "'services' must be a mapping, not \(node.kindName)",
                help: "name each: services: {database: {image: postgres}}")
            return []
        }
        let keys = Self.containerKeys + [Key("command"), Key("entrypoint")]
        return entries.compactMap { entry in
            guard let container = container(entry.value, "the service '\(entry.key)'", keys) else { return nil }
            for (text, item) in zip(container.ports, entry.value["ports"]?.items ?? []) { checkPort(text, item) }
            if let text = container.command, let node = entry.value["command"] { checkCommand(text, node) }
            // It becomes a name in a network.
            if !Self.isServiceName(entry.key) {
                error(
                    entry.keyNode, "'\(entry.key)' cannot be the name of a service",
                    help: "letters, digits, - and _, a letter or a digit first, 63 at most: steps reach it by this name"
                )
            }
            return (JobService(name: entry.key, container: container), entry.value["image"] ?? entry.value)
        }
    }

    private static func isServiceName(_ text: String) -> Bool {
        let isPlain = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        return text.utf8.count <= 63 && text.utf8.first.map(isPlain) == true
            && text.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    private mutating func container(_ node: YAMLNode, _ what: String, _ keys: [Key]) -> JobContainer? {
        guard node.entries != nil else {
            if node.scalar?.text.isEmpty ?? false {
                error(node, "\(what) has no image", help: "name one: python:3.12")
                return nil
            }
            return template(node, what, in: Scopes.jobCell, taking: .anything).map { JobContainer(image: $0) }
        }
        guard let parts = mapping(node, what, keys) else { return nil }
        var container = JobContainer(image: "")
        if let image = parts["image"] {
            if image.scalar?.text.isEmpty ?? false {
                error(image, "the image of \(what) is empty", help: "name one: python:3.12")
            } else if let text = template(image, "'image'", in: Scopes.jobCell) {
                container.image = text
            }
        } else {
            error(node, "\(what) has no 'image'", help: "name one: python:3.12")
        }
        container.credentials = parts["credentials"].flatMap { credentials($0) }
        if let env = parts["env"] {
            let outer = types
            container.environment = environment(env, in: Scopes.containerSecret)
            types = outer
        }
        container.ports = containerList(parts["ports"], "ports").map(\.text)
        for (text, item) in containerList(parts["volumes"], "volumes") {
            container.volumes.append(text)
            checkVolume(text, item)
        }
        if let node = parts["options"], let text = template(node, "'options'", in: Scopes.jobCell) {
            container.options = text
            checkOptions(text, node)
        }
        if let node = parts["entrypoint"] { container.entrypoint = template(node, "'entrypoint'", in: Scopes.jobCell) }
        if let node = parts["command"] { container.command = template(node, "'command'", in: Scopes.jobCell) }
        return container
    }

    private mutating func containerList(_ list: YAMLNode?, _ key: String) -> [(text: String, node: YAMLNode)] {
        guard let list else { return [] }
        guard let items = list.items else {
            if let scalar = list.scalar, isOneExpression(scalar.text) {
                template(list, "'\(key)'", in: Scopes.jobCell, taking: .anything)
                unsupported(list, "'\(key)' that are one expression", help: "write the list out")
            } else {
                error(
                    list, "'\(key)' must be a list, not \(list.kindName)",
                    help: key == "ports" ? "ports: [8080]" : "volumes: [/data:/data]")
            }
            return []
        }
        return items.compactMap { item in
            if item.scalar?.text.isEmpty ?? false {
                error(item, "an entry of '\(key)' must not be empty", help: "remove it, or write what it shall be")
                return nil
            }
            return template(item, "an entry of '\(key)'", in: Scopes.jobCell).map { ($0, item) }
        }
    }

    /// What is written out is known before anything runs; the agent looks at what expressions come to.
    private mutating func checkVolume(_ text: String, _ node: YAMLNode) {
        guard !TemplateText.hasExpression(text) else { return }
        do throws(ContainerOptions.Refusal) {
            _ = try ContainerVolume(text).folder(inWorkspace: "/workspace")
        } catch {
            unsupported(node, error.problem, help: error.help)
        }
    }

    private mutating func checkPort(_ text: String, _ node: YAMLNode) {
        guard !TemplateText.hasExpression(text) else { return }
        do throws(ContainerOptions.Refusal) { _ = try ServicePort(text) } catch {
            unsupported(node, error.problem, help: error.help)
        }
    }

    private mutating func checkCommand(_ text: String, _ node: YAMLNode) {
        guard !TemplateText.hasExpression(text) else { return }
        do throws(ContainerOptions.Refusal) { _ = try ContainerOptions.parts(of: text) } catch {
            self.error(node, error.problem, help: error.help)
        }
    }

    private mutating func checkOptions(_ text: String, _ node: YAMLNode) {
        guard !TemplateText.hasExpression(text) else { return }
        do throws(ContainerOptions.Refusal) {
            for name in try ContainerOptions(text).idle {
                let help =
                    name == "--gpus"
                    ? "the job's leased devices are passed in: resources: {gpus: 1}"
                    : "what a job has is said by 'resources'"
                warning(.idle, node.position, "the container's option \(name) has no effect here", help: help)
            }
        } catch {
            unsupported(node, error.problem, help: error.help)
        }
    }

    private mutating func credentials(_ node: YAMLNode) -> JobContainer.Credentials? {
        let outer = types
        defer { types = outer }
        if let scalar = node.scalar, isOneExpression(scalar.text) {
            template(node, "'credentials'", in: Scopes.containerSecret, taking: .anything)
            unsupported(
                node, "'credentials' that are one expression",
                help: "write both out, so that an agent is found which holds them: {username: …, password: …}")
            return nil
        }
        guard let parts = mapping(node, "'credentials'", [Key("username"), Key("password")]) else { return nil }
        var credentials = JobContainer.Credentials(username: "", password: "")
        for (key, place) in [("username", \JobContainer.Credentials.username), ("password", \.password)] {
            if let part = parts[key] {
                credentials[keyPath: place] = template(part, "'\(key)'", in: Scopes.containerSecret) ?? ""
            } else {
                warning(
                    .secret, node.position, "'credentials' without a '\(key)' are refused when the job starts",
                    help: "credentials: {username: …, password: \"${{ secrets.… }}\"}")
            }
        }
        if let password = parts["password"], let text = password.scalar?.text, !TemplateText.hasExpression(text) {
            warning(
                .secret, password.position, "a password stands in the file for everybody to read",
                help: "keep it as a secret: ${{ secrets.… }}")
        }
        return credentials
    }
}
