package import Artifacts
package import Gates
package import Model
package import Storage
import Wire

/// Reads what the store holds of runs. Calls block: they belong on a `StoreThread`.
package struct RunReader: Sendable {
    let storage: any Storage

    package init(storage: any Storage) { self.storage = storage }

    /// The run as it is committed now; `nil` for a run that the store does not know.
    package func snapshot(of id: RunID) throws(QueryError) -> RunSnapshot? {
        guard let rows = try rows(of: id) else { return nil }
        return try RunSnapshot(rows)
    }

    private func rows(of id: RunID) throws(QueryError) -> RunRows? {
        do throws(StorageError) {
            // The order matters while the run goes on: what is read later knows everything that was read earlier.
            guard let run = try storage.run(id) else { return nil }
            let settlements = try storage.settlements(of: id)
            let attempts = try storage.attempts(of: id)
            let cells = try storage.cells(of: id)
            let jobs = try storage.jobs(of: id)
            let agents = attempts.contains { !$0.lease.devices.isEmpty } ? try storage.agents() : []
            let end = run.ending?.at ?? .distantFuture
            return RunRows(
                run: run, jobs: jobs, cells: cells, attempts: attempts, settlements: settlements, agents: agents,
                starts: try storage.starts(from: run.run.submittedAt, to: end, most: RunSnapshot.startsMax),
                deliveries: try storage.deliveries(of: id))
        } catch {
            throw .storage(error)
        }
    }

    /// Answers the baseline references of a run's gates, each once, or by gate where they are measured by several runs. Nobody's verdict rests on runs that its owner may not
    /// read.
    ///
    /// - Parameter object: as for `RunSnapshot.results`.
    package func baselines(
        of run: RunSnapshot, object: (ObjectRef) throws -> [UInt8]?
    ) throws -> [ResolvedBaseline] {
        var seen: [GateRule.BaselineReference] = []
        for reference in run.plan.gates.compactMap(\.baseline) where !seen.contains(reference) {
            seen.append(reference)
        }
        return try seen.flatMap { reference in
            let gates = run.plan.gates.filter { $0.baseline == reference }
            return try baselines(reference, for: run, gates, object: object)
        }
    }

    private func baselines(
        _ reference: GateRule.BaselineReference, for run: RunSnapshot, _ gates: [GateRule],
        object: (ObjectRef) throws -> [UInt8]?
    ) throws -> [ResolvedBaseline] {
        let owner = run.record.owner
        switch reference {
        case .run(let run):
            return [
                ResolvedBaseline(reference, try source(run, called: run.description, for: owner, object: object))
            ]
        case .alias(let alias):
            guard let known = try named(alias) else {
                return [ResolvedBaseline(reference, .absent("nothing is called '\(alias)' yet"))]
            }
            let name = "\(alias) = \(known.run)"
            return [ResolvedBaseline(reference, try source(known.run, called: name, for: owner, object: object))]
        case .branch(let branch):
            return try withoutActuallyEscaping(object) {
                try BranchSearch(reader: self, run: run, branch: branch, gates: gates, object: $0).baselines()
            }
        }
    }

    // MARK: What can be a baseline

    /// What was planned in a run, and what became of its jobs: what is known without its attempts and results.
    struct PlannedRun {
        var plan: Plan
        /// By the job's position; none of a job that was never decided.
        var kinds: [Int: JobRecord.Kind]
    }

    func planned(_ id: RunID) throws(QueryError) -> PlannedRun? {
        let (found, jobs): (StoredRun?, [JobRecord])
        do throws(StorageError) {
            (found, jobs) = (try storage.run(id), try storage.jobs(of: id))
        } catch {
            throw .storage(error)
        }
        guard let found else { return nil }
        return PlannedRun(
            plan: try RunSnapshot.plan(of: found, jobs),
            kinds: Dictionary(jobs.map { ($0.job, $0.kind) }, uniquingKeysWith: { _, last in last }))
    }

    /// Whether a run can be a baseline of another one.
    enum Fitness {
        case none
        /// - waiving: its judgement, where that waives a comparison that does not hold.
        case fit(asksTheSame: Bool, waiving: Judgement?)
    }

    /// A baseline says what a commit measures: with nothing uncommitted, of the same workflow, and on agents that strangers' code does
    /// not share; and nothing in it was found to be worse than before, or could not be compared for a reason that may hide that.
    ///
    /// A commit's name stands for all that is in it, whatever its repository is called: a renamed one, a fork.
    ///
    /// - Parameter isNamed: a person has made it a baseline (`sheaf baseline set`), whatever it came to.
    func fitness(
        _ candidate: RunID, for run: RunSnapshot, isNamed: Bool
    ) throws(QueryError) -> Fitness {
        let found: StoredRun
        do throws(StorageError) {
            guard let run = try storage.run(candidate) else { return .none }
            found = run
        } catch {
            throw .storage(error)
        }
        let stored = found.run
        let request: Proto.SubmitRunRequest = try decoded(stored.request, "the request", of: candidate)
        // Not the whole plan: there may be a thousand to look at.
        let head: Proto.PlanHead = try decoded(stored.plan, "the plan", of: candidate)
        guard !request.dirty, head.untrusted.isEmpty, run.record.owner.mayRead(runsOf: stored.owner) else {
            return .none
        }
        var waiving: Judgement?
        if let ending = found.ending, ending.verdict != .pass, !isNamed {
            guard let judgement = Judgement(record: ending.judgement), judgement.canBeBaseline(comparing: []) else {
                return .none
            }
            if judgement.waivesComparison { waiving = judgement }
        }
        let asksTheSame = head.givenInputs == run.plan.givenInputs && request.vars == run.request.vars
        return .fit(asksTheSame: asksTheSame, waiving: waiving)
    }

    private func named(_ alias: String) throws(QueryError) -> BaselineRecord? {
        do throws(StorageError) {
            return try storage.baselines().first { $0.alias == alias }
        } catch {
            throw .storage(error)
        }
    }

    private func source(
        _ run: RunID, called name: String, for owner: Principal, object: (ObjectRef) throws -> [UInt8]?
    ) throws -> ResolvedBaseline.Source {
        guard let snapshot = try snapshot(of: run), owner.mayRead(runsOf: snapshot.record.owner) else {
            return .unavailable("there is no run \(run) that \(owner.spelled) may read")
        }
        guard let ending = snapshot.ending else { return .unavailable("\(run) has not ended") }
        let commit = snapshot.record.commit
        // Whoever compares with what did not pass itself should see that.
        let verdict = ending.verdict > .waived ? ", verdict \(ending.verdict.rawValue)" : ""
        return .found(
            try snapshot.results(object: object),
            name: name + (commit.isEmpty ? "" : ", commit \(commit.prefix(12))") + verdict)
    }
}

/// The rows of one run.
struct RunRows {
    var run: StoredRun
    var jobs: [JobRecord]
    var cells: [CellRecord]
    var attempts: [StoredAttempt]
    var settlements: [SettlementRecord]
    /// Read only where attempts used devices.
    var agents: [AgentRecord]
    /// When coordinators started while the run went on.
    var starts: [Instant]
    var deliveries: [DeliveryRecord]
}
