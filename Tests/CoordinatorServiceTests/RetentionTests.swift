import Artifacts
import Foundation
import Model
import Storage
import Testing
import Transport
import Wire

@testable import CoordinatorService

@Suite struct `Old runs` {
    static let start = Instant.seconds(1_700_000_000)

    /// A farm without agents: its store, its objects, its logs.
    final class Home {
        let folder: String
        let storage: SQLiteStore
        let coordinator: Coordinator
        let objects: ObjectStore
        let logs: LogStore
        let retention: Retention

        /// - Parameter between: stands between the store and the coordinator.
        init(_ between: (SQLiteStore) -> any Storage = { $0 }) throws {
            folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            storage = try SQLiteStore(folder: folder)
            objects = try ObjectStore(at: folder + "/objects")
            logs = LogStore(folder: folder + "/logs")
            let keeper = StoreKeeper(between(storage), failed: { preconditionFailure("\($0)") })
            coordinator = Coordinator(
                settings: Coordinator.Settings(), keeper: keeper, logs: logs, pulses: Pulses(), clock: FarmClock(),
                seed: 1, judge: { _ in preconditionFailure("nothing is judged here") },
                hold: { _, _ in preconditionFailure("nothing waits for gates here") })
            var settings = Retention.Settings()
            settings.bulk = .seconds(30 * 86_400)
            settings.grace = .seconds(86_400)
            retention = Retention(
                settings: settings, keeper: keeper, store: objects, logs: logs, coordinator: coordinator)
        }

        /// A place beside it for copies of it.
        var backup: String { folder + "-backup" }

        deinit { for path in [folder, backup] { try? FileManager.default.removeItem(atPath: path) } }

