import Foundation
import Testing

/// A branch as teams have it: pull requests in a short lane, merges, a level that comes down on purpose.
@Suite struct `A branch that is measured by itself` {
    private static let workflow = """
        sheaf: 1
        name: ev
        on: {push: , pull_request: }
        tier: "${{ github.event_name == 'pull_request' && 'pr' }}"
        jobs:
          eval:
            runs-on: self-hosted
            timeout-minutes: 5
            metrics: metrics.json
            strategy: {matrix: {m: [a, b]}}
            tier: "${{ matrix.m == 'b' && 'full' || '' }}"
            steps: [{uses: actions/checkout@v4}, {run: "cp ${{ matrix.m }}.json metrics.json"}]
        gates:
          floor: {metric: acc, at-least: 0.1}
          drop: {metric: acc, drop-at-most: 0.01, baseline: {branch: main}, first: pass-floor, new-cells: floor-only}
        """

    @Test(.timeLimit(.minutes(10)))
    func `passes in a short lane, is held to the whole, and comes down where somebody says so`() async throws {
        let machine = try OwnMachine([".github/workflows/ev.yml": Self.workflow])
        defer { machine.end() }
        func git(_ arguments: String...) async throws {
            let done = try await Finished.run(
                "/usr/bin/git",
                ["-C", machine.folder + "/code", "-c", "user.name=a", "-c", "user.email=a@b"] + arguments)
            #expect(done.status == 0, "git \(arguments): \(done.error)")
        }
        func commit(_ a: Double, _ b: Double) async throws {
            for (name, value) in [("a", a), ("b", b)] {
                try Data("{\"acc\": \(value)}".utf8).write(to: URL(filePath: "\(machine.folder)/code/\(name).json"))
            }
            try await git("add", "-A")
            try await git("commit", "-q", "--allow-empty", "-m", "\(a) \(b)")
        }
        func run(_ event: String) async throws -> (status: Int32, text: String) {
            let done = try await machine.run(".github/workflows/ev.yml", "--event", event)
            return (done.status, done.output + done.error)
        }
        try await git("init", "-q", "-b", "main")
        try await commit(0.9, 0.8)
        let first = try await run("push")
        #expect(first.status == 0 && first.text.contains("no baseline yet"), "\(first.text)")
        // The short lane leaves a cell out, and no gate misses it.
        try await git("switch", "-qc", "topic")
        try await commit(0.9, 0.2)
        let short = try await run("pull_request")
        #expect(short.status == 0 && short.text.contains("1 pass, 1 skipped"), "\(short.text)")
        // Merged, it is held to what main was, not to the pull request's own runs.
        try await git("switch", "-q", "main")
        try await git("merge", "-q", "--no-ff", "-m", "merged", "topic")
        let merged = try await run("push")
        #expect(merged.status == 1 && merged.text.contains("acc 0.8 -> 0.2"), "\(merged.text)")
        // It does not become the measure by itself; a person can say that it is, and why.
        try await commit(0.9, 0.21)
        #expect(try await run("push").text.contains("acc 0.8 -> 0.21"))
        let unsaid = try await machine.sheaf("baseline", "set", "smaller", "r3")
        #expect(unsaid.status != 0 && unsaid.error.contains("--because"), "\(unsaid.error)")
        let said = try await machine.sheaf("baseline", "set", "smaller", "r3", "--because", "half the size")
        #expect(said.status == 0, "\(said.error)")
        try await commit(0.9, 0.22)
        let after = try await run("push")
        #expect(after.status == 0, "\(after.text)")
    }
}
