import Expressions
package import Model

/// A workflow file as it was written: checked, and not yet evaluated.
package struct Workflow: Sendable {
    /// GitHub's names of what may start one, sorted.
    package static let events: [String] = EventKind.all.keys.sorted()

    package var file: String
    package var name: String
    /// `run-name`.
    var runName: YAMLNode?
    /// `sheaf: 1` stands at its top: Sheaf's own keys and rules hold.
    package var isSheaf = false
    /// What starts it, in order.
    package var triggers: [EventTrigger] = []
    /// The inputs of `workflow_dispatch`.
    package var inputs: [Input] = []
    /// What callers give and get; `nil` when no workflow may call this one.
    package var call: Call?
    package var gates: [GateRule] = []
    package var falseBlockRate = 0.05
    /// How long a run may take in all; `nil`: as long as its jobs do.
    package var deadline: Duration?
    /// Waivers of gates, and quarantined cells.
    package var waivers: [Waiver] = []

    /// The files of the code tree whose digests the plan holds: manifests of the jobs' `inputs`, evaluators of gates.
    package var manifests: Set<String> {
        var all = Set(gates.flatMap(\.evaluator))
        for job in jobs {
            all.formUnion(job.inputs.map(\.manifest))
            all.formUnion(job.call?.workflow?.manifests ?? [])
        }
        return all
    }

    /// What of the file could not be read. Planning the rest finds nothing wrong that only follows from it.
    struct Unread: Sendable {
        var triggers = false
        var gates = false
        var jobs = false
    }
    var unread = Unread()

    var environment: [Template] = []
    var defaults = Defaults()
    var permissions: Permissions?
    var concurrencyNode: YAMLNode?
    /// Which cells a run takes: a text over `github`, `inputs` and `vars`.
    var tier: YAMLNode?
    var jobs: [JobSource] = []
    /// Once jobs that call workflows are expanded: the calls. See `expanded`.
    var calls: [ExpandedCall] = []
    /// What names in `needs` stand for: of the file itself, then of each call. Empty until it is expanded.
    var scopes: [JobScope] = []

    init(file: String, name: String) {
        self.file = file
        self.name = name
    }

    /// The names of what starts it, in order.
    package var events: [String] { triggers.map(\.name) }

    /// An input of `workflow_dispatch` or `workflow_call`.
    package struct Input: Equatable, Sendable {
        package enum Kind: String, CaseIterable, Sendable {
            case string, boolean, number, choice, environment

            var type: ValueType {
                switch self {
                case .string, .choice, .environment: .string
                case .boolean: .boolean
                case .number: .number
                }
            }

            /// What an input without a default is.
            var empty: Value {
                switch self {
                case .string, .choice, .environment: ""
                case .boolean: false
                case .number: 0
                }
            }
        }

        package var name: String
        package var kind = Kind.string
        package var isRequired = false
        package var fallback: Value = ""
        /// A default that is computed, for `workflow_call`.
        package var fallbackText: String?
        package var options: [String] = []

        package init(name: String) { self.name = name }
    }

    /// `on: workflow_call`.
    package struct Call: Equatable, Sendable {
        package struct Secret: Equatable, Sendable {
            package var name: String
            package var isRequired = false
        }

        package var inputs: [Input] = []
        package var secrets: [Secret] = []
        /// Texts over the context `jobs`.
        package var outputs: [Template] = []
    }

    struct Defaults: Equatable, Sendable {
        var shell: String?
        var workingDirectory: String?
    }

    /// Reads and checks a workflow file: all mistakes at once, in the order of their places.
    ///
    /// - Parameter files: where the workflows are that it calls.
    /// - Returns: the workflow when nothing in it is an error (it may hold what is `unsupported`), and every diagnostic.
    package static func read(
        _ text: [UInt8], file: String, files: WorkflowFiles = .none
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let reading = WorkflowReading(text, file: file, files: files)
        return (reading.workflow, reading.diagnostics)
    }

    /// Reads a file and plans it: every diagnostic that either finds. Where nobody has said what starts a run
    /// (`request.isKnown`), values that depend on it are not judged.
    package static func check(
        _ text: [UInt8], file: String, files: WorkflowFiles = .none, request: PlanRequest
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let reading = WorkflowReading(text, file: file, files: files)
        let (planned, diagnostics) = reading.planned(request)
        return (planned == nil ? nil : reading.workflow, diagnostics)
    }

    /// What planning finds wrong or odd.
    func mistakes(in request: PlanRequest) -> [Diagnostic] {
        do throws(Mistakes) {
            return try planned(request).warnings
        } catch {
            return error.diagnostics
        }
    }

    static func empty(_ file: String) -> Diagnostic {
        Diagnostic(
            at: SourcePosition(file: file, line: 1, column: 1), "the file is empty", help: "begin with on: and jobs:")
    }

    /// What is said of one file at most; mistakes go before advice.
    static let diagnosticsMax = 1000

    /// By place; what an alias repeats, or planning finds again, is said once.
    package static func ordered(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
        struct Saying: Hashable {
            var severity: Diagnostic.Severity
            var position: SourcePosition
            var problem: String
        }
        var seen: Set<Saying> = []
        let all = diagnostics.filter {
            seen.insert(Saying(severity: $0.severity, position: $0.position, problem: $0.problem)).inserted
        }.sorted { $0.position < $1.position }
        guard all.count > diagnosticsMax, let last = all.last else { return all }
        let kept = (all.filter { $0.severity != .warning } + all.filter { $0.severity == .warning }).prefix(
            diagnosticsMax)
        let rest = Diagnostic(
            .warning, at: last.position, "\(all.count - diagnosticsMax) more are not shown",
            help: "mend the first ones, and check again")
        return kept.sorted { $0.position < $1.position } + [rest]
    }
}

