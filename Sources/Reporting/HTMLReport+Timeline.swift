import Model

extension HTMLReport {
    private static let lanesMax = 100
    private static let drawnMax = 5_000
    private static let rowsMax = 500

    /// Which attempt ran when on which agent: drawn, and as a table for those who do not see it or want the numbers.
    var timeline: String {
        let attempts = report.facts.attempts.filter { $0.startedAt != nil && $0.duration != nil && !$0.agent.isEmpty }
        guard let from = attempts.compactMap(\.startedAt).min(), let to = attempts.compactMap(\.endedAt).max(),
            from < to
        else { return "" }
        let whole = from.duration(to: to)
        let agents = report.agents.map(\.agent)
        let label =
            "\(RunReport.counted(attempts.count, "attempt")) on \(RunReport.counted(agents.count, "agent")) in \(whole.spelled)"
        let lanes = agents.prefix(Self.lanesMax)
        let laneMax = Self.drawnMax / max(1, lanes.count)
        var drawn = 0
        var content = ""
        for (row, agent) in lanes.enumerated() {
            let own = attempts.lazy.filter { $0.agent == agent }.prefix(laneMax)
            drawn += own.count
            content += lane(row, agent, Array(own), from: from, whole: whole.inSeconds)
        }
        let high = Double(lanes.count) * Self.height + 18
        let svg =
            "<svg viewBox=\"0 0 1000 \(place(high))\" role=\"img\" aria-label=\"\(text(label))\">\n\(content)"
            + "<text x=\"\(place(Self.left))\" y=\"\(place(high - 4))\">0</text>"
            + "<text x=\"1000\" y=\"\(place(high - 4))\" text-anchor=\"end\">\(text(whole.spelled))</text></svg>\n"
        let cut = drawn < attempts.count ? "; \(drawn) of them are drawn" : ""
        return section(
            "Shards on agents",
            "<p class=\"dim\">\(text(label + cut))</p>\n\(svg)" + asTable(attempts, from: from))
    }

    private static let (left, width, height) = (140.0, 860.0, 18.0)

    private func lane(
        _ row: Int, _ agent: String, _ attempts: [AttemptFact], from: Instant, whole: Double
    ) -> String {
        let top = Double(row) * Self.height
        var lane = "<text x=\"0\" y=\"\(place(top + 13))\">\(text(agent, most: 20))</text>"
        for attempt in attempts {
            guard let start = attempt.startedAt, let duration = attempt.duration else { continue }
            let x = Self.left + Self.width * from.duration(to: start).inSeconds / whole
            let long = max(1, Self.width * duration.inSeconds / whole)
            let name = "\(Self.name(attempt)): \(attempt.cause?.label ?? "running"), \(duration.spelled)"
            lane +=
                "<rect class=\"\(attempt.mark.rawValue)\" x=\"\(place(x))\" y=\"\(place(top + 2))\" width=\"\(place(long))\" "
                + "height=\"\(place(Self.height - 4))\"><title>\(text(name))</title></rect>\n"
        }
        return lane
    }

    private func asTable(_ attempts: [AttemptFact], from: Instant) -> String {
        let all = attempts.compactMap { attempt in attempt.startedAt.map { (start: $0, attempt: attempt) } }
        let order = all.indices.sorted { (all[$0].start, $0) < (all[$1].start, $1) }
        let shown = order.prefix(Self.rowsMax).map { all[$0] }
        let rows = shown.map { start, attempt in
            let words = [
                "+" + from.duration(to: start).spelled, attempt.agent, Self.name(attempt),
                attempt.duration?.spelled ?? "",
                attempt.cause?.label ?? "running",
            ]
            return "<tr>" + words.map { "<td>\(text($0))</td>" }.joined() + "</tr>\n"
        }.joined()
        return "<details><summary>the same as a table</summary>\n"
            + table(
                "Attempts in the order they began", heads: ["began", "agent", "attempt", "took", "came to"], rows: rows,
                kind: "attempts", isWide: true)
            + more(all.count - shown.count, "attempt") + "</details>\n"
    }

    private static func name(_ attempt: AttemptFact) -> String {
        "\(attempt.job)/\(attempt.cell) \(RunReport.name(ofShard: attempt.shard)) #\(attempt.number)"
    }
}

extension AttemptFact {
    /// What an attempt alone came to.
    var mark: CellReport.Mark { cause.map { $0.kind == .passed ? .pass : .fail } ?? .running }
}
