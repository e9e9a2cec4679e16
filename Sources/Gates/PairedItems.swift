import Model

/// What one item of a cell measured.
struct ItemValue {
    var id: String
    var digest: String?
    var value: Double

    var isRightOrWrong: Bool { value == 0 || value == 1 }

    /// Whether this is the item that the other side calls by the same id: its content, where both tell it, is the same.
    func isSame(as other: ItemValue) -> Bool {
        guard let digest, let theirs = other.digest else { return true }
        return digest == theirs
    }
}

/// The items of one group of cells on both sides: one value per item and side, averaged over the group's cells, in the
/// order of ids. The baseline's items are the denominator.
struct PairedItems {
    private(set) var ids: [String] = []
    private(set) var candidate: [Double] = []
    private(set) var baseline: [Double] = []
    /// Whether every single value, before averaging, is 0 or 1.
    private(set) var isRightOrWrong = false
    /// Whether the baseline's values are, which is what tells the metric's range: a candidate cannot unsay it, neither by
    /// what it reports nor by what it leaves out.
    private var hasRange = false
    /// Items of a cell of the baseline that the candidate's cell lacks; counted as the worst value.
    private(set) var lacking = 0
    /// Items of a candidate's cell that the baseline's lacks; left out.
    private(set) var new = 0

    var count: Int { ids.count }

    /// Up to so many stand in the order of ids. Of more, the order follows the baseline's: every figure that is made of so
    /// many is summed exactly, or sorts for itself, and the same in any order.
    static let sortedMax = 10_000

    /// Whether each pair is of two single 0/1 values.
    var hasFlipsOnly: Bool {
        isRightOrWrong && candidate.allSatisfy { $0 == 0 || $0 == 1 } && baseline.allSatisfy { $0 == 0 || $0 == 1 }
    }

    enum Pairing {
        case paired(PairedItems)
        case incomplete(String)
        case inconclusive(String)
    }

    typealias CellPair = (candidate: [ItemValue], baseline: [ItemValue])

    /// Under this share of the baseline's items, the two sides measured different things.
    static let commonShareMin = (95, 100)

    /// - Parameters:
    ///   - sets: cells with the same place on both sides; each inner list is averaged first (repetitions).
    ///   - worst: the value, of 0 and 1, that a lacking item counts as.
    static func pair(_ sets: [[CellPair]], worst: Double) -> Pairing {
        var items = PairedItems()
        items.hasRange = sets.allSatisfy { $0.allSatisfy { $0.baseline.allSatisfy(\.isRightOrWrong) } }
        items.isRightOrWrong =
            items.hasRange && sets.allSatisfy { $0.allSatisfy { $0.candidate.allSatisfy(\.isRightOrWrong) } }
        if sets.count == 1, sets[0].count == 1 { return pair(sets[0][0], worst: worst, into: items) }
        var collector = Collector()
        var (common, firstLacking) = (0, "")
        for cells in sets {
            for cell in cells {
                let places = table(cell.candidate)
                var used = 0
                for theirs in cell.baseline {
                    if let place = places[theirs.id], cell.candidate[place].isSame(as: theirs) {
                        used += 1
                        collector.add(theirs.id, cell.candidate[place].value, theirs.value)
                    } else {
                        if items.lacking == 0 { firstLacking = theirs.id }
                        items.lacking += 1
                        collector.add(theirs.id, worst, theirs.value)
                    }
                }
                common += used
                items.new += cell.candidate.count - used
            }
            collector.closeSet()
        }
        items.ids = collector.ids
        items.candidate = collector.candidate.map(\.average)
        items.baseline = collector.baseline.map(\.average)
        return finish(items, common: common, firstLacking: firstLacking)
    }

