/// A set of numbers that come in runs: shards of a cell that are queued, or settled. Stored as ranges, in order.
struct RangeList: Sendable, Equatable {
    /// Not empty, ascending, with a gap between neighbours.
    private(set) var ranges: [Range<Int>] = []
    private(set) var count = 0

    init(_ range: Range<Int> = 0..<0) {
        insert(range)
    }

    var isEmpty: Bool { ranges.isEmpty }
    var first: Int? { ranges.first?.lowerBound }

    func contains(_ number: Int) -> Bool {
        let at = position(endingAfter: number)
        return at < ranges.count && ranges[at].contains(number)
    }

    /// Adds all of a range, whatever of it is there already.
    mutating func insert(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        // Neighbours that touch the range become one with it.
        let from = position(endingAfter: range.lowerBound - 1)
        var to = from
        var joined = range
        while to < ranges.count && ranges[to].lowerBound <= range.upperBound {
            joined = min(joined.lowerBound, ranges[to].lowerBound)..<max(joined.upperBound, ranges[to].upperBound)
            count -= ranges[to].count
            to += 1
        }
        count += joined.count
        // Nearly always a range grows, or two become one.
        if to == from { return ranges.insert(joined, at: from) }
        ranges[from] = joined
        for index in (from + 1..<to).reversed() { ranges.remove(at: index) }
    }

    /// Takes out whatever of a range is there.
    mutating func remove(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let from = position(endingAfter: range.lowerBound)
        var to = from
        var rest: [Range<Int>] = []
        while to < ranges.count && ranges[to].lowerBound < range.upperBound {
            let old = ranges[to]
            count -= old.count
            if old.lowerBound < range.lowerBound { rest.append(old.lowerBound..<range.lowerBound) }
            if old.upperBound > range.upperBound { rest.append(range.upperBound..<old.upperBound) }
            to += 1
        }
        count += rest.reduce(0) { $0 + $1.count }
        if to == from + 1 && rest.count == 1 {
            ranges[from] = rest[0]
        } else if to > from {
            ranges.replaceSubrange(from..<to, with: rest)
        }
    }

    /// The index of the first range that ends after `number`.
    private func position(endingAfter number: Int) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
