import Model

/// A value while it is worked with: arrays and objects know which instance they are, and filtered arrays what they are.
enum Operand {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array(Instance)
    case object(Instance)
    /// What `.*` gives: further indices apply to each item.
    case filtered([Operand])

    /// An array or an object. The same place of the same context is the same instance.
    final class Instance {
        let value: Value
        private(set) lazy var items: [Operand] = (value.array ?? value.members?.map(\.value) ?? []).map(Operand.init)
        private(set) lazy var places: [[UInt16]: Int] = Dictionary(
            (value.members ?? []).enumerated().map { (CaseFolding.fold($0.element.key), $0.offset) }
        ) { first, _ in first }

        init(_ value: Value) { self.value = value }
    }

    init(_ value: Value) {
        switch value {
        case .null: self = .null
        case .boolean(let flag): self = .boolean(flag)
        case .number(let number): self = .number(number)
        case .string(let text): self = .string(text)
        case .array: self = .array(Instance(value))
        case .object: self = .object(Instance(value))
        }
    }

    var value: Value {
        switch self {
        case .null: .null
        case .boolean(let flag): .boolean(flag)
        case .number(let number): .number(number)
        case .string(let text): .string(text)
        case .array(let instance), .object(let instance): instance.value
        case .filtered(let items): .array(items.map(\.value))
        }
    }

    var kindName: String { value.kindName }

    var isScalar: Bool {
        switch self {
        case .null, .boolean, .number, .string: true
        case .array, .object, .filtered: false
        }
    }

    var isTruthy: Bool {
        switch self {
        case .null: false
        case .boolean(let flag): flag
        case .number(let number): number != 0 && !number.isNaN
        case .string(let text): !text.isEmpty
        case .array, .object, .filtered: true
        }
    }

    var text: String {
        switch self {
        case .null, .boolean, .number, .string: Conversion.text(of: value)
        case .array, .filtered: "Array"
        case .object: "Object"
        }
    }

    var number: Double { isScalar ? Conversion.number(of: value) : .nan }
}
