package import Model

/// After a restart: the farm is what was decided, and nothing is decided again.
extension Farm {
    /// A decision as it was stored. Loaded in the order in which they were made, they give the farm back; a run's jobs
    /// before their cells, and these before their shards, is order enough.
    package enum Decision: Equatable, Sendable {
        case runSubmitted(RunID, owner: Principal, plan: Plan, priority: Int = 0, at: Instant)
        case runCancelled(RunID, by: String, reason: String, isForced: Bool = false)
        case jobResolved(RunID, job: Int, Resolution, at: Instant)
        case cellSharded(CellID, shards: Int, items: Int?)
        case leased(Lease, startedAt: Instant?)
        case attemptEnded(AttemptID, Cause, retryAt: Instant?)
        /// From its start to its end, of one that passed: what its peers are held against.
        case attemptTook(AttemptID, Duration)
        case settled(CellID, shards: ClosedRange<Int>, attempt: Int, Cause)
        case cellEnded(CellID, CellEnding)
        /// Others of its concurrency group have taken its place.
        case cellStopped(CellID, reason: String)
        case jobEnded(RunID, job: Int, JobEnding)
        /// What somebody used before, in core- and GPU-seconds, aged to now: see `Settings.halfLife`.
        case used(Principal, cpuSeconds: Double, gpuSeconds: Double)
        /// The agent takes no new attempts, also when it joins again.
        case agentDraining(AgentID, why: String = "")
        /// The farm before this one is known to have gone on until then. Nothing has waited since: nobody could take anything,
        /// and how long that was only a clock says that may have been set.
        case lived(until: Instant)
    }

    /// Loads a decision that was made and stored before. Then `resume` is handled: restored leases get a full new term,
    /// shards wait on from where they were, and what the decisions imply goes on.
    package mutating func restore(_ decision: Decision) {
        isRestoring = true
        load(decision)
    }

    mutating func load(_ decision: Decision) {
        switch decision {
        case .runSubmitted(let run, let owner, let plan, let priority, let at):
            precondition(runSlots[run] == nil, "a run is restored once")
            _ = addRun(run, owner: owner, plan: plan, priority: priority, at: at)
        case .used(let principal, let cpuSeconds, let gpuSeconds):
            restoreUse(of: principal, cpuSeconds: cpuSeconds, gpuSeconds: gpuSeconds)
        case .runCancelled(let run, let by, let reason, let isForced):
            let slot = slot(of: run)
            runs[slot].cancellation = runs[slot].cancellation ?? .runCancelled(by: by, reason: reason)
            runs[slot].isForced = runs[slot].isForced || isForced
        case .jobResolved(let run, let job, let resolution, let at):
            restoreResolution(slot(of: run), job, resolution, at: at)
        case .cellSharded(let cell, let shards, _): restoreShards(at: known(cell), shards)
        case .leased(let lease, let startedAt): restoreLease(lease, startedAt: startedAt)
        case .attemptEnded(let attempt, let cause, let retryAt): restoreEnd(of: attempt, cause, retryAt: retryAt)
        case .attemptTook(let attempt, let taken): notePace(known(attempt.shard.cell), taken)
        case .settled(let cell, let shards, _, let cause): restoreSettled(at: known(cell), shards, cause)
        case .agentDraining(let agent, let why):
            agents[slot(of: agent)].isDraining = true
            agents[slot(of: agent)].drainWhy = why
        case .lived(let until): livedUntil = until
        case .cellEnded(let cell, let ending):
            let place = known(cell)
            self[cell: place].phase = .ended(ending)
            self[cell: place].fresh = RangeList()
            self[cell: place].returned = [:]
            self[job: place].count(ending, of: self[cell: place].planned)
        case .cellStopped(let cell, let reason): self[cell: known(cell)].stop = .groupTaken(reason: reason)
        case .jobEnded(let run, let job, let ending):
            let slot = slot(of: run)
            runs[slot].jobs[job].phase = .ended(ending)
            runs[slot].jobsEnded += 1
            guard runs[slot].jobs[job].cells.isEmpty, runs[slot].jobs[job].unrun == .waiting || ending == .cancelled
            else { return }
            runs[slot].jobs[job].unrun = ending == .cancelled ? .cancelled : ending == .failure ? .failed : .skipped
        }
    }

