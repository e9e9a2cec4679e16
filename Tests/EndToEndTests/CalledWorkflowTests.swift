import Foundation
import Testing

/// A code tree with files, `sheaf` in it, and a state of its own.
struct OwnMachine {
    let folder: String

    init(_ files: [String: String]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-own-\(UUID().uuidString)").path
        for (name, text) in files {
            let path = "\(folder)/code/\(name)"
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: path))
        }
    }

    func sheaf(_ arguments: String...) async throws -> Finished {
        try await Finished.run(
            RealFarm.sheaf, arguments + ["--state", folder + "/state"], environment: ["SHEAF_HOME": folder + "/nobody"])
    }

    func run(_ file: String, _ more: String...) async throws -> Finished {
        try await Finished.run(
            RealFarm.sheaf,
            ["run", "\(folder)/code/\(file)", "--tree", folder + "/code", "--state", folder + "/state"] + more,
            environment: ["SHEAF_HOME": folder + "/nobody"])
    }

    func end() { try? FileManager.default.removeItem(atPath: folder) }
}

@Suite struct `A run that calls workflows` {
    private static let files = [
        ".github/workflows/main.yml": """
        on: workflow_dispatch
        jobs:
          setup:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            outputs: {tag: "${{ steps.a.outputs.tag }}"}
            steps: [{id: a, run: echo tag=v1 >> $GITHUB_OUTPUT}]
          ci:
            needs: setup
            strategy: {matrix: {python: ["3.11", "3.13"]}}
            uses: ./.github/workflows/ci.yml
            with: {python: "${{ matrix.python }}", tag: "${{ needs.setup.outputs.tag }}"}
          publish:
            needs: ci
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps: [{run: 'test "${{ needs.ci.outputs.wheel }}" = wheel-3.13-v1-lint'}]
        """,
        ".github/workflows/ci.yml": """
        on:
          workflow_call:
            inputs:
              python: {type: string, required: true}
              tag: {type: string}
            outputs:
              wheel: {value: "${{ jobs.build.outputs.wheel }}"}
        env: {FILE: called}
        jobs:
          lint:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps: [{run: 'test "${{ inputs.tag }}" = v1 && test "$GITHUB_JOB" = lint && test "$FILE" = called'}]
          build:
            needs: lint
            runs-on: ubuntu-latest
            timeout-minutes: 5
            outputs: {wheel: "${{ steps.w.outputs.wheel }}"}
            steps: [{id: w, run: 'echo wheel=wheel-${{ inputs.python }}-${{ inputs.tag }}-lint >> "$GITHUB_OUTPUT"'}]
        """,
    ]

    @Test func `runs their jobs with their inputs, and takes their outputs`() async throws {
        let machine = try OwnMachine(Self.files)
        defer { machine.end() }
        let run = try await machine.run(".github/workflows/main.yml")
        #expect(run.status == 0, "\(run.output)\(run.error)")
        let explained = try await machine.sheaf("explain", "r1")
        #expect(explained.output.contains("ci (3.11) / lint"), "\(explained.output)\(explained.error)")
        let one = try await machine.sheaf("logs", "r1/ci._3_13.build")
        #expect(one.status == 0, "\(one.output)\(one.error)")
    }
}
