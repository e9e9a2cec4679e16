import Gates
import Model

extension RunReport {
    /// The run as one picture: each job's matrix, and each gate's groups with their intervals against their bounds.
    package var svg: String { SVGReport(report: self).render() }
}

/// Draws one report. Nothing is told by a colour alone: squares have symbols, groups have words.
private struct SVGReport {
    private static let rowsMax = 60
    private static let columnsMax = 24
    private static let groupsMax = 40
    private static let width = 960.0

    let report: RunReport
    private var body = ""
    private var top = 0.0

    init(report: RunReport) { self.report = report }

    func render() -> String {
        var drawing = self
        drawing.draw()
        let height = HTMLText.place(drawing.top + 16)
        let title = Self.text("\(report.headline.lowercased()): \(report.title)", most: 200)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(HTMLText.place(Self.width)) \(height)" \
            width="\(HTMLText.place(Self.width))" height="\(height)" role="img" font-family="sans-serif" font-size="13">
            <title>\(title)</title>
            <desc>\(Self.text(report.verdictSentence))</desc>
            <style>\(Self.style)</style>
            <rect class="paper" width="100%" height="100%"/>
            \(drawing.body)</svg>

            """
    }

    private static let style = """
        .paper{fill:#fff}text{fill:#1b1f24}.dim{fill:#57606a}.pass{fill:#2da44e}.fail{fill:#cf222e}\
        .incomplete,.inconclusive{fill:#bf8700}.waived{fill:#8250df}.running,.queued{fill:#0969da}\
        .skipped,.neutral{fill:#8c959f}.on{fill:#fff}.bound{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:4 3}\
        .interval{stroke:#57606a;stroke-width:2}.axis{stroke:#d0d7de}.base{fill:none;stroke:#57606a;stroke-width:1.5}
        """

    private mutating func draw() {
        let mark = report.isOver ? report.judgement.verdict.mark : .running
        top = 28
        write(16, "\(mark.symbol) \(report.headline)  \(report.title)", size: 18, bold: true)
        top += 20
        write(16, report.verdictSentence, dim: true, most: 130)
        for job in report.jobs.prefix(12) where !job.cells.isEmpty { matrix(job) }
        for gate in report.judgement.gates where gate.isApplicable && !gate.isJobs { groups(gate) }
    }

    private mutating func matrix(_ job: JobReport) {
        top += 30
        write(16, "\(job.id)  \(report.tally(job))", bold: true, most: 120)
        let left = 190.0
        let columns = Array(job.grid.columns.prefix(Self.columnsMax))
        let step = min(96, (Self.width - left - 16) / Double(max(1, columns.count)))
        top += 20
        for (place, column) in columns.enumerated() {
            write(left + Double(place) * step, column, dim: true, most: max(2, Int(step / 7)))
        }
        let all = job.grid.rows
        // Rows that do not pass are drawn first where not all can be.
        let chosen =
            all.count <= Self.rowsMax
            ? all
            : Array(
                (all.filter { Self.asks($0, job) } + all.filter { !Self.asks($0, job) }).prefix(Self.rowsMax))
        for row in chosen {
            top += 22
            write(16, row.labels.joined(separator: " · "), most: 24)
            for (place, cell) in row.cells.prefix(columns.count).enumerated() {
                guard let cell else { continue }
                let shown = job.cells[cell]
                let x = left + Double(place) * step
                body +=
                    "<g><title>\(Self.text("\(shown.name): \(shown.mark.meaning)"))</title>"
                    + "<rect class=\"\(shown.mark.rawValue)\" x=\"\(HTMLText.place(x - 3))\" "
                    + "y=\"\(HTMLText.place(top - 15))\" width=\"\(HTMLText.place(step - 4))\" height=\"20\" rx=\"3\"/>"
                let figure = shown.figure.map { " \(Figure.text($0, digits: 4))" } ?? ""
                write(x + 3, shown.mark.symbol + figure, onColor: true, most: max(1, Int((step - 8) / 7)))
                body += "</g>\n"
            }
        }
        if all.count > chosen.count || job.grid.columns.count > columns.count {
            top += 18
            write(16, "not all of it is drawn; --format json has everything", dim: true)
        }
    }

    private static func asks(_ row: Grid.Row, _ job: JobReport) -> Bool {
        row.cells.contains { $0.map { job.cells[$0].mark.asksForAttention } ?? false }
    }

    private mutating func groups(_ gate: GateJudgement) {
        let order = gate.groups.indices.sorted { (gate.groups[$1].verdict, $0) < (gate.groups[$0].verdict, $1) }
        let groups = order.map { gate.groups[$0] }
        let scale = Scale(groups)
        top += 32
        write(16, "\(gate.mark.symbol) \(gate.name): \(gate.outcome)", bold: true, most: 110)
        top += 17
        write(16, gate.question, dim: true, most: 130)
        let (left, right) = (300.0, Self.width - 120)
        for group in groups.prefix(Self.groupsMax) {
            top += 20
            guard let scale, group.value != nil else {
                // What has no value has a reason.
                let name = report.name(of: group, in: gate)
                write(16, "\(group.verdict.mark.symbol) \(name)", most: 38)
                write(name.isEmpty ? 40 : left, group.reason, dim: true, most: 90)
                continue
            }
            let x = { (number: Double) in HTMLText.place(left + (right - left) * scale.share(number)) }
            let y = HTMLText.place(top - 4)
            write(16, "\(group.verdict.mark.symbol) \(report.name(of: group, in: gate))", most: 38)
            body += "<line class=\"axis\" x1=\"\(x(scale.low))\" x2=\"\(x(scale.high))\" y1=\"\(y)\" y2=\"\(y)\"/>"
            for bound in group.bound where bound.isFinite {
                body +=
                    "<line class=\"bound\" x1=\"\(x(bound))\" x2=\"\(x(bound))\" y1=\"\(HTMLText.place(top - 13))\" "
                    + "y2=\"\(HTMLText.place(top + 5))\"/>"
            }
            let ends = Scale.interval(group)
            if ends.count == 2 {
                body += "<line class=\"interval\" x1=\"\(x(ends[0]))\" x2=\"\(x(ends[1]))\" y1=\"\(y)\" y2=\"\(y)\"/>"
            }
            if let baseline = group.baseline {
                body += "<circle class=\"base\" cx=\"\(x(baseline))\" cy=\"\(y)\" r=\"4\"/>"
            }
            if let value = group.value {
                body += "<circle class=\"\(group.verdict.rawValue)\" cx=\"\(x(value))\" cy=\"\(y)\" r=\"4\"/>\n"
                write(right + 12, Figure.text(value), most: 14)
            }
        }
        if groups.count > Self.groupsMax {
            top += 18
            write(16, "… and \(groups.count - Self.groupsMax) more groups", dim: true)
        }
        guard let scale else { return }
        top += 16
        write(left, Figure.text(scale.low, digits: 3), dim: true)
        write(right - 40, Figure.text(scale.high, digits: 3), dim: true)
    }

    private mutating func write(
        _ left: Double, _ text: String, size: Double? = nil, bold: Bool = false, dim: Bool = false,
        onColor: Bool = false, most: Int = 100
    ) {
        var attributes = "x=\"\(HTMLText.place(left))\" y=\"\(HTMLText.place(top))\""
        if let size { attributes += " font-size=\"\(HTMLText.place(size))\"" }
        if bold { attributes += " font-weight=\"bold\"" }
        if dim { attributes += " class=\"dim\"" }
        if onColor { attributes += " class=\"on\"" }
        body += "<text \(attributes)>\(Self.text(text, most: most))</text>\n"
    }

    private static func text(_ text: String, most: Int = 400) -> String {
        HTMLText.escaped(PlainText.cut(PlainText.line(text, most: 1000), to: most))
    }

    /// From the least to the greatest number that a gate's groups show, with a little room.
    struct Scale {
        var low: Double
        var high: Double

        init?(_ groups: [GroupJudgement]) {
            let numbers = groups.flatMap { group in
                Self.interval(group) + group.bound + [group.value, group.baseline].compactMap { $0 }
            }.filter(\.isFinite)
            guard let least = numbers.min(), let most = numbers.max(), (most - least).isFinite else { return nil }
            let room = most > least ? (most - least) * 0.05 : max(least.magnitude * 0.05, 1e-9)
            guard room.isFinite, room > 0 else { return nil }
            (low, high) = (least - room, most + room)
        }

        func share(_ number: Double) -> Double { min(1, max(0, (number - low) / (high - low))) }

        /// Where the interval of the effect puts the value.
        static func interval(_ group: GroupJudgement) -> [Double] {
            guard group.interval.count == 2, let baseline = group.baseline else { return [] }
            let isRatio = group.limit.contains("ratio-at-most")
            return group.interval.map { isRatio ? baseline * $0 : baseline + $0 }.filter(\.isFinite)
        }
    }
}
