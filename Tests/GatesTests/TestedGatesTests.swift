import Gates
import Model
import Testing

/// One cell with items of 0/1 on both sides: `losses` right ones of the baseline are wrong, `gains` wrong ones right.
private func paired(
    count: Int, losses: Int, gains: Int, right: Int? = nil, number: UInt64 = 2
) -> (candidate: Results, baseline: [ResolvedBaseline]) {
    let right = right ?? count * 9 / 10
    let older = (0..<count).map { $0 < right ? 1.0 : 0 }
    var newer = older
    for place in 0..<losses { newer[place] = 0 }
    for place in 0..<gains { newer[count - 1 - place] = 1 }
    let job = job()
    return (
        run(job, [passed(job, items: items(newer))], number: number),
        baseline(run(job, [passed(job, items: items(older))], number: 1, tree: 1))
    )
}

private func rule(_ testing: GateRule.Testing, _ limit: GateRule.Limit = .dropAtMost(.absolute(0))) -> GateRule {
    var rule = GateRule(limit, against: RunID(1))
    rule.testing = testing
    return rule
}

private let detecting = GateRule.Testing(.regression, detect: .absolute(0.02))

@Suite struct `A gate with a test` {
    @Test func `blocks a regression that is shown, and nothing that is not`() {
        let (same, against) = paired(count: 1000, losses: 30, gains: 30)
        let passing = group(rule(detecting), same, against)
        #expect(passing.verdict == .pass && passing.test?.method == "exact McNemar", "\(passing.reason)")
        #expect(passing.reason.contains("no regression found") && passing.reason.contains("a drop of 0.02 with"))
        #expect(passing.count == 1000 && passing.probability.map { $0 > 0.5 } == true)
        #expect(passing.interval.count == 2 && passing.interval[0] < 0 && passing.interval[1] > 0)
        let (worse, old) = paired(count: 1000, losses: 60, gains: 20)
        let failing = group(rule(detecting), worse, old)
        #expect(failing.verdict == .fail && failing.reason.contains("a regression (exact McNemar: p "))
        #expect(failing.flips?.lost == 60 && failing.flips?.gained == 20 && failing.flips?.lostIDs.count == 20)
        #expect(failing.effect.map { ($0 + 0.04).magnitude < 1e-12 } == true && (failing.interval.last ?? 0) < 0)
    }

    @Test func `says how many items would decide where there are too few`() {
        let (few, against) = paired(count: 200, losses: 6, gains: 6)
        let told = group(rule(detecting), few, against)
        #expect(told.verdict == .inconclusive && told.reason.contains("too few items, n = 200"), "\(told.reason)")
        #expect((told.test?.needed ?? 0) > 200)
        var counted = detecting
        counted.itemsAtLeast = 200
        #expect(group(rule(counted), few, against).verdict == .pass)
        counted.itemsAtLeast = 201
        #expect(group(rule(counted), few, against).verdict == .inconclusive)
        // What is shown is shown with however few.
        let (bad, old) = paired(count: 60, losses: 20, gains: 0)
        #expect(group(rule(detecting), bad, old).verdict == .fail)
    }

    /// Items that all say the same have no noise, and four of them still prove nothing.
    @Test func `never passes on fewer items than could have shown anything`() {
        var large = detecting
        large.detect = .absolute(0.9)
        for count in 1...4 {
            let (lost, against) = paired(count: count, losses: count, gains: 0, right: count)
            let told = group(rule(large), lost, against)
            #expect(told.verdict == .inconclusive && told.reason.contains("; 5 would decide"), "\(told.reason)")
        }
        let (lost, against) = paired(count: 5, losses: 5, gains: 0, right: 5)
        #expect(group(rule(large), lost, against).verdict == .fail)
    }

