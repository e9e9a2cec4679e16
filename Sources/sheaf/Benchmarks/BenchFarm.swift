import Client
import CoordinatorService
import Model
import Transport
import Wire

extension Benchmark {
    /// A whole farm in this process: client, coordinator, agent, each over mutual TLS; real processes; everything synced.
    static let farm = [
        Benchmark(
            name: "run.shards", unit: "shards/s", what: "500 shards of one step, 'true', from submission to verdict"
        ) { scratch in try await runs(1, shards: 500, in: scratch) },
        Benchmark(
            name: "run.verdicts", unit: "runs/s", what: "runs of one shard, one after the other, submission to verdict"
        ) { scratch in try await runs(20, shards: 1, in: scratch) },
    ]

    private static func runs(_ count: Int, shards: Int, in scratch: BenchFolder) async throws -> Sample {
        let home = try await LocalFarm.start(try scratch.fresh("farm"), Arguments(["bench.yml"], for: Commands.run))
        defer { home.agentTask.cancel() }
        let client = try await FarmClient.connect(to: home.address, as: home.person, on: home.loop)
        let source = """
            sheaf: 1
            name: bench
            on: {workflow_dispatch: {}}
            jobs:
              eval:
                runs-on: self-hosted
                shards: \(shards)
                steps: [{run: "true", shell: sh}]
            """
        let clock = ContinuousClock()
        let began = clock.now
        for _ in 0..<count {
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
        }
        let taken = clock.now - began
        await client.link.close()
        await home.stop()
        return Sample(work: Double(count * shards), taken: taken)
    }
}
