import Gates
import Model

extension RunReport {
    /// What a comment on GitHub may have, less some room for what a poster adds.
    package static let markdownCharactersMax = 60_000

    /// The report in GitHub-flavoured Markdown: verdict, why, the matrix, and the rest folded.
    ///
    /// At most `markdownCharactersMax` characters: parts that do not fit are left out from the end, and named.
    package var markdown: String { MarkdownReport(report: self).render() }
}

/// Writes one report as Markdown.
struct MarkdownReport {
    private static let reasonsShown = 20
    private static let cellsShown = 25
    /// Of them, as many as fit beside the gates.
    private static let cellsCharactersMax = 30_000
    private static let rowsShown = 100

    let report: RunReport

    /// A part of the report, and what it is called where it is left out.
    private struct Part {
        var name: String
        var lines: [String]
    }

    func render() -> String {
        var parts = [Part(name: "the verdict", lines: head + reasons)]
        parts.append(Part(name: "the findings", lines: findings))
        for job in report.jobs { parts.append(Part(name: "the grid of \(job.id)", lines: grid(job))) }
        parts.append(Part(name: "the legend", lines: legend))
        parts.append(Part(name: "the cells to look at", lines: cells))
        parts.append(Part(name: "the gates", lines: gates))
        parts.append(Part(name: "where this comes from", lines: fold("Where this comes from", table(report.origin))))
        parts.append(Part(name: "what it took", lines: fold("What it took", table(report.spent))))
        parts.append(Part(name: "what was tried again", lines: retries))
        parts.append(Part(name: "the notes", lines: notes))
        parts.append(Part(name: "the artifacts", lines: artifacts))
        for summary in report.facts.summaries {
            parts.append(Part(name: "the summary of \(summary.title)", lines: lines(of: summary)))
        }
        for job in report.jobs where job.grid.rows.count > Self.rowsShown {
            let rows = table(job.grid.rows, job)
            parts.append(Part(name: "every cell of \(job.id)", lines: fold("Every cell of \(job.id)", rows)))
        }

        var text = ""
        var leftOut: [String] = []
        // Room for the sentence that names what was left out.
        let room = RunReport.markdownCharactersMax - 2_000
        for part in parts where !part.lines.isEmpty {
            let added = part.lines.joined(separator: "\n") + "\n\n"
            if text.unicodeScalars.count + added.unicodeScalars.count <= room {
                text += added
            } else {
                leftOut.append(part.name)
            }
        }
        if !leftOut.isEmpty {
            let names = leftOut.prefix(10).map { MarkdownText.escaped($0, most: 60) }.joined(separator: ", ")
            text += "_Too long for here: \(names)\(leftOut.count > 10 ? ", …" : ""). "
            text += "The report as JSON has everything._\n\n"
        }
        text.removeLast()
        return text
    }

    // MARK: parts

    private var head: [String] {
        let mark = report.isOver ? report.judgement.verdict.mark : .running
        let code = report.isOver ? " Exit code \(report.judgement.exitCode)." : ""
        return [
            "## \(mark.picture) \(report.headline.lowercased()): \(escaped(report.title))", "",
            "**\(escaped(report.verdictSentence)).**\(code)",
        ]
    }

    private var reasons: [String] {
        let gates = report.requiredGates.filter { $0.verdict > .waived }.sorted { $0.verdict > $1.verdict }
        guard !gates.isEmpty, report.isOver else { return [] }
        var lines = ["", "### Why", ""]
        for gate in gates {
            let question = gate.isJobs ? "" : " (\(escaped(gate.question)))"
            lines.append("- \(gate.mark.picture) **\(escaped(gate.name))**: \(gate.outcome)\(question)")
            let reasons = report.reasons(of: gate)
            for shared in reasons.prefix(Self.reasonsShown) {
                let names = escaped(shared.names)
                lines.append("  - " + (names.isEmpty ? item(shared.reason) : "**\(names)**: \(escaped(shared.reason))"))
            }
            let left = reasons.dropFirst(Self.reasonsShown).reduce(0) { $0 + $1.groups }
            if left > 0 { lines.append("  - … and \(left) more") }
        }
        return lines
    }

    private var findings: [String] {
        let list = { (title: String, lines: [String]) -> [String] in
            lines.isEmpty ? [] : ["", "### \(title)", ""] + lines.map { "- \(item($0))" }
        }
        let flipped = report.flipped.map { report.sentence($0) }
        let more = flipped.count > 10 ? ["… and \(flipped.count - 10) more"] : []
        return list("What the failures have in common", report.blames.map { report.sentence($0) })
            + list("Flaky", Array(report.flakySentences.prefix(20)))
            + (flipped.isEmpty
                ? []
                : [""]
                    + fold(
                        "Items that changed against the baseline",
                        (flipped.prefix(10) + more).map { "- \(item($0))" }))
            + environments
    }

