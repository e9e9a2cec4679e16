import JSON

/// An object that is not quite JSON, read far enough to say which member is to blame.
///
/// Programs write `{"accuracy": NaN}`, `{"accuracy": 0,80}` and worse. A member's text reaches from its colon to the
/// next comma that a quoted key follows, or to the closing brace; what of it is JSON is read, the rest is kept as text.
struct BrokenObject {
    enum Content {
        case node(JSONNode)
        /// What stands there instead of a value; empty for nothing at all.
        case text(String)
    }

    struct Member {
        var key: String
        /// From 1.
        var line: Int
        /// What to add to the lines of `content`.
        var lineOffset: Int
        var content: Content
    }

    private(set) var members: [Member] = []
    /// Why the text as a whole is no object; `nil` when only values of members are wrong.
    private(set) var problem: (text: String, reason: String, line: Int)?

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        read()
    }

    private mutating func read() {
        skipSpace()
        guard !bytes.isEmpty, position < bytes.count else { return stop("the file is empty") }
        guard take(UInt8(ascii: "{")) else { return stop("not a JSON object of metrics") }
        skipSpace()
        if take(UInt8(ascii: "}")) { return readEnd() }
        while members.count < 100_000 {
            let keyLine = line
            guard let key = key() else { return stop("not JSON: a key in double quotes belongs here") }
            let start = position
            let startLine = line
            guard let end = endOfValue() else { return stop("not JSON: the value of '\(key)' does not end") }
            members.append(
                Member(key: key, line: keyLine, lineOffset: startLine - 1, content: content(start..<end)))
            if take(UInt8(ascii: "}")) { return readEnd() }
            position += 1
            skipSpace()
        }
        stop("more than 100000 members")
    }

    private mutating func readEnd() {
        skipSpace()
        guard position < bytes.count else { return }
        stop(bytes[position] == UInt8(ascii: "{") ? "several values" : "not JSON: something follows the object")
    }

    private mutating func stop(_ reason: String) {
        let rest = bytes[min(position, bytes.count)...].prefix { $0 != 0x0A }
        problem = (String(decoding: rest.prefix(200), as: UTF8.self), reason, line)
    }

    private func content(_ range: Range<Int>) -> Content {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
        let text = bytes[range]
        let trimmed = text.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
        // `try?` loses where the value goes wrong; what is shown is the whole text of the value.
        if let node = try? JSONParser.parse(Array(text), repeatedKeys: .keepAll) { return .node(node) }
        return .text(String(decoding: trimmed.prefix(200), as: UTF8.self))
    }

    /// Takes a quoted key and its colon.
    private mutating func key() -> String? {
        let start = position
        guard skipString() else { return nil }
        let quoted = Array(bytes[start..<position])
        skipSpace()
        // `try?`: a key that is no JSON string is no key, whatever is wrong with it.
        guard take(UInt8(ascii: ":")), case .string(let key)? = try? JSONParser.parse(quoted).kind else { return nil }
        return key
    }

    /// Where the value ends: at a brace that closes the object, or at a comma that a key follows.
    private mutating func endOfValue() -> Int? {
        var open: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                guard skipString() else { return nil }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): open.append(byte)
            case UInt8(ascii: "}") where open.isEmpty: return position
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard open.popLast() == (byte == UInt8(ascii: "}") ? UInt8(ascii: "{") : UInt8(ascii: "[")) else {
                    return nil
                }
            case UInt8(ascii: ",") where open.isEmpty:
                var ahead = self
                ahead.position += 1
                ahead.skipSpace()
                if ahead.skipKey() { return position }
            case 0x0A: line += 1
            default: break
            }
            position += 1
        }
        return nil
    }

    private mutating func skipKey() -> Bool {
        guard skipString() else { return false }
        skipSpace()
        return take(UInt8(ascii: ":"))
    }

    private mutating func skipString() -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        while position < bytes.count, bytes[position] != 0x0A {
            defer { position += 1 }
            if bytes[position] == UInt8(ascii: "\"") { return true }
            if bytes[position] == UInt8(ascii: "\\") { position += 1 }
        }
        return false
    }

    private mutating func take(_ wanted: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == wanted else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0D: break
            case 0x0A: line += 1
            default: return
            }
            position += 1
        }
    }
}
