import Foundation
import Glibc
import Testing

/// Podman as a real agent finds it: first on its PATH, with an image of busybox alone.
private struct OwnPodman {
    static let image = "localhost/sheaf-e2e-busybox"
    let folder: String
    /// As long as it is open, podman has a place to live in.
    private let world: Pipe

    /// `nil` where no container can be started.
    static let shared: OwnPodman? = {
        let files = ["/usr/bin/podman", "/bin/busybox"]
        guard geteuid() == 0, files.allSatisfy(FileManager.default.isExecutableFile(atPath:)) else { return nil }
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-e2e-podman-\(getpid())").path
        // What one call of podman mounts the next one sees. crun refuses machines where both versions of cgroups hold
        // controllers: it is not shown the second. Podman's records are this world's own: another world's containers
        // have mounts that cannot be seen from here.
        let (holder, input, output) = (Process(), Pipe(), Pipe())
        let own = """
            umount /sys/fs/cgroup/unified 2>/dev/null
            for place in /var/lib/containers /run/libpod /run/containers/storage /dev/shm; do
                mkdir -p $place && mount -t tmpfs -o mode=1777 tmpfs $place || exit 1
            done
            echo $$
            exec cat >/dev/null
            """
        holder.executableURL = URL(filePath: "/usr/bin/unshare")
        holder.arguments = ["--mount", "sh", "-c", own]
        (holder.standardInput, holder.standardOutput) = (input, output)
        guard (try? holder.run()) != nil else { return nil }
        let world = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let script = """
            set -e
            mkdir -p "$1/bin" "$1/image/bin" "$1/image/tmp"
            cd "$1"
            cat > bin/podman <<EOF
            #!/bin/sh
            exec nsenter --mount --target $2 /usr/bin/podman "\\$@"
            EOF
            chmod 755 bin/podman
            printf '[containers]\\ndefault_ulimits=["nofile=1000:1000","nproc=1000:1000"]\\nnetns="host"\\n' > conf
            cp /bin/busybox image/bin/
            for name in sh cat echo sleep ls test true setsid; do ln -sf busybox image/bin/$name; done
            export CONTAINERS_CONF="$1/conf"
            tar -C image -c . | bin/podman import --quiet --change 'ENV PATH=/bin' - \(image)
            bin/podman run --rm --cgroups=disabled \(image) /bin/true
            """
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", script, "sh", folder, world.trimmingCharacters(in: .whitespacesAndNewlines)]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        process.waitUntilExit()
        return process.terminationStatus == 0 ? OwnPodman(folder: folder, world: input) : nil
    }()

    var environment: [String: String] {
        [
            "PATH": "\(folder)/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "CONTAINERS_CONF": folder + "/conf",
        ]
    }

    func networks() async throws -> String {
        try await answer(["network", "ls", "--format={{.Name}}", "--filter=label=sheaf.agent"])
    }

    func containers() async throws -> String {
        try await answer(["ps", "--all", "--format={{.Names}} {{.Image}}"])
            .split(separator: "\n").filter { $0.contains(Self.image) }.joined(separator: "\n")
    }

    /// Puts the image where a registry has it.
    func push(as name: String, by user: String, _ environment: [String: String]) async throws {
        let all = self.environment.merging(environment) { $1 }
        for arguments in [["tag", Self.image, name], ["push", "--quiet", "--creds", user, name], ["rmi", name]] {
            let done = try await Finished.run(folder + "/bin/podman", arguments, environment: all)
            guard done.status == 0 else { throw Failure("podman \(arguments): \(done.status) \(done.error)") }
        }
    }

    private func answer(_ arguments: [String]) async throws -> String {
        let answer = try await Finished.run(folder + "/bin/podman", arguments, environment: environment)
        guard answer.status == 0 else { throw Failure("podman \(arguments): \(answer.status) \(answer.error)") }
        return answer.output
    }
}

@Suite struct `A job with a container` {
    private static func workflow(_ image: String, _ script: String) -> String {
        """
        on: workflow_dispatch
        jobs:
          a:
            runs-on: self-hosted
            timeout-minutes: 5
            container: \(image)
            steps:
              - run: "\(script)"
        """
    }

