import Model

/// The cells that one answer of a gate is about.
struct CellGroup {
    /// What tells groups apart.
    var key: String
    /// What names the group for people.
    var place: [Value.Member]
    /// Positions of cells in their job; each inner list is averaged first, over the axes of `over`.
    var cells: [[Int]]

    /// The key and the name of the group that `cell` belongs to.
    static func name(of cell: CellTable.Cell, _ rule: GateRule) -> (key: String, place: [Value.Member]) {
        let values = cell.expected.values
        let place: [Value.Member] =
            switch rule.per {
            case .cell: values.filter { !rule.over.contains($0.key) }
            case .axes(let axes): axes.map { axis in values.first { $0.key == axis } ?? Value.Member(axis, .null) }
            case .run: []
            }
        // Two cells may have the same values; each is a group of its own.
        let id = rule.per == .cell && rule.over.isEmpty ? cell.expected.id : ""
        // The cell's own key is there already, and most groups are cells.
        return ((id.isEmpty ? CellTable.key(place) : cell.key) + id, place)
    }
}

/// What a group of cells says about one metric.
enum GroupReading {
    case measured(Measured, Spread?)
    case refused(String)
    case missing(String, isInfrastructureOnly: Bool)
}

/// What the sets of cells in a group say about one metric, never none of them.
enum SetsReading {
    case measured([Measured], Spread?)
    case refused(String)
    case missing(String, isInfrastructureOnly: Bool)
}

/// A table of cells, and the metrics that were read from it.
struct MetricTable {
    private struct Asked: Hashable {
        var job: Int
        var metric: String
        var quantile: Double?
    }

    let cells: CellTable
    private var readings: [Asked: [CellReading?]] = [:]

    init(_ cells: CellTable) { self.cells = cells }

    mutating func reading(_ rule: GateRule, job: Int, cell: Int) -> CellReading {
        var asked = Asked(job: job, metric: rule.metric)
        if case .quantile(let q) = rule.statistic { asked.quantile = q }
        if let known = readings[asked]?[cell] { return known }
        let reading = cells.reading(rule.metric, rule.statistic, of: cells.jobs[job].cells[cell])
        readings[asked, default: Array(repeating: nil, count: cells.jobs[job].cells.count)][cell] = reading
        return reading
    }

    /// The job whose cells the gate reads.
    func job(of rule: GateRule) -> Taken<Int> {
        if let id = rule.job {
            guard let place = cells.jobs.firstIndex(where: { $0.expected.id == id }) else {
                return .missing("the run has no job '\(id)'")
            }
            return .taken(place)
        }
        if cells.jobs.count == 1 { return .taken(0) }
        // The plan decides where it tells, never what came: a job that measures nothing must not leave a gate to its neighbour.
        let isTold = cells.jobs.allSatisfy { $0.expected.writesMetrics != nil }
        let read = cells.jobs.indices.filter { job in
            isTold ? cells.jobs[job].expected.writesMetrics == true : hasReported(job)
        }
        guard read.count == 1 else {
            let names = read.map { cells.jobs[$0].expected.id }.joined(separator: ", ")
            let none = isTold ? "no job says that it writes metrics; name one with 'job:'" : "no job reports metrics"
            return .missing(
                names.isEmpty
                    ? "missing: \(none)"
                    : "several jobs \(isTold ? "write" : "report") metrics (\(names)); name one with 'job:'")
        }
        return .taken(read[0])
    }

    private func hasReported(_ job: Int) -> Bool {
        cells.jobs[job].cells.contains { cell in
            cell.settled.contains {
                !cells.results.shards[$0].metrics.isEmpty || !cells.results.shards[$0].items.isEmpty
            }
        }
    }

