import Expressions
import Model

extension WorkflowReader {
    /// What a job may have whether it has steps or calls a workflow.
    private static let commonKeys: [Key] = [
        Key("name"), Key("needs"), Key("if"), Key("strategy"), Key("permissions"),
        Key("concurrency"),
    ]

    private static let jobKeys: [Key] =
        commonKeys + [
            Key("runs-on"), Key("env"), Key("defaults"), Key("outputs"), Key("continue-on-error"),
            Key("timeout-minutes"), Key("steps"),
            Key("cancel-timeout-minutes", .unsupported, help: "a cancelled attempt has the agent's grace: remove it"),
            Key("environment"),
            Key("container"),
            Key("services"),
            Key("snapshot", .unsupported), Key("shards", .sheaf), Key("resources", .sheaf), Key("inputs", .sheaf),
            Key("idle-timeout-minutes", .sheaf), Key("queue-timeout-minutes", .sheaf), Key("retry", .sheaf),
            Key("idempotent", .sheaf),
            Key("setup", .sheaf), Key("metrics", .sheaf), Key("required", .sheaf),
            Key("tier", .sheaf), Key("needs-gates", .sheaf),
        ]

    private static let callKeys: [Key] =
        commonKeys + [
            Key("uses"), Key("with"), Key("secrets"),
        ]

    mutating func jobs(_ node: YAMLNode, of workflow: Workflow) -> [JobSource] {
        guard let entries = node.entries, !entries.isEmpty else {
            if let scalar = node.scalar, TemplateText.hasExpression(scalar.text) {
                error(node, "an expression is not allowed in 'jobs'", help: "write the jobs out")
            } else {
                error(
                    node, "'jobs' must be a mapping with one job at least",
                    help: "jobs: {eval: {runs-on: linux, steps: [{run: make eval}]}}")
            }
            return []
        }
        guard entries.count <= files.jobsMax else {
            error(
                node, "the workflow has \(entries.count) jobs; the limit is \(files.jobsMax)",
                help: "split the workflow")
            return []
        }
        var jobs: [JobSource] = []
        let known = entries.map(\.key)
        for (index, entry) in entries.enumerated() {
            if !Self.isIdentifier(entry.key) {
                error(
                    entry.keyNode, "'\(entry.key)' is no job id",
                    help: "begin with a letter or _ (not two), go on with letters, digits, _ and -")
            }
            // A name that others refer to stays one, whatever else is wrong with the job.
            var job = JobSource(id: entry.key, position: entry.keyPosition)
            job.isUnread = true
            if readingFails({ if let read = $0.job(entry, of: workflow) { job = read } }) { unread.jobs = true }
            let next = entries.indices.contains(index + 1) ? entries[index + 1].keyPosition.line : Int.max
            let lines = entry.keyPosition.line..<max(next, entry.keyPosition.line + 1)
            if brokenLines.contains(where: lines.contains) { (job.isUnread, unread.jobs) = (true, true) }
            jobs.append(job)
        }
        if let first = entries.first, brokenLines.contains(where: { $0 < first.keyPosition.line }) {
            unread.triggers = true
        }
        checkNeeds(of: jobs, known: known)
        if readingFails({ $0.checkMatches(of: jobs) }) {
            for index in jobs.indices { jobs[index].matches = [:] }
        }
        let count = Self.count(jobs)
        if count > files.jobsMax {
            error(
                node,
                "the workflow has \(count) jobs, those of called workflows included; the limit is \(files.jobsMax)",
                help: "split the workflow, or give one job a matrix")
            for index in jobs.indices { (jobs[index].isUnread, jobs[index].call) = (true, nil) }
        }
        return jobs
    }

    private static func count(_ jobs: [JobSource]) -> Int {
        jobs.reduce(0) { $0 + 1 + count($1.call?.workflow?.jobs ?? []) }
    }

