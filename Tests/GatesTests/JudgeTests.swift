import Gates
import Model
import Testing

@Suite struct `A limit` {
    struct Row {
        var limit: GateRule.Limit
        var value: Double
        var baseline: Double?
        var verdict: Verdict
        var reason: String
        init(_ limit: GateRule.Limit, _ value: Double, _ baseline: Double? = nil, _ verdict: Verdict, _ reason: String)
        {
            (self.limit, self.value, self.baseline, self.verdict, self.reason) =
                (limit, value, baseline, verdict, reason)
        }
    }

    static let rows: [Row] = [
        Row(.atLeast(0.85), 0.85, nil, .pass, "accuracy 0.85, at least 0.85"),
        Row(.atLeast(0.85), 0.84, nil, .fail, "accuracy 0.84 is below 0.85"),
        Row(.atLeast(0.85), Double(0.85).nextDown, nil, .fail, "is below 0.85"),
        Row(.atMost(1.5), 1.5, nil, .pass, "accuracy 1.5, at most 1.5"),
        Row(.atMost(1.5), 1.6, nil, .fail, "accuracy 1.6 is above 1.5"),
        Row(.between(0.2, 0.4), 0.2, nil, .pass, "within 0.2…0.4"),
        Row(.between(0.2, 0.4), 0.41, nil, .fail, "outside 0.2…0.4"),
        Row(.between(0.2, 0.4), 0.19, nil, .fail, "outside 0.2…0.4"),
        Row(.dropAtMost(.absolute(0.02)), 0.88, 0.90, .pass, "accuracy 0.9 -> 0.88"),
        Row(.dropAtMost(.absolute(0.02)), 0.8799, 0.90, .fail, "accuracy 0.9 -> 0.8799 (-0.0201, limit -0.02)"),
        Row(.dropAtMost(.absolute(0)), 0.9, 0.9, .pass, ""),
        Row(.dropAtMost(.absolute(0)), Double(0.9).nextDown, 0.9, .fail, ""),
        Row(.dropAtMost(.absolute(0)), 0.95, 0.9, .pass, "accuracy 0.9 -> 0.95 (+0.05, limit 0)"),
        Row(.dropAtMost(.percent(3)), 0.842, 0.871, .fail, "accuracy 0.871 -> 0.842 (-3.33 %, limit -3 %)"),
        Row(.dropAtMost(.percent(3)), 0.97, 1, .pass, "(-3 %, limit -3 %)"),
        Row(.dropAtMost(.percent(10)), -1.05, -1, .pass, ""),
        Row(.dropAtMost(.percent(10)), -1.2, -1, .fail, ""),
        Row(.dropAtMost(.percent(3)), 0.5, 0, .inconclusive, "no relative limit of zero"),
        Row(.riseAtMost(.absolute(0.1)), 0.6, 0.5, .pass, ""),
        Row(.riseAtMost(.absolute(0.1)), 0.61, 0.5, .fail, "accuracy 0.5 -> 0.61 (+0.11, limit +0.1)"),
        Row(.riseAtMost(.percent(5)), 105, 100, .pass, ""),
        Row(.riseAtMost(.percent(5)), 106, 100, .fail, "(+6 %, limit +5 %)"),
        Row(.ratioAtMost(1.3), 1.3, 1, .pass, ""),
        Row(.ratioAtMost(1.3), 0.13, 0.1, .pass, ""),
        Row(.ratioAtMost(1.3), 15.9, 12, .fail, "accuracy 12 -> 15.9 (×1.325, limit ×1.3)"),
        Row(.ratioAtMost(1.3), 1, 0, .inconclusive, "no ratio to a baseline of 0"),
        Row(.ratioAtMost(1.3), 1, -2, .inconclusive, "no ratio to a baseline of -2"),
    ]

    @Test func `answers each value`() {
        for row in Self.rows {
            var rule = GateRule(row.limit)
            if row.baseline != nil { rule.baseline = .run(RunID(1)) }
            let against = row.baseline.map { baseline(plain($0, number: 1, tree: 1)) } ?? []
            let group = group(rule, plain(row.value), against)
            #expect(group.verdict == row.verdict, "\(row)")
            #expect(group.reason.contains(row.reason), "\(group.reason) lacks \(row.reason)")
            #expect(group.value == row.value && group.baseline == row.baseline, "\(row)")
        }
    }

    @Test func `states its bound in the metric's unit`() {
        let against = baseline(plain(0.5, number: 1, tree: 1))
        let bound = { (limit: GateRule.Limit) in group(GateRule(limit, against: RunID(1)), plain(0.5), against).bound }
        #expect(bound(.atLeast(0.85)) == [0.85])
        #expect(bound(.between(0.1, 0.2)) == [0.1, 0.2])
        #expect(bound(.dropAtMost(.absolute(0.25))) == [0.25])
        #expect(bound(.dropAtMost(.percent(50))) == [0.25])
        #expect(bound(.riseAtMost(.absolute(0.25))) == [0.75])
        #expect(bound(.ratioAtMost(2)) == [1])
    }

