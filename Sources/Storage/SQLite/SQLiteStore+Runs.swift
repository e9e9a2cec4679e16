package import Model

/// What is asked about runs: by number, by key, by who may read them, by what they came to.
extension SQLiteStore {
    package func nextRun() throws(StorageError) -> RunID {
        let next = try read { (database) throws(StorageError) in
            try database.number(
                "SELECT max(coalesce((SELECT max(id) FROM runs), 0) + 1, coalesce((SELECT max(least) FROM run_numbers), 1))"
            )
        }
        return RunID(UInt64(bitPattern: next ?? 1))
    }

    package func run(_ id: RunID) throws(StorageError) -> StoredRun? {
        try rows("\(Self.selectRun) WHERE id = ?", [.run(id)], Self.storedRun).first
    }

    package func run(key: String) throws(StorageError) -> RunID? {
        try rows("SELECT id FROM runs WHERE key = ?", [.text(key)]) { RunID(UInt64(bitPattern: $0.int64(0))) }.first
    }

    package func runs(
        before: RunID?, most: Int, readableBy reader: Principal?
    ) throws(StorageError) -> [StoredRun] {
        let page: [Parameter] = [.integer(before.map { Int64(bitPattern: $0.number) } ?? .max), .int(most)]
        guard let reader, reader.role != .admin else {
            return try rows("\(Self.selectRun) WHERE id < ? ORDER BY id DESC LIMIT ?", page, Self.storedRun)
        }
        // What everybody may read, what is the reader's own, what is the team's: each out of an index, and of all that the newest.
        var whose: [(condition: String, word: [Parameter])] = [
            ("team IS NULL", []), ("owner = ?", [.text(reader.name)]),
        ]
        if let team = reader.team { whose.append(("team = ?", [.text(team)])) }
        var ids: Set<RunID> = []
        for (condition, word) in whose {
            ids.formUnion(
                try rows("SELECT id FROM runs WHERE \(condition) AND id < ? ORDER BY id DESC LIMIT ?", word + page) {
                    RunID(UInt64(bitPattern: $0.int64(0)))
                })
        }
        var runs: [StoredRun] = []
        // A run that there was once is there for good.
        for id in ids.sorted(by: >).prefix(max(0, most)) { if let found = try run(id) { runs.append(found) } }
        return runs
    }

    package func measuredRuns(
        of workflow: String, commits: [String], before: RunID
    ) throws(StorageError) -> [MeasuredRun] {
        // Commits are hexadecimal digits: what is not cannot be one, and needs no quoting.
        let words = commits.filter { $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } }
        let found = try rows(
            """
            SELECT id, commit_id, tree, verdict FROM runs
            WHERE id < ? AND name = ? AND verdict IN ('pass', 'waived', 'inconclusive', 'incomplete', 'fail')
                AND commit_id IN (SELECT value FROM json_each(?))
            """,
            [
                .integer(Int64(bitPattern: before.number)), .text(workflow),
                .text("[" + words.map { "\"\($0)\"" }.joined(separator: ",") + "]"),
            ]
        ) {
            MeasuredRun(
                id: RunID(UInt64(bitPattern: $0.int64(0))), commit: $0.text(1), tree: $0.optionalDigest(2),
                verdict: Verdict(rawValue: $0.text(3)) ?? .fail)
        }
        return found.sorted { $0.id > $1.id }
    }

    package func judgedRuns(
        of workflow: String, tree: Digest?, before: RunID, most: Int
    ) throws(StorageError) -> [JudgedRun] {
        var values: [Parameter] = [.integer(Int64(bitPattern: before.number)), .text(workflow)]
        if let tree { values.append(.blob(tree.bytes)) }
        return try rows(
            """
            SELECT id, owner_role, owner, team, submitted_at, verdict, judgement, tree FROM runs
            WHERE id < ? AND name = ? AND ended_at IS NOT NULL\(tree == nil ? "" : " AND tree = ?")
            ORDER BY id DESC LIMIT ?
            """, values + [.int(most)]
        ) {
            JudgedRun(
                id: RunID(UInt64(bitPattern: $0.int64(0))), owner: Self.principal($0, from: 1),
                submittedAt: $0.instant(4), verdict: Verdict(rawValue: $0.text(5)) ?? .fail, judgement: $0.blob(6),
                tree: $0.optionalDigest(7))
        }
    }

    package func openRuns() throws(StorageError) -> [RunID] {
        try rows("SELECT id FROM runs WHERE ended_at IS NULL ORDER BY id", []) {
            RunID(UInt64(bitPattern: $0.int64(0)))
        }
    }

    package func runsWithBulk(endedBefore instant: Instant, most: Int) throws(StorageError) -> [RunID] {
        try rows(
            """
            SELECT id FROM runs
            WHERE bulk_dropped_at IS NULL AND ended_at IS NOT NULL AND ended_at < ?
            ORDER BY ended_at, id LIMIT ?
            """, [.instant(instant), .int(most)]
        ) { RunID(UInt64(bitPattern: $0.int64(0))) }
    }

    private static let selectRun = """
        SELECT id, key, owner_role, owner, team, name, file, submitted_at, tree, commit_id, request, plan,
            cancelled_by, cancel_reason, cancelled_at, ended_at, verdict, exit_code, judgement, bulk_dropped_at,
            cancel_forced
        FROM runs
        """

    private static func storedRun(_ row: borrowing Statement) -> StoredRun {
        let id = RunID(UInt64(bitPattern: row.int64(0)))
        let run = RunRecord(
            id: id, key: row.text(1), owner: principal(row, from: 2), name: row.text(5), file: row.text(6),
            submittedAt: row.instant(7), tree: row.optionalDigest(8), commit: row.text(9), request: row.blob(10),
            plan: row.blob(11))
        let cancellation = row.optionalInstant(14).map {
            StoredRun.Cancellation(by: row.text(12), reason: row.text(13), at: $0, isForced: row.int(20) != 0)
        }
        let ending = row.optionalInstant(15).map {
            // An unknown word can only come from a damaged row: the worst verdict then.
            RunEnding(
                run: id, at: $0, verdict: Verdict(rawValue: row.text(16)) ?? .fail, exitCode: row.int(17),
                judgement: row.blob(18))
        }
        return StoredRun(
            run: run, cancellation: cancellation, ending: ending, bulkDroppedAt: row.optionalInstant(19))
    }
}
