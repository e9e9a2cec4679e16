/// Comparison without regard to case: each UTF-16 unit by its simple upper case, whatever the locale.
package enum CaseFolding {
    package static func fold(_ text: String) -> [UInt16] { text.utf16.map(fold) }

    package static func equal(_ a: String, _ b: String) -> Bool {
        var (left, right) = (a.utf16.makeIterator(), b.utf16.makeIterator())
        while true {
            switch (left.next(), right.next()) {
            case (nil, nil): return true
            case (let x?, let y?): if x != y && fold(x) != fold(y) { return false }
            case (nil, _?), (_?, nil): return false
            }
        }
    }

    /// By UTF-16 units of the upper-cased texts.
    package static func precedes(_ a: String, _ b: String) -> Bool {
        a.utf16.lazy.map(fold).lexicographicallyPrecedes(b.utf16.lazy.map(fold))
    }

    package static func hasPrefix(_ text: String, _ part: String) -> Bool {
        text.utf16.lazy.map(fold).starts(with: part.utf16.lazy.map(fold))
    }

    package static func hasSuffix(_ text: String, _ part: String) -> Bool {
        text.utf16.reversed().lazy.map(fold).starts(with: part.utf16.reversed().lazy.map(fold))
    }

    /// Whether `part` stands in `text`. Time grows with the sum of their lengths (Knuth, Morris, Pratt, 1977).
    package static func contains(_ text: String, _ part: String) -> Bool {
        let wanted = fold(part)
        guard !wanted.isEmpty else { return true }
        // borders[i]: how long the longest beginning is that also ends wanted[...i], itself excluded.
        var borders = [Int](repeating: 0, count: wanted.count)
        var matched = 0
        for index in wanted.indices.dropFirst() {
            while matched > 0 && wanted[index] != wanted[matched] { matched = borders[matched - 1] }
            if wanted[index] == wanted[matched] { matched += 1 }
            borders[index] = matched
        }
        matched = 0
        for unit in text.utf16 {
            let unit = fold(unit)
            while matched > 0 && unit != wanted[matched] { matched = borders[matched - 1] }
            if unit == wanted[matched] { matched += 1 }
            if matched == wanted.count { return true }
        }
        return false
    }

    private static func fold(_ unit: UInt16) -> UInt16 {
        switch unit {
        case 0x61...0x7A: return unit - 0x20
        case 0..<0x80: return unit
        // Dotless i and long s have upper-case letters that are ASCII; they stay themselves.
        case 0x131, 0x17F: return unit
        default: break
        }
        guard let scalar = Unicode.Scalar(UInt32(unit)) else { return unit }
        // Where the full upper case is several letters (ᾳ: ΑΙ), the title case is the simple one, if there is one.
        for mapping in [scalar.properties.uppercaseMapping, scalar.properties.titlecaseMapping] {
            let units = mapping.utf16
            if units.count == 1, let only = units.first { return only }
        }
        return unit
    }
}
