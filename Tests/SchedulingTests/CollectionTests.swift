import Model
import Testing

@testable import Scheduling

@Suite struct `The farm's collections` {
    @Test func `keep keys in order, like a sorted set`() {
        for seed in UInt64(0)..<100 {
            var random = SplitMix64(seed: seed)
            var keys = OrderedKeys<Int>()
            var model: Set<Int> = []
            for _ in 0..<300 {
                let key = Int.random(in: 0..<80, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1: #expect(keys.insert(key) == model.insert(key).inserted)
                case 2: #expect(keys.remove(key) == (model.remove(key) != nil))
                default:
                    #expect(keys.popFirst() == model.min())
                    model.min().map { _ = model.remove($0) }
                }
                #expect(Array(keys.elements) == model.sorted() && keys.count == model.count, "seed \(seed)")
                #expect(keys.contains(key) == model.contains(key))
                #expect(Array(keys.elements(from: key)) == model.filter { $0 >= key }.sorted())
            }
        }
    }

    @Test func `keep ranges apart and joined, like a set of numbers`() {
        for seed in UInt64(0)..<100 {
            var random = SplitMix64(seed: seed)
            var list = RangeList()
            var model: Set<Int> = []
            for _ in 0..<200 {
                let low = Int.random(in: -1..<60, using: &random)
                let range = low..<low + Int.random(in: 0..<9, using: &random)
                if Bool.random(using: &random) {
                    list.insert(range)
                    model.formUnion(range)
                } else {
                    list.remove(range)
                    model.subtract(range)
                }
                #expect(list.ranges.flatMap { Array($0) } == model.sorted(), "seed \(seed)")
                #expect(list.count == model.count && list.first == model.min() && list.isEmpty == model.isEmpty)
                #expect(zip(list.ranges, list.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
                #expect(list.contains(low) == model.contains(low))
            }
        }
    }

    @Test func `bring timers out in time, and those of one time in the order in which they went in`() {
        for seed in UInt64(0)..<50 {
            var random = SplitMix64(seed: seed)
            var timers = Timers()
            var added: [(at: Int64, index: Int)] = []
            for index in 0..<200 {
                let at = Int64.random(in: 0..<20, using: &random)
                timers.add(.pause(agent: index), at: .seconds(at))
                added.append((at, index))
            }
            var popped: [Int] = []
            for second in Int64(0)..<20 {
                while let matter = timers.popDue(.seconds(second)) {
                    if case .pause(let index) = matter { popped.append(index) }
                }
            }
            #expect(popped == added.sorted { ($0.at, $0.index) < ($1.at, $1.index) }.map(\.index), "seed \(seed)")
            #expect(timers.earliest == nil)
        }
    }

    @Test func `stop clocks with their limits`() {
        var clock = RunnableClock()
        clock.set(.withJob, now: 10, job: 3)
        #expect(clock.reading(20, job: 8) == 5)
        clock.set(.stopped, now: 20, job: 8)
        #expect(clock.reading(90, job: 50) == 5)
        clock.set(.always, now: 100, job: 50)
        #expect(clock.reading(107, job: 50) == 12)
    }
}
