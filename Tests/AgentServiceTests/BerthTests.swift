import Glibc
import Model
import Testing
import Wire

import struct Synchronization.Atomic

@testable import AgentService

/// What one attempt has used serves the next, when it was left as it was found.
@Suite(.timeLimit(.minutes(10)), .enabled(if: Chamber.refusal == nil && Workshop.isRoot))
struct `A berth` {
    /// What tells berths apart: the folder, the chamber's numbers of processes, and the group that counts processes.
    private static let place =
        "echo $(dirname \"$PWD\") $(readlink /proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/ipc) $(grep pids: /proc/self/cgroup || :)"

    private func workshop() async throws -> Workshop {
        try await Workshop(accounts: Workshop.users).withViews()
    }

    private func place(in workshop: Workshop, change: (inout Assignment) -> Void = { _ in }) async throws -> String {
        let ended = try await workshop.again([run(Self.place)], change: change)
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        return try #require(ended.out.first)
    }

    @Test func `serves one attempt after the other, and each finds it empty, with a user of its own`() async throws {
        let workshop = try await workshop()
        let shown = workshop.path.lastPathPart
        var users: Set<String> = []
        var places: Set<String> = []
        for number in 1...4 {
            let ended = try await workshop.again([
                run(Self.place),
                run(
                    "id -u; ls -A \"$PWD\" \"$HOME\" \"$RUNNER_TEMP\" /tmp /var/tmp /dev/shm | grep -v :$ | tr -d '\\n'"
                ),
                run(
                    """
                    for f in "$PWD" "$HOME" "$RUNNER_TEMP" /tmp /var/tmp; do
                        mkdir -p $f/deep/er; echo \(number) > $f/deep/er/file; ln -s /etc/passwd $f/link; mkfifo $f/fifo
                    done
                    echo A=\(number) >> "$GITHUB_ENV"
                    """), run("rm \"$GITHUB_OUTPUT\"; [ \"$A\" = \(number) ]"),
            ])
            #expect(ended.report.cause == "passed", "\(ended.report.evidence) \(ended.err)")
            places.insert(ended.out[0])
            #expect(users.insert(ended.out[1]).inserted)
            #expect(ended.out[2...] == [shown], "attempt \(number) finds \(ended.out[2...])")
        }
        #expect(places.count == 1)
        #expect(workshop.host.berths.made == 1)
    }

    /// An attempt may have given descriptors of its folders to another one that still runs.
    @Test func `is never another run's, and makes room for that run's own`() async throws {
        let workshop = try await workshop()
        let first = try await place(in: workshop)
        let other = try await workshop.again([run(Self.place)], of: 2).out.first
        #expect(other != nil && other != first)
        #expect(try await workshop.again([run(Self.place)], of: 2).out.first == other)
        // The first run's went when the second one's was made.
        #expect(try await place(in: workshop) != first)
        #expect(workshop.host.berths.made == 3)
    }

