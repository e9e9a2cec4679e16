import Model
import Scheduling
import Storage
import Wire
import Workflows

/// `concurrency`: runs, calls and cells of one group do not go on at the same time. A run that waits is stored and not yet
/// known to the farm; a cell that waits, for its own group or that of a call it is made by, is not cut yet.
extension Coordinator {
    /// Hands a run to the farm, now or when its group is free.
    func begin(_ id: RunID, _ event: Farm.Event) {
        guard let run = runs[id], let concurrency = run.concurrency else { return handle(event) }
        held[id] = event
        let effects = groups.enter(.init(id), concurrency, of: run.household)
        tellWaiting(.init(id))
        for effect in effects {
            for event in follow(effect) { handle(event) }
        }
    }

    /// What is to be decided because a group has changed.
    func follow(_ effect: ConcurrencyGroups.Effect) -> [Farm.Event] {
        switch effect {
        case .start(let member):
            guard member.part != .run else { return held.removeValue(forKey: member.run).map { [$0] } ?? [] }
            return letIn(grouped[member, default: []].sorted(), behind: member)
        case .replace(let member, let by, let group):
            return ended(member, by: group, "\(title(of: by)) took its place in concurrency group '\(group)'")
        case .cancel(let member, let by, let group):
            return ended(member, by: group, "\(title(of: by)) came in concurrency group '\(group)'")
        case .refuse(let member, let holder, let group):
            let reason = "it would wait for ever in concurrency group '\(group)', which \(title(of: holder)) is in"
            return ended(member, by: group, reason)
        case .turnAway(let member, let group):
            return ended(
                member, by: group, "\(ConcurrencyGroups.queueMax) others wait in concurrency group '\(group)'")
        }
    }

    private func ended(_ member: ConcurrencyGroups.Member, by group: String, _ reason: String) -> [Farm.Event] {
        guard member.part != .run else { return cancelled(member.run, by: group, reason) }
        if case .call = member.part { stoppedCalls[member] = reason }
        note("\(name(of: member)): \(reason)", in: member.run)
        return stop(grouped[member, default: []].sorted(), in: member, reason)
    }

    /// Others have taken the place of these cells.
    private func stop(_ cells: [CellID], in member: ConcurrencyGroups.Member, _ reason: String) -> [Farm.Event] {
        guard let run = cells.first?.run else { return [] }
        store([.cellsStopped(cells, group: member.group, reason: reason)], touching: run)
        return byJob(cells).map { .cellsStopped(run, job: $0.job, $0.cells, reason: reason) }
    }

