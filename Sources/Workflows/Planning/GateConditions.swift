import Expressions
package import Model

extension Workflow {
    /// What the `when` of each gate comes to, by the gate's name. One that asks for more than `contexts` tells (the
    /// outcome of jobs, when that is not known) has no answer, which makes its gate incomplete.
    ///
    /// - Parameter ancestors: how the run's jobs ended; `nil` where nobody knows.
    package func gateConditions(_ request: PlanRequest, ancestors: [NeededJob]?) throws(Mistakes) -> [String: Bool] {
        let ancestors = ancestors.map { named(among: $0, request) }
        let needs = (ancestors ?? []).map(\.context)
        let contexts = try contexts(for: request) + [.init("needs", .object(needs))]
        var answers: [String: Bool] = [:]
        var mistakes: [Diagnostic] = []
        for gate in gates {
            guard let text = gate.when else { continue }
            do throws(ExpressionError) {
                let condition = try Condition(text, in: Scopes.jobCondition)
                let readsNeeds = condition.expressions.contains { $0.references.contains { $0.first == "needs" } }
                guard ancestors != nil || !readsNeeds && !condition.asksForStatus else { continue }
                let status: @Sendable (String, [String]) -> Bool = { function, named in
                    let asked = (ancestors ?? []).filter { named.isEmpty || named.contains($0.id) }
                    return switch function {
                    case "always": true
                    case "cancelled": asked.contains { $0.outcome == .cancelled }
                    case "failure": asked.contains { $0.outcome == .failure }
                    // A gate judges what failed too: unless its `when` asks, it does not wait for success.
                    default: named.isEmpty && !condition.asksForStatus || asked.allSatisfy { $0.outcome == .success }
                    }
                }
                answers[gate.name] = try condition.holds(in: EvaluationContext(values: contexts, status: status))
            } catch {
                mistakes.append(Diagnostic(at: gate.position, "'when': \(error.message)", help: error.help))
            }
        }
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return answers
    }
}

extension Plan {
    /// What had to report, for results that come without a header.
    package var expectedJobs: [ExpectedJob] {
        jobs.map { job in
            ExpectedJob(
                id: job.id,
                cells: (job.cells ?? []).map { cell in
                    ExpectedCell(
                        id: cell.id, name: cell.name, values: cell.values,
                        shards: job.shards.items == nil ? job.shards.count : nil, required: cell.required,
                        continueOnError: cell.continueOnError, skipped: cell.skipped)
                }, writesMetrics: job.writesMetrics)
        }
    }
}
