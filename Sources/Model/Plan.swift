/// What a workflow comes to, once its matrices are expanded: what the farm schedules and the gates judge.
package struct Plan: Equatable, Sendable {
    package var name: String
    /// What this run is about, on one line: `run-name`, else what its event says. Empty: nothing beside the name.
    package var title: String
    /// The workflow file's path as the submitter gave it; diagnostics and reports use it.
    package var file: String
    package var jobs: [PlannedJob]
    package var gates: [GateRule]
    /// The share of harmless changes that the whole run may block (gates.md), in (0, 1).
    package var falseBlockRate: Double
    /// Waivers of gates and quarantined cells.
    package var waivers: [Waiver]
    /// The files that gates name in `evaluator`, with what the code tree holds there; each once.
    package var evaluators: [EvaluatorFile]
    /// The workflow's inputs that were given another value than their default, `name=value`, sorted.
    package var givenInputs: [String]
    /// The manifest of the code tree that its shards get; `nil` where there is none.
    package var tree: Digest?
    /// How long the run may take, from the moment that the farm has it; `nil`: as long as its jobs do.
    package var deadline: Duration?
    /// Why its code may be a stranger's, in a sentence; `nil`: it is the owner's. Only agents of pools that allow it take it.
    package var untrusted: String?

    package init(
        name: String, title: String = "", file: String, jobs: [PlannedJob], gates: [GateRule] = [],
        falseBlockRate: Double = 0.05, waivers: [Waiver] = [], evaluators: [EvaluatorFile] = [],
        givenInputs: [String] = [],
        tree: Digest? = nil, deadline: Duration? = nil, untrusted: String? = nil
    ) {
        self.name = name
        self.title = title
        self.file = file
        self.jobs = jobs
        self.gates = gates
        self.falseBlockRate = falseBlockRate
        self.waivers = waivers
        self.evaluators = evaluators
        self.givenInputs = givenInputs
        self.tree = tree
        self.deadline = deadline
        self.untrusted = untrusted
    }

    /// The cell at a position; `nil` where the plan has none, or none yet.
    package func cell(_ id: CellID) -> PlannedCell? {
        guard jobs.indices.contains(id.job), let cells = jobs[id.job].cells, cells.indices.contains(id.cell) else {
            return nil
        }
        return cells[id.cell]
    }
}

/// A file that makes a measurement.
package struct EvaluatorFile: Hashable, Sendable {
    package var path: String
    /// Of its bytes.
    package var digest: Digest

    package init(path: String, digest: Digest) {
        self.path = path
        self.digest = digest
    }
}

/// One job of the plan, with its cells as far as they are known.
package struct PlannedJob: Equatable, Sendable {
    package var id: String
    package var name: String
    /// Positions in the plan of the jobs that this one waits for.
    package var needs: [Int]
    /// Those of them whose cells are waited for one by one: see `PlannedCell.needs`.
    package var matched: [Int]
    /// The calls that it is made by, the outermost first, where these have concurrency groups.
    package var calls: [Int]
    /// Names of gates that must pass before this job starts.
    package var needsGates: [String]
    /// The text of `if`, an expression; `nil` is `success()`.
    package var condition: String?
    package var onCancel: CancelledRun
    /// `nil` while the matrix depends on outputs of `needs`; settled when those have ended.
    package var cells: [PlannedCell]?
    package var failFast: Bool
    /// The most cells with a leased shard at one time; `nil` means all.
    package var maxParallel: Int?
    package var shards: ShardPlan
    package var retry: RetryPolicy
    /// Its shards may be worked on twice at one time: one that runs far beyond its peers gets a second attempt elsewhere.
    package var isIdempotent: Bool
    package var work: JobWork

    package init(
        id: String, name: String? = nil, needs: [Int] = [], matched: [Int] = [], calls: [Int] = [],
        needsGates: [String] = [],
        condition: String? = nil, onCancel: CancelledRun = .ends, cells: [PlannedCell]?, failFast: Bool = true,
        maxParallel: Int? = nil,
        shards: ShardPlan = ShardPlan(),
        retry: RetryPolicy = RetryPolicy(), isIdempotent: Bool = false, work: JobWork = JobWork()
    ) {
        self.id = id
        self.name = name ?? id
        self.needs = needs
        self.matched = matched
        self.calls = calls
        self.needsGates = needsGates
        self.condition = condition
        self.onCancel = onCancel
        self.cells = cells
        self.failFast = failFast
        self.maxParallel = maxParallel
        self.shards = shards
        self.retry = retry
        self.isIdempotent = isIdempotent
        self.work = work
    }

    /// Whether gates may read it, as far as the plan tells.
    package var writesMetrics: Bool { work.writesMetrics || shards.items != nil }
}

