import Expressions
import JSON
package import Model

/// What a job comes to once everything it needs has ended.
package enum JobResolution: Equatable, Sendable {
    /// - goesOn: its `if` holds when the run is cancelled, too.
    case cells([PlannedCell], failFast: Bool, maxParallel: Int?, goesOn: Bool)
    /// Its own `if` was false, or what it needs was skipped; why, in a sentence.
    case notApplicable(String)
    /// Something it needs failed; why, in a sentence.
    case notReached(String)
}

/// How a job that another one needs has ended.
package struct NeededJob: Equatable, Sendable {
    package enum Outcome: String, Sendable { case success, failure, cancelled, skipped }
    /// One cell of it.
    package struct Cell: Equatable, Sendable {
        package var id: String
        package var values: [Value.Member]
        package var outcome: Outcome
        package var outputs: [Value.Member]

        package init(id: String, values: [Value.Member], outcome: Outcome, outputs: [Value.Member] = []) {
            self.id = id
            self.values = values
            self.outcome = outcome
            self.outputs = outputs
        }
    }

    package var id: String
    package var outcome: Outcome
    package var outputs: [Value.Member]
    /// In the plan's order; empty where nobody asks for single cells.
    package var cells: [Cell]

    package init(id: String, outcome: Outcome, outputs: [Value.Member] = [], cells: [Cell] = []) {
        self.id = id
        self.outcome = outcome
        self.outputs = outputs
        self.cells = cells
    }

    /// The member of `needs` that this is: `result`, `outputs` and, by the cells' ids, `cells`.
    package var context: Value.Member {
        var members: [Value.Member] = [
            .init("result", .string(outcome.rawValue)), .init("outputs", .object(outputs)),
        ]
        if !cells.isEmpty {
            members.append(
                .init(
                    "cells",
                    .object(
                        cells.map { cell in
                            .init(
                                cell.id,
                                [
                                    "result": .string(cell.outcome.rawValue), "outputs": .object(cell.outputs),
                                    "values": .object(cell.values),
                                ])
                        })))
        }
        return .init(id, .object(members))
    }
}

/// A plan with what the one who asked for it should know.
package struct Planned: Sendable {
    package var plan: Plan
    package var warnings: [Diagnostic]
    /// By job: what shows that the cells of a job with `cover` cover its matrix.
    package var covers: [String: CoverCertificate]
    /// By job: why it will not run, where that is clear already.
    package var skipped: [String: String]

    /// The plan as people see it: cells of jobs that will not run say why.
    package var shown: Plan {
        var shown = plan
        for index in shown.jobs.indices {
            guard let reason = skipped[shown.jobs[index].id], let count = shown.jobs[index].cells?.count else {
                continue
            }
            for cell in 0..<count where shown.jobs[index].cells?[cell].skipped == nil {
                shown.jobs[index].cells?[cell].skipped = reason
            }
        }
        return shown
    }
}

extension Workflow {
    /// The most cells of one job: GitHub's limit, and Sheaf's own.
    var cellsMax: Int { isSheaf ? Limits.cellsPerJobMax : 256 }

    /// Everything that can be known before anything runs. A job whose cells depend on outputs of others has `cells: nil`.
    ///
    /// - Throws: every mistake that shows up only when expressions are evaluated.
    package func plan(_ request: PlanRequest) throws(Mistakes) -> Plan { try planned(request).plan }

    /// The plan with all that is known about it.
    package func planned(_ request: PlanRequest) throws(Mistakes) -> Planned {
        var mistakes: [Diagnostic] = []
        let base = contexts(for: request, &mistakes)
        if mistakes.isEmpty, case .doesNot(let reason) = start(by: request) {
            let place = triggers.first { $0.name == eventName(of: request) }?.position
            mistakes.append(
                Diagnostic(
                    at: place ?? SourcePosition(file: file, line: 1, column: 1),
                    "the event does not start this workflow: \(reason)",
                    help: "submit what the filters of 'on' let in, or widen them", rule: .event))
        }
        var judged = request
        // Where it is not clear what starts the run, what depends on that is not judged.
        if unread.triggers || !mistakes.isEmpty { judged.isKnown = false }
        // What starts the run was not read: that it does not fit says nothing.
        if unread.triggers { mistakes = [] }
        guard scopes.isEmpty else { return try planned(request, judged, base, mistakes, isWhole: true) }
        let (whole, found) = expansion(judged, base)
        return try whole.planned(
            request, judged, base, mistakes + found, isWhole: !found.contains { $0.severity == .error })
    }

