import Gates
import JSON
import Model

enum MetricsFuzz {
    static func metrics(_ bytes: [UInt8]) throws(FuzzFinding) {
        let metrics = MetricsFile.read(bytes, file: "metrics.json")
        for metric in metrics { try check(metric.value) }
        try promise(metrics.count <= MetricsFile.metricsMax + 1, "\(metrics.count) metrics")
        // No number without JSON that says so.
        if (try? JSONParser.value(bytes, repeatedKeys: .keepAll))?.members == nil {
            try promise(!metrics.isEmpty, "what is no JSON has no metric, and nobody says so")
        }
    }

    private static func check(_ value: MetricValue) throws(FuzzFinding) {
        switch value {
        case .plain(let number), .sum(let number), .min(let number), .max(let number):
            try promise(number.isFinite, "\(number) is taken for a number")
        case .count(let count): try promise(count >= 0, "a count of \(count)")
        case .mean(let n, let mean, let m2):
            try promise(n >= 0 && mean.isFinite && m2.isFinite && m2 >= 0, "a mean of \(n), \(mean), \(m2)")
        case .ratio(let numerator, let denominator):
            try promise(numerator.isFinite && denominator.isFinite, "a ratio of \(numerator) to \(denominator)")
        case .samples(let values): try promise(values.allSatisfy(\.isFinite), "samples that are no numbers")
        case .quantiles, .refused: break
        }
    }

    /// However the file comes in pieces, it says the same.
    static func items(_ bytes: [UInt8]) throws(FuzzFinding) {
        let (items, problem) = ItemsFile.read(bytes, file: "items.jsonl")
        for item in items {
            try promise(!item.id.isEmpty && item.id.utf8.count <= Limits.itemIDBytesMax, "an id of no length")
            for entry in item.entries {
                if case .number(let number) = entry.number {
                    try promise(number.isFinite, "\(number) is an item's number")
                }
            }
        }
        // A needless escape in the name of the id asks for the full reader: it must say the same.
        let slowly = Self.replacing(Array("{\"id\"".utf8), by: Array("{\"\\u0069d\"".utf8), in: bytes)
        let (slow, slowProblem) = ItemsFile.read(slowly, file: "items.jsonl")
        try promise((problem == nil) == (slowProblem == nil), "a problem for one reader only")
        if problem == nil { try promise(slow == items, "the two readers differ") }
        var pieces = ItemsFile(file: "items.jsonl")
        let size = Int(bytes.first ?? 0) % 7 + 1
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + size)
            pieces.take(bytes[start..<end])
            start = end
        }
        pieces.finish()
        try promise(pieces.items == items, "in pieces of \(size) the items differ")
        try promise(pieces.problem == problem, "in pieces of \(size) the problem differs")
    }

    /// At the beginning of lines only: elsewhere it may be part of a text that is kept as it stands.
    private static func replacing(_ old: [UInt8], by new: [UInt8], in bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var place = 0
        while place < bytes.count {
            if place == 0 || bytes[place - 1] == 0x0A, bytes[place...].starts(with: old) {
                result += new
                place += old.count
            } else {
                result.append(bytes[place])
                place += 1
            }
        }
        return result
    }

    static func sources(_ bytes: [UInt8]) throws(FuzzFinding) {
        guard let first = bytes.first else { return }
        let formats = MetricSource.Format.allCases
        let format = formats[Int(first & 7) % formats.count]
        // Names of files tell lm-evaluation-harness's samples from its results, and a metric of MLflow.
        let (path, id): (String, String?) =
            switch format {
            case .lmEval: (first & 8 == 0 ? "m/results_1.json" : "m/samples_task_1.jsonl", nil)
            case .mlflow: ("mlruns/0/r/metrics/a/b", nil)
            case .jsonl, .csv: ("out/file", first & 8 == 0 ? nil : "id")
            case .sheaf, .json, .junit, .pytestBenchmark: ("out/file", nil)
            }
        let source = MetricSource(path: path, format: format, id: id, taking: first & 16 == 0 ? .last : .samples)
        let read = MetricFiles.read(Array(bytes.dropFirst()), file: path, as: source)
        for metric in read.metrics { try check(metric.value) }
        try promise(
            Set(read.metrics.map(\.name)).count == read.metrics.count
                || read.metrics.contains { $0.name == MetricsFile.wholeName }, "a name that stands twice")
        for item in read.items {
            try promise(!item.id.isEmpty, "an item without an id")
            for case .number(let number) in item.entries.map(\.number) {
                try promise(number.isFinite, "\(number) is an item's number")
            }
        }
        // Nothing in a file is nothing measured, and somebody has to say so.
        if bytes.dropFirst().allSatisfy({ $0 <= 0x20 }) && format != .sheaf {
            try promise(
                read.metrics.contains { if case .refused = $0.value { true } else { false } }
                    || (read.items.isEmpty && id != nil), "\(format.rawValue): an empty file passes for one")
        }
    }

    static func results(_ bytes: [UInt8]) throws(FuzzFinding) {
        let read: ResultsFile
        do throws(ResultsFileError) {
            read = try ResultsFile.read(bytes, file: "results.jsonl")
        } catch {
            return
        }
        for shard in read.results.shards {
            for metric in shard.metrics { try check(metric.value) }
        }
        let written = ResultsFile.write(read.results)
        guard let again = try? ResultsFile.read(written, file: "results.jsonl") else {
            throw FuzzFinding("what was written cannot be read")
        }
        try promise(ResultsFile.write(again.results) == written, "written twice, it differs")
    }
}
