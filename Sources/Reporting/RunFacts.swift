package import Model

/// What is known about a run besides its results: who asked for it, and what happened to each attempt.
package struct RunFacts: Equatable, Sendable {
    package var run: RunID?
    package var workflow: String
    /// What this run is about; empty where nobody said.
    package var title = ""
    /// Whether somebody cancelled it, or a newer run took its place.
    package var isCancelled = false
    /// The workflow file's path as the submitter gave it.
    package var file: String
    package var event: String
    package var actor: String
    package var submittedAt: Instant?
    /// `nil` while the run goes on.
    package var endedAt: Instant?
    package var attempts: [AttemptFact]
    package var artifacts: [ArtifactFact]
    package var warnings: [Diagnostic]
    /// What a reader should know and no verdict depends on: a report that could not be delivered, a cache never reused.
    package var notes: [String]
    /// Earlier runs of the same workflow, oldest first.
    package var history: [PastRun] = []
    package var summaries: [SummaryFact]
    /// How environments differ from those of the runs that gates compared with.
    package var environmentChanges: [EnvironmentChange] = []
    /// What things cost; `nil` where nobody told.
    package var rates: Rates?

    package init(
        run: RunID? = nil, workflow: String, file: String = "", event: String = "", actor: String = "",
        submittedAt: Instant? = nil, endedAt: Instant? = nil, attempts: [AttemptFact] = [],
        artifacts: [ArtifactFact] = [], warnings: [Diagnostic] = [], notes: [String] = [], summaries: [SummaryFact] = []
    ) {
        self.run = run
        self.workflow = workflow
        self.file = file
        self.event = event
        self.actor = actor
        self.submittedAt = submittedAt
        self.endedAt = endedAt
        self.attempts = attempts
        self.artifacts = artifacts
        self.warnings = warnings
        self.notes = notes
        self.summaries = summaries
    }
}

/// One attempt, as the farm recorded it. Everything that was not measured is `nil`, never zero.
package struct AttemptFact: Equatable, Sendable {
    package var job: String
    package var cell: String
    /// From 0; `ShardID.listing` for the listing of the cell's items.
    package var shard: Int
    /// From 1.
    package var number: Int
    package var agent: String
    /// `nil` while it runs.
    package var cause: Cause?
    package var startedAt: Instant?
    package var endedAt: Instant?
    /// Of user and system together.
    package var cpu: Duration?
    /// How long the environment took to build; `nil` or zero when it was there already.
    package var setup: Duration?
    /// How long its steps took, and how long sending what they left.
    package var running: Duration?
    package var uploading: Duration?
    package var peakMemory: ByteCount?
    package var gpus: Int
    /// The model of each of them, as far as it is known.
    package var gpuModels: [String] = []
    package var environmentLock: Digest?
    /// The number of the attempt that it was begun beside, as a second one; `nil` for others.
    package var beside: Int?
    /// The end of its log, masked, oldest line first.
    package var logTail: [String]
    /// What came after it, when that is worth telling: `not tried again: …`.
    package var note: String?

    package init(
        job: String, cell: String, shard: Int, number: Int, agent: String, cause: Cause? = nil,
        startedAt: Instant? = nil, endedAt: Instant? = nil, cpu: Duration? = nil, setup: Duration? = nil,
        peakMemory: ByteCount? = nil, gpus: Int = 0, environmentLock: Digest? = nil, logTail: [String] = [],
        note: String? = nil
    ) {
        self.job = job
        self.cell = cell
        self.shard = shard
        self.number = number
        self.agent = agent
        self.cause = cause
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.cpu = cpu
        self.setup = setup
        self.peakMemory = peakMemory
        self.gpus = gpus
        self.environmentLock = environmentLock
        self.logTail = logTail
        self.note = note
    }

    /// From start to end; `nil` when either is not known.
    package var duration: Duration? {
        guard let startedAt, let endedAt, endedAt >= startedAt else { return nil }
        return startedAt.duration(to: endedAt)
    }
}

package struct ArtifactFact: Equatable, Sendable {
    package var name: String
    package var job: String
    package var cell: String
    package var shard: Int
    package var size: ByteCount
    package var digest: Digest

    package init(name: String, job: String, cell: String, shard: Int, size: ByteCount, digest: Digest) {
        self.name = name
        self.job = job
        self.cell = cell
        self.shard = shard
        self.size = size
        self.digest = digest
    }
}

/// What a shard's steps wrote to GITHUB_STEP_SUMMARY: Markdown of somebody's own.
package struct SummaryFact: Equatable, Sendable {
    /// The cell's name.
    package var cell: String
    package var shard: Int
    package var text: String

    package init(cell: String, shard: Int, text: String) {
        self.cell = cell
        self.shard = shard
        self.text = text
    }

    /// `eval (3.11), shard 2`
    var title: String { "\(cell), \(RunReport.name(ofShard: shard))" }

    /// At most `most` lines without what moves a cursor; the last says what was left out.
    func lines(most: Int) -> [String] {
        let all = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let shown = all.prefix(most).map { PlainText.line($0, most: 2000) }
        return all.count > most ? shown + ["… and \(all.count - most) more lines"] : shown
    }
}

extension AttemptFact {
    /// That it went to the agent of the attempt before, in words; `nil` when it went to another.
    func sameAgent(as before: AttemptFact) -> String? {
        guard let cause = before.cause, !agent.isEmpty, agent == before.agent else { return nil }
        return cause.sameAgentAgain
    }
}
