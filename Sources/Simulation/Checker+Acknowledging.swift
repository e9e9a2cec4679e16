import Model
import Scheduling

/// What an agent was told is stored, is stored, and stays: the agent keeps nothing of it.
extension Checker {
    /// An agent hears that the report of its attempt is stored.
    mutating func seeAcknowledged(
        _ attempt: AttemptID, _ reported: Cause, by agent: AgentID, at time: Instant
    ) throws(Violation) {
        if let lease = lease(of: attempt), lease.agent == agent {
            throw Violation(
                rule: .acknowledged, detail: "\(attempt) on \(agent): \(reported.label) is not stored", at: time)
        }
        // Without an end the farm had taken the offer back, and with another's the attempt was given away: no result of it counts.
        guard let end = ends[attempt], end.agent == agent else { return }
        let kinds: [Cause.Kind] =
            [reported.kind, .lostAgent, .agentFault] + (attempt.shard.isListing ? [.userError] : [])
            // The other of two attempts counted before it came.
            + (shards[attempt.shard].map { $0.twins > 0 } ?? false ? [.notNeeded] : [])
            // Its agent was told to end it; what for, only the farm knows.
            + (reported.kind == .cancelled ? [.notNeeded] : [])
        guard kinds.contains(end.cause.kind) else {
            throw Violation(
                rule: .acknowledged,
                detail: "\(attempt) on \(agent): \(reported.label) is stored as \(end.cause.label)", at: time)
        }
        acknowledged.insert(attempt)
    }

    /// - Parameter decisions: all that the store has.
    func checkAcknowledged(in decisions: [Farm.Decision]) throws(Violation) {
        guard !acknowledged.isEmpty else { return }
        var left = acknowledged
        for case .attemptEnded(let attempt, let cause, _) in decisions where ends[attempt]?.cause == cause {
            left.remove(attempt)
        }
        try require(left.isEmpty, .acknowledged, "not in the store: \(left.sorted())")
    }
}
