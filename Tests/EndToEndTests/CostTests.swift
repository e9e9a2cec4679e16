import Foundation
import Glibc
import Testing

/// What one shard costs, in counts that do not depend on the machine: processes, files, syncs, calls of the kernel's. Bounds are
/// what the code needs here today and not quite half as much again, for what differs between machines: folders on `PATH`, cgroups, how
/// many reports one sync takes. A shard that founds a chamber of its own is beyond most of them.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/strace"), "strace counts the calls"))
struct `What a shard costs` {
    private static let shards = 100

    /// How often each call was made by a process and its children while `body` ran, for each shard. Ends the processes.
    private static func counted(
        _ processes: [String: Int32], _ body: () async throws -> Void
    ) async throws
        -> [String: [String: Double]]
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-cost-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var counters: [String: Running] = [:]
        for (name, pid) in processes {
            let counter = try Running(
                "/usr/bin/strace", ["-f", "-c", "-o", folder + "/" + name, "-p", "\(pid)"], log: nil)
            counters[name] = counter
            _ = try await counter.line(with: "attached")
        }
        try await body()
        // It tells what it has counted when nobody is left.
        for pid in processes.values { kill(pid, SIGKILL) }
        for counter in counters.values { #expect(await counter.end() != -1) }
        var counts: [String: [String: Double]] = [:]
        for name in processes.keys {
            // `% time  seconds  usecs/call  calls  [errors]  syscall`
            for line in try String(contentsOfFile: folder + "/" + name, encoding: .utf8).split(separator: "\n") {
                let fields = line.split(separator: " ")
                guard fields.count >= 5, let calls = Double(fields[3]), let call = fields.last else { continue }
                counts[name, default: [:]][String(call)] = calls / Double(shards)
            }
        }
        return counts
    }

    @Test(.enabled(if: geteuid() == 0, "chambers need root"), .timeLimit(.minutes(10)))
    func `is no more than it was`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 2, as: .oneForEachAttempt)
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    shards: \(Self.shards)
                    steps: [{run: 'true'}]
                """)
            let pids = ["agent": farm.agents["one"]?.pid, "coordinator": farm.coordinator?.pid].compactMapValues { $0 }
            let counts = try await Self.counted(pids) {
                let waited = try await farm.sheaf("submit", workflow, "--wait")
                #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            }
            func sum(_ process: String, _ calls: [String]) -> Double {
                calls.reduce(0) { $0 + (counts[process]?[$1] ?? 0) }
            }
            // How often somebody waits and is woken is the machine's business.
            let waits = ["total", "futex", "epoll_wait", "poll", "rt_sigsuspend", "wait4", "restart_syscall"]
            let syncs = ["fsync", "fdatasync", "sync_file_range"]
            let bounds: [(what: String, count: Double, most: Double)] = [
                ("programs executed by the agent", sum("agent", ["execve"]), 1.5),
                ("processes and threads begun by the agent", sum("agent", ["clone", "clone3", "vfork", "fork"]), 3.9),
                ("mounts", sum("agent", ["mount"]), 1),
                ("folders made", sum("agent", ["mkdir", "mkdirat"]), 2),
                ("names removed", sum("agent", ["unlink", "unlinkat", "rmdir"]), 15),
                ("files opened by the agent", sum("agent", ["open", "openat", "creat"]), 130),
                ("syncs by the agent", sum("agent", syncs), 1),
                ("syncs by the coordinator", sum("coordinator", syncs), 4.5),
                (
                    "calls of the kernel's by the agent, without waits",
                    (counts["agent"] ?? [:]).filter { !waits.contains($0.key) }.values.reduce(0, +), 950
                ),
            ]
            for bound in bounds { #expect(bound.count <= bound.most, "\(bound.what): \(bound.count) for each shard") }
            // A count of nothing would hold every bound.
            #expect(sum("agent", ["execve"]) >= 1 && sum("coordinator", syncs) > 0)
        }
    }
}
