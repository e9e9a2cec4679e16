import Expressions
import Model

extension ExpressionError {
    /// What to do about an expression that came to nothing.
    var help: String {
        let tried = "sheaf expr EXPRESSION --context FILE.json"
        if message.hasPrefix("Exceeded max expression") {
            return "compute a part of it before: by env, by an output of a step, or of another job"
        }
        return message.contains("JSON")
            ? "give fromJSON a text that is JSON, as '[1, 2]'; see what it gets by: \(tried)"
            : "try the expression by itself: \(tried)"
    }
}

/// Evaluates the expressions inside a node. They were checked when the file was read.
enum NodeExpressions {
    /// The node's value: a scalar that is one expression keeps its kind, a list's item that comes to a list is spliced
    /// in, `${{ insert }}` as a key merges a mapping.
    ///
    /// - Returns: `nil` for no node, and where a mistake was added.
    static func value(
        _ node: YAMLNode?, in context: EvaluationContext, _ scope: ExpressionScope, _ mistakes: inout [Diagnostic]
    ) -> Value? {
        guard let node else { return nil }
        switch node.kind {
        case .scalar(let scalar):
            guard scalar.text.contains("${{") else { return node.value }
            do throws(ExpressionError) {
                return try TemplateText(scalar.text, in: scope).evaluate(in: context)
            } catch {
                mistakes.append(Diagnostic(at: node.position, error.message, help: error.help))
                return nil
            }
        case .sequence(let items):
            var values: [Value] = []
            for item in items {
                guard let value = value(item, in: context, scope, &mistakes) else { return nil }
                if item.scalar?.text.contains("${{") == true, case .array(let inner) = value {
                    values += inner
                } else {
                    values.append(value)
                }
            }
            return .array(values)
        case .mapping(let entries):
            var members: [Value.Member] = []
            for entry in entries {
                guard let value = value(entry.value, in: context, scope, &mistakes) else { return nil }
                if entry.key.trimmingSpace == "${{ insert }}", case .object(let inner) = value {
                    members += inner
                } else {
                    members.append(.init(entry.key, value))
                }
            }
            return .object(members)
        }
    }

    /// Whether anything in the node is an expression, or has one in it.
    static func areIn(_ node: YAMLNode) -> Bool {
        switch node.kind {
        case .scalar(let scalar): TemplateText.hasExpression(scalar.text)
        case .sequence(let items): items.contains(where: areIn)
        case .mapping(let entries): entries.contains { TemplateText.hasExpression($0.key) || areIn($0.value) }
        }
    }

    /// Whether a node reads what is known only once a run has begun: the event, its inputs, the farm's variables, or
    /// what other jobs gave.
    static func readsTheRun(_ node: YAMLNode) -> Bool {
        references(of: node).contains { ["github", "inputs", "vars", "needs"].contains($0.first) }
    }

    /// What the expressions of a node read, for any scope.
    static func references(of node: YAMLNode) -> [[String]] {
        switch node.kind {
        case .scalar(let scalar):
            guard scalar.text.contains("${{"),
                // What does not parse was reported when the file was read.
                let template = try? TemplateText(scalar.text, in: Scopes.stepText)
            else { return [] }
            return template.expressions.flatMap(\.references)
        case .sequence(let items): return items.flatMap(references)
        case .mapping(let entries): return entries.flatMap { references(of: $0.value) }
        }
    }
}
