import Foundation
import Gates
import Testing

/// Every statistical function against what SciPy and R answer; reference.py wrote the table.
@Suite struct `The statistics` {
    struct Case {
        var function: String
        /// Numbers, each a list of one or more.
        var arguments: [[Double]]
        var answers: [Double]
        var source: String
        var line: Int

        func number(_ place: Int) -> Double { arguments[place][0] }
        func whole(_ place: Int) -> Int { Int(arguments[place][0]) }
    }

    static let cases: [Case] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Reference/reference.tsv")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").enumerated().compactMap { index, line in
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard parts.count == 4 else { return nil }
            let numbers = { (text: Substring) in
                text.split(separator: " ").map { $0.split(separator: ",").map { Double($0) ?? .nan } }
            }
            return Case(
                function: String(parts[0]), arguments: numbers(parts[1]), answers: numbers(parts[2]).map { $0[0] },
                source: String(parts[3]), line: index + 1)
        }
    }()

    static func answers(_ row: Case) -> [Double?] {
        let arguments = row.arguments
        let number = row.number
        let whole = row.whole
        let difference = LinearLimit(candidate: 1, baseline: -1, most: arguments[0][0])
        switch row.function {
        case "normal_above": return [Distribution.normalAbove(number(0))]
        case "normal_quantile": return [Distribution.normalQuantile(number(0))]
        case "student_above": return [Distribution.studentAbove(number(0), freedom: number(1))]
        case "student_quantile": return [Distribution.studentQuantile(number(0), freedom: number(1))]
        case "binomial_at_least": return [Distribution.binomial(atLeast: whole(0), of: whole(1), share: number(2))]
        case "hypergeometric_at_least":
            return [
                Distribution.hypergeometric(atLeast: whole(0), drawn: whole(1), marked: whole(2), total: whole(3))
            ]
        case "mcnemar":
            let shares = PairedShares(count: 10_000, losses: whole(0), gains: whole(1))
            let test = shares.exactTest(rate: 0.05)
            return [test?.beyond, test?.within]
        case "tango_interval":
            let shares = PairedShares(count: whole(2), losses: whole(0), gains: whole(1))
            let ends = shares.scoreInterval(rate: number(3))
            return [ends?.low, ends?.high]
        case "tango_test":
            let shares = PairedShares(count: whole(2), losses: whole(0), gains: whole(1))
            let test = shares.scoreTest(limit: number(3), rate: 0.05)
            return [test?.beyond, test?.within]
        case "paired_t":
            let test = StudentTest.paired(SampleMean(arguments[2]), limit: number(0), scale: 1, rate: number(1))
            return [test?.beyond, test?.within, test?.low, test?.high]
        case "sign_flips":
            let test = SignFlips(arguments[1]).test(limit: number(0), rate: 0.05)
            return [test.beyond, test.within]
        case "welch":
            let test = StudentTest.welch(
                SampleMean(arguments[2]), SampleMean(arguments[3]), difference, rate: number(1))
            return [test?.beyond, test?.within, test?.low, test?.high]
        case "mann_whitney":
            let test = RankTest(arguments[1], above: arguments[2]).test(limit: number(0), rate: 0.05)
            return [test?.beyond, test?.within]
        case "hodges_lehmann": return [RankTest(arguments[0], above: arguments[1]).shift]
        case "hodges_lehmann_interval":
            let test = RankTest(arguments[1], above: arguments[2]).test(limit: 0, rate: number(0))
            return [test?.low, test?.high]
        case "newcombe", "newcombe_printed":
            let shares = UnpairedShares(
                candidate: Share(part: whole(0), count: whole(1)), baseline: Share(part: whole(2), count: whole(3)))
            let difference = LinearLimit(candidate: 1, baseline: -1, most: 0)
            let test = shares.test(difference, rate: number(4))
            return [test?.low, test?.high]
        case "holm": return Family.holm(arguments[0], of: arguments[0].count)
        case "benjamini_hochberg": return Family.benjaminiHochberg(arguments[0], of: arguments[0].count)
        default: return []
        }
    }

    @Test func `agree with SciPy and R`() {
        #expect(Self.cases.count > 150)
        for row in Self.cases {
            let answers = Self.answers(row)
            #expect(answers.count == row.answers.count, "line \(row.line): \(row.function) is not known")
            for (ours, theirs) in zip(answers, row.answers) {
                // What comes from a search ends a little beside; a book prints four decimals.
                let (relative, absolute) =
                    switch row.function {
                    case "tango_interval", "tango_test": (1e-6, 1e-7)
                    case "newcombe_printed": (0, 0.00006)
                    default: (1e-9, 1e-14)
                    }
                guard let ours, (ours - theirs).magnitude <= max(relative * theirs.magnitude, absolute) else {
                    Issue.record("line \(row.line): \(row.function) is \(ours as Any), \(row.source) says \(theirs)")
                    continue
                }
            }
        }
        let known: Set<String> = Set(Self.cases.map(\.function))
        #expect(known.count == 19, "each function of the table has cases")
    }

    @Test func `have no answer outside their domains, and never trap`() {
        for bad in [Double.nan, .infinity, -.infinity, -1, 0, 1, 2, 1e308] {
            for other in [Double.nan, -1, 0, 0.5, .infinity] {
                _ = Distribution.normalAbove(bad)
                _ = Distribution.studentAbove(bad, freedom: other)
                _ = Distribution.studentQuantile(bad, freedom: other)
                _ = Distribution.binomial(atLeast: 3, of: 7, share: bad)
                _ = Distribution.exp(bad)
            }
            #expect((bad > 0 && bad < 1) == (Distribution.normalQuantile(bad) != nil))
        }
        #expect(Distribution.normalAbove(.nan) == nil && Distribution.normalAbove(.infinity) == 0)
        #expect(Distribution.studentAbove(1, freedom: 0) == nil)
        #expect(Distribution.binomial(atLeast: 1, of: -1, share: 0.5) == nil)
        #expect(Distribution.binomial(atLeast: .max, of: 5, share: 0.5) == 0)
        #expect(Distribution.hypergeometric(atLeast: 1, drawn: 5, marked: 9, total: 8) == nil)
        #expect(Distribution.hypergeometric(atLeast: 1, drawn: 5, marked: 9, total: .max) == nil)
        #expect(Distribution.log(0) == nil && Distribution.log(-1) == nil && Distribution.exp(1000) == nil)
    }

    @Test func `take rounding for no difference, and constants for certain`() {
        let values: [Double] = (0..<40).map { (index: Int) -> Double in
            let value = Double(index) / 10
            return value - (value - 0.02)
        }
        let same = SampleMean(values)
        let equal = StudentTest.paired(same, limit: 0.02, scale: 4, rate: 0.05)
        #expect(equal?.beyond == 1 && equal?.within == 1)
        let worse = StudentTest.paired(same, limit: 0.01, scale: 4, rate: 0.05)
        #expect(worse?.beyond == 0 && worse?.within == 1)
        let better = StudentTest.paired(same, limit: 0.03, scale: 4, rate: 0.05)
        #expect(better?.beyond == 1 && better?.within == 0)
        #expect(StudentTest.paired(SampleMean([1]), limit: 0, scale: 1, rate: 0.05) == nil)
    }

    /// An interval's ends are where the test that it belongs to turns.
    @Test func `give intervals that belong to their tests`() {
        var random = SeededNumbers(7)
        for _ in 0..<60 {
            let values = (0..<Int.random(in: 5...20, using: &random)).map { _ in
                Double.random(in: -1...1, using: &random)
            }
            let flips = SignFlips(values)
            let ends = flips.test(limit: 0, rate: 0.05)
            #expect(flips.test(limit: ends.low - 1e-6, rate: 0.05).beyond <= 0.05)
            #expect(flips.test(limit: ends.low + 1e-6, rate: 0.05).beyond > 0.05)
            #expect(flips.test(limit: ends.high + 1e-6, rate: 0.05).within <= 0.05)
            #expect(flips.test(limit: ends.high - 1e-6, rate: 0.05).within > 0.05)
            let count = Int.random(in: 5...300, using: &random)
            let losses = Int.random(in: 0...count / 2, using: &random)
            let shares = PairedShares(
                count: count, losses: losses, gains: Int.random(in: 0...count / 2, using: &random))
            let score = shares.scoreInterval(rate: 0.05) ?? (0, 0)
            let edges: [(Double, KeyPath<TestResult, Double>)] = [(score.low, \.beyond), (score.high, \.within)]
            for (end, p) in edges where end > -0.99 && end < 0.99 {
                let reached = shares.scoreTest(limit: end, rate: 0.05)?[keyPath: p] ?? 0
                #expect((reached - 0.05).magnitude < 1e-6)
            }
            let part = { (random: inout SeededNumbers) in
                let count = Int.random(in: 1...200, using: &random)
                return Share(part: Int.random(in: 0...count, using: &random), count: count)
            }
            let unpaired = UnpairedShares(candidate: part(&random), baseline: part(&random))
            var limit = LinearLimit(candidate: -1, baseline: 1, most: 0)
            let newcombe = unpaired.test(limit, rate: 0.05) ?? TestResult(beyond: 0, within: 0, low: 0, high: 0)
            limit.most = newcombe.low
            let beyond = unpaired.test(limit, rate: 0.05)?.beyond ?? 0
            #expect((beyond - 0.05).magnitude < 1e-6)
        }
    }
}
