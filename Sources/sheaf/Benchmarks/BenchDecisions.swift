import CLinux
import Gates
import JSON
import Model
import Scheduling
import Workflows

extension Benchmark {
    /// What needs no disk and no network.
    static let decisions = [
        Benchmark(name: "plan.cells", unit: "cells/s", what: "a matrix of 100 × 100 expanded, names and values") { _ in
            let values = (0..<100).map(String.init).joined(separator: ", ")
            let source = """
                sheaf: 1
                name: bench
                on: {workflow_dispatch: {}}
                jobs:
                  eval:
                    runs-on: self-hosted
                    strategy: {matrix: {a: [\(values)], b: [\(values)]}}
                    steps: [{run: "true"}]
                """
            let (workflow, diagnostics) = Workflow.read(Array(source.utf8), file: "bench.yml")
            guard let workflow else { throw CommandFailure("\(diagnostics)") }
            let (taken, plan) = try timed { try workflow.plan(PlanRequest()) }
            return Sample(work: Double(plan.jobs[0].cells?.count ?? 0), taken: taken)
        },
        Benchmark(
            name: "plan.shards", unit: "shards/s",
            what: "a million shards: 10 000 cells that read the matrix everywhere, 100 shards each"
        ) { _ in
            let workflow = try millionShards()
            let (taken, plan) = try timed { try workflow.plan(PlanRequest()) }
            return Sample(work: Double((plan.jobs[0].cells?.count ?? 0) * plan.jobs[0].shards.count), taken: taken)
        },
        Benchmark(
            name: "plan.memory", unit: "MB", what: "on the heap, of the plan of the same million shards"
        ) { _ in
            let workflow = try millionShards()
            let before = clinux_heap_bytes()
            let plan = try workflow.plan(PlanRequest())
            let after = clinux_heap_bytes()
            // The plan lives until it has been measured.
            return withExtendedLifetime(plan) { Sample((Double(after) - Double(before)) / 1e6) }
        },
        Benchmark(
            name: "plan.cover", unit: "cells/s", what: "pairs of 2000 combinations of five axes, chosen and proved"
        ) { _ in
            let axes = [5, 5, 4, 4, 5].enumerated().map { axis, items in
                Value.Member("a\(axis)", .array((0..<items).map { .string("v\($0)") }))
            }
            let excluded: [Value] = [["a0": "v4", "a1": "v0"], ["a0": "v4", "a1": "v3"], ["a3": "v3", "a2": "v0"]]
            let matrix = try Matrix(.object(axes + [.init("exclude", .array(excluded))]))
            let (taken, made) = try timed { try matrix.covering(CoverRule(strength: 2), cellsMax: 10_000) }
            return Sample(work: Double(made.certificate?.validCount ?? 0), taken: taken)
        },
        Benchmark(
            name: "yaml.read", unit: "MB/s", what: "a workflow of 5 MB: 1000 jobs with expressions, read and checked"
        ) { _ in
            let script = String(repeating: "          echo ${{ github.ref }} and what a script says\n", count: 85)
            let jobs = (0..<1000).map { number in
                "  job\(number):\n    runs-on: linux\n    timeout-minutes: 5\n    steps:\n      - run: |\n\(script)"
            }
            let source = Array(("on: push\njobs:\n" + jobs.joined()).utf8)
            let (taken, read) = timed { Workflow.read(source, file: "bench.yml") }
            guard read.workflow != nil else { throw CommandFailure("\(read.diagnostics.first.map { "\($0)" } ?? "")") }
            return Sample(work: Double(source.count) / 1e6, taken: taken)
        },
        Benchmark(
            name: "farm.leases", unit: "leases/s", what: "10 000 shards placed on 100 agents with 10 000 cores"
        ) { _ in
            var farm = BenchFarm(agents: 100, cores: 100)
            let (taken, count) = timed { farm.submit(cells: 1, shards: 10_000) }
            return Sample(work: Double(count), taken: taken)
        },
        Benchmark(
            name: "farm.shards", unit: "shards/s",
            what: "started, finished, settled, next one leased; 100 000 queued, 800 cores"
        ) { _ in
            var farm = BenchFarm(agents: 100, cores: 8)
            _ = farm.submit(cells: 10, shards: 10_000)
            let (taken, count) = timed { farm.workOff(50_000) }
            return Sample(work: Double(count), taken: taken)
        },
        Benchmark(
            name: "farm.memory", unit: "bytes/shard", what: "on the heap, of 1 000 000 shards queued in 1 000 cells"
        ) { _ in
            var farm = BenchFarm(agents: 0, cores: 0)
            let before = clinux_heap_bytes()
            _ = farm.submit(cells: 1_000, shards: 1_000)
            let after = clinux_heap_bytes()
            // The farm lives until it has been measured.
            return withExtendedLifetime(farm) { Sample((Double(after) - Double(before)) / 1e6) }
        },
        Benchmark(
            name: "gates.items", unit: "items/s", what: "10 000 cells of 10 items read from results, merged and judged"
        ) { _ in
            let bytes = results(cells: 10_000, items: 10)
            let rule = GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.5)])
            let (taken, judgement) = try timed {
                let read = try ResultsFile.read(bytes, file: "bench.jsonl")
                return judge([rule], results: read.results)
            }
            guard judgement.verdict == .pass else { throw CommandFailure("the benchmark's gate did not pass") }
            return Sample(work: 100_000, taken: taken)
        },
        Benchmark(name: "json.parse", unit: "MB/s", what: "lines of results, to values") { _ in
            let lines = results(cells: 10_000, items: 10).split(separator: 0x0A).map(Array.init)
            let size = lines.reduce(0) { $0 + $1.count }
            let (taken, _) = try timed { for line in lines { _ = try JSONParser.value(line) } }
            return Sample(work: Double(size) / 1e6, taken: taken)
        },
    ]

    static func timed<Answer>(_ body: () throws -> Answer) rethrows -> (taken: Duration, answer: Answer) {
        let clock = ContinuousClock()
        let began = clock.now
        let answer = try body()
        return (clock.now - began, answer)
    }

    private static func results(cells: Int, items: Int) -> [UInt8] {
        var random = SplitMix64(seed: 1)
        var text = ""
        for cell in 0..<cells {
            text += #"{"job":"eval","cell":{"a":\#(cell)},"shard":0,"shards":1,"attempt":1,"cause":"passed","items":["#
            for item in 0..<items {
                if item > 0 { text += "," }
                let accuracy = Double.random(in: 0.6...1, using: &random)
                text += #"{"id":"q\#(cell * items + item)","accuracy":\#(accuracy),"latency_ms":12.5}"#
            }
            text += "]}\n"
        }
        return Array(text.utf8)
    }
}

