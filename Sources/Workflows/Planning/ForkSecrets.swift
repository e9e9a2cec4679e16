import Expressions
import Model

extension Workflow {
    /// The pull request of a fork is given no secret: its code is a stranger's.
    func refuseFork(_ job: JobSource, _ contexts: [Value.Member]) -> Diagnostic? {
        guard let name = job.secrets.first, let github = contexts.first(where: { $0.key == "github" })?.value,
            github["event_name"]?.string?.hasPrefix("pull_request") == true
        else { return nil }
        let ends = ["head", "base"].map { github["event"]?["pull_request"]?[$0]?["repo"] }
        let names = ends.map { $0?["full_name"]?.string }
        // A fork that was removed since is null; a payload that says nothing of repositories is of no fork.
        guard ends[0] == .null || names[0] != nil && names[0] != names[1] else { return nil }
        let fork = names[0].map { "'\($0)'" } ?? "removed since"
        return Diagnostic(
            at: job.position, "the pull request comes from a fork, \(fork), which is given no secret ('\(name)')",
            help: "let the job's 'if' leave it out: github.event.pull_request.head.repo.full_name == github.repository")
    }
}
