/// How much a comparison's difference wavers from item to item, which says how many items find a given drop.
package enum Noise: Equatable, Sendable {
    /// Right or wrong items: how many of `count` were lost.
    ///
    /// Only losses count. Were the drop there, gains would be fewer by it, so 2·losses − drop is how many flip; and as
    /// gains do not count, a worse item never makes fewer items enough.
    case flips(losses: Int, count: Int)
    /// The variance of one item's harm (of one value of each side, added up, where nothing is paired), with its weight.
    case variance(Double, weight: Double)

    /// What all groups of a gate tell together: noise is a property of the metric and its data more than of a cell.
    ///
    /// - Returns: one per kind that occurs.
    package static func pooled(_ noises: [Noise]) -> (flips: Noise?, variance: Noise?) {
        var (losses, count) = (0, 0)
        var (sum, weights) = (ExactSum(), ExactSum())
        for noise in noises {
            switch noise {
            case .flips(let ours, let all):
                losses += ours
                count += all
            case .variance(let variance, let weight):
                guard (variance * weight).isFinite else { continue }
                sum.addProduct(variance, weight)
                weights.add(weight)
            }
        }
        let weight = weights.value
        return (
            count > 0 ? .flips(losses: losses, count: count) : nil,
            weight > 0 ? .variance(sum.value / weight, weight: weight) : nil
        )
    }

    /// The quieter one of two of the same kind; `self` where they are not.
    package func orQuieter(_ other: Noise?) -> Noise {
        switch (self, other) {
        case (.flips(let losses, let count), .flips(let others, let otherCount)):
            Double(others) * Double(count) < Double(losses) * Double(otherCount) ? other ?? self : self
        case (.variance(let variance, _), .variance(let others, _)): others < variance ? other ?? self : self
        case (.flips, _), (.variance, _): self
        }
    }

    /// The variance of one item's harm under a mean of `mean`, and its variance at the limit.
    private func variances(limit: Double, mean: Double) -> (atLimit: Double, atMean: Double) {
        switch self {
        case .variance(let variance, _): return (variance, variance)
        case .flips(let losses, let count):
            // No fewer can flip than the drop alone takes.
            let flipping = min(1, max(mean.magnitude, 2 * Double(losses) / Double(count) - mean.magnitude))
            return (max(0, flipping - limit * limit), max(0, flipping - mean * mean))
        }
    }

    /// How many items find a harm of `limit + more` with `power` at `rate`, by the usual normal approximation
    /// (Connor, Biometrics 43, 1987, for flips).
    package func needed(limit: Double, more: Double, power: Double, rate: Double) -> Int? {
        guard more > 0, let z = Distribution.normalQuantile(1 - rate), let y = Distribution.normalQuantile(power) else {
            return nil
        }
        let (atLimit, atMean) = variances(limit: limit, mean: limit + more)
        let root = (z * atLimit.squareRoot() + y * atMean.squareRoot()) / more
        let count = (root * root).rounded(.up)
        return count < 1e15 ? max(1, Int(count)) : nil
    }

    /// With which chance `count` items find a harm of `limit + more` at `rate`.
    package func power(of count: Int, limit: Double, more: Double, rate: Double) -> Double? {
        guard more > 0, let z = Distribution.normalQuantile(1 - rate) else { return nil }
        let (atLimit, atMean) = variances(limit: limit, mean: limit + more)
        guard atMean > 0 else { return 1 }
        return Distribution.normalAbove(
            (z * atLimit.squareRoot() - Double(count).squareRoot() * more) / atMean.squareRoot())
    }
}
