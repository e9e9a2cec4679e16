import Model

/// Chooses few points of a matrix so that every tuple of values that can occur does occur.
///
/// Greedy: the point that covers most of what is still uncovered comes next, several times from different orders; then
/// points whose tuples others cover too are dropped. The smallest result wins. The same matrix gives the same points.
struct CoverSearch {
    /// Points that may be chosen from.
    static let pointsMax = 200_000
    /// Tuples of one cover.
    static let tuplesMax = 5_000_000
    /// Tuples looked at in all tries together: a bound on time that is the same on every machine.
    private static let lookupsMax = 40_000_000
    private static let triesMax = 40

    let sizes: [Int]
    let points: Matrix.Points
    private let subsets: [Subset]
    /// Tuples that occur in some point, by number.
    private var isFeasible: [Bool]
    private let feasibleCount: Int
    private var lookups = 0

    /// A choice of axes; its tuples are numbered from `first` on.
    struct Subset {
        var axes: [Int]
        var strides: [Int]
        var first: Int
        var count: Int
    }

    /// - Returns: `nil` where there are more tuples than anybody wants to see.
    init?(sizes: [Int], points: Matrix.Points, strength: Int) {
        self.sizes = sizes
        self.points = points
        var subsets: [Subset] = []
        var total = 0
        for axes in Self.choices(of: min(strength, sizes.count), among: sizes.count) {
            var strides: [Int] = []
            var count = 1
            for axis in axes.reversed() {
                strides.insert(count, at: 0)
                let (next, overflow) = count.multipliedReportingOverflow(by: sizes[axis])
                guard !overflow, next <= Self.tuplesMax else { return nil }
                count = next
            }
            subsets.append(Subset(axes: axes, strides: strides, first: total, count: count))
            total += count
            guard total <= Self.tuplesMax else { return nil }
        }
        self.subsets = subsets
        var isFeasible = [Bool](repeating: false, count: total)
        for point in 0..<points.count {
            for subset in subsets { isFeasible[Self.number(subset, points, point)] = true }
        }
        self.isFeasible = isFeasible
        feasibleCount = isFeasible.count { $0 }
    }

    var tupleCount: Int { isFeasible.count }

    /// Sorted positions of the chosen points, `always` among them.
    mutating func chosen(always: [Int]) -> [Int] {
        var best: [Int]?
        var random = SplitMix64(seed: 0x5EAF)
        for attempt in 0..<Self.triesMax {
            var order = Array(0..<points.count)
            if attempt > 0 { order.shuffle(using: &random) }
            let found = pruned(greedy(order, always: always), keeping: Set(always))
            if best.map({ found.count < $0.count }) ?? true { best = found }
            if best?.count ?? 0 <= lowerBound || lookups > Self.lookupsMax { break }
        }
        return (best ?? []).sorted()
    }

    /// No cover is smaller: each feasible tuple of one choice of axes needs a point of its own.
    var lowerBound: Int {
        subsets.map { subset in (0..<subset.count).count { isFeasible[subset.first + $0] } }.max() ?? 0
    }

    // MARK: numbers

    private static func number(_ subset: Subset, _ points: Matrix.Points, _ point: Int) -> Int {
        var number = subset.first
        let start = point * points.width
        for index in subset.axes.indices {
            number += Int(points.places[start + subset.axes[index]]) * subset.strides[index]
        }
        return number
    }

    /// All choices of `count` numbers below `size`, in order.
    static func choices(of count: Int, among size: Int) -> [[Int]] {
        guard count > 0 else { return [[]] }
        guard count <= size else { return [] }
        return (0...(size - count)).flatMap { first in
            choices(of: count - 1, among: size - first - 1).map { [first] + $0.map { $0 + first + 1 } }
        }
    }

    // MARK: search

    private mutating func gain(_ point: Int, _ isCovered: [Bool]) -> Int {
        lookups += subsets.count
        var gain = 0
        for subset in subsets where !isCovered[Self.number(subset, points, point)] { gain += 1 }
        return gain
    }

    private mutating func greedy(_ order: [Int], always: [Int]) -> [Int] {
        var isCovered = [Bool](repeating: false, count: tupleCount)
        var left = feasibleCount
        func take(_ point: Int) {
            for subset in subsets {
                let number = Self.number(subset, points, point)
                if !isCovered[number] {
                    isCovered[number] = true
                    left -= 1
                }
            }
        }
        var chosen = always
        always.forEach(take)
        // Gains only shrink: a point waits in the bucket of its last known gain, and is looked at again when that
        // bucket's turn comes.
        var buckets = [[Int]](repeating: [], count: subsets.count + 1)
        buckets[subsets.count] = order
        var level = subsets.count
        while left > 0, level > 0 {
            var index = 0
            while index < buckets[level].count, left > 0 {
                let point = buckets[level][index]
                index += 1
                let gain = gain(point, isCovered)
                if gain == level {
                    take(point)
                    chosen.append(point)
                } else {
                    buckets[gain].append(point)
                }
            }
            buckets[level] = []
            level -= 1
        }
        return chosen
    }

    /// Without points whose tuples are all covered by others.
    private mutating func pruned(_ chosen: [Int], keeping always: Set<Int>) -> [Int] {
        var times = [Int: Int]()
        for point in chosen {
            for subset in subsets { times[Self.number(subset, points, point), default: 0] += 1 }
        }
        var kept = chosen
        // The last ones cover least.
        for point in chosen.reversed() where !always.contains(point) {
            let numbers = subsets.map { Self.number($0, points, point) }
            guard numbers.allSatisfy({ times[$0] ?? 0 > 1 }) else { continue }
            for number in numbers { times[number]? -= 1 }
            kept.removeAll { $0 == point }
        }
        return kept
    }

    // MARK: evidence

    /// Each tuple with the first chosen point that has it, and the tuples that no point has.
    func evidence(
        for chosen: [Int]
    ) -> (
        covered: [(axes: [Int], items: [Int], cell: Int)], infeasible: [(axes: [Int], items: [Int])]
    ) {
        var witness = [Int: Int]()
        for (cell, point) in chosen.enumerated() {
            for subset in subsets {
                let number = Self.number(subset, points, point)
                if witness[number] == nil { witness[number] = cell }
            }
        }
        var covered: [(axes: [Int], items: [Int], cell: Int)] = []
        var infeasible: [(axes: [Int], items: [Int])] = []
        for subset in subsets {
            for rest in 0..<subset.count {
                let items = zip(subset.axes, subset.strides).map { rest / $1 % sizes[$0] }
                if isFeasible[subset.first + rest] {
                    // A cover that misses a feasible tuple is a fault of the search.
                    guard let cell = witness[subset.first + rest] else {
                        preconditionFailure("a feasible tuple is not covered")
                    }
                    covered.append((subset.axes, items, cell))
                } else {
                    infeasible.append((subset.axes, items))
                }
            }
        }
        return (covered, infeasible)
    }
}