    /// Ids of jobs, steps, inputs and gates.
    static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, text.utf8.count < 100, !text.hasPrefix("__") else { return false }
        let isLetter = { (scalar: Unicode.Scalar) in
            ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
        }
        return isLetter(first)
            && text.unicodeScalars.allSatisfy { isLetter($0) || ("0"..."9").contains($0) || $0 == "-" }
    }

    private mutating func job(_ entry: YAMLNode.Entry, of workflow: Workflow) -> JobSource? {
        let node = entry.value
        guard let entries = node.entries else {
            error(
                node, "a job must be a mapping, not \(node.kindName)", help: "write runs-on: and steps: below its name")
            return nil
        }
        // Whichever comes first says what kind of job it is.
        let calls = entries.first { $0.key == "uses" || $0.key == "runs-on" }?.key == "uses"
        let outer = types
        defer { types = outer }
        guard let parts = jobParts(node, calls: calls) else { return nil }
        var job = JobSource(id: entry.key, position: entry.keyPosition)
        readsCells = false
        secretsRead = secretsOfAll
        let broken = brokenExpressions
        types.matrix = PlaceTypes.matrix(node["strategy"]?["matrix"])
        if let node = parts["needs-gates"] {
            job.needsGates = (node.items ?? [node]).compactMap { notEmpty($0, "an entry of 'needs-gates'") }
        }
        if let node = parts["needs"] {
            job.needs = needs(node, of: &job)
            for named in (node.items ?? [node]).map({ $0["job"] ?? $0 }) {
                if let id = named.scalar?.text { job.needPositions[id] = named.position }
            }
        }
        types.needs = types.needs(of: job.needs)
        if let name = parts["name"] {
            template(name, "'name'", in: Scopes.jobCell)
            job.name = name
        }
        if let node = parts["if"] {
            job.condition = condition(node, in: isSheaf ? Scopes.jobConditionWithMatrix : Scopes.jobCondition)
            job.conditionPosition = node.position
        }
        if let node = parts["strategy"] { strategy(node, into: &job) }
        if let node = parts["permissions"] { job.permissions = permissions(node) }
        if let node = parts["concurrency"] {
            concurrency(node, in: Scopes.jobCell)
            job.concurrency = node
        }
        if calls {
            job.isUnread = readingFails { job.call = $0.call(parts, of: job, in: workflow, at: entry) }
            if brokenExpressions > broken { job.isUnread = true }
            if job.isUnread { job.call?.workflow = nil }
            adviseOnConcurrency(of: job, in: workflow)
            if let most = job.maxParallel {
                unsupported(
                    most, "'max-parallel' of a job that calls a workflow", help: "give it to the jobs of that workflow")
            }
            return job
        }
        adviseOnConcurrency(of: job, in: workflow)
        placement(parts, of: &job, at: entry)
        measures(parts, of: &job)
        job.isUnread = brokenExpressions > broken
        if job.timeout == nil, !isSheaf, parts["timeout-minutes"] == nil {
            warning(
                .timeout, entry.keyPosition,
                "the job '\(entry.key)' has no 'timeout-minutes': a hang lasts 360 minutes",
                help: "add timeout-minutes")
        }
        if readingFails({ job.work = $0.work(parts, of: workflow, &job, at: entry) }) { job.python = nil }
        job.readsCells = readsCells
        job.secrets = secretsRead.sorted()
        checkSecrets(of: job)
        return job
    }

    private mutating func jobParts(_ node: YAMLNode, calls: Bool) -> [String: YAMLNode]? {
        guard let entries = node.entries else { return nil }
        let (own, others) = calls ? (Self.callKeys, Self.jobKeys) : (Self.jobKeys, Self.callKeys)
        var rest: [YAMLNode.Entry] = []
        for entry in entries {
            let isOwn = own.contains { $0.name == entry.key }
            guard !isOwn, others.contains(where: { $0.name == entry.key }) else {
                rest.append(entry)
                continue
            }
            error(
                entry.keyNode,
                calls
                    ? "'\(entry.key)' is not for a job that calls a workflow"
                    : "'\(entry.key)' is only for a job that calls a workflow",
                help: calls ? "remove it, or remove 'uses'" : "remove it, or 'runs-on' and 'steps'")
        }
        return mapping(YAMLNode(kind: .mapping(rest), position: node.position), "a job", own)
    }

    /// What says where the job runs, and in what.
    private mutating func placement(_ parts: [String: YAMLNode], of job: inout JobSource, at entry: YAMLNode.Entry) {
        if let node = parts["runs-on"] {
            if !readingFails({ $0.runsOn(node) }) { job.runsOn = node }
            if let matrix = parts["strategy"]?["matrix"] { adviseOnLabels(node, of: matrix) }
        } else {
            error(
                entry.keyNode, "the job '\(entry.key)' has no 'runs-on'",
                help: "name labels: runs-on: [self-hosted, linux]")
        }
        if let node = parts["environment"] {
            deployment(node)
            job.environment = node
        }
        if let node = parts["snapshot"] { snapshot(node) }
        if let node = parts["container"] {
            job.container = container(node)
            job.containerImage = node["image"] ?? node
        }
        if let node = parts["services"] { job.services = services(node) }
        if let node = parts["resources"] { job.resources = resources(node) }
        if let node = parts["inputs"] { job.inputs = inputs(node) }
    }

    /// What bounds and counts it.
    private mutating func measures(_ parts: [String: YAMLNode], of job: inout JobSource) {
        let flag = { (value: Value) in value.boolean != nil }
        if let node = parts["continue-on-error"] {
            job.continueOnError = literal(node, "'continue-on-error'", "true or false", in: Scopes.jobCell, flag)
        }
        if let node = parts["required"] {
            job.required = literal(node, "'required'", "true or false", in: Scopes.jobCell, flag)
        }
        if let node = parts["tier"] { job.tier = tier(node) }
        if let node = parts["shards"] { job.shards = shards(node) }
        if let node = parts["retry"] { job.retry = retry(node) }
        if let node = parts["idempotent"] { job.isIdempotent = self.flag(node, "'idempotent'") ?? false }
        job.timeout = parts["timeout-minutes"].flatMap { minutes($0, "'timeout-minutes'") }
        job.idleTimeout = parts["idle-timeout-minutes"].flatMap { minutes($0, "'idle-timeout-minutes'") }
        job.queueTimeout = parts["queue-timeout-minutes"].flatMap { minutes($0, "'queue-timeout-minutes'") }
        _ = parts["cancel-timeout-minutes"].flatMap { minutes($0, "'cancel-timeout-minutes'") }
    }

    private mutating func work(
        _ parts: [String: YAMLNode], of workflow: Workflow, _ job: inout JobSource, at entry: YAMLNode.Entry
    ) -> JobWork {
        var work = JobWork(
            environment: workflow.environment, shell: workflow.defaults.shell,
            workingDirectory: workflow.defaults.workingDirectory)
        let secretsOfJob = secrets { reader in
            if let node = parts["env"] { work.environment += reader.environment(node, in: Scopes.jobEnvironment) }
        }
        if let node = parts["defaults"] {
            let own = defaults(node, in: Scopes.jobDefaults)
            work.shell = own.shell ?? work.shell
            work.workingDirectory = own.workingDirectory ?? work.workingDirectory
        }
        types.steps = []
        var walk = StepWalk(defaultShell: work.shell)
        work.container = job.container
        work.services = job.services.map(\.service)
        if let node = parts["setup"] {
            let own = secrets { work.setup = $0.steps(node, "'setup'", &walk) }
            checkSetup(node, secrets: own, environment: secretsOfJob.union(secretsOfAll))
            if job.container != nil {
                unsupported(
                    node, "'setup' of a job that runs in a container",
                    help: "its image is its environment: install there what is needed, or in a step")
            }
        }
        walk.isContained = job.container != nil
        if let node = parts["steps"] {
            work.steps = steps(node, "'steps'", &walk)
            adviseOnCheckout(parts["shards"]?["items"]?["collect"], work.steps)
        } else {
            warning(
                .step, entry.keyPosition, "the job '\(job.id)' has no 'steps': it does nothing",
                help: "add steps: with one step at least")
        }
        job.python = walk.python
        job.needsNode = walk.needsNode
        if let node = parts["metrics"] { readMetrics(node, into: &work) }
        if let node = parts["outputs"] {
            if let entries = node.entries {
                work.outputs = entries.compactMap { entry in
                    template(entry.value, "an output", in: Scopes.jobOutputs).map { Template(entry.key, $0) }
                }
            } else {
                error(
                    node, "'outputs' must be a mapping, not \(node.kindName)",
                    help: "name each: outputs: {best: \"${{ steps.ID.outputs.best }}\"}")
            }
        }
        if let node = parts["environment"]?["url"] { template(node, "'url'", in: Scopes.environmentAddress) }
        return work
    }

    /// The tiers of a cell: one, or several.
    private mutating func tier(_ node: YAMLNode) -> YAMLNode? {
        guard node.entries == nil, !node.isNull, node.items?.isEmpty != true else {
            error(node, "'tier' must be a name or a list of names, not \(node.kindName)", help: "tier: pr")
            return nil
        }
        templates(node, "'tier'", in: Scopes.jobCell)
        return node
    }

    // MARK: placement

    private mutating func runsOn(_ node: YAMLNode) {
        if node.entries != nil {
            let keys = [Key("group", .unsupported, help: "there are no groups of agents: name labels"), Key("labels")]
            guard let parts = mapping(node, "'runs-on'", keys) else { return }
            if parts.isEmpty { error(node, "'runs-on' names no label", help: "runs-on: [self-hosted, linux]") }
            if let group = parts["group"] { template(group, "'group'", in: Scopes.jobCell) }
            if let labels = parts["labels"] { self.labels(labels) }
            return
        }
        labels(node)
    }

    private mutating func labels(_ node: YAMLNode) {
        if node.isNull || node.items?.isEmpty == true {
            error(node, "'runs-on' names no label", help: "runs-on: [self-hosted, linux]")
        }
        for item in node.items ?? [] where item.scalar == nil || item.isNull {
            error(item, "a label must be text, not \(item.kindName)", help: "runs-on: [self-hosted, linux]")
        }
        templates(node, "'runs-on'", in: Scopes.jobCell)
        adviseOnLabels(node)
    }

    private mutating func resources(_ node: YAMLNode) -> YAMLNode? {
        guard
            let parts = mapping(node, "'resources'", [Key("cpus"), Key("memory"), Key("disk"), Key("gpus")])
        else { return nil }
        templates(node, "'resources'", in: Scopes.jobCell, taking: .text)
        if let gpus = parts["gpus"], gpus.entries != nil {
            let parts = mapping(gpus, "'gpus'", [Key("count"), Key("memory"), Key("model"), Key("or")])
            for other in parts?["or"]?.items ?? [] {
                _ = mapping(other, "an entry of 'or'", [Key("model"), Key("memory"), Key("after-minutes")])
            }
        }
        return node
    }

    private mutating func inputs(_ node: YAMLNode) -> [JobSource.InputSource] {
        guard let items = node.items else {
            error(node, "'inputs' must be a list", help: "inputs: [{path: /data/val, manifest: val.sha256}]")
            return []
        }
        return items.compactMap { item in
            guard let parts = mapping(item, "an input", [Key("path"), Key("manifest")]) else { return nil }
            guard let path = parts["path"]?.scalar?.text, path.hasPrefix("/") else {
                error(
                    item, "an input needs an absolute 'path' on the agents",
                    help: "inputs: [{path: /data/val, manifest: val.sha256}]")
                return nil
            }
            guard let manifest = parts["manifest"]?.scalar?.text else {
                error(item, "an input needs a 'manifest'", help: "a file of the code tree in sha256sum's format")
                return nil
            }
            return JobSource.InputSource(path: path, manifest: manifest, position: item.position)
        }
    }
}
