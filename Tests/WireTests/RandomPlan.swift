import Model

/// Makes plans of every shape that the model has, from a seed.
struct RandomPlan {
    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func plan() -> Plan {
        let jobs = number(0...4)
        return Plan(
            name: text(), title: text(), file: "eval.yml", jobs: (0..<jobs).map { job($0, of: jobs) },
            gates: several { $0.gate() },
            falseBlockRate: share(), waivers: several { $0.waiver() }, tree: maybe { $0.digest() },
            untrusted: maybe { "fork " + $0.text() })
    }

    mutating func waiver() -> Waiver {
        Waiver(
            chance() ? .gate(text()) : .cells(job: text()), place: chance() ? [] : [Value.Member("a", .string(text()))],
            reason: text(), author: text(), lastDay: "2026-1\(number(0...2))-0\(number(1...9))",
            position: SourcePosition(file: "eval.yml", line: number(0...9999), column: number(0...200)))
    }

    mutating func testing() -> GateRule.Testing {
        GateRule.Testing(
            [.none, .regression, .nonInferiority][number(0...2)], method: chance() ? nil : .mannWhitney,
            detect: [nil, .absolute(real()), .percent(real())][number(0...2)],
            itemsAtLeast: maybe { $0.number(0...100_000) }, falsePassRate: 0.01 + share() / 2)
    }

    mutating func job(_ index: Int, of count: Int) -> PlannedJob {
        let cells = chance() ? several { $0.cell() } : nil
        return PlannedJob(
            id: "job\(index)", name: text(), needs: several { $0.number(0...count - 1) },
            needsGates: several { $0.text() }, condition: maybe { $0.text() }, cells: cells, failFast: chance(),
            maxParallel: maybe { $0.number(0...10_000) },
            shards: ShardPlan(
                count: number(1...10_000), items: maybe { $0.source() },
                balance: [.none, .history(target: nil), .history(target: duration() + .seconds(1))][number(0...2)],
                maxParallel: maybe { $0.number(0...9) },
                failFast: chance()),
            retry: RetryPolicy(
                attemptsMax: number(1...100), on: several { $0.text() }, backoffMin: duration(),
                backoffMax: duration(), memoryFactor: 1 + share()), isIdempotent: chance(),
            work: JobWork(
                environment: templates(), shell: maybe { $0.text() }, workingDirectory: maybe { $0.text() },
                setup: several { $0.step() }, steps: several { $0.step() }, metrics: maybe { $0.text() },
                metricSources: several { $0.metricSource() },
                outputs: templates(), container: maybe { $0.container() },
                services: several { JobService(name: $0.text(), container: $0.container()) }))
    }

    mutating func container() -> JobContainer {
        JobContainer(
            image: text(), environment: templates(), volumes: several { $0.text() }, ports: several { $0.text() },
            options: maybe { $0.text() }, entrypoint: maybe { $0.text() }, command: maybe { $0.text() })
    }

    mutating func metricSource() -> MetricSource {
        MetricSource(
            path: text(), format: MetricSource.Format.allCases[number(0...7)],
            id: maybe { $0.text() }.flatMap { $0.isEmpty ? nil : $0 }, taking: chance() ? .last : .samples,
            withItems: chance())
    }

    mutating func cell() -> PlannedCell {
        let values = several { $0.value(depth: 3) }.enumerated().map { Value.Member("axis\($0.offset)", $0.element) }
        return PlannedCell(
            id: text(), name: text(), values: values, labels: several { $0.text() }, python: maybe { $0.text() },
            resources: resources(), timeout: duration(), idleTimeout: maybe { $0.duration() },
            queueTimeout: duration(), continueOnError: chance(), required: chance(), inputs: several { $0.input() },
            needs: several { CellNeed(job: $0.number(0...9), cells: [$0.number(0...99)], mustPass: $0.chance()) },
            environment: maybe { $0.text() },
            concurrency: maybe { ConcurrencyGroup(name: "g" + $0.text(), cancels: $0.chance(), queues: $0.chance()) },
            callGroups: several { random in
                CallGroup(
                    call: random.number(0...99), title: random.text(),
                    group: ConcurrencyGroup(name: random.text(), cancels: random.chance(), queues: random.chance()))
            },
            skipped: maybe { $0.text() },
            expected: maybe { $0.duration() + .milliseconds(1) }, environmentLock: maybe { $0.digest() })
    }

    mutating func gate() -> GateRule {
        GateRule(
            name: text(), job: maybe { $0.text() }, metric: text(),
            statistic: chance() ? .value : .quantile(share()),
            per: [.cell, .run, .axes(several { $0.text() })][number(0...2)], over: several { $0.text() },
            aggregate: [.mean, .worst, .quantile(share())][number(0...2)], weightedByCount: chance(),
            better: [nil, .higher, .lower][number(0...2)], limits: several { $0.limit() }, testing: testing(),
            baseline: [nil, .run(RunID(UInt64(number(1...99)))), .branch(text()), .alias(text())][number(0...3)],
            mayDiffer: several { $0.text() }, isStrict: chance(), passesFirstOnFloor: chance(),
            newCellsFloorOnly: chance(), required: chance(),
            thresholds: several {
                .init(key: $0.text(), place: $0.number(0...1), file: $0.text(), path: $0.text(), isRead: true)
            }, evaluator: several { $0.text() }, when: maybe { $0.text() },
            position: SourcePosition(
                file: chance() ? "eval.yml" : "gates.yml", line: number(0...9999), column: number(0...200)))
    }

