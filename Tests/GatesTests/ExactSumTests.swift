import Gates
import Model
import Testing

@Suite struct `An exact sum` {
    private func sum(_ numbers: [Double]) -> Double {
        var sum = ExactSum()
        for number in numbers { sum.add(number) }
        return sum.value
    }

    @Test func `loses nothing to cancellation`() {
        #expect(sum([1e308, 1, -1e308]) == 1)
        #expect(sum([1e16, 1, 1, -1e16]) == 2)
        #expect(sum(Array(repeating: 0.1, count: 10)) == 1)
        #expect(sum([.leastNonzeroMagnitude, 1e300, -1e300]) == .leastNonzeroMagnitude)
        #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]).isFinite)
        #expect(sum([]) == 0)
        #expect(sum([-0.0]) == 0)
    }

    @Test func `rounds ties to even, and says when the range ends`() {
        let half = Double(sign: .plus, exponent: -53, significand: 1)
        let next = Double(1).nextUp
        #expect(sum([1, half]) == 1)
        #expect(sum([1, half, .leastNonzeroMagnitude]) == next)
        #expect(sum([next, half]) == next.nextUp)
        #expect(sum([-1, -half]) == -1)
        #expect(sum([-1, -half, -.leastNonzeroMagnitude]) == -next)
        #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude]) == .infinity)
    }

    /// The oracle is Shewchuk's algorithm of non-overlapping partial sums, which shares nothing with the code.
    @Test func `agrees with partial sums over all magnitudes`() {
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            let numbers = (0..<Int.random(in: 1...40, using: &random)).map { _ in Self.anyDouble(&random) }
            #expect(sum(numbers) == Self.partialSums(numbers), "seed \(seed)")
            #expect(sum(numbers.shuffled(using: &random)) == sum(numbers), "seed \(seed)")
        }
    }

    @Test func `divides with one rounding`() {
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            let count = Int.random(in: 1...1_000_000, using: &random)
            let total = Int.random(in: -(1 << 50)...(1 << 50), using: &random)
            var sum = ExactSum()
            sum.add(Double(total))
            // Of two numbers that doubles hold exactly, the hardware's quotient is rounded once too.
            #expect(sum.divided(by: count) == Double(total) / Double(count), "seed \(seed)")
        }
        var tiny = ExactSum()
        tiny.add(.leastNonzeroMagnitude)
        #expect(tiny.divided(by: 2) == 0)
        #expect(tiny.divided(by: 1) == .leastNonzeroMagnitude)
    }

    @Test func `keeps squares exactly`() {
        for seed in UInt64(0)..<200 {
            var random = SplitMix64(seed: seed)
            let numbers = (0..<50).map { _ in Int.random(in: -30_000...30_000, using: &random) }
            var moments = Moments()
            for number in numbers { moments.add(Double(number)) }
            let total = numbers.reduce(0, +)
            let squares = numbers.reduce(0) { $0 + $1 * $1 }
            #expect(moments.mean == Double(total) / 50)
            #expect(moments.squaredDeviations == Double(50 * squares - total * total) / 50, "seed \(seed)")
        }
        // Two far values that differ by little: the textbook formula in doubles gives 0 or worse.
        var moments = Moments()
        for number in [1e8 + 1, 1e8 + 2, 1e8 + 3] { moments.add(number) }
        #expect(moments.variance == 1)
        var extremes = Moments()
        for number in [1e-200, 3e-200] { extremes.add(number) }
        #expect(extremes.squaredDeviations == 0)
        var large = Moments()
        for number in [1e200, 3e200] { large.add(number) }
        #expect(large.squaredDeviations == .infinity)
    }

    @Test func `merges in any split to the same bits`() {
        for seed in UInt64(0)..<100 {
            var random = SplitMix64(seed: seed)
            let numbers = (0..<200).map { _ in Self.anyDouble(&random) }
            var whole = Moments()
            for number in numbers { whole.add(number) }
            var parts = (0..<Int.random(in: 1...20, using: &random)).map { _ in Moments() }
            for number in numbers.shuffled(using: &random) {
                parts[Int.random(in: parts.indices, using: &random)].add(number)
            }
            var merged = Moments()
            for part in parts.shuffled(using: &random) { merged.merge(part) }
            #expect(merged == whole, "seed \(seed)")
        }
    }

    static func anyDouble(_ random: inout SplitMix64) -> Double {
        while true {
            let number = Double(bitPattern: random.next())
            if number.isFinite && number.magnitude < 1e300 { return number }
        }
    }

    static func partialSums(_ numbers: [Double]) -> Double {
        var partials: [Double] = []
        for number in numbers {
            var x = number
            var kept: [Double] = []
            for partial in partials {
                let (large, small) = x.magnitude >= partial.magnitude ? (x, partial) : (partial, x)
                let high = large + small
                let low = small - (high - large)
                if low != 0 { kept.append(low) }
                x = high
            }
            partials = kept + [x]
        }
        // The partials do not overlap; added from the top, the first inexact sum decides, with a look at what is below.
        guard var high = partials.popLast() else { return 0 }
        var low = 0.0
        while let next = partials.popLast() {
            let x = high
            high = x + next
            low = next - (high - x)
            if low != 0 { break }
        }
        if let next = partials.last, (low < 0 && next < 0) || (low > 0 && next > 0) {
            let doubled = low * 2
            let x = high + doubled
            if doubled == x - high { high = x }
        }
        return high
    }
}

@Suite struct `A figure` {
    @Test func `is what a person would write`() {
        let rows: [(Double, String)] = [
            (0.9412, "0.9412"), (0.85, "0.85"), (0, "0"), (1, "1"), (1250, "1250"), (-0.5, "-0.5"),
            (0.123456789, "0.123457"), (0.9999999, "1"), (999999.9, "1000000"), (1234567.5, "1234570"),
            (1.3e-9, "1.3e-9"), (0.00012, "0.00012"), (1e16, "1e16"), (2.5e300, "2.5e300"), (100, "100"),
        ]
        for (number, text) in rows { #expect(Figure.text(number) == text) }
    }

    @Test func `tells different numbers apart`() {
        let (a, b) = Figure.pair(0.85, 0.8499999999)
        #expect(a == "0.85" && b == "0.8499999999")
        #expect(Figure.pair(0.5, 0.25) == ("0.5", "0.25"))
        let (c, d) = Figure.pair(0.1, Double(0.1).nextUp)
        #expect(c != d)
    }
}