    private func slot(of run: RunID) -> Int {
        guard let slot = runSlots[run] else { preconditionFailure("a run is restored before what belongs to it") }
        return slot
    }

    private func known(_ cell: CellID) -> Place {
        guard let place = place(of: cell) else { preconditionFailure("a cell is restored with its job's resolution") }
        return place
    }

    private mutating func restoreResolution(_ run: Int, _ job: Int, _ resolution: Resolution, at time: Instant) {
        switch resolution {
        case .cells(let cells, _, _, _) where cells.isEmpty: runs[run].jobs[job].unrun = .failed
        case .cells(let cells, let failFast, let maxParallel, let goesOn):
            startJob(
                run, job, cells: cells, failFast: failFast, maxParallel: maxParallel, goesOn: goesOn, at: time)
        case .notApplicable: runs[run].jobs[job].unrun = .skipped
        case .notReached: runs[run].jobs[job].unrun = .notReached
        case .failed: runs[run].jobs[job].unrun = .failed
        }
    }

    private mutating func restoreShards(at place: Place, _ shards: Int) {
        runs[place.run].shards += shards
        self[job: place].shards += shards
        guard !self[cell: place].isEnded else { return }
        self[cell: place].phase = .open
        self[cell: place].shards = shards
        self[cell: place].returned[ShardID.listing] = nil
        self[cell: place].fresh = RangeList(0..<shards)
        for range in self[cell: place].settled.ranges { self[cell: place].fresh.remove(range) }
        for shard in self[cell: place].leased.elements { self[cell: place].fresh.remove(shard..<shard + 1) }
        for shard in self[cell: place].returned.keys.sorted() { self[cell: place].fresh.remove(shard..<shard + 1) }
    }

    /// Whether the shard has ended for good, or the listing has.
    private func isOver(_ shard: ShardID, _ place: Place) -> Bool {
        self[cell: place].isEnded || self[cell: place].settled.contains(shard.shard)
            || (shard.isListing && self[cell: place].shards != nil)
    }

    private mutating func restoreLease(_ lease: Lease, startedAt: Instant?) {
        let shard = lease.attempt.shard
        let place = known(shard.cell)
        if shard.isListing && self[cell: place].phase == .unopened { self[cell: place].phase = .listing }
        if lease.beside != nil { noteTwin(lease.attempt.number, of: shard.shard, place) }
        if let former = lease.behind {
            restoredBehind[lease.attempt] = former
            if startedAt != nil { restoredYielded.insert(former) }
        }
        let next = self[cell: place].returned[shard.shard]?.number ?? 1
        guard !isOver(shard, place), lease.attempt.number >= next else { return }
        if lease.beside != nil, self[cell: place].returned[shard.shard] != nil {
            // The shard was queued again: both attempts had ended by then, and the number of this one is used.
            self[cell: place].returned[shard.shard]?.number = lease.attempt.number + 1
            return
        }
        if let older = leases[shard] {
            guard older.number < lease.attempt.number else { return }
            if lease.beside == nil || twins[shard] != nil { letGo(shard, place) }
        }
        let returned = self[cell: place].returned.removeValue(forKey: shard.shard)
        self[cell: place].fresh.remove(shard.shard..<shard.shard + 1)
        let restored = LeaseRecord(
            number: lease.attempt.number, agent: slot(of: lease.agent), devices: lease.devices, cpus: lease.cpus,
            memory: lease.memory, disk: self[cell: place].planned.resources.disk ?? settings.defaults.disk,
            at: lease.at, until: lease.until, startedAt: startedAt, isRestored: true,
            nextCheck: lease.until, owner: runs[place.run].owner, avoiding: returned?.avoiding ?? [],
            after: returned?.after, beside: lease.beside, behind: lease.behind,
            isWaiting: lease.behind != nil && startedAt == nil)
        hold(restored, of: shard, at: place)
    }

