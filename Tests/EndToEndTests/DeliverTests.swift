import Foundation
import Testing

/// The binary against a code host on loopback that holds requests against the published interfaces, and plays trouble.
@Suite struct `Delivering` {
    /// The host, until it is asked what it was left.
    private final class CodeHost {
        private let process = Process()
        private let input = Pipe()
        private let output = Pipe()
        private let file: String
        let port: Int

        init(_ folder: String, trouble: String) throws {
            file = folder + "/left-\(UUID().uuidString).json"
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

        func play(_ trouble: String) throws {
            try input.fileHandleForWriting.write(contentsOf: Data("\(trouble)\n".utf8))
        }

        /// Back when so many writes were taken and hang.
        func hung(_ count: Int) async {
            let handle = output.fileHandleForReading
            await withCheckedContinuation { continuation in
                // A thread of its own, for reading blocks.
                Thread {
                    var text = ""
                    while text.count(where: \.isNewline) < count {
                        let more = handle.availableData
                        guard !more.isEmpty else { break }
                        text += String(decoding: more, as: UTF8.self)
                    }
                    continuation.resume()
                }.start()
            }
        }

        func left() throws -> [String: Any] {
            try input.fileHandleForWriting.close()
            process.waitUntilExit()
            let value = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file)))
            return value as? [String: Any] ?? [:]
        }
    }

    /// A repository that says that it is `owner/name` at GitHub.
    private static func makeRepository(_ folder: String) async throws {
        for arguments in [
            ["init", "-q", "-b", "main"], ["remote", "add", "origin", "https://github.com/owner/name.git"],
            ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
        ] {
            let done = try await Finished.run("/usr/bin/git", ["-C", folder] + arguments)
            #expect(done.status == 0)
        }
    }

    private static let workflow = """
        sheaf: 1
        name: delivered
        on: workflow_dispatch
        jobs:
          eval: {runs-on: self-hosted, steps: [{run: "true"}]}
        """

    /// What `sheaf explain` says of deliveries, once it is `count` times `word`.
    private func explained(_ run: String, _ word: String, _ count: Int, _ farm: RealFarm) async throws -> [String] {
        while true {
            let said = try await farm.sheaf("explain", run)
            let lines = said.output.split(separator: "\n").map(String.init).filter { $0.hasPrefix("delivery ") }
            if lines.count(where: { $0.contains(word) }) == count { return lines }
            await Task.yield()
        }
    }

    /// The coordinator tells the host by itself. It is killed when the host has taken everything and has answered nothing; then
    /// answers are lost; then something is refused. Nothing is there twice, and no verdict is another.
    @Test(.timeLimit(.minutes(10)), arguments: ["github", "gitlab"])
    func `by the farm leaves one of each, whatever dies between sending and noting`(host: String) async throws {
        let farm = try RealFarm()
        let part = host == "github" ? "comments" : "notes"
        let steps = host == "github" ? ["statuses", "check-runs", part] : ["statuses", part]
        let server = try CodeHost(farm.folder, trouble: steps.map { "hang:\($0)" }.joined(separator: ","))
        let token = try farm.write("token", "s3cret\n")
        #expect(chmod(token, 0o600) == 0)
        farm.coordinatorOptions = [
            "--rates", try farm.write("rates.json", #"{"currency": "EUR", "cpu_hour": 36000}"#),
            "--deliver",
            try farm.write(
                "deliver.json",
                """
                {"call-seconds": 2, "places": [{"host": "\(host)", "repository": "owner/name", "token-file": "\(token)",
                 "api": "http://127.0.0.1:\(server.port)", "link": "https://farm.example/{run}"}]}
                """),
        ]
        let workflow = try farm.write("code/eval.yml", Self.workflow)
        try await Self.makeRepository(farm.folder + "/code")
        try await farm.startCoordinator()
        try await farm.startAgent("one")
        let submit = { try await farm.sheaf("submit", workflow, "--deliver", "--request", "3") }
        let first = try await submit()
        #expect(first.status == 0, "\(first.error)")
        await server.hung(steps.count)
        await farm.killCoordinator()
        try await farm.startCoordinator()
        let said = try await explained("r1", "done at", steps.count, farm)
        #expect(said.allSatisfy { $0.contains("delivery r1.") && !$0.contains("s3cret") }, "\(said)")

        // Of the second run all answers are lost, after the host has taken what it was told.
        try server.play(steps.map { "drop:\($0)" }.joined(separator: ","))
        #expect(try await submit().status == 0)
        _ = try await explained("r2", "done at", steps.count, farm)

        // Of the third one thing is refused for good.
        try server.play("always:403:\(part)")
        #expect(try await submit().status == 0)
        let refused = try await explained("r3", "given up at", 1, farm)
        #expect(
            refused.contains { $0.contains("comment (\(host)): given up") && $0.contains("403, needs") }, "\(refused)")
        _ = try await explained("r3", "done at", steps.count - 1, farm)
        for run in ["r1", "r2", "r3"] {
            let status = try await farm.sheaf("status", run, "--format", "json")
            #expect(status.output.contains(#""verdict": "pass""#), "\(status.output)")
        }
        // What cannot be delivered is refused before anything runs.
        try farm.write("code/new", "1")
        let dirty = try await submit()
        #expect(dirty.status == 2 && dirty.error.contains("commit it first"), "\(dirty.error)")

        let left = try server.left()
        #expect((left["refused"] as? [String]) == [], "\(left["refused"] ?? "")")
        let statuses = (left["statuses"] as? [[String: Any]])?.compactMap { $0["description"] as? String } ?? []
        #expect(statuses.count == 3 && Set(statuses).count == 3, "\(statuses)")
        let checks = (left["checks"] as? [String: [String: Any]])?.values.compactMap { $0["external_id"] as? String }
        #expect(
            checks?.count == (host == "github" ? 3 : 0) && Set(checks ?? []).count == checks?.count, "\(checks ?? [])")
        let comments = Array((left["comments"] as? [String: String] ?? [:]).values)
        #expect(comments.count == 1 && comments.first?.contains("<!-- sheaf-run: r2.") == true, "\(comments)")
        // What an hour costs on this farm is told without being asked for.
        #expect(comments.first?.contains(" EUR") == true, "\(comments)")
        await farm.end()
    }

    /// The copy is older than the run's end: the run is judged again, and what the host was told of it stays alone where it
    /// is so, and is said anew where the run has come to something else.
    @Test(.timeLimit(.minutes(10)), arguments: [false, true])
    func `by a farm that was restored leaves one of each, which says what the run came to`(isOther: Bool) async throws {
        let farm = try RealFarm(lease: 3)
        let server = try CodeHost(farm.folder, trouble: "")
        let token = try farm.write("token", "s3cret\n")
        #expect(chmod(token, 0o600) == 0)
        farm.coordinatorOptions = [
            "--deliver",
            try farm.write(
                "deliver.json",
                """
                {"call-seconds": 2, "places": [{"host": "github", "repository": "owner/name", "token-file": "\(token)",
                 "api": "http://127.0.0.1:\(server.port)", "link": "https://farm.example/{run}"}]}
                """),
        ]
        let read = #"read line < "$FARM_GATE/go""#
        let workflow = try farm.write(
            "code/eval.yml",
            `A farm that is killed`.workflow(shards: 1)
                .replacing(read, with: read + #" && test ! -e "$FARM_GATE/broken""#))
        try await Self.makeRepository(farm.folder + "/code")
        try await farm.startCoordinator()
        let gate = try Gate(farm.folder + "/gate")
        try await farm.startAgent(
            "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
        let submitted = try await farm.sheaf("submit", workflow, "--deliver", "--request", "3")
        #expect(submitted.status == 0, "\(submitted.error)")
        #expect(await gate.started(2).count == 2)
        let (state, backup) = (farm.folder + "/farm", farm.folder + "/backup")
        let copied = try await farm.sheaf("backup", "--state", state, "--into", backup)
        #expect(copied.status == 0, "\(copied.error)")
        gate.open()
        _ = try await explained("r1", "done at", 3, farm)

        await farm.killCoordinator()
        try FileManager.default.removeItem(atPath: state)
        if isOther { try farm.write("gate/broken", "") }
        let restored = try await farm.sheaf("restore", "--from", backup, "--state", state)
        #expect(restored.status == 0, "\(restored.error)")
        try await farm.startCoordinator()
        _ = try await explained("r1", "done at", 3, farm)
        let left = try server.left()
        #expect((left["refused"] as? [String]) == [], "\(left["refused"] ?? "")")
        // Of statuses the last one counts.
        let states = (left["statuses"] as? [[String: Any]])?.compactMap { $0["state"] as? String }
        #expect(states == (isOther ? ["success", "failure"] : ["success"]), "\(left["statuses"] ?? "")")
        let checks = (left["checks"] as? [String: [String: Any]])?.values.map { $0["conclusion"] as? String }
        #expect(checks == [isOther ? "failure" : "success"], "\(left["checks"] ?? "")")
        let comments = left["comments"] as? [String: String]
        #expect(comments?.count == 1, "\(comments ?? [:])")
        #expect(comments?.values.first?.contains("user_exit") == isOther, "\(comments ?? [:])")
        gate.close()
        await farm.end()
    }

    @Test func `tells a code host, whatever it plays, and changes no verdict`() async throws {
        let farm = try RealFarm()
        let workflow = try farm.write("code/eval.yml", Self.workflow)
        try await Self.makeRepository(farm.folder + "/code")
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
        // What is not committed is not what the commit comes to.
        try farm.write("code/eval.yml", Self.workflow + "\n# another\n")
        let dirty = try await farm.sheaf("run", workflow, "--state", state)
        #expect(dirty.status == 0, "\(dirty.error)")
        let refused = try await farm.sheaf(
            "deliver", "r2", "--to", "github", "--repository", "owner/name", "--token-file", token, "--state", state)
        #expect(refused.status == 2 && refused.error.contains("commit it first"), "\(refused.output)\(refused.error)")
        try farm.write("code/eval.yml", Self.workflow)

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
