/// Numbers as people read them: at most six significant digits, and never two different numbers in the same words.
package enum Figure {
    /// `0.9412`, `1250`, `1.3e-9`; rounded to `digits` significant digits, halves away from zero.
    package static func text(_ number: Double, digits: Int = 6) -> String {
        guard number.isFinite else { return "\(number)" }
        guard number != 0 else { return "0" }
        var (significand, exponent) = decimal(number.magnitude)
        if significand.count > digits {
            let roundsUp = significand[digits] >= 5
            significand.removeSubrange(digits...)
            if roundsUp, increment(&significand) { exponent += 1 }
        }
        while significand.count > 1 && significand.last == 0 { significand.removeLast() }
        return (number < 0 ? "-" : "") + layout(significand, exponent: exponent)
    }

    /// Both numbers, in as many digits as it takes to tell them apart.
    package static func pair(_ a: Double, _ b: Double) -> (String, String) {
        for digits in [6, 9, 12, 17] {
            let (first, second) = (text(a, digits: digits), text(b, digits: digits))
            if first != second || a == b { return (first, second) }
        }
        return ("\(a)", "\(b)")
    }

    /// A share in percent with its sign: `-3.33 %`.
    package static func percent(_ share: Double) -> String {
        (share > 0 ? "+" : "") + text(share * 100, digits: 3) + " %"
    }

    /// A chance in percent: `82 %`, `0.3 %`; never 0 % or 100 % of what is neither.
    package static func share(_ chance: Double) -> String {
        let shown = text(chance * 100, digits: chance < 0.1 ? 2 : 3)
        if shown == "100" && chance < 1 { return "over 99.9 %" }
        return shown + " %"
    }

    /// The shortest digits that name the number, and the power of ten of the first one.
    private static func decimal(_ magnitude: Double) -> (digits: [UInt8], exponent: Int) {
        let written = Array("\(magnitude)".utf8)
        let mark = written.firstIndex(of: UInt8(ascii: "e")) ?? written.count
        let mantissa = written[..<mark]
        let shift = Int(String(decoding: written[mark...].dropFirst(), as: UTF8.self)) ?? 0
        let point = mantissa.firstIndex(of: UInt8(ascii: ".")) ?? mantissa.count
        var digits = mantissa.filter { $0 != UInt8(ascii: ".") }.map { $0 - UInt8(ascii: "0") }
        let leading = digits.prefix { $0 == 0 }.count
        digits.removeFirst(leading)
        return (digits, point - 1 - leading + shift)
    }

    /// - Returns: whether the digits grew by a place: 999 became 100, times ten.
    private static func increment(_ digits: inout [UInt8]) -> Bool {
        for place in digits.indices.reversed() {
            if digits[place] < 9 {
                digits[place] += 1
                return false
            }
            digits[place] = 0
        }
        digits[0] = 1
        return true
    }

    private static func layout(_ digits: [UInt8], exponent: Int) -> String {
        let text = String(decoding: digits.map { $0 + UInt8(ascii: "0") }, as: UTF8.self)
        switch exponent {
        case -5..<0: return "0." + String(repeating: "0", count: -exponent - 1) + text
        case 0..<16:
            guard digits.count > exponent + 1 else {
                return text + String(repeating: "0", count: exponent + 1 - digits.count)
            }
            return text.prefix(exponent + 1) + "." + text.dropFirst(exponent + 1)
        default:
            let fraction = digits.count > 1 ? "." + text.dropFirst() : ""
            return text.prefix(1) + fraction + "e" + String(exponent)
        }
    }
}
