import Expressions
import Model

extension WorkflowReader {
    private static let gateKeys: [Key] = [
        Key("metric"), Key("job"), Key("statistic"), Key("per"), Key("over"), Key("aggregate"), Key("weight"),
        Key("better"),
        Key(
            "at-least",
            alias: ["min", "minimum", "threshold", "floor", "above", "greater-than", "gte", "ge", "lower-bound", ">="]),
        Key("at-most", alias: ["max", "maximum", "ceiling", "below", "less-than", "lte", "le", "upper-bound", "<="]),
        Key("between", alias: ["range", "within", "bounds"]),
        Key("drop-at-most", alias: ["max-drop", "max-decrease", "drop", "decrease", "tolerance", "max-regression"]),
        Key("rise-at-most", alias: ["max-rise", "max-increase", "rise", "increase"]),
        Key("ratio-at-most", alias: ["max-ratio", "ratio", "factor", "times"]),
        Key("baseline", alias: ["against", "compare", "compare-to", "reference"]), Key("first"), Key("new-cells"),
        Key("required"), Key("when"),
        Key("test"), Key("method"), Key("detect"), Key("n-at-least"), Key("false-pass-rate"),
        Key("stop", .unsupported), Key("evaluator"), Key("may-differ"), Key("strict"),
    ]

