import Foundation
import Glibc
import Locks
import Model
import Programs
import Testing
import Wire

@testable import AgentService

/// The words that engines are given: what a container may do is decided by them.
@Suite struct `The command line of a container` {
    private static let order = ContainerEngine.Order(
        name: "sheaf-r1", image: "python:3.12",
        mounts: [
            .init(source: "/w/work", target: "/w/work"), .init(source: "/w/work/d", target: "/d", isReadOnly: true),
        ],
        volumes: ["/scratch"], environment: [.init(name: "A", value: "b c\nd")], options: ["--init"],
        gpus: ["GPU-1", "GPU-2"], memory: .gibibytes(2), cpus: 3, processesMax: 100)

    @Test func `keeps podman's in the attempt's own group, with the leased devices alone`() {
        let engine = ContainerEngine(
            kind: .podman, path: "/usr/bin/podman", options: ["--network=host"], owner: "node-1")
        #expect(
            engine.start(Self.order) == [
                "run", "--interactive", "--rm", "--name=sheaf-r1", "--label=sheaf.agent=node-1", "--entrypoint=/bin/sh",
                "--cap-drop=MKNOD", "--cgroups=disabled", "--pull=missing", "--device=nvidia.com/gpu=GPU-1",
                "--device=nvidia.com/gpu=GPU-2", "--volume=/w/work:/w/work", "--volume=/w/work/d:/d:ro",
                "--volume=/scratch", "--env=A=b c\nd", "--init", "--network=host", "docker.io/library/python:3.12",
                "-c",
                "echo sheaf-container-runs; exec cat >/dev/null",
            ])
        #expect(
            engine.execute(["sh", "-e", "x y"], in: "sheaf-r1", environment: ["A=$B"], directory: "/w") == [
                "exec", "--workdir=/w", "--env=A=$B", "sheaf-r1", "sh", "-e", "x y",
            ])
        #expect(engine.remove(["a", "b"]) == ["rm", "--force", "--ignore", "--time=0", "--volumes", "a", "b"])
        #expect(engine.list == ["ps", "--all", "--quiet", "--filter=label=sheaf.agent=node-1"])
    }

    @Test func `tells docker's daemon what was leased`() {
        let engine = ContainerEngine(kind: .docker, path: "/usr/bin/docker", owner: "node-1")
        let words = engine.start(Self.order)
        #expect(!words.contains("--cgroups=disabled"))
        for word in [
            "--memory=2147483648", "--memory-swap=2147483648", "--cpus=3", "--pids-limit=100",
            "--gpus=\"device=GPU-1,GPU-2\"", "--cap-drop=MKNOD",
        ] { #expect(words.contains(word), "\(words)") }
        var order = Self.order
        (order.gpus, order.memory, order.cpus) = ([], nil, nil)
        let plain = engine.start(order)
        for start in ["--gpus", "--memory", "--cpus"] { #expect(!plain.contains { $0.hasPrefix(start) }, "\(plain)") }
        #expect(engine.remove(["a"]) == ["rm", "--force", "--volumes", "a"])
    }

    @Test func `makes an instance of apptainer's, within bounds`() throws {
        var engine = ContainerEngine(
            kind: .apptainer, path: "/usr/bin/apptainer", options: ["--nvccli"], owner: "node-1-0af3", isRoot: true,
            guardWords: ["/usr/bin/setpriv", "--bounding-set=-cap_38"])
        var order = Self.order
        (order.layer, order.volumes, order.options) = ("/w/container-1", [], [])
        order.mounts.append(.init(source: "/w/a, \"b\"", target: "/c"))
        let (path, arguments) = engine.starting(order)
        #expect(path == "/bin/sh")
        #expect(
            arguments == [
                "sh", "-c",
                "\"$@\" >&2 && echo sheaf-container-runs && cat >/dev/null; "
                    + "\"$0\" instance stop --signal KILL sheaf-r1 >/dev/null 2>&1",
                "/usr/bin/apptainer", "/usr/bin/setpriv", "--bounding-set=-cap_38", "/usr/bin/apptainer", "instance",
                "start", "--containall", "--no-home", "--no-umask", "--overlay=/w/container-1/overlay",
                "--workdir=/w/container-1/tmp", "--drop-caps=\(ContainerEngine.capabilitiesDropped)", "--nv",
                "--mount=type=bind,source=/w/work,destination=/w/work",
                "--mount=type=bind,source=/w/work/d,destination=/d,ro",
                "--mount=type=bind,\"source=/w/a, \"\"b\"\"\",destination=/c", "--nvccli",
                "docker://docker.io/library/python:3.12", "sheaf-r1",
            ])
        let dropped = Set(ContainerEngine.capabilitiesDropped.split(separator: ","))
        #expect(dropped.isSuperset(of: ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_NET_ADMIN"]) && dropped.count == 25)
        #expect(dropped.isDisjoint(with: ["CAP_CHOWN", "CAP_SETUID", "CAP_KILL", "CAP_SETFCAP"]))
        #expect(
            engine.executeInInstance(["sh", "x"], in: "a", script: "/s", directory: "/w") == [
                "--silent", "exec", "--cleanenv", "--no-umask", "--drop-caps=\(ContainerEngine.capabilitiesDropped)",
                "--pwd=/w", "instance://a", "/bin/sh", "/s", "sh", "x",
            ])
        engine.isRoot = false
        #expect(engine.startInstance(order).contains("--userns"))
        #expect(!engine.startInstance(order).contains { $0.hasPrefix("--drop-caps") })
        #expect(ContainerEngine.prefix(of: engine.owner) == "sheaf-0af3-" && engine.labels == ["containers"])
    }

    @Test(arguments: [(37, []), (38, ["--bounding-set=-cap_38"]), (40, ["--bounding-set=-cap_38,-cap_39,-cap_40"])])
    func `takes from apptainer's root what apptainer does not know`(last: Int, words: [String]) {
        #expect(ContainerEngine.unknownCapabilities(last: last) == words)
    }

    @Test func `sets variables in a script to just their values`() throws {
        let odd = ["A=b'c\nd $(id)", "NOT-A=x", "9=x", "=x", "B", "_C9=", "A=last"]
        let script = ContainerEngine.environmentScript(odd)
        #expect(script == "export A='b'\\''c\nd $(id)'\nexport _C9=''\nexport A='last'\nexec \"$@\"\n")
        let answer = Programs.Program.output("/bin/sh", ["-c", script, "sh", "/bin/sh", "-c", "printf %s \"$A$_C9\""])
        #expect(try answer.get() == Array("last".utf8))
    }

    @Test func `takes an image from the owner's folder, and nothing beside it`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-images-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/images/lab/box", withIntermediateDirectories: true)
        for name in ["/images/python:3.12.sif", "/other.sif"] {
            #expect(FileManager.default.createFile(atPath: folder + name, contents: nil))
        }
        let engine = ContainerEngine(kind: .apptainer, path: "/usr/bin/apptainer", images: folder + "/images")
        #expect(engine.source(of: "python:3.12") == folder + "/images/python:3.12.sif")
        #expect(engine.source(of: "lab/box") == folder + "/images/lab/box")
        for name in ["../other", "lab/../../other", "/etc", "python:3.13"] {
            #expect(engine.source(of: name).hasPrefix("docker://"), "\(name)")
        }
    }

    @Test func `reads what apptainer says of its instances`() {
        let json = #"{"instances": [{"instance": "a", "pid": 12, "img": "/i.sif", "ip": ""}, {"pid": 3}]}"#
        #expect(ContainerEngine.Instance.all(Array(json.utf8)) == [.init(name: "a", pid: 12, image: "/i.sif")])
        #expect(ContainerEngine.Instance.all(Array(#"{"instances": []}"#.utf8)) == [])
        #expect(ContainerEngine.Instance.all(Array("INFO: x".utf8)) == nil)
    }

    @Test func `has no password in it: engines read it from a file`() throws {
        let login = RegistryLogin(username: "ada", password: "hunter2")
        #expect(login.config(for: "ghcr.io/a/b:1") == #"{"auths":{"ghcr.io":{"auth":"YWRhOmh1bnRlcjI="}}}"#)
        #expect(
            RegistryLogin(username: "a", password: "b").config(for: "python")
                == #"{"auths":{"docker.io":{"auth":"YTpi"},"https://index.docker.io/v1/":{"auth":"YTpi"}}}"#)
        #expect(RegistryLogin(username: "a", password: "bc").config(for: "x.y/z").contains(#""YTpiYw==""#))
        var order = Self.order
        order.login = .init(folder: "/l", person: login)
        for (kind, entry) in [
            (ContainerEngine.Kind.podman, "REGISTRY_AUTH_FILE=/l/config.json"), (.docker, "DOCKER_CONFIG=/l"),
        ] {
            var engine = ContainerEngine(kind: kind, path: "/e", owner: "node-1")
            engine.environment = ["PATH=/bin", "DOCKER_CONFIG=/own", "REGISTRY_AUTH_FILE=/own"]
            #expect(engine.signedIn(for: order).environment == ["PATH=/bin", entry])
            #expect(engine.signedIn(for: Self.order) == engine)
        }
    }

    @Test(arguments: [
        ("python:3.12", "docker.io/library/python:3.12"), ("a/b", "docker.io/a/b"), ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("localhost/x", "localhost/x"), ("host:5000/x", "host:5000/x"), ("a/b@sha256:12", "docker.io/a/b@sha256:12"),
    ])
    func `names the registry`(image: String, name: String) { #expect(ContainerEngine.fullName(image) == name) }

    /// An image that is nowhere is the job's fault; what its machine refuses the engine is not.
    @Test(arguments: [
        ("Error: initializing source docker://x: requested access to the resource is denied", true),
        ("pull access denied for x, repository does not exist or may require 'docker login'", true),
        ("reading manifest 1 in h/x: unauthorized: authentication required", true),
        ("reading manifest 9 in h/x: manifest unknown", true),
        ("/usr/bin/slirp4netns failed: \"open(\\\"/dev/net/tun\\\"): Permission denied\"", false),
        ("crun: create cgroup: Permission denied: OCI permission denied", false), ("dial tcp: i/o timeout", false),
    ])
    func `that does not start is told by its cause`(said: String, isJobs: Bool) {
        switch AttemptContainer.failure(of: "x", said, whose: "container") {
        case .user: #expect(isJobs)
        case .dataUnavailable: #expect(!isJobs)
        case let other: Issue.record("\(other)")
        }
    }
}

