import Model
import Testing

@testable import Workflows

/// Whose code a run is: one answer, for secrets and for where it runs.
@Suite struct `The trust in a run` {
    private func plan(_ event: String, _ payload: Value = .object([]), isUntrusted: Bool = false) throws -> Plan {
        let text = "on: [push, pull_request, pull_request_target]\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n"
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        var request = PlanRequest(eventName: event, event: payload)
        request.isUntrusted = isUntrusted
        return try #require(workflow, "\(diagnostics)").plan(request)
    }

    private static func pull(from head: Value, to base: String = "acme/ml") -> Value {
        ["pull_request": ["head": ["repo": head], "base": ["repo": ["full_name": .string(base)]]]]
    }

    @Test func `is not given to the pull request of a fork, nor to what its submitter does not trust`() throws {
        let fork = Self.pull(from: ["full_name": "evil/ml"])
        for event in ["pull_request", "pull_request_target"] {
            #expect(try plan(event, fork).untrusted == "the pull request comes from a fork, 'evil/ml'")
        }
        #expect(
            try plan("pull_request", Self.pull(from: .null)).untrusted
                == "the pull request comes from a fork, removed since")
        #expect(try plan("push", isUntrusted: true).untrusted == "its submitter says that it is untrusted")
    }

    @Test func `is given to all others`() throws {
        #expect(try plan("push").untrusted == nil)
        #expect(try plan("pull_request", Self.pull(from: ["full_name": "acme/ml"])).untrusted == nil)
        // A payload that says nothing of repositories is of no fork.
        #expect(try plan("pull_request", ["pull_request": ["number": 7]]).untrusted == nil)
        #expect(try plan("push", Self.pull(from: ["full_name": "evil/ml"])).untrusted == nil)
    }

    @Test func `that is missing takes the secrets with it`() throws {
        let text = "on: push\njobs: {a: {runs-on: x, steps: [{run: 'a ${{ secrets.KEY }}'}]}}\n"
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        var request = PlanRequest(eventName: "push")
        let read = try #require(workflow, "\(diagnostics)")
        #expect(throws: Never.self) { try read.plan(request) }
        request.isUntrusted = true
        do {
            _ = try read.plan(request)
            Issue.record("it was planned")
        } catch {
            #expect(
                error.diagnostics.map(\.problem).contains(
                    "its submitter says that it is untrusted: such a run is given no secret ('KEY')"),
                "\(error)")
        }
    }
}
