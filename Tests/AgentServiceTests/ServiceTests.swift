import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite struct `The command lines of services` {
    private static func service() -> ContainerEngine.Service {
        var order = ContainerEngine.Order(
            name: "sheaf-r1-0", image: "postgres:16", environment: [.init(name: "A", value: "b c")],
            options: ["--health-cmd=pg_isready"], memory: .gibibytes(1), processesMax: 100)
        order.network = .init(
            name: "net", address: "10.7.3.10",
            hosts: [.init(name: "db", value: "10.7.3.10"), .init(name: "redis", value: "10.7.3.11")])
        return ContainerEngine.Service(
            order: order, ports: [ServicePort(number: 5432), ServicePort(number: 53, machine: 5353, kind: .udp)],
            entrypoint: "/start", command: ["-c", "fsync off"])
    }

    @Test func `publish on the loopback alone, and tell podman's containers the names`() {
        let engine = ContainerEngine(kind: .podman, path: "/usr/bin/podman", owner: "node-1")
        #expect(
            engine.serve(Self.service()) == [
                "run", "--detach", "--name=sheaf-r1-0", "--label=sheaf.agent=node-1", "--log-driver=k8s-file",
                "--log-opt=max-size=8m", "--entrypoint=/start", "--publish=127.0.0.1::5432/tcp",
                "--publish=127.0.0.1:5353:53/udp", "--cap-drop=MKNOD", "--cgroups=disabled", "--pull=missing",
                "--env=A=b c", "--network=net", "--ip=10.7.3.10", "--add-host=db:10.7.3.10",
                "--add-host=redis:10.7.3.11", "--health-cmd=pg_isready", "docker.io/library/postgres:16", "-c",
                "fsync off",
            ])
        #expect(engine.makeNetwork("net") == ["network", "create", "--label=sheaf.agent=node-1", "net"])
        #expect(engine.removeNetworks(["a", "b"]) == ["network", "rm", "--force", "a", "b"])
        #expect(
            engine.farewell(["a", "b"], network: "n")
                == "cat >/dev/null; \"$0\" rm --force --ignore --time=0 --volumes a b >/dev/null 2>&1; "
                + "\"$0\" network rm --force n >/dev/null 2>&1")
    }

    @Test func `leave names to docker, which tells them, and bound what its daemon starts`() {
        let engine = ContainerEngine(kind: .docker, path: "/usr/bin/docker", owner: "node-1")
        var service = Self.service()
        service.order.network = .init(name: "net", alias: "db")
        let words = engine.serve(service)
        for word in ["--network=net", "--network-alias=db", "--log-driver=json-file", "--memory=1073741824"] {
            #expect(words.contains(word), "\(words)")
        }
        #expect(!words.contains { $0.hasPrefix("--ip=") || $0.hasPrefix("--add-host") }, "\(words)")
        #expect(engine.removeNetworks(["a"]) == ["network", "rm", "a"])
    }

    @Test(arguments: [
        ([], ["containers", "container-options", "services"]),
        (["--userns=auto"], ["containers", "container-options", "services"]),
        (["--network=host"], ["containers", "container-options"]),
        (["--net", "none"], ["containers", "container-options"]),
    ])
    func `are offered where the owner leaves networks to the attempts`(options: [String], labels: [String]) {
        #expect(ContainerEngine(kind: .podman, path: "/p", options: options).labels == labels)
    }
}

@Suite struct `What an engine says of services` {
    @Test func `tells where their ports are, and how they say that they are well`() throws {
        let json = """
            [{"Id": "abc", "Image": "sha256:1", "State": {"Pid": 77, "ExitCode": 0}, "Config": {"Healthcheck": {"Test":
            ["CMD-SHELL", "pg_isready -U x"], "Interval": 2000000000, "Timeout": 3000000000, "StartPeriod": 1000000000,
            "Retries": 5}}, "NetworkSettings": {"Ports": {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "41000"}],
            "80/tcp": null}}}]
            """
        let facts = try #require(ServiceFacts(Array(json.utf8)))
        #expect(facts.first == 77 && facts.id == "abc")
        #expect(facts.ports == [.init(name: "5432/tcp", machine: 41000)])
        let check = try #require(facts.check)
        #expect(check.words == ["/bin/sh", "-c", "pg_isready -U x"] && check.timeout == .seconds(3))
        #expect(check.pause == .seconds(1) && check.patience == .seconds(11))
    }

