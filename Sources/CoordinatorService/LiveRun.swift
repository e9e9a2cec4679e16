import JSON
import Model
import Queries
import Scheduling
import Wire
import Workflows

/// A run that has not been judged yet: what assignments and later decisions are made from.
struct LiveRun: Sendable {
    enum Phase: Sendable { case running, judging }

    let id: RunID
    let owner: Principal
    let submittedAt: Instant
    let request: Proto.SubmitRunRequest
    let workflow: Workflow
    let planRequest: PlanRequest
    /// With the cells of jobs as they became known.
    var plan: Plan
    var phase = Phase.running
    /// That all of its jobs have ended is stored: whoever reads along may know.
    var isEndStored = false
    var isCancelled = false
    /// With force: no job goes on.
    var isCancelForced = false
    /// What ended attempts give to others.
    var handedOn: HandedOn
    /// How many items a cell has, once they are listed.
    var itemCount: [CellID: Int] = [:]
    var cellEndings: [CellID: String] = [:]
    var endings: [Int: Farm.JobEnding] = [:]
    /// Lines for whoever reads along, since the last look.
    var notes: [String] = []
    /// What earlier runs say of its cells.
    var past = PastCells()
    /// What of it waits for something that the farm does not have: as of the last look, and what watchers were told.
    var unmet: Set<String> = []
    var unmetTold: Set<String> = []
    /// The group that the run as a whole belongs to.
    let concurrency: ConcurrencyGroup?
    /// The contexts `github`, `inputs` and `vars`.
    let contexts: [Value.Member]

    var tree: Digest? { Digest(request.tree) }

    init(id: RunID, owner: Principal, submittedAt: Instant, prepared: PreparedRun) {
        self.id = id
        handedOn = HandedOn(of: id)
        self.owner = owner
        self.submittedAt = submittedAt
        request = prepared.request
        workflow = prepared.workflow
        planRequest = prepared.planRequest
        plan = prepared.plan
        contexts = prepared.contexts
        concurrency = prepared.concurrency
    }

    /// All jobs that a job needs, directly or not, in the order of the plan.
    func ancestors(of job: Int) -> [NeededJob] {
        let withCells = workflow.readsCells(job: job)
        return everyNeed(of: job).sorted().compactMap { needed($0, withCells: withCells) }
    }

    private func everyNeed(of job: Int) -> Set<Int> {
        var found: Set<Int> = []
        var rest = plan.jobs[job].needs
        while let next = rest.popLast() {
            if found.insert(next).inserted { rest += plan.jobs[next].needs }
        }
        return found
    }

    /// How a job ended, for the contexts of others; `nil` while it goes on.
    func needed(_ job: Int) -> NeededJob? { needed(job, withCells: false) }

    private func needed(_ job: Int, withCells: Bool) -> NeededJob? {
        guard let ending = endings[job], let outcome = NeededJob.Outcome(rawValue: ending.rawValue) else { return nil }
        var needed = NeededJob(id: plan.jobs[job].id, outcome: outcome, outputs: handedOn.outputs(of: job))
        guard withCells else { return needed }
        needed.cells = (plan.jobs[job].cells ?? []).enumerated().map { index, cell in
            let id = CellID(run: self.id, job: job, cell: index)
            return NeededJob.Cell(
                id: cell.id, values: cell.values, outcome: Self.outcome(of: cellEndings[id]),
                outputs: handedOn.outputs(of: id))
        }
        return needed
    }

    /// How those cells of a job ended that one cell waited for: their outputs, and the worst of their ends.
    private func needed(_ need: CellNeed, of job: Int) -> NeededJob {
        var needed = NeededJob(id: plan.jobs[job].id, outcome: .success)
        let outcomes = need.cells.map { Self.outcome(of: cellEndings[CellID(run: id, job: job, cell: $0)]) }
        needed.outcome =
            [.failure, .cancelled].first { outcomes.contains($0) }
            ?? (outcomes.allSatisfy { $0 == .skipped } ? .skipped : .success)
        for cell in need.cells {
            for output in handedOn.outputs(of: CellID(run: id, job: job, cell: cell)) {
                needed.outputs.removeAll { $0.key == output.key }
                needed.outputs.append(output)
            }
        }
        return needed
    }

    /// How a cell ended, in the words of `needs`; one that was not run was skipped.
    private static func outcome(of ending: String?) -> NeededJob.Outcome {
        switch ending {
        case Farm.CellEnding.passed.rawValue: .success
        case Farm.CellEnding.failed.rawValue: .failure
        case Farm.CellEnding.cancelled.rawValue: .cancelled
        default: .skipped
        }
    }

    /// Takes over what the last attempt at a shard has to give to others.
    mutating func take(_ report: Proto.AttemptReport, of attempt: AttemptID, hasPassed: Bool) {
        handedOn.take(report, of: attempt, hasPassed: hasPassed, in: plan)
    }

