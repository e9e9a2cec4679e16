package import Gates
package import Model

/// An earlier run of the same workflow, as far as a trend needs it.
package struct PastRun: Equatable, Sendable {
    package var run: RunID
    package var submittedAt: Instant
    package var verdict: Verdict
    /// The value of each gate's groups.
    private var values: [String: Double] = [:]
    /// Of a run that asked the same of the same code: which cells, and which groups of gates, passed, and which failed.
    private var passes: [String: Bool] = [:]

    /// - Parameter isSameCode: whether it was submitted with the code, workflow and inputs of the run that is reported.
    package init(
        run: RunID, submittedAt: Instant, verdict: Verdict, _ judgement: Judgement, isSameCode: Bool = false
    ) {
        if isSameCode {
            for cell in judgement.cells where cell.outcome == .passed || cell.outcome == .failed {
                passes[Self.key(cell)] = cell.outcome == .passed
            }
            for gate in judgement.gates where gate.isRequired && gate.isApplicable && !gate.isJobs {
                for group in gate.groups where group.isAnswer {
                    passes[Self.answer(gate, group)] = group.verdict == .pass
                }
            }
        }
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

    /// Whether it passed there; `nil` where that run was of other code, or came to neither.
    func passed(_ cell: CellJudgement) -> Bool? { passes[Self.key(cell)] }
    func passed(_ group: GroupJudgement, in gate: GateJudgement) -> Bool? { passes[Self.answer(gate, group)] }

    /// Compared with another run, a group is asked something else.
    private static func answer(_ gate: GateJudgement, _ group: GroupJudgement) -> String {
        key(gate, group) + "\u{0}" + (group.baselineRun?.description ?? "")
    }

    private static func key(_ cell: CellJudgement) -> String { "\u{0}\(cell.job)\u{0}\(cell.cell)" }

    private static func key(_ gate: GateJudgement, _ group: GroupJudgement) -> String {
        gate.name + "\u{0}" + CellValues.key(group.place)
    }
}

extension GroupJudgement {
    /// Whether it says yes or no to what the gate asks.
    var isAnswer: Bool { verdict == .fail || verdict == .pass && !passesUncompared }
}
