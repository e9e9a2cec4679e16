package import Model

/// What the gates answer about one run, with everything needed to check the answer again.
package struct Judgement: Equatable, Sendable {
    /// The worst verdict among the required gates.
    package var verdict: Verdict
    /// The implicit gate `jobs` first, then the workflow's gates in its order.
    package var gates: [GateJudgement]
    /// Every cell of the plan, in its order, with what the gate `jobs` says about it.
    package var cells: [CellJudgement]
    /// Whether `verdict` is `incomplete` for no other reason than causes of the infrastructure.
    package var isInfrastructureOnly: Bool
    /// What the gates' references to baselines came to.
    package var baselines: [BaselineNote] = []
    /// What a reader should know and no verdict depends on: a waiver that fits nothing.
    package var notes: [String] = []

    package init(gates: [GateJudgement], cells: [CellJudgement]) {
        self.gates = gates
        self.cells = cells
        let required = gates.filter { $0.isRequired && $0.isApplicable }
        let worst = required.map(\.verdict).max() ?? .incomplete
        verdict = worst
        isInfrastructureOnly = worst == .incomplete && required.allSatisfy(\.passesButForInfrastructure)
    }

    /// What the CLI ends with: 0 passed or waived, 3 the farm's fault, 1 everything else.
    package var exitCode: Int32 {
        switch verdict {
        case .pass, .waived: 0
        case .incomplete where isInfrastructureOnly: 3
        case .inconclusive, .incomplete, .fail: 1
        }
    }
}

/// One gate's answer: the worst of its groups.
package struct GateJudgement: Equatable, Sendable {
    package var name: String
    package var isRequired: Bool
    /// `false` when the gate's `when` is false: it is then neutral and has no groups.
    package var isApplicable: Bool
    package var verdict: Verdict
    /// What the gate asks, in words: `accuracy at-least 0.92 per cell`.
    package var question: String
    package var groups: [GroupJudgement]

    package init(
        name: String, isRequired: Bool, isApplicable: Bool = true, question: String, groups: [GroupJudgement]
    ) {
        self.name = name
        self.isRequired = isRequired
        self.isApplicable = isApplicable
        self.question = question
        self.groups = groups
        verdict = isApplicable ? groups.map(\.verdict).max() ?? .incomplete : .pass
    }

    /// The verdict's word, `not_applicable` included.
    package var word: String { isApplicable ? verdict.rawValue : "not_applicable" }

    fileprivate var passesButForInfrastructure: Bool {
        verdict <= .waived
            || !groups.isEmpty && groups.allSatisfy { $0.verdict <= .waived || $0.isInfrastructureOnly }
    }
}

/// A gate's answer about one group of cells.
package struct GroupJudgement: Equatable, Sendable {
    /// The values that name the group: of all axes, of those in `per`, or none for the run.
    package var place: [Value.Member]
    package var verdict: Verdict
    package var reason: String
    /// The group's value; `nil` when the evidence gives none.
    package var value: Double?
    /// What it is measured in, where the program says so.
    package var unit: String?
    /// The bound on `value`, limits against a baseline turned into the metric's unit; two for `between`.
    package var bound: [Double] = []
    /// The limit as written: `at-least 0.92`, `drop-at-most 3%`.
    package var limit = ""
    package var baseline: Double?
    /// Which run or file the baseline is: `r12, commit 1a2b3c4`; empty without one.
    package var baselineSource = ""
    /// The run itself, where it has a number.
    package var baselineRun: RunID?
    /// How many items the value rests on; `nil` where the metric's kind does not say.
    package var count: Int?
    /// Candidate − baseline, or their quotient for `ratio-at-most`.
    package var effect: Double?
    /// Of the repetitions named in `over`.
    package var spread: Spread?
    /// The interval of `effect` and the p of a test; limits without a test have none.
    package var interval: [Double] = []
    package var probability: Double?
    /// How the test was done, and what it is worth; `nil` for limits without a test.
    package var test: TestEvidence?
    /// Items of 0/1 that changed against the baseline.
    package var flips: Flips?
    /// The cells that the group reads, each with the attempt of every shard.
    package var restsOn: [CellAttempts] = []
    /// Whether the group is `incomplete` for no other reason than causes of the infrastructure.
    package var isInfrastructureOnly = false
    /// Whether all evidence that it takes is there and whole, the baseline's too: nothing else can be waived.
    package var isMeasured = false
    /// Whether nothing keeps it from passing but what the plan itself says: that there was no run before, or that cells are new, gone,
    /// or were in quarantine. What was measured could be compared wherever there was something.
    package var isUncompared = false
    /// Whether a comparison with the baseline does not hold, or could not be decided: for a waived one.
    package var isWorse = false
    /// Whether a cell that the baseline had to measure is gone, and nothing else is missing.
    var isVanished = false

    package init(place: [Value.Member], verdict: Verdict, reason: String) {
        self.place = place
        self.verdict = verdict
        self.reason = reason
    }

    /// How the reason of a limit begins that had nothing to compare with.
    static let noBaseline = "no baseline: "

    /// Whether it passes although it should have been compared: plain limits decided (`first: pass-floor`).
    package var passesUncompared: Bool { verdict == .pass && reason.contains(Self.noBaseline) }
}

