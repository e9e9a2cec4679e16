import JSON
import Model

extension Workflow {
    /// The files of the code tree in which gates have numbers.
    package var thresholdFiles: Set<String> { Set(gates.flatMap { $0.thresholds.map(\.file) }) }

    /// Of a file with numbers, in bytes.
    package static let thresholdBytesMax = 1 << 20

    /// The gates, with the numbers that stand in files.
    func readGates(_ request: PlanRequest, _ mistakes: inout [Diagnostic]) -> [GateRule] {
        var files: [String: Value] = [:]
        var known: Set<String> = []
        return gates.map { gate in
            var gate = gate
            for place in gate.thresholds.indices {
                let threshold = gate.thresholds[place]
                let name = threshold.file
                if known.insert(name).inserted, let bytes = request.file(name) {
                    files[name] = Self.parameters(bytes, file: name, &mistakes)
                }
                guard let file = files[name] else {
                    // A file that could not be read has said so; a workflow that is looked at alone has no tree.
                    if request.isKnown, request.file(name) == nil {
                        mistakes.append(
                            Diagnostic(
                                at: gate.position,
                                "the gate '\(gate.name)' reads '\(threshold.source)', but there is no file '\(name)'",
                                help: "the path is taken from the top of the repository"))
                    }
                    continue
                }
                do throws(Unfit) {
                    try gate.set(threshold, to: try Self.find(threshold.path, in: file))
                    gate.thresholds[place].isRead = true
                } catch {
                    mistakes.append(
                        Diagnostic(
                            at: gate.position, "the gate '\(gate.name)': \(threshold.source) \(error.problem)",
                            help: error.help))
                }
            }
            let isRead = gate.thresholds.allSatisfy(\.isRead)
            if !gate.thresholds.isEmpty, isRead, let contradiction = gate.contradiction {
                mistakes.append(
                    Diagnostic(
                        at: gate.position,
                        "the gate '\(gate.name)', with \(gate.thresholds.map(\.source).joined(separator: ", ")): "
                            + contradiction.problem, help: contradiction.help))
            }
            return gate
        }
    }

