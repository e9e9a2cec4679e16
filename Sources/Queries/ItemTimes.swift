package import Artifacts
package import Model
import Storage
import Wire

/// How long single items took in earlier runs, the newest run's word before older ones'.
package struct ItemTimes: Sendable {
    /// The metric by which an item says itself how long it took, in seconds; readers of test reports give it, too.
    package static let metric = "seconds"

    private var seconds: [String: Double] = [:]

    /// What was known of one cell in these runs.
    ///
    /// An item that does not say itself took its part of what its shard took from start to end: all items of the shard the
    /// same.
    ///
    /// - Parameters:
    ///   - runs: newest first.
    ///   - values: the cell's; its counterpart has the same ones.
    ///   - object: as for `RunSnapshot.results`.
    package init(
        job: String, values: [Value.Member], in runs: [RunSnapshot], object: (ObjectRef) throws -> [UInt8]?
    ) throws {
        for run in runs {
            guard let place = run.plan.jobs.firstIndex(where: { $0.id == job }),
                let cell = run.plan.jobs[place].cells?.firstIndex(where: { $0.values == values })
            else { continue }
            do {
                let cell = CellID(run: run.id, job: place, cell: cell)
                for shard in try run.timedShards(of: cell, object: object) { add(shard) }
            } catch QueryError.damaged {
                // Told where that run is asked for; here it says nothing.
                continue
            }
        }
    }

    private mutating func add(_ shard: RunSnapshot.TimedShard) {
        guard !shard.assigned.isEmpty else { return }
        let mean = shard.seconds / Double(shard.assigned.count)
        var own: [String: Double] = [:]
        if let column = shard.items.column(Self.metric) {
            for (id, value) in zip(shard.items.ids, column.values) where value.isFinite && value >= 0 {
                own[id] = value
            }
        }
        for id in shard.assigned where seconds[id] == nil { seconds[id] = own[id] ?? mean }
    }

    /// Seconds; `nil` for an item that no run has seen.
    package subscript(item: String) -> Double? { seconds[item] }
    package var isEmpty: Bool { seconds.isEmpty }
}

extension RunReader {
    /// How many earlier runs are asked how long items took, and among how many they are looked for.
    package static let timedRunsMax = 3
    private static let timedAmong = 10
    /// A run with more attempts than these is not looked into.
    private static let timedAttemptsMax = 200_000

    /// Earlier runs that can say how long items took, newest first: runs of the workflow in the same repository that its
    /// owner may read, have been judged, and had passing shards of listed items.
    package func timedRuns(
        of workflow: String, in repository: String, for owner: Principal, before run: RunID
    ) throws(QueryError) -> [RunSnapshot] {
        let judged: [JudgedRun]
        do throws(StorageError) {
            judged = try storage.judgedRuns(of: workflow, tree: nil, before: run, most: Self.timedAmong)
        } catch {
            throw .storage(error)
        }
        var found: [RunSnapshot] = []
        for past in judged where owner.mayRead(runsOf: past.owner) {
            guard found.count < Self.timedRunsMax, let snapshot = try readable(past.id),
                snapshot.request.repository == repository, snapshot.attempts.count <= Self.timedAttemptsMax,
                snapshot.settlements.contains(where: {
                    $0.first >= 0 && $0.cause.kind == .passed && snapshot.plan.jobs[$0.cell.job].shards.items != nil
                })
            else { continue }
            found.append(snapshot)
        }
        return found
    }

    /// `nil` for a run whose record is damaged, too: that is told where the run is asked for.
    private func readable(_ run: RunID) throws(QueryError) -> RunSnapshot? {
        do throws(QueryError) { return try snapshot(of: run) } catch {
            if case .damaged = error { return nil }
            throw error
        }
    }
}
