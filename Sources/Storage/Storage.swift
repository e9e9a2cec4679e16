package import Model

/// What the farm keeps for good. One process writes; decisions are loaded as they were made, never made again.
///
/// Implementations block, so they are called from threads of their own (`StoreThread`).
package protocol Storage: AnyObject, Sendable {
    /// Stores all changes or none. On return they survive a loss of power.
    func commit(_ changes: [Change]) throws(StorageError)

    /// The number that the next run gets.
    func nextRun() throws(StorageError) -> RunID
    func run(_ id: RunID) throws(StorageError) -> StoredRun?
    func run(key: String) throws(StorageError) -> RunID?
    /// Newest first, below `before`, at most `most`.
    ///
    /// - Parameter reader: only runs that this one may read, as `Principal.mayRead(runsOf:)` has it; `nil`: all.
    func runs(before: RunID?, most: Int, readableBy reader: Principal?) throws(StorageError) -> [StoredRun]
    /// Runs of a workflow that have ended, at one of these commits, below `before`, newest first.
    func measuredRuns(of workflow: String, commits: [String], before: RunID) throws(StorageError) -> [MeasuredRun]
    /// Runs of a workflow that have ended, below `before`, newest first, at most `most`.
    ///
    /// - Parameter tree: only those of this code; `nil`: of any.
    func judgedRuns(of workflow: String, tree: Digest?, before: RunID, most: Int) throws(StorageError) -> [JudgedRun]
    /// What the longest passing attempt at a shard took in each cell of a run, listings aside; in the order of job, cell.
    func timings(of run: RunID) throws(StorageError) -> [CellTiming]
    /// Runs without an ending, oldest first.
    func openRuns() throws(StorageError) -> [RunID]
    /// Runs that ended before an instant and whose bulk is still kept, oldest first, at most `most`.
    func runsWithBulk(endedBefore: Instant, most: Int) throws(StorageError) -> [RunID]

    func jobs(of run: RunID) throws(StorageError) -> [JobRecord]
    func cells(of run: RunID) throws(StorageError) -> [CellRecord]
    /// In the order of job, cell, shard, attempt; those after one of them, at most `most`.
    func attempts(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [StoredAttempt]
    /// Their names alone, in the same order: what they reported is not read.
    func attemptIDs(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [AttemptID]
    func attempt(_ id: AttemptID) throws(StorageError) -> StoredAttempt?
    /// In the order of job, cell, shard; those after one of them, at most `most`.
    func settlements(
        of run: RunID, after: SettlementRecord?, most: Int
    ) throws(StorageError) -> [SettlementRecord]

    /// What attempts that ended after an instant had used, by owner and hour.
    func use(since: Instant) throws(StorageError) -> [UseRecord]
    func agents() throws(StorageError) -> [AgentRecord]
    /// By name; without `Pool.standard`, unless somebody has said what that takes.
    func pools() throws(StorageError) -> [Pool]
    func certificates() throws(StorageError) -> [CertificateRecord]
    func token(hash: Digest) throws(StorageError) -> TokenRecord?
    /// Those that nobody has used, also where their time is over; by hash.
    func unusedTokens() throws(StorageError) -> [TokenRecord]
    func baselines() throws(StorageError) -> [BaselineRecord]
    /// Those of `digests` that the scope was granted.
    func granted(_ digests: [Digest], to scope: String) throws(StorageError) -> Set<Digest>
    /// Newest first, then by key; of all repositories where none is named.
    func caches(of repository: String?) throws(StorageError) -> [CacheRecord]
    /// Newest first.
    func audit(most: Int) throws(StorageError) -> [AuditRecord]
    /// When coordinators started (the audited action `AuditRecord.start`), within a time, both ends included; oldest first.
    func starts(from: Instant, to: Instant, most: Int) throws(StorageError) -> [Instant]

    func delivery(key: String) throws(StorageError) -> DeliveryRecord?
    /// Those that have not ended, by key; after one of them, at most `most`.
    func openDeliveries(after key: String?, most: Int) throws(StorageError) -> [DeliveryRecord]
    /// All of a run, by key.
    func deliveries(of run: RunID) throws(StorageError) -> [DeliveryRecord]
}

extension Storage {
    private static var pageMost: Int { 10_000 }

    /// All of a run, read page by page: others get at the store in between.
    package func attempts(of run: RunID) throws(StorageError) -> [StoredAttempt] {
        var all: [StoredAttempt] = []
        while true {
            let page = try attempts(of: run, after: all.last?.lease.attempt, most: Self.pageMost)
            all += page
            if page.count < Self.pageMost { return all }
        }
    }

    package func attemptIDs(of run: RunID) throws(StorageError) -> [AttemptID] {
        var all: [AttemptID] = []
        while true {
            let page = try attemptIDs(of: run, after: all.last, most: Self.pageMost)
            all += page
            if page.count < Self.pageMost { return all }
        }
    }

    package func settlements(of run: RunID) throws(StorageError) -> [SettlementRecord] {
        var all: [SettlementRecord] = []
        while true {
            let page = try settlements(of: run, after: all.last, most: Self.pageMost)
            all += page
            if page.count < Self.pageMost { return all }
        }
    }
}

extension Storage {
    /// Of all owners, newest first, below `before`, at most `most`.
    package func runs(before: RunID?, most: Int) throws(StorageError) -> [StoredRun] {
        try runs(before: before, most: most, readableBy: nil)
    }
}
