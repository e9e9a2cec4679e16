import Foundation
import Glibc
import JSON
import Model
import Testing

/// What the machines do to a farm: two coordinators on one state, disks that fill up while work is under way.
@Suite struct `A farm on bad machines` {
    @Test func `has one coordinator: a second one is told who the first is`() async throws {
        try await withFarm { farm in
            let first = try #require(farm.coordinator?.pid)
            let second = try await farm.sheaf(
                "coordinator", "--state", farm.folder + "/farm", "--listen", "127.0.0.1:0", "--enrol", "127.0.0.1:0")
            #expect(second.status == 3, "\(second.output)")
            #expect(
                second.error.contains("farm/store.lock: another coordinator (pid \(first)) has this store open"),
                "\(second.error)")
            #expect(second.error.contains("--state"), "\(second.error)")
            // The first has not noticed, and goes on when nobody is in its way.
            #expect(try await farm.sheaf("status").status == 0)
        }
    }

    /// The lines of an export, without its header.
    private static func settled(_ farm: RealFarm) async throws -> [Value] {
        let export = try await farm.sheaf("export", "r1")
        #expect(export.status == 0, "\(export.error)")
        return try export.output.split(separator: "\n").dropFirst().map { try JSONParser.value(String($0)) }
    }

    private static func expectAllPassed(_ farm: RealFarm, shards: Int) async throws {
        let lines = try await settled(farm)
        let places = lines.map { "\($0["cell_id"]?.string ?? "?")/\(Int($0["shard"]?.number ?? -1))" }
        #expect(Set(places).count == shards && places.count == shards, "\(places)")
        #expect(lines.allSatisfy { $0["cause"]?.string == "passed" }, "\(lines)")
        // Nothing was tried again: what agents had to say waited, and counts.
        #expect(lines.allSatisfy { $0["attempt"]?.number == 1 }, "\(lines)")
        let explained = try await farm.sheaf("explain", "r1").output
        #expect(!explained.contains("lost_agent") && !explained.contains("trying again"), "\(explained)")
    }

    @Test(
        .enabled(if: SmallDisk.isAllowed, "a small file system cannot be mounted here; that needs root"),
        arguments: [false, true])
    func `acknowledges nothing while the coordinator's disk is full, and goes on afterwards`(
        killing: Bool
    ) async throws {
        let farm = try RealFarm(lease: 30)
        let disk = try SmallDisk(at: farm.folder + "/farm", mebibytes: 48)
        defer { disk.unmount() }
        do {
            try await farm.startCoordinator()
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            // Nothing but reports is to be stored: what attempts leave behind would wait for the disk of the objects.
            let workflow = try farm.write(
                "code/eval.yml", `A farm that is killed`.workflow(shards: 2, measuring: false))
            let submitted = try await farm.sheaf("submit", workflow)
            #expect(submitted.status == 0, "\(submitted.error)")
            #expect(await gate.started(2).count == 2)

            try disk.fill()
            gate.open()
            // Both shards have passed, and there is no room for saying so.
            try await farm.coordinator?.complaint(with: "store.sqlite: the disk is full; free some space")
            #expect(try await Self.settled(farm).isEmpty)
            let watched = try await farm.sheaf("status", "r1", "--format", "json")
            #expect(try JSONParser.value(watched.output)["state"]?.string == "running", "\(watched.output)")
            // A new run needs room for its code: the error says what is full, and no run is promised.
            try farm.write("code/more.txt", "a change, so that the code is not there yet")
            let refused = try await farm.sheaf("submit", workflow)
            #expect(refused.status == 3, "\(refused.output)\(refused.error)")
            #expect(
                refused.error.contains("full") && !refused.output.contains("r2"), "\(refused.output)\(refused.error)")

            if killing {
                await farm.killCoordinator()
                try disk.free()
                try await farm.startCoordinator()
            } else {
                try disk.free()
                try await farm.coordinator?.complaint(with: "the store has room again and goes on")
            }
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            try await Self.expectAllPassed(farm, shards: 4)
            // Each shard began once: a number may be given again, a step that has run cannot be taken back.
            gate.close()
            let begun = await gate.started(.max)
            #expect(begun.count == 2 && Set(begun).count == 2, "\(begun)")
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }
}

