import JSON
package import Model

/// What an expression is evaluated against.
package struct EvaluationContext: Sendable {
    /// `github`, `matrix`, …: names with their values. Names ignore case.
    package var values: [Value.Member]
    /// `success`, `failure`, `cancelled`, `always` with the jobs they name; `nil` where there are none.
    package var status: (@Sendable (_ function: String, _ jobs: [String]) -> Bool)?
    /// The digest of the files that patterns match, in hexadecimal; `nil` where there are no files.
    package var hashFiles: (@Sendable (_ patterns: [String]) -> String?)?

    package init(
        values: [Value.Member], status: (@Sendable (String, [String]) -> Bool)? = nil,
        hashFiles: (@Sendable ([String]) -> String?)? = nil
    ) {
        self.values = values
        self.status = status
        self.hashFiles = hashFiles
    }
}

extension Expression {
    /// What the expression comes to.
    ///
    /// - Throws: `ExpressionError` of kind `evaluation`: a bad format string, JSON that is none, a predicate of `case`
    ///   that is no Boolean, more memory than `Limits.expressionMemoryMax`.
    package func evaluate(in context: EvaluationContext) throws(ExpressionError) -> Value {
        var evaluator = Evaluator(context: context)
        return try evaluator.evaluate(root).value
    }
}

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

struct Evaluator {
    private let context: EvaluationContext
    /// The contexts as instances, made when first asked for.
    private var names: [String: Operand] = [:]
    /// UTF-16 bytes of the texts made so far.
    private var memory = 0

    init(context: EvaluationContext) { self.context = context }

    mutating func evaluate(_ node: Expression.Node) throws(ExpressionError) -> Operand {
        switch node {
        case .literal(.null): return .null
        case .literal(.boolean(let flag)): return .boolean(flag)
        case .literal(.number(let number)): return .number(number)
        case .literal(.string(let text)): return .string(text)
        case .name(let name): return named(name)
        case .index(let base, .star): return Self.star(try evaluate(base))
        case .index(let base, .value(let index)):
            let target = try evaluate(base)
            return Self.index(target, by: try evaluate(index))
        case .call(let name, let arguments): return try call(name, arguments)
        case .not(let inner): return .boolean(!(try evaluate(inner).isTruthy))
        case .and(let parts):
            var last = Operand.null
            for part in parts {
                last = try evaluate(part)
                if !last.isTruthy { break }
            }
            return last
        case .or(let parts):
            var last = Operand.null
            for part in parts {
                last = try evaluate(part)
                if last.isTruthy { break }
            }
            return last
        case .compare(let comparison, let a, let b):
            let (left, right) = (try evaluate(a), try evaluate(b))
            return .boolean(Self.compare(comparison, left, right))
        }
    }

    private mutating func named(_ name: String) -> Operand {
        if let known = names[name] { return known }
        let folded = CaseFolding.fold(name)
        // Two spellings of one name are one instance.
        if let other = names.first(where: { CaseFolding.fold($0.key) == folded })?.value {
            names[name] = other
            return other
        }
        let value = context.values.first { CaseFolding.fold($0.key) == folded }?.value ?? .null
        let operand = Operand(value)
        names[name] = operand
        return operand
    }

    // MARK: indices

    private static func index(_ target: Operand, by index: Operand) -> Operand {
        if case .filtered(let items) = target { return .filtered(items.compactMap { member(of: $0, index) }) }
        return member(of: target, index) ?? .null
    }

    /// The member that an index names; `nil` where there is none.
    private static func member(of target: Operand, _ index: Operand) -> Operand? {
        guard index.isScalar else { return nil }
        switch target {
        case .object(let instance): return instance.places[CaseFolding.fold(index.text)].map { instance.items[$0] }
        case .array(let instance):
            let number = index.number.rounded(.down)
            guard number >= 0, number < Double(instance.items.count) else { return nil }
            return instance.items[Int(number)]
        case .filtered(let items):
            let number = index.number.rounded(.down)
            guard number >= 0, number < Double(items.count) else { return nil }
            return items[Int(number)]
        case .null, .boolean, .number, .string: return nil
        }
    }

