import Expressions
import Model

extension WorkflowReader {
    private static let jobKeys: [Key] = [
        Key("name"), Key("needs"), Key("if"), Key("runs-on"), Key("strategy"), Key("env"), Key("defaults"),
        Key("outputs"), Key("continue-on-error"), Key("timeout-minutes"), Key("cancel-timeout-minutes", .unsupported),
        Key("steps"), Key("permissions"),
        Key("environment", .unsupported), Key("concurrency", .unsupported), Key("container", .unsupported),
        Key("services", .unsupported), Key("uses", .unsupported), Key("with", .unsupported),
        Key("secrets", .unsupported), Key("snapshot", .unsupported), Key("shards", .sheaf), Key("resources", .sheaf),
        Key("inputs", .sheaf), Key("idle-timeout-minutes", .sheaf), Key("queue-timeout-minutes", .sheaf),
        Key("retry", .sheaf), Key("setup", .sheaf), Key("metrics", .sheaf), Key("needs-gates", .unsupported),
        Key("tier", .unsupported), Key("required", .unsupported),
    ]

    mutating func jobs(_ node: YAMLNode, of workflow: Workflow) -> [JobSource] {
        guard let entries = node.entries, !entries.isEmpty else {
            error(node, "'jobs' must be a mapping with one job at least")
            return []
        }
        guard entries.count <= Limits.jobsMax else {
            error(node, "the workflow has \(entries.count) jobs; the limit is \(Limits.jobsMax)")
            return []
        }
        var jobs: [JobSource] = []
        for entry in entries {
            let place = YAMLNode(kind: entry.value.kind, position: entry.keyPosition)
            if !Self.isIdentifier(entry.key) {
                error(
                    place, "'\(entry.key)' is no job id",
                    help: "begin with a letter or _, go on with letters, digits, _ and -")
            }
            if let job = job(entry, of: workflow) { jobs.append(job) }
        }
        checkNeeds(of: jobs, known: entries.map(\.key))
        return jobs
    }

