import Model

/// What stands on the other side of limits against a baseline.
extension Judge {
    /// What stands on the other side of a gate's relative limits.
    struct Comparison {
        enum Side {
            /// A place in `tables`, and the job's in it.
            case table(Int, job: Int)
            /// No comparison is possible, for the whole gate.
            case blocked(Obstacle)
            /// There is no baseline yet, and floors decide.
            case floors(String)
        }

        var side: Side
        var source: String
        var run: RunID?
        /// What the plain limits on the same metric say; for new cells too.
        var floors: Floors
    }

    /// Why nothing is compared.
    struct Obstacle {
        var reason: String
        /// Whether evidence is missing or broken. What is whole and cannot be compared may be waived.
        var isBroken: Bool
        /// Whether the plan alone says so: there was none yet.
        var isOfPlan: Bool

        init(_ reason: String, isBroken: Bool, isOfPlan: Bool = false) {
            self.reason = reason
            self.isBroken = isBroken
            self.isOfPlan = isOfPlan
        }
    }

    /// What plain limits on a metric came to.
    struct Floors {
        struct Group {
            /// The positions of the cells that were looked at together.
            var cells: Set<Int>
            /// Or was waived.
            var passes: Bool
        }

        var groups: [Group] = []

        /// Whether all that look at any of these cells pass, and each is looked at.
        func pass(_ cells: Set<Int>) -> Bool {
            let looking = groups.filter { !$0.cells.isDisjoint(with: cells) }
            return looking.allSatisfy(\.passes)
                && cells.isSubset(of: looking.reduce(into: []) { $0.formUnion($1.cells) })
        }

        /// Whether they speak for each of `new` without speaking of any other cell: a mean over the whole run says nothing
        /// about the one cell in it that is new.
        func vouch(for new: Set<Int>) -> Bool {
            pass(new)
                && new.allSatisfy { cell in groups.contains { $0.cells.contains(cell) && $0.cells.isSubset(of: new) } }
        }
    }

    /// The comparison that `rule` asks for.
    mutating func compare(_ rule: GateRule, job: Int, among rules: [GateRule]) -> Comparison {
        let needsFloors = rule.passesFirstOnFloor || rule.newCellsFloorOnly
        var comparison = Comparison(side: .blocked(Obstacle("", isBroken: true)), source: "", floors: Floors())
        if needsFloors { comparison.floors = floors(rule, job: job, among: rules) }
        let asked = baselines.indices.filter { baselines[$0].reference == rule.baseline }
        let place = asked.first { baselines[$0].gates?.contains(rule.name) == true } ?? asked.first
        guard rule.baseline != nil, let place else {
            comparison.side = .blocked(Obstacle("no baseline was given", isBroken: true))
            return comparison
        }
        switch baselines[place].source {
        case .unavailable(let reason):
            comparison.side = .blocked(Obstacle("no baseline: \(reason)", isBroken: true))
        case .absent(let reason):
            comparison.side = Self.first(rule, reason)
        case .found(let results, let name):
            comparison.source = name
            comparison.run = results.header.run
            let header = candidate.cells.results.header
            if let obstacle = Baseline.obstacle(candidate: header, baseline: results.header, rule) {
                comparison.side = .blocked(obstacle)
                return comparison
            }
            if Baseline.differs("environment_locks", header, results.header) {
                comparison.source += ", another environment lock"
            }
            // Whoever changes the gates themselves should not do so unseen.
            if Baseline.differs("workflow", header, results.header) || Baseline.differs("gates", header, results.header)
            {
                comparison.source += ", another workflow"
            }
            if Baseline.differs("bounds", header, results.header) {
                let there = results.header.provenance.first { $0.key == "bounds" }?.value.array ?? []
                let ours = header.provenance.first { $0.key == "bounds" }?.value.array ?? []
                let others = there.filter { !ours.contains($0) }.compactMap(\.string)
                comparison.source += ", other bounds (there \(Spelling.shortened(others, most: 3)))"
            }
            // What it lost then is not seen now.
            let excused = results.header.provenance.first { $0.key == "quarantined" }?.value.array ?? []
            let there = excused.compactMap(\.string).filter { name in
                candidate.cells.jobs[job].cells.contains { $0.expected.name == name && $0.expected.required }
            }
            if !there.isEmpty { comparison.source += ", where \(Spelling.shortened(there, most: 5)) was in quarantine" }
            if tables[place] == nil { tables[place] = MetricTable(CellTable(results)) }
            let id = candidate.cells.jobs[job].expected.id
            guard let other = tables[place]?.cells.jobs.firstIndex(where: { $0.expected.id == id }) else {
                comparison.side = Self.first(rule, "the baseline has no job '\(id)'")
                return comparison
            }
            if let why = tables[place]?.whyUnmeasured(rule.metric, job: other) {
                comparison.side = Self.first(rule, "the baseline does not measure it: \(why)")
            } else {
                comparison.side = .table(place, job: other)
            }
        }
        return comparison
    }

