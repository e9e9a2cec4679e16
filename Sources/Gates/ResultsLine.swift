import JSON
import Model

/// Reads one line of a results file.
struct ResultsLine {
    var file: String
    var line: Int

    func error(_ problem: String) -> ResultsFileError { ResultsFileError(file: file, line: line, problem: problem) }

    func parse(_ content: [UInt8]) throws(ResultsFileError) -> JSONNode {
        let node: JSONNode
        do throws(JSONError) {
            node = try JSONParser.parse(content, repeatedKeys: .keepAll)
        } catch {
            throw self.error("not JSON at column \(error.column): \(error.problem)")
        }
        guard case .object(let members) = node.kind else { throw error("a line is an object") }
        var seen: Set<String> = []
        for member in members where !seen.insert(member.key).inserted {
            throw error("'\(member.key)' stands twice")
        }
        return node
    }

    // MARK: the header

    private static let headerMembers: Set<String> = [
        "sheaf", "run", "plan", "commit", "tree", "provenance", "baselines", "conditions",
    ]

    func header(_ node: JSONNode) throws(ResultsFileError) -> (ResultsHeader, hasPlan: Bool) {
        guard node["sheaf"]?.value.number == 1 else {
            throw error("this is not version 1 of the results; use the sheaf that wrote them, or a newer one")
        }
        try refuseStrangers(node, beside: Self.headerMembers, in: "a header")
        var header = ResultsHeader(jobs: [])
        if let text = try optionalText("run", of: node) {
            guard let run = RunID(text) else { throw error("'run' is like \"r17\", not \"\(text.prefix(40))\"") }
            header.run = run
        }
        header.commit = try optionalText("commit", of: node)
        if let text = try optionalText("tree", of: node) {
            guard let tree = Digest(hex: text) else { throw error("'tree' is 64 hexadecimal digits") }
            header.tree = tree
        }
        if let provenance = present(node["provenance"]) {
            guard case .object(let members) = provenance.value else { throw error("'provenance' is an object") }
            header.provenance = members
        }
        if present(node["baselines"]) != nil {
            for entry in try list("baselines", of: node, in: "the header") {
                guard let note = BaselineNote(written: entry.value) else {
                    throw error("'baselines' has a strange entry")
                }
                header.baselines.append(note)
            }
        }
        if present(node["conditions"]) != nil {
            for entry in try list("conditions", of: node, in: "the header") {
                guard let holds = try flag("holds", of: entry) else { throw error("a condition needs 'holds'") }
                header.conditions.append(
                    ResultsHeader.Condition(try text("when", of: entry, in: "a condition"), holds: holds))
            }
        }
        guard let plan = present(node["plan"]) else { return (header, false) }
        let jobs = try list("jobs", of: plan, in: "plan")
        guard jobs.count <= Limits.jobsMax else { throw error("more than \(Limits.jobsMax) jobs") }
        for job in jobs { header.jobs.append(try expectedJob(job)) }
        guard Set(header.jobs.map(\.id)).count == jobs.count else { throw error("the plan has a job twice") }
        return (header, true)
    }

    private func expectedJob(_ node: JSONNode) throws(ResultsFileError) -> ExpectedJob {
        let id = try text("id", of: node, in: "a job of the plan")
        var job = ExpectedJob(id: id, cells: [])
        if let word = try optionalText("ending", of: node) {
            guard let ending = ExpectedJob.Ending(rawValue: word) else { throw error("no such ending: '\(word)'") }
            job.ending = ending
        }
        job.reason = try optionalText("reason", of: node) ?? ""
        job.writesMetrics = try flag("writes_metrics", of: node)
        let cells = present(node["cells"]) == nil ? [] : try list("cells", of: node, in: "job '\(id)'")
        guard cells.count <= Limits.cellsPerJobMax else { throw error("more than \(Limits.cellsPerJobMax) cells") }
        for cell in cells { job.cells.append(try expectedCell(cell)) }
        guard Set(job.cells.map(\.id)).count == cells.count else { throw error("job '\(id)' has a cell twice") }
        return job
    }

