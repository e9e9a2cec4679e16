import Expressions
import Model

/// How a job becomes cells, shards and attempts: `strategy`, `shards`, `retry`.
extension WorkflowReader {
    mutating func strategy(_ node: YAMLNode, into job: inout JobSource) {
        let keys = [Key("matrix"), Key("fail-fast"), Key("max-parallel"), Key("cover", .sheaf)]
        guard let parts = mapping(node, "'strategy'", keys) else { return }
        if let matrix = parts["matrix"] {
            templates(matrix, "the matrix", in: Scopes.strategy)
            // What is no matrix at all was told.
            if matrix.entries != nil || NodeExpressions.areIn(matrix) { job.matrix = matrix }
            adviseOnVersions(matrix)
            adviseOnRepetition(matrix)
            checkMatrix(matrix)
        }
        if let cover = parts["cover"] {
            job.cover = self.cover(cover)
            if parts["matrix"] == nil {
                error(cover, "'cover' without a 'matrix' to choose from", help: "add a matrix, or remove 'cover'")
            }
        }
        if let failFast = parts["fail-fast"] {
            job.failFast = literal(failFast, "'fail-fast'", "true or false", in: Scopes.strategy) { $0.boolean != nil }
        }
        if let most = parts["max-parallel"] {
            job.maxParallel = literal(most, "'max-parallel'", "a whole number above 0", in: Scopes.strategy) {
                $0.number.flatMap { Int(exactly: $0) }.map { $0 > 0 } ?? false
            }
        }
    }

    /// `pairs`, `triples`, a number, or `{strength: pairs, always: [{python: "3.13"}]}`.
    private mutating func cover(_ node: YAMLNode) -> JobSource.CoverSource? {
        guard node.entries != nil else {
            return strength(node).map { JobSource.CoverSource(strength: $0, position: node.position) }
        }
        guard let parts = mapping(node, "'cover'", [Key("strength"), Key("always")]) else { return nil }
        var cover = JobSource.CoverSource(strength: 2, position: node.position)
        if let word = parts["strength"] {
            guard let strength = strength(word) else { return nil }
            cover.strength = strength
        }
        if let always = parts["always"] {
            if always.items == nil, always.scalar.map({ !isOneExpression($0.text) }) ?? true {
                error(
                    always, "'always' must be a list of entries as in 'exclude'", help: "always: [{python: \"3.13\"}]")
            }
            templates(always, "'always'", in: Scopes.strategy)
            cover.always = always
        }
        return cover
    }

    private mutating func strength(_ node: YAMLNode) -> Int? {
        switch node.scalar?.text {
        case "pairs": return 2
        case "triples": return 3
        default:
            if let number = node.value.number, let whole = Int(exactly: number),
                (1...CoverRule.strengthMax).contains(whole)
            {
                return whole
            }
            error(
                node,
                "'cover' must be pairs, triples, or a number from 1 to \(CoverRule.strengthMax), not \(node.told)",
                help: "cover: pairs")
            return nil
        }
    }

    /// What is wrong with a matrix whatever its expressions give.
    private mutating func checkMatrix(_ node: YAMLNode) {
        guard let entries = node.entries else {
            if node.scalar.map({ !TemplateText.hasExpression($0.text) }) ?? true {
                error(node, "a matrix must be a mapping, not \(node.kindName)", help: Matrix.shapeHelp)
            }
            return
        }
        guard !NodeExpressions.areIn(node) else {
            // What is written out is looked at all the same.
            for entry in entries where !["include", "exclude"].contains(entry.key) {
                guard let items = entry.value.items else {
                    if entry.value.scalar.map({ !TemplateText.hasExpression($0.text) }) ?? true {
                        error(
                            entry.value, "Matrix vector '\(entry.key)' must be a list",
                            help: "\(entry.key): [first, second]")
                    }
                    continue
                }
                if items.isEmpty {
                    error(
                        entry.value, "Matrix vector '\(entry.key)' does not contain any values",
                        help: "name one value at least, or remove '\(entry.key)'")
                }
            }
            return
        }
        do throws(Matrix.Mistake) {
            let matrix = try Matrix(node.value)
            adviseOnExcludes(node, matrix)
        } catch {
            self.error(error.place(in: node), error.problem, help: error.help)
        }
    }

    // MARK: shards

