/// One gate of a workflow, as its author wrote it. gates.md in the design, docs/gates.md here, give the meaning.
package struct GateRule: Equatable, Sendable {
    package enum Grouping: Equatable, Sendable {
        case cell
        case axes([String])
        case run
    }

    package enum Aggregate: Equatable, Sendable {
        case mean
        case worst
        /// In [0, 1].
        case quantile(Double)
    }

    package enum Statistic: Equatable, Sendable {
        /// What the metric's kind gives: the mean of a mean, the quotient of a ratio, the sum of a sum.
        case value
        /// In [0, 1]; `p50` is 0.5, `max` is 1, `min` is 0.
        case quantile(Double)
    }

    /// A bound in the metric's own unit, or as a share of the baseline.
    package enum Amount: Equatable, Sendable {
        case absolute(Double)
        /// `3%` is 3.
        case percent(Double)
    }

    package enum Limit: Equatable, Sendable {
        case atLeast(Double)
        case atMost(Double)
        case between(Double, Double)
        case dropAtMost(Amount)
        case riseAtMost(Amount)
        case ratioAtMost(Double)

        /// Which way the metric gets better, as the limit has it; `nil` for an interval.
        package var direction: Better? {
            switch self {
            case .atLeast, .dropAtMost: .higher
            case .atMost, .riseAtMost, .ratioAtMost: .lower
            case .between: nil
            }
        }

        package var needsBaseline: Bool {
            switch self {
            case .atLeast, .atMost, .between: false
            case .dropAtMost, .riseAtMost, .ratioAtMost: true
            }
        }
    }

    package enum Better: String, Sendable { case higher, lower }

    package enum BaselineReference: Equatable, Sendable {
        case run(RunID)
        case branch(String)
        case alias(String)
    }

    /// What a limit against a baseline is asked of.
    package enum Test: String, CaseIterable, Sendable {
        /// The estimate alone: no error rate is claimed.
        case none
        /// Blocks where harm beyond the limit is shown.
        case regression
        /// Passes where harm within the limit is shown.
        case nonInferiority = "non-inferiority"
    }

    /// The test's method, where the data leave a choice.
    package enum Method: String, CaseIterable, Sendable { case mannWhitney = "mann-whitney" }

    /// How a test is to decide; of no meaning for `Test.none`.
    package struct Testing: Equatable, Sendable {
        package var test: Test
        package var method: Method?
        /// How much beyond its limit `regression` has to find; in the limit's unit, or as a share of the baseline.
        package var detect: Amount?
        /// How many items `regression` has to see before it passes; follows from `detect` where it is not given.
        package var itemsAtLeast: Int?
        /// The chance that `non-inferiority` passes what it should not.
        package var falsePassRate: Double

        package init(
            _ test: Test = .none, method: Method? = nil, detect: Amount? = nil, itemsAtLeast: Int? = nil,
            falsePassRate: Double = 0.05
        ) {
            self.test = test
            self.method = method
            self.detect = detect
            self.itemsAtLeast = itemsAtLeast
            self.falsePassRate = falsePassRate
        }
    }

    /// A number of the gate that stands in a file of the code tree.
    package struct Threshold: Equatable, Sendable {
        /// The key that it stands for: `at-least`.
        package var key: String
        /// Which of the key's numbers; 1 for the upper bound of `between`.
        package var place: Int
        /// Of the code tree: `params.yaml`.
        package var file: String
        /// The members that lead to it: `gates.accuracy`.
        package var path: String
        /// Until then the gate cannot be judged.
        package var isRead: Bool

        package init(key: String, place: Int = 0, file: String, path: String, isRead: Bool = false) {
            self.key = key
            self.place = place
            self.file = file
            self.path = path
            self.isRead = isRead
        }

        /// As workflows write it: `params.yaml:gates.accuracy`.
        package var source: String { "\(file):\(path)" }
    }

    package var name: String
    /// The job whose cells are read; `nil` when only one job has metrics.
    package var job: String?
    package var metric: String
    package var statistic: Statistic
    package var per: Grouping
    package var over: [String]
    package var aggregate: Aggregate
    /// `weight: n`: cells of a group count by their n instead of equally.
    package var weightedByCount: Bool
    package var better: Better?
    /// All must hold; at least one.
    package var limits: [Limit]
    package var testing: Testing
    package var baseline: BaselineReference?
    /// What of the provenance may differ from the baseline's: `device_model`, `inputs`, `evaluator`, `workflow_inputs`, `vars`.
    package var mayDiffer: [String]
    /// Whether a difference in the environment lock forbids a comparison, too.
    package var isStrict: Bool
    /// `first: pass-floor`: without a baseline, plain limits on the same metric decide.
    package var passesFirstOnFloor: Bool
    /// `new-cells: floor-only`.
    package var newCellsFloorOnly: Bool
    package var required: Bool
    /// Which of its numbers stand in files.
    package var thresholds: [Threshold]
    /// Files of the code tree that make the measurement: with others, two runs are not comparable.
    package var evaluator: [String]
    /// The text of `when`, an expression; the service evaluates it before judging.
    package var when: String?
    package var position: SourcePosition

    package init(
        name: String, job: String? = nil, metric: String, statistic: Statistic = .value, per: Grouping = .cell,
        over: [String] = [], aggregate: Aggregate = .mean, weightedByCount: Bool = false, better: Better? = nil,
        limits: [Limit], testing: Testing = Testing(), baseline: BaselineReference? = nil, mayDiffer: [String] = [],
        isStrict: Bool = false, passesFirstOnFloor: Bool = false, newCellsFloorOnly: Bool = false,
        required: Bool = true, thresholds: [Threshold] = [], evaluator: [String] = [], when: String? = nil,
        position: SourcePosition = SourcePosition(file: "", line: 0, column: 0)
    ) {
        self.name = name
        self.job = job
        self.metric = metric
        self.statistic = statistic
        self.per = per
        self.over = over
        self.aggregate = aggregate
        self.weightedByCount = weightedByCount
        self.better = better
        self.limits = limits
        self.testing = testing
        self.baseline = baseline
        self.mayDiffer = mayDiffer
        self.isStrict = isStrict
        self.passesFirstOnFloor = passesFirstOnFloor
        self.newCellsFloorOnly = newCellsFloorOnly
        self.required = required
        self.thresholds = thresholds
        self.evaluator = evaluator
        self.when = when
        self.position = position
    }
}