    mutating func gates(_ node: YAMLNode, jobs: [JobSource]) -> [GateRule] {
        guard let entries = node.entries, !entries.isEmpty else {
            error(
                node, "'gates' must be a mapping with one gate at least",
                help: "gates: {floor: {metric: accuracy, at-least: 0.9}}")
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
        if !Self.isIdentifier(entry.key) {
            error(
                place, "'\(entry.key)' is no gate's name",
                help: "begin with a letter or _ (not two), go on with letters, digits, _ and -")
        }
        guard let parts = mapping(node, "a gate", Self.gateKeys) else { return nil }
        guard let metricNode = parts["metric"], let metric = text(metricNode, "'metric'") else {
            error(place, "the gate '\(entry.key)' has no 'metric'", help: "say what it judges: metric: accuracy")
            return nil
        }
        if metric.isEmpty {
            error(metricNode, "'metric' must not be empty", help: "name what a job measures: metric: accuracy")
            return nil
        }
        var rule = GateRule(name: entry.key, metric: metric, limits: [], position: entry.keyPosition)
        rule.limits = limits(parts, &rule.thresholds)
        let keys = ["at-least", "at-most", "between", "drop-at-most", "rise-at-most", "ratio-at-most"]
        // One that is wrong was told.
        if rule.limits.isEmpty, !keys.contains(where: { parts[$0] != nil }) {
            error(
                place, "the gate '\(entry.key)' has no limit",
                help: "add at-least, at-most, between, or a limit against a baseline")
        }
        if let job = parts["job"], let id = text(job, "'job'") {
            let known = jobs.map(\.id)
            // Jobs of called workflows are known once the run is planned.
            if !known.contains(id), !jobs.contains(where: { $0.call != nil && id.hasPrefix($0.id + ".") }) {
                error(
                    job, "no job '\(id)'",
                    help: Spelling.nearest(to: id, among: known).map { "did you mean '\($0)'?" }
                        ?? "the jobs are \(known.prefix(20).joined(separator: ", "))")
            }
            rule.job = id
        }
        if let statistic = parts["statistic"] { rule.statistic = self.statistic(statistic) ?? .value }
        if let per = parts["per"] { rule.per = grouping(per, jobs: jobs, job: rule.job) }
        if let over = parts["over"] { rule.over = axes(over, jobs: jobs, job: rule.job) }
        if let aggregate = parts["aggregate"] { rule.aggregate = self.aggregate(aggregate) }
        if let weight = parts["weight"] {
            rule.weightedByCount = weight.scalar?.text == "n"
            if !rule.weightedByCount {
                error(weight, "'weight' must be n", help: "weight: n, or leave it out: cells count alike then")
            }
        }
        if let better = parts["better"] {
            rule.better = better.scalar.flatMap { GateRule.Better(rawValue: $0.text) }
            if rule.better == nil { error(better, "'better' must be higher or lower", help: "better: lower") }
            let asked = Set(rule.limits.map(\.direction))
            if let said = rule.better, asked.count == 1, let asks = asked.first ?? nil, asks != said {
                warning(
                    .metric, better.position,
                    "'\(rule.metric)' is better \(said.rawValue), and every limit of the gate '\(entry.key)' asks for \(asks == .higher ? "no less" : "no more")",
                    help: "turn one of them round, or leave 'better' out: limits tell the direction")
            }
        }
        if rule.aggregate == .worst, rule.limits.count > 1, Set(rule.limits.map(\.direction)).count > 1 {
            error(
                parts["aggregate"] ?? place, "'worst' for limits in both directions: no value is the worst for each",
                help: "write a gate for each limit")
        }
        checkGroups(parts, rule, at: place)
        baseline(parts, of: &rule, at: place)
        if let required = parts["required"] {
            if required.value.boolean == nil {
                error(required, "'required' must be true or false", help: "required: false")
            }
            rule.required = required.value.boolean ?? true
        }
        if let when = parts["when"] { rule.when = condition(when, in: Scopes.jobCondition, key: "when") }
        if case .branch(let branch)? = rule.baseline, rule.required, rule.when == nil, !rule.passesFirstOnFloor {
            warning(
                .baseline, (parts["baseline"] ?? place).position,
                "the first run finds none of branch '\(branch)' to compare with, and cannot pass: those after it compare with it",
                help: "first: pass-floor, and a plain limit (at-least, at-most, between) by which the first one passes")
        }
        advise(on: rule, parts, at: place)
        testing(parts, of: &rule, at: place)
        if rule.thresholds.isEmpty, let contradiction = rule.contradiction {
            error(place, "the gate '\(entry.key)': \(contradiction.problem)", help: contradiction.help)
        }
        return rule
    }

    /// What is allowed, and asks for less than it seems to.
    private mutating func advise(on rule: GateRule, _ parts: [String: YAMLNode], at place: YAMLNode) {
        guard case .quantile(let part) = rule.aggregate else { return }
        for limit in rule.limits {
            let asksOfTheBest =
                switch limit.direction {
                case .higher: part > 0.5
                case .lower: part < 0.5
                case nil: false
                }
            guard asksOfTheBest else { continue }
            let share = Self.spelled((limit.direction == .higher ? 1 - part : part) * 100)
            warning(
                .metric, (parts["aggregate"] ?? place).position,
                "the gate '\(rule.name)' holds where the best \(share) % of the cells do: the others may be anything",
                help: "aggregate: {quantile: \(Self.spelled(1 - part))}, or worst")
            return
        }
    }

    private static func spelled(_ number: Double) -> String {
        let short = (number * 10_000).rounded() / 10_000
        return short == short.rounded() ? "\(Int(short))" : "\(short)"
    }

    private mutating func checkGroups(_ parts: [String: YAMLNode], _ rule: GateRule, at place: YAMLNode) {
        if case .axes(let axes) = rule.per, let both = axes.first(where: rule.over.contains) {
            error(
                parts["over"] ?? place, "'per' and 'over' both name '\(both)'",
                help: "an axis tells groups apart (per), or is averaged (over)")
        }
        if rule.weightedByCount, rule.aggregate != .mean {
            error(
                parts["weight"] ?? place, "'weight' without a mean: the worst cell or a quantile has no weights",
                help: "remove weight, or aggregate")
        }
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
        if let node = parts["rise-at-most"] ?? parts["ratio-at-most"], rule.better == .higher {
            error(node, "a limit on what rises, on a metric of which more is better", help: "use drop-at-most")
        }
        if let node = parts["may-differ"] {
            let known = ["device_model", "inputs", "evaluator", "workflow_inputs", "vars"]
            rule.mayDiffer = (node.items ?? []).compactMap { text($0, "a name of 'may-differ'") }
            if node.items == nil || !rule.mayDiffer.allSatisfy(known.contains) {
                error(
                    node, "'may-differ' is a list of \(known.joined(separator: ", "))",
                    help: "may-differ: [device_model]")
            }
        }
        if let node = parts["evaluator"] {
            rule.evaluator = (node.items ?? [node]).compactMap { text($0, "a path of 'evaluator'") }
            if rule.evaluator.isEmpty { error(node, "'evaluator' names no file", help: "evaluator: [evaluate.py]") }
            for path in rule.evaluator where !Self.isPathOfTree(path) {
                error(node, "'\(path)' is no path of the code tree", help: "write it from the top of the repository")
            }
            if !wants { error(node, "'evaluator' without a limit against a baseline", help: "remove it") }
        }
        if let node = parts["strict"] {
            if node.value.boolean == nil { error(node, "'strict' must be true or false", help: "strict: true") }
            rule.isStrict = node.value.boolean ?? false
        }
        if let node = parts["first"] {
            rule.passesFirstOnFloor = node.scalar?.text == "pass-floor"
            if !rule.passesFirstOnFloor {
                error(node, "'first' must be pass-floor", help: "first: pass-floor, or leave it out")
            }
        }
        if let node = parts["new-cells"] {
            rule.newCellsFloorOnly = node.scalar?.text == "floor-only"
            if !rule.newCellsFloorOnly {
                error(node, "'new-cells' must be floor-only", help: "new-cells: floor-only, or leave it out")
            }
        }
    }

    private mutating func reference(_ node: YAMLNode) -> GateRule.BaselineReference? {
        guard let parts = mapping(node, "'baseline'", [Key("run"), Key("branch"), Key("alias")]) else {
            return nil
        }
        guard parts.count == 1 else {
            error(node, "'baseline' needs exactly one of run, branch and alias", help: "baseline: {branch: main}")
            return nil
        }
        if let run = parts["run"] {
            guard let id = run.scalar.flatMap({ RunID($0.text) }) else {
                error(run, "'\(run.scalar?.text ?? "")' is no run", help: "run: r17")
                return nil
            }
            return .run(id)
        }
        if let branch = parts["branch"] {
            guard let name = text(branch, "'branch'"), Self.isBranch(name) else {
                error(branch, "that is no name of a branch", help: "branch: main")
                return nil
            }
            return .branch(name)
        }
        guard let node = parts["alias"], let alias = text(node, "'alias'") else { return nil }
        if alias.lowercased() == "latest" {
            warning(
                .latest, node.position,
                "the baseline '\(alias)' is whatever was newest, not what was promoted",
                help: "name what is in use, and move the name when that changes: {alias: champion}")
        }
        return .alias(alias)
    }

    /// What git takes for one, and no option of a command.
    private static func isBranch(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255 && !name.hasPrefix("-") && !name.contains("..")
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"~^:?*[\\".utf8.contains($0) }
    }

