package import Gates
package import Model

/// An earlier run of the same workflow, as far as a trend needs it.
package struct PastRun: Equatable, Sendable {
    package var run: RunID
    package var submittedAt: Instant
    package var verdict: Verdict
    /// The value of each gate's groups.
    private var values: [String: Double] = [:]

    package init(run: RunID, submittedAt: Instant, verdict: Verdict, _ judgement: Judgement) {
        self.run = run
        self.submittedAt = submittedAt
        self.verdict = verdict
        for gate in judgement.gates {
            for group in gate.groups {
                guard let value = group.value, value.isFinite else { continue }
                values[Self.key(gate, group)] = value
            }
        }
    }

    /// The value that the same group of the same gate had; `nil` where it had none.
    func value(of group: GroupJudgement, in gate: GateJudgement) -> Double? { values[Self.key(gate, group)] }

    private static func key(_ gate: GateJudgement, _ group: GroupJudgement) -> String {
        gate.name + "\u{0}" + CellValues.key(group.place)
    }
}
