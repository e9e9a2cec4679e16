package import Model
import Storage
import Wire

/// What is known of cells from earlier runs of their workflow: how long a shard took and what environment it had. The newest
/// run's word comes before older ones'. Cells are the same where their jobs' ids and their own are.
package struct PastCells: Sendable {
    private struct Known: Sendable {
        /// What the longest shard that passed took.
        var longest: Duration
        /// In how many shards the job's cells were to be cut.
        var shards: Int
        var lock: Digest?
    }

    private var cells: [String: Known] = [:]

    package init() {}

    /// Adds what an older run says of cells that no newer one knew.
    mutating func add(_ plan: Plan, _ timings: [CellTiming]) {
        for timing in timings {
            guard let cell = plan.cell(timing.cell), timing.longest > .zero else { continue }
            let job = plan.jobs[timing.cell.job]
            let key = Self.key(job.id, cell.id)
            guard cells[key] == nil else { continue }
            // A report that cannot be read says nothing of the environment: it is told where that run is asked for.
            let report = try? Proto.AttemptReport(decoding: timing.report, limits: .large)
            let lock = report?.environmentLock.flatMap { Digest($0.digest) }
            cells[key] = Known(longest: timing.longest, shards: max(1, job.shards.count), lock: lock)
        }
    }

    /// Writes into cells of a job what is known of them.
    package func describe(_ planned: inout [Model.PlannedCell], of job: Model.PlannedJob) {
        guard !cells.isEmpty else { return }
        for index in planned.indices {
            guard let known = cells[Self.key(job.id, planned[index].id)] else { continue }
            // Half as many shards have twice as much to do each.
            let seconds = known.longest.inSeconds * Double(known.shards) / Double(max(1, job.shards.count))
            planned[index].expected = .milliseconds(Int64(min(max(1, seconds * 1000), 1e12)))
            planned[index].environmentLock = known.lock
        }
    }

    /// No id holds a space.
    private static func key(_ job: String, _ cell: String) -> String { "\(job) \(cell)" }
}

extension RunReader {
    /// How many earlier runs are asked how long cells took, and among how many they are looked for.
    private static let pastRunsMax = 3
    private static let pastAmong = 10

    /// What earlier runs say of the cells of a run: runs of the workflow in the same repository that its owner may read and that
    /// have been judged.
    package func pastCells(
        of workflow: String, in repository: String, for owner: Principal, before run: RunID
    ) throws(QueryError) -> PastCells {
        var past = PastCells()
        do throws(StorageError) {
            var found = 0
            for judged in try storage.judgedRuns(of: workflow, tree: nil, before: run, most: Self.pastAmong)
            where found < Self.pastRunsMax && owner.mayRead(runsOf: judged.owner) {
                guard let plan = try plan(of: judged.id, in: repository) else { continue }
                let timings = try storage.timings(of: judged.id)
                guard !timings.isEmpty else { continue }
                past.add(plan, timings)
                found += 1
            }
        } catch {
            throw .storage(error)
        }
        return past
    }

    /// The plan of a run; `nil` for a run of another repository, and for one whose record is damaged: that is told where the run
    /// is asked for.
    private func plan(of run: RunID, in repository: String) throws(StorageError) -> Plan? {
        guard let stored = try storage.run(run) else { return nil }
        let jobs = try storage.jobs(of: run)
        // `try?`: see above.
        guard let request = try? Proto.SubmitRunRequest(decoding: stored.run.request, limits: .large),
            request.repository == repository
        else { return nil }
        return try? RunSnapshot.plan(of: stored, jobs)
    }
}
