import Foundation
import Gates
import Model
import Testing

/// How a trial is judged, so that planted faults can stand in the place of the real judging.
private typealias Trying = @Sendable (RandomTrial) -> Judgement

@Suite struct `Any judging with tests` {
    /// A trial in which nothing changed, and whose gates all pass.
    private static func healthy(_ seed: UInt64) -> RandomTrial? {
        var trial = RandomTrial(seed: seed)
        guard var older = trial.baseline else { return nil }
        // Without what the trial itself did wrong: the candidate is the baseline, run again.
        older.header.jobs = trial.results.header.jobs
        let known = Set(older.header.jobs[0].cells.map(\.id))
        older.shards.removeAll { !known.contains($0.cell) }
        guard Set(older.shards.map(\.cell)).count == known.count else { return nil }
        for place in older.header.jobs[0].cells.indices { older.header.jobs[0].cells[place].required = true }
        for place in older.header.jobs[0].cells.indices { older.header.jobs[0].cells[place].continueOnError = false }
        trial.baseline = older
        trial.results = older
        trial.results.header.run = RunID(2)
        trial.results.header.tree = Digest([UInt8](repeating: 2, count: 32))
        trial.rules = trial.rules.map { rule in
            var rule = rule
            rule.limits = [.dropAtMost(.absolute(trial.kind == .rightOrWrong ? 0.9 : 1e6))]
            if rule.testing.test == .regression { rule.limits = [.dropAtMost(.absolute(0))] }
            rule.testing.itemsAtLeast = rule.testing.test == .regression ? 1 : nil
            rule.weightedByCount = false
            rule.required = true
            return rule
        }
        // An older judging with a fault of its own is no healthy one.
        return trial.judged.verdict == .pass ? trial : nil
    }

    /// Evidence spoiled on either side never passes, and never ends with 0.
    private static func failsClosed(_ trying: Trying, _ seeds: Range<UInt64>) -> (wrong: [String], healthy: Int) {
        var (wrong, count) = ([String](), 0)
        for seed in seeds {
            guard let whole = healthy(seed) else { continue }
            count += 1
            var random = SplitMix64(seed: seed ^ 0xFA11)
            for fault in Fault.allCases {
                for spoilsBaseline in [false, true] {
                    var spoiled = whole
                    let isSpoiled =
                        spoilsBaseline
                        ? spoiled.baseline.map { older in
                            var older = older
                            defer { spoiled.baseline = older }
                            return fault.spoil(&older, whole.kind.asRun, &random)
                        } ?? false
                        : fault.spoil(&spoiled.results, whole.kind.asRun, &random)
                    guard isSpoiled else { continue }
                    let judged = trying(spoiled)
                    if judged.verdict <= .waived || judged.exitCode == 0 {
                        wrong.append("seed \(seed): \(fault) \(spoilsBaseline ? "in the baseline" : "") passes")
                    }
                }
            }
        }
        return (wrong, count)
    }

    /// A trial of 0/1 items by cell and exact McNemar, with plain limits beside.
    private static func exact(_ seed: UInt64) -> RandomTrial? {
        var trial = RandomTrial(seed: seed)
        guard trial.kind == .rightOrWrong, trial.baseline != nil else { return nil }
        trial.rules = trial.rules.map { rule in
            var rule = rule
            rule.per = .cell
            rule.over = []
            rule.statistic = .value
            rule.testing.method = nil
            rule.weightedByCount = false
            rule.limits = [.dropAtMost(.absolute(0))] + (seed % 3 == 0 ? [.atLeast(0.6)] : [])
            if rule.testing.test == .regression, rule.testing.detect == nil { rule.testing.detect = .absolute(0.1) }
            if rule.testing.test == .regression { rule.testing.itemsAtLeast = seed % 2 == 0 ? nil : 5 }
            return rule
        }
        return trial
    }

    private static func improvements(_ before: Judgement, _ after: Judgement, _ what: String) -> [String] {
        var wrong: [String] = []
        for (a, b) in zip(before.gates, after.gates) {
            for (x, y) in zip(a.groups, b.groups) where y.verdict < x.verdict {
                wrong.append("\(what): \(a.name) went from \(x.verdict) to \(y.verdict): \(x.reason) -> \(y.reason)")
            }
        }
        return wrong
    }

