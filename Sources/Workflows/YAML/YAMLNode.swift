import Model

/// A piece of a YAML document with its place. Scalars keep their text; the core schema gives them values.
struct YAMLNode: Equatable, Sendable {
    indirect enum Kind: Equatable, Sendable {
        case scalar(Scalar)
        case sequence([YAMLNode])
        case mapping([Entry])
    }

    struct Scalar: Equatable, Sendable {
        var text: String
        /// Unquoted and without a tag, or with a tag of the core schema: that decides what it is. Else it is a string.
        var isPlain: Bool
        /// Quoted or a block, whatever its tag says.
        var isQuoted = false
        /// `|` or `>`: what is inside begins on a later line.
        var isBlock = false
    }

    struct Entry: Equatable, Sendable {
        var key: String
        var keyPosition: SourcePosition
        var value: YAMLNode

        /// The key as a text of its own, for what is said about it.
        var keyNode: YAMLNode {
            YAMLNode(kind: .scalar(Scalar(text: key, isPlain: false)), position: keyPosition)
        }
    }

    var kind: Kind
    var position: SourcePosition

    /// What the node means under YAML 1.2's core schema.
    var value: Value {
        switch kind {
        case .scalar(let scalar): scalar.isPlain ? CoreSchema.value(of: scalar.text) : .string(scalar.text)
        case .sequence(let items): .array(items.map(\.value))
        case .mapping(let entries): .object(entries.map { Value.Member($0.key, $0.value.value) })
        }
    }

    var scalar: Scalar? { if case .scalar(let scalar) = kind { scalar } else { nil } }
    var items: [YAMLNode]? { if case .sequence(let items) = kind { items } else { nil } }
    var entries: [Entry]? { if case .mapping(let entries) = kind { entries } else { nil } }

    /// The value of the key, compared exactly.
    subscript(_ key: String) -> YAMLNode? { entries?.first { $0.key == key }?.value }

    /// An empty value: `key:` or `key: null`.
    var isNull: Bool { value == .null }

    /// For messages: what stands here, in quotes when it is a text with something in it.
    var told: String {
        guard let scalar, !isNull else { return kindName }
        return scalar.text.isEmpty
            ? "an empty text" : scalar.isQuoted ? "the text '\(scalar.text)'" : "'\(scalar.text)'"
    }

    /// For messages: `a mapping`, `a list`, `a number`.
    var kindName: String {
        switch kind {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar:
            switch value {
            case .null: "nothing"
            case .boolean: "a Boolean"
            case .number: "a number"
            case .string, .array, .object: "text"
            }
        }
    }
}

/// YAML 1.2.2, section 10.3: which plain scalars are null, Booleans and numbers. `on`, `yes` and `no` are text.
enum CoreSchema {
    static func value(of text: String) -> Value {
        switch text {
        case "", "~", "null", "Null", "NULL": .null
        case "true", "True", "TRUE": .boolean(true)
        case "false", "False", "FALSE": .boolean(false)
        default: number(text).map { .number($0) } ?? .string(text)
        }
    }

    /// The tags that a document may name, as they are after `tag:yaml.org,2002:`.
    static let tags = ["str", "bool", "int", "float", "null", "map", "seq"]

    /// Whether a plain text is what its tag says.
    static func text(_ text: String, suits tag: String) -> Bool {
        switch (tag, value(of: text)) {
        case ("str", _), ("bool", .boolean), ("float", .number), ("null", .null): true
        case ("int", .number(let number)):
            number.isFinite && !text.contains { ".eE".contains($0) && !text.hasPrefix("0x") }
        default: false
        }
    }

    static func number(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, first <= 0x39 || first == 0x2E else { return nil }
        if bytes.starts(with: Array("0x".utf8)) { return digits(bytes.dropFirst(2), radix: 16) }
        if bytes.starts(with: Array("0o".utf8)) { return digits(bytes.dropFirst(2), radix: 8) }
        let unsigned = first == UInt8(ascii: "-") || first == UInt8(ascii: "+") ? bytes.dropFirst() : bytes[...]
        switch String(decoding: unsigned, as: UTF8.self) {
        case ".inf", ".Inf", ".INF": return first == UInt8(ascii: "-") ? -Double.infinity : Double.infinity
        case ".nan", ".NaN", ".NAN": return unsigned.count == bytes.count ? .nan : nil
        default: return isDecimal(unsigned) ? Double(text) : nil
        }
    }

    /// `[0-9]+ | ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, after the sign.
    private static func isDecimal(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        func digits() -> Int {
            let count = rest.prefix { (0x30...0x39).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        let whole = digits()
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = digits()
        }
        guard whole + fraction > 0 else { return false }
        if let exponent = rest.first, exponent | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
            guard digits() > 0 else { return false }
        }
        return rest.isEmpty
    }

    private static func digits(_ bytes: ArraySlice<UInt8>, radix: Double) -> Double? {
        guard !bytes.isEmpty else { return nil }
        var sum = 0.0
        for byte in bytes {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, Double(digit) < radix else { return nil }
            sum = sum * radix + Double(digit)
        }
        return sum
    }
}