    @Test func `lets the worst of several speak`() {
        let rule = GateRule(.atLeast(0.8), .atMost(0.9))
        #expect(group(rule, plain(0.85)).verdict == .pass)
        #expect(group(rule, plain(0.95)).reason == "accuracy 0.95 is above 0.9")
        #expect(group(rule, plain(0.7)).limit == "at-least 0.8")
        var none = rule
        none.limits = []
        #expect(group(none, plain(0.85)).verdict == .incomplete)
    }
}

@Suite struct `A group of cells` {
    /// 2 models × 3 seeds, accuracy by items: n differs from cell to cell.
    static let matrix: (job: ExpectedJob, results: Results) = {
        var cells: [ExpectedCell] = []
        for model in ["a", "b"] {
            for seed in 0..<3 {
                cells.append(
                    ExpectedCell(
                        id: "\(model)\(seed)", name: "eval (\(model), \(seed))",
                        values: [Value.Member("model", .string(model)), Value.Member("seed", .number(Double(seed)))]))
            }
        }
        let job = ExpectedJob(id: "eval", cells: cells)
        let values: [(n: Int, mean: Double)] = [(10, 0.9), (20, 0.8), (30, 0.7), (40, 0.5), (50, 0.5), (60, 0.8)]
        let shards = values.enumerated().map { index, value in
            passed(job, cell: index, [NamedMetric("accuracy", .mean(n: value.n, mean: value.mean, m2: 0))])
        }
        return (job, run(job, shards))
    }()

    private func values(_ change: (inout GateRule) -> Void) -> [Double?] {
        var rule = GateRule(.atLeast(0))
        change(&rule)
        return judge([rule], results: Self.matrix.results).gates[1].groups.map(\.value)
    }

    @Test func `forms by cell, axes and run`() {
        #expect(values { $0.per = .cell } == [0.9, 0.8, 0.7, 0.5, 0.5, 0.8])
        #expect(values { $0.per = .axes(["model"]) } == [0.8, 0.6])
        #expect(values { $0.per = .axes(["seed"]) } == [0.7, 0.65, 0.75])
        #expect(values { $0.per = .run } == [0.7])
        var rule = GateRule(.atLeast(0))
        rule.per = .axes(["model"])
        let groups = judge([rule], results: Self.matrix.results).gates[1].groups
        #expect(groups.map(\.place) == [[Value.Member("model", "a")], [Value.Member("model", "b")]])
        #expect(groups.map(\.count) == [60, 150])
        #expect(groups[0].restsOn.map(\.cell) == ["a0", "a1", "a2"])
    }

