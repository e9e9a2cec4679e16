/// What a test says about a mean harm: how much a candidate is worse than its baseline, in the direction of a limit.
package struct TestResult: Equatable, Sendable {
    /// p of the hypothesis that the mean is at most the limit. Where it is small, the harm is beyond the limit.
    package var beyond: Double
    /// p of the hypothesis that the mean is at least the limit. Where it is small, the harm is within the limit.
    package var within: Double
    /// Two-sided, of the mean, at 1 − 2·rate, so that each end belongs to a one-sided test at `rate`; infinite where
    /// the data bound it nowhere.
    package var low: Double
    package var high: Double

    package init(beyond: Double, within: Double, low: Double, high: Double) {
        self.beyond = beyond
        self.within = within
        self.low = low
        self.high = high
    }
}

/// A limit against a baseline, as a bound on a mean: `candidate`·c + `baseline`·b ≤ `most`, c and b the two sides' values.
///
/// The left side is the harm: b − c ≤ 0.02 for `drop-at-most: 0.02`, 0.97·b − c ≤ 0 for `3%` of a positive baseline,
/// c − 1.3·b ≤ 0 for `ratio-at-most: 1.3`.
package struct LinearLimit: Equatable, Sendable {
    package var candidate: Double
    package var baseline: Double
    package var most: Double

    package init(candidate: Double, baseline: Double, most: Double) {
        self.candidate = candidate
        self.baseline = baseline
        self.most = most
    }

    package func harm(_ candidate: Double, _ baseline: Double) -> Double {
        self.candidate * candidate + self.baseline * baseline
    }
}

extension Double {
    /// What rounding alone can make of a difference of numbers of this size: four units in the last place.
    var rounding: Double { 4 * magnitude.ulp }
}
