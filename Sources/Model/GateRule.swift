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
    package var baseline: BaselineReference?
    /// `first: pass-floor`: without a baseline, plain limits on the same metric decide.
    package var passesFirstOnFloor: Bool
    /// `new-cells: floor-only`.
    package var newCellsFloorOnly: Bool
    package var required: Bool
    /// The text of `when`, an expression; the service evaluates it before judging.
    package var when: String?
    package var position: SourcePosition

    package init(
        name: String, job: String? = nil, metric: String, statistic: Statistic = .value, per: Grouping = .cell,
        over: [String] = [], aggregate: Aggregate = .mean, weightedByCount: Bool = false, better: Better? = nil,
        limits: [Limit], baseline: BaselineReference? = nil, passesFirstOnFloor: Bool = false,
        newCellsFloorOnly: Bool = false, required: Bool = true, when: String? = nil,
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
        self.baseline = baseline
        self.passesFirstOnFloor = passesFirstOnFloor
        self.newCellsFloorOnly = newCellsFloorOnly
        self.required = required
        self.when = when
        self.position = position
    }
}
