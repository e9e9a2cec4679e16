import Artifacts
import Model
import Queries
import Scheduling
import Storage
import Transport
import Wire
import Workflows

/// `sheaf rerun`: what an ended run was submitted with, once more; all of it, or only what had not settled well.
extension People {
    func rerun(_ request: Proto.RerunRequest, _ who: Principal) async throws(LinkStatus) -> Proto.SubmitRunResponse {
        let earlier = RunID(request.run)
        let owner = try await owner(of: earlier, who)
        guard Self.mayCancel(owner, who) else {
            throw LinkStatus(.denied, "\(earlier) belongs to \(owner.name): only its owner or an admin may rerun it")
        }
        // Until the new run names what it keeps: an old run's code and artifacts could be dropped in between.
        await coordinator.keepBulk(of: earlier)
        do throws(LinkStatus) {
            let answer = try await rerun(request, of: earlier, owner, who)
            await coordinator.letBulkGo(of: earlier)
            return answer
        } catch {
            await coordinator.letBulkGo(of: earlier)
            throw error
        }
    }

    private func rerun(
        _ request: Proto.RerunRequest, of earlier: RunID, _ owner: Principal, _ who: Principal
    ) async throws(LinkStatus) -> Proto.SubmitRunResponse {
        let key = try Self.ownKey(request.key, who)
        let stored = try await ended(earlier)
        var submission: Proto.SubmitRunRequest
        let plan: Plan
        do throws(RecoveryError) {
            (submission, plan) = try Coordinator.submission(of: stored)
        } catch {
            throw LinkStatus(.conflict, "\(earlier) cannot be run again: \(error.problem)")
        }
        submission.rerunOf = earlier.number
        submission.rerunFailed = request.failed
        if let known = try await known(key, submission) { return .with { $0.run = known.number } }
        submission.deliverHost = try hosts.host(for: submission, by: owner) ?? ""
        try refuseForbidden(submission)
        let id = try await coordinator.reserveRun()
        if request.failed {
            let kept = try await kept(of: stored, plan, submission, as: id, key: key)
            let run = await coordinator.submit(kept, key: key, askedBy: who)
            if run == id { await logs.link(kept.logs) }
            return .with { $0.run = run.number }
        }
        let tree = try await keptTree(of: stored)
        return try await answering {
            let prepared = try await prepare(submission, id, by: owner, tree: tree)
            if let refusal = await coordinator.refusal(of: prepared.plan) { throw refusal }
            let run = await coordinator.submit(prepared, as: id, key: key, by: owner, askedBy: who)
            return .with {
                $0.run = run.number
                $0.diagnostics = prepared.warnings.map { Proto.Diagnostic($0) }
            }
        }
    }

    /// A run that has ended and of which everything is still kept.
    private func ended(_ run: RunID) async throws(LinkStatus) -> StoredDecisions {
        let stored: StoredDecisions
        do throws(CoordinatorError) {
            stored = try await keeper.read { storage throws(StorageError) in try StoredDecisions(run, in: storage) }
        } catch {
            throw error.status
        }
        guard stored.run.ending != nil else {
            throw LinkStatus(.conflict, "\(run) has not ended: wait for it, or cancel it, then rerun it")
        }
        if let dropped = stored.run.bulkDroppedAt {
            throw LinkStatus(
                .conflict, "the code and the artifacts of \(run) were dropped at \(dropped.utc); submit it anew")
        }
        return stored
    }

    private func keptTree(of stored: StoredDecisions) async throws(LinkStatus) -> SubmittedTree? {
        guard let digest = stored.run.run.tree else { return nil }
        do throws(ArtifactError) {
            return try await DiskThreads.shared.run { [store] () throws(ArtifactError) in
                try SubmittedTree(digest, in: store)
            }
        } catch {
            throw LinkStatus(.conflict, "the code tree \(digest.short) is not whole: \(error); submit it anew")
        }
    }

    private func kept(
        of stored: StoredDecisions, _ plan: Plan, _ submission: Proto.SubmitRunRequest, as id: RunID, key: String
    ) async throws(LinkStatus) -> KeptRun {
        let (earlier, now) = (stored.run.run.id, clock.now)
        do {
            return try await DiskThreads.shared.run { [store, library] in
                if let digest = stored.run.run.tree { _ = try SubmittedTree(digest, in: store) }
                let snapshot = try library.snapshot(of: earlier)
                if let over = try snapshot.artifacts().compactMap(\.artifact).first(where: {
                    snapshot.isOver($0, at: now)
                }) {
                    throw LinkStatus(
                        .conflict,
                        "the retention-days of the artifact '\(over.name)' of \(earlier) are over: "
                            + "rerun all of it, without --failed")
                }
                return try KeptRun(of: stored, plan, submission, as: id, key: key, at: now, trees: store)
            }
        } catch let status as LinkStatus {
            throw status
        } catch let error as RecoveryError {
            throw LinkStatus(.conflict, "\(earlier) cannot be run again: \(error.problem)")
        } catch let mistakes as Mistakes {
            throw LinkStatus(
                .conflict,
                "this coordinator reads the workflow of \(earlier) otherwise than the one that ran it: "
                    + (mistakes.diagnostics.first.map(\.description) ?? "") + "; rerun all of it, without --failed")
        } catch {
            throw LinkStatus(.conflict, "\(earlier) cannot be run again: \(error)")
        }
    }
}

/// A run that keeps what had settled well of one before it: its rows as they are stored, and what the farm is told.
struct KeptRun: Sendable {
    var live: LiveRun
    var changes: [Change]
    var decisions: [Farm.Decision]
    /// The logs of attempts that are kept: the earlier run's, and the names they get.
    var logs: [(from: AttemptID, to: AttemptID)]
    let earlier: RunID

