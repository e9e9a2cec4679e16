import Model

/// The writing connection with its prepared statements.
struct Writer: ~Copyable {
    private let database: Database
    private let begin: Statement
    private let commit: Statement
    private let rollback: Statement
    private let lease: Statement
    private let start: Statement
    private let endAttempt: Statement
    private let settle: Statement
    private let grant: Statement
    private let shardCell: Statement
    private let endCell: Statement

    init(_ database: consuming Database) throws(StorageError) {
        let begin = try database.prepare("BEGIN IMMEDIATE")
        let commit = try database.prepare("COMMIT")
        let rollback = try database.prepare("ROLLBACK")
        let lease = try database.prepare(
            """
            INSERT INTO attempts
                (run, job, cell, shard, attempt, agent, devices, cpus, memory, leased_at, leased_until, beside,
                beside_why, behind)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        let start = try database.prepare(
            """
            UPDATE attempts SET started_at = ?
            WHERE run = ? AND job = ? AND cell = ? AND shard = ? AND attempt = ? AND started_at IS NULL
            """)
        let endAttempt = try database.prepare(
            """
            UPDATE attempts
            SET ended_at = ?, cause = ?, code = ?, evidence = ?, retry_at = ?, why = ?, report = ?
            WHERE run = ? AND job = ? AND cell = ? AND shard = ? AND attempt = ? AND ended_at IS NULL
            """)
        let settle = try database.prepare(
            """
            INSERT INTO settlements
                (run, job, cell, first_shard, last_shard, attempt, cause, code, evidence, settled_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        let grant = try database.prepare("INSERT OR IGNORE INTO grants (scope, digest) VALUES (?, ?)")
        let shardCell = try database.prepare(
            """
            INSERT INTO cells (run, job, cell, shards, items, listing)
            VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET shards = excluded.shards, items = excluded.items, listing = excluded.listing
            """)
        let endCell = try database.prepare(
            """
            INSERT INTO cells (run, job, cell, ending)
            VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET ending = excluded.ending
            """)
        // All are prepared: from here on nothing can throw.
        self.begin = begin
        self.commit = commit
        self.rollback = rollback
        self.lease = lease
        self.start = start
        self.endAttempt = endAttempt
        self.settle = settle
        self.grant = grant
        self.shardCell = shardCell
        self.endCell = endCell
        self.database = database
    }

    /// One transaction for all changes.
    mutating func commit(_ changes: [Change]) throws(StorageError) {
        try begin.run()
        do {
            for change in changes { try apply(change) }
            try commit.run()
        } catch {
            // The transaction's own error is the one to report; SQLite may have rolled back by itself.
            try? rollback.run()
            throw error
        }
    }

    private func apply(_ change: Change) throws(StorageError) {
        switch change {
        case .runSubmitted(let run): try insert(run)
        case .jobResolved(let job): try insert(job)
        case .jobEnded(let run, let job, let ending, let reason):
            try perform(
                """
                INSERT INTO jobs (run, job, kind, reason, resolution, ending)
                VALUES (?, ?, 'unresolved', ?, x'', ?)
                ON CONFLICT DO UPDATE SET ending = excluded.ending,
                    reason = CASE WHEN jobs.reason = '' THEN excluded.reason ELSE jobs.reason END
                """, .run(run), .int(job), .text(reason), .text(ending))
        case .cellSharded(let cell, let shards, let items, let listing):
            try shardCell.run(
                .run(cell.run), .int(cell.job), .int(cell.cell), .int(shards), .int(items), .digest(listing))
        case .cellEnded(let cell, let ending):
            try endCell.run(.run(cell.run), .int(cell.job), .int(cell.cell), .text(ending))
        case .cellsStopped(let cells, let group, let reason):
            for cell in cells {
                try perform(
                    """
                    INSERT INTO cells (run, job, cell, stop_group, stop_reason)
                    VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET
                        stop_group = coalesce(cells.stop_group, excluded.stop_group),
                        stop_reason = coalesce(cells.stop_reason, excluded.stop_reason)
                    """, .run(cell.run), .int(cell.job), .int(cell.cell), .text(group), .text(reason))
            }
        case .attemptLeased(let record):
            try insert(record)
        case .leaseWithdrawn(let id):
            try perform(
                """
                DELETE FROM attempts
                WHERE run = ? AND job = ? AND cell = ? AND shard = ? AND attempt = ? AND ended_at IS NULL
                """, .run(id.run), .int(id.shard.cell.job), .int(id.shard.cell.cell), .int(id.shard.shard),
                .int(id.number))
        case .attemptStarted(let id, let at):
            try start.run(
                .instant(at), .run(id.run), .int(id.shard.cell.job), .int(id.shard.cell.cell), .int(id.shard.shard),
                .int(id.number))
        case .attemptEnded(let ending): try update(ending)
        case .shardsSettled(let record):
            try settle.run(
                .run(record.cell.run), .int(record.cell.job), .int(record.cell.cell), .int(record.first),
                .int(record.last), .int(record.attempt), .text(record.cause.kind.rawValue), .int(record.cause.code),
                .text(record.cause.evidence), .instant(record.at))
        case .runCancelled(let run, let by, let reason, let isForced, let at):
            try perform(
                """
                UPDATE runs SET cancelled_by = ?, cancel_reason = ?, cancelled_at = ?
                WHERE id = ? AND cancelled_at IS NULL
                """, .text(by), .text(reason), .instant(at), .run(run))
            if isForced { try perform("UPDATE runs SET cancel_forced = 1 WHERE id = ?", .run(run)) }
        case .runEnded(let ending):
            try perform(
                "UPDATE runs SET ended_at = ?, verdict = ?, exit_code = ?, judgement = ? WHERE id = ?",
                .instant(ending.at), .text(ending.verdict.rawValue), .int(ending.exitCode), .blob(ending.judgement),
                .run(ending.run))
        case .bulkDropped(let run, let at):
            try perform("UPDATE runs SET bulk_dropped_at = ? WHERE id = ?", .instant(at), .run(run))
        case .runNumbersLeftOut(let next):
            try perform("INSERT INTO run_numbers (least) VALUES (?)", .run(next))
        case .objectsForgotten(let digests):
            for digest in digests { try perform("DELETE FROM grants WHERE digest = ?", .digest(digest)) }
        case .agentSeen(let agent):
            try perform(
                """
                INSERT INTO agents (name, team, capacity, software, last_seen_at)
                VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET team = excluded.team, capacity = excluded.capacity,
                    software = excluded.software, last_seen_at = excluded.last_seen_at
                """, .text(agent.name), .text(agent.team), .blob(agent.capacity), .text(agent.software),
                .instant(agent.lastSeenAt))
        case .agentDraining(let name, let draining, let reason):
            try perform(
                "UPDATE agents SET draining = ?, drain_reason = ? WHERE name = ?",
                .int(draining ? 1 : 0), .text(reason), .text(name))
        case .agentPooled(let name, let pool):
            try perform("UPDATE agents SET pool = ? WHERE name = ?", .text(pool), .text(name))
        case .poolSet(let pool):
            try perform(
                """
                INSERT INTO pools (name, allows_untrusted)
                VALUES (?, ?)
                ON CONFLICT DO UPDATE SET allows_untrusted = excluded.allows_untrusted
                """, .text(pool.name), .int(pool.allowsUntrusted ? 1 : 0))
        case .certificateIssued(let certificate): try insert(certificate)
        case .certificatesRevoked(let role, let name, let reason, let at):
            try perform(
                """
                UPDATE certificates SET revoked_at = ?, revocation_reason = ?
                WHERE role = ? AND name = ? AND revoked_at IS NULL
                """, .instant(at), .text(reason), .text(role.rawValue), .text(name))
        case .tokenCreated(let token):
            try perform(
                "INSERT INTO tokens (hash, role, name, team, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
                .digest(token.hash), .text(token.principal.role.rawValue), .text(token.principal.name),
                .text(token.principal.team), .text(token.createdBy), .instant(token.expiresAt))
        case .tokenUsed(let hash, let at, let key):
            try perform(
                "UPDATE tokens SET used_at = ?, used_key = ? WHERE hash = ?", .instant(at), .digest(key), .digest(hash))
        case .baselineSet(let baseline):
            try perform(
                """
                INSERT INTO baselines (alias, run, set_by, set_at)
                VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET run = excluded.run, set_by = excluded.set_by, set_at = excluded.set_at
                """, .text(baseline.alias), .run(baseline.run), .text(baseline.setBy), .instant(baseline.setAt))
        case .objectsGranted(let scope, let digests):
            for digest in digests { try grant.run(.text(scope), .digest(digest)) }
        case .cacheSaved(let cache):
            try perform(
                """
                INSERT INTO caches
                    (repository, branch, key, paths, manifest, manifest_bytes, content_bytes, saved_at, used_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """, .text(cache.name.repository), .text(cache.name.branch), .text(cache.name.key),
                .digest(cache.name.paths), .digest(cache.manifest), .int(cache.manifestBytes),
                .int(cache.contentBytes), .instant(cache.savedAt), .instant(cache.usedAt))
        case .cacheUsed(let name, let at):
            try perform(
                "UPDATE caches SET used_at = ? WHERE repository = ? AND branch = ? AND key = ? AND paths = ?",
                .instant(at), .text(name.repository), .text(name.branch), .text(name.key), .digest(name.paths))
        case .cachesDropped(let names):
            for name in names {
                try perform(
                    "DELETE FROM caches WHERE repository = ? AND branch = ? AND key = ? AND paths = ?",
                    .text(name.repository), .text(name.branch), .text(name.key), .digest(name.paths))
            }
        case .deliveryIntended(let delivery): try insert(delivery)
        case .deliveryTried(let key):
            try perform(
                "UPDATE deliveries SET tries = tries + 1 WHERE key = ? AND ended_at IS NULL", .text(key))
        case .deliveryPostponed(let key, let until, let reason):
            try perform(
                "UPDATE deliveries SET due_at = ?, reason = ? WHERE key = ? AND ended_at IS NULL",
                .instant(until), .text(reason), .text(key))
        case .deliveryEnded(let key, let ending):
            try perform(
                "UPDATE deliveries SET ended_at = ?, receipt = ?, reason = ? WHERE key = ? AND ended_at IS NULL",
                .instant(ending.at), .text(ending.receipt), .text(ending.reason), .text(key))
        case .audited(let record):
            try perform(
                "INSERT INTO audit (at, who, action, subject) VALUES (?, ?, ?, ?)",
                .instant(record.at), .text(record.who), .text(record.action), .text(record.subject))
        }
    }

    /// A statement that is too rare to be kept prepared.
    private func perform(_ sql: String, _ parameters: Parameter...) throws(StorageError) {
        let statement = try database.prepare(sql)
        statement.bind(parameters)
        while try statement.step() {}
    }

    private func insert(_ run: RunRecord) throws(StorageError) {
        try perform(
            """
            INSERT INTO runs
                (id, key, owner_role, owner, team, name, file, submitted_at, tree, commit_id, request, plan)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, .run(run.id), .text(run.key), .text(run.owner.role.rawValue), .text(run.owner.name),
            .text(run.owner.team), .text(run.name), .text(run.file), .instant(run.submittedAt), .digest(run.tree),
            .text(run.commit), .blob(run.request), .blob(run.plan))
    }

    private func insert(_ job: JobRecord) throws(StorageError) {
        try perform(
            "INSERT INTO jobs (run, job, kind, resolved_at, reason, resolution, ending) VALUES (?, ?, ?, ?, ?, ?, ?)",
            .run(job.run), .int(job.job), .text(job.kind.rawValue), .instant(job.at), .text(job.reason),
            .blob(job.resolution), .text(job.ending))
    }

    private func insert(_ record: LeaseRecord) throws(StorageError) {
        let id = record.attempt
        try lease.run(
            .run(id.run), .int(id.shard.cell.job), .int(id.shard.cell.cell), .int(id.shard.shard), .int(id.number),
            .text(record.agent.name), .text(record.devices.joined(separator: ",")), .int(record.cpus),
            .integer(record.memory.bytes), .instant(record.at), .instant(record.until), .int(record.beside),
            .text(record.besideWhy), .text(record.behind?.description ?? ""))
    }

    private func update(_ ending: AttemptEnding) throws(StorageError) {
        let id = ending.attempt
        try endAttempt.run(
            .instant(ending.at), .text(ending.cause.kind.rawValue), .int(ending.cause.code),
            .text(ending.cause.evidence), .instant(ending.retryAt), .text(ending.why), .blob(ending.report),
            .run(id.run), .int(id.shard.cell.job), .int(id.shard.cell.cell), .int(id.shard.shard), .int(id.number))
    }

    private func insert(_ delivery: DeliveryRecord) throws(StorageError) {
        try perform(
            "INSERT INTO deliveries (key, kind, run, body, intended_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
            .text(delivery.key), .text(delivery.kind), delivery.run.map { .run($0) } ?? .null, .blob(delivery.body),
            .instant(delivery.intendedAt), .instant(delivery.dueAt))
    }

    private func insert(_ certificate: CertificateRecord) throws(StorageError) {
        try perform(
            """
            INSERT INTO certificates (serial, role, name, team, fingerprint, issued_at, expires_at)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """, .text(certificate.serial), .text(certificate.principal.role.rawValue),
            .text(certificate.principal.name), .text(certificate.principal.team), .digest(certificate.fingerprint),
            .instant(certificate.issuedAt), .instant(certificate.expiresAt))
    }
}
