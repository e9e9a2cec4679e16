package import Gates
import JSON
package import Model

/// Two runs side by side, for people and programs: the same facts in the same words.
package struct Comparison: Equatable, Sendable {
    package var candidate: RunFacts
    package var baseline: RunFacts
    package var commits: (candidate: String?, baseline: String?) = (nil, nil)
    package var verdicts: (candidate: Verdict?, baseline: Verdict?) = (nil, nil)
    package var difference: RunDifference
    /// What environments lost (`-numpy==1.26.4`) and gained (`+numpy==2.0.1`), by the cells' names.
    package var environments: [EnvironmentChange]
    let costs: (candidate: Cost, baseline: Cost)

    package init(
        candidate: RunReport, _ ours: Results, baseline: RunReport, _ theirs: Results,
        environments: [EnvironmentChange] = []
    ) {
        self.candidate = candidate.facts
        self.baseline = baseline.facts
        commits = (candidate.commit, baseline.commit)
        verdicts = (
            candidate.isOver ? candidate.judgement.verdict : nil, baseline.isOver ? baseline.judgement.verdict : nil
        )
        difference = RunDifference(candidate: ours, baseline: theirs)
        self.environments = environments
        costs = (candidate.cost, baseline.cost)
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.candidate == b.candidate && a.baseline == b.baseline && a.commits == b.commits && a.verdicts == b.verdicts
            && a.difference == b.difference && a.environments == b.environments && a.costs == b.costs
    }

    // MARK: words

    private static func name(_ facts: RunFacts, _ commit: String?, _ verdict: Verdict?) -> String {
        [
            facts.run?.description ?? facts.file, facts.workflow, commit.map { "commit \($0.prefix(12))" } ?? "",
            verdict?.rawValue ?? "not over",
        ].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    /// `r2, iris, commit 1a2b3c4d5e6f, fail` and the same of the baseline.
    package var names: (candidate: String, baseline: String) {
        (
            Self.name(candidate, commits.candidate, verdicts.candidate),
            Self.name(baseline, commits.baseline, verdicts.baseline)
        )
    }

    /// Cells in which something is otherwise, and what, most telling first within each.
    package var changes: [(cell: RunDifference.Cell, lines: [String])] {
        difference.cells.compactMap { cell in
            let lines = Self.lines(cell)
            return lines.isEmpty ? nil : (cell, lines)
        }
    }

    private static func lines(_ cell: RunDifference.Cell) -> [String] {
        switch cell.presence {
        case .new: return ["a new cell\(cell.candidate.map { ", \($0.rawValue)" } ?? "")"]
        case .vanished: return ["no longer there"]
        case .both: break
        }
        var lines: [String] = []
        if let ours = cell.candidate, let theirs = cell.baseline, ours != theirs {
            lines.append("\(theirs.rawValue) -> \(ours.rawValue)")
        }
        return lines + cell.metrics.compactMap(sentence)
    }

    /// `accuracy 0.91 -> 0.89 (-0.02, -2.2 %), n 500; 12 items got worse, 2 better, p 0.013 (exact McNemar)`.
    private static func sentence(_ metric: RunDifference.Metric) -> String? {
        switch (metric.candidate, metric.baseline) {
        case (.none(let reason), .value): return "\(metric.name): no value any more: \(reason)"
        case (.value(let value, _, _), .none):
            return "\(metric.name) \(Figure.text(value))\(unit(metric.candidate)), which had none"
        case (.none, .none): return nil
        case (.value(let ours, _, _), .value(let theirs, _, _)) where metric.isInOtherUnit:
            return "\(metric.name) \(Figure.text(theirs))\(unit(metric.baseline)) -> "
                + "\(Figure.text(ours))\(unit(metric.candidate)): other units, not compared"
        case (.value(let ours, _, let count), .value(let theirs, _, _)):
            let flips = metric.items?.flips
            guard ours != theirs || (flips.map { $0.lost + $0.gained > 0 } ?? false) else { return nil }
            let (from, to) = Figure.pair(theirs, ours)
            var text = "\(metric.name) \(from) -> \(to)\(unit(metric.candidate))"
            if let change = metric.change, change != 0 {
                let share = theirs == 0 ? "" : ", \(Figure.percent(change / theirs.magnitude))"
                text += " (\(change > 0 ? "+" : "")\(Figure.text(change))\(share))"
            }
            if let count { text += ", n \(count)" }
            if let items = metric.items {
                if let flips {
                    text += "; \(RunReport.counted(flips.lost, "item")) got worse, \(flips.gained) better"
                }
                if items.lacking + items.new > 0 { text += "; \(items.lacking) lacking, \(items.new) new" }
                if let p = items.probability { text += ", p \(Figure.text(p, digits: 2)) (\(items.method))" }
            }
            return text
        }
    }

    private static func unit(_ reading: RunDifference.Reading) -> String { reading.unit.map { " \($0)" } ?? "" }

    /// `142 cells: 3 changed, 1 new, 0 vanished`.
    package var tally: String {
        let cells = difference.cells
        let changed = changes.count { $0.cell.presence == .both }
        return "\(RunReport.counted(cells.count { $0.presence != .vanished }, "cell")): \(changed) changed, "
            + "\(cells.count { $0.presence == .new }) new, \(cells.count { $0.presence == .vanished }) vanished"
    }

    /// What both runs took.
    private var spent: [String] {
        let line = { (name: String, ours: Duration, theirs: Duration) -> String? in
            guard ours > .zero || theirs > .zero else { return nil }
            let share = theirs > .zero ? " (\(Figure.percent(ours.inSeconds / theirs.inSeconds - 1)))" : ""
            return "\(name) \(theirs.spelled) -> \(ours.spelled)\(share)"
        }
        return [
            line("time of attempts", costs.candidate.wall, costs.baseline.wall),
            line("CPU time", costs.candidate.cpu, costs.baseline.cpu),
            line("GPU time", costs.candidate.gpu, costs.baseline.gpu),
        ].compactMap { $0 }
    }

    // MARK: forms

    private static let cellsShown = 200
    private static let metricsShown = 50

    package func text(columns: Int = 100) -> String {
        let columns = min(max(columns, 40), 400)
        var lines = [
            PlainText.cut("candidate  \(PlainText.line(names.candidate))", to: columns),
            PlainText.cut("baseline   \(PlainText.line(names.baseline))", to: columns), "", tally,
        ]
        let add = { (text: String, indent: Int) in
            for (place, part) in PlainText.wrapped(
                PlainText.line(text, most: 600), to: columns - indent - 2, first: columns - indent
            )
            .enumerated() {
                lines.append(String(repeating: " ", count: place == 0 ? indent : indent + 2) + part)
            }
        }
        let all = changes
        for (cell, told) in all.prefix(Self.cellsShown) {
            add(cell.name, 0)
            for line in told.prefix(Self.metricsShown) { add(line, 2) }
            if told.count > Self.metricsShown { add("… and \(told.count - Self.metricsShown) more", 2) }
        }
        if all.count > Self.cellsShown { lines.append("… and \(all.count - Self.cellsShown) more cells") }
        if !environments.isEmpty {
            lines += ["", "Environments"]
            for change in environments.prefix(20) {
                add(change.title, 0)
                for line in change.lines.prefix(40) { add(line, 2) }
                if change.lines.count > 40 { add("… and \(change.lines.count - 40) more", 2) }
            }
        }
        if !spent.isEmpty { lines += ["", "What they took"] + spent }
        return lines.joined(separator: "\n") + "\n"
    }

    package var markdown: String {
        var lines = [
            "**\(MarkdownText.escaped(names.candidate, most: 600))**", "",
            "against \(MarkdownText.escaped(names.baseline, most: 600))", "",
            tally, "",
        ]
        let all = changes
        if !all.isEmpty { lines += ["| cell | what changed |", "|---|---|"] }
        for (cell, told) in all.prefix(Self.cellsShown) {
            lines.append(
                "| \(MarkdownText.escaped(cell.name, most: 600)) | "
                    + told.prefix(10).map { MarkdownText.escaped($0, most: 600) }.joined(separator: "<br>") + " |")
        }
        if all.count > Self.cellsShown { lines += ["", "… and \(all.count - Self.cellsShown) more cells"] }
        for change in environments.prefix(20) {
            lines += [
                "",
                "\(MarkdownText.escaped(change.title, most: 600)): "
                    + change.lines.prefix(40).map { MarkdownText.escaped($0, most: 600) }.joined(separator: ", "),
            ]
        }
        if !spent.isEmpty { lines += [""] + spent.map { "- \($0)" } }
        return lines.joined(separator: "\n") + "\n"
    }

    package var json: [UInt8] {
        let side = { (facts: RunFacts, commit: String?, verdict: Verdict?) -> Value in
            [
                "run": facts.run.map { .string("\($0)") } ?? .null, "workflow": .string(facts.workflow),
                "commit": commit.map(Value.string) ?? .null, "verdict": verdict.map { .string($0.rawValue) } ?? .null,
            ]
        }
        let number = { (number: Double?) -> Value in number.map(Value.number) ?? .null }
        let reading = { (reading: RunDifference.Reading) -> Value in
            switch reading {
            case .value(let value, let unit, let count):
                [
                    "value": .number(value), "unit": unit.map(Value.string) ?? .null,
                    "n": number(count.map(Double.init)),
                ]
            case .none(let reason): ["value": .null, "reason": .string(reason)]
            }
        }
        let items = { (items: RunDifference.Items) -> Value in
            [
                "common": .number(Double(items.common)), "lacking": .number(Double(items.lacking)),
                "new": .number(Double(items.new)), "method": .string(items.method), "p": number(items.probability),
                "flips": items.flips.map { flips in
                    [
                        "lost": .number(Double(flips.lost)), "lost_ids": .array(flips.lostIDs.map(Value.string)),
                        "gained": .number(Double(flips.gained)),
                        "gained_ids": .array(flips.gainedIDs.map(Value.string)),
                    ]
                } ?? .null,
            ]
        }
        let cells = difference.cells.map { cell -> Value in
            [
                "job": .string(cell.job), "name": .string(cell.name), "values": .object(cell.values),
                "presence": .string(cell.presence.rawValue),
                "candidate": cell.candidate.map { .string($0.rawValue) } ?? .null,
                "baseline": cell.baseline.map { .string($0.rawValue) } ?? .null,
                "metrics": .array(
                    cell.metrics.map { metric in
                        [
                            "metric": .string(metric.name), "candidate": reading(metric.candidate),
                            "baseline": reading(metric.baseline), "change": number(metric.change),
                            "items": metric.items.map(items) ?? .null,
                        ]
                    }),
            ]
        }
        var writer = JSONWriter()
        writer.value([
            "sheaf_comparison": 1, "candidate": side(candidate, commits.candidate, verdicts.candidate),
            "baseline": side(baseline, commits.baseline, verdicts.baseline), "cells": .array(cells),
            "environments": .array(
                environments.map {
                    [
                        "cells": .array($0.cells.map(Value.string)), "changes": .array($0.lines.map(Value.string)),
                    ]
                }),
        ])
        writer.newline()
        return writer.bytes
    }
}

/// What another environment lock means: the lines that one has and the other has not.
package struct EnvironmentChange: Equatable, Sendable {
    /// The names of the cells that changed so.
    package var cells: [String]
    /// `-numpy==1.26.4`, `+numpy==2.0.1`: sorted by what they name.
    package var lines: [String]
    /// The run that has the other environment.
    package var against: RunID?

    package init(cells: [String], lines: [String], against: RunID? = nil) {
        self.cells = cells
        self.lines = lines
        self.against = against
    }

    /// - Parameters:
    ///   - candidate, baseline: locks, one package or fact a line.
    package static func lines(candidate: String, baseline: String) -> [String] {
        let split = { (text: String) in Set(text.split(separator: "\n").map(String.init)) }
        let (ours, theirs) = (split(candidate), split(baseline))
        let removed = theirs.subtracting(ours).map { (key: $0, text: "-\($0)") }
        let added = ours.subtracting(theirs).map { (key: $0, text: "+\($0)") }
        return (removed + added).sorted { ($0.key, $1.text) < ($1.key, $0.text) }.map(\.text)
    }

    /// `eval (3.11) against r4: -numpy==1.26.4, +numpy==2.0.1`.
    func sentence(most: Int) -> String {
        let told =
            lines.isEmpty ? "other locks, which the farm no longer holds" : lines.prefix(most).joined(separator: ", ")
        let more = lines.count > most ? ", … and \(lines.count - most) more" : ""
        return "\(title)\(against.map { " against \($0)" } ?? ""): \(told)\(more)"
    }

    var title: String {
        let shown = cells.prefix(3).joined(separator: ", ")
        return cells.count > 3 ? "\(shown) and \(cells.count - 3) more cells" : shown
    }
}
