import Model

/// Workflows and actions of the repository that others name, as they were read. Each is read once for each depth at which
/// it is named: ten files that name one another twenty times are not read 20¹⁰ times.
struct CalledFiles: Sendable {
    struct Place: Hashable, Sendable {
        var reference: String
        var depth: Int
    }

    /// An action, with what is to be said wherever it is used.
    struct Action: Sendable {
        var action: LocalAction?
        /// Of what it gives.
        var outputs: [String] = []
        /// Its steps, with those of the actions that it uses.
        var stepCount = 0
        var needsNode = false
        /// That its texts read: its jobs' `github.token`.
        var secretsRead: Set<String> = []
        var diagnostics: [Diagnostic] = []
    }

    var workflows: [Place: (workflow: Workflow?, diagnostics: [Diagnostic])] = [:]
    var actions: [Place: Action] = [:]
}
