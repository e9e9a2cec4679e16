package import Model

extension Farm {
    /// A decision as it was stored. Loaded in the order in which they were made, they give the farm back.
    package enum Decision: Equatable, Sendable {
        case runSubmitted(RunID, owner: Principal, plan: Plan, at: Instant)
        case runCancelled(RunID, by: String, reason: String)
        case jobResolved(RunID, job: Int, Resolution, at: Instant)
        case cellSharded(CellID, shards: Int, items: Int?)
        case leased(Lease, startedAt: Instant?)
        case attemptEnded(AttemptID, Cause, retryAt: Instant?)
        case settled(CellID, shards: ClosedRange<Int>, attempt: Int, Cause)
        case cellEnded(CellID, CellEnding)
        case jobEnded(RunID, job: Int, JobEnding)
        /// The agent takes no new attempts, also when it joins again.
        case agentDraining(AgentID)
    }
}