    /// A right item made wrong never makes any verdict better.
    private static func isMonotone(_ trying: Trying, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds {
            guard let trial = exact(seed) else { continue }
            var random = SplitMix64(seed: seed ^ 0x3070)
            let before = trying(trial)
            var worse = trial
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                guard let place = worse.results.shards.indices.randomElement(using: &random),
                    let item = worse.results.shards[place].items.indices.randomElement(using: &random),
                    worse.results.shards[place].items[item].entries.first?.number == .number(1)
                else { continue }
                worse.results.shards[place].items[item].entries[0].number = .number(0)
            }
            wrong += improvements(before, trying(worse), "seed \(seed)")
        }
        return wrong
    }

    /// Nor does leaving items out, for gates that compare by item.
    private static func doesNotGainByLeavingOut(_ trying: Trying, _ seeds: Range<UInt64>) -> [String] {
        var wrong: [String] = []
        for seed in seeds {
            guard var trial = exact(seed) else { continue }
            // What cannot be decided may be waived, what is broken may not: that is a person's word, not the evidence's.
            trial.waivers.removeAll { if case .gate = $0.subject { true } else { false } }
            for place in trial.rules.indices {
                trial.rules[place].limits = [.dropAtMost(.absolute(0))]
                trial.rules[place].passesFirstOnFloor = false
                if trial.rules[place].testing.test == .none {
                    trial.rules[place].testing = .init(.regression, itemsAtLeast: 3)
                }
            }
            var random = SplitMix64(seed: seed ^ 0x1EAF)
            let before = trying(trial)
            // Evidence that speaks against itself may stop to, where some of it goes.
            guard before.gates[0].verdict == .pass else { continue }
            var fewer = trial
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                guard let place = fewer.results.shards.indices.randomElement(using: &random),
                    let item = fewer.results.shards[place].items.indices.randomElement(using: &random),
                    // One that measured nothing is missing already.
                    fewer.results.shards[place].items[item].entries.contains(where: { $0.name == "m" })
                else { continue }
                fewer.results.shards[place].items.remove(at: item)
            }
            // Too many left out make the items different ones, and all of a shard's nothing at all: that decides nothing,
            // whatever was found before.
            let after = trying(fewer)
            wrong += improvements(before, after, "seed \(seed)").filter {
                !$0.contains("-> m: different items") && !$0.contains("-> m: missing: no item reports it")
            }
            if after.verdict <= .waived && before.verdict > .waived { wrong.append("seed \(seed): it passes") }
        }
        return wrong
    }

    @Test func `fails closed`() {
        let (wrong, healthy) = Self.failsClosed({ $0.judged }, seeds(60, deep: 2500))
        #expect(wrong.prefix(3) == [] && healthy > 20)
    }

    @Test func `never improves by a worse item`() {
        #expect(Self.isMonotone({ $0.judged }, seeds(2500, deep: 100_000)).prefix(3) == [])
    }

    @Test func `never improves by items left out`() {
        #expect(Self.doesNotGainByLeavingOut({ $0.judged }, seeds(800, deep: 800)).prefix(3) == [])
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1"))
    func `never improves by items left out, over many runs`() {
        let found = Self.doesNotGainByLeavingOut({ $0.judged }, 0..<50_000)
        #expect(found.prefix(5) == [])
    }

    /// 1, 7 or 64 shards in any order: the same bytes.
    @Test func `ignores how cells were split`() {
        for seed in seeds(4, deep: 100) {
            var random = SplitMix64(seed: seed)
            let values = (0..<2).map { _ in
                (0..<160).map { _ in Double(Int.random(in: 0...1, using: &random)) }
            }
            let times = values.map { $0.map { $0 + Double.random(in: 1...2, using: &random) } }
            var rules = [GateRule(.dropAtMost(.absolute(0)), metric: "hit", against: RunID(1))]
            rules[0].testing = GateRule.Testing(.regression, detect: .absolute(0.1))
            rules.append(GateRule(.ratioAtMost(1.1), metric: "time", against: RunID(1)))
            rules[1].name = "time"
            rules[1].testing = GateRule.Testing(.nonInferiority)
            rules[1].per = .run
            let split = { (count: Int, number: UInt64, random: inout SplitMix64) -> Results in
                let job = job(cells: 2, shards: count)
                var shards: [SettledShard] = []
                for cell in 0..<2 {
                    var parts = Array(repeating: [Item](), count: count)
                    for index in (0..<160).shuffled(using: &random) {
                        let place = number == 1 ? (index + 1) % 160 : index
                        parts[index % count].append(
                            Item(
                                id: "q\(index)",
                                entries: [
                                    .init("hit", .number(values[cell][place])),
                                    .init("time", .number(times[cell][place])),
                                ]))
                    }
                    for shard in 0..<count { shards.append(passed(job, cell: cell, shard: shard, items: parts[shard])) }
                }
                return run(job, shards.shuffled(using: &random), number: number, tree: UInt8(number))
            }
            let bytes = [1, 7, 64].map { count in
                judge(
                    rules, results: split(count, 2, &random), baselines: baseline(split(count == 7 ? 1 : 7, 1, &random))
                ).json
            }
            #expect(Set(bytes).count == 1, "seed \(seed)")
        }
    }

    // MARK: planted faults

    /// Mistakes as they are really made, each in front of the real judging.
    private static let planted: [(name: String, trying: Trying)] = [
        (
            "takes each p alone",
            { trial in
                var trial = trial
                let rules = trial.rules
                let gates = rules.enumerated().map { index, rule -> GateJudgement in
                    trial.rules = [rule]
                    let alone = trial.judged
                    let groups = alone.gates[1].groups.map { group -> GroupJudgement in
                        var group = group
                        let p = group.probability ?? 1
                        if group.test?.test == .regression, p < trial.rate { group.verdict = .fail }
                        group.test?.adjusted = p
                        return group
                    }
                    return GateJudgement(
                        name: rule.name, isRequired: rule.required, question: rule.question, groups: groups)
                }
                let jobs = trial.judged.gates[0]
                return Judgement(gates: [jobs] + gates, cells: [])
            }
        ),
        (
            "doubles the rate",
            { trial in
                var trial = trial
                trial.rate *= 2
                for place in trial.rules.indices { trial.rules[place].testing.falsePassRate = 0.2 }
                return trial.judged
            }
        ),
        (
            "forgets what the candidate lacks",
            { trial in
                var trial = trial
                let known = Set(trial.results.shards.flatMap { shard in shard.items.map { "\(shard.cell)/\($0.id)" } })
                guard var older = trial.baseline else { return trial.judged }
                for place in older.shards.indices {
                    let cell = older.shards[place].cell
                    older.shards[place].items.removeAll { !known.contains("\(cell)/\($0.id)") }
                }
                trial.baseline = older
                return trial.judged
            }
        ),
        (
            "pairs by position",
            { trial in
                var trial = trial
                for place in trial.results.shards.indices {
                    guard
                        let twin = trial.baseline?.shards.first(where: {
                            $0.values == trial.results.shards[place].values
                                && $0.shard == trial.results.shards[place].shard
                        })
                    else { continue }
                    for item in trial.results.shards[place].items.indices where item < twin.items.count {
                        trial.results.shards[place].items[item].id = twin.items[item].id
                    }
                }
                return trial.judged
            }
        ),
        (
            "ignores what an item is",
            { trial in
                var trial = trial
                for place in trial.results.shards.indices {
                    for item in trial.results.shards[place].items.indices {
                        trial.results.shards[place].items[item].digest = nil
                    }
                }
                return trial.judged
            }
        ),
        (
            "asks about the other direction",
            { trial in
                var trial = trial
                trial.rules = trial.rules.map { rule in
                    var rule = rule
                    rule.limits = rule.limits.map { limit in
                        if case .dropAtMost(let amount) = limit { return .riseAtMost(amount) }
                        return limit
                    }
                    return rule
                }
                return trial.judged
            }
        ),
        (
            "passes with however few items",
            { trial in
                var trial = trial
                for place in trial.rules.indices where trial.rules[place].testing.test == .regression {
                    trial.rules[place].testing.itemsAtLeast = 1
                }
                return trial.judged
            }
        ),
        (
            "takes absence of evidence for evidence",
            { trial in
                var trial = trial
                for place in trial.rules.indices where trial.rules[place].testing.test == .nonInferiority {
                    trial.rules[place].testing = .init(.regression, itemsAtLeast: 1)
                }
                return trial.judged
            }
        ),
        (
            "compares estimates only",
            { trial in
                var trial = trial
                for place in trial.rules.indices { trial.rules[place].testing = .init() }
                return trial.judged
            }
        ),
        (
            "tests new cells against nothing",
            { trial in
                var trial = trial
                for place in trial.rules.indices { trial.rules[place].newCellsFloorOnly = true }
                return trial.judged
            }
        ),
        (
            "lets the baseline decide what had to run",
            { trial in
                var trial = trial
                let known = Set(trial.results.header.jobs[0].cells.map(\.id))
                trial.baseline?.header.jobs[0].cells.removeAll { !known.contains($0.id) }
                return trial.judged
            }
        ),
    ]

    @Test func `differs from the second opinion by each planted fault`() throws {
        let others = (0..<1500).lazy.map { RandomTrial(seed: UInt64(21_000 + $0)) }.filter(\.hasOtherContents).prefix(2)
        let trials = (0..<110).map { RandomTrial(seed: UInt64(20_000 + $0)) } + others
        let opinions = try `A second opinion`.opinions(trials.map(\.line))
        for (trial, opinion) in zip(trials, opinions) {
            #expect(`A second opinion`.differences(trial.judged, opinion).isEmpty)
        }
        for (name, trying) in Self.planted {
            let isCaught = zip(trials, opinions).contains { trial, opinion in
                !`A second opinion`.differences(trying(trial), opinion).isEmpty
            }
            #expect(isCaught, "\(name) is not caught")
        }
        // And the properties find what makes worse evidence better.
        let upsideDown = Self.planted.first { $0.name == "asks about the other direction" }
        #expect(upsideDown.map { !Self.isMonotone($0.trying, 0..<300).isEmpty } == true)
        let forgetful = Self.planted.first { $0.name == "forgets what the candidate lacks" }
        #expect(forgetful.map { !Self.doesNotGainByLeavingOut($0.trying, 0..<6000).isEmpty } == true)
    }
}
