import JSON
package import Model

// The rules of gates, whose words on the wire are those of workflows.

extension Proto.GateRule {
    package init(_ rule: Model.GateRule) {
        self.init()
        name = rule.name
        job = rule.job
        metric = rule.metric
        if case .quantile(let quantile) = rule.statistic { statisticQuantile = quantile }
        switch rule.per {
        case .cell: per = "cell"
        case .axes(let axes):
            per = "axes"
            perAxes = axes
        case .run: per = "run"
        }
        over = rule.over
        switch rule.aggregate {
        case .mean: aggregate = "mean"
        case .worst: aggregate = "worst"
        case .quantile(let quantile):
            aggregate = "quantile"
            aggregateQuantile = quantile
        }
        weightedByCount = rule.weightedByCount
        better = rule.better?.rawValue ?? ""
        limits = rule.limits.map { Proto.GateLimit($0) }
        baseline = rule.baseline.map { Proto.BaselineReference($0) }
        passesFirstOnFloor = rule.passesFirstOnFloor
        newCellsFloorOnly = rule.newCellsFloorOnly
        required = rule.required
        when = rule.when
        line = UInt32(held: rule.position.line)
        column = UInt32(held: rule.position.column)
        file = rule.position.file
        mayDiffer = rule.mayDiffer
        strict = rule.isStrict
        thresholds = rule.thresholds.map { threshold in
            .with {
                $0.key = threshold.key
                $0.place = UInt32(held: threshold.place)
                $0.file = threshold.file
                $0.path = threshold.path
            }
        }
        evaluator = rule.evaluator
        guard rule.testing != Model.GateRule.Testing() else { return }
        test = rule.testing.test.rawValue
        method = rule.testing.method?.rawValue ?? ""
        switch rule.testing.detect {
        case .absolute(let amount): detect = amount
        case .percent(let amount): (detect, detectPercent) = (amount, true)
        case nil: break
        }
        itemsAtLeast = rule.testing.itemsAtLeast.map { UInt64(max(0, $0)) }
        falsePassRate = rule.testing.falsePassRate
    }

    package func meaning() throws(MeaningError) -> Model.GateRule {
        Model.GateRule(
            name: name, job: job, metric: metric,
            statistic: try statisticQuantile.map { quantile throws(MeaningError) in
                .quantile(try share("statistic_quantile", quantile))
            } ?? .value,
            per: try grouping(), over: over, aggregate: try aggregation(), weightedByCount: weightedByCount,
            better: better.isEmpty ? nil : try word("better", better, as: Model.GateRule.Better.self),
            limits: try list("limits", limits) { limit throws(MeaningError) in try limit.meaning() },
            testing: try testing(),
            baseline: try baseline.map { reference throws(MeaningError) in
                try field("baseline") { () throws(MeaningError) in try reference.meaning() }
            },
            mayDiffer: mayDiffer, isStrict: strict, passesFirstOnFloor: passesFirstOnFloor,
            newCellsFloorOnly: newCellsFloorOnly, required: required,
            // A plan is stored once they are read.
            thresholds: thresholds.map {
                .init(key: $0.key, place: Int($0.place), file: $0.file, path: $0.path, isRead: true)
            }, evaluator: evaluator, when: when,
            position: SourcePosition(file: file, line: Int(line), column: Int(column)))
    }

    /// A rate or an amount that is no number would pass everything or nothing: it is refused.
    private func testing() throws(MeaningError) -> Model.GateRule.Testing {
        guard !test.isEmpty else { return Model.GateRule.Testing() }
        var testing = Model.GateRule.Testing(try word("test", test, as: Model.GateRule.Test.self))
        if !method.isEmpty { testing.method = try word("method", method, as: Model.GateRule.Method.self) }
        if let detect {
            guard detect.isFinite else { throw MeaningError("detect", "is \(detect)") }
            testing.detect = detectPercent ? .percent(detect) : .absolute(detect)
        }
        testing.itemsAtLeast = itemsAtLeast.map { Int(clamping: $0) }
        guard falsePassRate > 0, falsePassRate < 1 else {
            throw MeaningError("false_pass_rate", "is \(falsePassRate), not between 0 and 1")
        }
        testing.falsePassRate = falsePassRate
        return testing
    }

    private func grouping() throws(MeaningError) -> Model.GateRule.Grouping {
        guard per == "axes" || perAxes.isEmpty else {
            throw MeaningError("per_axes", "are given without 'axes' in per")
        }
        return switch per {
        case "cell": .cell
        case "axes": .axes(perAxes)
        case "run": .run
        default: throw MeaningError("per", "has the unknown word '\(per)'")
        }
    }

