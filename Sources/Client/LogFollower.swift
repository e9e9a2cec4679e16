import Transport
package import Wire

/// Reads logs until the run has ended, over as many connections as that takes, each line once.
package struct LogFollower: Sendable {
    /// One attempt at one shard.
    private struct Place: Hashable {
        var job: String
        var cell: String
        var shard: Int32
        var attempt: UInt32
    }

    private let request: Proto.ReadLogRequest
    private let farm: Reconnecting

    package init(
        _ request: Proto.ReadLogRequest, connect: @escaping @Sendable () async throws(ClientError) -> FarmClient
    ) {
        self.request = request
        farm = Reconnecting(connect: connect)
    }

    /// - Parameters:
    ///   - lost: told once each time that the farm is away.
    ///   - show: told every line, those of one attempt in order.
    /// - Throws: `ClientError` when the farm refuses, `CancellationError`.
    package func follow(lost: (ClientError) -> Void, _ show: (Proto.LogLine) -> Void) async throws {
        var shown: [Place: Int] = [:]
        try await farm.repeating { change in
            if case .lost(let error) = change { lost(error) }
        } until: { client, moved in
            // Every connection begins with each log's first line.
            var seen: [Place: Int] = [:]
            try await client.stream(Proto.Farm.ReadLog.self, request) { line in
                moved()
                let place = Place(job: line.job, cell: line.cell, shard: line.shard, attempt: line.attempt)
                seen[place, default: 0] += 1
                guard seen[place, default: 0] > shown[place, default: 0] else { return }
                shown[place] = seen[place]
                show(line)
            }
            return true
        }
    }
}
