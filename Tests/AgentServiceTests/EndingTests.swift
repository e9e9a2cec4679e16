import Artifacts
import CLinux
import Glibc
import Model
import Programs
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `How attempts end` {
    private static let hosts: [(name: String, accounts: AccountPool, views: Bool)] =
        [("a chamber", AccountPool(.own), false)]
        + (Workshop.isRoot ? [("a chamber, a view and a user", Workshop.users, true)] : [])

    @Test(.enabled(if: Chamber.refusal == nil))
    func `an attempt beyond its time is asked, then killed, and nothing that it started survives`() async throws {
        for host in Self.hosts {
            let workshop = try await Workshop(accounts: host.accounts)
            try await Escapes.expectNone(host.views ? try await workshop.withViews() : workshop, host.name)
        }
    }

    @Test(.enabled(if: Chamber.refusal == nil && Workshop.cgroups.limitsProcesses))
    func `a fork bomb stays within its limit, and none of it is left`() async throws {
        let mark = sleepMark()
        let workshop = try await Workshop { $0.processesMax = 100 }
        let trial = try workshop.begin([
            run(
                """
                bomb() { (trap '' TERM; setsid sleep \(mark) & bomb) & bomb; }
                echo ready
                bomb 2>/dev/null
                """)
        ])
        try await trial.logged("ready")
        while living(mark).count < 20 { await Task.yield() }
        await trial.driver.cancel("enough")
        let ended = try await trial.end()
        #expect(living(mark).isEmpty)
        #expect(ended.report.cause == "cancelled")
    }

    /// The machine goes: nobody has time for steps that always run, and the attempt is tried again elsewhere.
    @Test func `what is preempted ends at once, with that cause`() async throws {
        let mark = sleepMark()
        let workshop = try await Workshop()
        let trial = try workshop.begin([
            run("echo ready; exec sleep \(mark)"), run("echo never", if: "always()"),
        ])
        try await trial.logged("ready")
        await trial.driver.preempt("the agent was stopped by SIGTERM")
        // Whoever cancels it now comes too late.
        await trial.driver.cancel("enough")
        let ended = try await trial.end()
        #expect(living(mark).isEmpty)
        #expect(ended.report.cause == "preempted" && ended.report.evidence == "the agent was stopped by SIGTERM")
        #expect(!ended.out.contains("never"), "\(ended.out)")
    }

    @Test func `steps that always run may take the wrap-up's time and no more`() async throws {
        let mark = sleepMark()
        let workshop = try await Workshop { $0.wrapUp = .seconds(2) }
        let trial = try workshop.begin([
            run("echo ready; exec sleep \(mark)"), run("echo wrapping up; exec sleep \(mark)", if: "always()"),
            run("echo never", if: "always()"),
        ])
        try await trial.logged("ready")
        await trial.driver.cancel("enough")
        let ended = try await trial.end()
        #expect(living(mark).isEmpty)
        // How far the second step gets is the machine's business; the third has no time left, and nothing goes on.
        #expect(ended.out.first == "ready" && !ended.out.contains("never"), "\(ended.out)")
        #expect(ended.report.cause == "cancelled")
        #expect(ended.outcomes.first == "cancelled" && ended.outcomes.last == "skipped", "\(ended.outcomes)")
    }

    @Test func `a silent job ends as idle, with its last line as evidence`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("echo epoch 3"), run("exec sleep 1000")]) {
            $0.idleTimeout = .seconds(12)
        }
        #expect(ended.report.cause == "idle")
        #expect(ended.report.evidence.hasSuffix("the last line was: epoch 3"), "\(ended.report.evidence)")
    }

    @Test func `what the agent fetches in silence is not the job's silence`() async throws {
        let workshop = try await Workshop()
        let listing = workshop.farm.objects.add("item that nobody gets \(sleepMark())\n")
        workshop.farm.objects.withhold(listing.digest)
        let trial = try workshop.begin([run("true")]) {
            $0.items = .init(listing: listing, first: 0, count: 1)
            $0.idleTimeout = .milliseconds(1)
            $0.timeout = .milliseconds(300)
        }
        #expect(try await trial.end().report.cause == "timeout")
    }

    @Test func `a cancelled attempt cannot take the link from the others`() async throws {
        let workshop = try await Workshop()
        let listing = workshop.farm.objects.add("item that nobody gets \(sleepMark())\n")
        workshop.farm.objects.withhold(listing.digest)
        let trial = try workshop.begin { $0.items = .init(listing: listing, first: 0, count: 1) }
        await workshop.farm.objects.waitUntilAsked(for: listing.digest)
        await trial.driver.cancel("enough")
        #expect(try await trial.end().report.cause == "cancelled")
        let other = try await workshop.attempt([run("echo '{\"a\": 1}' > \"$SHEAF_METRICS\"")])
        #expect(other.report.cause == "passed", "\(other.report.evidence)")
        #expect(other.report.metrics != nil)
    }

    @Test func `when the lease has ended no step runs, not even one that always does`() async throws {
        let mark = sleepMark()
        let workshop = try await Workshop()
        let trial = try workshop.begin([
            run("echo ready; exec sleep \(mark)"), run("echo never", if: "always()"),
        ]) { $0.grace = .seconds(600) }
        try await trial.logged("ready")
        await trial.driver.endLease()
        let ended = try await trial.end()
        #expect(living(mark).isEmpty)
        #expect(ended.report.cause == "lost_agent")
        #expect(ended.out == ["ready"])
        #expect(ended.outcomes == ["cancelled", "skipped"])
    }

    @Test func `an exit code is the user's, and the code is told`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("exit 3"), run("echo no"), run("echo yes", if: "failure()")])
        #expect(ended.report.cause == "user_exit")
        #expect(ended.report.code == 3)
        #expect(ended.report.evidence == "step 'Run exit 3' ended with exit code 3")
        #expect(ended.out == ["yes"])
        #expect(ended.report.steps[0].exitCode == 3)
        #expect(!Files.exists(workshop.host.attemptsFolder + "/" + "r1-0-0-0-1"))
    }

    @Test func `a code above 128 is explained by the signal behind it`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("sh -c 'kill -SEGV $$'; exit $?")])
        #expect(ended.report.cause == "user_exit")
        #expect(ended.report.code == 139)
        #expect(ended.report.evidence.contains("signal 11, SIGSEGV"), "\(ended.report.evidence)")
    }

    @Test func `a step whose shell is killed ends by that signal`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("kill -KILL $$")])
        #expect(ended.report.cause == "signal")
        #expect(ended.report.code == 9)
        #expect(ended.report.evidence.contains("SIGKILL"))
    }

    @Test(.enabled(if: Workshop.cgroups.limitsMemory && Files.exists("/usr/bin/python3")))
    func `an attempt beyond its memory is called oom, on the kernel's word`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("exec python3 -c 'x = bytearray(200 << 20)'")]) {
            $0.memory = ByteCount(32 << 20)
        }
        #expect(ended.report.cause == "oom", "\(ended.report.evidence)")
        #expect(ended.report.evidence.contains("32"), "\(ended.report.evidence)")
    }

    @Test func `a step's own limit ends the step and leaves the job`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("echo begun; exec sleep 1000", timeout: "0.005", continueOnError: "true"), run("echo after"),
        ])
        #expect(ended.report.cause == "passed")
        #expect(ended.out == ["begun", "after"])
        #expect(ended.report.steps[0].outcome == "failure")
        #expect(ended.report.steps[0].conclusion == "success")
        #expect(ended.said.contains { $0.contains("reached its limit of 0.3 s") }, "\(ended.said)")
    }

    @Test func `a folder that is not there is the job's mistake and not the agent's`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("true", in: "nowhere")])
        #expect(ended.report.cause == "user_error", "\(ended.report.evidence)")
        #expect(ended.report.evidence.contains("nowhere"))
    }

    @Test func `what a program wrote before it ended is whole, however slowly it is taken`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("seq 1 150000"), run("echo next")])
        #expect(ended.out.count == 150_001)
        #expect(ended.out.suffix(2) == ["150000", "next"])
    }
}

