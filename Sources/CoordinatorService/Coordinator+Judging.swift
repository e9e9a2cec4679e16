import Model
import Queries
import Scheduling
import Storage
import Workflows

/// What jobs and runs come to: what a job that is ready does next, and the verdict of a run that has ended.
extension Coordinator {
    /// What a job comes to, now that what it needs has ended.
    ///
    /// - Parameter heldBack: why gates that it waits for do not let it start.
    func resolve(_ job: Int, of id: RunID, at now: Instant, heldBack: String? = nil) -> Farm.Event? {
        guard var run = runs[id] else { return nil }
        let resolution: Farm.Resolution
        do throws(Mistakes) {
            switch try run.workflow.resolve(
                job: job, ancestors: run.ancestors(of: job), isCancelled: run.isCancelled, run.planRequest,
                plannedCells: { [plan = run.plan] in plan.jobs[$0].cells })
            {
            case .cells where heldBack != nil: resolution = .notReached(reason: heldBack ?? "")
            // Nothing would be measured: that must not look like success.
            case .cells(let cells, _, _, _) where cells.isEmpty:
                resolution = .failed(reason: "the matrix has no cells")
            case .cells(let cells, let failFast, let maxParallel, let goesOn):
                var cells = cells
                run.past.describe(&cells, of: run.plan.jobs[job])
                run.plan.jobs[job].cells = cells
                run.plan.jobs[job].failFast = failFast
                run.plan.jobs[job].maxParallel = maxParallel
                run.plan.jobs[job].onCancel = goesOn ? .goesOn : .ends
                resolution = .cells(cells, failFast: failFast, maxParallel: maxParallel, goesOn: goesOn)
            case .notApplicable(let reason): resolution = .notApplicable(reason: reason)
            case .notReached(let reason): resolution = .notReached(reason: reason)
            }
        } catch {
            resolution = .failed(reason: error.diagnostics.map(\.sentence).joined(separator: "; "))
        }
        let record = JobRecord(keeping: resolution, of: job, in: id, planned: run.plan.jobs[job], at: now)
        runs[id] = run
        // What a cancelled run does not let start ends with it: it is not left out by its own condition.
        if !run.isCancelled || record.kind == .cells { pending.changes.append(.jobResolved(record)) }
        pending.touch(id)
        return .jobResolved(id, job: job, resolution)
    }

    /// Asks the gates that a job waits for, then lets it go on.
    func judgeGates(of id: RunID, job: Int) async {
        guard let run = runs[id] else { return }
        let reason = await hold(run, run.plan.jobs[job].needsGates)
        // In between, the run may have been cancelled.
        guard runs[id]?.phase == .running, runs[id]?.endings[job] == nil,
            let event = resolve(job, of: id, at: clock.now, heldBack: reason)
        else { return }
        handle(event)
    }

    func judgeRun(_ id: RunID) async {
        guard let run = runs[id] else { return }
        runs[id]?.isEndStored = true
        pulses.changed(id)
        let ending = await judge(run)
        store([.runEnded(ending)] + intents(run, ending).map { .deliveryIntended($0) }, touching: id)
        await committed()
        journal?.tell(.ended(id, ending.verdict))
        farm.forget(id)
        runs[id] = nil
        published[id] = nil
        pulses.ended(id)
    }
}