    @Test func `averages repetitions first, and reports their spread`() {
        var rule = GateRule(.atLeast(0.75))
        rule.over = ["seed"]
        let groups = judge([rule], results: Self.matrix.results).gates[1].groups
        #expect(groups.map(\.value) == [0.8, 0.6])
        #expect(groups.map(\.place) == [[Value.Member("model", "a")], [Value.Member("model", "b")]])
        #expect(groups[0].spread == Spread(lowest: 0.7, highest: 0.9, repetitions: 3))
        #expect(groups[1].verdict == .fail && groups[1].reason.contains("3 repetitions lie in 0.5…0.8"))
        #expect(
            values {
                $0.over = ["seed"]
                $0.per = .run
                $0.aggregate = .worst
            } == [0.6])
    }

    @Test func `aggregates and weighs`() {
        #expect(
            values {
                $0.per = .axes(["model"])
                $0.aggregate = .worst
            } == [0.7, 0.5])
        #expect(
            values {
                $0.per = .axes(["model"])
                $0.aggregate = .worst
                $0.limits = [.atMost(1)]
            } == [0.9, 0.8])
        // What the gate calls better hides no cell that breaks its limit.
        for (limit, better) in [(GateRule.Limit.atLeast(0.75), GateRule.Better.lower), (.atMost(0.75), .higher)] {
            var rule = GateRule(limit)
            (rule.per, rule.aggregate, rule.better) = (.run, .worst, better)
            #expect(group(rule, Self.matrix.results).verdict == .fail)
        }
        #expect(
            values {
                $0.per = .axes(["model"])
                $0.aggregate = .quantile(0.5)
            } == [0.8, 0.5])
        let weighted = values {
            $0.per = .axes(["model"])
            $0.weightedByCount = true
        }
        for (value, expected) in zip(weighted, [46.0 / 60, 93.0 / 150]) {
            #expect(((value ?? 0) - expected).magnitude < 1e-15)
        }
        var between = GateRule(.between(0.6, 0.8))
        between.per = .axes(["model"])
        between.aggregate = .worst
        for better in [nil, GateRule.Better.higher, .lower] {
            between.better = better
            #expect(judge([between], results: Self.matrix.results).gates[1].groups.map(\.verdict) == [.fail, .fail])
        }
    }

    /// One cell 5 % slower for all, one 10 times slower, and the slowest as before: the slowest of each side says nothing of it.
    @Test func `takes the worst and the quantiles of each cell's own change`() throws {
        let job = ExpectedJob(
            id: "eval",
            cells: ["a", "b", "c"].map { ExpectedCell(id: $0, name: "eval (\($0))", values: [.init("x", .string($0))]) }
        )
        let measured = { (values: [Double], number: UInt64) in
            run(
                job, values.enumerated().map { passed(job, cell: $0.offset, [NamedMetric("m", .max($0.element))]) },
                number: number, tree: UInt8(number))
        }
        let against = [ResolvedBaseline(.run(RunID(1)), .found(measured([1, 4, 40], 1), name: "r1"))]
        let judged = { (values: [Double], aggregate: GateRule.Aggregate, limits: [GateRule.Limit]) throws in
            var rule = GateRule(limits[0], against: RunID(1))
            (rule.metric, rule.limits, rule.per, rule.aggregate) = ("m", limits, .run, aggregate)
            return try #require(judge([rule], results: measured(values, 2), baselines: against).gates[1].groups.first)
        }
        var group = try judged([1.05, 39, 4], .worst, [.ratioAtMost(1.5)])
        #expect(group.verdict == .fail && group.effect == 9.75 && group.baseline == 4 && group.value == 39)
        #expect(group.reason == "eval (b): m 4 -> 39 (×9.75, limit ×1.5), the worst of 3")
        // In percent of its own baseline the first rose most, in units the second.
        group = try judged([2, 5.5, 40], .worst, [.riseAtMost(.percent(50))])
        #expect(group.verdict == .fail && group.baseline == 1)
        group = try judged([2, 5.5, 40], .worst, [.riseAtMost(.absolute(2))])
        #expect(group.verdict == .pass && group.baseline == 4 && group.effect == 1.5)
        // A plain limit is about the worst value, with no other cell's baseline beside it.
        group = try judged([1, 4, 41], .worst, [.atMost(40), .ratioAtMost(1.5)])
        #expect(group.verdict == .fail && group.value == 41 && group.baseline == nil && group.effect == nil)
        group = try judged([10, 4, 40], .quantile(0.5), [.ratioAtMost(1)])
        #expect(group.verdict == .pass && group.reason == "m: quantile 0.5 of 3 cells' ratios is ×1, limit ×1")
        group = try judged([2, 8, 40], .quantile(0.5), [.riseAtMost(.percent(50))])
        #expect(group.verdict == .fail && group.reason == "m: quantile 0.5 of 3 cells' rises is 100 %, limit 50 %")
        // Of drops the tenth that got worst, too.
        group = try judged([1, 2, 40], .quantile(0.9), [.dropAtMost(.absolute(1))])
        #expect(group.verdict == .fail && group.reason == "m: quantile 0.9 of 3 cells' drops is 1.6, limit 1")
    }

    /// A cell that measures ten times as many items moves no mean against a baseline.
    @Test func `weighs both sides by the baseline's items`() throws {
        let job = ExpectedJob(
            id: "eval",
            cells: ["a", "b"].map { ExpectedCell(id: $0, name: "eval (\($0))", values: [.init("x", .string($0))]) })
        let measured = { (cells: [(n: Int, mean: Double)], number: UInt64) in
            run(
                job,
                cells.enumerated().map {
                    passed(
                        job, cell: $0.offset, [NamedMetric("m", .mean(n: $0.element.n, mean: $0.element.mean, m2: 0))])
                }, number: number, tree: UInt8(number))
        }
        var rule = GateRule(.dropAtMost(.absolute(0.01)), against: RunID(1))
        (rule.metric, rule.per, rule.weightedByCount) = ("m", .run, true)
        let against = [ResolvedBaseline(.run(RunID(1)), .found(measured([(100, 0.9), (100, 0.5)], 1), name: "r1"))]
        let worse = measured([(1000, 0.85), (100, 0.45)], 2)
        #expect(judge([rule], results: worse, baselines: against).gates[1].verdict == .fail)
    }

    @Test func `is incomplete where the gate asks for what is not there`() {
        let reason = { (change: (inout GateRule) -> Void) in
            var rule = GateRule(.atLeast(0))
            change(&rule)
            let group = group(rule, Self.matrix.results)
            #expect(group.verdict == .incomplete, "\(group.reason)")
            return group.reason
        }
        #expect(reason { $0.per = .axes(["backend"]) } == "no cell of job 'eval' has an axis 'backend'")
        #expect(reason { $0.over = ["fold"] } == "no cell of job 'eval' has an axis 'fold'")
        #expect(reason { $0.metric = "f1" }.contains("missing: not among what was reported: accuracy"))
        #expect(reason { $0.metric = "acuracy" }.contains("did you mean 'accuracy'?"))
        #expect(reason { $0.job = "train" } == "the run has no job 'train'")
        #expect(reason { $0.statistic = .quantile(0.5) }.contains("no quantiles"))
        let single = plain(1)
        var weighed = GateRule(.atLeast(0))
        weighed.weightedByCount = true
        #expect(group(weighed, single).verdict == .incomplete)
    }

    @Test func `leaves out cells that are not required, and names them`() {
        var results = Self.matrix.results
        results.header.jobs[0].cells[1].required = false
        results.shards.removeAll { $0.cell == "a1" }
        var rule = GateRule(.atLeast(0))
        rule.per = .axes(["model"])
        let judgement = judge([rule], results: results)
        #expect(judgement.verdict == .pass)
        #expect(judgement.gates[1].groups[0].restsOn.map(\.cell) == ["a0", "a2"])
        #expect(judgement.gates[0].groups[0].reason.contains("not counted: eval (a, 1)"))
        #expect(judgement.gates[0].groups[0].reason.contains("(not required)"))
        for index in results.header.jobs[0].cells.indices { results.header.jobs[0].cells[index].required = false }
        #expect(judge([rule], results: results).gates[1].verdict == .incomplete)
    }

    @Test func `needs a job's name when several report`() {
        var results = Self.matrix.results
        let other = job("train")
        results.header.jobs.append(other)
        results.shards.append(passed(other))
        #expect(judge([GateRule(.atLeast(0))], results: results).verdict == .pass)
        results.shards[results.shards.count - 1].metrics = [NamedMetric("loss", .plain(1))]
        #expect(group(GateRule(.atLeast(0)), results).reason.contains("several jobs report metrics (eval, train)"))
        var named = GateRule(.atLeast(0))
        named.job = "eval"
        #expect(judge([named], results: results).verdict == .pass)
    }

    @Test func `reads the job that was to write metrics, whatever came`() {
        var results = Self.matrix.results
        let other = job("train")
        results.header.jobs.append(other)
        results.shards.append(passed(other))
        let say = { (eval: Bool, train: Bool) in
            results.header.jobs[0].writesMetrics = eval
            results.header.jobs[1].writesMetrics = train
        }
        say(true, false)
        #expect(judge([GateRule(.atLeast(0))], results: results).verdict == .pass)
        // What measures nothing does not leave the gate to its neighbour.
        say(true, true)
        #expect(judge([GateRule(.atLeast(0))], results: results).verdict == .incomplete)
        #expect(group(GateRule(.atLeast(0)), results).reason.contains("several jobs write metrics (eval, train)"))
        say(false, true)
        #expect(judge([GateRule(.atLeast(0))], results: results).verdict == .incomplete)
        say(false, false)
        #expect(group(GateRule(.atLeast(0)), results).reason.contains("no job says that it writes metrics"))
    }
}

