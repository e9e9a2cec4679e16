import Model

extension Judge {
    /// Decides what was tested: p of all comparisons together, then each group.
    ///
    /// The family of `regression` is every group that the plan has of a required gate, whatever came of it. What does not
    /// apply, and what passes without a comparison, counts as one that found nothing; a group whose evidence is missing,
    /// broken or does not decide keeps its place in front of all others, as if it had found everything. So no evidence
    /// that is left out makes another group look better (docs/decisions/0010-families.md).
    mutating func settle(_ gates: [GateJudgement], _ rules: [GateRule]) -> [GateJudgement] {
        guard !openTests.isEmpty else { return gates }
        let pooled = pooledNoise(gates)
        let byName = Dictionary(rules.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for isRequired in [true, false] {
            let members = openTests.indices.filter { index in
                let rule = byName[openTests[index].gate]
                return rule?.testing.test == .regression && rule?.required == isRequired
            }
            let planned = familySize(rules, gates, required: isRequired)
            let family = max(members.count, planned.all)
            let lost = max(0, family - members.count - planned.idle)
            let p = members.map { openTests[$0].result.beyond }
            let adjusted =
                isRequired
                ? Family.holm(p, lost: lost, of: family) : Family.benjaminiHochberg(p, lost: lost, of: family)
            for (place, index) in members.enumerated() {
                openTests[index].evidence.adjusted = adjusted[place]
                openTests[index].evidence.family = family
            }
        }
        var groups = Dictionary(gates.map { ($0.name, $0.groups) }, uniquingKeysWith: { first, _ in first })
        for open in openTests {
            guard let rule = byName[open.gate], groups[open.gate] != nil else { continue }
            let pool = pooled[open.gate]
            var noise = pool?.variance
            if case .flips = open.noise { noise = pool?.flips }
            groups[open.gate]?[open.group].settle(open, rule.testing, noise: open.noise.orQuieter(noise))
        }
        return gates.map { gate in
            GateJudgement(
                name: gate.name, isRequired: gate.isRequired, isApplicable: gate.isApplicable, question: gate.question,
                groups: groups[gate.name] ?? gate.groups)
        }
    }

    /// What all groups of a gate say about its noise, by gate; nothing for a gate of which a group is lost.
    ///
    /// A group's own items say how many of them decide, and all groups together may say that fewer do, never that it takes
    /// more. So when a noisy group is lost, and what the rest say would be less, no other's number of items shrinks: each
    /// is back at its own.
    private func pooledNoise(_ gates: [GateJudgement]) -> [String: (flips: Noise?, variance: Noise?)] {
        var tests: [String: [OpenTest]] = [:]
        for open in openTests { tests[open.gate, default: []].append(open) }
        var pooled: [String: (flips: Noise?, variance: Noise?)] = [:]
        for gate in gates {
            guard let open = tests[gate.name] else { continue }
            let compared = Set(open.map(\.group))
            let isWhole = gate.groups.indices.allSatisfy {
                compared.contains($0) || gate.groups[$0].verdict <= .waived
            }
            if isWhole { pooled[gate.name] = Noise.pooled(open.map(\.noise)) }
        }
        return pooled
    }

    /// How many comparisons the plan has, and how many of them are none although nothing is lost.
    private func familySize(
        _ rules: [GateRule], _ gates: [GateJudgement], required: Bool
    ) -> (all: Int, idle: Int) {
        var open: [String: Set<Int>] = [:]
        for test in openTests { open[test.gate, default: []].insert(test.group) }
        var size = (all: 0, idle: 0)
        for rule in rules where rule.required == required && rule.testing.test == .regression {
            var count = 1
            if case .taken(let job) = candidate.job(of: rule),
                case .taken(let groups) = candidate.groups(of: rule, job: job)
            {
                count = groups.count
            }
            size.all += count
            // Of a gate that is not asked now, or does not apply, nothing is lost.
            guard let gate = gates.first(where: { $0.name == rule.name }), gate.isApplicable else {
                size.idle += count
                continue
            }
            let passing = gate.groups.indices.count {
                gate.groups[$0].verdict <= .waived && open[rule.name]?.contains($0) != true
            }
            size.idle += min(count, passing)
        }
        return size
    }
}

extension GroupJudgement {
    /// Says what the test came to; what else was asked of the group may be worse.
    fileprivate mutating func settle(_ open: OpenTest, _ testing: GateRule.Testing, noise: Noise) {
        var evidence = open.evidence
        let answer: (verdict: Verdict, reason: String)
        switch testing.test {
        case .regression:
            let needed = testing.itemsAtLeast ?? open.itemsNeeded(noise)
            evidence.needed = needed
            evidence.power = open.power(noise, rate: evidence.rate)
            evidence.powerInFamily = open.power(noise, rate: evidence.rate / Double(max(1, evidence.family ?? 1)))
            answer = open.regression(evidence, testing)
        case .nonInferiority:
            evidence.needed = open.itemsNeededIfNothingChanged
            evidence.power = open.powerIfNothingChanged
            answer = open.nonInferiority(evidence)
        case .none: answer = (.incomplete, "a test was not asked for")
        }
        test = evidence
        probability = testing.test == .regression ? open.result.beyond : open.result.within
        interval = open.harm.interval(open.result)
        value = open.candidate
        baseline = open.baseline
        effect = open.effect
        count = open.count
        flips = open.flips
        isUncompared = isUncompared && answer.verdict == .pass
        isWorse = isWorse || answer.verdict != .pass
        guard answer.verdict >= open.floor.verdict else {
            (verdict, reason) = open.floor
            return
        }
        verdict = answer.verdict
        reason =
            open.floor.verdict == .pass && verdict == .pass && !open.floor.reason.isEmpty
            ? "\(open.floor.reason); \(answer.reason)" : answer.reason
    }
}

extension OpenTest {
    private static let powerWanted = 0.8

