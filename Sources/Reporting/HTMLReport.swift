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
    /// Rows of attempts, in all cells that unfold.
    private static let attemptRowsMax = 10_000

    let report: RunReport
    /// Cells that unfold: all of them where they are few, else those that ask for a look.
    let detailed: Set<CellPlace>
    /// Rows of attempts that each of them may have.
    let attemptRowsShown: Int

    init(report: RunReport) {
        self.report = report
        let all = report.jobs.flatMap { job in job.cells.map { (job: job.id, cell: $0) } }
        let notable = all.filter { ![.pass, .skipped, .queued].contains($0.cell.mark) }
        let chosen = all.count <= Self.detailsMax ? all : Array(notable.prefix(Self.detailsMax))
        detailed = Set(chosen.map { CellPlace(job: $0.job, cell: $0.cell.id) })
        attemptRowsShown = min(100, max(4, Self.attemptRowsMax / max(1, chosen.count)))
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
            + section("Flaky", list(report.flakySentences, most: 100))
            + section(
                "Items that changed against the baseline",
                list(report.flipped.map { report.sentence($0, most: Flips.shownMax) }, most: 50, words: 4_000))
            + section(
                "Environments unlike the baseline's",
                list(report.facts.environmentChanges.map { $0.sentence(most: 100) }, most: 50))
    }

    // MARK: pieces

    private var notes: String {
        section("Notes", list(report.facts.warnings.map(\.sentence) + report.facts.notes, most: 100))
    }

    private static let summariesShown = 200

    private var summaries: String {
        let shown = report.facts.summaries.prefix(Self.summariesShown)
        return section(
            "Summaries of steps",
            shown.map { summary in
                let lines = summary.lines(most: 500).map { text($0, most: 2000) }.joined(separator: "\n")
                return "<details>\n<summary>\(text(summary.title))</summary>\n<pre>\(lines)</pre>\n</details>\n"
            }.joined() + more(report.facts.summaries.count - shown.count, "step"))
    }

    private func facts(_ title: String, _ rows: [(name: String, text: String)]) -> String {
        guard !rows.isEmpty else { return "" }
        let content = rows.map { "<tr><th scope=\"row\">\(text($0.name))</th><td>\(text($0.text))</td></tr>\n" }
            .joined()
        return section(title, table(title, heads: [], rows: content))
    }

    func section(_ title: String, _ content: String) -> String {
        content.isEmpty ? "" : "<section>\n<h2>\(text(title))</h2>\n\(content)</section>\n"
    }

    /// The first `most` lines, and how many are left out.
    func list(_ lines: [String], most: Int = .max, words: Int = RunReport.wordsMax) -> String {
        guard !lines.isEmpty else { return "" }
        let shown = lines.prefix(most).map { "<li>\(text($0, most: words))</li>\n" }.joined()
        return "<ul>\n\(shown)</ul>\n" + more(lines.count - most, "line")
    }

    /// Says what a page leaves out, so that nobody takes a part for the whole.
    func more(_ count: Int, _ noun: String) -> String {
        guard count > 0 else { return "" }
        return "<p class=\"dim\">… and \(RunReport.counted(count, "more \(noun)")); --format json has all.</p>\n"
    }

    /// A table with a name for those who do not see it. One that may be wider than the page is moved by the keyboard too.
    func table(_ caption: String, heads: [String], rows: String, kind: String = "", isWide: Bool = false) -> String {
        let head =
            heads.isEmpty
            ? "" : "<thead><tr>" + heads.map { "<th scope=\"col\">\(text($0))</th>" }.joined() + "</tr></thead>"
        let name = text(caption)
        let attribute = kind.isEmpty ? "" : " class=\"\(kind)\""
        let table =
            "<table\(attribute)><caption>\(name)</caption>\(head)<tbody>\n\(rows)</tbody></table>"
        guard isWide else { return table + "\n" }
        return "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"\(name)\">\(table)</div>\n"
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
