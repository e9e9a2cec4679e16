package import Model

extension SQLiteStore {
    package func nextRun() throws(StorageError) -> RunID {
        let next = try read { (database) throws(StorageError) in
            try database.number(
                "SELECT max(coalesce((SELECT max(id) FROM runs), 0) + 1, coalesce((SELECT max(least) FROM run_numbers), 1))"
            )
        }
        return RunID(UInt64(bitPattern: next ?? 1))
    }

    package func run(_ id: RunID) throws(StorageError) -> StoredRun? {
        try rows("\(Self.selectRun) WHERE id = ?", [.run(id)], Self.storedRun).first
    }

    package func run(key: String) throws(StorageError) -> RunID? {
        try rows("SELECT id FROM runs WHERE key = ?", [.text(key)]) { RunID(UInt64(bitPattern: $0.int64(0))) }.first
    }

    package func runs(
        before: RunID?, most: Int, readableBy reader: Principal?
    ) throws(StorageError) -> [StoredRun] {
        let bound = before.map { Int64(bitPattern: $0.number) } ?? .max
        guard let reader, reader.role != .admin else {
            return try rows(
                "\(Self.selectRun) WHERE id < ? ORDER BY id DESC LIMIT ?", [.integer(bound), .int(most)],
                Self.storedRun)
        }
        return try rows(
            """
            \(Self.selectRun)
            WHERE id < ? AND (team IS NULL OR owner = ? OR team = ?)
            ORDER BY id DESC LIMIT ?
            """, [.integer(bound), .text(reader.name), .text(reader.team ?? ""), .int(most)], Self.storedRun)
    }

