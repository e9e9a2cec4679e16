import Gates
import Model

// What every renderer says, in the same words. Nothing here is escaped: that is each renderer's own.

extension CellReport.Mark {
    /// One column wide.
    var symbol: String {
        switch self {
        case .pass: "✓"
        case .fail: "✗"
        case .incomplete: "?"
        case .inconclusive: "~"
        case .waived: "w"
        case .running: "›"
        case .queued: "·"
        case .skipped: "–"
        case .neutral: "o"
        }
    }

    /// What a legend says.
    var meaning: String {
        switch self {
        case .skipped: "skipped, and did not have to run"
        case .neutral: "did not have to pass"
        case .pass, .fail, .incomplete, .inconclusive, .waived, .running, .queued: rawValue
        }
    }

    /// Whether a reader has to look at the cell.
    var asksForAttention: Bool {
        switch self {
        case .fail, .incomplete, .inconclusive: true
        case .pass, .waived, .running, .queued, .skipped, .neutral: false
        }
    }
}

extension Verdict {
    var mark: CellReport.Mark {
        switch self {
        case .pass: .pass
        case .waived: .waived
        case .inconclusive: .inconclusive
        case .incomplete: .incomplete
        case .fail: .fail
        }
    }
}

extension Verdict {
    /// `2 gates fail`, `1 gate is incomplete`: without the subject.
    func predicate(of count: Int) -> String {
        switch self {
        case .pass: count == 1 ? "passes" : "pass"
        case .fail: count == 1 ? "fails" : "fail"
        case .waived, .inconclusive, .incomplete: "\(count == 1 ? "is" : "are") \(rawValue)"
        }
    }
}

extension GateJudgement {
    var mark: CellReport.Mark { isApplicable ? verdict.mark : .skipped }
    var isJobs: Bool { name == "jobs" && question == "each job succeeded or may fail" }

    /// Where the gate is decided: the first group with the worst verdict; where all pass, the one nearest to its bound.
    var decisive: GroupJudgement? {
        guard verdict == .pass else { return groups.first { $0.verdict == verdict } }
        let margins = groups.map { group in
            group.value.flatMap { value in group.bound.map { ($0 - value).magnitude }.min() } ?? .infinity
        }
        guard let least = margins.min(), let place = margins.firstIndex(of: least) else { return groups.first }
        return groups[place]
    }

    /// `fails in 1 of 6 groups`, `all 6 groups pass`, and where that was no comparison yet, that it was none.
    var outcome: String {
        guard isApplicable else { return "does not apply: its 'when' is false" }
        let count = groups.count
        guard verdict > .pass else {
            let pass = count == 1 ? "passes" : "all \(count) groups pass"
            let uncompared = groups.count(where: \.passesUncompared)
            guard uncompared > 0 else { return pass }
            return pass + (uncompared == count ? "" : ", \(uncompared) of them")
                + " by plain limits alone: no baseline yet"
        }
        guard count > 1 else { return verdict.predicate(of: 1) }
        return "\(verdict.predicate(of: 1)) in \(groups.count { $0.verdict == verdict }) of \(count) groups"
    }
}

extension RunReport {
    /// How many characters of a text that somebody else chose are shown.
    static let wordsMax = 400

    var requiredGates: [GateJudgement] { judgement.gates.filter { $0.isRequired && $0.isApplicable } }

    /// `FAIL`; of a run that goes on, `RUNNING`.
    var headline: String { isOver ? judgement.verdict.rawValue.uppercased() : "RUNNING" }

