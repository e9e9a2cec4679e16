import Gates
import Model
import Testing

/// What counts as a cell that the baseline does not have, and who may speak for it.
@Suite struct `A new cell` {
    private func named(_ values: [Double], at places: [Double], number: UInt64) -> Results {
        let job = ExpectedJob(
            id: "eval",
            cells: places.enumerated().map { index, place in
                ExpectedCell(
                    id: "eval_\(index)", name: "eval (\(index))", values: [.init("x", .number(place))], shards: 1)
            })
        return run(
            job, values.enumerated().map { passed(job, cell: $0, [NamedMetric("accuracy", .plain($1))]) },
            number: number, tree: UInt8(number))
    }

    private func verdicts(_ ours: Results, _ theirs: Results, floor: GateRule.Grouping) -> [Verdict] {
        var rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        rule.newCellsFloorOnly = true
        var plain = GateRule(.atLeast(0.5))
        (plain.name, plain.per) = ("floor", floor)
        return judge([rule, plain], results: ours, baselines: baseline(theirs)).gates[1].groups.map(\.verdict)
    }

    @Test func `is none that the baseline has twice`() {
        let theirs = named([0.9, 0.9], at: [0, 0], number: 1)
        let fallen = named([0.6], at: [0], number: 2)
        #expect(verdicts(fallen, theirs, floor: .cell) == [.inconclusive])
        // Nor does it help to have it twice oneself.
        #expect(
            verdicts(named([0.6, 0.6], at: [0, 0], number: 2), theirs, floor: .cell) == [.inconclusive, .inconclusive])
        #expect(
            verdicts(named([0.6, 0.9], at: [0, 0], number: 2), named([0.9], at: [0], number: 1), floor: .cell)
                == [.fail, .pass])
    }

    @Test func `has limits of its own to hold, not the run's`() {
        let theirs = named([0.99], at: [0], number: 1)
        let ours = named([0.99, 0.1], at: [0, 1], number: 2)
        // The mean of both is above the floor, and says nothing about the new one.
        #expect(verdicts(ours, theirs, floor: .run) == [.pass, .inconclusive])
        #expect(verdicts(ours, theirs, floor: .cell) == [.pass, .inconclusive])
        let good = named([0.99, 0.7], at: [0, 1], number: 2)
        #expect(verdicts(good, theirs, floor: .cell) == [.pass, .pass])
        #expect(verdicts(good, theirs, floor: .run) == [.pass, .inconclusive])
    }
}
