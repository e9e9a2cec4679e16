import Foundation
import JSON
import Model
import Testing

/// The commands of people against a real coordinator: what they print, and how they end.
@Suite struct `A person at the command line` {
    private static func json(_ finished: Finished) throws -> Value { try JSONParser.value(finished.output) }

    private static func member(_ value: Value?, _ name: String) -> Value? {
        value?.members?.first { $0.key == name }?.value
    }

    private static let waiting = """
        sheaf: 1
        name: waiting
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: [self-hosted, nowhere]
            strategy: {matrix: {seed: [1, 2]}}
            steps: [{run: "true"}]
        """

    @Test func `submits, looks, and cancels`() async throws {
        try await withFarm { farm in
            let workflow = try farm.write("code/eval.yml", Self.waiting)
            let submitted = try await farm.sheaf("submit", workflow, "--key", "0123456789abcdef")
            #expect(submitted.status == 0 && submitted.output == "r1\n", "\(submitted.error)")
            let again = try await farm.sheaf("submit", workflow, "--key", "0123456789abcdef")
            #expect(again.output == "r1\n", "\(again.error)")
            let other = try farm.write("code/other.yml", Self.waiting.replacingOccurrences(of: "[1, 2]", with: "[3]"))
            let mistaken = try await farm.sheaf("submit", other, "--key", "0123456789abcdef")
            #expect(mistaken.status == 2 && mistaken.error.contains("for r1, whose workflow"), "\(mistaken.error)")

            let status = try Self.json(try await farm.sheaf("status", "r1", "--format", "json"))
            #expect(Self.member(status, "state") == .string("running"))
            #expect(Self.member(status, "verdict") == .null)
            guard case .array(let cells)? = Self.member(status, "matrix") else {
                Issue.record("no matrix in \(status)")
                return
            }
            #expect(cells.map { Self.member($0, "state") } == [.string("waiting"), .string("waiting")])

            // Nobody is asked where no person looks: the command leaves, and the run goes on.
            let watch = try Running(
                RealFarm.sheaf, ["watch", "r1"], environment: ["SHEAF_HOME": farm.adminHome],
                log: farm.folder + "/watch.log")
            while try String(contentsOfFile: watch.log, encoding: .utf8).isEmpty {
                try await Task.sleep(for: .milliseconds(20))
            }
            watch.signal(SIGTERM)
            #expect(await watch.end() == 130)
            #expect(try String(contentsOfFile: watch.log, encoding: .utf8).contains("sheaf watch r1"))

            let cancelled = try await farm.sheaf("cancel", "r1", "--reason", "enough")
            #expect(cancelled.status == 0, "\(cancelled.error)")
            let report = try await farm.sheaf("watch", "r1")
            #expect(report.status != 0 && !report.output.isEmpty, "\(report.error)")
            #expect(try await farm.sheaf("cancel", "r1").status == 2)

            // A file goes through a link to where it leads, and never into the place of a device.
            let (target, link) = (farm.folder + "/report.txt", farm.folder + "/link")
            try Data("old".utf8).write(to: URL(filePath: target))
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
            #expect(try await farm.sheaf("report", "r1", "-o", link).status == 0)
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == target)
            #expect(try String(contentsOfFile: target, encoding: .utf8).contains("r1"))
            let full = try await farm.sheaf("report", "r1", "-o", "/dev/full")
            #expect(full.status == 2 && full.error.contains("No space left"), "\(full.error)")
            let kind = try FileManager.default.attributesOfItem(atPath: "/dev/full")[.type] as? FileAttributeType
            #expect(kind == .typeCharacterSpecial)
            #expect(try await farm.sheaf("watch", "r9").status == 2)
        }
    }

    @Test func `is told when output is lost, and what cannot be read`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-output-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(Self.waiting.utf8).write(to: URL(filePath: "\(folder)/w.yml"))
        let shell = { (script: String) in
            try await Finished.run("/bin/bash", ["-c", "cd '\(folder)'; sheaf=\(RealFarm.sheaf); \(script)"])
        }
        let full = try await shell("$sheaf plan w.yml >/dev/full")
        #expect(full.status == 2 && full.error.contains("No space left"), "\(full.error)")
        let linted = try await shell(
            "$sheaf lint nowhere.yml w.yml; echo exit $?; $sheaf lint nowhere.yml --format json")
        #expect(linted.output.contains("nowhere.yml:1:1: error: it cannot be read"), "\(linted.output)")
        #expect(linted.output.contains("2 checked: 1 error") && linted.output.contains("exit 2"), "\(linted.output)")
        #expect(linted.output.contains(#""rule""#), "\(linted.output)")
        let event = try await shell("$sheaf plan w.yml --event pushh")
        #expect(event.status == 2 && event.error.contains("did you mean 'push'?"), "\(event.error)")
        #expect(try await shell("$sheaf artifacts --help").status == 0)
    }

    /// What a shell would offer, asked of the shell itself.
    @Test func `is offered commands and options by the shell`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-shell-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for shell in ["bash", "zsh", "fish"] {
            let script = try await Finished.run(RealFarm.sheaf, ["completions", shell])
            #expect(script.status == 0, "\(script.error)")
            for word in ["submit", "artifacts", "completions", "priority", "drain"] {
                #expect(script.output.contains(word), "\(shell): \(word)")
            }
            try Data(script.output.utf8).write(to: URL(filePath: "\(folder)/\(shell)"))
            let path = ["/bin/\(shell)", "/usr/bin/\(shell)"].first { FileManager.default.isExecutableFile(atPath: $0) }
            guard let path else { continue }
            let parsed = try await Finished.run(path, ["-n", "\(folder)/\(shell)"])
            #expect(parsed.status == 0, "\(shell): \(parsed.error)")
        }
        func bash(_ words: String...) async throws -> [String] {
            let typed = (["sheaf"] + words).map { "'\($0)'" }.joined(separator: " ")
            let asked = try await Finished.run(
                "/bin/bash",
                [
                    "-c",
                    "cd \(folder); . ./bash; COMP_WORDS=(\(typed)); COMP_CWORD=\(words.count); _sheaf; printf '%s\\n' \"${COMPREPLY[@]}\"",
                ])
            return asked.output.split(separator: "\n").map(String.init)
        }
        #expect(try await bash("co") == ["compare", "completions", "coordinator"])
        #expect(try await bash("submit", "--pri") == ["--priority"])
        #expect(try await bash("artifacts", "v") == ["verify"])
        #expect(try await bash("artifacts", "get", "--in") == ["--into"])
        #expect(try await bash("agents", "--fo") == ["--format"])
        #expect(try await bash("help", "ju") == ["judge"])
        let helped = try await Finished.run(RealFarm.sheaf, ["help", "completions"])
        #expect(helped.status == 0 && helped.output.contains("sheaf completions [SHELL]"), "\(helped.error)")
        let unknown = try await Finished.run(RealFarm.sheaf, ["completions", "tcsh"])
        #expect(unknown.status == 2 && unknown.error.contains("bash, zsh, fish"), "\(unknown.error)")
    }

    @Test func `enrols once with each token, within its rights, until it is revoked`() async throws {
        try await withFarm { farm in
            let home = farm.folder + "/alice"
            let token = try await farm.token("user", "alice")
            let enrolled = try await farm.sheaf(["enrol", "--token-file", token], home: home)
            #expect(enrolled.status == 0 && enrolled.output.contains("user alice"), "\(enrolled.error)")
            let kept = try await farm.sheaf(["enrol", "--token-file", token], home: home)
            #expect(kept.status == 2 && kept.error.contains("--replace"), "\(kept.error)")
            let used = try await farm.sheaf(["enrol", "--token-file", token], home: farm.folder + "/other")
            #expect(used.status == 2 && used.error.contains("token"), "\(used.error)")

            let denied = try await farm.sheaf(["token", "create", "--role", "admin", "--name", "alice"], home: home)
            #expect(denied.status == 2 && denied.error.contains("only admins"), "\(denied.error)")
            #expect(try await farm.sheaf(["status"], home: home).status == 0)
            let doctor = try await farm.sheaf(["doctor", "--format", "json"], home: home)
            guard case .array(let findings) = try Self.json(doctor) else {
                Issue.record("\(doctor.output)")
                return
            }
            let answers = findings.first { Self.member($0, "subject") == .string("farm") }
            #expect(Self.member(answers, "state") == .string("ok"), "\(doctor.output)")
            for subject in [
                "users", "chambers", "cgroups", "shell", "open files", "python", "kernel log", "farm's clock",
            ] {
                let finding = try #require(
                    findings.first { Self.member($0, "subject") == .string(subject) }, "\(doctor.output)")
                // What is not well comes with what to do.
                let help = Self.member(finding, "help")
                #expect((Self.member(finding, "state") == .string("ok")) == (help == .null), "\(finding)")
            }

            #expect(try await farm.sheaf("revoke", "--role", "user", "--name", "alice").status == 0)
            let revoked = try await farm.sheaf(["status"], home: home)
            #expect(revoked.status == 2 && revoked.error.contains("revoked"), "\(revoked.error)")
        }
    }

    @Test func `is told of mistakes before anything is sent, and of a farm that is away`() async throws {
        try await withFarm { farm in
            let broken = try farm.write("code/broken.yml", "on: push\njobs:\n  eval:\n    stepz: []\n")
            let refused = try await farm.sheaf("submit", broken)
            #expect(refused.status == 2 && refused.error.contains("broken.yml:4:"), "\(refused.error)")
            let runs = try Self.json(try await farm.sheaf("status", "--format", "json"))
            #expect(runs == .array([]))
            await farm.killCoordinator()
            let away = try await farm.sheaf("agents")
            #expect(away.status == 3 && away.error.contains("is the coordinator running"), "\(away.error)")
        }
    }
}
