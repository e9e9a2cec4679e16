/// Which versions a text names, as `actions/setup-python` reads `python-version`: node-semver's ranges over three numbers.
///
/// `3`, `3.11`, `3.11.x`, `3.11.7` · `>=3.9 <3.12` · `3.9 - 3.11` · `^3.9`, `~3.9` · alternatives with `||`. `3.14-dev` is any
/// `3.14`. Source: the README of node-semver, "Ranges" and "Advanced Range Syntax".
package struct VersionRange: Hashable, Sendable {
    /// Versions from `lower` and below `upper`.
    private struct Bounds: Hashable, Sendable {
        var lower: [Int] = [0, 0, 0]
        /// `nil`: no bound.
        var upper: [Int]?

        func contains(_ version: [Int]) -> Bool {
            !version.lexicographicallyPrecedes(lower) && upper.map { version.lexicographicallyPrecedes($0) } ?? true
        }

        func intersected(with other: Self) -> Self {
            let upper =
                switch (upper, other.upper) {
                case (let a?, let b?): a.lexicographicallyPrecedes(b) ? a : b
                case (let bound, nil), (nil, let bound): bound
                }
            return Self(lower: lower.lexicographicallyPrecedes(other.lower) ? other.lower : lower, upper: upper)
        }
    }

    private static let numberMax = 100_000

    private var alternatives: [Bounds]

    /// What no version is in.
    package static let none = VersionRange(alternatives: [])

    private init(alternatives: [Bounds]) { self.alternatives = alternatives }

    /// - Returns: `nil` for a text that is no range.
    package init?(_ text: some StringProtocol) {
        alternatives = []
        let parts = Self.split(text, at: "||")
        guard parts.count <= 32 else { return nil }
        for part in parts {
            guard let bounds = Self.bounds(of: part) else { return nil }
            alternatives.append(bounds)
        }
    }

    /// - Parameter version: `3.11.7`; what follows the digits of a part (`0rc1`) is not looked at, missing parts are 0.
    package func contains(_ version: some StringProtocol) -> Bool {
        var numbers = version.split(separator: ".").prefix(3).map { Int($0.prefix { $0.isNumber }) ?? 0 }
        while numbers.count < 3 { numbers.append(0) }
        return alternatives.contains { $0.contains(numbers) }
    }

    /// Comparators side by side, or `A - B`.
    private static func bounds(of text: Substring) -> Bounds? {
        var words = text.split(whereSeparator: \.isWhitespace)
        guard !words.isEmpty, words.count <= 16 else { return nil }
        if words.count == 3, words[1] == "-" {
            guard let from = partial(words[0]), let to = partial(words[2]) else { return nil }
            return Bounds(lower: filled(from), upper: to.isEmpty ? nil : next(to))
        }
        // `>= 3.9` is one comparator.
        var joined: [Substring] = []
        while !words.isEmpty {
            let word = words.removeFirst()
            if word.allSatisfy({ "<>=^~".contains($0) }), !words.isEmpty {
                joined.append(Substring(word + words.removeFirst()))
            } else {
                joined.append(word)
            }
        }
        var bounds = Bounds()
        for word in joined {
            guard let one = comparator(word) else { return nil }
            bounds = bounds.intersected(with: one)
        }
        return bounds
    }

    private static func comparator(_ word: Substring) -> Bounds? {
        let operation = word.prefix { "<>=^~".contains($0) }
        guard let version = partial(word.dropFirst(operation.count)) else { return nil }
        let low = filled(version)
        // Nothing given: any version.
        guard !version.isEmpty else { return ["", "=", "^", "~", ">=", "<="].contains(operation) ? Bounds() : nil }
        switch operation {
        case "", "=", "==": return Bounds(lower: low, upper: next(version))
        case ">=": return Bounds(lower: low)
        case ">": return Bounds(lower: next(version))
        case "<": return Bounds(upper: low)
        case "<=": return Bounds(upper: next(version))
        case "~", "~>": return Bounds(lower: low, upper: next(Array(version.prefix(2))))
        case "^":
            // Up to the next change of the first part that is not 0.
            let first = version.firstIndex { $0 != 0 } ?? version.count - 1
            return Bounds(lower: low, upper: next(Array(version.prefix(first + 1))))
        default: return nil
        }
    }

    /// `3`, `3.x`, `3.11.7`, `3.14-dev`: the numbers that are given. `nil` for what is no version.
    private static func partial(_ word: Substring) -> [Int]? {
        var word = word
        if word.hasSuffix("-dev") { word = word.dropLast(4) }
        if word.hasPrefix("v") { word = word.dropFirst() }
        let parts = word.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...3).contains(parts.count) else { return nil }
        var numbers: [Int] = []
        var isOpen = false
        for part in parts {
            if part == "x" || part == "X" || part == "*" {
                isOpen = true
            } else {
                guard !isOpen, !part.isEmpty, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                    let number = Int(part), number <= numberMax
                else { return nil }
                numbers.append(number)
            }
        }
        return numbers
    }

    private static func filled(_ version: [Int]) -> [Int] {
        version + Array(repeating: 0, count: 3 - version.count)
    }

    /// The first version that does not begin with these numbers.
    private static func next(_ version: [Int]) -> [Int] {
        var version = version
        version[version.count - 1] += 1
        return filled(version)
    }

    private static func split(_ text: some StringProtocol, at mark: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = Substring(text)
        while let place = rest.firstRange(of: mark) {
            parts.append(rest[..<place.lowerBound])
            rest = rest[place.upperBound...]
        }
        return parts + [rest]
    }
}

extension Substring {
    /// Where a short text begins and ends in this one, first from the left.
    fileprivate func firstRange(of mark: String) -> Range<Index>? {
        var place = startIndex
        while place < endIndex {
            if self[place...].hasPrefix(mark) { return place..<index(place, offsetBy: mark.count) }
            place = index(after: place)
        }
        return nil
    }
}
