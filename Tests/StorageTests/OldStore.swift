import Model
import Storage

/// What the stores of earlier schemas in `Stores` hold: these changes, committed by the code of that time. `Stores/make`
/// builds this file against that code.
enum OldStore {
    private static let start = Instant.seconds(1_700_000_000)
    private static func at(_ seconds: Int64) -> Instant { start.advanced(by: .seconds(seconds)) }
    private static let alice = Principal(role: .user, name: "alice", team: "vision")
    private static let bob = Principal(role: .admin, name: "bob")

    private static func digest(_ byte: UInt8) -> Digest {
        guard let digest = Digest([UInt8](repeating: byte, count: 32)) else {
            preconditionFailure("32 bytes make a digest")
        }
        return digest
    }

    private static func run(_ number: UInt64, _ owner: Principal, name: String = "nightly") -> Change {
        .runSubmitted(
            RunRecord(
                id: RunID(number), key: "key-\(number)", owner: owner, name: name, file: "evals/\(name).yml",
                submittedAt: at(Int64(number) * 100), tree: number == 3 ? nil : digest(UInt8(number)),
                commit: number == 3 ? "" : "c0ffee", request: [1, 2, 3, UInt8(number)], plan: [9]))
    }

    // A store of schema 1 kept no time of it: it counts as resolved when its run was submitted.
    private static func job(_ run: UInt64, _ job: Int, _ kind: JobRecord.Kind, _ reason: String = "") -> Change {
        .jobResolved(
            JobRecord(
                run: RunID(run), job: job, kind: kind, at: at(Int64(run) * 100), reason: reason,
                resolution: kind == .cells ? [7, UInt8(job)] : []))
    }

    private static func cell(_ run: UInt64, _ job: Int, _ cell: Int) -> CellID {
        CellID(run: RunID(run), job: job, cell: cell)
    }

    private static func attempt(_ cell: CellID, _ shard: Int, _ number: Int) -> AttemptID {
        AttemptID(shard: ShardID(cell: cell, shard: shard), number: number)
    }

    private static func lease(_ attempt: AttemptID, _ agent: String, _ seconds: Int64) -> Change {
        .attemptLeased(
            LeaseRecord(
                attempt: attempt, agent: AgentID(agent), devices: agent == "gpu-1" ? ["GPU-1", "GPU-2"] : [], cpus: 2,
                memory: .gibibytes(1), at: at(seconds), until: at(seconds + 30)))
    }

    private static func end(_ attempt: AttemptID, _ cause: Cause, _ seconds: Int64, retry: Int64? = nil) -> Change {
        .attemptEnded(
            AttemptEnding(
                attempt: attempt, at: at(seconds), cause: cause, retryAt: retry.map(at),
                why: retry == nil ? "" : "tried again", report: cause.kind == .lostAgent ? [] : [4, 5]))
    }

    private static func settle(_ cell: CellID, _ shards: ClosedRange<Int>, by attempt: Int, _ cause: Cause) -> Change {
        .shardsSettled(
            SettlementRecord(
                cell: cell, first: shards.lowerBound, last: shards.upperBound, attempt: attempt, cause: cause,
                at: at(800)))
    }

    #if !SCHEMA_1 && !SCHEMA_2 && !SCHEMA_3 && !SCHEMA_4 && !SCHEMA_5
    private static func cache(_ key: String, _ byte: UInt8) -> CacheRecord {
        CacheRecord(
            name: .init(repository: "user alice\nowner/name", branch: "refs/heads/main", key: key, paths: digest(byte)),
            manifest: digest(byte), manifestBytes: 100, contentBytes: 4_096, savedAt: at(600), usedAt: at(600))
    }
    #endif

