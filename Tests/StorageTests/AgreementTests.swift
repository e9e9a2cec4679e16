import Foundation
import Model
import Storage
import Testing

@Suite struct `Every kind of store` {
    static let isDeep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1"

    /// The same batches, taken or refused as a whole, leave the same answers to every question.
    @Test func `answers alike, whatever was stored`() throws {
        var taken = 0
        var refused = 0
        for seed in UInt64(0)..<(Self.isDeep ? 1_000 : 40) {
            let stores = try [StoreKind.sqlite, .memory].map { try $0.make() }
            var changes = RandomChanges(seed: seed)
            for step in 0..<40 {
                let batch = changes.batch()
                let answers = stores.map { store in
                    do throws(StorageError) {
                        try store.commit(batch)
                        return true
                    } catch {
                        return false
                    }
                }
                #expect(Set(answers).count == 1, "seed \(seed), step \(step): \(batch)")
                if answers[0] { taken += 1 } else { refused += 1 }
                guard step % 8 == 7 else { continue }
                let said = try stores.map(everything)
                #expect(said[0] == said[1], "seed \(seed), step \(step)")
            }
        }
        #expect(taken > 400 && refused > 200, "\(taken) taken, \(refused) refused")
    }

    @Test func `is given every kind of change`() {
        var random = RandomChanges(seed: 1)
        let kinds = RandomChanges.kinds.map { RandomChanges.kind(of: $0(&random)) }
        #expect(kinds == Array(0..<RandomChanges.kinds.count))
    }
}

/// What makes ten million settled shards as fast as ten: no statement looks at more than what it is asked about.
@Suite struct `A statement` {
    /// Tables that grow with what the farm has done. The others have a row per agent, alias or restored copy.
    static let large = ["runs", "jobs", "cells", "attempts", "settlements", "grants", "audit", "deliveries", "tokens"]

    @Test func `of a store finds its rows by an index and sorts none`() throws {
        let folder = try Scratch()
        let statements = Statements()
        let store = try SQLiteStore(folder: folder.path, prepared: { statements.add($0) })
        var random = RandomChanges(seed: 3)
        for make in RandomChanges.kinds {
            // A refusal of the database comes after the statement was prepared.
            try? store.commit([make(&random)])
        }
        _ = try everything(in: store)
        let all = statements.all
        #expect(all.count > 45, "\(all.count) statements were seen")
        var plans: [String: [String]] = [:]
        for sql in all where !["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"].contains(sql) {
            plans[sql] = try store.plan(of: sql)
        }
        for (sql, plan) in plans {
            // The certificates of a farm are few: they are read once, at the start.
            // What was used since some hour is summed up once, too; it sorts what ended since.
            let isAtStart = sql.contains("FROM certificates") || sql.contains("GROUP BY owner_role")
            // A restore voids what nobody has used, and reads all for that.
            let isAtRestore = sql.contains("FROM tokens WHERE used_at IS NULL")
            for line in plan where !isAtRestore && !(isAtStart && line.hasPrefix("USE TEMP B-TREE")) {
                // From a number on, through all that follow: for pages only.
                let isPage = !line.contains("(rowid<?)") || sql.contains("LIMIT")
                #expect(Self.isBounded(line) && isPage, "\(sql)\n\(plan.joined(separator: "\n"))")
            }
        }
        // The check can fail.
        let scan = try store.plan(of: "SELECT * FROM attempts WHERE agent = 'a' ORDER BY why")
        #expect(scan.contains { !Self.isBounded($0) })
        #expect(
            try store.plan(of: "SELECT * FROM attempts WHERE run = 1 ORDER BY why").contains { !Self.isBounded($0) })
    }

    private static func isBounded(_ line: String) -> Bool {
        if line.hasPrefix("USE TEMP B-TREE") { return false }
        guard line.hasPrefix("SCAN ") else { return true }
        let words = line.split(separator: " ").map(String.init)
        // A partial index holds only rows that are open.
        if let index = words.last, ["open_runs", "open_deliveries"].contains(index) { return true }
        return !large.contains(words[1])
    }
}

/// What was prepared; SQLite's threads are ours.
private final class Statements: @unchecked Sendable {
    // Guarded by `lock`.
    private let lock = NSLock()
    private var seen: Set<String> = []
    var all: [String] { lock.withLock { seen.sorted() } }
    func add(_ sql: String) { lock.withLock { _ = seen.insert(sql) } }
}
