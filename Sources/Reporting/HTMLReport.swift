import Gates
import Model

extension RunReport {
    /// The report as one page that needs nothing else: no network, no scripts, any browser, light and dark, paper.
    ///
    /// A cell that passed is told by its square alone where there are many; everything else unfolds.
    package var html: String { HTMLReport(report: self).render() }
}

/// Writes one report as HTML.
struct HTMLReport {
    /// Squares with details of their own; of more cells, those that do not pass come first.
    private static let detailsMax = 2_000
    private static let groupsShown = 200
    private static let laneAttemptsMax = 5_000

    let report: RunReport
    /// Cells that unfold: all of them where they are few, else those that ask for a look.
    private let detailed: Set<CellPlace>

    init(report: RunReport) {
        self.report = report
        let all = report.jobs.flatMap { job in job.cells.map { (job: job.id, cell: $0) } }
        let notable = all.filter { ![.pass, .skipped, .queued].contains($0.cell.mark) }
        let chosen = all.count <= Self.detailsMax ? all : Array(notable.prefix(Self.detailsMax))
        detailed = Set(chosen.map { CellPlace(job: $0.job, cell: $0.cell.id) })
    }

    func render() -> String {
        let mark = report.isOver ? report.judgement.verdict.mark : .running
        let code = report.isOver ? " Exit code \(report.judgement.exitCode)." : ""
        var page = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(text("\(report.headline.lowercased()): \(report.title)"))</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <header class="\(mark.rawValue)">
            <h1><span class="mark \(mark.rawValue)" aria-hidden="true">\(mark.symbol)</span> \
            \(text(report.headline)) <small>\(text(report.title))</small></h1>
            <p>\(text(report.verdictSentence)).\(code)</p>
            </header>
            <main>

            """
        page += findings
        page += gates
        for job in report.jobs { page += grid(job) }
        page += legend
        page += trend
        page += timeline
        page += facts("Where this comes from", report.origin)
        page += facts("What it took", report.spent)
        page += notes
        page += summaries
        page += "</main>\n</body>\n</html>\n"
        return page
    }

    // MARK: findings

    private var findings: String {
        section("What the failures have in common", list(report.blames.map { report.sentence($0) }))
            + section("Flaky", list(Array(report.flakySentences.prefix(100))))
            + section(
                "Items that changed against the baseline",
                list(report.flipped.prefix(50).map { report.sentence($0, most: Flips.shownMax) }))
            + section(
                "Environments unlike the baseline's",
                list(report.facts.environmentChanges.prefix(50).map { $0.sentence(most: 100) }))
    }

    // MARK: gates

    private var gates: String {
        var content = ""
        for gate in report.judgement.gates {
            let advisory = gate.isRequired ? "" : " <em>advisory</em>"
            let isOpen = gate.verdict > .waived && gate.isApplicable ? " open" : ""
            content +=
                "<details\(isOpen)><summary>\(chip(gate.mark)) <b>\(text(gate.name))</b>\(advisory) \(text(gate.outcome))"
                + (gate.isJobs ? "" : " <span class=\"dim\">\(text(gate.question))</span>") + "</summary>\n"
            if !gate.groups.isEmpty { content += table(of: gate) }
            content += "</details>\n"
        }
        return section("Gates", content)
    }

    private func table(of gate: GateJudgement) -> String {
        let order = gate.groups.indices.sorted {
            (gate.groups[$1].verdict, $0) < (gate.groups[$0].verdict, $1)
        }
        let groups = order.map { gate.groups[$0] }
        let drawing = IntervalDrawing(groups)
        var rows = ""
        for group in groups.prefix(Self.groupsShown) {
            let figures = report.figures(of: group).map { "\($0.name)\u{A0}\(text($0.text))" }.joined(separator: ", ")
            rows +=
                "<tr><th scope=\"row\">\(chip(group.verdict.mark)) \(text(report.name(of: group, in: gate)))</th>"
                + (drawing.isEmpty ? "" : "<td>\(drawing.svg(group, label: "\(figures)"))</td>")
                + "<td>\(text(group.reason))<br><span class=\"dim\">\(figures)</span></td></tr>\n"
        }
        let more =
            groups.count > Self.groupsShown
            ? "<p class=\"dim\">… and \(groups.count - Self.groupsShown) more groups; --format json has all.</p>" : ""
        let heads =
            "<th scope=\"col\">group</th>" + (drawing.isEmpty ? "" : "<th scope=\"col\">\(text(drawing.scale))</th>")
        return
            "<table><thead><tr>\(heads)<th scope=\"col\">why</th></tr></thead><tbody>\n\(rows)</tbody></table>\(more)\n"
    }

    // MARK: the matrix

    private func grid(_ job: JobReport) -> String {
        guard !job.cells.isEmpty else { return section(job.id, "<p>\(text(report.tally(job)))</p>") }
        let hints = job.hints { text($0) }.joined(separator: " · ")
        let range = HeatRange(job.cells)
        var content =
            "<p>\(text(report.tally(job)))\(hints.isEmpty ? "" : " <span class=\"dim\">\(hints)</span>")</p>\n"
        content += "<div class=\"wide\"><table class=\"grid\"><thead><tr>"
        for axis in job.grid.rowAxes { content += "<th scope=\"col\">\(text(axis))</th>" }
        for column in job.grid.columns {
            let name = job.grid.columnAxis.map { "\($0) \(column)" } ?? "cell"
            content += "<th scope=\"col\">\(text(name))</th>"
        }
        content += "</tr></thead><tbody>\n"
        for row in job.grid.rows {
            content += "<tr>"
            for label in row.labels { content += "<th scope=\"row\">\(text(label))</th>" }
            for place in row.cells { content += place.map { square(job.cells[$0], of: job, range) } ?? "<td></td>" }
            content += "</tr>\n"
        }
        content += "</tbody></table></div>\n" + details(job)
        return section(job.id, content)
    }

    private func square(_ cell: CellReport, of job: JobReport, _ range: HeatRange) -> String {
        let figure = cell.figure.map { " \(Figure.text($0, digits: 4))" } ?? ""
        let heat = cell.figure.flatMap(range.step).map { " h\($0)" } ?? ""
        let link =
            hasDetails(cell, of: job)
            ? "<a href=\"#\(anchor(cell, of: job))\">\(cell.mark.symbol)\(figure)</a>" : cell.mark.symbol + figure
        return
            "<td class=\"\(cell.mark.rawValue)\(heat)\" title=\"\(text("\(cell.name): \(cell.mark.meaning)"))\">\(link)</td>"
    }

    private func hasDetails(_ cell: CellReport, of job: JobReport) -> Bool {
        detailed.contains(CellPlace(job: job.id, cell: cell.id))
    }

    private func anchor(_ cell: CellReport, of job: JobReport) -> String {
        "cell-"
            + "\(job.id)/\(cell.id)".utf8.map { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: String(UnicodeScalar(byte))
                default: "-\(byte)-"
                }
            }.joined()
    }

    private func details(_ job: JobReport) -> String {
        let cells = job.cells.filter { hasDetails($0, of: job) }
        guard !cells.isEmpty else { return "" }
        let notable = cells.filter(\.mark.asksForAttention)
        let rest = cells.filter { !$0.mark.asksForAttention }
        return notable.map { cell($0, of: job, isOpen: notable.count <= 5) }.joined()
            + (rest.isEmpty
                ? ""
                : "<details><summary>\(RunReport.counted(rest.count, "cell")) that need no look</summary>\n"
                    + rest.map { cell($0, of: job, isOpen: false) }.joined() + "</details>\n")
    }

    private func cell(_ cell: CellReport, of job: JobReport, isOpen: Bool) -> String {
        var content =
            "<details class=\"cell\" id=\"\(anchor(cell, of: job))\"\(isOpen ? " open" : "")><summary>\(chip(cell.mark)) "
            + "\(text(cell.name))\(cell.duration.map { " <span class=\"dim\">\($0.spelled)</span>" } ?? "")</summary>\n"
        content += list(Array(cell.ownReasons.prefix(10)))
        for shard in cell.shards.prefix(50) {
            let isBad = shard.cause.map { $0.kind != .passed } ?? true
            guard isBad || shard.attempts.count > 1 else { continue }
            content += "<p>\(text(report.sentence(shard)))</p>\n"
            for attempt in shard.attempts where attempt.cause?.kind != .passed || shard.attempts.count > 1 {
                let cause = attempt.cause?.label ?? "running"
                let beside = attempt.beside.map { ", beside attempt \($0)" } ?? ""
                content += "<p class=\"dim\">attempt \(attempt.number)\(beside): \(text(cause))"
                content += attempt.agent.isEmpty ? "</p>\n" : " on \(text(attempt.agent))</p>\n"
                if !attempt.logTail.isEmpty {
                    let lines = attempt.logTail.suffix(20).map { text($0, most: 500) }.joined(separator: "\n")
                    content += "<pre tabindex=\"0\" aria-label=\"the end of its log\">\(lines)</pre>\n"
                }
            }
        }
        let spent = report.spent(on: cell)
        let locks = cell.environmentLocks.prefix(3).map(\.short).joined(separator: ", ")
        let facts = [spent, locks.isEmpty ? "" : "environment \(locks)"].filter { !$0.isEmpty }
        if !facts.isEmpty { content += "<p class=\"dim\">\(text(facts.joined(separator: " · ")))</p>\n" }
        let commands = report.lookFurther(cell, of: job)
        if !commands.isEmpty { content += "<pre>\(commands.map { text($0) }.joined(separator: "\n"))</pre>\n" }
        return content + "</details>\n"
    }

    private var legend: String {
        let used = CellReport.Mark.allCases.filter { mark in
            report.jobs.contains { $0.cells.contains { $0.mark == mark } }
        }
        guard !used.isEmpty else { return "" }
        return "<p class=\"legend\">" + used.map { "\(chip($0)) \(text($0.meaning))" }.joined(separator: " ") + "</p>\n"
    }

    // MARK: time

    private var timeline: String {
        let attempts = report.facts.attempts.filter { $0.duration != nil && !$0.agent.isEmpty }
        guard let from = attempts.compactMap(\.startedAt).min(), let to = attempts.compactMap(\.endedAt).max(),
            from < to
        else { return "" }
        let whole = from.duration(to: to).inSeconds
        let (left, width, height) = (140.0, 860.0, 18.0)
        var lanes = ""
        let agents = report.agents.map(\.agent).prefix(100)
        for (row, agent) in agents.enumerated() {
            let top = Double(row) * height
            lanes += "<text x=\"0\" y=\"\(place(top + 13))\">\(text(agent, most: 20))</text>"
            for attempt in attempts.lazy.filter({ $0.agent == agent }).prefix(
                Self.laneAttemptsMax / max(1, agents.count))
            {
                guard let start = attempt.startedAt, let duration = attempt.duration else { continue }
                let x = left + width * from.duration(to: start).inSeconds / whole
                let long = max(1, width * duration.inSeconds / whole)
                let mark = attempt.cause.map { $0.kind == .passed ? "pass" : "fail" } ?? "running"
                let name =
                    "\(attempt.job)/\(attempt.cell) \(RunReport.name(ofShard: attempt.shard)) #\(attempt.number): "
                    + "\(attempt.cause?.label ?? "running"), \(duration.spelled)"
                lanes +=
                    "<rect class=\"\(mark)\" x=\"\(place(x))\" y=\"\(place(top + 2))\" width=\"\(place(long))\" "
                    + "height=\"\(place(height - 4))\"><title>\(text(name))</title></rect>\n"
            }
        }
        let high = Double(agents.count) * height + 18
        let label =
            "\(RunReport.counted(attempts.count, "attempt")) on \(RunReport.counted(agents.count, "agent")) in \(from.duration(to: to).spelled)"
        let svg =
            "<svg viewBox=\"0 0 1000 \(place(high))\" role=\"img\" aria-label=\"\(text(label))\">\n\(lanes)"
            + "<text x=\"\(place(left))\" y=\"\(place(high - 4))\">0</text>"
            + "<text x=\"1000\" y=\"\(place(high - 4))\" text-anchor=\"end\">\(text(from.duration(to: to).spelled))</text></svg>\n"
        return section("Shards on agents", "<p class=\"dim\">\(text(label))</p>\n\(svg)")
    }

    // MARK: pieces

    private var notes: String {
        section("Notes", list(Array((report.facts.warnings.map(\.sentence) + report.facts.notes).prefix(100))))
    }

    private var summaries: String {
        section(
            "Summaries of steps",
            report.facts.summaries.prefix(200).map { summary in
                let lines = summary.lines(most: 500).map { text($0, most: 2000) }.joined(separator: "\n")
                return "<details>\n<summary>\(text(summary.title))</summary>\n<pre>\(lines)</pre>\n</details>\n"
            }.joined())
    }

    private func facts(_ title: String, _ rows: [(name: String, text: String)]) -> String {
        guard !rows.isEmpty else { return "" }
        let content = rows.map { "<tr><th scope=\"row\">\(text($0.name))</th><td>\(text($0.text))</td></tr>\n" }
            .joined()
        return section(title, "<table>\(content)</table>\n")
    }

    func section(_ title: String, _ content: String) -> String {
        content.isEmpty ? "" : "<section>\n<h2>\(text(title))</h2>\n\(content)</section>\n"
    }

    private func list(_ lines: [String]) -> String {
        lines.isEmpty ? "" : "<ul>\n" + lines.map { "<li>\(text($0))</li>\n" }.joined() + "</ul>\n"
    }

    func chip(_ mark: CellReport.Mark) -> String {
        "<span class=\"mark \(mark.rawValue)\" role=\"img\" aria-label=\"\(mark.rawValue)\">\(mark.symbol)</span>"
    }

    func text(_ text: some StringProtocol, most: Int = RunReport.wordsMax) -> String {
        HTMLText.escaped(text, most: most)
    }
    func place(_ number: Double) -> String { HTMLText.place(number) }
}

enum HTMLText {
    /// Text between tags and in quoted attributes: shown as it is, without effect.
    static func escaped(_ text: some StringProtocol, most: Int = .max) -> String {
        let plain = PlainText.line(text, most: most)
        guard plain.utf8.contains(where: { [0x22, 0x26, 0x27, 0x3C, 0x3E].contains($0) }) else { return plain }
        var result = String.UnicodeScalarView()
        for scalar in plain.unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
            case "'": result.append(contentsOf: "&#39;".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    /// A coordinate, to a tenth.
    static func place(_ number: Double) -> String { Figure.text((number * 10).rounded() / 10) }
}

/// Which of five shades a cell's value has among those of its job.
private struct HeatRange {
    private var low = Double.infinity
    private var high = -Double.infinity

    init(_ cells: [CellReport]) {
        for figure in cells.compactMap(\.figure) {
            low = min(low, figure)
            high = max(high, figure)
        }
    }

    /// 0 for the lowest to 4 for the highest; `nil` where all are the same.
    func step(_ figure: Double) -> Int? {
        let width = high - low
        guard width > 0, width.isFinite else { return nil }
        return min(4, max(0, Int((figure - low) / width * 5)))
    }
}

/// Values with their intervals, drawn against their bounds on one scale for a gate.
private struct IntervalDrawing {
    private var low = Double.infinity
    private var high = -Double.infinity
    private let width = 260.0

    var isEmpty: Bool { !(low < high) || !(high - low).isFinite }
    var scale: String { "\(Figure.text(low, digits: 3)) … \(Figure.text(high, digits: 3))" }

    init(_ groups: [GroupJudgement]) {
        for number in groups.flatMap(Self.numbers) {
            low = min(low, number)
            high = max(high, number)
        }
        let margin = (high - low) * 0.05
        guard margin > 0, margin.isFinite else { return }
        low -= margin
        high += margin
    }

    /// Where the interval of the effect puts the value: baseline + effect, or baseline × ratio.
    private static func interval(_ group: GroupJudgement) -> [Double] {
        guard group.interval.count == 2, let baseline = group.baseline else { return [] }
        let isRatio = group.limit.contains("ratio-at-most")
        return group.interval.map { isRatio ? baseline * $0 : baseline + $0 }
    }

    private static func numbers(_ group: GroupJudgement) -> [Double] {
        (interval(group) + group.bound + [group.value, group.baseline].compactMap { $0 }).filter(\.isFinite)
    }

    func svg(_ group: GroupJudgement, label: String) -> String {
        guard let value = group.value, !isEmpty else { return "" }
        let x = { (number: Double) in HTMLText.place((number - low) / (high - low) * width) }
        var marks = "<line class=\"axis\" x1=\"0\" x2=\"260\" y1=\"12\" y2=\"12\"/>"
        for bound in group.bound where bound.isFinite {
            marks += "<line class=\"bound\" x1=\"\(x(bound))\" x2=\"\(x(bound))\" y1=\"1\" y2=\"23\"/>"
        }
        let ends = Self.interval(group)
        if ends.count == 2 {
            marks += "<line class=\"interval\" x1=\"\(x(ends[0]))\" x2=\"\(x(ends[1]))\" y1=\"12\" y2=\"12\"/>"
        }
        if let baseline = group.baseline {
            marks += "<circle class=\"baseline\" cx=\"\(x(baseline))\" cy=\"12\" r=\"4\"/>"
        }
        marks += "<circle class=\"\(group.verdict.rawValue)\" cx=\"\(x(value))\" cy=\"12\" r=\"4\"/>"
        return "<svg class=\"drawn\" viewBox=\"-6 0 272 24\" role=\"img\" aria-label=\"\(label)\">\(marks)</svg>"
    }
}
