import Model

/// What is allowed, and probably not what was meant; told once all gates are known.
extension Workflow {
    /// - Parameter today: in UTC, `2026-12-31`; `nil`: nothing is said of what ends with a day.
    func advice(on gates: [GateRule], _ today: String?) -> [Diagnostic] {
        gates.compactMap { Self.missingFloor(of: $0, among: gates) } + endedWaivers(today)
    }

    /// A gate that plain limits on its metric are to decide without a baseline, of which there are none.
    private static func missingFloor(of gate: GateRule, among gates: [GateRule]) -> Diagnostic? {
        let (key, whom) =
            gate.passesFirstOnFloor
            ? ("first: pass-floor", "the first run")
            : ("new-cells: floor-only", "a cell that the baseline does not have")
        guard gate.passesFirstOnFloor || gate.newCellsFloorOnly,
            !gates.contains(where: { other in
                other.metric == gate.metric && (other.required || !gate.required)
                    && other.limits.contains { !$0.needsBaseline }
            })
        else { return nil }
        return Diagnostic(
            .warning, at: gate.position,
            "the gate '\(gate.name)' has '\(key)', and no gate\(gate.required ? " that is required" : "") says what '\(gate.metric)' must be: \(whom) cannot pass",
            help: "add what it has to be without a baseline: at-least, at-most or between", rule: .baseline)
    }

    /// What covered something until a day that is past.
    private func endedWaivers(_ today: String?) -> [Diagnostic] {
        guard let today else { return [] }
        return waivers.filter { $0.lastDay < today }.map { waiver in
            let what =
                switch waiver.subject {
                case .gate(let name): "the waiver of the gate '\(name)'"
                case .cells(let job): "the quarantine of the job '\(job)'"
                }
            return Diagnostic(
                .warning, at: waiver.position, "\(what) ended with \(waiver.lastDay): it covers nothing",
                help: "remove it, or have \(waiver.author) say until when it is to hold", rule: .idle)
        }
    }
}
