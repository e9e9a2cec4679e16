import Model

/// A limit against a baseline as a test sees it: which direction is harm, how much of it is allowed, how much more is to
/// be found.
struct Harm {
    var limit: GateRule.Limit
    /// On values, or on their logarithms.
    var linear: LinearLimit
    /// What is to be found beyond the limit, in the unit of the harm; `nil` where nobody says.
    var detect: Double?
    /// How far the limit is from no change at all; above 0 where there is room.
    var room: Double
    var onLogarithms: Bool
    private let baseline: Double

    enum Reading {
        case harm(Harm)
        case inconclusive(String)
    }

    /// - Parameter baseline: the baseline's value, what percentages are of.
    static func read(
        _ limit: GateRule.Limit, detect: GateRule.Amount?, baseline: Double, onLogarithms: Bool
    ) -> Reading {
        let more = { (amount: GateRule.Amount) -> Double in
            switch amount {
            case .absolute(let number): number
            case .percent(let share): baseline.magnitude * share / 100
            }
        }
        let linear: LinearLimit
        var detected = detect.map(more)
        switch limit {
        case .dropAtMost(let amount), .riseAtMost(let amount):
            var isDrop = false
            if case .dropAtMost = limit { isDrop = true }
            let sign: Double = isDrop ? -1 : 1
            switch amount {
            case .absolute(let most): linear = LinearLimit(candidate: sign, baseline: -sign, most: most)
            case .percent(let share):
                guard baseline != 0 else { return .inconclusive("no relative limit of zero") }
                let allowed = share / 100 * (baseline < 0 ? -1 : 1)
                linear = LinearLimit(candidate: sign, baseline: -sign - allowed, most: 0)
            }
        case .ratioAtMost(let most):
            guard baseline > 0 else { return .inconclusive("no ratio to a baseline of \(Figure.text(baseline))") }
            if case .absolute(let number)? = detect { detected = number * baseline }
            if onLogarithms {
                guard let allowed = Distribution.log(most) else { return .inconclusive("no logarithm of the limit") }
                linear = LinearLimit(candidate: 1, baseline: -1, most: allowed)
                detected = detected.flatMap { Distribution.log((most + $0 / baseline) / most) }
            } else {
                linear = LinearLimit(candidate: 1, baseline: -most, most: 0)
            }
        case .atLeast, .atMost, .between: preconditionFailure("a plain limit compares with no baseline")
        }
        let room = linear.most - (onLogarithms ? 0 : linear.harm(baseline, baseline))
        return .harm(
            Harm(
                limit: limit, linear: linear, detect: detected, room: room, onLogarithms: onLogarithms,
                baseline: baseline))
    }

    /// Whether the limit allows nothing at all: the sign of a difference is what counts.
    var isZero: Bool { limit.isZero }

    /// Whether the limit is in the metric's own unit.
    var isAbsolute: Bool { limit.isAbsolute }

    /// Whether a lower value is harm.
    var isDrop: Bool { linear.candidate < 0 }

    /// The effect, as reports show it, of a harm: candidate − baseline, or their quotient.
    func effect(of harm: Double) -> Double? {
        switch limit {
        case .ratioAtMost(let most):
            return onLogarithms ? Distribution.exp(harm) : most + harm / baseline
        default:
            // A share of the baseline was taken off; it is put back.
            let difference = harm - (linear.candidate + linear.baseline) * baseline
            return isDrop ? -difference : difference
        }
    }

    /// Of the effect, rising; empty where the data bound it nowhere.
    func interval(_ result: TestResult) -> [Double] {
        guard result.low.isFinite, result.high.isFinite, let a = effect(of: result.low), let b = effect(of: result.high)
        else { return [] }
        return [min(a, b), max(a, b)]
    }

    /// `a drop of 0.02`, `a ratio of 1.4`: what `regression` is to find.
    func found(_ detect: GateRule.Amount?) -> String? {
        guard let detect else { return nil }
        let sum: (GateRule.Amount, Double) -> String? = { amount, baseline in
            switch (amount, detect) {
            case (.absolute(let a), .absolute(let b)): return Figure.text(a + b)
            case (.percent(let a), .percent(let b)): return Figure.text(a + b) + "%"
            case (.absolute(let a), .percent(let b)): return Figure.text(a + baseline.magnitude * b / 100)
            case (.percent(let a), .absolute(let b)): return Figure.text(baseline.magnitude * a / 100 + b)
            }
        }
        switch limit {
        case .dropAtMost(let amount): return sum(amount, baseline).map { "a drop of \($0)" }
        case .riseAtMost(let amount): return sum(amount, baseline).map { "a rise of \($0)" }
        case .ratioAtMost(let most):
            switch detect {
            case .absolute(let more): return "a ratio of \(Figure.text(most + more))"
            case .percent(let more): return "a ratio of \(Figure.text(most + more / 100))"
            }
        case .atLeast, .atMost, .between: return nil
        }
    }
}

extension GateRule.Limit {
    /// Whether nothing at all may be lost.
    var isZero: Bool {
        switch self {
        case .dropAtMost(.absolute(0)), .riseAtMost(.absolute(0)), .dropAtMost(.percent(0)), .riseAtMost(.percent(0)):
            true
        default: false
        }
    }

    /// Whether a loss is counted in the metric's own unit.
    var isAbsolute: Bool {
        switch self {
        case .dropAtMost(.absolute), .riseAtMost(.absolute): true
        default: isZero
        }
    }
}
