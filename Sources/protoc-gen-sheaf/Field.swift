/// One field of a message: its Swift type, how it is read and how it is written.
struct Field {
    let descriptor: FieldDescriptor
    /// The property's name.
    let name: String
    /// The type of one value: `String`, `Proto.Step`.
    let type: String
    /// What names that type to the codec: `ProtoString`.
    private let coding: String
    /// The wire type of one value.
    private let wireType: Int
    private let map: (key: String, value: String, type: String)?
    private let isMessage: Bool

    init(
        _ descriptor: FieldDescriptor, of message: MessageDescriptor, scope: String, package: String
    ) throws(GeneratorError) {
        self.descriptor = descriptor
        name = SwiftNames.member(descriptor.name)
        isMessage = descriptor.type == 11
        (type, coding, wireType) = try Self.kind(descriptor, package: package)
        let entry = message.messages.first { $0.isMapEntry && "\(scope).\($0.name)" == descriptor.typeName }
        if let entry, entry.fields.count == 2 {
            let key = try Self.kind(entry.fields[0], package: package)
            let value = try Self.kind(entry.fields[1], package: package)
            map = (key.coding, value.coding, "[\(key.type): \(value.type)]")
        } else {
            map = nil
        }
    }

    /// The property's type with what it is at first.
    var declaration: String {
        if let map { return "\(map.type) = [:]" }
        if descriptor.isRepeated { return "[\(type)] = []" }
        if isMessage || descriptor.isOptional { return "\(type)?" }
        return switch type {
        case "String": "String = \"\""
        case "[UInt8]": "[UInt8] = []"
        case "Bool": "Bool = false"
        case _ where descriptor.type == 14: "\(type) = \(type)(number: 0)"
        default: "\(type) = 0"
        }
    }

    func decoding(oneofs: [String]) -> [(tag: Int, statement: String)] {
        let tag = descriptor.number << 3 | wireType
        if let map {
            return [(tag, "try reader.entry(\(map.key).self, \(map.value).self, into: &\(name))")]
        }
        if descriptor.isRepeated {
            let single = (tag, "try reader.append(\(coding).self, to: &\(name))")
            guard wireType != 2 else { return [single] }
            return [single, (descriptor.number << 3 | 2, "try reader.appendPacked(\(coding).self, to: &\(name))")]
        }
        if let oneof = descriptor.oneof {
            let property = SwiftNames.member(oneofs[oneof])
            guard isMessage else { return [(tag, "\(property) = .\(name)(try reader.value(\(coding).self))")] }
            let start = "var value = if case .\(name)(let present) = \(property) { present } else { \(type)() }"
            return [(tag, "\(start); try reader.merge(into: &value); \(property) = .\(name)(value)")]
        }
        if isMessage { return [(tag, "try reader.merge(into: &\(name))")] }
        return [(tag, "\(name) = try reader.value(\(coding).self)")]
    }

    func encoding(oneofs: [String]) -> String {
        let number = descriptor.number
        if let map { return "writer.map(\(map.key).self, \(map.value).self, \(number), \(name))" }
        if descriptor.isRepeated {
            let call = wireType != 2 && descriptor.isPacked ? "packed" : "repeated"
            return "writer.\(call)(\(coding).self, \(number), \(name))"
        }
        if let oneof = descriptor.oneof {
            let property = SwiftNames.member(oneofs[oneof])
            return "if case .\(name)(let value) = \(property) { writer.always(\(coding).self, \(number), value) }"
        }
        return "writer.field(\(coding).self, \(number), \(name))"
    }

    /// The Swift type, the coding and the wire type of a number of `FieldDescriptorProto.Type`.
    private static func kind(
        _ field: FieldDescriptor, package: String
    ) throws(GeneratorError) -> (type: String, coding: String, wireType: Int) {
        switch field.type {
        case 1: return ("Double", "ProtoDouble", 1)
        case 2: return ("Float", "ProtoFloat", 5)
        case 3: return ("Int64", "ProtoInt64", 0)
        case 4: return ("UInt64", "ProtoUInt64", 0)
        case 5: return ("Int32", "ProtoInt32", 0)
        case 6: return ("UInt64", "ProtoFixed64", 1)
        case 7: return ("UInt32", "ProtoFixed32", 5)
        case 8: return ("Bool", "ProtoBool", 0)
        case 9: return ("String", "ProtoString", 2)
        case 11:
            let name = SwiftNames.qualified(field.typeName, package: package)
            return (name, "ProtoNested<\(name)>", 2)
        case 12: return ("[UInt8]", "ProtoBytes", 2)
        case 13: return ("UInt32", "ProtoUInt32", 0)
        case 14:
            let name = SwiftNames.qualified(field.typeName, package: package)
            return (name, "ProtoOpen<\(name)>", 0)
        case 15: return ("Int32", "ProtoSFixed32", 5)
        case 16: return ("Int64", "ProtoSFixed64", 1)
        case 17: return ("Int32", "ProtoSInt32", 0)
        case 18: return ("Int64", "ProtoSInt64", 0)
        default: throw GeneratorError(problem: "the field '\(field.name)' is a group, which proto3 does not have")
        }
    }
}
