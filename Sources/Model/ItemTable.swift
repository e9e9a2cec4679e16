/// The items of one shard in columns: ids, and numbers by item, each name kept once. A record of one number takes about
/// 40 bytes.
///
/// As a collection it reads and takes `Item`s. Adding one is cheap; changing one in place is, where its id and its
/// metrics stay; other changes write the whole table anew.
package struct ItemTable: Sendable {
    package private(set) var ids = TextColumn()
    /// As many as ids once an item has one; an empty text is none.
    private var digests = TextColumn()
    /// In the order of their first mention.
    package private(set) var names: [String] = []
    /// Where each name stands, once they are too many to be compared one by one.
    private var places: [String: Int] = [:]
    /// Of every entry: its name's place.
    private var entryNames: [UInt32] = []
    /// Of every entry: its number, or NaN where it is none.
    private var values: [Double] = []
    /// Where the entries of each item end.
    private var ends: [Int] = []
    /// By entry: why it is no number.
    private var refused: [Int: RefusedMetric] = [:]

    private static let comparedMax = 16

    package init() {}

    package init(_ items: some Sequence<Item>) {
        for item in items { append(item) }
    }

    // MARK: columns

    /// One metric of all items.
    package struct Column {
        /// By item; NaN where it has none.
        package var values: [Double]
        /// How many items have none.
        package var lacking: Int
        /// The first item whose number is none, and why.
        package var refused: (item: Int, RefusedMetric)?
    }

    /// - Returns: `nil` where no item mentions the metric.
    package func column(_ name: String) -> Column? {
        guard let wanted = place(of: name) else { return nil }
        // The usual table of one metric is its own column.
        if names.count == 1 && values.count == ids.count && refused.isEmpty {
            return Column(values: values, lacking: 0, refused: nil)
        }
        var column = Column(values: [], lacking: 0, refused: nil)
        column.values.reserveCapacity(ids.count)
        let (entryNames, values, ends) = (entryNames.span, values.span, ends.span)
        var (first, offset) = (0, 0)
        for item in ends.indices {
            let end = ends[item]
            // Items of one file have their entries in one order.
            if first + offset >= end || Int(entryNames[first + offset]) != wanted {
                offset = 0
                while first + offset < end, Int(entryNames[first + offset]) != wanted { offset += 1 }
            }
            if first + offset < end {
                let value = values[first + offset]
                column.values.append(value)
                if value.isNaN {
                    if column.refused == nil, let why = refused[first + offset] { column.refused = (item, why) }
                }
            } else {
                column.values.append(.nan)
                column.lacking += 1
                offset = 0
            }
            first = end
        }
        return column.lacking < ids.count ? column : nil
    }

    /// The items' digests; `nil` where none has one. An empty text is none.
    package var contents: TextColumn? { digests.isEmpty ? nil : digests }

    // MARK: building

    /// The place of a name among `names`, where it is put if it is new.
    package mutating func place(adding name: String) -> UInt32 {
        if let known = place(of: name) { return UInt32(known) }
        names.append(name)
        if names.count == Self.comparedMax + 1 {
            for (place, name) in names.enumerated() { places[name] = place }
        } else if names.count > Self.comparedMax {
            places[name] = names.count - 1
        }
        return UInt32(names.count - 1)
    }

    private func place(of name: String) -> Int? {
        names.count > Self.comparedMax ? places[name] : names.firstIndex(of: name)
    }

    /// Adds an item whose entries are all numbers.
    ///
    /// - Parameters:
    ///   - id: valid UTF-8, as `digest`, where an empty text is none.
    ///   - entries: places of `place(adding:)`, each at most once, and finite numbers.
    package mutating func append(id: Span<UInt8>, digest: Span<UInt8>, entries: Span<(name: UInt32, value: Double)>) {
        ids.append(id)
        if !digest.isEmpty || !digests.isEmpty { addDigest(digest) }
        for index in entries.indices {
            entryNames.append(entries[index].name)
            values.append(entries[index].value)
        }
        ends.append(values.count)
    }

    private mutating func addDigest(_ digest: Span<UInt8>) {
        while digests.count < ids.count - 1 { digests.append("") }
        digests.append(digest)
    }

    /// A name that stands twice has several values, which is no value.
    package mutating func append(_ item: Item) {
        let digest = item.digest ?? ""
        ids.append(item.id)
        if !digest.isEmpty || !digests.isEmpty { addDigest(digest.utf8.span) }
        let first = values.count
        for entry in item.entries {
            let name = place(adding: entry.name)
            if let known = (first..<values.count).first(where: { entryNames[$0] == name }) {
                set(.refused(RefusedMetric(text: "", reason: "several values", file: "", line: 0)), at: known)
                continue
            }
            entryNames.append(name)
            values.append(.nan)
            set(entry.number, at: values.count - 1)
        }
        ends.append(values.count)
    }

    private mutating func set(_ number: Item.Number, at entry: Int) {
        switch number {
        case .number(let number):
            values[entry] = number
            if !refused.isEmpty { refused[entry] = nil }
        case .refused(let why):
            values[entry] = .nan
            refused[entry] = why
        }
    }

    package mutating func append(contentsOf other: ItemTable) {
        guard !isEmpty else {
            self = other
            return
        }
        let (items, entries) = (ids.count, values.count)
        if !digests.isEmpty || !other.digests.isEmpty {
            while digests.count < items { digests.append("") }
            digests.append(contentsOf: other.digests)
            while digests.count < items + other.count { digests.append("") }
        }
        ids.append(contentsOf: other.ids)
        let renumbered = other.names.map { place(adding: $0) }
        entryNames.append(contentsOf: other.entryNames.lazy.map { renumbered[Int($0)] })
        values.append(contentsOf: other.values)
        ends.append(contentsOf: other.ends.lazy.map { entries + $0 })
        for (entry, why) in other.refused { refused[entries + entry] = why }
    }

    /// Gives items other ids, where `name` has one.
    package mutating func rename(_ name: (String) -> String?) {
        var renamed = TextColumn()
        for id in ids { renamed.append(name(id) ?? id) }
        ids = renamed
    }

    /// Lets go of what was reserved for items that did not come.
    package mutating func trim() {
        ids.trim()
        digests.trim()
        if values.capacity > values.count + values.count / 4 {
            values = Array(values[...])
            entryNames = Array(entryNames[...])
            ends = Array(ends[...])
        }
    }
}