    private func expectedCell(_ node: JSONNode) throws(ResultsFileError) -> ExpectedCell {
        let id = try text("id", of: node, in: "a cell of the plan")
        var cell = ExpectedCell(id: id, name: try optionalText("name", of: node) ?? id)
        cell.values = try values("values", of: node)
        cell.shards = present(node["shards"]) == nil ? nil : try whole("shards", of: node, max: Limits.shardsPerCellMax)
        cell.items = present(node["items"]) == nil ? nil : try whole("items", of: node, max: Limits.itemsPerCellMax)
        cell.required = try flag("required", of: node) ?? true
        cell.continueOnError = try flag("continue_on_error", of: node) ?? false
        cell.skipped = try optionalText("skipped", of: node)
        return cell
    }

    // MARK: a shard

    private static let shardMembers: Set<String> = [
        "job", "cell", "cell_id", "shard", "shards", "attempt", "cause", "code", "evidence", "metrics", "items",
        "assigned", "absent", "flaky",
    ]

    /// - Parameter plain: the items, where they were read already and the line has an empty list in their place.
    func shard(_ node: JSONNode, plain: ItemTable? = nil) throws(ResultsFileError) -> SettledShard {
        try refuseStrangers(node, beside: Self.shardMembers, in: "a line")
        let count = present(node["shards"]) == nil ? 1 : try whole("shards", of: node, max: Limits.shardsPerCellMax)
        var shard = SettledShard(
            job: try text("job", of: node, in: "a line"), cell: try optionalText("cell_id", of: node) ?? "",
            values: try values("cell", of: node), shard: try shardNumber(node), shardCount: count,
            attempt: present(node["attempt"]) == nil ? 1 : try whole("attempt", of: node, max: 1_000_000),
            cause: try cause(node))
        if let metrics = present(node["metrics"]) {
            guard case .object(let members) = metrics.kind else { throw error("'metrics' is an object") }
            let reading = MetricReading(file: file, lineOffset: line - 1)
            var places: [String: Int] = [:]
            for member in members {
                if let place = places[member.key] {
                    shard.metrics[place].value = .refused(
                        RefusedMetric(text: "", reason: "several values", file: file, line: line))
                } else {
                    places[member.key] = shard.metrics.count
                    shard.metrics.append(
                        NamedMetric(
                            member.key, reading.metric(member.value), unit: reading.unit(member.value)))
                }
            }
        }
        if let items = present(node["items"]) {
            guard case .array(let nodes) = items.kind else { throw error("'items' is a list") }
            guard nodes.count <= Limits.itemsPerCellMax else {
                throw error("more than \(Limits.itemsPerCellMax) items")
            }
            for node in nodes { shard.items.append(try item(node)) }
            if let plain { shard.items = plain }
        }
        shard.assigned = try assigned(node, items: shard.items)
        shard.absent = try texts("absent", of: node, most: MetricSource.countMax + 1).map(MetricReading.cut)
        shard.flaky = try texts("flaky", of: node, most: SettledShard.flakyMax)
        return shard
    }

    private func texts(_ name: String, of node: JSONNode, most: Int) throws(ResultsFileError) -> [String] {
        guard let list = present(node[name]) else { return [] }
        guard let texts = list.value.array?.map(\.string), !texts.contains(nil), texts.count <= most else {
            throw error("'\(name)' is a list of texts, at most \(most)")
        }
        return texts.compactMap { $0 }
    }

    private func shardNumber(_ node: JSONNode) throws(ResultsFileError) -> Int {
        if present(node["shard"])?.value.number == Double(ShardID.listing) { return ShardID.listing }
        return present(node["shard"]) == nil ? 0 : try whole("shard", of: node, max: Limits.shardsPerCellMax)
    }

    /// `"cause": "user_exit", "code": 3`, or the short form `"exit:3"`.
    private func cause(_ node: JSONNode) throws(ResultsFileError) -> Cause {
        let word = try text("cause", of: node, in: "a line")
        var code: Int?
        if let number = present(node["code"])?.value.number {
            guard number.magnitude <= 1e9, number == number.rounded() else { throw error("'code' is a whole number") }
            code = Int(number)
        }
        let evidence = try optionalText("evidence", of: node) ?? ""
        if let kind = Cause.Kind(rawValue: word) {
            if kind == .passed, let code, code != 0 { throw error("a shard that passed has no code \(code)") }
            return Cause(kind, code: code, evidence: evidence)
        }
        let parts = word.split(separator: ":", maxSplits: 1)
        // No larger than a 'code' that is written beside the cause.
        guard parts.count == 2, let number = Int(parts[1]), number.magnitude <= 1_000_000_000,
            parts[0] == "exit" || parts[0] == "signal"
        else { throw error("no such cause: '\(word.prefix(40))'") }
        return Cause(parts[0] == "exit" ? .userExit : .signal, code: number, evidence: evidence)
    }