    mutating func limit() -> GateRule.Limit {
        let amount: GateRule.Amount = chance() ? .absolute(real()) : .percent(real())
        return [
            .atLeast(real()), .atMost(real()), .between(real(), real()), .dropAtMost(amount), .riseAtMost(amount),
            .ratioAtMost(real()),
        ][number(0...5)]
    }

    mutating func step() -> Step {
        Step(
            id: maybe { $0.text() }, name: maybe { $0.text() }, condition: maybe { $0.text() },
            action: action(), environment: templates(), shell: maybe { $0.text() },
            workingDirectory: maybe { $0.text() },
            timeout: maybe { $0.text() }, continueOnError: maybe { $0.text() }, line: number(0...1_000_000))
    }

    private mutating func action() -> Step.Action {
        switch number(0...5) {
        case 0: return .local(local(), with: templates())
        case 1...3: return .run(text())
        default: return .uses(action: text(), reference: text(), with: templates())
        }
    }

    private mutating func local() -> LocalAction {
        let program = LocalAction.NodeProgram(
            main: text(), post: maybe { $0.text() }, postCondition: maybe { $0.text() })
        return LocalAction(
            path: text(),
            inputs: several { .init(name: $0.text(), fallback: $0.maybe { $0.text() }, isRequired: $0.chance()) },
            body: chance()
                ? .node(program)
                : .steps([Step(action: .run(text()), environment: templates())], outputs: templates()),
            source: maybe {
                ActionSource(
                    repository: "acme/tools-\($0.number(0...9))", commit: String(repeating: "7a", count: 20),
                    tree: $0.input().manifest)
            })
    }

    mutating func capacity() -> Capacity {
        Capacity(
            cpus: number(1...512), memory: bytes(), disk: bytes(),
            gpus: several { GPU(uuid: $0.text(), model: $0.text(), memory: $0.bytes()) },
            labels: several { $0.text() },
            interpreters: several { Interpreter(version: $0.text(), path: $0.text(), source: $0.text()) },
            inputs: several { $0.input() })
    }

    mutating func resources() -> ResourceRequest {
        ResourceRequest(
            cpus: number(1...64), memory: maybe { $0.bytes() }, disk: maybe { $0.bytes() },
            gpus: maybe {
                GPURequest(
                    count: $0.number(1...8), memory: $0.maybe { $0.bytes() },
                    model: $0.maybe { "H\($0.number(1...200))" },
                    or: $0.several { random in
                        GPURequest.Alternative(
                            model: random.maybe { "A\($0.number(1...200))" }, memory: random.maybe { $0.bytes() },
                            after: .milliseconds(Int64(random.number(1...1_000_000))))
                    })
            })
    }

    mutating func input() -> HeldInput {
        HeldInput(path: text(), manifest: digest())
    }

    mutating func digest() -> Digest {
        let bytes = (0..<Digest.byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }
        guard let digest = Digest(bytes) else { preconditionFailure("a digest has \(Digest.byteCount) bytes") }
        return digest
    }

    mutating func source() -> ShardPlan.ItemSource {
        [.file(text()), .command(text()), .collect(text())][number(0...2)]
    }

    mutating func value(depth: Int) -> Value {
        switch number(0...(depth > 0 ? 5 : 3)) {
        case 0: .null
        case 1: .boolean(chance())
        case 2: .number(real())
        case 3: .string(text())
        case 4: .array(several { $0.value(depth: depth - 1) })
        default:
            .object(
                several { $0.value(depth: depth - 1) }.enumerated().map { Value.Member("key\($0.offset)", $0.element) })
        }
    }

    mutating func templates() -> [Template] { several { Template($0.text(), $0.text()) } }

    mutating func text() -> String {
        ["", "x", "${{ matrix.python }}", "ein Satz\nmit Zeilen", "\u{0}\"\\\u{7F}", "Größe 🌾", "日本語"][number(0...6)]
    }

    mutating func duration() -> Duration { .nanoseconds(Int64(number(0...Int.max >> number(0...62)))) }
    mutating func bytes() -> ByteCount { ByteCount(Int64(number(1...Int.max >> number(0...61)))) }
    mutating func share() -> Double { Double.random(in: 0...1, using: &random) }

    mutating func real() -> Double {
        [0, 1, -1, 0.1, 1e300, -.leastNonzeroMagnitude, .greatestFiniteMagnitude, share()][number(0...7)]
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    mutating func chance() -> Bool { Bool.random(using: &random) }
    mutating func maybe<T>(_ make: (inout Self) -> T) -> T? { chance() ? make(&self) : nil }
    mutating func several<T>(_ make: (inout Self) -> T) -> [T] { (0..<number(0...3)).map { _ in make(&self) } }
}
