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
