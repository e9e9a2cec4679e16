import Expressions
import Model

/// Walks a workflow's nodes, checks them, and collects what is wrong.
struct WorkflowReader {
    let file: String
    private let places: ScalarPlaces
    var isSheaf = false
    var diagnostics: [Diagnostic] = []
    /// An expression of the job that is being read asks for single cells of a job that it needs.
    var readsCells = false
    /// What the contexts hold where the reader stands.
    var types = PlaceTypes()
    /// Where the files are that jobs call.
    let files: WorkflowFiles
    /// What the texts of a step see: a workflow's, or an action's.
    var stepText = Scopes.stepText
    var stepCondition = Scopes.stepCondition
    /// Files that were read because of a `uses`, so that each is read once however often it is named.
    var called: CalledFiles
    /// How many actions lead to the one that is being read.
    var actionDepth = 0
    /// The file that is being read is an action of another repository.
    var isRemoteAction = false
    /// The outputs of the actions of the repository that were named, by reference.
    var localActionOutputs: [String: ValueType] = [:]
    /// Lines of the text that are no YAML, or not what they seem.
    var brokenLines: [Int] = []
    /// Expressions that mean nothing, so far.
    var brokenExpressions = 0
    /// The secrets that were read so far by the part that is being read: a job, or the file's own `env`. In capitals.
    var secretsRead: Set<String> = []
    /// Those of the file's `env`, which each of its jobs reads.
    private(set) var secretsOfAll: Set<String> = []
    /// Mistakes were found in what the rest of the file is held against.
    var unread = Workflow.Unread()
    /// Files that call one another down to this one, this one included.
    let callers: [String]

    init(
        file: String, source: [UInt8], files: WorkflowFiles = .none, callers: [String] = [],
        called: CalledFiles = CalledFiles()
    ) {
        self.file = file
        self.files = files
        self.callers = callers
        self.called = called
        places = ScalarPlaces(source: source)
    }

    mutating func workflow(_ node: YAMLNode) -> Workflow {
        var workflow = Workflow(file: file, name: file)
        if let mark = node["sheaf"] {
            isSheaf = mark.value == .number(1)
            if !isSheaf { error(mark, "'sheaf' must be 1", help: "write sheaf: 1") }
            // The rest is read as it was meant.
            isSheaf = true
        }
        workflow.isSheaf = isSheaf
        guard let entries = mapping(node, "a workflow", Self.workflowKeys) else { return workflow }
        if entries["on"] == nil { error(node, "the workflow has no 'on'", help: "say what starts it: on: push") }
        if entries["jobs"] == nil { error(node, "the workflow has no 'jobs'", help: "add jobs: with one job at least") }
        types.jobs = Self.outline(of: entries["jobs"], withCells: isSheaf)
        if let name = entries["name"], let text = text(name, "'name'") { workflow.name = text }
        if let node = entries["description"] { _ = text(node, "'description'") }
        unread.triggers = readingFails { reader in
            if let on = entries["on"] { reader.triggers(on, into: &workflow) }
        }
        if entries["on"] == nil { unread.triggers = true }
        if let node = entries["tier"], !readingFails({ $0.template(node, "'tier'", in: Scopes.runName) }) {
            workflow.tier = node
        }
        if let name = entries["run-name"], !readingFails({ $0.template(name, "'run-name'", in: Scopes.runName) }) {
            workflow.runName = name
        }
        if let node = entries["env"] {
            secretsOfAll = secrets { workflow.environment = $0.environment(node, in: Scopes.workflowEnvironment) }
        }
        if let node = entries["defaults"] { workflow.defaults = defaults(node) }
        if let node = entries["permissions"] { workflow.permissions = permissions(node) }
        if let node = entries["concurrency"] {
            if !readingFails({ $0.concurrency(node, in: Scopes.workflowConcurrency) }) {
                workflow.concurrencyNode = node
            }
        }
        if let node = entries["jobs"] { workflow.jobs = jobs(node, of: workflow) }
        if let node = entries["false-block-rate"] { falseBlockRate(node, into: &workflow) }
        if let node = entries["deadline-minutes"] { deadline(node, into: &workflow) }
        if let node = entries["gates"] {
            unread.gates = readingFails { $0.add(gates: node, to: &workflow) }
        }
        waivers(entries, into: &workflow)
        workflow.unread = unread
        return workflow
    }

    /// Whether a part of the file is wrong in any way.
    mutating func readingFails(_ read: (inout Self) -> Void) -> Bool {
        let before = diagnostics.count
        read(&self)
        return diagnostics[before...].contains { $0.severity == .error }
    }

    private mutating func add(gates node: YAMLNode, to workflow: inout Workflow) {
        // A gate stands behind all jobs.
        types.needs = types.jobs
        workflow.gates += gates(node, jobs: workflow.jobs)
        adviseOnMetrics(of: workflow)
    }

