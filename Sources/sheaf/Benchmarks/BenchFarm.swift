import Artifacts
import CLinux
import Client
import CoordinatorService
import Glibc
import Model
import Programs
import Transport
import Wire

extension Benchmark {
    /// A whole farm in this process: client, coordinator, agent, each over mutual TLS; real processes; everything synced.
    static let farm = [
        Benchmark(
            name: "run.shards", unit: "shards/s", what: "500 shards of one step, 'true', from submission to verdict"
        ) { scratch in try await runs(shards: 500, in: scratch) },
        Benchmark(
            name: "run.result", unit: "ms",
            what: "median of 50 runs of one shard: submission to the verdict at the client"
        ) { scratch in try await latencies(in: scratch) { Sample($0.results.quantile(0.5)) } },
        Benchmark(
            name: "run.start", unit: "ms",
            what: "median of 50: submission, on an open connection, to the first line of the step's process"
        ) { scratch in try await latencies(in: scratch) { Sample($0.starts.quantile(0.5)) } },
        Benchmark(
            name: "run.start99", unit: "ms", what: "the 99th percentile of 1000 such runs"
        ) { scratch in try await latencies(of: 1000, in: scratch) { Sample($0.starts.quantile(0.99)) } },
        Benchmark(
            name: "submit.cold", unit: "ms", what: "median of 20: the process 'sheaf submit', from its start to its end"
        ) { scratch in try await coldSubmissions(20, in: scratch) },
        Benchmark(
            name: "artifact.tls", unit: "MB/s", what: "256 MiB that do not compress, over mutual TLS, stored and synced"
        ) { scratch in try await uploads(in: scratch) },
        Benchmark(
            name: "agents.memory", unit: "bytes/agent", what: "on the heap, both ends of 500 connections of idle agents"
        ) { scratch in try await connections(500, in: scratch) },
    ]

    /// A farm that lives for the time of one repetition.
    private static func withFarm(
        in scratch: BenchFolder, _ body: (LocalFarm, FarmClient) async throws -> Sample
    ) async throws -> Sample {
        let home = try await LocalFarm.start(try scratch.fresh("farm"), Arguments(["bench.yml"], for: Commands.run))
        defer { home.agentTask.cancel() }
        let client = try await FarmClient.connect(to: home.address, as: home.person, on: home.loop)
        let sample = try await body(home, client)
        await client.link.close()
        await home.stop()
        return sample
    }

    static func workflow(_ step: String, shards: Int = 1) -> String {
        """
        sheaf: 1
        name: bench
        on: {workflow_dispatch: {}}
        jobs:
          eval:
            runs-on: self-hosted
            shards: \(shards)
            steps: [{run: \(step), shell: sh}]
        """
    }

    /// Back with the verdict, which is a pass.
    @discardableResult
    static func run(_ source: String, _ client: FarmClient) async throws -> UInt64 {
        let answer = try await client.call(
            Proto.Farm.SubmitRun.self,
            .with {
                $0.file = "bench.yml"
                $0.workflow = source
                $0.key = Submitting.newKey()
            })
        var last: Proto.RunSummary?
        try await client.stream(Proto.Farm.Watch.self, .with { $0.run = answer.run }) { event in
            last = event.summary ?? last
        }
        guard last?.verdict == "pass" else {
            throw CommandFailure("a run of the benchmark ended with '\(last?.verdict ?? "nothing")'")
        }
        return answer.run
    }

    /// When the agent read the first line that a step of the run wrote. Agent and submitter are one process: one clock.
    private static func firstLine(of run: UInt64, _ client: FarmClient) async throws -> Instant {
        var first: Int64?
        try await client.stream(Proto.Farm.ReadLog.self, .with { $0.run = run }) { line in
            if line.stream == "out" && first == nil { first = line.at }
        }
        guard let first else { throw CommandFailure("the step of the benchmark wrote nothing") }
        return Instant(nanoseconds: first)
    }