    private var environments: [String] {
        let changes = report.facts.environmentChanges
        guard !changes.isEmpty else { return [] }
        let more = changes.count > 10 ? ["- … and \(changes.count - 10) more"] : []
        return [""]
            + fold(
                "Environments unlike the baseline's",
                changes.prefix(10).map { "- \(item($0.sentence(most: 20)))" } + more)
    }

    private var gates: [String] {
        var rows = [
            "| | gate | verdict | nearest or worst | value | bound | baseline | n |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for gate in report.judgement.gates {
            let group = gate.decisive
            let figures = group.map { report.figures(of: $0) } ?? []
            let figure = { (name: String) in escaped(figures.first { $0.name == name }?.text ?? "") }
            let place = group.map { escaped(report.name(of: $0, in: gate)) } ?? ""
            let question = gate.isJobs ? "" : "<br>\(escaped(gate.question))"
            let advisory = gate.isRequired ? "" : " (advisory)"
            let reason = gate.verdict > .pass && !gate.isRequired ? "<br>\(escaped(group?.reason ?? ""))" : ""
            rows.append(
                "| \(gate.mark.picture) | **\(escaped(gate.name))**\(advisory)\(question) | \(gate.outcome) "
                    + "| \(gate.isJobs ? "" : place)\(reason) | \(figure("value")) | \(figure("bound")) "
                    + "| \(figure("baseline")) | \(figure("n")) |")
        }
        return ["### Gates", ""] + rows
    }

    private func grid(_ job: JobReport) -> [String] {
        var lines = ["### \(escaped(job.id))", "", "\(escaped(report.tally(job)))."]
        guard !job.cells.isEmpty else { return lines }
        let hints = job.hints { escaped($0) }
        if !hints.isEmpty { lines[lines.count - 1] += " " + hints.joined(separator: " · ") }
        lines.append("")
        let grid = job.grid
        let isQuiet = { (row: Grid.Row) in row.cells.allSatisfy { $0.map { job.cells[$0].mark == .pass } ?? true } }
        // A long list is folded, and only what is not a pass stands outside.
        let isLong = grid.rows.count > Self.rowsShown
        let rows = isLong ? Array(grid.rows.filter { !isQuiet($0) }.prefix(Self.rowsShown)) : grid.rows
        if !rows.isEmpty { lines += table(rows, job) }
        if isLong {
            let rest = grid.rows.count - rows.count
            lines += ["", "\(RunReport.counted(rest, "row")) of \(grid.rows.count) not shown here."]
        } else if grid.columnAxis == nil && grid.rows.count > 20 {
            lines = fold("\(job.id): \(report.tally(job))", Array(lines.dropFirst(4)))
        }
        return lines
    }

    private func table(_ rows: [Grid.Row], _ job: JobReport) -> [String] {
        let grid = job.grid
        var heads = grid.rowAxes.map { escaped($0, most: 60) }
        if grid.columnAxis == nil {
            heads += ["cell"]
        } else if let axis = grid.columnAxis {
            heads += grid.columns.map { "\(escaped(axis, most: 60)): \(escaped($0, most: 60))" }
        }
        var lines = [
            "| " + heads.joined(separator: " | ") + " |", "|" + String(repeating: "---|", count: heads.count),
        ]
        for row in rows {
            let labels = row.labels.map { "**\(escaped($0, most: 60))**" }
            let cells = row.cells.map { place in
                guard let place else { return "" }
                let cell = job.cells[place]
                let figure = cell.figure.map { " \(Figure.text($0, digits: 4))" } ?? ""
                // A job without a matrix has nothing but its name.
                return "\(cell.mark.picture)\(figure)" + (labels.isEmpty ? " \(escaped(cell.name, most: 100))" : "")
            }
            lines.append("| " + (labels + cells).joined(separator: " | ") + " |")
        }
        return lines
    }

    private var legend: [String] {
        let used = CellReport.Mark.allCases.filter { mark in
            mark != .pass && report.jobs.contains { $0.cells.contains { $0.mark == mark } }
        }
        guard !used.isEmpty else { return [] }
        return ["<sub>\(used.map { "\($0.picture) \($0.meaning)" }.joined(separator: " · "))</sub>"]
    }

