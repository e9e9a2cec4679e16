import Foundation
import Glibc
import JSON
import Model
import Testing

/// One fault for each way in which an attempt can end, through a real coordinator and a real agent: each is named right, with
/// its evidence, and what a program comes to is never tried again by itself. What disks, lost agents, inputs, GPUs and people
/// bring about is looked at in suites of their own.
@Suite struct `A farm that names what went wrong` {
    private struct Row {
        var job: String
        /// Of the job, beside `runs-on` and `steps`.
        var keys: [String] = []
        var step: String
        var cause: String
        var code: Double?
        var evidence: [String]
    }

    private static let countsMemory = FileManager.default.fileExists(atPath: "/sys/fs/cgroup/memory") && getuid() == 0

    private static let rows: [Row] =
        [
            Row(job: "passes", step: "run: echo fine", cause: "passed", evidence: []),
            Row(
                job: "exits", step: "run: exit 3", cause: "user_exit", code: 3,
                evidence: ["step 'Run exit 3' ended with exit code 3"]),
            Row(
                job: "says-137", step: "run: exit 137", cause: "user_exit", code: 137,
                evidence: [
                    "128 + 9",
                    countsMemory ? "the kernel killed none of them for memory" : "whether for memory cannot be told",
                ]),
            Row(
                job: "mistaken", step: "{run: 'true', working-directory: nowhere}", cause: "user_error",
                evidence: ["nowhere"]),
            Row(
                job: "late", keys: ["timeout-minutes: 0.05"], step: "run: exec sleep 1000", cause: "timeout",
                evidence: ["the job's limit of 3 s was reached"]),
            Row(
                job: "late-step", step: "{run: exec sleep 1000, timeout-minutes: 0.05}", cause: "timeout",
                evidence: ["reached its limit of 3 s"]),
            Row(
                job: "silent", keys: ["idle-timeout-minutes: 0.05"], step: "run: echo epoch 3; exec sleep 1000",
                cause: "idle", evidence: ["no output for 3 s; the last line was: epoch 3"]),
            Row(
                job: "killed", step: "run: kill -SEGV $$", cause: "signal", code: 11, evidence: ["signal 11, SIGSEGV"]),
            Row(
                job: "large-for-gpu",
                step:
                    "run: 'echo \"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB\" >&2; exit 1'",
                cause: "gpu_oom", evidence: ["Tried to allocate 20 GiB"]),
            Row(
                job: "hoarder", keys: ["resources: {cpus: 1, disk: 8MiB}"],
                step: "run: head -c 30000000 /dev/zero > big; exec sleep 1000", cause: "user_error",
                evidence: ["its files took ", "and it had asked for 8 MiB (resources.disk)"]),
            Row(
                job: "hider", keys: ["resources: {cpus: 1, disk: 8MiB}"],
                step: "run: exec 3> big; rm big; head -c 30000000 /dev/zero >&3; exec sleep 1000", cause: "user_error",
                evidence: ["its files took ", "and it had asked for 8 MiB (resources.disk)"]),
            // Its agents are there, and none has the label.
            Row(
                job: "nowhere", keys: ["queue-timeout-minutes: 0.05"], step: "run: 'true'", cause: "queue_timeout",
                evidence: ["no agent took it in 3 s", "nowhere-label"]),
        ]
        + (countsMemory
            ? [
                Row(
                    job: "large", keys: ["resources: {cpus: 1, memory: 64MiB}"],
                    step: "run: exec head -c 300000000 /dev/zero | tail -c 300000000 > /dev/null", cause: "oom",
                    evidence: ["the kernel killed 1 of its processes at the attempt's limit of 64 MiB; the peak was"]),
                // It names no memory: what the farm gives then is what it is held to.
                Row(
                    job: "large-unasked",
                    step: "run: exec head -c 500000000 /dev/zero | tail -c 500000000 > /dev/null", cause: "oom",
                    evidence: ["the kernel killed 1 of its processes at the attempt's limit of 200 MiB; the peak was"]),
            ] : [])

    private static var workflow: String {
        let jobs = rows.map { row in
            let label = row.job == "nowhere" ? "[self-hosted, nowhere-label]" : "self-hosted"
            let keys = row.keys.map { "\n    \($0)" }.joined()
            return "  \(row.job):\n    runs-on: \(label)\(keys)\n    steps:\n      - \(row.step)"
        }
        return "sheaf: 1\non: workflow_dispatch\njobs:\n" + jobs.joined(separator: "\n") + "\n"
    }

    @Test(.timeLimit(.minutes(10))) func `calls each by its name, shows why, and tries no program's word again`()
        async throws
    {
        try await withFarm(coordinator: ["--default-memory", "200MiB"]) { farm in
            try await farm.startAgent("one", cpus: 4)
            let workflow = try farm.write("code/eval.yml", Self.workflow)
            let waited = try await farm.sheaf("submit", workflow, "--wait")
            #expect(waited.status == 1, "\(waited.output)\(waited.error)")
            let export = try await farm.sheaf("export", "r1")
            let lines = try export.output.split(separator: "\n").dropFirst().map { try JSONParser.value(String($0)) }
            #expect(lines.count == Self.rows.count)
            for row in Self.rows {
                let line = try #require(lines.first { $0["job"]?.string == row.job }, "\(row.job)")
                #expect(line["cause"]?.string == row.cause && line["code"]?.number == row.code, "\(row.job): \(line)")
                let attempts = row.cause == "queue_timeout" ? 0.0 : 1
                #expect(line["attempt"]?.number == attempts, "\(row.job): \(line)")
                let explained = try await farm.sheaf("explain", "r1/\(row.job)").output
                for words in row.evidence + [row.cause] {
                    #expect(explained.contains(words), "\(row.job): \(words): \(explained)")
                }
                #expect(!explained.contains("attempt 2"), "\(row.job): \(explained)")
            }
        }
    }

    /// The agent's own: its folder cannot be used. That is tried again, here when somebody has mended it.
    @Test(.timeLimit(.minutes(10))) func `calls what its agent cannot do the agent's fault, and tries it again`()
        async throws
    {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 1)
            let attempts = farm.folder + "/agents/one/work/attempts"
            try FileManager.default.moveItem(atPath: attempts, toPath: attempts + ".away")
            try farm.write("agents/one/work/attempts", "not a folder")
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    retry: {attempts: 10, on: [infrastructure], backoff: 1s..1s}
                    steps: [{run: echo fine}]
                """)
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            _ = try await farm.agents["one"]?.line(with: "#1 ended: agent_fault")
            try FileManager.default.removeItem(atPath: attempts)
            try FileManager.default.moveItem(atPath: attempts + ".away", toPath: attempts)
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let explained = try await farm.sheaf("explain", "r1").output
            #expect(explained.contains("agent_fault") && explained.contains("work/attempts"), "\(explained)")
        }
    }
}