    /// The groups in the plan's order; cells that are not required are left out.
    func groups(of rule: GateRule, job: Int) -> Taken<[CellGroup]> {
        let all = cells.jobs[job]
        if all.expected.ending == .notApplicable {
            return .missing(
                "job '\(all.expected.id)' was skipped: \(all.expected.reason); where that is meant, give the gate the same condition as its 'when'"
            )
        }
        if all.expected.ending == .notReached {
            return .missing("job '\(all.expected.id)' was not reached: \(all.expected.reason)")
        }
        if all.expected.ending == .failed {
            return .missing("job '\(all.expected.id)' failed: \(all.expected.reason)")
        }
        guard !all.cells.isEmpty else { return .missing("missing: job '\(all.expected.id)' has no cells") }
        var axes = rule.over
        if case .axes(let named) = rule.per { axes += named }
        for axis in axes where !all.cells.contains(where: { $0.expected.values.contains { $0.key == axis } }) {
            return .missing("no cell of job '\(all.expected.id)' has an axis '\(axis)'")
        }
        var groups: [CellGroup] = []
        var places: [String: Int] = [:]
        var repetitions: [String: Int] = [:]
        for (index, cell) in all.cells.enumerated() where cell.expected.required {
            let (key, place) = CellGroup.name(of: cell, rule)
            let group = places[key] ?? groups.count
            if group == groups.count {
                places[key] = group
                groups.append(CellGroup(key: key, place: place, cells: []))
            }
            guard !rule.over.isEmpty else {
                groups[group].cells.append([index])
                continue
            }
            let once = key + "\u{0}" + CellTable.key(cell.expected.values.filter { !rule.over.contains($0.key) })
            if let known = repetitions[once] {
                groups[group].cells[known].append(index)
            } else {
                repetitions[once] = groups[group].cells.count
                groups[group].cells.append([index])
            }
        }
        return groups.isEmpty ? .missing("missing: no cell of job '\(all.expected.id)' is required") : .taken(groups)
    }

    /// The group's value: repetitions averaged, then the cells combined as the gate says.
    mutating func reading(_ group: CellGroup, _ rule: GateRule, job: Int) -> GroupReading {
        switch sets(of: group, rule, job: job) {
        case .refused(let reason): return .refused(reason)
        case .missing(let reason, let isInfrastructureOnly):
            return .missing(reason, isInfrastructureOnly: isInfrastructureOnly)
        case .measured(let sets, let spread):
            switch Combination.combine(sets, rule) {
            case .taken(var measured):
                measured.unit = sets[0].unit
                measured.summary = sets[0].summary
                return .measured(measured, spread)
            case .refused(let reason): return .refused(reason)
            case .missing(let reason): return .missing(reason, isInfrastructureOnly: false)
            }
        }
    }

    /// What each set of a group's cells measured: repetitions averaged. All have one unit and one kind.
    mutating func sets(of group: CellGroup, _ rule: GateRule, job: Int) -> SetsReading {
        var refused: [String] = []
        var missing: [(reason: String, isInfrastructureOnly: Bool)] = []
        var averages: [Measured] = []
        var spread: Spread?
        var units: [String?] = []
        var summaries: [Measured.Summary] = []
        let isSingle = group.cells.count == 1 && group.cells[0].count == 1
        for repetitions in group.cells {
            var measured: [Measured] = []
            for cell in repetitions {
                let name = isSingle ? "" : "\(cells.jobs[job].cells[cell].expected.name): "
                switch reading(rule, job: job, cell: cell) {
                case .measured(let value):
                    measured.append(value)
                    if !units.contains(value.unit) { units.append(value.unit) }
                    if let summary = value.summary, !summaries.contains(summary) { summaries.append(summary) }
                case .refused(let reason): refused.append(name + reason)
                case .missing(let reason, let isInfrastructureOnly):
                    missing.append((name + reason, isInfrastructureOnly))
                }
            }
            guard measured.count == repetitions.count else { continue }
            averages.append(Combination.average(measured))
            if !rule.over.isEmpty { Combination.widen(&spread, by: measured.map(\.value)) }
        }
        if let first = refused.first {
            return .refused(refused.count > 1 ? "\(first); and \(refused.count - 1) more cells" : first)
        }
        if let first = missing.first {
            return .missing(
                missing.count > 1 ? "\(first.reason); and \(missing.count - 1) more cells" : first.reason,
                isInfrastructureOnly: missing.allSatisfy(\.isInfrastructureOnly))
        }
        guard units.count < 2 else {
            return .refused("several units: cells report it \(Unit.listed(units))")
        }
        guard summaries.count < 2 else {
            return .refused("several kinds: cells report \(Measured.Summary.listed(summaries))")
        }
        for place in averages.indices {
            averages[place].unit = units.first ?? nil
            averages[place].summary = summaries.first
        }
        return .measured(averages, spread)
    }
}

