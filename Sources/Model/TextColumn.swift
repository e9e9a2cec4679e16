/// Texts one after another in one array, as UTF-8: millions of short ones take their bytes and eight more each.
///
/// Two texts are the same when their bytes are; Swift's strings are the same when they look so.
package struct TextColumn: Equatable, Sendable {
    private var bytes: [UInt8] = []
    /// Where each text ends.
    private var ends: [Int] = []

    package init() {}

    package init(_ texts: some Sequence<String>) {
        for text in texts { append(text) }
    }

    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
    }

    /// - Parameter text: valid UTF-8.
    package mutating func append(_ text: Span<UInt8>) {
        text.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
    }

    package mutating func append(contentsOf other: TextColumn) {
        if isEmpty {
            self = other
            return
        }
        let start = bytes.count
        bytes.append(contentsOf: other.bytes)
        ends.reserveCapacity(ends.count + other.ends.count)
        for end in other.ends { ends.append(start + end) }
    }

    package mutating func reserveCapacity(_ count: Int) { ends.reserveCapacity(count) }

    /// Lets go of what was reserved for texts that did not come.
    package mutating func trim() {
        if bytes.capacity > bytes.count + bytes.count / 4 { bytes = Array(bytes[...]) }
        if ends.capacity > ends.count + ends.count / 4 { ends = Array(ends[...]) }
    }

    /// The texts at `places`.
    package func part(_ places: Range<Int>) -> TextColumn {
        guard places != indices else { return self }
        var part = TextColumn()
        guard !places.isEmpty else { return part }
        let start = range(places.lowerBound).lowerBound
        part.bytes = Array(bytes[start..<ends[places.upperBound - 1]])
        part.ends = ends[places].map { $0 - start }
        return part
    }

    /// The texts at `places`, in this order.
    package func picked(_ places: some Sequence<Int>) -> TextColumn {
        var picked = TextColumn()
        for place in places {
            picked.bytes.append(contentsOf: bytes[range(place)])
            picked.ends.append(picked.bytes.count)
        }
        return picked
    }

    /// Places in the order of their texts' bytes; equal ones as they stand.
    package func order() -> [Int] { indices.sorted { isBefore($0, $1) } }

    // MARK: bytes

    package func withText<Result>(_ place: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let range = range(place)
        return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Whether two texts, of one column or of two, are the same.
    package func isSame(_ place: Int, as other: TextColumn, _ theirs: Int) -> Bool {
        let (a, b) = (range(place), other.range(theirs))
        guard a.count == b.count else { return false }
        let (mine, known) = (bytes.span, other.bytes.span)
        for offset in 0..<a.count where mine[a.lowerBound + offset] != known[b.lowerBound + offset] { return false }
        return true
    }

    private func isBefore(_ first: Int, _ second: Int) -> Bool {
        let (a, b) = (range(first), range(second))
        let bytes = bytes.span
        for offset in 0..<Swift.min(a.count, b.count) {
            let (mine, other) = (bytes[a.lowerBound + offset], bytes[b.lowerBound + offset])
            if mine != other { return mine < other }
        }
        return (a.count, first) < (b.count, second)
    }

    private func range(_ place: Int) -> Range<Int> { (place == 0 ? 0 : ends[place - 1])..<ends[place] }
}

extension TextColumn: RandomAccessCollection, ExpressibleByArrayLiteral {
    package init(arrayLiteral texts: String...) { self.init(texts) }

    package var startIndex: Int { 0 }
    package var endIndex: Int { ends.count }
    package subscript(place: Int) -> String { String(decoding: bytes[range(place)], as: UTF8.self) }
}
