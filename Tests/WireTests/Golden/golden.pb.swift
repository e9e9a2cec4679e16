// swift-format-ignore-file
// Written by protoc-gen-sheaf from golden.proto: run `make proto`, do not edit.
package import Wire

extension Proto {
    package struct Colour: ProtoEnum {
        package let number: Int32
        package init(number: Int32) { self.number = number }
        package static let none = Self(number: 0)
        package static let red = Self(number: 1)
        package static let negative = Self(number: -1)
    }
}

extension Proto {
    package struct Everything: ProtoMessage {
        package static let protoName = "sheaf.golden.Everything"

        package enum Choice: Sendable, Equatable {
            case word(String)
            case nested(Proto.Inner)
            case number(UInt32)
        }

        package var aDouble: Double = 0
        package var aFloat: Float = 0
        package var anInt64: Int64 = 0
        package var aUint64: UInt64 = 0
        package var anInt32: Int32 = 0
        package var aFixed64: UInt64 = 0
        package var aFixed32: UInt32 = 0
        package var aBool: Bool = false
        package var aString: String = ""
        package var inner: Proto.Inner?
        package var someBytes: [UInt8] = []
        package var aUint32: UInt32 = 0
        package var colour: Proto.Colour = Proto.Colour(number: 0)
        package var anSfixed32: Int32 = 0
        package var anSfixed64: Int64 = 0
        package var anSint32: Int32 = 0
        package var anSint64: Int64 = 0
        package var maybe: Int32?
        package var maybeText: String?
        package var packed: [Int32] = []
        package var unpacked: [Int64] = []
        package var texts: [String] = []
        package var inners: [Proto.Inner] = []
        package var colours: [Proto.Colour] = []
        package var counts: [String: Int32] = [:]
        package var byNumber: [Int64: Proto.Inner] = [:]
        package var choice: Choice?
        package var doubles: [Double] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 9: aDouble = try reader.value(ProtoDouble.self)
                case 21: aFloat = try reader.value(ProtoFloat.self)
                case 24: anInt64 = try reader.value(ProtoInt64.self)
                case 32: aUint64 = try reader.value(ProtoUInt64.self)
                case 40: anInt32 = try reader.value(ProtoInt32.self)
                case 49: aFixed64 = try reader.value(ProtoFixed64.self)
                case 61: aFixed32 = try reader.value(ProtoFixed32.self)
                case 64: aBool = try reader.value(ProtoBool.self)
                case 74: aString = try reader.value(ProtoString.self)
                case 82: try reader.merge(into: &inner)
                case 90: someBytes = try reader.value(ProtoBytes.self)
                case 96: aUint32 = try reader.value(ProtoUInt32.self)
                case 104: colour = try reader.value(ProtoOpen<Proto.Colour>.self)
                case 117: anSfixed32 = try reader.value(ProtoSFixed32.self)
                case 121: anSfixed64 = try reader.value(ProtoSFixed64.self)
                case 128: anSint32 = try reader.value(ProtoSInt32.self)
                case 136: anSint64 = try reader.value(ProtoSInt64.self)
                case 144: maybe = try reader.value(ProtoInt32.self)
                case 154: maybeText = try reader.value(ProtoString.self)
                case 160: try reader.append(ProtoInt32.self, to: &packed)
                case 162: try reader.appendPacked(ProtoInt32.self, to: &packed)
                case 168: try reader.append(ProtoSInt64.self, to: &unpacked)
                case 170: try reader.appendPacked(ProtoSInt64.self, to: &unpacked)
                case 178: try reader.append(ProtoString.self, to: &texts)
                case 186: try reader.append(ProtoNested<Proto.Inner>.self, to: &inners)
                case 192: try reader.append(ProtoOpen<Proto.Colour>.self, to: &colours)
                case 194: try reader.appendPacked(ProtoOpen<Proto.Colour>.self, to: &colours)
                case 202: try reader.entry(ProtoString.self, ProtoInt32.self, into: &counts)
                case 210: try reader.entry(ProtoInt64.self, ProtoNested<Proto.Inner>.self, into: &byNumber)
                case 218: choice = .word(try reader.value(ProtoString.self))
                case 226: var value = if case .nested(let present) = choice { present } else { Proto.Inner() }; try reader.merge(into: &value); choice = .nested(value)
                case 232: choice = .number(try reader.value(ProtoUInt32.self))
                case 16001: try reader.append(ProtoDouble.self, to: &doubles)
                case 16002: try reader.appendPacked(ProtoDouble.self, to: &doubles)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoDouble.self, 1, aDouble)
            writer.field(ProtoFloat.self, 2, aFloat)
            writer.field(ProtoInt64.self, 3, anInt64)
            writer.field(ProtoUInt64.self, 4, aUint64)
            writer.field(ProtoInt32.self, 5, anInt32)
            writer.field(ProtoFixed64.self, 6, aFixed64)
            writer.field(ProtoFixed32.self, 7, aFixed32)
            writer.field(ProtoBool.self, 8, aBool)
            writer.field(ProtoString.self, 9, aString)
            writer.field(ProtoNested<Proto.Inner>.self, 10, inner)
            writer.field(ProtoBytes.self, 11, someBytes)
            writer.field(ProtoUInt32.self, 12, aUint32)
            writer.field(ProtoOpen<Proto.Colour>.self, 13, colour)
            writer.field(ProtoSFixed32.self, 14, anSfixed32)
            writer.field(ProtoSFixed64.self, 15, anSfixed64)
            writer.field(ProtoSInt32.self, 16, anSint32)
            writer.field(ProtoSInt64.self, 17, anSint64)
            writer.field(ProtoInt32.self, 18, maybe)
            writer.field(ProtoString.self, 19, maybeText)
            writer.packed(ProtoInt32.self, 20, packed)
            writer.repeated(ProtoSInt64.self, 21, unpacked)
            writer.repeated(ProtoString.self, 22, texts)
            writer.repeated(ProtoNested<Proto.Inner>.self, 23, inners)
            writer.packed(ProtoOpen<Proto.Colour>.self, 24, colours)
            writer.map(ProtoString.self, ProtoInt32.self, 25, counts)
            writer.map(ProtoInt64.self, ProtoNested<Proto.Inner>.self, 26, byNumber)
            if case .word(let value) = choice { writer.always(ProtoString.self, 27, value) }
            if case .nested(let value) = choice { writer.always(ProtoNested<Proto.Inner>.self, 28, value) }
            if case .number(let value) = choice { writer.always(ProtoUInt32.self, 29, value) }
            writer.packed(ProtoDouble.self, 2000, doubles)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    package struct Inner: ProtoMessage {
        package static let protoName = "sheaf.golden.Inner"

        package var name: String = ""
        package var values: [UInt32] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 16: try reader.append(ProtoUInt32.self, to: &values)
                case 18: try reader.appendPacked(ProtoUInt32.self, to: &values)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.packed(ProtoUInt32.self, 2, values)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What an older build knows of `Everything`: the rest is unknown to it and must survive.
    package struct Older: ProtoMessage {
        package static let protoName = "sheaf.golden.Older"

        package var aString: String = ""
        package var counts: [String: Int32] = [:]
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 74: aString = try reader.value(ProtoString.self)
                case 202: try reader.entry(ProtoString.self, ProtoInt32.self, into: &counts)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 9, aString)
            writer.map(ProtoString.self, ProtoInt32.self, 25, counts)
            writer.unknown(unknown)
        }
    }
}
