import Foundation
import Gates
import JSON
import Model
import Testing

/// The judge against code of its own in Python that follows the same page: Tests/GatesTests/Oracle/oracle.py.
@Suite struct `A second opinion` {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()

    /// What the oracle says to each line.
    static func opinions(_ lines: [String]) throws -> [Value] {
        let work = FileManager.default.temporaryDirectory.appending(path: "sheaf-oracle-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        let (cases, answers) = (work.appending(path: "cases.jsonl"), work.appending(path: "answers.jsonl"))
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: cases)
        try Data().write(to: answers)
        let python = Process()
        python.executableURL = URL(filePath: "/usr/bin/env")
        python.arguments = ["python3", folder.appending(path: "Oracle/oracle.py").path]
        python.standardInput = try FileHandle(forReadingFrom: cases)
        python.standardOutput = try FileHandle(forWritingTo: answers)
        try python.run()
        python.waitUntilExit()
        #expect(python.terminationStatus == 0)
        return try Data(contentsOf: answers).split(separator: 0x0A).map { try JSONParser.value(Array($0)) }
    }

    /// Where the two differ, in words.
    static func differences(_ ours: Judgement, _ theirs: Value) -> [String] {
        var wrong: [String] = []
        if ours.verdict.rawValue != theirs["verdict"]?.string {
            wrong.append("the run: \(ours.verdict), not \(theirs["verdict"]?.string ?? "")")
        }
        if ours.gates[0].verdict.rawValue != theirs["jobs"]?.string { wrong.append("jobs: \(ours.gates[0].verdict)") }
        for (gate, other) in zip(ours.gates.dropFirst(), theirs["gates"]?.array ?? []) {
            if gate.word != other["verdict"]?.string {
                wrong.append("\(gate.name): \(gate.word), not \(other["verdict"]?.string ?? "")")
            }
            let groups = other["groups"]?.array ?? []
            if groups.count != gate.groups.count { wrong.append("\(gate.name): \(gate.groups.count) groups") }
            for group in gate.groups {
                let place = sorted(.object(group.place))
                guard let twin = groups.first(where: { sorted($0["where"] ?? .null) == place }) else {
                    wrong.append("\(gate.name): no group \(place)")
                    continue
                }
                let name = "\(gate.name) \(JSONWriter.text(place))"
                if group.verdict.rawValue != twin["verdict"]?.string {
                    wrong.append("\(name): \(group.verdict), not \(twin["verdict"]?.string ?? ""): \(group.reason)")
                }
                for (what, mine, other) in [
                    ("p", group.probability, twin["p"]?.number), ("value", group.value, twin["value"]?.number),
                    ("p in the family", group.test?.adjusted, twin["adjusted"]?.number),
                ] {
                    if what == "value" && twin["value"]?.string != nil { continue }
                    let isNear =
                        switch (mine, other) {
                        case (nil, nil): true
                        case (let mine?, let other?): (mine - other).magnitude <= 1e-7 + 1e-6 * other.magnitude
                        default: false
                        }
                    if !isNear { wrong.append("\(name): \(what) \(mine as Any), not \(other as Any)") }
                }
            }
        }
        return wrong
    }

    private static func sorted(_ value: Value) -> Value {
        .object((value.members ?? []).sorted { $0.key < $1.key })
    }

