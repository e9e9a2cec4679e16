import Model
import Storage

/// Batches of changes as a farm might make them, and some that no farm would: repeated, late, of things that are not there.
struct RandomChanges {
    var random: SplitMix64
    private var certificates = 0

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func batch() -> [Change] { (0..<Int.random(in: 1...6, using: &random)).map { _ in change() } }

    private mutating func number(_ below: Int) -> Int { Int.random(in: 0..<below, using: &random) }
    private mutating func word(_ words: String...) -> String { words.randomElement(using: &random) ?? "" }
    private mutating func run() -> RunID { RunID(UInt64(number(5) + 1)) }
    private mutating func cell() -> CellID { CellID(run: run(), job: number(2), cell: number(3)) }
    private mutating func shard() -> ShardID { ShardID(cell: cell(), shard: number(4) - 1) }
    private mutating func attempt() -> AttemptID { AttemptID(shard: shard(), number: number(3) + 1) }
    private mutating func at() -> Instant { `A store`.now.advanced(by: .seconds(Int64(number(1000)))) }
    private mutating func digest() -> Digest {
        guard let digest = Digest([UInt8](repeating: UInt8(number(6)), count: 32)) else {
            preconditionFailure("32 bytes make a digest")
        }
        return digest
    }
    private mutating func cacheName() -> CacheRecord.Name {
        CacheRecord.Name(
            repository: word("a/b", "c"), branch: word("refs/heads/main", "refs/heads/x"), key: word("k1", "k2", "l"),
            paths: digest())
    }
    private mutating func cause() -> Cause {
        switch number(3) {
        case 0: Cause(.passed)
        case 1: Cause(.userExit, code: number(200), evidence: "step \(number(9))")
        default: Cause(.lostAgent, evidence: "gone")
        }
    }
    private mutating func principal() -> Principal {
        Principal(
            role: number(2) == 0 ? .user : .agent, name: word("alice", "bob"), team: number(2) == 0 ? nil : "vision")
    }
    private mutating func bytes() -> [UInt8] { (0..<number(5)).map { UInt8($0) } }

    /// One of each kind in turn, with random parts.
    private mutating func change() -> Change { Self.kinds[number(Self.kinds.count)](&self) }