    /// - Parameters:
    ///   - asked: the request as it came.
    ///   - request: the request, with what may be judged by it.
    ///   - base: the run's contexts.
    ///   - found: mistakes so far.
    ///   - isWhole: every job of called workflows is there.
    private func planned(
        _ asked: PlanRequest, _ request: PlanRequest, _ base: [Value.Member], _ found: [Diagnostic], isWhole: Bool
    ) throws(Mistakes) -> Planned {
        var mistakes = found
        var planned: [PlannedJob] = []
        var covers: [String: CoverCertificate] = [:]
        var skipped: [String: String] = [:]
        var resting = SkippedJobs(of: self, Surroundings(base: base, request: request) { _ in nil })
        let distrust = distrust(request, base)
        for index in jobs.indices {
            let job = jobs[index]
            if request.isKnown, !job.isUnread { skipped[job.planID] = resting.reason(ofJob: index) }
            if skipped[job.planID] == nil, let distrust, let refusal = refuseSecrets(of: job, request, distrust) {
                mistakes.append(refusal)
            }
            let needs = planNeeds(of: index)
            let behind = jobsBehindGates(of: index, &mistakes).filter { !needs.contains($0) }
            var result = PlannedJob(
                id: job.planID, name: job.title, needs: needs + Set(behind).sorted(), matched: matchedNeeds(of: index),
                calls: groupedCalls(of: job),
                needsGates: job.needsGates, condition: job.condition, onCancel: asksForStatus(job) ? .asks : .ends,
                cells: nil, shards: job.shards, retry: job.retry, isIdempotent: job.isIdempotent, work: job.work)
            if job.isUnread {
                // What is wrong with it was told when it was read.
            } else if !dependsOnNeeds(job) {
                do throws(Mistakes) {
                    let contexts = try contexts(in: job.caller, base, request) { _ in nil }
                    let made = try cells(of: job, contexts + [.init("needs", .object([]))], request, status: nil)
                    var cells = made.cells
                    let around = Surroundings(base: base, request: request) { _ in nil }
                    let groups = try callGroups(of: job, around, isResolved: false)
                    for cell in cells.indices { cells[cell].callGroups = groups }
                    match(&cells, of: index, { planned.indices.contains($0) ? planned[$0].cells : nil }, &mistakes)
                    mistakes += made.warnings
                    covers[job.planID] = made.cover
                    result.cells = cells
                    result.failFast = made.failFast
                    result.maxParallel = made.maxParallel
                } catch {
                    mistakes += error.diagnostics
                }
            } else {
                // Its cells come later; a manifest that is not there is said now.
                _ = job.heldInputs(request, &mistakes)
            }
            planned.append(result)
        }
        if isWhole, !unread.jobs { checkCalledNames(&mistakes) }
        do throws(Mistakes) { _ = try concurrency(in: base) } catch { mistakes += error.diagnostics }
        let title = title(of: request, base, &mistakes)
        let gates = readGates(asked, &mistakes)
        let evaluators = readEvaluators(asked, &mistakes)
        mistakes += advice(on: gates, request.today)
        let shards = planned.reduce(0) { $0 + ($1.cells?.count ?? 1) * $1.shards.count }
        if shards > Limits.shardsPerRunMax {
            let top = SourcePosition(file: file, line: 1, column: 1)
            mistakes.append(
                Diagnostic(
                    at: top, "the run has \(shards) shards; the limit is \(Limits.shardsPerRunMax)",
                    help: "give jobs fewer shards, exclude cells, or submit the jobs as several workflows"))
        }
        guard !mistakes.contains(where: { $0.severity == .error }) else { throw Mistakes(mistakes) }
        let plan = Plan(
            name: name, title: title, file: file, jobs: planned, gates: gates, falseBlockRate: falseBlockRate,
            waivers: waivers, evaluators: evaluators, givenInputs: givenInputs(base), deadline: deadline,
            untrusted: distrust)
        return Planned(plan: plan, warnings: mistakes, covers: covers, skipped: skipped)
    }

