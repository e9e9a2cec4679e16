import Artifacts
import Client
import Glibc
import Model
import Programs
import Transport
import Wire

extension Benchmark {
    /// A coordinator as a process of its own, with its store on the disk; here are its agents, over mutual TLS, who run nothing:
    /// each attempt that they are offered has passed.
    static let coordinator = [
        Benchmark(
            name: "coordinator.shards", unit: "shards/s", what: "4 agents with 64 attempts each that pass at once"
        ) { scratch in try await shards(8_000, in: scratch) { Sample(work: Double($0.count), taken: $0.taken) } },
        Benchmark(
            name: "coordinator.cpu", unit: "µs/shard", what: "the coordinator's processor time, of the same work"
        ) { scratch in
            try await shards(8_000, in: scratch) { Sample($0.processor.inSeconds * 1e6 / Double($0.count)) }
        },
    ]

    /// What shards took: by the clock, and of the coordinator's processor time in steps of 10 ms.
    private struct Work {
        var count: Int
        var taken: Duration
        var processor: Duration
    }

    private static func shards(
        _ count: Int, in scratch: BenchFolder, _ figure: (Work) -> Sample
    ) async throws -> Sample {
        let folder = try scratch.fresh("coordinator")
        let process = try await CoordinatorProcess.start(in: folder)
        defer { process.end() }
        let token = String(decoding: try Files.read(folder + "/admin.token", bytesMax: 1 << 16), as: UTF8.self)
        let (admin, address) = try await Enrolling.enrol(tokenFile: token)
        let loop = try EventLoop(name: "bench")
        let client = try await FarmClient.connect(to: address, as: admin, on: loop)
        var agents: [PassingAgent] = []
        for number in 0..<4 {
            let made = try await client.call(
                Proto.Farm.CreateToken.self,
                .with {
                    $0.role = "agent"
                    $0.name = "bench-\(number)"
                })
            let (identity, _) = try await Enrolling.enrol(tokenFile: made.tokenFile)
            agents.append(try await PassingAgent.join(address, identity, loop))
        }
        let work = Task { [agents] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for agent in agents { group.addTask { try await agent.pass() } }
                try await group.waitForAll()
            }
        }
        defer { work.cancel() }
        let before = try process.processorTime()
        let began = ContinuousClock.now
        try await run(workflow("\"true\"", shards: count), client)
        let taken = ContinuousClock.now - began
        let processor = try process.processorTime() - before
        for agent in agents { await agent.link.close() }
        await client.link.close()
        return figure(Work(count: count, taken: taken, processor: processor))
    }
}

/// An agent that works on nothing and reports that all went well.
private struct PassingAgent {
    let link: Link
    let stream: LinkStream

    static func join(_ address: Address, _ identity: Identity, _ loop: EventLoop) async throws -> Self {
        let link = try await Link.connect(to: address, as: identity, on: loop)
        let stream = try await link.open(Proto.Agents.Work.self)
        try await stream.send(
            Proto.FromAgent.with {
                $0.kind = .joined(
                    .with {
                        $0.capacity = .with {
                            $0.cpus = 64
                            $0.memoryBytes = 1 << 40
                            $0.labels = ["self-hosted"]
                        }
                        $0.software = Help.version
                        $0.incarnation = "bench"
                    })
            })
        return Self(link: link, stream: stream)
    }

    /// Until the connection ends.
    func pass() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            while let message = try await stream.receive(Proto.ToAgent.self, limits: .large) {
                guard case .offer(let offer)? = message.kind, let attempt = offer.assignment?.attempt else { continue }
                let now = Instant.wallClock().nanoseconds
                try await stream.send(
                    Proto.FromAgent.with {
                        $0.kind = .started(
                            .with {
                                $0.attempt = attempt
                                $0.at = now
                            })
                    })
                group.addTask {
                    _ = try await link.call(
                        Proto.Agents.Report.self,
                        .with {
                            $0.attempt = attempt
                            $0.cause = Cause.Kind.passed.rawValue
                            $0.startedAt = now
                            $0.endedAt = now
                        })
                }
            }
            try await group.waitForAll()
        }
    }
}

/// This program as a coordinator.
private struct CoordinatorProcess {
    let pid: pid_t
    /// What it writes; open for as long as it lives.
    private let output: CInt

    /// Back when it listens.
    static func start(in folder: String) async throws -> Self {
        let pipe = folder + "/output"
        guard mkfifo(pipe, 0o600) == 0 else { throw CommandFailure("\(pipe): \(String(cString: strerror(errno)))") }
        let script = """
            echo $$ >"$0/pid"
            exec /proc/\(getpid())/exe coordinator --state "$0" --listen 127.0.0.1:0 --enrol 127.0.0.1:0 >"$0/output"
            """
        // Ends with the coordinator, which `end` ends.
        Task {
            await DiskThreads.shared.run { _ = Program.output("sh", ["-c", script, folder]) }
        }
        return try await DiskThreads.shared.run {
            let output = open(pipe, O_RDONLY | O_CLOEXEC)
            guard output >= 0, let lines = fdopen(dup(output), "r") else {
                throw CommandFailure("\(pipe): \(String(cString: strerror(errno)))")
            }
            defer { fclose(lines) }
            var line: UnsafeMutablePointer<CChar>?
            var size = 0
            defer { free(line) }
            while getline(&line, &size, lines) > 0 {
                guard let text = line.map({ String(cString: $0) }), text.hasPrefix("listening at") else { continue }
                let number = String(decoding: try Files.read(folder + "/pid", bytesMax: 64), as: UTF8.self)
                guard let pid = pid_t(number.filter(\.isNumber)) else { break }
                return Self(pid: pid, output: output)
            }
            throw CommandFailure("the coordinator of the benchmark did not come up", help: "look at \(folder)")
        }
    }

    func end() {
        kill(pid, SIGTERM)
        close(output)
    }

    /// What all its threads have used, as the kernel counts it.
    func processorTime() throws -> Duration {
        let stat = String(decoding: try Files.read("/proc/\(pid)/stat", bytesMax: 1 << 16), as: UTF8.self)
        // The name stands in brackets, and may hold any character (proc(5)); then utime and stime are the 12th and 13th.
        let fields = stat.suffix(from: stat.lastIndex(of: ")") ?? stat.startIndex).split(separator: " ")
        guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
            throw CommandFailure("/proc/\(pid)/stat cannot be read")
        }
        return .seconds(Double(user + system) / Double(sysconf(CInt(_SC_CLK_TCK))))
    }
}
