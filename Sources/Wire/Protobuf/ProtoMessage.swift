/// A message of the protocol, as `protoc-gen-sheaf` writes it from a `.proto` file: a value with all fields at zero at
/// first, that is read from protobuf's binary form and written to it.
package protocol ProtoMessage: Sendable, Equatable {
    /// The full name: `sheaf.v1.Assignment`.
    static var protoName: String { get }

    /// Fields that this build does not know. They are written again as they came, after the known ones.
    var unknown: UnknownFields { get set }

    /// The message with every field absent.
    init()

    /// Reads fields up to the end of the message that `reader` is in. A field that comes again replaces the earlier one,
    /// or adds to it: as protobuf says.
    mutating func decode(from reader: inout ProtoReader) throws(ProtoError)

    /// Writes the fields that are not at zero, by rising number.
    func encode(to writer: inout ProtoWriter)
}

extension ProtoMessage {
    /// Reads a whole message. Bytes that are no message, or one beyond `limits`, are a `ProtoError`.
    package init(decoding bytes: [UInt8], limits: ProtoLimits = .standard) throws(ProtoError) {
        try self.init(decoding: bytes, in: bytes.indices, limits: limits)
    }

    /// Reads a message that lies in a part of `bytes`.
    package init(decoding bytes: [UInt8], in range: Range<Int>, limits: ProtoLimits = .standard) throws(ProtoError) {
        self.init()
        var reader = ProtoReader(bytes, in: range, limits: limits)
        try decode(from: &reader)
    }

    /// The message's bytes. The same value always gives the same bytes: fields by number, map entries by key.
    package func encoded() -> [UInt8] {
        var writer = ProtoWriter()
        encode(to: &writer)
        return writer.bytes
    }
}

/// An enumeration of the protocol. Values that this build does not know keep their number.
package protocol ProtoEnum: Sendable, Hashable {
    init(number: Int32)
    var number: Int32 { get }
}

/// One method of a service: what `Open` names, and what travels on the stream.
package protocol ProtoMethod {
    associatedtype Request: ProtoMessage
    associatedtype Response: ProtoMessage

    /// `Farm.SubmitRun`, as `Open.method` carries it.
    static var name: String { get }
    /// Whether the caller sends any number of messages, instead of exactly one.
    static var streamsRequest: Bool { get }
    /// Whether the answer is any number of messages, instead of exactly one.
    static var streamsResponse: Bool { get }
}

/// Fields that a message came with and this build does not know, in their binary form.
package struct UnknownFields: Sendable, Hashable {
    /// Tags and values, one after the other, in the order they came.
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package var isEmpty: Bool { bytes.isEmpty }

    mutating func append(_ field: ArraySlice<UInt8>) { bytes += field }
}

/// What a decoder takes from a peer. The wire's size is limited elsewhere; these keep few bytes from becoming a lot of
/// memory, and deep nesting from becoming a deep stack.
package struct ProtoLimits: Sendable, Hashable {
    /// How deep messages may nest.
    package var depthMax: Int
    /// How many elements all lists and maps of one message may have together, at every depth.
    package var elementsMax: Int

    package init(depthMax: Int = 32, elementsMax: Int) {
        self.depthMax = depthMax
        self.elementsMax = elementsMax
    }

    /// For requests and answers.
    package static let standard = ProtoLimits(elementsMax: 100_000)
    /// For manifests and plans, whose number of elements the farm's own limits bound.
    package static let large = ProtoLimits(elementsMax: 4_000_000)
}

/// Bytes that are not the message they should be.
package struct ProtoError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Problem: Hashable, Sendable {
        /// The bytes end inside a field.
        case truncated
        /// A number of more than 64 bits, or a tag of more than 32.
        case varintTooLong
        /// Field number 0.
        case fieldNumberZero
        /// A group, which this protocol does not use, or a wire type that does not exist.
        case unsupportedWireType(UInt8)
        /// A `string` field whose bytes are no UTF-8.
        case invalidUTF8
        /// Messages nest deeper than the limit.
        case tooDeep(limit: Int)
        /// Lists and maps have more elements than the limit.
        case tooManyElements(limit: Int)
    }

    package var problem: Problem
    /// Where in the bytes the reader stood.
    package var offset: Int

    package init(_ problem: Problem, at offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    package var description: String {
        let what =
            switch problem {
            case .truncated: "the message ends inside a field"
            case .varintTooLong: "a number does not fit in 64 bits"
            case .fieldNumberZero: "a field has the number 0"
            case .unsupportedWireType(let type): "wire type \(type) is not part of this protocol"
            case .invalidUTF8: "a string is not valid UTF-8"
            case .tooDeep(let limit): "messages nest more than \(limit) deep"
            case .tooManyElements(let limit): "lists have more than \(limit) elements together"
            }
        return "byte \(offset): \(what)"
    }
}

extension ProtoMessage {
    /// A message with what `fill` sets.
    package static func with(_ fill: (inout Self) -> Void) -> Self {
        var message = Self()
        fill(&message)
        return message
    }
}

/// The namespace of everything that `protoc-gen-sheaf` writes.
package enum Proto {}
