import Expressions
import Model

extension WorkflowReader {
    private static let gateKeys: [Key] = [
        Key("metric"), Key("job"), Key("statistic"), Key("per"), Key("over"), Key("aggregate"), Key("weight"),
        Key("better"), Key("at-least"), Key("at-most"), Key("between"), Key("drop-at-most"), Key("rise-at-most"),
        Key("ratio-at-most"), Key("baseline"), Key("first"), Key("new-cells"), Key("required"), Key("when"),
        Key("test"), Key("method"), Key("detect"), Key("n-at-least"), Key("false-pass-rate"),
        Key("stop", .unsupported), Key("evaluator", .unsupported), Key("may-differ"), Key("strict"),
    ]

    mutating func gates(_ node: YAMLNode, jobs: [JobSource]) -> [GateRule] {
        guard let entries = node.entries, !entries.isEmpty else {
            error(node, "'gates' must be a mapping with one gate at least")
            return []
        }
        return entries.compactMap { gate($0, jobs: jobs) }
    }

    private mutating func gate(_ entry: YAMLNode.Entry, jobs: [JobSource]) -> GateRule? {
        let node = entry.value
        let place = YAMLNode(kind: node.kind, position: entry.keyPosition)
        if entry.key == "jobs" {
            error(
                place, "the name 'jobs' belongs to the gate that every run has", help: "call this gate something else")
        }
        if !Self.isIdentifier(entry.key) { error(place, "'\(entry.key)' is no gate's name") }
        guard let parts = mapping(node, "a gate", Self.gateKeys) else { return nil }
        guard let metricNode = parts["metric"], let metric = text(metricNode, "'metric'") else {
            error(place, "the gate '\(entry.key)' has no 'metric'")
            return nil
        }
        var rule = GateRule(name: entry.key, metric: metric, limits: [], position: entry.keyPosition)
        rule.limits = limits(parts)
        if rule.limits.isEmpty {
            error(
                place, "the gate '\(entry.key)' has no limit",
                help: "add at-least, at-most, between, or a limit against a baseline")
        }
        if let job = parts["job"], let id = text(job, "'job'") {
            let known = jobs.map(\.id)
            if !known.contains(id) {
                error(
                    job, "no job '\(id)'", help: Spelling.nearest(to: id, among: known).map { "did you mean '\($0)'?" })
            }
            rule.job = id
        }
        if let statistic = parts["statistic"] { rule.statistic = self.statistic(statistic) ?? .value }
        if let per = parts["per"] { rule.per = grouping(per, jobs: jobs, job: rule.job) }
        if let over = parts["over"] { rule.over = axes(over, jobs: jobs, job: rule.job) }
        if let aggregate = parts["aggregate"] { rule.aggregate = self.aggregate(aggregate) }
        if let weight = parts["weight"] {
            rule.weightedByCount = weight.scalar?.text == "n"
            if !rule.weightedByCount { error(weight, "'weight' must be n") }
        }
        if let better = parts["better"] {
            rule.better = better.scalar.flatMap { GateRule.Better(rawValue: $0.text) }
            if rule.better == nil { error(better, "'better' must be higher or lower") }
        }
        baseline(parts, of: &rule, at: place)
        if let required = parts["required"] {
            if required.value.boolean == nil { error(required, "'required' must be true or false") }
            rule.required = required.value.boolean ?? true
        }
        if let when = parts["when"] { rule.when = condition(when, in: Scopes.jobCondition) }
        testing(parts, of: &rule, at: place)
        return rule
    }

    private mutating func baseline(_ parts: [String: YAMLNode], of rule: inout GateRule, at place: YAMLNode) {
        let wants = rule.limits.contains { $0.needsBaseline }
        if let node = parts["baseline"] {
            rule.baseline = reference(node)
            if !wants {
                error(
                    node, "a baseline without a limit against it",
                    help: "add drop-at-most, rise-at-most or ratio-at-most")
            }
        } else if wants {
            error(
                place, "the gate '\(rule.name)' compares with a baseline and names none",
                help: "baseline: {alias: champion}")
        }
        if let node = parts["drop-at-most"], rule.better == .lower {
            error(node, "'drop-at-most' on a metric of which less is better", help: "use rise-at-most or ratio-at-most")
        }
        if let node = parts["may-differ"] {
            let known = ["device_model", "inputs", "evaluator"]
            rule.mayDiffer = (node.items ?? []).compactMap { text($0, "a name of 'may-differ'") }
            if node.items == nil || !rule.mayDiffer.allSatisfy(known.contains) {
                error(node, "'may-differ' is a list of \(known.joined(separator: ", "))")
            }
        }
        if let node = parts["strict"] {
            if node.value.boolean == nil { error(node, "'strict' must be true or false") }
            rule.isStrict = node.value.boolean ?? false
        }
        if let node = parts["first"] {
            rule.passesFirstOnFloor = node.scalar?.text == "pass-floor"
            if !rule.passesFirstOnFloor { error(node, "'first' must be pass-floor") }
        }
        if let node = parts["new-cells"] {
            rule.newCellsFloorOnly = node.scalar?.text == "floor-only"
            if !rule.newCellsFloorOnly { error(node, "'new-cells' must be floor-only") }
        }
    }

