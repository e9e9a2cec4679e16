import Glibc
import Testing

@testable import AgentService

/// An agent's folders in the cgroup trees do not outlive it for long.
@Suite(.enabled(if: Workshop.cgroups.isUsable)) struct `An agent's cgroups` {
    private static func name() -> String { "roots-\(getpid())-\(UInt32.random(in: 0...UInt32.max))" }

    @Test func `go with it`() throws {
        let cgroups = Cgroups(name: Self.name())
        let folders = cgroups.folders
        #expect(!folders.isEmpty && folders.allSatisfy(Files.isFolder))
        let groups = Groups(in: cgroups, name: "1", limits: .init(), areKilled: true)
        groups.remove()
        cgroups.remove()
        #expect(!folders.contains(where: Files.exists))
    }

    @Test func `are removed by the next agent when theirs was killed, and by nobody while it lives`() throws {
        let alive = Cgroups(name: Self.name())
        // As a killed one leaves them: held by nobody, with the groups of its attempts.
        let left = alive.folders.map { $0 + "-dead" }
        for folder in left { try #require(mkdir(folder, 0o711) == 0 && mkdir(folder + "/1-abc", 0o755) == 0) }
        let busy = try #require(alive.folders.first) + "-busy"
        let process = try Births.spawn(
            Program(path: "/bin/sleep", arguments: ["sleep", "1000"], environment: []), input: 0, output: 1, error: 2)
        defer {
            kill(process.pid, SIGKILL)
            while Births.collect(process.pid, process.pidfd) == nil {}
            close(process.pidfd)
            Groups.remove(busy)
        }
        // Agents of other tests sweep the same trees: one may take the empty folder away before somebody lives in it.
        let livesThere = (0..<1000).contains { _ in
            mkdir(busy, 0o711)
            return Cgroups.set("\(process.pid)", in: busy + "/cgroup.procs")
        }
        try #require(livesThere)

        let next = Cgroups(name: Self.name())
        next.sweep()
        #expect(!left.contains(where: Files.exists))
        #expect(alive.folders.allSatisfy(Files.isFolder) && next.folders.allSatisfy(Files.isFolder))
        // Somebody lives there: it is not ours to end.
        #expect(Files.isFolder(busy))
    }

    @Test func `are its own again after it was killed`() throws {
        let name = Self.name()
        let folders = Cgroups(name: name).folders.map { path in
            mkdir(path, 0o711)
            return path
        }
        let again = Cgroups(name: name)
        #expect(again.folders == folders && folders.allSatisfy(Files.isFolder))
    }
}
