import Model

/// What became of a metric that was asked for.
enum Taken<Content> {
    case taken(Content)
    /// Evidence that speaks against itself, or is no number: `fail`.
    case refused(String)
    /// Evidence that is not there: `incomplete`.
    case missing(String)

    func flatMap<Other>(_ transform: (Content) -> Taken<Other>) -> Taken<Other> {
        switch self {
        case .taken(let content): transform(content)
        case .refused(let reason): .refused(reason)
        case .missing(let reason): .missing(reason)
        }
    }
}

/// A metric's value, and on how many items it rests where its kind says so.
struct Measured: Equatable {
    var value: Double
    var count: Int?
    /// What the value is measured in, where any shard says so.
    var unit: String?
    /// What the value says of what was measured; `nil` where nobody tells, as of a plain number.
    var summary: Summary?

    /// Only like values are averaged and compared: a sum of a hundred latencies is no slower than a mean of them.
    enum Summary: String {
        case mean, sum, quantile
        case least = "minimum"
        case most = "maximum"

        /// The outermost quantiles are what `min` and `max` say, too.
        static func quantile(_ q: Double) -> Summary { q == 0 ? .least : q == 1 ? .most : .quantile }

        static func listed(_ summaries: [Summary]) -> String {
            summaries.map { "a \($0.rawValue)" }.joined(separator: " and ")
        }
    }
}

/// Merges what the shards of one cell reported into the cell's metric, by kind.
enum MetricMerge {
    /// - Parameter parts: one value per shard, by rising shard number. Only means, which users rounded themselves,
    ///   depend on that order; everything else is exact.
    static func merge(_ parts: [MetricValue]) -> Taken<MetricValue> {
        guard let first = parts.first else { return .missing("missing") }
        if parts.count == 1 { return .taken(first) }
        switch first {
        case .plain:
            return .missing(
                "kind unknown: plain numbers of \(parts.count) shards cannot be merged; give the metric a kind")
        case .sum:
            return exact(parts) { if case .sum(let value) = $0 { value } else { nil } }.flatMap { .taken(.sum($0)) }
        case .count: return counts(parts)
        case .mean: return means(parts)
        case .ratio: return ratios(parts)
        case .min:
            return all(parts) { if case .min(let value) = $0 { value } else { nil } }
                .flatMap { .taken(.min($0.min() ?? 0)) }
        case .max:
            return all(parts) { if case .max(let value) = $0 { value } else { nil } }
                .flatMap { .taken(.max($0.max() ?? 0)) }
        case .samples:
            return all(parts) { if case .samples(let values) = $0 { values } else { nil } }
                .flatMap { .taken(.samples($0.flatMap { $0 }.sorted())) }
        case .quantiles: return sketches(parts)
        case .refused(let refused): return .refused(refused.sentence)
        }
    }

    /// The parts' payloads, when all are of the kind that `payload` takes.
    private static func all<Payload>(_ parts: [MetricValue], _ payload: (MetricValue) -> Payload?) -> Taken<[Payload]> {
        var payloads: [Payload] = []
        payloads.reserveCapacity(parts.count)
        for part in parts {
            if case .refused(let refused) = part { return .refused(refused.sentence) }
            guard let payload = payload(part) else { return .refused("shards report it with different kinds") }
            payloads.append(payload)
        }
        return .taken(payloads)
    }

    private static func exact(_ parts: [MetricValue], _ payload: (MetricValue) -> Double?) -> Taken<Double> {
        all(parts, payload).flatMap { values in
            var sum = ExactSum()
            for value in values { sum.add(value) }
            return sum.value.isFinite ? .taken(sum.value) : .refused("not a number: the sum is beyond the range")
        }
    }

    private static func counts(_ parts: [MetricValue]) -> Taken<MetricValue> {
        all(parts) { if case .count(let count) = $0 { count } else { nil } }.flatMap { counts in
            var sum = 0
            for count in counts {
                let (next, overflow) = sum.addingReportingOverflow(count)
                if overflow { return .refused("not a number: the count is beyond the range") }
                sum = next
            }
            return .taken(.count(sum))
        }
    }

