import Artifacts
import Gates
import Model
import Queries
import Reporting
import Scheduling
import Storage
import Wire
import Workflows

/// A coordinator without its threads: what `CoordinatorService` does between a socket and a disk, one call at a time.
struct Story {
    let workflow: Workflow
    let request: PlanRequest
    let plan: Plan
    let run = RunID(1)

    var farm = Farm(settings: Farm.Settings(lease: .seconds(30)), seed: 1)
    let ledger = MemoryStore()
    /// What was uploaded, by name.
    private(set) var objects: [Digest: [UInt8]] = [:]
    private(set) var now = Instant.seconds(1_795_428_000)  // 2026-11-23T10:00:00Z
    /// Leases that were offered and whose attempts have not ended.
    private(set) var offers: [Farm.Lease] = []
    /// Whether every job has ended, so that the gates can judge.
    private(set) var isOver = false
    private var wakeAt: Instant?
    private var listings: [CellID: Proto.ObjectRef] = [:]

    init(_ workflow: Workflow, _ request: PlanRequest, _ plan: Plan) {
        self.workflow = workflow
        self.request = request
        self.plan = plan
    }

    // MARK: what happens

    /// The run is stored, then handed to the farm.
    mutating func submit(by owner: Principal, tree: Digest?) {
        store([
            .runSubmitted(
                RunRecord(
                    id: run, key: "0123456789abcdef", owner: owner, name: plan.name, file: plan.file, submittedAt: now,
                    tree: tree, commit: "1a2b3c4", request: [], plan: Proto.Plan(plan).encoded()))
        ])
        handle(.runSubmitted(run, owner: owner, plan: plan))
    }

    mutating func join(_ agent: AgentID, cpus: Int) {
        let capacity = Capacity(cpus: cpus, memory: .gibibytes(8), labels: ["self-hosted", "linux", "x64"])
        handle(.agentJoined(agent, team: nil, capacity: capacity, holds: []))
    }

    /// Time passes; whoever is `alive` renews its leases on the way.
    mutating func wait(_ seconds: Int64, alive: [AgentID]) {
        for _ in 0..<seconds {
            now = now.advanced(by: .seconds(1))
            for agent in alive { handle(.leasesRenewed(agent, offers.filter { $0.agent == agent }.map(\.attempt))) }
            if let at = wakeAt, at <= now {
                wakeAt = nil
                handle(.timeReached)
            }
        }
    }

    mutating func start(_ offer: Farm.Lease) { handle(.attemptStarted(offer.attempt, by: offer.agent)) }

    /// Keeps bytes under their name.
    mutating func upload(_ text: String) -> Proto.ObjectRef {
        let object = ObjectRef(naming: Array(text.utf8))
        objects[object.digest] = Array(text.utf8)
        return object.message
    }

    /// An agent's report arrives, as bytes. It counts only if it names the current attempt.
    mutating func receive(_ bytes: [UInt8], from agent: AgentID) throws {
        let report = try Proto.AttemptReport(decoding: bytes)
        let attempt = try report.attempt?.meaning()
        guard let attempt, let kind = Cause.Kind(rawValue: report.cause) else { return }
        if let listing = report.listing { listings[attempt.shard.cell] = listing }
        let cause = Cause(kind, code: report.code.map(Int.init), evidence: report.evidence)
        let listed = report.listing == nil ? nil : Int(report.listingCount)
        handle(.attemptFinished(attempt, by: agent, cause, listed: listed), report: bytes)
    }

    // MARK: what follows

    /// Decides, stores, and only then lets effects out.
    private mutating func handle(_ event: Farm.Event, report: [UInt8] = []) {
        var effects: [Farm.Effect] = []
        farm.handle(event, at: now, into: &effects)
        store(effects.compactMap { change($0, report: report) })
        for effect in effects { perform(effect) }
    }

    private func store(_ changes: [Change]) {
        do throws(StorageError) { try ledger.commit(changes) } catch { preconditionFailure("\(error)") }
    }

