import Expressions
import Model

/// What is allowed, and probably not what was meant.
extension WorkflowReader {
    // MARK: values

    mutating func adviseOnVersions(_ matrix: YAMLNode) {
        for entry in matrix.entries ?? [] {
            for item in entry.value.items ?? [entry.value] {
                adviseOnVersion(item)
                for inner in item.entries ?? [] { adviseOnVersion(inner.value) }
            }
        }
    }

    /// An unquoted `3.10` is the number 3.1, and `0755` is 755.
    mutating func adviseOnVersion(_ node: YAMLNode) {
        guard let scalar = node.scalar, scalar.isPlain, let number = node.value.number else { return }
        let (read, text) = (Conversion.text(from: number), scalar.text)
        let isPadded = text.hasPrefix("0") && text.allSatisfy(\.isNumber)
        guard read != text, isPadded || text.contains(".") && text.hasSuffix("0") else { return }
        warning(
            .version, node.position, "\(scalar.text) is the number \(read)", help: "quote it: \"\(scalar.text)\"")
    }

    /// A list or an object that is written into a text.
    mutating func adviseOnText(_ type: ValueType, _ expression: Expression, at node: YAMLNode) {
        let written: String
        switch type {
        case .array: written = "Array"
        case .object: written = "Object"
        case .null: written = ""
        case .any, .boolean, .number, .string, .words: return
        }
        warning(
            .text, place(of: expression.offset, in: node),
            written.isEmpty
                ? "'\(expression.source)' is null: it is written as an empty text"
                : "'\(expression.source)' is \(type.named): it is written as the word '\(written)'",
            help: written.isEmpty
                ? "remove it, or name what is there" : "toJSON(\(expression.source)) writes all of it")
    }

    mutating func adviseOnConstant(_ condition: Condition, at node: YAMLNode, _ key: String) {
        guard let value = condition.expression.constant else { return }
        warning(
            .condition, node.position,
            Conversion.isTruthy(value)
                ? "this '\(key)' reads nothing that changes: it always holds"
                : "this '\(key)' reads nothing that changes: it never holds",
            help: Conversion.isTruthy(value) ? "remove it" : "remove what it holds back, or compare with what changes")
    }

    mutating func adviseOnRepetition(_ matrix: YAMLNode) {
        for entry in matrix.entries ?? [] where entry.key != "include" && entry.key != "exclude" {
            var seen: [Value] = []
            // Comparing each with each: long lists are made by programs, which need no advice.
            for item in (entry.value.items ?? []).prefix(200) where !NodeExpressions.areIn(item) {
                if seen.contains(item.value) {
                    warning(
                        .matrix, item.position, "this value stands twice in '\(entry.key)': its cells run twice",
                        help: "remove one")
                }
                seen.append(item.value)
            }
        }
    }

    mutating func adviseOnExcludes(_ node: YAMLNode, _ matrix: Matrix) {
        guard let items = node["exclude"]?.items else { return }
        for (index, key) in matrix.uselessExcludes where items.indices.contains(index) {
            let member = key.flatMap { key in items[index].entries?.first { CaseFolding.equal($0.key, key) } }
            warning(
                .matrix, member?.value.position ?? items[index].position,
                member.map { "this entry excludes nothing: no item of '\($0.key)' matches it" }
                    ?? "this entry excludes nothing: no combination matches it",
                help: "compare its values with the vectors")
        }
    }

    mutating func adviseOnLabels(_ node: YAMLNode) {
        let systems = ["ubuntu-", "windows-", "macos-"]
        var first: (system: String, label: String)?
        for item in node.items ?? [node] {
            guard let text = item.scalar?.text.lowercased(), let system = systems.first(where: { text.hasPrefix($0) })
            else { continue }
            if let known = first, known.system != system {
                warning(
                    .labels, item.position, "no machine is both '\(known.label)' and '\(text)'",
                    help: "run on each by a matrix")
            }
            if first == nil, system != "ubuntu-" {
                warning(
                    .labels, item.position, "agents run on Linux: none has '\(text)' unless it is given that label",
                    help: "start an agent with --label \(text), or run the job on ubuntu-latest")
            }
            first = first ?? (system, text)
        }
    }

    /// Labels that a vector of the matrix gives: `runs-on: ${{ matrix.os }}`.
    mutating func adviseOnLabels(_ node: YAMLNode, of matrix: YAMLNode) {
        for item in node.items ?? [node] {
            let words =
                item.scalar?.text.split(whereSeparator: { $0 == " " || $0 == "{" || $0 == "}" || $0 == "$" }) ?? []
            guard words.count == 1, let word = words.first, item.scalar?.text.hasPrefix("${{") == true,
                word.lowercased().hasPrefix("matrix.")
            else { continue }
            let name = String(word.dropFirst("matrix.".count))
            let values = (matrix[name]?.items ?? []) + (matrix["include"]?.items ?? []).compactMap { $0[name] }
            for value in values { adviseOnLabels(value) }
        }
    }