    @Test func `shows non-inferiority, or says what it would take`() {
        let within = GateRule.Testing(.nonInferiority)
        let limit = GateRule.Limit.dropAtMost(.absolute(0.02))
        let (same, against) = paired(count: 2000, losses: 30, gains: 30)
        let passing = group(rule(within, limit), same, against)
        #expect(passing.verdict == .pass && passing.test?.method == "Tango's score", "\(passing.reason)")
        let (few, old) = paired(count: 200, losses: 6, gains: 6)
        let open = group(rule(within, limit), few, old)
        #expect(open.verdict == .inconclusive && open.reason.contains("items would show it"), "\(open.reason)")
        let (worse, before) = paired(count: 1000, losses: 90, gains: 10)
        let failing = group(rule(within, limit), worse, before)
        #expect(failing.verdict == .fail && failing.reason.contains("whole interval is beyond"), "\(failing.reason)")
        // Without room no number of items shows it.
        #expect(group(rule(within), few, old).reason.contains("no number of items"))
    }

    @Test func `fixes its family by the plan`() {
        // 24 cells; one has a p that is small alone.
        let job = job(cells: 24)
        let older = (0..<200).map { $0 < 180 ? 1.0 : 0 }
        let shards = { (losses: [Int: Int]) in
            (0..<24).map { cell -> SettledShard in
                var values = older
                for place in 0..<(losses[cell] ?? 2) { values[place] = 0 }
                for place in 0..<2 { values[199 - place] = 1 }
                return passed(job, cell: cell, items: items(values))
            }
        }
        let against = baseline(
            run(job, (0..<24).map { passed(job, cell: $0, items: items(older)) }, number: 1, tree: 1))
        var counted = detecting
        counted.itemsAtLeast = 100
        let judged = judge([rule(counted)], results: run(job, shards([3: 10])), baselines: against)
        let cell = judged.gates[1].groups[3]
        #expect(cell.probability.map { $0 < 0.05 } == true && cell.test?.family == 24)
        #expect(cell.verdict == .pass && cell.test?.adjusted.map { $0 > 0.05 } == true)
        // Cells that did not report keep their place before all others: to lose them never makes another's p larger,
        // and nothing passes by it.
        let fewer = judge(
            [rule(counted)], results: run(job, shards([3: 10]).filter { $0.cell == "eval_3" }), baselines: against)
        #expect(fewer.gates[1].groups[3].test?.adjusted == cell.probability)
        #expect(fewer.gates[1].groups[3].test?.family == 24)
        #expect(fewer.gates[1].groups[3].verdict == .fail && fewer.gates[1].groups[0].verdict == .incomplete)
        // A gate that does not apply has found nothing, and its comparisons count as such.
        var idle = counted
        idle.itemsAtLeast = 100
        var beside = rule(idle)
        beside.name = "beside"
        beside.when = "false"
        let whole = judge(
            [rule(counted), beside], results: run(job, shards([3: 10])), baselines: against,
            conditions: ["beside": false])
        #expect(whole.gates[1].groups[3].test?.family == 48)
        #expect(whole.gates[1].groups[3].test?.adjusted.map { $0 > (cell.test?.adjusted ?? 1) } == true)
        // Alone in the plan, the same data block.
        let alone = GatesTests.job(cells: 24)
        var one = run(alone, shards([3: 10]).filter { $0.cell == "eval_3" })
        one.header.jobs[0].cells.removeAll { $0.id != "eval_3" }
        var before = against
        if case .found(var older, let name) = before[0].source {
            older.header.jobs[0].cells.removeAll { $0.id != "eval_3" }
            older.shards.removeAll { $0.cell != "eval_3" }
            before[0].source = .found(older, name: name)
        }
        #expect(judge([rule(counted)], results: one, baselines: before).gates[1].groups[0].verdict == .fail)
    }

