import Gates
import Model
import Testing

/// A waiver covers what was measured, never what is missing or broken, on either side.
@Suite struct `What a waiver covers` {
    private let waivers = [Waiver(.gate("gate"), reason: "known", author: "alice", lastDay: "2026-12-31")]
    private let dated: [Value.Member] = [.init("submitted_at", "2026-11-21T10:00:00Z")]

    private func judged(
        _ rule: GateRule, _ ours: SettledShard, _ source: ResolvedBaseline.Source, tree: UInt8 = 2
    ) -> Judgement {
        let results = run(job(), [ours], tree: tree, provenance: dated)
        return judge(
            [rule], results: results, baselines: [ResolvedBaseline(.run(RunID(1)), source)],
            terms: JudgingTerms(waivers: waivers))
    }

    private func plainShard(_ value: MetricValue) -> SettledShard { passed(job(), [NamedMetric("accuracy", value)]) }

    private func older(
        _ shards: [SettledShard], tree: UInt8 = 1, provenance: [Value.Member] = []
    ) -> ResolvedBaseline.Source {
        .found(run(job(), shards, number: 1, tree: tree, provenance: provenance), name: "r1")
    }

    @Test func `is what does not hold, or cannot be decided`() {
        let rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        #expect(judged(rule, plainShard(.plain(0.8)), older([plainShard(.plain(0.9))])).verdict == .waived)
        // Both sides are there, and may not be compared.
        let inputs = older([plainShard(.plain(0.9))], provenance: [.init("inputs", ["b"])])
        var results = run(job(), [plainShard(.plain(0.9))], provenance: dated + [.init("inputs", ["a"])])
        let terms = JudgingTerms(waivers: waivers)
        let sources = [ResolvedBaseline(.run(RunID(1)), inputs)]
        #expect(judge([rule], results: results, baselines: sources, terms: terms).verdict == .waived)
        // Where one side does not say on what it was measured, something is missing.
        results.header.provenance = dated
        #expect(judge([rule], results: results, baselines: sources, terms: terms).verdict == .inconclusive)
    }

