import Model

/// Cells and their shards: opened, settled, stopped, ended.
extension Farm {
    mutating func openCell(_ place: Place) {
        guard self[cell: place].phase == .unopened else { return }
        workLeft -= 1
        if self[cell: place].planned.skipped != nil { return endCell(place, .skipped) }
        switch needs(of: place) {
        case .open(let needed) where stop(of: place) == nil:
            runs[place.run].jobs[needed.job].cells[needed.cell].waiters.append((place.job, place.cell))
            return
        case .skipped where stop(of: place) == nil: return endCell(place, .skipped)
        case .failed(let name, let ending) where self[cell: place].stop == nil:
            // It is cut all the same: its shards tell why they never ran.
            self[cell: place].stop = .needFailed(name: name, ending: ending)
            pending.append(.cell(id(of: place)))
        case .met, .open, .skipped, .failed: break
        }
        guard self[cell: place].isLetIn || stop(of: place) != nil else {
            self[cell: place].phase = .held
            effects.append(.groupWanted(id(of: place)))
            return
        }
        if self[job: place].planned.shards.items == nil {
            shard(place, into: max(1, self[job: place].planned.shards.count), items: nil)
        } else {
            self[cell: place].phase = .listing
            self[cell: place].fresh = RangeList(ShardID.listing..<ShardID.listing + 1)
        }
        queueFresh(place, waited: 0)
    }

    /// Their concurrency group has let them in.
    mutating func release(_ cells: [Int], of id: RunID, job: Int) {
        for cell in cells {
            guard let place = place(of: CellID(run: id, job: job, cell: cell)), self[cell: place].phase == .held else {
                continue
            }
            self[cell: place].phase = .unopened
            self[cell: place].isLetIn = true
            pending.append(.opening(self.id(of: place)))
        }
    }

    /// Others of their concurrency group have taken their place.
    mutating func stop(_ cells: [Int], of id: RunID, job: Int, reason: String) {
        for cell in cells {
            guard let place = place(of: CellID(run: id, job: job, cell: cell)), !self[cell: place].isEnded else {
                continue
            }
            stopShards(place, .groupTaken(reason: reason))
        }
    }

    /// What has become of the cells of other jobs that a cell waits for.
    enum Needs {
        case met
        /// The first that goes on.
        case open(Place)
        case skipped
        case failed(name: String, Farm.CellEnding)
    }

    func needs(of place: Place) -> Needs {
        var found = Needs.met
        for need in self[cell: place].planned.needs where runs[place.run].jobs.indices.contains(need.job) {
            for index in need.cells where runs[place.run].jobs[need.job].cells.indices.contains(index) {
                let needed = runs[place.run].jobs[need.job].cells[index]
                guard case .ended(let ending) = needed.phase else {
                    return .open(Place(run: place.run, job: need.job, cell: index))
                }
                guard need.mustPass else { continue }
                switch ending {
                case .passed, .notNeeded: break
                case .skipped: if case .met = found { found = .skipped }
                case .failed where needed.planned.continueOnError: break
                case .failed, .cancelled: found = .failed(name: needed.planned.name, ending)
                }
            }
        }
        return found
    }

    mutating func shard(_ place: Place, into shards: Int, items: Int?) {
        effects.append(.cellSharded(id(of: place), shards: shards, items: items))
        self[cell: place].phase = .open
        self[cell: place].shards = shards
        runs[place.run].shards += shards
        self[job: place].shards += shards
        self[cell: place].fresh = RangeList(0..<shards)
    }

    /// Shards have ended for good; with the last of them the cell.
    mutating func settle(_ place: Place, _ shards: ClosedRange<Int>, attempt: Int, _ cause: Cause) {
        effects.append(.settled(id(of: place), shards: shards, attempt: attempt, cause))
        if shards.lowerBound == ShardID.listing {
            return endCell(place, cause.kind.isStop ? .cancelled : .failed)
        }
        self[cell: place].enter(shards.lowerBound..<shards.upperBound + 1, cause)
        if self[cell: place].isSettled { return endCell(place, self[cell: place].ending) }
        if let failed = self[cell: place].firstFailed, self[job: place].planned.shards.failFast {
            stopShards(place, .shardFailed(failed))
        }
    }

    mutating func stopShards(_ place: Place, _ stop: Stop) {
        guard self[cell: place].stop == nil else { return }
        self[cell: place].stop = stop
        relist(place)
        pending.append(.cell(id(of: place)))
    }

    mutating func endCell(_ place: Place, _ ending: CellEnding) {
        self[cell: place].phase = .ended(ending)
        relist(place)
        for queue in self[cell: place].queues { release(class: queue.classIndex) }
        self[cell: place].queues = []
        self[cell: place].returned = [:]
        self[cell: place].fresh = RangeList()
        self[cell: place].twinned = [:]
        self[cell: place].peers = Peers()
        effects.append(.cellEnded(id(of: place), ending))
        for waiter in self[cell: place].waiters {
            pending.append(.opening(CellID(run: runs[place.run].id, job: waiter.job, cell: waiter.cell)))
        }
        self[cell: place].waiters = []
        let planned = self[cell: place].planned
        self[job: place].count(ending, of: planned)
        if ending == .failed && !planned.mayFail && self[job: place].planned.failFast
            && self[job: place].cellsEnded < self[job: place].cells.count
        {
            stopJob(place.run, place.job, .cellFailed(name: planned.name))
        }
        endJobIfDone(place.run, place.job)
    }

    /// Settles what is queued of a stopped cell and cancels what runs.
    ///
    /// - Returns: whether all of it is done.
    mutating func stopCell(_ place: Place) -> Bool {
        guard let stop = self[cell: place].stop ?? self[job: place].stop else { return true }
        guard !self[cell: place].isEnded else { return true }
        // It waited for others, and need not any more.
        if self[cell: place].phase == .held { self[cell: place].phase = .unopened }
        if self[cell: place].phase == .unopened {
            guard workLeft > 0 else { return false }
            openCell(place)
            guard !self[cell: place].isEnded else { return true }
        }
        relist(place)
        let cause = stop.cause
        while let range = self[cell: place].fresh.ranges.first {
            guard workLeft > 0 else { return false }
            workLeft -= 1
            self[cell: place].fresh.remove(range)
            settle(place, range.lowerBound...range.upperBound - 1, attempt: 0, cause)
        }
        for shard in self[cell: place].returned.keys.sorted() {
            guard workLeft > 0 else { return false }
            workLeft -= 1
            let returned = unqueue(place, shard)
            settle(place, shard...shard, attempt: 0, cause.noting(returned))
        }
        let cell = id(of: place)
        for shard in self[cell: place].leased.elements {
            let key = ShardID(cell: cell, shard: shard)
            for lease in [leases[key], twins[key]] {
                guard let lease, lease.cancelledAt == nil else { continue }
                guard workLeft > 0 else { return false }
                workLeft -= 1
                let attempt = AttemptID(shard: key, number: lease.number)
                let cancelledAt = now
                change(attempt) { $0.cancelledAt = cancelledAt }
                effects.append(.cancelAttempt(attempt, on: agents[lease.agent].id, reason: stop.evidence))
            }
        }
        return true
    }

    /// What has stopped the cell, if anything.
    func stop(of place: Place) -> Stop? { self[cell: place].stop ?? self[job: place].stop }
}

extension Cause {
    /// The cause of a shard that ended while it waited, with what had happened to it before.
    func noting(_ returned: ReturnedShard?) -> Cause {
        guard let former = returned?.after else { return self }
        var cause = self
        cause.evidence += "; attempt \(former.number) had ended \(former.cause)"
        return cause
    }
}