    private mutating func reference(_ node: YAMLNode) -> GateRule.BaselineReference? {
        guard let parts = mapping(node, "'baseline'", [Key("run"), Key("branch", .unsupported), Key("alias")]) else {
            return nil
        }
        if node["branch"] != nil { return node["branch"]?.scalar.map { .branch($0.text) } }
        guard parts.count == 1 else {
            error(node, "'baseline' needs exactly one of run, branch and alias")
            return nil
        }
        if let run = parts["run"] {
            guard let id = run.scalar.flatMap({ RunID($0.text) }) else {
                error(run, "'\(run.scalar?.text ?? "")' is no run", help: "run: r17")
                return nil
            }
            return .run(id)
        }
        return parts["alias"].flatMap { text($0, "'alias'") }.map { .alias($0) }
    }

    private mutating func limits(_ parts: [String: YAMLNode]) -> [GateRule.Limit] {
        var limits: [GateRule.Limit] = []
        if let node = parts["at-least"], let number = bound(node, "'at-least'") { limits.append(.atLeast(number)) }
        if let node = parts["at-most"], let number = bound(node, "'at-most'") { limits.append(.atMost(number)) }
        if let node = parts["between"] {
            let bounds = (node.items ?? []).compactMap { bound($0, "a bound of 'between'") }
            if bounds.count == 2, bounds[0] <= bounds[1] {
                limits.append(.between(bounds[0], bounds[1]))
            } else {
                error(node, "'between' needs two numbers, the lower first", help: "between: [0.8, 0.95]")
            }
        }
        if let node = parts["drop-at-most"], let amount = amount(node, "'drop-at-most'") {
            limits.append(.dropAtMost(amount))
        }
        if let node = parts["rise-at-most"], let amount = amount(node, "'rise-at-most'") {
            limits.append(.riseAtMost(amount))
        }
        if let node = parts["ratio-at-most"], let number = bound(node, "'ratio-at-most'") {
            if number <= 0 { error(node, "'ratio-at-most' must be above 0") }
            limits.append(.ratioAtMost(number))
        }
        return limits
    }

    private mutating func bound(_ node: YAMLNode, _ what: String) -> Double? {
        guard let number = node.value.number, number.isFinite else {
            error(node, "\(what) must be a finite number, not '\(node.scalar?.text ?? node.kindName)'")
            return nil
        }
        return number
    }

    mutating func amount(_ node: YAMLNode, _ what: String) -> GateRule.Amount? {
        if let text = node.scalar?.text, text.hasSuffix("%") {
            if let percent = CoreSchema.number(String(text.dropLast())), percent.isFinite { return .percent(percent) }
            error(node, "\(what): '\(text)' is no percentage", help: "write 3%")
            return nil
        }
        return bound(node, what).map { .absolute($0) }
    }

    private mutating func statistic(_ node: YAMLNode) -> GateRule.Statistic? {
        let word = node.scalar?.text ?? ""
        switch word {
        case "mean", "value": return .value
        case "min": return .quantile(0)
        case "max": return .quantile(1)
        case "median": return .quantile(0.5)
        default:
            guard word.hasPrefix("p"), let percent = CoreSchema.number(String(word.dropFirst())),
                (0...100).contains(percent)
            else {
                error(node, "unknown statistic '\(word)'", help: "give mean, min, max, or a quantile as p50")
                return nil
            }
            return .quantile(percent / 100)
        }
    }

    private mutating func aggregate(_ node: YAMLNode) -> GateRule.Aggregate {
        switch node.scalar?.text {
        case "mean": return .mean
        case "worst": return .worst
        default:
            if let quantile = node["quantile"]?.value.number, (0...1).contains(quantile) { return .quantile(quantile) }
            error(node, "unknown aggregate", help: "give mean, worst or {quantile: 0.9}")
            return .mean
        }
    }

    private mutating func grouping(_ node: YAMLNode, jobs: [JobSource], job: String?) -> GateRule.Grouping {
        switch node.scalar?.text {
        case "cell": return .cell
        case "run": return .run
        default:
            guard node.items != nil else {
                error(node, "'per' must be cell, run or a list of axes", help: "per: [backend]")
                return .cell
            }
            return .axes(axes(node, jobs: jobs, job: job))
        }
    }

    /// Names of axes; each must be one of the job's matrix, as far as the file tells.
    private mutating func axes(_ node: YAMLNode, jobs: [JobSource], job: String?) -> [String] {
        guard let items = node.items else {
            error(node, "a list of axes belongs here", help: "[python, backend]")
            return []
        }
        let read = jobs.filter { job == nil || $0.id == job }
        let isOpen = read.contains { $0.matrix?.entries == nil || $0.matrix?["include"] != nil }
        let known = read.flatMap { $0.matrix?.entries?.map(\.key) ?? [] }.filter {
            !["include", "exclude"].contains($0)
        }
        return items.compactMap { item in
            guard let axis = text(item, "an axis") else { return nil }
            if !isOpen && !known.contains(axis) {
                error(
                    item, "no matrix has the axis '\(axis)'",
                    help: Spelling.nearest(to: axis, among: known).map { "did you mean '\($0)'?" })
            }
            return axis
        }
    }
}
