import CStatistics

/// The distributions that tests need, from Boost.Math. `nil` says that there is no answer: an argument outside the
/// function's domain, or an evaluation that did not converge. No verdict passes on a `nil`.
package enum Distribution {
    /// P(Z > z) of the standard normal.
    package static func normalAbove(_ z: Double) -> Double? { taken(cstatistics_normal_above(z)) }

    /// The z below which a standard normal lies with probability `p`, in (0, 1).
    package static func normalQuantile(_ p: Double) -> Double? { taken(cstatistics_normal_quantile(p)) }

    /// P(T > t) of Student's t.
    package static func studentAbove(_ t: Double, freedom: Double) -> Double? {
        taken(cstatistics_student_above(t, freedom))
    }

    package static func studentQuantile(_ p: Double, freedom: Double) -> Double? {
        taken(cstatistics_student_quantile(p, freedom))
    }

    /// P(X ≥ count) of a binomial.
    package static func binomial(atLeast count: Int, of trials: Int, share: Double) -> Double? {
        taken(cstatistics_binomial_at_least(Int64(count), Int64(trials), share))
    }

    /// P(X ≥ count) of the marked ones among `drawn` out of `total`, of which `marked` are.
    package static func hypergeometric(atLeast count: Int, drawn: Int, marked: Int, total: Int) -> Double? {
        taken(cstatistics_hypergeometric_at_least(Int64(count), Int64(drawn), Int64(marked), Int64(total)))
    }

    package static func log(_ x: Double) -> Double? { taken(cstatistics_log(x)) }
    package static func exp(_ x: Double) -> Double? { taken(cstatistics_exp(x)) }

    private static func taken(_ answer: cstatistics_answer) -> Double? { answer.failed ? nil : answer.value }
}
