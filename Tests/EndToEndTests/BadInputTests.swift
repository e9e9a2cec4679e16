import Artifacts
import Foundation
import Glibc
import JSON
import Model
import Testing

/// Whatever comes from outside and is wrong: each gets a clear error, and nothing is lost.
@Suite struct `A farm that is given nonsense` {
    struct Mistake: CustomTestStringConvertible {
        var name: String
        var workflow: String
        var words: [String]
        var testDescription: String { name }
    }

    static let mistakes: [Mistake] = [
        Mistake(name: "broken YAML", workflow: "sheaf: 1\njobs: [\n", words: ["error", ":"]),
        Mistake(
            name: "an unknown key",
            workflow: """
                sheaf: 1
                on: push
                jobs:
                  a:
                    runs-on: self-hosted
                    shard: {count: 2}
                    steps: [{run: "true"}]
                """, words: [":6:5: error", "shard", "did you mean 'shards'?"]),
        Mistake(
            name: "cyclic needs",
            workflow: """
                sheaf: 1
                on: push
                jobs:
                  a: {runs-on: self-hosted, needs: b, steps: [{run: "true"}]}
                  b: {runs-on: self-hosted, needs: a, steps: [{run: "true"}]}
                """, words: ["error", "needs"]),
        Mistake(
            name: "an empty matrix",
            workflow: """
                sheaf: 1
                on: push
                jobs:
                  a:
                    runs-on: self-hosted
                    strategy: {matrix: {x: []}}
                    steps: [{run: "true"}]
                """, words: ["error", "matrix"]),
        Mistake(
            name: "ten to the ninth cells",
            workflow: """
                sheaf: 1
                on: push
                jobs:
                  a:
                    runs-on: self-hosted
                    strategy:
                      matrix:
                \((0..<9).map { "        v\($0): [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" }.joined(separator: "\n"))
                    steps: [{run: "true"}]
                """, words: ["error", "matrix"]),
    ]

    @Test func `refuses what no workflow may say, with its place, and stores nothing`() async throws {
        try await withFarm { farm in
            for mistake in Self.mistakes {
                let file = try farm.write("bad/eval.yml", mistake.workflow)
                let submitted = try await farm.sheaf("submit", file)
                #expect(submitted.status == 2, "\(mistake.name): \(submitted.status) \(submitted.error)")
                for word in mistake.words {
                    #expect(submitted.error.contains(word), "\(mistake.name): \(submitted.error)")
                }
            }
            let status = try await farm.sheaf("status")
            #expect(status.output.contains("there are no runs yet"), "\(status.output)")
        }
    }