extension `A farm on bad machines` {
    /// It cannot note that it has started, so it does not listen yet.
    @Test(.enabled(if: SmallDisk.isAllowed, "a small file system cannot be mounted here; that needs root"))
    func `whose disk is full when its coordinator starts is told so, and may stop it`() async throws {
        let farm = try RealFarm()
        let disk = try SmallDisk(at: farm.folder + "/farm", mebibytes: 48)
        defer { disk.unmount() }
        do {
            try await farm.startCoordinator()
            await farm.killCoordinator()
            try disk.fill()
            let waiting = try Running(
                RealFarm.sheaf,
                [
                    "coordinator", "--state", farm.folder + "/farm", "--listen", "127.0.0.1:0", "--enrol",
                    "127.0.0.1:0",
                ], log: farm.folder + "/waiting.log")
            try await waiting.complaint(with: "the coordinator waits, and acknowledges nothing until then")
            waiting.signal(SIGTERM)
            _ = try await waiting.line(with: "stopping: SIGTERM")
            #expect(await waiting.end() == 0)
            #expect(!waiting.seen.contains { $0.contains("listening at") }, "\(waiting.seen)")
            try disk.free()
            try await farm.startCoordinator()
            #expect(try await farm.sheaf("status").status == 0)
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }
}

/// Disks that fill up where nobody looks: below the objects, below an agent's work.
@Suite(.enabled(if: SmallDisk.isAllowed, "a small file system cannot be mounted here; that needs root"))
struct `A farm with a full disk` {
    private static func expect(_ farm: RealFarm, _ text: String, in command: String...) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(90))
        var last = ""
        while ContinuousClock.now < deadline {
            last = try await farm.sheaf(command).output
            if last.contains(text) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Failure("'\(command.joined(separator: " "))' never said '\(text)': \(last)")
    }

