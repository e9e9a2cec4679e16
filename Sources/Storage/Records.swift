package import Model

/// One decision or fact to be stored. A batch of changes is committed whole or not at all, in order.
package enum Change: Equatable, Sendable {
    case runSubmitted(RunRecord)
    case jobResolved(JobRecord)
    case jobEnded(run: RunID, job: Int, ending: String, reason: String)
    /// A cell's number of shards became known; `listing` names the object with its items.
    case cellSharded(CellID, shards: Int, items: Int?, listing: Digest?)
    case cellEnded(CellID, ending: String)
    case attemptLeased(LeaseRecord)
    /// The agent did not take the offer: the lease never was, and its number is used again.
    case leaseWithdrawn(AttemptID)
    case attemptStarted(AttemptID, at: Instant)
    case attemptEnded(AttemptEnding)
    case shardsSettled(SettlementRecord)
    /// The first one counts, and whether any one was forced.
    case runCancelled(RunID, by: String, reason: String, isForced: Bool = false, at: Instant)
    case runEnded(RunEnding)
    /// Its artifacts, logs and code are no longer kept; what the verdict rests on is.
    case bulkDropped(RunID, at: Instant)
    /// No run gets a number below this one any more. A restored store does not know the runs that came after it was copied,
    /// and their numbers must never name others.
    case runNumbersLeftOut(below: RunID)

    case agentSeen(AgentRecord)
    case agentDraining(name: String, draining: Bool, reason: String)
    case certificateIssued(CertificateRecord)
    case certificatesRevoked(role: Principal.Role, name: String, reason: String, at: Instant)
    case tokenCreated(TokenRecord)
    case tokenUsed(hash: Digest, at: Instant)
    case baselineSet(BaselineRecord)
    /// The scope has shown that it possesses these objects, or was given them.
    case objectsGranted(scope: String, digests: [Digest])
    /// The objects were removed: nobody has them by name any longer.
    case objectsForgotten([Digest])
    case audited(AuditRecord)

    /// A tree is kept for later runs. What is kept under a name already stays.
    case cacheSaved(CacheRecord)
    case cacheUsed(CacheRecord.Name, at: Instant)
    case cachesDropped([CacheRecord.Name])

    /// Something is to happen outside of the farm: committed together with the decision that wants it.
    case deliveryIntended(DeliveryRecord)
    /// It may happen from now on: committed before it is tried.
    case deliveryTried(key: String)
    case deliveryPostponed(key: String, until: Instant, reason: String)
    /// It has happened, or is given up. The first ending counts.
    case deliveryEnded(key: String, DeliveryRecord.Ending)
}

/// A run that passed, by what it measured.
package struct PassedRun: Equatable, Sendable {
    package var id: RunID
    package var commit: String
    package var tree: Digest?

    package init(id: RunID, commit: String, tree: Digest?) {
        self.id = id
        self.commit = commit
        self.tree = tree
    }
}

/// A run by what it came to.
package struct JudgedRun: Equatable, Sendable {
    package var id: RunID
    package var owner: Principal
    package var submittedAt: Instant
    package var verdict: Verdict
    /// As `RunEnding` has it.
    package var judgement: [UInt8]
    package var tree: Digest?

    package init(
        id: RunID, owner: Principal, submittedAt: Instant, verdict: Verdict, judgement: [UInt8], tree: Digest? = nil
    ) {
        self.tree = tree
        self.id = id
        self.owner = owner
        self.submittedAt = submittedAt
        self.verdict = verdict
        self.judgement = judgement
    }
}

/// A run as it was submitted. `request` and `plan` are encoded messages of proto/sheaf.proto.
package struct RunRecord: Equatable, Sendable {
    package var id: RunID
    /// The submitter's key: the same key is the same run.
    package var key: String
    package var owner: Principal
    package var name: String
    package var file: String
    package var submittedAt: Instant
    package var tree: Digest?
    package var commit: String
    package var request: [UInt8]
    package var plan: [UInt8]

    package init(
        id: RunID, key: String, owner: Principal, name: String, file: String, submittedAt: Instant, tree: Digest?,
        commit: String, request: [UInt8], plan: [UInt8]
    ) {
        self.id = id
        self.key = key
        self.owner = owner
        self.name = name
        self.file = file
        self.submittedAt = submittedAt
        self.tree = tree
        self.commit = commit
        self.request = request
        self.plan = plan
    }
}

