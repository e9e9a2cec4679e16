import JSON
import Model
import Wire

/// Runs and cells in tables.
enum StatusText {
    static func runs(_ runs: [Proto.RunSummary]) -> String {
        guard !runs.isEmpty else { return "there are no runs yet" }
        let rows = runs.map { run in
            [
                "r\(run.run)", run.state == "ended" ? run.verdict : run.state, run.name,
                run.owner + (run.team.isEmpty ? "" : " (\(run.team))"), Instant(nanoseconds: run.submittedAt).utc,
                String(run.commit.prefix(12)), String(run.title.prefix(60)),
            ]
        }
        return Table.text(["RUN", "STATE", "WORKFLOW", "OWNER", "SUBMITTED", "COMMIT", "TITLE"], rows)
    }

    static func cells(_ cells: [Proto.CellSummary]) -> String {
        let rows = cells.map { cell in
            [
                cell.state, "\(cell.shardsSettled)/\(cell.shardsTotal > 0 ? "\(cell.shardsTotal)" : "?")", cell.job,
                cell.name,
            ]
        }
        return Table.text(["STATE", "SHARDS", "JOB", "CELL"], rows)
    }

    /// A list of runs.
    static func json(_ runs: [Proto.RunSummary]) -> [UInt8] { bytes(.array(runs.map { .object(members($0)) })) }

    /// One run with its cells.
    static func json(_ run: Proto.RunSummary, _ cells: [Proto.CellSummary]) -> [UInt8] {
        let cells = cells.map { cell -> Value in
            [
                "job": .string(cell.job), "cell": .string(cell.cell), "name": .string(cell.name),
                "state": .string(cell.state), "shards_settled": .number(Double(cell.shardsSettled)),
                "shards_total": cell.shardsTotal > 0 ? .number(Double(cell.shardsTotal)) : .null,
            ]
        }
        return bytes(.object(members(run) + [.init("matrix", .array(cells))]))
    }

    /// One line of a log, on one line.
    static func json(_ line: Proto.LogLine) -> String {
        JSONWriter.text([
            "job": .string(line.job), "cell": .string(line.cell), "shard": .number(Double(line.shard)),
            "attempt": .number(Double(line.attempt)), "stream": .string(line.stream),
            "at": line.at == 0 ? .null : .string(Instant(nanoseconds: line.at).utc), "text": .string(line.text),
        ])
    }

    /// A list of names and what they stand for.
    static func json(_ baselines: [Proto.Baseline]) -> [UInt8] {
        bytes(
            .array(
                baselines.map { baseline in
                    [
                        "alias": .string(baseline.alias), "run": .string("r\(baseline.run)"),
                        "set_by": .string(baseline.setBy), "set_at": .string(Instant(nanoseconds: baseline.setAt).utc),
                    ]
                }))
    }

    private static func bytes(_ value: Value) -> [UInt8] {
        var writer = JSONWriter(indent: 2)
        writer.value(value)
        writer.newline()
        return writer.bytes
    }

    private static func members(_ run: Proto.RunSummary) -> [Value.Member] {
        let cells: Value = [
            "waiting": .number(Double(run.cellsWaiting)), "running": .number(Double(run.cellsRunning)),
            "passed": .number(Double(run.cellsPassed)), "failed": .number(Double(run.cellsFailed)),
            "other": .number(Double(run.cellsOther)),
        ]
        let hasEnded = run.state == "ended"
        // The list holds no counts of runs that have ended: unknown is not zero.
        let isCounted =
            run.cellsWaiting + run.cellsRunning + run.cellsPassed + run.cellsFailed + run.cellsOther > 0 || !hasEnded
        return [
            .init("run", .string("r\(run.run)")), .init("name", .string(run.name)),
            .init("title", .string(run.title)), .init("file", .string(run.file)),
            .init("state", .string(run.state)), .init("verdict", run.verdict.isEmpty ? .null : .string(run.verdict)),
            .init("exit_code", hasEnded ? .number(Double(run.exitCode)) : .null), .init("owner", .string(run.owner)),
            .init("team", .string(run.team)), .init("commit", .string(run.commit)),
            .init("submitted_at", .string(Instant(nanoseconds: run.submittedAt).utc)),
            .init("ended_at", hasEnded ? .string(Instant(nanoseconds: run.endedAt).utc) : .null),
            .init("cells", isCounted ? cells : .null),
            .init("shards_settled", isCounted ? .number(Double(run.shardsSettled)) : .null),
            .init("shards_total", run.shardsTotal > 0 ? .number(Double(run.shardsTotal)) : .null),
        ]
    }
}
