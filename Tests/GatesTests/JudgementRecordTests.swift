import Gates
import Model
import Testing

@Suite struct `A judgement's record` {
    @Test func `gives back the judgement`() {
        for seed in seeds(60, deep: 4000) {
            let random = RandomRun(seed: seed, passing: seed % 2 == 0)
            let judgement = judge(random.rules, results: random.results, baselines: random.baselines)
            #expect(Judgement(record: judgement.record) == judgement, "seed \(seed)")
        }
    }

    @Test func `is read from what sheaf judge prints, as far as that goes`() {
        let judgement = judge([GateRule(.atLeast(0.5))], results: plain(0.4))
        let read = Judgement(record: judgement.json)
        #expect(read?.verdict == .fail && read?.gates.map(\.name) == ["jobs", "gate"])
        #expect(read?.gates[1].groups[0].bound == [0.5] && read?.cells.isEmpty == true)
        #expect(read?.json == judgement.json)
    }

    @Test func `is not read from anything else`() {
        #expect(Judgement(record: []) == nil)
        #expect(Judgement(record: Array("{}".utf8)) == nil)
        // A record whose verdict is not that of its gates was tampered with, or is damaged.
        let record = String(decoding: judge([], results: plain(1)).record, as: UTF8.self)
        let forged = record.replacing("\"pass\"", with: "\"fail\"", maxReplacements: 1)
        #expect(forged != record && Judgement(record: Array(forged.utf8)) == nil)
    }
}

@Suite struct `Judging again, elsewhere` {
    private var rule: GateRule {
        var rule = GateRule(.dropAtMost(.absolute(0.02)), against: RunID(1))
        rule.baseline = .alias("champion")
        rule.passesFirstOnFloor = true
        return rule
    }

    /// What the farm had, exported and judged again with the files at hand.
    private func both(
        _ source: ResolvedBaseline.Source, _ files: [(results: Results, name: String)]
    ) throws -> (farm: Judgement, again: Judgement) {
        var floor = GateRule(.atLeast(0.85))
        floor.name = "floor"
        let rules = [rule, floor]
        var results = plain(0.9)
        let farm = judge(rules, results: results, baselines: [ResolvedBaseline(.alias("champion"), source)])
        results.header.baselines = try #require(Judgement(record: farm.record)).baselines
        let read = try ResultsFile.read(ResultsFile.write(results), file: "run.jsonl").results
        #expect(read.header.baselines == results.header.baselines)
        let baselines = ResolvedBaseline.again([.alias("champion")], notes: read.header.baselines, files: files)
        return (farm, judge(rules, results: read, baselines: baselines))
    }

    @Test func `says the same where there was no baseline`() throws {
        let (farm, again) = try both(.absent("nothing is called 'champion' yet"), [])
        #expect(farm.verdict == .pass && again.record == farm.record)
        let (lost, lostAgain) = try both(.unavailable("r1 has not ended"), [])
        #expect(lost.verdict == .inconclusive && lostAgain.record == lost.record)
    }

    @Test func `calls a baseline what the farm called it`() throws {
        var older = plain(0.91)
        older.header.run = RunID(1)
        older.header.tree = Digest([UInt8](repeating: 9, count: 32))
        var other = older
        other.header.run = RunID(2)
        let name = "champion = r1, commit 1a2b3c4"
        let (farm, again) = try both(.found(older, name: name), [(other, "other.jsonl"), (older, "r1.jsonl")])
        #expect(farm.verdict == .pass && again.record == farm.record)
        // Without its results nothing can be compared, and it is not as if there had been none.
        let (_, without) = try both(.found(older, name: name), [])
        #expect(without.verdict == .inconclusive)
        #expect(without.gates[1].groups[0].reason.contains("the farm compared with \(name)"))
        // Another one was asked for.
        let (_, elsewhere) = try both(.absent("nothing yet"), [(other, "other.jsonl")])
        #expect(elsewhere.gates[1].groups[0].baselineSource == "other.jsonl")
    }
}
