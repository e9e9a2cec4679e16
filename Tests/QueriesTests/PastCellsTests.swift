import Model
import Queries
import Storage
import Testing
import Wire

@Suite struct `What earlier runs say of cells` {
    private func described(
        _ sample: StoredSample, before run: UInt64, cells: Int = 3, shards: Int = 2, repository: String = ""
    ) throws -> [Model.PlannedCell] {
        let plan = StoredSample.plan(cells: cells, shards: ShardPlan(count: shards))
        var planned = try #require(plan.jobs[0].cells)
        let past = try sample.reader.pastCells(
            of: "nightly", in: repository, for: StoredSample.alice, before: RunID(run))
        past.describe(&planned, of: plan.jobs[0])
        return planned
    }

    /// A run of two cells in two shards: the first takes 30 and 50 s, the second 8 and 4 s.
    private func sample() throws -> StoredSample {
        let sample = try StoredSample()
        try sample.submit(StoredSample.plan(cells: 2, shards: ShardPlan(count: 2)))
        try sample.resolve()
        for (cell, shard, seconds) in [(0, 0, 30), (0, 1, 50), (1, 0, 8), (1, 1, 4)] {
            let lock = sample.put("lock \(cell) \(seconds)")
            try sample.run(sample.attempt(cell, shard), seconds: Int64(seconds)) { $0.environmentLock = lock }
            try sample.settle(cell, shard...shard)
        }
        try sample.end()
        return sample
    }

    @Test func `is what the longest shard took and the environment that it had; nothing of cells that are new`() throws
    {
        let sample = try sample()
        let cells = try described(sample, before: 2)
        #expect(cells.map(\.expected) == [.seconds(50), .seconds(8), nil])
        let locks = try ["lock 0 50", "lock 1 8"].map { try #require(Digest(sample.put($0).digest)) }
        #expect(cells.map(\.environmentLock) == [locks[0], locks[1], nil])
        // A run knows of those before it only.
        #expect(try described(sample, before: 1).allSatisfy { $0.expected == nil })
    }

    @Test func `is told in proportion where a job has another number of shards`() throws {
        #expect(try described(try sample(), before: 2, shards: 8).map(\.expected).first == .milliseconds(12_500))
    }

    @Test func `is the newest run's word, and older ones' of what that does not know`() throws {
        let sample = try sample()
        sample.run = RunID(2)
        try sample.submit(StoredSample.plan(cells: 2, shards: ShardPlan(count: 2)))
        try sample.resolve()
        try sample.run(sample.attempt(1, 0), seconds: 99) { _ in }
        try sample.run(sample.attempt(0, 0), seconds: 99, cause: Cause(.timeout)) { _ in }
        try sample.settle(1, 0...0)
        try sample.end()
        #expect(try described(sample, before: 3).map(\.expected) == [.seconds(50), .seconds(99), nil])
    }

    @Test func `is not asked of others' runs nor of other repositories`() throws {
        let sample = try sample()
        #expect(try described(sample, before: 2, repository: "else/where").allSatisfy { $0.expected == nil })
        let past = try sample.reader.pastCells(
            of: "nightly", in: "", for: Principal(role: .user, name: "mallory", team: "audio"), before: RunID(2))
        var cells = try #require(StoredSample.plan(cells: 2).jobs[0].cells)
        past.describe(&cells, of: StoredSample.plan(cells: 2).jobs[0])
        #expect(cells.allSatisfy { $0.expected == nil && $0.environmentLock == nil })
    }
}
