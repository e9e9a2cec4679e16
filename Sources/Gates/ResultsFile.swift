import JSON
package import Model

/// What `sheaf export` writes and `sheaf judge` reads: JSON lines, a header, then one line per settled shard.
///
/// The header is `{"sheaf":1,"run","plan":{"jobs":[{"id","cells":[{"id","name","values","shards"}]}]},"commit","tree",
/// "provenance", "baselines"}`: the plan has the form of `sheaf plan --format json`, with what ended without running beside. A line
/// is `{"job","cell":{axis:value},"cell_id","shard","shards","attempt","cause","metrics","items"}`.
package struct ResultsFile: Equatable, Sendable {
    package var results: Results
    /// Without a header nobody knows which cells had to report, nor which code was measured: `results.header` then
    /// expects the cells that were seen, and gates with a baseline are inconclusive.
    package var hasHeader: Bool
    /// Whether the header has a plan; without one a caller should give the workflow's.
    package var hasPlan: Bool

    package static let bytesMax = 2 << 30
    package static let linesMax = Limits.shardsPerRunMax + 1

    /// Results as JSON lines; the same results give the same bytes.
    package static func write(_ results: Results) -> [UInt8] {
        var writer = JSONWriter()
        write(results.header, into: &writer)
        for shard in results.shards { write(shard, into: &writer) }
        return writer.bytes
    }

    /// - Parameter file: the file's name, for messages.
    /// - Throws: `ResultsFileError` at the first line that is no header and no shard.
    package static func read(_ bytes: [UInt8], file: String) throws(ResultsFileError) -> ResultsFile {
        guard bytes.count <= bytesMax else {
            throw ResultsFileError(file: file, line: 0, problem: "larger than \(ByteCount(Int64(bytesMax)))")
        }
        var header: ResultsHeader?
        var hasPlan = false
        var shards: [SettledShard] = []
        var lines = JSONLines(bytes)
        while let (line, content) = lines.next() {
            guard line <= linesMax else {
                throw ResultsFileError(file: file, line: line, problem: "more than \(linesMax) lines")
            }
            let reading = ResultsLine(file: file, line: line)
            // Most bytes of a line are its items'. They are read apart, without a tree, where they are as usual; a line of
            // which the rest is no JSON is read as a whole, so that the message tells the right place.
            if let (items, rest) = PlainItems.split(content), let node = try? reading.parse(rest), node["sheaf"] == nil
            {
                shards.append(try reading.shard(node, plain: items))
                continue
            }
            let node = try reading.parse(content)
            if node["sheaf"] != nil {
                guard header == nil && shards.isEmpty else { throw reading.error("a header belongs on the first line") }
                (header, hasPlan) = try reading.header(node)
            } else {
                shards.append(try reading.shard(node))
            }
        }
        var results = Results(header: header ?? ResultsHeader(jobs: []), shards: shards)
        if !hasPlan { results.header.jobs = ExpectedJob.seen(in: shards) }
        return ResultsFile(results: results, hasHeader: header != nil, hasPlan: hasPlan)
    }

    // MARK: writing

    private static func write(_ header: ResultsHeader, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("sheaf")
        writer.integer(1)
        if let run = header.run {
            writer.key("run")
            writer.string(run.description)
        }
        writer.key("plan")
        writer.value(["jobs": .array(header.jobs.map(\.written))])
        writer.key("commit")
        writer.value(header.commit.map(Value.string) ?? .null)
        writer.key("tree")
        writer.value(header.tree.map { .string($0.hex) } ?? .null)
        writer.key("provenance")
        writer.value(.object(header.provenance))
        if !header.baselines.isEmpty {
            writer.key("baselines")
            writer.value(.array(header.baselines.map(\.written)))
        }
        if !header.conditions.isEmpty {
            writer.key("conditions")
            writer.value(
                .array(header.conditions.map { ["when": .string($0.text), "holds": .boolean($0.holds)] }))
        }
        writer.endObject()
        writer.newline()
    }

    private static func write(_ shard: SettledShard, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("job")
        writer.string(shard.job)
        writer.key("cell")
        writer.value(.object(shard.values))
        writer.key("cell_id")
        writer.string(shard.cell)
        writer.key("shard")
        writer.integer(shard.shard)
        writer.key("shards")
        writer.integer(shard.shardCount)
        writer.key("attempt")
        writer.integer(shard.attempt)
        writer.key("cause")
        writer.string(shard.cause.kind.rawValue)
        if let code = shard.cause.code {
            writer.key("code")
            writer.integer(code)
        }
        if !shard.cause.evidence.isEmpty {
            writer.key("evidence")
            writer.string(shard.cause.evidence)
        }
        writer.key("metrics")
        writer.beginObject()
        for (name, value) in once(shard.metrics.lazy.map { ($0.name, $0) }) {
            writer.key(name)
            writer.value(value.map { $0.value.written(unit: $0.unit) } ?? several.written)
        }
        writer.endObject()
        writer.key("items")
        writer.beginArray()
        for item in shard.items { write(item, into: &writer) }
        writer.endArray()
        if let assigned = shard.assigned {
            writer.key("assigned")
            // The usual case, every item reported in the order it was given, is said in a word.
            if assigned == shard.items.ids {
                writer.string("reported")
            } else {
                writer.value(.array(assigned.map(Value.string)))
            }
        }
        if !shard.absent.isEmpty {
            writer.key("absent")
            writer.value(.array(shard.absent.map(Value.string)))
        }
        if !shard.flaky.isEmpty {
            writer.key("flaky")
            writer.value(.array(shard.flaky.map(Value.string)))
        }
        writer.endObject()
        writer.newline()
    }

    /// What stands for a name that was given twice.
    private static let several = RefusedMetric(text: "", reason: "several values", file: "", line: 0)

    /// Each name once, in the order of first mention, as a reader wants it; `nil` for a name with several values. Of
    /// whole-file refusals, the first is kept: one is as good as many.
    private static func once<Content>(_ named: some Collection<(String, Content)>) -> [(String, Content?)] {
        var result: [(String, Content?)] = []
        result.reserveCapacity(named.count)
        // A few names are compared one by one: that is cheaper than a table.
        let isLong = named.count > 16
        var places: [String: Int] = [:]
        for (name, content) in named {
            if let place = isLong ? places[name] : result.firstIndex(where: { $0.0 == name }) {
                if name != MetricsFile.wholeName { result[place].1 = nil }
            } else {
                if isLong { places[name] = result.count }
                result.append((name, content))
            }
        }
        return result
    }

    private static func write(_ item: Item, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("id")
        writer.string(item.id)
        if let digest = item.digest {
            writer.key("digest")
            writer.string(digest)
        }
        for entry in item.entries {
            writer.key(entry.name)
            switch entry.number {
            case .number(let number): writer.number(number)
            case .refused(let refused): writer.value(refused.written)
            }
        }
        writer.endObject()
    }
}

