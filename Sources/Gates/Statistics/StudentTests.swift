/// A mean with what its uncertainty follows from.
package struct SampleMean: Equatable, Sendable {
    package var count: Int
    package var mean: Double
    /// With n − 1.
    package var variance: Double
    /// The largest magnitude among the values, as far as it is known: what rounding is measured by.
    package var scale: Double

    package init(count: Int, mean: Double, variance: Double, scale: Double? = nil) {
        self.count = count
        self.mean = mean
        self.variance = variance
        self.scale = scale ?? mean.magnitude
    }

    /// - Parameter values: at least 1; exact sums, so the order does not matter.
    package init(_ values: [Double]) {
        precondition(!values.isEmpty, "a mean of something")
        var moments = Moments()
        var scale = 0.0
        for value in values {
            moments.add(value)
            scale = max(scale, value.magnitude)
        }
        self.init(count: values.count, mean: moments.mean ?? 0, variance: moments.variance ?? 0, scale: scale)
    }
}

package enum StudentTest {
    /// The paired t test: `harms` is one difference per item.
    ///
    /// - Parameter scale: the largest magnitude that went into the differences.
    package static func paired(_ harms: SampleMean, limit: Double, scale: Double, rate: Double) -> TestResult? {
        guard harms.count > 1 else { return nil }
        let error = (harms.variance / Double(harms.count)).squareRoot()
        return test(
            harms.mean, error: error, freedom: Double(harms.count - 1), limit: limit,
            rounding: max(scale, harms.scale, limit.magnitude).rounding, rate: rate)
    }

    /// Welch's test of two samples with unequal variances (Biometrika 34, 1947), on a weighted difference of means.
    package static func welch(
        _ candidate: SampleMean, _ baseline: SampleMean, _ limit: LinearLimit, rate: Double
    ) -> TestResult? {
        guard candidate.count > 1, baseline.count > 1 else { return nil }
        let ours = limit.candidate * limit.candidate * candidate.variance / Double(candidate.count)
        let theirs = limit.baseline * limit.baseline * baseline.variance / Double(baseline.count)
        let sum = ours + theirs
        // Welch and Satterthwaite; of constants there is no spread to count degrees of.
        let freedom =
            sum * sum / (ours * ours / Double(candidate.count - 1) + theirs * theirs / Double(baseline.count - 1))
        return test(
            limit.harm(candidate.mean, baseline.mean), error: sum.squareRoot(), freedom: freedom, limit: limit.most,
            rounding: max(candidate.scale, baseline.scale, limit.most.magnitude).rounding, rate: rate)
    }

    private static func test(
        _ mean: Double, error: Double, freedom: Double, limit: Double, rounding: Double, rate: Double
    ) -> TestResult? {
        guard mean.isFinite, error.isFinite else { return nil }
        let excess = mean - limit
        // Values that differ by rounding alone have no spread: what they say is certain.
        guard error > rounding, freedom.isFinite else {
            let isEqual = excess.magnitude <= rounding
            return TestResult(
                beyond: isEqual || excess < 0 ? 1 : 0, within: isEqual || excess > 0 ? 1 : 0, low: mean, high: mean)
        }
        guard let beyond = Distribution.studentAbove(excess / error, freedom: freedom),
            let within = Distribution.studentAbove(-excess / error, freedom: freedom),
            let width = Distribution.studentQuantile(1 - rate, freedom: freedom)
        else { return nil }
        return TestResult(beyond: beyond, within: within, low: mean - width * error, high: mean + width * error)
    }
}