    /// What stands on the other side of what was never measured before.
    private static func first(_ rule: GateRule, _ reason: String) -> Comparison.Side {
        rule.passesFirstOnFloor
            ? .floors(reason) : .blocked(Obstacle("no baseline: \(reason)", isBroken: true, isOfPlan: true))
    }

    /// What the gates with only plain limits on the same metric come to, `rule`'s own plain limits included. Advisory gates vouch
    /// for no required one.
    private mutating func floors(_ rule: GateRule, job: Int, among rules: [GateRule]) -> Floors {
        var own = rule
        own.limits = rule.limits.filter { !$0.needsBaseline }
        own.when = nil
        own.testing = GateRule.Testing()
        let others = rules.filter { other in
            guard other.name != rule.name, other.required || !rule.required, other.metric == rule.metric,
                other.statistic == rule.statistic,
                !other.limits.isEmpty, !other.limits.contains(where: \.needsBaseline),
                case .taken(job) = candidate.job(of: other)
            else { return false }
            return true
        }
        var floors = Floors()
        for floor in others + (own.limits.isEmpty ? [] : [own]) {
            let judgement = waive([gate(floor, among: rules)])[0]
            guard judgement.isApplicable, case .taken(let groups) = candidate.groups(of: floor, job: job) else {
                continue
            }
            // One that cannot be asked has a group of its own, which fits none.
            let verdicts = judgement.groups.count == groups.count ? judgement.groups.map(\.verdict) : []
            for (place, group) in groups.enumerated() {
                let passes = verdicts.indices.contains(place) && verdicts[place] <= .waived
                floors.groups.append(Floors.Group(cells: Set(group.cells.joined()), passes: passes))
            }
        }
        return floors
    }

    /// A cell's counterpart in the baseline.
    enum Match {
        case twin(Int)
        /// The baseline has no cell with these values.
        case none
        /// It has several: nobody knows which is meant.
        case several
        /// It has one that did not have to pass, in quarantine above all, and gave no value.
        case lost
        /// It has one that did not run: its own `if`, or a tier.
        case skipped(String, isNew: Bool)
    }

    /// The baseline's cells that match `cells`.
    mutating func matches(_ cells: [Int], _ rule: GateRule, job: Int, in place: Int, job other: Int) -> [Match] {
        cells.map { cell in
            guard let there = tables[place]?.cells.jobs[other],
                let twin = there.byKey[candidate.cells.jobs[job].cells[cell].key]
            else {
                guard baselines[place].returning.contains(candidate.cells.jobs[job].cells[cell].expected.id) else {
                    return .none
                }
                return .skipped("it was gone, and another run of the branch has run it", isNew: false)
            }
            guard twin >= 0 else { return .several }
            if let why = there.cells[twin].expected.skipped {
                return .skipped(why, isNew: baselines[place].skippedAreNew)
            }
            guard !there.cells[twin].expected.required else { return .twin(twin) }
            if case .measured? = tables[place]?.reading(rule, job: other, cell: twin) { return .twin(twin) }
            return .lost
        }
    }

    func baselineTable(_ place: Int) -> MetricTable? { tables[place] }

    mutating func baselineSets(_ group: CellGroup, _ rule: GateRule, in place: Int, job: Int) -> SetsReading {
        tables[place]?.sets(of: group, rule, job: job) ?? .missing("no baseline", isInfrastructureOnly: false)
    }

