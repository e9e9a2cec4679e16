import Expressions
import Model

// Tests of gates, and the waivers that people write down.

extension WorkflowReader {
    /// Reads how a gate tests its limit.
    mutating func testing(_ parts: [String: YAMLNode], of rule: inout GateRule, at place: YAMLNode) {
        if let node = parts["test"] {
            let word = node.scalar?.text ?? ""
            if let test = GateRule.Test(rawValue: word) {
                rule.testing.test = test
            } else {
                error(node, "unknown test '\(word)'", help: "give none, regression or non-inferiority")
            }
        }
        if let node = parts["method"] {
            rule.testing.method = node.scalar.flatMap { GateRule.Method(rawValue: $0.text) }
            if rule.testing.method == nil {
                error(
                    node, "'method' must be mann-whitney",
                    help: "method: mann-whitney, or leave it out: the data decide then")
            }
        }
        if let node = parts["detect"] {
            let before = rule.thresholds.count
            rule.testing.detect = amount("detect", node, &rule.thresholds)
            switch rule.testing.detect {
            case _ where rule.thresholds.count > before: break
            case .absolute(let amount) where amount <= 0, .percent(let amount) where amount <= 0:
                error(node, "'detect' must be above 0", help: "detect: 0.02")
            default: break
            }
        }
        if let node = parts["n-at-least"] {
            let number = node.value.number ?? 0
            if number >= 1, number <= Double(Limits.itemsPerCellMax), number == number.rounded() {
                rule.testing.itemsAtLeast = Int(number)
            } else {
                error(
                    node, "'n-at-least' must be a whole number from 1 to \(Limits.itemsPerCellMax)",
                    help: "n-at-least: 400")
            }
        }
        if let node = parts["false-pass-rate"] {
            if let rate = node.value.number, rate > 0, rate < 0.5 {
                rule.testing.falsePassRate = rate
            } else {
                error(node, "'false-pass-rate' must be above 0 and below 0.5", help: "false-pass-rate: 0.05")
            }
        }
        checkTesting(parts, rule, at: place)
    }

    private mutating func checkTesting(_ parts: [String: YAMLNode], _ rule: GateRule, at place: YAMLNode) {
        let testing = rule.testing
        guard testing.test != .none else {
            for key in ["method", "detect", "n-at-least", "false-pass-rate"] {
                if let node = parts[key] { error(node, "'\(key)' without a test", help: "test: regression") }
            }
            return
        }
        if rule.limits.count(where: \.needsBaseline) != 1 {
            error(
                place, "the gate '\(rule.name)' has a test, and not exactly one limit against a baseline",
                help: "drop-at-most: 0")
        }
        if rule.statistic != .value, !(rule.statistic == .quantile(0.5) && testing.method == .mannWhitney) {
            error(
                parts["statistic"] ?? place, "a test is about means", help: "or: method: mann-whitney, statistic: p50")
        }
        if rule.aggregate != .mean || rule.weightedByCount {
            error(
                parts["aggregate"] ?? parts["weight"] ?? place,
                "a test averages each item over the cells of a group alike", help: "remove aggregate and weight")
        }
        switch testing.test {
        case .regression where testing.detect == nil && testing.itemsAtLeast == nil:
            error(
                place, "the gate '\(rule.name)' does not say what its test has to find",
                help: "add detect: 0.02, or n-at-least")
        case .nonInferiority where testing.detect != nil || testing.itemsAtLeast != nil:
            error(
                parts["detect"] ?? parts["n-at-least"] ?? place, "'non-inferiority' shows its limit itself",
                help: "remove detect and n-at-least, or say test: regression")
        case .regression where parts["false-pass-rate"] != nil:
            error(
                parts["false-pass-rate"] ?? place, "'regression' keeps to the run's false-block-rate",
                help: "false-pass-rate belongs to test: non-inferiority")
        default: break
        }
    }

    // MARK: waivers

    /// `waivers: [{gate, where, reason, author, until}]` and `quarantine: [{job, where, …}]`.
    mutating func waivers(
        _ node: YAMLNode, gates: [GateRule]?, jobs: [JobSource]
    ) -> [Waiver] {
        let what = gates == nil ? "quarantine" : "waivers"
        guard let items = node.items else {
            error(
                node, "'\(what)' must be a list",
                help: "\(what): [{\(gates == nil ? "job" : "gate"): NAME, reason: …, author: …, until: \"2026-12-31\"}]"
            )
            return []
        }
        return items.compactMap { waiver($0, gates: gates, jobs: jobs) }
    }

