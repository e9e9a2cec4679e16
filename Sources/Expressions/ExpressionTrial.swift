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
                functions: ["success", "failure", "cancelled", "always"].map { .init($0, 0, 255) })
            // Tried alone, everything so far has succeeded.
            let context = EvaluationContext(
                values: members, status: { name, _ in name == "success" || name == "always" })
            return answer(try Expression(source, in: scope).evaluate(in: context))
        } catch {
            return refusal(error.message)
        }
    }

    /// One line of `sheaf expr --jsonl`: `{"expr": …, "contexts": {…}}`.
    package static func answer(line: [UInt8]) -> String {
        do throws(JSONError) {
            let request = try JSONParser.parse(line, depthMax: 100).value
            guard let source = request["expr"]?.string else { return refusal("the line has no text \"expr\"") }
            return answer(source, contexts: request["contexts"] ?? .object([]))
        } catch {
            return refusal("the line is no JSON: \(error)")
        }
    }

    private static func answer(_ value: Value) -> String {
        let kind =
            switch value {
            case .null: "Null"
            case .boolean: "Boolean"
            case .number: "Number"
            case .string: "String"
            case .array: "Array"
            case .object: "Object"
            }
        return JSONWriter.text(["kind": .string(kind), "value": value])
    }

    private static func refusal(_ message: String) -> String { JSONWriter.text(["error": .string(message)]) }
}
