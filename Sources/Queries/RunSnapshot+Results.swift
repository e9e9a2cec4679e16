package import Artifacts
import Gates
package import Model
import Storage
import Wire

extension RunSnapshot {
    /// What the gates read and `sheaf export` writes: what has settled so far, of every cell that has to report.
    ///
    /// Pure, apart from `object`: the same snapshot gives the same results.
    ///
    /// - Parameter object: gives an object's bytes, at most `Limits.itemsFileBytesMax` of them; `nil` when the farm does
    ///   not hold it, or no longer: then the shard's cause is a fault of the farm. What it throws ends the call.
    package func results(object: (ObjectRef) throws -> [UInt8]?) throws -> Results {
        var results = Results(header: header(), shards: [])
        // `try?`: a damaged judgement is told by whoever shows it; the results stand for themselves.
        if let judgement = try? judgement() {
            results.header.baselines = judgement.baselines
            results.header.conditions = conditions(in: judgement)
        }
        var listing: (cell: CellID, items: Listing)?
        for settlement in settlements {
            guard let cell = cell(settlement.cell) else { continue }
            // A listing that succeeded has no results of its own: its shards have.
            if settlement.first == ShardID.listing && settlement.cause.kind == .passed { continue }
            let count = shardCount(of: settlement.cell)
            if listing?.cell != settlement.cell {
                listing = (settlement.cell, try items(of: settlement.cell, object: object))
            }
            for number in settlement.first...max(settlement.first, settlement.last) {
                results.shards.append(
                    try settled(settlement, number, cell, count, listing?.items ?? .undeclared, object: object))
            }
        }
        return results
    }

    private func conditions(in judgement: Judgement) -> [ResultsHeader.Condition] {
        var conditions: [ResultsHeader.Condition] = []
        for gate in judgement.gates {
            guard let text = plan.gates.first(where: { $0.name == gate.name })?.when,
                !conditions.contains(where: { $0.text == text })
            else { continue }
            conditions.append(ResultsHeader.Condition(text, holds: gate.isApplicable))
        }
        return conditions
    }

    /// How long a passing shard took, with the items that it had and what was measured on them.
    package struct TimedShard: Sendable {
        package var seconds: Double
        package var assigned: TextColumn
        package var items: ItemTable
    }

    /// The shards of a cell that passed and had items, in their order.
    ///
    /// - Parameter object: as for `results`.
    package func timedShards(of cell: CellID, object: (ObjectRef) throws -> [UInt8]?) throws -> [TimedShard] {
        guard let planned = self.cell(cell) else { return [] }
        let listing = try items(of: cell, object: object)
        guard case .items = listing else { return [] }
        var timed: [TimedShard] = []
        for settlement in settlements
        where settlement.cell == cell && settlement.first >= 0 && settlement.cause.kind == .passed {
            for number in settlement.first...max(settlement.first, settlement.last) {
                let shard = ShardID(cell: cell, shard: number)
                guard let attempt = attempt(AttemptID(shard: shard, number: settlement.attempt)),
                    let end = attempt.ending?.at
                else { continue }
                let settled = try settled(settlement, number, planned, shardCount(of: cell), listing, object: object)
                guard settled.cause.kind == .passed, let assigned = settled.assigned else { continue }
                let seconds = (attempt.startedAt ?? attempt.lease.at).duration(to: end).inSeconds
                timed.append(TimedShard(seconds: max(0, seconds), assigned: assigned, items: settled.items))
            }
        }
        return timed
    }

    private func settled(
        _ settlement: SettlementRecord, _ number: Int, _ cell: PlannedCell, _ count: Int?, _ listing: Listing,
        object: (ObjectRef) throws -> [UInt8]?
    ) throws -> SettledShard {
        let shard = ShardID(cell: settlement.cell, shard: number)
        var settled = SettledShard(
            job: plan.jobs[settlement.cell.job].id, cell: cell.id, values: cell.values, shard: number,
            shardCount: count ?? 0, attempt: settlement.attempt, cause: settlement.cause)
        switch listing {
        case .items(let items, let ends):
            guard let count, number >= 0, number < count else { break }
            settled.assigned = items.part(
                ShardCut.slice(shard: number, of: count, items: items.count, ends: ends))
        case .lost(let evidence): settled.lose(evidence)
        case .undeclared: break
        }
        try measure(AttemptID(shard: shard, number: settlement.attempt), into: &settled, object: object)
        return settled
    }

    // MARK: what had to report

    private func header() -> ResultsHeader {
        var header = ResultsHeader(
            run: id, jobs: plan.jobs.indices.map(expectedJob),
            commit: record.commit.isEmpty ? nil : record.commit, tree: record.tree, provenance: provenance)
        let quarantined = header.quarantinedCells(by: plan.waivers)
        if !quarantined.isEmpty {
            header.provenance.append(.init("quarantined", .array(quarantined.map(Value.string))))
        }
        return header
    }