    static func isPathOfTree(_ path: String) -> Bool {
        !path.isEmpty && !path.hasPrefix("/") && !path.split(separator: "/").contains("..")
            && path.utf8.count <= Limits.pathBytesMax
    }

    private mutating func limits(
        _ parts: [String: YAMLNode], _ thresholds: inout [GateRule.Threshold]
    ) -> [GateRule.Limit] {
        var limits: [GateRule.Limit] = []
        if let number = bound("at-least", parts["at-least"], &thresholds) { limits.append(.atLeast(number)) }
        if let number = bound("at-most", parts["at-most"], &thresholds) { limits.append(.atMost(number)) }
        if let node = parts["between"] {
            let items = node.items ?? []
            let before = thresholds.count
            let bounds = items.enumerated().compactMap { place, item in
                bound("between", item, place: place, &thresholds)
            }
            // Which is the lower one is known once both are.
            if bounds.count == 2, bounds[0] <= bounds[1] || thresholds.count > before {
                limits.append(.between(bounds[0], bounds[1]))
            } else {
                error(node, "'between' needs two numbers, the lower first", help: "between: [0.8, 0.95]")
            }
        }
        if let amount = amount("drop-at-most", parts["drop-at-most"], &thresholds) {
            checkLoss(amount, "drop-at-most", parts["drop-at-most"])
            limits.append(.dropAtMost(amount))
        }
        if let amount = amount("rise-at-most", parts["rise-at-most"], &thresholds) {
            checkLoss(amount, "rise-at-most", parts["rise-at-most"])
            limits.append(.riseAtMost(amount))
        }
        if let node = parts["ratio-at-most"], let number = bound("ratio-at-most", node, &thresholds) {
            if number <= 0, !thresholds.contains(where: { $0.key == "ratio-at-most" }) {
                error(node, "'ratio-at-most' must be above 0", help: "ratio-at-most: 1.3 lets it become 30 % worse")
            }
            limits.append(.ratioAtMost(number))
        }
        return limits
    }

