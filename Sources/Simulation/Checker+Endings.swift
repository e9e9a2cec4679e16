import Model
import Scheduling

/// How attempts, shards, cells and jobs may end.
extension Checker {
    mutating func checkEnd(_ attempt: AttemptID, _ cause: Cause, retryAt: Instant?) throws(Violation) {
        guard let lease = lease(of: attempt) else {
            throw Violation(rule: .onlyCurrent, detail: "\(attempt) \(cause.label)", at: now)
        }
        let mayEndEarly = agents[lease.agent].map { $0.changedAt >= lease.at } ?? true
        try require(
            cause.kind != .lostAgent || mayEndEarly || lease.until <= now, .lostWhenExpired,
            "\(attempt) until \(lease.until)")
        // What waited has begun, though nobody heard of that: the one before it has ended.
        if let former = agents[lease.agent]?.waiting.removeValue(forKey: attempt) {
            agents[lease.agent]?.yielded.insert(former)
        }
        giveBack(attempt)
        ends[attempt] = End(cause: cause, agent: lease.agent)
        let ended = max(shards[attempt.shard]?.ended ?? 0, attempt.number)
        shards[attempt.shard]?.ended = ended
        if cause.kind == .passed, shards[attempt.shard]?.passedBy == nil {
            shards[attempt.shard]?.passedBy = attempt.number
        }
        // Nobody had told it to end: the farm cancels it for the other of two.
        if cause.kind == .notNeeded, let shard = shards[attempt.shard], shard.started.contains(attempt.number),
            !shard.toldToEnd.contains(attempt.number)
        {
            shards[attempt.shard]?.hasCancelledOther = true
        }
        shards[attempt.shard]?.last = cause
        shards[attempt.shard]?.retryAt = retryAt
        if retryAt != nil || cause.kind.isInfrastructure { isCalm = false }
        if retryAt != nil { runs[attempt.run]?.retries += 1 }
        if let run = runs[attempt.run] {
            let shards = run.jobs.flatMap(\.cells).reduce(0) { $0 + ($1.shards ?? 0) }
            try require(
                run.retries <= max(retriesMin, shards / 5), .budget,
                "\(attempt): \(run.retries) of \(shards) shards")
        }
        guard retryAt != nil, let policy = runs[attempt.run]?.jobs[attempt.shard.cell.job].planned.retry else { return }
        try require(
            policy.covers(cause) && (shards[attempt.shard].map { $0.newest - $0.twins } ?? 0) < policy.attemptsMax,
            .covered, "\(attempt) \(cause.label)")
    }

    mutating func checkSharded(_ id: CellID, _ count: Int) throws(Violation) {
        guard let cell = cell(id), cell.shards == nil, count > 0 else {
            throw Violation(rule: .cutOnce, detail: "\(id) into \(count)", at: now)
        }
        change(id) { $0.shards = count }
    }

    mutating func checkSettled(_ id: ShardID, attempt: Int, _ cause: Cause) throws(Violation) {
        let shard = shards[id] ?? Shard()
        try require(shard.settled == nil, .settlesOnce, "\(id) \(cause.label)")
        try require(shard.lease == nil && shard.twin == nil, .settlesUnleased, "\(id) \(cause.label)")
        try require(
            attempt == 0
                || (ends[AttemptID(shard: id, number: attempt)]?.cause == cause && shard.retryAt == nil
                    && (shard.ended == attempt || shard.twins > 0)),
            .lastAttempt, "\(id) \(cause.label), attempt \(attempt)")
        try require(
            shard.passedBy == nil || shard.passedBy == attempt, .firstCounts, "\(id) \(cause.label), attempt \(attempt)"
        )
        try require(
            !shard.hasCancelledOther || !cause.kind.leavesOther, .otherGoesOn,
            "\(id) \(cause.label), attempt \(attempt)")
        try require(
            attempt > 0 || cause.kind.isStop || cause.kind == .queueTimeout,
            .resultNeedsAttempt, "\(id) \(cause.label)")
        if cause.kind == .queueTimeout, let job = runs[id.run]?.jobs[id.cell.job], let cell = cell(id.cell) {
            let waited = max(job.resolvedAt, shard.retryAt ?? .epoch).duration(to: now)
            try require(
                waited >= cell.planned.queueTimeout, .queueTimeout,
                "\(id) after \(waited.spelled) of \(cell.planned.queueTimeout.spelled): \(cause.evidence)")
        }
        shards[id, default: Shard()].settled = cause
        if id.isListing { return change(id.cell) { $0.failed += cause.kind.isStop ? 0 : 1 } }
        guard let cell = cell(id.cell), let count = cell.shards, (0..<count).contains(id.shard) else {
            throw Violation(rule: .onlyWhatThereIs, detail: "\(id)", at: now)
        }
        change(id.cell) {
            $0.settled += 1
            if cause.kind.isStop { $0.cancelled += 1 } else if cause.kind != .passed { $0.failed += 1 }
        }
    }

    mutating func checkEnded(_ id: CellID, _ ending: Farm.CellEnding) throws(Violation) {
        guard let cell = cell(id), cell.ending == nil else {
            throw Violation(rule: .cellEndsOnce, detail: "\(id)", at: now)
        }
        let listing = shards[ShardID(cell: id, shard: ShardID.listing)]?.settled
        let isComplete =
            ending == .skipped ? cell.planned.skipped != nil : listing != nil || cell.settled == cell.shards
        try require(isComplete, .cellComplete, "\(id): \(cell)")
        let expected: Farm.CellEnding =
            ending == .skipped
            ? .skipped
            : cell.failed > 0 ? .failed : listing != nil || cell.cancelled > 0 ? .cancelled : .passed
        try require(ending == expected, .cellEnding, "\(id): \(ending), not \(expected)")
        change(id) { $0.ending = ending }
    }

    mutating func checkEnded(_ run: RunID, _ index: Int, _ ending: Farm.JobEnding) throws(Violation) {
        guard let job = runs[run]?.jobs[index], job.ending == nil else {
            throw Violation(rule: .jobEndsOnce, detail: "\(run)/\(index)", at: now)
        }
        try require(job.cells.allSatisfy { $0.ending != nil }, .jobComplete, "\(run)/\(index)")
        try require(
            ending != .cancelled || job.planned.onCancel != .goesOn || runs[run]?.isForced == true,
            .goesOn, "\(run)/\(index)")
        let failed = job.cells.contains {
            $0.ending == .failed && !$0.planned.continueOnError && $0.planned.required
        }
        try require(!failed || ending == .failure, .jobEnding, "\(run)/\(index): \(ending)")
        try require(
            ending != .success || (job.isResolved && !job.cells.contains { $0.ending == .cancelled }),
            .jobEnding, "\(run)/\(index)")
        runs[run]?.jobs[index].ending = ending
    }
}
