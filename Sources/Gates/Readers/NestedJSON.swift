import JSON
import Model

/// Any JSON object: `{"eval": {"accuracy": 0.9}}` is the metric `eval.accuracy`.
enum NestedJSON {
    static func read(_ bytes: [UInt8], file: String) -> ReadMetrics {
        switch document(bytes, file: file) {
        case .refused(let refused): return refused
        case .object(let members):
            var collector = MetricCollector(file: file)
            add(members, under: "", to: &collector)
            return collector.finish()
        }
    }

    enum Document {
        case object([JSONNode.Member])
        case refused(ReadMetrics)
    }

    /// The file as one JSON object, or why it is none.
    static func document(_ bytes: [UInt8], file: String) -> Document {
        do throws(JSONError) {
            let node = try JSONParser.parse(bytes, repeatedKeys: .keepAll)
            if case .object(let members) = node.kind { return .object(members) }
            return .refused(.refused("not a JSON object", file: file, line: node.line))
        } catch {
            guard bytes.contains(where: { $0 > 0x20 }) else {
                return .refused(.refused("the file is empty", file: file, line: 1))
            }
            return .refused(
                .refused(
                    "not JSON, column \(error.column): \(error.problem)", text: error.found, file: file,
                    line: error.line))
        }
    }

    /// The file as one JSON object in which every name stands once, or why it is none: who looks for a member by its name
    /// would else take the first of two.
    static func unambiguous(_ bytes: [UInt8], file: String) -> Document {
        let document = document(bytes, file: file)
        guard case .object(let members) = document, let twice = repetition(in: members) else { return document }
        return .refused(
            .refused("several values: '\(twice.key.prefix(60))' stands twice", file: file, line: twice.line))
    }

    /// The first member whose name stood before it in the same object, at any depth.
    static func repetition(in members: [JSONNode.Member]) -> JSONNode.Member? {
        var seen: Set<String> = []
        for member in members {
            if !seen.insert(member.key).inserted { return member }
            if let inner = repetition(in: member.value) { return inner }
        }
        return nil
    }

    private static func repetition(in node: JSONNode) -> JSONNode.Member? {
        switch node.kind {
        case .object(let members): return repetition(in: members)
        case .array(let nodes):
            for node in nodes { if let inner = repetition(in: node) { return inner } }
            return nil
        case .null, .boolean, .number, .string: return nil
        }
    }

    private static func add(_ members: [JSONNode.Member], under prefix: String, to collector: inout MetricCollector) {
        let reading = MetricReading(file: collector.file)
        for member in members where !collector.isRefused {
            let name = prefix + member.key
            if case .object(let inner) = member.value.kind {
                add(inner, under: name + ".", to: &collector)
            } else {
                collector.add(name, reading.metric(member.value), line: member.line)
            }
        }
    }
}
