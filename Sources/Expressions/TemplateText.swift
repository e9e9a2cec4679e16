package import Model

/// A text of a workflow with the `${{ }}` in it parsed.
///
/// One expression and nothing else keeps its type; every other mixture is a string. The limits are those of the
/// `format('…{0}…', …)` that GitHub makes of a mixture.
package struct TemplateText: Equatable, Sendable {
    package enum Part: Equatable, Sendable {
        case text(String)
        case expression(Expression)
    }

    package let source: String
    package let parts: [Part]

    /// - Throws: `ExpressionError` whose offset counts from the beginning of `source`, in UTF-16 units.
    package init(_ source: String, in scope: ExpressionScope) throws(ExpressionError) {
        self.source = source
        var cutter = Cutter(source)
        var parts: [Part] = []
        while let piece = try cutter.next() {
            guard parts.count <= 2 * ExpressionScope.argumentsMax else { throw Self.tooMany }
            switch piece {
            case .literal(let text): parts.append(.text(text))
            case .expression(let text, let offset):
                do throws(ExpressionError) {
                    var expression = try Expression(text, in: scope)
                    expression.offset = offset
                    parts.append(.expression(expression))
                } catch {
                    var error = error
                    error.offset += offset
                    throw error
                }
            }
        }
        self.parts = parts
        try checkLimits()
    }

    /// What is wrong with the expressions of a text, each of them once, and those that can be read all the same; no mistakes
    /// for a text that `init` takes.
    package static func examined(
        _ source: String, in scope: ExpressionScope
    ) -> (mistakes: [ExpressionError], sound: [Expression]) {
        var cutter = Cutter(source)
        var found: [ExpressionError] = []
        var sound: [Expression] = []
        do throws(ExpressionError) {
            while let piece = try cutter.next(), found.count < ExpressionScope.argumentsMax {
                guard case .expression(let text, let offset) = piece else { continue }
                do throws(ExpressionError) {
                    var expression = try Expression(text, in: scope)
                    expression.offset = offset
                    if sound.count < ExpressionScope.argumentsMax { sound.append(expression) }
                } catch {
                    var error = error
                    error.offset += offset
                    found.append(error)
                }
            }
            if found.isEmpty { _ = try TemplateText(source, in: scope) }
        } catch {
            found.append(error)
        }
        return (found, sound)
    }

    /// Whether a text has an expression in it, or begins one.
    package static func hasExpression(_ text: String) -> Bool { Cutter(text).hasOpening }

    /// Whether a key is `${{ insert }}`, which merges a mapping into the one it stands in.
    package static func isInsert(_ key: String) -> Bool {
        var cutter = Cutter(key)
        // A text that is badly cut is no directive; whoever parses it reports it.
        guard case .expression("insert", _)? = try? cutter.next() else { return false }
        return cutter.isAtEnd
    }

    /// The text when there is no expression in it; `nil` otherwise.
    package var literal: String? {
        switch parts.count {
        case 0: return ""
        case 1:
            guard case .text(let text) = parts[0] else { return nil }
            return text
        default: return nil
        }
    }

    package var expressions: [Expression] {
        parts.compactMap { if case .expression(let expression) = $0 { expression } else { nil } }
    }

    /// What its expressions read; see `Expression.references`.
    package var references: [[String]] { expressions.flatMap(\.references) }
    /// The functions that its expressions call, lower-cased.
    package var functions: Set<String> { expressions.reduce(into: []) { $0.formUnion($1.functions) } }

    /// What the text comes to: the value of its only expression, or a string.
    package func evaluate(in context: EvaluationContext) throws(ExpressionError) -> Value {
        if parts.count == 1, case .expression(let only) = parts[0] { return try only.evaluate(in: context) }
        var text = ""
        for part in parts {
            switch part {
            case .text(let literal): text += literal
            case .expression(let expression): text += Conversion.text(of: try expression.evaluate(in: context))
            }
            guard text.utf16.count * 2 <= context.memoryMax else { throw .outOfMemory }
        }
        return .string(text)
    }

    /// The value as text; arrays and objects are `Array` and `Object`.
    package func text(in context: EvaluationContext) throws(ExpressionError) -> String {
        Conversion.text(of: try evaluate(in: context))
    }

    /// The call that GitHub makes of a mixture: `format('text {0}', …)`.
    var formatCall: String {
        var pattern = ""
        var arguments = ""
        var number = 0
        for part in parts {
            switch part {
            case .text(let text):
                for scalar in text.unicodeScalars {
                    if scalar == "'" || scalar == "{" || scalar == "}" { pattern.unicodeScalars.append(scalar) }
                    pattern.unicodeScalars.append(scalar)
                }
            case .expression(let expression):
                pattern += "{\(number)}"
                arguments += ", \(expression.source)"
                number += 1
            }
        }
        return "format('\(pattern)'\(arguments))"
    }

    private static var tooMany: ExpressionError {
        ExpressionError(
            kind: .parsing, message: "More than \(ExpressionScope.argumentsMax - 1) expressions in one text", offset: 0)
    }

    private func checkLimits() throws(ExpressionError) {
        let expressions = expressions
        guard parts.count > 1 else { return }
        guard formatCall.utf16.count <= Limits.expressionCharactersMax else { throw .tooLong }
        guard expressions.count < ExpressionScope.argumentsMax else { throw Self.tooMany }
        guard expressions.allSatisfy({ $0.depth < Limits.expressionDepthMax }) else { throw .tooDeep }
    }
}

extension String {
    /// Without the white space around it.
    package var trimmingSpace: String { Conversion.trim(self) }
}

/// Cuts a text at `${{` and its `}}`; a brace inside a string of the expression does not close it.
private struct Cutter {
    enum Piece {
        case literal(String)
        /// Trimmed; the offset is where the trimmed text begins, in UTF-16 units.
        case expression(String, offset: Int)
    }

    private let units: [UInt16]
    private var position = 0

    init(_ text: String) { units = Array(text.utf16) }

    var hasOpening: Bool { opening(from: 0) != nil }
    var isAtEnd: Bool { position == units.count }

    mutating func next() throws(ExpressionError) -> Piece? {
        guard position < units.count else { return nil }
        guard let start = opening(from: position) else {
            defer { position = units.count }
            return .literal(text(position, units.count))
        }
        if start > position {
            defer { position = start }
            return .literal(text(position, start))
        }
        guard let end = closing(from: start + 3) else {
            throw ExpressionError(
                kind: .parsing, message: "The expression is not closed: '${{' stands without its '}}'", offset: start)
        }
        position = end + 2
        var (first, last) = (start + 3, end)
        while first < last, Conversion.isSpace(units[first]) { first += 1 }
        while first < last, Conversion.isSpace(units[last - 1]) { last -= 1 }
        guard first < last else {
            throw ExpressionError(kind: .parsing, message: "An expression was expected", offset: start)
        }
        return .expression(text(first, last), offset: first)
    }

    private func opening(from start: Int) -> Int? {
        var index = start
        while index + 2 < units.count {
            if units[index] == 0x24, units[index + 1] == 0x7B, units[index + 2] == 0x7B { return index }
            index += 1
        }
        return nil
    }

    private func closing(from start: Int) -> Int? {
        var isInString = false
        var index = start
        while index < units.count {
            switch units[index] {
            case 0x27: isInString.toggle()
            case 0x7D where !isInString && index + 1 < units.count && units[index + 1] == 0x7D: return index
            default: break
            }
            index += 1
        }
        return nil
    }

    private func text(_ start: Int, _ end: Int) -> String { String(decoding: units[start..<end], as: UTF16.self) }
}
