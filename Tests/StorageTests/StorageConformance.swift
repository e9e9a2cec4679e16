import Foundation
import Model
import Storage
import Testing

/// What every `Storage` must do, whichever database is behind it. A new one is held against it by a case of `StoreKind`.
@Suite struct `A store` {
    static let now = Instant.seconds(1_700_000_000)
    static let alice = Principal(role: .user, name: "alice", team: "vision")

    static func record(_ number: UInt64, key: String? = nil) -> RunRecord {
        RunRecord(
            id: RunID(number), key: key ?? "key-\(number)", owner: alice, name: "nightly", file: "eval.yml",
            submittedAt: now, tree: Digest([UInt8](repeating: UInt8(number & 255), count: 32)), commit: "c0ffee",
            request: [1, 2, 3], plan: [])
    }

    static func lease(_ attempt: AttemptID, agent: String = "a") -> LeaseRecord {
        LeaseRecord(
            attempt: attempt, agent: AgentID(agent), devices: ["GPU-1", "GPU-2"], cpus: 2,
            memory: .gibibytes(1), at: now, until: now.advanced(by: .seconds(30)), beside: attempt.number - 1,
            besideWhy: attempt.number > 1 ? "it lags" : "")
    }

    @Test(arguments: StoreKind.allCases) func `gives back what was committed`(kind: StoreKind) throws {
        let store = try kind.make()
        #expect(try store.nextRun() == RunID(1))
        let run = Self.record(1)
        let cell = CellID(run: run.id, job: 0, cell: 3)
        let attempt = AttemptID(shard: ShardID(cell: cell, shard: 2), number: 2)
        let listing = try #require(Digest([UInt8](repeating: 9, count: 32)))
        let ending = AttemptEnding(
            attempt: attempt, at: Self.now, cause: Cause(.userExit, code: 3, evidence: "step 2 ended with 3"),
            retryAt: Self.now.advanced(by: .seconds(5)), why: "retried", report: [4, 5])
        let settlement = SettlementRecord(
            cell: cell, first: 0, last: 9, attempt: 1, cause: Cause(.cancelled, evidence: "by alice"), at: Self.now)
        let job = JobRecord(run: run.id, job: 0, kind: .cells, at: Self.now, resolution: [7])
        try store.commit([
            .runSubmitted(run), .jobResolved(job), .cellSharded(cell, shards: 10, items: 100, listing: listing),
            .attemptLeased(Self.lease(attempt)), .attemptStarted(attempt, at: Self.now), .attemptEnded(ending),
            .shardsSettled(settlement), .cellEnded(cell, ending: "failed"),
            .jobEnded(run: run.id, job: 0, ending: "failure", reason: "1 cell failed"),
        ])
        #expect(try store.nextRun() == RunID(2))
        #expect(try store.run(run.id)?.run == run)
        #expect(try store.run(key: "key-1") == run.id)
        #expect(try store.run(key: "other") == nil)
        #expect(try store.openRuns() == [run.id])
        #expect(
            try store.jobs(of: run.id) == [
                JobRecord(
                    run: run.id, job: 0, kind: .cells, at: Self.now, reason: "1 cell failed", resolution: [7],
                    ending: "failure")
            ])
        let stored = try #require(try store.attempt(attempt))
        #expect(stored.lease == Self.lease(attempt))
        #expect(stored.startedAt == Self.now)
        #expect(stored.ending == ending)
        #expect(try store.attempts(of: run.id) == [stored])
        #expect(try store.settlements(of: run.id) == [settlement])
        let cells = try store.cells(of: run.id)
        #expect(cells.count == 1)
        #expect(cells.first?.shards == 10 && cells.first?.items == 100 && cells.first?.ending == "failed")
        #expect(cells.first?.listing == listing)

