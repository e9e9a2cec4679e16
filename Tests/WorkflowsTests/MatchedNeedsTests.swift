import Model
import Testing

@testable import Workflows

@Suite struct `Needs that match` {
    private static func text(_ match: String = "[python]", test: String = "[\"3.11\", 3.13]") -> String {
        """
        sheaf: 1
        on: push
        jobs:
          build:
            runs-on: x
            strategy: {matrix: {python: ["3.11", 3.13], os: [a, b]}}
            steps: [{run: y}]
          test:
            needs: [{job: build, match: \(match)}]
            runs-on: x
            strategy: {matrix: {python: \(test)}}
            steps: [{run: y}]
        """
    }

    private static func read(_ text: String) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        Workflow.read(Array(text.utf8), file: "w.yml")
    }

    @Test func `lead from each cell to those with the same values`() throws {
        let (workflow, diagnostics) = Self.read(Self.text())
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest())
        #expect(plan.jobs[1].needs == [0] && plan.jobs[1].matched == [0])
        #expect(
            plan.jobs[1].cells?.map(\.needs) == [
                [CellNeed(job: 0, cells: [0, 1])], [CellNeed(job: 0, cells: [2, 3])],
            ])
        // When it is resolved, what it needs may go on.
        let resolution = try #require(workflow).resolve(
            job: 1, ancestors: [], PlanRequest(), plannedCells: { plan.jobs[$0].cells })
        guard case .cells(let cells, _, _, _) = resolution else {
            Issue.record("\(resolution)")
            return
        }
        #expect(cells == plan.jobs[1].cells)
    }

    @Test func `are enough by their end where the job asks for a status`() throws {
        let text = Self.text().replacing("    needs: [{job", with: "    if: always()\n    needs: [{job")
        let plan = try #require(Self.read(text).workflow).plan(PlanRequest())
        #expect(plan.jobs[1].cells?.flatMap(\.needs).map(\.mustPass) == [false, false])
    }

    @Test(arguments: [
        ("[pithon]", "[\"3.11\"]", "9:34", "the matrix of 'build' has no 'pithon'"),
        ("[os]", "[\"3.11\"]", "9:34", "the matrix of 'test' has no 'os'"),
        (
            "[python]", "[\"3.11\", \"3.13\"]", "9:34",
            "no cell of 'build' has what 'test (3.13)' waits for: python 3.13"
        ),
        ("[]", "[1]", "9:33", "'match' must not be empty"),
    ])
    func `that lead nowhere are told`(match: String, test: String, place: String, problem: String) {
        let checked = Workflow.check(
            Array(Self.text(match, test: test).utf8), file: "w.yml", request: PlanRequest())
        let errors = checked.diagnostics.filter { $0.severity == .error }
        #expect(errors.contains { "\($0.position)" == "w.yml:\(place)" && $0.problem == problem }, "\(errors)")
    }
}
