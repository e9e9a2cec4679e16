import Foundation
import Testing

/// The binary against a code host on loopback that holds requests against the published interfaces, and plays trouble.
@Suite struct `Delivering` {
    /// The host, until it is asked what it was left.
    private final class CodeHost {
        private let process = Process()
        private let input = Pipe()
        private let file: String
        let port: Int

        init(_ folder: String, trouble: String) throws {
            file = folder + "/left-\(UUID().uuidString).json"
            let output = Pipe()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = [
                "python3",
                URL(filePath: #filePath).deletingLastPathComponent().appending(path: "code_host.py").path, file,
                trouble,
            ]
            (process.standardInput, process.standardOutput) = (input, output)
            try process.run()
            let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            port = Int(line.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        }

        func left() throws -> [String: Any] {
            try input.fileHandleForWriting.close()
            process.waitUntilExit()
            let value = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file)))
            return value as? [String: Any] ?? [:]
        }
    }

    @Test func `tells a code host, whatever it plays, and changes no verdict`() async throws {
        let farm = try RealFarm()
        let workflow = try farm.write(
            "code/eval.yml",
            """
            sheaf: 1
            name: delivered
            on: workflow_dispatch
            jobs:
              eval: {runs-on: self-hosted, steps: [{run: "true"}]}
            """)
        for arguments in [
            ["init", "-q", "-b", "main"], ["add", "-A"],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
        ] {
            let done = try await Finished.run("/usr/bin/git", ["-C", farm.folder + "/code"] + arguments)
            #expect(done.status == 0)
        }
        let state = farm.folder + "/state"
        let run = try await farm.sheaf("run", workflow, "--state", state)
        #expect(run.status == 0, "\(run.error)")
        let token = try farm.write("token", "s3cret\n")

        let deliver = { (host: String, trouble: String) async throws -> (Finished, [String: Any]) in
            let server = try CodeHost(farm.folder, trouble: trouble)
            let done = try await farm.sheaf(
                "deliver", "r1", "--to", host, "--repository", "owner/name", "--request", "3", "--token-file", token,
                "--api", "http://127.0.0.1:\(server.port)", "--state", state)
            return (done, try server.left())
        }
        // A file that others can read holds no secret.
        let open = try await deliver("github", "")
        #expect(open.0.status == 2 && open.0.error.contains("can be read by others"), "\(open.0.error)")
        #expect(chmod(token, 0o600) == 0)

        for host in ["github", "gitlab"] {
            // Trouble that passes: a limit, a server that is down for a moment, an answer that is lost after the write.
            let part = host == "github" ? "comments" : "notes"
            let (done, left) = try await deliver(host, "429:statuses,503:\(part),drop:\(part)")
            #expect(done.status == 0, "\(done.error)")
            #expect((left["statuses"] as? [Any])?.count == 1 && (left["comments"] as? [String: Any])?.count == 1)
            #expect((left["checks"] as? [String: Any])?.count == (host == "github" ? 1 : 0))
            #expect((left["refused"] as? [String]) == [], "\(left["refused"] ?? "")")
            let comment = (left["comments"] as? [String: String])?.values.first
            #expect(
                comment?.hasPrefix("<!-- sheaf: delivered -->") == true
                    && comment?.localizedCaseInsensitiveContains("pass") == true)
        }
        for (trouble, words) in [
            ("always:403:comments", "comment not delivered: 403, needs pull-requests: write: played"),
            ("always:404:statuses", "commit status not delivered: 404, there is no owner/name that the token may see"),
            ("always:422:check-runs", "check run not delivered: 422, the server does not take it: played"),
        ] {
            let (done, left) = try await deliver("github", trouble)
            #expect(done.status == 3 && done.error.contains(words), "\(done.error)")
            #expect(!done.error.contains("s3cret") && !done.output.contains("s3cret"))
            // The other two were delivered all the same.
            let kinds = [
                (left["statuses"] as? [Any])?.count ?? 0, (left["checks"] as? [String: Any])?.count ?? 0,
                (left["comments"] as? [String: Any])?.count ?? 0,
            ]
            #expect(kinds.reduce(0, +) == 2, "\(left)")
        }
        let after = try await farm.sheaf("report", "r1", "--format", "json", "--state", state)
        #expect(after.output.contains("\"verdict\":\"pass\""))
        await farm.end()
    }
}
