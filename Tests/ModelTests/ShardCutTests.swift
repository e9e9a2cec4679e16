import Model
import Testing

@Suite struct `Items cut into shards` {
    private func durations(_ count: Int, _ random: inout SplitMix64) -> [Double?] {
        (0..<count).map { _ in
            switch Int.random(in: 0..<6, using: &random) {
            case 0: nil
            case 1: 0
            case 2: .nan
            default: Double.random(in: 0...100, using: &random)
            }
        }
    }

    @Test func `are a partition, for every count`() {
        for seed in UInt64(0)..<60 {
            var random = SplitMix64(seed: seed)
            let items = Int.random(in: 0...40, using: &random)
            let durations = seed % 7 == 0 ? [Double?](repeating: nil, count: items) : durations(items, &random)
            for count in 1...(items + 3) {
                let cut = ShardCut.balanced(durations: durations, count: count)
                #expect(cut.count == min(count, max(items, 1)), "seed \(seed)")
                #expect(cut.flatMap { $0 }.sorted() == Array(0..<items), "seed \(seed), \(count) shards")
                #expect(cut.allSatisfy { $0 == $0.sorted() }, "seed \(seed)")
                #expect(items == 0 || cut.allSatisfy { !$0.isEmpty }, "seed \(seed), \(count) shards")
            }
        }
    }

    /// What Graham proved of the longest first: no shard has more than the mean and one item.
    @Test func `have about the same to do`() {
        for seed in UInt64(0)..<100 {
            var random = SplitMix64(seed: seed)
            let seconds = (0..<Int.random(in: 1...200, using: &random)).map { _ in
                Double.random(in: 0.1...50, using: &random)
            }
            let count = Int.random(in: 1...20, using: &random)
            let cut = ShardCut.balanced(durations: seconds, count: count)
            let loads = cut.map { $0.reduce(0) { $0 + seconds[$1] } }
            let longest = seconds.max() ?? 0
            let bound = seconds.reduce(0, +) / Double(cut.count) + longest
            #expect((loads.max() ?? 0) <= bound + 1e-9, "seed \(seed)")
            // Whoever has most got its last item when it had least.
            #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= longest + 1e-9, "seed \(seed)")
        }
    }

    @Test func `go by the longest first, ties in order`() {
        #expect(ShardCut.balanced(durations: [1, 5, 5, 1, 1, 1], count: 2) == [[0, 1, 4], [2, 3, 5]])
        #expect(ShardCut.balanced(durations: [10, 1, 1, 1], count: 2) == [[0], [1, 2, 3]])
        #expect(ShardCut.balanced(durations: [0, 0, 0, 0], count: 2) == [[0, 2], [1, 3]])
        #expect(ShardCut.balanced(durations: [], count: 3) == [[]])
    }

    @Test func `count items that were never seen as the mean, and fall back to equal numbers`() {
        #expect(ShardCut.balanced(durations: [nil, 4, nil, 8], count: 2) == [[1, 3], [0, 2]])
        #expect(ShardCut.balanced(durations: [nil, nil, nil, nil, nil], count: 2) == [[0, 1, 2], [3, 4]])
        #expect(
            ShardCut.balanced(durations: [.greatestFiniteMagnitude, .greatestFiniteMagnitude, nil], count: 2)
                == [[0, 1], [2]])
    }

    @Test func `stand one shard behind the other in the listing that was cut`() {
        for seed in UInt64(0)..<200 {
            var random = SplitMix64(seed: seed)
            let durations = durations(Int.random(in: 1...40, using: &random), &random)
            let cut = ShardCut.balanced(durations: durations, count: Int.random(in: 1...9, using: &random))
            let ends = cut.reduce(into: [Int]()) { $0.append(($0.last ?? 0) + $1.count) }
            let order = cut.flatMap { $0 }
            for (shard, items) in cut.enumerated() {
                let slice = ShardCut.slice(shard: shard, of: cut.count, items: order.count, ends: ends)
                #expect(order[slice].elementsEqual(items), "seed \(seed), shard \(shard)")
            }
        }
        #expect(ShardCut.slice(shard: 1, of: 2, items: 5, ends: []) == 3..<5)
    }

    @Test func `are as many as a target duration asks for`() {
        #expect(ShardCut.count(target: 60, durations: [30, 30, 30, 31], fallback: 9) == 3)
        #expect(ShardCut.count(target: 60, durations: [nil, nil], fallback: 9) == 9)
        #expect(ShardCut.count(target: 1, durations: [500, 500], fallback: 9) == 2)
        #expect(ShardCut.count(target: 60, durations: [1], fallback: 9) == 1)
        #expect(
            ShardCut.count(target: 0.001, durations: [Double?](repeating: 1, count: 50), fallback: 9, most: 10) == 10)
    }
}
