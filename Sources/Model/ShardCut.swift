/// Which items each shard of a cell gets: every item stands in exactly one shard, in the listing's order.
package enum ShardCut {
    /// By recorded durations: the longest item first, each to the shard that has least to do so far (Graham, 1969). Ties
    /// go to the shard with fewer items, then to the lower number, so the same durations give the same shards.
    ///
    /// - Parameter durations: seconds, `nil` for an item that was never seen: it counts as the mean of those that were.
    ///   Where none was seen, items are cut in equal numbers.
    /// - Parameter count: at least 1; never more shards than items, save one for no items.
    package static func balanced(durations: [Double?], count: Int) -> [[Int]] {
        precondition(count > 0, "a cell has one shard at least")
        let shards = min(count, max(durations.count, 1))
        guard let seconds = filled(durations) else {
            return (0..<shards).map { Array(ShardPlan.slice(shard: $0, of: shards, items: durations.count)) }
        }
        let order = seconds.indices.sorted { seconds[$0] != seconds[$1] ? seconds[$0] > seconds[$1] : $0 < $1 }
        var cut = [[Int]](repeating: [], count: shards)
        var queue = LoadQueue(shards: shards)
        for item in order { cut[queue.load(seconds[item])].append(item) }
        return cut.map { $0.sorted() }
    }

    /// How many shards of about `target` seconds the items come to; `fallback` where no item was seen.
    package static func count(
        target: Double, durations: [Double?], fallback: Int, most: Int = Limits.shardsPerCellMax
    ) -> Int {
        precondition(target > 0 && target.isFinite, "a target is a time")
        guard let seconds = filled(durations) else { return fallback }
        let wanted = (seconds.reduce(0, +) / target).rounded(.up)
        return Int(max(1, min(wanted, Double(min(most, max(durations.count, 1))))))
    }

    /// The items of one shard: positions in a listing.
    ///
    /// - Parameter ends: where each shard's items end, in a listing that stands in the order of shards; none: they were cut
    ///   in equal numbers.
    package static func slice(shard: Int, of count: Int, items: Int, ends: [Int]) -> Range<Int> {
        guard areEnds(ends, of: count, items: items) else {
            return ShardPlan.slice(shard: shard, of: count, items: items)
        }
        precondition(ends.indices.contains(shard), "a shard is one of its count")
        return (shard == 0 ? 0 : ends[shard - 1])..<ends[shard]
    }

    /// Whether these cut so many items into so many shards.
    private static func areEnds(_ ends: [Int], of count: Int, items: Int) -> Bool {
        ends.count == count && ends.last == items && (ends.first ?? 0) >= 0
    }

    /// Durations without gaps; `nil` where nothing was seen. What is no time counts as not seen.
    private static func filled(_ durations: [Double?]) -> [Double]? {
        let seen = durations.compactMap { $0 }.filter { $0.isFinite && $0 >= 0 }
        guard !seen.isEmpty else { return nil }
        let mean = seen.reduce(0, +) / Double(seen.count)
        // A sum beyond all numbers has no mean: then every item counts alike.
        guard mean.isFinite else { return nil }
        return durations.map { duration in
            guard let duration, duration.isFinite, duration >= 0 else { return mean }
            return duration
        }
    }

    /// Shards by what they have to do, the least first: a binary heap.
    private struct LoadQueue {
        private struct Load {
            var seconds = 0.0
            var items = 0
            var shard: Int

            static func < (a: Load, b: Load) -> Bool {
                (a.seconds, a.items, a.shard) < (b.seconds, b.items, b.shard)
            }
        }

        private var heap: [Load]

        init(shards: Int) { heap = (0..<shards).map { Load(shard: $0) } }

        /// Gives the shard that has least to do an item more, and says which it is.
        mutating func load(_ seconds: Double) -> Int {
            let shard = heap[0].shard
            heap[0].seconds += seconds
            heap[0].items += 1
            var place = 0
            while true {
                var least = place
                for child in [2 * place + 1, 2 * place + 2] where child < heap.count && heap[child] < heap[least] {
                    least = child
                }
                if least == place { return shard }
                heap.swapAt(place, least)
                place = least
            }
        }
    }
}
