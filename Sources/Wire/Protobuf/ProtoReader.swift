/// Reads protobuf's binary form, in bounds, whatever the bytes are. Generated code asks it for tag after tag.
package struct ProtoReader: Sendable {
    private let bytes: [UInt8]
    private var position: Int
    /// Where the message ends that is being read.
    private var end: Int
    /// Where the field began whose tag was read last.
    private var fieldStart: Int
    private var depth = 0
    private var elements = 0
    private let limits: ProtoLimits

    package init(_ bytes: [UInt8], in range: Range<Int>? = nil, limits: ProtoLimits = .standard) {
        let range = range ?? bytes.indices
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range lies in the bytes")
        self.bytes = bytes
        position = range.lowerBound
        fieldStart = range.lowerBound
        end = range.upperBound
        self.limits = limits
    }

    // MARK: Fields

    /// The next field's tag, number × 8 + wire type; `nil` at the end of the message.
    package mutating func nextTag() throws(ProtoError) -> UInt32? {
        guard position < end else { return nil }
        fieldStart = position
        let value = try varint()
        guard let tag = UInt32(exactly: value) else { throw ProtoError(.varintTooLong, at: fieldStart) }
        guard tag >> 3 != 0 else { throw ProtoError(.fieldNumberZero, at: fieldStart) }
        return tag
    }

    /// Whether the message goes on.
    package var hasMore: Bool { position < end }

    package mutating func value<Kind: ProtoCoding>(_: Kind.Type) throws(ProtoError) -> Kind.Value {
        try Kind.read(from: &self)
    }

    /// One element of a list.
    package mutating func append<Kind: ProtoCoding>(_: Kind.Type, to list: inout [Kind.Value]) throws(ProtoError) {
        try countElement()
        list.append(try Kind.read(from: &self))
    }

    /// The elements of a list of numbers behind one tag.
    package mutating func appendPacked<Kind: ProtoCoding>(
        _: Kind.Type, to list: inout [Kind.Value]
    ) throws(ProtoError) {
        let outer = try enter()
        while position < end {
            try countElement()
            list.append(try Kind.read(from: &self))
        }
        end = outer
    }

    /// One entry of a map. A later entry of the same key replaces the earlier one.
    package mutating func entry<Key: ProtoKeyCoding, Kind: ProtoCoding>(
        _: Key.Type, _: Kind.Type, into map: inout [Key.Value: Kind.Value]
    ) throws(ProtoError) {
        try countElement()
        let outer = try enter()
        var key = Key.zero
        var value = Kind.zero
        while let tag = try nextTag() {
            switch tag {
            case 1 << 3 | UInt32(Key.wireType.rawValue): key = try Key.read(from: &self)
            case 2 << 3 | UInt32(Kind.wireType.rawValue): value = try Kind.read(from: &self)
            default: try skip(tag)
            }
        }
        end = outer
        map[key] = value
    }

    /// A message inside this one, joined with what `message` has already.
    package mutating func merge<Message: ProtoMessage>(into message: inout Message) throws(ProtoError) {
        guard depth < limits.depthMax else { throw ProtoError(.tooDeep(limit: limits.depthMax), at: position) }
        let outer = try enter()
        depth += 1
        try message.decode(from: &self)
        depth -= 1
        end = outer
    }

    package mutating func merge<Message: ProtoMessage>(into message: inout Message?) throws(ProtoError) {
        var value = message ?? Message()
        try merge(into: &value)
        message = value
    }

    /// A field that the message does not know: kept as it came.
    package mutating func keep(_ tag: UInt32, in fields: inout UnknownFields) throws(ProtoError) {
        try skip(tag)
        fields.append(bytes[fieldStart..<position])
    }

    private mutating func skip(_ tag: UInt32) throws(ProtoError) {
        let type = UInt8(tag & 7)
        switch ProtoWireType(rawValue: type) {
        case .varint: _ = try varint()
        case .fixed64: try advance(by: 8)
        case .lengthDelimited: try advance(by: try length())
        case .fixed32: try advance(by: 4)
        case nil: throw ProtoError(.unsupportedWireType(type), at: fieldStart)
        }
    }

    private mutating func countElement() throws(ProtoError) {
        guard elements < limits.elementsMax else {
            throw ProtoError(.tooManyElements(limit: limits.elementsMax), at: position)
        }
        elements += 1
    }

    /// Goes into a length-delimited field. Returns the end of what lies around it.
    private mutating func enter() throws(ProtoError) -> Int {
        let length = try length()
        let outer = end
        end = position + length
        return outer
    }

    private mutating func advance(by count: Int) throws(ProtoError) {
        guard count <= end - position else { throw ProtoError(.truncated, at: position) }
        position += count
    }

    // MARK: Parts of fields

    package mutating func varint() throws(ProtoError) -> UInt64 {
        guard position < end else { throw ProtoError(.truncated, at: position) }
        let first = bytes[position]
        guard first >= 0x80 else {
            position += 1
            return UInt64(first)
        }
        return try longVarint()
    }

    private mutating func longVarint() throws(ProtoError) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end {
            let byte = bytes[position]
            position += 1
            guard shift < 63 || byte <= 1 else { throw ProtoError(.varintTooLong, at: start) }
            value |= UInt64(byte & 0x7F) << shift
            guard byte >= 0x80 else { return value }
            shift += 7
        }
        throw ProtoError(.truncated, at: start)
    }

    package mutating func fixed32() throws(ProtoError) -> UInt32 {
        guard end - position >= 4 else { throw ProtoError(.truncated, at: position) }
        var value: UInt32 = 0
        for index in 0..<4 { value |= UInt32(bytes[position + index]) << UInt32(8 * index) }
        position += 4
        return value
    }

    package mutating func fixed64() throws(ProtoError) -> UInt64 {
        guard end - position >= 8 else { throw ProtoError(.truncated, at: position) }
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += 8
        return value
    }

    package mutating func raw() throws(ProtoError) -> [UInt8] {
        let length = try length()
        defer { position += length }
        return Array(bytes[position..<position + length])
    }

    package mutating func text() throws(ProtoError) -> String {
        let length = try length()
        guard let text = String(validating: bytes[position..<position + length], as: UTF8.self) else {
            throw ProtoError(.invalidUTF8, at: position)
        }
        position += length
        return text
    }

    /// A length that lies within the message.
    private mutating func length() throws(ProtoError) -> Int {
        let start = position
        let value = try varint()
        guard value <= UInt64(end - position) else { throw ProtoError(.truncated, at: start) }
        return Int(value)
    }
}
