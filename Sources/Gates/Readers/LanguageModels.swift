import JSON
import Model

/// `results_*.json` of lm-evaluation-harness: `{"results": {"hellaswag": {"acc,none": 0.5, "acc_stderr,none": 0.01}}}` is
/// the metric `hellaswag.acc`; another filter than `none` is named behind it: `gsm8k.exact_match.strict-match`.
enum LanguageModelResults {
    static func read(_ bytes: [UInt8], file: String) -> ReadMetrics {
        let members: [JSONNode.Member]
        switch NestedJSON.unambiguous(bytes, file: file) {
        case .refused(let refused): return refused
        case .object(let found): members = found
        }
        guard let results = members.first(where: { $0.key == "results" }), case .object(let tasks) = results.value.kind,
            !tasks.isEmpty
        else { return .refused("not of lm-evaluation-harness: it has no object 'results'", file: file, line: 1) }
        let counts = members.first { $0.key == "n-samples" }?.value
        let limit = members.first { $0.key == "config" }?.value["limit"]
        var collector = MetricCollector(file: file)
        for task in tasks where !collector.isRefused {
            guard case .object(let entries) = task.value.kind else {
                collector.refuse("not of lm-evaluation-harness: a task is an object", line: task.line)
                break
            }
            var count: Int?
            if let effective = counts?[task.key]?["effective"] {
                guard let whole = effective.value.number.flatMap(MetricReading.whole) else {
                    collector.refuse(
                        "not of lm-evaluation-harness: 'effective' counts the samples of '\(task.key)'",
                        line: effective.line)
                    break
                }
                count = whole
                // A limit that somebody asked for is told in the file.
                let original = counts?[task.key]?["original"]?.value.number
                if let original, Double(whole) < original, limit?.value.number == nil {
                    collector.refuse(
                        "'\(task.key)' was measured on \(whole) of \(Figure.text(original)) documents, and no limit asks for that",
                        line: effective.line)
                    break
                }
            }
            for entry in entries { add(entry, of: task.key, entries, count, to: &collector) }
        }
        return collector.finish()
    }

    /// `acc_norm,none` as its metric and filter.
    static func parts(_ key: String) -> (metric: Substring, filter: Substring) {
        guard let comma = key.lastIndex(of: ",") else { return (key[...], "none") }
        return (key[..<comma], key[key.index(after: comma)...])
    }

    static func name(_ metric: some StringProtocol, filter: some StringProtocol) -> String {
        filter == "none" ? String(metric) : "\(metric).\(filter)"
    }

    private static func add(
        _ entry: JSONNode.Member, of task: String, _ entries: [JSONNode.Member], _ count: Int?,
        to collector: inout MetricCollector
    ) {
        let (metric, filter) = parts(entry.key)
        guard !["alias", "name", "sample_len", "sample_count"].contains(entry.key), !metric.hasSuffix("_stderr") else {
            return
        }
        let name = "\(task).\(Self.name(metric, filter: filter))"
        guard case .number(let mean, _) = entry.value.kind else {
            let refused = MetricReading(file: collector.file).refused(entry.value)
            return collector.add(name, .refused(refused), line: entry.line)
        }
        let error = entries.first { Self.parts($0.key) == (metric + "_stderr", filter) }?.value.value.number
        // Whatever the file says of no samples: nothing was measured.
        if let count, count < 2 {
            return collector.add(name, .mean(n: count, mean: mean, m2: 0), line: entry.line)
        }
        guard let count, let error, error >= 0 else {
            return collector.add(name, .plain(mean), line: entry.line)
        }
        // The standard error is s/√n, so the sum of squares is error²·n·(n − 1).
        let squares = error * error * Double(count) * Double(count - 1)
        collector.add(
            name, squares.isFinite ? .mean(n: count, mean: mean, m2: squares) : .plain(mean), line: entry.line)
    }
}

