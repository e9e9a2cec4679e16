import Foundation
import Gates
import Model
import Testing

private func one<Content>(of all: [Content], _ random: inout SplitMix64) -> Content {
    all[Int.random(in: all.indices, using: &random)]
}

@Suite struct `A table of items` {
    private func random(_ random: inout SplitMix64) -> Item {
        let names = ["a", "b", "c", "dé"]
        var entries: [Item.Entry] = []
        for name in names.shuffled(using: &random).prefix(Int.random(in: 0...4, using: &random)) {
            let refused = RefusedMetric(text: "NaN", reason: "not a number", file: "f", line: 3)
            let number: Item.Number =
                Int.random(in: 0..<8, using: &random) == 0
                ? .refused(refused) : .number(Double(Int.random(in: -3...3, using: &random)) / 4)
            entries.append(Item.Entry(name, number))
        }
        return Item(
            id: one(of: ["", "é", "q"], &random) + "\(Int.random(in: 0..<50, using: &random))",
            digest: Bool.random(using: &random) ? nil : "d\(Int.random(in: 0..<3, using: &random))", entries: entries)
    }

    /// What it holds is what a plain array of the same items holds, whatever is done to both.
    @Test func `is an array of items to whom reads it`() {
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            var plain: [Item] = []
            var table = ItemTable()
            for _ in 0..<40 {
                let item = self.random(&random)
                switch Int.random(in: 0..<7, using: &random) {
                case 0 where !plain.isEmpty:
                    let place = Int.random(in: plain.indices, using: &random)
                    plain.remove(at: place)
                    table.remove(at: place)
                case 1 where !plain.isEmpty:
                    let place = Int.random(in: plain.indices, using: &random)
                    plain[place] = item
                    table[place] = item
                case 2 where plain.contains { !$0.entries.isEmpty }:
                    guard let place = plain.firstIndex(where: { !$0.entries.isEmpty }) else { break }
                    plain[place].entries[0].number = .number(7)
                    table[place].entries[0].number = .number(7)
                case 3:
                    let more = (0..<3).map { _ in self.random(&random) }
                    plain += more
                    table.append(contentsOf: ItemTable(more))
                default:
                    plain.append(item)
                    table.append(item)
                }
            }
            #expect(Array(table) == plain, "seed \(seed)")
            #expect(table == ItemTable(plain) || table.names != ItemTable(plain).names, "seed \(seed)")
            for name in ["a", "b", "c", "dé", "none"] {
                let numbers = plain.map { item -> Double? in
                    guard case .number(let number)? = item.entries.first(where: { $0.name == name })?.number else {
                        return nil
                    }
                    return number
                }
                let mentions = plain.map { item in item.entries.contains { $0.name == name } }
                let refused = plain.firstIndex { item in
                    item.entries.contains { entry in
                        if case .refused = entry.number { entry.name == name } else { false }
                    }
                }
                let column = table.column(name)
                #expect((column != nil) == mentions.contains(true), "seed \(seed)")
                guard let column else { continue }
                #expect(column.values.map { $0.isNaN ? nil : $0 } == numbers, "seed \(seed)")
                #expect(column.lacking == mentions.count { !$0 } && column.refused?.item == refused, "seed \(seed)")
            }
        }
    }

    @Test func `takes a name that stands twice as several values`() {
        let table: ItemTable = [Item(id: "a", entries: [.init("m", .number(1)), .init("m", .number(1))])]
        #expect(table[0].entries.count == 1)
        guard case .refused(let refused) = table[0].entries[0].number else { return #expect(Bool(false)) }
        #expect(refused.reason == "several values")
    }

    /// An id that only looks the same (é in one character, or in two) is another item.
    @Test func `keeps ids that only look the same apart`() {
        let job = job(items: 2)
        let items = [Item(id: "\u{E9}", entries: [.init("accuracy", .number(1))])]
        let both = items + [Item(id: "e\u{301}", entries: [.init("accuracy", .number(1))])]
        let rule = GateRule(name: "g", metric: "accuracy", limits: [.atLeast(0.5)])
        #expect(judge([rule], results: run(job, [passed(job, items: both)])).verdict == .pass)
        let twice = judge([rule], results: run(job, [passed(job, items: items + items)]))
        #expect(twice.verdict == .fail && twice.gates[0].groups[0].reason.contains("reported twice"))
    }
}

/// Usual records are read without a tree: what they mean must be what the full reader, which a needless escape in a key asks
/// for, makes of the same text.
@Suite struct `Reading records without a tree` {
    private static let pieces = [
        "{", "}", "\"id\"", "\"digest\"", "\"a\"", "\"b\"", ":", ",", "\"q1\"", "\"q\u{E9}\"", "1", "0", "17", "01",
        "-1", "1.5",
        "8.4e-1", "1e400", "NaN", "null", "true", "[]", " ", "\t", "\"\"", "\"x\\n\"", "\r", "{}", "1e", ".5",
        "\"id\": 3",
        "123456789012345678901234567890", "0.1000000000000000055511151231257827", "\"\u{1}\"",
    ]

