import Artifacts
import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `What setup and listing do` {
    /// A program that makes environments as `python -m venv` does, in no time.
    private static let fakePython = """
        #!/bin/sh
        case "$*" in
        *"-m venv --without-pip"*) mkdir -p "$4/bin" "$4/lib/python3.99/site-packages"; cp "$0" "$4/bin/python" ;;
        *freeze*) echo "numpy==${PIP_EXTRA-2.0}" ;;
        esac

        """

    private func workshop() async throws -> Workshop {
        let workshop = try await Workshop()
        let path = workshop.path + "/python3"
        try Files.write(Self.fakePython, to: path, mode: 0o755)
        return try await Workshop {
            $0.interpreters = [Interpreter(version: "3.99.0", path: path, source: "system")]
        }.keeping(workshop)
    }

    @Test(.enabled(if: Workshop.cgroups.limitsMemory && Files.exists("/usr/bin/python3")))
    func `setup beyond its memory is called oom, with the kernel's numbers`() async throws {
        let ended = try await workshop().attempt([run("echo never")]) {
            $0.work.setup = [run("echo fine"), run("exec /usr/bin/python3 -c 'x = bytearray(200 << 20)'")]
            $0.memory = .mebibytes(32)
        }
        #expect(ended.report.cause == "oom", "\(ended.report.evidence)")
        let words =
            "setup step 2: the kernel killed 1 of its processes at the attempt's limit of 32 MiB; the peak was 32 MiB"
        #expect(ended.report.evidence == words)
        #expect(ended.report.usage?.peakMemoryBytes ?? 0 > 30 << 20)
        #expect(!ended.out.contains("never"))
    }

    /// Who comes next finds the environment built: it must not be made of one attempt's variables.
    @Test func `an environment that others share is made without an attempt's own variables`() async throws {
        let ended = try await workshop().attempt([run("echo $PIP_EXTRA")]) {
            $0.work.environment = [Template("PIP_EXTRA", "mine")]
            $0.work.setup = [run("true")]
        }
        #expect(ended.report.cause == "passed" && ended.out.last == "mine", "\(ended.report.evidence)")
        let lock = VerifiedObject(naming: Array("python 3.99.0 (system)\nnumpy==2.0\n".utf8)).object
        #expect(ended.report.environmentLock == lock.message)
    }

    @Test func `a setup step has its own limit, and may fail where it says so`() async throws {
        let late = try await workshop().attempt([run("echo never")]) {
            $0.work.setup = [run("exec sleep 1000", timeout: "0.005")]
        }
        #expect(late.report.cause == "timeout")
        #expect(late.report.evidence == "setup step 1 reached its limit of 0.3 s")
        let going = try await workshop().attempt([run("echo reached")]) {
            $0.work.setup = [
                run("exec sleep 1000", timeout: "0.005", continueOnError: "true"),
                run("echo no; exit 3", continueOnError: "${{ github.sha == 'abc123' }}"),
            ]
        }
        #expect(going.report.cause == "passed", "\(going.report.evidence)")
        #expect(going.out.last == "reached")
        #expect(going.said.contains { $0.hasPrefix("setup step 2 ended with exit code 3: no; setup goes on") })
        let failed = try await workshop().attempt([run("echo never")]) { $0.work.setup = [run("echo why; exit 3")] }
        #expect(failed.report.cause == "user_exit" && failed.report.code == 3)
        #expect(failed.report.evidence == "setup step 1 ended with exit code 3: why")
    }

    private static let hasPytest: Bool = {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", "import pytest"]
        process.standardError = FileHandle.nullDevice
        return (try? process.run()) != nil
            && {
                process.waitUntilExit(); return process.terminationStatus == 0
            }()
    }()

    /// The agent's own search path, in which `python` is the one that has pytest.
    private func pytestWorkshop() async throws -> Workshop {
        let found = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folder = try await Workshop()
        let python = try #require(found.split(separator: ":").map { $0 + "/python3" }.first(where: Files.isExecutable))
        try Files.write("#!/bin/sh\nexec \(python) \"$@\"\n", to: folder.path + "/python", mode: 0o755)
        return try await Workshop { $0.searchPath = folder.path + ":" + $0.searchPath }.keeping(folder)
    }

    @Test(.enabled(if: hasPytest)) func `pytest's own ids are the items, whatever is in them`() async throws {
        let workshop = try await pytestWorkshop()
        let tree = try await workshop.tree([
            // What is printed is none of our business: this prints nothing of use.
            "pytest.ini": "[pytest]\naddopts = -qq\n",
            "tests/test_a.py": """
            import pytest
            print("tests/test_a.py::not_a_test")
            @pytest.mark.parametrize("text", ["a b", "x::y", "é", "[]"], ids=lambda t: t)
            def test_text(text): assert text
            class TestDeep:
                def test_one(self): pass

            """,
        ])
        let ended = try await workshop.attempt(shard: ShardID.listing) {
            $0.tree = tree
            $0.itemSource = .collect("pytest")
        }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        let wanted = ["a b", "x::y", "\\xe9", "[]"].map { "tests/test_a.py::test_text[\($0)]" }
        #expect(
            try ended.text(ended.report.listing).split(separator: "\n").map(String.init)
                == wanted + ["tests/test_a.py::TestDeep::test_one"])
        #expect(ended.report.listingCount == 5)
    }

    @Test(.enabled(if: hasPytest)) func `a collection that fails is the user's mistake`() async throws {
        let workshop = try await pytestWorkshop()
        let tree = try await workshop.tree(["test_a.py": "import no_such_module_anywhere\n"])
        let ended = try await workshop.attempt(shard: ShardID.listing) {
            $0.tree = tree
            $0.itemSource = .collect("pytest")
        }
        #expect(ended.report.cause == "user_error")
        #expect(
            ended.report.evidence.hasPrefix("the command that lists items ended with exit code 2"),
            "\(ended.report.evidence)")
        let none = try await workshop.tree(["notes.txt": "no tests here\n"])
        let empty = try await workshop.attempt(shard: ShardID.listing) {
            $0.tree = none
            $0.itemSource = .collect("pytest")
        }
        #expect(empty.report.cause == "passed" && empty.report.listingCount == 0, "\(empty.report.evidence)")
    }
}
