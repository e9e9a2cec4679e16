import Model
import Testing

@testable import Workflows

/// Actions of other repositories, as a farm that has fetched them plans them.
@Suite struct `An action of another repository` {
    private static let commit = "4f2a9c0d1e8b7a6f5c4d3e2b1a0f9e8d7c6b5a49"
    static let digest = Digest([UInt8](repeating: 7, count: 32)) ?? { preconditionFailure("32 bytes") }()

    private static func read(
        _ uses: String, _ found: FoundRepository, more: String = ""
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let text = """
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5
                steps:
                  - {id: g, uses: "\(uses)"\(more)}
                  - run: echo ${{ steps.g.outputs.said }}
            """
        var files = WorkflowFiles(isWhole: true) { _ in nil }
        files.repository = { _, _ in found }
        return Workflow.read(Array(text.utf8), file: "w.yml", files: files)
    }

    private static func tree(_ files: [String: String]) -> FoundRepository {
        .tree(digest) { files[$0].map { Array($0.utf8) } }
    }

    private static func local(_ workflow: Workflow?) throws -> LocalAction {
        let plan = try #require(workflow).plan(PlanRequest())
        guard case .local(let action, _)? = plan.jobs[0].work.steps.first?.action else {
            throw Mistakes([])
        }
        return action
    }

    @Test(arguments: [("acme/greet", "", "action.yml"), ("Acme/tools/sub/greet", "sub/greet", "sub/greet/action.yaml")])
    func `at a commit is read when the run is planned, wherever it lies in it`(
        name: String, path: String, file: String
    ) throws {
        let (workflow, diagnostics) = Self.read(
            "\(name)@\(Self.commit.uppercased())", Self.tree([file: `An action of the repository`.greet]),
            more: ", with: {who: you}")
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let action = try Self.local(workflow)
        let repository = name.split(separator: "/").prefix(2).joined(separator: "/")
        #expect(action.path == path)
        #expect(action.source == ActionSource(repository: repository, commit: Self.commit, tree: Self.digest))
        #expect(action.reference == "\(name)@\(Self.commit)")
    }

    @Test(arguments: ["v1", "main", "4f2a9c0", String(repeating: "g", count: 40), commit + "0"])
    func `at anything but a whole commit is refused where it stands, and told how to pin it`(version: String) {
        let (_, diagnostics) = Self.read("acme/greet@\(version)", Self.tree(["action.yml": "never read"]))
        #expect(diagnostics.count == 1, "\(diagnostics)")
        #expect(diagnostics.first.map { "\($0.position)" } == "w.yml:7:23")
        #expect(diagnostics.first?.severity == .unsupported)
        #expect(diagnostics.first?.problem.contains("'acme/greet@\(version)' is not pinned") == true, "\(diagnostics)")
        #expect(diagnostics.first?.suggestion?.contains("40 digits") == true)
    }

    @Test(arguments: [
        "acme@" + commit, "acme/../x@" + commit, "acme/x//y@" + commit, "-acme/x@" + commit, "./../x@y/z",
    ])
    func `has a name that can be no other folder`(reference: String) {
        #expect(ActionReference(reference) == nil || !ActionReference.isRepository("acme/.."))
        #expect(!Self.read(reference, Self.tree([:])).diagnostics.isEmpty)
    }

    @Test func `that the owner does not allow is refused with the owner's words`() {
        let (workflow, diagnostics) = Self.read(
            "acme/greet@\(Self.commit)", .refused(problem: "not allowed", help: "ask"))
        #expect(workflow != nil, "it is no mistake: elsewhere it runs")
        #expect(diagnostics.map { "\($0)" } == ["w.yml:7:23: unsupported: not allowed\n  help: ask"], "\(diagnostics)")
    }

    @Test func `of which nothing is known here is left to the farm`() throws {
        let (workflow, diagnostics) = Self.read("acme/greet@\(Self.commit)", .unknown, more: ", with: {a: b}")
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        let plan = try #require(workflow).plan(PlanRequest())
        #expect(
            plan.jobs[0].work.steps.first?.action
                == .uses(action: "acme/greet", reference: Self.commit, with: [Template("a", "b")]))
    }

    @Test func `without an action, or with a broken one, is a mistake where it is used`() {
        let none = Self.read("acme/greet@\(Self.commit)", Self.tree([:])).diagnostics
        #expect(none.first?.severity == .error && none.first?.problem.contains("there is no action") == true, "\(none)")
        let broken = Self.read("acme/greet@\(Self.commit)", Self.tree(["action.yml": "runs: {using: ruby}"]))
            .diagnostics
        #expect(
            broken.first?.problem.contains("acme/greet@\(Self.commit.prefix(12))/action.yml:1:15") == true, "\(broken)")
    }

    @Test func `whose program begins before the job is not supported`() {
        let node = "runs: {using: node20, pre: a.js, main: b.js}"
        let (_, diagnostics) = Self.read("acme/greet@\(Self.commit)", Self.tree(["action.yml": node]))
        #expect(diagnostics.map(\.severity) == [.unsupported], "\(diagnostics)")
    }

    @Test func `may use others, each at its commit, and not itself`() {
        let itself = "runs: {using: composite, steps: [{uses: acme/greet@\(Self.commit)}]}"
        let (_, diagnostics) = Self.read("acme/greet@\(Self.commit)", Self.tree(["action.yml": itself]))
        #expect(diagnostics.contains { $0.problem.contains("10 deep") }, "\(diagnostics)")
        let unpinned = "runs: {using: composite, steps: [{uses: acme/other@v1}]}"
        let inner = Self.read("acme/greet@\(Self.commit)", Self.tree(["action.yml": unpinned])).diagnostics
        #expect(inner.contains { $0.severity == .unsupported && $0.problem.contains("not pinned") }, "\(inner)")
    }
}
