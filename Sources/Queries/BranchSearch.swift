import Artifacts
import Gates
import Model
import Storage
import Wire

/// Looks among the runs of a branch for what a run is measured by: for each of its gates the newest run of the same workflow with
/// a different tree that can be a baseline and measured what the gate compares, at the commit where the branch and the run's own
/// commit part, else at that commit's newest ancestor that has one. At one commit, what passed goes before what did not.
///
/// One that was asked for something else, or did not run cells that this run has to (a tier), is better than none: gates then say
/// what differs, or may let it. One that does not report the metric at all is the last resort: it only tells that there was a
/// branch.
struct BranchSearch {
    let reader: RunReader
    let run: RunSnapshot
    let branch: String
    /// The gates that compare with the branch.
    let gates: [GateRule]
    let object: (ObjectRef) throws -> [UInt8]?

    /// How far back a branch is searched.
    static let ancestorsMax = 1000
    /// How many runs are read in vain for a gate whose metric none of them reports. What a job ran is known without reading.
    static let readInVainMax = 100

    /// What a run is to a gate; the higher, the better.
    private enum Rank {
        static let best = 3

        static func of(asksTheSame: Bool, isWhole: Bool) -> Int { (asksTheSame ? 2 : 0) + (isWhole ? 1 : 0) }
        /// Of one that does not report what is compared.
        static func unmeasured(_ rank: Int) -> Int { rank - 4 }
    }

    /// What has been found for one gate.
    private struct Search {
        /// Its best run: how good, its place among what was found, and its cells, those that it left out apart.
        var best: (rank: Int, place: Int, cells: Set<String>, left: Set<String>)?
        var readInVain = 0
        /// Why runs that measured it cannot be its baseline.
        var obstacles: [String] = []
        /// Cells of its job that ran in any run that could be its baseline, by id.
        var ran: Set<String> = []

        func improves(with rank: Int?) -> Bool {
            rank.map { $0 > best?.rank ?? .min && readInVain < BranchSearch.readInVainMax } ?? false
        }
    }

    func baselines() throws -> [ResolvedBaseline] {
        let reference = GateRule.BaselineReference.branch(branch)
        let unavailable = { (reason: String) in [ResolvedBaseline(reference, .unavailable(reason))] }
        guard let history = run.request.branches.first(where: { $0.name == branch }) else {
            return unavailable("the submission does not say where it parts from branch '\(branch)'")
        }
        guard let base = history.commits.first else {
            return unavailable(history.problem.isEmpty ? "there is no branch '\(branch)'" : history.problem)
        }
        let commits = history.commits.prefix(Self.ancestorsMax)
        let (measured, named) = try runs(at: Array(commits))
        var found: [ResolvedBaseline.Source] = []
        var searches: [Search] = Array(repeating: Search(), count: gates.count)
        search: for (distance, commit) in commits.enumerated() {
            let there = (measured[commit] ?? []).filter {
                $0.tree != run.record.tree && ($0.verdict < .fail || named.contains($0.id))
            }
            for candidate in there.filter({ $0.verdict == .pass }) + there.filter({ $0.verdict != .pass }) {
                let isNamed = named.contains(candidate.id)
                guard
                    case .fit(let asksTheSame, let waiving) = try reader.fitness(
                        candidate.id, for: run, isNamed: isNamed),
                    let planned = try reader.planned(candidate.id)
                else { continue }
                var promised: [Int?] = []
                for (place, gate) in gates.enumerated() {
                    var rank = rank(of: planned, for: gate, asksTheSame: asksTheSame)
                    if rank != nil, let waiving, Self.waives(waiving, planned.plan.gates, whatIsComparedBy: gate) {
                        searches[place].obstacles.append("\(candidate.id) \(Self.waivedWords(candidate.id))")
                        rank = nil
                    }
                    promised.append(rank)
                    if rank != nil, let cells = job(of: gate, in: planned.plan)?.cells {
                        searches[place].ran.formUnion(cells.lazy.filter { $0.skipped == nil && $0.required }.map(\.id))
                    }
                }
                guard gates.indices.contains(where: { searches[$0].improves(with: promised[$0]) }),
                    let snapshot = try reader.snapshot(of: candidate.id)
                else { continue }
                let results = try snapshot.results(object: object)
                let unmeasured = results.unmeasured(gates)
                var isTaken = false
                for (place, gate) in gates.enumerated() where searches[place].improves(with: promised[place]) {
                    let promise = promised[place] ?? 0
                    let rank = unmeasured.contains(gate.name) ? Rank.unmeasured(promise) : promise
                    guard rank > searches[place].best?.rank ?? .min else {
                        searches[place].readInVain += 1
                        continue
                    }
                    let cells = job(of: gate, in: planned.plan)?.cells ?? []
                    searches[place].best = (
                        rank, found.count, Set(cells.map(\.id)), Set(cells.filter { $0.skipped != nil }.map(\.id))
                    )
                    isTaken = true
                }
                if isTaken {
                    let name =
                        "\(branch) = \(candidate.id), commit \(commit.prefix(12)), \(Self.place(distance))"
                        + Self.words(of: candidate.verdict, isNamed: isNamed)
                    found.append(.found(results, name: name))
                }
                if gates.indices.allSatisfy({ isOver(searches[$0], for: gates[$0]) }) { break search }
            }
        }
        let answers = gates.indices.map { place in
            answer(reference, place, searches[place], found) {
                if !history.problem.isEmpty { return .unavailable(history.problem) }
                return .absent(
                    "no run of '\(run.record.name)' that can be one at \(base.prefix(12)), where it parts from '\(branch)', nor at "
                        + "\(Spelling.counted(history.commits.count - 1, "ancestor")) of it: --with-baseline runs it first"
                )
            }
        }
        return Self.together(answers)
    }

