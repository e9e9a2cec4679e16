import Gates
import Model
import Testing

/// A metric that is reported per item and in the metrics file has one value, or is refused with both.
@Suite struct `A metric beside its items` {
    private let values = [1.0, 2, 4, 5]

    private func verdict(_ stated: MetricValue) -> (verdict: Verdict, reason: String) {
        let job = job()
        let judged = group(
            GateRule(.atLeast(0)), run(job, [passed(job, [NamedMetric("accuracy", stated)], items: items(values))]))
        return (judged.verdict, judged.reason)
    }

    private func sketch(_ numbers: [Double]) -> MetricValue {
        // γ is 101/99; a bucket holds what is in (γ^(i−1), γ^i].
        var buckets: [Int: Int] = [:]
        for number in numbers {
            var (index, edge) = (0, 1.0)
            while edge < number {
                edge *= 101 / 99.0
                index += 1
            }
            buckets[index, default: 0] += 1
        }
        return .quantiles(
            QuantileSketch(
                relativeError: 0.01,
                positive: buckets.sorted { $0.key < $1.key }.map { .init(index: $0.key, count: $0.value) }))
    }

    @Test func `passes where both say the same`() {
        let same: [MetricValue] = [
            .plain(3), .mean(n: 4, mean: 3, m2: 10), .ratio(numerator: 12, denominator: 4), .sum(12), .count(12),
            .min(1), .max(5), .samples([5, 1, 4, 2]), sketch(values),
        ]
        for stated in same { #expect(verdict(stated).verdict == .pass, "\(stated): \(verdict(stated).reason)") }
    }

    @Test func `is refused where they differ, both named`() {
        let other: [(MetricValue, String)] = [
            (.plain(3.1), "says 3.1, the items' mean is 3"),
            (.mean(n: 5, mean: 3, m2: 10), "counts 5 items, the items are 4"),
            (.mean(n: 4, mean: 3.5, m2: 10), "says 3.5, the items' mean is 3"),
            (.mean(n: 4, mean: 3, m2: 1), "says 1, the items' sum of squared deviations is 10"),
            (.sum(13), "says 13, the items' sum is 12"), (.min(0), "minimum is 1"), (.max(6), "maximum is 5"),
            // As many, and others.
            (.samples([1, 2, 4, 9]), "says 9, the items' value of the same rank is 5"),
            (sketch([1, 2, 4, 9]), "the items' value of the same rank is 5"),
            (sketch([1, 2, 4]), "counts 3 items, the items are 4"),
        ]
        for (stated, reason) in other {
            let (verdict, told) = verdict(stated)
            #expect(verdict == .fail && told.contains(reason), "\(stated): \(told)")
        }
    }
}

@Suite struct `A shard that measured nothing` {
    private static let nothing = [
        #"{"accuracy": {"kind": "mean", "n": 0, "mean": 0, "m2": 0}}"#,
        #"{"accuracy": {"kind": "ratio", "numerator": 0, "denominator": 0}}"#,
        #"{"accuracy": {"kind": "samples", "values": []}}"#,
    ]
    private static let something = [
        #"{"accuracy": {"kind": "mean", "n": 2, "mean": 0.9, "m2": 0}}"#,
        #"{"accuracy": {"kind": "ratio", "numerator": 9, "denominator": 10}}"#,
        #"{"accuracy": {"kind": "samples", "values": [0.9]}}"#,
    ]

    private func verdict(_ kind: Int, _ change: (inout SettledShard) -> Void = { _ in }) -> GroupJudgement {
        let two = job(shards: 2)
        var shards = [Self.something, Self.nothing].enumerated().map { number, texts in
            passed(two, shard: number, MetricsFile.read(Array(texts[kind].utf8), file: "metrics.json"))
        }
        change(&shards[1])
        return group(GateRule(.atLeast(0.5)), run(two, shards))
    }

    @Test(arguments: nothing.indices) func `is made up for by no other`(kind: Int) {
        let judged = verdict(kind)
        #expect(judged.verdict == .incomplete && judged.reason.contains("n = 0, shard 1"), "\(judged.reason)")
    }

    @Test(arguments: nothing.indices) func `is well where it was given nothing, or reports its items`(kind: Int) {
        #expect(verdict(kind) { $0.assigned = [] }.verdict == .pass)
        let other = Item(id: "q1", entries: [.init("speed", .number(1))])
        #expect(verdict(kind) { $0.items.append(other) }.verdict == .pass)
    }
}

@Suite struct `A metric's kind` {
    private let mean = #"{"accuracy": {"kind": "mean", "n": 2, "mean": 12.5, "m2": 0}}"#
    private let ratio = #"{"accuracy": {"kind": "ratio", "numerator": 25, "denominator": 2}}"#
    private let sum = #"{"accuracy": {"kind": "sum", "value": 12.5}}"#
    private let plain = #"{"accuracy": 12.5}"#

    private func shard(_ job: ExpectedJob, _ text: String, cell: Int = 0) -> SettledShard {
        passed(job, cell: cell, MetricsFile.read(Array(text.utf8), file: "metrics.json"))
    }

