package import Model

/// The answer to a gate's baseline reference.
package struct ResolvedBaseline: Sendable {
    package enum Source: Sendable {
        /// - Parameter name: what the report calls it: `r12, commit 1a2b3c4`.
        case found(Results, name: String)
        /// There is none yet; the sentence says where it was looked for. `first: pass-floor` applies.
        case absent(String)
        /// It should be there and cannot be had.
        case unavailable(String)
    }

    package var reference: GateRule.BaselineReference
    /// The names of the gates that it is for; `nil` for all that ask for it and have none of their own.
    package var gates: [String]?
    /// Whether cells that did not run in it are as good as new: no other run that could be the baseline has run them.
    package var skippedAreNew = false
    /// Cells, by id, that it does not have and another run that could be the baseline has run.
    package var returning: [String] = []
    package var source: Source

    package init(_ reference: GateRule.BaselineReference, gates: [String]? = nil, _ source: Source) {
        self.reference = reference
        self.gates = gates
        self.source = source
    }
}

/// What a run is judged by beside its gates.
package struct JudgingTerms: Equatable, Sendable {
    /// The chance that a run in which nothing got worse is blocked by any of its required `regression` tests.
    package var falseBlockRate: Double
    package var waivers: [Waiver]

    package init(falseBlockRate: Double = 0.05, waivers: [Waiver] = []) {
        self.falseBlockRate = falseBlockRate
        self.waivers = waivers
    }

    package init(_ plan: Plan) { self.init(falseBlockRate: plan.falseBlockRate, waivers: plan.waivers) }
}

/// Judges a run: the implicit gate `jobs`, then each rule.
///
/// Pure and deterministic: the same arguments give the same judgement, whatever the order of `results.shards`.
///
/// - Parameter conditions: what the `when` of a gate came to, by the gate's name. A gate whose `when` has no answer is
///   incomplete.
package func judge(
    _ rules: [GateRule], results: Results, baselines: [ResolvedBaseline] = [], conditions: [String: Bool] = [:]
) -> Judgement {
    judge(rules, results: results, baselines: baselines, conditions: conditions, terms: JudgingTerms())
}

/// Judges a run as above, by its plan's error rate and waivers.
package func judge(
    _ rules: [GateRule], results: Results, baselines: [ResolvedBaseline] = [], conditions: [String: Bool] = [:],
    terms: JudgingTerms
) -> Judgement {
    var judge = Judge(results: results, baselines: baselines, conditions: conditions, terms: terms)
    let jobs = judge.jobsGate()
    var judgement = Judgement(gates: [jobs] + judge.gates(rules), cells: judge.cellJudgements())
    judgement.baselines = baselines.map(\.note)
    judgement.notes =
        judge.idleWaivers(judgement.gates) + judge.quarantineNotes + judge.unmeasurableNotes(judgement.gates, rules)
    return judgement
}

/// Judges single gates of a run that may still go on, for `needs-gates`. Tests count within the whole run's family, as
/// if all others had found nothing.
package func judgeGates(
    _ rules: [GateRule], named names: Set<String>, results: Results, baselines: [ResolvedBaseline] = [],
    conditions: [String: Bool] = [:], terms: JudgingTerms = JudgingTerms()
) -> [GateJudgement] {
    var judge = Judge(results: results, baselines: baselines, conditions: conditions, terms: terms)
    return judge.gates(rules, named: names)
}

/// The state of one judging: tables of cells, and what was read from them already.
struct Judge {
    let conditions: [String: Bool]
    let terms: JudgingTerms
    var candidate: MetricTable
    /// By job and cell: why a cell does not have to pass although the plan says so.
    let quarantined: [String: String]
    /// Comparisons that wait for their family.
    var openTests: [OpenTest] = []
    let baselines: [ResolvedBaseline]
    /// Beside `baselines`: tables of those that were needed.
    var tables: [MetricTable?]

    init(results: Results, baselines: [ResolvedBaseline], conditions: [String: Bool], terms: JudgingTerms) {
        let (results, notes) = Self.quarantine(results, terms.waivers)
        candidate = MetricTable(CellTable(results))
        quarantined = notes
        self.terms = terms
        self.baselines = baselines
        self.conditions = conditions
        tables = Array(repeating: nil, count: baselines.count)
    }

    mutating func gates(_ rules: [GateRule], named names: Set<String>? = nil) -> [GateJudgement] {
        let gates = rules.filter { names?.contains($0.name) ?? true }.map { gate($0, among: rules) }
        return waive(settle(gates, rules))
    }

    mutating func gate(_ rule: GateRule, among rules: [GateRule]) -> GateJudgement {
        let answer = { (isApplicable: Bool, groups: [GroupJudgement]) in
            GateJudgement(
                name: rule.name, isRequired: rule.required, isApplicable: isApplicable, question: rule.question,
                groups: groups)
        }
        let stop = { (verdict: Verdict, reason: String) in
            answer(true, [GroupJudgement(place: [], verdict: verdict, reason: reason)])
        }
        if let condition = rule.when {
            guard let holds = conditions[rule.name] else {
                return stop(.incomplete, "its 'when' was not evaluated: \(condition.prefix(200))")
            }
            guard holds else { return answer(false, []) }
        }
        guard !rule.limits.isEmpty else { return stop(.incomplete, "the gate has no limit") }
        if let threshold = rule.thresholds.first(where: { !$0.isRead }) {
            return stop(.incomplete, "missing: \(threshold.source) was not read")
        }
        if rule.testing.test != .none, let obstacle = Self.obstacle(to: rule) { return stop(.incomplete, obstacle) }
        let job: Int
        switch candidate.job(of: rule) {
        case .taken(let found): job = found
        case .refused(let reason), .missing(let reason): return stop(.incomplete, reason)
        }
        let groups: [CellGroup]
        switch candidate.groups(of: rule, job: job) {
        case .taken(let found): groups = found
        case .refused(let reason), .missing(let reason):
            var group = GroupJudgement(place: [], verdict: .incomplete, reason: reason)
            group.isInfrastructureOnly = candidate.cells.isHeldByInfrastructureOnly(candidate.cells.jobs[job].expected)
            return answer(true, [group])
        }
        var comparison: Comparison?
        if rule.limits.contains(where: \.needsBaseline) {
            comparison = compare(rule, job: job, among: rules)
        }
        var judgements: [GroupJudgement] = []
        var open: [OpenTest] = []
        for group in groups {
            let (judgement, test) = judge(group, rule, job: job, comparison)
            if var test {
                test.group = judgements.count
                open.append(test)
            }
            judgements.append(judgement)
        }
        if let comparison { addVanished(rule, job: job, comparison, to: &judgements, groups: groups) }
        for var test in open {
            test.floor = (judgements[test.group].verdict, judgements[test.group].reason)
            judgements[test.group].verdict = .incomplete
            judgements[test.group].reason = "its test was not settled"
            openTests.append(test)
        }
        return answer(true, judgements)
    }
}
