package import Expressions

/// Which contexts and functions each place of a workflow has (GitHub's workflow-v1.0.json).
package enum Scopes {
    private static let run = ["github", "inputs", "vars"]
    private static let status =
        ["success", "failure"].map { ExpressionScope.Function($0, 0, 255) }
        + ["cancelled", "always"].map { ExpressionScope.Function($0, 0, 0) }
    private static let stepStatus = ["success", "failure", "cancelled", "always"].map {
        ExpressionScope.Function($0, 0, 0)
    }
    private static let hashFiles = ExpressionScope.Function("hashFiles", 1, 255)
    private static let cell = run + ["needs", "strategy", "matrix"]
    private static let step = cell + ["steps", "job", "runner", "env"]

    package static let runName = ExpressionScope(names: run)
    package static let workflowConcurrency = ExpressionScope(names: run)
    package static let workflowEnvironment = ExpressionScope(names: run + ["secrets"])
    package static let callInput = ExpressionScope(names: run)
    package static let callOutput = ExpressionScope(names: run + ["jobs"])
    package static let strategy = ExpressionScope(names: run + ["needs"])
    package static let jobCondition = ExpressionScope(names: run + ["needs"], functions: status)
    /// Under `sheaf: 1`.
    package static let jobConditionWithMatrix = ExpressionScope(names: run + ["needs", "matrix"], functions: status)
    package static let jobCell = ExpressionScope(names: cell)
    package static let jobEnvironment = ExpressionScope(names: cell + ["secrets"])
    package static let jobDefaults = ExpressionScope(names: cell + ["env"])
    package static let containerSecret = ExpressionScope(names: cell + ["secrets", "env"])
    package static let environmentAddress = ExpressionScope(names: cell + ["steps", "job", "runner", "env"])
    package static let stepCondition = ExpressionScope(names: step, functions: stepStatus + [hashFiles])
    package static let stepText = ExpressionScope(names: step + ["secrets"], functions: [hashFiles])
    private static let action = ["github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"]
    package static let actionCondition = ExpressionScope(names: action, functions: stepStatus + [hashFiles])
    package static let actionText = ExpressionScope(names: action, functions: [hashFiles])
    package static let jobOutputs = ExpressionScope(names: step + ["secrets"], functions: [hashFiles])
}
