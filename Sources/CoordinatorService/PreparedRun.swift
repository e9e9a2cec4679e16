import Artifacts
import JSON
import Model
import Wire
import Workflows

/// A submission that was read and found to be right, by the coordinator itself: a client is never trusted.
struct PreparedRun: Sendable {
    var request: Proto.SubmitRunRequest
    var workflow: Workflow
    var planRequest: PlanRequest
    var plan: Plan
    var contexts: [Value.Member]
    var warnings: [Diagnostic]

    /// - Parameter manifest: the digest of a file of the submitted code tree.
    /// - Throws: every mistake in the workflow.
    init(
        _ request: Proto.SubmitRunRequest, run: RunID, by owner: Principal,
        manifest: @escaping @Sendable (String) -> Digest?
    ) throws(Mistakes) {
        let file = request.file.isEmpty ? "workflow.yml" : request.file
        var (read, diagnostics) = Workflow.read(Array(request.workflow.utf8), file: file)
        if !request.gates.isEmpty, let plain = read {
            let added = plain.adding(
                gates: Array(request.gates.utf8), file: request.gatesFile.isEmpty ? "gates.yml" : request.gatesFile)
            read = added.workflow
            diagnostics += added.diagnostics
        }
        guard let workflow = read, !diagnostics.contains(where: { $0.severity != .warning }) else {
            throw Mistakes(diagnostics)
        }
        let top = SourcePosition(file: file, line: 1, column: 1)
        var event = Value.object([])
        if !request.eventJson.isEmpty {
            do {
                event = try JSONParser.value(request.eventJson)
            } catch {
                throw Mistakes([Diagnostic(at: top, "the event's payload is no JSON: \(error)")])
            }
        }
        planRequest = PlanRequest(
            eventName: request.eventName.isEmpty ? nil : request.eventName, event: event,
            inputs: request.inputs.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) },
            variables: request.vars.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) },
            sha: request.commit, ref: request.branch.isEmpty ? "" : "refs/heads/\(request.branch)",
            repository: request.repository, actor: owner.name, run: run, manifest: manifest)
        plan = try workflow.plan(planRequest)
        contexts = try workflow.contexts(for: planRequest)
        self.request = request
        self.workflow = workflow
        warnings = diagnostics
    }

    /// A stored run: its plan is loaded as it was made.
    init(stored request: Proto.SubmitRunRequest, plan: Plan, run: RunID, by owner: Principal) throws(Mistakes) {
        try self.init(request, run: run, by: owner, manifest: { _ in nil })
        self.plan = plan
    }
}
