package import Model

/// Two runs side by side, cell by cell and metric by metric: what changed, whatever any gate thinks of it.
package struct RunDifference: Equatable, Sendable {
    package enum Presence: String, Sendable {
        case both
        /// Only the candidate has the cell.
        case new
        /// Only the baseline has it.
        case vanished
    }

    package struct Cell: Equatable, Sendable {
        package var job: String
        package var name: String
        package var values: [Value.Member]
        package var presence: Presence
        /// How the cell came out; `nil` where the run does not have it.
        package var candidate: CellJudgement.Outcome?
        package var baseline: CellJudgement.Outcome?
        /// By name.
        package var metrics: [Metric]
    }

    /// One side's value of a metric, or why there is none.
    package enum Reading: Equatable, Sendable {
        /// In its unit, where the metric names one; of so many items, where they are counted.
        case value(Double, unit: String? = nil, count: Int?)
        case none(String)

        package var value: Double? { if case .value(let value, _, _) = self { value } else { nil } }
        package var unit: String? { if case .value(_, let unit, _) = self { unit } else { nil } }
    }

    package struct Metric: Equatable, Sendable {
        package var name: String
        package var candidate: Reading
        package var baseline: Reading
        /// Of items that both sides have.
        package var items: Items?

        /// `nil` as well where the baseline is in another unit.
        package var change: Double? {
            guard !isInOtherUnit, let ours = candidate.value, let theirs = baseline.value, (ours - theirs).isFinite
            else { return nil }
            return ours - theirs
        }

        package var isInOtherUnit: Bool {
            guard candidate.value != nil && baseline.value != nil else { return false }
            return Unit.obstacle(candidate.unit, baseline: baseline.unit) != nil
        }
    }

    /// Items paired by id.
    package struct Items: Equatable, Sendable {
        package var common: Int
        package var lacking: Int
        package var new: Int
        /// Of 0/1 metrics.
        package var flips: Flips?
        package var method: String
        /// Two-sided: how well chance alone explains the change.
        package var probability: Double?
    }

    /// In the candidate's order; vanished cells last.
    package var cells: [Cell]

    /// Metrics that are told of one cell.
    package static let metricsMax = 1000

    package init(candidate: Results, baseline: Results) {
        let (ours, theirs) = (CellTable(candidate), CellTable(baseline))
        cells = []
        for job in ours.jobs {
            let other = theirs.jobs.first { $0.expected.id == job.expected.id }
            for cell in job.cells {
                let twin = other?.byKey[cell.key].flatMap { $0 >= 0 ? other?.cells[$0] : nil }
                cells.append(Self.cell(job.expected.id, ours, cell, theirs, twin))
            }
        }
        for job in theirs.jobs {
            let known = ours.jobs.first { $0.expected.id == job.expected.id }?.byKey ?? [:]
            for cell in job.cells where known[cell.key] == nil {
                cells.append(Self.cell(job.expected.id, ours, nil, theirs, cell))
            }
        }
    }

    private static func cell(
        _ job: String, _ candidate: CellTable, _ ours: CellTable.Cell?, _ baseline: CellTable,
        _ theirs: CellTable.Cell?
    ) -> Cell {
        let expected = (ours ?? theirs)?.expected
        var names: [String] = []
        var seen: Set<String> = []
        for name in (ours.map(candidate.metricNames) ?? []) + (theirs.map(baseline.metricNames) ?? [])
        where seen.insert(name).inserted && names.count < metricsMax {
            names.append(name)
        }
        let outcome = { (cell: CellTable.Cell) in cell.contradiction == nil ? cell.outcome : .failed }
        return Cell(
            job: job, name: expected?.name ?? "", values: expected?.values ?? [],
            presence: ours == nil ? .vanished : theirs == nil ? .new : .both, candidate: ours.map(outcome),
            baseline: theirs.map(outcome),
            metrics: names.sorted().map { name in
                Metric(
                    name: name, candidate: reading(name, candidate, ours), baseline: reading(name, baseline, theirs),
                    items: items(name, candidate, ours, baseline, theirs))
            })
    }

    private static func reading(_ name: String, _ table: CellTable, _ cell: CellTable.Cell?) -> Reading {
        guard let cell else { return .none("no such cell") }
        switch table.reading(name, .value, of: cell) {
        case .measured(let measured): return .value(measured.value, unit: measured.unit, count: measured.count)
        case .refused(let reason), .missing(let reason, _): return .none(reason)
        }
    }

    private static func items(
        _ name: String, _ candidate: CellTable, _ ours: CellTable.Cell?, _ baseline: CellTable,
        _ theirs: CellTable.Cell?
    ) -> Items? {
        guard let ours, let theirs, ours.isComplete, theirs.isComplete, let mine = candidate.items(name, of: ours),
            let known = baseline.items(name, of: theirs)
        else { return nil }
        let ids = TextPlaces(known.ids)
        var common: (mine: [Int], known: [Int]) = ([], [])
        for place in mine.ids.indices {
            guard let theirs = ids.place(of: mine.ids, place), mine.isSame(place, as: known, theirs) else { continue }
            common.mine.append(place)
            common.known.append(theirs)
        }
        guard !common.mine.isEmpty,
            case .paired(let pairs) = PairedItems.pair(
                [[(mine.picked(common.mine), known.picked(common.known))]], worst: 0)
        else { return nil }
        var items = Items(
            common: common.mine.count, lacking: known.count - common.mine.count,
            new: mine.count - common.mine.count, method: "")
        let changes = zip(pairs.candidate, pairs.baseline).map { $0 - $1 }
        if pairs.hasFlipsOnly {
            items.flips = Judge.flips(pairs, isDrop: true)
            items.method = "exact McNemar"
            items.probability = twoSided(
                PairedShares(
                    count: pairs.count, losses: changes.count { $0 < 0 }, gains: changes.count { $0 > 0 }
                ).exactTest(rate: 0.05))
        } else if changes.allSatisfy(\.isFinite) {
            if changes.count <= SignFlips.countMax {
                items.method = "permutation"
                items.probability = twoSided(SignFlips(changes).test(limit: 0, rate: 0.05))
            } else {
                items.method = "paired t"
                let scale = (pairs.candidate + pairs.baseline).map(\.magnitude).max() ?? 1
                items.probability = twoSided(
                    StudentTest.paired(SampleMean(changes), limit: 0, scale: scale, rate: 0.05))
            }
        }
        return items
    }

    private static func twoSided(_ result: TestResult?) -> Double? {
        result.map { min(1, 2 * min($0.beyond, $0.within)) }
    }
}

extension CellTable {
    /// The names of everything that the cell's shards report.
    fileprivate func metricNames(of cell: Cell) -> [String] {
        var names: Set<String> = []
        for index in cell.settled where results.shards[index].shard >= 0 {
            for metric in results.shards[index].metrics where metric.name != MetricsFile.wholeName {
                names.insert(metric.name)
            }
            names.formUnion(results.shards[index].items.names)
        }
        return names.sorted()
    }
}