    @Test func `is one for both sides`() {
        let one = job()
        let sides = { (ours: String, theirs: String) in
            group(
                GateRule(.riseAtMost(.absolute(1)), against: RunID(1)), run(one, [self.shard(one, ours)]),
                baseline(run(one, [self.shard(one, theirs)], number: 1, tree: 1)))
        }
        let other = sides(sum, mean)
        #expect(other.verdict == .inconclusive && other.reason.contains("it is a sum, the baseline's is a mean"))
        #expect(sides(sum, sum).verdict == .pass)
        // A ratio is a mean of its parts, and of a plain number nobody knows.
        for theirs in [ratio, plain] { #expect(sides(mean, theirs).verdict == .pass, "\(theirs)") }
        #expect(sides(plain, sum).verdict == .pass)
    }

    @Test func `is one for the cells of a group`() {
        let cells = job(cells: 2)
        var rule = GateRule(.atMost(20))
        rule.per = .run
        let apart = group(rule, run(cells, [shard(cells, sum), shard(cells, mean, cell: 1)]))
        #expect(apart.verdict == .fail && apart.reason.contains("cells report a sum and a mean"), "\(apart.reason)")
        #expect(group(rule, run(cells, [shard(cells, ratio), shard(cells, mean, cell: 1)])).verdict == .pass)
    }
}

@Suite struct `A metric's unit` {
    private func shard(_ job: ExpectedJob, _ text: String, shard: Int = 0, cell: Int = 0) -> SettledShard {
        passed(job, cell: cell, shard: shard, MetricsFile.read(Array(text.utf8), file: "metrics.json"))
    }
    private let ms = #"{"accuracy": {"kind": "mean", "n": 2, "mean": 12.5, "m2": 0, "unit": "ms"}}"#
    private let seconds = #"{"accuracy": {"kind": "mean", "n": 2, "mean": 12.5, "m2": 0, "unit": "s"}}"#

    @Test func `goes with its value, an export and a record`() throws {
        let job = job()
        let results = run(job, [shard(job, ms)])
        let judgement = judge([GateRule(.atMost(20))], results: results)
        #expect(judgement.gates[1].groups[0].unit == "ms")
        let read = try ResultsFile.read(ResultsFile.write(results), file: "r.jsonl").results
        #expect(read == results)
        #expect(Judgement(record: judgement.record) == judgement)
    }

    @Test func `is one for all shards, cells and sides`() {
        let two = job(shards: 2)
        let mixed = group(GateRule(.atMost(20)), run(two, [shard(two, ms), shard(two, seconds, shard: 1)]))
        #expect(mixed.verdict == .fail && mixed.reason.contains("ms and s"), "\(mixed.reason)")
        let cells = job(cells: 2)
        var rule = GateRule(.atMost(20))
        rule.per = .run
        let apart = group(rule, run(cells, [shard(cells, ms), shard(cells, seconds, cell: 1)]))
        #expect(apart.verdict == .fail && apart.reason.contains("ms and s"), "\(apart.reason)")
        let one = job()
        let sides = group(
            GateRule(.riseAtMost(.absolute(1)), against: RunID(1)), run(one, [shard(one, ms)]),
            baseline(run(one, [shard(one, seconds)], number: 1, tree: 1)))
        #expect(sides.verdict == .inconclusive && sides.reason.contains("in ms, the baseline in s"), "\(sides.reason)")
    }

    @Test func `is not met by leaving it out`() {
        let bare = #"{"accuracy": {"kind": "mean", "n": 2, "mean": 12.5, "m2": 0}}"#
        let two = job(shards: 2)
        let mixed = group(GateRule(.atMost(20)), run(two, [shard(two, ms), shard(two, bare, shard: 1)]))
        #expect(mixed.verdict == .fail && mixed.reason.contains("in ms and in no unit"), "\(mixed.reason)")
        let cells = job(cells: 2)
        var rule = GateRule(.atMost(20))
        rule.per = .run
        let apart = group(rule, run(cells, [shard(cells, bare), shard(cells, ms, cell: 1)]))
        #expect(apart.verdict == .fail && apart.reason.contains("in ms and in no unit"), "\(apart.reason)")
        let one = job()
        let sides = { (ours: String, theirs: String) in
            group(
                GateRule(.riseAtMost(.absolute(1)), against: RunID(1)), run(one, [shard(one, ours)]),
                baseline(run(one, [shard(one, theirs)], number: 1, tree: 1)))
        }
        let lost = sides(bare, ms)
        #expect(
            lost.verdict == .inconclusive && lost.reason.contains("in no unit, the baseline in ms"), "\(lost.reason)")
        // Whoever begins to name it can be compared with those who did not yet.
        #expect(sides(ms, bare).verdict == .pass)
    }

    @Test func `is a text`() {
        let job = job()
        let wrong = #"{"accuracy": {"kind": "sum", "value": 1, "unit": 5}}"#
        #expect(group(GateRule(.atMost(20)), run(job, [shard(job, wrong)])).verdict == .fail)
    }
}
