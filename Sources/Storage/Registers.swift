package import Model

package struct AgentRecord: Equatable, Sendable {
    package var name: String
    package var team: String?
    /// The `Capacity` message.
    package var capacity: [UInt8]
    package var software: String
    package var lastSeenAt: Instant
    package var draining: Bool
    package var drainReason: String
    /// The name of its pool.
    package var pool: String

    package init(
        name: String, team: String?, capacity: [UInt8], software: String, lastSeenAt: Instant, draining: Bool = false,
        drainReason: String = "", pool: String = Pool.standard.name
    ) {
        self.name = name
        self.team = team
        self.capacity = capacity
        self.software = software
        self.lastSeenAt = lastSeenAt
        self.draining = draining
        self.drainReason = drainReason
        self.pool = pool
    }
}

package struct CertificateRecord: Equatable, Sendable {
    /// Lower-case hexadecimal.
    package var serial: String
    package var principal: Principal
    package var fingerprint: Digest
    package var issuedAt: Instant
    package var expiresAt: Instant
    package var revokedAt: Instant?
    package var revocationReason: String

    package init(
        serial: String, principal: Principal, fingerprint: Digest, issuedAt: Instant, expiresAt: Instant,
        revokedAt: Instant? = nil, revocationReason: String = ""
    ) {
        self.serial = serial
        self.principal = principal
        self.fingerprint = fingerprint
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.revocationReason = revocationReason
    }
}

/// An enrolment token; the store knows its hash alone.
package struct TokenRecord: Equatable, Sendable {
    package var hash: Digest
    package var principal: Principal
    package var createdBy: String
    package var expiresAt: Instant
    package var usedAt: Instant?
    /// The SHA-256 of the public key that it was used for.
    package var usedKey: Digest?

    package init(
        hash: Digest, principal: Principal, createdBy: String, expiresAt: Instant, usedAt: Instant? = nil,
        usedKey: Digest? = nil
    ) {
        self.hash = hash
        self.principal = principal
        self.createdBy = createdBy
        self.expiresAt = expiresAt
        self.usedAt = usedAt
        self.usedKey = usedKey
    }
}

package struct BaselineRecord: Equatable, Sendable {
    package var alias: String
    package var run: RunID
    package var setBy: String
    package var setAt: Instant

    package init(alias: String, run: RunID, setBy: String, setAt: Instant) {
        self.alias = alias
        self.run = run
        self.setBy = setBy
        self.setAt = setAt
    }
}

package struct AuditRecord: Equatable, Sendable {
    /// What a coordinator does first: explanations look for it.
    package static let start = "start"
    /// An object of the store was found damaged, and moved aside.
    package static let damage = "move aside"

    package var at: Instant
    /// `user alice (team vision)`, `agent gpu-3`, `coordinator`.
    package var who: String
    package var action: String
    package var subject: String

    package init(at: Instant, who: String, action: String, subject: String) {
        self.at = at
        self.who = who
        self.action = action
        self.subject = subject
    }
}
