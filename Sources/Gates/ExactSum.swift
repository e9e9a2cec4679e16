/// A sum of doubles without any rounding until it is read (Kulisch's long accumulator).
///
/// The sum is a fixed-point number that covers every product of two doubles, from 2^−2148 up, so that x and x² alike
/// are kept exactly. Adding and merging in any order gives the same bits.
package struct ExactSum: Sendable {
    /// Digits in base 2^32, least first, in units of 2^−2148; between settlings each may be negative or too large.
    private var digits: [Int64]
    /// How many times digits were added to without carrying; at most 2^30, so that none can overflow.
    private var pending = 0

    fileprivate static let unitExponent = -2148
    /// 2^−2148 up to 2^2140: products of the largest doubles, 2^63 of them, and a sign.
    private static let digitCount = 134

    package init() { digits = Array(repeating: 0, count: Self.digitCount) }

    /// - Parameter number: finite.
    package mutating func add(_ number: Double) {
        let (significand, exponent) = Self.parts(number)
        add(UInt128(significand), exponent: exponent, isNegative: number.sign == .minus)
    }

    /// Adds a·b, exactly.
    package mutating func addProduct(_ a: Double, _ b: Double) {
        let (first, firstExponent) = Self.parts(a)
        let (second, secondExponent) = Self.parts(b)
        add(
            UInt128(first) * UInt128(second), exponent: firstExponent + secondExponent,
            isNegative: (a.sign == .minus) != (b.sign == .minus))
    }

    package mutating func merge(_ other: ExactSum) {
        for place in digits.indices { digits[place] += other.digits[place] }
        pending += other.pending + 1
        if pending >= 1 << 29 { settle() }
    }

    /// The sum, rounded once to the nearest double, ties to even; infinite where it is beyond the range.
    package var value: Double { divided(by: 1) }

    /// The exact sum ÷ `count`, rounded once.
    package func divided(by count: Int) -> Double {
        precondition(count > 0, "a mean needs something to divide by")
        let (magnitude, isNegative) = integer
        return magnitude.rounded(exponent: Self.unitExponent, dividedBy: UInt64(count), isNegative: isNegative)
    }

    /// Adds ± magnitude · 2^exponent.
    private mutating func add(_ magnitude: UInt128, exponent: Int, isNegative: Bool) {
        guard magnitude != 0 else { return }
        let shift = exponent - Self.unitExponent
        var place = shift >> 5
        let within = UInt128(shift & 31)
        let sign: Int64 = isNegative ? -1 : 1
        // A product has up to 106 bits, shifted up to 137: what leaves the 128 is added apart.
        let carried = within == 0 ? 0 : Int64(truncatingIfNeeded: magnitude >> (128 - within))
        if carried != 0 { digits[place + 4] += sign * carried }
        var low = magnitude << within
        while low != 0 {
            digits[place] += sign * Int64(UInt32(truncatingIfNeeded: low))
            low >>= 32
            place += 1
        }
        pending += 1
        if pending == 1 << 29 { settle() }
    }

    /// Carries, so that every digit but the last is in 0..<2^32 and the last has the sign.
    private mutating func settle() {
        pending = 0
        var carry: Int64 = 0
        for place in 0..<(Self.digitCount - 1) {
            let sum = digits[place] + carry
            digits[place] = sum & 0xFFFF_FFFF
            carry = sum >> 32
        }
        digits[Self.digitCount - 1] += carry
    }

    /// The sum as an integer of units of 2^−2148.
    fileprivate var integer: (magnitude: Magnitude, isNegative: Bool) {
        var copy = self
        copy.settle()
        let isNegative = copy.digits[Self.digitCount - 1] < 0
        if isNegative {
            for place in copy.digits.indices { copy.digits[place].negate() }
            copy.settle()
        }
        return (Magnitude(copy.digits.map { UInt32(truncatingIfNeeded: $0) }), isNegative)
    }

    /// A finite number as significand · 2^exponent, its sign left aside.
    private static func parts(_ number: Double) -> (significand: UInt64, exponent: Int) {
        precondition(number.isFinite, "an exact sum has no place for NaN or infinity")
        let raw = Int(number.exponentBitPattern)
        return raw == 0
            ? (number.significandBitPattern, -1074) : (number.significandBitPattern | 1 << 52, raw - 1075)
    }
}

extension ExactSum: Equatable {
    package static func == (a: Self, b: Self) -> Bool {
        var (a, b) = (a, b)
        a.settle()
        b.settle()
        return a.digits == b.digits
    }
}

/// The exact first two moments of a set of numbers: how many, their sum, and the sum of their squares.
package struct Moments: Equatable, Sendable {
    package private(set) var count = 0
    package private(set) var sum = ExactSum()
    package private(set) var squares = ExactSum()

    package init() {}

    package mutating func add(_ number: Double) {
        count += 1
        sum.add(number)
        squares.addProduct(number, number)
    }

    package mutating func merge(_ other: Moments) {
        count += other.count
        sum.merge(other.sum)
        squares.merge(other.squares)
    }

    /// `nil` for no numbers.
    package var mean: Double? { count > 0 ? sum.divided(by: count) : nil }

    /// The sum of squared deviations from the mean, Σx² − (Σx)²/n, exact until its one rounding.
    package var squaredDeviations: Double {
        guard count > 1 else { return 0 }
        let divisor = UInt64(count)
        // Σx is a multiple of 2^−1074, so (Σx)² is a multiple of the unit 2^−2148 of Σx².
        let total = sum.integer.magnitude.shiftedRight(by: 1074)
        let numerator = squares.integer.magnitude.multiplied(by: divisor).subtracting(total.multiplied(by: total))
        return numerator.rounded(exponent: ExactSum.unitExponent, dividedBy: divisor, isNegative: false)
    }

    /// With n − 1; `nil` for fewer than two numbers.
    package var variance: Double? { count > 1 ? squaredDeviations / Double(count - 1) : nil }
}