    // MARK: actions

    /// A version that GitHub's own machines no longer run, or whose meaning has changed since.
    mutating func adviseOnAge(of action: String, _ version: String, at node: YAMLNode) {
        guard version.hasPrefix("v"), let major = Int(version.dropFirst().prefix { $0.isNumber }),
            let oldest = KnownAction.all[action]?.oldest, major < oldest
        else { return }
        warning(
            .deprecated, node.position, "\(action)@\(version) is old: here it does what v\(oldest) does",
            help: "write \(action)@v\(oldest)")
    }

    /// A key that names this very run is never found again.
    mutating func adviseOnCache(_ with: YAMLNode?, at node: YAMLNode) {
        guard let key = with?["key"], let text = key.scalar?.text, with?["restore-keys"] == nil,
            // What does not parse was reported when 'with' was read.
            let template = try? TemplateText(text, in: stepText)
        else { return }
        let changing = ["run_id", "run_number", "run_attempt", "sha"]
        for expression in template.expressions {
            for path in expression.printed where path.count == 2 && path[0] == "github" && changing.contains(path[1]) {
                warning(
                    .cache, place(of: expression.offset, in: key),
                    "the key changes with every \(path[1] == "sha" ? "commit" : "run"): "
                        + "what is saved under it is hardly ever found again",
                    help: "name what the files depend on: ${{ hashFiles('**/requirements*.txt') }}, or add restore-keys"
                )
                return
            }
        }
    }

    // MARK: scripts

    /// What is said of one text at most: to find a place again costs as much as the text is long.
    static let advicePerTextMax = 50

    mutating func adviseOnScript(_ node: YAMLNode, _ parts: [String: YAMLNode], _ walk: inout StepWalk) {
        guard let text = node.scalar?.text else { return }
        adviseOnInjection(node)
        let shell = parts["shell"]?.scalar?.text ?? walk.defaultShell ?? "bash"
        guard shell.hasPrefix("bash") || shell.hasPrefix("sh") else {
            walk.mayHaveFetched = true
            return
        }
        let secrets = types.secretVariables
        let before = diagnostics.count
        for line in ShellScript(text).lines {
            guard diagnostics.count < before + Self.advicePerTextMax else { return }
            adviseOnEcho(line, secrets, node)
            adviseOnThreshold(line, node)
            adviseOnLatest(line, node)
            adviseOnCommands(line, node)
            adviseOnArchive(line, node, walk)
            if ShellScript.mayFetch(line) { walk.mayHaveFetched = true }
        }
    }

    /// Texts that strangers write, in the text of a script: `github.event.issue.title` may be `"; rm -rf ~`.
    mutating func adviseOnInjection(_ node: YAMLNode) {
        guard let text = node.scalar?.text, TemplateText.hasExpression(text), Self.mayReadStrangers(text),
            // What does not parse was reported when the text was read.
            let template = try? TemplateText(text, in: stepText)
        else { return }
        for expression in template.expressions.prefix(Self.advicePerTextMax) {
            for path in expression.printed where Self.isWrittenByStrangers(path) {
                warning(
                    .injection, place(of: expression.offset, in: node),
                    "'\(path.joined(separator: "."))' is written by whoever opens an issue or a pull request, "
                        + "and becomes part of this script",
                    help: "hand it over by env, and read \"$TITLE\" in the script")
            }
        }
    }

    /// Whether to look at all: parsing every script twice takes as long as all other advice.
    private static func mayReadStrangers(_ text: String) -> Bool {
        let lower = text.lowercased()
        return lower.contains("event") || lower.contains("head_ref")
    }

    private static let strangersWrite: Set<[String]> = [
        ["head_ref"], ["event", "issue", "title"], ["event", "issue", "body"], ["event", "discussion", "title"],
        ["event", "discussion", "body"], ["event", "comment", "body"], ["event", "review", "body"],
        ["event", "review_comment", "body"], ["event", "pull_request", "title"], ["event", "pull_request", "body"],
        ["event", "pull_request", "head", "ref"], ["event", "pull_request", "head", "label"],
        ["event", "pull_request", "head", "repo", "default_branch"], ["event", "head_commit", "message"],
        ["event", "head_commit", "author", "name"], ["event", "head_commit", "author", "email"],
        ["event", "head_commit", "committer", "name"], ["event", "head_commit", "committer", "email"],
        ["event", "workflow_run", "head_branch"], ["event", "workflow_run", "head_commit", "message"],
    ]

