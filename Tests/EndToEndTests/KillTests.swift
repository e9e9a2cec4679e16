import Foundation
import Glibc
import JSON
import Model
import Testing

/// Processes are killed with SIGKILL while work is under way; nothing is lost, and nothing is counted twice.
@Suite struct `A farm that is killed` {
    /// Each shard writes its number to a fifo and blocks until the test lets it go on: so the test knows what runs.
    ///
    /// - Parameter measuring: whether it leaves metrics, and a gate reads them.
    static func workflow(shards: Int, measuring: Bool = true) -> String {
        let metric = #"echo '{"accuracy": {"kind": "ratio", "numerator": 1, "denominator": 1}}' > metrics.json"#
        let gates = "    metrics: metrics.json\ngates:\n  floor: {metric: accuracy, per: cell, at-least: 1}"
        return """
            sheaf: 1
            name: kill
            on: workflow_dispatch
            jobs:
              eval:
                runs-on: self-hosted
                timeout-minutes: 10
                strategy:
                  fail-fast: false
                  matrix:
                    kind: [a, b]
                shards: {count: \(shards)}
                retry: {attempts: 5, on: [infrastructure], backoff: 1s..1s}
                steps:
                  - run: |
                      echo "${{ matrix.kind }}-$SHEAF_SHARD" > "$FARM_GATE/started"
                      read line < "$FARM_GATE/go"
                      \(measuring ? metric : ":")
            \(measuring ? gates : "")
            """
    }

