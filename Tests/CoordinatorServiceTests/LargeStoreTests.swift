import Foundation
import Glibc
import Model
import Scheduling
import Storage
import Testing
import Transport

@testable import CoordinatorService

/// A store too large to be looked through before the farm goes on: it is looked through while it works.
@Suite struct `A coordinator of a large store` {
    /// A store whose tables stand, and one page of whose rows does not.
    static func damagedStore() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let evidence = String(repeating: "e", count: 1000)
        do {
            let store = try SQLiteStore(folder: folder)
            for batch in 0..<10 {
                try store.commit(
                    (0..<100).map { number in
                        .shardsSettled(
                            SettlementRecord(
                                cell: CellID(run: RunID(1), job: 0, cell: batch), first: number, last: number,
                                attempt: 0, cause: Cause(.cancelled, evidence: evidence), at: .seconds(1_700_000_000)))
                    })
            }
        }
        // Somewhere in the middle of the rows: nothing that an open reads.
        let file = try FileHandle(forUpdating: URL(filePath: folder + "/store.sqlite"))
        let size = try file.seekToEnd()
        try file.seek(toOffset: size * 3 / 4 / 4096 * 4096)
        try file.write(contentsOf: Data(repeating: 0xA5, count: 4096))
        try file.close()
        return folder
    }

    @Test func `is told at once where it is small`() throws {
        let folder = try Self.damagedStore()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect {
            _ = try SQLiteStore(folder: folder)
        } throws: { error in
            if case .damaged? = error as? StorageError { true } else { false }
        }
    }

    /// It opens, works, and hears of the damage from the look beside the work.
    @Test func `hears of damage while it works`() async throws {
        let folder = try Self.damagedStore()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try SQLiteStore(folder: folder, checkedAtOnceMax: .zero)
        #expect(!store.isChecked)
        let writing = Task.detached {
            for number in 1...200 as ClosedRange<UInt64> {
                try store.commit([
                    .audited(AuditRecord(at: .epoch, who: "alice", action: "submit", subject: "r\(number)"))
                ])
            }
        }
        #expect {
            try store.check()
        } throws: { error in
            if case .damaged? = error as? StorageError { true } else { false }
        }
        try await writing.value
        #expect(try store.audit(most: 1).first?.subject == "r200")
    }

    @Test func `finds nothing where there is nothing, while others write`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try SQLiteStore(folder: folder, checkedAtOnceMax: .zero)
        let writing = Task.detached {
            for number in 1...500 {
                try store.commit([
                    .audited(AuditRecord(at: .epoch, who: "alice", action: "submit", subject: "r\(number)"))
                ])
            }
        }
        for _ in 0..<20 { try store.check() }
        try await writing.value
    }

    @Test func `ends when it finds damage`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let folder = try `A coordinator of a large store`.damagedStore()
            let anywhere = Address(host: "127.0.0.1", port: 0)
            var settings = CoordinatorServer.Settings(state: folder, listen: [anywhere], enrolmentListen: [anywhere])
            settings.checkedAtOnceMax = .zero
            let server = try await CoordinatorServer.start(
                settings,
                failed: { error in
                    try? FileManager.default.removeItem(atPath: folder)
                    if case .damaged = error { exit(7) }
                    exit(8)
                })
            // It serves; what ends it is the look at its store.
            while !server.addresses.isEmpty { await Task.yield() }
        }
    }
}
