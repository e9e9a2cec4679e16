package import Model

/// A text that may hold `${{ }}`: one expression alone keeps its value's kind, else the whole becomes a string.
package struct TemplateText: Equatable, Sendable {
    package enum Part: Equatable, Sendable {
        case text(String)
        case expression(Expression)
    }

    package let parts: [Part]

    /// - Throws: `ExpressionError` whose offset counts UTF-16 units from the beginning of `text`.
    package init(_ text: String, in scope: ExpressionScope) throws(ExpressionError) {
        var parts: [Part] = []
        let units = Array(text.utf16)
        var position = 0
        while let start = Self.find("${{", in: units, from: position) {
            if start > position { parts.append(.text(Self.text(units[position..<start]))) }
            guard let end = Self.end(of: units, from: start + 3) else {
                throw ExpressionError(
                    kind: .parsing,
                    message: "The expression is not closed. An unescaped ${{ sequence was found, but the "
                        + "closing }} sequence was not found.", offset: start)
            }
            let inner = Self.text(units[(start + 3)..<end])
            guard inner.contains(where: { !$0.isWhitespace }) else {
                throw ExpressionError(kind: .parsing, message: "An expression was expected", offset: start)
            }
            do throws(ExpressionError) {
                parts.append(.expression(try Expression(inner.trimmingSpace, in: scope)))
            } catch {
                let lead = inner.utf16.prefix { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }.count
                throw ExpressionError(
                    kind: error.kind, message: error.message, offset: start + 3 + lead + error.offset)
            }
            position = end + 2
        }
        if position < units.count { parts.append(.text(Self.text(units[position...]))) }
        self.parts = parts
    }

    package var expressions: [Expression] {
        parts.compactMap { if case .expression(let expression) = $0 { expression } else { nil } }
    }

    package func evaluate(in context: EvaluationContext) throws(ExpressionError) -> Value {
        if parts.count == 1, case .expression(let only) = parts[0] { return try only.evaluate(in: context) }
        var text = ""
        for part in parts {
            switch part {
            case .text(let literal): text += literal
            case .expression(let expression): text += Conversion.text(of: try expression.evaluate(in: context))
            }
        }
        return .string(text)
    }

    private static func find(_ mark: String, in units: [UInt16], from start: Int) -> Int? {
        let mark = Array(mark.utf16)
        guard start + mark.count <= units.count else { return nil }
        return (start...(units.count - mark.count)).first { units[$0..<($0 + mark.count)].elementsEqual(mark) }
    }

    /// Where `}}` closes, strings passed over.
    private static func end(of units: [UInt16], from start: Int) -> Int? {
        var inString = false
        var index = start
        while index + 1 < units.count {
            if units[index] == 0x27 { inString.toggle() }
            if !inString, units[index] == 0x7D, units[index + 1] == 0x7D { return index }
            index += 1
        }
        return nil
    }

    private static func text(_ units: ArraySlice<UInt16>) -> String { String(decoding: units, as: UTF16.self) }
}

/// The text of an `if`: an expression with or without `${{ }}`, which means `success() && (…)` unless it asks for a
/// status itself.
package struct Condition: Equatable, Sendable {
    private let template: TemplateText
    /// Whether it calls success, failure, cancelled or always.
    package let asksForStatus: Bool

    /// - Parameter text: empty is `success()`.
    /// - Throws: `ExpressionError` whose offset counts from the beginning of `text`.
    package init(_ text: String, in scope: ExpressionScope) throws(ExpressionError) {
        if text.contains("${{") {
            template = try TemplateText(text, in: scope)
        } else {
            let lead = text.utf16.prefix { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }.count
            do throws(ExpressionError) {
                let expression = try Expression(text.trimmingSpace, in: scope)
                template = TemplateText(expression)
            } catch {
                throw ExpressionError(kind: error.kind, message: error.message, offset: lead + error.offset)
            }
        }
        let status: Set<String> = ["success", "failure", "cancelled", "always"]
        asksForStatus = template.expressions.contains { !$0.functions.isDisjoint(with: status) }
        isEmpty = text.trimmingSpace.isEmpty
    }

    private let isEmpty: Bool

    package var expressions: [Expression] { template.expressions }

    package func holds(in context: EvaluationContext) throws(ExpressionError) -> Bool {
        let succeeded = context.status?("success", []) ?? true
        if isEmpty { return succeeded }
        guard asksForStatus || succeeded else { return false }
        return Conversion.isTruthy(try template.evaluate(in: context))
    }
}

extension TemplateText {
    fileprivate init(_ expression: Expression) { parts = [.expression(expression)] }
}

extension String {
    /// Without the white space around it.
    package var trimmingSpace: String {
        var scalars = Substring(self).unicodeScalars
        while scalars.first?.properties.isWhitespace == true { scalars.removeFirst() }
        while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
        return String(scalars)
    }
}
