private import Locks
package import Model

/// A store that forgets everything when its process ends: for tests, and as the measure of what a database must answer.
package final class MemoryStore: Storage {
    private struct State {
        var runs: [RunID: StoredRun] = [:]
        var keys: [String: RunID] = [:]
        var leastRun: UInt64 = 1
        var jobs: [RunID: [Int: JobRecord]] = [:]
        var cells: [CellID: CellRecord] = [:]
        var attempts: [AttemptID: StoredAttempt] = [:]
        var settlements: [ShardID: SettlementRecord] = [:]
        var agents: [String: AgentRecord] = [:]
        var pools: [String: Pool] = [:]
        var certificates: [String: CertificateRecord] = [:]
        var tokens: [Digest: TokenRecord] = [:]
        var baselines: [String: BaselineRecord] = [:]
        var grants: [Digest: Set<String>] = [:]
        var audit: [AuditRecord] = []
        var deliveries: [String: DeliveryRecord] = [:]
        var caches: [CacheRecord.Name: CacheRecord] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func commit(_ changes: [Change]) throws(StorageError) {
        try state.withLock { (state) throws(StorageError) in
            var next = state
            for change in changes { try Self.apply(change, to: &next) }
            state = next
        }
    }

    private static func apply(_ change: Change, to state: inout State) throws(StorageError) {
        switch change {
        case .runSubmitted(let run):
            try insert(StoredRun(run: run), run.id, into: &state.runs)
            try insert(run.id, run.key, into: &state.keys)
        case .jobResolved(let job): try insert(job, job.job, into: &state.jobs[job.run, default: [:]])
        case .jobEnded(let run, let index, let ending, let reason):
            var job =
                state.jobs[run]?[index] ?? JobRecord(run: run, job: index, kind: .unresolved, at: .epoch)
            job.ending = ending
            if job.reason.isEmpty { job.reason = reason }
            state.jobs[run, default: [:]][index] = job
        case .cellSharded(let cell, let shards, let items, let listing):
            state.cells[cell] = CellRecord(
                cell: cell, shards: shards, items: items, listing: listing, ending: state.cells[cell]?.ending,
                stopped: state.cells[cell]?.stopped)
        case .cellEnded(let cell, let ending):
            state.cells[cell, default: CellRecord(cell: cell, shards: nil, items: nil, listing: nil)].ending = ending
        case .cellsStopped(let cells, let group, let reason):
            for id in cells {
                var cell = state.cells[id] ?? CellRecord(cell: id, shards: nil, items: nil, listing: nil)
                cell.stopped = cell.stopped ?? CellRecord.Stop(group: group, reason: reason)
                state.cells[id] = cell
            }
        case .attemptLeased(let lease): try insert(StoredAttempt(lease: lease), lease.attempt, into: &state.attempts)
        case .leaseWithdrawn(let id):
            if state.attempts[id]?.ending == nil { state.attempts[id] = nil }
        case .attemptStarted(let id, let at):
            if state.attempts[id]?.startedAt == nil { state.attempts[id]?.startedAt = at }
        case .attemptEnded(let ending):
            if state.attempts[ending.attempt]?.ending == nil { state.attempts[ending.attempt]?.ending = ending }
        case .shardsSettled(let record):
            try insert(record, ShardID(cell: record.cell, shard: record.first), into: &state.settlements)
        case .runCancelled(let run, let by, let reason, let isForced, let at):
            if state.runs[run]?.cancellation == nil {
                state.runs[run]?.cancellation = StoredRun.Cancellation(by: by, reason: reason, at: at)
            }
            if isForced { state.runs[run]?.cancellation?.isForced = true }
        case .runEnded(let ending): state.runs[ending.run]?.ending = ending
        case .bulkDropped(let run, let at): state.runs[run]?.bulkDroppedAt = at
        case .runNumbersLeftOut(let next): state.leastRun = max(state.leastRun, next.number)
        case .agentSeen, .agentDraining, .agentPooled, .poolSet, .certificateIssued, .certificatesRevoked,
            .tokenCreated, .tokenUsed,
            .baselineSet, .objectsGranted, .objectsForgotten, .audited:
            try applyRegister(change, to: &state)
        case .cacheSaved(let cache): if state.caches[cache.name] == nil { state.caches[cache.name] = cache }
        case .cacheUsed(let name, let at): state.caches[name]?.usedAt = at
        case .cachesDropped(let names): for name in names { state.caches[name] = nil }
        case .deliveryIntended(let delivery): try insert(delivery, delivery.key, into: &state.deliveries)
        case .deliveryTried(let key):
            if state.deliveries[key]?.ending == nil { state.deliveries[key]?.tries += 1 }
        case .deliveryPostponed(let key, let until, let reason):
            guard state.deliveries[key]?.ending == nil else { return }
            state.deliveries[key]?.dueAt = until
            state.deliveries[key]?.reason = reason
        case .deliveryEnded(let key, let ending):
            guard state.deliveries[key]?.ending == nil else { return }
            state.deliveries[key]?.ending = ending
            state.deliveries[key]?.reason = ""
        }
    }

    /// People, agents, objects.
    private static func applyRegister(_ change: Change, to state: inout State) throws(StorageError) {
        switch change {
        case .agentSeen(let agent):
            var record = agent
            record.draining = state.agents[agent.name]?.draining ?? false
            record.drainReason = state.agents[agent.name]?.drainReason ?? ""
            record.pool = state.agents[agent.name]?.pool ?? Pool.standard.name
            state.agents[agent.name] = record
        case .agentDraining(let name, let draining, let reason):
            state.agents[name]?.draining = draining
            state.agents[name]?.drainReason = reason
        case .agentPooled(let name, let pool): state.agents[name]?.pool = pool
        case .poolSet(let pool): state.pools[pool.name] = pool
        case .certificateIssued(let certificate):
            try insert(certificate, certificate.serial, into: &state.certificates)
        case .certificatesRevoked(let role, let name, let reason, let at):
            for (serial, certificate) in state.certificates
            where certificate.principal.role == role && certificate.principal.name == name
                && certificate.revokedAt == nil
            {
                state.certificates[serial]?.revokedAt = at
                state.certificates[serial]?.revocationReason = reason
            }
        case .tokenCreated(let token): try insert(token, token.hash, into: &state.tokens)
        case .tokenUsed(let hash, let at, let key):
            state.tokens[hash]?.usedAt = at
            state.tokens[hash]?.usedKey = key
        case .baselineSet(let baseline): state.baselines[baseline.alias] = baseline
        case .objectsGranted(let scope, let digests):
            for digest in digests { state.grants[digest, default: []].insert(scope) }
        case .objectsForgotten(let digests): for digest in digests { state.grants[digest] = nil }
        case .audited(let record): state.audit.append(record)
        case .runSubmitted, .jobResolved, .jobEnded, .cellSharded, .cellEnded, .cellsStopped, .attemptLeased,
            .leaseWithdrawn, .attemptStarted, .attemptEnded, .shardsSettled, .runCancelled, .runEnded, .bulkDropped,
            .runNumbersLeftOut, .cacheSaved, .cacheUsed, .cachesDropped, .deliveryIntended, .deliveryTried,
            .deliveryPostponed, .deliveryEnded:
            break
        }
    }

    private static func insert<Key: Hashable, Row>(
        _ row: Row, _ key: Key, into table: inout [Key: Row]
    ) throws(StorageError) {
        guard table.updateValue(row, forKey: key) == nil else { throw .conflict("\(key) is there already") }
    }

    // MARK: Reading

    private func read<Answer: Sendable>(_ body: (State) -> Answer) -> Answer { state.withLock { body($0) } }

    package func nextRun() -> RunID {
        read { RunID(max(($0.runs.keys.map(\.number).max() ?? 0) + 1, $0.leastRun)) }
    }
    package func run(_ id: RunID) -> StoredRun? { read { $0.runs[id] } }
    package func run(key: String) -> RunID? { read { $0.keys[key] } }
    package func runs(before: RunID?, most: Int, readableBy reader: Principal?) -> [StoredRun] {
        read { state in
            let ids = state.runs.keys.filter { id in before.map { id < $0 } ?? true }.sorted(by: >)
            let found = ids.lazy.compactMap { state.runs[$0] }.filter { reader?.mayRead(runsOf: $0.run.owner) ?? true }
            return Array(found.prefix(most))
        }
    }
    package func measuredRuns(of workflow: String, commits: [String], before: RunID) -> [MeasuredRun] {
        read { state in
            let found = state.runs.values.filter { run in
                run.run.id < before && run.run.name == workflow && commits.contains(run.run.commit)
                    && run.ending != nil
            }
            return found.sorted { $0.run.id > $1.run.id }.map {
                MeasuredRun(
                    id: $0.run.id, commit: $0.run.commit, tree: $0.run.tree, verdict: $0.ending?.verdict ?? .fail)
            }
        }
    }
    package func judgedRuns(of workflow: String, tree: Digest?, before: RunID, most: Int) -> [JudgedRun] {
        read { state in
            let found = state.runs.values.filter {
                $0.run.id < before && $0.run.name == workflow && $0.ending != nil
                    && (tree == nil || $0.run.tree == tree)
            }
            return found.sorted { $0.run.id > $1.run.id }.prefix(most).compactMap { stored in
                stored.ending.map {
                    JudgedRun(
                        id: stored.run.id, owner: stored.run.owner, submittedAt: stored.run.submittedAt,
                        verdict: $0.verdict, judgement: $0.judgement, tree: stored.run.tree)
                }
            }
        }
    }
    package func timings(of run: RunID) -> [CellTiming] {
        read { state in
            var longest: [CellID: CellTiming] = [:]
            for attempt in state.attempts.values.sorted(by: { $0.lease.attempt < $1.lease.attempt }) {
                guard attempt.lease.attempt.run == run, attempt.lease.attempt.shard.shard >= 0,
                    let start = attempt.startedAt, let ending = attempt.ending, ending.cause.kind == .passed
                else { continue }
                let cell = attempt.lease.attempt.shard.cell
                let taken = start.duration(to: ending.at)
                guard longest[cell].map({ $0.longest < taken }) ?? true else { continue }
                longest[cell] = CellTiming(cell: cell, longest: taken, report: ending.report)
            }
            return longest.values.sorted { $0.cell < $1.cell }
        }
    }
    package func openRuns() -> [RunID] {
        read { $0.runs.values.filter { $0.ending == nil }.map(\.run.id).sorted() }
    }
    package func runsWithBulk(endedBefore instant: Instant, most: Int) -> [RunID] {
        read { state in
            let ended = state.runs.values.compactMap { run in
                run.bulkDroppedAt == nil ? run.ending.map { (at: $0.at, run: run.run.id) } : nil
            }
            return ended.filter { $0.at < instant }.sorted { $0 < $1 }.prefix(most).map(\.run)
        }
    }
    package func jobs(of run: RunID) -> [JobRecord] {
        read { ($0.jobs[run] ?? [:]).values.sorted { $0.job < $1.job } }
    }
    package func cells(of run: RunID) -> [CellRecord] {
        read { $0.cells.values.filter { $0.cell.run == run }.sorted { $0.cell < $1.cell } }
    }
    package func attempts(of run: RunID, after: AttemptID?, most: Int) -> [StoredAttempt] {
        read { state in
            let ids = state.attempts.keys.filter { id in id.run == run && after.map { $0 < id } ?? true }
            return ids.sorted().prefix(most).compactMap { state.attempts[$0] }
        }
    }
    package func attemptIDs(of run: RunID, after: AttemptID?, most: Int) -> [AttemptID] {
        attempts(of: run, after: after, most: most).map(\.lease.attempt)
    }
    package func attempt(_ id: AttemptID) -> StoredAttempt? { read { $0.attempts[id] } }
    package func settlements(of run: RunID, after: SettlementRecord?, most: Int) -> [SettlementRecord] {
        let start = after.map { ShardID(cell: $0.cell, shard: $0.first) }
        return read { state in
            let ids = state.settlements.keys.filter { id in id.run == run && start.map { $0 < id } ?? true }
            return ids.sorted().prefix(most).compactMap { state.settlements[$0] }
        }
    }
    package func use(since: Instant) -> [UseRecord] {
        read { state in
            let hourNanoseconds: Int64 = 3_600_000_000_000
            var groups: [Int64: [Principal: UseRecord]] = [:]
            for attempt in state.attempts.values {
                guard let end = attempt.ending?.at, end > since, let run = state.runs[attempt.lease.attempt.run],
                    run.ending.map({ $0.at > since }) ?? true, attempt.lease.at >= run.run.submittedAt
                else { continue }
                let hour = end.nanoseconds / hourNanoseconds
                let owner = run.run.owner
                var used =
                    groups[hour]?[owner]
                    ?? UseRecord(
                        principal: owner, at: Instant(nanoseconds: (hour + 1) * hourNanoseconds), cpuSeconds: 0,
                        gpuSeconds: 0)
                // The clock may have been set back in between.
                let seconds = max(0, attempt.lease.at.duration(to: end).inSeconds)
                used.cpuSeconds += Double(attempt.lease.cpus) * seconds
                used.gpuSeconds += Double(attempt.lease.devices.count) * seconds
                groups[hour, default: [:]][owner] = used
            }
            return groups.sorted { $0.key < $1.key }.flatMap { _, owners in
                owners.values.sorted { first, second in
                    let (a, b) = (first.principal, second.principal)
                    return (a.role.rawValue, a.name, a.team ?? "") < (b.role.rawValue, b.name, b.team ?? "")
                }
            }
        }
    }
    package func pools() -> [Pool] { read { $0.pools.values.sorted { $0.name < $1.name } } }
    package func agents() -> [AgentRecord] { read { $0.agents.values.sorted { $0.name < $1.name } } }
    package func certificates() -> [CertificateRecord] {
        read { $0.certificates.values.sorted { ($0.issuedAt, $0.serial) < ($1.issuedAt, $1.serial) } }
    }
    package func token(hash: Digest) -> TokenRecord? { read { $0.tokens[hash] } }
    package func unusedTokens() -> [TokenRecord] {
        read { $0.tokens.values.filter { $0.usedAt == nil }.sorted { $0.hash < $1.hash } }
    }
    package func baselines() -> [BaselineRecord] { read { $0.baselines.values.sorted { $0.alias < $1.alias } } }
    package func granted(_ digests: [Digest], to scope: String) -> Set<Digest> {
        read { state in Set(digests.filter { state.grants[$0]?.contains(scope) ?? false }) }
    }
    package func caches(of repository: String?) -> [CacheRecord] {
        read { state in
            state.caches.values.filter { repository == nil || $0.name.repository == repository }
                .sorted(by: CacheRecord.isBefore)
        }
    }
    package func audit(most: Int) -> [AuditRecord] { read { Array($0.audit.reversed().prefix(most)) } }
    package func starts(from: Instant, to: Instant, most: Int) -> [Instant] {
        read { state in
            let starts = state.audit.filter { $0.action == AuditRecord.start && $0.at >= from && $0.at <= to }
            return Array(starts.map(\.at).sorted().prefix(most))
        }
    }
    package func delivery(key: String) -> DeliveryRecord? { read { $0.deliveries[key] } }
    package func openDeliveries(after key: String?, most: Int) -> [DeliveryRecord] {
        read { state in
            let open = state.deliveries.values.filter { $0.ending == nil && $0.key > key ?? "" }
            return Array(open.sorted { $0.key < $1.key }.prefix(most))
        }
    }
    package func deliveries(of run: RunID) -> [DeliveryRecord] {
        read { $0.deliveries.values.filter { $0.run == run }.sorted { $0.key < $1.key } }
    }
}