/// Why a file of results cannot be read, and where.
package struct ResultsFileError: Error, Equatable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1; 0 when the file as a whole is meant.
    package var line: Int
    package var problem: String

    package var description: String { "\(file):\(line): error: \(problem)" }
}

extension ExpectedJob {
    fileprivate var written: Value {
        var members: [Value.Member] = [Value.Member("id", .string(id))]
        if ending != .ran { members.append(Value.Member("ending", .string(ending.rawValue))) }
        if !reason.isEmpty { members.append(Value.Member("reason", .string(reason))) }
        if let writesMetrics { members.append(Value.Member("writes_metrics", .boolean(writesMetrics))) }
        members.append(Value.Member("cells", .array(cells.map(\.written))))
        return .object(members)
    }
}

extension ExpectedCell {
    fileprivate var written: Value {
        var members: [Value.Member] = [
            Value.Member("id", .string(id)), Value.Member("name", .string(name)),
            Value.Member("values", .object(values)),
            Value.Member("shards", shards.map { .number(Double($0)) } ?? .null),
        ]
        if let items { members.append(Value.Member("items", .number(Double(items)))) }
        if !required { members.append(Value.Member("required", false)) }
        if continueOnError { members.append(Value.Member("continue_on_error", true)) }
        if let skipped { members.append(Value.Member("skipped", .string(skipped))) }
        return .object(members)
    }
}
