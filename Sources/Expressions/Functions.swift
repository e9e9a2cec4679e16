import JSON
import Model

/// The functions of the language. `format` and `case` evaluate only what they need.
extension Evaluator {
    mutating func call(_ name: String, _ arguments: [Expression.Node]) throws(ExpressionError) -> Operand {
        switch name {
        case "format": return .string(try format(arguments))
        case "case": return try choose(arguments)
        default: break
        }
        var operands: [Operand] = []
        for argument in arguments { operands.append(try evaluate(argument)) }
        switch name {
        case "contains": return .boolean(Self.contains(operands[0], operands[1]))
        case "startsWith":
            return .boolean(Self.areScalar(operands) && CaseFolding.hasPrefix(operands[0].text, operands[1].text))
        case "endsWith":
            return .boolean(Self.areScalar(operands) && CaseFolding.hasSuffix(operands[0].text, operands[1].text))
        case "join": return .string(try join(operands))
        case "toJSON":
            var json = BoundedText(bytesMax: context.memoryMax)
            try Self.write(operands[0].value, indent: 0, into: &json)
            return .string(json.text)
        case "fromJSON": return try Self.read(operands[0].text)
        case "hashFiles":
            guard let hash = context.hashFiles else { throw .evaluation("hashFiles is not available here") }
            return .string(hash(operands.map(\.text)) ?? "")
        default:
            guard let status = context.status else { throw .evaluation("\(name)() is not available here") }
            return .boolean(status(name, operands.map(\.text)))
        }
    }

    private static func areScalar(_ operands: [Operand]) -> Bool { operands.allSatisfy(\.isScalar) }

    private static func contains(_ target: Operand, _ part: Operand) -> Bool {
        switch target {
        case .array(let instance): instance.items.contains { equal($0, part) }
        case .filtered(let items): items.contains { equal($0, part) }
        case .object: false
        case .null, .boolean, .number, .string: part.isScalar && CaseFolding.contains(target.text, part.text)
        }
    }

    private func join(_ operands: [Operand]) throws(ExpressionError) -> String {
        let items: [Operand]
        switch operands[0] {
        case .array(let instance): items = instance.items
        case .filtered(let filtered): items = filtered
        case .object: return ""
        case .null, .boolean, .number, .string: return operands[0].text
        }
        let separator = operands.count > 1 && operands[1].isScalar ? operands[1].text : ","
        var joined = BoundedText(bytesMax: context.memoryMax)
        for (index, item) in items.enumerated() {
            if index > 0 { try joined.append(separator) }
            try joined.append(item.text)
        }
        return joined.text
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

    // MARK: format

    /// The pattern is read to its end before any argument is evaluated.
    private mutating func format(_ arguments: [Expression.Node]) throws(ExpressionError) -> String {
        let pattern = try evaluate(arguments[0]).text
        let pieces = try FormatPattern.pieces(of: pattern, argumentCount: arguments.count - 1)
        var texts: [Int: String] = [:]
        var result = BoundedText(bytesMax: context.memoryMax)
        for piece in pieces {
            switch piece {
            case .literal(let text): try result.append(text)
            case .argument(let number, let specifiers):
                let known = texts[number]
                let operand = known == nil || !specifiers.isEmpty ? try evaluate(arguments[number + 1]) : nil
                guard specifiers.isEmpty else {
                    throw .evaluation(
                        "The format specifiers '\(specifiers)' are not valid for objects of type "
                            + "'\(operand?.kindName ?? "")'")
                }
                let text = known ?? operand?.text ?? ""
                texts[number] = text
                try result.append(text)
            }
        }
        return result.text
    }

    // MARK: JSON

    /// JSON inside an expression may nest this deep.
    private static let jsonDepthMax = 100

    private static func read(_ text: String) throws(ExpressionError) -> Operand {
        do throws(JSONError) {
            let value = try JSONParser.value(text, repeatedKeys: .keepAll, depthMax: jsonDepthMax)
            return Operand(value.withFirstKeys)
        } catch {
            throw .evaluation("Error parsing fromJSON: \(error)")
        }
    }

    /// Two spaces per level; numbers as the language prints them.
    private static func write(_ value: Value, indent: Int, into json: inout BoundedText) throws(ExpressionError) {
        func line(_ indent: Int) throws(ExpressionError) {
            try json.append("\n" + String(repeating: " ", count: indent))
        }
        switch value {
        case .null: try json.append("null")
        case .boolean, .number: try json.append(Conversion.text(of: value))
        case .string: try json.append(JSONWriter.text(value))
        case .array(let items):
            try json.append("[")
            for (index, item) in items.enumerated() {
                if index > 0 { try json.append(",") }
                try line(indent + 2)
                try write(item, indent: indent + 2, into: &json)
            }
            if !items.isEmpty { try line(indent) }
            try json.append("]")
        case .object(let members):
            try json.append("{")
            for (index, member) in members.enumerated() {
                if index > 0 { try json.append(",") }
                try line(indent + 2)
                try json.append(JSONWriter.text(.string(member.key)) + ": ")
                try write(member.value, indent: indent + 2, into: &json)
            }
            if !members.isEmpty { try line(indent) }
            try json.append("}")
        }
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
