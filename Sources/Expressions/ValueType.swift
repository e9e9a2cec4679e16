package import Model

/// What kind of value an expression gives, as far as its place tells before anything runs.
package indirect enum ValueType: Equatable, Sendable {
    case any
    case null
    case boolean
    case number
    case string
    /// A text that is one of these, whatever its case.
    case words([String])
    /// Its items' type.
    case array(ValueType)
    /// Named members; `others` is the type of members that are not named, `nil` when there are none.
    case object([Field], others: ValueType?)

    package struct Field: Equatable, Sendable {
        package var name: String
        package var type: ValueType
        package init(_ name: String, _ type: ValueType) {
            self.name = name
            self.type = type
        }
    }

    /// An object of which nothing is known.
    package static let open = ValueType.object([], others: .any)
    /// An object whose members are texts.
    package static let texts = ValueType.object([], others: .string)

    package static func record(_ fields: KeyValuePairs<String, ValueType>, others: ValueType? = nil) -> ValueType {
        .object(fields.map { Field($0.key, $0.value) }, others: others)
    }

    /// The type of a value that is known.
    package init(of value: Value) {
        switch value {
        case .null: self = .null
        case .boolean: self = .boolean
        case .number: self = .number
        case .string: self = .string
        case .array(let items):
            self = .array(ValueType.common(to: items.map { ValueType(of: $0) }))
        case .object(let members): self = .object(members.map { Field($0.key, ValueType(of: $0.value)) }, others: nil)
        }
    }

    /// What all of several types are; nothing is known of none.
    package static func common(to types: [ValueType]) -> ValueType {
        guard let first = types.first else { return .any }
        return types.dropFirst().reduce(first) { $0.joined(with: $1) }
    }

    /// What both are, where one of them is meant and nobody knows which.
    package func joined(with other: ValueType) -> ValueType {
        if self == other { return self }
        switch (self, other) {
        case (.words(let a), .words(let b)): return .words(a + b.filter { !a.contains($0) })
        case (.string, .words), (.words, .string): return .string
        case (.array(let a), .array(let b)): return .array(a.joined(with: b))
        case (.object(let a, let restA), .object(let b, let restB)):
            var fields = a
            for field in b {
                if let place = fields.firstIndex(where: { CaseFolding.equal($0.name, field.name) }) {
                    fields[place].type = fields[place].type.joined(with: field.type)
                } else {
                    fields.append(field)
                }
            }
            let rest: ValueType? =
                if let restA, let restB { restA.joined(with: restB) } else { restA ?? restB }
            return .object(fields, others: rest)
        default: return .any
        }
    }

    /// The member's type; `nil` when there is certainly none.
    package func member(_ name: String) -> ValueType? {
        switch self {
        case .any: .any
        case .object(let fields, let others): fields.first { CaseFolding.equal($0.name, name) }?.type ?? others
        case .null, .boolean, .number, .string, .words, .array: nil
        }
    }

    var isScalar: Bool {
        switch self {
        case .null, .boolean, .number, .string, .words: true
        case .any, .array, .object: false
        }
    }

    /// For messages: `a number`, `a list`, `an object`.
    package var named: String {
        switch self {
        case .any: "anything"
        case .null: "null"
        case .boolean: "a Boolean"
        case .number: "a number"
        case .string, .words: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }
}