    @Test(
        arguments: [
            ("null", nil), ("{}", nil), (#"{"Test": ["NONE"]}"#, nil), (#"{"Test": []}"#, nil),
            (#"{"Test": ["CMD"]}"#, nil), (#"{"Test": ["CMD", "a", "b c"]}"#, ["a", "b c"]),
        ] as [(String, [String]?)])
    func `may be that they have no check`(config: String, words: [String]?) throws {
        let json = #"[{"State": {"Pid": 1}, "Config": {"Healthcheck": \#(config)}}]"#
        let facts = try #require(ServiceFacts(Array(json.utf8)))
        #expect(facts.check?.words == words)
        if words != nil { #expect(facts.check?.patience == .seconds(90)) }
    }

    @Test(arguments: [
        (#"{"Interval": 1e14, "Retries": 1000000}"#, Duration.minutes(30)),
        (#"{"Interval": -5, "Timeout": 0, "Retries": 0}"#, .seconds(90)),
        (#"{"Interval": 10000000, "Retries": 2, "StartPeriod": 3600000000000}"#, .minutes(30)),
    ])
    func `bounds how long they are waited for`(more: String, patience: Duration) throws {
        let json =
            #"[{"State": {"Pid": 1}, "Config": {"Healthcheck": {"Test": ["CMD", "x"], "# + more.dropFirst() + "}}]"
        #expect(try #require(ServiceFacts(Array(json.utf8))?.check).patience == patience)
    }

    @Test(arguments: ["", "[]", "{}", "[{}]", "[{\"State\": {}}]", "no"])
    func `is nothing where it cannot be read`(json: String) { #expect(ServiceFacts(Array(json.utf8)) == nil) }

    @Test func `gives each an address of its own`() throws {
        let facts = try #require(NetworkFacts(Array(#"[{"subnets": [{"subnet": "10.89.4.0/24"}]}]"#.utf8)))
        #expect((0...1).map(facts.address) == ["10.89.4.10", "10.89.4.11"])
        for text in ["10.89.4.0/28", "10.89.4.64/26", "fd00::/64", "x", "10.89.4.0"] {
            #expect(NetworkFacts(Array(#"[{"subnets": [{"subnet": "\#(text)"}]}]"#.utf8)) == nil, "\(text)")
        }
        #expect(NetworkFacts(Array("[]".utf8)) == nil)
    }
}

@Suite struct `Ports of the machine` {
    private static func id(_ run: UInt64) -> AttemptID {
        AttemptID(shard: ShardID(run: RunID(run), job: 0, cell: 0, shard: 0), number: 1)
    }
    private static func ports(_ numbers: UInt16...) -> Set<HostPorts.Port> {
        Set(numbers.map { .init(number: $0, kind: .tcp) })
    }

    @Test func `are had once, all or none, and handed on in order`() async throws {
        let ports = HostPorts()
        #expect(ports.takeAtOnce(Self.ports(1, 2), for: Self.id(1)))
        #expect(!ports.takeAtOnce(Self.ports(2, 3), for: Self.id(2)))
        #expect(ports.takeAtOnce([.init(number: 2, kind: .udp)], for: Self.id(3)))
        #expect(ports.takeAtOnce(Self.ports(3), for: Self.id(4)), "what failed took nothing")
        ports.giveBack(of: Self.id(4))
        let second = Task { try await ports.take(Self.ports(2, 3), for: Self.id(2)) }
        while ports.takeAtOnce(Self.ports(3), for: Self.id(5)) { ports.giveBack(of: Self.id(5)); await Task.yield() }
        #expect(!ports.takeAtOnce(Self.ports(3), for: Self.id(5)), "whoever waits for it comes first")
        ports.giveBack(of: Self.id(1))
        try await second.value
        #expect(!ports.takeAtOnce(Self.ports(3), for: Self.id(5)))
        ports.giveBack(of: Self.id(2))
        #expect(ports.takeAtOnce(Self.ports(1, 2, 3), for: Self.id(5)))
    }

    @Test func `are not for whoever was cancelled`() async throws {
        let ports = HostPorts()
        #expect(ports.takeAtOnce(Self.ports(1), for: Self.id(1)))
        let waiting = Task { try await ports.take(Self.ports(1), for: Self.id(2)) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        ports.giveBack(of: Self.id(1))
        #expect(ports.takeAtOnce(Self.ports(1), for: Self.id(3)))
        // Cancelled before it came to wait.
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await ports.take(Self.ports(1), for: Self.id(4))
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        ports.giveBack(of: Self.id(3))
        #expect(ports.takeAtOnce(Self.ports(1), for: Self.id(5)))
    }
}

/// Services by an engine whose containers are plain processes.
@Suite struct `An attempt with services` {
    private static func workshop(_ fake: FakeEngine) async throws -> Workshop {
        try await Workshop { $0.engine = fake.engine }
    }

    private static func service(
        _ name: String, _ script: String, image: String = "img", ports: [String] = [], options: String? = nil
    ) -> JobService {
        JobService(
            name: name,
            container: JobContainer(image: image, ports: ports, options: options, command: "sh -c '\(script)'"))
    }

    @Test func `has them up and well before its first step, and gone at its end`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let ended = try await Self.workshop(fake).attempt([
            run(
                "echo db ${{ job.services.db.ports['5432'] }} ${{ job.services.db.ports[5433] }} ${{ job.services.db.ports['53/udp'] }} ${{ job.services.db.id }}; test -e \(fake.folder)/ready && echo well; test '${{ job.services.db.network }}' = '${{ job.services.cache.network }}' && echo one network; echo [${{ job.services.none.id }}]"
            )
        ]) {
            $0.work.services = [
                Self.service(
                    "db", "echo up; touch \(fake.folder)/ready; exec sleep \(mark)",
                    ports: ["5432", "15433:5433", "53/udp"], options: "--health-cmd 'test -e \(fake.folder)/ready'"),
                Self.service("cache", "exec sleep \(mark)"),
                Self.service("none", "exec sleep \(mark)", image: "${{ github.none }}"),
            ]
        }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence) \(ended.said)")
        #expect(ended.out.count == 4, "\(ended.out)")
        #expect(ended.out.first?.hasPrefix("db 40001 15433 40003 id-sheaf-r") == true, "\(ended.out)")
        #expect(ended.out.dropFirst() == ["well", "one network", "[]"], "\(ended.out)")
        let runs = fake.calls.filter { $0.hasPrefix("run ") }
        #expect(runs.count == 2, "\(runs)")
        for call in runs { #expect(call.contains("--add-host=db:10.7.3.10 --add-host=cache:10.7.3.11"), "\(call)") }
        #expect(fake.left.isEmpty && living(mark).isEmpty, "\(fake.left) \(living(mark))")
        #expect(!ended.said.contains { $0.contains("service db: up") }, "what served is no evidence: \(ended.said)")
    }

    @Test func `shows what they wrote when it fails, commands in it left unheeded`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let ended = try await Self.workshop(fake).attempt([run("exit 3")]) {
            $0.work.services = [
                Self.service("db", "echo connection lost; echo ::error::forged >&2; exec sleep \(mark)")
            ]
        }
        #expect(ended.report.cause == "user_exit" && ended.report.code == 3, "\(ended.report)")
        #expect(ended.said.contains("service db: connection lost"), "\(ended.said)")
        #expect(ended.report.annotations.isEmpty, "\(ended.report.annotations)")
        #expect(fake.left.isEmpty && living(mark).isEmpty)
    }

    @Test(arguments: [
        ("exec sleep", "--health-cmd false", "timeout", "the service 'db' was not well after"),
        ("echo no password >&2; exit 4 #", "--health-cmd false", "user_exit", "'db' ended with exit code 4"),
    ])
    func `never begins where one does not get well, and says why`(
        script: String, options: String, cause: String, words: String
    ) async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let ended = try await Self.workshop(fake).attempt([run("echo never"), run("echo nor this", if: "always()")]) {
            $0.work.services = [Self.service("db", "echo its words; \(script) \(mark)", options: options)]
        }
        #expect(ended.report.cause == cause, "\(ended.report)")
        #expect(ended.report.evidence.contains(words), "\(ended.report.evidence)")
        #expect(ended.said.contains("service db: its words"), "\(ended.said)")
        #expect(ended.out.isEmpty && fake.left.isEmpty && living(mark).isEmpty, "\(ended.out) \(fake.left)")
    }

    /// Steps come later, and find nothing of it: neither a file nor a word in the log.
    @Test func `is fetched with its registry's password, which steps never see`() async throws {
        let fake = try FakeEngine()
        let workshop = try await Self.workshop(fake)
        func attempt(_ username: String, _ password: String) async throws -> Ended {
            try await workshop.attempt([run("ls -d \"$GITHUB_WORKSPACE\"/../login* || echo nothing")]) {
                var service = Self.service("db", "exec sleep \(sleepMark())", image: "ghcr.io/a/b:1")
                service.container.credentials = .init(username: username, password: password)
                $0.work.services = [service]
            }
        }
        let ended = try await attempt("ada", "${{ format('hun{0}', 'ter2') }}")
        #expect(ended.report.cause == "passed" && ended.out == ["nothing"], "\(ended.report) \(ended.out)")
        let login = try String(contentsOfFile: fake.folder + "/login", encoding: .utf8)
        #expect(login.contains(#""ghcr.io":{"auth":"YWRhOmh1bnRlcjI="}"#), "\(login)")
        #expect(!fake.calls.contains { $0.contains("hunter2") })
        try FileManager.default.removeItem(atPath: fake.folder + "/login")
        let plain = try await attempt("${{ github.none }}", "")
        #expect(plain.report.cause == "passed" && !FileManager.default.fileExists(atPath: fake.folder + "/login"))
        let half = try await attempt("ada", "${{ github.none }}")
        #expect(half.report.cause == "user_error", "\(half.report)")
        #expect(half.report.evidence.contains("the password in the credentials of the service 'db' is empty"))
    }

    @Test func `has none left where an image or a network is not to be had`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let workshop = try await Self.workshop(fake)
        let absent = try await workshop.attempt([run("echo never")]) {
            $0.work.services = [
                Self.service("a", "exec sleep \(mark)"), Self.service("b", "x", image: "absent:1"),
            ]
        }
        #expect(absent.report.cause == "user_error", "\(absent.report)")
        #expect(absent.report.evidence.contains("the service 'b' of 'absent:1' does not start"), "\(absent.report)")
        try Data().write(to: URL(filePath: fake.folder + "/no-networks"))
        let alone = try await workshop.attempt([run("echo never")]) {
            $0.work.services = [Self.service("a", "exec sleep \(mark)")]
        }
        #expect(alone.report.cause == "agent_fault", "\(alone.report)")
        #expect(alone.report.evidence.contains("cannot make a network: no bridges here"), "\(alone.report)")
        #expect(fake.left.isEmpty && living(mark).isEmpty && absent.out + alone.out == [], "\(fake.left)")
    }

    @Test func `is cancelled while it waits for them`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let workshop = try await Self.workshop(fake)
        let trial = try workshop.begin([run("echo never")]) {
            // It never gets well within a test's time.
            $0.work.services = [
                Self.service(
                    "db", "exec sleep \(mark)",
                    options: "--health-cmd 'echo asked >>\(fake.folder)/asked; sleep \(mark)'")
            ]
        }
        try await trial.logged("service db runs in")
        await trial.driver.cancel("by a test")
        let ended = try await trial.end()
        #expect(ended.report.cause == "cancelled", "\(ended.report)")
        #expect(ended.out.isEmpty && fake.left.isEmpty && living(mark).isEmpty, "\(fake.left) \(living(mark))")
    }

    @Test func `is stopped with them, and steps that always run get new ones`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let ended = try await Self.workshop(fake).attempt([
            run("sleep \(mark)"), run("echo ${{ job.services.db.id }}", if: "always()"),
        ]) {
            $0.timeout = .seconds(3)
            $0.work.services = [Self.service("db", "exec sleep \(mark)")]
        }
        #expect(ended.report.cause == "timeout", "\(ended.report)")
        #expect(ended.out.count == 1 && ended.out[0].hasSuffix("-2-0"), "\(ended.out)")
        #expect(fake.calls.filter { $0.hasPrefix("run ") }.count == 2)
        #expect(fake.left.isEmpty && living(mark).isEmpty)
    }

    @Test func `tells of one that ended under its steps`() async throws {
        let fake = try FakeEngine()
        let gone = fake.folder + "/gone"
        let ended = try await Self.workshop(fake).attempt([
            run("touch \(gone); while [ ! -e \(fake.folder)/box-*/exit ]; do sleep 0.01; done")
        ]) {
            $0.work.services = [
                Self.service("db", "while [ ! -e \(gone) ]; do sleep 0.01; done; echo out of luck; exit 9")
            ]
        }
        #expect(ended.report.cause == "passed", "\(ended.report)")
        #expect(ended.report.annotations.map(\.text) == ["the service 'db' has ended under the job's steps"])
        #expect(ended.said.contains("service db: out of luck"), "\(ended.said)")
        #expect(fake.left.isEmpty)
    }

    @Test func `waits for a port of the machine that another's have, and its time stands still`() async throws {
        let fake = try FakeEngine()
        let workshop = try await Self.workshop(fake)
        let (mark, go) = (sleepMark(), fake.folder + "/go")
        let service = Self.service("db", "exec sleep \(mark)", ports: ["15432:5432"])
        let first = try workshop.begin([run("echo begun; while [ ! -e \(go) ]; do sleep 0.01; done")]) {
            $0.work.services = [service]
        }
        try await first.logged("begun")
        let second = try workshop.begin([run("echo second")]) { $0.work.services = [service] }
        try await second.logged("waits for port 15432 of this machine")
        #expect(fake.calls.filter { $0.hasPrefix("run ") }.count == 1)
        try Data().write(to: URL(filePath: go))
        let ends = (try await first.end(), try await second.end())
        #expect(ends.0.report.cause == "passed" && ends.1.report.cause == "passed", "\(ends.1.report)")
        #expect(ends.1.out == ["second"] && fake.left.isEmpty && living(mark).isEmpty)
    }

    @Test(arguments: [
        JobContainer(image: "--privileged"), JobContainer(image: "a", options: "${{ format('{0}', '--privileged') }}"),
        JobContainer(image: "a", volumes: ["${{ format('{0}', '/etc') }}:/x"]),
        JobContainer(image: "a", ports: ["${{ format('{0}', '10.0.0.1:80:80') }}"]),
        JobContainer(image: "a", command: "${{ format('{0}', '\"open') }}"),
    ])
    func `gets nothing by an expression that it may not have`(container: JobContainer) async throws {
        let fake = try FakeEngine()
        let ended = try await Self.workshop(fake).attempt([run("echo never")]) {
            $0.work.services = [JobService(name: "s", container: container)]
        }
        #expect(ended.report.cause == "user_error" && ended.out.isEmpty, "\(ended.report)")
        #expect(fake.calls.isEmpty, "\(fake.calls)")
    }

    @Test(.timeLimit(.minutes(5))) func `leaves none when the agent is killed`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        let engine = fake.engine
        for words in [
            engine.makeNetwork("n"),
            engine.serve(
                .init(order: .init(name: "b", image: "img", processesMax: 9), command: ["sleep", mark])),
        ] {
            guard case .success = engine.ask(words) else {
                Issue.record("\(words)")
                return
            }
        }
        // The engine answers before its child has become the program.
        while living(mark).count != 1 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(fake.left == ["box-b", "net-n"], "\(fake.left)")
        var ends: [CInt] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let watchman = try StepProcess.start(
            Program(
                path: "/bin/sh", arguments: ["sh", "-c", engine.farewell(["b"], network: "n"), engine.path],
                environment: engine.environment, directory: "/"), in: nil, input: ends[0]
        ) { _, _ in }
        close(ends[0])
        // As the kernel does when the agent is killed.
        close(ends[1])
        #expect(await watchman.exit.how == .code(0))
        #expect(living(mark).isEmpty && fake.left.isEmpty, "\(fake.left)")
    }

    @Test(.timeLimit(.minutes(5))) func `ends those that an earlier life of the agent has left`() async throws {
        let fake = try FakeEngine()
        let mark = sleepMark()
        var engine = fake.engine
        _ = engine.ask(engine.makeNetwork("n"))
        _ = engine.ask(
            engine.serve(.init(order: .init(name: "b", image: "img", processesMax: 9), command: ["sleep", mark])))
        // The engine answers before its child has become the program.
        while living(mark).count != 1 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(fake.left == ["box-b", "net-n"], "\(fake.left)")
        #expect(try engine.clear().get() == 1)
        #expect(living(mark).isEmpty && fake.left.isEmpty, "\(fake.left)")
        #expect(try engine.clear().get() == 0)
    }
}
