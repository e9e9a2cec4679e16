import Model

/// Walks once through a text's bytes and hands what it finds to a builder.
///
/// The bytes are an argument of every step, so that they are never copied, counted or looked up.
struct Scanner<Builder: TreeBuilder> {
    private let end: Int
    private let repeatedKeys: JSONParser.RepeatedKeys
    private let depthMax: Int
    private var keys: KeyMemory
    private var position: Int
    private var line: Int
    private var lineStart: Int
    /// Bytes of this line that begin no character, so that columns count characters.
    private var continuations = 0

    /// Objects with more members look repeated keys up in a set; fewer are cheaper to compare one by one.
    private static var comparedMax: Int { 8 }

    /// Parses the range of the bytes as one text.
    ///
    /// - Parameter keys: the keys that earlier texts among the same bytes had.
    static func parse(
        _ bytes: [UInt8], _ range: Range<Int>?, _ firstLine: Int, _ repeatedKeys: JSONParser.RepeatedKeys,
        _ depthMax: Int, _ keys: inout KeyMemory
    ) throws(JSONError) -> Builder.Tree {
        precondition(depthMax <= 1000, "nesting is read by recursion")
        let range = range ?? 0..<bytes.count
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range must lie in the bytes")
        var scanner = Scanner(
            end: range.upperBound, repeatedKeys: repeatedKeys, depthMax: depthMax, keys: KeyMemory(),
            position: range.lowerBound, line: firstLine, lineStart: range.lowerBound)
        swap(&scanner.keys, &keys)
        defer { swap(&scanner.keys, &keys) }
        return try scanner.text(bytes.span)
    }

    private mutating func text(_ bytes: Span<UInt8>) throws(JSONError) -> Builder.Tree {
        skipSpace(bytes)
        let tree = try value(bytes, depth: 0)
        skipSpace(bytes)
        guard position == end else {
            throw error(bytes, "something follows the value: \(wordHere(bytes))", found: wordHere(bytes))
        }
        return tree
    }

