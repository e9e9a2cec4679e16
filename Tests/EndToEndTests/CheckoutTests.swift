import Foundation
import Testing

/// A repository with a submodule and Git LFS, run on its owner's machine.
@Suite struct `A checkout` {
    private static let workflow = """
        name: code
        run-name: Look at ${{ github.ref_name }}
        on:
          workflow_dispatch: {inputs: {ref: {type: string}, lfs: {type: boolean, default: false}}}
        jobs:
          look:
            runs-on: self-hosted
            timeout-minutes: 5
            steps:
              - uses: actions/checkout@v4
                with: {ref: "${{ inputs.ref }}", lfs: "${{ inputs.lfs }}", submodules: recursive, path: below}
              - run: test "$(cat below/libs/one/b.txt)" = changed
        """

    @Test func `has git's history where it asks for it`() async throws {
        let farm = try RealFarm()
        try farm.write("code/a.txt", "1")
        let code = farm.folder + "/code"
        let file = try farm.write(
            "code/w.yml",
            """
            on: workflow_dispatch
            jobs:
              a:
                runs-on: self-hosted
                timeout-minutes: 5
                steps:
                  - uses: actions/checkout@v4
                    with: {fetch-depth: 0}
                  - run: test "$(git describe --tags)" = v7 && git diff --quiet && test "$(git rev-parse HEAD)" = "$GITHUB_SHA"
            """)
        try await git(code, "init", "-q", "-b", "main")
        try await git(code, "add", ".")
        try await git(code, "commit", "-q", "-m", "one")
        try await git(code, "tag", "v7")
        let run = try await Finished.run(
            RealFarm.sheaf, ["run", file, "--state", farm.folder + "/state"],
            environment: ["SHEAF_HOME": farm.folder + "/nobody"])
        #expect(run.status == 0, "\(run.output)\(run.error)")
        await farm.end()
    }

    private func git(_ folder: String, _ arguments: String...) async throws {
        let done = try await Finished.run(
            "/usr/bin/env",
            [
                "git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "-c",
                "commit.gpgsign=false", "-c", "protocol.file.allow=always",
            ] + arguments)
        #expect(done.status == 0, "git \(arguments): \(done.error)")
    }

    @Test func `gives what was submitted, under any of its names, and its title to lists and reports`() async throws {
        let farm = try RealFarm()
        try farm.write("library/b.txt", "1")
        try farm.write("code/a.txt", "1")
        try farm.write("code/.gitattributes", "*.bin filter=lfs -text\n")
        try farm.write("code/model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n")
        let (library, code) = (farm.folder + "/library", farm.folder + "/code")
        try await git(library, "init", "-q", "-b", "main")
        try await git(library, "add", ".")
        try await git(library, "commit", "-q", "-m", "one")
        let file = try farm.write("code/look.yml", Self.workflow)
        try await git(code, "init", "-q", "-b", "topic")
        // The filter's program may not be installed: the pointer is what the repository holds.
        try await git(code, "config", "filter.lfs.clean", "cat")
        try await git(code, "submodule", "add", "-q", library, "libs/one")
        try await git(code, "add", ".")
        try await git(code, "commit", "-q", "-m", "one")
        try farm.write("code/libs/one/b.txt", "changed")
        func sheaf(_ arguments: String...) async throws -> Finished {
            try await Finished.run(
                RealFarm.sheaf, arguments + ["--state", farm.folder + "/state"],
                environment: ["SHEAF_HOME": farm.folder + "/nobody"])
        }

        let run = try await sheaf("run", file, "--input", "ref=refs/heads/topic")
        #expect(run.status == 0, "\(run.output)\(run.error)")
        #expect(run.output.contains("r1 code: Look at topic"), "\(run.output)")
        let list = try await sheaf("status")
        #expect(list.output.contains("Look at topic"), "\(list.output)\(list.error)")
        let listed = try await sheaf("status", "--format", "json")
        #expect(listed.output.contains(#""title": "Look at topic""#), "\(listed.output)")

        let other = try await sheaf("run", file, "--input", "ref=v1.0")
        #expect(other.status == 1, "\(other.output)\(other.error)")
        #expect(other.output.contains("checkout of 'v1.0' is not supported"), "\(other.output)")
        let large = try await sheaf("run", file, "--input", "lfs=true")
        #expect(large.status == 1, "\(large.output)\(large.error)")
        #expect(large.output.contains("is a pointer of Git LFS ('model.bin')"), "\(large.output)")
        await farm.end()
    }
}