@Suite struct `A statistic` {
    private func value(_ metric: MetricValue, _ statistic: GateRule.Statistic) -> Double? {
        let job = job()
        var rule = GateRule(.atLeast(-1e9), metric: "m")
        rule.statistic = statistic
        return group(rule, run(job, [passed(job, [NamedMetric("m", metric)])])).value
    }

    @Test func `reads quantiles of samples as NumPy does`() {
        let samples = MetricValue.samples([4, 1, 3, 2])
        #expect(value(samples, .quantile(0.5)) == 2.5)
        #expect(value(samples, .quantile(0.9)) == 3.7)
        #expect(value(samples, .quantile(0)) == 1)
        #expect(value(samples, .quantile(1)) == 4)
        #expect(value(samples, .value) == 2.5)
        #expect(value(.samples([7]), .quantile(0.99)) == 7)
        #expect(value(.max(9), .quantile(1)) == 9)
        #expect(value(.min(2), .quantile(0)) == 2)
        #expect(value(.max(9), .quantile(0.5)) == nil)
    }

    @Test func `reads quantiles of items`() {
        let job = job()
        var rule = GateRule(.atMost(1000))
        rule.statistic = .quantile(0.5)
        let values: [Double] = [5, 1, 100]
        #expect(group(rule, run(job, [passed(job, items: items(values))])).value == 5)
    }

    @Test func `reads a sketch within its relative error`() {
        for seed in UInt64(0)..<50 {
            var random = SplitMix64(seed: seed)
            let error = 0.01
            let gamma = (1 + error) / (1 - error)
            var sketch = QuantileSketch(relativeError: error)
            var values: [Double] = []
            var buckets: [Int: Int] = [:]
            for _ in 0..<500 {
                // A bucket's own upper edge, γ^i, is in the bucket; anything just below it too.
                let index = Int.random(in: -200...200, using: &random)
                var edge = 1.0
                for _ in 0..<index.magnitude { edge *= index < 0 ? 1 / gamma : gamma }
                values.append(edge * Double.random(in: 0.985...1, using: &random))
                buckets[index, default: 0] += 1
            }
            sketch.positive = buckets.sorted { $0.key < $1.key }.map { .init(index: $0.key, count: $0.value) }
            values.sort()
            for q in [0.0, 0.1, 0.5, 0.9, 1] {
                let exact = values[Int(q * 499)]
                let read = value(.quantiles(sketch), .quantile(q)) ?? .nan
                #expect((read - exact).magnitude <= error * exact * 1.0001, "seed \(seed), q \(q)")
            }
        }
        let mixed = QuantileSketch(
            relativeError: 0.1, zeros: 1, positive: [.init(index: 0, count: 1)], negative: [.init(index: 0, count: 1)])
        #expect((value(.quantiles(mixed), .quantile(0)) ?? 0) < -0.8)
        #expect(value(.quantiles(mixed), .quantile(0.5)) == 0)
        #expect((value(.quantiles(mixed), .quantile(1)) ?? 0) > 0.8)
        #expect(value(.quantiles(mixed), .value) == nil)
    }
}