/// What becomes of a job when its run is cancelled, as GitHub has it: an `if` with `always()` lets it clean up.
package enum CancelledRun: UInt32, CaseIterable, Sendable {
    case ends = 0
    /// Its `if` asks for the status: it is asked once everything that the job needs has ended.
    case asks
    /// It runs, and its `if` holds in a cancelled run too.
    case goesOn
}

/// One point of a job's matrix. A job without a matrix has one cell without values.
package struct PlannedCell: Equatable, Sendable {
    /// Unique in its job: `eval_3_11_torch`.
    package var id: String
    /// For people: `eval (3.11, torch)`.
    package var name: String
    /// The `matrix` context: the axes in the file's order, then what `include` added.
    package var values: [Value.Member]
    /// What an agent must have: `runs-on`, lower-cased, after the farm's label table.
    package var labels: [String]
    /// The Python that `actions/setup-python` asks for; `nil` when the job asks for none.
    package var python: String?
    package var resources: ResourceRequest
    package var timeout: Duration
    /// `nil` when silence is no reason to end an attempt.
    package var idleTimeout: Duration?
    package var queueTimeout: Duration
    package var continueOnError: Bool
    /// `false`: named in the report, and neutral.
    package var required: Bool
    package var inputs: [HeldInput]
    /// Cells of other jobs that this one waits for, beside what its job waits for: `needs: {job: build, match: [python]}`.
    package var needs: [CellNeed]
    /// The environment that it deploys to, by name.
    package var environment: String?
    /// The concurrency group that it has to be let in by before it is cut; `nil`: none.
    package var concurrency: ConcurrencyGroup?
    /// The same of the calls that it is made by, and of the workflows called, the outermost first. It comes to these before its
    /// own.
    package var callGroups: [CallGroup]
    /// Why this cell does not run: its `if` was false. The text of the condition with what it came to.
    package var skipped: String?
    /// What its longest shard took in an earlier run, for as many shards as it has now; `nil` where none is known.
    package var expected: Duration?
    /// The digest of the lock that its environment had in an earlier run; `nil` where none is known.
    package var environmentLock: Digest?

    package init(
        id: String, name: String, values: [Value.Member] = [], labels: [String] = [], python: String? = nil,
        resources: ResourceRequest = ResourceRequest(), timeout: Duration = .minutes(60), idleTimeout: Duration? = nil,
        queueTimeout: Duration = .minutes(60), continueOnError: Bool = false, required: Bool = true,
        inputs: [HeldInput] = [], needs: [CellNeed] = [], environment: String? = nil,
        concurrency: ConcurrencyGroup? = nil, callGroups: [CallGroup] = [], skipped: String? = nil,
        expected: Duration? = nil, environmentLock: Digest? = nil
    ) {
        self.id = id
        self.name = name
        self.needs = needs
        self.environment = environment
        self.concurrency = concurrency
        self.callGroups = callGroups
        self.values = values
        self.labels = labels
        self.python = python
        self.resources = resources
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.queueTimeout = queueTimeout
        self.continueOnError = continueOnError
        self.required = required
        self.inputs = inputs
        self.skipped = skipped
        self.expected = expected
        self.environmentLock = environmentLock
    }
}

