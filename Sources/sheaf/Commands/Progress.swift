import Client
import Glibc
import Locks
import Model
import Reporting
import Wire

/// A run's progress as a person sees it: a few lines that are drawn again on a terminal, one line per change elsewhere.
final class Progress {
    private static let cellsShown = 8

    private let isLive: Bool
    private var cells: [String: Proto.CellSummary] = [:]
    private var order: [String] = []
    private var drawn = 0
    private var lastStep = ""
    private var summary: Proto.RunSummary?
    private let isColored: Bool

    init(isLive: Bool = Terminal.errorIsTerminal && Terminal.environment("TERM") != "dumb") {
        self.isLive = isLive
        isColored = isLive && Terminal.environment("NO_COLOR") == nil
    }

    func show(_ event: RunFollower.Event) {
        switch event {
        case .lost(let error):
            say("\(PlainText.line(error.problem))\nthe run goes on; this looks for the farm again and again")
        case .found: say("the farm is back")
        case .changed(let event): show(event)
        }
    }

    /// A line that stays, above the live ones.
    func say(_ text: String) {
        let isDrawn = drawn > 0
        erase()
        Terminal.complain(text)
        if isDrawn, let summary { draw(Self.line(summary)) }
    }

    /// Takes the live lines away, and what the terminal echoed behind them (`^C`).
    func erase() {
        guard drawn > 0 else { return }
        Terminal.complainRaw("\r\u{1b}[\(drawn)A\u{1b}[J")
        drawn = 0
    }

    private func show(_ event: Proto.WatchEvent) {
        erase()
        summary = event.summary ?? summary
        for note in event.notes { Terminal.complain("  " + PlainText.line(note)) }
        for cell in event.cells {
            let key = cell.job + "/" + cell.cell
            let before = cells.updateValue(cell, forKey: key)
            if before == nil { order.append(key) }
            guard before?.state != cell.state, Self.isEnding(cell.state) else { continue }
            // A terminal shows the numbers; what failed stays on it, too.
            if !isLive || cell.state == "failed" {
                // What `explain` and `logs` take, for whoever wants to know more.
                let part = cell.state == "failed" ? summary.map { "  r\($0.run)/\(cell.job)/\(cell.cell)" } ?? "" : ""
                Terminal.complain("\(colored(pad(cell.state, 10), cell.state)) \(PlainText.line(cell.name + part))")
            }
        }
        guard let summary else { return }
        if isLive {
            draw(Self.line(summary))
        } else {
            // Shards settle many times a second; a log wants to know of cells.
            let step = "\(summary.state) \(Self.done(summary)) \(summary.cellsRunning > 0)"
            if step != lastStep { Terminal.complain(Self.line(summary)) }
            lastStep = step
        }
    }

    private func colored(_ text: String, _ state: String) -> String {
        guard isColored else { return text }
        switch state {
        case "passed": return "\u{1b}[32m\(text)\u{1b}[0m"
        case "failed": return "\u{1b}[31m\(text)\u{1b}[0m"
        default: return text
        }
    }

    private static func done(_ summary: Proto.RunSummary) -> UInt32 {
        summary.cellsPassed + summary.cellsFailed + summary.cellsOther
    }

    private static func isEnding(_ state: String) -> Bool { state != "waiting" && state != "running" }

    /// `r17 eval: 12 of 24 cells done, 4 running, 1 failed · 61 of 192 shards`
    static func line(_ summary: Proto.RunSummary) -> String {
        let done = done(summary)
        let total = done + summary.cellsWaiting + summary.cellsRunning
        var parts = ["\(done) of \(total) cells done"]
        if summary.cellsRunning > 0 { parts.append("\(summary.cellsRunning) running") }
        if summary.cellsFailed > 0 { parts.append("\(summary.cellsFailed) failed") }
        let title = summary.title.isEmpty ? "" : " (\(PlainText.line(summary.title).prefix(60)))"
        var line = "r\(summary.run) \(PlainText.line(summary.name))\(title): \(parts.joined(separator: ", "))"
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
            lines.append("  running   \(cell.shardsSettled)/\(total)  \(PlainText.line(cell.name))")
        }
        if running.count > Self.cellsShown { lines.append("  … and \(running.count - Self.cellsShown) more") }
        for text in lines { Terminal.complain(Self.cut(text, to: width)) }
        drawn = lines.count
    }

    /// The beginning of a text that fits a line: a line that wraps would not be erased whole. Letters of East Asia and
    /// pictures take two columns.
    private static func cut(_ text: String, to width: Int) -> String {
        var columns = 0
        return String(
            text.prefix { character in
                let isWide = character.unicodeScalars.contains { $0.value >= 0x1100 && $0.properties.isIdeographic }
                let isPicture = character.unicodeScalars.contains { $0.value >= 0x1f300 }
                let isHangul = character.unicodeScalars.contains {
                    (0x1100...0x115f).contains($0.value) || (0xac00...0xd7a3).contains($0.value)
                        || (0x3040...0x30ff).contains($0.value) || (0xff00...0xff60).contains($0.value)
                }
                columns += isWide || isPicture || isHangul ? 2 : 1
                return columns <= width
            })
    }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

/// One person's view of a run, drawn by whoever has something to say.
final class SharedProgress: Sendable {
    private let progress = Mutex(Progress())

    func show(_ event: RunFollower.Event) { progress.withLock { $0.show(event) } }
    func say(_ text: String) { progress.withLock { $0.say(text) } }
    func erase() { progress.withLock { $0.erase() } }
}