    @Test func `says the same about random plans and results`() throws {
        let seeds = Array(seeds(220, deep: 10_000))
        let trials = seeds.map { RandomTrial(seed: $0) }
        let opinions = try Self.opinions(trials.map(\.line))
        #expect(opinions.count == trials.count)
        var seen: [String: Int] = [:]
        for (seed, (trial, opinion)) in zip(seeds, zip(trials, opinions)) {
            let judged = trial.judged
            for difference in Self.differences(judged, opinion).prefix(2) {
                Issue.record("seed \(seed): \(difference)")
            }
            let alone = opinion["named"]?.array ?? []
            let asked = trial.judgedAlone
            #expect(asked.count == alone.count, "seed \(seed)")
            for (gate, other) in zip(asked, alone) where gate.word != other["verdict"]?.string {
                Issue.record(
                    "seed \(seed), asked alone: \(gate.name): \(gate.word), not \(other["verdict"]?.string ?? "")")
            }
            if judged.gates.contains(where: { $0.groups.contains { $0.verdict == .waived } }) {
                seen["waived", default: 0] += 1
            }
            if trial.waivers.contains(where: { $0.subject == .cells(job: "eval") && $0.lastDay > "2026-11-20" }) {
                seen["quarantined", default: 0] += 1
            }
            for (rule, gate) in zip(trial.rules, judged.gates.dropFirst()) where rule.aggregate != .mean {
                for group in gate.groups where group.baseline != nil || group.reason.contains("cells' ") {
                    seen["\(rule.aggregate) \(group.verdict)", default: 0] += 1
                }
            }
            for group in judged.gates.dropFirst().flatMap(\.groups) {
                if let test = group.test { seen["\(test.test) \(test.method) \(group.verdict)", default: 0] += 1 }
            }
        }
        // Each method was there, and each way to end.
        for method in ["exact McNemar", "Tango", "permutation", "paired t", "Welch", "Mann", "Newcombe"] {
            #expect(seen.contains { $0.key.contains(method) }, "no trial used \(method)")
        }
        for aggregate in [GateRule.Aggregate.worst, .quantile(0.7)] {
            for verdict in [Verdict.pass, .fail] { #expect(seen["\(aggregate) \(verdict)"] != nil, "\(aggregate)") }
        }
        #expect(seen["waived"] != nil && seen["quarantined"] != nil)
        for verdict in ["pass", "fail", "inconclusive"] {
            for test in ["regression", "nonInferiority"] {
                #expect(seen.contains { $0.key.hasPrefix(test) && $0.key.hasSuffix(verdict) }, "\(test) \(verdict)")
            }
        }
    }

    @Test func `blames the same values`() throws {
        let seeds = Array(seeds(150, deep: 10_000))
        let matrices = seeds.map { seed -> [(values: [Value.Member], fails: Bool)] in
            var random = SplitMix64(seed: seed &* 0x51ED)
            let sizes = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 1...4, using: &random) }
            var places: [[Value.Member]] = [[]]
            for (axis, size) in sizes.enumerated() {
                places = places.flatMap { place in
                    (0..<size).map { place + [Value.Member("x\(axis)", .number(Double($0)))] }
                }
            }
            let bad = places[Int.random(in: places.indices, using: &random)].prefix(
                Int.random(in: 0...2, using: &random))
            return places.map { place in
                let place = Int.random(in: 0..<12, using: &random) == 0 ? Array(place.dropFirst()) : place
                let chance = bad.allSatisfy(place.contains) ? 0.9 : 0.05
                return (place, Double.random(in: 0..<1, using: &random) < chance)
            }
        }
        let lines = matrices.map { cells -> String in
            JSONWriter.text(["blame": .array(cells.map { [.object($0.values), .boolean($0.fails)] })])
        }
        var blamed = 0
        for (seed, (cells, opinion)) in zip(seeds, zip(matrices, try Self.opinions(lines))) {
            let (ours, theirs) = (Blame.find(cells), opinion["blame"])
            guard let ours, let p = theirs?["p"]?.number else {
                #expect(ours == nil && theirs == .null, "seed \(seed): \(ours as Any), not \(theirs as Any)")
                continue
            }
            blamed += 1
            #expect((ours.probability / p - 1).magnitude < 1e-6, "seed \(seed): p")
            #expect(Double(ours.searched) == theirs?["searched"]?.number, "seed \(seed): searched")
            #expect(Double(ours.place.count) == theirs?["values"]?.number, "seed \(seed): \(ours.place)")
        }
        #expect(blamed > seeds.count / 10, "\(blamed) blamed")
    }

    @Test func `says the same about runs without tests`() throws {
        let seeds = Array(seeds(80, deep: 5000))
        let runs = seeds.map { seed -> RandomRun in
            var whole = RandomRun(seed: seed, passing: seed % 3 == 0)
            var random = SplitMix64(seed: seed ^ 0x0AC1)
            if seed % 2 == 0, let fault = Fault.allCases.randomElement(using: &random) {
                _ = fault.spoil(&whole.results, whole.kind, &random)
            }
            return whole
        }
        let lines = runs.map { whole -> String in
            var trial = RandomTrial(seed: 0)
            trial.rules = whole.rules
            trial.results = whole.results
            trial.rate = 0.05
            if case .found(let older, _) = whole.baselines[0].source { trial.baseline = older }
            return trial.line
        }
        let opinions = try Self.opinions(lines)
        #expect(opinions.count == runs.count)
        for (seed, (whole, opinion)) in zip(seeds, zip(runs, opinions)) {
            for difference in Self.differences(whole.judged(), opinion).prefix(2) {
                Issue.record("seed \(seed): \(difference)")
            }
        }
    }
}
