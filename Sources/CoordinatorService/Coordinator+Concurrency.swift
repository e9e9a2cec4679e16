import Model
import Scheduling
import Storage
import Wire
import Workflows

/// `concurrency`: runs and cells of one group do not go on at the same time. A run that waits is stored and not yet known
/// to the farm; a cell that waits is not cut yet.
extension Coordinator {
    /// Hands a run to the farm, now or when its group is free.
    func begin(_ id: RunID, _ event: Farm.Event) {
        guard let run = runs[id], let concurrency = run.concurrency else { return handle(event) }
        held[id] = event
        let effects = groups.enter(
            .init(id), group: concurrency.name, of: run.household, cancelling: concurrency.cancels)
        tellWaiting(.init(id))
        for effect in effects {
            for event in follow(effect) { handle(event) }
        }
    }

    /// What is to be decided because a group has changed.
    func follow(_ effect: ConcurrencyGroups.Effect) -> [Farm.Event] {
        switch effect {
        case .start(let member):
            guard let job = member.job else { return held.removeValue(forKey: member.run).map { [$0] } ?? [] }
            return [.cellsReleased(member.run, job: job, grouped[member, default: []].sorted())]
        case .replace(let member, let by, let group):
            return ended(member, by: group, "\(title(of: by)) took its place in concurrency group '\(group)'")
        case .cancel(let member, let by, let group):
            return ended(member, by: group, "\(title(of: by)) came in concurrency group '\(group)'")
        case .refuse(let member, let holder, let group):
            let reason = "it would wait for ever in concurrency group '\(group)', which \(title(of: holder)) is in"
            return ended(member, by: group, reason)
        }
    }

    private func ended(_ member: ConcurrencyGroups.Member, by group: String, _ reason: String) -> [Farm.Event] {
        guard let job = member.job else { return cancelled(member.run, by: group, reason) }
        let cells = grouped[member, default: []].sorted()
        note("\(name(of: member)): \(reason)", in: member.run)
        store(
            [.cellsStopped(cells.map { CellID(run: member.run, job: job, cell: $0) }, reason: reason)],
            touching: member.run)
        return [.cellsStopped(member.run, job: job, cells, reason: reason)]
    }

    private func cancelled(_ id: RunID, by group: String, _ reason: String) -> [Farm.Event] {
        guard let run = runs[id], run.phase == .running, !run.isCancelled else { return [] }
        note("cancelled: \(reason)", in: id)
        return cancelling(id, by: "concurrency group '\(group)'", reason, isForced: false, at: clock.now)
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

    // MARK: Cells

    /// A cell that nothing else holds up comes to its group, with others of its job that are in it.
    func enterGroup(_ cell: CellID) {
        guard let run = runs[cell.run], let group = run.plan.cell(cell)?.concurrency, let member = member(of: cell)
        else { return following.append(.cellsReleased(cell.run, job: cell.job, [cell.cell])) }
        let isFirst = grouped[member] == nil
        grouped[member, default: []].insert(cell.cell)
        for effect in groups.enter(member, group: group.name, of: run.household, cancelling: group.cancels) {
            // Those of its job that came before it were let in then.
            following +=
                effect == .start(member)
                ? [.cellsReleased(cell.run, job: cell.job, [cell.cell])] : follow(effect)
        }
        if isFirst { tellWaiting(member) }
    }

    /// A cell has ended: with the last of them, others may go on.
    func leaveGroup(_ cell: CellID) {
        guard let member = member(of: cell), grouped[member]?.remove(cell.cell) != nil else { return }
        guard grouped[member]?.isEmpty == true else { return }
        grouped[member] = nil
        for effect in groups.leave(member) { following += follow(effect) }
    }

    /// After a restart: a cell that had been let in.
    func restoreGroup(_ cell: CellID, of run: LiveRun) {
        guard let group = run.plan.cell(cell)?.concurrency, let member = member(of: cell) else { return }
        grouped[member, default: []].insert(cell.cell)
        groups.restore(member, group: group.name, of: run.household)
    }

    /// As whom a cell comes to its group; `nil` for one without a group.
    func member(of cell: CellID) -> ConcurrencyGroups.Member? {
        guard let group = runs[cell.run]?.plan.cell(cell)?.concurrency else { return nil }
        return .init(cell.run, job: cell.job, group: group.name)
    }

    // MARK: Telling

    private func tellWaiting(_ member: ConcurrencyGroups.Member) {
        guard let wait = waiting(member) else { return }
        note((member.job == nil ? "" : "\(name(of: member)) ") + wait, in: member.run)
    }

    /// Why a run or a cell waits for its group, in a sentence.
    func waiting(_ member: ConcurrencyGroups.Member) -> String? {
        groups.blocker(of: member).map { "waits for \(title(of: $0.holder)) of concurrency group '\($0.group)'" }
    }

    private func title(of member: ConcurrencyGroups.Member) -> String {
        (member.job == nil ? "" : "\(name(of: member)) of ") + "run \(member.run)"
    }

    /// A single cell by its name, several by their job's.
    private func name(of member: ConcurrencyGroups.Member) -> String {
        guard let job = member.job, let run = runs[member.run] else { return "\(member.run)" }
        guard let cells = grouped[member], cells.count == 1, let cell = cells.first,
            let planned = run.plan.cell(CellID(run: member.run, job: job, cell: cell))
        else { return run.plan.jobs[job].name }
        return planned.name
    }
}

extension LiveRun {
    /// Whose caches and groups these are. A repository is what its submitter says: nobody reaches those of another team
    /// by its name.
    var household: String {
        (owner.team.map { "team \($0)" } ?? "user \(owner.name)") + "\n" + request.repository
    }
}