/// Ways in which processes try to outlive their step.
private enum Escapes {
    /// Each holds the mark in its command line.
    private static func script(_ mark: String) -> String {
        """
        trap 'echo asked to end' TERM
        (trap '' TERM; exec sleep \(mark)) &
        setsid sleep \(mark) &
        (setsid env -i /bin/sh -c 'trap "" TERM; (sleep \(mark) &) ; sleep \(mark)' >/dev/null 2>&1 &)
        sleep \(mark) & stopped=$!
        while [ "$(grep -alz '^\(mark)' /proc/[0-9]*/cmdline 2>/dev/null | wc -l)" -lt 5 ]; do :; done
        kill -STOP $stopped
        echo ready
        while :; do read -r line < "$TMPDIR/nothing" || wait; done
        """
    }

    /// Works on an attempt that goes beyond its time, and expects that nothing of it is left.
    static func expectNone(_ workshop: Workshop, _ name: String) async throws {
        let mark = sleepMark()
        let trial = try workshop.begin([
            run(script(mark)), run("echo not reached"), run("echo cleaning up", if: "always()"),
        ]) {
            // Room for a busy machine: what is looked at is the order, not the time.
            $0.timeout = .seconds(8)
            $0.grace = .seconds(2)
        }
        try await trial.logged("ready")
        let ended = try await trial.end()
        #expect(living(mark).isEmpty, "\(name)")
        #expect(ended.report.cause == "timeout", "\(name): \(ended.report.evidence)")
        #expect(ended.report.evidence == "the job's limit of 8 s was reached")
        #expect(ended.out.contains("asked to end"), "\(name)")
        #expect(ended.out.last == "cleaning up")
        #expect(ended.outcomes == ["cancelled", "skipped", "success"])
    }
}