    private func ran(_ place: Int) -> Bool { jobs[place].map { $0.kind == .cells } ?? false }

    private func expectedJob(_ place: Int) -> ExpectedJob {
        var job = ExpectedJob(id: plan.jobs[place].id, cells: [], writesMetrics: plan.jobs[place].writesMetrics)
        switch jobs[place]?.kind {
        case .cells, .unresolved, nil: break
        case .notApplicable: job.ending = .notApplicable
        case .notReached: job.ending = .notReached
        case .failed: job.ending = .failed
        }
        // Of one that never started, too: it was cancelled before.
        if job.ending != .ran || !ran(place) { job.reason = jobs[place]?.reason ?? "" }
        job.cells = eachCell(of: place).map { cell in
            ExpectedCell(
                id: cell.cell.id, name: cell.cell.name, values: cell.cell.values, shards: shardCount(of: cell.id),
                items: cellRecord(cell.id)?.items, required: cell.cell.required,
                continueOnError: cell.cell.continueOnError, skipped: cell.cell.skipped)
        }
        return job
    }

    /// What tells one measurement from another beside the code: gates compare some of it, people the rest.
    private var provenance: [Value.Member] {
        var members: [Value.Member] = []
        let say = { (name: String, text: String) in
            if !text.isEmpty { members.append(Value.Member(name, .string(text))) }
        }
        say("repository", request.repository)
        say("branch", request.branch)
        members.append(Value.Member("dirty", .boolean(request.dirty)))
        say("event", request.eventName)
        say("actor", record.owner.name)
        say("team", record.owner.team ?? "")
        if request.rerunOf != 0 { say("rerun_of", RunID(request.rerunOf).description) }
        say("submitted_at", record.submittedAt.utc)
        say("workflow", Digest(hashing: Array(request.workflow.utf8)).hex)
        if !request.gates.isEmpty { say("gates", Digest(hashing: Array(request.gates.utf8)).hex) }
        let list = { (name: String, texts: Set<String>) in
            if !texts.isEmpty { members.append(Value.Member(name, .array(texts.sorted().map(Value.string)))) }
        }
        list(
            "inputs",
            Set(plan.jobs.flatMap { $0.cells ?? [] }.flatMap(\.inputs).map { "\($0.path) \($0.manifest.hex)" }))
        // Always there: none given is known, too.
        members.append(.init("workflow_inputs", Self.chosen(plan.givenInputs)))
        members.append(.init("vars", Self.chosen(request.vars.map { "\($0.key)=\($0.value)" }.sorted())))
        list("bounds", Set(plan.gates.filter { !$0.thresholds.isEmpty }.map { "\($0.name): \($0.bounds)" }))
        list("evaluators", Set(plan.evaluators.map { "\($0.path) \($0.digest.hex)" }))
        list("device_model", Set(decidingAttempts.flatMap(\.lease.devices).map(model)))
        list("environment_locks", Set(decidingAttempts.compactMap { environmentLock(of: $0)?.hex }))
        return members
    }

    /// `name=value`; long ones by their digest.
    private static func chosen(_ texts: [String]) -> Value {
        .array(
            texts.map { text in
                guard text.utf8.count > 200 else { return .string(text) }
                return .string("\(text.prefix(40))… \(Digest(hashing: Array(text.utf8)).hex)")
            })
    }

    /// The attempts that settled their shards.
    var decidingAttempts: [StoredAttempt] {
        settlements.filter { $0.attempt > 0 }.flatMap { settlement in
            (settlement.first...max(settlement.first, settlement.last)).compactMap {
                attempt(AttemptID(shard: ShardID(cell: settlement.cell, shard: $0), number: settlement.attempt))
            }
        }
    }

    func environmentLock(of attempt: StoredAttempt) -> Digest? {
        // `try?`: a report that cannot be read is told where its metrics are asked for.
        (try? report(of: attempt))?.environmentLock.flatMap { Digest($0.digest) }
    }

    // MARK: what was measured

    private enum Listing {
        /// The cell has no items, or nobody has listed them yet.
        case undeclared
        /// Their ids, in the listing's order, and where the items of each shard end if they were not cut in equal numbers.
        case items(TextColumn, ends: [Int])
        case lost(String)
    }

    private func items(of cell: CellID, object: (ObjectRef) throws -> [UInt8]?) throws -> Listing {
        guard plan.jobs[cell.job].shards.items != nil, let known = cellRecord(cell), known.items != nil else {
            return .undeclared
        }
        var found: ObjectRef?
        var ends: [Int] = []
        for attempt in attempts(at: ShardID(cell: cell, shard: ShardID.listing))
        where attempt.ending?.cause.kind == .passed {
            let report = try report(of: attempt)
            found = report?.listing.flatMap(ObjectRef.init)
            ends = report?.shardEnds.map { Int($0) } ?? []
        }
        if let listing = known.listing, found?.digest != listing {
            // The size only bounds what is read.
            found = ObjectRef(digest: listing, sizeBytes: Limits.itemsFileBytesMax)
        }
        guard let found else { return .lost("nobody knows the listing of the cell's items") }
        guard let bytes = try object(found) else {
            return .lost("the farm does not hold the listing of the cell's items (\(found.digest.short))")
        }
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return .items(TextColumn(lines.lazy.map { String(decoding: $0, as: UTF8.self) }), ends: ends)
    }