/// How values of several cells become one.
enum Combination {
    /// The unweighted mean, and n added up.
    static func average(_ values: [Measured]) -> Measured {
        if values.count == 1 { return values[0] }
        var sum = ExactSum()
        for measured in values { sum.add(measured.value) }
        return Measured(value: sum.divided(by: values.count), count: total(values))
    }

    /// What the candidate measured on the items that the baseline has, all of which it has: by the gate's statistic for each
    /// cell, and over the cells as for their whole values.
    static func onBaseline(_ sets: [[PairedItems.CellPair]], _ rule: GateRule) -> Taken<Measured> {
        let averages = sets.map { cells in
            average(
                cells.map { cell in
                    let values = PairedItems.matched(cell)
                    if case .quantile(let q) = rule.statistic, !values.isEmpty {
                        return Measured(value: Gates.quantile(q, of: values.sorted()), count: values.count)
                    }
                    var sum = ExactSum()
                    for value in values { sum.add(value) }
                    return Measured(value: sum.divided(by: max(1, values.count)), count: values.count)
                })
        }
        return combine(averages, rule)
    }

    static func widen(_ spread: inout Spread?, by values: [Double]) {
        guard let lowest = values.min(), let highest = values.max() else { return }
        if let known = spread, known.highest - known.lowest >= highest - lowest { return }
        spread = Spread(lowest: lowest, highest: highest, repetitions: values.count)
    }

    static func combine(_ values: [Measured], _ rule: GateRule) -> Taken<Measured> {
        guard !values.isEmpty else { return .missing("missing: no cells") }
        let value: Double
        switch rule.aggregate {
        case .mean where rule.weightedByCount:
            var (products, weights) = (ExactSum(), 0)
            for measured in values {
                guard let count = measured.count else {
                    return .missing("'weight: n' needs a metric that counts its items: a mean, samples, or items")
                }
                products.addProduct(measured.value, Double(count))
                weights += count
            }
            guard weights > 0 else { return .missing("measured on no items: n = 0") }
            value = products.divided(by: weights)
        case .mean: value = average(values).value
        case .quantile(let q): value = quantile(q, of: values.map(\.value).sorted())
        case .worst: value = worst(values.map(\.value), rule)
        }
        guard value.isFinite else { return .refused("not a number: the cells' mean is beyond the range") }
        return .taken(Measured(value: value, count: total(values)))
    }

    private static func total(_ values: [Measured]) -> Int? {
        var sum = 0
        for measured in values {
            guard let count = measured.count else { return nil }
            sum += count
        }
        return sum
    }

    /// The value that the limits like least, whatever the gate calls better: while it holds, every cell holds.
    private static func worst(_ values: [Double], _ rule: GateRule) -> Double {
        switch rule.limits.first?.direction {
        case .higher: return values.min() ?? 0
        case .lower: return values.max() ?? 0
        case nil:
            // Within an interval the worst value is the one farthest from its middle; the lower one of two.
            guard case .between(let low, let high)? = rule.limits.first else { return values.min() ?? 0 }
            let middle = low / 2 + high / 2
            let distance = { (value: Double) in (value - middle).magnitude }
            return values.max { (distance($0), $1) < (distance($1), $0) } ?? 0
        }
    }
}

extension GateRule {
    /// Which way the metric gets better: as the gate says, else as its limits imply.
    var direction: Better? {
        if let better { return better }
        return limits.lazy.compactMap(\.direction).first
    }
}