@Suite struct `Shards of a cell` {
    private func group(_ values: [MetricValue], _ statistic: GateRule.Statistic = .value) -> GroupJudgement {
        let job = job(shards: values.count)
        var rule = GateRule(.atLeast(-1e300), metric: "m")
        rule.statistic = statistic
        return GatesTests.group(
            rule,
            run(job, values.enumerated().map { passed(job, shard: $0, [NamedMetric("m", $1)]) }.reversed()))
    }

    @Test func `merge by kind`() {
        #expect(group([.sum(1e16), .sum(1), .sum(-1e16)]).value == 1)
        #expect(group([.count(3), .count(4)]).value == 7)
        #expect(group([.ratio(numerator: 1, denominator: 2), .ratio(numerator: 1, denominator: 8)]).value == 0.2)
        #expect(group([.min(3), .min(-1), .min(2)]).value == -1)
        #expect(group([.max(3), .max(-1)]).value == 3)
        let mean = group([.mean(n: 1, mean: 1, m2: 0), .mean(n: 3, mean: 0, m2: 0)])
        #expect(mean.value == 0.25 && mean.count == 4)
        let samples = group([.samples([1, 9]), .samples([5])], .quantile(0.5))
        #expect(samples.value == 5 && samples.count == 3)
        let half = QuantileSketch(relativeError: 0.01, positive: [.init(index: 10, count: 2)])
        #expect(group([.quantiles(half), .quantiles(half)], .quantile(0.5)).count == 4)
    }

    @Test func `do not merge what has no kind, or several`() {
        let unknown = group([.plain(0.9), .plain(0.9)])
        #expect(unknown.verdict == .incomplete && unknown.reason.contains("kind unknown"))
        #expect(group([.plain(0.9)]).verdict == .pass)
        #expect(group([.sum(1), .count(1)]).verdict == .fail)
        let coarse = QuantileSketch(relativeError: 0.1, positive: [.init(index: 1, count: 1)])
        let fine = QuantileSketch(relativeError: 0.01, positive: [.init(index: 1, count: 1)])
        #expect(group([.quantiles(coarse), .quantiles(fine)], .quantile(0.5)).verdict == .fail)
        #expect(group([.count(Int.max), .count(1)]).verdict == .fail)
        #expect(group([.sum(1e308), .sum(1e308)]).verdict == .fail)
        #expect(group([.ratio(numerator: 1, denominator: 0)]).verdict == .incomplete)
        #expect(group([.mean(n: 0, mean: 0, m2: 0), .mean(n: 0, mean: 0, m2: 0)]).verdict == .incomplete)
        #expect(group([.samples([]), .samples([])]).verdict == .incomplete)
    }

    @Test func `say the same per item and in the metrics file, or nothing`() {
        let job = job()
        let verdict = { (stated: MetricValue) in
            GatesTests.group(
                GateRule(.atLeast(0.5)),
                run(job, [passed(job, [NamedMetric("accuracy", stated)], items: items([1, 1, 0, 1]))])
            )
        }
        for agreeing: MetricValue in [
            .plain(0.75), .mean(n: 4, mean: 0.75, m2: 0.75), .ratio(numerator: 3, denominator: 4), .sum(3), .count(3),
            .min(0), .max(1), .samples([1, 1, 0, 1]),
        ] {
            #expect(verdict(agreeing).verdict == .pass && verdict(agreeing).count == 4, "\(agreeing)")
        }
        for lying: MetricValue in [
            .plain(0.99), .mean(n: 5, mean: 0.75, m2: 0.75), .ratio(numerator: 4, denominator: 4), .sum(4), .count(4),
            .min(1), .max(2), .samples([1]),
        ] {
            #expect(verdict(lying).verdict == .fail, "\(lying)")
            #expect(verdict(lying).reason.contains("several values"), "\(lying)")
        }
    }
}

@Suite struct `A baseline` {
    private let rule = GateRule(.dropAtMost(.absolute(0)), against: RunID(1))
    private let older = plain(0.9, number: 1, tree: 1)

    @Test func `is not the candidate`() {
        #expect(group(rule, plain(0.9), baseline(older)).verdict == .pass)
        let sameTree = group(rule, plain(0.9), baseline(plain(0.9, number: 1, tree: 2)))
        #expect(sameTree.verdict == .inconclusive && sameTree.reason.contains("baseline_is_candidate"))
        let sameRun = group(rule, plain(0.9), baseline(plain(0.9, number: 2, tree: 1)))
        #expect(sameRun.verdict == .inconclusive && sameRun.reason.contains("baseline_is_candidate"))
        var treeless = older
        treeless.header.tree = nil
        #expect(group(rule, plain(0.9), baseline(treeless)).verdict == .pass)
        treeless.header.commit = "c2"
        #expect(group(rule, plain(0.9), baseline(treeless)).reason.contains("baseline_is_candidate"))
        treeless.header.commit = nil
        #expect(group(rule, plain(0.9), baseline(treeless)).verdict == .inconclusive)
    }

    @Test func `is measured in the same way`() {
        let job = job()
        let results = { (number: UInt64, evaluator: String?) in
            run(
                job, [passed(job, [NamedMetric("accuracy", .plain(0.9))])], number: number, tree: UInt8(number),
                provenance: evaluator.map { [Value.Member("evaluator", .string($0))] } ?? [])
        }
        #expect(group(rule, results(2, "a"), baseline(results(1, "a"))).verdict == .pass)
        #expect(group(rule, results(2, "a"), baseline(results(1, "b"))).reason.contains("not comparable (evaluator"))
        #expect(group(rule, results(2, "a"), baseline(results(1, nil))).verdict == .inconclusive)
    }

