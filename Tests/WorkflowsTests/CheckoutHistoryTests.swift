import Model
import Testing

@testable import Workflows

@Suite struct `The history that checkouts ask for` {
    private static func wanted(_ with: [String], files: [String: String] = [:], more: String = "") -> HistoryWanted? {
        let steps = with.map { "      - {uses: actions/checkout@v4, with: {\($0)}}" }.joined(separator: "\n")
        let text = """
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                steps:
            \(steps)
            \(more)
            """
        let all = WorkflowFiles(isWhole: true) { files[$0].map { Array($0.utf8) } }
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml", files: all)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        return workflow?.historyWanted
    }

    @Test(
        arguments: [
            ([""], nil), (["fetch-depth: 1"], nil), (["fetch-depth: '1', fetch-tags: false"], nil),
            (["fetch-depth: 0"], .init(depth: nil, tags: true)), (["fetch-depth: 7"], .init(depth: 7, tags: false)),
            (["fetch-tags: true"], .init(depth: 1, tags: true)),
            (["fetch-depth: 7", "fetch-depth: 3, fetch-tags: true"], .init(depth: 7, tags: true)),
            (["fetch-depth: 7", "fetch-depth: 0"], .init(depth: nil, tags: true)),
            (["fetch-depth: '${{ vars.depth }}'"], .init(depth: nil, tags: true)), (["fetch-depth: deep"], nil),
        ] as [([String], HistoryWanted?)])
    func `is as much as the one that asks for most`(with: [String], wanted: HistoryWanted?) {
        #expect(Self.wanted(with) == wanted)
    }

    /// At GitHub a checkout has one commit: it is brought where a script asks git for it, and costs nothing elsewhere.
    @Test(arguments: [
        ("git rev-parse HEAD", true), ("V=$(git describe --always)", true), ("cd x && git status", true),
        ("echo digit gitk # git", false), ("pip install git+https://x/y", false),
    ])
    func `is one commit where a script of the job says git`(script: String, isWanted: Bool) {
        let found = Self.wanted([""], more: "      - run: \"\(script)\"")
        #expect(found == (isWanted ? HistoryWanted(depth: 1, tags: false) : nil))
        #expect(
            Self.wanted(["fetch-depth: 3"], more: "      - run: \"\(script)\"") == HistoryWanted(depth: 3, tags: false))
    }

    @Test func `is also what called workflows and actions ask for`() {
        let called = """
            on: workflow_call
            jobs: {b: {runs-on: x, timeout-minutes: 5, steps: [{uses: Actions/Checkout@v4, with: {Fetch-Depth: 4}}]}}
            """
        let files = ["./.github/workflows/c.yml": called]
        #expect(
            Self.wanted([""], files: files, more: "  c: {uses: ./.github/workflows/c.yml}")
                == HistoryWanted(depth: 4, tags: false))
        let action = """
            runs: {using: composite, steps: [{uses: actions/checkout@v4, with: {fetch-tags: true}}]}
            """
        #expect(
            Self.wanted(["fetch-depth: 2"], files: ["./act/action.yml": action], more: "      - uses: ./act")
                == HistoryWanted(depth: 2, tags: true))
    }
}
