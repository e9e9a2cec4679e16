import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite struct `What an attempt takes of the disk` {
    private let start = Instant(nanoseconds: 1_000_000_000_000)
    private func at(_ seconds: Int64) -> Instant { start.advanced(by: .seconds(seconds)) }

    @Test func `is counted where the disk has lost as much as it may still take, and now and then`() {
        var use = DiskUse(limit: .gibibytes(2), free: .gibibytes(100), at: start)
        #expect(!use.isCountDue(free: .gibibytes(98), at: at(1)))
        #expect(use.isCountDue(free: .gibibytes(97), at: at(1)))
        #expect(use.isCountDue(free: .gibibytes(100), at: at(30)))
        // Somebody else's: what is left of the limit counts from here.
        let isExcess1 = use.counted(.gibibytes(1), free: .gibibytes(97), from: at(2), to: at(2))
        #expect(!isExcess1)
        #expect(!use.isCountDue(free: .gibibytes(96), at: at(3)))
        #expect(use.isCountDue(free: .gibibytes(95), at: at(3)))
        #expect(use.isCountDue(free: .gibibytes(97), at: at(32)))
        let isExcess2 = use.counted(.gibibytes(3), free: .gibibytes(95), from: at(33), to: at(33))
        #expect(isExcess2)
        // It is being stopped: so much more is too much again.
        #expect(use.limit == .mebibytes(3584))
        let isExcess3 = use.counted(.mebibytes(3584), free: .gibibytes(94), from: at(34), to: at(34))
        #expect(!isExcess3)
        let isExcess4 = use.counted(.gibibytes(4), free: .gibibytes(94), from: at(35), to: at(35))
        #expect(isExcess4)
    }

    @Test func `is not counted all the time where there is much to count`() {
        var use = DiskUse(limit: .gibibytes(2), free: .gibibytes(100), at: start)
        let isExcess5 = use.counted(.gibibytes(1), free: .gibibytes(97), from: at(0), to: at(10))
        #expect(!isExcess5)
        #expect(!use.isCountDue(free: .gibibytes(1), at: at(209)))
        #expect(use.isCountDue(free: .gibibytes(97), at: at(210)))
    }

    @Test func `is what its files take, each once, and nothing that links lead to`() throws {
        let path = try folder()
        defer { Files.removeTree(path) }
        let block = [UInt8](repeating: 7, count: 1 << 20)
        try Files.makeFolder(path + "/a/b")
        try Files.write(block, to: path + "/a/b/one")
        let one = TreeSize(of: path).bytes
        #expect(one >= 1 << 20 && one < 2 << 20)
        try #require(link(path + "/a/b/one", path + "/a/two") == 0)
        try #require(symlink("/usr", path + "/a/usr") == 0)
        try #require(truncateNew(path + "/sparse", 1 << 40) == 0)
        #expect(TreeSize(of: path).bytes < one + 64 << 10)
        #expect(TreeSize(of: path, entriesMax: 2).isPartial)
        #expect(!TreeSize(of: path).isPartial)
        #expect(TreeSize(of: path + "/none").bytes == 0)
    }

    @Test func `is also what is open and has no name any more`() throws {
        let path = try folder()
        defer { Files.removeTree(path) }
        try Files.write([UInt8](repeating: 7, count: 1 << 20), to: path + "/one")
        // In a process of its own: this one's other tests have files open, too.
        let (holder, input, output) = (Process(), Pipe(), Pipe())
        holder.executableURL = URL(filePath: "/bin/sh")
        holder.arguments = ["-c", #"exec 3<"$1" 4<"$1"; echo; read x; rm "$1"; echo; read x"#, "sh", path + "/one"]
        (holder.standardInput, holder.standardOutput) = (input, output)
        try holder.run()
        try #require(output.fileHandleForReading.availableData.count == 1)
        let size = {
            var size = TreeSize(of: path)
            let named = size.bytes
            size.addUnlinked(openIn: [holder.processIdentifier, 1 << 22])
            return (named: named, held: size.bytes)
        }
        let before = size()
        #expect(before.named >= 1 << 20 && before.named < 2 << 20 && before.held == before.named)
        try input.fileHandleForWriting.write(contentsOf: Data("\n".utf8))
        try #require(output.fileHandleForReading.availableData.count == 1)
        let after = size()
        #expect(after.named < 1 << 20 && after.held == before.named)
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        #expect(size().held == after.named)
    }

    @Test func `cannot be hidden in folders without end`() throws {
        let path = try folder()
        defer { Files.removeTree(path) }
        var folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for _ in 0...TreeSize.depthMax {
            try #require(mkdirat(folder, "d", 0o755) == 0)
            let next = openat(folder, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(folder)
            folder = next
        }
        close(folder)
        let size = TreeSize(of: path)
        #expect(size.isTooDeep && size.isPartial)
    }

    private func folder() throws -> String {
        var template = Array("/tmp/sheaf-size-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func truncateNew(_ path: String, _ size: Int) throws -> CInt {
        try Files.write([], to: path)
        return truncate(path, size)
    }

    @Test(.timeLimit(.minutes(10)))
    func `ends it where that is more than it asked for, and its last steps still run`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("head -c 30000000 /dev/zero > big; exec sleep 1000"),
            run("rm big; echo cleared", if: "always()"),
        ]) { $0.disk = .mebibytes(8) }
        #expect(ended.report.cause == "user_error", "\(ended.report.evidence)")
        let evidence = ended.report.evidence
        #expect(
            evidence.contains("its files took 2") && evidence.contains("asked for 8 MiB (resources.disk)"),
            "\(evidence)")
        #expect(ended.out.contains("cleared"), "\(ended.out)")
    }

    @Test func `is nobody's concern within what it asked for`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("head -c 30000000 /dev/zero > big")]) { $0.disk = .mebibytes(64) }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
    }
}
