import Foundation
import Scheduling
import Simulation
import Testing

/// The tables of Sources/Scheduling/Life.swift: held against what the farm does, and printed.
@Suite struct `The tables of lives` {
    @Test func `have no row that nothing walks`() throws {
        var lines = Lifelines()
        // In 509 an agent that never came is told to go on.
        for seed in [509] + Array(UInt64(0)..<400) {
            lines.join(try #require(hold(Replay(seed: seed, .much, isComparable: false))).checker.lines)
            if lines.unwalked.isEmpty { break }
        }
        #expect(lines.unwalked.isEmpty)
    }

    @Test func `let every state be reached`() {
        func check<State, Step>(_ life: Life<State, Step>) {
            let all = Array(State.allCases)
            var reached: Set<State> = [all[0]]
            for _ in all { for row in life.rows where reached.contains(row.from) { reached.insert(row.to) } }
            #expect(reached.count == all.count, "\(life.name): only \(reached)")
            for step in Step.allCases {
                #expect(life.rows.contains { $0.step == step }, "\(life.name): nothing follows from \(step.rawValue)")
            }
        }
        check(Lives.run)
        check(Lives.job)
        check(Lives.cell)
        check(Lives.shard)
        check(Lives.attempt)
        check(Lives.agent)
        check(Lives.held)
        check(Lives.delivery)
    }

    @Test func `are what docs/state-machines.md says`() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/state-machines.md")
        let page = Self.page
        if ProcessInfo.processInfo.environment["SHEAF_RENEW"] == "1" {
            try Data(page.utf8).write(to: file)
        }
        let written = try? String(contentsOf: file, encoding: .utf8)
        #expect(
            written == page,
            "the tables have changed; renew it: SHEAF_RENEW=1 make test FILTER='are what docs/state-machines.md says'")
    }

    private static var page: String {
        """
        # State machines

        <!-- Printed from Sources/Scheduling/Life.swift. Renew: SHEAF_RENEW=1 make test FILTER='are what docs/state-machines.md says' -->

        What may become of the things that the farm decides about. A step is a decision or an event of the farm by the name that
        it has in the code. A step that has no row in a state never happens: the simulation holds everything that it commits
        against these tables, in thousands of troubled worlds, and sees that each row is walked.

        A step counts once it is committed. What the coordinator decided and had not stored when it was killed has never been.


        """
            + [
                section(Lives.run), section(Lives.job), section(Lives.cell), section(Lives.shard),
                section(Lives.attempt), section(Lives.held), section(Lives.agent), section(Lives.delivery),
            ].joined(separator: "\n")
    }

    private static func section<State, Step>(_ life: Life<State, Step>) -> String {
        func id(_ state: State) -> String { state.rawValue.filter(\.isLetter) }
        var text = "## \(life.name)\n\n\(life.about)\n\n| state | means |\n|---|---|\n"
        for state in State.allCases { text += "| \(state.rawValue) | \(state.meaning) |\n" }
        text += "\n| from | step | to | |\n|---|---|---|---|\n"
        for row in life.rows {
            text += "| \(row.from.rawValue) | \(row.step.rawValue) | \(row.to.rawValue) | \(row.note) |\n"
        }
        text += "\n```mermaid\nstateDiagram-v2\n"
        for state in State.allCases where state.rawValue != id(state) {
            text += "    state \"\(state.rawValue)\" as \(id(state))\n"
        }
        // Steps that change nothing are left out of the picture.
        for row in life.rows where row.from != row.to {
            text += "    \(id(row.from)) --> \(id(row.to)): \(row.step.rawValue)\n"
        }
        return text + "```\n"
    }
}
