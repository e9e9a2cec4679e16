package import Model

/// What reading a workflow gave: everything that is wrong with the text, and as much of it as could be read. Planning that
/// part finds what is wrong with the rest, so that a person hears of all mistakes at once.
package struct WorkflowReading: Sendable {
    /// The workflow when nothing in it is an error (it may hold what is `unsupported`).
    package var workflow: Workflow? { diagnostics.contains { $0.severity == .error } ? nil : part }
    /// In the order of their places.
    package private(set) var diagnostics: [Diagnostic]
    /// What could be read; `nil` where the text is no YAML.
    package private(set) var part: Workflow?

    package init(_ text: [UInt8], file: String, files: WorkflowFiles = .none) {
        var called = CalledFiles()
        self.init(text, file: file, files: files, callers: [file], called: &called)
    }

    init(_ text: [UInt8], file: String, files: WorkflowFiles, callers: [String], called: inout CalledFiles) {
        let (node, syntax) = YAMLReader.read(text, file: file)
        guard let node else {
            diagnostics = syntax.isEmpty ? [Workflow.empty(file)] : Workflow.ordered(syntax)
            return
        }
        var reader = WorkflowReader(file: file, source: text, files: files, callers: callers, called: called)
        reader.brokenLines = syntax.filter { $0.severity == .error }.map(\.position.line)
        part = reader.workflow(node)
        called = reader.called
        diagnostics = Workflow.ordered(syntax + reader.diagnostics)
    }

    /// Adds the gates of a second file, which holds only `gates` and what belongs to them (`--with`).
    package mutating func add(gates text: [UInt8], file: String) {
        let (node, syntax) = YAMLReader.read(text, file: file)
        guard let node else {
            diagnostics += syntax.isEmpty ? [Workflow.empty(file)] : syntax
            part?.unread.gates = true
            return
        }
        var reader = WorkflowReader(file: file, source: text)
        reader.isSheaf = true
        if var whole = part {
            reader.gates(alone: node, into: &whole)
            part = whole
        }
        diagnostics += Workflow.ordered(syntax + reader.diagnostics)
    }

    /// The plan, `nil` where there are errors; and every diagnostic, those that only planning finds included.
    package func planned(_ request: PlanRequest) -> (planned: Planned?, diagnostics: [Diagnostic]) {
        guard let part else { return (nil, diagnostics) }
        var planned: Planned?
        var found: [Diagnostic]
        do throws(Mistakes) {
            let made = try part.planned(request)
            found = made.warnings
            planned = made
        } catch {
            found = error.diagnostics
        }
        let all = Workflow.ordered(diagnostics + found)
        return (all.contains { $0.severity == .error } ? nil : planned, all)
    }
}
