import Model
import Scheduling

/// One world, named in a line: a seed, how much goes wrong, what was cut out of it, and where its coordinator dies by order. A world that broke a rule is cut
/// down to what the fault needs, and its line makes it again.
package struct Replay: Equatable, Sendable, CustomStringConvertible {
    /// Something left out of a scenario.
    package enum Cut: Equatable, Sendable {
        case run(Int)
        /// Only the first jobs of a run, cells of a job, agents of all.
        case jobs(run: Int, keep: Int)
        case cells(run: Int, job: Int, keep: Int)
        case shards(run: Int, job: Int, keep: Int)
        case agents(keep: Int)
        case trouble(Kind)

        package enum Kind: String, CaseIterable, Sendable { case loss, delay, decline, fault, deaths, disturbances }
    }

    package enum Amount: String, Sendable { case none, some, much }

    package var seed: UInt64
    package var amount: Amount
    package var isComparable: Bool
    package var cuts: [Cut] = []
    package var death: Death?

    package init(seed: UInt64, _ amount: Amount, isComparable: Bool) {
        self.seed = seed
        self.amount = amount
        self.isComparable = isComparable
    }

    package var scenario: Scenario {
        let trouble: Trouble =
            switch amount {
            case .none: .none
            case .some: .some
            case .much: .much
            }
        var scenario = Scenario(seed: seed, trouble: trouble, isComparable: isComparable)
        var left = Set(scenario.submissions.indices)
        for cut in cuts { scenario.apply(cut, &left) }
        scenario.submissions = left.sorted().map { scenario.submissions[$0] }
        scenario.adjustReruns()
        return scenario
    }

    package func world<Decider: Deciding>(of _: Decider.Type) -> World<Decider> {
        var world = World<Decider>(scenario)
        world.crash(at: death)
        return world
    }

    /// Runs it to its end; `nil` when no rule broke.
    package func violation<Decider: Deciding>(of decider: Decider.Type) -> Violation? {
        var world = world(of: decider)
        do throws(Violation) {
            try world.run()
            return nil
        } catch {
            return error
        }
    }

    /// Where a comparable world comes to something else than the same one does undisturbed: the first entry of either's
    /// tally that the other's lacks. `nil` where they agree, and where one breaks a rule.
    package func difference<Decider: Deciding>(of decider: Decider.Type) -> String? {
        var undisturbed = self
        undisturbed.amount = .none
        undisturbed.death = nil
        guard let calm = undisturbed.tally(of: decider), let troubled = tally(of: decider), calm != troubled else {
            return nil
        }
        let place = zip(calm, troubled).prefix { $0 == $1 }.count
        let entry = { (tally: [String]) in place < tally.count ? tally[place] : "nothing" }
        return "undisturbed: \(entry(calm)); troubled: \(entry(troubled))"
    }

    private func tally<Decider: Deciding>(of decider: Decider.Type) -> [String]? {
        var world = world(of: decider)
        do throws(Violation) {
            try world.run()
            return world.checker.tally
        } catch {
            return nil
        }
    }

    /// The smallest world found that breaks the same rule.
    package func shrunk<Decider: Deciding>(_ decider: Decider.Type, breaking rule: Rule) -> Replay {
        shrunk { $0.violation(of: decider)?.rule == rule }
    }

    /// The smallest world found of which this still holds.
    package func shrunk(while isFaulty: (Replay) -> Bool) -> Replay {
        var smallest = self
        var isSmaller = true
        while isSmaller {
            isSmaller = false
            for cut in smallest.candidates {
                var candidate = smallest
                candidate.cuts.removeAll { $0.isReplaced(by: cut) }
                candidate.cuts.append(cut)
                guard let faulty = candidate.withEarlierDeaths.first(where: isFaulty) else { continue }
                smallest = faulty
                isSmaller = true
                break
            }
        }
        return smallest
    }

    /// It, and where it dies by order, the worlds that do so before: with less in it, less is committed.
    private var withEarlierDeaths: some Sequence<Replay> {
        let deaths: [Death?] =
            death.map { death in (1...death.commit).reversed().map { Death(commit: $0, death.crash) } } ?? [nil]
        return deaths.lazy.map { death in
            var earlier = self
            earlier.death = death
            return earlier
        }
    }

    /// What could be cut next, the largest first.
    private var candidates: [Cut] {
        let full = Replay(seed: seed, amount, isComparable: isComparable).scenario
        let now = scenario
        var found: [Cut] = []
        let gone = Set(cuts.compactMap { if case .run(let run) = $0 { run } else { nil } })
        let runs = full.submissions.indices.filter { !gone.contains($0) }
        if runs.count > 1 { found += runs.map { .run($0) } }
        if now.agents.count > 1 { found.append(.agents(keep: now.agents.count - 1)) }
        found += Cut.Kind.allCases.map { .trouble($0) }.filter { !cuts.contains($0) }
        for run in runs {
            // A rerun of a run that was cut away is gone with it.
            guard let submission = now.submissions.first(where: { $0.run == full.submissions[run].run }) else {
                continue
            }
            let jobs = submission.plan.jobs
            if jobs.count > 1 { found.append(.jobs(run: run, keep: jobs.count - 1)) }
            for (index, job) in jobs.enumerated() {
                if let count = job.cells?.count, count > 1 {
                    found.append(.cells(run: run, job: index, keep: count - 1))
                }
                if job.shards.count > 1 { found.append(.shards(run: run, job: index, keep: job.shards.count - 1)) }
            }
        }
        return found
    }

    // MARK: As a line

    package var description: String {
        (["\(seed)", amount.rawValue, isComparable ? "comparable" : "any"] + cuts.map(\.words)
            + (death.map { [$0.words] } ?? [])).joined(separator: " ")
    }

    /// Reads what `description` wrote; `nil` for anything else.
    package init?(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        guard words.count >= 3, let seed = UInt64(words[0]), let amount = Amount(rawValue: words[1]),
            ["comparable", "any"].contains(words[2])
        else { return nil }
        self.init(seed: seed, amount, isComparable: words[2] == "comparable")
        for word in words.dropFirst(3) {
            if let death = Death(word) {
                self.death = death
                continue
            }
            guard let cut = Cut(word) else { return nil }
            cuts.append(cut)
        }
    }
}

