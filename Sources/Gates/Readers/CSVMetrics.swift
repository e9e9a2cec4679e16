import Model

/// Comma-separated values (RFC 4180) under a header, which names the metrics.
enum CSVMetrics {
    static let columnsMax = 10_000

    static func read(_ bytes: [UInt8], file: String, _ source: MetricSource) -> ReadMetrics {
        var table = CSVTable(bytes)
        var collector = MetricCollector(file: file)
        guard let header = table.next() else {
            return .refused(table.problem ?? "the file is empty", file: file, line: max(1, table.line))
        }
        let names = header.map { String(decoding: $0.drop { $0 == 0x20 }, as: UTF8.self) }
        if let problem = problem(names, source) { return .refused(problem, file: file, line: 1) }
        let idColumn = source.id.flatMap { names.firstIndex(of: $0) }
        var items: [Item] = []
        var rows = 0
        while let row = table.next() {
            if row.count == 1, row[0].isEmpty { continue }
            let line = table.line
            guard row.count == names.count else {
                collector.refuse("a row of \(row.count) values under a header of \(names.count)", line: line)
                break
            }
            rows += 1
            let values = row.map { String(decoding: $0, as: UTF8.self) }
            if let idColumn {
                guard add(values, names, idColumn, line, to: &items, &collector) else { break }
            } else {
                for (name, text) in zip(names, values) {
                    let number = PlainNumber.read(text)
                    if source.taking == .samples, let number {
                        collector.addSample(name, number, line: line)
                    } else {
                        collector.add(
                            name, number.map(MetricValue.plain) ?? refusal(text, line, collector), line: line,
                            repeated: .replaced)
                    }
                }
            }
        }
        if let problem = table.problem { collector.refuse(problem, line: table.line) }
        if rows == 0 && !collector.isRefused { collector.refuse("missing: a header without a row", line: 1) }
        return collector.finish(items: items)
    }

    private static func problem(_ names: [String], _ source: MetricSource) -> String? {
        if names.count > columnsMax { return "more than \(columnsMax) columns" }
        if Set(names).count < names.count { return "several values: the header names a column twice" }
        if names.allSatisfy({ PlainNumber.read($0) != nil }) { return "no header: the first row is of numbers" }
        if names.contains("") && names.count > 1 && source.id == nil {
            // pandas writes the index under no name.
            return names.dropFirst().contains("") ? "a column without a name" : nil
        }
        if let id = source.id, !names.contains(id) {
            return
                "no column '\(MetricReading.cut(id))'; the header has \(MetricReading.cut(names.joined(separator: ", ")))"
        }
        return nil
    }

    private static func refusal(_ text: String, _ line: Int, _ collector: MetricCollector) -> MetricValue {
        collector.refused(text.isEmpty ? "empty, not a number" : "not a number", text: text, line: line)
    }

    /// - Returns: whether the file may be read on.
    private static func add(
        _ values: [String], _ names: [String], _ idColumn: Int, _ line: Int, to items: inout [Item],
        _ collector: inout MetricCollector
    ) -> Bool {
        let id = values[idColumn]
        guard !id.isEmpty && id.utf8.count <= Limits.itemIDBytesMax else {
            collector.refuse("an id has 1 to \(Limits.itemIDBytesMax) bytes", text: id, line: line)
            return false
        }
        guard items.count < Limits.itemsPerCellMax else {
            collector.refuse("more than \(Limits.itemsPerCellMax) items", line: line)
            return false
        }
        var item = Item(id: id, entries: [])
        for (column, name) in names.enumerated() where column != idColumn && !name.isEmpty {
            if name == "digest", PlainNumber.read(values[column]) == nil {
                item.digest = values[column].isEmpty ? nil : String(values[column].prefix(Limits.itemIDBytesMax / 4))
            } else if let number = PlainNumber.read(values[column]) {
                item.entries.append(.init(name, .number(number)))
            } else if case .refused(let refused) = refusal(values[column], line, collector) {
                item.entries.append(.init(name, .refused(refused)))
            }
        }
        items.append(item)
        return true
    }
}

/// Rows of comma-separated values; quoted ones may hold commas, line ends and doubled quotes.
struct CSVTable {
    private let bytes: [UInt8]
    private var position = 0
    private var lineEnds = 0
    /// Where the row begins that was read last; from 1.
    private(set) var line = 0
    /// Why there is no next row, where that is not the end.
    private(set) var problem: String?

    static let fieldBytesMax = 1 << 20

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func next() -> [ArraySlice<UInt8>]? {
        guard position < bytes.count, problem == nil else { return nil }
        line = lineEnds + 1
        var row: [ArraySlice<UInt8>] = []
        while true {
            guard let field = field() else { return nil }
            row.append(field)
            guard row.count <= CSVMetrics.columnsMax else {
                problem = "more than \(CSVMetrics.columnsMax) columns"
                return nil
            }
            guard position < bytes.count, bytes[position] == UInt8(ascii: ",") else { break }
            position += 1
        }
        if position < bytes.count, bytes[position] == 0x0D { position += 1 }
        if position < bytes.count {
            guard bytes[position] == 0x0A else {
                problem = "not CSV: text follows a closing quote"
                return nil
            }
            position += 1
            lineEnds += 1
        }
        return row
    }

    private mutating func field() -> ArraySlice<UInt8>? {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            let start = position
            while position < bytes.count, bytes[position] != UInt8(ascii: ","), bytes[position] != 0x0A {
                position += 1
            }
            var end = position
            // A carriage return belongs to the line's end; other spaces around a value do not count.
            while end > start, bytes[end - 1] == 0x0D || bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
            return checked(bytes[start..<end].drop { $0 == 0x20 || $0 == 0x09 })
        }
        position += 1
        var field: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard position < bytes.count, bytes[position] == byte else { return checked(field[...]) }
                position += 1
            }
            if byte == 0x0A { lineEnds += 1 }
            field.append(byte)
        }
        problem = "not CSV: a quote that does not end"
        return nil
    }

    private mutating func checked(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard field.count <= Self.fieldBytesMax else {
            problem = "a value longer than \(ByteCount(Int64(Self.fieldBytesMax)))"
            return nil
        }
        return field
    }
}
