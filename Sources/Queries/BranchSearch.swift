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
    /// How many runs are read in vain for a metric that none of them reports. What a job ran is known without reading.
    static let readInVainMax = 20

    /// What a run is to a gate; the higher, the better.
    private enum Rank {
        static let best = 3

        static func of(asksTheSame: Bool, isWhole: Bool) -> Int { (asksTheSame ? 2 : 0) + (isWhole ? 1 : 0) }
        /// Of one that does not report what is compared.
        static func unmeasured(_ rank: Int) -> Int { rank - 4 }
    }

    /// The best known for a gate, and its place among what was found.
    private struct Choice {
        var rank: Int
        var place: Int
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
        var chosen: [Choice?] = Array(repeating: nil, count: gates.count)
        var obstacles: [String] = []
        var inVain = 0
        search: for (distance, commit) in commits.enumerated() {
            let there = (measured[commit] ?? []).filter {
                $0.tree != run.record.tree && ($0.verdict < .fail || named.contains($0.id))
            }
            for candidate in there.filter({ $0.verdict == .pass }) + there.filter({ $0.verdict != .pass }) {
                let isNamed = named.contains(candidate.id)
                let asksTheSame: Bool
                switch try reader.fitness(candidate.id, for: run, branch, isNamed: isNamed) {
                case .none: continue
                case .hindered(let why):
                    obstacles.append("\(candidate.id) \(why)")
                    continue
                case .fit(let same): asksTheSame = same
                }
                guard let planned = try reader.planned(candidate.id) else { continue }
                let promised = gates.map { rank(of: planned, for: $0, asksTheSame: asksTheSame) }
                guard gates.indices.contains(where: { promised[$0] ?? .min > chosen[$0]?.rank ?? .min }),
                    let snapshot = try reader.snapshot(of: candidate.id)
                else { continue }
                let results = try snapshot.results(object: object)
                let unmeasured = results.unmeasured(gates)
                var isTaken = false
                for (place, gate) in gates.enumerated() {
                    guard let promise = promised[place] else { continue }
                    let rank = unmeasured.contains(gate.name) ? Rank.unmeasured(promise) : promise
                    guard rank > chosen[place]?.rank ?? .min else { continue }
                    chosen[place] = Choice(rank: rank, place: found.count)
                    isTaken = true
                }
                if isTaken {
                    let name =
                        "\(branch) = \(candidate.id), commit \(commit.prefix(12)), \(Self.place(distance))"
                        + Self.words(of: candidate.verdict, isNamed: isNamed)
                    found.append(.found(results, name: name))
                } else {
                    inVain += 1
                }
                if chosen.allSatisfy({ $0?.rank == Rank.best }) || inVain == Self.readInVainMax { break search }
            }
        }
        return answers(reference, chosen, found) {
            // What is there and cannot be had is another thing than what never was.
            if !obstacles.isEmpty {
                return .unavailable("of branch '\(branch)', \(Spelling.shortened(obstacles, most: 3))")
            }
            if !history.problem.isEmpty { return .unavailable(history.problem) }
            return .absent(
                "no run of '\(run.record.name)' that can be one at \(base.prefix(12)), where it parts from '\(branch)', nor at "
                    + "\(Spelling.counted(history.commits.count - 1, "ancestor")) of it: --with-baseline runs it first")
        }
    }

    /// One answer for all gates where they agree, else one for each run that some of them are measured by.
    private func answers(
        _ reference: GateRule.BaselineReference, _ chosen: [Choice?], _ found: [ResolvedBaseline.Source],
        none: () -> ResolvedBaseline.Source
    ) -> [ResolvedBaseline] {
        var places: [Int?] = []
        for choice in chosen where !places.contains(choice?.place) { places.append(choice?.place) }
        return places.map { place in
            let names = gates.indices.filter { chosen[$0]?.place == place }.map { gates[$0].name }
            return ResolvedBaseline(
                reference, gates: places.count > 1 ? names : nil, place.map { found[$0] } ?? none())
        }
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
        let here = run.plan.jobs.filter { job in gate.job.map { $0 == job.id } ?? (job.writesMetrics != false) }
        guard here.count == 1, let job = here.first else {
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

    /// Whether no cell that has to be measured here was left out there, as a tier or an `if` does.
    private static func isWhole(_ there: [PlannedJob], beside here: [PlannedJob]) -> Bool {
        here.allSatisfy { job in
            guard let other = there.first(where: { $0.id == job.id })?.cells else { return true }
            let left = Set(other.filter { $0.skipped != nil }.map(\.id))
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