    private static func isWrittenByStrangers(_ path: [String]) -> Bool {
        path.first == "github" && strangersWrite.contains(path.dropFirst().map { $0.lowercased() })
    }

    static func holdsSecret(_ value: YAMLNode) -> Bool { value.scalar?.text.contains("secrets.") ?? false }

    private mutating func adviseOnEcho(_ line: ShellScript.Line, _ secrets: [String], _ node: YAMLNode) {
        guard ["echo", "printf"].contains(line.command), !line.text.contains(where: { $0 == "|" || $0 == ">" }) else {
            return
        }
        let named = secrets.first { line.text.contains("$\($0)") || line.text.contains("${\($0)}") }
        guard named != nil || line.text.contains("secrets.") else { return }
        warning(
            .secret, place(of: line.offset, in: node),
            "a secret is written to the log\(named.map { " (\($0))" } ?? "")",
            help: "remove the line: masking is a net, not a reason to write it")
    }

    /// `if (( $(echo "$ACC < 0.85" | bc -l) ))`: an empty or misspelt value does not stop anything.
    private mutating func adviseOnThreshold(_ line: ShellScript.Line, _ node: YAMLNode) {
        func compares(_ text: some StringProtocol) -> Bool { text.contains("<") || text.contains(">") }
        var calculates = line.words.contains("awk") && line.text.contains("exit") && compares(line.text)
        // `echo "$ACC>0.9"|bc` has no spaces where others have some.
        let words = line.words.flatMap { word -> [String] in
            guard word.count > 1, word.contains("|"), !word.contains("||") else { return [word] }
            return word.split(separator: "|", omittingEmptySubsequences: false).enumerated().flatMap { place, part in
                (place > 0 ? ["|"] : []) + (part.isEmpty ? [] : [String(part)])
            }
        }
        for (index, word) in words.enumerated() where word == "bc" || word.hasPrefix("bc)") {
            let before = words[..<index]
            if before.last == "|" { calculates = calculates || before.contains(where: compares) }
            let after = words[index...].joined(separator: " ").split(separator: "<<<", maxSplits: 1)
            if after.count == 2 { calculates = calculates || compares(after[1]) }
        }
        guard calculates || Self.testsMeasure(line) else { return }
        warning(
            .threshold, place(of: line.offset, in: node),
            "a threshold in shell arithmetic: an empty, misspelt or NaN value passes it",
            help: "write the value to metrics, and gate on it: gates: {floor: {metric: accuracy, at-least: 0.85}}")
    }

    private static let measures: Set<String> = [
        "acc", "accuracy", "auc", "auroc", "bleu", "f1", "latency", "loss", "mae", "metric", "mse", "perplexity",
        "precision", "recall", "rmse", "rouge", "score", "wer",
    ]

    /// `[ "$ACCURACY" -gt 90 ]`, `python -c "… exit(float('$F1') < 0.8)"`: a comparison of what is named like a measurement.
    private static func testsMeasure(_ line: ShellScript.Line) -> Bool {
        let asks: Bool
        var text = line.text[...]
        switch line.command {
        case "[", "[[", "test":
            asks = line.words.contains { ["-gt", "-ge", "-lt", "-le", "<", ">", "\\<", "\\>"].contains($0) }
            // What is counted is no measurement; what comes behind is not compared.
            if line.words.contains(where: { $0.hasSuffix("wc") }) { return false }
            if let end = text.lastIndex(of: "]") { text = text[..<end] }
        case "python", "python3":
            asks =
                line.words.contains("-c") && (line.text.contains("exit(") || line.text.contains("assert "))
                && (line.text.contains("<") || line.text.contains(">"))
        default:
            asks =
                (line.command.hasPrefix("((") || line.words.contains { $0.hasSuffix("expr") })
                && (line.text.contains("<") || line.text.contains(">"))
        }
        // Of a variable, of a file that is read, of a member that is asked for: `$ACC`, `acc.txt`, `.accuracy`.
        return asks && text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.contains(where: isMeasure)
    }

    /// `VAL_ACCURACY`: one of its words is what a measurement is called.
    private static func isMeasure(_ name: Substring) -> Bool {
        name.split(separator: "_").contains { measures.contains($0.lowercased()) }
    }

