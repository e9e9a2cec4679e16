/// A pattern of `branches`, `tags` and `paths`: docs.github.com, filter pattern cheat sheet.
///
/// `*` is anything but `/`, `**` anything, `?` the character before it once or not at all, `+` once or more, `[a-z]`
/// one of several, `!` at the beginning takes out, `\` makes the next character plain.
package struct PathPattern: Equatable, Sendable {
    struct Mistake: Error, Equatable {
        var problem: String
    }

    private enum Repeat: Equatable { case once, optional, some, any }

    private enum Class: Equatable {
        case one(Unicode.Scalar)
        case set([ClosedRange<Unicode.Scalar>])
        case notSlash
        case anything
        /// Matches nothing itself: what follows up to a `/` may be left out.
        case folders

        func contains(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .one(let own): own == scalar
            case .set(let ranges): ranges.contains { $0.contains(scalar) }
            case .notSlash: scalar != "/"
            case .anything: true
            case .folders: false
            }
        }
    }

    private struct Element: Equatable {
        var what: Class
        var often: Repeat
    }

    package let source: String
    package let isNegative: Bool
    private var elements: [Element] = []

    /// Characters of one pattern.
    static let lengthMax = 4096

    init(_ source: String) throws(Mistake) {
        self.source = source
        var rest = Array(source.unicodeScalars)[...]
        guard rest.count <= Self.lengthMax else { throw Mistake(problem: "longer than \(Self.lengthMax) characters") }
        isNegative = rest.first == "!"
        if isNegative { rest.removeFirst() }
        guard !rest.isEmpty else { throw Mistake(problem: "nothing is left to match") }
        while let scalar = rest.popFirst() {
            switch scalar {
            case "*":
                let isDouble = rest.first == "*"
                if isDouble {
                    rest.removeFirst()
                    // `**/` also matches no folder at all.
                    if rest.first == "/", elements.last.map({ $0.what == .one("/") }) ?? true {
                        rest.removeFirst()
                        elements.append(Element(what: .folders, often: .optional))
                        elements.append(Element(what: .anything, often: .any))
                        elements.append(Element(what: .one("/"), often: .once))
                        continue
                    }
                }
                elements.append(Element(what: isDouble ? .anything : .notSlash, often: .any))
            case "?", "+":
                guard let last = elements.last, last.often == .once else {
                    throw Mistake(problem: "nothing stands before '\(scalar)' that it could repeat")
                }
                elements[elements.count - 1].often = scalar == "?" ? .optional : .some
            case "[": elements.append(Element(what: .set(try Self.set(&rest)), often: .once))
            case "\\":
                guard let next = rest.popFirst() else { throw Mistake(problem: "'\\' at the end") }
                elements.append(Element(what: .one(next), often: .once))
            default: elements.append(Element(what: .one(scalar), often: .once))
            }
        }
    }

    private static func set(
        _ rest: inout ArraySlice<Unicode.Scalar>
    ) throws(Mistake) -> [ClosedRange<Unicode.Scalar>] {
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while let scalar = rest.popFirst() {
            if scalar == "]" {
                guard !ranges.isEmpty else { throw Mistake(problem: "'[]' has nothing in it") }
                return ranges
            }
            var last = scalar
            if rest.first == "-", let end = rest.dropFirst().first, end != "]" {
                rest.removeFirst(2)
                last = end
            }
            guard scalar <= last else { throw Mistake(problem: "'\(scalar)-\(last)' runs backwards") }
            ranges.append(scalar...last)
        }
        throw Mistake(problem: "'[' is not closed")
    }

    /// Whether the whole name fits. Time grows with the product of both lengths, whatever the pattern.
    package func matches(_ name: String) -> Bool {
        // Which elements may come next, after what was read so far.
        var states = [Bool](repeating: false, count: elements.count + 1)
        states[0] = true
        skipOptional(&states)
        for scalar in name.unicodeScalars {
            var next = [Bool](repeating: false, count: elements.count + 1)
            for (index, element) in elements.enumerated() where states[index] && element.what.contains(scalar) {
                next[index + 1] = true
                if element.often == .some || element.often == .any { next[index] = true }
            }
            states = next
            skipOptional(&states)
            if !states.contains(true) { return false }
        }
        return states[elements.count]
    }

    private func skipOptional(_ states: inout [Bool]) {
        for (index, element) in elements.enumerated() where states[index] {
            if element.often == .optional || element.often == .any { states[index + 1] = true }
            if element.what == .folders { states[index + 3] = true }
        }
    }
}
