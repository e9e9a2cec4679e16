package import Model

extension Farm {
    /// An agent's right to an attempt, with what it may use.
    package struct Lease: Equatable, Sendable {
        package var attempt: AttemptID
        package var agent: AgentID
        /// The leased GPUs, by uuid.
        package var devices: [String]
        package var cpus: Int
        package var memory: ByteCount?
        /// As the shard's cell asks for it; it is not stored.
        package var disk: ByteCount?
        package var at: Instant
        package var until: Instant
        /// Of a second attempt, begun while another one goes on; `nil` for all others.
        package var beside: Beside?
        /// Of one that is offered ahead: it begins when this attempt of the same agent has ended, and takes over what it had.
        package var behind: AttemptID?

        /// Why there are two attempts at a shard.
        package struct Beside: Equatable, Sendable {
            /// The number of the one that lags.
            package var number: Int
            /// In a sentence: how long it had run, and what is usual.
            package var why: String

            package init(number: Int, why: String) {
                self.number = number
                self.why = why
            }
        }

        package init(
            attempt: AttemptID, agent: AgentID, devices: [String], cpus: Int, memory: ByteCount?,
            disk: ByteCount? = nil,
            at: Instant, until: Instant, beside: Beside? = nil, behind: AttemptID? = nil
        ) {
            self.attempt = attempt
            self.agent = agent
            self.devices = devices
            self.cpus = cpus
            self.memory = memory
            self.disk = disk
            self.at = at
            self.until = until
            self.beside = beside
            self.behind = behind
        }
    }

    package enum CellEnding: String, Sendable {
        case passed
        /// Counts as passed for its job when the cell has `continue-on-error`.
        case failed
        case cancelled
        case skipped
        case notNeeded = "not_needed"
    }

    package enum JobEnding: String, Sendable { case success, failure, cancelled, skipped }

    /// What to do, in this order. Decisions (see `Decision`) are stored before anything that follows them leaves.
    package enum Effect: Equatable, Sendable {
        /// Stored, then offered to its agent.
        case leased(Lease)
        /// The answer to `leasesRenewed`: the leases that still hold. Others get `forgetAttempt`.
        case renewed(AgentID, [AttemptID])
        case cancelAttempt(AttemptID, on: AgentID, reason: String)
        case forgetAttempt(AttemptID, on: AgentID, reason: String)
        case attemptStarted(AttemptID, at: Instant)
        /// - retryAt: when the shard is queued again; `nil` when this was its last attempt.
        /// - why: why it is or is not tried again.
        case attemptEnded(AttemptID, Cause, retryAt: Instant?, why: String)
        /// The agent gives back what was offered ahead, unless it has begun: it declines, or says that it has started.
        case offerRecalled(AttemptID, on: AgentID)
        /// The lease never was: its row is removed, and its number is used again.
        case offerWithdrawn(AttemptID)
        case cellSharded(CellID, shards: Int, items: Int?)
        /// These shards have ended for good. `attempt` 0: without one. A failed listing settles −1…−1.
        case settled(CellID, shards: ClosedRange<Int>, attempt: Int, Cause)
        case cellEnded(CellID, CellEnding)
        /// All that the cell waits for has ended, and it belongs to a concurrency group: `cellsReleased` lets it go on.
        case groupWanted(CellID)
        /// All needs have ended: the coordinator resolves condition and matrix, and answers `jobResolved`.
        case jobReady(RunID, job: Int)
        case jobEnded(RunID, job: Int, JobEnding, reason: String)
        /// The run has taken as long as it may: the coordinator cancels it, with this reason.
        case deadlineReached(RunID, reason: String)
        /// Every job has ended: gates judge.
        case runEnded(RunID)
        /// The earliest time at which something is due.
        case wake(at: Instant)
        /// More is to be done now: handle `resume` soon.
        case continueLater
    }
}
