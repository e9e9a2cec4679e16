import Foundation
import Glibc
import JSON
import Model
import Testing

/// Apptainer as an agent finds it on its PATH, with an image of busybox alone in a folder of the owner's.
private struct OwnApptainer {
    static let image = "localhost/busybox:1"
    let folder: String
    var images: String { folder + "/images" }

    /// `nil` where there is none, or none that can make an image and start an instance of it.
    static let shared: OwnApptainer? = {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-e2e-apptainer-\(getpid())").path
        let script = """
            set -e
            mkdir -p "$1/root/bin" "$1/root/tmp" "$1/root/proc" "$1/root/sys" "$1/root/dev" "$1/root/etc" "$1/images/localhost"
            cp /bin/busybox "$1/root/bin/"
            for name in sh cat echo sleep ls test true setsid head tail touch id grep mknod; do ln -sf busybox "$1/root/bin/$name"; done
            export APPTAINER_DROP_CAPS=CAP_SYS_RESOURCE
            apptainer --silent build --sandbox "$1/images/localhost/busybox:1" "$1/root"
            apptainer --silent exec --containall "$1/images/localhost/busybox:1" /bin/true
            """
        let made = Process()
        made.executableURL = URL(filePath: "/bin/sh")
        made.arguments = ["-c", script, "sh", folder]
        made.standardOutput = FileHandle.nullDevice
        made.standardError = FileHandle.nullDevice
        guard (try? made.run()) != nil else { return nil }
        made.waitUntilExit()
        return made.terminationStatus == 0 ? OwnApptainer(folder: folder) : nil
    }()

    /// The instances of all agents of this user.
    func instances() async throws -> String {
        let answer = try await Finished.run(
            "/bin/sh", ["-c", "apptainer instance list"])
        return answer.output.split(separator: "\n").dropFirst().joined(separator: "\n")
    }
}

@Suite(.enabled(if: OwnApptainer.shared != nil), .serialized) struct `A job with a container of apptainer's` {
    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          passes:
            runs-on: self-hosted
            timeout-minutes: 5
            container: {image: IMAGE, env: {WHO: "wo'rld"}, volumes: [/scratch, './data:/a, "b"']}
            outputs: {said: "${{ steps.say.outputs.said }}"}
            steps:
              - id: say
                env: {ODD: 'a "b" $(id) `id` \\ $HOME', 'NOT-A-NAME': x}
                run: |
                  test -x /bin/busybox; touch /scratch/x '/a, "b"/y' /changed
                  echo "said=$WHO" >> $GITHUB_OUTPUT; echo "odd: $ODD"; test "$HOME" != /root
              - run: test -e /changed -a -e data/y; echo hello "${{ steps.say.outputs.said }}"
              - run: if mknod /node c 1 3; then exit 9; fi
              - run: test -z "$ODD"
          large:
            runs-on: self-hosted
            timeout-minutes: 5
            resources: {memory: 64MiB}
            container: IMAGE
            steps: [{run: head -c 600000000 /dev/zero | tail -c 600000000 > /dev/null}]
          late:
            runs-on: self-hosted
            timeout-minutes: 0.05
            container: IMAGE
            steps: [{run: setsid sleep 1000 & sleep 1000}]
          step:
            runs-on: self-hosted
            timeout-minutes: 5
            container: IMAGE
            steps:
              - {run: setsid sleep 1000 & sleep 1000, timeout-minutes: 0.02, continue-on-error: true}
              - {run: exit 7}
          nowhere:
            runs-on: self-hosted
            timeout-minutes: 5
            container: 127.0.0.1:9/nothing
            steps: [{run: 'true'}]
        """.replacing("IMAGE", with: OwnApptainer.image)

    @Test(.timeLimit(.minutes(10))) func `comes to what it comes to anywhere`() async throws {
        let apptainer = try #require(OwnApptainer.shared)
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow)
            try await farm.startAgent(
                "one", cpus: 4, "--containers", "apptainer", "--container-images", apptainer.images)
            let done = try await farm.sheaf("submit", file, "--wait", "--tree", farm.folder + "/code")
            #expect(done.status == 1, "\(done.output)\(done.error)")
            let lines = try await farm.sheaf("export", "r1").output.split(separator: "\n").dropFirst()
            let shards = try lines.map { try JSONParser.value(String($0)) }
            let causes = Dictionary(
                shards.map { ($0["job"]?.string ?? "", $0["cause"]?.string ?? "") },
                uniquingKeysWith: { first, _ in first })
            let log = try await farm.sheaf("logs", "r1/passes").output
            #expect(
                causes == [
                    "passes": "passed", "large": "oom", "late": "timeout", "step": "user_exit",
                    "nowhere": "data_unavailable",
                ], "\(log)")
            #expect(log.contains("hello wo'rld") && log.contains(#"odd: a "b" $(id) `id` \ $HOME"#), "\(log)")
            let step = try await farm.sheaf("explain", "r1/step").output
            #expect(step.contains("exit code 7"), "\(step)")
            #expect(try await apptainer.instances() == "")
        }
    }

    @Test(.timeLimit(.minutes(10))) func `leaves nothing when its agent is killed`() async throws {
        let apptainer = try #require(OwnApptainer.shared)
        try await withFarm { farm in
            let mark = "1000.\(UInt32.random(in: 100_000...999_999))"
            let file = try farm.write(
                "code/w.yml",
                """
                on: workflow_dispatch
                jobs:
                  a:
                    runs-on: self-hosted
                    timeout-minutes: 5
                    container: \(OwnApptainer.image)
                    steps: [{run: setsid sleep \(mark) & sleep \(mark)}]
                """)
            try await farm.startAgent(
                "one", cpus: 1, "--containers", "apptainer", "--container-images", apptainer.images)
            let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code")
            #expect(run.status == 0, "\(run.error)")
            while living("sleep\0\(mark)").count < 2 { try await Task.sleep(for: .milliseconds(20)) }
            await farm.killAgent("one")
            while !living("sleep\0\(mark)").isEmpty { try await Task.sleep(for: .milliseconds(20)) }
            while try await apptainer.instances() != "" {}
        }
    }

    @Test(.timeLimit(.minutes(10))) func `that has docker's options waits for an engine that knows them`() async throws
    {
        let apptainer = try #require(OwnApptainer.shared)
        try await withFarm { farm in
            let file = try farm.write(
                "code/w.yml",
                """
                on: workflow_dispatch
                jobs:
                  a:
                    runs-on: self-hosted
                    container: {image: \(OwnApptainer.image), options: --init}
                    steps: [{run: 'true'}]
                """)
            try await farm.startAgent(
                "one", cpus: 1, "--containers", "apptainer", "--container-images", apptainer.images)
            let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code")
            #expect(run.status == 0, "\(run.error)")
            let words = try await farm.sheaf("explain", "r1").output
            #expect(words.contains("no agent has label container-options"), "\(words)")
            _ = try await farm.sheaf("cancel", "r1")
        }
    }
}
