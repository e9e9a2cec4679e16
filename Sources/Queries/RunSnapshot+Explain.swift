import Gates
import Model
import Storage
import Wire

extension RunSnapshot {
    package static let explanationLinesMax = 2000

    /// The history of the run, or of a part of it, in sentences: who had each attempt, why it ended, and why it was or
    /// was not tried again. Shards that passed at their first attempt are told together unless one of them is asked for.
    ///
    /// What waits, and for what, is known to the farm alone.
    /// - Throws: `QueryError.absent` when the run has no such part.
    package func explain(_ part: RunPart = RunPart()) throws(QueryError) -> [String] {
        try check(part)
        let gates = try judgement()?.gates.filter { $0.verdict > .waived && $0.name != "jobs" } ?? []
        var lines = part == RunPart() ? runLines + gates.flatMap(Self.lines) : []
        for job in plan.jobs.indices where part.has(job: job, plan.jobs[job].id) {
            if part.cell == nil { lines += jobLines(job) }
            for (place, cell) in eachCell(of: job) where part.has(place, cell) {
                lines += self.lines(about: place, cell, shard: part.shard)
                if part.shard == nil { lines += self.lines(of: gates, about: cell, in: plan.jobs[job].id) }
                // One more than what is shown, so that the cut is noticed.
                guard lines.count <= Self.explanationLinesMax else { return cut(lines) }
            }
        }
        return cut(lines)
    }

    /// - Throws: `QueryError.absent` when the run has no such part. What is not known yet is not missed: the cells of a job
    ///   that waits, the shards of a cell that is being listed.
    package func check(_ part: RunPart) throws(QueryError) {
        let jobs = plan.jobs.indices.filter { part.has(job: $0, plan.jobs[$0].id) }
        guard !jobs.isEmpty else {
            throw .absent("\(id) has no job '\(part.job ?? "")'; it has \(listed(plan.jobs.map(\.id)))")
        }
        guard let asked = part.cell else { return }
        let cells = jobs.flatMap { eachCell(of: $0) }
        let found = cells.filter { part.has($0.id, $0.cell) }
        guard !found.isEmpty else {
            throw .absent("\(id) has no cell '\(asked)' there; it has \(listed(cells.map(\.cell.id)))")
        }
        guard let shard = part.shard else { return }
        for (place, cell) in found {
            guard let count = shardCount(of: place), shard != ShardID.listing, !(0..<count).contains(shard) else {
                return
            }
            guard found.last?.id == place else { continue }
            let known = count == 1 ? "its only shard is 0" : "its shards are 0 to \(count - 1)"
            throw .absent("\(cell.name) has no shard \(shard): \(known)")
        }
    }

    private func cut(_ lines: [String]) -> [String] {
        guard lines.count > Self.explanationLinesMax else { return lines }
        return lines.prefix(Self.explanationLinesMax) + ["… and more; ask about one cell: sheaf explain \(id)/JOB/CELL"]
    }

    private func listed(_ names: [String]) -> String {
        names.isEmpty ? "none yet" : Spelling.shortened(names, most: 20)
    }

    // MARK: the run and its jobs

    private var runLines: [String] {
        var lines = [
            "\(id) \(plan.name) (\(record.file)): submitted \(record.submittedAt.utc) by \(record.owner.spelled)"
                + (request.eventName.isEmpty ? "" : ", event \(request.eventName)")
        ]
        if let rerun { lines.append(rerun) }
        if let cancellation {
            lines.append(
                "cancelled at \(time(cancellation.at)) by \(cancellation.by)"
                    + (cancellation.reason.isEmpty ? "" : ": \(cancellation.reason)"))
        }
        if let ending {
            let duration = record.submittedAt.duration(to: ending.at).spelled
            lines.append(
                "ended at \(time(ending.at)) after \(duration): \(ending.verdict.rawValue), exit code \(ending.exitCode)"
            )
        }
        if !starts.isEmpty {
            lines.append("the coordinator started anew \(times(of: starts)) meanwhile; the run went on")
        }
        return lines + deliveries.map(sentence)
    }

    private static let timesShown = 5

    /// `at 10:02:11Z`, `3 times, at 10:02:11Z, …`.
    private func times(of starts: [Instant]) -> String {
        let shown = starts.prefix(Self.timesShown).map(time).joined(separator: ", ")
        let count = starts.count == Self.startsMax ? "\(starts.count) times and more" : "\(starts.count) times"
        return (starts.count == 1 ? "at " : "\(count), at ") + shown + (starts.count > Self.timesShown ? ", …" : "")
    }

