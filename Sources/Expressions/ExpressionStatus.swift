/// How a job or a step stands, as `success()`, `failure()`, `cancelled()` and `always()` see it.
package struct ExpressionStatus: Sendable {
    package enum Result: String, Sendable { case success, failure, cancelled, skipped }

    /// A job that another one needs, directly or not.
    package struct Ancestor: Sendable {
        package var id: String
        package var result: Result
        package init(_ id: String, _ result: Result) {
            self.id = id
            self.result = result
        }
    }

    private enum View: Sendable {
        case step(job: Result)
        case job(ancestors: [Ancestor], isCancelled: Bool)
    }

    private let view: View

    /// For a step's `if`: the state of its job so far.
    package static func step(jobSoFar result: Result) -> Self { Self(view: .step(job: result)) }

    /// For a job's `if`: every job that it needs, directly or not, and whether the run is being cancelled.
    package static func job(ancestors: [Ancestor], isCancelled: Bool) -> Self {
        Self(view: .job(ancestors: ancestors, isCancelled: isCancelled))
    }

    /// What a function answers; `jobs` narrows a job's `success` and `failure` to those that it names.
    package func callAsFunction(_ function: String, _ jobs: [String]) -> Bool {
        switch (function, view) {
        case ("always", _): true
        case ("cancelled", .step(let job)): job == .cancelled
        case ("cancelled", .job(_, let isCancelled)): isCancelled
        case ("success", .step(let job)): job == .success
        case ("success", .job(let ancestors, let isCancelled)):
            !isCancelled && Self.named(jobs, in: ancestors).allSatisfy { $0.result == .success }
        case ("failure", .step(let job)): job == .failure
        case ("failure", .job(let ancestors, _)):
            Self.named(jobs, in: ancestors).contains { $0.result == .failure }
        default: preconditionFailure("no status function is named \(function)")
        }
    }

    private static func named(_ jobs: [String], in ancestors: [Ancestor]) -> [Ancestor] {
        jobs.isEmpty ? ancestors : ancestors.filter { ancestor in jobs.contains { CaseFolding.equal($0, ancestor.id) } }
    }
}
