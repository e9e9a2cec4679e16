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
    var concurrency: ConcurrencyGroup?

    /// - Parameter tree: the submitted code tree; the manifests of `inputs` are files of it. Blocks on the disk.
    /// - Parameter repositories: what is at hand of others whose actions it uses; it is asked what was missing.
    /// - Throws: every mistake in the workflow.
    init(
        _ request: Proto.SubmitRunRequest, run: RunID, by owner: Principal, tree: SubmittedTree?,
        repositories: ActionRepositories = .none
    ) throws(Mistakes) {
        self.request = request
        let reading = Self.reading(request, repositories) { tree?.bytes(ofFile: $0, most: Limits.workflowBytesMax) }
        self.request.actions = repositories.sources
        guard let part = reading.part else { throw Mistakes(reading.diagnostics) }
        planRequest = try Self.planRequest(
            request, run, owner, manifests: Self.manifests(of: part, in: tree),
            files: Self.thresholdFiles(of: part, in: tree))
        let (planned, diagnostics) = reading.planned(planRequest)
        guard let planned, let read = reading.workflow, !diagnostics.contains(where: { $0.severity != .warning }) else {
            throw Mistakes(diagnostics)
        }
        warnings = reading.diagnostics
        workflow = try read.expanded(planRequest)
        plan = planned.plan
        contexts = try workflow.contexts(for: planRequest)
        concurrency = try workflow.concurrency(planRequest)
    }

    /// A stored run: its plan is loaded as it was made, and not made again. Blocks on the disk.
    ///
    /// - Throws: `Mistakes` when this build reads the workflow otherwise, `ArtifactError` when its code tree is damaged.
    init(
        stored request: Proto.SubmitRunRequest, plan: Plan, run: RunID, by owner: Principal, trees store: ObjectStore
    ) throws {
        self.request = request
        self.plan = plan
        let trees = KeptTree(Digest(request.tree), in: store)
        let repositories = ActionRepositories(of: request, in: store)
        let reading = Self.reading(request, repositories) {
            trees.tree?.bytes(ofFile: $0, most: Limits.workflowBytesMax)
        }
        guard let read = reading.workflow, !reading.diagnostics.contains(where: { $0.severity != .warning }) else {
            if let problem = trees.problem { throw problem }
            throw Mistakes(reading.diagnostics)
        }
        warnings = reading.diagnostics
        if let problem = trees.problem { throw problem }
        var manifests: [String: Digest] = [:]
        var files: [String: [UInt8]] = [:]
        if !(read.manifests.isEmpty && read.thresholdFiles.isEmpty), let tree = trees.tree {
            manifests = Self.manifests(of: read, in: tree)
            files = Self.thresholdFiles(of: read, in: tree)
        }
        if let problem = trees.problem { throw problem }
        planRequest = try Self.planRequest(request, run, owner, manifests: manifests, files: files)
        workflow = try read.expanded(planRequest)
        guard workflow.jobIDs == plan.jobs.map(\.id) else {
            let top = SourcePosition(file: Self.file(of: request), line: 1, column: 1)
            throw Mistakes([
                Diagnostic(
                    at: top, "this build makes other jobs of the workflow than the one that planned it",
                    help: "go on with the version of sheaf that planned it, or cancel the run and submit it anew")
            ])
        }
        contexts = try workflow.contexts(for: planRequest)
        concurrency = try workflow.concurrency(planRequest)
    }

    /// - Parameter bytes: a file of the code tree, by its path.
    private static func reading(
        _ request: Proto.SubmitRunRequest, _ repositories: ActionRepositories,
        _ bytes: @escaping @Sendable (String) -> [UInt8]?
    ) -> WorkflowReading {
        var files = WorkflowFiles(isWhole: true) { reference in
            reference.hasPrefix("./") ? bytes(reference) : nil
        }
        files.repository = { repositories.find($0, $1) }
        var reading = WorkflowReading(Array(request.workflow.utf8), file: file(of: request), files: files)
        if !request.gates.isEmpty {
            reading.add(
                gates: Array(request.gates.utf8), file: request.gatesFile.isEmpty ? "gates.yml" : request.gatesFile)
        }
        return reading
    }

    private static func file(of request: Proto.SubmitRunRequest) -> String {
        request.file.isEmpty ? "workflow.yml" : request.file
    }

    /// The digests of the manifests that the workflow's `inputs` name, for all its jobs: also those that are resolved
    /// late, when nobody may wait for a disk.
    private static func manifests(of workflow: Workflow, in tree: SubmittedTree?) -> [String: Digest] {
        var found: [String: Digest] = [:]
        for path in workflow.manifests { found[path] = tree?.digest(ofFile: path) }
        return found
    }

    /// The files in which the workflow's gates have numbers.
    private static func thresholdFiles(of workflow: Workflow, in tree: SubmittedTree?) -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for path in workflow.thresholdFiles {
            found[path] = tree?.bytes(ofFile: path, most: Workflow.thresholdBytesMax)
        }
        return found
    }

    private static func planRequest(
        _ request: Proto.SubmitRunRequest, _ run: RunID, _ owner: Principal, manifests: [String: Digest],
        files: [String: [UInt8]]
    ) throws(Mistakes) -> PlanRequest {
        var event = Value.object([])
        if !request.eventJson.isEmpty {
            do {
                event = try JSONParser.value(request.eventJson)
            } catch {
                let top = SourcePosition(file: file(of: request), line: 1, column: 1)
                throw Mistakes([
                    Diagnostic(
                        at: top, "the event's payload is no JSON: \(error)",
                        help: "give a file that holds one JSON object: --event-file")
                ])
            }
        }
        var planRequest = PlanRequest(
            eventName: request.eventName.isEmpty ? nil : request.eventName, event: event,
            inputs: request.inputs.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) },
            variables: request.vars.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) },
            sha: request.commit, ref: request.branch.isEmpty ? "" : "refs/heads/\(request.branch)",
            repository: request.repository, actor: owner.name, run: run,
            manifest: { manifests[$0] }, file: { files[$0] })
        planRequest.isUntrusted = request.untrusted
        return planRequest
    }
}
