package import Model

/// What is asked about who and what belongs to the farm: agents, certificates, tokens, baselines, grants, caches, the audit.
extension SQLiteStore {
    package func agents() throws(StorageError) -> [AgentRecord] {
        try rows(
            "SELECT name, team, capacity, software, last_seen_at, draining, drain_reason, pool FROM agents ORDER BY name",
            []
        ) {
            AgentRecord(
                name: $0.text(0), team: $0.optionalText(1), capacity: $0.blob(2), software: $0.text(3),
                lastSeenAt: $0.instant(4), draining: $0.int(5) != 0, drainReason: $0.text(6), pool: $0.text(7))
        }
    }

    package func pools() throws(StorageError) -> [Pool] {
        try rows("SELECT name, allows_untrusted FROM pools ORDER BY name", []) {
            Pool(name: $0.text(0), allowsUntrusted: $0.int(1) != 0)
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
            "SELECT role, name, team, created_by, expires_at, used_at, used_key FROM tokens WHERE hash = ?",
            [.digest(hash)]
        ) {
            TokenRecord(
                hash: hash, principal: Self.principal($0, from: 0), createdBy: $0.text(3), expiresAt: $0.instant(4),
                usedAt: $0.optionalInstant(5), usedKey: $0.optionalDigest(6))
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
}
