package import Gates
package import Model

// What a reader would otherwise have to look for: which axis values explain the failures, which items changed, what
// passed only after failing.

/// What a job's failing cells have in common.
package struct BlameReport: Equatable, Sendable {
    package var job: String
    package var blame: Blame
    /// Of the blamed failing cells, how many failed in the baseline, too; `nil` where no baseline has them.
    package var failedBefore: Int?
}

/// A shard that failed and passed on the same code: no attempt of it proves anything alone.
package struct FlakyShard: Equatable, Sendable {
    package var name: String
    package var shard: Int
    /// The causes of the attempts that did not pass, apart from the farm's own.
    package var causes: [String]
    /// Tests that failed and passed within one attempt; no more than `SettledShard.flakyMax`.
    package var tests: [String] = []
}

/// A cell, or a gate's group, that failed in one run and passed in another, with the same code and inputs.
package struct OtherAnswer: Equatable, Sendable {
    /// `eval (3.11)`, or `gate floor, data=iris`.
    package var name: String
    /// The newest other run that came to the other answer.
    package var run: RunID
    package var passesHere: Bool
}

/// Items that came out otherwise than in the baseline.
package struct FlippedItems: Equatable, Sendable {
    package var gate: String
    package var group: String
    package var flips: Flips
}

extension Flips {
    /// How many of the items that changed are counted and not named.
    var idsLeftOut: Int { lost - lostIDs.count + gained - gainedIDs.count }
}

extension BaselineNote {
    /// What the gate called it: `r12`, `champion`, `branch main`.
    var name: String {
        switch reference {
        case .run(let run): run.description
        case .branch(let branch): "branch \(branch)"
        case .alias(let alias): alias
        }
    }
}

extension RunReport {
    static func blames(_ jobs: [JobReport], _ judgement: Judgement) -> [BlameReport] {
        jobs.compactMap { job in
            let known = Dictionary(
                judgement.cells.filter { $0.job == job.id }.map { ($0.cell, $0) },
                uniquingKeysWith: { first, _ in first })
            let measured = job.cells.filter { $0.mark == .pass || $0.mark == .waived || $0.mark == .fail }
            guard let blame = Blame.find(measured.map { ($0.values, $0.mark == .fail) }) else { return nil }
            let blamed = measured.filter { cell in
                cell.mark == .fail && blame.place.allSatisfy(cell.values.contains)
            }
            let before = blamed.compactMap { known[$0.id]?.baselineOutcome }
            return BlameReport(
                job: job.id, blame: blame, failedBefore: before.isEmpty ? nil : before.count { $0 == .failed })
        }
    }

    static func flaky(_ jobs: [JobReport], _ results: Results) -> [FlakyShard] {
        var flaky: [FlakyShard] = []
        var tests: [String: [String]] = [:]
        let key = { (job: String, cell: String, shard: Int) in "\(job)\u{0}\(cell)\u{0}\(shard)" }
        for shard in results.shards where !shard.flaky.isEmpty {
            tests[key(shard.job, shard.cell, shard.shard)] = shard.flaky
        }
        for (job, cell) in jobs.flatMap({ job in job.cells.map { (job.id, $0) } }) {
            for shard in cell.shards {
                let hasPassed = (shard.cause ?? shard.deciding?.cause)?.kind == .passed
                let tried = tests[key(job, cell.id, shard.shard)] ?? []
                let failed =
                    !hasPassed
                    ? []
                    : shard.attempts.compactMap(\.cause).filter { cause in
                        switch cause.kind {
                        case .userExit, .timeout, .idle, .signal, .oom, .gpuOOM: true
                        case .passed, .userError, .cancelled, .notNeeded, .lostAgent, .agentFault, .gpuFault, .diskFull,
                            .dataUnavailable, .preempted, .queueTimeout:
                            false
                        }
                    }
                guard !failed.isEmpty || !tried.isEmpty else { continue }
                flaky.append(
                    FlakyShard(name: cell.name, shard: shard.shard, causes: failed.map(\.label), tests: tried))
            }
        }
        return flaky
    }

