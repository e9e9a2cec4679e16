import Model

extension GateRule {
    /// Why no measurement at all can hold, or fail, what the gate asks; `nil` for one that makes sense.
    ///
    /// All its numbers have to be known.
    var contradiction: (problem: String, help: String)? {
        let (low, high) = plainRange
        if low.bound > high.bound {
            return (
                "no value is \(low.words) and \(high.words)",
                "a gate's limits hold all at once; the lower bound comes first"
            )
        }
        guard testing.test == .regression, let detect = testing.detect, let limit = limits.first(where: \.needsBaseline)
        else { return nil }
        let range = high.bound - low.bound
        switch (limit, detect) {
        case (.dropAtMost(.percent(let most)), .percent(let more)) where most + more > 100:
            return (
                "no value drops by \(Self.spelled(most + more)) % of itself: that is limit and 'detect' together",
                "detect is what the test has to find beyond the limit: detect: 2%"
            )
        case (.dropAtMost(.absolute(let most)), .absolute(let more)) where most + more > range,
            (.riseAtMost(.absolute(let most)), .absolute(let more)) where most + more > range:
            return (
                "a change of \(Self.spelled(most + more)), limit and 'detect' together, does not fit between the plain limits",
                "detect is what the test has to find beyond the limit: detect: 0.02"
            )
        default: return nil
        }
    }

    private typealias Edge = (bound: Double, words: String)

    /// What the limits on the value alone leave.
    private var plainRange: (low: Edge, high: Edge) {
        var low: Edge = (-.infinity, "")
        var high: Edge = (.infinity, "")
        for limit in limits {
            switch limit {
            case .atLeast(let bound):
                if bound > low.bound { low = (bound, "at least \(Self.spelled(bound))") }
            case .atMost(let bound):
                if bound < high.bound { high = (bound, "at most \(Self.spelled(bound))") }
            case .between(let lower, let upper):
                let words = "between \(Self.spelled(lower)) and \(Self.spelled(upper))"
                if lower > low.bound { low = (lower, words) }
                if upper < high.bound { high = (upper, words) }
            case .dropAtMost, .riseAtMost, .ratioAtMost: break
            }
        }
        return (low, high)
    }

    private static func spelled(_ number: Double) -> String {
        number == number.rounded() && number.magnitude < 1e15 ? "\(Int(number))" : "\(number)"
    }
}
