import Expressions
package import Model

/// What a job finds around it: the run's contexts, and how the jobs that it needs have ended.
struct Surroundings {
    /// `github`, `inputs` and `vars` of the run.
    var base: [Value.Member]
    var request: PlanRequest
    /// The run was cancelled.
    var isCancelled = false
    /// By position in the plan; `nil` for one that goes on, or of which nothing is known yet.
    var ended: (Int) -> NeededJob?
}

extension Workflow {
    /// `github`, `inputs`, `vars` and `needs`, as the texts of a job see them on an agent.
    ///
    /// - Parameter base: the contexts of the run.
    package func contexts(
        ofJob index: Int, _ base: [Value.Member], _ request: PlanRequest, ended: @escaping (Int) -> NeededJob?
    ) throws(Mistakes) -> [Value.Member] {
        guard !scopes.isEmpty else {
            return try expanded(request).contexts(ofJob: index, base, request, ended: ended)
        }
        let around = Surroundings(base: base, request: request, ended: ended)
        return try contexts(in: jobs[index].caller, around) + [needs(of: jobs[index], around)]
    }

    func contexts(
        in call: Int?, _ base: [Value.Member], _ request: PlanRequest, ended: @escaping (Int) -> NeededJob?
    ) throws(Mistakes) -> [Value.Member] {
        try contexts(in: call, Surroundings(base: base, request: request, ended: ended))
    }

    /// The run's contexts, with the inputs that a call gives.
    func contexts(in call: Int?, _ around: Surroundings) throws(Mistakes) -> [Value.Member] {
        guard let call else { return around.base }
        let inputs = try inputs(of: call, around)
        return around.base.filter { $0.key != "inputs" } + [.init("inputs", inputs)]
    }

    /// What the texts of the job that calls see.
    func callerContexts(_ call: Int, _ around: Surroundings) throws(Mistakes) -> [Value.Member] {
        let caller = calls[call].caller
        return try contexts(in: caller.caller, around) + [needs(of: caller, around)] + calls[call].contexts
    }

    private func inputs(of call: Int, _ around: Surroundings) throws(Mistakes) -> Value {
        guard let source = calls[call].caller.call, let interface = calls[call].workflow.call else {
            return .object([])
        }
        let context = EvaluationContext(values: try callerContexts(call, around))
        var mistakes: [Diagnostic] = []
        var members: [Value.Member] = []
        for input in interface.inputs {
            let given = source.inputs.first { CaseFolding.equal($0.key, input.name) }?.value
            guard let given else {
                members.append(.init(input.name, fallback(of: input, context, &mistakes)))
                continue
            }
            let isJudged = around.request.isKnown || !NodeExpressions.readsTheRun(given)
            var found: [Diagnostic] = []
            let value = NodeExpressions.value(given, in: context, Scopes.jobCell, &found)
            if isJudged { mistakes += found }
            guard let value, let fitting = input.kind.fitting(value) else {
                if isJudged, let value {
                    mistakes.append(
                        Diagnostic(
                            at: given.position,
                            "the input '\(input.name)' is a \(input.kind.rawValue), not '\(Conversion.text(of: value))'",
                            help: input.kind == .string || input.kind == .choice
                                ? "hand on a single value; a list becomes one by toJSON(…)"
                                : "a text becomes a \(input.kind.rawValue) by fromJSON(…)"))
                }
                members.append(.init(input.name, input.kind.empty))
                continue
            }
            members.append(.init(input.name, fitting))
        }
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        return .object(members)
    }

    /// What an input is that the caller does not give.
    private func fallback(
        of input: Input, _ context: EvaluationContext, _ mistakes: inout [Diagnostic]
    ) -> Value {
        guard let text = input.fallbackText else { return input.fallback }
        do throws(ExpressionError) {
            let value = try TemplateText(text, in: Scopes.callInput).evaluate(in: context)
            return input.kind.fitting(value) ?? input.kind.empty
        } catch {
            let top = SourcePosition(file: file, line: 1, column: 1)
            mistakes.append(
                Diagnostic(at: top, "the default of the input '\(input.name)': \(error.message)", help: error.help))
            return input.kind.empty
        }
    }

