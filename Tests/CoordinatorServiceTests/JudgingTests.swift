import Artifacts
import Foundation
import Locks
import Model
import Storage
import Testing
import Wire

@testable import CoordinatorService

private final class Pauses: Sendable {
    private let pauses = Mutex([Duration]())

    func add(_ pause: Duration) { pauses.withLock { $0.append(pause) } }
    /// Since the last look.
    func taken() -> [Duration] {
        pauses.withLock { pauses in
            defer { pauses = [] }
            return pauses
        }
    }
}

@Suite struct `A verdict` {
    private static func library(_ store: GatedStore, _ pauses: Pauses) throws -> (RunLibrary, String) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var library = RunLibrary(
            keeper: StoreKeeper(store, failed: { preconditionFailure("\($0)") }),
            store: try ObjectStore(at: folder), clock: FarmClock())
        library.pause = { pauses.add($0) }
        return (library, folder)
    }

    private static func live(in store: GatedStore) throws -> LiveRun {
        let prepared = try Doorway.prepared()
        store.letOne()
        try store.commit([
            .runSubmitted(
                RunRecord(
                    id: Doorway.run, key: "a key", owner: Doorway.owner, name: "eval", file: "eval.yml",
                    submittedAt: .seconds(1), tree: nil, commit: "", request: prepared.request.encoded(),
                    plan: Proto.Plan(prepared.plan).encoded()))
        ])
        return LiveRun(id: Doorway.run, owner: Doorway.owner, submittedAt: .seconds(1), prepared: prepared)
    }

    @Test func `waits for a machine that fails to read, and then rests on what is stored`() async throws {
        let store = GatedStore()
        let pauses = Pauses()
        let (library, folder) = try Self.library(store, pauses)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let run = try Self.live(in: store)
        let calm = await library.judge(run)
        #expect(pauses.taken().isEmpty)
        #expect(!String(decoding: calm.judgement, as: UTF8.self).contains("cannot be read"))
        let fault = StorageError.failed(operation: "read", reason: "disk I/O error")
        store.failReads([fault, .locked(path: "store.sqlite"), fault])
        let troubled = await library.judge(run)
        #expect(pauses.taken() == [.seconds(1), .seconds(2), .seconds(4)])
        #expect(troubled.verdict == calm.verdict && troubled.judgement == calm.judgement)
        store.failReads([fault])
        #expect(await library.hold(run, []) == nil)
    }

    @Test func `is incomplete once that has lasted for an hour, and at once for what no waiting mends`() async throws {
        let store = GatedStore()
        let pauses = Pauses()
        let (library, folder) = try Self.library(store, pauses)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let run = try Self.live(in: store)
        store.failReads(Array(repeating: .failed(operation: "read", reason: "disk I/O error"), count: 1000))
        let ending = await library.judge(run)
        #expect(ending.verdict == .incomplete)
        #expect(String(decoding: ending.judgement, as: UTF8.self).contains("disk I/O error"))
        let waited = pauses.taken().reduce(.zero, +)
        #expect(waited >= .minutes(60) && waited <= .minutes(61))
        store.failReads([.damaged(path: "store.sqlite", reason: "a test")])
        #expect(await library.judge(run).verdict == .incomplete)
        #expect(pauses.taken().isEmpty)
    }
}
