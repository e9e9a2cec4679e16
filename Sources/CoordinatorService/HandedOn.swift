import Model
import Wire

/// What the attempts of a run hand on to others: outputs, listings, artifacts. Of each shard the last attempt does.
///
/// It is the same in whatever order their reports are taken: a coordinator that starts anew reads them by place and comes to
/// what the one before it had from them as they came.
struct HandedOn: Equatable, Sendable {
    struct Artifact: Equatable, Sendable {
        var shard: ShardID
        var artifact: Proto.RunArtifact
    }

    private struct Output: Equatable, Sendable {
        var text: String
        var shard: Int
        var hasPassed: Bool

        /// What a shard says that passed comes before what others say, and of equals the first shard's word counts.
        func comes(before other: Output) -> Bool {
            hasPassed == other.hasPassed ? shard < other.shard : hasPassed
        }
    }

    private let run: RunID
    /// The items of a cell, once they are listed.
    private(set) var listings: [CellID: Proto.ObjectRef] = [:]
    /// Where the items of each shard end, in a listing that was cut by how long they take.
    private(set) var shardEnds: [CellID: [Int]] = [:]
    private var outputs: [CellID: [String: Output]] = [:]
    /// Of a job's cells the last one, in the order of the matrix, that set an output.
    private var lastCells: [Int: [String: Int]] = [:]
    /// By job, cell and shard.
    private(set) var artifacts: [Artifact] = []

    init(of run: RunID) { self.run = run }

    /// What a job hands to those that need it, by name: a later cell's word replaces an earlier one's, an empty one does not.
    func outputs(of job: Int) -> [Value.Member] {
        (lastCells[job] ?? [:]).sorted { $0.key < $1.key }.compactMap { name, cell in
            outputs[CellID(run: run, job: job, cell: cell)]?[name].map { .init(name, .string($0.text)) }
        }
    }

    /// The same of a single cell.
    func outputs(of cell: CellID) -> [Value.Member] {
        (outputs[cell] ?? [:]).sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value.text)) }
    }

    /// Takes over what the last attempt at a shard has to give to others.
    ///
    /// - Parameter plan: with the cells of the attempt's job.
    mutating func take(_ report: Proto.AttemptReport, of attempt: AttemptID, hasPassed: Bool, in plan: Plan) {
        let (cell, shard) = (attempt.shard.cell, attempt.shard.shard)
        if let listing = report.listing, attempt.shard.isListing {
            listings[cell] = listing
            shardEnds[cell] = report.shardEnds.map { Int($0) }
        }
        for (name, text) in report.outputs where !text.isEmpty {
            let output = Output(text: text, shard: shard, hasPassed: hasPassed)
            if let other = outputs[cell]?[name], !output.comes(before: other) { continue }
            outputs[cell, default: [:]][name] = output
            lastCells[cell.job, default: [:]][name] = max(lastCells[cell.job]?[name] ?? 0, cell.cell)
        }
        guard !report.artifacts.isEmpty, let planned = plan.cell(cell) else { return }
        let fresh = report.artifacts.map { artifact in
            Artifact(
                shard: attempt.shard,
                artifact: .with {
                    $0.job = plan.jobs[cell.job].id
                    $0.cell = planned.id
                    $0.shard = Int32(shard)
                    $0.attempt = UInt32(attempt.number)
                    $0.artifact = artifact
                })
        }
        artifacts.insert(contentsOf: fresh, at: place(behind: attempt.shard))
    }

    /// Where the artifacts of a shard begin; most come in about the order in which they are kept.
    private func place(behind shard: ShardID) -> Int {
        var (low, high) = (0, artifacts.count)
        while low < high {
            let middle = (low + high) / 2
            if artifacts[middle].shard <= shard { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The mistake that a report makes whose outputs are others than those of another shard of its cell: equal ones merge,
    /// different ones are an error. `nil` when they agree.
    func disagreement(of report: Proto.AttemptReport, _ attempt: AttemptID) -> Cause? {
        for (name, text) in report.outputs.sorted(by: { $0.key < $1.key }) where !text.isEmpty {
            guard let other = outputs[attempt.shard.cell]?[name], other.shard != attempt.shard.shard, other.text != text
            else { continue }
            return Cause(
                .userError,
                evidence:
                    "the output '\(name)' is '\(text.prefix(100))' here and '\(other.text.prefix(100))' in shard "
                    + "\(other.shard): the shards of a cell must agree on it; write what differs to metrics or artifacts"
            )
        }
        return nil
    }
}
