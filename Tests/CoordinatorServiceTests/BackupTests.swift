import Artifacts
import Foundation
import Model
import Queries
import Storage
import Testing
import Transport

@testable import CoordinatorService

/// A disk that fails at one step, and remembers what it was told.
private final class Disk {
    struct Fault: Error {}

    var steps: [StateCopy.Step] = []
    private let last: Int

    init(failingAt last: Int = .max) { self.last = last }

    func make(_ step: StateCopy.Step) throws {
        guard steps.count < last else { throw Fault() }
        steps.append(step)
    }
}

@Suite(.timeLimit(.minutes(10))) struct `A copy of a state` {
    private typealias Home = `Old runs`.Home

    private static let start = Instant.seconds(1_700_000_000)

    /// A state with a run, its code, an artifact, metrics, a log, and keys.
    private func home() async throws -> Home {
        let home = try Home()
        let authority = try Authority.make()
        try authority.save(to: home.folder + "/authority.pem")
        try authority.makeIdentity(for: Principal(role: .coordinator, name: "main")).save(
            to: home.folder + "/coordinator.pem")
        try await add(1, to: home)
        return home
    }

    private func add(_ number: UInt64, to home: Home) async throws {
        try await home.run(
            number, day: 0, tree: home.tree("code \(number)").manifest,
            artifact: home.tree("artifact \(number)").manifest,
            metrics: home.object("metrics \(number)"))
    }

    /// What a copy restores to, and whether everything that it names is there.
    private func restored(_ backup: String) throws -> (runs: [UInt64], isWhole: Bool) {
        let state = backup + "-restored-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: state) }
        let losses = try Backup.restore(backup, to: state, at: Self.start).losses
        let store = try SQLiteStore(folder: state)
        let runs = try store.runs(before: nil, most: 100).map(\.run.id.number).sorted()
        return (runs, losses == Backup.Losses())
    }

    /// Where a disk may fail, in the order of a copy.
    private enum Fault: CaseIterable {
        case first, store, object, name, folder, log, key, whole, manifest

        func strikes(_ step: StateCopy.Step, _ backup: String) -> Bool {
            switch (self, step) {
            case (.first, _): true
            case (.store, .write(let path)): path.hasSuffix(".sqlite.new")
            case (.object, .write(let path)): path.contains("/objects/")
            case (.name, .rename(let path)): path.contains("/objects/")
            case (.folder, .sync(let path)): path == backup + "/objects"
            case (.log, .write(let path)): path.contains("/logs/")
            case (.key, .rename(let path)): path.hasSuffix("coordinator.pem")
            case (.whole, .rename(let path)): path.hasSuffix("/store.sqlite")
            case (.manifest, .rename(let path)): path.hasSuffix("/backup.json")
            default: false
            }
        }
    }

    @Test func `made again into the same folder leaves the last one whole, wherever the disk fails`() async throws {
        let home = try await home()
        let backup = home.backup
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start)
        for (count, fault) in Fault.allCases.enumerated() {
            // Each time there is more to copy.
            try await add(UInt64(count + 2), to: home)
            #expect(throws: Disk.Fault.self, "\(fault)") {
                try Backup.make(of: home.folder, into: backup, at: Self.start) { step in
                    if fault.strikes(step, backup) { throw Disk.Fault() }
                }
            }
            let found = try restored(backup)
            #expect(found.isWhole, "after a fault at \(fault)")
            // Once the store has its name, it is the new one.
            let runs = fault == .manifest ? UInt64(count) + 2 : 1
            #expect(found.runs == Array(1...runs), "after a fault at \(fault)")
        }
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start)
        #expect(try restored(backup).runs.count == Fault.allCases.count + 1)
    }

    @Test func `that is interrupted while it is restored is no farm's state, and is gone on with`() async throws {
        let home = try await home()
        let backup = home.backup
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start)
        let whole = Disk()
        _ = try Backup.restore(backup, to: home.folder + "/calm", at: Self.start, watch: whole.make)
        let anywhere = Address(host: "127.0.0.1", port: 0)
        // Its end is looked at step by step.
        let steps = Array(stride(from: 0, to: whole.steps.count - 8, by: 4)) + Array(whole.steps.indices.suffix(8))
        for count in steps {
            let state = home.folder + "/state-\(count)"
            #expect(throws: Disk.Fault.self) {
                try Backup.restore(backup, to: state, at: Self.start, watch: Disk(failingAt: count).make)
            }
            if FileManager.default.fileExists(atPath: state + "/restoring") {
                await #expect {
                    _ = try await CoordinatorServer.start(
                        CoordinatorServer.Settings(state: state, listen: [anywhere], enrolmentListen: [anywhere]),
                        failed: { preconditionFailure("\($0)") })
                } throws: { error in
                    "\(error)".contains("is an unfinished restore")
                }
                _ = try Backup.restore(backup, to: state, at: Self.start)
            }
            #expect(!FileManager.default.fileExists(atPath: state + "/restoring"))
            let store = try SQLiteStore(folder: state)
            #expect(try store.nextRun() == RunID(100_002), "after a fault at step \(count)")
            #expect(try store.audit(most: 1).first?.action == "restore")
            let held = try ObjectStore(at: state + "/objects")
            for digest in try NeededObjects(in: store, held).digests { #expect(held.contains(digest)) }
            #expect(FileManager.default.fileExists(atPath: state + "/logs/r1/0-0-0-1.log"))
        }
    }

    @Test func `is not mixed with another farm's`() async throws {
        let (one, other) = (try await home(), try await home())
        let backup = one.backup
        _ = try Backup.make(of: one.folder, into: backup, at: Self.start)
        #expect { try Backup.make(of: other.folder, into: backup, at: Self.start) } throws: { error in
            "\(error)".contains("holds a copy of another farm")
        }
        #expect(try restored(backup).isWhole)
    }

    // MARK: Folders that are not to be written over

    private static func names(below folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
    }

    @Test func `is never made into its own state, in it or around it, whatever leads there`() async throws {
        let home = try await home()
        let link = home.folder + "-link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: home.folder)
        defer { try? FileManager.default.removeItem(atPath: link) }
        let before = try Self.names(below: home.folder)
        let places = [
            home.folder, home.folder + "/", link, link + "/objects", home.folder + "/objects/x", link + "/logs/a/b",
            home.folder + "/new", home.folder + "/..", "/",
        ]
        for into in places {
            #expect("\(into)") {
                try Backup.make(of: home.folder, into: into, at: Self.start)
            } throws: { error in
                "\(error)".contains("which is to be copied: give --into another folder")
            }
        }
        #expect {
            try Backup.make(of: home.folder, into: home.folder + "-nowhere/../new", at: Self.start)
        } throws: { error in
            "\(error)".contains("name it without '..'")
        }
        #expect(try Self.names(below: home.folder) == before)
        _ = try Backup.make(of: home.folder, into: home.backup, at: Self.start)
        #expect(try restored(home.backup).isWhole)
    }

    @Test func `is never made over the state of a farm`() async throws {
        let (home, other) = (try await home(), try await home())
        _ = try Backup.make(of: home.folder, into: home.backup, at: Self.start)
        let state = home.backup + "-state"
        defer { try? FileManager.default.removeItem(atPath: state) }
        _ = try Backup.restore(home.backup, to: state, at: Self.start)
        // The same farm's, before its first coordinator; another's, which is at work.
        for into in [state, other.folder] {
            let before = try Self.names(below: into)
            #expect("\(into)") {
                try Backup.make(of: home.folder, into: into, at: Self.start)
            } throws: { error in
                "\(error)".contains("is a coordinator's state and no backup: it has a store.lock")
            }
            #expect(try Self.names(below: into) == before)
        }
    }

    @Test func `is never restored into itself, or around it`() async throws {
        let home = try await home()
        let backup = home.backup
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start)
        let link = backup + "-link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: backup)
        defer { try? FileManager.default.removeItem(atPath: link) }
        let before = try Self.names(below: backup)
        for state in [backup, backup + "/objects/new", link + "/logs/new", link, backup + "/.."] {
            #expect("\(state)") {
                try Backup.restore(backup, to: state, at: Self.start)
            } throws: { error in
                "\(error)".contains("which is to be copied: give --state another folder")
            }
        }
        #expect(try Self.names(below: backup) == before)
    }

    // MARK: What is in it

    /// They may have been used since.
    @Test func `makes void the tokens that were good then, and says when that was`() async throws {
        let home = try await home()
        let tokens = [60, 60, -60].enumerated().map { number, seconds in
            TokenRecord(
                hash: Digest(hashing: [UInt8(number)]), principal: Principal(role: .user, name: "alice"),
                createdBy: "operator", expiresAt: Self.start.advanced(by: .seconds(seconds)))
        }
        try home.storage.commit(
            tokens.map { Change.tokenCreated($0) } + [.tokenUsed(hash: tokens[0].hash, at: Self.start, key: nil)])
        _ = try Backup.make(of: home.folder, into: home.backup, at: Self.start)
        let state = home.folder + "/state"
        let restored = try Backup.restore(home.backup, to: state, at: Self.start)
        #expect(restored.tokensVoided == 1 && restored.takenAt == Self.start.utc)
        let store = try SQLiteStore(folder: state)
        #expect(try store.unusedTokens().isEmpty)
        #expect(try store.token(hash: tokens[1].hash)?.usedAt == Self.start)
        #expect(try home.storage.unusedTokens().count == 2)
    }

    /// Its last byte is another, and its size the same.
    private static func damage(_ path: String) throws {
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[bytes.count - 1] ^= 1
        try FileManager.default.removeItem(atPath: path)
        try bytes.write(to: URL(filePath: path))
    }

    @Test func `has its damaged objects copied anew, a part of them each time`() async throws {
        let home = try await home()
        let backup = home.backup
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start)
        // By their folder of two digits.
        let objects = try Self.names(below: backup + "/objects/objects").filter { $0.contains("/") }
        for name in objects { try Self.damage("\(backup)/objects/objects/\(name)") }
        #expect(try !restored(backup).isWhole)
        let mended = try (0..<Backup.turns).map { _ in
            try Backup.make(of: home.folder, into: backup, at: Self.start).mended
        }
        #expect(mended.reduce(0, +) == objects.count && objects.count > 3, "\(mended)")
        #expect(try restored(backup).isWhole)
        // What is damaged in the state takes the place of nothing.
        try Self.damage("\(home.folder)/objects/objects/\(objects[0])")
        for _ in 0..<Backup.turns {
            #expect(try Backup.make(of: home.folder, into: backup, at: Self.start).mended == 0)
        }
        #expect(try restored(backup).isWhole)
    }

    /// A loss of power keeps what was synced: each file's bytes before it has its name, each name before the last step.
    @Test func `has every name synced before it counts as whole`() async throws {
        let home = try await home()
        let backup = home.backup
        let made = Disk()
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start, watch: made.make)
        expectSynced(made.steps, before: .rename(backup + "/backup.json"), in: backup)
        let restored = Disk()
        let state = home.folder + "/state"
        _ = try Backup.restore(backup, to: state, at: Self.start, watch: restored.make)
        expectSynced(restored.steps, before: .remove(state + "/restoring"), in: state)
        #expect(restored.steps.last == .sync(state))
    }

    private func expectSynced(_ steps: [StateCopy.Step], before last: StateCopy.Step, in root: String) {
        guard let end = steps.firstIndex(of: last) else {
            Issue.record("\(last) is missing")
            return
        }
        var names = 0
        for (index, step) in steps[..<end].enumerated() {
            guard case .rename(let path) = step, !path.contains("/restoring/") else { continue }
            names += 1
            // Its folder, and those that had to be made for it.
            var folder = (path as NSString).deletingLastPathComponent
            while folder.hasPrefix(root) {
                let synced = steps[..<end].lastIndex(of: .sync(folder))
                if folder == (path as NSString).deletingLastPathComponent {
                    #expect(synced.map { $0 > index } == true, "\(path) may be lost")
                } else {
                    #expect(synced != nil, "\(folder) may be lost")
                }
                folder = (folder as NSString).deletingLastPathComponent
            }
        }
        #expect(names > 5)
    }

    @Test func `has all that its store names, whatever is let go of meanwhile`() async throws {
        let home = try await home()
        let backup = home.backup
        // The files were made today, by the disk's clock.
        let later = Instant.wallClock().advanced(by: .seconds(40 * 86_400))
        let (retention, results) = (home.retention, AsyncStream.makeStream(of: Retention.Pass.self))
        var hasPassed = false
        let copied = try Backup.make(of: home.folder, into: backup, at: Self.start) { step in
            guard !hasPassed, case .write(let path) = step, path.contains("/objects/") else { return }
            // The store is copied, its objects are not: now its runs' bulk is dropped.
            hasPassed = true
            let done = DispatchSemaphore(value: 0)
            Task {
                defer { done.signal() }
                results.continuation.yield(try await retention.pass(at: later, sweeping: true))
            }
            done.wait()
        }
        #expect(hasPassed && copied.copied > 5)
        var passes = results.stream.makeAsyncIterator()
        let pass = try #require(await passes.next())
        #expect(pass.dropped == [RunID(1)] && pass.isPutOff && pass.sweep == nil)
        let found = try restored(backup)
        #expect(found.isWhole && found.runs == [1])
        #expect(FileManager.default.fileExists(atPath: backup + "/logs/r1/0-0-0-1.log"))
        // Afterwards it goes.
        let next = try await retention.pass(at: later, sweeping: true)
        #expect(next.sweep?.removed.count == 4 && !next.isPutOff)
        #expect(!FileManager.default.fileExists(atPath: home.folder + "/logs/r1"))
    }

    /// The copy's original may have made them since: nobody here knows.
    @Test func `has its deliveries searched for before they are made`() async throws {
        let home = try await home()
        let delivery = DeliveryRecord(
            key: "r1.5fd3/check", kind: "github", run: RunID(1), body: [], intendedAt: Self.start, dueAt: Self.start)
        try home.storage.commit([.deliveryIntended(delivery)])
        let backup = home.backup
        _ = try Backup.make(of: home.folder, into: backup, at: Self.start)
        _ = try Backup.restore(backup, to: home.folder + "/state", at: Self.start)
        let store = try SQLiteStore(folder: home.folder + "/state")
        #expect(try store.openDeliveries(after: nil, most: 10).map(\.tries) == [1])
        #expect(try home.storage.openDeliveries(after: nil, most: 10).map(\.tries) == [0])
    }
}