    private func item(_ node: JSONNode) throws(ResultsFileError) -> Item {
        guard case .object(let members) = node.kind else { throw error("an item is an object") }
        var (id, digest): (String?, String?) = (nil, nil)
        var entries = ItemEntries(file: file, line: line)
        let reading = MetricReading(file: file, lineOffset: line - 1)
        for member in members {
            if member.key == "id" {
                guard id == nil, let text = ItemsFile.id(.node(member.value)) else {
                    throw error("an item has one id, a text or a whole number")
                }
                id = text
            } else if member.key == "digest", digest == nil, let text = ItemsFile.digest(.node(member.value)) {
                digest = text
            } else {
                entries.add(Item.Entry(member.key, reading.number(member.value)))
            }
        }
        guard let id, !id.isEmpty, id.utf8.count <= Limits.itemIDBytesMax else {
            throw error("an item without an id, or with one longer than \(Limits.itemIDBytesMax) bytes")
        }
        return Item(id: id, digest: digest, entries: entries.list)
    }

    /// `"reported"` (exactly the items of this line, in their order), or the list of ids.
    private func assigned(_ node: JSONNode, items: ItemTable) throws(ResultsFileError) -> TextColumn? {
        guard let assigned = present(node["assigned"]) else { return nil }
        switch assigned.kind {
        case .string("reported"): return items.ids
        case .array(let nodes):
            guard nodes.count <= Limits.itemsPerCellMax else { throw error("too many assigned items") }
            var ids = TextColumn()
            for node in nodes {
                guard case .string(let id) = node.kind else { throw error("'assigned' is a list of ids") }
                ids.append(id)
            }
            return ids
        case .null, .boolean, .number, .string, .object: throw error("'assigned' is \"reported\" or a list of ids")
        }
    }

    // MARK: members

    /// A name that nobody reads may be one that was meant: without its `assigned`, a line has all its items.
    private func refuseStrangers(
        _ node: JSONNode, beside known: Set<String>, in place: String
    ) throws(ResultsFileError) {
        guard case .object(let members) = node.kind,
            let stranger = members.first(where: { !known.contains($0.key) })?.key
        else { return }
        let near = Spelling.nearest(to: stranger, among: known.sorted())
        throw error(
            "\(place) has no '\(stranger.prefix(60))'; "
                + (near.map { "did you mean '\($0)'?" } ?? "it has \(known.sorted().joined(separator: ", "))"))
    }

    /// `null` says the same as nothing.
    private func present(_ node: JSONNode?) -> JSONNode? { node?.kind == .null ? nil : node }

    private func text(_ name: String, of node: JSONNode, in place: String) throws(ResultsFileError) -> String {
        guard let text = node[name]?.value.string, !text.isEmpty else { throw error("\(place) needs a text '\(name)'") }
        return text
    }

    private func optionalText(_ name: String, of node: JSONNode) throws(ResultsFileError) -> String? {
        guard let node = present(node[name]) else { return nil }
        guard let text = node.value.string else { throw error("'\(name)' is a text") }
        return text
    }

    private func flag(_ name: String, of node: JSONNode) throws(ResultsFileError) -> Bool? {
        guard let node = present(node[name]) else { return nil }
        guard let flag = node.value.boolean else { throw error("'\(name)' is true or false") }
        return flag
    }

    private func whole(_ name: String, of node: JSONNode, max: Int) throws(ResultsFileError) -> Int {
        guard let number = node[name]?.value.number, let whole = MetricReading.whole(number), whole <= max else {
            throw error("'\(name)' is a whole number from 0 to \(max)")
        }
        return whole
    }

    private func list(_ name: String, of node: JSONNode, in place: String) throws(ResultsFileError) -> [JSONNode] {
        guard case .array(let nodes)? = node[name]?.kind else { throw error("\(place) needs a list '\(name)'") }
        return nodes
    }

    private func values(_ name: String, of node: JSONNode) throws(ResultsFileError) -> [Value.Member] {
        guard let node = present(node[name]) else { return [] }
        guard case .object(let members) = node.value else { throw error("'\(name)' is an object of axis values") }
        guard Set(members.map(\.key)).count == members.count else { throw error("'\(name)' has an axis twice") }
        return members
    }
}