    @Test func `counts each shard once when an agent is killed in mid-shard and the coordinator twice`() async throws {
        try await withFarm(lease: 4) { farm in
            let gate = try Gate(farm.folder + "/gate")
            for name in ["one", "two", "three"] {
                try await farm.startAgent(
                    name, cpus: 1, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            }
            let workflow = try farm.write("code/eval.yml", Self.workflow(shards: 3))
            let submitted = try await farm.sheaf("submit", workflow)
            #expect(submitted.status == 0, "\(submitted.error)")

            // Three shards run, one on each agent.
            var started = await gate.started(3)
            #expect(Set(started).count == 3)
            await farm.killAgent("two")
            await farm.killCoordinator()
            try await farm.startCoordinator()
            try await farm.startAgent(
                "two", cpus: 1, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            // The killed agent's shard begins again; the others have gone on.
            started += await gate.started(1)
            await farm.killCoordinator()
            try await farm.startCoordinator()
            gate.open()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")

            let export = try await farm.sheaf("export", "r1")
            let lines = try export.output.split(separator: "\n").dropFirst().map { try JSONParser.value(String($0)) }
            let shards = lines.map { "\($0["cell_id"]?.string ?? "?")/\(Int($0["shard"]?.number ?? -1))" }
            #expect(Set(shards).count == 6 && shards.count == 6, "\(shards)")
            #expect(lines.allSatisfy { $0["cause"]?.string == "passed" }, "\(export.output)")
            let explained = try await farm.sheaf("explain", "r1")
            #expect(explained.output.contains("lost_agent"), "\(explained.output)")
            // Two restarts while it went on; some attempt was under way at each.
            #expect(explained.output.contains("the coordinator started anew 2 times, at "), "\(explained.output)")
            #expect(explained.output.contains("; the coordinator started anew meanwhile, "), "\(explained.output)")
            gate.close()
        }
    }

    /// Steps end while nobody is there to take what they measured: it counts all the same, at the first attempt.
    @Test(.timeLimit(.minutes(10))) func `counts what ended while there was no coordinator, metrics and all`()
        async throws
    {
        try await withFarm(lease: 60) { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", Self.workflow(shards: 1))
            let submitted = try await farm.sheaf("submit", workflow)
            #expect(submitted.status == 0, "\(submitted.error)")
            #expect(Set(await gate.started(2)).count == 2)
            await farm.killCoordinator()
            gate.open()
            let home = farm.folder + "/agents/one"
            while FileManager.default.enumerator(atPath: home)?.count(where: { "\($0)".hasSuffix(".report") }) != 2 {
                await Task.yield()
            }
            // The agent's next life has them, too.
            await farm.killAgent("one")
            try await farm.startCoordinator()
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let lines = try await farm.sheaf("export", "r1").output.split(separator: "\n").dropFirst()
                .map { try JSONParser.value(String($0)) }
            #expect(lines.count == 2 && lines.allSatisfy { $0["attempt"]?.number == 1 }, "\(lines)")
            gate.close()
        }
    }

    /// The agent ends what it has with its lease. The new coordinator gives every lease a new term, and finds out.
    @Test(.timeLimit(.minutes(10)))
    func `calls lost what its agent ended while there was no coordinator`() async throws {
        try await withFarm(lease: 2) { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", Self.workflow(shards: 1))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            await farm.killCoordinator()
            let agent = try #require(farm.agents["one"])
            for _ in 0..<2 { _ = try await agent.line(with: "#1 ended: lost_agent") }
            try await farm.startCoordinator()
            #expect(await gate.started(2).count == 2)
            gate.open()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let explained = try await farm.sheaf("explain", "r1").output
            // It comes back without the attempts, or, on a machine where that takes longer, their new term ends first.
            let isToldWhy = ["came back without the attempt", "the lease expired"].contains { explained.contains($0) }
            #expect(explained.contains("lost_agent") && isToldWhy, "\(explained)")
            #expect(!explained.contains("agent_fault"), "\(explained)")
            gate.close()
        }
    }
}

/// What an agent's attempts started ends with the agent, long before anybody starts it again.
@Suite struct `An agent that is killed` {
    @Test(.timeLimit(.minutes(10)), arguments: AgentUser.allCases.filter(\.isPossible))
    func `leaves no process behind`(user: AgentUser) async throws {
        // An unprivileged agent finds what still bears its mark.
        let mark = "1000.\(UInt32.random(in: 100_000...999_999))"
        let shedding = user == .unprivileged ? "setsid" : "setsid env -i"
        try await withFarm { farm in
            try await farm.startAgent("one", as: user)
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    steps:
                      - run: |
                          (\(shedding) /bin/sh -c 'trap "" TERM; (sleep \(mark) &) ; sleep \(mark)' &)
                          sleep \(mark) & stopped=$!
                          while [ "$(grep -alz '^\(mark)' /proc/[0-9]*/cmdline 2>/dev/null | wc -l)" -lt 3 ]; do :; done
                          kill -STOP $stopped
                          exec sleep \(mark)
                """)
            let submitted = try await farm.sheaf("submit", workflow)
            #expect(submitted.status == 0, "\(submitted.error)")
            while sleepers(mark) < 4 { await Task.yield() }
            await farm.killAgent("one")
            while !living("sleep\0\(mark)").isEmpty { await Task.yield() }
        }
    }
}

/// Two fifos: one tells what has begun, the other lets it go on.
final class Gate: @unchecked Sendable {
    // Only the reader's thread touches `descriptor` until `close`.
    let folder: String
    private let descriptor: Int32
    private let held: Int32
    private var lines: AsyncStream<String>.Iterator

    init(_ folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["started", "go"] where mkfifo(folder + "/" + name, 0o666) != 0 {
            throw Failure("no fifo can be made in \(folder)")
        }
        // Both ways, so that no open of a step blocks on us and no end of file comes between two writers.
        descriptor = Glibc.open(folder + "/started", O_RDWR | O_CLOEXEC)
        held = Glibc.open(folder + "/go", O_RDWR | O_CLOEXEC)
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        lines = stream.makeAsyncIterator()
        let descriptor = descriptor
        Thread {
            var rest: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                guard count > 0 else { break }
                rest += buffer[..<count]
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = String(decoding: rest[..<end], as: UTF8.self)
                    rest.removeSubrange(...end)
                    if line == "end" {
                        continuation.finish()
                        return
                    }
                    continuation.yield(line)
                }
            }
            continuation.finish()
        }.start()
    }

    /// Waits until so many more steps have begun.
    func started(_ count: Int) async -> [String] {
        var found: [String] = []
        while found.count < count, let line = await lines.next() { found.append(line) }
        return found
    }

    /// Lets everything go on, now and later: more lines than there are readers.
    func open() {
        let bytes = [UInt8](repeating: UInt8(ascii: "\n"), count: 4096)
        _ = write(held, bytes, bytes.count)
    }

    /// Lets so many go on.
    func letGo(_ count: Int) {
        let bytes = [UInt8](repeating: UInt8(ascii: "\n"), count: count)
        _ = write(held, bytes, bytes.count)
    }

    func close() {
        let end = Array("end\n".utf8)
        _ = write(descriptor, end, end.count)
        Glibc.close(held)
    }
}