    /// Every change that there is; a case that is missing here is found by `covers(_:)`.
    static let kinds: [@Sendable (inout Self) -> Change] = [
        { random in
            let number = UInt64(random.number(5) + 1)
            var record = `A store`.record(number, key: "key-\(random.number(6))")
            record.commit = random.word("c0ffee", "beef")
            return .runSubmitted(record)
        },
        { random in
            let kinds: [JobRecord.Kind] = [.cells, .failed, .notApplicable, .notReached]
            return .jobResolved(
                JobRecord(
                    run: random.run(), job: random.number(2), kind: kinds[random.number(4)], at: random.at(),
                    reason: random.word("", "a reason"), resolution: random.bytes()))
        },
        {
            .jobEnded(
                run: $0.run(), job: $0.number(2), ending: $0.word("success", "failure"), reason: $0.word("", "why"))
        },
        {
            .cellSharded(
                $0.cell(), shards: $0.number(9) + 1, items: $0.number(2) == 0 ? nil : 100,
                listing: $0.number(2) == 0 ? nil : $0.digest())
        },
        { .cellEnded($0.cell(), ending: $0.word("passed", "failed")) },
        { .attemptLeased(`A store`.lease($0.attempt(), agent: $0.word("a", "b"))) },
        { .leaseWithdrawn($0.attempt()) },
        { .attemptStarted($0.attempt(), at: $0.at()) },
        {
            .attemptEnded(
                AttemptEnding(
                    attempt: $0.attempt(), at: $0.at(), cause: $0.cause(), retryAt: $0.number(2) == 0 ? nil : $0.at(),
                    why: $0.word("", "again"), report: $0.bytes()))
        },
        { random in
            let shard = random.shard()
            return .shardsSettled(
                SettlementRecord(
                    cell: shard.cell, first: shard.shard, last: shard.shard + random.number(3),
                    attempt: random.number(3), cause: random.cause(), at: random.at()))
        },
        {
            .runCancelled(
                $0.run(), by: $0.word("alice", "bob"), reason: $0.word("", "why"), isForced: $0.number(2) == 0,
                at: $0.at())
        },
        {
            .runEnded(
                RunEnding(
                    run: $0.run(), at: $0.at(), verdict: [.pass, .waived, .fail][$0.number(3)], exitCode: $0.number(4),
                    judgement: $0.bytes()))
        },
        { .bulkDropped($0.run(), at: $0.at()) },
        { .runNumbersLeftOut(below: RunID(UInt64($0.number(12)))) },
        {
            .agentSeen(
                AgentRecord(
                    name: $0.word("a", "b"), team: $0.word("vision", "text"), capacity: $0.bytes(),
                    software: $0.word("1", "2"), lastSeenAt: $0.at()))
        },
        { .agentDraining(name: $0.word("a", "b", "c"), draining: $0.number(2) == 0, reason: $0.word("", "disk")) },
        { random in
            random.certificates += 1
            return .certificateIssued(
                CertificateRecord(
                    serial: "\(random.certificates)", principal: random.principal(), fingerprint: random.digest(),
                    issuedAt: random.at(), expiresAt: random.at()))
        },
        { .certificatesRevoked(role: .user, name: $0.word("alice", "bob"), reason: $0.word("left", ""), at: $0.at()) },
        {
            .tokenCreated(
                TokenRecord(hash: $0.digest(), principal: $0.principal(), createdBy: "root", expiresAt: $0.at()))
        },
        { .tokenUsed(hash: $0.digest(), at: $0.at(), key: $0.number(2) == 0 ? nil : $0.digest()) },
        { .baselineSet(BaselineRecord(alias: $0.word("x", "y"), run: $0.run(), setBy: "alice", setAt: $0.at())) },
        { .objectsGranted(scope: $0.word("user:a", "agent:b"), digests: [$0.digest(), $0.digest()]) },
        { .objectsForgotten([$0.digest()]) },
        {
            .audited(AuditRecord(at: $0.at(), who: "alice", action: $0.word("submit", "drain", "start"), subject: "r1"))
        },
        {
            .deliveryIntended(
                DeliveryRecord(
                    key: $0.word("k1", "k2", "k3"), kind: "check", run: $0.number(2) == 0 ? nil : $0.run(),
                    body: $0.bytes(), intendedAt: $0.at()))
        },
        { .deliveryTried(key: $0.word("k1", "k2", "k3")) },
        { .deliveryPostponed(key: $0.word("k1", "k2", "k3"), until: $0.at(), reason: $0.word("", "no answer")) },
        {
            .deliveryEnded(
                key: $0.word("k1", "k2", "k3"),
                $0.number(2) == 0
                    ? .init(at: $0.at(), receipt: "r") : .init(at: $0.at(), receipt: nil, reason: "given up"))
        },
        { random in
            let at = random.at()
            return .cacheSaved(
                CacheRecord(
                    name: random.cacheName(), manifest: random.digest(), manifestBytes: random.number(100),
                    contentBytes: random.number(1000), savedAt: at, usedAt: at))
        },
        { .cacheUsed($0.cacheName(), at: $0.at()) },
        { .cachesDropped([$0.cacheName()]) },
        { .cellsStopped([$0.cell(), $0.cell()], group: $0.word("a", "b"), reason: $0.word("r2 came", "r3 came")) },
        { .agentPooled(name: $0.word("a", "b", "c"), pool: $0.word("default", "forks")) },
        { .poolSet(Pool(name: $0.word("default", "forks"), allowsUntrusted: $0.number(2) == 0)) },
    ]

