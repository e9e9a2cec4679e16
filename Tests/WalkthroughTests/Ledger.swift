import Model
import Storage

/// A store that forgets everything when the test ends: enough of one for a story.
final class Ledger: Storage, @unchecked Sendable {
    // Used by one test, on one thread: that is what makes the class safe to share.
    private(set) var changes: [Change] = []

    func commit(_ changes: [Change]) { self.changes += changes }

    func nextRun() -> RunID { RunID(UInt64(changes.count { if case .runSubmitted = $0 { true } else { false } }) + 1) }

    func run(_ id: RunID) -> StoredRun? {
        var found: StoredRun?
        for change in changes {
            switch change {
            case .runSubmitted(let run) where run.id == id:
                found = StoredRun(run: run, cancellation: nil, ending: nil)
            case .runEnded(let ending) where ending.run == id: found?.ending = ending
            default: break
            }
        }
        return found
    }

    func jobs(of run: RunID) -> [JobRecord] {
        var jobs: [Int: JobRecord] = [:]
        for change in changes {
            switch change {
            case .jobResolved(let job): jobs[job.job] = job
            case .jobEnded(_, let job, let ending, let reason):
                jobs[job]?.ending = ending
                jobs[job]?.reason = reason
            default: break
            }
        }
        return jobs.values.sorted { $0.job < $1.job }
    }

    func cells(of run: RunID) -> [CellRecord] {
        var cells: [CellID: CellRecord] = [:]
        for change in changes {
            switch change {
            case .cellSharded(let id, let shards, let items, let listing):
                cells[id] = CellRecord(cell: id, shards: shards, items: items, listing: listing, ending: nil)
            case .cellEnded(let id, let ending): cells[id]?.ending = ending
            default: break
            }
        }
        return cells.values.sorted { $0.cell < $1.cell }
    }

    func attempts(of run: RunID) -> [StoredAttempt] {
        var attempts: [AttemptID: StoredAttempt] = [:]
        for change in changes {
            switch change {
            case .attemptLeased(let lease):
                attempts[lease.attempt] = StoredAttempt(lease: lease, startedAt: nil, ending: nil)
            case .attemptStarted(let id, let at): attempts[id]?.startedAt = at
            case .attemptEnded(let ending): attempts[ending.attempt]?.ending = ending
            default: break
            }
        }
        return attempts.values.sorted { $0.lease.attempt < $1.lease.attempt }
    }

    func settlements(of run: RunID) -> [SettlementRecord] {
        changes.compactMap { if case .shardsSettled(let settlement) = $0 { settlement } else { nil } }
            .sorted { ($0.cell, $0.first) < ($1.cell, $1.first) }
    }

    func attempt(_ id: AttemptID) -> StoredAttempt? { attempts(of: id.run).first { $0.lease.attempt == id } }
    func judgedRuns(of workflow: String, before: RunID, most: Int) throws(StorageError) -> [JudgedRun] { [] }
    func passedRuns(of workflow: String, commits: [String], before: RunID) throws(StorageError) -> [PassedRun] { [] }
    func openRuns() -> [RunID] { [] }
    func runsWithBulk(endedBefore: Instant, most: Int) -> [RunID] { [] }
    func run(key: String) -> RunID? { nil }
    func runs(before: RunID?, most: Int) -> [StoredRun] { [] }
    func use(since: Instant) -> [UseRecord] { [] }
    func agents() -> [AgentRecord] { [] }
    func certificates() -> [CertificateRecord] { [] }
    func token(hash: Digest) -> TokenRecord? { nil }
    func baselines() -> [BaselineRecord] { [] }
    func granted(_ digests: [Digest], to scope: String) -> Set<Digest> { [] }
    func audit(most: Int) -> [AuditRecord] { [] }
}
