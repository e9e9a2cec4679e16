/// How a field's value lies on the wire. Groups (3 and 4) are not part of this protocol.
package enum ProtoWireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
}

/// A protobuf type as fields name it: which Swift value it is, and how that lies on the wire.
package protocol ProtoCoding {
    associatedtype Value
    static var wireType: ProtoWireType { get }
    /// What an absent field means.
    static var zero: Value { get }
    static func isZero(_ value: Value) -> Bool
    static func write(_ value: Value, to writer: inout ProtoWriter)
    static func read(from reader: inout ProtoReader) throws(ProtoError) -> Value
}

/// A type that can be a map's key.
package protocol ProtoKeyCoding: ProtoCoding where Value: Hashable {
    /// The order in which a map's entries are written.
    static func precedes(_ a: Value, _ b: Value) -> Bool
}

/// `int32`: a negative number takes ten bytes, as protobuf says; one of more than 32 bits is cut.
package enum ProtoInt32: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: Int32 { 0 }
    package static func isZero(_ value: Int32) -> Bool { value == 0 }
    package static func write(_ value: Int32, to writer: inout ProtoWriter) {
        writer.varint(UInt64(bitPattern: Int64(value)))
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Int32 {
        Int32(truncatingIfNeeded: try reader.varint())
    }
    package static func precedes(_ a: Int32, _ b: Int32) -> Bool { a < b }
}

package enum ProtoInt64: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: Int64 { 0 }
    package static func isZero(_ value: Int64) -> Bool { value == 0 }
    package static func write(_ value: Int64, to writer: inout ProtoWriter) { writer.varint(UInt64(bitPattern: value)) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Int64 {
        Int64(bitPattern: try reader.varint())
    }
    package static func precedes(_ a: Int64, _ b: Int64) -> Bool { a < b }
}

package enum ProtoUInt32: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: UInt32 { 0 }
    package static func isZero(_ value: UInt32) -> Bool { value == 0 }
    package static func write(_ value: UInt32, to writer: inout ProtoWriter) { writer.varint(UInt64(value)) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> UInt32 {
        UInt32(truncatingIfNeeded: try reader.varint())
    }
    package static func precedes(_ a: UInt32, _ b: UInt32) -> Bool { a < b }
}

package enum ProtoUInt64: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: UInt64 { 0 }
    package static func isZero(_ value: UInt64) -> Bool { value == 0 }
    package static func write(_ value: UInt64, to writer: inout ProtoWriter) { writer.varint(value) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> UInt64 {
        try reader.varint()
    }
    package static func precedes(_ a: UInt64, _ b: UInt64) -> Bool { a < b }
}

/// `sint32`: zigzag, so that small negative numbers are short.
package enum ProtoSInt32: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: Int32 { 0 }
    package static func isZero(_ value: Int32) -> Bool { value == 0 }
    package static func write(_ value: Int32, to writer: inout ProtoWriter) {
        writer.varint(UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)))
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Int32 {
        let raw = UInt32(truncatingIfNeeded: try reader.varint())
        return Int32(bitPattern: raw >> 1) ^ -Int32(bitPattern: raw & 1)
    }
    package static func precedes(_ a: Int32, _ b: Int32) -> Bool { a < b }
}

package enum ProtoSInt64: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: Int64 { 0 }
    package static func isZero(_ value: Int64) -> Bool { value == 0 }
    package static func write(_ value: Int64, to writer: inout ProtoWriter) {
        writer.varint(UInt64(bitPattern: value << 1 ^ value >> 63))
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Int64 {
        let raw = try reader.varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }
    package static func precedes(_ a: Int64, _ b: Int64) -> Bool { a < b }
}

package enum ProtoFixed32: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .fixed32 }
    package static var zero: UInt32 { 0 }
    package static func isZero(_ value: UInt32) -> Bool { value == 0 }
    package static func write(_ value: UInt32, to writer: inout ProtoWriter) { writer.fixed32(value) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> UInt32 {
        try reader.fixed32()
    }
    package static func precedes(_ a: UInt32, _ b: UInt32) -> Bool { a < b }
}

package enum ProtoFixed64: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .fixed64 }
    package static var zero: UInt64 { 0 }
    package static func isZero(_ value: UInt64) -> Bool { value == 0 }
    package static func write(_ value: UInt64, to writer: inout ProtoWriter) { writer.fixed64(value) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> UInt64 {
        try reader.fixed64()
    }
    package static func precedes(_ a: UInt64, _ b: UInt64) -> Bool { a < b }
}

