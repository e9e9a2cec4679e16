package import Model

/// What one file, or several together, say.
package struct ReadMetrics: Equatable, Sendable {
    /// Each name once; `MetricsFile.wholeName` for what makes a file as a whole unfit.
    package var metrics: [NamedMetric]
    package var items: ItemTable
    /// Tests that were skipped, by the names that the file has for them.
    package var skipped: [String]
    /// Tests that failed and passed, by the names that the file has for them.
    package var flaky: [String] = []

    package init(metrics: [NamedMetric] = [], items: ItemTable = ItemTable(), skipped: [String] = []) {
        self.metrics = metrics
        self.items = items
        self.skipped = skipped
    }

    /// Adds what another file says. A name that stands in both has several values, which is no value; items that stand in
    /// both stay, and contradict each other where they are read.
    package mutating func add(_ other: ReadMetrics, file: String) {
        items.append(contentsOf: other.items)
        skipped += other.skipped
        flaky += other.flaky
        var places: [String: Int] = [:]
        for (place, metric) in metrics.enumerated() { places[metric.name] = place }
        for metric in other.metrics {
            if metric.name == MetricsFile.wholeName {
                metrics.append(metric)
            } else if let place = places[metric.name] {
                metrics[place].value = .refused(
                    RefusedMetric(text: "", reason: "several values", file: file, line: 0))
            } else {
                places[metric.name] = metrics.count
                metrics.append(metric)
            }
        }
    }
}

/// Reads metrics as tools write them.
package enum MetricFiles {
    /// Reads one file. Nothing is thrown: what cannot be taken is `refused`, with its text, reason, file and line.
    ///
    /// - Parameter areAssigned: tests were assigned: a report of skipped ones alone says something of them.
    package static func read(
        _ bytes: [UInt8], file: String, as source: MetricSource, areAssigned: Bool = false
    ) -> ReadMetrics {
        var read = whole(bytes, file: file, as: source, areAssigned: areAssigned)
        if !source.withItems { (read.items, read.skipped) = ([], []) }
        return read
    }

    /// Names tests as they were assigned: pytest's ids (`tests/test_a.py::TestB::test_c`) are written otherwise in JUnit's
    /// files (`tests.test_a.TestB::test_c`). One that was assigned and skipped was reported, and measured nothing.
    package static func assign(_ read: inout ReadMetrics, as assigned: TextColumn) {
        let known = Set(assigned)
        var names: [String: String] = [:]
        for id in assigned { names[JUnitFile.name(ofTest: id)] = id }
        read.items.rename { known.contains($0) ? nil : names[$0] }
        guard !read.skipped.isEmpty else { return }
        var reported = Set(read.items.ids)
        for name in read.skipped {
            let id = known.contains(name) ? name : names[name]
            if let id, reported.insert(id).inserted { read.items.append(Item(id: id, entries: [])) }
        }
        read.skipped = []
    }

    private static func whole(
        _ bytes: [UInt8], file: String, as source: MetricSource, areAssigned: Bool
    ) -> ReadMetrics {
        guard bytes.count <= source.bytesMax else {
            return .refused("larger than \(ByteCount(Int64(source.bytesMax)))", file: file)
        }
        switch source.format {
        case .sheaf: return ReadMetrics(metrics: MetricsFile.read(bytes, file: file))
        case .json: return NestedJSON.read(bytes, file: file)
        case .jsonl: return MetricLines.read(bytes, file: file, source)
        case .csv: return CSVMetrics.read(bytes, file: file, source)
        case .junit: return JUnitFile.read(bytes, file: file, areAssigned: areAssigned)
        case .pytestBenchmark: return PytestBenchmark.read(bytes, file: file)
        case .lmEval:
            return file.hasSuffix(".jsonl")
                ? LanguageModelSamples.read(bytes, file: file) : LanguageModelResults.read(bytes, file: file)
        case .mlflow: return MLflowMetric.read(bytes, file: file)
        }
    }
}

extension ReadMetrics {
    static func refused(_ reason: String, text: String = "", file: String, line: Int = 0) -> ReadMetrics {
        ReadMetrics(metrics: [
            NamedMetric(
                MetricsFile.wholeName,
                .refused(RefusedMetric(text: MetricReading.cut(text), reason: reason, file: file, line: line)))
        ])
    }
}

/// The metrics of one file in the order of their first mention: each name once, and not too many.
struct MetricCollector {
    /// Of a metric's name.
    static let nameBytesMax = 1024

    enum Repeated { case refused, replaced }

    let file: String
    private(set) var metrics: [NamedMetric] = []
    private var places: [String: Int] = [:]
    private var problem: RefusedMetric?

    init(file: String) { self.file = file }

    /// - Parameter repeated: whether a name that stands twice has several values, or its later one.
    mutating func add(_ name: String, _ value: MetricValue, line: Int, repeated: Repeated = .refused) {
        guard !name.isEmpty && name.utf8.count <= Self.nameBytesMax else {
            return refuse("a metric's name has 1 to \(Self.nameBytesMax) bytes", text: name, line: line)
        }
        if let place = places[name] {
            switch repeated {
            case .replaced: metrics[place].value = value
            case .refused: metrics[place].value = refused("several values", line: line)
            }
            return
        }
        guard metrics.count < MetricsFile.metricsMax else {
            return refuse("more than \(MetricsFile.metricsMax) metrics", line: line)
        }
        places[name] = metrics.count
        metrics.append(NamedMetric(name, value))
    }

    /// Adds one more value of a name.
    mutating func addSample(_ name: String, _ number: Double, line: Int) {
        guard let place = places[name] else { return add(name, .samples([number]), line: line) }
        // Taken out while it grows: else each value would copy all before it.
        guard case .samples(var values) = metrics[place].value else { return }
        metrics[place].value = .count(0)
        values.append(number)
        metrics[place].value =
            values.count <= MetricReading.samplesMax
            ? .samples(values) : refused("more than \(MetricReading.samplesMax) samples", line: line)
    }

    func refused(_ reason: String, text: String = "", line: Int) -> MetricValue {
        .refused(RefusedMetric(text: MetricReading.cut(text), reason: reason, file: file, line: line))
    }

    /// Says why the file as a whole is unfit; the first reason stays.
    mutating func refuse(_ reason: String, text: String = "", line: Int) {
        guard problem == nil else { return }
        problem = RefusedMetric(text: MetricReading.cut(text), reason: reason, file: file, line: line)
    }

    var isRefused: Bool { problem != nil }

    func finish(items: [Item] = []) -> ReadMetrics {
        let whole = problem.map { [NamedMetric(MetricsFile.wholeName, .refused($0))] } ?? []
        return ReadMetrics(metrics: whole + metrics, items: ItemTable(items))
    }
}
