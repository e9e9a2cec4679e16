/// Numbers by JSON's grammar, wherever they stand.
package enum NumberText {
    /// The number that begins at `start`: as much as JSON's grammar takes. What may follow it is the caller's to say.
    ///
    /// - Returns: the number, `nil` where a `Double` cannot hold it, and the place behind it; `nil` where none begins.
    package static func read(
        _ bytes: Span<UInt8>, from start: Int, to end: Int
    ) -> (number: Double?, end: Int)? {
        var position = start
        let isNegative = position < end && bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        // The digits as a whole number, as long as they are exact, and how many stand behind the point.
        var digits: UInt64 = 0
        var digitCount = 0
        var fractionCount = 0
        var exponent: UInt64 = 0
        var exponentCount = 0
        var isNegativeExponent = false

        if position < end, bytes[position] == UInt8(ascii: "0") {
            position += 1
        } else {
            digitCount = takeDigits(bytes, &position, end, into: &digits)
            guard digitCount > 0 else { return nil }
        }
        if position < end, bytes[position] == UInt8(ascii: ".") {
            position += 1
            fractionCount = takeDigits(bytes, &position, end, into: &digits)
            digitCount += fractionCount
            guard fractionCount > 0 else { return nil }
        }
        if position < end, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            isNegativeExponent = position < end && bytes[position] == UInt8(ascii: "-")
            if isNegativeExponent || position < end && bytes[position] == UInt8(ascii: "+") { position += 1 }
            exponentCount = takeDigits(bytes, &position, end, into: &exponent)
            guard exponentCount > 0 else { return nil }
        }
        let isShort = digitCount <= DecimalNumber.digitsMax && exponentCount <= 3
        let power = (isNegativeExponent ? -1 : 1) * (isShort ? Int(exponent) : 0) - fractionCount
        if isShort, let magnitude = DecimalNumber.value(digits, power: power) {
            return (isNegative ? -magnitude : magnitude, position)
        }
        let number = Double(bytes.extracting(start..<position).text)
        return (number.flatMap { $0.isFinite ? $0 : nil }, position)
    }

    /// - Parameter sum: grows by the digits; past 19 of them it means nothing.
    @inline(__always)
    private static func takeDigits(
        _ bytes: Span<UInt8>, _ position: inout Int, _ end: Int, into sum: inout UInt64
    ) -> Int {
        var (stop, digits) = (position, sum)
        while stop < end, case let digit = bytes[stop] &- 0x30, digit <= 9 {
            digits = digits &* 10 &+ UInt64(digit)
            stop += 1
        }
        let count = stop - position
        (position, sum) = (stop, digits)
        return count
    }
}
