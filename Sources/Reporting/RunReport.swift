package import Gates
package import Model

/// Everything that a report says about a run, worked out once; every renderer shows the same facts in the same words.
package struct RunReport: Equatable, Sendable {
    package var facts: RunFacts
    package var commit: String?
    package var tree: Digest?
    /// Where the results come from, beside commit and tree: branch, whether the work tree was dirty, inputs, devices.
    package var provenance: [Value.Member]
    package var judgement: Judgement
    /// In the plan's order.
    package var jobs: [JobReport]
    /// The slowest shards, by the time in which any of their attempts was worked on, longest first; at most ten.
    package var slowest: [SlowShard]
    package var cost: Cost
    package var agents: [AgentUse]
    /// Shards that needed more than one attempt, in the plan's order.
    package var retries: [Retry]
    /// What the failing cells of a job have in common; at most one per job.
    package var blames: [BlameReport]
    /// Shards that failed and then passed.
    package var flaky: [FlakyShard]
    /// What another run came to otherwise, on the same code with the same inputs.
    package var otherwise: [OtherAnswer]
    /// The names of all cells.
    let cellNames: [CellPlace: String]

    /// Whether the run has ended; before that, what is missing may still come.
    package var isOver: Bool { facts.endedAt != nil }
    /// From the submission to the end.
    package var duration: Duration? {
        guard let from = facts.submittedAt, let to = facts.endedAt, to >= from else { return nil }
        return from.duration(to: to)
    }
}

package struct JobReport: Equatable, Sendable {
    package var id: String
    package var ending: ExpectedJob.Ending
    package var reason: String
    package var cells: [CellReport]
    package var grid: Grid
    /// Which gate's values stand in the grid: the first one that is judged per cell of this job.
    package var headline: String?
}

package struct CellReport: Equatable, Sendable {
    /// What a cell's tick says. It follows from verdicts alone: of the gate `jobs`, and of required gates that read
    /// nothing but this cell.
    package enum Mark: String, CaseIterable, Sendable {
        case pass, fail, incomplete, inconclusive, waived, running, queued
        /// It did not run, and did not have to.
        case skipped
        /// It did not have to pass.
        case neutral
    }

    package var id: String
    package var name: String
    package var values: [Value.Member]
    package var mark: Mark
    /// Why the mark is not `pass`, the worst first.
    package var reasons: [String]
    /// The value that the job's headline gate compared.
    package var figure: Double?
    package var shards: [ShardReport]
    /// The time of all attempts together; `nil` when none was measured.
    package var duration: Duration?
    package var environmentLocks: [Digest]
    package var cost: Cost
}

package struct ShardReport: Equatable, Sendable {
    package var shard: Int
    package var cause: Cause?
    /// The number of the attempt that settled it; `nil` while none has.
    package var settledBy: Int?
    /// By number.
    package var attempts: [AttemptFact]

    /// The attempt that says what the shard came to, else the last one. Of two at one time it may be either.
    package var deciding: AttemptFact? { attempts.last { $0.number == settledBy } ?? attempts.last }
}

package struct SlowShard: Equatable, Sendable {
    package var job: String
    package var cell: String
    package var name: String
    package var shard: Int
    package var duration: Duration
}

package struct AgentUse: Equatable, Sendable {
    package var agent: String
    package var attempts: Int
    package var lost: Int
    package var wall: Duration
}

package struct Retry: Equatable, Sendable {
    package var name: String
    package var shard: Int
    /// `#1 lost_agent on gpu-1`, one per attempt.
    package var attempts: [String]
    package var notes: [String]
}
