import Expressions
import Model

/// A call of a workflow, for one cell of the job that calls.
struct ExpandedCall: Sendable {
    /// The job that calls, as its file has it.
    var caller: JobSource
    /// The called file, without its jobs: they stand among those of the workflow that was expanded.
    var workflow: Workflow
    /// `strategy` and `matrix`, as the caller's texts see them.
    var contexts: [Value.Member]
}

/// Jobs that call workflows are replaced by the jobs of those: `ci` becomes `ci / lint` and `ci / test`, once per cell of
/// its matrix. What needs `ci` needs all of them.
extension Workflow {
    /// The workflow without jobs that call others. The same request gives the same jobs, in the same order.
    package func expanded(_ request: PlanRequest) throws(Mistakes) -> Workflow {
        guard scopes.isEmpty else { return self }
        let base = jobs.contains { $0.call != nil } ? try contexts(for: request) : []
        let (whole, mistakes) = expansion(request, base)
        guard !mistakes.contains(where: { $0.severity == .error }) else { throw Mistakes(mistakes) }
        return whole
    }

    /// What could be expanded, and what is wrong with the rest.
    func expansion(_ request: PlanRequest, _ base: [Value.Member]) -> (whole: Workflow, mistakes: [Diagnostic]) {
        var whole = self
        whole.jobs = []
        whole.scopes = [JobScope()]
        var mistakes: [Diagnostic] = []
        whole.add(jobs, of: nil, base, request, &mistakes)
        return (whole, mistakes)
    }

    private mutating func add(
        _ sources: [JobSource], of call: Int?, _ base: [Value.Member], _ request: PlanRequest,
        _ mistakes: inout [Diagnostic]
    ) {
        let scope = call.map { $0 + 1 } ?? 0
        for source in sources {
            var job = source
            job.caller = call
            if let call {
                let around = calls[call].caller
                job.planID = "\(around.planID).\(job.id)"
                job.title = "\(around.title) / \(job.id)"
            }
            let first = jobs.count
            guard let called = job.call?.workflow else {
                jobs.append(job)
                scopes[scope].add(NamedJobs(name: job.id, needs: job.needs, jobs: [first]))
                continue
            }
            let made = instances(of: job, base, request, &mistakes)
            var positions: [Int] = []
            for (caller, contexts) in made {
                guard jobs.count <= Limits.jobsMax else { break }
                positions.append(calls.count)
                var file = called
                file.jobs = []
                calls.append(ExpandedCall(caller: caller, workflow: file, contexts: contexts))
                scopes.append(JobScope())
                add(called.jobs, of: calls.count - 1, base, request, &mistakes)
            }
            scopes[scope].add(
                NamedJobs(name: job.id, needs: job.needs, jobs: Array(first..<jobs.count), calls: positions))
            if jobs.count > Limits.jobsMax, mistakes.isEmpty {
                mistakes.append(
                    Diagnostic(
                        at: job.position,
                        "the workflow has more than \(Limits.jobsMax) jobs, with those of the workflows that it calls",
                        help: "call fewer of them, from fewer cells, or split the workflow into several"))
            }
        }
    }

    /// The job that calls, once per cell of its matrix, and what its texts see there.
    private func instances(
        of job: JobSource, _ base: [Value.Member], _ request: PlanRequest, _ mistakes: inout [Diagnostic]
    ) -> [(caller: JobSource, contexts: [Value.Member])] {
        do throws(Mistakes) {
            let around = try contexts(in: job.caller, base, request) { _ in nil }
            let context = EvaluationContext(values: around + [.init("needs", .object([]))])
            if let matrix = job.matrix,
                !NodeExpressions.references(of: matrix).allSatisfy({ reference in
                    reference.first != "needs" && (reference.first != "inputs" || !hasLateInputs(job.caller))
                })
            {
                // Said when the file was read, save where it hides behind an input.
                mistakes.append(
                    Diagnostic(
                        .unsupported, at: matrix.position,
                        "not supported yet: the matrix of a job that calls a workflow, made of outputs of other jobs",
                        help: Self.lateMatrixHelp, rule: .unsupported))
                return [(job, [])]
            }
            let told = mistakes.count
            let (cells, _) = try combinations(of: job, context, isKnown: request.isKnown, &mistakes)
            if cells.isEmpty, mistakes.count == told, let matrix = job.matrix,
                request.isKnown || !NodeExpressions.readsTheRun(matrix)
            {
                mistakes.append(
                    Diagnostic(
                        at: matrix.position, "the matrix has no cells",
                        help: "let 'exclude' leave one, or remove the job",
                        rule: .matrix))
            }
            let failFast = NodeExpressions.value(job.failFast, in: context, Scopes.strategy, &mistakes)?.boolean
            var ids = CellNames.Identifiers()
            return cells.enumerated().map { position, cell in
                var caller = job
                if job.matrix != nil { caller.planID += ".\(ids.next(shown: cell.shown, job: job.id))" }
                let contexts: [Value.Member] = [
                    .init(
                        "strategy",
                        [
                            "fail-fast": .boolean(failFast ?? true), "job-index": .number(Double(position)),
                            "job-total": .number(Double(cells.count)), "max-parallel": .number(Double(cells.count)),
                        ]), .init("matrix", .object(cell.values)),
                ]
                caller.title = title(of: job, cell, around + contexts)
                return (caller, contexts)
            }
        } catch {
            mistakes += error.diagnostics
            return []
        }
    }

