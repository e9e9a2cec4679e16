import JSON
import Model

// A judgement as the farm keeps it: what `sheaf judge` prints, and beside it everything else that a report shows, so
// that a run which ended is told as it was judged and never judged again.

extension Judgement {
    /// The whole judgement in JSON, on one line.
    package var record: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("verdict")
        writer.string(verdict.rawValue)
        writer.key("gates")
        writer.beginArray()
        for gate in gates {
            writer.beginObject()
            writer.key("gate")
            writer.string(gate.name)
            writer.key("verdict")
            writer.string(gate.word)
            writer.key("required")
            writer.boolean(gate.isRequired)
            writer.key("question")
            writer.string(gate.question)
            writer.key("groups")
            writer.beginArray()
            for group in gate.groups { writer.value(group.recorded) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.key("cells")
        writer.beginArray()
        for cell in cells { writer.value(cell.recorded) }
        writer.endArray()
        writer.endObject()
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
            guard let judgement = GateJudgement(recorded: gate) else { return nil }
            read.append(judgement)
        }
        var cells: [CellJudgement] = []
        for cell in value["cells"]?.array ?? [] {
            guard let judgement = CellJudgement(recorded: cell) else { return nil }
            cells.append(judgement)
        }
        self.init(gates: read, cells: cells)
        guard verdict.rawValue == value["verdict"]?.string else { return nil }
    }
}

extension GateJudgement {
    fileprivate init?(recorded value: Value) {
        guard let name = value["gate"]?.string, let word = value["verdict"]?.string,
            let isRequired = value["required"]?.boolean, let groups = value["groups"]?.array
        else { return nil }
        var read: [GroupJudgement] = []
        for group in groups {
            guard let judgement = GroupJudgement(recorded: group) else { return nil }
            read.append(judgement)
        }
        self.init(
            name: name, isRequired: isRequired, isApplicable: word != "not_applicable",
            question: value["question"]?.string ?? "", groups: read)
        guard self.word == word else { return nil }
    }
}

extension GroupJudgement {
    fileprivate var recorded: Value {
        let number = { (number: Double?) in number.map(Value.number) ?? .null }
        var members: [Value.Member] = [
            .init("where", .object(place)), .init("verdict", .string(verdict.rawValue)),
            .init("reason", .string(reason)), .init("value", number(value)),
            .init("bound", .array(bound.map(Value.number))), .init("limit", .string(limit)),
            .init("baseline", number(baseline)), .init("baseline_source", .string(baselineSource)),
            .init("n", number(count.map(Double.init))), .init("effect", number(effect)),
            .init("interval", .array(interval.map(Value.number))), .init("p", number(probability)),
            .init("infrastructure", .boolean(isInfrastructureOnly)),
            .init(
                "rests_on",
                .array(
                    restsOn.map {
                        [
                            "job": .string($0.job), "cell": .string($0.cell),
                            "attempts": .array($0.attempts.map { .number(Double($0)) }),
                        ]
                    })),
        ]
        if let spread {
            members.append(
                .init(
                    "spread",
                    [
                        "lowest": .number(spread.lowest), "highest": .number(spread.highest),
                        "repetitions": .number(Double(spread.repetitions)),
                    ]))
        }
        return .object(members)
    }

    fileprivate init?(recorded value: Value) {
        guard let verdict = value["verdict"]?.string.flatMap(Verdict.init), let reason = value["reason"]?.string else {
            return nil
        }
        self.init(place: value["where"]?.members ?? [], verdict: verdict, reason: reason)
        self.value = value["value"]?.number
        bound = value["bound"]?.array?.compactMap(\.number) ?? value["bound"]?.number.map { [$0] } ?? []
        limit = value["limit"]?.string ?? ""
        baseline = value["baseline"]?.number
        baselineSource = value["baseline_source"]?.string ?? ""
        count = value["n"]?.number.flatMap(Int.init(exactly:))
        effect = value["effect"]?.number
        interval = value["interval"]?.array?.compactMap(\.number) ?? []
        probability = value["p"]?.number
        isInfrastructureOnly = value["infrastructure"]?.boolean ?? false
        for cell in value["rests_on"]?.array ?? [] {
            guard let job = cell["job"]?.string, let name = cell["cell"]?.string else { return nil }
            let attempts = cell["attempts"]?.array?.compactMap { $0.number.flatMap(Int.init(exactly:)) } ?? []
            restsOn.append(CellAttempts(job: job, cell: name, attempts: attempts))
        }
        if let spread = value["spread"], let lowest = spread["lowest"]?.number, let highest = spread["highest"]?.number,
            let repetitions = spread["repetitions"]?.number.flatMap(Int.init(exactly:))
        {
            self.spread = Spread(lowest: lowest, highest: highest, repetitions: repetitions)
        }
    }
}

extension CellJudgement {
    fileprivate var recorded: Value {
        [
            "job": .string(job), "cell": .string(cell), "name": .string(name), "outcome": .string(outcome.rawValue),
            "reason": .string(reason), "neutral": .boolean(isNeutral), "infrastructure": .boolean(isInfrastructureOnly),
        ]
    }

    fileprivate init?(recorded value: Value) {
        guard let job = value["job"]?.string, let cell = value["cell"]?.string, let name = value["name"]?.string,
            let outcome = value["outcome"]?.string.flatMap(Outcome.init)
        else { return nil }
        self.init(
            job: job, cell: cell, name: name, outcome: outcome, reason: value["reason"]?.string ?? "",
            isNeutral: value["neutral"]?.boolean ?? false,
            isInfrastructureOnly: value["infrastructure"]?.boolean ?? false)
    }
}