    @Test func `is no evidence that is missing or broken`() {
        let refused = RefusedMetric(text: "null", reason: "not a number", file: "metrics.json", line: 1)
        let drop = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        var both = drop
        both.limits.insert(.atLeast(0.95), at: 0)
        let good = plainShard(.plain(0.9))
        let sources: [(String, ResolvedBaseline.Source)] = [
            ("null in the baseline", older([plainShard(.refused(refused))])), ("no shards", older([])),
            ("lost there", older([passed(job(), cause: Cause(.lostAgent))])),
            ("no run", .unavailable("there is no run r1")), ("none yet", .absent("nothing is called so")),
            ("itself", older([good], tree: 2)),
        ]
        for rule in [drop, both] {
            for (name, source) in sources {
                let judgement = judged(rule, good, source)
                #expect(judgement.verdict > .waived && judgement.exitCode == 1, "\(name)")
                #expect(
                    judgement.gates[1].groups[0].reason.hasSuffix(
                        "the waiver by alice covers nothing missing or broken"),
                    "\(name): \(judgement.gates[1].groups[0].reason)")
            }
        }
        // Items whose differences are beyond the range of numbers.
        var tested = drop
        tested.testing = .init(.regression, itemsAtLeast: 1)
        let huge = judged(
            tested, passed(job(), items: items([-1.7e308, 1])), older([passed(job(), items: items([1.7e308, 1]))]))
        #expect(huge.gates[1].groups[0].reason.contains("beyond the range"), "\(huge.gates[1].groups[0].reason)")
        #expect(huge.verdict == .fail)
        // And a side that stopped reporting items.
        let stopped = judged(tested, good, older([passed(job(), items: items([1, 1]))]))
        #expect(stopped.verdict == .inconclusive)
    }

    /// A cell that nothing looks at is not called good, and what was excused there is told where it is the measure.
    @Test func `is told as long as it excuses, and where it was the measure`() {
        let quarantine = Waiver(
            .cells(job: "eval"), place: [.init("x", 0)], reason: "known", author: "bob", lastDay: "2026-12-31")
        let job = job(cells: 2)
        let shards = (0..<2).map { passed(job, cell: $0, [NamedMetric("accuracy", .plain(0.9))]) }
        var there = run(job, shards, number: 1, tree: 1, provenance: dated)
        #expect(there.header.quarantinedCells(by: [quarantine]) == ["eval (0)"])
        let judged = judge([GateRule(.atLeast(0.5))], results: there, terms: JudgingTerms(waivers: [quarantine]))
        #expect(
            judged.cells.map(\.reason) == [
                "passed; gates leave it out: quarantined by bob until 2026-12-31: known", "",
            ])
        there.header.provenance.append(.init("quarantined", ["eval (0)", "eval (gone)"]))
        let rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
        let compare = { (waivers: [Waiver]) in
            judge(
                [rule], results: run(job, shards, provenance: self.dated),
                baselines: [ResolvedBaseline(.run(RunID(1)), .found(there, name: "r1"))],
                terms: JudgingTerms(waivers: waivers)
            ).gates[1].groups.last?.baselineSource
        }
        #expect(compare([]) == "r1, where eval (0) was in quarantine")
        #expect(compare([quarantine]) == "r1")
    }

    @Test func `is something: one that fits nothing is told`() {
        let job = job(cells: 2)
        let results = run(
            job, (0..<2).map { passed(job, cell: $0, [NamedMetric("accuracy", .plain(0.9))]) }, provenance: dated)
        let waiver = { (subject: Waiver.Subject, x: Value) in
            Waiver(subject, place: [.init("x", x)], reason: "known", author: "bob", lastDay: "2026-12-31")
        }
        let notes = judge(
            [GateRule(.atLeast(0.5))], results: results,
            terms: JudgingTerms(waivers: [
                waiver(.gate("gate"), 1), waiver(.gate("gate"), "1"), waiver(.cells(job: "eval"), 0),
                waiver(.cells(job: "eval"), 7),
            ])
        ).notes
        #expect(
            notes == [
                "the waiver by bob fits no group of gate 'gate': x=1",
                "the quarantine by bob fits no cell of job 'eval': x=7",
                "gates leave out eval (0): quarantined by bob until 2026-12-31: known",
            ])
    }
}

@Suite struct `A baseline that is given as a file` {
    private func again(
        _ reference: GateRule.BaselineReference, _ notes: [BaselineNote], _ runs: [Results]
    ) -> ResolvedBaseline.Source {
        ResolvedBaseline.again([reference], notes: notes, files: runs.map { ($0, "file.jsonl") })[0].source
    }

    @Test func `is the run that the gate names`() {
        let (r1, r5) = (plain(0.9, number: 1, tree: 1), plain(0.9, number: 5, tree: 5))
        let note = ResolvedBaseline.Source.found(r1, name: "r1, commit c1")
        let notes = judge(
            [GateRule(.dropAtMost(.absolute(0)), against: RunID(1))], results: plain(0.9),
            baselines: [
                ResolvedBaseline(.run(RunID(1)), note)
            ]
        ).baselines
        #expect(notes.first?.tree == r1.header.tree && notes.first?.commit == "c1")
        for notes in [notes, []] {
            guard case .found(let results, _) = again(.run(RunID(1)), notes, [r5, r1]) else {
                Issue.record("r1 is not found")
                continue
            }
            #expect(results == r1)
            guard case .unavailable(let reason) = again(.run(RunID(1)), notes, [r5]) else {
                Issue.record("r5 is taken for r1")
                continue
            }
            #expect(reason == "r1 is wanted: file.jsonl is of r5")
        }
        // A run of the same number from elsewhere.
        guard case .unavailable(let reason) = again(.run(RunID(1)), notes, [plain(0.9, number: 1, tree: 9)]) else {
            Issue.record("another r1 is taken")
            return
        }
        #expect(reason.contains("of another r1"))
        // A file that does not say of which run it is.
        var nameless = r1
        nameless.header.run = nil
        guard case .unavailable = again(.run(RunID(1)), [], [nameless]) else {
            Issue.record("a nameless file is taken")
            return
        }
    }
}
