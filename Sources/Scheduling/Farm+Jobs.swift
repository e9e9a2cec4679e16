package import Model

/// Runs and their jobs: from submission over needs to the end.
extension Farm {
    mutating func submit(_ id: RunID, owner: Principal, plan: Plan, priority: Int) {
        guard runSlots[id] == nil else { return }
        let run = addRun(id, owner: owner, plan: plan, priority: priority, at: now)
        for job in runs[run].jobs.indices where runs[run].jobs[job].phase == .waiting(needs: 0) {
            makeReady(run, job)
        }
        if runs[run].isEnded { effects.append(.runEnded(id)) }
    }

    /// - Returns: the slot of the run.
    mutating func addRun(
        _ id: RunID, owner: Principal, plan: Plan, priority: Int, at time: Instant
    ) -> Int {
        var jobs = plan.jobs.map { planned in
            var planned = planned
            planned.work = JobWork()
            return JobRecord(planned: planned, phase: .waiting(needs: Set(planned.needs).count))
        }
        for job in plan.jobs.indices {
            for need in Set(plan.jobs[job].needs).sorted() {
                precondition(plan.jobs.indices.contains(need), "a job needs jobs of its own plan")
                jobs[need].dependents.append(job)
            }
        }
        precondition(Self.isAcyclic(jobs), "needs lead in no circle")
        let ownerSlot = slot(of: owner)
        owners[ownerSlot].runs += 1
        let priority = min(max(priority, -Self.priorityMax), Self.priorityMax)
        let (forward, _) = settings.priorityStep.wholeNanoseconds.multipliedReportingOverflow(by: Int64(priority))
        let rank = time.nanoseconds.subtractingReportingOverflow(forward).partialValue
        var run = RunRecord(
            id: id, owner: ownerSlot, team: owner.team, isUntrusted: plan.untrusted != nil, rank: rank, tree: plan.tree,
            jobs: jobs)
        run.deadline = plan.deadline
        if let deadline = plan.deadline { timers.add(.deadline(id), at: time.advanced(by: deadline)) }
        let slot = runSlotsFree.popLast() ?? runs.count
        if slot == runs.count { runs.append(run) } else { runs[slot] = run }
        runSlots[id] = slot
        return slot
    }

    private static func isAcyclic(_ jobs: [JobRecord]) -> Bool {
        var left = jobs.map { Set($0.planned.needs).count }
        var free = left.indices.filter { left[$0] == 0 }
        var seen = 0
        while let job = free.popLast() {
            seen += 1
            for dependent in jobs[job].dependents {
                left[dependent] -= 1
                if left[dependent] == 0 { free.append(dependent) }
            }
        }
        return seen == jobs.count
    }

    mutating func makeReady(_ run: Int, _ job: Int) {
        if let cancellation = runs[run].cancellation, !outlives(run, job) {
            endUnrun(run, job, .cancelled, shown: .cancelled, reason: cancellation.evidence)
        } else {
            runs[run].jobs[job].phase = .ready
            effects.append(.jobReady(runs[run].id, job: job))
        }
    }

    mutating func resolve(_ id: RunID, job: Int, _ resolution: Resolution) {
        guard let run = runSlots[id], runs[run].jobs.indices.contains(job), runs[run].jobs[job].phase == .ready else {
            return
        }
        let cancellation = runs[run].cancellation
        if let cancellation, !resolution.hasCells {
            // It is not left out by its own condition: the run was cancelled.
            return endUnrun(run, job, .cancelled, shown: .cancelled, reason: cancellation.evidence)
        }
        switch resolution {
        case .cells(let cells, _, _, _) where cells.isEmpty:
            // Nothing was measured: that must not look like success.
            endUnrun(run, job, .failure, shown: .failed, reason: "the matrix has no cells")
        case .cells(let cells, let failFast, let maxParallel, let goesOn):
            startJob(
                run, job, cells: cells, failFast: failFast, maxParallel: maxParallel, goesOn: goesOn, at: now)
            runs[run].jobs[job].open.start(at: now.nanoseconds)
            pend(run, job)
            // Who waits for its cells one by one can be told which they are.
            for dependent in runs[run].jobs[job].dependents where isMatched(run, job, by: dependent) {
                countNeed(run, dependent)
            }
            if let cancellation, !outlives(run, job) { stopJob(run, job, cancellation) }
        case .notApplicable(let reason): endUnrun(run, job, .skipped, shown: .skipped, reason: reason)
        case .notReached(let reason): endUnrun(run, job, .skipped, shown: .notReached, reason: reason)
        case .failed(let reason): endUnrun(run, job, .failure, shown: .failed, reason: reason)
        }
    }

    mutating func startJob(
        _ run: Int, _ job: Int, cells: [PlannedCell], failFast: Bool, maxParallel: Int?, goesOn: Bool, at time: Instant
    ) {
        runs[run].jobs[job].planned.onCancel = goesOn ? .goesOn : .ends
        runs[run].jobs[job].planned.failFast = failFast
        runs[run].jobs[job].planned.maxParallel = maxParallel
        runs[run].jobs[job].phase = .running
        runs[run].jobs[job].resolvedAt = time
        runs[run].jobs[job].planned.cells = nil
        runs[run].jobs[job].cells = cells.map { CellRecord($0) }
    }

    /// Ends a job none of whose cells ever ran.
    private mutating func endUnrun(
        _ run: Int, _ job: Int, _ ending: JobEnding, shown: Farm.CellState, reason: String
    ) {
        runs[run].jobs[job].unrun = shown
        endJob(run, job, ending, reason: reason)
    }