    /// `delivery r1.0a1b2c3d4e5f comment: done at 10:02:11Z, comment 17`.
    private func sentence(_ delivery: DeliveryRecord) -> String {
        let name = "delivery \(delivery.key) (\(delivery.kind)): "
        if let ending = delivery.ending {
            return name
                + (ending.receipt.map { "done at \(time(ending.at)), \($0)" }
                    ?? "given up at \(time(ending.at)): \(ending.reason)")
        }
        let tries =
            delivery.tries == 0 ? "not tried yet" : "tried \(delivery.tries == 1 ? "once" : "\(delivery.tries) times")"
        return name + tries + (delivery.reason.isEmpty ? "" : ": \(delivery.reason); again at \(time(delivery.dueAt))")
    }

    private static let groupsShown = 5

    /// What a gate that did not pass says of the run as a whole.
    private static func lines(_ gate: GateJudgement) -> [String] {
        let groups = gate.groups.filter { $0.verdict > .waived }
        let required = gate.isRequired ? "" : ", which is not required"
        let whole = gate.groups.filter { $0.place.isEmpty }.map(\.reason).filter { !$0.isEmpty }
        return ["gate \(gate.name)\(required): \(gate.word), \(groups.count) of \(gate.groups.count) groups"]
            + whole.prefix(groupsShown).map { "  \($0)" }
    }

    /// What gates that did not pass say of the groups that a cell is in.
    private func lines(of gates: [GateJudgement], about cell: Model.PlannedCell, in job: String) -> [String] {
        gates.flatMap { gate -> [String] in
            let reads = plan.gates.first { $0.name == gate.name }?.job
            guard reads == nil || reads == job else { return [] }
            return gate.groups.filter { group in
                group.verdict > .waived && !group.place.isEmpty
                    && group.place.allSatisfy { member in
                        cell.values.contains { $0.key == member.key && $0.value == member.value }
                    }
            }.map { "    gate \(gate.name): \($0.verdict.rawValue): \($0.reason)" }
        }
    }

    /// Which run this one runs again.
    var rerun: String? {
        guard request.rerunOf != 0 else { return nil }
        let earlier = RunID(request.rerunOf)
        return request.rerunFailed ? "reruns what had not settled well in \(earlier)" : "reruns all of \(earlier)"
    }

    private func jobLines(_ place: Int) -> [String] {
        let job = plan.jobs[place]
        guard let record = jobs[place] else {
            let needs = job.needs.map { plan.jobs[$0].id }
            if ending != nil || cancellation != nil { return ["job \(job.id): never started"] }
            return [
                "job \(job.id): waits for \(needs.isEmpty ? "its turn" : "'needs': \(needs.joined(separator: ", "))")"
            ]
        }
        if let unreached = unreached(place) { return ["job \(job.id): \(unreached)"] }
        let reason = record.reason.isEmpty ? "" : ": \(record.reason)"
        let count = job.cells?.count ?? 0
        let cells = "\(count) \(count == 1 ? "cell" : "cells")"
        return ["job \(job.id): \(cells), " + (record.ending.map { "ended: \($0)\(reason)" } ?? "goes on")]
    }

    /// Why none of a job's cells began; `nil` where they did, or may yet.
    private func unreached(_ job: Int) -> String? {
        guard let record = jobs[job] else { return nil }
        let reason = record.reason.isEmpty ? "" : ": \(record.reason)"
        switch record.kind {
        case .notApplicable: return "skipped\(reason)"
        case .notReached: return "not reached\(reason)"
        case .failed: return "failed before it had cells\(reason)"
        case .cells, .unresolved: return nil
        }
    }

    // MARK: cells and shards

    private func lines(about place: CellID, _ cell: Model.PlannedCell, shard asked: Int?) -> [String] {
        if let skipped = cell.skipped { return ["  \(cell.name): skipped: \(skipped)"] }
        if let unreached = unreached(place.job) { return ["  \(cell.name): \(unreached)"] }
        let count = shardCount(of: place)
        let settled = settlements(of: place)
        var quiet = 0
        var told: [String] = []
        var numbers = asked.map { [$0] } ?? Array(0..<(count ?? 0))
        if asked == nil && plan.jobs[place.job].shards.items != nil { numbers.insert(ShardID.listing, at: 0) }
        for number in numbers {
            let attempts = attempts(at: ShardID(cell: place, shard: number))
            let settlement = settled.first { ($0.first...max($0.first, $0.last)).contains(number) }
            let passedAtOnce = attempts.count == 1 && attempts[0].ending?.cause.kind == .passed
            if asked == nil && (passedAtOnce || attempts.isEmpty && settlement == nil) {
                if passedAtOnce && number >= 0 { quiet += 1 }
            } else {
                told += lines(about: number, attempts, settlement)
            }
            if told.count > Self.explanationLinesMax { break }
        }
        var line = "  \(cell.name): "
        if let count {
            let done = settled.filter { $0.first >= 0 }.reduce(0) { $0 + $1.last - $1.first + 1 }
            line += "\(done) of \(count) \(count == 1 ? "shard" : "shards") settled"
            if quiet > 0 { line += ", \(quiet == done ? "all" : "\(quiet)") passed at the first attempt" }
        } else {
            line += "its items are not listed yet"
        }
        if let ending = cellRecord(place)?.ending { line += "; ended: \(ending)" }
        return [line] + told
    }