    /// Cells that the baseline had to measure and the candidate's plan does not have.
    func addVanished(
        _ rule: GateRule, job: Int, _ comparison: Comparison, to judgements: inout [GroupJudgement], groups: [CellGroup]
    ) {
        guard case .table(let place, let other) = comparison.side, let table = tables[place] else { return }
        let ours = candidate.cells.jobs[job].byKey
        for cell in table.cells.jobs[other].cells
        where cell.expected.required && cell.expected.skipped == nil && ours[cell.key] == nil {
            let (key, place) = CellGroup.name(of: cell, rule)
            let reason = "a cell of the baseline vanished: \(cell.expected.name)"
            if let group = groups.firstIndex(where: { $0.key == key }) {
                guard judgements[group].verdict < .incomplete else { continue }
                let was = judgements[group]
                judgements[group].isUncompared = was.verdict == .pass || was.isUncompared
                judgements[group].isVanished = was.isMeasured
                judgements[group].verdict = .incomplete
                judgements[group].reason = was.verdict == .pass ? reason : "\(reason); \(was.reason)"
            } else {
                var vanished = GroupJudgement(place: place, verdict: .incomplete, reason: reason)
                vanished.baselineSource = comparison.source
                vanished.baselineRun = comparison.run
                vanished.isUncompared = true
                vanished.isVanished = true
                judgements.append(vanished)
            }
        }
    }
}

/// Whether two sets of results may be compared at all.
enum Baseline {
    /// What of the provenance must be equal, unless a gate lets it differ.
    private static let comparable = ["evaluator", "inputs", "workflow_inputs", "vars", "device_model"]

    static func obstacle(
        candidate: ResultsHeader, baseline: ResultsHeader, _ rule: GateRule
    ) -> Judge.Obstacle? {
        let broken = { (reason: String) in Judge.Obstacle(reason, isBroken: true) }
        if let run = candidate.run, run == baseline.run { return broken("baseline_is_candidate: both are \(run)") }
        switch (candidate.tree, baseline.tree) {
        case (.some(let tree), .some(let other)):
            if tree == other { return broken("baseline_is_candidate: the same tree \(tree.short)") }
        case (.none, _), (_, .none):
            guard let commit = candidate.commit, let other = baseline.commit else {
                return broken(
                    "not comparable: without the code tree nobody knows whether the baseline is the candidate")
            }
            if commit == other { return broken("baseline_is_candidate: the same commit \(commit.prefix(12))") }
        }
        for name in comparable + (rule.isStrict ? ["environment_locks"] : [])
        where !rule.mayDiffer.contains(name) && differs(name, candidate, baseline) {
            let isKnown = [candidate, baseline].allSatisfy { $0.provenance.contains { $0.key == name } }
            let told =
                isKnown
                ? "\(name) \(told(name, candidate, baseline))" : "one side does not tell its \(name): export it again"
            return Judge.Obstacle("not comparable (\(told))", isBroken: !isKnown)
        }
        guard !rule.mayDiffer.contains("evaluator") else { return nil }
        for path in rule.evaluator {
            let (ours, theirs) = (evaluator(path, of: candidate), evaluator(path, of: baseline))
            if ours == nil || theirs == nil {
                return broken("not comparable (nobody knows which evaluator '\(path)' was used)")
            }
            if ours != theirs {
                return Judge.Obstacle("not comparable (evaluator '\(path)' differs)", isBroken: false)
            }
        }
        return nil
    }

    /// `"evaluators": ["evaluate.py 9f86…"]`: the path, and the digest of its bytes.
    private static func evaluator(_ path: String, of header: ResultsHeader) -> String? {
        let files = header.provenance.first { $0.key == "evaluators" }?.value.array ?? []
        let prefix = path + " "
        return files.compactMap(\.string).first { $0.hasPrefix(prefix) && $0.count == prefix.count + 64 }
    }

    /// `differs`, and of what was chosen what.
    private static func told(_ name: String, _ candidate: ResultsHeader, _ baseline: ResultsHeader) -> String {
        guard name == "workflow_inputs" || name == "vars" else { return "differs" }
        let side = { (header: ResultsHeader) -> [String]? in
            header.provenance.first { $0.key == name }.map { $0.value.array?.compactMap(\.string) ?? [] }
        }
        guard let ours = side(candidate), let theirs = side(baseline) else { return "differs" }
        let only = { (texts: [String], others: [String]) in
            let left = texts.filter { !others.contains($0) }
            return left.isEmpty ? "nothing" : Spelling.shortened(left, most: 3)
        }
        return "differs: \(only(ours, theirs)) here, \(only(theirs, ours)) there"
    }

    static func differs(_ name: String, _ candidate: ResultsHeader, _ baseline: ResultsHeader) -> Bool {
        let ours = candidate.provenance.first { $0.key == name }?.value
        let theirs = baseline.provenance.first { $0.key == name }?.value
        return ours != theirs
    }
}
