import Model

extension WorkflowReader {
    /// Reads `metrics`: the path of Sheaf's own file, or files as tools write them, one or a list.
    mutating func readMetrics(_ node: YAMLNode, into work: inout JobWork) {
        if let items = node.items {
            guard (1...MetricSource.countMax).contains(items.count) else {
                return error(
                    node, "'metrics' lists 1 to \(MetricSource.countMax) files",
                    help: "metrics: [metrics.json]; join others in the step that writes them")
            }
            work.metricSources = items.compactMap { metricSource($0) }
            if work.metricSources.count(where: \.givesItems) > 1 {
                error(
                    node, "several files of 'metrics' give items, and a cell's items are one set",
                    help: "say items: false for all but one, or measure in jobs of their own")
            }
        } else if node.entries != nil {
            work.metricSources = metricSource(node).map { [$0] } ?? []
        } else {
            work.metrics = template(node, "'metrics'", in: Scopes.jobCell)
            work.metrics.map { below(node, $0, "the metrics file") }
        }
    }

    /// What an agent reads of an attempt lies in its workspace.
    mutating func below(_ node: YAMLNode, _ path: String, _ what: String) {
        guard !path.contains("${{"), path.hasPrefix("/") || path.split(separator: "/").contains("..") else { return }
        error(
            node, "\(what) '\(path)' lies outside the workspace",
            help: "name a path below the workspace, without '..'")
    }

    private mutating func metricSource(_ node: YAMLNode) -> MetricSource? {
        if node.scalar != nil {
            return template(node, "a path of 'metrics'", in: Scopes.jobCell).map {
                below(node, $0, "the metrics file")
                return MetricSource(path: $0, format: .sheaf)
            }
        }
        let keys = [Key("path"), Key("format"), Key("id"), Key("take"), Key("items")]
        guard let parts = mapping(node, "'metrics'", keys) else { return nil }
        guard let path = parts["path"].flatMap({ template($0, "'path'", in: Scopes.jobCell) }), !path.isEmpty else {
            error(parts["path"] ?? node, "'metrics' needs the path of a file", help: "path: results.xml")
            return nil
        }
        below(parts["path"] ?? node, path, "the metrics file")
        let formats = MetricSource.Format.allCases.map(\.rawValue)
        var source = MetricSource(path: path, format: .sheaf)
        if let node = parts["format"] {
            guard let format = node.scalar.flatMap({ MetricSource.Format(rawValue: $0.text) }) else {
                let near = node.scalar.flatMap { Spelling.nearest(to: $0.text, among: formats) }
                error(
                    node, "unknown format '\(node.scalar?.text ?? node.kindName)'",
                    help: near.map { "did you mean '\($0)'?" } ?? "give one of \(formats.joined(separator: ", "))")
                return nil
            }
            source.format = format
        }
        let hasLines = source.format == .jsonl || source.format == .csv
        if let node = parts["id"] {
            source.id = text(node, "'id'")
            if !hasLines {
                error(node, "'id' names items in jsonl and csv alone", help: "remove it, or say format: jsonl or csv")
            }
        }
        if let node = parts["take"] {
            if let taking = node.scalar.flatMap({ MetricSource.Taking(rawValue: $0.text) }) {
                source.taking = taking
            } else {
                error(
                    node, "'take' must be last or samples",
                    help: "take: last keeps the last line, take: samples all of them")
            }
            if !hasLines || source.id != nil {
                error(
                    node, "'take' is for lines of jsonl and csv that are no items",
                    help: source.id == nil ? "remove it, or say format: jsonl or csv" : "remove 'take', or 'id'")
            }
        }
        if let node = parts["items"] {
            if node.value.boolean == nil { error(node, "'items' must be true or false", help: "items: false") }
            source.withItems = node.value.boolean ?? true
        }
        return source
    }
}
