import Model
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
        let plan = try await people.library.plan(of: run)
        try Self.check(request, plan)
        var offsets: [AttemptID: UInt64] = [:]
        try await people.pulses.watch(run) {
            let hasEnded = try await people.stored(run)?.ending != nil
            for attempt in try await attempts(of: run) where Self.isAsked(attempt, request, plan) {
                try await send(attempt, from: &offsets[attempt, default: 0], plan, to: stream)
            }
            return !request.follow || hasEnded
        }
        await stream.finish()
    }

    private func attempts(of run: RunID) async throws(LinkStatus) -> [AttemptID] {
        do throws(CoordinatorError) {
            return try await people.keeper.read { storage throws(StorageError) in
                try storage.attempts(of: run).map(\.lease.attempt)
            }
        } catch {
            throw error.status
        }
    }

    private static func check(_ request: Proto.ReadLogRequest, _ plan: Plan) throws(LinkStatus) {
        guard !request.job.isEmpty else { return }
        guard let job = plan.jobs.first(where: { $0.id == request.job }) else {
            let known = plan.jobs.map(\.id).joined(separator: ", ")
            throw LinkStatus(.notFound, "the run has no job '\(request.job.prefix(100))'; it has \(known)")
        }
        guard !request.cell.isEmpty, let cells = job.cells else { return }
        guard cells.contains(where: { $0.id == request.cell }) else {
            let known = cells.prefix(20).map(\.id).joined(separator: ", ")
            throw LinkStatus(
                .notFound, "job '\(job.id)' has no cell '\(request.cell.prefix(100))'; it has \(known)")
        }
    }

    private static func isAsked(_ attempt: AttemptID, _ request: Proto.ReadLogRequest, _ plan: Plan) -> Bool {
        guard let cell = plan.cell(attempt.shard.cell) else { return false }
        return (request.job.isEmpty || plan.jobs[attempt.shard.cell.job].id == request.job)
            && (request.cell.isEmpty || cell.id == request.cell)
            && (request.shard.map { Int($0) == attempt.shard.shard } ?? true)
    }

    private func send(
        _ attempt: AttemptID, from offset: inout UInt64, _ plan: Plan, to stream: LinkStream
    ) async throws {
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
