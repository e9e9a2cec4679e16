import Expressions
package import Model

extension Workflow {
    /// The group that a run belongs to.
    package struct Concurrency: Equatable, Sendable {
        /// Without regard to case; not empty.
        package var group: String
        /// Whoever comes ends whoever goes on.
        package var cancels: Bool
    }

    /// The group of a run as a whole; `nil` where the file names none, or its text is empty.
    package func concurrency(_ request: PlanRequest) throws(Mistakes) -> Concurrency? {
        guard concurrencyNode != nil else { return nil }
        return try concurrency(in: try contexts(for: request))
    }

    /// - Parameter contexts: those of the run.
    func concurrency(in contexts: [Value.Member]) throws(Mistakes) -> Concurrency? {
        guard let node = concurrencyNode else { return nil }
        let context = EvaluationContext(values: contexts)
        guard let group = try Self.group(node, in: context, Scopes.workflowConcurrency) else { return nil }
        var mistakes: [Diagnostic] = []
        let cancels = NodeExpressions.value(
            node["cancel-in-progress"], in: context, Scopes.workflowConcurrency, &mistakes)
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return Concurrency(group: group, cancels: cancels.map { Conversion.isTruthy($0) } ?? false)
    }

    /// The group of one of its jobs, all of its cells together.
    ///
    /// - Parameter base: the contexts of the run.
    package func concurrencyGroup(
        ofJob index: Int, _ base: [Value.Member], _ request: PlanRequest, ended: @escaping (Int) -> NeededJob?
    ) throws(Mistakes) -> String? {
        guard let node = jobs[index].concurrency else { return nil }
        let values = try contexts(ofJob: index, base, request, ended: ended)
        return try Self.group(node, in: EvaluationContext(values: values), Scopes.jobCell)
    }

    private static func group(
        _ node: YAMLNode, in context: EvaluationContext, _ scope: ExpressionScope
    ) throws(Mistakes) -> String? {
        var mistakes: [Diagnostic] = []
        let value = NodeExpressions.value(node["group"] ?? node, in: context, scope, &mistakes)
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        let text = value.map { Conversion.text(of: $0) } ?? ""
        return text.isEmpty ? nil : String(text.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(400))
    }
}