    @Test func `that is absent leaves it open, unless floors may decide`() {
        let absent = [ResolvedBaseline(.run(RunID(1)), .absent("no run of branch main"))]
        let lost = [ResolvedBaseline(.run(RunID(1)), .unavailable("r1 was removed"))]
        var first = rule
        first.passesFirstOnFloor = true
        var floor = GateRule(.atLeast(0.85))
        floor.name = "floor"
        #expect(judge([rule], results: plain(0.9), baselines: absent).verdict == .inconclusive)
        #expect(judge([rule], results: plain(0.9)).verdict == .inconclusive)
        #expect(judge([first], results: plain(0.9), baselines: absent).verdict == .inconclusive)
        let passing = judge([first, floor], results: plain(0.9), baselines: absent)
        #expect(passing.verdict == .pass && passing.gates[1].groups.allSatisfy(\.passesUncompared))
        #expect(judge([first, floor], results: plain(0.9), baselines: lost).verdict == .inconclusive)
        // An advisory gate vouches for no required one.
        var advisory = floor
        advisory.required = false
        #expect(judge([first, advisory], results: plain(0.9), baselines: absent).verdict == .inconclusive)
        let below = judge([first, floor], results: plain(0.8), baselines: absent)
        #expect(below.verdict == .fail && below.gates[1].verdict == .inconclusive)
        var own = first
        own.limits.append(.atLeast(0.85))
        #expect(judge([own], results: plain(0.9), baselines: absent).verdict == .pass)
        #expect(judge([own], results: plain(0.8), baselines: absent).verdict == .fail)
        var other = floor
        other.metric = "f1"
        #expect(judge([first, other], results: plain(0.9), baselines: absent).gates[1].verdict == .inconclusive)
    }

