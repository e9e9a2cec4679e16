import Model
import Testing

@testable import Workflows

@Suite struct `Jobs that will not run` {
    /// Which jobs of these are shown as skipped.
    private func skipped(
        _ jobs: String, event: String = "pull_request", called: String? = nil
    ) throws -> [String: String] {
        let text = "sheaf: 1\non: [push, pull_request]\njobs:\n" + jobs
        let files = called.map { `A called workflow`.files(["./.github/workflows/ci.yml": $0]) } ?? .none
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml", files: files)
        let planned = try #require(workflow, "\(diagnostics)").planned(PlanRequest(eventName: event))
        var found: [String: String] = [:]
        for job in planned.shown.jobs { found[job.id] = job.cells?.first?.skipped }
        return found
    }

    private static let jobs = """
          test: {runs-on: x, steps: [{run: a}]}
          deploy: {needs: test, if: github.event_name == 'push', runs-on: [gpu], steps: [{run: a}]}
          check: {needs: deploy, runs-on: x, steps: [{run: a}]}
          tell: {needs: check, if: always(), runs-on: x, steps: [{run: a}]}
          last: {needs: tell, runs-on: x, steps: [{run: a}]}
          too: {needs: [test, tell], runs-on: x, steps: [{run: a}]}
          late: {needs: test, if: needs.test.outputs.a == 'b', runs-on: x, steps: [{run: a}]}
        """

    @Test func `are those whose if is false for the event, and those that need them`() throws {
        #expect(
            try skipped(Self.jobs) == [
                "deploy": "its 'if' is false", "check": "it needs 'deploy', which is skipped",
                "last": "it needs 'check', which is skipped", "too": "it needs 'check', which is skipped",
            ])
        #expect(try skipped(Self.jobs, event: "push").isEmpty)
    }

    @Test func `are all those of a call that does not happen`() throws {
        let called = """
            on: {workflow_call: {inputs: {deep: {type: boolean}}}}
            jobs:
              a: {runs-on: x, timeout-minutes: 1, steps: [{run: a}]}
              b: {if: inputs.deep, needs: a, runs-on: x, timeout-minutes: 1, steps: [{run: a}]}
            """
        let jobs = """
              ci: {if: github.event_name == 'push', uses: ./.github/workflows/ci.yml, with: {deep: false}}
              after: {needs: ci, runs-on: x, steps: [{run: a}]}
            """
        #expect(
            try skipped(jobs, called: called) == [
                "ci.a": "its 'if' is false", "ci.b": "its 'if' is false", "after": "it needs 'ci', which is skipped",
            ])
        #expect(try skipped(jobs, event: "push", called: called) == ["ci.b": "its 'if' is false"])
    }

    /// What is shown is no decision: the farm asks when the job's turn comes.
    @Test func `are planned as all others`() throws {
        let text = "sheaf: 1\non: [push, pull_request]\njobs:\n" + Self.jobs
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let plan = try workflow.plan(PlanRequest(eventName: "pull_request"))
        #expect(plan.jobs.allSatisfy { $0.cells?.allSatisfy { $0.skipped == nil } == true })
    }

    @Test func `are found in a long chain, whatever its order`() throws {
        let count = 900
        let chain = (0..<count).map { place in
            let needs = place + 1 < count ? "needs: j\(place + 1)" : "if: github.event_name == 'push'"
            return "  j\(place): {\(needs), runs-on: x, steps: [{run: a}]}\n"
        }
        #expect(try skipped(chain.joined()).count == count)
    }
}