/// A view of the file system that all calls of podman share, as long as this process lives: mounts of one call are seen by
/// the next.
struct PodmanWorld {
    let pid: pid_t

    init?() {
        let (holder, input, output) = (Process(), Pipe(), Pipe())
        holder.executableURL = URL(filePath: "/usr/bin/unshare")
        // crun refuses machines where both versions of cgroups hold controllers: it is not shown the second. Podman's
        // records are this world's own: another world's containers have mounts that cannot be seen from here.
        let world = """
            umount /sys/fs/cgroup/unified 2>/dev/null
            for place in /var/lib/containers /run/libpod /run/containers/storage /dev/shm; do
                mkdir -p $place && mount -t tmpfs -o mode=1777 tmpfs $place || exit 1
            done
            echo $$
            exec cat >/dev/null
            """
        holder.arguments = ["--mount", "sh", "-c", world]
        (holder.standardInput, holder.standardOutput) = (input, output)
        guard (try? holder.run()) != nil else { return nil }
        Self.lifeline.withLock { $0.append(input) }
        let told = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let pid = pid_t(told.trimmingCharacters(in: .whitespacesAndNewlines)) else { return nil }
        self.pid = pid
    }

    private static let lifeline = Mutex([Pipe]())
}

/// Real containers, where podman can start one: of an image with busybox alone.
enum Podman {
    static let image = "localhost/sheaf-test-busybox"

