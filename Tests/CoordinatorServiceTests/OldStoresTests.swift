import Foundation
import Model
import Storage
import Testing
import Transport

@testable import CoordinatorService

/// The stores of earlier schemas that `StorageTests` keep, each below a coordinator of today. Their plans and requests are no
/// real ones: runs that were open cannot go on, and must be there all the same. `A farm of an earlier version` has such.
@Suite(.timeLimit(.minutes(10))) struct `A coordinator on a store of an earlier schema` {
    private static let stores = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "StorageTests/Stores")

    /// A folder with the store that a dump describes.
    private static func folder(with dump: URL) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let python = Process()
        python.executableURL = URL(filePath: "/usr/bin/python3")
        python.arguments = [
            "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())",
            folder + "/store.sqlite", dump.path,
        ]
        try python.run()
        python.waitUntilExit()
        try #require(python.terminationStatus == 0)
        return folder
    }

    /// All that a store knows, but what a start of the coordinator adds: that it started, and tries at deliveries.
    private static func told(_ folder: String) throws -> (facts: [String], starts: Int) {
        let store = try SQLiteStore(folder: folder)
        var facts = ["next \(try store.nextRun())", "open \(try store.openRuns())"]
        for run in try store.runs(before: nil, most: 100) {
            let id = run.run.id
            facts.append("\(run)")
            facts.append("\(id) jobs \(try store.jobs(of: id))")
            facts.append("\(id) cells \(try store.cells(of: id))")
            facts.append("\(id) attempts \(try store.attempts(of: id))")
            facts.append("\(id) settlements \(try store.settlements(of: id))")
            facts += try store.deliveries(of: id).map { "\(id) delivery \($0.key) \($0.kind) \($0.body)" }
        }
        facts.append("agents \(try store.agents())")
        facts.append("certificates \(try store.certificates())")
        facts.append("tokens \(try store.unusedTokens())")
        facts.append("baselines \(try store.baselines())")
        facts.append("caches \(try store.caches(of: nil))")
        let digests = (1...5).compactMap { Digest([UInt8](repeating: $0, count: 32)) }
        facts.append("granted \(try store.granted(digests, to: "user:a").sorted())")
        let audit = try store.audit(most: 1_000)
        facts.append("audit \(audit.filter { $0.action != AuditRecord.start })")
        return (facts, audit.count { $0.action == AuditRecord.start })
    }

    @Test func `starts, says which runs cannot go on, and loses nothing`() async throws {
        let dumps = try FileManager.default.contentsOfDirectory(at: Self.stores, includingPropertiesForKeys: nil)
            .filter { $0.lastPathComponent.hasPrefix("schema-") && $0.pathExtension == "sql" }.sorted {
                $0.path < $1.path
            }
        #expect(dumps.count >= 7)
        let anywhere = Address(host: "127.0.0.1", port: 0)
        for dump in dumps {
            let name = dump.lastPathComponent
            let (asItWas, state) = (try Self.folder(with: dump), try Self.folder(with: dump))
            let copy = state + "-copy"
            try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
            defer { for path in [asItWas, state, copy] { try? FileManager.default.removeItem(atPath: path) } }
            var settings = CoordinatorServer.Settings(state: state, listen: [anywhere], enrolmentListen: [anywhere])
            // Its runs ended years ago.
            settings.retention.bulk = .seconds(30_000 * 86_400)
            settings.retention.caches = settings.retention.bulk
            let server = try await CoordinatorServer.start(settings, failed: { preconditionFailure("\($0)") })
            // The last is one that was cancelled with force, which schemas before 5 did not know.
            let open = name < "schema-5" ? ["r2", "r3"] : ["r2", "r3", "r5"]
            #expect(server.remarks.count == open.count, "\(name): \(server.remarks)")
            for run in open {
                #expect(
                    server.remarks.contains { $0.hasPrefix("\(run) cannot go on: its record cannot be read: ") },
                    "\(name): \(server.remarks)")
            }
            try SQLiteStore.copy(of: state, to: copy + "/store.sqlite")
            let (before, after) = (try Self.told(asItWas), try Self.told(copy))
            #expect(after.facts == before.facts, "\(name)")
            #expect(after.starts == before.starts + 1, "\(name)")
            // It is at work: this is stored.
            _ = try await server.makeToken(for: Principal(role: .user, name: "carol"))
            await server.stop()
        }
    }
}