    private static let workflowKeys: [Key] = [
        Key("name"), Key("description"), Key("run-name"), Key("on"), Key("env"), Key("defaults"), Key("permissions"),
        Key("jobs"),
        Key("concurrency"),
        Key("sheaf"), Key("tier", .sheaf), Key("false-block-rate", .sheaf), Key("gates", .sheaf),
        Key("waivers", .sheaf),
        Key("quarantine", .sheaf), Key("deadline-minutes", .sheaf),
    ]

    private mutating func waivers(_ entries: [String: YAMLNode], into workflow: inout Workflow) {
        if let node = entries["waivers"] {
            workflow.waivers += waivers(node, gates: workflow.gates, jobs: workflow.jobs)
        }
        if let node = entries["quarantine"] { workflow.waivers += waivers(node, gates: nil, jobs: workflow.jobs) }
    }

    /// What jobs hand to others, as far as the text tells: needed before the jobs themselves are read.
    private static func outline(of jobs: YAMLNode?, withCells: Bool) -> ValueType {
        .object(
            (jobs?.entries ?? []).prefix(Limits.jobsMax).map { entry in
                let outputs: ValueType =
                    if entry.value["uses"] != nil {
                        .texts
                    } else if let named = entry.value["outputs"]?.entries {
                        .object(named.map { .init($0.key, .string) }, others: nil)
                    } else {
                        .object([], others: entry.value["outputs"] == nil ? nil : .string)
                    }
                return .init(entry.key, PlaceTypes.need(outputs: outputs, withCells: withCells))
            }, others: nil)
    }

    private mutating func deadline(_ node: YAMLNode, into workflow: inout Workflow) {
        guard let minutes = node.value.number, minutes > 0, minutes <= 60 * 24 * 365 else {
            error(
                node, "'deadline-minutes' must be a number of minutes above 0, of at most a year",
                help: "deadline-minutes: 90")
            return
        }
        workflow.deadline = .milliseconds(Int64(minutes * 60_000))
    }

    private mutating func falseBlockRate(_ node: YAMLNode, into workflow: inout Workflow) {
        guard let rate = node.value.number, rate > 0, rate < 1 else {
            error(node, "'false-block-rate' must be a number above 0 and below 1", help: "false-block-rate: 0.05")
            return
        }
        workflow.falseBlockRate = rate
    }

    mutating func gates(alone node: YAMLNode, into workflow: inout Workflow) {
        let keys = [Key("gates"), Key("false-block-rate"), Key("waivers"), Key("quarantine"), Key("sheaf")]
        guard let entries = mapping(node, "a file of gates", keys) else { return }
        if let rate = entries["false-block-rate"] { falseBlockRate(rate, into: &workflow) }
        guard let rules = entries["gates"] else {
            error(node, "the file has no 'gates'", help: "gates: {floor: {metric: accuracy, at-least: 0.9}}")
            return
        }
        // What the workflow itself declares, its file tells.
        (types.jobs, types.inputs) = (.any, .any)
        unread = workflow.unread
        if readingFails({ $0.add(gates: rules, to: &workflow) }) { unread.gates = true }
        waivers(entries, into: &workflow)
        workflow.unread = unread
    }

    // MARK: keys

    /// A key that a mapping may have.
    struct Key {
        enum Support {
            case honoured, sheaf, unsupported
            /// Read and checked; nothing here goes by it.
            case idle
        }
        var name: String
        var support: Support
        /// What to do about one that is not honoured, or what to know about one that is idle.
        var help: String?
        /// What others call it.
        var synonyms: Set<String>

        init(_ name: String, _ support: Support = .honoured, help: String? = nil, alias synonyms: Set<String> = []) {
            self.synonyms = synonyms
            self.name = name
            self.support = support
            self.help = help
        }
    }

    /// The mapping's entries by key; unknown ones are reported and left out, unsupported ones only reported.
    mutating func mapping(_ node: YAMLNode, _ what: String, _ keys: [Key]) -> [String: YAMLNode]? {
        guard let entries = node.entries else {
            error(
                node, "\(what) must be a mapping, not \(node.kindName)",
                help:
                    "write keys and values; keys are \(keys.prefix(Self.keysToldMax).map(\.name).joined(separator: ", "))"
            )
            return nil
        }
        var found: [String: YAMLNode] = [:]
        for entry in entries {
            let place = entry.keyNode
            if TemplateText.hasExpression(entry.key) {
                error(place, "an expression is not allowed as a key of \(what)", help: "write the key out")
                continue
            }
            let key = keys.first { $0.name == entry.key }
            switch key?.support {
            case .honoured: found[entry.key] = entry.value
            case .sheaf where isSheaf: found[entry.key] = entry.value
            case .sheaf:
                error(
                    place, "unknown key '\(entry.key)' in \(what)",
                    help: "it is one of Sheaf's own keys: write sheaf: 1 at the top of the file")
            case .idle:
                idle(entry, of: what, key?.help)
                found[entry.key] = entry.value
            case .unsupported:
                unsupported(place, "'\(entry.key)' in \(what)", help: key?.help ?? "remove it to run here")
                found[entry.key] = entry.value
            case nil where diagnostics.count >= Workflow.diagnosticsMax:
                // So many are shown; the nearest key of each would take long to find.
                error(place, "unknown key '\(entry.key)' in \(what)", help: "remove it")
            case nil:
                let folded = String(entry.key.lowercased().map { $0 == "_" ? "-" : $0 })
                if let meant = keys.first(where: { $0.synonyms.contains(folded) }) {
                    error(place, "unknown key '\(entry.key)' in \(what)", help: "write '\(meant.name)'")
                    continue
                }
                let known = keys.filter { $0.support != .sheaf || isSheaf }.map(\.name)
                error(
                    place, "unknown key '\(entry.key)' in \(what)",
                    help: Spelling.nearest(to: entry.key, among: known).map { "did you mean '\($0)'?" }
                        ?? "known keys are \(known.joined(separator: ", "))")
            }
        }
        return found
    }

