import Gates
import Model

extension RunReport {
    /// The report for a terminal: the verdict, why, each job's matrix as a grid, what to look at, where it comes from.
    ///
    /// - Parameters:
    ///   - columns: how wide lines may be; at least 40.
    ///   - color: whether to paint; the same words either way.
    package func text(columns: Int = 100, color: Bool = false) -> String {
        var renderer = TerminalReport(report: self, columns: min(max(columns, 40), 400), color: color)
        return renderer.render()
    }
}

/// Writes one report as lines of text.
struct TerminalReport {
    private static let reasonsShown = 12
    private static let cellsShown = 20
    private static let shardsShown = 3
    private static let logLinesShown = 8

    let report: RunReport
    let columns: Int
    let color: Bool
    private var lines: [String] = []

    init(report: RunReport, columns: Int, color: Bool) {
        self.report = report
        self.columns = columns
        self.color = color
    }

    mutating func render() -> String {
        head()
        reasons()
        findings()
        for job in report.jobs { grid(job) }
        legend()
        gates()
        cells()
        history()
        section("Where this comes from", report.origin)
        section("What it took", report.spent)
        artifacts()
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: parts

    private mutating func head() {
        let mark = report.isOver ? report.judgement.verdict.mark : .running
        let file = report.facts.file.isEmpty || report.facts.workflow.isEmpty ? "" : " (\(plain(report.facts.file)))"
        lines.append(
            PlainText.cut("\(mark.symbol) \(report.headline)  \(plain(report.title))\(file)", to: columns)
                .painted(mark, bold: true, when: color))
        let code = report.isOver ? "; exit code \(report.judgement.exitCode)" : ""
        wrap(plain(report.verdictSentence) + code, indent: 2)
    }

    /// Why the verdict is not a pass: each required gate that is not, the worst first.
    private mutating func reasons() {
        let gates = report.requiredGates.filter { $0.verdict > .waived }.sorted { $0.verdict > $1.verdict }
        guard !gates.isEmpty, report.isOver else { return }
        title("Why")
        for gate in gates {
            let head = "\(gate.mark.symbol) \(plain(gate.name)): \(gate.outcome)"
            wrap(gate.isJobs ? head : "\(head) — \(plain(gate.question))", indent: 2, mark: gate.mark)
            let reasons = report.reasons(of: gate)
            for shared in reasons.prefix(Self.reasonsShown) {
                wrap((shared.names.isEmpty ? "" : "\(plain(shared.names)): ") + plain(shared.reason), indent: 6)
            }
            let left = reasons.dropFirst(Self.reasonsShown).reduce(0) { $0 + $1.groups }
            if left > 0 { wrap("… and \(left) more", indent: 6) }
        }
    }

    private mutating func findings() {
        let list = { (lines: [String], most: Int) in
            Array(lines.prefix(most)) + (lines.count > most ? ["… and \(lines.count - most) more"] : [])
        }
        for (name, lines) in [
            ("What the failures have in common", report.blames.map { report.sentence($0) }),
            ("Flaky", list(report.flakySentences, 10)),
            ("Items that changed against the baseline", list(report.flipped.map { report.sentence($0) }, 6)),
            (
                "Environments unlike the baseline's",
                list(report.facts.environmentChanges.map { $0.sentence(most: 20) }, 6)
            ),
        ] where !lines.isEmpty {
            title(name)
            for line in lines { wrap(plain(line), indent: 2) }
        }
    }

    private mutating func gates() {
        title(report.isOver ? "Gates" : "Gates so far")
        let width = min(24, report.judgement.gates.map { PlainText.width(plain($0.name)) }.max() ?? 0)
        for gate in report.judgement.gates {
            let name = PlainText.padded(PlainText.cut(plain(gate.name), to: width), to: width)
            let advisory = gate.isRequired ? "" : " (advisory)"
            let question = gate.isJobs ? "" : "\(plain(gate.question)): "
            wrap(
                "\(gate.mark.symbol) \(name)  \(question)\(gate.outcome)\(advisory)", indent: 2, hang: width + 6,
                mark: gate.mark)
            guard let group = gate.decisive, !gate.isJobs else { continue }
            let figures = report.figures(of: group).map { "\($0.name) \(plain($0.text))" }.joined(separator: "  ")
            let place = plain(report.name(of: group, in: gate))
            let nearest = gate.verdict == .pass && gate.groups.count > 1 ? "nearest to its bound: " : ""
            if !figures.isEmpty { wrap("\(nearest)\(place.isEmpty ? "" : "\(place):  ")\(figures)", indent: width + 6) }
            // What was held against the limit is no figure of its own.
            let isTold = !group.bound.isEmpty || group.reason.isEmpty || group.passesUncompared
            if gate.verdict > .pass && !gate.isRequired || gate.verdict == .pass && !isTold {
                wrap(plain(group.reason), indent: width + 6)
            }
        }
    }

    private mutating func cells() {
        let notable = report.notableCells
        guard !notable.isEmpty else { return }
        title("Cells to look at")
        for (job, cell) in notable.prefix(Self.cellsShown) {
            wrap("\(cell.mark.symbol) \(plain(cell.name))", indent: 2, mark: cell.mark)
            for reason in cell.ownReasons.prefix(4) { wrap(plain(reason), indent: 6) }
            let shards = cell.notableShards
            for shard in shards.prefix(Self.shardsShown) {
                wrap(plain(report.sentence(shard)), indent: 6)
                for line in (shard.deciding?.logTail ?? []).suffix(Self.logLinesShown) {
                    lines.append(
                        PlainText.cut("        | \(PlainText.line(line, most: columns))", to: columns)
                            .painted(dim: color))
                }
            }
            if shards.count > Self.shardsShown {
                wrap("… and \(shards.count - Self.shardsShown) more shards", indent: 6)
            }
            for line in report.lookFurther(cell, of: job, shard: shards.count == 1 ? shards[0].shard : nil) {
                lines.append("      $ \(PlainText.line(line))")
            }
        }
        if notable.count > Self.cellsShown {
            wrap("… and \(notable.count - Self.cellsShown) more; --format json has all", indent: 2)
        }
    }

    private mutating func history() {
        if !report.retries.isEmpty {
            title("Tried again")
            for retry in report.retries.prefix(10) { wrap(plain(report.sentence(retry)), indent: 2) }
            if report.retries.count > 10 { wrap("… and \(report.retries.count - 10) more shards", indent: 2) }
        }
        if report.slowest.count > 3 {
            title("Slowest shards")
            for shard in report.slowest.prefix(3) {
                wrap(
                    "\(PlainText.padded(shard.duration.spelled, to: 12)) \(plain(shard.name)) \(RunReport.name(ofShard: shard.shard))",
                    indent: 2)
            }
        }
        let notes = report.facts.warnings.map(\.sentence) + report.facts.notes
        if !notes.isEmpty {
            title("Notes")
            for note in notes.prefix(20) { wrap(plain(note), indent: 2) }
            if notes.count > 20 { wrap("… and \(notes.count - 20) more", indent: 2) }
        }
        if !report.facts.summaries.isEmpty {
            title("Summaries of steps")
            let how = report.facts.run.map { ": sheaf report \($0) --format markdown" } ?? ""
            wrap("\(RunReport.counted(report.facts.summaries.count, "shard")) wrote one\(how)", indent: 2)
        }
    }

    private mutating func artifacts() {
        let artifacts = report.facts.artifacts
        guard !artifacts.isEmpty else { return }
        let size = artifacts.reduce(ByteCount.zero) { $0 + $1.size }
        let how = report.facts.run.map { "  $ sheaf artifacts ls \($0)" } ?? ""
        lines += ["", "Artifacts: \(artifacts.count), \(size) together\(how)"]
    }

    private mutating func section(_ name: String, _ rows: [(name: String, text: String)]) {
        guard !rows.isEmpty else { return }
        title(name)
        let width = min(20, rows.map { PlainText.width(plain($0.name)) }.max() ?? 0)
        for row in rows {
            let name = PlainText.padded(PlainText.cut(plain(row.name), to: width), to: width)
            wrap("\(name)  \(plain(row.text))", indent: 2, hang: width + 4)
        }
    }

    private mutating func legend() {
        let used = CellReport.Mark.allCases.filter { mark in
            report.jobs.contains { $0.cells.contains { $0.mark == mark } }
        }
        guard !used.isEmpty, used != [.pass] else { return }
        lines.append("")
        wrap(used.map { "\($0.symbol) \($0.meaning)" }.joined(separator: "   "), indent: 2)
    }

    // MARK: the grid

    private mutating func grid(_ job: JobReport) {
        lines.append("")
        wrap("\(plain(job.id))  \(plain(report.tally(job)))", indent: 0, bold: true)
        guard !job.cells.isEmpty else { return }
        let hints = job.hints { plain($0) }
        if !hints.isEmpty { wrap(hints.joined(separator: "  ·  "), indent: 2) }
        lines += GridText(job, columns: columns - 2, color: color).lines.map { "  \($0)" }
    }

    // MARK: lines

    private func plain(_ text: String) -> String { PlainText.line(text, most: RunReport.wordsMax) }

    private mutating func title(_ text: String) {
        lines += ["", text.painted(bold: color)]
    }

    /// - Parameter hang: how far lines after the first are indented; two more than the first by default.
    private mutating func wrap(
        _ text: String, indent: Int, hang: Int? = nil, mark: CellReport.Mark? = nil, bold: Bool = false
    ) {
        let hang = hang ?? indent + (indent > 0 ? 2 : 0)
        let parts = PlainText.wrapped(text, to: columns - hang, first: hang - indent)
        for (index, part) in parts.enumerated() {
            let space = String(repeating: " ", count: index == 0 ? indent : hang)
            lines.append(space + part.painted(index == 0 ? mark : nil, bold: bold, when: color))
        }
    }
}

extension String {
    func painted(
        _ mark: CellReport.Mark? = nil, bold: Bool = false, dim: Bool = false, when color: Bool = true
    ) -> String {
        guard color else { return self }
        var codes: [String] = []
        if bold { codes.append("1") }
        if dim { codes.append("2") }
        switch mark {
        case .pass, .waived: codes.append("32")
        case .fail: codes.append("31")
        case .incomplete, .inconclusive: codes.append("33")
        case .running: codes.append("36")
        case .queued, .skipped, .neutral: codes.append("2")
        case nil: break
        }
        return codes.isEmpty ? self : "\u{1B}[\(codes.joined(separator: ";"))m\(self)\u{1B}[0m"
    }
}
