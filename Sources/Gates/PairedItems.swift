import Model

/// What the items of a cell measured: one metric of those that have it.
struct CellItems {
    var ids = TextColumn()
    /// The digests of their contents, as many as ids; `nil` where none has one, and an empty text is none.
    var contents: TextColumn?
    var values: [Double] = []

    var count: Int { ids.count }

    var areRightOrWrong: Bool { values.allSatisfy { $0 == 0 || $0 == 1 } }

    /// Whether an item is the one that the other side calls by the same id: its content, where both tell it, is the same.
    func isSame(_ place: Int, as other: CellItems, _ theirs: Int) -> Bool {
        guard let contents, let known = other.contents else { return true }
        return contents.isSame(place, as: known, theirs) || contents[place].isEmpty || known[theirs].isEmpty
    }

    /// The items at `places`, in this order.
    func picked(_ places: [Int]) -> CellItems {
        CellItems(
            ids: ids.picked(places), contents: contents.map { $0.picked(places) }, values: places.map { values[$0] })
    }

    /// Adds the items of one shard that have the metric.
    fileprivate mutating func add(_ table: ItemTable, _ column: ItemTable.Column) {
        let isWhole = column.lacking == 0 && column.refused == nil
        let kept = isWhole ? [] : column.values.indices.filter { !column.values[$0].isNaN }
        let own = { (texts: TextColumn) in isWhole ? texts : texts.picked(kept) }
        if contents != nil || table.contents != nil {
            if contents == nil { contents = TextColumn(repeatElement("", count: count)) }
            contents?.append(contentsOf: own(table.contents ?? TextColumn(repeatElement("", count: table.count))))
        }
        ids.append(contentsOf: own(table.ids))
        values.append(contentsOf: isWhole ? column.values : kept.map { column.values[$0] })
    }
}

/// The items of one group of cells on both sides: one value per item and side, averaged over the group's cells, in the
/// order of ids. The baseline's items are the denominator.
struct PairedItems {
    private(set) var ids = TextColumn()
    private(set) var candidate: [Double] = []
    private(set) var baseline: [Double] = []
    /// Whether every single value, before averaging, is 0 or 1.
    private(set) var isRightOrWrong = false
    /// Whether the baseline's values are, which is what tells the metric's range: a candidate cannot unsay it, neither by
    /// what it reports nor by what it leaves out.
    private var hasRange = false
    private var lackingCounts = true
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

    typealias CellPair = (candidate: CellItems, baseline: CellItems)

    /// Under this share of the baseline's items, the two sides measured different things.
    static let commonShareMin = (95, 100)

    /// - Parameters:
    ///   - sets: cells with the same place on both sides; each inner list is averaged first (repetitions).
    ///   - worst: the value, of 0 and 1, that a lacking item counts as.
    ///   - lackingCounts: whether it may count as that: only where a worse value never makes the answer better. Else one that
    ///     is lacking makes the group incomplete.
    static func pair(_ sets: [[CellPair]], worst: Double, lackingCounts: Bool = true) -> Pairing {
        var items = PairedItems()
        items.lackingCounts = lackingCounts
        items.hasRange = sets.allSatisfy { $0.allSatisfy(\.baseline.areRightOrWrong) }
        items.isRightOrWrong = items.hasRange && sets.allSatisfy { $0.allSatisfy(\.candidate.areRightOrWrong) }
        var (common, firstLacking) = (0, "")
        if sets.count == 1, sets[0].count == 1 {
            // One cell: nothing is averaged.
            items.ids = sets[0][0].baseline.ids
            items.baseline = sets[0][0].baseline.values
            items.candidate = match(sets[0][0], worst: worst, &items, &common, &firstLacking)
        } else {
            var known = TextPlaces()
            for cell in sets.joined() { _ = known.add(cell.baseline.ids) }
            var collector = Collector(count: known.count)
            for cells in sets {
                for cell in cells {
                    let ours = match(cell, worst: worst, &items, &common, &firstLacking)
                    for place in cell.baseline.ids.indices {
                        guard let first = known.place(of: cell.baseline.ids, place) else { continue }
                        collector.add(first, ours[place], cell.baseline.values[place])
                    }
                }
                collector.closeSet()
            }
            var all = TextColumn()
            for cell in sets.joined() { all.append(contentsOf: cell.baseline.ids) }
            items.ids = all.picked(collector.places)
            items.candidate = collector.candidate.map(\.average)
            items.baseline = collector.baseline.map(\.average)
        }
        return finish(items, common: common, firstLacking: firstLacking)
    }

