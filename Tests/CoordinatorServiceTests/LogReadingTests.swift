import Foundation
import Model
import Testing

@testable import CoordinatorService

@Suite struct `A reader of logs` {
    private static func attempt(_ shard: Int, of run: UInt64 = 1) -> AttemptID {
        AttemptID(shard: ShardID(run: RunID(run), job: 0, cell: 0, shard: shard), number: 1)
    }

    @Test func `is told which logs of its run have grown since its last look, and of no other`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let logs = LogStore(folder: folder)
        let line = Array("1 o x\n".utf8)
        _ = try await logs.append(line, at: 0, of: Self.attempt(0))
        let (one, two) = (await logs.beginReading(RunID(1)), await logs.beginReading(RunID(1)))
        for shard in [2, 1] { _ = try await logs.append(line, at: 0, of: Self.attempt(shard)) }
        _ = try await logs.append(line, at: 0, of: Self.attempt(0, of: 2))
        #expect(await logs.takeGrown(RunID(1), for: one) == [Self.attempt(1), Self.attempt(2)])
        #expect(await logs.takeGrown(RunID(1), for: one).isEmpty)
        // What is there already is not new.
        _ = try await logs.append(line, at: 0, of: Self.attempt(1))
        _ = try await logs.append(line, at: UInt64(line.count), of: Self.attempt(2))
        #expect(await logs.takeGrown(RunID(1), for: one) == [Self.attempt(2)])
        #expect(await logs.takeGrown(RunID(1), for: two) == [Self.attempt(1), Self.attempt(2)])
        await logs.link([(from: Self.attempt(1), to: Self.attempt(7))])
        await logs.endReading(RunID(1), by: two)
        #expect(await logs.takeGrown(RunID(1), for: two).isEmpty)
        #expect(await logs.takeGrown(RunID(1), for: one) == [Self.attempt(7)])
        // Its number is given again: what was read of it is gone.
        await logs.discard(Self.attempt(7))
        #expect(await logs.takeGrown(RunID(1), for: one) == [Self.attempt(7)])
        #expect(try await logs.isShorter(Self.attempt(7), than: UInt64(line.count)))
        #expect(try await logs.isShorter(Self.attempt(1), than: UInt64(line.count)) == false)
    }
}
