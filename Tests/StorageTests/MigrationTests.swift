import Foundation
import Model
import Storage
import Testing

/// Stores of every schema that there was, written by the code of their time (`Stores/make`) and kept as text.
@Suite struct `A store of an earlier schema` {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Stores")

    private static func text(_ schema: Int) throws -> String {
        try String(contentsOf: folder.appending(path: "schema-\(schema).sql"), encoding: .utf8)
    }

    /// This binary's schema.
    private static func current() throws -> Int {
        let folder = try Scratch()
        withExtendedLifetime(try SQLiteStore(folder: folder.path)) {}
        return try Int(folder.sqlite("PRAGMA user_version").trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    @Test func `is kept for each that there was`() throws {
        let current = try Self.current()
        #expect(current >= 8)
        for schema in 1..<current {
            let found = try? Self.text(schema)
            #expect(
                found?.contains("PRAGMA user_version = \(schema);") == true,
                "keep one before the schema changes: Tests/StorageTests/Stores/make \(schema) COMMIT")
        }
    }

    /// What is read of it is what a store of today says that was told the same, and it goes on like that one.
    @Test func `says after its migration what a store of today says`() throws {
        let current = try Self.current()
        for schema in 1..<current {
            let old = try Scratch()
            try old.sqlite(Self.text(schema))
            let migrated = try SQLiteStore(folder: old.path)
            let fresh = MemoryStore()
            for batch in OldStore.batches(schema) { try fresh.commit(batch) }
            #expect(try everything(in: migrated) == everything(in: fresh), "schema \(schema)")
            #expect(try migrated.runs(before: nil, most: 10).count == (schema >= 5 ? 5 : 4))
            let next = try migrated.nextRun()
            #expect(next == fresh.nextRun())
            for seed in UInt64(0)..<5 {
                var random = RandomChanges(seed: seed)
                for _ in 0..<40 {
                    let batch = random.batch()
                    let answers = [migrated as any Storage, fresh].map { store in
                        do throws(StorageError) {
                            try store.commit(batch)
                            return true
                        } catch {
                            return false
                        }
                    }
                    #expect(answers[0] == answers[1], "schema \(schema), seed \(seed): \(batch)")
                }
                #expect(try everything(in: migrated) == everything(in: fresh), "schema \(schema), seed \(seed)")
            }
        }
    }

    /// Its tables, columns and indices are those of a store that this binary makes.
    @Test func `has afterwards the schema of one that was made today`() throws {
        let made = try Scratch()
        withExtendedLifetime(try SQLiteStore(folder: made.path)) {}
        let question = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        for schema in 1..<(try Self.current()) {
            let old = try Scratch()
            try old.sqlite(Self.text(schema))
            withExtendedLifetime(try SQLiteStore(folder: old.path)) {}
            #expect(try words(old.sqlite(question)) == words(made.sqlite(question)), "schema \(schema)")
        }
    }

    /// Layout and quotes are whoever's who wrote the dump.
    private func words(_ text: String) -> String {
        text.replacing("\"", with: "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// A migration that cannot be made leaves the store as it was.
    @Test func `stays as it was where its migration fails`() throws {
        let old = try Scratch()
        // Something is in the way of the last step.
        try old.sqlite(Self.text(1) + "CREATE TABLE starts (at INTEGER);")
        #expect(throws: StorageError.self) { _ = try SQLiteStore(folder: old.path) }
        #expect(try old.sqlite("PRAGMA user_version").contains("1"))
        #expect(try old.sqlite("SELECT count(*) FROM sqlite_schema WHERE name = 'deliveries'").contains("0"))
        try old.sqlite("DROP TABLE starts;")
        #expect(try SQLiteStore(folder: old.path).openRuns() == [RunID(2), RunID(3)])
    }
}
