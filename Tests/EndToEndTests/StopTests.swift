import Foundation
import Glibc
import JSON
import Model
import Testing

/// Processes that stand still, cables that are cut, clocks that are set.
@Suite struct `A farm that stands still` {
    private static func expectOnce(_ farm: RealFarm, shards: Int) async throws -> [Value] {
        let export = try await farm.sheaf("export", "r1")
        let lines = try export.output.split(separator: "\n").dropFirst().map { try JSONParser.value(String($0)) }
        let places = lines.map { "\($0["cell_id"]?.string ?? "?")/\(Int($0["shard"]?.number ?? -1))" }
        #expect(Set(places).count == shards && places.count == shards, "\(places)")
        #expect(lines.allSatisfy { $0["cause"]?.string == "passed" }, "\(export.output)")
        return lines
    }

    /// One of these agents, which works on one of the two shards of run 1, behind the gate.
    private static func worker(
        of names: [String], cpus: Int = 1, _ farm: RealFarm, _ gate: Gate
    ) async throws -> String {
        for name in names {
            try await farm.startAgent(
                name, cpus: cpus, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
        }
        let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
        #expect(try await farm.sheaf("submit", workflow).status == 0)
        #expect(await gate.started(2).count == 2)
        let explained = try await farm.sheaf("explain", "r1").output
        return try #require(names.first { explained.contains("is on agent \($0)") }, "\(explained)")
    }

    /// SIGSTOP for longer than a lease: the shard goes elsewhere, and what the stopped agent says afterwards changes nothing.
    @Test(.timeLimit(.minutes(10)))
    func `in one agent gives its shard to another, and counts it once when it goes on`() async throws {
        try await withFarm(lease: 3) { farm in
            let gate = try Gate(farm.folder + "/gate")
            let name = try await Self.worker(of: ["one", "two", "three"], farm, gate)
            let stopped = try #require(farm.agents[name])
            stopped.signal(SIGSTOP)
            // The third agent begins it again.
            #expect(await gate.started(1).count == 1)
            gate.open()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let lines = try await Self.expectOnce(farm, shards: 2)
            #expect(lines.count { $0["attempt"]?.number == 2 } == 1, "\(lines)")
            stopped.signal(SIGCONT)
            // Lost by its own clock, or its step was faster and it reports it: until the farm has answered all that it says.
            _ = try await stopped.line(with: "#1 ended: ")
            let spool = farm.folder + "/agents/\(name)/home/spool"
            while try FileManager.default.contentsOfDirectory(atPath: spool).contains(where: { $0.hasPrefix("r1-") }) {
                await Task.yield()
            }
            let afterwards = try await Self.expectOnce(farm, shards: 2)
            #expect(afterwards == lines)
            gate.close()
        }
    }

    /// SIGTERM, as before a machine is shut down or taken away: the farm hears of it, and does not wait for the lease to end.
    @Test(.timeLimit(.minutes(10))) func `for good, with a warning, is tried elsewhere at once`() async throws {
        try await withFarm(lease: 600) { farm in
            let gate = try Gate(farm.folder + "/gate")
            let name = try await Self.worker(of: ["one", "two"], cpus: 2, farm, gate)
            let agent = try #require(farm.agents[name])
            agent.signal(SIGTERM)
            #expect(await agent.end() == 0)
            gate.open()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            _ = try await Self.expectOnce(farm, shards: 2)
            let told = try await farm.sheaf("explain", "r1").output
            #expect(told.contains("preempted") && told.contains("the agent was stopped by SIGTERM"), "\(told)")
            gate.close()
        }
    }

    /// SIGSTOP of the coordinator: agents work on, keep their reports, and are heard when it goes on.
    @Test func `in its coordinator goes on where it was`() async throws {
        try await withFarm(lease: 60) { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            let coordinator = try #require(farm.coordinator)
            coordinator.signal(SIGSTOP)
            gate.open()
            // The steps have read their lines: from now on their agent has something to say that nobody hears.
            while !living(farm.folder + "/agents/one/work/attempts/").isEmpty { await Task.yield() }
            coordinator.signal(SIGCONT)
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let lines = try await Self.expectOnce(farm, shards: 2)
            #expect(lines.allSatisfy { $0["attempt"]?.number == 1 }, "\(lines)")
            gate.close()
        }
    }

    /// For longer than a lease: the agent ends what it has, which then is tried again, and counted once.
    @Test func `in its coordinator for longer than a lease tries again what agents had to end`() async throws {
        try await withFarm(lease: 3) { farm in
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            let coordinator = try #require(farm.coordinator)
            coordinator.signal(SIGSTOP)
            // The gate is shut: only the end of their lease ends the steps.
            while !living(farm.folder + "/agents/one/work/attempts/").isEmpty { await Task.yield() }
            coordinator.signal(SIGCONT)
            #expect(await gate.started(2).count == 2)
            gate.open()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let lines = try await Self.expectOnce(farm, shards: 2)
            #expect(lines.allSatisfy { $0["attempt"]?.number == 2 }, "\(lines)")
            gate.close()
        }
    }

    /// A library before all others, which adds what a file says to the wall clock.
    private static let clock = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static long offset(void) {
            char text[32] = {0};
            int file = open(getenv("TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
            if (file < 0) return 0;
            long count = read(file, text, sizeof text - 1);
            close(file);
            return count > 0 ? atol(text) : 0;
        }
        int clock_gettime(clockid_t id, struct timespec *t) {
            int code = (int)syscall(SYS_clock_gettime, id, t);
            if (code == 0 && id == CLOCK_REALTIME) t->tv_sec += offset();
            return code;
        }
        int gettimeofday(struct timeval *restrict t, void *restrict zone) {
            struct timespec now;
            (void)zone;
            if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
            t->tv_sec = now.tv_sec;
            t->tv_usec = now.tv_nsec / 1000;
            return 0;
        }
        time_t time(time_t *to) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (to) *to = now.tv_sec;
            return now.tv_sec;
        }
        """

    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cc"), "a C compiler makes the clock"),
        arguments: [3_600, -3_600])
    func `by no clock that is set, an hour forward or back`(seconds: Int) async throws {
        let farm = try RealFarm(lease: 10)
        do {
            let source = try farm.write("clock.c", Self.clock)
            let library = farm.folder + "/clock.so"
            let made = try await Finished.run("/usr/bin/cc", ["-shared", "-fPIC", "-o", library, source])
            try #require(made.status == 0, "\(made.error)")
            let time = try farm.write("time", "0\n")
            farm.environment = ["LD_PRELOAD": library, "TEST_CLOCK": time]
            try await farm.startCoordinator()
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            try farm.write("time", "\(seconds)\n")
            // Leases are renewed, and people heard, under the new time.
            #expect(try await farm.sheaf("status").status == 0)
            await farm.killCoordinator()
            try await farm.startCoordinator()
            try farm.write("time", "0\n")
            gate.open()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let lines = try await Self.expectOnce(farm, shards: 2)
            #expect(lines.allSatisfy { $0["attempt"]?.number == 1 }, "\(lines)")
            gate.close()
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }

    /// The short one of `make chaos`: as root in network namespaces of its own. The plan of this seed has every kind of fault
    /// but a coordinator that is stopped, and leaves each agent deaf or mute for longer than a lease.
    @Test(.timeLimit(.minutes(10))) func `and is killed and cut again and again loses and makes up nothing`()
        async throws
    {
        let chaos = try await Finished.run(
            "/usr/bin/python3",
            [
                RealFarm.root.appending(path: "cluster/local/chaos").path, "--sheaf", RealFarm.sheaf, "--seconds", "12",
                "--kills", "2", "--cells", "2", "--shards", "60", "--agents", "2", "--seed", "6117",
            ])
        #expect(chaos.status == 0, "\(chaos.output.suffix(4000))\(chaos.error.suffix(2000))")
        let held = try #require(chaos.output.split(separator: "\n").last { $0.contains("held: ") })
        #expect(held.contains("2 × kill the coordinator"), "\(held)")
        guard !chaos.output.contains("no cuts: ") else { return }
        for deed in ["1 × cut", "1 × deafen", "1 × mute", "1 × kill,", "1 × stop"] {
            #expect(held.contains(deed), "\(held)")
        }
    }
}

/// A terminal on which somebody has pressed Ctrl-S, a collector of logs that hangs.
@Suite struct `A coordinator whose output nobody reads` {
    @Test(.timeLimit(.minutes(10)))
    func `serves on, and says it all later`() async throws {
        let farm = try RealFarm()
        let coordinator = try Running(
            "/bin/sh",
            [
                "-c",
                """
                mkfifo "$1/output" && cat <"$1/output" & echo "reader $!"
                while [ ! -p "$1/output" ]; do :; done
                exec "$0" coordinator --state "$1/farm" --listen 127.0.0.1:0 --enrol 127.0.0.1:0 >"$1/output"
                """, RealFarm.sheaf, farm.folder,
            ], log: farm.folder + "/coordinator.log")
        let reader = try #require(
            Int32(try await coordinator.line(with: "reader ").split(separator: " ").last ?? ""))
        // The shell's child is the shell that became `cat`, or has it as its only child.
        _ = try await coordinator.line(with: "listening at ")
        #expect(try await farm.sheaf("enrol", "--token-file", farm.folder + "/farm/admin.token").status == 0)
        let token = try await farm.token("user", "anna")
        let reading = [reader] + living("cat").filter { parent(of: $0) == reader }
        for pid in reading { kill(pid, SIGSTOP) }
        let full = open(farm.folder + "/output", O_WRONLY | O_NONBLOCK)
        #expect(full >= 0)
        let noise = [UInt8](repeating: UInt8(ascii: "\n"), count: 4096)
        while write(full, noise, noise.count) > 0 {}
        #expect(errno == EAGAIN)
        close(full)
        let anna = try await Finished.run(
            RealFarm.sheaf, ["enrol", "--token-file", token], environment: ["SHEAF_HOME": farm.folder + "/anna"])
        #expect(anna.status == 0, "\(anna.error)")
        let status = try await farm.sheaf("status")
        #expect(status.status == 0, "\(status.error)")
        for pid in reading { kill(pid, SIGCONT) }
        _ = try await coordinator.line(with: "anna enrolled")
        await coordinator.kill()
        await farm.end()
    }
}