/// A whole number ≥ 0 of any size, base 2^32, least digit first.
private struct Magnitude {
    var digits: [UInt32]

    init(_ digits: [UInt32]) {
        self.digits = digits
        while self.digits.last == 0 { self.digits.removeLast() }
    }

    var bitWidth: Int { digits.isEmpty ? 0 : digits.count * 32 - digits[digits.count - 1].leadingZeroBitCount }

    func multiplied(by factor: UInt64) -> Magnitude {
        multiplied(by: Magnitude([UInt32(truncatingIfNeeded: factor), UInt32(truncatingIfNeeded: factor >> 32)]))
    }

    func multiplied(by other: Magnitude) -> Magnitude {
        guard !digits.isEmpty && !other.digits.isEmpty else { return Magnitude([]) }
        var product = [UInt32](repeating: 0, count: digits.count + other.digits.count)
        for (i, a) in digits.enumerated() where a != 0 {
            var carry: UInt64 = 0
            for (j, b) in other.digits.enumerated() {
                let sum = UInt64(a) * UInt64(b) + UInt64(product[i + j]) + carry
                product[i + j] = UInt32(truncatingIfNeeded: sum)
                carry = sum >> 32
            }
            product[i + other.digits.count] = UInt32(carry)
        }
        return Magnitude(product)
    }

    /// - Parameter other: at most as large.
    func subtracting(_ other: Magnitude) -> Magnitude {
        var difference = digits
        var borrow: Int64 = 0
        for place in difference.indices {
            var digit = Int64(difference[place]) - borrow
            if place < other.digits.count { digit -= Int64(other.digits[place]) }
            borrow = digit < 0 ? 1 : 0
            difference[place] = UInt32(truncatingIfNeeded: digit)
        }
        precondition(borrow == 0 && other.digits.count <= digits.count, "a magnitude is never negative")
        return Magnitude(difference)
    }

    /// - Parameter count: of bits that are all zero.
    func shiftedRight(by count: Int) -> Magnitude {
        let (whole, within) = (count / 32, UInt32(count % 32))
        guard digits.count > whole else { return Magnitude([]) }
        var shifted = Array(digits[whole...])
        if within > 0 {
            for place in shifted.indices {
                let next = place + 1 < shifted.count ? shifted[place + 1] << (32 - within) : 0
                shifted[place] = shifted[place] >> within | next
            }
        }
        return Magnitude(shifted)
    }

    /// self · 2^exponent ÷ divisor, rounded once to the nearest double, ties to even.
    func rounded(exponent: Int, dividedBy divisor: UInt64, isNegative: Bool) -> Double {
        // Long division from the top; the remainder only breaks ties, as the unit is below every double's last bit.
        var quotient = digits
        var remainder: UInt128 = 0
        if divisor > 1 {
            for place in quotient.indices.reversed() {
                let dividend = remainder << 32 | UInt128(quotient[place])
                quotient[place] = UInt32(truncatingIfNeeded: dividend / UInt128(divisor))
                remainder = dividend % UInt128(divisor)
            }
        }
        let whole = Magnitude(quotient)
        guard whole.bitWidth > 0 else { return 0 }
        // The lowest bit that a double of this size, or the smallest double, can hold.
        let lowest = Swift.max(whole.bitWidth - 53, -1074 - exponent)
        var kept = whole.bits(from: lowest)
        let isHalfUp = lowest > 0 && whole.bit(lowest - 1)
        let isBeyondHalf = remainder != 0 || whole.hasBits(below: lowest - 1)
        if isHalfUp && (isBeyondHalf || kept & 1 == 1) { kept += 1 }
        return Double(sign: isNegative ? .minus : .plus, exponent: exponent + lowest, significand: Double(kept))
    }

    private func bit(_ index: Int) -> Bool {
        index >> 5 < digits.count && digits[index >> 5] >> UInt32(index & 31) & 1 == 1
    }

    /// The bits from `index` upwards, at most 64 of them.
    private func bits(from index: Int) -> UInt64 {
        let (whole, within) = (index >> 5, UInt64(index & 31))
        let digit = { (place: Int) in place < digits.count ? UInt64(digits[place]) : 0 }
        let low = digit(whole) | digit(whole + 1) << 32
        return within == 0 ? low : low >> within | digit(whole + 2) << (64 - within)
    }

    private func hasBits(below index: Int) -> Bool {
        guard index > 0 else { return false }
        let (whole, within) = (index >> 5, UInt32(index & 31))
        if digits.prefix(whole).contains(where: { $0 != 0 }) { return true }
        return whole < digits.count && within > 0 && digits[whole] << (32 - within) != 0
    }
}
