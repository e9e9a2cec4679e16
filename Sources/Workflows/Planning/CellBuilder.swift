import Expressions
import Model

/// Makes one cell: everything that a job says of itself, evaluated for one combination.
struct CellBuilder {
    let workflow: Workflow
    let job: JobSource
    let request: PlanRequest
    let context: EvaluationContext
    /// The tier that this run takes; `nil`: all cells.
    let tier: String?

    func cell(_ combination: Matrix.Combination, id: String, _ mistakes: inout [Diagnostic]) -> PlannedCell {
        var cell = PlannedCell(
            id: id, name: CellNames.name(job: job.title, shown: combination.shown), values: combination.values)
        if let node = job.name, let value = value(node, &mistakes) {
            let text = Conversion.text(of: value)
            let title = String(job.title.dropLast(job.id.count)) + text
            // A name that is fixed still tells cells apart; one with an expression is taken as it is.
            cell.name =
                node.scalar?.text.contains("${{") == true
                ? title : CellNames.name(job: title, shown: combination.shown)
        }
        cell.labels = labels(&mistakes)
        cell.python = python(&mistakes)
        cell.resources = resources(&mistakes)
        cell.timeout = minutes(job.timeout, &mistakes) ?? .minutes(workflow.isSheaf ? 60 : 360)
        cell.idleTimeout = minutes(job.idleTimeout, &mistakes)
        cell.queueTimeout = minutes(job.queueTimeout, &mistakes) ?? .minutes(60)
        if let value = value(job.continueOnError, &mistakes) {
            if value.boolean == nil {
                add(
                    "'continue-on-error' must be true or false, not '\(Conversion.text(of: value))'",
                    at: job.continueOnError, help: Self.flagHelp, &mistakes)
            }
            cell.continueOnError = value.boolean ?? false
        }
        if let value = value(job.required, &mistakes) {
            if value.boolean == nil {
                add(
                    "'required' must be true or false, not '\(Conversion.text(of: value))'", at: job.required,
                    help: Self.flagHelp, &mistakes)
            }
            cell.required = value.boolean ?? true
        }
        cell.environment = value(job.environment?["name"] ?? job.environment, &mistakes).flatMap {
            let name = Conversion.text(of: $0)
            return name.isEmpty ? nil : name
        }
        cell.concurrency = group(&mistakes)
        let isContained = isContained(&mistakes)
        if isContained, !cell.labels.contains(JobContainer.label) { cell.labels.append(JobContainer.label) }
        if isContained, job.container?.options != nil { cell.labels.append(JobContainer.optionsLabel) }
        if isServed(&mistakes) {
            for label in [JobContainer.label, JobService.label] where !cell.labels.contains(label) {
                cell.labels.append(label)
            }
        }
        // In a container it is the image that has Node.js, or has not.
        if job.needsNode, !isContained, !cell.labels.contains("node") { cell.labels.append("node") }
        cell.labels += job.secrets.map(SecretName.label)
        cell.inputs = job.heldInputs(request, &mistakes)
        if let reason = outOfTier(&mistakes) {
            // Left out on purpose, by the run as a whole: gates ask nothing of it. What its own condition leaves out, they miss.
            (cell.skipped, cell.required) = (reason, false)
        } else {
            cell.skipped = skipped(&mistakes)
        }
        return cell
    }

    private static let flagHelp =
        "compare, so that the expression comes to true or false: ${{ matrix.python == '3.14' }}"

    private func value(_ node: YAMLNode?, _ mistakes: inout [Diagnostic]) -> Value? {
        guard let node else { return nil }
        var found: [Diagnostic] = []
        let value = NodeExpressions.value(node, in: context, Scopes.jobCell, &found)
        for mistake in found {
            add(mistake.problem, at: node, help: mistake.suggestion ?? "", in: mistake.position, &mistakes)
        }
        return value
    }

    /// The group that this cell waits for. Before the run starts there is nothing to say of one that reads what the job needs.
    private func group(_ mistakes: inout [Diagnostic]) -> ConcurrencyGroup? {
        guard let node = job.concurrency else { return nil }
        if context.status == nil, NodeExpressions.references(of: node).contains(where: { $0.first == "needs" }) {
            return nil
        }
        return ConcurrencyGroup(node) { value($0, &mistakes) }
    }

    /// Whether the steps of this cell run in a container: an image that comes to nothing is none, as at GitHub.
    private func isContained(_ mistakes: inout [Diagnostic]) -> Bool {
        guard job.container != nil else { return false }
        guard let image = value(job.containerImage, &mistakes) else { return true }
        if image.members != nil || image.array != nil {
            add(
                "a container that is computed as a whole is not supported", at: job.containerImage,
                help: "write its keys out: container: {image: …}", &mistakes)
        }
        return !Conversion.text(of: image).isEmpty
    }

