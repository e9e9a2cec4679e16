import Gates
import Model
import Testing

/// The number of items that `non-inferiority` names is the one that shows it, were nothing to change.
@Suite struct `The items that non-inferiority needs` {
    private func group(
        _ limit: GateRule.Limit, _ metrics: @escaping (UInt64) -> ([NamedMetric], [Item])
    ) -> GroupJudgement {
        var rule = GateRule(limit, against: RunID(1))
        rule.testing = .init(.nonInferiority)
        let job = job()
        let side = { (number: UInt64) in
            let (named, items) = metrics(number)
            return run(job, [passed(job, named, items: items)], number: number, tree: UInt8(number))
        }
        return GatesTests.group(rule, side(2), baseline(side(1)))
    }

    private func same(_ count: Int, _ limit: GateRule.Limit, value: Double = 1) -> GroupJudgement {
        group(limit) { _ in ([], items(Array(repeating: value, count: count))) }
    }

    @Test func `are enough where nothing flips`() {
        for margin in [0.01, 0.03, 0.2] {
            let limit = GateRule.Limit.dropAtMost(.absolute(margin))
            let needed = same(5, limit).test?.needed ?? 0
            // A score test with no flip at all: z²·(1 − δ)/δ.
            #expect((Double(needed) - 2.7055 * (1 - margin) / margin).magnitude <= 1, "\(margin): \(needed)")
            #expect(
                same(needed, limit).verdict == .pass && same(needed - 1, limit).verdict == .inconclusive, "\(margin)")
        }
    }

    @Test func `are enough where every number is the same`() {
        let limit = GateRule.Limit.dropAtMost(.absolute(0.5))
        let few = same(3, limit, value: 7.5)
        #expect(few.test?.method == "permutation" && few.test?.needed == 5, "\(few.reason)")
        #expect(same(5, limit, value: 7.5).verdict == .pass && same(4, limit, value: 7.5).verdict == .inconclusive)
    }

    @Test func `are enough where nothing ever fails, unpaired`() {
        let limit = GateRule.Limit.dropAtMost(.absolute(0.02))
        let all = { (count: Int) in
            self.group(limit) { _ in
                ([NamedMetric("accuracy", .ratio(numerator: Double(count), denominator: Double(count)))], [])
            }
        }
        let needed = all(10).test?.needed ?? 0
        #expect(needed > 50 && all(needed).verdict == .pass, "\(needed)")
        #expect(all(needed - 2).verdict == .inconclusive, "\(needed)")
    }

    /// The figure of the design: a margin of a point on 1000 items is shown about 37 % of the time.
    @Test func `come with the power of those that are there`() {
        let judged = group(.dropAtMost(.absolute(0.01))) { number in
            // 30 lost and 30 gained of 1000.
            let values = (0..<1000).map { item -> Double in
                item < 30 ? (number == 1 ? 1 : 0) : item < 60 ? (number == 1 ? 0 : 1) : 1
            }
            return ([], items(values))
        }
        let power = judged.test?.power ?? 0
        #expect(power > 0.33 && power < 0.39, "\(power)")
        #expect(judged.reason.contains("n = 1000 shows it with 3"), "\(judged.reason)")
        let needed = judged.test?.needed ?? 0
        #expect(needed > 3500 && needed < 4200, "\(needed)")
        // By simulation: with so many items, four of five harmless changes pass.
        var random = SplitMix64(seed: 37)
        var shown = 0
        for _ in 0..<300 {
            let flips = (0..<needed).map { _ in Double.random(in: 0..<1, using: &random) }
            let shares = PairedShares(
                count: needed, losses: flips.count { $0 < 0.03 }, gains: flips.count { $0 >= 0.03 && $0 < 0.06 })
            if (shares.scoreTest(limit: 0.01, rate: 0.05)?.within ?? 1) < 0.05 { shown += 1 }
        }
        #expect(shown > 222 && shown < 258, "\(shown) of 300")
    }
}
