package import Model

/// Reads JSON as RFC 8259 has it, and nothing else: no NaN, no comments, no trailing commas, no lone surrogates.
package struct JSONParser {
    /// What to do with a key that an object has twice.
    package enum RepeatedKeys: Sendable {
        case refuse
        case keepFirst
        /// Both are in the tree; the reader looks for them.
        case keepAll
    }

    private let bytes: [UInt8]
    private let repeatedKeys: RepeatedKeys
    private let depthMax: Int
    private var position = 0
    private var line = 1
    private var lineStart = 0

    private init(_ bytes: [UInt8], repeatedKeys: RepeatedKeys, depthMax: Int) {
        self.bytes = bytes
        self.repeatedKeys = repeatedKeys
        self.depthMax = depthMax
    }

    /// The whole text as one value with places.
    ///
    /// - Parameter depthMax: how deep arrays and objects may nest.
    /// - Throws: `JSONError` at the first thing that is no JSON.
    package static func parse(
        _ bytes: [UInt8], repeatedKeys: RepeatedKeys = .refuse, depthMax: Int = Limits.nestingMax
    ) throws(JSONError) -> JSONNode {
        var parser = JSONParser(bytes, repeatedKeys: repeatedKeys, depthMax: depthMax)
        parser.skipSpace()
        let node = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else {
            throw parser.error("something follows the value: \(parser.wordHere())", found: parser.wordHere())
        }
        return node
    }

    /// The whole text as a plain value.
    package static func value(
        _ text: String, repeatedKeys: RepeatedKeys = .refuse, depthMax: Int = Limits.nestingMax
    ) throws(JSONError) -> Value {
        try parse(Array(text.utf8), repeatedKeys: repeatedKeys, depthMax: depthMax).value
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONNode {
        guard depth <= depthMax else { throw error("nested more than \(depthMax) deep") }
        let (line, column) = (line, position - lineStart + 1)
        let kind: JSONNode.Kind
        guard let byte else { throw error("the text ends where a value belongs") }
        switch byte {
        case UInt8(ascii: "{"): kind = .object(try object(depth: depth))
        case UInt8(ascii: "["): kind = .array(try array(depth: depth))
        case UInt8(ascii: "\""): kind = .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): kind = try number()
        case UInt8(ascii: "t"): kind = try literal("true", .boolean(true))
        case UInt8(ascii: "f"): kind = try literal("false", .boolean(false))
        case UInt8(ascii: "n"): kind = try literal("null", .null)
        default: throw error("\(wordHere()) is no JSON value", found: wordHere())
        }
        return JSONNode(kind: kind, line: line, column: column)
    }

    private mutating func object(depth: Int) throws(JSONError) -> [JSONNode.Member] {
        position += 1
        skipSpace()
        var members: [JSONNode.Member] = []
        var seen: Set<String> = []
        if take(UInt8(ascii: "}")) { return members }
        while true {
            guard byte == UInt8(ascii: "\"") else {
                throw error(byte == nil ? "the text ends inside an object" : "a key in double quotes belongs here")
            }
            let line = line
            let keyColumn = position - lineStart + 1
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("':' belongs after the key '\(key)'") }
            skipSpace()
            let value = try value(depth: depth + 1)
            // Few members are compared one by one: that is cheaper than a set.
            let repeated: Bool
            if members.count < 8 {
                repeated = members.contains { $0.key == key }
            } else {
                if seen.isEmpty { seen = Set(members.map(\.key)) }
                repeated = !seen.insert(key).inserted
            }
            if repeated && repeatedKeys == .refuse {
                throw JSONError(line: line, column: keyColumn, problem: "the key '\(key)' stands twice", found: key)
            }
            if !repeated || repeatedKeys == .keepAll {
                members.append(JSONNode.Member(key: key, line: line, value: value))
            }
            skipSpace()
            if take(UInt8(ascii: "}")) { return members }
            guard take(UInt8(ascii: ",")) else { throw expected("',' or '}'") }
            skipSpace()
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONNode] {
        position += 1
        skipSpace()
        var items: [JSONNode] = []
        if take(UInt8(ascii: "]")) { return items }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return items }
            guard take(UInt8(ascii: ",")) else { throw expected("',' or ']'") }
            skipSpace()
        }
    }

    private mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        while let byte, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if byte == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        var content = Array(bytes[start..<position])
        while let byte {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try text(content[...])
            case UInt8(ascii: "\\"): try escape(into: &content)
            case 0..<0x20: throw error("a control character (\(byte)) in a string; write it as \\u00\(hex(byte))")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw error("the text ends inside a string")
    }

    private mutating func escape(into content: inout [UInt8]) throws(JSONError) {
        position += 1
        guard let letter = byte else { throw error("the text ends inside a string") }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(letter)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try fourDigits()
            if (0xD800..<0xDC00).contains(code), byte == UInt8(ascii: "\\"),
                position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try fourDigits()
                guard (0xDC00..<0xE000).contains(low) else { throw error("half a surrogate pair in a string") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair in a string") }
            content.append(contentsOf: Array(String(scalar).utf8))
        default: throw error("no such escape in a string: \\\(Character(Unicode.Scalar(letter)))")
        }
    }

    private mutating func fourDigits() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error("\\u needs four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    private mutating func number() throws(JSONError) -> JSONNode.Kind {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if byte == UInt8(ascii: "0") {
            position += 1
        } else if skipDigits() == 0 {
            position = start
            throw error("\(wordHere()) is no number", found: wordHere())
        }
        var isWhole = true
        if byte == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            guard skipDigits() > 0 else { throw notANumber(from: start) }
        }
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            isWhole = false
            position += 1
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() > 0 else { throw notANumber(from: start) }
        }
        let written = bytes[start..<position]
        let text = String(decoding: written, as: UTF8.self)
        if isWhole && written.count < 16, let whole = Int(text), whole != 0 {
            try endOfNumber(from: start)
            return .number(Double(whole), text: text)
        }
        guard let number = Double(text), number.isFinite else {
            throw JSONError(
                line: line, column: start - lineStart + 1, problem: "the number \(text.prefix(40)) is out of range",
                found: text)
        }
        try endOfNumber(from: start)
        return .number(number, text: text)
    }

    /// `01`, `0x10`, `80%` and `1.2.3` are no numbers, though they begin as one.
    private mutating func endOfNumber(from start: Int) throws(JSONError) {
        switch byte {
        case nil, UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: ","),
            UInt8(ascii: "]"), UInt8(ascii: "}"):
            return
        default: throw notANumber(from: start)
        }
    }

    private mutating func notANumber(from start: Int) -> JSONError {
        position = start
        return error("\(wordHere()) is no number", found: wordHere())
    }

    private mutating func literal(_ word: String, _ kind: JSONNode.Kind) throws(JSONError) -> JSONNode.Kind {
        let found = wordHere()
        guard found == word else { throw error("\(found) is no JSON value", found: found) }
        position += word.utf8.count
        return kind
    }

    // MARK: bytes

    private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ wanted: UInt8) -> Bool {
        guard byte == wanted else { return false }
        position += 1
        return true
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte, (0x30...0x39).contains(byte) { position += 1 }
        return position - start
    }

    private mutating func skipSpace() {
        while let byte {
            switch byte {
            case 0x20, 0x09, 0x0D: position += 1
            case 0x0A:
                position += 1
                line += 1
                lineStart = position
            default: return
            }
        }
    }

    /// What stands here up to the next separator, for messages: at most 40 characters.
    private func wordHere() -> String {
        let separators = Set(" \t\r\n,]}:".utf8)
        var end = position
        while end < bytes.count, end - position < 40, !separators.contains(bytes[end]) { end += 1 }
        if end == position && end < bytes.count { end += 1 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private func text(_ content: ArraySlice<UInt8>) throws(JSONError) -> String {
        guard let text = String(validating: content, as: UTF8.self) else { throw error("a string that is no UTF-8") }
        return text
    }

    private func expected(_ what: String) -> JSONError {
        byte == nil ? error("the text ends where \(what) belongs") : error("\(what) belongs before \(wordHere())")
    }

    private func error(_ problem: String, found: String = "") -> JSONError {
        JSONError(line: line, column: position - lineStart + 1, problem: problem, found: found)
    }

    private func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
