/// Decimal digits turned into the nearest `Double`, without a detour through text.
enum DecimalNumber {
    /// As many digits as always fit into 64 bits.
    static let digitsMax = 19

    /// `digits` · 10^`power`, rounded once, to even.
    ///
    /// - Returns: `nil` where 64 bits do not decide; the number's text does then.
    static func value(_ digits: UInt64, power: Int) -> Double? {
        if power == 0 || digits == 0 { return Double(digits) }
        if power > 0 {
            // Both factors are exact, so the product rounds once (Clinger, 1990).
            guard power <= 22, digits <= 1 << 53 else { return nil }
            return Double(digits) * powers(power)
        }
        guard power >= -digitsMax else { return nil }
        return quotient(digits, wholePowers[-power])
    }

    /// a ∕ d by long division of both, moved up to their highest bits: the remainder tells how to round.
    private static func quotient(_ a: UInt64, _ d: UInt64) -> Double {
        let (aShift, dShift) = (a.leadingZeroBitCount, d.leadingZeroBitCount)
        let (a, d) = (a << UInt64(aShift), d << UInt64(dShift))
        // The quotient has 64 bits, the highest set.
        let isAbove = a >= d
        let (quotient, remainder) = d.dividingFullWidth(isAbove ? (a >> 1, a << 63) : (a, 0))
        let rest = quotient & 0x7FF
        let isUp = rest > 0x400 || rest == 0x400 && (remainder != 0 || quotient & 0x800 != 0)
        let significand = Double((quotient >> 11) + (isUp ? 1 : 0))
        let exponent = dShift - aShift - (isAbove ? 63 : 64) + 11
        return significand * Double(bitPattern: UInt64(exponent + 1023) << 52)
    }

    private static func powers(_ power: Int) -> Double {
        power <= digitsMax
            ? Double(wholePowers[power]) : Double(wholePowers[digitsMax]) * Double(wholePowers[power - digitsMax])
    }

    private static let wholePowers: [UInt64] = (0...digitsMax).map {
        (0..<$0).reduce(UInt64(1)) { power, _ in power * 10 }
    }
}