    private static func star(_ target: Operand) -> Operand {
        switch target {
        case .array(let instance), .object(let instance): .filtered(instance.items)
        case .filtered(let items):
            .filtered(
                items.flatMap { item -> [Operand] in
                    switch item {
                    case .array(let instance), .object(let instance): instance.items
                    case .filtered(let inner): inner
                    case .null, .boolean, .number, .string: []
                    }
                })
        case .null, .boolean, .number, .string: .filtered([])
        }
    }

    // MARK: comparison

    private static func compare(_ comparison: Comparison, _ a: Operand, _ b: Operand) -> Bool {
        switch comparison {
        case .equal: equal(a, b)
        case .notEqual: !equal(a, b)
        case .less: ordered(a, b)
        case .lessOrEqual: equal(a, b) || ordered(a, b)
        case .greater: ordered(b, a)
        case .greaterOrEqual: equal(a, b) || ordered(b, a)
        }
    }

    static func equal(_ a: Operand, _ b: Operand) -> Bool {
        switch (a, b) {
        case (.array(let x), .array(let y)), (.object(let x), .object(let y)): x === y
        case (.null, _), (.boolean, _), (.number, _), (.string, _):
            b.isScalar && Conversion.looselyEqual(a.value, b.value)
        case (.array, _), (.object, _), (.filtered, _): false
        }
    }

    private static func ordered(_ a: Operand, _ b: Operand) -> Bool {
        switch (a, b) {
        case (.string(let x), .string(let y)): CaseFolding.fold(x).lexicographicallyPrecedes(CaseFolding.fold(y))
        case (.boolean(let x), .boolean(let y)): !x && y
        case (.null, .null): false
        default: a.isScalar && b.isScalar && a.number < b.number
        }
    }

    // MARK: functions

    private mutating func call(_ name: String, _ arguments: [Expression.Node]) throws(ExpressionError) -> Operand {
        switch name {
        case "format": return .string(try format(arguments))
        case "case": return try choose(arguments)
        default: break
        }
        var operands: [Operand] = []
        for argument in arguments { operands.append(try evaluate(argument)) }
        switch name {
        case "contains": return .boolean(Self.contains(operands[0], operands[1]))
        case "startsWith", "endsWith":
            guard operands[0].isScalar, operands[1].isScalar else { return .boolean(false) }
            let (text, part) = (CaseFolding.fold(operands[0].text), CaseFolding.fold(operands[1].text))
            return .boolean(
                name == "startsWith" ? text.starts(with: part) : text.reversed().starts(with: part.reversed()))
        case "join": return .string(try join(operands))
        case "toJSON": return .string(try account(JSONText.pretty(operands[0].value)))
        case "fromJSON":
            do throws(JSONError) {
                return Operand(
                    try JSONParser.value(operands[0].text, repeatedKeys: .keepAll, depthMax: 100).withFirstKeys)
            } catch {
                throw .evaluation("Error parsing fromJSON: \(error)")
            }
        case "hashFiles":
            guard let hash = context.hashFiles else { throw .evaluation("hashFiles is not available here") }
            return .string(hash(operands.map(\.text)) ?? "")
        default:
            guard let status = context.status else { throw .evaluation("\(name)() is not available here") }
            return .boolean(status(name, operands.map(\.text)))
        }
    }

    private mutating func account(_ text: String) throws(ExpressionError) -> String {
        memory += 26 + 2 * text.utf16.count
        guard memory <= Limits.expressionMemoryMax else {
            throw .evaluation("The maximum allowed memory size was exceeded")
        }
        return text
    }

    private static func contains(_ target: Operand, _ part: Operand) -> Bool {
        switch target {
        case .array(let instance): instance.items.contains { equal($0, part) }
        case .filtered(let items): items.contains { equal($0, part) }
        case .object: false
        case .null, .boolean, .number, .string:
            part.isScalar && isInside(CaseFolding.fold(part.text), CaseFolding.fold(target.text))
        }
    }

    private static func isInside(_ part: [UInt16], _ text: [UInt16]) -> Bool {
        guard let first = part.first else { return true }
        guard part.count <= text.count else { return false }
        return (0...text.count - part.count).contains { start in
            text[start] == first && text[start..<start + part.count].elementsEqual(part)
        }
    }