/// One after the other, in all suites below: what bears no sign of an attempt can be told to be its only while no other is
/// swept for, and to this process fall the orphans of all.
@Suite(.timeLimit(.minutes(10)), .serialized) enum WithoutChambers {
    @Suite struct `How attempts end where the agent can make no chamber` {}
    @Suite struct `A program of the agent's own` {}
}

extension WithoutChambers.`How attempts end where the agent can make no chamber` {
    private static let hosts: [(name: String, cgroups: Cgroups, accounts: AccountPool)] =
        [("cgroups", Workshop.cgroups, AccountPool(.own))].filter { $0.1.isUsable }
        + (Workshop.isRoot ? [("a user of its own", Cgroups.none, Workshop.users)] : [])
        + [("orphans that fall to the agent", Cgroups.none, AccountPool(.own))]

    @Test func `nothing that it started survives`() async throws {
        _ = clinux_become_subreaper()
        for host in Self.hosts {
            let workshop = try await Workshop(cgroups: host.cgroups, accounts: host.accounts) {
                $0.hasChambers = false
            }
            try await Escapes.expectNone(workshop, host.name)
        }
    }

    @Test func `orphans are collected, whenever they ended`() async throws {
        _ = clinux_become_subreaper()
        let mark = sleepMark()
        let workshop = try await Workshop(cgroups: .none) { $0.hasChambers = false }
        let ended = try await workshop.attempt([
            run("(setsid sh -c 'echo $$; : \(mark)' &); (setsid sh -c 'echo $$; exec sleep \(mark)' &); sleep 0.1")
        ])
        #expect(ended.report.cause == "passed" && ended.out.count == 2, "\(ended.out)")
        // Not even as zombies.
        for line in ended.out { #expect(pid_t(line).flatMap(ProcessTable.entry) == nil) }
    }
}

/// What the agent's own process runs for itself is none of an attempt's, also where it has a session of its own.
extension WithoutChambers.`A program of the agent's own` {
    @Test func `outlives the end of an attempt, and its answer is whole`() async throws {
        let workshop = try await Workshop(cgroups: .none) { $0.hasChambers = false }
        let folder = "/tmp/sheaf-own-\(UInt64.random(in: 0...UInt64.max))"
        try #require(mkdir(folder, 0o700) == 0)
        defer { Files.removeTree(folder) }
        for name in ["begun", "go", "in"] { try #require(mkfifo("\(folder)/\(name)", 0o600) == 0) }
        // Opening a pipe waits for its other end.
        let opened = { (name: String, flags: CInt) in
            await DiskThreads.shared.run { open("\(folder)/\(name)", flags | O_CLOEXEC) }
        }
        async let attempt = workshop.attempt([run(": >\(folder)/begun; cat \(folder)/go")])
        let begun = await opened("begun", O_RDONLY)
        // It starts while the attempt works, and lives when that has ended.
        async let answer = DiskThreads.shared.run { Programs.Program.output("/bin/cat", ["\(folder)/in"]) }
        let writer = await opened("in", O_WRONLY)
        for descriptor in [begun, await opened("go", O_WRONLY)] { close(descriptor) }
        let ended = try await attempt
        #expect(ended.report.cause == "passed", "\(ended.report.cause)")
        #expect(write(writer, "whole", 5) == 5)
        close(writer)
        #expect(try await answer.get() == Array("whole".utf8))
    }
}

@Suite struct `When an attempt must stop` {
    private let start = Instant(nanoseconds: 1_000_000_000_000)
    private func at(_ seconds: Int64) -> Instant { start.advanced(by: .seconds(seconds)) }
    private func watch(idle: Duration? = nil) -> AttemptWatch {
        AttemptWatch(.init(job: .seconds(60), idle: idle, grace: .seconds(10), wrapUp: .seconds(30)), at: start)
    }
    private func tick(_ heard: Int64 = 0) -> AttemptWatch.Event { .tick(lastHeard: at(heard), lastLine: "epoch 3") }

