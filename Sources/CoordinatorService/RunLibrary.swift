import Artifacts
import Delivery
import Gates
import Model
import Queries
import Reporting
import Storage
import Transport
import Wire
import Workflows

/// What is known of runs from the store: their judging, their reports, and everything that is asked once they have ended.
struct RunLibrary: Sendable {
    let keeper: StoreKeeper
    let store: ObjectStore
    let clock: FarmClock
    /// What an hour costs, in reports that name nothing else; `nil`: no money is told.
    var rates: Rates?
    /// What gates read is read again for this long when the machine fails to: a verdict is given once.
    var patience = Duration.minutes(60)
    var pause: @Sendable (Duration) async -> Void = {
        // Nobody cancels a judging.
        try? await Task.sleep(for: $0)
    }
    var remark: @Sendable (String) -> Void = { _ in }

    // MARK: Judging

    /// Judges a run whose jobs have all ended. There is always a verdict: what cannot be read makes it incomplete.
    func judge(_ run: LiveRun) async -> RunEnding {
        let judgement: Judgement
        do {
            judgement = try await lasting("judge \(run.id)") { [self] in try judged(run) }
        } catch {
            judgement = Self.unreadable("\(error)")
        }
        return RunEnding(
            run: run.id, at: clock.now, verdict: judgement.verdict, exitCode: Int(judgement.exitCode),
            judgement: judgement.record)
    }

    /// Why gates hold a job back, in a sentence; `nil` where all of them pass.
    func hold(_ run: LiveRun, _ names: [String]) async -> String? {
        do {
            return try await lasting("judge gates of \(run.id)") { [self] in
                let asked = try question(of: run)
                let gates = judgeGates(
                    asked.rules, named: Set(names), results: asked.results, baselines: asked.baselines,
                    conditions: asked.conditions, terms: asked.terms)
                let refusing = gates.filter { $0.isApplicable && $0.verdict > .waived }
                guard !refusing.isEmpty else { return nil }
                return refusing.map { gate in
                    let why = gate.groups.first { $0.verdict == gate.verdict }?.reason ?? ""
                    let word = gate.verdict == .fail ? "fails" : "is \(gate.verdict.rawValue)"
                    return "the gate '\(gate.name)' \(word)\(why.isEmpty ? "" : ": \(why)")"
                }.joined(separator: "; ")
            }
        } catch {
            return "the gates cannot be judged: \(error)"
        }
    }

    private static let pauseMin = Duration.seconds(1)
    private static let pauseMax = Duration.seconds(60)

    /// Reads on a thread that may wait, and again while only the machine is in the way.
    private func lasting<Answer: Sendable>(
        _ doing: String, _ read: @escaping @Sendable () throws -> Answer
    ) async throws -> Answer {
        var (pause, waited) = (Self.pauseMin, Duration.zero)
        while true {
            do {
                return try await DiskThreads.shared.run { try read() }
            } catch  where Self.mayPass(error) && waited < patience {
                remark("cannot \(doing) yet: \(error); the farm tries again for \((patience - waited).spelled)")
                await self.pause(pause)
                waited += pause
                pause = min(pause * 2, Self.pauseMax)
            }
        }
    }

    /// Whether the machine was in the way, and not what is stored.
    private static func mayPass(_ error: any Error) -> Bool {
        let storage: StorageError
        switch error {
        case let error as ArtifactError: return error.blame == .machine
        case QueryError.storage(let error): storage = error
        case CoordinatorError.store(let error): storage = error
        case CoordinatorError.system: return true
        case let error as StorageError: storage = error
        default: return false
        }
        switch storage {
        case .diskFull, .inaccessible, .locked, .failed: return true
        case .inUse, .damaged, .newer, .conflict: return false
        }
    }

    /// What gates of a run are asked with.
    private struct Question {
        var rules: [GateRule]
        var results: Results
        var baselines: [ResolvedBaseline]
        var conditions: [String: Bool]
        var terms: JudgingTerms
    }

    /// Blocks on the disk.
    private func judged(_ run: LiveRun) throws -> Judgement {
        let asked = try question(of: run)
        return Gates.judge(
            asked.rules, results: asked.results, baselines: asked.baselines, conditions: asked.conditions,
            terms: asked.terms)
    }

    private func question(of run: LiveRun) throws -> Question {
        let reader = RunReader(storage: keeper.storage)
        guard let snapshot = try reader.snapshot(of: run.id) else {
            throw CoordinatorError.notFound("the record of \(run.id) is gone")
        }
        let ancestors = run.plan.jobs.indices.compactMap(run.needed)
        return Question(
            rules: snapshot.plan.gates, results: try snapshot.results(object: object),
            baselines: try reader.baselines(of: snapshot, object: object),
            conditions: try run.workflow.gateConditions(run.planRequest, ancestors: ancestors),
            terms: JudgingTerms(snapshot.plan))
    }

    /// An object's bytes; `nil` when the store has lost them, which the results then say.
    func object(_ reference: ObjectRef) throws -> [UInt8]? {
        do throws(ArtifactError) {
            return try store.read(reference.digest, bytesMax: max(reference.sizeBytes, 1)).bytes
        } catch {
            switch error {
            case .absent, .damaged, .setAside: return nil
            default: throw error
            }
        }
    }

    // MARK: Reading

    /// Blocks on the disk.
    func snapshot(of run: RunID) throws -> RunSnapshot {
        guard let snapshot = try RunReader(storage: keeper.storage).snapshot(of: run) else {
            throw LinkStatus(.notFound, "there is no run \(run)")
        }
        return snapshot
    }

