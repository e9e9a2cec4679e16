import Expressions
package import Model

extension Workflow {
    /// The group of a run as a whole; `nil` where the file names none, or its text is empty.
    package func concurrency(_ request: PlanRequest) throws(Mistakes) -> ConcurrencyGroup? {
        guard concurrencyNode != nil else { return nil }
        return try concurrency(in: try contexts(for: request))
    }

    /// The groups of the calls that a job is made by, the outermost first: of each the calling job's, then the called file's.
    ///
    /// - Parameter isResolved: all that the job needs has ended; else nothing is said of a group that reads that.
    func callGroups(of job: JobSource, _ around: Surroundings, isResolved: Bool) throws(Mistakes) -> [CallGroup] {
        var groups: [CallGroup] = []
        var mistakes: [Diagnostic] = []
        for call in callers(of: job) {
            let (caller, file) = (calls[call].caller, calls[call].workflow)
            func add(_ node: YAMLNode, _ contexts: [Value.Member], in scope: ExpressionScope) {
                let read = NodeExpressions.references(of: node).compactMap(\.first)
                guard isResolved || !read.contains("needs") && !(read.contains("inputs") && hasLateInputs(call)) else {
                    return
                }
                let context = EvaluationContext(values: contexts)
                let group = ConcurrencyGroup(node) { NodeExpressions.value($0, in: context, scope, &mistakes) }
                if let group { groups.append(CallGroup(call: call, title: caller.title, group: group)) }
            }
            if let node = caller.concurrency { add(node, try callerContexts(call, around), in: Scopes.jobCell) }
            if let node = file.concurrencyNode {
                add(node, try contexts(in: call, around), in: Scopes.workflowConcurrency)
            }
        }
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return groups
    }

    /// The calls that a job is made by, the outermost first.
    private func callers(of job: JobSource) -> [Int] {
        var found: [Int] = []
        var call = job.caller
        while let one = call {
            found.append(one)
            call = calls[one].caller.caller
        }
        return found.reversed()
    }

    /// Those of them that have groups.
    func groupedCalls(of job: JobSource) -> [Int] {
        callers(of: job).filter {
            calls[$0].caller.concurrency != nil || calls[$0].workflow.concurrencyNode != nil
        }
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
        let queues = node["queue"]?.scalar?.text == "max"
        let name = String(text.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(400))
        guard !name.isEmpty else { return nil }
        self.init(name: name, cancels: cancels && !queues, queues: queues)
    }
}
