/// The test of Mann, Whitney and Wilcoxon: whether values of one sample tend to lie above another's by more than a limit,
/// with the shift of Hodges and Lehmann, the median of all differences.
package struct RankTest: Sendable {
    /// Below this many values on both sides, and without ties, the distribution is counted out, as R does.
    package static let exactBelow = 50

    /// Both rising.
    private let upper: [Double]
    private let lower: [Double]

    /// - Parameters:
    ///   - upper: the sample whose values lie above `lower`'s when there is harm.
    package init(_ upper: [Double], above lower: [Double]) {
        precondition(!upper.isEmpty && !lower.isEmpty, "two samples with something in them")
        self.upper = upper.sorted()
        self.lower = lower.sorted()
    }

    private var pairs: Double { Double(upper.count) * Double(lower.count) }

    package func test(limit: Double, rate: Double) -> TestResult? {
        let (wins, ties) = ranked(limit)
        guard let ends = interval(rate: rate) else { return nil }
        if ties == 0 && isSmall {
            let below = Self.distribution(upper.count, lower.count)
            let place = Int(wins)
            let beyond = 1 - (place == 0 ? 0 : below[place - 1])
            return TestResult(beyond: min(1, beyond), within: below[place], low: ends.low, high: ends.high)
        }
        let n = Double(upper.count + lower.count)
        let variance = pairs / 12 * (n + 1 - ties / (n * (n - 1)))
        // Where all values are equal, nothing speaks for harm nor against it.
        guard variance > 0 else { return TestResult(beyond: 1, within: 1, low: ends.low, high: ends.high) }
        let deviation = wins - pairs / 2
        // Halves for continuity.
        guard let beyond = Distribution.normalAbove((deviation - 0.5) / variance.squareRoot()),
            let within = Distribution.normalAbove((-deviation - 0.5) / variance.squareRoot())
        else { return nil }
        return TestResult(beyond: beyond, within: within, low: ends.low, high: ends.high)
    }

    /// The median of all differences between the samples.
    package var shift: Double {
        let count = upper.count * lower.count
        let middle = difference(ranked: (count + 1) / 2)
        return count % 2 == 1 ? middle : (middle + difference(ranked: count / 2 + 1)) / 2
    }

    private var isSmall: Bool { upper.count < Self.exactBelow && lower.count < Self.exactBelow }

    /// In how many pairs `upper` lies above `lower` by more than `limit`, ties counting half; and Σ(t³ − t) over the
    /// groups of t equal values.
    private func ranked(_ limit: Double) -> (wins: Double, ties: Double) {
        let moved = lower.map { $0 + limit }
        var (wins, ties) = (0.0, 0.0)
        var (i, j) = (0, 0)
        while i < upper.count || j < moved.count {
            let value = min(i < upper.count ? upper[i] : .infinity, j < moved.count ? moved[j] : .infinity)
            let (first, other) = (i, j)
            while i < upper.count && upper[i] == value { i += 1 }
            while j < moved.count && moved[j] == value { j += 1 }
            let (ours, theirs) = (Double(i - first), Double(j - other))
            wins += ours * (Double(other) + theirs / 2)
            let tied = ours + theirs
            ties += tied * tied * tied - tied
        }
        return (wins, ties)
    }

    /// Of the shift, at 1 − 2·rate.
    private func interval(rate: Double) -> (low: Double, high: Double)? {
        let count = upper.count * lower.count
        let rank: Int
        if isSmall {
            let below = Self.distribution(upper.count, lower.count)
            rank = below.firstIndex { $0 > rate } ?? 0
        } else {
            guard let z = Distribution.normalQuantile(1 - rate) else { return nil }
            let deviation = (pairs / 12 * Double(upper.count + lower.count + 1)).squareRoot()
            rank = Int(max(0, (pairs / 2 + 0.5 - z * deviation).rounded(.down)))
        }
        guard rank > 0 else { return (-.infinity, .infinity) }
        return (difference(ranked: rank), difference(ranked: count + 1 - rank))
    }

    /// The difference with the given rank, from 1, among all of them; found by value, as they are too many to list.
    private func difference(ranked rank: Int) -> Double {
        var (low, high) = (Self.key(upper[0] - lower[lower.count - 1]), Self.key(upper[upper.count - 1] - lower[0]))
        while low < high {
            let middle = low + (high - low) / 2
            if differences(atMost: Self.number(middle)) >= rank { high = middle } else { low = middle + 1 }
        }
        return Self.number(low)
    }

    private func differences(atMost most: Double) -> Int {
        var (count, place) = (0, 0)
        for value in upper {
            while place < lower.count && value - lower[place] > most { place += 1 }
            count += lower.count - place
        }
        return count
    }

    /// Whole numbers in the order of doubles.
    private static func key(_ number: Double) -> UInt64 {
        let bits = number == 0 ? 0 : number.bitPattern
        return bits >> 63 == 1 ? ~bits : bits | 1 << 63
    }

    private static func number(_ key: UInt64) -> Double {
        Double(bitPattern: key >> 63 == 1 ? key & ~(1 << 63) : ~key)
    }

    /// P(U ≤ u) for u from 0, by counting: an arrangement ends in a value of one sample or of the other.
    private static func distribution(_ n: Int, _ m: Int) -> [Double] {
        // By the size of the second sample: in how many arrangements U is 0, 1, ….
        var ways: [[Double]] = Array(repeating: [1], count: m + 1)
        for i in 1...n {
            var next: [[Double]] = [[1]]
            for j in 1...m {
                var counts = Array(repeating: 0.0, count: i * j + 1)
                for (u, count) in ways[j].enumerated() { counts[u + j] += count }
                for (u, count) in next[j - 1].enumerated() { counts[u] += count }
                next.append(counts)
            }
            ways = next
        }
        let all = ways[m].reduce(0, +)
        var sum = 0.0
        return ways[m].map { count in
            sum += count
            return sum / all
        }
    }
}
