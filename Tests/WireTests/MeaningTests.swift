import Model
import Testing
import Wire

@Suite struct `What messages mean` {
    @Test func `a plan comes back from its bytes as it was`() throws {
        for seed in UInt64(0)..<300 {
            var make = RandomPlan(seed: seed)
            let plan = make.plan()
            let bytes = Proto.Plan(plan).encoded()
            #expect(try Proto.Plan(decoding: bytes, limits: .large).meaning() == plan, "seed \(seed)")
        }
    }

    @Test func `capacities, attempts and diagnostics come back as they were`() throws {
        for seed in UInt64(0)..<300 {
            var make = RandomPlan(seed: seed)
            let capacity = make.capacity()
            #expect(
                try Proto.Capacity(decoding: Proto.Capacity(capacity).encoded()).meaning() == capacity, "seed \(seed)")

            let shard = ShardID(
                run: RunID(UInt64(make.number(1...Int.max))), job: make.number(0...999), cell: make.number(0...9_999),
                shard: make.number(ShardID.listing...9_999))
            let attempt = AttemptID(shard: shard, number: make.number(1...100))
            let reference = Proto.AttemptRef(attempt)
            #expect(try Proto.AttemptRef(decoding: reference.encoded()).meaning() == attempt, "seed \(seed)")

            let diagnostic = Diagnostic(
                .unsupported, at: SourcePosition(file: make.text(), line: make.number(1...99), column: 3), make.text(),
                help: make.maybe { "use \($0.number(1...9))" } ?? "")
            #expect(try Proto.Diagnostic(decoding: Proto.Diagnostic(diagnostic).encoded()).meaning() == diagnostic)
        }
    }

    @Test func `a plan whose bytes were changed is refused or read, and never a trap`() throws {
        var refused = 0
        for seed in UInt64(0)..<300 {
            var make = RandomPlan(seed: seed)
            var bytes = Proto.Plan(make.plan()).encoded()
            for _ in 0..<make.number(1...4) where !bytes.isEmpty {
                bytes[make.number(0...bytes.count - 1)] = UInt8(make.number(0...255))
            }
            do {
                _ = try Proto.Plan(decoding: bytes, limits: .large).meaning()
            } catch {
                refused += 1
            }
        }
        #expect(refused > 100, "most changes break something; if none is noticed, nothing was checked")
    }

    @Test func `a matrix as deep as workflows may write it comes back`() throws {
        var value = Value.string("deep")
        for _ in 0..<Limits.nestingMax { value = .array([value]) }
        let cell = PlannedCell(id: "a", name: "a", values: [Value.Member("axis", value)])
        #expect(try Proto.PlannedCell(cell).meaning() == cell)
    }

    /// One row per mistake: what is changed in a good plan, and what is said about it.
    struct Mistake: Sendable {
        var words: String
        var make: @Sendable (inout Proto.Plan) -> Void
    }

    static let mistakes = [
        Mistake(words: "jobs[0].needs[0] names job 2 of 1") { $0.jobs[0].needs = [2] },
        Mistake(words: "jobs[0].work is missing") { $0.jobs[0].work = nil },
        Mistake(words: "jobs[0].shards.count is missing: a cell has at least 1 shard") { $0.jobs[0].shards?.count = 0 },
        Mistake(words: "jobs[0].shards.items.kind is missing: it is one of file, command and collect") {
            $0.jobs[0].shards?.items = Proto.ItemSource()
        },
        Mistake(words: "jobs[0].retry.attempts_max is missing: the first attempt counts") {
            $0.jobs[0].retry?.attemptsMax = 0
        },
        Mistake(words: "jobs[0].retry.memory_factor is nan; it is at least 1") {
            $0.jobs[0].retry?.memoryFactor = .nan
        },
        Mistake(words: "jobs[0].cells are given, and said to be unknown") { $0.jobs[0].cellsKnown = false },
        Mistake(words: "jobs[0].cells[0].values_json is no JSON object") { $0.jobs[0].cells[0].valuesJson = "[1]" },
        Mistake(words: "jobs[0].cells[0].timeout_ns is more than 292 years") { $0.jobs[0].cells[0].timeoutNs = .max },
        Mistake(words: "jobs[0].cells[0].resources.cpus is missing: a shard needs at least 1") {
            $0.jobs[0].cells[0].resources?.cpus = 0
        },
        Mistake(words: "jobs[0].cells[0].resources.gpu_count is missing, but the GPU's memory or model is given") {
            $0.jobs[0].cells[0].resources?.gpuModel = "H200"
        },
        Mistake(words: "jobs[0].cells[0].inputs[0].manifest has 0 bytes; a SHA-256 digest has 32") {
            $0.jobs[0].cells[0].inputs = [Proto.HeldInput()]
        },
        Mistake(words: "jobs[0].work.steps[0].action is missing: it is one of run, uses and local") {
            $0.jobs[0].work?.steps[0].action = nil
        },
        Mistake(words: "gates[0].limits[0].bound is nan") { $0.gates[0].limits[0].bound = .nan },
        Mistake(words: "gates[0].limits[0].form has the unknown word 'at-last'") {
            $0.gates[0].limits[0].form = "at-last"
        },
        Mistake(words: "gates[0].statistic_quantile is 1.5, not in 0 to 1") { $0.gates[0].statisticQuantile = 1.5 },
        Mistake(words: "gates[0].per has the unknown word ''") { $0.gates[0].per = "" },
        Mistake(words: "gates[0].baseline.run is 0: runs count from 1") { $0.gates[0].baseline?.kind = .run(0) },
    ]

    @Test func `each mistake is told with its field`() throws {
        let plan = Plan(
            name: "eval", file: "eval.yml",
            jobs: [
                PlannedJob(
                    id: "eval", cells: [PlannedCell(id: "eval", name: "eval")],
                    work: JobWork(steps: [Step(action: .run("true"))]))
            ],
            gates: [GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.9)], baseline: .run(RunID(1)))])
        #expect(try Proto.Plan(plan).meaning() == plan)
        for mistake in Self.mistakes {
            var message = Proto.Plan(plan)
            mistake.make(&message)
            let error = #expect(throws: MeaningError.self) { try message.meaning() }
            #expect(error?.description == mistake.words)
        }
    }

    @Test func `an attempt without run, number or place is refused`() {
        let good = Proto.AttemptRef(AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 0), number: 1))
        for change: (inout Proto.AttemptRef) -> Void in [{ $0.run = 0 }, { $0.attempt = 0 }, { $0.shard = -2 }] {
            var reference = good
            change(&reference)
            #expect(throws: MeaningError.self) { try reference.meaning() }
        }
    }
}
