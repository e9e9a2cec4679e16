/// The exact permutation test of a mean for few values: were it at the limit and the values symmetric about it, each
/// difference could as well have the other sign. All 2^n ways are counted, so no p is drawn by chance.
///
/// Flipping the signs of a subset S gives at least the observed sum just when the values of S add up to at most 0; so
/// subsets are counted, by joining the sorted sums of two halves (Horowitz and Sahni's split).
package struct SignFlips: Sendable {
    /// Up to here all ways are counted; beyond, Student's t is near enough.
    package static let countMax = 29

    private let values: [Double]
    /// By the size of the subset: sums of each subset of one half, rising.
    private let left: [[Double]]
    private let right: [[Double]]
    private let slack: Double

    /// - Parameter values: 1 to `countMax` differences.
    package init(_ values: [Double]) {
        precondition((1...Self.countMax).contains(values.count), "too many ways to count them all")
        self.values = values
        left = Self.sums(values.prefix(values.count / 2))
        right = Self.sums(values.dropFirst(values.count / 2))
        // Sums of other subsets that are equal but for rounding count as equal, which only makes p larger.
        slack = 1e-12 * values.reduce(0) { $0 + $1.magnitude }
    }

    package func test(limit: Double, rate: Double) -> TestResult {
        TestResult(
            beyond: beyond(limit), within: within(limit), low: lowest(rate: rate), high: highest(rate: rate))
    }

    /// The share of sign patterns that give as high a sum as was observed, were the mean `limit`.
    private func beyond(_ limit: Double) -> Double {
        share { size in Double(size) * limit + slack + limit.magnitude * 1e-12 }
    }

    private func within(_ limit: Double) -> Double {
        1 - share(strictly: true) { size in Double(size) * limit - slack - limit.magnitude * 1e-12 }
    }

    /// The share of subsets whose sum is at most (or below) what `bound` says for their size.
    private func share(strictly: Bool = false, _ bound: (Int) -> Double) -> Double {
        var count = 0
        for (size, sums) in left.enumerated() {
            for (other, others) in right.enumerated() {
                let most = bound(size + other)
                var place = others.count
                for sum in sums {
                    while place > 0, strictly ? sum + others[place - 1] >= most : sum + others[place - 1] > most {
                        place -= 1
                    }
                    if place == 0 { break }
                    count += place
                }
            }
        }
        return Double(count) / Double(1 << values.count)
    }

    /// The lowest limit that the data do not reject, a mean of a subset; minus infinity where 2^n is too few.
    private func lowest(rate: Double) -> Double {
        guard 1 / Double(1 << values.count) <= rate else { return -.infinity }
        return edge { beyond($0) > rate }
    }

    private func highest(rate: Double) -> Double {
        guard 1 / Double(1 << values.count) <= rate else { return .infinity }
        return edge { within($0) <= rate }
    }

    /// Where `isRight` begins to hold, between the least and the greatest value.
    private func edge(_ isRight: (Double) -> Bool) -> Double {
        var (low, high) = (values.min() ?? 0, values.max() ?? 0)
        for _ in 0..<50 {
            let middle = low + (high - low) / 2
            if isRight(middle) { high = middle } else { low = middle }
        }
        return low + (high - low) / 2
    }

    private static func sums(_ values: ArraySlice<Double>) -> [[Double]] {
        var sums: [[Double]] = [[0]]
        for value in values {
            var next = sums + [[]]
            for (size, known) in sums.enumerated() { next[size + 1] += known.map { $0 + value } }
            sums = next
        }
        return sums.map { $0.sorted() }
    }
}
