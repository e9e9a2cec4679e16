import Model

/// Other kinds of GPU that will do once a shard has waited: "an H200; after ten minutes also an A100".
///
/// What the longest waiting shard of a cell may have, all of its shards may: they wait for the same devices, and what is given to
/// one is not kept from the next.
extension Farm {
    /// Sees to it that the cell is looked at when its next alternative counts.
    mutating func watchWidth(_ place: Place) {
        guard let next = nextAlternative(place), let waited = longestWait(place) else { return }
        let left = next.after.wholeNanoseconds - waited
        // A cell that is held back does not wait meanwhile.
        let at = now.advanced(by: max(.nanoseconds(left), .seconds(1)))
        let planned = self[cell: place].nextWidening
        guard planned <= now || at < planned else { return }
        self[cell: place].nextWidening = at
        timers.add(.widening(id(of: place)), at: at)
    }

    mutating func checkWidening(_ cell: CellID) {
        guard let place = place(of: cell), self[cell: place].nextWidening <= now,
            let next = nextAlternative(place), let waited = longestWait(place)
        else { return }
        if next.after.wholeNanoseconds <= waited {
            self[cell: place].widened += 1
            widen(place)
        }
        watchWidth(place)
    }

    /// The next kind of GPU that will do for the cell, and from when on.
    func nextAlternative(_ place: Place) -> GPURequest.Alternative? {
        let others = self[cell: place].planned.resources.gpus?.or ?? []
        return others.dropFirst(self[cell: place].widened).first
    }

    /// For how long a shard of the cell has been runnable, in nanoseconds; `nil` when none waits.
    private func longestWait(_ place: Place) -> Int64? {
        let (cell, time) = (self[cell: place], reading(place))
        var waited = cell.fresh.isEmpty || cell.queues.isEmpty ? nil : time - cell.freshSince + cell.waitedBefore
        for returned in cell.returned.values {
            guard case .queued(_, let since) = returned.phase else { continue }
            waited = max(waited ?? 0, returned.waited + returned.waitedBefore + time - since)
        }
        return waited
    }

    /// Lets all that waits queue with what the cell asks for now.
    private mutating func widen(_ place: Place) {
        guard let old = self[cell: place].queues.first?.classIndex else { return }
        let returned = self[cell: place].returned.keys.sorted().filter { shard in
            if case .queued? = self[cell: place].returned[shard]?.phase { true } else { false }
        }
        let taken = returned.compactMap { shard in unqueue(place, shard).map { (shard, $0) } }
        // What has no shards of its own went with them.
        move(place, queue: 0, to: .none)
        self[cell: place].queues[0].classIndex = retain(requirement(of: place))
        release(class: old)
        for (shard, record) in taken {
            self[cell: place].returned[shard] = record
            queueReturned(place, shard)
        }
        relist(place)
    }
}
