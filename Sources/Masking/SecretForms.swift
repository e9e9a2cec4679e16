import Model

/// The spellings under which a secret may show up in a log.
enum SecretForms {
    /// JSON values shorter than this are words, not secrets.
    static let jsonStringBytesMin = 8
    /// Lines of a longer value that are shorter than this are its punctuation: masking `}` would mask every brace.
    static let lineBytesMin = 4

    /// The value itself, its lines, the strings in it when it is JSON, and each of them as base64, percent-encoded and as
    /// a JSON string; sorted, each once, none empty.
    static func all(of value: [UInt8]) -> [[UInt8]] {
        var plain: Set<[UInt8]> = []
        let trimmed = trim(value[...])
        guard !trimmed.isEmpty else { return [] }
        plain.insert(value)
        plain.insert(Array(trimmed))
        for line in value.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let text = trim(line)
            if text.count >= lineBytesMin { plain.insert(Array(text)) }
        }
        plain.formUnion(jsonStrings(in: value))

        var forms = plain
        for text in plain {
            for offset in 0..<3 {
                forms.insert(base64(text, offset: offset, Base64.standard))
                forms.insert(base64(text, offset: offset, Base64.url))
            }
            forms.insert(percentEncoded(text, spaceAsPlus: false, upperCase: true))
            forms.insert(percentEncoded(text, spaceAsPlus: false, upperCase: false))
            forms.insert(percentEncoded(text, spaceAsPlus: true, upperCase: true))
            forms.insert(jsonEscaped(text, slash: false))
            forms.insert(jsonEscaped(text, slash: true))
        }
        forms.remove([])
        return forms.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func trim(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        var bytes = bytes.drop(while: isSpace)
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return bytes
    }

    /// What of a base64 text depends on these bytes alone, when they start `offset` bytes into a group of three. So
    /// `user:password` in a header gives the password away no more than the password does.
    static func base64(_ bytes: [UInt8], offset: Int, _ base64: Base64) -> [UInt8] {
        let alphabet = base64.letters
        let bits = bytes.count * 8
        let lead = offset * 8
        // The first letter whose six bits all lie in the bytes, and the first behind the last such letter.
        let first = (lead + 5) / 6
        let end = (lead + bits) / 6
        guard end > first else { return [] }
        let letters = (first..<end).map { letter -> UInt8 in
            var value = 0
            for bit in letter * 6 - lead..<letter * 6 - lead + 6 {
                value = value << 1 | Int(bytes[bit / 8] >> UInt8(7 - bit % 8) & 1)
            }
            return alphabet[value]
        }
        // A letter or two would mask half the log.
        return letters.count < 4 ? [] : letters
    }

    private static func percentEncoded(_ bytes: [UInt8], spaceAsPlus: Bool, upperCase: Bool) -> [UInt8] {
        let digits = Array((upperCase ? "0123456789ABCDEF" : "0123456789abcdef").utf8)
        return bytes.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                [byte]
            case UInt8(ascii: " ") where spaceAsPlus: [UInt8(ascii: "+")]
            default: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
    }

    private static func jsonEscaped(_ bytes: [UInt8], slash: Bool) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "\""): Array("\\\"".utf8)
            case UInt8(ascii: "\\"): Array("\\\\".utf8)
            case UInt8(ascii: "/") where slash: Array("\\/".utf8)
            case 0x08: Array("\\b".utf8)
            case 0x09: Array("\\t".utf8)
            case 0x0A: Array("\\n".utf8)
            case 0x0C: Array("\\f".utf8)
            case 0x0D: Array("\\r".utf8)
            case 0..<0x20: Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: [byte]
            }
        }
    }

    /// The strings in a value that looks like a JSON object or list, with their escapes undone, names of members left
    /// out. It need not be valid: a secret that is nearly JSON is still a secret.
    static func jsonStrings(in value: [UInt8]) -> [[UInt8]] {
        guard let first = trim(value[...]).first, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            return []
        }
        var strings: [[UInt8]] = []
        var index = 0
        while index < value.count {
            guard value[index] == UInt8(ascii: "\"") else {
                index += 1
                continue
            }
            let (text, end) = jsonString(value, from: index + 1)
            index = end
            let next = value[end...].first { $0 != 0x20 && !(0x09...0x0D).contains($0) }
            if text.count >= jsonStringBytesMin, next != UInt8(ascii: ":") { strings.append(text) }
        }
        return strings
    }

    private static func jsonString(_ value: [UInt8], from start: Int) -> (text: [UInt8], end: Int) {
        var text: [UInt8] = []
        var index = start
        while index < value.count, value[index] != UInt8(ascii: "\"") {
            guard value[index] == UInt8(ascii: "\\"), index + 1 < value.count else {
                text.append(value[index])
                index += 1
                continue
            }
            index += 2
            switch value[index - 1] {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "u"):
                var unit = hexUnit(value, at: index)
                if unit != nil { index += 4 }
                if let high = unit, (0xD800..<0xDC00).contains(high), index + 1 < value.count,
                    value[index] == UInt8(ascii: "\\"), value[index + 1] == UInt8(ascii: "u"),
                    let low = hexUnit(value, at: index + 2), (0xDC00..<0xE000).contains(low)
                {
                    unit = 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
                    index += 6
                }
                text += Array(String(unit.flatMap(Unicode.Scalar.init).map(Character.init) ?? "\u{FFFD}").utf8)
            case let other: text.append(other)
            }
        }
        return (text, min(index + 1, value.count))
    }

    private static func hexUnit(_ value: [UInt8], at start: Int) -> UInt32? {
        guard start + 4 <= value.count else { return nil }
        return UInt32(String(decoding: value[start..<start + 4], as: UTF8.self), radix: 16)
    }
}
