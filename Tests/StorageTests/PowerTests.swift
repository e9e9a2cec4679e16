import FaultyDisk
import Foundation
import Model
import Storage
import Testing

/// A disk for a store: counts what it is asked, and may lose its power at any moment.
final class Disk: @unchecked Sendable {
    // The C side locks.
    private let raw: OpaquePointer
    private var before: (() -> Void)?

    init() { raw = faulty_disk_make() }
    deinit { faulty_disk_free(raw) }

    var name: String { String(cString: faulty_disk_name(raw)) }
    var syncs: Int { Int(faulty_disk_syncs(raw)) }
    var operations: Int { Int(faulty_disk_operations(raw)) }

    func failFrom(_ operation: Int?) { faulty_disk_fail_from(raw, Int64(operation ?? -1)) }

    /// Calls `body` before each operation.
    func watch(_ body: (() -> Void)?) {
        before = body
        faulty_disk_watch(
            raw,
            { context in
                guard let context else { return }
                Unmanaged<Disk>.fromOpaque(context).takeUnretainedValue().before?()
            }, Unmanaged.passUnretained(self).toOpaque())
        if body == nil { faulty_disk_watch(raw, nil, nil) }
    }

    /// What is left on it when the power goes now.
    func losePower(_ seed: UInt64, into folder: String) throws {
        let code = faulty_disk_lose_power(raw, seed, folder)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
    }
}

@Suite struct `A store whose power goes` {
    static let isDeep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1"

    /// Batch n: two shards settled, an audit line that counts, and a run. Whole, or not at all.
    private static func batch(_ number: Int) -> [Change] {
        let cell = CellID(run: RunID(1), job: 0, cell: number)
        let attempt = AttemptID(shard: ShardID(cell: cell, shard: 0), number: 1)
        let now = `A store`.now
        return [
            .attemptLeased(`A store`.lease(attempt)),
            .attemptEnded(
                AttemptEnding(
                    attempt: attempt, at: now, cause: Cause(.passed), retryAt: nil, why: "",
                    report: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 3000))),
            .shardsSettled(
                SettlementRecord(cell: cell, first: 0, last: 1, attempt: 1, cause: Cause(.passed), at: now)),
            .runSubmitted(`A store`.record(UInt64(number + 1))),
            .audited(AuditRecord(at: now, who: "alice", action: "submit", subject: "\(number)")),
        ]
    }

    /// What a store holds of the batches; each of them whole.
    private static func stored(in folder: String) throws -> Int {
        // A disk that syncs nothing for real: many stores are opened here.
        let disk = Disk()
        let store = try SQLiteStore(folder: folder, disk: disk.name)
        let attempts = try store.attempts(of: RunID(1))
        let count = attempts.count
        let numbers = attempts.map(\.lease.attempt.shard.cell.cell)
        #expect(numbers == Array(0..<count))
        #expect(try store.settlements(of: RunID(1)).map(\.cell.cell) == numbers)
        #expect(try store.openRuns().count == count)
        #expect(try store.audit(most: 10_000).map(\.subject) == numbers.reversed().map(String.init))
        #expect(attempts.allSatisfy { $0.ending?.report.count == 3000 })
        // And it goes on from there.
        try store.commit(batch(count))
        return count
    }

    /// Before each operation of the disk, from the first on, the power goes: what is left is whole, holds every acknowledged
    /// batch, and at most the one more that was under way. The first seeds begin with no file at all.
    @Test func `at any operation of its disk has lost nothing that was acknowledged`() async throws {
        let seeds = UInt64(Self.isDeep ? 1_000 : 6)
        let made = try Scratch(inMemory: true)
        let template = made.path
        do { try SQLiteStore(folder: template).commit(Self.batch(0)) }
        let deaths = await withTaskGroup(of: Int.self) { group in
            // One lane leaves others' tests a thread.
            let lanes = UInt64(Self.isDeep ? 4 : 1)
            for lane in 0..<lanes {
                group.addTask {
                    var deaths = 0
                    for seed in stride(from: lane, to: seeds, by: Int(lanes)) {
                        deaths += Self.deaths(seed: seed, after: template)
                        await Task.yield()
                    }
                    return deaths
                }
            }
            return await group.reduce(0, +)
        }
        withExtendedLifetime(made) {}
        #expect(deaths > (Self.isDeep ? 30_000 : 200), "the power went \(deaths) times")
        if Self.isDeep { print("the power went \(deaths) times, of \(seeds) seeds") }
    }

    /// - Returns: how often the power went.
    private static func deaths(seed: UInt64, after made: String) -> Int {
        var random = SplitMix64(seed: seed)
        var deaths = 0
        do {
            let (folder, disk) = (try Scratch(inMemory: true), Disk())
            let isFromNothing = seed % 100 < 2
            if !isFromNothing {
                try FileManager.default.copyItem(
                    atPath: made + "/store.sqlite", toPath: folder.path + "/store.sqlite")
            }
            var acknowledged = isFromNothing ? 0 : 1
            disk.watch {
                // Nothing of what came later; all of it; or some.
                let draw = random.next()
                let way = draw % 4 < 2 ? draw % 4 : draw
                do {
                    let left = try Scratch(inMemory: true)
                    try disk.losePower(way, into: left.path)
                    let found = try stored(in: left.path)
                    deaths += 1
                    #expect(
                        found == acknowledged || found == acknowledged + 1,
                        "seed \(seed), operation \(disk.operations), way \(way): \(found) of \(acknowledged)")
                } catch {
                    Issue.record("seed \(seed), operation \(disk.operations), way \(way): \(error)")
                }
            }
            let store = try SQLiteStore(folder: folder.path, disk: disk.name)
            for _ in 0..<3 {
                try store.commit(batch(acknowledged))
                acknowledged += 1
            }
            disk.watch(nil)
            #expect(try store.openRuns().count == acknowledged)
        } catch {
            Issue.record("seed \(seed): \(error)")
        }
        return deaths
    }

    /// Long enough for the log to be folded into the file, several times.
    @Test func `while its log is folded into the file has lost nothing that was acknowledged`() throws {
        let (folder, disk) = (try Scratch(inMemory: true), Disk())
        let store = try SQLiteStore(folder: folder.path, disk: disk.name)
        var random = SplitMix64(seed: 5)
        var acknowledged = 0
        var deaths = 0
        disk.watch {
            // A checkpoint is hundreds of writes to the file: some of them will do.
            guard random.next() % (Self.isDeep ? 8 : 200) == 0 else { return }
            do {
                let left = try Scratch(inMemory: true)
                let way = random.next()
                try disk.losePower(way, into: left.path)
                let found = try Self.stored(in: left.path)
                #expect(found == acknowledged || found == acknowledged + 1, "way \(way): \(found) of \(acknowledged)")
                deaths += 1
            } catch {
                Issue.record("\(error)")
            }
        }
        while acknowledged < 600 {
            try store.commit(Self.batch(acknowledged))
            acknowledged += 1
        }
        disk.watch(nil)
        #expect(deaths > 10, "the power went \(deaths) times")
    }

    /// After a write or a sync that failed nobody knows what is on the disk: a disk that was mounted read-only by a kernel that
    /// no longer trusts it, a broken one. The error is none that is waited out, and the process ends on it.
    @Test(arguments: ["write", "sync"])
    func `and then fails to write or to sync says so, as something that does not pass`(what: String) throws {
        let (folder, disk) = (try Scratch(), Disk())
        let store = try SQLiteStore(folder: folder.path, disk: disk.name)
        try store.commit(Self.batch(0))
        let before = disk.operations
        try store.commit(Self.batch(1))
        // The sync is a commit's last operation.
        let count = disk.operations - before
        disk.failFrom(disk.operations + (what == "write" ? 0 : count - 1))
        #expect {
            try store.commit(Self.batch(2))
        } throws: { error in
            guard let error = error as? StorageError, case .failed = error else { return false }
            return !error.isPassing
        }
        // What was acknowledged can be read on.
        #expect(try store.attempts(of: RunID(1)).count >= 2)
    }
}

