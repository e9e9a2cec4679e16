import Foundation
import Model
import Storage
import Testing

@Suite struct `A copy of a store` {
    @Test func `is one moment of it, while it is written to`() async throws {
        let folder = try Scratch()
        let store = try SQLiteStore(folder: folder.path)
        let writing = Task.detached {
            for number in 1...300 as ClosedRange<UInt64> {
                // Both or neither.
                try store.commit([
                    .runSubmitted(`A store`.record(number)),
                    .audited(AuditRecord(at: `A store`.now, who: "alice", action: "submit", subject: "\(number)")),
                ])
            }
        }
        var counts: [Int] = []
        for number in 1...5 {
            let copy = try Scratch()
            try SQLiteStore.copy(of: folder.path, to: copy.path + "/store.sqlite")
            let copied = try SQLiteStore(folder: copy.path)
            let runs = try copied.runs(before: nil, most: 1000).map(\.run.id.number)
            #expect(runs == Array((0..<UInt64(runs.count)).map { UInt64(runs.count) - $0 }), "copy \(number)")
            #expect(try copied.audit(most: 1000).count == runs.count)
            counts.append(runs.count)
        }
        try await writing.value
        #expect(counts == counts.sorted())
    }

    @Test func `is never written over another file, nor made of nothing`() throws {
        let folder = try Scratch()
        let store = try SQLiteStore(folder: folder.path)
        #expect(throws: StorageError.conflict("\(folder.path)/store.sqlite exists already")) {
            try SQLiteStore.copy(of: folder.path, to: folder.path + "/store.sqlite")
        }
        #expect(throws: StorageError.self) {
            try SQLiteStore.copy(of: folder.path + "/absent", to: folder.path + "/copy.sqlite")
        }
        #expect(try store.nextRun() == RunID(1))
    }
}

@Suite struct `A store of an earlier schema` {
    static let stores = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Stores")

    @Test func `of version 1 is taken over with everything in it`() throws {
        let folder = try Scratch()
        try folder.sqlite(String(contentsOf: Self.stores.appending(path: "schema-1.sql"), encoding: .utf8))
        let store = try SQLiteStore(folder: folder.path)
        let first = try #require(try store.run(RunID(1)))
        #expect(first.run.owner == `A store`.alice && first.run.commit == "c0ffee" && first.ending?.verdict == .pass)
        #expect(first.bulkDroppedAt == nil)
        #expect(try store.openRuns() == [RunID(2)])
        // A job of that time counts as resolved when its run was submitted.
        let jobs = try store.jobs(of: RunID(2))
        #expect(jobs.map(\.kind) == [.notApplicable] && jobs.map(\.at) == [.seconds(1_700_001_000)])
        let attempt = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 0), number: 1)
        #expect(try store.attempt(attempt)?.ending?.report == [4, 5])
        #expect(try store.settlements(of: RunID(1)).count == 1)
        #expect(try store.baselines().map(\.alias) == ["champion"])
        #expect(try store.runsWithBulk(endedBefore: .distantFuture, most: 10) == [RunID(1)])
        #expect(try store.nextRun() == RunID(3))
        // And it goes on.
        try store.commit([.runSubmitted(`A store`.record(3))])
        #expect(try store.openRuns() == [RunID(2), RunID(3)])
    }
}
