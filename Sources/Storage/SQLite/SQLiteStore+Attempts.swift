package import Model

/// What is asked about one run: what was decided of its jobs, cells, attempts and shards; and what attempts used.
extension SQLiteStore {
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
            """
            SELECT job, cell, shards, items, listing, ending, stop_group, stop_reason FROM cells
            WHERE run = ?
            ORDER BY job, cell
            """, [.run(run)]
        ) {
            CellRecord(
                cell: CellID(run: run, job: $0.int(0), cell: $0.int(1)), shards: $0.optionalInt(2),
                items: $0.optionalInt(3), listing: $0.optionalDigest(4), ending: $0.optionalText(5),
                stopped: $0.optionalText(7).map { [group = $0.optionalText(6)] in
                    CellRecord.Stop(group: group ?? "", reason: $0)
                })
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
                sum(cpus * max(0, attempts.ended_at - held_at) / 1000000000.0),
                sum(CASE WHEN devices = '' THEN 0 ELSE length(devices) - length(replace(devices, ',', '')) + 1 END
                    * max(0, attempts.ended_at - held_at) / 1000000000.0)
            FROM runs CROSS JOIN (
                SELECT *, CASE WHEN behind = '' THEN leased_at ELSE coalesce(started_at, ended_at) END AS held_at
                FROM attempts
            ) AS attempts ON attempts.run = runs.id
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

    private static let selectAttempt = """
        SELECT run, job, cell, shard, attempt, agent, devices, cpus, memory, leased_at, leased_until,
            started_at, ended_at, cause, code, evidence, retry_at, why, report, beside, beside_why, behind
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
            beside: row.int(19), besideWhy: row.text(20), behind: AttemptID(row.text(21)))
        let ending = row.optionalInstant(12).map {
            AttemptEnding(
                attempt: id, at: $0, cause: cause(row, from: 13), retryAt: row.optionalInstant(16), why: row.text(17),
                report: row.blob(18))
        }
        return StoredAttempt(lease: lease, startedAt: row.optionalInstant(11), ending: ending)
    }
}
