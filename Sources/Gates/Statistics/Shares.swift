/// A share of counted things: right ones of all, failures of all.
package struct Share: Equatable, Sendable {
    package var part: Int
    package var count: Int

    package init(part: Int, count: Int) {
        precondition(part >= 0 && part <= count && count > 0, "a share is a part of something")
        self.part = part
        self.count = count
    }

    package var value: Double { Double(part) / Double(count) }

    /// Wilson's score interval (JASA 22, 1927).
    package func interval(z: Double) -> (low: Double, high: Double) {
        let ends = Self.interval(of: value, count: Double(count), z: z)
        return (part == 0 ? 0 : ends.low, part == count ? 1 : ends.high)
    }

    /// Of a share `p` of `n` things, whole or not.
    static func interval(of p: Double, count n: Double, z: Double) -> (low: Double, high: Double) {
        let middle = p + z * z / (2 * n)
        let half = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        let scale = 1 + z * z / n
        return (max(0, (middle - half) / scale), min(1, (middle + half) / scale))
    }
}

/// Two shares of different things, unpaired: Newcombe's hybrid of two score intervals (Statistics in Medicine 17, 1998,
/// method 10), for weighted differences as Zou and Donner give it (2008).
package struct UnpairedShares: Equatable, Sendable {
    package var candidate: Share
    package var baseline: Share

    package init(candidate: Share, baseline: Share) {
        self.candidate = candidate
        self.baseline = baseline
    }

    /// The p of the test that belongs to the interval: its rate where an end just touches the limit.
    package func test(_ limit: LinearLimit, rate: Double) -> TestResult? {
        let harm = limit.harm(candidate.value, baseline.value)
        let isBeyond = harm > limit.most
        // An end moves away from the harm as z grows.
        var (near, far) = (0.0, 40.0)
        for _ in 0..<80 {
            let z = (near + far) / 2
            let ends = interval(limit, z: z)
            let isShort = isBeyond ? ends.low > limit.most : ends.high < limit.most
            if isShort { near = z } else { far = z }
        }
        let z = isBeyond ? (near + far) / 2 : -(near + far) / 2
        guard let beyond = Distribution.normalAbove(z), let within = Distribution.normalAbove(-z),
            let width = Distribution.normalQuantile(1 - rate)
        else { return nil }
        let ends = interval(limit, z: width)
        return TestResult(beyond: beyond, within: within, low: ends.low, high: ends.high)
    }

    /// Of `limit`'s left side.
    package func interval(_ limit: LinearLimit, z: Double) -> (low: Double, high: Double) {
        var (below, above) = (0.0, 0.0)
        for (weight, share) in [(limit.candidate, candidate), (limit.baseline, baseline)] {
            let ends = share.interval(z: z)
            let (down, up) = (weight * (share.value - ends.low), weight * (ends.high - share.value))
            below += weight > 0 ? down * down : up * up
            above += weight > 0 ? up * up : down * down
        }
        let harm = limit.harm(candidate.value, baseline.value)
        return (harm - below.squareRoot(), harm + above.squareRoot())
    }
}