    /// Each cell by what looks at it: one below the floor keeps no other from its first pass.
    @Test func `that is absent leaves open what the floors refuse, and nothing else`() {
        let absent = [ResolvedBaseline(.run(RunID(1)), .absent("no run of branch main"))]
        var first = rule
        first.passesFirstOnFloor = true
        var floor = GateRule(.atLeast(0.85))
        floor.name = "floor"
        let results = matrix([0.9, 0.5], number: 2)
        let found = judge([first, floor], results: results, baselines: absent).gates[1].groups
        #expect(found.map(\.verdict) == [.pass, .inconclusive])
        #expect(found[1].reason.hasSuffix("its plain limits do not pass") && found[1].isUncompared)
        var mean = floor
        mean.per = .run
        #expect(
            judge([first, mean], results: results, baselines: absent).gates[1].groups.map(\.verdict)
                == [.inconclusive, .inconclusive])
        // Whoever answers for the floor answers for the first pass by it.
        var dated = results
        dated.header.provenance.append(.init("submitted_at", "2026-11-23T10:00:00Z"))
        let terms = JudgingTerms(waivers: [
            Waiver(
                .gate("floor"), place: [.init("x", .number(1))], reason: "known", author: "ada",
                lastDay: "2026-12-31", position: SourcePosition(file: "w.yml", line: 1, column: 1))
        ])
        let waived = judge([first, floor], results: dated, baselines: absent, terms: terms)
        #expect(waived.gates[1].groups.map(\.verdict) == [.pass, .pass] && waived.verdict == .waived)
    }

    /// What a commit on a branch came with is no reason for the branch to have no baseline ever after; what got worse is.
    @Test func `of later runs is a run in which nothing that was compared is worse`() {
        let older = matrix([0.9, 0.8], number: 1)
        let judged = { (ours: Results, theirs: Results, rules: [GateRule]) in
            judge(rules, results: ours, baselines: [ResolvedBaseline(.run(RunID(1)), .found(theirs, name: "r1"))])
        }
        var floor = GateRule(.atLeast(0.7))
        floor.name = "floor"
        var evaluated = matrix([0.9, 0.8], number: 2)
        evaluated.header.provenance.append(.init("evaluator", "b"))
        let cases: [(String, Results, Results, Verdict, Bool)] = [
            ("equal", matrix([0.9, 0.8], number: 2), older, .pass, true),
            ("worse", matrix([0.9, 0.75], number: 2), older, .fail, false),
            ("a new cell", matrix([0.9, 0.8, 0.8], number: 2), older, .inconclusive, true),
            ("a cell that is gone", matrix([0.9], number: 2), older, .incomplete, true),
            ("gone, and another worse", matrix([0.8], number: 2), older, .fail, false),
            ("another evaluator", evaluated, older, .inconclusive, false),
            ("a new cell below the floor", matrix([0.9, 0.8, 0.6], number: 2), older, .fail, false),
        ]
        for (name, ours, theirs, verdict, can) in cases {
            let found = judged(ours, theirs, [rule, floor])
            #expect(found.verdict == verdict, "\(name): \(found.gates[1].groups.map(\.reason))")
            #expect(found.canBeBaseline(comparing: ["gate"]) == can, "\(name)")
            #expect(Judgement(record: found.record)?.canBeBaseline(comparing: ["gate"]) == can, "\(name)")
        }
        // A cell that the baseline lost in quarantine has no value there.
        var lost = older
        lost.header.jobs[0].cells[1].required = false
        lost.shards[1].metrics = []
        let found = judged(matrix([0.9, 0.8], number: 2), lost, [rule])
        #expect(found.verdict == .inconclusive && found.canBeBaseline(comparing: ["gate"]))
        #expect(found.gates[1].groups[1].reason.hasSuffix("eval (1) gave no value there and did not have to"))
        var lenient = rule
        lenient.newCellsFloorOnly = true
        #expect(judged(matrix([0.9, 0.8], number: 2), lost, [lenient, floor]).verdict == .pass)
        // One that nobody could look for stays unknown.
        let away = judge([rule], results: older, baselines: [ResolvedBaseline(.run(RunID(1)), .unavailable("away"))])
        #expect(!away.canBeBaseline(comparing: []))
    }

    private func matrix(_ values: [Double?], number: UInt64) -> Results {
        var job = job(cells: values.count)
        job.cells = job.cells.enumerated().filter { values[$0.offset] != nil }.map(\.element)
        let shards = job.cells.indices.map { cell -> SettledShard in
            guard case .number(let x)? = job.cells[cell].values.first?.value else { return passed(job, cell: cell) }
            return passed(job, cell: cell, [NamedMetric("accuracy", .plain(values[Int(x)] ?? 0))])
        }
        return run(job, shards, number: number, tree: UInt8(number))
    }

    @Test func `matches cells by their values, whatever their ids`() {
        var renamed = matrix([0.9, 0.8], number: 1)
        for index in renamed.header.jobs[0].cells.indices { renamed.header.jobs[0].cells[index].id = "other\(index)" }
        for index in renamed.shards.indices { renamed.shards[index].cell = "other\(index)" }
        let judgement = judge([rule], results: matrix([0.9, 0.8], number: 2), baselines: baseline(renamed))
        #expect(judgement.gates[1].groups.map(\.baseline) == [0.9, 0.8])
        #expect(judgement.verdict == .pass)
    }

    @Test func `leaves a new cell open, or to the floor`() {
        let (candidate, older) = (matrix([0.9, 0.8], number: 2), matrix([0.9], number: 1))
        let open = judge([rule], results: candidate, baselines: baseline(older))
        #expect(open.gates[1].groups.map(\.verdict) == [.pass, .inconclusive])
        #expect(open.gates[1].groups[1].reason.contains("eval (1) is a new cell"))
        var lenient = rule
        lenient.newCellsFloorOnly = true
        #expect(judge([lenient], results: candidate, baselines: baseline(older)).verdict == .inconclusive)
        var floor = GateRule(.atLeast(0.7))
        floor.name = "floor"
        #expect(judge([lenient, floor], results: candidate, baselines: baseline(older)).verdict == .pass)
        floor.limits = [.atLeast(0.85)]
        #expect(judge([lenient, floor], results: candidate, baselines: baseline(older)).verdict == .fail)
        // Together with a new cell, the others are compared among themselves.
        lenient.per = .run
        floor.limits = [.atLeast(0.7)]
        let mixed = judge([lenient, floor], results: candidate, baselines: baseline(older))
        #expect(mixed.verdict == .pass && mixed.gates[1].groups[0].baseline == 0.9)
    }

    @Test func `misses a cell that vanished`() {
        let (candidate, older) = (matrix([0.9], number: 2), matrix([0.9, 0.8], number: 1))
        let judgement = judge([rule], results: candidate, baselines: baseline(older))
        #expect(judgement.verdict == .incomplete)
        #expect(judgement.gates[1].groups.map(\.verdict) == [.pass, .incomplete])
        #expect(judgement.gates[1].groups[1].place == [Value.Member("x", 1)])
        var whole = rule
        whole.per = .run
        let run = judge([whole], results: candidate, baselines: baseline(older))
        #expect(run.gates[1].groups.count == 1 && run.verdict == .incomplete)
        var optional = older
        optional.header.jobs[0].cells[1].required = false
        #expect(judge([rule], results: candidate, baselines: baseline(optional)).verdict == .pass)
    }

    /// The plan says that it is gone: whoever meant that may say so.
    @Test func `that lost a cell may be waived for that cell, and for nothing that is missing beside`() {
        var candidate = matrix([0.9], number: 2)
        candidate.header.provenance.append(.init("submitted_at", "2026-11-23T10:00:00Z"))
        let older = matrix([0.9, 0.8], number: 1)
        let waiver = { (place: [Value.Member]) in
            JudgingTerms(waivers: [
                Waiver(.gate("gate"), place: place, reason: "3.8 is gone", author: "ada", lastDay: "2026-12-31")
            ])
        }
        let judged = { (rule: GateRule, ours: Results, place: [Value.Member]) in
            judge([rule], results: ours, baselines: baseline(older), terms: waiver(place)).gates[1]
        }
        let one = judged(rule, candidate, [.init("x", .number(1))])
        #expect(one.groups.map(\.verdict) == [.pass, .waived])
        #expect(one.groups[1].reason.hasSuffix("else incomplete: a cell of the baseline vanished: eval (1)"))
        #expect(judged(rule, candidate, [.init("x", .number(0))]).verdict == .incomplete)
        var whole = rule
        whole.per = .run
        #expect(judged(whole, candidate, []).verdict == .waived)
        var silent = candidate
        silent.shards[0].metrics = []
        #expect(judged(whole, silent, []).verdict == .incomplete)
        // What is worse is waived with it, and told.
        var worse = matrix([0.5], number: 2)
        worse.header.provenance = candidate.header.provenance
        let both = judged(whole, worse, [])
        #expect(both.verdict == .waived && both.groups[0].isWorse, "\(both.groups[0].reason)")
    }

    @Test func `without a value leaves it open`() {
        var broken = older
        broken.shards[0].metrics = []
        #expect(group(rule, plain(0.9), baseline(broken)).verdict == .inconclusive)
        broken.shards[0].metrics = [
            NamedMetric("accuracy", .refused(RefusedMetric(text: "NaN", reason: "not a number", file: "m", line: 1)))
        ]
        #expect(group(rule, plain(0.9), baseline(broken)).verdict == .inconclusive)
        broken = older
        broken.shards[0].cause = Cause(.oom)
        #expect(group(rule, plain(0.9), baseline(broken)).verdict == .inconclusive)
        broken.header.jobs[0].id = "train"
        #expect(group(rule, plain(0.9), baseline(broken)).reason.contains("the baseline has no job 'eval'"))
    }
}