    private func line(_ random: inout SplitMix64) -> String {
        if Int.random(in: 0..<3, using: &random) == 0 {
            return (0..<Int.random(in: 1...12, using: &random)).map { _ in one(of: Self.pieces, &random) }
                .joined()
        }
        var members = [#""id": "q\#(Int.random(in: 0..<9, using: &random))""#]
        let values = ["1", "0", "0.25", "-3e2", "1E+2", "null", "\"x\"", "9007199254740993", "1e-400", "00", "2 ", "7"]
        for name in ["a", "b", "digest", "id", "a"].shuffled(using: &random)
            .prefix(Int.random(in: 0...3, using: &random))
        {
            members.append("\"\(name)\":\(one(of: values, &random))")
        }
        return "{"
            + members.shuffled(using: &random).joined(separator: one(of: [", ", ",", " ,\t"], &random))
            + one(of: ["}", "} ", "}\r", "}}", "} 1", ""], &random)
    }

    @Test func `of item files gives what the full reader gives`() {
        var plain = 0
        for seed in UInt64(0)..<20_000 {
            var random = SplitMix64(seed: seed)
            let text = line(&random)
            let fast = ItemsFile.read(Array(text.utf8), file: "i")
            let slow = ItemsFile.read(
                Array(text.replacing("\"id\"", with: #""\u0069d""#).utf8), file: "i")
            #expect(Array(fast.items) == Array(slow.items), "seed \(seed): \(text)")
            #expect((fast.problem == nil) == (slow.problem == nil), "seed \(seed): \(text)")
            #expect(fast.problem?.reason == slow.problem?.reason, "seed \(seed): \(text)")
            if fast.problem == nil { plain += 1 }
        }
        #expect(plain > 4_000, "few lines were items")
    }

    @Test func `of results gives what the full reader gives`() {
        var read = 0
        for seed in UInt64(0)..<20_000 {
            var random = SplitMix64(seed: seed)
            let count = Int.random(in: 0...3, using: &random)
            let items = (0..<count).map { _ in line(&random) }.joined(separator: ",")
            var members = [
                #""job":"eval""#, #""shard":0"#, #""cause":"passed""#, #""metrics":{"items":[1]}"#,
                #""items":[\#(items)]"#,
            ]
            if Int.random(in: 0..<4, using: &random) == 0 { members.append(#""assigned":"reported""#) }
            if Int.random(in: 0..<9, using: &random) == 0 { members.append(#""items":[]"#) }
            if Int.random(in: 0..<9, using: &random) == 0 { members.append(#""cell_id":"items""#) }
            let text = "{" + members.shuffled(using: &random).joined(separator: ",") + "}"
            let slowly = text.replacing("\"items\":", with: #""it\u0065ms":"#)
            let result = { (text: String) in
                Result { () throws -> ResultsFile in try ResultsFile.read(Array(text.utf8), file: "r") }
            }
            switch (result(text), result(slowly)) {
            case (.success(let fast), .success(let slow)):
                read += 1
                #expect(fast == slow, "seed \(seed): \(text)")
            case (.failure(let fast), .failure(let slow)):
                let (fast, slow) = (fast as? ResultsFileError, slow as? ResultsFileError)
                // Columns differ by the escapes.
                let problem = { (error: ResultsFileError?) in
                    error?.problem.prefix { $0 != ":" }.filter { !$0.isNumber }
                }
                #expect(problem(fast) == problem(slow), "seed \(seed): \(text)")
            default: #expect(Bool(false), "seed \(seed): \(text)")
            }
        }
        #expect(read > 2_000, "few lines were results")
    }

    @Test func `keeps the limits of items files`() {
        let many = (0..<ItemsFile.metricsMax + 5).map { #"{"id":"q\#($0)","m\#($0)":1}"# }.joined(separator: "\n")
        let read = ItemsFile.read(Array(many.utf8), file: "i")
        #expect(read.problem?.reason == "more than 10000 metrics")
        #expect(
            ItemsFile.read(Array(#"{"id":"\#(String(repeating: "x", count: 1024))"}"#.utf8), file: "i").problem == nil)
        #expect(
            ItemsFile.read(Array(#"{"id":"\#(String(repeating: "x", count: 1025))"}"#.utf8), file: "i").problem != nil)
        let wide = #"{"id":"q",\#(String(repeating: " ", count: ItemsFile.lineBytesMax))"m":1}"#
        #expect(ItemsFile.read(Array(wide.utf8), file: "i").problem?.reason.hasPrefix("a line longer") == true)
    }
}
