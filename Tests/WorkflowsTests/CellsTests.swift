import Model
import Testing

@testable import Workflows

@Suite struct `Cells of a job` {
    private func read(_ text: String) throws -> Workflow {
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        return try #require(workflow, "\(diagnostics)")
    }

    private static let text = """
        sheaf: 1
        on: {workflow_dispatch: {inputs: {tier: {type: string}}}, pull_request: {}}
        tier: ${{ inputs.tier || github.event_name == 'pull_request' && 'pr' }}
        jobs:
          eval:
            runs-on: x
            strategy: {matrix: {device: [cpu, cuda], size: [small, large]}}
            tier: ${{ matrix.device == 'cpu' && matrix.size == 'small' && fromJSON('["pr", "nightly"]') || 'nightly' }}
            required: ${{ matrix.device == 'cpu' }}
            outputs: {score: "${{ steps.s.outputs.score }}"}
            steps: [{id: s, run: "true"}]
          best:
            needs: eval
            runs-on: x
            strategy: {matrix: {score: "${{ needs.eval.cells.*.outputs.score }}"}}
            steps: [{run: "echo ${{ needs.eval.cells['cpu_small'].outputs.score }} ${{ needs.eval.cells.cuda_large.result }}"}]
        """

    @Test(
        arguments: [
            ("workflow_dispatch", nil, [false, false, false, false]),
            ("workflow_dispatch", "pr", [false, true, true, true]),
            ("workflow_dispatch", "PR", [false, true, true, true]), ("pull_request", nil, [false, true, true, true]),
            ("workflow_dispatch", "nightly", [false, false, false, false]),
        ] as [(String, String?, [Bool])])
    func `are those of the run's tier`(event: String, tier: String?, skipped: [Bool]) throws {
        let inputs = tier.map { [(name: "tier", value: $0)] } ?? []
        let plan = try read(Self.text).plan(PlanRequest(eventName: event, inputs: inputs))
        let cells = try #require(plan.jobs[0].cells)
        #expect(cells.map { $0.skipped != nil } == skipped)
        // No gate misses what the run as a whole leaves out.
        #expect(cells.indices.allSatisfy { !skipped[$0] || !cells[$0].required })
        if let reason = cells[3].skipped { #expect(reason == "its tier is nightly, this run's is \((tier ?? "pr"))") }
    }

    @Test func `may be neutral, one by one`() throws {
        let plan = try read(Self.text).plan(PlanRequest())
        #expect(plan.jobs[0].cells?.map(\.required) == [true, true, false, false])
    }

    @Test func `hand their outputs on, cell by cell`() throws {
        let workflow = try read(Self.text)
        #expect(workflow.readsCells(job: 1) && !workflow.readsCells(job: 0))
        #expect(try workflow.plan(PlanRequest()).jobs[1].cells == nil)
        let scores = ["3", "1", "2"]
        let cells = zip(["cpu_small", "cpu_large", "cuda_small"], scores).map { id, score in
            NeededJob.Cell(id: id, values: [], outcome: .success, outputs: [.init("score", .string(score))])
        }
        let skipped = NeededJob.Cell(id: "cuda_large", values: [], outcome: .skipped)
        let needed = NeededJob(id: "eval", outcome: .success, outputs: [], cells: cells + [skipped])
        guard case .cells(let made, _, _, _) = try workflow.resolve(job: 1, ancestors: [needed], PlanRequest()) else {
            Issue.record("no cells")
            return
        }
        #expect(made.map(\.name) == ["best (3)", "best (1)", "best (2)"])
    }

    @Test func `are not told one by one without sheaf: 1`() throws {
        let text =
            "on: push\njobs:\n  a: {runs-on: x, steps: [{run: y}]}\n  b: {needs: a, runs-on: x, steps: [{run: \"${{ needs.a.cells }}\"}]}"
        let (_, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        #expect(diagnostics.contains { $0.problem.contains("'needs.a' has no member 'cells'") })
        let (_, refused) = Workflow.read(Array(("tier: pr\n" + text).utf8), file: "w.yml")
        #expect(refused.contains { $0.severity == .error && $0.suggestion?.contains("sheaf: 1") == true })
    }
}