    /// `r17 nightly-eval`.
    var name: String {
        let name = facts.workflow.isEmpty ? facts.file : facts.workflow
        return [facts.run?.description ?? "", name].filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// `r17 nightly-eval: what the run is about`.
    var title: String { facts.title.isEmpty ? name : "\(name): \(facts.title)" }

    /// The verdict in one sentence: which gates decide it.
    package var verdictSentence: String {
        let required = requiredGates
        let deciding = required.filter { $0.verdict == judgement.verdict }
        let advisory = judgement.gates.filter { !$0.isRequired && $0.isApplicable && $0.verdict > .waived }
        var sentence: String
        if !isOver {
            let open = jobs.flatMap(\.cells).count { $0.mark == .running || $0.mark == .queued }
            sentence = "the run goes on: \(open) of \(Self.counted(jobs.flatMap(\.cells).count, "cell")) to come"
        } else if judgement.verdict == .pass {
            sentence = required.count > 1 ? "all \(required.count) required gates pass" : jobsSentence
        } else {
            let names = deciding.prefix(5).map(\.name).joined(separator: ", ")
            let more = deciding.count > 5 ? " and \(deciding.count - 5) more" : ""
            sentence =
                "\(deciding.count) of \(Self.counted(required.count, "required gate")) "
                + "\(judgement.verdict.predicate(of: deciding.count)): \(names)\(more)"
            if judgement.isInfrastructureOnly { sentence += "; the farm's own faults are the only reason" }
        }
        if !advisory.isEmpty && isOver {
            let names = advisory.prefix(5).map { "\($0.name) \($0.verdict.predicate(of: 1))" }.joined(separator: ", ")
            sentence += "; advisory: \(names)\(advisory.count > 5 ? " and \(advisory.count - 5) more" : "")"
        }
        if !flaky.isEmpty && isOver {
            let shards = flaky.count { !$0.causes.isEmpty }
            let tests = flaky.reduce(0) { $0 + $1.tests.count }
            let told = [
                shards > 0 ? "\(Self.counted(shards, "shard")) failed before passing" : nil,
                tests > 0 ? "\(Self.counted(tests, "test")) failed and passed" : nil,
            ]
            sentence += "; flaky: \(told.compactMap { $0 }.joined(separator: ", "))"
        }
        if !otherwise.isEmpty {
            let word = flaky.isEmpty ? "; flaky: " : ", "
            sentence += "\(word)\(otherwise.count) came out otherwise in another run on the same code"
        }
        return sentence
    }

    /// Of a run that passes, and has no gates but `jobs`.
    private var jobsSentence: String {
        let cells = jobs.flatMap(\.cells)
        if cells.contains(where: { $0.mark == .pass || $0.mark == .waived }) {
            let skipped = jobs.count { job in job.cells.allSatisfy { $0.mark == .skipped } }
            return skipped == 0
                ? "every job succeeded" : "every job that ran succeeded; \(Self.counted(skipped, "job")) skipped"
        }
        return cells.contains { $0.mark == .neutral }
            ? "nothing that had to pass has run" : "nothing ran: every job was skipped"
    }

    /// What a group of cells is called: the cell's name where it is one cell.
    func name(of group: GroupJudgement, in gate: GateJudgement) -> String {
        if !gate.isJobs, group.restsOn.count == 1, let only = group.restsOn.first,
            let name = cellNames[CellPlace(job: only.job, cell: only.cell)]
        {
            return name
        }
        if gate.isJobs, let job = group.place.first?.value { return "job \(job.shown)" }
        if group.place.isEmpty { return group.restsOn.isEmpty ? "" : "the run" }
        return group.place.map { "\($0.key)=\($0.value.shown)" }.joined(separator: ", ")
    }

    /// `value 0.91 · bound 0.92 · baseline 0.93 (r12) · n 500`, as far as they are there.
    func figures(of group: GroupJudgement) -> [(name: String, text: String)] {
        var figures: [(String, String)] = []
        if let value = group.value {
            let edge = group.bound.min { ($0 - value).magnitude < ($1 - value).magnitude }
            let unit = group.unit.map { " \($0)" } ?? ""
            figures.append(("value", (edge.map { Figure.pair(value, $0).0 } ?? Figure.text(value)) + unit))
        }
        if !group.bound.isEmpty {
            figures.append(
                (
                    "bound",
                    group.bound.map { bound in group.value.map { Figure.pair($0, bound).1 } ?? Figure.text(bound) }
                        .joined(separator: "…")
                ))
        }
        if let baseline = group.baseline {
            let source = group.baselineSource.isEmpty ? "" : " (\(group.baselineSource))"
            figures.append(("baseline", Figure.text(baseline) + source))
        }
        if let effect = group.effect { figures.append(("effect", (effect > 0 ? "+" : "") + Figure.text(effect))) }
        if let count = group.count { figures.append(("n", String(count))) }
        if group.interval.count == 2 {
            figures.append(("interval", group.interval.map { Figure.text($0) }.joined(separator: "…")))
        }
        if let power = group.test?.power { figures.append(("power", Figure.share(power))) }
        if let p = group.probability { figures.append(("p", Figure.text(p, digits: 3))) }
        if let spread = group.spread, spread.repetitions > 1 {
            figures.append(
                ("spread", "\(Figure.text(spread.lowest))…\(Figure.text(spread.highest)) of \(spread.repetitions)"))
        }
        return figures
    }

    /// `6 cells: 4 pass, 1 fail, 1 incomplete`.
    func tally(_ job: JobReport) -> String {
        switch job.ending {
        case .notApplicable: return "skipped\(job.reason.isEmpty ? "" : ": \(job.reason)")"
        case .notReached: return "not reached\(job.reason.isEmpty ? "" : ": \(job.reason)")"
        case .failed: return "failed before it had cells\(job.reason.isEmpty ? "" : ": \(job.reason)")"
        case .ran: break
        }
        let counts = CellReport.Mark.allCases.compactMap { mark in
            let count = job.cells.count { $0.mark == mark }
            return count > 0 ? "\(count) \(mark.rawValue)" : nil
        }
        return "\(Self.counted(job.cells.count, "cell")): \(counts.joined(separator: ", "))"
    }

    static func counted(_ count: Int, _ word: String) -> String { Spelling.counted(count, word) }

    /// `sheaf explain r17/eval/eval_3_11/2`: nothing where the run has no number.
    func lookFurther(_ cell: CellReport, of job: JobReport, shard: Int? = nil) -> [String] {
        guard let run = facts.run else { return [] }
        let place = Self.shellWord("\(run)/\(job.id)/\(cell.id)" + (shard.map { $0 >= 0 ? "/\($0)" : "" } ?? ""))
        let hasLog = cell.shards.contains { !$0.attempts.isEmpty }
        return ["sheaf explain \(place)"] + (hasLog ? ["sheaf logs \(place)"] : [])
    }

    /// A word that a shell takes as it stands: people copy these lines.
    static func shellWord(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "_-./".utf8.contains(byte)
            }
        }
        return isPlain
            ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    static func name(ofShard shard: Int) -> String {
        shard == ShardID.listing ? "listing of its items" : "shard \(shard)"
    }