extension ItemTable: Equatable {
    package static func == (a: Self, b: Self) -> Bool {
        a.ids == b.ids && a.digests == b.digests && a.names == b.names && a.entryNames == b.entryNames
            && a.ends == b.ends && a.refused == b.refused
            && a.values.elementsEqual(b.values) { $0 == $1 || $0.isNaN && $1.isNaN }
    }
}

extension ItemTable: RandomAccessCollection, MutableCollection, RangeReplaceableCollection, ExpressibleByArrayLiteral {
    package init(arrayLiteral items: Item...) { self.init(items) }

    package var startIndex: Int { 0 }
    package var endIndex: Int { ids.count }

    package subscript(place: Int) -> Item {
        get {
            let digest = digests.isEmpty ? "" : digests[place]
            var item = Item(id: ids[place], digest: digest.isEmpty ? nil : digest, entries: [])
            for entry in range(place) {
                let number = refused[entry].map(Item.Number.refused) ?? .number(values[entry])
                item.entries.append(Item.Entry(names[Int(entryNames[entry])], number))
            }
            return item
        }
        set {
            let (range, old) = (range(place), self[place])
            guard newValue.id == old.id, newValue.digest == old.digest,
                newValue.entries.map(\.name) == old.entries.map(\.name)
            else { return replaceSubrange(place...place, with: CollectionOfOne(newValue)) }
            for (entry, new) in zip(range, newValue.entries) { set(new.number, at: entry) }
        }
    }

    package mutating func append(contentsOf items: some Sequence<Item>) {
        if let table = items as? ItemTable { return append(contentsOf: table) }
        for item in items { append(item) }
    }

    package mutating func replaceSubrange(_ places: Range<Int>, with items: some Collection<Item>) {
        guard places.lowerBound < endIndex else { return append(contentsOf: items) }
        var table = ItemTable()
        for place in 0..<places.lowerBound { table.append(self[place]) }
        for item in items { table.append(item) }
        for place in places.upperBound..<endIndex { table.append(self[place]) }
        self = table
    }

    private func range(_ place: Int) -> Range<Int> { (place == 0 ? 0 : ends[place - 1])..<ends[place] }
}
