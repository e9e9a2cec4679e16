package import Artifacts
package import Gates
package import Model
package import Storage

/// Reads what the store holds of runs. Calls block: they belong on a `StoreThread`.
package struct RunReader: Sendable {
    private let storage: any Storage

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
            return RunRows(
                run: run, jobs: jobs, cells: cells, attempts: attempts, settlements: settlements, agents: agents)
        } catch {
            throw .storage(error)
        }
    }

    /// Answers the baseline references of a run's gates, each once.
    ///
    /// - Parameter owner: whose run it is: nobody's verdict rests on what that person may not read.
    /// - Parameter object: as for `RunSnapshot.results`.
    package func baselines(
        of plan: Plan, for owner: Principal, object: (ObjectRef) throws -> [UInt8]?
    ) throws -> [ResolvedBaseline] {
        var seen: [GateRule.BaselineReference] = []
        for reference in plan.gates.compactMap(\.baseline) where !seen.contains(reference) { seen.append(reference) }
        return try seen.map { ResolvedBaseline($0, try source(of: $0, for: owner, object: object)) }
    }

    private func source(
        of reference: GateRule.BaselineReference, for owner: Principal, object: (ObjectRef) throws -> [UInt8]?
    ) throws -> ResolvedBaseline.Source {
        switch reference {
        case .run(let run): return try source(run, called: run.description, for: owner, object: object)
        case .alias(let alias):
            guard let known = try named(alias) else { return .absent("nothing is called '\(alias)' yet") }
            return try source(known.run, called: "\(alias) = \(known.run)", for: owner, object: object)
        case .branch(let branch):
            return .unavailable("baselines by branch ('\(branch)') are not supported; name a run or an alias")
        }
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
        guard snapshot.ending != nil else { return .unavailable("\(run) has not ended") }
        let commit = snapshot.record.commit
        return .found(
            try snapshot.results(object: object),
            name: name + (commit.isEmpty ? "" : ", commit \(commit.prefix(12))"))
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
}
