import Foundation
import Glibc
import JSON
import Model
import Testing

/// Docker as an agent finds it: a daemon in a network of its own, with an image of busybox alone.
private struct OwnDocker {
    static let image = "localhost/sheaf-e2e-busybox"
    let folder: String
    /// As long as it is open, the daemon runs.
    private let life: Pipe

    /// `nil` where no daemon can be started.
    static let shared: OwnDocker? = {
        let files = ["/usr/sbin/dockerd", "/usr/bin/docker", "/bin/busybox"]
        guard geteuid() == 0, files.allSatisfy(FileManager.default.isExecutableFile(atPath:)) else { return nil }
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-e2e-docker-\(getpid())").path
        let (holder, input, output) = (Process(), Pipe(), Pipe())
        // Its output says when it listens; it ends with this process, whose end closes its input.
        let script = """
            set -e
            ip link set lo up
            mkdir -p "$1/image/bin" "$1/image/tmp"
            cd "$1"
            dockerd --host "unix://$1/socket" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \\
                --storage-driver vfs --iptables=false --ip6tables=false --bridge none >"$1/log" 2>&1 </dev/null &
            daemon=$!
            trap 'kill $daemon; wait $daemon; rm -rf "$1"' EXIT
            until docker --host "unix://$1/socket" version >/dev/null 2>&1; do kill -0 $daemon; done
            cp /bin/busybox image/bin/
            for name in sh cat echo sleep ls test true setsid head tail; do ln -sf busybox image/bin/$name; done
            tar -C image -c . | docker --host "unix://$1/socket" import --change 'ENV PATH=/bin' - \(image) >/dev/null
            docker --host "unix://$1/socket" run --rm --network=host \(image) /bin/true >/dev/null
            echo ready
            exec 1>&-
            cat >/dev/null
            """
        holder.executableURL = URL(filePath: "/usr/bin/unshare")
        holder.arguments = ["--net", "--mount", "sh", "-c", script, "sh", folder]
        (holder.standardInput, holder.standardOutput) = (input, output)
        holder.standardError = FileHandle.nullDevice
        guard (try? holder.run()) != nil else { return nil }
        guard let said = try? output.fileHandleForReading.readToEnd() else { return nil }
        return String(decoding: said, as: UTF8.self) == "ready\n" ? OwnDocker(folder: folder, life: input) : nil
    }()

    var environment: [String: String] {
        ["PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "DOCKER_HOST": "unix://\(folder)/socket"]
    }

    func list(_ arguments: String...) async throws -> String {
        let answer = try await Finished.run("/usr/bin/docker", arguments, environment: environment)
        guard answer.status == 0 else { throw Failure("docker \(arguments): \(answer.status) \(answer.error)") }
        return answer.output
    }
}

@Suite(.enabled(if: OwnDocker.shared != nil)) struct `A job with a container of docker's` {
    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          passes:
            runs-on: self-hosted
            timeout-minutes: 5
            container: {image: IMAGE, env: {WHO: world}, volumes: [/scratch]}
            outputs: {said: "${{ steps.say.outputs.said }}"}
            steps:
              - {id: say, run: 'test ! -e /usr && test -d /scratch && echo said=$WHO >> $GITHUB_OUTPUT'}
              - run: echo hello ${{ steps.say.outputs.said }}
          serves:
            runs-on: self-hosted
            timeout-minutes: 5
            container: IMAGE
            services:
              db: {image: IMAGE, ports: [80], command: sleep 1000}
            steps: [{run: 'test "${{ job.services.db.ports[80] }}" = 80'}]
          large:
            runs-on: self-hosted
            timeout-minutes: 5
            resources: {memory: 64MiB}
            container: IMAGE
            steps: [{run: head -c 300000000 /dev/zero | tail -c 300000000 > /dev/null}]
          late:
            runs-on: self-hosted
            timeout-minutes: 0.05
            container: IMAGE
            steps: [{run: setsid sleep 1000 & sleep 1000}]
          nowhere:
            runs-on: self-hosted
            timeout-minutes: 5
            container: 127.0.0.1:9/nothing
            steps: [{run: 'true'}]
        """.replacing("IMAGE", with: OwnDocker.image)

    @Test(.timeLimit(.minutes(10))) func `comes to what it comes to anywhere`() async throws {
        let docker = try #require(OwnDocker.shared)
        try await withFarm { farm in
            farm.environment = docker.environment
            let file = try farm.write("code/w.yml", Self.workflow)
            try await farm.startAgent("one", cpus: 4, "--containers", "docker")
            let done = try await farm.sheaf("submit", file, "--wait", "--tree", farm.folder + "/code")
            #expect(done.status == 1, "\(done.output)\(done.error)")
            let lines = try await farm.sheaf("export", "r1").output.split(separator: "\n").dropFirst()
            let shards = try lines.map { try JSONParser.value(String($0)) }
            let causes = Dictionary(
                shards.map { ($0["job"]?.string ?? "", $0["cause"]?.string ?? "") },
                uniquingKeysWith: { first, _ in first })
            let limitsMemory = try await docker.list("info", "--format={{.MemoryLimit}}") == "true\n"
            #expect(
                causes == [
                    "passes": "passed", "serves": "passed", "large": limitsMemory ? "oom" : "passed", "late": "timeout",
                    "nowhere": "data_unavailable",
                ])
            #expect(try await farm.sheaf("logs", "r1/passes").output.contains("hello world"))
            // A daemon's containers live in groups of their own: what is counted there is what counts.
            let large = try await farm.sheaf("explain", "r1/large").output
            #expect(
                !limitsMemory || large.contains("at the attempt's limit of 64 MiB; the peak was 64 MiB"), "\(large)")
            let nowhere = try await farm.sheaf("explain", "r1/nowhere").output
            #expect(nowhere.contains("does not start: docker: Error response from daemon"), "\(nowhere)")
            #expect(try await docker.list("ps", "--all", "--quiet").isEmpty)
            #expect(try await docker.list("network", "ls", "--quiet", "--filter=label=sheaf.agent").isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(10))) func `leaves nothing when its agent is killed`() async throws {
        let docker = try #require(OwnDocker.shared)
        try await withFarm { farm in
            farm.environment = docker.environment
            let mark = "1000.\(UInt32.random(in: 100_000...999_999))"
            let file = try farm.write(
                "code/w.yml",
                """
                on: workflow_dispatch
                jobs:
                  a:
                    runs-on: self-hosted
                    timeout-minutes: 5
                    container: \(OwnDocker.image)
                    services:
                      db: {image: \(OwnDocker.image), command: "sleep \(mark)"}
                    steps: [{run: setsid sleep \(mark) & sleep \(mark)}]
                """)
            try await farm.startAgent("one", cpus: 1, "--containers", "docker")
            let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code")
            #expect(run.status == 0, "\(run.error)")
            while sleepers(mark) < 3 { try await Task.sleep(for: .milliseconds(20)) }
            await farm.killAgent("one")
            while !living("sleep\0\(mark)").isEmpty { try await Task.sleep(for: .milliseconds(20)) }
            while try await !docker.list("ps", "--all", "--quiet", "--filter=label=sheaf.agent").isEmpty {}
            while try await !docker.list("network", "ls", "--quiet", "--filter=label=sheaf.agent").isEmpty {}
        }
    }
}
