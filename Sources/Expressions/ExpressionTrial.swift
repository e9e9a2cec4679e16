import JSON
package import Model

/// What `sheaf expr` answers: an expression tried against contexts that stand in JSON.
package enum ExpressionTrial {
    /// `{"kind":…,"value":…}` or `{"error":…}`. The names that the expression may use are the contexts' keys.
    package static func answer(_ source: String, contexts: Value) -> String {
        do throws(ExpressionError) {
            let members = contexts.members ?? []
            let scope = ExpressionScope(
                names: members.map(\.key),
                functions: ["success", "failure", "cancelled", "always"].map {
                    .init($0, 0, ExpressionScope.argumentsMax)
                })
            // Tried alone, everything so far has succeeded.
            let status = ExpressionStatus.step(jobSoFar: .success)
            var context = EvaluationContext(values: members, status: { status($0, $1) })
            context.memoryMax = Limits.expressionTrialMemoryMax
            return answer(try Expression(source, in: scope).evaluate(in: context))
        } catch {
            return refusal(error.message)
        }
    }

    /// One line of `sheaf expr --jsonl`: `{"expr": …, "contexts": {…}}`.
    package static func answer(line: [UInt8]) -> String {
        do throws(JSONError) {
            let request = try JSONParser.parse(line, depthMax: lineDepthMax).value
            guard let source = request["expr"]?.string else { return refusal("the line has no text \"expr\"") }
            let contexts = request["contexts"] ?? .object([])
            guard contexts.members != nil else { return refusal("\"contexts\" is no object") }
            return answer(source, contexts: contexts)
        } catch {
            return refusal("the line is no JSON: \(error)")
        }
    }

    private static let lineDepthMax = 100

    private static func answer(_ value: Value) -> String {
        JSONWriter.text(["kind": .string(value.kindName), "value": value])
    }

    private static func refusal(_ message: String) -> String { JSONWriter.text(["error": .string(message)]) }
}