    private func aggregation() throws(MeaningError) -> Model.GateRule.Aggregate {
        switch aggregate {
        case "mean": .mean
        case "worst": .worst
        case "quantile": .quantile(try share("aggregate_quantile", aggregateQuantile))
        default: throw MeaningError("aggregate", "has the unknown word '\(aggregate)'")
        }
    }

    private func share(_ name: String, _ number: Double) throws(MeaningError) -> Double {
        guard (0...1).contains(number) else { throw MeaningError(name, "is \(number), not in 0 to 1") }
        return number
    }
}

extension Proto.GateLimit {
    package init(_ limit: Model.GateRule.Limit) {
        self.init()
        switch limit {
        case .atLeast(let bound): (form, self.bound) = ("at-least", bound)
        case .atMost(let bound): (form, self.bound) = ("at-most", bound)
        case .between(let lower, let upper): (form, bound, self.upper) = ("between", lower, upper)
        case .dropAtMost(let amount):
            form = "drop-at-most"
            self.amount = amount
        case .riseAtMost(let amount):
            form = "rise-at-most"
            self.amount = amount
        case .ratioAtMost(let bound): (form, self.bound) = ("ratio-at-most", bound)
        }
    }

    /// A bound that is no number would pass everything or nothing: it is refused.
    package func meaning() throws(MeaningError) -> Model.GateRule.Limit {
        guard bound.isFinite else { throw MeaningError("bound", "is \(bound)") }
        guard upper.isFinite else { throw MeaningError("upper", "is \(upper)") }
        return switch form {
        case "at-least": .atLeast(bound)
        case "at-most": .atMost(bound)
        case "between": .between(bound, upper)
        case "drop-at-most": .dropAtMost(amount)
        case "rise-at-most": .riseAtMost(amount)
        case "ratio-at-most": .ratioAtMost(bound)
        default: throw MeaningError("form", "has the unknown word '\(form)'")
        }
    }

    private var amount: Model.GateRule.Amount {
        get { percent ? .percent(bound) : .absolute(bound) }
        set {
            switch newValue {
            case .absolute(let amount): (bound, percent) = (amount, false)
            case .percent(let amount): (bound, percent) = (amount, true)
            }
        }
    }
}

extension Proto.BaselineReference {
    package init(_ reference: Model.GateRule.BaselineReference) {
        self.init()
        kind =
            switch reference {
            case .run(let run): .run(run.number)
            case .branch(let branch): .branch(branch)
            case .alias(let alias): .alias(alias)
            }
    }

    package func meaning() throws(MeaningError) -> Model.GateRule.BaselineReference {
        switch kind {
        case .run(0): throw MeaningError("run", "is 0: runs count from 1")
        case .run(let run): .run(RunID(run))
        case .branch(let branch): .branch(branch)
        case .alias(let alias): .alias(alias)
        case nil: throw MeaningError("kind", "is missing: it is one of run, branch and alias")
        }
    }
}

extension Proto.Waiver {
    package init(_ waiver: Model.Waiver) {
        self.init()
        subject =
            switch waiver.subject {
            case .gate(let gate): .gate(gate)
            case .cells(let job): .job(job)
            }
        valuesJson = JSONWriter.text(.object(waiver.place))
        reason = waiver.reason
        author = waiver.author
        lastDay = waiver.lastDay
        file = waiver.position.file
        line = UInt32(held: waiver.position.line)
        column = UInt32(held: waiver.position.column)
    }

    package func meaning() throws(MeaningError) -> Model.Waiver {
        let subject: Model.Waiver.Subject
        switch self.subject {
        case .gate(let gate): subject = .gate(gate)
        case .job(let job): subject = .cells(job: job)
        case nil: throw MeaningError("subject", "is missing: it is a gate or a job")
        }
        guard Model.Waiver.isDay(lastDay) else { throw MeaningError("last_day", "is no day: '\(lastDay)'") }
        // A place that cannot be read would cover everything: it is refused.
        guard let place = (try? JSONParser.parse(Array(valuesJson.utf8)))?.value.members else {
            throw MeaningError("values_json", "is no object")
        }
        return Model.Waiver(
            subject, place: place, reason: reason, author: author, lastDay: lastDay,
            position: SourcePosition(file: file, line: Int(line), column: Int(column)))
    }
}