    /// What the code tree holds where gates name an evaluator.
    func readEvaluators(_ request: PlanRequest, _ mistakes: inout [Diagnostic]) -> [EvaluatorFile] {
        var found: [EvaluatorFile] = []
        for gate in gates {
            for path in gate.evaluator where !found.contains(where: { $0.path == path }) {
                if let digest = request.manifest(path) {
                    found.append(EvaluatorFile(path: path, digest: digest))
                } else if request.isKnown {
                    mistakes.append(
                        Diagnostic(
                            at: gate.position,
                            "the gate '\(gate.name)' names the evaluator '\(path)', which does not exist",
                            help: "the path is taken from the top of the repository"))
                }
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    /// A file of parameters, YAML or JSON by its name.
    private static func parameters(_ bytes: [UInt8], file: String, _ mistakes: inout [Diagnostic]) -> Value? {
        guard bytes.count <= thresholdBytesMax else {
            let top = SourcePosition(file: file, line: 1, column: 1)
            mistakes.append(
                Diagnostic(
                    at: top, "larger than \(ByteCount(Int64(thresholdBytesMax)))",
                    help: "keep the numbers of gates in a file of their own"))
            return nil
        }
        if file.hasSuffix(".json") {
            do throws(JSONError) {
                return try JSONParser.value(bytes)
            } catch {
                let place = SourcePosition(file: file, line: error.line, column: error.column)
                mistakes.append(
                    Diagnostic(
                        at: place, "not JSON: \(error.problem)", help: "mend the file, or name it .yaml if it is YAML"))
                return nil
            }
        }
        let (node, diagnostics) = YAMLReader.read(bytes, file: file, as: .data)
        let errors = diagnostics.filter { $0.severity == .error }
        mistakes += errors
        guard errors.isEmpty else { return .none }
        return node?.value ?? .object([])
    }

    /// The value that members lead to: `gates.accuracy`, `folds.0.floor`.
    private static func find(_ path: String, in file: Value) throws(Unfit) -> Value {
        var value = file
        var walked: [String] = []
        for part in path.split(separator: ".", omittingEmptySubsequences: false).map(String.init) {
            if let items = value.array, let index = Int(part), items.indices.contains(index) {
                value = items[index]
            } else if let members = value.members, let place = members.firstIndex(where: { $0.key == part }) {
                // YAML reads {acc: 0,9} as two entries, and the gate would hold half of its number.
                if let next = members[(place + 1)...].first, next.value == .null, UInt64(next.key) != nil,
                    members[place].value.number != nil
                {
                    throw Unfit(
                        problem: "is followed by an entry '\(next.key)' that has no value",
                        help: "numbers have a decimal point, as 0.92: a comma ends them")
                }
                value = members[place].value
            } else {
                let known = value.members?.map(\.key) ?? []
                let near = Spelling.nearest(to: part, among: known)
                throw Unfit(
                    problem:
                        "does not exist: '\(walked.isEmpty ? "the file" : walked.joined(separator: "."))' has no '\(part)'",
                    help: near.map { "did you mean '\($0)'?" }
                        ?? (known.isEmpty
                            ? "nothing is below it: name a member that is there"
                            : "there are \(known.prefix(20).joined(separator: ", "))"))
            }
            walked.append(part)
        }
        return value
    }

    struct Unfit: Error {
        var problem: String
        var help: String
    }
}

extension GateRule {
    /// Puts a number that was read in its place.
    fileprivate mutating func set(_ threshold: Threshold, to value: Value) throws(Workflow.Unfit) {
        if threshold.key == "detect" {
            testing.detect = try Self.amount(value)
            guard try Self.magnitude(value) > 0 else { throw .init(problem: "is not above 0", help: "detect: 0.02") }
            return
        }
        for place in limits.indices {
            switch (limits[place], threshold.key) {
            case (.atLeast, "at-least"): limits[place] = .atLeast(try Self.number(value))
            case (.atMost, "at-most"): limits[place] = .atMost(try Self.number(value))
            case (.dropAtMost, "drop-at-most"): limits[place] = .dropAtMost(try Self.loss(value))
            case (.riseAtMost, "rise-at-most"): limits[place] = .riseAtMost(try Self.loss(value))
            case (.ratioAtMost, "ratio-at-most"):
                let most = try Self.number(value)
                guard most > 0 else { throw .init(problem: "is not above 0", help: "ratio-at-most: 1.3") }
                limits[place] = .ratioAtMost(most)
            case (.between(let low, let high), "between"):
                let number = try Self.number(value)
                limits[place] = threshold.place == 0 ? .between(number, high) : .between(low, number)
            case (.atLeast, _), (.atMost, _), (.between, _), (.dropAtMost, _), (.riseAtMost, _), (.ratioAtMost, _):
                continue
            }
        }
    }

    private static func number(_ value: Value) throws(Workflow.Unfit) -> Double {
        guard let number = value.number, number.isFinite else {
            throw .init(
                problem: "is \(JSONWriter.text(value).prefix(60)), not a number",
                help: "write a number there, or name another member")
        }
        return number
    }

    private static func loss(_ value: Value) throws(Workflow.Unfit) -> Amount {
        guard try magnitude(value) >= 0 else {
            throw .init(problem: "is below 0", help: "say how much worse it may be: 0 or more")
        }
        return try amount(value)
    }

    private static func amount(_ value: Value) throws(Workflow.Unfit) -> Amount {
        if let text = value.string, text.hasSuffix("%"), let percent = CoreSchema.number(String(text.dropLast())),
            percent.isFinite
        {
            return .percent(percent)
        }
        return .absolute(try number(value))
    }

    private static func magnitude(_ value: Value) throws(Workflow.Unfit) -> Double {
        switch try amount(value) {
        case .absolute(let number), .percent(let number): number
        }
    }
}
