import Client
import JSON
import Model
import Transport
import Wire

/// What a farm has, and what was asked of it lately, as `sheaf simulate` reads it.
struct FarmHistory {
    /// A run that has ended, with its JSON report.
    struct Run {
        var summary: Proto.RunSummary
        var report: Value
    }

    var agents: [Proto.AgentSummary]
    var runs: [Run]
    var since: Instant
    var hours: Double

    /// Asks the farm: its agents that are there, and the newest 1000 runs, as far as they were submitted lately and one may
    /// read them.
    static func asked(_ arguments: Arguments, days: Int) async throws -> FarmHistory {
        let client = try await Farming.connect(arguments)
        let since = Instant.wallClock().advanced(by: .zero - .seconds(Int64(days) * 86_400))
        do {
            let agents = try await client.call(Proto.Farm.ListAgents.self, .init()).agents
            var runs: [Run] = []
            let listed = try await client.call(Proto.Farm.ListRuns.self, .with { $0.most = 1000 }).runs
            for summary in listed where summary.state == "ended" && summary.submittedAt >= since.nanoseconds {
                var bytes: [UInt8] = []
                try await client.stream(
                    Proto.Farm.Render.self,
                    .with {
                        $0.run = summary.run
                        $0.format = "json"
                    }
                ) { bytes += $0.bytes }
                guard let report = try? JSONParser.value(String(decoding: bytes, as: UTF8.self)) else { continue }
                runs.append(Run(summary: summary, report: report))
            }
            return FarmHistory(
                agents: agents.filter { $0.state != "lost" && $0.state != "revoked" && $0.state != "drained" },
                runs: runs,
                since: since, hours: Double(days) * 24)
        } catch let error as ClientError {
            throw Farming.failure(error)
        }
    }

    /// The FILE of `sheaf simulate`: agents that have the same are one kind, runs of one workflow and person one load.
    var day: Value {
        [
            "hours": .number(hours), "agents": .array(kinds), "loads": .array(loads),
        ]
    }

    private var kinds: [Value] {
        var found: [(of: [String], Value.Member, rest: [Value.Member], count: Int)] = []
        for agent in agents.sorted(by: { $0.name < $1.name }) {
            let capacity = agent.capacity ?? .init()
            let gpu = capacity.gpus.first
            let essence = [
                agent.team, "\(capacity.cpus) \(capacity.memoryBytes) \(capacity.gpus.count)", gpu?.model ?? "",
                "\(gpu?.memoryBytes ?? 0)", capacity.labels.sorted().joined(separator: " "),
            ]
            if let known = found.firstIndex(where: { $0.of == essence }) {
                found[known].count += 1
                continue
            }
            var rest: [Value.Member] = [
                .init("cpus", .number(Double(max(1, capacity.cpus)))),
                .init("memory", .string("\(capacity.memoryBytes >> 20)MiB")),
                .init("labels", .array(capacity.labels.map { .string($0) })),
            ]
            if !agent.team.isEmpty { rest.append(.init("team", .string(agent.team))) }
            if let gpu {
                rest += [
                    .init("gpus", .number(Double(capacity.gpus.count))), .init("gpu_model", .string(gpu.model)),
                    .init("gpu_memory", .string("\(gpu.memoryBytes >> 20)MiB")),
                ]
            }
            found.append((essence, .init("name", .string(agent.name)), rest, 1))
        }
        return found.map { .object([$0.1, .init("count", .number(Double($0.count)))] + $0.rest) }
    }

    /// What the attempts of some runs came to.
    private struct Work {
        var cells = 0
        var shards = 0
        var minutes: [Double] = []
        var cores = 1.0
        var gpus = 0
        var model: String?
    }

    private var loads: [Value] {
        let alike = Dictionary(grouping: runs) { "\($0.summary.name)\n\($0.summary.owner)\n\($0.summary.team)" }
        return alike.sorted { $0.key < $1.key }.compactMap { _, runs in
            let runs = runs.sorted { $0.summary.submittedAt < $1.summary.submittedAt }
            let work = runs.reduce(into: Work()) { Self.add($1.report, to: &$0) }
            guard let first = runs.first?.summary, let last = runs.last?.summary, !work.minutes.isEmpty, work.cells > 0
            else { return nil }
            let sorted = work.minutes.sorted()
            let mean = sorted.reduce(0, +) / Double(sorted.count)
            // What lies between the two is as likely anywhere: so its mean is what was measured.
            let least = min(mean, sorted[sorted.count / 10])
            let each = { (count: Int, of: Int) in Value.number(Double(max(1, (count + of / 2) / max(1, of)))) }
            let start = Instant(nanoseconds: first.submittedAt)
            let whole = start.duration(to: Instant(nanoseconds: last.submittedAt)).inSeconds / 60
            let between = runs.count > 1 ? whole / Double(runs.count - 1) : hours * 60
            var load: [Value.Member] = [
                .init("name", .string("\(first.name) by \(first.owner)")), .init("owner", .string(first.owner)),
                .init("first_minute", .number(Self.rounded(max(0, since.duration(to: start).inSeconds / 60)))),
                .init("every_minutes", .number(Self.rounded(between))),
                .init("runs", .number(Double(runs.count))), .init("cells", each(work.cells, runs.count)),
                .init("shards", each(work.shards, work.cells)), .init("cpus", .number(work.cores.rounded(.up))),
                .init(
                    "minutes",
                    .array([.number(Self.rounded(least)), .number(Self.rounded(max(least, 2 * mean - least)))])),
            ]
            if !first.team.isEmpty { load.append(.init("team", .string(first.team))) }
            if work.gpus > 0 { load.append(.init("gpus", .number(Double(work.gpus)))) }
            if let model = work.model { load.append(.init("gpu_model", .string(model))) }
            return .object(load)
        }
    }

    private static func add(_ report: Value, to work: inout Work) {
        for job in report["jobs"]?.array ?? [] {
            for cell in job["cells"]?.array ?? [] {
                let shards = (cell["shards"]?.array ?? []).filter { $0["attempts"]?.array?.isEmpty == false }
                guard !shards.isEmpty else { continue }
                work.cells += 1
                work.shards += shards.count
                for attempt in shards.flatMap({ $0["attempts"]?.array ?? [] }) {
                    guard let seconds = attempt["duration_s"]?.number, seconds > 0 else { continue }
                    work.minutes.append(max(0.001, seconds / 60))
                    // What it was leased the report does not say: what it kept busy it had.
                    work.cores = max(work.cores, min(1024, (attempt["cpu_s"]?.number ?? 0) / seconds))
                    work.gpus = max(work.gpus, attempt["gpus"]?.array?.count ?? 0)
                    if case .string(let model)? = attempt["gpu_models"]?.array?.first { work.model = model }
                }
            }
        }
    }

    private static func rounded(_ minutes: Double) -> Double { max(0.001, (minutes * 1000).rounded() / 1000) }
}