/// `samples_TASK_….jsonl` of lm-evaluation-harness: each document is the item `TASK/doc_id`, with what the task measured on
/// it. The hashes that the log has tell whether it is still the same document.
enum LanguageModelSamples {
    static func read(_ bytes: [UInt8], file: String) -> ReadMetrics {
        var collector = MetricCollector(file: file)
        let task = task(of: file)
        var items: [Item] = []
        var places: [String: Int] = [:]
        var lines = JSONLines(bytes, lineBytesMax: 16 << 20, repeatedKeys: .keepAll)
        while let record = lines.nextNode(), !collector.isRefused {
            let node: JSONNode
            switch record.result {
            case .failure(let error):
                collector.refuse(
                    "not JSON, column \(error.column): \(error.problem)", text: error.found, line: record.line)
                continue
            case .success(let found): node = found
            }
            if case .object(let members) = node.kind, let twice = repetition(in: members) {
                collector.refuse("several values: '\(MetricReading.cut(twice))' stands twice", line: record.line)
                continue
            }
            guard let number = node["doc_id"], let id = ItemsFile.id(.node(number)), !id.isEmpty else {
                collector.refuse("not a sample of lm-evaluation-harness: it has no 'doc_id'", line: record.line)
                continue
            }
            let name = "\(task)/\(id)"
            guard name.utf8.count <= Limits.itemIDBytesMax, items.count < Limits.itemsPerCellMax else {
                collector.refuse("too many samples, or an id that is too long", line: record.line)
                continue
            }
            // A document stands once for each filter.
            let place = places[name] ?? items.count
            if place == items.count {
                places[name] = place
                items.append(Item(id: name, digest: digest(node), entries: []))
            }
            add(node, to: &items[place], file: file, line: record.line)
        }
        if items.isEmpty && !collector.isRefused { collector.refuse("measured on no items: no sample", line: 1) }
        return collector.finish(items: items)
    }

    /// A name that a sample has twice. Within the document that was asked about names are nobody's business.
    private static func repetition(in members: [JSONNode.Member]) -> String? {
        var seen: Set<String> = []
        return members.first { !seen.insert($0.key).inserted }?.key
    }

    /// `out/model/samples_hellaswag_2024-06-01T10-00-00.123456.jsonl`: hellaswag.
    static func task(of file: String) -> String {
        var name = file.split(separator: "/").last ?? ""
        if name.hasPrefix("samples_") { name = name.dropFirst("samples_".count) }
        if name.hasSuffix(".jsonl") { name = name.dropLast(".jsonl".count) }
        guard let mark = name.lastIndex(of: "_") else { return String(name) }
        let last = name[name.index(after: mark)...]
        return String(last.contains("T") && last.prefix(4).allSatisfy(\.isNumber) ? name[..<mark] : name)
    }

    private static func digest(_ node: JSONNode) -> String? {
        let hashes = ["doc_hash", "prompt_hash", "target_hash"].compactMap { node[$0]?.value.string }
        let text = hashes.joined(separator: "+")
        return text.isEmpty || text.utf8.count > Limits.itemIDBytesMax ? nil : text
    }

    private static let notMeasured: Set<String> = [
        "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
        "prompt_hash", "target_hash",
    ]

    private static func add(_ node: JSONNode, to item: inout Item, file: String, line: Int) {
        guard case .object(let members) = node.kind else { return }
        let listed = node["metrics"]?.value.array?.compactMap(\.string)
        let filter = node["filter"]?.value.string ?? "none"
        let reading = MetricReading(file: file)
        var entries = ItemEntries(file: file, line: line)
        for entry in item.entries { entries.add(entry) }
        for member in members where listed?.contains(member.key) ?? !notMeasured.contains(member.key) {
            entries.add(
                Item.Entry(
                    LanguageModelResults.name(member.key, filter: filter), reading.number(member.value)))
        }
        item.entries = entries.list
    }
}