        let verdict = RunEnding(run: run.id, at: Self.now, verdict: .fail, exitCode: 1, judgement: [123, 125])
        try store.commit([.runEnded(verdict)])
        #expect(try store.run(run.id)?.ending == verdict)
        #expect(try store.openRuns().isEmpty)
    }

    @Test(arguments: StoreKind.allCases) func `keeps all of a batch or nothing of it`(kind: StoreKind) throws {
        let store = try kind.make()
        try store.commit([.runSubmitted(Self.record(1))])
        #expect(throws: StorageError.self) {
            try store.commit([.runSubmitted(Self.record(2)), .runSubmitted(Self.record(3, key: "key-1"))])
        }
        #expect(try store.run(RunID(2)) == nil)
        #expect(try store.nextRun() == RunID(2))
        // The store goes on after a refused batch.
        try store.commit([.runSubmitted(Self.record(2))])
        #expect(try store.openRuns() == [RunID(1), RunID(2)])
    }

    @Test(arguments: StoreKind.allCases) func `settles a shard once`(kind: StoreKind) throws {
        let store = try kind.make()
        let cell = CellID(run: RunID(1), job: 0, cell: 0)
        let once = SettlementRecord(
            cell: cell, first: 0, last: 0, attempt: 1, cause: Cause(.passed), at: Self.now)
        try store.commit([.shardsSettled(once)])
        #expect(throws: StorageError.self) { try store.commit([.shardsSettled(once)]) }
        #expect(try store.settlements(of: RunID(1)).count == 1)
    }

    @Test(arguments: StoreKind.allCases) func `keeps the first ending of an attempt`(kind: StoreKind) throws {
        let store = try kind.make()
        let attempt = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 0), number: 1)
        let first = AttemptEnding(attempt: attempt, at: Self.now, cause: Cause(.passed), retryAt: nil, why: "")
        let second = AttemptEnding(attempt: attempt, at: Self.now, cause: Cause(.lostAgent), retryAt: nil, why: "")
        try store.commit([.attemptLeased(Self.lease(attempt)), .attemptEnded(first), .attemptEnded(second)])
        #expect(try store.attempt(attempt)?.ending == first)
    }

    /// A team's runs are found behind any number of others'.
    @Test(arguments: StoreKind.allCases) func `pages runs that one may read`(kind: StoreKind) throws {
        let store = try kind.make()
        let owners = [
            Principal(role: .user, name: "ada", team: "red"), Principal(role: .user, name: "bob", team: "blue"),
            Principal(role: .user, name: "eve"), Principal(role: .admin, name: "root", team: "ops"),
            Principal(role: .user, name: "cy", team: "red"),
        ]
        try store.commit(
            (UInt64(1)...60).map { number in
                var record = Self.record(number)
                record.owner = owners[number < 10 ? Int(number) % owners.count : 1]
                return .runSubmitted(record)
            })
        let all = try store.runs(before: nil, most: 100)
        #expect(all.count == 60)
        for reader in owners + [Principal(role: .user, name: "bob"), Principal(role: .user, name: "new", team: "red")] {
            let readable = all.filter { reader.mayRead(runsOf: $0.run.owner) }.map(\.run.id)
            var seen: [RunID] = []
            while true {
                let page = try store.runs(before: seen.last, most: 3, readableBy: reader)
                #expect(page.count == min(3, readable.count - seen.count), "\(reader)")
                if page.isEmpty { break }
                seen += page.map(\.run.id)
            }
            #expect(seen == readable, "\(reader)")
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `says what the longest passing shard of each cell took`(kind: StoreKind) throws {
        let store = try kind.make()
        let run = RunID(1)
        func pass(_ cell: Int, _ shard: Int, seconds: Int64?, _ cause: Cause = Cause(.passed), of run: RunID) throws {
            let attempt = AttemptID(shard: ShardID(run: run, job: 0, cell: cell, shard: shard), number: 1)
            try store.commit([.attemptLeased(Self.lease(attempt))])
            if let seconds {
                let start = Self.now.advanced(by: .seconds(100 - seconds))
                try store.commit([.attemptStarted(attempt, at: start)])
            }
            let ending = AttemptEnding(
                attempt: attempt, at: Self.now.advanced(by: .seconds(100)), cause: cause, retryAt: nil, why: "",
                report: [UInt8(cell), UInt8(max(0, shard))])
            try store.commit([.attemptEnded(ending)])
        }
        try pass(1, 0, seconds: 5, of: run)
        try pass(1, 1, seconds: 50, of: run)
        try pass(1, 2, seconds: 7, of: run)
        try pass(0, 0, seconds: 3, of: run)
        // Neither what failed, nor listings, nor what nobody heard begin, nor other runs.
        try pass(0, 1, seconds: 90, Cause(.timeout), of: run)
        try pass(0, ShardID.listing, seconds: 91, of: run)
        try pass(2, 0, seconds: nil, of: run)
        try pass(3, 0, seconds: 9, of: RunID(2))
        #expect(
            try store.timings(of: run) == [
                CellTiming(cell: CellID(run: run, job: 0, cell: 0), longest: .seconds(3), report: [0, 0]),
                CellTiming(cell: CellID(run: run, job: 0, cell: 1), longest: .seconds(50), report: [1, 1]),
            ])
    }

    @Test(arguments: StoreKind.allCases) func `pages runs from the newest`(kind: StoreKind) throws {
        let store = try kind.make()
        try store.commit((1...25).map { .runSubmitted(Self.record($0)) })
        var seen: [UInt64] = []
        var cursor: RunID?
        while true {
            let page = try store.runs(before: cursor, most: 10)
            guard let last = page.last else { break }
            seen += page.map(\.run.id.number)
            cursor = last.run.id
        }
        #expect(seen == Array((1...25).reversed()))
    }

    @Test(arguments: StoreKind.allCases) func `remembers people, tokens, baselines and what was granted`(
        kind: StoreKind
    ) throws {
        let store = try kind.make()
        let hash = try #require(Digest([UInt8](repeating: 1, count: 32)))
        let other = try #require(Digest([UInt8](repeating: 2, count: 32)))
        let token = TokenRecord(hash: hash, principal: Self.alice, createdBy: "root", expiresAt: Self.now)
        let certificate = CertificateRecord(
            serial: "0a", principal: Self.alice, fingerprint: hash, issuedAt: Self.now,
            expiresAt: Self.now.advanced(by: .seconds(60)))
        try store.commit([
            .tokenCreated(token), .certificateIssued(certificate),
            .baselineSet(BaselineRecord(alias: "champion", run: RunID(1), setBy: "alice", setAt: Self.now)),
            .objectsGranted(scope: "user alice", digests: [hash, hash]),
            .audited(AuditRecord(at: Self.now, who: "user alice", action: "submit", subject: "r1")),
        ])
        #expect(try store.token(hash: hash) == token)
        #expect(try store.token(hash: other) == nil)
        let spare = TokenRecord(hash: other, principal: Self.alice, createdBy: "root", expiresAt: Self.now)
        try store.commit([.tokenCreated(spare)])
        #expect(try store.unusedTokens() == [token, spare])
        try store.commit([
            .tokenUsed(hash: hash, at: Self.now, key: other),
            .certificatesRevoked(role: .user, name: "alice", reason: "left", at: Self.now),
            .baselineSet(BaselineRecord(alias: "champion", run: RunID(2), setBy: "bob", setAt: Self.now)),
        ])
        #expect(try store.token(hash: hash)?.usedAt == Self.now)
        #expect(try store.token(hash: hash)?.usedKey == other)
        #expect(try store.unusedTokens() == [spare])
        #expect(try store.certificates().first?.revokedAt == Self.now)
        #expect(try store.baselines().map(\.run) == [RunID(2)])
        #expect(try store.granted([hash, other], to: "user alice") == [hash])
        #expect(try store.granted([hash], to: "user bob").isEmpty)
        #expect(try store.audit(most: 5).count == 1)
    }

    @Test(arguments: StoreKind.allCases)
    func `knows who used how much, by the hour, and counts what a rerun keeps once`(
        kind: StoreKind
    ) throws {
        let store = try kind.make()
        for run in 1...2 as ClosedRange<UInt64> {
            var record = Self.record(run)
            // The second keeps an attempt of the first, which it was submitted after.
            record.submittedAt = Self.now.advanced(by: run == 1 ? .zero : .seconds(3600))
            try store.commit([.runSubmitted(record)])
            for (shard, devices) in [[], ["GPU-1", "GPU-2"], ["GPU-3"]].enumerated() {
                let id = AttemptID(shard: ShardID(run: RunID(run), job: 0, cell: 0, shard: shard), number: 1)
                let at = Self.now.advanced(by: .seconds(10))
                let lease = LeaseRecord(
                    attempt: id, agent: AgentID("a"), devices: devices, cpus: 4, memory: .zero, at: at, until: at)
                try store.commit([.attemptLeased(lease)])
                guard shard < 2 else { continue }
                let ending = AttemptEnding(
                    attempt: id, at: at.advanced(by: .seconds(100)), cause: Cause(.passed), retryAt: nil, why: "")
                try store.commit([.attemptEnded(ending)])
            }
        }
        let used = try store.use(since: Self.now)
        #expect(used.map(\.cpuSeconds) == [800] && used.map(\.gpuSeconds) == [200])
        #expect(used.map(\.principal) == [Self.record(1).owner])
        #expect(used.allSatisfy { $0.at >= Self.now && $0.at <= Self.now.advanced(by: .seconds(2 * 3600)) })
        #expect(try store.use(since: Self.now.advanced(by: .seconds(200))).isEmpty)
    }

    @Test(arguments: StoreKind.allCases) func `names ended runs whose bulk is kept, oldest first`(
        kind: StoreKind
    ) throws {
        let store = try kind.make()
        for number in 1...5 as ClosedRange<UInt64> {
            try store.commit([.runSubmitted(Self.record(number))])
            let at = Self.now.advanced(by: .seconds(Int64(60 - 10 * number)))
            guard number != 4 else { continue }
            try store.commit([
                .runEnded(RunEnding(run: RunID(number), at: at, verdict: .pass, exitCode: 0, judgement: []))
            ])
        }
        #expect(try store.runsWithBulk(endedBefore: Self.now, most: 10).isEmpty)
        let before = Self.now.advanced(by: .seconds(45))
        #expect(try store.runsWithBulk(endedBefore: before, most: 10) == [5, 3, 2].map { RunID($0) })
        #expect(try store.runsWithBulk(endedBefore: before, most: 1) == [RunID(5)])
        try store.commit([.bulkDropped(RunID(5), at: before)])
        #expect(try store.runsWithBulk(endedBefore: before, most: 10) == [3, 2].map { RunID($0) })
        #expect(try store.run(RunID(5))?.bulkDroppedAt == before)
        #expect(try store.run(RunID(3))?.bulkDroppedAt == nil)
    }

    @Test(arguments: StoreKind.allCases) func `forgets who was granted an object that is gone`(kind: StoreKind) throws {
        let store = try kind.make()
        let digests = try (1...3).map { try #require(Digest([UInt8](repeating: $0, count: 32))) }
        try store.commit([
            .objectsGranted(scope: "user:alice", digests: digests), .objectsGranted(scope: "agent:a", digests: digests),
        ])
        try store.commit([.objectsForgotten([digests[1]])])
        for scope in ["user:alice", "agent:a"] {
            #expect(try store.granted(digests, to: scope) == [digests[0], digests[2]])
        }
    }

    @Test(arguments: StoreKind.allCases) func `gives no run a number that was left out`(kind: StoreKind) throws {
        let store = try kind.make()
        try store.commit([.runSubmitted(Self.record(7)), .runNumbersLeftOut(below: RunID(100))])
        #expect(try store.nextRun() == RunID(100))
        try store.commit([.runSubmitted(Self.record(100))])
        #expect(try store.nextRun() == RunID(101))
    }

    @Test(arguments: StoreKind.allCases) func `gives the attempts and the settlements of a run in pages`(
        kind: StoreKind
    ) throws {
        let store = try kind.make()
        var attempts: [AttemptID] = []
        var settlements: [SettlementRecord] = []
        for (job, cell, shard) in [(0, 0, -1), (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 10, 2), (1, 0, 0), (2, 3, 4)] {
            let id = ShardID(run: RunID(1), job: job, cell: cell, shard: shard)
            attempts += (1...3).map { AttemptID(shard: id, number: $0) }
            settlements.append(
                SettlementRecord(
                    cell: id.cell, first: shard, last: shard, attempt: 3, cause: Cause(.passed), at: Self.now))
        }
        // Stored in another order, beside those of other runs.
        try store.commit(attempts.reversed().map { .attemptLeased(Self.lease($0)) })
        try store.commit(settlements.reversed().map { .shardsSettled($0) })
        for run in [RunID(2), RunID(3)] {
            let other = AttemptID(shard: ShardID(run: run, job: 0, cell: 0, shard: 0), number: 1)
            try store.commit([.attemptLeased(Self.lease(other))])
        }
        for most in [1, 2, 5, 21, 100] {
            var found: [AttemptID] = []
            while true {
                let page = try store.attempts(of: RunID(1), after: found.last, most: most).map(\.lease.attempt)
                #expect(try store.attemptIDs(of: RunID(1), after: found.last, most: most) == page)
                found += page
                if page.count < most { break }
            }
            #expect(found == attempts, "\(most) at a time")
            var settled: [SettlementRecord] = []
            while true {
                let page = try store.settlements(of: RunID(1), after: settled.last, most: most)
                settled += page
                if page.count < most { break }
            }
            #expect(settled == settlements, "\(most) at a time")
        }
        #expect(try store.attempts(of: RunID(1)).map(\.lease.attempt) == attempts)
        #expect(try store.attemptIDs(of: RunID(1)) == attempts)
        #expect(try store.settlements(of: RunID(1)) == settlements)
    }

    @Test(arguments: StoreKind.allCases) func `keeps what is to happen outside, until it has`(kind: StoreKind) throws {
        let store = try kind.make()
        let keys = ["a", "b", "c"]
        let intents = keys.map {
            DeliveryRecord(key: $0, kind: "check", run: RunID(7), body: [1, 2], intendedAt: Self.now)
        }
        try store.commit(intents.map { .deliveryIntended($0) })
        #expect(throws: StorageError.self) { try store.commit([.deliveryIntended(intents[0])]) }
        #expect(try store.openDeliveries(after: nil, most: 2).map(\.key) == ["a", "b"])
        #expect(try store.openDeliveries(after: "b", most: 2).map(\.key) == ["c"])
        let later = Self.now.advanced(by: .seconds(9))
        try store.commit([
            .deliveryTried(key: "a"), .deliveryPostponed(key: "a", until: later, reason: "no answer"),
            .deliveryTried(key: "b"), .deliveryEnded(key: "b", .init(at: later, receipt: "comment 17")),
            .deliveryEnded(key: "c", .init(at: later, receipt: nil, reason: "no such repository")),
        ])
        var first = intents[0]
        (first.tries, first.dueAt, first.reason) = (1, later, "no answer")
        #expect(try store.delivery(key: "a") == first)
        #expect(try store.openDeliveries(after: nil, most: 9) == [first])
        #expect(try store.delivery(key: "b")?.ending == .init(at: later, receipt: "comment 17"))
        #expect(try store.delivery(key: "c")?.ending?.reason == "no such repository")
        #expect(try store.delivery(key: "d") == nil)
        #expect(try store.deliveries(of: RunID(7)).map(\.key) == keys)
        // The first ending counts, and nothing is tried after it.
        try store.commit([
            .deliveryEnded(key: "b", .init(at: later, receipt: "comment 18")), .deliveryTried(key: "b"),
            .deliveryPostponed(key: "b", until: later, reason: "late"),
        ])
        #expect(try store.delivery(key: "b")?.ending?.receipt == "comment 17")
        #expect(try store.delivery(key: "b")?.tries == 1)
    }
}

/// What only a store in a folder can show.
@Suite struct `A store in a folder` {
    @Test func `survives being opened again`() throws {
        let folder = try Scratch()
        do {
            let store = try SQLiteStore(folder: folder.path)
            try store.commit([.runSubmitted(`A store`.record(1))])
        }
        let again = try SQLiteStore(folder: folder.path)
        #expect(try again.run(RunID(1))?.run == `A store`.record(1))
    }

    @Test func `refuses a store of a later schema and leaves it untouched`() throws {
        let folder = try Scratch()
        do { _ = try SQLiteStore(folder: folder.path) }
        try folder.sqlite("PRAGMA user_version = 999")
        let before = try Data(contentsOf: folder.url.appending(path: "store.sqlite"))
        #expect {
            _ = try SQLiteStore(folder: folder.path)
        } throws: { error in
            guard case .newer(_, let version, _)? = error as? StorageError else { return false }
            return version == 999
        }
        #expect(try Data(contentsOf: folder.url.appending(path: "store.sqlite")) == before)
    }

    @Test func `refuses what is no store`() throws {
        let folder = try Scratch()
        try Data("this is no database, however long it goes on".utf8)
            .write(to: folder.url.appending(path: "store.sqlite"))
        #expect(throws: StorageError.self) { _ = try SQLiteStore(folder: folder.path) }
        let missing = folder.path + "/absent"
        #expect(throws: StorageError.self) { _ = try SQLiteStore(folder: missing) }
    }
}