    @Test func `is told its own processor time and memory alone`() async throws {
        let workshop = try await workshop()
        let busy = try await workshop.again([
            run(
                "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; head -c 60000000 /dev/zero | tail -c 60000000 >/dev/null"
            )
        ]) { $0.memory = .mebibytes(512) }
        let idle = try await workshop.again([run("true")]) { $0.memory = .mebibytes(512) }
        #expect(workshop.host.berths.made == 1)
        let (first, second) = (try #require(busy.report.usage), try #require(idle.report.usage))
        #expect(second.cpuNs > 0 && second.cpuNs * 2 < first.cpuNs, "\(first.cpuNs) \(second.cpuNs)")
        #expect(second.peakMemoryBytes * 2 < first.peakMemoryBytes || first.peakMemoryBytes == 0)
    }

    /// Each leaves something behind that the agent cannot see to be harmless.
    private static let leftovers: [(name: String, script: String)] = [
        ("a process", "setsid sleep 1000 >/dev/null 2>&1 &"),
        ("a file in memory", "echo x > /dev/shm/x"),
        ("a memory segment", "/usr/bin/python3 -c 'import ctypes; ctypes.CDLL(None).shmget(7, 4096, 0o1666)'"),
        (
            "a message queue",
            "/usr/bin/python3 -c 'import ctypes; ctypes.CDLL(None).mq_open(b\"/q\", 0o102, 0o600, None)'"
        ),
        ("an attribute", "/usr/bin/python3 -c 'import os; os.setxattr(os.environ[\"HOME\"], \"user.x\", b\"1\")'"),
        ("other rights", "chmod 0777 \"$HOME\""),
    ]

    @Test(.enabled(if: Files.exists("/usr/bin/python3")), arguments: leftovers.indices)
    func `in which something is left serves nobody else`(of index: Int) async throws {
        let (name, script) = Self.leftovers[index]
        let workshop = try await workshop()
        let first = try await place(in: workshop)
        let ended = try await workshop.again([run(Self.place), run(script)])
        #expect(ended.report.cause == "passed", "\(name): \(ended.report.evidence) \(ended.err)")
        #expect(ended.out == [first], "\(name)")
        #expect(try await place(in: workshop) != first, "\(name)")
        #expect(workshop.host.berths.made == 2)
    }

    /// The names of attributes alone say nothing of what their values hold: access lists that a folder inherits have values.
    @Test func `is told apart by the values of its folders' attributes`() async throws {
        let workshop = try await workshop()
        let folder = try AttemptFolder(at: workshop.path + "/one", for: nil, hasView: true)
        set("user.test", "1", on: folder.home)
        let natures = try #require(folder.natures())
        #expect(folder.clear(natures, []))
        set("user.test", "2", on: folder.home)
        #expect(!folder.clear(natures, []))
        set("user.test", "1", on: folder.home)
        #expect(folder.clear(natures, []))
    }

    /// Glibc's own is hidden from Swift.
    private func set(_ attribute: String, _ value: String, on path: String) {
        typealias Call =
            @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafePointer<CChar>, Int, CInt) -> CInt
        guard let symbol = dlsym(nil, "setxattr") else {
            Issue.record("there is no setxattr")
            return
        }
        #expect(unsafeBitCast(symbol, to: Call.self)(path, attribute, value, value.utf8.count, 0) == 0)
    }

    /// Containers of others come and go on a machine all day, and chambers show what the machine has mounted.
    @Test(.enabled(if: Files.exists("/usr/bin/mount"))) func `serves on while others mount and unmount on the machine`()
        async throws
    {
        let path = "/var/tmp/sheaf-mounted-\(sleepMark())"
        try Files.makeFolder(path, mode: 0o755)
        defer {
            umount2(path, CInt(MNT_DETACH))
            Files.removeTree(path)
        }
        try #require(mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0)
        let workshop = try await workshop()
        let first = try await place(in: workshop)
        // What was there when the chamber was founded goes from it with the folder.
        try #require(umount2(path, 0) == 0)
        try #require(rmdir(path) == 0)
        #expect(try await place(in: workshop) == first)
        #expect(try await place(in: workshop) == first)
        #expect(workshop.host.berths.made == 1)
    }

    /// Whoever is root in a chamber may mount there.
    @Test(.enabled(if: Files.exists("/usr/bin/mount"))) func `in which an attempt has mounted serves nobody else`()
        async throws
    {
        let scripts = ["mount -t tmpfs none /mnt", "mount --bind /usr /mnt", "umount -l /proc"]
        for script in scripts {
            let workshop = try await Workshop()
            _ = try await place(in: workshop)
            let ended = try await workshop.again([run(script)])
            #expect(ended.report.cause == "passed", "\(script): \(ended.report.evidence) \(ended.err)")
            _ = try await place(in: workshop)
            #expect(workshop.host.berths.made == 2, "\(script)")
        }
    }

