import Expressions
import Model

/// Whether a run's code may be a stranger's. What follows from it, here and elsewhere, follows from this one answer.
extension Workflow {
    /// Why a run is untrusted, in a sentence; `nil` when it is not.
    func distrust(_ request: PlanRequest, _ contexts: [Value.Member]) -> String? {
        if request.isUntrusted { return "its submitter says that it is untrusted" }
        guard let github = contexts.first(where: { $0.key == "github" })?.value,
            github["event_name"]?.string?.hasPrefix("pull_request") == true
        else { return nil }
        let ends = ["head", "base"].map { github["event"]?["pull_request"]?[$0]?["repo"] }
        let names = ends.map { $0?["full_name"]?.string }
        // A fork that was removed since is null; a payload that says nothing of repositories is of no fork.
        guard ends[0] == .null || names[0] != nil && names[0] != names[1] else { return nil }
        return "the pull request comes from a fork, " + (names[0].map { "'\($0)'" } ?? "removed since")
    }

    /// An untrusted run is given no secret.
    func refuseSecrets(of job: JobSource, _ request: PlanRequest, _ distrust: String) -> Diagnostic? {
        guard let name = job.secrets.first else { return nil }
        return Diagnostic(
            at: job.position, "\(distrust): such a run is given no secret ('\(name)')",
            help: request.isUntrusted
                ? "submit it as your own, without --untrusted, or without the jobs that read secrets"
                : "let the job's 'if' leave it out: github.event.pull_request.head.repo.full_name == github.repository")
    }
}