    /// A run that has ended, as it was stored.
    func view(of run: RunID) async throws(LinkStatus) -> RunView {
        do {
            return try await DiskThreads.shared.run { [self] in
                let snapshot = try snapshot(of: run)
                return RunView(
                    owner: snapshot.record.owner, summary: snapshot.summary(), cells: snapshot.cellSummaries(),
                    notes: [])
            }
        } catch let status as LinkStatus {
            throw status
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    /// Everything that the run names. Blocks on the disk.
    func roots(of run: RunID) throws -> Set<Digest> {
        let roots = try snapshot(of: run).roots()
        return roots.evidence.union(roots.bulk)
    }

    /// A report in the asked format, or the export. Blocks on the disk.
    func rendered(
        _ run: RunID, _ request: Proto.RenderRequest, logTails: [AttemptID: [String]]
    ) throws -> [UInt8] {
        let snapshot = try snapshot(of: run)
        let results = try snapshot.results(object: object)
        if request.format == "export" { return ResultsFile.write(results) }
        if request.format.hasPrefix("compare") { return try compared(snapshot, results, request) }
        let rates: Rates?
        do {
            rates = request.rates.isEmpty ? self.rates : try Rates.read(request.rates)
        } catch {
            throw LinkStatus(.invalid, error.problem)
        }
        let report = try report(of: snapshot, results, rates: rates, logTails: logTails)
        switch request.format {
        case "text", "":
            let columns = (40...1000).contains(request.columns) ? Int(request.columns) : 100
            return Array(report.text(columns: columns, color: request.color).utf8)
        case "markdown": return Array(report.markdown.utf8)
        case "junit": return Array(report.junit.utf8)
        case "html": return Array(report.html.utf8)
        case "json": return report.json
        case "sarif": return report.sarif
        case "svg": return Array(report.svg.utf8)
        default:
            throw LinkStatus(
                .invalid,
                "there is no format '\(request.format.prefix(40))': ask for text, markdown, junit, html, json, sarif, svg or export"
            )
        }
    }

    private static let logTailBytes: UInt64 = 64 << 10
    private static let logTailLines = 20

    /// The last lines of attempts that did not pass.
    func logTails(of run: RunID, _ logs: LogStore) async throws(CoordinatorError) -> [AttemptID: [String]] {
        let attempts = try await keeper.read { storage throws(StorageError) in try storage.attempts(of: run) }
        var tails: [AttemptID: [String]] = [:]
        for attempt in attempts where attempt.ending.map({ $0.cause.kind != .passed }) ?? false {
            guard tails.count < 200 else { break }
            // A log that cannot be read leaves the report without its last lines, not without its verdict.
            tails[attempt.lease.attempt] = try? await logs.tail(
                attempt.lease.attempt, bytesMax: Self.logTailBytes, linesMax: Self.logTailLines)
        }
        return tails
    }

    /// What a code host hears about a run that has ended.
    func delivered(_ run: RunID, logs: LogStore) async throws -> DeliveredReport {
        let tails = try await logTails(of: run, logs)
        return try await DiskThreads.shared.run { [self] in
            let snapshot = try snapshot(of: run)
            let results = try snapshot.results(object: object)
            let report = try report(of: snapshot, results, rates: rates, logTails: tails)
            var delivered = DeliveredReport(
                run: run, workflow: snapshot.record.name, commit: snapshot.record.commit,
                verdict: snapshot.ending?.verdict, summary: report.verdictSentence, markdown: report.markdown)
            delivered.isCancelled = report.facts.isCancelled
            return delivered
        }
    }

    private static let baselinesToldMax = 5

    /// The report, with what other runs have to say: earlier ones, and those that gates compared with. Blocks on the disk.
    private func report(
        of snapshot: RunSnapshot, _ results: Results, rates: Rates?, logTails: [AttemptID: [String]]
    ) throws -> RunReport {
        var report = try snapshot.report(
            results: results, rates: rates, history: try RunReader(storage: keeper.storage).history(of: snapshot),
            logTail: { logTails[$0] ?? [] }, object: { try? object($0) })
        for run in report.baselineRuns.prefix(Self.baselinesToldMax) {
            // A baseline that is gone since leaves the report without this section, not without its verdict.
            guard let other = try? self.snapshot(of: run) else { continue }
            report.facts.environmentChanges += try snapshot.environmentChanges(since: other, object: object)
        }
        return report
    }

    /// The run beside another one, which whoever asks may read. Blocks on the disk.
    private func compared(_ run: RunSnapshot, _ results: Results, _ request: Proto.RenderRequest) throws -> [UInt8] {
        let other = try snapshot(of: RunID(request.against))
        let theirs = try other.results(object: object)
        let comparison = Comparison(
            candidate: try run.report(results: results), results, baseline: try other.report(results: theirs), theirs,
            environments: try run.environmentChanges(since: other, object: object))
        switch request.format {
        case "compare-markdown": return Array(comparison.markdown.utf8)
        case "compare-json": return comparison.json
        default:
            return Array(
                comparison.text(columns: (40...1000).contains(request.columns) ? Int(request.columns) : 100).utf8)
        }
    }

    private static func unreadable(_ problem: String) -> Judgement {
        var group = GroupJudgement(place: [], verdict: .incomplete, reason: "the results cannot be read: \(problem)")
        group.isInfrastructureOnly = true
        let gate = GateJudgement(
            name: "jobs", isRequired: true, isApplicable: true, question: "every required cell passed", groups: [group])
        return Judgement(gates: [gate], cells: [])
    }
}
