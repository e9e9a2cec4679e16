import Model
import Testing

@testable import Workflows

/// Workflows of other repositories, as a farm that has fetched them plans them.
@Suite struct `A workflow of another repository` {
    private static let commit = "4f2a9c0d1e8b7a6f5c4d3e2b1a0f9e8d7c6b5a49"
    private static let caller = """
        on: push
        jobs:
          ci:
            uses: acme/flows/.github/workflows/ci.yml@\(commit)
            with: {python: "3.13"}
          publish:
            needs: ci
            runs-on: x
            timeout-minutes: 5
            steps: [{run: "echo ${{ needs.ci.outputs.wheel }}"}]
        """
    private static let files = [
        ".github/workflows/ci.yml": """
        on:
          workflow_call:
            inputs: {python: {type: string, required: true}}
            outputs: {wheel: {value: "${{ jobs.build.outputs.wheel }}"}}
        jobs:
          build:
            runs-on: ["py${{ inputs.python }}"]
            timeout-minutes: 5
            outputs: {wheel: "w-${{ inputs.python }}"}
            steps: [{run: x}]
          inner:
            uses: ./.github/workflows/inner.yml
        """,
        ".github/workflows/inner.yml": """
        on: workflow_call
        jobs: {deep: {runs-on: x, timeout-minutes: 5, steps: [{uses: ./own}]}}
        """,
    ]

    private static func read(
        _ text: String = caller, _ repository: FoundRepository = tree(files), own: [String: String] = [:]
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        var all = WorkflowFiles(isWhole: true) { own[$0].map { Array($0.utf8) } }
        all.repository = { name, commit in
            name.lowercased() == "acme/flows" && commit == Self.commit
                ? repository : .refused(problem: "not allowed: \(name)", help: "x")
        }
        return Workflow.read(Array(text.utf8), file: "w.yml", files: all)
    }

    private static func tree(_ files: [String: String]) -> FoundRepository {
        .tree(`An action of another repository`.digest) { files[$0].map { Array($0.utf8) } }
    }

    private static let own = [
        "./own/action.yml": "runs: {using: composite, steps: [{run: x, shell: sh}]}",
        "./.github/workflows/inner.yml": "this is the caller's, and not meant",
    ]

    @Test func `at a commit is called as one of this, and its own files are that repository's`() throws {
        let (workflow, diagnostics) = Self.read(own: Self.own)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest(eventName: "push"))
        #expect(plan.jobs.map(\.id) == ["ci.build", "ci.inner.deep", "publish"])
        #expect(plan.jobs[0].cells?.first?.labels == ["py3.13"])
        // The workspace is the caller's: so are the actions that steps find there.
        guard case .local(let action, _)? = plan.jobs[1].work.steps.first?.action else {
            Issue.record("\(plan.jobs[1].work.steps)")
            return
        }
        #expect(action.path == "own" && action.source == nil)
    }

    @Test(arguments: ["v1", "main", "4f2a9c0", commit + "0"])
    func `at anything but a whole commit is refused where it stands`(version: String) {
        let (_, diagnostics) = Self.read(Self.caller.replacing(Self.commit, with: version))
        let found = diagnostics.first { $0.problem.contains("is not pinned: '\(version)'") }
        #expect(found?.severity == .unsupported, "\(diagnostics)")
        #expect(found.map { "\($0.position)" } == "w.yml:4:11")
        #expect(found?.suggestion?.contains("acme/flows/.github/workflows/ci.yml@… # \(version)") == true)
    }

    @Test func `that may not be used, or is not there, is refused at its place`() {
        let forbidden = Self.read(Self.caller.replacing("acme/flows", with: "other/flows")).diagnostics
        #expect(forbidden.map(\.problem) == ["not allowed: other/flows"], "\(forbidden)")
        #expect(forbidden.first?.severity == .unsupported)
        let absent = Self.read(Self.caller, Self.tree([:])).diagnostics
        #expect(
            absent.map(\.problem) == ["there is no file '.github/workflows/ci.yml' in 'acme/flows' at 4f2a9c0d1e8b"],
            "\(absent)")
        let broken = Self.read(Self.caller, Self.tree([".github/workflows/ci.yml": "on: workflow_call"])).diagnostics
        #expect(
            broken.first?.problem.contains("acme/flows/.github/workflows/ci.yml@4f2a9c0d1e8b:1:1") == true, "\(broken)")
    }

    @Test func `that was not fetched yet is a remark, never silence`() {
        let (workflow, diagnostics) = Self.read(Self.caller, .unknown)
        #expect(diagnostics.map(\.severity) == [.warning], "\(diagnostics)")
        #expect(diagnostics.first?.problem.contains("are not looked at here") == true, "\(diagnostics)")
        #expect(workflow != nil)
    }

    @Test func `that calls itself, under whichever name, is refused`() {
        var files = Self.files
        files[".github/workflows/inner.yml"] = """
            on: workflow_call
            jobs: {again: {uses: "ACME/flows/.github/workflows/ci.yml@\(Self.commit.uppercased())", with: {python: a}}}
            """
        let (_, diagnostics) = Self.read(Self.caller, Self.tree(files), own: Self.own)
        #expect(diagnostics.contains { $0.problem.contains("the workflow calls itself") }, "\(diagnostics)")
    }

    @Test func `is held to the inputs and the secrets that it names`() {
        let (_, diagnostics) = Self.read(Self.caller.replacing("python: \"3.13\"", with: "pyhton: a"), own: Self.own)
        #expect(diagnostics.contains { $0.problem.contains("takes no input 'pyhton'") }, "\(diagnostics)")
        #expect(diagnostics.contains { $0.problem.contains("requires the input 'python'") }, "\(diagnostics)")
    }
}