    mutating func shards(_ node: YAMLNode) -> ShardPlan {
        var plan = ShardPlan()
        if node.scalar != nil {
            plan.count = whole(node, "'shards'", 1...Limits.shardsPerCellMax) ?? 1
            return plan
        }
        let keys = [
            Key("count"), Key("items"), Key("max-parallel"), Key("fail-fast"), Key("balance"),
            Key("target-minutes"),
        ]
        guard let parts = mapping(node, "'shards'", keys) else { return plan }
        if let count = parts["count"] { plan.count = whole(count, "'count'", 1...Limits.shardsPerCellMax) ?? 1 }
        if let most = parts["max-parallel"] {
            plan.maxParallel = whole(most, "'max-parallel'", 1...Limits.shardsPerCellMax)
        }
        if let failFast = parts["fail-fast"] { plan.failFast = flag(failFast, "'fail-fast'") ?? false }
        if let items = parts["items"] { plan.items = itemSource(items) }
        balance(&plan, parts)
        return plan
    }

    private static let targetMinutesMax = 1e6

    private mutating func balance(_ plan: inout ShardPlan, _ parts: [String: YAMLNode]) {
        if let word = parts["balance"] {
            switch word.scalar?.text {
            case "history": plan.balance = .history(target: nil)
            case "none": break
            default:
                let near = Spelling.nearest(to: word.scalar?.text ?? "", among: ["history", "none"])
                return error(
                    word, "'balance' is history or none",
                    help: near.map { "did you mean '\($0)'?" } ?? "balance: history cuts items by how long they took")
            }
        }
        if let node = parts["target-minutes"] {
            guard let minutes = node.value.number, minutes > 0, minutes <= Self.targetMinutesMax else {
                return error(
                    node, "'target-minutes' must be a number of minutes above 0, at most \(Int(Self.targetMinutesMax))",
                    help: "target-minutes: 10")
            }
            if let word = parts["balance"], plan.balance == .none {
                error(word, "'target-minutes' needs to know how long items take", help: "balance: history")
            } else if parts["count"] == nil {
                error(
                    node, "'target-minutes' needs a count",
                    help:
                        "give the most shards that there may be; where nothing is known of the items there are as many")
            }
            plan.balance = .history(target: .nanoseconds(Int64(minutes * 60e9)))
        }
        if plan.balance != .none, parts["items"] == nil, let node = parts["target-minutes"] ?? parts["balance"] {
            error(node, "there are no items to balance", help: "say where they come from: items: {file: items.txt}")
            plan.balance = .none
        }
    }

    private mutating func itemSource(_ node: YAMLNode) -> ShardPlan.ItemSource? {
        guard let parts = mapping(node, "'items'", [Key("file"), Key("command"), Key("collect")]) else { return nil }
        guard parts.count == 1, let (key, value) = parts.first,
            let text = template(value, "'\(key)'", in: Scopes.jobCell)
        else {
            error(
                node, "'items' needs exactly one of file, command and collect",
                help: "items: {command: python list_items.py}")
            return nil
        }
        switch key {
        case "file":
            below(value, text, "the file of items")
            return .file(text)
        case "command": return .command(text)
        default:
            if text != "pytest" { error(value, "unknown collector '\(text)'", help: "collect: pytest") }
            return .collect(text)
        }
    }

    // MARK: retry

    mutating func retry(_ node: YAMLNode) -> RetryPolicy {
        var policy = RetryPolicy()
        let keys = [Key("attempts"), Key("on"), Key("backoff"), Key("memory-factor")]
        guard let parts = mapping(node, "'retry'", keys) else { return policy }
        if let attempts = parts["attempts"] { policy.attemptsMax = whole(attempts, "'attempts'", 1...100) ?? 3 }
        if let on = parts["on"] { policy.on = causes(on) }
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
                error(
                    factor, "'memory-factor' must be a number from 1 to 16",
                    help: "memory-factor: 2 asks for twice the memory after each oom")
            }
        }
        return policy
    }

    private mutating func causes(_ node: YAMLNode) -> [String] {
        (node.items ?? [node]).compactMap { item in
            guard let word = text(item, "an entry of 'on'") else { return nil }
            // What never comes back as a failed attempt is not tried again.
            let endings: [Cause.Kind] = [.passed, .cancelled, .notNeeded, .queueTimeout]
            let causes =
                Cause.Kind.allCases.filter { !endings.contains($0) }.map(\.rawValue) + ["infrastructure"]
            let coded = [("exit:", 1...255), ("signal:", 1...64)].contains { prefix, range in
                word.hasPrefix(prefix) && Int(word.dropFirst(prefix.count)).map(range.contains) ?? false
            }
            if !coded && !causes.contains(word) {
                error(
                    item, "unknown cause '\(word)'",
                    help: Spelling.nearest(to: word, among: causes).map { "did you mean '\($0)'?" }
                        ?? "give infrastructure, a cause, exit:1 to exit:255 or signal:1 to signal:64")
            }
            if word == Cause.Kind.userError.rawValue {
                error(item, "a usage error is never retried", help: "remove it: the same mistake comes again")
            }
            return word
        }
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
}
