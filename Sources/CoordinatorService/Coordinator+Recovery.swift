import Artifacts
import Glibc
import Model
import Scheduling
import Storage
import Wire
import Workflows

extension Coordinator {
    /// Rebuilds what a coordinator before this one had decided. Decisions are loaded as they were made, never made again.
    ///
    /// - Returns: what could not be taken up, in sentences: runs whose workflow this build reads otherwise.
    /// - Parameters:
    ///   - trees: holds the code trees that runs were submitted with.
    ///   - isStart: notes that a coordinator has started, which the history of its runs tells.
    func recover(trees: ObjectStore, isStart: Bool = true) async throws(CoordinatorError) -> [String] {
        var remarks: [String] = []
        let (next, open, agents, certificates, pools, last) = try await keeper.read { storage throws(StorageError) in
            (
                try storage.nextRun(), try storage.openRuns(), try storage.agents(), try storage.certificates(),
                try storage.pools(), try storage.audit(most: 1).first?.at
            )
        }
        nextRun = next
        self.pools = Dictionary(pools.map { ($0.name, $0) }) { first, _ in first }
        // By the clock of the coordinator before this one: how far this one's is from it, nobody knows.
        if let last { farm.restore(.lived(until: last)) }
        try await recoverUse()
        for record in agents {
            let id = AgentID(record.name)
            capacities[id] = record
            let own = certificates.filter { $0.principal.role == .agent && $0.principal.name == record.name }
            if let last = own.last, own.allSatisfy({ $0.revokedAt != nil }) { revoked[id] = last.revocationReason }
            if record.draining { farm.restore(.agentDraining(id, why: record.drainReason)) }
        }
        var waiting: [StoredDecisions] = []
        for id in open {
            let stored = try await keeper.read { storage throws(StorageError) in try StoredDecisions(id, in: storage) }
            do throws(RecoveryError) {
                if try await !restore(stored, trees) { waiting.append(stored) }
            } catch {
                remarks.append("\(id) cannot go on: \(error.problem)")
                // It is not judged: it stays open in the store, for a build that can read it.
                runs[id] = nil
            }
        }
        if isStart {
            store([
                .audited(AuditRecord(at: clock.now, who: "coordinator", action: AuditRecord.start, subject: "the farm"))
            ])
        }
        // In the order in which they came: the first of a group goes on, and the others wait as they did.
        for stored in waiting { admit(stored) }
        handle(.resume)
        for id in runs.keys.sorted() {
            published[id] = farm.progress(of: id)
            // Everything of it had ended, and nobody had judged it yet. A run that only ends now is judged by its effect.
            if let run = runs[id], run.phase == .running, run.endings.count == run.plan.jobs.count {
                runs[id]?.phase = .judging
                // Ends with the run's ending stored; another restart judges again.
                Task { await self.judgeRun(id) }
            }
        }
        await committed()
        return remarks
    }

    /// For how many half-lives use is remembered across a restart.
    private static let halfLivesKept = 4.0

    /// Who used how much lately: fair shares go on from there.
    private func recoverUse() async throws(CoordinatorError) {
        let now = clock.now
        let halfLife = settings.farm.halfLife
        let since = now.advanced(by: .zero - halfLife * Self.halfLivesKept)
        let used = try await keeper.read { storage throws(StorageError) in try storage.use(since: since) }
        for use in used {
            let age = max(0, use.at.duration(to: now).inSeconds)
            let left = exp2(-age / halfLife.inSeconds)
            farm.restore(
                .used(use.principal, cpuSeconds: use.cpuSeconds * left, gpuSeconds: use.gpuSeconds * left))
        }
    }

    /// - Returns: false for a run that may only have waited for its concurrency group: what becomes of it shows when all
    ///   that had begun are known.
    private func restore(_ stored: StoredDecisions, _ trees: ObjectStore) async throws(RecoveryError) -> Bool {
        let record = stored.run.run
        let (request, plan) = try Self.submission(of: stored)
        let prepared: PreparedRun
        do {
            prepared = try await DiskThreads.shared.run {
                try PreparedRun(stored: request, plan: plan, run: record.id, by: record.owner, trees: trees)
            }
        } catch let mistakes as Mistakes {
            throw RecoveryError(mistakes.diagnostics.first.map(\.description) ?? "its workflow cannot be read")
        } catch {
            throw RecoveryError("its code tree cannot be read: \(error)")
        }
        var run = LiveRun(id: record.id, owner: record.owner, submittedAt: record.submittedAt, prepared: prepared)
        let decisions = try stored.decisions(into: &run)
        run.past = await pastCells(of: run.plan, run.request, for: run.owner, before: run.id)
        runs[record.id] = run
        if let concurrency = run.concurrency {
            guard stored.hasBegun else { return false }
            groups.restore(.init(record.id), group: concurrency.name, of: run.household)
        }
        for decision in decisions { farm.restore(decision) }
        restoreGroups(of: run, begun: stored.cellsBegun, going: stored.cellsGoing, stopped: stored.cellsStopped)
        return true
    }

