package import Model

/// How kinds of values become one another; each rule stands in docs/workflow-reference.md.
package enum Conversion {
    /// Reads a number as the language does: trimmed, decimal, `0x`, `0o`, infinities; NaN for everything else.
    package static func number(from text: String) -> Double {
        let trimmed = trim(text)
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
        let (digits, exponent) = significantDigits(of: abs(number))
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
        case (.string(let x), .string(let y)): CaseFolding.fold(x) == CaseFolding.fold(y)
        case (.array, _), (.object, _), (_, .array), (_, .object): false
        default: number(of: a) == number(of: b)
        }
    }

    private static func trim(_ text: String) -> String {
        var scalars = Substring(text).unicodeScalars
        while scalars.first?.properties.isWhitespace == true { scalars.removeFirst() }
        while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
        return String(scalars)
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

    /// The decimal digits of a positive number, at most 15, and the power of ten of the first.
    ///
    /// Made from the shortest digits that read back: up to 15 of them are exact at 15, and 17 lie within half a unit of
    /// the 17th, so rounding them rounds the number. (Of 16 ending in 5 the tie may go the other way.)
    private static func significantDigits(of number: Double) -> (digits: [UInt8], exponent: Int) {
        let parts = "\(number)".split(separator: "e")
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = mantissa.flatMap { Array($0.utf8) }
        exponent += mantissa[0].utf8.count - 1
        let zeros = digits.prefix { $0 == 0x30 }.count
        digits.removeFirst(zeros)
        exponent -= zeros
        if digits.count > 15 {
            let roundsUp = digits[15] >= 0x35
            digits.removeLast(digits.count - 15)
            if roundsUp {
                var index = 14
                while index >= 0, digits[index] == 0x39 {
                    digits[index] = 0x30
                    index -= 1
                }
                if index >= 0 {
                    digits[index] += 1
                } else {
                    digits.insert(0x31, at: 0)
                    exponent += 1
                }
            }
        }
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        return (digits, exponent)
    }
}

/// Comparison without regard to case: each UTF-16 unit by its simple upper case, whatever the locale.
package enum CaseFolding {
    package static func fold(_ text: String) -> [UInt16] { text.utf16.map(fold) }

    private static func fold(_ unit: UInt16) -> UInt16 {
        switch unit {
        case 0x61...0x7A: return unit - 0x20
        case 0..<0x80: return unit
        // Dotless i and long s have upper-case letters that are ASCII; they stay themselves.
        case 0x131, 0x17F: return unit
        default: break
        }
        guard let scalar = Unicode.Scalar(UInt32(unit)) else { return unit }
        let upper = scalar.properties.uppercaseMapping.utf16
        guard upper.count == 1, let only = upper.first else { return unit }
        return only
    }
}