    private mutating func join(_ operands: [Operand]) throws(ExpressionError) -> String {
        let separator = operands.count > 1 && operands[1].isScalar ? operands[1].text : ","
        switch operands[0] {
        case .array(let instance): return try account(instance.items.map(\.text).joined(separator: separator))
        case .filtered(let items): return try account(items.map(\.text).joined(separator: separator))
        case .object: return ""
        case .null, .boolean, .number, .string: return operands[0].text
        }
    }

    private mutating func choose(_ arguments: [Expression.Node]) throws(ExpressionError) -> Operand {
        for index in stride(from: 0, to: arguments.count - 1, by: 2) {
            guard case .boolean(let holds) = try evaluate(arguments[index]) else {
                throw .evaluation("case predicate must evaluate to a boolean value")
            }
            if holds { return try evaluate(arguments[index + 1]) }
        }
        return try evaluate(arguments[arguments.count - 1])
    }

    private mutating func format(_ arguments: [Expression.Node]) throws(ExpressionError) -> String {
        let pattern = try evaluate(arguments[0]).text
        let units = Array(pattern.utf16)
        var texts: [Int: String] = [:]
        var result: [UInt16] = []
        var index = 0
        let invalid = ExpressionError.evaluation("The following format string is invalid: \(pattern)")
        while index < units.count {
            let unit = units[index]
            let isDoubled = index + 1 < units.count && units[index + 1] == unit
            switch unit {
            case 0x7B where !isDoubled:
                let digits = units[(index + 1)...].prefix { (0x30...0x39).contains($0) }
                let end = index + 1 + digits.count
                guard let number = Int(String(decoding: digits, as: UTF16.self)), number <= 255, end < units.count,
                    units[end] == 0x7D
                else { throw invalid }
                guard number + 1 < arguments.count else {
                    throw .evaluation(
                        "The following format string references more arguments than were supplied: \(pattern)")
                }
                if texts[number] == nil { texts[number] = try evaluate(arguments[number + 1]).text }
                result.append(contentsOf: (texts[number] ?? "").utf16)
                guard result.count * 2 <= Limits.expressionMemoryMax else {
                    throw .evaluation("The maximum allowed memory size was exceeded")
                }
                index = end
            case 0x7D where !isDoubled: throw invalid
            case 0x7B, 0x7D:
                result.append(unit)
                index += 1
            default: result.append(unit)
            }
            index += 1
        }
        return try account(String(decoding: result, as: UTF16.self))
    }
}

extension Value {
    /// The same value with each key, whatever its case, once: the first stays.
    fileprivate var withFirstKeys: Value {
        switch self {
        case .null, .boolean, .number, .string: return self
        case .array(let items): return .array(items.map(\.withFirstKeys))
        case .object(let members):
            var seen: Set<[UInt16]> = []
            return .object(
                members.filter { seen.insert(CaseFolding.fold($0.key)).inserted }
                    .map { Member($0.key, $0.value.withFirstKeys) })
        }
    }
}

/// JSON as `toJSON` writes it: two spaces, numbers as the language prints them.
enum JSONText {
    static func pretty(_ value: Value) -> String {
        var text = ""
        write(value, indent: 0, into: &text)
        return text
    }

    private static func write(_ value: Value, indent: Int, into text: inout String) {
        let inner = String(repeating: " ", count: indent + 2)
        switch value {
        case .null: text += "null"
        case .boolean, .number: text += Conversion.text(of: value)
        case .string(let string): text += JSONWriter.text(.string(string))
        case .array(let items):
            if items.isEmpty { text += "[]"; return }
            text += "[\n"
            for (index, item) in items.enumerated() {
                text += inner
                write(item, indent: indent + 2, into: &text)
                text += index + 1 < items.count ? ",\n" : "\n"
            }
            text += String(repeating: " ", count: indent) + "]"
        case .object(let members):
            if members.isEmpty { text += "{}"; return }
            text += "{\n"
            for (index, member) in members.enumerated() {
                text += inner + JSONWriter.text(.string(member.key)) + ": "
                write(member.value, indent: indent + 2, into: &text)
                text += index + 1 < members.count ? ",\n" : "\n"
            }
            text += String(repeating: " ", count: indent) + "}"
        }
    }
}
