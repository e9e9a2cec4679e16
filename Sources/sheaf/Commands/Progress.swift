import Client
import Glibc
import Model
import Wire

/// A run's progress as a person sees it: a few lines that are drawn again on a terminal, one line per change elsewhere.
final class Progress {
    private static let cellsShown = 8

    private let isLive: Bool
    private var cells: [String: Proto.CellSummary] = [:]
    private var order: [String] = []
    private var drawn = 0
    private var lastLine = ""

    init(isLive: Bool = Terminal.errorIsTerminal && Terminal.environment("TERM") != "dumb") { self.isLive = isLive }

    func show(_ event: RunFollower.Event) {
        switch event {
        case .lost(let error):
            say(
                "the farm is away (\(Terminal.safe(error.problem))); the run goes on, and so does this as soon as it is back"
            )
        case .found: say("the farm is back")
        case .changed(let event): show(event)
        }
    }

    /// A line that stays.
    func say(_ text: String) {
        erase()
        Terminal.complain(text)
    }

    /// Takes the live lines away.
    func erase() {
        guard drawn > 0 else { return }
        Terminal.complainRaw("\u{1b}[\(drawn)A\u{1b}[J")
        drawn = 0
    }

    private func show(_ event: Proto.WatchEvent) {
        erase()
        for note in event.notes { Terminal.complain("  " + Terminal.safe(note)) }
        for cell in event.cells {
            let key = cell.job + "/" + cell.cell
            let before = cells.updateValue(cell, forKey: key)
            if before == nil { order.append(key) }
            if !isLive, before?.state != cell.state, Self.isEnding(cell.state) {
                Terminal.complain("\(pad(cell.state, 10)) \(Terminal.safe(cell.name))")
            }
        }
        guard let summary = event.summary else { return }
        let line = Self.line(summary)
        if isLive {
            draw(line)
        } else if line != lastLine {
            Terminal.complain(line)
        }
        lastLine = line
    }

    private static func isEnding(_ state: String) -> Bool { state != "waiting" && state != "running" }

    /// `r17 eval: 12 of 24 cells done, 4 running, 1 failed · 61 of 192 shards`
    static func line(_ summary: Proto.RunSummary) -> String {
        let total =
            summary.cellsWaiting + summary.cellsRunning + summary.cellsPassed + summary.cellsFailed + summary.cellsOther
        let done = summary.cellsPassed + summary.cellsFailed + summary.cellsOther
        var parts = ["\(done) of \(total) cells done"]
        if summary.cellsRunning > 0 { parts.append("\(summary.cellsRunning) running") }
        if summary.cellsFailed > 0 { parts.append("\(summary.cellsFailed) failed") }
        var line = "r\(summary.run) \(Terminal.safe(summary.name)): \(parts.joined(separator: ", "))"
        line +=
            " · \(summary.shardsSettled)" + (summary.shardsTotal > 0 ? " of \(summary.shardsTotal)" : "") + " shards"
        if summary.state != "running" { line += " · \(summary.verdict.isEmpty ? summary.state : summary.verdict)" }
        return line
    }

    private func draw(_ line: String) {
        let width = max(20, Terminal.columns - 1)
        var lines = [line]
        let running = order.compactMap { cells[$0] }.filter { $0.state == "running" }
        for cell in running.prefix(Self.cellsShown) {
            let total = cell.shardsTotal > 0 ? "\(cell.shardsTotal)" : "?"
            lines.append("  running   \(cell.shardsSettled)/\(total)  \(Terminal.safe(cell.name))")
        }
        if running.count > Self.cellsShown { lines.append("  … and \(running.count - Self.cellsShown) more") }
        for text in lines { Terminal.complain(String(text.prefix(width))) }
        drawn = lines.count
    }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