    private static func ratios(_ parts: [MetricValue]) -> Taken<MetricValue> {
        let pairs: Taken<[(Double, Double)]> = all(parts) {
            if case .ratio(let numerator, let denominator) = $0 { (numerator, denominator) } else { nil }
        }
        return pairs.flatMap { pairs in
            var (numerator, denominator) = (ExactSum(), ExactSum())
            for pair in pairs {
                numerator.add(pair.0)
                denominator.add(pair.1)
            }
            guard numerator.value.isFinite && denominator.value.isFinite else {
                return .refused("not a number: the sum is beyond the range")
            }
            return .taken(.ratio(numerator: numerator.value, denominator: denominator.value))
        }
    }

    /// Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm" (1979), in shard order.
    private static func means(_ parts: [MetricValue]) -> Taken<MetricValue> {
        let triples: Taken<[(n: Int, mean: Double, m2: Double)]> = all(parts) {
            if case .mean(let n, let mean, let m2) = $0 { (n, mean, m2) } else { nil }
        }
        return triples.flatMap { triples in
            var merged: (n: Int, mean: Double, m2: Double) = (0, 0, 0)
            for part in triples where part.n > 0 {
                guard merged.n > 0 else {
                    merged = part
                    continue
                }
                let n = merged.n + part.n
                let distance = part.mean - merged.mean
                let share = Double(part.n) / Double(n)
                merged.m2 += part.m2 + distance * distance * Double(merged.n) * share
                merged.mean += distance * share
                merged.n = n
            }
            guard merged.mean.isFinite && merged.m2.isFinite else {
                return .refused("not a number: the mean is beyond the range")
            }
            return .taken(.mean(n: merged.n, mean: merged.mean, m2: merged.m2))
        }
    }

    private static func sketches(_ parts: [MetricValue]) -> Taken<MetricValue> {
        all(parts) { if case .quantiles(let sketch) = $0 { sketch } else { nil } }.flatMap { sketches in
            guard var merged = sketches.first else { return .missing("missing") }
            for sketch in sketches.dropFirst() {
                guard sketch.relativeError == merged.relativeError else {
                    return .refused("shards report sketches of different relative errors")
                }
                merged.merge(sketch)
            }
            return .taken(.quantiles(merged))
        }
    }
}

extension RefusedMetric {
    /// `not a number (NaN) at metrics.json:1`.
    var sentence: String {
        let shown = text.isEmpty ? "" : " (\(text.count > 60 ? text.prefix(60) + "…" : text[...]))"
        let place = file.isEmpty ? "" : " at \(file)" + (line > 0 ? ":\(line)" : "")
        return reason + shown + place
    }
}

extension QuantileSketch {
    /// How many values were taken.
    var count: Int { zeros + positive.reduce(0) { $0 + $1.count } + negative.reduce(0) { $0 + $1.count } }

    mutating func merge(_ other: QuantileSketch) {
        zeros += other.zeros
        positive = Self.merged(positive, other.positive)
        negative = Self.merged(negative, other.negative)
    }

    /// The value that stands for a bucket: within `relativeError` of everything in it, 2γ^i ÷ (γ + 1).
    func magnitude(of bucket: Bucket) -> Double {
        let gamma = (1 + relativeError) / (1 - relativeError)
        var (power, result, left) = (bucket.index < 0 ? 1 / gamma : gamma, 1.0, bucket.index.magnitude)
        while left > 0 {
            if left & 1 == 1 { result *= power }
            power *= power
            left >>= 1
        }
        return 2 * result / (gamma + 1)
    }

    /// The value at rank q·(n − 1), counted from the lowest; n > 0.
    func quantile(_ q: Double) -> Double {
        let rank = Int((q * Double(count - 1)).rounded(.down))
        var passed = 0
        for bucket in negative.reversed() {
            passed += bucket.count
            if passed > rank { return -magnitude(of: bucket) }
        }
        passed += zeros
        if passed > rank { return 0 }
        for bucket in positive {
            passed += bucket.count
            if passed > rank { return magnitude(of: bucket) }
        }
        return positive.last.map(magnitude) ?? 0
    }