    static let lateMatrixHelp = "write the values out, or let the called workflow have the matrix"

    /// `ci (3.11)`, or the job's own name.
    private func title(of job: JobSource, _ cell: Matrix.Combination, _ contexts: [Value.Member]) -> String {
        let plain = CellNames.name(job: job.title, shown: cell.shown)
        guard let node = job.name, !NodeExpressions.references(of: node).contains(where: { $0.first == "needs" }) else {
            return plain
        }
        var ignored: [Diagnostic] = []
        let context = EvaluationContext(values: contexts + [.init("needs", .object([]))])
        guard let value = NodeExpressions.value(node, in: context, Scopes.jobCell, &ignored) else { return plain }
        let text = String(job.title.dropLast(job.id.count)) + Conversion.text(of: value)
        return NodeExpressions.areIn(node) ? text : CellNames.name(job: text, shown: cell.shown)
    }

    // MARK: Places

    /// Of the plan's jobs, in its order.
    package var jobIDs: [String] { jobs.map(\.planID) }

    /// Gates and waivers that name a job of a called workflow, which shows only now: `job: ci.test`.
    func checkCalledNames(_ mistakes: inout [Diagnostic]) {
        let known = Set(jobIDs)
        func check(_ id: String?, _ place: SourcePosition) {
            guard let id, id.contains("."), !known.contains(id) else { return }
            mistakes.append(
                Diagnostic(
                    at: place, "no job '\(id)'",
                    help: Spelling.nearest(to: id, among: jobIDs).map { "did you mean '\($0)'?" }
                        ?? "the jobs are \(jobIDs.prefix(20).joined(separator: ", "))"))
        }
        for gate in gates { check(gate.job, gate.position) }
        for waiver in waivers {
            if case .cells(let job) = waiver.subject { check(job, waiver.position) }
        }
    }

    /// The file that a job stands in.
    func file(of job: JobSource) -> Workflow { job.caller.map { calls[$0].workflow } ?? self }

    /// Positions in the plan of everything that a job waits for.
    func planNeeds(of index: Int) -> [Int] {
        var found: [Int] = []
        var seen: Set<Int> = []
        var job: JobSource? = jobs[index]
        while let one = job {
            for need in one.needs {
                for position in named(need, around: one)?.jobs ?? [] where seen.insert(position).inserted {
                    found.append(position)
                }
            }
            job = one.caller.map { calls[$0].caller }
        }
        return found
    }

    /// The names that the needs of a job are among.
    func scope(of job: JobSource) -> JobScope { scopes[job.caller.map { $0 + 1 } ?? 0] }

    func named(_ name: String, around job: JobSource) -> NamedJobs? { scope(of: job)[name] }

    /// Whether what a call gets depends on outputs of other jobs.
    func hasLateInputs(_ call: Int?) -> Bool {
        guard let call else { return false }
        let caller = calls[call].caller
        let read = (caller.call?.inputs ?? []).flatMap { NodeExpressions.references(of: $0.value) }
        return read.contains { $0.first == "needs" }
            || read.contains { $0.first == "inputs" } && hasLateInputs(caller.caller)
    }
}
