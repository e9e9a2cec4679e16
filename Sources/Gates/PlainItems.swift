import JSON
import Model

/// Reads the usual item record in one pass over its bytes, without a tree: a flat object without escapes, of an id, numbers
/// and perhaps a digest. What it takes is JSON, and means what the full reader would make of it.
struct PlainItems {
    private static let entriesMax = 16

    private let idName: [UInt8]
    /// By position in a record: the name that stood there last, and its place in the table.
    private var known: [(name: [UInt8], place: UInt32)] = []
    private var id = 0..<0
    private var digest = 0..<0
    private var numbers: [(key: Range<Int>, value: Double)] = []
    private var entries: [(name: UInt32, value: Double)] = []

    init(id: String) { idName = Array(id.utf8) }

    /// Looks whether a usual record begins at `position`, and goes behind it.
    ///
    /// - Returns: `false` for everything that needs a closer look; `position` means nothing then.
    mutating func scan(_ bytes: Span<UInt8>, at position: inout Int, to end: Int) -> Bool {
        id = 0..<0
        digest = 0..<0
        numbers.removeAll(keepingCapacity: true)
        guard Self.take(UInt8(ascii: "{"), bytes, &position, end) else { return false }
        repeat {
            Self.skipSpace(bytes, &position, end)
            guard let (key, isASCII) = Self.text(bytes, &position, end), isASCII,
                Self.take(UInt8(ascii: ":"), bytes, &position, end)
            else { return false }
            Self.skipSpace(bytes, &position, end)
            let isText = position < end && bytes[position] == UInt8(ascii: "\"")
            if Self.isSame(bytes, key, idName) {
                guard id.isEmpty,
                    let found = isText ? Self.id(bytes, &position, end) : Self.whole(bytes, &position, end)
                else { return false }
                id = found
            } else if isText {
                guard Self.isDigest(bytes, key), digest.isEmpty, let found = Self.id(bytes, &position, end) else {
                    return false
                }
                digest = found
            } else {
                guard numbers.count < Self.entriesMax,
                    let (number, stop) = NumberText.read(bytes, from: position, to: end),
                    let number
                else { return false }
                position = stop
                for other in numbers where Self.isSame(bytes, key, other.key) { return false }
                numbers.append((key, number))
            }
        } while Self.take(UInt8(ascii: ","), bytes, &position, end)
        return Self.take(UInt8(ascii: "}"), bytes, &position, end) && !id.isEmpty
    }

    /// Adds the record that was scanned last; only now do its names get a place in the table.
    ///
    /// - Parameter table: always the same one.
    mutating func add(_ bytes: Span<UInt8>, to table: inout ItemTable) {
        entries.removeAll(keepingCapacity: true)
        for (key, value) in numbers {
            let name = place(bytes, key, &table)
            entries.append((name, value))
        }
        table.append(id: bytes.extracting(id), digest: bytes.extracting(digest), entries: entries.span)
    }

    private mutating func place(_ bytes: Span<UInt8>, _ key: Range<Int>, _ table: inout ItemTable) -> UInt32 {
        let position = entries.count
        if position < known.count, Self.isSame(bytes, key, known[position].name) { return known[position].place }
        let name = key.map { bytes[$0] }
        let place = table.place(adding: String(decoding: name, as: UTF8.self))
        if position < known.count { known[position] = (name, place) } else { known.append((name, place)) }
        return place
    }

    // MARK: bytes

    /// A text in quotes, the quotes left out, and whether it is all ASCII; `nil` for one with escapes or controls.
    private static func text(
        _ bytes: Span<UInt8>, _ position: inout Int, _ end: Int
    ) -> (range: Range<Int>, isASCII: Bool)? {
        guard position < end, bytes[position] == UInt8(ascii: "\"") else { return nil }
        let start = position + 1
        var stop = start
        var union: UInt8 = 0
        while stop < end {
            let byte = bytes[stop]
            if byte == UInt8(ascii: "\"") {
                position = stop + 1
                return (start..<stop, union < 0x80)
            }
            guard byte >= 0x20 && byte != UInt8(ascii: "\\") else { return nil }
            union |= byte
            stop += 1
        }
        return nil
    }

