import Gates
import Model

extension HTMLReport {
    func grid(_ job: JobReport) -> String {
        guard !job.cells.isEmpty else { return section(job.id, "<p>\(text(report.tally(job)))</p>") }
        let hints = job.hints { text($0) }.joined(separator: " · ")
        let range = HeatRange(job.cells)
        var content =
            "<p>\(text(report.tally(job)))\(hints.isEmpty ? "" : " <span class=\"dim\">\(hints)</span>")</p>\n"
        let heads =
            job.grid.rowAxes
            + job.grid.columns.map { column in job.grid.columnAxis.map { "\($0) \(column)" } ?? "cell" }
        var rows = ""
        for row in job.grid.rows {
            rows += "<tr>"
            for label in row.labels { rows += "<th scope=\"row\">\(text(label))</th>" }
            for place in row.cells { rows += place.map { square(job.cells[$0], of: job, range) } ?? "<td></td>" }
            rows += "</tr>\n"
        }
        content += table("The cells of \(job.id)", heads: heads, rows: rows, kind: "grid", isWide: true) + details(job)
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
        let notable = cells.filter(\.mark.asksForAttention)
        let rest = cells.filter { !$0.mark.asksForAttention }
        return notable.map { cell($0, of: job, isOpen: notable.count <= 5) }.joined()
            + (rest.isEmpty
                ? ""
                : "<details><summary>\(RunReport.counted(rest.count, "cell")) that \(rest.count == 1 ? "needs" : "need") no look</summary>\n"
                    + rest.map { cell($0, of: job, isOpen: false) }.joined() + "</details>\n")
            + more(job.cells.count { $0.mark.asksForAttention } - notable.count, "cell")
    }

    private func cell(_ cell: CellReport, of job: JobReport, isOpen: Bool) -> String {
        var content =
            "<details class=\"cell\" id=\"\(anchor(cell, of: job))\"\(isOpen ? " open" : "")><summary>\(chip(cell.mark)) "
            + "\(text(cell.name))\(cell.duration.map { " <span class=\"dim\">\($0.spelled)</span>" } ?? "")</summary>\n"
        content += list(cell.ownReasons, most: 10)
        content += attempts(cell)
        let spent = report.spent(on: cell)
        let locks = cell.environmentLocks.prefix(3).map(\.short).joined(separator: ", ")
        let facts = [spent, locks.isEmpty ? "" : "environment \(locks)"].filter { !$0.isEmpty }
        if !facts.isEmpty { content += "<p class=\"dim\">\(text(facts.joined(separator: " · ")))</p>\n" }
        let commands = report.lookFurther(cell, of: job)
        if !commands.isEmpty { content += "<pre>\(commands.map { text($0) }.joined(separator: "\n"))</pre>\n" }
        return content + "</details>\n"
    }

    /// What each attempt at each shard came to, those that did not pass first and with the end of their logs.
    private func attempts(_ cell: CellReport) -> String {
        let shards = cell.shards.filter(Self.asks) + cell.shards.filter { !Self.asks($0) }
        let all = shards.flatMap { shard in shard.attempts.map { (shard: shard, attempt: $0) } }
        let shown = all.prefix(attemptRowsShown)
        let (hasGPUs, hasMemory) = (
            shown.contains { $0.attempt.gpus > 0 }, shown.contains { $0.attempt.peakMemory != nil }
        )
        var (rows, logs) = ("", "")
        for (shard, attempt) in shown {
            let settles = shard.attempts.count > 1 && shard.settledBy == attempt.number ? ", which counts" : ""
            let beside = attempt.beside.map { ", beside attempt \($0)" } ?? ""
            let number = "\(attempt.number)\(beside)\(settles)"
            var row = [RunReport.name(ofShard: attempt.shard), number, attempt.agent, attempt.duration?.spelled ?? ""]
            row.append(attempt.cpu?.spelled ?? "")
            if hasMemory { row.append(attempt.peakMemory.map { "\($0)" } ?? "") }
            if hasGPUs { row.append(attempt.gpus > 0 ? "\(attempt.gpus)" : "") }
            let told = attempt.cause.map { $0.evidence.isEmpty ? $0.label : "\($0.label): \($0.evidence)" } ?? "running"
            let note = attempt.note.map { "<br><span class=\"dim\">\(text($0))</span>" } ?? ""
            rows += "<tr>" + row.map { "<td>\(text($0))</td>" }.joined()
            rows += "<td>\(chip(attempt.mark)) \(text(told))\(note)</td></tr>\n"
            guard attempt.mark != .pass, !attempt.logTail.isEmpty else { continue }
            let lines = attempt.logTail.suffix(20).map { text($0, most: 500) }.joined(separator: "\n")
            let name = text(
                "the end of the log of \(RunReport.name(ofShard: attempt.shard)), attempt \(attempt.number)")
            logs += "<p class=\"dim\">\(name)</p>\n<pre tabindex=\"0\" aria-label=\"\(name)\">\(lines)</pre>\n"
        }
        let unsettled = cell.shards.filter { $0.attempts.isEmpty && $0.cause != nil }.map { report.sentence($0) }
        guard !rows.isEmpty else { return list(unsettled, most: 10) }
        let heads =
            ["shard", "attempt", "agent", "took", "CPU"] + (hasMemory ? ["peak memory"] : [])
            + (hasGPUs ? ["GPUs"] : [])
            + ["came to"]
        return list(unsettled, most: 10)
            + table(
                "Attempts of \(cell.name)", heads: heads, rows: rows, kind: "attempts", isWide: true)
            + more(all.count - shown.count, "attempt") + logs
    }

    private static func asks(_ shard: ShardReport) -> Bool {
        shard.cause?.kind != .passed || shard.attempts.count > 1
    }

    var legend: String {
        let used = CellReport.Mark.allCases.filter { mark in
            report.jobs.contains { $0.cells.contains { $0.mark == mark } }
        }
        guard !used.isEmpty else { return "" }
        return "<p class=\"legend\">" + used.map { "\(chip($0)) \(text($0.meaning))" }.joined(separator: " ") + "</p>\n"
    }
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
