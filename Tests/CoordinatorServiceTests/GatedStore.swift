import Foundation
import Locks
import Model
import Storage

@testable import CoordinatorService

/// A store whose commits wait until they are let through, and may be refused first.
final class GatedStore: Storage {
    private let base: any Storage
    private let gate = DispatchSemaphore(value: 0)
    private let state = Mutex(State())
    /// A commit has come to the gate.
    let arrivals: AsyncStream<Int>
    private let arrived: AsyncStream<Int>.Continuation

    private struct State {
        var commits: [Int] = []
        var refusals: [StorageError] = []
        var isOpen = false
        var failingAt: Int?
        var onBaselines: (@Sendable () -> Void)?
        var unreadable: [StorageError] = []
    }

    /// - Parameter base: where commits go; in memory, unless another is given.
    /// - Parameter failingAt: so many commits succeed, and of the next one nobody knows.
    init(
        _ base: any Storage = MemoryStore(), isOpen: Bool = false, refusing refusals: [StorageError] = [],
        failingAt: Int? = nil
    ) {
        self.base = base
        (arrivals, arrived) = AsyncStream.makeStream(of: Int.self)
        state.withLock {
            $0.refusals = refusals
            $0.isOpen = isOpen
            $0.failingAt = failingAt
        }
    }

    /// How many changes each commit had.
    var commits: [Int] { state.withLock { $0.commits } }
    func letOne() { gate.signal() }
    /// Lets this one and all that follow through.
    func open() {
        state.withLock { $0.isOpen = true }
        gate.signal()
    }
    /// Does something once baselines were read, before whoever reads them has them: one time.
    func afterBaselinesAreRead(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onBaselines = body } }

    func commit(_ changes: [Change]) throws(StorageError) {
        arrived.yield(changes.count)
        if !state.withLock({ $0.isOpen }) { gate.wait() }
        let refusal = state.withLock { $0.refusals.isEmpty ? nil : $0.refusals.removeFirst() }
        if let refusal { throw refusal }
        if state.withLock({ $0.failingAt == $0.commits.count }) {
            throw .failed(operation: "COMMIT", reason: "disk I/O error")
        }
        try base.commit(changes)
        state.withLock { $0.commits.append(changes.count) }
    }

    func baselines() throws(StorageError) -> [BaselineRecord] {
        let read = try base.baselines()
        let body = state.withLock { state in
            defer { state.onBaselines = nil }
            return state.onBaselines
        }
        body?()
        return read
    }

    func nextRun() throws(StorageError) -> RunID { try base.nextRun() }
    func timings(of run: RunID) throws(StorageError) -> [CellTiming] { try base.timings(of: run) }
    /// Runs cannot be read so many times, each with its reason.
    func failReads(_ errors: [StorageError]) { state.withLock { $0.unreadable = errors } }
    func run(_ id: RunID) throws(StorageError) -> StoredRun? {
        let failure = state.withLock { $0.unreadable.isEmpty ? nil : $0.unreadable.removeFirst() }
        if let failure { throw failure }
        return try base.run(id)
    }
    func run(key: String) throws(StorageError) -> RunID? { try base.run(key: key) }
    func runs(before: RunID?, most: Int, readableBy reader: Principal?) throws(StorageError) -> [StoredRun] {
        try base.runs(before: before, most: most, readableBy: reader)
    }
    func measuredRuns(of workflow: String, commits: [String], before: RunID) throws(StorageError) -> [MeasuredRun] {
        try base.measuredRuns(of: workflow, commits: commits, before: before)
    }
    func judgedRuns(of workflow: String, tree: Digest?, before: RunID, most: Int) throws(StorageError) -> [JudgedRun] {
        try base.judgedRuns(of: workflow, tree: tree, before: before, most: most)
    }
    func openRuns() throws(StorageError) -> [RunID] { try base.openRuns() }
    func runsWithBulk(endedBefore: Instant, most: Int) throws(StorageError) -> [RunID] {
        try base.runsWithBulk(endedBefore: endedBefore, most: most)
    }
    func jobs(of run: RunID) throws(StorageError) -> [JobRecord] { try base.jobs(of: run) }
    func cells(of run: RunID) throws(StorageError) -> [CellRecord] { try base.cells(of: run) }
    func attempts(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [StoredAttempt] {
        try base.attempts(of: run, after: after, most: most)
    }
    func attemptIDs(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [AttemptID] {
        try base.attemptIDs(of: run, after: after, most: most)
    }
    func attempt(_ id: AttemptID) throws(StorageError) -> StoredAttempt? { try base.attempt(id) }
    func settlements(of run: RunID, after: SettlementRecord?, most: Int) throws(StorageError) -> [SettlementRecord] {
        try base.settlements(of: run, after: after, most: most)
    }
    func use(since: Instant) throws(StorageError) -> [UseRecord] { try base.use(since: since) }
    func pools() throws(StorageError) -> [Pool] { try base.pools() }
    func agents() throws(StorageError) -> [AgentRecord] { try base.agents() }
    func caches(of repository: String?) throws(StorageError) -> [CacheRecord] { try base.caches(of: repository) }
    func certificates() throws(StorageError) -> [CertificateRecord] { try base.certificates() }
    func token(hash: Digest) throws(StorageError) -> TokenRecord? { try base.token(hash: hash) }
    func unusedTokens() throws(StorageError) -> [TokenRecord] { try base.unusedTokens() }
    func granted(_ digests: [Digest], to scope: String) throws(StorageError) -> Set<Digest> {
        try base.granted(digests, to: scope)
    }
    func audit(most: Int) throws(StorageError) -> [AuditRecord] { try base.audit(most: most) }
    func starts(from: Instant, to: Instant, most: Int) throws(StorageError) -> [Instant] {
        try base.starts(from: from, to: to, most: most)
    }
    func delivery(key: String) throws(StorageError) -> DeliveryRecord? { try base.delivery(key: key) }
    func openDeliveries(after key: String?, most: Int) throws(StorageError) -> [DeliveryRecord] {
        try base.openDeliveries(after: key, most: most)
    }
    func deliveries(of run: RunID) throws(StorageError) -> [DeliveryRecord] { try base.deliveries(of: run) }
}