    private func measure(
        _ attempt: AttemptID, into shard: inout SettledShard, object: (ObjectRef) throws -> [UInt8]?
    ) throws {
        guard attempt.number > 0, let stored = self.attempt(attempt), let report = try report(of: stored) else {
            return
        }
        let path = report.metricsPath.isEmpty ? "$SHEAF_METRICS" : report.metricsPath
        if let file = report.metrics {
            switch try contents(of: file, path, Limits.metricsFileBytesMax, attempt: attempt.number, object) {
            case .bytes(let bytes): shard.metrics = MetricsFile.read(bytes, file: path)
            case .refused(let refused): shard.metrics = [NamedMetric(MetricsFile.wholeName, .refused(refused))]
            case .lost(let evidence): shard.lose(evidence)
            }
        } else if plan.jobs[attempt.shard.cell.job].work.metrics != nil, shard.cause.kind == .passed {
            shard.absent.append("the metrics file '\(path.prefix(100))' was not written")
        }
        try readSources(attempt, report, into: &shard, object)
        if let file = report.items {
            switch try contents(of: file, Self.itemsPath, Limits.itemsFileBytesMax, attempt: attempt.number, object) {
            case .bytes(let bytes):
                let (items, problem) = ItemsFile.read(bytes, file: Self.itemsPath)
                shard.items.append(contentsOf: items)
                if let problem { shard.metrics.append(NamedMetric(MetricsFile.wholeName, .refused(problem))) }
            case .refused(let refused):
                shard.metrics.append(NamedMetric(MetricsFile.wholeName, .refused(refused)))
            case .lost(let evidence): shard.lose(evidence)
            }
        }
    }

    /// What stands in files as tools write them.
    private func readSources(
        _ attempt: AttemptID, _ report: Proto.AttemptReport, into shard: inout SettledShard,
        _ object: (ObjectRef) throws -> [UInt8]?
    ) throws {
        let sources = plan.jobs[attempt.shard.cell.job].work.metricSources
        guard !sources.isEmpty else { return }
        var read = ReadMetrics(metrics: shard.metrics, items: shard.items)
        var found: Set<Int> = []
        for file in report.metricFiles.prefix(MetricSource.filesMax) {
            let index = Int(file.source)
            guard let named = file.object, sources.indices.contains(index) else { continue }
            found.insert(index)
            switch try contents(of: named, file.path, sources[index].bytesMax, attempt: attempt.number, object) {
            case .bytes(let bytes):
                read.add(
                    MetricFiles.read(bytes, file: file.path, as: sources[index], areAssigned: shard.assigned != nil),
                    file: file.path)
            case .refused(let refused): read.metrics.append(NamedMetric(MetricsFile.wholeName, .refused(refused)))
            case .lost(let evidence): shard.lose(evidence)
            }
        }
        if let assigned = shard.assigned, sources.contains(where: { $0.format == .junit }) {
            MetricFiles.assign(&read, as: assigned)
        }
        shard.metrics = read.metrics
        shard.items = read.items
        shard.flaky = Array(Set(read.flaky).sorted().prefix(SettledShard.flakyMax))
        guard shard.cause.kind == .passed else { return }
        for (index, source) in sources.enumerated() where !found.contains(index) {
            shard.absent.append("no step wrote '\(source.path.prefix(100))'")
        }
    }

    /// Steps know the file of items by its variable, so messages do too.
    private static let itemsPath = "$SHEAF_ITEMS_OUT"

    private enum Contents {
        case bytes([UInt8])
        case refused(RefusedMetric)
        case lost(String)
    }

    private func contents(
        of file: Proto.ObjectRef, _ path: String, _ bytesMax: Int, attempt: Int,
        _ object: (ObjectRef) throws -> [UInt8]?
    ) throws -> Contents {
        let refused = { (reason: String) in
            Contents.refused(RefusedMetric(text: "", reason: reason, file: path, line: 0))
        }
        guard let named = ObjectRef(file) else { return refused("its report names it by no digest") }
        guard named.sizeBytes <= bytesMax else { return refused("larger than \(ByteCount(Int64(bytesMax)))") }
        guard let bytes = try object(named) else {
            return .lost("the farm does not hold \(path) of attempt \(attempt) (\(named.digest.short))")
        }
        return .bytes(bytes)
    }
}

extension SettledShard {
    /// What it measured is gone: that is nothing its program did.
    fileprivate mutating func lose(_ evidence: String) {
        if cause.kind == .passed { cause = Cause(.agentFault, evidence: evidence) }
    }
}