/// A farm with agents that take everything and finish at once.
private struct BenchFarm {
    private var farm = Farm(seed: 1)
    private var effects: [Farm.Effect] = []
    private var leases: [Farm.Lease] = []
    private let now = Instant.seconds(2)

    init(agents: Int, cores: Int) {
        let capacity = Capacity(cpus: cores, memory: .gibibytes(64), labels: ["linux"])
        for index in 0..<agents {
            farm.handle(
                .agentJoined(AgentID("agent-\(index)"), team: nil, capacity: capacity, holds: []), at: .seconds(1),
                into: &effects)
        }
    }

    /// - Returns: how many leases followed at once.
    mutating func submit(cells count: Int, shards: Int) -> Int {
        let cells = (0..<count).map { PlannedCell(id: "c\($0)", name: "c\($0)", labels: ["linux"]) }
        let job = PlannedJob(id: "eval", cells: cells, shards: ShardPlan(count: shards))
        let run = RunID(1)
        effects.removeAll()
        farm.handle(
            .runSubmitted(
                run, owner: Principal(role: .user, name: "you"),
                plan: Plan(name: "bench", file: "bench.yml", jobs: [job])), at: now, into: &effects)
        farm.handle(
            .jobResolved(run, job: 0, .cells(cells, failFast: true, maxParallel: nil)), at: now, into: &effects)
        goOn()
        return leases.count
    }

    /// - Returns: how many shards were worked off.
    mutating func workOff(_ most: Int) -> Int {
        var done = 0
        while done < most, done < leases.count {
            let lease = leases[done]
            farm.handle(.attemptStarted(lease.attempt, by: lease.agent), at: now, into: &effects)
            farm.handle(
                .attemptFinished(lease.attempt, by: lease.agent, Cause(.passed), listed: nil), at: now, into: &effects)
            done += 1
            goOn()
        }
        return done
    }

    /// Takes the leases out of the effects, and continues what the farm left for later.
    private mutating func goOn() {
        while true {
            var continues = false
            for effect in effects {
                switch effect {
                case .leased(let lease): leases.append(lease)
                case .continueLater: continues = true
                default: break
                }
            }
            effects.removeAll(keepingCapacity: true)
            guard continues else { return }
            farm.handle(.resume, at: now, into: &effects)
        }
    }
}

/// 10 000 cells of 100 shards each, in a workflow that reads the matrix wherever it may.
private func millionShards() throws -> Workflow {
    let values = (0..<100).map { "v\($0)" }.joined(separator: ", ")
    let source = """
        sheaf: 1
        on: {workflow_dispatch: {}}
        jobs:
          eval:
            runs-on: [self-hosted, "${{ matrix.a == 'v1' && 'gpu' || 'linux' }}"]
            if: matrix.a != 'v9'
            strategy: {matrix: {a: [\(values)], b: [\(values)]}}
            timeout-minutes: ${{ matrix.b == 'v2' && 5 || 10 }}
            shards: 100
            steps:
              - uses: actions/setup-python@v5
                with: {python-version: "3.${{ strategy.job-index }}"}
              - run: "true"
        """
    let (workflow, diagnostics) = Workflow.read(Array(source.utf8), file: "bench.yml")
    guard let workflow else { throw CommandFailure("\(diagnostics)") }
    return workflow
}