    /// A disk that turns a bit: found by whoever reads it, told to the operator, and never again called 'not there'.
    @Test func `says of an artifact that was damaged what became of it, and unpacks nothing of it`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 1)
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    strategy: {matrix: {kind: [a, b]}}
                    steps:
                      - run: mkdir -p out/deep && echo "kept ${{ matrix.kind }}" > out/deep/model.txt
                      - uses: actions/upload-artifact@v4
                        with: {name: model, path: out}
                """)
            #expect(try await farm.sheaf("submit", workflow, "--wait").status == 0)
            #expect(try await farm.sheaf("artifacts", "verify", "r1").status == 0)
            // A chunk of the second cell's artifact is its file's bytes.
            let hex = Digest(hashing: Array("kept b\n".utf8)).hex
            let objects = farm.folder + "/farm/objects"
            let plain = "\(objects)/objects/\(hex.prefix(2))/\(hex.dropFirst(2))"
            let place = FileManager.default.fileExists(atPath: plain) ? plain : plain + ".zst"
            var bytes = try Data(contentsOf: URL(filePath: place))
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: URL(filePath: place))

            let into = farm.folder + "/into"
            let got = try await farm.sheaf("artifacts", "get", "r1", "--into", into)
            #expect(got.status == 3 && got.error.contains("is damaged"), "\(got.status) \(got.error)")
            #expect(!FileManager.default.fileExists(atPath: into) && got.output.isEmpty, "\(got.output)")
            for _ in 0..<2 {
                let verified = try await farm.sheaf("artifacts", "verify", "r1")
                #expect(verified.status == 1, "\(verified.output)\(verified.error)")
                let day = String(ISO8601DateFormatter().string(from: Date()).prefix(10))
                #expect(verified.error.contains("was damaged and moved aside on \(day.prefix(7))"), "\(verified.error)")
            }
            // Into a folder that is there, nothing is left either.
            try farm.write("into/mine.txt", "mine")
            #expect(try await farm.sheaf("artifacts", "get", "r1", "--into", into).status == 3)
            #expect(try FileManager.default.subpathsOfDirectory(atPath: into) == ["mine.txt"])
            let whole = try await farm.sheaf("artifacts", "get", "r1/eval/a", "--into", into)
            #expect(whole.status == 0, "\(whole.error)")
            let log = try String(contentsOfFile: farm.folder + "/coordinator.log", encoding: .utf8)
            let said = log + (farm.coordinator?.seen.joined(separator: "\n") ?? "")
            #expect(said.contains("object \(hex.prefix(12)) is damaged") && said.contains("objects/damaged"), "\(said)")
            await farm.killCoordinator()
            try await farm.startCoordinator()
            let again = try String(contentsOfFile: farm.folder + "/coordinator.log", encoding: .utf8)
            #expect(again.contains("1 damaged object"), "\(again)")
        }
    }

    /// Strangers who say nothing, noise, or the beginning of a handshake, and stay: from a process of their own, as this
    /// one's other tests could not use so many descriptors.
    private static let strangers = """
        import resource, signal, socket, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        held = []
        for index in range(10_000):
            stranger = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            if index % 3:
                try:
                    stranger.sendall(bytes([index & 255]) * 64 if index % 3 == 1 else b"\\x16\\x03\\x01\\x02\\x00\\x01")
                except OSError:
                    pass
            held.append(stranger)
            if index == 2_000:
                print("some", flush=True)
        print("all", len(held), flush=True)
        signal.pause()
        """

    private static let descriptorsMax: Int = {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_max)
    }()

    @Test(.timeLimit(.minutes(10)), .enabled(if: descriptorsMax > 11_000))
    func `serves others while ten thousand strangers hold on to it`() async throws {
        try await withFarm { farm in
            let gate = try Gate(farm.folder + "/gate")
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  a:
                    runs-on: self-hosted
                    shards: 4
                    steps: [{run: 'echo up > "$FARM_GATE/started"; read line < "$FARM_GATE/go"'}]
                """)
            try await farm.startAgent(
                "one", cpus: 1, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let before = try Running(
                RealFarm.sheaf, ["submit", workflow, "--wait"], environment: ["SHEAF_HOME": farm.adminHome],
                log: farm.folder + "/before.log")
            #expect(await gate.started(1) == ["up"])
            let script = try farm.write("strangers.py", Self.strangers)
            let port = try #require(farm.address.split(separator: ":").last.map(String.init))
            let strangers = try Running("/usr/bin/python3", [script, port], log: farm.folder + "/strangers.log")
            _ = try await strangers.line(with: "some")
            // Who was there goes on: three more leases, four reports, and whoever waits for the verdict has it.
            gate.open()
            #expect(await before.end() == 0)
            #expect(try await strangers.line(with: "all") == "all 10000")
            // Those who stay keep out nobody who comes.
            let after = try await farm.sheaf("submit", workflow, "--wait")
            #expect(after.status == 0, "\(after.output)\(after.error)")
            let log = try String(contentsOfFile: farm.folder + "/one.log", encoding: .utf8)
            #expect(!log.contains("connection was lost"), "\(log)")
            gate.close()
            await strangers.kill()
        }
    }

    @Test func `lets no broken metrics file pass, and says for each what is wrong`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 2)
            let workflow = try farm.write(
                "code/eval.yml",
                #"""
                sheaf: 1
                name: broken metrics
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    strategy:
                      fail-fast: false
                      matrix:
                        include:
                          - {case: good, text: '{"accuracy": 1}'}
                          - {case: empty, text: ''}
                          - {case: no-json, text: 'accuracy 1'}
                          - {case: nan, text: '{"accuracy": NaN}'}
                          - {case: infinity, text: '{"accuracy": Infinity}'}
                          - {case: text, text: '{"accuracy": "1"}'}
                          - {case: "null", text: '{"accuracy": null}'}
                          - {case: boolean, text: '{"accuracy": true}'}
                          - {case: other, text: '{"precision": 1}'}
                    steps:
                      - run: printf '%s' "$TEXT" > metrics.json
                        env: {TEXT: "${{ matrix.text }}"}
                    metrics: metrics.json
                  missing:
                    runs-on: self-hosted
                    steps: [{run: "true"}]
                    metrics: metrics.json
                gates:
                  floor: {metric: accuracy, job: eval, per: cell, at-least: 0.5}
                  missing: {metric: accuracy, job: missing, per: cell, at-least: 0.5}
                """#)
            let run = try await farm.sheaf("submit", workflow, "--wait")
            #expect(run.status == 1, "\(run.status) \(run.output)\(run.error)")
            for word in ["NaN", "missing"] { #expect(run.output.contains(word), "\(word): \(run.output)") }
            // The same results, judged again without the farm.
            let export = farm.folder + "/r1.jsonl"
            #expect(try await farm.sheaf("export", "r1", "-o", export).status == 0)
            let again = try await farm.sheaf("judge", workflow, "--results", export, "--format", "json")
            #expect(again.status == 1, "\(again.error)")
            let judgement = try JSONParser.value(again.output)
            let floor = judgement["gates"]?.array?.first { $0["gate"]?.string == "floor" }
            let passing = (floor?["groups"]?.array ?? []).filter { $0["verdict"]?.string == "pass" }
            #expect(floor?["groups"]?.array?.count == 9 && passing.count == 1, "\(again.output)")
            let missing = judgement["gates"]?.array?.first { $0["gate"]?.string == "missing" }
            #expect(missing?["verdict"]?.string == "incomplete", "\(again.output)")
        }
    }

    @Test func `keeps people and agents to their roles, and strangers out`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one")
            let agent = farm.folder + "/agents/one/home"
            let asked = try await farm.sheaf(["status"], home: agent)
            #expect(asked.status == 2 && asked.error.contains("may not ask"), "\(asked.status) \(asked.error)")

            let token = try await farm.token("user", "bob")
            let bob = farm.folder + "/bob"
            #expect(try await farm.sheaf(["enrol", "--token-file", token], home: bob).status == 0)
            let again = try await farm.sheaf(["enrol", "--token-file", token], home: farm.folder + "/mallory")
            #expect(again.status == 2 && again.error.contains("the token was used on "), "\(again.error)")
            let made = try await farm.sheaf(["token", "create", "--role", "admin", "--name", "bob2"], home: bob)
            #expect(made.status == 2 && made.error.contains("only admins"), "\(made.error)")

            let forged = try String(contentsOfFile: token, encoding: .utf8).split(separator: "\n").map { line in
                line.hasPrefix("secret: ") ? "secret: " + String(repeating: "A", count: 43) : String(line)
            }.joined(separator: "\n")
            let path = try farm.write("forged.token", forged + "\n")
            let refused = try await farm.sheaf(["enrol", "--token-file", path], home: farm.folder + "/mallory")
            #expect(refused.status == 2 && refused.error.contains("knows no such token"), "\(refused.error)")

            // A person of another farm, who points at this one.
            try await withFarm { other in
                let address = try String(contentsOfFile: farm.adminHome + "/farm", encoding: .utf8)
                try Data(address.utf8).write(to: URL(filePath: other.adminHome + "/farm"))
                let stranger = try await other.sheaf("status")
                #expect(stranger.status != 0 && stranger.error.contains("is not your farm"), "\(stranger.error)")
            }

            let revoked = try await farm.sheaf("revoke", "--role", "user", "--name", "bob")
            #expect(revoked.status == 0, "\(revoked.error)")
            let gone = try await farm.sheaf(["status"], home: bob)
            #expect(gone.status == 2 && gone.error.contains("was revoked"), "\(gone.error)")
        }
    }
}
