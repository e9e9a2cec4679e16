import Model

/// What one cell says about one metric.
enum CellReading {
    case measured(Measured)
    case refused(String)
    case missing(String, isInfrastructureOnly: Bool)
}

extension CellTable {
    /// The cell's metric, merged over its shards; only when every shard is there, passed, and reports it once.
    ///
    /// A metric comes per item, or from the metrics file. Where a shard reports it both ways the two must agree, and
    /// the items count.
    func reading(_ metric: String, _ statistic: GateRule.Statistic, of cell: Cell) -> CellReading {
        // Shards are named by their places: copying their records would cost more than reading them.
        let working = cell.settled.filter { results.shards[$0].shard != ShardID.listing }
        var columns: [ItemTable.Column?] = []
        for index in working where !results.shards[index].items.isEmpty {
            if columns.isEmpty { columns = Array(repeating: nil, count: working.count) }
            columns[working.firstIndex(of: index) ?? 0] = results.shards[index].items.column(metric)
        }
        // What is refused is worse than what is missing, so it is looked for first, whatever else is wrong.
        for (place, index) in working.enumerated() {
            if let reason = Self.refusal(of: metric, in: results.shards[index], columns.isEmpty ? nil : columns[place])
            {
                return .refused(named(reason, index, among: working))
            }
        }
        if let contradiction = cell.contradiction { return .refused(contradiction) }
        guard cell.outcome == .passed else {
            let prefix =
                switch cell.outcome {
                case .notApplicable: "skipped: "
                case .notReached: "not reached: "
                case .passed, .failed, .incomplete: ""
                }
            return .missing(prefix + cell.reason, isInfrastructureOnly: cell.isInfrastructureOnly)
        }
        let isPerItem = columns.contains { $0 != nil }
        let taken = isPerItem ? perItem(metric, statistic, working, columns) : fromFiles(metric, statistic, working)
        switch taken {
        case .taken(var measured):
            let units = units(of: metric, working)
            guard units.count < 2 else {
                return .refused("several units: shards report it \(Unit.listed(units))")
            }
            measured.unit = units.first ?? nil
            return .measured(measured)
        case .refused(let reason): return .refused(reason)
        case .missing(let reason): return .missing(reason, isInfrastructureOnly: false)
        }
    }

    /// What the shards say that the metric is measured in, each once; `nil` where one states a value and no unit.
    private func units(of metric: String, _ working: [Int]) -> [String?] {
        var units: [String?] = []
        for index in working {
            for named in results.shards[index].metrics where named.name == metric {
                if !units.contains(named.unit) { units.append(named.unit) }
            }
        }
        return units
    }

    private static func refusal(of metric: String, in shard: SettledShard, _ column: ItemTable.Column?) -> String? {
        var whole: RefusedMetric?
        var count = 0
        for named in shard.metrics {
            let isAsked = named.name == metric
            if isAsked { count += 1 }
            guard case .refused(let refused) = named.value else { continue }
            if isAsked { return refused.sentence }
            if named.name == MetricsFile.wholeName && whole == nil { whole = refused }
        }
        if let whole { return whole.sentence }
        guard count < 2 else { return "several values" }
        return column?.refused.map { item, refused in
            "item '\(shard.items.ids[item].prefix(60))': \(refused.sentence)"
        }
    }

    private func named(_ reason: String, _ index: Int, among working: [Int]) -> String {
        working.count > 1 ? "\(reason), shard \(results.shards[index].shard)" : reason
    }

    private func stated(_ metric: String, by index: Int) -> MetricValue? {
        for named in results.shards[index].metrics where named.name == metric { return named.value }
        return nil
    }

    private func fromFiles(
        _ metric: String, _ statistic: GateRule.Statistic, _ working: [Int]
    ) -> Taken<Measured> {
        var parts: [MetricValue] = []
        parts.reserveCapacity(working.count)
        for index in working {
            guard let value = stated(metric, by: index) else {
                return .missing(named(results.shards[index].lacking(metric), index, among: working))
            }
            if value.isOfNothing && !results.shards[index].mayHaveMeasuredNothing {
                return .missing(named("measured on no items: n = 0", index, among: working))
            }
            parts.append(value)
        }
        return MetricMerge.merge(parts).flatMap { $0.measured(statistic) }
    }

