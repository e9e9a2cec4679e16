import JSON
import Model
import Scheduling
import Simulation

extension Commands {
    static let simulate = Command(
        name: "simulate", summary: "let the farm's scheduler work through a day that you describe",
        discussion: """
            In virtual time, with the scheduler that the coordinator uses: who waits for how long, who uses how much, how
            busy the agents are. FILE says which agents there are and what is submitted; --add asks what more of a kind
            would change. Without FILE: a large farm and a million shards of ten people, within 24 hours.

              sheaf simulate --from-farm --days 7 >week.json
              sheaf simulate week.json --add gpu=2
            """,
        operands: [.init(name: "FILE", help: "agents and loads, in JSON; see docs/cli.md", isOptional: true)],
        options: [
            .flag("from-farm", "print a FILE: the farm's agents, and what its runs of late asked for"),
            .value("days", "N", "with --from-farm: how far back; 7"),
            .value("add", "NAME=N", repeats: true, "so many more agents of a kind of FILE"),
            .value("hours", "N", "how long; what FILE says, or 24"), .value("seed", "N", "of what chance decides"),
            .value("agents", "N", "without FILE: how many agents of 4 cores; 10000"),
            .value("shards", "N", "without FILE: how many shards; 1000000"),
            .value("format", "FORMAT", "text or json"),
        ] + Farming.homeOptions,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            if arguments.has("from-farm") {
                guard arguments.operand(0) == nil else {
                    throw UsageError(
                        "--from-farm makes a FILE and reads none", help: "sheaf simulate --from-farm >week.json")
                }
                let days = try arguments.number("days", in: 1...365) ?? 7
                var writer = JSONWriter(indent: 2)
                writer.value(try await FarmHistory.asked(arguments, days: days).day)
                writer.newline()
                Terminal.write(writer.bytes)
                return .passed
            }
            var day = try day(arguments)
            for pair in arguments.all("add") {
                guard let mark = pair.lastIndex(of: "="), let more = Int(pair[pair.index(after: mark)...]),
                    (1...100_000).contains(more)
                else { throw UsageError("--add \(pair): no number", help: "--add gpu=2") }
                guard let kind = day.agents.firstIndex(where: { $0.name == pair[..<mark] }) else {
                    let known = day.agents.map(\.name).joined(separator: ", ")
                    throw UsageError("--add \(pair): there is no such kind", help: "the kinds are \(known)")
                }
                day.agents[kind].count += more
            }
            if let hours = try arguments.number("hours", in: 1...8760) { day.hours = Double(hours) }
            let seed = UInt64(try arguments.number("seed", in: 0...Int.max) ?? 1)
            var forecast = Forecast(
                agents: day.agents, loads: day.loads, length: .milliseconds(Int64(day.hours * 3_600_000)), seed: seed)
            let answer = forecast.run()
            if format == "json" {
                Terminal.write(ForecastText.json(answer, of: day.loads))
            } else {
                Terminal.print(ForecastText.text(answer, of: day.loads))
            }
            return .passed
        })

    private static func day(_ arguments: Arguments) throws -> SimulatedDay {
        guard let file = arguments.operand(0) else {
            return SimulatedDay(
                agents: try arguments.number("agents", in: 1...100_000) ?? 10_000,
                shards: try arguments.number("shards", in: 10...10_000_000) ?? 1_000_000)
        }
        let bytes = try Files.read(file, bytesMax: 1 << 20)
        do {
            return try SimulatedDay(JSONParser.value(String(decoding: bytes, as: UTF8.self)))
        } catch let error as SimulatedDay.Mistake {
            throw UsageError("\(file): \(error.text)", help: "docs/cli.md has an example")
        } catch {
            throw UsageError("\(file): \(error)")
        }
    }
}

/// What `sheaf simulate` is asked about.
struct SimulatedDay {
    struct Mistake: Error { var text: String }

    var hours = 24.0
    var agents: [Forecast.Agents] = []
    var loads: [Forecast.Load] = []

    /// Ten people, each with as many shards, in runs all over the day; half of the farm's cores are asked for.
    init(agents count: Int, shards: Int) {
        agents = [
            Forecast.Agents(
                name: "node", count: count,
                capacity: Capacity(cpus: 4, memory: .gibibytes(64), labels: ["linux"]))
        ]
        loads = (0..<10).map { user in
            Forecast.Load(
                name: "user\(user)", owner: Principal(role: .user, name: "user\(user)"),
                first: .minutes(Int64(user * 3)), every: .minutes(30), runs: 40, cells: 10,
                shards: max(1, shards / 4000), shortest: .minutes(5), longest: .minutes(55))
        }
    }

