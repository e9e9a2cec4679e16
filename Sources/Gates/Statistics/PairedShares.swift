/// Items that are right or wrong, measured on both sides: how many the candidate lost, and how many it gained.
package struct PairedShares: Equatable, Sendable {
    /// All items, the unchanged ones among them.
    package var count: Int
    /// Worse than the baseline.
    package var losses: Int
    /// Better than the baseline.
    package var gains: Int

    package init(count: Int, losses: Int, gains: Int) {
        precondition(losses >= 0 && gains >= 0 && losses + gains <= count, "flipped items are some of all items")
        self.count = count
        self.losses = losses
        self.gains = gains
    }

    /// The exact test of McNemar: of the flipped items each direction is equally likely.
    ///
    /// - Returns: `nil` where the interval has no answer.
    package func exactTest(rate: Double) -> TestResult? {
        let flipped = losses + gains
        guard let beyond = Distribution.binomial(atLeast: losses, of: flipped, share: 0.5),
            let within = Distribution.binomial(atLeast: gains, of: flipped, share: 0.5),
            let interval = scoreInterval(rate: rate)
        else { return nil }
        return TestResult(beyond: beyond, within: within, low: interval.low, high: interval.high)
    }

    /// The score test of Tango (Statistics in Medicine 17, 1998) for a loss of more than `limit`, a share of all items.
    package func scoreTest(limit: Double, rate: Double) -> TestResult? {
        guard count > 0, limit > -1, limit < 1, let beyond = Distribution.normalAbove(score(limit)),
            let within = Distribution.normalAbove(-score(limit)), let interval = scoreInterval(rate: rate)
        else { return nil }
        return TestResult(beyond: beyond, within: within, low: interval.low, high: interval.high)
    }

    /// Where Tango's statistic lies between its quantiles: of (losses − gains) ÷ count, at 1 − 2·rate.
    package func scoreInterval(rate: Double) -> (low: Double, high: Double)? {
        guard count > 0, let z = Distribution.normalQuantile(1 - rate) else { return nil }
        return (low: place(of: z), high: place(of: -z))
    }

    /// The difference at which the statistic, which falls from left to right, is `z`.
    private func place(of z: Double) -> Double {
        var (left, right) = (-1.0, 1.0)
        // The statistic is not defined at the ends; 60 halvings reach the last bits.
        for _ in 0..<60 {
            let middle = (left + right) / 2
            if score(middle) > z { left = middle } else { right = middle }
        }
        return (left + right) / 2
    }

    /// Tango's statistic for the difference `d`: the deviation from it over its standard error, which comes from the
    /// most likely shares under `d`.
    private func score(_ d: Double) -> Double {
        let (n, b, c) = (Double(count), Double(losses), Double(gains))
        let linear = (2 * n - b + c) * d - b - c
        let constant = -c * d * (1 - d)
        let root = max(0, linear * linear - 8 * n * constant).squareRoot()
        // The larger of the two roots of 2n·q² + linear·q + constant, without cancellation.
        let q = linear > 0 ? (-2 * constant) / (root + linear) : (root - linear) / (4 * n)
        let variance = n * (2 * q + d * (1 - d))
        let deviation = b - c - n * d
        guard variance > 0 else { return deviation == 0 ? 0 : deviation > 0 ? .infinity : -.infinity }
        return deviation / variance.squareRoot()
    }
}
