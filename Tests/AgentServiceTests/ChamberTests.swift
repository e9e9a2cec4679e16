import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10)), .enabled(if: Chamber.refusal == nil && Workshop.isRoot))
struct `An attempt's own world` {
    private func workshop(
        accounts: AccountPool = Workshop.users, shown: [String] = []
    ) async throws -> Workshop { try await Workshop(accounts: accounts).withViews(shown: shown) }

    @Test func `has process numbers of its own, and shows nobody else's`() async throws {
        let ended = try await workshop().attempt([
            run(
                "cd /proc; ls -d [0-9]* | wc -l; [ $$ -lt 100 ] && echo small; ls -d \(getpid()) 2>/dev/null || echo none"
            )
        ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        // The first of the chamber, the step's shell, and what it pipes.
        #expect(ended.out.first.flatMap { Int($0) } ?? 99 <= 5, "\(ended.out)")
        #expect(ended.out.dropFirst() == ["small", "none"])
    }

    @Test func `has temporary folders of its own, which are gone with it`() async throws {
        let workshop = try await workshop()
        let mark = "sheaf-\(sleepMark())"
        for _ in 0..<2 {
            let ended = try await workshop.attempt([
                run("ls /tmp /var/tmp /dev/shm; for f in /tmp /var/tmp /dev/shm; do echo x > $f/\(mark); done"),
                run("cat /tmp/\(mark) /var/tmp/\(mark) /dev/shm/\(mark); stat -c %a /tmp /var/tmp /dev/shm"),
            ])
            #expect(ended.report.cause == "passed", "\(ended.report.evidence) \(ended.err)")
            // The workshop's folder is shown in /tmp, as far as attempts need it.
            let folder = workshop.path.lastPathPart
            #expect(
                ended.out == [
                    "/dev/shm:", "", "/tmp:", folder, "", "/var/tmp:", "x", "x", "x", "1777", "1777", "1777",
                ])
        }
        for folder in ["/tmp", "/var/tmp", "/dev/shm"] { #expect(!Files.exists(folder + "/" + mark)) }
    }

    @Test func `hides the agent's folders and other attempts', even those of the same user`() async throws {
        let account = Account(user: 61_183, group: 61_183, name: "nobody-else")
        let workshop = try await workshop(accounts: AccountPool(.user(account)))
        try Files.write("the agent's key", to: workshop.host.spoolFolder + "/identity.pem", mode: 0o644)
        chmod(workshop.host.spoolFolder, 0o755)
        let mark = sleepMark()
        let first = try workshop.begin([run("echo mine > notes; echo \"$PWD\"; echo ready; exec sleep \(mark)")])
        try await first.logged("ready")
        let notes = try #require(try LogLine.all(first.log).first { $0.text.hasPrefix("/") }).text + "/notes"
        #expect(Files.exists(notes))
        let ended = try await workshop.attempt([
            run(
                """
                cat \(notes) 2>/dev/null || echo closed
                cat \(workshop.host.spoolFolder)/identity.pem 2>/dev/null || echo hidden
                ls \(workshop.host.attemptsFolder) | wc -l
                pkill -KILL -u \(account.user) sleep || echo kept
                """)
        ])
        #expect(ended.out == ["closed", "hidden", "1", "kept"], "\(ended.err)")
        #expect(living(mark).count == 1)
        await first.driver.cancel("done")
        _ = try await first.end()
    }

    @Test func `lets no step choose where something is mounted`() async throws {
        let workshop = try await workshop()
        let first = workshop.path.split(separator: "/")[1]
        let ended = try await workshop.attempt([
            run("mv /tmp/\(first) /tmp/elsewhere || echo refused; ln -s /etc /tmp/\(first)/x || echo refused too")
        ])
        #expect(ended.out == ["refused", "refused too"])
    }

    @Test func `shared memory that a step leaves behind goes with it`() async throws {
        let script = "import ctypes; c = ctypes.CDLL(None); print(c.shmget(0x5EAF, 4096, 0o1666))"
        let workshop = try await workshop()
        let ended = try await workshop.attempt([run("/usr/bin/python3 -c '\(script)'")])
        #expect(ended.out.first.flatMap { Int($0) } ?? -1 >= 0, "\(ended.out)\(ended.err)")
        #expect(shmget(0x5EAF, 4096, 0) == -1 && errno == ENOENT)
    }

    @Test func `goes when the agent lets go of it, with all that is in it`() async throws {
        let mark = sleepMark()
        func leave() async throws {
            let chamber = try Chamber()
            let process = try StepProcess.start(
                Program(
                    path: "/bin/sh",
                    arguments: ["sh", "-c", "trap '' TERM; setsid sleep \(mark) & echo up; exec sleep \(mark)"],
                    environment: [], chamber: chamber),
                in: nil, output: { _, _ in })
            while living(mark).count < 2 { await Task.yield() }
            // As when the agent dies: nothing is said, only the pipe closes.
            chamber.letGo()
            #expect(await process.exit.how == .signal(Int(SIGKILL)))
        }
        try await leave()
        #expect(living(mark).isEmpty)
    }

    @Test func `opens a Python below a closed folder, and nothing else there`() async throws {
        var template = Array("/var/lib/sheaf-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let home = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { Files.removeTree(home) }
        let version = home + "/.pyenv/versions/3.99.0"
        try Files.makeFolder(version + "/bin")
        try Files.write("not for everybody", to: home + "/notes", mode: 0o644)
        try Files.write(
            "#!/bin/sh\ncase \"$4\" in *version_info*) echo 3.99.0;; *) echo it runs;; esac\n",
            to: version + "/bin/python3", mode: 0o755)
        let broken = home + "/.pyenv/versions/3.98.0"
        try Files.makeFolder(broken + "/bin", mode: 0o700)
        try Files.write("#!/bin/sh\necho 3.98.0\n", to: broken + "/bin/python3", mode: 0o755)
        chmod(home, 0o700)

        let own = try await workshop()
        let places = Discovery.Places(home: home, environment: [:], system: [], conda: [], nvml: [])
        var remarks: [String] = []
        let closed = await Discovery(places: places, own.host.accounts.probe, views: nil).interpreters(
            remarks: &remarks)
        #expect(closed.isEmpty && remarks.count == 2, "without a view nobody gets there: \(remarks)")
        remarks = []
        let found = await Discovery(places: places, own.host.accounts.probe, views: own.host.views).reachable(
            remarks: &remarks)
        #expect(found.interpreters.map(\.version) == ["3.99.0"])
        #expect(remarks.count == 1 && remarks[0].contains("3.98.0/bin/python3 cannot be used"), "\(remarks)")
        #expect(found.views?.shown.contains(version) == true && found.views?.shown.contains(broken) == false)

        let workshop = try await workshop(shown: [version])
        let ended = try await workshop.attempt([
            run("\(version)/bin/python3 -c hello; cat \(home)/notes || echo closed; ls -A \(home)")
        ])
        #expect(ended.out == ["it runs", "closed", ".pyenv"], "\(ended.err)")
    }
}

@Suite struct `What is mounted for an attempt` {
    private let account = Account(user: 61_184, group: 61_184, name: "sheaf-0")

    @Test func `covers once, and shows what is needed below a cover, as far as it is there`() async throws {
        let workshop = try await Workshop()
        let (path, name) = (workshop.path, workshop.path.lastPathPart)
        let views = PrivateViews(
            attempts: path + "/attempts", hidden: [path + "/spool"],
            shown: [path + "/environments", "/usr/share", path + "/uninstalled"], account: account)
        let mounts = views.mounts(for: nil)
        #expect(
            mounts.filter { if case .temporary = $0 { true } else { false } }.map(\.target)
                == ["/dev/shm", "/tmp", "/var/tmp"].filter(Files.isFolder))
        #expect(
            mounts.suffix(3) == [
                .folder(target: "/tmp/" + name), .folder(target: path + "/environments"),
                .bind(source: nil, target: path + "/environments"),
            ])
    }

    @Test func `leaves a folder as it is that is itself to be shown`() {
        let views = PrivateViews(attempts: "/nowhere", shown: ["/tmp"], account: account)
        #expect(!views.mounts(for: nil).contains { $0.target == "/tmp" })
    }
}