package enum ProtoSFixed32: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .fixed32 }
    package static var zero: Int32 { 0 }
    package static func isZero(_ value: Int32) -> Bool { value == 0 }
    package static func write(_ value: Int32, to writer: inout ProtoWriter) {
        writer.fixed32(UInt32(bitPattern: value))
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Int32 {
        Int32(bitPattern: try reader.fixed32())
    }
    package static func precedes(_ a: Int32, _ b: Int32) -> Bool { a < b }
}

package enum ProtoSFixed64: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .fixed64 }
    package static var zero: Int64 { 0 }
    package static func isZero(_ value: Int64) -> Bool { value == 0 }
    package static func write(_ value: Int64, to writer: inout ProtoWriter) {
        writer.fixed64(UInt64(bitPattern: value))
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Int64 {
        Int64(bitPattern: try reader.fixed64())
    }
    package static func precedes(_ a: Int64, _ b: Int64) -> Bool { a < b }
}

/// `float`: −0 is not zero, or it would come back as 0.
package enum ProtoFloat: ProtoCoding {
    package static var wireType: ProtoWireType { .fixed32 }
    package static var zero: Float { 0 }
    package static func isZero(_ value: Float) -> Bool { value.bitPattern == 0 }
    package static func write(_ value: Float, to writer: inout ProtoWriter) { writer.fixed32(value.bitPattern) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Float {
        Float(bitPattern: try reader.fixed32())
    }
}

package enum ProtoDouble: ProtoCoding {
    package static var wireType: ProtoWireType { .fixed64 }
    package static var zero: Double { 0 }
    package static func isZero(_ value: Double) -> Bool { value.bitPattern == 0 }
    package static func write(_ value: Double, to writer: inout ProtoWriter) { writer.fixed64(value.bitPattern) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Double {
        Double(bitPattern: try reader.fixed64())
    }
}

package enum ProtoBool: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: Bool { false }
    package static func isZero(_ value: Bool) -> Bool { !value }
    package static func write(_ value: Bool, to writer: inout ProtoWriter) { writer.varint(value ? 1 : 0) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Bool { try reader.varint() != 0 }
    package static func precedes(_ a: Bool, _ b: Bool) -> Bool { !a && b }
}

package enum ProtoString: ProtoKeyCoding {
    package static var wireType: ProtoWireType { .lengthDelimited }
    package static var zero: String { "" }
    package static func isZero(_ value: String) -> Bool { value.isEmpty }
    package static func write(_ value: String, to writer: inout ProtoWriter) { writer.text(value) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> String { try reader.text() }
    /// By bytes: Swift's own order looks through Unicode's canonical equivalence, and other languages do not.
    package static func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
}

package enum ProtoBytes: ProtoCoding {
    package static var wireType: ProtoWireType { .lengthDelimited }
    package static var zero: [UInt8] { [] }
    package static func isZero(_ value: [UInt8]) -> Bool { value.isEmpty }
    package static func write(_ value: [UInt8], to writer: inout ProtoWriter) { writer.raw(value) }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> [UInt8] { try reader.raw() }
}

/// An enumeration.
package enum ProtoOpen<Value: ProtoEnum>: ProtoCoding {
    package static var wireType: ProtoWireType { .varint }
    package static var zero: Value { Value(number: 0) }
    package static func isZero(_ value: Value) -> Bool { value.number == 0 }
    package static func write(_ value: Value, to writer: inout ProtoWriter) {
        ProtoInt32.write(value.number, to: &writer)
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Value {
        Value(number: try ProtoInt32.read(from: &reader))
    }
}

/// A message inside a message. Absence is told by an optional, so no value counts as zero.
package enum ProtoNested<Value: ProtoMessage>: ProtoCoding {
    package static var wireType: ProtoWireType { .lengthDelimited }
    package static var zero: Value { Value() }
    package static func isZero(_ value: Value) -> Bool { false }
    package static func write(_ value: Value, to writer: inout ProtoWriter) {
        writer.delimited { writer in value.encode(to: &writer) }
    }
    package static func read(from reader: inout ProtoReader) throws(ProtoError) -> Value {
        var value = Value()
        try reader.merge(into: &value)
        return value
    }
}
