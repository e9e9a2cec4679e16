import Expressions
package import Model

/// A workflow file as it was written: checked, and not yet evaluated.
package struct Workflow: Sendable {
    package var file: String
    package var name: String
    /// `sheaf: 1` stands at its top: Sheaf's own keys and rules hold.
    package var isSheaf: Bool
    /// The names of `on`, in order.
    package var events: [String]
    package var inputs: [Input]
    package var gates: [GateRule]
    package var falseBlockRate: Double

    /// The manifests that the jobs' `inputs` name: files of the code tree.
    package var manifests: Set<String> { Set(jobs.flatMap { $0.inputs.map(\.manifest) }) }

    var environment: [Template]
    var defaults: Defaults
    var jobs: [JobSource]

    /// An input of `workflow_dispatch`.
    package struct Input: Equatable, Sendable {
        package enum Kind: String, CaseIterable, Sendable { case string, boolean, number, choice, environment }
        package var name: String
        package var kind: Kind
        package var isRequired: Bool
        package var fallback: Value
        package var options: [String]
    }

    struct Defaults: Equatable, Sendable {
        var shell: String?
        var workingDirectory: String?
    }

    /// Reads and checks a workflow file: all mistakes at once, in the order of their places.
    ///
    /// - Returns: the workflow when nothing in it is an error (it may hold what is `unsupported`), and every diagnostic.
    package static func read(_ text: [UInt8], file: String) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let (node, syntax) = YAMLReader.read(text, file: file)
        guard let node, syntax.isEmpty || node.entries != nil else { return (nil, syntax.sorted(by: before)) }
        var reader = WorkflowReader(file: file, source: text)
        let workflow = reader.workflow(node)
        let diagnostics = (syntax + reader.diagnostics).sorted(by: before)
        return (diagnostics.contains { $0.severity == .error } ? nil : workflow, diagnostics)
    }

    /// The workflow with the gates of a second file, which holds only `gates` and `false-block-rate` (`--with`).
    package func adding(gates text: [UInt8], file: String) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let (node, syntax) = YAMLReader.read(text, file: file)
        guard let node else { return (nil, syntax) }
        var reader = WorkflowReader(file: file, source: text)
        reader.isSheaf = true
        var whole = self
        reader.gates(alone: node, into: &whole)
        let diagnostics = (syntax + reader.diagnostics).sorted(by: Self.before)
        return (diagnostics.contains { $0.severity == .error } ? nil : whole, diagnostics)
    }

    private static func before(_ a: Diagnostic, _ b: Diagnostic) -> Bool { a.position < b.position }
}

/// A job as it was written. What may hold expressions is kept as nodes or texts.
struct JobSource: Sendable {
    var id: String
    var position: SourcePosition
    var name: YAMLNode?
    var needs: [String]
    var condition: String?
    var conditionPosition: SourcePosition
    var runsOn: YAMLNode?
    var matrix: YAMLNode?
    var failFast: YAMLNode?
    var maxParallel: YAMLNode?
    var continueOnError: YAMLNode?
    var timeout: YAMLNode?
    var idleTimeout: YAMLNode?
    var queueTimeout: YAMLNode?
    var resources: YAMLNode?
    var inputs: [InputSource]
    var shards: ShardPlan
    var retry: RetryPolicy
    var work: JobWork

    struct InputSource: Sendable {
        var path: String
        var manifest: String
        var position: SourcePosition
    }

    /// Every node that the cells of the job are made from.
    var cellNodes: [YAMLNode] {
        [name, runsOn, matrix, failFast, maxParallel, continueOnError, timeout, idleTimeout, queueTimeout, resources]
            .compactMap { $0 }
    }
}
