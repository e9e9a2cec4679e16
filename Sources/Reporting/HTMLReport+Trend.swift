import Gates
import Model

extension HTMLReport {
    private static let trendsMax = 60

    /// Each gate's values over the runs of the workflow, this one last.
    var trend: String {
        let past = report.facts.history
        guard !past.isEmpty, report.isOver else { return "" }
        var content = ""
        var drawn = 0
        for gate in report.judgement.gates where gate.isApplicable {
            var rows = ""
            for group in gate.groups {
                guard drawn < Self.trendsMax, let now = group.value, now.isFinite else { continue }
                let before = past.map { (run: "\($0.run)", value: $0.value(of: group, in: gate)) }
                guard before.contains(where: { $0.value != nil }) else { continue }
                drawn += 1
                let points = before + [(run: report.facts.run.map { "\($0)" } ?? "now", value: now)]
                rows +=
                    "<tr><th scope=\"row\">\(chip(group.verdict.mark)) \(text(report.name(of: group, in: gate)))</th>"
                    + "<td>\(line(points, bound: group.bound))</td><td>\(told(points))</td></tr>\n"
            }
            if !rows.isEmpty {
                content +=
                    "<details><summary><b>\(text(gate.name))</b> <span class=\"dim\">\(text(gate.question))</span></summary>\n"
                    + table("Earlier runs of \(gate.name)", heads: ["group", "over runs", "lately"], rows: rows)
                    + "</details>\n"
            }
        }
        let runs = "\(RunReport.counted(past.count, "run")) of this workflow before this one, from \(past[0].run) on"
        return section("Trend", content.isEmpty ? "" : "<p class=\"dim\">\(text(runs))</p>\n\(content)")
    }

    /// The last values in words, for whoever sees no lines.
    private func told(_ points: [(run: String, value: Double?)]) -> String {
        text(
            points.suffix(5).map { "\($0.run) \($0.value.map { Figure.text($0, digits: 4) } ?? "–")" }.joined(
                separator: ", "))
    }

    private func line(_ points: [(run: String, value: Double?)], bound: [Double]) -> String {
        let numbers = points.compactMap(\.value) + bound.filter(\.isFinite)
        guard let least = numbers.min(), let most = numbers.max(), (most - least).isFinite else { return "" }
        let height = max(most - least, max(most.magnitude, 1e-9) * 1e-6)
        let (width, high) = (260.0, 36.0)
        let y = { (value: Double) in place(3 + (high - 6) * (1 - (value - least) / height)) }
        let x = { (index: Int) in place(Double(index) * width / Double(max(1, points.count - 1))) }
        var marks = ""
        for bound in bound where bound.isFinite {
            marks += "<line class=\"bound\" x1=\"0\" x2=\"260\" y1=\"\(y(bound))\" y2=\"\(y(bound))\"/>"
        }
        // A run without a value leaves a gap.
        var before: (Int, Double)?
        for (index, point) in points.enumerated() {
            guard let value = point.value else {
                before = nil
                continue
            }
            if let before {
                marks +=
                    "<line class=\"trend\" x1=\"\(x(before.0))\" y1=\"\(y(before.1))\" x2=\"\(x(index))\" y2=\"\(y(value))\"/>"
            }
            let kind = index == points.count - 1 ? "now" : "baseline"
            marks +=
                "<circle class=\"\(kind)\" cx=\"\(x(index))\" cy=\"\(y(value))\" r=\"2.5\">"
                + "<title>\(text("\(point.run): \(Figure.text(value))"))</title></circle>"
            before = (index, value)
        }
        let label = "\(points.count) runs, last \(points.last?.value.map { Figure.text($0) } ?? "none")"
        return "<svg class=\"drawn\" viewBox=\"-6 0 272 36\" role=\"img\" aria-label=\"\(text(label))\">\(marks)</svg>"
    }
}
