import Model

/// The text of an `if`: an expression, with or without `${{ }}` around it.
///
/// One that asks for no status is `success() && (…)`; an empty one is `success()`.
package struct Condition: Equatable, Sendable {
    /// What was written, trimmed, without `${{ }}`.
    package let expression: Expression
    /// Whether it calls success, failure, cancelled or always itself.
    package let asksForStatus: Bool
    /// Text stands beside a `${{ }}`, so the whole is a text and holds whatever the expression says. Surely a mistake.
    package let mixesText: Bool

    private static let statusFunctions: Set<String> = ["success", "failure", "cancelled", "always"]

    /// - Throws: `ExpressionError` whose offset counts from the beginning of `text`, in UTF-16 units.
    package init(_ text: String, in scope: ExpressionScope) throws(ExpressionError) {
        (expression, mixesText) = try Self.written(text, in: scope)
        asksForStatus = !expression.functions.isDisjoint(with: Self.statusFunctions)
        if !asksForStatus, !expression.source.isEmpty, scope.function("success") != nil {
            // What is evaluated in the end has the limits of an expression too.
            _ = try Expression("success() && (\(expression.source))", in: scope)
        }
    }

    /// What it reads and calls.
    package var expressions: [Expression] { [expression] }

    /// Where the context has no status, as when a run is planned, everything so far has succeeded.
    package func holds(in context: EvaluationContext) throws(ExpressionError) -> Bool {
        if !asksForStatus, let status = context.status, !status("success", []) { return false }
        if expression.source.isEmpty { return true }
        return Conversion.isTruthy(try expression.evaluate(in: context))
    }

    /// The one expression that a text stands for: all of it, what is between its braces, or the `format` of a mixture.
    private static func written(
        _ text: String, in scope: ExpressionScope
    ) throws(ExpressionError) -> (expression: Expression, mixesText: Bool) {
        if TemplateText.hasExpression(text) {
            let parsed = try TemplateText(text, in: scope)
            if parsed.parts.count == 1, let only = parsed.expressions.first { return (only, false) }
            return (try Expression(parsed.formatCall, in: scope), true)
        }
        let units = Array(text.utf16)
        let first = units.firstIndex { !Conversion.isSpace($0) } ?? units.endIndex
        let last = units.lastIndex { !Conversion.isSpace($0) } ?? first - 1
        do throws(ExpressionError) {
            var expression = try Expression(String(decoding: units[first..<(last + 1)], as: UTF16.self), in: scope)
            expression.offset = first
            return (expression, false)
        } catch {
            var error = error
            error.offset += first
            throw error
        }
    }
}