    /// The store has room, so everything goes on but what attempts want to leave behind.
    @Test func `below its objects lets attempts wait, and says so`() async throws {
        let farm = try RealFarm(lease: 30)
        try FileManager.default.createDirectory(atPath: farm.folder + "/farm", withIntermediateDirectories: true)
        let disk = try SmallDisk(at: farm.folder + "/farm/objects", mebibytes: 48)
        defer { disk.unmount() }
        do {
            try await farm.startCoordinator()
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            try disk.fill()
            gate.open()
            try await Self.expect(farm, "attempt 1 waits for the farm's disk, which is full", in: "explain", "r1")
            try await farm.coordinator?.complaint(with: "the disk of the objects is full")
            // Its agent works on, and nobody has lost an attempt.
            #expect(try await farm.sheaf("status", "r1", "--format", "json").output.contains("running"))
            try disk.free()
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let export = try await farm.sheaf("export", "r1").output.split(separator: "\n").dropFirst()
            let lines = try export.map { try JSONParser.value(String($0)) }
            #expect(lines.count == 2 && lines.allSatisfy { $0["attempt"]?.number == 1 }, "\(lines)")
            #expect(lines.allSatisfy { $0["cause"]?.string == "passed" }, "\(lines)")
            gate.close()
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }

    /// A disk that failed is often mounted read-only by the machine: the store may lie on another one.
    @Test func `below its objects that cannot be written any more lets attempts wait, and says so`() async throws {
        let farm = try RealFarm(lease: 30)
        try FileManager.default.createDirectory(atPath: farm.folder + "/farm", withIntermediateDirectories: true)
        let disk = try SmallDisk(at: farm.folder + "/farm/objects", mebibytes: 48)
        defer { disk.unmount() }
        do {
            try await farm.startCoordinator()
            let gate = try Gate(farm.folder + "/gate")
            try await farm.startAgent(
                "one", cpus: 2, "--pass-env", "FARM_GATE", environment: ["FARM_GATE": gate.folder])
            let workflow = try farm.write("code/eval.yml", `A farm that is killed`.workflow(shards: 1))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            try disk.remount(readOnly: true)
            gate.open()
            try await Self.expect(
                farm, "attempt 1 waits for the farm's disk, which cannot be written", in: "explain", "r1")
            try await farm.coordinator?.complaint(with: "the disk of the objects cannot be written")
            try await farm.coordinator?.complaint(with: "Read-only file system")
            try farm.write("code/more.txt", "a change, so that the code is not there yet")
            let refused = try await farm.sheaf("submit", workflow)
            #expect(refused.status == 3 && refused.error.contains("Read-only file system"), "\(refused.error)")
            try disk.remount(readOnly: false)
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let export = try await farm.sheaf("export", "r1").output.split(separator: "\n").dropFirst()
            let lines = try export.map { try JSONParser.value(String($0)) }
            #expect(lines.count == 2 && lines.allSatisfy { $0["attempt"]?.number == 1 }, "\(lines)")
            gate.close()
            #expect(await gate.started(.max).isEmpty)
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }

    /// What fills an agent's disk is not the job's fault: it is tried on another agent.
    @Test func `on an agent tries the shard elsewhere, and gives that agent nothing until it has room`() async throws {
        let farm = try RealFarm(lease: 30)
        let work = farm.folder + "/agents/small/work"
        let disk = try SmallDisk(at: work, mebibytes: 64)
        defer { disk.unmount() }
        do {
            try await farm.startCoordinator()
            try await farm.startAgent("small", cpus: 1, "--disk-free", "24MiB")
            let workflow = try farm.write(
                "code/eval.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    retry: {attempts: 5, on: [infrastructure], backoff: 1s..1s}
                    steps:
                      - run: head -c 100000000 /dev/zero > large
                """)
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            try await Self.expect(farm, "disk_full", in: "explain", "r1")
            try await farm.startAgent("large", cpus: 1, "--disk-free", "24MiB")
            let waited = try await farm.sheaf("watch", "r1")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")

            // Too little is free: it declines, and says why.
            try disk.fill()
            await farm.killAgent("large")
            let quick = try farm.write(
                "code/quick.yml",
                """
                sheaf: 1
                on: workflow_dispatch
                jobs:
                  eval:
                    runs-on: self-hosted
                    steps: [{run: "true"}]
                """)
            #expect(try await farm.sheaf("submit", quick).status == 0)
            try await Self.expect(farm, "24 MiB must stay free", in: "explain", "r2")
            try disk.free()
            let second = try await farm.sheaf("watch", "r2")
            #expect(second.status == 0, "\(second.output)\(second.error)")
        } catch {
            await farm.end()
            throw error
        }
        await farm.end()
    }
}

/// A file system of its own, in memory, small enough to be filled.
private final class SmallDisk: Sendable {
    let path: String

    static let isAllowed: Bool = {
        let place = FileManager.default.temporaryDirectory.appending(path: "sheaf-mount-\(UUID().uuidString)").path
        guard getuid() == 0, let disk = try? SmallDisk(at: place, mebibytes: 1) else { return false }
        disk.unmount()
        rmdir(place)
        return true
    }()

    init(at path: String, mebibytes: Int) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m,mode=0755") == 0 else {
            throw Failure("no file system can be mounted at \(path): errno \(errno)")
        }
    }

    func unmount() { umount2(path, CInt(MNT_DETACH)) }

    /// Leaves no page free.
    func fill() throws {
        let file = Glibc.open(path + "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Failure("no filler in \(path): errno \(errno)") }
        let block = [UInt8](repeating: 1, count: 64 << 10)
        for size in [64 << 10, 4 << 10] { while write(file, block, size) > 0 {} }
        #expect(errno == ENOSPC)
        close(file)
    }

    func free() throws { try FileManager.default.removeItem(atPath: path + "/filler") }

    func remount(readOnly: Bool) throws {
        let flags = UInt(MS_REMOUNT) | (readOnly ? UInt(MS_RDONLY) : 0)
        guard mount("tmpfs", path, "tmpfs", flags, "") == 0 else { throw Failure("\(path) stays: errno \(errno)") }
    }
}

extension Running {
    /// Waits until the process has complained with a text on its standard error.
    func complaint(with text: String, within limit: Duration = .seconds(90)) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while ContinuousClock.now < deadline {
            let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            if said.contains(text) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        throw Failure("nobody said '\(text)' within \(limit): \(said.suffix(2000))")
    }
}
