/// A metric as one shard reports it: a named number with a kind, which says how shards merge.
///
/// Every number here is finite: readers turn NaN, infinities and everything else that is no number into `refused`.
package enum MetricValue: Equatable, Sendable {
    /// A bare number; it stands alone and cannot be merged with another shard's.
    case plain(Double)
    case sum(Double)
    case count(Int)
    /// `m2` is the sum of squared deviations from the mean; n ≥ 0, m2 ≥ 0.
    case mean(n: Int, mean: Double, m2: Double)
    case ratio(numerator: Double, denominator: Double)
    case min(Double)
    case max(Double)
    case samples([Double])
    case quantiles(QuantileSketch)
    /// What could not be taken as a metric: never a pass.
    case refused(RefusedMetric)
}

/// A value that was reported and is no metric: its text as written, and where.
package struct RefusedMetric: Hashable, Sendable {
    /// The value as written, cut to 200 characters.
    package var text: String
    /// Why, in words: `not a number`, `several values`, `a string`.
    package var reason: String
    package var file: String
    /// From 1; 0 when the file as a whole is meant.
    package var line: Int

    package init(text: String, reason: String, file: String, line: Int) {
        self.text = text
        self.reason = reason
        self.file = file
        self.line = line
    }
}

/// A histogram with logarithmic buckets (DDSketch, Masson et al., VLDB 2019): quantiles within a stated relative error.
///
/// Bucket `i` holds values in (γ^(i−1), γ^i], γ = (1+α)/(1−α); negative values have buckets of their own.
package struct QuantileSketch: Hashable, Sendable {
    package struct Bucket: Hashable, Sendable {
        package var index: Int
        package var count: Int
        package init(index: Int, count: Int) {
            self.index = index
            self.count = count
        }
    }

    /// α, the relative error, 0 < α < 1.
    package var relativeError: Double
    /// How many values are zero.
    package var zeros: Int
    /// Buckets of positive values and of the magnitudes of negative ones, by rising index, counts above 0.
    package var positive: [Bucket]
    package var negative: [Bucket]

    package init(relativeError: Double, zeros: Int = 0, positive: [Bucket] = [], negative: [Bucket] = []) {
        self.relativeError = relativeError
        self.zeros = zeros
        self.positive = positive
        self.negative = negative
    }
}

/// One example's record: an id and the numbers measured on it.
package struct Item: Equatable, Sendable {
    package enum Number: Equatable, Sendable {
        case number(Double)
        /// Boxed: there are millions of numbers, and few that are none.
        indirect case refused(RefusedMetric)
    }

    package struct Entry: Equatable, Sendable {
        package var name: String
        package var number: Number
        package init(_ name: String, _ number: Number) {
            self.name = name
            self.number = number
        }
    }

    package var id: String
    /// The digest of its content, where the program gives one: an id that stands for something else is another item.
    package var digest: String?
    /// In the order they were written.
    package var entries: [Entry]

    package init(id: String, digest: String? = nil, entries: [Entry]) {
        self.id = id
        self.digest = digest
        self.entries = entries
    }
}

/// A metric by its name.
package struct NamedMetric: Equatable, Sendable {
    package var name: String
    package var value: MetricValue
    /// What it is measured in, as the program says: `ms`; `nil` where it does not.
    package var unit: String?

    package init(_ name: String, _ value: MetricValue, unit: String? = nil) {
        self.name = name
        self.value = value
        self.unit = unit
    }
}