/// How a test was done, and what its answer is worth.
package struct TestEvidence: Equatable, Sendable {
    package var test: GateRule.Test
    /// `exact McNemar`, `Welch's t`, …
    package var method: String
    /// The false-block rate of the run, or the gate's false-pass rate.
    package var rate: Double
    /// p within the family; `nil` where the test is not one of a family.
    package var adjusted: Double?
    /// How many comparisons the family has.
    package var family: Int?
    /// How many items it takes to decide.
    package var needed: Int?
    /// With which chance the drop that was to be found is found at this n: by this comparison alone, and within the
    /// family. Of `non-inferiority`: with which chance it is shown while nothing changes; it has no family.
    package var power: Double?
    package var powerInFamily: Double?
    /// Items of the baseline that the candidate lacks, and counts as wrong.
    package var lacking = 0
    /// Items that the baseline lacks, and that are left out.
    package var new = 0

    package init(_ test: GateRule.Test, method: String, rate: Double) {
        self.test = test
        self.method = method
        self.rate = rate
    }
}

/// Items of 0/1 that came out otherwise than in the baseline.
package struct Flips: Equatable, Sendable {
    package static let shownMax = 20

    /// How many got worse, and the ids of the first ones.
    package var lost: Int
    package var lostIDs: [String]
    package var gained: Int
    package var gainedIDs: [String]

    package init(lost: Int = 0, lostIDs: [String] = [], gained: Int = 0, gainedIDs: [String] = []) {
        self.lost = lost
        self.lostIDs = lostIDs
        self.gained = gained
        self.gainedIDs = gainedIDs
    }
}

/// How far repetitions of one measurement lie apart.
package struct Spread: Equatable, Sendable {
    /// Of the values that were averaged.
    package var lowest: Double
    package var highest: Double
    /// The most repetitions that went into one average.
    package var repetitions: Int

    package init(lowest: Double, highest: Double, repetitions: Int) {
        self.lowest = lowest
        self.highest = highest
        self.repetitions = repetitions
    }
}

/// Which attempts a cell's evidence comes from.
package struct CellAttempts: Equatable, Sendable {
    package var job: String
    package var cell: String
    /// By shard number; 0 where the shard has none.
    package var attempts: [Int]

    package init(job: String, cell: String, attempts: [Int]) {
        self.job = job
        self.cell = cell
        self.attempts = attempts
    }
}

extension Judgement {
    /// Whether later runs of a branch can be measured by this one: it passes, or nothing keeps it from that but what the plan itself says
    /// (a first run, a cell that is new or gone) and waivers of something else than a comparison.
    ///
    /// Such a change came with a commit that is on the branch by now: where that were no baseline there would never be one again.
    /// What could not be compared for another reason (other items, another evaluator, another device) may hide a drop, and a waiver
    /// of a drop is not what others are measured by: there a person has to say so, by giving the run a name.
    ///
    /// - Parameter comparing: the names of gates whose waived comparisons count.
    package func canBeBaseline(comparing: Set<String>) -> Bool {
        gates.allSatisfy { gate in
            !gate.isRequired || !gate.isApplicable
                || gate.groups.allSatisfy { group in
                    group.verdict == .pass || group.isUncompared
                        || group.verdict == .waived && (!group.isWorse || !comparing.contains(gate.name))
                }
        }
    }

    /// Whether a comparison was waived that does not hold, or was not decided.
    package var waivesComparison: Bool {
        gates.contains { $0.groups.contains { $0.verdict == .waived && $0.isWorse } }
    }
}

/// How a cell came out, its metrics left aside.
package struct CellJudgement: Equatable, Sendable {
    package enum Outcome: String, Sendable {
        case passed
        case failed
        /// Something is missing: a shard was lost, cancelled, or never settled.
        case incomplete
        /// Its own `if`, or its job's, was false.
        case notApplicable = "not_applicable"
        /// Something that its job needs failed.
        case notReached = "not_reached"
    }

    package var job: String
    package var cell: String
    package var name: String
    package var outcome: Outcome
    /// Empty for `passed`, unless no gate looks at the cell: then why.
    package var reason: String
    /// Whether the gate `jobs` leaves `outcome` out: `required: false`, or `continue-on-error`.
    package var isNeutral: Bool
    package var isInfrastructureOnly: Bool
    /// How the same cell came out in the baseline that the gates compare with; `nil` where there is none.
    package var baselineOutcome: Outcome?

    package init(
        job: String, cell: String, name: String, outcome: Outcome, reason: String = "", isNeutral: Bool = false,
        isInfrastructureOnly: Bool = false, baselineOutcome: Outcome? = nil
    ) {
        self.baselineOutcome = baselineOutcome
        self.job = job
        self.cell = cell
        self.name = name
        self.outcome = outcome
        self.reason = reason
        self.isNeutral = isNeutral
        self.isInfrastructureOnly = isInfrastructureOnly
    }
}