    @Test func `pairs by id and content, and counts what the candidate lacks as wrong`() {
        let counted = GateRule.Testing(.regression, itemsAtLeast: 10)
        let job = job()
        let older = items((0..<100).map { $0 < 90 ? 1 : 0 })
        let against = baseline(run(job, [passed(job, items: older)], number: 1, tree: 1))
        let judged = { (newer: [Item]) in group(rule(counted), run(job, [passed(job, items: newer)]), against) }
        // Four right ones are lacking: 4 losses, n stays that of the baseline.
        let lacking = judged(Array(older.dropFirst(4)))
        #expect(lacking.count == 100 && lacking.test?.lacking == 4 && lacking.flips?.lost == 4)
        #expect(lacking.probability == 1.0 / 16)
        // Six of a hundred are too many.
        #expect(judged(Array(older.dropFirst(6))).reason.contains("different items: 94 of the baseline's 100"))
        #expect(judged(Array(older.dropFirst(6))).verdict == .inconclusive)
        // New ones are left out.
        let extra = judged(older + items([0, 0, 0], from: 500))
        #expect(extra.test?.new == 3 && extra.count == 100 && extra.verdict == .pass)
        // The same id with another content is another item.
        let marked = { (digest: String) in
            older.map { item in
                var item = item
                item.digest = digest
                return item
            }
        }
        let before = baseline(run(job, [passed(job, items: marked("a"))], number: 1, tree: 1))
        let other = group(rule(counted), run(job, [passed(job, items: marked("b"))]), before)
        #expect(other.verdict == .inconclusive && other.reason.contains("different items: 0 of"))
        #expect(group(rule(counted), run(job, [passed(job, items: marked("a"))]), before).verdict == .pass)
        // Numbers have no worst value.
        let numbers = baseline(run(job, [passed(job, items: items([0.5, 2, 3]))], number: 1, tree: 1))
        let gap = group(rule(counted), run(job, [passed(job, items: items([0.5, 2]))]), numbers)
        #expect(gap.verdict == .incomplete && gap.reason.contains("missing: 1 of the baseline's 3 items"))
    }

    @Test func `takes the method that the data ask for`() {
        let counted = GateRule.Testing(.regression, itemsAtLeast: 2)
        let job = job()
        let method = { (limit: GateRule.Limit, testing: GateRule.Testing, both: [[Double]]) -> String in
            let against = baseline(run(job, [passed(job, items: items(both[1]))], number: 1, tree: 1))
            let judged = group(rule(testing, limit), run(job, [passed(job, items: items(both[0]))]), against)
            return judged.test?.method ?? judged.reason
        }
        let drop = GateRule.Limit.dropAtMost(.absolute(0))
        let numbers = (0..<40).map { 10 + Double($0 % 7) }
        let bits = (0..<40).map { Double($0 % 3 == 0 ? 0 : 1) }
        #expect(method(drop, counted, [numbers, numbers]) == "paired t")
        #expect(method(drop, counted, [Array(numbers.prefix(29)), Array(numbers.prefix(29))]) == "permutation")
        #expect(method(drop, counted, [bits, bits]) == "exact McNemar")
        #expect(method(.dropAtMost(.absolute(0.1)), counted, [bits, bits]) == "Tango's score")
        #expect(method(.dropAtMost(.percent(5)), counted, [bits, bits]) == "paired t")
        #expect(method(.ratioAtMost(1.3), counted, [numbers, numbers]) == "paired t on logarithms")
        #expect(method(.ratioAtMost(1.3), counted, [bits, bits]) == "paired t")
        #expect(method(.ratioAtMost(1.3), counted, [numbers, [0] + numbers.dropFirst()]).contains("above 0"))
        var ranks = counted
        ranks.method = .mannWhitney
        #expect(method(.ratioAtMost(1.3), ranks, [numbers, numbers]) == "Mann–Whitney on logarithms")
        let kind = { (value: MetricValue) -> String in
            let against = baseline(run(job, [passed(job, [NamedMetric("accuracy", value)])], number: 1, tree: 1))
            let judged = group(rule(counted), run(job, [passed(job, [NamedMetric("accuracy", value)])]), against)
            return judged.test?.method ?? judged.reason
        }
        #expect(kind(.samples(numbers)) == "Welch's t")
        #expect(kind(.mean(n: 40, mean: 0.9, m2: 3)) == "Welch's t")
        #expect(kind(.ratio(numerator: 36, denominator: 40)) == "Newcombe's score")
        #expect(kind(.ratio(numerator: 36.5, denominator: 40)).contains("counted things"))
        #expect(
            kind(.sum(3)).contains("no test") && kind(.count(3)).contains("no test")
                && kind(.plain(3)).contains("no test"))
    }

    @Test func `is incomplete where it was not planned through`() {
        let (same, against) = paired(count: 1000, losses: 3, gains: 3)
        var none = detecting
        none.detect = nil
        #expect(group(rule(none), same, against).reason == "'regression' needs 'detect' or 'n-at-least'")
        var two = rule(detecting)
        two.limits.append(.ratioAtMost(2))
        #expect(group(two, same, against).verdict == .incomplete)
        two.limits = [.atLeast(0.1)]
        #expect(group(two, same, against).verdict == .incomplete)
        var median = rule(detecting)
        median.statistic = .quantile(0.5)
        #expect(group(median, same, against).verdict == .incomplete)
        var worst = rule(detecting)
        worst.aggregate = .worst
        #expect(group(worst, same, against).verdict == .incomplete)
        // A plain limit of the same gate speaks as well.
        var floor = rule(detecting)
        floor.limits.append(.atLeast(0.95))
        #expect(group(floor, same, against).verdict == .fail && group(floor, same, against).test != nil)
    }

    /// gates.md: counting an item once per cell as if it were new evidence blocked too often.
    @Test func `averages an item over the cells of its group first`() {
        let job = job(cells: 10)
        let older = (0..<60).map { $0 < 50 ? 1.0 : 0 }
        var newer = older
        for place in 0..<2 { newer[place] = 0 }
        let all = { (values: [Double]) in (0..<10).map { passed(job, cell: $0, items: items(values)) } }
        var whole = rule(GateRule.Testing(.regression, itemsAtLeast: 1))
        whole.per = .run
        let judged = group(whole, run(job, all(newer)), baseline(run(job, all(older), number: 1, tree: 1)))
        // The same two items wrong in each of ten cells are two items, not twenty.
        #expect(judged.count == 60 && judged.probability.map { $0 > 0.05 } == true && judged.verdict == .pass)
    }

    @Test func `is judged early as if all others had found nothing`() {
        let (worse, old) = paired(count: 1000, losses: 60, gains: 20)
        var other = rule(detecting)
        other.name = "other"
        let early = judgeGates([rule(detecting), other], named: ["gate"], results: worse, baselines: old)
        #expect(early.count == 1 && early[0].groups[0].test?.family == 2 && early[0].verdict == .fail)
    }
}

