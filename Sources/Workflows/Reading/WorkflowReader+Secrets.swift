import Expressions
import Model

/// Secrets: agents hold their values, so all that is known here is which ones a job reads.
extension WorkflowReader {
    /// Notes the secrets that an expression reads: whoever runs the job has to hold them, for none is ever read as empty.
    mutating func noteSecrets(of expression: Expression, at node: YAMLNode, in scope: ExpressionScope) {
        for path in expression.references {
            if path.first == "secrets" {
                if path.count > 1 {
                    secretsRead.insert(path[1].uppercased())
                } else {
                    unsupported(
                        node, "all secrets at once, or one by a computed name ('secrets')",
                        help: "name each that is read, so that an agent is found which holds it: ${{ secrets.NAME }}")
                }
            } else if path.count > 1, path[0] == "github", path[1].lowercased() == "token" {
                // `github.token` is `secrets.GITHUB_TOKEN` by another name.
                if scope.names.contains("secrets") || scope.names.contains("steps") {
                    secretsRead.insert(SecretName.token)
                } else {
                    unsupported(
                        node, "'github.token' at this place", help: "agents alone know it: use it in steps or env")
                }
            }
        }
    }

    /// The secrets that a part of the file reads.
    mutating func secrets(readBy read: (inout Self) -> Void) -> Set<String> {
        let outer = secretsRead
        secretsRead = []
        read(&self)
        defer { secretsRead.formUnion(outer) }
        return secretsRead
    }

    /// An environment's secrets are given out once somebody has approved, and there are no approvals.
    mutating func checkSecrets(of job: JobSource) {
        guard let environment = job.environment, let name = job.secrets.first else { return }
        unsupported(
            environment, "the secrets of an environment ('\(name)'), which nobody can approve here",
            help: "remove 'environment', or use the secret in a job without one")
    }

    /// What a called workflow reads has to be handed on to it, under its own name.
    ///
    /// - Parameter given: what the caller hands on by name; `nil` when that is everything.
    mutating func checkSecrets(_ given: [YAMLNode.Entry]?, readBy called: Workflow, at uses: YAMLNode) {
        guard let given else { return }
        for entry in given where !isSame(entry) {
            unsupported(
                entry.value, "a secret under another name",
                help: "let both files have one name for it: secrets: {\(entry.key): \"${{ secrets.\(entry.key) }}\"}")
        }
        let handed = given.map { $0.key.uppercased() } + [SecretName.token]
        for name in called.secretsRead.subtracting(handed).sorted() {
            unsupported(
                uses, "a secret that the called workflow reads and this job does not hand on ('\(name)')",
                help: "secrets: inherit, or secrets: {\(name): \"${{ secrets.\(name) }}\"}")
        }
    }

    /// Whether an entry hands on the secret of its own name.
    private func isSame(_ entry: YAMLNode.Entry) -> Bool {
        guard let text = entry.value.scalar?.text, isOneExpression(text),
            let template = try? TemplateText(text, in: Scopes.jobEnvironment), let only = template.expressions.first,
            template.parts.count == 1
        else { return false }
        let named = only.source.trimmingSpace.uppercased()
        let name = entry.key.uppercased()
        return named == "SECRETS.\(name)" || named == "SECRETS['\(name)']"
            || name == SecretName.token && named == "GITHUB.TOKEN"
    }
}

extension Workflow {
    /// The secrets that its jobs read, those of workflows that it calls included.
    var secretsRead: Set<String> {
        jobs.reduce(into: []) { found, job in
            found.formUnion(job.secrets)
            if let called = job.call?.workflow { found.formUnion(called.secretsRead) }
        }
    }
}