    init(_ value: Value) throws(Mistake) {
        let top = try Fields(value, "the file")
        hours = try top.number("hours") ?? 24
        guard hours > 0, hours <= 8760 else { throw Mistake(text: "hours: more than none, and at most 8760") }
        for (index, value) in try top.list("agents").enumerated() {
            agents.append(try Self.agents(Fields(value, "agents[\(index)]")))
        }
        for (index, value) in try top.list("loads").enumerated() {
            loads.append(try Self.load(Fields(value, "loads[\(index)]")))
        }
        try top.finish()
        for (what, names) in [("agents", agents.map(\.name)), ("loads", loads.map(\.name))] {
            if let twice = names.enumerated().first(where: { names.prefix($0.offset).contains($0.element) })?.element {
                throw Mistake(text: "\(what): two are called '\(twice)'; give each a name of its own")
            }
        }
        guard !agents.isEmpty, !loads.isEmpty else { throw Mistake(text: "agents and loads: name at least one each") }
    }

    private static func agents(_ fields: Fields) throws(Mistake) -> Forecast.Agents {
        let gpus = try fields.count("gpus", in: 0...1024) ?? 0
        let model = try fields.text("gpu_model") ?? "GPU"
        let gpuMemory = try fields.size("gpu_memory") ?? .gibibytes(80)
        let made = Forecast.Agents(
            name: try fields.text("name") ?? "agent", count: try fields.count("count", in: 1...100_000) ?? 1,
            team: try fields.text("team"),
            capacity: Capacity(
                cpus: try fields.count("cpus", in: 1...65_535) ?? 1, memory: try fields.size("memory") ?? .zero,
                disk: try fields.size("disk") ?? .zero,
                gpus: (0..<gpus).map { GPU(uuid: "\($0)", model: model, memory: gpuMemory) },
                labels: try fields.texts("labels")))
        try fields.finish()
        return made
    }

    private static func load(_ fields: Fields) throws(Mistake) -> Forecast.Load {
        let gpus = try fields.count("gpus", in: 0...1024) ?? 0
        let minutes = try fields.list("minutes")
        guard minutes.count == 2, case .number(let least) = minutes[0], case .number(let most) = minutes[1],
            least > 0, most >= least, most <= 1e6
        else { throw Mistake(text: "\(fields.place).minutes: write what a shard takes, [least, most]") }
        let owner = Principal(role: .user, name: try fields.text("owner") ?? "someone", team: try fields.text("team"))
        let made = Forecast.Load(
            name: try fields.text("name") ?? owner.name, owner: owner,
            priority: try fields.count("priority", in: -Farm.priorityMax...Farm.priorityMax) ?? 0,
            first: Self.minutes(try fields.number("first_minute") ?? 0),
            every: Self.minutes(try fields.number("every_minutes") ?? 60),
            runs: try fields.count("runs", in: 1...100_000) ?? 1,
            cells: try fields.count("cells", in: 1...100_000) ?? 1,
            shards: try fields.count("shards", in: 1...100_000) ?? 1,
            resources: ResourceRequest(
                cpus: try fields.count("cpus", in: 1...65_535) ?? 1, memory: try fields.size("memory"),
                disk: try fields.size("disk"),
                gpus: gpus > 0 ? GPURequest(count: gpus, model: try fields.text("gpu_model")) : nil),
            labels: try fields.texts("labels"), shortest: Self.minutes(least), longest: Self.minutes(most))
        try fields.finish()
        return made
    }

    private static func minutes(_ minutes: Double) -> Duration { .milliseconds(Int64(minutes * 60_000)) }

    /// The members of an object, each asked for once; what nobody asks for is a mistake.
    private final class Fields {
        let place: String
        private var members: [String: Value] = [:]

        init(_ value: Value, _ place: String) throws(Mistake) {
            self.place = place
            guard let found = value.members else { throw Mistake(text: "\(place): not an object") }
            for member in found { members[member.key] = member.value }
        }

        func number(_ name: String) throws(Mistake) -> Double? {
            switch members.removeValue(forKey: name) {
            case .number(let number)? where number.isFinite && abs(number) <= 1e6: return number
            case nil: return nil
            default: throw Mistake(text: "\(place).\(name): not a number up to a million")
            }
        }