    @Test func `at the limit it is asked, after the grace killed, after the wrap-up abandoned`() {
        var watch = watch()
        #expect(watch.handle(tick(), at: at(59)) == [.wake(at: at(60))])
        #expect(watch.handle(tick(), at: at(60)) == [.terminate(.timeout), .wake(at: at(70))])
        #expect(watch.handle(tick(), at: at(69)) == [.wake(at: at(70))])
        #expect(watch.handle(tick(), at: at(70)) == [.kill])
        #expect(watch.handle(tick(), at: at(71)) == [])
        #expect(watch.handle(.halted, at: at(72)) == [.wake(at: at(102))])
        #expect(watch.handle(tick(), at: at(101)) == [.wake(at: at(102))])
        #expect(watch.handle(tick(), at: at(102)) == [.abandon(.timeout)])
        #expect(watch.reason == .timeout)
        #expect(watch.handle(.leaseEnded, at: at(103)) == [])
    }

    @Test func `silence counts from the last words`() {
        var watch = watch(idle: .seconds(5))
        #expect(watch.handle(tick(1), at: at(5)) == [.wake(at: at(6))])
        #expect(watch.handle(tick(2), at: at(7)) == [.terminate(.idle(lastLine: "epoch 3")), .wake(at: at(17))])
    }

    @Test func `an attempt whose files take too much is stopped like a late one, and ended if they grow on`() {
        var watch = watch()
        let held = ByteCount.gibibytes(2)
        #expect(watch.handle(.excess(held), at: at(5)) == [.terminate(.excess(held)), .wake(at: at(15))])
        #expect(watch.handle(.halted, at: at(6)) == [.wake(at: at(36))])
        #expect(watch.handle(.excess(.gibibytes(3)), at: at(7)) == [.abandon(.excess(held))])
        #expect(watch.reason == .excess(held))
        #expect(watch.handle(.excess(.gibibytes(4)), at: at(8)) == [])
    }

    @Test func `the first reason counts, but the end of the lease always does`() {
        var watch = watch()
        #expect(watch.handle(.cancel("a"), at: at(1)) == [.terminate(.cancelled("a")), .wake(at: at(11))])
        #expect(watch.handle(.cancel("b"), at: at(2)) == [])
        #expect(watch.reason == .cancelled("a"))
        #expect(watch.handle(.leaseEnded, at: at(3)) == [.abandon(.leaseEnded)])
        #expect(watch.reason == .leaseEnded)
    }

    @Test func `its time stands still while the farm cannot take what it has`() {
        var watch = watch(idle: .seconds(5))
        #expect(watch.handle(.farmRefused, at: at(50)) == [])
        #expect(watch.handle(.farmRefused, at: at(51)) == [])
        #expect(watch.handle(tick(), at: at(500)) == [])
        #expect(watch.handle(.farmAnswered, at: at(1000)) == [.wake(at: at(1010))])
        #expect(watch.handle(.farmAnswered, at: at(1001)) == [])
        #expect(watch.handle(tick(1009), at: at(1009)) == [.wake(at: at(1010))])
        #expect(watch.handle(.farmRefused, at: at(1009)) == [])
        // It can be taken back all the same, and ends with its lease.
        var other = watch
        #expect(watch.handle(.cancel("a"), at: at(2000)) == [.terminate(.cancelled("a")), .wake(at: at(2010))])
        #expect(watch.handle(.farmRefused, at: at(2001)) == [])
        #expect(watch.handle(tick(), at: at(2010)) == [.kill])
        #expect(other.handle(.leaseEnded, at: at(2000)) == [.abandon(.leaseEnded)])
    }

    @Test func `what has finished cannot be late`() {
        var watch = watch()
        #expect(watch.handle(.finished, at: at(59)) == [])
        #expect(watch.handle(tick(), at: at(61)) == [])
        #expect(watch.handle(.cancel("late"), at: at(62)) == [])
        #expect(watch.reason == nil)
    }
}
