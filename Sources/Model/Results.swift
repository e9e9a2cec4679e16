/// What gates read and `sheaf export` writes: the plan, where the results come from, and one record per settled shard.
package struct Results: Equatable, Sendable {
    package var header: ResultsHeader
    /// In the order of job, cell and shard.
    package var shards: [SettledShard]

    package init(header: ResultsHeader, shards: [SettledShard]) {
        self.header = header
        self.shards = shards
    }
}

package struct ResultsHeader: Equatable, Sendable {
    package var run: RunID?
    /// The cells that had to report, which is what makes a missing one visible.
    package var jobs: [ExpectedJob]
    package var commit: String?
    /// The digest of the code tree; the same tree is no baseline for itself.
    package var tree: Digest?
    package var provenance: [Value.Member]
    /// What the baselines of the gates came to; empty before the run was judged.
    package var baselines: [BaselineNote] = []
    /// What the conditions of gates came to, by their text (`when`): the outputs of jobs that they read are known to the run alone.
    package var conditions: [Condition] = []

    package struct Condition: Equatable, Sendable {
        package var text: String
        package var holds: Bool

        package init(_ text: String, holds: Bool) {
            self.text = text
            self.holds = holds
        }
    }

    package init(
        run: RunID? = nil, jobs: [ExpectedJob], commit: String? = nil, tree: Digest? = nil,
        provenance: [Value.Member] = []
    ) {
        self.run = run
        self.jobs = jobs
        self.commit = commit
        self.tree = tree
        self.provenance = provenance
    }
}

package struct ExpectedJob: Equatable, Sendable {
    /// Why a job as a whole has no results.
    package enum Ending: String, Sendable {
        case ran
        /// Its own `if` was false.
        case notApplicable = "not_applicable"
        /// Something it needs failed.
        case notReached = "not_reached"
        /// Its condition or its matrix could not be evaluated: it has no cells, and that is a failure.
        case failed
    }

    package var id: String
    package var ending: Ending
    /// What made the ending, in a sentence; empty for `ran`.
    package var reason: String
    /// How the reason of one begins that was not reached for another job, and not for a gate.
    package static let needsWords = "it needs "
    package var cells: [ExpectedCell]
    /// Whether the workflow says that it writes metrics; `nil` in results of a version that did not tell. Gates that name no job
    /// read the one that does, whatever came of it.
    package var writesMetrics: Bool?

    package init(
        id: String, ending: Ending = .ran, reason: String = "", cells: [ExpectedCell], writesMetrics: Bool? = nil
    ) {
        self.id = id
        self.ending = ending
        self.reason = reason
        self.cells = cells
        self.writesMetrics = writesMetrics
    }
}

package struct ExpectedCell: Equatable, Sendable {
    package var id: String
    package var name: String
    package var values: [Value.Member]
    /// `nil` when the listing that would have told never succeeded.
    package var shards: Int?
    /// How many items the cell was to measure; `nil` when items were not declared.
    package var items: Int?
    package var required: Bool
    package var continueOnError: Bool
    package var skipped: String?

    package init(
        id: String, name: String, values: [Value.Member] = [], shards: Int? = 1, items: Int? = nil,
        required: Bool = true, continueOnError: Bool = false, skipped: String? = nil
    ) {
        self.id = id
        self.name = name
        self.values = values
        self.shards = shards
        self.items = items
        self.required = required
        self.continueOnError = continueOnError
        self.skipped = skipped
    }
}

/// What a shard came to: the record of its last attempt.
package struct SettledShard: Equatable, Sendable {
    package var job: String
    package var cell: String
    package var values: [Value.Member]
    /// From 0; `ShardID.listing` for a listing that never succeeded.
    package var shard: Int
    package var shardCount: Int
    /// From 1; 0 when the shard ended without one.
    package var attempt: Int
    package var cause: Cause
    package var metrics: [NamedMetric]
    package var items: ItemTable
    /// The ids of the items that the shard was given, when they were declared.
    package var assigned: TextColumn?
    /// What it was to write and did not, in sentences: `the metrics file 'out.json' was not written`.
    package var absent: [String]
    /// Tests that failed and passed within it, by name; no more than `flakyMax` of them.
    package var flaky: [String] = []
    package static let flakyMax = 100

    package init(
        job: String, cell: String, values: [Value.Member] = [], shard: Int, shardCount: Int, attempt: Int,
        cause: Cause, metrics: [NamedMetric] = [], items: ItemTable = ItemTable(), assigned: TextColumn? = nil,
        absent: [String] = []
    ) {
        self.job = job
        self.cell = cell
        self.values = values
        self.shard = shard
        self.shardCount = shardCount
        self.attempt = attempt
        self.cause = cause
        self.metrics = metrics
        self.items = items
        self.assigned = assigned
        self.absent = absent
    }
    package init(
        job: String, cell: String, values: [Value.Member] = [], shard: Int, shardCount: Int, attempt: Int,
        cause: Cause, metrics: [NamedMetric] = [], items: [Item], assigned: [String]? = nil, absent: [String] = []
    ) {
        self.init(
            job: job, cell: cell, values: values, shard: shard, shardCount: shardCount, attempt: attempt, cause: cause,
            metrics: metrics, items: ItemTable(items), assigned: assigned.map { TextColumn($0) }, absent: absent)
    }
}
