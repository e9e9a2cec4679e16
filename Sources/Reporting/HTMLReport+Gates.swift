import Gates
import Model

extension HTMLReport {
    private static let groupsShown = 200

    var gates: String {
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
        return table(
            "What \(gate.name) compared", heads: ["group"] + (drawing.isEmpty ? [] : [drawing.scale]) + ["why"],
            rows: rows)
            + more(groups.count - Self.groupsShown, "group")
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
