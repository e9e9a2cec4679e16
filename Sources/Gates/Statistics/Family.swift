/// Many comparisons at once: what their p are worth together.
package enum Family {
    /// Holm's step-down method (Scandinavian Journal of Statistics 6, 1979): the chance that any true hypothesis is
    /// rejected stays below the rate, whatever hangs together with what.
    ///
    /// - Parameters:
    ///   - probabilities: of the comparisons that came to a p.
    ///   - lost: how many more were planned and came to none, because their evidence is missing or does not decide. They
    ///     count as p = 0: whatever they would have shown, no other's adjusted p is larger without them.
    ///   - count: of all comparisons that were planned; what is neither of these found nothing, and counts as p = 1.
    /// - Returns: adjusted p, in the order given.
    package static func holm(_ probabilities: [Double], lost: Int = 0, of count: Int) -> [Double] {
        precondition(lost >= 0 && probabilities.count + lost <= count, "a family has all of its comparisons")
        var adjusted = probabilities
        var highest = 0.0
        for (rank, place) in order(probabilities).enumerated() {
            highest = max(highest, min(1, Double(count - lost - rank) * probabilities[place]))
            adjusted[place] = highest
        }
        return adjusted
    }

    /// Benjamini and Hochberg's step-up method (JRSS B 57, 1995): the expected share of false ones among the rejected
    /// stays below the rate. Parameters as of `holm`.
    package static func benjaminiHochberg(_ probabilities: [Double], lost: Int = 0, of count: Int) -> [Double] {
        precondition(lost >= 0 && probabilities.count + lost <= count, "a family has all of its comparisons")
        var adjusted = probabilities
        var lowest = 1.0
        for (rank, place) in order(probabilities).enumerated().reversed() {
            lowest = min(lowest, Double(count) / Double(lost + rank + 1) * probabilities[place])
            adjusted[place] = lowest
        }
        return adjusted
    }

    /// Rising; of equals, the first stays first.
    private static func order(_ probabilities: [Double]) -> [Int] {
        probabilities.indices.sorted { (probabilities[$0], $0) < (probabilities[$1], $1) }
    }
}