extension PlannedCell {
    /// Whether it has to be let in by anybody.
    package var isGrouped: Bool { concurrency != nil || !callGroups.isEmpty }
}

/// The group of runs and cells that one belongs to: they go on one after the other.
package struct ConcurrencyGroup: Equatable, Sendable {
    /// Without regard to case; not empty, without line breaks.
    package var name: String
    /// Whoever comes ends whoever goes on.
    package var cancels: Bool
    /// Whoever comes waits behind those that wait, and nobody takes its place: `queue: max`.
    package var queues: Bool

    package init(name: String, cancels: Bool = false, queues: Bool = false) {
        self.name = name
        self.cancels = cancels
        self.queues = queues
    }
}

/// The group of a call: all jobs of the workflow that is called there are in it together, from the first of their cells to the
/// last.
package struct CallGroup: Equatable, Sendable {
    /// The position of the call in its plan: see `PlannedJob.calls`.
    package var call: Int
    /// The job that calls, for people: `ci (3.11)`.
    package var title: String
    package var group: ConcurrencyGroup

    package init(call: Int, title: String, group: ConcurrencyGroup) {
        self.call = call
        self.title = title
        self.group = group
    }
}

/// Cells of one job that a cell of another waits for.
package struct CellNeed: Equatable, Sendable {
    /// Its position in the plan.
    package var job: Int
    /// Positions in the job, ascending; one at least.
    package var cells: [Int]
    /// Whether all of them must have passed; else it is enough that they have ended.
    package var mustPass: Bool

    package init(job: Int, cells: [Int], mustPass: Bool = true) {
        self.job = job
        self.cells = cells
        self.mustPass = mustPass
    }
}

/// How a cell is cut into shards.
package struct ShardPlan: Equatable, Sendable {
    package enum ItemSource: Equatable, Sendable {
        /// A file of the code tree, one item per line.
        case file(String)
        /// A command whose standard output has one item per line; a template.
        case command(String)
        /// A collector by name: `pytest`.
        case collect(String)
    }

    /// By what items are cut.
    package enum Balance: Hashable, Sendable {
        /// In equal numbers.
        case none
        /// By how long they took in earlier runs.
        ///
        /// - target: how long a shard should take; `nil`: there are as many shards as `count` says.
        case history(target: Duration?)
    }

    /// How many shards a cell has; with items, at most this many, and never more than items. At least 1.
    package var count: Int
    /// `nil`: a shard only gets its number.
    package var items: ItemSource?
    /// Of no meaning without items.
    package var balance: Balance
    package var maxParallel: Int?
    package var failFast: Bool

    package init(
        count: Int = 1, items: ItemSource? = nil, balance: Balance = .none, maxParallel: Int? = nil,
        failFast: Bool = false
    ) {
        self.count = count
        self.items = items
        self.balance = balance
        self.maxParallel = maxParallel
        self.failFast = failFast
    }

    /// The items of shard `shard` among `count` shards: positions in the listing, each in exactly one shard.
    package static func slice(shard: Int, of count: Int, items: Int) -> Range<Int> {
        precondition(count > 0 && shard >= 0 && shard < count && items >= 0, "a shard is one of its count")
        let bound = { (edge: Int) in edge * (items / count) + min(edge, items % count) }
        return bound(shard)..<bound(shard + 1)
    }
}