    private static func runs(shards: Int, in scratch: BenchFolder) async throws -> Sample {
        try await withFarm(in: scratch) { _, client in
            try await timedAsync {
                try await run(workflow("\"true\"", shards: shards), client)
                return Double(shards)
            }
        }
    }

    /// In milliseconds, of runs one after the other: until the step's first line was read, and until the verdict is here.
    private struct Latencies {
        var starts: [Double] = []
        var results: [Double] = []
    }

    private static func latencies(
        of runs: Int = 50, in scratch: BenchFolder, _ figure: (Latencies) -> Sample
    ) async throws -> Sample {
        try await withFarm(in: scratch) { _, client in
            var latencies = Latencies()
            for _ in 0..<runs {
                let began = Instant.wallClock()
                let run = try await run(workflow("echo here"), client)
                latencies.results.append(began.duration(to: .wallClock()).inSeconds * 1000)
                latencies.starts.append(began.duration(to: try await firstLine(of: run, client)).inSeconds * 1000)
            }
            return figure(latencies)
        }
    }

    private static func coldSubmissions(_ count: Int, in scratch: BenchFolder) async throws -> Sample {
        try await withFarm(in: scratch) { home, _ in
            let profile = Profile(folder: try scratch.fresh("profile"))
            try profile.save(home.person, address: home.address)
            let code = try scratch.fresh("code")
            try Files.write(Array(workflow("\"true\"").utf8), to: code + "/bench.yml")
            var taken: [Double] = []
            let clock = ContinuousClock()
            for _ in 0..<count {
                let began = clock.now
                let result = await DiskThreads.shared.run {
                    Program.output("/proc/self/exe", ["submit", code + "/bench.yml", "--home", profile.folder])
                }
                _ = try result.get()
                taken.append((clock.now - began).inSeconds * 1000)
            }
            return Sample(taken.quantile(0.5))
        }
    }

    private static func uploads(in scratch: BenchFolder) async throws -> Sample {
        try await withFarm(in: scratch) { _, client in
            let source = try scratch.fresh("in")
            try Files.write(noise(mebibytes << 20, seed: 1), to: source + "/file")
            return try await timedAsync {
                let scan = try TreeScan(of: Folder(at: source), .everything(except: []))
                let done = try await Transfer(LinkObjects.submission(client.link)).upload(TreePlan(scan))
                return Double(done.contentBytes) / 1e6
            }
        }
    }

    private static func connections(_ count: Int, in scratch: BenchFolder) async throws -> Sample {
        try await withFarm(in: scratch) { home, _ in
            var identities: [Identity] = []
            for number in 0..<count {
                let principal = Principal(role: .agent, name: "idle-\(number)")
                identities.append(try await home.server.makeIdentity(for: principal))
            }
            let before = clinux_heap_bytes()
            var links: [Link] = []
            var streams: [LinkStream] = []
            for identity in identities {
                let link = try await Link.connect(to: home.address, as: identity, on: home.loop)
                let stream = try await link.open(Proto.Agents.Work.self)
                try await stream.send(
                    Proto.FromAgent.with {
                        $0.kind = .joined(.with { $0.capacity = .with { $0.labels = ["idle"] } })
                    })
                // Its welcome: the coordinator knows the agent.
                _ = try await stream.receive(Proto.ToAgent.self)
                links.append(link)
                streams.append(stream)
            }
            let after = clinux_heap_bytes()
            for link in links { await link.close() }
            return Sample(withExtendedLifetime(streams) { (Double(after) - Double(before)) / Double(count) })
        }
    }
}

extension [Double] {
    /// The value that a part of all others does not exceed.
    func quantile(_ part: Double) -> Double {
        let sorted = self.sorted()
        return sorted.isEmpty ? 0 : sorted[Swift.min(sorted.count - 1, Int(Double(sorted.count) * part))]
    }
}
