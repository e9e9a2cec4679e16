import JSON
import Model

extension Commands {
    static let bench = Command(
        name: "bench", summary: "measure this machine and this binary",
        discussion: """
            Each benchmark runs once to warm up, then several times; what is shown is the median with the lowest and the
            highest. docs/performance.md holds figures and what they are compared with.

            How long it takes depends on the cores, on the disk below --state, and on --repeat: each benchmark prepares
            anew every time, and does its work once more than it is measured. Some take seconds, some minutes
            (gates.records, run.shards, artifact…): --filter takes those that you want, --repeat 1 is the shortest. Those
            called large… are left out unless named, for they fill a store with ten million shards first.

              sheaf bench --filter store --repeat 3
            """,
        options: [
            .value("filter", "TEXT", "only benchmarks whose name contains it"),
            .value("repeat", "N", "times that each is measured; 5 by default"),
            .value("state", "FOLDER", "on whose disk what is stored is stored; /tmp by default"),
            .value("format", "text|json", "how to show it"),
        ],
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let repetitions = try arguments.number("repeat", in: 1...1000) ?? 5
            let filter = arguments.value("filter") ?? ""
            let chosen = (Benchmark.all + (filter.hasPrefix("large") ? Benchmark.large : [])).filter {
                filter.isEmpty || $0.name.contains(filter)
            }
            defer { LargeStore.shared.remove() }
            guard !chosen.isEmpty else {
                throw UsageError(
                    "no benchmark is called '\(filter)'",
                    help: "there are " + (Benchmark.all + Benchmark.large).map(\.name).joined(separator: ", "))
            }
            let machine = BenchMachine.here()
            if format == "text" { Terminal.print("\(Help.version), \(machine.text)\n\n\(Figure.heading)") }
            var figures: [Figure] = []
            for benchmark in chosen {
                let scratch = try BenchFolder(in: arguments.value("state") ?? "/tmp")
                let figure = try await benchmark.measure(repetitions, in: scratch)
                if format == "text" { Terminal.print(figure.line) }
                figures.append(figure)
            }
            if format == "json" { Terminal.write(Figure.json(figures, on: machine)) }
            return .passed
        })
}

/// Something that can be measured: how much of it happens in a second, or how much one of it takes.
struct Benchmark: Sendable {
    /// What one repetition measured, in the benchmark's unit.
    struct Sample {
        var value: Double

        init(_ value: Double) { self.value = value }

        /// How much was done in a second.
        init(work: Double, taken: Duration) { value = work / max(1e-9, taken.inSeconds) }
    }

    /// `room.what`.
    var name: String
    /// Of the figure: `cells/s`, the more the better; `ms`, `bytes`, the less the better.
    var unit: String
    /// One line: what is done, how much of it.
    var what: String
    /// Prepares, works and says how long the work alone took.
    var run: @Sendable (_ scratch: BenchFolder) async throws -> Sample

    static let all = decisions + judging + bytes + farm + coordinator + connections

    func measure(_ repetitions: Int, in scratch: BenchFolder) async throws -> Figure {
        _ = try await run(scratch)
        var rates: [Double] = []
        for _ in 0..<repetitions {
            rates.append(try await run(scratch).value)
        }
        return Figure(name: name, unit: unit, what: what, rates: rates)
    }
}

/// What was measured, repetition by repetition.
struct Figure {
    var name: String
    var unit: String
    var what: String
    var rates: [Double]

    static let heading = pad("benchmark", 22) + "      median        lowest       highest  unit"

    var median: Double {
        let sorted = rates.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    var line: String {
        let numbers = [median, rates.min() ?? 0, rates.max() ?? 0].map { Self.padded(Self.text($0), 12) }
        return Self.pad(name, 22) + numbers.joined(separator: "  ") + "  \(unit): \(what)"
    }

    static func json(_ figures: [Figure], on machine: BenchMachine) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("sheaf_bench")
        writer.integer(1)
        writer.key("software")
        writer.string(Help.version)
        writer.key("machine")
        writer.value(machine.value)
        writer.key("figures")
        writer.beginArray()
        for figure in figures {
            writer.beginObject()
            for (key, text) in [("name", figure.name), ("unit", figure.unit), ("what", figure.what)] {
                writer.key(key)
                writer.string(text)
            }
            writer.key("median")
            writer.number(figure.median)
            writer.key("repetitions")
            writer.beginArray()
            for rate in figure.rates { writer.number(rate) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        writer.newline()
        return writer.bytes
    }

    /// Three digits that mean something, no fractions of large numbers.
    private static func text(_ number: Double) -> String {
        guard number < 100 else { return String(Int(number.rounded())) }
        let tenths = Int((number * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