    private func settlements(of cell: CellID) -> ArraySlice<SettlementRecord> {
        let from = settlements.partitioningIndex { $0.cell >= cell }
        let to = settlements[from...].firstIndex { $0.cell != cell } ?? settlements.endIndex
        return settlements[from..<to]
    }

    private func lines(
        about shard: Int, _ attempts: [StoredAttempt], _ settlement: SettlementRecord?
    ) -> [String] {
        var lines = ["    \(shard == ShardID.listing ? "listing of its items" : "shard \(shard)"):"]
        for (place, attempt) in attempts.enumerated() {
            let before = place > 0 ? attempts[place - 1] : nil
            lines.append("      " + sentence(attempt, after: before))
        }
        if let settlement {
            if settlement.attempt == 0 {
                lines.append(
                    "      ended \(settlement.cause.label) at \(time(settlement.at)) without "
                        + (attempts.isEmpty ? "an attempt" : "another attempt")
                        + evidence(settlement.cause))
            } else if attempts.count > 1 || settlement.cause.kind != .passed {
                let hadTwo = attempts.contains { $0.lease.beside > 0 }
                let isPassed = settlement.cause.kind == .passed
                lines.append(
                    "      settled \(settlement.cause.label) at \(time(settlement.at)) by attempt \(settlement.attempt)"
                        + (hadTwo ? isPassed ? ": the first that passed counts" : ": it counts" : ""))
            }
        } else if attempts.isEmpty {
            lines.append("      no attempt yet")
        } else if !attempts.contains(where: { $0.ending == nil }),
            // Of two attempts the one that was tried again need not be the last.
            let again = attempts.compactMap({ $0.ending?.retryAt }).max()
        {
            lines.append("      queued again from \(time(again))")
        }
        return lines
    }

    /// `attempt 1 on gpu-1: lost_agent after 12 s (from 10:01:59Z): no heartbeat since 10:02:11Z; tried again in 1.5 s as
    /// attempt 2 of 3, from 10:02:13Z`; `attempt 2 on gpu-2, a second attempt beside attempt 1 (attempt 1 had run for 5 min;
    /// 12 shards like it took about 40 s in the middle): passed after 38 s (from 10:07:00Z)`.
    private func sentence(_ attempt: StoredAttempt, after before: StoredAttempt?) -> String {
        let lease = attempt.lease
        var text = "attempt \(lease.attempt.number) on \(lease.agent)"
        if let before, before.lease.agent == lease.agent, let cause = before.ending?.cause {
            text += " (\(cause.sameAgentAgain))"
        }
        if !lease.devices.isEmpty { text += " with \(lease.devices.joined(separator: ", "))" }
        if lease.beside > 0 {
            text += ", a second attempt beside attempt \(lease.beside) (\(lease.besideWhy))"
        }
        guard let ending = attempt.ending else {
            return text
                + (attempt.startedAt.map { ": running since \(time($0))" }
                    ?? ": offered at \(time(lease.at)), not started yet") + restarts(from: lease.at, to: .distantFuture)
        }
        let from = attempt.startedAt ?? lease.at
        let duration = from.duration(to: ending.at)
        text += ": \(ending.cause.label) after \(duration.spelled)"
        text += attempt.startedAt == nil ? " without a start (leased \(time(lease.at)))" : " (from \(time(from)))"
        text += evidence(ending.cause)
        if let again = ending.retryAt {
            text += "; \(ending.why.isEmpty ? "tried again" : ending.why), from \(time(again))"
        } else if !ending.why.isEmpty
            && (ending.cause.kind != .passed || lease.attempt.shard.isListing || lease.at < record.submittedAt)
        {
            text += "; \(ending.why)"
        }
        return text + restarts(from: lease.at, to: ending.at)
    }

    /// What an attempt may have missed: coordinators that started while it was leased.
    private func restarts(from: Instant, to: Instant) -> String {
        let during = starts.filter { $0 >= from && $0 <= to }
        return during.isEmpty ? "" : "; the coordinator started anew meanwhile, \(times(of: during))"
    }

    private func evidence(_ cause: Cause) -> String { cause.evidence.isEmpty ? "" : ": \(cause.evidence)" }

    /// The time of day on the day of the submission, else the date too.
    private func time(_ instant: Instant) -> String {
        instant.utc.prefix(10) == record.submittedAt.utc.prefix(10) ? instant.utcClock : instant.utc
    }
}

extension Array {
    /// The first place whose element satisfies `isBeyond`, which holds for a tail of the array.
    fileprivate func partitioningIndex(where isBeyond: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBeyond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