    /// A number for each kind of change: the compiler asks for new ones here.
    static func kind(of change: Change) -> Int {
        switch change {
        case .runSubmitted: 0
        case .jobResolved: 1
        case .jobEnded: 2
        case .cellSharded: 3
        case .cellEnded: 4
        case .attemptLeased: 5
        case .leaseWithdrawn: 6
        case .attemptStarted: 7
        case .attemptEnded: 8
        case .shardsSettled: 9
        case .runCancelled: 10
        case .runEnded: 11
        case .bulkDropped: 12
        case .runNumbersLeftOut: 13
        case .agentSeen: 14
        case .agentDraining: 15
        case .certificateIssued: 16
        case .certificatesRevoked: 17
        case .tokenCreated: 18
        case .tokenUsed: 19
        case .baselineSet: 20
        case .objectsGranted: 21
        case .objectsForgotten: 22
        case .audited: 23
        case .deliveryIntended: 24
        case .deliveryTried: 25
        case .deliveryPostponed: 26
        case .deliveryEnded: 27
        case .cacheSaved: 28
        case .cacheUsed: 29
        case .cachesDropped: 30
        case .cellsStopped: 31
        case .agentPooled: 32
        case .poolSet: 33
        }
    }
}

/// Everything that can be asked of a store about what `RandomChanges` makes, in words.
func everything(in store: any Storage) throws -> [String] {
    let digests = (0..<6).compactMap { Digest([UInt8](repeating: $0, count: 32)) }
    let runs = (1...6).map { RunID($0) }
    var said: [String] = ["next \(try store.nextRun())", "open \(try store.openRuns())"]
    for run in runs {
        said.append("\(run): \(try store.run(run).map { "\($0)" } ?? "none")")
        said.append("jobs \(try store.jobs(of: run))")
        said.append("cells \(try store.cells(of: run))")
        said.append("attempts \(try store.attempts(of: run))")
        said.append("named \(try store.attemptIDs(of: run))")
        let first = try store.attempts(of: run).first.flatMap { try store.attempt($0.lease.attempt) }
        said.append("first \(first.map { "\($0)" } ?? "none")")
        said.append("settlements \(try store.settlements(of: run))")
        said.append("deliveries \(try store.deliveries(of: run))")
        said.append("before \(try store.runs(before: run, most: 2).map(\.run.id))")
    }
    for key in 0..<6 { said.append("key \(key) \(try store.run(key: "key-\(key)").map { "\($0)" } ?? "none")") }
    for commits in [["c0ffee"], ["beef", "c0ffee", "beef"], ["none"], []] {
        said.append("passed \(try store.measuredRuns(of: "nightly", commits: commits, before: RunID(5)))")
    }
    said.append("judged \(try store.judgedRuns(of: "nightly", tree: nil, before: RunID(5), most: 2))")
    said.append("passed others \(try store.measuredRuns(of: "daily", commits: ["beef"], before: RunID(5)))")
    for seconds in [100, 500, 2000] as [Int64] {
        let before = `A store`.now.advanced(by: .seconds(seconds))
        said.append("bulk \(try store.runsWithBulk(endedBefore: before, most: 3))")
    }
    said.append("use \(try store.use(since: `A store`.now.advanced(by: .seconds(300))))")
    said.append("agents \(try store.agents())")
    said.append("pools \(try store.pools())")
    said.append("certificates \(try store.certificates())")
    for digest in digests { said.append("token \(try store.token(hash: digest).map { "\($0)" } ?? "none")") }
    said.append("unused \(try store.unusedTokens())")
    said.append("baselines \(try store.baselines())")
    for repository in ["a/b", "c", nil] {
        said.append("caches \(repository ?? "") \(try store.caches(of: repository))")
    }
    for scope in ["user:a", "agent:b"] {
        said.append("granted \(try store.granted(digests, to: scope).sorted())")
    }
    said.append("audit \(try store.audit(most: 7))")
    let middle = `A store`.now.advanced(by: .seconds(500))
    said.append("starts \(try store.starts(from: `A store`.now, to: middle, most: 2))")
    said.append("later starts \(try store.starts(from: middle, to: .distantFuture, most: 9))")
    said.append("open deliveries \(try store.openDeliveries(after: nil, most: 2))")
    said.append("after k1 \(try store.openDeliveries(after: "k1", most: 2))")
    for key in ["k1", "k2"] { said.append("delivery \(try store.delivery(key: key).map { "\($0)" } ?? "none")") }
    return said
}