    private func change(_ effect: Farm.Effect, report: [UInt8]) -> Change? {
        switch effect {
        case .leased(let lease):
            .attemptLeased(
                LeaseRecord(
                    attempt: lease.attempt, agent: lease.agent, devices: lease.devices, cpus: lease.cpus,
                    memory: lease.memory ?? .zero, at: lease.at, until: lease.until))
        case .offerWithdrawn(let attempt): .leaseWithdrawn(attempt)
        case .attemptStarted(let attempt, let at): .attemptStarted(attempt, at: at)
        case .attemptEnded(let attempt, let cause, let retryAt, let why):
            .attemptEnded(
                AttemptEnding(attempt: attempt, at: now, cause: cause, retryAt: retryAt, why: why, report: report))
        case .cellSharded(let cell, let shards, let items):
            .cellSharded(cell, shards: shards, items: items, listing: listings[cell].flatMap { Digest($0.digest) })
        case .settled(let cell, let shards, let attempt, let cause):
            .shardsSettled(
                SettlementRecord(
                    cell: cell, first: shards.lowerBound, last: shards.upperBound, attempt: attempt, cause: cause,
                    at: now))
        case .cellEnded(let cell, let ending): .cellEnded(cell, ending: ending.rawValue)
        case .jobEnded(let run, let job, let ending, let reason):
            .jobEnded(run: run, job: job, ending: ending.rawValue, reason: reason)
        case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .groupWanted, .jobReady, .deadlineReached,
            .runEnded, .wake,
            .continueLater:
            nil
        }
    }

    private mutating func perform(_ effect: Farm.Effect) {
        switch effect {
        case .leased(let lease): offers.append(lease)
        case .offerWithdrawn(let attempt), .attemptEnded(let attempt, _, _, _):
            offers.removeAll { $0.attempt == attempt }
        case .jobReady(_, let job): resolve(job)
        case .runEnded: isOver = true
        case .wake(let at): wakeAt = at
        case .continueLater: handle(.resume)
        case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .attemptStarted, .cellSharded, .settled,
            .cellEnded,
            .groupWanted, .jobEnded, .deadlineReached:
            break
        }
    }

    /// Everything that the job needs has ended: its condition and its matrix are evaluated.
    private mutating func resolve(_ job: Int) {
        var record = JobRecord(run: run, job: job, kind: .cells, at: now)
        let resolution: Farm.Resolution
        // `try?`: a matrix that cannot be evaluated is another story.
        switch try? workflow.resolve(job: job, ancestors: [], request) {
        case .cells(let cells, let failFast, let maxParallel, let goesOn):
            var planned = plan.jobs[job]
            planned.cells = cells
            record.resolution = Proto.PlannedJob(planned).encoded()
            resolution = .cells(cells, failFast: failFast, maxParallel: maxParallel, goesOn: goesOn)
        case .notApplicable(let reason):
            (record.kind, record.reason) = (.notApplicable, reason)
            resolution = .notApplicable(reason: reason)
        case .notReached(let reason):
            (record.kind, record.reason) = (.notReached, reason)
            resolution = .notReached(reason: reason)
        case nil:
            record.kind = .failed
            resolution = .failed(reason: "")
        }
        store([.jobResolved(record)])
        handle(.jobResolved(run, job: job, resolution))
    }

    // MARK: what is asked at the end

    func snapshot() throws -> RunSnapshot? { try RunReader(storage: ledger).snapshot(of: run) }

    /// Reads what was stored, judges it, stores the judgement.
    func judge() throws -> Judgement {
        guard let snapshot = try snapshot() else { preconditionFailure("the run was submitted") }
        let judgement = Gates.judge(snapshot.plan.gates, results: try results(of: snapshot))
        store([
            .runEnded(
                RunEnding(
                    run: run, at: now, verdict: judgement.verdict, exitCode: Int(judgement.exitCode),
                    judgement: judgement.record))
        ])
        return judgement
    }

    /// The report of what was stored; of the stored judgement once there is one.
    func report() throws -> RunReport {
        guard let snapshot = try snapshot() else { preconditionFailure("the run was submitted") }
        return try snapshot.report(results: try results(of: snapshot))
    }

    private func results(of snapshot: RunSnapshot) throws -> Results {
        try snapshot.results { objects[$0.digest] }
    }
}
