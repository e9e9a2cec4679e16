import JSON
package import Model

/// The file that `metrics:` names: one JSON object, from names to numbers or typed metrics.
package enum MetricsFile {
    /// The name under which a file that cannot be read as a whole is refused. No metric of the shard counts then.
    package static let wholeName = ""
    package static let metricsMax = 10_000

    /// Reads a metrics file. Nothing is thrown: what cannot be taken is `refused`, with its text, reason and line.
    ///
    /// Where the file is not JSON, members whose own value is JSON are still read as long as the object around them is
    /// whole; `{"accuracy": NaN, "f1": 0.9}` refuses `accuracy` and gives `f1`.
    ///
    /// - Parameter bytes: the file's content; a file that does not exist has no metrics, which gates call missing.
    /// - Parameter file: its path as the workflow gives it, for messages.
    package static func read(_ bytes: [UInt8], file: String) -> [NamedMetric] {
        guard bytes.count <= Limits.metricsFileBytesMax else {
            return [refused("larger than \(ByteCount(Int64(Limits.metricsFileBytesMax)))", file: file)]
        }
        let members: [Member]
        var whole: [NamedMetric] = []
        // `try?`: what is wrong with the text is found again, and better told, by `BrokenObject`.
        if let node = try? JSONParser.parse(bytes, repeatedKeys: .keepAll), case .object(let found) = node.kind {
            let reading = MetricReading(file: file)
            members = found.map { Member($0.key, $0.line, reading.metric($0.value), unit: reading.unit($0.value)) }
        } else {
            let broken = BrokenObject(bytes)
            members = broken.members.map { member in
                var unit: String?
                if case .node(let node) = member.content { unit = MetricReading(file: file).unit(node) }
                return Member(member.key, member.line, metric(member, file: file), unit: unit)
            }
            if let problem = broken.problem {
                let isNumber = problem.text.utf8.first.map { (0x30...0x39).contains($0) } ?? false
                let reason = isNumber && broken.members.isEmpty ? bareNumber(bytes) : problem.reason
                whole = [refused(reason, text: problem.text, file: file, line: problem.line)]
            }
        }
        guard members.count <= metricsMax else { return [refused("more than \(metricsMax) metrics", file: file)] }
        return whole + once(members, file: file)
    }

    private struct Member {
        var key: String
        var line: Int
        var value: MetricValue
        var unit: String?

        init(_ key: String, _ line: Int, _ value: MetricValue, unit: String?) {
            self.key = key
            self.line = line
            self.value = value
            self.unit = unit
        }
    }

    private static func metric(_ member: BrokenObject.Member, file: String) -> MetricValue {
        switch member.content {
        case .node(let node): return MetricReading(file: file, lineOffset: member.lineOffset).metric(node)
        case .text(let text):
            let reason = text.isEmpty ? "empty, not a number" : "not a number"
            return .refused(RefusedMetric(text: text, reason: reason, file: file, line: member.line))
        }
    }

    /// Two lines of numbers are several values; one line is a value without a name.
    private static func bareNumber(_ bytes: [UInt8]) -> String {
        let lines = bytes.split(separator: 0x0A).filter { $0.contains { $0 > 0x20 } }
        return lines.count > 1 ? "several values" : "a bare number; metrics have names, as in {\"accuracy\": 0.9}"
    }

    private static func refused(_ reason: String, text: String = "", file: String, line: Int = 0) -> NamedMetric {
        NamedMetric(wholeName, .refused(RefusedMetric(text: text, reason: reason, file: file, line: line)))
    }

    /// Each name once: a name that stands twice has several values, which is no value.
    private static func once(_ members: [Member], file: String) -> [NamedMetric] {
        var places: [String: Int] = [:]
        var metrics: [NamedMetric] = []
        for member in members {
            if member.key.isEmpty {
                metrics.append(refused("a metric without a name", file: file, line: member.line))
            } else if let place = places[member.key] {
                metrics[place].value = .refused(
                    RefusedMetric(text: "", reason: "several values", file: file, line: member.line))
            } else {
                places[member.key] = metrics.count
                metrics.append(NamedMetric(member.key, member.value, unit: member.unit))
            }
        }
        return metrics
    }
}
