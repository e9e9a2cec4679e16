import Expressions
import Model

/// Jobs that call workflows: the reference, what is given, and the called file itself where it is at hand.
extension WorkflowReader {
    mutating func call(
        _ parts: [String: YAMLNode], of job: JobSource, in workflow: Workflow, at entry: YAMLNode.Entry
    ) -> JobSource.CallSource? {
        guard let uses = parts["uses"], let reference = notEmpty(uses, "'uses'") else { return nil }
        guard Self.isWorkflowReference(reference) else {
            error(
                uses, "'\(reference)' names no workflow",
                help: "write ./path/to/workflow.yml, or owner/repository/path/to/workflow.yml@version")
            return nil
        }
        var call = JobSource.CallSource(reference: reference, position: uses.position)
        if let with = parts["with"] {
            if let entries = with.entries {
                for entry in entries { template(entry.value, "'\(entry.key)'", in: Scopes.jobCell, taking: .anything) }
                call.inputs = entries
            } else {
                error(
                    with, "'with' must be a mapping, not \(with.kindName)",
                    help: "write inputs by name: with: {name: value}")
            }
        }
        var secrets: [YAMLNode.Entry]? = []
        if let node = parts["secrets"] { secrets = self.secrets(node) }
        guard callers.count <= files.callsDeepMax else {
            error(
                uses, "workflows call one another more than \(files.callsDeepMax) deep",
                help: "call the inner workflow from here, or end the circle")
            return call
        }
        guard let found = calledFile(reference, at: uses) else { return call }
        if callers.contains(found.name) {
            error(
                uses, "the workflow calls itself: \((callers + [found.name]).joined(separator: " → "))",
                help: "remove one of these calls; move what both need to a third workflow")
            return call
        }
        let file = found.file
        let read = read(found.bytes, file: file, found.name)
        guard let called = read.workflow else {
            let first = read.diagnostics.first { $0.severity == .error }
            error(
                uses, "the called workflow is broken: \(first.map { "\($0.position): \($0.problem)" } ?? reference)",
                help: first?.suggestion ?? "check it by itself: sheaf lint \(file)")
            return call
        }
        guard let interface = called.call else {
            error(uses, "'\(reference)' cannot be called", help: "add workflow_call to its 'on'")
            return call
        }
        checkInputs(call.inputs, against: interface, at: uses)
        checkSecrets(secrets, against: interface, at: uses)
        checkSecrets(secrets, readBy: called, at: uses)
        checkPermissions(of: called, reference: reference, caller: job, workflow, at: entry)
        if !called.gates.isEmpty {
            unsupported(uses, "gates of a called workflow", help: "write the gates of '\(reference)' into this file")
        }
        if let matrix = job.matrix, NodeExpressions.references(of: matrix).contains(where: { $0.first == "needs" }) {
            unsupported(
                matrix, "the matrix of a job that calls a workflow, made of outputs of other jobs",
                help: Workflow.lateMatrixHelp)
        }
        // What cannot run there cannot run from here; advice is for whoever checks that file.
        diagnostics += read.diagnostics.filter { $0.severity == .unsupported }
        call.workflow = called
        return call
    }

    /// What is behind a reference: the name by which that file is known wherever it is called from, how diagnostics name it,
    /// and its bytes. `nil` where it is not at hand.
    private mutating func calledFile(
        _ reference: String, at uses: YAMLNode
    ) -> (name: String, file: String, bytes: [UInt8])? {
        var name = reference
        // Within a file of another repository `./` is that repository, at that commit.
        if reference.hasPrefix("./"), let around = callers.last.flatMap({ ActionReference($0) }), around.commit != nil {
            name = "\(around.repository)/\(reference.dropFirst(2))@\(around.version)"
        }
        guard name.hasPrefix("./") else { return remoteFile(name, at: uses) }
        if let bytes = files.read(reference) { return (reference, String(reference.dropFirst(2)), bytes) }
        let help = "the path begins at the top of the repository"
        if files.isWhole {
            error(uses, "there is no file '\(reference)'", help: help)
        } else {
            unsupported(uses, "'\(reference)', which is not at hand", help: help)
        }
        return nil
    }

    /// A workflow of another repository, at a commit: `uses: owner/name/.github/workflows/ci.yml@4f2a…`.
    private mutating func remoteFile(
        _ text: String, at uses: YAMLNode
    ) -> (name: String, file: String, bytes: [UInt8])? {
        if let bytes = files.read(text) { return (text, text, bytes) }
        guard let reference = ActionReference(text) else {
            error(
                uses, "'\(text)' names no workflow",
                help: "write ./path/to/workflow.yml, or owner/repository/path/to/workflow.yml@commit")
            return nil
        }
        let path = "\(reference.repository)/\(reference.path)"
        guard let commit = reference.commit else {
            refuse(
                uses, "the workflow '\(reference)' is not pinned: '\(reference.version)' may be another one tomorrow",
                help:
                    "name the commit by its 40 digits, which git ls-remote tells of '\(reference.version)': \(path)@… # \(reference.version)"
            )
            return nil
        }
        switch files.repository(reference.repository, commit) {
        case .unknown:
            warning(
                .step, uses.position, "the jobs of '\(path)' are not looked at here",
                help: "the farm fetches the workflow when a run is submitted, and checks it then")
            return nil
        case .refused(let problem, let help):
            refuse(uses, problem, help: help)
            return nil
        case .tree(_, let read):
            guard let bytes = read(reference.path) else {
                error(
                    uses, "there is no file '\(reference.path)' in '\(reference.repository)' at \(commit.prefix(12))",
                    help: "the path begins at the top of that repository")
                return nil
            }
            return (
                "\(reference.repository.lowercased())/\(reference.path)@\(commit)", "\(path)@\(commit.prefix(12))",
                bytes
            )
        }
    }