    @Test func `waits for an agent that starts some, and is told so`() async throws {
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow("alpine:3", "true"))
            try await farm.startAgent("one", cpus: 1, "--containers", "none")
            let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code")
            #expect(run.status == 0, "\(run.output)\(run.error)")
            let why = try await farm.sheaf("explain", "r1/a")
            #expect(why.output.contains("no agent has label containers"), "\(why.output)\(why.error)")
        }
        let machine = try OwnMachine(["w.yml": Self.workflow("alpine:3", "true")])
        defer { machine.end() }
        let refused = try await machine.run("w.yml", "--containers", "none")
        #expect(
            refused.status == 2 && refused.error.contains("no agent has label containers"),
            "\(refused.status) \(refused.error)")
    }

    @Test(.enabled(if: OwnPodman.shared != nil), .timeLimit(.minutes(10)))
    func `has its services removed when its agent is killed`() async throws {
        let podman = try #require(OwnPodman.shared)
        try await withFarm { farm in
            farm.environment = podman.environment
            let mark = "1000.\(UInt32.random(in: 100_000...999_999))"
            let file = try farm.write(
                "code/w.yml",
                """
                on: workflow_dispatch
                jobs:
                  a:
                    runs-on: self-hosted
                    timeout-minutes: 5
                    services:
                      db: {image: \(OwnPodman.image), ports: [80], command: "sleep \(mark)"}
                    steps:
                      - run: test -n "${{ job.services.db.ports['80'] }}" && exec sleep \(mark)
                """)
            try await farm.startAgent("one", cpus: 1)
            let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code")
            #expect(run.status == 0, "\(run.error)")
            while sleepers(mark) < 2 { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await !podman.containers().isEmpty)
            #expect(try await !podman.networks().isEmpty)
            await farm.killAgent("one")
            while !living("sleep\0\(mark)").isEmpty { try await Task.sleep(for: .milliseconds(20)) }
            while try await !podman.containers().isEmpty {}
            while try await !podman.networks().isEmpty {}
        }
    }

    @Test(.enabled(if: OwnPodman.shared != nil), .timeLimit(.minutes(10)))
    func `passes in one, and leaves nothing when its agent is killed`() async throws {
        let podman = try #require(OwnPodman.shared)
        try await withFarm { farm in
            farm.environment = podman.environment
            let mark = "1000.\(UInt32.random(in: 100_000...999_999))"
            let file = try farm.write(
                "code/w.yml", Self.workflow(OwnPodman.image, "test ! -e /usr && echo inside $GITHUB_WORKSPACE"))
            let long = try farm.write(
                "code/long.yml", Self.workflow(OwnPodman.image, "setsid sleep \(mark) & sleep \(mark)"))
            try await farm.startAgent("one", cpus: 1)
            let passed = try await farm.sheaf("submit", file, "--wait", "--tree", farm.folder + "/code")
            let logs = try await farm.sheaf("logs", "r1")
            #expect(passed.status == 0, "\(passed.output)\(passed.error)\(logs.output)")
            #expect(logs.output.contains("inside /"), "\(logs.output)")
            let run = try await farm.sheaf("submit", long, "--tree", farm.folder + "/code")
            #expect(run.status == 0, "\(run.error)")
            while sleepers(mark) < 2 { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await !podman.containers().isEmpty)
            await farm.killAgent("one")
            while !living("sleep\0\(mark)").isEmpty { try await Task.sleep(for: .milliseconds(20)) }
            while try await !podman.containers().isEmpty {}
        }
    }

    /// `credentials:` at a registry that asks who one is.
    @Test(
        .enabled(
            if: OwnPodman.shared != nil && FileManager.default.isExecutableFile(atPath: "/usr/bin/docker-registry")),
        .timeLimit(.minutes(10)))
    func `has an image that not everybody may have`() async throws {
        let podman = try #require(OwnPodman.shared)
        try await withFarm { farm in
            // By bcrypt, cost 5; the password is in no file but this one and the agent's secrets.
            let password = "s3cret-of-anna"
            try farm.write("registry/users", "anna:$2y$05$EECDSYQ3TziGEp1SpUzz0OUvG74zfBVygHIctVYhDr4Y3KcnLk7wi\n")
            let settings = try farm.write(
                "registry/config.yml",
                """
                version: 0.1
                storage: {filesystem: {rootdirectory: \(farm.folder)/registry/store}}
                http: {addr: "127.0.0.1:0"}
                auth: {htpasswd: {realm: test, path: \(farm.folder)/registry/users}}
                """)
            let registry = try Running("/usr/bin/docker-registry", ["serve", settings], log: nil)
            let line = try await registry.line(with: "listening on 127.0.0.1:")
            let start = try #require(line.range(of: "listening on ")).upperBound
            let address = String(line[start...].prefix { $0 != "\"" })
            let image = address + "/team/eval:1"
            let open = try farm.write(
                "registry/registries.conf", "[[registry]]\nlocation = \"\(address)\"\ninsecure = true\n")
            let insecure = ["CONTAINERS_REGISTRIES_CONF": open]
            try await podman.push(as: image, by: "anna:" + password, insecure)
            farm.environment = podman.environment.merging(insecure) { $1 }
            func run(_ password: String, agent: String) async throws -> (Finished, evidence: String) {
                let secrets = try farm.write("\(agent).secrets", "REGISTRY=\(password)\n")
                chmod(secrets, 0o600)
                let file = try farm.write(
                    "code/w.yml",
                    """
                    on: workflow_dispatch
                    jobs:
                      a:
                        runs-on: self-hosted
                        timeout-minutes: 5
                        container:
                          image: \(image)
                          credentials: {username: anna, password: "${{ secrets.REGISTRY }}"}
                        steps:
                          - run: test ! -e /usr && echo inside
                    """)
                try await farm.startAgent(agent, cpus: 1, "--secrets", secrets)
                let run = try await farm.sheaf("submit", file, "--wait", "--tree", farm.folder + "/code")
                await farm.killAgent(agent)
                return (run, run.output + run.error)
            }
            let refused = try await run("wrong", agent: "one")
            #expect(refused.0.status == 1 && refused.evidence.contains("unauthorized"), "\(refused.evidence)")
            let passed = try await run(password, agent: "two")
            #expect(passed.0.status == 0, "\(passed.evidence)")
            for place in ["farm", "agents"] {
                let found = try await Finished.run("/bin/grep", ["-rlF", password, farm.folder + "/" + place])
                #expect(found.status == 1, "\(found.output)")
            }
            await registry.kill()
        }
    }
}