    /// `params.yaml:gates.accuracy`: a number that stands in a file of the code tree.
    private mutating func threshold(_ key: String, _ node: YAMLNode, place: Int = 0) -> GateRule.Threshold? {
        guard let text = node.scalar?.text, let mark = text.firstIndex(of: ":") else { return nil }
        let (file, path) = (String(text[..<mark]), String(text[text.index(after: mark)...]))
        guard [".yaml", ".yml", ".json"].contains(where: file.hasSuffix), !path.isEmpty, Self.isPathOfTree(file),
            !path.contains(" ")
        else { return nil }
        return GateRule.Threshold(key: key, place: place, file: file, path: path)
    }

    private mutating func bound(
        _ key: String, _ node: YAMLNode?, place: Int = 0, _ thresholds: inout [GateRule.Threshold]
    ) -> Double? {
        guard let node else { return nil }
        if let threshold = threshold(key, node, place: place) {
            thresholds.append(threshold)
            return 0
        }
        return bound(node, "'\(key)'")
    }

    mutating func amount(
        _ key: String, _ node: YAMLNode?, _ thresholds: inout [GateRule.Threshold]
    ) -> GateRule.Amount? {
        guard let node else { return nil }
        if let threshold = threshold(key, node) {
            thresholds.append(threshold)
            return .absolute(0)
        }
        return amount(node, "'\(key)'")
    }

    private mutating func bound(_ node: YAMLNode, _ what: String) -> Double? {
        guard let number = node.value.number, number.isFinite else {
            error(
                node, "\(what) must be a finite number, not '\(node.scalar?.text ?? node.kindName)'",
                help: node.scalar?.text.contains(":") == true
                    ? "a number in a file: params.yaml:gates.accuracy" : "write a number, without quotes: 0.92")
            return nil
        }
        return number
    }

    private mutating func amount(_ node: YAMLNode, _ what: String) -> GateRule.Amount? {
        if let text = node.scalar?.text, text.hasSuffix("%") {
            if let percent = CoreSchema.number(String(text.dropLast())), percent.isFinite { return .percent(percent) }
            error(node, "\(what): '\(text)' is no percentage", help: "write 3%")
            return nil
        }
        return bound(node, what).map { .absolute($0) }
    }

    /// What a measurement may lose is nothing at least.
    private mutating func checkLoss(_ amount: GateRule.Amount, _ key: String, _ node: YAMLNode?) {
        let number =
            switch amount {
            case .absolute(let number), .percent(let number): number
            }
        guard number < 0, let node else { return }
        error(
            node, "'\(key)' must be 0 or more, not \(node.scalar?.text ?? "")",
            help: "how much worse it may be; to ask for a gain, use at-least, at-most or ratio-at-most")
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
        // Which of them the gate reads shows when one writes metrics.
        let axes = MatrixAxes(of: jobs.filter { job == nil || $0.id == job })
        let known = axes.all.map(\.name)
        return items.compactMap { item in
            guard let axis = text(item, "an axis") else { return nil }
            if !axes.isOpen && !known.contains(axis) {
                error(
                    item, "no matrix has the axis '\(axis)'",
                    help: Spelling.nearest(to: axis, among: known).map { "did you mean '\($0)'?" }
                        ?? (known.isEmpty ? "no job has a matrix" : "the axes are \(known.joined(separator: ", "))"))
            }
            return axis
        }
    }
}
