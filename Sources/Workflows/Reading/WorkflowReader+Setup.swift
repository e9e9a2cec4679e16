import Model

/// What `setup` builds is kept for later attempts, so nothing in it may be one attempt's alone.
extension WorkflowReader {
    /// - Parameters:
    ///   - own: the secrets that its steps read.
    ///   - environment: those of the job's `env`, which its commands get.
    mutating func checkSetup(_ node: YAMLNode, secrets own: Set<String>, environment: Set<String>) {
        if let name = own.union(environment).min() {
            unsupported(
                node, "secrets in 'setup' ('\(name)'): what it builds is kept, and others see it",
                help: own.contains(name)
                    ? "use it in a step, or let the agent's owner give its steps what they need: --pass-env"
                    : "give it by the env of the steps that need it, not by the env of the job")
        }
        for step in node.items ?? [] {
            guard let run = step["run"], let text = run.scalar?.text else { continue }
            for line in ShellScript(text).lines {
                guard let file = ["GITHUB_ENV", "GITHUB_PATH"].first(where: { Self.writes(line, to: $0) }) else {
                    continue
                }
                diagnostics.append(
                    Diagnostic(
                        .unsupported, at: place(of: line.offset, in: run),
                        "not supported yet: a 'setup' that writes to $\(file): later attempts would not get it",
                        help: "set it by the job's env, or in a step", rule: .unsupported))
            }
        }
    }

    private static func writes(_ line: ShellScript.Line, to file: String) -> Bool {
        (line.text.contains(">") || line.command == "tee" || line.words.contains("tee"))
            && (line.text.contains("$\(file)") || line.text.contains("${\(file)}"))
    }
}
