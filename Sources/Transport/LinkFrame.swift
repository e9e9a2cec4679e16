import Model

/// One `Frame` of the protocol, in protobuf's binary form.
struct LinkFrame {
    struct Hello: Equatable {
        var major: UInt32 = 0
        var minor: UInt32 = 0
        var software = ""
        var credit: UInt32 = 0
        var silenceMaxMilliseconds: UInt32 = 0
        var streamsMax: UInt32 = 0
        /// Nanoseconds since 1970 by the sender's clock; 0: not told.
        var now: UInt64 = 0
    }

    enum Kind {
        case hello(Hello)
        case ping(UInt64), pong(UInt64)
        case open(method: String, Urgency)
        case data(ArraySlice<UInt8>, more: Bool)
        case credit(UInt32)
        case close(LinkStatus)
        case goAway(LinkStatus)
        /// Of a later version.
        case unknown
    }

    private(set) var stream: UInt32 = 0
    private(set) var kind = Kind.unknown
}

// MARK: - Reading

/// Walks over the fields of a message.
private struct Fields {
    enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field's number and value; `nil` at the end.
    mutating func next() throws(LinkError) -> (field: UInt64, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let tag = try varint()
        guard tag >> 3 != 0, tag >> 32 == 0 else { throw Self.damage }
        switch tag & 7 {
        case 0: return (tag >> 3, .number(try varint()))
        case 1: return (tag >> 3, try skip(8))
        case 2:
            let count = try varint()
            guard count <= UInt64(rest.count) else { throw Self.damage }
            let bytes = rest.prefix(Int(count))
            rest = rest.dropFirst(Int(count))
            return (tag >> 3, .bytes(bytes))
        case 5: return (tag >> 3, try skip(4))
        default: throw Self.damage
        }
    }

    private mutating func skip(_ count: Int) throws(LinkError) -> Value {
        guard rest.count >= count else { throw Self.damage }
        rest = rest.dropFirst(count)
        return .fixed
    }

    private mutating func varint() throws(LinkError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.first, shift < 64 {
            rest = rest.dropFirst()
            guard shift < 63 || byte <= 1 else { throw Self.damage }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Self.damage
    }

    static let damage = LinkError.broken("a frame that is no message of the protocol")
}

extension LinkFrame {
    init(_ bytes: ArraySlice<UInt8>) throws(LinkError) {
        var fields = Fields(bytes)
        while let (field, value) = try fields.next() {
            switch (field, value) {
            case (1, .number(let number)): stream = UInt32(truncatingIfNeeded: number)
            case (2, .bytes(let body)): kind = .hello(try Self.hello(body))
            case (3, .bytes(let body)): kind = .ping(try Self.number(body))
            case (4, .bytes(let body)): kind = .pong(try Self.number(body))
            case (5, .bytes(let body)): kind = try Self.open(body)
            case (6, .bytes(let body)): kind = try Self.data(body)
            case (7, .bytes(let body)): kind = .credit(UInt32(truncatingIfNeeded: try Self.number(body)))
            case (8, .bytes(let body)): kind = .close(try Self.wrappedStatus(body))
            case (9, .bytes(let body)): kind = .goAway(try Self.wrappedStatus(body))
            case (1...9, _): throw Fields.damage
            default: continue
            }
        }
    }

    private static func hello(_ bytes: ArraySlice<UInt8>) throws(LinkError) -> Hello {
        var hello = Hello()
        var fields = Fields(bytes)
        while let (field, value) = try fields.next() {
            switch (field, value) {
            case (1, .number(let number)): hello.major = UInt32(truncatingIfNeeded: number)
            case (2, .number(let number)): hello.minor = UInt32(truncatingIfNeeded: number)
            case (3, .bytes(let body)): hello.software = try text(body)
            case (4, .number(let number)): hello.credit = UInt32(truncatingIfNeeded: number)
            case (5, .number(let number)): hello.silenceMaxMilliseconds = UInt32(truncatingIfNeeded: number)
            case (6, .number(let number)): hello.streamsMax = UInt32(truncatingIfNeeded: number)
            case (7, .number(let number)): hello.now = number
            case (1...7, _): throw Fields.damage
            default: continue
            }
        }
        return hello
    }

    private static func number(_ bytes: ArraySlice<UInt8>) throws(LinkError) -> UInt64 {
        var found: UInt64 = 0
        var fields = Fields(bytes)
        while let (field, value) = try fields.next() {
            guard field == 1 else { continue }
            guard case .number(let number) = value else { throw Fields.damage }
            found = number
        }
        return found
    }

    private static func open(_ bytes: ArraySlice<UInt8>) throws(LinkError) -> Kind {
        var method = ""
        var urgency = Urgency.normal
        var fields = Fields(bytes)
        while let (field, value) = try fields.next() {
            switch (field, value) {
            case (1, .bytes(let body)): method = try text(body)
            case (2, .number(let number)): urgency = Urgency(rawValue: Int(truncatingIfNeeded: number)) ?? .normal
            case (1...2, _): throw Fields.damage
            default: continue
            }
        }
        return .open(method: method, urgency)
    }

