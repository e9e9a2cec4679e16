package import Gates
package import Model
package import Reporting
import Storage
import Wire

extension RunSnapshot {
    /// The judgement that was stored when the run ended; `nil` while it goes on.
    ///
    /// - Throws: `QueryError.damaged`.
    package func judgement() throws(QueryError) -> Judgement? {
        guard let ending else { return nil }
        guard let judgement = Judgement(record: ending.judgement) else { throw .damaged(id, "the judgement") }
        return judgement
    }

    /// The report: of the stored judgement when the run has ended, else of what the gates would say now.
    ///
    /// - Parameters:
    ///   - results: this snapshot's.
    ///   - now: a judgement of `results`, for a run that goes on; without one, only the gate `jobs` is asked.
    ///   - logTail: the last lines of an attempt's log, masked; asked for attempts that ended badly.
    package func report(
        results: Results, now: Judgement? = nil, notes: [String] = [], logTail: (AttemptID) -> [String] = { _ in [] }
    ) throws(QueryError) -> RunReport {
        var judged = try judgement() ?? now ?? judge([], results: results)
        // A record that lacks cells was written as `sheaf judge` prints it; they follow from the results alone.
        if judged.cells.isEmpty { judged.cells = judge([], results: results).cells }
        return RunReport(facts: try facts(notes: notes, logTail: logTail), results: results, judgement: judged)
    }

    /// What is known beside the results: who asked for the run, and what happened to each attempt.
    package func facts(
        notes: [String] = [], logTail: (AttemptID) -> [String] = { _ in [] }
    ) throws(QueryError) -> RunFacts {
        var facts = RunFacts(
            run: id, workflow: plan.name.isEmpty ? record.name : plan.name, file: record.file,
            event: request.eventName, actor: record.owner.spelled, submittedAt: record.submittedAt,
            endedAt: ending?.at, notes: notes)
        if let cancellation {
            facts.notes.insert(
                "cancelled by \(cancellation.by) at \(cancellation.at.utc)"
                    + (cancellation.reason.isEmpty ? "" : ": \(cancellation.reason)"), at: 0)
        }
        for attempt in attempts { facts.attempts.append(try fact(attempt, logTail)) }
        for place in try artifactPlaces() {
            for artifact in place.artifacts {
                guard let digest = artifact.manifest.flatMap({ Digest($0.digest) }) else { continue }
                facts.artifacts.append(
                    ArtifactFact(
                        name: artifact.name, job: place.job, cell: place.cell, shard: place.attempt.shard.shard,
                        size: ByteCount(Int64(clamping: artifact.contentBytes)), digest: digest))
            }
        }
        return facts
    }

    private func fact(
        _ attempt: StoredAttempt, _ logTail: (AttemptID) -> [String]
    ) throws(QueryError) -> AttemptFact {
        let lease = attempt.lease
        let shard = lease.attempt.shard
        let report = try report(of: attempt)
        let ending = attempt.ending
        // What the agent measured counts before what the farm heard of it.
        let started = report.flatMap { $0.startedAt > 0 ? Instant(nanoseconds: $0.startedAt) : nil }
        let ended = report.flatMap { $0.endedAt > 0 ? Instant(nanoseconds: $0.endedAt) : nil }
        var fact = AttemptFact(
            job: plan.jobs[shard.cell.job].id, cell: cell(shard.cell)?.id ?? "", shard: shard.shard,
            number: lease.attempt.number, agent: lease.agent.name, cause: ending?.cause,
            startedAt: started ?? attempt.startedAt, endedAt: started == nil ? ending?.at : ended ?? ending?.at,
            gpus: lease.devices.count)
        if let usage = report?.usage {
            fact.cpu = usage.cpuNs > 0 ? .nanoseconds(Int64(clamping: usage.cpuNs)) : nil
            fact.setup = .nanoseconds(Int64(clamping: usage.setupNs))
            fact.peakMemory = usage.peakMemoryBytes > 0 ? ByteCount(Int64(clamping: usage.peakMemoryBytes)) : nil
        }
        fact.environmentLock = report?.environmentLock.flatMap { Digest($0.digest) }
        if let ending, ending.cause.kind != .passed {
            fact.logTail = logTail(lease.attempt)
            fact.note = ending.why.isEmpty ? nil : ending.why
        }
        return fact
    }
}
