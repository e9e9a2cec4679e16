import Model
import Testing

@testable import Workflows

/// What jobs read by `${{ secrets.NAME }}`: names alone, for agents hold the values.
@Suite struct `Secrets of a workflow` {
    private func check(
        _ steps: String, top: String = "", job: String = "", event: Value = .object([]), called: String? = nil
    ) -> (labels: [[String]], diagnostics: [Diagnostic]) {
        let text = """
            sheaf: 1
            on: [push, pull_request]
            \(top)
            jobs:
              a:
                \(job.isEmpty ? "runs-on: x" : job)
                \(steps)
            """
        var request = PlanRequest(eventName: event == .object([]) ? "push" : "pull_request", event: event)
        request.repository = "acme/ml"
        let files = called.map { `A called workflow`.files(["./.github/workflows/ci.yml": $0]) } ?? .none
        let (workflow, diagnostics) = Workflow.check(Array(text.utf8), file: "w.yml", files: files, request: request)
        let plan = try? workflow?.plan(request)
        return (plan?.jobs.flatMap { $0.cells ?? [] }.map(\.labels) ?? [], diagnostics)
    }

    @Test(arguments: [
        ("steps: [{run: 'a ${{ secrets.KEY }} ${{ secrets[''other''] }}'}]", ["x", "secret:key", "secret:other"]),
        ("steps: [{run: a, env: {K: '${{ secrets.KEY || secrets.key }}'}}]", ["x", "secret:key"]),
        ("steps: [{if: github.token != '', run: a}]", ["x", "secret:github_token"]),
        (
            "services: {db: {image: pg, env: {P: '${{ secrets.P }}'}}}\n    steps: [{run: a}]",
            ["x", "containers", "services", "secret:p"]
        ),
        ("outputs: {a: '${{ secrets.OUT }}'}\n    steps: [{run: a}]", ["x", "secret:out"]),
    ])
    func `are what an agent must hold that runs the job`(steps: String, labels: [String]) {
        let found = check(steps)
        #expect(found.labels == [labels], "\(found.diagnostics)")
    }

    @Test func `of the file's own env are read by every job, and others' are not`() {
        let jobs = "steps: [{run: '${{ secrets.A }}'}]\n  b: {runs-on: y, steps: [{run: b}]}"
        #expect(check(jobs).labels == [["x", "secret:a"], ["y"]])
        #expect(
            check(jobs, top: "env: {T: '${{ secrets.TOP }}'}").labels
                == [["x", "secret:a", "secret:top"], ["y", "secret:top"]])
    }

    @Test(arguments: [
        ("runs-on: x", "steps: [{run: '${{ toJSON(secrets) }}'}]", "all secrets at once", "7:19"),
        ("runs-on: x", "steps: [{run: '${{ secrets[matrix.name] }}'}]", "by a computed name", "7:19"),
        ("runs-on: x\n    name: '${{ github.token }}'", "steps: [{run: a}]", "'github.token' at this place", "7:11"),
        ("runs-on: x\n    environment: prod", "steps: [{run: '${{ secrets.A }}'}]", "nobody can approve", "7:18"),
        (
            "runs-on: x\n    env: {A: '${{ secrets.A }}'}", "setup: [{run: a}]\n    steps: [{run: a}]",
            "secrets in 'setup' ('A')", "8:12"
        ),
        ("runs-on: x", "setup: [{run: '${{ secrets.B }}'}]\n    steps: [{run: a}]", "secrets in 'setup' ('B')", "7:12"),
    ])
    func `that would be read as empty, or be kept, are refused`(
        job: String, steps: String, problem: String, place: String
    ) {
        let found = check(steps, job: job).diagnostics.filter { $0.severity == .unsupported }
        #expect(found.count == 1 && found[0].problem.contains(problem), "\(found)")
        #expect(found.first.map { "\($0.position)" } == "w.yml:\(place)")
        #expect(found.first?.suggestion != nil)
    }

    private static let called = """
        on: {workflow_call: {secrets: {KEY: {required: false}, OTHER: {}}}}
        jobs:
          b: {runs-on: y, timeout-minutes: 1, steps: [{run: "${{ secrets.KEY }} ${{ secrets.GITHUB_TOKEN }}"}]}
        """

    @Test(arguments: [
        ("secrets: inherit", nil), ("secrets: {KEY: '${{ secrets.KEY }}'}", nil),
        ("secrets: {key: \"${{ secrets['KEY'] }}\"}", nil),
        ("secrets: {KEY: '${{ secrets.THEIRS }}'}", "a secret under another name"),
        ("secrets: {KEY: plain}", "a secret under another name"),
        ("secrets: {OTHER: '${{ secrets.OTHER }}'}", "does not hand on ('KEY')"),
        ("with: {}", "does not hand on ('KEY')"),
    ])
    func `reach a called workflow under their own names`(secrets: String, problem: String?) {
        let found = check(secrets, job: "uses: ./.github/workflows/ci.yml", called: Self.called)
        let refused = found.diagnostics.filter { $0.severity == .unsupported }
        #expect(refused.map { $0.problem.contains(problem ?? "?") } == (problem == nil ? [] : [true]), "\(refused)")
        #expect(found.labels == [["y", "secret:github_token", "secret:key"]], "\(found.diagnostics)")
    }

    @Test func `are not given to the pull request of a fork, save to jobs that it does not run`() {
        let payload = { (head: String?) -> Value in
            let repository: Value = head.map { ["full_name": .string($0)] } ?? .null
            return ["pull_request": ["head": ["repo": repository], "base": ["repo": ["full_name": "acme/ml"]]]]
        }
        let steps = "steps: [{run: '${{ secrets.A }}'}]"
        #expect(check(steps, event: payload("acme/ml")).labels == [["x", "secret:a"]])
        let refused = check(steps, event: payload("eve/ml")).diagnostics
        #expect(refused.contains { $0.severity == .error && $0.problem.contains("a fork, 'eve/ml'") }, "\(refused)")
        let removed = check(steps, event: payload(nil)).diagnostics
        #expect(
            removed.contains { $0.severity == .error && $0.problem.contains("a fork, removed since") }, "\(removed)")
        let guarded = "runs-on: x\n    if: github.event.pull_request.head.repo.full_name == github.repository"
        #expect(!check(steps, job: guarded, event: payload("eve/ml")).diagnostics.contains { $0.severity == .error })
    }
}
