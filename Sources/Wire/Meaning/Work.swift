package import Model

// What a job's shards do, as plans hold it and assignments carry it.

extension Proto.JobWork {
    package init(_ work: Model.JobWork) {
        self.init()
        environment = work.environment.map { Proto.Template($0) }
        shell = work.shell
        workingDirectory = work.workingDirectory
        setup = work.setup.map { Proto.Step($0) }
        steps = work.steps.map { Proto.Step($0) }
        metrics = work.metrics
        metricSources = work.metricSources.map { Proto.MetricSource($0) }
        outputs = work.outputs.map { Proto.Template($0) }
        container = work.container.map { Proto.Container($0) }
        services = work.services.map { service in
            .with {
                $0.name = service.name
                $0.container = Proto.Container(service.container)
            }
        }
    }

    package func meaning() throws(MeaningError) -> Model.JobWork {
        Model.JobWork(
            environment: environment.map(\.meaning), shell: shell, workingDirectory: workingDirectory,
            setup: try list("setup", setup) { step throws(MeaningError) in try step.meaning() },
            steps: try list("steps", steps) { step throws(MeaningError) in try step.meaning() },
            metrics: metrics,
            metricSources: try list("metric_sources", metricSources) { source throws(MeaningError) in
                try source.meaning()
            }, outputs: outputs.map(\.meaning), container: container?.meaning,
            services: try list("services", services) { service throws(MeaningError) in
                guard let container = service.container else { throw MeaningError("container", "is missing") }
                return Model.JobService(name: service.name, container: container.meaning)
            })
    }
}

extension Proto.Container {
    package init(_ container: Model.JobContainer) {
        self.init()
        image = container.image
        environment = container.environment.map { Proto.Template($0) }
        volumes = container.volumes
        ports = container.ports
        options = container.options
        entrypoint = container.entrypoint
        command = container.command
        credentials = container.credentials.map { given in
            .with {
                $0.username = given.username
                $0.password = given.password
            }
        }
    }

    package var meaning: Model.JobContainer {
        Model.JobContainer(
            image: image, environment: environment.map(\.meaning), volumes: volumes, ports: ports, options: options,
            entrypoint: entrypoint, command: command,
            credentials: credentials.map { .init(username: $0.username, password: $0.password) })
    }
}

extension Proto.MetricSource {
    package init(_ source: Model.MetricSource) {
        self.init()
        path = source.path
        format = source.format.rawValue
        id = source.id ?? ""
        take = source.taking.rawValue
        withoutItems = !source.withItems
    }

    package func meaning() throws(MeaningError) -> Model.MetricSource {
        guard let format = Model.MetricSource.Format(rawValue: format) else {
            throw MeaningError("format", "is '\(self.format.prefix(40))', which this build does not read")
        }
        guard let taking = Model.MetricSource.Taking(rawValue: take.isEmpty ? "last" : take) else {
            throw MeaningError("take", "is '\(take.prefix(40))', which is neither last nor samples")
        }
        return Model.MetricSource(
            path: path, format: format, id: id.isEmpty ? nil : id, taking: taking, withItems: !withoutItems)
    }
}

extension Proto.Template {
    package init(_ template: Model.Template) {
        self.init()
        name = template.name
        text = template.text
    }

    package var meaning: Model.Template { Model.Template(name, text) }
}

extension Proto.Step {
    package init(_ step: Model.Step) {
        self.init()
        id = step.id
        name = step.name
        condition = step.condition
        switch step.action {
        case .run(let command): action = .run(command)
        case .uses(let name, let reference, let with):
            var uses = Proto.UsesAction()
            uses.action = name
            uses.reference = reference
            uses.with = with.map { Proto.Template($0) }
            action = .uses(uses)
        case .local(let local, let with): action = .local(Proto.LocalAction(local, with))
        }
        environment = step.environment.map { Proto.Template($0) }
        shell = step.shell
        workingDirectory = step.workingDirectory
        timeout = step.timeout
        continueOnError = step.continueOnError
        line = UInt32(held: step.line)
    }

    package func meaning() throws(MeaningError) -> Model.Step {
        let action: Model.Step.Action
        switch self.action {
        case .run(let command): action = .run(command)
        case .uses(let uses):
            action = .uses(action: uses.action, reference: uses.reference, with: uses.with.map(\.meaning))
        case .local(let local):
            action = .local(
                try field("local") { () throws(MeaningError) in try local.meaning() }, with: local.with.map(\.meaning))
        case nil: throw MeaningError("action", "is missing: it is one of run, uses and local")
        }
        return Model.Step(
            id: id, name: name, condition: condition, action: action, environment: environment.map(\.meaning),
            shell: shell, workingDirectory: workingDirectory, timeout: timeout, continueOnError: continueOnError,
            line: Int(line))
    }
}

extension Proto.LocalAction {
    package init(_ action: Model.LocalAction, _ with: [Model.Template]) {
        self.init()
        path = action.path
        inputs = action.inputs.map { input in
            .with {
                $0.name = input.name
                $0.fallback = input.fallback
                $0.required = input.isRequired
            }
        }
        self.with = with.map { Proto.Template($0) }
        source = action.source.map { Proto.ActionSource($0) }
        switch action.body {
        case .steps(let steps, let outputs):
            self.steps = steps.map { Proto.Step($0) }
            self.outputs = outputs.map { Proto.Template($0) }
        case .node(let program):
            node = .with {
                $0.main = program.main
                $0.post = program.post
                $0.postCondition = program.postCondition
            }
        }
    }

    /// Without what it is given.
    package func meaning() throws(MeaningError) -> Model.LocalAction {
        let body: Model.LocalAction.Body
        if let node {
            body = .node(
                Model.LocalAction.NodeProgram(main: node.main, post: node.post, postCondition: node.postCondition))
        } else {
            body = .steps(
                try list("steps", steps) { step throws(MeaningError) in try step.meaning() },
                outputs: outputs.map(\.meaning))
        }
        return Model.LocalAction(
            path: path,
            inputs: inputs.map { .init(name: $0.name, fallback: $0.fallback, isRequired: $0.required) }, body: body,
            source: try source?.meaning())
    }
}

extension Proto.ActionSource {
    package init(_ source: Model.ActionSource) {
        self.init()
        repository = source.repository
        commit = source.commit
        tree = source.tree.bytes
    }

    package func meaning() throws(MeaningError) -> Model.ActionSource {
        // Both become names of folders where the actions are unpacked.
        guard ActionReference.isRepository(repository) else {
            throw MeaningError("repository", "is '\(repository.prefix(100))', which is no owner/name")
        }
        guard ActionReference.commit(commit) == commit else {
            throw MeaningError("commit", "is '\(commit.prefix(100))', which is no commit's 40 digits")
        }
        guard let tree = Digest(tree) else { throw MeaningError("tree", "is no digest of 32 bytes") }
        return Model.ActionSource(repository: repository, commit: commit, tree: tree)
    }
}
