import Expressions
import Model

/// Texts with expressions in them: parsed at their place, and checked against what the contexts hold there.
extension WorkflowReader {
    /// What a place takes from an expression that is all of its text.
    enum Taking {
        /// Written as text: a list or an object would be `Array` or `Object`.
        case text
        case anything
    }

    /// A scalar whose expressions are checked; the text as it stands.
    @discardableResult
    mutating func template(
        _ node: YAMLNode, _ what: String, in scope: ExpressionScope, taking: Taking = .text
    ) -> String? {
        guard let scalar = node.scalar else {
            error(node, "\(what) must be text, not \(node.kindName)", help: Self.textHelp(node))
            return nil
        }
        guard TemplateText.hasExpression(scalar.text) else {
            adviseOnVersion(node)
            return written(node, scalar)
        }
        do throws(ExpressionError) {
            let template = try TemplateText(scalar.text, in: scope)
            let before = diagnostics.count
            for expression in template.expressions where diagnostics.count < before + Self.advicePerTextMax {
                let type = check(expression, at: node, in: scope)
                if template.parts.count > 1 || taking == .text { adviseOnText(type, expression, at: node) }
            }
        } catch {
            let (mistakes, sound) = TemplateText.examined(scalar.text, in: scope)
            for mistake in mistakes.prefix(Self.advicePerTextMax) { report(mistake, in: node, scope) }
            // What is odd about the others is told at once, too.
            let before = diagnostics.count
            for expression in sound where diagnostics.count < before + Self.advicePerTextMax {
                _ = check(expression, at: node, in: scope)
            }
        }
        return scalar.text
    }

    /// Checks the expressions of a node and of all below it.
    mutating func templates(
        _ node: YAMLNode, _ what: String, in scope: ExpressionScope, taking: Taking = .anything
    ) {
        switch node.kind {
        case .scalar: template(node, what, in: scope, taking: taking)
        case .sequence(let items): for item in items { templates(item, what, in: scope, taking: taking) }
        case .mapping(let entries):
            for entry in entries {
                if TemplateText.hasExpression(entry.key), !TemplateText.isInsert(entry.key) {
                    template(entry.keyNode, "a key of \(what)", in: scope)
                }
                templates(entry.value, what, in: scope, taking: taking)
            }
        }
    }

    /// A scalar that is of one kind, or an expression.
    ///
    /// - Returns: the node when it is one of both.
    mutating func literal(
        _ node: YAMLNode, _ what: String, _ kind: String, in scope: ExpressionScope,
        help: String? = nil, _ isRight: (Value) -> Bool
    ) -> YAMLNode? {
        if let scalar = node.scalar, TemplateText.hasExpression(scalar.text) {
            template(node, what, in: scope)
            return node
        }
        guard node.scalar != nil, isRight(node.value) else {
            error(
                node, "\(what) must be \(kind), not \(node.told)",
                help: help ?? "write \(kind), without quotes, or compute it: ${{ … }}")
            return nil
        }
        return node
    }

    /// Minutes above 0, or an expression.
    mutating func minutes(_ node: YAMLNode, _ what: String, in scope: ExpressionScope = Scopes.jobCell) -> YAMLNode? {
        literal(node, what, "a number of minutes above 0", in: scope, help: "write a number: 30") {
            $0.number.map { $0 > 0 && $0.isFinite } ?? false
        }
    }

    /// The text of an `if`, checked.
    ///
    /// - Parameter key: what it is called.
    mutating func condition(_ node: YAMLNode, in scope: ExpressionScope, key: String = "if") -> String? {
        guard let scalar = node.scalar else {
            error(
                node, "'\(key)' must be an expression, not \(node.kindName)",
                help: "\(key): github.ref == 'refs/heads/main'")
            return nil
        }
        do throws(ExpressionError) {
            let condition = try Condition(scalar.text, in: scope)
            if condition.mixesText {
                warning(
                    .condition, node.position,
                    "this '\(key)' always holds: text around ${{ }} makes it a text",
                    help: "put all of it into one ${{ }}, without space or operators outside")
                template(node, "'\(key)'", in: scope)
            } else {
                for expression in condition.expressions { _ = check(expression, at: node, in: scope) }
                adviseOnConstant(condition, at: node, key)
            }
        } catch {
            report(error, in: node, scope)
        }
        return scalar.text
    }

    /// Reports what is odd about an expression, and says what it gives.
    private mutating func check(_ expression: Expression, at node: YAMLNode, in scope: ExpressionScope) -> ValueType {
        noteSecrets(of: expression, at: node, in: scope)
        if expression.references.contains(where: { $0.count >= 3 && $0[0] == "needs" && $0[2].lowercased() == "cells" })
        {
            readsCells = true
        }
        let (type, findings) = expression.check(types.fields(of: scope))
        for finding in findings {
            let place = place(of: finding.offset, in: node)
            if finding.context == "env", let name = finding.member {
                warning(
                    .unset, place, "nothing in this file sets '\(name)': it comes to nothing",
                    help: Spelling.nearest(to: name, among: types.env.map(\.name)).map { "did you mean '\($0)'?" }
                        ?? "define it under env, or write it to $GITHUB_ENV in an earlier step of the job")
                continue
            }
            if finding.isFatal, isSheaf { brokenExpressions += 1 }
            diagnostics.append(
                Diagnostic(
                    finding.isFatal && isSheaf ? .error : .warning, at: place, finding.message,
                    help: hint(for: finding) ?? finding.help
                        ?? "look at what the context holds here: docs/workflow-reference.md names it",
                    rule: finding.context == nil ? .expression : .member))
        }
        // That it comes to null was said.
        return type == .null && !findings.isEmpty ? .any : type
    }

    /// What the context itself can tell about a member that it lacks.
    private func hint(for finding: ExpressionFinding) -> String? {
        guard let member = finding.member else { return nil }
        if finding.context == "needs", types.jobs.member(member) != nil { return "add '\(member)' to this job's needs" }
        guard finding.help == nil else { return nil }
        switch finding.context {
        case "inputs": return "declare it under on: workflow_dispatch: or workflow_call: inputs:"
        case "matrix": return "the job's matrix does not define it"
        case "steps": return "no step before this one has that id"
        default: return nil
        }
    }

    private mutating func report(_ problem: ExpressionError, in node: YAMLNode, _ scope: ExpressionScope) {
        brokenExpressions += 1
        diagnostics.append(
            Diagnostic(
                at: place(of: problem.offset, in: node), problem.message, help: scope.help(for: problem)))
    }
}

extension ExpressionScope {
    /// What a mistake in an expression may have been meant for.
    func help(for problem: ExpressionError) -> String {
        guard let name = problem.unknownName else {
            return problem.message.contains("Unexpected symbol: '\"")
                ? "texts stand in single quotes: 'text'" : "\(problem.help)"
        }
        let known = problem.isAboutFunction ? functionNames : names
        if let near = Spelling.nearest(to: name, among: known) { return "did you mean '\(near)'?" }
        let contexts = ["secrets", "env", "matrix", "needs", "steps", "job", "runner", "strategy", "github", "jobs"]
        if !problem.isAboutFunction, contexts.contains(name.lowercased()) {
            return "'\(name)' does not exist at this place; here are \(known.joined(separator: ", "))"
        }
        return "known here are \(known.joined(separator: ", "))"
    }
}