    /// `nil` where no container can be started.
    static let engine: ContainerEngine? = {
        guard geteuid() == 0, access("/usr/bin/podman", X_OK) == 0, access("/bin/busybox", X_OK) == 0 else {
            return nil
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-podman-\(getpid())").path
        guard let world = PodmanWorld() else { return nil }
        let wrapper = "#!/bin/sh\nexec nsenter --mount --target \(world.pid) /usr/bin/podman \"$@\"\n"
        let conf = """
            [containers]
            default_ulimits = ["nofile=1000:1000", "nproc=1000:1000"]
            netns = "host"
            """
        let build = """
            set -e
            cd "$1"
            mkdir -p image/bin image/tmp image/etc
            cp /bin/busybox image/bin/
            for name in sh cat echo sleep ls mkdir env test id touch kill ps setsid nohup true false rm ln grep stat chmod mknod seq httpd wget
            do ln -sf busybox image/bin/$name; done
            echo 'root:x:0:0:root:/:/bin/sh' > image/etc/passwd
            tar -C image -c . | "$1/podman" import --quiet --change 'ENV PATH=/bin:/image-bin' --change 'ENV FROM=image' - \(image)
            "$1/podman" run --rm --cgroups=disabled \(image) /bin/true
            """
        guard (try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)) != nil,
            (try? Data(wrapper.utf8).write(to: URL(filePath: folder + "/podman"))) != nil,
            (try? Data(conf.utf8).write(to: URL(filePath: folder + "/containers.conf"))) != nil
        else { return nil }
        chmod(folder + "/podman", 0o755)
        atexit { Files.removeTree(NSTemporaryDirectory() + "/sheaf-podman-\(getpid())") }
        var engine = ContainerEngine(kind: .podman, path: folder + "/podman", owner: "sheaf-tests-\(getpid())")
        engine.environment = [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "CONTAINERS_CONF=\(folder)/containers.conf",
        ]
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", build, "sh", folder]
        process.environment = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "CONTAINERS_CONF": folder + "/containers.conf",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        process.waitUntilExit()
        return process.terminationStatus == 0 ? engine : nil
    }()
    static var isThere: Bool { engine != nil }
}

