import Gates
import Model
import Testing

/// New items are no evidence against a baseline that does not have them: neither with a test nor without.
@Suite struct `Items that the baseline lacks` {
    private func judged(
        _ rule: GateRule, _ older: [[Double]], _ newer: [[Double]], more: [Double]
    ) -> GroupJudgement {
        let job = job(cells: older.count)
        let run = { (cells: [[Double]], more: [Double], number: UInt64) in
            GatesTests.run(
                job,
                cells.indices.map { passed(job, cell: $0, items: items(cells[$0]) + items(more, from: 10_000)) },
                number: number, tree: UInt8(number))
        }
        return group(rule, run(newer, more, 2), baseline(run(older, [], 1)))
    }

    private let good = Array(repeating: 1.0, count: 200)
    private var worse: [Double] { (0..<200).map { $0 < 20 ? 0 : 1 } }
    private let easy = Array(repeating: 1.0, count: 2000)

    @Test func `make up for none that got worse`() {
        let drop = GateRule(.dropAtMost(.absolute(0.05)), against: RunID(1))
        for more in [[], easy] {
            let group = judged(drop, [good], [worse], more: more)
            #expect(group.verdict == .fail && group.reason.contains("1 -> 0.9 "), "\(group.reason)")
        }
        let told = judged(drop, [good], [worse], more: easy).reason
        #expect(told.hasSuffix("on the baseline's items alone; 2000 items more are new"), "\(told)")
        #expect(judged(drop, [good], [good], more: easy).verdict == .pass)
    }

    @Test func `make no quantile, and no group of cells, better`() {
        var median = GateRule(.ratioAtMost(1.1), against: RunID(1))
        median.statistic = .quantile(0.5)
        let (fast, slow) = (Array(repeating: 2.0, count: 100), Array(repeating: 10.0, count: 100))
        #expect(judged(median, [fast], [slow], more: Array(repeating: 1, count: 300)).verdict == .fail)
        #expect(judged(median, [fast], [fast], more: Array(repeating: 1, count: 300)).verdict == .pass)
        for change: (inout GateRule) -> Void in [
            { _ in }, { $0.over = ["x"] }, { $0.aggregate = .worst }, { $0.weightedByCount = true },
            { $0.aggregate = .quantile(0.5) },
        ] {
            var rule = GateRule(.dropAtMost(.percent(2)), against: RunID(1))
            rule.per = .run
            change(&rule)
            let group = judged(rule, [good, good], [worse, worse], more: easy)
            #expect(group.verdict == .fail, "\(rule): \(group.reason)")
            #expect(judged(rule, [good, good], [good, good], more: easy).verdict == .pass, "\(rule)")
        }
    }
}