    /// What a job comes to, now that what it needs has ended.
    ///
    /// - Parameters:
    ///   - ancestors: all jobs that it needs, directly or not, as far as they have ended: those whose cells it waits for
    ///     one by one may go on.
    ///   - isCancelled: the run was cancelled before.
    ///   - plannedCells: the cells of a job of the plan, where they are known.
    package func resolve(
        job index: Int, ancestors: [NeededJob], isCancelled: Bool = false, _ request: PlanRequest,
        plannedCells: (Int) -> [PlannedCell]? = { _ in nil }
    ) throws(Mistakes) -> JobResolution {
        guard !scopes.isEmpty else {
            return try expanded(request).resolve(
                job: index, ancestors: ancestors, isCancelled: isCancelled, request, plannedCells: plannedCells)
        }
        let ended = Dictionary(ancestors.map { ($0.id, $0) }) { first, _ in first }
        let around = Surroundings(base: try contexts(for: request), request: request, isCancelled: isCancelled) {
            [jobs] in
            ended[jobs[$0].planID]
        }
        let job = jobs[index]
        if let caller = job.caller, let held = try held(by: caller, around) { return held }
        let contexts = try contexts(in: job.caller, around) + [needs(of: job, around)]
        let ancestors = self.ancestors(of: job, around)
        if let held = try held(job, contexts, ancestors, isCancelled: isCancelled) { return held }
        let status = Self.status(over: ancestors, isCancelled: isCancelled)
        let made = try cells(of: job, contexts, request, status: status)
        var cells = made.cells
        let groups = try callGroups(of: job, around, isResolved: true)
        for cell in cells.indices { cells[cell].callGroups = groups }
        var mistakes: [Diagnostic] = []
        match(&cells, of: index, plannedCells, &mistakes)
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return .cells(
            cells, failFast: made.failFast, maxParallel: made.maxParallel,
            goesOn: try goesOn(job, contexts, ancestors, request))
    }

    /// Whether the job's own condition holds in a cancelled run, too.
    private func goesOn(
        _ job: JobSource, _ contexts: [Value.Member], _ ancestors: [NeededJob], _ request: PlanRequest
    ) throws(Mistakes) -> Bool {
        let status = Self.status(over: ancestors, isCancelled: true)
        guard asksForStatus(job), try skipReason(of: job, contexts, status) == nil else { return false }
        guard readsMatrix(job) else { return true }
        // Each cell is asked; the job goes on when one of them does.
        return try cells(of: job, contexts, request, status: status).cells.contains { $0.skipped == nil }
    }

    /// Why a job, or one that calls a workflow, does not run; `nil` when it does, or when each cell is asked.
    func held(
        _ job: JobSource, _ contexts: [Value.Member], _ ancestors: [NeededJob], isCancelled: Bool
    ) throws(Mistakes) -> JobResolution? {
        let status = Self.status(over: ancestors, isCancelled: isCancelled)
        guard let reason = try skipReason(of: job, contexts, status) else { return nil }
        if let failed = ancestors.first(where: { $0.outcome == .failure || $0.outcome == .cancelled }),
            !asksForStatus(job)
        {
            // Also for want of an agent: it is told where the job is.
            let what = failed.outcome == .failure ? "did not succeed" : "was cancelled"
            return .notReached("\(ExpectedJob.needsWords)'\(failed.id)', which \(what)")
        }
        if let skipped = ancestors.first(where: { $0.outcome == .skipped }), !asksForStatus(job) {
            return .notApplicable("it needs '\(skipped.id)', which was skipped")
        }
        return .notApplicable(reason)
    }