    /// A run that passed, one that goes on with an attempt that was lost, one that was cancelled; people, agents and tokens.
    ///
    /// - Parameter schema: what its code did not know is left out.
    static func batches(_ schema: Int) -> [[Change]] {
        let passed = cell(1, 0, 0)
        let listed = cell(2, 0, 1)
        let lost = Cause(.lostAgent, evidence: "no heartbeat since 10:02:11Z")
        let failed = Cause(.userExit, code: 3, evidence: "step 'eval' ended with exit code 3")
        let cancelled = Cause(.cancelled, evidence: "by user alice: \"enough\"")
        var batches: [[Change]] = [
            [
                .agentSeen(
                    AgentRecord(
                        name: "gpu-1", team: nil, capacity: [8, 1], software: "sheaf", lastSeenAt: at(900))),
                .agentSeen(
                    AgentRecord(
                        name: "cpu-1", team: "vision", capacity: [8, 2], software: "sheaf", lastSeenAt: at(901))),
                .agentDraining(name: "cpu-1", draining: true, reason: "a new disk"),
                .tokenCreated(
                    TokenRecord(hash: digest(1), principal: alice, createdBy: "admin root", expiresAt: at(3600))),
                .tokenCreated(
                    TokenRecord(hash: digest(2), principal: bob, createdBy: "operator", expiresAt: at(3600))),
                .tokenUsed(hash: digest(1), at: at(1), key: nil),
                .certificateIssued(
                    CertificateRecord(
                        serial: "0a", principal: alice, fingerprint: digest(3), issuedAt: at(1),
                        expiresAt: at(31_536_000))),
                .certificateIssued(
                    CertificateRecord(
                        serial: "0b", principal: Principal(role: .agent, name: "gpu-1"), fingerprint: digest(4),
                        issuedAt: at(2), expiresAt: at(31_536_000))),
                .certificatesRevoked(role: .agent, name: "gpu-1", reason: "sold", at: at(5000)),
                .objectsGranted(scope: "user:a", digests: [digest(1), digest(3)]),
                .audited(AuditRecord(at: at(100), who: "user alice", action: "submit", subject: "run r1")),
            ],
            [
                run(1, alice), job(1, 0, .cells), job(1, 1, .notApplicable, "its 'if' is false"),
                .cellSharded(passed, shards: 3, items: nil, listing: nil),
                lease(attempt(passed, 0, 1), "gpu-1", 110), .attemptStarted(attempt(passed, 0, 1), at: at(111)),
                lease(attempt(passed, 1, 1), "cpu-1", 110), lease(attempt(passed, 2, 1), "cpu-1", 110),
            ],
            [
                end(attempt(passed, 0, 1), Cause(.passed), 800), settle(passed, 0...0, by: 1, Cause(.passed)),
                .leaseWithdrawn(attempt(passed, 2, 1)),
                end(attempt(passed, 1, 1), failed, 700), settle(passed, 1...2, by: 1, failed),
                .cellEnded(passed, ending: "failed"),
                .jobEnded(run: RunID(1), job: 0, ending: "failure", reason: "1 of 1 cells failed"),
                .runEnded(
                    RunEnding(run: RunID(1), at: at(900), verdict: .pass, exitCode: 0, judgement: [0x7B, 0x7D])),
                .baselineSet(BaselineRecord(alias: "x", run: RunID(1), setBy: "user alice", setAt: at(950))),
            ],
            [
                run(2, bob), job(2, 0, .cells), .cellSharded(listed, shards: 9, items: 100, listing: digest(5)),
                lease(attempt(listed, -1, 1), "gpu-1", 205), end(attempt(listed, -1, 1), Cause(.passed), 206),
                lease(attempt(listed, 4, 1), "gpu-1", 210), .attemptStarted(attempt(listed, 4, 1), at: at(211)),
                end(attempt(listed, 4, 1), lost, 250, retry: 252), lease(attempt(listed, 4, 2), "cpu-1", 253),
            ],
            [
                run(3, alice, name: "wide"), job(3, 0, .failed, "matrix: not JSON"),
                .runCancelled(RunID(3), by: "user alice", reason: "enough", at: at(320)),
                settle(cell(3, 1, 0), 0...99_999, by: 0, cancelled), run(4, alice),
                .runEnded(RunEnding(run: RunID(4), at: at(999), verdict: .fail, exitCode: 1, judgement: [])),
            ],
        ]
        #if !SCHEMA_1 && !SCHEMA_2
        if schema >= 3 {
            batches.append([
                .bulkDropped(RunID(4), at: at(9000)), .runNumbersLeftOut(below: RunID(40)),
                .objectsGranted(scope: "user:a", digests: [digest(2)]), .objectsForgotten([digest(3)]),
            ])
        }
        #endif
        #if !SCHEMA_1 && !SCHEMA_2 && !SCHEMA_3
        if schema >= 4 {
            batches.append([
                .deliveryIntended(
                    DeliveryRecord(key: "k1", kind: "check", run: RunID(1), body: [1], intendedAt: at(900))),
                .deliveryIntended(
                    DeliveryRecord(key: "k2", kind: "comment", run: RunID(1), body: [2], intendedAt: at(900))),
                .deliveryTried(key: "k1"), .deliveryEnded(key: "k1", .init(at: at(901), receipt: "check 7")),
                .deliveryTried(key: "k2"), .deliveryPostponed(key: "k2", until: at(960), reason: "no answer"),
            ])
        }
        #endif
        #if !SCHEMA_1 && !SCHEMA_2 && !SCHEMA_3 && !SCHEMA_4
        if schema >= 5 {
            batches.append([
                run(5, bob), .runCancelled(RunID(5), by: "user alice", reason: "enough", isForced: false, at: at(520)),
                .runCancelled(RunID(5), by: "admin bob", reason: "it hangs", isForced: true, at: at(530)),
                .audited(AuditRecord(at: at(90), who: "coordinator", action: "start", subject: "the farm")),
            ])
        }
        #endif
        #if !SCHEMA_1 && !SCHEMA_2 && !SCHEMA_3 && !SCHEMA_4 && !SCHEMA_5
        if schema >= 6 {
            let (one, two) = (cache("one", 6), cache("two", 7))
            batches.append([
                .cacheSaved(one), .cacheSaved(two), .cacheUsed(one.name, at: at(620)), .cachesDropped([two.name]),
            ])
        }
        #endif
        #if !SCHEMA_1 && !SCHEMA_2 && !SCHEMA_3 && !SCHEMA_4 && !SCHEMA_5 && !SCHEMA_6
        if schema >= 7 {
            let lagging = attempt(listed, 4, 2)
            batches.append([
                .attemptLeased(
                    LeaseRecord(
                        attempt: attempt(listed, 4, 3), agent: AgentID("gpu-1"), devices: [], cpus: 2,
                        memory: .gibibytes(1), at: at(700), until: at(730), beside: lagging.number,
                        besideWhy: "it runs for 400 s, its peers for 20 s"))
            ])
        }
        #endif
        #if !SCHEMA_1 && !SCHEMA_2 && !SCHEMA_3 && !SCHEMA_4 && !SCHEMA_5 && !SCHEMA_6 && !SCHEMA_7 && !SCHEMA_8
        if schema >= 9 {
            batches.append([
                .poolSet(Pool(name: "forks", allowsUntrusted: true)), .agentPooled(name: "cpu-1", pool: "forks"),
                .cellsStopped([listed], group: "prod", reason: "r5 came"),
            ])
        }
        #endif
        return batches
    }
}
