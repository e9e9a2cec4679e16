/// Writes protobuf's binary form. Generated code calls it field by field, by rising number.
package struct ProtoWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init() { bytes = [] }

    /// Writes after what `bytes` already holds.
    package init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

    // MARK: Fields

    /// A field without presence: nothing when the value is zero.
    package mutating func field<Kind: ProtoCoding>(_ kind: Kind.Type, _ number: UInt32, _ value: Kind.Value) {
        if !Kind.isZero(value) { always(kind, number, value) }
    }

    /// A field that is `optional`.
    package mutating func field<Kind: ProtoCoding>(_ kind: Kind.Type, _ number: UInt32, _ value: Kind.Value?) {
        if let value { always(kind, number, value) }
    }

    /// A field that is written even at zero: a member of a `oneof`.
    package mutating func always<Kind: ProtoCoding>(_: Kind.Type, _ number: UInt32, _ value: Kind.Value) {
        tag(number, Kind.wireType)
        Kind.write(value, to: &self)
    }

    /// A list, one tag per element: strings, bytes and messages, and numbers of a field that says `packed = false`.
    package mutating func repeated<Kind: ProtoCoding>(_ kind: Kind.Type, _ number: UInt32, _ values: [Kind.Value]) {
        for value in values { always(kind, number, value) }
    }

    /// A list of numbers behind one tag.
    package mutating func packed<Kind: ProtoCoding>(_: Kind.Type, _ number: UInt32, _ values: [Kind.Value]) {
        guard !values.isEmpty else { return }
        tag(number, .lengthDelimited)
        delimited { writer in
            for value in values { Kind.write(value, to: &writer) }
        }
    }

    /// A map, its entries by rising key. An entry always has both its key and its value.
    package mutating func map<Key: ProtoKeyCoding, Kind: ProtoCoding>(
        _: Key.Type, _: Kind.Type, _ number: UInt32, _ entries: [Key.Value: Kind.Value]
    ) {
        for (key, value) in entries.sorted(by: { Key.precedes($0.key, $1.key) }) {
            tag(number, .lengthDelimited)
            delimited { writer in
                writer.always(Key.self, 1, key)
                writer.always(Kind.self, 2, value)
            }
        }
    }

    package mutating func unknown(_ fields: UnknownFields) { bytes += fields.bytes }

    // MARK: Parts of fields

    package mutating func tag(_ number: UInt32, _ type: ProtoWireType) {
        varint(UInt64(number << 3 | UInt32(type.rawValue)))
    }

    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    package mutating func fixed32(_ value: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    package mutating func fixed64(_ value: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    package mutating func raw(_ value: [UInt8]) {
        varint(UInt64(value.count))
        bytes += value
    }

    package mutating func text(_ value: String) {
        let utf8 = value.utf8
        varint(UInt64(utf8.count))
        bytes.append(contentsOf: utf8)
    }

    /// Writes what `body` writes behind its length.
    ///
    /// The length is known only afterwards: one byte is kept free for it, and the rare long content moves up.
    package mutating func delimited(_ body: (inout ProtoWriter) -> Void) {
        let start = reserveLength()
        body(&self)
        settleLength(from: start)
    }

    mutating func reserveLength() -> Int {
        bytes.append(0)
        return bytes.count
    }

    mutating func settleLength(from start: Int) {
        let length = bytes.count - start
        guard length >= 0x80 else {
            bytes[start - 1] = UInt8(length)
            return
        }
        var prefix: [UInt8] = []
        var rest = length
        while rest >= 0x80 {
            prefix.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        prefix.append(UInt8(rest))
        bytes.replaceSubrange(start - 1..<start, with: prefix)
    }
}