    /// Whether this cell has a service: one whose image comes to nothing is not started, as at GitHub.
    private func isServed(_ mistakes: inout [Diagnostic]) -> Bool {
        var isServed = false
        for (_, node) in job.services {
            guard let image = value(node, &mistakes) else {
                isServed = true
                continue
            }
            if image.members != nil || image.array != nil {
                add(
                    "a service that is computed as a whole is not supported", at: node,
                    help: "write its keys out: {image: …}", &mistakes)
            }
            if !Conversion.text(of: image).isEmpty { isServed = true }
        }
        return isServed
    }

    /// A mistake in what a node came to. Where nobody has said what starts the run, what reads that is not judged, and
    /// other values that are computed only earn a warning.
    private func add(
        _ problem: String, at node: YAMLNode?, help: String, in place: SourcePosition? = nil,
        _ mistakes: inout [Diagnostic]
    ) {
        guard isJudged(node) else { return }
        let isComputed = !request.isKnown && node.map(NodeExpressions.areIn) ?? false
        mistakes.append(
            Diagnostic(
                isComputed ? .warning : .error, at: place ?? position(node), problem, help: help,
                rule: node == nil ? .workflow : .expression))
    }

    /// Whether what a node comes to is known: nobody has said what starts the run, so what reads that may be anything.
    private func isJudged(_ node: YAMLNode?) -> Bool {
        guard !request.isKnown, let node else { return true }
        return !NodeExpressions.readsTheRun(node)
    }

    private func position(_ node: YAMLNode?) -> SourcePosition { node?.position ?? job.position }

    /// `runs-on`, lower-cased; GitHub's own machines become labels of ours.
    private func labels(_ mistakes: inout [Diagnostic]) -> [String] {
        guard let value = value(job.runsOn, &mistakes) else { return [] }
        if value.members != nil, value["labels"] == nil { return [] }
        let named = value["labels"] ?? value
        let words: [Value] = named.array ?? [named]
        return words.flatMap { word -> [String] in
            guard let text = word.string?.trimmingSpace.lowercased(), !text.isEmpty else {
                let what = word == .null ? "nothing" : "'\(Conversion.text(of: word))'"
                add(
                    "'runs-on' comes to \(what), which is no label", at: job.runsOn,
                    help: "look at the expression, or name labels", &mistakes)
                return []
            }
            return Self.labels(text)
        }
    }

    /// The farm's label table, as it is by default: `ubuntu-…` is any agent with Linux, `ubuntu-…-arm` one with such a
    /// processor.
    static func labels(_ text: String) -> [String] {
        guard text.hasPrefix("ubuntu-") else { return [text] }
        let isArm = text.split(separator: "-").contains { ["arm", "arm64", "aarch64"].contains($0) }
        return isArm ? ["linux", "arm64"] : ["linux"]
    }

    /// What the first setup-python asks for.
    private func python(_ mistakes: inout [Diagnostic]) -> String? {
        guard let (text, place) = job.python else { return nil }
        do throws(ExpressionError) {
            let value = try TemplateText(text, in: Scopes.stepText).evaluate(in: context)
            let version = Conversion.text(of: value).trimmingSpace
            guard !version.isEmpty, VersionRange(version) == nil else { return version.isEmpty ? nil : version }
            mistakes.append(
                Diagnostic(at: place, "'\(version)' names no version of Python", help: WorkflowReader.pythonHelp))
            return nil
        } catch {
            mistakes.append(Diagnostic(at: place, error.message, help: error.help))
            return nil
        }
    }

    private func minutes(_ node: YAMLNode?, _ mistakes: inout [Diagnostic]) -> Duration? {
        guard let node, let value = value(node, &mistakes) else { return nil }
        let number = Conversion.number(of: value)
        guard number > 0, number <= 60 * 24 * 365 else {
            add(
                "a time in minutes must be above 0, not \(Conversion.text(of: value))", at: node,
                help: "write a number of minutes of at most a year: 30", &mistakes)
            return nil
        }
        return .milliseconds(Int64(number * 60_000))
    }