@Suite struct `A commit` {
    private static func report(_ number: Int) -> [Change] {
        let cell = CellID(run: RunID(1), job: 0, cell: number)
        let attempt = AttemptID(shard: ShardID(cell: cell, shard: 0), number: 1)
        let now = `A store`.now
        return [
            .attemptEnded(
                AttemptEnding(
                    attempt: attempt, at: now, cause: Cause(.passed), retryAt: nil, why: "",
                    report: [UInt8](repeating: 7, count: 200))),
            .shardsSettled(
                SettlementRecord(cell: cell, first: 0, last: 0, attempt: 1, cause: Cause(.passed), at: now)),
        ]
    }

    @Test func `of one report is one sync, and so is one of 256`() throws {
        let (folder, disk) = (try Scratch(), Disk())
        let store = try SQLiteStore(folder: folder.path, disk: disk.name)
        for number in 0..<400 {
            let cell = CellID(run: RunID(1), job: 0, cell: number)
            try store.commit([
                .attemptLeased(`A store`.lease(AttemptID(shard: ShardID(cell: cell, shard: 0), number: 1)))
            ])
        }
        // Folding the log into the file takes two syncs more, once in about a thousand pages: not while we count.
        var folded = 0
        var counts: [Int] = []
        for number in 0..<100 {
            let before = disk.syncs
            try store.commit(Self.report(number))
            counts.append(disk.syncs - before)
            folded += counts[number] > 1 ? 1 : 0
        }
        #expect(counts.allSatisfy { $0 >= 1 } && folded <= 2, "\(counts)")
        #expect(counts.count { $0 == 1 } >= 98, "\(counts)")
        let before = disk.syncs
        try store.commit((100..<356).flatMap(Self.report))
        #expect((1...3).contains(disk.syncs - before))
    }
}
