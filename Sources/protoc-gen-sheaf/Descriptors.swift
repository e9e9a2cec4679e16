import Wire

/// The fields of an encoded message by number, for the few parts of descriptor.proto that the generator reads.
struct RawMessage {
    private var numbers: [UInt32: [UInt64]] = [:]
    private var contents: [UInt32: [[UInt8]]] = [:]

    init(_ bytes: [UInt8]) throws(ProtoError) {
        var reader = ProtoReader(bytes)
        while let tag = try reader.nextTag() {
            switch tag & 7 {
            case 0: numbers[tag >> 3, default: []].append(try reader.varint())
            case 2: contents[tag >> 3, default: []].append(try reader.raw())
            case 1: _ = try reader.fixed64()
            case 5: _ = try reader.fixed32()
            default: throw ProtoError(.unsupportedWireType(UInt8(tag & 7)), at: 0)
            }
        }
    }

    func number(_ field: UInt32) -> Int { numbers[field]?.last.map { Int(truncatingIfNeeded: $0) } ?? 0 }
    func has(_ field: UInt32) -> Bool { numbers[field] != nil || contents[field] != nil }
    func text(_ field: UInt32) -> String { String(decoding: contents[field]?.last ?? [], as: UTF8.self) }
    func texts(_ field: UInt32) -> [String] { (contents[field] ?? []).map { String(decoding: $0, as: UTF8.self) } }

    func message(_ field: UInt32) throws(ProtoError) -> RawMessage { try RawMessage(contents[field]?.last ?? []) }
    func messages(_ field: UInt32) throws(ProtoError) -> [RawMessage] {
        try (contents[field] ?? []).map { bytes throws(ProtoError) in try RawMessage(bytes) }
    }

    /// A packed list of numbers, as a path of `SourceCodeInfo` is.
    func path(_ field: UInt32) throws(ProtoError) -> [Int] {
        var reader = ProtoReader(contents[field]?.last ?? [])
        var list: [Int32] = []
        while reader.hasMore { list.append(try reader.value(ProtoInt32.self)) }
        return list.map(Int.init)
    }
}

/// One `.proto` file as protoc describes it (google/protobuf/descriptor.proto gives the numbers).
struct FileDescriptor {
    var name: String
    var package: String
    var messages: [MessageDescriptor]
    var enums: [EnumDescriptor]
    var services: [ServiceDescriptor]

    init(_ raw: RawMessage) throws(ProtoError) {
        let comments = try Comments(raw.message(9))
        name = raw.text(1)
        package = raw.text(2)
        messages = try raw.messages(4).enumerated().map { pair throws(ProtoError) in
            try MessageDescriptor(pair.element, path: [4, pair.offset], comments)
        }
        enums = try raw.messages(5).enumerated().map { pair throws(ProtoError) in
            try EnumDescriptor(pair.element, path: [5, pair.offset], comments)
        }
        services = try raw.messages(6).enumerated().map { pair throws(ProtoError) in
            try ServiceDescriptor(pair.element, path: [6, pair.offset], comments)
        }
    }
}

struct MessageDescriptor {
    var name: String
    var comment: String
    var fields: [FieldDescriptor]
    var oneofs: [String]
    var messages: [MessageDescriptor]
    var enums: [EnumDescriptor]
    /// Made by protoc for a `map` field: it has no Swift type of its own.
    var isMapEntry: Bool

    init(_ raw: RawMessage, path: [Int], _ comments: Comments) throws(ProtoError) {
        name = raw.text(1)
        comment = comments[path]
        fields = try raw.messages(2).enumerated().map { pair throws(ProtoError) in
            try FieldDescriptor(pair.element, comment: comments[path + [2, pair.offset]])
        }
        oneofs = try raw.messages(8).map { $0.text(1) }
        messages = try raw.messages(3).enumerated().map { pair throws(ProtoError) in
            try MessageDescriptor(pair.element, path: path + [3, pair.offset], comments)
        }
        enums = try raw.messages(4).enumerated().map { pair throws(ProtoError) in
            try EnumDescriptor(pair.element, path: path + [4, pair.offset], comments)
        }
        isMapEntry = try raw.message(7).number(7) == 1
    }
}

struct FieldDescriptor {
    var name: String
    var number: Int
    var comment: String
    var isRepeated: Bool
    /// The number of `FieldDescriptorProto.Type`.
    var type: Int
    /// `.sheaf.v1.Assignment`
    var typeName: String
    var oneof: Int?
    var isOptional: Bool
    var isPacked: Bool

    init(_ raw: RawMessage, comment: String) throws(ProtoError) {
        name = raw.text(1)
        number = raw.number(3)
        self.comment = comment
        isRepeated = raw.number(4) == 3
        type = raw.number(5)
        typeName = raw.text(6)
        isOptional = raw.number(17) == 1
        oneof = raw.has(9) && !isOptional ? raw.number(9) : nil
        let options = try raw.message(8)
        isPacked = !options.has(2) || options.number(2) == 1
    }
}

struct EnumDescriptor {
    var name: String
    var comment: String
    var values: [(name: String, number: Int, comment: String)]

    init(_ raw: RawMessage, path: [Int], _ comments: Comments) throws(ProtoError) {
        name = raw.text(1)
        comment = comments[path]
        values = try raw.messages(2).enumerated().map { index, value in
            (value.text(1), value.number(2), comments[path + [2, index]])
        }
    }
}

struct ServiceDescriptor {
    struct Method {
        var name: String
        var comment: String
        var request: String
        var response: String
        var streamsRequest: Bool
        var streamsResponse: Bool
    }

    var name: String
    var comment: String
    var methods: [Method]

    init(_ raw: RawMessage, path: [Int], _ comments: Comments) throws(ProtoError) {
        name = raw.text(1)
        comment = comments[path]
        methods = try raw.messages(2).enumerated().map { index, method in
            Method(
                name: method.text(1), comment: comments[path + [2, index]], request: method.text(2),
                response: method.text(3), streamsRequest: method.number(5) == 1, streamsResponse: method.number(6) == 1)
        }
    }
}

/// The comments of a file, by the path of what they stand before.
struct Comments {
    private var texts: [[Int]: String] = [:]

    init(_ raw: RawMessage) throws(ProtoError) {
        for location in try raw.messages(1) where location.has(3) {
            texts[try location.path(1)] = location.text(3)
        }
    }

    subscript(_ path: [Int]) -> String { texts[path] ?? "" }
}