@Suite struct `A waiver` {
    private let submitted = [Value.Member("submitted_at", "2026-11-21T08:00:00Z")]

    private func judged(_ waivers: [Waiver], _ results: Results) -> Judgement {
        var results = results
        results.header.provenance = submitted
        return judge([GateRule(.atLeast(0.85))], results: results, terms: JudgingTerms(waivers: waivers))
    }

    private func waiver(until day: String, place: [Value.Member] = []) -> Waiver {
        Waiver(.gate("gate"), place: place, reason: "known", author: "alice", lastDay: day)
    }

    @Test func `lets a known failure go until its day`() {
        let waived = judged([waiver(until: "2026-11-21")], plain(0.8))
        #expect(waived.verdict == .waived && waived.exitCode == 0)
        #expect(
            waived.gates[1].groups[0].reason
                == "waived by alice until 2026-11-21 (known); else fail: accuracy 0.8 is below 0.85")
        let over = judged([waiver(until: "2026-11-20")], plain(0.8))
        #expect(over.verdict == .fail && over.gates[1].groups[0].reason.contains("ended with 2026-11-20"))
        #expect(judged([waiver(until: "2026-12-01")], plain(0.9)).verdict == .pass)
    }

    @Test func `covers only the place that it names`() {
        let job = job(cells: 2)
        let both = run(job, (0..<2).map { passed(job, cell: $0, [NamedMetric("accuracy", .plain(0.8))]) })
        let one = judged([waiver(until: "2026-12-01", place: [Value.Member("x", 1)])], both)
        #expect(one.gates[1].groups.map(\.verdict) == [.fail, .waived])
    }

    @Test func `covers a comparison of different items, which nobody can decide`() {
        let job = job()
        let older = items((0..<100).map { $0 < 90 ? 1 : 0 })
        let against = baseline(run(job, [passed(job, items: older)], number: 1, tree: 1))
        var newer = run(job, [passed(job, items: Array(older.prefix(50)))])
        newer.header.provenance = submitted
        let limit = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        let waived = judge(
            [limit], results: newer, baselines: against,
            terms: JudgingTerms(waivers: [waiver(until: "2026-12-01")]))
        #expect(waived.gates[1].verdict == .waived)
        #expect(waived.gates[1].groups[0].reason.contains("else inconclusive: accuracy: different items: 50 of"))
    }

    @Test func `never covers what is missing or broken`() {
        let refused = RefusedMetric(text: "NaN", reason: "not a number", file: "metrics.json", line: 1)
        let job = job()
        let all = waiver(until: "2030-01-01")
        #expect(judged([all], run(job, [passed(job, [NamedMetric("accuracy", .refused(refused))])])).verdict == .fail)
        #expect(judged([all], run(job, [passed(job)])).verdict == .incomplete)
        #expect(judged([all], run(job, [])).verdict == .incomplete)
        // Nor does it count where nobody knows when the run was submitted.
        let undated = judge([GateRule(.atLeast(0.85))], results: plain(0.8), terms: JudgingTerms(waivers: [all]))
        #expect(undated.verdict == .fail)
    }

    @Test func `puts cells into quarantine, by name`() {
        let job = job(cells: 2)
        var results = run(
            job,
            [
                passed(job, cell: 0, [NamedMetric("accuracy", .plain(0.9))]),
                passed(job, cell: 1, cause: Cause(.userExit, code: 1)),
            ])
        results.header.provenance = submitted
        let quarantine = { (day: String) in
            [Waiver(.cells(job: "eval"), place: [Value.Member("x", 1)], reason: "flaky", author: "bob", lastDay: day)]
        }
        let terms = JudgingTerms(waivers: quarantine("2026-12-01"))
        let judgement = judge([GateRule(.atLeast(0.85))], results: results, terms: terms)
        #expect(judgement.verdict == .pass)
        #expect(judgement.gates[0].groups[0].reason.contains("quarantined by bob until 2026-12-01: flaky"))
        let over = JudgingTerms(waivers: quarantine("2026-11-01"))
        #expect(judge([GateRule(.atLeast(0.85))], results: results, terms: over).verdict == .fail)
        // With every cell in quarantine nothing was measured.
        var everything = quarantine("2026-12-01")
        everything[0].place = []
        let none = judge([GateRule(.atLeast(0.85))], results: results, terms: JudgingTerms(waivers: everything))
        #expect(none.verdict == .incomplete)
    }

    @Test func `knows the calendar`() {
        for day in ["2026-02-28", "2028-02-29", "2026-12-31"] { #expect(Waiver.isDay(day)) }
        for day in ["2026-02-29", "2026-13-01", "2026-00-10", "26-01-01", "2026-1-01", "2026-01-1a", "", "2026-01-00"] {
            #expect(!Waiver.isDay(day), "\(day)")
        }
    }
}

@Suite struct `A comparison` {
    @Test func `needs equal surroundings, unless a gate lets them differ`() {
        let with = { (model: String, lock: String, number: UInt64) -> Results in
            var results = plain(0.9, number: number, tree: UInt8(number))
            results.header.provenance = [
                Value.Member("device_model", [.string(model)]), Value.Member("environment_locks", [.string(lock)]),
            ]
            return results
        }
        var rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        let older = baseline(with("H200", "a", 1))
        #expect(group(rule, with("H200", "a", 2), older).verdict == .pass)
        #expect(group(rule, with("A100", "a", 2), older).reason.contains("not comparable (device_model differs)"))
        let other = group(rule, with("H200", "b", 2), older)
        #expect(other.verdict == .pass && other.baselineSource == "r1, another environment lock")
        rule.isStrict = true
        #expect(group(rule, with("H200", "b", 2), older).reason.contains("environment_locks differs"))
        rule.mayDiffer = ["device_model"]
        #expect(group(rule, with("A100", "a", 2), older).verdict == .pass)
    }
}
