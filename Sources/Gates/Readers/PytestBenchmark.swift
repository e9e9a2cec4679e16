import JSON
import Model

/// What `pytest --benchmark-json` writes: each benchmark is an item with its seconds, and a metric of its rounds.
enum PytestBenchmark {
    static func read(_ bytes: [UInt8], file: String) -> ReadMetrics {
        let members: [JSONNode.Member]
        switch NestedJSON.unambiguous(bytes, file: file) {
        case .refused(let refused): return refused
        case .object(let found): members = found
        }
        guard let list = members.first(where: { $0.key == "benchmarks" }), case .array(let nodes) = list.value.kind
        else { return .refused("not of pytest-benchmark: it has no list 'benchmarks'", file: file, line: 1) }
        guard !nodes.isEmpty else {
            return .refused("measured on no items: no benchmark ran", file: file, line: list.line)
        }
        var collector = MetricCollector(file: file)
        var items: [Item] = []
        for node in nodes where !collector.isRefused {
            guard let name = node["fullname"]?.value.string ?? node["name"]?.value.string, let stats = node["stats"]
            else {
                collector.refuse("not of pytest-benchmark: a benchmark without a name or 'stats'", line: node.line)
                break
            }
            guard !name.isEmpty && name.utf8.count <= Limits.itemIDBytesMax else {
                collector.refuse("a benchmark's name has 1 to \(Limits.itemIDBytesMax) bytes", line: node.line)
                break
            }
            let seconds = seconds(stats, collector)
            collector.add(name, seconds, line: node.line)
            let reading = MetricReading(file: file)
            var item = Item(id: name, entries: [])
            for (key, metric) in [("mean", "seconds"), ("median", "seconds_median"), ("min", "seconds_min")] {
                guard let number = stats[key] else { continue }
                // What is wrong with a benchmark is wrong with each of its figures.
                if case .refused(let why) = seconds {
                    item.entries.append(.init(metric, .refused(why)))
                } else {
                    item.entries.append(.init(metric, reading.number(number)))
                }
            }
            items.append(item)
        }
        return collector.finish(items: items)
    }

    /// The rounds themselves where the file has them, else their mean.
    private static func seconds(_ stats: JSONNode, _ collector: MetricCollector) -> MetricValue {
        if case .array(let data)? = stats["data"]?.kind, !data.isEmpty {
            var values: [Double] = []
            for round in data {
                guard case .number(let number, _) = round.kind else {
                    return .refused(MetricReading(file: collector.file).refused(round))
                }
                values.append(number)
            }
            guard values.count <= MetricReading.samplesMax else {
                return collector.refused("more than \(MetricReading.samplesMax) rounds", line: stats.line)
            }
            let wrong = contradiction(stats, values)
            return wrong.map { collector.refused("several values: \($0)", line: stats.line) } ?? .samples(values)
        }
        guard let mean = stats["mean"]?.value.number, let deviation = stats["stddev"]?.value.number,
            let rounds = stats["rounds"]?.value.number.flatMap(MetricReading.whole), rounds > 0, deviation >= 0
        else {
            return collector.refused("a benchmark has a mean, a stddev and rounds", line: stats.line)
        }
        if let wrong = disorder(stats) { return collector.refused(wrong, line: stats.line) }
        return .mean(n: rounds, mean: mean, m2: deviation * deviation * Double(rounds - 1))
    }

    /// Figures that no rounds can have: a mean beyond the longest, a median below the shortest.
    private static func disorder(_ stats: JSONNode) -> String? {
        for (less, more) in [("min", "mean"), ("mean", "max"), ("min", "median"), ("median", "max"), ("min", "max")] {
            guard let a = stats[less]?.value.number, let b = stats[more]?.value.number else { continue }
            guard a - b > 1e-9 * max(a.magnitude, b.magnitude) else { continue }
            let (small, large) = Figure.pair(a, b)
            return "'\(less)' is \(small), and '\(more)' is \(large)"
        }
        return nil
    }

    /// What the file says of its rounds, and the rounds do not.
    private static func contradiction(_ stats: JSONNode, _ values: [Double]) -> String? {
        if let rounds = stats["rounds"]?.value.number, rounds != Double(values.count) {
            return "'rounds' is \(Figure.text(rounds)), and 'data' has \(values.count)"
        }
        var sum = ExactSum()
        for value in values { sum.add(value) }
        let sorted = values.sorted()
        for (name, ours) in [
            ("mean", sum.divided(by: values.count)), ("median", quantile(0.5, of: sorted)), ("min", sorted.first ?? 0),
            ("max", sorted.last ?? 0),
        ] {
            guard let stated = stats[name]?.value.number else { continue }
            guard (stated - ours).magnitude > 1e-9 * max(stated.magnitude, ours.magnitude) else { continue }
            let (told, found) = Figure.pair(stated, ours)
            return "'\(name)' is \(told), and that of 'data' is \(found)"
        }
        return nil
    }
}
