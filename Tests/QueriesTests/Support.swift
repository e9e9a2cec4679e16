import Artifacts
import Foundation
import Gates
import Model
import Queries
import Storage
import Wire

/// A folder that is removed when its owner lets go.
final class Scratch {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "sheaf-queries-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    // What is left in the temporary folder is the system's to clear.
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A run as a coordinator would have stored it, put together change by change.
final class StoredSample {
    static let start = Instant.seconds(1_795_428_000)  // 2026-11-23T10:00:00Z
    static let alice = Principal(role: .user, name: "alice", team: "vision")

    let store: SQLiteStore
    private let folder: Scratch
    private(set) var objects: [Digest: [UInt8]] = [:]
    var run = RunID(1)
    var clock = StoredSample.start
    var owner = StoredSample.alice

    init() throws {
        folder = try Scratch()
        store = try SQLiteStore(folder: folder.path)
    }

    var reader: RunReader { RunReader(storage: store) }
    func snapshot() throws -> RunSnapshot? { try reader.snapshot(of: run) }
    func object(_ reference: ObjectRef) -> [UInt8]? { objects[reference.digest] }
    func results() throws -> Results? { try snapshot()?.results(object: object) }
    func lose(_ text: String) { objects[ObjectRef(naming: Array(text.utf8)).digest] = nil }

    /// Keeps a text as an object.
    func put(_ text: String) -> Proto.ObjectRef {
        let object = ObjectRef(naming: Array(text.utf8))
        objects[object.digest] = Array(text.utf8)
        return object.message
    }

    static func plan(
        cells: Int? = 2, shards: ShardPlan = ShardPlan(count: 2), gates: [GateRule] = [], beside: [PlannedJob] = []
    ) -> Model.Plan {
        let job = Model.PlannedJob(
            id: "eval",
            cells: cells.map { count in
                (0..<count).map {
                    Model.PlannedCell(
                        id: "eval_\($0)", name: "eval (\($0))", values: [.init("seed", .number(Double($0)))])
                }
            }, shards: shards)
        return Model.Plan(name: "nightly", title: "Fit longer", file: "eval.yml", jobs: [job] + beside, gates: gates)
    }

    func submit(
        _ plan: Model.Plan, tree: UInt8 = 1, commit: String? = nil,
        _ change: (inout Proto.SubmitRunRequest) -> Void = { _ in }
    ) throws {
        var request = Proto.SubmitRunRequest()
        request.workflow = "jobs: {}"
        request.eventName = "push"
        request.branch = "topic"
        request.dirty = true
        change(&request)
        try store.commit([
            .runSubmitted(
                RunRecord(
                    id: run, key: "key-\(run)-0123456789", owner: owner, name: "nightly", file: "eval.yml",
                    submittedAt: clock, tree: Digest([UInt8](repeating: tree, count: 32)),
                    commit: commit ?? "c0ffee\(run.number)",
                    request: request.encoded(), plan: Proto.Plan(plan).encoded()))
        ])
    }

    func resolve(
        _ job: Int = 0, kind: JobRecord.Kind = .cells, reason: String = "", as planned: Model.PlannedJob? = nil
    ) throws {
        let resolution = planned.map { Proto.PlannedJob($0).encoded() } ?? []
        try store.commit([
            .jobResolved(JobRecord(run: run, job: job, kind: kind, at: clock, reason: reason, resolution: resolution))
        ])
    }

    func attempt(_ cell: Int, _ shard: Int, _ number: Int = 1) -> AttemptID {
        AttemptID(shard: ShardID(run: run, job: 0, cell: cell, shard: shard), number: number)
    }

    /// An attempt from its lease to its end, `seconds` later; or to its end from now, when it goes on already.
    func run(
        _ attempt: AttemptID, on agent: String = "gpu-1", seconds: Int64 = 12, cause: Cause = Cause(.passed),
        retryAfter: Int64? = nil, why: String = "", devices: [String] = [], isLeased: Bool = false,
        report: ((inout Proto.AttemptReport) -> Void)? = nil
    ) throws {
        if !isLeased {
            try lease(attempt, on: agent, devices: devices)
            try store.commit([.attemptStarted(attempt, at: clock.advanced(by: .seconds(1)))])
        }
        clock = clock.advanced(by: .seconds(1 + seconds))
        var message = Proto.AttemptReport()
        message.attempt = Proto.AttemptRef(attempt)
        message.cause = cause.kind.rawValue
        message.metricsPath = "metrics.json"
        report?(&message)
        try store.commit([
            .attemptEnded(
                AttemptEnding(
                    attempt: attempt, at: clock, cause: cause,
                    retryAt: retryAfter.map { clock.advanced(by: .seconds($0)) }, why: why,
                    report: report == nil ? [] : message.encoded()))
        ])
    }

    func lease(
        _ attempt: AttemptID, on agent: String, devices: [String] = [], beside: Int = 0, why: String = ""
    ) throws {
        try store.commit([
            .attemptLeased(
                LeaseRecord(
                    attempt: attempt, agent: AgentID(agent), devices: devices, cpus: 1, memory: .gibibytes(1),
                    at: clock, until: clock.advanced(by: .seconds(30)), beside: beside, besideWhy: why))
        ])
    }

    func settle(_ cell: Int, _ shards: ClosedRange<Int>, attempt: Int = 1, cause: Cause = Cause(.passed)) throws {
        try store.commit([
            .shardsSettled(
                SettlementRecord(
                    cell: CellID(run: run, job: 0, cell: cell), first: shards.lowerBound, last: shards.upperBound,
                    attempt: attempt, cause: cause, at: clock))
        ])
    }

    /// Runs and settles a shard that passes and writes these metrics.
    func pass(_ cell: Int, _ shard: Int, metrics: String) throws {
        let file = put(metrics)
        try run(attempt(cell, shard)) { $0.metrics = file }
        try settle(cell, shard...shard)
    }

    /// Submits a run of one cell whose items are listed, and cut in the order of shards where `ends` says so.
    func submitListed(
        _ items: [String], ends: [UInt32] = [], shards count: Int = 2, of repository: String = "",
        balance: ShardPlan.Balance = .history(target: nil)
    ) throws {
        let plan = Self.plan(cells: 1, shards: ShardPlan(count: count, items: .command("list"), balance: balance))
        try submit(plan) { $0.repository = repository }
        try resolve()
        let listing = put(items.map { $0 + "\n" }.joined())
        try run(attempt(0, ShardID.listing)) {
            $0.listing = listing
            $0.listingCount = UInt32(items.count)
            $0.shardEnds = ends
        }
        try store.commit([
            .cellSharded(
                CellID(run: run, job: 0, cell: 0), shards: min(count, items.count), items: items.count,
                listing: Digest(listing.digest))
        ])
    }

    /// Judges and ends the run, as the coordinator does.
    @discardableResult func end() throws -> Judgement {
        guard let snapshot = try snapshot() else { preconditionFailure("the run was submitted") }
        let judgement = judge(
            snapshot.plan.gates, results: try snapshot.results(object: object),
            baselines: try reader.baselines(of: snapshot, object: object))
        try store.commit([
            .runEnded(
                RunEnding(
                    run: run, at: clock, verdict: judgement.verdict, exitCode: Int(judgement.exitCode),
                    judgement: judgement.record))
        ])
        return judgement
    }
}
