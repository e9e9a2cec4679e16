package import Artifacts
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
    ///   - history: of `RunReader.history`.
    ///   - logTail: the last lines of an attempt's log, masked; asked for attempts that ended badly.
    ///   - object: an object's bytes; `nil` when they cannot be read. Asked for the summaries of steps.
    package func report(
        results: Results, now: Judgement? = nil, rates: Rates? = nil, history: [PastRun] = [], notes: [String] = [],
        logTail: (AttemptID) -> [String] = { _ in [] }, object: (ObjectRef) -> [UInt8]? = { _ in nil }
    ) throws(QueryError) -> RunReport {
        var judged = try judgement() ?? now ?? judge([], results: results)
        // A record that lacks cells was written as `sheaf judge` prints it; they follow from the results alone.
        if judged.cells.isEmpty { judged.cells = judge([], results: results).cells }
        var facts = try facts(notes: notes, logTail: logTail)
        facts.summaries = try summaries(object)
        facts.rates = rates
        facts.history = history
        return RunReport(facts: facts, results: results, judgement: judged)
    }

    /// What is known beside the results: who asked for the run, and what happened to each attempt.
    package func facts(
        notes: [String] = [], logTail: (AttemptID) -> [String] = { _ in [] }
    ) throws(QueryError) -> RunFacts {
        var facts = RunFacts(
            run: id, workflow: plan.name.isEmpty ? record.name : plan.name, file: record.file,
            event: request.eventName, actor: record.owner.spelled, submittedAt: record.submittedAt,
            endedAt: ending?.at, notes: notes)
        facts.title = plan.title
        if let cancellation {
            facts.isCancelled = true
            facts.notes.insert(
                "cancelled by \(cancellation.by) at \(cancellation.at.utc)"
                    + (cancellation.reason.isEmpty ? "" : ": \(cancellation.reason)"), at: 0)
        }
        if let rerun { facts.notes.insert("this run " + rerun, at: 0) }
        for attempt in attempts { facts.attempts.append(try fact(attempt, logTail)) }
        facts.notes += try annotations()
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

    package static let annotationsMax = 200
    package static let summariesMax = 200
    package static let summariesBytesMax = 4 << 20

    /// What the attempts that decided their shards said with `::error::`, `::warning::` and `::notice::`: each sentence once, with whose
    /// it is and how many more said the same.
    private func annotations() throws(QueryError) -> [String] {
        var said: [String] = []
        var sayers: [String: (first: String, count: Int)] = [:]
        for (attempt, report) in try lastReports() {
            for annotation in report.annotations {
                var sentence = annotation.level
                if !annotation.file.isEmpty {
                    sentence += " at \(annotation.file)" + (annotation.line > 0 ? ":\(annotation.line)" : "")
                }
                sentence += ": " + (annotation.title.isEmpty ? "" : "\(annotation.title): ") + annotation.text
                if sayers[sentence] == nil {
                    said.append(sentence)
                    guard said.count <= Self.annotationsMax else { break }
                }
                sayers[sentence, default: (name(of: attempt.shard), 0)].count += 1
            }
        }
        var notes = said.prefix(Self.annotationsMax).map { sentence in
            let (first, count) = sayers[sentence] ?? ("", 1)
            return "\(first)\(count > 1 ? " and \(count - 1) more" : ""): \(sentence)"
        }
        if said.count > Self.annotationsMax { notes.append("… and more annotations; they are in the logs") }
        return notes
    }

    private func summaries(_ object: (ObjectRef) -> [UInt8]?) throws(QueryError) -> [SummaryFact] {
        var summaries: [SummaryFact] = []
        var left = Self.summariesBytesMax
        for (attempt, report) in try lastReports() where report.summary != nil {
            guard summaries.count < Self.summariesMax, let reference = report.summary.flatMap(ObjectRef.init),
                reference.sizeBytes <= left, let bytes = object(reference)
            else { continue }
            left -= bytes.count
            summaries.append(
                SummaryFact(
                    cell: cell(attempt.shard.cell)?.name ?? "", shard: attempt.shard.shard,
                    text: String(decoding: bytes, as: UTF8.self)))
        }
        return summaries
    }

    /// What the attempt that decided each shard reported, and of shards that have not settled the last one; in the order of
    /// the plan. Of two attempts at a shard the one that counts need not be the last.
    private func lastReports() throws(QueryError) -> [(attempt: AttemptID, report: Proto.AttemptReport)] {
        var deciding: [ShardID: Int] = [:]
        for settlement in settlements where settlement.attempt > 0 {
            for shard in settlement.first...max(settlement.first, settlement.last) {
                deciding[ShardID(cell: settlement.cell, shard: shard)] = settlement.attempt
            }
        }
        var found: [(attempt: AttemptID, report: Proto.AttemptReport)] = []
        for (index, attempt) in attempts.enumerated() {
            let id = attempt.lease.attempt
            let isLast = index + 1 == attempts.count || attempts[index + 1].lease.attempt.shard != id.shard
            let counts = deciding[id.shard].map { $0 == id.number } ?? isLast
            if counts, let report = try report(of: attempt) { found.append((id, report)) }
        }
        return found
    }

    /// `eval (3.11), shard 2`
    private func name(of shard: ShardID) -> String {
        "\(cell(shard.cell)?.name ?? "\(shard.cell)"), " + (shard.isListing ? "listing" : "shard \(shard.shard)")
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
        fact.beside = lease.beside == 0 ? nil : lease.beside
        fact.gpuModels = lease.devices.map(model)
        if let usage = report?.usage {
            fact.cpu = usage.cpuNs > 0 ? .nanoseconds(Int64(clamping: usage.cpuNs)) : nil
            fact.setup = .nanoseconds(Int64(clamping: usage.setupNs))
            fact.running = .nanoseconds(Int64(clamping: usage.runNs))
            fact.uploading = .nanoseconds(Int64(clamping: usage.uploadNs))
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