    /// `eval (3.11, torch)/2`, for people.
    func title(of shard: ShardID) -> String {
        let name = plan.cell(shard.cell)?.name ?? "\(shard.cell)"
        return shard.shard == ShardID.listing ? "\(name): listing its items" : "\(name)/\(shard.shard)"
    }

    // MARK: Assignments

    /// What an agent needs to work on an attempt.
    func assignment(for lease: Farm.Lease, shards: Int?, grace: Duration) -> Proto.Assignment? {
        let shard = lease.attempt.shard
        guard let cell = plan.cell(shard.cell) else { return nil }
        let job = plan.jobs[shard.cell.job]
        let isListing = shard.shard == ShardID.listing
        let count = shards ?? 1
        var assignment = Proto.Assignment()
        assignment.attempt = Proto.AttemptRef(lease.attempt)
        assignment.jobId = job.id
        assignment.cellId = cell.id
        assignment.cellName = cell.name
        assignment.shardCount = UInt32(clamping: count)
        assignment.work = Proto.JobWork(job.work)
        assignment.contextsJson = JSONWriter.text(.object(contexts(of: cell, in: shard.cell.job)))
        assignment.tree = tree?.bytes ?? []
        var resources = cell.resources
        resources.cpus = lease.cpus
        if let memory = lease.memory { resources.memory = memory }
        if let disk = lease.disk { resources.disk = disk }
        assignment.resources = Proto.Resources(resources)
        assignment.gpuUuids = lease.devices
        assignment.timeoutS = Self.seconds(cell.timeout)
        assignment.idleTimeoutS = cell.idleTimeout.map(Self.seconds) ?? 0
        assignment.graceS = Self.seconds(grace)
        assignment.inputs = cell.inputs.map { Proto.HeldInput($0) }
        assignment.python = cell.python ?? ""
        if isListing {
            assignment.itemSource = job.shards.items.map { Proto.ItemSource($0) }
        } else if let listing = handedOn.listings[shard.cell], let items = itemCount[shard.cell] {
            let slice = ShardCut.slice(
                shard: shard.shard, of: count, items: items, ends: handedOn.shardEnds[shard.cell] ?? [])
            assignment.items = .with {
                $0.listing = listing
                $0.first = UInt32(clamping: slice.lowerBound)
                $0.count = UInt32(clamping: slice.count)
            }
        }
        assignment.untrusted = plan.untrusted != nil
        assignment.artifacts = artifacts(for: shard.cell.job)
        return assignment
    }

    /// What download-artifact may ask for in a job: artifacts that the jobs it needs, directly or not, have left so far.
    private func artifacts(for job: Int) -> [Proto.RunArtifact] {
        let needed = everyNeed(of: job)
        return needed.isEmpty
            ? [] : handedOn.artifacts.filter { needed.contains(Int($0.job)) }.map { $0.described(by: plan) }
    }

    /// What an attempt of a cell may read of this run, and it reads nothing of any other: the code tree, the run's actions, the
    /// listing of the cell, and what download-artifact may ask for.
    func readable(by cell: CellID) -> Set<Digest> {
        var digests: Set<Digest> = []
        if let tree { digests.insert(tree) }
        digests.formUnion(request.actions.compactMap { Digest($0.tree) })
        if let listing = handedOn.listings[cell].flatMap({ Digest($0.digest) }) { digests.insert(listing) }
        let needed = everyNeed(of: cell.job)
        for artifact in handedOn.artifacts where needed.contains(Int(artifact.job)) {
            if let manifest = artifact.manifest { digests.insert(manifest) }
        }
        return digests
    }

    private func contexts(of cell: PlannedCell, in job: Int) -> [Value.Member] {
        let withCells = workflow.readsCells(job: job)
        // It was resolved with the same texts before anything of it could be leased.
        let known = try? workflow.contexts(ofJob: job, contexts, planRequest) { other in
            cell.needs.first { $0.job == other }.map { needed($0, of: other) } ?? needed(other, withCells: withCells)
        }
        let cells = plan.jobs[job].cells ?? []
        let strategy: Value = [
            "fail-fast": .boolean(plan.jobs[job].failFast),
            "job-index": .number(Double(cells.firstIndex { $0.id == cell.id } ?? 0)),
            "job-total": .number(Double(cells.count)),
            "max-parallel": .number(Double(plan.jobs[job].maxParallel ?? cells.count)),
        ]
        return (known ?? contexts) + [
            .init("strategy", strategy), .init("matrix", cell.values.isEmpty ? .null : .object(cell.values)),
        ]
    }

    /// Whole seconds, at least one: 0 would mean no limit.
    private static func seconds(_ duration: Duration) -> UInt32 {
        UInt32(clamping: max(1, Int(duration.inSeconds.rounded(.up))))
    }
}