    // MARK: texts

    /// Keys of a mapping that a mistake names at most.
    private static let keysToldMax = 12

    static func textHelp(_ node: YAMLNode) -> String {
        node.isNull
            ? "write it behind the key, or remove the key"
            : "write one value; a text that begins with [ or { stands in quotes"
    }

    /// The text that a scalar comes to where a text is wanted: of a number, of a Boolean and of null what an expression would
    /// make of them, as at GitHub: `3.10` is `3.1`, `0777` is `777`, `True` is `true`.
    func written(_ node: YAMLNode, _ scalar: YAMLNode.Scalar) -> String {
        guard scalar.isPlain else { return scalar.text }
        return switch node.value {
        case .null, .boolean, .number: Conversion.text(of: node.value)
        case .string, .array, .object: scalar.text
        }
    }

    /// A scalar's text; one that is empty, or that would need evaluation, is refused.
    mutating func text(_ node: YAMLNode, _ what: String) -> String? {
        guard let scalar = node.scalar, !node.isNull else {
            error(node, "\(what) must be text, not \(node.kindName)", help: Self.textHelp(node))
            return nil
        }
        if TemplateText.hasExpression(scalar.text) {
            error(node, "an expression is not allowed in \(what)", help: "write the text out")
            return nil
        }
        return scalar.text
    }

    /// One text, or a list of texts; none of them empty, one at least.
    mutating func texts(_ node: YAMLNode, _ what: String) -> [(text: String, node: YAMLNode)] {
        guard let items = node.items else {
            return notEmpty(node, what).map { [($0, node)] } ?? []
        }
        if items.isEmpty { error(node, "\(what) must not be empty", help: "remove it, or name one at least") }
        return items.compactMap { item in notEmpty(item, "an entry of \(what)").map { ($0, item) } }
    }

    mutating func notEmpty(_ node: YAMLNode, _ what: String) -> String? {
        guard let text = text(node, what) else { return nil }
        if text.isEmpty {
            error(node, "\(what) must not be empty", help: "write it out, or remove the key")
            return nil
        }
        return text
    }

    mutating func flag(_ node: YAMLNode, _ what: String) -> Bool? {
        if let flag = node.value.boolean { return flag }
        error(node, "\(what) must be true or false, not \(node.told)", help: "write true or false, without quotes")
        return nil
    }

    mutating func whole(_ node: YAMLNode, _ what: String, _ range: ClosedRange<Int>) -> Int? {
        guard let number = node.value.number, let whole = Int(exactly: number), range.contains(whole) else {
            error(
                node,
                "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(node.told)",
                help: "write one of these, without quotes: \(max(range.lowerBound, min(2, range.upperBound)))")
            return nil
        }
        return whole
    }

    // MARK: diagnostics

    func place(of offset: Int, in node: YAMLNode) -> SourcePosition {
        guard let scalar = node.scalar, node.position.file == file else { return node.position }
        return places.place(of: offset, in: scalar, at: node.position)
    }

    /// - Parameter help: what the person can do now, as an order.
    mutating func error(_ node: YAMLNode, _ problem: String, help: String) {
        diagnostics.append(Diagnostic(at: node.position, problem, help: help))
    }

    mutating func warning(
        _ rule: Diagnostic.Rule, _ position: SourcePosition, _ problem: String, help: String
    ) {
        diagnostics.append(Diagnostic(.warning, at: position, problem, help: help, rule: rule))
    }

    /// What makes no difference here is told, so that nobody relies on it.
    mutating func idle(_ entry: YAMLNode.Entry, of what: String, _ help: String?) {
        warning(
            .idle, entry.keyPosition, "'\(entry.key)' of \(what) has no effect here",
            help: help ?? "remove it, or leave it for GitHub")
    }

    mutating func unsupported(_ node: YAMLNode, _ what: String, help: String) {
        diagnostics.append(
            Diagnostic(.unsupported, at: node.position, "not supported yet: \(what)", help: help, rule: .unsupported))
    }
}
