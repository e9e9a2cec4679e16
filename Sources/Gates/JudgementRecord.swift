import JSON
import Model

// A judgement in JSON, in two lengths by one writer: what `sheaf judge` prints, and the record that the farm keeps, which
// has everything else that a report shows beside it, so that a run which ended is told as it was judged and never judged
// again.

extension Judgement {
    /// `{"verdict","gates":[{"gate","verdict","required","groups":[…]}]}` on one line, the same bytes for the same
    /// judgement.
    package var json: [UInt8] { written(whole: false) }

    /// The whole judgement in JSON, on one line.
    package var record: [UInt8] { written(whole: true) }

    private func written(whole: Bool) -> [UInt8] {
        var members: [Value.Member] = [
            .init("verdict", .string(verdict.rawValue)), .init("gates", .array(gates.map { $0.written(whole: whole) })),
        ]
        if whole { members.append(.init("cells", .array(cells.map(\.written)))) }
        if whole, !baselines.isEmpty { members.append(.init("baselines", .array(baselines.map(\.written)))) }
        if whole, !notes.isEmpty { members.append(.init("notes", .array(notes.map(Value.string)))) }
        var writer = JSONWriter()
        writer.value(.object(members))
        writer.newline()
        return writer.bytes
    }

    /// Reads what `record` wrote; what `json` wrote too, as far as that goes, and then `cells` is empty.
    ///
    /// - Returns: `nil` for bytes that are no judgement.
    package init?(record: [UInt8]) {
        // `try?`: a damaged record is told by whoever keeps it; where in the bytes helps nobody.
        guard let value = try? JSONParser.parse(record).value, let gates = value["gates"]?.array else { return nil }
        var read: [GateJudgement] = []
        for gate in gates {
            guard let judgement = GateJudgement(written: gate) else { return nil }
            read.append(judgement)
        }
        var cells: [CellJudgement] = []
        for cell in value["cells"]?.array ?? [] {
            guard let judgement = CellJudgement(written: cell) else { return nil }
            cells.append(judgement)
        }
        self.init(gates: read, cells: cells)
        baselines = (value["baselines"]?.array ?? []).compactMap { BaselineNote(written: $0) }
        notes = (value["notes"]?.array ?? []).compactMap(\.string)
        guard verdict.rawValue == value["verdict"]?.string else { return nil }
    }
}

extension GateJudgement {
    fileprivate func written(whole: Bool) -> Value {
        var members: [Value.Member] = [
            .init("gate", .string(name)), .init("verdict", .string(word)), .init("required", .boolean(isRequired)),
        ]
        if whole { members.append(.init("question", .string(question))) }
        members.append(.init("groups", .array(groups.map { $0.written(whole: whole) })))
        return .object(members)
    }

    fileprivate init?(written value: Value) {
        guard let name = value["gate"]?.string, let word = value["verdict"]?.string,
            let isRequired = value["required"]?.boolean, let groups = value["groups"]?.array
        else { return nil }
        var read: [GroupJudgement] = []
        for group in groups {
            guard let judgement = GroupJudgement(written: group) else { return nil }
            read.append(judgement)
        }
        self.init(
            name: name, isRequired: isRequired, isApplicable: word != "not_applicable",
            question: value["question"]?.string ?? "", groups: read)
        guard self.word == word else { return nil }
    }
}

extension GroupJudgement {
    fileprivate func written(whole: Bool) -> Value {
        let number = { (number: Double?) in number.map(Value.number) ?? .null }
        var members: [Value.Member] = [
            .init("where", .object(place)), .init("verdict", .string(verdict.rawValue)),
            .init("reason", .string(reason)), .init("value", number(value)),
            .init("bound", bound.count > 1 ? .array(bound.map(Value.number)) : number(bound.first)),
            .init("baseline", number(baseline)), .init("n", number(count.map(Double.init))),
            .init("interval", interval.isEmpty ? .null : .array(interval.map(Value.number))),
            .init("p", number(probability)),
        ]
        if let test { members.append(.init("test", test.written)) }
        if whole { members += furtherMembers }
        return .object(members)
    }

    private var furtherMembers: [Value.Member] {
        var members: [Value.Member] = [
            .init("limit", .string(limit)), .init("baseline_source", .string(baselineSource)),
            .init("baseline_run", baselineRun.map { .string($0.description) } ?? .null),
            .init("effect", effect.map(Value.number) ?? .null), .init("infrastructure", .boolean(isInfrastructureOnly)),
            .init("measured", .boolean(isMeasured)), .init("rests_on", .array(restsOn.map(\.written))),
        ]
        if isUncompared { members.append(.init("uncompared", .boolean(true))) }
        if isWorse { members.append(.init("worse", .boolean(true))) }
        if let unit { members.append(.init("unit", .string(unit))) }
        if let spread { members.append(.init("spread", spread.written)) }
        if let flips { members.append(.init("flips", flips.written)) }
        return members
    }

