import Model

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

    /// Gates with their waivers applied. A waiver covers what was measured and does not hold, or cannot be decided;
    /// never what is missing or broken.
    func waive(_ gates: [GateJudgement]) -> [GateJudgement] {
        let day = Self.day(candidate.cells.results.header)
        return gates.map { gate in
            let named = terms.waivers.filter { $0.subject == .gate(gate.name) }
            guard !named.isEmpty else { return gate }
            let groups = gate.groups.map { group in
                var group = group
                guard group.verdict == .fail || group.verdict == .inconclusive, group.value != nil else { return group }
                let fitting = named.filter { Self.covers($0, group.place) }
                if let day, let waiver = fitting.first(where: { !Self.isOver($0, day) }) {
                    let was = "\(group.verdict.rawValue): \(group.reason)"
                    group.verdict = .waived
                    group.reason =
                        "waived by \(waiver.author) until \(waiver.lastDay) (\(waiver.reason)); else \(was)"
                } else if let waiver = fitting.first {
                    group.reason +=
                        day == nil
                        ? "; a waiver by \(waiver.author) does not count: nobody knows when the run was submitted"
                        : "; the waiver by \(waiver.author) ended with \(waiver.lastDay)"
                }
                return group
            }
            return GateJudgement(
                name: gate.name, isRequired: gate.isRequired, isApplicable: gate.isApplicable, question: gate.question,
                groups: groups)
        }
    }
}
