import Model
import Testing

@Suite struct `Options of a container` {
    @Test(arguments: [
        ("", []), ("  ", []), ("--init", ["--init"]),
        ("--shm-size=2g --ulimit memlock=-1", ["--shm-size=2g", "--ulimit=memlock=-1"]),
        ("-u 1000:1000 -e A=b", ["--user=1000:1000", "--env=A=b"]), ("-uroot", ["--user=root"]),
        ("--health-cmd \"pg_isready -U 'a b'\"", ["--health-cmd=pg_isready -U 'a b'"]),
        ("--env 'A=$(id) `x`'", ["--env=A=$(id) `x`"]), ("--label a\\ b=c", ["--label=a b=c"]),
        ("--env \"A=\\\"\\n\"", ["--env=A=\"\\n"]), ("--user ''", ["--user="]),
    ])
    func `are words, whole and in order`(text: String, words: [String]) throws {
        #expect(try ContainerOptions(text).words == words)
    }

    @Test func `that the lease says are passed over, by name`() throws {
        let options = try ContainerOptions("--gpus all -it --rm --cpus 2 --memory=4g --name x --init")
        #expect(options.words == ["--init"])
        #expect(options.idle == ["--gpus", "--interactive", "--rm", "--cpus", "--memory", "--name"])
    }

    @Test(arguments: [
        "--privileged", "--privileged=true", "--cap-add SYS_ADMIN", "--cap-add=ALL", "--device /dev/sda", "-v /:/host",
        "--volume=/:/host", "--mount type=bind,source=/,target=/x", "--pid host", "--pid=host", "--ipc=host",
        "--network host", "--net=host", "--security-opt seccomp=unconfined", "--userns=host", "--cgroup-parent=/",
        "--volumes-from x", "--env-file /etc/shadow", "--label-file=/x", "--uts=host", "--group-add 0", "--runtime x",
        "--entrypoint sh", "-p 80:80", "-itv", "-P", "image", "--", "-", "--init=false", "--user", "--env HOME",
        "-e HOME", "--env \"A=b", "--env 'A=b", "--env A=b\\", "--ENV A=b", "--hooks-dir=/x", "--rootfs",
    ])
    func `by which it would reach beyond its attempt are refused`(text: String) {
        #expect(throws: ContainerOptions.Refusal.self) { try ContainerOptions(text) }
    }

    @Test func `have a limit`() throws {
        func text(_ count: Int) -> String { Array(repeating: "--init", count: count).joined(separator: " ") }
        #expect(try ContainerOptions(text(ContainerOptions.wordsMax)).words.count == ContainerOptions.wordsMax)
        #expect(throws: ContainerOptions.Refusal.self) { try ContainerOptions(text(ContainerOptions.wordsMax + 2)) }
    }
}

@Suite struct `A volume of a container` {
    @Test(
        arguments: [
            ("./data:/data", "/w/x/data", "/data", false), ("./data:/data:ro", "/w/x/data", "/data", true),
            (".:/code:rw", "/w/x", "/code", false), ("/w/x/a/../b:/data", "/w/x/b", "/data", false),
            ("a/b:/data", "/w/x/a/b", "/data", false), ("/scratch", nil, "/scratch", false),
        ] as [(String, String?, String, Bool)])
    func `lies within the workspace, or goes with it`(
        text: String, folder: String?, target: String, isReadOnly: Bool
    ) throws {
        let volume = try ContainerVolume(text)
        #expect(try volume.folder(inWorkspace: "/w/x") == folder)
        #expect(volume.target == target && volume.isReadOnly == isReadOnly)
    }

    @Test(arguments: [
        "/:/host", "/var/run/docker.sock:/var/run/docker.sock", "/w/x/../y:/data", "./../y:/data", "/w/xy:/data",
        "named:/data", "..:/data", "", ":", "a:", ":/data", "./a:b", "./a:/", "./a:/proc", "./a:/dev/x",
        "./a:/x/../proc",
        "./a:/data:z", "./a:/b:ro:x", "./a:/sys/fs", "/", "/proc",
    ])
    func `from anywhere else is refused`(text: String) {
        #expect(throws: ContainerOptions.Refusal.self) {
            try ContainerVolume(text).folder(inWorkspace: "/w/x")
        }
    }
}
