import JSON
package import Model

/// Reads what steps wrote to `$SHEAF_ITEMS_OUT`: one JSON object per line, `{"id": "q17", "accuracy": 1}`.
///
/// Bytes come in pieces of any size. An id is a text or a whole number, at most `Limits.itemIDBytesMax` bytes; every
/// other member is a metric of the item. What is no number is refused, and matters to gates that read it.
package struct ItemsFile {
    package static let lineBytesMax = 1 << 20
    /// Metrics that the items of a file have together.
    package static let metricsMax = 10_000

    package private(set) var items = ItemTable()
    /// The first thing that makes the file as a whole unfit: a line without an id, or one that is no object. It
    /// belongs among the shard's metrics under `MetricsFile.wholeName`.
    package private(set) var problem: RefusedMetric?

    private let file: String
    private let idName: String
    private var plain: PlainItems
    private let itemsMax: Int
    private var line = 0
    private var rest: [UInt8] = []
    private var byteCount = 0

    /// - Parameters:
    ///   - file: its path, for messages.
    ///   - id: the member that names an item.
    package init(file: String, id: String = "id", itemsMax: Int = Limits.itemsPerCellMax) {
        self.file = file
        idName = id
        plain = PlainItems(id: id)
        self.itemsMax = itemsMax
    }

    /// The whole file at once.
    package static func read(
        _ bytes: [UInt8], file: String, id: String = "id"
    ) -> (items: ItemTable, problem: RefusedMetric?) {
        var reader = ItemsFile(file: file, id: id)
        reader.take(bytes[...])
        reader.finish()
        return (reader.items, reader.problem)
    }

    /// Reads the lines that end in `bytes`, and keeps the rest for later.
    package mutating func take(_ bytes: ArraySlice<UInt8>) {
        byteCount += bytes.count
        guard byteCount <= Limits.itemsFileBytesMax else {
            return refuse("larger than \(ByteCount(Int64(Limits.itemsFileBytesMax)))", text: "")
        }
        var start = bytes.startIndex
        while start < bytes.endIndex {
            if rest.isEmpty {
                start += readPlain(bytes[start...])
                guard start < bytes.endIndex else { break }
            }
            guard let end = bytes[start...].firstIndex(of: 0x0A) else { break }
            if rest.isEmpty {
                read(bytes[start..<end])
            } else {
                rest += bytes[start..<end]
                let whole = rest
                rest = []
                read(whole[...])
            }
            start = end + 1
        }
        // A line that is too long is not kept whole: its beginning is enough to refuse it.
        if rest.count <= Self.lineBytesMax { rest += bytes[start...].prefix(Self.lineBytesMax + 1 - rest.count) }
    }

    /// Reads the last line, which may lack its end.
    package mutating func finish() {
        let last = rest
        rest = []
        if !last.isEmpty { read(last[...]) }
        items.trim()
    }

    /// Reads usual lines as long as they come.
    ///
    /// - Returns: how many bytes they are.
    private mutating func readPlain(_ bytes: ArraySlice<UInt8>) -> Int {
        let span = bytes.span
        var position = 0
        while position < span.count, canHoldMore, plain.readLine(span, at: &position, isLast: false, into: &items) {
            line += 1
        }
        return position
    }

    private var canHoldMore: Bool { items.count < itemsMax && items.names.count <= Self.metricsMax }

    private mutating func read(_ bytes: ArraySlice<UInt8>) {
        line += 1
        guard bytes.contains(where: { $0 > 0x20 }) else { return }
        guard bytes.count <= Self.lineBytesMax else {
            return refuse("a line longer than \(ByteCount(Int64(Self.lineBytesMax)))", bytes: bytes)
        }
        guard items.count < itemsMax else { return refuse("more than \(itemsMax) items", text: "") }
        guard canHoldMore else { return refuse("more than \(Self.metricsMax) metrics", text: "") }
        var position = 0
        if !plain.readLine(bytes.span, at: &position, isLast: true, into: &items) { readSlowly(bytes) }
    }

    /// Lines with escapes, nested values or mistakes.
    private mutating func readSlowly(_ bytes: ArraySlice<UInt8>) {
        let members: [BrokenObject.Member]
        // `try?`: what is wrong with the text is found again, and better told, by `BrokenObject`.
        if let node = try? JSONParser.parse(Array(bytes), repeatedKeys: .keepAll), case .object(let found) = node.kind {
            members = found.map {
                BrokenObject.Member(key: $0.key, line: 1, lineOffset: 0, content: .node($0.value))
            }
        } else {
            let broken = BrokenObject(Array(bytes))
            if let problem = broken.problem { return refuse(problem.reason, bytes: bytes) }
            members = broken.members
        }
        var (id, digest): (String?, String?) = (nil, nil)
        var entries = ItemEntries(file: file, line: line)
        for member in members {
            if member.key == "digest", member.key != idName, digest == nil, let text = Self.digest(member.content) {
                digest = text
            } else if member.key == idName {
                guard id == nil else { return refuse("several values: an item with two ids", bytes: bytes) }
                guard let text = Self.id(member.content) else {
                    return refuse("an id is a text or a whole number", bytes: bytes)
                }
                id = text
            } else {
                entries.add(Item.Entry(member.key, number(member.content)))
            }
        }
        guard let id else { return refuse("an item without an id ('\(idName)')", bytes: bytes) }
        guard !id.isEmpty && id.utf8.count <= Limits.itemIDBytesMax else {
            return refuse("an id has 1 to \(Limits.itemIDBytesMax) bytes", bytes: bytes)
        }
        items.append(Item(id: id, digest: digest, entries: entries.list))
    }

    private func number(_ content: BrokenObject.Content) -> Item.Number {
        switch content {
        case .node(let node): MetricReading(file: file, lineOffset: line - 1).number(node)
        case .text(let text):
            .refused(
                RefusedMetric(
                    text: text, reason: text.isEmpty ? "empty, not a number" : "not a number", file: file, line: line))
        }
    }

    /// Of the item's content: a text. A number of that name is a metric.
    static func digest(_ content: BrokenObject.Content) -> String? {
        guard case .node(let node) = content, case .string(let text) = node.kind, !text.isEmpty,
            text.utf8.count <= Limits.itemIDBytesMax
        else { return nil }
        return text
    }

    static func id(_ content: BrokenObject.Content) -> String? {
        guard case .node(let node) = content else { return nil }
        switch node.kind {
        case .string(let text): return text
        case .number(let number, let text) where MetricReading.whole(number) != nil: return text
        case .number, .null, .boolean, .array, .object: return nil
        }
    }

    private mutating func refuse(_ reason: String, bytes: ArraySlice<UInt8>) {
        refuse(reason, text: String(decoding: bytes.prefix(200), as: UTF8.self))
    }

    private mutating func refuse(_ reason: String, text: String) {
        guard problem == nil else { return }
        problem = RefusedMetric(text: text, reason: reason, file: file, line: line)
    }
}

/// The metrics of one item, in the order of their first mention; a name that stands twice has several values, which is no
/// value.
struct ItemEntries {
    let file: String
    let line: Int
    private(set) var list: [Item.Entry] = []
    /// Where each name stands, once they are too many to be compared one by one.
    private var places: [String: Int] = [:]

    private static let comparedMax = 16

    init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    mutating func add(_ entry: Item.Entry) {
        if let place = place(of: entry.name) {
            list[place].number = .refused(RefusedMetric(text: "", reason: "several values", file: file, line: line))
            return
        }
        if list.count >= Self.comparedMax { places[entry.name] = list.count }
        list.append(entry)
    }

    private mutating func place(of name: String) -> Int? {
        if list.count < Self.comparedMax { return list.firstIndex { $0.name == name } }
        if places.isEmpty { for (place, entry) in list.enumerated() { places[entry.name] = place } }
        return places[name]
    }
}