    private mutating func letGo(_ shard: ShardID, _ place: Place) {
        while let lease = leases[shard] { letGo(AttemptID(shard: shard, number: lease.number), place) }
    }

    private mutating func letGo(_ attempt: AttemptID, _ place: Place) {
        if let lease = letGo(attempt, at: place) { departed.append(lease.agent) }
    }

    private mutating func restoreEnd(of attempt: AttemptID, _ cause: Cause, retryAt: Instant?) {
        let place = known(attempt.shard.cell)
        let shard = attempt.shard.shard
        // It had begun, so what it waited for had ended.
        if let former = restoredBehind[attempt] { restoredYielded.insert(former) }
        if retryAt != nil { runs[place.run].retries += 1 }
        if attempt.shard.isListing && self[cell: place].phase == .unopened { self[cell: place].phase = .listing }
        let lease = record(of: attempt)
        if lease != nil {
            letGo(attempt, place)
            // Of two the other goes on.
            guard leases[attempt.shard] == nil else { return }
        } else if let other = leases[attempt.shard] {
            guard other.number < attempt.number else { return }
            letGo(attempt.shard, place)
        }
        let newest = self[cell: place].returned[shard]?.number ?? 1
        guard !isOver(attempt.shard, place), newest <= attempt.number else { return }
        self[cell: place].fresh.remove(shard..<shard + 1)
        guard let retryAt else { return }
        let memory = lease?.memory ?? self[cell: place].planned.resources.memory ?? settings.defaults.memory
        self[cell: place].returned[shard] = returned(
            nextNumber(of: shard, after: attempt.number, place), after: attempt.number, cause,
            on: lease.map { agents[$0.agent].id }, memory: memory,
            self[job: place].planned.retry, retryAt: retryAt)
    }

    private mutating func restoreSettled(at place: Place, _ shards: ClosedRange<Int>, _ cause: Cause) {
        if shards.lowerBound == ShardID.listing { return }
        let cell = id(of: place)
        for shard in self[cell: place].leased.elements(from: shards.lowerBound) where shard <= shards.upperBound {
            letGo(ShardID(cell: cell, shard: shard), place)
        }
        for shard in self[cell: place].returned.keys.sorted() where shards.contains(shard) {
            self[cell: place].returned[shard] = nil
        }
        let range = shards.lowerBound..<shards.upperBound + 1
        self[cell: place].fresh.remove(range)
        self[cell: place].enter(range, cause)
    }

    /// Builds what follows from the decisions: queues, clocks, stops, and questions that wait for an answer.
    mutating func finishRestoring() {
        isRestoring = false
        let slots = runSlots.sorted { $0.key < $1.key }.map(\.value)
        for shard in leases.keys.sorted() { restoreOrder(of: shard) }
        (restoredBehind, restoredYielded) = ([:], [])
        for run in slots { finishRestoring(run: run) }
        for shard in leases.keys.sorted() {
            for lease in [leases[shard], twins[shard]] {
                guard let lease else { continue }
                let attempt = AttemptID(shard: shard, number: lease.number)
                let (from, until) = (now, now.advanced(by: settings.lease))
                change(attempt) { ($0.until, $0.nextCheck, $0.countedFrom) = (until, until, from) }
                timers.add(.lease(attempt), at: until)
                watch(attempt)
            }
        }
    }

    mutating func finishRestoring(run: Int) {
        for job in runs[run].jobs.indices { finishRestoring(run, job) }
        if runs[run].isEnded && effects.last != .runEnded(runs[run].id) { effects.append(.runEnded(runs[run].id)) }
    }

    private mutating func finishRestoring(_ run: Int, _ job: Int) {
        switch runs[run].jobs[job].phase {
        case .waiting:
            let needs = Set(runs[run].jobs[job].planned.needs)
            let matched = runs[run].jobs[job].planned.matched
            let left = needs.count { need in
                if case .ended = runs[run].jobs[need].phase { return false }
                return !(matched.contains(need) && runs[run].jobs[need].hasCells)
            }
            runs[run].jobs[job].phase = .waiting(needs: left)
            if let cancellation = runs[run].cancellation, !outlives(run, job) {
                cancelJob(run, job, cancellation)
            } else if left == 0 {
                makeReady(run, job)
            }
        case .running: finishRestoringRunning(run, job)
        case .ready, .ended: break
        }
    }

