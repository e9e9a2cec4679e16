-- A store as the schema of version 1 left it: one run that ended, one that goes on. Read by the tests of migration.
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

PRAGMA application_id = 1397245249;
PRAGMA user_version = 1;
INSERT INTO runs VALUES (1, 'key-1', 'user', 'alice', 'vision', 'nightly', 'eval.yml', 1700000000000000000,
    x'0101010101010101010101010101010101010101010101010101010101010101', 'c0ffee', x'010203', x'', NULL, NULL, NULL,
    1700000900000000000, 'pass', 0, x'7b7d');
INSERT INTO runs VALUES (2, 'key-2', 'user', 'bob', NULL, 'nightly', 'eval.yml', 1700001000000000000,
    NULL, '', x'010203', x'', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO jobs VALUES (1, 0, 'cells', '', x'07', 'success');
INSERT INTO jobs VALUES (2, 0, 'not_applicable', 'its if was false', x'', NULL);
INSERT INTO cells VALUES (1, 0, 0, 1, NULL, NULL, 'passed');
INSERT INTO attempts VALUES (1, 0, 0, 0, 1, 'gpu-1', 'GPU-1,GPU-2', 2, 1073741824, 1700000001000000000,
    1700000031000000000, 1700000002000000000, 1700000800000000000, 'passed', NULL, '', NULL, 'it passed', x'0405');
INSERT INTO settlements VALUES (1, 0, 0, 0, 0, 1, 'passed', NULL, '', 1700000800000000000);
INSERT INTO agents VALUES ('gpu-1', NULL, x'', 'sheaf 0.1', 1700000900000000000, 0, '');
INSERT INTO baselines VALUES ('champion', 1, 'alice', 1700000950000000000);
INSERT INTO grants VALUES ('user:alice', x'0101010101010101010101010101010101010101010101010101010101010101');
INSERT INTO audit VALUES (1, 1700000000000000000, 'user alice', 'submit', 'run r1');