/// The stores that are held against the suite.
enum StoreKind: CaseIterable, Sendable {
    case sqlite
    /// Opened anew before each commit and each question, as if the process had been killed in between.
    case sqliteReopened
    case memory

    func make() throws -> any Storage {
        switch self {
        case .sqlite: StoreInScratch(try Scratch(inMemory: true), isReopened: false)
        case .sqliteReopened: StoreInScratch(try Scratch(inMemory: true), isReopened: true)
        case .memory: MemoryStore()
        }
    }
}

/// A folder of a test's own, removed when the test lets go of it.
final class Scratch {
    let url: URL
    var path: String { url.path }

    /// - Parameter inMemory: not on a disk, where there is such a place: for thousands of files that nobody needs to keep.
    init(inMemory: Bool = false) throws {
        let memory = URL(filePath: "/dev/shm")
        let isThere = inMemory && FileManager.default.isWritableFile(atPath: memory.path)
        let place = isThere ? memory : FileManager.default.temporaryDirectory
        url = place.appending(path: "sheaf-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Asks or changes the store behind its back, by Python's sqlite3.
    ///
    /// - Returns: what one question answers, a row to a line.
    @discardableResult
    func sqlite(_ statement: String) throws -> String {
        let (python, output) = (Process(), Pipe())
        python.executableURL = URL(filePath: "/usr/bin/python3")
        python.arguments = [
            "-c",
            """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1])
            words = sys.argv[2]
            if words.startswith("SELECT") or words.startswith("PRAGMA") and "=" not in words:
                for row in c.execute(words):
                    print(*row)
            else:
                c.executescript(words)
                c.commit()
            """, path + "/store.sqlite", statement,
        ]
        python.standardOutput = output
        try python.run()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        python.waitUntilExit()
        #expect(python.terminationStatus == 0)
        return String(decoding: answer, as: UTF8.self)
    }
}
