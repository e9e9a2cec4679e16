/// Decimal digits of a binary number, rounded once, from its exact value, ties to even.
enum DecimalDigits {
    /// - Parameter number: above 0, finite.
    /// - Returns: at most 15 digits as ASCII, without zeros at the end, and the power of ten of the first.
    static func fifteen(of number: Double) -> (digits: [UInt8], exponent: Int) {
        let shortest = shortest(of: number)
        // Fifteen decimal digits survive a normal number: the shortest that read back are the rounded ones.
        if shortest.digits.count <= 15 && number.isNormal { return shortest }

        // number = significand · 2^binary. Times 10^scale it has 17 digits before the point, or one less.
        let binary = number.isNormal ? Int(number.exponent) - 52 : -1074
        let significand = number.isNormal ? number.significandBitPattern | 1 << 52 : number.significandBitPattern
        let scale = 16 - shortest.exponent
        var whole = Whole(significand)
        whole.multiply(by: 10, times: scale)
        whole.multiply(by: 2, times: binary)
        var isInexact = whole.divide(by: 2, times: -binary)
        isInexact = whole.divide(by: 10, times: -scale) || isInexact

        var digits = Array(String(whole.low).utf8)
        var exponent = digits.count - 1 - scale
        let rest = digits[15...]
        digits.removeSubrange(15...)
        let isTie = rest.first == 0x35 && !isInexact && rest.dropFirst().allSatisfy { $0 == 0x30 }
        if isTie ? !digits[14].isMultiple(of: 2) : rest.first ?? 0 >= 0x35, increment(&digits) { exponent += 1 }
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        return (digits, exponent)
    }

    private static func shortest(of number: Double) -> (digits: [UInt8], exponent: Int) {
        let parts = "\(number)".split(separator: "e")
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = mantissa.flatMap { Array($0.utf8) }
        exponent += mantissa[0].utf8.count - 1
        let zeros = digits.prefix { $0 == 0x30 }.count
        digits.removeFirst(zeros)
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        return (digits, exponent - zeros)
    }

    /// Adds one in the last place.
    ///
    /// - Returns: whether all were nines, so that the number is now the next power of ten.
    private static func increment(_ digits: inout [UInt8]) -> Bool {
        for index in digits.indices.reversed() {
            if digits[index] < 0x39 {
                digits[index] += 1
                return false
            }
            digits[index] = 0x30
        }
        digits[0] = 0x31
        return true
    }

    /// A whole number of any size, as far as digits need it.
    private struct Whole {
        /// Lowest first.
        private var limbs: [UInt32]

        init(_ number: UInt64) { limbs = [UInt32(truncatingIfNeeded: number), UInt32(number >> 32)] }

        /// The lowest 64 bits.
        var low: UInt64 {
            limbs.prefix(2).reversed().reduce(0) { $0 << 32 | UInt64($1) }
        }

        /// No times, or fewer: nothing happens.
        mutating func multiply(by factor: UInt64, times: Int) {
            for factor in Self.factors(factor, times) {
                var carry: UInt64 = 0
                for index in limbs.indices {
                    carry += UInt64(limbs[index]) * factor
                    limbs[index] = UInt32(truncatingIfNeeded: carry)
                    carry >>= 32
                }
                if carry > 0 { limbs.append(UInt32(carry)) }
            }
        }

        /// - Returns: whether something was lost.
        mutating func divide(by divisor: UInt64, times: Int) -> Bool {
            var isInexact = false
            for divisor in Self.factors(divisor, times) {
                var remainder: UInt64 = 0
                for index in limbs.indices.reversed() {
                    remainder = remainder << 32 | UInt64(limbs[index])
                    limbs[index] = UInt32(remainder / divisor)
                    remainder %= divisor
                }
                isInexact = isInexact || remainder > 0
                if limbs.count > 2, limbs.last == 0 { limbs.removeLast() }
            }
            return isInexact
        }

        /// A power in factors of at most 32 bits, so that few passes are needed.
        private static func factors(_ base: UInt64, _ times: Int) -> [UInt64] {
            var factors: [UInt64] = []
            for _ in 0..<max(times, 0) {
                if let last = factors.last, last * base <= UInt64(UInt32.max) {
                    factors[factors.count - 1] = last * base
                } else {
                    factors.append(base)
                }
            }
            return factors
        }
    }
}