    /// One cell: nothing is averaged. Most often both sides have their items in one order, and no table is needed.
    private static func pair(_ cell: CellPair, worst: Double, into empty: PairedItems) -> Pairing {
        var items = empty
        var (common, firstLacking) = (0, "")
        var places: [String: Int]?
        items.ids.reserveCapacity(cell.baseline.count)
        items.candidate.reserveCapacity(cell.baseline.count)
        items.baseline.reserveCapacity(cell.baseline.count)
        for (index, theirs) in cell.baseline.enumerated() {
            var place: Int? = index
            if places != nil || index >= cell.candidate.count || cell.candidate[index].id != theirs.id {
                if places == nil { places = table(cell.candidate) }
                place = places?[theirs.id]
            }
            items.ids.append(theirs.id)
            items.baseline.append(theirs.value)
            if let place, cell.candidate[place].isSame(as: theirs) {
                common += 1
                items.candidate.append(cell.candidate[place].value)
            } else {
                if items.lacking == 0 { firstLacking = theirs.id }
                items.lacking += 1
                items.candidate.append(worst)
            }
        }
        items.new = cell.candidate.count - common
        return finish(items, common: common, firstLacking: firstLacking)
    }

    private static func table(_ values: [ItemValue]) -> [String: Int] {
        var places: [String: Int] = [:]
        places.reserveCapacity(values.count)
        for (place, item) in values.enumerated() { places[item.id] = place }
        return places
    }

    private static func finish(_ paired: PairedItems, common: Int, firstLacking: String) -> Pairing {
        var items = paired
        let all = common + items.lacking
        guard all > 0 else { return .inconclusive("the baseline has no items") }
        if items.lacking > 0 && !items.hasRange {
            return .incomplete(
                "missing: \(items.lacking) of the baseline's \(all) items, first '\(firstLacking.prefix(60))'")
        }
        if common * commonShareMin.1 < all * commonShareMin.0 {
            return .inconclusive(
                "different items: \(common) of the baseline's \(all) are there, first lacking '\(firstLacking.prefix(60))'"
            )
        }
        guard items.ids.count <= sortedMax else { return .paired(items) }
        let order = items.ids.indices.sorted { items.ids[$0] < items.ids[$1] }
        items.ids = order.map { paired.ids[$0] }
        items.candidate = order.map { paired.candidate[$0] }
        items.baseline = order.map { paired.baseline[$0] }
        return .paired(items)
    }

    /// One item's values: averaged within a set of repetitions, then over the sets.
    private struct Average {
        private var sum = 0.0
        private var sets = 0
        private var inner = 0.0
        private var innerCount = 0

        mutating func add(_ value: Double) {
            inner += value
            innerCount += 1
        }

        mutating func closeSet() {
            guard innerCount > 0 else { return }
            sum += inner / Double(innerCount)
            sets += 1
            (inner, innerCount) = (0, 0)
        }

        var average: Double { sum / Double(max(1, sets)) }
    }

    private struct Collector {
        var ids: [String] = []
        var candidate: [Average] = []
        var baseline: [Average] = []
        private var places: [String: Int] = [:]

        mutating func add(_ id: String, _ ours: Double, _ theirs: Double) {
            let place = places[id] ?? ids.count
            if place == ids.count {
                places[id] = place
                ids.append(id)
                candidate.append(Average())
                baseline.append(Average())
            }
            candidate[place].add(ours)
            baseline[place].add(theirs)
        }

        mutating func closeSet() {
            for place in ids.indices {
                candidate[place].closeSet()
                baseline[place].closeSet()
            }
        }
    }
}

extension CellTable {
    /// The metric of each item of a cell that was read before; `nil` where it is not reported per item.
    func items(_ metric: String, of cell: Cell) -> [ItemValue]? {
        var values: [ItemValue] = []
        for index in cell.settled where results.shards[index].shard >= 0 {
            for item in results.shards[index].items {
                guard case .number(let number)? = item.entries.first(where: { $0.name == metric })?.number else {
                    continue
                }
                values.append(ItemValue(id: item.id, digest: item.digest, value: number))
            }
        }
        return values.isEmpty ? nil : values
    }

    /// The cell's metric as its shards report it together; `nil` for what is reported per item, or not at all.
    func merged(_ metric: String, of cell: Cell) -> MetricValue? {
        let shards = cell.settled.map { results.shards[$0] }.filter { $0.shard >= 0 }
        let parts = shards.compactMap { $0.metrics.first { $0.name == metric }?.value }
        guard parts.count == shards.count, case .taken(let value) = MetricMerge.merge(parts) else { return nil }
        return value
    }
}
