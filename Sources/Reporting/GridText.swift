import Gates
import Model

/// A job's matrix in columns of text, as wide as the terminal lets it be.
///
/// Tried in this order: whole labels with values; labels cut; marks alone; and a list, which always fits.
struct GridText {
    private static let rowsShown = 60
    private static let labelMost = 24

    private(set) var lines: [String] = []
    private let job: JobReport
    private let columns: Int
    private let color: Bool

    init(_ job: JobReport, columns: Int, color: Bool) {
        self.job = job
        self.columns = columns
        self.color = color
        let grid = job.grid
        if grid.columnAxis == nil {
            list()
            return
        }
        let (rows, hidden) = shownRows()
        for (labelMost, hasFigures) in [(Self.labelMost, true), (10, true), (10, false)] {
            guard let table = table(rows, labelMost: labelMost, hasFigures: hasFigures) else { continue }
            lines = table
            hide(hidden)
            return
        }
        list()
    }

    /// Every row; of a large grid, those that ask for a look, and how many were left out.
    private func shownRows() -> (rows: [Grid.Row], hidden: [Grid.Row]) {
        let rows = job.grid.rows
        guard rows.count > Self.rowsShown else { return (rows, []) }
        let asks = rows.map { row in row.cells.contains { $0.map { job.cells[$0].mark != .pass } ?? false } }
        var room = Self.rowsShown - min(Self.rowsShown, asks.count { $0 })
        var asking = Self.rowsShown
        var shown: [Grid.Row] = []
        var hidden: [Grid.Row] = []
        for (row, asks) in zip(rows, asks) {
            if asks && asking > 0 {
                asking -= 1
                shown.append(row)
            } else if !asks && room > 0 {
                room -= 1
                shown.append(row)
            } else {
                hidden.append(row)
            }
        }
        return (shown, hidden)
    }

    private mutating func hide(_ rows: [Grid.Row]) {
        guard !rows.isEmpty else { return }
        let marks = rows.flatMap { $0.cells.compactMap { $0 } }.map { job.cells[$0].mark }
        let counts = CellReport.Mark.allCases.compactMap { mark in
            let count = marks.count { $0 == mark }
            return count > 0 ? "\(count) \(mark.rawValue)" : nil
        }
        lines.append("… and \(rows.count) more rows: \(counts.joined(separator: ", "))")
    }

    // MARK: a table

    private func table(_ rows: [Grid.Row], labelMost: Int, hasFigures: Bool) -> [String]? {
        let grid = job.grid
        let label = { (text: String) in PlainText.cut(PlainText.line(text), to: labelMost) }
        let heads = grid.rowAxes.map(label) + grid.columns.map(label)
        var body: [[(text: String, mark: CellReport.Mark?)]] = []
        for row in rows {
            body.append(
                row.labels.map { (label($0), nil) }
                    + row.cells.map { $0.map { entry(job.cells[$0], hasFigures: hasFigures) } ?? ("", nil) })
        }
        let widths = heads.indices.map { column in
            max(PlainText.width(heads[column]), body.map { PlainText.width($0[column].text) }.max() ?? 0)
        }
        guard widths.reduce(0, +) + 2 * (widths.count - 1) <= columns else { return nil }
        let axis = PlainText.cut(PlainText.line(grid.columnAxis ?? ""), to: Self.labelMost)
        let left = widths.prefix(grid.rowAxes.count).reduce(0) { $0 + $1 + 2 }
        var lines: [String] = []
        if left + PlainText.width(axis) <= columns {
            lines.append((String(repeating: " ", count: left) + axis).painted(dim: true, when: color))
        }
        lines.append(
            Self.joined(zip(heads, widths).map { PlainText.padded($0, to: $1) }).painted(dim: true, when: color))
        for row in body {
            lines.append(
                Self.joined(
                    zip(row, widths).map { entry, width in
                        // The spaces are left unpainted, so that lines end where their text ends.
                        entry.text.painted(entry.mark, when: color && entry.mark != nil)
                            + String(repeating: " ", count: width - PlainText.width(entry.text))
                    }))
        }
        return lines
    }

    private func entry(_ cell: CellReport, hasFigures: Bool) -> (text: String, mark: CellReport.Mark?) {
        guard hasFigures, let figure = cell.figure else { return (cell.mark.symbol, cell.mark) }
        return ("\(cell.mark.symbol) \(Figure.text(figure, digits: 4))", cell.mark)
    }

    private static func joined(_ parts: [String]) -> String {
        var line = parts.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line
    }

    // MARK: a list

    /// Cells one after another, in as many columns as fit.
    private mutating func list() {
        let notable = job.cells.filter { $0.mark != .pass }
        let all = job.cells.count > 400 ? notable : job.cells
        let cells = all.prefix(400)
        let entries = cells.map { cell -> (text: String, mark: CellReport.Mark) in
            let figure = cell.figure.map { " \(Figure.text($0, digits: 4))" } ?? ""
            let name = PlainText.cut(PlainText.line(label(of: cell)), to: max(8, columns - 3 - figure.count))
            return ("\(cell.mark.symbol) \(name)\(figure)", cell.mark)
        }
        let width = (entries.map { PlainText.width($0.text) }.max() ?? 0) + 3
        let across = max(1, (columns + 3) / max(1, width))
        let axes = job.grid.rowAxes + (job.grid.columnAxis.map { [$0] } ?? [])
        if !axes.isEmpty {
            let heading = axes.map { PlainText.line($0) }.joined(separator: ", ")
            lines.append("  \(PlainText.cut(heading, to: columns - 2))".painted(dim: true, when: color))
        }
        // Down the columns first, as `ls` does.
        let down = (entries.count + across - 1) / across
        for row in 0..<down {
            let places = stride(from: row, to: entries.count, by: down)
            lines.append(
                Self.joined(
                    places.map { place in
                        let entry = entries[place]
                        return entry.text.painted(entry.mark, when: color)
                            + String(repeating: " ", count: width - 2 - PlainText.width(entry.text))
                    }))
        }
        if all.count > cells.count { lines.append("… and \(all.count - cells.count) more cells that did not pass") }
        if all.count < job.cells.count { lines.append("… and \(job.cells.count - all.count) more cells, all pass") }
    }

    /// The values on the axes that vary; the name of a cell without any.
    private func label(of cell: CellReport) -> String {
        let axes = job.grid.rowAxes + (job.grid.columnAxis.map { [$0] } ?? [])
        let values = axes.map { axis in cell.values.first { $0.key == axis }?.value.shown ?? "–" }
        return values.isEmpty ? cell.name : values.joined(separator: ", ")
    }
}