    /// Groups of a gate that are not well for one reason.
    struct ReasonShared {
        /// How the groups are called, the first few of them; empty where the gate has one group that needs no name.
        var names: String
        var groups: Int
        var reason: String
    }

    /// What is not well with a gate: each reason once, with whom it concerns; the worst first.
    func reasons(of gate: GateJudgement) -> [ReasonShared] {
        let groups = gate.groups.filter { $0.verdict > .waived }.sorted { $0.verdict > $1.verdict }
        let told = groups.map { (name: name(of: $0, in: gate), reason: reason(of: $0, in: gate)) }
        return Spelling.byReason(told).map { reason, names in
            ReasonShared(
                names: Spelling.shortened(names, most: Self.namesShown), groups: names.count, reason: reason)
        }
    }

    private static let namesShown = 4

    /// The group's reason, with its verdict where that is not its gate's.
    func reason(of group: GroupJudgement, in gate: GateJudgement) -> String {
        group.reason + (group.verdict == gate.verdict ? "" : " (\(group.verdict.rawValue))")
    }

    /// A shard that did not pass, in one line: `shard 3: user_exit (1) after 12 s on gpu-1: step 'run' ended with exit code 1`.
    func sentence(_ shard: ShardReport) -> String {
        let name = Self.name(ofShard: shard.shard)
        guard let cause = shard.cause else { return "\(name): not settled" }
        var text = "\(name): \(cause.label)"
        if let last = shard.deciding {
            if let duration = last.duration { text += " after \(duration.spelled)" }
            if !last.agent.isEmpty { text += " on \(last.agent)" }
            if shard.attempts.count > 1 { text += ", attempt \(last.number)" }
        }
        return text + (cause.evidence.isEmpty ? "" : ": \(cause.evidence)")
    }