/// A run with what has become of it.
package struct StoredRun: Equatable, Sendable {
    package var run: RunRecord
    package var cancellation: Cancellation?
    package var ending: RunEnding?
    /// When its artifacts, logs and code were dropped; `nil` while they are kept.
    package var bulkDroppedAt: Instant?

    package struct Cancellation: Equatable, Sendable {
        package var by: String
        package var reason: String
        package var at: Instant
        /// Then or later, also what goes on in a cancelled run was ended.
        package var isForced: Bool

        package init(by: String, reason: String, at: Instant, isForced: Bool = false) {
            self.by = by
            self.reason = reason
            self.at = at
            self.isForced = isForced
        }
    }

    package init(
        run: RunRecord, cancellation: Cancellation? = nil, ending: RunEnding? = nil, bulkDroppedAt: Instant? = nil
    ) {
        self.run = run
        self.cancellation = cancellation
        self.ending = ending
        self.bulkDroppedAt = bulkDroppedAt
    }
}

package struct RunEnding: Equatable, Sendable {
    package var run: RunID
    package var at: Instant
    package var verdict: Verdict
    package var exitCode: Int
    /// The judgement in JSON, as `sheaf judge` prints it.
    package var judgement: [UInt8]

    package init(run: RunID, at: Instant, verdict: Verdict, exitCode: Int, judgement: [UInt8]) {
        self.run = run
        self.at = at
        self.verdict = verdict
        self.exitCode = exitCode
        self.judgement = judgement
    }
}

/// What became of a job once everything it needs had ended: its cells, or why it has none.
package struct JobRecord: Equatable, Sendable {
    package enum Kind: String, Sendable {
        case cells, failed
        case notApplicable = "not_applicable"
        case notReached = "not_reached"
        /// It ended before anybody asked what it comes to: its run was cancelled.
        case unresolved
    }

    package var run: RunID
    package var job: Int
    package var kind: Kind
    /// When that was decided: from then on its shards wait.
    package var at: Instant
    package var reason: String
    /// For `cells`: the `PlannedJob` message with its cells.
    package var resolution: [UInt8]
    /// Filled when the job has ended: `success`, `failure`, …
    package var ending: String?

    package init(
        run: RunID, job: Int, kind: Kind, at: Instant, reason: String = "", resolution: [UInt8] = [],
        ending: String? = nil
    ) {
        self.run = run
        self.job = job
        self.kind = kind
        self.at = at
        self.reason = reason
        self.resolution = resolution
        self.ending = ending
    }
}

package struct CellRecord: Equatable, Sendable {
    package var cell: CellID
    package var shards: Int?
    package var items: Int?
    package var listing: Digest?
    package var ending: String?

    package init(cell: CellID, shards: Int?, items: Int?, listing: Digest?, ending: String? = nil) {
        self.cell = cell
        self.shards = shards
        self.items = items
        self.listing = listing
        self.ending = ending
    }
}

package struct LeaseRecord: Equatable, Sendable {
    package var attempt: AttemptID
    package var agent: AgentID
    package var devices: [String]
    package var cpus: Int
    package var memory: ByteCount
    package var at: Instant
    package var until: Instant

    package init(
        attempt: AttemptID, agent: AgentID, devices: [String], cpus: Int, memory: ByteCount, at: Instant,
        until: Instant
    ) {
        self.attempt = attempt
        self.agent = agent
        self.devices = devices
        self.cpus = cpus
        self.memory = memory
        self.at = at
        self.until = until
    }
}

package struct AttemptEnding: Equatable, Sendable {
    package var attempt: AttemptID
    package var at: Instant
    package var cause: Cause
    /// When the shard may be tried again; `nil`: it is not.
    package var retryAt: Instant?
    /// Why it was or was not tried again.
    package var why: String
    /// The agent's `AttemptReport`; empty when there was none.
    package var report: [UInt8]

    package init(
        attempt: AttemptID, at: Instant, cause: Cause, retryAt: Instant?, why: String, report: [UInt8] = []
    ) {
        self.attempt = attempt
        self.at = at
        self.cause = cause
        self.retryAt = retryAt
        self.why = why
        self.report = report
    }
}

/// A leased attempt with what has become of it.
package struct StoredAttempt: Equatable, Sendable {
    package var lease: LeaseRecord
    package var startedAt: Instant?
    package var ending: AttemptEnding?

    package init(lease: LeaseRecord, startedAt: Instant? = nil, ending: AttemptEnding? = nil) {
        self.lease = lease
        self.startedAt = startedAt
        self.ending = ending
    }
}

