import Artifacts
import Glibc
import Locks
import Model
import Testing
import Wire

@testable import AgentService

/// A disk that notes what it is asked to sync, and what is there by then.
private final class SyncedDisk: Sendable {
    struct Seen: Equatable {
        var path: String
        /// A file's bytes; the names in a folder.
        var holds: [String]
    }

    private let seenSoFar = Mutex<[Seen]>([])
    private let isBroken: Bool

    init(isBroken: Bool = false) { self.isBroken = isBroken }

    var seen: [Seen] { seenSoFar.withLock { $0 } }

    func sync(_ raw: CInt) -> CInt {
        let path = Files.resolved("/proc/self/fd/\(raw)") ?? "nowhere"
        let holds = Files.isFolder(path) ? Files.names(in: path) : [(try? Files.text(path)) ?? "unreadable"]
        seenSoFar.withLock { $0.append(Seen(path: path, holds: holds)) }
        guard isBroken else { return fsync(raw) }
        errno = EIO
        return -1
    }
}

@Suite(.timeLimit(.minutes(10))) struct `What an attempt came to` {
    private static let steps = [
        run(
            """
            echo '{"accuracy": 1}' > "$SHEAF_METRICS"
            echo '{"id": "a", "metrics": {}}' > "$SHEAF_ITEMS_OUT"
            echo words > "$GITHUB_STEP_SUMMARY"
            """)
    ]

    /// The agent keeps the report next, and syncs that; then it is sent. A loss of power at any moment after leaves a report with
    /// everything that it names, or none.
    @Test func `is on the disk before its report is given out, each file once and then their names`() async throws {
        let disk = SyncedDisk()
        let workshop = try await Workshop(change: { $0.sync = { disk.sync($0) } })
        let trial = try workshop.begin(Self.steps)
        let report = await trial.report()
        let seen = disk.seen
        let objects = report.results.compactMap { ObjectRef($0) }
        #expect(objects.count == 3 && report.cause == "passed")
        // One sync of each file, and one of the folder: what keeping it costs.
        #expect(seen.count == objects.count + 1, "\(seen)")
        let kept = await trial.driver.results.folder
        let folder = try #require(Files.resolved(kept))
        let names = objects.map(\.digest.hex).sorted()
        #expect(seen.dropLast().map(\.path) == names.map { folder + "/" + $0 }, "\(seen)")
        #expect(seen.last == .init(path: folder, holds: names))
        for file in seen.dropLast() {
            let bytes = Array(file.holds.joined().utf8)
            #expect(file.path.hasSuffix(VerifiedObject(naming: bytes).object.digest.hex), "\(file)")
        }
        // The farm takes it from there.
        #expect(try await trial.end().text(report.summary) == "words\n")
    }

    @Test func `costs no sync where it is nothing`() async throws {
        let disk = SyncedDisk()
        let workshop = try await Workshop(change: { $0.sync = { disk.sync($0) } })
        #expect(try await workshop.attempt([run("true")]).report.cause == "passed")
        #expect(disk.seen.isEmpty)
    }

    /// As long as the machine is there, so are they.
    @Test func `counts all the same where the disk cannot sync, and its log says so`() async throws {
        let disk = SyncedDisk(isBroken: true)
        let workshop = try await Workshop(change: { $0.sync = { disk.sync($0) } })
        let ended = try await workshop.attempt(Self.steps)
        #expect(ended.report.cause == "passed" && ended.report.results.count == 3)
        #expect(
            ended.lines.contains { $0.text.contains("would not outlive a loss of power") && $0.text.contains("sync ") },
            "\(ended.lines)")
    }
}