    /// Blocks on the disk.
    ///
    /// - Throws: `LinkStatus` when nothing is left to do; `RecoveryError`, `Mistakes`, `ArtifactError`.
    init(
        of stored: StoredDecisions, _ plan: Plan, _ submission: Proto.SubmitRunRequest, as id: RunID, key: String,
        at now: Instant, trees: ObjectStore
    ) throws {
        let record = stored.run.run
        earlier = record.id
        let prepared = try PreparedRun(stored: submission, plan: plan, run: id, by: record.owner, trees: trees)
        // Under its old number, to see what had been decided.
        var old = LiveRun(id: record.id, owner: record.owner, submittedAt: record.submittedAt, prepared: prepared)
        let all = try stored.decisions(into: &old)
        let rerun = Rerun(of: all, needs: plan.jobs.map(\.needs))
        guard !rerun.isWhole else {
            throw LinkStatus(
                .conflict,
                "every shard of \(earlier) settled well: there is nothing to run again; "
                    + "without --failed all of it is run again")
        }
        var kept = stored
        kept.keep(rerun, as: id, at: now)
        var live = LiveRun(id: id, owner: record.owner, submittedAt: now, prepared: prepared)
        _ = try kept.decisions(into: &live)
        live.notes.append("keeps \(rerun.shardCount) shards that passed in \(earlier)")
        self.live = live
        decisions = rerun.decisions(from: all, as: id, at: now)
        let row = RunRecord(
            id: id, key: key, owner: record.owner, name: record.name, file: record.file, submittedAt: now,
            tree: record.tree, commit: record.commit, request: submission.encoded(), plan: record.plan)
        changes = [.runSubmitted(row)] + kept.changes
        logs = kept.attempts.map { attempt in
            let to = attempt.lease.attempt
            let shard = ShardID(
                run: record.id, job: to.shard.cell.job, cell: to.shard.cell.cell, shard: to.shard.shard)
            return (AttemptID(shard: shard, number: to.number), to)
        }
    }
}

extension StoredDecisions {
    /// Leaves only what a rerun keeps, under the number of the run that keeps it.
    mutating func keep(_ rerun: Rerun, as id: RunID, at now: Instant) {
        let earlier = run.run.id
        run.run.id = id
        run.run.submittedAt = now
        run.cancellation = nil
        run.ending = nil
        let moved = { (cell: CellID) in CellID(run: id, job: cell.job, cell: cell.cell) }
        jobs = jobs.filter { rerun.keepsCells(ofJob: $0.job) }.map { job in
            var job = job
            job.run = id
            job.at = now
            if !rerun.keepsEnd(ofJob: job.job) { (job.ending, job.reason) = (nil, "") }
            return job
        }
        cells = cells.filter { rerun.keeps($0.cell) }.map { cell in
            var cell = cell
            cell.cell = moved(cell.cell)
            if !["passed", "skipped"].contains(cell.ending) { cell.ending = nil }
            return cell
        }
        attempts = attempts.filter { rerun.keeps($0.lease.attempt.shard) && $0.ending != nil }.map { attempt in
            var attempt = attempt
            let old = attempt.lease.attempt
            let new = AttemptID(
                shard: ShardID(cell: moved(old.shard.cell), shard: old.shard.shard), number: old.number)
            attempt.lease.attempt = new
            // Also by a clock that was set back in between: what was leased before a run was submitted is none of its own.
            attempt.lease.at = min(attempt.lease.at, now.advanced(by: .nanoseconds(-1)))
            attempt.ending?.attempt = new
            attempt.ending?.why += "; kept from \(earlier)"
            return attempt
        }
        settlements = settlements.filter {
            rerun.keeps(ShardID(cell: $0.cell, shard: $0.first)) && $0.cause.kind == .passed
        }.map { settlement in
            var settlement = settlement
            settlement.cell = moved(settlement.cell)
            return settlement
        }
    }

    /// What is stored of them, below the run's own row.
    var changes: [Change] {
        var changes: [Change] = jobs.map { .jobResolved($0) }
        for cell in cells {
            if let shards = cell.shards {
                changes.append(.cellSharded(cell.cell, shards: shards, items: cell.items, listing: cell.listing))
            }
            if let ending = cell.ending { changes.append(.cellEnded(cell.cell, ending: ending)) }
        }
        for attempt in attempts {
            changes.append(.attemptLeased(attempt.lease))
            if let at = attempt.startedAt { changes.append(.attemptStarted(attempt.lease.attempt, at: at)) }
            if let ending = attempt.ending { changes.append(.attemptEnded(ending)) }
        }
        return changes + settlements.map { .shardsSettled($0) }
    }
}

extension Coordinator {
    /// Takes in a run that keeps results of another. Back once it is committed.
    func submit(_ kept: KeptRun, key: String, askedBy who: Principal) async -> RunID {
        let id = kept.live.id
        var live = kept.live
        live.past = await pastCells(of: live.plan, live.request, for: live.owner, before: id)
        if let known = take(key, as: id) {
            await committed()
            return known
        }
        runs[id] = live
        store(
            kept.changes + [
                .audited(
                    AuditRecord(
                        at: kept.live.submittedAt, who: who.title, action: "rerun",
                        subject: "what failed of run \(kept.earlier) as run \(id)"))
            ], touching: id)
        begin(
            id,
            .runRerun(
                id, owner: kept.live.owner, plan: kept.live.plan, priority: Int(kept.live.request.priority),
                keeping: kept.decisions))
        await committed()
        return id
    }
}