        func count(_ name: String, in range: ClosedRange<Int>) throws(Mistake) -> Int? {
            guard let number = try number(name) else { return nil }
            guard let count = Int(exactly: number), range.contains(count) else {
                throw Mistake(
                    text: "\(place).\(name): not a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return count
        }

        func text(_ name: String) throws(Mistake) -> String? {
            switch members.removeValue(forKey: name) {
            case .string(let text)?: return text
            case nil, .null?: return nil
            default: throw Mistake(text: "\(place).\(name): not a text")
            }
        }

        func size(_ name: String) throws(Mistake) -> ByteCount? {
            guard let text = try text(name) else { return nil }
            guard let size = ByteCount(text), size > .zero else {
                throw Mistake(text: "\(place).\(name): no size; write 64GiB or 512MiB")
            }
            return size
        }

        func list(_ name: String) throws(Mistake) -> [Value] {
            switch members.removeValue(forKey: name) {
            case .array(let values)?: return values
            case nil: return []
            default: throw Mistake(text: "\(place).\(name): not a list")
            }
        }

        func texts(_ name: String) throws(Mistake) -> [String] {
            var texts: [String] = []
            for value in try list(name) {
                guard case .string(let text) = value else {
                    throw Mistake(text: "\(place).\(name): not a list of texts")
                }
                texts.append(text)
            }
            return texts
        }

        func finish() throws(Mistake) {
            guard let stray = members.keys.sorted().first else { return }
            throw Mistake(text: "\(place).\(stray): nobody knows this")
        }
    }
}

/// A forecast in a table, or for a script.
enum ForecastText {
    static func text(_ answer: Forecast.Answer, of loads: [Forecast.Load]) -> String {
        let rows = zip(loads, answer.outcomes).map { load, outcome in
            [
                load.name, load.owner.spelled, "\(outcome.runs)/\(load.runs)", "\(outcome.shards)",
                outcome.waiting > 0 ? "\(outcome.waiting)" : "-",
                hours(outcome.cpuSeconds), hours(outcome.gpuSeconds), spelled(quantile(outcome.waits, 0.5)),
                spelled(quantile(outcome.waits, 0.99)), spelled(outcome.waits.max()),
                spelled(quantile(outcome.runTimes, 0.5)),
            ]
        }
        let head = [
            "LOAD", "OWNER", "RUNS", "SHARDS", "WAITING", "CORE-HOURS", "GPU-HOURS", "WAIT 50%", "99%", "MOST",
            "RUN 50%",
        ]
        let used = answer.outcomes.reduce(0) { $0 + $1.cpuSeconds }
        let usedGPUs = answer.outcomes.reduce(0) { $0 + $1.gpuSeconds }
        var parts = ["\(answer.leases) leases", "at most \(answer.leasedMost) at one time"]
        if answer.cpuSeconds > 0 { parts.append("cores busy \(percent(used / answer.cpuSeconds))") }
        if answer.gpuSeconds > 0 { parts.append("GPUs busy \(percent(usedGPUs / answer.gpuSeconds))") }
        let unmet = zip(loads, answer.outcomes).compactMap { load, outcome in
            outcome.unmet.map { "\n\(load.name) waits for ever: \($0)" }
        }
        return Table.text(head, rows) + "\n" + parts.joined(separator: ", ") + unmet.joined()
    }

    static func json(_ answer: Forecast.Answer, of loads: [Forecast.Load]) -> [UInt8] {
        let outcomes = zip(loads, answer.outcomes).map { load, outcome -> Value in
            [
                "load": .string(load.name), "owner": .string(load.owner.name),
                "team": load.owner.team.map { .string($0) } ?? .null, "runs": .number(Double(outcome.runs)),
                "shards": .number(Double(outcome.shards)), "waiting": .number(Double(outcome.waiting)),
                "unmet": outcome.unmet.map { .string($0) } ?? .null, "core_hours": .number(outcome.cpuSeconds / 3600),
                "gpu_hours": .number(outcome.gpuSeconds / 3600), "wait_s": waits(outcome.waits),
                "run_s": waits(outcome.runTimes),
            ]
        }
        var writer = JSONWriter(indent: 2)
        writer.value([
            "loads": .array(outcomes), "leases": .number(Double(answer.leases)),
            "leased_most": .number(Double(answer.leasedMost)), "events": .number(Double(answer.events)),
            "core_hours": .number(answer.cpuSeconds / 3600), "gpu_hours": .number(answer.gpuSeconds / 3600),
        ])
        writer.newline()
        return writer.bytes
    }

    private static func waits(_ waits: [Duration]) -> Value {
        let seconds = { (wait: Duration?) in wait.map { Value.number($0.inSeconds) } ?? .null }
        return [
            "p50": seconds(quantile(waits, 0.5)), "p99": seconds(quantile(waits, 0.99)), "max": seconds(waits.max()),
        ]
    }

    /// The smallest that so many of them do not exceed; `nil` of none.
    private static func quantile(_ waits: [Duration], _ part: Double) -> Duration? {
        guard !waits.isEmpty else { return nil }
        let sorted = waits.sorted()
        return sorted[min(sorted.count - 1, max(0, Int((Double(sorted.count) * part).rounded(.up)) - 1))]
    }

    private static func spelled(_ wait: Duration?) -> String { wait?.spelled ?? "-" }
    private static func percent(_ part: Double) -> String { "\(Int((part * 100).rounded())) %" }
    private static func hours(_ seconds: Double) -> String { seconds == 0 ? "-" : "\((seconds / 360).rounded() / 10)" }
}
