import Model
import Scheduling
import Storage
import Wire
import Workflows

/// `concurrency`: runs and jobs of one group do not go on at the same time. A run that waits is stored and not yet known
/// to the farm; a job that waits is not resolved yet.
extension Coordinator {
    /// Hands a run to the farm, now or when its group is free.
    func begin(_ id: RunID, _ event: Farm.Event) {
        guard let run = runs[id], let concurrency = run.concurrency else { return handle(event) }
        held[id] = event
        let effects = groups.enter(
            .init(id), group: concurrency.group, of: run.household, cancelling: concurrency.cancels)
        tellWaiting(.init(id))
        handle(effects)
    }

    func handle(_ effects: [ConcurrencyGroups.Effect]) {
        for effect in effects {
            for event in follow(effect) { handle(event) }
        }
    }

    /// What is to be decided because a group has changed.
    func follow(_ effect: ConcurrencyGroups.Effect) -> [Farm.Event] {
        switch effect {
        case .start(let member):
            guard let job = member.job else { return held.removeValue(forKey: member.run).map { [$0] } ?? [] }
            return resolve(job, of: member.run, at: clock.now).map { [$0] } ?? []
        case .replace(let member, let by, let group):
            let reason = "\(title(of: by)) took its place in concurrency group '\(group)'"
            guard let job = member.job else { return cancelled(member.run, by: group, reason) }
            var record = JobRecord(run: member.run, job: job, kind: .notReached, at: clock.now)
            record.reason = reason
            store([.jobResolved(record)], touching: member.run)
            return [.jobResolved(member.run, job: job, .notReached(reason: reason))]
        case .cancel(let member, let by, let group):
            return cancelled(member.run, by: group, "\(title(of: by)) came in concurrency group '\(group)'")
        }
    }

    private func cancelled(_ id: RunID, by group: String, _ reason: String) -> [Farm.Event] {
        guard let run = runs[id], run.phase == .running, !run.isCancelled else { return [] }
        let who = "concurrency group '\(group)'"
        let isForced = held[id] != nil
        runs[id]?.isCancelled = true
        runs[id]?.isCancelForced = isForced
        note("cancelled: \(reason)", in: id)
        store(
            [
                .runCancelled(id, by: who, reason: reason, isForced: isForced, at: clock.now),
                .audited(AuditRecord(at: clock.now, who: who, action: "cancel", subject: "run \(id)")),
            ], touching: id)
        return endings(of: id, by: who, reason, isForced: isForced)
    }

    /// How a run is cancelled: one that waits for its group begins as one that has been. Nothing of that has run, so there
    /// is nothing to clean up: it is cancelled with force.
    func endings(of id: RunID, by who: String, _ reason: String, isForced: Bool) -> [Farm.Event] {
        guard held.removeValue(forKey: id) != nil, let run = runs[id] else {
            return [.runCancelled(id, by: who, reason: reason, isForced: isForced)]
        }
        return [
            .runRerun(
                id, owner: run.owner, plan: run.plan, priority: Int(run.request.priority),
                keeping: [.runCancelled(id, by: who, reason: reason, isForced: isForced)])
        ]
    }

    /// Whether a job may start now; if not, it is resolved again when its group is free.
    func mayStart(_ job: Int, of id: RunID) -> (isFree: Bool, others: [ConcurrencyGroups.Effect]) {
        guard let run = runs[id], let group = run.concurrencyGroup(of: job) else { return (true, []) }
        let member = ConcurrencyGroups.Member(id, job: job)
        let effects = groups.enter(member, group: group, of: run.household, cancelling: false)
        tellWaiting(member)
        return (effects.contains(.start(member)), effects.filter { $0 != .start(member) })
    }

    private func tellWaiting(_ member: ConcurrencyGroups.Member) {
        guard let wait = waiting(member) else { return }
        let name = member.job.flatMap { runs[member.run]?.plan.jobs[$0].name }
        note((name.map { "\($0) " } ?? "") + wait, in: member.run)
    }

    /// Why a run or a job waits for its group, in a sentence.
    func waiting(_ member: ConcurrencyGroups.Member) -> String? {
        groups.blocker(of: member).map { "waits for \(title(of: $0.holder)) of concurrency group '\($0.group)'" }
    }

    private func title(of member: ConcurrencyGroups.Member) -> String {
        let job = member.job.flatMap { job in runs[member.run]?.plan.jobs[job].name }
        return (job.map { "\($0) of " } ?? "") + "run \(member.run)"
    }
}

extension LiveRun {
    /// Whose caches and groups these are. A repository is what its submitter says: nobody reaches those of another team
    /// by its name.
    var household: String {
        (owner.team.map { "team \($0)" } ?? "user \(owner.name)") + "\n" + request.repository
    }

    /// The group of one of its jobs. What cannot be evaluated was said when the run was planned, and holds nobody up.
    func concurrencyGroup(of job: Int) -> String? {
        try? workflow.concurrencyGroup(ofJob: job, contexts, planRequest) { needed($0) }
    }
}