    /// Ends the job when all its cells have ended.
    mutating func endJobIfDone(_ run: Int, _ job: Int) {
        let state = runs[run].jobs[job]
        guard state.phase == .running && state.cellsEnded == state.cells.count else { return }
        let count = state.cells.count
        if state.cellsFailed > 0 {
            endJob(run, job, .failure, reason: Self.part(state.cellsFailed, of: count, "failed"))
        } else if state.cellsCancelled > 0 {
            let why = (state.stop ?? runs[run].cancellation).map { ": " + $0.evidence } ?? ""
            let part = Self.part(state.cellsCancelled, of: count, count == 1 ? "was cancelled" : "were cancelled")
            endJob(run, job, .cancelled, reason: part + why)
        } else if state.cellsSkipped == count {
            let why = state.cells.first?.planned.skipped.map { ": " + $0 } ?? ""
            endJob(run, job, .skipped, reason: "every cell was skipped" + why)
        } else {
            endJob(run, job, .success, reason: "")
        }
    }

    private static func part(_ part: Int, of count: Int, _ what: String) -> String {
        count == 1 ? "its only cell \(what)" : "\(part) of \(count) cells \(what)"
    }

    private mutating func endJob(_ run: Int, _ job: Int, _ ending: JobEnding, reason: String) {
        runs[run].jobs[job].phase = .ended(ending)
        runs[run].jobsEnded += 1
        effects.append(.jobEnded(runs[run].id, job: job, ending, reason: reason))
        let hasCells = runs[run].jobs[job].hasCells
        for dependent in runs[run].jobs[job].dependents {
            // Counted when its cells were known.
            if hasCells, isMatched(run, job, by: dependent) { continue }
            countNeed(run, dependent)
        }
        // The last of a chain of cancelled jobs ends before those that it was called for: only one says so.
        if runs[run].isEnded && effects.last != .runEnded(runs[run].id) { effects.append(.runEnded(runs[run].id)) }
    }

    /// Whether a job waits for the cells of another one by one.
    private func isMatched(_ run: Int, _ job: Int, by dependent: Int) -> Bool {
        runs[run].jobs[dependent].planned.matched.contains(job)
    }

    /// One of the things that a job waits for has come.
    private mutating func countNeed(_ run: Int, _ dependent: Int) {
        guard case .waiting(let needs) = runs[run].jobs[dependent].phase else { return }
        runs[run].jobs[dependent].phase = .waiting(needs: needs - 1)
        if needs == 1 { makeReady(run, dependent) }
    }

    mutating func cancel(_ id: RunID, by: String, reason: String, isForced: Bool) {
        guard let run = runSlots[id], !runs[run].isEnded, runs[run].cancellation == nil || isForced else { return }
        runs[run].isForced = runs[run].isForced || isForced
        let stop = runs[run].cancellation ?? .runCancelled(by: by, reason: reason)
        runs[run].cancellation = stop
        for job in runs[run].jobs.indices where !outlives(run, job) { cancelJob(run, job, stop) }
    }

    /// Whether the job goes on, or has a say, when its run is cancelled.
    func outlives(_ run: Int, _ job: Int) -> Bool {
        !runs[run].isForced && runs[run].jobs[job].planned.onCancel != .ends
    }

    mutating func cancelJob(_ run: Int, _ job: Int, _ stop: Stop) {
        switch runs[run].jobs[job].phase {
        case .waiting, .ready: endUnrun(run, job, .cancelled, shown: .cancelled, reason: stop.evidence)
        case .running: stopJob(run, job, stop)
        case .ended: break
        }
    }

    /// Lets the job take no further attempts. Its cells are stopped one after the other.
    mutating func stopJob(_ run: Int, _ job: Int, _ stop: Stop) {
        guard runs[run].jobs[job].stop == nil else { return }
        runs[run].jobs[job].stop = stop
        for lane in runs[run].jobs[job].lanes.indices { show(run, job, lane: lane) }
        pend(run, job)
    }

    mutating func pend(_ run: Int, _ job: Int) {
        guard !runs[run].jobs[job].isPending else { return }
        runs[run].jobs[job].isPending = true
        pending.append(.job(runs[run].id, job))
    }

    /// - Returns: whether all of it is done.
    mutating func advance(_ work: Work) -> Bool {
        switch work {
        case .cell(let id):
            guard let place = place(of: id) else { return true }
            return stopCell(place)
        case .watching(let id):
            guard let place = place(of: id) else { return true }
            return watchWaiting(.cell(place))
        case .watchingJob(let id, let job):
            guard let run = runSlots[id] else { return true }
            return watchWaiting(.job(run: run, job: job))
        case .opening(let id):
            guard let place = place(of: id), runs[place.run].jobs[place.job].opened > place.cell else { return true }
            guard workLeft > 0 else { return false }
            openCell(place)
            return true
        case .job(let id, let job):
            guard let run = runSlots[id] else { return true }
            // Opening may end cells and with them the job; what is stopped must be open.
            while runs[run].jobs[job].opened < runs[run].jobs[job].cells.count {
                guard workLeft > 0 else { return false }
                openCell(Place(run: run, job: job, cell: runs[run].jobs[job].opened))
                runs[run].jobs[job].opened += 1
            }
            while runs[run].jobs[job].stop != nil, runs[run].jobs[job].stopped < runs[run].jobs[job].cells.count {
                guard stopCell(Place(run: run, job: job, cell: runs[run].jobs[job].stopped)) else { return false }
                runs[run].jobs[job].stopped += 1
            }
            runs[run].jobs[job].isPending = false
            return true
        }
    }

    /// Lets go of a run that has ended and was judged.
    package mutating func forget(_ id: RunID) {
        guard let run = runSlots.removeValue(forKey: id) else { return }
        precondition(runs[run].isEnded, "a run is judged after it has ended")
        owners[runs[run].owner].runs -= 1
        runs[run].jobs = []
        runSlotsFree.append(run)
    }
}