/// A job as it was written. What may hold expressions is kept as nodes or texts.
struct JobSource: Sendable {
    var id: String
    /// Unique in the plan: `build`, or `ci.build` for a job of the workflow that `ci` calls.
    var planID: String
    /// For people: `build`, `ci (3.11) / build`.
    var title: String
    /// The call that it belongs to; `nil` for a job of the file itself.
    var caller: Int?
    var position: SourcePosition
    var name: YAMLNode?
    var needs: [String] = []
    /// Gates that must pass before it starts.
    var needsGates: [String] = []
    /// Needs whose cells are waited for one by one: those with the same values of these axes.
    var matches: [String: [(axis: String, position: SourcePosition)]] = [:]
    /// Where each of them stands.
    var needPositions: [String: SourcePosition] = [:]
    var condition: String?
    var conditionPosition: SourcePosition
    var runsOn: YAMLNode?
    var matrix: YAMLNode?
    var cover: CoverSource?
    var failFast: YAMLNode?
    var maxParallel: YAMLNode?
    var continueOnError: YAMLNode?
    var required: YAMLNode?
    var tier: YAMLNode?
    var timeout: YAMLNode?
    var idleTimeout: YAMLNode?
    var queueTimeout: YAMLNode?
    var resources: YAMLNode?
    var container: JobContainer?
    /// What says which image it is: it may come to nothing for some cells.
    var containerImage: YAMLNode?
    /// With what says which image each has.
    var services: [(service: JobService, image: YAMLNode)] = []
    var inputs: [InputSource] = []
    var shards = ShardPlan()
    var retry = RetryPolicy()
    var isIdempotent = false
    var work = JobWork()
    /// An expression asks for single cells of a job that this one needs.
    var readsCells = false
    /// What its cells are made of could not all be read.
    var isUnread = false
    var permissions: Permissions?
    var concurrency: YAMLNode?
    /// The environment that it deploys to: a name, or a mapping with one.
    var environment: YAMLNode?
    /// A step runs an action for Node.js.
    var needsNode = false
    /// The secrets that its texts read, in capitals, sorted; with those of the file's `env`.
    var secrets: [String] = []
    /// The workflow that the job calls instead of having steps.
    var call: CallSource?
    /// The first step that asks for a Python, with the place of its version.
    var python: (text: String, position: SourcePosition)?

    init(id: String, position: SourcePosition) {
        self.id = id
        planID = id
        title = id
        self.position = position
        conditionPosition = position
    }

    struct InputSource: Sendable {
        var path: String
        var manifest: String
        var position: SourcePosition
    }

    /// `strategy.cover`.
    struct CoverSource: Sendable {
        var strength: Int
        var always: YAMLNode?
        var position: SourcePosition
    }

    /// A job that calls a workflow.
    struct CallSource: Sendable {
        var reference: String
        var position: SourcePosition
        var inputs: [YAMLNode.Entry] = []
        /// The called workflow; `nil` where its text is not at hand.
        var workflow: Workflow?
    }

    /// Every node that the cells of the job are made from.
    var cellNodes: [YAMLNode] {
        [
            name, runsOn, matrix, cover?.always, failFast, maxParallel, continueOnError, required, tier, timeout,
            idleTimeout,
            queueTimeout, environment?["name"] ?? environment,
            resources, containerImage,
        ].compactMap { $0 } + services.map(\.image).filter { $0.entries == nil }
    }
}
