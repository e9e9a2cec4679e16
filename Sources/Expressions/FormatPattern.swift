/// The first argument of `format`, cut into what is copied and what an argument replaces.
enum FormatPattern {
    enum Piece: Equatable {
        case literal(String)
        case argument(Int, specifiers: String)
    }

    /// What an argument's number is at most.
    private static let numberMax = 255

    static func pieces(of pattern: String, argumentCount: Int) throws(ExpressionError) -> [Piece] {
        let units = Array(pattern.utf16)
        let invalid = ExpressionError.evaluation("The following format string is invalid: \(pattern)")
        var pieces: [Piece] = []
        var literal: [UInt16] = []
        var index = 0
        func unit(_ index: Int) -> UInt16? { index < units.count ? units[index] : nil }
        while let here = unit(index) {
            guard here == 0x7B || here == 0x7D else {
                literal.append(here)
                index += 1
                continue
            }
            if unit(index + 1) == here {
                literal.append(here)
                index += 2
                continue
            }
            let digits = units[(index + 1)...].prefix { (0x30...0x39).contains($0) }
            guard here == 0x7B, let number = Int(String(decoding: digits, as: UTF16.self)), number <= numberMax,
                let (specifiers, end) = specifiers(in: units, from: digits.endIndex)
            else { throw invalid }
            guard number < argumentCount else {
                throw .evaluation(
                    "The following format string references more arguments than were supplied: \(pattern)")
            }
            if !literal.isEmpty { pieces.append(.literal(String(decoding: literal, as: UTF16.self))) }
            literal = []
            pieces.append(.argument(number, specifiers: specifiers))
            index = end
        }
        if !literal.isEmpty { pieces.append(.literal(String(decoding: literal, as: UTF16.self))) }
        return pieces
    }

    /// `}` or `:…}`, where `}}` inside is a brace.
    ///
    /// - Returns: the specifiers and where the pattern goes on; `nil` when the brace is not closed.
    private static func specifiers(in units: [UInt16], from start: Int) -> (String, end: Int)? {
        guard start < units.count else { return nil }
        if units[start] == 0x7D { return ("", start + 1) }
        guard units[start] == 0x3A else { return nil }
        var found: [UInt16] = []
        var index = start + 1
        while index < units.count {
            guard units[index] == 0x7D else {
                found.append(units[index])
                index += 1
                continue
            }
            guard index + 1 < units.count, units[index + 1] == 0x7D else {
                return (String(decoding: found, as: UTF16.self), index + 1)
            }
            found.append(0x7D)
            index += 2
        }
        return nil
    }
}
