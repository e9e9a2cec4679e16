package import Model
package import Storage
package import Wire

/// Everything that is stored of one run, at one moment.
package struct RunSnapshot: Sendable {
    package let record: RunRecord
    package let request: Proto.SubmitRunRequest
    package let cancellation: StoredRun.Cancellation?
    /// `nil` while the run goes on.
    package let ending: RunEnding?
    /// When artifacts, logs and code were dropped; `nil` while they are kept.
    package let bulkDroppedAt: Instant?
    /// With the cells of jobs whose matrix became known on the way.
    package let plan: Plan
    /// Beside `plan.jobs`; `nil` for a job whose needs have not ended.
    package let jobs: [JobRecord?]
    /// In the order of job, cell, shard, number.
    package let attempts: [StoredAttempt]
    /// In the order of job, cell, shard.
    package let settlements: [SettlementRecord]

    /// When coordinators started while the run went on, the oldest first; no more than `startsMax`.
    package let starts: [Instant]
    /// What is to be told outside of the farm, by key.
    package let deliveries: [DeliveryRecord]
    package static let startsMax = 1_000

    private let cells: [CellID: CellRecord]
    private let places: [AttemptID: Int]
    /// The models of GPUs, by uuid, as far as they are known.
    private let models: [String: String]

    package var id: RunID { record.id }

    /// - Throws: `QueryError.damaged`.
    init(_ rows: RunRows) throws(QueryError) {
        record = rows.run.run
        cancellation = rows.run.cancellation
        ending = rows.run.ending
        bulkDroppedAt = rows.run.bulkDroppedAt
        let id = rows.run.run.id
        request = try decoded(record.request, "the request", of: id)
        plan = try Self.plan(of: rows.run, rows.jobs)
        var jobs: [JobRecord?] = Array(repeating: nil, count: plan.jobs.count)
        for job in rows.jobs { jobs[job.job] = job }
        self.jobs = jobs
        attempts = rows.attempts
        starts = rows.starts
        deliveries = rows.deliveries
        settlements = rows.settlements
        cells = Dictionary(rows.cells.map { ($0.cell, $0) }, uniquingKeysWith: { _, last in last })
        places = Dictionary(
            rows.attempts.enumerated().map { ($1.lease.attempt, $0) }, uniquingKeysWith: { _, last in last })
        var models: [String: String] = [:]
        for agent in rows.agents {
            let capacity: Proto.Capacity = try decoded(agent.capacity, "the agent \(agent.name)", of: id)
            for gpu in capacity.gpus { models[gpu.uuid] = gpu.model }
        }
        self.models = models
        try checkPlaces()
    }

    /// The plan of a run, with the cells that became known on its way.
    static func plan(of run: StoredRun, _ jobs: [JobRecord]) throws(QueryError) -> Plan {
        let id = run.run.id
        let message: Proto.Plan = try decoded(run.run.plan, "the plan", of: id)
        var plan: Plan
        do throws(MeaningError) {
            plan = try message.meaning()
        } catch {
            throw .damaged(id, "the plan: \(error)")
        }
        let count = plan.jobs.count
        for job in jobs {
            guard plan.jobs.indices.contains(job.job) else {
                throw .damaged(id, "job \(job.job) of a plan of \(count)")
            }
            if job.kind == .cells && !job.resolution.isEmpty { plan.jobs[job.job] = try resolved(job, among: count) }
        }
        return plan
    }

    private static func resolved(_ job: JobRecord, among count: Int) throws(QueryError) -> Model.PlannedJob {
        let message: Proto.PlannedJob = try decoded(job.resolution, "job \(job.job)", of: job.run)
        do throws(MeaningError) {
            return try message.meaning(among: count)
        } catch {
            throw .damaged(job.run, "job \(job.job): \(error)")
        }
    }

    /// Every row names a cell that the plan has.
    private func checkPlaces() throws(QueryError) {
        let named = [
            attempts.lazy.map(\.lease.attempt.shard.cell).first { self.cell($0) == nil },
            settlements.lazy.map(\.cell).first { self.cell($0) == nil },
        ]
        guard let stray = named.compactMap({ $0 }).first else { return }
        throw .damaged(id, "cell \(stray) is none of the plan's")
    }

    // MARK: looking up

    /// The cell at a position; `nil` where the plan has none.
    package func cell(_ id: CellID) -> Model.PlannedCell? { plan.cell(id) }

    package func attempt(_ id: AttemptID) -> StoredAttempt? { places[id].map { attempts[$0] } }

    /// All attempts at a shard, by number.
    package func attempts(at shard: ShardID) -> [StoredAttempt] {
        var found: [StoredAttempt] = []
        while let attempt = attempt(AttemptID(shard: shard, number: found.count + 1)) { found.append(attempt) }
        return found
    }

    /// What the agent reported of an attempt; `nil` when it did not.
    package func report(of attempt: StoredAttempt) throws(QueryError) -> Proto.AttemptReport? {
        guard let report = attempt.ending?.report, !report.isEmpty else { return nil }
        return try decoded(report, "the report of attempt \(attempt.lease.attempt)", of: id)
    }

    /// How many shards the cell has; `nil` until its items are listed.
    package func shardCount(of id: CellID) -> Int? {
        if let count = cells[id]?.shards { return count }
        guard plan.jobs.indices.contains(id.job) else { return nil }
        let shards = plan.jobs[id.job].shards
        return shards.items == nil ? shards.count : nil
    }

    /// What became of the cell; `nil` before its first shard.
    func cellRecord(_ id: CellID) -> CellRecord? { cells[id] }

    func model(of device: String) -> String { models[device] ?? "unknown device \(device)" }

    /// The plan's cells with their positions, in order.
    func eachCell(of job: Int) -> [(id: CellID, cell: Model.PlannedCell)] {
        (plan.jobs[job].cells ?? []).enumerated().map { (CellID(run: id, job: job, cell: $0), $1) }
    }
}

/// Reads a message that the farm itself wrote: of any size that fits a row.
func decoded<Message: ProtoMessage>(
    _ bytes: [UInt8], _ what: String, of run: RunID
) throws(QueryError) -> Message {
    do throws(ProtoError) {
        return try Message(decoding: bytes, limits: ProtoLimits(elementsMax: 50_000_000))
    } catch {
        throw .damaged(run, "\(what): \(error)")
    }
}