    /// Of one gate; `none`: where no run was found, nor any that could be one but for something.
    private func answer(
        _ reference: GateRule.BaselineReference, _ place: Int, _ search: Search, _ found: [ResolvedBaseline.Source],
        none: () -> ResolvedBaseline.Source
    ) -> ResolvedBaseline {
        let gate = gates[place]
        guard let best = search.best else {
            // What is there and cannot be had is another thing than what never was.
            let source =
                search.obstacles.isEmpty
                ? none() : .unavailable("of branch '\(branch)', \(Spelling.shortened(search.obstacles, most: 3))")
            return ResolvedBaseline(reference, gates: [gate.name], source)
        }
        var answer = ResolvedBaseline(reference, gates: [gate.name], found[best.place])
        // Cells that another run did run are none that nobody knows yet.
        let asked = asked(by: gate)
        answer.skippedAreNew = best.left.intersection(asked).isDisjoint(with: search.ran)
        answer.returning = search.ran.intersection(asked).subtracting(best.cells).sorted()
        return answer
    }

    /// The cells that have to be measured for a gate, by id.
    private func asked(by gate: GateRule) -> Set<String> {
        Set((job(of: gate, in: run.plan)?.cells ?? []).filter { $0.skipped == nil && $0.required }.map(\.id))
    }

    /// Whether no older run could be better, or know a cell that its best one does not.
    private func isOver(_ search: Search, for gate: GateRule) -> Bool {
        guard let best = search.best, best.rank == Rank.best else { return false }
        return asked(by: gate).isSubset(of: search.ran)
    }

    /// One answer for all gates where they agree, else one for each that some of them share.
    private static func together(_ answers: [ResolvedBaseline]) -> [ResolvedBaseline] {
        var shared: [ResolvedBaseline] = []
        for answer in answers {
            if let place = shared.firstIndex(where: { $0.note.isAsGood(as: answer.note) }) {
                shared[place].gates? += answer.gates ?? []
            } else {
                shared.append(answer)
            }
        }
        if shared.count == 1 { shared[0].gates = nil }
        return shared
    }

    /// The job that a gate reads, where the plan tells.
    private func job(of gate: GateRule, in plan: Plan) -> PlannedJob? {
        let jobs = plan.jobs.filter { job in gate.job.map { $0 == job.id } ?? (job.writesMetrics != false) }
        return jobs.count == 1 ? jobs[0] : nil
    }

    /// Whether a run waives a comparison of what a gate compares with it: a drop that somebody has let pass until a day would be what
    /// is measured by ever after.
    private static func waives(_ judgement: Judgement, _ rules: [GateRule], whatIsComparedBy gate: GateRule) -> Bool {
        let same = rules.filter { rule in
            rule.metric == gate.metric && (rule.job == gate.job || rule.job == nil || gate.job == nil)
                && rule.limits.contains(where: \.needsBaseline)
        }
        return !judgement.canBeBaseline(comparing: Set(same.map(\.name)))
    }

    private static func waivedWords(_ run: RunID) -> String {
        "is none, for what it compares was waived (sheaf baseline set NAME \(run) --because WHY makes it one)"
    }

    private func runs(at commits: [String]) throws(QueryError) -> ([String: [MeasuredRun]], named: Set<RunID>) {
        do throws(StorageError) {
            let measured = try reader.storage.measuredRuns(of: run.record.name, commits: commits, before: run.id)
            return (
                Dictionary(grouping: measured, by: \.commit), Set(try reader.storage.baselines().map(\.run))
            )
        } catch {
            throw .storage(error)
        }
    }

    /// What a run is to a gate by what ran in it; `nil` where the job that the gate reads did not run there.
    private func rank(of there: RunReader.PlannedRun, for gate: GateRule, asksTheSame: Bool) -> Int? {
        guard let job = job(of: gate, in: run.plan) else {
            // Which job it reads, only the results tell.
            return Rank.of(asksTheSame: asksTheSame, isWhole: Self.isWhole(there.plan.jobs, beside: run.plan.jobs))
        }
        guard let place = there.plan.jobs.firstIndex(where: { $0.id == job.id }) else { return nil }
        switch there.kinds[place] {
        case .notApplicable: return nil
        case .cells, .unresolved, .notReached, .failed, nil:
            return Rank.of(asksTheSame: asksTheSame, isWhole: Self.isWhole([there.plan.jobs[place]], beside: [job]))
        }
    }

    /// Whether no cell that has to be measured here was left out there, as a tier or an `if` does, or did not have to pass.
    private static func isWhole(_ there: [PlannedJob], beside here: [PlannedJob]) -> Bool {
        here.allSatisfy { job in
            guard let other = there.first(where: { $0.id == job.id })?.cells else { return true }
            let left = Set(other.filter { $0.skipped != nil || !$0.required }.map(\.id))
            return left.isEmpty
                || (job.cells ?? []).allSatisfy { $0.skipped != nil || !$0.required || !left.contains($0.id) }
        }
    }

    private static func place(_ distance: Int) -> String {
        distance == 0 ? "the merge base" : "\(Spelling.counted(distance, "commit")) before the merge base"
    }

    /// What a reader should know of a baseline that did not pass as a whole.
    private static func words(of verdict: Verdict, isNamed: Bool) -> String {
        switch verdict {
        case .pass: ""
        case _ where isNamed: ", verdict \(verdict.rawValue), which somebody has named as one"
        case .waived: ", where something else was waived"
        case .inconclusive, .incomplete, .fail: ", which could not be compared as a whole itself"
        }
    }
}
