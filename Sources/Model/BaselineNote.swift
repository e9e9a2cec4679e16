/// What a gate's reference to a baseline came to when the run was judged: kept with the verdict and exported with the results,
/// so that whoever judges them again can say the same.
package struct BaselineNote: Equatable, Sendable {
    package enum State: String, Sendable {
        case found
        /// There was none yet.
        case absent
        /// It should have been there and could not be had.
        case unavailable
    }

    package var reference: GateRule.BaselineReference
    /// The gates that it was for; `nil` for all that ask for it.
    package var gates: [String]?
    /// Whether cells that did not run in it are as good as new.
    package var skippedAreNew = false
    /// Cells, by id, that it does not have and another run that could have been the baseline has run.
    package var returning: [String] = []
    package var state: State
    /// What the report calls it, or where it was looked for.
    package var text: String
    package var run: RunID?
    /// Of one that was found: the code that it measured, and where its results come from: inputs, evaluator, locks, devices.
    package var commit: String?
    package var tree: Digest?
    package var provenance: [Value.Member] = []

    /// Whether it says the same, whichever gates it was for.
    package func isAsGood(as other: Self) -> Bool {
        var same = other
        same.gates = gates
        return self == same
    }

    package init(_ reference: GateRule.BaselineReference, _ state: State, _ text: String, run: RunID? = nil) {
        self.reference = reference
        self.state = state
        self.text = text
        self.run = run
    }
}
