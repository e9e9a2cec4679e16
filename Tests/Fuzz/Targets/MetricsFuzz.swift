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
