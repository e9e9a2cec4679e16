/// The tables, as a list of steps: step n brings a store of schema n to schema n + 1. Steps are only ever added.
enum Schema {
    static let applicationID: Int64 = 0x5348_4541  // "SHEA"
    static var version: Int { steps.count }

    static let steps: [String] = [
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            owner_role TEXT NOT NULL,
            owner TEXT NOT NULL,
            team TEXT,
            name TEXT NOT NULL,
            file TEXT NOT NULL,
            submitted_at INTEGER NOT NULL,
            tree BLOB,
            commit_id TEXT NOT NULL,
            request BLOB NOT NULL,
            plan BLOB NOT NULL,
            cancelled_by TEXT,
            cancel_reason TEXT,
            cancelled_at INTEGER,
            ended_at INTEGER,
            verdict TEXT,
            exit_code INTEGER,
            judgement BLOB
        ) STRICT;
        CREATE INDEX open_runs ON runs (id) WHERE ended_at IS NULL;

        CREATE TABLE jobs (
            run INTEGER NOT NULL,
            job INTEGER NOT NULL,
            kind TEXT NOT NULL,
            reason TEXT NOT NULL,
            resolution BLOB NOT NULL,
            ending TEXT,
            PRIMARY KEY (run, job)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE cells (
            run INTEGER NOT NULL,
            job INTEGER NOT NULL,
            cell INTEGER NOT NULL,
            shards INTEGER,
            items INTEGER,
            listing BLOB,
            ending TEXT,
            PRIMARY KEY (run, job, cell)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE attempts (
            run INTEGER NOT NULL,
            job INTEGER NOT NULL,
            cell INTEGER NOT NULL,
            shard INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            agent TEXT NOT NULL,
            devices TEXT NOT NULL,
            cpus INTEGER NOT NULL,
            memory INTEGER NOT NULL,
            leased_at INTEGER NOT NULL,
            leased_until INTEGER NOT NULL,
            started_at INTEGER,
            ended_at INTEGER,
            cause TEXT,
            code INTEGER,
            evidence TEXT,
            retry_at INTEGER,
            why TEXT,
            report BLOB,
            PRIMARY KEY (run, job, cell, shard, attempt)
        ) STRICT;

        CREATE TABLE settlements (
            run INTEGER NOT NULL,
            job INTEGER NOT NULL,
            cell INTEGER NOT NULL,
            first_shard INTEGER NOT NULL,
            last_shard INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            cause TEXT NOT NULL,
            code INTEGER,
            evidence TEXT NOT NULL,
            settled_at INTEGER NOT NULL,
            PRIMARY KEY (run, job, cell, first_shard)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE agents (
            name TEXT PRIMARY KEY,
            team TEXT,
            capacity BLOB NOT NULL,
            software TEXT NOT NULL,
            last_seen_at INTEGER NOT NULL,
            draining INTEGER NOT NULL DEFAULT 0,
            drain_reason TEXT NOT NULL DEFAULT ''
        ) STRICT;

        CREATE TABLE certificates (
            serial TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            team TEXT,
            fingerprint BLOB NOT NULL,
            issued_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            revoked_at INTEGER,
            revocation_reason TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE INDEX certificates_by_name ON certificates (role, name);

        CREATE TABLE tokens (
            hash BLOB PRIMARY KEY,
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            team TEXT,
            created_by TEXT NOT NULL,
            expires_at INTEGER NOT NULL,
            used_at INTEGER
        ) STRICT;

        CREATE TABLE baselines (
            alias TEXT PRIMARY KEY,
            run INTEGER NOT NULL,
            set_by TEXT NOT NULL,
            set_at INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE grants (
            scope TEXT NOT NULL,
            digest BLOB NOT NULL,
            PRIMARY KEY (scope, digest)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE audit (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL
        ) STRICT;
        """,
        // A job of an older store counts as resolved when its run was submitted.
        """
        ALTER TABLE jobs ADD COLUMN resolved_at INTEGER NOT NULL DEFAULT 0;
        UPDATE jobs SET resolved_at = (SELECT submitted_at FROM runs WHERE runs.id = jobs.run);
        """,
        """
        ALTER TABLE runs ADD COLUMN bulk_dropped_at INTEGER;
        CREATE INDEX runs_with_bulk ON runs (ended_at) WHERE bulk_dropped_at IS NULL AND ended_at IS NOT NULL;
        CREATE INDEX grants_by_digest ON grants (digest);
        -- Numbers below it are not given to runs again, although no run may have them: a restored store lacks some.
        CREATE TABLE run_numbers (least INTEGER NOT NULL) STRICT;
        """,
        // Baselines are looked for by commit. The outbox: what is to happen outside of the farm. `ended_at` NULL: it has not happened yet, or nobody knows.
        """
        CREATE TABLE deliveries (
            key TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            run INTEGER,
            body BLOB NOT NULL,
            intended_at INTEGER NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            due_at INTEGER NOT NULL,
            reason TEXT NOT NULL DEFAULT '',
            ended_at INTEGER,
            receipt TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX open_deliveries ON deliveries (key) WHERE ended_at IS NULL;
        CREATE INDEX deliveries_by_run ON deliveries (run, key);
        CREATE INDEX runs_by_commit ON runs (commit_id, name, id);
        CREATE INDEX runs_by_end ON runs (ended_at);
        CREATE INDEX runs_by_name ON runs (name, id);
        """,
        // Explanations ask when coordinators started. A cancelled run that jobs outlive may be ended by force.
        """
        CREATE INDEX starts ON audit (at) WHERE action = 'start';
        ALTER TABLE runs ADD COLUMN cancel_forced INTEGER NOT NULL DEFAULT 0;
        """,
        // What actions/cache keeps.
        """
        CREATE TABLE caches (
            repository TEXT NOT NULL,
            branch TEXT NOT NULL,
            key TEXT NOT NULL,
            paths BLOB NOT NULL,
            manifest BLOB NOT NULL,
            manifest_bytes INTEGER NOT NULL,
            content_bytes INTEGER NOT NULL,
            saved_at INTEGER NOT NULL,
            used_at INTEGER NOT NULL,
            PRIMARY KEY (repository, branch, key, paths)
        ) STRICT, WITHOUT ROWID;
        """,
        // Second attempts beside those that lag: the number of that one, and why. 0 for all others.
        """
        ALTER TABLE attempts ADD COLUMN beside INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE attempts ADD COLUMN beside_why TEXT NOT NULL DEFAULT '';
        """,
        // People see the newest of the runs that they may read, however many others there are.
        """
        CREATE INDEX runs_by_owner ON runs (owner, id);
        CREATE INDEX runs_by_team ON runs (team, id);
        """,
        // A cell whose place in a concurrency group others have taken: in which, and why. NULL for all others.
        // Whose code agents take. Those of an older store are where an agent is that nobody has put elsewhere.
        // What is flaky is told by runs of the same code.
        // The key that a token was used for: its holder may ask once more for an answer that was lost.
        // Which attempt one was offered behind; empty for most.
        """
        ALTER TABLE attempts ADD COLUMN behind TEXT NOT NULL DEFAULT '';
        ALTER TABLE cells ADD COLUMN stop_reason TEXT;
        ALTER TABLE cells ADD COLUMN stop_group TEXT;
        CREATE TABLE pools (
            name TEXT PRIMARY KEY,
            allows_untrusted INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE agents ADD COLUMN pool TEXT NOT NULL DEFAULT 'default';
        ALTER TABLE tokens ADD COLUMN used_key BLOB;
        CREATE INDEX runs_by_tree ON runs (tree, name, id);
        """,
    ]

    /// The store's schema; refuses one that is newer or not ours.
    @discardableResult
    static func check(_ database: borrowing Database) throws(StorageError) -> Int {
        let found = Int(try database.number("PRAGMA user_version") ?? 0)
        let application = try database.number("PRAGMA application_id") ?? 0
        guard found <= version else { throw .newer(path: database.path, version: found, known: version) }
        guard application == applicationID || found == 0 && application == 0 else {
            throw .damaged(path: database.path, reason: "it is a database of another program")
        }
        return found
    }

    /// Brings the store to this binary's schema, in one transaction.
    static func migrate(_ database: borrowing Database) throws(StorageError) {
        let found = try check(database)
        guard found < version else { return }
        try database.execute("BEGIN IMMEDIATE")
        do {
            for step in steps[found...] { try database.execute(step) }
            try database.execute("PRAGMA application_id = \(applicationID)")
            try database.execute("PRAGMA user_version = \(version)")
            try database.execute("COMMIT")
        } catch {
            // The transaction's own error is the one to report; a failing rollback adds nothing.
            try? database.execute("ROLLBACK")
            throw error
        }
    }
}
