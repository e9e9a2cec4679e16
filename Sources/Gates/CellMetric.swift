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
        let shards = cell.settled.map { results.shards[$0] }.filter { $0.shard != ShardID.listing }
        // What is refused is worse than what is missing, so it is looked for first, whatever else is wrong.
        for shard in shards {
            if let reason = Self.refusal(of: metric, in: shard) {
                return .refused(Self.named(reason, shard, among: shards))
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
        let isPerItem = shards.contains { shard in
            shard.items.contains { item in item.entries.contains { $0.name == metric } }
        }
        let taken = isPerItem ? perItem(metric, statistic, shards) : fromFiles(metric, statistic, shards)
        switch taken {
        case .taken(let measured): return .measured(measured)
        case .refused(let reason): return .refused(reason)
        case .missing(let reason): return .missing(reason, isInfrastructureOnly: false)
        }
    }

    private static func refusal(of metric: String, in shard: SettledShard) -> String? {
        var whole: RefusedMetric?
        for named in shard.metrics {
            guard case .refused(let refused) = named.value else { continue }
            if named.name == metric { return refused.sentence }
            if named.name == MetricsFile.wholeName && whole == nil { whole = refused }
        }
        if let whole { return whole.sentence }
        guard shard.metrics.count(where: { $0.name == metric }) < 2 else { return "several values" }
        var place = 0
        for item in shard.items {
            if case .refused(let refused)? = item.number(metric, near: &place) {
                return "item '\(item.id.prefix(60))': \(refused.sentence)"
            }
        }
        return nil
    }

    private static func named(_ reason: String, _ shard: SettledShard, among shards: [SettledShard]) -> String {
        shards.count > 1 ? "\(reason), shard \(shard.shard)" : reason
    }

    private func fromFiles(
        _ metric: String, _ statistic: GateRule.Statistic, _ shards: [SettledShard]
    ) -> Taken<Measured> {
        var parts: [MetricValue] = []
        parts.reserveCapacity(shards.count)
        for shard in shards {
            guard let value = shard.metrics.first(where: { $0.name == metric })?.value else {
                return .missing(Self.named(shard.lacking(metric), shard, among: shards))
            }
            parts.append(value)
        }
        return MetricMerge.merge(parts).flatMap { $0.measured(statistic) }
    }

    private func perItem(
        _ metric: String, _ statistic: GateRule.Statistic, _ shards: [SettledShard]
    ) -> Taken<Measured> {
        var moments = Moments()
        var values: [Double] = []
        var needsValues = false
        if case .quantile = statistic { needsValues = true }
        var lacking = 0
        for shard in shards {
            var own = ItemColumn()
            var place = 0
            for item in shard.items {
                guard case .number(let number)? = item.number(metric, near: &place) else {
                    lacking += 1
                    continue
                }
                own.add(number)
                if needsValues { values.append(number) }
            }
            if own.moments.count == 0 && shard.assigned?.isEmpty != true {
                return .missing(Self.named("missing: no item reports it", shard, among: shards))
            }
            if let stated = shard.metrics.first(where: { $0.name == metric })?.value,
                let difference = own.difference(from: stated)
            {
                return .refused(Self.named("several values: \(difference)", shard, among: shards))
            }
            moments.merge(own.moments)
        }
        guard lacking == 0 else {
            return .missing("missing: \(lacking) of \(lacking + moments.count) items do not report it")
        }
        guard let mean = moments.mean else { return .missing("measured on no items: n = 0") }
        guard mean.isFinite else { return .refused("not a number: the mean is beyond the range") }
        switch statistic {
        case .value: return .taken(Measured(value: mean, count: moments.count))
        case .quantile(let q):
            return .taken(Measured(value: quantile(q, of: values.sorted()), count: moments.count))
        }
    }
}

/// One metric of the items of one shard.
private struct ItemColumn {
    private(set) var moments = Moments()
    private var lowest = Double.infinity
    private var highest = -Double.infinity

    mutating func add(_ number: Double) {
        moments.add(number)
        lowest = min(lowest, number)
        highest = max(highest, number)
    }

    /// How the metrics file contradicts the items; `nil` when it says the same.
    func difference(from stated: MetricValue) -> String? {
        let (word, ours, theirs): (String, Double?, Double)
        switch stated {
        case .plain(let value): (word, ours, theirs) = ("mean", moments.mean, value)
        case .mean(let n, let mean, _):
            guard n == moments.count else {
                return "the metrics file counts \(n) items, the items are \(moments.count)"
            }
            (word, ours, theirs) = ("mean", moments.mean, mean)
        case .ratio(let numerator, let denominator):
            (word, ours, theirs) = ("mean", moments.mean, numerator / denominator)
        case .sum(let value): (word, ours, theirs) = ("sum", moments.sum.value, value)
        case .count(let count): (word, ours, theirs) = ("sum", moments.sum.value, Double(count))
        case .min(let value): (word, ours, theirs) = ("minimum", lowest, value)
        case .max(let value): (word, ours, theirs) = ("maximum", highest, value)
        case .samples(let values): (word, ours, theirs) = ("number", Double(moments.count), Double(values.count))
        case .quantiles(let sketch): (word, ours, theirs) = ("number", Double(moments.count), Double(sketch.count))
        case .refused: return nil
        }
        guard let ours, (ours - theirs).magnitude <= 1e-9 * max(ours.magnitude, theirs.magnitude) else {
            let (mine, other) = Figure.pair(ours ?? 0, theirs)
            return "the metrics file says \(other), the items' \(word) is \(mine)"
        }
        return nil
    }
}

extension Item {
    /// The entry named `name`. Items of one file have their entries in one order, so `place` is tried first.
    fileprivate func number(_ name: String, near place: inout Int) -> Number? {
        if place >= entries.count || entries[place].name != name {
            guard let found = entries.firstIndex(where: { $0.name == name }) else { return nil }
            place = found
        }
        for other in entries.indices where other != place && entries[other].name == name {
            return .refused(RefusedMetric(text: "", reason: "several values", file: "", line: 0))
        }
        return entries[place].number
    }
}

extension SettledShard {
    /// Why there is no metric of that name, as far as what was reported tells.
    fileprivate func lacking(_ metric: String) -> String {
        if !absent.isEmpty { return "missing: \(absent.joined(separator: "; "))" }
        let names = metrics.map(\.name).filter { $0 != MetricsFile.wholeName }
        let inItems = Set(items.prefix(100).flatMap { $0.entries.map(\.name) }).subtracting(names).sorted()
        let known = names + inItems
        guard !known.isEmpty else { return "missing: no metrics were reported" }
        if let near = Spelling.nearest(to: metric, among: known) {
            return "missing: not among what was reported; did you mean '\(near.prefix(60))'?"
        }
        let shown = known.prefix(5).map { "\($0.prefix(60))" }.joined(separator: ", ")
        return "missing: not among what was reported: \(shown)\(known.count > 5 ? " and \(known.count - 5) more" : "")"
    }
}
