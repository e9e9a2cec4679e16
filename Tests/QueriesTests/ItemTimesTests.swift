import Model
import Queries
import Storage
import Testing
import Wire

@Suite struct `How long items took` {
    private static let values: [Value.Member] = [.init("seed", .number(0))]

    private func times(_ sample: StoredSample, before run: UInt64) throws -> ItemTimes {
        let runs = try sample.reader.timedRuns(
            of: "nightly", in: "", for: StoredSample.alice, before: RunID(run))
        return try ItemTimes(job: "eval", values: Self.values, in: runs, object: sample.object)
    }

    /// Runs a shard that passes after some seconds, with lines in its file of items.
    private func pass(_ sample: StoredSample, _ shard: Int, seconds: Int64, _ lines: String...) throws {
        let file = lines.isEmpty ? nil : sample.put(lines.map { $0 + "\n" }.joined())
        try sample.run(sample.attempt(0, shard), seconds: seconds) { $0.items = file }
        try sample.settle(0, shard...shard)
    }

    @Test func `is what they say themselves, else their part of their shard`() throws {
        let sample = try StoredSample()
        try sample.submitListed(["a", "b", "c", "d", "e"])
        try pass(sample, 0, seconds: 30, #"{"id": "a", "seconds": 28}"#, #"{"id": "b", "seconds": -1}"#)
        try pass(sample, 1, seconds: 8)
        try sample.end()
        let times = try times(sample, before: 2)
        #expect(["a", "b", "c", "d", "e", "f"].map { times[$0] } == [28, 10, 10, 4, 4, nil])
    }

    @Test func `is what the newest run knows, and older ones where it knows nothing`() throws {
        let sample = try StoredSample()
        try sample.submitListed(["a", "b"])
        try pass(sample, 0, seconds: 5)
        try pass(sample, 1, seconds: 7)
        try sample.end()
        sample.run = RunID(2)
        try sample.submitListed(["b", "c"])
        try pass(sample, 0, seconds: 3)
        // Its shard failed: how long it took says nothing.
        let failed = Cause(.userExit, code: 1)
        try sample.run(sample.attempt(0, 1), seconds: 99, cause: failed) { _ in }
        try sample.settle(0, 1...1, cause: failed)
        try sample.end()
        let known = try times(sample, before: 3)
        #expect(["a", "b", "c"].map { known[$0] } == [5, 3, nil])
        // A run knows of those before it only.
        #expect(try times(sample, before: 2)["b"] == 7)
        #expect(try times(sample, before: 1).isEmpty)
    }

    @Test func `follows the cut of the run that measured them`() throws {
        let sample = try StoredSample()
        try sample.submitListed(["slow", "a", "b", "c"], ends: [1, 4])
        try pass(sample, 0, seconds: 60)
        try pass(sample, 1, seconds: 6)
        try sample.end()
        let times = try times(sample, before: 2)
        #expect(["slow", "a", "b", "c"].map { times[$0] } == [60, 2, 2, 2])
    }

    @Test func `is not asked of others' runs, of other repositories, other cells, nor of what is lost`() throws {
        let sample = try StoredSample()
        sample.owner = Principal(role: .user, name: "mallory", team: "audio")
        try sample.submitListed(["a"], shards: 1)
        try pass(sample, 0, seconds: 5)
        try sample.end()
        sample.owner = StoredSample.alice
        sample.run = RunID(2)
        try sample.submitListed(["a"], shards: 1, of: "elsewhere")
        try pass(sample, 0, seconds: 5)
        try sample.end()
        #expect(try times(sample, before: 3).isEmpty)
        sample.run = RunID(3)
        try sample.submitListed(["a"], shards: 1)
        try pass(sample, 0, seconds: 5)
        try sample.end()
        let runs = try sample.reader.timedRuns(of: "nightly", in: "", for: StoredSample.alice, before: RunID(4))
        #expect(runs.map(\.id) == [RunID(3)])
        #expect(
            try ItemTimes(job: "eval", values: [.init("seed", .number(7))], in: runs, object: sample.object).isEmpty)
        #expect(try ItemTimes(job: "train", values: Self.values, in: runs, object: sample.object).isEmpty)
        #expect(try times(sample, before: 4)["a"] == 5)
        sample.lose("a\n")
        #expect(try times(sample, before: 4).isEmpty)
    }

    @Test func `is asked of a few runs only`() throws {
        let sample = try StoredSample()
        for run in 1...(RunReader.timedRunsMax + 2) {
            sample.run = RunID(UInt64(run))
            try sample.submitListed(["a\(run)"], shards: 1)
            try pass(sample, 0, seconds: 5)
            try sample.end()
        }
        let runs = try sample.reader.timedRuns(of: "nightly", in: "", for: StoredSample.alice, before: RunID(9))
        #expect(runs.map(\.id) == [RunID(5), RunID(4), RunID(3)])
    }
}