    @Test func `shows what stands on the machine now, not what its chamber was founded with`() async throws {
        let data = "/tmp/sheaf-shown-\(UInt64.random(in: 0...UInt64.max))"
        defer { for path in [data, data + ".old"] { Files.removeTree(path) } }
        try Files.makeFolder(data, mode: 0o755)
        try Files.write("old", to: data + "/set", mode: 0o644)
        let workshop = try await Workshop(accounts: Workshop.users).withViews(shown: [data])
        for _ in 1...2 {
            let ended = try await workshop.again([run("cat \(data)/set")])
            #expect(ended.out == ["old"], "\(ended.report.evidence) \(ended.err)")
        }
        #expect(workshop.host.berths.made == 1)
        try #require(rename(data, data + ".old") == 0)
        try Files.makeFolder(data, mode: 0o755)
        try Files.write("new", to: data + "/set", mode: 0o644)
        #expect(try await workshop.again([run("cat \(data)/set")]).out == ["new"])
        #expect(workshop.host.berths.made == 2)
    }

    /// Calls of the kernel's that keep keys, from a program without anything but the C library.
    private static func keys(_ script: String) -> String {
        """
        exec /usr/bin/python3 - <<'END'
        import ctypes
        call = ctypes.CDLL(None).syscall
        SESSION, USER = -3, -4
        def add(ring): return call(248, b"user", b"sheaf:secret", b"x", 1, ring)
        def find(ring): return call(250, 10, ring, b"user", b"sheaf:secret", 0)
        \(script)
        END
        """
    }

    private static let hasKeys = Files.exists("/proc/keys") && Files.exists("/usr/bin/python3")

    /// A user's number comes round: with a pool of one, the next attempt has it.
    @Test(.enabled(if: hasKeys))
    func `holds no keys of another attempt, neither its agent's nor its user's`() async throws {
        let pool = AccountPool(.pool(first: 65_100, count: 2, groups: []))
        let workshop = try await Workshop(accounts: pool).withViews()
        let left = try await workshop.again([run(Self.keys("print(add(SESSION) > 0, add(USER) > 0, find(USER) > 0)"))])
        #expect(left.out == ["True True True"], "\(left.err)")
        // Of one attempt's steps the later ones find what the earlier ones left with their user.
        let found = try await workshop.again([
            run(Self.keys("print(find(SESSION) > 0, find(USER) > 0, add(USER) > 0)")),
            run(Self.keys("print(find(USER) > 0)")),
        ])
        #expect(found.out == ["False False True", "True"], "\(found.report.evidence) \(found.err)")
        #expect(workshop.host.berths.made == 1)
    }

    @Test func `that cannot be made whole leaves nothing`() async throws {
        let workshop = try await Workshop(accounts: Workshop.users)
        let small = workshop.path + "/attempts"
        try Files.makeFolder(small, mode: 0o711)
        // Room for some of a berth's folders.
        for count in 3...8 {
            try #require(mount("tmpfs", small, "tmpfs", 0, "mode=0711,nr_inodes=\(count)") == 0)
            defer { umount2(small, CInt(MNT_DETACH)) }
            #expect(throws: AgentError.self) { try AttemptFolder(at: small + "/1", for: nil, hasView: true) }
            #expect(Files.names(in: small).isEmpty, "\(count)")
        }
    }

    @Test func `in which something was killed serves nobody else`() async throws {
        let workshop = try await workshop()
        let trial = try workshop.begin([run("trap '' TERM; echo ready; while :; do sleep 1000; done")])
        try await trial.logged("ready")
        await trial.driver.cancel("enough")
        _ = try await trial.end()
        _ = try await place(in: workshop)
        #expect(workshop.host.berths.made == 2)
    }

    @Test func `is gone with the agent that had it`() async throws {
        let workshop = try await workshop()
        let folder = try #require(try await place(in: workshop).split(separator: " ").first.map(String.init))
        #expect(Files.exists(folder))
        workshop.host.berths.close()
        #expect(!Files.exists(folder))
        // What comes back afterwards is removed as well.
        _ = try await place(in: workshop)
        #expect(Files.names(in: workshop.host.attemptsFolder).isEmpty)
    }