    private static func merged(_ a: [Bucket], _ b: [Bucket]) -> [Bucket] {
        var result: [Bucket] = []
        result.reserveCapacity(a.count + b.count)
        var (i, j) = (0, 0)
        while i < a.count || j < b.count {
            if j == b.count || (i < a.count && a[i].index < b[j].index) {
                result.append(a[i])
                i += 1
            } else if i == a.count || b[j].index < a[i].index {
                result.append(b[j])
                j += 1
            } else {
                result.append(Bucket(index: a[i].index, count: a[i].count + b[j].count))
                i += 1
                j += 1
            }
        }
        return result
    }
}

extension MetricValue {
    /// The number that a gate compares.
    func measured(_ statistic: GateRule.Statistic) -> Taken<Measured> {
        let taken: Taken<Measured>
        switch (self, statistic) {
        case (.plain(let value), .value): taken = .taken(Measured(value: value))
        case (.sum(let value), .value): taken = .taken(Measured(value: value, summary: .sum))
        case (.count(let count), .value): taken = .taken(Measured(value: Double(count), summary: .sum))
        case (.min(let value), .value), (.min(let value), .quantile(0)):
            taken = .taken(Measured(value: value, summary: .least))
        case (.max(let value), .value), (.max(let value), .quantile(1)):
            taken = .taken(Measured(value: value, summary: .most))
        case (.mean(let n, let mean, _), .value):
            guard n > 0 else { return .missing("measured on no items: n = 0") }
            taken = .taken(Measured(value: mean, count: n, summary: .mean))
        case (.ratio(let numerator, let denominator), .value):
            guard denominator != 0 else { return .missing("measured on nothing: the denominator is 0") }
            taken = .taken(Measured(value: numerator / denominator, summary: .mean))
        case (.samples(let values), .value):
            var sum = ExactSum()
            for value in values { sum.add(value) }
            guard !values.isEmpty else { return .missing("measured on no items: n = 0") }
            taken = .taken(Measured(value: sum.divided(by: values.count), count: values.count, summary: .mean))
        case (.samples(let values), .quantile(let q)):
            guard !values.isEmpty else { return .missing("measured on no items: n = 0") }
            let value = quantile(q, of: values.sorted())
            taken = .taken(Measured(value: value, count: values.count, summary: .quantile(q)))
        case (.quantiles(let sketch), .quantile(let q)):
            guard sketch.count > 0 else { return .missing("measured on no items: n = 0") }
            taken = .taken(Measured(value: sketch.quantile(q), count: sketch.count, summary: .quantile(q)))
        case (.quantiles, .value): return .missing("a sketch has quantiles only; give the gate a statistic, as p50")
        case (.refused(let refused), _): return .refused(refused.sentence)
        case (_, .quantile): return .missing("its kind has no quantiles; report it per item, as samples or a sketch")
        }
        return taken.flatMap {
            $0.value.isFinite ? .taken($0) : .refused("not a number: the value is beyond the range")
        }
    }
}

/// The quantile with linear interpolation between order statistics (Hyndman and Fan's type 7, as in NumPy and R).
///
/// - Parameter q: in [0, 1].
/// - Parameter sorted: rising, at least one.
package func quantile(_ q: Double, of sorted: [Double]) -> Double {
    precondition(!sorted.isEmpty && q >= 0 && q <= 1, "a quantile of something, between its ends")
    let position = q * Double(sorted.count - 1)
    let below = min(Int(position), sorted.count - 1)
    let above = min(below + 1, sorted.count - 1)
    let share = position - Double(below)
    // Halves first where the difference of two huge numbers would not fit.
    let distance = sorted[above] - sorted[below]
    guard distance.isFinite else { return sorted[below] * (1 - share) + sorted[above] * share }
    return sorted[below] + distance * share
}