@Suite(.enabled(if: Podman.isThere)) struct `An attempt in a container` {
    private static func workshop() async throws -> Workshop {
        try await Workshop { host in
            host.engine = Podman.engine
            host.environment = [.init(name: "OWNERS", value: "own")]
        }
    }

    private static func attempt(
        _ workshop: Workshop, _ steps: [Step], container: JobContainer = JobContainer(image: Podman.image),
        change: (inout Assignment) -> Void = { _ in }
    ) async throws -> Ended {
        try await workshop.attempt(steps) {
            $0.work.container = container
            change(&$0)
        }
    }

    /// Containers of these tests that there are, in whatever state.
    private static func containers(_ name: String) async -> [String] {
        let answer: Programs.Program.Answer
        switch await ask(["ps", "--all", "--format={{.Names}}"]) {
        case .success(let all)?: answer = all
        case let problem: return ["podman does not answer: \(String(describing: problem))"]
        }
        return String(decoding: answer.output, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
            // Other tests' agents have runs of the same numbers.
            .filter { $0.contains(name) && ($0.contains("-t\(getpid())-") || $0.contains("earlier")) }
    }

    /// Asks on a thread of its own: podman may wait for another attempt's container, and that for a thread of the pool.
    private static func ask(
        _ words: [String]
    ) async -> Result<Programs.Program.Answer, Programs.Program.Failure>? {
        guard let engine = Podman.engine else { return nil }
        return await withCheckedContinuation { asked in
            startThread("test-podman") { asked.resume(returning: engine.ask(words)) }
        }
    }

    private static func name(_ ended: Ended) -> String {
        let attempt = ended.report.attempt
        return "sheaf-r\(attempt?.run ?? 0)-"
    }

    @Test func `runs its steps in the image, with the same paths and command files as outside`() async throws {
        let workshop = try await Self.workshop()
        let ended = try await Self.attempt(
            workshop,
            [
                run(
                    "echo bin $(ls /bin/busybox) /usr:$(ls /usr 2>/dev/null); id -u; echo $FROM $OWNERS $GIVEN; echo path=$PATH; echo said=$(echo a; echo b) >> $GITHUB_OUTPUT; echo LATER='x y' >> $GITHUB_ENV; echo $HOME/bin >> $GITHUB_PATH; mkdir -p $HOME/bin; echo '#!/bin/sh' > $HOME/bin/own; echo 'echo own tool' >> $HOME/bin/own; chmod 755 $HOME/bin/own; touch made; echo hi > $TMPDIR/t",
                    id: "one"),
                run(
                    "echo ${{ steps.one.outputs.said }} $LATER; own; ls $GITHUB_WORKSPACE; test \"$GITHUB_WORKSPACE\" = \"$PWD\"; echo shard $SHEAF_SHARD; echo 'summary' >> $GITHUB_STEP_SUMMARY; ls /proc | grep -c '^[0-9]'",
                    in: "."),
                run("exit 7", continueOnError: "true"), run("echo last", if: "always()"),
                run("echo {\\\"loss\\\": 0.5} > $SHEAF_METRICS"),
            ],
            container: JobContainer(image: Podman.image, environment: [Template("GIVEN", "by ${{ github.ref }}")]))
        #expect(ended.report.cause == "passed", "\(ended.report.evidence) \(ended.err) \(ended.said)")
        #expect(ended.outcomes == ["success", "success", "failure", "success", "success"], "\(ended.out)")
        #expect(
            ended.out.prefix(4) == [
                "bin /bin/busybox /usr:", "0", "image own by refs/heads/main", "path=/bin:/image-bin",
            ], "\(ended.out)")
        #expect(ended.out.dropFirst(4).prefix(4) == ["a b x y", "own tool", "made", "shard 0"], "\(ended.out)")
        #expect(ended.out.contains("last"))
        #expect(try ended.text(ended.report.metrics).contains("0.5"))
        #expect(ended.said.contains { $0.contains("runs in \(Self.name(ended))") }, "\(ended.said)")
        #expect(await Self.containers(Self.name(ended)).isEmpty)
    }

    @Test func `has one container for all of its steps, and no other attempt's`() async throws {
        let workshop = try await Self.workshop()
        let mark = sleepMark()
        let ended = try await Self.attempt(
            workshop,
            [run("sleep \(mark) & echo kept > /kept"), run("cat /kept; ps | grep -c '[s]leep \(mark)' || true")])
        #expect(ended.report.cause == "passed" && ended.out == ["kept", "1"], "\(ended.out) \(ended.report.evidence)")
        #expect(living(mark).isEmpty)
        let next = try await Self.attempt(workshop, [run("ls /kept || echo none")])
        #expect(next.out == ["none"], "\(next.out)")
    }

    @Test func `leaves nothing behind, whatever its steps did`() async throws {
        let workshop = try await Self.workshop()
        let marks = [sleepMark(), sleepMark(), sleepMark()]
        let ended = try await Self.attempt(
            workshop,
            [
                run(
                    "setsid sleep \(marks[0]) & (setsid setsid env -i /bin/sleep \(marks[1]) &) & nohup sh -c 'trap \"\" TERM HUP; while :; do sleep \(marks[2]); done' > /dev/null 2>&1 & touch \"$HOME/x\"; mknod $GITHUB_WORKSPACE/disk b 8 0 || echo no devices"
                ),
                run("exit 3"),
            ])
        #expect(ended.report.cause == "user_exit" && ended.report.code == 3, "\(ended.report)")
        #expect(ended.out == ["no devices"], "\(ended.out)")
        for mark in marks { #expect(living(mark).isEmpty, "\(living(mark))") }
        #expect(await Self.containers(Self.name(ended)).isEmpty)
        #expect(Files.names(in: workshop.host.attemptsFolder).isEmpty)
    }

    @Test func `ends a step at its time with TERM, then KILL, and goes on in the same container`() async throws {
        let workshop = try await Self.workshop()
        let marks = (kept: sleepMark(), stopped: sleepMark())
        let ended = try await Self.attempt(
            workshop,
            [
                run("setsid sleep \(marks.kept) & true"),
                run(
                    "trap 'echo heard TERM; exit 0' TERM; (sleep \(marks.stopped)) & while :; do sleep 0.05; done",
                    timeout: "0.05", continueOnError: "true"),
                run(
                    "trap '' TERM; echo deaf; while :; do sleep \(marks.stopped); done", timeout: "0.05",
                    continueOnError: "true"),
                run("ps | grep -c '[s]leep \(marks.kept)' || true; ps | grep -c '[s]leep \(marks.stopped)' || true"),
            ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.outcomes == ["success", "failure", "failure", "success"])
        #expect(ended.out == ["heard TERM", "deaf", "1", "0"], "\(ended.out)")
        #expect(ended.said.contains { $0.contains("reached its limit of") }, "\(ended.said)")
    }

    @Test(.enabled(if: Workshop.cgroups.limitsMemory))
    func `is held to the attempt's memory, and counted with it`() async throws {
        let ended = try await Self.attempt(
            try await Self.workshop(),
            [
                run("x=$(/bin/busybox head -c 400000000 /dev/zero | /bin/busybox tr '\\000' a); echo ${#x}"),
                run("echo after", if: "always()"),
            ]
        ) { $0.memory = .mebibytes(32) }
        #expect(ended.report.cause == "oom", "\(ended.report.evidence)")
        #expect(ended.report.evidence.contains("the attempt's limit of 160 MiB"), "\(ended.report.evidence)")
        #expect(ended.out == ["after"], "the container goes on: \(ended.out)")
        #expect(ended.report.usage.map { $0.peakMemoryBytes > 40 << 20 && $0.cpuNs > 0 } == true)
    }

    @Test func `whose first process somebody ends fails with that, and is no step's fault`() async throws {
        let workshop = try await Self.workshop()
        let mark = sleepMark()
        let trial = try workshop.begin([run("echo begun; sleep \(mark)"), run("echo never")]) {
            $0.work.container = JobContainer(image: Podman.image)
        }
        try await trial.logged("begun")
        let run = await trial.driver.assignment.id.run
        let name = try #require(await Self.containers("sheaf-\(run)-").first)
        guard case .success? = await Self.ask(["kill", name]) else {
            Issue.record("podman kills nothing")
            return
        }
        let ended = try await trial.end()
        #expect(ended.report.cause == "agent_fault", "\(ended.report)")
        #expect(ended.report.evidence.contains("has ended under the job's steps"), "\(ended.report.evidence)")
        #expect(ended.out == ["begun"] && living(mark).isEmpty, "\(ended.out)")
    }

    @Test func `is ended by the job's time, and steps that always run get a new container`() async throws {
        let workshop = try await Self.workshop()
        let mark = sleepMark()
        let ended = try await Self.attempt(
            workshop,
            [
                run("echo first > /in-the-first; trap '' TERM; while :; do sleep \(mark); done"),
                run("ls /in-the-first || echo new; cat $GITHUB_WORKSPACE/none || true", if: "always()"),
            ]
        ) { $0.timeout = .seconds(4) }
        #expect(ended.report.cause == "timeout", "\(ended.report)")
        #expect(ended.out == ["new"], "\(ended.out) \(ended.said)")
        #expect(await Self.containers(Self.name(ended)).isEmpty && living(mark).isEmpty)
    }

    @Test func `is cancelled while it runs, and while its image is looked for`() async throws {
        let workshop = try await Self.workshop()
        let mark = sleepMark()
        let trial = try workshop.begin([run("echo begun; sleep \(mark)")]) {
            $0.work.container = JobContainer(image: Podman.image)
        }
        try await trial.logged("begun")
        await trial.driver.cancel("by a test")
        let ended = try await trial.end()
        #expect(ended.report.cause == "cancelled", "\(ended.report)")
        #expect(await Self.containers(Self.name(ended)).isEmpty && living(mark).isEmpty)
    }

    @Test func `that has no image ends with what the engine said`() async throws {
        let ended = try await Self.attempt(
            try await Self.workshop(), [run("echo never")], container: JobContainer(image: "localhost:1/none:1"))
        #expect(["user_error", "data_unavailable"].contains(ended.report.cause), "\(ended.report)")
        #expect(ended.report.evidence.contains("localhost:1/none:1") && ended.out.isEmpty, "\(ended.report.evidence)")
        #expect(await Self.containers(Self.name(ended)).isEmpty)
    }

    @Test(arguments: [
        JobContainer(image: "--privileged"), JobContainer(image: "a b"),
        JobContainer(image: Podman.image, options: "${{ format('{0}', '--privileged') }}"),
        JobContainer(image: Podman.image, volumes: ["${{ format('{0}', '/etc') }}:/x"]),
        JobContainer(image: Podman.image, volumes: ["${{ github.workspace }}/../../..:/x"]),
    ])
    func `gets nothing by an expression that it may not have`(container: JobContainer) async throws {
        let ended = try await Self.attempt(try await Self.workshop(), [run("echo never")], container: container)
        #expect(ended.report.cause == "user_error" && ended.out.isEmpty, "\(ended.report)")
    }

    @Test func `sees folders of its workspace where it wants them, and follows no link out`() async throws {
        let workshop = try await Self.workshop()
        let container = JobContainer(
            image: Podman.image,
            volumes: ["./data:/data", "${{ github.workspace }}/ro:/ro:ro", "/scratch"], options: "--hostname there")
        let ended = try await Self.attempt(
            workshop,
            [
                run(
                    "echo x > /data/file; echo y > /scratch/f; (echo z > /ro/f) 2>/dev/null || echo read-only; cat $GITHUB_WORKSPACE/data/file; cat /proc/sys/kernel/hostname"
                ),
                // A container that starts anew must not mount what this one points to.
                run(
                    "rm -r $GITHUB_WORKSPACE/data 2>/dev/null; rm $GITHUB_WORKSPACE/data/file; ls -d $GITHUB_WORKSPACE/data"
                ),
            ], container: container)
        #expect(ended.out.prefix(3) == ["read-only", "x", "there"], "\(ended.out) \(ended.report.evidence)")
        let linked = try await Self.attempt(
            workshop,
            [
                run("cd $GITHUB_WORKSPACE && rm -r out && ln -s /etc out && ls -d out; while :; do sleep 1; done"),
                run("echo never; ls /data", if: "always()"),
            ],
            container: JobContainer(
                image: Podman.image, volumes: ["${{ hashFiles('none') == '' && './out' || './out' }}/x:/data"])
        ) { $0.timeout = .seconds(4) }
        #expect(linked.report.cause == "timeout" && linked.out == ["out"], "\(linked.report) \(linked.out)")
    }

    @Test func `whose image comes to nothing runs on the agent itself`() async throws {
        let ended = try await Self.attempt(
            try await Self.workshop(), [run("test -d /usr/bin && echo outside")],
            container: JobContainer(image: "${{ github.none }}"))
        #expect(ended.out == ["outside"] && ended.report.cause == "passed", "\(ended.report)")
    }

    @Test func `goes with the agent, and what an earlier life has left is removed`() async throws {
        guard var engine = Podman.engine else { return }
        engine.owner += "-earlier"
        var ends: [CInt] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let order = ContainerEngine.Order(name: "sheaf-earlier-\(getpid())", image: Podman.image, processesMax: 10)
        let heard = Mutex("")
        let (said, tell) = AsyncStream.makeStream(of: Void.self)
        let client = try StepProcess.start(
            Program(
                path: engine.path, arguments: [engine.path] + engine.start(order), environment: engine.environment,
                directory: "/"), in: nil, input: ends[0]
        ) { _, bytes in
            heard.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
            if heard.withLock({ $0.contains(ContainerEngine.ready) }) { tell.yield() }
        }
        close(ends[0])
        for await _ in said { break }
        #expect(await Self.containers(order.name).count == 1)
        // As the kernel does when the agent is killed.
        close(ends[1])
        #expect(await client.exit.how == .code(0), "\(heard.withLock { $0 })")
        // `--rm` is done by then, or is under way: what is left the next start removes.
        _ = engine.clear()
        #expect(await Self.containers(order.name).isEmpty)
    }
}

/// Services by podman, on real networks.
@Suite(.enabled(if: Podman.isThere)) struct `An attempt with services of podman` {
    private static func service(
        _ name: String, _ text: String, ports: [String] = [], options: String? = nil
    ) -> JobService {
        JobService(
            name: name,
            container: JobContainer(
                image: Podman.image, environment: [Template("TEXT", text)], ports: ports,
                options: options
                    ?? "--health-cmd 'wget -q -O- http://\(name):8000/' --health-interval 50ms --health-retries 400",
                entrypoint: "/bin/sh",
                command: "-c 'echo began >&2; mkdir /w; echo $TEXT >/w/index.html; exec httpd -f -p 8000 -h /w'"))
    }

    /// Networks of these tests, and containers in any state.
    private static func left() -> [String] {
        guard let engine = Podman.engine else { return [] }
        return [["network", "ls", "--format={{.Name}}"], ["ps", "--all", "--format={{.Names}}"]].flatMap { words in
            guard case .success(let answer) = engine.ask(words) else { return ["podman does not answer"] }
            return String(decoding: answer.output, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        }
    }

    private static func left(of ended: Ended) -> [String] {
        left().filter { $0.hasPrefix("sheaf-r\(ended.report.attempt?.run ?? 0)-") && $0.contains("-t\(getpid())-") }
    }

    @Test func `reaches them at the machine's loopback`() async throws {
        let workshop = try await Workshop { $0.engine = Podman.engine }
        let ended = try await workshop.attempt([
            run("/bin/busybox wget -q -O- http://127.0.0.1:${{ job.services.web.ports['8000'] }}/"), run("exit 5"),
        ]) { $0.work.services = [Self.service("web", "served", ports: ["8000"])] }
        #expect(ended.report.cause == "user_exit" && ended.out == ["served"], "\(ended.report.evidence) \(ended.said)")
        #expect(
            ended.said.contains("service web is well") && ended.said.contains("service web: began"), "\(ended.said)")
        #expect(Self.left(of: ended).isEmpty, "\(Self.left(of: ended))")
    }

    @Test func `reaches them by their names from its container, whatever ports they share`() async throws {
        let workshop = try await Workshop { $0.engine = Podman.engine }
        let ended = try await workshop.attempt([
            run("wget -q -O- http://one:8000/; wget -q -O- http://two:${{ job.services.two.ports['8000'] }}/"),
            run(
                "test -n '${{ job.container.network }}' && echo ${{ job.container.network == job.services.one.network }}"
            ),
        ]) {
            $0.work.container = JobContainer(image: Podman.image)
            $0.work.services = [Self.service("one", "first"), Self.service("two", "second", ports: ["8000"])]
        }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence) \(ended.err) \(ended.said)")
        #expect(ended.out == ["first", "second", "true"], "\(ended.out)")
        #expect(Self.left(of: ended).isEmpty, "\(Self.left(of: ended))")
    }

    @Test func `never begins where one does not get well, and leaves nothing`() async throws {
        let workshop = try await Workshop { $0.engine = Podman.engine }
        let ended = try await workshop.attempt([run("echo never")]) {
            $0.work.services = [
                Self.service("web", "x", options: "--health-cmd false --health-interval 10ms --health-retries 2")
            ]
        }
        #expect(ended.report.cause == "timeout" && ended.out.isEmpty, "\(ended.report)")
        #expect(ended.report.evidence.contains("the service 'web' was not well after"), "\(ended.report.evidence)")
        #expect(Self.left(of: ended).isEmpty, "\(Self.left(of: ended))")
    }
}