    static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, text.utf8.count <= 100 else { return false }
        let isLetter = { (scalar: Unicode.Scalar) in
            ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
        }
        return isLetter(first)
            && text.unicodeScalars.allSatisfy { isLetter($0) || ("0"..."9").contains($0) || $0 == "-" }
    }

    private mutating func job(_ entry: YAMLNode.Entry, of workflow: Workflow) -> JobSource? {
        let node = entry.value
        guard let parts = mapping(node, "a job", Self.jobKeys) else { return nil }
        let calls = node["uses"] != nil
        var job = JobSource(
            id: entry.key, position: entry.keyPosition, needs: parts["needs"].map { needs($0) } ?? [],
            conditionPosition: parts["if"]?.position ?? entry.keyPosition, runsOn: parts["runs-on"], inputs: [],
            shards: ShardPlan(), retry: RetryPolicy(), work: JobWork())
        let place = YAMLNode(kind: node.kind, position: entry.keyPosition)
        if let name = parts["name"] {
            template(name, "'name'", in: Scopes.jobCell)
            job.name = name
        }
        if let node = parts["if"] {
            job.condition = condition(node, in: isSheaf ? Scopes.jobConditionWithMatrix : Scopes.jobCondition)
        }
        if let node = parts["runs-on"] {
            runsOn(node)
        } else if !calls {
            error(place, "the job '\(entry.key)' has no 'runs-on'", help: "name labels: runs-on: [self-hosted, linux]")
        }
        if let node = parts["strategy"] { strategy(node, into: &job) }
        if let node = parts["permissions"] { permissions(node) }
        if let node = parts["continue-on-error"] { job.continueOnError = checked(node, "'continue-on-error'") }
        if let node = parts["resources"] { job.resources = resources(node) }
        if let node = parts["inputs"] { job.inputs = inputs(node) }
        if let node = parts["shards"] { job.shards = shards(node) }
        if let node = parts["retry"] { job.retry = retry(node) }
        job.timeout = parts["timeout-minutes"].map { minutes($0, "'timeout-minutes'") }
        job.idleTimeout = parts["idle-timeout-minutes"].map { minutes($0, "'idle-timeout-minutes'") }
        job.queueTimeout = parts["queue-timeout-minutes"].map { minutes($0, "'queue-timeout-minutes'") }
        if job.timeout == nil, !isSheaf, !calls {
            warning(
                place, "the job '\(entry.key)' has no 'timeout-minutes': a hang lasts 360 minutes",
                help: "add timeout-minutes")
        }
        job.work = work(parts, of: workflow, job: entry.key, at: place, isCalled: calls)
        return job
    }

    private mutating func work(
        _ parts: [String: YAMLNode], of workflow: Workflow, job id: String, at place: YAMLNode, isCalled: Bool
    ) -> JobWork {
        var work = JobWork(
            environment: workflow.environment, shell: workflow.defaults.shell,
            workingDirectory: workflow.defaults.workingDirectory)
        if let node = parts["env"] { work.environment += environment(node, in: Scopes.jobEnvironment) }
        if let node = parts["defaults"] {
            let own = defaults(node)
            work.shell = own.shell ?? work.shell
            work.workingDirectory = own.workingDirectory ?? work.workingDirectory
        }
        var ids: Set<String> = []
        if let node = parts["setup"] { work.setup = steps(node, "'setup'", ids: &ids) }
        if let node = parts["steps"] {
            work.steps = steps(node, "'steps'", ids: &ids)
        } else if !isCalled {
            warning(place, "the job '\(id)' has no 'steps': it does nothing")
        }
        if let node = parts["metrics"] { work.metrics = template(node, "'metrics'", in: Scopes.jobCell) }
        if let node = parts["outputs"], let entries = node.entries {
            work.outputs = entries.compactMap { entry in
                template(entry.value, "an output", in: Scopes.jobOutputs).map { Template(entry.key, $0) }
            }
        }
        return work
    }

    private mutating func needs(_ node: YAMLNode) -> [String] {
        switch node.kind {
        case .scalar: return text(node, "'needs'").map { [$0] } ?? []
        case .sequence(let items): return items.compactMap { text($0, "an entry of 'needs'") }
        case .mapping:
            unsupported(node, "'needs' on the corresponding cell", help: "name whole jobs: needs: [build]")
            return []
        }
    }

    private mutating func checkNeeds(of jobs: [JobSource], known: [String]) {
        for job in jobs {
            let place = YAMLNode(kind: .sequence([]), position: job.position)
            for need in job.needs where !known.contains(need) {
                error(
                    place, "the job '\(job.id)' needs '\(need)', which does not exist",
                    help: Spelling.nearest(to: need, among: known).map { "did you mean '\($0)'?" })
            }
            if job.needs.contains(job.id) { error(place, "the job '\(job.id)' needs itself") }
        }
        // Jobs whose needs are all reached, again and again: what is left stands in a cycle, or behind one.
        var reached: Set<String> = Set(known).subtracting(jobs.map(\.id))
        while let next = jobs.first(where: { job in
            !reached.contains(job.id) && job.needs.allSatisfy { reached.contains($0) || !known.contains($0) }
        }) {
            reached.insert(next.id)
        }
        guard let stuck = jobs.first(where: { !reached.contains($0.id) && !$0.needs.contains($0.id) }) else { return }
        var path = [stuck.id]
        while let last = jobs.first(where: { $0.id == path.last }),
            let next = last.needs.first(where: { need in known.contains(need) && !reached.contains(need) })
        {
            if let start = path.firstIndex(of: next) {
                path = Array(path[start...]) + [next]
                break
            }
            path.append(next)
        }
        let place = YAMLNode(kind: .sequence([]), position: jobs.first { $0.id == path[0] }?.position ?? stuck.position)
        error(place, "the jobs need one another: \(path.joined(separator: " → "))", help: "remove one of these 'needs'")
    }

    private mutating func runsOn(_ node: YAMLNode) {
        if node.entries != nil {
            if mapping(node, "'runs-on'", [Key("group", .unsupported), Key("labels")]) == nil { return }
        }
        if node.isNull || node.items?.isEmpty == true { error(node, "'runs-on' names no label") }
        templates(node, "'runs-on'", in: Scopes.jobCell)
    }

    private mutating func strategy(_ node: YAMLNode, into job: inout JobSource) {
        let keys = [Key("matrix"), Key("fail-fast"), Key("max-parallel"), Key("cover", .unsupported)]
        guard let parts = mapping(node, "'strategy'", keys) else { return }
        if let matrix = parts["matrix"] {
            templates(matrix, "the matrix", in: Scopes.strategy)
            job.matrix = matrix
            warnOfVersions(matrix)
        }
        if let failFast = parts["fail-fast"] { job.failFast = checked(failFast, "'fail-fast'", in: Scopes.strategy) }
        if let most = parts["max-parallel"] { job.maxParallel = checked(most, "'max-parallel'", in: Scopes.strategy) }
    }

    /// An unquoted `3.10` is the number 3.1.
    private mutating func warnOfVersions(_ matrix: YAMLNode) {
        for entry in matrix.entries ?? [] {
            for item in entry.value.items ?? [entry.value] { warnOfVersion(item) }
        }
    }

    mutating func warnOfVersion(_ node: YAMLNode) {
        guard let scalar = node.scalar, scalar.isPlain, let number = node.value.number else { return }
        let read = Conversion.text(from: number)
        guard read != scalar.text, scalar.text.contains("."), scalar.text.hasSuffix("0") else { return }
        warning(node, "\(scalar.text) is the number \(read)", help: "quote it: \"\(scalar.text)\"")
    }

    /// A scalar that may be an expression; otherwise its kind is looked at when the job is planned.
    private mutating func checked(
        _ node: YAMLNode, _ what: String, in scope: ExpressionScope = Scopes.jobCell
    ) -> YAMLNode? {
        template(node, what, in: scope) == nil ? nil : node
    }

    private mutating func minutes(_ node: YAMLNode, _ what: String) -> YAMLNode {
        if let text = template(node, what, in: Scopes.jobCell), !text.contains("${{") {
            if !((node.value.number ?? -1) > 0) {
                error(node, "\(what) must be a number of minutes above 0, not '\(text)'")
            }
        }
        return node
    }

    private mutating func resources(_ node: YAMLNode) -> YAMLNode? {
        guard
            let parts = mapping(
                node, "'resources'", [Key("cpus"), Key("memory"), Key("gpus"), Key("disk", .unsupported)])
        else { return nil }
        templates(node, "'resources'", in: Scopes.jobCell)
        if let gpus = parts["gpus"], gpus.entries != nil {
            _ = mapping(gpus, "'gpus'", [Key("count"), Key("memory"), Key("model")])
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
                error(item, "an input needs an absolute 'path' on the agents")
                return nil
            }
            guard let manifest = parts["manifest"]?.scalar?.text else {
                error(item, "an input needs a 'manifest'", help: "a file of the code tree in sha256sum's format")
                return nil
            }
            return JobSource.InputSource(path: path, manifest: manifest, position: item.position)
        }
    }

    private mutating func shards(_ node: YAMLNode) -> ShardPlan {
        var plan = ShardPlan()
        if node.scalar != nil {
            plan.count = whole(node, "'shards'", 1...Limits.shardsPerCellMax) ?? 1
            return plan
        }
        let keys = [
            Key("count"), Key("items"), Key("max-parallel"), Key("fail-fast"), Key("balance"),
            Key("target-minutes", .unsupported),
        ]
        guard let parts = mapping(node, "'shards'", keys) else { return plan }
        if let count = parts["count"] { plan.count = whole(count, "'count'", 1...Limits.shardsPerCellMax) ?? 1 }
        if let most = parts["max-parallel"] {
            plan.maxParallel = whole(most, "'max-parallel'", 1...Limits.shardsPerCellMax)
        }
        if let failFast = parts["fail-fast"] {
            if failFast.value.boolean == nil { error(failFast, "'fail-fast' must be true or false") }
            plan.failFast = failFast.value.boolean ?? false
        }
        if let balance = parts["balance"], balance.scalar?.text != "none" {
            unsupported(
                balance, "balancing shards by history", help: "remove 'balance': shards get equal numbers of items")
        }
        if let items = parts["items"] { plan.items = itemSource(items) }
        return plan
    }

    private mutating func itemSource(_ node: YAMLNode) -> ShardPlan.ItemSource? {
        guard let parts = mapping(node, "'items'", [Key("file"), Key("command"), Key("collect")]) else { return nil }
        guard parts.count == 1, let (key, value) = parts.first,
            let text = template(value, "'\(key)'", in: Scopes.jobCell)
        else {
            error(node, "'items' needs exactly one of file, command and collect")
            return nil
        }
        switch key {
        case "file": return .file(text)
        case "command": return .command(text)
        default:
            if text != "pytest" { error(value, "unknown collector '\(text)'", help: "collect: pytest") }
            return .collect(text)
        }
    }

    private mutating func retry(_ node: YAMLNode) -> RetryPolicy {
        var policy = RetryPolicy()
        let keys = [Key("attempts"), Key("on"), Key("backoff"), Key("memory-factor")]
        guard let parts = mapping(node, "'retry'", keys) else { return policy }
        if let attempts = parts["attempts"] { policy.attemptsMax = whole(attempts, "'attempts'", 1...100) ?? 3 }
        if let on = parts["on"] {
            policy.on = (on.items ?? [on]).compactMap { item in
                guard let word = text(item, "an entry of 'on'") else { return nil }
                let causes = Cause.Kind.allCases.map(\.rawValue) + ["infrastructure"]
                let coded = ["exit:", "signal:"].contains { word.hasPrefix($0) && Int(word.dropFirst($0.count)) != nil }
                if !coded && !causes.contains(word) {
                    error(
                        item, "unknown cause '\(word)'",
                        help: Spelling.nearest(to: word, among: causes).map { "did you mean '\($0)'?" }
                            ?? "give infrastructure, a cause or exit:N")
                }
                if word == Cause.Kind.userError.rawValue { error(item, "a usage error is never retried") }
                return word
            }
        }
        if let backoff = parts["backoff"], let words = text(backoff, "'backoff'") {
            let bounds = words.split(separator: "..", maxSplits: 1).compactMap { Self.duration($0) }
            if let low = bounds.first, let high = bounds.last, low <= high,
                bounds.count == (words.contains("..") ? 2 : 1)
            {
                policy.backoffMin = low
                policy.backoffMax = high
            } else {
                error(backoff, "'\(words)' is no backoff", help: "write a range as 10s..5m")
            }
        }
        if let factor = parts["memory-factor"] {
            if let number = factor.value.number, number >= 1, number <= 16 {
                policy.memoryFactor = number
            } else {
                error(factor, "'memory-factor' must be a number from 1 to 16")
            }
        }
        return policy
    }

    /// `10s`, `5m`, `1h`, `500ms`.
    static func duration(_ text: some StringProtocol) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), number < 1_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(number)
        case "s": return .seconds(number)
        case "m": return .minutes(number)
        case "h": return .minutes(number * 60)
        default: return nil
        }
    }

    mutating func whole(_ node: YAMLNode, _ what: String, _ range: ClosedRange<Int>) -> Int? {
        guard let number = node.value.number, let whole = Int(exactly: number), range.contains(whole) else {
            error(node, "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return whole
    }
}