    /// What `success()` and its like ask, over all jobs that one needs.
    static func status(
        over ancestors: [NeededJob], isCancelled: Bool
    ) -> @Sendable (String, [String]) -> Bool {
        { function, named in
            let asked = named.isEmpty ? ancestors : ancestors.filter { named.contains($0.id) }
            return switch function {
            case "always": true
            case "cancelled": isCancelled || asked.contains { $0.outcome == .cancelled }
            case "failure": asked.contains { $0.outcome == .failure }
            default: !isCancelled && asked.allSatisfy { $0.outcome == .success }
            }
        }
    }

    /// Whether an expression of a job asks for single cells of a job that it needs (`needs.eval.cells`).
    package func readsCells(job index: Int) -> Bool { jobs.indices.contains(index) && jobs[index].readsCells }

    /// Whether the matrix of a job, or anything that its cells are made of, reads outputs of other jobs.
    private func dependsOnNeeds(_ job: JobSource) -> Bool {
        let read = job.cellNodes.flatMap { NodeExpressions.references(of: $0) }
        return !job.needs.isEmpty && read.contains { $0.first == "needs" }
            || read.contains { $0.first == "inputs" } && hasLateInputs(job.caller)
    }

    func asksForStatus(_ job: JobSource) -> Bool {
        // The text was checked when the file was read: what cannot be parsed asks for nothing.
        (try? Condition(job.condition ?? "", in: Scopes.jobConditionWithMatrix))?.asksForStatus ?? false
    }

    private func readsMatrix(_ job: JobSource) -> Bool {
        (try? Condition(job.condition ?? "", in: Scopes.jobConditionWithMatrix)).map(readsMatrix) ?? false
    }

    /// Whether the job's condition reads the matrix, so that it is asked cell by cell.
    private func readsMatrix(_ condition: Condition) -> Bool {
        condition.expressions.contains { $0.references.contains { $0.first == "matrix" } }
    }

    /// Why the job does not run; `nil` when it does, or when each cell is asked.
    private func skipReason(
        of job: JobSource, _ contexts: [Value.Member], _ status: @escaping @Sendable (String, [String]) -> Bool
    ) throws(Mistakes) -> String? {
        let text = job.condition ?? ""
        do throws(ExpressionError) {
            let condition = try Condition(text, in: Scopes.jobConditionWithMatrix)
            if job.call == nil, readsMatrix(condition) { return nil }
            let context = EvaluationContext(values: contexts, status: status)
            return try condition.holds(in: context) ? nil : "its 'if' is false: \(text.isEmpty ? "success()" : text)"
        } catch {
            throw Mistakes([Diagnostic(at: job.conditionPosition, error.message, help: error.help)])
        }
    }

    /// The cells of a job, with what holds for all of them.
    private struct Expansion {
        var cells: [PlannedCell]
        var failFast: Bool
        var maxParallel: Int?
        var cover: CoverCertificate?
        var warnings: [Diagnostic]
    }