    private func resources(_ mistakes: inout [Diagnostic]) -> ResourceRequest {
        var request = ResourceRequest()
        guard let node = job.resources, let value = value(node, &mistakes) else { return request }
        let place = { (key: String) in node[key]?.position ?? node.position }
        if let cpus = value["cpus"] {
            if let count = cpus.number.flatMap({ Int(exactly: $0) }), (1...4096).contains(count) {
                request.cpus = count
            } else {
                mistakes.append(
                    Diagnostic(
                        at: place("cpus"), "'cpus' must be a whole number from 1 to 4096",
                        help: "resources: {cpus: 4}"))
            }
        }
        if let memory = value["memory"] { request.memory = bytes(memory, at: place("memory"), &mistakes) }
        if let disk = value["disk"] { request.disk = bytes(disk, of: "disk", at: place("disk"), &mistakes) }
        if let gpus = value["gpus"] {
            let part = { (key: String) in node["gpus"]?[key]?.position ?? place("gpus") }
            let memory = gpus["memory"].flatMap { bytes($0, at: part("memory"), &mistakes) }
            let count = gpus["count"] ?? (gpus.members == nil ? gpus : 1)
            guard let number = count.number.flatMap({ Int(exactly: $0) }), (0...64).contains(number) else {
                mistakes.append(
                    Diagnostic(
                        at: part("count"),
                        gpus.members == nil
                            ? "'gpus' must be a whole number from 0 to 64, or a mapping"
                            : "'count' must be a whole number from 0 to 64",
                        help: "gpus: 1, or gpus: {count: 1, memory: 40GiB, model: H200}"))
                return request
            }
            let others = alternatives(gpus["or"], at: part("or"), &mistakes)
            if number > 0 {
                request.gpus = GPURequest(
                    count: number, memory: memory, model: gpus["model"]?.string, or: others)
            }
        }
        return request
    }

    /// More than anybody has kinds of devices.
    private static let alternativesMax = 8

    private func alternatives(
        _ value: Value?, at place: SourcePosition, _ mistakes: inout [Diagnostic]
    ) -> [GPURequest.Alternative] {
        guard let value else { return [] }
        let help = "or: [{model: A100, after-minutes: 10}]"
        guard let items = value.array, items.count <= Self.alternativesMax else {
            mistakes.append(
                Diagnostic(at: place, "'or' must be a list of at most \(Self.alternativesMax) kinds of GPU", help: help)
            )
            return []
        }
        let others = items.compactMap { item -> GPURequest.Alternative? in
            let minutes = item["after-minutes"].map { Conversion.number(of: $0) } ?? 0
            guard item.members != nil, minutes > 0, minutes <= 60 * 24 * 365 else {
                mistakes.append(
                    Diagnostic(
                        at: place, "an entry of 'or' must say after how many minutes of waiting it will do", help: help)
                )
                return nil
            }
            return GPURequest.Alternative(
                model: item["model"]?.string, memory: item["memory"].flatMap { bytes($0, at: place, &mistakes) },
                after: .milliseconds(Int64(minutes * 60_000)))
        }
        return others.sorted { $0.after < $1.after }
    }

    private func bytes(
        _ value: Value, of kind: String = "memory", at place: SourcePosition, _ mistakes: inout [Diagnostic]
    ) -> ByteCount? {
        if let amount = ByteCount(Conversion.text(of: value)), amount > .zero { return amount }
        mistakes.append(
            Diagnostic(at: place, "'\(Conversion.text(of: value))' is no amount of \(kind)", help: "write 16GiB"))
        return nil
    }

    /// Why this cell does not run: it belongs to other tiers than the run.
    private func outOfTier(_ mistakes: inout [Diagnostic]) -> String? {
        guard let tier, let value = value(job.tier, &mistakes) else { return nil }
        let tiers = (value.array ?? [value]).map { Conversion.text(of: $0) }.filter { !$0.isEmpty }
        guard !tiers.isEmpty, !tiers.contains(where: { CaseFolding.equal($0, tier) }) else { return nil }
        return "its tier is \(tiers.joined(separator: ", ")), this run's is \(tier)"
    }

    /// Why this cell does not run: a condition that reads the matrix and is false.
    private func skipped(_ mistakes: inout [Diagnostic]) -> String? {
        guard let text = job.condition else { return nil }
        do throws(ExpressionError) {
            let condition = try Condition(text, in: Scopes.jobConditionWithMatrix)
            let readsMatrix = condition.expressions.contains { $0.references.contains { $0.first == "matrix" } }
            let readsNeeds = condition.expressions.contains { $0.references.contains { $0.first == "needs" } }
            // Before the run starts there is nothing to say of what it needs.
            guard readsMatrix, context.status != nil || !readsNeeds && !condition.asksForStatus else { return nil }
            return try condition.holds(in: context) ? nil : "its 'if' is false: \(text)"
        } catch {
            mistakes.append(Diagnostic(at: job.conditionPosition, error.message, help: error.help))
            return nil
        }
    }
}

extension JobSource {
    /// The job's `inputs`, each with the digest that the code tree's manifest gives it.
    func heldInputs(_ request: PlanRequest, _ mistakes: inout [Diagnostic]) -> [HeldInput] {
        inputs.compactMap { input in
            guard let digest = request.manifest(input.manifest) else {
                mistakes.append(
                    Diagnostic(
                        at: input.position, "the manifest '\(input.manifest)' is not in the code tree",
                        help: "make it with: find . -type f | sort | xargs sha256sum"))
                return nil
            }
            return HeldInput(path: input.path, manifest: digest)
        }
    }
}
