import Model
import Storage

/// A store with a folder of its own, which goes with it.
final class StoreInScratch: Storage, @unchecked Sendable {
    // Used by one test on one thread.
    private let scratch: Scratch
    private let isReopened: Bool
    private var open: SQLiteStore?

    init(_ scratch: Scratch, isReopened: Bool) {
        self.scratch = scratch
        self.isReopened = isReopened
    }

    private var store: SQLiteStore {
        get throws(StorageError) {
            if let open, !isReopened { return open }
            open = nil
            let store = try SQLiteStore(folder: scratch.path)
            open = store
            return store
        }
    }

    func commit(_ changes: [Change]) throws(StorageError) { try store.commit(changes) }
    func timings(of run: RunID) throws(StorageError) -> [CellTiming] { try store.timings(of: run) }
    func nextRun() throws(StorageError) -> RunID { try store.nextRun() }
    func run(_ id: RunID) throws(StorageError) -> StoredRun? { try store.run(id) }
    func run(key: String) throws(StorageError) -> RunID? { try store.run(key: key) }
    func runs(before: RunID?, most: Int, readableBy reader: Principal?) throws(StorageError) -> [StoredRun] {
        try store.runs(before: before, most: most, readableBy: reader)
    }
    func measuredRuns(of workflow: String, commits: [String], before: RunID) throws(StorageError) -> [MeasuredRun] {
        try store.measuredRuns(of: workflow, commits: commits, before: before)
    }
    func judgedRuns(of workflow: String, tree: Digest?, before: RunID, most: Int) throws(StorageError) -> [JudgedRun] {
        try store.judgedRuns(of: workflow, tree: tree, before: before, most: most)
    }
    func openRuns() throws(StorageError) -> [RunID] { try store.openRuns() }
    func runsWithBulk(endedBefore: Instant, most: Int) throws(StorageError) -> [RunID] {
        try store.runsWithBulk(endedBefore: endedBefore, most: most)
    }
    func jobs(of run: RunID) throws(StorageError) -> [JobRecord] { try store.jobs(of: run) }
    func cells(of run: RunID) throws(StorageError) -> [CellRecord] { try store.cells(of: run) }
    func attemptIDs(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [AttemptID] {
        try store.attemptIDs(of: run, after: after, most: most)
    }
    func attempts(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [StoredAttempt] {
        try store.attempts(of: run, after: after, most: most)
    }
    func attempt(_ id: AttemptID) throws(StorageError) -> StoredAttempt? { try store.attempt(id) }
    func settlements(
        of run: RunID, after: SettlementRecord?, most: Int
    ) throws(StorageError) -> [SettlementRecord] { try store.settlements(of: run, after: after, most: most) }
    func use(since: Instant) throws(StorageError) -> [UseRecord] { try store.use(since: since) }
    func pools() throws(StorageError) -> [Pool] { try store.pools() }
    func agents() throws(StorageError) -> [AgentRecord] { try store.agents() }
    func certificates() throws(StorageError) -> [CertificateRecord] { try store.certificates() }
    func token(hash: Digest) throws(StorageError) -> TokenRecord? { try store.token(hash: hash) }
    func unusedTokens() throws(StorageError) -> [TokenRecord] { try store.unusedTokens() }
    func baselines() throws(StorageError) -> [BaselineRecord] { try store.baselines() }
    func granted(_ digests: [Digest], to scope: String) throws(StorageError) -> Set<Digest> {
        try store.granted(digests, to: scope)
    }
    func caches(of repository: String?) throws(StorageError) -> [CacheRecord] { try store.caches(of: repository) }
    func audit(most: Int) throws(StorageError) -> [AuditRecord] { try store.audit(most: most) }
    func starts(from: Instant, to: Instant, most: Int) throws(StorageError) -> [Instant] {
        try store.starts(from: from, to: to, most: most)
    }
    func delivery(key: String) throws(StorageError) -> DeliveryRecord? { try store.delivery(key: key) }
    func openDeliveries(after key: String?, most: Int) throws(StorageError) -> [DeliveryRecord] {
        try store.openDeliveries(after: key, most: most)
    }
    func deliveries(of run: RunID) throws(StorageError) -> [DeliveryRecord] { try store.deliveries(of: run) }
}