    /// Where the numbers come from, name and text.
    var origin: [(name: String, text: String)] {
        var rows: [(String, String)] = []
        let add = { (name: String, text: String?) in
            if let text, !text.isEmpty { rows.append((name, text)) }
        }
        let isDirty = provenance.first { $0.key == "dirty" }?.value.boolean == true
        add("workflow", [facts.workflow, facts.file].filter { !$0.isEmpty }.joined(separator: ", "))
        if let commit, !commit.isEmpty {
            add("commit", commit + (isDirty ? " and uncommitted changes (dirty)" : ""))
        } else if isDirty {
            add("commit", "none: uncommitted changes (dirty)")
        }
        add("tree", tree?.hex)
        add(
            "submitted",
            facts.submittedAt.map { at in
                at.utc + (facts.actor.isEmpty ? "" : " by \(facts.actor)")
                    + (facts.event.isEmpty ? "" : ", event \(facts.event)")
            })
        add("ended", facts.endedAt.map { $0.utc + (duration.map { ", after \($0.spelled)" } ?? "") })
        let told: Set<String> = ["dirty", "event", "actor", "submitted_at", "team"]
        for member in provenance where !told.contains(member.key) {
            if member.value.array?.isEmpty == true { continue }
            add(member.key == "workflow" ? "workflow digest" : member.key, Self.listed(member.value))
        }
        return rows + comparedWith
    }

    private static func listed(_ value: Value) -> String {
        value.array.map { $0.prefix(5).map(\.shown).joined(separator: ", ") + ($0.count > 5 ? ", …" : "") }
            ?? value.shown
    }

    /// The other sides of comparisons, name and text: which code, on what and how it was measured, and whether that is as here.
    private var comparedWith: [(name: String, text: String)] {
        var rows: [(String, String)] = []
        for note in judgement.baselines where note.state == .found {
            let gates = note.gates.map { " (of \(Spelling.shortened($0, most: 5)))" } ?? ""
            rows.append(("baseline \(note.name)", note.text + gates))
            let side = { (ours: String?, theirs: String?, what: String) in
                guard ours != nil || theirs != nil else { return }
                rows.append(
                    ("its \(what)", (theirs ?? "none") + (ours == theirs ? " (as here)" : " (not as here)")))
            }
            side(commit, note.commit, "commit")
            side(tree?.hex, note.tree?.hex, "tree")
            for key in Self.compared {
                let word = key == "workflow" ? "workflow digest" : key
                let (ours, theirs) = (provenance, note.provenance)
                let value = { (members: [Value.Member]) in members.first { $0.key == key }?.value }
                guard value(ours) == value(theirs) else {
                    rows.append(("its \(word)", (value(theirs).map(Self.listed) ?? "none") + " (not as here)"))
                    continue
                }
                if let same = value(theirs), same.array?.isEmpty != true {
                    rows.append(("its \(word)", Self.listed(same) + " (as here)"))
                }
            }
        }
        return rows
    }

    /// What of the provenance tells whether two runs measured alike.
    private static let compared = [
        "dirty", "workflow", "inputs", "workflow_inputs", "vars", "bounds", "evaluators", "device_model",
        "environment_locks",
    ]

