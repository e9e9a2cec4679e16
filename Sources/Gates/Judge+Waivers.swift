package import Model

extension ResultsHeader {
    /// The names of cells that are in quarantine on the day of the run.
    package func quarantinedCells(by waivers: [Waiver]) -> [String] {
        let notes = Judge.quarantine(Results(header: self, shards: []), waivers).notes
        return jobs.flatMap { job in
            job.cells.filter { notes[job.id + "\u{0}" + $0.id] != nil }.map(\.name)
        }
    }
}

extension Judge {
    /// The day on which the run was submitted, by which waivers end: the same judgement whenever it is asked for.
    private static func day(_ header: ResultsHeader) -> String? {
        guard let text = header.provenance.first(where: { $0.key == "submitted_at" })?.value.string,
            Waiver.isDay(text.prefix(10))
        else { return nil }
        return String(text.prefix(10))
    }

    private static func covers(_ waiver: Waiver, _ place: [Value.Member]) -> Bool {
        waiver.place.allSatisfy(place.contains)
    }

    private static func isOver(_ waiver: Waiver, _ day: String) -> Bool { waiver.lastDay < day }

    /// The results without the demand that quarantined cells pass.
    static func quarantine(_ results: Results, _ waivers: [Waiver]) -> (results: Results, notes: [String: String]) {
        var results = results
        var notes: [String: String] = [:]
        guard let day = day(results.header) else { return (results, notes) }
        for waiver in waivers {
            guard case .cells(let job) = waiver.subject, !isOver(waiver, day) else { continue }
            for place in results.header.jobs.indices where results.header.jobs[place].id == job {
                for cell in results.header.jobs[place].cells.indices
                where covers(waiver, results.header.jobs[place].cells[cell].values) {
                    results.header.jobs[place].cells[cell].required = false
                    notes[job + "\u{0}" + results.header.jobs[place].cells[cell].id] =
                        "quarantined by \(waiver.author) until \(waiver.lastDay): \(waiver.reason)"
                }
            }
        }
        return (results, notes)
    }

    /// Gates with their waivers applied. A waiver covers what was measured and does not hold, or cannot be decided, and a cell that
    /// the plan has no longer; never what is missing or broken, on either side.
    func waive(_ gates: [GateJudgement]) -> [GateJudgement] {
        let day = Self.day(candidate.cells.results.header)
        return gates.map { gate in
            let named = terms.waivers.filter { $0.subject == .gate(gate.name) }
            guard !named.isEmpty else { return gate }
            return GateJudgement(
                name: gate.name, isRequired: gate.isRequired, isApplicable: gate.isApplicable, question: gate.question,
                groups: gate.groups.map { Self.waived($0, named, day: day) })
        }
    }

    private static func waived(_ group: GroupJudgement, _ named: [Waiver], day: String?) -> GroupJudgement {
        var group = group
        guard group.verdict == .fail || group.verdict == .inconclusive || group.isVanished else { return group }
        let fitting = named.filter { covers($0, group.place) }
        let standing = day.flatMap { day in fitting.first { !isOver($0, day) } }
        guard group.isMeasured || group.isVanished else {
            if let standing { group.reason += "; the waiver by \(standing.author) covers nothing missing or broken" }
            return group
        }
        if let standing {
            let was = "\(group.verdict.rawValue): \(group.reason)"
            group.verdict = .waived
            group.reason =
                "waived by \(standing.author) until \(standing.lastDay) (\(standing.reason)); else \(was)"
        } else if let waiver = fitting.first {
            group.reason +=
                day == nil
                ? "; a waiver by \(waiver.author) does not count: nobody knows when the run was submitted"
                : "; the waiver by \(waiver.author) ended with \(waiver.lastDay)"
        }
        return group
    }

    /// Waivers and quarantines whose `where` fits nothing that the run has: whoever wrote them meant something else.
    func idleWaivers(_ gates: [GateJudgement]) -> [String] {
        terms.waivers.compactMap { waiver in
            let place = waiver.place.map { "\($0.key)=\($0.value.shown)" }.joined(separator: ", ")
            switch waiver.subject {
            case .gate(let name):
                guard let gate = gates.first(where: { $0.name == name }), gate.isApplicable,
                    !gate.groups.contains(where: { Self.covers(waiver, $0.place) })
                else { return nil }
                return "the waiver by \(waiver.author) fits no group of gate '\(name)': \(place)"
            case .cells(let id):
                guard let job = candidate.cells.jobs.first(where: { $0.expected.id == id }),
                    job.expected.ending == .ran,
                    !job.cells.contains(where: { Self.covers(waiver, $0.expected.values) })
                else { return nil }
                return "the quarantine by \(waiver.author) fits no cell of job '\(id)': \(place)"
            }
        }
    }

    /// What a person has to say before a branch is measured by this run: other items or another evaluator may be meant, and may hide
    /// that something came down.
    func unmeasurableNotes(_ gates: [GateJudgement], _ rules: [GateRule]) -> [String] {
        guard let run = candidate.cells.results.header.run,
            !gates.contains(where: { $0.isRequired && $0.verdict == .fail })
        else { return [] }
        var branches: [String: [String]] = [:]
        for gate in gates where gate.isRequired && gate.isApplicable {
            guard case .branch(let branch)? = rules.first(where: { $0.name == gate.name })?.baseline,
                gate.groups.contains(where: { $0.isWorse && $0.baselineRun != nil })
            else { continue }
            branches[branch, default: []].append(gate.name)
        }
        return branches.sorted { $0.key < $1.key }.map { branch, names in
            "no later run of '\(branch)' is measured by this one, for what \(Spelling.shortened(names, most: 3)) could not compare, or had "
                + "waived: where that is meant to stay, sheaf baseline set NAME \(run) --because WHY"
        }
    }
}