    private func admit(_ stored: StoredDecisions) {
        let record = stored.run.run
        guard let run = runs[record.id], let concurrency = run.concurrency else { return }
        let submitted = Farm.Decision.runSubmitted(
            record.id, owner: run.owner, plan: run.plan, priority: Int(run.request.priority), at: run.submittedAt)
        if let cancellation = stored.run.cancellation {
            farm.restore(submitted)
            farm.restore(
                .runCancelled(
                    record.id, by: cancellation.by, reason: cancellation.reason, isForced: cancellation.isForced))
            return
        }
        let effects = groups.enter(
            .init(record.id), ConcurrencyGroup(name: concurrency.name, queues: concurrency.queues), of: run.household)
        if effects.contains(.start(.init(record.id))) {
            farm.restore(submitted)
        } else {
            held[record.id] = .runSubmitted(
                record.id, owner: run.owner, plan: run.plan, priority: Int(run.request.priority))
        }
    }

    /// What a run was submitted with, as it was stored.
    static func submission(of stored: StoredDecisions) throws(RecoveryError) -> (Proto.SubmitRunRequest, Plan) {
        do {
            return (
                try Proto.SubmitRunRequest(decoding: stored.run.run.request),
                try Proto.Plan(decoding: stored.run.run.plan, limits: .large).meaning()
            )
        } catch {
            throw RecoveryError("its record cannot be read: \(error)")
        }
    }
}

/// Why a stored run cannot go on in this build.
struct RecoveryError: Error {
    var problem: String
    init(_ problem: String) { self.problem = problem }
}

/// Everything that was decided about one run, as the store has it.
struct StoredDecisions: Sendable {
    var run: StoredRun
    var jobs: [JobRecord]
    var cells: [CellRecord]
    var attempts: [StoredAttempt]
    var settlements: [SettlementRecord]

    init(_ id: RunID, in storage: any Storage) throws(StorageError) {
        guard let run = try storage.run(id) else { throw .conflict("\(id) is open and has no record") }
        self.run = run
        jobs = try storage.jobs(of: id)
        cells = try storage.cells(of: id)
        attempts = try storage.attempts(of: id)
        settlements = try storage.settlements(of: id)
    }

    /// Anything of it was decided.
    var hasBegun: Bool { !jobs.isEmpty || !cells.isEmpty || !attempts.isEmpty }

    /// Cells that were cut, or whose listing was leased: their concurrency groups have let them in.
    var cellsBegun: [CellID] {
        Set(cells.lazy.filter { $0.shards != nil }.map(\.cell)).union(attempts.lazy.map(\.lease.attempt.shard.cell))
            .sorted()
    }

    /// Those of them that have not ended.
    var cellsGoing: Set<CellID> {
        Set(cellsBegun).subtracting(cells.lazy.filter { $0.ending != nil }.map(\.cell))
    }

    /// Cells whose place in a concurrency group others have taken.
    var cellsStopped: [(cell: CellID, stop: CellRecord.Stop)] {
        cells.compactMap { cell in cell.stopped.map { (cell.cell, $0) } }
    }

    /// In the order in which the farm takes them.
    ///
    /// - Parameter run: takes over what it has to know of them.
    func decisions(into run: inout LiveRun) throws(RecoveryError) -> [Farm.Decision] {
        run.isCancelled = self.run.cancellation != nil
        run.isCancelForced = self.run.cancellation?.isForced == true
        for cell in cells {
            if cell.shards != nil { run.itemCount[cell.cell] = cell.items }
            if let ending = cell.ending.flatMap(Farm.CellEnding.init) { run.cellEndings[cell.cell] = ending.rawValue }
        }
        for job in jobs { run.endings[job.job] = job.ending.flatMap(Farm.JobEnding.init) }
        let decisions = try decisions(
            by: run.owner, &run.plan, priority: Int(run.request.priority), at: run.submittedAt)
        run.handedOn = try handedOn(in: run.plan)
        return decisions
    }