    private mutating func adviseOnLatest(_ line: ShellScript.Line, _ node: YAMLNode) {
        let words = ["promot", "regist", "deploy", "champion", "production", "release", "rollout", "set image"]
        let text = line.text.lowercased()
        guard text.contains("latest"), words.contains(where: { text.contains($0) }),
            let word = line.words.first(where: {
                let word = $0.lowercased()
                return word == "latest" || word.hasSuffix("=latest") || word.hasSuffix(":latest")
                    || word.hasSuffix("/latest") || word.hasSuffix("@latest")
            })
        else { return }
        warning(
            .latest, place(of: line.offset, in: node),
            "'\(word)' in a promotion: it names whatever is newest then, not what was tested",
            help: "hand on the version or the digest that passed")
    }

    private mutating func adviseOnCommands(_ line: ShellScript.Line, _ node: YAMLNode) {
        guard line.text.contains("::") else { return }
        let old = [
            "::set-output": "$GITHUB_OUTPUT", "::save-state": "$GITHUB_STATE", "::set-env": "$GITHUB_ENV",
            "::add-path": "$GITHUB_PATH",
        ]
        for (command, file) in old.sorted(by: { $0.key < $1.key }) where line.text.contains(command) {
            warning(
                .deprecated, place(of: line.offset, in: node),
                ["::set-output", "::save-state"].contains(command)
                    ? "'\(command)::' is deprecated" : "'\(command)::' is no longer a command",
                help: "echo \"name=value\" >> \(file)")
        }
    }

    /// An archive of a folder that no step has fetched or made.
    private mutating func adviseOnArchive(_ line: ShellScript.Line, _ node: YAMLNode, _ walk: StepWalk) {
        guard !walk.mayHaveFetched else { return }
        let packs =
            line.command == "tar" && line.words.contains { $0.hasPrefix("-") && $0.contains("c") || $0 == "--create" }
            || line.command == "zip"
        let made = ["model", "models", "artifact", "artifacts", "checkpoints", "weights", "dist", "outputs"]
        guard packs,
            let folder = line.words.dropFirst().first(where: { word in
                guard !word.hasPrefix("-"), !word.contains("$") else { return false }
                let first = word.split(separator: "/").first { $0 != "." }
                return made.contains(first.map(String.init) ?? "")
            })
        else { return }
        warning(
            .unfetched, place(of: line.offset, in: node),
            "nothing in this job fetches or makes '\(folder)': the archive lacks it unless it is in the repository",
            help: "download it first: actions/download-artifact")
    }

    /// Tests are collected in the code tree, and the steps would run them where there is none.
    mutating func adviseOnCheckout(_ collect: YAMLNode?, _ steps: [Step]) {
        guard let collect else { return }
        let bringing: Set = ["git", "gh", "hg", "curl", "wget", "tar", "unzip", "cp", "rsync", "aws", "gsutil"]
        let isThere = steps.contains { step in
            switch step.action {
            case .run(let script): ShellScript(script).lines.contains { bringing.contains($0.command) }
            case .uses(let action, _, _): action != "actions/setup-python" && action != "actions/cache"
            case .local: true
            }
        }
        guard !isThere else { return }
        warning(
            .unfetched, collect.position,
            "the tests are collected in the code tree, but the steps' workspace stays empty: no step checks the code out",
            help: "begin the steps with - uses: actions/checkout@v4")
    }

    // MARK: gates

    /// A gate whose job writes no metrics can only be incomplete.
    mutating func adviseOnMetrics(of workflow: Workflow) {
        let writing = workflow.jobs.filter { $0.writesMetrics }
        for gate in workflow.gates {
            if let id = gate.job, let job = workflow.jobs.first(where: { $0.id == id }) {
                guard !job.writesMetrics, job.call == nil else { continue }
                warning(
                    .metric, gate.position,
                    "the gate '\(gate.name)' reads '\(gate.metric)', but '\(id)' writes no metrics",
                    help: "add metrics: metrics.json to '\(id)', or write to $SHEAF_METRICS")
            } else if writing.isEmpty, !workflow.jobs.isEmpty, !workflow.jobs.contains(where: { $0.call != nil }) {
                warning(
                    .metric, gate.position, "the gate '\(gate.name)' reads '\(gate.metric)', but no job writes metrics",
                    help: "add metrics: metrics.json to the job that measures it")
            } else if gate.job == nil, writing.count > 1 {
                warning(
                    .metric, gate.position,
                    "the gate '\(gate.name)' names no job, and \(writing.map { "'\($0.id)'" }.joined(separator: ", ")) write metrics",
                    help: "name one: job: \(writing[0].id)")
            }
        }
    }
}

extension JobSource {
    var writesMetrics: Bool { work.writesMetrics || shards.items != nil }
}
