import Foundation
import Model
import Testing

@testable import Workflows

/// Workflows as teams publish them, where their files are there: they are read, and what is wrong with them is named where it is.
@Suite struct `Workflows that teams have` {
    private static let folder =
        (ProcessInfo.processInfo.environment["SHEAF_SHARED"].map { URL(filePath: $0) }
        ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared"))
        .appending(path: "data/workflows").standardizedFileURL
    private static let isThere = FileManager.default.fileExists(atPath: folder.path)

    /// The file; its jobs in order; what is refused, and what is warned of, by line and some words.
    private static let cases: [(file: String, jobs: [String], refused: [String], warned: [String])] = [
        (
            "ci-data-check.yml", ["lint-and-test", "data-pipeline-check"],
            ["28 codecov/codecov-action@v4' is not pinned"],
            ["10 'lint-and-test' has no 'timeout-minutes'", "29 'data-pipeline-check' has no 'timeout-minutes'"]
        ),
        (
            "deploy-canary.yml", ["register-and-deploy"], [],
            ["8 has no 'timeout-minutes'", "27 'latest' in a promotion"]
        ),
        (
            "ml-lint-test-train.yml", ["lint", "test", "train-and-report"], [],
            [
                "8 'id-token: write' has no effect", "10 'lint' has no 'timeout-minutes'",
                "17 'test' has no 'timeout-minutes'", "24 'train-and-report' has no 'timeout-minutes'",
            ]
        ),
        (
            "ml-production-pipeline.yml", ["build-and-test", "deploy-model"],
            ["58 aws-actions/configure-aws-credentials@v1' is not pinned"],
            [
                "11 'build-and-test' has no 'timeout-minutes'", "16 actions/checkout@v3 is old",
                "20 actions/setup-python@v4 is old", "49 'deploy-model' has no 'timeout-minutes'",
                "55 actions/checkout@v3 is old", "67 nothing in this job fetches or makes 'model/'",
            ]
        ),
        (
            "train-and-register.yml", ["train"], ["17 the secrets of an environment"],
            ["58 a threshold in shell arithmetic", "70 nothing in this file sets 'RUN_ID'"]
        ),
        (
            "train-and-validate.yml", ["train"], ["31 actions/github-script@v7' is not pinned"],
            ["7 'train' has no 'timeout-minutes'"]
        ),
    ]

    @Test(.enabled(if: isThere), arguments: cases)
    func `are read, and their faults are named`(
        _ file: String, jobs: [String], refused: [String], warned: [String]
    ) throws {
        let text = Array(try Data(contentsOf: Self.folder.appending(path: file)))
        let (workflow, _) = Workflow.read(text, file: file)
        #expect(workflow?.jobs.map(\.id) == jobs)
        var request = PlanRequest()
        request.isKnown = false
        let told = Workflow.check(text, file: file, request: request).diagnostics
        for (wanted, found) in [
            (refused, told.filter { $0.severity == .unsupported }), (warned, told.filter { $0.severity == .warning }),
        ] {
            #expect(wanted.count == found.count, "\(found)")
            for (wanted, found) in zip(wanted, found) {
                let words = wanted.split(separator: " ", maxSplits: 1)
                #expect("\(found.position.line)" == words[0] && found.problem.contains(words[1]), "\(found)")
            }
        }
        #expect(told.allSatisfy { $0.severity != .error }, "\(told)")
    }

    /// Of those that nothing is refused of: what starts by which event.
    @Test(.enabled(if: isThere), arguments: [("push", true), ("pull_request", false)])
    func `are planned by their events`(event: String, isSkipped: Bool) throws {
        let file = "ml-lint-test-train.yml"
        let text = Array(try Data(contentsOf: Self.folder.appending(path: file)))
        var request = PlanRequest()
        request.eventName = event
        let planned = try #require(WorkflowReading(text, file: file).planned(request).planned)
        #expect(planned.plan.jobs.map(\.needs) == [[], [], [0, 1]])
        #expect(planned.shown.jobs.last?.cells?.first?.skipped == (isSkipped ? "its 'if' is false" : nil))
    }
}