    // MARK: needs

    /// The context `needs` of a job.
    func needs(of job: JobSource, _ around: Surroundings) -> Value.Member {
        .init(
            "needs",
            .object(
                job.needs.compactMap { name in named(name, around: job).flatMap { ending(of: $0, around) }?.context }))
    }

    /// Everything that a job needs among the jobs of its own file, directly or not.
    func ancestors(of job: JobSource, _ around: Surroundings) -> [NeededJob] {
        scope(of: job).ancestors(of: job.needs).compactMap { ending(of: $0, around) }
    }

    /// How a name of `needs` ended: a job, or all jobs of a call.
    private func ending(of named: NamedJobs, _ around: Surroundings) -> NeededJob? {
        let ended = named.jobs.compactMap(around.ended)
        if named.calls.isEmpty {
            guard var one = ended.first else { return nil }
            one.id = named.name
            return one
        }
        guard ended.count == named.jobs.count else { return nil }
        var whole = NeededJob(id: named.name, outcome: .success)
        if ended.contains(where: { $0.outcome == .failure }) {
            whole.outcome = .failure
        } else if ended.contains(where: { $0.outcome == .cancelled }) {
            whole.outcome = .cancelled
        } else if ended.allSatisfy({ $0.outcome == .skipped }) {
            whole.outcome = .skipped
        }
        for call in named.calls {
            for output in outputs(of: call, around) where output.value.string?.isEmpty != true {
                whole.outputs.removeAll { $0.key == output.key }
                whole.outputs.append(output)
            }
        }
        return whole
    }

    /// What a called workflow gives to those that need the job that called it.
    private func outputs(of call: Int, _ around: Surroundings) -> [Value.Member] {
        guard let templates = calls[call].workflow.call?.outputs, !templates.isEmpty else { return [] }
        let jobs = scopes[call + 1].jobs.compactMap { ending(of: $0, around)?.context }
        // Its inputs were evaluated when its jobs started; one that cannot be gives texts without them.
        let contexts = (try? contexts(in: call, around)) ?? around.base
        let context = EvaluationContext(values: contexts + [.init("jobs", .object(jobs))])
        return templates.map { template in
            // Checked when the file was read; what fails all the same is empty, as a missing member is.
            let value = try? TemplateText(template.text, in: Scopes.callOutput).evaluate(in: context)
            return .init(template.name, .string(value.map { Conversion.text(of: $0) } ?? ""))
        }
    }

    // MARK: conditions

    /// Why the jobs of a call do not run: the job that calls does not. `nil` when it does.
    func held(by call: Int, _ around: Surroundings) throws(Mistakes) -> JobResolution? {
        let caller = calls[call].caller
        if let outer = caller.caller, let held = try held(by: outer, around) { return held }
        return try held(
            caller, try callerContexts(call, around), ancestors(of: caller, around), isCancelled: around.isCancelled)
    }

    /// The jobs of the file itself, as gates see them: those that call workflows stand for what they call.
    func named(among ended: [NeededJob], _ request: PlanRequest) -> [NeededJob] {
        guard !calls.isEmpty, let base = try? contexts(for: request) else { return ended }
        let byID = Dictionary(ended.map { ($0.id, $0) }) { first, _ in first }
        let around = Surroundings(base: base, request: request) { [jobs] in byID[jobs[$0].planID] }
        return ended + scopes[0].jobs.filter { !$0.calls.isEmpty }.compactMap { ending(of: $0, around) }
    }
}

extension Workflow.Input.Kind {
    /// A value as an input of this kind; `nil` where it is another kind.
    func fitting(_ value: Value) -> Value? {
        switch self {
        case .boolean: value.boolean.map { .boolean($0) }
        case .number: value.number.map { .number($0) }
        case .string, .choice, .environment:
            value.array == nil && value.members == nil ? .string(Conversion.text(of: value)) : nil
        }
    }
}