    private static func id(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> Range<Int>? {
        guard let (range, isASCII) = text(bytes, &position, end), !range.isEmpty, range.count <= Limits.itemIDBytesMax,
            isASCII || isUTF8(bytes.extracting(range))
        else { return nil }
        return range
    }

    /// A whole number as an id: the digits that a `Double` surely holds.
    private static func whole(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> Range<Int>? {
        let start = position
        while position < end, (0x30...0x39).contains(bytes[position]) { position += 1 }
        let range = start..<position
        guard (1...15).contains(range.count), range.count == 1 || bytes[start] != 0x30, position < end,
            bytes[position] == UInt8(ascii: ",") || bytes[position] == UInt8(ascii: "}") || bytes[position] == 0x20
        else { return nil }
        return range
    }

    private static func isUTF8(_ bytes: Span<UInt8>) -> Bool {
        bytes.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) != nil }
    }

    private static let digestName = Array("digest".utf8)
    private static func isDigest(_ bytes: Span<UInt8>, _ key: Range<Int>) -> Bool { isSame(bytes, key, digestName) }

    private static func isSame(_ bytes: Span<UInt8>, _ range: Range<Int>, _ other: Range<Int>) -> Bool {
        guard range.count == other.count else { return false }
        for offset in 0..<other.count where bytes[range.lowerBound + offset] != bytes[other.lowerBound + offset] {
            return false
        }
        return true
    }

    private static func isSame(_ bytes: Span<UInt8>, _ range: Range<Int>, _ other: [UInt8]) -> Bool {
        guard range.count == other.count else { return false }
        for offset in 0..<other.count where bytes[range.lowerBound + offset] != other[offset] { return false }
        return true
    }

    @inline(__always)
    private static func take(_ wanted: UInt8, _ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> Bool {
        skipSpace(bytes, &position, end)
        guard position < end, bytes[position] == wanted else { return false }
        position += 1
        return true
    }

    /// Within one line: a line's end is no space here.
    @inline(__always)
    private static func skipSpace(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) {
        while position < end, bytes[position] == 0x20 || bytes[position] == 0x09 || bytes[position] == 0x0D {
            position += 1
        }
    }
}

extension PlainItems {
    /// Reads one line that begins at `position` as a usual record, and goes behind its end.
    ///
    /// - Returns: whether it is one; `position` stays where not.
    mutating func readLine(
        _ bytes: Span<UInt8>, at position: inout Int, isLast: Bool, into table: inout ItemTable
    ) -> Bool {
        var stop = position
        let end = min(bytes.count, position + ItemsFile.lineBytesMax)
        guard scan(bytes, at: &stop, to: end) else { return false }
        Self.skipSpace(bytes, &stop, end)
        if stop < end, bytes[stop] == 0x0A {
            stop += 1
        } else if !isLast || stop != bytes.count {
            return false
        }
        add(bytes, to: &table)
        position = stop
        return true
    }

    /// The items of a line of results, where all of them are usual records, and the line with an empty list in their
    /// place.
    static func split(_ line: [UInt8]) -> (items: ItemTable, rest: [UInt8])? {
        let bytes = line.span
        guard let start = Self.list("items", of: bytes) else { return nil }
        var plain = PlainItems(id: "id")
        var items = ItemTable()
        var position = start + 1
        repeat {
            guard items.count < Limits.itemsPerCellMax, items.names.count <= ItemsFile.metricsMax,
                plain.scan(bytes, at: &position, to: bytes.count)
            else { return nil }
            plain.add(bytes, to: &items)
        } while take(UInt8(ascii: ","), bytes, &position, bytes.count)
        guard take(UInt8(ascii: "]"), bytes, &position, bytes.count) else { return nil }
        return (items, Array(line[...start]) + line[(position - 1)...])
    }

    /// Where the list begins that an object's member has; found without reading what stands before it, so it counts only
    /// when that, with the list made empty, is read in full.
    private static func list(_ name: String, of bytes: Span<UInt8>) -> Int? {
        let name = Array(name.utf8)
        var depth = 0
        var position = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\""):
                let start = position + 1
                position = start
                while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                    position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
                }
                guard depth == 1, position < bytes.count, isSame(bytes, start..<position, name) else { break }
                var next = position + 1
                guard take(UInt8(ascii: ":"), bytes, &next, bytes.count) else { break }
                return take(UInt8(ascii: "["), bytes, &next, bytes.count) ? next - 1 : nil
            default: break
            }
            position += 1
        }
        return nil
    }
}
