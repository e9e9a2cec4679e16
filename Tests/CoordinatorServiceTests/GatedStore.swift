import Foundation
import Locks
import Model
import Storage

/// A store in memory whose commits wait until they are let through, and may be refused first.
final class GatedStore: Storage {
    private let memory = MemoryStore()
    private let gate = DispatchSemaphore(value: 0)
    private let state = Mutex((commits: [Int](), refusals: [StorageError](), unreadable: [StorageError]()))
    /// A commit has come to the gate.
    let arrivals: AsyncStream<Int>
    private let arrived: AsyncStream<Int>.Continuation

    init(refusing refusals: [StorageError] = []) {
        (arrivals, arrived) = AsyncStream.makeStream(of: Int.self)
        state.withLock { $0.refusals = refusals }
    }

    /// How many changes each commit had.
    var commits: [Int] { state.withLock { $0.commits } }
    func letOne() { gate.signal() }

    func commit(_ changes: [Change]) throws(StorageError) {
        arrived.yield(changes.count)
        gate.wait()
        let refusal = state.withLock { $0.refusals.isEmpty ? nil : $0.refusals.removeFirst() }
        if let refusal { throw refusal }
        try memory.commit(changes)
        state.withLock { $0.commits.append(changes.count) }
    }

    func nextRun() -> RunID { memory.nextRun() }
    /// Runs cannot be read so many times, each with its reason.
    func failReads(_ errors: [StorageError]) { state.withLock { $0.unreadable = errors } }
    func run(_ id: RunID) throws(StorageError) -> StoredRun? {
        let failure = state.withLock { $0.unreadable.isEmpty ? nil : $0.unreadable.removeFirst() }
        if let failure { throw failure }
        return memory.run(id)
    }
    func run(key: String) -> RunID? { memory.run(key: key) }
    func runs(before: RunID?, most: Int) -> [StoredRun] { memory.runs(before: before, most: most) }
    func passedRuns(of workflow: String, commits: [String], before: RunID) -> [PassedRun] { [] }
    func judgedRuns(of workflow: String, before: RunID, most: Int) -> [JudgedRun] {
        memory.judgedRuns(of: workflow, before: before, most: most)
    }
    func openRuns() -> [RunID] { memory.openRuns() }
    func runsWithBulk(endedBefore: Instant, most: Int) -> [RunID] { [] }
    func jobs(of run: RunID) -> [JobRecord] { memory.jobs(of: run) }
    func cells(of run: RunID) -> [CellRecord] { memory.cells(of: run) }
    func attempts(of run: RunID, after: AttemptID?, most: Int) -> [StoredAttempt] {
        memory.attempts(of: run, after: after, most: most)
    }
    func attemptIDs(of run: RunID, after: AttemptID?, most: Int) -> [AttemptID] {
        memory.attemptIDs(of: run, after: after, most: most)
    }
    func attempt(_ id: AttemptID) -> StoredAttempt? { memory.attempt(id) }
    func settlements(of run: RunID, after: SettlementRecord?, most: Int) -> [SettlementRecord] {
        memory.settlements(of: run, after: after, most: most)
    }
    func use(since: Instant) -> [UseRecord] { memory.use(since: since) }
    func agents() -> [AgentRecord] { memory.agents() }
    func caches(of repository: String?) -> [CacheRecord] { memory.caches(of: repository) }
    func certificates() -> [CertificateRecord] { memory.certificates() }
    func token(hash: Digest) -> TokenRecord? { memory.token(hash: hash) }
    func baselines() -> [BaselineRecord] { memory.baselines() }
    func granted(_ digests: [Digest], to scope: String) -> Set<Digest> { memory.granted(digests, to: scope) }
    func audit(most: Int) -> [AuditRecord] { memory.audit(most: most) }
    func starts(from: Instant, to: Instant, most: Int) -> [Instant] { memory.starts(from: from, to: to, most: most) }
    func delivery(key: String) -> DeliveryRecord? { memory.delivery(key: key) }
    func openDeliveries(after key: String?, most: Int) -> [DeliveryRecord] {
        memory.openDeliveries(after: key, most: most)
    }
    func deliveries(of run: RunID) -> [DeliveryRecord] { memory.deliveries(of: run) }
}
