import Expressions
package import Model

extension Workflow {
    /// The group of a run as a whole; `nil` where the file names none, or its text is empty.
    package func concurrency(_ request: PlanRequest) throws(Mistakes) -> ConcurrencyGroup? {
        guard concurrencyNode != nil else { return nil }
        return try concurrency(in: try contexts(for: request))
    }

    /// - Parameter contexts: those of the run.
    func concurrency(in contexts: [Value.Member]) throws(Mistakes) -> ConcurrencyGroup? {
        guard let node = concurrencyNode else { return nil }
        var mistakes: [Diagnostic] = []
        let context = EvaluationContext(values: contexts)
        let group = ConcurrencyGroup(node) {
            NodeExpressions.value($0, in: context, Scopes.workflowConcurrency, &mistakes)
        }
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return group
    }
}

extension ConcurrencyGroup {
    /// What `concurrency` comes to; `nil` where its text is empty.
    ///
    /// - Parameter value: what a node comes to.
    init?(_ node: YAMLNode, value: (YAMLNode) -> Value?) {
        let text = value(node["group"] ?? node).map { Conversion.text(of: $0) } ?? ""
        let cancels = node["cancel-in-progress"].flatMap(value).map { Conversion.isTruthy($0) } ?? false
        let name = String(text.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(400))
        guard !name.isEmpty else { return nil }
        self.init(name: name, cancels: cancels)
    }
}
