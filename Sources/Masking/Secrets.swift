/// The values that must not be seen, ready to be looked for. A value: copies are cheap and share what was prepared.
package struct Secrets: Sendable {
    /// One value, in bytes.
    package static let valueBytesMax = 64 << 10
    /// Values in all.
    package static let valuesMax = 1_000
    /// All spellings of all values together, in bytes.
    package static let formBytesMax = 8 << 20
    /// A value shorter than this masks much that is harmless: worth a warning.
    package static let comfortableBytesMin = 4

    /// What came of adding a value.
    package enum Addition: Equatable, Sendable {
        case added
        /// It is masked, but so short that much else will be too.
        case addedThoughShort
        /// Nothing but space, or nothing but the asterisks that masks are made of.
        case ignored
        /// A limit is reached, and the value would be seen: whoever added it must stop.
        case refused(limit: String)
    }

    private var values: Set<[UInt8]> = []
    private var forms: Set<[UInt8]> = []
    private var formBytes = 0
    private(set) var automaton = Automaton([])

    package init() {}

    package var isEmpty: Bool { forms.isEmpty }

    package mutating func add(_ value: String) -> Addition { add([Array(value.utf8)])[0] }

    /// Adds several values at once, which is cheaper than one after the other.
    package mutating func add(_ values: [[UInt8]]) -> [Addition] {
        let before = forms.count
        let additions = values.map { take($0) }
        if forms.count != before { automaton = Automaton(forms.sorted { $0.lexicographicallyPrecedes($1) }) }
        return additions
    }

    private mutating func take(_ value: [UInt8]) -> Addition {
        guard value.contains(where: { $0 != UInt8(ascii: "*") && $0 != 0x20 && !(0x09...0x0D).contains($0) }) else {
            return .ignored
        }
        guard !values.contains(value) else { return .added }
        guard value.count <= Self.valueBytesMax else {
            return .refused(limit: "\(Self.valueBytesMax) bytes in a value")
        }
        guard values.count < Self.valuesMax else { return .refused(limit: "\(Self.valuesMax) values") }
        let new = SecretForms.all(of: value).filter { !forms.contains($0) }
        let bytes = new.reduce(0) { $0 + $1.count }
        guard formBytes + bytes <= Self.formBytesMax else {
            return .refused(limit: "\(Self.formBytesMax) bytes in all values and their encodings")
        }
        values.insert(value)
        forms.formUnion(new)
        formBytes += bytes
        return value.count < Self.comfortableBytesMin ? .addedThoughShort : .added
    }

    /// A whole text with everything that must not be seen replaced by `***`.
    package func masked(_ text: String) -> String {
        guard !isEmpty else { return text }
        var masker = Masker(self)
        return String(decoding: masker.write(Array(text.utf8)) + masker.finish(), as: UTF8.self)
    }
}
