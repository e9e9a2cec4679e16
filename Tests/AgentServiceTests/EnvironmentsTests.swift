import Artifacts
import Glibc
import Locks
import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `Environments that attempts share` {
    private let key = Digest(hashing: [1, 2, 3])

    private struct Broken: Error {}

    /// Fills a base, and counts.
    private static func fill(_ folder: String, _ builds: Counter) throws -> String {
        builds.count()
        try Files.makeFolder(folder + "/base/bin")
        try Files.write("#!/bin/sh\n", to: folder + "/base/bin/tool", mode: 0o755)
        return "numpy==2.0\n"
    }

    @Test func `eight attempts at the same time build one once`() async throws {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        let builds = Counter()
        let waiting = AsyncStream.makeStream(of: Void.self)
        let hits = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask { [key] in
                    try await environments.get(key, interpreter: nil, waiting: { _ in waiting.continuation.yield() }) {
                        folder in
                        // The builder goes on when all the others wait for it.
                        var waiters = waiting.stream.makeAsyncIterator()
                        for _ in 0..<7 { await waiters.next() }
                        return try Self.fill(folder, builds)
                    }.isHit
                }
            }
            return try await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(builds.total == 1)
        #expect(hits.filter { $0 }.count == 7)
        #expect(environments.buildCount == 1)
    }

    @Test func `when one fails to build it, the next one tries, and nothing half-made is left`() async throws {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        let builds = Counter()
        let begun = AsyncStream.makeStream(of: Void.self)
        let waits = AsyncStream.makeStream(of: Void.self)
        let failing = Task { [key] in
            try await environments.get(key, interpreter: nil) { folder in
                begun.continuation.finish()
                for await _ in waits.stream {}
                _ = try Self.fill(folder, builds)
                throw Broken()
            }
        }
        for await _ in begun.stream {}
        let next = try await environments.get(key, interpreter: nil, waiting: { _ in waits.continuation.finish() }) {
            folder in
            #expect(!Files.exists(folder + "/base"))
            return try Self.fill(folder, builds)
        }
        #expect(next.environment.lock == "numpy==2.0\n" && !next.isHit)
        await #expect(throws: Broken.self) { try await failing.value }
        #expect(builds.total == 2)
    }

    @Test func `one that was touched is built anew`() async throws {
        let workshop = try await Workshop()
        let builds = Counter()
        let environments = workshop.host.environments
        let base = try await environments.get(key, interpreter: nil) { try Self.fill($0, builds) }.environment.base
        #expect(Files.facts(base + "/bin/tool")?.mode == 0o555)
        #expect(try await environments.get(key, interpreter: nil) { try Self.fill($0, builds) }.isHit)
        chmod(base + "/bin/tool", 0o755)
        try Files.write("#!/bin/sh\necho evil\n", to: base + "/bin/tool")
        #expect(try await !environments.get(key, interpreter: nil) { try Self.fill($0, builds) }.isHit)
        #expect(builds.total == 2)
        // Another life of the agent finds it.
        let later = try Environments(in: workshop.host.workFolder + "/environments")
        #expect(try await later.get(key, interpreter: nil) { try Self.fill($0, builds) }.isHit)
    }

    @Test func `whoever waited for it uses it beside the one who built it, and waits for no other's end`() async throws
    {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        let builds = Counter()
        let begun = AsyncStream.makeStream(of: Void.self)
        let waits = AsyncStream.makeStream(of: Void.self)
        let builder = Task { [key] in
            try await environments.get(key, interpreter: nil) { folder in
                begun.continuation.finish()
                for await _ in waits.stream {}
                return try Self.fill(folder, builds)
            }
        }
        for await _ in begun.stream {}
        let waiter = Task { [key] in
            try await environments.get(key, interpreter: nil, waiting: { _ in waits.continuation.finish() }) { folder in
                try Self.fill(folder, builds)
            }
        }
        let built = try await builder.value
        let found = try await waiter.value
        #expect(found.isHit && found.environment == built.environment && builds.total == 1)
        // Both uses last until here: neither may be removed or built anew under them.
        #expect(try environments.lockFile(key, LOCK_EX) == nil)
        withExtendedLifetime((built.use, found.use)) {}
    }

    @Test func `one that was touched is built anew when those who use it have ended, and says that it waits for them`()
        async throws
    {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        let builds = Counter()
        var user: EnvironmentUse? = try await environments.get(key, interpreter: nil) { try Self.fill($0, builds) }.use
        let tool = environments.folder + "/\(key.hex)/base/bin/tool"
        chmod(tool, 0o755)
        try Files.write("#!/bin/sh\necho evil\n", to: tool)
        let told = AsyncStream.makeStream(of: Environments.Waiting.self)
        let next = Task { [key] in
            try await environments.get(key, interpreter: nil, waiting: { told.continuation.yield($0) }) {
                try Self.fill($0, builds)
            }.isHit
        }
        for await reason in told.stream {
            #expect(reason == .use && builds.total == 1)
            break
        }
        withExtendedLifetime(user) {}
        user = nil
        #expect(try await !next.value && builds.total == 2)
    }

    @Test func `a waiter that is cancelled leaves, and the builder goes on`() async throws {
        let workshop = try await Workshop()
        let environments = workshop.host.environments
        let builds = Counter()
        let begun = AsyncStream.makeStream(of: Void.self)
        let left = AsyncStream.makeStream(of: Void.self)
        let builder = Task { [key] in
            try await environments.get(key, interpreter: nil) { folder in
                begun.continuation.finish()
                for await _ in left.stream {}
                return try Self.fill(folder, builds)
            }
        }
        for await _ in begun.stream {}
        let waits = AsyncStream.makeStream(of: Void.self)
        let waiter = Task { [key] in
            try await environments.get(key, interpreter: nil, waiting: { _ in waits.continuation.finish() }) { folder in
                try Self.fill(folder, builds)
            }
        }
        for await _ in waits.stream {}
        waiter.cancel()
        await #expect(throws: AgentError.cancelled) { try await waiter.value }
        left.continuation.finish()
        #expect(try await !builder.value.isHit)
        #expect(builds.total == 1)
    }

    @Test func `an attempt that waits for another's environment can be cancelled`() async throws {
        let python = Interpreter(version: "3.0.0", path: "/bin/false", source: "system")
        let workshop = try await Workshop { $0.interpreters = [python] }
        let environments = workshop.host.environments
        let key = try EnvironmentKey(
            steps: [], environment: [], interpreter: python, tree: nil, treeDigest: nil
        ).digest
        let begun = AsyncStream.makeStream(of: Void.self)
        let left = AsyncStream.makeStream(of: Void.self)
        let builder = Task {
            try await environments.get(key, interpreter: python) { folder in
                begun.continuation.finish()
                for await _ in left.stream {}
                throw Broken()
            }
        }
        for await _ in begun.stream {}
        let trial = try workshop.begin([uses("actions/setup-python")])
        try await trial.logged("another attempt builds the environment")
        await trial.driver.cancel("enough")
        #expect(try await trial.end().report.cause == "cancelled")
        left.continuation.finish()
        await #expect(throws: Broken.self) { try await builder.value }
    }

    @Test func `a setup that fails is the job's, with the command's own code`() async throws {
        let python = Interpreter(version: "3.0.0", path: "/bin/false", source: "system")
        let workshop = try await Workshop { $0.interpreters = [python] }
        let ended = try await workshop.attempt([run("echo never")]) { $0.work.setup = [run("pip install nothing")] }
        #expect(ended.report.cause == "user_exit")
        #expect(ended.report.evidence.hasPrefix("python -m venv ended with exit code 1"), "\(ended.report.evidence)")
        #expect(ended.out.isEmpty)
        let unmet = try await workshop.attempt([uses("actions/setup-python", ["python-version": "3.12"])])
        #expect(
            unmet.report.evidence.contains("this agent has no Python 3.12; it has 3.0.0"), "\(unmet.report.evidence)")
    }
}

/// Counts what several tasks do.
private final class Counter: Sendable {
    private let value = Mutex(0)
    var total: Int { value.withLock { $0 } }
    func count() { value.withLock { $0 += 1 } }
}
