import Foundation
import JSON
import Model
import Testing

@testable import Workflows

/// Workflows that others have published with their judgement: GitHub's own parser, actionlint, SchemaStore, act.
@Suite struct `Published workflows` {
    /// One case as its authority judges it.
    private struct Case {
        var id: String
        var authority: String
        var isValid: Bool
        var text: [UInt8]
        var files: WorkflowFiles
        /// The line of the first mistake; `nil` where the authority names none.
        var line: Int?

        init(_ row: Value) throws {
            id = try #require(row["id"]?.string)
            authority = try #require(row["authority"]?.string)
            isValid = row["valid"] == .boolean(true)
            text = Array(try #require(row["yaml"]?.string).utf8)
            let given = row["files"]?.members ?? []
            files = WorkflowFiles { name in
                given.first { $0.key == name }?.value.string.map { Array($0.utf8) }
            }
            let options = row["options"]
            if let most = options?["max-job-limit"]?.number { files.jobsMax = Int(most) }
            if let most = options?["max-nested-reusable-workflows-depth"]?.number { files.callsDeepMax = Int(most) }
            if options?["permissions-policy"]?.string == "LimitedRead" { files.permissions = .limitedRead }
            line = row["why"]?.array?.first?["line"]?.number.map { Int($0) }
        }

        func check() -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
            var request = PlanRequest()
            request.isKnown = false
            return Workflow.check(text, file: "w.yml", files: files, request: request)
        }
    }

    private static func cases(of authority: String) throws -> [Case] {
        let folder = try #require(`A matrix`.folder)
        let bytes = Array(try Data(contentsOf: folder.appending(path: "workflows.jsonl")))
        return try JSONLines(bytes).map { try Case(JSONParser.parse($0.bytes, depthMax: 200).value) }
            .filter { $0.authority == authority }
    }

    /// docs/workflow-reference.md says the same.
    private static let github = [
        "W0007": "GitHub reads anchors since; the case is older",
        "W0034": "counts the memory of GitHub's own program",
    ]

    @Test(.enabled(if: `A matrix`.folder != nil)) func `of GitHub are judged as GitHub does, to the line`() throws {
        let cases = try Self.cases(of: "github")
        #expect(cases.count == 83)
        for one in cases {
            let (workflow, diagnostics) = one.check()
            let first = diagnostics.first { $0.severity == .error }
            let agrees =
                (workflow != nil) == one.isValid && (one.isValid || one.line == nil || one.line == first?.position.line)
            #expect(agrees == (Self.github[one.id] == nil), "\(one.id): \(first.map { "\($0)" } ?? "no error")")
        }
    }

    private static let linters = [
        "W0375": "the action that it checks is not part of the case",
        "W0400": "the action that it checks is not part of the case",
    ]

    /// What a linter calls wrong and GitHub runs earns a warning: the fault is named in either way.
    @Test(.enabled(if: `A matrix`.folder != nil), arguments: [("actionlint", 100), ("schemastore", 25)])
    func `of linters get their faults named, where they are`(authority: String, count: Int) throws {
        let cases = try Self.cases(of: authority)
        #expect(cases.count == count)
        var agreed = 0
        for one in cases {
            let (workflow, diagnostics) = one.check()
            let named = diagnostics.filter { $0.severity != .unsupported && $0.rule != .timeout }
            let agrees =
                one.isValid
                ? workflow != nil : named.contains { one.line == nil || $0.position.line == one.line }
            #expect(agrees == (Self.linters[one.id] == nil), "\(one.id) valid \(one.isValid): \(diagnostics)")
            if agrees { agreed += 1 }
        }
        #expect(agreed * 100 >= count * 97)
    }

    private static let act = [
        "W0486": "GitHub reserves ids that begin with two underscores",
        "W0524": "GitHub wants 'on'",
        "W0532": "GitHub refuses a step that is empty",
        "W0581": "GitHub refuses a step without 'run' and 'uses'",
    ]

    @Test(.enabled(if: `A matrix`.folder != nil)) func `that act runs are valid here, save what GitHub refuses`() throws
    {
        let cases = try Self.cases(of: "act")
        #expect(cases.count == 53)
        for one in cases {
            let (workflow, diagnostics) = one.check()
            let agrees = (workflow != nil) == one.isValid
            #expect(agrees == (Self.act[one.id] == nil), "\(one.id) valid \(one.isValid): \(diagnostics)")
        }
    }
}

/// Workflows of teams, as they publish them, faults included.
@Suite struct `Workflows of teams` {
    private static let folder = `A matrix`.folder?.deletingLastPathComponent().appending(path: "workflows")
    private static let isThere = folder.map { FileManager.default.fileExists(atPath: $0.path) } ?? false

    @Test(
        .enabled(if: isThere),
        arguments: [
            ("ci-data-check.yml", ["timeout": [10, 29]], 2),
            ("deploy-canary.yml", ["latest": [27], "timeout": [8]], 1),
            ("ml-lint-test-train.yml", ["timeout": [10, 17, 24], "idle": [8]], 3),
            ("ml-production-pipeline.yml", ["timeout": [11, 49], "unfetched": [67], "deprecated": [16, 20, 55]], 2),
            ("train-and-register.yml", ["threshold": [58], "unset": [70]], 1),
            ("train-and-validate.yml", ["timeout": [7]], 1),
        ])
    func `are read, planned, and told their faults`(name: String, faults: [String: [Int]], jobs: Int) throws {
        let text = Array(try Data(contentsOf: try #require(Self.folder).appending(path: name)))
        var request = PlanRequest()
        request.isKnown = false
        let (workflow, diagnostics) = Workflow.check(text, file: name, request: request)
        let plan = try #require(workflow, "\(diagnostics)").plan(PlanRequest())
        #expect(plan.jobs.count == jobs)
        #expect(plan.jobs.allSatisfy { $0.cells?.count == 1 })
        var found: [String: [Int]] = [:]
        for diagnostic in diagnostics where diagnostic.severity == .warning {
            found[diagnostic.rule.rawValue, default: []].append(diagnostic.position.line)
            #expect(diagnostic.suggestion != nil, "\(diagnostic)")
        }
        #expect(found == faults)
    }
}
