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