    private var cells: [String] {
        let notable = report.notableCells
        guard !notable.isEmpty else { return [] }
        var (all, shown, count) = (["### Cells to look at", ""], 0, 0)
        for (job, cell) in notable.prefix(Self.cellsShown) {
            var lines: [String] = []
            let first = cell.reasons.first.map { ": \(MarkdownText.html($0, most: 160))" } ?? ""
            lines += ["<details><summary>\(cell.mark.picture) \(html(cell.name))\(first)</summary>", ""]
            for reason in cell.ownReasons.prefix(6) { lines.append("- \(item(reason))") }
            let shards = cell.notableShards
            for shard in shards.prefix(4) {
                lines.append("- \(item(report.sentence(shard)))")
                if let tail = shard.deciding?.logTail, !tail.isEmpty {
                    lines += [""] + MarkdownText.block(tail.suffix(20), indent: "  ")
                }
            }
            if shards.count > 4 { lines.append("- … and \(shards.count - 4) more shards") }
            let commands = report.lookFurther(cell, of: job, shard: shards.count == 1 ? shards[0].shard : nil)
            if !commands.isEmpty { lines += [""] + MarkdownText.block(commands) }
            lines += ["", "</details>"]
            count += lines.reduce(0) { $0 + $1.unicodeScalars.count + 1 }
            guard count <= Self.cellsCharactersMax else { break }
            all += lines
            shown += 1
        }
        let left = notable.count - shown
        if left > 0 { all += ["", "… and \(left)\(shown > 0 ? " more" : "") \(left == 1 ? "cell" : "cells")."] }
        return all
    }

    private var retries: [String] {
        guard !report.retries.isEmpty else { return [] }
        var lines = report.retries.prefix(50).map { "- \(item(report.sentence($0)))" }
        if report.retries.count > 50 { lines.append("- … and \(report.retries.count - 50) more") }
        return fold("Tried again: \(RunReport.counted(report.retries.count, "shard"))", lines)
    }

    private var notes: [String] {
        let notes = report.facts.warnings.map(\.sentence) + report.facts.notes
        guard !notes.isEmpty else { return [] }
        return ["### Notes", ""] + notes.prefix(30).map { "- \(item($0))" }
            + (notes.count > 30 ? ["- … and \(notes.count - 30) more"] : [])
    }

    /// In a quotation, whose text may be Markdown but no HTML: it must not pass for the report's own words.
    private func lines(of summary: SummaryFact) -> [String] {
        fold(
            "Summary of \(summary.title)",
            summary.lines(most: 500).map { line in
                "> " + line.split(separator: "<", omittingEmptySubsequences: false).joined(separator: "&lt;")
            })
    }

    private var artifacts: [String] {
        let artifacts = report.facts.artifacts
        guard !artifacts.isEmpty else { return [] }
        let size = artifacts.reduce(ByteCount.zero) { $0 + $1.size }
        var lines = ["| artifact | cell | shard | size | digest |", "|---|---|---|---|---|"]
        for artifact in artifacts.prefix(100) {
            lines.append(
                "| \(escaped(artifact.name, most: 100)) | \(escaped(artifact.cell)) | \(artifact.shard) "
                    + "| \(artifact.size) | `\(artifact.digest.short)` |")
        }
        if artifacts.count > 100 { lines += ["", "… and \(artifacts.count - 100) more."] }
        return fold("Artifacts: \(artifacts.count), \(size) together", lines)
    }

    // MARK: pieces

    private func table(_ rows: [(name: String, text: String)]) -> [String] {
        guard !rows.isEmpty else { return [] }
        return ["| | |", "|---|---|"] + rows.map { "| \(escaped($0.name)) | \(escaped($0.text)) |" }
    }

    private func fold(_ summary: String, _ lines: [String]) -> [String] {
        guard !lines.isEmpty else { return [] }
        return ["<details><summary>\(html(summary))</summary>", ""] + lines + ["", "</details>"]
    }

    private func escaped(_ text: String, most: Int = RunReport.wordsMax) -> String {
        MarkdownText.escaped(text, most: most)
    }

    /// At the beginning of a list's entry.
    private func item(_ text: String) -> String {
        MarkdownText.escaped(text, most: RunReport.wordsMax, beginsLine: true)
    }

    /// In the summary of a fold Markdown does not count, and HTML does; GitHub's own links still do.
    private func html(_ text: String) -> String { MarkdownText.html(text, most: RunReport.wordsMax) }
}

extension CellReport.Mark {
    /// What stands for the mark where pictures are usual.
    var picture: String {
        switch self {
        case .pass: "✅"
        case .fail: "❌"
        case .incomplete: "❓"
        case .inconclusive: "🤷"
        case .waived: "☑️"
        case .running: "🏃"
        case .queued: "⏳"
        case .skipped: "➖"
        case .neutral: "⚪"
        }
    }
}