/// Shards `first...last` of a cell ended with one cause.
package struct SettlementRecord: Equatable, Sendable {
    package var cell: CellID
    package var first: Int
    package var last: Int
    /// The attempt that decided; 0 when there was none.
    package var attempt: Int
    package var cause: Cause
    package var at: Instant

    package init(cell: CellID, first: Int, last: Int, attempt: Int, cause: Cause, at: Instant) {
        self.cell = cell
        self.first = first
        self.last = last
        self.attempt = attempt
        self.cause = cause
        self.at = at
    }
}

/// What one owner's attempts used that ended within one hour: from their leases to their ends.
package struct UseRecord: Equatable, Sendable {
    package var principal: Principal
    /// The end of the hour.
    package var at: Instant
    package var cpuSeconds: Double
    package var gpuSeconds: Double

    package init(principal: Principal, at: Instant, cpuSeconds: Double, gpuSeconds: Double) {
        self.principal = principal
        self.at = at
        self.cpuSeconds = cpuSeconds
        self.gpuSeconds = gpuSeconds
    }
}

package struct AgentRecord: Equatable, Sendable {
    package var name: String
    package var team: String?
    /// The `Capacity` message.
    package var capacity: [UInt8]
    package var software: String
    package var lastSeenAt: Instant
    package var draining: Bool
    package var drainReason: String

    package init(
        name: String, team: String?, capacity: [UInt8], software: String, lastSeenAt: Instant, draining: Bool = false,
        drainReason: String = ""
    ) {
        self.name = name
        self.team = team
        self.capacity = capacity
        self.software = software
        self.lastSeenAt = lastSeenAt
        self.draining = draining
        self.drainReason = drainReason
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

    package init(hash: Digest, principal: Principal, createdBy: String, expiresAt: Instant, usedAt: Instant? = nil) {
        self.hash = hash
        self.principal = principal
        self.createdBy = createdBy
        self.expiresAt = expiresAt
        self.usedAt = usedAt
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

/// A tree that `actions/cache` keeps.
package struct CacheRecord: Equatable, Sendable {
    package struct Name: Hashable, Sendable {
        package var repository: String
        /// The ref of the run that saved it: `refs/heads/main`.
        package var branch: String
        package var key: String
        /// Digest of what the step says to keep.
        package var paths: Digest

        package init(repository: String, branch: String, key: String, paths: Digest) {
            self.repository = repository
            self.branch = branch
            self.key = key
            self.paths = paths
        }
    }

    package var name: Name
    package var manifest: Digest
    package var manifestBytes: Int
    package var contentBytes: Int
    package var savedAt: Instant
    package var usedAt: Instant

    package init(
        name: Name, manifest: Digest, manifestBytes: Int, contentBytes: Int, savedAt: Instant, usedAt: Instant
    ) {
        self.name = name
        self.manifest = manifest
        self.manifestBytes = manifestBytes
        self.contentBytes = contentBytes
        self.savedAt = savedAt
        self.usedAt = usedAt
    }

    /// The newest first, then by name: the order in which stores give them.
    static func isBefore(_ a: Self, _ b: Self) -> Bool {
        guard a.savedAt == b.savedAt else { return a.savedAt > b.savedAt }
        let (left, right) = (a.name, b.name)
        return (left.key, left.branch, left.repository, left.paths)
            < (right.key, right.branch, right.repository, right.paths)
    }
}

package struct AuditRecord: Equatable, Sendable {
    /// What a coordinator does first: explanations look for it.
    package static let start = "start"

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

/// An effect outside of the farm: a comment, a check, an alias elsewhere.
package struct DeliveryRecord: Equatable, Sendable {
    package struct Ending: Equatable, Sendable {
        package var at: Instant
        /// What the other side calls it; `nil`: it was given up.
        package var receipt: String?
        /// Why it was given up.
        package var reason: String

        package init(at: Instant, receipt: String?, reason: String = "") {
            self.at = at
            self.receipt = receipt
            self.reason = reason
        }
    }

    /// Names it here and on the other side, where it can be searched for: the same key is the same effect.
    package var key: String
    /// Who performs it.
    package var kind: String
    package var run: RunID?
    package var body: [UInt8]
    package var intendedAt: Instant
    /// When it is tried next.
    package var dueAt: Instant
    /// How often it may have happened.
    package var tries: Int
    /// Why it was postponed last.
    package var reason: String
    package var ending: Ending?

    package init(
        key: String, kind: String, run: RunID?, body: [UInt8], intendedAt: Instant, dueAt: Instant? = nil,
        tries: Int = 0, reason: String = "", ending: Ending? = nil
    ) {
        self.key = key
        self.kind = kind
        self.run = run
        self.body = body
        self.intendedAt = intendedAt
        self.dueAt = dueAt ?? intendedAt
        self.tries = tries
        self.reason = reason
        self.ending = ending
    }
}