    private func perItem(
        _ metric: String, _ statistic: GateRule.Statistic, _ working: [Int], _ columns: [ItemTable.Column?]
    ) -> Taken<Measured> {
        var sum = ExactSum()
        var (count, lacking) = (0, 0)
        for (index, column) in zip(working, columns) {
            let own = ItemColumn(column?.values ?? [])
            lacking += results.shards[index].items.count - own.count
            if own.count == 0 && results.shards[index].assigned?.isEmpty != true {
                return .missing(named("missing: no item reports it", index, among: working))
            }
            if let stated = stated(metric, by: index), let difference = own.difference(from: stated) {
                return .refused(named("several values: \(difference)", index, among: working))
            }
            sum.merge(own.sum)
            count += own.count
        }
        guard lacking == 0 else {
            return .missing("missing: \(lacking) of \(lacking + count) items do not report it")
        }
        guard count > 0 else { return .missing("measured on no items: n = 0") }
        let mean = sum.divided(by: count)
        guard mean.isFinite else { return .refused("not a number: the mean is beyond the range") }
        switch statistic {
        case .value: return .taken(Measured(value: mean, count: count, summary: .mean))
        case .quantile(let q):
            let values = columns.flatMap { $0?.values ?? [] }.sorted()
            return .taken(Measured(value: quantile(q, of: values), count: count, summary: .quantile(q)))
        }
    }
}

/// What a metric is measured in: a text, or nothing where nobody says it.
enum Unit {
    /// `in ms and s`, `in ms and in no unit`.
    static func listed(_ units: [String?]) -> String {
        let known = units.compactMap { $0 }
        return "in " + known.joined(separator: " and ") + (known.count < units.count ? " and in no unit" : "")
    }

    /// Why values of two sides cannot be compared. A baseline that never named a unit forbids none; one that named it is
    /// not to be met by leaving it out.
    static func obstacle(_ ours: String?, baseline: String?) -> String? {
        guard let baseline, ours != baseline else { return nil }
        return "measured in \(ours ?? "no unit"), the baseline in \(baseline)"
    }
}

extension Measured {
    /// Why it cannot be compared with what the baseline measured.
    func obstacle(to baseline: Measured) -> String? {
        if let obstacle = Unit.obstacle(unit, baseline: baseline.unit) { return obstacle }
        guard let summary, let known = baseline.summary, summary != known else { return nil }
        return "it is \(Summary.listed([summary])), the baseline's is \(Summary.listed([known]))"
    }
}

extension MetricValue {
    /// Says itself that it rests on nothing.
    fileprivate var isOfNothing: Bool {
        switch self {
        case .mean(let n, _, _): n == 0
        case .ratio(_, let denominator): denominator == 0
        case .samples(let values): values.isEmpty
        case .quantiles(let sketch): sketch.count == 0
        case .plain, .sum, .count, .min, .max, .refused: false
        }
    }
}

extension SettledShard {
    /// One that was given nothing has nothing to measure; of one that reports each of its items, none need be of the kind that
    /// a metric is about. Of any other nobody knows that it found what it was to measure, and other shards do not make up for it.
    fileprivate var mayHaveMeasuredNothing: Bool { assigned?.isEmpty == true || !items.isEmpty }

    /// Why there is no metric of that name, as far as what was reported tells.
    fileprivate func lacking(_ metric: String) -> String {
        if !absent.isEmpty { return "missing: \(absent.joined(separator: "; "))" }
        let names = metrics.map(\.name).filter { $0 != MetricsFile.wholeName }
        let inItems = Set(items.names).subtracting(names).sorted()
        let known = names + inItems
        guard !known.isEmpty else { return "missing: no metrics were reported" }
        if let near = Spelling.nearest(to: metric, among: known) {
            return "missing: not among what was reported; did you mean '\(near.prefix(60))'?"
        }
        let shown = known.prefix(5).map { "\($0.prefix(60))" }.joined(separator: ", ")
        return "missing: not among what was reported: \(shown)\(known.count > 5 ? " and \(known.count - 5) more" : "")"
    }
}
