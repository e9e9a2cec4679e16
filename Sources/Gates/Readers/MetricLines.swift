import JSON
import Model

/// One JSON object a line, as training loops and loggers write them.
enum MetricLines {
    static func read(_ bytes: [UInt8], file: String, _ source: MetricSource) -> ReadMetrics {
        if let id = source.id {
            let (items, problem) = ItemsFile.read(bytes, file: file, id: id)
            return ReadMetrics(
                metrics: problem.map { [NamedMetric(MetricsFile.wholeName, .refused($0))] } ?? [], items: items)
        }
        var collector = MetricCollector(file: file)
        var lines = JSONLines(bytes, lineBytesMax: ItemsFile.lineBytesMax, repeatedKeys: .keepAll)
        let reading = MetricReading(file: file)
        while let record = lines.nextNode(), !collector.isRefused {
            let members: [JSONNode.Member]
            switch record.result {
            case .failure(let error):
                collector.refuse(
                    "not JSON, column \(error.column): \(error.problem)", text: error.found, line: record.line)
                continue
            case .success(let node):
                guard case .object(let found) = node.kind else {
                    collector.refuse("a line is an object of metrics", line: record.line)
                    continue
                }
                members = found
            }
            var seen: Set<String> = []
            for member in members {
                guard seen.insert(member.key).inserted else {
                    collector.add(
                        member.key, collector.refused("several values", line: record.line), line: record.line,
                        repeated: .replaced)
                    continue
                }
                switch (source.taking, reading.number(member.value)) {
                case (.samples, .number(let number)): collector.addSample(member.key, number, line: record.line)
                // One value that is no number spoils all samples of its name.
                case (.samples, .refused(let refused)), (.last, .refused(let refused)):
                    collector.add(member.key, .refused(refused), line: record.line, repeated: .replaced)
                case (.last, .number(let number)):
                    collector.add(member.key, .plain(number), line: record.line, repeated: .replaced)
                }
            }
        }
        if collector.metrics.isEmpty && !collector.isRefused {
            let isEmpty = !bytes.contains { $0 > 0x20 }
            collector.refuse(isEmpty ? "the file is empty" : "missing: no line has a metric", line: 1)
        }
        return collector.finish()
    }
}

/// MLflow's store of files: `…/metrics/NAME` with lines of `timestamp value step`. The value of the last step counts.
enum MLflowMetric {
    static func read(_ bytes: [UInt8], file: String) -> ReadMetrics {
        var collector = MetricCollector(file: file)
        let parts = file.split(separator: "/")
        guard let folder = parts.dropLast().lastIndex(of: "metrics") else {
            return .refused("not a metric of MLflow: it lies in no folder 'metrics'", file: file)
        }
        let name = parts[(folder + 1)...].joined(separator: "/")
        var best: (step: Double, time: Double, value: MetricValue)?
        var number = 0
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            guard line.contains(where: { $0 > 0x20 }) else { continue }
            let fields = line.split { $0 == 0x20 || $0 == 0x0D }.map { String(decoding: $0, as: UTF8.self) }
            guard (2...3).contains(fields.count), let time = PlainNumber.read(fields[0]),
                let step = fields.count == 3 ? PlainNumber.read(fields[2]) : 0
            else {
                return .refused(
                    "not a line of MLflow (timestamp, value, step)", text: String(decoding: line, as: UTF8.self),
                    file: file, line: number)
            }
            if let known = best, (known.step, known.time) > (step, time) { continue }
            let value =
                PlainNumber.read(fields[1]).map(MetricValue.plain)
                ?? collector.refused("not a number", text: fields[1], line: number)
            best = (step, time, value)
        }
        guard let best else { return .refused("the file is empty", file: file, line: 1) }
        collector.add(name, best.value, line: 0)
        return collector.finish()
    }
}

/// Numbers outside of JSON, by JSON's grammar: what `1e-05` is, and `nan`, `1,5`, `0x1` and `.5` are not.
enum PlainNumber {
    static func read(_ text: some StringProtocol) -> Double? {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first), bytes.count <= 64,
            // `try?`: whatever is wrong with it, it is no number.
            case .number(let number, _)? = try? JSONParser.parse(bytes).kind
        else { return nil }
        return number
    }
}