    private func cells(
        of job: JobSource, _ contexts: [Value.Member], _ request: PlanRequest,
        status: (@Sendable (String, [String]) -> Bool)?
    ) throws(Mistakes) -> Expansion {
        let outer = EvaluationContext(values: contexts)
        var mistakes: [Diagnostic] = []
        let (combinations, cover) = try combinations(of: job, outer, isKnown: request.isKnown, &mistakes)
        // What is wrong with the matrix is told already.
        if combinations.isEmpty, mistakes.isEmpty, status == nil, let matrix = job.matrix, matrix.entries != nil,
            request.isKnown || !NodeExpressions.readsTheRun(matrix)
        {
            mistakes.append(
                Diagnostic(
                    isSheaf ? .error : .warning, at: matrix.position,
                    "the matrix has no cells" + (matrix["exclude"] == nil ? "" : ": 'exclude' leaves nothing"),
                    help: "let 'exclude' leave one, or skip the job by its 'if'", rule: .matrix))
        }
        let failFast = NodeExpressions.value(job.failFast, in: outer, Scopes.strategy, &mistakes)?.boolean ?? true
        let most = NodeExpressions.value(job.maxParallel, in: outer, Scopes.strategy, &mistakes)?.number
        let maxParallel = most.flatMap { Int(exactly: $0) }.map { max(1, $0) }
        // A tier that comes to false or nothing is none.
        let tier = NodeExpressions.value(tier, in: outer, Scopes.runName, &mistakes).flatMap {
            Conversion.isTruthy($0) ? Conversion.text(of: $0) : nil
        }
        let file = file(of: job)
        var ids = CellNames.Identifiers()
        var cells: [PlannedCell] = []
        for (position, combination) in combinations.enumerated() {
            let strategy: Value = [
                "fail-fast": .boolean(failFast), "job-index": .number(Double(position)),
                "job-total": .number(Double(combinations.count)),
                "max-parallel": .number(Double(maxParallel ?? combinations.count)),
            ]
            let matrix: Value = combination.values.isEmpty ? .null : .object(combination.values)
            let context = EvaluationContext(
                values: contexts + [.init("strategy", strategy), .init("matrix", matrix)], status: status)
            let builder = CellBuilder(
                workflow: file, job: job, request: request, context: context, tier: tier)
            cells.append(
                builder.cell(combination, id: ids.next(shown: combination.shown, job: job.id), &mistakes))
            if mistakes.count >= 20 { break }
        }
        guard !mistakes.contains(where: { $0.severity == .error }) else { throw Mistakes(mistakes) }
        return Expansion(
            cells: cells, failFast: failFast, maxParallel: maxParallel, cover: cover, warnings: mistakes)
    }

    /// - Parameter isKnown: somebody has said what starts the run; else a matrix that reads it may come to nothing.
    func combinations(
        of job: JobSource, _ context: EvaluationContext, isKnown: Bool, _ warnings: inout [Diagnostic]
    ) throws(Mistakes) -> (cells: [Matrix.Combination], cover: CoverCertificate?) {
        guard let node = job.matrix else { return ([Matrix.Combination(values: [], shown: [])], nil) }
        var mistakes: [Diagnostic] = []
        let value = NodeExpressions.value(node, in: context, Scopes.strategy, &mistakes)
        let readsTheRun = !isKnown && NodeExpressions.readsTheRun(node)
        guard let value, mistakes.isEmpty else {
            guard !readsTheRun else { return ([], nil) }
            throw Mistakes(mistakes)
        }
        do throws(Matrix.Mistake) {
            let matrix = try Matrix(value)
            let cellsMax = file(of: job).cellsMax
            guard let cover = job.cover else { return (try matrix.combinations(cellsMax: cellsMax), nil) }
            let always = NodeExpressions.value(cover.always, in: context, Scopes.strategy, &mistakes)
            let rule = CoverRule(strength: cover.strength, always: always?.array ?? [])
            let made = try matrix.covering(rule, cellsMax: cellsMax)
            return (made.cells, made.certificate)
        } catch {
            guard !readsTheRun else { return ([], nil) }
            let isOfCover = error.key == "always"
            let place = isOfCover ? (job.cover?.always?.items?[error.index ?? 0] ?? node) : error.place(in: node)
            let isComputed = NodeExpressions.areIn(place)
            let found = isComputed && !error.isTooLarge ? JSONWriter.text(value) : ""
            // What it comes to is told whole or not at all.
            let help = found.isEmpty || found.count > 200 ? error.help : "\(error.help); it comes to \(found)"
            let mistake = Diagnostic(
                isComputed && !isKnown ? .warning : .error, at: place.position, error.problem, help: help, rule: .matrix
            )
            guard mistake.severity == .warning else { throw Mistakes([mistake]) }
            warnings.append(mistake)
            return ([], nil)
        }
    }
}
