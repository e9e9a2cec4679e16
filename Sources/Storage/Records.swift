package import Model

/// A run that later ones may be compared with, by what it measured.
package struct MeasuredRun: Equatable, Sendable {
    package var id: RunID
    package var commit: String
    package var tree: Digest?
    package var verdict: Verdict

    package init(id: RunID, commit: String, tree: Digest?, verdict: Verdict) {
        self.id = id
        self.commit = commit
        self.tree = tree
        self.verdict = verdict
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
    /// That others have taken its place; `nil`: they have not.
    package var stopped: Stop?

    package struct Stop: Equatable, Sendable {
        /// The concurrency group, in lower case.
        package var group: String
        package var reason: String

        package init(group: String, reason: String) {
            self.group = group
            self.reason = reason
        }
    }

    package init(
        cell: CellID, shards: Int?, items: Int?, listing: Digest?, ending: String? = nil, stopped: Stop? = nil
    ) {
        self.stopped = stopped
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
    /// Of a second attempt: the number of the one that it was begun beside, and why; 0 and empty for all others.
    package var beside: Int
    package var besideWhy: String
    /// The attempt of the same agent that this one waited for: it held nothing until then.
    package var behind: AttemptID?

    package init(
        attempt: AttemptID, agent: AgentID, devices: [String], cpus: Int, memory: ByteCount, at: Instant,
        until: Instant, beside: Int = 0, besideWhy: String = "", behind: AttemptID? = nil
    ) {
        self.behind = behind
        self.beside = beside
        self.besideWhy = besideWhy
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

/// The longest passing attempt at a shard of a cell.
package struct CellTiming: Equatable, Sendable {
    package var cell: CellID
    /// From its start to its end.
    package var longest: Duration
    /// What its agent reported.
    package var report: [UInt8]

    package init(cell: CellID, longest: Duration, report: [UInt8]) {
        self.cell = cell
        self.longest = longest
        self.report = report
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
