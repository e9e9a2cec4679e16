import Expressions
import Model

/// Which jobs will not run, as far as that is clear before anything has run: their `if` is false for this event, or a job
/// that they need does not run. What reads the status or the results of other jobs is not clear.
struct SkippedJobs {
    private let workflow: Workflow
    private let around: Surroundings
    private var known: [Int: String?] = [:]
    /// What is skipped of what these jobs need, directly or not.
    private var behind: [Named: String?] = [:]

    /// Jobs by their name in a file, or in the call that it is called by.
    private struct Named: Hashable {
        var call: Int?
        var name: String
    }

    /// - Parameter workflow: expanded; nobody needs itself.
    init(of workflow: Workflow, _ around: Surroundings) {
        self.workflow = workflow
        self.around = around
    }

    /// Why a job will not run; `nil` where it may.
    ///
    /// - Parameter index: of the plan's jobs.
    mutating func reason(ofJob index: Int) -> String? {
        if let found = known[index] { return found }
        // Until it is found: whoever asks meanwhile asks in a circle, which was told when the file was read.
        known[index] = .some(nil)
        let job = workflow.jobs[index]
        var found: String?
        if let caller = job.caller { found = reason(ofCall: caller) }
        if found == nil {
            // What a call is given may depend on what has not run yet: then nothing is clear.
            found = (try? workflow.contexts(in: job.caller, around)).flatMap { reason(of: job, $0) }
        }
        known[index] = .some(found)
        return found
    }

    private mutating func reason(ofCall call: Int) -> String? {
        let job = workflow.calls[call].caller
        if let outer = job.caller, let found = reason(ofCall: outer) { return found }
        return (try? workflow.callerContexts(call, around)).flatMap { reason(of: job, $0) }
    }

    private mutating func reason(of job: JobSource, _ contexts: [Value.Member]) -> String? {
        // A condition that cannot be read was told when the file was read.
        guard let condition = try? Condition(job.condition ?? "", in: Scopes.jobConditionWithMatrix),
            !condition.asksForStatus
        else { return nil }
        if let name = skipped(among: job.needs, around: job) { return "it needs '\(name)', which is skipped" }
        let read = Set(condition.expressions.flatMap(\.references).compactMap(\.first))
        guard job.condition != nil, read.isDisjoint(with: ["needs", "matrix"]),
            !read.contains("inputs") || !workflow.hasLateInputs(job.caller)
        else { return nil }
        let context = EvaluationContext(values: contexts + [.init("needs", .object([]))], status: { _, _ in true })
        return (try? condition.holds(in: context)) == false ? "its 'if' is false" : nil
    }

    /// The first of some needs of a job that is skipped, or of what they need.
    private mutating func skipped(among needs: [String], around job: JobSource) -> String? {
        for name in needs {
            guard let named = workflow.named(name, around: job) else { continue }
            if !named.jobs.isEmpty, named.jobs.allSatisfy({ reason(ofJob: $0) != nil }) { return name }
            // The same for all that need it: its own needs are walked once.
            let key = Named(call: job.caller, name: name)
            if behind[key] == nil {
                behind[key] = .some(nil)
                behind[key] = .some(skipped(among: named.needs, around: job))
            }
            if let found = behind[key] ?? nil { return found }
        }
        return nil
    }
}