    fileprivate init?(written value: Value) {
        guard let verdict = value["verdict"]?.string.flatMap(Verdict.init), let reason = value["reason"]?.string else {
            return nil
        }
        self.init(place: value["where"]?.members ?? [], verdict: verdict, reason: reason)
        self.value = value["value"]?.number
        unit = value["unit"]?.string
        bound = value["bound"]?.array?.compactMap(\.number) ?? value["bound"]?.number.map { [$0] } ?? []
        limit = value["limit"]?.string ?? ""
        baseline = value["baseline"]?.number
        baselineSource = value["baseline_source"]?.string ?? ""
        baselineRun = value["baseline_run"]?.string.flatMap { RunID($0) }
        count = value["n"]?.number.flatMap(Int.init(exactly:))
        effect = value["effect"]?.number
        interval = value["interval"]?.array?.compactMap(\.number) ?? []
        probability = value["p"]?.number
        isInfrastructureOnly = value["infrastructure"]?.boolean ?? false
        isMeasured = value["measured"]?.boolean ?? false
        isUncompared = value["uncompared"]?.boolean ?? false
        isWorse = value["worse"]?.boolean ?? false
        for cell in value["rests_on"]?.array ?? [] {
            guard let job = cell["job"]?.string, let name = cell["cell"]?.string else { return nil }
            let attempts = cell["attempts"]?.array?.compactMap { $0.number.flatMap(Int.init(exactly:)) } ?? []
            restsOn.append(CellAttempts(job: job, cell: name, attempts: attempts))
        }
        test = value["test"].flatMap(TestEvidence.init(written:))
        flips = value["flips"].flatMap(Flips.init(written:))
        if let spread = value["spread"], let lowest = spread["lowest"]?.number, let highest = spread["highest"]?.number,
            let repetitions = spread["repetitions"]?.number.flatMap(Int.init(exactly:))
        {
            self.spread = Spread(lowest: lowest, highest: highest, repetitions: repetitions)
        }
    }
}

extension CellJudgement {
    fileprivate var written: Value {
        [
            "job": .string(job), "cell": .string(cell), "name": .string(name), "outcome": .string(outcome.rawValue),
            "reason": .string(reason), "neutral": .boolean(isNeutral), "infrastructure": .boolean(isInfrastructureOnly),
            "baseline_outcome": baselineOutcome.map { .string($0.rawValue) } ?? .null,
        ]
    }

    fileprivate init?(written value: Value) {
        guard let job = value["job"]?.string, let cell = value["cell"]?.string, let name = value["name"]?.string,
            let outcome = value["outcome"]?.string.flatMap(Outcome.init)
        else { return nil }
        self.init(
            job: job, cell: cell, name: name, outcome: outcome, reason: value["reason"]?.string ?? "",
            isNeutral: value["neutral"]?.boolean ?? false,
            isInfrastructureOnly: value["infrastructure"]?.boolean ?? false,
            baselineOutcome: value["baseline_outcome"]?.string.flatMap(Outcome.init))
    }
}

extension CellAttempts {
    fileprivate var written: Value {
        [
            "job": .string(job), "cell": .string(cell),
            "attempts": .array(attempts.map { .number(Double($0)) }),
        ]
    }
}

extension Spread {
    fileprivate var written: Value {
        [
            "lowest": .number(lowest), "highest": .number(highest), "repetitions": .number(Double(repetitions)),
        ]
    }
}

extension TestEvidence {
    fileprivate var written: Value {
        let number = { (number: Double?) in number.map(Value.number) ?? .null }
        return [
            "test": .string(test.rawValue), "method": .string(method), "rate": .number(rate),
            "p_in_family": number(adjusted), "family": number(family.map(Double.init)),
            "items_needed": number(needed.map(Double.init)), "power": number(power),
            "power_in_family": number(powerInFamily), "lacking": .number(Double(lacking)), "new": .number(Double(new)),
        ]
    }

    fileprivate init?(written value: Value) {
        guard let test = value["test"]?.string.flatMap(GateRule.Test.init), let method = value["method"]?.string,
            let rate = value["rate"]?.number
        else { return nil }
        let whole = { (name: String) in value[name]?.number.flatMap(Int.init(exactly:)) }
        self.init(test, method: method, rate: rate)
        adjusted = value["p_in_family"]?.number
        family = whole("family")
        needed = whole("items_needed")
        power = value["power"]?.number
        powerInFamily = value["power_in_family"]?.number
        lacking = whole("lacking") ?? 0
        new = whole("new") ?? 0
    }
}

extension Flips {
    fileprivate var written: Value {
        [
            "lost": .number(Double(lost)), "lost_ids": .array(lostIDs.map(Value.string)),
            "gained": .number(Double(gained)), "gained_ids": .array(gainedIDs.map(Value.string)),
        ]
    }

    fileprivate init?(written value: Value) {
        guard let lost = value["lost"]?.number.flatMap(Int.init(exactly:)),
            let gained = value["gained"]?.number.flatMap(Int.init(exactly:))
        else { return nil }
        self.init(
            lost: lost, lostIDs: value["lost_ids"]?.array?.compactMap(\.string) ?? [], gained: gained,
            gainedIDs: value["gained_ids"]?.array?.compactMap(\.string) ?? [])
    }
}