    private mutating func value(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> Builder.Tree {
        let (line, column) = (line, column)
        guard let byte = byte(bytes) else { throw error(bytes, "the text ends where a value belongs") }
        switch byte {
        case UInt8(ascii: "\""): return Builder.string(try string(bytes), line: line, column: column)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number(bytes, line, column)
        case UInt8(ascii: "{"):
            guard depth < depthMax else { throw tooDeep(bytes) }
            return Builder.object(try members(bytes, depth: depth), line: line, column: column)
        case UInt8(ascii: "["):
            guard depth < depthMax else { throw tooDeep(bytes) }
            return Builder.array(try items(bytes, depth: depth), line: line, column: column)
        case UInt8(ascii: "t"):
            try word(bytes, "true")
            return Builder.boolean(true, line: line, column: column)
        case UInt8(ascii: "f"):
            try word(bytes, "false")
            return Builder.boolean(false, line: line, column: column)
        case UInt8(ascii: "n"):
            try word(bytes, "null")
            return Builder.null(line: line, column: column)
        default: throw error(bytes, "\(wordHere(bytes)) is no JSON value", found: wordHere(bytes))
        }
    }

    // MARK: objects and arrays

    private mutating func members(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> [Builder.Member] {
        position += 1
        skipSpace(bytes)
        var members: [Builder.Member] = []
        if take(bytes, UInt8(ascii: "}")) { return members }
        var seen: Set<Spelling> = []
        // While the keys are those of the object before, they are known to differ.
        var isLikeBefore = true
        members.reserveCapacity(keys.count(at: depth))
        while true {
            guard byte(bytes) == UInt8(ascii: "\"") else {
                throw error(
                    bytes, byte(bytes) == nil ? "the text ends inside an object" : "a key in double quotes belongs here"
                )
            }
            let (line, keyColumn, start) = (line, column, position + 1)
            let key: String
            var isRepeated = false
            if let known = keys.key(members.count, at: depth, in: bytes, from: start, to: end), isLikeBefore {
                key = known.text
                position += known.count + 2
                continuations += known.continuations
            } else {
                isLikeBefore = false
                key = try string(bytes)
                isRepeated = repeatedKeys != .keepAll && self.isRepeated(key, members, &seen)
                if !isRepeated { keys.remember(key, members.count, at: depth, from: start, to: position - 1) }
            }
            guard !isRepeated || repeatedKeys == .keepFirst else {
                throw JSONError(line: line, column: keyColumn, problem: "the key '\(key)' stands twice", found: key)
            }
            skipSpace(bytes)
            guard take(bytes, UInt8(ascii: ":")) else { throw error(bytes, "':' belongs after the key '\(key)'") }
            skipSpace(bytes)
            let value = try value(bytes, depth: depth + 1)
            if !isRepeated { members.append(Builder.member(key, line: line, value)) }
            skipSpace(bytes)
            if take(bytes, UInt8(ascii: "}")) { return members }
            guard take(bytes, UInt8(ascii: ",")) else { throw expected(bytes, "',' or '}'") }
            skipSpace(bytes)
        }
    }

    /// - Parameter seen: the keys of `members`, once they are many.
    private func isRepeated(_ key: String, _ members: [Builder.Member], _ seen: inout Set<Spelling>) -> Bool {
        let key = Spelling(text: key)
        if members.count < Self.comparedMax { return members.contains { Spelling(text: Builder.key(of: $0)) == key } }
        if seen.isEmpty { seen = Set(members.map { Spelling(text: Builder.key(of: $0)) }) }
        return !seen.insert(key).inserted
    }

    private mutating func items(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> [Builder.Tree] {
        position += 1
        skipSpace(bytes)
        var items: [Builder.Tree] = []
        if take(bytes, UInt8(ascii: "]")) { return items }
        while true {
            items.append(try value(bytes, depth: depth + 1))
            skipSpace(bytes)
            if take(bytes, UInt8(ascii: "]")) { return items }
            guard take(bytes, UInt8(ascii: ",")) else { throw expected(bytes, "',' or ']'") }
            skipSpace(bytes)
        }
    }

    // MARK: strings

    private mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        let start = position + 1
        var stop = start
        var union: UInt8 = 0
        while stop < end {
            let byte = bytes[stop]
            if byte == UInt8(ascii: "\"") {
                position = stop
                let text = try text(bytes.extracting(start..<stop), isASCII: union < 0x80, in: bytes)
                position = stop + 1
                return text
            }
            if byte == UInt8(ascii: "\\") || byte < 0x20 { break }
            union |= byte
            stop += 1
        }
        position = stop
        var content: [UInt8] = []
        bytes.extracting(start..<stop).withUnsafeBufferPointer { content.append(contentsOf: $0) }
        while let byte = byte(bytes) {
            switch byte {
            case UInt8(ascii: "\""):
                let before = continuations
                let text = try text(content.span, isASCII: false, in: bytes)
                // Those of what was written, where escapes are plain; only of this string, for a line may have many.
                continuations = before + Self.continuations(bytes.extracting(start..<position))
                position += 1
                return text
            case UInt8(ascii: "\\"): try escape(bytes, into: &content)
            case 0..<0x20:
                throw error(bytes, "a control character (\(byte)) in a string; write it as \\u00\(hex(byte))")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw error(bytes, "the text ends inside a string")
    }

    private mutating func text(
        _ content: Span<UInt8>, isASCII: Bool, in bytes: Span<UInt8>
    ) throws(JSONError) -> String {
        if isASCII { return content.text }
        let text = content.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) }
        guard let text else { throw error(bytes, "a string that is no UTF-8") }
        continuations += Self.continuations(content)
        return text
    }

    private mutating func escape(_ bytes: Span<UInt8>, into content: inout [UInt8]) throws(JSONError) {
        position += 1
        guard let letter = byte(bytes) else { throw error(bytes, "the text ends inside a string") }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(letter)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try fourDigits(bytes)
            if (0xD800..<0xDC00).contains(code), byte(bytes) == UInt8(ascii: "\\"), position + 1 < end,
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try fourDigits(bytes)
                guard (0xDC00..<0xE000).contains(low) else { throw error(bytes, "half a surrogate pair in a string") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error(bytes, "half a surrogate pair in a string") }
            content.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw error(bytes, "no such escape in a string: \\\(Character(Unicode.Scalar(letter)))")
        }
    }

    private mutating func fourDigits(_ bytes: Span<UInt8>) throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch byte(bytes) {
            case let byte? where (0x30...0x39).contains(byte): digit = byte - 0x30
            case let byte? where (0x41...0x46).contains(byte): digit = byte - 0x41 + 10
            case let byte? where (0x61...0x66).contains(byte): digit = byte - 0x61 + 10
            case .some: throw error(bytes, "\\u needs four hexadecimal digits")
            case nil: throw error(bytes, "the text ends inside a string")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    // MARK: numbers and words

    private mutating func number(_ bytes: Span<UInt8>, _ line: Int, _ column: Int) throws(JSONError) -> Builder.Tree {
        let start = position
        guard let (number, stop) = NumberText.read(bytes, from: start, to: end) else {
            throw notANumber(bytes, from: start)
        }
        position = stop
        guard endsWord(bytes) else { throw notANumber(bytes, from: start) }
        let text = Builder.keepsNumberText || number == nil ? bytes.extracting(start..<stop).text : ""
        guard let number else {
            throw JSONError(
                line: line, column: column, problem: "the number \(text.prefix(40)) is out of range", found: text)
        }
        return Builder.number(number, text: text, line: line, column: column)
    }

    /// `01`, `0x10`, `80%` and `1.2.3` are no numbers, though they begin as one; `nullx` is no `null`.
    private func endsWord(_ bytes: Span<UInt8>) -> Bool {
        switch byte(bytes) {
        case nil, 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"): true
        default: false
        }
    }

    private mutating func notANumber(_ bytes: Span<UInt8>, from start: Int) -> JSONError {
        position = start
        return error(bytes, "\(wordHere(bytes)) is no number", found: wordHere(bytes))
    }

    private mutating func word(_ bytes: Span<UInt8>, _ word: StaticString) throws(JSONError) {
        let start = position
        let isHere = word.withUTF8Buffer { letters in
            end - start >= letters.count && letters.indices.allSatisfy { bytes[start + $0] == letters[$0] }
        }
        if isHere { position += word.utf8CodeUnitCount }
        guard isHere, endsWord(bytes) else {
            position = start
            throw error(bytes, "\(wordHere(bytes)) is no JSON value", found: wordHere(bytes))
        }
    }

    // MARK: bytes

    @inline(__always)
    private func byte(_ bytes: Span<UInt8>) -> UInt8? { position < end ? bytes[position] : nil }

    @inline(__always)
    private mutating func take(_ bytes: Span<UInt8>, _ wanted: UInt8) -> Bool {
        guard byte(bytes) == wanted else { return false }
        position += 1
        return true
    }

    @inline(__always)
    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        // Nearly always there is none, or one.
        guard position < end, bytes[position] <= 0x20 else { return }
        skipAllSpace(bytes)
    }

    private mutating func skipAllSpace(_ bytes: Span<UInt8>) {
        while position < end {
            switch bytes[position] {
            case 0x20, 0x09, 0x0D: position += 1
            case 0x0A:
                position += 1
                line += 1
                lineStart = position
                continuations = 0
            default: return
            }
        }
    }

    // MARK: errors

    private var column: Int { position - lineStart - continuations + 1 }

    /// As `continuations`, counted afresh: for where a text was not read through.
    private func continuationsBefore(_ bytes: Span<UInt8>) -> Int {
        Self.continuations(bytes.extracting(lineStart..<position))
    }

    private static func continuations(_ bytes: Span<UInt8>) -> Int {
        var count = 0
        for index in bytes.indices where bytes[index] & 0xC0 == 0x80 { count += 1 }
        return count
    }

    private func tooDeep(_ bytes: Span<UInt8>) -> JSONError { error(bytes, "nested more than \(depthMax) deep") }

    /// What stands here up to the next separator, for messages: at most 40 bytes.
    private func wordHere(_ bytes: Span<UInt8>) -> String {
        var stop = position
        while stop < end, stop - position < 40 {
            switch bytes[stop] {
            case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ":"):
                break
            default:
                stop += 1
                continue
            }
            break
        }
        if stop == position && stop < end { stop += 1 }
        return bytes.extracting(position..<stop).text
    }

    private func expected(_ bytes: Span<UInt8>, _ what: String) -> JSONError {
        byte(bytes) == nil
            ? error(bytes, "the text ends where \(what) belongs")
            : error(bytes, "\(what) belongs before \(wordHere(bytes))")
    }

    private func error(_ bytes: Span<UInt8>, _ problem: String, found: String = "") -> JSONError {
        JSONError(
            line: line, column: position - lineStart - continuationsBefore(bytes) + 1, problem: problem, found: found)
    }

    private func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

/// A text that is the same as another when its bytes are: Swift's strings are the same when they look so.
private struct Spelling: Hashable {
    var text: String

    static func == (a: Self, b: Self) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

extension Span<UInt8> {
    /// The bytes as text; what is no UTF-8 is replaced.
    var text: String { withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) } }
}