    /// What its attempts give to others.
    ///
    /// - Parameter plan: with the cells of jobs that became known on the way.
    func handedOn(in plan: Plan) throws(RecoveryError) -> HandedOn {
        var handedOn = HandedOn(of: run.run.id)
        // Beside an attempt that ended without a word for others, another one may go on.
        let deciding = Set(
            settlements.flatMap { settled in
                settled.attempt == 0
                    ? []
                    : (settled.first...settled.last).map {
                        AttemptID(shard: ShardID(cell: settled.cell, shard: $0), number: settled.attempt)
                    }
            })
        for attempt in attempts {
            guard let ending = attempt.ending,
                ending.cause.kind == .passed || deciding.contains(attempt.lease.attempt), !ending.report.isEmpty
            else { continue }
            do throws(ProtoError) {
                let report = try Proto.AttemptReport(decoding: ending.report, limits: .large)
                handedOn.take(
                    report, of: attempt.lease.attempt, hasPassed: ending.cause.kind == .passed, in: plan)
            } catch {
                throw RecoveryError("the report of \(attempt.lease.attempt) cannot be read: \(error)")
            }
        }
        return handedOn
    }

    /// - Parameter plan: gets the cells of jobs that became known on the way.
    func decisions(
        by owner: Principal, _ plan: inout Plan, priority: Int, at submittedAt: Instant
    ) throws(RecoveryError) -> [Farm.Decision] {
        let id = run.run.id
        var decisions: [Farm.Decision] = [
            .runSubmitted(id, owner: owner, plan: plan, priority: priority, at: submittedAt)
        ]
        if let cancellation = run.cancellation {
            decisions.append(
                .runCancelled(
                    id, by: cancellation.by, reason: cancellation.reason, isForced: cancellation.isForced))
        }
        for job in jobs where plan.jobs.indices.contains(job.job) {
            if let resolution = try resolution(of: job, &plan) {
                decisions.append(.jobResolved(id, job: job.job, resolution, at: job.at))
            }
        }
        for cell in cells {
            guard let shards = cell.shards else { continue }
            decisions.append(.cellSharded(cell.cell, shards: shards, items: cell.items))
        }
        let kept = shardsKept
        for attempt in attempts where !kept.contains(attempt.lease.attempt.shard) {
            let lease = attempt.lease
            decisions.append(
                .leased(
                    Farm.Lease(
                        attempt: lease.attempt, agent: lease.agent, devices: lease.devices, cpus: lease.cpus,
                        memory: lease.memory.bytes == 0 ? nil : lease.memory, at: lease.at, until: lease.until,
                        beside: lease.beside == 0 ? nil : .init(number: lease.beside, why: lease.besideWhy),
                        behind: lease.behind),
                    startedAt: attempt.startedAt))
            guard let ending = attempt.ending else { continue }
            decisions.append(.attemptEnded(lease.attempt, ending.cause, retryAt: ending.retryAt))
            guard ending.cause.kind == .passed, !lease.attempt.shard.isListing else { continue }
            let took = (attempt.startedAt ?? lease.at).duration(to: ending.at)
            // The clock was set back in between: how long it took nobody knows.
            guard took >= .zero else { continue }
            decisions.append(.attemptTook(lease.attempt, took))
        }
        for settled in settlements {
            decisions.append(
                .settled(settled.cell, shards: settled.first...settled.last, attempt: settled.attempt, settled.cause))
        }
        for cell in cells {
            if let ending = cell.ending.flatMap(Farm.CellEnding.init) {
                decisions.append(.cellEnded(cell.cell, ending))
            } else if let stop = cell.stopped {
                decisions.append(.cellStopped(cell.cell, reason: stop.reason))
            }
        }
        for job in jobs {
            guard let ending = job.ending.flatMap(Farm.JobEnding.init) else { continue }
            decisions.append(.jobEnded(id, job: job.job, ending))
        }
        return decisions
    }

    /// Shards that an earlier run had done and this one keeps. Their attempts were leased before it was submitted: the farm
    /// takes them as settled, and what they were tried again was spent by the other run.
    private var shardsKept: Set<ShardID> {
        let passed = attempts.lazy.filter { attempt in
            attempt.lease.at < run.run.submittedAt && attempt.ending?.cause.kind == .passed
        }
        return Set(passed.map(\.lease.attempt.shard))
    }

    private func resolution(of job: JobRecord, _ plan: inout Plan) throws(RecoveryError) -> Farm.Resolution? {
        switch job.kind {
        case .notApplicable: return .notApplicable(reason: job.reason)
        case .notReached: return .notReached(reason: job.reason)
        case .failed: return .failed(reason: job.reason)
        case .cells:
            do {
                let planned = try Proto.PlannedJob(decoding: job.resolution, limits: .large).meaning(
                    among: plan.jobs.count)
                plan.jobs[job.job] = planned
                return .cells(
                    planned.cells ?? [], failFast: planned.failFast, maxParallel: planned.maxParallel,
                    goesOn: planned.onCancel == .goesOn)
            } catch {
                throw RecoveryError("what job \(job.job) came to cannot be read: \(error)")
            }
        case .unresolved: return nil
        }
    }
}