/// Limits without a test against a baseline that reports items.
@Suite struct `An estimate of items` {
    private let eval = job()

    private func judged(_ limit: GateRule.Limit, _ newer: [Item], _ older: [Item]) -> GroupJudgement {
        let rule = GateRule(name: "g", metric: "accuracy", limits: [limit], baseline: .run(RunID(1)))
        let against = ResolvedBaseline(
            .run(RunID(1)), .found(run(eval, [passed(eval, items: older)], number: 1, tree: 1), name: "r1"))
        let judgement = judge([rule], results: run(eval, [passed(eval, items: newer)]), baselines: [against])
        return judgement.gates[1].groups[0]
    }

    /// 100 items, of which the first five are wrong on both sides.
    private var older: [Item] { items((0..<100).map { $0 < 5 ? 0 : 1 }) }

    @Test func `is not helped by leaving out the hard ones`() {
        // Ten wrong items, five of them left out: 90 of 95 would be a drop of nothing.
        let newer = items((0..<100).map { $0 < 10 ? 0 : 1 })
        #expect(judged(.dropAtMost(.absolute(0.02)), newer, older).verdict == .fail)
        let fewer = judged(.dropAtMost(.absolute(0.02)), Array(newer.dropFirst(5)), older)
        #expect(fewer.verdict == .fail && fewer.reason.contains("missing: 5 items of the baseline's counted as wrong"))
        let half = judged(.dropAtMost(.absolute(0.02)), Array(newer.suffix(50)), older)
        #expect(half.verdict == .inconclusive && half.reason.contains("different items: 50 of the baseline's 100"))
        #expect(judged(.dropAtMost(.absolute(0.02)), older, older).verdict == .pass)
    }

    @Test func `of numbers needs all of the baseline's items`() {
        let slow = items((0..<100).map { Double($0) })
        #expect(judged(.ratioAtMost(1.1), slow, slow).verdict == .pass)
        let fewer = judged(.ratioAtMost(1.1), Array(slow.dropLast()), slow)
        #expect(fewer.verdict == .incomplete && fewer.reason.contains("missing: 1 of the baseline's 100 items"))
    }

    @Test func `is not decided by a side that stopped reporting items`() {
        let rule = GateRule(
            name: "g", metric: "accuracy", limits: [.dropAtMost(.absolute(0.02))], baseline: .run(RunID(1)))
        let against = ResolvedBaseline(
            .run(RunID(1)), .found(run(eval, [passed(eval, items: older)], number: 1, tree: 1), name: "r1"))
        let newer = run(eval, [passed(eval, [NamedMetric("accuracy", .plain(0.99))])])
        let group = judge([rule], results: newer, baselines: [against]).gates[1].groups[0]
        #expect(group.verdict == .inconclusive && group.reason.contains("one side reports items"))
    }

    @Test func `says where the workflow is another`() {
        let rule = GateRule(
            name: "g", metric: "accuracy", limits: [.dropAtMost(.absolute(0.02))], baseline: .run(RunID(1)))
        let digest = { (text: String) in [Value.Member("workflow", .string(text))] }
        let before = run(eval, [passed(eval, items: older)], number: 1, tree: 1, provenance: digest("a"))
        for (text, isSaid) in [("a", false), ("b", true)] {
            let judgement = judge(
                [rule], results: run(eval, [passed(eval, items: older)], provenance: digest(text)),
                baselines: [ResolvedBaseline(.run(RunID(1)), .found(before, name: "r1"))])
            let group = judgement.gates[1].groups[0]
            #expect(group.verdict == .pass && group.baselineSource.contains("another workflow") == isSaid)
        }
    }
}
