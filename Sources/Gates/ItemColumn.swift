import Model

/// One metric of the items of one shard.
struct ItemColumn {
    /// Of the items that have it.
    private(set) var count = 0
    private(set) var sum = ExactSum()
    private let values: [Double]

    /// - Parameter values: NaN where an item has none.
    init(_ values: [Double]) {
        self.values = values
        for value in values where !value.isNaN {
            count += 1
            sum.add(value)
        }
    }

    private var mean: Double? { count > 0 ? sum.divided(by: count) : nil }
    private var known: [Double] { values.filter { !$0.isNaN } }
    /// What rounding of a sum is measured by.
    private var size: Double { known.reduce(0) { $0 + $1.magnitude } }

    /// How the metrics file contradicts the items, both values named; `nil` when it says the same.
    ///
    /// A number that is stored twice is the same to the last digit or so; nothing is allowed for but the rounding of sums.
    func difference(from stated: MetricValue) -> String? {
        guard let mean else { return count(0, stated.statedCount) }
        switch stated {
        case .plain(let value): return differs("mean", mean, value, by: size / Double(count))
        case .mean(let n, let value, let m2):
            let squares = known.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return count(count, n) ?? differs("mean", mean, value, by: size / Double(count))
                ?? differs("sum of squared deviations", squares, m2, by: squares + Double(count) * mean * mean)
        case .ratio(let numerator, let denominator):
            return differs("mean", mean, numerator / denominator, by: size / Double(count))
        case .sum(let value): return differs("sum", sum.value, value, by: size)
        case .count(let value): return differs("sum", sum.value, Double(value), by: size)
        case .min(let value): return differs("minimum", known.min() ?? 0, value, by: 0)
        case .max(let value): return differs("maximum", known.max() ?? 0, value, by: 0)
        case .samples(let samples):
            if let difference = count(count, samples.count) { return difference }
            for (ours, theirs) in zip(known.sorted(), samples.sorted()) {
                if let difference = differs("value of the same rank", ours, theirs, by: 0) { return difference }
            }
            return nil
        case .quantiles(let sketch):
            if let difference = count(count, sketch.count) { return difference }
            // What stands for a bucket is within the relative error of all that is in it.
            for (ours, theirs) in zip(known.sorted(), sketch.values) {
                let most = sketch.relativeError * ours.magnitude * (1 + 1e-9)
                guard (ours - theirs).magnitude <= most else {
                    return Self.told("value of the same rank", ours, theirs)
                }
            }
            return nil
        case .refused: return nil
        }
    }

    private func count(_ ours: Int, _ theirs: Int?) -> String? {
        guard let theirs, theirs != ours else { return nil }
        return "the metrics file counts \(Spelling.counted(theirs, "item")), the items are \(ours)"
    }

    private func differs(_ word: String, _ ours: Double, _ theirs: Double, by size: Double) -> String? {
        let most = 1e-9 * max(ours.magnitude, theirs.magnitude) + 1e-13 * size
        return (ours - theirs).magnitude <= most ? nil : Self.told(word, ours, theirs)
    }

    private static func told(_ word: String, _ ours: Double, _ theirs: Double) -> String {
        let (mine, other) = Figure.pair(ours, theirs)
        return "the metrics file says \(other), the items' \(word) is \(mine)"
    }
}

extension MetricValue {
    /// On how many items it rests, as far as its kind says.
    fileprivate var statedCount: Int? {
        switch self {
        case .mean(let n, _, _): n
        case .samples(let values): values.count
        case .quantiles(let sketch): sketch.count
        case .plain, .sum, .count, .ratio, .min, .max, .refused: nil
        }
    }
}

extension QuantileSketch {
    /// What stands for each value, rising.
    fileprivate var values: [Double] {
        negative.reversed().flatMap { Array(repeating: -magnitude(of: $0), count: $0.count) }
            + Array(repeating: 0, count: zeros)
            + positive.flatMap { Array(repeating: magnitude(of: $0), count: $0.count) }
    }
}