    private func byJob(_ cells: [CellID]) -> [(job: Int, cells: [Int])] {
        Dictionary(grouping: cells, by: \.job).sorted { $0.key < $1.key }.map { ($0.key, $0.value.map(\.cell)) }
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

    /// A cell that nothing else holds up comes to the groups of the calls that it is made by, the outermost first, then to its
    /// own.
    func enterGroups(_ cell: CellID) { following += enter([cell], from: 0) }

    /// The group behind which these cells waited has let them in.
    private func letIn(_ cells: [CellID], behind member: ConcurrencyGroups.Member) -> [Farm.Event] {
        cells.first.flatMap { places(of: $0).firstIndex { $0.member == member } }.map { enter(cells, from: $0 + 1) }
            ?? []
    }

    /// - Parameters:
    ///   - cells: of one run; they have the first groups in common.
    ///   - index: of the groups of each, the first that it has not come to.
    private func enter(_ cells: [CellID], from index: Int) -> [Farm.Event] {
        guard let run = cells.first?.run, let household = runs[run]?.household else { return [] }
        var events: [Farm.Event] = []
        var letIn: [CellID] = []
        for cell in cells {
            var isIn = true
            for place in places(of: cell).dropFirst(index) where isIn {
                if let reason = reasonToStop(cell, at: place.member) {
                    events += stop([cell], in: place.member, reason)
                    isIn = false
                    continue
                }
                let isFirst = grouped[place.member] == nil
                grouped[place.member, default: []].insert(cell)
                isIn = false
                for effect in groups.enter(place.member, place.group, of: household) {
                    // Those that came before it were let in then.
                    if effect == .start(place.member) { isIn = true } else { events += follow(effect) }
                }
                if isFirst { tellWaiting(place.member) }
            }
            if isIn { letIn.append(cell) }
        }
        return events + byJob(letIn).map { .cellsReleased(run, job: $0.job, $0.cells) }
    }

    /// Why a cell is not let in any more: its call was stopped. Jobs that clean up after a cancellation are, where the call goes on
    /// until they have.
    private func reasonToStop(_ cell: CellID, at member: ConcurrencyGroups.Member) -> String? {
        guard let reason = stoppedCalls[member], let run = runs[cell.run] else { return nil }
        return run.plan.jobs[cell.job].onCancel == .ends || !groups.isGoingOn(member) ? reason : nil
    }

    /// A cell has ended: with the last of those in its group, others may go on.
    func leaveGroups(_ cell: CellID) {
        for (member, _) in places(of: cell) {
            guard grouped[member]?.remove(cell) != nil, grouped[member]?.isEmpty == true else { continue }
            // Further jobs of a call may come.
            if case .call = member.part { continue }
            leave(member)
        }
    }

    /// A job has ended: with the last of a call, others may go on.
    func leaveCalls(of job: Int, in run: RunID) {
        guard let live = runs[run] else { return }
        for call in live.plan.jobs[job].calls where live.isOver(call: call) {
            for member in groups.members(ofCall: call, in: run) { leave(member) }
            for member in stoppedCalls.keys where member.run == run && member.part == .call(call) {
                leave(member)
            }
        }
    }

    private func leave(_ member: ConcurrencyGroups.Member) {
        grouped[member] = nil
        stoppedCalls[member] = nil
        for effect in groups.leave(member) { following += follow(effect) }
    }

    /// After a restart: cells that had been let in, and calls that had begun or had been stopped.
    ///
    /// - Parameters:
    ///   - begun: cells that were let in, those that have ended included.
    ///   - going: those of them that have not ended.
    ///   - stopped: cells whose place others have taken, in which group and why.
    func restoreGroups(
        of run: LiveRun, begun: [CellID], going: Set<CellID>, stopped: [(cell: CellID, stop: CellRecord.Stop)]
    ) {
        for cell in begun {
            for (member, group) in run.places(of: cell) {
                if case .call(let call) = member.part {
                    guard !run.isOver(call: call) else { continue }
                } else if !going.contains(cell) {
                    continue
                }
                if going.contains(cell) { grouped[member, default: []].insert(cell) }
                groups.restore(member, group: group.name, of: run.household)
            }
        }
        for (cell, stop) in stopped {
            for (member, _) in run.places(of: cell) where member.group == stop.group {
                guard case .call(let call) = member.part, !run.isOver(call: call) else { continue }
                stoppedCalls[member] = stop.reason
            }
        }
    }

    /// As whom a cell comes to which groups, in their order; empty for one without any.
    private func places(of cell: CellID) -> [(member: ConcurrencyGroups.Member, group: ConcurrencyGroup)] {
        runs[cell.run]?.places(of: cell) ?? []
    }

    // MARK: Telling

    private func tellWaiting(_ member: ConcurrencyGroups.Member) {
        guard let wait = waiting(member) else { return }
        note((member.part == .run ? "" : "\(name(of: member)) ") + wait, in: member.run)
    }

    /// Why a cell waits for a group of its own, its calls' or its run's, in a sentence.
    func waiting(_ cell: CellID) -> String? {
        waiting(.init(cell.run)) ?? places(of: cell).lazy.compactMap { self.waiting($0.member) }.first
    }

    private func waiting(_ member: ConcurrencyGroups.Member) -> String? {
        groups.blocker(of: member).map { blocker in
            "waits for \(title(of: blocker.holder)) of concurrency group '\(blocker.group)'"
                + (blocker.ahead > 0 ? ", and \(blocker.ahead) before it" : "")
        }
    }

    private func title(of member: ConcurrencyGroups.Member) -> String {
        (member.part == .run ? "" : "\(name(of: member)) of ") + "run \(member.run)"
    }

    /// A single cell by its name, several by their job's, a call by the job that calls.
    private func name(of member: ConcurrencyGroups.Member) -> String {
        guard let run = runs[member.run] else { return "\(member.run)" }
        let cell = grouped[member]?.first.flatMap { run.plan.cell($0) }
        switch member.part {
        case .run: return "\(member.run)"
        case .call(let call):
            return cell?.callGroups.first { $0.call == call }?.title
                ?? run.plan.jobs.first { $0.calls.contains(call) }?.name ?? "a call"
        case .job(let job):
            return grouped[member]?.count == 1 ? cell?.name ?? run.plan.jobs[job].name : run.plan.jobs[job].name
        }
    }
}

extension LiveRun {
    /// Whose caches and groups these are. A repository is what its submitter says: nobody reaches those of another team
    /// by its name.
    var household: String {
        (owner.team.map { "team \($0)" } ?? "user \(owner.name)") + "\n" + request.repository
    }

    /// Whether all jobs of a call have ended.
    func isOver(call: Int) -> Bool {
        plan.jobs.indices.allSatisfy { !plan.jobs[$0].calls.contains(call) || endings[$0] != nil }
    }

    /// As whom a cell comes to which groups, in their order.
    func places(of cell: CellID) -> [(member: ConcurrencyGroups.Member, group: ConcurrencyGroup)] {
        guard let planned = plan.cell(cell), planned.isGrouped else { return [] }
        let calls = plan.jobs[cell.job].calls
        let outer = planned.callGroups.map { outer in
            let around = calls.firstIndex(of: outer.call).map { Array(calls[...$0]) } ?? [outer.call]
            return (
                ConcurrencyGroups.Member(cell.run, call: outer.call, group: outer.group.name, calls: around),
                outer.group
            )
        }
        let own = planned.concurrency.map {
            (ConcurrencyGroups.Member(cell.run, job: cell.job, group: $0.name, calls: calls), $0)
        }
        return outer + (own.map { [$0] } ?? [])
    }
}