    /// The candidate's value of each of the baseline's items. Most often both sides have their items in one order, and no
    /// table is needed.
    private static func match(
        _ cell: CellPair, worst: Double, _ items: inout PairedItems, _ common: inout Int, _ firstLacking: inout String
    ) -> [Double] {
        let (ours, theirs) = (cell.candidate, cell.baseline)
        var places: TextPlaces?
        var matched: [Double] = []
        matched.reserveCapacity(theirs.count)
        var used = 0
        for index in theirs.ids.indices {
            var place: Int? = index
            if places != nil || index >= ours.count || !ours.ids.isSame(index, as: theirs.ids, index) {
                if places == nil { places = TextPlaces(ours.ids) }
                place = places?.place(of: theirs.ids, index)
            }
            if let place, ours.isSame(place, as: theirs, index) {
                used += 1
                matched.append(ours.values[place])
            } else {
                if items.lacking == 0 { firstLacking = theirs.ids[index] }
                items.lacking += 1
                matched.append(worst)
            }
        }
        common += used
        items.new += ours.count - used
        return matched
    }

    /// The candidate's values of the baseline's items, where it has them all.
    static func matched(_ cell: CellPair) -> [Double] {
        var (items, common, firstLacking) = (PairedItems(), 0, "")
        return match(cell, worst: .nan, &items, &common, &firstLacking)
    }

    private static func finish(_ paired: PairedItems, common: Int, firstLacking: String) -> Pairing {
        var items = paired
        let all = common + items.lacking
        guard all > 0 else { return .inconclusive("the baseline has no items") }
        // Before the share of common items is looked at: what is missing must not become undecided by missing more.
        if items.lacking > 0 && !(items.hasRange && items.lackingCounts) {
            return .incomplete(
                "missing: \(items.lacking) of the baseline's \(all) items, first '\(firstLacking.prefix(60))'")
        }
        if common * commonShareMin.1 < all * commonShareMin.0 {
            return .inconclusive(
                "different items: \(common) of the baseline's \(all) are there, first lacking '\(firstLacking.prefix(60))'"
            )
        }
        guard items.ids.count <= sortedMax else { return .paired(items) }
        let order = items.ids.order()
        items.ids = paired.ids.picked(order)
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
        /// Of each item: where its id stood first among all cells' items.
        private(set) var places: [Int] = []
        private(set) var candidate: [Average] = []
        private(set) var baseline: [Average] = []
        /// By such a place: the item's number here, or −1.
        private var numbers: [Int]

        init(count: Int) { numbers = Array(repeating: -1, count: count) }

        mutating func add(_ place: Int, _ ours: Double, _ theirs: Double) {
            if numbers[place] < 0 {
                numbers[place] = places.count
                places.append(place)
                candidate.append(Average())
                baseline.append(Average())
            }
            candidate[numbers[place]].add(ours)
            baseline[numbers[place]].add(theirs)
        }

        mutating func closeSet() {
            for place in places.indices {
                candidate[place].closeSet()
                baseline[place].closeSet()
            }
        }
    }
}

extension CellTable {
    /// The metric of each item of a cell that was read before; `nil` where it is not reported per item.
    func items(_ metric: String, of cell: Cell) -> CellItems? {
        var items = CellItems()
        for index in cell.settled where results.shards[index].shard >= 0 {
            guard let column = results.shards[index].items.column(metric) else { continue }
            items.add(results.shards[index].items, column)
        }
        return items.values.isEmpty ? nil : items
    }

    /// The cell's metric as its shards report it together; `nil` for what is reported per item, or not at all.
    func merged(_ metric: String, of cell: Cell) -> MetricValue? {
        let shards = cell.settled.map { results.shards[$0] }.filter { $0.shard >= 0 }
        let parts = shards.compactMap { $0.metrics.first { $0.name == metric }?.value }
        guard parts.count == shards.count, case .taken(let value) = MetricMerge.merge(parts) else { return nil }
        return value
    }
}