    /// What the run took, name and text.
    var spent: [(name: String, text: String)] {
        guard cost.attempts > 0 else { return [] }
        var rows = [("attempts", "\(cost.attempts), \(cost.wall.spelled) together")]
        if cost.cpu > .zero { rows.append(("CPU time", cost.cpu.spelled)) }
        if cost.gpu > .zero { rows.append(("GPU time", cost.gpu.spelled)) }
        if cost.setup > .zero { rows.append(("environments", "\(cost.setup.spelled) of building")) }
        if cost.running > .zero || cost.uploading > .zero {
            rows.append(
                (
                    "of these",
                    "setup \(cost.setup.spelled), steps \(cost.running.spelled), sending results \(cost.uploading.spelled)"
                ))
        }
        if cost.wastedWall > .zero {
            let share = Figure.text(100 * cost.wastedWall.inSeconds / max(cost.wall.inSeconds, 1e-9), digits: 2)
            let parts = [
                cost.retriedWall > .zero ? "\(cost.retriedWall.spelled) tried again" : nil,
                cost.cancelledWall > .zero ? "\(cost.cancelledWall.spelled) cancelled" : nil,
            ].compactMap { $0 }
            rows.append(
                (
                    "not passed",
                    "\(cost.wastedWall.spelled) (\(share) %)"
                        + (parts.isEmpty ? "" : ", of these \(parts.joined(separator: ", "))")
                ))
        }
        if let rates = facts.rates, let money = cost.money {
            let wasted = cost.wastedMoney.map { $0 > 0 ? ", \(rates.text($0)) of it not passed" : "" } ?? ""
            let missing = cost.unpriced.isEmpty ? "" : "; no rate for \(cost.unpriced.joined(separator: ", "))"
            rows.append(("money", rates.text(money) + wasted + missing))
        }
        if let peak = cost.peakMemory { rows.append(("most memory", "\(peak) in one attempt")) }
        for agent in agents.prefix(20) {
            let lost = agent.lost > 0 ? ", \(agent.lost) lost" : ""
            rows.append(
                ("agent \(agent.agent)", "\(Self.counted(agent.attempts, "attempt")), \(agent.wall.spelled)\(lost)"))
        }
        return rows
    }

    /// `12 s: setup 3 s, steps 8 s, sending results 1 s; CPU 11 s; 0.02 EUR`: what a cell took, as far as it was measured.
    func spent(on cell: CellReport) -> String {
        let cost = cell.cost
        guard cost.attempts > 0 else { return "" }
        let parts = [("setup", cost.setup), ("steps", cost.running), ("sending results", cost.uploading)]
            .filter { $0.1 > .zero }.map { "\($0.0) \($0.1.spelled)" }
        var told = [cost.wall.spelled + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))]
        if cost.cpu > .zero { told.append("CPU \(cost.cpu.spelled)") }
        if cost.gpu > .zero { told.append("GPU \(cost.gpu.spelled)") }
        if cost.wastedWall > .zero { told.append("not passed \(cost.wastedWall.spelled)") }
        if let rates = facts.rates, let money = cost.money { told.append(rates.text(money)) }
        return told.joined(separator: "; ")
    }

    /// `eval (3.11) shard 2: #1 lost_agent on gpu-1, #2 passed on gpu-2`.
    func sentence(_ retry: Retry) -> String {
        "\(retry.name) \(Self.name(ofShard: retry.shard)): \(retry.attempts.joined(separator: ", "))"
            + (retry.notes.isEmpty ? "" : " (\(retry.notes.joined(separator: "; ")))")
    }

    /// Cells that ask for a look, with their jobs, in the plan's order: failed ones first.
    var notableCells: [(job: JobReport, cell: CellReport)] {
        let all = jobs.flatMap { job in job.cells.filter(\.mark.asksForAttention).map { (job: job, cell: $0) } }
        return all.filter { $0.cell.mark == .fail } + all.filter { $0.cell.mark != .fail }
    }
}

extension CellReport {
    /// Why the mark is what it is, without what the sentences about `notableShards` say anyway.
    var ownReasons: [String] {
        let told = notableShards.compactMap(\.cause).filter { !$0.evidence.isEmpty }
        return reasons.filter { reason in
            !told.contains { reason.contains("ended \($0.label)") && reason.contains($0.evidence.prefix(200)) }
        }
    }

    /// Shards that did not pass.
    var notableShards: [ShardReport] { shards.filter { $0.cause.map { $0.kind != .passed } ?? false } }
}