    fileprivate func itemsNeeded(_ noise: Noise) -> Int? {
        guard let detect = harm.detect,
            let needed = noise.needed(
                limit: harm.linear.most, more: detect, power: Self.powerWanted, rate: evidence.rate)
        else { return nil }
        // The approximation takes items that all say the same for items without noise. But n of them, however they came out,
        // have a p of 2⁻ⁿ at least by the tests of signs and flips: fewer than this could never find anything in the family.
        return max(needed, Judge.signsAtLeast(rate: evidence.rate / Double(max(1, evidence.family ?? 1))))
    }

    fileprivate func power(_ noise: Noise, rate: Double) -> Double? {
        guard let detect = harm.detect else { return nil }
        return noise.power(of: count, limit: harm.linear.most, more: detect, rate: rate)
    }

    /// `nil` where no number of items shows it.
    fileprivate var itemsNeededIfNothingChanged: Int? {
        stillness.needed(room: harm.room, power: Self.powerWanted, rate: evidence.rate)
    }

    fileprivate var powerIfNothingChanged: Double? {
        stillness.power(of: count, room: harm.room, rate: evidence.rate)
    }

    fileprivate func regression(_ evidence: TestEvidence, _ testing: GateRule.Testing) -> (Verdict, String) {
        let p = Figure.text(result.beyond, digits: 3)
        let family = evidence.family ?? 1
        let adjusted = evidence.adjusted ?? 1
        let together = family > 1 ? ", \(Figure.text(adjusted, digits: 3)) in a family of \(family)" : ""
        let shown = "\(evidence.method): p \(p)\(together)"
        if adjusted < evidence.rate {
            return (.fail, "\(told): a regression (\(shown), rate \(Figure.text(evidence.rate)))")
        }
        guard let needed = evidence.needed else {
            return (.inconclusive, "\(told): how many items would decide is not known (\(shown))")
        }
        guard count >= needed else {
            return (.inconclusive, "\(told): too few items, n = \(count); \(needed) would decide (\(shown))")
        }
        var reason = "\(told): no regression found (\(shown))"
        if let found = harm.found(testing.detect), let power = evidence.power {
            reason += "; n = \(count) finds \(found) with \(Figure.share(power))"
            if family > 1, let inFamily = evidence.powerInFamily {
                reason += ", within the family with \(Figure.share(inFamily))"
            }
        }
        return (.pass, reason)
    }

    fileprivate func nonInferiority(_ evidence: TestEvidence) -> (Verdict, String) {
        var shown = "\(evidence.method): p \(Figure.text(result.within, digits: 3))"
        if let power = evidence.power {
            shown += ", n = \(count) shows it with \(Figure.share(power)) while nothing changes"
        }
        if result.within < evidence.rate {
            return (.pass, "\(told): within the limit (\(shown), rate \(Figure.text(evidence.rate)))")
        }
        if result.beyond < evidence.rate {
            return (.fail, "\(told): the whole interval is beyond the limit (\(shown))")
        }
        let needed =
            evidence.needed.map { "\($0) items would show it with 80 % while nothing changes" }
            ?? "no number of items shows it while nothing changes"
        return (.inconclusive, "\(told): not shown with n = \(count) (\(shown)); \(needed)")
    }
}