    private static func data(_ bytes: ArraySlice<UInt8>) throws(LinkError) -> Kind {
        var payload: ArraySlice<UInt8> = []
        var more = false
        var fields = Fields(bytes)
        while let (field, value) = try fields.next() {
            switch (field, value) {
            case (1, .bytes(let body)): payload = body
            case (2, .number(let number)): more = number != 0
            case (1...2, _): throw Fields.damage
            default: continue
            }
        }
        return .data(payload, more: more)
    }

    /// `Close` and `GoAway`: a status in field 1.
    private static func wrappedStatus(_ bytes: ArraySlice<UInt8>) throws(LinkError) -> LinkStatus {
        var status = LinkStatus.ok
        var outer = Fields(bytes)
        while let (field, value) = try outer.next() {
            guard field == 1 else { continue }
            guard case .bytes(let body) = value else { throw Fields.damage }
            var fields = Fields(body)
            while let (field, value) = try fields.next() {
                switch (field, value) {
                case (1, .number(let number)):
                    status.code = LinkStatus.Code(rawValue: Int32(truncatingIfNeeded: number)) ?? .internal
                case (2, .bytes(let body)): status.text = try text(body)
                case (1...2, _): throw Fields.damage
                default: continue
                }
            }
        }
        return status
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(LinkError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Fields.damage }
        return text
    }
}

// MARK: - Writing

extension LinkFrame.Hello {
    func append(to output: inout [UInt8]) {
        LinkFrame.append(0, field: 2, to: &output) { body in
            body.number(1, UInt64(major))
            body.number(2, UInt64(minor))
            body.bytes(3, Array(software.utf8.prefix(200)))
            body.number(4, UInt64(credit))
            body.number(5, UInt64(silenceMaxMilliseconds))
            body.number(6, UInt64(streamsMax))
            if now != 0 { body.number(7, now) }
        }
    }
}

extension LinkFrame {
    static func appendPing(_ number: UInt64, to output: inout [UInt8]) {
        append(0, field: 3, to: &output) { $0.number(1, number) }
    }

    static func appendPong(_ number: UInt64, to output: inout [UInt8]) {
        append(0, field: 4, to: &output) { $0.number(1, number) }
    }

    static func appendOpen(_ stream: UInt32, _ method: String, _ urgency: Urgency, to output: inout [UInt8]) {
        append(stream, field: 5, to: &output) { body in
            body.bytes(1, Array(method.utf8))
            body.number(2, UInt64(urgency.rawValue))
        }
    }

    static func appendCredit(_ stream: UInt32, _ bytes: UInt32, to output: inout [UInt8]) {
        append(stream, field: 7, to: &output) { $0.number(1, UInt64(bytes)) }
    }

    static func appendClose(_ stream: UInt32, _ status: LinkStatus, to output: inout [UInt8]) {
        append(stream, field: 8, to: &output) { $0.status(status) }
    }

    static func appendGoAway(_ status: LinkStatus, to output: inout [UInt8]) {
        append(0, field: 9, to: &output) { $0.status(status) }
    }

    /// The hot one: sizes first, then one copy of the payload.
    static func appendData(_ stream: UInt32, _ payload: ArraySlice<UInt8>, more: Bool, to output: inout [UInt8]) {
        let payloadField = payload.isEmpty ? 0 : 1 + size(UInt64(payload.count)) + payload.count
        let body = payloadField + (more ? 2 : 0)
        let frame = (stream == 0 ? 0 : 1 + size(UInt64(stream))) + 1 + size(UInt64(body)) + body
        output.reserveCapacity(output.count + frame + 4)
        for shift in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: frame >> shift)) }
        output.number(1, UInt64(stream))
        output.append(6 << 3 | 2)
        output.varint(UInt64(body))
        if !payload.isEmpty {
            output.append(1 << 3 | 2)
            output.varint(UInt64(payload.count))
            output += payload
        }
        if more { output.number(2, 1) }
    }

    private static func size(_ number: UInt64) -> Int { max(1, (70 - number.leadingZeroBitCount) / 7) }

    fileprivate static func append(
        _ stream: UInt32, field: UInt8, to output: inout [UInt8], _ write: (inout [UInt8]) -> Void
    ) {
        var body: [UInt8] = []
        write(&body)
        var frame: [UInt8] = []
        frame.number(1, UInt64(stream))
        frame.append(field << 3 | 2)
        frame.varint(UInt64(body.count))
        frame += body
        for shift in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: frame.count >> shift)) }
        output += frame
    }
}

extension [UInt8] {
    fileprivate mutating func varint(_ number: UInt64) {
        var number = number
        while number >= 0x80 {
            append(UInt8(truncatingIfNeeded: number) | 0x80)
            number >>= 7
        }
        append(UInt8(number))
    }

    /// A number that is not zero; zero is what an absent field means.
    fileprivate mutating func number(_ field: UInt8, _ number: UInt64) {
        guard number != 0 else { return }
        append(field << 3)
        varint(number)
    }

    fileprivate mutating func bytes(_ field: UInt8, _ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        append(field << 3 | 2)
        varint(UInt64(bytes.count))
        self += bytes
    }

    /// A frame holds 64 KiB, and nobody reads a longer text.
    fileprivate mutating func status(_ status: LinkStatus) {
        var body: [UInt8] = []
        body.number(1, UInt64(status.code.rawValue))
        body.bytes(2, Array(status.text.prefix(2000).utf8))
        append(1 << 3 | 2)
        varint(UInt64(body.count))
        self += body
    }
}
