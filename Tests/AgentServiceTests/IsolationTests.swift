import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `What a step can see and reach` {
    @Test func `nothing of the agent's own environment`() async throws {
        setenv("SHEAF_TEST_SECRET", "squeamish", 1)
        let workshop = try await Workshop {
            $0.environment = [.init(name: "PIP_INDEX_URL", value: "https://pypi.example")]
        }
        let ended = try await workshop.attempt([run("env | sort")])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(!ended.out.contains { $0.contains("squeamish") || $0.contains("SHEAF_TEST_SECRET") })
        #expect(ended.out.contains("PIP_INDEX_URL=https://pypi.example"))
    }

    @Test func `the variables that a job is promised`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt(
            [
                run(
                    "env",
                    env: [Template("OWN", "step"), Template("GITHUB_SHA", "forged"), Template("SHEAF_SHARD", "9")])
            ], shard: 2
        ) {
            $0.cpus = 4
            $0.work.environment = [Template("OF_JOB", "${{ github.ref }}"), Template("OWN", "job")]
        }
        let variables = Dictionary(
            ended.out.compactMap { line in
                line.firstIndex(of: "=").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
            },
            uniquingKeysWith: { $1 })
        let work = try #require(variables["GITHUB_WORKSPACE"])
        let folder = work.parentPath
        #expect(folder.isInside(workshop.host.attemptsFolder))
        let wanted = [
            "CI": "true", "HOME": folder + "/home", "TMPDIR": folder + "/tmp", "PWD": work, "OWN": "step",
            "OF_JOB": "refs/heads/main", "GITHUB_ACTIONS": "true", "GITHUB_SHA": "abc123",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_JOB": "eval", "RUNNER_OS": "Linux", "RUNNER_TEMP": folder + "/tmp", "SHEAF_JOB": "eval",
            "SHEAF_CELL": "eval_a", "SHEAF_SHARD": "2", "SHEAF_SHARD_COUNT": "3", "SHEAF_CPUS": "4",
            "SHEAF_ATTEMPT_NUMBER": "1", "PATH": workshop.host.searchPath,
        ]
        for (name, value) in wanted { #expect(variables[name] == value, "\(name)") }
        #expect(variables["SHEAF_METRICS"]?.isInside(folder) == true)
        for part in ["work", "home", "tmp", "files"] {
            #expect(Files.names(in: folder + "/" + part).isEmpty, "nothing of it is left when it ends")
        }
    }

    @Test func `the event is a file`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("cat \"$GITHUB_EVENT_PATH\"")])
        #expect(ended.out == [#"{"number":7}"#])
    }

    @Test(.enabled(if: Workshop.isRoot)) func `no file of the agent's`() async throws {
        let workshop = try await Workshop(accounts: Workshop.users)
        let key = workshop.path + "/agent.pem"
        try Files.write("the agent's key", to: key, mode: 0o600)
        let ended = try await workshop.attempt([
            run(
                "id -u; cat \(key) || echo refused; ls \(workshop.host.spoolFolder) || echo refused too; echo x > \(workshop.path)/new || echo refused as well"
            )
        ])
        #expect(ended.out.first.flatMap { Int($0) } ?? 0 >= 61_184)
        #expect(ended.out.dropFirst() == ["refused", "refused too", "refused as well"])
    }

    @Test(.enabled(if: Workshop.isRoot)) func `no other attempt's processes and files`() async throws {
        let workshop = try await Workshop(accounts: Workshop.users)
        let mark = sleepMark()
        let victim = try workshop.begin([run("echo \"$PWD\"; echo ready; exec sleep \(mark)")])
        try await victim.logged("ready")
        let work = try #require(try LogLine.all(victim.log).first { $0.text.hasPrefix("/") }).text
        // In a chamber the number means nothing, without one the user is another.
        while living(mark).isEmpty { await Task.yield() }
        let pid = try #require(living(mark).first)
        let ended = try await workshop.attempt([
            run("kill -KILL \(pid) || echo kept; ls \(work) || echo closed; echo x > \(work)/new || echo safe")
        ])
        #expect(ended.out == ["kept", "closed", "safe"])
        #expect(living(mark).count == 1)
        await victim.driver.cancel("done")
        #expect(try await victim.end().report.cause == "cancelled")
    }

    @Test(.enabled(if: Workshop.isRoot)) func `two agents of one machine never hand out one user twice`() throws {
        let pools = [AccountPool(.standardPool), AccountPool(.standardPool)]
        let first = try pools[0].take()
        let second = try pools[1].take()
        defer {
            pools[0].giveBack(first.account)
            pools[1].giveBack(second.account)
        }
        #expect(first.isExclusive && second.isExclusive)
        #expect(first.account?.user != second.account?.user)
    }

    @Test func `what a step puts in the place of the agent's files stops nothing`() async throws {
        let workshop = try await Workshop(accounts: Workshop.isRoot ? Workshop.users : AccountPool(.own))
        let ended = try await workshop.attempt([
            run(
                """
                files=$(dirname "$GITHUB_ENV")
                mkfifo "$files/step-2.sh"
                ln -s /etc/passwd "$files/step-3.sh"
                mkdir -p "$files/step-4.sh/deep"
                mkfifo "$files/step-2-github_env"
                """), run("echo one"), run("echo two"), run("echo three"),
        ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.out == ["one", "two", "three"])
    }

    @Test func `a FIFO instead of a command file is a mistake that is named`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("rm \"$GITHUB_OUTPUT\"; mkfifo \"$GITHUB_OUTPUT\"")])
        #expect(ended.report.cause == "user_error")
        #expect(ended.report.evidence.contains("GITHUB_OUTPUT cannot be read"), "\(ended.report.evidence)")
    }
}
