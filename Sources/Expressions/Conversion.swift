package import Model

/// How kinds of values become one another; each rule stands in docs/workflow-reference.md.
package enum Conversion {
    /// Reads a number as the language does: trimmed, decimal, `0x`, `0o`, infinities; NaN for everything else.
    package static func number(from text: String) -> Double {
        let trimmed = text.trimmingSpace
        switch trimmed {
        case "": return 0
        case "Infinity", "+Infinity": return .infinity
        case "-Infinity": return -.infinity
        default: break
        }
        if trimmed.hasPrefix("0x") { return digits(trimmed.dropFirst(2), radix: 16, bitsMax: 32) }
        if trimmed.hasPrefix("0o") { return digits(trimmed.dropFirst(2), radix: 8, bitsMax: 31) }
        return isDecimal(trimmed) ? Double(trimmed.hasSuffix(".") ? String(trimmed.dropLast()) : trimmed) ?? .nan : .nan
    }

    /// Fifteen significant digits without trailing zeros; an exponent from 1E-05 down and from 1E+15 up (.NET's `G15`).
    package static func text(from number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Infinity" : "Infinity" }
        if number == 0 { return "0" }
        let (digits, exponent) = DecimalDigits.fifteen(of: abs(number))
        let sign = number < 0 ? "-" : ""
        let shown = String(decoding: digits, as: UTF8.self)
        if exponent < -4 || exponent >= 15 {
            let mantissa = digits.count == 1 ? shown : "\(shown.prefix(1)).\(shown.dropFirst())"
            let power = abs(exponent)
            return "\(sign)\(mantissa)E\(exponent < 0 ? "-" : "+")\(power < 10 ? "0" : "")\(power)"
        }
        if exponent < 0 { return "\(sign)0.\(String(repeating: "0", count: -exponent - 1))\(shown)" }
        if digits.count <= exponent + 1 {
            return sign + shown + String(repeating: "0", count: exponent + 1 - digits.count)
        }
        return "\(sign)\(shown.prefix(exponent + 1)).\(shown.dropFirst(exponent + 1))"
    }

    package static func isTruthy(_ value: Value) -> Bool {
        switch value {
        case .null: false
        case .boolean(let flag): flag
        case .number(let number): number != 0 && !number.isNaN
        case .string(let text): !text.isEmpty
        case .array, .object: true
        }
    }

    /// A scalar's text; `Array` and `Object` for those.
    package static func text(of value: Value) -> String {
        switch value {
        case .null: ""
        case .boolean(let flag): flag ? "true" : "false"
        case .number(let number): text(from: number)
        case .string(let text): text
        case .array: "Array"
        case .object: "Object"
        }
    }

    package static func number(of value: Value) -> Double {
        switch value {
        case .null: 0
        case .boolean(let flag): flag ? 1 : 0
        case .number(let number): number
        case .string(let text): number(from: text)
        case .array, .object: .nan
        }
    }

    /// The language's `==` on values that are not the same instance: arrays and objects are never equal.
    package static func looselyEqual(_ a: Value, _ b: Value) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.boolean(let x), .boolean(let y)): x == y
        case (.string(let x), .string(let y)): CaseFolding.equal(x, y)
        case (.array, _), (.object, _), (_, .array), (_, .object): false
        default: number(of: a) == number(of: b)
        }
    }

    /// White space as Unicode has it, which the language skips between tokens and around numbers.
    static func isSpace(_ unit: UInt16) -> Bool {
        unit < 0x80
            ? unit == 0x20 || (0x09...0x0D).contains(unit)
            : Unicode.Scalar(UInt32(unit))?.properties.isWhitespace ?? false
    }

    static func trim(_ text: String) -> String {
        var units = Substring(text).utf16
        while let first = units.first, isSpace(first) { units.removeFirst() }
        while let last = units.last, isSpace(last) { units.removeLast() }
        return String(Substring(units))
    }

    private static func digits(_ text: Substring, radix: UInt64, bitsMax: Int) -> Double {
        guard !text.isEmpty else { return .nan }
        var sum: UInt64 = 0
        for character in text {
            guard character.isASCII, let digit = character.hexDigitValue, digit < radix, sum < 1 << 40 else {
                return .nan
            }
            sum = sum * radix + UInt64(digit)
        }
        guard sum < 1 << UInt64(bitsMax) else { return .nan }
        // Thirty-two bits are a signed number there: 0xFFFFFFFF is −1.
        return bitsMax == 32 ? Double(Int32(truncatingIfNeeded: sum)) : Double(sum)
    }

    /// `[+-]? (digits [. digits?] | . digits) [e [+-]? digits]`
    private static func isDecimal(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        func skipDigits() -> Int {
            let count = rest.prefix { (0x30...0x39).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        func skip(_ characters: String) -> Bool {
            guard let first = rest.first, characters.utf8.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = skip("+-")
        let whole = skipDigits()
        let fraction = skip(".") ? skipDigits() : 0
        guard whole + fraction > 0 else { return false }
        if skip("eE") {
            _ = skip("+-")
            guard skipDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}

extension Value {
    /// `Null`, `Boolean`, `Number`, `String`, `Array` or `Object`.
    package var kindName: String {
        switch self {
        case .null: "Null"
        case .boolean: "Boolean"
        case .number: "Number"
        case .string: "String"
        case .array: "Array"
        case .object: "Object"
        }
    }
}
