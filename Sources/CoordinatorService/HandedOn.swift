import Model
import Wire

/// What the attempts of a run hand on to others: outputs, listings, artifacts. Of each shard the last attempt does.
///
/// It is the same in whatever order their reports are taken: a coordinator that starts anew reads them by place and comes to
/// what the one before it had from them as they came.
struct HandedOn: Equatable, Sendable {
    /// One that a shard has left. Of a run of a million shards all are kept until it ends: what the plan says of them is not.
    struct Artifact: Equatable, Sendable {
        let job, cell, shard: Int32
        let attempt, files, retentionDays: UInt32
        let name: String
        /// `nil`: not a digest.
        let manifest: Digest?
        let manifestBytes, contentBytes: UInt64

        fileprivate init(_ artifact: Proto.Artifact, named name: String, of attempt: AttemptID) {
            (job, cell) = (Int32(clamping: attempt.shard.cell.job), Int32(clamping: attempt.shard.cell.cell))
            shard = Int32(clamping: attempt.shard.shard)
            self.attempt = UInt32(clamping: attempt.number)
            (files, retentionDays) = (artifact.files, artifact.retentionDays)
            self.name = name
            manifest = artifact.manifest.flatMap { Digest($0.digest) }
            manifestBytes = artifact.manifest?.size ?? 0
            contentBytes = artifact.contentBytes
        }

        /// - Parameter plan: with the cells of the artifact's job.
        func described(by plan: Plan) -> Proto.RunArtifact {
            let (job, cell) = (plan.jobs[Int(job)], Int(cell))
            return .with {
                $0.job = job.id
                $0.cell = job.cells?[cell].id ?? ""
                $0.shard = shard
                $0.attempt = attempt
                $0.artifact = .with {
                    $0.name = name
                    $0.manifest = .with {
                        $0.digest = manifest?.bytes ?? []
                        $0.size = manifestBytes
                    }
                    $0.contentBytes = contentBytes
                    $0.files = files
                    $0.retentionDays = retentionDays
                }
            }
        }

        fileprivate func stands(behind shard: ShardID) -> Bool {
            (Int(job), Int(cell), Int(self.shard)) > (shard.cell.job, shard.cell.cell, shard.shard)
        }
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
    /// Of jobs that others need, by job, cell and shard.
    private(set) var artifacts: [Artifact] = []
    private var names: Set<String> = []

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
        // Nobody asks for what a job leaves that no other one needs.
        guard !report.artifacts.isEmpty, plan.cell(cell) != nil,
            plan.jobs.contains(where: { $0.needs.contains(cell.job) })
        else { return }
        let fresh = report.artifacts.map { Artifact($0, named: shared($0.name), of: attempt) }
        artifacts.insert(contentsOf: fresh, at: place(behind: attempt.shard))
    }

    /// The same text, of which one copy serves all artifacts of this name.
    private mutating func shared(_ name: String) -> String { names.insert(name).memberAfterInsert }

    /// Where the artifacts of a shard begin; most come in about the order in which they are kept.
    private func place(behind shard: ShardID) -> Int {
        var (low, high) = (0, artifacts.count)
        while low < high {
            let middle = (low + high) / 2
            if artifacts[middle].stands(behind: shard) { high = middle } else { low = middle + 1 }
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