extension Replay.Cut {
    fileprivate var words: String {
        switch self {
        case .run(let run): "no-run:\(run)"
        case .jobs(let run, let keep): "jobs:\(run)=\(keep)"
        case .cells(let run, let job, let keep): "cells:\(run):\(job)=\(keep)"
        case .shards(let run, let job, let keep): "shards:\(run):\(job)=\(keep)"
        case .agents(let keep): "agents=\(keep)"
        case .trouble(let kind): "no-\(kind.rawValue)"
        }
    }

    fileprivate init?(_ word: String) {
        let parts = word.split(separator: "=", maxSplits: 1)
        let names = parts[0].split(separator: ":")
        let places = names.dropFirst().compactMap { Int($0) }
        let keep = parts.count > 1 ? Int(parts[1]) : nil
        switch (String(names[0]), places.count, keep) {
        case ("no-run", 1, nil): self = .run(places[0])
        case ("jobs", 1, let keep?): self = .jobs(run: places[0], keep: keep)
        case ("cells", 2, let keep?): self = .cells(run: places[0], job: places[1], keep: keep)
        case ("shards", 2, let keep?): self = .shards(run: places[0], job: places[1], keep: keep)
        case ("agents", 0, let keep?): self = .agents(keep: keep)
        case (let name, 0, nil):
            guard name.hasPrefix("no-"), let kind = Kind(rawValue: String(name.dropFirst(3))) else { return nil }
            self = .trouble(kind)
        default: return nil
        }
    }

    /// Whether a further cut of the same thing makes this one idle.
    fileprivate func isReplaced(by other: Self) -> Bool {
        switch (self, other) {
        case (.jobs(let run, _), .jobs(let other, _)): run == other
        case (.cells(let run, let job, _), .cells(let otherRun, let otherJob, _)),
            (.shards(let run, let job, _), .shards(let otherRun, let otherJob, _)):
            run == otherRun && job == otherJob
        case (.agents, .agents): true
        default: false
        }
    }
}

extension Scenario {
    /// - Parameter left: the submissions that are left; they keep their places until all cuts are made.
    fileprivate mutating func apply(_ cut: Replay.Cut, _ left: inout Set<Int>) {
        switch cut {
        case .run(let run): left.remove(run)
        case .jobs(let run, let keep):
            guard submissions.indices.contains(run) else { return }
            // Needs name earlier jobs only.
            submissions[run].plan.jobs = Array(submissions[run].plan.jobs.prefix(max(1, keep)))
        case .cells(let run, let job, let keep):
            guard submissions.indices.contains(run), submissions[run].plan.jobs.indices.contains(job) else { return }
            let cells = submissions[run].plan.jobs[job].cells
            submissions[run].plan.jobs[job].cells = cells.map { Array($0.prefix(max(1, keep))) }
        case .shards(let run, let job, let keep):
            guard submissions.indices.contains(run), submissions[run].plan.jobs.indices.contains(job) else { return }
            submissions[run].plan.jobs[job].shards.count = max(1, keep)
        case .agents(let keep): agents = Array(agents.prefix(max(1, keep)))
        case .trouble(let kind):
            switch kind {
            case .loss: trouble.loss = 0
            case .delay: trouble.delay = 0
            case .decline: trouble.decline = 0
            case .fault: trouble.fault = 0
            case .deaths: trouble.deathAtCommit = 0
            case .disturbances: trouble.meanBetween = nil
            }
        }
    }
}