/// What may be tried again, and how soon.
package struct RetryPolicy: Equatable, Sendable {
    /// The most attempts of one shard, the first included; at least 1.
    package var attemptsMax: Int
    /// `infrastructure`, a cause's label (`oom`, `timeout`) or `exit:75`.
    package var on: [String]
    package var backoffMin: Duration
    package var backoffMax: Duration
    /// What `memory` is multiplied by after `oom`; at least 1.
    package var memoryFactor: Double

    package init(
        attemptsMax: Int = 3, on: [String] = ["infrastructure"], backoffMin: Duration = .seconds(1),
        backoffMax: Duration = .minutes(1), memoryFactor: Double = 1
    ) {
        self.attemptsMax = attemptsMax
        self.on = on
        self.backoffMin = backoffMin
        self.backoffMax = backoffMax
        self.memoryFactor = memoryFactor
    }

    /// Whether an attempt that ended so may be followed by another, attempts left aside. `user_error` never may.
    package func covers(_ cause: Cause) -> Bool {
        guard cause.kind != .userError && cause.kind != .passed else { return false }
        return on.contains { word in
            word == cause.codeWord || word == cause.kind.rawValue
                || (word == "infrastructure" && cause.kind.isInfrastructure)
        }
    }
}

/// What every shard of a job does on its agent. Texts are templates: they may hold `${{ }}`, which the agent evaluates.
package struct JobWork: Equatable, Sendable {
    /// The workflow's `env`, then the job's; later entries win.
    package var environment: [Template]
    package var shell: String?
    package var workingDirectory: String?
    /// Builds the environment, once per agent and key.
    package var setup: [Step]
    package var steps: [Step]
    /// The path of the metrics file, below the workspace; `nil` when the job names none.
    package var metrics: String?
    /// Files in which metrics stand as tools write them.
    package var metricSources: [MetricSource]
    package var outputs: [Template]
    /// What the steps run in; `nil`, or an image that comes to nothing: the agent itself.
    package var container: JobContainer?
    /// What serves them.
    package var services: [JobService]

    package init(
        environment: [Template] = [], shell: String? = nil, workingDirectory: String? = nil, setup: [Step] = [],
        steps: [Step] = [], metrics: String? = nil, metricSources: [MetricSource] = [], outputs: [Template] = [],
        container: JobContainer? = nil, services: [JobService] = []
    ) {
        self.environment = environment
        self.shell = shell
        self.workingDirectory = workingDirectory
        self.setup = setup
        self.steps = steps
        self.metrics = metrics
        self.metricSources = metricSources
        self.outputs = outputs
        self.container = container
        self.services = services
    }

    /// Whether it names a metrics file, or a step of it one of the files where metrics go. A script of the repository may write
    /// them too, from Python say: only what is in sight speaks.
    package var writesMetrics: Bool {
        if metrics != nil || !metricSources.isEmpty { return true }
        return (setup + steps).contains { step in
            guard case .run(let script) = step.action else { return false }
            return ([script] + step.environment.map(\.text)).contains {
                $0.contains("SHEAF_METRICS") || $0.contains("SHEAF_ITEMS_OUT")
            }
        }
    }
}

/// A name with the text it stands for, before evaluation.
package struct Template: Equatable, Sendable {
    package var name: String
    package var text: String
    package init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}

/// One step of a job: a command, or an action.
package struct Step: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case run(String)
        /// The action without its reference (`actions/checkout`), and the reference (`v4`).
        case uses(action: String, reference: String, with: [Template])
        /// An action of the code tree, or of another repository.
        case local(LocalAction, with: [Template])
    }

    package var id: String?
    /// A template; `nil`: derived from the action.
    package var name: String?
    /// The text of `if`, an expression; `nil` is `success()`.
    package var condition: String?
    package var action: Action
    package var environment: [Template]
    package var shell: String?
    package var workingDirectory: String?
    /// Minutes, a template.
    package var timeout: String?
    /// A Boolean, a template.
    package var continueOnError: String?
    package var line: Int

    package init(
        id: String? = nil, name: String? = nil, condition: String? = nil, action: Action,
        environment: [Template] = [], shell: String? = nil, workingDirectory: String? = nil, timeout: String? = nil,
        continueOnError: String? = nil, line: Int = 0
    ) {
        self.id = id
        self.name = name
        self.condition = condition
        self.action = action
        self.environment = environment
        self.shell = shell
        self.workingDirectory = workingDirectory
        self.timeout = timeout
        self.continueOnError = continueOnError
        self.line = line
    }
}
