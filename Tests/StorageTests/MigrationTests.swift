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
        #expect(current >= 9)
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

    /// Before each operation of the disk the power goes: what is left is the store as it was or as it is to be, all of it, and
    /// the next start makes the one of the other.
    @Test func `has lost nothing when the power goes while it is migrated`() throws {
        let current = try Self.current()
        for schema in `A store whose power goes`.isDeep ? Array(1..<current) : [1, current - 1] {
            let (folder, disk) = (try Scratch(inMemory: true), Disk())
            try folder.sqlite(Self.text(schema))
            let whole = try Scratch(inMemory: true)
            try whole.sqlite(Self.text(schema))
            let expected = try everything(in: SQLiteStore(folder: whole.path))
            // The schema of what is left when the power goes now.
            let losePower = { (way: UInt64) throws -> String in
                let left = try Scratch(inMemory: true)
                try disk.losePower(way, into: left.path)
                // Read by another program, in a copy: it may end the journal that is left.
                let copy = try Scratch(inMemory: true)
                for name in try FileManager.default.contentsOfDirectory(atPath: left.path) {
                    try FileManager.default.copyItem(atPath: "\(left.path)/\(name)", toPath: "\(copy.path)/\(name)")
                }
                // One that syncs nothing for real.
                let fast = Disk()
                let found = try everything(in: SQLiteStore(folder: left.path, disk: fast.name))
                #expect(found == expected, "schema \(schema), operation \(disk.operations), way \(way)")
                return try copy.sqlite("PRAGMA user_version").trimmingCharacters(in: .whitespacesAndNewlines)
            }
            var random = SplitMix64(seed: UInt64(schema))
            var deaths = 0
            disk.watch {
                // Nothing of what came later; all of it; or some.
                let draw = random.next()
                let way = draw % 4 < 2 ? draw % 4 : draw
                do {
                    let version = try losePower(way)
                    #expect(["\(schema)", "\(current)"].contains(version), "operation \(disk.operations), way \(way)")
                    deaths += 1
                } catch {
                    Issue.record("schema \(schema), operation \(disk.operations), way \(way): \(error)")
                }
            }
            let store = try SQLiteStore(folder: folder.path, disk: disk.name)
            disk.watch(nil)
            #expect(deaths > 20, "schema \(schema): the power went \(deaths) times")
            // It is open: what was migrated is on the disk.
            #expect(try losePower(0) == "\(current)")
            #expect(try everything(in: store) == expected)
        }
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
