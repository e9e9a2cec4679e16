import Model
import Queries
import Storage
import Transport
import Wire

/// Sends logs to a reader: what is stored, and with `follow` what comes, until the run ends.
struct LogReading: Sendable {
    static let readBytes = 1 << 20

    let people: People

    func serve(_ stream: LinkStream, _ who: Principal) async throws {
        guard let request = try await stream.receive(Proto.ReadLogRequest.self) else { return }
        let run = RunID(request.run)
        _ = try await people.owner(of: run, who)
        if let dropped = try await people.stored(run)?.bulkDroppedAt {
            throw LinkStatus(.notFound, "the logs of \(run) were dropped on \(dropped.utc): it ended long ago")
        }
        let part = RunPart(
            job: request.job, cell: request.cell, shard: request.shard, attempt: request.attempt)
        var plan = try await people.reading { [library = people.library] in
            let snapshot = try library.snapshot(of: run)
            try snapshot.check(part)
            return snapshot.plan
        }
        let reader = await people.logs.beginReading(run)
        do {
            // All of them once; from then on those whose logs grow.
            var first = try await attempts(of: run)
            var offsets: [AttemptID: UInt64] = [:]
            try await people.pulses.watch(run) {
                let hasEnded = try await hasEnded(run)
                let grown = await people.logs.takeGrown(run, for: reader)
                for attempt in first + grown {
                    if plan.cell(attempt.shard.cell) == nil, let newer = await people.coordinator.plan(of: run) {
                        plan = newer
                    }
                    guard part.has(attempt, in: plan) else { continue }
                    try await send(attempt, from: &offsets[attempt, default: 0], plan, to: stream)
                }
                first = []
                return !request.follow || hasEnded
            }
        } catch {
            await people.logs.endReading(run, by: reader)
            throw error
        }
        await people.logs.endReading(run, by: reader)
        await stream.finish()
    }

    /// A run that the coordinator has not let go of yet has no stored end.
    private func hasEnded(_ run: RunID) async throws(LinkStatus) -> Bool {
        if await people.coordinator.plan(of: run) != nil { return false }
        return try await people.stored(run)?.ending != nil
    }

    private func attempts(of run: RunID) async throws(LinkStatus) -> [AttemptID] {
        do throws(CoordinatorError) {
            return try await people.keeper.read { storage throws(StorageError) in try storage.attemptIDs(of: run) }
        } catch {
            throw error.status
        }
    }

    private func send(
        _ attempt: AttemptID, from offset: inout UInt64, _ plan: Plan, to stream: LinkStream
    ) async throws {
        if try await people.logs.isShorter(attempt, than: offset) { offset = 0 }
        while true {
            let bytes = try await people.logs.read(attempt, from: offset, most: Self.readBytes)
            // Whole lines; one that is still on its way comes with the next look.
            guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return }
            for line in bytes[...end].split(separator: UInt8(ascii: "\n")) {
                try await stream.send(Self.message(line, attempt, plan))
            }
            offset += UInt64(end + 1)
        }
    }

    /// A stored line is `<nanoseconds> <o|e|s> <text>`.
    private static func message(_ line: ArraySlice<UInt8>, _ attempt: AttemptID, _ plan: Plan) -> Proto.LogLine {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        var message = Proto.LogLine()
        message.job = plan.jobs[attempt.shard.cell.job].id
        message.cell = plan.cell(attempt.shard.cell)?.id ?? ""
        message.shard = Int32(clamping: attempt.shard.shard)
        message.attempt = UInt32(clamping: attempt.number)
        guard parts.count == 3, let at = Int64(String(decoding: parts[0], as: UTF8.self)) else {
            message.stream = "sheaf"
            message.text = String(decoding: line, as: UTF8.self)
            return message
        }
        message.at = at
        message.stream =
            switch parts[1].first {
            case UInt8(ascii: "o"): "out"
            case UInt8(ascii: "e"): "err"
            default: "sheaf"
            }
        message.text = String(decoding: parts[2], as: UTF8.self)
        return message
    }
}