    private mutating func waiver(_ node: YAMLNode, gates: [GateRule]?, jobs: [JobSource]) -> Waiver? {
        let (key, what) = gates == nil ? ("job", "a quarantine") : ("gate", "a waiver")
        let keys = [Key(key), Key("where"), Key("reason"), Key("author"), Key("until")]
        guard let parts = mapping(node, what, keys) else { return nil }
        var texts: [String: String] = [:]
        for name in [key, "reason", "author", "until"] {
            guard let part = parts[name], let text = text(part, "'\(name)'"), !text.isEmpty else {
                error(
                    parts[name] ?? node, "\(what) needs '\(name)'",
                    help: name == "until" ? "until: \"2026-12-31\"" : "say it: \(name): …")
                return nil
            }
            texts[name] = text
        }
        let known = gates?.map(\.name) ?? jobs.map(\.id)
        if let name = texts[key], !known.contains(name), gates == nil || !unread.gates {
            error(
                parts[key] ?? node, "no \(key) '\(name)'",
                help: Spelling.nearest(to: name, among: known).map { "did you mean '\($0)'?" }
                    ?? (known.isEmpty ? "there is none" : "there are \(known.prefix(20).joined(separator: ", "))"))
        }
        guard let day = texts["until"], Waiver.isDay(day) else {
            error(parts["until"] ?? node, "'until' is a day", help: "until: \"2026-12-31\"")
            return nil
        }
        var place: [Value.Member] = []
        if let node = parts["where"] {
            guard let members = node.value.members, !members.isEmpty else {
                error(node, "'where' is a mapping from axes to values", help: "where: {backend: jax}")
                return nil
            }
            place = members
            if let name = texts[key] {
                checkPlace(node, members, of: gates?.first { $0.name == name }, jobs, gates == nil ? name : nil, what)
            }
        }
        let subject: Waiver.Subject = gates == nil ? .cells(job: texts[key] ?? "") : .gate(texts[key] ?? "")
        return Waiver(
            subject, place: place, reason: texts["reason"] ?? "", author: texts["author"] ?? "", lastDay: day,
            position: node.position)
    }

    /// What fits no cell, as far as the file tells, covers nothing.
    ///
    /// - Parameters:
    ///   - gate: that a waiver is of.
    ///   - job: that a quarantine is of.
    private mutating func checkPlace(
        _ node: YAMLNode, _ place: [Value.Member], of gate: GateRule?, _ jobs: [JobSource], _ job: String?,
        _ what: String
    ) {
        let job = job ?? gate?.job
        let axes = MatrixAxes(of: jobs.filter { job == nil || $0.id == job })
        for member in place {
            let position = node[member.key]?.position ?? node.position
            if let gate, !gate.tellsApart(member.key) {
                warning(
                    .idle, position,
                    "\(what) of the gate '\(gate.name)' for '\(member.key)', which does not tell its groups apart",
                    help: "name what the gate has in 'per', or leave it out")
                continue
            }
            guard let axis = axes[member.key] else {
                if !axes.isOpen {
                    let known = axes.all.map(\.name)
                    warning(
                        .idle, position, "no cell has the axis '\(member.key)'",
                        help: Spelling.nearest(to: member.key, among: known).map { "did you mean '\($0)'?" }
                            ?? (known.isEmpty ? "no job has a matrix" : "the axes are \(known.joined(separator: ", "))")
                    )
                }
                continue
            }
            guard let values = axis.values, !values.contains(member.value), !axes.isOpen else { continue }
            let shown = Conversion.text(of: member.value)
            warning(
                .idle, position, "no cell has \(member.key) \(shown): \(what) for it covers nothing",
                help: values.contains { Conversion.text(of: $0) == shown }
                    ? "write it as the matrix does, a number without quotes and a text with them"
                    : "its values are \(Spelling.shortened(values.map { Conversion.text(of: $0) }, most: 10))")
        }
    }
}

extension GateRule {
    /// Whether groups of the gate may differ in an axis.
    fileprivate func tellsApart(_ axis: String) -> Bool {
        switch per {
        case .cell: !over.contains(axis)
        case .axes(let axes): axes.contains(axis)
        case .run: false
        }
    }
}