    /// Reads a called file; one that was called from as deep before, as it was read then. Without that, files which call
    /// one another twenty times each would be read for ever.
    private mutating func read(
        _ bytes: [UInt8], file: String, _ reference: String
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let place = CalledFiles.Place(reference: reference, depth: callers.count)
        if let known = called.workflows[place] { return known }
        let reading = WorkflowReading(bytes, file: file, files: files, callers: callers + [reference], called: &called)
        let read = (reading.workflow, reading.diagnostics)
        called.workflows[place] = read
        return read
    }

    /// A file of this repository, or a file of another at a version.
    private static func isWorkflowReference(_ text: String) -> Bool {
        func isFile(_ path: Substring) -> Bool { path.hasSuffix(".yml") || path.hasSuffix(".yaml") }
        if text.hasPrefix("./") { return !text.contains("@") && isFile(text[...]) }
        let words = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let path = words[0].split(separator: "/", omittingEmptySubsequences: false)
        return words.count == 2 && !words[1].isEmpty && path.count >= 3 && path.allSatisfy { !$0.isEmpty }
            && isFile(words[0])
    }

    /// - Returns: what is handed on by name; `nil` when all are.
    private mutating func secrets(_ node: YAMLNode) -> [YAMLNode.Entry]? {
        if node.scalar?.text == "inherit" { return nil }
        guard let entries = node.entries else {
            error(node, "'secrets' must be a mapping or inherit, not \(node.told)", help: "secrets: inherit")
            return []
        }
        for entry in entries { template(entry.value, "'\(entry.key)'", in: Scopes.jobEnvironment) }
        return entries
    }

    private mutating func checkInputs(_ given: [YAMLNode.Entry], against call: Workflow.Call, at uses: YAMLNode) {
        let known = call.inputs.map(\.name)
        for entry in given {
            guard let input = call.inputs.first(where: { CaseFolding.equal($0.name, entry.key) }) else {
                error(
                    entry.keyNode, "the called workflow takes no input '\(entry.key)'",
                    help: Spelling.nearest(to: entry.key, among: known).map { "did you mean '\($0)'?" }
                        ?? (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))"))
                continue
            }
            let type = type(of: entry.value)
            switch (input.kind, type) {
            case (_, .any), (.boolean, .boolean), (.number, .number), (.string, .string), (.string, .words),
                (.string, .number), (.string, .boolean):
                break
            default:
                error(
                    entry.value, "the input '\(entry.key)' is a \(input.kind.rawValue), not \(entry.value.told)",
                    help: input.kind == .boolean
                        ? "give true or false, or an expression that comes to one: ${{ fromJSON(…) }}"
                        : "give a \(input.kind.rawValue), or an expression that comes to one: ${{ fromJSON(…) }}")
            }
        }
        for input in call.inputs where input.isRequired {
            if !given.contains(where: { CaseFolding.equal($0.key, input.name) }) {
                error(
                    uses, "the called workflow requires the input '\(input.name)'", help: "with: {\(input.name): …}")
            }
        }
    }

    private func type(of node: YAMLNode) -> ValueType {
        guard let scalar = node.scalar else { return ValueType(of: node.value) }
        return TemplateText.hasExpression(scalar.text)
            ? type(of: scalar.text, in: Scopes.jobCell) : ValueType(of: node.value)
    }

    private mutating func checkSecrets(
        _ given: [YAMLNode.Entry]?, against call: Workflow.Call, at uses: YAMLNode
    ) {
        guard let given else { return }
        let known = call.secrets.map(\.name)
        for entry in given where !known.contains(where: { CaseFolding.equal($0, entry.key) }) {
            error(
                entry.keyNode, "the called workflow takes no secret '\(entry.key)'",
                help: Spelling.nearest(to: entry.key, among: known).map { "did you mean '\($0)'?" }
                    ?? (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))"))
        }
        for secret in call.secrets where secret.isRequired {
            if !given.contains(where: { CaseFolding.equal($0.key, secret.name) }) {
                error(
                    uses, "the called workflow requires the secret '\(secret.name)'",
                    help: "secrets: {\(secret.name): …}, or secrets: inherit")
            }
        }
    }

    // MARK: permissions

    /// A called workflow gets at most what its caller has.
    private mutating func checkPermissions(
        of called: Workflow, reference: String, caller: JobSource, _ workflow: Workflow, at entry: YAMLNode.Entry
    ) {
        guard let allowed = caller.permissions ?? workflow.permissions ?? files.permissions else { return }
        if let asked = called.permissions {
            refuse(asked.excess(over: allowed), "the called workflow '\(reference)'", at: entry)
        }
        for job in called.jobs {
            if let asked = job.permissions { refuse(asked.excess(over: allowed), "its job '\(job.id)'", at: entry) }
        }
    }

    private mutating func refuse(
        _ excess: [(name: String, asked: Permissions.Level, allowed: Permissions.Level)], _ who: String,
        at entry: YAMLNode.Entry
    ) {
        guard !excess.isEmpty else { return }
        let asked = excess.map { "\($0.name): \($0.asked.word)" }.joined(separator: ", ")
        let allowed = excess.map { "\($0.name): \($0.allowed.word)" }.joined(separator: ", ")
        error(
            entry.keyNode, "\(who) asks for \(asked), but this job allows \(allowed)",
            help: "give the job permissions: {\(asked)}")
    }
}
