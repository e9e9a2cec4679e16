import Artifacts
import Model
import Queries
import Scheduling
import Storage
import Transport
import Wire
import Workflows

extension Coordinator {
    /// More than could be in the doorway at one time.
    static let recentKeysMax = 10_000

    /// The number that a submission gets before it is read; one that is refused leaves a gap.
    func reserveRun() throws(LinkStatus) -> RunID {
        guard runs.count < settings.runsMax else {
            throw LinkStatus(.exhausted, "\(runs.count) runs are open; wait for some to end")
        }
        let id = nextRun
        nextRun = RunID(id.number + 1)
        return id
    }

    /// Takes a run in. Back once it is committed.
    ///
    /// - Parameter key: the submitter's own, with whose it is: the same key is the same run.
    /// - Parameter who: who reruns an earlier one, which stays its owner's; `nil`: its owner submits it.
    func submit(
        _ prepared: PreparedRun, as id: RunID, key: String, by owner: Principal, askedBy who: Principal? = nil
    ) async -> RunID {
        let past = await pastCells(of: prepared.plan, prepared.request, for: owner, before: id)
        if let known = take(key, as: id) {
            await committed()
            return known
        }
        let now = clock.now
        var run = LiveRun(id: id, owner: owner, submittedAt: now, prepared: prepared)
        run.past = past
        run.plan.tree = run.tree
        runs[id] = run
        store(
            [
                .runSubmitted(
                    RunRecord(
                        id: id, key: key, owner: owner, name: run.plan.name, file: run.plan.file, submittedAt: now,
                        tree: run.tree, commit: run.request.commit, request: run.request.encoded(),
                        plan: Proto.Plan(run.plan).encoded())),
                .audited(
                    AuditRecord(
                        at: now, who: (who ?? owner).title, action: who == nil ? "submit" : "rerun",
                        subject: who == nil ? "run \(id)" : "run \(RunID(run.request.rerunOf)) as run \(id)")),
            ], touching: id)
        begin(id, .runSubmitted(id, owner: owner, plan: run.plan, priority: Int(run.request.priority)))
        await committed()
        return id
    }

    /// What earlier runs say of a run's cells; nothing where the store cannot be read: it orders work, no more.
    func pastCells(
        of plan: Plan, _ request: Proto.SubmitRunRequest, for owner: Principal, before run: RunID
    ) async -> PastCells {
        let (workflow, repository) = (plan.name, request.repository)
        // `try?`: see above.
        let past = try? await DiskThreads.shared.run { [storage = keeper.storage] () throws(QueryError) in
            try RunReader(storage: storage).pastCells(of: workflow, in: repository, for: owner, before: run)
        }
        return past ?? PastCells()
    }

    /// Notes the key of a submission.
    ///
    /// - Returns: the run that has it already.
    func take(_ key: String, as id: RunID) -> RunID? {
        if let known = keys[key] { return known }
        keys[key] = id
        recentKeys.append(key)
        if recentKeys.count > Self.recentKeysMax { keys[recentKeys.removeFirst()] = nil }
        return nil
    }

    /// - Returns: false when the run is not open.
    ///
    /// - Parameter isForced: also jobs end whose conditions hold in a cancelled run.
    func cancel(_ id: RunID, reason: String, isForced: Bool, by who: Principal) async -> Bool {
        guard runs[id]?.phase == .running else {
            // Its end may be on its way to the disk: nobody hears of it before it is stored.
            await committed()
            return false
        }
        for event in cancelling(id, by: who.title, reason, isForced: isForced, at: clock.now) { handle(event) }
        await committed()
        return true
    }

    /// Cancels a run that has taken as long as it may: what goes on in a cancelled run still does.
    func end(_ id: RunID, atItsDeadline reason: String, at now: Instant) -> [Farm.Event] {
        guard let run = runs[id], run.phase == .running, !run.isCancelled else { return [] }
        return cancelling(id, by: "its deadline", reason, isForced: false, at: now)
    }

    /// Stores that a running run is cancelled, unless that is known, and tells what that ends.
    func cancelling(
        _ id: RunID, by who: String, _ reason: String, isForced: Bool, at now: Instant
    ) -> [Farm.Event] {
        let isForced = isForced || held[id] != nil
        guard let run = runs[id], !run.isCancelled || (isForced && !run.isCancelForced) else { return [] }
        runs[id]?.isCancelled = true
        runs[id]?.isCancelForced = run.isCancelForced || isForced
        let audited = AuditRecord(
            at: now, who: who, action: isForced ? "cancel --force" : "cancel", subject: "run \(id)")
        store(
            [.runCancelled(id, by: who, reason: reason, isForced: isForced, at: now), .audited(audited)], touching: id)
        return endings(of: id, by: who, reason, isForced: isForced)
    }