    func otherAnswers() -> [OtherAnswer] {
        var found: [OtherAnswer] = []
        let look = { (name: () -> String, passes: Bool, there: (PastRun) -> Bool?) in
            guard let past = facts.history.last(where: { there($0) == !passes }) else { return }
            found.append(OtherAnswer(name: name(), run: past.run, passesHere: passes))
        }
        guard isOver, !facts.history.isEmpty else { return [] }
        for cell in judgement.cells where cell.outcome == .passed || cell.outcome == .failed {
            look({ cell.name }, cell.outcome == .passed) { $0.passed(cell) }
        }
        for gate in judgement.gates where gate.isRequired && gate.isApplicable && !gate.isJobs {
            for group in gate.groups where group.isAnswer {
                let name = { () -> String in
                    let place = self.name(of: group, in: gate)
                    return "gate \(gate.name)" + (place.isEmpty ? "" : ", \(place)")
                }
                look(name, group.verdict == .pass) { $0.passed(group, in: gate) }
            }
        }
        return found
    }

    /// All of it that is flaky, in words: shards, then what other runs came to otherwise.
    var flakySentences: [String] { flaky.map { sentence($0) } + otherwise.map { sentence($0) } }

    /// The runs that gates compared with, in the gates' order.
    package var baselineRuns: [RunID] {
        var runs: [RunID] = []
        for run in judgement.gates.flatMap(\.groups).compactMap(\.baselineRun) where !runs.contains(run) {
            runs.append(run)
        }
        return runs
    }

    /// Most losses first.
    package var flipped: [FlippedItems] {
        let all = judgement.gates.flatMap { gate in
            gate.groups.compactMap { group -> FlippedItems? in
                guard let flips = group.flips, flips.lost + flips.gained > 0 else { return nil }
                return FlippedItems(gate: gate.name, group: name(of: group, in: gate), flips: flips)
            }
        }
        let order = all.indices.sorted { (all[$1].flips.lost, $0) < (all[$0].flips.lost, $1) }
        return order.map { all[$0] }
    }

    // MARK: in words

    /// `device=cuda and backend=jax: 8 of 8 cells fail, else 1 of 88 (p 1.2e-9, 24 sets searched)`.
    func sentence(_ report: BlameReport) -> String {
        let blame = report.blame
        let place = blame.place.map { "\($0.key)=\($0.value.shown)" }.joined(separator: " and ")
        let before =
            report.failedBefore.map {
                $0 == 0 ? "; none of them in the baseline" : "; \($0) of them also in the baseline"
            } ?? ""
        return "\(report.job): \(place): \(blame.failed) of \(Self.counted(blame.count, "cell")) fail, "
            + "else \(blame.failedElsewhere) of \(blame.countElsewhere) "
            + "(exact p \(Figure.text(blame.probability, digits: 2)), corrected for \(blame.searched) sets searched)\(before)"
    }

    /// `no-regression, eval (3.11): 60 items got worse (q1, q2, …), 20 got better`.
    func sentence(_ flipped: FlippedItems, most: Int = 5) -> String {
        let part = { (count: Int, ids: [String], word: String) in
            "\(Self.counted(count, "item")) got \(word)"
                + (count == 0
                    ? ""
                    : " (\(ids.prefix(most).joined(separator: ", "))"
                        + (count > min(most, ids.count) ? " and \(count - min(most, ids.count)) more)" : ")"))
        }
        let flips = flipped.flips
        return "\(flipped.gate)\(flipped.group.isEmpty ? "" : ", \(flipped.group)"): "
            + part(flips.lost, flips.lostIDs, "worse") + ", " + part(flips.gained, flips.gainedIDs, "better")
    }

    /// `eval (3.11): failed in r7 on the same code, passes here`.
    func sentence(_ other: OtherAnswer) -> String {
        other.passesHere
            ? "\(other.name): failed in \(other.run) on the same code, passes here"
            : "\(other.name): passed in \(other.run) on the same code, fails here"
    }

    /// `eval (3.11) shard 2: user_exit (1), then passed on the same code`.
    func sentence(_ flaky: FlakyShard) -> String {
        var told: [String] = []
        if !flaky.causes.isEmpty {
            told.append("\(flaky.causes.joined(separator: ", ")), then passed on the same code")
        }
        if !flaky.tests.isEmpty {
            told.append("\(Spelling.shortened(flaky.tests, most: 5)) failed and passed within one attempt")
        }
        return "\(flaky.name) \(Self.name(ofShard: flaky.shard)): \(told.joined(separator: "; "))"
    }
}