    @Test func `of other limits gets other groups, and the same chamber`() async throws {
        let workshop = try await workshop()
        var places: [[Substring]] = []
        for memory in [256, 256, 512] {
            places.append(
                try await place(in: workshop) { $0.memory = .mebibytes(Int64(memory)) }.split(separator: " "))
        }
        #expect(places[0] == places[1])
        #expect(places[1].prefix(4) == places[2].prefix(4))
        #expect(!Workshop.cgroups.limitsMemory || places[1].last != places[2].last)
        #expect(workshop.host.berths.made == 1)
    }
}

/// The first attempt of a run waits for none to be made.
@Suite(.serialized, .timeLimit(.minutes(10)), .enabled(if: Chamber.refusal == nil && Workshop.isRoot))
struct `A berth made ahead` {
    private func workshop() async throws -> Workshop {
        let workshop = try await Workshop(accounts: Workshop.users).withViews(areMadeAhead: true)
        workshop.host.berths.prepare(Cgroups.Limits(cpus: 1), on: workshop.host)
        return workshop
    }

    /// Another one than that.
    private func ahead(in workshop: Workshop, after last: String? = nil) async -> String {
        while true {
            if let folder = workshop.host.berths.ahead, folder != last { return folder }
            await Task.yield()
        }
    }

    private func place(in workshop: Workshop, run number: UInt64) async throws -> String {
        let ended = try await workshop.again(
            [run("dirname \"$PWD\"; ls -A \"$PWD\" /tmp /dev/shm | grep -v :$")], of: number)
        #expect(ended.report.cause == "passed", "\(ended.report.evidence) \(ended.err)")
        #expect(ended.out.count(where: { !$0.isEmpty }) == 2, "\(ended.out)")
        return ended.out[0]
    }

    @Test func `is the next run's, whose others go, and nothing stays`() async throws {
        let workshop = try await workshop()
        let first = await ahead(in: workshop)
        #expect(try await place(in: workshop, run: 1) == first)
        let second = await ahead(in: workshop, after: first)
        #expect(try await place(in: workshop, run: 1) == first)
        #expect(try await place(in: workshop, run: 2) == second)
        _ = await ahead(in: workshop, after: second)
        #expect(workshop.host.berths.made == 2)
        // The thread that made it had removed the first run's before.
        #expect(!Files.exists(first))
        workshop.host.berths.close()
        #expect(Files.names(in: workshop.host.attemptsFolder).isEmpty)
    }

    @Test func `is nobody's once the machine has mounted something`() async throws {
        let workshop = try await workshop()
        let first = await ahead(in: workshop)
        // Not in a folder of which chambers have their own.
        let place = "/run/sheaf-mounted-\(getpid())"
        try Files.makeFolder(place, mode: 0o755)
        defer { rmdir(place) }
        #expect(unsafe mount("tmpfs", place, "tmpfs", 0, nil) == 0)
        defer { umount(place) }
        #expect(try await self.place(in: workshop, run: 1) != first)
        let second = await ahead(in: workshop, after: first)
        #expect(!Files.exists(first))
        umount(place)
        workshop.host.berths.look(on: workshop.host)
        #expect(await ahead(in: workshop, after: second) != second)
        workshop.host.berths.close()
        #expect(Files.names(in: workshop.host.attemptsFolder).isEmpty)
    }
}

extension Workshop {
    private static let numbers = Atomic<UInt32>(0)

    /// Works on another attempt of a run, the same one each time.
    fileprivate func again(
        _ steps: [Step], of run: UInt64 = 1, change: (inout Assignment) -> Void = { _ in }
    ) async throws -> Ended {
        try await attempt(steps) {
            let cell = Int(Self.numbers.wrappingAdd(1, ordering: .relaxed).newValue)
            $0.id = AttemptID(shard: ShardID(run: RunID(run), job: 0, cell: cell, shard: 0), number: 1)
            change(&$0)
        }
    }
}