        /// A folder with one file, packed.
        func tree(_ text: String) async throws -> (manifest: Digest, chunks: [Digest]) {
            let place = folder + "/tree-\(text)"
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: place + "/file"))
            let plan = try TreePlan(TreeScan(of: Folder(at: place), CodeTree.everything))
            let uploaded = try await Transfer(LocalChannel(objects)).upload(plan)
            let manifest = try Manifest(decoding: objects.read(uploaded.manifest.digest).bytes)
            return (uploaded.manifest.digest, manifest.chunks.map(\.digest))
        }

        func object(_ text: String) throws -> Digest {
            let bytes = Array(text.utf8)
            let reference = ObjectRef(naming: bytes)
            try objects.put(EncodedObject(object: reference, encoding: .identity, bytes: bytes))
            return reference.digest
        }

        /// A run that ended on a day, with a tree, an artifact, metrics and a log.
        ///
        /// - Parameter actions: trees of other repositories that it uses.
        func run(
            _ number: UInt64, day: Int64, tree: Digest, artifact: Digest, metrics: Digest, retentionDays: UInt32 = 0,
            actions: [Digest] = []
        ) async throws {
            let id = RunID(number)
            let attempt = AttemptID(shard: ShardID(run: id, job: 0, cell: 0, shard: 0), number: 1)
            let at = `Old runs`.start.advanced(by: .seconds(day * 86_400))
            let plan = Plan(
                name: "nightly", file: "eval.yml",
                jobs: [
                    PlannedJob(
                        id: "eval", needs: [], condition: nil, cells: [PlannedCell(id: "eval", name: "eval")],
                        shards: ShardPlan(), retry: RetryPolicy(), work: JobWork())
                ])
            let report = Proto.AttemptReport.with {
                $0.attempt = Proto.AttemptRef(attempt)
                $0.cause = "passed"
                $0.metrics = .with { $0.digest = metrics.bytes }
                $0.artifacts = [
                    .with {
                        $0.manifest = .with { $0.digest = artifact.bytes }
                        $0.retentionDays = retentionDays
                    }
                ]
            }
            let request = Proto.SubmitRunRequest.with {
                $0.actions = actions.map { tree in
                    .with {
                        $0.repository = "acme/greet"
                        $0.tree = tree.bytes
                    }
                }
            }
            try storage.commit([
                .runSubmitted(
                    RunRecord(
                        id: id, key: "key-\(number)", owner: Principal(role: .user, name: "alice"), name: "nightly",
                        file: "eval.yml", submittedAt: at, tree: tree, commit: "",
                        request: request.encoded(), plan: Proto.Plan(plan).encoded())),
                .attemptLeased(
                    LeaseRecord(
                        attempt: attempt, agent: AgentID("a"), devices: [], cpus: 1, memory: .zero, at: at, until: at)),
                .attemptEnded(
                    AttemptEnding(
                        attempt: attempt, at: at, cause: Cause(.passed), retryAt: nil, why: "",
                        report: report.encoded())),
                .runEnded(RunEnding(run: id, at: at, verdict: .pass, exitCode: 0, judgement: [])),
            ])
            _ = try await logs.append(Array("1 o hello\n".utf8), at: 0, of: attempt)
        }
    }

    private func day(_ number: Int64) -> Instant { Self.start.advanced(by: .seconds(number * 86_400)) }

    /// Between the moment at which a rerun finds everything there and the one at which its own run names it.
    @Test func `of which a rerun keeps something keep everything until it has it`() async throws {
        let home = try Home()
        let (tree, artifact) = (try await home.tree("code"), try await home.tree("artifact"))
        try await home.run(
            1, day: 0, tree: tree.manifest, artifact: artifact.manifest, metrics: try home.object("metrics"))
        let later = Instant.wallClock().advanced(by: .seconds(2 * 86_400))
        // Two at one time.
        for _ in 0..<2 { await home.coordinator.keepBulk(of: RunID(1)) }
        for _ in 0..<2 {
            let pass = try await home.retention.pass(at: later, sweeping: true)
            #expect(pass.dropped == [] && pass.sweep?.removed == [])
            #expect(home.objects.contains(artifact.manifest))
            await home.coordinator.letBulkGo(of: RunID(1))
        }
        #expect(try await home.retention.pass(at: later, sweeping: true).dropped == [RunID(1)])
        #expect(!home.objects.contains(artifact.manifest))
    }

    /// The machine's clock is set back by two days while the farm's goes on: what is stored then seems old.
    @Test func `are not looked through by a clock that somebody has set`() async throws {
        let home = try Home()
        let fresh = try home.object("fresh")
        let disk = Instant.wallClock()
        let farm = disk.advanced(by: .seconds(2 * 86_400))
        #expect(try await home.retention.pass(at: farm, byDisk: disk, sweeping: true).sweep?.removed == [])
        // Set forward, it tells nothing either: the farm's own clock says how old it is at most.
        let ahead = try await home.retention.pass(at: disk, byDisk: farm, sweeping: true)
        #expect(ahead.sweep?.removed == [])
        let later = Duration.seconds(86_401)
        let pass = try await home.retention.pass(
            at: farm.advanced(by: later), byDisk: disk.advanced(by: later), sweeping: true)
        #expect(pass.sweep?.removed == [fresh])
    }

    @Test func `lose an artifact once its own days are over, and keep what else they name`() async throws {
        let home = try Home()
        let (short, long) = (try await home.tree("short"), try await home.tree("long"))
        let (code, action) = (try await home.tree("code"), try await home.tree("action"))
        let metrics = try home.object("metrics")
        try await home.run(
            1, day: 0, tree: code.manifest, artifact: short.manifest, metrics: metrics, retentionDays: 3,
            actions: [action.manifest])
        try await home.run(2, day: 0, tree: code.manifest, artifact: long.manifest, metrics: metrics)
        let before = try NeededObjects(in: home.storage, home.objects, at: day(3).advanced(by: .nanoseconds(-1)))
        #expect(before.digests.contains(short.manifest))
        var settings = home.retention.settings
        settings.bulk = .seconds(100_000 * 86_400)
        let retention = Retention(
            settings: settings, keeper: home.retention.keeper, store: home.objects, logs: home.logs,
            coordinator: home.retention.coordinator)
        // Objects count as used when they were stored: by the real clock.
        let later = Instant.wallClock().advanced(by: .seconds(2 * 86_400))
        let pass = try await retention.pass(at: later, sweeping: true)
        #expect(Set(pass.sweep?.removed ?? []) == Set([short.manifest] + short.chunks))
        for kept in [long, code, action] { #expect(home.objects.missing(of: [kept.manifest] + kept.chunks).isEmpty) }
    }

    @Test func `lose their bulk and keep what the verdict rests on`() async throws {
        let home = try Home()
        let (old, shared, new) = (try await home.tree("old"), try await home.tree("shared"), try await home.tree("new"))
        let metrics = try (1...3).map { try home.object("metrics \($0)") }
        try await home.run(1, day: 0, tree: shared.manifest, artifact: old.manifest, metrics: metrics[0])
        try await home.run(2, day: 0, tree: shared.manifest, artifact: old.manifest, metrics: metrics[1])
        try await home.run(3, day: 20, tree: shared.manifest, artifact: new.manifest, metrics: metrics[2])
        try home.storage.commit([
            .objectsGranted(scope: "user:alice", digests: [old.manifest, shared.manifest, new.manifest])
        ])
        // Nothing is old yet.
        #expect(try await home.retention.pass(at: day(29), sweeping: false) == Retention.Pass())

        // The files were made today, by the disk's clock: a sweep that looks back a day keeps all of them.
        let today = try await home.retention.pass(at: day(31), sweeping: false)
        #expect(today.dropped == [RunID(1), RunID(2)])
        #expect(today.sweep?.removed.isEmpty == true)
        #expect(!FileManager.default.fileExists(atPath: home.folder + "/logs/r1"))
        #expect(FileManager.default.fileExists(atPath: home.folder + "/logs/r3"))
        #expect(try home.storage.audit(most: 1).first?.action == "drop bulk")

        let later = Instant.wallClock().advanced(by: .seconds(2 * 86_400))
        let sweep = try home.objects.sweep(keep: [], unusedSince: .epoch)
        #expect(sweep.removed.isEmpty)
        var settings = home.retention.settings
        settings.bulk = day(31).duration(to: later) + .seconds(20 * 86_400)
        let retention = Retention(
            settings: settings, keeper: home.retention.keeper, store: home.objects, logs: home.logs,
            coordinator: home.retention.coordinator)
        let pass = try await retention.pass(at: later, sweeping: true)
        #expect(pass.dropped.isEmpty)
        #expect(Set(pass.sweep?.removed ?? []) == Set([old.manifest] + old.chunks))
        for digest in metrics + [shared.manifest, new.manifest] + shared.chunks + new.chunks {
            #expect(home.objects.contains(digest))
        }
        let asked = [old.manifest, shared.manifest, new.manifest]
        #expect(try home.storage.granted(asked, to: "user:alice") == [shared.manifest, new.manifest])
    }

    @Test func `that are baselines keep everything`() async throws {
        let home = try Home()
        let tree = try await home.tree("champion")
        let metrics = try home.object("metrics")
        for number in 1...250 as ClosedRange<UInt64> {
            try await home.run(number, day: 0, tree: tree.manifest, artifact: tree.manifest, metrics: metrics)
        }
        try home.storage.commit([
            .baselineSet(BaselineRecord(alias: "champion", run: RunID(7), setBy: "alice", setAt: day(1)))
        ])
        let pass = try await home.retention.pass(at: day(40), sweeping: false)
        #expect(pass.dropped.count == 249 && !pass.dropped.contains(RunID(7)))
        #expect(try home.storage.run(RunID(7))?.bulkDroppedAt == nil)
        #expect(try await home.retention.pass(at: day(40), sweeping: false).dropped.isEmpty)
    }

    @Test func `leave alone what somebody was told is there`() async throws {
        let home = try Home()
        let asked = try home.object("asked about")
        let unasked = try home.object("not asked about")
        // Both were made long ago.
        for digest in [asked, unasked] {
            let path = "\(home.folder)/objects/objects/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))"
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 1_600_000_000)], ofItemAtPath: path)
        }
        #expect(home.objects.missing(of: [asked]).isEmpty)
        let sweep = try home.objects.sweep(keep: [], unusedSince: Self.start)
        #expect(sweep.removed == [unasked])
        #expect(home.objects.contains(asked) && !home.objects.contains(unasked))
    }

    /// What is gone while the store says that it is kept would be gone for good: the disk may be full for hours.
    @Test(.timeLimit(.minutes(10))) func `keep their logs until it is stored that they are dropped`() async throws {
        var gate: GatedStore?
        let home = try Home { store in
            let gated = GatedStore(store)
            gate = gated
            return gated
        }
        let store = try #require(gate)
        let tree = try await home.tree("old")
        try await home.run(1, day: 0, tree: tree.manifest, artifact: tree.manifest, metrics: home.object("metrics"))
        var arrivals = store.arrivals.makeAsyncIterator()
        let pass = Task { try await home.retention.pass(at: day(31), sweeping: false) }
        #expect(await arrivals.next() == 2)
        #expect(FileManager.default.fileExists(atPath: home.folder + "/logs/r1"))
        store.open()
        #expect(try await pass.value.dropped == [RunID(1)])
        #expect(!FileManager.default.fileExists(atPath: home.folder + "/logs/r1"))
    }

    @Test func `that a process before this one had dropped lose their logs all the same`() async throws {
        let home = try Home()
        let tree = try await home.tree("old")
        for number in [1, 2] as [UInt64] {
            try await home.run(
                number, day: 0, tree: tree.manifest, artifact: tree.manifest, metrics: home.object("metrics"))
        }
        // It was killed after this commit.
        try home.storage.commit([.bulkDropped(RunID(1), at: day(31))])
        #expect(try await home.retention.pass(at: day(1), sweeping: true).dropped.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: home.folder + "/logs/r1"))
        #expect(FileManager.default.fileExists(atPath: home.folder + "/logs/r2"))
    }

    @Test(.timeLimit(.minutes(10))) func `that become baselines while they are looked through keep everything`()
        async throws
    {
        var between: GatedStore?
        let home = try Home { store in
            let open = GatedStore(store, isOpen: true)
            between = open
            return open
        }
        let tree = try await home.tree("champion")
        for number in [1, 2] as [UInt64] {
            try await home.run(
                number, day: 0, tree: tree.manifest, artifact: tree.manifest, metrics: home.object("metrics"))
        }
        let (coordinator, at) = (home.coordinator, day(40))
        between?.afterBaselinesAreRead {
            let set = DispatchSemaphore(value: 0)
            Task {
                let record = BaselineRecord(alias: "champion", run: RunID(2), setBy: "alice", setAt: at)
                await coordinator.setBaseline(record, by: Principal(role: .user, name: "alice"), because: "")
                set.signal()
            }
            set.wait()
        }
        let pass = try await home.retention.pass(at: at, sweeping: false)
        #expect(pass.dropped == [RunID(1)])
        #expect(try home.storage.run(RunID(2))?.bulkDroppedAt == nil)
        #expect(FileManager.default.fileExists(atPath: home.folder + "/logs/r2"))
    }
}