    /// A live run as watchers see it; `nil` when it has ended or never was.
    func view(of id: RunID) -> RunView? {
        guard let run = runs[id] else { return nil }
        let cells = (published[id] ?? []).enumerated().flatMap { job, cells in
            zip(run.plan.jobs[job].cells ?? [], cells).map { cell, progress in
                Proto.CellSummary.with {
                    $0.job = run.plan.jobs[job].id
                    $0.cell = cell.id
                    $0.name = cell.name
                    $0.state = progress.state.rawValue
                    $0.shardsSettled = UInt32(clamping: progress.shardsSettled)
                    $0.shardsTotal = UInt32(clamping: progress.shardsTotal ?? 0)
                }
            }
        }
        var summary = Proto.RunSummary.with {
            $0.run = id.number
            $0.name = run.plan.name
            $0.title = run.plan.title
            $0.file = run.plan.file
            $0.state = run.isEndStored ? "judging" : "running"
            $0.owner = run.owner.name
            $0.team = run.owner.team ?? ""
            $0.submittedAt = run.submittedAt.nanoseconds
            $0.commit = run.request.commit
        }
        summary.count(cells, of: run.plan)
        return RunView(owner: run.owner, summary: summary, cells: cells, notes: run.notes)
    }

    /// With the cells of jobs as they became known; `nil` when the run has ended or never was.
    func plan(of id: RunID) -> Plan? { runs[id]?.plan }

    /// How often it is looked whether something waits for what the farm does not have.
    static let unmetLookEvery = Duration.seconds(2)

    /// Tells those who read along what waits for something that the farm does not have. What lasts from one look to the next
    /// is told, once.
    func tellUnmetNeeds() {
        guard !runs.isEmpty else { return }
        var found: [RunID: Set<String>] = [:]
        for unmet in farm.unmetNeeds() {
            guard let run = runs[unmet.run], let cell = run.plan.jobs[unmet.job].cells?[unmet.cell] else { continue }
            let others = unmet.cells > 1 ? " and \(unmet.cells - 1) more wait: " : " waits: "
            let text = cell.name + others + unmet.reason
            found[unmet.run, default: []].insert(text)
        }
        for id in runs.keys {
            guard let run = runs[id] else { continue }
            let now = found[id] ?? []
            let lasting = now.intersection(run.unmet)
            let fresh = lasting.subtracting(run.unmetTold)
            runs[id]?.unmet = now
            runs[id]?.unmetTold = run.unmetTold.intersection(now).union(fresh)
            for text in fresh.sorted() { note(text, in: id) }
            if !fresh.isEmpty { pulses.changed(id) }
        }
    }

    /// Ends when it is cancelled.
    func keepTellingUnmetNeeds() async {
        while (try? await Task.sleep(for: Self.unmetLookEvery)) != nil { tellUnmetNeeds() }
    }

    func explain(_ cell: CellID, shard: Int?) -> [String] {
        if let wait = waiting(cell) { return [wait] }
        return farm.explain(cell, shard: shard, at: clock.now) + diskWaits(in: cell, shard: shard)
    }
}

/// A run as people see it.
struct RunView: Sendable {
    var owner: Principal
    var summary: Proto.RunSummary
    var cells: [Proto.CellSummary]
    var notes: [String]
}

extension Coordinator {
    /// Notes that a scope possesses objects. Back when that is durable.
    func grant(_ digests: [Digest], to scope: String) async {
        diskTook()
        store([.objectsGranted(scope: scope, digests: digests)])
        await committed()
    }

    /// - Parameter reason: why a run that did not pass is one; may be empty.
    func setBaseline(_ record: BaselineRecord, by who: Principal, because reason: String) async {
        baselinesSet += 1
        store([
            .baselineSet(record),
            .audited(
                AuditRecord(
                    at: record.setAt, who: who.title, action: "set baseline",
                    subject: "\(record.alias) to \(record.run)" + (reason.isEmpty ? "" : ": \(reason)"))),
        ])
        await committed()
    }
}