    private mutating func finishRestoringRunning(_ run: Int, _ job: Int) {
        let cells = runs[run].jobs[job].cells.indices
        runs[run].jobs[job].cellsActive = cells.count { !runs[run].jobs[job].cells[$0].leased.isEmpty }
        runs[run].jobs[job].lastWorked = min(runs[run].jobs[job].lastWorked, now)
        if !runs[run].jobs[job].isAtLimit { runs[run].jobs[job].open.start(at: now.nanoseconds) }
        if let cancellation = runs[run].cancellation, !outlives(run, job) {
            runs[run].jobs[job].stop = cancellation
        } else if runs[run].jobs[job].planned.failFast && runs[run].jobs[job].cellsFailed > 0 {
            let failed = runs[run].jobs[job].cells.first {
                $0.phase == .ended(.failed) && !$0.planned.mayFail
            }
            runs[run].jobs[job].stop = failed.map { .cellFailed(name: $0.planned.name) }
        }
        for cell in cells { finishRestoring(Place(run: run, job: job, cell: cell)) }
        pend(run, job)
        endJobIfDone(run, job)
    }

    private mutating func finishRestoring(_ place: Place) {
        switch self[cell: place].phase {
        case .unopened, .held, .ended:
            if self[cell: place].stop != nil { pending.append(.cell(id(of: place))) }
            return
        case .listing, .open: break
        }
        if self[cell: place].stop != nil {
            // It was stopped before it came to anything else.
        } else if let failed = self[cell: place].firstFailed, self[job: place].planned.shards.failFast {
            self[cell: place].stop = .shardFailed(failed)
        } else if case .failed(let name, let ending) = needs(of: place) {
            self[cell: place].stop = .needFailed(name: name, ending: ending)
        }
        if self[cell: place].isSettled { return endCell(place, self[cell: place].ending) }
        // How long the shards could have been leased is not known where limits held them back, and only roughly elsewhere: a
        // quarter of the time is always left, and two leases if there are as many.
        let timeout = self[cell: place].planned.queueTimeout
        let limited = self[job: place].planned.maxParallel != nil || self[job: place].planned.shards.maxParallel != nil
        let since = max(.zero, self[job: place].resolvedAt.duration(to: min(livedUntil ?? now, now)))
        let waited = limited ? .zero : min(since, timeout - queueTimeLeftMin(of: timeout))
        // When it became ready is stored, and another kind of GPU goes by that, the time without a coordinator included. What a clock
        // that was set makes of it costs a better device, and no result. How long it was ready to be leased nobody knows where
        // limits, or cells that it needs, held it back.
        let isHeldBack = limited || !self[cell: place].planned.needs.isEmpty
        let ready = isHeldBack ? waited : max(waited, self[job: place].resolvedAt.duration(to: now))
        self[cell: place].waitedBefore = (ready - waited).wholeNanoseconds
        queueFresh(place, waited: waited.wholeNanoseconds)
        for shard in self[cell: place].returned.keys.sorted() {
            guard var returned = self[cell: place].returned[shard], case .backoff(let stored) = returned.phase else {
                continue
            }
            // No backoff is longer: the clock was set back since.
            let policy = self[job: place].planned.retry
            let until = min(stored, now.advanced(by: max(policy.backoffMin, policy.backoffMax)))
            returned.phase = .backoff(until: until)
            if !isHeldBack { returned.waitedBefore = max(.zero, stored.duration(to: now)).wholeNanoseconds }
            for index in returned.avoiding.indices {
                let most = until.advanced(by: settings.otherAgentWait)
                returned.avoiding[index].until = min(returned.avoiding[index].until, most)
            }
            self[cell: place].returned[shard] = returned
            let key = ShardID(cell: id(of: place), shard: shard)
            timers.add(.backoff(AttemptID(shard: key, number: returned.number)), at: until)
        }
        if self[cell: place].stop != nil { pending.append(.cell(id(of: place))) }
    }
}
