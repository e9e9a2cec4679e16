import Model
import Testing

@testable import Workflows

@Suite struct `The title of a run` {
    private func title(_ top: String, _ request: PlanRequest) throws -> String {
        let text =
            "\(top)on: [push, pull_request, workflow_dispatch, issues]\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n"
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        return try #require(workflow, "\(diagnostics)").plan(request).title
    }

    private static let push = PlanRequest(
        eventName: "push",
        event: ["ref": "refs/heads/main", "head_commit": ["message": "Fit longer\n\nIt was too short."]], actor: "ada")
    private static let pull = PlanRequest(
        eventName: "pull_request",
        event: ["action": "opened", "pull_request": ["title": "Fit  longer", "head": ["ref": "topic"]]], actor: "ada")

    @Test(arguments: [
        ("run-name: Deploy by ${{ github.actor }}\n", push, "Deploy by ada"),
        ("run-name: ${{ github.event.pull_request.title }}!\n", pull, "Fit longer!"),
        ("run-name: ${{ vars.none }}\n", push, "Fit longer"), ("run-name: '  '\n", pull, "Fit longer"),
        ("", push, "Fit longer"), ("", pull, "Fit longer"),
        ("", PlanRequest(eventName: "issues", event: ["action": "opened", "issue": ["title": "Slow"]]), "Slow"),
        ("", PlanRequest(eventName: "workflow_dispatch"), ""), ("", PlanRequest(eventName: "push"), ""),
        ("run-name: ${{ github.run_number }}\n", PlanRequest(eventName: "push", run: RunID(17)), "17"),
        ("run-name: ${{ github.event }}\n", push, "Object"), ("run-name: 7\n", push, "7"),
    ])
    func `is run-name, else what the event says`(top: String, request: PlanRequest, title: String) throws {
        #expect(try self.title(top, request) == title)
    }

    @Test func `is one line, and no long one`() throws {
        var request = Self.pull
        request.event = ["pull_request": ["title": .string(String(repeating: "a\t\u{202e}b ", count: 500))]]
        let made = try title("", request)
        #expect(made.count == Workflow.titleCharactersMax && made.hasSuffix("…") && !made.contains("\t"))
    }

    @Test func `may not read what nobody knows yet, and fails where its expression does`() throws {
        let text = "on: push\nrun-name: ${{ env.A }}\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n"
        let diagnostics = Workflow.read(Array(text.utf8), file: "w.yml").diagnostics
        #expect(diagnostics.contains { $0.severity == .error && $0.position.line == 2 }, "\(diagnostics)")
        #expect(throws: Mistakes.self) { try title("run-name: ${{ fromJSON(github.actor) }}\n", Self.push) }
    }
}