    package func passedRuns(
        of workflow: String, commits: [String], before: RunID
    ) throws(StorageError) -> [PassedRun] {
        // Commits are hexadecimal digits: what is not cannot be one, and needs no quoting.
        let words = commits.filter { $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } }
        let found = try rows(
            """
            SELECT id, commit_id, tree FROM runs
            WHERE id < ? AND name = ? AND verdict IN ('pass', 'waived')
                AND commit_id IN (SELECT value FROM json_each(?))
            """,
            [
                .integer(Int64(bitPattern: before.number)), .text(workflow),
                .text("[" + words.map { "\"\($0)\"" }.joined(separator: ",") + "]"),
            ]
        ) {
            PassedRun(
                id: RunID(UInt64(bitPattern: $0.int64(0))), commit: $0.text(1), tree: $0.optionalDigest(2))
        }
        return found.sorted { $0.id > $1.id }
    }

    package func judgedRuns(
        of workflow: String, before: RunID, most: Int
    ) throws(StorageError) -> [JudgedRun] {
        try rows(
            """
            SELECT id, owner_role, owner, team, submitted_at, verdict, judgement, tree FROM runs
            WHERE id < ? AND name = ? AND ended_at IS NOT NULL
            ORDER BY id DESC LIMIT ?
            """, [.integer(Int64(bitPattern: before.number)), .text(workflow), .int(most)]
        ) {
            JudgedRun(
                id: RunID(UInt64(bitPattern: $0.int64(0))), owner: Self.principal($0, from: 1),
                submittedAt: $0.instant(4), verdict: Verdict(rawValue: $0.text(5)) ?? .fail, judgement: $0.blob(6),
                tree: $0.optionalDigest(7))
        }
    }

    package func timings(of run: RunID) throws(StorageError) -> [CellTiming] {
        // The report is that of the row with the maximum: SQLite says so of a query with one max().
        try rows(
            """
            SELECT job, cell, max(ended_at - started_at), report
            FROM attempts
            WHERE run = ? AND shard >= 0 AND cause = 'passed' AND started_at IS NOT NULL
            GROUP BY job, cell
            ORDER BY job, cell
            """, [.run(run)]
        ) {
            CellTiming(
                cell: CellID(run: run, job: $0.int(0), cell: $0.int(1)), longest: .nanoseconds($0.int64(2)),
                report: $0.blob(3))
        }
    }

    package func openRuns() throws(StorageError) -> [RunID] {
        try rows("SELECT id FROM runs WHERE ended_at IS NULL ORDER BY id", []) {
            RunID(UInt64(bitPattern: $0.int64(0)))
        }
    }

    package func runsWithBulk(endedBefore instant: Instant, most: Int) throws(StorageError) -> [RunID] {
        try rows(
            """
            SELECT id FROM runs
            WHERE bulk_dropped_at IS NULL AND ended_at IS NOT NULL AND ended_at < ?
            ORDER BY ended_at, id LIMIT ?
            """, [.instant(instant), .int(most)]
        ) { RunID(UInt64(bitPattern: $0.int64(0))) }
    }

    package func jobs(of run: RunID) throws(StorageError) -> [JobRecord] {
        try rows(
            "SELECT job, kind, resolved_at, reason, resolution, ending FROM jobs WHERE run = ? ORDER BY job",
            [.run(run)]
        ) {
            // An unknown word can only come from a damaged row: the worst kind then.
            JobRecord(
                run: run, job: $0.int(0), kind: JobRecord.Kind(rawValue: $0.text(1)) ?? .failed, at: $0.instant(2),
                reason: $0.text(3), resolution: $0.blob(4), ending: $0.optionalText(5))
        }
    }

    package func cells(of run: RunID) throws(StorageError) -> [CellRecord] {
        try rows(
            "SELECT job, cell, shards, items, listing, ending FROM cells WHERE run = ? ORDER BY job, cell",
            [.run(run)]
        ) {
            CellRecord(
                cell: CellID(run: run, job: $0.int(0), cell: $0.int(1)), shards: $0.optionalInt(2),
                items: $0.optionalInt(3), listing: $0.optionalDigest(4), ending: $0.optionalText(5))
        }
    }

    package func attempts(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [StoredAttempt] {
        try rows(
            """
            \(Self.selectAttempt)
            WHERE run = ? AND (job, cell, shard, attempt) > (?, ?, ?, ?)
            ORDER BY job, cell, shard, attempt
            LIMIT ?
            """, [.run(run)] + Self.place(of: after) + [.int(most)], Self.storedAttempt)
    }

    /// Out of the index alone.
    package func attemptIDs(of run: RunID, after: AttemptID?, most: Int) throws(StorageError) -> [AttemptID] {
        try rows(
            """
            SELECT job, cell, shard, attempt
            FROM attempts
            WHERE run = ? AND (job, cell, shard, attempt) > (?, ?, ?, ?)
            ORDER BY job, cell, shard, attempt
            LIMIT ?
            """, [.run(run)] + Self.place(of: after) + [.int(most)]
        ) { row in
            AttemptID(
                shard: ShardID(run: run, job: row.int(0), cell: row.int(1), shard: row.int(2)), number: row.int(3))
        }
    }

    /// Before all where it is `nil`: jobs are numbered from 0.
    private static func place(of attempt: AttemptID?) -> [Parameter] {
        let shard = attempt?.shard
        return [
            .int(shard?.cell.job ?? -1), .int(shard?.cell.cell ?? 0), .int(shard?.shard ?? 0),
            .int(attempt?.number ?? 0),
        ]
    }

    package func attempt(_ id: AttemptID) throws(StorageError) -> StoredAttempt? {
        try rows(
            "\(Self.selectAttempt) WHERE run = ? AND job = ? AND cell = ? AND shard = ? AND attempt = ?",
            [
                .run(id.run), .int(id.shard.cell.job), .int(id.shard.cell.cell), .int(id.shard.shard),
                .int(id.number),
            ], Self.storedAttempt
        ).first
    }

    package func settlements(
        of run: RunID, after: SettlementRecord?, most: Int
    ) throws(StorageError) -> [SettlementRecord] {
        let place: [Parameter] = [
            .int(after?.cell.job ?? -1), .int(after?.cell.cell ?? 0), .int(after?.first ?? 0),
        ]
        return try rows(
            """
            SELECT job, cell, first_shard, last_shard, attempt, cause, code, evidence, settled_at
            FROM settlements
            WHERE run = ? AND (job, cell, first_shard) > (?, ?, ?)
            ORDER BY job, cell, first_shard
            LIMIT ?
            """, [.run(run)] + place + [.int(most)]
        ) {
            SettlementRecord(
                cell: CellID(run: run, job: $0.int(0), cell: $0.int(1)), first: $0.int(2), last: $0.int(3),
                attempt: $0.int(4), cause: Self.cause($0, from: 5), at: $0.instant(8))
        }
    }

    package func use(since: Instant) throws(StorageError) -> [UseRecord] {
        // What a rerun keeps of an earlier run was leased before it was submitted, and is that run's use.
        try rows(
            """
            SELECT owner_role, owner, team, attempts.ended_at / 3600000000000 AS hour,
                sum(cpus * max(0, attempts.ended_at - leased_at) / 1000000000.0),
                sum(CASE WHEN devices = '' THEN 0 ELSE length(devices) - length(replace(devices, ',', '')) + 1 END
                    * max(0, attempts.ended_at - leased_at) / 1000000000.0)
            FROM runs CROSS JOIN attempts ON attempts.run = runs.id
            WHERE (runs.ended_at IS NULL OR runs.ended_at > ?1) AND attempts.ended_at > ?1
                AND leased_at >= submitted_at
            GROUP BY owner_role, owner, team, hour
            ORDER BY hour, owner_role, owner, team
            """, [.instant(since)]
        ) {
            UseRecord(
                principal: Self.principal($0, from: 0), at: .seconds(($0.int64(3) + 1) * 3600),
                cpuSeconds: $0.double(4), gpuSeconds: $0.double(5))
        }
    }

    package func agents() throws(StorageError) -> [AgentRecord] {
        try rows(
            "SELECT name, team, capacity, software, last_seen_at, draining, drain_reason FROM agents ORDER BY name",
            []
        ) {
            AgentRecord(
                name: $0.text(0), team: $0.optionalText(1), capacity: $0.blob(2), software: $0.text(3),
                lastSeenAt: $0.instant(4), draining: $0.int(5) != 0, drainReason: $0.text(6))
        }
    }

    package func certificates() throws(StorageError) -> [CertificateRecord] {
        try rows(
            """
            SELECT serial, role, name, team, fingerprint, issued_at, expires_at, revoked_at, revocation_reason
            FROM certificates
            ORDER BY issued_at, serial
            """, []
        ) {
            CertificateRecord(
                serial: $0.text(0), principal: Self.principal($0, from: 1),
                fingerprint: $0.optionalDigest(4) ?? Self.noDigest, issuedAt: $0.instant(5), expiresAt: $0.instant(6),
                revokedAt: $0.optionalInstant(7), revocationReason: $0.text(8))
        }
    }

    package func token(hash: Digest) throws(StorageError) -> TokenRecord? {
        try rows(
            "SELECT role, name, team, created_by, expires_at, used_at FROM tokens WHERE hash = ?", [.digest(hash)]
        ) {
            TokenRecord(
                hash: hash, principal: Self.principal($0, from: 0), createdBy: $0.text(3), expiresAt: $0.instant(4),
                usedAt: $0.optionalInstant(5))
        }.first
    }

    package func unusedTokens() throws(StorageError) -> [TokenRecord] {
        try rows(
            "SELECT hash, role, name, team, created_by, expires_at FROM tokens WHERE used_at IS NULL ORDER BY hash", []
        ) {
            TokenRecord(
                hash: $0.optionalDigest(0) ?? Self.noDigest, principal: Self.principal($0, from: 1),
                createdBy: $0.text(4), expiresAt: $0.instant(5))
        }
    }

    package func baselines() throws(StorageError) -> [BaselineRecord] {
        try rows("SELECT alias, run, set_by, set_at FROM baselines ORDER BY alias", []) {
            BaselineRecord(
                alias: $0.text(0), run: RunID(UInt64(bitPattern: $0.int64(1))), setBy: $0.text(2),
                setAt: $0.instant(3))
        }
    }

    package func granted(_ digests: [Digest], to scope: String) throws(StorageError) -> Set<Digest> {
        try read { (database) throws(StorageError) in
            let statement = try database.prepare("SELECT 1 FROM grants WHERE scope = ? AND digest = ?")
            var found: Set<Digest> = []
            for digest in digests {
                statement.bind([.text(scope), .digest(digest)])
                if try statement.step() { found.insert(digest) }
                statement.reset()
            }
            return found
        }
    }

    package func caches(of repository: String?) throws(StorageError) -> [CacheRecord] {
        let columns = "repository, branch, key, paths, manifest, manifest_bytes, content_bytes, saved_at, used_at"
        let found = try rows(
            "SELECT \(columns) FROM caches" + (repository == nil ? "" : " WHERE repository = ?"),
            repository.map { [.text($0)] } ?? []
        ) { row in
            CacheRecord(
                name: CacheRecord.Name(
                    repository: row.text(0), branch: row.text(1), key: row.text(2),
                    paths: row.optionalDigest(3) ?? Self.noDigest),
                manifest: row.optionalDigest(4) ?? Self.noDigest, manifestBytes: Int(row.int64(5)),
                contentBytes: Int(row.int64(6)), savedAt: row.instant(7), usedAt: row.instant(8))
        }
        return found.sorted(by: CacheRecord.isBefore)
    }

    package func audit(most: Int) throws(StorageError) -> [AuditRecord] {
        try rows(
            """
            SELECT at, who, action, subject FROM audit WHERE id <= ? ORDER BY id DESC LIMIT ?
            """, [.integer(.max), .int(most)]
        ) {
            AuditRecord(at: $0.instant(0), who: $0.text(1), action: $0.text(2), subject: $0.text(3))
        }
    }

    package func starts(from: Instant, to: Instant, most: Int) throws(StorageError) -> [Instant] {
        try rows(
            """
            SELECT at FROM audit WHERE action = 'start' AND at >= ? AND at <= ? ORDER BY at LIMIT ?
            """, [.instant(from), .instant(to), .int(most)]
        ) { $0.instant(0) }
    }

    package func delivery(key: String) throws(StorageError) -> DeliveryRecord? {
        try rows("\(Self.selectDelivery) WHERE key = ?", [.text(key)], Self.delivery).first
    }

    package func openDeliveries(after key: String?, most: Int) throws(StorageError) -> [DeliveryRecord] {
        try rows(
            "\(Self.selectDelivery) WHERE ended_at IS NULL AND key > ? ORDER BY key LIMIT ?",
            [.text(key ?? ""), .int(most)], Self.delivery)
    }

    package func deliveries(of run: RunID) throws(StorageError) -> [DeliveryRecord] {
        try rows("\(Self.selectDelivery) WHERE run = ? ORDER BY key", [.run(run)], Self.delivery)
    }

    private static let selectDelivery = """
        SELECT key, kind, run, body, intended_at, tries, due_at, reason, ended_at, receipt
        FROM deliveries
        """

    private static func delivery(_ row: borrowing Statement) -> DeliveryRecord {
        let ending = row.optionalInstant(8).map {
            DeliveryRecord.Ending(at: $0, receipt: row.optionalText(9), reason: row.text(7))
        }
        return DeliveryRecord(
            key: row.text(0), kind: row.text(1),
            run: row.isNull(2) ? nil : RunID(UInt64(bitPattern: row.int64(2))), body: row.blob(3),
            intendedAt: row.instant(4), dueAt: row.instant(6), tries: row.int(5),
            reason: ending == nil ? row.text(7) : "", ending: ending)
    }

    private func rows<Row: Sendable>(
        _ sql: String, _ parameters: [Parameter], _ row: (borrowing Statement) -> Row
    ) throws(StorageError) -> [Row] {
        try read { (database) throws(StorageError) in
            let statement = try database.prepare(sql)
            statement.bind(parameters)
            var rows: [Row] = []
            while try statement.step() { rows.append(row(statement)) }
            return rows
        }
    }

    private static let noDigest: Digest = {
        guard let digest = Digest([UInt8](repeating: 0, count: Digest.byteCount)) else {
            preconditionFailure("32 bytes make a digest")
        }
        return digest
    }()

    private static let selectRun = """
        SELECT id, key, owner_role, owner, team, name, file, submitted_at, tree, commit_id, request, plan,
            cancelled_by, cancel_reason, cancelled_at, ended_at, verdict, exit_code, judgement, bulk_dropped_at,
            cancel_forced
        FROM runs
        """

    private static func storedRun(_ row: borrowing Statement) -> StoredRun {
        let id = RunID(UInt64(bitPattern: row.int64(0)))
        let run = RunRecord(
            id: id, key: row.text(1), owner: principal(row, from: 2), name: row.text(5), file: row.text(6),
            submittedAt: row.instant(7), tree: row.optionalDigest(8), commit: row.text(9), request: row.blob(10),
            plan: row.blob(11))
        let cancellation = row.optionalInstant(14).map {
            StoredRun.Cancellation(by: row.text(12), reason: row.text(13), at: $0, isForced: row.int(20) != 0)
        }
        let ending = row.optionalInstant(15).map {
            // An unknown word can only come from a damaged row: the worst verdict then.
            RunEnding(
                run: id, at: $0, verdict: Verdict(rawValue: row.text(16)) ?? .fail, exitCode: row.int(17),
                judgement: row.blob(18))
        }
        return StoredRun(
            run: run, cancellation: cancellation, ending: ending, bulkDroppedAt: row.optionalInstant(19))
    }

    private static let selectAttempt = """
        SELECT run, job, cell, shard, attempt, agent, devices, cpus, memory, leased_at, leased_until,
            started_at, ended_at, cause, code, evidence, retry_at, why, report, beside, beside_why
        FROM attempts
        """

    private static func storedAttempt(_ row: borrowing Statement) -> StoredAttempt {
        let id = AttemptID(
            shard: ShardID(
                run: RunID(UInt64(bitPattern: row.int64(0))), job: row.int(1), cell: row.int(2), shard: row.int(3)),
            number: row.int(4))
        let lease = LeaseRecord(
            attempt: id, agent: AgentID(row.text(5)), devices: row.text(6).split(separator: ",").map(String.init),
            cpus: row.int(7), memory: ByteCount(row.int64(8)), at: row.instant(9), until: row.instant(10),
            beside: row.int(19), besideWhy: row.text(20))
        let ending = row.optionalInstant(12).map {
            AttemptEnding(
                attempt: id, at: $0, cause: cause(row, from: 13), retryAt: row.optionalInstant(16), why: row.text(17),
                report: row.blob(18))
        }
        return StoredAttempt(lease: lease, startedAt: row.optionalInstant(11), ending: ending)
    }

    /// Reads `cause, code, evidence`. An unknown word can only come from a damaged row: a fault of the farm then.
    private static func cause(_ row: borrowing Statement, from column: CInt) -> Cause {
        Cause(
            Cause.Kind(rawValue: row.text(column)) ?? .agentFault, code: row.optionalInt(column + 1),
            evidence: row.text(column + 2))
    }

    /// Reads `role, name, team`. An unknown role can only come from a damaged row: the one with the least rights then.
    private static func principal(_ row: borrowing Statement, from column: CInt) -> Principal {
        Principal(
            role: Principal.Role(rawValue: row.text(column)) ?? .agent, name: row.text(column + 1),
            team: row.optionalText(column + 2))
    }
}
