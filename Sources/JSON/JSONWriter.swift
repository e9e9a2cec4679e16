package import Model

/// Writes JSON, the same bytes for the same calls: numbers shortest that read back, members in the order given.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    private let indent: Int?
    private var depth = 0
    /// Whether the innermost array or object has something in it already.
    private var hasContent = [false]
    private var afterKey = false

    /// - Parameter indent: spaces per level; `nil` writes everything on one line without spaces.
    package init(indent: Int? = nil) { self.indent = indent }

    package static func text(_ value: Value, indent: Int? = nil) -> String {
        var writer = JSONWriter(indent: indent)
        writer.value(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    package mutating func key(_ key: String) {
        separate()
        quote(key)
        bytes.append(UInt8(ascii: ":"))
        if indent != nil { bytes.append(UInt8(ascii: " ")) }
        afterKey = true
    }

    package mutating func null() { raw("null") }
    package mutating func boolean(_ flag: Bool) { raw(flag ? "true" : "false") }
    package mutating func integer(_ number: Int) { raw(String(number)) }

    /// A finite number; integers below 2^53 without a fraction. JSON has no others: `precondition`.
    package mutating func number(_ number: Double) {
        precondition(number.isFinite, "JSON has no NaN and no infinities")
        raw(Self.text(number))
    }

    package mutating func string(_ text: String) {
        separate()
        quote(text)
    }

    /// A whole value; NaN and infinities, which JSON does not have, become text.
    package mutating func value(_ value: Value) {
        switch value {
        case .null: null()
        case .boolean(let flag): boolean(flag)
        case .number(let number) where number.isFinite: self.number(number)
        case .number(let number): string(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity")
        case .string(let text): string(text)
        case .array(let items):
            beginArray()
            for item in items { self.value(item) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members {
                key(member.key)
                self.value(member.value)
            }
            endObject()
        }
    }

    /// JSON that somebody else has written, as it is.
    package mutating func verbatim(_ json: [UInt8]) {
        separate()
        bytes.append(contentsOf: json)
    }

    package mutating func newline() { bytes.append(0x0A) }

    /// The shortest text that reads back as the same number.
    package static func text(_ number: Double) -> String {
        if number == number.rounded(), abs(number) < 0x1p53 {
            return number == 0 && number.sign == .minus ? "-0.0" : String(Int64(number))
        }
        return "\(number)"
    }

    private mutating func raw(_ text: String) {
        separate()
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        hasContent.append(false)
        depth += 1
    }

    private mutating func close(_ bracket: UInt8) {
        depth -= 1
        if hasContent.removeLast() { breakLine() }
        bytes.append(bracket)
    }

    private mutating func separate() {
        if afterKey {
            afterKey = false
            return
        }
        if hasContent[hasContent.count - 1] && depth > 0 { bytes.append(UInt8(ascii: ",")) }
        if depth > 0 { breakLine() }
        hasContent[hasContent.count - 1] = true
    }

    private mutating func breakLine() {
        guard let indent else { return }
        bytes.append(0x0A)
        bytes.append(contentsOf: repeatElement(0x20, count: indent * depth))
    }

    private mutating func quote(_ text: String) {
        var text = text
        bytes.append(UInt8(ascii: "\""))
        text.withUTF8 { letters in
            var start = 0
            for index in letters.indices {
                let byte = letters[index]
                guard byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                    continue
                }
                bytes.append(contentsOf: letters[start..<index])
                escape(byte)
                start = index + 1
            }
            bytes.append(contentsOf: letters[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        default:
            bytes.append(contentsOf: [UInt8(ascii: "u"), 0x30, 0x30])
            for digit in [byte >> 4, byte & 15] {
                bytes.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10)
            }
        }
    }
}
